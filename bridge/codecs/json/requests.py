"""Reads the body of POST /v1/models/{model}:score."""

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from scorebridge.v1 import scoring_pb2 as pb

from bridge.codecs.json.columns import read_columns, read_rows
from bridge.codecs.json.documents import Members, name_text, read_document, said
from bridge.codecs.json.runs import Shape
from bridge.codecs.scorebridge_v1.bounds import Bounds, check_labels, check_text, too_many
from bridge.columns import Table
from bridge.errors import InvalidRequest

__all__ = ["FIELDS", "ScoreBody", "read_body"]

FIELDS = (
    *("columns", "rows", "request_id", "row_keys", "default_score", "default_policy", "partial", "batch_id", "labels"),
    "ignore_extra",
)
_IN_PATH = ("model", "version")
_POLICIES = tuple(pb.DefaultPolicy.keys())
_UNSPECIFIED = "DEFAULT_POLICY_UNSPECIFIED"
_DEPTH = 3  # the body, its columns or rows, and what these hold
_SPARE = 8
_MOST_ROW_OBJECTS = 100_000  # for more rows, columns: Python's own collector would go over so many objects
_MOST_VALUES = 8 << 20
_MOST_NAME = 64  # characters of an unknown field that is compared with the known ones


@dataclass(frozen=True, slots=True)
class ScoreBody:
    """What a request's body holds; its rows are built when they are asked for.

    Attributes:
        rows: what holds the rows: an object of arrays, or an array of objects.
        escaped: whether texts may hold NUL or halves of surrogate pairs.
    """

    rows: Members | list[Any]
    escaped: bool
    request_id: str = ""
    row_keys: list[str] = field(default_factory=list)
    default_score: float | None = None
    default_policy: str = _UNSPECIFIED
    partial: bool = False
    batch_id: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    ignore_extra: bool = False

    def table(self) -> Table:
        """Builds the rows.

        Raises:
            InvalidRequest: they are not well formed; the message names column and row.
        """
        read: Any = read_columns if isinstance(self.rows, Members) else read_rows
        table: Table = read(self.rows, escaped=self.escaped)
        return table


def read_body(raw: bytes, bounds: Bounds) -> ScoreBody:
    """Reads a body, all but the values of its rows.

    Args:
        raw: the bytes of the body.
        bounds: how much it may hold.

    Raises:
        InvalidRequest: it is not JSON, holds more than it may, or a field is unknown or none that it may be.
    """
    objects = min(bounds.rows, _MOST_ROW_OBJECTS) + _SPARE
    shape = Shape(bounds.columns + _SPARE, objects, _MOST_VALUES, _DEPTH)
    value, escaped = read_document(raw, shape)
    if not isinstance(value, Members):
        raise InvalidRequest(f"the body is {said(value)}: it must be an object with 'columns' or 'rows'")
    given = {name: one for name, one in zip(*value, strict=True) if one is not None}
    for name in value.names:
        if name not in FIELDS:
            raise _unknown(name)
    fields = _Fields(given)
    return ScoreBody(
        rows=_rows(given, bounds),
        escaped=escaped,
        request_id=fields.text("request_id"),
        row_keys=fields.texts("row_keys", bounds.rows),
        default_score=fields.number("default_score"),
        default_policy=fields.policy("default_policy"),
        partial=fields.flag("partial"),
        batch_id=fields.text("batch_id"),
        labels=fields.labels("labels"),
        ignore_extra=fields.flag("ignore_extra"),
    )


def _rows(given: dict[str, Any], bounds: Bounds) -> Members | list[Any]:
    """Returns what holds the rows, if it is there once and not too large."""
    columns: Any = given.get("columns")
    rows: Any = given.get("rows")
    if (columns is None) == (rows is None):
        raise InvalidRequest(f"the body must have 'columns' or 'rows', and has {'neither' if rows is None else 'both'}")
    if rows is not None:
        if not isinstance(rows, list):
            raise InvalidRequest(f"'rows' is {said(rows)}: it must be an array of objects")
        if len(rows) > bounds.rows:
            raise too_many("rows", bounds.rows)
        names = rows[0].names if rows and isinstance(rows[0], Members) else ()
    elif isinstance(columns, Members):
        names = columns.names
    else:
        raise InvalidRequest(f"'columns' is {said(columns)}: it must be an object of arrays")
    if len(names) > bounds.columns:
        raise too_many("columns", bounds.columns)
    for name in names:
        check_text("the name of a column", len(name.encode()))
    found: Members | list[Any] = columns if rows is None else rows
    return found


class _Fields:
    """The fields of a body beside its rows, checked for their types; a field that is null is as one that is absent."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._given = given

    def text(self, name: str) -> str:
        found = self._given.get(name, "")
        if not isinstance(found, str):
            raise _wrong(name, found, "text")
        return _checked(f"'{name}'", found)

    def texts(self, name: str, most: int) -> list[str]:
        found = self._given.get(name, [])
        if not isinstance(found, list):
            raise _wrong(name, found, "an array of texts")
        if len(found) > most:
            raise too_many(name, most)
        for row, text in enumerate(found):
            if not isinstance(text, str):
                raise InvalidRequest(f"'{name}', row {row} is {said(text)}: it must be text, so put it in quotes")
            _checked(f"'{name}', row {row}", text)
        return found

    def labels(self, name: str) -> dict[str, str]:
        found = self._given.get(name, Members((), ()))
        if not isinstance(found, Members):
            raise _wrong(name, found, "an object of texts")
        check_labels(len(found.names))
        for label, text in zip(*found, strict=True):
            _checked(f"the name of a label in '{name}'", label)
            if not isinstance(text, str):
                raise InvalidRequest(f"label {name_text(label)} is {said(text)}: it must be text")
            _checked(f"label {name_text(label)}", text)
        return dict(zip(*found, strict=True))

    def flag(self, name: str) -> bool:
        found = self._given.get(name, False)
        if not isinstance(found, bool):
            raise _wrong(name, found, "true or false")
        return found

    def number(self, name: str) -> float | None:
        found = self._given.get(name)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise _wrong(name, found, "a number")
        try:
            number = float(found)
        except OverflowError:
            number = float("inf")
        if abs(number) == float("inf") or number != found:
            raise InvalidRequest(f"'{name}' is a number that no double holds")
        return number

    def policy(self, name: str) -> str:
        found = self._given.get(name, _UNSPECIFIED)
        if not isinstance(found, str) or found not in _POLICIES:
            raise InvalidRequest(f"'{name}' must be one of {', '.join(_POLICIES)}")
        return found


def _checked(what: str, text: str) -> str:
    """Returns a text, if it is not too long and can be written in UTF-8."""
    try:
        check_text(what, len(text.encode()))
    except UnicodeEncodeError:
        raise InvalidRequest(f"{what} holds half of a surrogate pair") from None
    return text


def _wrong(name: str, found: Any, expected: str) -> InvalidRequest:
    return InvalidRequest(f"'{name}' is {said(found)}: it must be {expected}")


def _unknown(name: str) -> InvalidRequest:
    if name in _IN_PATH:
        return InvalidRequest(f"'{name}' does not belong into the body: it is in the path")
    likely = get_close_matches(name[:_MOST_NAME], FIELDS, 1)
    meant = f"did you mean '{likely[0]}'?" if likely else f"known are {', '.join(FIELDS)}"
    return InvalidRequest(f"the body has an unknown field {name_text(name)}: {meant}")
