"""A limit on the size of files: what a run says, what it leaves, and that it goes on under a higher one."""

from pathlib import Path

import pytest
from batch_commands import batch_doubled, limited, reference, rows_with

CHUNKS, REJECTS, OUTPUT = "chunks", "rejects", "output"


@pytest.mark.parametrize(
    ("stage", "limit", "bad", "named"),
    [
        (CHUNKS, 6_000, 3, "o.csv.run"),
        (REJECTS, 100_000, 1000, "o.csv.rejects.csv"),
        (OUTPUT, 60_000, 3, "o.csv.run/output.partial"),
    ],
    ids=[CHUNKS, REJECTS, OUTPUT],
)
def test_a_file_that_grows_over_the_limit_ends_the_run_with_the_remedy_and_the_run_goes_on(
    tmp_path: Path, stage: str, limit: int, bad: int, named: str
) -> None:
    rows = rows_with(tmp_path / "rows.csv", bad)
    output = tmp_path / "o.csv"
    code, said = limited(limit, rows, output, bad)
    remedy = "allow larger files (ulimit -f); the same command then goes on behind what is finished"
    assert (code, said) == (2, [f"{tmp_path}/{named}: File too large: {remedy}"])
    assert not list(tmp_path.rglob("*.partial"))
    assert not output.exists()
    code, summary = batch_doubled(rows, output, bad)
    assert (code, summary["scored"], summary["rejects"]) == (0, 3000, bad)
    assert (summary["resumed_chunks"] == 0) is (stage == CHUNKS)
    listed = tmp_path / "o.csv.rejects.csv"
    assert (output.read_bytes(), listed.read_bytes()) == reference(rows, tmp_path / "again", bad)
