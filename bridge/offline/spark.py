"""Scores a Spark frame: what is checked before a job begins, and the frame that comes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa
from scorebridge.v1 import scoring_pb2 as pb

from bridge.calls import Output
from bridge.errors import BridgeError
from bridge.offline.executors.archive import pack
from bridge.offline.executors.partition import DETAIL, PartitionScoring
from bridge.offline.executors.resident import Bundled
from bridge.offline.in_process import InProcess
from bridge.offline.loop_thread import LoopThread
from bridge.offline.model_columns import outputs_of, wanted_of
from bridge.offline.output_rows import output_schema
from bridge.row_files.arrow_columns import may_be_keys, plain_type
from bridge.row_files.wanted import Wanted
from bridge.workers.programs import Programs

__all__ = ["FrameRefused", "ScoreOptions", "score"]

_FRAME = "the frame"


class FrameRefused(BridgeError):
    """A frame can't be scored by this model; the message says why, and what to do. No job was begun."""

    reason = "FRAME_REFUSED"


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """The options of `score`.

    Attributes:
        version: the version's number; 0 for the promoted one, else the highest that may serve.
        key: the column of row keys, of text or whole numbers, which is copied; rows without a key are rejects.
        keep: further columns to copy, such as those that a table is partitioned by.
        ignore_extra: whether columns that are neither features nor copied are ignored; if not, they are refused.
        default: whether rows that can't be scored get default scores, marked in `source`: False for none, True for
            the model's own, a number for this one. Rows with values that no model could take stay rejects.
        rejects: what is done with rows that get no score: "fail" ends the job with a sentence about the first, "keep"
            keeps them with `source` 'FAILED', no scores, the `reason`, and a column `detail` with a sentence.
        timeout_s: the most seconds that one call may take; the model's `max_timeout_s` and `kill_after_s` hold too.
        patience_s: how long to wait while the model can't score, before the job ends, seconds.
        r: which processes hold R for a bundle of an R model: those of Rserve, or Python's own, by rpy2.
        pythons: the paths of the interpreters that bundles of Python functions may name, here and on the executors.

    Raises:
        ValueError: `rejects` or `r` has no such value.
    """

    version: int = 0
    key: str | None = None
    keep: Sequence[str] = ()
    ignore_extra: bool = False
    default: float | bool = False
    rejects: Literal["fail", "keep"] = "fail"
    timeout_s: float = 30.0
    patience_s: float = 600.0
    r: Literal["rserve", "embedded"] = "rserve"
    pythons: Mapping[str, str | Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.rejects not in {"fail", "keep"} or self.r not in {"rserve", "embedded"}:
            raise ValueError('rejects must be "fail" or "keep", and r "rserve" or "embedded"')


def score(frame: Any, model: str, repository: str | Path, **options: Any) -> Any:
    """Returns the scores of a frame's rows as another frame, which Spark computes where the rows are.

    The version is loaded here once, to know its columns, and Spark brings its bundle to the executors; each of their
    Python processes loads it once, makes its trial, and scores with the digest that was found here, whatever happens
    to the repository meanwhile. Executors need this package and, for R models, R with Rserve or rpy2.

    Args:
        frame: the rows, a `pyspark.sql.DataFrame` with a column for each feature; null and NaN are missing values.
        model: the model's name.
        repository: the folder of bundles, which only the driver must see.
        options: the fields of `ScoreOptions`, such as `key`, `keep`, `default` and `rejects`.

    Returns:
        A `pyspark.sql.DataFrame` with the rows in their order and partitions: the columns that are copied, the key
        first; the model's outputs, null where a score is missing; `source` ('MODEL' or 'DEFAULT'), `reason`,
        `version`; and `detail` if rejects are kept.

    Raises:
        BridgeError: there is no such version or it may not serve, its rows depend on each other, or the frame's
            columns don't fit it; the message says which.
        TypeError, ValueError: there is no such option, or it has no such value.
    """
    asked = ScoreOptions(**options)
    repository = Path(repository)
    detail = _described(repository, model, asked)
    columns = _Columns.of(frame, wanted_of(detail, asked.key, asked.keep, ignore_extra=asked.ignore_extra))
    schema = _schema(columns, outputs_of(detail), detail=asked.rejects == "keep")
    archive = pack(repository, model, detail.version.version, detail.version.digest)
    frame.sparkSession.addArtifacts(str(archive), file=True)
    return columns.taken.mapInArrow(_scoring(asked, columns, detail, archive.name), schema)


def _scoring(asked: ScoreOptions, columns: "_Columns", detail: pb.ModelDetail, archive: str) -> PartitionScoring:
    return PartitionScoring(
        bundled=_bundled(asked, detail, archive),
        names=columns.names,
        sent=columns.sent,
        echoed=columns.echoed,
        key=asked.key,
        default=asked.default,
        keep_rejects=asked.rejects == "keep",
        patience_s=asked.patience_s,
    )


def _bundled(asked: ScoreOptions, detail: pb.ModelDetail, archive: str) -> Bundled:
    found, pythons = detail.version, tuple((name, str(path)) for name, path in sorted(asked.pythons.items()))
    return Bundled(archive, found.model, found.version, found.digest, asked.r, pythons, asked.timeout_s)


def _described(repository: Path, model: str, asked: ScoreOptions) -> pb.ModelDetail:
    """Returns what a version says of itself once it is loaded; it is closed again."""
    programs = Programs(asked.r, {name: Path(path) for name, path in asked.pythons.items()})
    loop = LoopThread()  # a notebook's own loop is busy with the cell that calls this
    try:
        scorer = loop.run(InProcess.open(repository, model, asked.version, programs=programs, workers=1))
        loop.run(scorer.close())
    finally:
        loop.close()
    detail = scorer.detail
    if not detail.row_wise:
        raise FrameRefused(
            f"{model}/{detail.version.version} is not row-wise ({detail.row_wise_reason}), so all rows must be scored"
            " in one call, and Spark divides them: write the frame to Parquet and score it with 'scorebridge batch'"
        )
    return detail


class _Columns(NamedTuple):
    """The columns that are taken of a frame.

    Attributes:
        taken: the frame with these columns alone, named by their places, as Spark confuses names that differ in case.
        names: their names.
        fields: their fields in Spark's schema, by name.
        arrow: their types as Arrow brings them, by name.
        sent: those that are sent to the model.
        echoed: those that are copied, the key column first.
    """

    taken: Any
    names: tuple[str, ...]
    fields: dict[str, Any]
    arrow: dict[str, pa.DataType]
    sent: tuple[str, ...]
    echoed: tuple[str, ...]

    @classmethod
    def of(cls, frame: Any, wanted: Wanted) -> "_Columns":
        wanted.check()
        fields = list(frame.schema.fields)
        names = [field.name for field in fields]
        sent, echoed = wanted.sent(names, _FRAME), wanted.echoed
        places = [place for place, name in enumerate(names) if name in sent or name in echoed]
        renamed = frame.toDF(*(f"c{place}" for place in range(len(names))))
        found = cls(
            taken=renamed.select(*(f"c{place}" for place in places)),
            names=tuple(names[place] for place in places),
            fields={names[place]: fields[place] for place in places},
            arrow={names[place]: _arrow_type(fields[place]) for place in places},
            sent=sent,
            echoed=echoed,
        )
        for name in sent:
            plain_type(name, found.arrow[name])
        _check_key(wanted.key, found.arrow)
        return found


def _arrow_type(field: Any) -> pa.DataType:
    from pyspark.errors import PySparkException  # noqa: PLC0415 - an extra, which only users of Spark have
    from pyspark.sql.pandas.types import to_arrow_type  # noqa: PLC0415

    try:
        kind: pa.DataType = to_arrow_type(field.dataType, timezone="UTC")
    except PySparkException as error:
        raise FrameRefused(
            f"column '{field.name}' is of Spark's type {field.dataType.simpleString()}, which Arrow does not bring:"
            " cast it to a number, a truth value or text"
        ) from error
    return kind


def _check_key(key: str | None, kinds: dict[str, pa.DataType]) -> None:
    if key is not None and not may_be_keys(kinds[key]):
        raise FrameRefused(f"the key column '{key}' is of Arrow's type {kinds[key]}: cast it to text or a whole number")


def _schema(columns: _Columns, outputs: Sequence[Output], *, detail: bool) -> Any:
    from pyspark.sql.pandas.types import from_arrow_type  # noqa: PLC0415 - an extra, which only users of Spark have
    from pyspark.sql.types import StructField, StructType  # noqa: PLC0415

    echoed = [pa.field(name, columns.arrow[name]) for name in columns.echoed]
    schema = output_schema(pa.schema(echoed), outputs, {})
    if detail:
        if DETAIL in schema.names:
            raise FrameRefused(
                f"rejects are kept with a column '{DETAIL}', and there is another of that name: rename it"
            )
        schema = schema.append(pa.field(DETAIL, pa.string()))
    # Arrow knows less of a column that is copied than Spark does, such as the element names of a struct.
    fields = [StructField(name, columns.fields[name].dataType) for name in columns.echoed]
    fields += [StructField(field.name, from_arrow_type(field.type)) for field in list(schema)[len(fields) :]]
    return StructType(fields)
