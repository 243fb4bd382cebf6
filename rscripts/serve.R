# Sourced by Rserve's parent. Reads the environment variables
#   SCOREBRIDGE_RSCRIPTS  the folder of these files
#   SCOREBRIDGE_BUNDLE    the bundle's folder
#   SCOREBRIDGE_DIGEST    the bundle's digest, may be empty
#   SCOREBRIDGE_SEED      the seed of every call's random numbers, 1 if empty
#   SCOREBRIDGE_INPUT     "frame" if the predict function takes one data.frame of all features, "columns" if empty
#   SCOREBRIDGE_ROW_BY_ROW  "1" if each row is scored by a call of its own
#   SCOREBRIDGE_TIMEZONE, SCOREBRIDGE_LOCALE  the world to run in; see bridge_enter_world()
#   SCOREBRIDGE_PACKAGES  the packages whose installed versions are wanted, separated by blanks
# and makes the file `begun` in TMPDIR just before it loads the bundle: if R ends earlier, the bundle is not the cause.
# Only the bundle's objects are left in the global environment.
local({
  folder <- file.path(Sys.getenv("SCOREBRIDGE_RSCRIPTS"), "R")
  source(file.path(folder, "worker_attach.R"), local = TRUE, keep.source = FALSE)
  code <- bridge_attach(bridge_worker_code(folder))
  # Loaded before the fork, but not attached, so that the model's search path does not change.
  loadNamespace("Rserve")
  code$bridge_start_as_told()
})
