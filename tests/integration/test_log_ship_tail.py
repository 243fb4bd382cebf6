"""How a log is followed: what is being written is left, damage is told, and each record comes once from any place."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prediction_logs import frames, header, record, write_log

from bridge.prediction_log.frames import encode_preamble
from bridge.prediction_log.positions import Position, PositionNotReadable, read_position, write_position
from bridge.prediction_log.reader import Entry, Segment
from bridge.shipping.tail import LogReplaced, LogTail, Place


def sequences(tail: LogTail) -> list[int]:
    return [entry.sequence for entry in tail.entries()]


def test_records_come_once_from_any_place(tmp_path: Path) -> None:
    write_log(tmp_path, [record("a"), record("b")], [record("c")], [record("d"), record("e")])
    tail = LogTail(tmp_path, Place())
    places = [tail.place for _ in tail.entries()]
    assert [place.sequence for place in places] == [1, 2, 3, 4, 5]
    for place in places:
        assert sequences(LogTail(tmp_path, place)) == list(range(place.sequence, 5))
    assert sequences(tail) == []


def test_a_record_that_is_being_written_is_left_until_it_is_whole(tmp_path: Path) -> None:
    told: list[str] = []
    (path,) = write_log(tmp_path, [record("a"), record("b")])
    whole = path.read_bytes()
    tail = LogTail(tmp_path, Place(), told.append)
    seen = []
    for end in range(len(encode_preamble(header(1))) - 20, len(whole) + 1):
        path.write_bytes(whole[:end])
        seen += sequences(tail)
    assert (seen, told, tail.skipped) == ([0, 1], [], 0)


def test_an_unfinished_record_is_told_once_a_newer_segment_is_there(tmp_path: Path) -> None:
    told: list[str] = []
    first, second = write_log(tmp_path, [record("a"), record("b")], [record("c")])
    second_raw = second.read_bytes()
    second.unlink()
    first.write_bytes(first.read_bytes()[:-3])
    tail = LogTail(tmp_path, Place(), told.append)
    assert (sequences(tail), told) == ([0], [])
    second.write_bytes(second_raw)
    assert sequences(tail) == [2]
    assert [line.rpartition(": ")[2] for line in told] == [
        "the last record was never finished",
        "removed or damaged",
    ]
    assert (tail.skipped, tail.missing) == (0, 1)


def test_damage_in_the_middle_is_told_once_also_in_the_newest_segment(tmp_path: Path) -> None:
    told: list[str] = []
    head = header(1)
    parts = frames(head, [record("a"), record("b"), record("c")])
    parts[1] = parts[1].replace(b"risk", b"rusk")
    (tmp_path / f"{0:020d}.sblog").write_bytes(encode_preamble(head) + b"".join(parts))
    tail = LogTail(tmp_path, Place(), told.append)
    assert sequences(tail) == [0, 2]
    assert (len(told), tail.skipped) == (1, 1)
    assert sequences(tail) == []
    assert len(told) == 1


def test_a_damaged_header_hides_no_record(tmp_path: Path) -> None:
    (path,) = write_log(tmp_path, [record("a"), record("b")])
    raw = bytearray(path.read_bytes())
    raw[60] ^= 1
    path.write_bytes(raw)
    tail = LogTail(tmp_path, Place())
    assert sequences(tail) == [0, 1]
    assert tail.skipped == 1


def test_what_was_removed_before_it_was_read_is_counted(tmp_path: Path) -> None:
    told: list[str] = []
    first, second, _ = write_log(tmp_path, [record("a"), record("b")], [record("c")], [record("d")])
    tail = LogTail(tmp_path, Place(), told.append)
    assert next(iter(tail.entries())).sequence == 0
    first.unlink()
    second.unlink()
    assert sequences(tail) == [3]
    assert tail.missing == 2
    assert told[-1] == f"records 1 to 2 are missing before {3:020d}.sblog: removed or damaged"


def test_what_was_removed_before_the_first_look_is_not_missed(tmp_path: Path) -> None:
    first, _ = write_log(tmp_path, [record("a")], [record("b")])
    first.unlink()
    tail = LogTail(tmp_path, Place())
    assert (sequences(tail), tail.missing) == ([1], 0)


def test_another_log_in_the_folder_is_refused(tmp_path: Path) -> None:
    (path,) = write_log(tmp_path, [record("a"), record("b")])
    tail = LogTail(tmp_path, Place())
    assert sequences(tail) == [0, 1]
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"\x01" * 16, b"\x02" * 16))
    for content in (encode_preamble(header(9)) + b"".join(frames(header(9), [record("x")])), raw[:-30]):
        path.write_bytes(content)
        with pytest.raises(LogReplaced, match="remove the position file"):
            LogTail(tmp_path, tail.place)


def test_an_empty_log_has_nothing_yet(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    tail = LogTail(tmp_path, Place())
    assert sequences(tail) == []
    write_log(tmp_path, [record("a")])
    assert sequences(tail) == [0]


def test_a_position_is_kept_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "shipped-a.position"
    assert read_position(path) is None
    position = Position(to="x", segment="s", segment_id="ab" * 16, offset=7, sequence=3, seen=frozenset({"né"}))
    write_position(path, position)
    assert read_position(path) == position
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    for damaged in (b"", b"{}x", b'{"form": 2}', b'{"offset": -1}', b" " * 70_000):
        path.write_bytes(damaged)
        with pytest.raises(PositionNotReadable):
            read_position(path)


def test_a_record_that_was_written_over_meanwhile_is_not_taken_for_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, told = header(1), list[str]()
    parts = frames(head, [record("a"), record("b"), record("c")])
    path = tmp_path / f"{0:020d}.sblog"
    path.write_bytes(encode_preamble(head) + parts[0])
    tail = LogTail(tmp_path, Place(), told.append)
    assert sequences(tail) == [0]
    path.write_bytes(encode_preamble(head) + parts[0] + b"x" * len(parts[1]) + parts[2])
    entries_behind = Segment.entries_behind

    def written_over(self: Segment, *arguments: object) -> Iterator[Entry]:
        yield from entries_behind(self, *arguments)  # type: ignore[arg-type]

    def once(self: Segment, *arguments: object) -> Iterator[Entry]:
        found = list(entries_behind(self, *arguments))  # type: ignore[arg-type]
        monkeypatch.setattr(Segment, "entries_behind", written_over)
        path.write_bytes(encode_preamble(head) + b"".join(parts))
        return iter(found)

    monkeypatch.setattr(Segment, "entries_behind", once)
    assert sequences(tail) == [1, 2]
    assert told == []
