"""Decides whether a version may serve: loads its bundle and requires it to score its golden rows or made-up rows."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bridge.backends import Backend, Description, Warned
from bridge.backends.choice import load_backend
from bridge.bundles.bundle import Bundle, verify
from bridge.bundles.golden import GoldenRows, compare, read_golden
from bridge.calls import DefaultScore, Output
from bridge.columns import Batch, Column, says_nothing
from bridge.defaults import default_scores
from bridge.errors import BackendError, BridgeError, BundleError, InvalidRequest, PassingFailure, WorkerLost
from bridge.models.row_wise import RowWise, try_row_wise
from bridge.models.trial import Scored, Trial
from bridge.reads import Reads
from bridge.shortages import says_out_of_memory, says_short
from bridge.workers.programs import Programs

__all__ = ["ROW_BY_ROW", "Accepted", "accept"]

ROW_BY_ROW = (
    "say row_by_row = true if the function was written for one row, or remove row_wise if the rows of a call belong "
    "together"
)

_ACCEPT = "--accept-warnings takes it as it is"

_FRAME = 'if the function takes one frame, say input = "frame" in model.toml and list its columns in [features]'

_reads = Reads()


@dataclass(frozen=True, slots=True)
class Accepted:
    """A version that may serve, and the results of its trial.

    Attributes:
        bundle: the bundle that was loaded.
        backend: the loaded model, ready to score; whoever receives this object has to close the backend.
        description: what the backend says about the model, completed by the trial: the outputs, and whether rows are
            independent of each other.
        defaults: the configured default score of every output.
        golden_rows: the number of golden rows, all of which came out; 0 if the bundle has none.
        self_test: a row that the model is known to score; None if nothing was scored.
        remark: why some made-up rows could not be scored; empty if all could.
        misshaped: why batches of some sizes can't be scored though others can; empty if all sizes can.
        row_wise: the result of testing that rows are independent; None if the author does not claim it, or has each
            row scored by itself.
        apart: the name of an output whose scores differ between rows alone and rows together; empty if there is none.
        warnings: the model's warnings while rows were scored that the model has to take.
        left: what a call of these rows has left behind in its worker, in words; empty if none has.
        longest_s: the time of the slowest batch of these rows, seconds.
        another_day: whether the scores change when the model's clock is set forward; None if this was not tried.
    """

    bundle: Bundle
    backend: Backend
    description: Description
    defaults: tuple[DefaultScore, ...]
    golden_rows: int
    self_test: Batch | None
    remark: str
    misshaped: str = ""
    row_wise: RowWise | None = None
    apart: str = ""
    warnings: tuple[Warned, ...] = ()
    left: str = ""
    longest_s: float = 0.0
    another_day: bool | None = None

    @property
    def changed_data(self) -> str:
        """The first warning that the model went on with other data than it was given; empty if there is none."""
        return next((warned.text for warned in self.warnings if warned.changes_data), "")


async def accept(
    bundle: Bundle,
    cache_dir: Path | None = None,
    *,
    programs: Programs = Programs(),
    thorough: bool = False,
) -> Accepted:
    """Loads a bundle and scores its golden rows, or made-up rows if it has none; first verifies unverified files.

    Args:
        bundle: the bundle to try.
        cache_dir: the folder that keeps compiled models for the next load; None keeps nothing.
        programs: the programs that compute scores, and the user that they run as.
        thorough: also try whether the scores change on another day, which only whoever deploys the bundle can mend.

    Raises:
        BundleError: the version may not serve; the message says why in one sentence. Nothing stays loaded.
        PassingFailure: the bundle can't be loaded now, but perhaps later.
        OSError: a file, a process or a file descriptor can't be had.
    """
    if not bundle.verified:
        await _reads.run(bundle.subject, bundle.settings.load_timeout_s, partial(verify, bundle))
    backend = await load_backend(bundle, cache_dir, programs)
    try:
        return await _try_in_time(bundle, backend, thorough=thorough)
    except BaseException:
        await backend.close()
        raise


async def _try_in_time(bundle: Bundle, backend: Backend, *, thorough: bool) -> Accepted:
    limit_s = bundle.settings.load_timeout_s
    try:
        async with asyncio.timeout(limit_s):
            golden = await _read_golden(bundle, backend.description)
            return await _try(bundle, backend, golden, thorough=thorough)
    except TimeoutError as error:
        limit = f"{limit_s:g} s"
        raise PassingFailure(f"the trial rows were not scored within {limit} (load_timeout_s)", limit=limit) from error
    except BackendError as error:
        raise _refusal("trial rows can't be scored", bundle, error) from error


async def _read_golden(bundle: Bundle, description: Description) -> GoldenRows | None:
    reading = partial(read_golden, bundle.path, description.features)
    try:
        return await _reads.run(bundle.subject, bundle.settings.load_timeout_s, reading)
    except BundleError as error:
        if isinstance(error, PassingFailure) or not description.frame_features:
            raise
        raise BundleError(f"{error}; {_FRAME}") from error


async def _try(bundle: Bundle, backend: Backend, golden: GoldenRows | None, *, thorough: bool) -> Accepted:
    description, trial = backend.description, Trial(bundle, backend)
    _check_loaded(bundle, description, golden)
    remark = ""
    scored: Scored | None
    if golden is None:
        scored, remark = await trial.made_up()
    else:
        scored = await _golden(bundle, backend, golden, trial)
    outputs, misshaped, row_wise, another_day = description.outputs, "", None, None
    if scored is not None:
        outputs = _outputs(bundle, outputs, scored.scores)
        misshaped = await trial.sizes(scored)
        row_wise = await _row_wise(bundle, description, scored, trial)
        another_day = await _another_day(trial, scored, alike=golden is None and row_wise is None) if thorough else None
    if row_wise is not None and row_wise.refuted:
        description = replace(description, row_wise=False, row_wise_reason=row_wise.refuted)
    return Accepted(
        bundle=bundle,
        backend=backend,
        description=replace(description, outputs=outputs),
        defaults=_defaults(bundle, outputs),
        golden_rows=0 if golden is None else golden.inputs.rows,
        self_test=None if scored is None else scored.rows.slice(0, 1),
        remark=remark,
        misshaped=misshaped,
        row_wise=row_wise,
        apart=trial.apart,
        warnings=trial.warnings,
        left=trial.left,
        longest_s=trial.longest_s,
        another_day=another_day,
    )


def _check_loaded(bundle: Bundle, description: Description, golden: GoldenRows | None) -> None:
    """Requires that what was said of the model while it was loaded was accepted by whoever deployed it."""
    if description.loading_warnings and not bundle.accepts_warnings:
        warned = "; ".join(description.loading_warnings)
        raise BundleError(f"the model warned while it was loaded, and may give other scores: {warned}; {_ACCEPT}")
    if description.booster is not None and description.booster.newer_file:
        _check_newer_file(bundle, golden)


async def _another_day(trial: Trial, scored: Scored, *, alike: bool) -> bool:
    """Whether the scores change on another day.

    Made-up rows are alike, so rows with numbers far apart are first scored alone and together, see `Accepted.apart`.
    """
    if alike:
        await trial.far_apart(scored)
    return await trial.another_day(scored)


def _defaults(bundle: Bundle, outputs: tuple[Output, ...] | None) -> tuple[DefaultScore, ...]:
    try:
        return default_scores(bundle.settings.default_score, outputs)
    except InvalidRequest as error:
        raise BundleError(f"model.toml: {error}") from error


async def _golden(bundle: Bundle, backend: Backend, golden: GoldenRows, trial: Trial) -> Scored:
    try:
        rows = backend.bind(golden.inputs)
        if rows.unfit:
            row = min(rows.unfit)
            raise rows.unfit[row].of(row)
        scores = await trial.witnessed(rows)
    except BundleError:
        raise
    except BridgeError as error:
        raise _refusal("the golden rows can't be scored", bundle, error) from error
    additional = {output.name for output in backend.description.outputs or () if output.additional}
    compared = [one for one in scores if one.name not in additional or one.name in golden.expected]
    try:
        compare(golden, compared, bundle.settings.golden_tolerance)
    except BundleError as error:
        # The notes tell what differs between this machine and the author's, which is the likely cause.
        raise BundleError("; ".join((str(error), *backend.description.notes))) from error
    return Scored(rows, scores)


async def _row_wise(bundle: Bundle, description: Description, scored: Scored, trial: Trial) -> RowWise | None:
    """Tests the author's claim that rows are independent; None if there is no claim or rows are run one by one."""
    if bundle.settings.row_by_row or not description.row_wise:
        return None
    tried = await try_row_wise(scored.rows, trial.score)
    # Scores that differ only in their last bits are right: the model gives them for the call as it was sent. Those
    # that differ more may come from a function that was written for one row, whose scores for several rows are wrong.
    if bundle.settings.row_wise and tried.differs and not tried.by_rounding:
        raise BundleError(f"model.toml says row_wise = true, but {tried.refuted}: {ROW_BY_ROW}")
    return tried


