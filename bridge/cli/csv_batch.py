"""Which columns of a CSV file are sent to a gateway, and which are copied to the file of scores."""

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

MARKS = ("source", "reason")  # the last columns of every scored file, after the outputs
_NO_KEY = ("", "NA", "\\N")

_Values = list[object] | Array


@dataclass(frozen=True, slots=True)
class Echo:
    """The columns of the input file that are copied to the output file.

    Attributes:
        key: the name of the column that holds the row keys; None if no column does.
        keep: the names of the other columns to copy.
    """

    key: str | None = None
    keep: Sequence[str] = ()

    @property
    def names(self) -> list[str]:
        """The names of all columns to copy, the key column first."""
        return [*([] if self.key is None else [self.key]), *self.keep]

    def check(self, outputs: Sequence[str]) -> None:
        """Checks that no two columns of the output file would have the same name.

        Args:
            outputs: the names of the model's outputs, which the output file has too.

        Raises:
            CellError: a name would occur twice; the message says which and how to avoid it.
        """
        names = self.names
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise CellError(f"column '{twice}' is named twice", "name each column once, by --key or by --keep")
        if taken := next((name for name in names if name in (*outputs, *MARKS)), None):
            raise CellError(
                f"column '{taken}' can't be copied, because the output has a column of its own with that name",
                "rename the column in the file",
            )


@dataclass(frozen=True, slots=True)
class CsvBatch:
    """The rows of a CSV file in the form in which a client sends them.

    Attributes:
        file: the file that the rows were read from.
        columns: the values of each feature by its name, one value per row; None stands for missing.
        keys: the row keys, one per row; empty if there are no keys.
        echoed: the cells of the columns to copy to the output, by column name.
    """

    file: CsvFile
    columns: dict[str, _Values]
    keys: list[str]
    echoed: dict[str, list[Cell]]

    def in_rows_of_the_file(self, sentence: str) -> str:
        """Returns an error message of a gateway or client with its row numbers turned into places in the file.

        Gateways and clients count rows from 0; a place in the file is a row as a spreadsheet numbers it.
        """
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
    """Returns the columns to send to the model, converted to its types, and the cells to copy to the output.

    Args:
        file: the rows.
        features: the model's features in its order; empty if they are not known, and then every column is sent except
            those to copy.
        echo: the columns to copy to the output; a column that is also a feature of the model is sent as well.

    Raises:
        TextError: a column is missing, unknown to the model or there twice; a cell is not of its column's type; or a
            row has no key.
        CommandFailed: a feature has a type that only a newer scorebridge knows.
    """
    names = _names(file, features)
    for name in echo.names:
        if name not in names:
            raise CellError(f"the file has no column '{name}'", _remedy_of_absent(file.dialect))
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
        return "--key and --keep take names as they are in the header, with blanks, capitals and small letters"
    return "with --no-header the columns have the names of the model's features"


def _names(file: CsvFile, features: Sequence[scorebridge.Feature]) -> list[str]:
    if file.header is not None:
        return column_names(file.header)
    names = [feature.name for feature in features]
    first = [cell.text for cell in file.rows[0].cells]
    if not names:
        raise TextError(
            "with --no-header the columns get the names of the model's features, which the gateway does not know yet",
            "score again once the version is ready, or give the file a header",
        )
    if len(first) != len(names):
        raise TextError(
            f"{file.place(0)}: {len(first)} cells, but the model takes {len(names)} features",
            "with --no-header a file must have a column for every feature, in the model's order",
        )
    if set(first) == set(names):
        raise TextError(f"{file.place(0)}: this row holds the names of the features", "leave out --no-header")
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
                f"column '{name}', {file.place(row)}: the row has no key",
                "give every row a key, or copy the column by --keep instead of --key",
            )
        if len(cell.text.encode()) > MOST_TEXT_BYTES:
            raise CellError(
                f"column '{name}', {file.place(row)}: the key is longer than the allowed {MOST_TEXT_BYTES} bytes"
            )
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
    """Returns the type of a feature; None if the model declares none."""
    if feature.type is None:
        return None
    if feature.type not in Type.__members__:
        raise CommandFailed(
            f"feature '{feature.name}' has the type {feature.type}, which this scorebridge does not know: use a"
            " scorebridge as new as the gateway"
        )
    return Type[feature.type]
