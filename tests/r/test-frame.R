# Predict functions of one argument that is a data.frame: what they are given, what is proposed, and their bundles.
source("tests/r/expect.R")
source("rscripts/bundle.R")
suppressMessages(library(randomForest))

# What the function gets is the session's data.frame, to the last attribute.
given <- make_bundle(c(
  "wanted <- data.frame(",
  "  `my col` = c(1.5, NA), n = c(1L, NA), ok = c(TRUE, NA), s = c('h\u00f6', NA), `if` = factor(c('l', NA), c('s', 'l')),",
  "  rank = factor(c('s', 'l'), c('s', 'l'), ordered = TRUE), data = 1:2, check.names = FALSE, stringsAsFactors = FALSE",
  ")",
  "Pred.R <- function(scale = 2, data, ...) {",
  "  if (identical(data[[1L]][1L], 666)) stop('no good')",
  "  if (identical(data[[1L]][1L], 777)) return(deparse1(sys.call()))",
  "  if (nrow(data) != 2L) return(seq_len(nrow(data)))",
  "  c(identical(data, wanted), all.equal(attributes(data), attributes(wanted)))",
  "}"
), list(k = 1))
got <- in_worker(given, function(code) {
  columns <- list(
    c(1.5, NA), c(1L, NA), c(TRUE, NA), c("h\u00f6", NA), factor(c("l", NA), c("s", "l")),
    factor(c("s", "l"), c("s", "l"), ordered = TRUE), 1:2
  )
  names <- c("my col", "n", "ok", "s", "if", "rank", "data")
  first <- function(value) code$bridge_score(1L, names, c(list(value), lapply(columns[-1L], `[`, 1L)))
  list(
    same = code$bridge_score(2L, names, columns), greeting = code$bridge_greeting_parts, one = first(1),
    stop = first(666), call = first(777), nameless = code$bridge_score(2L, NULL, columns),
    ragged = code$bridge_score(2L, names, c(columns[-1L], 1)), left = ls(globalenv())
  )
}, input = "frame")
expect_identical("the data.frame", got$same, list(0L, "score", list(c(TRUE, TRUE))))
expect_identical("one row", got$one, list(0L, "score", list(1L)))
expect_identical("an error has no values", got$stop, list(1L, "model_error", "simpleError", "no good", ""))
expect_identical("nor has the call", got$call, list(0L, "score", list("Pred.R(data = data)")))
unfit <- list(1L, "model_error", "bridge_call_error", "the columns do not fit their names or the number of rows", "")
expect_identical("columns without names", got$nameless, unfit)
expect_identical("ragged columns", got$ragged, unfit)
expect_identical("nothing stays", got$left, c("k", "Pred.R", "wanted"))
expect_identical("there is nothing to propose", got$greeting$frame_names, character())

# Which argument is the data.frame.
code <- bridge_code(c("shared_conditions.R", "worker_load.R", "shared_features.R"))
argument <- function(fun) code$bridge_frame_argument(code$bridge_features(fun, "Pred.R"), "Pred.R")
expect_identical("the only one", argument(function(newdata) 1), "newdata")
expect_identical("the one without a default", argument(function(model = fit, newdata, ...) 1), "newdata")
expect_identical("the first, if all have one", argument(function(data = NULL, type = "prob") 1), "data")
two <- "Pred.R has 2 arguments without a default (model, data): with input = \"frame\" it takes one, the data frame"
expect_raises("two of them", argument(function(model, data, type = "prob") 1), "bridge_bundle_error", two)
loaded <- in_worker(make_bundle("Pred.R <- function(model, data) 1"), function(code) code$bridge_greeting_parts$error, input = "frame")
expect_identical("the same at load", loaded, two)

