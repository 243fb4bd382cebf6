"""What computes the scores on this machine is on record, whichever distribution it came in."""

import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import xgboost

from bridge.prediction_log.environment import describe_environment


def pretend(folder: Path, monkeypatch: pytest.MonkeyPatch, distributions: dict[str, str]) -> None:
    """Makes these the only distributions that there are, and R one that is not installed."""
    for name, number in distributions.items():
        made = folder / f"{name.replace('-', '_')}-{number}.dist-info"
        made.mkdir()
        (made / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
    monkeypatch.setattr(sys, "path", [str(folder)])
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.parametrize(
    ("installed", "recorded"),
    [
        ({"xgboost": "3.1.3"}, "3.1.3"),
        ({"xgboost-cpu": "3.2.0"}, "3.2.0"),
        ({"xgboost": "3.2.0", "xgboost-cpu": "3.2.0"}, "3.2.0"),
        ({"xgboost": "3.1.3", "xgboost-cpu": "3.2.0"}, "3.1.3 (xgboost), 3.2.0 (xgboost-cpu)"),
        ({}, None),
        ({"xgboost-gpu-cluster": "1.0", "my-xgboost": "2.0"}, None),
    ],
    ids=["only xgboost", "only xgboost-cpu", "both alike", "both", "none", "others"],
)
def test_the_xgboost_that_is_installed_is_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: dict[str, str], recorded: str | None
) -> None:
    pretend(tmp_path, monkeypatch, {"numpy": "2.1.0", **installed})
    found = describe_environment()
    assert found.get("xgboost") == recorded
    assert found["numpy"] == "2.1.0"
    assert "bridge" not in found


def test_this_machine_is_on_record_as_it_is() -> None:
    found = describe_environment()
    assert found["xgboost"] == xgboost.__version__
    assert found["bridge"] == version("scorebridge-gateway")
    assert {"python", "machine", "numpy", "R", "BLAS", "LAPACK", "ICU"} <= set(found)
