"""The settings of a model in its `model.toml`: every key has a default, unknown keys are errors."""

import math
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from bridge.bundles.feature_settings import FeatureSettings, Section
from bridge.bundles.lookup_settings import CombineSettings, LookupSettings, check_lookups
from bridge.bundles.world import Author, Locale, Timezone, world_variables
from bridge.calls import Output
from bridge.columns import INT_MAX, Type
from bridge.defaults import DefaultValue
from bridge.errors import BundleError, DefaultReason
from bridge.features.feature import Feature, UnknownLevelRule
from bridge.files import read_regular
from bridge.validation import describe_invalid

__all__ = ["CHUNK_ROWS", "FILE_NAME", "MAX_BATCH_ROWS", "ModelSettings", "read_model_settings"]

FILE_NAME = "model.toml"
_MOST_BYTES = 1 << 20
MAX_BATCH_ROWS = 1_000_000  # of a call, unless model.toml states another number
CHUNK_ROWS = 10_000  # rows of a chunk, unless model.toml or the backend states another number
_MOST_REASONS = 64
# A bad request is never answered with a default unless the author says so, by `unknown_level`.
_FAULTS = (DefaultReason.UNKNOWN_LEVEL, DefaultReason.INVALID_VALUE)
_EVENTS = [reason for reason in DefaultReason if reason not in _FAULTS]
_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(gt=0)]


class _RetrySettings(Section):
    """Section `[retry]`: how calls whose worker was lost are repeated on another worker."""

    attempts: _Count = 2
    backoff_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


class _CircuitSettings(Section):
    """Section `[circuit]`: after how many failures in a row a version gets no calls, and for how long."""

    failures: _Count = 5
    open_s: _Seconds = 5.0


class _XgboostSettings(Section):
    """Section `[xgboost]`: how the booster predicts, extra inputs beside the features, and additional outputs.

    Attributes:
        trees: "all" for all rounds, "best" for the rounds up to the best one; None refuses a model whose best round is
            not its last.
        missing: the number that stands for missing; None takes what the model file says, which is NaN for most.
        feature_names: the names of the features for a file that stores none, in the file's order.
        base_margin: the column with the base margin of each row; None if there is none.
        output_names: the names of the scores, in the model's order; two names for a probability give the probabilities
            of both classes.
        output_margin: whether the scores are margins instead of what the objective makes of them.
        contributions: whether to give each feature's share of the margin, by xgboost's `pred_contribs`.
        leaves: whether to give the leaf into which each tree puts a row, by xgboost's `pred_leaf`.
        top_reasons: how many names to give of the features that moved the score most; 0 for none.
    """

    trees: Literal["all", "best"] | None = None
    missing: float | None = None
    feature_names: list[str] = Field(default=[])
    base_margin: str | None = None
    output_names: list[str] = Field(default=[])
    output_margin: bool = False
    contributions: bool = False
    leaves: bool = False
    top_reasons: Annotated[int, Field(ge=0, le=_MOST_REASONS)] = 0

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        for key, names in (("feature_names", self.feature_names), ("output_names", self.output_names)):
            if len(set(names)) != len(names):
                raise ValueError(f"{key} has a name twice")
            if not all(names):
                raise ValueError(f"{key} has an empty name")
        return self


class _EngineSettings(Section):
    """Section `[engine]`: the engine that computes the scores of an xgboost model."""

    name: Literal["auto", "xgboost", "lignum"] = "auto"


def _short_form(value: object) -> object:
    return {"type": value} if isinstance(value, str) else value


class ModelSettings(Section):
    """The settings of a model.toml; docs/deploy-a-model.md describes each key.

    Keys that end in `_s` are lengths of time in seconds. None stands for a default that depends on something else.
    """

    backend: Literal["xgboost", "rserve"] | None = None
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
    workers: _Count = len(os.sched_getaffinity(0))  # the cores that this process may use
    worker_recycle_calls: _Count = 100_000
    memory_limit_mb: _Count | None = None
    seed: Annotated[int, Field(ge=0, le=INT_MAX)] = 1
    timezone: Timezone | None = None
    locale: Locale | None = None
    max_pending_rows: _Count = 200_000
    features: dict[str, Annotated[FeatureSettings, BeforeValidator(_short_form)]] = Field(default={})
    lookup: dict[str, LookupSettings] = Field(default={})
    combine: dict[str, CombineSettings] = Field(default={})
    outputs: dict[str, Literal["double", "float", "int", "bool", "string"]] = Field(default={})
    retry: _RetrySettings = _RetrySettings()
    circuit: _CircuitSettings = _CircuitSettings()
    xgboost: _XgboostSettings = _XgboostSettings()
    engine: _EngineSettings = _EngineSettings()
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
    path = bundle / FILE_NAME
    if not path.exists():
        return ModelSettings()
    try:
        return ModelSettings.model_validate(tomllib.loads(read_regular(path, _MOST_BYTES).decode()))
    except ValidationError as error:
        raise BundleError(f"{FILE_NAME}: {describe_invalid(error)}") from error
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{FILE_NAME} is not TOML: {error}") from error
