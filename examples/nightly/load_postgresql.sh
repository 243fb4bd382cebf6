#!/usr/bin/env bash
# Loads a day's scores into PostgreSQL: load_postgresql.sh FILE.csv DAY; create_postgresql.sql makes the table.
#
# PGHOST, PGDATABASE, PGUSER, PGPASSFILE or PGSERVICE say where; SCORES_TABLE names another table than `scores`.
# The rows of the day are replaced in one transaction: if it fails, the old ones are still there. The columns of the
# file are named below; PostgreSQL compares them with its header (from version 15).
set -euo pipefail

csv=$1 day=$2
if [[ $csv != *.csv ]] || ! [ -f "$csv" ]; then
  echo "load_postgresql: $csv is no CSV file: set NIGHTLY_OUTPUT to a name such as /data/scores/{day}.csv" >&2
  exit 2
fi

# psql takes the place of this script, so that a signal reaches it and ends the transaction. Variables are quoted by
# psql itself (:'day', :"table"). "terse" keeps rows out of the messages.
exec psql --no-psqlrc --no-password --quiet --set ON_ERROR_STOP=1 --set VERBOSITY=terse \
  --set day="$day" --set table="${SCORES_TABLE:-scores}" --file /dev/fd/3 <"$csv" 3<<'SQL'
BEGIN;
-- The table's own columns and types, and no row of another day.
CREATE TEMPORARY TABLE new_scores (
    LIKE :"table",
    CONSTRAINT rows_of_the_day CHECK (dt = :'day')
) ON COMMIT DROP;
\copy new_scores (id, score, source, reason, version, dt) from pstdin with (format csv, header match)
-- One load at a time: two of one day would not see each other's rows. Who reads is not kept out.
LOCK TABLE :"table" IN SHARE ROW EXCLUSIVE MODE;
DELETE FROM :"table" WHERE dt = :'day';
INSERT INTO :"table" (dt, id, score, source, reason, version)
    SELECT dt, id, score, source, reason, version FROM new_scores;
COMMIT;
SQL
