"""Bundles that may not serve: one sentence from `check` and `deploy`, and the other models stay up in `serve`."""

import asyncio
import errno
import re
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fixtures import SCOREBRIDGE, Cancer, Pima, StartGateway, make_r_bundle, put
from scorebridge import AsyncScoringClient, Unavailable, VersionRefused
from waiting import eventually

from bridge.bundles.bundle import Bundle, read_bundle
from bridge.bundles.repository import Repository
from bridge.gateway.server import Gateway
from bridge.models.acceptance import Accepted, accept
from bridge.models.version import State

Connect = Callable[[Gateway], AsyncScoringClient]
Damage = Callable[[Path, Pima, Cancer], object]


def _copy(source: Path, target: Path) -> Path:
    target.mkdir(parents=True)
    for entry in source.iterdir():
        (target / entry.name).write_bytes(entry.read_bytes())
    return target


def _halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _without_predict(path: Path, pima: Pima, _: Cancer) -> None:
    (_copy(pima.folder / "glm", path) / "Pred.R").unlink()


def _two_functions(path: Path, pima: Pima, _: Cancer) -> None:
    (_copy(pima.folder / "glm", path) / "Pred.R").write_text("f <- function(a) a\ng <- function(a) a\n")


def _half_rdata(path: Path, pima: Pima, _: Cancer) -> None:
    _halve(_copy(pima.folder / "glm", path) / "model.RData")


def _half_ubj(path: Path, _: Pima, cancer: Cancer) -> None:
    _halve(_copy(cancer.folder, path) / "model.ubj")


def _wrong_golden(path: Path, pima: Pima, _: Cancer) -> None:
    golden = _copy(pima.folder / "glm", path) / "golden.csv"
    head, first, *rest = golden.read_text().splitlines()
    inputs, score = first.rsplit(",", 1)
    golden.write_text("\n".join([head, f"{inputs},{float(score) + 2**-50:.17g}", *rest]) + "\n")


def _unknown_key(path: Path, _: Pima, cancer: Cancer) -> None:
    (_copy(cancer.folder, path) / "model.toml").write_text("timeout = 3\n")


def _default_of_another_type(path: Path, _: Pima, cancer: Cancer) -> None:
    (_copy(cancer.folder, path) / "model.toml").write_text('default_score = "none"\n')


def _quits(path: Path, *_: object) -> None:
    make_r_bundle(path, "quit(save = 'no')\nPred.R <- function(x) x")


def _hangs(path: Path, *_: object) -> None:
    make_r_bundle(path, "Sys.sleep(1000)\nPred.R <- function(x) x", settings="load_timeout_s = 0.5")


def _dies_in_the_call(path: Path, *_: object) -> None:
    make_r_bundle(path, "Pred.R <- function(x) quit(save = 'no')")


def _dies_in_the_row_wise_trial(path: Path, *_: object) -> None:
    code = "Pred.R <- function(x) { if (length(x) > 1) quit(save = 'no'); x * k }"
    make_r_bundle(path, code, settings="row_wise = true")


def _other_outputs_than_declared(path: Path, *_: object) -> None:
    make_r_bundle(path, "Pred.R <- function(x) x > k", settings='[outputs]\nscore = "int"\n')


def _time_zone_that_is_none(path: Path, *_: object) -> None:
    make_r_bundle(path, "Pred.R <- function(x) x", settings="timezone = 'Asia/Peking'")


def _locale_that_is_none(path: Path, *_: object) -> None:
    make_r_bundle(path, "Pred.R <- function(x) x", settings="locale = 'xx_XX.UTF-8'")


def _empty(path: Path, *_: object) -> None:
    path.mkdir()


BROKEN: list[tuple[Damage, str]] = [
    (_without_predict, "there is no Pred.R beside model.RData"),
    (_two_functions, r"Pred.R defines 2 functions \(f, g\) and none is named Pred.R"),
    (_half_rdata, "model.RData can't be loaded: it is damaged"),
    (_half_ubj, "model.ubj can't be loaded: it is damaged"),
    (_wrong_golden, "golden rows don't come out: output 'score' differs in 1 of 20 rows, first in row 2 "),
    (_unknown_key, "model.toml: timeout: unknown key"),
    (_default_of_another_type, "model.toml: default_score can't be a float"),
    (_quits, "R died while it loaded the bundle"),
    (_hangs, "the bundle was not loaded within 0.5 s"),
    (_dies_in_the_call, "trial rows can't be scored: .*the R worker was lost"),
    (_dies_in_the_row_wise_trial, "trial rows can't be scored: .*the R worker was lost"),
    (_other_outputs_than_declared, "trial rows can't be scored: .*the output 'score' is bool, and must be int"),
    (_time_zone_that_is_none, "this machine has no time zone 'Asia/Peking': "),
    (_locale_that_is_none, "this machine has no locale 'xx_XX.UTF-8': install it "),
    (_empty, "there is no model in the folder"),
]


