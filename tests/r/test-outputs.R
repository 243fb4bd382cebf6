# Every shape that a predict function may return, and those it may not.
source("tests/r/expect.R")
code <- bridge_code(c("shared_conditions.R", "shared_refusals.R", "shared_outputs.R"))
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

refuses("nothing", NULL, 5L, "Pred.R returned NULL: return the scores, as the last expression of the function")
refuses("too few", 1:3, 5L, "Pred.R returned 3 scores for 5 rows: return one score for each row, also where a value is missing (na.action)")
refuses("too many", c(1, 2), 1L, "Pred.R returned 2 scores for 1 row: keep a single row as a matrix, by drop = FALSE or matrix(..., nrow = 1)")
refuses("one for many", 1, 2L, "Pred.R returned 1 score for 2 rows: return one score for each row, and leave out what is one value for the whole call")
refuses("none", numeric(), 1L, "Pred.R returned 0 scores for 1 row: return one score for each row, also where a value is missing (na.action)")
refuses("a matrix on its side", matrix(1:5, 1L), 5L, "Pred.R returned a 1 x 5 matrix for 5 rows: return t() of it")
refuses("an array", array(1:8, c(2, 2, 2)), 2L, "Pred.R returned a 2 x 2 x 2 array for 2 rows: return the slice of it that is a matrix of outputs")
refuses("a matrix without columns", matrix(1, 2L, 0L), 2L, "Pred.R returned a 2 x 0 matrix for 2 rows: return at least one column")
refuses("complex", 1i, 1L, "Pred.R returned complex scores: return Re(), Im() or Mod() of them")
refuses("raw", as.raw(1), 1L, "Pred.R returned raw scores: return as.integer() of them")
refuses("a function", sum, 1L, "Pred.R returned a function: return a vector, a matrix, a data frame or a named list of columns")
refuses("an environment", globalenv(), 1L, "Pred.R returned an environment: return a vector, a matrix, a data frame or a named list of columns")
refuses("a symbol", as.name("x"), 1L, "Pred.R returned an object of type 'symbol': return a vector, a matrix, a data frame or a named list of columns")
refuses("a date", Sys.Date(), 1L, "Pred.R returned an object of class 'Date': return as.numeric() or as.character() of it")
refuses("a time", Sys.time(), 1L, "Pred.R returned an object of class 'POSIXct': return as.numeric() or as.character() of it")
refuses("a broken-down time", as.POSIXlt(Sys.time()), 1L, "Pred.R returned an object of class 'POSIXlt': return as.numeric() or as.character() of it")
refuses("a difference of times", as.difftime(1, units = "secs"), 1L, "Pred.R returned an object of class 'difftime': return as.numeric() or as.character() of it")
refuses("a model", structure(list(a = 1), class = "lm"), 1L, "Pred.R returned an object of class 'lm': return the part of it that holds the scores")
refuses("an unknown matrix", structure(matrix(1, 1L), class = "odd"), 1L, "Pred.R returned an object of class 'odd': return as.numeric() or as.character() of it")
refuses("an empty list", list(), 1L, "Pred.R returned a list without scores: give it one column for each output")
refuses("a frame without columns", data.frame(row.names = 1:2), 2L, "Pred.R returned a list without scores: give it one column for each output")
refuses("a list in a list", list(p = list(1, 2)), 2L, "Pred.R returned a list within a list in the output 'p': return unlist() of the inner one, or its elements as outputs of their own")
refuses("NULL in a list", list(p = NULL), 2L, "Pred.R returned NULL in the output 'p': leave it out")
refuses("a short output", list(p = 1:2, q = 1), 2L, "Pred.R returned 1 score for 2 rows in the output 'q': return one score for each row, and leave out what is one value for the whole call")
refuses("a date in a frame", data.frame(d = Sys.Date()), 1L, "Pred.R returned an object of class 'Date' in the output 'd': return as.numeric() or as.character() of it")
refuses("equal names", matrix(1:4, 2L, dimnames = list(NULL, c("p", "p"))), 2L, "Pred.R returned two outputs named 'p': give them different names")
refuses("a list of neither", list(1, 2, 3), 2L, "Pred.R returned an unnamed list of 3 elements for 2 rows, neither one score for each row nor one column for each output: return a vector, a matrix or a named list of columns")
refuses("scalars of two types", list(1, "a"), 2L, "Pred.R returned a list of 2 elements with 1 score each for 2 rows: return unlist() of it")
refuses("a list matrix", matrix(list(1, 2), 2L), 2L, "Pred.R returned a 2 x 1 array of list: its cells are lists; return unlist() of each column")
invalid <- "secret\xff"
Encoding(invalid) <- "UTF-8"
refuses("text that is not UTF-8", invalid, 1L, "Pred.R returned text that is not UTF-8: convert it by enc2utf8(), or iconv() from its own encoding")
bytes <- "secret\xff"
Encoding(bytes) <- "bytes"
refuses("bytes", bytes, 1L, "Pred.R returned text that is not UTF-8: convert it by enc2utf8(), or iconv() from its own encoding")
# As in a worker.
invisible(Sys.setlocale("LC_CTYPE", "C.UTF-8"))
native <- "secret\xff"
refuses("native text that is not UTF-8", native, 1L, "Pred.R returned text that is not UTF-8: convert it by enc2utf8(), or iconv() from its own encoding")
refuses("a name that is not UTF-8", structure(list(1), names = native), 1L, "Pred.R returned an output whose name is not UTF-8: name it by enc2utf8()")
refuses("scalar dates", list(Sys.Date(), Sys.Date()), 2L, "Pred.R returned an object of class 'Date': return as.numeric() or as.character() of it")
refuses("S4", methods::setClass("Score", contains = "numeric")(1), 1L, "Pred.R returned an object of class 'Score': return as.matrix() or as.vector() of it")

