"""The stores of a gateway: by name, and only with the packages that they need."""

import importlib.abc
import subprocess
import sys
from collections.abc import Sequence
from types import ModuleType

import pytest

from bridge.config import ConfigError
from bridge.errors import BundleError
from bridge.features.stores.stores import open_stores
from bridge.store_settings import StoreSettings

REDIS = StoreSettings(url="redis://127.0.0.1:1")


def test_a_store_is_found_by_its_name_or_as_the_only_one() -> None:
    stores = open_stores({"features": REDIS})
    assert stores.find("features") == stores.find(None)
    store, settings = stores.find(None)
    assert (store.name, settings) == ("features", REDIS)
    with pytest.raises(BundleError, match="looks features up in store 'other', and the gateway has 'features'"):
        stores.find("other")


def test_of_several_stores_one_must_be_named() -> None:
    stores = open_stores({"b": REDIS, "a": REDIS})
    assert stores.find("b")[0].name == "b"
    with pytest.raises(BundleError, match="the gateway has the stores 'a', 'b': the lookup must name one"):
        stores.find(None)


@pytest.mark.parametrize(("name", "named"), [(None, "a store"), ("features", "a store 'features'")])
def test_a_gateway_without_stores_has_none(name: str | None, named: str) -> None:
    with pytest.raises(BundleError, match=f"looks features up in {named}, and the gateway has none: set "):
        open_stores({}).find(name)


async def test_stores_that_are_down_keep_nothing_from_starting() -> None:
    stores = open_stores({"features": REDIS, "socket": StoreSettings(url="unix:///nobody/is/there")})
    assert stores.states == {"features": "", "socket": ""}
    await stores.start()
    await stores.close()
    await stores.close()


def test_a_wrong_url_keeps_the_gateway_from_starting() -> None:
    with pytest.raises(ConfigError, match=r"stores\.features: url: "):
        open_stores({"features": StoreSettings(url="redis://a:port")})


def test_a_package_that_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    class Without(importlib.abc.MetaPathFinder):
        def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
            del path, target
            if fullname == "hiredis":
                raise ModuleNotFoundError(f"No module named '{fullname}'", name=fullname)

    for name in [name for name in sys.modules if name == "hiredis" or name.startswith("bridge.features.stores.redis")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Without(), *sys.meta_path])
    says = r"stores.features: hiredis is not installed: pip install 'scorebridge-gateway\[features\]'"
    with pytest.raises(ConfigError, match=says):
        open_stores({"features": REDIS})


def test_a_gateway_without_stores_loads_no_client_of_redis() -> None:
    code = (
        "import sys; from bridge.features.stores.stores import open_stores; open_stores({}); "
        "sys.exit(any(name.partition('.')[0] in ('redis', 'hiredis') for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
