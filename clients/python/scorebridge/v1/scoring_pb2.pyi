from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DefaultPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEFAULT_POLICY_UNSPECIFIED: _ClassVar[DefaultPolicy]
    DEFAULT_POLICY_NEVER: _ClassVar[DefaultPolicy]

class ScoreSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCORE_SOURCE_UNSPECIFIED: _ClassVar[ScoreSource]
    SCORE_SOURCE_MODEL: _ClassVar[ScoreSource]
    SCORE_SOURCE_DEFAULT: _ClassVar[ScoreSource]
    SCORE_SOURCE_MIXED: _ClassVar[ScoreSource]

class DefaultReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEFAULT_REASON_UNSPECIFIED: _ClassVar[DefaultReason]
    DEFAULT_REASON_DEADLINE: _ClassVar[DefaultReason]
    DEFAULT_REASON_WORKER_LOST: _ClassVar[DefaultReason]
    DEFAULT_REASON_MODEL_ERROR: _ClassVar[DefaultReason]
    DEFAULT_REASON_MALFORMED_PREDICTION: _ClassVar[DefaultReason]
    DEFAULT_REASON_MISSING_SCORE: _ClassVar[DefaultReason]
    DEFAULT_REASON_OVERLOADED: _ClassVar[DefaultReason]
    DEFAULT_REASON_CIRCUIT_OPEN: _ClassVar[DefaultReason]
    DEFAULT_REASON_MODEL_NOT_READY: _ClassVar[DefaultReason]
    DEFAULT_REASON_DRAINING: _ClassVar[DefaultReason]
    DEFAULT_REASON_UNKNOWN_LEVEL: _ClassVar[DefaultReason]
    DEFAULT_REASON_INVALID_VALUE: _ClassVar[DefaultReason]
    DEFAULT_REASON_FEATURES_MISSING: _ClassVar[DefaultReason]
    DEFAULT_REASON_FEATURES_STALE: _ClassVar[DefaultReason]
    DEFAULT_REASON_STORE_UNAVAILABLE: _ClassVar[DefaultReason]

class VersionState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERSION_STATE_UNSPECIFIED: _ClassVar[VersionState]
    VERSION_STATE_LOADING: _ClassVar[VersionState]
    VERSION_STATE_READY: _ClassVar[VersionState]
    VERSION_STATE_REFUSED: _ClassVar[VersionState]
    VERSION_STATE_DRAINING: _ClassVar[VersionState]
    VERSION_STATE_NOT_RESIDENT: _ClassVar[VersionState]
    VERSION_STATE_NOT_DEPLOYED: _ClassVar[VersionState]
    VERSION_STATE_WAITING: _ClassVar[VersionState]

class ColumnType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COLUMN_TYPE_UNSPECIFIED: _ClassVar[ColumnType]
    COLUMN_TYPE_DOUBLE: _ClassVar[ColumnType]
    COLUMN_TYPE_FLOAT: _ClassVar[ColumnType]
    COLUMN_TYPE_INT: _ClassVar[ColumnType]
    COLUMN_TYPE_BOOL: _ClassVar[ColumnType]
    COLUMN_TYPE_STRING: _ClassVar[ColumnType]
    COLUMN_TYPE_FACTOR: _ClassVar[ColumnType]
    COLUMN_TYPE_INT64: _ClassVar[ColumnType]
DEFAULT_POLICY_UNSPECIFIED: DefaultPolicy
DEFAULT_POLICY_NEVER: DefaultPolicy
SCORE_SOURCE_UNSPECIFIED: ScoreSource
SCORE_SOURCE_MODEL: ScoreSource
SCORE_SOURCE_DEFAULT: ScoreSource
SCORE_SOURCE_MIXED: ScoreSource
DEFAULT_REASON_UNSPECIFIED: DefaultReason
DEFAULT_REASON_DEADLINE: DefaultReason
DEFAULT_REASON_WORKER_LOST: DefaultReason
DEFAULT_REASON_MODEL_ERROR: DefaultReason
DEFAULT_REASON_MALFORMED_PREDICTION: DefaultReason
DEFAULT_REASON_MISSING_SCORE: DefaultReason
DEFAULT_REASON_OVERLOADED: DefaultReason
DEFAULT_REASON_CIRCUIT_OPEN: DefaultReason
DEFAULT_REASON_MODEL_NOT_READY: DefaultReason
DEFAULT_REASON_DRAINING: DefaultReason
DEFAULT_REASON_UNKNOWN_LEVEL: DefaultReason
DEFAULT_REASON_INVALID_VALUE: DefaultReason
DEFAULT_REASON_FEATURES_MISSING: DefaultReason
DEFAULT_REASON_FEATURES_STALE: DefaultReason
DEFAULT_REASON_STORE_UNAVAILABLE: DefaultReason
VERSION_STATE_UNSPECIFIED: VersionState
VERSION_STATE_LOADING: VersionState
VERSION_STATE_READY: VersionState
VERSION_STATE_REFUSED: VersionState
VERSION_STATE_DRAINING: VersionState
VERSION_STATE_NOT_RESIDENT: VersionState
VERSION_STATE_NOT_DEPLOYED: VersionState
VERSION_STATE_WAITING: VersionState
COLUMN_TYPE_UNSPECIFIED: ColumnType
COLUMN_TYPE_DOUBLE: ColumnType
COLUMN_TYPE_FLOAT: ColumnType
COLUMN_TYPE_INT: ColumnType
COLUMN_TYPE_BOOL: ColumnType
COLUMN_TYPE_STRING: ColumnType
COLUMN_TYPE_FACTOR: ColumnType
COLUMN_TYPE_INT64: ColumnType

