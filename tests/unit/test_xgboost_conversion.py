"""What `scorebridge convert` makes of models in other forms: files that give the same bits, or a sentence."""

import base64
import io
import json
import pickle
import sys
import zlib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from boosters import BINARY, NAMES, some_rows, train
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import LabelEncoder, StandardScaler

from bridge.backends.xgboost import conversion
from bridge.backends.xgboost.conversion import Order, main
from bridge.backends.xgboost.pickled import ConversionRefused

joblib: Any = import_module("joblib")  # it has no stubs

SAVED = Path(__file__).parents[1] / "saved_models"
INSTALLED = tuple(int(part) for part in xgboost.__version__.split(".")[:2])
# Two rounds on the columns a and b, in the binary format: made by save_model("x.bin") of xgboost 1.7.6; packed by zlib.
BINARY_FORMAT = zlib.decompress(
    base64.b64decode(
        "eNpLysxLY2BgsGdigABGJJodSsPEaA34oXRSZl5iUaVVTn56ZnFJZjIbVDg9qaQoNZWJjg4iB4DcxozEZxoEbvoPBIwItzQwMCQ4gOj/"
        "UAAStF7BvB+mFiY24dBXu+Oh/x0ZGBQce/R27UOYeMBhe+7t/Qh+g8PZM2fsh7L/b8Re2Ifu/5rZR+xmHJvpmBwv5jiXuxfuf44bmx06"
        "F6+F+7/2bKHD82uL7ZHthIUBHyxRpxaXxGeWpBYllmTm58FSsKEAsnQeKIHH52TmZpbAFBhxQhn5SVmpySWZZakuUIFqpbzE3FQlKyW0"
        "7KKko1SUmh6fk19cHF+QWJSYq2RVrVScnJiTGl+QXxxfnpqZnlEC1GaoVFsLANtWgrI="
    )
)
ROWS_OF_THE_BINARY_FORMAT = np.array([[1, 2], [6, 1], [np.nan, np.nan]])
ITS_SCORES = bytes.fromhex("95c4913e4718343f95c4913e")


