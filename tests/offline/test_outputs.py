"""The outputs of a run: their forms, what they replace, and what is left when writing fails."""

import csv
import io
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from offline_chunks import chunk_of
from offline_chunks import table_of as batch_of

from bridge.calls import Output
from bridge.columns import Column, Type
from bridge.offline import outputs
from bridge.offline.durable import NotWritten
from bridge.offline.output_rows import OutputError, output_schema, output_table
from bridge.offline.outputs import OutputExists, Publication, output_kind
from bridge.offline.rejects import write_rejects
from bridge.offline.row_texts import csv_header, csv_lines, json_lines
from bridge.offline.scored_chunk import ScoredChunk
from bridge.row_files.csv_cells import Cell, format_cells, read_cells
from bridge.row_files.input_chunk import Reject

SCHEMA = pa.table({"id": [""], "score": [0.0]}).schema


def table(first: int = 0, rows: int = 3) -> pa.Table:
    return pa.table(
        {"id": [f"k{row}" for row in range(first, first + rows)], "score": [row / 3 for row in range(rows)]}
    )


def publication(path: Path, *, overwrite: bool = False, **partition: str) -> Publication:
    work = path.with_name(f"{path.name}.run")
    work.mkdir(exist_ok=True)
    return Publication(path, partition, SCHEMA, overwrite=overwrite, about={"scorebridge.model": "m"}, work=work)


def publish(path: Path, *tables: pa.Table, overwrite: bool = False, **partition: str) -> None:
    made = publication(path, overwrite=overwrite, **partition)
    assert made.write(iter(tables)) == sum(one.num_rows for one in tables)
    made.publish()


def read(path: Path) -> list[Any]:
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return [row["id"] for row in csv.DictReader(file)]
    if path.suffix == ".jsonl":
        return [json.loads(line)["id"] for line in path.read_text().splitlines()]
    if path.suffix == ".arrow":
        with pa.ipc.open_file(str(path)) as file:
            return list(file.read_all()["id"].to_pylist())
    return list(pq.read_table(path)["id"].to_pylist())


FORMS = ["o.parquet", "o.csv", "o.jsonl", "o.arrow", "o"]


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("count", [0, 2])
def test_every_form_has_all_rows_in_order_and_stands_alone(tmp_path: Path, name: str, count: int) -> None:
    publish(tmp_path / name, *(table(3 * at) for at in range(count)))
    assert read(tmp_path / name) == [f"k{row}" for row in range(3 * count)]
    assert not list((tmp_path / f"{name}.run").iterdir())


@pytest.mark.parametrize("name", FORMS)
def test_an_output_is_replaced_only_where_asked_and_only_when_the_new_one_is_complete(
    tmp_path: Path, name: str
) -> None:
    publish(tmp_path / name, table())
    with pytest.raises(OutputExists, match="--overwrite"):
        publication(tmp_path / name)

    def failing() -> Iterator[pa.Table]:
        yield table(50)
        assert read(tmp_path / name) == ["k0", "k1", "k2"]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publication(tmp_path / name, overwrite=True).write(failing())
    assert read(tmp_path / name) == ["k0", "k1", "k2"]
    publish(tmp_path / name, table(7), overwrite=True)
    assert read(tmp_path / name) == ["k7", "k8", "k9"]
    assert not list((tmp_path / f"{name}.run").iterdir())


def test_an_output_that_appeared_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    made = publication(tmp_path / "o.csv")
    made.write(iter([table()]))
    (tmp_path / "o.csv").write_text("mine")
    with pytest.raises(OutputExists):
        made.publish()
    assert (tmp_path / "o.csv").read_text() == "mine"


def test_a_replaced_file_keeps_its_mode_and_a_link_to_it_stays(tmp_path: Path) -> None:
    publish(tmp_path / "real.csv", table())
    (tmp_path / "real.csv").chmod(0o640)
    (tmp_path / "o.csv").symlink_to("real.csv")
    publish(tmp_path / "o.csv", table(5), overwrite=True)
    assert (tmp_path / "o.csv").is_symlink()
    assert (tmp_path / "real.csv").stat().st_mode & 0o777 == 0o640
    assert read(tmp_path / "real.csv") == ["k5", "k6", "k7"]


