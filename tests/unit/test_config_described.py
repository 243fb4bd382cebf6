"""Every key of every class of settings says what it is: in its docstring, and nowhere else."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, create_model
from pydantic.fields import FieldInfo

from bridge.bundles.settings import ModelSettings
from bridge.config import GatewaySettings, LogSettings
from bridge.described import NotDescribed, default_words, keys_of, model_of, spelled, summary_of, type_words
from bridge.store_settings import StoreSettings


def classes(kind: type[BaseModel]) -> set[type[BaseModel]]:
    """A class of settings and those of its sections."""
    inner = {one for field in kind.model_fields.values() if (one := model_of(field.annotation)) is not None}
    return {kind}.union(*(classes(one) for one in inner))


ALL = sorted(classes(GatewaySettings) | classes(ModelSettings), key=lambda kind: kind.__name__)


def test_all_classes_are_found() -> None:
    assert {GatewaySettings, StoreSettings, ModelSettings} < set(ALL)
    assert {"Author", "CircuitSettings", "CombineSettings", "FeatureSettings", "LookupSettings", "XgboostSettings"} < {
        kind.__name__ for kind in ALL
    }


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_key_has_a_meaning_that_is_a_sentence(kind: type[BaseModel]) -> None:
    keys = keys_of(kind)
    assert {key.name for key in keys} == set(kind.model_fields)
    assert [key.name for key in keys if not key.meaning.endswith(".")] == []
    assert summary_of(kind).endswith((".", "`."))


def test_a_key_that_nobody_describes_is_named() -> None:
    class Bare(LogSettings):
        """Of a test.

        Attributes:
            told: what is told.
        """

        told: int = 0
        silent: int = 0

    with pytest.raises(NotDescribed, match=r"^the docstring of Bare has no line for silent under 'Attributes:'$"):
        keys_of(Bare)


def test_a_class_has_its_own_keys_first_and_the_meanings_of_those_it_extends() -> None:
    keys = keys_of(GatewaySettings)
    assert keys[0].name == "repository"
    assert keys[-1].name == "log_refusals_per_s"
    assert {key.name: key.meaning for key in keys}["log_fsync_interval_s"] == "the seconds between two syncs."


class _Colour(StrEnum):
    RED = "RED"


class _Section(BaseModel):
    """Of a test."""


def field(annotation: Any, *default: Any) -> FieldInfo:
    return create_model("Holder", one=(annotation, *(default or (...,)))).model_fields["one"]


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (bool, "true or false"),
        (Annotated[int, Field(ge=0, le=9)], "whole number, at least 0, at most 9"),
        (Annotated[int, Field(ge=0, le=9)] | None, "whole number, at least 0, at most 9"),
        (Annotated[float, Field(gt=0, allow_inf_nan=False)], "number, above 0"),
        (Annotated[float, Field(lt=1)], "number, below 1"),
        (Annotated[Path, Field(strict=False)] | None, "path"),
        (Literal["a", "b"] | None, '"a" or "b"'),
        (list[str] | list[int] | Literal["codes"], 'list (text) or list (whole number) or "codes"'),
        (dict[str, Literal["int"]], 'table ("int")'),
        (bool | int | float | str | dict[str, bool | int | float | str] | None, "value or table (value)"),
        (list[_Colour], "list (reason)"),
        (_Section, "section"),
        (dict[str, _Section], "table (section)"),
    ],
)
def test_a_type_is_said_in_words(annotation: Any, words: str) -> None:
    assert type_words(field(annotation)) == words


def _made() -> int:
    """Returns the number of things.

    They are counted.
    """
    return 1


@pytest.mark.parametrize(
    ("default", "words"),
    [
        (..., "required"),
        (None, "none"),
        (5, "5"),
        ("x", '"x"'),
        (False, "false"),
        ([], "empty"),
        (_Section(), "empty"),
        (Field(default_factory=_made), "the number of things"),
    ],
)
def test_a_default_is_said_in_words(default: Any, words: str) -> None:
    assert default_words(field(Any, default)) == words


def test_no_default_of_a_page_depends_on_the_machine() -> None:
    said = {key.name: key.default for kind in ALL for key in keys_of(kind)}
    assert said["workers"] == "the number of cores that the process may use"
    assert said["cache_dir"].startswith("the user's cache folder for scorebridge")
    assert str(Path.home()) not in "".join(said.values())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Path("/a b"), '"/a b"'),
        ({"a": 1, "b": ["x"]}, '{a = 1, b = ["x"]}'),
        ((1, 2), "[1, 2]"),
        ("grün\n", '"grün\\n"'),
        (True, "true"),
        (0.5, "0.5"),
    ],
)
def test_values_are_spelled_as_toml_has_them(value: Any, text: str) -> None:
    assert spelled(value) == text
