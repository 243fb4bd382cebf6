"""Compiles a model's trees to a library, or takes the one that is there, and proves that it gives the booster's bits.

Run as `python -m bridge.backends.xgboost.compiling FILE LIBRARY OBJECTIVE CODES`; exit code 0 says that LIBRARY gives
the booster's bits. It runs in a process of its own, because a library may be damaged, and a compiler may run for ever.
"""

import json
import sys
from pathlib import Path
from typing import Any

from bridge.backends.xgboost.document import boosted_trees, read_document
from bridge.backends.xgboost.proof import LignumRefused, load_lignum_model, prove_lignum
from bridge.backends.xgboost.trial_rows import splits_of

__all__ = ["main"]

_MOST_NODES = 25_000  # more nodes take minutes to compile, and gain less speed


def main(path: Path, library: Path, objective: str, codes: list[int]) -> str:
    """Compiles and proves a library; returns why there is none that may be used, or an empty text for a proven one.

    Args:
        path: the model file.
        library: the path of the library, in a folder of its own; an existing file is proven and not compiled.
        objective: the objective that the booster was trained for.
        codes: for each feature, the number of its known categories; -1 for a number.
    """
    import xgboost  # noqa: PLC0415 - only the child needs it

    booster = xgboost.Booster(params={"nthread": 1}, model_file=str(path))
    trees = boosted_trees(read_document(path)).get("trees", ())
    if sum(len(tree["left_children"]) for tree in trees) > _MOST_NODES:
        return "there are too many trees"
    features = booster.num_features()
    try:
        if not library.exists():
            lignum: Any = load_lignum_model(str(path), objective, features)
            lignum.compile(work_dir=str(library.parent), library=str(library), jobs=1)
        compiled = load_lignum_model(str(path), objective, features, str(library))
    except (LignumRefused, RuntimeError, ValueError, OSError) as error:
        return str(error)
    return prove_lignum(compiled, booster, objective, splits_of(trees, features, codes))


if __name__ == "__main__":
    # xgboost imports sklearn where there is one, which takes a second of every load.
    sys.modules.update({"sklearn": None})  # type: ignore[dict-item]
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4])) or 0)
