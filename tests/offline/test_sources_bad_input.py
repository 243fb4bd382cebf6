"""What can't be read ends a run with a sentence, or costs one row, and no value is repeated."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from source_files import CSV, all_of, values_of

from bridge.columns import Type
from bridge.row_files.source_errors import SourceError
from bridge.row_files.sources import open_source
from bridge.row_files.wanted import Wanted, WantedFeature

X = Wanted((WantedFeature("x", Type.DOUBLE), WantedFeature("f", Type.STRING)), "id")


def test_bad_rows_of_csv_are_rejects_and_the_others_stay(tmp_path: Path) -> None:
    long = "k" * 1025
    content = f'id,x,f\na,1,t\nb,secret,t\nc,2\n\n,3,t\nd,4,t\0\n{long},5,t\ne,6,"q"\n'
    (tmp_path / "rows.csv").write_text(content)
    (chunk,) = all_of(open_source([str(tmp_path / "rows.csv")], CSV, X), 100)
    assert [(one.row, one.key, one.column, one.reason) for one in chunk.rejects] == [
        (2, "b", "x", "INVALID_VALUE"),
        (3, "", "", "MALFORMED_ROW"),
        (4, "", "", "MALFORMED_ROW"),
        (5, "", "id", "NO_KEY"),
        (6, "d", "f", "INVALID_VALUE"),
        (7, "", "id", "KEY_TOO_LONG"),
    ]
    assert (chunk.rows, chunk.keys, values_of([chunk], "x")) == (8, ("a", "e"), [1.0, 6.0])
    assert not any("secret" in one.detail for one in chunk.rejects)


def test_bad_rows_of_json_lines_are_rejects_and_the_others_stay(tmp_path: Path) -> None:
    lines = [
        '{"id": 12345678901234567890, "x": 0.1, "f": "t"}',
        '{"id": "b", "x": NaN, "f": "t"}',
        '{"id": "c", "x": 1, "x": 2}',
        "[1]",
        '{"id": "d"',
        "",
        '{"id": "e", "x": "7"}',
        '{"id": "f", "x": 9007199254740993}',
        '{"x": 1}',
        '{"id": "g", "f": "\\ud800"}',
        '{"id": "h"}',
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n\n")
    (chunk,) = all_of(open_source([str(tmp_path / "rows.jsonl")], CSV, X), 100)
    assert [(one.row, one.reason) for one in chunk.rejects] == [
        *((row, "MALFORMED_ROW") for row in (2, 3, 4, 5, 6)),
        (7, "INVALID_VALUE"),
        (8, "INVALID_VALUE"),
        (9, "NO_KEY"),
        (10, "MALFORMED_ROW"),
    ]
    assert chunk.keys == ("12345678901234567890", "h")
    assert values_of([chunk], "x") == [0.1, None]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b'id,x,f\na,1,"t\n', "never closed"),
        ("a.csv", b"id,x,f\na,1,\xff\n", "not utf-8"),
        ("a.csv", b"id,x\na,1\n", "no column 'f'"),
        ("a.csv", b"id,x,f,z\na,1,t,2\n", "--ignore-extra"),
        ("a.csv", b"id,x,f,x\na,1,t,2\n", "'x' is there twice"),
        ("a.csv", b"", "no header"),
        ("a.csv.gz", b"id,x,f\n", "gzip"),
        ("a.jsonl", b'{"id": "a", "x": 1, "f": "t", "z": 1}\n', "--ignore-extra"),
        ("a.jsonl", b'{"id": "a", "x": 1}\n', "no column 'f'"),
        ("a.jsonl", b'{"id": "a", "x": 1, "f": "\xff"}\n', "UTF-8"),
        ("a.parquet", b"PAR1 nothing", "corrupt"),
        ("a.arrow", b"nothing", "corrupt"),
        ("a.xlsx", b"nothing", "format is not known"),
    ],
)
def test_what_can_not_be_read_as_a_whole_is_refused_with_its_file(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=said) as refused:
        all_of(open_source([str(tmp_path / name)], CSV, X), 10)
    assert name in str(refused.value)


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
@pytest.mark.parametrize("twice", ["id", "x", "z"])
def test_two_columns_of_one_name_are_refused_whoever_needs_them(tmp_path: Path, name: str, twice: str) -> None:
    columns: dict[str, Any] = {"id": ["a"], "x": [1.5], "f": ["t"], "z": ["u"]}
    columns = {key: pa.array(values) for key, values in columns.items()}
    table = pa.table([*columns.values(), columns[twice]], names=[*columns, twice])
    if name == "a.parquet":
        pq.write_table(table, tmp_path / name)
    else:
        with pa.ipc.new_file(str(tmp_path / name), table.schema) as writer:
            writer.write_table(table)
    wanted = replace(X, ignore_extra=True)
    with pytest.raises(SourceError, match=f"{name}: two columns have the name '{twice}': rename one of them"):
        open_source([str(tmp_path / name)], CSV, wanted)


@pytest.mark.parametrize(
    "kinds",
    [
        (pa.null(), pa.string()),
        (pa.string(), pa.null()),
        (pa.null(), pa.int64()),
        (pa.null(), pa.timestamp("us")),
        (pa.null(), pa.null()),
    ],
    ids=str,
)
def test_a_column_without_values_is_kept_as_the_type_that_it_has_elsewhere(
    tmp_path: Path, kinds: tuple[Any, Any]
) -> None:
    for at, kind in enumerate(kinds):
        note: Any = pa.array([None, None] if kind == pa.null() else [None, 5]).cast(kind)
        x: Any = pa.nulls(2) if kind == pa.null() else pa.array([1.5, 2.5])
        pq.write_table(pa.table({"x": x, "note": note}), tmp_path / f"{at}.parquet")
    source = open_source([str(tmp_path)], CSV, Wanted((WantedFeature("x", Type.DOUBLE),), keep=("note",)))
    other = next((kind for kind in kinds if kind != pa.null()), pa.null())
    assert source.echo_schema.types == [other]
    chunks = all_of(source, 10)
    echoed = [chunk.echoed for chunk in chunks]
    assert all(one is not None and one.schema == source.echo_schema for one in echoed)
    values = [value for one in echoed if one is not None for value in one["note"].cast(pa.string()).to_pylist()]
    assert [value is not None for value in values] == [kind != pa.null() and row for kind in kinds for row in (0, 1)]


def test_an_object_with_a_name_twice_is_a_row_that_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"id": "a", "x": 1, "f": "t"}\n{"id": "b", "x": 1, "f": "t", "x": 2}\n{"id": "c", "x": 3, "f": "t"}\n'
    )
    (chunk,) = all_of(open_source([str(tmp_path / "a.jsonl")], CSV, X), 10)
    assert [(one.row, one.detail) for one in chunk.rejects] == [(2, "the object has a name twice")]
    assert values_of([chunk], "x") == [1.0, 3.0]


def test_types_differ_whatever_file_without_values_is_before_them(tmp_path: Path) -> None:
    notes: list[Any] = [pa.nulls(1), pa.array(["a"]), pa.array([1])]
    for at, note in enumerate(notes):
        pq.write_table(pa.table({"x": [1.5], "note": note}), tmp_path / f"{at}.parquet")
    wanted = Wanted((WantedFeature("x", Type.DOUBLE),), keep=("note",))
    with pytest.raises(SourceError, match=r"'note' is string in .*1.parquet and int64 in .*2.parquet"):
        open_source([str(tmp_path)], CSV, wanted)


def test_a_corrupt_page_and_a_file_cut_short_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    table = pa.table({"id": [str(row) for row in range(50)], "x": [1.5] * 50, "f": ["t"] * 50})
    pq.write_table(table, path, write_page_checksum=True, use_dictionary=False)
    content = bytearray(path.read_bytes())
    column = pq.ParquetFile(path).metadata.row_group(0).column(1)
    content[column.data_page_offset + column.total_compressed_size - 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(SourceError, match="corrupt"):
        all_of(open_source([str(path)], CSV, X), 10)
    path.write_bytes(content[:-20])
    with pytest.raises(SourceError, match="corrupt"):
        open_source([str(path)], CSV, X)


def test_files_with_other_types_or_columns_and_types_that_no_model_takes_are_refused(tmp_path: Path) -> None:
    wanted = Wanted((WantedFeature("x", Type.DOUBLE), WantedFeature("f", required=False)))
    pq.write_table(pa.table({"x": [1.5]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "b.parquet")
    with pytest.raises(SourceError, match=r"'x' is double in .*a.parquet and int64 in .*b.parquet"):
        open_source([str(tmp_path)], CSV, wanted)
    pq.write_table(pa.table({"x": [1.5], "f": [1]}), tmp_path / "b.parquet")
    with pytest.raises(SourceError, match="has no column 'f'"):
        open_source([str(tmp_path)], CSV, wanted)
    pq.write_table(pa.table({"x": [[1.5]]}), tmp_path / "b.parquet")
    with pytest.raises(SourceError, match="'x' is of the Arrow type list"):
        open_source([str(tmp_path / "b.parquet")], CSV, wanted)
    (tmp_path / "c.jsonl").write_text(json.dumps({"x": 1}))
    with pytest.raises(SourceError, match="several formats"):
        open_source([str(tmp_path)], CSV, wanted)


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "pipe.csv", tmp_path, tmp_path / "none.csv"):
        with pytest.raises(SourceError, match=path.name):
            open_source([str(path)], CSV, X)
    with pytest.raises(SourceError, match="no input"):
        open_source([], CSV, X)


def test_a_linked_folder_is_read_and_a_circle_of_links_or_a_file_twice_is_refused(tmp_path: Path) -> None:
    wanted = Wanted((WantedFeature("x", Type.DOUBLE),))
    for folder, value in (("rows", 1), ("elsewhere", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.csv").write_text(f"x\n{value}\n")
    (tmp_path / "rows" / "more").symlink_to(tmp_path / "elsewhere")
    rows = str(tmp_path / "rows")
    assert values_of(all_of(open_source([rows], CSV, wanted), 10), "x") == [1.0, 2.0]
    again = f"{rows}/../rows/a.csv"
    with pytest.raises(SourceError, match="there twice"):
        open_source([rows, again], CSV, wanted)
    (tmp_path / "elsewhere" / "back").symlink_to(rows)
    with pytest.raises(SourceError, match="read already"):
        open_source([rows], CSV, wanted)


def test_arrow_texts_whose_offsets_are_damaged_are_refused_also_where_they_are_only_copied(tmp_path: Path) -> None:
    table = pa.table({"x": [1.5, 2.5], "note": ["abc", "def"]})
    path = tmp_path / "rows.arrow"
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)
    content = path.read_bytes()
    offsets = b"".join(number.to_bytes(4, "little") for number in (0, 3, 6))
    assert content.count(offsets) == 1
    path.write_bytes(content.replace(offsets, offsets[:8] + (1 << 30).to_bytes(4, "little")))
    source = open_source([str(path)], CSV, Wanted((WantedFeature("x", Type.DOUBLE),), keep=("note",)))
    with pytest.raises(SourceError, match="corrupt"):
        all_of(source, 10)


def test_a_feature_that_no_json_line_has_is_not_sent_and_one_that_begins_late_is_refused(tmp_path: Path) -> None:
    wanted = Wanted((WantedFeature("x", Type.DOUBLE), WantedFeature("y", Type.DOUBLE, required=False)))
    path = tmp_path / "rows.jsonl"
    path.write_text('{"x": 1}\n' * 1001)
    (chunk,) = all_of(open_source([str(path)], CSV, wanted), 2000)
    assert [column.name for column in chunk.batch.columns] == ["x"]
    path.write_text('{"x": 1}\n' * 1001 + '{"x": 1, "y": 2}\n')
    with pytest.raises(SourceError, match="none of the first 1000 rows has 'y'"):
        all_of(open_source([str(path)], CSV, wanted), 2000)


def test_a_column_without_a_type_is_numbers_or_text_in_all_csv_files(tmp_path: Path) -> None:
    wanted = Wanted((WantedFeature("x"),))
    (tmp_path / "a.csv").write_text("x\n1\n")
    (tmp_path / "b.csv").write_text('x\n"5"\n')
    with pytest.raises(SourceError, match=r"'x' is numbers .* in .*a\.csv and text .* in .*b\.csv"):
        open_source([str(tmp_path)], CSV, wanted)


@pytest.mark.parametrize("key", ["1.5", "true", '"a\\u0000b"'])
def test_a_key_that_is_none_costs_its_row_and_is_not_repeated(tmp_path: Path, key: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"id": {key}, "x": 1}}\n{{"id": 7, "x": 2}}\n')
    (chunk,) = all_of(open_source([str(path)], CSV, Wanted((WantedFeature("x", Type.DOUBLE),), "id")), 10)
    assert [one.reason for one in chunk.rejects] == ["INVALID_VALUE"]
    assert "\0" not in chunk.rejects[0].key
    assert chunk.keys == ("7",)
