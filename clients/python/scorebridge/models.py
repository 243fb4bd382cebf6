"""A gateway's descriptions of models and their versions, as immutable values of plain Python types."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from scorebridge.errors import senseless_answer
from scorebridge.v1 import scoring_pb2 as pb

__all__ = [
    "BoosterDetail",
    "DefaultScore",
    "Feature",
    "ModelDetail",
    "ModelLookup",
    "ModelVersion",
    "Output",
    "read_details",
    "read_versions",
]


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a model, in short, as `models()` lists it.

    Attributes:
        model: the model's name.
        version: the version's number, from 1.
        state: "LOADING", "READY", "REFUSED", "DRAINING", "NOT_RESIDENT", "NOT_DEPLOYED" or "WAITING". A state that this
            client does not know has its number, such as "UNKNOWN_8".
        state_reason: a sentence that says why the version is refused or waits; empty in any other state.
        backend: "xgboost" or "rserve"; empty if the bundle can't be read.
        digest: "sha256:" and 64 hex digits over every byte of the bundle; empty if the version was not deployed.
        serving: whether calls that name no version go to this one.
        never_scored: whether the version has scored nothing so far, neither when it was deployed nor in this gateway.
        retry_at: when a waiting version is tried again, in UTC; None for a version in any other state.
    """

    model: str
    version: int
    state: str
    state_reason: str
    backend: str
    digest: str
    serving: bool
    never_scored: bool
    retry_at: datetime | None


@dataclass(frozen=True, slots=True)
class Feature:
    """One input of a model.

    Attributes:
        name: the feature's name, as the model has it.
        type: "DOUBLE", "INT", "INT64", "BOOL", "STRING" or "FACTOR"; None if the bundle does not declare the type, so
            that the type which a caller sends is passed on. A type that this client does not know has its number, such
            as "UNKNOWN_8".
        levels: the levels of a factor, or of numbers that are categories, in the model's order; empty for any other
            feature.
        required: whether every call must send the feature: the model has no default for it, and its settings don't
            name it as one that is looked up.
        ordered: whether the feature is a factor whose levels have a rank.
        unknown_level: what happens to a value that is none of the levels: "refuse" refuses the call, "missing" makes
            the value missing, "default" gives the row the default score. Empty for a feature without levels.
    """

    name: str
    type: str | None
    levels: tuple[str, ...]
    required: bool
    ordered: bool
    unknown_level: str


@dataclass(frozen=True, slots=True)
class Output:
    """One score that a model gives for each row.

    Attributes:
        name: the name of the output's column in `Scores.columns`.
        type: "DOUBLE", "FLOAT", "INT", "INT64", "BOOL", "STRING" or "FACTOR"; None if the gateway does not know the
            type. A type that this client does not know has its number, such as "UNKNOWN_8".
        additional: whether the output explains the scores (contributions, leaves, reasons); it is missing in rows that
            have a default score.
    """

    name: str
    type: str | None
    additional: bool


@dataclass(frozen=True, slots=True)
class DefaultScore:
    """The default score of one output, which rows get if the model can't score them in time or at all.

    Attributes:
        output: the name of the output.
        value: a number, a text or a truth value, according to the output's type; None if this client does not know the
            kind of value.
    """

    output: str
    value: float | str | bool | None


@dataclass(frozen=True, slots=True)
class BoosterDetail:
    """What the file of an xgboost model says about the model.

    Attributes:
        booster: "gbtree", "dart" or "gblinear".
        objective: the training objective, by xgboost's name.
        rounds: the number of boosting rounds in the file.
        best_iteration: the round that early stopping found best, from 0; None if the model was trained without early
            stopping.
        saved_by: the version of xgboost that saved the file; empty if the file does not say.
        rounds_used: the number of rounds that are used to predict.
        base_margin: the name of the column that holds each row's base margin; empty if there is no such column.
    """

    booster: str
    objective: str
    rounds: int
    best_iteration: int | None
    saved_by: str
    rounds_used: int
    base_margin: str


@dataclass(frozen=True, slots=True)
class ModelLookup:
    """How the gateway looks up features by a key that a call sends instead of them.

    Attributes:
        name: the lookup's name in the model's settings.
        group: the feature group.
        key: the name of the column that holds the keys.
        features: the features that it gives by the model's settings; empty for all of the group that the model takes.
        store: the name of the gateway's store that holds the group; empty for the only one.
    """

    name: str
    group: str
    key: str
    features: tuple[str, ...]
    store: str


