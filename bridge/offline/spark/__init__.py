"""Scores a Spark frame where its partitions are: each executor process loads the bundle once, and needs no gateway."""

from bridge.offline.spark.frame import score

__all__ = ["score"]
