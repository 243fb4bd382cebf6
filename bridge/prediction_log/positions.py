"""How far a log was shipped: one file beside the segments for each place that it is shipped to.

Whoever ships writes such a file; the gateway reads it before it removes a segment, and changes nothing.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge.errors import BridgeError
from bridge.files import open_regular

__all__ = ["Position", "PositionNotReadable", "position_path", "positions_in", "read_position", "write_position"]

_PREFIX, _SUFFIX = "shipped-", ".position"
_MOST_BYTES = 64 << 10
_MOST_FILES = 1000
_LARGEST = (1 << 64) - 1


class PositionNotReadable(BridgeError):
    """A file that says how far a log was shipped is damaged, or of a newer version."""

    reason = "POSITION_NOT_READABLE"


class Position(BaseModel):
    """How far a log was shipped to one place: everything before it was taken there.

    Attributes:
        form: the number of this form of the file.
        to: the place, as people read it.
        segment: the file name of the segment that is read; empty before the first one.
        segment_id: the id of that segment, in hexadecimal.
        offset: the place in that segment behind the last record that was taken, in bytes.
        sequence: the number of the next record.
        seen: the names of columns to leave out or to hash that have occurred.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    form: int = Field(default=1, ge=1, le=1)
    to: str = Field(default="", max_length=1024)
    segment: str = Field(default="", max_length=255)
    segment_id: str = Field(default="", pattern=r"^([0-9a-f]{32})?$")
    offset: int = Field(default=0, ge=0, le=_LARGEST)
    sequence: int = Field(default=0, ge=0, le=_LARGEST)
    seen: frozenset[str] = Field(default=frozenset(), strict=False)


def position_path(folder: Path, name: str) -> Path:
    """Returns the path of the position of this name in the folder of a log."""
    return folder / f"{_PREFIX}{name}{_SUFFIX}"


def read_position(path: Path) -> Position | None:
    """Reads a position; None if there is no such file.

    Raises:
        PositionNotReadable: the file is damaged, or not a regular one.
        OSError: it can't be read.
    """
    try:
        with open_regular(path, refusal=PositionNotReadable) as file:
            raw = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    if len(raw) > _MOST_BYTES:
        raise PositionNotReadable(f"{path} is larger than {_MOST_BYTES} bytes: it is no position of a shipped log")
    try:
        return Position.model_validate_json(raw)
    except ValidationError as error:
        raise PositionNotReadable(
            f"{path} is damaged, or of a newer scorebridge: remove it to ship the log from its beginning"
        ) from error


def write_position(path: Path, position: Position) -> None:
    """Replaces a position in one step, and returns when it is on the disk; one process at a time may do so.

    Raises:
        OSError: it can't be written; the position before it is still there.
    """
    new = path.with_suffix(".new")  # always of this name, so that processes that are killed leave one file at most
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(position.model_dump_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        with suppress(OSError):
            new.unlink()
        raise
    _sync_folder(path.parent)


def positions_in(folder: Path) -> Mapping[Path, Position | None]:
    """Returns the positions in the folder of a log by their paths; None stands for one that can't be read.

    Raises:
        OSError: the folder can't be read.
    """
    found: dict[Path, Position | None] = {}
    for path in sorted(folder.glob(f"{_PREFIX}*{_SUFFIX}"))[:_MOST_FILES]:
        try:
            found[path] = read_position(path)
        except (PositionNotReadable, OSError):
            found[path] = None
    return found


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
