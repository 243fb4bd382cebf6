# Starts a worker: loads its bundle, and makes the greeting that it sends to each connection.

# Loads the bundle in the parent process. It never raises: if the bundle can't be loaded, the greeting says why.
#   folder  character(1): the bundle.
#   digest  character(1): the bundle's digest; may be empty.
#   seed    integer(1): the seed of every call's random numbers.
#   input   as in bridge_load().
#   row_by_row  logical(1): whether each row is scored by a call of its own.
#   timezone, locale  character(1): see bridge_enter_world().
bridge_start <- function(folder, digest, seed, input = "columns", row_by_row = FALSE,
                         timezone = Sys.getenv("SCOREBRIDGE_TIMEZONE"), locale = Sys.getenv("SCOREBRIDGE_LOCALE")) {
  code <- environment(bridge_start)
  reason <- tryCatch(
    {
      # Before the bundle is loaded, because what it does then may depend on time zone and locale too.
      bridge_enter_world(timezone, locale)
      model <- bridge_load(folder, input)
      greeting <- bridge_greeting(model)
      bridge_lock()
      NULL
    },
    error = function(condition) {
      # The bundle's objects go, because Rserve would find an oc.init of the bundle before the bridge's.
      rm(list = ls(globalenv(), all.names = TRUE), envir = globalenv())
      bridge_one_line(condition)
    }
  )
  if (!is.null(reason)) {
    model <- greeting <- bridge_no_features()
    bridge_lock()
  }
  versions <- list(r_version = paste(R.version$major, R.version$minor, sep = "."), packages = bridge_packages())
  world <- bridge_world(strsplit(Sys.getenv("SCOREBRIDGE_PACKAGES"), " ", fixed = TRUE)[[1L]])
  assign("bridge_greeting_parts", c(list(digest = digest, error = reason), greeting, versions, world), envir = code)
  bridge_install(model, seed, row_by_row)
  # Collected before the fork, or every worker would have the garbage.
  invisible(gc())
}

# Loads the bundle that the environment variables of serve.R name.
bridge_start_as_told <- function() {
  seed <- suppressWarnings(as.integer(Sys.getenv("SCOREBRIDGE_SEED", "1")))
  file.create(file.path(Sys.getenv("TMPDIR"), "begun"))
  bridge_start(
    Sys.getenv("SCOREBRIDGE_BUNDLE"), Sys.getenv("SCOREBRIDGE_DIGEST"), if (is.na(seed)) 1L else seed,
    Sys.getenv("SCOREBRIDGE_INPUT", "columns"), Sys.getenv("SCOREBRIDGE_ROW_BY_ROW") == "1"
  )
}

# Returns the parts of the greeting that describe a loaded model.
#   model  list: see bridge_model_of().
bridge_greeting <- function(model) {
  proposed <- bridge_propose_features(model$feature_names)
  columns <- bridge_propose_frame(model)
  c(
    model[c("feature_names", "feature_required")],
    list(notes = model$notes, known_texts = bridge_known_texts(union(model$feature_names, columns$names))),
    list(proposed_types = proposed$types, proposed_levels = proposed$levels, proposed_ordered = proposed$ordered),
    list(frame_names = columns$names, frame_types = columns$types),
    list(frame_levels = columns$levels, frame_ordered = columns$ordered)
  )
}

# Returns the parts of the greeting, all empty, for a bundle that could not be loaded.
bridge_no_features <- function() {
  list(
    feature_names = character(), feature_required = logical(), notes = character(), known_texts = list(),
    proposed_types = character(), proposed_levels = list(), proposed_ordered = logical(), frame_names = character(),
    frame_types = character(), frame_levels = list(), frame_ordered = logical()
  )
}

# Rserve calls this in each new worker, and sends what it returns as the first packet of the connection.
#   name_capability  function of a function and its name: returns the capability by which it is called.
# Returns list: pid integer(1); digest character(1); error character(1) or NULL; feature_names character;
# feature_required logical; notes character; known_texts and proposed_levels lists of character; proposed_types
# character; proposed_ordered logical; frame_names, frame_types, frame_levels and frame_ordered, the parts of
# bridge_propose_frame(); r_version character(1); packages character, "name version"; timezone, locale, collation,
# installed: see bridge_world(); score and trial, capabilities of bridge_score() and bridge_try(), absent if there is an
# error.
oc.init <- function(name_capability = Rserve::ocap) {
  # The first full collection after a fork copies the model's pages and can take seconds, so it is done before any call.
  gc()
  capability <- if (is.null(bridge_greeting_parts$error)) {
    list(score = name_capability(bridge_score, "score"), trial = name_capability(bridge_try, "trial"))
  }
  c(list(pid = Sys.getpid()), bridge_greeting_parts, capability)
}

# Returns the loaded packages that are not part of R, as "name version": another version may change scores although the
# bundle's digest is the same.
bridge_packages <- function() {
  loaded <- sort(setdiff(loadedNamespaces(), "Rserve"), method = "radix")
  own <- c(
    "base", "compiler", "datasets", "graphics", "grDevices", "grid", "methods", "parallel", "splines", "stats",
    "stats4", "tcltk", "tools", "translations", "utils"
  )
  loaded <- setdiff(loaded, own)
  versions <- vapply(loaded, function(name) as.character(getNamespaceVersion(name)), "")
  if (length(loaded)) paste(loaded, versions) else character()
}