def test_a_folder_has_parts_of_limited_size_and_its_mark_of_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "_PART_ROWS", 5)
    publish(tmp_path / "o", *(table(3 * at) for at in range(5)))
    assert sorted(file.name for file in (tmp_path / "o").iterdir()) == [
        "_SUCCESS",
        "part-00000.parquet",
        "part-00001.parquet",
        "part-00002.parquet",
    ]
    assert read(tmp_path / "o") == [f"k{row}" for row in range(15)]
    metadata = pq.read_schema(tmp_path / "o" / "part-00001.parquet").metadata
    assert metadata[b"scorebridge.model"] == b"m"


def test_only_the_partition_that_is_written_is_replaced(tmp_path: Path) -> None:
    for day in ("1", "2"):
        publish(tmp_path / "o", table(), dt=day, hour="0")
    publish(tmp_path / "o", table(5), overwrite=True, dt="2", hour="0")
    assert read(tmp_path / "o" / "dt=1" / "hour=0") == ["k0", "k1", "k2"]
    assert read(tmp_path / "o" / "dt=2" / "hour=0") == ["k5", "k6", "k7"]
    assert (tmp_path / "o" / "dt=2" / "hour=0" / "_SUCCESS").is_file()


def test_a_folder_whose_replacing_was_interrupted_is_mended(tmp_path: Path) -> None:
    publish(tmp_path / "o", table())
    work = tmp_path / "o.run"
    (tmp_path / "o").rename(work / "replaced")
    publication(tmp_path / "o", overwrite=True)
    assert read(tmp_path / "o") == ["k0", "k1", "k2"]
    pq.write_table(table(), work / "unrelated.parquet")
    (work / "replaced").mkdir()
    publication(tmp_path / "o", overwrite=True)
    assert not (work / "replaced").exists()
    assert read(tmp_path / "o") == ["k0", "k1", "k2"]


def test_a_folder_of_other_things_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "o" / "photos").mkdir(parents=True)
    with pytest.raises(OutputError, match="photos"):
        publication(tmp_path / "o", overwrite=True)
    for name in (".env", "_notes", "part-notes.txt"):
        publish(tmp_path / name.strip("."), table())
        (tmp_path / name.strip(".") / name).write_text("mine")
        with pytest.raises(OutputError, match=name):
            publication(tmp_path / name.strip("."), overwrite=True)
    publish(tmp_path / "flat", table())
    with pytest.raises(OutputError, match="no partition"):
        publication(tmp_path / "flat", dt="1")
    publish(tmp_path / "parts", table(), dt="1")
    with pytest.raises(OutputError, match="dt=1"):
        publication(tmp_path / "parts", overwrite=True)


def test_an_output_of_the_wrong_kind_is_refused_before_anything_is_scored(tmp_path: Path) -> None:
    (tmp_path / "o.csv").mkdir()
    (tmp_path / "o").write_text("")
    os.mkfifo(tmp_path / "p.csv")
    for name, said in (("o.csv", "is a folder"), ("o", "is a file"), ("p.csv", "pipe")):
        with pytest.raises(OutputError, match=said):
            publication(tmp_path / name, overwrite=True)
    with pytest.raises(OutputError, match="make it first"):
        Publication(tmp_path / "none" / "o.csv", {}, SCHEMA, overwrite=False, about={}, work=tmp_path)
    with pytest.raises(OutputError, match="'score'"):
        publication(tmp_path / "q", score="1")
    with pytest.raises(OutputError, match="'%'"):
        publication(tmp_path / "q", dt="%31")


def test_an_output_on_another_file_system_is_refused_before_anything_is_scored(tmp_path: Path) -> None:
    (tmp_path / "o.csv").symlink_to("/proc/version")
    with pytest.raises(OutputError, match="another file system"):
        publication(tmp_path / "o.csv", overwrite=True)


