# write_bundle as a session calls it: what it proposes, and that the bundle's scores are the session's.
source("tests/r/expect.R")
source("rscripts/bundle.R")
suppressMessages(library(randomForest))
work <- tempfile("work")
dir.create(work)
last <- 0L

# Writes a bundle and returns its files' lines.
written <- function(...) {
  last <<- last + 1L
  dir <- file.path(work, last)
  suppressMessages(write_bundle(dir, ..., row_wise = TRUE))
  toml <- readLines(file.path(dir, "model.toml"))
  golden <- file.path(dir, "golden.csv")
  list(toml = toml, features = toml[seq_along(toml) > match("[features]", toml)], golden = if (file.exists(golden)) readLines(golden))
}

# Stops unless write_bundle refuses with this sentence and leaves nothing.
refuses <- function(label, message, ...) {
  dir <- file.path(work, "refused")
  expect_raises(label, suppressMessages(write_bundle(dir, ...)), "bridge_bundle_error", message)
  expect(paste0(label, ": nothing is left"), !file.exists(dir))
}

set.seed(3)
grades <- c("lo", "mid", "hi")
rows <- data.frame(
  x = rnorm(40), n = 1:40, sex = factor(rep(c("m", "f"), 20), levels = c("m", "f")), ok = 1:40 %% 3 > 0,
  town = rep(c("a", "h\u00f6"), each = 20), grade = factor(sample(grades, 40, TRUE), grades, ordered = TRUE),
  gap = addNA(factor(rep(c("a", NA), 20)))
)
rows$y <- rows$x + as.integer(rows$grade) + rnorm(40)
rows$b <- as.integer(rows$y > 2)
inputs <- rows[1:6, ]
same <- function(label, scores, lines) {
  found <- sub("^.*,", "", lines[-1L])
  expect_identical(label, found, sprintf("%.17g", unname(scores)))
}

# What is proposed, and that the bundle's scores are the session's.
fit <- lm(y ~ x + sex + ok + town + grade, rows)
by_lm <- function(x, sex, ok, town, grade) predict(fit, data.frame(x, sex, ok, town, grade)) + ifelse(grade >= "mid", 10, 0)
got <- written(fit, Pred.R = by_lm, golden = inputs[c("x", "sex", "ok", "town", "grade")])
expect_identical("lm", got$features, c(
  "x = \"double\"", "sex = {type = \"factor\", levels = [\"m\", \"f\"]}", "ok = \"bool\"", "town = \"string\"",
  "grade = {type = \"factor\", levels = [\"lo\", \"mid\", \"hi\"], ordered = true}"
))
same("an ordered factor is one in the bundle", do.call(by_lm, as.list(inputs[c("x", "sex", "ok", "town", "grade")])), got$golden)

logit <- glm(b ~ log(n) + grade, binomial, rows)
by_glm <- function(n, grade) predict(logit, data.frame(n, grade), type = "response")
got <- written(logit, by_glm, golden = inputs[c("n", "grade")], features = list(n = "int"))
expect_identical("glm, and what the author says", got$features, c(
  "n = \"int\"", "grade = {type = \"factor\", levels = [\"lo\", \"mid\", \"hi\"], ordered = true}"
))
same("glm", by_glm(inputs$n, inputs$grade), got$golden)

forest <- randomForest(rows[c("x", "sex", "grade")], rows$y, ntree = 5)
by_forest <- function(x, sex, grade) predict(forest, data.frame(x, sex, grade))
got <- written(forest, by_forest, golden = inputs[c("x", "sex", "grade")])
expect_identical("randomForest", got$features[-1L], c(
  "sex = {type = \"factor\", levels = [\"m\", \"f\"]}", "grade = {type = \"factor\", levels = [\"lo\", \"mid\", \"hi\"], ordered = true}"
))
same("randomForest", by_forest(inputs$x, inputs$sex, inputs$grade), got$golden)

by_terms <- randomForest(y ~ x + grade, rows, ntree = 5)
by_formula <- function(x, grade) predict(by_terms, data.frame(x, grade))
unknown <- "'grade' is an ordered factor whose levels the model does not keep: pass features = list(grade = list(type = \"factor\", levels = ..., ordered = TRUE))"
refuses("an ordered factor of unknown levels", unknown, by_terms, by_formula)
said <- list(grade = list(type = "factor", levels = grades, ordered = TRUE))
same("and its levels said", by_formula(inputs$x, inputs$grade), written(by_terms, by_formula, golden = inputs[c("x", "grade")], features = said)$golden)

with_gap <- lm(y ~ gap, rows, na.action = na.pass)
by_gap <- function(gap) predict(with_gap, data.frame(gap))
got <- written(with_gap, by_gap, golden = inputs["gap"])
expect_identical("a level for what is missing", got$features, "gap = {type = \"factor\", levels = [\"a\"]}")
same("and its scores", by_gap(inputs$gap), got$golden)

