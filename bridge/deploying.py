"""`scorebridge check` and `deploy`: a bundle tried for real, and what there is to read of it."""

from dataclasses import dataclass, replace
from pathlib import Path

import typer

from bridge.acceptance import ROW_BY_ROW, Accepted, accept
from bridge.backends import BoosterFacts
from bridge.bundle import Bundle, bundle_files, make_manifest, read_bundle
from bridge.config import default_cache_dir
from bridge.errors import BundleError
from bridge.features import Feature
from bridge.proposals import remedy, working_lines
from bridge.repository import Repository, StoredVersion
from bridge.score_files import toml_line

__all__ = ["Waivers", "check", "deploy"]


@dataclass(frozen=True, slots=True)
class Waivers:
    """What whoever deploys a bundle takes upon himself.

    Attributes:
        newer_file: a model file of a newer xgboost is taken if its golden rows come out exactly.
        unproven: it may serve though nothing, or not every number of rows, was scored.
        warnings: R may have warned, while rows were tried, that it went on with other data than it was given.
    """

    newer_file: bool = False
    unproven: bool = False
    warnings: bool = False


async def check(path: Path, waivers: Waivers) -> None:
    """Loads a bundle, scores its golden rows, and prints what it is.

    Args:
        path: the bundle's folder.
        waivers: what may be amiss.

    Raises:
        BundleError: it may not serve.
    """
    await _tried(_read(path, waivers), waivers)
    try:
        bundle_files(path, links=False)
    except BundleError as error:
        typer.echo(f"note: deploy refuses it: {error}")


async def deploy(
    path: Path, repository: Repository, model: str, version: int | None, waivers: Waivers
) -> StoredVersion:
    """The same with a copy of the bundle, which becomes a version of the model: all of it or nothing.

    Raises:
        BundleError: it may not serve, or holds a link or something that is neither a file nor a folder.
        BridgeError: the version is there already.
    """
    repository.check_free(model, version)
    _check_folder(path)
    with repository.staged(path) as staged:
        accepted = await _tried(_read(staged, waivers), waivers)
        booster = accepted.description.booster
        newer = booster is not None and booster.newer_file
        manifest = make_manifest(staged, accepted.description.outputs, accepts_newer_file=newer)
        return repository.publish(staged, manifest, model, version)


def _check_folder(path: Path) -> None:
    """What is wrong with the folder is said of the folder itself, not of a copy; nothing behind a link is read."""
    if path.is_dir():
        bundle_files(path, links=False)
    read_bundle(path)


def _read(path: Path, waivers: Waivers) -> Bundle:
    bundle = read_bundle(path)
    return replace(bundle, accepts_newer_file=True) if waivers.newer_file else bundle


async def _tried(bundle: Bundle, waivers: Waivers) -> Accepted:
    cache_dir = default_cache_dir()
    accepted = await accept(bundle, cache_dir, thorough=True)
    await accepted.backend.close()
    _print_accepted(accepted)
    if fault := _unproven(accepted):
        advice = await _advice(bundle, accepted, fault, cache_dir)
        _refuse(f"{fault}{advice}", "--unproven takes it as it is", waived=waivers.unproven)
    elif changed := accepted.changed_data:
        advice = await _advice(bundle, accepted, changed, cache_dir)
        fault = f"R went on with other data than it was given: {changed}{advice}"
        _refuse(fault, "--accept-warnings takes it as it is", waived=waivers.warnings)
    if accepted.row_wise is not None and accepted.row_wise.refuted and bundle.settings.row_wise:
        raise BundleError(f"model.toml says row_wise = true, but {accepted.row_wise.refuted}: {ROW_BY_ROW}")
    return accepted


def _refuse(fault: str, waiver: str, *, waived: bool) -> None:
    if not waived:
        raise BundleError(f"{fault}; {waiver}")
    typer.echo(f"warning: {fault}")


async def _advice(bundle: Bundle, accepted: Accepted, fault: str, cache_dir: Path) -> str:
    """What mends it, as the end of a sentence; empty if nothing is known."""
    lines = await working_lines(bundle, accepted.description, cache_dir)
    if lines:
        return f"; with these lines in model.toml it scores:\n\n{lines}\n"
    advice = remedy(fault)
    return f"; {advice}" if advice else ""


def _unproven(accepted: Accepted) -> str:
    """Why it is not proven that the bundle scores; empty if it is."""
    if accepted.self_test is None:
        rows = "rows made up for it" if accepted.description.features else "no rows"
        return f"nothing was scored: {rows} gave: {accepted.remark}"
    return accepted.misshaped


