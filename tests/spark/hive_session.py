"""Makes a table in Hive, and runs the example for its two partitions; run in Spark's environment.

Usage: hive_session.py FOLDER EXAMPLE NAME=VALUE..., with what Spark is to be configured with.
"""

import runpy
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

HERE, EXAMPLE = Path(sys.argv[1]), sys.argv[2]
CONF = [option.split("=", 1) for option in sys.argv[3:]]


def main() -> None:
    builder = SparkSession.builder.master("local[2]").enableHiveSupport()
    for name, value in CONF:
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    spark.sql("create database bank")
    rows = pq.read_table(HERE / "cancer-rows.parquet").slice(0, 500)
    days = ["2026-11-21"] * 300 + ["2026-11-22"] * 200
    pq.write_table(rows.append_column("dt", pa.array(days)), HERE / "bank.parquet")
    spark.read.parquet(str(HERE / "bank.parquet")).write.partitionBy("dt").saveAsTable("bank.rows")
    asked = [
        "--model",
        "cancer",
        "--repository",
        f"{HERE / 'models'}",
        "--input",
        "bank.rows",
        "--output",
        "bank.scores",
    ]
    for day in sorted(set(days)):
        sys.argv = [EXAMPLE, *asked, "--where", f"dt = '{day}'", "--key", "id", "--partition-by", "dt"]
        runpy.run_path(EXAMPLE, run_name="__main__")


main()
