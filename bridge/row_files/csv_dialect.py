"""How a CSV file is written: what parts its cells, the mark in its numbers, its encoding, with a header or without."""

import codecs
import io
from dataclasses import dataclass

__all__ = ["Dialect", "DialectError"]

_NAMES_OF_TAB = ("tab", "\\t")
_DECIMALS = (".", ",")
# Of hosts' names and of literals: they need the whole, or read a cell such as \N as the beginning of something else.
_NOT_OF_FILES = ("idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape")


class DialectError(ValueError):
    """An option can't be what it is; the sentence stands alone.

    Attributes:
        option: its name, such as "--separator".
    """

    def __init__(self, option: str, sentence: str) -> None:
        super().__init__(sentence)
        self.option = option


@dataclass(frozen=True, slots=True)
class Dialect:
    r"""How a CSV file is written; quotes are always `"`, doubled within quotes, and lines end with LF, CRLF or CR.

    Attributes:
        separator: one character; `tab` and `\t` are taken for a tab.
        decimal: "." or ",", what parts a number's whole from its fraction.
        encoding: any text codec of Python; one byte order mark at the beginning of the file is passed over.
        header: the first row holds the columns' names; else it is a row like the others.

    Raises:
        DialectError: a separator or decimal mark can't be that, they are the same, or there is no such encoding.
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
                "--separator", "must be one character, such as ';' or 'tab', and no letter, digit, sign, dot or quote"
            )
        if self.decimal not in _DECIMALS:
            raise DialectError("--decimal", "must be '.' or ','")
        if self.decimal == self.separator:
            raise DialectError("--decimal", "can't be the separator too: give another --separator, such as ';'")
        try:
            io.TextIOWrapper(io.BytesIO(), self.encoding).close()
        except (LookupError, ValueError) as error:
            raise DialectError("--encoding", f"{self.encoding!a} is no text encoding that Python knows") from error
        if codecs.lookup(self.encoding).name in _NOT_OF_FILES:
            raise DialectError("--encoding", f"{self.encoding!a} is no encoding of files")