def _print_accepted(accepted: Accepted) -> None:
    description = accepted.description
    typer.echo(f"engine: {description.engine}")
    if description.booster is not None:
        typer.echo(f"why: {description.engine_reason}")
        typer.echo(f"model: {_described_booster(description.booster)}")
    typer.echo("features:")
    for feature in description.features:
        typer.echo(f"  {_described(feature, by_codes=description.booster is not None)}")
    if description.outputs is None:
        typer.echo("outputs: not known, because nothing was scored")
    else:
        outputs = (f"{output.name} ({output.type})" for output in description.outputs)
        typer.echo(f"outputs: {', '.join(outputs)}")
    for default in accepted.defaults:
        if default.value is not None:
            typer.echo(f"default score: {default.output.name} = {default.value}")
    rows = f"{accepted.golden_rows} golden rows came out" if accepted.golden_rows else "no golden rows"
    typer.echo(f"golden: {rows}")
    typer.echo(f"row-wise: {_described_row_wise(accepted)}")
    for note in (*description.notes, *_notes(accepted)):
        typer.echo(f"note: {note}")
    for warned in accepted.warnings:
        typer.echo(f"warning: while rows were scored, R warned: {warned.text}")
    if accepted.self_test is not None:
        _print_proposal(accepted)


def _described_row_wise(accepted: Accepted) -> str:
    if accepted.bundle.settings.row_by_row:
        return "yes, each row is a run of its own"
    if not accepted.description.row_wise:
        return f"no, {accepted.description.row_wise_reason}"
    if accepted.row_wise is None:
        return "not tried, because nothing was scored"
    return f"yes, by up to {accepted.row_wise.rows} rows that were tried alone and together"


def _notes(accepted: Accepted) -> list[str]:
    settings, notes = accepted.bundle.settings, []
    limit_s = settings.timeout_s
    if accepted.longest_s > limit_s:
        notes.append(
            f"the rows took {accepted.longest_s:.1f} s, and a call without a deadline has timeout_s = {limit_s:g}: "
            "such a call gets the default score, or fails"
        )
    if accepted.remark and accepted.self_test is not None:
        notes.append(f"one made-up row was scored, others were not: {accepted.remark}")
    if accepted.apart and not (settings.row_by_row or settings.row_wise is False):
        notes.append(
            f"the output '{accepted.apart}' of a row depends on the rows beside it: if Pred.R was written for one row, "
            "its batches are wrong, and row_by_row = true mends them; say row_wise = false if it is meant"
        )
    if accepted.another_day:
        then = "; golden rows do not come out then, which refuses the version" if accepted.golden_rows else ""
        notes.append(f"the scores are others on another day, because the model looks at the clock{then}")
    return notes


def _described_booster(booster: BoosterFacts) -> str:
    best = "no best iteration" if booster.best_iteration is None else f"best iteration {booster.best_iteration}"
    used = "all" if booster.rounds_used == booster.rounds else f"{booster.rounds_used}"
    saved = (
        f"saved by xgboost {booster.saved_by}" if booster.saved_by else "saved by an xgboost that does not say which"
    )
    rounds = f"{booster.rounds} rounds of which {used} predict"
    return f"{booster.objective}, {booster.booster}, {rounds}, {best}, {saved}"


def _described(feature: Feature, *, by_codes: bool) -> str:
    levels = f" {list(feature.levels)}" if feature.levels else ""
    rule = f", unknown ones: {feature.unknown_level}" if feature.levels and feature.unknown_level != "refuse" else ""
    optional = "" if feature.required else ", optional"
    undeclared = "any type: what the caller sends is passed on"
    if by_codes:
        undeclared = "a category whose levels the file does not store: codes, in a matrix"
    kind = "codes of a category" if feature.by_codes else feature.type or undeclared
    return f"{feature.name}: {kind}{levels}{rule}{optional}"


def _print_proposal(accepted: Accepted) -> None:
    description = accepted.description
    proposed = [feature for feature in description.proposed if feature.type is not None]
    if not proposed:
        return
    if description.booster is not None:
        typer.echo(
            "for tables, model.toml has to say what the codes stand for: the levels of the training, in their order, "
            'or levels = "codes":\n\n[features]'
        )
    elif any(feature.type is not None for feature in description.features):
        return
    else:
        typer.echo("the model's own terms propose for model.toml:\n\n[features]")
    for feature in proposed:
        typer.echo(toml_line(feature))
