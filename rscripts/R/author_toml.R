# Writes model.toml: the settings and the tables [author] and [features].

# Writes the file.
#   path      character(1).
#   settings  named list of scalars, or named lists of scalars; NULL elements are left out.
#   features  named list of list(type, levels, ordered).
#   author    named list like settings, for the table [author]; empty for no such table.
bridge_write_settings <- function(path, settings, features, author = list()) {
  lines <- bridge_toml_lines(settings)
  if (length(author)) lines <- c(lines, if (length(lines)) "", "[author]", bridge_toml_lines(author))
  if (length(features)) {
    table <- vapply(names(features), function(name) bridge_toml_feature(name, features[[name]]), "")
    lines <- c(lines, if (length(lines)) "", "[features]", table)
  }
  output <- file(path, "wb")
  on.exit(close(output))
  writeLines(lines, output, sep = "\n", useBytes = TRUE)
}

# Returns one line for each setting that is not NULL.
#   settings  named list of scalars, or named lists of scalars.
bridge_toml_lines <- function(settings) {
  settings <- Filter(Negate(is.null), settings)
  vapply(names(settings), function(name) paste(bridge_toml_key(name), "=", bridge_toml_value(settings[[name]])), "")
}

# Returns one line of the table [features].
#   name     character(1).
#   feature  list(type, levels, ordered).
bridge_toml_feature <- function(name, feature) {
  if (feature$type != "factor") return(paste0(bridge_toml_key(name), " = ", bridge_toml_text(feature$type)))
  levels <- paste(bridge_toml_text(feature$levels), collapse = ", ")
  paste0(bridge_toml_key(name), " = {type = \"factor\", levels = [", levels, "]", if (feature$ordered) ", ordered = true", "}")
}

# Returns a key as TOML, in quotes if it needs them.
#   name  character(1).
bridge_toml_key <- function(name) if (grepl("^[A-Za-z0-9_-]+$", name, perl = TRUE)) name else bridge_toml_text(name)

# Returns texts as TOML's basic strings.
#   text  character.
bridge_toml_text <- function(text) {
  text <- gsub("\"", "\\\"", gsub("\\", "\\\\", enc2utf8(text), fixed = TRUE), fixed = TRUE)
  for (code in c(1:31, 127L)) text <- gsub(intToUtf8(code), sprintf("\\u%04X", code), text, fixed = TRUE)
  paste0("\"", text, "\"")
}

# Returns a value as TOML: a scalar, or an inline table of scalars.
#   value  logical(1), numeric(1), character(1) or a named list or vector of them.
bridge_toml_value <- function(value) {
  if (!is.null(names(value))) {
    parts <- vapply(names(value), function(name) paste(bridge_toml_key(name), "=", bridge_toml_value(value[[name]])), "")
    return(paste0("{", paste(parts, collapse = ", "), "}"))
  }
  if (length(value) != 1L || is.na(value) || is.infinite(value)) {
    stop(bridge_bundle_error("a setting must be one finite number, truth value or text"))
  }
  if (is.logical(value)) return(if (value) "true" else "false")
  if (is.character(value)) return(bridge_toml_text(value))
  if (!is.numeric(value)) stop(bridge_bundle_error("a setting can't be of type ", typeof(value)))
  digits <- if (is.integer(value)) sprintf("%d", value) else sprintf("%.17g", value)
  if (is.integer(value) || grepl("[.e]", digits)) digits else paste0(digits, ".0")
}
