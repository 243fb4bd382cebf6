"""Numbers as CSV files write them: decimal digits, and the value that they say or none.

Python's own float() and int() take more than that (`1_0`, digits of other scripts, any blank), and float() makes
infinity of what is too large, zero of what is too small, and another whole number of one that no double holds.
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
_DIGITS_KEPT = 15  # a double gives back any number of so few digits


class NoNumber(ValueError):
    """A text is no number, or none that its column holds; the sentence goes on behind the column's type.

    Attributes:
        spelled: it is written as a number, and is none of those that the column holds.
    """

    def __init__(self, sentence: str = "", *, spelled: bool = False) -> None:
        super().__init__(sentence)
        self.spelled = spelled


def is_nan(text: str) -> bool:
    """The text says NaN, in any case, as Python, R and C write it."""
    return _NAN.fullmatch(text) is not None


def read_double(text: str, decimal: str = ".") -> float:
    """The double nearest to a number; infinite where the text says so: `inf` or `Infinity`, in any case.

    Args:
        text: without blanks around it.
        decimal: the mark before the fraction.

    Raises:
        NoNumber: it is none, is larger or nearer to zero than any double, or has digits beyond 2^53 that no double
            keeps.
    """
    pointed = _pointed(text, decimal)
    value = float(pointed)
    if not 0 < abs(value) < DOUBLE_EXACT:
        _check_kept(pointed, value)
    return value


def read_whole(text: str, least: int, most: int, decimal: str = ".") -> int:
    """A whole number; `1.0` and `1e3` are some too.

    Args:
        text: without blanks around it.
        least: the smallest that is taken.
        most: the largest.
        decimal: the mark before the fraction.

    Raises:
        NoNumber: it is none, has a fraction, or is outside.
    """
    number = int(text) if _WHOLE.fullmatch(text) else _exact_whole(_pointed(text, decimal), least, most)
    if not least <= number <= most:
        raise _outside(least, most)
    return number


def _outside(least: int, most: int) -> NoNumber:
    return NoNumber(f"it is outside {least} to {most}", spelled=True)


def _pointed(text: str, decimal: str) -> str:
    """The number with a point."""
    if decimal == ",":
        if "." in text:
            raise NoNumber
        text = text.replace(",", ".")
    if not _NUMBER.fullmatch(text) and not _INFINITE.fullmatch(text):
        raise NoNumber
    return text


def _check_kept(text: str, value: float) -> None:
    """A double keeps what the text says: a whole number to its last digit, any other one as the nearest double."""
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
    if exponent:  # this is how doubles are printed: rounded, to the digits that tell them apart
        count = len(digits)
        kept = count <= _DIGITS_KEPT or f"{abs(value):.{count - 1}e}".partition("e")[0].replace(".", "") == digits
    else:
        kept = Decimal(text) == Decimal(value)
    if not kept and abs(Decimal(text)) > DOUBLE_EXACT:
        raise NoNumber("it is beyond 2^53, and no double holds all its digits", spelled=True)


def _exact_whole(text: str, least: int, most: int) -> int:
    value = float(text)
    if abs(value) > 2 * most:  # before a long exponent is written out
        raise _outside(least, most)
    if not value and not text.lower().partition("e")[0].strip("+-0."):
        return 0
    number = Decimal(text) if value else None
    if number is None or number != number.to_integral_value():
        raise NoNumber("it is no whole number", spelled=True)
    return int(number)
