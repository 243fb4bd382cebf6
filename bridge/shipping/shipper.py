"""Ships a log: reads what is new, delivers it in bounded bulks, and keeps beside the log how far it has come."""

import fcntl
import hashlib
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.errors import BridgeError
from bridge.prediction_log.folder import segment_paths
from bridge.prediction_log.positions import Position, position_path, read_position, write_position
from bridge.prediction_log.reader import Entry
from bridge.prediction_log.rows import INPUT, read_call, values_of
from bridge.prediction_log.search_documents import invented
from bridge.shipping.delivery import Delivery
from bridge.shipping.documents import Action, Documents
from bridge.shipping.tail import LogTail, Place
from bridge.shipping.withheld import Withheld, WithholdingRefused

__all__ = ["PositionNotKept", "Shipment", "Shipper", "ShippingBusy", "claimed"]

_MOST_BULK_BYTES, _MOST_BULK_DOCUMENTS = 8 << 20, 2000
_LOOK_AHEAD = 10_000
_POLL_S = 0.5


class ShippingBusy(BridgeError):
    """Another process ships this log to the same place."""

    reason = "SHIPPING_BUSY"


class PositionNotKept(BridgeError):
    """How far the log was shipped can't be written down, so shipping ends before it would lose count."""

    reason = "POSITION_NOT_KEPT"


@dataclass(frozen=True, slots=True)
class Shipment:
    """What is shipped where.

    Attributes:
        folder: the folder of the log.
        to: the place, as people read it; the position is kept under a name made of it.
        documents: makes the documents.
        withheld: what must not leave.
        allow_absent: whether names to withhold may be of columns that no call has.
        once: whether to end where the log ends now, rather than to wait for more.
    """

    folder: Path
    to: str
    documents: Documents
    withheld: Withheld
    allow_absent: bool = False
    once: bool = False

    @property
    def position(self) -> Path:
        """The path of the file that says how far the log was shipped there."""
        return position_path(self.folder, hashlib.sha256(self.to.encode()).hexdigest()[:16])


class Shipper:
    """Ships one log to one place; use it within `claimed`.

    Args:
        shipment: what is shipped where.
        delivery: the way there.
        stop: set to end after the bulk under way.
        tell: called with a sentence on what had to be skipped, and on models that have none of the columns to withhold.

    Attributes:
        tail: the log as it is read.

    Raises:
        PositionNotReadable: the position is damaged.
        LogNotReadable, LogReplaced: there is no log, or another one.
    """

    def __init__(
        self, shipment: Shipment, delivery: Delivery, stop: threading.Event, tell: Callable[[str], None]
    ) -> None:
        self._shipment, self._delivery, self._stop, self._tell = shipment, delivery, stop, tell
        self._saved = read_position(shipment.position) or Position(to=shipment.to)
        shipment.withheld.note(INPUT + name for name in self._saved.seen)
        self.tail = LogTail(shipment.folder, Place.of(self._saved), tell)
        self._whole = self.tail.place  # everything before it is delivered, or in `_bulk`
        self._bulk: list[Action] = []
        self._bytes = 0
        self._versions: set[tuple[str, int]] = set()  # those whose columns were looked at

    def run(self) -> None:
        """Ships until the log's end if the shipment is one of once, else until `stop` is set.

        Raises:
            BridgeError: it can't go on; what was delivered is noted.
            OSError: the log can't be read.
        """
        while not self._stop.is_set():
            for entry in self._entries():
                for action in self._shipment.documents.of(entry):
                    if self._bytes + action.size > _MOST_BULK_BYTES or len(self._bulk) >= _MOST_BULK_DOCUMENTS:
                        self._deliver()
                    self._bulk.append(action)
                    self._bytes += action.size
                self._whole = self.tail.place
                if self._stop.is_set():
                    return
            self._whole = self.tail.place
            self._deliver()
            if self._shipment.once:
                return
            self._stop.wait(_POLL_S)

    def _deliver(self) -> None:
        if self._bulk:
            self._delivery.deliver(self._bulk)
        self._bulk, self._bytes = [], 0
        self._save()

    def _save(self) -> None:
        place, shipment = self._whole, self._shipment
        position = Position(
            to=shipment.to,
            segment=place.segment,
            segment_id=place.segment_id.hex(),
            offset=place.offset,
            sequence=place.sequence,
            seen=shipment.withheld.seen,
        )
        if position == self._saved:
            return
        try:
            write_position(shipment.position, position)
        except OSError as error:
            raise PositionNotKept(
                f"{shipment.position} can't be written: {error.strerror}. Free some space or give the right to write; "
                "the same command then goes on, and sends again what was sent since, which makes no double"
            ) from error
        self._saved = position

    def _entries(self) -> Iterator[Entry]:
        """Yields what is new; if a name to withhold has not occurred yet, only what was looked through for it."""
        withheld, tail = self._shipment.withheld, self.tail
        while True:
            before = tail.place
            until = self._look_ahead() if withheld.unseen and not self._shipment.allow_absent else None
            for entry in tail.entries(until):
                if withheld:
                    self._tell_absent(entry)
                yield entry
            if until is None or tail.place == before:
                return

    def _look_ahead(self) -> int:
        """Looks for the names to withhold before anything leaves, and returns the number of the record behind the last.

        Raises:
            WithholdingRefused: there are calls, and none has a column of one of the names.
        """
        withheld = self._shipment.withheld
        ahead = LogTail(self._shipment.folder, self.tail.place)
        columns: set[str] = set()
        for number, entry in enumerate(ahead.entries()):
            call = read_call(entry.record)
            if call.accepted and call.inputs:
                names = values_of(call).keys() - invented(call)
                withheld.note(names)
                columns.update(name.removeprefix(INPUT) for name in names if name.startswith(INPUT))
            if not withheld.unseen or number >= _LOOK_AHEAD:
                break
        if withheld.unseen and columns:
            raise WithholdingRefused(
                f"no call has a column '{min(withheld.unseen)}': is it misspelt? Nothing was sent. The columns "
                f"are {', '.join(sorted(columns)[:50])}. If it may come later, say --allow-absent"
            )
        return ahead.place.sequence

    def _tell_absent(self, entry: Entry) -> None:
        version = (entry.record.model, entry.record.version)
        if version in self._versions or len(self._versions) >= _LOOK_AHEAD:
            return
        call = read_call(entry.record)
        if not call.accepted or not call.inputs:
            return
        self._versions.add(version)
        absent = self._shipment.withheld.absent_from(values_of(call))
        if absent:
            self._tell(f"{version[0]}/{version[1]} has no column {', '.join(absent)}, which would be withheld")


@contextmanager
def claimed(shipment: Shipment) -> Iterator[None]:
    """Keeps other processes from shipping the same log to the same place.

    Raises:
        ShippingBusy: another process does.
        LogNotReadable: there is no log in the folder.
        OSError: the lock can't be made.
    """
    segment_paths(shipment.folder)  # nothing is put into a folder without a log
    path = shipment.position.with_suffix(".lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ShippingBusy(f"{path} is not a regular file: remove it")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ShippingBusy(f"another process ships {shipment.folder} to {shipment.to}") from error
        yield
    finally:
        os.close(descriptor)
