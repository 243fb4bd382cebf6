# Calls, in fresh processes that load the bundle and lock it as a worker does.
source("tests/r/expect.R")

# A probing bundle: `do` says what the call is to do.
probe <- make_bundle(c(
  "k <- 10",
  "scale_by <- function(x) x * k",
  "Pred.R <- function(do, `blood glucose`, `if` = 7) {",
  "  x <- `blood glucose`",
  "  switch(do[1L],",
  "    score = scale_by(x) + `if`,",
  "    leak = { k <<- 99; x },",
  "    new = { fresh <<- 1; x },",
  "    assign = { assign('k', 5, envir = globalenv()); x },",
  "    random = runif(length(x)),",
  "    kinds = { RNGkind('Wichmann-Hill', 'Box-Muller', 'Rounding'); x },",
  "    call = deparse1(match.call()),",
  "    stop = stop('no good: ', x[1L]),",
  "    custom = stop(structure(class = c('odd_input', 'error', 'condition'), list(message = 'odd', call = NULL))),",
  "    mute = stop(structure(class = c('mute', 'error', 'condition'), list())),",
  "    bare = stop(structure(class = c('no_rate', 'condition'), list(message = 'no rate', call = NULL))),",
  "    passed = tryCatch(as.numeric('a') + x, warning = function(w) stop(w)),",
  "    tried = try(stop(structure(class = 'condition', list(message = 'left', call = NULL))), silent = TRUE),",
  "    message = do.call(stop, list(simpleMessage('a message'))),",
  "    handled = tryCatch(stop(structure(class = c('no_rate', 'condition'), list())), no_rate = function(c) x),",
  "    signalled = { signalCondition(structure(class = c('no_rate', 'condition'), list(message = ''))); x },",
  "    unnamed = stop(structure(class = c(NA, '', 'third', 'error', 'condition'), list(message = 'odd', call = NULL))),",
  "    classes = stop(structure(class = c(strrep('\u00e9', 150), 'error', 'condition'), list(message = 'odd'))),",
  "    warned = { warning('age ', x[1L]); stop('no good') },",
  "    nothing = { warning('age ', x[1L]); NULL },",
  "    control = stop('one\\ntwo\\u001b[31m\\r\\u202e'),",
  "    bytes = stop('caf\\xe9'),",
  "    long = stop(simpleError(strrep('x', 1e7))),",
  "    stack = { f <- function() f(); f() },",
  "    limit = { setTimeLimit(elapsed = 0.05, transient = FALSE); x },",
  "    slow = { s <- 0; t <- Sys.time() + 0.15; while (Sys.time() < t) s <- s + 1; x },",
  "    options = { options(digits = 3, warn = 2, na.action = 'na.fail', brand.new = 1); x },",
  "    seen = c(getOption('digits'), getOption('warn'), nchar(getOption('na.action')))[seq_along(x)],",
  "    wd = { setwd('/'); x },",
  "    sink = { sink(tempfile()); x },",
  "    attach = { attach(list(k = 3), name = 'left', warn.conflicts = FALSE); x },",
  "    print = { print('loud'); message('loud'); warning('loud'); x },",
  "    short = x[1L],",
  "    null = NULL,",
  "    date = Sys.Date() + x,",
  "    lazy = 1 * x",
  "  )",
  "}"
))
got <- in_worker(probe, function(code) {
  ask <- function(do, x = c(2.5, 3.5), names = c("do", "blood glucose")) {
    code$bridge_score(2L, names, list(rep(do, 2L), x))
  }
  steps <- c(
    "score", "leak", "new", "assign", "score", "random", "kinds", "random", "call", "stop", "custom", "mute", "bare",
    "passed", "tried", "message", "handled", "signalled", "unnamed", "classes", "warned", "nothing", "control", "bytes",
    "long", "stack", "limit", "slow", "options", "seen", "wd", "sink", "attach", "score", "print", "short", "null", "date"
  )
  folder <- getwd()
  answers <- lapply(steps, ask)
  names(answers) <- make.unique(steps)
  c(answers, list(
    all = code$bridge_score(2L, NULL, list(c("score", "score"), c(1, 2), c(0, 0))),
    reordered = code$bridge_score(2L, c("blood glucose", "if", "do"), list(c(1, 2), c(0, 0), c("score", "score"))),
    unknown = ask("score", names = c("do", "other")),
    partial = ask("score", names = c("do", "blood")),
    ragged = ask("score", x = 1),
    surplus = code$bridge_score(2L, "do", list(c("score", "score"), c(1, 2))),
    absent = code$bridge_score(2L, "do", list(c("score", "score"))),
    no_call = code$bridge_score("x", "do", 3),
    left = list(k = get("k", globalenv()), fresh = exists("fresh"), search = search(), wd = identical(getwd(), folder), sinks = sink.number()),
    greeting = code$bridge_greeting_parts
  ))
})
error <- function(class, message, warned = "") list(1L, "model_error", class, message, warned)
malformed <- function(message, warned = "") list(1L, "malformed", "bridge_malformed_prediction", message, warned)
locked <- "cannot change value of locked binding for 'k'"
score <- list(0L, "score", list(c(32, 42)))
expect_identical("a score, and a default left out", got$score, score)
expect_identical("<<-", got$leak, error("simpleError", locked))
# R's own words for it changed between versions.
expect_identical("a new global", got$new[1:3], error("simpleError", NULL)[1:3])
expect_identical("assign()", got$assign, error("simpleError", locked))
expect_identical("nothing leaked", got$score.1, score)
expect_identical("the global is as it was", got$left$k, 10)
expect("the new global is not there", !got$left$fresh)
expect_identical("random numbers repeat", got$random, got$random.1)
set.seed(1L, "Mersenne-Twister", "Inversion", "Rejection")
expect_identical("and are the seed's", got$random[[3L]][[1L]], runif(2L))
one_score <- "Pred.R returned 1 score for 2 rows: return one score for each row, and leave out what is one value for the whole call"
expect_identical("no values in match.call()", got$call[[4L]], one_score)
expect_identical("stop()", got$stop, error("simpleError", "no good: 2.5"))
expect_identical("a class of its own", got$custom, error("odd_input", "odd"))
expect_identical("a condition without a message", got$mute, error("mute", ""))
# R would leave bridge_score() for these, and nobody would learn of what.
expect_identical("stop() of what is no error", got$bare, error("no_rate", "no rate"))
expect_identical("a warning passed on", got$passed, error("simpleWarning", "NAs introduced by coercion"))
expect_identical("try() keeps none", got$tried, error("condition", "left"))
expect_identical("stop() of a message", got$message, error("simpleMessage", "a message"))
expect_identical("the author's own handler", got$handled, list(0L, "score", list(c(2.5, 3.5))))
expect_identical("a signal is no end", got$signalled, list(0L, "score", list(c(2.5, 3.5))))
expect_identical("a class that is none", got$unnamed, error("third", "odd"))
expect_identical("a long class is cut", got$classes[[3L]], paste0(strrep("\u00e9", 100), "... (150 characters)"))
expect_identical("warnings beside an error", got$warned, error("simpleError", "no good", "R warned: age 2.5"))
expect_identical("control characters arrive", got$control, error("simpleError", "one\ntwo\u001b[31m\r\u202e"))
expect("a message that is not UTF-8", validUTF8(got$bytes[[4L]]) && startsWith(got$bytes[[4L]], "caf"))
expect_identical("a long message is cut", got$long[[4L]], paste0(strrep("x", 2000), "... (10000000 characters)"))
expect("a deep recursion", grepl("StackOverflowError$", got$stack[[3L]]) && identical(got$stack[[2L]], "model_error"))
expect_identical("a left-over time limit", got$slow, list(0L, "score", list(c(2.5, 3.5))))
expect_identical("options are taken back", got$seen, list(0L, "score", list(c(7L, -1L))))
expect("the working directory is taken back", got$left$wd)
expect_identical("sinks are closed", got$left$sinks, 0L)
expect("what was attached is gone", !"left" %in% got$left$search)
expect_identical("the bridge is just before base", tail(got$left$search, 2L), c("scorebridge", "package:base"))
expect_identical("still the same score", got$score.2, score)
expect_identical("printing is nobody's business", got$print, list(0L, "score", list(c(2.5, 3.5))))
expect_identical("too short", got$short, malformed(one_score))
no_scores <- "Pred.R returned NULL: return the scores, as the last expression of the function"
expect_identical("NULL", got$null, malformed(no_scores))
expect_identical("and R's warnings never in our own sentence", got$nothing, malformed(no_scores, "R warned: age 2.5"))
expect_identical("a date", got$date[[4L]], "Pred.R returned an object of class 'Date': return as.numeric() or as.character() of it")
expect_identical("all features in order", got$all, list(0L, "score", list(c(10, 20))))
expect_identical("another order", got$reordered, list(0L, "score", list(c(10, 20))))
expect_identical("no feature", got$unknown, error("bridge_call_error", "a column is not a feature of the model"))
expect_identical("no partial match", got$partial, error("bridge_call_error", "a column is not a feature of the model"))
unfit <- error("bridge_call_error", "the columns do not fit their names or the number of rows")
expect_identical("ragged columns", got$ragged, unfit)
expect_identical("too many columns", got$surplus, unfit)
expect_identical("a required one left out", got$absent, error("simpleError", "argument \"blood glucose\" is missing, with no default"))
expect_identical("nonsense", got$no_call, unfit)
expect_identical("greeting: names", got$greeting$feature_names, c("do", "blood glucose", "if"))
expect_identical("greeting: required", got$greeting$feature_required, c(TRUE, TRUE, FALSE))
expect_identical("greeting: digest", got$greeting$digest, "sha256:test")
expect("greeting: no error", is.null(got$greeting$error))

