"""Exports a log as rows for other programs: JSON lines or Elasticsearch's bulk form; `parquet` writes Parquet."""

import contextlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from bridge.errors import BridgeError
from bridge.prediction_log.reader import Damage, Entry
from bridge.prediction_log.rows import read_call, rows_of
from bridge.prediction_log.search_documents import index_suffix, row_documents
from bridge.prediction_log.search_template import SearchEngine, index_template
from bridge.prediction_log.selection import LogPass, Selection, selected
from bridge.whole import whole_or_nothing

__all__ = ["ExportFailed", "Exported", "Format", "export_lines", "new_file", "require_new"]

_INDEX = "scorebridge-predictions"
_TEMPLATES = {SearchEngine.ELASTICSEARCH: ".template.json", SearchEngine.OPENSEARCH: ".opensearch-template.json"}


class ExportFailed(BridgeError):
    """The output exists already, or its folder or a package that the export needs is missing."""

    reason = "EXPORT_FAILED"


class Format(StrEnum):
    """The forms in which a log can be exported."""

    JSONL = "jsonl"
    ELASTICSEARCH = "elasticsearch"
    PARQUET = "parquet"


@dataclass
class Exported:
    """The result of an export.

    Attributes:
        calls: the number of calls that were written.
        rows: the number of rows that were written.
        paths: the files that were written.
        left_out: the number of values of refused calls that no column could hold; Parquet only.
        damages: the damaged parts of the log that were skipped.
    """

    calls: int = 0
    rows: int = 0
    paths: list[Path] = field(default_factory=list)
    left_out: int = 0
    damages: list[Damage] = field(default_factory=list)


def export_lines(
    folder: Path,
    form: Format,
    output: Path,
    selection: Selection,
    on_bytes: Callable[[int], None] = lambda _: None,
) -> Exported:
    """Writes one file of JSON lines, or one of bulk actions with its index templates beside it.

    The template for Elasticsearch is in OUTPUT.template.json, that for OpenSearch in OUTPUT.opensearch-template.json.
    Only their owner can read the files. They must not exist, and get their names when they are complete. `on_bytes` is
    called now and then with the number of bytes of the log that were read since the last time.

    Raises:
        ExportFailed: the output exists already, or its folder does not.
        LogNotReadable: there is no log in the folder.
        OSError: the log can't be read, or the output not be written.
    """
    endings = _TEMPLATES if form is Format.ELASTICSEARCH else {}
    templates = {engine: output.with_name(output.name + ending) for engine, ending in endings.items()}
    done = Exported(paths=[output, *templates.values()])
    for path in done.paths:
        require_new(path)
    log = LogPass(folder, on_bytes)
    lines = _bulk_lines if templates else _json_lines
    with new_file(output) as target:
        for entry in selected(log.entries(), selection):
            done.calls += 1
            for line in lines(entry):
                target.write(line)
                done.rows += 1
        target.flush()  # a full disk must fail here, before a template gets its name
        _write_templates(templates)
    done.damages = log.damages
    return done


def _write_templates(paths: Mapping[SearchEngine, Path]) -> None:
    with contextlib.ExitStack() as files:  # all of them, or none
        for engine, path in paths.items():
            file = files.enter_context(new_file(path))
            file.write(json.dumps(index_template(engine, _INDEX), indent=2) + "\n")
            file.flush()


def require_new(output: Path) -> None:
    """Checks that an output does not exist and that its folder does: exports replace no file and make no folder.

    Raises:
        ExportFailed: the output exists, or its folder does not.
    """
    if os.path.lexists(output):
        raise ExportFailed(f"{output} exists already: remove it, or choose another output")
    if not output.parent.is_dir():
        raise ExportFailed(f"there is no folder {output.parent}: make it first")


@contextlib.contextmanager
def new_file(output: Path) -> Iterator[IO[str]]:
    """Opens a text file that only its owner can read; it gets its name at the end, and is removed after an error.

    Raises:
        ExportFailed: the output exists when the file is complete.
        OSError: the file can't be written.
    """
    with whole_or_nothing(output, require_new) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            yield file


def _json_lines(entry: Entry) -> Iterator[str]:
    for row in rows_of(read_call(entry.record)):
        finite = {name: _spelled(value) for name, value in row.items()}
        yield json.dumps(finite, allow_nan=False) + "\n"


def _spelled(value: Any) -> Any:
    """Returns an infinite number as the text "Infinity" or "-Infinity", which JSON needs; any other value unchanged."""
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _bulk_lines(entry: Entry) -> Iterator[str]:
    for identity, document in row_documents(entry):
        action = {"_index": f"{_INDEX}-{index_suffix(document)}", "_id": identity}
        yield json.dumps({"index": action}) + "\n" + json.dumps(document, allow_nan=False) + "\n"
