"""The names of a deployed model's features in its own order, read from its bundle without loading the model."""

from pathlib import Path

from bridge.backends.xgboost.document import DocumentDamaged, found, read_document
from bridge.bundles.bundle import Bundle, read_bundle

__all__ = ["feature_names"]


def feature_names(path: Path) -> tuple[str, ...] | None:
    """Returns the names of a bundle's features, for calls that send a matrix without names.

    None where the bundle does not tell them: of an R or Python model, only the columns of `input = "frame"` are known.

    Args:
        path: the folder of the bundle.

    Raises:
        BundleError: the folder holds no bundle.
        OSError: a file can't be read.
    """
    bundle = read_bundle(path)
    if bundle.backend == "xgboost":
        return _of_booster(bundle)
    return tuple(bundle.settings.features) if bundle.settings.input == "frame" else None


def _of_booster(bundle: Bundle) -> tuple[str, ...] | None:
    settings = bundle.settings.xgboost
    try:
        document = read_document(bundle.model_file)
    except DocumentDamaged:
        return None
    stored = found(document, "learner", "feature_names")
    names = list(map(str, stored if stored is not None else ())) or settings.feature_names
    if not names:
        count = str(found(document, "learner", "learner_model_param", "num_feature") or "")
        names = [f"f{place}" for place in range(int(count))] if count.isdecimal() else []
    margin = [settings.base_margin] if settings.base_margin is not None else []
    return (*names, *margin) or None
