"""The header of every QAP1 message, 16 bytes, little-endian, and Rserve's numbers in it (Rserve's `Rsrv.h`)."""

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
# Error statuses after which the worker can take the next call.
R_ERROR = 127  # R raised, outside of the gateway's R code
OUT_OF_REPLY_SPACE = 0x4C  # the reply would be longer than MAX_REPLY_BYTES
# The limits that every Rserve is started with, as its `maxinbuf` and `maxsendbuf`.
MAX_REQUEST_BYTES = 256 << 20
MAX_REPLY_BYTES = 128 << 20
_FIELDS = struct.Struct("<IIII")  # command, low half of the length, message id, high half of the length


class Header(NamedTuple):
    """The header of a message.

    Attributes:
        command: Rserve's command or response number.
        status: Rserve's or R's error status; 0 if the message is no error.
        length: the number of bytes that follow the header.
        msg_id: the number of the request, which its reply repeats.
    """

    command: int
    status: int
    length: int
    msg_id: int


def parse_header(header: bytes | bytearray) -> Header:
    """Reads the header from the first 16 bytes of a message, Rserve's `struct phdr`."""
    command, low, msg_id, high = _FIELDS.unpack_from(header)
    if command & 0xFFFFFF == RESPONSE_ERROR:
        return Header(RESPONSE_ERROR, command >> 24, low | high << 32, msg_id)
    return Header(command, 0, low | high << 32, msg_id)


def pack_header(command: int, length: int, msg_id: int) -> bytes:
    """Returns the 16 header bytes of a message whose body has `length` bytes."""
    return _FIELDS.pack(command, length & 0xFFFFFFFF, msg_id, length >> 32)
