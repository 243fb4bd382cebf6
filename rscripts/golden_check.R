# What check.R does once the bundle is loaded.

# Scores the golden rows, and writes or compares the scores.
#   path     character(1): golden.csv; where it is not there, only the load is checked.
#   request  list: step, features, input.
# Returns the reply, see check.R. It never raises.
bridge_check <- function(path, request) {
  framed <- request$input == "frame"
  features <- if (framed) names(request$features) else bridge_greeting_parts$feature_names
  reply <- c(
    bridge_greeting_parts[c("packages", "collation")],
    list(error = bridge_greeting_parts$error, features = features, warnings = bridge_greeting_parts$notes)
  )
  if (!is.null(reply$error) || !file.exists(path)) return(reply)
  tryCatch(
    {
      golden <- bridge_read_golden(path, request$features)
      if (framed) golden$inputs <- golden$inputs[features]
      kept <- bridge_warnings()
      scores <- bridge_golden_scores(golden, kept)
      if (request$step == "score") bridge_write_golden(path, golden$inputs, scores)
      if (request$step == "compare") bridge_compare(golden$expected, scores)
      texts <- bridge_warning_texts(kept$warned)
      reply$warnings <- c(reply$warnings, if (length(texts)) paste("R warned while golden rows were scored:", texts))
      # A call may have loaded more of them.
      reply$packages <- bridge_packages()
      c(reply, list(scores = scores, changed = texts[bridge_changes_data(texts)]))
    },
    error = function(condition) c(list(error = bridge_one_line(condition)), reply["features"])
  )
}

# The scores of the golden rows.
#   golden  see bridge_read_golden(); kept  see bridge_warnings().
# Returns named list of columns.
bridge_golden_scores <- function(golden, kept) {
  answer <- bridge_answer(golden$rows, names(golden$inputs), unname(golden$inputs), kept)
  if (answer[[1L]] == 0L) {
    names(answer[[3L]]) <- answer[[2L]]
    return(answer[[3L]])
  }
  said <- bridge_with_warnings(answer[[4L]], answer[[5L]])
  if (answer[[2L]] == "malformed") stop(bridge_malformed_prediction(said))
  stop(bridge_model_error("the predict function raised ", answer[[3L]], ": ", said))
}

# Holds scores against the expected ones, to the bit.
#   expected  named list of cells; scores  named list of columns.
bridge_compare <- function(expected, scores) {
  if (!identical(names(expected), names(scores))) {
    stop(bridge_bundle_error("golden.csv expects other outputs than the model gives"))
  }
  for (name in names(scores)) {
    wanted <- bridge_parse_column(paste0("score.", name), expected[[name]], typeof(scores[[name]]))
    differs <- bridge_differing(wanted, scores[[name]])
    if (length(differs)) stop(bridge_bundle_error(
      "golden rows don't come out: output '", name, "' differs in ", length(differs), " of ", length(wanted), " rows"
    ))
  }
}
