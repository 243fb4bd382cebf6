"""How a bundle becomes a version of a model: tried for real first, and deployed only if nothing is amiss."""

from dataclasses import dataclass, replace
from pathlib import Path

from bridge.bundles.bundle import Bundle, bundle_files, make_manifest, read_bundle
from bridge.bundles.repository import Repository, StoredVersion
from bridge.config import default_cache_dir
from bridge.errors import BundleError
from bridge.models.acceptance import ROW_BY_ROW, Accepted, accept
from bridge.models.proposals import remedy, working_lines

__all__ = ["Report", "Waivers", "check", "deploy"]


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


class Report:
    """Who is told what comes out while a bundle is tried; this one tells nobody, and subclasses do."""

    def loaded(self, accepted: Accepted) -> None:
        """The bundle was loaded and scored; whether that is good enough is yet to be judged."""

    def waived(self, fault: str) -> None:
        """Something is amiss that the waivers allow; one sentence."""

    def noted(self, note: str) -> None:
        """Something else whoever deploys it should read; one sentence."""


async def check(path: Path, waivers: Waivers, report: Report) -> None:
    """Loads a bundle and scores its golden rows, or rows made up for it.

    Args:
        path: the bundle's folder.
        waivers: what may be amiss.
        report: is told what comes out.

    Raises:
        BundleError: it may not serve.
    """
    await _tried(_read(path, waivers), waivers, report, thorough=True)
    try:
        bundle_files(path, links=False)
    except BundleError as error:
        report.noted(f"deploy refuses it: {error}")


async def deploy(
    path: Path,
    repository: Repository,
    model: str,
    version: int | None,
    *,
    waivers: Waivers,
    report: Report,
    thorough: bool = True,
) -> StoredVersion:
    """Checks a copy of a bundle, which then becomes a version of the model: all of it or nothing.

    Args:
        path: the bundle's folder.
        repository: where it goes.
        model: its name.
        version: its number; None for one above the highest.
        waivers: what may be amiss.
        report: is told what comes out.
        thorough: rows are tried in many numbers; else in as few as a gateway tries when it loads the version.

    Raises:
        BundleError: it may not serve, or holds a link or something that is neither a file nor a folder.
        BridgeError: the version is there already.
    """
    repository.check_free(model, version)
    _check_folder(path)
    with repository.staged(path) as staged:
        accepted = await _tried(_read(staged, waivers), waivers, report, thorough=thorough)
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


async def _tried(bundle: Bundle, waivers: Waivers, report: Report, *, thorough: bool) -> Accepted:
    cache_dir = default_cache_dir()
    accepted = await accept(bundle, cache_dir, thorough=thorough)
    await accepted.backend.close()
    report.loaded(accepted)
    if fault := _unproven(accepted):
        fault += await _advice(bundle, accepted, fault, cache_dir)
        _judge(fault, "--unproven takes it as it is", report, waived=waivers.unproven)
    elif changed := accepted.changed_data:
        advice = await _advice(bundle, accepted, changed, cache_dir)
        fault = f"R went on with other data than it was given: {changed}{advice}"
        _judge(fault, "--accept-warnings takes it as it is", report, waived=waivers.warnings)
    if accepted.row_wise is not None and accepted.row_wise.refuted and bundle.settings.row_wise:
        raise BundleError(f"model.toml says row_wise = true, but {accepted.row_wise.refuted}: {ROW_BY_ROW}")
    return accepted


def _judge(fault: str, waiver: str, report: Report, *, waived: bool) -> None:
    if not waived:
        raise BundleError(f"{fault}; {waiver}")
    report.waived(fault)


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
