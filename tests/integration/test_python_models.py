"""Models of Python's libraries through a gateway: each score is, bit by bit, what the library gives by itself.

The libraries that have threads of their own predict while their bundle loads, too: workers that are forked then would
hang for ever if these threads had been started.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from debian_models import DEBIAN, make_torch, make_yesterday
from fixtures import StartGateway
from logged import said
from python_boosters import make_function, make_glm, make_lightgbm_file, make_lightgbm_pickle, make_xgboost_pickle
from python_models import (
    Columns,
    PythonModel,
    make_forest_of_columns,
    make_histogram_boosting,
    make_pipeline_of_frames,
)
from scorebridge import AsyncScoringClient, Source
from typer.testing import CliRunner, Result

from bridge.cli.app import app
from bridge.columns import Array

Connect = Callable[[Any], AsyncScoringClient]
Maker = Callable[[Path], PythonModel]

ONE_BY_ONE: dict[str, Maker] = {
    "forest": make_forest_of_columns,
    "histogram boosting": make_histogram_boosting,
    "file of lightgbm": make_lightgbm_file,
    "wrapper of lightgbm": make_lightgbm_pickle,
    "wrapper of xgboost": make_xgboost_pickle,
    "function": make_function,
}
# Sums of products, whose last bits may depend on how many rows there are: which they do, depends on the processor.
BY_MATRIX: dict[str, Maker] = {"pipeline": make_pipeline_of_frames, "torch": make_torch, "statsmodels": make_glm}
BIG = [1, 2, 3, 7, 64, 999, 4_000]
SMALL = 300  # calls at once, of one to five rows
CHUNKS = 4  # of the largest call


def command(*parts: object) -> Result:
    """Runs a command where Debian's Python has its name."""
    return CliRunner().invoke(
        app, [*map(str, parts)], env={"SCOREBRIDGE_PYTHONS": json.dumps({"debian": str(DEBIAN)}), "COLUMNS": "200"}
    )


async def deployed(bundle: Path, repository: Path, *options: str) -> Result:
    where = ("--repository", repository, "--model", "m")
    return await asyncio.to_thread(command, "deploy", bundle, *where, *options)


