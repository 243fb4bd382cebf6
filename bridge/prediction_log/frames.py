"""The bytes of a segment: a preamble with its header, then frames, each with a checksum of its own.

    preamble   magic 8 bytes, format version u16, header length u32, crc32c u32 over version, length and header; header
    frame      magic u32, length u32, sequence u64, crc32c u32 over length, sequence, segment id and body; body

All numbers are little-endian. A frame "checks" if its checksum is right. A reader that meets damage looks for the next
frame that checks. Each checksum covers the segment's random id, so a frame that a caller put into a request never
checks. Nothing here opens files.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

import google_crc32c
from google.protobuf.message import DecodeError
from scorebridge.v1 import prediction_log_pb2 as pb

from bridge.codecs.protobuf import tag, varint

__all__ = [
    "FORMAT_VERSION",
    "FRAME_BYTES",
    "FRAME_MAGIC",
    "ID_BYTES",
    "ID_OFFSET",
    "MOST_BODY_BYTES",
    "PREAMBLE_BYTES",
    "FormatError",
    "Frame",
    "FrameStart",
    "NewerFormat",
    "body_parts",
    "decode_header",
    "encode_frame",
    "encode_preamble",
    "frame_checks",
    "frame_parts",
    "header_length",
    "is_cut_preamble",
    "parse_start",
]

FORMAT_VERSION = 1
FRAME_MAGIC = b"\xf5SBf"
MOST_BODY_BYTES = 1 << 30
_MAGIC = b"SBLOG\r\n\x1a"
_PREAMBLE = struct.Struct("<8sHII")
_FRAME = struct.Struct("<4sIQI")
_CHECKED = struct.Struct("<IQ")
_CHECKED_PREAMBLE = struct.Struct("<HI")
PREAMBLE_BYTES = _PREAMBLE.size
FRAME_BYTES = _FRAME.size
ID_BYTES = 16
ID_OFFSET = PREAMBLE_BYTES + 2  # the id is the header's first field, behind its tag and length
_COPIED_BYTES = 16 << 10  # up to this size a copy is cheaper than a part of its own
_REQUEST_TAG = tag(pb.LogRecord.REQUEST_FIELD_NUMBER)
_RESPONSE_TAG = tag(pb.LogRecord.RESPONSE_FIELD_NUMBER)


class FormatError(Exception):
    """Bytes are not a segment that this version of scorebridge reads."""


class NewerFormat(FormatError):
    """A segment was written by a newer version of scorebridge, in a format that this one does not read."""


class FrameStart(NamedTuple):
    """The first `FRAME_BYTES` of a frame: what it claims to hold.

    Attributes:
        length: the length of its body, in bytes.
        sequence: the number of its record in the log.
        checksum: the checksum that length, number, segment id and body must have.
    """

    length: int
    sequence: int
    checksum: int


class Frame(NamedTuple):
    """A frame whose checksum is right.

    Attributes:
        sequence: the number of its record in the log.
        body: the bytes of the record, as they were written.
    """

    sequence: int
    body: bytes


def encode_preamble(header: pb.SegmentHeader) -> bytes:
    """Returns the first bytes of a segment, which hold its header."""
    body = header.SerializeToString()
    checksum = _header_checksum(FORMAT_VERSION, body)
    return _PREAMBLE.pack(_MAGIC, FORMAT_VERSION, len(body), checksum) + body


def header_length(raw: bytes) -> int:
    """Returns how many bytes of header follow the first `PREAMBLE_BYTES` of a segment, as those bytes state.

    Raises:
        FormatError: there are fewer bytes, or they are of another kind of file.
    """
    if len(raw) < PREAMBLE_BYTES:
        raise FormatError("the segment is cut short in its first bytes")
    magic, _, length, _ = _PREAMBLE.unpack_from(raw)
    if magic != _MAGIC:
        raise FormatError("this file is not a segment of a prediction log")
    return int(length)


def decode_header(raw: bytes) -> pb.SegmentHeader:
    """Reads the header from a complete preamble.

    Raises:
        NewerFormat: the segment has a format that this version does not read.
        FormatError: the header is damaged.
    """
    length = header_length(raw)
    _, version, _, checksum = _PREAMBLE.unpack_from(raw)
    body = raw[PREAMBLE_BYTES : PREAMBLE_BYTES + length]
    checks = len(body) == length and _header_checksum(min(version, FORMAT_VERSION), body) == checksum
    if version > FORMAT_VERSION and not checks:
        known = f"this scorebridge reads formats up to {FORMAT_VERSION}"
        raise NewerFormat(f"the segment has format {version}, and {known}: use a newer one")
    # The checksum covers the format's number: if it is right for our format, a newer number is a flipped bit.
    if version > FORMAT_VERSION or not checks:
        raise FormatError("the segment's header is damaged")
    try:
        return pb.SegmentHeader.FromString(body)
    except DecodeError as error:
        raise FormatError("the segment's header is damaged") from error


def is_cut_preamble(raw: bytes) -> bool:
    """Whether a file of these bytes ends within its preamble; False if only a damaged length makes it look so."""
    if len(raw) < PREAMBLE_BYTES:
        return _MAGIC.startswith(raw[: len(_MAGIC)])
    magic, version, length, checksum = _PREAMBLE.unpack_from(raw)
    body = raw[PREAMBLE_BYTES:]
    return bool(magic == _MAGIC and len(body) < length and _header_checksum(version, body) != checksum)


def encode_frame(segment_id: bytes, sequence: int, body: bytes) -> bytes:
    """Returns a complete frame: its start and the body."""
    return b"".join(frame_parts(segment_id, sequence, [body]))


def frame_parts(segment_id: bytes, sequence: int, body: Sequence[bytes]) -> list[bytes]:
    """Returns a complete frame in parts, to be written in this order, so that a big request need not be copied."""
    length = sum(map(len, body))
    checksum = google_crc32c.value(_CHECKED.pack(length, sequence) + segment_id)
    for part in body:
        checksum = google_crc32c.extend(checksum, part)
    head = _FRAME.pack(FRAME_MAGIC, length, sequence, checksum)
    return [head + body[0]] if len(body) == 1 else [head, *body]


def parse_start(raw: bytes | memoryview) -> FrameStart | None:
    """Reads the start of a frame from the first `FRAME_BYTES` of these bytes; None if no frame starts there."""
    magic, length, sequence, checksum = _FRAME.unpack_from(raw)
    if magic != FRAME_MAGIC or length > MOST_BODY_BYTES:
        return None
    return FrameStart(length, sequence, checksum)


def frame_checks(segment_id: bytes, start: FrameStart, body: bytes) -> bool:
    """Whether the body that follows this start of a frame has its length and checksum in the segment of this id."""
    return len(body) == start.length and _checksum(segment_id, start.sequence, body) == start.checksum


def _checksum(segment_id: bytes, sequence: int, body: bytes) -> int:
    start = google_crc32c.value(_CHECKED.pack(len(body), sequence) + segment_id)
    return int(google_crc32c.extend(start, body))


def _header_checksum(version: int, header: bytes) -> int:
    return int(google_crc32c.value(_CHECKED_PREAMBLE.pack(version, len(header)) + header))


def body_parts(record: bytes, request: bytes, response: bytes) -> list[bytes]:
    """Returns the body of a frame, a LogRecord: in one part, or in three so that a big request is not copied.

    Args:
        record: the fields of the LogRecord, all but the request and the response.
        request: the bytes of the request.
        response: the bytes of the answer.
    """
    ends = [_RESPONSE_TAG, varint(len(response)), response, record]
    if not request:
        return [b"".join(ends)]
    head = _REQUEST_TAG + varint(len(request))
    if len(request) < _COPIED_BYTES:
        return [b"".join([head, request, *ends])]
    return [head, request, b"".join(ends)]
