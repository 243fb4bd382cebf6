# Every shape that a predict function may return, and those it may not.
source("tests/r/expect.R")
code <- bridge_code(c("conditions.R", "outputs.R"))
outputs <- function(prediction, rows) {
  found <- code$bridge_outputs(prediction, rows)
  expect("columns have no attributes", all(vapply(found$columns, function(x) is.null(attributes(x)), NA)))
  expect("columns have no names of their own", is.null(names(found$columns)))
  expect("every column has a row each", all(lengths(found$columns) == rows))
  found
}
# The dots keep R from taking an output named `p` for the prediction.
gives <- function(.label, .prediction, .rows, ...) {
  wanted <- list(...)
  found <- outputs(.prediction, .rows)
  expect_identical(paste0(.label, ": names"), found$names, names(wanted))
  expect_identical(paste0(.label, ": values"), found$columns, unname(wanted))
}
refuses <- function(label, prediction, rows, message) {
  expect_raises(label, code$bridge_outputs(prediction, rows), "bridge_malformed_prediction", message)
}

gives("a vector", c(1, 2), 2L, score = c(1, 2))
gives("a named vector", c(a = 1, b = 2), 2L, score = c(1, 2))
gives("integers", 1:3, 3L, score = 1:3)
gives("logicals with NA", c(TRUE, NA), 2L, score = c(TRUE, NA))
gives("strings with NA", c("a", NA), 2L, score = c("a", NA))
gives("a factor", factor(c("b", NA, "a")), 3L, score = c("b", NA, "a"))
gives("a named factor", structure(factor(c("b", "a")), names = 1:2), 2L, score = c("b", "a"))
gives("an ordered factor", factor("x", ordered = TRUE), 1L, score = "x")
gives("asis", I(c(1, 2)), 2L, score = c(1, 2))
gives("asis factor", I(factor(c("p", "q"))), 2L, score = c("p", "q"))
gives("a one-dimensional array", array(1:2, 2L, list(c("a", "b"))), 2L, score = 1:2)
gives("a table", table(c("a", "b", "b")), 2L, score = 1:2)
gives("a matrix without names", matrix(1:4, 2L), 2L, score_1 = 1:2, score_2 = 3:4)
gives("a matrix with names", matrix(1:4, 2L, dimnames = list(1:2, c("n", "y"))), 2L, n = 1:2, y = 3:4)
gives("a matrix with an empty name", matrix(1:4, 2L, dimnames = list(NULL, c("n", ""))), 2L, n = 1:2, score_2 = 3:4)
gives("a one-column matrix", matrix(c(1, 2), 2L), 2L, score = c(1, 2))
gives("a one-column matrix with a name", matrix(c(1, 2), 2L, dimnames = list(NULL, "p")), 2L, p = c(1, 2))
gives("a one-row matrix for one row", matrix(c(.1, .9), 1L), 1L, score_1 = .1, score_2 = .9)
votes <- structure(matrix(c(.1, .9, .5, .5), 2L, byrow = TRUE, dimnames = list(1:2, c("No", "Yes"))), class = c("matrix", "array", "votes"))
gives("votes", votes, 2L, No = c(.1, .5), Yes = c(.9, .5))
gives("a data.frame", data.frame(p = c(1, 2), k = factor(c("u", "v")), row.names = c("r", "s")), 2L, p = c(1, 2), k = c("u", "v"))
gives("a data.frame with one column", data.frame(p = 1:2), 2L, p = 1:2)
gives("a named list", list(p = c(1, 2), q = c(TRUE, FALSE)), 2L, p = c(1, 2), q = c(TRUE, FALSE))
gives("a list with one name missing", list(p = 1:2, 3:4), 2L, p = 1:2, score_2 = 3:4)
gives("an unnamed list of columns", list(1:3, 4:6), 3L, score_1 = 1:3, score_2 = 4:6)
gives("one column in a list", list(1:3), 3L, score = 1:3)
gives("a list of scalars", list(.1, .2, .3), 3L, score = c(.1, .2, .3))
gives("a list of scalar factors", list(factor("a", c("a", "b")), factor("b", c("a", "b"))), 2L, score = c("a", "b"))
gives("one scalar in a list", list(.5), 1L, score = .5)
gives("a named scalar list", list(p = .5), 1L, p = .5)
gives("a column that is a one-column matrix", list(p = matrix(1:2, 2L)), 2L, p = 1:2)
latin <- "\xe9"
Encoding(latin) <- "latin1"
gives("latin1 text", latin, 1L, score = "\u00e9")
expect_identical("text is UTF-8", Encoding(outputs(latin, 1L)$columns[[1L]]), "UTF-8")
negative_zero <- outputs(-0, 1L)$columns[[1L]]
expect_identical("minus zero stays", 1 / negative_zero, -Inf)
expect("NaN stays NaN", is.nan(outputs(NaN, 1L)$columns[[1L]]))

