# Loading a bundle into the global environment, as its author saved it: saved functions and formulas refer to it.
# Where two files hold an object of one name, the later one in sorted order wins, as it would in a session.

# Loads a bundle; bridge_lock() comes after it.
#   folder  character(1): the bundle.
#   input   character(1): "columns", one argument a feature, or "frame", one data.frame of all.
# Returns the model (see bridge_model_of), with `notes`: character, sentences for its author. Raises
# bridge_bundle_error.
bridge_load <- function(folder, input = "columns") {
  bridge_refuse_unreadable(folder)
  file <- file.path(folder, "Pred.R")
  if (!file.exists(file)) stop(bridge_bundle_error("there is no file Pred.R in the bundle"))
  notes <- bridge_load_objects(folder)
  sourced <- bridge_source_predict(file)
  bridge_refuse_hooks()
  c(bridge_model_of(bridge_predict_name(sourced$defined), input), list(notes = c(notes, sourced$notes)))
}

# Refuses a bundle with a file or folder that this process may not read, because R runs as another user than the gateway.
#   folder  character(1): the bundle.
bridge_refuse_unreadable <- function(folder) {
  names <- list.files(folder, all.files = TRUE, recursive = TRUE, include.dirs = TRUE)
  paths <- c(folder, file.path(folder, names))
  closed <- which(file.access(paths, 4L) != 0L | (dir.exists(paths) & file.access(paths, 1L) != 0L))
  if (length(closed)) stop(bridge_bundle_error(
    c("the bundle's folder", names)[closed[1L]], " can't be read by the user '", Sys.info()[["effective_user"]],
    "', as whom R runs: let this user read the files of the bundle and enter the folders that they are in"
  ))
}

# Loads every saved object, in sorted order.
#   folder  character(1).
# Returns character: a sentence for each warning of R, and for each object that is in two files.
bridge_load_objects <- function(folder) {
  files <- sort(list.files(folder, pattern = "\\.(rdata|rda|rds)$", ignore.case = TRUE), method = "radix")
  notes <- character()
  homes <- character()
  for (file in files) {
    kept <- bridge_warnings()
    names <- bridge_load_file(file.path(folder, file), file, kept)
    twice <- intersect(names, names(homes))
    notes <- c(
      notes, bridge_warning_notes(kept, file), bridge_foreign_text_notes(mget(names, envir = globalenv()), file),
      if (length(twice)) paste0("object '", twice, "' is in ", homes[twice], " and in ", file, ": the latter is used")
    )
    homes[names] <- file
  }
  notes
}

# Loads one file of saved objects.
#   path  character(1); file  character(1): what the sentences call it; kept  see bridge_warnings().
# Returns character: the objects' names.
bridge_load_file <- function(path, file, kept) {
  single <- grepl("\\.rds$", file, ignore.case = TRUE)
  tryCatch(
    bridge_keeping_warnings(
      if (single) {
        name <- sub("\\.[^.]*$", "", file)
        assign(name, readRDS(path), envir = globalenv())
        name
      } else {
        load(path, envir = globalenv())
      },
      kept
    ),
    error = function(condition) {
      stop(bridge_bundle_error(bridge_load_failure(path, file, single, condition, kept)))
    }
  )
}

# Says in a sentence why a file can't be loaded, and what to do if it is of the other kind (save() or saveRDS()).
#   path, file, kept  as in bridge_load_file(); single  logical(1): it was read as one object; condition  an error.
bridge_load_failure <- function(path, file, single, condition, kept) {
  otherwise <- bridge_written_otherwise(path, file, single)
  if (is.null(otherwise)) bridge_unloadable(file, condition, kept) else otherwise
}

