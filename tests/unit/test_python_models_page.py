"""The tables of docs/python-models.md say what a function really gets, and what becomes of what it returns."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scorebridge.runner.arguments import arrays
from scorebridge.runner.outputs import outputs_of
from scorebridge.runner.vectors import Vector

from bridge.columns import Column, Table, Type
from bridge.errors import InvalidRequest
from bridge.features import conversions
from bridge.features.binding import Binding
from bridge.features.feature import Feature

PAGE = (Path(__file__).parents[2] / "docs" / "python-models.md").read_text(encoding="utf-8")


def table_under(head: str) -> list[list[str]]:
    """The rows of the table whose head begins so, cell by cell."""
    lines = PAGE[PAGE.index(head) :].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in (lines[0], *lines[2:])]


IN = table_under("| the caller sends |")
SENT: dict[str, tuple[Type, Any]] = {
    "64-bit float": (Type.DOUBLE, np.array([1.5, 2.0])),
    "32-bit float": (Type.FLOAT, np.array([1.5, 2.0], np.float32)),
    "32-bit integer": (Type.INT, np.array([1, 2], np.int32)),
    "64-bit integer": (Type.INT64, np.array([1, 2], np.int64)),
    "boolean": (Type.BOOL, np.array([True, False])),
    "string": (Type.STRING, np.array(["a", "b"], object)),
}
DECLARED = {
    "declared double": Type.DOUBLE,
    "int": Type.INT,
    "int64": Type.INT64,
    "bool": Type.BOOL,
    "string": Type.STRING,
    "factor": Type.FACTOR,
    "nothing declared": None,
}
CELLS = [(row[0], head, cell) for row in IN[1:] for head, cell in zip(IN[0][1:], row[1:], strict=True)]


def given(sent: str, declared: Type | None) -> Any:
    """The array that the function gets."""
    kind, values = SENT[sent]
    feature = Feature("x", declared, ("a", "b") if declared is Type.FACTOR else ())
    bound = Binding((feature,), conversions.PYTHON).bind(Table((Column("x", kind, values),), 2))
    assert isinstance(bound, Table)
    (column,) = bound.columns
    return arrays([Vector("x", column.type.value, column.values, column.mask, column.levels)])["x"]


def test_the_table_has_every_type_that_callers_send_and_authors_declare() -> None:
    assert [row[0] for row in IN[1:]] == list(SENT)
    assert IN[0][1:] == list(DECLARED)


@pytest.mark.parametrize(("sent", "head", "cell"), CELLS)
def test_a_function_gets_what_the_table_of_types_says(sent: str, head: str, cell: str) -> None:
    if cell == "refused":
        with pytest.raises(InvalidRequest):
            given(sent, DECLARED[head])
        return
    array = given(sent, DECLARED[head])
    assert {"objects": "object"}.get(re.split("[,:]", cell)[0], re.split("[,:]", cell)[0]) == array.dtype.name
    assert array.tolist() == SENT[sent][1].tolist()


OUT = [(kind, output) for kinds, output in table_under("| type | output |")[1:] for kind in kinds.split(", ")]
NAMED: dict[str, Any] = {
    "Python's `float`": [1.5, 2.5],
    "Python's `int`": [1, 2],
    "text": ["a", "b"],
}


@pytest.mark.parametrize(("kind", "output"), OUT)
def test_an_output_has_the_type_that_the_page_says(kind: str, output: str) -> None:
    returned: Any
    if kind == "categories of text":
        returned = pd.Series(pd.Categorical(["a", "b"]))
    else:
        returned = NAMED.get(kind) or np.array([1, 0]).astype(kind)
    (vector,) = outputs_of(returned, 2)
    assert (vector.name, vector.type) == ("score", output)
