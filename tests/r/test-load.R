# Which folders load, which don't, and the sentence each of those gets.
source("tests/r/expect.R")
code <- bridge_code(c("shared_conditions.R", "worker_warnings.R", "worker_foreign_text.R", "worker_load.R"))

# Loads in this process; the lock is tested in test-score.R.
loads <- function(folder) {
  before <- ls(globalenv(), all.names = TRUE)
  on.exit(rm(list = setdiff(ls(globalenv(), all.names = TRUE), before), envir = globalenv()))
  code$bridge_load(folder)
}
refuses <- function(label, lines, message, objects = list()) {
  expect_raises(label, loads(make_bundle(lines, objects)), "bridge_bundle_error", message)
}

model <- loads(make_bundle("Pred.R <- function(age, `blood glucose`, bmi = 25, ...) 1"))
expect_identical("features", model$feature_names, c("age", "blood glucose", "bmi"))
expect_identical("required", model$feature_required, c(TRUE, TRUE, FALSE))
expect_identical("the call", model$call, quote(Pred.R(age = age, `blood glucose` = `blood glucose`, bmi = bmi)))
expect_identical("Pred.R among others", loads(make_bundle(c("f <- function(a) a", "Pred.R = function(b) f(b)")))$name, "Pred.R")
expect_identical("the single function", loads(make_bundle(c("k <- 3", "my_scores <- function(a) a * k")))$name, "my_scores")
expect_identical("by assign()", loads(make_bundle("assign('Pred.R', function(b) b)"))$feature_names, "b")
same <- loads(make_bundle("f <- function(a) a", list(f = eval(quote(function(a) a), globalenv()), g = sum)))
expect_identical("a function that was saved too", same$name, "f")
expect_identical("a byte order mark", loads(make_bundle("\ufeffPred.R <- function(a) a"))$feature_names, "a")
expect_identical("UTF-8 names", loads(make_bundle("Pred.R <- function(`h\u00f6he`) 1"))$feature_names, "h\u00f6he")
read_by_path <- make_bundle(c("coefs <- readRDS('w.rds')", "Pred.R <- function(a) a * coefs * w"))
saveRDS(2, file.path(read_by_path, "w.rds"))
expect_identical("a relative path while loading", loads(read_by_path)$name, "Pred.R")

refuses("no Pred.R", NULL, "there is no file Pred.R in the bundle")
refuses("two functions", c("a <- function(x) x", "b <- function(x) x"), "Pred.R defines 2 functions (a, b) and none is named Pred.R")
refuses("no function", "x <- 1", "Pred.R defines no function")
refuses("only saved functions", "x <- 1", "Pred.R defines no function", list(f = function(a) a))
refuses("only dots", "Pred.R <- function(...) 1", "Pred.R takes only `...`: its arguments are the features, so they need names")
refuses("no arguments", "Pred.R <- function() 1", "Pred.R takes no arguments: its arguments are the features")
refuses("a primitive", "Pred.R <- sum", "Pred.R is a primitive: its arguments have no names")
refuses("no R", c("x <- 1", "Pred.R <- function(a) {"), "Pred.R is not R code: line 3")
refuses("a missing package", "library(nosuchpackage)", "Pred.R failed while it was loaded: there is no package called \u2018nosuchpackage\u2019")
refuses("an escape in a message", "stop('red:\\033[31m\\n x')", "Pred.R failed while it was loaded: red: [31m x")
refuses(
  "a warning passed on", "limit <- tryCatch(as.numeric('x'), warning = function(w) stop(w))",
  "Pred.R failed while it was loaded: NAs introduced by coercion"
)
refuses(
  "a condition that is no error", "stop(structure(class = c('odd', 'condition'), list(message = 'no luck', call = NULL)))",
  "Pred.R failed while it was loaded: no luck"
)
refuses("Rserve's hook saved", "Pred.R <- function(a) a", "the bundle holds an object named oc.init, a name that Rserve uses itself: rename it", list(oc.init = 1))
refuses("Rserve's hook defined", c(".Rserve.done <- 1", "Pred.R <- function(a) a"), "the bundle holds an object named .Rserve.done, a name that Rserve uses itself: rename it")