@pytest.mark.parametrize("name", FORMS)
def test_a_full_disk_leaves_the_old_output_and_nothing_half_written(tmp_path: Path, name: str) -> None:
    publish(tmp_path / name, table())
    child = subprocess.run(
        ["prlimit", "--fsize=20000", sys.executable, "-c", TOO_LARGE, str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    assert "File too large: allow larger files" in child.stdout
    assert not child.stderr
    assert read(tmp_path / name) == ["k0", "k1", "k2"]
    assert not list((tmp_path / f"{name}.run").iterdir())


TOO_LARGE = """
import sys
from pathlib import Path
import numpy as np
import pyarrow as pa
from bridge.offline.durable import NotWritten
from bridge.offline.outputs import Publication
output = Path(sys.argv[1])
table = pa.table({"id": [str(row) for row in range(9000)], "score": np.random.default_rng(1).random(9000)})
made = Publication(output, {}, table.schema, overwrite=True, about={}, work=output.with_name(output.name + ".run"))
try:
    made.write(iter([table]))
except NotWritten as error:
    print(error)
"""

ODD: dict[str, Any] = {
    "text": pa.array(["a", "", None, 'say "no", or\nnot', "NA"]),
    "wide": pa.array(["ü", "€", None, " ", "\t"], pa.large_string()),
    "double": pa.array([0.1, -0.0, None, 1e300, 5e-324]),
    "more": pa.array([1.0, math.inf, -math.inf, math.nan, 1 / 3]),
    "float": pa.array([0.1, 1e-45, None, 3.4e38, 1.0], pa.float32()),
    "long": pa.array([2**63 - 1, -(2**63), None, 0, 2**53 + 1]),
    "big": pa.array([2**64 - 1, 0, None, 1, 2], pa.uint64()),
    "truth": pa.array([True, False, None, True, False]),
    "nothing": pa.nulls(5),
}


def test_csv_is_to_the_byte_what_the_cells_of_score_are() -> None:
    odd = pa.table(ODD)
    columns = [column.to_pylist() for column in odd.columns]
    rows = [[Cell(name, quoted=True) for name in odd.column_names]]
    rows += [[Cell.of(value) for value in row] for row in zip(*columns, strict=True)]
    written = csv_header(odd.schema) + "".join(csv_lines(odd))
    assert written == format_cells(rows)
    assert read_cells(written) == rows


def test_json_lines_have_every_column_and_every_bit() -> None:
    odd = pa.table(ODD)
    found = [json.loads(line) for line in json_lines(odd)]
    assert [list(one) for one in found] == [odd.column_names] * 5
    for name in ("text", "wide", "double", "float", "long", "big", "truth", "nothing"):
        assert [one[name] for one in found] == odd[name].to_pylist()
    assert [one["more"] for one in found] == [1.0, "Infinity", "-Infinity", None, 1 / 3]
    assert math.copysign(1, found[1]["double"]) == -1


def test_dates_and_decimals_are_text_and_lists_are_refused(tmp_path: Path) -> None:
    dated = pa.table({"day": [date(2026, 11, 22), None], "price": [Decimal("1.50"), None]})
    assert list(csv_lines(dated)) == ["2026-11-22,1.50\n", ",\n"]
    assert json.loads(next(json_lines(dated))) == {"day": "2026-11-22", "price": "1.50"}
    for kind in (pa.list_(pa.int8()), pa.binary()):
        with pytest.raises(OutputError, match="column 'odd'"):
            Publication(tmp_path / "o.csv", {}, pa.schema({"odd": kind}), overwrite=False, about={}, work=tmp_path)


def test_only_rows_with_scores_are_in_the_output_with_what_is_said_of_them() -> None:
    batch = batch_of({"x": [1.0, 2.0, 3.0, 4.0]})
    echoed = pa.table({"id": pa.array(["a", "b", "a", "c"]).dictionary_encode(), "n": [1, 2, 3, 4]})
    chunk = replace(chunk_of(batch), echoed=echoed)
    columns = (
        Column("score", Type.FLOAT, np.array([0.1, np.nan, 0.3], np.float32)),
        Column("class", Type.STRING, np.array(["x", "", "z"], object), np.array([False, True, False])),
        Column("leaf", Type.BOOL, np.zeros(3, np.bool_), np.ones(3, np.bool_)),
    )
    scored = ScoredChunk(np.array([0, 2, 3]), columns, (None, "MODEL_ERROR", None))
    named = [Output("score", Type.FLOAT), Output("class", Type.STRING), Output("leaf", Type.INT, additional=True)]
    schema = output_schema(chunk.echoed.schema, named, {"dt": "1"}, constant=True)
    made = output_table(schema, chunk, scored, 7, {"dt": "1"})
    assert made.schema.equals(schema)
    assert schema.field("id").type == pa.string()
    assert made.to_pylist() == [
        dict(zip(schema.names, row, strict=True))
        for row in [
            ("a", 1, float(np.float32(0.1)), "x", None, "MODEL", None, 7, "1"),
            ("a", 3, None, None, None, "DEFAULT", "MODEL_ERROR", 7, "1"),
            ("c", 4, float(np.float32(0.3)), "z", None, "MODEL", None, 7, "1"),
        ]
    ]
    assert output_schema(chunk.echoed.schema, named, {"dt": "1"}, constant=False).names[-1] == "version"
    nothing = ScoredChunk(np.array([], np.int64), (), ())
    assert output_table(schema, chunk, nothing, 7, {"dt": "1"}).schema.equals(schema)


def test_scores_of_another_type_or_name_are_refused() -> None:
    chunk = replace(chunk_of(batch_of({"x": [1.0]})), echoed=pa.table({"id": ["a"]}))
    schema = output_schema(chunk.echoed.schema, [Output("score", Type.DOUBLE)], {}, constant=True)
    for name, said in (("score", "came as int64"), ("other", "other outputs")):
        scored = ScoredChunk(np.array([0]), (Column(name, Type.INT64, np.array([1])),), (None,))
        with pytest.raises(OutputError, match=said):
            output_table(schema, chunk, scored, 1, {})


@pytest.mark.parametrize(
    ("echoed", "output", "partition", "said"),
    [
        (["id", "id"], "score", "dt", "'id' is named twice"),
        (["score"], "score", "dt", "rename the column"),
        (["version"], "score", "dt", "rename the column"),
        (["id"], "reason", "dt", "the model has an output 'reason'"),
        (["id"], "score", "source", "--partition can't have the name 'source'"),
        (["dt"], "score", "dt", "--partition can't have the name 'dt'"),
    ],
)
def test_no_name_occurs_twice(echoed: list[str], output: str, partition: str, said: str) -> None:
    schema = pa.schema([pa.field(name, pa.string()) for name in echoed])
    with pytest.raises(OutputError, match=said):
        output_schema(schema, [Output(output, Type.DOUBLE)], {partition: "1"}, constant=True)


def test_rejects_are_listed_whole_or_not_at_all_and_an_old_list_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "o.csv.rejects.csv"
    write_rejects(path, [Reject("a.csv", 3, 'k"3', "x", "INVALID_VALUE", "it is no number")])
    with io.StringIO(path.read_text(), newline="") as file:
        assert list(csv.DictReader(file)) == [
            {
                "key": 'k"3',
                "file": "a.csv",
                "row": "3",
                "column": "x",
                "reason": "INVALID_VALUE",
                "detail": "it is no number",
            }
        ]

    def failing() -> Iterator[Reject]:
        yield Reject("a.csv", 4, "", "", "X", "")
        raise KeyboardInterrupt

    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        write_rejects(path, failing())
    assert path.read_bytes() == before
    write_rejects(path, [])
    assert not list(tmp_path.iterdir())
    with pytest.raises(NotWritten, match="make the folder first"):
        write_rejects(tmp_path / "none" / "r.csv", [])


def test_the_end_of_the_name_says_the_form() -> None:
    kinds = [output_kind(Path(name)) for name in ("a.parquet", "a.CSV", "a.jsonl", "a.arrow", "a", "a.b")]
    assert kinds == ["parquet", "csv", "jsonl", "arrow", "folder", "folder"]
