"""Whether a version may serve: its bundle is loaded for real and has to score what it must before anyone sees it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bridge.backends import Backend, Description, load_backend
from bridge.bundle import Bundle, verify
from bridge.calls import Call, DefaultScore, ModelRef, Output, now
from bridge.columns import Batch, Column, Table, Type, concatenate, constant, says_nothing
from bridge.defaults import default_scores
from bridge.errors import (
    BackendError,
    BridgeError,
    BundleError,
    InvalidRequest,
    MalformedPrediction,
    OtherOutputs,
    PassingFailure,
    PredictionFailed,
    WorkerLost,
)
from bridge.features import Feature
from bridge.golden import GoldenRows, compare, read_golden
from bridge.row_wise import refute
from bridge.shortages import says_out_of_memory, says_short

__all__ = ["Accepted", "accept"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A version that may serve.

    Attributes:
        bundle: what was loaded.
        backend: has it resident, warm; whoever gets this closes it.
        description: as the backend gave it, with what the trial added: the outputs, and whether rows are independent.
        defaults: the configured default score of every output.
        golden_rows: how many came out; 0 if the bundle has none.
        self_test: a row that the model is known to score, or None.
        remark: why the self-test row could not be scored, where the bundle has no golden rows; empty if it could.
    """

    bundle: Bundle
    backend: Backend
    description: Description
    defaults: tuple[DefaultScore, ...]
    golden_rows: int
    self_test: Batch | None
    remark: str


async def accept(bundle: Bundle, cache_dir: Path | None = None) -> Accepted:
    """Verifies a bundle's files, loads it, and scores its golden rows, or a row made up for it.

    Args:
        bundle: to be tried.
        cache_dir: where what took long to make is kept for the next time; None keeps nothing.

    Raises:
        BundleError: it may not serve; one sentence says why. Nothing of it stays loaded.
        PassingFailure: it can't be loaded now, and may be later.
        OSError: a file, a process or a descriptor can't be had.
    """
    settings = bundle.settings
    await asyncio.to_thread(verify, bundle)
    backend = await load_backend(bundle, cache_dir)
    try:
        async with asyncio.timeout(settings.load_timeout_s):
            return await _try(bundle, backend)
    except TimeoutError as error:
        await backend.close()
        limit = f"{settings.load_timeout_s:g} s"
        raise PassingFailure(f"the trial rows were not scored within {limit}", limit=limit) from error
    except BackendError as error:
        await backend.close()
        raise _refusal("trial rows can't be scored", bundle, error) from error
    except BaseException:
        await backend.close()
        raise


async def _try(bundle: Bundle, backend: Backend) -> Accepted:
    description, remark = backend.description, ""
    golden = read_golden(bundle.path, description.features)
    if description.booster is not None and description.booster.newer_file:
        _check_newer_file(bundle, golden)
    rows: Batch | None
    if golden is None:
        rows, scores, remark = await _self_test(bundle, backend)
    else:
        rows, scores = await _golden(bundle, backend, golden)
    outputs = description.outputs
    if scores is not None and not any(says_nothing(column) for column in scores):
        additional = {output.name for output in outputs or () if output.additional}
        outputs = _agreed(bundle, tuple(Output(one.name, one.type, one.name in additional) for one in scores))
    score = partial(_scores, bundle, backend)
    if description.row_wise and rows is not None and (reason := await refute(rows, score)):
        description = replace(description, row_wise=False, row_wise_reason=reason)
    try:
        defaults = default_scores(bundle.settings.default_score, outputs)
    except InvalidRequest as error:
        raise BundleError(f"model.toml: {error}") from error
    return Accepted(
        bundle=bundle,
        backend=backend,
        description=replace(description, outputs=outputs),
        defaults=defaults,
        golden_rows=0 if golden is None else golden.inputs.rows,
        self_test=None if rows is None else rows.slice(0, 1),
        remark=remark,
    )


