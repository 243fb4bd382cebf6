"""A model file read as a document: what xgboost wrote, or a damaged one, whatever the bytes are."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from boosters import BINARY, train
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.backends.xgboost.categories import as_cut, stored_categories
from bridge.backends.xgboost.document import DocumentDamaged, boosted_trees, found, read_document

LENGTH = b"L\0\0\0\0\0\0\0"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One booster as UBJSON and as JSON."""
    folder = tmp_path_factory.mktemp("files")
    booster = train(BINARY)
    booster.set_attr(note="grün", best_iteration="29")
    for name in ("model.ubj", "model.json"):
        booster.save_model(folder / name)
    return folder / "model.ubj", folder / "model.json"


def plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def test_both_forms_of_a_file_are_one_document(files: tuple[Path, Path]) -> None:
    ubjson, text = (plain(read_document(path)) for path in files)
    trees = [one.pop("trees") for one in (boosted_trees(ubjson), boosted_trees(text))]
    assert ubjson == text
    assert found(ubjson, "learner", "attributes", "note") == "grün"
    assert len(trees[0]) == len(trees[1]) == 30
    for one, other in zip(*trees, strict=True):
        assert one.keys() == other.keys()
        for name in ("left_children", "split_indices"):
            assert one[name] == other[name]
        as_float32 = [np.array(tree["split_conditions"], np.float32).tobytes() for tree in (one, other)]
        assert as_float32[0] == as_float32[1]


@given(st.floats(0, 1, exclude_max=True))
@settings(max_examples=50, deadline=None)
def test_a_part_of_a_file_is_damaged(files: tuple[Path, Path], share: float) -> None:
    for path in files:
        raw = path.read_bytes()
        part = path.with_name(f"part{path.suffix}")
        part.write_bytes(raw[: int(len(raw) * share)])
        with pytest.raises(DocumentDamaged):
            read_document(part)


@given(st.integers(0), st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_whatever_byte_is_wrong_nothing_but_damage_is_said(files: tuple[Path, Path], place: int, byte: int) -> None:
    raw = bytearray(files[0].read_bytes())
    raw[place % min(len(raw), 3000)] = byte
    other = files[0].with_name("other.ubj")
    other.write_bytes(raw)
    try:
        document = read_document(other)
    except DocumentDamaged:
        return
    assert isinstance(document, dict)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"{" + (LENGTH + b"\x01a{") * 100_000,
        b"{" + LENGTH + b"\x01a[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"{" + LENGTH + b"\x01a[#L\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"{" + LENGTH + b"\x01a[$T#L\x00\x00\x00\x7f\xff\xff\xff\xff",
        b"{" + LENGTH + b"\x01aSL\xff\xff\xff\xff\xff\xff\xff\xff",
        b"{" + LENGTH + b"\x01aS" + LENGTH + b"\x02\xff\xfe}",
        b"[]",
        b"{" + LENGTH + b"\x01ax}",
    ],
    ids=lambda raw: repr(raw[:24]),
)
def test_no_count_and_no_depth_is_believed(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "model.ubj"
    path.write_bytes(raw)
    with pytest.raises(DocumentDamaged, match=r"^model\.ubj "):
        read_document(path)


def test_json_that_is_nested_for_ever_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text('{"a":' * 100_000)
    with pytest.raises(DocumentDamaged):
        read_document(path)


def encoded(texts: list[bytes]) -> dict[str, Any]:
    edges = np.cumsum([0, *(len(text) for text in texts)])
    return {"offsets": edges.tolist(), "values": [byte - 256 * (byte > 127) for byte in b"".join(texts)]}


def test_categories_are_what_they_are_and_cut_ones_are_kept_apart() -> None:
    ids = [1111111111111111111, 1111111111111111112]
    enc = [{"type": 15, "values": ids}, encoded([b"lo", b"hi"]), encoded(["ü1".encode(), b"2"]), encoded([])]
    document = json.loads(json.dumps({"learner": {"gradient_booster": {"model": {"cats": {"enc": enc}}}}}))
    whole, cut = stored_categories(document, [3, 2, 0])
    assert whole == {"0": ids, "1": ["lo", "hi"]}
    assert cut == {"2": ["\u00c3\u00bc1", "2"]}
    assert stored_categories(document, [3, 4, 0]) == ({"0": ids, "1": ["lo", "hi"], "2": ["ü1", "2"]}, {})


@given(st.lists(st.text(), unique=True))
def test_texts_are_cut_as_xgboost_did(levels: list[str]) -> None:
    raw, stored, first = "".join(levels).encode(), [], 0
    for level in levels:
        stored.append(raw[first : first + len(level)].decode("latin-1"))
        first += len(level)
    assert as_cut(levels) == stored
