"""All stores of features that a gateway has."""

from collections.abc import Mapping

from bridge.config import ConfigError
from bridge.errors import BundleError
from bridge.features.stores.store import Store
from bridge.store_settings import StoreSettings

__all__ = ["Stores", "open_stores"]


class Stores:
    """The stores of a gateway, by name.

    Args:
        stores: the stores.
        settings: the settings of each.
    """

    def __init__(self, stores: Mapping[str, Store], settings: Mapping[str, StoreSettings]) -> None:
        self._stores = dict(stores)
        self._settings = dict(settings)

    @property
    def states(self) -> dict[str, str]:
        """What keeps each store from answering, in words, by its name; empty words if nothing is known to."""
        return {name: store.state for name, store in self._stores.items()}

    def find(self, name: str | None) -> tuple[Store, StoreSettings]:
        """Returns a store, and its settings.

        Args:
            name: its name in the gateway's settings; None for the only one.

        Raises:
            BundleError: there is no such store, or there is not exactly one where no name was given.
        """
        known = ", ".join(f"'{one}'" for one in sorted(self._stores))
        if not self._stores:
            named = "" if name is None else f" '{name}'"
            raise BundleError(
                f"the model looks features up in a store{named}, and the gateway has none: set [stores.NAME]"
            )
        if name is None:
            if len(self._stores) > 1:
                raise BundleError(f"the gateway has the stores {known}: the lookup must name one of them by 'store'")
            name = next(iter(self._stores))
        if name not in self._stores:
            raise BundleError(f"the model looks features up in store '{name}', and the gateway has {known}")
        return self._stores[name], self._settings[name]

    async def start(self) -> None:
        """Begins to connect in the background, and returns at once."""
        for store in self._stores.values():
            await store.start()

    async def close(self) -> None:
        """Closes all stores; may be called more than once."""
        for store in self._stores.values():
            await store.close()


def open_stores(settings: Mapping[str, StoreSettings]) -> Stores:
    """Makes the stores that the gateway's settings name; none is connected before `Stores.start`.

    Raises:
        ConfigError: a store's settings can't be used, or need a package that is not installed.
    """
    return Stores({name: _open(name, one) for name, one in settings.items()}, settings)


def _open(name: str, settings: StoreSettings) -> Store:
    # Gateways without stores need none of these packages.
    try:
        if settings.scheme == "memory":
            from bridge.features.stores.memory_store import MemoryStore  # noqa: PLC0415

            return MemoryStore(name, settings)
        from bridge.features.stores.redis_store import RedisStore  # noqa: PLC0415

        return RedisStore(name, settings)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"stores.{name}: {error.name} is not installed: pip install 'scorebridge-gateway[features]'"
        ) from error
