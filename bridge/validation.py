"""Turns what pydantic finds wrong with settings into sentences for whoever wrote them."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic_core import ErrorDetails

from bridge.described import model_of

__all__ = ["Fitting", "describe_each", "describe_invalid", "fitting"]

_LIKENESS = 0.6  # of two keys, from 0 to 1, at which one is taken for a slip of the pen of the other
_MOST_KEY = 100  # characters
_MOST_FAULTS = 100  # of one file, which may hold many thousands of unknown keys
_Kind = TypeVar("_Kind", bound=BaseModel)


class Fitting(NamedTuple):
    """Values that were checked key by key, so that one wrong value hides no other.

    Attributes:
        settings: the keys that are right, as values of the class; the others have their defaults, or are None if they
            are required.
        wrong: the first-level keys that are wrong or required and not there; those of a table only where one of its
            sections is.
        faults: all that is wrong, in sentences; what one key says of another is looked at once every known key is
            right.
    """

    settings: Any
    wrong: frozenset[str]
    faults: tuple[str, ...]


def describe_invalid(error: ValidationError, kind: type[BaseModel] | None = None) -> str:
    """Returns the first error of a validation in one sentence: "KEY: WHAT".

    An unknown key comes before all other errors: if it is a misspelled one, the required key is missing because of it.

    Args:
        error: what pydantic found.
        kind: the class that was validated, by which an unknown key is told the nearest known one; None tells none.
    """
    first = min(error.errors(include_url=False, include_input=False), key=_is_known)
    return _sentence(first["loc"], first["type"], first["msg"], kind)


def describe_each(error: ValidationError, kind: type[BaseModel] | None = None) -> list[str]:
    """Returns the errors of a validation in sentences, those of unknown keys first, and at most 100 of them.

    Args:
        error: what pydantic found.
        kind: the class that was validated, by which an unknown key is told the nearest known one; None tells none.
    """
    errors = sorted(error.errors(include_url=False, include_input=False), key=_is_known)
    told = dict.fromkeys(_sentence(one["loc"], one["type"], one["msg"], kind) for one in errors[:_MOST_FAULTS])
    more = len(errors) - _MOST_FAULTS
    return [*told, *([f"{more} more keys are wrong"] if more > 0 else [])]


def _is_known(found: ErrorDetails) -> bool:
    return found["type"] != "extra_forbidden"


def _sentence(loc: Sequence[int | str], event: str, message: str, kind: type[BaseModel] | None) -> str:
    where = ".".join(str(part)[:_MOST_KEY] for part in loc)
    what = message.removeprefix("Value error, ")
    if event == "extra_forbidden":
        near = get_close_matches(str(loc[-1])[:_MOST_KEY], _known(kind, loc[:-1]), 1, _LIKENESS)
        what = f"unknown key: did you mean {near[0]}?" if near else "unknown key"
    return f"{where}: {what}" if where else what


def _known(kind: type[BaseModel] | None, path: Sequence[int | str]) -> list[str]:
    """Returns the keys of the section at a path; empty where they are not known."""
    steps = list(path)
    while kind is not None and steps:
        field = kind.model_fields.get(str(steps.pop(0)))
        if field is not None and get_origin(field.annotation) is dict and steps:
            steps.pop(0)  # the section's own name
        kind = None if field is None else model_of(field.annotation)
    return [] if kind is None else list(kind.model_fields)


def fitting(kind: type[_Kind], values: Mapping[str, Any]) -> Fitting:
    """Checks the values of settings key by key, and returns what is right and all that is wrong.

    Args:
        kind: the class of the settings. Its keys are checked by their types, and its rules between keys by its
            validators; it must have no others.
        values: the values by key; those of sections in dicts.
    """
    keys, right = _keys_of(kind), dict(values)
    wrong, faults = {name for name, field in kind.model_fields.items() if field.is_required()} - right.keys(), []
    try:
        keys.model_validate(right)
    except ValidationError as error:
        faults = describe_each(error, kind)
        for one in error.errors(include_url=False, include_input=False):
            wrong.add(str(one["loc"][0]))
            _drop(right, one["loc"], kind)
    faults += [f"{name}: Field required" for name in sorted(wrong - values.keys())]
    found = keys.model_validate(right)
    settings = kind.model_construct(_fields_set=found.model_fields_set, **dict(found))
    if wrong.isdisjoint(kind.model_fields):  # a rule between keys can't be told where one of them has no right value
        faults += _broken_rules(kind, settings)
    return Fitting(settings, frozenset(wrong), tuple(faults))


def _keys_of(kind: type[BaseModel]) -> type[BaseModel]:
    """Returns a class with the keys of another, all of them optional, and without its rules between keys."""
    fields: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        narrowed: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
        fields[name] = (narrowed | None, None) if field.is_required() else (field.annotation, field)
    return create_model(kind.__name__, __config__=ConfigDict(extra="forbid", strict=True), **fields)


def _drop(values: dict[str, Any], path: Sequence[int | str], kind: type[BaseModel]) -> None:
    """Drops what is wrong: of a table of sections the one section, else the whole first-level key."""
    name = str(path[0])
    field = kind.model_fields.get(name)
    if field is not None and get_origin(field.annotation) is dict and model_of(get_args(field.annotation)[1]):
        section = values.get(name)
        if isinstance(section, dict) and len(path) > 1:
            values[name] = {key: one for key, one in section.items() if key != path[1]}
            return
    values.pop(name, None)


def _broken_rules(kind: type[BaseModel], settings: BaseModel) -> Iterator[str]:
    for rule in kind.__pydantic_decorators__.model_validators.values():
        if rule.info.mode == "after":
            try:
                rule.func(settings)
            except ValueError as broken:
                yield str(broken)
