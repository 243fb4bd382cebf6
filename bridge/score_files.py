"""What the command line asks a gateway: scoring a CSV file, listing models."""

import json
import os
import stat
from collections.abc import Iterable, Sequence
from datetime import UTC
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable
from scorebridge import Scores, ScoringClient, ScoringError
from scorebridge.v1 import scoring_pb2 as pb

from bridge.columns import Array, Column, Type
from bridge.csv_cells import Cell, CellError, column_names, format_cells, parse_column, read_cells
from bridge.errors import BridgeError
from bridge.features import Feature
from bridge.model_messages import format_instant

__all__ = ["CommandFailed", "print_models", "score_csv", "toml_line"]

_WIDEST = 1000  # of a table for another program, in which one line is one version
# In the place of the client's own configuration, by which it waits for a gateway that serves.
_WHATEVER_ITS_HEALTH = [("grpc.service_config", "{}")]


class CommandFailed(BridgeError):
    """The gateway refused, or a file can't be used."""


def toml_line(feature: Feature) -> str:
    """A feature as a line of `[features]`."""
    key = json.dumps(feature.name, ensure_ascii=False)
    if feature.by_codes:
        return f'{key} = {{levels = "codes"}}'
    if not feature.levels:
        return f'{key} = "{feature.type}"'
    known = feature.levels if feature.type is Type.FACTOR else map(int, feature.levels)
    levels = json.dumps(list(known), ensure_ascii=False)
    return f'{key} = {{type = "{feature.type}", levels = {levels}{", ordered = true" if feature.ordered else ""}}}'


def print_models(url: str) -> None:
    """Prints a table of the versions that a gateway has, also while it serves none of them."""
    with ScoringClient(url, options=_WHATEVER_ITS_HEALTH) as client:
        try:
            versions = client.models()
        except ScoringError as error:
            raise CommandFailed(str(error)) from error
    table = RichTable("model", "version", "state", "backend", "digest", "reason", box=None)
    for version in versions:
        state = pb.VersionState.Name(version.state).removeprefix("VERSION_STATE_").lower().replace("_", " ")
        serving = " (serves)" if version.serving else ""
        until = f" until {format_instant(version.retry_at.ToDatetime(UTC))}" if version.HasField("retry_at") else ""
        table.add_row(
            version.model,
            str(version.version),
            state + serving + until + (", never scored" if version.never_scored else ""),
            version.backend,
            version.digest[:19],
            version.state_reason,
        )
    on_screen = Console(soft_wrap=True)
    (on_screen if on_screen.is_terminal else Console(width=_WIDEST)).print(table)


def score_csv(
    url: str,
    model: str,
    source: Path,
    target: Path,
    *,
    timeout_s: float | None = None,
    default: float | None = None,
    partial: bool = False,
    version: int = 0,
) -> str:
    """Scores a CSV file in one call; a sentence for the terminal.

    The output has a row for each input row, in order: the outputs, `source` (MODEL, DEFAULT or, where `partial` has
    left them empty, FAILED) and `reason`. It takes the place of what `target` held, once it is whole.

    Raises:
        CommandFailed: `source` is no CSV of the model's features, `target` can't be written, or the gateway refused.
        OSError: the file can't be read.
    """
    if target.exists() and target.samefile(source):
        raise CommandFailed(f"{target} is the input; the scores need a file of their own")
    rows = _read(source)
    with ScoringClient(url) as client:
        try:
            columns = _columns(rows, _features(client, model, version))
            answer = client.score(
                model, columns, timeout_s=timeout_s, default=default, partial=partial, version=version
            )
        except ScoringError as error:
            raise CommandFailed(f"{error.reason}: {error}") from error
        except ValueError as error:
            raise CommandFailed(f"{source}: {error}") from error
    _write(target, format_cells(_result(answer)).encode())
    return _told(answer)


def _features(client: ScoringClient, model: str, version: int) -> Sequence[pb.Feature]:
    """Of the version that will score; none while none serves."""
    details = client.model(model, version)
    return next((one.features for one in details if version or one.version.serving), ())


def _told(answer: Scores) -> str:
    defaulted, failed = int(answer.defaulted.sum()), int(answer.failed.sum())
    said = f"{answer.rows} rows by {answer.model}/{answer.version}, {defaulted} of them with the default score"
    return f"{said}, {failed} without a score" if failed else said


def _read(source: Path) -> list[list[Cell]]:
    try:
        rows = read_cells(source.read_bytes().decode("utf-8-sig"))
    except (UnicodeDecodeError, CellError) as error:
        raise CommandFailed(f"{source}: {error}") from error
    if not rows:
        raise CommandFailed(f"{source}: there is no header in it")
    return rows


def _columns(rows: list[list[Cell]], features: Iterable[pb.Feature]) -> dict[str, list[object] | Array]:
    types = {feature.name: feature.type for feature in features}
    columns: dict[str, list[object] | Array] = {}
    for position, name in enumerate(column_names(rows[0])):
        cells = [row[position] for row in rows[1:]]
        declared = types.get(name, pb.COLUMN_TYPE_UNSPECIFIED)
        columns[name] = _values(name, _type(declared, cells), cells)
    return columns


def _type(declared: int, cells: list[Cell]) -> Type:
    if declared != pb.COLUMN_TYPE_UNSPECIFIED:
        return Type[pb.ColumnType.Name(declared).removeprefix("COLUMN_TYPE_")]
    return Type.STRING if any(cell.quoted for cell in cells) else Type.DOUBLE


def _values(name: str, column_type: Type, cells: list[Cell]) -> list[object] | Array:
    if column_type in (Type.STRING, Type.FACTOR):
        # People's CSV files seldom quote their texts.
        return [None if cell.missing else cell.text for cell in cells]
    column: Column = parse_column(name, column_type, cells)
    if column.mask is None:
        return column.values
    return [None if absent else value for value, absent in zip(column.values.tolist(), column.mask, strict=True)]


def _write(target: Path, content: bytes) -> None:
    """All of it or nothing; what is no file, such as a pipe, can't be replaced and is written into."""
    file = target.resolve()
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(content)
            return
        partial.touch(stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o666)
        partial.write_bytes(content)
        partial.replace(file)
    except OSError as error:
        raise CommandFailed(f"{target}: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)


def _result(answer: Scores) -> Iterable[list[Cell]]:
    yield [Cell(name, quoted=True) for name in (*answer.columns, "source", "reason")]
    columns = [values.tolist() for values in answer.columns.values()]
    failed = answer.failed.tolist()
    for row, reason in enumerate(answer.reasons):
        marks = ["MODEL" if reason is None else "FAILED" if failed[row] else "DEFAULT", reason or ""]
        yield [*(Cell.of(values[row]) for values in columns), *(Cell.of(mark) for mark in marks)]
