"""R inside a child process of Python: the same bytes as through Rserve, and a child that is lost is replaced."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
import pytest
import pytest_asyncio
from fixtures import Pima, make_r_bundle
from waiting import eventually, runs

from bridge.backends import Backend
from bridge.backends.choice import load_backend
from bridge.backends.embedded_r.backend import EmbeddedRBackend
from bridge.bundles.bundle import read_bundle
from bridge.calls import Call, ModelRef, now
from bridge.columns import Column, Table, Type
from bridge.errors import BackendError, BundleError, MalformedPrediction, PredictionFailed, WorkerLost
from bridge.models.acceptance import accept
from bridge.workers.programs import Programs

R = Literal["rserve", "embedded"]
Open = Callable[..., Awaitable[EmbeddedRBackend]]
WAYS: tuple[R, R] = ("rserve", "embedded")


def column(name: str, values: Any, kind: Type, **others: Any) -> Column:
    return Column(name, kind, np.array(values, {Type.STRING: object, Type.INT: np.int32}.get(kind)), **others)


def numbers(**columns: Any) -> Table:
    made = tuple(Column(name, Type.DOUBLE, np.array(values, np.float64)) for name, values in columns.items())
    return Table(made, len(made[0]))


def call_of(backend: Backend, table: Table) -> Call:
    batch = backend.bind(table)
    return Call("test", ModelRef("model", 1, ""), batch, now())


def bits(columns: tuple[Column, ...]) -> list[tuple[str, Type, bytes, bytes]]:
    """The columns to the bit; texts as they are spelled."""
    return [
        (
            one.name,
            one.type,
            repr(one.values.tolist()).encode() if one.type is Type.STRING else one.values.tobytes(),
            b"" if one.mask is None else one.mask.tobytes(),
        )
        for one in columns
    ]


async def answers(bundle: Path, r: R, tables: list[Table]) -> list[Any]:
    """What a backend gives for tables, one call each, twice: scores and warnings, or all that the error says."""
    found: list[Any] = []
    backend = await load_backend(read_bundle(bundle), programs=Programs(r))
    try:
        described = backend.description
        found.append((described.features, described.proposed, described.engine, described.texts, described.notes))
        for table in tables * 2:
            try:
                tried = await backend.trial(call_of(backend, table))
            except BackendError as error:
                found.append((type(error), str(error), error.private, error.condition_class))
            else:
                scored = await backend.score(call_of(backend, table))
                (part,), (again,) = tried.outcome.ranges, scored.ranges
                found.append((bits(part.scores), bits(again.scores), tried.warnings))
    finally:
        await backend.close()
    return found


async def same(bundle: Path, *tables: Table) -> list[Any]:
    """Requires both ways to give the same to the bit, and returns it."""
    through_rserve, embedded = [await answers(bundle, r, list(tables)) for r in WAYS]
    assert embedded == through_rserve
    return embedded


KINDS = """
Pred.R <- function(number, count, truth, text, level, rank) {
  stopifnot(is.double(number), is.integer(count), is.logical(truth), is.character(text))
  stopifnot(identical(levels(level), c("low", "h\\u00f6h")), !is.ordered(level), is.ordered(rank))
  na <- is.na(number) & !is.nan(number)
  latin <- iconv(paste0(text, "\\u00e9"), "UTF-8", "latin1")
  list(number = ifelse(na, -0, number / 3), count = count * 2L, truth = !truth, text = text, latin = latin,
       level = level, rank = as.integer(rank), above = rank > "low", na = na, random = runif(length(number)))
}
"""
KINDS_TOML = """
seed = 11
workers = 1
[features]
number = "double"
count = "int"
truth = "bool"
text = "string"
level = {type = "factor", levels = ["low", "höh"]}
rank = {type = "factor", levels = ["low", "höh"], ordered = true}
"""


def kinds_rows(order: list[int]) -> Table:
    absent = np.array([False, False, True, False])[order]
    values: Mapping[str, tuple[Type, list[Any], dict[str, Any]]] = {
        "number": (Type.DOUBLE, [0.1, -0.0, np.nan, np.inf], {}),
        "count": (Type.INT, [7, -(2**31) + 1, 0, 2**30], {"mask": absent}),
        "truth": (Type.BOOL, [True, False, False, True], {"mask": absent}),
        "text": (Type.STRING, ["ü€😀", "", "", "\x7f NA"], {"mask": absent}),
        "level": (Type.STRING, ["höh", "low", "", "höh"], {"mask": absent}),
        "rank": (Type.STRING, ["low", "höh", "", "höh"], {"mask": absent}),
    }
    columns = tuple(
        column(name, [all_of[at] for at in order], kind, **others) for name, (kind, all_of, others) in values.items()
    )
    return Table(columns, len(order))


async def test_every_type_with_its_missing_values_comes_out_as_through_rserve(tmp_path: Path) -> None:
    bundle = make_r_bundle(tmp_path / "m" / "1", KINDS, settings=KINDS_TOML)
    found = await same(bundle, kinds_rows([0, 1, 2, 3]), kinds_rows([3]), kinds_rows([2, 2]), kinds_rows([1] * 3000))
    names = [name for name, *_ in found[1][0]]
    assert names == ["number", "count", "truth", "text", "latin", "level", "rank", "above", "na", "random"]


@pytest.mark.parametrize("kind", ["glm", "forest"])
async def test_fitted_models_give_the_bits_that_rserve_gives(pima: Pima, kind: str) -> None:
    bundle = pima.folder / kind
    whole = numbers(**pima.table())
    found = await same(bundle, whole, numbers(**pima.table(3, 1)))
    assert found[1][0][0][1] is Type.DOUBLE


@pytest.mark.parametrize(
    ("code", "settings"),
    [
        ("Pred.R <- function(rows) rows$x * k + rnorm(nrow(rows))", 'input = "frame"\n[features]\nx = "double"'),
        ("Pred.R <- function(x) if (x > 0) x * k else -x", 'row_by_row = true\n[features]\nx = "double"'),
        ("Pred.R <- function(x) { y <- as.integer(x * 1e10); ifelse(is.na(y), k, y) }", ""),
        ("Pred.R <- function(x) { assign('k', 3, globalenv()); x }", ""),
        ("Pred.R <- function(x) { warning('w'); stop('no: ', x[1]) }", ""),
        ("Pred.R <- function(x) stop(structure(class = c('own', 'error', 'condition'), list(message = 'm')))", ""),
        ("Pred.R <- function(x) invokeRestart('abort')", ""),
        ("Pred.R <- function(x) NULL", ""),
        ("Pred.R <- function(x) cbind(a = x, b = order(x))", ""),
        ("Pred.R <- function(x) { print(x); message('m'); cat(x, file = stderr()); x }", ""),
        ("Pred.R <- function(x) { f <- function(n) f(n + 1); tryCatch(f(1), error = function(e) x * 2) }", ""),
        ("Pred.R <- function(x) { setTimeLimit(elapsed = 0.2, transient = TRUE); x }", ""),
        ("Pred.R <- function(x) x + (readline() == '') + length(readLines(stdin())) + 10 * interactive()", ""),
        ("Pred.R <- function(x) x + length(system('cat; echo 1', intern = TRUE))", ""),
        ("Pred.R <- function(x) x + unlist(parallel::mclapply(1, function(i) i + k))", ""),
        (
            "Pred.R <- function(x) x + nchar(Sys.getenv('TZ')) + as.POSIXlt(0, origin = '1970-01-01')$hour",
            "timezone = 'Asia/Shanghai'",
        ),
        ("Pred.R <- function(x) rank(c('b', 'a', 'B', 'ä', 'z'))[seq_along(x)]", "locale = 'C'"),
        ("Pred.R <- function(x) { Sys.sleep(0); x + length(sys.calls()) + sys.nframe() }", ""),
        ("Pred.R <- function(x) crossprod(matrix(x, 1))[1] + solve(matrix(c(2, 1, 1, 3), 2))[seq_along(x)]", ""),
        (
            "Pred.R <- function(x) paste(R.home(), .libPaths(), getOption('OutDec'), getRversion())[rep(1, length(x))]",
            "",
        ),
        (
            "Pred.R <- function(x) paste(names(Sys.getlocale()), Sys.getlocale(), l10n_info()[[2]])[rep(1, length(x))]",
            "",
        ),
        ("Pred.R <- function(x) paste(search(), collapse = ' ')[rep(1, length(x))]", ""),
    ],
)
async def test_whatever_a_function_does_it_ends_as_through_rserve(tmp_path: Path, code: str, settings: str) -> None:
    bundle = make_r_bundle(tmp_path / "m" / "1", code, settings=f"workers = 1\n{settings}\n")
    await same(bundle, numbers(x=[3.0, -1.5]), numbers(x=[1e10]))


@pytest_asyncio.fixture
async def open_embedded(tmp_path: Path) -> AsyncIterator[Open]:
    """Opens backends that are closed at the end of the test."""
    opened: list[EmbeddedRBackend] = []

    async def start(code: str, settings: str = "", objects: str = "k <- 2") -> EmbeddedRBackend:
        bundle = make_r_bundle(tmp_path / f"m{len(opened)}" / "1", code, objects, f"workers = 1\n{settings}\n")
        opened.append(await EmbeddedRBackend.open(read_bundle(bundle)))
        return opened[-1]

    yield start
    for backend in opened:
        await backend.close()


async def scores(backend: EmbeddedRBackend, **columns: Any) -> list[Any]:
    outcome = await backend.score(call_of(backend, numbers(**columns)))
    return list(outcome.ranges[0].scores[0].values.tolist())


def replaced(backend: EmbeddedRBackend, times: int = 1) -> Callable[[], bool]:
    def shown() -> bool:
        snapshot = backend.pool.snapshot()
        return snapshot.replaced == times and snapshot.idle == 1

    return shown


@pytest.mark.parametrize(
    ("ending", "from_outside"),
    [
        ("quit(save = 'no', status = 3L)", False),
        ("tools::pskill(Sys.getpid(), 11L)", False),
        ("tools::pskill(Sys.getpid(), 9L)", True),
        ("dyn.load('/proc/self/nothing')", None),
    ],
)
async def test_a_child_that_ends_is_lost_and_replaced(
    open_embedded: Open, ending: str, *, from_outside: bool | None
) -> None:
    backend = await open_embedded(f"Pred.R <- function(x) {{ if (x[1] < 0) {{ {ending}; Sys.sleep(60) }}; x * k }}")
    assert await scores(backend, x=[1.5]) == [3.0]
    if from_outside is None:
        with pytest.raises(PredictionFailed):
            await scores(backend, x=[-1.0])
    else:
        with pytest.raises(WorkerLost) as lost:
            await scores(backend, x=[-1.0])
        assert lost.value.from_outside is from_outside
        await eventually(replaced(backend))
    assert await scores(backend, x=[2.5]) == [5.0]


async def test_a_call_that_goes_on_after_its_end_is_killed_with_all_that_it_started(
    open_embedded: Open, tmp_path: Path
) -> None:
    told = tmp_path / "pid"
    code = f"""
    Pred.R <- function(x) {{
      if (x[1] < 0) {{ system("sleep 1000 & echo $! > {told}.new; mv {told}.new {told}"); repeat {{}} }}
      x * k
    }}"""
    backend = await open_embedded(code, "kill_after_s = 0.3")
    asking = asyncio.create_task(scores(backend, x=[-1.0]))
    await eventually(told.exists)
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    await eventually(replaced(backend))
    assert not runs(int(told.read_text()))
    assert backend.pool.snapshot().overrun == 1
    assert await scores(backend, x=[2.5]) == [5.0]


async def test_memory_has_a_limit_and_the_child_goes_on(open_embedded: Open) -> None:
    backend = await open_embedded("Pred.R <- function(x) x * length(numeric(k))", "memory_limit_mb = 700", "k <- 2e8")
    with pytest.raises(PredictionFailed) as failed:
        await scores(backend, x=[1.0])
    assert "cannot allocate" in failed.value.private
    assert backend.pool.snapshot().replaced == 0


async def test_an_answer_above_the_limit_is_refused(open_embedded: Open) -> None:
    backend = await open_embedded("Pred.R <- function(x) strrep('x', if (x[1] < 0) 140e6 else 1)")
    with pytest.raises(MalformedPrediction, match="128 MiB"):
        await backend.score(call_of(backend, numbers(x=[-1.0])))
    assert await scores(backend, x=[1.0]) == ["x"]


async def test_a_worker_is_replaced_after_its_number_of_calls(open_embedded: Open) -> None:
    backend = await open_embedded("Pred.R <- function(x) x * 0 + Sys.getpid()", "worker_recycle_calls = 2")
    first = [await scores(backend, x=[1.0]) for _ in range(2)]
    await eventually(replaced(backend))
    assert first[0] == first[1] != await scores(backend, x=[1.0])


async def test_a_bundle_that_does_not_load_says_what_rserve_says(tmp_path: Path) -> None:
    said: dict[R, str] = {}
    bundle = make_r_bundle(tmp_path / "m" / "1", "library(noSuchPackage)\nPred.R <- function(x) x")
    for r in WAYS:
        with pytest.raises(BundleError) as refused:
            await load_backend(read_bundle(bundle), programs=Programs(r))
        said[r] = str(refused.value)
    assert said["embedded"] == said["rserve"]
    assert "noSuchPackage" in said["rserve"]


async def test_a_bundle_that_ends_r_while_it_loads_is_refused(open_embedded: Open) -> None:
    with pytest.raises(BundleError, match="R died while it loaded the bundle: it ended with exit code 4"):
        await open_embedded("quit(status = 4L)\nPred.R <- function(x) x")


async def test_golden_rows_are_held_against_embedded_r_too(tmp_path: Path) -> None:
    bundle = make_r_bundle(tmp_path / "m" / "1", "Pred.R <- function(x) x * k", settings='[features]\nx = "double"\n')
    golden = bundle / "golden.csv"
    golden.write_text("x,score.score\n1.5,3\n")
    accepted = await accept(read_bundle(bundle), programs=Programs("embedded"))
    assert accepted.golden_rows == 1
    await accepted.backend.close()
    golden.write_text("x,score.score\n1.5,4\n")
    with pytest.raises(BundleError, match="golden"):
        await accept(read_bundle(bundle), programs=Programs("embedded"))


async def test_neither_programs_nor_files_of_a_child_stay(open_embedded: Open) -> None:
    backend = await open_embedded("Pred.R <- function(x) { file.create('left', tempfile()); x * 0 + Sys.getpid() }")
    pid = int((await scores(backend, x=[1.0]))[0])
    folder = Path(psutil.Process(pid).environ()["TMPDIR"]).parent
    assert folder.is_dir()
    assert pid in backend.pool.snapshot().pids
    assert {os.getpgid(pid)} != {os.getpgid(0)}
    await backend.close()
    assert not runs(pid)
    assert not folder.exists()


async def test_rpy2_that_is_not_installed_is_named(open_embedded: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.backends.embedded_r.spawner.has_rpy2", lambda: False)
    with pytest.raises(BundleError, match="rpy2 is not installed"):
        await open_embedded("Pred.R <- function(x) x")


async def test_an_r_that_can_not_be_embedded_is_told(
    open_embedded: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken" / "rpy2"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text('raise OSError("no libR.so")')
    monkeypatch.setenv("PYTHONPATH", f"{broken.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    with pytest.raises(BundleError, match="R could not be started inside Python"):
        await open_embedded("Pred.R <- function(x) x")


async def test_a_child_that_is_killed_while_it_waits_is_replaced(open_embedded: Open) -> None:
    backend = await open_embedded("Pred.R <- function(x) x * k")
    (pid,) = backend.pool.snapshot().pids
    os.kill(pid, signal.SIGKILL)
    await eventually(replaced(backend))
    assert await scores(backend, x=[2.5]) == [5.0]
