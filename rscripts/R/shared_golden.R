# Writes and reads golden.csv: input columns, then the expected scores in columns named `score.<output>`. Digits and
# missing values are read as the gateway reads them. Needs only shared_conditions.R.
# Numbers have 17 significant digits, text is always quoted, missing is empty and unquoted, lines end in \n, UTF-8.

# Writes a golden file.
#   path    character(1).
#   inputs  named list of columns: double, integer, logical, character or factor.
#   scores  named list of columns of the same length: double, integer, logical or character.
bridge_write_golden <- function(path, inputs, scores = list()) {
  header <- c(names(inputs), if (length(scores)) paste0("score.", names(scores)))
  cells <- lapply(c(unname(inputs), unname(scores)), bridge_format_cells)
  lines <- c(paste(bridge_format_cells(header), collapse = ","), do.call(paste, c(cells, sep = ",")))
  output <- file(path, "wb")
  on.exit(close(output))
  writeLines(lines, output, sep = "\n", useBytes = TRUE)
}

# Returns a column's values as cells.
#   values  atomic vector or factor.
# Returns character, marked as UTF-8.
bridge_format_cells <- function(values) {
  if (is.factor(values)) values <- as.character(values)
  cells <- switch(typeof(values),
    double = sprintf("%.17g", values),
    integer = sprintf("%d", values),
    logical = as.character(values),
    character = paste0("\"", gsub("\"", "\"\"", enc2utf8(values), fixed = TRUE), "\""),
    stop(bridge_bundle_error("golden rows can't hold ", typeof(values), " values"))
  )
  cells[is.na(values)] <- ""
  cells
}

# Reads a golden file.
#   path      character(1).
#   features  named list of list(type, levels, ordered): the types, which are never guessed.
# Returns list: rows integer(1); inputs, named list of typed columns; expected, named list of list(text, quoted), to be
# read as the type that the model gives (see bridge_parse_column).
bridge_read_golden <- function(path, features) {
  cells <- bridge_read_cells(path)
  header <- cells$text[1L, ]
  if (nrow(cells$text) < 2L) stop(bridge_bundle_error("golden.csv: there is no row in it"))
  columns <- lapply(seq_along(header), function(j) list(text = cells$text[-1L, j], quoted = cells$quoted[-1L, j]))
  names(columns) <- header
  scores <- startsWith(header, "score.") & !header %in% names(features)
  inputs <- lapply(header[!scores], function(name) bridge_typed_input(name, columns[[name]], features[[name]]))
  names(inputs) <- header[!scores]
  expected <- columns[scores]
  names(expected) <- substring(header[scores], nchar("score.") + 1L)
  list(rows = nrow(cells$text) - 1L, inputs = inputs, expected = expected)
}

# Returns one input column in the type of its feature.
#   name     character(1).
#   cells    list: text character, quoted logical.
#   feature  list(type, levels, ordered) or NULL.
bridge_typed_input <- function(name, cells, feature) {
  if (is.null(feature)) stop(bridge_bundle_error("golden.csv: column '", name, "' has no type; declare it in [features]"))
  types <- c(double = "double", int = "integer", bool = "logical", string = "character", factor = "character")
  values <- bridge_parse_column(name, cells, types[[feature$type]])
  if (feature$type != "factor") return(values)
  unknown <- which(!is.na(values) & !values %in% feature$levels)
  if (length(unknown)) {
    stop(bridge_bundle_error("golden.csv: column '", name, "', row ", unknown[1L] - 1L, ": not a level of the factor"))
  }
  factor(values, levels = feature$levels, ordered = isTRUE(feature$ordered))
}