def small_calls(rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    first = 0
    for number in range(SMALL):
        count = number % 5 + 1
        yield rows[first : first + count]
        first += count


def bits(values: Array) -> object:
    """What is compared: every bit of a number, but for those of a NaN, which has many forms."""
    if values.dtype.kind == "O":
        return values.tolist()
    return (np.where(np.isnan(values), np.nan, values) if values.dtype.kind == "f" else values).tobytes()


def assert_same(found: Columns, wanted: Columns) -> None:
    """The outputs have the same names, types and bits."""
    assert {name: one.dtype for name, one in found.items()} == {name: one.dtype for name, one in wanted.items()}
    for name, values in wanted.items():
        assert bits(found[name]) == bits(values), name


async def assert_served(model: PythonModel, gateway: Any, client: AsyncScoringClient) -> int:
    """Scores rows in calls of many sizes, one after the other and then many at once; returns the executions of those.

    No call of them has left anything behind in its worker.
    """
    (version,) = gateway.registry.versions("m")
    pool = version.accepted.backend.pool
    big, small = [model.rows[:count] for count in BIG], list(small_calls(model.rows))
    wanted = await asyncio.to_thread(model.direct, [*big, *small])
    for rows, scores in zip(big, wanted, strict=False):
        before = pool.snapshot().leases
        answer = await client.score("m", rows, timeout_s=60)
        assert answer.source is Source.MODEL
        assert_same(answer.columns, scores)
    cut = pool.snapshot().leases - before
    assert cut == (CHUNKS if version.accepted.description.row_wise else 1)
    before = pool.snapshot().leases
    answers = await asyncio.gather(*(client.score("m", rows, timeout_s=60) for rows in small))
    for answer, scores in zip(answers, wanted[len(big) :], strict=True):
        assert answer.source is Source.MODEL
        assert_same(answer.columns, scores)
    assert pool.snapshot().replaced == 0
    executions: int = pool.snapshot().leases - before
    return executions


async def assert_reconciles(log: Path, repository: Path) -> None:
    done = await asyncio.to_thread(command, "reconcile", log, "--repository", repository)
    assert done.exit_code == 0, done.output
    assert f"all {sum(BIG) + SMALL * 3} rows are equal" in said(done)


@pytest.mark.parametrize("front", ["native"], indirect=True)
@pytest.mark.parametrize("name", ONE_BY_ONE)
async def test_scores_are_the_library_s_own_together_and_apart(
    name: str, tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    model = await asyncio.to_thread(ONE_BY_ONE[name], tmp_path / "bundle")
    model.prove()
    done = await deployed(model.folder, repository)
    assert done.exit_code == 0, done.output
    assert "golden: 20 golden rows came out" in done.output
    assert "row-wise: yes, tried with up to " in done.output
    gateway = await start_gateway(repository, log_dir=tmp_path / "log")
    executions = await assert_served(model, gateway, connect(gateway))
    assert executions < SMALL / 2
    await gateway.close()
    await assert_reconciles(tmp_path / "log", repository)


@pytest.mark.parametrize("front", ["native"], indirect=True)
@pytest.mark.parametrize("name", BY_MATRIX)
async def test_scores_that_depend_on_the_rows_of_a_call_by_rounding_are_those_of_the_call(
    name: str,
    tmp_path: Path,
    repository: Path,
    start_gateway: StartGateway,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bridge.models.row_wise._MANY_S", 60.0)  # a busy machine would try too few rows to see it
    monkeypatch.setattr("bridge.models.row_wise._CHUNKS_S", 60.0)
    model = await asyncio.to_thread(BY_MATRIX[name], tmp_path / "bundle")
    model.prove()
    done = await deployed(model.folder, repository)
    claim = done.exit_code == 0
    if not claim:
        assert "model.toml says row_wise = true, but the output 'score' of a row depends " in done.output
        settings = model.folder / "model.toml"
        settings.write_text(settings.read_text().replace("row_wise = true\n", ""))
        done = await deployed(model.folder, repository)
        assert done.exit_code == 0, done.output
        assert "row-wise: no, its author does not say row_wise = true" in done.output
    gateway = await start_gateway(repository, log_dir=tmp_path / "log", pythons={"debian": DEBIAN})
    executions = await assert_served(model, gateway, connect(gateway))
    assert (executions < SMALL) == claim
    await gateway.close()
    await assert_reconciles(tmp_path / "log", repository)


TOGETHER = """
import pickle
import pandas as pd
with open("model.pkl", "rb") as file:
    _forest = pickle.load(file)
def predict(age, income, visits, city, plan):
    return _forest.predict_proba(
        pd.DataFrame({"age": age, "income": income, "visits": visits, "city": city, "plan": plan})
    )
"""


async def test_a_frame_whose_types_go_by_what_the_call_holds_is_not_one_row_after_the_other(
    tmp_path: Path, repository: Path
) -> None:
    model = await asyncio.to_thread(make_forest_of_columns, tmp_path / "bundle")
    (model.folder / "Pred.py").write_text(TOGETHER)  # alone, a text that is missing is no text for pandas
    model.prove()
    done = await deployed(model.folder, repository)
    assert done.exit_code == 1
    assert "model.toml says row_wise = true, but the output 'score_" in done.output
    assert "' of a row depends on the rows beside it: say row_by_row = true if the function was written" in done.output


@pytest.mark.parametrize("front", ["native"], indirect=True)
async def test_a_pickle_of_another_release_is_served_where_it_warns_only_if_that_is_accepted(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    model = await asyncio.to_thread(make_yesterday, tmp_path / "bundle", "logistic", None)
    model.prove()
    for name in ("check", "deploy"):
        options = ("--repository", repository, "--model", "m") if name == "deploy" else ()
        done = await asyncio.to_thread(command, name, model.folder, *options)
        assert done.exit_code == 1
        assert "the model warned while it was loaded, and may give other scores: InconsistentVersionWarn" in done.output
        assert "from version 1.2.1 when using version " in done.output
        assert "--accept-warnings takes it as it is" in done.output
    (model.folder / "golden.csv").unlink()
    done = await deployed(model.folder, repository, "--accept-warnings")
    assert done.exit_code == 0, done.output
    gateway = await start_gateway(repository)
    answer = await connect(gateway).score("m", model.rows, timeout_s=60)
    assert answer.source is Source.MODEL
    (wanted,) = await asyncio.to_thread(model.direct, [model.rows])
    assert np.allclose(answer.scores, wanted["score"], rtol=0, atol=1e-12)


async def test_a_pickle_that_another_release_can_t_read_is_refused_with_its_reason(
    tmp_path: Path, repository: Path
) -> None:
    model = await asyncio.to_thread(make_yesterday, tmp_path / "bundle", "forest", None)
    done = await deployed(model.folder, repository, "--accept-warnings")
    assert done.exit_code == 1
    assert "Pred.py raised ValueError while it was loaded (Pred.py, line 4): node array from the pickle" in done.output


@pytest.mark.parametrize("front", ["native"], indirect=True)
@pytest.mark.parametrize("kind", ["logistic", "forest"])
async def test_a_pickle_of_another_release_is_served_by_the_interpreter_that_made_it(
    kind: str, tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    model = await asyncio.to_thread(make_yesterday, tmp_path / "bundle", kind, "debian")
    model.prove()
    done = await deployed(model.folder, repository)
    assert done.exit_code == 0, done.output
    assert "warn" not in done.output
    assert "scikit-learn 1.2.1" in done.output
    gateway = await start_gateway(repository, pythons={"debian": DEBIAN})
    client = connect(gateway)
    calls = [model.rows, model.rows[:1], model.rows[:3]]
    for rows, wanted in zip(calls, await asyncio.to_thread(model.direct, calls), strict=True):
        assert_same((await client.score("m", rows, timeout_s=60)).columns, wanted)
