"""The options by which every command that reads CSV files learns how the files are written."""

from typing import Annotated

import typer

from bridge.row_files.csv_dialect import Dialect, DialectError

__all__ = ["Decimal", "Encoding", "NoHeader", "Separator", "dialect_of"]

Separator = Annotated[str, typer.Option(help="What separates the file's cells: one character, or 'tab'.")]
Decimal = Annotated[str, typer.Option(help="The decimal mark of the file's numbers: '.' or ','.")]
Encoding = Annotated[str, typer.Option(help="The file's encoding by its Python name, such as gbk or cp1252.")]
NoHeader = Annotated[
    bool,
    typer.Option("--no-header", help="The file has no header: its columns are the model's features, in their order."),
]


def dialect_of(separator: str, decimal: str, encoding: str, *, no_header: bool) -> Dialect:
    """Returns the dialect that the options describe.

    Raises:
        typer.BadParameter: an option has a value that it can't have; the error names the option.
    """
    try:
        return Dialect(separator, decimal, encoding, header=not no_header)
    except DialectError as error:
        raise typer.BadParameter(str(error), param_hint=error.option) from error
