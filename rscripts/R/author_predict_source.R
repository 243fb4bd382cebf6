# Writes a predict function of the session as the text of a file Pred.R that needs only the bundle and its packages.

# Returns the lines of Pred.R.
#   name     character(1): the function's name.
#   predict  function.
#   objects  named list: what the bundle holds beside it.
bridge_predict_source <- function(name, predict, objects) {
  functions <- c(list(predict), Filter(is.function, objects))
  for (i in seq_along(functions)) bridge_refuse_unpassed(functions[[i]], name, c(name, names(objects)), i == 1L)
  packages <- bridge_needed_packages(unlist(lapply(functions, bridge_free_names)), objects)
  text <- bridge_function_text(predict)
  text[1L] <- paste(bridge_quoted_name(name), "<-", text[1L])
  c(if (length(packages)) c(paste0("library(", packages, ")"), ""), text)
}

# Returns a function's source as lines: as it was typed, or else deparsed and checked to parse to the same function.
#   fun  function.
bridge_function_text <- function(fun) {
  typed <- attr(fun, "srcref")
  if (!is.null(typed)) return(as.character(typed, useSource = TRUE))
  control <- c("keepNA", "keepInteger", "niceNames", "showAttributes")
  for (digits in c("digits17", "hexNumeric")) {
    text <- deparse(fun, control = c(control, digits))
    # Attributes of byte code and environments follow the text of some functions; neither belongs to the source.
    text <- text[!grepl("^<(bytecode|environment).*>$", text)]
    read <- tryCatch(eval(parse(text = text, keep.source = FALSE)[[1L]], baseenv()), error = function(e) NULL)
    if (identical(body(read), body(fun)) && identical(formals(read), formals(fun))) return(text)
  }
  stop(bridge_bundle_error("the predict function can't be written as text: it contains something that is not R code"))
}

# Returns a name as it is written in code, in backticks if it needs them.
#   name  character(1).
bridge_quoted_name <- function(name) paste(deparse(as.name(name), backtick = TRUE), collapse = "")

# Refuses a function that uses an object of the session which was not passed.
#   fun     function; name  character(1): its name, for the message; passed  character: the names that were passed.
#   alone   logical(1): whether only the function's text is saved, so that variables of an enclosing function are lost
#           too. A function that is saved as an object keeps those.
bridge_refuse_unpassed <- function(fun, name, passed, alone) {
  names <- setdiff(bridge_free_names(fun), passed)
  place <- environment(fun)
  repeat {
    if (is.null(place) || identical(place, emptyenv()) || identical(place, baseenv())) return(invisible())
    here <- vapply(names, exists, NA, envir = place, inherits = FALSE)
    found <- if (alone || identical(place, globalenv())) names[here]
    names <- names[!here]
    if (length(found)) {
      stop(bridge_bundle_error(name, " uses '", found[1L], "', which is in this session and was not passed to write_bundle"))
    }
    if (identical(place, globalenv())) return(invisible())
    place <- parent.env(place)
  }
}

# Returns the names of variables and functions that a function uses and does not bind itself.
# Names in formulas, in quoted code and in arguments of with() and similar functions are left out, because they usually
# are columns. (The package codetools would find such names too, but is not in every R.)
#   fun  function.
bridge_free_names <- function(fun) {
  if (is.primitive(fun)) return(character())
  bound <- c(names(formals(fun)), bridge_assigned_names(body(fun)))
  used <- unlist(c(lapply(as.list(formals(fun)), bridge_used_names), bridge_used_names(body(fun))))
  setdiff(unique(used), bound)
}

# Functions whose arguments after the first are evaluated among the columns of the first.
bridge_masking <- c(
  "with", "within", "subset", "transform", "mutate", "filter", "select", "arrange", "group_by", "summarise", "summarize"
)

# Returns the names that code uses, including those that it assigns.
#   code  any language object or constant.
bridge_used_names <- function(code) {
  if (missing(code) || identical(code, quote(expr = ))) return(character())
  if (is.symbol(code)) return(as.character(code))
  if (is.pairlist(code)) return(unlist(lapply(as.list(code), bridge_used_names)))
  if (!is.call(code)) return(character())
  head <- if (is.symbol(code[[1L]])) as.character(code[[1L]]) else ""
  if (head %in% c("::", ":::", "quote", "bquote", "~")) return(character())
  if (head %in% c("$", "@")) return(c(head, bridge_used_names(code[[2L]])))
  if (head %in% bridge_masking && length(code) > 2L) {
    masked <- Filter(is.call, as.list(code)[-(1:2)])
    called <- lapply(masked, function(part) setdiff(all.names(part), all.vars(part)))
    return(c(head, bridge_used_names(code[[2L]]), unlist(called)))
  }
  if (head == "function") {
    inner <- unlist(c(lapply(as.list(code[[2L]]), bridge_used_names), bridge_used_names(code[[3L]])))
    return(setdiff(inner, c(names(code[[2L]]), bridge_assigned_names(code[[3L]]))))
  }
  unlist(lapply(as.list(code), bridge_used_names))
}

# Returns the names that code assigns, without those that nested functions assign.
#   code  any language object or constant.
bridge_assigned_names <- function(code) {
  if (!is.call(code)) return(character())
  head <- if (is.symbol(code[[1L]])) as.character(code[[1L]]) else ""
  if (head %in% c("function", "quote", "bquote", "~", "::", ":::")) return(character())
  target <- if (head %in% c("<-", "=", "for") && (is.symbol(code[[2L]]) || is.character(code[[2L]]))) code[[2L]]
  # An empty argument, as in x[, 1], has no value to pass on.
  parts <- Filter(is.call, as.list(code))
  c(if (!is.null(target)) as.character(target), unlist(lapply(parts, bridge_assigned_names)))
}

# Returns the packages that a worker must attach, in the session's order of attaching, so that they mask each other
# alike.
#   names    character: the names that the functions use.
#   objects  named list: the objects, whose predict methods and whose formulas' functions need packages too.
bridge_needed_packages <- function(names, objects) {
  formulas <- lapply(Filter(function(x) is.list(x) && !is.data.frame(x), objects), function(x) unclass(x)[["terms"]])
  names <- unique(c(names, unlist(lapply(formulas, all.names))))
  places <- grep("^package:", search(), value = TRUE)
  owners <- unlist(lapply(names, function(name) {
    Filter(function(place) exists(name, where = place, mode = "function", inherits = FALSE), places)[1L]
  }))
  classes <- unique(unlist(lapply(objects, class)))
  methods <- lapply(classes, function(class) utils::getS3method("predict", class, optional = TRUE))
  homes <- vapply(Filter(is.function, methods), function(method) environmentName(topenv(environment(method))), "")
  always <- c("base", "methods", "datasets", "utils", "grDevices", "graphics", "stats", "R_GlobalEnv", "")
  needed <- setdiff(c(sub("^package:", "", owners[!is.na(owners)]), homes), always)
  # paste0() below would turn an empty vector into one name.
  if (!length(needed)) return(character())
  needed[order(-match(paste0("package:", needed), search(), nomatch = 0L))]
}
