"""What a Spark session does with the models and rows that a test has put into a folder; run in Spark's environment.

Usage: session.py FOLDER. Frames are written to FOLDER/NAME.parquet, all else is printed as one JSON object.
"""

import asyncio
import json
import os
import shutil
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
from pyspark.errors import PythonException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812 - as everybody names it
from waiting import eventually

from bridge.errors import BridgeError
from bridge.offline.spark import score

HERE = Path(sys.argv[1])
MODELS = HERE / "models"
FOUND: dict[str, Any] = {}


def said(work: Callable[[], Any]) -> str:
    """How a call was refused, or a job ended."""
    try:
        work()
    except (BridgeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    except PythonException as error:
        return str(error)
    return "nothing"


def keep(name: str, frame: Any) -> None:
    table = frame.toArrow()
    pq.write_table(table, HERE / f"{name}.parquet")
    FOUND[name] = frame.schema.simpleString()


def people(spark: SparkSession, where: str = "true", parts: int = 4) -> Any:
    return spark.read.parquet(str(HERE / "people-rows.parquet")).where(where).coalesce(parts)


def cancer(spark: SparkSession) -> None:
    """Types that are only copied, several batches a partition, and a version that is gone when the job begins."""
    rows = spark.read.parquet(str(HERE / "cancer-rows.parquet")).repartition(5, "id").sortWithinPartitions("id")
    extra = rows.withColumn("Tags", F.array(F.col("id"), F.lit(1))).withColumn("day", F.to_date(F.lit("2026-11-22")))
    scored = score(extra, "cancer", MODELS, key="id", keep=["day", "Tags"])
    shutil.rmtree(MODELS / "cancer")
    keep("cancer", scored)


def by_r(spark: SparkSession) -> None:
    for r in ("rserve", "embedded"):
        frame = people(spark, "good").repartition(8).sortWithinPartitions("id")
        keep(f"people-{r}", score(frame, "people", MODELS, key="id", ignore_extra=True, r=r))


def rejects(spark: SparkSession) -> None:
    bad = people(spark, "not hangs", parts=1)
    keep("kept", score(bad, "people", MODELS, key="id", ignore_extra=True, rejects="keep"))
    keep("defaulted", score(bad, "people", MODELS, key="id", ignore_extra=True, rejects="keep", default=True))
    FOUND["failed"] = said(score(bad, "people", MODELS, key="id", ignore_extra=True).collect)
    hangs = people(spark, "hangs or id in ('a0', 'a1', 'a2')", parts=1)
    keep("hung", score(hangs, "people", MODELS, key="id", ignore_extra=True, rejects="keep", timeout_s=2.0))


def refused(spark: SparkSession) -> None:
    frame = people(spark)
    cases: dict[str, Any] = {
        "missing": (frame.drop("town"), {}),
        "extra": (frame, {"ignore_extra": False}),
        "time": (frame.withColumn("income", F.current_timestamp()), {}),
        "interval": (frame.withColumn("income", F.expr("make_interval(1)")), {}),
        "twice": (frame.selectExpr("*", "town"), {}),
        "no key": (frame, {"key": "nothing"}),
        "key type": (frame.withColumn("id", F.lit(1.5)), {}),
        "copied": (frame.withColumn("rate", F.lit(1)), {"keep": ["rate"]}),
        "detail": (frame.withColumn("detail", F.lit(1)), {"keep": ["detail"], "rejects": "keep"}),
        "rejects": (frame, {"rejects": "drop"}),
    }
    for name, (given, options) in cases.items():
        asked = {"key": "id", "ignore_extra": True} | options
        FOUND[f"refused {name}"] = said(partial(score, given, "people", MODELS, **asked))
    FOUND["refused model"] = said(lambda: score(frame, "nobody", MODELS))
    FOUND["refused version"] = said(lambda: score(frame, "people", MODELS, version=7))
    numbers = spark.range(3).selectExpr("cast(id as double) x")
    FOUND["refused whole"] = said(lambda: score(numbers, "whole", MODELS))


def lost(spark: SparkSession) -> None:
    """Somebody kills the Python process of a task, with the R process that it has: Spark gives the task to another."""
    marker = HERE / "busy"
    frame = spark.range(0, 4000, 1, 2).selectExpr("id", "cast(id as double) x", f"'{marker}' marker")
    done: list[Any] = []
    job = threading.Thread(target=lambda: done.append(score(frame, "slow", MODELS, key="id").toArrow()))
    job.start()
    asyncio.run(eventually(marker.exists, timeout_s=300))
    above = psutil.Process(int(marker.read_text())).parents()
    worker = next(one for one in above if "pyspark.daemon" in one.cmdline())
    worker.kill()
    job.join()
    pq.write_table(done[0], HERE / "lost.parquet")
    FOUND["lost"] = "killed"


def main() -> None:
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local[2,3]").config("spark.ui.enabled", "false")
    spark = builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", "1000").getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    for step in (by_r, rejects, refused, lost, cancer):
        step(spark)
    java = psutil.Process().children()
    below = psutil.Process().children(recursive=True)
    spark.stop()
    spark.sparkContext._gateway.shutdown()
    for process in java:
        process.terminate()
    FOUND["left"] = [one.name() for one in psutil.wait_procs(below, timeout=20)[1]]
    sys.stdout.write(json.dumps(FOUND))


main()
