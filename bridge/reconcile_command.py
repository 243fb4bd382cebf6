"""`scorebridge reconcile`: is what was answered what the models say?"""

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bridge.errors import BridgeError
from bridge.reconcile.calls import Selection
from bridge.reconcile.run import Options, reconcile_log
from bridge.reconcile.summary import NOT_RUN

__all__ = ["reconcile"]


def reconcile(
    log: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the prediction log.", show_default=False)],
    *,
    repository: Annotated[Path | None, typer.Option(help="The folder of bundles; not needed with --against.")] = None,
    output: Annotated[Path | None, typer.Option(help="Folder for the report and the Parquet files.")] = None,
    tolerance: Annotated[float, typer.Option(min=0.0, help="How far numbers may be apart; 0: the same bits.")] = 0.0,
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Calls received at or after, UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Calls received before, UTC.")] = None,
    against: Annotated[Path | None, typer.Option(help="Parquet or CSV file of scores made elsewhere.")] = None,
    key: Annotated[str, typer.Option(help="Its column of row keys.")] = "row_key",
    client_defaults: Annotated[
        list[Path] | None, typer.Option(help="A client's file of defaults, to be joined by request id; repeatable.")
    ] = None,
) -> None:
    """Score again what was logged, apart from the gateway, and compare row by row.

    Exit code 0 if all is equal, 1 if a row differs, 2 if something could not be re-scored.
    """
    try:
        if not math.isfinite(tolerance):
            raise typer.BadParameter("must be a finite number", param_hint="--tolerance")
        selection = Selection(model, _utc(since), _utc(until))
        files = tuple(client_defaults or ())
        summary = reconcile_log(Options(log, repository, selection, tolerance, output, against, key, files))
    except (BridgeError, OSError) as error:
        typer.echo(f"{error}", err=True)
        raise typer.Exit(NOT_RUN) from error
    summary.print(Console())
    if output is not None:
        joined = ", client_defaults.parquet" if client_defaults else ""
        typer.echo(f"written to {output}: report.html, differences.parquet, defaulted.parquet{joined}")
    raise typer.Exit(summary.exit_code)


def _utc(instant: datetime | None) -> datetime | None:
    return instant if instant is None or instant.tzinfo else instant.replace(tzinfo=UTC)
