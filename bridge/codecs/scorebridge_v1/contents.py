"""Counts what a ScoreRequest holds, on its bytes, before any object is built of it.

A message of 4 MiB can hold a million columns or two million texts, each of which would become an object. A walk over
tags and lengths counts them, and stops as soon as a limit is passed. It goes into the four levels that the message has,
and no deeper; bytes that it can't follow are not a ScoreRequest.
"""

from bridge.codecs.protobuf import MOST_LENGTH, MOST_VARINT, NotAMessage, read_fields, read_varint, varint
from bridge.codecs.scorebridge_v1.bounds import MOST_LABELS, UNREADABLE, Bounds, check_labels, check_text, too_many
from bridge.codecs.scorebridge_v1.shapes import Contents
from bridge.codecs.walk import FEW_STEPS, Walk

__all__ = ["count_contents"]

_HARMLESS_BYTES = 64 << 10  # of ASCII alone: the length of a text above 127 bytes begins with a byte that is not ASCII
_SMALL_COLUMN_BYTES = 1024  # a column of this size can't hold a name that is too long
_RUN, _RUN_FROM_BYTES = 1024, 16 << 10
_CONTINUES = 0x80  # a byte of at least this value is not the last one of its number
_CONTINUED = bytes(range(_CONTINUES, 0x100))

# Tags: the number of a field of scoring.proto and how it is written.
_REQUEST_ID, _MODEL, _BATCH_ID = 0x0A, 0x12, 0x4A
_MATRIX, _TABLE, _ROW_KEY, _LABEL = 0x22, 0x2A, 0x32, 0x52
_MATRIX_COLUMN, _MATRIX_ROWS, _MATRIX_DOUBLES, _MATRIX_FLOATS = 0x0A, 0x10, 0x1A, 0x22
_COLUMN, _NAME, _STRINGS, _BOOLS = 0x0A, 0x0A, 0x32, 0x3A
_MISSING, _MISSING_ONE = 0x42, 0x40
_VALUE_BYTES = {0x12: 8, 0x1A: 4, 0x22: 4, 0x2A: 8, _BOOLS: 1}  # doubles, floats, int32s, int64s
_ONE_VALUE = {8: 0x09, 4: 0x0D, 1: 0x08}  # the tag of a single, unpacked value, by its bytes
_PACKED, _LABEL_PARTS = 0x0A, (0x0A, 0x12)


def count_contents(request: bytes, bounds: Bounds, *, few: bool) -> Contents | None:
    """Counts what a message holds, without building any object of it.

    Args:
        request: the bytes of a ScoreRequest.
        bounds: how much it may hold.
        few: give up after 4096 steps, about half a millisecond, so that the event loop is not held longer.

    Returns:
        The counts; None if it gave up.

    Raises:
        InvalidRequest: the message holds more than it may (the error names the limit), or is not a ScoreRequest.
    """
    walk = _Walk(request, bounds, few=few)
    return Contents(walk.columns, walk.items, tuple(walk.numbers)) if walk.counts(UNREADABLE) else None


