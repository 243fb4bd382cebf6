"""Proves a bundle: it is loaded, and its golden rows are scored, in two fresh processes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scorebridge.authoring.conditions import BundleNotWritten
from scorebridge.authoring.declared import DeclaredFeature
from scorebridge.authoring.features import decide_columns, decide_frame, golden_vectors
from scorebridge.authoring.fresh_process import Answer, Loaded, loaded_bundle
from scorebridge.authoring.golden import Golden
from scorebridge.authoring.golden_file import golden_csv, read_golden_csv
from scorebridge.authoring.session_scores import compare_session, first_difference
from scorebridge.authoring.settings import Settings
from scorebridge.runner.vectors import Vector

__all__ = ["Proof", "prove"]

_MOST_PACKAGES = 40  # that a worker names
_MOST_ALONE = 100  # golden rows that are scored alone, too


@dataclass(frozen=True)
class Proof:
    """What a fresh process said of a bundle.

    Attributes:
        features: the lines of `[features]`.
        untyped: the features that are declared with no type.
        packages: "name version" of each distribution that was imported.
        outputs: the scores of the golden rows; empty without golden rows.
        warnings: what may mean other scores, or other data: sentences.
        remarks: what else the author should know: sentences.
    """

    features: tuple[DeclaredFeature, ...]
    untyped: tuple[str, ...]
    packages: tuple[str, ...]
    outputs: tuple[Vector, ...]
    warnings: tuple[str, ...]
    remarks: tuple[str, ...]


def prove(
    folder: Path,
    settings: Settings,
    golden: Golden | None,
    stated: Mapping[str, DeclaredFeature],
    predict: Callable[..., Any] | None,
) -> Proof:
    """Loads the bundle in fresh processes, and writes golden.csv from the scores of the golden rows.

    Args:
        folder: the folder with Pred.py and its files.
        settings: the settings of the model.
        golden: the golden rows, or None.
        stated: the features that the author states.
        predict: the session's function, whose scores the bundle has to give; None if there is none.

    Raises:
        BundleNotWritten: the bundle does not load, does not score, or does not give the same scores each time.
    """
    with loaded_bundle(folder, settings) as loaded:
        proof, frame_parameter = _described(loaded.greeting, settings, golden, stated)
        if golden is None:
            return proof
        vectors = golden_vectors(golden, proof.features)
        first = loaded.score(golden.rows, vectors)
        _try_alone(loaded, vectors, first.outputs, row_wise=bool(settings.row_wise))
    raw = golden_csv(vectors, first.outputs)
    (folder / "golden.csv").write_bytes(raw)
    _score_again(folder, settings, read_golden_csv(raw, [*vectors, *first.outputs]), len(vectors))
    if predict is not None:
        how = {"frame_parameter": frame_parameter, "row_by_row": settings.row_by_row}
        compare_session(predict, golden, vectors, first.outputs, **how)  # type: ignore[arg-type] # a name and a flag
    return _with_scores(proof, first)


def _score_again(folder: Path, settings: Settings, golden: Sequence[Vector], inputs: int) -> None:
    """Requires that another fresh process gives the scores of golden.csv, whose first columns are inputs."""
    with loaded_bundle(folder, settings) as loaded:
        again = loaded.score(len(golden[0].values), golden[:inputs])
    if (difference := first_difference(golden[inputs:], again.outputs)) is not None:
        raise BundleNotWritten(
            f"the bundle gives other scores in each fresh process: {difference}; scores must depend on the rows alone: "
            "set n_jobs to 1 where threads add up in any order, and the seeds of random numbers"
        )


def _try_alone(loaded: Loaded, vectors: Sequence[Vector], outputs: Sequence[Vector], *, row_wise: bool) -> None:
    """Requires that golden rows can be scored alone, as callers send them, with the same scores if `row_wise` says so.

    A function may take a column without any value for one of another type, which only a row alone shows.
    """
    rows = len(outputs[0].values)
    for row in range(min(rows, _MOST_ALONE)):
        try:
            alone = loaded.score(1, [_row(vector, row) for vector in vectors]).outputs
        except BundleNotWritten as error:
            raise BundleNotWritten(f"golden row {row} can't be scored alone, though {rows} can: {error}") from error
        if row_wise and first_difference([_row(output, row) for output in outputs], alone) is not None:
            raise BundleNotWritten(
                f"row_wise is True, but golden row {row} has other scores when it is scored alone: leave row_wise out "
                "if the rows of a call belong together, or give row_by_row=True if the function was written for one row"
            )


def _row(vector: Vector, row: int) -> Vector:
    mask = None if vector.mask is None else vector.mask[row : row + 1]
    return vector._replace(values=vector.values[row : row + 1], mask=mask)


def _described(
    greeting: Mapping[str, Any], settings: Settings, golden: Golden | None, stated: Mapping[str, DeclaredFeature]
) -> tuple[Proof, str | None]:
    """Returns what the process said, and the parameter that takes a frame; None for a function of arrays."""
    parameters: Sequence[tuple[str, bool]] = [(name, required) for name, required in greeting["features"]]
    framed = settings.input == "frame"
    features = decide_frame(golden, stated) if framed else decide_columns(parameters, golden, stated)
    named = {feature.name for feature in features}
    proof = Proof(
        features=tuple(features),
        untyped=() if framed else tuple(name for name, _ in parameters if name not in named),
        packages=tuple(greeting["packages"]),
        outputs=(),
        warnings=tuple(f"it warned while it was loaded: {text}" for text in greeting["warnings"]),
        remarks=(*greeting["notes"], *_cut(greeting["packages"])),
    )
    required = [name for name, needed in parameters if needed]
    return proof, (required or [parameters[0][0]])[0] if framed else None


def _cut(packages: Sequence[str]) -> list[str]:
    if len(packages) < _MOST_PACKAGES:
        return []
    return [f"more than {_MOST_PACKAGES} distributions may be imported, and requirements.txt has these alone"]


def _with_scores(proof: Proof, answer: Answer) -> Proof:
    changing = [f"it went on with other data than it was given: {text}" for text, changes in answer.warnings if changes]
    remarks = [f"it warned while golden rows were scored: {text}" for text, changes in answer.warnings if not changes]
    if answer.changed:
        remarks.append(f"{answer.changed}: a gateway replaces the worker after each such call, which makes calls slow")
    return replace(
        proof,
        outputs=tuple(answer.outputs),
        warnings=(*proof.warnings, *changing),
        remarks=(*proof.remarks, *remarks),
    )
