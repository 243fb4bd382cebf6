"""Scores in processes that were forked from one with loaded models and live threads; run in Spark's environment.

Usage: forked_session.py FOLDER
"""

import dataclasses
import json
import os
import shutil
import sys
from pathlib import Path

import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from bridge.offline.executors.archive import pack
from bridge.offline.executors.resident import Bundled
from bridge.offline.spark import ScoreOptions, _described, score

HERE = Path(sys.argv[1])


def main() -> None:
    models, preload = HERE / "models", HERE / "preload"
    preload.mkdir()
    os.environ["PRELOAD"] = str(preload)
    wanted = []
    for model in ("cancer", "people"):
        digest = _described(models, model, ScoreOptions()).version.digest
        archive = pack(models, model, 1, digest)
        shutil.copy(archive, preload)
        wanted.append(dataclasses.asdict(Bundled(archive.name, model, 1, digest, "rserve", (), 30.0)))
    (preload / "wanted.json").write_text(json.dumps(wanted))
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    spark = builder.config("spark.python.daemon.module", "preloading_daemon").getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    frame = spark.read.parquet(str(HERE / "cancer-rows.parquet")).repartition(3)
    pq.write_table(score(frame, "cancer", models, key="id").toArrow(), HERE / "forked-cancer.parquet")
    frame = spark.read.parquet(str(HERE / "people-rows.parquet")).where("good").repartition(3)
    scored = score(frame, "people", models, key="id", ignore_extra=True)
    pq.write_table(scored.toArrow(), HERE / "forked-people.parquet")
    spark.stop()


main()
