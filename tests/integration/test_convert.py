"""`scorebridge convert` as people use it: a new file as a whole or none, and no code of a pickle that nobody trusts."""

import gzip
import json
import os
import pickle
import signal
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from boosters import BINARY, some_rows, train
from fixtures import SCOREBRIDGE

from bridge.backends.xgboost import convert as conversion
from bridge.backends.xgboost.conversion import Converted
from bridge.backends.xgboost.convert import convert
from bridge.backends.xgboost.pickled import Wrapper
from bridge.errors import BundleError


async def refusal(source: Path, *, trust: bool = False, target: Path | None = None, timeout_s: float = 60.0) -> str:
    """The sentence; nothing new is there."""
    before = sorted(source.parent.glob("**/*"))
    target = target or source.with_name("model.ubj")
    with pytest.raises(BundleError) as caught:
        await convert(source, target, trust_pickle=trust, timeout_s=timeout_s)
    assert sorted(source.parent.glob("**/*")) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def run(folder: Path, *arguments: str, code: int = 0) -> str:
    command = [str(SCOREBRIDGE), "convert", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def fitted(kind: type[Any] = xgboost.XGBClassifier, **parameters: Any) -> Any:
    target = (np.nan_to_num(some_rows(300)[:, 0]) > 0).astype(int)
    return kind(n_estimators=4, max_depth=2, n_jobs=1, **parameters).fit(some_rows(300), target)


def test_a_pickle_becomes_a_model_file_and_lines_for_model_toml(tmp_path: Path) -> None:
    model = fitted(missing=-999.0)
    (tmp_path / "model.pickle.dat").write_bytes(pickle.dumps(model))
    assert run(tmp_path, "model.pickle.dat", "--to", "model.ubj", code=1) == (
        "model.pickle.dat is a pickle, and a pickle runs the code that is in it when it is read: say --trust-pickle if "
        'you know who made it, or save the model by save_model("model.ubj") where it was made\n'
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.pickle.dat"]
    told = run(tmp_path, "model.pickle.dat", "--to", "model.ubj", "--trust-pickle").splitlines()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["model.pickle.dat", "model.ubj"]
    first = f"wrote model.ubj: binary:logistic, 4 rounds, 4 features, saved by xgboost {xgboost.__version__}"
    assert told[0] == first
    assert told[1].startswith("it gives the same bits as the XGBClassifier in model.pickle.dat: scores and margins of")
    assert (
        told[2] == "its features have no names: state them in their order as feature_names, or callers send f0, f1, ..."
    )
    assert told[3:] == ["for model.toml:", "", "[xgboost]", "missing = -999.0"]
    rows = xgboost.DMatrix(some_rows(100))
    new = xgboost.Booster(model_file=tmp_path / "model.ubj")
    assert new.predict(rows).tobytes() == model.get_booster().predict(rows).tobytes()


def test_wrong_orders_are_said(tmp_path: Path) -> None:
    assert run(tmp_path, "gone.pkl", "--to", "new.ubj", code=1) == "gone.pkl: No such file or directory\n"
    for timeout in ("0", "nan", "inf"):
        assert "--timeout" in run(tmp_path, "model.pkl", "--to", "new.ubj", "--timeout", timeout, code=2)


def test_code_that_lies_around_is_run_for_trusted_pickles_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text("import xgboost\n\n\nclass Mine(xgboost.XGBRegressor):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    import mine  # type: ignore[import-not-found] # noqa: PLC0415 - it was written just now

    (tmp_path / "model.pkl").write_bytes(pickle.dumps(fitted(mine.Mine)))
    told = run(tmp_path, "model.pkl", "--to", "model.ubj", "--trust-pickle")
    assert "Mine is no class of xgboost's own: scores are what its booster gives" in told
    (tmp_path / "xgboost.py").write_text("raise SystemExit('this was run')\n")
    run(tmp_path, "model.ubj", "--to", "model.json")


class Does:
    """Does something when it is unpickled."""

    def __init__(self, what: Callable[..., object], argument: object) -> None:
        self._done = what, (argument,)

    def __reduce__(self) -> tuple[Any, ...]:
        return self._done


DOES: dict[str, tuple[object, str]] = {
    "prints": ([Does(print, '{"converted": 1}')], "model.pkl holds list, which is no xgboost model"),
    "ends": (
        Does(os._exit, 0),
        "model.pkl ended the process that read it, with exit code 0 and no model: save it by save_model where",
    ),
    "crashes": (
        Does(signal.raise_signal, signal.SIGSEGV),
        "model.pkl crashes xgboost (SIGSEGV): it is damaged, or of a",
    ),
}


@pytest.mark.parametrize("deed", DOES)
async def test_what_a_pickle_does_is_done_to_the_child(tmp_path: Path, deed: str) -> None:
    thing, sentence = DOES[deed]
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(thing))
    assert (await refusal(tmp_path / "model.pkl", trust=True)).startswith(sentence)


def child_beyond_the_tree(booster: xgboost.Booster) -> bytes:
    model = json.loads(booster.save_raw("json"))
    tree = model["learner"]["gradient_booster"]["model"]["trees"][0]
    for children in ("left_children", "right_children"):
        tree[children][0] = 2**30
    return json.dumps(model).encode()


async def test_a_file_that_crashes_xgboost_crashes_the_child(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(child_beyond_the_tree(train(BINARY)))
    assert (await refusal(tmp_path / "bad.json")).startswith("bad.json crashes xgboost (SIGSEGV): it is damaged, or")


async def test_damage_and_other_kinds_are_sentences(tmp_path: Path) -> None:
    raw = bytes(train(BINARY).save_raw("json"))
    files = {
        "cut": (raw[:-1], "cut.x can't be loaded: it is damaged, because it ends too early; copy it here again"),
        "none": (b"", "none.x can't be loaded: it is empty; copy it here again"),
        "page": (b"<html>", "page.x can't be loaded: it is a web page or an error of a web server"),
        "gz": (gzip.compress(raw), "gz.x can't be loaded: it is compressed; unpack it"),
        "lz4": (
            b"\x04\x22\x4d\x18" + bytes(40),
            "lz4.x is compressed, as a pickle of joblib may be, and a pickle runs",
        ),
    }
    for name, (content, sentence) in files.items():
        (tmp_path / f"{name}.x").write_bytes(content)
        assert (await refusal(tmp_path / f"{name}.x")).startswith(sentence)


async def test_a_conversion_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    train(BINARY).save_model(tmp_path / "old.json")
    said = await refusal(tmp_path / "old.json", timeout_s=0.001)
    assert said == "old.json was not converted within 0.001 s: give it more by --timeout"


async def test_a_target_is_new_and_of_a_form_that_is_served(tmp_path: Path) -> None:
    source = tmp_path / "old.json"
    train(BINARY).save_model(source)
    said = await refusal(source, target=tmp_path / "model.bin")
    assert said == "model.bin must be named .ubj or .json: take --to model.ubj"
    assert "old.json is there already: remove it, or" in await refusal(source, target=source)
    assert "can't be written: there is no folder" in await refusal(source, target=tmp_path / "no" / "model.ubj")


async def test_a_source_is_a_file_of_a_size_that_a_model_has(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert await refusal(tmp_path / "folder") == "folder is no file: name the file of a model"
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2**31 + 1)
    assert "huge is larger than 2 GiB: save it by save_model" in await refusal(tmp_path / "huge")


def test_a_command_that_is_terminated_leaves_nothing_behind(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Does(Path.read_bytes, pipe)))
    command = [str(SCOREBRIDGE), "convert", "model.pkl", "--to", "model.ubj", "--trust-pickle"]
    with subprocess.Popen(command, cwd=tmp_path) as process, pipe.open("wb", buffering=0) as writer:
        process.terminate()  # the pipe is open, so the child reads it
        assert process.wait(30) == 128 + signal.SIGTERM
        with pytest.raises(BrokenPipeError):
            writer.write(b"x")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["model.pkl", "pipe"]


CONVERTED = Converted("multi:softprob", 30, 4, True, None, 3, "3.4.1", "1.7.6", 4096, None)
WRAPPER = Wrapper("XGBClassifier", foreign=False, missing=None, labels=(), own_objective=False)


def told_of(wrapper: Wrapper | None = None, **others: Any) -> list[str]:
    made = asdict(CONVERTED) | {"wrapper": asdict(wrapper) if wrapper else None} | others
    return [*conversion._told("old.bin", "model.ubj", Converted(**made))]


def test_what_is_told_says_where_the_model_comes_from() -> None:
    assert told_of() == [
        "wrote model.ubj: multi:softprob, 30 rounds, 4 features, saved by xgboost 3.4.1 (before: 1.7.6)",
        "it gives the same bits as old.bin: scores and margins of 4096 rows",
    ]
    own = Wrapper("XGBRegressor", foreign=False, missing=None, labels=(), own_objective=True)
    assert "the objective is a function of your own: scores are what the booster gives" in told_of(own)[2]


def test_lines_for_model_toml_are_those_that_the_model_needs() -> None:
    assert told_of(best_iteration=9)[-1] == 'trees = "all"  # as Booster.predict does; "best" takes 10 of 30 rounds'
    assert told_of(WRAPPER, best_iteration=9)[-1] == (
        'trees = "best"  # 10 of 30 rounds, as the wrapper predicts; "all" gives other scores'
    )
    infinite = Wrapper("XGBRegressor", foreign=False, missing=float("-inf"), labels=(), own_objective=False)
    assert told_of(infinite)[-3:] == ["for model.toml:", "\n[xgboost]", "missing = -inf"]


@pytest.mark.parametrize(
    ("labels", "outputs", "objective", "proposed"),
    [
        (("grün", "rot", "b"), 3, "multi:softprob", True),
        (("grün", "rot", "b"), 1, "multi:softmax", False),
        (("no", "yes"), 1, "binary:logistic", True),
        (("no", "yes"), 1, "binary:hinge", False),
    ],
)
def test_labels_are_proposed_where_they_name_the_outputs(
    labels: tuple[str, ...], outputs: int, objective: str, proposed: bool
) -> None:
    wrapper = Wrapper("XGBClassifier", foreign=False, missing=None, labels=labels, own_objective=False)
    line = f"output_names = {json.dumps(list(labels), ensure_ascii=False)}"
    assert (told_of(wrapper, outputs=outputs, objective=objective)[-1] == line) == proposed