broken <- make_bundle("Pred.R <- function(a) a", list(m = stats::runif(5000)))
file <- file.path(broken, "model.RData")
bytes <- readBin(file, "raw", file.size(file))
writeBin(bytes[seq_len(length(bytes) %/% 2L)], file)
expect_raises(
  "half an RData", loads(broken), "bridge_bundle_error",
  "model.RData can't be loaded: it is damaged or was not saved by R: error reading from connection"
)
writeLines("no R object", file.path(broken, "a.rds"))
expect_raises(
  "no rds", loads(broken), "bridge_bundle_error",
  "a.rds can't be loaded: it is damaged or was not saved by R: unknown input format"
)
pointer <- make_bundle("Pred.R <- function(a) a")
writeLines("version https://git-lfs.github.com/spec/v1", file.path(pointer, "model.RData"))
expect_raises(
  "a pointer in the place of the file", loads(pointer), "bridge_bundle_error",
  paste0(
    "model.RData can't be loaded: it is damaged or was not saved by R: bad restore file magic number (file may be ",
    "corrupted) -- no data loaded (R warned: file \u2018model.RData\u2019 has magic number 'versi' Use of save versions ",
    "prior to 2 is deprecated)"
  )
)
single <- make_bundle("Pred.R <- function(a) a")
saveRDS(list(1), file.path(single, "model.RData"))
expect_raises(
  "saveRDS named RData", loads(single), "bridge_bundle_error",
  paste0(
    "model.RData was written by saveRDS(), which keeps an object without its name: write it with save(), or call the ",
    "file <the object's name>.rds"
  )
)
several <- make_bundle("Pred.R <- function(a) a")
fit <- 1
save(fit, file = file.path(several, "fit.rds"))
expect_raises(
  "save named rds", loads(several), "bridge_bundle_error",
  "fit.rds was written by save(), not saveRDS(): give it a name that ends in .RData"
)
refuses(
  "a file that is not there", c("weights <- read.csv('weights.csv')", "Pred.R <- function(a) a"),
  paste(
    "Pred.R failed while it was loaded: cannot open the connection (R warned: cannot open file 'weights.csv': No such",
    "file or directory)"
  )
)
expect_identical("nothing to note", loads(make_bundle("Pred.R <- function(a) a"))$notes, character())
expect_identical(
  "a package that is required and not there",
  loads(make_bundle(c("require(nosuchpackage)", "Pred.R <- function(a) a")))$notes,
  "R warned while it loaded Pred.R: there is no package called \u2018nosuchpackage\u2019"
)
twice <- make_bundle("Pred.R <- function(a) a", list(fit = 1, other = 2))
fit <- 3
save(fit, file = file.path(twice, "newer.RData"))
expect_identical(
  "one name in two files", loads(twice)$notes,
  "object 'fit' is in model.RData and in newer.RData: the latter is used"
)
rm(fit)
# As a session in GBK saves it by version 2: bytes without a name.
region <- c(rawToChar(as.raw(c(0xb1, 0xb1))), "south")
foreign <- paste(
  "model.RData holds text that is not UTF-8, so no caller's text will ever equal it: load it in the locale in which it was",
  "made, and save it by save(version = 3)"
)
for (object in list(region, factor(1:2, labels = region), list(a = list(b = region)), structure(1:2, names = region))) {
  expect_identical("GBK", loads(make_bundle("Pred.R <- function(a) a", list(object = object)))$notes, foreign)
}
marked <- region
Encoding(marked) <- "latin1"
chinese <- list(c("\u5317\u4eac", NA), marked, factor("\u5317"))
expect_identical("text that says what it is", loads(make_bundle("Pred.R <- function(a) a", list(x = chinese)))$notes, character())
latin <- make_bundle(NULL)
writeBin(as.raw(c(0x78, 0x3c, 0x2d, 0x22, 0xe9, 0x22)), file.path(latin, "Pred.R"))
expect_raises("latin1", loads(latin), "bridge_bundle_error", "Pred.R is not UTF-8")
cat("test-load: ok\n")
