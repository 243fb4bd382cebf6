"""CSV that is split many lines at once means exactly what it means when it is scanned row by row."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from csv_files import ODD_CELLS, CsvFile, csv_files, outcome
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.columns import Type
from bridge.row_files import csv_file, csv_stream
from bridge.row_files.csv_cells import RowScanner
from bridge.row_files.csv_dialect import Dialect
from bridge.row_files.sources import open_source
from bridge.row_files.wanted import Wanted, WantedFeature


@pytest.fixture(scope="module", autouse=True)
def small_pieces() -> Iterator[None]:
    """Files are read in pieces of a few bytes, so that some lines of a chunk come before an error and some behind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_file, "_PIECE_BYTES", 16)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rows")


def _scanned(path: Path, file: CsvFile) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_stream, "split_block", lambda *_: None)
        return outcome(path, file)


@given(csv_files())
@settings(max_examples=500, deadline=None)
def test_whatever_is_in_a_file_it_is_read_as_if_each_row_was_scanned(folder: Path, file: CsvFile) -> None:
    path = folder / "rows.csv"
    path.write_bytes(file.content)
    assert outcome(path, file) == _scanned(path, file)


@pytest.mark.parametrize("quote", ["", '"'], ids=["bare", "quoted"])
@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("feature_type", [None, *Type], ids=str)
def test_an_odd_cell_is_what_it_is_if_it_is_scanned(
    tmp_path: Path, feature_type: Type | None, decimal: str, quote: str
) -> None:
    """Each has a column of its own, because one that is no number keeps its whole column from being read at once."""
    cells = [*ODD_CELLS, *(cell.replace(".", ",") for cell in ODD_CELLS)]
    names = [f"c{at}" for at in range(len(cells))]
    rows = [names, [f"{quote}{cell}{quote}" for cell in cells]]
    features = [WantedFeature(name, feature_type, ("a", "NA") if feature_type is Type.FACTOR else ()) for name in names]
    content = "".join(";".join(row) + "\n" for row in rows).encode()
    file = CsvFile(content, Dialect(";", decimal), Wanted(features), 10, frozenset())
    (tmp_path / "rows.csv").write_bytes(content)
    assert outcome(tmp_path / "rows.csv", file) == _scanned(tmp_path / "rows.csv", file)


def test_keys_and_copies_are_missing_where_they_are_not_in_quotes(tmp_path: Path) -> None:
    lines = ["id,x,n,f", '"NA",1,2,"NA"', "NA,1,2,NA", '"",1,2,""', ",1,2,", '"k",1,2,k', "\\N,1,2,\\N"]
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    source = open_source([str(tmp_path / "rows.csv")], Dialect(), Wanted(WANTED.features, "id", ("f",)))
    (chunk,) = source.chunks(10, lambda _: False)
    assert chunk.keys == ("NA", "k")
    assert chunk.echoed.to_pydict() == {"id": ["NA", "k"], "f": ["NA", "k"]}
    assert [(reject.row, reject.reason) for reject in chunk.rejects] == [(row, "NO_KEY") for row in (2, 3, 4, 6)]
    (chunk,) = open_source([str(tmp_path / "rows.csv")], Dialect(), Wanted(WANTED.features, None, ("id", "f"))).chunks(
        10, lambda _: False
    )
    copied = ["NA", "NA", "", None, "k", "\\N"]
    assert chunk.echoed.to_pydict() == {"id": copied, "f": copied}