# Says in a sentence what to do with a file that was saved by the other of save() and saveRDS(); NULL if it was not.
#   path, file  as in bridge_load_file(); single  logical(1): it was read as one object without a name.
bridge_written_otherwise <- function(path, file, single) {
  readable <- tryCatch(
    {
      suppressWarnings(if (single) load(path, envir = new.env()) else readRDS(path))
      TRUE
    },
    error = function(condition) FALSE
  )
  if (!readable) return(NULL)
  if (single) return(paste0(file, " was written by save(), not saveRDS(): give it a name that ends in .RData"))
  paste0(
    file, " was written by saveRDS(), which keeps an object without its name: write it with save(), or call the file ",
    "<the object's name>.rds"
  )
}

# Says in a sentence why a file can't be loaded, with R's own error message.
#   file  character(1); condition  an error; kept  see bridge_warnings().
bridge_unloadable <- function(file, condition, kept) {
  said <- bridge_on_one_line(bridge_full_message(condition, kept))
  sound <- grepl(paste0(
    "allocate|memory exhausted|Too many open files|Input/output error|there is no package|loadNamespace|",
    "Permission denied"
  ), said)
  paste0(file, " can't be loaded: ", if (!sound) "it is damaged or was not saved by R: ", said)
}

# Returns a sentence for each warning that R gave while it loaded a file.
#   kept  see bridge_warnings(); file  character(1): the name of the file.
bridge_warning_notes <- function(kept, file) {
  texts <- bridge_warning_texts(kept$warned)
  if (length(texts)) paste0("R warned while it loaded ", file, ": ", texts) else character()
}

# Evaluates Pred.R in the global environment; meanwhile the bundle is the working directory.
#   file  character(1): its path.
# Returns list: defined, the names of the functions that the file defines (those that it changed, and those that it
# assigns at its top level, even if a saved object of the same name was identical); notes, a sentence for each warning.
bridge_source_predict <- function(file) {
  expressions <- bridge_parse(file)
  before <- bridge_global_functions()
  previous <- setwd(dirname(file))
  on.exit(setwd(previous))
  kept <- bridge_warnings()
  tryCatch(
    bridge_keeping_warnings(for (expression in expressions) eval(expression, globalenv()), kept),
    error = function(condition) {
      said <- bridge_on_one_line(bridge_full_message(condition, kept))
      stop(bridge_bundle_error("Pred.R failed while it was loaded: ", said))
    }
  )
  after <- bridge_global_functions()
  changed <- vapply(names(after), function(name) !identical(after[[name]], before[[name]]), NA)
  assigned <- unlist(lapply(expressions, bridge_assigned_name))
  list(
    defined = sort(union(names(after)[changed], intersect(names(after), assigned)), method = "radix"),
    notes = bridge_warning_notes(kept, "Pred.R")
  )
}

# Returns the functions in the global environment, by name.
bridge_global_functions <- function() Filter(is.function, as.list(globalenv(), all.names = TRUE))

# Returns the expressions of an R file, which is UTF-8 with or without a byte order mark.
#   file  character(1).
bridge_parse <- function(file) {
  lines <- readLines(file, warn = FALSE, encoding = "UTF-8")
  if (!all(validUTF8(lines))) stop(bridge_bundle_error(basename(file), " is not UTF-8"))
  lines[1L] <- sub("^\ufeff", "", lines[1L])
  tryCatch(
    parse(text = lines, keep.source = FALSE, encoding = "UTF-8"),
    error = function(e) {
      line <- sub("^<text>:([0-9]+):.*$", "line \\1", strsplit(conditionMessage(e), "\n", fixed = TRUE)[[1L]][1L])
      stop(bridge_bundle_error(basename(file), " is not R code: ", line))
    }
  )
}

# Returns the name to which a top-level expression assigns a value; NULL if it assigns nothing.
#   expression  any element of a parsed file.
bridge_assigned_name <- function(expression) {
  assigns <- is.call(expression) && length(expression) == 3L &&
    (identical(expression[[1L]], as.name("<-")) || identical(expression[[1L]], as.name("=")))
  if (assigns && (is.symbol(expression[[2L]]) || is.character(expression[[2L]]))) as.character(expression[[2L]])
}

