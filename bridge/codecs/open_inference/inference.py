"""What an infer request holds, whether it came over gRPC or as JSON."""

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from bridge.codecs.open_inference.datatypes import Datatype
from bridge.columns import Array, Batch, Mask
from bridge.values import value

__all__ = ["Form", "Inference", "Input", "Parameter", "Values"]

Parameter = bool | int | float | str


@value
class Values:
    """The values of one input.

    Attributes:
        entries: shape (count,), of the datatype's numpy type; BF16 as float32, BYTES as texts.
        missing: shape (count,), true where there is no value, if the request's own form can say so; else None.
    """

    entries: Array
    missing: Mask | None = None


@value
class Input:
    """One input tensor of a request.

    Attributes:
        name: the name of the tensor.
        datatype: the name of its datatype, unchecked.
        shape: its shape, unchecked.
        parameters: its parameters.
        read: a function that reads its values, given the datatype, their count and their number in a row of the tensor.
    """

    name: str
    datatype: str
    shape: tuple[Any, ...]
    parameters: Mapping[str, Parameter]
    read: Callable[[Datatype, int, int], Values]


@value
class Form:
    """The form in which a request wants its answer.

    Attributes:
        outputs: the names of the outputs that it asks for, in its order; empty for all of them.
        raw: whether outputs are answered as bytes; if not, as typed values or JSON.
        raw_of: whether an output is answered as bytes, for outputs of which the request says it.
    """

    outputs: tuple[str, ...] = ()
    raw: bool = False
    raw_of: Mapping[str, bool] = field(default_factory=dict)


@value
class Inference:
    """What an infer request asks for.

    Attributes:
        model: the name of the model.
        version: the number of the version; 0 stands for the one that serves.
        request_id: the caller's id of the call; empty if it gave none.
        batch: a function that builds the request's rows.
        form: the form of the answer.
        timeout_s: the most seconds that the call may take; None if the request does not say.
        default: the default score of this call; None stands for the model's own.
        defaults_allowed: whether rows may get default scores.
    """

    model: str
    version: int
    request_id: str
    batch: Callable[[], Batch]
    form: Form
    timeout_s: float | None = None
    default: float | None = None
    defaults_allowed: bool = True
