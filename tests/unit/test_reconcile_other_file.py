"""Files of scores as a run writes them, read to be compared with a log."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bridge.columns import Column, Type
from bridge.offline.outputs import Publication
from bridge.reconcile.other_file import OtherFile
from bridge.row_files.other_tables import AgainstNotReadable

TABLE = pa.table(
    {
        "id": ["a", "b", "c"],
        "note": ['two\nlines, "quoted"', "", None],
        "p": [1 / 3, None, 5e-324],
        "label": ["x", None, "007"],
        "source": ["MODEL", "MODEL", "DEFAULT"],
        "reason": pa.array([None, None, "MODEL_ERROR"], pa.string()),
        "version": [1, 1, 1],
    }
)


def publish(path: Path, table: pa.Table, **partition: str) -> None:
    work = path.with_name(f"{path.name}.run")
    work.mkdir(exist_ok=True)
    made = Publication(path, partition, table.schema, overwrite=False, about={}, work=work)
    made.write(iter([table]))
    made.publish()


def scores(file: OtherFile, output: str, kind: Type, keys: str, *, alone: bool = False) -> list[Any]:
    rows = np.array([file.rows.get(key, -1) for key in keys], np.int64)
    column = file.column(output, alone=alone)
    assert column is not None
    found = column.scores(rows, Column(output, kind, np.zeros(len(rows), kind.dtype)))
    return [None if missing else value for value, missing in zip(found.values.tolist(), found.missing(), strict=True)]


@pytest.mark.parametrize("name", ["o.parquet", "o.csv", "o.jsonl", "o.arrow", "o"])
def test_what_a_run_writes_is_read_as_it_is(tmp_path: Path, name: str) -> None:
    publish(tmp_path / name, TABLE)
    file = OtherFile(tmp_path / name, "id")
    assert file.rows == {"a": 0, "b": 1, "c": 2}
    assert scores(file, "p", Type.DOUBLE, "cabz") == [5e-324, 1 / 3, None, None]
    assert scores(file, "label", Type.STRING, "cab") == ["007", "x", None]
    assert file.column("absent", alone=False) is None
    assert file.column("id", alone=False) is None


def test_the_partitions_of_a_folder_are_one_table(tmp_path: Path) -> None:
    publish(tmp_path / "o", TABLE.slice(0, 2), dt="1")
    publish(tmp_path / "o", TABLE.slice(2), dt="2")
    file = OtherFile(tmp_path / "o", "id")
    assert scores(file, "p", Type.DOUBLE, "abc") == [1 / 3, None, 5e-324]
    publish(tmp_path / "o", TABLE.slice(0, 1), dt="3")
    with pytest.raises(AgainstNotReadable, match="a key occurs twice"):
        OtherFile(tmp_path / "o", "id")
    assert OtherFile(tmp_path / "o" / "dt=3", "id").rows == {"a": 0}


def test_a_column_score_stands_for_a_single_output_unless_a_run_has_copied_it(tmp_path: Path) -> None:
    copied = TABLE.append_column("score", pa.array([7.0, 8.0, 9.0]))
    pq.write_table(copied, tmp_path / "run.parquet")
    pq.write_table(copied.drop_columns(["source"]), tmp_path / "other.parquet")
    assert scores(OtherFile(tmp_path / "run.parquet", "id"), "p", Type.DOUBLE, "a", alone=True) == [1 / 3]
    assert scores(OtherFile(tmp_path / "other.parquet", "id"), "p", Type.DOUBLE, "a", alone=True) == [7.0]
    assert scores(OtherFile(tmp_path / "other.parquet", "id"), "p", Type.DOUBLE, "a") == [1 / 3]


def test_numbers_of_json_lines_keep_all_digits_and_infinities(tmp_path: Path) -> None:
    lines = [{"id": 1, "n": 2**63 - 1, "x": "Infinity", "b": True}, {"id": 2, "n": None, "x": 0.1, "b": False}]
    (tmp_path / "o.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    file = OtherFile(tmp_path / "o.jsonl", "id")
    assert scores(file, "n", Type.INT64, "12") == [2**63 - 1, None]
    assert scores(file, "x", Type.DOUBLE, "12") == [np.inf, 0.1]
    assert scores(file, "b", Type.BOOL, "12") == [True, False]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("o.jsonl", '{"id": 1, "p": 2}\nno\n', "line 2: the line is not JSON"),
        ("o.jsonl", "[1]\n", "line 1: the line is not a JSON object"),
        ("o.jsonl", '{"id": 1, "p": NaN}\n', "line 1: the line has NaN"),
        ("o.jsonl", '{"id": 1, "p": 1, "p": 2}\n', "line 1: the object has a name twice"),
        ("o.jsonl", "", "has no column 'id'"),
        ("o.arrow", "nothing", "can't be read"),
        ("o.parquet", "nothing", "can't be read"),
        ("o.csv", "id\n1\n", "no column of scores"),
        ("o.csv", "id,id\n1,2\n", "is there twice"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(AgainstNotReadable, match=said):
        OtherFile(tmp_path / name, "id")


def test_a_folder_without_files_or_with_several_formats_is_refused(tmp_path: Path) -> None:
    (tmp_path / "_SUCCESS").write_text("")
    with pytest.raises(AgainstNotReadable, match="no files"):
        OtherFile(tmp_path, "id")
    (tmp_path / "a.csv").write_text("id,p\n1,2\n")
    (tmp_path / "b.jsonl").write_text("")
    with pytest.raises(AgainstNotReadable, match="several formats"):
        OtherFile(tmp_path, "id")


def test_a_bad_score_in_a_folder_is_named_with_its_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "a.csv").write_text("id,p\na,1\nb,2\n")
    (tmp_path / "o" / "b.csv").write_text("id,p\nc,3\nd,bad\n")
    with pytest.raises(AgainstNotReadable, match=r"column 'p', b\.csv, line 3: the score is not"):
        scores(OtherFile(tmp_path / "o", "id"), "p", Type.DOUBLE, "abcd")


def test_an_output_that_the_first_json_line_leaves_out_is_compared(tmp_path: Path) -> None:
    (tmp_path / "o.jsonl").write_text('{"id": "a"}\n{"id": "b", "p": 2.5}\n')
    assert scores(OtherFile(tmp_path / "o.jsonl", "id"), "p", Type.DOUBLE, "ab") == [None, 2.5]
