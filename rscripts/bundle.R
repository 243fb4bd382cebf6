# For R users: source("<this folder>/bundle.R"), then
#   write_bundle("diabetes", rf, Pred.R, golden = head(rows), row_wise = TRUE)
# Works from any working directory, and leaves only `write_bundle` in the session. This folder is also the source of the
# R package scorebridge: after R CMD INSTALL of this folder, library(scorebridge) gives the same function.
write_bundle <- local({
  # source() keeps this file's path in its frame; Rscript has it on the command line.
  given <- Filter(is.character, lapply(sys.frames(), function(frame) frame$ofile))
  path <- if (length(given)) given[[length(given)]] else sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
  # With chdir = TRUE the session is already in this folder.
  folder <- normalizePath(dirname(if (file.exists(path)) path else basename(path)))
  code <- new.env(parent = baseenv())
  for (file in list.files(file.path(folder, "R"), "\\.R$", full.names = TRUE)) {
    sys.source(file, envir = code, keep.source = FALSE)
  }
  code$write_bundle
})
