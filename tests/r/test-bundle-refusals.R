# What write_bundle refuses, each with its sentence, and that it leaves the disk as it was.
source("tests/r/expect.R")
source("rscripts/bundle.R")
work <- tempfile("work")
dir.create(work)

# Stops unless write_bundle refuses with this sentence and leaves nothing.
refuses <- function(label, message, ...) {
  dir <- file.path(work, "refused")
  expect_raises(label, suppressMessages(write_bundle(dir, ...)), "bridge_bundle_error", message)
  expect(paste0(label, ": nothing is left"), !file.exists(dir))
}

k <- 2
inputs <- data.frame(x = c(0.5, -1, 3), sex = factor(c("m", "f", "m"), levels = c("m", "f")))
times <- function(x) x * k

# Settings that no gateway takes.
settings <- function(label, message, ...) refuses(label, message, k, Pred.R = times, golden = inputs["x"], ...)
seconds <- "timeout_s must be a number of seconds above 0"
for (timeout_s in list("1", -1, 0, Inf, NA_real_, c(1, 2), TRUE)) settings("timeout_s", seconds, timeout_s = timeout_s)
for (row_wise in list("yes", NA, 1, c(TRUE, TRUE))) settings("row_wise", "row_wise must be TRUE or FALSE", row_wise = row_wise)
scalar <- "default_score must be one finite number, truth value or text, or a named list with one for each output"
for (default in list(NaN, Inf, NA, c(1, 2), list(1), list(), sum, list(score = NA), list(score = 1, score = 2))) {
  settings("default_score", scalar, default_score = default)
}
settings("text for a number", "default_score for the output 'score' must be a number", default_score = "a")
settings("TRUE for a number", "default_score for the output 'score' must be a number", default_score = TRUE)
settings("an output that is none", "default_score names 'foo', which is not an output of the model", default_score = list(foo = 1))
outputs <- list(p = 1.5, n = 2L, ok = TRUE, s = "a", none = NA)
checked <- function(...) environment(write_bundle)$bridge_check_defaults(list(...), outputs)
expect("defaults that fit", is.null(checked(p = 1L, n = 2, ok = FALSE, s = "", none = 3)))
expect_raises("a fraction", checked(p = 1, n = .5, ok = FALSE, s = "", none = 3), "bridge_bundle_error", "default_score for the output 'n' must be a whole number")
expect_raises("a number for a truth value", checked(p = 1, n = 1, ok = 1, s = "", none = 3), "bridge_bundle_error", "default_score for the output 'ok' must be TRUE or FALSE")
expect_raises("a number for text", checked(p = 1, n = 1, ok = TRUE, s = 1, none = 3), "bridge_bundle_error", "default_score for the output 's' must be text")
expect_raises("one is not said", checked(p = 1), "bridge_bundle_error", "default_score has no value for the output 'n'")
form <- "features$x must be double, int, bool, string or list(type = \"factor\", levels = ...), which may be ordered = TRUE"
for (own in list("number", "factor", list(type = "double", ordered = TRUE), list(type = "factor", levels = c("a", NA)), list(type = "factor", levels = c("a", "a")), list(type = "factor", levels = "a", ordered = "yes"))) {
  settings("features", form, features = list(x = own))
}
settings("a stranger", "'z' is not an argument of the predict function", features = list(z = "int"))

settings("row_by_row", "row_by_row must be TRUE or FALSE", row_by_row = 1)
settings("row_by_row and not row_wise", "row_by_row makes every row independent of the others: leave row_wise out", row_by_row = TRUE, row_wise = FALSE)

# The rest of what it refuses.
refuses("no rows", "golden must be a data.frame with rows", k, Pred.R = times, golden = inputs[0L, "x", drop = FALSE])
refuses("no data.frame", "golden must be a data.frame with rows", k, Pred.R = times, golden = as.matrix(inputs["x"]))
refuses("no function", "none of the objects is a function: pass the one that predicts", k)
refuses("no object", "pass the model's objects as well as the function Pred.R", Pred.R = function(x) x)
refuses("two functions", "2 functions were passed (times, into) and none is named Pred.R", times, into = times)
refuses("one name twice", "two objects are named 'k'", k, k = 3, Pred.R = function(x) x)
refuses("no name", "argument 2 has no name: pass a variable, or name = object", 1 + 1, Pred.R = function(x) x)
refuses("a golden column of another type", "golden column 'x' is of class numeric, but the feature is declared as int", k, Pred.R = times, golden = inputs["x"], features = list(x = "int"))
refuses("a golden level of no one", "golden column 'sex' holds a level that the feature does not have", k, Pred.R = function(sex) k, golden = inputs["sex"], features = list(sex = list(type = "factor", levels = "m")))
refuses("it raises", "the bundle does not work in a fresh R: the predict function raised simpleError: no", k, Pred.R = function(x) stop("no"), golden = inputs["x"])
refuses("no scores", "the bundle does not work in a fresh R: Pred.R returned NULL: return the scores, as the last expression of the function", k, Pred.R = function(x) NULL, golden = inputs["x"])
refuses("the clock", "the bundle does not work in a fresh R: golden rows don't come out: output 'score' differs in 3 of 3 rows", k, Pred.R = function(x) x + as.numeric(Sys.time()), golden = inputs["x"])
refuses("it ends R", "the R process that checks the bundle died", k, Pred.R = function(x) quit("no"), golden = inputs["x"])

# What was there before stays.
into <- function(dir, message, fun = function(x) stop("no")) {
  expect_raises(dir, suppressMessages(write_bundle(file.path(work, dir), k, Pred.R = fun, golden = inputs["x"])), "bridge_bundle_error", message)
}
no <- "the bundle does not work in a fresh R: the predict function raised simpleError: no"
writeLines("precious", file.path(work, "notes.txt"))
into("notes.txt", "notes.txt exists and is not a folder: remove it, or name another folder")
expect_identical("the file is there", readLines(file.path(work, "notes.txt")), "precious")
dir.create(file.path(work, "full", "sub"), recursive = TRUE)
into("full", "full exists and is not empty, and a bundle is never written over: remove it, or name another folder")
dir.create(file.path(work, "empty"))
into("empty", no)
expect_identical("the empty folder is there and empty", list.files(file.path(work, "empty"), all.files = TRUE, no.. = TRUE), character())
invisible(file.symlink("empty", file.path(work, "link")))
into("link", no)
expect_identical("the link is there", Sys.readlink(file.path(work, "link")), "empty")
into("notes.txt/below", paste0("below can't be made in ", file.path(work, "notes.txt")))
into("new/below", no)
expect("no parent is left", !file.exists(file.path(work, "new")))
unlink(work, recursive = TRUE)
cat("test-bundle-refusals: ok\n")
