# Scores logged calls again, for `scorebridge reconcile`:
#   Rscript reconcile.R <bundle> <seed> <declared> <progress> <input> <row_by_row>
# With serving it shares only Pred.R and the files shared_world.R, shared_outputs.R, shared_rows.R, shared_refusals.R
# and shared_conditions.R. Bytes are little-endian; a text is its length in bytes as int32 (-1 for a missing text) and
# its UTF-8 bytes; numbers are as in memory, so that no bit changes. The environment variables for the world are those
# of serve.R.
#   declared  file: int32 count of features; for each its name, its type ("ordered" for an ordered factor), int32 count of
#             levels, the levels, and what happens to a value that is none of them ("refuse", "missing", "default").
#   progress  file, usually a pipe: gets one byte when the model is loaded ("."; "!" if that failed), and one for each
#             call that is done.
#   input     "columns", or "frame" where the declared features are the columns of one data.frame.
#   row_by_row  "1" if each row is scored by a call of its own, else "0".
# Then each line of stdin is the path of a file of calls; the answers go to the same path with ".out".
#   calls     int32 count; for each int32 rows, int32 columns; for each name, int32 type (1 double, 2 int, 3 bool,
#             4 text), the values; texts as all their lengths, then all their bytes.
#   answers   for each call int32 0, int32 count of outputs and the outputs, written like columns; or int32 1 and a text
#             that says why it could not be scored.
# Once the model is loaded, <declared>.out holds the engine as a text; if it could not be loaded, the reason.

# Reads int32 numbers.
reconcile_int <- function(file, count = 1L) readBin(file, "integer", count, 4L, endian = "little")

# Reads texts: first all lengths, then all bytes.
#   count  integer(1).
reconcile_texts <- function(file, count) {
  lengths <- reconcile_int(file, count)
  texts <- readChar(file, pmax(lengths, 0L), useBytes = TRUE)
  Encoding(texts) <- "UTF-8"
  texts[lengths < 0L] <- NA_character_
  texts
}

# Writes texts as reconcile_texts() reads them.
reconcile_put_texts <- function(texts, file) {
  texts <- enc2utf8(as.character(texts))
  lengths <- nchar(texts, "bytes")
  lengths[is.na(texts)] <- -1L
  writeBin(as.integer(lengths), file, 4L, endian = "little")
  whole <- texts[lengths > 0L]
  writeBin(charToRaw(paste(whole, collapse = "")), file)
}

# Reads the features that model.toml declares.
#   path  character(1).  Returns named list of list(type, levels, unknown_level).
reconcile_declared <- function(path) {
  file <- file(path, "rb")
  on.exit(close(file))
  count <- reconcile_int(file)
  features <- list()
  for (i in seq_len(count)) {
    name <- reconcile_texts(file, 1L)
    type <- reconcile_texts(file, 1L)
    levels <- reconcile_texts(file, reconcile_int(file))
    features[[name]] <- list(type = type, levels = levels, unknown_level = reconcile_texts(file, 1L))
  }
  features
}

# Returns a column in the type of its feature. Raises an error if that would change a value: serving refuses such a
# call, but one that was answered with default scores while the version was loading may be on record.
# An unknown level becomes a missing value if the feature's unknown_level is "missing".
#   values  vector as it was sent; feature  list(type, levels, unknown_level), NULL if it was not declared;
#   name    character(1).
reconcile_typed <- function(values, feature, name) {
  if (is.null(feature)) return(values)
  if (length(feature$levels) && feature$unknown_level == "missing") values[!(values %in% feature$levels)] <- NA
  typed <- switch(feature$type,
    double = as.double(values), int = as.integer(values), bool = as.logical(values),
    string = as.character(values), factor = factor(as.character(values), levels = feature$levels),
    ordered = factor(as.character(values), levels = feature$levels, ordered = TRUE)
  )
  text <- feature$type %in% c("string", "factor", "ordered")
  lost <- if (text || is.character(values)) is.character(values) != text else any(typed != values, na.rm = TRUE)
  if (any(is.na(typed) != is.na(values)) || lost && !all(is.na(values))) {
    stop("the column '", name, "' does not fit the type that model.toml declares")
  }
  typed
}

