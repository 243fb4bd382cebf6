# What a call can't change: the global variables, and what their plain functions and environments remember.

# Makes the generator's state and locks everything else: an assignment shall be an error, not part of the next call's
# scores. An object of a class is left as it is (R5, R6, memoise): some have to note things to work at all.
bridge_lock <- function() {
  set.seed(1L, "Mersenne-Twister", "Inversion", "Rejection")
  for (place in bridge_remembered()) lockEnvironment(place, bindings = TRUE)
  lockEnvironment(globalenv(), bindings = TRUE)
  unlockBinding(".Random.seed", globalenv())
}

# The environments that the global variables reach, by way of functions, environments and plain lists.
#   most  integer(1): more are not looked for, because each is compared with all before it.
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

# What an environment holds, without the tables of the package methods.
#   place  environment.
bridge_values <- function(place) {
  names <- grep("^\\.__", ls(place, all.names = TRUE, sorted = FALSE), value = TRUE, invert = TRUE)
  # An argument that was never given, or can't be computed any more, holds nothing.
  lapply(names, function(name) tryCatch(get(name, envir = place, inherits = FALSE), error = function(e) NULL))
}

# The environments that some values are, or have as functions.
#   values  list; its plain lists are looked into.
bridge_places <- function(values) {
  # By type first: a model can be a list of millions.
  plain <- function(values, types) Filter(Negate(is.object), values[vapply(values, typeof, "") %in% types])
  inner <- unlist(plain(values, "list"), recursive = FALSE, use.names = FALSE)
  found <- plain(c(values, inner), c("closure", "environment"))
  # Once each: functions of one kind share theirs by the thousand.
  unique(lapply(found, function(value) if (is.function(value)) environment(value) else value))
}

# Whether an environment is R's, a package's or an object's and not the author's own.
#   place  environment.
bridge_is_shared <- function(place) {
  is.object(place) || isNamespace(place) || !is.null(attr(place, "name")) ||
    identical(place, globalenv()) || identical(place, baseenv()) || identical(place, emptyenv())
}