# What models give as it is: lists, frames and arrays that hold matrices.
both <- function(n) matrix(seq_len(2L * n) / 8, n, dimnames = list(seq_len(n), c("no", "yes")))
no <- function(n) seq_len(n) / 8
yes <- function(n) (n + seq_len(n)) / 8
gives("a list of one matrix", list(both(3L)), 3L, no = no(3L), yes = yes(3L))
gives("a list of one nameless matrix", list(unname(both(3L))), 3L, score_1 = no(3L), score_2 = yes(3L))
gives("a list of one frame", list(as.data.frame(both(3L))), 3L, no = no(3L), yes = yes(3L))
gives("a list of one frame of one column", list(data.frame(p = 1:3)), 3L, p = 1:3)
gives("a list of one column as a matrix keeps its name", list(both(3L)[, "yes", drop = FALSE]), 3L, score = yes(3L))
gives("and so does an element", list(p = both(3L)[, "yes", drop = FALSE]), 3L, p = yes(3L))
lda <- list(class = factor(c("u", "v", "u")), posterior = both(3L), x = matrix(1:3, 3L, dimnames = list(NULL, "LD1")))
gives("lda", lda, 3L, class = c("u", "v", "u"), posterior.no = no(3L), posterior.yes = yes(3L), x.LD1 = 1:3)
gives("a nameless matrix in a list", list(p = unname(both(2L)), q = 1:2), 2L, p.1 = no(2L), p.2 = yes(2L), q = 1:2)
gives("lda in a list", list(lda), 3L, class = c("u", "v", "u"), posterior.no = no(3L), posterior.yes = yes(3L), x.LD1 = 1:3)
gives("lists in a list", list(list(list(no(2L)))), 2L, score = no(2L))
gives("a list of scalars in a list", list(list(.1, .2)), 2L, score = c(.1, .2))
refuses("two of them", list(lda, lda), 3L, "Pred.R returned a list within a list: return unlist() of the inner one, or its elements as outputs of their own")
half_named <- matrix(1:6, 2L, dimnames = list(NULL, c("a", "", NA)))
gives("a matrix of which some columns have names", list(p = half_named), 2L, p.a = 1:2, p.2 = 3:4, p.3 = 5:6)
gives("a frame in a list", list(p = data.frame(a = 1:2, b = c("u", "v"))), 2L, p.a = 1:2, p.b = c("u", "v"))
gives("a frame of one column in a list", list(p = data.frame(a = 1:2)), 2L, p.a = 1:2)
packed <- data.frame(id = 1:2)
packed$p <- both(2L)
packed$f <- data.frame(a = 3:4)
packed$f$inner <- data.frame(b = 5:6, c = c(TRUE, NA))
gives("a frame that holds a matrix and frames", packed, 2L, id = 1:2, p.no = no(2L), p.yes = yes(2L), f.a = 3:4, f.inner.b = 5:6, f.inner.c = c(TRUE, NA))
gives("a tibble", structure(list(p = 1:2), class = c("tbl_df", "tbl", "data.frame"), row.names = 1:2), 2L, p = 1:2)
gives("a vector and a matrix", list(c("u", "v", "u"), both(3L)), 3L, score_1 = c("u", "v", "u"), no = no(3L), yes = yes(3L))
gives("two nameless matrices", list(unname(both(3L)), unname(both(3L))), 3L, score_1 = no(3L), score_2 = yes(3L), score_3 = no(3L), score_4 = yes(3L))
refuses("two matrices of the same names", list(both(3L), both(3L)), 3L, "Pred.R returned two outputs named 'no': give them different names")
gives("named apart", list(a = both(3L), b = both(3L)), 3L, a.no = no(3L), a.yes = yes(3L), b.no = no(3L), b.yes = yes(3L))
gives("a matrix of text", matrix(c("a", NA, "b", "c"), 2L), 2L, score_1 = c("a", NA), score_2 = c("b", "c"))
gives("a matrix of a factor", structure(factor(c("a", NA, "b", "c")), dim = c(2L, 2L)), 2L, score_1 = c("a", NA), score_2 = c("b", "c"))
gives("a list of a named and a nameless element", list(p = both(2L), 5:6), 2L, p.no = no(2L), p.yes = yes(2L), score_3 = 5:6)
gives("attributes are no outputs", structure(factor(c("a", "b")), probabilities = both(2L)), 2L, score = c("a", "b"))
gives("a list with an attribute", structure(list(1:3), note = 1), 3L, score = 1:3)
gives("tapply's", tapply(c(1, 2), c("a", "b"), sum), 2L, score = c(1, 2))

