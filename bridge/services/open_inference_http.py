"""The Open Inference Protocol over HTTP: the routes under /v2, in JSON with the binary tensor extension."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from bridge.addresses import caller_at
from bridge.callers.access import Access
from bridge.callers.caller import Caller
from bridge.calls import Arrival
from bridge.codecs.open_inference.json_text import read_object
from bridge.codecs.scorebridge_v1.bounds import Bounds, is_short
from bridge.errors import BridgeError, InvalidRequest, Unauthenticated
from bridge.models.registry import Registry
from bridge.services.answer import Answering, let_go
from bridge.services.http_calls import HttpAnswer, HttpRequest, Route, problem, problem_of
from bridge.services.open_inference_intake import InferIntake
from bridge.services.open_inference_models import (
    as_fields,
    load,
    model_metadata,
    model_ready,
    repository_index,
    server_metadata,
    unload,
)
from bridge.services.open_inference_routes import describe_infer, describe_posted, describe_ready, describe_told
from bridge.services.open_inference_wire import JsonInferWire
from bridge.services.time_limits import read_time_limit

__all__ = ["InferenceHttp"]

_JSON_LENGTH = "inference-header-content-length"
_LENGTH = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
_JSON, _BINARY = "application/json", "application/octet-stream"
_TAKEN = ("", _JSON, _BINARY)
_SMALL = Bounds(columns=1, rows=1)  # of a body that holds only parameters
_MODEL, _VERSION = "/v2/models/{model}", "/v2/models/{model}/versions/{version}"

_Tell = Callable[[HttpRequest, Caller], Awaitable[Any]]


class InferenceHttp:
    """The routes of the Open Inference Protocol.

    Args:
        registry: the gateway's versions.
        answering: answers requests for scores.
        intake: reads their bodies.
        access: who may call.
        ready: whether calls should be sent to this gateway.
    """

    def __init__(
        self,
        registry: Registry,
        answering: Answering,
        intake: InferIntake,
        access: Access,
        ready: Callable[[], bool],
    ) -> None:
        self._registry = registry
        self._answering = answering
        self._intake = intake
        self._access = access
        self._ready = ready

    def routes(self) -> list[Route]:
        """Returns the routes, each with its part of the OpenAPI document."""
        load, unload = "Loads a model from the repository.", "Takes a model out of memory."
        models, parameters = "/v2/repository/models/{model}", {"parameters": {"type": ["object", "null"]}}
        index = describe_posted("Lists the versions of all models.", {"ready": {"type": "boolean"}}, "array")
        told: list[tuple[str, str, _Tell, Mapping[str, Any]]] = [
            ("GET", "/v2", self._server_metadata, describe_told("Tells what the server is.")),
            ("POST", "/v2/repository/index", self._index, index),
            ("POST", f"{models}/load", self._load, describe_posted(load, parameters)),
            ("POST", f"{models}/unload", self._unload, describe_posted(unload, parameters)),
        ]
        for base in (_MODEL, _VERSION):
            told.append(("GET", base, self._model_metadata, describe_told("Tells a model's inputs and outputs.")))
            told.append(("GET", f"{base}/ready", self._model_ready, describe_ready("Tells whether a model scores.")))
        health = [
            ("live", self._live, "Tells whether it lives."),
            ("ready", self._server_ready, "Tells whether it takes calls."),
        ]
        return [
            *(
                Route("GET", f"/v2/health/{at}", tell, describe_ready(f"Tells whether it {it}."))
                for at, tell, it in health
            ),
            *(Route(method, path, self._told(tell), described) for method, path, tell, described in told),
            *(Route("POST", f"{base}/infer", self._infer, describe_infer()) for base in (_MODEL, _VERSION)),
        ]

    async def _infer(self, request: HttpRequest) -> HttpAnswer:
        """Answers infer: scores one batch."""
        head = _read_head(request)
        wire = JsonInferWire(self._intake, request.parts["model"], request.parts.get("version", ""), head.json_bytes)
        by, error = self._caller(request)
        arrival = Arrival(
            method=f"{request.method} {request.path}",
            request=request.body,
            peer=request.peer,
            caller=caller_at(request.peer) if by is None else by.name,
            at=request.at,
            received_ns=request.received_ns,
            json_bytes=head.json_bytes if head.json_bytes < len(request.body) else 0,
            parent=None if by is None else self._answering.parent(request.headers.items),
        )
        if by is None or error is not None:
            return await self._answering.refuse(wire, arrival, error or Unauthenticated("the caller is not known"))
        if head.wrong is not None:
            refused = await self._answering.refuse(wire, arrival, head.wrong)
            return refused if head.status is None else problem(head.status, str(head.wrong))
        answer = await self._answering.answer(wire, arrival, head.left_s, by)
        if isinstance(answer, HttpAnswer):
            return answer
        if not wire.answer_json_bytes:
            return HttpAnswer(HTTPStatus.OK, answer)
        return HttpAnswer(
            HTTPStatus.OK, answer, _BINARY, {"Inference-Header-Content-Length": str(wire.answer_json_bytes)}
        )

    async def _live(self, _: HttpRequest) -> HttpAnswer:
        return _answered({"live": True})

    async def _server_ready(self, _: HttpRequest) -> HttpAnswer:
        ready = self._ready()
        return _answered({"ready": ready}, HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)

    async def _server_metadata(self, _request: HttpRequest, _by: Caller) -> HttpAnswer:
        return _answered(as_fields(server_metadata()))

    async def _model_metadata(self, request: HttpRequest, by: Caller) -> HttpAnswer:
        found = model_metadata(self._registry, by, request.parts["model"], request.parts.get("version", ""))
        return _answered(as_fields(found))

    async def _model_ready(self, request: HttpRequest, by: Caller) -> HttpAnswer:
        model = request.parts["model"]
        ready = model_ready(self._registry, by, model, request.parts.get("version", ""))
        return _answered({"name": model, "ready": ready}, HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)

    async def _index(self, request: HttpRequest, by: Caller) -> HttpAnswer:
        ready = _fields(request, "ready").get("ready", False)
        if not isinstance(ready, bool):
            raise InvalidRequest("ready must be true or false")
        found = repository_index(self._registry, by, ready_only=ready)
        return _answered([as_fields(one) for one in found.models])

    async def _load(self, request: HttpRequest, by: Caller) -> HttpAnswer:
        await load(self._registry, by, request.parts["model"], _parameters(request), "")
        return _answered({})

    async def _unload(self, request: HttpRequest, by: Caller) -> HttpAnswer:
        await unload(self._registry, by, request.parts["model"], _parameters(request), "")
        return _answered({})

    def _told(self, tell: _Tell) -> Callable[[HttpRequest], Any]:
        async def answer(request: HttpRequest) -> HttpAnswer:
            by, error = self._caller(request)
            try:
                if by is None or error is not None:
                    raise error or Unauthenticated("the caller is not known")
                told: HttpAnswer = await tell(request, by)
            except BridgeError as failure:
                self._answering.counters.refused(failure.reason)
                return problem_of(let_go(failure))
            return told

        return answer

    def _caller(self, request: HttpRequest) -> tuple[Caller | None, Unauthenticated | None]:
        try:
            return self._access.identify(request.credentials), None
        except Unauthenticated as error:
            return None, error


class _Head(NamedTuple):
    """What the headers of an infer request say.

    Attributes:
        json_bytes: the length of the JSON text in the body; 0 if there is nothing behind it.
        left_s: the seconds that the caller waits; None if it sets no limit.
        wrong: why the request is refused; None if its headers are as they must be.
        status: the HTTP status of the refusal, if it is not the usual one.
    """

    json_bytes: int = 0
    left_s: float | None = None
    wrong: InvalidRequest | None = None
    status: HTTPStatus | None = None


def _read_head(request: HttpRequest) -> _Head:
    given = request.headers.get(_JSON_LENGTH)
    if given is not None and _LENGTH.fullmatch(given) is None:
        wrong = InvalidRequest("Inference-Header-Content-Length must be a whole number of bytes, at least 1")
        return _Head(wrong=wrong)
    if (media := _media_type(request)) not in _TAKEN or (media == _BINARY and given is None):
        wrong = InvalidRequest(
            f"the body must be {_JSON}, or {_BINARY} with the header Inference-Header-Content-Length"
        )
        return _Head(wrong=wrong, status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    json_bytes = int(given or 0)
    try:
        left_s = read_time_limit(request.headers)
    except InvalidRequest as error:
        return _Head(wrong=error)
    return _Head(json_bytes if json_bytes != len(request.body) else 0, left_s)


def _media_type(request: HttpRequest) -> str:
    """Returns the media type of a body in lower case; another charset than UTF-8 is part of it."""
    given = request.headers.get("content-type", "")
    media, _, more = given.partition(";")
    plain = more.strip().lower().replace('"', "") in ("", "charset=utf-8")
    return media.strip().lower() if plain else given.lower()


def _fields(request: HttpRequest, *known: str) -> Mapping[str, Any]:
    """Returns the object in a small body; an empty one if there is no body."""
    if not is_short(request.body):
        raise InvalidRequest("the body is longer than any valid one of this method")
    found = read_object(request.body, _SMALL) if request.body.strip() else {}
    for name in found:
        if name not in known:
            raise InvalidRequest(f"the body may have only {', '.join(known)}")
    return found


def _parameters(request: HttpRequest) -> Mapping[str, Any]:
    parameters = _fields(request, "parameters").get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise InvalidRequest("parameters must be an object")
    return parameters


def _answered(answer: Any, status: HTTPStatus = HTTPStatus.OK) -> HttpAnswer:
    return HttpAnswer(status, json.dumps(answer).encode())
