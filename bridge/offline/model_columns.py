"""What a model takes and gives, as its description says it, for a reader of rows and a writer of scores."""

from collections.abc import Sequence

from scorebridge.v1 import scoring_pb2 as pb

from bridge.calls import Output
from bridge.columns import Type
from bridge.errors import BridgeError
from bridge.row_files.wanted import Wanted, WantedFeature

__all__ = ["ModelNotDescribed", "outputs_of", "wanted_of"]


class ModelNotDescribed(BridgeError):
    """What the model takes or gives is not known; the message says what to do."""

    reason = "MODEL_NOT_DESCRIBED"


def wanted_of(detail: pb.ModelDetail, key: str | None, keep: Sequence[str], *, ignore_extra: bool) -> Wanted:
    """Returns the columns to take for a model: its features, and the keys by which a gateway looks them up.

    Args:
        detail: the version that scores.
        key: the column of row keys, which is also copied; None for none.
        keep: further columns to copy.
        ignore_extra: whether other columns than these and the features are ignored; if not, they are refused.

    Raises:
        ModelNotDescribed: a feature is of a type that this program does not know.
    """
    features = [
        WantedFeature(one.name, _type(one.type), tuple(one.levels), required=one.required) for one in detail.features
    ]
    names = {one.name for one in features}
    # As text: a key such as 007 is no number.
    keys = dict.fromkeys(one.key for one in detail.lookups if one.key not in names)
    features += [WantedFeature(name, Type.STRING, required=False) for name in keys]
    return Wanted(tuple(features), key, tuple(keep), ignore_extra=ignore_extra)


def outputs_of(detail: pb.ModelDetail) -> tuple[Output, ...]:
    """Returns the outputs of a model.

    Raises:
        ModelNotDescribed: they are not known, or one is of a type that this program does not know.
    """
    typed = [(one, _type(one.type)) for one in detail.outputs]
    found = tuple(Output(one.name, kind, one.additional) for one, kind in typed if kind is not None)
    if not found or len(found) < len(typed):
        raise ModelNotDescribed(
            f"nobody knows yet which outputs {detail.version.model}/{detail.version.version} has: give its bundle"
            " golden rows or a section [outputs], or have a gateway score a row first"
        )
    return found


def _type(number: int) -> Type | None:
    if not number:
        return None
    if number not in pb.ColumnType.values():
        raise ModelNotDescribed(
            "the model has a feature or output of a type that this scorebridge does not know: use one as new as the"
            " gateway"
        )
    return Type[pb.ColumnType.Name(pb.ColumnType.ValueType(number)).removeprefix("COLUMN_TYPE_")]
