"""Header blocks of HTTP/2 (RFC 7541), as far as one answer needs them: those of a connection's first one."""

from collections.abc import Iterator
from itertools import islice

__all__ = ["read_block", "text"]

# The Huffman code is canonical (appendix B): the symbols of each length tell it. What is longer is no ASCII text.
_BY_BITS = {
    5: b"012aceiost",
    6: b" %-./3456789=A_bdfghlmnpru",
    7: b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz",
    8: b"&*,;XZ",
    10: b'!"()?',
    11: b"'+|",
    12: b"#>",
    13: b"\0$@[]~",
    14: b"^}",
    15: b"<`{",
}
_STATIC_NAMES = {8: ":status", 12: ":status", 13: ":status", 14: ":status", 31: "content-type", 33: "date"}
_STATIC_VALUES = {8: "200", 12: "400", 13: "404", 14: "500"}


def _codes() -> Iterator[tuple[str, str]]:
    code = bits = 0
    for length, symbols in _BY_BITS.items():
        for symbol in symbols:
            code <<= length - bits
            bits = length
            yield format(code, f"0{bits}b"), chr(symbol)
            code += 1


_SYMBOLS = dict(_codes())


def _number(value: int, prefix: int, first: int = 0) -> bytes:
    most = (1 << prefix) - 1
    if value < most:
        return bytes([first | value])
    out, value = [first | most], value - most
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def text(value: str) -> bytes:
    """A string that is not compressed."""
    content = value.encode()
    return _number(len(content), 7) + content


def _read_number(left: Iterator[int], first: int, prefix: int) -> int:
    most = (1 << prefix) - 1
    value = first & most
    if value < most:
        return value
    shift = 0
    for byte in left:
        value += (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    return value


def _read_text(left: Iterator[int]) -> str:
    first = next(left)
    content = bytes(islice(left, _read_number(left, first, 7)))
    if first < 128:
        return content.decode("latin-1")
    found, code = "", ""
    for bit in "".join(format(byte, "08b") for byte in content):
        code += bit
        if code in _SYMBOLS:
            found, code = found + _SYMBOLS[code], ""
    return found


def read_block(block: bytes) -> dict[str, str]:
    """The headers of a block; a name or value that an earlier block put into the table is `#` and its number."""
    left = iter(block)
    found: dict[str, str] = {}
    for first in left:
        if first & 128:  # from a table: of the static one :status is all that is asked for
            index = _read_number(left, first, 7)
            found[_STATIC_NAMES.get(index, f"#{index}")] = _STATIC_VALUES.get(index, f"#{index}")
        elif first & 224 == 32:
            _read_number(left, first, 5)
        else:
            index = _read_number(left, first, 6 if first & 64 else 4)
            name = _STATIC_NAMES.get(index, f"#{index}") if index else _read_text(left)
            found[name] = _read_text(left)
    return found
