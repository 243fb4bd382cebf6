"""Default scores: checks the values that an author or a caller gave, and brings them into the outputs' types."""

import math
import sys
from collections.abc import Mapping, Sequence

from bridge.calls import DefaultScore, Output
from bridge.columns import DOUBLE_EXACT, INT_MAX, Type
from bridge.errors import InvalidRequest

__all__ = ["DefaultValue", "default_scores"]

DefaultValue = bool | int | float | str

# Whoever asks for a model's description is told its default scores as doubles.
_WHOLE = {Type.INT: INT_MAX, Type.INT64: DOUBLE_EXACT}
_MOST = {**_WHOLE, Type.FLOAT: (2 - 2**-23) * 2.0**127, Type.DOUBLE: sys.float_info.max}


def default_scores(
    configured: DefaultValue | Mapping[str, DefaultValue] | None, outputs: Sequence[Output] | None
) -> tuple[DefaultScore, ...]:
    """Returns the default score of every output, in their order; empty if none is configured.

    Additional outputs get a missing default. While the outputs are not known, as before the model is loaded, a number
    stands for one double named `score`, and a mapping for outputs of its values' types: callers get the default also
    then.

    Raises:
        InvalidRequest: a default does not fit the type of its output, an output has none, or there is no such output.
    """
    if configured is None:
        return ()
    if outputs is None:
        named = configured if isinstance(configured, Mapping) else {"score": configured}
        outputs = [Output(name, _type_of(value)) for name, value in named.items()]
    own = [output for output in outputs if not output.additional]
    if not isinstance(configured, Mapping):
        configured = {output.name: configured for output in own}
    names = {output.name for output in own}
    if unknown := sorted(set(configured) - names):
        raise InvalidRequest(f"default_score names '{unknown[0]}', which is not an output of the model")
    if absent := sorted(names - set(configured)):
        raise InvalidRequest(f"default_score has no value for the output '{absent[0]}'")
    return tuple(
        DefaultScore(output, None if output.additional else _of_type(configured[output.name], output))
        for output in outputs
    )


def _type_of(value: DefaultValue) -> Type:
    if isinstance(value, bool):
        return Type.BOOL
    return Type.STRING if isinstance(value, str) else Type.DOUBLE


def _of_type(value: DefaultValue, output: Output) -> float | bool | str:
    if output.type is Type.STRING and isinstance(value, str):
        return value
    if isinstance(value, bool) and output.type is Type.BOOL:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and output.type in _MOST:
        return _number(value, output)
    raise _misfit("can't be", output)


def _number(value: float, output: Output) -> float:
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidRequest("default_score must be a finite number")
    if abs(value) > _MOST[output.type]:
        raise _misfit("is too large for", output)
    if output.type not in _WHOLE:
        return float(value)
    if value != int(value):
        raise _misfit("can't be", output)
    return int(value)


def _misfit(what: str, output: Output) -> InvalidRequest:
    return InvalidRequest(f"default_score {what} a {output.type}, the type of the output '{output.name}'")
