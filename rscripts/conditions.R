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
  substr(bridge_valid_text(text), 1L, limit)
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
