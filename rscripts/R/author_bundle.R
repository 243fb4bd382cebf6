# write_bundle(): writes a bundle from the objects of a session.

# Writes a bundle, proven in a fresh R process. Its manual is man/write_bundle.Rd.
#   dir            character(1): the folder to be written, which does not exist yet or is empty.
#   ...            the predict function and the objects it needs, under their variables' names or as name = object.
#   golden         data.frame of input rows or NULL; the written bundle scores them in a fresh R process, and every
#                  later load has to give the same scores.
#   row_wise       logical(1): whether no row's score depends on the others; NULL asks in an interactive session, and
#                  otherwise leaves the setting out.
#   default_score  number, or named list by output, or NULL.
#   timeout_s      seconds, or NULL.
#   features       named list of "double", "int", "bool", "string" or list(type = "factor", levels = ...), the last with
#                  or without ordered = TRUE, for features whose type the model does not tell or tells differently.
#   input          character(1): "columns", the function has an argument for each feature; "frame", it has one that is a
#                  data.frame of them: the golden rows' columns; without those the models' variables, then `features`.
#   row_by_row     logical(1): whether each row is scored by a call of its own, for a function written for one row.
#   accept_warnings  logical(1): whether R may warn, while it scores the golden rows, that it goes on with other data.
# Returns the path, invisibly. Raises bridge_bundle_error and leaves the disk as it was.
write_bundle <- function(dir, ..., golden = NULL, row_wise = NULL, default_score = NULL, timeout_s = NULL,
                         features = NULL, input = "columns", row_by_row = FALSE, accept_warnings = FALSE) {
  passed <- bridge_named_arguments(substitute(list(...)), list(...))
  bridge_refuse_folder(dir)
  settings <- list(row_wise = row_wise, timeout_s = timeout_s, default_score = default_score, input = input)
  settings$row_by_row <- row_by_row
  bridge_check_settings(settings)
  world <- bridge_session_world()
  for (remark in world$remarks) message(remark)
  settings <- c(settings, world[c("timezone", "locale")])
  name <- bridge_choose_predict(passed)
  objects <- passed[names(passed) != name]
  if (!length(objects)) stop(bridge_bundle_error("pass the model's objects as well as the function ", name))
  source <- bridge_predict_source(name, passed[[name]], objects)
  arguments <- bridge_features(passed[[name]], name)
  frame <- if (input == "frame") bridge_frame_argument(arguments, name)
  features <- if (is.null(frame)) {
    bridge_decide_features(arguments$feature_names, objects, golden, features)
  } else {
    bridge_decide_frame(objects, golden, features)
  }
  if (input == "columns") settings["input"] <- list(NULL)
  if (!row_by_row) settings["row_by_row"] <- list(NULL)
  if (is.null(row_wise) && !row_by_row) settings["row_wise"] <- list(bridge_ask_row_wise())
  made <- bridge_make_folder(dir)
  finished <- FALSE
  on.exit(if (!finished) unlink(made, recursive = TRUE))
  bridge_write_files(dir, source, objects, settings, features)
  if (!is.null(golden)) bridge_write_golden(file.path(dir, "golden.csv"), bridge_golden_inputs(golden, features))
  asked <- list(features = features, input = input, row_by_row = row_by_row)
  checked <- bridge_check_bundle(dir, !is.null(golden), c(asked, world[c("timezone", "locale")]))
  if (length(checked$changed) && !isTRUE(accept_warnings)) stop(bridge_bundle_error(
    "R went on with other data than it was given: ", checked$changed[1L],
    "; accept_warnings = TRUE writes the bundle all the same"
  ))
  # Written again now, because only loading and scoring show which packages the model needs.
  bridge_write_settings(file.path(dir, "model.toml"), settings, features, bridge_author(world$said, checked$packages))
  bridge_tell_collation(world, checked$collation)
  if (!is.null(golden)) {
    bridge_compare_session(name, passed[[name]], objects, golden, features, checked$scores, frame, row_by_row)
    bridge_check_defaults(default_score, checked$scores)
  }
  finished <- TRUE
  bridge_tell(dir, checked, features)
  invisible(normalizePath(dir))
}

# Refuses a path at which there is a file, or a folder that is not empty.
#   dir  character(1).
bridge_refuse_folder <- function(dir) {
  if (!is.character(dir) || length(dir) != 1L || is.na(dir)) {
    stop(bridge_bundle_error("dir must be the path of a folder"))
  }
  if (file.exists(dir) && !dir.exists(dir)) stop(bridge_bundle_error(
    basename(dir), " exists and is not a folder: remove it, or name another folder"
  ))
  if (length(list.files(dir, all.files = TRUE, no.. = TRUE))) {
    stop(bridge_bundle_error(
      basename(dir), " exists and is not empty, and a bundle is never written over: remove it, or name another folder"
    ))
  }
}

# Makes the bundle's folder, unless it exists and is empty.
#   dir  character(1).
# Returns character: the files and folders to remove again if the bundle fails.
bridge_make_folder <- function(dir) {
  if (dir.exists(dir)) return(file.path(dir, c("Pred.R", "model.RData", "model.toml", "golden.csv")))
  made <- dir
  while (!file.exists(dirname(made))) made <- dirname(made)
  if (!dir.create(dir, showWarnings = FALSE, recursive = TRUE)) {
    stop(bridge_bundle_error(basename(dir), " can't be made in ", dirname(dir)))
  }
  made
}

# Returns the arguments in `...` as a named list: each has its own name, or that of the variable that was passed.
#   expressions  call list(...): the arguments as they were written; values  list: their values.
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

# Returns the name of the function that predicts.
#   passed  named list: the functions and objects that were passed.
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

# Asks the author whether rows are scored independently of each other. Returns NULL if the session is not interactive.
bridge_ask_row_wise <- function() {
  if (interactive()) {
    answer <- readline("Is every row's score independent of the other rows in the call? [y/n] ")
    if (grepl("^[yYnN]", answer)) return(grepl("^[yY]", answer))
  }
  message(
    "row_wise was not given, so calls of this model are never cut, coalesced or retried row by row, which makes them ",
    "slower: pass row_wise = TRUE if no row's score depends on the other rows"
  )
  NULL
}

# Prints what was written, as messages.
#   dir  character(1); checked  see bridge_check_bundle(); features  named list.
bridge_tell <- function(dir, checked, features) {
  types <- vapply(checked$features, function(name) {
    if (is.null(features[[name]])) "as the caller sends it" else features[[name]]$type
  }, "")
  message("bundle ", basename(dir), "\n  features: ", paste0(checked$features, " (", types, ")", collapse = ", "))
  for (text in checked$warnings) message("  ", text)
  if (!length(checked$scores)) return(message("  no golden rows: nothing was scored"))
  outputs <- paste0(names(checked$scores), " (", vapply(checked$scores, typeof, ""), ")", collapse = ", ")
  message("  outputs: ", outputs, "\n  golden rows: ", length(checked$scores[[1L]]), ", all come out")
}
