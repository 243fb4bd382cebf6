# Keeps R's warnings while the author's code runs, for error messages and for the trial of a bundle.
# Needs only shared_conditions.R.

# The largest number of warnings that are kept of one run, because a model may warn once for each row.
bridge_most_warnings <- 10L

# Returns an environment that keeps the warnings of one run in `warned`, a list of conditions.
bridge_warnings <- function() list2env(list(warned = list()), parent = emptyenv())

# Evaluates the author's code and keeps its warnings, also those that `options(warn = -1)` silences. Any condition that
# the code gives to stop() becomes an error.
#   expression  the code, which is evaluated once; its value is returned.
#   kept        see bridge_warnings().
bridge_keeping_warnings <- function(expression, kept) {
  withCallingHandlers(expression, condition = bridge_raise_stopped, warning = function(condition) {
    raised <- inherits(condition, "error")
    if (!raised && length(kept$warned) < bridge_most_warnings) kept$warned <- c(kept$warned, list(condition))
  })
}

# Returns the text of an error with the warnings before it: R's error says "cannot open the connection", and only the
# warning names the file.
#   condition  an error; kept  see bridge_warnings().
bridge_full_message <- function(condition, kept) bridge_with_warnings(bridge_message(condition), bridge_warned(kept))

# Returns the kept warnings as a clause that begins with "R warned: "; empty if there are none.
#   kept  see bridge_warnings().
bridge_warned <- function(kept) {
  texts <- bridge_warning_texts(kept$warned)
  if (length(texts)) paste0("R warned: ", paste(texts, collapse = "; ")) else ""
}

# Returns a sentence with the clause of bridge_warned() in brackets behind it.
#   said  character(1); warned  character(1): the clause, may be empty.
bridge_with_warnings <- function(said, warned) if (nzchar(warned)) paste0(said, " (", warned, ")") else said

# Returns the texts of some warnings, each once.
#   warned  list of conditions.
bridge_warning_texts <- function(warned) {
  unique(vapply(warned, function(condition) gsub("[[:space:][:cntrl:]]+", " ", bridge_message(condition, 300L)), ""))
}

# Tells which warnings say that R went on with other data than it was given. A gateway runs R in English, so the
# patterns are R's own words, from src/library/base/R/factor.R, src/main/arithmetic.c, coerce.c, subassign.c, seq.c of
# its sources.
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
