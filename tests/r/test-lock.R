# What a call can't change, in fresh processes that load the bundle and lock it as a worker does.
source("tests/r/expect.R")

counter <- local({ n <- 0; function(x) { n <<- n + 1; x + n } })
nested <- local({ inner <- local({ n <- 0; function() { n <<- n + 1; n } }); function(x) x + inner() })
never_given <- (function(y) function(x) x)()
memory <- new.env()
memory$n <- 0
noted <- structure(new.env(), class = "noted")
noted$n <- 0
objects <- list(
  counter = counter, nested = nested, never_given = never_given, memory = memory, noted = noted, steps = ecdf(1:4),
  helpers = list(count = local({ n <- 0; function(x) { n <<- n + 1; x + n } }))
)
folder <- make_bundle(c(
  "cache <- new.env()",
  "methods::setGeneric('doubled', function(x) standardGeneric('doubled'))",
  "methods::setMethod('doubled', 'numeric', function(x) 2 * x)",
  "Pred.R <- function(do, x) {",
  "  switch(do[1L],",
  "    closure = counter(x), nested = nested(x), list = helpers$count(x), own = { cache$x <- x; x },",
  "    environment = { memory$n <- memory$n + 1; x + memory$n }, object = { noted$n <- noted$n + 1; x + noted$n },",
  "    ecdf = steps(x), argument = never_given(x), generic = doubled(x), integer = doubled(as.integer(x)),",
  "    seeded = unlist(parallel::mclapply(x, function(v) v + runif(1), mc.cores = 2, mc.set.seed = FALSE)),",
  "    forked = unlist(parallel::mclapply(x, function(v) v, mc.cores = 2))",
  "  )",
  "}"
), objects)
got <- in_worker(folder, function(code) {
  steps <- c(
    "closure", "nested", "list", "own", "environment", "object", "object", "ecdf", "argument", "generic", "integer", "seeded",
    "seeded", "forked"
  )
  answers <- lapply(steps, function(do) code$bridge_score(2L, NULL, list(rep(do, 2L), c(1, 2))))
  names(answers) <- make.unique(steps)
  answers
})
scores <- function(...) list(0L, "score", list(c(...)))
locked <- function(name) list(1L, "model_error", "simpleError", paste0("cannot change value of locked binding for '", name, "'"), "")
for (do in c("closure", "nested", "list", "environment")) expect_identical(do, got[[do]], locked("n"))
# R's own words for it changed between versions.
expect_identical("a new variable", got$own[1:3], locked("x")[1:3])
expect_identical("an object of a class is free", list(got$object, got$object.1), list(scores(2, 3), scores(3, 4)))
expect_identical("ecdf", got$ecdf, scores(.25, .5))
expect_identical("an argument that was never given", got$argument, scores(1, 2))
expect_identical("S4", list(got$generic, got$integer), list(scores(2, 4), scores(2, 4)))
expect("mclapply without its seeds", got$seeded[[1L]] == 0L && identical(got$seeded, got$seeded.1))
forked <- list(
  1L, "model_error", "bridge_model_error", "a process that the predict function forked failed",
  "R warned: all scheduled cores encountered errors in user code"
)
expect_identical("mclapply with its seeds", got$forked, forked)
cat("test-lock: ok\n")
