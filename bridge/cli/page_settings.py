"""The generated parts of docs/settings.md and docs/model-settings.md: a table row a key, from their classes."""

from collections.abc import Iterator, Sequence
from typing import get_origin

from bridge.bundles.settings import ModelSettings
from bridge.cli.page_tables import capitalised, code, table
from bridge.cli.serve_options import ServeOptions
from bridge.config import GatewaySettings
from bridge.described import Key, keys_of, summary_of
from bridge.store_settings import StoreSettings

__all__ = ["model_settings_part", "settings_part", "stores_part"]

_NAMED = ("lookup",)  # tables whose sections have a name in the section's head


def settings_part() -> str:
    """Returns the table of the gateway's settings, for docs/settings.md.

    Raises:
        NotDescribed: a key has no description.
    """
    options, prefix = ServeOptions.keys(), str(GatewaySettings.model_config["env_prefix"])
    rows = [
        (
            f"`{key.name}`",
            f"`{prefix}{key.name.upper()}`",
            f"`--{key.name.replace('_', '-')}`" if key.name in options else "",
            *_cells(key),
        )
        for key in keys_of(GatewaySettings)
    ]
    return table(("key", "environment", "command line", "type", "default", "meaning"), rows)


def stores_part() -> str:
    """Returns the table of the keys of a store, for docs/settings.md.

    Raises:
        NotDescribed: a key has no description.
    """
    return _keys(keys_of(StoreSettings))


def model_settings_part() -> str:
    """Returns the tables of all keys of a model.toml, for docs/model-settings.md.

    Raises:
        NotDescribed: a key or a section has no description.
    """
    return "\n\n".join(_of_model(keys_of(ModelSettings)))


def _of_model(keys: Sequence[Key]) -> Iterator[str]:
    yield "## Keys of the model"
    yield _keys([key for key in keys if key.sections is None])
    for key in keys:
        if key.sections is not None:
            yield f"## {_head(key)}"
            yield capitalised(key.meaning)
            if _is_table(key) and key.name not in _NAMED:
                yield summary_of(key.sections)
            yield _keys(keys_of(key.sections))


def _head(key: Key) -> str:
    """Returns the head of the sections of a key, as they are written in the file."""
    if key.name in _NAMED:
        return f"[{key.name}.NAME]"
    return f"Lines of [{key.name}]" if _is_table(key) else f"[{key.name}]"


def _is_table(key: Key) -> bool:
    return get_origin(ModelSettings.model_fields[key.name].annotation) is dict


def _keys(keys: Sequence[Key]) -> str:
    return table(("key", "type", "default", "meaning"), [(f"`{key.name}`", *_cells(key)) for key in keys])


def _cells(key: Key) -> tuple[str, str, str]:
    return key.kind, code(key.default), capitalised(key.meaning)
