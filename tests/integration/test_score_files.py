"""`scorebridge score` on files that R, pandas and polars wrote: a served R model holds the values against R's own."""

import asyncio
import csv
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from fixtures import SCOREBRIDGE, Cancer, StartGateway, deploy, make_r_bundle

from bridge.cli.commands import CommandFailed
from bridge.cli.csv_batch import Echo
from bridge.cli.gateway_options import GatewayOptions
from bridge.cli.score import score_csv
from bridge.gateway.server import Gateway
from bridge.row_files.csv_dialect import Dialect

FRAME = r"""
x <- data.frame(
  d = c(1e-300, 2^53, NA, 0.1, 1e23, -Inf, 123456.789),
  i = c(1L, NA, -2147483647L, 3L, 100000L, 5L, 6L),
  b = c(TRUE, FALSE, NA, TRUE, TRUE, FALSE, NA),
  s = c("NA", NA, "a;b,\t\"q\"", "", "two\nlines", "\\N", "\u4e2d\u6587"),
  f = factor(c("low", "NA", NA, "low", "a,b", "low", "NA"), levels = c("low", "NA", "a,b"))
)
"""
SAME = """
Pred.R <- function(d, i, b, s, f) {
  same <- list(d = identical(d, x$d), i = identical(i, x$i), b = identical(b, x$b), s = identical(s, x$s),
               f = identical(f, x$f))
  lapply(same, function(one) rep(as.numeric(one), length(d)))
}
"""
FEATURES = """
[features]
d = "double"
i = "int"
b = "bool"
s = "string"
f = {type = "factor", levels = ["low", "NA", "a,b"]}
"""
ALL_SAME = [{"d": "1", "i": "1", "b": "1", "s": "1", "f": "1", "source": "MODEL", "reason": ""}] * 7


@pytest.fixture
def front() -> str:
    """One will do: the file is read in front of both."""
    return "grpc"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Where the scores go."""
    return tmp_path / "out.csv"


async def scored(
    gateway: Gateway, model: str, source: Path, output: Path, dialect: Dialect | None = None, echo: Echo | None = None
) -> list[dict[str, str]]:
    """The rows of the output."""
    options = GatewayOptions(gateway.grpc_address)
    await asyncio.to_thread(score_csv, options, model, source, output, timeout_s=20, dialect=dialect, echo=echo)
    with output.open(newline="") as file:
        return list(csv.DictReader(file))


def written(folder: Path, call: str) -> Path:
    """The frame, as a call of R writes it to `out`."""
    target = folder / "in.csv"
    script = folder / "write.R"
    script.write_text(f'out <- "{target}"\n{FRAME}{call}', encoding="utf-8")
    subprocess.run(
        ["Rscript", "--vanilla", "--encoding=UTF-8", str(script)],
        check=True,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )
    return target


WRITERS = {
    "csv": ("write.csv(x, out, row.names = FALSE)", Dialect()),
    "no words for missing": ('write.csv(x, out, row.names = FALSE, na = "")', Dialect()),
    "MySQL's word": (r'write.csv(x, out, row.names = FALSE, na = "\\N")', Dialect()),
    "csv2": ("write.csv2(x, out, row.names = FALSE)", Dialect(";", ",")),
    "tabs": (r'write.table(x, out, sep = "\t", row.names = FALSE, qmethod = "double")', Dialect("tab")),
    "blanks": ('write.table(x, out, row.names = FALSE, qmethod = "double")', Dialect(" ")),
    "CRLF": (r'write.csv(x, out, row.names = FALSE, eol = "\r\n")', Dialect()),
    "CR": (r'write.csv(x, out, row.names = FALSE, eol = "\r")', Dialect()),
    "GBK": ('write.csv(x, out, row.names = FALSE, fileEncoding = "GBK")', Dialect(encoding="gbk")),
    "UTF-16": ('write.csv(x, out, row.names = FALSE, fileEncoding = "UTF-16")', Dialect(encoding="utf-16")),
    "UTF-16LE": ('write.csv(x, out, row.names = FALSE, fileEncoding = "UTF-16LE")', Dialect(encoding="utf-16-le")),
    "no header": (
        'write.table(x, out, sep = ",", row.names = FALSE, col.names = FALSE, qmethod = "double")',
        Dialect(header=False),
    ),
}


async def test_what_r_writes_reaches_r_as_the_same_values(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, output: Path
) -> None:
    await deploy(make_r_bundle(tmp_path / "same", SAME, FRAME, FEATURES), repository, "same")
    gateway = await start_gateway(repository)
    for name, (call, dialect) in WRITERS.items():
        rows = await scored(gateway, "same", written(tmp_path, call), output, dialect)
        assert (name, rows) == (name, ALL_SAME)
    named = await scored(gateway, "same", written(tmp_path, "write.csv(x, out)"), output, echo=Echo(key=""))
    assert [row.pop("") for row in named] == list("1234567")
    assert named == ALL_SAME


ECHO = """
Pred.R <- function(d, i, b, s) list(nd = d * k, ni = i, nb = b, ns = s)
"""
ECHOED = """
[features]
d = "double"
i = "int"
b = "bool"
s = "string"
"""
VALUES = {
    "d": [1e-300, 2.0**53, None, 0.1, 1e23],
    "i": [1, None, -5, 3, 100_000],
    "b": [True, False, None, True, False],
    "s": ["x", None, 'a;b, "q"', "two\nlines", "\u4e2d\u6587"],
}
DTYPES = {"d": "Float64", "i": "Int64", "b": "boolean", "s": "object"}
BACK = [
    ["1e-300", "9007199254740992", "", "0.10000000000000001", "9.9999999999999992e+22"],
    ["1", "", "-5", "3", "100000"],
    ["TRUE", "FALSE", "", "TRUE", "FALSE"],
    ["x", "", 'a;b, "q"', "two\nlines", "\u4e2d\u6587"],
]


def ways(target: Path) -> Iterator[tuple[str, Dialect]]:
    """Writes the values to a file in one way after the other: the way's name, and what to read it as."""
    nullable = pd.DataFrame({name: pd.Series(values, dtype=DTYPES[name]) for name, values in VALUES.items()})
    for frame in (nullable, nullable.astype({"d": "float64", "i": "float64", "b": "object"})):
        frame.to_csv(target, index=False)
        yield "pandas", Dialect()
        frame.to_csv(target, index=False, na_rep="NA")
        yield "pandas, NA", Dialect()
        frame.to_csv(target, index=False, sep=";", decimal=",")
        yield "pandas, semicolons", Dialect(";", ",")
        frame.to_csv(target, index=False, sep="\t", encoding="gb18030")
        yield "pandas, tabs", Dialect("tab", encoding="gb18030")
        frame.to_csv(target, index=False, header=False, encoding="utf-8-sig")
        yield "pandas, no header", Dialect(header=False)
    table = pl.DataFrame(VALUES)
    table.write_csv(target)
    yield "polars", Dialect()
    table.write_csv(target, quote_style="non_numeric", null_value="NA")
    yield "polars, quotes", Dialect()
    table.write_csv(target, separator=";", decimal_comma=True, include_bom=True)
    yield "polars, semicolons", Dialect(";", ",")


