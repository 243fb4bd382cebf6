"""`scorebridge reconcile`: is what was answered what the models say?"""

import logging
import math
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bridge.cli.commands import sigterm_unwinds
from bridge.errors import BridgeError
from bridge.prediction_log.selection import Selection
from bridge.reconcile.run import Options, reconcile_log
from bridge.reconcile.summary import NOT_RUN, Summary
from bridge.texts import printable

__all__ = ["reconcile"]

_ANY_WIDTH = 1_000_000  # rich cuts a table to the width of its console

_log = logging.getLogger(__name__)

_ClientDefaultsOption = Annotated[
    list[Path] | None, typer.Option(help="A client's file of defaults, to be joined by request id; repeatable.")
]
_TimeoutOption = Annotated[
    float | None, typer.Option(help="Seconds for one call to be scored again; else what its version's workers have.")
]


def reconcile(
    log: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the prediction log.", show_default=False)],
    *,
    repository: Annotated[Path | None, typer.Option(help="The folder of bundles; not needed with --against.")] = None,
    output: Annotated[Path | None, typer.Option(help="Folder for the report and the Parquet files.")] = None,
    tolerance: Annotated[float, typer.Option(min=0.0, help="How far numbers may be apart; 0: the same bits.")] = 0.0,
    model: Annotated[str | None, typer.Option(help="NAME or NAME/VERSION.")] = None,
    since: Annotated[str | None, typer.Option(help="Calls from then on: ISO 8601, UTC if it names no zone.")] = None,
    until: Annotated[str | None, typer.Option(help="Calls before then: ISO 8601, UTC if it names no zone.")] = None,
    against: Annotated[Path | None, typer.Option(help="Parquet or CSV file of scores made elsewhere.")] = None,
    key: Annotated[str, typer.Option(help="Its column of row keys.")] = "row_key",
    client_defaults: _ClientDefaultsOption = None,
    timeout: _TimeoutOption = None,
) -> None:
    """Score again what was logged, apart from the gateway, and compare row by row.

    Exit code 0 if all is equal, 1 if a row differs, 2 if something could not be re-scored.
    """
    _check_numbers(tolerance, timeout)
    files = tuple(client_defaults or ())
    try:
        selection = Selection.parse(since, until, model)
        summary = _run(Options(log, repository, selection, tolerance, output, against, key, files, timeout))
        _print(summary, output, joined=", client_defaults.parquet" if files else "")
    except (BridgeError, OSError) as error:
        typer.echo(printable(f"{error}"), err=True)
        raise typer.Exit(NOT_RUN) from error
    except Exception as error:
        # Exit code 1, which Python gives to what nobody expected, says that a row differs.
        _log.exception("reconcile failed by a fault of its own")
        typer.echo(f"reconcile failed by a fault of its own ({type(error).__name__}): please report it", err=True)
        raise typer.Exit(NOT_RUN) from error
    raise typer.Exit(summary.exit_code)


def _check_numbers(tolerance: float, timeout: float | None) -> None:
    if not math.isfinite(tolerance):
        raise typer.BadParameter("must be a finite number", param_hint="--tolerance")
    if timeout is not None and not 0 < timeout < math.inf:
        raise typer.BadParameter("must be a positive, finite number of seconds", param_hint="--timeout")


def _run(options: Options) -> Summary:
    with sigterm_unwinds():
        return reconcile_log(options)


class _Terminal(Console):
    """Prints to the end of a pipe, too, whose reader has left."""

    def on_broken_pipe(self) -> None:
        try:
            super().on_broken_pipe()
        except SystemExit as error:  # with the exit code of a difference
            raise SystemExit(NOT_RUN) from error


def _print(summary: Summary, output: Path | None, joined: str) -> None:
    console = _Terminal(width=_ANY_WIDTH)
    summary.print(console)
    if output is not None:
        files = f"report.html, differences.parquet, defaulted.parquet{joined}"
        console.print(f"written to {output}: {files}", markup=False, highlight=False, soft_wrap=True)