# A bundle that can't be loaded still answers, and its own hook is not what is found.
got <- in_worker(make_bundle("oc.init <- function() 'mine'"), function(code) {
  list(code$bridge_greeting_parts, identical(environment(get("oc.init", globalenv())), code), ls(globalenv()))
})
expect_identical("the reason", got[[1L]]$error, "the bundle holds an object named oc.init, a name that Rserve uses itself: rename it")
expect("the bridge's hook is found", got[[2L]])
expect_identical("nothing of it is left", got[[3L]], character())

# Real models against predict() in the author's session. Saved functions and formulas refer to the global environment.
suppressMessages(library(randomForest))
pima <- na.omit(MASS::Pima.tr2)
set.seed(7)
rf <- randomForest(type ~ ., pima, ntree = 40)
shift <- 0.25
glm_fit <- glm(type ~ log(glu + shift) + bmi + factor(npreg > 2), binomial, pima)
centre <- function(x) x - shift
folder <- make_bundle(c(
  "library(randomForest)",
  "Pred.R <- function(npreg, glu, bp, skin, bmi, ped, age) {",
  "  d <- data.frame(npreg, glu, bp, skin, bmi, ped, age)",
  "  votes <- predict(rf, d, type = 'prob')",
  "  list(forest = votes[, 'Yes'], logit = predict(glm_fit, d, type = 'response'), class = predict(rf, d), moved = centre(age))",
  "}"
), list(rf = rf, glm_fit = glm_fit, shift = shift, centre = centre))
saveRDS(pima[1:20, 1:7], file.path(folder, "held.rds"))
got <- in_worker(folder, function(code) {
  columns <- unname(lapply(as.list(get("held", globalenv())), as.double))
  list(code$bridge_score(20L, NULL, columns), code$bridge_score(1L, NULL, lapply(columns, `[`, 3L)), code$bridge_greeting_parts)
})
rows <- pima[1:20, 1:7]
set.seed(1L)
wanted <- list(
  unname(predict(rf, rows, type = "prob")[, "Yes"]), unname(predict(glm_fit, rows, type = "response")),
  as.character(predict(rf, rows)), rows$age - shift
)
expect_identical("outputs", got[[1L]][[2L]], c("forest", "logit", "class", "moved"))
expect_identical("randomForest's prob", got[[1L]][[3L]][[1L]], wanted[[1L]])
expect_identical("glm", got[[1L]][[3L]][[2L]], wanted[[2L]])
expect_identical("a saved function", got[[1L]][[3L]][[4L]], wanted[[4L]])
expect("randomForest's class is text", is.character(got[[1L]][[3L]][[3L]]))
expect_identical("one row", got[[2L]][[3L]][[1L]], wanted[[1L]][3L])
expect_identical("proposed types", got[[3L]]$proposed_types, rep("double", 7L))
expect_identical("packages", got[[3L]]$packages, paste("randomForest", utils::packageDescription("randomForest")$Version))
cat("test-score: ok\n")
