# The bridge's own conditions. Each inherits `bridge_error`; its class names the event and whose fault it is.
# Their messages hold names, classes and counts, never a value that a caller sent.

# Returns a condition that can be raised with stop().
#   class    character(1): the condition's own class.
#   message  character(1): one plain sentence.
bridge_condition <- function(class, message) {
  structure(list(message = message, call = NULL), class = c(class, "bridge_error", "error", "condition"))
}

# The bundle can't be loaded or written; its author has to mend it.
bridge_bundle_error <- function(...) bridge_condition("bridge_bundle_error", paste0(...))

# The predict function returned something that is not one score a row.
bridge_malformed_prediction <- function(...) bridge_condition("bridge_malformed_prediction", paste0(...))

# The gateway sent columns that the predict function does not take; this is a bug of the bridge.
bridge_call_error <- function(...) bridge_condition("bridge_call_error", paste0(...))

# The predict function failed, as `check` reports it, or returned a caught error instead of scores.
bridge_model_error <- function(...) bridge_condition("bridge_model_error", paste0(...))

# Returns the message of any condition so that it can be sent: one valid UTF-8 string of bounded length.
#   condition  any condition, also one whose conditionMessage() itself fails.
#   limit      integer(1): characters kept. A model may paste a whole column into its message.
bridge_message <- function(condition, limit = 2000L) {
  text <- tryCatch(paste(as.character(conditionMessage(condition)), collapse = " "), error = function(e) "")
  bridge_shortened(bridge_valid_text(text), limit)
}

# Returns the first class of a condition that is not empty, as one valid UTF-8 string of at most 100 characters.
#   condition  any condition.
bridge_condition_class <- function(condition) {
  classes <- class(condition)
  bridge_shortened(bridge_valid_text(classes[!is.na(classes) & nzchar(classes)][1L]), 100L)
}

# Returns a text of at most `limit` characters; a text that is cut says at its end how long it was.
#   text  character(1), valid; limit  integer(1): characters kept.
bridge_shortened <- function(text, limit) {
  length <- nchar(text)
  if (length <= limit) text else paste0(substr(text, 1L, limit), "... (", length, " characters)")
}

# A calling handler for all conditions. If stop() is given a condition that is not an error, such as a caught warning,
# it becomes an error: R would leave all functions for it, and no handler of errors would see it.
#   condition  any condition.
bridge_raise_stopped <- function(condition) {
  if (inherits(condition, "error") || !identical(sys.function(-1L), stop)) return(invisible())
  class(condition) <- c(class(condition), "error")
  stop(condition)
}

# Returns texts with each byte that is not UTF-8 written as <xx>: one bad byte would make the whole reply unreadable.
#   text  character.
bridge_valid_text <- function(text) {
  Encoding(text)[Encoding(text) == "bytes"] <- "unknown"
  text <- enc2utf8(text)
  bad <- !validUTF8(text)
  text[bad] <- iconv(text[bad], "UTF-8", "UTF-8", sub = "byte")
  text
}
