"""The first message of an R worker: what it has loaded, and how it is called."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from bridge.backends.rserve.rvalues import RInt, RList, RLogical, RString, RValue
from bridge.backends.rserve.world import World
from bridge.columns import Type
from bridge.features.feature import Feature
from bridge.workers.exchange import ProtocolError

__all__ = ["Greeting"]


@dataclass(frozen=True, slots=True)
class Greeting:
    """A worker's first message on a new connection; made by `oc.init` in rscripts/R/worker_start.R.

    Attributes:
        pid: the process id of the worker.
        digest: the digest of the bundle that the worker has loaded.
        error: why the bundle did not load; None if it did.
        score: the capability to call the function that scores; empty if there is an error.
        trial: the capability to call the function that tries rows; empty if there is an error.
        features: the arguments of the predict function, in order, without types.
        proposed: the arguments of the predict function with the types that the model's own terms give them.
        frame_features: the columns that a data frame in the only argument would have; see `Description`.
        r_version: R's version, such as "4.2.2".
        packages: "name version" of each loaded package that is not R's own.
        notes: sentences for the model's author on how the bundle was loaded.
        texts: the values that the model knows of each feature that is text, by feature.
        world: the worker's time zone, locale, and its versions of R and of the author's packages.
    """

    pid: int
    digest: str
    error: str | None
    score: str
    trial: str
    features: tuple[Feature, ...]
    proposed: tuple[Feature, ...]
    frame_features: tuple[Feature, ...]
    r_version: str
    packages: tuple[str, ...]
    notes: tuple[str, ...]
    texts: dict[str, tuple[str, ...]]
    world: World

    @classmethod
    def read(cls, value: RList) -> Self:
        """Reads the greeting from R's list.

        Raises:
            ProtocolError: a part is missing or of another type.
        """
        parts = value.named()
        pid, required = parts.get("pid"), parts.get("feature_required")
        if not (isinstance(pid, RInt) and isinstance(required, RLogical)):
            raise ProtocolError("the R worker's greeting lacks a part")
        names = _texts(parts, "feature_names")
        known = zip(names, required.values.tolist(), strict=True)
        features = tuple(Feature(name, required=need) for name, need in known)
        error = _texts(parts, "error")
        return cls(
            pid=int(pid.values[0]),
            digest="".join(_texts(parts, "digest")),
            error=error[0] if error else None,
            score="".join(_texts(parts, "score")),
            trial="".join(_texts(parts, "trial")),
            features=features,
            proposed=_proposed(features, parts, "proposed"),
            frame_features=_proposed([Feature(name) for name in _texts(parts, "frame_names")], parts, "frame"),
            r_version="".join(_texts(parts, "r_version")),
            packages=_texts(parts, "packages"),
            notes=_texts(parts, "notes"),
            texts=_known_texts(parts),
            world=_world(parts),
        )


def _world(parts: dict[str, RValue]) -> World:
    r, timezone, locale, collation = (
        "".join(_texts(parts, name)) for name in ("r_version", "timezone", "locale", "collation")
    )
    installed = dict(text.split(" ", 1) for text in _texts(parts, "installed"))
    return World(r, timezone, locale, collation, installed)


def _proposed(features: Sequence[Feature], parts: dict[str, RValue], prefix: str) -> tuple[Feature, ...]:
    levels, ordered = parts.get(f"{prefix}_levels"), parts.get(f"{prefix}_ordered")
    if not (isinstance(levels, RList) and isinstance(ordered, RLogical)):
        raise ProtocolError("the R worker's greeting lacks a part")
    known = zip(_texts(parts, f"{prefix}_types"), levels.values, ordered.values.tolist(), strict=True)
    return tuple(
        Feature(feature.name, Type(kind) if kind else None, _strings(names), feature.required, ranked)
        for feature, (kind, names, ranked) in zip(features, known, strict=True)
    )


def _known_texts(parts: dict[str, RValue]) -> dict[str, tuple[str, ...]]:
    known = parts.get("known_texts")
    if not isinstance(known, RList):
        raise ProtocolError("the R worker's greeting lacks a part")
    return {name: _strings(texts) for name, texts in known.named().items()}


def _texts(parts: dict[str, RValue], name: str) -> tuple[str, ...]:
    return _strings(parts[name]) if name in parts else ()


def _strings(value: RValue) -> tuple[str, ...]:
    return tuple(text or "" for text in value.values) if isinstance(value, RString) else ()
