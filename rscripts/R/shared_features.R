# Proposes the types of features from what a bundle's own models tell. A type on which the models disagree stays
# unknown.

# Returns the types and levels of features, from the fitted models among some objects.
#   names    character: the features.
#   objects  list: where to look; models in plain lists count too.
# Returns list: types character ("" where unknown, else "double", "bool", "string" or "factor"); levels, a list of
# character vectors, empty but for factors; ordered logical, TRUE also for an ordered factor of unknown levels.
bridge_propose_features <- function(names, objects = as.list(globalenv())) {
  proposals <- lapply(bridge_models_in(objects), bridge_proposed_by)
  proposed <- lapply(names, function(name) {
    found <- unique(Filter(Negate(is.null), lapply(proposals, `[[`, name)))
    typed <- Filter(function(proposal) nzchar(proposal$type), found)
    if (length(typed)) found <- typed
    if (length(found) == 1L) found[[1L]] else list(type = "", levels = character(), ordered = FALSE)
  })
  list(
    types = vapply(proposed, `[[`, "", "type"), levels = lapply(proposed, `[[`, "levels"),
    ordered = vapply(proposed, `[[`, NA, "ordered")
  )
}

# Returns the objects, with each plain list replaced by its elements.
#   objects  list.
bridge_models_in <- function(objects) {
  plain <- vapply(objects, function(object) is.list(object) && !is.object(object), NA)
  c(objects[!plain], unlist(unname(objects[plain]), recursive = FALSE))
}

# Returns what one object tells about the variables that it was fitted on.
#   object  anything; an object that is not a model tells nothing.
# Returns named list of list(type, levels, ordered).
bridge_proposed_by <- function(object) {
  if (!is.list(object) || is.data.frame(object)) return(list())
  parts <- unclass(object)
  levels <- if (is.null(parts[["xlevels"]])) attr(object, "xlevels", exact = TRUE) else parts[["xlevels"]]
  by_terms <- bridge_proposed_by_terms(parts[["terms"]], levels)
  forest <- parts[["forest"]]
  by_forest <- if (is.list(forest)) bridge_proposed_by_forest(forest[["xlevels"]], forest[["ncat"]]) else list()
  others <- c(by_forest, bridge_proposed_by_gbm(parts), bridge_proposed_by_bayes(parts))
  c(by_terms, others[setdiff(names(others), names(by_terms))])
}

# Returns what a model of gbm tells: a type above 0 is a factor's number of levels; an ordered factor has type 0 and
# levels that are text.
#   parts  list: the parts of an object.
bridge_proposed_by_gbm <- function(parts) {
  if (!all(c("var.names", "var.type", "var.levels") %in% names(parts))) return(list())
  proposals <- Map(function(kind, levels) {
    if (is.character(levels)) bridge_proposal("factor", levels, kind == 0) else bridge_proposal("double")
  }, parts[["var.type"]], parts[["var.levels"]])
  names(proposals) <- parts[["var.names"]]
  proposals
}

# Returns what a naive Bayes model of e1071 tells: the columns of a variable's table are its levels.
#   parts  list: the parts of an object.
bridge_proposed_by_bayes <- function(parts) {
  numbers <- parts[["isnumeric"]]
  if (!is.logical(numbers) || !is.list(parts[["tables"]])) return(list())
  proposals <- lapply(names(numbers), function(name) {
    if (numbers[[name]]) bridge_proposal("double") else bridge_proposal("factor", colnames(parts[["tables"]][[name]]))
  })
  names(proposals) <- names(numbers)
  Filter(Negate(is.null), proposals)
}

# Returns what terms tell: the class that each variable had when the model was fitted.
#   terms   terms object or NULL.
#   levels  named list of character, or NULL: the levels of the factors, and the known values of text.
bridge_proposed_by_terms <- function(terms, levels) {
  classes <- attr(terms, "dataClasses")
  response <- attr(terms, "response")
  if (is.null(classes)) return(list())
  if (isTRUE(response > 0L)) classes <- classes[-response]
  types <- c(numeric = "double", logical = "bool", character = "string", factor = "factor", ordered = "factor")
  known <- classes[classes %in% names(types)]
  proposals <- lapply(names(known), function(name) {
    bridge_proposal(types[[known[[name]]]], if (is.list(levels)) levels[[name]], known[[name]] == "ordered")
  })
  names(proposals) <- names(known)
  Filter(Negate(is.null), proposals)
}

