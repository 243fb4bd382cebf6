"""The wires of the Open Inference Protocol: ModelInfer over gRPC, and its twin in JSON over HTTP."""

from contextlib import suppress
from typing import Any

from bridge.calls import Call, ModelRef, Outcome
from bridge.codecs.open_inference.bounds import read_named
from bridge.codecs.open_inference.inference import Form, Inference
from bridge.codecs.open_inference.json_replies import write_json_response
from bridge.codecs.open_inference.replies import write_response
from bridge.codecs.scorebridge_v1.bounds import is_short
from bridge.errors import BridgeError, InvalidRequest
from bridge.services.asked import Asked, call_id, is_request_id
from bridge.services.http_calls import HttpAnswer, problem_of
from bridge.services.open_inference_intake import InferIntake
from bridge.services.status import Status

__all__ = ["InferWire", "JsonInferWire"]


class InferWire:
    """The wire of the method `GRPCInferenceService.ModelInfer`; implements `services.wire.Wire`."""

    name = "open_inference"
    answer_json_bytes = 0

    def __init__(self, intake: InferIntake) -> None:
        self._intake = intake

    def parse_short(self, raw: bytes) -> Asked | None:
        """Reads a request of few bytes and tensors; returns None if it has more, and `parse` has to read it."""
        inference = self._intake.read_short(raw)
        return None if inference is None else _asked(inference)

    async def parse(self, raw: bytes, left_s: float | None, caller: str) -> tuple[Asked, bool]:
        """Reads a request of any size; returns it, and whether binding its rows may hold the event loop."""
        inference, little = await self._intake.read(raw, left_s, caller)
        return _asked(inference), little

    def read_name(self, raw: bytes) -> tuple[str, str]:
        """Returns the id and the model of a refused request, for its record; empty where unreadable.

        A short request without an id gets a made one.
        """
        given, model = read_named(raw)
        if not is_request_id(given):
            return "", model
        return (call_id(given) if given or (model and is_short(raw)) else ""), model

    def encode(self, call: Call, outcome: Outcome, form: Form) -> bytes:
        """Returns the bytes of the ModelInferResponse that answers a call."""
        return write_response(call, outcome, form)

    def status(self, error: BridgeError, ref: ModelRef | None) -> Status:
        """Returns the gRPC status of a failed call, with a google.rpc.ErrorInfo in its metadata."""
        return Status.of(error, ref)


class JsonInferWire:
    """The wire of one infer request in JSON over HTTP; implements `services.wire.Wire`.

    Args:
        intake: reads the request.
        model: the name of the model, from the request's path.
        version: the version as text, from the request's path; empty for the one that serves.
        json_bytes: the length of the JSON text in the body; 0 if there is nothing behind it.

    Attributes:
        answer_json_bytes: the length of the JSON text in the answer; 0 if there is nothing behind it.
    """

    name = "open_inference_json"

    def __init__(self, intake: InferIntake, model: str, version: str, json_bytes: int) -> None:
        self._intake = intake
        self._model = model
        self._version = version
        self._json_bytes = json_bytes
        self._request_id = ""
        self.answer_json_bytes = 0

    def parse_short(self, raw: bytes) -> Asked | None:
        """Reads a request of few bytes; returns None if it has more, and `parse` has to read it."""
        inference = self._intake.read_short_json(raw, self._json_bytes, self._model, self._version)
        return None if inference is None else self._asked(inference)

    async def parse(self, raw: bytes, left_s: float | None, caller: str) -> tuple[Asked, bool]:
        """Reads a request of any size; returns it, and whether binding its rows may hold the event loop."""
        names = self._model, self._version
        inference, little = await self._intake.read_json(raw, self._json_bytes, names, left_s, caller)
        return self._asked(inference), little

    def read_name(self, _: bytes) -> tuple[str, str]:
        """Returns the id and the model of a refused request, for its record; the id is a made one if none was read."""
        with suppress(InvalidRequest):
            return call_id(self._request_id), self._model
        return "", self._model

    def encode(self, call: Call, outcome: Outcome, form: Form) -> bytes:
        """Returns the body that answers a call: JSON, and binary data behind it where that was asked for."""
        body, self.answer_json_bytes = write_json_response(call, outcome, form)
        return body

    def status(self, error: BridgeError, ref: ModelRef | None) -> HttpAnswer:
        """Returns the problem document that answers a failed call."""
        return problem_of(error, ref, self._request_id if is_request_id(self._request_id) else "")

    def _asked(self, inference: Inference) -> Asked:
        self._request_id = inference.request_id
        return _asked(inference)


def _asked(inference: Inference) -> Asked:
    form: Any = inference.form
    return Asked(
        model=inference.model,
        version=inference.version,
        request_id=inference.request_id,
        batch=inference.batch,
        default=inference.default,
        defaults_allowed=inference.defaults_allowed,
        timeout_s=inference.timeout_s,
        outputs=inference.form.outputs,
        form=form,
    )
