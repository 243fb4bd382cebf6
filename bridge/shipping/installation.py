"""Asks a search engine what it is, and installs the index template that our documents need."""

import hashlib
import re
from typing import Any

import orjson

from bridge.prediction_log.search_template import SearchEngine, index_template
from bridge.shipping.documents import Indices
from bridge.shipping.target import SearchTarget, TargetRefused

__all__ = ["install_template", "search_engine_of"]

_WRITTEN_BY = "scorebridge log ship"
_OLDEST = {SearchEngine.ELASTICSEARCH: (8, 3), SearchEngine.OPENSEARCH: (2, 7)}
_VERSION = re.compile(r"(\d{1,6})\.(\d{1,6})")


def search_engine_of(target: SearchTarget) -> SearchEngine:
    """Returns which engine answers.

    Raises:
        TargetRefused: it is another server, or older than what the templates need.
        TargetUnavailable: it does not answer.
    """
    content = target.ask("GET", "/").content
    version = content.get("version") if isinstance(content, dict) else None
    number = version.get("number") if isinstance(version, dict) else None
    found = _VERSION.match(str(number))
    if not isinstance(version, dict) or found is None:
        raise TargetRefused("what answers is neither OpenSearch nor Elasticsearch")
    engine = SearchEngine.OPENSEARCH if version.get("distribution") == "opensearch" else SearchEngine.ELASTICSEARCH
    oldest = _OLDEST[engine]
    if (int(found[1]), int(found[2])) < oldest:
        raise TargetRefused(f"it is {engine} {found[0]}: documents need {oldest[0]}.{oldest[1]} or newer")
    return engine


def install_template(target: SearchTarget, index: str, indices: Indices) -> bool:
    """Installs the template of the indices whose names begin with `index`, unless it is there.

    One of the same name that was not installed by this function is somebody's own, and is left as it is.

    Returns:
        Whether the template there is ours.

    Raises:
        TargetRefused: the search engine does not take it, or is not one that we know.
        TargetUnavailable: it does not answer.
    """
    wanted = index_template(search_engine_of(target), index, data_stream=indices is Indices.DATA_STREAM)
    mark = {"written_by": _WRITTEN_BY, "digest": hashlib.sha256(orjson.dumps(wanted)).hexdigest()}
    wanted["_meta"] = mark
    path = f"/_index_template/{index}"
    there = _mark_of(target.ask("GET", path).content)
    if there is not None and there.get("written_by") != _WRITTEN_BY:
        return False
    if there != mark:
        answer = target.ask("PUT", path, orjson.dumps(wanted))
        if answer.status not in {200, 201}:
            raise TargetRefused(f"it does not take the index template '{index}': {_reason(answer.content)}")
    return True


def _mark_of(content: Any) -> dict[str, Any] | None:
    """Returns the mark of a template that is there; None if there is none."""
    found = content.get("index_templates") if isinstance(content, dict) else None
    if not isinstance(found, list) or not found:
        return None
    template = found[0].get("index_template") if isinstance(found[0], dict) else None
    mark = template.get("_meta") if isinstance(template, dict) else None
    return mark if isinstance(mark, dict) else {}


def _reason(content: Any) -> str:
    error = content.get("error") if isinstance(content, dict) else None
    return str(error.get("reason", "no reason"))[:500] if isinstance(error, dict) else "no reason"
