# The types that write_bundle declares for the features, and the golden rows' columns converted to these types.

# Returns the [features] table. A type comes from the author, else from the models' terms, else from the golden column.
#   names    character: the features; objects  named list; golden  data.frame or NULL.
#   said     named list or NULL: the `features` that the author gave.
# Returns named list of list(type, levels, ordered), without the features whose type is not known.
bridge_decide_features <- function(names, objects, golden, said) {
  bridge_check_golden(golden)
  strangers <- setdiff(c(names(said), names(golden)), names)
  if (length(strangers)) stop(bridge_bundle_error("'", strangers[1L], "' is not an argument of the predict function"))
  bridge_decide_columns(names, objects, golden, said)
}

# Refuses golden rows that are not a data.frame with rows, or have a column that is a matrix or a data.frame.
#   golden  what the author gave, or NULL.
bridge_check_golden <- function(golden) {
  if (is.null(golden)) return(invisible())
  if (!is.data.frame(golden) || !nrow(golden)) stop(bridge_bundle_error("golden must be a data.frame with rows"))
  for (name in names(golden)) if (!is.null(dim(golden[[name]]))) {
    class <- class(golden[[name]])[1L]
    stop(bridge_bundle_error("golden column '", name, "' is of class ", class, ": pass each of its columns separately"))
  }
}

# Returns the [features] table for names that are known to be features; arguments as in bridge_decide_features().
bridge_decide_columns <- function(names, objects, golden, said) {
  proposed <- bridge_propose_features(names, objects)
  decided <- lapply(seq_along(names), function(i) {
    own <- said[[names[i]]]
    if (!is.null(own)) return(bridge_said_feature(names[i], own))
    ordered <- proposed$ordered[i] || is.ordered(golden[[names[i]]])
    if (nzchar(proposed$types[i])) {
      return(list(type = proposed$types[i], levels = proposed$levels[[i]], ordered = proposed$ordered[i]))
    }
    if (ordered) stop(bridge_bundle_error(
      "'", names[i], "' is an ordered factor whose levels the model does not keep: pass ",
      bridge_factor_form(names[i], TRUE)
    ))
    if (names[i] %in% names(golden)) bridge_golden_feature(names[i], golden[[names[i]]])
  })
  names(decided) <- names
  Filter(Negate(is.null), decided)
}

# Returns the [features] table of a predict function that takes one data.frame: all columns, in order, each with a type.
#   objects, golden, said  as in bridge_decide_features().
# Returns named list of list(type, levels, ordered).
bridge_decide_frame <- function(objects, golden, said) {
  bridge_check_golden(golden)
  variables <- bridge_variables(objects)
  names <- if (is.null(golden)) union(variables, names(said)) else names(golden)
  bridge_check_frame_names(names)
  strangers <- if (length(variables)) setdiff(names(golden), c(variables, names(said)))
  if (length(strangers)) stop(bridge_bundle_error(
    "golden column '", strangers[1L], "' is not a variable of the model: leave it out, or give its type by ",
    "features = list(", bridge_quoted_name(strangers[1L]), " = ...)"
  ))
  outside <- setdiff(names(said), names)
  if (length(outside)) stop(bridge_bundle_error("'", outside[1L], "' is in features, but is not a column of golden"))
  decided <- bridge_decide_columns(names, objects, golden, said)
  untyped <- setdiff(names, names(decided))
  if (length(untyped)) stop(bridge_bundle_error(
    "the type of the column '", untyped[1L], "' is not known: pass golden rows, or features = list(",
    bridge_quoted_name(untyped[1L]), " = ...)"
  ))
  decided
}

# Refuses column names that a call's data.frame can't have: none at all, an empty one, or two that are equal.
#   names  character or NULL.
bridge_check_frame_names <- function(names) {
  if (!length(names)) stop(bridge_bundle_error(
    "the columns of the data frame are not known: pass golden rows, or features = list(age = \"double\", ...)"
  ))
  if (anyNA(names) || !all(nzchar(names))) stop(bridge_bundle_error("a column of the data frame has no name"))
  twice <- names[duplicated(names)]
  if (length(twice)) stop(bridge_bundle_error("two columns of the data frame are named '", twice[1L], "'"))
}

# Returns what the author gave for one feature, checked, as list(type, levels, ordered).
#   name  character(1); own  character(1) or list(type, levels, ordered).
bridge_said_feature <- function(name, own) {
  own <- if (is.character(own)) list(type = own) else own
  fits <- is.list(own) && length(own$type) == 1L && own$type %in% c("double", "int", "bool", "string", "factor") &&
    (own$type == "factor") == (length(own$levels) > 0L) && !anyDuplicated(own$levels) && !anyNA(own$levels) &&
    (is.null(own$ordered) || isFALSE(own$ordered) || (isTRUE(own$ordered) && own$type == "factor"))
  if (!fits) {
    stop(bridge_bundle_error(
      "features$", name, " must be double, int, bool, string or ", bridge_factor_form(), ", which may be ordered = TRUE"
    ))
  }
  list(type = own$type, levels = as.character(own$levels), ordered = isTRUE(own$ordered))
}

# Returns the R code with which an author declares a factor, for messages.
#   name  character(1): the feature, or NULL; ordered  logical(1).
bridge_factor_form <- function(name = NULL, ordered = FALSE) {
  form <- paste0("list(type = \"factor\", levels = ...", if (ordered) ", ordered = TRUE", ")")
  if (is.null(name)) form else paste0("features = list(", bridge_quoted_name(name), " = ", form, ")")
}

# Returns the feature's type as its golden column has it; used where the model does not tell the type.
#   name  character(1); column  vector.
bridge_golden_feature <- function(name, column) {
  if (is.factor(column)) {
    # Golden rows never define levels: the next rows may hold others.
    message(
      "feature '", name, "' is a factor in golden, but the model does not tell its levels: it is declared as a string"
    )
    return(list(type = "string", levels = character(), ordered = FALSE))
  }
  type <- c(double = "double", integer = "int", logical = "bool", character = "string")[typeof(column)]
  if (is.object(column) || is.na(type)) stop(bridge_bundle_error(
    "golden column '", name, "' is of class ", class(column)[1L], ": convert it to numbers, truth values or text"
  ))
  list(type = type[[1L]], levels = character(), ordered = FALSE)
}

# Returns the golden rows' columns converted to their features' types, as the gateway would convert them.
#   golden  data.frame; features  named list of list(type, levels, ordered).
bridge_golden_inputs <- function(golden, features) {
  columns <- lapply(names(golden), function(name) {
    column <- golden[[name]]
    feature <- features[[name]]
    if (feature$type %in% c("string", "factor") && (is.factor(column) || is.character(column))) {
      column <- as.character(column)
      if (feature$type == "string" || all(is.na(column) | column %in% feature$levels)) return(column)
      stop(bridge_bundle_error("golden column '", name, "' holds a level that the feature does not have"))
    }
    if (!is.object(column)) {
      if (feature$type == "double" && is.numeric(column)) return(as.double(column))
      if (feature$type == "int" && is.integer(column)) return(column)
      if (feature$type == "bool" && is.logical(column)) return(column)
    }
    stop(bridge_bundle_error(
      "golden column '", name, "' is of class ", class(column)[1L], ", but the feature is declared as ", feature$type
    ))
  })
  names(columns) <- names(golden)
  columns
}
