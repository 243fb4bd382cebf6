"""Sections `[retry]`, `[circuit]`, `[xgboost]` and `[engine]` of a `model.toml`: how the backend is asked."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from bridge.bundles.feature_settings import Section

__all__ = ["CircuitSettings", "EngineSettings", "RetrySettings", "XgboostSettings"]

_MOST_REASONS = 64
_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(gt=0)]


class RetrySettings(Section):
    """Section `[retry]`: how calls whose worker was lost are repeated on another worker.

    Attributes:
        attempts: how many times workers may be asked for the same rows, if workers are lost. A call that loses a worker
            each time is POISON_CALL.
        backoff_s: the longest random pause before the second attempt, in seconds.
    """

    attempts: _Count = 2
    backoff_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


class CircuitSettings(Section):
    """Section `[circuit]`: after how many failures in a row a version gets no calls, and for how long.

    Attributes:
        failures: the number of failures in a row that open the circuit.
        open_s: how long the version is then left alone before it is asked again, in seconds.
    """

    failures: _Count = 5
    open_s: _Seconds = 5.0


class XgboostSettings(Section):
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


class EngineSettings(Section):
    """Section `[engine]`: the engine that computes the scores of an xgboost model.

    Attributes:
        name: "xgboost" is the booster itself; "lignum" is lignum, or the bundle is refused; "auto" is lignum where it
            is installed and proves to give the same bits, for the batch sizes where it is the faster one. It then runs
            as machine code where there is a C compiler, made in 10 s at most and kept in the gateway's `cache_dir`.
            `survival:aft`, `binary:hinge` and models of several targets are always the booster's.
    """

    name: Literal["auto", "xgboost", "lignum"] = "auto"