# Returns a column's cells as values of a type.
#   name   character(1): the column's name, for the message.
#   cells  list: text character, quoted logical.
#   type   character(1): "double", "integer", "logical" or "character".
# Raises bridge_bundle_error that names column and row (from 0), and never shows the cell.
bridge_parse_column <- function(name, cells, type) {
  missing <- !cells$quoted & !nzchar(cells$text)
  text <- cells$text[!missing]
  number <- "^[+-]?(([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?|[iI]nf|[nN]a[nN])$"
  pattern <- switch(type, double = number, integer = "^[+-]?[0-9]+$", logical = "^(TRUE|FALSE|true|false)$", "")
  fits <- type == "character" | (!cells$quoted[!missing] & grepl(pattern, text))
  if (type == "integer") fits[fits] <- abs(as.numeric(text[fits])) <= .Machine$integer.max
  if (!all(fits)) {
    row <- which(!missing)[!fits][1L] - 1L
    stop(bridge_bundle_error("golden.csv: column '", name, "', row ", row, ": not a value of type ", type))
  }
  values <- vector(type, length(missing))
  values[!missing] <- switch(type, double = bridge_read_numbers(text), integer = as.integer(text),
    logical = text %in% c("TRUE", "true"), text
  )
  values[missing] <- NA
  values
}

# Returns the numbers that texts mean, rounded correctly: as.numeric() can be wrong in the last binary digit.
#   text  character: numbers as sprintf("%.17g") writes them. If neither the number of as.numeric() nor a neighbour of
#         it is written like the text, because the text has other digits, the number of as.numeric() is used.
bridge_read_numbers <- function(text) {
  values <- as.numeric(text)
  wrong <- which(is.finite(values) & sprintf("%.17g", values) != sub("^\\+", "", text))
  for (i in wrong) {
    ulp <- max(2^(floor(log2(abs(values[i]))) - 52), 2^-1074)
    # Half steps are tried too, because below a power of two doubles are twice as dense.
    near <- values[i] + c(-1, 1, -2, 2, -3, 3, -4, 4) * max(ulp / 2, 2^-1074)
    match <- near[sprintf("%.17g", near) == text[i]]
    if (length(match)) values[i] <- match[1L]
  }
  values
}

# Returns the cells of a CSV file, header included, and which of them were quoted: a quoted empty cell is an empty text,
# an unquoted one is missing.
#   path  character(1).
# Returns list of two matrices: text character, quoted logical.
bridge_read_cells <- function(path) {
  bytes <- readBin(path, "raw", file.size(path))
  bytes <- bytes[bytes != as.raw(13L) | cumsum(bytes == charToRaw("\"")) %% 2L == 1L]
  if (!length(bytes)) stop(bridge_bundle_error("golden.csv: there is no row in it"))
  if (bytes[length(bytes)] != as.raw(10L)) bytes <- c(bytes, as.raw(10L))
  ends <- which((bytes == charToRaw(",") | bytes == as.raw(10L)) & cumsum(bytes == charToRaw("\"")) %% 2L == 0L)
  starts <- c(1L, ends[-length(ends)] + 1L)
  text <- mapply(function(from, to) rawToChar(bytes[seq.int(from, length.out = to - from)]), starts, ends)
  Encoding(text) <- "UTF-8"
  if (!all(validUTF8(text))) stop(bridge_bundle_error("golden.csv is not UTF-8"))
  quoted <- grepl("^\"([^\"]|\"\")*\"$", text)
  if (any(grepl("\"", text[!quoted], fixed = TRUE)) || ends[length(ends)] != length(bytes)) {
    stop(bridge_bundle_error("golden.csv: a quote is out of place"))
  }
  text[quoted] <- gsub("\"\"", "\"", substring(text[quoted], 2L, nchar(text[quoted]) - 1L), fixed = TRUE)
  width <- which(bytes[ends] == as.raw(10L))
  if (length(width) && any(diff(c(0L, width)) != width[1L])) {
    stop(bridge_bundle_error("golden.csv: row ", which(diff(c(0L, width)) != width[1L])[1L], " has another number of cells"))
  }
  shape <- function(x) matrix(x, ncol = width[1L], byrow = TRUE)
  list(text = shape(text), quoted = shape(quoted))
}

# Returns the positions at which two vectors differ. NA and NaN count as equal, because a CSV file can't tell them
# apart.
#   wanted, found  vectors of one type and length.
bridge_differing <- function(wanted, found) {
  which(ifelse(is.na(wanted) | is.na(found), is.na(wanted) != is.na(found), wanted != found))
}
