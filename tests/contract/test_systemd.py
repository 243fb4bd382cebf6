"""The units of ops/systemd against docs/operations.md and the settings, and how tight systemd finds their sandbox."""

import re
import subprocess
from pathlib import Path

import pytest
from fixtures import ROOT

from bridge.config import GatewaySettings

UNITS = ROOT / "ops" / "systemd"
PAGE = (ROOT / "docs" / "operations.md").read_text()
UNIT = (UNITS / "scorebridge.service").read_text()


def exposure(folder: Path, name: str, *drop_ins: str) -> float:
    """How much systemd finds a service to be open to: 0 for one that can do nothing, 10 for one that can do all."""
    unit = folder / name
    unit.write_text((UNITS / name).read_text())
    (folder / f"{name}.d").mkdir()
    for drop_in in drop_ins:
        (folder / f"{name}.d" / drop_in).write_text((UNITS / drop_in).read_text())
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    (found,) = re.findall(r"Overall exposure level for \S+: (\d+\.\d+)", done.stdout)
    return float(found)


@pytest.mark.parametrize(
    ("name", "drop_ins", "most", "said"),
    [
        ("scorebridge.service", [], 1.2, "scorebridge.service` gives 1.2 "),
        ("scorebridge.service", ["credentials.conf"], 1.2, "gives 1.2 "),
        ("scorebridge.service", ["worker-user.conf"], 2.8, "six capabilities (2.8)"),
        ("scorebridge-ship.service", [], 1.2, "gives 1.2 "),
    ],
)
def test_the_sandbox_is_as_tight_as_the_page_says(
    tmp_path: Path, name: str, drop_ins: list[str], most: float, said: str
) -> None:
    assert exposure(tmp_path, name, *drop_ins) <= most
    assert said in PAGE


def test_a_stop_waits_for_longer_than_the_grace() -> None:
    (stop,) = re.findall(r"^TimeoutStopSec=(\d+)$", UNIT, re.MULTILINE)
    assert int(stop) >= GatewaySettings.model_fields["grace_s"].default + 10
    assert f"`TimeoutStopSec` ({stop} s)" in PAGE


def test_a_gateway_has_descriptors_for_all_its_connections() -> None:
    (files,) = re.findall(r"^LimitNOFILE=(\d+)$", UNIT, re.MULTILINE)
    assert int(files) > 3 * GatewaySettings.model_fields["max_connections"].default
    assert f"`LimitNOFILE` is {int(files):,}" in PAGE


def test_the_page_s_settings_are_those_that_the_unit_counts_on() -> None:
    (port,) = re.findall(r"http://127\.0\.0\.1:(\d+)/readyz", UNIT)
    for line in (f"probe_port = {port}", 'log_dir = "/var/lib/scorebridge/', 'cache_dir = "/var/cache/scorebridge"'):
        assert f"\n{line}" in PAGE
    assert "\nStateDirectory=scorebridge\n" in UNIT
    assert "\nCacheDirectory=scorebridge\n" in UNIT
