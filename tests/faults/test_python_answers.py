"""A Python function that raises, returns what is no score, or prints."""

from pathlib import Path

import pytest
from fixtures import StartGateway, put
from scorebridge import PredictionFailed, Source
from sick import DEFAULT, Sick, StartSick, make_python_bundle

MALFORMED = {
    "null": "predict returned nothing (None)",
    "few": "the output 'score' has 1 score",
    "many": "the output 'score' has 3 scores",
    "text": "the output 'score' is string, and must be double",
    "matrix": "predict returned an array of 1 x 3 for 2 rows",
    "scalar": "for all rows: return an array with one score for each row",
    "generator": "which gives its scores one by one: return a list or an array of them",
}


@pytest.mark.parametrize("do", sorted(MALFORMED))
async def test_what_is_no_score_is_said_to_be_malformed(python_sick: Sick, do: str) -> None:
    before = python_sick.workers()
    async with python_sick.others_served():
        answer = await python_sick.call(do, [1.0, 2.0])
        assert answer.reasons == ["MALFORMED_PREDICTION"] * 2
        assert answer.scores.tolist() == [DEFAULT] * 2
        assert MALFORMED[do] in answer.defaults[0].detail
        with pytest.raises(PredictionFailed) as raised:
            await python_sick.call(do, [1.0, 2.0], allow_default=False)
        assert MALFORMED[do] in str(raised.value)
        assert raised.value.reason == "MALFORMED_PREDICTION"
    assert python_sick.workers() == before
    await python_sick.recovers(set())


async def test_one_row_as_a_matrix_of_three_is_malformed_too(python_sick: Sick) -> None:
    answer = await python_sick.call("matrix", [1.0])
    assert answer.reasons == ["MALFORMED_PREDICTION"]
    assert "score_1" in answer.defaults[0].detail
    await python_sick.recovers(set())


async def test_three_hundred_megabytes_are_not_taken(python_sick: Sick) -> None:
    async with python_sick.others_served():
        answer = await python_sick.call("huge", timeout_s=20)
    assert answer.reasons[0] in {"MALFORMED_PREDICTION", "WORKER_LOST"}
    await python_sick.recovers(set())


async def test_missing_scores_cost_their_own_rows(python_sick: Sick) -> None:
    answer = await python_sick.call("nan", [1.0, -1.0, 2.0])
    assert answer.source is Source.MIXED
    assert answer.scores.tolist() == [2.0, DEFAULT, 4.0]
    assert answer.reasons == [None, "MISSING_SCORE", None]


RAISED = {"raise": "ValueError", "quit": "SystemExit", "interrupt": "KeyboardInterrupt", "recurse": "RecursionError"}


@pytest.mark.parametrize("do", RAISED)
@pytest.mark.parametrize("default", [True, False])
async def test_the_class_of_what_was_raised_reaches_the_caller_and_its_text_does_not(
    start_python_sick: StartSick, do: str, *, default: bool
) -> None:
    sick = await start_python_sick(default=default)
    before = sick.workers()
    async with sick.others_served():
        if default:
            answer = await sick.call(do, [1.0, 2.0])
            assert answer.reasons == ["MODEL_ERROR"] * 2
            told = answer.defaults[0].detail
        else:
            with pytest.raises(PredictionFailed) as raised:
                await sick.call(do, [1.0, 2.0])
            assert raised.value.reason == "MODEL_ERROR"
            told = str(raised.value)
    assert f"the predict function raised '{RAISED[do]}'" in told
    assert "secret" not in told
    assert sick.workers() == before
    await sick.recovers(set())


async def test_megabytes_that_it_prints_go_nowhere(python_sick: Sick, capfd: pytest.CaptureFixture[str]) -> None:
    before = python_sick.workers()
    async with python_sick.others_served():
        answer = await python_sick.call("print", [1.0, 2.0])
    assert (answer.source, answer.scores.tolist()) == (Source.MODEL, [2.0, 4.0])
    assert python_sick.workers() == before
    assert "xxx" not in "".join(capfd.readouterr())


async def test_a_gpu_that_is_asked_for_where_there_is_none_is_the_model_s_own_error(
    start_python_sick: StartSick,
) -> None:
    settings = 'python = "debian"\ntimeout_s = 60\nmax_timeout_s = 60\n'
    sick = await start_python_sick(settings, pythons={"debian": "/usr/bin/python3"})
    async with sick.others_served():
        answer = await sick.call("cuda", timeout_s=60)
    assert answer.reasons == ["MODEL_ERROR"]
    assert "raised 'AssertionError'" in answer.defaults[0].detail
    await sick.recovers(set())


async def test_a_gpu_that_is_asked_for_as_it_is_loaded_is_told_to_the_author(
    tmp_path: Path, repository: Path, start_gateway: StartGateway
) -> None:
    code = 'import torch\nW = torch.zeros(1, device="cuda")\ndef predict(x): return x\n'
    put(make_python_bundle(tmp_path / "b", code, 'python = "debian"\n'), repository, "m")
    gateway = await start_gateway(repository, pythons={"debian": "/usr/bin/python3"})
    (version,) = gateway.registry.versions("m")
    assert version.reason.startswith("Pred.py raised AssertionError while it was loaded (Pred.py, line 2): Torch not")
