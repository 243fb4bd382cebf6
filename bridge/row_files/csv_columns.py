"""Turns cells into typed columns: strictly for the gateway's own files, leniently for files that others write."""

import math
import re
from collections.abc import Callable, MutableMapping, Sequence
from functools import partial

import numpy as np

from bridge.columns import Column, Type
from bridge.row_files.csv_causes import number_cause, truth_cause
from bridge.row_files.csv_cells import Cell, CellError, place
from bridge.row_files.csv_numbers import NoNumber, is_nan, read_double, read_whole

__all__ = ["parse_column", "read_column", "whole_range"]

_Value = float | bool | str | None

_TRUTHS = {"TRUE": True, "FALSE": False, "true": True, "false": False}
_ANY_TRUTHS = _TRUTHS | {"True": True, "False": False, "T": True, "F": False, "t": True, "f": False}
_NAMES_OF_MISSING = {"na", "n/a", "#n/a", "nan", "null", "none", "nil"}
_MISSING = ("", "NA", "\\N")
_BLANKS = " \t"
_WHOLE = re.compile(r"[+-]?[0-9]+")


def parse_column(name: str, column_type: Type, cells: Sequence[Cell]) -> Column:
    """Returns the cells of one of the gateway's own files as a column; a factor is read as its strings.

    Numbers and truth values must not be quoted, and only an empty cell without quotes is missing.

    Raises:
        CellError: a cell is not of the type; the message names column and row.
    """

    def parsed(cell: Cell) -> _Value:
        try:
            return None if cell.missing else _strict(cell, column_type)
        except ValueError as error:
            raise NoNumber("; a missing value is an empty cell" if _names_missing(cell) else "") from error

    return _column(name, column_type, cells, parsed, place)


def _names_missing(cell: Cell) -> bool:
    return cell.text.lower() in _NAMES_OF_MISSING


def _strict(cell: Cell, column_type: Type) -> float | bool | str:
    if column_type in (Type.STRING, Type.FACTOR):
        return cell.text
    if cell.quoted:
        raise NoNumber
    if column_type is Type.BOOL:
        if cell.text not in _TRUTHS:
            raise NoNumber
        return _TRUTHS[cell.text]
    if column_type.is_floating:
        value = math.nan if is_nan(cell.text) else read_double(cell.text)
        if math.isfinite(value) and abs(value) > np.finfo(column_type.dtype).max:
            raise NoNumber
        return value
    if not _WHOLE.fullmatch(cell.text):
        raise NoNumber
    return read_whole(cell.text, *whole_range(column_type))


def whole_range(column_type: Type) -> tuple[int, int]:
    """Returns the least and the largest number of an integer type; for int without -2147483648, which is R's NA."""
    limits = np.iinfo(column_type.dtype)
    return int(limits.min) + (column_type is Type.INT), int(limits.max)


def read_column(
    name: str,
    column_type: Type | None,
    cells: Sequence[Cell],
    *,
    where: Callable[[int], str],
    decimal: str = ".",
    levels: Sequence[str] = (),
    quotes: bool | None = None,
    refused: MutableMapping[int, str] | None = None,
) -> Column:
    r"""Returns the cells of a file that others wrote as a column; a factor is read as its strings, a float as a double.

    Empty, `NA` and `\N` without quotes are missing, and NaN in a column of numbers. Quotes and blanks around a number
    or a truth value have no meaning. A whole number may be written `1.0` or `1e3`.

    Args:
        name: the name of the column.
        column_type: the declared type; None if none is declared: then text if any cell is in quotes, else double.
        cells: the cells, one for each row.
        where: returns how messages name a row, from its number; 0 is the first row.
        decimal: the decimal mark.
        levels: the levels of a factor; if one of them is written like a missing value, texts must be in quotes.
        quotes: whether the file has quotes in this column; None if these cells are all that it has.
        refused: takes a sentence for each row without a value of the type, which then is missing; None to raise.

    Raises:
        CellError: a cell holds no value of the type; the message names column, row, likely cause and what to do.
    """
    quotes = any(cell.quoted for cell in cells) if quotes is None else quotes
    chosen = column_type or (Type.STRING if quotes else Type.DOUBLE)
    chosen = Type.DOUBLE if chosen.is_floating else chosen
    spelled = () if quotes else levels
    read = partial(_lenient, chosen=chosen, declared=column_type, levels=spelled, decimal=decimal)
    return _column(name, chosen, cells, read, where, refused=refused)


def _lenient(cell: Cell, chosen: Type, declared: Type | None, levels: Sequence[str], decimal: str) -> _Value:
    if chosen in (Type.STRING, Type.FACTOR):
        return _text(cell, levels)
    return _number_or_truth(cell, chosen, declared, decimal)


def _number_or_truth(cell: Cell, column_type: Type, declared: Type | None, decimal: str) -> float | None:
    try:
        return _truth(cell) if column_type is Type.BOOL else _number(cell, column_type, decimal)
    except NoNumber as error:
        if _is_missing(cell, column_type):  # checked last, because most cells are numbers
            return None
        raise NoNumber(f": {_cause(cell, error, declared, decimal)}".removesuffix(": ")) from error


def _text(cell: Cell, levels: Sequence[str]) -> str | None:
    if cell.quoted or cell.text not in _MISSING:
        return cell.text
    if cell.text and cell.text in levels:
        raise NoNumber(
            f": {cell.text} without quotes means missing, but is also a level of the model, and no cell is in quotes: "
            "put texts in quotes, and leave missing cells empty"
        )
    return None


def _is_missing(cell: Cell, column_type: Type) -> bool:
    if cell.quoted:
        return False
    bare = cell.text.strip(_BLANKS)
    return not cell.text or bare in _MISSING[1:] or (column_type is not Type.BOOL and is_nan(bare))


def _truth(cell: Cell) -> bool:
    word = cell.text.strip(_BLANKS)
    if word not in _ANY_TRUTHS:
        raise NoNumber(truth_cause(word, quoted=cell.quoted))
    return _ANY_TRUTHS[word]


def _number(cell: Cell, column_type: Type, decimal: str) -> float:
    text = cell.text.strip(_BLANKS)
    return (
        read_double(text, decimal)
        if column_type is Type.DOUBLE
        else read_whole(text, *whole_range(column_type), decimal)
    )


def _cause(cell: Cell, error: NoNumber, declared: Type | None, decimal: str) -> str:
    if str(error) or declared is Type.BOOL:
        return str(error)
    cause = number_cause(cell.text, decimal, quoted=cell.quoted)
    if declared is None and not cause:
        return "the model declares no type for this column, so text must be in quotes: declare the type in [features]"
    return cause


def _column(
    name: str,
    column_type: Type,
    cells: Sequence[Cell],
    read: Callable[[Cell], _Value],
    where: Callable[[int], str],
    *,
    refused: MutableMapping[int, str] | None = None,
) -> Column:
    column_type = Type.STRING if column_type is Type.FACTOR else column_type
    values = np.zeros(len(cells), column_type.dtype)
    if column_type is Type.STRING:
        values[:] = ""
    mask = np.zeros(len(cells), np.bool_)
    for row, cell in enumerate(cells):
        try:
            value = read(cell)
        except NoNumber as error:
            if refused is None:
                raise CellError(f"column '{name}', {where(row)}: not of type {column_type}{error}") from error
            refused[row], value = f"not of type {column_type}{error}", None
        if value is None:
            mask[row] = True
        else:
            values[row] = value
    if column_type.is_floating:
        values[mask] = np.nan
        return Column(name, column_type, values)
    return Column(name, column_type, values, mask if mask.any() else None)
