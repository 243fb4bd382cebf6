"""Fields written by hand are read by protobuf as what they were."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import example, given
from hypothesis import strategies as st
from scorebridge.arrays import varint
from scorebridge.v1 import prediction_log_pb2 as pb

from bridge.wire import delimited, duration_writer, number_writer, tag, timestamp_writer

received_at = timestamp_writer(pb.LogRecord.RECEIVED_AT_FIELD_NUMBER)
total_time = duration_writer(pb.LogRecord.TOTAL_TIME_FIELD_NUMBER)
attempts = number_writer(pb.LogRecord.ATTEMPTS_FIELD_NUMBER)


@given(st.integers(0, 2**32 - 1))
@example(2**7 - 1)
@example(2**7)
@example(2**14)
@example(2**21)
@example(2**28)
def test_numbers(value: int) -> None:
    assert pb.LogRecord.FromString(attempts(value)).attempts == value
    assert attempts(value) == pb.LogRecord(attempts=value).SerializeToString()


@given(st.integers(0, 253_402_300_799_999_999_999))
@example(0)
@example(999_999_999)
@example(1_000_000_000)
def test_timestamps(nanoseconds: int) -> None:
    expected = Timestamp(seconds=nanoseconds // 10**9, nanos=nanoseconds % 10**9)
    assert received_at(nanoseconds) == pb.LogRecord(received_at=expected).SerializeToString()


@given(st.floats(0, 1e9))
@example(0.0)
@example(0.9999999999)
def test_durations(seconds: float) -> None:
    expected = Duration()
    expected.FromNanoseconds(round(seconds * 10**9))
    assert total_time(seconds) == pb.LogRecord(total_time=expected).SerializeToString()


@given(st.text(), st.integers(1, 2**29 - 1))
def test_texts_and_field_numbers(text: str, number: int) -> None:
    written = delimited(tag(pb.LogRecord.REQUEST_ID_FIELD_NUMBER), text.encode())
    assert pb.LogRecord.FromString(written).request_id == text
    assert tag(number, 0) == varint(number << 3)
