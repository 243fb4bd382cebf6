# Refuses what can't be an output: each sentence says what was returned, by its class and shape, and what to return.
# Stands alone but for shared_conditions.R; reconciliation shares it with serving.

# Raises bridge_malformed_prediction with a sentence of what was returned, where and what to return instead.
#   what    character: what was returned, in pieces; name  character(1): the name of the output, or NULL.
#   remedy  character(1): what to return in its place.
bridge_malformed <- function(what, name, remedy) {
  place <- if (!is.null(name)) paste0(" in the output '", name, "'")
  stop(bridge_malformed_prediction("Pred.R returned ", paste(what, collapse = ""), place, ": ", remedy))
}

# Refuses a column of a class that gives its numbers another meaning, such as a date's.
#   column  anything: the values of an output; name  as in bridge_malformed().
bridge_refuse_class <- function(column, name) {
  if (is.object(column) && (isS4(column) || !all(oldClass(column) %in% bridge_plain_classes))) {
    bridge_refuse(column, name)
  }
}

# Refuses a value that can't be an output; an error that try() had caught is raised itself.
#   column  anything; name  as in bridge_malformed().
bridge_refuse <- function(column, name) {
  if (bridge_is_caught(column)) stop(bridge_caught(column))
  if (identical(oldClass(column), "AsIs")) column <- unclass(column)
  remedy <- if (is.null(column) && !is.null(name)) "leave it out" else bridge_remedy(column)
  bridge_malformed(bridge_described(column), name, remedy)
}

# Refuses an output that has not one score for each row.
#   count, rows  integer(1); name  as in bridge_malformed().
bridge_refuse_length <- function(count, rows, name) {
  what <- paste0(bridge_counted(count, "score"), " for ", bridge_counted(rows, "row"))
  remedy <- paste0("return one score for each row", if (count <= rows) ", also where a value is missing (na.action)")
  if (rows == 1L && count > 1L) remedy <- "keep a single row as a matrix, by drop = FALSE or matrix(..., nrow = 1)"
  if (rows > 1L && count == 1L) {
    remedy <- "return one score for each row, and leave out what is one value for the whole call"
  }
  bridge_malformed(what, name, remedy)
}

# Refuses a matrix or array that has not one row for each input row, or whose outputs are in several dimensions.
#   shape  integer: its dim(); rows  integer(1); name  as in bridge_malformed().
bridge_refuse_array <- function(shape, rows, name) {
  kind <- if (length(shape) == 2L) " matrix" else " array"
  what <- paste0("a ", paste(shape, collapse = " x "), kind, " for ", bridge_counted(rows, "row"))
  remedy <- "return a matrix with one row for each row of the call"
  if (length(shape) == 2L && shape[2L] == rows) remedy <- "return t() of it"
  if (length(shape) > 2L && shape[1L] == rows) remedy <- "return the slice of it that is a matrix of outputs"
  if (any(shape == 0L)) remedy <- "return at least one column"
  bridge_malformed(what, name, remedy)
}

# Refuses a square matrix whose rows have names, as outputs have, and whose columns have none but numbers, as rows have:
# what sapply() makes of a vector for each row.
#   row_names, column_names  character or NULL; columns, rows  integer(1); name  as in bridge_malformed().
bridge_refuse_turned <- function(row_names, column_names, columns, rows, name) {
  if (columns != rows || rows == 1L || is.null(row_names) || all(grepl("^[0-9]+$", row_names))) return(invisible())
  if (!is.null(column_names) && !identical(column_names, as.character(seq_len(rows)))) return(invisible())
  what <- paste0("a ", rows, " x ", rows, " matrix that reads two ways")
  remedy <- "only its rows have names; return t() of it if these are of outputs, else name its columns"
  bridge_malformed(what, name, remedy)
}

# Refuses an unnamed list that has as many vectors as each vector has elements: each may be a row or an output.
#   rows  integer(1).
bridge_refuse_two_ways <- function(rows) {
  what <- paste0("a list of ", rows, " elements with ", rows, " scores each for ", rows, " rows, that reads two ways")
  bridge_malformed(what, NULL, "return do.call(rbind, ...) of it if each is a row, or name them if each is an output")
}

