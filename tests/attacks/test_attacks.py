"""Each attack for a moment, on a gateway under 1 GiB of memory: another caller's calls are answered by the model, all.

`make attack` is the long form.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from attacks.arsenal import ARSENAL
from attacks.gauge import MEMORY_BYTES, WAYS, Gauge, make_certificate
from fixtures import Cancer, put

SECONDS = 0.6
LOG_BYTES = 4 << 20  # of an attack that is refused: hundreds of messages of 4 MiB come
SCORED = {"calls as they should be, too many", "zero windows", "slow readers"}  # which are on record whole
LONG = {"a gzip message of 1 GiB"}  # takes seconds to make; 64 MiB shows the same


@pytest.fixture(scope="module")
def gauge(request: pytest.FixtureRequest, cancer: Cancer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gauge]:
    """One gateway for all attacks on its way of serving."""
    front, tls = WAYS[request.param]
    folder = tmp_path_factory.mktemp("attacks")
    (folder / "repository").mkdir()
    put(cancer.folder, folder / "repository", "cancer")
    certificate = make_certificate(folder) if tls else None
    with Gauge.of(folder / "repository", cancer.names, folder, front, certificate) as made:
        yield made


@pytest.mark.parametrize("name", [name for name in ARSENAL if name not in LONG])
@pytest.mark.parametrize("gauge", ["grpc", "grpc with TLS"], indirect=True, scope="module")
def test_others_are_answered_beside_an_attack(gauge: Gauge, name: str, tmp_path: Path) -> None:
    _check(gauge, name, tmp_path)


@pytest.mark.parametrize("name", [name for name, attack in ARSENAL.items() if attack.native])
@pytest.mark.parametrize("gauge", ["native"], indirect=True, scope="module")
def test_native_holds_what_it_can(gauge: Gauge, name: str, tmp_path: Path) -> None:
    _check(gauge, name, tmp_path)


def _check(gauge: Gauge, name: str, folder: Path) -> None:
    seen = gauge.attack(name, SECONDS, folder)
    assert seen.alive
    assert seen.others > 0
    assert seen.scored == seen.others
    assert 0 < seen.peak_bytes < MEMORY_BYTES
    assert name in SCORED or seen.log_bytes < LOG_BYTES
