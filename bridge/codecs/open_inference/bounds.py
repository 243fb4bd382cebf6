"""Limits of what a ModelInferRequest may hold, counted on its bytes before any object is built of it."""

from contextlib import suppress
from itertools import islice
from typing import Any

from bridge.codecs.open_inference import inference_pb2 as pb
from bridge.codecs.protobuf import DELIMITED, NotAMessage, read_fields, tag
from bridge.codecs.scorebridge_v1.bounds import MOST_TEXT_BYTES, Bounds, check_text, too_many
from bridge.codecs.scorebridge_v1.shapes import Contents
from bridge.codecs.walk import Walk

__all__ = ["MOST_PARAMETERS", "UNREADABLE", "check_message", "count_message", "read_named"]

MOST_PARAMETERS = 64  # of the request, and of each of its tensors
UNREADABLE = "the bytes are not an inference.ModelInferRequest"
_MOST_SHAPE_BYTES = 64  # two dimensions have 20 at most
_FIRST_FIELDS = 16
_LEAST_TEXT_BYTES = 4  # of a text among raw bytes: its length
_TAKEN_AS_THEY_ARE = (b"FP32", b"FP64")
_CONTINUED = bytes(range(0x80, 0x100))  # bytes that are not the last ones of their numbers
_KIND_BITS = 3
_MOST_SINGLES = 1_000_000  # protobuf reads so many in about 5 ms, in which no other thread gets on
_ROW_CHARACTERS = 8  # of a row in the parameter missing_rows, its comma included


def _tags(message: Any, *names: str) -> tuple[int, ...]:
    """Returns the numbers that begin fields whose content has its length before it."""
    return tuple(tag(message.fields_by_name[name].number, DELIMITED)[0] for name in names)


_REQUEST = pb.ModelInferRequest.DESCRIPTOR
_INPUT, _OUTPUT = (_REQUEST.nested_types_by_name[f"Infer{name}Tensor"] for name in ("Input", "RequestedOutput"))
_VALUES = pb.InferTensorContents.DESCRIPTOR
_ID, _MODEL, _VERSION = _tags(_REQUEST, "id", "model_name", "model_version")
_PARAMETERS, _INPUTS, _OUTPUTS, _RAW = _tags(_REQUEST, "parameters", "inputs", "outputs", "raw_input_contents")
_NAME, _DATATYPE, _SHAPE, _INPUT_PARAMETERS, _CONTENTS = _tags(
    _INPUT, "name", "datatype", "shape", "parameters", "contents"
)
_OUTPUT_PARAMETERS = _tags(_OUTPUT, "parameters")[0]
_OF_FIXED_WIDTH = dict(zip(_tags(_VALUES, "fp32_contents", "fp64_contents"), (4, 8), strict=True))
_OF_TEXTS = _tags(_VALUES, "bytes_contents")[0]
_NUMBERS_OF_VALUES = frozenset(field.number for field in _VALUES.fields)


def count_message(request: bytes, bounds: Bounds, *, few: bool) -> Contents | None:
    """Counts what a message holds, without building any object of it.

    Args:
        request: the bytes of a ModelInferRequest.
        bounds: how much it may hold.
        few: give up after 4096 steps, about half a millisecond, so that the event loop is not held longer.

    Returns:
        The counts; None if it gave up.

    Raises:
        InvalidRequest: the message holds more than it may (the error names the limit), or is not a ModelInferRequest.
    """
    walk = _Walk(request, bounds, few=few)
    return Contents(walk.columns, walk.items) if walk.counts(UNREADABLE) else None


def check_message(request: pb.ModelInferRequest) -> None:
    """Checks the number of parameters and the length of names of a short message, which was not counted.

    Raises:
        InvalidRequest: there are too many parameters, or a name is too long.
    """
    tensors: list[Any] = [*request.inputs, *request.outputs]
    for one in (request, *tensors):
        if len(one.parameters) > MOST_PARAMETERS:
            raise too_many("parameters of one tensor or of the request", MOST_PARAMETERS)
    for name in (request.id, request.model_name, request.model_version, *(one.name for one in tensors)):
        if len(name) > MOST_TEXT_BYTES // 4:  # no character has more than 4 bytes
            check_text("an id or a name", len(name.encode()))


