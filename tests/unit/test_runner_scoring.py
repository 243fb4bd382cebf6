"""What is around a call of a predict function: its random numbers, its arguments, and how its exceptions are told."""

import random
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scorebridge.runner.conditions import class_name
from scorebridge.runner.load import Loaded
from scorebridge.runner.scoring import Failed, Scoring
from scorebridge.runner.vectors import Vector


@pytest.fixture(autouse=True)
def _own_state() -> Iterator[None]:
    """A worker's process is its function's alone; this one is not."""
    states, faults = (random.getstate(), np.random.get_state()), np.geterr()  # noqa: NPY002 - models use it
    with warnings.catch_warnings():
        yield
    random.setstate(states[0])
    np.random.set_state(states[1])  # noqa: NPY002 - likewise
    np.seterr(**faults)


def scoring(predict: Callable[..., Any], *, frame: str | None = None, row_by_row: bool = False) -> Scoring:
    return Scoring(Loaded(predict=predict, frame=frame), "/bundle", 7, row_by_row=row_by_row)


def doubles(*values: float) -> Vector:
    return Vector("x", "double", np.array(values))


def scored(one: Scoring, *values: float) -> list[Any]:
    found: list[Any] = one.score(len(values), [doubles(*values)])[0].values.tolist()  # noqa: PD011 - not a series
    return found


def test_the_random_numbers_of_each_call_are_the_same() -> None:
    draws = [random.random, np.random.rand]
    for draw in draws:
        one = scoring(lambda x, draw=draw: x * 0 + draw())
        first = scored(one, 1.0)
        assert scored(one, 1.0) == first
        assert scored(scoring(lambda x, draw=draw: x * 0 + draw()), 1.0) == first


def test_torch_is_seeded_where_the_model_has_imported_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # The real one is in no interpreter that has pytest; its function of this name is documented.
    seeds: list[int] = []
    torch = types.ModuleType("torch")
    torch.__dict__["manual_seed"] = seeds.append
    one = scoring(lambda x: x)
    monkeypatch.setitem(sys.modules, "torch", torch)
    scored(one, 1.0)
    scored(one, 1.0)
    assert seeds == [7, 7]


def test_rows_that_are_scored_one_by_one_have_the_numbers_of_a_call_of_their_own() -> None:
    seen: list[tuple[Any, ...]] = []

    def predict(x: Any, label: Any) -> Any:
        seen.append((x.tolist(), label.tolist()))
        return {"p": x[0], "label": label[0], "wide": np.array([[x[0], 1.0]])}

    labels = Vector("label", "string", np.array(["a", "", "c"], object), np.array([False, True, False]))
    found = scoring(predict, row_by_row=True).score(3, [doubles(1.0, 2.0, 3.0), labels])
    assert seen == [([1.0], ["a"]), ([2.0], [None]), ([3.0], ["c"])]
    assert [vector.name for vector in found] == ["p", "label", "wide.1", "wide.2"]
    assert found[1].mask.tolist() == [False, True, False]


def test_a_frame_is_passed_by_the_name_of_its_parameter() -> None:
    def predict(threshold: float = 0.5, *, rows: Any) -> Any:
        assert isinstance(rows, pd.DataFrame)
        return rows["x"] > threshold

    assert scored(scoring(predict, frame="rows"), 0.25, 0.75) == [False, True]


def test_a_generator_is_not_run() -> None:
    def predict(x: Any) -> Any:
        raise AssertionError
        yield x

    with pytest.raises(Failed, match="which gives its scores one by one") as raised:
        scored(scoring(predict), 1.0)
    assert raised.value.kind == "malformed"


class OddError(Exception):
    """An exception that can't tell itself."""

    def __str__(self) -> str:
        raise KeyboardInterrupt


def raises(error: BaseException) -> Callable[[Any], Any]:
    def predict(x: Any) -> Any:
        del x
        raise error

    return predict


@pytest.mark.parametrize(
    ("error", "raised", "said"),
    [
        (ValueError("a\n  b"), "ValueError", "a b"),
        (SystemExit(), "SystemExit", ""),
        (KeyboardInterrupt(), "KeyboardInterrupt", ""),
        (GeneratorExit(), "GeneratorExit", ""),
        (np.linalg.LinAlgError("singular"), "numpy.linalg.LinAlgError", "singular"),
        (OddError(), f"{__name__}.OddError", "its message can't be made"),
        (ValueError("\ud800\x00\x1b[1m"), "ValueError", "???[1m"),
        (ValueError("x" * 10**6), "ValueError", "x" * 600),
    ],
)
def test_each_exception_is_told_in_one_line(error: BaseException, raised: str, said: str) -> None:
    with pytest.raises(Failed) as caught:
        scored(scoring(raises(error)), 1.0)
    failed = caught.value
    assert (failed.kind, failed.raised, failed.memory) == ("raised", raised, False)
    assert str(failed) == said


def test_a_lack_of_memory_is_marked() -> None:
    with pytest.raises(Failed, match=r"^MemoryError: ") as caught:
        scored(scoring(raises(MemoryError("no room"))), 1.0)
    assert caught.value.memory


def test_a_recursion_without_end_is_an_exception_like_another() -> None:
    def predict(x: Any) -> Any:
        return predict(x)

    with pytest.raises(Failed) as caught:
        scored(scoring(predict), 1.0)
    assert caught.value.raised == "RecursionError"
    assert scored(scoring(lambda x: x), 1.0) == [1.0]


def test_names_of_classes_are_short_and_of_one_line() -> None:
    strange = type("A\n" * 1000, (), {"__module__": 3})
    assert class_name(strange()) == "A " * 300
    assert class_name(3) == "int"
    assert class_name(np.float64(3)) == "numpy.float64"
