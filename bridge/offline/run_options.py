"""What a run is asked to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bridge.row_files.csv_dialect import Dialect

__all__ = ["RunOptions", "usual_chunk_rows"]

_CHUNK_ROWS = 10_000
_CHUNK_VALUES = 1_000_000  # 8 MB of numbers: a few chunks at once take little memory, however many columns they have


def usual_chunk_rows(columns: int) -> int:
    """Returns the rows of a chunk, where nobody asks for another number, for a model with this many features."""
    return max(1, min(_CHUNK_ROWS, _CHUNK_VALUES // max(1, columns)))


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run reads, sends, writes and tolerates.

    Attributes:
        inputs: the files, folders and queries to read, in order.
        output: the file or folder to write.
        partition: the partition columns of the output and their values, in order; empty for none.
        dialect: how CSV files of the input are written.
        key: the column of row keys; None for none.
        keep: further columns to copy to the output.
        ignore_extra: whether columns that are neither features nor copied are ignored; if not, they are refused.
        chunk_rows: the rows of a chunk; None for 10,000, or fewer where rows have many columns.
        default: whether rows that can't be scored get default scores: False for none, True for the model's own, a
            number for this one.
        max_rejects: the most rows that may get no score; the run publishes nothing if there are more.
        max_defaults: the most rows that may get default scores; None for any number.
        overwrite: whether an output that exists is replaced.
        restart: whether what an earlier run on the same output left is thrown away.
        workers: how many calls may be under way at once; None for a number that keeps the model's workers busy.
        patience_s: how long to wait for a gateway or model that can't score now, seconds.
    """

    inputs: tuple[str, ...]
    output: Path
    partition: Mapping[str, str] = field(default_factory=dict)
    dialect: Dialect = field(default_factory=Dialect)
    key: str | None = None
    keep: tuple[str, ...] = ()
    ignore_extra: bool = False
    chunk_rows: int | None = None
    default: float | bool = False
    max_rejects: int = 0
    max_defaults: int | None = None
    overwrite: bool = False
    restart: bool = False
    workers: int | None = None
    patience_s: float = 600.0

    @property
    def run_folder(self) -> Path:
        """The folder in which the run keeps what it needs to be resumed."""
        names = [f"{name}={value}" for name, value in self.partition.items()]
        return self.output.with_name(f"{self.output.name}.run").joinpath(*names)

    @property
    def rejects_file(self) -> Path:
        """The CSV file that lists the rows without a score."""
        names = "".join(f".{name}={value}" for name, value in self.partition.items())
        return self.output.with_name(f"{self.output.name}{names}.rejects.csv")

    def rows_of_a_chunk(self, columns: int) -> int:
        """Returns the rows of a chunk for a model with this many features."""
        return self.chunk_rows or usual_chunk_rows(columns)

    def shaping(self, columns: int) -> dict[str, object]:
        """Returns the options that change what is written, by their names on the command line.

        Args:
            columns: the number of the model's features.
        """
        dialect = self.dialect
        return {
            "--key": self.key,
            "--keep": list(self.keep),
            "--ignore-extra": self.ignore_extra,
            "--batch-size": self.rows_of_a_chunk(columns),
            "--default": self.default,
            "--partition": [f"{name}={value}" for name, value in self.partition.items()],
            "--separator": dialect.separator,
            "--decimal": dialect.decimal,
            "--encoding": dialect.encoding,
            "--no-header": not dialect.header,
        }
