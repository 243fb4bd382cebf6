# Turns what a predict function returned into typed and named columns. Needs only shared_conditions.R and
# shared_refusals.R, because reconciliation shares these rules with serving. A form gives the same outputs for every
# number of rows, or is refused for every number; what reads two ways is refused, not guessed. Row names and all other
# attributes are dropped: sending them would cost four times the scores.

# Classes that tell no more than the type and the shape do.
bridge_plain_classes <- c(
  "AsIs", "matrix", "array", "votes", "table", "factor", "ordered", "numeric", "double", "integer", "logical",
  "character"
)

# Returns the outputs of a prediction.
#   prediction  vector, matrix, array, data.frame or list of scores, one row per input row.
#   rows        integer(1).
# Returns list: names character; columns, an unnamed list of double, integer, logical or character vectors without
# attributes, each `rows` long. Raises bridge_malformed_prediction.
bridge_outputs <- function(prediction, rows) {
  if (is.atomic(prediction) && !is.null(prediction) && is.null(attributes(prediction))) {
    return(list(names = "score", columns = list(bridge_column(prediction, rows, NULL))))
  }
  columns <- if (is.list(prediction)) {
    bridge_list_columns(prediction, rows, NULL)
  } else {
    bridge_array_columns(prediction, rows, NULL)
  }
  names <- bridge_output_names(names(columns), length(columns))
  named <- if (length(columns) > 1L || !is.null(names(columns))) names else list(NULL)
  list(names = names, columns = unname(Map(function(column, name) bridge_column(column, rows, name), columns, named)))
}

# Returns the elements of a list or data.frame; an element that has several columns is replaced by these.
#   prediction  list; rows  integer(1).
#   name        character(1): the name of the output if the list is within another list; else NULL.
# Returns list of columns, named where they have names.
bridge_list_columns <- function(prediction, rows, name) {
  frame <- inherits(prediction, "data.frame")
  classes <- setdiff(oldClass(prediction), "AsIs")
  if (!frame && (length(classes) || !is.null(dim(prediction)))) bridge_refuse(prediction, name)
  elements <- as.list(unclass(prediction))
  attributes(elements) <- list(names = names(elements))
  if (!length(elements)) bridge_malformed("a list without scores", name, "give it one column for each output")
  # return(list(score)) wraps a list in another one.
  inner <- if (!frame && length(elements) == 1L && is.null(names(elements))) elements[[1L]]
  if (is.list(inner) && !is.object(inner)) return(bridge_list_columns(inner, rows, name))
  wide <- FALSE
  for (element in elements) {
    if (is.object(element) && bridge_is_caught(element)) bridge_refuse(element, name)
    if (!wide && !is.null(dim(element))) wide <- bridge_is_wide(element)
  }
  if (!frame) {
    bridge_refuse_standard_errors(names(elements))
    scores <- bridge_scores_by_row(elements, rows, wide)
    if (!is.null(scores)) return(list(scores))
    if (is.null(names(elements)) && !wide) bridge_refuse_neither(elements, rows)
  }
  if (!wide) return(elements)
  names <- if (is.null(names(elements))) rep("", length(elements)) else names(elements)
  parts <- lapply(seq_along(elements), function(i) bridge_element_columns(elements[[i]], rows, names[i]))
  unlist(parts, recursive = FALSE)
}

# Whether a value has several columns, each of which is an output.
#   value  anything with dimensions.
bridge_is_wide <- function(value) {
  shape <- dim(value)
  if (inherits(value, "data.frame")) return(TRUE)
  is.atomic(value) && (length(shape) > 2L || (length(shape) == 2L && shape[2L] != 1L))
}

# Returns the columns of one element, named as data.frame() does: element.column, or element.1 for a column without
# name.
#   element  anything; rows  integer(1); name  character(1), empty where the element has none.
bridge_element_columns <- function(element, rows, name) {
  place <- if (!is.na(name) && nzchar(name)) name
  columns <- if (inherits(element, "data.frame")) {
    bridge_list_columns(element, rows, place)
  } else if (is.list(element)) {
    list(element)
  } else {
    bridge_array_columns(element, rows, place)
  }
  own <- if (is.null(names(columns))) rep("", length(columns)) else names(columns)
  absent <- which(is.na(own) | !nzchar(own))
  own[absent] <- if (is.null(place) || length(columns) == 1L) "" else absent
  names(columns) <- if (is.null(place)) own else ifelse(nzchar(own), paste(place, own, sep = "."), place)
  columns
}

# Returns a vector of scores if each element of a list is the score of one row, as lapply() returns them.
#   elements  list without caught errors; rows  integer(1); wide  logical(1): whether an element has several columns.
# Returns NULL if the elements are outputs. Raises bridge_malformed_prediction if each is, or may be, a row of scores.
bridge_scores_by_row <- function(elements, rows, wide) {
  named <- !is.null(names(elements))
  if (length(elements) != rows || (rows == 1L && (wide || named))) return(NULL)
  sizes <- bridge_row_sizes(elements)
  if (anyNA(sizes) || any(sizes != sizes[1L])) return(NULL)
  if (sizes[1L] == rows && !wide) {
    # Names that are row numbers come from lapply(), and are not those of outputs.
    by_output <- named && !identical(names(elements), as.character(seq_len(rows)))
    if (rows > 1L && !by_output && !bridge_are_columns(elements)) bridge_refuse_two_ways(rows)
    return(NULL)
  }
  one_type <- length(unique(lapply(elements, function(x) c(typeof(x), oldClass(x))))) == 1L
  if (wide || named || sizes[1L] != 1 || !one_type) bridge_refuse_rows(sizes[1L], rows)
  # Checked first, because unlist() drops the class.
  bridge_refuse_class(elements[[1L]], NULL)
  unlist(elements, use.names = FALSE)
}

