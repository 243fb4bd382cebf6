"""`scorebridge reconcile`: compares the scores that were answered with the scores that the models give now."""

import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from bridge.cli.commands import sigterm_unwinds
from bridge.cli.json_output import Json, print_json
from bridge.cli.pythons_option import PythonsOf
from bridge.config import read_pythons
from bridge.errors import BridgeError
from bridge.events import RUN_BUG
from bridge.own_log import OwnLog
from bridge.prediction_log.selection import Selection
from bridge.reconcile.run import Options, reconcile_log
from bridge.reconcile.summary import NOT_RUN, Summary
from bridge.texts import printable

__all__ = ["RProgram", "reconcile"]

_ANY_WIDTH = 1_000_000  # columns: so wide that rich cuts no table

_TIME = "ISO 8601, UTC if it names no zone"

_log = OwnLog(__name__)

_RepositoryOption = Annotated[
    Path | None, typer.Option(help="The folder that holds the bundles of all models; not needed with --against.")
]
_ClientDefaultsOption = Annotated[
    list[Path] | None,
    typer.Option(help="File in which a client recorded the defaults it gave, joined by request id; repeatable."),
]
_TimeoutOption = Annotated[
    float | None, typer.Option(help="Seconds to score one call again; by default the limit of its version's workers.")
]


class RProgram(StrEnum):
    """What R models are scored again in. An enum, because the oldest typer that we take knows no literals."""

    EMBEDDED = "embedded"
    RSCRIPT = "rscript"


_ROption = Annotated[
    RProgram | None,
    typer.Option(
        "--r", help="R inside a Python process, by rpy2, or Rscript; by default embedded where rpy2 is there."
    ),
]


def reconcile(
    log: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the prediction log.", show_default=False)],
    *,
    repository: _RepositoryOption = None,
    output: Annotated[Path | None, typer.Option(help="Folder for the report and the Parquet files.")] = None,
    tolerance: Annotated[float, typer.Option(min=0.0, help="Allowed difference of numbers; 0: equal bits.")] = 0.0,
    model: Annotated[str | None, typer.Option(help="Only calls of this NAME or NAME/VERSION.")] = None,
    since: Annotated[str | None, typer.Option(help=f"Only calls at this time or later: {_TIME}.")] = None,
    until: Annotated[str | None, typer.Option(help=f"Only calls before this time: {_TIME}.")] = None,
    against: Annotated[Path | None, typer.Option(help="Parquet or CSV file of scores made elsewhere.")] = None,
    key: Annotated[str, typer.Option(help="The column of row keys in the file of --against.")] = "row_key",
    client_defaults: _ClientDefaultsOption = None,
    timeout: _TimeoutOption = None,
    r: _ROption = None,
    config: PythonsOf = None,
    as_json: Json = False,
) -> None:
    """Score the logged calls again, independently of the gateway, and compare the scores row by row.

    Exit code 0 if all scores are equal, 1 if a row differs, 2 if something could not be scored again.
    """
    _check_numbers(tolerance, timeout)
    try:
        selection = Selection.parse(since, until, model)
        given = log, repository, selection, tolerance, output, against, key, tuple(client_defaults or ()), timeout
        summary = _run(Options(*given, r=_way(r), pythons=read_pythons(config)))
        _print(summary, output, as_json=as_json, joined=", client_defaults.parquet" if client_defaults else "")
    except (BridgeError, OSError) as error:
        typer.echo(printable(f"{error}"), err=True)
        raise typer.Exit(NOT_RUN) from error
    except Exception as error:
        # Python would end with exit code 1 here, which would say that a row differs.
        _say_bug(error)
        raise typer.Exit(NOT_RUN) from error
    raise typer.Exit(summary.exit_code)


def _way(r: RProgram | None) -> Literal["embedded", "rscript"] | None:
    return None if r is None else "embedded" if r is RProgram.EMBEDDED else "rscript"


def _say_bug(error: Exception) -> None:
    _log.say(RUN_BUG, bug=error, kind="reconcile")
    typer.echo(f"reconcile failed because of a bug in scorebridge ({type(error).__name__}): please report it", err=True)


def _check_numbers(tolerance: float, timeout: float | None) -> None:
    if not math.isfinite(tolerance):
        raise typer.BadParameter("must be a finite number", param_hint="--tolerance")
    if timeout is not None and not 0 < timeout < math.inf:
        raise typer.BadParameter("must be a positive, finite number of seconds", param_hint="--timeout")


def _run(options: Options) -> Summary:
    with sigterm_unwinds():
        return reconcile_log(options)


class _Terminal(Console):
    """A console whose process ends with exit code 2 where the program that reads its output has ended."""

    def on_broken_pipe(self) -> None:
        try:
            super().on_broken_pipe()
        except SystemExit as error:  # rich exits with 1, the code of a difference
            raise SystemExit(NOT_RUN) from error


def _print(summary: Summary, output: Path | None, *, as_json: bool, joined: str) -> None:
    if as_json:
        print_json(summary.listing())
        return
    console = _Terminal(width=_ANY_WIDTH)
    summary.print(console)
    if output is not None:
        files = f"report.html, differences.parquet, defaulted.parquet{joined}"
        console.print(f"written to {output}: {files}", markup=False, highlight=False, soft_wrap=True)
