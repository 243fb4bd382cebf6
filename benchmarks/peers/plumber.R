# The glm of the Pima data behind plumber: Rscript plumber.R BUNDLE PORT. POST /score takes the columns as JSON.
arguments <- commandArgs(TRUE)
load(file.path(arguments[1L], "model.RData"))
source(file.path(arguments[1L], "Pred.R"))
api <- plumber::pr()
api <- plumber::pr_post(api, "/score", function(req) unname(do.call(Pred.R, req$body)))
plumber::pr_run(api, "127.0.0.1", as.integer(arguments[2L]), docs = FALSE, quiet = TRUE)
