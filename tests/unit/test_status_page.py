"""The status page as text: what is on it, that it is bounded and escaped, who may read it, and where it is made."""

import asyncio
import re
import threading
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from status_facts import facts, log, served
from waiting import moment

from bridge.callers.caller import Credentials
from bridge.gateway.status import page as page_module
from bridge.gateway.status.disk import Disk, LogDisk
from bridge.gateway.status.facts import Facts, VersionFacts
from bridge.gateway.status.page import StatusPage
from bridge.gateway.status.rendering import render
from bridge.gateway.status.sources import Sources
from bridge.models.version import State
from bridge.services.http_calls import HttpAnswer, HttpRequest

_VOID = {"meta", "img", "link", "br", "path"}
_SCRIPT = "<script>alert(1)</script>'\"><img src=x onerror=alert(2)>"


class _Elements(HTMLParser):
    """Reads a page, and holds that every element is closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, text: str) -> None:
        if self.open and self.open[-1] not in ("style", "title"):
            self.text += text


def read(found: Facts, *, still: bool = True) -> _Elements:
    """The page."""
    elements = _Elements()
    elements.feed(render(found, still=still).decode())
    elements.close()
    assert elements.open == []
    return elements


def words(found: Facts) -> str:
    return " ".join(read(found).text.split())


def test_a_gateway_that_is_well_says_so() -> None:
    text = words(facts(served(calls=1200), log=log(), stores={"features": ""}))
    assert "● ready It takes calls. As of 2026-03-01 12:03:05 UTC." in text
    assert "all well Nothing that this gateway knows of." in text
    assert "glm/1R 4.2.2 ● serving circuit closed 2 idle, 0 busy" in text
    assert "6,000" in text
    assert "0 % of 60,000" in text
    assert "5 ms 99 of 100half within 5 ms" in text
    assert "Disk50 GiB free of 100 GiB Size3 GiB in 24 segments Not yet on the disknone Lost recordsnone" in text
    assert "features● no fault" in text


def test_each_chart_says_in_words_what_it_shows() -> None:
    labels = [
        str(given["aria-label"]).replace("\u00a0", " ")
        for tag, given in read(facts(served(calls=1200))).seen
        if tag == "svg"
    ]
    assert labels == [
        "Calls a minute over the last hour: at most 1,200, now 1,200",
        "Share of rows with a default score, by minute over the last hour: at most 0 %, now 0 %",
        "99 of 100 calls ended within, by minute over the last hour: at most 5 ms, now 5 ms",
    ]


def test_text_of_strangers_is_escaped_wherever_it_stands() -> None:
    drift = SimpleNamespace(versions=(), at=None, failure=_SCRIPT)
    ill = served(_SCRIPT, state=State.REFUSED, reason=_SCRIPT, engine=_SCRIPT, codes={_SCRIPT: 1}, calls=1)
    rest = served(_SCRIPT, 2, state=State.NOT_RESIDENT, serving=False)
    found = facts(
        ill,
        rest,
        host=_SCRIPT,
        faults=(_SCRIPT,),
        refusals={_SCRIPT: 1},
        hanging={_SCRIPT: 1},
        unloaded=(_SCRIPT,),
        stores={_SCRIPT: _SCRIPT},
        notes=(_SCRIPT,),
        drift=drift,
        log=log(fault=_SCRIPT),
    )
    elements = read(found)
    assert {tag for tag, _ in elements.seen}.isdisjoint({"script", "img"})
    assert not [given for _, given in elements.seen if any(name.startswith("on") for name in given)]
    assert elements.text.count("<script>alert(1)</script>") > 10


def test_a_text_without_end_is_cut_and_what_moves_a_reader_is_spelled_out() -> None:
    text = words(facts(served(state=State.REFUSED, reason="x" * 100_000 + "\u202e")))
    assert "x" * 500 + "... (100001 characters)" in text
    assert "x" * 501 not in text
    assert "\u202e" not in words(facts(served(state=State.REFUSED, reason="a\u202eb\nc")))


@pytest.mark.parametrize(("still", "refreshes"), [(True, []), (False, ["10"])])
def test_the_page_refreshes_itself_unless_it_is_to_stand_still(*, still: bool, refreshes: list[str]) -> None:
    seen = read(facts(served()), still=still).seen
    assert [given["content"] for tag, given in seen if tag == "meta" and "http-equiv" in given] == refreshes
    assert [given["href"] for tag, given in seen if tag == "a" and str(given["href"]).startswith("/?")] == ["/?still"]


def test_many_versions_stay_readable() -> None:
    loaded = [served(f"model-{at:03}", 9, calls=50) for at in range(600)]
    rest = [served("old", number, state=State.NOT_RESIDENT, serving=False) for number in range(1, 3000)]
    bare = [served("old", number, state=State.NOT_DEPLOYED, serving=False) for number in (3001, 3002)]
    refused = [served("old", number, state=State.REFUSED, serving=False, reason="bad") for number in range(4000, 4150)]
    raw = render(facts(*loaded, *rest, *bare, *refused), still=True)
    text = raw.decode()
    assert "And 250 more: <code>scorebridge models</code> lists all." in text
    assert "And 50 more; the versions below have all of them." in text
    assert "1-2999; not deployed: 3001-3002" in text
    assert text.index("old/4149") < text.index("model-000/9")
    assert len(raw) < 3 << 20


def test_the_title_tells_a_tab_what_is_wrong() -> None:
    def title(found: Facts) -> str:
        (text,) = re.findall("<title>(.*?) ?scorebridge on score-1</title>", render(found, still=True).decode())
        return str(text)

    assert title(facts(served())) == ""
    assert title(facts(served(), held_s=1.0)) == "1 to look at ·"
    assert title(facts(served(), log=log(lost=1), held_s=1.0)) == "1 urgent ·"


def test_drift_lists_what_moved_most() -> None:
    def shift(name: str, psi: float | None, kind: str = "feature", chance: float = 0.01) -> Any:
        return SimpleNamespace(name=name, kind=kind, psi=psi, chance=chance)

    few = shift("height", 0.3, chance=0.18)
    shifts = [shift("age", 0.02), shift("score", 0.4, "score"), shift("bmi", None), few]
    one = SimpleNamespace(model="glm", version=1, shifts=shifts, rows=12345, whole=False, why="newest 256 MiB")
    text = words(facts(served(), drift=SimpleNamespace(versions=(one,), at=None, failure="")))
    assert "Moved much in the last day: score." in text
    listed = "score (score) 0.40 ▲ much height 0.30 much (0.18 would be chance) age 0.02 little"
    assert f"glm/1 12,345not all of the day {listed} 1 morenewest 256 MiB" in text


class Gateway:
    """What a page needs of a gateway.

    Attributes:
        taken: how often facts were taken.
    """

    def __init__(self, *, sees: bool = True, versions: tuple[VersionFacts, ...] = ()) -> None:
        self.settings = SimpleNamespace(log_dir=None)
        self.pages = SimpleNamespace(may_see=lambda _: sees)
        self.log = None
        self.taken = 0
        self._versions = versions

    async def facts(self, _: Disk) -> Facts:
        """The same at any moment."""
        self.taken += 1
        return facts(*self._versions)


def asked(query: str = "", headers: Mapping[str, str] | None = None, **shown: Any) -> HttpRequest:
    credentials = Credentials(peer="ipv4:127.0.0.1:5", **shown)
    return HttpRequest("GET", "/", query, {}, headers or {}, b"", credentials.peer, credentials, 0.0, 0)


async def shown(gateway: Gateway, *requests: HttpRequest) -> list[HttpAnswer]:
    page = StatusPage(cast("Sources", gateway))
    return await asyncio.gather(*(page.route().answer(request) for request in requests))


async def test_who_may_not_see_names_gets_none() -> None:
    gateway = Gateway(sees=False, versions=(served("secret"),))
    (answer,) = await shown(gateway, asked())
    assert (answer.status, gateway.taken) == (403, 0)
    assert b"secret" not in answer.body


async def test_one_page_is_made_for_all_who_ask_and_not_on_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[int, bool]] = []

    def noted(found: Facts, *, still: bool) -> bytes:
        made.append((threading.get_ident(), still))
        return render(found, still=still)

    monkeypatch.setattr(page_module, "render", noted)
    gateway = Gateway(versions=(served(),))
    answers = await shown(gateway, *[asked(query) for query in ("", "still", "other") * 20])
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 2
    assert gateway.taken == 1
    assert sorted(still for _, still in made) == [False, True]
    assert threading.get_ident() not in {thread for thread, _ in made}


async def test_a_browser_is_told_to_load_nothing_and_to_keep_nothing() -> None:
    (answer,) = await shown(Gateway(), asked())
    policy = answer.headers["Content-Security-Policy"]
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[\w+/]{43}='; base-uri 'none'; form-action 'none'; "
        r"frame-ancestors 'none'",
        policy,
    )
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.content_type == "text/html; charset=utf-8"


async def test_the_disk_of_the_log_is_looked_at_once_in_a_while(tmp_path: Path) -> None:
    (tmp_path / f"{0:020}.sblog").write_bytes(bytes(1000))
    (tmp_path / f"{7:020}.sblog").write_bytes(bytes(500))
    (tmp_path / "other.txt").write_bytes(bytes(5000))
    disk = LogDisk(tmp_path)
    found = await disk.find()
    assert (found.log_bytes, found.segments, found.fault) == (1500, 2, "")
    assert 0 < found.free_bytes < found.disk_bytes
    assert await disk.find() is found


async def test_a_folder_that_is_gone_is_a_fault(tmp_path: Path) -> None:
    found = await LogDisk(tmp_path / "gone").find()
    assert found.fault == "the folder of the prediction log can't be read: No such file or directory"


async def test_a_disk_that_hangs_keeps_nobody_waiting(tmp_path: Path) -> None:
    answers = threading.Event()

    def hang(_: Path) -> Disk:
        answers.wait()
        return Disk()

    disk = LogDisk(tmp_path, hang, limit_s=0.01)
    try:
        assert (await disk.find()).fault == "a read of the folder of the prediction log did not return within 0.01 s"
    finally:
        answers.set()
        await moment()
