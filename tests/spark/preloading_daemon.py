"""Spark's process that forks its workers, of an operator who has it load the models first; started by Spark."""

import json
import os
from pathlib import Path

from pyspark import SparkFiles, daemon

from bridge.offline.executors.resident import Bundled, resident

if __name__ == "__main__":
    folder = Path(os.environ["PRELOAD"])
    SparkFiles._is_running_on_worker = True
    SparkFiles._root_directory = str(folder)
    for wanted in json.loads((folder / "wanted.json").read_text()):
        resident(Bundled(**wanted | {"pythons": tuple(map(tuple, wanted["pythons"]))}))  # JSON has lists alone
    (folder / "preloaded").touch()
    daemon.manager()
