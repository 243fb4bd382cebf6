"""Turns the bytes of infer requests into what they ask for: counts what they hold first, and reads big ones beside."""

from bridge.codecs.open_inference.bounds import check_message, count_message
from bridge.codecs.open_inference.inference import Inference
from bridge.codecs.open_inference.json_requests import read_json_inference
from bridge.codecs.open_inference.requests import parse_message, read_inference
from bridge.codecs.scorebridge_v1.bounds import Bounds, is_short
from bridge.codecs.scorebridge_v1.shapes import Contents
from bridge.services.answer import beside_in_time
from bridge.services.counting import Counting

__all__ = ["InferIntake"]

# A message below these limits is read within about 2 ms; handing it to a thread costs 0.1 ms.
_FEW_COLUMNS = 256
_FEW_ITEMS = 10_000
_FEW_BYTES = 1 << 20  # grpcio has copied it by then, which takes about as long
_SHORT_JSON_BYTES = 4 << 10
_LITTLE_JSON_BYTES = 64 << 10


class InferIntake:
    """Reads infer requests; big ones in a thread, one after the other, so that the event loop goes on answering.

    Args:
        counting: counts what messages hold.
    """

    def __init__(self, counting: Counting) -> None:
        self._counting = counting

    def read_short(self, raw: bytes) -> Inference | None:
        """Reads a ModelInferRequest that is small enough to be read at once; returns None if `read` has to read it.

        Raises:
            InvalidRequest: the bytes are not such a request, or hold more than allowed.
        """
        if not is_short(raw):
            return None
        request = parse_message(raw)
        check_message(request)
        return read_inference(request) if len(request.inputs) <= _FEW_COLUMNS else None

    async def read(self, raw: bytes, left_s: float | None, caller: str) -> tuple[Inference, bool]:
        """Reads a ModelInferRequest of any size without holding the event loop.

        Args:
            raw: the bytes of the message.
            left_s: seconds that the caller still waits; None if it set no deadline.
            caller: whose message it is.

        Returns:
            What it asks for, and whether binding its rows is so little work that it may hold the event loop.

        Raises:
            InvalidRequest: the bytes are not such a request, or hold more than allowed.
            DeadlineExceeded: `left_s` passed while messages of others were read.
        """
        contents = self._count(raw, few=True) or await beside_in_time(
            lambda: self._count(raw, few=False), left_s, caller
        )
        if contents is not None and _is_little(contents, raw):
            return read_inference(parse_message(raw)), True
        return await beside_in_time(lambda: read_inference(parse_message(raw)), left_s, caller), False

    def read_short_json(self, body: bytes, json_bytes: int, model: str, version: str) -> Inference | None:
        """Reads a request in JSON that is small enough to be read at once; returns None if `read_json` has to read it.

        Args:
            body: the JSON text, and behind it the binary data of tensors.
            json_bytes: the length of the JSON text; 0 if there is nothing behind it.
            model: the name of the model, from the request's path.
            version: the version as text, from the request's path; empty for the one that serves.

        Raises:
            InvalidRequest: the body is not such a request, or holds more than allowed.
        """
        if len(body) > _SHORT_JSON_BYTES:
            return None
        return self._read_json(body, json_bytes, model, version)

    async def read_json(
        self, body: bytes, json_bytes: int, names: tuple[str, str], left_s: float | None, caller: str
    ) -> tuple[Inference, bool]:
        """Reads a request in JSON of any size without holding the event loop.

        Args:
            body: the JSON text, and behind it the binary data of tensors.
            json_bytes: the length of the JSON text; 0 if there is nothing behind it.
            names: the model and the version as text, from the request's path.
            left_s: seconds that the caller still waits; None if it set no deadline.
            caller: whose request it is.

        Returns:
            What it asks for, and whether binding its rows is so little work that it may hold the event loop.

        Raises:
            InvalidRequest: the body is not such a request, or holds more than allowed.
            DeadlineExceeded: `left_s` passed while requests of others were read.
        """
        if (json_bytes or len(body)) <= _LITTLE_JSON_BYTES:
            return self._read_json(body, json_bytes, *names), len(body) <= _LITTLE_JSON_BYTES
        return await beside_in_time(lambda: self._read_json(body, json_bytes, *names), left_s, caller), False

    def _read_json(self, body: bytes, json_bytes: int, model: str, version: str) -> Inference:
        def read(bounds: Bounds) -> Inference:
            return read_json_inference(body, json_bytes, model, version, bounds)

        return self._counting.count(read)[0]

    def _count(self, raw: bytes, *, few: bool) -> Contents | None:
        return self._counting.count(lambda bounds: count_message(raw, bounds, few=few))[0]


def _is_little(contents: Contents, raw: bytes) -> bool:
    few = contents.columns <= _FEW_COLUMNS and contents.items <= _FEW_ITEMS
    return few and len(raw) <= _FEW_BYTES
