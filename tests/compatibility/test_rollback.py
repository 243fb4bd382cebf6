"""A gateway is rolled back to an earlier release, over a repository and a log that today's gateway has written to."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from compatibility.releases import RELEASES, TODAY, Release, ask, scorebridge, served


@pytest.mark.timeout(300)  # two gateways and a deploy, one after the other
@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.folder.name)
def test_it_serves_and_records_as_before(release: Release, tmp_path: Path) -> None:
    before = release.gateway(tmp_path / "gateway")
    repository, log = tmp_path / "repository", tmp_path / "log"
    shutil.copytree(release.repository, repository)
    shutil.copytree(release.log, log)
    bundle = shutil.copytree(
        repository / "price" / "1", tmp_path / "bundle", ignore=shutil.ignore_patterns("manifest*")
    )

    with served(TODAY, repository, log) as url:
        assert [answer["version"] for answer in ask(TODAY[1:], url, scored(release))] == [1] * len(scored(release))
    deployed = scorebridge(TODAY, "deploy", bundle, "--repository", repository, "--model", "price")
    assert deployed.returncode == 0, deployed
    with served(before, repository, log) as url:
        answers = ask(release.client, url, scored(release))

    for call, answer in zip(scored(release), answers, strict=True):
        assert answer["version"] == {"price": 2, "risk": 1}[call["model"]]
        assert {**answer, "version": 1} == call["answer"]
    segments, records = len(list(log.glob("*.sblog"))), len(release.calls) + 2 * len(scored(release))
    for path in (before, TODAY):
        verified = scorebridge(path, "log", "verify", log)
        assert (verified.returncode, verified.stdout) == (0, f"ok: {records} records in {segments} segments\n")


def scored(release: Release) -> list[dict[str, Any]]:
    """The calls that were answered in time, of both models."""
    found = [call for call in release.calls if "DEADLINE" not in call["answer"].get("reasons", ["DEADLINE"])]
    assert {call["model"] for call in found} == {"price", "risk"}
    return found
