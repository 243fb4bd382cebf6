"""Value classes that every call needs: immutable for the type checker, and quick to make at run time."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

__all__ = ["value"]

_Value = TypeVar("_Value")


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(field,))
def value(kind: type[_Value]) -> type[_Value]:
    """Makes a class a dataclass without equality, whose attributes only mypy protects from being set.

    With ten attributes a really frozen one takes 1.7 us to make, this one 0.3 us, and each call makes a dozen of them.
    """
    return dataclass(slots=True, eq=False)(kind)
