# One call: columns in, typed and named scores or a failure out. It never raises.

# Puts a loaded model in its place and closes the bridge's environment.
#   model  list: see bridge_model_of().
#   seed   integer(1): what every call's random numbers start from.
#   row_by_row  logical(1): each row is scored by a call of its own.
#   code   environment: the bridge's.
bridge_install <- function(model, seed, row_by_row = FALSE, code = environment(bridge_install)) {
  # A warning may carry input values, and its deparsed call whole columns, to where Rserve's stderr is kept.
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
#   names    character: the columns' names; NULL for all features in their order, unless they come as one data.frame.
#   columns  unnamed list of vectors, each `rows` long; factors are factors.
# Returns list(0L, character: the outputs' names, unnamed list of vectors) or
# list(1L, kind, condition class, message, warnings): kind "model_error" (the function raised) or "malformed" (what it
# returned is not one score a row); see bridge_warned(). A message of kind "model_error", and warnings of either, are the
# model's own and may hold input values.
bridge_score <- function(rows, names, columns) bridge_answer(rows, names, columns, bridge_warnings())

# The same for a bundle that is being tried.
#   rows, names, columns  as in bridge_score().
#   days  numeric(1): R's clock is set so far forward meanwhile.
# Returns list: the answer of bridge_score(); character, what R warned of; logical, which of it says that R went on with
# other data than it was given.
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

# Scores a batch.
#   rows, names, columns  as in bridge_score().
#   kept  see bridge_warnings().
# Returns as bridge_score().
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
    # R would match a shortened name to a feature without a word.
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

# All columns as the one argument that is a data.frame of them, as data.frame(check.names = FALSE) makes it, at a
# hundredth of its price.
#   columns  named list; rows  integer(1); name  character(1): the argument.
bridge_argument <- function(columns, rows, name) {
  attributes(columns) <- list(names = names(columns), class = "data.frame", row.names = c(NA_integer_, -rows))
  structure(list(columns), names = name)
}

# Starts the random numbers of a call. Naming the three kinds costs 12 us, so only where a call has changed them.
#   seed  integer(1).
bridge_seed <- function(seed) {
  if (get(".Random.seed", envir = globalenv())[1L] == bridge_random_kind) return(set.seed(seed))
  set.seed(seed, "Mersenne-Twister", "Inversion", "Rejection")
}

# The options as they are, but for `device`: it is a large function, and comparing it costs more than all others.
# `.Options` is read because options() sorts its names first, at eight times the price.
bridge_read_options <- function() {
  current <- as.list(.Options)
  current$device <- NULL
  current
}

# Takes back what a call can leave behind in the process; the global environment is locked anyway.
#   folder  character(1): the working directory before the call; NULL if it had none.
bridge_restore <- function(folder) {
  # A left-over limit would fire in the next call: Rserve has no top level that resets it.
  setTimeLimit()
  while (sink.number() > 0L) sink()
  if (!identical(getwd(), folder) && !is.null(folder)) setwd(folder)
  # Options that are new stay: they may be those of a package that the call loaded.
  if (!identical(bridge_read_options()[bridge_option_names], bridge_options)) options(bridge_options)
  if (!identical(search(), bridge_attached)) bridge_detach()
}

# Detaches what a call attached, so that its columns can't stand in for the next call's; packages stay.
bridge_detach <- function() {
  for (name in setdiff(grep("^package:", search(), value = TRUE, invert = TRUE), bridge_attached)) {
    detach(name, character.only = TRUE)
  }
}
