"""What a store holds of a feature group: its features, and its feature batches; docs/features.md has the layout."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from bridge.columns import Type
from bridge.errors import BridgeError

__all__ = [
    "FEATURE_TYPES",
    "GROUPS_KEY",
    "MOST_DAYS",
    "MOST_FEATURES",
    "MOST_META_BYTES",
    "MOST_NAME_BYTES",
    "NAME",
    "FeatureBatch",
    "Group",
    "GroupFeature",
    "GroupKind",
    "GroupNotReadable",
    "meta_key",
    "read_meta",
    "row_prefix",
    "write_meta",
]

GROUPS_KEY = b"sb:groups"
MOST_META_BYTES = 1 << 20
NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")  # of groups and of batches
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])")
MOST_DAYS = 31  # that a stream's hashes are kept
_FORMAT = 1
MOST_FEATURES = 4096
MOST_NAME_BYTES = 1024  # of a feature, as of a column
_MOST_SCHEMA = 2**32 - 1
FEATURE_TYPES = (Type.DOUBLE, Type.INT, Type.INT64, Type.BOOL, Type.STRING)


class GroupNotReadable(BridgeError):
    """What the store holds of a group is not as docs/features.md says."""

    reason = "GROUP_NOT_READABLE"


class GroupKind(StrEnum):
    """Who writes a group: "batch" is published whole, once a day; "stream" is counted up during the day."""

    BATCH = "batch"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class GroupFeature:
    """One feature of a group; its type is double, int, int64, bool or string."""

    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """One publication of a group.

    Attributes:
        name: its name, by custom the day up to which it counts, such as "2026-11-24".
        schema: the number of its features' schema, which each of its rows begins with.
        features: its features; in a row all numbers come first, and then the texts.
        entities: the number of its rows.
        published_ms: when it became current, in milliseconds since 1970 by the store's clock.
        ttl_s: the seconds after which the store lets its rows expire.
        by_name: its features by their names.
    """

    name: str
    schema: int
    features: tuple[GroupFeature, ...]
    entities: int
    published_ms: int
    ttl_s: int
    by_name: Mapping[str, GroupFeature] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {feature.name: feature for feature in self.features})

    def __hash__(self) -> int:
        return hash((self.name, self.schema, self.published_ms))

    @property
    def day(self) -> str:
        """The day up to which it counts, as its name begins with, such as "2026-11-24"; empty if it names none."""
        found = _DAY.match(self.name)
        try:
            return date.fromisoformat(found[0]).isoformat() if found else ""
        except ValueError:
            return ""


@dataclass(frozen=True, slots=True)
class Group:
    """A feature group, as its store described it at one instant.

    Attributes:
        name: its name.
        kind: who writes it.
        timezone: the name of the time zone in which its days begin, such as "Europe/Berlin".
        current: the batch to read; None of a stream's group, or if nothing was published yet.
        previous: the batch before it; None if there is none.
        streamed: the features of a stream's group; empty for others.
        keep_days: for how many days a stream's hashes are kept, the day itself included.
    """

    name: str
    kind: GroupKind
    timezone: str = "UTC"
    current: FeatureBatch | None = None
    previous: FeatureBatch | None = None
    streamed: tuple[GroupFeature, ...] = ()
    keep_days: int = 2

    @property
    def features(self) -> tuple[GroupFeature, ...]:
        """The features of the current batch, or of the stream."""
        return self.current.features if self.current is not None else self.streamed

    def day(self, now_ms: int) -> str:
        """Returns the day that it is in the group's time zone, such as "2026-11-25".

        Args:
            now_ms: the time in milliseconds since 1970.
        """
        zone: tzinfo = UTC if self.timezone == "UTC" else ZoneInfo(self.timezone)
        return datetime.fromtimestamp(now_ms / 1000, zone).date().isoformat()


def meta_key(group: str) -> bytes:
    """Returns the key that describes a group; the braces keep all keys of a group on one node of a cluster."""
    return f"sb:{{{group}}}:meta".encode()


def row_prefix(group: str, batch: str, kind: GroupKind = GroupKind.BATCH) -> bytes:
    """Returns the beginning of the keys of a batch's rows, or of a stream's day; the entity's key follows in UTF-8."""
    return f"sb:{{{group}}}:{'row' if kind is GroupKind.BATCH else 'day'}:{batch}:".encode()


