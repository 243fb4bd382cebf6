"""A file that a newer xgboost saved is refused, unless golden rows prove it and whoever deploys it says so."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xgboost
from boosters import BINARY, NAMES, Model, some_rows, train

from bridge.bundles.bundle import Bundle, make_manifest, read_bundle
from bridge.errors import BundleError
from bridge.models.acceptance import accept

REFUSED = r"^model\.json was saved by xgboost 99\.0\.0; the installed .* is older and may read it differently"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle with golden rows, whose file says that it is of xgboost 99."""
    model = Model(train(BINARY))
    path = tmp_path / "model.json"
    model.booster.save_model(path)
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"version": [99, 0, 0]}))
    rows = np.nan_to_num(some_rows(5))
    lines = [
        ",".join(f"{value:.17g}" for value in (*row, score))
        for row, score in zip(rows, model.direct(rows), strict=True)
    ]
    header = ",".join([*NAMES, "score.score"])
    (tmp_path / "golden.csv").write_text("\n".join([header, *lines]) + "\n")
    return tmp_path


async def tried(bundle: Bundle) -> bool:
    accepted = await accept(bundle)
    await accepted.backend.close()
    assert accepted.description.booster is not None
    return accepted.description.booster.newer_file


async def test_it_is_refused_without_a_word_for_it(folder: Path) -> None:
    with pytest.raises(BundleError, match=REFUSED):
        await tried(read_bundle(folder))


async def test_exact_golden_rows_and_the_word_make_it_serve_also_in_the_gateway(folder: Path) -> None:
    assert await tried(replace(read_bundle(folder), accepts_newer_file=True))
    (folder / "manifest.json").write_bytes(make_manifest(folder, None, accepts_newer_file=True))
    assert await tried(read_bundle(folder))


@pytest.mark.parametrize("settings", [None, "golden_tolerance = 1e-9"])
async def test_nothing_less_proves_it(folder: Path, settings: str | None) -> None:
    if settings is None:
        (folder / "golden.csv").unlink()
    else:
        (folder / "model.toml").write_text(settings)
    with pytest.raises(BundleError, match="is accepted only if golden rows come out exactly"):
        await tried(replace(read_bundle(folder), accepts_newer_file=True))


async def test_a_file_of_this_or_an_older_xgboost_asks_for_nothing(folder: Path) -> None:
    path = folder / "model.json"
    (folder / "golden.csv").unlink()
    for version in (xgboost.__version__, "1.7.6", "2.1.1"):
        document = json.loads(path.read_text()) | {"version": list(map(int, version.split(".")))}
        path.write_text(json.dumps(document))
        assert not await tried(replace(read_bundle(folder), accepts_newer_file=True))
