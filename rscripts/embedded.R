# Sourced by an R that runs inside a Python process, without Rserve. Reads the environment variables of serve.R.
# Its value is a list: greeting, see oc.init(); score and trial, the functions that a call may ask for.
# Only the bundle's objects are left in the global environment.
local({
  folder <- file.path(Sys.getenv("SCOREBRIDGE_RSCRIPTS"), "R")
  source(file.path(folder, "worker_attach.R"), local = TRUE, keep.source = FALSE)
  code <- bridge_attach(bridge_worker_code(folder))
  code$bridge_start_as_told()
  greeting <- code$oc.init(function(called, name) name)
  list(greeting = greeting, score = code$bridge_score, trial = code$bridge_try)
})
