"""Whether a version may serve: its bundle is loaded for real and has to score what it must before anyone sees it."""

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

__all__ = ["ROW_BY_ROW", "Accepted", "accept"]

ROW_BY_ROW = (
    "say row_by_row = true if Pred.R was written for one row, or remove row_wise if a call's rows belong together"
)

_reads = Reads()


@dataclass(frozen=True, slots=True)
class Accepted:
    """A version that may serve.

    Attributes:
        bundle: what was loaded.
        backend: has it resident, warm; whoever gets this closes it.
        description: as the backend gave it, with what the trial added: the outputs, and whether rows are independent.
        defaults: the configured default score of every output.
        golden_rows: how many came out; 0 if the bundle has none.
        self_test: a row that the model is known to score, or None if nothing was scored.
        remark: why rows that were made up could not be scored; empty if all could.
        misshaped: why some number of rows can't be scored though others can; empty if all can.
        row_wise: what trying the author's word that rows are independent brought; None if he does not give it, or has
            them run one by one.
        apart: the output of which rows alone had other scores than together; empty if none had.
        warnings: what was warned of while rows were scored that the model should take.
        longest_s: what the slowest batch of them took, seconds.
        another_day: the scores are others where the model's clock is set forward; None if that was not tried.
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
    longest_s: float = 0.0
    another_day: bool | None = None

    @property
    def changed_data(self) -> str:
        """The first warning that says that the model went on with other data than it was given; empty if none does."""
        return next((warned.text for warned in self.warnings if warned.changes_data), "")


async def accept(bundle: Bundle, cache_dir: Path | None = None, *, thorough: bool = False) -> Accepted:
    """Verifies a bundle's files if nobody did, loads it, and scores its golden rows, or rows made up for it.

    Args:
        bundle: to be tried.
        cache_dir: where what took long to make is kept for the next time; None keeps nothing.
        thorough: also try what only whoever deploys it can mend: whether its scores are others on another day.

    Raises:
        BundleError: it may not serve; one sentence says why. Nothing of it stays loaded.
        PassingFailure: it can't be loaded now, and may be later.
        OSError: a file, a process or a descriptor can't be had.
    """
    settings = bundle.settings
    if not bundle.verified:
        await _reads.run(bundle.subject, settings.load_timeout_s, partial(verify, bundle))
    backend = await load_backend(bundle, cache_dir)
    try:
        async with asyncio.timeout(settings.load_timeout_s):
            features = backend.description.features
            golden = await _reads.run(
                bundle.subject, settings.load_timeout_s, partial(read_golden, bundle.path, features)
            )
            return await _try(bundle, backend, golden, thorough=thorough)
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


async def _try(bundle: Bundle, backend: Backend, golden: GoldenRows | None, *, thorough: bool) -> Accepted:
    description, trial = backend.description, Trial(bundle, backend)
    if description.booster is not None and description.booster.newer_file:
        _check_newer_file(bundle, golden)
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
        longest_s=trial.longest_s,
        another_day=another_day,
    )


async def _another_day(trial: Trial, scored: Scored, *, alike: bool) -> bool:
    """What only a thorough trial asks; rows that were made up are `alike`, so others are tried too."""
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
        # What is otherwise here than where they were made is the likely cause.
        raise BundleError("; ".join((str(error), *backend.description.notes))) from error
    return Scored(rows, scores)


async def _row_wise(bundle: Bundle, description: Description, scored: Scored, trial: Trial) -> RowWise | None:
    """Tries the author's word; rows that are runs of their own need none."""
    if bundle.settings.row_by_row or not description.row_wise:
        return None
    tried = await try_row_wise(scored.rows, trial.score)
    # Where only the last bits differ, R's own answer for the call as it was sent is right; but not that of a function
    # that was written for one row.
    if bundle.settings.row_wise and tried.differs and not tried.by_rounding:
        raise BundleError(f"model.toml says row_wise = true, but {tried.refuted}: {ROW_BY_ROW}")
    return tried


def _outputs(bundle: Bundle, known: tuple[Output, ...] | None, scores: Sequence[Column]) -> tuple[Output, ...] | None:
    """The outputs, as they were seen if every one of them says what it is."""
    if any(says_nothing(column) for column in scores):
        return known
    additional = {output.name for output in known or () if output.additional}
    return _agreed(bundle, tuple(Output(one.name, one.type, one.name in additional) for one in scores))


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