@pytest.fixture
def scanned_rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The line of each row that is scanned one by one, with the header."""
    lines: list[int] = []
    rows = RowScanner.rows

    def noted(scanner: RowScanner) -> Any:
        for row in rows(scanner):
            lines.append(row.line)
            yield row

    monkeypatch.setattr(RowScanner, "rows", noted)
    return lines


TYPES = (Type.DOUBLE, Type.INT, Type.FACTOR)
WANTED = Wanted([WantedFeature(name, one) for name, one in zip("xnf", TYPES, strict=True)], "id")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=repr)
@pytest.mark.parametrize(
    "row",
    ["k,1.5,7,a", "k,,NA,", 'k,"1.5",7.0,"a,b"', "\u4e2d, 1e400 ,x,\0", "k,nan,99999999999,''"],
    ids=["plain", "missing", "quotes", "odd", "refused"],
)
def test_rows_of_one_line_and_the_same_width_are_not_scanned(
    tmp_path: Path, scanned_rows: list[int], row: str, end: str
) -> None:
    (tmp_path / "rows.csv").write_text(end.join(["id,x,n,f", *[row] * 25]), newline="")
    source = open_source([str(tmp_path / "rows.csv")], Dialect(), WANTED)
    assert sum(chunk.rows for chunk in source.chunks(10, lambda _: False)) == 25
    assert set(scanned_rows) == {1}


def test_a_chunk_with_a_row_of_several_lines_is_scanned_alone(tmp_path: Path, scanned_rows: list[int]) -> None:
    rows = ["k,1,2,a"] * 4 + ['k,1,2,"a\nb"'] + ["k,1,2,a"] * 25
    (tmp_path / "rows.csv").write_text("\n".join(["id,x,n,f", *rows, "k,1,2,\x00,", "", ""]))
    source = open_source([str(tmp_path / "rows.csv")], Dialect(), WANTED)
    chunks = list(source.chunks(10, lambda _: False))
    assert [chunk.rows for chunk in chunks] == [10, 10, 10, 1]
    assert [line for line in scanned_rows if line > 1] == [*range(2, 7), *range(8, 13), 33, 34]
    assert [reject.detail[:40] for chunk in chunks for reject in chunk.rejects] == [
        "line 33: the row has 5 cells, the header"
    ]


@given(st.lists(st.floats(allow_nan=False, width=64), min_size=1, max_size=50), st.sampled_from([".", ","]))
@settings(max_examples=100, deadline=None)
def test_every_double_that_is_printed_comes_back_the_same(folder: Path, doubles: list[float], decimal: str) -> None:
    """Whether it is read at once, or is among those that are not: with 2^53 and above, or without a digit but 0."""
    texts = [repr(one).replace(".", decimal) for one in doubles]
    (folder / "doubles.csv").write_text("\n".join(["x", *texts]))
    wanted = Wanted([WantedFeature("x", Type.DOUBLE)])
    source = open_source([str(folder / "doubles.csv")], Dialect(";", decimal), wanted)
    (chunk,) = source.chunks(50, lambda _: False)
    assert chunk.batch.columns[0].values.tobytes() == np.array(doubles).tobytes()


def test_a_row_with_too_few_cells_before_one_with_as_many_too_many_costs_both(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id,x,n,f\nk,1,2\nk,1,2,a,b\nk,1,2,a\n")
    (chunk,) = open_source([str(tmp_path / "rows.csv")], Dialect(), WANTED).chunks(10, lambda _: False)
    assert [(reject.row, reject.reason) for reject in chunk.rejects] == [(1, "MALFORMED_ROW"), (2, "MALFORMED_ROW")]
    assert chunk.places.tolist() == [2]


@pytest.mark.parametrize("separator", [",", "\u00a6"])
def test_rows_behind_empty_lines_come_in_their_order(tmp_path: Path, separator: str) -> None:
    lines = ["id,x,n,f", "a,1,2,a", "", "", "b,1,2,a", "c,1,2,a"]
    (tmp_path / "rows.csv").write_text("\n".join(lines).replace(",", separator))
    chunks = list(open_source([str(tmp_path / "rows.csv")], Dialect(separator), WANTED).chunks(1, lambda _: False))
    assert [chunk.keys for chunk in chunks] == [("a",), (), (), ("b",), ("c",)]


@pytest.mark.parametrize("chunk_rows", [1, 3, 10])
@pytest.mark.parametrize(
    ("line", "said"),
    [(b'k,1,2,a"a', r"row 4 .*: a quote is out of place"), (b"k,1,2,a", "line 6 is not utf-8")],
    ids=["a quote before it", "nothing before it"],
)
def test_bytes_that_are_no_text_end_a_run_behind_the_rows_before_them(
    tmp_path: Path, line: bytes, said: str, chunk_rows: int
) -> None:
    lines = [b"id,x,n,f", b"k,1,2,a", b"k,1,2,a", line, b"k,1,2,a", b"k,1,2,\xff", b"k,1,2,a"]
    file = CsvFile(b"\n".join(lines), Dialect(), WANTED, chunk_rows, frozenset())
    (tmp_path / "rows.csv").write_bytes(file.content)
    seen = outcome(tmp_path / "rows.csv", file)
    assert re.search(said, seen[-1][1])
    assert seen == _scanned(tmp_path / "rows.csv", file)
