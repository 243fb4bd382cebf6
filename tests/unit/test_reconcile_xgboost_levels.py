"""What reconcile takes for the levels of a booster's categories: stored, stated, or refused."""

import json
from typing import Any

import numpy as np
import pytest
import xgboost
from saved_bundles import BY_NAME, SAVED

from bridge.bundles.settings import ModelSettings
from bridge.errors import BundleError
from bridge.reconcile.xgboost_file import BoosterFile, saved_by
from bridge.reconcile.xgboost_frame import frame_of, takes_values
from bridge.reconcile.xgboost_levels import Levels, levels_of

NAMES = ("x", "c", "y", "z")
WEEK = BY_NAME["int_categories"].levels
LONG = BY_NAME["int64_categories"].levels
WORDS = BY_NAME["text_categories"].levels
COLOURS = BY_NAME["text_categories_beyond_ascii"].levels


def file_of(version: str, kind: str, *, installed: tuple[int, int] = (3, 2)) -> BoosterFile:
    path = SAVED / version / f"{kind}.ubj"
    return BoosterFile(xgboost, xgboost.Booster(model_file=path), installed, saved_by(path)[:2])


def stated(level_type: str, levels: Any, **more: Any) -> ModelSettings:
    line = {"levels": levels} if levels == "codes" else {"type": level_type, "levels": list(levels)}
    return ModelSettings.model_validate({"features": {"c": line | more}})


def levels_in(file: BoosterFile, settings: ModelSettings | None = None) -> Levels:
    (found,) = levels_of(file, NAMES, settings or ModelSettings()).items()
    assert found[0] == 1
    return found[1]


def test_an_old_file_stores_nothing_and_model_toml_may_say_it() -> None:
    week = file_of("2.1.4", "int_categories")
    assert levels_in(week) == Levels()
    assert levels_in(week, stated("int64", WEEK)) == Levels(WEEK)
    assert levels_in(week, stated("", "codes")) == Levels(by_codes=True)
    assert levels_in(file_of("1.7.6", "text_categories"), stated("factor", WORDS)) == Levels(WORDS)


def test_a_newer_file_says_it_itself_and_model_toml_may_repeat_it() -> None:
    long = Levels(LONG, "int64", stored=True)
    for settings in (None, stated("int64", LONG), ModelSettings.model_validate({"features": {"c": "int64"}})):
        assert levels_in(file_of("3.1.3", "int64_categories"), settings) == long
    assert levels_in(file_of("3.2.0", "text_categories")) == Levels(WORDS, stored=True)
    assert levels_in(file_of("3.4.1", "int_categories")) == Levels(WEEK, "int64", stored=True)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("int_categories", stated("int64", WEEK[::-1])),
        ("int_categories", stated("factor", map(str, WEEK))),
        ("int_categories", stated("", "codes")),
        ("text_categories", stated("factor", WORDS[:-1])),
        ("text_categories", stated("", "codes")),
        ("text_categories_beyond_ascii", stated("factor", COLOURS[::-1])),
        ("text_categories_beyond_ascii", stated("int64", WEEK)),
    ],
)
def test_levels_that_contradict_the_file_are_refused(kind: str, settings: ModelSettings) -> None:
    with pytest.raises(BundleError, match=r"^model.toml: the levels of 'c' are not those that the model file stores$"):
        levels_in(file_of("3.2.0", kind), settings)


@pytest.mark.parametrize(("version", "by"), [("3.1.3", (3, 1)), ("3.2.0", (3, 2)), ("3.2.0", (3, 3)), ("3.2.0", ())])
def test_letters_beyond_ascii_need_stated_levels_where_they_may_have_been_cut(
    version: str, by: tuple[int, ...]
) -> None:
    file = file_of(version, "text_categories_beyond_ascii")._replace(saved_by=by)
    with pytest.raises(
        BundleError, match="stored the categories of 'c', which hold letters beyond ASCII, and may have"
    ):
        levels_in(file)
    assert levels_in(file, stated("factor", COLOURS)) == Levels(COLOURS, stored=True, comparable=False)


