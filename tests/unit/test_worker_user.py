"""Which names may be `worker_user`, and who may set it: true whoever runs the tests."""

import os
import pwd
from pathlib import Path

import pytest

from bridge.config import ConfigError, GatewaySettings
from bridge.gateway.server import Gateway
from bridge.workers.user import WorkerUser

ANYBODY = "nobody"


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked at before any right is used."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.mark.parametrize("name", [ANYBODY, "root", "no such user"])
def test_a_gateway_that_is_not_root_refuses_the_setting_whatever_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(
        ConfigError, match=f"^worker_user = '{name}' needs a gateway that was started as root, and this"
    ):
        Gateway(GatewaySettings(repository=tmp_path, worker_user=name))


@pytest.mark.parametrize("name", ["no such user", "", "65534", "nobody\0", "nobody ", "ü" * 40, "../nobody"])
@pytest.mark.usefixtures("as_root")
def test_a_user_that_there_is_not_is_refused(name: str) -> None:
    with pytest.raises(ConfigError) as raised:
        WorkerUser.named(name)
    assert str(raised.value) == f"worker_user: there is no user '{name}' on this machine"


@pytest.mark.usefixtures("as_root")
def test_root_is_refused_by_whatever_name(monkeypatch: pytest.MonkeyPatch) -> None:
    real = pwd.getpwnam("root")
    monkeypatch.setattr(pwd, "getpwnam", lambda _: pwd.struct_passwd(("toor", *real[1:])))
    with pytest.raises(ConfigError, match=r"^worker_user = 'toor' is root: name a user"):
        WorkerUser.named("toor")


@pytest.mark.usefixtures("as_root")
def test_a_user_has_its_own_groups_and_home_and_little_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SCOREBRIDGE_TOKEN", "AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "R_LIBS", "LC_COLLATE", "TZ"):
        monkeypatch.setenv(name, "x")
    user = WorkerUser.named(ANYBODY)
    known = pwd.getpwnam(ANYBODY)
    assert (user.uid, user.gid, user.home) == (known.pw_uid, known.pw_gid, known.pw_dir)
    assert user.gid in user.groups
    assert set(user.environment()) - set(os.environ) <= {"HOME", "USER", "LOGNAME"}
    assert {"R_LIBS", "LC_COLLATE", "TZ", "PATH"} <= set(user.environment())
    assert not {"SCOREBRIDGE_TOKEN", "AWS_SECRET_ACCESS_KEY", "PYTHONPATH"} & set(user.environment())
