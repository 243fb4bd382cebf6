"""CSV files as people and programs write them, and worse: for tests that read each of them in two ways."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from bridge.columns import Type
from bridge.row_files.csv_dialect import Dialect
from bridge.row_files.source_errors import SourceError
from bridge.row_files.sources import open_source
from bridge.row_files.wanted import Wanted, WantedFeature

__all__ = ["ODD_CELLS", "CsvFile", "csv_files", "outcome"]

DIALECTS = (
    Dialect(),
    Dialect(";", ","),
    Dialect("\t", ",", "utf-16"),
    Dialect(" ", header=False),
    Dialect("|", encoding="cp1252"),
    Dialect("\u00a6", encoding="latin-1"),
    Dialect(",", encoding="gb18030", header=False),
    Dialect("'"),
)
ENDS = ("\n", "\r\n", "\r")


@dataclass(frozen=True)
class CsvFile:
    """A file and how it is read."""

    content: bytes
    dialect: Dialect
    wanted: Wanted
    chunk_rows: int
    finished: frozenset[int]


PLAIN = st.one_of(
    st.integers(-1000, 1000).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(-1e6, 1e6).map(lambda one: f"{one:.2f}"),
    st.integers(-(2**64), 2**64).map(str),
    st.integers(-(2**31) - 2, 2**31 + 2).map(lambda one: f"{one}.0"),
)
ODD_NUMBERS = """0 -0 0.0 -0.00 .0 0. . - + +5 -.5 5. .5e1 5.e1 1e 1e5 1E+05 1e-05 e5 0e5 1e400 -1e400 1e-400 -1e-400
4.9e-324 2e-324 1.8e308 0x10 0x1p3 1_0 1,5 1.5 1.000 1,000 1.2.3 1-2 --1 1e5.0 1e1e1 inf -Inf infinity nan NaN -nan NAN
9007199254740992 9007199254740993 9007199254740991.4 9007199254740991.5 1.00000000000000000001 00012 2147483647
2147483648 -2147483648 -2147483647 999999999999999 9999999999999999 9223372036854775807 9223372036854775808 12.0
100000000000000.5 123456789012345.0 1234567890123456.0 0.1e1 10e-1 1e15 1e18 1e19 TRUE False true f T yes 1% NULL
NA \\N na N/A \u0661 \uff11 \u22121 1d5 1f 1e+ 1e- 0e 00 -00.0e-00 0.0000000000000000000000000001
9007199254740991 -2147483647.0 2147483648.0 0.99999999999999999 -9223372036854775808"""
ODD_CELLS = [
    *ODD_NUMBERS.split(),
    *["", " ", "\t", " 1.5", "1 ", "\t7\t", " NA", "NA ", " nan ", "1 2", "- 1", " TRUE ", "5\u00a0"],
]
ODD = st.sampled_from(ODD_CELLS)
TEXT = st.sampled_from(
    ["a", "b", "", "NA", "\\N", "\u00fc", "\u4e2d\u6587", "it's", "a;b", "a,b", "\0", "x" * 30, " a", "\u2028", "\x0b"]
)
QUOTED = (TEXT | ODD | PLAIN).map(lambda one: f'"{one}"')
WILD = st.one_of(
    TEXT, QUOTED, st.sampled_from(['"a""b"', '""', '""""', '"a\nb"', '"a\r\nb"', '"', 'a"b', '"a"b', ' "a"', '"a,b;c"'])
)
POOLS = (PLAIN, PLAIN | ODD, PLAIN | st.just("") | st.just("NA"), ODD, TEXT, QUOTED, TEXT | QUOTED, WILD)
FEATURES = (
    (None, ()),
    (Type.DOUBLE, ()),
    (Type.DOUBLE, ()),
    (Type.FLOAT, ()),
    (Type.INT, ()),
    (Type.INT64, ()),
    (Type.BOOL, ()),
    (Type.STRING, ()),
    (Type.FACTOR, ("a", "b")),
    (Type.FACTOR, ("a", "NA", "")),
)


@st.composite
def csv_files(draw: st.DrawFn) -> CsvFile:
    """A file that mostly is one of numbers and texts, and sometimes is damaged anywhere."""
    dialect = draw(st.sampled_from(DIALECTS))
    width = draw(st.integers(1, 4))
    names = [f"c{at}" for at in range(width)]
    rows = draw(st.integers(0, 9))
    end = draw(st.sampled_from(ENDS))
    pools = [draw(st.sampled_from(POOLS if draw(st.booleans()) else POOLS[:3])) for _ in names]
    lines = [dialect.separator.join(draw(pool) for pool in pools) for _ in range(rows)]
    text = end.join(
        [*([dialect.separator.join(names)] if dialect.header else []), *lines, *[""] * draw(st.integers(0, 3))]
    )
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(text)))
        more = st.sampled_from(
            ['"', "\n", "\r", "\r\n", "\n\n", dialect.separator, "\0", ",", "\ufeff", "sep=;\n", '""', ""]
        )
        text = text[:at] + draw(more) + text[at + draw(st.integers(0, 2)) :]
    content = text.encode(dialect.encoding, "replace")
    if draw(st.sampled_from([False, False, False, True])):
        at = draw(st.integers(0, len(content)))
        content = content[:at] + draw(st.sampled_from([b"\xff", b"\x81", b"\0", b"\xef\xbb\xbf", b""])) + content[at:]
    return CsvFile(
        content, dialect, _wanted(draw, names), draw(st.integers(1, 6)), draw(st.frozensets(st.integers(0, 2)))
    )


def _wanted(draw: st.DrawFn, names: Sequence[str]) -> Wanted:
    kinds = [draw(st.sampled_from(FEATURES)) for _ in names]
    features = [WantedFeature(name, *kind) for name, kind in zip(names, kinds, strict=True)]
    if draw(st.sampled_from([False, False, False, True])):
        features = []
    key = draw(st.sampled_from([None, *names]))
    keep = draw(st.sampled_from([(), tuple(names[-1:])])) if names[-1] != key else ()
    return Wanted(features, key, keep, ignore_extra=draw(st.booleans()))


def outcome(path: Path, file: CsvFile) -> list[Any]:
    """All that a run sees of a file, and the error that ends it, if one does: two are equal if all of it is."""
    seen: list[Any] = []
    try:
        source = open_source([str(path)], file.dialect, file.wanted)
        seen.append([dict(one.types) for one in source._opened])
        with closing(source):
            seen.extend(map(_of_chunk, source.chunks(file.chunk_rows, file.finished.__contains__)))
        seen.append((source.counted, source.rows_read, source.read_share()))
    except SourceError as error:
        seen.append((type(error), str(error)))
    return seen


def _of_chunk(chunk: Any) -> tuple[Any, ...]:
    columns = [
        (
            one.name,
            one.type,
            one.values.dtype,
            one.values.tobytes() if one.values.dtype != object else one.values.tolist(),
            None if one.mask is None else one.mask.tolist(),
        )
        for one in chunk.batch.columns
    ]
    rejects = [(one.row, one.key, one.column, one.reason, one.detail) for one in chunk.rejects]
    rest = (chunk.echoed.schema, chunk.echoed.num_rows, chunk.echoed.to_pydict(), chunk.places.tolist())
    return (chunk.number, chunk.first, chunk.rows, chunk.batch.rows, columns, chunk.keys, rejects, *rest)
