"""A column of a CSV file that a model takes: what its cells mean."""

from collections.abc import MutableMapping, Sequence

from bridge.columns import Column, Type
from bridge.row_files.csv_cells import Cell
from bridge.row_files.csv_columns import read_column
from bridge.row_files.wanted import WantedFeature
from bridge.values import value

__all__ = ["Field"]


@value
class Field:
    """A column of a CSV file that is sent to the model.

    Attributes:
        at: its position in the file.
        feature: the feature of the model.
        quotes: whether the file has quotes in this column; None if that has no meaning.
        decimal: the decimal mark of the file.
    """

    at: int
    feature: WantedFeature
    quotes: bool | None
    decimal: str

    @property
    def type(self) -> Type:
        """The type of the column."""
        return self.read([], {}).type

    def read(self, cells: Sequence[Cell], refused: MutableMapping[int, str]) -> Column:
        """Returns cells as a column; `refused` gets a sentence for each that is no value of the type."""
        column = read_column(
            self.feature.name,
            self.feature.type,
            cells,
            where=str,
            decimal=self.decimal,
            levels=self.feature.levels,
            quotes=self.quotes,
            refused=refused,
        )
        if column.type is Type.STRING:
            nul = "the text holds a NUL character"
            refused.update({at: nul for at, text in enumerate(column.values) if "\0" in text})
        return column
