"""What an author may say of a model in `model.toml`; everything has a default, unknown keys are errors."""

import math
import os
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from bridge.calls import DefaultScore, Output
from bridge.columns import Type
from bridge.errors import BundleError, DefaultReason, InvalidRequest
from bridge.features import Feature

__all__ = ["FILE_NAME", "ModelSettings", "default_scores", "describe_invalid", "read_model_settings"]

FILE_NAME = "model.toml"
_INT32_MAX = 2**31 - 1
_MOST = {Type.INT: _INT32_MAX, Type.FLOAT: (2 - 2**-23) * 2.0**127, Type.DOUBLE: sys.float_info.max}

_DefaultValue = bool | int | float | str
_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _FeatureSettings(_Section):
    """One line of `[features]`: `age = "double"` or `size = {type = "factor", levels = ["s", "l"], ordered = true}`."""

    type: Literal["double", "int", "bool", "string", "factor"]
    levels: list[str] = []
    ordered: bool = False

    @model_validator(mode="after")
    def _levels_and_their_order_belong_to_factors(self) -> Self:
        if (self.type == "factor") != bool(self.levels):
            raise ValueError("a factor has levels, and nothing else has")
        if len(set(self.levels)) != len(self.levels):
            raise ValueError("a level is there twice")
        if self.ordered and self.type != "factor":
            raise ValueError("a factor may be ordered, and nothing else")
        return self


class _RetrySettings(_Section):
    """Calls whose worker was lost, on another worker."""

    attempts: _Count = 2
    backoff_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


class _CircuitSettings(_Section):
    """When a failing model is left alone, and for how long."""

    failures: _Count = 5
    open_s: _Seconds = 5.0


class _XgboostSettings(_Section):
    """How the booster predicts."""

    trees: Literal["all", "best"] | None = None
    missing: float = math.nan


class _EngineSettings(_Section):
    """What computes the scores of an xgboost model."""

    name: Literal["auto", "xgboost", "lignum"] = "auto"


def _short_form(value: object) -> object:
    return {"type": value} if isinstance(value, str) else value


class ModelSettings(_Section):
    """The author's settings; lengths of time in seconds, `None` where the default depends on something else."""

    backend: Literal["xgboost", "rserve"] | None = None
    timeout_s: _Seconds = 1.0
    max_timeout_s: _Seconds = 60.0
    kill_after_s: _Seconds | None = None
    load_timeout_s: _Seconds = 120.0
    reply_reserve_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    default_score: _DefaultValue | dict[str, _DefaultValue] | None = None
    default_on: list[Annotated[DefaultReason, Field(strict=False)]] = list(DefaultReason)
    missing_score: Literal["default", "pass"] | None = None
    golden_tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    row_wise: bool | None = None
    coalesce: bool | None = None
    max_batch_rows: _Count = 1_000_000
    chunk_rows: _Count | None = None
    workers: _Count = len(os.sched_getaffinity(0))  # the cores that this process may use
    worker_recycle_calls: _Count = 100_000
    memory_limit_mb: _Count | None = None
    seed: Annotated[int, Field(ge=0, le=_INT32_MAX)] = 1
    max_pending_rows: _Count = 200_000
    features: dict[str, Annotated[_FeatureSettings, BeforeValidator(_short_form)]] = {}
    outputs: dict[str, Literal["double", "float", "int", "bool", "string"]] = {}
    retry: _RetrySettings = _RetrySettings()
    circuit: _CircuitSettings = _CircuitSettings()
    xgboost: _XgboostSettings = _XgboostSettings()
    engine: _EngineSettings = _EngineSettings()

    @model_validator(mode="after")
    def _default_is_a_score(self) -> Self:
        values = self.default_score.values() if isinstance(self.default_score, dict) else [self.default_score]
        if any(isinstance(value, float) and not math.isfinite(value) for value in values):
            raise ValueError("default_score must be a finite number")
        if self.missing_score == "default" and self.default_score is None:
            raise ValueError("missing_score is 'default' but there is no default_score")
        return self

    @property
    def worker_limit_s(self) -> float:
        """How long a worker may be busy with one call before it is killed, seconds."""
        return self.timeout_s if self.kill_after_s is None else self.kill_after_s

    def declared_features(self) -> tuple[Feature, ...]:
        """`[features]` as features; whether they are required is the model's to say."""
        return tuple(
            Feature(name, Type(line.type), tuple(line.levels), ordered=line.ordered)
            for name, line in self.features.items()
        )

    def declared_outputs(self) -> tuple[Output, ...] | None:
        """`[outputs]` as outputs; None if nothing is declared."""
        return tuple(Output(name, Type(kind)) for name, kind in self.outputs.items()) or None


def read_model_settings(bundle: Path) -> ModelSettings:
    """The settings in a bundle's `model.toml`; all defaults if it has none.

    Raises:
        BundleError: the file is no TOML, has an unknown key or a value that its key can't take.
    """
    path = bundle / FILE_NAME
    if not path.exists():
        return ModelSettings()
    try:
        return ModelSettings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"{FILE_NAME} is not TOML: {error}") from error
    except ValidationError as error:
        raise BundleError(f"{FILE_NAME}: {describe_invalid(error)}") from error


def describe_invalid(error: ValidationError) -> str:
    """The first complaint of a validation in one sentence: where, what.

    An unknown key comes before all others: where it is a slip of the pen, a required one is missing because of it.
    """
    errors = error.errors(include_url=False, include_input=False)
    first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    where = ".".join(str(part) for part in first["loc"])
    what = "unknown key" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
    return f"{where}: {what}" if where else what


def default_scores(
    configured: _DefaultValue | Mapping[str, _DefaultValue] | None, outputs: Sequence[Output] | None
) -> tuple[DefaultScore, ...]:
    """The default of every output, in their order; empty if none is configured.

    While the outputs are not known, a number stands for one double called `score`, and a table for outputs of its
    values' types: a caller that waits must not go without the default its model was given.

    Raises:
        InvalidRequest: a default can't be of its output's type, or an output has none.
    """
    if configured is None:
        return ()
    if outputs is None:
        named = configured if isinstance(configured, Mapping) else {"score": configured}
        outputs = [Output(name, _type_of(value)) for name, value in named.items()]
    if not isinstance(configured, Mapping):
        configured = {output.name: configured for output in outputs}
    names = {output.name for output in outputs}
    if unknown := sorted(set(configured) - names):
        raise InvalidRequest(f"default_score names '{unknown[0]}', which is not an output of the model")
    if absent := sorted(names - set(configured)):
        raise InvalidRequest(f"default_score has no value for the output '{absent[0]}'")
    return tuple(DefaultScore(output, _of_type(configured[output.name], output)) for output in outputs)


def _type_of(value: _DefaultValue) -> Type:
    if isinstance(value, bool):
        return Type.BOOL
    return Type.STRING if isinstance(value, str) else Type.DOUBLE


def _of_type(value: _DefaultValue, output: Output) -> float | bool | str:
    if output.type is Type.STRING and isinstance(value, str):
        return value
    if isinstance(value, bool) and output.type is Type.BOOL:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and output.type in _MOST:
        return _number(value, output)
    raise _misfit("can't be", output)


def _number(value: float, output: Output) -> float:
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidRequest("default_score must be a finite number")
    if abs(value) > _MOST[output.type]:
        raise _misfit("is too large for", output)
    if output.type is not Type.INT:
        return float(value)
    if value != int(value):
        raise _misfit("can't be", output)
    return int(value)


def _misfit(what: str, output: Output) -> InvalidRequest:
    return InvalidRequest(f"default_score {what} a {output.type}, the type of the output '{output.name}'")
