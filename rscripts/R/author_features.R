# What write_bundle declares of the features, and the golden rows' columns as these types.

# The [features] table: what the author says, else what the models' terms say, else the golden columns' own types.
#   names    character: the features; objects  named list; golden  data.frame or NULL; said  named list or NULL.
# Returns named list of list(type, levels, ordered); features of which nothing is known are left out.
bridge_decide_features <- function(names, objects, golden, said) {
  bridge_check_golden(golden)
  strangers <- setdiff(c(names(said), names(golden)), names)
  if (length(strangers)) stop(bridge_bundle_error("'", strangers[1L], "' is not an argument of the predict function"))
  bridge_decide_columns(names, objects, golden, said)
}

# Refuses golden rows that are no columns of values.
#   golden  as it was given.
bridge_check_golden <- function(golden) {
  if (is.null(golden)) return(invisible())
  if (!is.data.frame(golden) || !nrow(golden)) stop(bridge_bundle_error("golden must be a data.frame with rows"))
  for (name in names(golden)) if (!is.null(dim(golden[[name]]))) {
    class <- class(golden[[name]])[1L]
    stop(bridge_bundle_error("golden column '", name, "' is ", class, ": give each of its columns apart"))
  }
}

# The same for names that are known to be features.
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

# The [features] table of a predict function that takes one data.frame: all its columns in their order, each with a type.
#   objects, golden, said  as in bridge_decide_features().
# Returns named list of list(type, levels, ordered).
bridge_decide_frame <- function(objects, golden, said) {
  bridge_check_golden(golden)
  variables <- bridge_variables(objects)
  names <- if (is.null(golden)) union(variables, names(said)) else names(golden)
  bridge_check_frame_names(names)
  strangers <- if (length(variables)) setdiff(names(golden), c(variables, names(said)))
  if (length(strangers)) stop(bridge_bundle_error(
    "golden column '", strangers[1L], "' is no variable of the model: leave it out, or say what it is by ",
    "features = list(", bridge_quoted_name(strangers[1L]), " = ...)"
  ))
  outside <- setdiff(names(said), names)
  if (length(outside)) stop(bridge_bundle_error("'", outside[1L], "' is in features, and no column of golden"))
  decided <- bridge_decide_columns(names, objects, golden, said)
  untyped <- setdiff(names, names(decided))
  if (length(untyped)) stop(bridge_bundle_error(
    "nothing says the type of the column '", untyped[1L], "': pass golden rows, or features = list(",
    bridge_quoted_name(untyped[1L]), " = ...)"
  ))
  decided
}

# Refuses names that can't be those of a data.frame's columns in a call.
#   names  character or NULL.
bridge_check_frame_names <- function(names) {
  if (!length(names)) stop(bridge_bundle_error(
    "nothing says the columns of the data frame: pass golden rows, or features = list(age = \"double\", ...)"
  ))
  if (anyNA(names) || !all(nzchar(names))) stop(bridge_bundle_error("a column of the data frame has no name"))
  twice <- names[duplicated(names)]
  if (length(twice)) stop(bridge_bundle_error("two columns of the data frame are named '", twice[1L], "'"))
}

# What the author says of a feature.
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

# How an author says a factor.
#   name  character(1): the feature, or NULL; ordered  logical(1).
bridge_factor_form <- function(name = NULL, ordered = FALSE) {
  form <- paste0("list(type = \"factor\", levels = ...", if (ordered) ", ordered = TRUE", ")")
  if (is.null(name)) form else paste0("features = list(", bridge_quoted_name(name), " = ", form, ")")
}

# What a golden column's own type says, where the model says nothing.
#   name  character(1); column  vector.
bridge_golden_feature <- function(name, column) {
  if (is.factor(column)) {
    # Golden rows never define levels: the next rows may hold others.
    message("feature '", name, "' is a factor that the model does not know: declared as a string")
    return(list(type = "string", levels = character(), ordered = FALSE))
  }
  type <- c(double = "double", integer = "int", logical = "bool", character = "string")[typeof(column)]
  if (is.object(column) || is.na(type)) stop(bridge_bundle_error("golden column '", name, "' is ", class(column)[1L]))
  list(type = type[[1L]], levels = character(), ordered = FALSE)
}

# The golden rows' columns in their features' types, as the gateway would convert them.
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
    stop(bridge_bundle_error("golden column '", name, "' is ", class(column)[1L], ", the feature is ", feature$type))
  })
  names(columns) <- names(golden)
  columns
}
