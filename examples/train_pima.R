# Trains models of diabetes on MASS::Pima.tr2, which has missing values, and writes each as a bundle:
#   Rscript examples/train_pima.R <folder>     makes <folder>/glm, <folder>/forest and <folder>/bootstrap
suppressMessages(library(randomForest))
library(MASS)

folder <- commandArgs(trailingOnly = TRUE)[1L]
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
source(file.path(here, "..", "rscripts", "bundle.R"))
rows <- head(Pima.te[, 1:7], 20)

# A row with a missing value gets no score from glm (NA); the bundle says what callers get instead.
fit <- glm(type ~ npreg + glu + bp + skin + bmi + ped + age, binomial, Pima.tr2)
Pred.R <- function(npreg, glu, bp, skin, bmi, ped, age) {
  predict(fit, data.frame(npreg, glu, bp, skin, bmi, ped, age), type = "response")
}
write_bundle(file.path(folder, "glm"), fit, Pred.R, golden = rows, row_wise = TRUE, default_score = 0.33)

set.seed(7)
forest <- randomForest(type ~ npreg + glu + bp + skin + bmi + ped + age, na.omit(Pima.tr2), ntree = 100)
Pred.R <- function(npreg, glu, bp, skin, bmi, ped, age) {
  predict(forest, data.frame(npreg, glu, bp, skin, bmi, ped, age), type = "prob")[, "Yes"]
}
write_bundle(file.path(folder, "forest"), forest, Pred.R, golden = rows, row_wise = TRUE, default_score = 0.33)

# This model is fitted again 200 times in every call: it is good, but far too slow for an impatient caller. Its rows are
# in fact scored independently, but the author does not vouch for it, so row_wise stays FALSE.
known <- na.omit(Pima.tr2)
Pred.R <- function(npreg, glu, bp, skin, bmi, ped, age) {
  rows <- data.frame(npreg, glu, bp, skin, bmi, ped, age)
  fits <- replicate(200, {
    again <- glm(type ~ ., binomial, known[sample(nrow(known), replace = TRUE), ])
    predict(again, rows, type = "response")
  })
  rowMeans(matrix(fits, nrow = nrow(rows)))
}
types <- setNames(rep(list("double"), 7), names(rows))
write_bundle(
  file.path(folder, "bootstrap"), known, Pred.R,
  golden = head(rows, 3), row_wise = FALSE, default_score = 0.33, timeout_s = 10, features = types
)

# The rows to be scored and R's own scores of them, with which the demonstration and the tests compare.
set.seed(1)
direct <- data.frame(
  Pima.te[, 1:7],
  glm = predict(fit, Pima.te, type = "response"),
  forest = predict(forest, Pima.te, type = "prob")[, "Yes"]
)
direct[] <- lapply(direct, function(column) sprintf("%.17g", column))
write.csv(direct, file.path(folder, "direct.csv"), row.names = FALSE, quote = FALSE)
