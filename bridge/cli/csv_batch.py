"""What of a CSV file is sent to a gateway, and what of it comes back beside the scores."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import scorebridge

from bridge.cli.commands import CommandFailed
from bridge.codecs.scorebridge_v1.bounds import MOST_TEXT_BYTES
from bridge.columns import Array, Type
from bridge.errors import InvalidRequest
from bridge.features.binding import column_order
from bridge.features.feature import Feature
from bridge.row_files.csv_causes import header_cause, may_be_values
from bridge.row_files.csv_cells import Cell, CellError, column_names
from bridge.row_files.csv_columns import read_column
from bridge.row_files.csv_dialect import Dialect
from bridge.row_files.csv_file import CsvFile
from bridge.row_files.csv_text import TextError

__all__ = ["MARKS", "CsvBatch", "Echo", "read_batch"]

MARKS = ("source", "reason")  # behind the outputs of every scored file
_NO_KEY = ("", "NA", "\\N")

_Values = list[object] | Array


@dataclass(frozen=True, slots=True)
class Echo:
    """Columns of the input that the output has too.

    Attributes:
        key: its cells are the rows' keys; None if no column has them.
        keep: further ones.
    """

    key: str | None = None
    keep: Sequence[str] = ()

    @property
    def names(self) -> list[str]:
        """All of them, the key first."""
        return [*([] if self.key is None else [self.key]), *self.keep]

    def check(self, outputs: Sequence[str]) -> None:
        """The columns of the output differ in their names.

        Raises:
            CellError: they don't; it names the option.
        """
        names = self.names
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise CellError(f"column '{twice}' is named twice", "name it once, with --key or with --keep")
        if taken := next((name for name in names if name in (*outputs, *MARKS)), None):
            raise CellError(
                f"column '{taken}' would be there twice in the output, which has one of its own of that name",
                "rename it in the file",
            )


@dataclass(frozen=True, slots=True)
class CsvBatch:
    """The rows of a file, as a client sends them.

    Attributes:
        file: where they are from.
        columns: by feature, one value a row; None is missing.
        keys: one a row, or none at all.
        echoed: by name, the cells of the columns that the output has too.
    """

    file: CsvFile
    columns: dict[str, _Values]
    keys: list[str]
    echoed: dict[str, list[Cell]]

    def in_rows_of_the_file(self, sentence: str) -> str:
        """What a gateway or client says of rows, which they count from 0, with the rows' places in the file."""
        batch = re.match(r"rows (\d+) to (\d+) of the batch: ", sentence)
        first, rest = (int(batch[1]), sentence[batch.end() :]) if batch else (0, sentence)
        names = "|".join(map(re.escape, self.columns))
        told = re.sub(
            rf"^((?:[^ ']+: )?column '(?:{names})', )row (\d+)(?=:)", lambda at: at[1] + self._place(first, at[2]), rest
        )
        told = re.sub(
            r"( returned other outputs for )row (\d+) than for row 0$",
            lambda at: f"{at[1]}{self._place(first, at[2])} than for {self._place(first, '0')}",
            told,
        )
        if batch is None or told != rest:
            return told
        return f"{self._place(0, batch[1])} to {self._place(0, batch[2])}: {rest}"

    def _place(self, first: int, row: str) -> str:
        return self.file.place(first + int(row))


def read_batch(file: CsvFile, features: Sequence[scorebridge.Feature], echo: Echo) -> CsvBatch:
    """The columns that a model takes, each of its type, and those that are echoed.

    Args:
        file: the rows.
        features: of the model, in its order; none if they are not known, and then all columns but the echoed are sent.
        echo: what the output has too; the model gets it all the same where it takes such a column.

    Raises:
        TextError: a column is not there, not known to the model or there twice, or a cell is not of its type or no key.
        CommandFailed: a feature has a type that is not known here: the gateway is newer.
    """
    names = _names(file, features)
    for name in echo.names:
        if name not in names:
            raise CellError(f"column '{name}' is not there", _remedy_of_absent(file.dialect))
    known = {feature.name: feature for feature in features}
    sent = [name for name in names if name in known or name not in echo.names]
    if known:
        _check_names(names, sent, features, file.dialect)
    cells = {name: file.cells(position) for position, name in enumerate(names)}
    keys = [] if echo.key is None else _keys(echo.key, cells[echo.key], file)
    columns = {name: _values(name, known.get(name), cells[name], file) for name in sent}
    return CsvBatch(file, columns, keys, {name: cells[name] for name in echo.names})


def _remedy_of_absent(dialect: Dialect) -> str:
    if dialect.header:
        return "--key and --keep take names of the header, with their blanks and cases"
    return "without a header the columns have the names of the model's features"


def _names(file: CsvFile, features: Sequence[scorebridge.Feature]) -> list[str]:
    if file.header is not None:
        return column_names(file.header)
    names = [feature.name for feature in features]
    first = [cell.text for cell in file.rows[0].cells]
    if not names:
        raise TextError("without a header its columns have no names, and the model's features are not known")
    if len(first) != len(names):
        raise TextError(
            f"{file.place(0)}: it has {len(first)} cells, the model takes {len(names)} features",
            "without a header a file has all of them, in the model's order",
        )
    if set(first) == set(names):
        raise TextError(f"{file.place(0)}: it holds the features' names", "leave out --no-header")
    return names


def _check_names(
    names: Sequence[str], sent: Sequence[str], features: Sequence[scorebridge.Feature], dialect: Dialect
) -> None:
    known = [feature.name for feature in features]
    unknown = [name for name in sent if name not in known]
    cause = header_cause(names, unknown, known, dialect.separator) if unknown else ""
    if unknown and may_be_values(sent, unknown):
        count = len(sent) - len(unknown)
        raise TextError(f"the model knows {count} of the {len(sent)} names in the header", cause)
    try:
        column_order(sent, [Feature(one.name, required=one.required) for one in features])
    except InvalidRequest as error:
        raise TextError(str(error), cause) from error


def _keys(name: str, cells: Sequence[Cell], file: CsvFile) -> list[str]:
    for row, cell in enumerate(cells):
        if (cell.text in _NO_KEY and not cell.quoted) or not cell.text.strip():
            raise CellError(
                f"column '{name}', {file.place(row)}: no key", "each row needs one; write it, or take --keep"
            )
        if len(cell.text.encode()) > MOST_TEXT_BYTES:
            raise CellError(f"column '{name}', {file.place(row)}: the key is longer than {MOST_TEXT_BYTES} bytes")
    return [cell.text for cell in cells]


def _values(name: str, feature: scorebridge.Feature | None, cells: Sequence[Cell], file: CsvFile) -> _Values:
    column = read_column(
        name,
        None if feature is None else _type(feature),
        cells,
        where=file.place,
        decimal=file.dialect.decimal,
        levels=() if feature is None else feature.levels,
    )
    if column.mask is None and column.type is not Type.STRING:
        return column.values
    return [None if absent else value for value, absent in zip(column.values.tolist(), column.missing(), strict=True)]


def _type(feature: scorebridge.Feature) -> Type | None:
    """None if nobody declared it."""
    if feature.type is None:
        return None
    if feature.type not in Type.__members__:
        raise CommandFailed(
            f"feature '{feature.name}' has the type {feature.type}, which this scorebridge does not know: use one as"
            " new as the gateway"
        )
    return Type[feature.type]