refuses("nothing", NULL, 5L, "Pred.R returned NULL")
refuses("too few", 1:3, 5L, "Pred.R returned 3 scores for 5 rows")
refuses("too many", c(1, 2), 1L, "Pred.R returned 2 scores for 1 row")
refuses("one for many", 1, 2L, "Pred.R returned 1 score for 2 rows")
refuses("none", numeric(), 1L, "Pred.R returned 0 scores for 1 row")
refuses("a matrix on its side", matrix(1:5, 1L), 5L, "Pred.R returned a 1 x 5 matrix for 5 rows")
refuses("an array", array(1:8, c(2, 2, 2)), 2L, "Pred.R returned a 2 x 2 x 2 array for 2 rows")
refuses("a matrix without columns", matrix(1, 2L, 0L), 2L, "Pred.R returned a 2 x 0 matrix for 2 rows")
refuses("complex", 1i, 1L, "Pred.R returned complex scores")
refuses("raw", as.raw(1), 1L, "Pred.R returned raw scores")
refuses("a function", sum, 1L, "Pred.R returned a function")
refuses("an environment", globalenv(), 1L, "Pred.R returned an environment")
refuses("a symbol", as.name("x"), 1L, "Pred.R returned an object of type 'symbol'")
refuses("a date", Sys.Date(), 1L, "Pred.R returned an object of class 'Date'")
refuses("a time", Sys.time(), 1L, "Pred.R returned an object of class 'POSIXct'")
refuses("a broken-down time", as.POSIXlt(Sys.time()), 1L, "Pred.R returned an object of class 'POSIXlt'")
refuses("a difference of times", as.difftime(1, units = "secs"), 1L, "Pred.R returned an object of class 'difftime'")
refuses("a model", structure(list(a = 1), class = "lm"), 1L, "Pred.R returned an object of class 'lm'")
refuses("an unknown matrix", structure(matrix(1, 1L), class = "odd"), 1L, "Pred.R returned an object of class 'odd'")
refuses("an empty list", list(), 1L, "Pred.R returned a list without scores")
refuses("a frame without columns", data.frame(row.names = 1:2), 2L, "Pred.R returned a list without scores")
refuses("a list in a list", list(p = list(1, 2)), 2L, "Pred.R returned a list within a list in the output 'p'")
refuses("NULL in a list", list(p = NULL), 2L, "Pred.R returned NULL in the output 'p'")
refuses("a short output", list(p = 1:2, q = 1), 2L, "Pred.R returned 1 score for 2 rows in the output 'q'")
refuses("a matrix in a frame", list(p = matrix(1:4, 2L)), 2L, "Pred.R returned a 2 x 2 array of integer in the output 'p'")
refuses("a date in a frame", data.frame(d = Sys.Date()), 1L, "Pred.R returned an object of class 'Date' in the output 'd'")
refuses("equal names", matrix(1:4, 2L, dimnames = list(NULL, c("p", "p"))), 2L, "Pred.R returned two outputs named 'p'")
refuses("a list of neither", list(1, 2, 3), 2L, "Pred.R returned an unnamed list of 3 elements for 2 rows, neither one score a row nor one column an output")
refuses("scalars of two types", list(1, "a"), 2L, "Pred.R returned an unnamed list of 2 elements for 2 rows, neither one score a row nor one column an output")
refuses("a list matrix", matrix(list(1, 2), 2L), 2L, "Pred.R returned a 2 x 1 array of list")
invalid <- "secret\xff"
Encoding(invalid) <- "UTF-8"
refuses("text that is not UTF-8", invalid, 1L, "Pred.R returned text that is not UTF-8")
bytes <- "secret\xff"
Encoding(bytes) <- "bytes"
refuses("bytes", bytes, 1L, "Pred.R returned text that is not UTF-8")
# As in a worker.
invisible(Sys.setlocale("LC_CTYPE", "C.UTF-8"))
native <- "secret\xff"
refuses("native text that is not UTF-8", native, 1L, "Pred.R returned text that is not UTF-8")
refuses("a name that is not UTF-8", structure(list(1), names = native), 1L, "Pred.R returned an output whose name is not UTF-8")
refuses("scalar dates", list(Sys.Date(), Sys.Date()), 2L, "Pred.R returned an object of class 'Date'")
refuses("S4", methods::setClass("Score", contains = "numeric")(1), 1L, "Pred.R returned an object of class 'Score'")

# Errors that try() or mclapply() caught are the model's errors, wherever they stand.
caught <- try(stop("no good"), silent = TRUE)
for (prediction in list(caught, list(caught), list(caught, caught), list(1, caught), list(p = c(1, 2), q = caught))) {
  raised <- tryCatch(code$bridge_outputs(prediction, 2L), error = function(e) e)
  expect_identical("a caught error", list(class(raised)[1L], conditionMessage(raised)), list("simpleError", "no good"))
}
unset <- structure("fatal error in wrapper code", class = "try-error")
expect_raises("a child that failed", code$bridge_outputs(list(unset, unset), 2L), "bridge_model_error", "fatal error in wrapper code")
expect_raises("and its text", code$bridge_outputs(c("a", unset), 2L), "bridge_model_error", "a process that the predict function forked failed")
cat("test-outputs: ok\n")