# Returns the number of scores of each element if it is read as a row; NA for an element that can't be a row.
#   elements  list.
bridge_row_sizes <- function(elements) {
  flat <- all(vapply(elements, is.atomic, NA)) && is.null(unlist(lapply(elements, dim)))
  if (!flat) return(vapply(elements, bridge_row_size, 0))
  sizes <- as.double(lengths(elements))
  sizes[sizes == 0] <- NA
  sizes
}

# Returns the number of scores of one element if it is read as a row; NA if it can't be a row.
#   element  anything.
bridge_row_size <- function(element) {
  shape <- dim(element)
  if (inherits(element, "data.frame")) return(if (shape[1L] == 1L && shape[2L] > 0L) shape[2L] else NA_real_)
  if (is.null(element) || !is.atomic(element) || !length(element)) return(NA_real_)
  if (length(shape) > 1L && (shape[1L] != 1L || length(shape) > 2L)) NA_real_ else as.double(length(element))
}

# Whether vectors can only be columns, and not rows: some are text and others are not.
#   elements  list of vectors.
bridge_are_columns <- function(elements) {
  text <- vapply(elements, function(x) is.character(x) || is.factor(x), NA)
  empty <- vapply(elements, function(x) is.logical(x) && all(is.na(x)), NA)
  any(text) && any(!text & !empty)
}

# Returns the columns of an atomic vector, a matrix, or an array in which only the first and one more dimension exceed
# 1.
#   prediction  anything but a list; rows  integer(1); name  as in bridge_list_columns().
bridge_array_columns <- function(prediction, rows, name) {
  shape <- if (is.atomic(prediction)) dim(prediction)
  if (length(shape) < 2L) return(list(prediction))
  bridge_refuse_class(prediction, name)
  names <- dimnames(prediction)
  if (is.null(names)) names <- vector("list", length(shape))
  across <- if (length(shape) == 2L) 2L else bridge_across(shape, names)
  if (shape[1L] != rows || is.na(across) || any(shape == 0L)) bridge_refuse_array(shape, rows, name)
  bridge_refuse_turned(names[[1L]], names[[across]], shape[across], rows, name)
  values <- as.vector(prediction)
  columns <- lapply(seq_len(shape[across]), function(j) values[seq.int((j - 1) * rows + 1, length.out = rows)])
  names(columns) <- names[[across]]
  columns
}

# Returns the dimension of an array that holds the outputs: the one that is not 1, else the first with names; NA if
# several dimensions are not 1.
#   shape  integer: its dim(); names  list: its dimnames().
bridge_across <- function(shape, names) {
  several <- which(shape[-1L] != 1L) + 1L
  if (length(several) > 1L) return(NA_integer_)
  c(several, which(!vapply(names[-1L], is.null, NA)) + 1L, 2L)[1L]
}

# Returns the names of the outputs; outputs without a name get one.
#   names  character or NULL; count  integer(1).
bridge_output_names <- function(names, count) {
  made <- if (count == 1L) "score" else paste0("score_", seq_len(count))
  if (is.null(names)) return(made)
  absent <- is.na(names) | !nzchar(names)
  names[absent] <- made[absent]
  if (!bridge_is_text(names)) bridge_malformed("an output whose name is not UTF-8", NULL, "name it by enc2utf8()")
  names <- enc2utf8(names)
  twice <- names[duplicated(names)]
  if (length(twice)) bridge_malformed(paste0("two outputs named '", twice[1L], "'"), NULL, "give them different names")
  names
}

# Returns one output as a vector without attributes.
#   column  anything: the values of the output; rows  integer(1).
#   name    character(1): the output's name, for messages; NULL if it is the only output.
bridge_column <- function(column, rows, name) {
  bridge_refuse_class(column, name)
  if (is.factor(column)) column <- as.character(column)
  if (!typeof(column) %in% c("double", "integer", "logical", "character")) bridge_refuse(column, name)
  column <- as.vector(column)
  if (length(column) != rows) bridge_refuse_length(length(column), rows, name)
  if (is.character(column)) bridge_text_column(column, name) else column
}

# Returns a text output in UTF-8.
#   column  character; name  as in bridge_column().
bridge_text_column <- function(column, name) {
  if (!bridge_is_text(column)) {
    bridge_malformed("text that is not UTF-8", name, "convert it by enc2utf8(), or iconv() from its own encoding")
  }
  # The package parallel returns this text instead of scores for a child process that could not start.
  if (any(column == "fatal error in wrapper code", na.rm = TRUE)) {
    stop(bridge_model_error("a process that the predict function forked failed"))
  }
  enc2utf8(column)
}

# Whether strings are valid in their declared encodings. Ask before enc2utf8(), which writes a wrong byte as <xx>.
#   text  character.
bridge_is_text <- function(text) !any(Encoding(text) == "bytes") && all(validEnc(text))
