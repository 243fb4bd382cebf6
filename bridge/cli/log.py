"""`scorebridge log`: is a log whole, what is in it, and its rows for other programs."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from bridge.cli.commands import command, sigterm_unwinds
from bridge.errors import BridgeError
from bridge.prediction_log.export import Exported, Format, export_lines
from bridge.prediction_log.parquet import export_parquet
from bridge.prediction_log.reader import Damage
from bridge.prediction_log.selection import LogPass, Selection, selected
from bridge.prediction_log.show import describe
from bridge.prediction_log.stats import Stats, print_stats
from bridge.prediction_log.verify import verify_pass

__all__ = ["CallNotFound", "app", "export", "show", "stats", "verify"]

_MOST_SKIPPED = 10
_PIPED_COLUMNS = 1 << 16  # where rich sees no terminal it takes 80 columns, and folds what another program reads

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Read and check a prediction log.")

_Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the log.", show_default=False)]
_Since = Annotated[str | None, typer.Option(help="Calls from then on: ISO 8601, UTC if it names no zone.")]
_Until = Annotated[str | None, typer.Option(help="Calls before then: ISO 8601, UTC if it names no zone.")]
_Model = Annotated[str | None, typer.Option(help="NAME or NAME/VERSION.")]


class CallNotFound(BridgeError):
    """No call of that id is in the log."""

    reason = "CALL_NOT_FOUND"


@command(app)
def verify(folder: _Folder) -> None:
    """Check every byte of a log; exit 1 if more is wrong than the tail of a gateway that was killed."""
    with _progress("verify", folder, 1) as on_bytes:
        found = verify_pass(LogPass(folder, on_bytes))
    for note in found.notes:
        typer.echo(f"note     {note}")
    for torn in found.torn_tails:
        typer.echo(f"torn     {torn}")
    for finding in found.findings:
        typer.echo(f"damaged  {finding}")
    typer.echo(f"{'ok' if found.ok else 'NOT OK'}: {found.records} records in {found.segments} segments")
    if not found.ok:
        raise typer.Exit(1)


@command(app)
def stats(folder: _Folder, since: _Since = None, until: _Until = None, model: _Model = None) -> None:
    """Count calls, rows and default scores, and how long calls took, by version and hour."""
    selection = Selection.parse(since, until, model)
    found = Stats()
    with _progress("stats", folder, 1) as on_bytes:
        log = LogPass(folder, on_bytes)
        for entry in selected(log.entries(), selection):
            found.add(entry.record)
    console = Console()
    if not console.is_terminal:
        console.width = _PIPED_COLUMNS
    print_stats(found, console)
    _say_skipped(log.damages)


@command(app)
def show(folder: _Folder, request_id: Annotated[str, typer.Option(help="The call's id.", show_default=False)]) -> None:
    """Print all that is on record of one call, or of each that had this id."""
    with _progress("show", folder, 1) as on_bytes:
        log = LogPass(folder, on_bytes)
        found = [describe(entry) for entry in log.entries() if entry.record.request_id == request_id]
    typer.echo("\n".join(found), nl=False)
    _say_skipped(log.damages)
    if not found:
        raise CallNotFound(f"no call in {folder} has the id {request_id}")


@command(app)
def export(
    folder: _Folder,
    *,
    form: Annotated[Format, typer.Option("--format", help="What to write.", show_default=False)],
    output: Annotated[Path, typer.Option(help="The file, or the folder for parquet; must not exist.")],
    since: _Since = None,
    until: _Until = None,
    model: _Model = None,
) -> None:
    """Write one row for each scored row, for other programs to read."""
    selection = Selection.parse(since, until, model)
    with sigterm_unwinds():
        if form is Format.PARQUET:
            with _progress("export", folder, 2) as on_bytes:
                done = export_parquet(folder, output, selection, on_bytes)
        else:
            with _progress("export", folder, 1) as on_bytes:
                done = export_lines(folder, form, output, selection, on_bytes)
    _say_exported(done)


def _say_exported(done: Exported) -> None:
    for path in done.paths:
        typer.echo(str(path))
    typer.echo(f"{done.rows} rows of {done.calls} calls", err=True)
    if done.left_out:
        typer.echo(f"{done.left_out} values of refused calls fit no column and were left out", err=True)
    _say_skipped(done.damages)


def _say_skipped(damages: list[Damage]) -> None:
    for damage in damages[:_MOST_SKIPPED]:
        typer.echo(f"skipped {damage.count} bytes: {damage.segment.name} at {damage.offset}: {damage.reason}", err=True)
    if len(damages) > _MOST_SKIPPED:
        rest = damages[_MOST_SKIPPED:]
        count = sum(damage.count for damage in rest)
        typer.echo(f"skipped {count} bytes in {len(rest)} more places: `scorebridge log verify` lists them", err=True)


@contextlib.contextmanager
def _progress(title: str, folder: Path, passes: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, if a person looks at it; takes how many more bytes were read."""
    if not sys.stderr.isatty():
        yield lambda _: None  # a bar of rich 14 that is disabled still writes an empty line
        return
    size = LogPass(folder).size * passes
    progress = Progress(
        *(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,  # or rich would send what we print to the bar's own stream
        redirect_stderr=False,
    )
    with progress:
        task = progress.add_task(title, total=size)
        yield lambda count: progress.advance(task, count)