class Desk:
    """Does in this process what the child of `scorebridge convert` does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._orders = 0

    def order(self, name: str, content: bytes, form: str) -> Order:
        """A model in a folder of its own."""
        self._orders += 1
        work = self._folder / f"{self._orders}"
        (work / "work").mkdir(parents=True)
        (work / name).write_bytes(content)
        pickled = name.endswith((".pkl", ".joblib"))
        return Order(str(work / name), str(work / f"new.{form}"), str(work / "work"), pickled)

    def converted(self, name: str, content: bytes, form: str = "ubj") -> tuple[xgboost.Booster, dict[str, Any]]:
        """The booster of the new file, and what is told of it."""
        order = self.order(name, content, form)
        said = main(order)
        assert "converted" in said, said
        return xgboost.Booster(model_file=order.target), said["converted"]

    def refusal(self, name: str, content: bytes, form: str = "ubj") -> str:
        """The sentence."""
        said = main(self.order(name, content, form))
        assert list(said) == ["refused"], said
        assert "\n" not in said["refused"]
        return str(said["refused"])


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    # A conversion replaces it in its process, once and for all.
    monkeypatch.setattr(xgboost.Booster, "__setstate__", xgboost.Booster.__setstate__)
    return Desk(tmp_path)


def classifier(**parameters: Any) -> Any:
    target = (np.nan_to_num(some_rows(300)[:, 0]) > 0).astype(int)
    return xgboost.XGBClassifier(n_estimators=4, max_depth=2, n_jobs=1, **parameters).fit(some_rows(300), target)


def same(one: xgboost.Booster, other: xgboost.Booster) -> bool:
    rows = xgboost.DMatrix(some_rows(100, seed=7), feature_names=one.feature_names)
    return bool(np.array_equal(one.predict(rows).view(np.uint32), other.predict(rows).view(np.uint32)))


@pytest.mark.parametrize("form", ["ubj", "json"])
@pytest.mark.parametrize("name", ["old.model", "old.bin", "old.json", "old.ubj"])
def test_a_model_file_of_any_name_becomes_one_of_the_right_name(desk: Desk, form: str, name: str) -> None:
    booster = train(BINARY)
    new, said = desk.converted(name, bytes(booster.save_raw(form)), "json")
    assert same(new, booster)
    assert (said["objective"], said["rounds"], said["features"]) == ("binary:logistic", 30, 4)
    assert (said["named"], said["outputs"], said["best_iteration"], said["wrapper"]) == (True, 1, None, None)
    assert said["saved_by"] == said["before"] == xgboost.__version__


@pytest.mark.filterwarnings("ignore:.*is deprecated:UserWarning")  # xgboost 3.4 of dart and gblinear
@pytest.mark.parametrize("name", ["numeric", "gblinear", "dart", "multiclass", "text_categories", "base_score"])
def test_what_an_old_version_saved_gives_the_same_bits(desk: Desk, name: str) -> None:
    _, said = desk.converted("old.bst", (SAVED / "1.7.6" / f"{name}.ubj").read_bytes())
    assert (said["saved_by"], said["before"]) == (xgboost.__version__, "1.7.6")
    assert said["rows"] > 4096


@pytest.mark.parametrize("marked", [True, False])
def test_the_binary_format_is_read_by_an_xgboost_that_reads_it(desk: Desk, marked: bool) -> None:
    content = BINARY_FORMAT if marked else BINARY_FORMAT.removeprefix(b"binf")
    if INSTALLED >= (3, 1):
        assert "can't read; convert it where xgboost 3.0 or older is installed, or" in desk.refusal(
            "old.model", content
        )
        return
    booster, said = desk.converted("old.model", content)
    rows = xgboost.DMatrix(ROWS_OF_THE_BINARY_FORMAT, feature_names=["a", "b"])
    assert booster.predict(rows).tobytes() == ITS_SCORES
    assert said["before"] == ""


def test_old_trees_of_several_outputs_are_refused_where_they_crash_xgboost(desk: Desk) -> None:
    content = (SAVED / "2.1.4" / "multi_output_tree.ubj").read_bytes()
    if INSTALLED < (3, 2):
        assert desk.converted("old.ubj", content)[1]["outputs"] == 2
    else:
        assert "saved by xgboost 3.1 or older, and newer ones crash on it" in desk.refusal("old.ubj", content)


def test_categories_that_were_stored_cut_are_not_made_to_look_whole(desk: Desk) -> None:
    content = (SAVED / "3.1.3" / "text_categories_beyond_ascii.ubj").read_bytes()
    if (3, 1) <= INSTALLED <= (3, 3):
        desk.converted("old.ubj", content)
    elif INSTALLED > (3, 3):
        assert "which xgboost 3.1.3 stored cut, and in a new file they would" in desk.refusal("old.ubj", content)


def test_a_newer_file_is_refused_because_it_might_be_read_otherwise(desk: Desk) -> None:
    document = json.loads(train(BINARY).save_raw("json"))
    document["version"] = [INSTALLED[0], INSTALLED[1] + 1, 0]
    newer, said = f"{INSTALLED[0]}.{INSTALLED[1] + 1}.0", desk.refusal("new.json", json.dumps(document).encode())
    assert said.startswith(f"new.json was saved by xgboost {newer}; the installed {xgboost.__version__} is older and")
    assert said.endswith(f": convert it where xgboost {newer} or newer is installed")


def test_a_newer_pickle_is_refused_as_well(desk: Desk) -> None:
    mark = b"version[#L" + bytes(7) + b"\3"
    version = b"".join(b"i" + bytes([int(part)]) for part in xgboost.__version__.split("."))
    raw = pickle.dumps(classifier())
    assert raw.count(mark + version) == 2
    said = desk.refusal("new.pkl", raw.replace(mark + version, mark + b"i\x63i\0i\0"))
    assert said.startswith("new.pkl was saved by xgboost 99.0.0; the installed")


def test_unsigned_categories_are_written_as_json_where_ubjson_of_them_is_wrong(desk: Desk) -> None:
    document = json.loads(train(BINARY).save_raw("json"))
    encoded = [{"type": 16, "values": [1, 2, 3]}, *[{"offsets": [], "values": []}] * 3]
    cats = {"enc": encoded, "feature_segments": [0, 3, 3, 3, 3], "sorted_idx": [0, 1, 2]}
    document["learner"]["gradient_booster"]["model"]["cats"] = cats
    content = json.dumps(document).encode()
    desk.converted("old.json", content, "json")
    if (3, 1) <= INSTALLED < (3, 3):
        sentence = (
            f"old.json can be loaded, but not the .ubj that {xgboost.__version__} makes of it: take --to model.json"
        )
        assert desk.refusal("old.json", content) == sentence
    else:
        desk.converted("old.json", content)


def by_joblib(model: Any, compress: object) -> bytes:
    into = io.BytesIO()
    joblib.dump(model, into, compress=compress)
    return into.getvalue()


FORMS: dict[str, Callable[[Any], bytes]] = {
    "pickle": pickle.dumps,
    "pickle of protocol 0": lambda model: pickle.dumps(model, protocol=0),
    "joblib": lambda model: by_joblib(model, 0),
    "joblib, zlib": lambda model: by_joblib(model, 3),
    "joblib, xz": lambda model: by_joblib(model, ("xz", 3)),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_wrapper_is_read_of_any_pickle(desk: Desk, form: str) -> None:
    model = classifier(missing=-999.0)
    new, said = desk.converted("model.joblib", FORMS[form](model))
    assert same(new, model.get_booster())
    wanted = {"name": "XGBClassifier", "foreign": False, "missing": -999.0, "labels": (), "own_objective": False}
    assert said["wrapper"] == wanted
    assert not said["named"]


def test_pickle_is_enough_where_joblib_is_not_installed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "joblib", None)
    desk.converted("model.pkl", pickle.dumps(train(BINARY)))
    said = desk.refusal("model.pkl", b"\x80\x04cjoblib.numpy_pickle\nNumpyArrayWrapper\n.")
    assert said.startswith("model.pkl needs the Python module 'joblib', which is not installed here: install it, or")


def test_a_booster_is_read_alone_and_its_best_round_is_told(desk: Desk) -> None:
    booster = train(BINARY, stop_early=True)
    new, said = desk.converted("model.pkl", pickle.dumps(booster))
    assert same(new, booster)
    assert (said["best_iteration"], said["wrapper"]) == (booster.best_iteration, None)
    assert new.feature_names == NAMES


@pytest.mark.parametrize("written", ["x", "-1", "1.5", "29", "30", "9" * 5000])
def test_a_best_round_that_is_none_or_the_last_is_not_told(desk: Desk, written: str) -> None:
    booster = train(BINARY)
    booster.set_attr(best_iteration=written)
    _, said = desk.converted("old.json", bytes(booster.save_raw("json")))
    assert said["best_iteration"] is None


@pytest.mark.parametrize("count", [2, 3])
def test_labels_of_classes_are_told_if_they_say_more_than_their_place(desk: Desk, count: int) -> None:
    model: Any = xgboost.XGBClassifier(n_estimators=2, n_jobs=1).fit(some_rows(300), np.arange(300) % count)
    _, said = desk.converted("model.pkl", pickle.dumps(model))
    assert said["wrapper"]["labels"] == ()
    labels = ("grün", "rot", "weiß")[:count]
    # As wrappers up to 1.5 kept them.
    model._le = LabelEncoder().fit(labels)
    _, said = desk.converted("model.pkl", pickle.dumps(model))
    assert said["wrapper"]["labels"] == labels
    model._le.classes_ = [*range(1, 2000)]  # too many to be told
    _, said = desk.converted("model.pkl", pickle.dumps(model))
    assert said["wrapper"]["labels"] == ()


@pytest.mark.parametrize(("missing", "told"), [(None, None), (np.nan, None), (0, 0.0), (np.float32(-1), -1.0)])
def test_the_number_for_missing_is_told_unless_it_is_nan(desk: Desk, missing: Any, told: float | None) -> None:
    model = classifier()
    model.missing = missing
    model.objective = max  # a function, as people bring
    _, said = desk.converted("model.pkl", pickle.dumps(model))
    assert said["wrapper"]["missing"] == told
    assert said["wrapper"]["own_objective"]


def test_a_pipeline_of_the_model_alone_is_the_model(desk: Desk) -> None:
    model = classifier()
    new, _ = desk.converted("model.pkl", pickle.dumps(Pipeline([("no", None), ("not", "passthrough"), ("m", model)])))
    assert same(new, model.get_booster())


NO_MODELS: dict[str, tuple[Callable[[], object], str]] = {
    "scaler": (lambda: make_pipeline(StandardScaler(), 1), "holds Pipeline with other steps before the model ('stand"),
    "calibrated": (
        CalibratedClassifierCV,
        "holds CalibratedClassifierCV, which is no xgboost model: take the xgboost model out",
    ),
    "dict": (lambda: {"model": 1}, "holds dict, which is no xgboost model: take the xgboost model out of it, and"),
    "unfitted": (xgboost.XGBClassifier, "holds XGBClassifier that was never fitted: fit it before it is pickled"),
}


@pytest.mark.parametrize("kind", NO_MODELS)
def test_a_pickle_of_something_else_says_of_what(desk: Desk, kind: str) -> None:
    make, sentence = NO_MODELS[kind]
    assert desk.refusal("model.pkl", pickle.dumps(make())).startswith(f"model.pkl {sentence}")


UNREADABLE: dict[str, tuple[Callable[[], bytes], str]] = {
    "module": (lambda: b"\x80\x04cnosuch.module\nThing\n.", "needs the Python module 'nosuch', which is not installed"),
    "class": (
        lambda: b"\x80\x04cxgboost.compat\nXGBoostThing\n.",
        "needs a class or a function that is not here, a program's own or another version's: save its booster by",
    ),
    "end": (
        lambda: pickle.dumps([1] * 1000)[:100],
        "can't be unpickled (EOFError): it is damaged or of other versions; copy it again, or save its booster",
    ),
    "part": (
        lambda: pickle.dumps(train(BINARY)).replace(b"gradient_booster", b"gradient_rooster"),
        "can't be loaded: it lacks a part that the installed xgboost",
    ),
}


@pytest.mark.parametrize("lack", UNREADABLE)
def test_a_pickle_that_lacks_something_says_of_what(desk: Desk, lack: str) -> None:
    make, sentence = UNREADABLE[lack]
    assert desk.refusal("model.pkl", make()).startswith(f"model.pkl {sentence}")


def test_what_xgboost_says_of_damage_is_handed_back(desk: Desk) -> None:
    assert "EOF" in main(desk.order("cut.json", bytes(train(BINARY).save_raw("json"))[:-1], "ubj"))["failed"]


def test_other_bits_are_refused() -> None:
    boosters = train(BINARY), train(BINARY | {"eta": 0.1})
    document = json.loads(boosters[1].save_raw("json"))
    with pytest.raises(ConversionRefused, match=r"^old\.bin gives other scores than the file that xgboost .* makes of"):
        conversion._prove(xgboost, "old.bin", document, boosters)
    assert conversion._prove(xgboost, "old.bin", document, (boosters[1], boosters[1]))[0] > 4096