@dataclass(frozen=True, slots=True)
class ModelDetail:
    """One version of a model with its features, outputs and settings, as `model()` describes it.

    Attributes:
        version: the version in short.
        engine: the program that computes the scores, such as "xgboost 3.2.0"; empty while the version is not resident.
        engine_reason: why the gateway uses this engine.
        features: the model's inputs, in the model's order; empty while they are not known.
        outputs: the model's outputs; empty while they are not known.
        default_scores: the configured default scores, in the order of the outputs; empty if there are none.
        timeout_s: how long a call without a deadline may take, seconds; None if the gateway does not say.
        row_wise: whether rows are scored independently of each other, so that batches may be cut and coalesced.
        row_wise_reason: why the version is not row-wise; empty if it is.
        workers: the number of calls that can run at once.
        circuit: the state of the version's circuit: "closed", "open" or "half-open"; empty while the version is not
            resident.
        booster: what the file of an xgboost model says about the model; None for any other model.
        lookups: how the gateway looks up features that a call does not send; empty if it looks up none.
    """

    version: ModelVersion
    engine: str
    engine_reason: str
    features: tuple[Feature, ...]
    outputs: tuple[Output, ...]
    default_scores: tuple[DefaultScore, ...]
    timeout_s: float | None
    row_wise: bool
    row_wise_reason: str
    workers: int
    circuit: str
    booster: BoosterDetail | None
    lookups: tuple[ModelLookup, ...] = ()


def read_versions(response: pb.ListModelsResponse) -> list[ModelVersion]:
    """Returns the versions in an answer of ListModels, in the answer's order.

    Raises:
        PredictionFailed: a time in the answer is not of the years 1 to 9999.
    """
    return [_version(message) for message in response.versions]


def read_details(response: pb.GetModelResponse) -> list[ModelDetail]:
    """Returns the versions in an answer of GetModel, in the answer's order.

    Raises:
        PredictionFailed: a time in the answer is not of the years 1 to 9999.
    """
    return [_detail(message) for message in response.versions]


def _version(message: pb.ModelVersion) -> ModelVersion:
    return ModelVersion(
        model=message.model,
        version=message.version,
        state=_name(pb.VersionState, message.state, "VERSION_STATE_"),
        state_reason=message.state_reason,
        backend=message.backend,
        digest=message.digest,
        serving=message.serving,
        never_scored=message.never_scored,
        retry_at=_instant(message.retry_at) if message.HasField("retry_at") else None,
    )


def _detail(message: pb.ModelDetail) -> ModelDetail:
    return ModelDetail(
        version=_version(message.version),
        engine=message.engine,
        engine_reason=message.engine_reason,
        features=tuple(_feature(one) for one in message.features),
        outputs=tuple(Output(one.name, _type(one.type), one.additional) for one in message.outputs),
        default_scores=tuple(_default(one) for one in message.default_scores),
        timeout_s=message.timeout.seconds + message.timeout.nanos / 1e9 if message.HasField("timeout") else None,
        row_wise=message.row_wise,
        row_wise_reason=message.row_wise_reason,
        workers=message.workers,
        circuit=message.circuit,
        booster=_booster(message.booster) if message.HasField("booster") else None,
        lookups=tuple(_model_lookup(one) for one in message.lookups),
    )


def _feature(message: pb.Feature) -> Feature:
    return Feature(
        name=message.name,
        type=_type(message.type),
        levels=tuple(message.levels),
        required=message.required,
        ordered=message.ordered,
        unknown_level=message.unknown_level,
    )


def _default(message: pb.DefaultScore) -> DefaultScore:
    kind = message.WhichOneof("value")
    return DefaultScore(message.output, None if kind is None else getattr(message, kind))


def _booster(message: pb.BoosterDetail) -> BoosterDetail:
    return BoosterDetail(
        booster=message.booster,
        objective=message.objective,
        rounds=message.rounds,
        best_iteration=message.best_iteration if message.HasField("best_iteration") else None,
        saved_by=message.saved_by,
        rounds_used=message.rounds_used,
        base_margin=message.base_margin,
    )


def _model_lookup(message: pb.ModelLookup) -> ModelLookup:
    return ModelLookup(message.name, message.group, message.key, tuple(message.features), message.store)


def _type(number: pb.ColumnType) -> str | None:
    return None if number == pb.COLUMN_TYPE_UNSPECIFIED else _name(pb.ColumnType, number, "COLUMN_TYPE_")


def _name(kind: Any, number: int, prefix: str) -> str:
    """Returns an enum value's name without `prefix`; a number that only a newer client knows becomes "UNKNOWN_8"."""
    return str(kind.Name(number)).removeprefix(prefix) if number in kind.values() else f"UNKNOWN_{number}"


def _instant(message: Any) -> datetime:
    try:
        at: datetime = message.ToDatetime(UTC)
    except (OverflowError, ValueError) as error:
        raise senseless_answer("it has a time that is not of the years 1 to 9999") from error
    return at