# Arrays: all dimensions but the first and one more are 1.
sheet <- function(dim, names) array(seq_len(prod(dim)), dim, names)
gives("rows x outputs x 1", sheet(c(3, 2, 1), list(1:3, c("no", "yes"), "s0")), 3L, no = 1:3, yes = 4:6)
gives("the same of one row", sheet(c(1, 2, 1), list(NULL, c("no", "yes"), "s0")), 1L, no = 1L, yes = 2L)
gives("and of as many rows as outputs", sheet(c(2, 2, 1), list(1:2, c("no", "yes"), "s0")), 2L, no = 1:2, yes = 3:4)
gives("rows x 1 x outputs", sheet(c(3, 1, 2), list(1:3, "y", c("1 comps", "2 comps"))), 3L, `1 comps` = 1:3, `2 comps` = 4:6)
gives("rows x 1 x 1", sheet(c(3, 1, 1), NULL), 3L, score = 1:3)
gives("rows x 1 x 1 with a name", sheet(c(3, 1, 1), list(NULL, NULL, "s1")), 3L, s1 = 1:3)
gives("of four dimensions", sheet(c(2, 1, 3, 1), NULL), 2L, score_1 = 1:2, score_2 = 3:4, score_3 = 5:6)
gives("in a list", list(p = sheet(c(3, 2, 1), list(NULL, c("no", "yes"), "s0"))), 3L, p.no = 1:3, p.yes = 4:6)
refuses("several slices", sheet(c(2, 2, 2), NULL), 2L, "Pred.R returned a 2 x 2 x 2 array for 2 rows: return the slice of it that is a matrix of outputs")
refuses("an array on its side", sheet(c(2, 3, 1), NULL), 3L, "Pred.R returned a 2 x 3 x 1 array for 3 rows: return a matrix with one row for each row of the call")
refuses("in a list, on its side", list(p = matrix(1:6, 2L)), 3L, "Pred.R returned a 2 x 3 matrix for 3 rows in the output 'p': return t() of it")
refuses("an array of lists", array(list(1, 2), c(2, 1, 1)), 2L, "Pred.R returned a 2 x 1 x 1 array of list: its cells are lists; return unlist() of each column")

