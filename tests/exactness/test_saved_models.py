"""Models that other versions of xgboost saved: served as the version that saved them predicts, to the bit, or refused.

The files, and what their own library predicted, are in tests/saved_models.
"""

import asyncio
import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import xgboost
from saved_models.kinds import KINDS, ROWS, Kind

from bridge.backends import Backend
from bridge.backends.choice import load_backend
from bridge.backends.xgboost.document import read_document
from bridge.bundles.bundle import read_bundle
from bridge.calls import Call, ModelRef, now
from bridge.columns import Array, Batch, Column, Matrix, Table, Type
from bridge.errors import BundleError

SAVED = Path(__file__).parents[1] / "saved_models"
VERSIONS = ("1.7.6", "2.1.4", "3.0.5", "3.1.3", "3.2.0", "3.4.1")
STORES_CATEGORIES = (3, 1)
KEEPS_LEAVES_APART = (3, 2)
STORES_ALL_LETTERS = (3, 4)
BEYOND_ASCII = next(kind for kind in KINDS if kind.name == "text_categories_beyond_ascii")
EXACT = "0 rows differ"
NEWER = (
    f"model.ubj was saved by xgboost {{}}; the installed {xgboost.__version__} is older and may read it differently "
    "without an error: install the newer one, or prove the file by golden rows and say --accept-newer-file"
)
CRASHES = (
    "model.ubj can't be loaded: its trees have several outputs (multi_output_tree), saved by xgboost 3.1 or older, and "
    "newer ones crash on it; serve it where xgboost 3.1 is installed, or train it again with 3.2 or newer"
)


def minor(version: str) -> tuple[int, int]:
    major, minor, *_ = (int(part) for part in version.split("."))
    return major, minor


INSTALLED = minor(xgboost.__version__)
CUT_VERSIONS = [version for version in VERSIONS if STORES_CATEGORIES <= minor(version) < STORES_ALL_LETTERS]


def outcome_wanted(version: str, kind: Kind) -> str:
    if minor(version) > INSTALLED:
        return NEWER.format(version)
    if kind.name == "multi_output_tree" and minor(version) < KEEPS_LEAVES_APART <= INSTALLED:
        return CRASHES
    return EXACT


def line_of(version: str, kind: Kind) -> str:
    """What model.toml must say of the categories, because the file does not."""
    if not kind.levels:
        return 'c = {levels = "codes"}' if kind.codes else ""
    if minor(version) >= (STORES_ALL_LETTERS if kind is BEYOND_ASCII else STORES_CATEGORIES):
        return ""
    levels = json.dumps(list(kind.levels), ensure_ascii=False)
    return f'c = {{type = "{"factor" if isinstance(kind.levels[0], str) else "int64"}", levels = {levels}}}'


def bundle(folder: Path, version: str, kind: Kind, line: str, trees: str = "all") -> Path:
    """A folder with the file, and all that its author has to say."""
    folder.mkdir()
    shutil.copy(SAVED / version / f"{kind.name}.ubj", folder / "model.ubj")
    settings = ["[features]", line, "[xgboost]"]
    settings += [f'trees = "{trees}"'] if kind.by == "early stopping" else []
    # The sklearn wrapper of 1.7 writes down what it takes for missing, later ones don't.
    if not np.isnan(kind.missing) and (kind.by, version) != ("XGBClassifier", "1.7.6"):
        settings.append(f"missing = {kind.missing}")
    (folder / "model.toml").write_text("\n".join(settings), encoding="utf-8")
    return folder


def as_column(kind: Kind, name: str, values: Array) -> Column:
    """The categories themselves where there are codes; the codes where nobody knows more."""
    if name != "c":
        return Column(name, Type.DOUBLE, values)
    missing = np.isnan(values)
    codes = np.nan_to_num(values).astype(np.int32)
    if not kind.levels:
        return Column(name, Type.INT, codes, missing)
    if isinstance(kind.levels[0], int):
        return Column(name, Type.INT64, np.array(kind.levels, np.int64)[codes], missing)
    return Column(name, Type.STRING, np.array(kind.levels, object)[codes], missing)


