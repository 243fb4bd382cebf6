# R's clock, moved while a bundle is tried: a model that looks at it gives other scores another day.

# Sets R's clock forward. What asks the system by itself, in C, is not reached.
#   days  numeric(1).
# Returns what bridge_set_clock() takes to set it back.
bridge_move_clock <- function(days) {
  clock <- base::Sys.time
  bridge_set_clock(function() clock() + days * 86400)
  clock
}

# Has Sys.time(), and with it Sys.Date() and date(), come from a function.
#   clock  function without arguments.
bridge_set_clock <- function(clock) {
  for (place in list(baseenv(), .BaseNamespaceEnv)) {
    unlockBinding("Sys.time", place)
    assign("Sys.time", clock, envir = place)
    lockBinding("Sys.time", place)
  }
}
