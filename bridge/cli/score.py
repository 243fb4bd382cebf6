"""`scorebridge score`: has a gateway score the rows of a CSV file in one call."""

import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scorebridge import Feature, ModelDetail, Scores, ScoringClient, ScoringError

from bridge.cli.commands import CommandFailed
from bridge.cli.csv_batch import MARKS, CsvBatch, Echo, read_batch
from bridge.cli.gateway_options import GatewayOptions
from bridge.row_files.csv_cells import Cell, format_cells
from bridge.row_files.csv_dialect import Dialect
from bridge.row_files.csv_file import CsvFile, read_csv
from bridge.row_files.csv_text import TextError
from bridge.texts import printable
from bridge.whole import whole_or_nothing

__all__ = ["score_csv"]


def score_csv(
    gateway: GatewayOptions,
    model: str,
    source: Path,
    target: Path,
    *,
    timeout_s: float | None = None,
    default: float | None = None,
    partial: bool = False,
    version: int = 0,
    dialect: Dialect | None = None,
    echo: Echo | None = None,
) -> str:
    """Scores a CSV file in one call, writes the scores to another one, and returns a summary in one sentence.

    The output has a row for each input row, in order: the columns to copy, the model's outputs, `source` (MODEL,
    DEFAULT, or FAILED for a row that `partial` left without scores) and `reason`. It is written in UTF-8 with commas
    and decimal points, whatever the input's dialect is, and replaces `target` only when it is complete.

    Raises:
        CommandFailed: `source` is no CSV of the model's features, `target` can't be written, or the gateway refused
            the call; messages count rows as a spreadsheet does.
        OSError: `source` can't be read.
    """
    if target.exists() and target.samefile(source):
        raise CommandFailed(f"--output {target} is the input file: name another file for the scores")
    echo = echo or Echo()
    with _refusals_of(source):
        file = read_csv(source, dialect or Dialect())
    with gateway.client() as client, _refusals_of(source):
        batch = _batch(client, model, version, file, echo)
        answer = _scored(client, model, batch, timeout_s=timeout_s, default=default, partial=partial, version=version)
        echo.check(list(answer.columns))
    _write(target, format_cells(_result(answer, batch.echoed)).encode())
    return _told(answer)


@contextmanager
def _refusals_of(source: Path) -> Iterator[None]:
    try:
        yield
    except TextError as error:
        raise CommandFailed(f"{source}: {printable(error.in_full())}") from error


def _batch(client: ScoringClient, model: str, version: int, file: CsvFile, echo: Echo) -> CsvBatch:
    """Returns the file's rows as the version that will score them takes them.

    While the gateway knows no such version, the features are unknown: every column is sent except those to copy.
    """
    try:
        details = client.model(model, version)
    except ScoringError as error:
        raise CommandFailed(f"{error.reason}: {error}") from error
    detail = next((one for one in details if version or one.version.serving), None)
    echo.check([output.name for output in detail.outputs] if detail else [])
    return read_batch(file, () if detail is None else (*detail.features, *_keys(detail)), echo)


def _keys(detail: ModelDetail) -> list[Feature]:
    """Returns the columns of keys by which the gateway looks features up, as text: a key such as 007 is no number."""
    names = {feature.name for feature in detail.features}
    keys = dict.fromkeys(one.key for one in detail.lookups if one.key not in names)
    return [Feature(name, "STRING", (), required=False, ordered=False, unknown_level="") for name in keys]


def _scored(client: ScoringClient, model: str, batch: CsvBatch, **call: Any) -> Scores:
    try:
        return client.score(model, batch.columns, row_keys=batch.keys, **call)
    except ScoringError as error:
        raise CommandFailed(f"{error.reason}: {batch.in_rows_of_the_file(str(error))}") from error
    except ValueError as error:
        raise TextError(batch.in_rows_of_the_file(str(error))) from error


def _told(answer: Scores) -> str:
    defaulted, failed = int(answer.defaulted.sum()), int(answer.failed.sum())
    said = f"{answer.rows} rows by {answer.model}/{answer.version}, {defaulted} of them with the default score"
    return f"{said}, {failed} without a score" if failed else said


def _write(target: Path, content: bytes) -> None:
    """Writes the content whole or not at all; a target that is no file, such as a pipe, is written into directly."""
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(content)
            return
        with whole_or_nothing(target.resolve()) as partial:
            partial.touch(stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o666)
            partial.write_bytes(content)
    except OSError as error:
        raise CommandFailed(f"{target}: {error.strerror}") from error


def _result(answer: Scores, echoed: Mapping[str, Sequence[Cell]]) -> Iterable[list[Cell]]:
    yield [Cell(name, quoted=True) for name in (*echoed, *answer.columns, *MARKS)]
    columns = [values.tolist() for values in answer.columns.values()]
    failed = answer.failed.tolist()
    for row, reason in enumerate(answer.reasons):
        marks = ["MODEL" if reason is None else "FAILED" if failed[row] else "DEFAULT", reason or ""]
        yield [
            *(cells[row] for cells in echoed.values()),
            *(Cell.of(values[row]) for values in columns),
            *(Cell.of(mark) for mark in marks),
        ]
