"""The bytes of the Redis commands that a store sends."""

from collections.abc import Sequence

__all__ = ["command", "get_hashes", "get_rows"]

_HEADS = tuple(b"$%d" % length for length in range(512))


def _heads(parts: Sequence[bytes]) -> list[bytes]:
    most = len(_HEADS)
    return [_HEADS[len(part)] if len(part) < most else b"$%d" % len(part) for part in parts]


def _packed(parts: Sequence[bytes]) -> bytes:
    # Twice as fast as to format each part.
    lines: list[bytes] = [b""] * (2 * len(parts) + 1)
    lines[0:-1:2] = _heads(parts)
    lines[1::2] = parts
    return b"\r\n".join(lines)


def command(*parts: bytes) -> bytes:
    """Returns the bytes of one command, such as `command(b"SELECT", b"1")`."""
    return b"*%d\r\n%b" % (len(parts), _packed(parts))


def get_rows(keys: Sequence[bytes]) -> bytes:
    """Returns one MGET of all keys; it has one reply."""
    return b"*%d\r\n$4\r\nMGET\r\n%b" % (len(keys) + 1, _packed(keys))


def get_hashes(keys: Sequence[bytes], fields: Sequence[bytes]) -> bytes:
    """Returns an HMGET of the fields for each key; each has a reply."""
    begin, end = b"*%d\r\n$5\r\nHMGET\r\n" % (len(fields) + 2), b"\r\n" + _packed(fields)
    parts: list[bytes] = []
    for head, key in zip(_heads(keys), keys, strict=True):
        parts += (begin, head, b"\r\n", key, end)
    return b"".join(parts)
