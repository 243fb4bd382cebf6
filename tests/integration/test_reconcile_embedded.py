"""Which R scores a log again: R inside a Python process, or Rscript; both give the same."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from fixtures import make_r_bundle, put
from logged import Log, doubles, run, said, table

from bridge.bundles.repository import StoredVersion

WAYS = {"embedded": "R inside Python (rpy2)", "rscript": "Rscript"}
CODE = """
Pred.R <- function(x) {
  if (x[1] < 0) { print(x); quit(status = 3L) }
  if (x[1] > 9) stop("not ", "this")
  x * k + length(readLines(stdin()))
}
"""


@pytest.fixture
def stored(repository: Path, tmp_path: Path) -> StoredVersion:
    return put(make_r_bundle(tmp_path / "scaled", CODE, objects="k <- 1/3"), repository, "scaled")


def logged(stored: StoredVersion, folder: Path) -> Path:
    log = Log(folder)
    for x in (1.5, -1.0, 10.0, 0.1):
        log.call(stored, table({"x": [x, 0.2]}), [doubles([x / 3, 0.2 * (1 / 3)])])
    return log.write()


@pytest.mark.parametrize("r", WAYS)
def test_either_r_scores_a_log_again_and_is_named(
    stored: StoredVersion, repository: Path, tmp_path: Path, r: str
) -> None:
    output = tmp_path / "out"
    result = run(logged(stored, tmp_path / "log"), "--repository", repository, "--r", r, "--output", output)
    assert result.exit_code == 1, result.output
    assert f"scored again by {WAYS[r]}" in said(result)
    assert "4 of 8 rows differ" in said(result)
    assert "rows that could not be re-scored: 2 (the R process ended)" in said(result)
    assert "rows that could not be re-scored: 2 (not this)" in said(result)
    assert pq.read_table(output / "differences.parquet").num_rows == 4


@pytest.mark.parametrize(("has", "way"), [(True, "embedded"), (False, "rscript")])
def test_without_a_choice_rpy2_is_taken_where_it_is_installed(
    stored: StoredVersion, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has: bool, way: str
) -> None:
    monkeypatch.setattr("bridge.reconcile.r_path.has_rpy2", lambda: has)
    result = run(logged(stored, tmp_path / "log"), "--repository", repository)
    assert f"scored again by {WAYS[way]}" in said(result)


def test_embedded_r_without_rpy2_is_refused_with_the_remedy(
    stored: StoredVersion, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.reconcile.r_path.has_rpy2", lambda: False)
    result = run(logged(stored, tmp_path / "log"), "--repository", repository, "--r", "embedded")
    assert result.exit_code == 2
    assert "rpy2 is not installed" in said(result)
    assert "--r rscript" in said(result)