# What is proposed for a function of one argument: the variables of the bundle's models.
set.seed(5)
rows <- data.frame(
  x = runif(40, 1, 2), sex = factor(rep(c("m", "f"), 20), levels = c("m", "f")), n = 1:40, ok = rep(c(TRUE, FALSE), 20),
  `my col` = rnorm(40), check.names = FALSE
)
rows$y <- rows$x + rnorm(40)
rate <- 3
proposed <- function(fun, ...) {
  found <- code$bridge_propose_frame(code$bridge_features(fun, "Pred.R"), list(...))
  expect_identical("all are of one length", unique(lengths(found)), length(found$names))
  found
}
fit <- lm(y ~ sex + x + `my col`, rows)
found <- proposed(function(data) 1, fit = fit, noise = 1, rows = rows)
expect_identical("terms: names", found$names, c("sex", "x", "my col"))
expect_identical("terms: types", found$types, c("factor", "double", "double"))
expect_identical("terms: levels", found$levels[[1L]], c("m", "f"))
found <- proposed(function(d, k = 2, ...) 1, rf = randomForest(rows[c("n", "sex")], rows$y, ntree = 3))
expect_identical("a forest", list(found$names, found$types), list(c("n", "sex"), c("double", "factor")))
scaled <- glm(y ~ log(x) + poly(n, 2) + I(n^2 * rate) + offset(`my col` * pi) + sex, data = rows)
found <- proposed(function(d) 1, scaled = scaled, rate = rate)
expect_identical("variables within others", list(found$names, found$types), list(c("x", "n", "my col", "sex"), c("", "", "", "factor")))
local_rate <- local({ by <- 3; lm(y ~ I(x * by), rows) })
expect_identical("what a formula has with it", proposed(function(d) 1, fit = local_rate)$names, "x")
expect_identical("columns of another frame", proposed(function(d) 1, fit = lm(rows$y ~ rows$x + sex, rows))$names, "sex")
expect_identical("two models", proposed(function(d) 1, a = list(lm(y ~ n, rows)), b = fit)$names, c("sex", "x", "my col", "n"))
tree <- structure(list(terms = fit$terms), xlevels = list(sex = c("m", "f")), class = "rpart")
expect_identical("rpart keeps its levels apart", proposed(function(d) 1, tree)$levels[[1L]], c("m", "f"))
expect_identical("a feature of the model", proposed(function(x) 1, fit = lm(y ~ x, rows))$names, character())
expect_identical("one of several", proposed(function(sex) 1, fit = fit)$names, character())
expect_identical("several arguments", proposed(function(data, type) 1, fit = fit)$names, character())
expect_identical("none without a default", proposed(function(data = NULL) 1, fit = fit)$names, character())
invalid <- "\xff"
Encoding(invalid) <- "UTF-8"
odd <- list(forest = list(xlevels = structure(list(0, 0), names = c(invalid, "x"))))
expect_identical("a name that is no text", proposed(function(d) 1, structure(odd, class = "odd"))$names, "x")
expect_identical("nothing", code$bridge_variables(list()), character())
expect_identical("no model", proposed(function(data) 1, 3, sum, NULL, rows)$names, character())

