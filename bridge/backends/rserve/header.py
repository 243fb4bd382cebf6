"""What every message of QAP1 begins with, and its numbers: 16 bytes, little-endian (Rserve's `Rsrv.h`)."""

import struct
from typing import NamedTuple

__all__ = [
    "HEADER_BYTES",
    "MAX_REPLY_BYTES",
    "MAX_REQUEST_BYTES",
    "OC_CALL",
    "OC_INIT",
    "OUT_OF_REPLY_SPACE",
    "RESPONSE_ERROR",
    "RESPONSE_OK",
    "R_ERROR",
    "Header",
    "pack_header",
    "parse_header",
]

HEADER_BYTES = 16
OC_CALL = 0x00F
OC_INIT = 0x434F7352
RESPONSE_OK = 0x10001
RESPONSE_ERROR = 0x10002
# Statuses of an error, after either of which the worker is as good as before.
R_ERROR = 127  # R raised, outside of our code
OUT_OF_REPLY_SPACE = 0x4C  # the reply would be longer than MAX_REPLY_BYTES
# What we have every Rserve hold to, as its `maxinbuf` and `maxsendbuf`.
MAX_REQUEST_BYTES = 256 << 20
MAX_REPLY_BYTES = 128 << 20
_FIELDS = struct.Struct("<IIII")  # command, low half of the length, message id, high half of the length


class Header(NamedTuple):
    """What a message begins with; `status` is Rserve's or R's error code, 0 if there is none."""

    command: int
    status: int
    length: int
    msg_id: int


def parse_header(header: bytes | bytearray) -> Header:
    """The first 16 bytes of a message, Rserve's `struct phdr`."""
    command, low, msg_id, high = _FIELDS.unpack_from(header)
    if command & 0xFFFFFF == RESPONSE_ERROR:
        return Header(RESPONSE_ERROR, command >> 24, low | high << 32, msg_id)
    return Header(command, 0, low | high << 32, msg_id)


def pack_header(command: int, length: int, msg_id: int) -> bytes:
    """The header of a message whose body has this many bytes."""
    return _FIELDS.pack(command, length & 0xFFFFFFFF, msg_id, length >> 32)
