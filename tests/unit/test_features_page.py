"""docs/features.md: the worked example of its layout is what the code writes and reads."""

import json
import re
from pathlib import Path

import numpy as np
from fixtures import ROOT

from bridge.bundles.settings import read_model_settings
from bridge.columns import Array, Column, Type
from bridge.features.stores.group import read_meta, write_meta
from bridge.features.stores.packed_rows import RowFormat

PAGE = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
MISSING = np.array([True])


def block(heading: str) -> str:
    """The first block of code behind a heading."""
    found = re.search(rf"### {heading}\n.*?```\w*\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def text(value: str) -> Array:
    values = np.empty(1, object)
    values[:] = value
    return values


def test_the_example_s_bytes_are_those_of_the_entity() -> None:
    raw = bytes.fromhex("".join(re.findall(r"^((?:[0-9a-f]{2,} ?)+)", block("A row"), re.MULTILINE)))
    batch = read_meta("users", block("The description").encode()).current
    assert batch is not None
    form = RowFormat(batch.schema, batch.features)
    columns = [
        Column("orders", Type.INT, np.array([3], np.int32)),
        Column("city", Type.STRING, text("Köln")),
        Column("spent", Type.DOUBLE, np.array([np.nan])),
        Column("member", Type.BOOL, np.array([True])),
        Column("segment", Type.STRING, text(""), MISSING),
    ]
    assert form.pack(columns) == [raw]
    read = form.unpack([raw], batch.features)
    assert read.found.all()
    assert [column.missing().tolist() for column in read.columns] == [[False], [False], [True], [False], [True]]


def test_the_example_s_description_is_what_is_written() -> None:
    group = read_meta("users", block("The description").encode())
    assert json.loads(write_meta(group)) == json.loads(block("The description"))


def test_the_model_on_the_page_is_one(tmp_path: Path) -> None:
    examples = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    example = next(one for one in examples if "[lookup" in one)
    (tmp_path / "model.toml").write_text(example)
    settings = read_model_settings(tmp_path)
    assert settings.lookup["history"].steps == ("previous", "default")
    assert settings.lookup["today"].since == "history"
    assert settings.combine["orders_30d"].operands == (("history", "orders"), ("today", "orders"))
