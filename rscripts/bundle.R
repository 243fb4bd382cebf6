# For R users: source("<this folder>/bundle.R"), then
#   write_bundle("diabetes", rf, Pred.R, golden = head(rows), row_wise = TRUE)
# Works from any working directory, and leaves only `write_bundle` in the session.
write_bundle <- local({
  # source() keeps the path it was given in its frame; Rscript names it on the command line.
  given <- Filter(is.character, lapply(sys.frames(), function(frame) frame$ofile))
  path <- if (length(given)) given[[length(given)]] else sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
  # With chdir = TRUE the session is already in this folder.
  folder <- normalizePath(dirname(if (file.exists(path)) path else basename(path)))
  code <- new.env(parent = baseenv())
  parts <- c(
    "conditions.R", "warnings.R", "world.R", "foreign_text.R", "load.R", "refusals.R", "outputs.R", "rows.R",
    "features.R", "golden.R", "toml.R", "predict_source.R", "bundle_settings.R", "bundle_features.R",
    "session_scores.R", "author.R", "bundle_writer.R"
  )
  for (file in parts) sys.source(file.path(folder, file), envir = code, keep.source = FALSE)
  code$bridge_scripts <- folder
  code$bridge_write_bundle
})
