"""Which columns a run takes from its input: the model's features, the row keys, and those that are only copied."""

from collections.abc import Sequence

from bridge.columns import Type
from bridge.row_files.source_errors import SourceError
from bridge.values import value

__all__ = ["Wanted", "WantedFeature"]

_MOST_NAMED = 5


@value
class WantedFeature:
    """A feature of the model.

    Attributes:
        name: its exact name.
        type: its type; None if none is declared.
        levels: its levels in the model's order; empty if it has none.
        required: whether the input must have it.
    """

    name: str
    type: Type | None = None
    levels: tuple[str, ...] = ()
    required: bool = True


@value
class Wanted:
    """The columns that a run takes from its input.

    Attributes:
        features: the features of the model; if there are none, every column that is not copied is sent.
        key: the column of row keys, which is also copied to the output; None for none.
        keep: further columns to copy to the output.
        ignore_extra: whether columns that are neither features nor copied are ignored; if not, they are refused.
    """

    features: Sequence[WantedFeature]
    key: str | None = None
    keep: Sequence[str] = ()
    ignore_extra: bool = False

    @property
    def echoed(self) -> tuple[str, ...]:
        """The names of the columns to copy, the key column first."""
        return (*(() if self.key is None else (self.key,)), *self.keep)

    def feature(self, name: str) -> WantedFeature:
        """Returns the feature of this name; one without a type if the model knows none of this name."""
        return next((one for one in self.features if one.name == name), WantedFeature(name))

    def check(self) -> None:
        """Checks that no column is to be copied twice.

        Raises:
            SourceError: a column is named twice.
        """
        names = self.echoed
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise SourceError(f"column '{twice}' is named twice: name each column once, by --key or by --keep")

    def sent(self, names: Sequence[str], file: str, cause: str = "") -> tuple[str, ...]:
        """Returns which columns of a file are sent to the model, in the file's order.

        Args:
            names: the names of the file's columns.
            file: how messages name the file.
            cause: what a reader of the format adds to a refusal; empty for nothing.

        Raises:
            SourceError: two columns have one name; a column is missing; or one is neither a feature nor copied.
        """
        more = f"; {cause}" if cause else ""
        if twice := next((name for name in names if names.count(name) > 1), None) if _repeat(names) else None:
            raise SourceError(f"{file}: two columns have the name '{twice}': rename one of them")
        there, echoed = set(names), self.echoed
        known = {one.name for one in self.features}
        if absent := [name for name in echoed if name not in there]:
            remedy = "--key and --keep take names exactly as they are in the file"
            raise SourceError(f"{file}: there is no column '{absent[0]}': {remedy}{more}")
        if absent := [one.name for one in self.features if one.required and one.name not in there]:
            raise SourceError(f"{file}: there is no column {_listed(absent)}, which the model needs{more}")
        if not known:
            return tuple(name for name in names if name not in echoed)
        unknown = [name for name in names if name not in known and name not in echoed]
        if unknown and not self.ignore_extra:
            remedy = "--keep COLUMN copies such a column to the output, --ignore-extra ignores all of them"
            raise SourceError(f"{file}: the model does not know the column {_listed(unknown)}: {remedy}{more}")
        return tuple(name for name in names if name in known)


def _repeat(names: Sequence[str]) -> bool:
    return len(set(names)) != len(names)


def _listed(names: Sequence[str]) -> str:
    named = ", ".join(f"'{name}'" for name in names[:_MOST_NAMED])
    return f"{named} and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else named
