"""The HTTP/JSON wire: POST /v1/models/{model}:score, and the facts of models by GET."""

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from google.protobuf.message import Message

from bridge.addresses import caller_at
from bridge.callers.access import Access
from bridge.callers.caller import Caller
from bridge.calls import Arrival, Call, ModelRef, Outcome
from bridge.codecs.json.messages import write_message
from bridge.codecs.json.replies import write_reply
from bridge.codecs.json.requests import ScoreBody, read_body
from bridge.codecs.scorebridge_v1.bounds import check_text
from bridge.counters import FrontRefusal
from bridge.errors import BridgeError, InvalidRequest, Unauthenticated
from bridge.models.registry import Registry
from bridge.services.answer import Answering, beside_in_time, let_go
from bridge.services.asked import Asked, call_id, is_request_id
from bridge.services.counting import Counting
from bridge.services.http_calls import HttpAnswer, HttpRequest, Route, problem, problem_of
from bridge.services.json_routes import DESCRIPTIONS
from bridge.services.models import describe_model, list_models
from bridge.services.time_limits import read_time_limit

__all__ = ["JsonScoring", "JsonWire"]

_SHORT_BYTES = 16 << 10  # is read and bound within 2 ms
_FIRST_BYTES = 4096
_REQUEST_ID = re.compile(rb'"request_id"\s*:\s*"([ !#-\[\]-~]{1,128})"')
_VERSION = re.compile(r"[1-9][0-9]{0,9}")
_MOST_VERSION = 2**32 - 1
_JSON = re.compile(r'application/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?', re.IGNORECASE)
_NEVER = "DEFAULT_POLICY_NEVER"
_OTHER_TYPE = problem(
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "the body must have the Content-Type application/json, in UTF-8",
    "UNSUPPORTED_MEDIA_TYPE",
)


class JsonWire:
    """The wire of one request for scores in JSON; implements `services.wire.Wire`.

    Args:
        counting: counts what requests hold.
        model: the model that the path names.
        version: the version that the path names; empty for the one that serves.
    """

    name = "json"
    answer_json_bytes = 0

    def __init__(self, counting: Counting, model: str, version: str = "") -> None:
        self._counting = counting
        self._model = model
        self._version = version
        self._request_id = ""

    def parse_short(self, raw: bytes) -> Asked | None:
        """Reads a short request; returns None if it is longer, and `parse` has to read it."""
        return None if len(raw) > _SHORT_BYTES else self._read(raw)

    async def parse(self, raw: bytes, left_s: float | None, caller: str) -> tuple[Asked, bool]:
        """Reads a request of any size in a thread; returns it, and that its rows are bound there too."""
        return await beside_in_time(lambda: self._read(raw), left_s, caller), False

    def read_name(self, raw: bytes) -> tuple[str, str]:
        """Returns the id and the model of a refused request; an id is made if its first 4096 bytes have none."""
        found = _REQUEST_ID.search(raw[:_FIRST_BYTES])
        return call_id(found.group(1).decode() if found else ""), self._model[:_FIRST_BYTES]

    def encode(self, call: Call, outcome: Outcome, _: Any) -> bytes:
        """Returns the body that answers a call."""
        return write_reply(call, outcome)

    def status(self, error: BridgeError, ref: ModelRef | None) -> HttpAnswer:
        """Returns the problem document of a failed call."""
        return problem_of(error, ref, self._request_id)

    def _read(self, raw: bytes) -> Asked:
        check_text("the name of the model", len(self._model.encode()))
        version = _number_of(self._version)
        body, _ = self._counting.count(lambda bounds: read_body(raw, bounds))
        if is_request_id(body.request_id):
            self._request_id = body.request_id
        return _asked(self._model, version, body)


class JsonScoring:
    """The routes of the HTTP/JSON wire.

    Args:
        registry: the gateway's versions.
        answering: answers requests for scores.
        counting: counts what requests hold.
        access: who may call.
    """

    def __init__(self, registry: Registry, answering: Answering, counting: Counting, access: Access) -> None:
        self._registry = registry
        self._answering = answering
        self._counting = counting
        self._access = access

    def routes(self) -> list[Route]:
        """Returns the routes."""
        answers = (
            ("POST", "/v1/models/{model}:score", self.score),
            ("POST", "/v1/models/{model}/versions/{version}:score", self.score),
            ("GET", "/v1/models", self.list_models),
            ("GET", "/v1/models/{model}", self.get_model),
            ("GET", "/v1/models/{model}/versions/{version}", self.get_model),
        )
        return [Route(method, pattern, answer, DESCRIPTIONS[pattern]) for method, pattern, answer in answers]

    async def score(self, request: HttpRequest) -> HttpAnswer:
        """Answers a request for scores."""
        wire = JsonWire(self._counting, request.parts["model"], request.parts.get("version", ""))
        method = f"POST {request.path}"
        try:
            by = self._access.identify(request.credentials)
        except Unauthenticated as error:
            stranger = caller_at(request.peer)
            arrival = Arrival(method, b"", request.peer, stranger, request.at, request.received_ns)
            return await self._answering.refuse(wire, arrival, error)
        if _JSON.fullmatch(request.headers.get("content-type", "")) is None:
            self._answering.counters.refused(FrontRefusal.UNSUPPORTED_MEDIA_TYPE)
            return _OTHER_TYPE
        parent = self._answering.parent(request.headers.items)
        arrival = Arrival(method, request.body, request.peer, by.name, request.at, request.received_ns, parent=parent)
        try:
            _refuse_query(request)
            limit_s = read_time_limit(request.headers)
        except InvalidRequest as error:
            return await self._answering.refuse(wire, arrival, error)
        left_s = None if limit_s is None else limit_s - request.body_s
        answer = await self._answering.answer(wire, arrival, left_s, by)
        return HttpAnswer(HTTPStatus.OK.value, answer) if isinstance(answer, bytes) else answer

    async def list_models(self, request: HttpRequest) -> HttpAnswer:
        """Answers with every version of every model that the caller may ask for."""
        return self._told(request, lambda by: list_models(self._registry, by))

    async def get_model(self, request: HttpRequest) -> HttpAnswer:
        """Answers with all facts of a model's versions, or of the one that the path names."""
        model, version = request.parts["model"], request.parts.get("version", "")
        return self._told(request, lambda by: describe_model(self._registry, by, model, _number_of(version)))

    def _told(self, request: HttpRequest, tell: Callable[[Caller], Message]) -> HttpAnswer:
        try:
            by = self._access.identify(request.credentials)
            _refuse_query(request)
            return HttpAnswer(HTTPStatus.OK.value, write_message(tell(by)))
        except BridgeError as error:
            self._answering.counters.refused(error.reason)
            return problem_of(let_go(error))


def _asked(model: str, version: int, body: ScoreBody) -> Asked:
    return Asked(
        model=model,
        version=version,
        request_id=body.request_id,
        batch=body.table,
        row_keys=len(body.row_keys),
        partial=body.partial,
        ignore_extra=body.ignore_extra,
        default=body.default_score,
        defaults_allowed=body.default_policy != _NEVER,
    )


def _number_of(version: str) -> int:
    """Returns the number of the version that a path names; 0 if it names none."""
    if not version:
        return 0
    if _VERSION.fullmatch(version) is None or (number := int(version)) > _MOST_VERSION:
        raise InvalidRequest("the version in the path must be a positive whole number, without leading zeros")
    return number


def _refuse_query(request: HttpRequest) -> None:
    if request.query:
        raise InvalidRequest("this path takes no query: what a call asks for is in its body and headers")
