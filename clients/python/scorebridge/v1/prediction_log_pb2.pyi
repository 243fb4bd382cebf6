from google.protobuf import timestamp_pb2 as _timestamp_pb2
from scorebridge.v1 import scoring_pb2 as _scoring_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SegmentHeader(_message.Message):
    __slots__ = ("segment_id", "gateway_id", "created_at", "previous_sha256", "first_sequence", "environment")
    class EnvironmentEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SEGMENT_ID_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_SHA256_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    segment_id: bytes
    gateway_id: str
    created_at: _timestamp_pb2.Timestamp
    previous_sha256: bytes
    first_sequence: int
    environment: _containers.ScalarMap[str, str]
    def __init__(self, segment_id: _Optional[bytes] = ..., gateway_id: _Optional[str] = ..., created_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping[str, object]]] = ..., previous_sha256: _Optional[bytes] = ..., first_sequence: _Optional[int] = ..., environment: _Optional[_Mapping[str, str]] = ...) -> None: ...

class LogRecord(_message.Message):
    __slots__ = ("request", "response", "method", "request_id", "model", "version", "digest", "status", "error_reason", "error_message", "private_detail", "defaulted", "received_ns", "total_ns", "queue_ns", "backend_ns", "attempts", "peer", "engine", "failed", "condition_class", "kept_types", "request_bytes", "request_sha256", "suppressed", "ignored_columns", "caller", "request_json_bytes", "response_json_bytes", "lookups", "looked_up", "key_columns")
    class KeptTypesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: _scoring_pb2.ColumnType
        def __init__(self, key: _Optional[int] = ..., value: _Optional[_Union[_scoring_pb2.ColumnType, str]] = ...) -> None: ...
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ERROR_REASON_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PRIVATE_DETAIL_FIELD_NUMBER: _ClassVar[int]
    DEFAULTED_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_NS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_NS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_NS_FIELD_NUMBER: _ClassVar[int]
    BACKEND_NS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    CONDITION_CLASS_FIELD_NUMBER: _ClassVar[int]
    KEPT_TYPES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_BYTES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_SHA256_FIELD_NUMBER: _ClassVar[int]
    SUPPRESSED_FIELD_NUMBER: _ClassVar[int]
    IGNORED_COLUMNS_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_JSON_BYTES_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_JSON_BYTES_FIELD_NUMBER: _ClassVar[int]
    LOOKUPS_FIELD_NUMBER: _ClassVar[int]
    LOOKED_UP_FIELD_NUMBER: _ClassVar[int]
    KEY_COLUMNS_FIELD_NUMBER: _ClassVar[int]
    request: bytes
    response: bytes
    method: str
    request_id: str
    model: str
    version: int
    digest: str
    status: int
    error_reason: str
    error_message: str
    private_detail: str
    defaulted: _containers.RepeatedCompositeFieldContainer[LoggedRange]
    received_ns: int
    total_ns: int
    queue_ns: int
    backend_ns: int
    attempts: int
    peer: str
    engine: str
    failed: _containers.RepeatedCompositeFieldContainer[LoggedRange]
    condition_class: str
    kept_types: _containers.ScalarMap[int, _scoring_pb2.ColumnType]
    request_bytes: int
    request_sha256: bytes
    suppressed: int
    ignored_columns: _containers.RepeatedScalarFieldContainer[int]
    caller: str
    request_json_bytes: int
    response_json_bytes: int
    lookups: _containers.RepeatedCompositeFieldContainer[LoggedLookup]
    looked_up: _containers.RepeatedCompositeFieldContainer[_scoring_pb2.Column]
    key_columns: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, request: _Optional[bytes] = ..., response: _Optional[bytes] = ..., method: _Optional[str] = ..., request_id: _Optional[str] = ..., model: _Optional[str] = ..., version: _Optional[int] = ..., digest: _Optional[str] = ..., status: _Optional[int] = ..., error_reason: _Optional[str] = ..., error_message: _Optional[str] = ..., private_detail: _Optional[str] = ..., defaulted: _Optional[_Iterable[_Union[LoggedRange, _Mapping[str, object]]]] = ..., received_ns: _Optional[int] = ..., total_ns: _Optional[int] = ..., queue_ns: _Optional[int] = ..., backend_ns: _Optional[int] = ..., attempts: _Optional[int] = ..., peer: _Optional[str] = ..., engine: _Optional[str] = ..., failed: _Optional[_Iterable[_Union[LoggedRange, _Mapping[str, object]]]] = ..., condition_class: _Optional[str] = ..., kept_types: _Optional[_Mapping[int, _scoring_pb2.ColumnType]] = ..., request_bytes: _Optional[int] = ..., request_sha256: _Optional[bytes] = ..., suppressed: _Optional[int] = ..., ignored_columns: _Optional[_Iterable[int]] = ..., caller: _Optional[str] = ..., request_json_bytes: _Optional[int] = ..., response_json_bytes: _Optional[int] = ..., lookups: _Optional[_Iterable[_Union[LoggedLookup, _Mapping[str, object]]]] = ..., looked_up: _Optional[_Iterable[_Union[_scoring_pb2.Column, _Mapping[str, object]]]] = ..., key_columns: _Optional[_Iterable[int]] = ...) -> None: ...

class LoggedLookup(_message.Message):
    __slots__ = ("lookup", "store", "previous_batch", "previous_rows", "missing_rows", "operands", "detail")
    LOOKUP_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_BATCH_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_ROWS_FIELD_NUMBER: _ClassVar[int]
    MISSING_ROWS_FIELD_NUMBER: _ClassVar[int]
    OPERANDS_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    lookup: _scoring_pb2.Lookup
    store: str
    previous_batch: str
    previous_rows: _containers.RepeatedScalarFieldContainer[int]
    missing_rows: _containers.RepeatedScalarFieldContainer[int]
    operands: _containers.RepeatedCompositeFieldContainer[_scoring_pb2.Column]
    detail: str
    def __init__(self, lookup: _Optional[_Union[_scoring_pb2.Lookup, _Mapping[str, object]]] = ..., store: _Optional[str] = ..., previous_batch: _Optional[str] = ..., previous_rows: _Optional[_Iterable[int]] = ..., missing_rows: _Optional[_Iterable[int]] = ..., operands: _Optional[_Iterable[_Union[_scoring_pb2.Column, _Mapping[str, object]]]] = ..., detail: _Optional[str] = ...) -> None: ...

class LoggedRange(_message.Message):
    __slots__ = ("first", "count", "reason", "private_detail", "condition_class")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PRIVATE_DETAIL_FIELD_NUMBER: _ClassVar[int]
    CONDITION_CLASS_FIELD_NUMBER: _ClassVar[int]
    first: int
    count: int
    reason: _scoring_pb2.DefaultReason
    private_detail: str
    condition_class: str
    def __init__(self, first: _Optional[int] = ..., count: _Optional[int] = ..., reason: _Optional[_Union[_scoring_pb2.DefaultReason, str]] = ..., private_detail: _Optional[str] = ..., condition_class: _Optional[str] = ...) -> None: ...
