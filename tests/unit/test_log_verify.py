"""log verify: what is wrong with a log is said, and where; what a killed gateway leaves is not wrong."""

import hashlib
import json
import stat
from pathlib import Path

import pytest
from prediction_logs import frames, header, record, write_log
from typer.testing import CliRunner

from bridge.cli.log import app
from bridge.prediction_log import frames as bytes_of_a_segment
from bridge.prediction_log.folder import LogNotReadable
from bridge.prediction_log.frames import encode_frame, encode_preamble
from bridge.prediction_log.reader import Segment
from bridge.prediction_log.selection import LogPass
from bridge.prediction_log.verify import verify, verify_pass


@pytest.fixture
def log(tmp_path: Path) -> list[Path]:
    """Three segments of two records each."""
    calls = [record(f"call-{number}") for number in range(6)]
    return write_log(tmp_path / "log", calls[:2], calls[2:4], calls[4:])


def texts(paths: list[Path]) -> list[str]:
    return [f"{finding.segment[18:20]}: {finding.text}" for finding in verify(paths[0].parent).findings]


def flip(path: Path, at: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)


BROKEN = "the chain is broken: the segment before it was changed, replaced or removed"


def test_a_whole_log_is_ok(log: list[Path]) -> None:
    passed: list[int] = []
    found = verify(log[0].parent, passed.append)
    assert (found.ok, found.segments, found.records) == (True, 3, 6)
    assert (found.findings, found.torn_tails, found.notes) == ([], [], [])
    assert sum(passed) == sum(path.stat().st_size for path in log)


def test_a_flipped_bit_is_said_with_its_place_and_breaks_the_chain(log: list[Path]) -> None:
    size = log[0].stat().st_size
    flip(log[0], size - 1)
    found = verify(log[0].parent)
    assert found.records == 5
    assert found.findings[0].text.endswith("bytes: no record passes its checksum here")
    assert 0 < found.findings[0].offset < size
    assert texts(log)[1:] == [f"02: {BROKEN}", "02: record 1 is missing"]


def test_a_flipped_bit_in_a_header_is_said_and_hides_no_record(log: list[Path]) -> None:
    size = len(encode_preamble(next(iter(Segment(log[1]).entries())).header))
    flip(log[1], 30)
    assert verify(log[0].parent).records == 6
    assert texts(log) == [f"02: {size} bytes: the segment's header is damaged", f"04: {BROKEN}"]


def test_a_torn_tail_is_no_fault(log: list[Path]) -> None:
    log[2].write_bytes(log[2].read_bytes()[:-5])
    found = verify(log[0].parent)
    assert found.ok
    assert found.records == 5
    assert [torn.segment for torn in found.torn_tails] == [log[2].name]


def test_a_torn_tail_before_a_restart_is_no_fault_if_the_chain_has_it(tmp_path: Path) -> None:
    (path,) = write_log(tmp_path / "log", [record("a"), record("b")])
    path.write_bytes(path.read_bytes()[:-5])
    head = header(9, 1, hashlib.sha256(path.read_bytes()).digest())
    (path.parent / f"{1:020d}.sblog").write_bytes(encode_preamble(head) + b"".join(frames(head, [record("c")])))
    found = verify(path.parent)
    assert (found.ok, found.records, len(found.torn_tails)) == (True, 2, 1)


def test_a_tail_cut_off_before_the_next_segment_was_begun_breaks_the_chain(log: list[Path]) -> None:
    log[0].write_bytes(log[0].read_bytes()[:-5])
    assert texts(log) == [f"02: {BROKEN}", "02: record 1 is missing"]


# Named, because a preamble is another each time, and processes that share the tests must agree on their names.
@pytest.mark.parametrize(
    "left",
    [b"", b"SBL", b"\0" * 40, encode_preamble(header(1))[:40]],
    ids=["nothing", "three bytes", "zeros", "a part of its preamble"],
)
def test_a_segment_that_was_never_begun_is_a_torn_tail(log: list[Path], left: bytes) -> None:
    (log[0].parent / f"{6:020d}.sblog").write_bytes(left)
    found = verify(log[0].parent)
    assert (found.ok, found.segments, len(found.torn_tails)) == (True, 4, 1)


