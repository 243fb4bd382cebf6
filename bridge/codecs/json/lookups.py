"""Writes as JSON where the features came from that were looked up for a call."""

import json
from typing import Any

from scorebridge.v1 import scoring_pb2 as pb

from bridge.codecs.scorebridge_v1.replies import lookups_of
from bridge.looked_up import LookedUp

__all__ = ["lookup_objects", "write_lookups"]


def lookup_objects(looked_up: LookedUp) -> list[dict[str, Any]]:
    """Returns an object for each lookup, with the fields of scorebridge.v1's Lookup by their names.

    `age` is left out where a lookup has no age, and `failure` where it did not fail.
    """
    return [_object(message) for message in lookups_of(looked_up)]


def write_lookups(looked_up: LookedUp) -> str:
    """Returns the same objects as the text of a JSON array."""
    return json.dumps(lookup_objects(looked_up), ensure_ascii=False, separators=(",", ":"))


def _object(message: pb.Lookup) -> dict[str, Any]:
    told: dict[str, Any] = {"name": message.name, "group": message.group, "batch": message.batch}
    if message.HasField("age"):
        told["age"] = message.age.ToJsonString()
    told |= {"previous_rows": message.previous_rows, "missing_rows": message.missing_rows}
    if message.failure:
        told["failure"] = pb.DefaultReason.Name(message.failure)
    return told