def test_letters_beyond_ascii_are_whole_again_in_files_of_3_4() -> None:
    file = file_of("3.4.1", "text_categories_beyond_ascii")
    assert levels_in(file) == Levels(COLOURS, stored=True, comparable=False), "3.2 would cut those of a frame"
    assert levels_in(file._replace(installed=(3, 4))) == Levels(COLOURS, stored=True)


def test_what_the_library_passes_over_must_be_stated() -> None:
    """Only a file that was accepted although it is newer comes here."""
    file = file_of("2.1.4", "int_categories", installed=(3, 0))._replace(saved_by=(3, 1))
    with pytest.raises(BundleError, match=r"^the installed xgboost 3.0 ignores the categories that xgboost 3"):
        levels_in(file)
    assert levels_in(file, stated("int64", WEEK)) == Levels(WEEK)


class Odd:
    """A booster of which the library says something unheard of."""

    feature_types = ("float", "c", "float", "float")

    def __init__(self, encoded: dict[str, Any]) -> None:
        self._encoded = [{}, encoded, {}, {}]

    def save_raw(self, _: str) -> bytes:
        """See xgboost."""
        model = {"cats": {"enc": self._encoded}}
        return json.dumps({"learner": {"gradient_booster": {"gbtree": {"model": model}}}}).encode()


def test_dropped_out_trees_keep_their_categories_one_level_deeper() -> None:
    booster = Odd({"type": 9, "values": [5, 6]})
    assert levels_in(BoosterFile(xgboost, booster, (3, 2), (3, 2))) == Levels((5, 6), "int8", stored=True)


def test_an_empty_text_is_a_level_too() -> None:
    booster = Odd({"offsets": [0, 0], "values": []})
    assert levels_in(BoosterFile(xgboost, booster, (3, 2), (3, 2))) == Levels(("",), stored=True)


def test_broken_letters_are_refused_whoever_saved_them() -> None:
    booster = Odd({"offsets": [0, 1, 3], "values": [-61, -68, 97]})
    with pytest.raises(BundleError, match=r"^the file stores categories of 'c' that are not UTF-8: they were cut$"):
        levels_in(BoosterFile(xgboost, booster, (3, 4), (3, 4)))


def test_categories_of_a_type_that_is_unknown_are_refused() -> None:
    booster = Odd({"type": 99, "values": [5, 6]})
    with pytest.raises(
        BundleError, match=r"^the file stores categories of 'c' that are neither text nor whole numbers$"
    ):
        levels_in(BoosterFile(xgboost, booster, (3, 2), (3, 2)))


def test_levels_of_a_feature_that_is_a_number_are_refused() -> None:
    settings = ModelSettings.model_validate({"features": {"x": {"type": "int", "levels": [1, 2]}}})
    with pytest.raises(BundleError, match=r"states levels of 'x', which is no category of the booster$"):
        levels_of(file_of("3.2.0", "int_categories"), NAMES, settings)


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        (ModelSettings(unknown_level="missing"), "missing"),
        (stated("int64", WEEK, unknown_level="refuse").model_copy(update={"unknown_level": "missing"}), "refuse"),
    ],
)
def test_the_rule_of_a_feature_comes_before_that_of_the_model(settings: ModelSettings, rule: str) -> None:
    assert levels_in(file_of("3.2.0", "int_categories"), settings).rule == rule


def test_a_frame_has_values_where_the_library_can_compare_all_of_them() -> None:
    whole, cut = Levels(WORDS, stored=True), Levels(COLOURS, stored=True, comparable=False)
    assert takes_values({1: whole})
    assert takes_values({1: Levels(WEEK), 2: Levels(by_codes=True)})
    assert not takes_values({})
    assert not takes_values({1: Levels(by_codes=True)})
    assert not takes_values({1: whole, 2: cut})
    assert not takes_values({1: whole, 2: Levels()})


def test_a_frame_has_all_levels_in_the_order_and_the_width_of_the_training() -> None:
    numbers = np.array([[0.5, 1], [1.5, np.nan]])
    frame = frame_of(numbers, ["x", "c"], {1: Levels((5, 9, 7), "int8", stored=True)})
    assert frame["c"].cat.categories.tolist() == [5, 9, 7]
    assert frame["c"].cat.categories.dtype == np.int8
    assert frame["c"].isna().tolist() == [False, True]
    assert frame["c"][0] == 9
    assert frame["x"].tolist() == [0.5, 1.5]
