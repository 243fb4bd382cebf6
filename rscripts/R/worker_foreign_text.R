# Text in saved objects that is not what it says: format version 2 keeps the bytes of the author's locale, such as GBK
# or latin1, without its name. Such text never equals what a caller sends, which is UTF-8, and R does not say so.

# What to tell of it, in a sentence; character() if none was found.
#   values  list: what a file held; file  character(1).
bridge_foreign_text_notes <- function(values, file) {
  if (!bridge_holds_foreign_text(values)) return(character())
  paste0(
    file, " holds text that is not UTF-8, which no caller's text will equal: load it in the locale in which it was ",
    "made, and save it by save(version = 3)"
  )
}

# Whether some objects hold such text. Of large objects only a part is looked at.
#   values  list.
#   most    integer(1): so many objects, and strings of each; so deep.
bridge_holds_foreign_text <- function(values, most = c(objects = 10000L, strings = 10000L, depth = 50L)) {
  seen <- 0L
  holds <- function(value, depth) {
    seen <<- seen + 1L
    if (seen > most[["objects"]] || depth > most[["depth"]]) return(FALSE)
    if (is.character(value)) {
      if (!all(validEnc(value[seq_len(min(length(value), most[["strings"]]))]))) return(TRUE)
    }
    for (part in attributes(value)) if (holds(part, depth + 1L)) return(TRUE)
    if (!is.list(value)) return(FALSE)
    for (part in unclass(value)) {
      if (seen > most[["objects"]]) return(FALSE)
      if (holds(part, depth + 1L)) return(TRUE)
    }
    FALSE
  }
  holds(values, 0L)
}
