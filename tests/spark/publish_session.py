"""Publishes a frame from executors, one of which fails first, and runs the example; run in Spark's environment.

Usage: publish_session.py ROWS EXAMPLE STORE. What happened is printed, one JSON value a line.
"""

import json
import os
import runpy
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

from pyspark import TaskContext
from pyspark.sql import SparkSession

from bridge.errors import BridgeError
from bridge.features.publishing.feature_publisher import FeaturePublisher

ROWS, EXAMPLE, STORE = sys.argv[1:]
FEATURES = {"orders": "int", "spent": "double", "city": "string", "member": "bool"}


def said(line: Any) -> None:
    sys.stdout.write(json.dumps(line) + "\n")


def broken(rows: Iterator[Any]) -> Iterator[Any]:
    yield from islice(rows, 100)
    raise ConnectionResetError


def publish(spark: SparkSession) -> None:
    """A task that fails half-way, and whose second attempt gets the same rows."""
    frame = spark.read.parquet(ROWS).repartition(4, "user_id")
    with FeaturePublisher(STORE, "users", FEATURES, "user_id", batch="2026-11-23") as publisher:

        def write(rows: Iterator[Any]) -> None:
            task = TaskContext.get()
            assert task is not None
            if task.partitionId() == 1 and task.attemptNumber() == 0:
                rows = broken(rows)
            publisher.write_partition(rows)

        frame.foreachPartition(write)
        said(publisher.publish().entities)


def refused(spark: SparkSession) -> None:
    """A row whose key is in two partitions: the job ends, and the batch is not published."""
    frame = spark.read.parquet(ROWS)
    twice = frame.unionAll(
        frame.where("user_id = 7").selectExpr("user_id", "orders + 1 orders", "spent", "city", "member")
    )
    try:
        with FeaturePublisher(STORE, "users", FEATURES, "user_id", batch="2026-11-24") as publisher:
            twice.foreachPartition(publisher.write_partition)
            publisher.publish()
    except BridgeError as error:
        said(str(error))


def main() -> None:
    os.environ["PYSPARK_PYTHON"] = sys.executable
    spark = SparkSession.builder.master("local[2,3]").config("spark.ui.enabled", "false").getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    publish(spark)
    refused(spark)
    spark.read.parquet(ROWS).createOrReplaceTempView("users")
    named = ["--group", "users", "--input", "users", "--key", "user_id", "--batch", "2026-11-24", "--store", STORE]
    features = [f"--feature={name}={kind}" for name, kind in FEATURES.items()]
    sys.argv = [EXAMPLE, *named, *features]
    runpy.run_path(EXAMPLE, run_name="__main__")


main()
