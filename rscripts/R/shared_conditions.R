# The bridge's own conditions. Each inherits `bridge_error`, and each names the event and whose fault it is.
# Their messages are ours: they hold names, classes and counts, never a value that a caller sent.

# A condition that can be raised with stop().
#   class    character(1): the condition's own class.
#   message  character(1): one plain sentence.
bridge_condition <- function(class, message) {
  structure(list(message = message, call = NULL), class = c(class, "bridge_error", "error", "condition"))
}

# The bundle can't be loaded or written: its author's to mend.
bridge_bundle_error <- function(...) bridge_condition("bridge_bundle_error", paste0(...))

# The predict function returned something that is not one score a row.
bridge_malformed_prediction <- function(...) bridge_condition("bridge_malformed_prediction", paste0(...))

# The gateway called with columns that the predict function does not take: a fault of the bridge.
bridge_call_error <- function(...) bridge_condition("bridge_call_error", paste0(...))

# The predict function failed, as `check` says it; or it gave an error that it had caught for its scores.
bridge_model_error <- function(...) bridge_condition("bridge_model_error", paste0(...))

# The text of any condition, fit for the wire: one valid UTF-8 string of bounded length.
#   condition  any condition, also one whose conditionMessage() itself fails.
#   limit      integer(1): characters kept. A model may paste a whole column into its message.
bridge_message <- function(condition, limit = 2000L) {
  text <- tryCatch(paste(as.character(conditionMessage(condition)), collapse = " "), error = function(e) "")
  bridge_shortened(bridge_valid_text(text), limit)
}

# The class by which a condition is known, likewise fit for the wire: the first that is not empty.
#   condition  any condition.
bridge_condition_class <- function(condition) {
  classes <- class(condition)
  bridge_shortened(bridge_valid_text(classes[!is.na(classes) & nzchar(classes)][1L]), 100L)
}

# A text of bounded length, which says how long it was where it is cut.
#   text  character(1), valid; limit  integer(1): characters kept.
bridge_shortened <- function(text, limit) {
  length <- nchar(text)
  if (length <= limit) text else paste0(substr(text, 1L, limit), "... (", length, " characters)")
}

# A calling handler for all conditions. What stop() is given becomes an error if it is none, such as a caught warning
# that is passed on: R would leave every function for it, and no handler of errors would see it.
#   condition  any condition.
bridge_raise_stopped <- function(condition) {
  if (inherits(condition, "error") || !identical(sys.function(-1L), stop)) return(invisible())
  class(condition) <- c(class(condition), "error")
  stop(condition)
}

# A string with every byte that is not UTF-8 spelled out as <xx>: one bad byte would make the whole reply unreadable.
#   text  character.
bridge_valid_text <- function(text) {
  Encoding(text)[Encoding(text) == "bytes"] <- "unknown"
  text <- enc2utf8(text)
  bad <- !validUTF8(text)
  text[bad] <- iconv(text[bad], "UTF-8", "UTF-8", sub = "byte")
  text
}
