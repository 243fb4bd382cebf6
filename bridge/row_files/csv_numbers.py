"""Reads numbers as CSV files write them: decimal digits, with exactly the value that they state, or not at all.

Python's own float() and int() take more (`1_0`, digits of other scripts, any blank), and float() makes infinity of a
number that is too large, zero of one that is too small, and another number of a whole one that no double holds.
"""

import math
import re
from decimal import Decimal

from bridge.columns import DOUBLE_EXACT

__all__ = ["NoNumber", "is_nan", "read_double", "read_whole"]

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE | re.ASCII)
_NAN = re.compile(r"[+-]?nan", re.IGNORECASE | re.ASCII)
_DIGITS_KEPT = 15  # a double keeps any number with at most this many digits


class NoNumber(ValueError):
    """A text is not a number, or not one that its column can hold; the text follows "not a TYPE" in the message.

    Attributes:
        spelled: whether the text is written as a number, but its column can't hold that number.
    """

    def __init__(self, sentence: str = "", *, spelled: bool = False) -> None:
        super().__init__(sentence)
        self.spelled = spelled


def is_nan(text: str) -> bool:
    """Whether a text is NaN as Python, R and C write it, in upper or lower case."""
    return _NAN.fullmatch(text) is not None


def read_double(text: str, decimal: str = ".") -> float:
    """Returns the double nearest to a number; infinity for `inf` or `Infinity`, in upper or lower case.

    Args:
        text: the number without blanks around it.
        decimal: the decimal mark.

    Raises:
        NoNumber: the text is not a number, or the number is larger or nearer to zero than any double, or is a whole
            number beyond 2^53 that no double holds exactly.
    """
    pointed = _pointed(text, decimal)
    value = float(pointed)
    if not 0 < abs(value) < DOUBLE_EXACT:
        _check_kept(pointed, value)
    return value


def read_whole(text: str, least: int, most: int, decimal: str = ".") -> int:
    """Returns a whole number; `1.0` and `1e3` are whole numbers too.

    Args:
        text: the number without blanks around it.
        least: the smallest number that is taken.
        most: the largest number that is taken.
        decimal: the decimal mark.

    Raises:
        NoNumber: the text is not a number, or the number has a fraction or is outside `least` to `most`.
    """
    number = int(text) if _WHOLE.fullmatch(text) else _exact_whole(_pointed(text, decimal), least, most)
    if not least <= number <= most:
        raise _outside(least, most)
    return number


def _outside(least: int, most: int) -> NoNumber:
    return NoNumber(f"it is outside {least} to {most}", spelled=True)


def _pointed(text: str, decimal: str) -> str:
    """Returns a number with its decimal mark as a point; raises NoNumber if the text is not a number."""
    if decimal == ",":
        if "." in text:
            raise NoNumber
        text = text.replace(",", ".")
    if not _NUMBER.fullmatch(text) and not _INFINITE.fullmatch(text):
        raise NoNumber
    return text


def _check_kept(text: str, value: float) -> None:
    """Raises NoNumber if the double does not keep what the text states.

    A whole number must be kept to its last digit; any other number may be the nearest double.
    """
    if _INFINITE.fullmatch(text):
        return
    if math.isinf(value):
        raise NoNumber("it is beyond the largest double, 1.8e308", spelled=True)
    mantissa, _, exponent = text.lower().partition("e")
    digits = mantissa.lstrip("+-").replace(".", "").lstrip("0").rstrip("0")
    if not value:
        if digits:
            raise NoNumber("it is nearer to 0 than the smallest double, 4.9e-324", spelled=True)
        return
    if exponent:  # doubles are printed so, rounded to the digits that tell them apart
        count = len(digits)
        kept = count <= _DIGITS_KEPT or f"{abs(value):.{count - 1}e}".partition("e")[0].replace(".", "") == digits
    else:
        kept = Decimal(text) == Decimal(value)
    if not kept and abs(Decimal(text)) > DOUBLE_EXACT:
        raise NoNumber("it is beyond 2^53, and no double holds all its digits", spelled=True)


def _exact_whole(text: str, least: int, most: int) -> int:
    value = float(text)
    if abs(value) > 2 * most:  # checked before Decimal writes out a long exponent
        raise _outside(least, most)
    if not value and not text.lower().partition("e")[0].strip("+-0."):
        return 0
    number = Decimal(text) if value else None
    if number is None or number != number.to_integral_value():
        raise NoNumber("it is not a whole number", spelled=True)
    return int(number)
