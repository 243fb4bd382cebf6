# Proves a bundle in fresh R processes, which load it exactly as a worker does. They get the bridge's code from this
# session, so they need neither its files nor the installed package.

# Loads and scores the bundle in two fresh processes: the first writes the expected scores, the second must give the
# same.
#   dir     character(1); golden  logical(1): there are golden rows.
#   asked   list: features, named list of list(type, levels, ordered); input, as in bridge_load(); row_by_row
#           logical(1); timezone, locale, character(1) or NULL: those of model.toml.
# Returns list: features character; scores, a named list of columns; warnings character, what R warned of; changed,
# those that say that it went on with other data; packages character, "name version"; collation character(1).
bridge_check_bundle <- function(dir, golden, asked) {
  path <- tempfile(c("request", "reply"), fileext = ".rds")
  on.exit(unlink(path))
  asked <- c(asked, list(dir = normalizePath(dir), reply = path[2L], code = bridge_own_code()))
  for (step in c(if (golden) "score", "compare")) {
    saveRDS(c(list(step = step), asked), path[1L])
    script <- "local({request=readRDS(commandArgs(TRUE));request$code$bridge_check_here(request)})"
    # The output is dropped, because packages that a model loads may print. The variables are those of a worker's start.
    start <- c("LC_ALL=C.UTF-8", "LANGUAGE=en", "R_ICU_LOCALE=")
    arguments <- shQuote(c("--vanilla", "-e", script, path[1L]))
    system2(file.path(R.home("bin"), "Rscript"), arguments, stdout = FALSE, stderr = FALSE, env = start)
    if (!file.exists(path[2L])) stop(bridge_bundle_error("the R process that checks the bundle died"))
    checked <- readRDS(path[2L])
    unlink(path[2L])
    if (!is.null(checked$error)) stop(bridge_bundle_error("the bundle does not work in a fresh R: ", checked$error))
  }
  checked
}

# Returns the bridge's functions and constants as a named list that can be saved to a file. The functions get the base
# environment, because saving would otherwise include the namespace or environment in which they were made.
bridge_own_code <- function() {
  code <- environment(bridge_own_code)
  parts <- mget(grep("^bridge_", ls(code), value = TRUE), envir = code)
  lapply(parts, function(part) {
    if (is.function(part)) environment(part) <- baseenv()
    part
  })
}

# Runs in the fresh process: loads the bundle, scores the golden rows, and saves the reply to a file.
#   request  list: see bridge_check_bundle(); step "score" or "compare"; dir; reply; code, see bridge_own_code().
bridge_check_here <- function(request) {
  code <- request$code$bridge_attach(request$code, compile = FALSE)
  world <- lapply(request[c("timezone", "locale")], function(name) if (is.null(name)) "" else name)
  # A machine that serves has the locale C.UTF-8; the author's machine may lack it.
  if (world$locale == "" && !nzchar(suppressWarnings(Sys.setlocale("LC_COLLATE", "C.UTF-8")))) world$locale <- NA_character_
  code$bridge_start(request$dir, "", 1L, request$input, request$row_by_row, world$timezone, world$locale)
  saveRDS(code$bridge_check(file.path(request$dir, "golden.csv"), request), request$reply)
}

# Scores the golden rows, and writes their scores or compares them with the expected ones. It never raises.
#   path     character(1): golden.csv; without this file only the load is checked.
#   request  list: step, features, input.
# Returns the reply that bridge_check_bundle() describes; if it failed, `error` in it says why.
bridge_check <- function(path, request) {
  framed <- request$input == "frame"
  features <- if (framed) names(request$features) else bridge_greeting_parts$feature_names
  reply <- c(
    bridge_greeting_parts[c("packages", "collation")],
    list(error = bridge_greeting_parts$error, features = features, warnings = bridge_greeting_parts$notes)
  )
  if (!is.null(reply$error) || !file.exists(path)) return(reply)
  tryCatch(
    {
      golden <- bridge_read_golden(path, request$features)
      if (framed) golden$inputs <- golden$inputs[features]
      kept <- bridge_warnings()
      scores <- bridge_golden_scores(golden, kept)
      if (request$step == "score") bridge_write_golden(path, golden$inputs, scores)
      if (request$step == "compare") bridge_compare(golden$expected, scores)
      texts <- bridge_warning_texts(kept$warned)
      reply$warnings <- c(reply$warnings, if (length(texts)) paste("R warned while golden rows were scored:", texts))
      # Asked again, because scoring may have loaded more packages.
      reply$packages <- bridge_packages()
      c(reply, list(scores = scores, changed = texts[bridge_changes_data(texts)]))
    },
    error = function(condition) c(list(error = bridge_one_line(condition)), reply["features"])
  )
}

# Scores the golden rows.
#   golden  see bridge_read_golden(); kept  see bridge_warnings().
# Returns named list of columns.
bridge_golden_scores <- function(golden, kept) {
  answer <- bridge_answer(golden$rows, names(golden$inputs), unname(golden$inputs), kept)
  if (answer[[1L]] == 0L) {
    names(answer[[3L]]) <- answer[[2L]]
    return(answer[[3L]])
  }
  said <- bridge_with_warnings(answer[[4L]], answer[[5L]])
  if (answer[[2L]] == "malformed") stop(bridge_malformed_prediction(said))
  stop(bridge_model_error("the predict function raised ", answer[[3L]], ": ", said))
}

# Refuses scores that differ from the expected ones in any bit.
#   expected  named list of cells; scores  named list of columns.
bridge_compare <- function(expected, scores) {
  if (!identical(names(expected), names(scores))) {
    stop(bridge_bundle_error("golden.csv expects other outputs than the model gives"))
  }
  for (name in names(scores)) {
    wanted <- bridge_parse_column(paste0("score.", name), expected[[name]], typeof(scores[[name]]))
    differs <- bridge_differing(wanted, scores[[name]])
    if (length(differs)) stop(bridge_bundle_error(
      "golden rows don't come out: output '", name, "' differs in ", length(differs), " of ", length(wanted), " rows"
    ))
  }
}
