"""The log of every release is read by today's commands, and its scores come out again."""

import json
from pathlib import Path
from typing import Any

import pytest
from compatibility.releases import RELEASES, TODAY, Release, scorebridge
from typer.testing import CliRunner

from bridge.cli.log import app

FIELDS = ("source", "digest")
releases = pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.folder.name)


def answered(release: Release) -> dict[str, Any]:
    """The answers with scores, by request id."""
    found = {call["options"]["request_id"]: call["answer"] for call in release.calls}
    return {name: answer for name, answer in found.items() if "scores" in answer}


def test_there_is_a_release() -> None:
    assert "0.1.0" in [release.folder.name for release in RELEASES]


@releases
def test_it_is_whole(release: Release) -> None:
    done = scorebridge(TODAY, "log", "verify", release.log)
    segments = len(list(release.log.glob("*.sblog")))
    assert (done.returncode, done.stdout) == (0, f"ok: {len(release.calls)} records in {segments} segments\n"), done


@releases
def test_a_flipped_bit_in_it_is_found(release: Release, tmp_path: Path) -> None:
    for path in release.log.glob("*.sblog"):
        raw = bytearray(path.read_bytes())
        raw[-1] ^= 1
        (tmp_path / path.name).write_bytes(raw)
    done = scorebridge(TODAY, "log", "verify", tmp_path)
    assert (done.returncode, done.stdout.splitlines()[-1].partition(":")[0]) == (1, "NOT OK")


@releases
def test_every_call_is_shown(release: Release) -> None:
    for name, answer in answered(release).items():
        done = CliRunner().invoke(app, ["show", str(release.log), "--request-id", name])
        assert done.exit_code == 0, done.output
        fields = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if line.startswith(FIELDS))
        assert fields == {"source": answer["source"], "digest": answer["digest"]}


@releases
def test_what_is_exported_is_what_was_answered(release: Release, tmp_path: Path) -> None:
    output = tmp_path / "log.jsonl"
    done = scorebridge(TODAY, "log", "export", release.log, "--format", "jsonl", "--output", output)
    assert done.returncode == 0, done
    found: dict[str, dict[str, Any]] = {name: {"scores": [], "reasons": []} for name in answered(release)}
    for line in output.read_text().splitlines():
        row = json.loads(line)
        if row["request_id"] in found and row["row"] is not None:
            found[row["request_id"]]["scores"].append(row["score.score"])
            found[row["request_id"]]["reasons"].append(row["reason"])
    expected = {
        name: {"scores": answer["scores"]["score"], "reasons": answer["reasons"]}
        for name, answer in answered(release).items()
    }
    assert found == expected


@releases
def test_its_calls_are_counted(release: Release) -> None:
    done = scorebridge(TODAY, "log", "stats", release.log)
    assert done.returncode == 0, done
    (total,) = (line.split() for line in done.stdout.splitlines() if line.startswith(" all "))
    rows = sum(len(answer["reasons"]) for answer in answered(release).values())
    failed = len(release.calls) - len(answered(release))
    assert total[1:4] == [str(len(release.calls)), str(failed), str(rows)]


@releases
def test_its_scores_come_out_again(release: Release, tmp_path: Path) -> None:
    done = scorebridge(
        TODAY, "reconcile", release.log, "--repository", release.repository, "--output", tmp_path / "report"
    )
    by_model = sum(answer["reasons"].count(None) for answer in answered(release).values())
    assert done.returncode == 0, done
    assert f"all {by_model} rows are equal" in done.stdout
    assert (tmp_path / "report" / "report.html").is_file()