# Returns what a random forest tells: the levels of a variable that is a factor; any other variable is a number. The
# forest counts one category for an ordered factor, because it splits between levels and not by sets of them.
#   levels      named list, or NULL.
#   categories  named numeric, or NULL.
bridge_proposed_by_forest <- function(levels, categories) {
  if (!is.list(levels)) return(list())
  proposals <- lapply(names(levels), function(name) {
    known <- levels[[name]]
    if (!is.character(known)) return(bridge_proposal("double"))
    bridge_proposal("factor", known, length(known) > 1L && isTRUE(categories[name] == 1))
  })
  names(proposals) <- names(levels)
  proposals
}

# Returns the proposal for one variable; NULL for a factor whose levels are not known, as its codes then mean nothing.
#   type  character(1); levels  character or NULL; ordered  logical(1).
bridge_proposal <- function(type, levels = NULL, ordered = FALSE) {
  if (type != "factor") return(list(type = type, levels = character(), ordered = FALSE))
  # In a model that has a level NA, missing values become that level.
  levels <- enc2utf8(as.character(levels[!is.na(levels)]))
  if (length(levels)) return(list(type = type, levels = levels, ordered = ordered))
  if (ordered) list(type = "", levels = character(), ordered = TRUE)
}

# Returns values of text features that the fitted models among some objects know.
#   names    character: the features; objects  list: where to look.
#   most     integer(1): the most values of a feature; as many rows are made up, and each worker's greeting has them.
# Returns a named list of character vectors, without the features of which no value is known.
bridge_known_texts <- function(names, objects = as.list(globalenv()), most = 3L) {
  models <- Filter(function(object) is.list(object) && !is.data.frame(object), bridge_models_in(objects))
  texts <- lapply(names, function(name) {
    known <- lapply(models, function(model) {
      parts <- unclass(model)
      is_text <- identical(unname(attr(parts[["terms"]], "dataClasses")[name]), "character")
      if (is_text && is.list(parts[["xlevels"]])) parts[["xlevels"]][[name]]
    })
    known <- as.character(unique(unlist(known, use.names = FALSE)))
    enc2utf8(known[seq_len(min(length(known), most))])
  })
  names(texts) <- names
  texts[lengths(texts) > 0L]
}

# Proposes the columns of the data.frame that a predict function of one argument may take: the variables that the
# bundle's own models were fitted on. It is only a proposal, because a function of one feature looks the same.
#   model    list: feature_names and feature_required, see bridge_features().
#   objects  named list: where to look.
# Returns list: names character, in the models' order, and types, levels and ordered as bridge_propose_features() gives
# them. All are empty unless exactly one argument has no default, and is not itself such a variable.
bridge_propose_frame <- function(model, objects = as.list(globalenv(), sorted = TRUE)) {
  names <- if (sum(model$feature_required) == 1L) bridge_variables(objects)
  if (any(model$feature_names[model$feature_required] %in% names)) names <- NULL
  c(list(names = as.character(names)), bridge_propose_features(as.character(names), objects))
}

# Returns the variables that the models among some objects were fitted on, each once.
#   objects  named list.
bridge_variables <- function(objects) {
  names <- as.character(unlist(lapply(unname(bridge_models_in(objects)), bridge_variables_of, names(objects))))
  # A name that is not valid text can't be sent by any caller.
  unique(enc2utf8(names[validEnc(names)]))
}

# Returns the variables that one object was fitted on, in its own order.
#   object  anything; an object that is not a model has none.
#   others  character: names that in a formula may mean objects instead of columns.
bridge_variables_of <- function(object, others) {
  if (!is.list(object) || is.data.frame(object)) return(character())
  parts <- unclass(object)
  if (inherits(parts[["terms"]], "terms")) return(bridge_variables_of_terms(parts[["terms"]], others))
  names(bridge_proposed_by(object))
}

# Returns the variables of terms, also those within a transformation such as log(x), poly(x, 2) or offset(x).
#   terms  terms object; others  as in bridge_variables_of().
bridge_variables_of_terms <- function(terms, others) {
  used <- as.list(attr(terms, "variables"))[-1L]
  response <- attr(terms, "response")
  if (isTRUE(response > 0L)) used <- used[-response]
  place <- environment(terms)
  own <- if (is.environment(place) && !identical(place, globalenv())) ls(place, all.names = TRUE)
  constants <- c(others, own, "pi", "T", "F", "letters", "LETTERS", "month.abb", "month.name")
  unlist(lapply(used, function(variable) {
    if (is.symbol(variable)) return(as.character(variable))
    # A term such as d$x names no column.
    if (any(c("$", "@", "[[") %in% all.names(variable))) return(character())
    setdiff(all.vars(variable), constants)
  }))
}
