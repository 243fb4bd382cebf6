"""Publishes a table's rows as a group's next batch, from the executors of a Spark job.

    spark-submit examples/features/publish_spark.py --group users --input features.users --where "dt = '2026-11-24'" \
        --key user_id --feature orders=int --feature spent=double --batch 2026-11-24 --store redis://redis:6379/0

Readers see the batch when all of its rows are in the store and were counted. Any Python that Spark starts needs
scorebridge-gateway[spark,features]: say which one by PYSPARK_PYTHON.
"""

import argparse
import json

from pyspark.sql import SparkSession

from bridge.features.publishing.feature_publisher import FeaturePublisher


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description="Publishes features from Spark.")
    parser.add_argument("--group", required=True, help="the group's name")
    parser.add_argument("--input", required=True, help="the table or view of rows, one an entity")
    parser.add_argument("--where", default="true", help="which of its rows, in SQL")
    parser.add_argument("--key", required=True, help="the column of the entities' keys")
    parser.add_argument("--feature", action="append", required=True, help="NAME=TYPE of a column; repeatable")
    parser.add_argument("--batch", help="the batch's name; yesterday, if left out")
    parser.add_argument("--timezone", help="the group's time zone; the one that it has, or UTC, if left out")
    parser.add_argument("--store", required=True, help="the store's URL, which executors must reach too")
    return parser.parse_args()


def main() -> None:
    """Publishes the rows, and prints what is current then."""
    asked = arguments()
    spark = SparkSession.builder.appName(f"publish {asked.group}").getOrCreate()
    features = dict(pair.rsplit("=", 1) for pair in asked.feature)
    rows = spark.table(asked.input).where(asked.where).select(asked.key, *features)
    more = {"batch": asked.batch, "timezone": asked.timezone}
    with FeaturePublisher(asked.store, asked.group, features, asked.key, **more) as publisher:
        rows.foreachPartition(publisher.write_partition)
        batch = publisher.publish()
    print(json.dumps({"group": asked.group, "batch": batch.name, "entities": batch.entities}))
    spark.stop()


if __name__ == "__main__":
    main()
