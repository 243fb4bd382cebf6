# Moves R's clock while a bundle is tried, to find models whose scores depend on the day.

# Sets R's clock forward. C code that asks the system for the time is not affected.
#   days  numeric(1).
# Returns what bridge_set_clock() takes to set it back.
bridge_move_clock <- function(days) {
  clock <- base::Sys.time
  bridge_set_clock(function() clock() + days * 86400)
  clock
}

# Replaces Sys.time(), and with it Sys.Date() and date(), by a function.
#   clock  function without arguments.
bridge_set_clock <- function(clock) {
  for (place in list(baseenv(), .BaseNamespaceEnv)) {
    unlockBinding("Sys.time", place)
    assign("Sys.time", clock, envir = place)
    lockBinding("Sys.time", place)
  }
}
