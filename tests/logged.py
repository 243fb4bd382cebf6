"""Logs of calls of deployed versions, built by hand, and `scorebridge reconcile` on them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer
from prediction_logs import of_messages, write_log
from scorebridge.v1 import prediction_log_pb2 as log_pb
from scorebridge.v1 import scoring_pb2 as pb
from typer.testing import CliRunner, Result

from bridge.bundles.bundle import read_bundle
from bridge.bundles.repository import StoredVersion
from bridge.cli.reconcile import reconcile

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
        return self._record(stored, request, response)

    def failure(self, stored: StoredVersion, status: int) -> None:
        """A call that was not answered."""
        self._record(stored, pb.ScoreRequest(), None, status)

    def _record(
        self, stored: StoredVersion, request: pb.ScoreRequest, response: pb.ScoreResponse | None, status: int = 0
    ) -> log_pb.LogRecord:
        place = len(self.records)
        record = of_messages(
            request,
            response,
            model=stored.model,
            version=stored.version,
            digest=read_bundle(stored.path).digest,
            engine="",
            status=status,
            seconds=FIRST_SECOND + 60 * place,
            total_ms=1.5,
        )
        record.request_id = f"call-{place}"
        self.records.append(record)
        return record

    def write(self) -> Path:
        """The folder, with one segment."""
        write_log(self.folder, self.records, environment=self.environment)
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
