# Compares the session's own scores of the golden rows with the bundle's. A silent change on the way into a bundle, such
# as a factor that becomes text, another locale or another option, shows as a different score.

# Raises bridge_bundle_error unless the session and the bundle give the same scores, to the bit.
#   name     character(1): the predict function's.
#   predict  function; objects  named list: what was passed beside it.
#   golden   data.frame as it was given; features  named list of list(type, levels, ordered).
#   found    named list of columns: the bundle's scores.
#   frame    character(1): the argument that takes the golden rows as they are; NULL if each column has its own.
#   row_by_row  logical(1): whether each row is scored by a call of its own.
bridge_compare_session <- function(name, predict, objects, golden, features, found, frame, row_by_row) {
  hint <- bridge_changed_columns(golden, features)
  own <- function() bridge_session_scores(name, predict, objects, golden, frame, row_by_row)
  wanted <- tryCatch(own(), error = function(condition) {
    stop(bridge_bundle_error(
      "the bundle scores the golden rows, but in this session ", name, " fails on them: ", bridge_one_line(condition),
      hint
    ))
  })
  types <- function(columns) vapply(columns, typeof, "")
  if (!identical(types(wanted), types(found))) {
    stop(bridge_bundle_error(
      "the bundle gives other outputs, or other types, than ", name, " does in this session", hint
    ))
  }
  for (output in names(wanted)) {
    differs <- length(bridge_differing(wanted[[output]], found[[output]]))
    if (differs) stop(bridge_bundle_error(
      "the bundle gives other scores than ", name, " does in this session: output '", output, "' differs in ", differs,
      " of ", nrow(golden), " rows", hint
    ))
  }
}

# Scores the golden rows in this session, with the objects as they were passed.
#   name, predict, objects, golden, frame, row_by_row  as in bridge_compare_session().
# Returns named list of columns.
bridge_session_scores <- function(name, predict, objects, golden, frame, row_by_row) {
  passed <- list2env(objects, parent = environment(predict))
  for (own in names(objects)) {
    if (typeof(objects[[own]]) == "closure" && identical(environment(objects[[own]]), globalenv())) {
      environment(passed[[own]]) <- passed
    }
  }
  environment(predict) <- passed
  assign(name, predict, envir = passed)
  score <- function(rows) {
    arguments <- if (is.null(frame)) as.list(rows) else structure(list(rows), names = frame)
    place <- list2env(arguments, parent = passed)
    prediction <- bridge_with_seed(suppressWarnings(eval(bridge_call(name, names(arguments)), place)))
    bridge_outputs(prediction, nrow(rows))
  }
  outputs <- if (row_by_row) {
    bridge_rows_apart(nrow(golden), function(row) score(golden[row, , drop = FALSE]))
  } else {
    score(golden)
  }
  names(outputs$columns) <- outputs$names
  outputs$columns
}

# Evaluates an expression with the seed of a worker, and restores the session's random number generator.
#   expression  is evaluated after the seed is set.
bridge_with_seed <- function(expression) {
  seed <- get0(".Random.seed", globalenv(), inherits = FALSE)
  kinds <- RNGkind()
  on.exit({
    suppressWarnings(RNGkind(kinds[1L], kinds[2L], kinds[3L]))
    if (is.null(seed)) rm(".Random.seed", envir = globalenv()) else assign(".Random.seed", seed, envir = globalenv())
  })
  set.seed(1L, "Mersenne-Twister", "Inversion", "Rejection")
  expression
}

# Returns the end of a sentence: the golden columns whose class or levels differ between this session and the bundle.
#   golden, features  as in bridge_compare_session().
bridge_changed_columns <- function(golden, features) {
  classes <- c(double = "numeric", int = "integer", bool = "logical", string = "character", factor = "factor")
  changed <- unlist(lapply(names(golden), function(name) {
    here <- class(golden[[name]])[1L]
    there <- if (isTRUE(features[[name]]$ordered)) "ordered" else classes[[features[[name]]$type]]
    if (here != there) paste0("column '", name, "' is ", here, " in this session and ", there, " in the bundle")
    else if (is.factor(golden[[name]]) && !identical(levels(golden[[name]]), features[[name]]$levels)) {
      paste0("column '", name, "' has other levels in this session")
    }
  }))
  if (length(changed)) paste0(" (", paste(changed, collapse = ", "), ")")
}
