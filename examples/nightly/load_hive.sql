-- Loads a day's scores into a table of Hive's metastore, by Spark SQL; load_hive.sh calls it.
-- The types are those of the Parquet files, which Hive and Spark don't convert: FLOAT for the scores of xgboost,
-- DOUBLE for those of R. The column of --key comes first, with its type, and then those of --keep.
CREATE TABLE IF NOT EXISTS scores (
    id BIGINT,
    score FLOAT,
    source STRING,
    reason STRING,
    version BIGINT
)
PARTITIONED BY (dt STRING)
STORED AS PARQUET;

-- LOCAL copies the files. Without it, for an output on the cluster's own file system, they are moved.
LOAD DATA LOCAL INPATH '${hivevar:scores}' OVERWRITE INTO TABLE scores PARTITION (dt = '${hivevar:dt}');