# Reads one column of a call.
#   rows  integer(1).  Returns list(name, values).
reconcile_column <- function(file, rows) {
  name <- reconcile_texts(file, 1L)
  type <- reconcile_int(file)
  values <- switch(type,
    readBin(file, "double", rows, 8L, endian = "little"), reconcile_int(file, rows),
    as.logical(reconcile_int(file, rows)), reconcile_texts(file, rows)
  )
  list(name = name, values = values)
}

# Writes the outputs of a call.
#   outputs  as bridge_outputs() returns them.
reconcile_put_outputs <- function(outputs, file) {
  writeBin(c(0L, length(outputs$names)), file, 4L, endian = "little")
  for (i in seq_along(outputs$names)) {
    values <- outputs$columns[[i]]
    reconcile_put_texts(outputs$names[i], file)
    type <- match(typeof(values), c("double", "integer", "logical", "character"))
    writeBin(type, file, 4L, endian = "little")
    if (type == 1L) writeBin(values, file, 8L, endian = "little")
    if (type == 2L || type == 3L) writeBin(as.integer(values), file, 4L, endian = "little")
    if (type == 4L) reconcile_put_texts(values, file)
  }
}

# Loads the bundle's objects and Pred.R into the global environment.
#   folder  character(1): the bundle.
# Returns character(1): the name of the function that predicts.
reconcile_load <- function(folder) {
  for (name in sort(list.files(folder, "\\.(rdata|rda|rds)$", ignore.case = TRUE), method = "radix")) {
    path <- file.path(folder, name)
    if (grepl("\\.rds$", name, ignore.case = TRUE)) {
      assign(sub("\\.[^.]*$", "", name), readRDS(path), envir = globalenv())
    } else {
      load(path, envir = globalenv())
    }
  }
  previous <- setwd(folder)
  on.exit(setwd(previous))
  before <- as.list(globalenv(), all.names = TRUE)
  lines <- readLines("Pred.R", warn = FALSE, encoding = "UTF-8")
  lines[1L] <- sub("^\ufeff", "", lines[1L])
  code <- parse(text = lines, keep.source = FALSE, encoding = "UTF-8")
  for (expression in code) eval(expression, globalenv())
  reconcile_predict_name(before, code)
}

# Returns the name of the function that predicts: Pred.R if the file defines it, else the only function that it defines.
#   before  named list: the global variables before the file was run; code  expressions of the file.
reconcile_predict_name <- function(before, code) {
  after <- Filter(is.function, as.list(globalenv(), all.names = TRUE))
  changed <- names(after)[!vapply(names(after), function(name) identical(after[[name]], before[[name]]), NA)]
  assigned <- vapply(code, function(line) {
    if (!is.call(line) || !deparse(line[[1L]])[1L] %in% c("<-", "=")) return("")
    paste(as.character(line[[2L]]), collapse = " ")
  }, "")
  defined <- union(changed, intersect(names(after), assigned))
  if ("Pred.R" %in% defined) return("Pred.R")
  if (length(defined) != 1L) stop("Pred.R defines ", length(defined), " functions and none is named Pred.R")
  defined
}

# Scores one call, and returns its outputs.
#   predict   character(1): the function; seed  integer(1); declared  see reconcile_declared().
#   framed    logical(1): whether the function takes one data.frame.
#   rows      integer(1); columns  list of list(name, values); names are empty if columns are in the function's order.
reconcile_score <- function(predict, seed, declared, framed, rows, columns) {
  taken <- formals(get(predict, globalenv(), mode = "function"))
  formal <- if (framed) names(declared) else setdiff(names(taken), "...")
  names <- vapply(columns, `[[`, "", "name")
  if (all(names == "")) names <- formal
  if (length(names) != length(columns)) stop("the call has another number of columns than the model")
  if (!all(names %in% formal)) stop("the call has a column that the model does not take")
  if (anyDuplicated(names)) stop("the call has a column twice")
  values <- Map(function(column, name) reconcile_typed(column$values, declared[[name]], name), columns, names)
  names(values) <- names
  names <- formal[formal %in% names]
  if (framed) {
    if (!identical(names, formal)) stop("the call lacks the column '", setdiff(formal, names)[1L], "'")
    values <- list(list2DF(values[names], rows))
    names <- names(values) <- reconcile_frame_argument(taken)
  }
  # The call holds symbols and no values, because R writes the values of a call into messages.
  frame <- list2env(values, parent = globalenv())
  set.seed(seed, "Mersenne-Twister", "Inversion", "Rejection")
  bridge_outputs(do.call(predict, structure(lapply(names, as.name), names = names), envir = frame), rows)
}

