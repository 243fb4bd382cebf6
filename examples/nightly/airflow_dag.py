"""An Airflow DAG (2.4 or newer, and 3) that scores each day when it is over, by score-nightly.sh.

A retry goes on where the task was stopped, and a task that is cleared scores its own day again if the input has
changed. Put this file into the folder of DAGs, and score-nightly.sh and nightly.env on the workers.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from airflow.timetables.interval import CronDataIntervalTimetable  # type: ignore[import-not-found]

try:  # Airflow 3
    from airflow.providers.standard.operators.bash import BashOperator  # type: ignore[import-not-found]
    from airflow.sdk import DAG  # type: ignore[import-not-found]
except ImportError:  # Airflow 2
    from airflow import DAG  # type: ignore[import-not-found]
    from airflow.operators.bash import BashOperator  # type: ignore[import-not-found]

TIME_ZONE = "UTC"  # of the days
# The interval's date and not `ds`, which is a date of UTC, and in Airflow 3 the date at which the run starts if the
# schedule is given as text.
DAY = f"{{{{ data_interval_start.in_timezone('{TIME_ZONE}').strftime('%Y-%m-%d') }}}}"

with DAG(
    dag_id="scorebridge_nightly",
    schedule=CronDataIntervalTimetable("30 2 * * *", timezone=TIME_ZONE),
    start_date=datetime(2026, 11, 1, tzinfo=ZoneInfo(TIME_ZONE)),
    catchup=False,
    max_active_runs=1,
):
    BashOperator(
        task_id="score",
        bash_command=f"set -a; . /etc/scorebridge/nightly.env; exec /opt/scorebridge/nightly/score-nightly.sh {DAY}",
        retries=3,
        retry_delay=timedelta(minutes=10),
        execution_timeout=timedelta(hours=8),
    )
