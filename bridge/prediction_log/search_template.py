"""Index templates for the documents of logged calls, for OpenSearch and for Elasticsearch."""

from enum import StrEnum
from typing import Any

from bridge.errors import DefaultReason
from bridge.prediction_log.search_documents import GROUPS, UNINDEXED

__all__ = ["SearchEngine", "index_template"]

_KEYWORD, _DOUBLE, _LONG = {"type": "keyword"}, {"type": "double"}, {"type": "long"}
_BOOLEAN, _TIME, _OBJECT = {"type": "boolean"}, {"type": "date_nanos"}, {"type": "object"}
_BY_REASON = {"properties": dict.fromkeys(map(str, DefaultReason), _LONG)}
_MOST_FIELDS = 5000
_LONGEST_TEXT = 8191  # in characters; a search engine's longest term is 32,766 bytes, and a character may have four
_PRIORITY = 200  # above that of templates with such patterns as "*", which are often there


class SearchEngine(StrEnum):
    """The search engines: they differ in the type of an object with unknown keys, and in what a dot in a name is."""

    ELASTICSEARCH = "elasticsearch"
    OPENSEARCH = "opensearch"


def index_template(engine: SearchEngine, index: str, *, data_stream: bool = False) -> dict[str, Any]:
    """Returns the template of the indices whose names begin with `index` and a dash, ready to be sent as JSON.

    Args:
        engine: the search engine that is to take it: Elasticsearch from 8.3 on, OpenSearch from 2.7 on.
        index: the name that all these indices begin with.
        data_stream: whether the names are data streams, not indices; documents then need an `@timestamp`.
    """
    template: dict[str, Any] = {"index_patterns": [f"{index}-*"], "priority": _PRIORITY}
    if data_stream:
        template["data_stream"] = {}
    settings = {"index.mapping.ignore_malformed": True, "index.mapping.total_fields.limit": _MOST_FIELDS}
    return template | {"template": {"settings": settings, "mappings": _mappings(engine)}}


def _mappings(engine: SearchEngine) -> dict[str, Any]:
    elastic = engine is SearchEngine.ELASTICSEARCH
    # In Elasticsearch a dot in a column's name is part of the name; in OpenSearch it makes an object, asked for alike.
    group = _OBJECT | ({"subobjects": False} if elastic else {})
    return {
        "date_detection": False,  # or a text column becomes one of dates if its first value looks like one
        "dynamic_templates": [
            *({f"{prefix}numbers": _number(f"{prefix}*")} for prefix in GROUPS),
            {"floats": {"match_mapping_type": "double", "mapping": _DOUBLE}},
            {"texts": {"match_mapping_type": "string", "mapping": _KEYWORD | {"ignore_above": _LONGEST_TEXT}}},
        ],
        "properties": {
            **dict.fromkeys(("request_id", "row_key", "batch_id", "caller", "model", "digest"), _KEYWORD),
            **dict.fromkeys(("error_reason", "source", "reason", "infinite"), _KEYWORD),
            **dict.fromkeys(("row", "row_count", "defaulted_rows", "failed_rows", "version", "suppressed"), _LONG),
            **dict.fromkeys(("defaulted", "failed"), _BY_REASON),
            "status": {"type": "integer"},
            **dict.fromkeys(("cut", "values_left_out"), _BOOLEAN),
            **dict.fromkeys(("total_s", "queue_s", "backend_s"), _DOUBLE),
            **dict.fromkeys(("received_at", "@timestamp"), _TIME),
            "labels": {"type": "flattened" if elastic else "flat_object"},
            **{prefix.rstrip("."): group for prefix in GROUPS},
            UNINDEXED: _OBJECT | {"enabled": False},
        },
    }


def _number(path: str) -> dict[str, Any]:
    return {"match_mapping_type": "long", "path_match": path, "mapping": _DOUBLE}
