"""`scorebridge check` and `deploy`: a bundle tried for real, and what there is to read of it."""

from dataclasses import replace
from pathlib import Path

import typer

from bridge.acceptance import Accepted, accept
from bridge.backends import BoosterFacts
from bridge.bundle import Bundle, make_manifest, read_bundle
from bridge.config import default_cache_dir
from bridge.features import Feature
from bridge.repository import Repository, StoredVersion
from bridge.score_files import toml_line

__all__ = ["check", "deploy"]


async def check(path: Path, *, accept_newer_file: bool = False) -> None:
    """Loads a bundle, scores its golden rows, and prints what it is.

    Args:
        path: the bundle's folder.
        accept_newer_file: take a model file of a newer xgboost whose golden rows come out exactly.

    Raises:
        BundleError: it may not serve.
    """
    await _tried(_read(path, accept_newer_file))


async def deploy(
    path: Path, repository: Repository, model: str, version: int | None, *, accept_newer_file: bool = False
) -> StoredVersion:
    """The same with a copy of the bundle, which becomes a version of the model: all of it or nothing.

    Raises:
        BundleError: it may not serve.
        BridgeError: the version is there already.
    """
    repository.check_free(model, version)
    read_bundle(path)  # what is wrong with the folder is said of the folder itself, not of a copy
    with repository.staged(path) as staged:
        accepted = await _tried(_read(staged, accept_newer_file))
        booster = accepted.description.booster
        newer = booster is not None and booster.newer_file
        manifest = make_manifest(staged, accepted.description.outputs, accepts_newer_file=newer)
        return repository.publish(staged, manifest, model, version)


def _read(path: Path, accept_newer_file: bool) -> Bundle:
    bundle = read_bundle(path)
    return replace(bundle, accepts_newer_file=True) if accept_newer_file else bundle


async def _tried(bundle: Bundle) -> Accepted:
    accepted = await accept(bundle, default_cache_dir())
    await accepted.backend.close()
    _print_accepted(accepted)
    return accepted


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
    if accepted.remark:
        typer.echo(f"self-test: a row of zeros was not scored: {accepted.remark}")
    typer.echo(f"row-wise: {'yes' if description.row_wise else f'no, {description.row_wise_reason}'}")
    for note in description.notes:
        typer.echo(f"note: {note}")
    _print_proposal(accepted)


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
