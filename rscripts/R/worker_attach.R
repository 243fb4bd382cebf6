# Where the bridge's own code lives: an environment at the end of the search path, just before base.
# There Rserve finds `oc.init` from the global environment, nothing of the model's or its packages' is masked, and
# nothing that a bundle defines can mask what this code calls: behind it comes base alone. So every function of
# another package is called as package::name.

# Attaches the bridge's code.
#   code     environment or named list: functions and constants, which refer to nothing but one another and base.
#   compile  logical(1): before a fork; else R does it in every worker during its first two calls, which costs them 80 ms.
# Returns the environment, still open; `bridge_model` is put there by bridge_install().
bridge_attach <- function(code, compile = TRUE) {
  place <- attach(NULL, pos = length(search()), name = "scorebridge")
  for (name in names(code)) {
    part <- code[[name]]
    if (is.function(part)) {
      environment(part) <- place
      if (compile) part <- compiler::cmpfun(part)
    }
    assign(name, part, envir = place)
  }
  place
}

# The code that a worker needs.
#   folder  character(1): the folder of this file.
# Returns environment.
bridge_worker_code <- function(folder) {
  code <- new.env(parent = baseenv())
  parts <- list.files(folder, "^(shared|worker)_.*[.]R$", full.names = TRUE)
  for (file in parts) sys.source(file, envir = code, keep.source = FALSE)
  code
}
