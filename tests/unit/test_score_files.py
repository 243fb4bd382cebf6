"""`scorebridge score`: what it takes for a file of rows, and what becomes of the file that it writes."""

import errno
import os
import re
import stat
import threading
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from scorebridge import DefaultedRows, FailedRows, Scores, Source

from bridge.cli.commands import CommandFailed
from bridge.cli.csv_batch import Echo
from bridge.cli.gateway_options import GatewayOptions
from bridge.cli.score import score_csv
from bridge.row_files.csv_dialect import Dialect

NOWHERE = GatewayOptions("nowhere")
KEYS: list[str] = []  # of the last call


class Doubling:
    """A client of a gateway whose only model doubles x."""

    def __init__(self, url: str) -> None:
        assert url == "nowhere"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def model(self, name: str, version: int) -> list[Any]:
        """Nothing is known of its features."""
        assert (name, version) == ("double", 0)
        return []

    def score(self, model: str, columns: dict[str, Any], *, partial: bool, row_keys: list[str], **_: object) -> Scores:
        """Twice x; of a partial call the first row fails, and the second gets a default."""
        KEYS[:] = row_keys
        scores = 2.0 * np.asarray(columns["x"])
        if not partial:
            return Scores("1", model, 1, "", {"score": scores}, Source.MODEL, (), len(scores), 1, 0.0, 0.0)
        scores[0] = np.nan
        failed, defaulted = FailedRows(0, 1, "MODEL_ERROR", "it raised"), DefaultedRows(1, 1, "DEADLINE", "late")
        marks = Source.MIXED, (defaulted,), len(scores), 1, 0.0, 0.0, (failed,)
        return Scores("1", model, 1, "", {"score": scores}, *marks)


@pytest.fixture(autouse=True)
def _no_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GatewayOptions, "client", lambda gateway: Doubling(gateway.url))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two rows."""
    path = tmp_path / "in.csv"
    path.write_text("x,y\n1,2\n3,4\n")
    return path


def score(source: Path, target: Path) -> str:
    return score_csv(NOWHERE, "double", source, target)


MISSING = "a missing value is an empty cell, NA or \\N, without quotes"
SCORED = '"score","source","reason"\n2,"MODEL",""\n6,"MODEL",""\n'


def test_a_file_is_scored(source: Path, tmp_path: Path) -> None:
    assert score(source, tmp_path / "out.csv") == "2 rows by double/1, 0 of them with the default score"
    assert (tmp_path / "out.csv").read_text() == SCORED
    assert stat.S_IMODE((tmp_path / "out.csv").stat().st_mode) == stat.S_IMODE(source.stat().st_mode)


def test_rows_without_a_score_are_empty_and_say_why(source: Path, tmp_path: Path) -> None:
    source.write_text("x,y\n1,2\n3,4\n5,6\n")
    said = score_csv(NOWHERE, "double", source, tmp_path / "out.csv", partial=True)
    assert said == "3 rows by double/1, 1 of them with the default score, 1 without a score"
    expected = '"score","source","reason"\n,"FAILED","MODEL_ERROR"\n6,"DEFAULT","DEADLINE"\n10,"MODEL",""\n'
    assert (tmp_path / "out.csv").read_text() == expected


def test_a_file_that_excel_wrote_is_scored(source: Path, tmp_path: Path) -> None:
    source.write_bytes(b"\xef\xbb\xbfx,y\r\n1,2\r\n3,4\r\n\r\n")
    score(source, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == SCORED


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x,y,x\n1,2,9\n", "column 'x' is there twice"),
        ("x,y\n1,2\n\n3,4\n", "row 3 (the header is row 1): the row is empty"),
        ("x,y\n1,null\n", f"column 'y', row 2 (the header is row 1): not of type double: {MISSING}"),
        (
            "x\n1e999\n",
            "column 'x', row 2 (the header is row 1): not of type double: it is beyond the largest double, 1.8e308",
        ),
        ("", "there is no header in it"),
    ],
)
def test_a_file_that_is_not_rows_is_refused_in_a_sentence(
    source: Path, tmp_path: Path, text: str, sentence: str
) -> None:
    source.write_text(text)
    with pytest.raises(CommandFailed, match=f"^{re.escape(f'{source}: {sentence}')}$"):
        score(source, tmp_path / "out.csv")
    assert list(tmp_path.iterdir()) == [source]


def test_keys_are_sent_and_come_back_first_and_what_is_kept_comes_behind_them_as_it_was(
    source: Path, tmp_path: Path
) -> None:
    source.write_text('x;id;note\n1,5;007;0,50\n2,5;"a ""b"";";NA\n3,5;1.0;"NA"\n')
    target = tmp_path / "out.csv"
    score_csv(NOWHERE, "double", source, target, dialect=Dialect(";", ","), echo=Echo("id", ("note",)))
    assert KEYS == ["007", 'a "b";', "1.0"]
    assert target.read_text() == (
        '"id","note","score","source","reason"\n007,"0,50",3,"MODEL",""\n"a ""b"";",NA,5,"MODEL",""\n'
        '1.0,"NA",7,"MODEL",""\n'
    )
    score_csv(NOWHERE, "double", source, target, dialect=Dialect(";", ","), echo=Echo(None, ("id", "note")))
    assert KEYS == []


def test_a_name_that_the_answer_has_too_is_refused_and_nothing_is_written(source: Path, tmp_path: Path) -> None:
    source.write_text("x,score\n1,2\n")
    with pytest.raises(CommandFailed, match=r": column 'score' can't be copied, .*; rename the column in the file"):
        score_csv(NOWHERE, "double", source, tmp_path / "out.csv", echo=Echo(None, ("score",)))
    assert list(tmp_path.iterdir()) == [source]


def test_what_a_header_holds_can_not_move_a_terminal_s_cursor(source: Path, tmp_path: Path) -> None:
    source.write_text("\x1b[2J,\x1b[2J\n1,2\n")
    with pytest.raises(CommandFailed, match=r"column '\\x1b\[2J' is there twice$"):
        score(source, tmp_path / "out.csv")


def test_the_input_is_never_written_over(source: Path, tmp_path: Path) -> None:
    rows = source.read_bytes()
    link = tmp_path / "link.csv"
    link.symlink_to(source)
    for target in (source, link):
        with pytest.raises(CommandFailed, match=f"^--output {target} is the input file: "):
            score(source, target)
    assert source.read_bytes() == rows


def test_an_output_that_is_there_is_replaced_and_stays_as_private_as_it_was(source: Path, tmp_path: Path) -> None:
    target, link = tmp_path / "out.csv", tmp_path / "link.csv"
    target.write_text("older\n" * 1000)
    target.chmod(0o600)
    link.symlink_to(target)
    score(source, link)
    assert link.is_symlink()
    assert target.read_text() == SCORED
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_failure_leaves_the_output_as_it_was(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "out.csv"
    target.write_text("older\n")
    before = set(tmp_path.iterdir())

    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:5])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(CommandFailed, match=f"^{target}: No space left on device$"):
        score(source, target)
    assert target.read_text() == "older\n"
    assert set(tmp_path.iterdir()) == before


def test_an_output_without_a_folder_is_named(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "nowhere" / "out.csv"
    with pytest.raises(CommandFailed, match=f"^{target}: No such file or directory$"):
        score(source, target)


def test_a_pipe_is_written_into(source: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    score(source, pipe)
    reader.join()
    assert read == [SCORED]
