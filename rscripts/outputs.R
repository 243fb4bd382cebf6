# What a predict function returned, as typed and named columns. Stands alone but for conditions.R: reconciliation
# shares these rules with serving.
# Names of rows, and every other attribute, are dropped: on the wire they cost four times the scores.

# Classes that say no more than the type and the shape do.
bridge_plain_classes <- c(
  "AsIs", "matrix", "array", "votes", "table", "factor", "ordered", "numeric", "double", "integer", "logical",
  "character"
)

# The outputs of a prediction.
#   prediction  vector, matrix, data.frame or list of scores, one row per input row.
#   rows        integer(1).
# Returns list: names character; columns, an unnamed list of double, integer, logical or character vectors without
# attributes, each `rows` long. Raises bridge_malformed_prediction.
bridge_outputs <- function(prediction, rows) {
  if (is.atomic(prediction) && !is.null(prediction) && is.null(attributes(prediction))) {
    return(list(names = "score", columns = list(bridge_column(prediction, rows, NULL))))
  }
  columns <- if (is.list(prediction)) bridge_list_columns(prediction, rows) else bridge_array_columns(prediction, rows)
  names <- bridge_output_names(names(columns), length(columns))
  named <- if (length(columns) > 1L || !is.null(names(columns))) names else list(NULL)
  list(names = names, columns = unname(Map(function(column, name) bridge_column(column, rows, name), columns, named)))
}

# The elements of a list or data.frame that are outputs.
#   prediction  list; rows  integer(1).
bridge_list_columns <- function(prediction, rows) {
  classes <- setdiff(oldClass(prediction), "AsIs")
  if (!inherits(prediction, "data.frame") && (length(classes) || !is.null(dim(prediction)))) {
    stop(bridge_malformed_prediction("Pred.R returned ", bridge_described(prediction)))
  }
  prediction <- as.list(unclass(prediction))
  attributes(prediction) <- attributes(prediction)["names"]
  if (!length(prediction)) stop(bridge_malformed_prediction("Pred.R returned a list without scores"))
  if (!is.null(names(prediction)) || all(lengths(prediction) == rows)) return(prediction)
  scalars <- length(prediction) == rows && all(lengths(prediction) == 1L) && all(vapply(prediction, is.atomic, NA)) &&
    length(unique(lapply(prediction, function(x) c(typeof(x), oldClass(x))))) == 1L
  if (scalars) {
    # unlist() drops it.
    bridge_refuse_class(prediction[[1L]], NULL)
    return(list(unlist(prediction, use.names = FALSE)))
  }
  for (caught in Filter(bridge_is_caught, prediction)) bridge_refuse(caught, NULL)
  stop(bridge_malformed_prediction(
    "Pred.R returned an unnamed list of ", bridge_counted(length(prediction), "element"), " for ",
    bridge_counted(rows, "row"), ", neither one score a row nor one column an output"
  ))
}

# The columns of an atomic vector or matrix.
#   prediction  anything but a list; rows  integer(1).
bridge_array_columns <- function(prediction, rows) {
  shape <- if (is.atomic(prediction)) dim(prediction)
  if (length(shape) < 2L) return(list(prediction))
  bridge_refuse_class(prediction, NULL)
  if (length(shape) > 2L || shape[1L] != rows || shape[2L] == 0L) {
    stop(bridge_malformed_prediction(
      "Pred.R returned a ", paste(shape, collapse = " x "), if (length(shape) == 2L) " matrix" else " array", " for ",
      bridge_counted(rows, "row")
    ))
  }
  names <- colnames(prediction)
  values <- as.vector(prediction)
  columns <- lapply(seq_len(shape[2L]), function(j) values[seq.int((j - 1) * rows + 1, length.out = rows)])
  names(columns) <- names
  columns
}

