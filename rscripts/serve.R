# Sourced by Rserve's parent. Reads the environment variables
#   SCOREBRIDGE_RSCRIPTS  the folder of these files
#   SCOREBRIDGE_BUNDLE    the bundle's folder
#   SCOREBRIDGE_DIGEST    the bundle's digest, may be empty
#   SCOREBRIDGE_SEED      what every call's random numbers start from, 1 if empty
#   SCOREBRIDGE_INPUT     "frame" if the predict function takes one data.frame of all features, "columns" if empty
#   SCOREBRIDGE_ROW_BY_ROW  "1" if each row is scored by a call of its own
#   SCOREBRIDGE_TIMEZONE, SCOREBRIDGE_LOCALE  the world to run in; see bridge_enter_world()
#   SCOREBRIDGE_PACKAGES  the packages whose versions here are asked for, with blanks between them
# and makes the file `begun` in TMPDIR once it comes to the bundle: whatever ends R before is no doing of the bundle's.
# Nothing is left in the global environment but the bundle's objects.
local({
  scripts <- Sys.getenv("SCOREBRIDGE_RSCRIPTS")
  seed <- suppressWarnings(as.integer(Sys.getenv("SCOREBRIDGE_SEED", "1")))
  folder <- file.path(scripts, "R")
  source(file.path(folder, "worker_attach.R"), local = TRUE, keep.source = FALSE)
  code <- bridge_attach(bridge_worker_code(folder))
  # Before the fork, and not attached: the model's search path is its own.
  loadNamespace("Rserve")
  file.create(file.path(Sys.getenv("TMPDIR"), "begun"))
  code$bridge_start(
    Sys.getenv("SCOREBRIDGE_BUNDLE"), Sys.getenv("SCOREBRIDGE_DIGEST"), if (is.na(seed)) 1L else seed,
    Sys.getenv("SCOREBRIDGE_INPUT", "columns"), Sys.getenv("SCOREBRIDGE_ROW_BY_ROW") == "1"
  )
})
