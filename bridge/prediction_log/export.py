"""Exports a log as rows for other programs: JSON lines or Elasticsearch's bulk form; `parquet` writes Parquet."""

import contextlib
import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from bridge.errors import BridgeError
from bridge.prediction_log.lookups import LOOKED_UP, LOOKUP, OPERAND
from bridge.prediction_log.reader import Damage, Entry
from bridge.prediction_log.rows import INPUT, SCORE, read_call, rows_of
from bridge.prediction_log.selection import LogPass, Selection, selected
from bridge.whole import whole_or_nothing

__all__ = ["ExportFailed", "Exported", "Format", "export_lines", "new_file", "require_new"]

_INDEX = "scorebridge-predictions"
_LOOKUPS = (LOOKED_UP, OPERAND, LOOKUP)  # the groups of fields that only calls with lookups have
_GROUPS = (INPUT, *_LOOKUPS, SCORE)
_Row = dict[str, Any]


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
    """Writes one file of JSON lines, or one of bulk actions with its index template beside it (OUTPUT.template.json).

    Only their owner can read the files. They must not exist, and get their names when they are complete. `on_bytes` is
    called now and then with the number of bytes of the log that were read since the last time.

    Raises:
        ExportFailed: the output exists already, or its folder does not.
        LogNotReadable: there is no log in the folder.
        OSError: the log can't be read, or the output not be written.
    """
    template = output.with_name(f"{output.name}.template.json")
    bulk = form is Format.ELASTICSEARCH
    done = Exported(paths=[output, template] if bulk else [output])
    for path in done.paths:
        require_new(path)
    log = LogPass(folder, on_bytes)
    lines = _bulk_lines if bulk else _json_lines
    with new_file(output) as target:
        for entry in selected(log.entries(), selection):
            done.calls += 1
            for line in lines(entry):
                target.write(line)
                done.rows += 1
        if bulk:
            target.flush()  # a full disk must fail here, before the template gets its name
            _write_template(template)
    done.damages = log.damages
    return done


def _write_template(path: Path) -> None:
    with new_file(path) as file:
        file.write(json.dumps(_TEMPLATE, indent=2) + "\n")


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
    for row in rows_of(read_call(entry.record)):
        number = row["row"] or 0
        action = {"_index": _index(row), "_id": f"{entry.header.segment_id.hex()}-{entry.sequence}-{number}"}
        yield json.dumps({"index": action}) + "\n" + json.dumps(_document(row), allow_nan=False) + "\n"


def _index(row: _Row) -> str:
    """Returns the name of the model's index; each model has its own, as models differ in the types of their columns."""
    if not row["version"]:
        return f"{_INDEX}-no-version"
    # An index takes lower case, and none of \ / * ? " < > | , # : or blanks; percent signs are allowed.
    return f"{_INDEX}-{quote(row['model'], safe='').lower()}"


def _document(row: _Row) -> _Row:
    document: _Row = {"input": {}, "score": {}, "infinite": []}
    for name, value in row.items():
        group = next((prefix for prefix in _GROUPS if name.startswith(prefix)), "")
        target = document.setdefault(group.rstrip("."), {}) if group else document
        if isinstance(value, float) and math.isinf(value):
            document["infinite"].append(f"{name}={_spelled(value)}")
            value = None  # noqa: PLW2901 - Elasticsearch refuses a document with an infinite number
        target[name.removeprefix(group)] = value
    return document


_KEYWORD, _DOUBLE = {"type": "keyword"}, {"type": "double"}
_OBJECT = {"type": "object", "subobjects": False}  # a dot in a column's name is part of the name
_TEMPLATE = {
    "index_patterns": [f"{_INDEX}-*"],
    "template": {
        "settings": {"index.mapping.ignore_malformed": True, "index.mapping.total_fields.limit": 5000},
        "mappings": {
            "dynamic_templates": [
                {"numbers": {"match_mapping_type": "long", "path_match": "input.*", "mapping": _DOUBLE}},
                {"scores": {"match_mapping_type": "long", "path_match": "score.*", "mapping": _DOUBLE}},
                *(
                    {f"{prefix}numbers": {"match_mapping_type": "long", "path_match": f"{prefix}*", "mapping": _DOUBLE}}
                    for prefix in _LOOKUPS
                ),
                {"floats": {"match_mapping_type": "double", "mapping": _DOUBLE}},
                {"dates": {"match_mapping_type": "date", "path_match": "input.*", "mapping": _KEYWORD}},
                *(
                    {f"{prefix}dates": {"match_mapping_type": "date", "path_match": f"{prefix}*", "mapping": _KEYWORD}}
                    for prefix in _LOOKUPS
                ),
                {"texts": {"match_mapping_type": "string", "mapping": {"type": "keyword", "ignore_above": 8191}}},
            ],
            "properties": {
                **dict.fromkeys(("request_id", "row_key", "batch_id", "caller", "model", "digest"), _KEYWORD),
                **dict.fromkeys(("error_reason", "source", "reason", "infinite"), _KEYWORD),
                "row": {"type": "long"},
                "version": {"type": "long"},
                "status": {"type": "integer"},
                "cut": {"type": "boolean"},
                "suppressed": {"type": "long"},
                "total_s": _DOUBLE,
                "received_at": {"type": "date_nanos"},
                "labels": {"type": "flattened"},
                **{prefix.rstrip("."): _OBJECT for prefix in _GROUPS},
            },
        },
    },
}
