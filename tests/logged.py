"""Prediction logs that are built by hand, and `scorebridge reconcile` on them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb
from typer.testing import CliRunner, Result

from bridge.bundles.bundle import read_bundle
from bridge.bundles.repository import StoredVersion
from bridge.cli.reconcile import reconcile
from bridge.prediction_log.frames import encode_frame, encode_preamble

FIRST_SECOND = 1_700_000_000
CALL_ROWS = 37


@dataclass
class Log:
    """A log on its way to a file."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    records: list[log_pb.LogRecord] = field(default_factory=list)

    def call(
        self,
        stored: StoredVersion,
        features: pb.Matrix | pb.Table,
        scores: Sequence[pb.Column],
        defaulted: Sequence[pb.DefaultedRows] = (),
        keys: Sequence[str] = (),
        failed: Sequence[pb.FailedRows] = (),
    ) -> log_pb.LogRecord:
        """An answered call, a partial one where rows failed; the record may be changed until `write`."""
        request = pb.ScoreRequest(model=stored.model, row_keys=keys, partial=bool(failed))
        getattr(request, "matrix" if isinstance(features, pb.Matrix) else "table").CopyFrom(features)
        response = pb.ScoreResponse(model=stored.model, version=stored.version, scores=scores)
        response.defaulted_rows.extend(defaulted)
        response.failed_rows.extend(failed)
        record = self._record(stored, status=0)
        record.request, record.response = request.SerializeToString(), response.SerializeToString()
        return record

    def failure(self, stored: StoredVersion, status: int) -> None:
        """A call that was not answered."""
        self._record(stored, status=status)

    def _record(self, stored: StoredVersion, status: int) -> log_pb.LogRecord:
        digest = read_bundle(stored.path).digest
        record = log_pb.LogRecord(method="/scorebridge.v1.ScoringService/Score", request_id=f"call-{len(self.records)}")
        record.model, record.version, record.digest, record.status = stored.model, stored.version, digest, status
        record.received_ns = (FIRST_SECOND + 60 * len(self.records)) * 10**9
        record.total_ns = 1_500_000
        self.records.append(record)
        return record

    def write(self) -> Path:
        """The folder, with one segment."""
        self.folder.mkdir()
        segment_id = b"0123456789abcdef"
        header = log_pb.SegmentHeader(segment_id=segment_id, first_sequence=1, environment=self.environment)
        frames = [encode_frame(segment_id, at, one.SerializeToString()) for at, one in enumerate(self.records, 1)]
        (self.folder / f"{1:020d}.sblog").write_bytes(encode_preamble(header) + b"".join(frames))
        return self.folder


def run(log: Path, *arguments: object) -> Result:
    """The command, with its exit code and what it printed."""
    app = typer.Typer()
    app.command()(reconcile)
    return CliRunner().invoke(app, [str(log), *map(str, arguments)], env={"COLUMNS": "200"})


def said(result: Result) -> str:
    return " ".join(result.output.split())


def doubles(values: Any, name: str = "score") -> pb.Column:
    return pb.Column(name=name, doubles=pb.DoubleArray(values=values))


def floats(values: Any, name: str = "score") -> pb.Column:
    return pb.Column(name=name, floats=pb.FloatArray(values=values))


def table(columns: dict[str, Any]) -> pb.Table:
    return pb.Table(columns=[doubles(values, name) for name, values in columns.items()])


def matrix(rows: Any, names: Sequence[str] = ()) -> pb.Matrix:
    return pb.Matrix(columns=names, rows=len(rows), doubles=pb.DoubleArray(values=rows.ravel()))


def slices(rows: int) -> Iterator[tuple[int, int]]:
    for first in range(0, rows, CALL_ROWS):
        yield first, min(CALL_ROWS, rows - first)