def write_meta(group: Group) -> bytes:
    """Returns the JSON that describes a group."""
    content: dict[str, Any] = {"format": _FORMAT, "kind": str(group.kind), "timezone": group.timezone}
    if group.kind is GroupKind.STREAM:
        content["features"], content["keep_days"] = _pairs(group.streamed), group.keep_days
    else:
        content["current"], content["previous"] = _written(group.current), _written(group.previous)
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _pairs(features: tuple[GroupFeature, ...]) -> list[list[str]]:
    return [[feature.name, str(feature.type)] for feature in features]


def _written(batch: FeatureBatch | None) -> dict[str, Any] | None:
    if batch is None:
        return None
    return {
        "batch": batch.name,
        "schema": batch.schema,
        "features": _pairs(batch.features),
        "entities": batch.entities,
        "published_ms": batch.published_ms,
        "ttl_s": batch.ttl_s,
    }


def read_meta(name: str, raw: bytes) -> Group:
    """Reads the description of a group.

    Raises:
        GroupNotReadable: the bytes are not as `write_meta` writes them; other keys than it knows are ignored.
    """
    if len(raw) > MOST_META_BYTES:
        raise GroupNotReadable(f"the description of group '{name}' is longer than {MOST_META_BYTES} bytes")
    try:
        content = json.loads(raw)
        if content["format"] != _FORMAT:
            raise GroupNotReadable(f"group '{name}' has format {content['format']!r}, and this gateway knows {_FORMAT}")
        kind, timezone = GroupKind(content["kind"]), str(content.get("timezone", "UTC"))
        ZoneInfo(timezone)
        if kind is GroupKind.STREAM:
            return Group(
                name,
                kind,
                timezone,
                streamed=_features(content["features"]),
                keep_days=_days(content.get("keep_days", 1)),
            )
        return Group(name, kind, timezone, _read(content.get("current")), _read(content.get("previous")))
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError) as error:
        raise GroupNotReadable(
            f"the description of group '{name}' is not as docs/features.md says ({type(error).__name__})"
        ) from error


def _read(content: Any) -> FeatureBatch | None:
    if content is None:
        return None
    numbers = [content[key] for key in ("schema", "entities", "published_ms", "ttl_s")]
    if any(type(number) is not int or number < 0 for number in numbers) or numbers[0] > _MOST_SCHEMA:
        raise ValueError("a number is not a whole one from 0 up")
    if NAME.fullmatch(content["batch"]) is None:
        raise ValueError("not the name of a batch")
    schema, entities, published_ms, ttl_s = numbers
    return FeatureBatch(content["batch"], schema, _features(content["features"]), entities, published_ms, ttl_s)


def _days(count: Any) -> int:
    if type(count) is not int or not 1 <= count <= MOST_DAYS:
        raise ValueError("not a number of days")
    return count


def _features(pairs: Any) -> tuple[GroupFeature, ...]:
    features = tuple(GroupFeature(name, Type(kind)) for name, kind in pairs)
    names = [feature.name for feature in features]
    if not 0 < len(names) <= MOST_FEATURES or len(set(names)) != len(names):
        raise ValueError("no features, too many, or one twice")
    if any(not isinstance(name, str) or not 0 < len(name.encode()) <= MOST_NAME_BYTES for name in names):
        raise ValueError("not the name of a feature")
    if any(feature.type not in FEATURE_TYPES for feature in features):
        raise ValueError("not the type of a feature")
    return features
