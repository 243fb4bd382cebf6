# Checks the settings for model.toml as the gateway will check them, while the author can still mend them.

# Refuses settings that no gateway takes, whatever the model's outputs are.
#   settings  list: row_wise, row_by_row, timeout_s, default_score, input; NULL for a setting that was not given.
bridge_check_settings <- function(settings) {
  row_wise <- settings$row_wise
  if (!is.null(row_wise) && !isTRUE(row_wise) && !isFALSE(row_wise)) {
    stop(bridge_bundle_error("row_wise must be TRUE or FALSE"))
  }
  row_by_row <- settings$row_by_row
  if (!isTRUE(row_by_row) && !isFALSE(row_by_row)) stop(bridge_bundle_error("row_by_row must be TRUE or FALSE"))
  if (row_by_row && isFALSE(row_wise)) {
    stop(bridge_bundle_error("row_by_row makes every row independent of the others: leave row_wise out"))
  }
  timeout_s <- settings$timeout_s
  if (!is.null(timeout_s) && !(bridge_is_scalar(timeout_s) && is.numeric(timeout_s) && timeout_s > 0)) {
    stop(bridge_bundle_error("timeout_s must be a number of seconds above 0"))
  }
  if (!identical(settings$input, "columns") && !identical(settings$input, "frame")) {
    stop(bridge_bundle_error("input must be \"columns\" or \"frame\""))
  }
  default <- settings$default_score
  if (is.null(default)) return(invisible())
  names <- names(default)
  named <- is.null(names) || (all(nzchar(names)) && !anyDuplicated(names))
  values <- if (is.null(names)) list(default) else as.list(default)
  if (!named || !length(values) || !all(vapply(values, bridge_is_scalar, NA))) {
    stop(bridge_bundle_error(
      "default_score must be one finite number, truth value or text, or a named list with one for each output"
    ))
  }
}

# Whether a value can be a setting: one finite number, truth value or text.
#   value  anything.
bridge_is_scalar <- function(value) {
  is.atomic(value) && !is.object(value) && length(value) == 1L && !is.na(value) && !is.infinite(value) &&
    typeof(value) %in% c("double", "integer", "logical", "character")
}

# Refuses default scores that do not fit the model's outputs in name or type.
#   default  as write_bundle is given it; scores  named list of columns.
bridge_check_defaults <- function(default, scores) {
  if (is.null(default)) return(invisible())
  defaults <- if (is.null(names(default))) lapply(scores, function(column) default) else as.list(default)
  strangers <- setdiff(names(defaults), names(scores))
  if (length(strangers)) {
    stop(bridge_bundle_error("default_score names '", strangers[1L], "', which is not an output of the model"))
  }
  absent <- setdiff(names(scores), names(defaults))
  if (length(absent)) stop(bridge_bundle_error("default_score has no value for the output '", absent[1L], "'"))
  for (name in names(scores)) {
    wanted <- bridge_wanted_default(defaults[[name]], scores[[name]])
    if (!is.null(wanted)) stop(bridge_bundle_error("default_score for the output '", name, "' must be ", wanted))
  }
}

# Returns what a default score has to be, such as "a number"; NULL if it fits its output.
#   value  a scalar; column  the scores of its output.
bridge_wanted_default <- function(value, column) {
  # The type of an output that is missing in every row is not known.
  if (is.logical(column) && all(is.na(column))) return(NULL)
  whole <- is.numeric(value) && value == trunc(value) && abs(value) <= .Machine$integer.max
  switch(typeof(column),
    double = if (!is.numeric(value)) "a number",
    integer = if (!whole) "a whole number",
    logical = if (!is.logical(value)) "TRUE or FALSE",
    character = if (!is.character(value)) "text"
  )
}
