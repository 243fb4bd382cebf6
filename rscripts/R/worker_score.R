# Scores one call: takes columns, and returns typed and named scores or a failure. It never raises.

# Stores a loaded model in the bridge's environment and locks that environment.
#   model  list: see bridge_model_of().
#   seed   integer(1): the seed of every call's random numbers.
#   row_by_row  logical(1): whether each row is scored by a call of its own.
#   code   environment: the bridge's.
bridge_install <- function(model, seed, row_by_row = FALSE, code = environment(bridge_install)) {
  # Warnings are not printed: a warning may hold input values, and its deparsed call whole columns, and Rserve's stderr
  # is kept.
  if (getOption("warn") == 0) options(warn = -1)
  assign("bridge_model", c(model, list(seed = seed, row_by_row = row_by_row)), envir = code)
  assign("bridge_options", bridge_read_options(), envir = code)
  assign("bridge_option_names", names(code$bridge_options), envir = code)
  assign("bridge_random_kind", get(".Random.seed", envir = globalenv())[1L], envir = code)
  assign("bridge_attached", search(), envir = code)
  lockEnvironment(code, bindings = TRUE)
}

# Scores a batch.
#   rows     integer(1).
#   names    character: the columns' names; NULL if the columns are all features in order, and not for one data.frame.
#   columns  unnamed list of vectors, each `rows` long; factors are factors.
# Returns list(0L, character: the outputs' names, unnamed list of vectors) or list(1L, kind, condition class, message,
# warnings): kind is "model_error" (the function raised an error) or "malformed" (it did not return one score for each
# row); for warnings see bridge_warned(). The message of a "model_error", and the warnings of both kinds, come from the
# model and may hold input values.
bridge_score <- function(rows, names, columns) bridge_answer(rows, names, columns, bridge_warnings())

# Scores a batch while a bundle is tried, and reports R's warnings.
#   rows, names, columns  as in bridge_score().
#   days  numeric(1): the number of days by which R's clock is set forward meanwhile.
# Returns list: the answer as of bridge_score(); character, the texts of R's warnings; logical, which of them say that R
# went on with other data than it was given.
bridge_try <- function(rows, names, columns, days) {
  if (days > 0) {
    clock <- bridge_move_clock(days)
    on.exit(bridge_set_clock(clock))
  }
  kept <- bridge_warnings()
  answer <- bridge_answer(rows, names, columns, kept)
  texts <- bridge_warning_texts(kept$warned)
  list(answer, texts, bridge_changes_data(texts))
}

# Scores a batch for bridge_score() and bridge_try(), and keeps R's warnings.
#   rows, names, columns  as in bridge_score().
#   kept  see bridge_warnings().
# Returns what bridge_score() returns.
bridge_answer <- function(rows, names, columns, kept) {
  tryCatch(
    {
      outputs <- bridge_keeping_warnings(
        if (bridge_model$row_by_row) {
          bridge_rows_apart(rows, function(row) {
            bridge_outputs(bridge_predict(1L, names, lapply(columns, `[`, row)), 1L)
          })
        } else {
          bridge_outputs(bridge_predict(rows, names, columns), rows)
        },
        kept
      )
      list(0L, outputs$names, outputs$columns)
    },
    error = function(condition) {
      kind <- if (inherits(condition, "bridge_malformed_prediction")) "malformed" else "model_error"
      list(1L, kind, bridge_condition_class(condition), bridge_message(condition), bridge_warned(kept))
    }
  )
}

# Calls the predict function from a fresh frame that holds the columns, in front of the global environment.
#   rows, names, columns  as in bridge_score().
# Returns whatever the function returns.
bridge_predict <- function(rows, names, columns) {
  model <- bridge_model
  call <- model$call
  if (is.null(names) && is.null(model$frame)) {
    names <- model$feature_names
  } else if (is.null(model$frame) && !identical(names, model$feature_names)) {
    # Checked here, because R would silently match a shortened name to a feature.
    if (!all(names %in% model$feature_names)) stop(bridge_call_error("a column is not a feature of the model"))
    call <- bridge_call(model$name, names)
  }
  if (length(names) != length(columns) || any(lengths(columns) != rows)) {
    stop(bridge_call_error("the columns do not fit their names or the number of rows"))
  }
  names(columns) <- names
  if (!is.null(model$frame)) columns <- bridge_argument(columns, rows, model$frame)
  frame <- list2env(columns, parent = globalenv())
  folder <- getwd()
  on.exit(bridge_restore(folder))
  bridge_seed(model$seed)
  eval(call, frame)
}

# Returns all columns as one argument that is a data.frame, like data.frame(check.names = FALSE) but 100 times faster.
#   columns  named list; rows  integer(1); name  character(1): the argument.
bridge_argument <- function(columns, rows, name) {
  attributes(columns) <- list(names = names(columns), class = "data.frame", row.names = c(NA_integer_, -rows))
  structure(list(columns), names = name)
}

# Sets the seed of a call's random numbers. The three kinds of generator are named only if a call has changed them,
# because that takes 12 us.
#   seed  integer(1).
bridge_seed <- function(seed) {
  if (get(".Random.seed", envir = globalenv())[1L] == bridge_random_kind) return(set.seed(seed))
  set.seed(seed, "Mersenne-Twister", "Inversion", "Rejection")
}

# Returns R's options without `device`, a large function that takes longer to compare than all other options together.
# It reads `.Options`, because options() sorts the names first and takes eight times as long.
bridge_read_options <- function() {
  current <- as.list(.Options)
  current$device <- NULL
  current
}

# Undoes what a call can leave behind in the process; the global environment is locked anyway.
#   folder  character(1): the working directory before the call; NULL if it had none.
bridge_restore <- function(folder) {
  # A time limit that a call has set would end the next call, because Rserve has no top level that resets it.
  setTimeLimit()
  while (sink.number() > 0L) sink()
  if (!identical(getwd(), folder) && !is.null(folder)) setwd(folder)
  # New options stay, because they may belong to a package that the call loaded.
  if (!identical(bridge_read_options()[bridge_option_names], bridge_options)) options(bridge_options)
  if (!identical(search(), bridge_attached)) bridge_detach()
}

# Detaches what a call attached, so that the next call can't find its columns; packages stay attached.
bridge_detach <- function() {
  for (name in setdiff(grep("^package:", search(), value = TRUE, invert = TRUE), bridge_attached)) {
    detach(name, character.only = TRUE)
  }
}