# What sapply() makes of a vector for each row lies on its side; where there are as many rows as outputs, it looks upright.
by_row <- function(p) c(no = 1 - p, yes = p)
turned <- "Pred.R returned a 2 x 2 matrix that reads two ways"
turn <- ": only its rows have names; return t() of it if these are of outputs, else name its columns"
refuses("sapply", sapply(c(.1, .2), by_row), 2L, paste0(turned, turn))
refuses("sapply over named scores", sapply(c(`1` = .1, `2` = .2), by_row), 2L, paste0(turned, turn))
refuses("in a list", list(p = sapply(c(.1, .2), by_row)), 2L, paste0(turned, " in the output 'p'", turn))
refuses("as an array", array(sapply(c(.1, .2), by_row), c(2, 2, 1), list(c("no", "yes"), NULL, NULL)), 2L, paste0(turned, turn))
refuses("sapply of one row", sapply(.1, by_row), 1L, "Pred.R returned a 2 x 1 matrix for 1 row: return t() of it")
refuses("sapply of three rows", sapply(c(.1, .2, .3), by_row), 3L, "Pred.R returned a 2 x 3 matrix for 3 rows: return t() of it")
gives("numbers of rows name no outputs", matrix(1:4, 2L, dimnames = list(c("7", "12"), NULL)), 2L, score_1 = 1:2, score_2 = 3:4)
gives("classes that are numbers", matrix(1:4, 2L, dimnames = list(1:2, 1:2)), 2L, `1` = 1:2, `2` = 3:4)

# One call for each number of rows and outputs: a form gives the same outputs for every number of rows, or is refused for
# every one. Where a list has as many elements as rows and each as many scores, nobody can know which are the rows.
at <- function(i, k, n) 10 * seq_len(n) + i
grid <- function(n, k, names = NULL) matrix(unlist(lapply(seq_len(k), at, k, n)), n, dimnames = names)
column <- function(n, k) lapply(seq_len(k), at, k, n)
classes <- function(k) c("a", "b", "c")[seq_len(k)]
rows_of <- function(n, k, name = identity) lapply(seq_len(n), function(r) name(10 * r + seq_len(k)))
label <- function(x) structure(x, names = classes(length(x)))
made <- function(k) if (k == 1L) "score" else paste0("score_", seq_len(k))
# How a form is made of n rows and k outputs; which names its outputs have, NULL where it is refused; and for which
# numbers of rows and outputs that is otherwise.
forms <- list(
  matrix = list(function(n, k) grid(n, k), made),
  named_matrix = list(function(n, k) grid(n, k, list(NULL, classes(k))), classes),
  frame = list(function(n, k) as.data.frame(grid(n, k, list(NULL, classes(k)))), classes),
  list_of_a_matrix = list(function(n, k) list(grid(n, k)), made),
  list_of_a_named_matrix = list(function(n, k) list(grid(n, k, list(NULL, classes(k)))), function(k) if (k == 1L) "score" else classes(k)),
  list_of_a_frame = list(function(n, k) list(as.data.frame(grid(n, k, list(NULL, classes(k))))), classes),
  named_list = list(function(n, k) structure(column(n, k), names = classes(k)), classes),
  list_with_a_matrix = list(function(n, k) list(p = grid(n, k), q = at(0, k, n)), function(k) c(if (k == 1L) "p" else paste0("p.", seq_len(k)), "q")),
  list_with_a_frame = list(function(n, k) list(p = as.data.frame(grid(n, k, list(NULL, classes(k))))), function(k) paste0("p.", classes(k))),
  array = list(function(n, k) array(grid(n, k), c(n, k, 1L), list(NULL, classes(k), "s0")), classes),
  array_across = list(function(n, k) array(grid(n, k), c(n, 1L, k), list(NULL, "y", classes(k))), function(k) if (k == 1L) "y" else classes(k)),
  columns = list(column, made, function(n, k) k > 1L && n == k),
  vector_a_row = list(rows_of, function(k) if (k == 1L) "score"),
  named_vector_a_row = list(function(n, k) rows_of(n, k, label), function(k) if (k == 1L) "score"),
  matrix_a_row = list(function(n, k) rows_of(n, k, t), made, function(n, k) n > 1L && k > 1L),
  frame_a_row = list(function(n, k) rows_of(n, k, function(x) as.data.frame(t(label(x)))), classes, function(n, k) n > 1L),
  list_of_a_list = list(function(n, k) list(structure(column(n, k), names = classes(k))), classes),
  list_a_row = list(function(n, k) rows_of(n, k, function(x) as.list(label(x))), classes, function(n, k) n > 1L),
  vector_a_row_by_name = list(function(n, k) structure(rows_of(n, k, label), names = seq_len(n)), function(k) NULL, function(n, k) n == 1L && k == 1L),
  dropped = list(function(n, k) if (n == 1L) grid(n, k)[1L, ] else grid(n, k), made, function(n, k) n == 1L && k > 1L),
  list_dropped = list(function(n, k) list(if (n == 1L) grid(n, k)[1L, ] else grid(n, k)), made, function(n, k) n == 1L && k > 1L),
  sideways = list(function(n, k) t(grid(n, k, list(NULL, classes(k)))), function(k) NULL, function(n, k) n == 1L && k == 1L),
  standard_errors = list(function(n, k) list(fit = grid(n, k), se.fit = grid(n, k), df = 7L, residual.scale = 2), function(k) NULL)
)
for (form in names(forms)) for (k in 1:3) for (n in 1:3) {
  make <- forms[[form]]
  wanted <- make[[2L]](k)
  otherwise <- length(make) > 2L && make[[3L]](n, k)
  found <- tryCatch(outputs(make[[1L]](n, k), n)$columns, bridge_malformed_prediction = conditionMessage)
  label_here <- paste(form, "of", n, "rows and", k, "outputs")
  if (is.null(wanted) == otherwise) {
    expect_identical(paste0(label_here, ": values"), found[seq_len(k)], column(n, k))
    if (!is.null(wanted)) expect_identical(paste0(label_here, ": names"), outputs(make[[1L]](n, k), n)$names, wanted)
  } else {
    expect(paste0(label_here, ": is refused, with a remedy"), is.character(found) && grepl(": (.*return|keep) ", found))
    expect(paste0(label_here, ": no value is told"), !grepl("1[1-3]|2[1-3]|3[1-3]", found))
  }
}

