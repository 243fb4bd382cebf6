# Writing a bundle from a session, and proving in a fresh R process that it scores. `bridge_scripts`, the folder of
# these files, is put beside this code by bundle.R.

# Writes a bundle. This is what users call as write_bundle().
#   dir            character(1): the folder; must not exist or be empty.
#   ...            the predict function and the objects it needs, under their variables' names or as name = object.
#   golden         data.frame of input rows or NULL; their scores, computed by the bundle as read back, become the proof
#                  that every later load has to pass.
#   row_wise       logical(1): no row's score depends on the others; NULL asks, or leaves it unsaid.
#   default_score  number, or named list by output, or NULL.
#   timeout_s      seconds, or NULL.
#   features       named list of "double", "int", "bool", "string" or list(type = "factor", levels = ...), where the
#                  model's own terms don't say or say otherwise.
# Returns the path, invisibly. Raises bridge_bundle_error and leaves no folder.
bridge_write_bundle <- function(dir, ..., golden = NULL, row_wise = NULL, default_score = NULL, timeout_s = NULL,
                                features = NULL) {
  passed <- bridge_named_arguments(substitute(list(...)), list(...))
  if (file.exists(dir) && length(list.files(dir, all.files = TRUE, no.. = TRUE))) {
    stop(bridge_bundle_error(basename(dir), " exists and is not empty"))
  }
  name <- bridge_choose_predict(passed)
  objects <- passed[names(passed) != name]
  if (!length(objects)) stop(bridge_bundle_error("pass the model's objects beside ", name))
  source <- bridge_predict_source(name, passed[[name]], objects)
  known <- bridge_features(passed[[name]], name)$feature_names
  features <- bridge_decide_features(known, objects, golden, features)
  if (is.null(row_wise)) row_wise <- bridge_ask_row_wise()
  finished <- FALSE
  on.exit(if (!finished) unlink(dir, recursive = TRUE))
  dir.create(dir, showWarnings = FALSE, recursive = TRUE)
  settings <- list(row_wise = row_wise, timeout_s = timeout_s, default_score = default_score)
  bridge_write_files(dir, source, objects, settings, features)
  if (!is.null(golden)) bridge_write_golden(file.path(dir, "golden.csv"), bridge_golden_inputs(golden, features))
  checked <- bridge_check_bundle(dir, features, !is.null(golden))
  finished <- TRUE
  bridge_tell(dir, checked, features)
  invisible(normalizePath(dir))
}

# The arguments by their names, or their variables' names.
#   expressions  call list(...); values  list.
bridge_named_arguments <- function(expressions, values) {
  expressions <- as.list(expressions)[-1L]
  if (is.null(names(values))) names(values) <- rep("", length(values))
  for (i in which(!nzchar(names(values)))) {
    if (is.symbol(expressions[[i]])) {
      names(values)[i] <- as.character(expressions[[i]])
    } else if (is.function(values[[i]])) {
      names(values)[i] <- "Pred.R"
    } else {
      stop(bridge_bundle_error("argument ", i + 1L, " has no name: pass a variable, or name = object"))
    }
  }
  twice <- names(values)[duplicated(names(values))]
  if (length(twice)) stop(bridge_bundle_error("two objects are named '", twice[1L], "'"))
  values
}

# Which of the objects predicts.
#   passed  named list.
bridge_choose_predict <- function(passed) {
  functions <- names(passed)[vapply(passed, is.function, NA)]
  if ("Pred.R" %in% functions) return("Pred.R")
  if (length(functions) == 1L) return(functions)
  if (!length(functions)) stop(bridge_bundle_error("none of the objects is a function: pass the one that predicts"))
  stop(bridge_bundle_error(
    length(functions), " functions were passed (", paste(functions, collapse = ", "), ") and none is named Pred.R"
  ))
}

# Writes Pred.R, model.RData and model.toml.
#   dir  character(1); source  character, lines; objects  named list; settings, features  as in bridge_write_settings().
bridge_write_files <- function(dir, source, objects, settings, features) {
  output <- file(file.path(dir, "Pred.R"), "wb")
  on.exit(close(output))
  writeLines(enc2utf8(source), output, sep = "\n", useBytes = TRUE)
  save(list = names(objects), file = file.path(dir, "model.RData"), envir = list2env(objects), compress = TRUE)
  bridge_write_settings(file.path(dir, "model.toml"), settings, features)
}

# The [features] table: what the author says, else what the models' terms say, else the golden columns' own types.
#   names    character: the features; objects  named list; golden  data.frame or NULL; said  named list or NULL.
# Returns named list of list(type, levels); features of which nothing is known are left out.
bridge_decide_features <- function(names, objects, golden, said) {
  strangers <- setdiff(c(names(said), names(golden)), names)
  if (length(strangers)) stop(bridge_bundle_error("'", strangers[1L], "' is not an argument of the predict function"))
  proposed <- bridge_propose_features(names, objects)
  decided <- lapply(seq_along(names), function(i) {
    own <- said[[names[i]]]
    if (!is.null(own)) return(bridge_said_feature(names[i], own))
    if (nzchar(proposed$types[i])) return(list(type = proposed$types[i], levels = proposed$levels[[i]]))
    if (names[i] %in% names(golden)) bridge_golden_feature(names[i], golden[[names[i]]])
  })
  names(decided) <- names
  Filter(Negate(is.null), decided)
}

