#!/usr/bin/env bash
# Loads a day's scores into Hive's table `scores` by spark-sql: load_hive.sh FOLDER DAY.
#
# The day's partition is replaced. SPARK_SQL names another spark-sql than the one on the PATH.
set -euo pipefail

folder=$1 day=$2
if ! [ -f "$folder/_SUCCESS" ]; then
  echo "load_hive: $folder has no _SUCCESS: set NIGHTLY_OUTPUT to a folder" >&2
  exit 2
fi
exec "${SPARK_SQL:-spark-sql}" --hivevar "scores=$folder" --hivevar "dt=$day" -f "$(dirname "$0")/load_hive.sql"
