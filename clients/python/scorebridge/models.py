"""What a gateway tells of models and their versions, as values of plain Python types."""

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
    "ModelVersion",
    "Output",
    "read_details",
    "read_versions",
]


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a model, in short.

    Attributes:
        model: the model's name.
        version: the version's number, from 1.
        state: "LOADING", "READY", "REFUSED", "DRAINING", "NOT_RESIDENT", "NOT_DEPLOYED" or "WAITING". A state that this
            client does not know has its number, such as "UNKNOWN_8".
        state_reason: why the version is refused or waits, in a sentence; empty in any other state.
        backend: "xgboost" or "rserve"; empty if the bundle can't be read.
        digest: "sha256:" and 64 hex digits over every byte of the bundle; empty if it was not deployed.
        serving: calls that name no version go to this one.
        never_scored: nothing was ever scored by the version, neither when it was deployed nor by this gateway.
        retry_at: when a version that waits is tried again, in UTC; None for any other.
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
        name: as the model knows it.
        type: "DOUBLE", "INT", "INT64", "BOOL", "STRING" or "FACTOR"; None if nobody declared it, and the type that a
            caller sends is passed on. A type that this client does not know has its number, such as "UNKNOWN_8".
        levels: of a factor, or of numbers that are categories, in the model's order; empty for any other feature.
        required: the model has no default for it, so that every call must send it.
        ordered: the levels of a factor have a rank.
        unknown_level: what a value that is none of the levels does: "refuse" refuses the call, "missing" makes the
            value missing, "default" gives the row the default score. Empty for a feature without levels.
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
        name: the name of the column in `Scores.columns`.
        type: "DOUBLE", "FLOAT", "INT", "INT64", "BOOL", "STRING" or "FACTOR"; None if it is not known. A type that this
            client does not know has its number, such as "UNKNOWN_8".
        additional: it explains the scores (contributions, leaves, reasons), and is missing where these are defaults.
    """

    name: str
    type: str | None
    additional: bool


@dataclass(frozen=True, slots=True)
class DefaultScore:
    """What rows get for one output where the model can't score them in time.

    Attributes:
        output: the name of the output.
        value: a number, a text or a truth value, as the output is; None if this client does not know its kind.
    """

    output: str
    value: float | str | bool | None


@dataclass(frozen=True, slots=True)
class BoosterDetail:
    """What the file of an xgboost model says of itself.

    Attributes:
        booster: "gbtree", "dart" or "gblinear".
        objective: what the model was trained for, by xgboost's name.
        rounds: how many rounds it was boosted for.
        best_iteration: the round that early stopping found best, from 0; None if the model was trained without.
        saved_by: the version of xgboost that saved the file; empty if the file does not say.
        rounds_used: how many of the rounds predict.
        base_margin: the column that is the margin a row starts from; empty if there is none.
    """

    booster: str
    objective: str
    rounds: int
    best_iteration: int | None
    saved_by: str
    rounds_used: int
    base_margin: str


@dataclass(frozen=True, slots=True)
class ModelDetail:
    """All there is to know of one version.

    Attributes:
        version: the version in short.
        engine: what computes the scores, such as "xgboost 3.2.0"; empty while the version is not resident.
        engine_reason: why that engine.
        features: the model's inputs, in its own order; empty while they are not known.
        outputs: the model's outputs; empty while they are not known.
        default_scores: in the order of the outputs; empty if none is configured.
        timeout_s: how long a call without a deadline may take, seconds; None if the gateway does not say.
        row_wise: rows are scored independently, so that batches may be cut and joined.
        row_wise_reason: why the version is not row-wise, if it is not.
        workers: how many calls can run at once.
        circuit: "closed", "open" or "half-open"; empty while the version is not resident.
        booster: what the file of an xgboost model says of itself; None for any other model.
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


def read_versions(response: pb.ListModelsResponse) -> list[ModelVersion]:
    """The versions in an answer of ListModels, in its order.

    Raises:
        PredictionFailed: an instant in it is none.
    """
    return [_version(message) for message in response.versions]


def read_details(response: pb.GetModelResponse) -> list[ModelDetail]:
    """The versions in an answer of GetModel, in its order.

    Raises:
        PredictionFailed: an instant in it is none.
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


def _type(number: pb.ColumnType) -> str | None:
    return None if number == pb.COLUMN_TYPE_UNSPECIFIED else _name(pb.ColumnType, number, "COLUMN_TYPE_")


def _name(kind: Any, number: int, prefix: str) -> str:
    """The word for a number of an enum; a newer gateway may have numbers that have no word here."""
    return str(kind.Name(number)).removeprefix(prefix) if number in kind.values() else f"UNKNOWN_{number}"


def _instant(message: Any) -> datetime:
    try:
        at: datetime = message.ToDatetime(UTC)
    except (OverflowError, ValueError) as error:
        raise senseless_answer("a time that is not of the years 1 to 9999") from error
    return at
