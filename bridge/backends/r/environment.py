"""The environment variables by which an R process learns which bundle to load, and how; see rscripts/serve.R."""

from pathlib import Path

from scorebridge.runner.environment import ONE_THREAD

from bridge.bundles.settings import ModelSettings
from bridge.private_folders import temporary_files
from bridge.r_facts import rscripts

__all__ = ["r_environment"]


def r_environment(bundle: Path, digest: str, settings: ModelSettings, folder: Path) -> dict[str, str]:
    """Returns the variables for an R process that loads a bundle.

    Args:
        bundle: the folder of the bundle.
        digest: the digest of the bundle, which each worker repeats in its greeting.
        settings: the model's settings, of which `seed`, `input`, `row_by_row` and the world are used.
        folder: the private folder of the process.
    """
    return {
        **ONE_THREAD,
        "SCOREBRIDGE_RSCRIPTS": str(rscripts()),
        "SCOREBRIDGE_BUNDLE": str(bundle.resolve()),
        "SCOREBRIDGE_DIGEST": digest,
        "SCOREBRIDGE_SEED": str(settings.seed),
        "SCOREBRIDGE_INPUT": settings.input,
        "SCOREBRIDGE_ROW_BY_ROW": "1" if settings.row_by_row else "",
        "TMPDIR": str(temporary_files(folder)),
        **settings.world_variables,
    }
