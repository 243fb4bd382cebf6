"""Scores a table with Spark, and writes the scores to another table, partition by partition.

    spark-submit examples/spark/score_table.py --model cancer --repository models \
        --input bank.rows --where "dt = '2026-11-21'" --output bank.scores --key id --partition-by dt

The tables are those of the session's catalogue: Hive's, where Spark is configured for it. Only the partitions that the
rows belong to are replaced. Any Python that Spark starts needs scorebridge-gateway[spark,xgboost]: say which one by
PYSPARK_PYTHON.
"""

import argparse
import json
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from bridge.offline.spark import score


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description="Scores a table with Spark.")
    parser.add_argument("--model", required=True, help="the model's name")
    parser.add_argument("--repository", required=True, type=Path, help="the folder of bundles, on the driver")
    parser.add_argument("--version", type=int, default=0, help="the version; the one that would serve, if left out")
    parser.add_argument("--input", required=True, help="the table of rows")
    parser.add_argument("--where", default="true", help="which of its rows, in SQL")
    parser.add_argument("--output", required=True, help="the table of scores, made if it does not exist")
    parser.add_argument("--key", help="the column of row keys")
    parser.add_argument("--partition-by", action="append", default=[], help="a column of both tables' partitions")
    parser.add_argument("--r", choices=["rserve", "embedded"], default="rserve", help="what runs R models")
    return parser.parse_args()


def write(spark: SparkSession, scores: DataFrame, table: str, partitions: list[str]) -> None:
    """Replaces the partitions of a table that the scores belong to; Hive has their columns last."""
    others = [name for name in scores.columns if name not in partitions]
    ordered = scores.select(*(f"`{name}`" for name in [*others, *partitions]))
    if spark.catalog.tableExists(table):
        ordered.write.insertInto(table, overwrite=True)
    else:
        ordered.write.partitionBy(*partitions).saveAsTable(table, format="parquet")


def main() -> None:
    """Scores the rows, writes the scores, and prints how many there are."""
    asked = arguments()
    session = SparkSession.builder.appName(f"score {asked.input} with {asked.model}").enableHiveSupport()
    spark = session.config("spark.sql.sources.partitionOverwriteMode", "dynamic").getOrCreate()
    rows = spark.table(asked.input).where(asked.where)
    scores = score(
        rows,
        asked.model,
        asked.repository,
        version=asked.version,
        key=asked.key,
        keep=asked.partition_by,
        ignore_extra=True,
        r=asked.r,
    )
    write(spark, scores, asked.output, asked.partition_by)
    written = spark.table(asked.output).where(asked.where)
    counted = {row["source"]: row["count"] for row in written.groupBy("source").count().collect()}
    print(json.dumps({"output": asked.output, "rows": counted}))
    spark.stop()


if __name__ == "__main__":
    main()
