"""The options of a command that reads CSV files, for each such command the same."""

from typing import Annotated

import typer

from bridge.row_files.csv_dialect import Dialect, DialectError

__all__ = ["Decimal", "Encoding", "NoHeader", "Separator", "dialect_of"]

Separator = Annotated[str, typer.Option(help="Between cells: one character, or 'tab'.")]
Decimal = Annotated[str, typer.Option(help="The mark in numbers: '.' or ','.")]
Encoding = Annotated[str, typer.Option(help="Of the file: any of Python's, such as gbk, cp1252 or utf-16.")]
NoHeader = Annotated[
    bool, typer.Option("--no-header", help="The first line is a row; columns are the model's, in its order.")
]


def dialect_of(separator: str, decimal: str, encoding: str, *, no_header: bool) -> Dialect:
    """What the options say together.

    Raises:
        typer.BadParameter: one of them can't be what it is; it names the option.
    """
    try:
        return Dialect(separator, decimal, encoding, header=not no_header)
    except DialectError as error:
        raise typer.BadParameter(str(error), param_hint=error.option) from error
