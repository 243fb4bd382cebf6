# Run by write_bundle in a fresh R process: Rscript check.R <bundle> <request.rds> <reply.rds>. Loads the bundle exactly
# as a worker does, then writes the expected scores into golden.csv, or holds the scores against it.
#   request  list: step "score" or "compare"; features, named list of list(type, levels, ordered); input, as in
#            bridge_load(); row_by_row logical(1).
#   reply    list: error character(1) or NULL; features character; scores, a named list of columns; warnings character,
#            what R warned of; changed, those that say that it went on with other data.
local({
  arguments <- commandArgs(trailingOnly = TRUE)
  scripts <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
  source(file.path(scripts, "attach.R"), local = TRUE, keep.source = FALSE)
  code <- bridge_attach(scripts)
  sys.source(file.path(scripts, "golden_check.R"), envir = code, keep.source = FALSE)
  request <- readRDS(arguments[2L])
  code$bridge_start(arguments[1L], "", 1L, request$input, request$row_by_row)
  saveRDS(code$bridge_check(file.path(arguments[1L], "golden.csv"), request), arguments[3L])
})
