"""The settings of a model in its `model.toml`: every key has a default, unknown keys are errors."""

import math
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from bridge.bundles.backend_settings import CircuitSettings, EngineSettings, RetrySettings, XgboostSettings
from bridge.bundles.feature_settings import FeatureSettings, Section
from bridge.bundles.lookup_settings import CombineSettings, LookupSettings, check_lookups
from bridge.bundles.world import Author, Locale, Timezone, world_variables
from bridge.calls import Output
from bridge.columns import INT_MAX, Type
from bridge.defaults import DefaultValue
from bridge.errors import BundleError, DefaultReason
from bridge.features.feature import Feature, UnknownLevelRule
from bridge.files import read_regular
from bridge.validation import describe_invalid, fitting

__all__ = ["CHUNK_ROWS", "FILE_NAME", "MAX_BATCH_ROWS", "ModelSettings", "model_settings_faults", "read_model_settings"]

FILE_NAME = "model.toml"
_MOST_BYTES = 1 << 20
MAX_BATCH_ROWS = 1_000_000  # of a call, unless model.toml states another number
CHUNK_ROWS = 10_000  # rows of a chunk, unless model.toml or the backend states another number
# A bad request is never answered with a default unless the author says so, by `unknown_level`.
_FAULTS = (DefaultReason.UNKNOWN_LEVEL, DefaultReason.INVALID_VALUE)
_EVENTS = [reason for reason in DefaultReason if reason not in _FAULTS]
_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(gt=0)]


def _cores() -> int:
    """Returns the number of cores that the process may use."""
    return len(os.sched_getaffinity(0))


def _short_form(value: object) -> object:
    return {"type": value} if isinstance(value, str) else value


