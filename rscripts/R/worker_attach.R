# Puts the bridge's own code into an environment at the end of the search path, just before base.
# There Rserve finds `oc.init` from the global environment, the code masks nothing of the model or its packages, and
# nothing that a bundle defines can mask what the code calls, because only base comes behind it. So the code calls every
# function of another package as package::name.

# Attaches the bridge's code.
#   code     environment or named list: functions and constants, which refer to nothing but one another and base.
#   compile  logical(1): TRUE before a fork; otherwise every worker compiles during its first two calls, which takes
#            80 ms.
# Returns the environment, which is not locked yet; bridge_install() puts `bridge_model` into it.
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

# Returns the code that a worker needs.
#   folder  character(1): the folder of this file.
# Returns environment.
bridge_worker_code <- function(folder) {
  code <- new.env(parent = baseenv())
  parts <- list.files(folder, "^(shared|worker)_.*[.]R$", full.names = TRUE)
  for (file in parts) sys.source(file, envir = code, keep.source = FALSE)
  code
}
