"""Turns logged columns into the DataFrame that a person would give to xgboost, with categories as their values."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bridge.columns import Array
from bridge.errors import BundleError
from bridge.reconcile.xgboost_levels import Levels

__all__ = ["frame_of", "takes_values"]


def takes_values(levels: Mapping[int, Levels]) -> bool:
    """Whether xgboost can be given categories as values in a DataFrame; if not, it must be given codes.

    If a file stores categories, xgboost looks up those of a DataFrame in them. It then takes codes for no feature, and
    finds no categories that were cut when they were stored, or that it cuts itself.
    """
    if any(one.stored for one in levels.values()):
        return all(one.stored and one.comparable for one in levels.values())
    return any(one.known for one in levels.values())


def frame_of(numbers: Array, names: Sequence[str], levels: Mapping[int, Levels]) -> Any:
    """Returns rows as a DataFrame, with the codes of categories replaced by their values.

    Args:
        numbers: the rows, shape (rows, features), categories as codes, NaN where missing.
        names: the names of the columns.
        levels: the levels of the categories, by the position of the feature.

    Raises:
        BundleError: pandas is not installed.
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
            # All levels in the order of the codes, as in the training: xgboost compares codes with the number that
            # stands for missing before it recodes them.
            dtype: Any = pd.CategoricalDtype(pd.Index(found.known, dtype=found.dtype or None))
            codes = np.where(np.isnan(column), -1, column).astype(np.int64)
            columns[name] = pd.Categorical.from_codes(codes, dtype=dtype)
    return pd.DataFrame(columns)