# What the author says of a feature.
#   name  character(1); own  character(1) or list(type, levels).
bridge_said_feature <- function(name, own) {
  own <- if (is.character(own)) list(type = own) else own
  fits <- is.list(own) && length(own$type) == 1L && own$type %in% c("double", "int", "bool", "string", "factor") &&
    (own$type == "factor") == (length(own$levels) > 0L) && !anyDuplicated(own$levels)
  if (!fits) {
    stop(bridge_bundle_error(
      "features$", name, " must be double, int, bool, string or list(type = \"factor\", levels = ...)"
    ))
  }
  list(type = own$type, levels = as.character(own$levels))
}

# What a golden column's own type says, where the model says nothing.
#   name  character(1); column  vector.
bridge_golden_feature <- function(name, column) {
  if (is.factor(column)) {
    # Golden rows never define levels: the next rows may hold others.
    message("feature '", name, "' is a factor that the model does not know: declared as a string")
    return(list(type = "string", levels = character()))
  }
  type <- c(double = "double", integer = "int", logical = "bool", character = "string")[typeof(column)]
  if (is.object(column) || is.na(type)) stop(bridge_bundle_error("golden column '", name, "' is ", class(column)[1L]))
  list(type = type[[1L]], levels = character())
}

# The golden rows' columns in their features' types, as the gateway would convert them.
#   golden  data.frame; features  named list of list(type, levels).
bridge_golden_inputs <- function(golden, features) {
  if (!is.data.frame(golden) || !nrow(golden)) stop(bridge_bundle_error("golden must be a data.frame with rows"))
  columns <- lapply(names(golden), function(name) {
    column <- golden[[name]]
    feature <- features[[name]]
    if (feature$type %in% c("string", "factor") && (is.factor(column) || is.character(column))) {
      column <- as.character(column)
      if (feature$type == "string" || all(is.na(column) | column %in% feature$levels)) return(column)
      stop(bridge_bundle_error("golden column '", name, "' holds a level that the feature does not have"))
    }
    if (!is.object(column)) {
      if (feature$type == "double" && is.numeric(column)) return(as.double(column))
      if (feature$type == "int" && is.integer(column)) return(column)
      if (feature$type == "bool" && is.logical(column)) return(column)
    }
    stop(bridge_bundle_error("golden column '", name, "' is ", class(column)[1L], ", the feature is ", feature$type))
  })
  names(columns) <- names(golden)
  columns
}

# Loads and scores the bundle in fresh R processes: the first writes the expected scores, the second must find them.
#   dir  character(1); features  named list; golden  logical(1): there are golden rows.
# Returns what check.R found: list(features character, outputs named character, rows integer).
bridge_check_bundle <- function(dir, features, golden) {
  request <- tempfile(fileext = ".rds")
  reply <- tempfile(fileext = ".rds")
  on.exit(unlink(c(request, reply)))
  for (step in c(if (golden) "score", "compare")) {
    saveRDS(list(step = step, features = features), request)
    arguments <- shQuote(c("--vanilla", file.path(bridge_scripts, "check.R"), normalizePath(dir), request, reply))
    # Models may load packages that print: their text is none of ours.
    system2(file.path(R.home("bin"), "Rscript"), arguments, stdout = FALSE, stderr = FALSE, env = "LC_ALL=C.UTF-8")
    if (!file.exists(reply)) stop(bridge_bundle_error("the R process that checks the bundle died"))
    checked <- readRDS(reply)
    unlink(reply)
    if (!is.null(checked$error)) stop(bridge_bundle_error("the bundle does not work in a fresh R: ", checked$error))
  }
  checked
}

# Whether the author says that rows don't depend on each other. NULL where nobody can be asked.
bridge_ask_row_wise <- function() {
  if (interactive()) {
    answer <- readline("Is every row's score independent of the other rows in the call? [y/n] ")
    if (grepl("^[yYnN]", answer)) return(grepl("^[yY]", answer))
  }
  message("row_wise is not said: calls of this model are never cut, joined or retried row by row, which costs speed")
  NULL
}

# Tells the author what was written.
#   dir  character(1); checked  see bridge_check_bundle(); features  named list.
bridge_tell <- function(dir, checked, features) {
  types <- vapply(checked$features, function(name) {
    if (is.null(features[[name]])) "as the caller sends it" else features[[name]]$type
  }, "")
  message("bundle ", basename(dir), "\n  features: ", paste0(checked$features, " (", types, ")", collapse = ", "))
  if (!length(checked$outputs)) return(message("  no golden rows: nothing was scored"))
  message(
    "  outputs: ", paste0(names(checked$outputs), " (", checked$outputs, ")", collapse = ", "),
    "\n  golden rows: ", checked$rows, ", all come out"
  )
}
