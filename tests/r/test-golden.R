# golden.csv: what is written is read back, to the bit.
source("tests/r/expect.R")
code <- bridge_code(c("shared_conditions.R", "shared_golden.R"))
path <- tempfile(fileext = ".csv")
feature <- function(type, levels = character()) list(type = type, levels = levels)
bits <- function(x) writeBin(x, raw())

set.seed(11)
numbers <- c(
  runif(3000), runif(1000) * 10^sample(-300:300, 1000, TRUE), 1e-300, 4.9406564584124654e-324, 2.2250738585072009e-308,
  2.2250738585072014e-308, .1, .1 + .2, -0, 0, 1 / 3, 123456789, -1e22, 1.7976931348623157e308, 2^-(1:60), Inf, -Inf, NA
)
n <- length(numbers)
texts <- rep_len(c("plain", "a,b", "say \"hi\"", "two\nlines", "\r\n", "", NA, "h\u00f6he \u65e5", " ", "NA", "\""), n)
inputs <- list(
  x = numbers, `a "b",c` = rep_len(c(1L, NA, -.Machine$integer.max), n), ok = rep_len(c(TRUE, FALSE, NA), n),
  text = texts, sex = factor(rep_len(c("f", NA, "m"), n), levels = c("m", "f")),
  grade = factor(rep_len(c("lo", "hi"), n), levels = c("lo", "hi"), ordered = TRUE)
)
features <- list(x = feature("double"), `a "b",c` = feature("int"), ok = feature("bool"), text = feature("string"), sex = feature("factor", c("m", "f")), grade = list(type = "factor", levels = c("lo", "hi"), ordered = TRUE))
code$bridge_write_golden(path, inputs, list(p = rev(numbers), label = rev(texts), k = rep_len(c(3L, NA), n), NaN_too = rep(NaN, n)))
read <- code$bridge_read_golden(path, features)
expect_identical("rows", read$rows, n)
expect_identical("input names", names(read$inputs), names(inputs))
here <- !is.na(numbers)
expect_identical("doubles, to the bit", bits(read$inputs$x[here]), bits(numbers[here]))
expect_identical("missing double", read$inputs$x[!here], NA_real_)
for (name in names(inputs)[-1L]) expect_identical(name, read$inputs[[name]], inputs[[name]])
score <- function(name, type) code$bridge_parse_column(name, read$expected[[name]], type)
expect_identical("expected names", names(read$expected), c("p", "label", "k", "NaN_too"))
expect_identical("expected doubles", score("p", "double"), rev(numbers))
expect_identical("expected strings", score("label", "character"), rev(texts))
expect_identical("expected integers", score("k", "integer"), rep_len(c(3L, NA), n))
expect_identical("NaN is missing", score("NaN_too", "double"), rep(NA_real_, n))
bytes <- readBin(path, "raw", file.size(path))
again <- tempfile()
code$bridge_write_golden(again, read$inputs, list(p = rev(numbers), label = rev(texts), k = rep_len(c(3L, NA), n), NaN_too = rep(NaN, n)))
expect_identical("the bytes are the same again", readBin(again, "raw", file.size(again)), bytes)

# The reader corrects as.numeric(), which is not always correctly rounded.
many <- runif(20000) * 10^sample(-30:30, 20000, TRUE)
many <- c(many, 2^-1074 * sample.int(1e6, 200))
expect_identical("17 digits", bits(code$bridge_read_numbers(sprintf("%.17g", many))), bits(many))

reads <- function(lines, ...) {
  writeBin(charToRaw(enc2utf8(paste(lines, collapse = "\n"))), path)
  code$bridge_read_golden(path, list(x = feature("double"), k = feature("int"), t = feature("string"), s = feature("factor", "f"), b = feature("bool")))
}
expect_identical("hand-written", reads(c("x,t,b,score.score", "1e3,\"\",true,", ".5,,FALSE,\"u\""))$inputs,
  list(x = c(1000, .5), t = c("", NA), b = c(TRUE, FALSE)))
expect_identical("windows line ends", reads(c("x,score.score\r", "1,2\r", ""))$inputs, list(x = 1))
refuses <- function(label, lines, message) expect_raises(label, reads(lines), "bridge_bundle_error", paste0("golden.csv: ", message))
refuses("a text for a number", c("x,score.p", "1,2", "secret,2"), "column 'x', row 1: not a value of type double")
refuses("a quoted number", c("x,score.p", "\"1\",2"), "column 'x', row 0: not a value of type double")
refuses("R's own spelling of missing", c("x,score.p", "NA,2"), "column 'x', row 0: not a value of type double")
refuses("a fraction for an integer", c("k,score.p", "1.5,2"), "column 'k', row 0: not a value of type integer")
refuses("a large integer", c("k,score.p", "2147483648,2"), "column 'k', row 0: not a value of type integer")
refuses("a new level", c("s,score.p", "\"secret\",2"), "column 's', row 0: not a level of the factor")
refuses("an unknown column", c("z,score.p", "1,2"), "column 'z' has no type; declare it in [features]")
refuses("a ragged row", c("x,score.p", "1,2", "1"), "row 3 has another number of cells")
refuses("a quote inside", c("x,score.p", "1\"2\",2"), "a quote is out of place")
refuses("an open quote", c("x,score.p", "\"1,2"), "a quote is out of place")
refuses("no row", "x,score.p", "there is no row in it")
refuses("nothing", "", "there is no row in it")
cat("test-golden: ok\n")