def batches_of(kind: Kind, names: list[str]) -> list[Batch]:
    """The rows in every form that a caller may send."""
    columns = tuple(as_column(kind, name, kind.rows[:, position]) for position, name in enumerate(names))
    backwards = np.ascontiguousarray(kind.rows[:, ::-1])
    matrices = [Matrix((), kind.rows), Matrix((), kind.rows.astype(np.float32)), Matrix((*names[::-1],), backwards)]
    return [*matrices, Table(columns, ROWS), Table(columns[::-1], ROWS)]


async def scores_of(backend: Backend, batch: Batch) -> Array:
    call = Call("id", ModelRef("m", 1, ""), backend.bind(batch), now())
    (part,) = (await backend.score(call)).ranges
    assert (part.first, part.count, part.error) == (0, ROWS, None)
    return np.column_stack([column.values for column in part.scores])


async def outcome_of(folder: Path, kind: Kind, expected: Array) -> str:
    """How many rows have other bits than expected, or the words of the refusal."""
    try:
        backend = await load_backend(read_bundle(folder))
    except BundleError as error:
        return str(error)
    try:
        names = [feature.name for feature in backend.description.features]
        assert names == (kind.names if kind.named else ["f0", "f1", "f2"])
        differ = np.zeros(ROWS, np.bool_)
        for batch in batches_of(kind, names):
            scores = await scores_of(backend, batch)
            assert scores.shape == (ROWS, expected.size // ROWS)
            assert scores.dtype == np.float32
            differ |= (scores.view(np.uint32) != expected.reshape(scores.shape).view(np.uint32)).any(axis=1)
        return f"{differ.sum()} rows differ"
    finally:
        await backend.close()


@pytest.mark.timeout(300)  # a process for each of 16 models
@pytest.mark.filterwarnings("ignore:.*is deprecated:UserWarning")  # xgboost 3.4 of dart and gblinear
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_saved_model_is_served_as_its_own_library_predicts_or_refused(tmp_path: Path, version: str) -> None:
    expected = np.load(SAVED / version / "expected.npz")
    # Each has processes and threads of its own.
    at_once = asyncio.Semaphore(len(os.sched_getaffinity(0)))

    async def outcome(kind: Kind, trees: str, scores: Array) -> str:
        async with at_once:
            folder = bundle(tmp_path / f"{kind.name}_{trees}", version, kind, line_of(version, kind), trees)
            return await outcome_of(folder, kind, scores)

    kinds = {kind.name: (kind, "all") for kind in KINDS}
    kinds |= {f"{kind.name}_best": (kind, "best") for kind in KINDS if kind.by == "early stopping"}
    outcomes = await asyncio.gather(*(outcome(*kinds[name], expected[name]) for name in expected.files))
    wanted = {name: outcome_wanted(version, kinds[name][0]) for name in expected.files}
    assert dict(zip(expected.files, outcomes, strict=True)) == wanted


@pytest.mark.parametrize("version", CUT_VERSIONS)
async def test_categories_that_were_stored_cut_need_the_author_s_levels(tmp_path: Path, version: str) -> None:
    cut = f"xgboost {version} stored the categories of 'c' cut, because they hold letters beyond ASCII"
    said = {"nothing": "", "codes": 'c = {levels = "codes"}'}
    said["others"] = f'c = {{type = "factor", levels = {json.dumps(BEYOND_ASCII.levels[::-1], ensure_ascii=False)}}}'
    for name, line in said.items():
        outcome = await outcome_of(bundle(tmp_path / name, version, BEYOND_ASCII, line), BEYOND_ASCII, np.empty(0))
        words = cut if minor(version) <= INSTALLED else NEWER.format(version)
        assert outcome.startswith(words), name


def test_the_manifest_says_which_library_made_each_file() -> None:
    manifest = json.loads((SAVED / "MANIFEST.json").read_text())
    files = [path for version in VERSIONS for path in (SAVED / version).iterdir()]
    assert {f"{path.parent.name}/{path.name}" for path in files} == set(manifest)
    for path in files:
        facts = manifest[f"{path.parent.name}/{path.name}"]
        assert facts["made_by"] == f"xgboost {path.parent.name}"
        assert facts["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        if path.suffix == ".ubj":
            assert read_document(path)["version"] == [int(part) for part in path.parent.name.split(".")]
