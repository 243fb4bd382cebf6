# What check.R does once the bundle is loaded.

# Scores the golden rows, and writes or compares the scores.
#   path     character(1): golden.csv; where it is not there, only the load is checked.
#   request  list: step, features.
# Returns the reply, see check.R. It never raises.
bridge_check <- function(path, request) {
  reply <- c(
    bridge_greeting_parts[c("packages", "collation")],
    list(error = bridge_greeting_parts$error, features = bridge_greeting_parts$feature_names)
  )
  if (!is.null(reply$error) || !file.exists(path)) return(reply)
  tryCatch(
    {
      golden <- bridge_read_golden(path, request$features)
      scores <- bridge_golden_scores(golden)
      if (request$step == "score") bridge_write_golden(path, golden$inputs, scores)
      if (request$step == "compare") bridge_compare(golden$expected, scores)
      # A call may have loaded more of them.
      reply$packages <- bridge_packages()
      c(reply, list(scores = scores))
    },
    error = function(condition) c(list(error = bridge_one_line(condition)), reply["features"])
  )
}

# The scores of the golden rows.
#   golden  see bridge_read_golden().
# Returns named list of columns.
bridge_golden_scores <- function(golden) {
  answer <- bridge_score(golden$rows, names(golden$inputs), unname(golden$inputs))
  if (answer[[1L]] == 0L) {
    names(answer[[3L]]) <- answer[[2L]]
    return(answer[[3L]])
  }
  if (answer[[2L]] == "malformed") stop(bridge_malformed_prediction(answer[[4L]]))
  stop(bridge_model_error("the predict function raised ", answer[[3L]], ": ", answer[[4L]]))
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
