# What the R tests share. Each test is run from the repository's root: Rscript tests/r/test-<what>.R

scripts <- normalizePath("rscripts")

# The bridge's code in an environment of its own, as reconciliation and write_bundle have it.
#   files  character: file names in rscripts/R/.
bridge_code <- function(files) {
  code <- new.env(parent = baseenv())
  for (file in files) sys.source(file.path(scripts, "R", file), envir = code)
  code
}

# Stops with the label unless the condition holds.
expect <- function(label, condition) if (!isTRUE(condition)) stop("not so: ", label, call. = FALSE)

# Stops unless the two are identical.
expect_identical <- function(label, found, wanted) {
  if (identical(found, wanted)) return(invisible())
  stop("not so: ", label, "\n  found  ", deparse1(found), "\n  wanted ", deparse1(wanted), call. = FALSE)
}

# Stops unless the expression raises a condition of this class and exactly this message.
expect_raises <- function(label, expression, class, message) {
  raised <- tryCatch({
    expression
    NULL
  }, error = function(e) e)
  if (is.null(raised)) stop("not so: ", label, ": nothing was raised", call. = FALSE)
  expect(paste0(label, ": class ", paste(class(raised), collapse = "/"), ": ", conditionMessage(raised)), inherits(raised, class))
  expect(paste0(label, ": is a bridge_error"), inherits(raised, "bridge_error"))
  expect_identical(paste0(label, ": message"), conditionMessage(raised), message)
}

# A folder with a Pred.R and objects.
#   lines  character or NULL; objects  named list, saved in model.RData.
make_bundle <- function(lines, objects = list()) {
  folder <- tempfile("bundle")
  dir.create(folder)
  if (!is.null(lines)) writeLines(enc2utf8(lines), file.path(folder, "Pred.R"), useBytes = TRUE)
  if (length(objects)) {
    save(list = names(objects), file = file.path(folder, "model.RData"), envir = list2env(objects))
  }
  folder
}

# Runs a function in a fresh R process that has loaded the bundle as a worker does.
#   folder  character(1); body  function(code) with the bridge's environment; its value is returned.
#   input, row_by_row  as in bridge_start().
in_worker <- function(folder, body, input = "columns", row_by_row = FALSE) {
  files <- tempfile(c("driver", "body", "reply"))
  environment(body) <- baseenv()
  saveRDS(body, files[2L])
  writeLines(c(
    "local({",
    sprintf("  source(\"%s/R/worker_attach.R\", local = TRUE)", scripts),
    sprintf("  code <- bridge_attach(bridge_worker_code(\"%s/R\"))", scripts),
    sprintf("  code$bridge_start(\"%s\", \"sha256:test\", 1L, \"%s\", %s)", folder, input, row_by_row),
    sprintf("  saveRDS(readRDS(\"%s\")(code), \"%s\")", files[2L], files[3L]),
    "})"
  ), files[1L])
  status <- system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", files[1L]), stdout = FALSE, env = "LC_ALL=C.UTF-8")
  if (status != 0L) stop("the worker failed with status ", status, call. = FALSE)
  readRDS(files[3L])
}