class ScoreRequest(_message.Message):
    __slots__ = ("request_id", "model", "version", "matrix", "table", "row_keys", "default_score", "default_policy", "batch_id", "labels", "partial", "ignore_extra")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    MATRIX_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    ROW_KEYS_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_SCORE_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_POLICY_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    IGNORE_EXTRA_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    model: str
    version: int
    matrix: Matrix
    table: Table
    row_keys: _containers.RepeatedScalarFieldContainer[str]
    default_score: float
    default_policy: DefaultPolicy
    batch_id: str
    labels: _containers.ScalarMap[str, str]
    partial: bool
    ignore_extra: bool
    def __init__(self, request_id: _Optional[str] = ..., model: _Optional[str] = ..., version: _Optional[int] = ..., matrix: _Optional[_Union[Matrix, _Mapping[str, object]]] = ..., table: _Optional[_Union[Table, _Mapping[str, object]]] = ..., row_keys: _Optional[_Iterable[str]] = ..., default_score: _Optional[float] = ..., default_policy: _Optional[_Union[DefaultPolicy, str]] = ..., batch_id: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., partial: bool = ..., ignore_extra: bool = ...) -> None: ...

class Matrix(_message.Message):
    __slots__ = ("columns", "rows", "doubles", "floats")
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    DOUBLES_FIELD_NUMBER: _ClassVar[int]
    FLOATS_FIELD_NUMBER: _ClassVar[int]
    columns: _containers.RepeatedScalarFieldContainer[str]
    rows: int
    doubles: DoubleArray
    floats: FloatArray
    def __init__(self, columns: _Optional[_Iterable[str]] = ..., rows: _Optional[int] = ..., doubles: _Optional[_Union[DoubleArray, _Mapping[str, object]]] = ..., floats: _Optional[_Union[FloatArray, _Mapping[str, object]]] = ...) -> None: ...

class Table(_message.Message):
    __slots__ = ("columns",)
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    columns: _containers.RepeatedCompositeFieldContainer[Column]
    def __init__(self, columns: _Optional[_Iterable[_Union[Column, _Mapping[str, object]]]] = ...) -> None: ...

class Column(_message.Message):
    __slots__ = ("name", "doubles", "floats", "int32s", "int64s", "strings", "bools", "missing_rows")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DOUBLES_FIELD_NUMBER: _ClassVar[int]
    FLOATS_FIELD_NUMBER: _ClassVar[int]
    INT32S_FIELD_NUMBER: _ClassVar[int]
    INT64S_FIELD_NUMBER: _ClassVar[int]
    STRINGS_FIELD_NUMBER: _ClassVar[int]
    BOOLS_FIELD_NUMBER: _ClassVar[int]
    MISSING_ROWS_FIELD_NUMBER: _ClassVar[int]
    name: str
    doubles: DoubleArray
    floats: FloatArray
    int32s: Int32Array
    int64s: Int64Array
    strings: StringArray
    bools: BoolArray
    missing_rows: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, name: _Optional[str] = ..., doubles: _Optional[_Union[DoubleArray, _Mapping[str, object]]] = ..., floats: _Optional[_Union[FloatArray, _Mapping[str, object]]] = ..., int32s: _Optional[_Union[Int32Array, _Mapping[str, object]]] = ..., int64s: _Optional[_Union[Int64Array, _Mapping[str, object]]] = ..., strings: _Optional[_Union[StringArray, _Mapping[str, object]]] = ..., bools: _Optional[_Union[BoolArray, _Mapping[str, object]]] = ..., missing_rows: _Optional[_Iterable[int]] = ...) -> None: ...

