# Scores each row by a call of its own, as `row_by_row = true` asks for. Needs only shared_conditions.R, because
# reconciliation shares this with serving.

# Scores all rows, and returns their outputs.
#   rows   integer(1), at least 1.
#   score  function of a row's number, from 1, that returns the row's outputs as bridge_outputs() does.
# Returns the outputs of all rows, as bridge_outputs() does.
bridge_rows_apart <- function(rows, score) {
  scored <- lapply(seq_len(rows), score)
  first <- scored[[1L]]$names
  same <- vapply(scored, function(one) identical(one$names, first), NA)
  if (!all(same)) {
    row <- which(!same)[1L] - 1L
    stop(bridge_malformed_prediction("Pred.R returned other outputs for row ", row, " than for row 0"))
  }
  list(names = first, columns = lapply(seq_along(first), function(j) {
    bridge_joined(lapply(scored, function(one) one$columns[[j]]), first[j])
  }))
}

# Returns the scores of single rows as one column. Refuses several types, which c() would convert to one.
#   scores  list of vectors of length 1; name  character(1).
bridge_joined <- function(scores, name) {
  types <- vapply(scores, typeof, "")
  # A missing value alone is logical in R and tells no type.
  typed <- unique(types[!(types == "logical" & vapply(scores, is.na, NA))])
  if (length(typed) > 1L) {
    stop(bridge_malformed_prediction(
      "Pred.R returned ", typed[1L], " for one row and ", typed[2L], " for another in the output '", name, "'"
    ))
  }
  unlist(scores, use.names = FALSE)
}
