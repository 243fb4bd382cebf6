"""Makes bulk actions of logged calls: which index a document goes to, and how it is added there."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from bridge.prediction_log.reader import Entry
from bridge.prediction_log.search_documents import (
    Fields,
    Withhold,
    call_document,
    index_suffix,
    row_documents,
    unindexed,
)

__all__ = ["Action", "Documents", "Indices"]


class Indices(StrEnum):
    """How documents are spread over indices."""

    MODEL = "model"
    DAILY = "daily"
    DATA_STREAM = "data-stream"


@dataclass(frozen=True, slots=True)
class Action:
    """One document on its way, ready to be sent.

    Attributes:
        verb: "index", which replaces an older document of the id, or "create", which is all that data streams take.
        identity: the document's id: segment, record and row.
        index: the index or data stream.
        sequence: the number of the record in the log.
        raw: the document in JSON.
    """

    verb: str
    identity: str
    index: str
    sequence: int
    raw: bytes

    @property
    def line(self) -> bytes:
        """What stands before the document in a bulk."""
        return orjson.dumps({self.verb: {"_index": self.index, "_id": self.identity}})

    @property
    def size(self) -> int:
        """How many bytes it takes in a bulk, about."""
        return len(self.raw) + len(self.identity) + len(self.index) + 64

    def without_fields(self) -> "Action | None":
        """Returns the same document with its values where nobody can search them; None if it has none to move."""
        document: Fields = orjson.loads(self.raw)
        if not unindexed(document):
            return None
        return Action(self.verb, self.identity, self.index, self.sequence, orjson.dumps(document))


class Documents:
    """Makes the documents of records.

    Args:
        index: the name that all indices begin with.
        indices: how documents are spread over indices.
        rows: whether each row gets a document, rather than each call.
        withhold: takes fields out of documents; None ships all.
    """

    def __init__(self, index: str, indices: Indices, *, rows: bool, withhold: Withhold | None) -> None:
        self._index, self._indices = index, indices
        self._rows, self._withhold = rows, withhold

    def of(self, entry: Entry) -> Iterator[Action]:
        """Yields the actions of one record, the same ones whenever it is read again."""
        found = row_documents(entry, self._withhold) if self._rows else [call_document(entry, self._withhold)]
        stream = self._indices is Indices.DATA_STREAM
        for identity, document in found:
            if stream:
                document["@timestamp"] = document["received_at"]
            index = self._index_of(document)
            yield Action("create" if stream else "index", identity, index, entry.sequence, orjson.dumps(document))

    def _index_of(self, document: dict[str, Any]) -> str:
        name = f"{self._index}-{index_suffix(document)}"
        if self._indices is not Indices.DAILY:
            return name
        # The day of the call, not that of the shipping: so a document that is sent again goes to the same index.
        day = (document["received_at"] or "undated")[:10]
        return f"{name}-{day.replace('-', '.')}"
