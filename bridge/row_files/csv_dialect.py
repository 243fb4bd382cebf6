"""How a CSV file is written: its separator, its decimal mark, its encoding, and whether it has a header."""

import codecs
import io
from dataclasses import dataclass

__all__ = ["Dialect", "DialectError"]

_NAMES_OF_TAB = ("tab", "\\t")
_DECIMALS = (".", ",")
# Encodings of host names and of literals: they need the whole text, or take a cell such as \N for an escape sequence.
_NOT_OF_FILES = ("idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape")


class DialectError(ValueError):
    """An option of the dialect has a value that it can't have.

    Attributes:
        option: the name of the option, such as "--separator".
    """

    def __init__(self, option: str, sentence: str) -> None:
        super().__init__(sentence)
        self.option = option


@dataclass(frozen=True, slots=True)
class Dialect:
    r"""How a CSV file is written; quotes are always `"`, doubled within quotes, and lines end with LF, CRLF or CR.

    Attributes:
        separator: the character between cells; `tab` and `\t` stand for a tab.
        decimal: the decimal mark, "." or ",".
        encoding: any text codec of Python; a byte order mark at the beginning of the file is ignored.
        header: whether the first row holds the names of the columns; else it is a row like the others.

    Raises:
        DialectError: the separator or the decimal mark is not allowed, they are the same, or the encoding is unknown.
    """

    separator: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    header: bool = True

    def __post_init__(self) -> None:
        if self.separator in _NAMES_OF_TAB:
            object.__setattr__(self, "separator", "\t")
        one = len(self.separator) == 1
        if not one or self.separator.isalnum() or self.separator in '"\r\n\0+-._\ufeff':
            raise DialectError(
                "--separator",
                "must be one character, such as ';' or 'tab', but not a letter, digit, sign, dot or quote",
            )
        if self.decimal not in _DECIMALS:
            raise DialectError("--decimal", "must be '.' or ','")
        if self.decimal == self.separator:
            raise DialectError("--decimal", "can't also be the separator: choose another --separator, such as ';'")
        try:
            io.TextIOWrapper(io.BytesIO(), self.encoding).close()
        except (LookupError, ValueError) as error:
            raise DialectError("--encoding", f"{self.encoding!a} is not a text encoding that Python knows") from error
        if codecs.lookup(self.encoding).name in _NOT_OF_FILES:
            raise DialectError("--encoding", f"{self.encoding!a} is not an encoding for files")