class ModelSettings(Section):
    """The settings of a model.toml.

    Attributes:
        backend: what predicts: "rserve" for R, "python", or "xgboost"; None goes by the bundle's files.
        python: of Python models: the interpreter that runs the function, by its name in `[pythons]` of the gateway's
            settings; None for the gateway's own.
        input: of R and Python models: "columns" if the function takes a vector for each feature, "frame" if it takes
            one data frame of all `[features]`.
        timeout_s: the time for a call that has no deadline of its own, in seconds.
        max_timeout_s: the longest time that any call gets, in seconds.
        kill_after_s: of R and Python models: after how many seconds a busy worker is killed, once no caller waits for
            it any more; None for `timeout_s`.
        load_timeout_s: the time to load the model, and again to score the trial rows, in seconds. A gateway tries a
            version again that took longer.
        reply_reserve_s: the part of the caller's time that is kept back for the way of the reply, in seconds; None for
            8 ms or 5 % of the time, the larger, plus the recent lag of the event loop, and at most 20 %.
        default_score: the default score: a value for all outputs, or a table with one for each. It must be finite and
            of the output's type. None: the model never answers with a default, unless a call brings its own.
        default_on: which events are answered with the default. UNKNOWN_LEVEL is not among them if the key is left out:
            `unknown_level = "default"` asks for it.
        unknown_level: what happens to a value that is none of a feature's levels: "refuse" refuses the call, "missing"
            makes the value missing, "default" gives the row its default score; a feature's line may say another.
        missing_score: what a row gets whose score is NA or NaN: "default", or "pass" to return it as it is; None for
            "default" where there is a default score.
        golden_tolerance: the largest absolute difference of two numbers that counts as equal in golden rows.
        row_wise: whether no row's score depends on the other rows, which is tested at load; None for true of xgboost
            models, and for false of the others.
        row_by_row: of R and Python models: whether each row is scored by a run of the function of its own.
        coalesce: whether small calls that wait together are predicted together; None for what `row_wise` says.
        max_batch_rows: the most rows in a call; more are refused.
        chunk_rows: the most rows of one execution: a bigger batch is cut, and coalesced calls stay below; None for
            8,192 of xgboost models, and for 10,000 of the others.
        workers: the R or Python processes of the version, of some 10 to 40 MiB and more each; the threads of an xgboost
            model.
        worker_recycle_calls: of R and Python models: after how many calls a worker is replaced.
        memory_limit_mb: of R and Python models: the most address space of the parent and of each worker, in MiB; R
            alone takes 130 to 200. A bundle that needs more is refused. None for no limit.
        process_limit: of Python models: the most processes of a worker, itself and what it has started; a worker that
            has more during a call is killed with them.
        seed: of R and Python models: the seed of every call's random numbers.
        timezone: of R and Python models: the time zone that they run in, such as "Asia/Shanghai"; None for UTC.
        locale: of R models: the locale that R runs in, such as "zh_CN.UTF-8" or "C"; None for C.UTF-8.
        max_pending_rows: the most rows of calls that are not answered yet while every worker is busy; more are turned
            away.
        features: the types of the features, by their names.
        lookup: features that the gateway looks up by a key that callers send, by names that you choose.
        combine: features that are made of several looked-up ones, by their names.
        outputs: the names and types of the outputs; a model that gives others is refused. Empty for what the model
            gives.
        retry: how calls whose worker was lost are repeated.
        circuit: when the version is left alone after failures.
        xgboost: of xgboost models: how the booster predicts, and what it gives beside the scores.
        engine: of xgboost models: what computes the scores.
        author: of R models: the session in which the bundle was written, which `check` compares with this machine.
    """

    backend: Literal["xgboost", "rserve", "python"] | None = None
    python: Annotated[str, Field(min_length=1)] | None = None
    input: Literal["columns", "frame"] = "columns"
    timeout_s: _Seconds = 1.0
    max_timeout_s: _Seconds = 60.0
    kill_after_s: _Seconds | None = None
    load_timeout_s: _Seconds = 120.0
    reply_reserve_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    default_score: DefaultValue | dict[str, DefaultValue] | None = None
    default_on: list[Annotated[DefaultReason, Field(strict=False)]] = Field(default=_EVENTS)
    unknown_level: UnknownLevelRule = "refuse"
    missing_score: Literal["default", "pass"] | None = None
    golden_tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    row_wise: bool | None = None
    row_by_row: bool = False
    coalesce: bool | None = None
    max_batch_rows: _Count = MAX_BATCH_ROWS
    chunk_rows: _Count | None = None
    workers: _Count = Field(default_factory=_cores)
    worker_recycle_calls: _Count = 100_000
    memory_limit_mb: _Count | None = None
    process_limit: _Count = 32
    seed: Annotated[int, Field(ge=0, le=INT_MAX)] = 1
    timezone: Timezone | None = None
    locale: Locale | None = None
    max_pending_rows: _Count = 200_000
    features: dict[str, Annotated[FeatureSettings, BeforeValidator(_short_form)]] = Field(default={})
    lookup: dict[str, LookupSettings] = Field(default={})
    combine: dict[str, CombineSettings] = Field(default={})
    outputs: dict[str, Literal["double", "float", "int", "int64", "bool", "string"]] = Field(default={})
    retry: RetrySettings = RetrySettings()
    circuit: CircuitSettings = CircuitSettings()
    xgboost: XgboostSettings = XgboostSettings()
    engine: EngineSettings = EngineSettings()
    author: Author = Author()

    @model_validator(mode="after")
    def _default_is_a_score(self) -> Self:
        values = self.default_score.values() if isinstance(self.default_score, dict) else [self.default_score]
        if any(isinstance(value, float) and not math.isfinite(value) for value in values):
            raise ValueError("default_score must be a finite number")
        if self.missing_score == "default" and self.default_score is None:
            raise ValueError("missing_score is 'default' but there is no default_score")
        return self

    @model_validator(mode="after")
    def _a_frame_has_columns(self) -> Self:
        if self.input == "frame" and not self.features:
            raise ValueError("input is 'frame', so [features] must list its columns: one line each, in their order")
        if self.input == "frame" and "" in self.features:
            raise ValueError("input is 'frame', and a column of [features] has no name")
        return self

    @model_validator(mode="after")
    def _a_default_for_unknown_levels_is_meant(self) -> Self:
        lines = [line.unknown_level for line in self.features.values()]
        meant = "default" in (self.unknown_level, *lines)
        if meant and self.default_score is None:
            raise ValueError("unknown_level is 'default' but there is no default_score")
        if DefaultReason.UNKNOWN_LEVEL in self.default_on and not meant:
            raise ValueError("default_on names UNKNOWN_LEVEL: set unknown_level = 'default' for the model or a feature")
        if DefaultReason.INVALID_VALUE in self.default_on:
            raise ValueError("default_on names INVALID_VALUE, which is never answered with a default: remove it")
        return self

    @model_validator(mode="after")
    def _row_by_row_is_neither_cut_nor_joined(self) -> Self:
        if self.row_by_row and (self.coalesce is not None or self.chunk_rows is not None):
            raise ValueError("row_by_row runs each row by itself: remove coalesce and chunk_rows")
        if self.row_by_row and self.row_wise is False:
            raise ValueError("row_by_row makes every row independent of the others: remove row_wise = false")
        return self

    @model_validator(mode="after")
    def _lookups_fit_one_another(self) -> Self:
        check_lookups(self.lookup, self.combine)
        return self

    @property
    def default_reasons(self) -> frozenset[DefaultReason]:
        """The reasons for which a row gets its default score: those of `default_on`, and UNKNOWN_LEVEL in every case.

        Which unknown levels get a default is decided by the rules in `unknown_level`, not here.
        """
        return frozenset({*self.default_on, DefaultReason.UNKNOWN_LEVEL})

    @property
    def worker_limit_s(self) -> float:
        """How long a worker may be busy with one call before it is killed, in seconds."""
        return self.timeout_s if self.kill_after_s is None else self.kill_after_s

    @property
    def world_variables(self) -> dict[str, str]:
        """The environment variables that tell an R process of this model its time zone, locale and packages."""
        return world_variables(self.timezone, self.locale, self.author.packages)

    def declared_features(self) -> tuple[Feature, ...]:
        """Returns the features that `[features]` declares; which of them are required, only the model tells."""
        return tuple(line.feature(name, self.unknown_level) for name, line in self.features.items())

    def declaring(self, features: Sequence[Feature], **others: object) -> "ModelSettings":
        """Returns the settings of this model.toml with lines added for undeclared features, and other keys set.

        Args:
            features: the features to declare; those with a line already, or without a known type, get none.
            others: keys of model.toml and their values.

        Raises:
            ValueError: such a model.toml would be refused.
        """
        lines = {
            feature.name: {"type": str(feature.type), "levels": list(feature.levels), "ordered": feature.ordered}
            for feature in features
            if feature.type is not None and feature.name not in self.features
        }
        said = self.model_dump(exclude_unset=True)
        return type(self).model_validate(said | {"features": said.get("features", {}) | lines} | others)

    def declared_outputs(self) -> tuple[Output, ...] | None:
        """Returns the outputs that `[outputs]` declares; None if it declares none."""
        return tuple(Output(name, Type(kind)) for name, kind in self.outputs.items()) or None


def read_model_settings(bundle: Path) -> ModelSettings:
    """Reads the settings in a bundle's `model.toml`; all of them are defaults if there is no such file.

    Raises:
        BundleError: the file is not a regular one of up to 1 MiB, is not TOML, or has an unknown key or a value that
            its key can't have.
    """
    try:
        return ModelSettings.model_validate(_read(bundle))
    except ValidationError as error:
        raise BundleError(f"{FILE_NAME}: {describe_invalid(error, ModelSettings)}") from error


def model_settings_faults(bundle: Path) -> tuple[str, ...]:
    """Returns all that is wrong with a bundle's `model.toml`, in sentences; empty if nothing is, or there is none.

    What one key says of another is looked at only where every key is right by itself.
    """
    try:
        values = _read(bundle)
    except BundleError as error:
        return (str(error),)
    return tuple(f"{FILE_NAME}: {fault}" for fault in fitting(ModelSettings, values).faults)


def _read(bundle: Path) -> dict[str, Any]:
    path = bundle / FILE_NAME
    if not path.exists():
        return {}
    try:
        return tomllib.loads(read_regular(path, _MOST_BYTES).decode())
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{FILE_NAME} is not TOML: {error}") from error
