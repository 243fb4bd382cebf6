"""A run reads the rows of files of every format, in the same chunks each time."""

import gzip
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from source_files import CSV, FEATURES, WRITERS, all_of, reopen, table_of_rows, values_of

from bridge.columns import Type
from bridge.row_files.csv_dialect import Dialect
from bridge.row_files.source_errors import InputChanged
from bridge.row_files.sources import open_source
from bridge.row_files.stamp import Stamp
from bridge.row_files.wanted import Wanted, WantedFeature

WANTED = Wanted(FEATURES, "id", ("note",))


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("chunk_rows", [1, 7, 100, 1000])
def test_every_format_gives_the_same_rows_whatever_the_size_of_chunks(
    tmp_path: Path, write: Callable[[Path, pa.Table], Path], chunk_rows: int
) -> None:
    table = table_of_rows(100)
    path = write(tmp_path, table)
    source = open_source([str(path)], CSV, WANTED)
    chunks = all_of(source, chunk_rows)
    assert [chunk.number for chunk in chunks] == list(range(source.counted))
    assert (source.counted, source.rows_read) == (-(-100 // chunk_rows), 100)
    assert [place for chunk in chunks for place in chunk.places] == list(range(100))
    assert values_of(chunks, "x") == table["x"].to_pylist()
    assert values_of(chunks, "n") == table["n"].to_pylist()
    assert values_of(chunks, "level") == table["level"].to_pylist()
    assert [key for chunk in chunks for key in chunk.keys] == [str(one) for one in table["id"].to_pylist()]
    echoed = pa.concat_tables([chunk.echoed for chunk in chunks])
    assert echoed.schema == source.echo_schema
    assert echoed.column_names == ["id", "note"]
    assert echoed["note"].to_pylist() == table["note"].to_pylist()
    assert source.read_share() == 1
    source.close()


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_how_much_was_read_is_told_while_another_thread_closes_the_file(
    tmp_path: Path, write: Callable[[Path, pa.Table], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader is asked for its position by the thread that reads alone: a file that is being closed has none."""
    source = open_source([str(write(tmp_path, table_of_rows(100)))], CSV, WANTED)
    chunks = source.chunks(7, lambda _: False)
    next(chunks)

    def closing() -> int:
        raise ValueError("I/O operation on closed file")

    monkeypatch.setattr(source._reader, "position", closing)
    assert 0 <= source.read_share() <= 1  # Arrow's files of the one form are read without moving
    monkeypatch.undo()
    assert len(list(chunks)) == 14
    assert source.read_share() == 1
    source.close()


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("done", [{0}, {1, 2}, {0, 1, 2, 5}, set(range(15)), {14}], ids=str)
def test_a_resumed_run_gets_the_same_chunks_without_the_finished_ones(
    tmp_path: Path, write: Callable[[Path, pa.Table], Path], done: set[int]
) -> None:
    path = write(tmp_path, table_of_rows(100))
    source = open_source([str(path)], CSV, WANTED)
    whole = {chunk.number: chunk for chunk in all_of(source, 7)}
    resumed = reopen(str(path), WANTED)
    rest = list(resumed.chunks(7, done.__contains__))
    assert [chunk.number for chunk in rest] == sorted(whole.keys() - done)
    for chunk in rest:
        same = whole[chunk.number]
        assert (chunk.first, chunk.keys, chunk.rows) == (same.first, same.keys, same.rows)
        assert chunk.echoed.equals(same.echoed)
        assert values_of([chunk], "x") == values_of([same], "x")
    assert (resumed.counted, resumed.rows_read) == (15, 100)


def test_chunks_do_not_span_files_and_files_are_read_in_order(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        pq.write_table(table_of_rows(5), tmp_path / f"{name}.parquet")
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / ".hidden.crc").touch()
    source = open_source([str(tmp_path)], CSV, WANTED)
    chunks = all_of(source, 3)
    assert [(Path(chunk.file).name, chunk.first, chunk.rows) for chunk in chunks] == [
        (f"{name}.parquet", first, rows) for name in "abc" for first, rows in ((0, 3), (3, 2))
    ]
    assert source.rows == source.rows_read == 15


def test_the_folders_of_a_partitioned_dataset_are_columns(tmp_path: Path) -> None:
    for folder in ("dt=2026-11-21/n=1", "dt=2026-11-22/n=2", "dt=__HIVE_DEFAULT_PARTITION__/n=3", "dt=a%2Fb/n=4"):
        (tmp_path / folder).mkdir(parents=True)
        pq.write_table(table_of_rows(2).drop(["n"]), tmp_path / folder / "part-0.parquet")
    wanted = Wanted(FEATURES, "id", ("dt",), ignore_extra=True)
    chunks = all_of(open_source([str(tmp_path)], CSV, wanted), 10)
    assert values_of(chunks, "n") == [1, 1, 2, 2, 3, 3, 4, 4]
    echoed = pa.concat_tables([chunk.echoed for chunk in chunks])
    assert echoed["dt"].to_pylist() == ["2026-11-21"] * 2 + ["2026-11-22"] * 2 + [None] * 2 + ["a/b"] * 2


def test_a_partition_may_be_the_key_and_is_read_of_csv_files_too(tmp_path: Path) -> None:
    (tmp_path / "dt=1").mkdir()
    (tmp_path / "dt=1" / "a.csv").write_text("x\n1.5\n2\n")
    wanted = Wanted((WantedFeature("x", Type.DOUBLE),), "dt")
    (chunk,) = all_of(open_source([str(tmp_path)], CSV, wanted), 10)
    assert chunk.keys == ("1", "1")
    assert chunk.echoed["dt"].to_pylist() == ["1", "1"]


@pytest.mark.parametrize("write", [WRITERS["csv"], WRITERS["parquet"]], ids=["csv", "parquet"])
@pytest.mark.parametrize("change", ["grown", "shrunk", "changed", "vanished"])
def test_a_file_that_changes_while_it_is_read_or_before_ends_the_run(
    tmp_path: Path, write: Callable[[Path, pa.Table], Path], change: str
) -> None:
    path = write(tmp_path, table_of_rows(2000))
    source = open_source([str(path)], CSV, WANTED)
    source.check()
    chunks = source.chunks(1000, lambda _: False)
    next(chunks)
    if change == "vanished":
        path.unlink()
    elif change == "changed":
        os.utime(path, ns=(0, 0))
    elif change == "grown":
        path.write_bytes(path.read_bytes() + b"1,2,3\n")
    else:
        os.truncate(path, path.stat().st_size - 10)
    with pytest.raises(InputChanged, match=change):
        list(chunks)
    with pytest.raises(InputChanged, match=change):
        source.check()
    with pytest.raises(InputChanged, match=change):
        list(source.chunks(1000, lambda _: True))


def test_a_stamp_comes_back_from_json(tmp_path: Path) -> None:
    pq.write_table(table_of_rows(25), tmp_path / "rows.parquet", row_group_size=10)
    (stamp,) = open_source([str(tmp_path)], CSV, WANTED).stamps
    document = json.loads(json.dumps(stamp.to_json()))
    assert Stamp.from_json(document).to_json() == document
    assert document["row_groups"] == [10, 10, 5]
    assert document["bytes"] == (tmp_path / "rows.parquet").stat().st_size


def test_a_resumed_run_does_not_read_row_groups_that_are_finished(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(table_of_rows(40), path, row_group_size=10)
    at = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    content = bytearray(path.read_bytes())
    content[at : at + 20] = b"\xff" * 20
    path.write_bytes(content)
    chunks = list(open_source([str(path)], CSV, WANTED).chunks(10, {1}.__contains__))
    assert [chunk.number for chunk in chunks] == [0, 2, 3]


@pytest.mark.parametrize(
    ("content", "dialect", "expected"),
    [
        ("x;id\n1,5;a\n", Dialect(";", ","), [1.5]),
        ("sep=;\nx;id\n1.5;a\n\n\n", Dialect(";"), [1.5]),
        ("\ufeffx\tid\r\n 1e3 \ta\r\nNA\tb\r\n", Dialect("tab"), [1000.0, None]),
    ],
    ids=["decimal commas", "sep line", "tab"],
)
def test_csv_is_read_in_any_dialect(tmp_path: Path, content: str, dialect: Dialect, expected: Sequence[Any]) -> None:
    (tmp_path / "rows.csv").write_text(content, newline="")
    wanted = Wanted((WantedFeature("x", Type.DOUBLE),), "id")
    assert values_of(all_of(open_source([str(tmp_path / "rows.csv")], dialect, wanted), 10), "x") == expected


def test_csv_without_a_header_and_compressed_csv(tmp_path: Path) -> None:
    wanted = Wanted((WantedFeature("x", Type.DOUBLE), WantedFeature("n", Type.INT)), "n")
    with gzip.open(tmp_path / "rows.csv.gz", "wt") as file:
        file.write("1,2\n3,4\n")
    chunks = all_of(open_source([str(tmp_path / "rows.csv.gz")], Dialect(header=False), wanted), 10)
    assert values_of(chunks, "x") == [1, 3]
    assert chunks[0].keys == ("2", "4")


def test_whether_a_column_without_a_type_is_text_does_not_depend_on_the_chunk(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text('x,f\n1,NA\n2,b\n"a",""\n')
    wanted = Wanted((WantedFeature("x"), WantedFeature("f", Type.FACTOR, ("NA", "b", ""))))
    chunks = all_of(open_source([str(tmp_path / "rows.csv")], CSV, wanted), 1)
    assert values_of(chunks, "x") == ["1", "2", "a"]
    assert values_of(chunks, "f") == [None, "b", ""]


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_file_without_rows_has_no_chunks_and_the_same_schema(
    tmp_path: Path, write: Callable[[Path, pa.Table], Path]
) -> None:
    full, empty = tmp_path / "full", tmp_path / "empty"
    full.mkdir()
    empty.mkdir()
    some = open_source([str(write(full, table_of_rows(3)))], CSV, WANTED)
    none = open_source([str(write(empty, table_of_rows(3).slice(3)))], CSV, WANTED)
    assert all_of(none, 10) == []
    assert (none.counted, none.rows_read) == (0, 0)
    assert none.echo_schema == some.echo_schema


def test_nothing_copied_is_a_table_of_the_right_length_without_columns(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("x\n1\nbad\n3\n")
    pq.write_table(pa.table({"x": pa.array([1, 1 << 63, 3], pa.uint64())}), tmp_path / "rows.parquet")
    wanted = Wanted((WantedFeature("x", Type.INT64),))
    for path in (tmp_path / "rows.csv", tmp_path / "rows.parquet"):
        (chunk,) = all_of(open_source([str(path)], CSV, wanted), 10)
        assert (chunk.rows, chunk.batch.rows, chunk.echoed.num_rows, chunk.echoed.num_columns) == (3, 2, 2, 0)
        assert [one.row for one in chunk.rejects] == [2]
        assert np.array_equal(chunk.places, [0, 2])
