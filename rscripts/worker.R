# What a worker is told to be at its start, and what it tells whoever connects.

# Loads the bundle in the parent. It never raises: a bundle that can't be loaded is told to whoever connects.
#   folder  character(1): the bundle.
#   digest  character(1): what it is called; may be empty.
#   seed    integer(1).
#   timezone, locale  character(1): see bridge_enter_world().
bridge_start <- function(folder, digest, seed, timezone = Sys.getenv("SCOREBRIDGE_TIMEZONE"),
                         locale = Sys.getenv("SCOREBRIDGE_LOCALE")) {
  code <- environment(bridge_start)
  reason <- tryCatch(
    {
      # Before the bundle: what it does while it is loaded may depend on them too.
      bridge_enter_world(timezone, locale)
      model <- bridge_load(folder)
      greeting <- bridge_greeting(model)
      bridge_lock()
      NULL
    },
    error = function(condition) {
      # An oc.init of the bundle's own would be found before the bridge's.
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
  bridge_install(model, seed)
  # What is garbage before the fork is garbage in every worker.
  invisible(gc())
}

# What is known of a loaded model before any call.
#   model  list: see bridge_model_of().
bridge_greeting <- function(model) {
  proposed <- bridge_propose_features(model$feature_names)
  c(
    model[c("feature_names", "feature_required")],
    list(proposed_types = proposed$types, proposed_levels = proposed$levels, proposed_ordered = proposed$ordered)
  )
}

# The same for a bundle that did not load.
bridge_no_features <- function() {
  list(
    feature_names = character(), feature_required = logical(), proposed_types = character(), proposed_levels = list(),
    proposed_ordered = logical()
  )
}

# Called by Rserve in each new worker; what it returns is the first packet of the connection.
# Returns list: pid integer(1); digest character(1); error character(1) or NULL; feature_names character;
# feature_required logical; proposed_types character; proposed_levels list of character; proposed_ordered logical;
# r_version character(1); packages character, "name version"; timezone, locale, collation, installed: see bridge_world();
# score, a capability of bridge_score(), absent if there is an error.
oc.init <- function() {
  # The first full collection after a fork copies the model's pages and can take seconds: before traffic, not in it.
  gc()
  capability <- if (is.null(bridge_greeting_parts$error)) list(score = Rserve::ocap(bridge_score, "score"))
  c(list(pid = Sys.getpid()), bridge_greeting_parts, capability)
}

# The loaded packages that are not R's own, as "name version": they change scores under an equal digest.
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
