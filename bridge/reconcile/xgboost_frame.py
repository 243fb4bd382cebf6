"""Logged columns as the DataFrame that somebody at a desk would give to xgboost, with categories as what they are."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bridge.columns import Array
from bridge.errors import BundleError
from bridge.reconcile.xgboost_levels import Levels

__all__ = ["frame_of", "takes_values"]


def takes_values(levels: Mapping[int, Levels]) -> bool:
    """The library can be given categories by their values; else codes must do.

    Where a file stores categories, the library holds those of a frame against them, each against its own. It takes no
    codes beside them, and finds none that were cut, or that it cuts itself.
    """
    if any(one.stored for one in levels.values()):
        return all(one.stored and one.comparable for one in levels.values())
    return any(one.known for one in levels.values())


def frame_of(numbers: Array, names: Sequence[str], levels: Mapping[int, Levels]) -> Any:
    """A DataFrame of rows whose categories are codes, with the values in their place.

    Raises:
        BundleError: pandas is missing.
    """
    try:
        import pandas as pd  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise BundleError("pandas is not installed: pip install 'scorebridge-gateway[log]'") from error
    columns: dict[str, Any] = {}
    for position, name in enumerate(names):
        column, found = numbers[:, position], levels.get(position, Levels())
        columns[name] = column
        if found.known:
            # All levels in the order of the codes, as the training had them: the library holds codes against the number
            # for missing before it recodes.
            dtype: Any = pd.CategoricalDtype(pd.Index(found.known, dtype=found.dtype or None))
            codes = np.where(np.isnan(column), -1, column).astype(np.int64)
            columns[name] = pd.Categorical.from_codes(codes, dtype=dtype)
    return pd.DataFrame(columns)