# The names of the outputs, where they have none too.
#   names  character or NULL; count  integer(1).
bridge_output_names <- function(names, count) {
  made <- if (count == 1L) "score" else paste0("score_", seq_len(count))
  if (is.null(names)) return(made)
  absent <- is.na(names) | !nzchar(names)
  names[absent] <- made[absent]
  if (!bridge_is_text(names)) stop(bridge_malformed_prediction("Pred.R returned an output whose name is not UTF-8"))
  names <- enc2utf8(names)
  twice <- names[duplicated(names)]
  if (length(twice)) stop(bridge_malformed_prediction("Pred.R returned two outputs named '", twice[1L], "'"))
  names
}

# One output as a bare vector.
#   column  what is to be one score a row; rows  integer(1).
#   name    character(1), for the sentence, or NULL where it is the only output.
bridge_column <- function(column, rows, name) {
  bridge_refuse_class(column, name)
  if (is.factor(column)) column <- as.character(column)
  if (!typeof(column) %in% c("double", "integer", "logical", "character")) bridge_refuse(column, name)
  shape <- dim(column)
  if (length(shape) > 1L && (length(shape) > 2L || shape[2L] != 1L)) bridge_refuse(column, name)
  column <- as.vector(column)
  if (length(column) != rows) {
    stop(bridge_malformed_prediction(
      "Pred.R returned ", bridge_counted(length(column), "score"), " for ", bridge_counted(rows, "row"),
      if (!is.null(name)) paste0(" in the output '", name, "'")
    ))
  }
  if (is.character(column)) bridge_text_column(column, name) else column
}

# A text output in UTF-8.
#   column  character; name  as in bridge_column().
bridge_text_column <- function(column, name) {
  if (!bridge_is_text(column)) {
    stop(bridge_malformed_prediction(
      "Pred.R returned text that is not UTF-8", if (!is.null(name)) paste0(" in the output '", name, "'")
    ))
  }
  # What parallel puts in the place of the scores of a child that could not even start.
  if (any(column == "fatal error in wrapper code", na.rm = TRUE)) {
    stop(bridge_model_error("a process that the predict function forked failed"))
  }
  enc2utf8(column)
}

# Whether strings are what their encodings say. To be asked first: enc2utf8() spells a wrong byte out as <xx>.
#   text  character.
bridge_is_text <- function(text) !any(Encoding(text) == "bytes") && all(validEnc(text))

# Refuses a class that gives the numbers another meaning, as a date's does.
#   column, name  as in bridge_column().
bridge_refuse_class <- function(column, name) {
  if (is.object(column) && (isS4(column) || !all(oldClass(column) %in% bridge_plain_classes))) {
    bridge_refuse(column, name)
  }
}

# Raises for something that can't be an output.
#   column, name  as in bridge_column().
bridge_refuse <- function(column, name) {
  if (bridge_is_caught(column)) stop(bridge_caught(column))
  what <- bridge_described(column)
  if (is.null(name)) stop(bridge_malformed_prediction("Pred.R returned ", what))
  stop(bridge_malformed_prediction("Pred.R returned ", what, " in the output '", name, "'"))
}

# Whether something is an error that try() caught, as mclapply() does for its children.
#   value  anything.
bridge_is_caught <- function(value) inherits(value, "try-error")

# The condition that was caught.
#   caught  try-error.
bridge_caught <- function(caught) {
  condition <- attr(caught, "condition")
  if (inherits(condition, "error")) condition else bridge_model_error(as.character(caught)[1L])
}

# What something is, without what it holds.
#   value  anything.
bridge_described <- function(value) {
  classes <- oldClass(value)
  if (is.null(value)) return("NULL")
  if (is.object(value)) return(paste0("an object of class '", setdiff(c(classes, typeof(value)), "AsIs")[1L], "'"))
  if (is.function(value)) return("a function")
  if (is.environment(value)) return("an environment")
  if (length(dim(value)) > 1L) return(paste0("a ", paste(dim(value), collapse = " x "), " array of ", typeof(value)))
  if (is.list(value)) return("a list within a list")
  if (is.atomic(value)) paste(typeof(value), "scores") else paste0("an object of type '", typeof(value), "'")
}

# A number with its noun.
#   count  numeric(1); noun  character(1), singular.
bridge_counted <- function(count, noun) paste0(count, " ", noun, if (count != 1) "s")