@pytest.mark.parametrize("records", [0, 1])
def test_a_flipped_bit_in_the_length_of_a_header_is_damage(tmp_path: Path, records: int) -> None:
    (path,) = write_log(tmp_path / "log", [record("a")] * records)
    raw = path.read_bytes()
    for bit in range(32):
        flipped = bytearray(raw)
        flipped[10 + bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        found = verify(path.parent)
        assert (found.ok, found.records, found.torn_tails) == (False, records, []), bit


def test_a_flipped_bit_in_the_format_is_damage_and_hides_no_record(log: list[Path]) -> None:
    raw = bytearray(log[2].read_bytes())
    raw[8] ^= 2
    log[2].write_bytes(raw)
    found = verify(log[0].parent)
    assert (found.ok, found.records) == (False, 6)
    assert [one.text.partition(": ")[2] for one in found.findings] == ["the segment's header is damaged"]


def test_a_newer_format_is_said(log: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(bytes_of_a_segment, "FORMAT_VERSION", 2)
        log[2].write_bytes(raw := encode_preamble(header(3, 4)) + b"whatever it holds")
    assert texts(log) == [
        f"04: {len(raw)} bytes: the segment has format 2, and this scorebridge reads formats up to 1: use a newer one",
    ]


def test_another_kind_of_file_is_said(log: list[Path]) -> None:
    (log[0].parent / "notes.sblog").write_bytes(b"x" * 100)
    found = verify(log[0].parent)
    assert [str(one) for one in found.findings] == [
        "notes.sblog at 0: 100 bytes: this file is not a segment of a prediction log"
    ]


def test_a_removed_segment_in_the_middle_is_missed(log: list[Path]) -> None:
    log[1].unlink()
    assert texts([log[0]]) == [f"04: {BROKEN}", "04: records 2 to 3 are missing"]


def test_removed_segments_at_the_beginning_are_only_noted(log: list[Path]) -> None:
    log[0].unlink()
    found = verify(log[1].parent)
    assert found.ok
    assert [note.text for note in found.notes] == ["the segments before it were removed"]


def test_a_copied_segment_repeats_numbers(log: list[Path]) -> None:
    (log[0].parent / f"{6:020d}.sblog").write_bytes(log[0].read_bytes())
    assert texts(log) == [
        f"06: {BROKEN}",
        "06: its header says that it begins with record 0, its name differs",
        "06: the record numbers go back to 0, where 6 was expected",
    ]


def test_numbers_within_a_segment_are_checked(tmp_path: Path) -> None:
    head = header(1)
    one, two, three = frames(head, [record("a"), record("b"), record("c")])
    path = tmp_path / f"{0:020d}.sblog"
    path.write_bytes(encode_preamble(head) + one + three + two)
    assert texts([path]) == ["00: record 1 is missing", "00: the record numbers go back to 1, where 3 was expected"]


def test_a_first_segment_must_begin_at_the_beginning(tmp_path: Path) -> None:
    path = tmp_path / f"{7:020d}.sblog"
    path.write_bytes(encode_preamble(header(1, 7)))
    assert texts([path]) == ["07: it is the first segment of its log, but begins with record 7"]


def test_a_segment_that_the_system_failed_to_write_out_is_noted(log: list[Path]) -> None:
    log[1].with_name(log[1].name + ".suspect").touch()
    found = verify(log[0].parent)
    assert found.ok
    assert [note.segment for note in found.notes] == [log[1].name]


def test_a_segment_removed_meanwhile_is_noted(log: list[Path]) -> None:
    made = LogPass(log[0].parent)
    log[0].unlink()
    found = verify_pass(made)
    assert found.ok
    assert [(note.segment, note.text) for note in found.notes] == [
        (log[0].name, "it was removed while the log was being read"),
        (log[1].name, "the segments before it were removed"),
    ]


def test_a_record_that_is_no_message_is_damage(tmp_path: Path) -> None:
    head = header(1)
    path = tmp_path / f"{0:020d}.sblog"
    path.write_bytes(encode_preamble(head) + encode_frame(head.segment_id, 0, b"\xff\xff"))
    assert texts([path]) == ["00: 22 bytes: the record passes its checksum, but can't be decoded"]


def test_nothing_is_ever_written(log: list[Path]) -> None:
    flip(log[1], 200)
    before = {path: path.read_bytes() for path in log[0].parent.iterdir()}
    for path in [*log, log[0].parent]:
        path.chmod(stat.S_IRUSR | (stat.S_IXUSR if path.is_dir() else 0))
    verify(log[0].parent)
    log[0].parent.chmod(0o700)
    assert {path: path.read_bytes() for path in log[0].parent.iterdir()} == before


@pytest.mark.parametrize("name", ["none", "empty"])
def test_where_there_is_no_log_is_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(LogNotReadable):
        verify(tmp_path / name)
    for command in (["verify"], ["stats"], ["show", "--request-id", "x"]):
        done = CliRunner().invoke(app, [command[0], str(tmp_path / name), *command[1:]])
        assert done.exit_code == 1
        assert len(done.stderr.splitlines()) == 1


def test_the_log_of_a_gateway_that_had_no_call_is_whole(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    done = CliRunner().invoke(app, ["verify", str(tmp_path)])
    assert (done.exit_code, done.stdout, done.stderr) == (0, "ok: 0 records in 0 segments\n", "")
    assert CliRunner().invoke(app, ["stats", str(tmp_path)]).exit_code == 0
    done = CliRunner().invoke(app, ["export", str(tmp_path), "--format", "jsonl", "--output", str(tmp_path / "out")])
    assert (done.exit_code, (tmp_path / "out").read_bytes()) == (0, b"")


def test_a_folder_that_is_called_like_a_segment_is_none(log: list[Path]) -> None:
    (log[0].parent / f"{9:020d}.sblog").mkdir()
    (log[0].parent / "archive.sblog").mkdir()
    found = verify(log[0].parent)
    assert (found.ok, found.segments) == (True, 3)


def test_the_command_says_where_and_exits_with_1_only_if_something_is_wrong(log: list[Path]) -> None:
    done = CliRunner().invoke(app, ["verify", str(log[0].parent)])
    assert (done.exit_code, done.stdout, done.stderr) == (0, "ok: 6 records in 3 segments\n", "")
    log[2].write_bytes(log[2].read_bytes()[:-5])
    done = CliRunner().invoke(app, ["verify", str(log[0].parent)])
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "ok: 5 records in 3 segments")
    assert done.stdout.startswith(f"torn     {log[2].name} at ")
    flip(log[0], log[0].stat().st_size - 1)
    done = CliRunner().invoke(app, ["verify", str(log[0].parent)])
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (1, "NOT OK: 4 records in 3 segments")
    assert f"damaged  {log[0].name} at " in done.stdout


def test_what_was_found_can_be_told_in_json(log: list[Path]) -> None:
    whole = CliRunner().invoke(app, ["verify", str(log[0].parent), "--json"])
    nothing: dict[str, list[str]] = {"damaged": [], "torn": [], "notes": []}
    assert whole.exit_code == 0
    assert json.loads(whole.stdout) == {"ok": True, "records": 6, "segments": 3, **nothing}
    flip(log[0], log[0].stat().st_size - 1)
    log[2].write_bytes(log[2].read_bytes()[:-5])
    done = CliRunner().invoke(app, ["verify", str(log[0].parent), "--json"])
    told = json.loads(done.stdout)
    assert (done.exit_code, told["ok"], told["records"]) == (1, False, 4)
    assert [finding["segment"] for finding in told["damaged"]] == [log[0].name, log[1].name, log[1].name]
    assert [set(finding) for finding in told["torn"]] == [{"segment", "offset", "text"}]


def test_a_log_without_calls_is_told_in_json_too(tmp_path: Path) -> None:
    write_log(tmp_path / "log", [])
    done = CliRunner().invoke(app, ["verify", str(tmp_path / "log"), "--json"])
    assert json.loads(done.stdout) == {
        "ok": True,
        "records": 0,
        "segments": 1,
        "damaged": [],
        "torn": [],
        "notes": [],
    }