# Returns the argument that takes the data.frame: the one without a default, or the first if all have defaults.
#   taken  pairlist: the function's arguments.
reconcile_frame_argument <- function(taken) {
  taken <- as.list(taken)[names(taken) != "..."]
  bare <- vapply(taken, function(default) is.symbol(default) && !nzchar(default), NA)
  c(names(taken)[bare], names(taken))[1L]
}

# Scores a file of calls.
#   path  character(1); score  function of rows and columns; done  function without arguments, called after each call.
reconcile_file <- function(path, score, done) {
  calls <- file(path, "rb")
  answers <- file(paste0(path, ".out"), "wb")
  on.exit({ close(calls); close(answers) })
  for (i in seq_len(reconcile_int(calls))) {
    shape <- reconcile_int(calls, 2L)
    columns <- lapply(seq_len(shape[2L]), function(j) reconcile_column(calls, shape[1L]))
    outputs <- tryCatch(
      withCallingHandlers(score(shape[1L], columns), condition = bridge_raise_stopped), error = bridge_message
    )
    if (is.list(outputs)) {
      reconcile_put_outputs(outputs, answers)
    } else {
      writeBin(1L, answers, 4L, endian = "little")
      reconcile_put_texts(outputs, answers)
    }
    flush(answers)
    done()
  }
}

# Returns the engine: the version of R, and of each loaded package that is not part of R.
reconcile_engine <- function() {
  own <- c(
    "base", "compiler", "datasets", "graphics", "grDevices", "grid", "methods", "parallel", "splines", "stats",
    "stats4", "tcltk", "tools", "translations", "utils"
  )
  names <- setdiff(loadedNamespaces(), own)
  versions <- vapply(sort(names, method = "radix"), function(name) paste(name, getNamespaceVersion(name)), "")
  paste(c(paste("R", paste(R.version$major, R.version$minor, sep = ".")), versions), collapse = ", ")
}

# Loads the model, then scores each file of calls that stdin names, until stdin ends.
#   arguments  character: the arguments of the command line.
reconcile_serve <- function(arguments) {
  options(warn = -1)
  progress <- file(arguments[4L], "wb")
  tell <- function(what = ".") {
    writeBin(charToRaw(what), progress)
    flush(progress)
  }
  put <- function(text) {
    out <- file(paste0(arguments[3L], ".out"), "wb")
    reconcile_put_texts(text, out)
    close(out)
  }
  declared <- reconcile_declared(arguments[3L])
  predict <- tryCatch(
    {
      bridge_enter_world(Sys.getenv("SCOREBRIDGE_TIMEZONE"), Sys.getenv("SCOREBRIDGE_LOCALE"))
      reconcile_load(arguments[1L])
    },
    error = function(condition) {
      put(bridge_message(condition))
      tell("!")
      quit(status = 1L)
    }
  )
  put(reconcile_engine())
  # Locked, so that no call can change the scores of the next one.
  set.seed(1L, "Mersenne-Twister", "Inversion", "Rejection")
  lockEnvironment(globalenv(), bindings = TRUE)
  unlockBinding(".Random.seed", globalenv())
  tell()
  seed <- as.integer(arguments[2L])
  framed <- arguments[5L] == "frame"
  whole <- function(rows, columns) reconcile_score(predict, seed, declared, framed, rows, columns)
  apart <- function(rows, columns) bridge_rows_apart(rows, function(row) {
    whole(1L, lapply(columns, function(column) list(name = column$name, values = column$values[row])))
  })
  score <- if (arguments[6L] == "1") apart else whole
  orders <- file("stdin", "r")
  while (length(path <- readLines(orders, 1L))) reconcile_file(path, score, tell)
}

local({
  scripts <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
  # Not in the global environment, which belongs to the model.
  own <- new.env(parent = baseenv())
  for (name in c("shared_conditions.R", "shared_world.R", "shared_refusals.R", "shared_outputs.R", "shared_rows.R")) {
    sys.source(file.path(scripts, "R", name), envir = own, keep.source = FALSE)
  }
  functions <- grep("^reconcile_", ls(globalenv()), value = TRUE)
  for (name in functions) {
    body <- get(name, globalenv())
    environment(body) <- own
    assign(name, body, envir = own)
  }
  rm(list = functions, envir = globalenv())
  own$reconcile_serve(commandArgs(trailingOnly = TRUE))
})
