# Rows that are runs of their own, as `row_by_row = true` asks for. Stands alone but for shared_conditions.R: reconciliation
# shares this with serving.

# The outputs of all rows.
#   rows   integer(1), at least 1.
#   score  function(row), of an integer(1): the outputs of that row, as bridge_outputs() gives them.
# Returns as bridge_outputs().
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

# The scores of single rows as one column. What c() would make of two types is none of what the model gave.
#   scores  list of vectors of length 1; name  character(1).
bridge_joined <- function(scores, name) {
  types <- vapply(scores, typeof, "")
  # A missing value alone is logical in R, and no type yet.
  typed <- unique(types[!(types == "logical" & vapply(scores, is.na, NA))])
  if (length(typed) > 1L) {
    stop(bridge_malformed_prediction(
      "Pred.R returned ", typed[1L], " for one row and ", typed[2L], " for another in the output '", name, "'"
    ))
  }
  unlist(scores, use.names = FALSE)
}
