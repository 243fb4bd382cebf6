"""The parts of the OpenAPI document that describe the routes of the HTTP/JSON wire."""

from collections.abc import Mapping
from typing import Any

from bridge.codecs.json.schemas import reference
from bridge.services.time_limits import GRPC_TIMEOUT, REQUEST_TIMEOUT

__all__ = ["DESCRIPTIONS"]

_TIME_LIMITS = [
    {
        "name": GRPC_TIMEOUT,
        "in": "header",
        "description": "How long the caller waits, as gRPC writes it, such as 250m for 250 milliseconds.",
        "schema": {"type": "string", "pattern": "^[0-9]{1,8}[HMSmun]$"},
    },
    {
        "name": REQUEST_TIMEOUT,
        "in": "header",
        "description": "How long the caller waits, in seconds; not beside Grpc-Timeout.",
        "schema": {"type": "string", "pattern": r"^[0-9]{1,8}(\.[0-9]{1,9})?$"},
    },
]


def _answer(schema: str, described: str) -> dict[str, Any]:
    return {"200": {"description": described, "content": {"application/json": {"schema": reference(schema)}}}}


def _score(summary: str, name: str) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "parameters": _TIME_LIMITS,
        "requestBody": {"required": True, "content": {"application/json": {"schema": reference("ScoreRequest")}}},
        "responses": _answer("ScoreResponse", "A score for each row, the model's or a default, as it says."),
    }


def _facts(summary: str, name: str, schema: str) -> dict[str, Any]:
    return {"operationId": name, "summary": summary, "responses": _answer(schema, "What is known of the versions.")}


DESCRIPTIONS: Mapping[str, Mapping[str, Any]] = {
    "/v1/models/{model}:score": _score("Scores rows by the version that serves.", "score"),
    "/v1/models/{model}/versions/{version}:score": _score("Scores rows by one version.", "scoreVersion"),
    "/v1/models": _facts("Lists every version of every model.", "listModels", "ListModelsResponse"),
    "/v1/models/{model}": _facts("Describes the versions of a model.", "getModel", "GetModelResponse"),
    "/v1/models/{model}/versions/{version}": _facts("Describes one version.", "getVersion", "GetModelResponse"),
}
