"""Holds every answer of a version to the same outputs, by names and types."""

from collections.abc import Sequence

from bridge.calls import Call, Output
from bridge.columns import Column, all_missing, says_nothing
from bridge.errors import OtherOutputs

__all__ = ["PinnedOutputs"]


class PinnedOutputs:
    """The outputs of one version: as they are known at the start, else as the first answer with values shows them.

    Args:
        outputs: the outputs; None while they are not known.
    """

    def __init__(self, outputs: tuple[Output, ...] | None) -> None:
        self._outputs = outputs

    def held(self, call: Call, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        """Returns the columns of an answer, whose names and types must be those of every answer of this version.

        A column that is logical and missing in every row fits each type. The first answer whose columns all hold a
        value sets the outputs, if nothing else has.

        Raises:
            OtherOutputs: a name or type is another.
        """
        if self._outputs is None:
            if not any(says_nothing(column) for column in columns):
                self._outputs = tuple(Output(column.name, column.type) for column in columns)
            return columns
        if [column.name for column in columns] != [output.name for output in self._outputs]:
            raise OtherOutputs(
                f"{call.model}: the predict function gave the outputs {_quoted(columns)}, and this version has "
                f"{_quoted(self._outputs)}"
            )
        return tuple(_of_type(call, column, output) for column, output in zip(columns, self._outputs, strict=True))


def _of_type(call: Call, column: Column, output: Output) -> Column:
    if column.type is output.type:
        return column
    if says_nothing(column):
        return all_missing(output.name, output.type, len(column))
    raise OtherOutputs(f"{call.model}: the output '{column.name}' is {column.type}, and must be {output.type}")


def _quoted(named: Sequence[Column] | Sequence[Output]) -> str:
    return ", ".join(f"'{one.name}'" for one in named)