def _outputs(bundle: Bundle, known: tuple[Output, ...] | None, scores: Sequence[Column]) -> tuple[Output, ...] | None:
    """Returns the outputs as they were seen, or the known ones if a column is all missing and so shows no type."""
    if any(says_nothing(column) for column in scores):
        return known
    additional = {output.name for output in known or () if output.additional}
    return _agreed(bundle, tuple(Output(one.name, one.type, one.name in additional) for one in scores))


def _refusal(what: str, bundle: Bundle, error: BridgeError) -> BundleError:
    """Returns the error that a failed trial raises: a PassingFailure if another try may help, else a BundleError."""
    limit_mb = bundle.settings.memory_limit_mb if bundle.backend != "xgboost" else None
    sentence = f"{what}: {error}"
    if limit_mb is not None and says_out_of_memory(error.private):
        reached = f"{sentence}: memory_limit_mb = {limit_mb} was reached"
        return BundleError(reached, limit=f"{limit_mb} MiB", private=error.private)
    passes = says_short(error.private) or (isinstance(error, WorkerLost) and error.from_outside)
    return (PassingFailure if passes else BundleError)(sentence, private=error.private)


def _check_newer_file(bundle: Bundle, golden: GoldenRows | None) -> None:
    """Requires exact golden rows for a file of a newer xgboost, because this xgboost may read it differently."""
    if golden is None or bundle.settings.golden_tolerance:
        raise BundleError(
            "a model file of a newer xgboost is accepted only if golden rows come out exactly: add golden.csv with "
            "scores of that xgboost, and remove golden_tolerance from model.toml"
        )


def _agreed(bundle: Bundle, seen: tuple[Output, ...]) -> tuple[Output, ...]:
    """Returns the outputs that were seen, if model.toml and the manifest say nothing else."""
    declared = bundle.settings.declared_outputs()
    own = tuple(output for output in seen if not output.additional)
    if declared is not None and declared != own:
        raise BundleError(f"model.toml declares the outputs {_listed(declared)}, but the model gives {_listed(seen)}")
    deployed = bundle.manifest.outputs if bundle.manifest else None
    if deployed is not None and deployed != seen:
        raise BundleError(
            f"the model's outputs were {_listed(deployed)} when it was deployed, now they are {_listed(seen)}"
        )
    return seen


def _listed(outputs: Sequence[Output]) -> str:
    return ", ".join(f"'{output.name}' ({output.type})" for output in outputs)
