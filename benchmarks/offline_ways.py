"""The scripts with which offline.py compares a run: as people write them, R on the numbers themselves, and Spark."""

PLAIN = """
import sys, pyarrow as pa, pyarrow.parquet as pq, xgboost, numpy as np
model, source, target = sys.argv[1:]
booster = xgboost.Booster(model_file=model)
names = booster.feature_names
with pq.ParquetWriter(target, pa.schema([("id", pa.int64()), ("score", pa.float32())])) as writer:
    for batch in pq.ParquetFile(source).iter_batches(100_000):
        rows = np.column_stack([batch.column(name).to_numpy(zero_copy_only=False) for name in names])
        writer.write_table(pa.table({"id": batch.column("id"), "score": booster.inplace_predict(rows)}))
"""
PLAIN_R = """
asked <- commandArgs(trailingOnly = TRUE)
load(asked[1])
source(asked[2])
rows <- data.table::fread(asked[3])
score <- do.call(Pred.R, as.list(rows)[names(rows) != "id"])
data.table::fwrite(data.table::data.table(id = rows$id, score = score), asked[4])
"""
EXACT_R = """
asked <- commandArgs(trailingOnly = TRUE)
load(asked[1])
source(asked[2])
count <- as.integer(asked[4])
values <- matrix(readBin(asked[3], "double", count * length(formals(Pred.R))), count)
values[is.nan(values)] <- NA
rows <- setNames(as.list(as.data.frame(values)), names(formals(Pred.R)))
writeBin(do.call(Pred.R, rows), asked[5])
"""
ON_SPARK = """
import sys
from pyspark.sql import SparkSession
from bridge.offline.spark import score
models, source, target = sys.argv[1:]
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
spark.sparkContext.setLogLevel("OFF")
score(spark.read.parquet(source), "boosted", models, key="id").write.mode("overwrite").parquet(target)
spark.stop()
"""
