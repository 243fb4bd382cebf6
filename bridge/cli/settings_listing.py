"""What `scorebridge config show` lists: each setting with its value, its source, its default and its meaning."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bridge.config import GatewaySettings
from bridge.config_sources import Source
from bridge.described import keys_of, spelled
from bridge.features.stores.redis_url import parse_url
from bridge.store_settings import StoreSettings

__all__ = ["ListedSetting", "list_settings"]

_NOT_SHOWN = "not shown: its form is wrong"


@dataclass(frozen=True, slots=True)
class ListedSetting:
    """One setting of a gateway.

    Attributes:
        key: the key; of a store `stores.NAME.KEY`.
        value: the value in force, as JSON has it.
        source: "command line", "environment", "file" or "default".
        source_name: the option, the variable or the file; empty for a default.
        default: the default in words.
        meaning: what it does.
    """

    key: str
    value: Any
    source: str
    source_name: str
    default: str
    meaning: str

    def document(self) -> dict[str, Any]:
        """Returns the setting for `--json`."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Returns the setting for people: the key with its value, then where it comes from, then what it does."""
        source = f"{self.source} ({self.source_name})" if self.source_name else self.source
        told = f"from: {source}; default: {self.default}"
        return [f"{self.key} = {spelled(self.value)}", f"    {told}", f"    {self.meaning}"]


def list_settings(settings: GatewaySettings, sources: Mapping[str, Source]) -> list[ListedSetting]:
    """Returns all settings of a gateway, those of its stores behind the others.

    Args:
        settings: the settings, which were checked.
        sources: where the values come from, by key, as `bridge.config_sources.tell` returns it.
    """
    return list(_listed(settings, sources, ""))


def _listed(settings: BaseModel, sources: Mapping[str, Source], prefix: str) -> Iterator[ListedSetting]:
    sections: list[tuple[str, StoreSettings]] = []
    for key in keys_of(type(settings)):
        value = getattr(settings, key.name)
        if key.sections is not None and value:
            sections = [(f"{key.name}.{name}.", section) for name, section in value.items()]
            continue
        source = sources.get(f"{prefix}{key.name}", Source("default"))
        shown = _shown(value, settings, key.name)
        yield ListedSetting(f"{prefix}{key.name}", shown, source.kind, source.name, key.default, key.meaning)
    for inner, section in sections:
        yield from _listed(section, sources, f"{prefix}{inner}")


def _shown(value: Any, settings: BaseModel, name: str) -> Any:
    """Returns a value as JSON has it; of a URL that can't be read, nothing: a password may be anywhere in it."""
    if isinstance(settings, StoreSettings) and name == "url" and settings.scheme != "memory":
        try:
            parse_url(settings)
        except ValueError:
            return _NOT_SHOWN
    return str(value) if isinstance(value, Path) else value