# Other scores than the session's.
k <- 2
refuses("a factor that arrives as text",
  "the bundle gives other scores than Pred.R does in this session: output 'score' differs in 6 of 6 rows (column 'sex' is factor in this session and character in the bundle)",
  k, Pred.R = function(sex) seq_along(sex) + k * is.factor(sex), golden = inputs["sex"])
refuses("levels in another order",
  "the bundle gives other scores than Pred.R does in this session: output 'score' differs in 6 of 6 rows (column 'sex' has other levels in this session)",
  k, Pred.R = function(sex) as.integer(sex) * k, golden = inputs["sex"], features = list(sex = list(type = "factor", levels = c("f", "m"))))
refuses("an integer that arrives as a double",
  "the bundle gives other outputs, or other types, than Pred.R does in this session (column 'n' is integer in this session and numeric in the bundle)",
  k, Pred.R = function(n) n, golden = inputs["n"], features = list(n = "double"))
refuses("only the bundle scores",
  "the bundle scores the golden rows, but in this session Pred.R fails on them: not here (column 'town' is character in this session and factor in the bundle)",
  k, Pred.R = function(town) if (is.factor(town)) 1 * seq_along(town) else stop("not here"), golden = inputs["town"],
  features = list(town = list(type = "factor", levels = unique(rows$town))))

# A session's random numbers, and their kind, are left as they were.
seeded <- environment(write_bundle)$bridge_with_seed
RNGkind("Wichmann-Hill")
before <- .Random.seed
drawn <- seeded(runif(2))
expect_identical("random numbers", .Random.seed, before)
rm(.Random.seed)
expect_identical("the worker's are the same each time", seeded(runif(2)), drawn)
expect("none are made", !exists(".Random.seed"))
expect_identical("nor is their kind another", RNGkind()[1L], "Wichmann-Hill")
RNGkind("default")
noisy <- function(x) x + k * rnorm(length(x))
same("scores of random numbers", seeded(noisy(inputs$x)), written(k, Pred.R = noisy, golden = inputs["x"])$golden)

# Objects that remember, and names that are columns.
steps <- ecdf(rows$x)
curve <- splinefun(1:5, c(1, 4, 2, 3, 9))
doubled <- local({ by <- 2; function(v) v * by })
x <- 5
n <- 1
remembering <- function(v) steps(v) + curve(v) + doubled(v) + with(data.frame(x = v), x * 2) + nrow(subset(rows, n < 10))
got <- written(steps, curve, doubled, rows, Pred.R = remembering, golden = data.frame(v = inputs$y))
same("closures, and columns named as variables of the session", remembering(inputs$y), got$golden)
helper <- function(v) v * k
unpassed <- function(name) paste0("Pred.R uses '", name, "', which is in this session and was not passed to write_bundle")
refuses("a function in with()", unpassed("helper"), k, Pred.R = function(v) with(data.frame(v), helper(v)))
refuses("a variable", unpassed("k"), fit, Pred.R = function(v) v * k)
refuses("a variable of an object", unpassed("k"), helper, Pred.R = function(v) helper(v))
refuses("what the function that made it has", unpassed("by"), k, Pred.R = doubled)

# A function for one row, whose session is called row by row too.
one_row <- function(x, n) { if (n < 4) n <- 4; max(x, 0) * n + k }
k <- 0.5
got <- written(k, one_row, golden = inputs[c("x", "n")], row_by_row = TRUE)
expect("row_by_row is written", "row_by_row = true" %in% got$toml)
alone <- vapply(1:6, function(i) one_row(inputs$x[i], inputs$n[i]), 0)
same("row by row", alone, got$golden)

# What R warns of is told, and data that it changed is refused.
cut_short <- function(x) { warning("fitted long ago"); x * k }
told <- capture.output(write_bundle(file.path(work, "told"), k, Pred.R = cut_short, golden = inputs["x"], row_wise = TRUE), type = "message")
expect("warnings are told", any(grepl("R warned while golden rows were scored: fitted long ago", told, fixed = TRUE)))
coerced <- function(town) { v <- as.numeric(town); ifelse(is.na(v), k, v) }
refuses(
  "coerced", paste(
    "R went on with other data than it was given: NAs introduced by coercion; accept_warnings = TRUE writes the bundle all the same"
  ), k, Pred.R = coerced, golden = inputs["town"]
)
got <- written(k, Pred.R = coerced, golden = inputs["town"], accept_warnings = TRUE)
same("accepted", rep(0.5, 6), got$golden)
unlink(work, recursive = TRUE)
cat("test-bundle: ok\n")