def read_named(request: bytes) -> tuple[str, str]:
    """Returns id and model of a request that won't be parsed; empty if its first 16 fields don't have them."""
    found = {_ID: b"", _MODEL: b""}
    with suppress(NotAMessage, IndexError):
        for one, begin, end in islice(read_fields(request, 0, len(request)), _FIRST_FIELDS):
            if one in found and end - begin <= MOST_TEXT_BYTES:
                found[one] = request[begin:end]
    try:
        return found[_ID].decode(), found[_MODEL].decode()
    except UnicodeDecodeError:
        return "", ""


class _Walk(Walk):
    """One walk over a request, with its counts so far."""

    def __init__(self, raw: bytes, bounds: Bounds, *, few: bool) -> None:
        super().__init__(raw, bounds, few=few)
        self._outputs = self._raws = self._parameters = 0
        self._raw_bytes = self._singles = 0
        self._converted = False  # whether a tensor has to be converted: only FP32 and FP64 are taken as they are

    def request(self) -> None:
        """Counts the whole request."""
        for one, begin, end in read_fields(self._raw, 0, len(self._raw)):
            self._step(1)
            if one == _INPUTS:
                self.columns += 1
                self._bound(self.columns, self._bounds.columns, "inputs")
                self._input(begin, end)
            elif one == _OUTPUTS:
                self._outputs += 1
                self._bound(self._outputs, self._bounds.columns, "outputs")
                self._output(begin, end)
            elif one == _RAW:
                self._raws += 1
                self._bound(self._raws, self._bounds.columns, "raw_input_contents")
                self._raw_bytes += end - begin
            elif one == _PARAMETERS:
                self._parameters += 1
                self._parameter(self._parameters, begin, end)
            else:
                if one in (_ID, _MODEL, _VERSION):
                    check_text("an id, or the name or version of the model", end - begin)
                self._other()
        self.items += self._singles
        if self._converted:
            self.items += self._raw_bytes // _LEAST_TEXT_BYTES

    def _input(self, begin: int, end: int) -> None:
        parameters = 0
        for one, first, last in read_fields(self._raw, begin, end):
            self._step(1)
            if one in (_NAME, _DATATYPE):
                check_text("the name or datatype of a tensor", last - first)
                self._converted |= one == _DATATYPE and self._raw[first:last] not in _TAKEN_AS_THEY_ARE
            elif one == _SHAPE:
                self._bound(last - first, _MOST_SHAPE_BYTES, "bytes of a shape")
            elif one == _INPUT_PARAMETERS:
                parameters += 1
                self._parameter(parameters, first, last, most=_ROW_CHARACTERS * self._bounds.rows)
                self.items += (last - first) // _ROW_CHARACTERS  # the parameter missing_rows is read row by row
            elif one == _CONTENTS:
                self._contents(first, last)
            else:
                self._other()

    def _output(self, begin: int, end: int) -> None:
        parameters = 0
        for one, first, last in read_fields(self._raw, begin, end):
            self._step(1)
            if one == _NAME:
                check_text("the name of an output", last - first)
            elif one == _OUTPUT_PARAMETERS:
                parameters += 1
                self._parameter(parameters, first, last)
            else:
                self._other()

    def _contents(self, begin: int, end: int) -> None:
        texts = 0
        for one, first, last in read_fields(self._raw, begin, end):
            self._step(1)
            if one == _OF_TEXTS:
                texts += 1
                self._bound(texts, self._bounds.rows, "values of a tensor")
                self.items += 1
            elif one >> _KIND_BITS in _NUMBERS_OF_VALUES:
                width = _OF_FIXED_WIDTH.get(one)
                single = one & ((1 << _KIND_BITS) - 1) != DELIMITED
                # Packed numbers of fixed width are read in one go, others one by one.
                many = len(self._raw[first:last].translate(None, _CONTINUED)) if width is None and not single else 0
                self._singles += 1 if single else many
                self._bound(self._singles, _MOST_SINGLES, "whole numbers in contents; raw_input_contents may hold more")
            else:
                self._other()

    def _parameter(self, count: int, begin: int, end: int, most: int = MOST_TEXT_BYTES) -> None:
        self._bound(count, MOST_PARAMETERS, "parameters of one tensor or of the request")
        self._bound(end - begin, max(most, 2 * MOST_TEXT_BYTES), "bytes of a parameter")

    def _bound(self, count: int, most: int, what: str) -> None:
        if count > most:
            raise too_many(what, most)
