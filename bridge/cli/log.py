"""`scorebridge log`: verifies a prediction log, counts and shows its calls, exports its rows, ships them."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from bridge.cli.commands import CommandFailed, command, sigterm_unwinds
from bridge.cli.drift_listing import drift_listing, print_drift
from bridge.cli.json_output import Json, print_json
from bridge.cli.log_listing import call_listing, export_listing, stats_listing, verify_listing
from bridge.cli.log_ship import ship
from bridge.drift.measure import measure_log
from bridge.drift.references import find_references
from bridge.errors import BridgeError
from bridge.prediction_log.export import Exported, Format, export_lines
from bridge.prediction_log.parquet import export_parquet
from bridge.prediction_log.reader import Damage, Entry
from bridge.prediction_log.selection import LogPass, Selection, selected
from bridge.prediction_log.show import describe
from bridge.prediction_log.stats import By, Stats, print_stats
from bridge.prediction_log.verify import Verification, verify_pass

__all__ = ["CallNotFound", "app", "export", "show", "stats", "verify"]

_MOST_SKIPPED = 10
_PIPED_COLUMNS = 1 << 16  # without a terminal rich would fold lines at 80 columns, which other programs can't read

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Read and check a prediction log.")

_Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the prediction log.", show_default=False)]
_Since = Annotated[
    str | None, typer.Option(help="Only calls that came at this time or later: ISO 8601, UTC if it names no zone.")
]
_Until = Annotated[
    str | None, typer.Option(help="Only calls that came before this time: ISO 8601, UTC if it names no zone.")
]
_Model = Annotated[str | None, typer.Option(help="Only calls of this model or version: NAME or NAME/VERSION.")]

_Against = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|GOLDEN",
        help="Show instead how far features and scores have moved away from these rows: a CSV or Parquet file of "
        "training rows, a bundle, a golden.csv, or the word golden for the golden rows in the repository.",
    ),
]
_Repository = Annotated[
    Path | None, typer.Option(help="With --against: the folder of the versions that answered the calls.")
]

app.command("ship")(ship)


class CallNotFound(BridgeError):
    """The prediction log holds no call with the id that was asked for."""

    reason = "CALL_NOT_FOUND"


@command(app)
def verify(folder: _Folder, *, as_json: Json = False) -> None:
    """Check every byte of a prediction log.

    Exit code 1 if anything is wrong, except incomplete last records, which gateways leave that were killed.
    """
    with _progress("verify", folder, 1) as on_bytes:
        found = verify_pass(LogPass(folder, on_bytes))
    if as_json:
        print_json(verify_listing(found))
    else:
        _print_verification(found)
    if not found.ok:
        raise typer.Exit(1)


def _print_verification(found: Verification) -> None:
    for note in found.notes:
        typer.echo(f"note     {note}")
    for torn in found.torn_tails:
        typer.echo(f"torn     {torn}")
    for finding in found.findings:
        typer.echo(f"damaged  {finding}")
    typer.echo(f"{'ok' if found.ok else 'NOT OK'}: {found.records} records in {found.segments} segments")


@command(app)
def stats(
    folder: _Folder,
    *,
    since: _Since = None,
    until: _Until = None,
    model: _Model = None,
    by: Annotated[By, typer.Option(help="What the calls are counted by.")] = By.VERSION,
    against: _Against = None,
    repository: _Repository = None,
    as_json: Json = False,
) -> None:
    """Count calls, rows and default scores, and show how long calls took, by version or caller and by hour.

    With --against, show instead how far features and scores have moved away from reference rows.
    """
    selection = Selection.parse(since, until, model)
    if against is None and repository is not None:
        raise CommandFailed("--repository is where golden rows are looked for: it needs --against")
    if against is not None and by is not By.VERSION:
        raise CommandFailed("--against compares versions: leave out --by")
    if against is not None:
        _stats_against(folder, selection, against, repository, as_json=as_json)
        return
    found = Stats(by)
    with _progress("stats", folder, 1) as on_bytes:
        log = LogPass(folder, on_bytes)
        for entry in selected(log.entries(), selection):
            found.add(entry.record)
    if as_json:
        print_json(stats_listing(found, log.damages))
        return
    print_stats(found, _console())
    _say_skipped(log.damages)


def _stats_against(folder: Path, selection: Selection, against: str, repository: Path | None, *, as_json: bool) -> None:
    references = find_references(against, repository)
    with _progress("stats", folder, 1) as on_bytes:
        found = measure_log(folder, selection, references, on_bytes)
    if as_json:
        print_json(drift_listing(found))
        return
    print_drift(found, _console())
    _say_skipped(found.damages)


def _console() -> Console:
    console = Console()
    if not console.is_terminal:
        console.width = _PIPED_COLUMNS
    return console


@command(app)
def show(
    folder: _Folder,
    *,
    request_id: Annotated[str, typer.Option(help="The call's request id.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Print everything that is on record of the calls with a request id."""
    with _progress("show", folder, 1) as on_bytes:
        log = LogPass(folder, on_bytes)
        told: Callable[[Entry], Any] = call_listing if as_json else describe
        found = [told(entry) for entry in log.entries() if entry.record.request_id == request_id]
    if as_json:
        print_json(found)
    else:
        typer.echo("\n".join(found), nl=False)
    _say_skipped(log.damages)
    if not found:
        raise CallNotFound(f"no call in {folder} has the request id {request_id}")


@command(app)
def export(
    folder: _Folder,
    *,
    form: Annotated[Format, typer.Option("--format", help="The format of the output.", show_default=False)],
    output: Annotated[
        Path, typer.Option(help="The file to write, for parquet the folder to write; it must not exist yet.")
    ],
    since: _Since = None,
    until: _Until = None,
    model: _Model = None,
    as_json: Json = False,
) -> None:
    """Write the log's scores for other programs to read: one output row for each scored row."""
    selection = Selection.parse(since, until, model)
    with sigterm_unwinds():
        if form is Format.PARQUET:
            with _progress("export", folder, 2) as on_bytes:
                done = export_parquet(folder, output, selection, on_bytes)
        else:
            with _progress("export", folder, 1) as on_bytes:
                done = export_lines(folder, form, output, selection, on_bytes)
    if as_json:
        print_json(export_listing(done))
    else:
        _say_exported(done)


def _say_exported(done: Exported) -> None:
    for path in done.paths:
        typer.echo(str(path))
    typer.echo(f"{done.rows} rows of {done.calls} calls", err=True)
    if done.left_out:
        typer.echo(f"{done.left_out} values of refused calls were left out, because they fit no column", err=True)
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
    """Shows a progress bar on standard error, if that is a terminal.

    Yields a function to call with the number of bytes read since its last call.
    """
    if not sys.stderr.isatty():
        yield lambda _: None  # a disabled bar of rich 14 would still write an empty line
        return
    size = LogPass(folder).size * passes
    progress = Progress(
        *(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,  # else rich would send what we print to the bar's own stream
        redirect_stderr=False,
    )
    with progress:
        task = progress.add_task(title, total=size)
        yield lambda count: progress.advance(task, count)