# What stays refused says what to return.
two_ways <- "Pred.R returned a list of 2 elements with 2 scores each for 2 rows, that reads two ways: return do.call(rbind, ...) of it if each is a row, or name them if each is an output"
refuses("a vector a row", lapply(c(.1, .2), by_row), 2L, two_ways)
refuses("without names", lapply(c(.1, .2), function(p) c(1 - p, p)), 2L, two_ways)
refuses("over named scores", lapply(c(`1` = .1, `2` = .2), by_row), 2L, two_ways)
refuses("classes that are numbers", lapply(c(.1, .2), function(p) c(`1` = 1 - p, `2` = p)), 2L, two_ways)
refuses("a row that is missing", list(c(NA, NA), c("a", "b")), 2L, two_ways)
refuses("a row of whole numbers", list(1:2, c(.1, .2)), 2L, two_ways)
gives("text and numbers are columns", list(factor(c("u", "v")), c(.1, .2)), 2L, score_1 = c("u", "v"), score_2 = c(.1, .2))
gives("names of outputs are columns", list(no = c(.9, .8), yes = c(.1, .2)), 2L, no = c(.9, .8), yes = c(.1, .2))
refuses("treeresponse", list(c(.1, .9), c(.2, .8), c(.3, .7)), 3L, "Pred.R returned a list of 3 elements with 2 scores each for 3 rows: if each is a row, return do.call(rbind, ...) of it")
refuses("and of one row", list(c(.1, .9)), 1L, "Pred.R returned a list of 1 element with 2 scores for 1 row: if each is a row, return do.call(rbind, ...) of it")
refuses("a named score a row", list(`1` = .1, `2` = .2), 2L, "Pred.R returned a list of 2 elements with 1 score each for 2 rows: return unlist() of it")
scale <- "Pred.R returned the whole list of a prediction with se.fit = TRUE, whose scale is not a score of any row: return its $fit, or list(fit = p$fit, se.fit = p$se.fit)"
for (n in 1:3) {
  fitted <- predict(lm(dist ~ speed, cars), cars[seq_len(n), ], se.fit = TRUE)
  refuses("lm with se.fit", fitted, n, scale)
  refuses("glm with se.fit", predict(glm(dist ~ speed, data = cars), cars[seq_len(n), ], se.fit = TRUE), n, scale)
  gives("without the scale", fitted[c("fit", "se.fit")], n, fit = unname(fitted$fit), se.fit = unname(fitted$se.fit))
  gives("a frame of it is the author's own", data.frame(p = 1:n, as.data.frame(fitted)["df"]), n, p = 1:n, df = rep(48L, n))
}
ranked <- transform(cars, grade = cut(dist, c(0, 30, 60, 200), c("lo", "mid", "hi"), ordered_result = TRUE))
ordered_model <- MASS::polr(grade ~ speed, ranked)
chances <- function(n) predict(ordered_model, ranked[seq_len(n), ], type = "probs")
one_row <- "Pred.R returned 3 scores for 1 row: keep a single row as a matrix, by drop = FALSE or matrix(..., nrow = 1)"
refuses("polr of one row", chances(1L), 1L, one_row)
gives("polr of two", chances(2L), 2L, lo = unname(chances(2L)[, 1L]), mid = unname(chances(2L)[, 2L]), hi = unname(chances(2L)[, 3L]))
gives("and of one, by the remedy", matrix(chances(1L), nrow = 1L), 1L, score_1 = chances(1L)[[1L]], score_2 = chances(1L)[[2L]], score_3 = chances(1L)[[3L]])
ranger <- structure(list(predictions = both(2L), num.trees = 5, treetype = "Probability estimation"), class = "ranger.prediction")
refuses("ranger", ranger, 2L, "Pred.R returned an object of class 'ranger.prediction': return its $predictions")
refuses("ranger in a list", list(p = ranger), 2L, "Pred.R returned an object of class 'ranger.prediction' in the output 'p': return its $predictions")
forest <- structure(list(predicted = 1:2), class = c("rfsrc", "predict"))
refuses("rfsrc", forest, 2L, "Pred.R returned an object of class 'rfsrc': return its $predicted")
sparse <- methods::setClass("dgeMatrix", slots = c(x = "numeric", Dim = "integer"))(x = c(.1, .9), Dim = c(1L, 2L))
refuses("a matrix of the package Matrix", sparse, 1L, "Pred.R returned an object of class 'dgeMatrix': return as.matrix() or as.vector() of it")
refuses("and in a list", list(sparse), 1L, "Pred.R returned an object of class 'dgeMatrix': return as.matrix() or as.vector() of it")
refuses("whole numbers in the bits of doubles", structure(1e-323, class = "integer64"), 1L, "Pred.R returned an object of class 'integer64': return as.numeric() or as.character() of it")
refuses("in a matrix in a list", list(p = structure(matrix(0, 2L, 2L), class = "integer64")), 2L, "Pred.R returned an object of class 'integer64' in the output 'p': return as.numeric() or as.character() of it")
refuses("complex in a matrix", list(p = matrix(1i, 2L, 2L)), 2L, "Pred.R returned complex scores in the output 'p.1': return Re(), Im() or Mod() of them")
refuses("a list column", data.frame(p = I(list(1, 2))), 2L, "Pred.R returned a list within a list in the output 'p': return unlist() of the inner one, or its elements as outputs of their own")
refuses("NULL in an unnamed list", list(NULL, 1:2), 2L, "Pred.R returned NULL: return the scores, as the last expression of the function")
refuses("rows that were left out", matrix(1:4, 2L), 3L, "Pred.R returned a 2 x 2 matrix for 3 rows: return a matrix with one row for each row of the call")
refuses("an element of one row", list(p = c(no = .1, yes = .9), q = 1), 1L, "Pred.R returned 2 scores for 1 row in the output 'p': keep a single row as a matrix, by drop = FALSE or matrix(..., nrow = 1)")

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
