# R's warnings: kept while the author's code runs, told with its errors, and shown by whatever tries a bundle.
# Stands alone but for shared_conditions.R.

# The most that are kept of one run; a model may warn once a row.
bridge_most_warnings <- 10L

# Where the warnings of one run are kept: an environment with `warned`, a list of conditions.
bridge_warnings <- function() list2env(list(warned = list()), parent = emptyenv())

# Evaluates the author's code, and keeps what it warns of. `options(warn = -1)` silences warnings, and does not keep them
# from being seen here. Whatever it stops with is an error.
#   expression  is evaluated once; its value is returned.
#   kept        see bridge_warnings().
bridge_keeping_warnings <- function(expression, kept) {
  withCallingHandlers(expression, condition = bridge_raise_stopped, warning = function(condition) {
    raised <- inherits(condition, "error")
    if (!raised && length(kept$warned) < bridge_most_warnings) kept$warned <- c(kept$warned, list(condition))
  })
}

# The text of an error with the warnings before it: R says "cannot open the connection" in the one, and which file in
# the other.
#   condition  an error; kept  see bridge_warnings().
bridge_full_message <- function(condition, kept) bridge_with_warnings(bridge_message(condition), bridge_warned(kept))

# What was warned of, as a clause; empty if nothing was.
#   kept  see bridge_warnings().
bridge_warned <- function(kept) {
  texts <- bridge_warning_texts(kept$warned)
  if (length(texts)) paste0("R warned: ", paste(texts, collapse = "; ")) else ""
}

# A sentence with that clause.
#   said  character(1); warned  see bridge_warned().
bridge_with_warnings <- function(said, warned) if (nzchar(warned)) paste0(said, " (", warned, ")") else said

# The different texts of some warnings.
#   warned  list of conditions.
bridge_warning_texts <- function(warned) {
  unique(vapply(warned, function(condition) gsub("[[:space:][:cntrl:]]+", " ", bridge_message(condition, 300L)), ""))
}

# Which warnings say that R went on with other data than it was given. A gateway speaks English to R, so these are R's
# own words; R's sources have them in src/library/base/R/factor.R, src/main/arithmetic.c, coerce.c, subassign.c, seq.c.
#   texts  character.
# Returns logical.
bridge_changes_data <- function(texts) {
  patterns <- c(
    "introduced by coercion", "discarded in coercion", "treated as 0 in coercion", "out-of-range values",
    "invalid factor level", "not meaningful for (ordered )?factors", "is not numeric or logical: returning NA",
    "produced by integer overflow", "not a (sub-)?multiple", "only the first", "first element used",
    "'newdata' had [0-9]+ rows? but variables found have", "unable to translate", "input string [0-9]+ is invalid",
    "contrasts dropped from factor", "[Tt]ype mismatch"
  )
  grepl(paste(patterns, collapse = "|"), texts)
}
