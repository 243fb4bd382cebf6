"""The author's world in the worker: what hour it is, how text is sorted, what days are called, and who has which R."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from fixtures import ROOT, make_r_bundle

from bridge.backends import Backend
from bridge.bundles.bundle import read_bundle
from bridge.calls import Call, ModelRef, now
from bridge.cli.deploy import PrintedReport
from bridge.columns import Column, Table, Type, constant
from bridge.errors import BundleError
from bridge.models.acceptance import Accepted, accept
from bridge.models.deploy import Waivers, check

MIDNIGHT = 1_719_763_200.0  # of 1 July 2024 in Shanghai, 16 h UTC the day before
TOWNS = ["b", "Å", "A", "张", "a", "阿", "B", "李", "z"]
WORLD = """
Pred.R <- function(seconds, town) {
  at <- as.POSIXct(seconds, origin = "1970-01-01")
  list(
    hour = as.POSIXlt(seconds, origin = "1970-01-01")$hour, day = weekdays(at), month = format(at, "%B"),
    parsed = as.numeric(as.POSIXct(rep("2024-03-31 02:30:00", length(town)))),
    level = as.integer(factor(town)), rank = rank(town), place = order(town), below = town < "b",
    upper = toupper(town), zone = rep(Sys.timezone(), length(town)), child = rep(system("echo $TZ", TRUE), length(town))
  )
}
"""
ZH = "timezone = 'Asia/Shanghai'\nlocale = 'zh_CN.utf8'\n"


async def scores(backend: Backend, seconds: float = MIDNIGHT) -> dict[str, list[Any]]:
    towns = constant("town", Type.STRING, "", len(TOWNS))
    towns.values[:] = TOWNS
    rows = Table((constant("seconds", Type.DOUBLE, seconds, len(TOWNS)), towns), len(TOWNS))
    outcome = await backend.score(Call("a call", ModelRef("m", 1, ""), backend.bind(rows), now()))
    (whole,) = outcome.ranges
    return {column.name: values(column) for column in whole.scores}


def values(column: Column) -> list[Any]:
    return [None if missing else one for one, missing in zip(column.values.tolist(), column.missing(), strict=True)]


async def scored(bundle: Path) -> dict[str, list[Any]]:
    backend = await accepted_backend(bundle)
    try:
        return await scores(backend)
    finally:
        await backend.close()


async def accepted_backend(bundle: Path) -> Backend:
    return (await accept(read_bundle(bundle))).backend


def desk(folder: Path, **world: str) -> dict[str, list[str]]:
    """What the function gives in an R of its own, in a world that its environment says."""
    towns = ", ".join(f'"{town}"' for town in TOWNS)
    lines = [
        WORLD,
        f"scores <- Pred.R(rep({MIDNIGHT}, {len(TOWNS)}), c({towns}))",
        r'said <- function(x) if (is.character(x)) enc2utf8(x) else sprintf("%.17g", as.numeric(x))',
        r'for (name in names(scores)) cat(paste(c(name, said(scores[[name]])), collapse = "\t"), "\n", sep = "")',
    ]
    (folder / "desk.R").write_text("\n".join(lines), encoding="utf-8")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "TZ"))}
    command = ["Rscript", "--vanilla", "--encoding=UTF-8", str(folder / "desk.R")]
    done = subprocess.run(command, env=plain | world, check=True, capture_output=True, encoding="utf-8")
    told = [line.split("\t") for line in done.stdout.splitlines()]
    return {name: column for name, *column in told}


def said(found: dict[str, list[Any]]) -> dict[str, list[str]]:
    return {
        name: [one if isinstance(one, str) else f"{float(one):.17g}" for one in column]
        for name, column in found.items()
    }


# What model.toml says, and the environment of an R at a desk that has the same world.
WORLDS = [
    (ZH, {"TZ": "Asia/Shanghai", "LC_ALL": "zh_CN.UTF-8"}),
    (
        "timezone = 'America/New_York'\nlocale = 'en_US.UTF-8'",
        {"TZ": "America/New_York", "LC_ALL": "en_US.UTF-8"},
    ),
    ("timezone = 'Europe/Berlin'\nlocale = 'C'", {"TZ": "Europe/Berlin", "LC_CTYPE": "C.UTF-8"}),
    ("locale = 'POSIX'", {"TZ": "UTC", "LC_CTYPE": "C.UTF-8"}),
    ("", {"TZ": "UTC", "LC_ALL": "C.UTF-8"}),
]


@pytest.mark.parametrize(("settings", "world"), WORLDS)
async def test_scores_are_those_of_an_r_at_a_desk_in_that_world(
    settings: str, world: dict[str, str], tmp_path: Path, locales: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = desk(tmp_path, **world)
    # Whatever the machine that serves has, and wishes for.
    for name, value in {"TZ": "Asia/Tokyo", "LC_ALL": "C", "LANGUAGE": "de", "R_ICU_LOCALE": "zh"}.items():
        monkeypatch.setenv(name, value)
    assert locales
    assert said(await scored(make_r_bundle(tmp_path / "bundle", WORLD, settings=settings))) == expected


async def test_the_worlds_differ_in_all_of_it(tmp_path: Path, locales: str) -> None:
    assert locales
    zh = await scored(make_r_bundle(tmp_path / "zh", WORLD, settings=ZH))
    c = await scored(make_r_bundle(tmp_path / "c", WORLD, settings="locale = 'C'"))
    assert (zh["hour"][0], c["hour"][0]) == (0, 16)
    assert (zh["day"][0], c["day"][0]) == ("星期一", "Sunday")
    assert (zh["month"][0], c["month"][0]) == ("七月", "June")
    assert (zh["zone"][0], zh["child"][0], c["child"][0]) == ("Asia/Shanghai", "Asia/Shanghai", "UTC")
    assert [TOWNS[place - 1] for place in zh["place"]] == ["阿", "李", "张", "a", "A", "Å", "b", "B", "z"]
    assert [TOWNS[place - 1] for place in c["place"]] == ["A", "B", "a", "b", "z", "Å", "张", "李", "阿"]


async def test_what_r_says_is_english_in_every_world(
    tmp_path: Path, locales: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert locales
    monkeypatch.setenv("LANGUAGE", "zh_CN:de")
    code = "Pred.R <- function(x) rep(tryCatch(1 + 'a', error = conditionMessage), length(x))"
    backend = await accepted_backend(make_r_bundle(tmp_path / "bundle", code, settings=ZH))
    try:
        rows = Table((constant("x", Type.DOUBLE, 1.0, 1),), 1)
        outcome = await backend.score(Call("a call", ModelRef("m", 1, ""), backend.bind(rows), now()))
        assert values(outcome.ranges[0].scores[0]) == ["non-numeric argument to binary operator"]
    finally:
        await backend.close()


@pytest.mark.parametrize("timezone", ["Mars/Olympus", "asia/shanghai", "UTC+8", "CST-8", "Asia", "posixrules"])
async def test_a_time_zone_that_the_machine_lacks_refuses_the_bundle(tmp_path: Path, timezone: str) -> None:
    bundle = make_r_bundle(tmp_path / "bundle", WORLD, settings=f"timezone = '{timezone}'")
    with pytest.raises(BundleError, match="this machine has no time zone '"):
        await accept(read_bundle(bundle))


async def test_a_machine_without_time_zones_has_utc_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "none").mkdir()
    monkeypatch.setenv("TZDIR", str(tmp_path / "none"))
    assert (await scored(make_r_bundle(tmp_path / "utc", WORLD)))["hour"][0] == 16
    bundle = make_r_bundle(tmp_path / "shanghai", WORLD, settings="timezone = 'Asia/Shanghai'")
    with pytest.raises(BundleError, match=r"this machine has no time zone 'Asia/Shanghai'.* tzdata"):
        await accept(read_bundle(bundle))


@pytest.mark.parametrize("locale", ["fr_FR.UTF-8", "xx_XX.utf8", "ca_ES.UTF-8@valencia"])
async def test_a_locale_that_the_machine_lacks_refuses_the_bundle(tmp_path: Path, locales: str, locale: str) -> None:
    assert locales
    bundle = make_r_bundle(tmp_path / "bundle", WORLD, settings=f"locale = '{locale}'")
    name = re.escape(locale.replace("utf8", "UTF-8"))
    with pytest.raises(
        BundleError, match=rf"this machine has no locale '{name}': .* localedef -i .* or remove `locale`"
    ):
        await accept(read_bundle(bundle))


AUTHOR = """
[author]
r = "4.1.0"
timezone = "Asia/Shanghai"
locale = "Chinese (Simplified)_China.936"
collation = "the system's own rules"
packages = {randomForest = "4.6-14", MASS = "0.1", nowhere = "1.0"}
"""


async def notes_of(bundle: Path) -> tuple[str, ...]:
    accepted: Accepted = await accept(read_bundle(bundle))
    await accepted.backend.close()
    return accepted.description.notes


async def test_check_tells_what_the_author_had_otherwise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = make_r_bundle(tmp_path / "bundle", "library(MASS)\nPred.R <- function(x) x", settings=AUTHOR)
    await check(bundle, Waivers(), PrintedReport())
    told = [line.removeprefix("note: ") for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]
    for note, pattern in zip(
        told,
        [
            r"the author had R 4\.1\.0, this machine has R [0-9.]+",
            "the author's time zone was Asia/Shanghai, the model runs in UTC: see `timezone`",
            r"the author's locale was Chinese \(Simplified\)_China\.936, the model runs in C\.UTF-8: see `locale`",
            r"the author's R sorted text by the system's own rules, the model's by .+",
            r"other versions of packages than the author's: randomForest 4\.6-14 \(author\) and \S+ \(here\), MASS .*",
            "packages that the author had and this machine has not: nowhere 1.0",
        ],
        strict=True,
    ):
        assert re.fullmatch(pattern, note)


async def test_golden_rows_that_do_not_come_out_say_what_the_author_had_otherwise(tmp_path: Path) -> None:
    settings = "[author]\nr = '4.1.0'\n[features]\nx = 'double'\n"
    bundle = make_r_bundle(tmp_path / "bundle", "Pred.R <- function(x) x", settings=settings)
    (bundle / "golden.csv").write_text('"x","score.score"\n1,2\n')
    with pytest.raises(
        BundleError, match=r"golden rows don't come out: .*; the author had R 4\.1\.0, this machine has"
    ):
        await accept(read_bundle(bundle))


SESSION = """
source("{scripts}/bundle.R")
library(MASS)
k <- 100
Pred.R <- function(seconds, town) {{
  p <- k * as.POSIXlt(seconds, origin = "1970-01-01")$hour + as.integer(factor(town)) + lda(Species ~ ., iris)$N
  p + 1000 * (weekdays(as.POSIXct(seconds, origin = "1970-01-01")) == "星期一")
}}
write_bundle("{target}", k, Pred.R, golden = data.frame(seconds = {midnight}, town = c("b", "A", "张", "阿")))
"""


def session(script: Path, **world: str) -> None:
    subprocess.run(["Rscript", "--vanilla", str(script)], env=os.environ | world, check=True, capture_output=True)


async def test_what_write_bundle_records_is_the_worker_s_world(tmp_path: Path, locales: str) -> None:
    assert locales
    bundle = tmp_path / "bundle"
    code = SESSION.format(scripts=ROOT / "rscripts", target=bundle, midnight=MIDNIGHT)
    (tmp_path / "session.R").write_text(code, encoding="utf-8")
    session(tmp_path / "session.R", TZ="Asia/Shanghai", LC_ALL="zh_CN.UTF-8")
    settings = read_bundle(bundle).settings
    assert (settings.timezone, settings.locale) == ("Asia/Shanghai", "zh_CN.UTF-8")
    assert (settings.author.timezone, settings.author.locale) == ("Asia/Shanghai", "zh_CN.UTF-8")
    assert set(settings.author.packages) == {"MASS"}
    assert await notes_of(bundle) == ()
    golden = (bundle / "golden.csv").read_text(encoding="utf-8").splitlines()
    assert [line.rsplit(",", 1)[1] for line in golden[1:]] == ["1154", "1153", "1152", "1151"]
    # Without them the same bundle is seen not to be the author's.
    text = (bundle / "model.toml").read_text(encoding="utf-8")
    (bundle / "model.toml").write_text(re.sub("(?m)^(timezone|locale) .*", "", text, count=2), encoding="utf-8")
    with pytest.raises(BundleError, match=r"golden rows don't come out: .*the author's time zone was Asia/Shanghai"):
        await accept(read_bundle(bundle))


def test_an_xgboost_bundle_has_no_world(tmp_path: Path) -> None:
    (tmp_path / "model.ubj").touch()
    for text, key, whose in (
        ("timezone = 'UTC'", "timezone", "R and Python models"),
        ("locale = 'C'", "locale", "R models"),
        ("[author]\nr = '4.2.2'", "author", "R models"),
    ):
        (tmp_path / "model.toml").write_text(text)
        with pytest.raises(BundleError, match=f"model.toml: {key} is for {whose}, and this is an xgboost model"):
            read_bundle(tmp_path)
