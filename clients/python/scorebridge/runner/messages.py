"""The messages between a gateway and the worker of a Python function: raw buffers behind a small head.

    prefix   4 bytes: the kind; unsigned 32 bits: bytes of the head; unsigned 64 bits: bytes of the body
    head     JSON in UTF-8: an object; "rows", and for each column under "columns"
             [name, type, masked, levels, ordered, texts, bytes]; then blanks up to a multiple of 8 bytes
    body     the buffers of the columns, in their order, each padded with zeros to a multiple of 8 bytes

A number, a truth value (one byte, 0 or 1) or a factor's code is sent as it is, then, if "masked", one such byte a row
where the value is missing. Text is sent as codes of 32 bits, -1 for missing, into distinct texts: "texts" says how
many these are, "bytes" how long they are together; behind the codes come their lengths of 32 bits, and then they
themselves in UTF-8. All numbers are little-endian. What does not apply to a type is 0, or no levels. Nothing else is
ever read from a worker, and no pickle.
"""

from __future__ import annotations

import json
import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .vectors import DTYPES, Vector

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "ALIGNMENT",
    "CALL",
    "DONE",
    "FAILED",
    "GREETING",
    "MOST_BODY_BYTES",
    "MOST_HEAD_BYTES",
    "MOST_KEPT",
    "PLAIN",
    "PREFIX",
    "TRIAL",
    "BadMessage",
    "TooLarge",
    "encode",
    "padded",
]

PREFIX = struct.Struct("<4sIQ")
GREETING, CALL, TRIAL, DONE, FAILED = b"HELO", b"CALL", b"TRYS", b"DONE", b"FAIL"
MOST_HEAD_BYTES = 64 << 20
MOST_BODY_BYTES = 256 << 20
ALIGNMENT = 8
_ZEROS = b"\0" * ALIGNMENT
MOST_KEPT = 32  # descriptions of columns that are remembered
PLAIN = [0, [], 0, 0, 0]  # what follows name and type in the description of most columns


class BadMessage(Exception):
    """A message breaks the format, so nothing that comes after it on its connection can be trusted."""


class TooLarge(Exception):
    """The columns of a message take more bytes than one may have.

    Attributes:
        bytes: how many they take, or a part of them that is too much alone.
    """

    def __init__(self, count: int) -> None:
        super().__init__(f"the columns take {count} bytes, and a message may have {MOST_BODY_BYTES}")
        self.bytes = count


def encode(kind: bytes, head: dict[str, Any], vectors: Sequence[Vector] = ()) -> list[Any]:
    """Returns the buffers of a message, to be sent one after the other.

    Args:
        kind: GREETING, CALL, TRIAL, DONE or FAILED.
        head: what the head says beside the columns.
        vectors: the columns; their texts must be UTF-8.

    Raises:
        TooLarge: the body would be larger than `MOST_BODY_BYTES`.
    """
    columns, body = _encoded_block(vectors) or _encoded(vectors)
    written = json.dumps(head, separators=(",", ":"))
    raw = (f'{written[:-1]},"columns":{columns}}}' if vectors else written).encode()
    raw = raw.ljust(padded(len(raw)))  # who receives both into one memory has aligned numbers
    sizes = [buffer.nbytes if isinstance(buffer, np.ndarray) else len(buffer) for buffer in body]
    total = sum(map(padded, sizes))
    if total > MOST_BODY_BYTES:
        raise TooLarge(total)
    buffers: list[Any] = [PREFIX.pack(kind, len(raw), total) + raw]
    for buffer, size in zip(body, sizes):
        buffers.append(buffer.data.cast("B") if isinstance(buffer, np.ndarray) and size else buffer)
        if size % ALIGNMENT:
            buffers.append(_ZEROS[size % ALIGNMENT :])
    return [buffer for buffer in buffers if len(buffer)]


def _encoded_block(vectors: Sequence[Vector]) -> tuple[str, list[Any]] | None:
    """Returns the columns' description and one buffer, if all are doubles: a third of the time of one buffer each."""
    if not all(vector.type == "double" and vector.mask is None for vector in vectors) or not vectors:
        return None
    described = _described_doubles(tuple([vector.name for vector in vectors]))
    return described, [np.concatenate([vector.values for vector in vectors], dtype=DTYPES["double"])]


@lru_cache(maxsize=MOST_KEPT)
def _described_doubles(names: tuple[str, ...]) -> str:
    return json.dumps([[name, "double", *PLAIN] for name in names], separators=(",", ":"))


def _encoded(vectors: Sequence[Vector]) -> tuple[str, list[Any]]:
    columns, body = [], []
    for vector in vectors:
        described, buffers = _encoded_texts(vector) if vector.type == "string" else _encoded_numbers(vector)
        columns.append(described)
        body += buffers
    return json.dumps(columns, separators=(",", ":")), body


def padded(size: int) -> int:
    """Returns how many bytes a buffer of `size` bytes takes in a body."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def _encoded_numbers(vector: Vector) -> tuple[list[Any], list[Any]]:
    values = np.ascontiguousarray(vector.values, DTYPES[vector.type])
    described = [vector.name, vector.type, int(vector.mask is not None), list(vector.levels), int(vector.ordered), 0, 0]
    return described, [values] if vector.mask is None else [values, np.ascontiguousarray(vector.mask, np.bool_)]


def _encoded_texts(vector: Vector) -> tuple[list[Any], list[Any]]:
    places: dict[Any, int] = {}
    values = vector.values.tolist()
    if vector.mask is None:
        codes = [places.setdefault(value, len(places)) for value in values]
    else:
        codes = [
            -1 if absent else places.setdefault(value, len(places))
            for value, absent in zip(values, vector.mask.tolist())
        ]
    texts = [text.encode() for text in places]
    joined = b"".join(texts)
    if len(joined) > MOST_BODY_BYTES:
        raise TooLarge(len(joined))
    described = [vector.name, vector.type, 0, [], 0, len(texts), len(joined)]
    return described, [np.array(codes, "<i4"), np.array(list(map(len, texts)), "<i4"), joined]