class DoubleArray(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class FloatArray(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class Int32Array(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, values: _Optional[_Iterable[int]] = ...) -> None: ...

class Int64Array(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, values: _Optional[_Iterable[int]] = ...) -> None: ...

class StringArray(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, values: _Optional[_Iterable[str]] = ...) -> None: ...

class BoolArray(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[bool]
    def __init__(self, values: _Optional[_Iterable[bool]] = ...) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("request_id", "model", "version", "digest", "scores", "source", "defaulted_rows", "attempts", "queue_time", "backend_time", "failed_rows", "lookups")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DEFAULTED_ROWS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_TIME_FIELD_NUMBER: _ClassVar[int]
    BACKEND_TIME_FIELD_NUMBER: _ClassVar[int]
    FAILED_ROWS_FIELD_NUMBER: _ClassVar[int]
    LOOKUPS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    model: str
    version: int
    digest: str
    scores: _containers.RepeatedCompositeFieldContainer[Column]
    source: ScoreSource
    defaulted_rows: _containers.RepeatedCompositeFieldContainer[DefaultedRows]
    attempts: int
    queue_time: _duration_pb2.Duration
    backend_time: _duration_pb2.Duration
    failed_rows: _containers.RepeatedCompositeFieldContainer[FailedRows]
    lookups: _containers.RepeatedCompositeFieldContainer[Lookup]
    def __init__(self, request_id: _Optional[str] = ..., model: _Optional[str] = ..., version: _Optional[int] = ..., digest: _Optional[str] = ..., scores: _Optional[_Iterable[_Union[Column, _Mapping[str, object]]]] = ..., source: _Optional[_Union[ScoreSource, str]] = ..., defaulted_rows: _Optional[_Iterable[_Union[DefaultedRows, _Mapping[str, object]]]] = ..., attempts: _Optional[int] = ..., queue_time: _Optional[_Union[_duration_pb2.Duration, _Mapping[str, object]]] = ..., backend_time: _Optional[_Union[_duration_pb2.Duration, _Mapping[str, object]]] = ..., failed_rows: _Optional[_Iterable[_Union[FailedRows, _Mapping[str, object]]]] = ..., lookups: _Optional[_Iterable[_Union[Lookup, _Mapping[str, object]]]] = ...) -> None: ...

class Lookup(_message.Message):
    __slots__ = ("name", "group", "batch", "age", "previous_rows", "missing_rows", "failure")
    NAME_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    AGE_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_ROWS_FIELD_NUMBER: _ClassVar[int]
    MISSING_ROWS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    name: str
    group: str
    batch: str
    age: _duration_pb2.Duration
    previous_rows: int
    missing_rows: int
    failure: DefaultReason
    def __init__(self, name: _Optional[str] = ..., group: _Optional[str] = ..., batch: _Optional[str] = ..., age: _Optional[_Union[_duration_pb2.Duration, _Mapping[str, object]]] = ..., previous_rows: _Optional[int] = ..., missing_rows: _Optional[int] = ..., failure: _Optional[_Union[DefaultReason, str]] = ...) -> None: ...

class DefaultedRows(_message.Message):
    __slots__ = ("first", "count", "reason", "detail")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    first: int
    count: int
    reason: DefaultReason
    detail: str
    def __init__(self, first: _Optional[int] = ..., count: _Optional[int] = ..., reason: _Optional[_Union[DefaultReason, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class FailedRows(_message.Message):
    __slots__ = ("first", "count", "reason", "detail")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    first: int
    count: int
    reason: DefaultReason
    detail: str
    def __init__(self, first: _Optional[int] = ..., count: _Optional[int] = ..., reason: _Optional[_Union[DefaultReason, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("versions",)
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[ModelVersion]
    def __init__(self, versions: _Optional[_Iterable[_Union[ModelVersion, _Mapping[str, object]]]] = ...) -> None: ...

class ModelVersion(_message.Message):
    __slots__ = ("model", "version", "state", "state_reason", "backend", "digest", "serving", "never_scored", "retry_at")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STATE_REASON_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SERVING_FIELD_NUMBER: _ClassVar[int]
    NEVER_SCORED_FIELD_NUMBER: _ClassVar[int]
    RETRY_AT_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    state: VersionState
    state_reason: str
    backend: str
    digest: str
    serving: bool
    never_scored: bool
    retry_at: _timestamp_pb2.Timestamp
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., state: _Optional[_Union[VersionState, str]] = ..., state_reason: _Optional[str] = ..., backend: _Optional[str] = ..., digest: _Optional[str] = ..., serving: bool = ..., never_scored: bool = ..., retry_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping[str, object]]] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("model", "version")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class GetModelResponse(_message.Message):
    __slots__ = ("versions",)
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[ModelDetail]
    def __init__(self, versions: _Optional[_Iterable[_Union[ModelDetail, _Mapping[str, object]]]] = ...) -> None: ...

class ModelDetail(_message.Message):
    __slots__ = ("version", "engine", "engine_reason", "features", "outputs", "default_scores", "timeout", "row_wise", "row_wise_reason", "workers", "circuit", "booster", "lookups")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    ENGINE_REASON_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_SCORES_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    ROW_WISE_FIELD_NUMBER: _ClassVar[int]
    ROW_WISE_REASON_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    CIRCUIT_FIELD_NUMBER: _ClassVar[int]
    BOOSTER_FIELD_NUMBER: _ClassVar[int]
    LOOKUPS_FIELD_NUMBER: _ClassVar[int]
    version: ModelVersion
    engine: str
    engine_reason: str
    features: _containers.RepeatedCompositeFieldContainer[Feature]
    outputs: _containers.RepeatedCompositeFieldContainer[OutputColumn]
    default_scores: _containers.RepeatedCompositeFieldContainer[DefaultScore]
    timeout: _duration_pb2.Duration
    row_wise: bool
    row_wise_reason: str
    workers: int
    circuit: str
    booster: BoosterDetail
    lookups: _containers.RepeatedCompositeFieldContainer[ModelLookup]
    def __init__(self, version: _Optional[_Union[ModelVersion, _Mapping[str, object]]] = ..., engine: _Optional[str] = ..., engine_reason: _Optional[str] = ..., features: _Optional[_Iterable[_Union[Feature, _Mapping[str, object]]]] = ..., outputs: _Optional[_Iterable[_Union[OutputColumn, _Mapping[str, object]]]] = ..., default_scores: _Optional[_Iterable[_Union[DefaultScore, _Mapping[str, object]]]] = ..., timeout: _Optional[_Union[_duration_pb2.Duration, _Mapping[str, object]]] = ..., row_wise: bool = ..., row_wise_reason: _Optional[str] = ..., workers: _Optional[int] = ..., circuit: _Optional[str] = ..., booster: _Optional[_Union[BoosterDetail, _Mapping[str, object]]] = ..., lookups: _Optional[_Iterable[_Union[ModelLookup, _Mapping[str, object]]]] = ...) -> None: ...

class ModelLookup(_message.Message):
    __slots__ = ("name", "group", "key", "features", "store")
    NAME_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    name: str
    group: str
    key: str
    features: _containers.RepeatedScalarFieldContainer[str]
    store: str
    def __init__(self, name: _Optional[str] = ..., group: _Optional[str] = ..., key: _Optional[str] = ..., features: _Optional[_Iterable[str]] = ..., store: _Optional[str] = ...) -> None: ...

class Feature(_message.Message):
    __slots__ = ("name", "type", "levels", "required", "ordered", "unknown_level")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    ORDERED_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_LEVEL_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: ColumnType
    levels: _containers.RepeatedScalarFieldContainer[str]
    required: bool
    ordered: bool
    unknown_level: str
    def __init__(self, name: _Optional[str] = ..., type: _Optional[_Union[ColumnType, str]] = ..., levels: _Optional[_Iterable[str]] = ..., required: bool = ..., ordered: bool = ..., unknown_level: _Optional[str] = ...) -> None: ...

class OutputColumn(_message.Message):
    __slots__ = ("name", "type", "additional")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ADDITIONAL_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: ColumnType
    additional: bool
    def __init__(self, name: _Optional[str] = ..., type: _Optional[_Union[ColumnType, str]] = ..., additional: bool = ...) -> None: ...

class BoosterDetail(_message.Message):
    __slots__ = ("booster", "objective", "rounds", "best_iteration", "saved_by", "rounds_used", "base_margin")
    BOOSTER_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    BEST_ITERATION_FIELD_NUMBER: _ClassVar[int]
    SAVED_BY_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_USED_FIELD_NUMBER: _ClassVar[int]
    BASE_MARGIN_FIELD_NUMBER: _ClassVar[int]
    booster: str
    objective: str
    rounds: int
    best_iteration: int
    saved_by: str
    rounds_used: int
    base_margin: str
    def __init__(self, booster: _Optional[str] = ..., objective: _Optional[str] = ..., rounds: _Optional[int] = ..., best_iteration: _Optional[int] = ..., saved_by: _Optional[str] = ..., rounds_used: _Optional[int] = ..., base_margin: _Optional[str] = ...) -> None: ...

class DefaultScore(_message.Message):
    __slots__ = ("output", "number", "text", "truth")
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TRUTH_FIELD_NUMBER: _ClassVar[int]
    output: str
    number: float
    text: str
    truth: bool
    def __init__(self, output: _Optional[str] = ..., number: _Optional[float] = ..., text: _Optional[str] = ..., truth: bool = ...) -> None: ...
