"""The first message of a Python worker: what it has loaded."""

from dataclasses import dataclass
from typing import Any, Self, TypeVar

from bridge.backends.python.connection import Message
from bridge.features.feature import Feature
from bridge.workers.exchange import ProtocolError

__all__ = ["Greeting"]

_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True)
class Greeting:
    """A worker's first message on a new connection; made by scorebridge.runner.worker.

    Attributes:
        pid: the process id of the worker.
        digest: the digest of the bundle that the worker has loaded.
        error: why the bundle did not load; None if it did.
        features: the parameters of the predict function, in order, without types.
        frame_features: the features that a model of the bundle says to have been fitted on, without types; empty
            unless the function has one parameter, which may be a frame.
        version: the interpreter's version, such as "3.11.7".
        packages: "name version" of the distributions that the bundle has imported.
        warnings: "Class: text" of each warning that may mean other scores, given while the bundle was loaded.
        notes: sentences for the model's author on how the bundle was loaded.
    """

    pid: int
    digest: str
    error: str | None
    features: tuple[Feature, ...]
    frame_features: tuple[Feature, ...]
    version: str
    packages: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    @classmethod
    def read(cls, message: Message) -> Self:
        """Reads the greeting from its message.

        Raises:
            ProtocolError: a part is missing or of another type.
        """
        head = message.head
        error = head.get("error")
        features: list[Any] = _part(head, "features", list)
        return cls(
            pid=_part(head, "pid", int),
            digest=_part(head, "digest", str),
            error=None if error is None else _part(head, "error", str),
            features=tuple(_feature(one) for one in features),
            frame_features=tuple(Feature(name) for name in _texts(head, "frame_features")),
            version=_part(head, "version", str),
            packages=_texts(head, "packages"),
            warnings=_texts(head, "warnings"),
            notes=_texts(head, "notes"),
        )


def _part(head: dict[str, Any], name: str, kind: type[_Part]) -> _Part:
    value = head.get(name)
    if not isinstance(value, kind):
        raise ProtocolError(f"the Python worker's greeting lacks '{name}', or has something else there")
    return value


def _texts(head: dict[str, Any], name: str) -> tuple[str, ...]:
    texts: list[Any] = _part(head, name, list)
    if not all(isinstance(text, str) for text in texts):
        raise ProtocolError(f"the Python worker's greeting has no texts under '{name}'")
    return tuple(texts)


def _feature(described: Any) -> Feature:
    match described:
        case [str(name), bool(required)]:
            return Feature(name, required=required)
    raise ProtocolError("the Python worker's greeting describes a feature otherwise than as name and necessity")