# Returns a condition's message on one line, of at most 600 characters.
#   condition  an error.
bridge_one_line <- function(condition) bridge_on_one_line(bridge_message(condition))

# Returns a text on one line, of at most 600 characters.
#   text  character(1).
bridge_on_one_line <- function(text) substr(gsub("[[:space:][:cntrl:]]+", " ", text), 1L, 600L)

# Refuses a bundle with an object that Rserve would call instead of the bridge's code: Rserve finds its hooks by name.
bridge_refuse_hooks <- function() {
  hooks <- grep("^(oc\\.init|\\.Rserve\\..*)$", ls(globalenv(), all.names = TRUE), value = TRUE)
  if (length(hooks)) stop(bridge_bundle_error(
    "the bundle holds an object named ", hooks[1L], ", a name that Rserve uses itself: rename it"
  ))
}

# Returns the name of the function that predicts.
#   defined  character: the functions that the file Pred.R defines.
bridge_predict_name <- function(defined) {
  if ("Pred.R" %in% defined) return("Pred.R")
  if (length(defined) == 1L) return(defined)
  if (!length(defined)) stop(bridge_bundle_error("Pred.R defines no function"))
  stop(bridge_bundle_error(
    "Pred.R defines ", length(defined), " functions (", paste(defined, collapse = ", "), ") and none is named Pred.R"
  ))
}

# Returns what a worker needs to know of the predict function in order to call it.
#   name   character(1): its name in the global environment.
#   input  as in bridge_load().
# Returns list: name; feature_names character and feature_required logical (no default), of its arguments; frame, the
# argument that is a data.frame of all features, or NULL; call, the usual call, built once.
bridge_model_of <- function(name, input) {
  features <- bridge_features(get(name, envir = globalenv(), mode = "function"), name)
  frame <- if (input == "frame") bridge_frame_argument(features, name)
  call <- bridge_call(name, if (is.null(frame)) features$feature_names else frame)
  c(list(name = name), features, list(frame = frame, call = call))
}

# Returns the argument that takes the data.frame: the one without a default, or the first if all have defaults.
#   features  list: see bridge_features(); name  character(1): the function's.
bridge_frame_argument <- function(features, name) {
  required <- features$feature_names[features$feature_required]
  if (length(required) > 1L) {
    stop(bridge_bundle_error(
      name, " has ", length(required), " arguments without a default (", paste(required, collapse = ", "),
      "): with input = \"frame\" it takes one, the data frame"
    ))
  }
  c(required, features$feature_names)[1L]
}

# Returns the features of a predict function: its arguments except `...`.
#   predict  function.
#   name     character(1): what the messages call it.
# Returns list: feature_names character, feature_required logical.
bridge_features <- function(predict, name) {
  if (is.primitive(predict)) stop(bridge_bundle_error(name, " is a primitive: its arguments have no names"))
  arguments <- as.list(formals(predict))
  if (identical(names(arguments), "...")) {
    stop(bridge_bundle_error(name, " takes only `...`: its arguments are the features, so they need names"))
  }
  arguments <- arguments[names(arguments) != "..."]
  if (!length(arguments)) stop(bridge_bundle_error(name, " takes no arguments: its arguments are the features"))
  required <- vapply(seq_along(arguments), function(i) identical(arguments[[i]], quote(expr = )), NA)
  list(feature_names = enc2utf8(names(arguments)), feature_required = required)
}

# Returns the call name(a = a, b = b). It holds symbols and no values, because R writes the values of a call into error
# messages and match.call().
#   name   character(1): the function.
#   names  character: the arguments.
bridge_call <- function(name, names) {
  arguments <- lapply(names, as.name)
  names(arguments) <- names
  as.call(c(list(as.name(name)), arguments))
}