# write_bundle.
work <- tempfile("work")
dir.create(work)
last <- 0L
written <- function(...) {
  last <<- last + 1L
  dir <- file.path(work, last)
  suppressMessages(write_bundle(dir, ..., input = "frame", row_wise = TRUE))
  golden <- file.path(dir, "golden.csv")
  toml <- readLines(file.path(dir, "model.toml"))
  # What it records of this session is tested in test-author.R.
  world <- grepl("^(timezone|locale|r|collation|packages) = ", toml)
  author <- match("[author]", toml)
  list(toml = toml[!world & !seq_along(toml) %in% (author - 0:1)], golden = if (file.exists(golden)) readLines(golden))
}
refuses <- function(label, message, ..., input = "frame") {
  dir <- file.path(work, "refused")
  expect_raises(label, suppressMessages(write_bundle(dir, ..., input = input)), "bridge_bundle_error", message)
  expect(paste0(label, ": nothing is left"), !file.exists(dir))
}
predict_fit <- function(data, type = "response") predict(fit, data, type = type)
golden <- rows[c(3, 7, 20), c("my col", "x", "sex")]
got <- written(fit, predict_fit, golden = golden)
expect_identical("model.toml", got$toml, c(
  "row_wise = true", "input = \"frame\"", "", "[features]", "\"my col\" = \"double\"", "x = \"double\"",
  "sex = {type = \"factor\", levels = [\"m\", \"f\"]}"
))
expect_identical("the scores are the session's", sub("^.*,", "", got$golden[-1L]), sprintf("%.17g", unname(predict_fit(golden))))
expect_identical("without golden rows, the model's variables", written(fit, predict_fit)$toml[5:7], c(
  "sex = {type = \"factor\", levels = [\"m\", \"f\"]}", "x = \"double\"", "\"my col\" = \"double\""
))
weights <- c(x = 2, n = 3)
weigh <- function(newdata) as.vector(as.matrix(newdata) %*% weights)
got <- written(weights, weigh, golden = rows[1:2, c("x", "n")])
expect_identical("without a model, the golden columns in their order", got$toml[5:6], c("x = \"double\"", "n = \"int\""))
expect_identical("or those that are said", written(weights, weigh, features = list(x = "double", n = "double"))$toml[5:6], c("x = \"double\"", "n = \"double\""))
expect_identical("whose types count", written(weights, weigh, golden = data.frame(x = 1, n = 2), features = list(n = "double"))$toml[5:6], c("x = \"double\"", "n = \"double\""))
said <- written(scaled, rate, Pred.R = function(data) predict(scaled, data), features = list(x = "double", n = "int", `my col` = "double"))
expect_identical("types of variables within others", said$toml[5:8], c("x = \"double\"", "n = \"int\"", "\"my col\" = \"double\"", "sex = {type = \"factor\", levels = [\"m\", \"f\"]}"))
refuses("types that nobody says", "the type of the column 'x' is not known: pass golden rows, or features = list(x = ...)", scaled, rate, Pred.R = function(data) predict(scaled, data))
refuses("columns that nobody says", "the columns of the data frame are not known: pass golden rows, or features = list(age = \"double\", ...)", weights, weigh)
refuses("what was to be predicted", "golden column 'y' is not a variable of the model: leave it out, or give its type by features = list(y = ...)", fit, predict_fit, golden = rows[1:2, c("my col", "x", "sex", "y")])
refuses("features beside the golden rows", "'z' is in features, but is not a column of golden", weights, weigh, golden = rows[1:2, c("x", "n")], features = list(z = "int"))
refuses("two columns of one name", "two columns of the data frame are named 'x'", weights, weigh, golden = structure(rows[1:2, c("x", "n")], names = c("x", "x")))
refuses("a column that is a matrix", "golden column 'x' is of class matrix: pass each of its columns separately", weights, weigh, golden = within(rows[1:2, "n", drop = FALSE], x <- matrix(1:4, 2L)))
refuses("no data.frame", "golden must be a data.frame with rows", weights, weigh, golden = as.matrix(rows[1:2, c("x", "n")]))
refuses("two arguments", "Pred.R has 2 arguments without a default (model, data): with input = \"frame\" it takes one, the data frame", fit, Pred.R = function(model, data) 1)
refuses("no such input", "input must be \"columns\" or \"frame\"", fit, predict_fit, input = "rows")
refuses("a frame of another class in the session",
  "the bundle gives other scores than Pred.R does in this session: output 'score' differs in 2 of 2 rows",
  weights, Pred.R = function(data) data$x * weights[[1L]] * inherits(data, "odd"), golden = structure(rows[1:2, c("x", "n")], class = c("odd", "data.frame")))
unlink(work, recursive = TRUE)
cat("test-frame: ok\n")