# Refuses a list in which each element is a row.
#   size  numeric(1): scores of an element; rows  integer(1).
bridge_refuse_rows <- function(size, rows) {
  each <- paste0(bridge_counted(rows, "element"), " with ", bridge_counted(size, "score"), if (rows > 1L) " each")
  remedy <- if (size == 1) "return unlist() of it" else "if each is a row, return do.call(rbind, ...) of it"
  bridge_malformed(paste0("a list of ", each, " for ", bridge_counted(rows, "row")), NULL, remedy)
}

# Refuses an unnamed list of which an element is no column of the call.
#   elements  list; rows  integer(1).
bridge_refuse_neither <- function(elements, rows) {
  for (element in elements) if (!is.atomic(element) || is.null(element)) bridge_refuse(element, NULL)
  if (all(lengths(elements) == rows)) return(invisible())
  if (length(elements) == 1L) bridge_refuse_length(length(elements[[1L]]), rows, NULL)
  count <- bridge_counted(length(elements), "element")
  what <- c("an unnamed list of ", count, " for ", bridge_counted(rows, "row"), ", neither one score for each row")
  remedy <- "return a vector, a matrix or a named list of columns"
  bridge_malformed(c(what, " nor one column for each output"), NULL, remedy)
}

# Refuses the list that predict(se.fit = TRUE) returns: its scale is one number for the whole call, which for a single
# row would look like a score.
#   names  character or NULL: the list's.
bridge_refuse_standard_errors <- function(names) {
  if (!"se.fit" %in% names || !"fit" %in% names || !any(c("residual.scale", "df") %in% names)) return(invisible())
  what <- "the whole list of a prediction with se.fit = TRUE, whose scale is not a score of any row"
  bridge_malformed(what, NULL, "return its $fit, or list(fit = p$fit, se.fit = p$se.fit)")
}

# Whether a value is an error that try() caught; mclapply() returns such values for children that failed.
#   value  anything.
bridge_is_caught <- function(value) inherits(value, "try-error")

# Returns the condition that try() caught.
#   caught  try-error.
bridge_caught <- function(caught) {
  condition <- attr(caught, "condition")
  if (inherits(condition, "error")) condition else bridge_model_error(as.character(caught)[1L])
}

# Describes a value by class, type and shape, without showing what it holds.
#   value  anything.
bridge_described <- function(value) {
  classes <- oldClass(value)
  if (is.null(value)) return("NULL")
  if (is.object(value)) return(paste0("an object of class '", setdiff(classes, "AsIs")[1L], "'"))
  if (is.function(value)) return("a function")
  if (is.environment(value)) return("an environment")
  if (length(dim(value)) > 1L) return(paste0("a ", paste(dim(value), collapse = " x "), " array of ", typeof(value)))
  if (is.list(value)) return("a list within a list")
  if (is.atomic(value)) paste(typeof(value), "scores") else paste0("an object of type '", typeof(value), "'")
}

# Says what to return instead of a value that can't be an output.
#   value  anything that can't be an output.
bridge_remedy <- function(value) {
  if (is.null(value)) return("return the scores, as the last expression of the function")
  if (isS4(value)) return("return as.matrix() or as.vector() of it")
  if (is.list(value) && !inherits(value, "POSIXlt")) return(bridge_remedy_of_list(value))
  if (is.object(value)) return("return as.numeric() or as.character() of it")
  if (is.complex(value)) return("return Re(), Im() or Mod() of them")
  if (is.raw(value)) return("return as.integer() of them")
  "return a vector, a matrix, a data frame or a named list of columns"
}

# Says what to return instead of a list: models of many packages keep their scores in one of its elements.
#   value  list.
bridge_remedy_of_list <- function(value) {
  if (!is.null(dim(value))) return("its cells are lists; return unlist() of each column")
  if (!is.object(value)) return("return unlist() of the inner one, or its elements as outputs of their own")
  known <- c("predictions", "prediction", "predicted", "fit", "pred", "posterior", "prob", "yhat")
  found <- intersect(known, names(unclass(value)))
  if (length(found)) paste0("return its $", found[1L]) else "return the part of it that holds the scores"
}

# Returns a count with its noun, such as "2 rows".
#   count  numeric(1); noun  character(1), singular.
bridge_counted <- function(count, noun) paste0(count, " ", noun, if (count != 1) "s")
