# Finds text in saved objects that is not UTF-8: format version 2 keeps the bytes of the author's locale, such as GBK or
# latin1, without naming it. Such text never equals a caller's text, which is UTF-8, and R does not warn of it.

# Returns a sentence for the author if a file's objects hold such text; character() if none was found.
#   values  list: the file's objects; file  character(1): its name.
bridge_foreign_text_notes <- function(values, file) {
  if (!bridge_holds_foreign_text(values)) return(character())
  paste0(
    file, " holds text that is not UTF-8, so no caller's text will ever equal it: load it in the locale in which it ",
    "was made, and save it by save(version = 3)"
  )
}

# Whether some objects hold text that is not UTF-8. Only the beginning of large objects is searched.
#   values  list.
#   most    integer: the largest numbers of objects, of strings in each, and of levels of nesting that are searched.
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
