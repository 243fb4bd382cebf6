"""What `scorebridge check` and `scorebridge deploy` print about a bundle that was tried."""

import typer

from bridge.backends import BoosterFacts
from bridge.bundles.declaration import toml_line
from bridge.bundles.repository import StoredVersion
from bridge.features.feature import Feature
from bridge.models.acceptance import Accepted
from bridge.models.deploy import Report

__all__ = ["PrintedReport", "notes_of"]


class PrintedReport(Report):
    """Prints the results of a bundle's trial to standard output."""

    def loaded(self, accepted: Accepted) -> None:
        """Prints the model's engine, features, outputs and default scores, and the results of its trial."""
        _print_accepted(accepted)

    def waived(self, fault: str) -> None:
        """Prints a fault that an option of the command allows, as a warning."""
        typer.echo(f"warning: {fault}")

    def noted(self, note: str) -> None:
        """Prints a note."""
        typer.echo(f"note: {note}")

    def end(self, stored: StoredVersion | None) -> None:
        """Prints which version the bundle was deployed as; nothing if it was only tried."""
        if stored is not None:
            typer.echo(f"deployed {stored.model}/{stored.version}")


def _print_accepted(accepted: Accepted) -> None:
    description = accepted.description
    typer.echo(f"engine: {description.engine}")
    if description.booster is not None:
        typer.echo(f"why this engine: {description.engine_reason}")
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
    for note in (*description.notes, *notes_of(accepted)):
        typer.echo(f"note: {note}")
    for warned in accepted.warnings:
        typer.echo(f"warning: while rows were scored, {accepted.bundle.language} warned: {warned.text}")
    if accepted.self_test is not None:
        _print_proposal(accepted)


def _described_row_wise(accepted: Accepted) -> str:
    if accepted.bundle.settings.row_by_row:
        return "yes, each row is a run of its own (row_by_row)"
    if not accepted.description.row_wise:
        return f"no, {accepted.description.row_wise_reason}"
    if accepted.row_wise is None:
        return "not tried, because nothing was scored"
    return f"yes, tried with up to {accepted.row_wise.rows} rows: the same scores together and apart"


def notes_of(accepted: Accepted) -> list[str]:
    """Returns what whoever deploys the bundle should know of its trial, in sentences."""
    settings, notes = accepted.bundle.settings, []
    limit_s = settings.timeout_s
    if accepted.longest_s > limit_s:
        notes.append(
            f"the slowest batch of trial rows took {accepted.longest_s:.1f} s, longer than timeout_s = {limit_s:g}: "
            "a call without a deadline would get the default score, or fail"
        )
    if accepted.remark and accepted.self_test is not None:
        notes.append(f"one made-up row could be scored, other made-up rows could not: {accepted.remark}")
    if accepted.apart and not (settings.row_by_row or settings.row_wise is False):
        function = "Pred.R" if accepted.bundle.language == "R" else "predict"
        notes.append(
            f"the output '{accepted.apart}' of a row depends on the rows beside it: if {function} was written for one "
            "row, its scores for several rows are wrong, and row_by_row = true in model.toml mends them; if the rows "
            "of a call belong together, say row_wise = false"
        )
    if accepted.left:
        notes.append(
            f"{accepted.left}: each call gets a fresh worker, so that the next one does not meet it, which takes "
            "10 to 25 ms of a worker's time"
        )
    if accepted.another_day:
        then = "; its golden rows will then not come out, and gateways will refuse it" if accepted.golden_rows else ""
        notes.append(f"the model gives other scores on another day, because it reads the clock{then}")
    return notes


def _described_booster(booster: BoosterFacts) -> str:
    best = "no best iteration" if booster.best_iteration is None else f"best iteration {booster.best_iteration}"
    used = "all" if booster.rounds_used == booster.rounds else f"{booster.rounds_used}"
    saved = f"saved by xgboost {booster.saved_by}" if booster.saved_by else "saved by an unknown version of xgboost"
    rounds = f"{booster.rounds} rounds, of which {used} predict"
    return f"{booster.objective}, {booster.booster}, {rounds}, {best}, {saved}"


def _described(feature: Feature, *, by_codes: bool) -> str:
    levels = f" {list(feature.levels)}" if feature.levels else ""
    rule = f", unknown levels: {feature.unknown_level}" if feature.levels and feature.unknown_level != "refuse" else ""
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
            "to score tables, model.toml has to say what the codes stand for: the levels of the training data, in "
            'their order, or levels = "codes":\n\n[features]'
        )
    elif any(feature.type is not None for feature in description.features):
        return
    else:
        typer.echo("the model's own terms propose for model.toml:\n\n[features]")
    for feature in proposed:
        typer.echo(toml_line(feature))
