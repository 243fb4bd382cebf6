# Run by write_bundle in a fresh R process: Rscript check.R <bundle> <request.rds> <reply.rds>. Loads the bundle exactly
# as a worker does, then writes the expected scores into golden.csv, or holds the scores against it.
#   request  list: step "score" or "compare"; features, named list of list(type, levels, ordered); input, as in
#            bridge_load(); row_by_row logical(1); timezone, locale, character(1) or NULL: those of model.toml.
#   reply    list: error character(1) or NULL; features character; scores, a named list of columns; warnings character,
#            what R warned of; changed, those that say that it went on with other data; packages character, "name
#            version"; collation character(1).
local({
  arguments <- commandArgs(trailingOnly = TRUE)
  scripts <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
  source(file.path(scripts, "attach.R"), local = TRUE, keep.source = FALSE)
  code <- bridge_attach(scripts)
  sys.source(file.path(scripts, "golden_check.R"), envir = code, keep.source = FALSE)
  request <- readRDS(arguments[2L])
  world <- lapply(request[c("timezone", "locale")], function(name) if (is.null(name)) "" else name)
  # The machine that serves has C.UTF-8; an author's may not.
  if (world$locale == "" && !nzchar(suppressWarnings(Sys.setlocale("LC_COLLATE", "C.UTF-8")))) world$locale <- NA_character_
  code$bridge_start(arguments[1L], "", 1L, request$input, request$row_by_row, world$timezone, world$locale)
  saveRDS(code$bridge_check(file.path(arguments[1L], "golden.csv"), request), arguments[3L])
})