@pytest.mark.parametrize(("damage", "sentence"), BROKEN)
def test_check_and_deploy_say_why_in_one_sentence(
    damage: Damage, sentence: str, tmp_path: Path, pima: Pima, cancer: Cancer
) -> None:
    bundle, repository = tmp_path / "bundle", tmp_path / "repository"
    damage(bundle, pima, cancer)
    deploy = [SCOREBRIDGE, "deploy", bundle, "--repository", repository, "--model", "m"]
    for command in ([SCOREBRIDGE, "check", bundle], deploy):
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert re.match(sentence, done.stderr)
        assert len(done.stderr.strip().splitlines()) == 1
    assert Repository(repository).versions() == []
    assert list(repository.glob(".staging-*")) == []


@pytest.fixture
def damaged(tmp_path: Path, repository: Path, pima: Pima, cancer: Cancer) -> Path:
    """A repository of one good model, and one for every damage."""
    for number, (damage, _) in enumerate(BROKEN):
        damage(tmp_path / f"b{number}", pima, cancer)
        put(tmp_path / f"b{number}", repository, f"b{number}")
    put(cancer.folder, repository, "altered")
    altered = repository / "altered" / "1" / "model.ubj"
    content = bytearray(altered.read_bytes())
    content[len(content) // 2] ^= 1
    altered.write_bytes(content)
    put(pima.folder / "glm", repository, "copied")
    (repository / "copied" / "1" / "manifest.json").unlink()
    put(pima.folder / "glm", repository, "good")
    return repository


async def test_serve_keeps_the_others_up_and_says_which_is_not_and_why(
    damaged: Path, pima: Pima, cancer: Cancer, start_gateway: StartGateway, connect: Connect
) -> None:
    gateway = await start_gateway(damaged)
    states = {version.stored.model: (version.state, version.reason) for version in gateway.registry.versions()}
    for number, (damage, sentence) in enumerate(BROKEN):
        state, reason = states[f"b{number}"]
        assert state is (State.WAITING if damage is _hangs else State.REFUSED)
        assert re.match(sentence, reason)
    assert states["altered"][1].startswith("model.ubj was altered after the bundle was deployed")
    assert states["copied"][0] is State.NOT_DEPLOYED
    client = connect(gateway)
    answer = await client.score("good", pima.table(), timeout_s=10)
    assert (answer.scores == pima.direct["glm"]).all()
    with pytest.raises(VersionRefused, match=r"altered/1 was refused: model\.ubj was altered"):
        await client.score("altered", cancer.rows)
    assert {one.model for one in await client.models() if one.serving} == {"good"}


async def test_a_file_that_can_not_be_read_and_a_fault_of_our_own_refuse_one_version_only(
    repository: Path, pima: Pima, start_gateway: StartGateway, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    for model in ("dangling", "good", "puzzling"):
        put(pima.folder / "glm", repository, model)
    dangling = repository / "dangling" / "1" / "Pred.R"

    async def accept_some(bundle: Bundle, cache_dir: Path, **more: Any) -> Accepted:
        if bundle.path == dangling.parent:
            raise PermissionError(errno.EACCES, "Permission denied", str(dangling))
        if bundle.path.parent.name == "puzzling":
            raise ZeroDivisionError
        return await accept(bundle, cache_dir, **more)

    monkeypatch.setattr("bridge.models.registry.accept", accept_some)
    gateway = await start_gateway(repository)
    reasons = {version.stored.model: (version.state, version.reason) for version in gateway.registry.versions()}
    assert reasons["dangling"] == (State.REFUSED, "a file of the bundle can't be read: Permission denied")
    assert reasons["puzzling"] == (
        State.REFUSED,
        "the gateway failed while it loaded this version, because of a bug: its log says where",
    )
    answer = await connect(gateway).score("good", pima.table(), timeout_s=10)
    assert (answer.scores == pima.direct["glm"]).all()


async def test_a_call_for_a_version_whose_bundle_is_being_read_has_its_own_default(
    repository: Path, cancer: Cancer, start_gateway: StartGateway, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await start_gateway(repository, watch_interval_s=0.02)
    client = connect(gateway)
    reading, go = threading.Event(), threading.Event()

    def read(path: Path) -> Bundle:
        reading.set()
        assert go.wait(30)
        return read_bundle(path)

    monkeypatch.setattr("bridge.models.registry.read_bundle", read)
    put(cancer.folder, repository, "late")
    try:
        await asyncio.to_thread(reading.wait, 30)
        answer = await client.score("late", cancer.rows[:2], default=0.25)
        assert (answer.scores.tolist(), answer.reasons) == ([0.25, 0.25], ["MODEL_NOT_READY"] * 2)
        with pytest.raises(Unavailable, match="late/1 is still loading"):
            await client.score("late", cancer.rows[:2])
    finally:
        go.set()
    await eventually(lambda: gateway.registry.serving("late") is not None)


async def test_a_broken_new_version_leaves_the_one_before_serving(
    repository: Path, pima: Pima, start_gateway: StartGateway, connect: Connect
) -> None:
    put(pima.folder / "glm", repository, "glm", 1)
    put(pima.folder / "forest", repository, "glm", 2)
    (repository / "glm" / "2" / "Pred.R").write_text("Pred.R <- function(x) x")
    client = connect(await start_gateway(repository))
    answer = await client.score("glm", pima.table(), timeout_s=10)
    assert answer.version == 1
    assert (answer.scores == pima.direct["glm"]).all()
