# Locks what a call must not change: the global variables, and the environments that they reach.

# Initialises the state of the random number generator and locks everything else, so that an assignment is an error and
# can't change the scores of the next call. Objects of a class (R5, R6, memoise) are not locked, because some must
# change themselves to work.
bridge_lock <- function() {
  set.seed(1L, "Mersenne-Twister", "Inversion", "Rejection")
  for (place in bridge_remembered()) lockEnvironment(place, bindings = TRUE)
  lockEnvironment(globalenv(), bindings = TRUE)
  unlockBinding(".Random.seed", globalenv())
}

# Returns the environments that the global variables reach through functions, environments and plain lists.
#   most  integer(1): the largest number to find, because each one is compared with all before it.
bridge_remembered <- function(most = 1000L) {
  found <- list()
  waiting <- bridge_places(bridge_values(globalenv()))
  while (length(waiting) && length(found) < most) {
    place <- waiting[[1L]]
    waiting <- waiting[-1L]
    if (bridge_is_shared(place) || any(vapply(found, identical, NA, place))) next
    found <- c(found, place)
    waiting <- c(waiting, bridge_places(bridge_values(place)), parent.env(place))
  }
  found
}

# Returns the values in an environment, without the tables of the package methods.
#   place  environment.
bridge_values <- function(place) {
  names <- grep("^\\.__", ls(place, all.names = TRUE, sorted = FALSE), value = TRUE, invert = TRUE)
  # An argument that is missing, or that can't be computed any more, counts as NULL.
  lapply(names, function(name) tryCatch(get(name, envir = place, inherits = FALSE), error = function(e) NULL))
}

# Returns the environments among some values, and those of the functions among them.
#   values  list; plain lists in it are searched too, one level deep.
bridge_places <- function(values) {
  # The types are compared first, which is fast: a model can be a list of millions.
  plain <- function(values, types) Filter(Negate(is.object), values[vapply(values, typeof, "") %in% types])
  inner <- unlist(plain(values, "list"), recursive = FALSE, use.names = FALSE)
  found <- plain(c(values, inner), c("closure", "environment"))
  # Each environment once: thousands of functions may share one.
  unique(lapply(found, function(value) if (is.function(value)) environment(value) else value))
}

# Whether an environment belongs to R, a package or an object of a class, and not to the author's plain functions.
#   place  environment.
bridge_is_shared <- function(place) {
  is.object(place) || isNamespace(place) || !is.null(attr(place, "name")) ||
    identical(place, globalenv()) || identical(place, baseenv()) || identical(place, emptyenv())
}
