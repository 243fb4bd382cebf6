"""Fields written by hand are read by protobuf as what they were."""

from collections.abc import Callable

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import example, given
from hypothesis import strategies as st
from scorebridge import arrays
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb

from bridge.codecs.protobuf import VARINT, delimited, duration, tag, varint

ATTEMPTS = tag(log_pb.LogRecord.ATTEMPTS_FIELD_NUMBER, VARINT)
QUEUE_TIME = tag(pb.ScoreResponse.QUEUE_TIME_FIELD_NUMBER)


# The client has a varint of its own, which the gateway must not borrow: both are held to protobuf here.
both = pytest.mark.parametrize("write", [varint, arrays.varint], ids=["gateway", "client"])


@both
@given(st.integers(1, 2**32 - 1))
@example(2**7 - 1)
@example(2**7)
@example(2**14)
@example(2**21)
@example(2**28)
def test_numbers(write: Callable[[int], bytes], value: int) -> None:
    assert ATTEMPTS + write(value) == log_pb.LogRecord(attempts=value).SerializeToString()


@both
@given(st.integers(2**32, 2**64 - 1))
def test_long_numbers(write: Callable[[int], bytes], value: int) -> None:
    written = write(value)
    decoded = sum((byte & 0x7F) << 7 * at for at, byte in enumerate(written))
    assert decoded == value
    assert [byte >> 7 for byte in written] == [1] * (len(written) - 1) + [0]


@given(st.floats(0, 1e9))
@example(0.0)
@example(0.9999999999)
@example(1.0)
def test_durations(seconds: float) -> None:
    expected = Duration()
    expected.FromNanoseconds(round(seconds * 10**9))
    assert duration(QUEUE_TIME, seconds) == pb.ScoreResponse(queue_time=expected).SerializeToString()


@given(st.text(), st.integers(1, 2**29 - 1))
def test_texts_and_field_numbers(text: str, number: int) -> None:
    written = delimited(tag(log_pb.LogRecord.REQUEST_ID_FIELD_NUMBER), text.encode())
    assert log_pb.LogRecord.FromString(written).request_id == text
    assert tag(number, 0) == varint(number << 3)
