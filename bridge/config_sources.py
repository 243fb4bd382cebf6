"""Where a gateway's settings come from: the command line over the environment over a file, key by key."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsError

__all__ = ["Source", "SourceNotReadable", "Told", "tell"]

_MOST_BYTES = 4 << 20


class SourceNotReadable(ValueError):
    """A file or variable can't be read as settings; the message names it, and no value."""


class Source(NamedTuple):
    """Where the value of a key comes from.

    Attributes:
        kind: the kind of the source.
        name: the option, the environment variable or the file; empty for a default.
    """

    kind: Literal["command line", "environment", "file", "default"]
    name: str = ""


class Told(NamedTuple):
    """What the command line, the environment and the file say, before it is checked.

    Attributes:
        values: the values by key; of several sources the first counts, in sections key by key.
        sources: where each value comes from, by its key; keys within sections are joined by points.
    """

    values: dict[str, Any]
    sources: dict[str, Source]


def tell(kind: type[BaseSettings], path: Path | None, given: Mapping[str, Any]) -> Told:
    """Collects the settings of a class from the command line, the environment and a TOML file.

    Args:
        kind: the class of the settings, whose `env_prefix` the variables have.
        path: the file; None for none.
        given: the values from the command line; None where an option was not given.

    Raises:
        SourceNotReadable: there is no such file, it is too large or no TOML, or a variable that must be JSON is not.
    """
    of_file = {} if path is None else _read(path)
    try:
        of_environment: dict[str, Any] = EnvSettingsSource(kind)()
    except SettingsError as error:
        raise SourceNotReadable(_unreadable_variable(kind, str(error))) from error
    values: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    of_options = {key: one for key, one in given.items() if one is not None}
    for layer in (of_file, of_environment, of_options):
        values = _merged(values, layer)
        for key in _flat(layer):
            first = key.partition(".")[0]
            if layer is of_file:
                sources[key] = Source("file", str(path))
            elif layer is of_environment:
                sources[key] = Source("environment", _variable(kind, first))
            else:
                sources[key] = Source("command line", _option(first))
    return Told(values, sources)


def _read(path: Path) -> dict[str, Any]:
    try:
        if not path.is_file():
            raise SourceNotReadable(f"there is no settings file {path}")
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise SourceNotReadable(f"{path}: it is larger than {_MOST_BYTES} bytes")
        return tomllib.loads(content.decode())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SourceNotReadable(f"{path}: {_without_content(error)}") from error


def _without_content(error: Exception) -> str:
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what two sources say together: the second counts, in sections key by key."""
    found = dict(under)
    for key, value in over.items():
        old = found.get(key)
        found[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return found


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _option(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def _variable(kind: type[BaseSettings], key: str) -> str:
    """Returns the name of the variable as the environment spells it: case does not matter in it."""
    name = f"{kind.model_config.get('env_prefix', '')}{key}".upper()
    return next((one for one in os.environ if one.upper() == name), name)


def _unreadable_variable(kind: type[BaseSettings], message: str) -> str:
    key = next((one for one in kind.model_fields if f'"{one}"' in message), "")
    return f"{_variable(kind, key)} is not JSON: give a table of sections, or use the settings file"
