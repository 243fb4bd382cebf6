"""The OpenAPI document of the HTTP port: made from its routes, each of which brings its own description."""

import json
import re
from collections.abc import Iterable
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from bridge.codecs.json.schemas import reference, schemas
from bridge.services.http_calls import HttpAnswer, HttpRequest, Route

__all__ = ["describe_routes"]

_PIECE = re.compile(r"\{(\w+)\}")
_VERSION_PATTERN = "^[1-9][0-9]{0,9}$"
# Every status of a failed call: those of errors, and those of what the port itself refuses.
_FAILED = (
    *(HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND),
    *(HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT),
    *(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, HTTPStatus.EXPECTATION_FAILED),
    *(HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, HTTPStatus.INTERNAL_SERVER_ERROR),
    *(HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT),
)


def describe_routes(routes: Iterable[Route]) -> Route:
    """Returns the route GET /openapi.json, which describes the routes that have a description."""
    document = json.dumps(_document(routes), separators=(",", ":")).encode()

    async def show(_: HttpRequest) -> HttpAnswer:
        return HttpAnswer(HTTPStatus.OK.value, document)

    return Route("GET", "/openapi.json", show)


def _document(routes: Iterable[Route]) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if route.description:
            paths.setdefault(route.pattern, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "scorebridge",
            "version": version("scorebridge-gateway"),
            "description": "Scores of resident models, a batch of rows at a time.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        # A gateway without callers.toml asks for no token.
        "security": [{}, {"token": []}],
    }


def _operation(route: Route) -> dict[str, Any]:
    described = dict(route.description)
    pieces = [_path_parameter(name) for name in _PIECE.findall(route.pattern)]
    if parameters := pieces + list(described.pop("parameters", ())):
        described["parameters"] = parameters
    failed = {
        str(status.value): {
            "description": status.phrase,
            "content": {"application/problem+json": {"schema": reference("Problem")}},
        }
        for status in _FAILED
    }
    described["responses"] = failed | dict(described.get("responses", {}))
    return described


def _path_parameter(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "minLength": 1}
    if name == "version":
        schema["pattern"] = _VERSION_PATTERN
    return {"name": name, "in": "path", "required": True, "schema": schema}