class _Walk(Walk):
    """One walk over a request, with its counts so far; messages that protobuf would merge are counted together."""

    def __init__(self, raw: bytes, bounds: Bounds, *, few: bool) -> None:
        super().__init__(raw, bounds, few=few)
        self._rows = bounds.rows  # the rows of the batch, once its first column was counted
        self._keys = self._labels = self._features = 0
        self._merged = self._others_follow = False
        self.numbers: list[tuple[int, int]] = []

    def request(self) -> None:
        """Counts the whole request."""
        at, end = 0, len(self._raw)
        while at < end:
            at = self._fields_to_row_keys(at, end)

    def _fields_to_row_keys(self, at: int, end: int) -> int:
        """Counts the fields up to the next row keys, and these in one go; returns the place behind them."""
        for tag, begin, behind in read_fields(self._raw, at, end):
            self._step(1)
            if tag != _ROW_KEY:
                self._field(tag, begin, behind)
                continue
            check_text("a row key", behind - begin)
            return end if self._is_harmless(self._raw[begin:]) else self._row_keys(behind, end)
        return end

    def _is_harmless(self, rest: bytes) -> bool:
        """Whether the rest of the request needs no counting.

        Then it is short enough for protobuf to read its row keys quickly, and has no long text, no features and not too
        many labels.
        """
        if len(rest) > _HARMLESS_BYTES or not rest.isascii():
            return False
        return rest.count(_LABEL) + self._labels <= MOST_LABELS and _MATRIX not in rest and _TABLE not in rest

    def _field(self, tag: int, begin: int, end: int) -> None:
        if tag in (_MATRIX, _TABLE):
            if tag != self._features:
                self._features, self._rows, self.columns = tag, self._bounds.rows, 0  # protobuf keeps the last one
                self._merged = False
            else:
                self._merged = True
                self._other()
            (self._matrix if tag == _MATRIX else self._table)(begin, end)
        elif tag == _LABEL:
            self._labels += 1
            check_labels(self._labels)
            self._label(begin, end)
        else:
            if tag in (_MODEL, _BATCH_ID, _REQUEST_ID):
                check_text("an id or the name of the model", end - begin)
            self._other()

    def _row_keys(self, at: int, end: int) -> int:
        self._keys += 1
        most = self._bounds.rows if self._others_follow else self._rows
        count, at = self._texts(at, end, _ROW_KEY, most + 1 - self._keys, "a row key")
        self._keys += count
        self.items += count
        if self._keys > most:
            rest = self._raw[at:]
            if self._others_follow or (_MATRIX not in rest and _TABLE not in rest):
                raise too_many("row_keys", most)
            self._others_follow = True  # protobuf keeps the last features, which may have more rows
        return at

    def _texts(self, at: int, end: int, tag: int, most: int, what: str = "") -> tuple[int, int]:
        """Counts texts that follow one another, up to `most`, and returns the count and the place behind them.

        It has a loop of its own, as there may be a million of them.
        """
        raw, count = self._raw, 0
        allowed = min(most, self._steps)
        if self._steps > FEW_STEPS and end - at > _RUN_FROM_BYTES:
            count, at = self._equal_texts(at, end, tag, allowed)
        while at < end and raw[at] == tag and count < allowed:
            length = raw[at + 1]
            at += 2
            if length >= _CONTINUES:
                length, at = read_varint(raw, at - 1, MOST_LENGTH)
                if what:
                    check_text(what, length)
            at += length
            count += 1
        if at > end:
            raise NotAMessage("it ends within a field")
        self._step(count)
        return count, at

    def _equal_texts(self, at: int, end: int, tag: int, most: int) -> tuple[int, int]:
        """Counts texts of one length below 128 bytes that follow one another, 1024 at a time; see `_texts`."""
        length = self._raw[at + 1]
        step, count = 2 + length, 0
        if self._raw[at] != tag or length >= _CONTINUES:
            return 0, at
        tags, lengths = bytes((tag,)) * _RUN, bytes((length,)) * _RUN
        while count + _RUN <= most and at + _RUN * step <= end:
            behind = at + _RUN * step
            if self._raw[at:behind:step] != tags or self._raw[at + 1 : behind : step] != lengths:
                break
            count, at = count + _RUN, behind
        return count, at

    def _label(self, begin: int, end: int) -> None:
        for tag, first, last in read_fields(self._raw, begin, end):
            if tag in _LABEL_PARTS:
                check_text("a label", last - first)
            self._other()

    def _matrix(self, begin: int, end: int) -> None:
        rows = values = 0
        names, begin = self._texts(begin, end, _MATRIX_COLUMN, self._bounds.columns + 1 - self.columns, "a name")
        self._add_columns(names)
        for tag, first, last in read_fields(self._raw, begin, end):
            self._step(1)
            if tag == _MATRIX_COLUMN:
                self._add_columns(1)
                check_text("a name", last - first)
            elif tag == _MATRIX_ROWS:
                rows, _ = read_varint(self._raw, first, MOST_VARINT)
                self._other()
            elif tag in (_MATRIX_DOUBLES, _MATRIX_FLOATS):
                self._other()
                values += self._array(first, last, 8 if tag == _MATRIX_DOUBLES else 4, len(self._raw))
            else:
                self._other()
        # If the matrix is merged from several, or has fewer values than rows, its number of rows is not known yet.
        known = not self._merged and rows <= values
        self._rows = min(rows, self._bounds.rows) if known else self._bounds.rows

    def _table(self, begin: int, end: int) -> None:
        raw = self._raw
        head, numbers = b"", 0
        for tag, first, last in read_fields(raw, begin, end):
            self._step(1)
            if tag != _COLUMN:
                self._other()
                continue
            self._add_columns(1)
            values = first + 2 + raw[first + 1] if last - first > 1 else last
            if head and last - values == numbers and raw[first] == _NAME and raw.startswith(head, values):
                self.numbers.append((values + len(head), last))
                continue  # of the same form as the column before it: the columns of a batch have one length
            if last - first <= _SMALL_COLUMN_BYTES and self.columns > 1:
                texts = values < last and raw[values] not in _VALUE_BYTES
                self.items += last - first >> (1 if texts else 4)
                continue
            rows = self._column(first, last)
            if self.columns == 1:
                self._rows = min(rows, self._rows)
            head, numbers = self._head(values, last, rows), last - values

    def _head(self, at: int, end: int, rows: int) -> bytes:
        """Returns the bytes before the numbers of a column that holds only numbers; empty if it holds anything else."""
        size = _VALUE_BYTES.get(self._raw[at]) if at < end else None
        if not size or size == 1:
            return b""
        inner = b"\x0a" + varint(rows * size)
        head = self._raw[at : at + 1] + varint(len(inner) + rows * size) + inner
        return head if len(head) + rows * size == end - at and self._raw.startswith(head, at) else b""

    def _add_columns(self, count: int) -> None:
        self.columns += count
        if self.columns > self._bounds.columns:
            raise too_many("columns", self._bounds.columns)

    def _column(self, begin: int, end: int) -> int:
        """Counts a column, and returns how many values it has."""
        rows = missing = seen = values = 0
        for tag, first, last in read_fields(self._raw, begin, end):
            self._step(1)
            if tag == _NAME:
                check_text("a name", last - first)
            elif tag == _STRINGS or tag in _VALUE_BYTES:
                rows, values = (rows if tag == values else 0), tag  # equal kinds are merged, else the last one counts
                size = _VALUE_BYTES.get(tag)
                rows += self._array(first, last, size, self._rows) if size else self._strings(first, last)
            elif tag in (_MISSING, _MISSING_ONE):
                missing += 1 if tag == _MISSING_ONE else len(self._raw[first:last].translate(None, _CONTINUED))
                self.items += last - first or 1
                if missing > self._rows:
                    raise too_many("missing rows of a column", self._rows)
                if tag == _MISSING_ONE:
                    continue
            seen += 1
            if seen > 3:  # a name, values, and missing rows  # noqa: PLR2004
                self._other()
        return rows

    def _strings(self, at: int, end: int) -> int:
        count, at = self._texts(at, end, _PACKED, self._rows + 1)
        self.items += count
        if count > self._rows:
            raise too_many("values of a column", self._rows)
        for tag, _, _ in read_fields(self._raw, at, end):
            count += tag == _PACKED
            self._other()
        return count

    def _array(self, begin: int, end: int, size: int, most: int) -> int:
        """Counts an array message, and returns how many numbers it holds."""
        count = fields = 0
        plain = True
        for tag, first, last in read_fields(self._raw, begin, end):
            self._step(1)
            if tag == _ONE_VALUE[size]:
                count += 1
                plain = False
            else:
                if tag == _PACKED:
                    count += (last - first) // size
                    if size > 1:
                        self.numbers.append((first, last))
                fields += 1
                if fields > 1 or (size == 1 and not self._raw[first:last].isascii()):
                    plain = False
                    self._other()
            if count > most:
                raise too_many("values of a column", most)
        if not plain:
            self.items += count
        return count
