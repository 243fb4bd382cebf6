"""Deploys a bundle as a version of a model, after a trial that loads and scores it has found no fault."""

from dataclasses import dataclass, replace
from pathlib import Path

from bridge.bundles.bundle import Bundle, bundle_files, make_manifest, read_bundle
from bridge.bundles.repository import Repository, StoredVersion
from bridge.config import default_cache_dir
from bridge.errors import BundleError
from bridge.models.acceptance import ROW_BY_ROW, Accepted, accept
from bridge.models.proposals import advice_of, remedy, working_lines
from bridge.workers.programs import Programs

__all__ = ["Report", "Waivers", "check", "deploy"]


@dataclass(frozen=True, slots=True)
class Waivers:
    """The faults of a bundle that whoever deploys it accepts.

    Attributes:
        newer_file: accept a model file of a newer xgboost, if its golden rows come out exactly.
        unproven: accept a bundle although no rows, or not every number of rows, could be scored.
        warnings: accept that the model warned, while rows were tried, that it went on with other data than it was
            given, or, while it was loaded, that it may give other scores.
    """

    newer_file: bool = False
    unproven: bool = False
    warnings: bool = False


class Report:
    """Receives the results while a bundle is tried; this class ignores them, and subclasses show them."""

    def loaded(self, accepted: Accepted) -> None:
        """Called when the bundle was loaded and rows were tried, before it is judged whether that is good enough."""

    def waived(self, fault: str) -> None:
        """Called for a fault that the waivers allow, given in one sentence."""

    def noted(self, note: str) -> None:
        """Called for anything else that whoever deploys the bundle should know, given in one sentence."""


async def check(path: Path, waivers: Waivers, report: Report, programs: Programs = Programs()) -> None:
    """Tries a bundle without deploying it: loads it and scores its golden rows, or made-up rows if it has none.

    Args:
        path: the bundle's folder.
        waivers: the faults to accept.
        report: receives the results.
        programs: the programs that compute scores.

    Raises:
        BundleError: the bundle may not serve; the message says why.
    """
    await _tried(_read(path, waivers), waivers, report, programs, thorough=True)
    try:
        bundle_files(path, links=False)
    except BundleError as error:
        report.noted(f"deploy would refuse this bundle: {error}")


async def deploy(
    path: Path,
    repository: Repository,
    model: str,
    version: int | None,
    *,
    waivers: Waivers,
    report: Report,
    programs: Programs = Programs(),
    thorough: bool = True,
) -> StoredVersion:
    """Copies a bundle, tries the copy, and makes it a version of the model, whole or not at all; returns that version.

    Args:
        path: the bundle's folder.
        repository: the repository to deploy to.
        model: the model's name.
        version: the version's number; None for one above the highest.
        waivers: the faults to accept.
        report: receives the results of the trial.
        programs: the programs that compute scores.
        thorough: also try what a gateway does not try when it loads the version: whether scores change on another day.

    Raises:
        BundleError: the bundle may not serve, or holds a link or something that is neither a file nor a folder.
        BridgeError: the version exists already.
    """
    repository.check_free(model, version)
    _check_folder(path)
    with repository.staged(path) as staged:
        accepted = await _tried(_read(staged, waivers), waivers, report, programs, thorough=thorough)
        return repository.publish(staged, _manifest(staged, accepted), model, version)


def _manifest(folder: Path, accepted: Accepted) -> bytes:
    description = accepted.description
    return make_manifest(
        folder,
        description.outputs,
        accepts_newer_file=description.booster is not None and description.booster.newer_file,
        accepts_warnings=bool(description.loading_warnings),
    )


def _check_folder(path: Path) -> None:
    """Raises BundleError if the folder is wrong, before it is copied: so errors name the author's folder.

    Nothing behind a link is read.
    """
    if path.is_dir():
        bundle_files(path, links=False)
    read_bundle(path)


def _read(path: Path, waivers: Waivers) -> Bundle:
    bundle = read_bundle(path)
    return replace(
        bundle,
        accepts_newer_file=waivers.newer_file or bundle.accepts_newer_file,
        accepts_warnings=waivers.warnings or bundle.accepts_warnings,
    )


async def _tried(bundle: Bundle, waivers: Waivers, report: Report, programs: Programs, *, thorough: bool) -> Accepted:
    cache_dir = default_cache_dir()
    try:
        accepted = await accept(bundle, cache_dir, programs=programs, thorough=thorough)
    except BundleError as error:
        if advice := remedy(bundle.language, error.private):
            raise BundleError(f"{error.in_full()}; {advice}") from error
        raise
    await accepted.backend.close()
    report.loaded(accepted)
    for text in accepted.description.loading_warnings:
        report.waived(f"the model warned while it was loaded, and may give other scores: {text}")
    if fault := _unproven(accepted):
        fault += await _advice(bundle, accepted, fault, cache_dir, programs)
        _judge(fault, "--unproven takes it as it is", report, waived=waivers.unproven)
    elif changed := accepted.changed_data:
        advice = await _advice(bundle, accepted, changed, cache_dir, programs)
        fault = f"{bundle.language} went on with other data than it was given: {changed}{advice}"
        _judge(fault, "--accept-warnings takes it as it is", report, waived=waivers.warnings)
    if accepted.row_wise is not None and accepted.row_wise.refuted and bundle.settings.row_wise:
        raise BundleError(f"model.toml says row_wise = true, but {accepted.row_wise.refuted}: {ROW_BY_ROW}")
    return accepted


def _judge(fault: str, waiver: str, report: Report, *, waived: bool) -> None:
    if not waived:
        raise BundleError(f"{fault}; {waiver}")
    report.waived(fault)


async def _advice(bundle: Bundle, accepted: Accepted, fault: str, cache_dir: Path, programs: Programs) -> str:
    """Returns what the author can do about a fault, as the end of a sentence; empty if nothing is known."""
    lines = await working_lines(bundle, accepted.description, cache_dir, programs)
    if lines:
        return f"; with these lines in model.toml the bundle scores:\n\n{lines}\n"
    advice = advice_of(bundle, accepted.description, fault)
    return f"; {advice}" if advice else ""


def _unproven(accepted: Accepted) -> str:
    """Returns why the trial does not prove that the bundle can score; empty if it does."""
    if accepted.self_test is None:
        rows = "made-up rows" if accepted.description.features else "no rows"
        return f"nothing was scored: {rows} gave: {accepted.remark}"
    return accepted.misshaped