async def test_what_pandas_and_polars_write_reaches_the_model_as_the_same_values(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, output: Path
) -> None:
    await deploy(make_r_bundle(tmp_path / "echo", ECHO, "k <- 1", ECHOED), repository, "echo")
    gateway = await start_gateway(repository)
    source = tmp_path / "in.csv"
    for way, dialect in ways(source):
        rows = await scored(gateway, "echo", source, output, dialect)
        assert (way, [[row[name] for row in rows] for name in ("nd", "ni", "nb", "ns")]) == (way, BACK)


async def test_rows_that_the_gateway_names_are_those_of_the_file(
    cancer: Cancer, repository: Path, start_gateway: StartGateway, tmp_path: Path, output: Path
) -> None:
    await deploy(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository)
    rows = np.resize(cancer.rows, (10_100, 30)).astype(object)
    rows[10_050, 0] = "inf"
    source = tmp_path / "in.csv"

    def write(header: bool, note: str) -> None:
        lines = [",".join([note, *cancer.names])] if header else []
        lines += [",".join([note, *map(str, row)] if header else map(str, row)) for row in rows]
        source.write_text("\n".join(lines) + "\n")

    for header, place in ((True, r"row 10052 \(the header is row 1\)"), (False, "row 10051")):
        write(header, "note")
        with pytest.raises(CommandFailed, match=rf"^INVALID_REQUEST: (cancer: )?column 'mean radius', {place}: "):
            await scored(
                gateway, "cancer", source, output, Dialect(header=header), Echo(keep=("note",) if header else ())
            )
    write(True, '"a\nb"')
    with pytest.raises(CommandFailed, match=r"row 10052 \(the header is row 1; line 20103\): "):
        await scored(gateway, "cancer", source, output, None, Echo(key="a\nb"))
    assert not is_there(output)


def is_there(path: Path) -> bool:
    return path.exists()


def put(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def run(*command: object) -> tuple[int, str]:
    done = subprocess.run([str(SCOREBRIDGE), *map(str, command)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


async def test_the_command_takes_the_dialect_a_key_and_what_to_keep(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, output: Path
) -> None:
    await deploy(make_r_bundle(tmp_path / "echo", ECHO, "k <- 2", ECHOED), repository, "echo")
    gateway = await start_gateway(repository)
    source = tmp_path / "in.csv"
    put(source, 'sep=;\nid;d;i;b;s;note\n007;0,5;1,0;True;"\u4e2d";0,50\n8;;NA;\\N;;"NA"\n'.encode("gbk"))
    common = ("score", "echo", "--url", gateway.grpc_address, "--input", source, "--output", output)
    options = ("--separator", ";", "--decimal", ",", "--encoding", "gbk")
    echo = ("--key", "id", "--keep", "note")
    assert await asyncio.to_thread(run, *common, *options, *echo) == (
        0,
        "2 rows by echo/1, 0 of them with the default score\n",
    )
    text = text_of(output)
    assert text == (
        '"id","note","nd","ni","nb","ns","source","reason"\n'
        '007,"0,50",1,1,TRUE,"\u4e2d","MODEL",""\n8,"NA",,,,,"MODEL",""\n'
    )
    for wrong, code, sentence in (
        ((*options, "--key", "id"), 1, "the model does not know column 'note'; --keep COLUMN or --key COLUMN copies a"),
        ((*options[:4], *echo), 1, "line 3 is not utf-8; it may be gbk: then use --encoding gbk"),
        ((*options[2:],), 2, "can't also be the separator"),
        ((*options, "--no-header"), 1, "row 1 (line 2): 6 cells, but the model takes 4 features"),
    ):
        exit_code, said = await asyncio.to_thread(run, *common, *wrong)
        assert (exit_code, sentence in " ".join(said.replace("\u2502", "").split())) == (code, True), said
        assert text_of(output) == text
