# What is told of a bundle on trial: R's warnings, another day's scores; and rows that are runs of their own.
source("tests/r/expect.R")

probe <- make_bundle(c(
  "Pred.R <- function(do, x) {",
  "  switch(do[1L],",
  "    quiet = x,",
  "    coerced = as.numeric(paste0('v', x)),",
  "    twice = { warning('one'); warning('one'); warning('an', 'other'); x },",
  "    muffled = suppressWarnings(as.numeric('v')) + x,",
  "    caught = tryCatch(as.numeric('v'), warning = function(w) 1) + x,",
  "    failed = { read.csv('no such file.csv'); x },",
  "    many = { for (i in 1:100) warning(i); x },",
  "    malformed = { warning('before'); NULL },",
  "    today = x + as.numeric(Sys.Date()),",
  "    clock = x + as.numeric(Sys.time()) %/% 1e5,",
  "    weekday = x + (weekdays(Sys.Date()) == 'Monday')",
  "  )",
  "}"
))
got <- in_worker(probe, function(code) {
  ask <- function(do, days = 0L) code$bridge_try(2L, c("do", "x"), list(rep(do, 2L), c(1, 2)), days)
  steps <- c("quiet", "coerced", "twice", "muffled", "caught", "failed", "many", "malformed")
  answers <- lapply(steps, ask)
  names(answers) <- steps
  days <- lapply(c(0L, 1L, 40L), function(days) lapply(c("today", "clock", "quiet"), ask, days = days))
  served <- code$bridge_score(2L, c("do", "x"), list(rep("failed", 2L), c(1, 2)))
  c(answers, list(days = days, after = as.numeric(Sys.time()), served = served, locked = bindingIsLocked("Sys.time", baseenv())))
})
expect_identical("no warning", got$quiet, list(list(0L, "score", list(c(1, 2))), character(), logical()))
expect_identical("changed data", got$coerced[2:3], list("NAs introduced by coercion", TRUE))
expect_identical("each text once", got$twice[2:3], list(c("one", "another"), c(FALSE, FALSE)))
expect_identical("the author's own suppression", got$muffled[[2L]], character())
expect_identical("the author's own handler", got$caught, list(list(0L, "score", list(c(2, 3))), character(), logical()))
no_file <- "R warned: cannot open file 'no such file.csv': No such file or directory"
failed <- list(1L, "model_error", "simpleError", "cannot open the connection", no_file)
expect_identical("an error with its warnings", got$failed[[1L]], failed)
expect_identical("the same in a call", got$served, got$failed[[1L]])
expect_identical("not all of a hundred", length(got$many[[2L]]), 10L)
no_scores <- "Pred.R returned NULL: return the scores, as the last expression of the function"
expect_identical("nothing that is a score", got$malformed[[1L]][4:5], list(no_scores, "R warned: before"))
scores <- function(days, step) got$days[[days]][[step]][[1L]][[3L]][[1L]]
expect_identical("a day later", scores(2L, 1L) - scores(1L, 1L), c(1, 1))
expect_identical("forty days later", scores(3L, 1L) - scores(1L, 1L), c(40, 40))
expect("by the time", all(scores(3L, 2L) > scores(1L, 2L)))
expect_identical("what looks at no clock", scores(3L, 3L), c(1, 2))
expect("the clock is set back", abs(got$after - as.numeric(Sys.time())) < 1000)
expect("and locked", got$locked)

# Which of R's words mean that it went on with other data.
code <- bridge_code(c("shared_conditions.R", "worker_warnings.R"))
warned <- function(expression) {
  kept <- code$bridge_warnings()
  suppressWarnings(code$bridge_keeping_warnings(expression, kept))
  code$bridge_warning_texts(kept$warned)
}
size <- factor(c("s", "l"))
changes <- list(
  warned(as.numeric("x")), warned(as.integer(3e9)), warned(as.numeric(1i)), warned(as.raw(300)), warned(size[1L] <- "xl"),
  warned(size > "s"), warned(ordered(size) + 1), warned(mean("a")), warned(.Machine$integer.max + 1L), warned(1:3 + 1:2),
  warned({ x <- 1:3; x[1:3] <- 1:2 }), warned(matrix(1:3, 2)), warned(1:c(2, 3)), warned(rbind(1:2, 1:3)),
  warned(predict(lm(y ~ x, data.frame(y = 1:3 + 0.5, x = c(1, 4, 2))), data.frame(z = 1:2))), warned(size + 1)
)
for (texts in changes) {
  expect(paste("warns:", deparse1(texts)), length(texts) >= 1L)
  expect(paste("changes data:", texts[1L]), any(code$bridge_changes_data(texts)))
}
told <- list(warned(log(-1)), warned(warning("the model is old")), warned(sqrt(-1)), warned(max(numeric())))
for (texts in told) expect(paste("only told:", texts), length(texts) == 1L && !code$bridge_changes_data(texts))

# Rows that are runs of their own.
single <- make_bundle(c(
  "Pred.R <- function(age, name = 'n') {",
  "  if (age < 21) age <- 21",
  "  if (age == 40) stop('forty')",
  "  if (age == 50) return(list(score = 'text', drawn = 1))",
  "  if (age == 60) return(list(other = age))",
  "  if (age == 70) return(list(score = NA, drawn = 1))",
  "  list(score = max(age, 30), drawn = runif(1))",
  "}"
))
got <- in_worker(single, function(code) {
  ask <- function(age) code$bridge_score(length(age), "age", list(age))
  levels <- code$bridge_score(2L, c("age", "name"), list(c(1, 2), factor(c("a", "b"))))
  list(ask(c(10, 35, 22)), ask(35), ask(c(10, 40)), ask(c(10, 50)), ask(c(10, 60)), ask(c(10, 70)), ask(70), levels)
}, row_by_row = TRUE)
expect_identical("each row by itself", got[[1L]][[3L]][[1L]], c(30, 35, 30))
expect_identical("the same random numbers for each", length(unique(got[[1L]][[3L]][[2L]])), 1L)
expect_identical("one row", got[[2L]][[3L]][[1L]], 35)
expect_identical("an error", got[[3L]], list(1L, "model_error", "simpleError", "forty", ""))
expect_identical(
  "another type", got[[4L]][[4L]], "Pred.R returned double for one row and character for another in the output 'score'"
)
expect_identical("other outputs", got[[5L]][[4L]], "Pred.R returned other outputs for row 1 than for row 0")
expect_identical("missing beside a number", got[[6L]][[3L]][[1L]], c(30, NA))
expect_identical("missing alone", got[[7L]][[3L]][[1L]], NA)
expect_identical("factors", got[[8L]][[1L]], 0L)
cat("test-trial: ok\n")