async def _golden(bundle: Bundle, backend: Backend, golden: GoldenRows) -> tuple[Batch, tuple[Column, ...]]:
    try:
        rows = backend.bind(golden.inputs)
        if rows.unknown:
            row, column = next(iter(sorted(rows.unknown.items())))
            raise InvalidRequest(f"column '{column}', row {row}: not one of its levels")
        scores = await _scores(bundle, backend, rows)
    except BundleError:
        raise
    except BridgeError as error:
        raise _refusal("the golden rows can't be scored", bundle, error) from error
    additional = {output.name for output in backend.description.outputs or () if output.additional}
    compared = [one for one in scores if one.name not in additional or one.name in golden.expected]
    compare(golden, compared, bundle.settings.golden_tolerance)
    return rows, scores


def _refusal(what: str, bundle: Bundle, error: BridgeError) -> BundleError:
    """What a failed trial means for the bundle."""
    limit_mb = bundle.settings.memory_limit_mb if bundle.backend == "rserve" else None
    sentence = f"{what}: {error}"
    if limit_mb is not None and says_out_of_memory(error.private):
        reached = f"{sentence}: memory_limit_mb = {limit_mb} was reached"
        return BundleError(reached, limit=f"{limit_mb} MiB", private=error.private)
    passes = says_short(error.private) or (isinstance(error, WorkerLost) and error.from_outside)
    return (PassingFailure if passes else BundleError)(sentence, private=error.private)


def _check_newer_file(bundle: Bundle, golden: GoldenRows | None) -> None:
    """What a library may read otherwise than the one that wrote it is proven by what it gives, and by that alone."""
    if golden is None or bundle.settings.golden_tolerance:
        raise BundleError(
            "a model file of a newer xgboost is accepted only if golden rows come out exactly: add golden.csv with "
            "scores of that xgboost, and no golden_tolerance"
        )


async def _self_test(bundle: Bundle, backend: Backend) -> tuple[Batch | None, tuple[Column, ...] | None, str]:
    """Scores one made-up row, which the model may refuse; losing its worker, or other outputs, refuses the bundle."""
    proposed = {feature.name: feature for feature in backend.description.proposed}
    features = [
        proposed.get(feature.name, feature) if feature.type is None else feature
        for feature in backend.description.features
    ]
    made_up = Table(tuple(_made_up(feature) for feature in features if feature.required), 1)
    try:
        rows = backend.bind(backend.description.trial_row or made_up)
        return rows, await _scores(bundle, backend, rows), ""
    except OtherOutputs:
        raise
    except (InvalidRequest, PredictionFailed, MalformedPrediction) as error:
        private = f" ({error.private})" if error.private else ""
        return None, None, f"{error}{private}"


def _made_up(feature: Feature) -> Column:
    if feature.type in (Type.STRING, Type.FACTOR):
        return constant(feature.name, Type.STRING, feature.levels[0] if feature.levels else "", 1)
    if feature.levels:
        return constant(feature.name, Type.INT64, int(feature.levels[0]), 1)
    return constant(feature.name, feature.type or Type.DOUBLE, 0, 1)


async def _scores(bundle: Bundle, backend: Backend, rows: Batch) -> tuple[Column, ...]:
    outcome = await backend.score(Call("acceptance", ModelRef("the model", 0, bundle.digest), rows, now()))
    return tuple(concatenate(columns) for columns in zip(*(part.scores for part in outcome.ranges), strict=True))


def _agreed(bundle: Bundle, seen: tuple[Output, ...]) -> tuple[Output, ...]:
    """The outputs that were seen, if nobody said anything else before."""
    declared = bundle.settings.declared_outputs()
    own = tuple(output for output in seen if not output.additional)
    if declared is not None and declared != own:
        raise BundleError(f"model.toml declares the outputs {_listed(declared)}, the model gives {_listed(seen)}")
    deployed = bundle.manifest.outputs if bundle.manifest else None
    if deployed is not None and deployed != seen:
        raise BundleError(f"the outputs were {_listed(deployed)} when it was deployed, now they are {_listed(seen)}")
    return seen


def _listed(outputs: Sequence[Output]) -> str:
    return ", ".join(f"'{output.name}' ({output.type})" for output in outputs)
