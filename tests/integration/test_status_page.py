"""The status page of real gateways in a real browser: read by everybody, on any screen, also when much is wrong."""

import asyncio
import hashlib
import re
import shlex
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from browsers import chromium, findings, opened
from certificates import Authority
from fixtures import SCOREBRIDGE, Addressed, Cancer, StartGateway, put
from gateways import GatewayProcess
from http_calls import ask
from ill_gateways import ATTACK, Connect, start_ill_gateway
from playwright.async_api import Browser, Page, Route
from sick import Sick, make_sick_bundle
from status_facts import facts, served
from waiting import eventually

from bridge.callers.caller import Credentials
from bridge.gateway.server import Gateway
from bridge.gateway.status.disk import Disk
from bridge.gateway.status.rendering import render
from bridge.models.version import State
from bridge.services.http_calls import HttpRequest

_PHONE = 360  # CSS pixels


@pytest.fixture
def front() -> str:
    """The page is of the other port."""
    return "grpc"


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    async with chromium() as started:
        yield started


async def score(gateway: Addressed, cancer: Cancer, connect: Connect, *, calls: int) -> None:
    """Calls of four rows."""
    rows = dict(zip(cancer.names, np.ascontiguousarray(cancer.rows[:4].T), strict=True))
    client = connect(gateway)
    for _ in range(calls):
        await client.score("cancer", rows, timeout_s=10)


async def counted(page: Page) -> tuple[int, str]:
    """The calls and the share of default scores that the page shows of the model."""
    row = page.get_by_role("row", name="cancer/1")
    cells = await row.get_by_role("cell").all_inner_texts()
    return int(cells[2].splitlines()[0]), cells[3].replace("\u00a0", " ")


async def width(page: Page) -> int:
    """How wide the whole page is: more than the window where it scrolls sideways."""
    return int(await page.evaluate("document.documentElement.scrollWidth"))


async def brightness(page: Page) -> int:
    """Of the page's ground: 0 is black, 765 is white."""
    colour = "getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g)"
    return int(await page.evaluate(f"{colour}.reduce((sum, one) => sum + Number(one), 0)"))


async def fails_to_record(sick: Sick, folder: Path) -> None:
    """Takes the log's folder away, and waits until a record is lost."""
    await asyncio.to_thread(shutil.rmtree, folder)
    log = vars(sick.gateway)["_log"]
    async with asyncio.timeout(20):
        while not log.lost:
            await sick.call("score")


async def obey(command: str) -> None:
    """Runs a command as it stands on the page."""
    name, *arguments = shlex.split(command)
    assert name == SCOREBRIDGE.name
    process = await asyncio.create_subprocess_exec(SCOREBRIDGE, *arguments)
    assert await process.wait() == 0


def served_version(gateway: Gateway) -> int:
    """The number of the version that serves the sick model."""
    version = gateway.registry.serving("sick")
    return 0 if version is None else version.stored.version


async def body(gateway: Gateway) -> str:
    """The page, which must be shown."""
    said = await ask(gateway, "GET", "/")
    assert said.status == 200
    return said.body.decode()


@pytest.mark.timeout(240)  # of its four R models one is loaded again and again, and three pages are judged
async def test_an_ill_gateway_says_first_what_is_wrong_to_everybody(
    tmp_path: Path, cancer: Cancer, start_gateway: StartGateway, connect: Connect, browser: Browser
) -> None:
    log = tmp_path / "log"
    sick = await start_ill_gateway(tmp_path, cancer, start_gateway, connect, log_dir=log, log_segment_age_s=0.001)
    await fails_to_record(sick, log)
    url = f"http://{sick.gateway.http_address}/?still"
    async with opened(browser, url) as page:
        assert await findings(page) == {}
        wrong = await page.locator("#wrong li").all_inner_texts()
        (refused,) = [one for one in wrong if "churn/12:" in one]
        assert f"It was refused: Pred.R failed while it was loaded: {ATTACK}. No version of this model" in refused
        (waits,) = [one for one in wrong if "fraud/7:" in one]
        assert "It can't be loaded yet: the bundle was not loaded within 0.2 s (load_timeout_s)." in waits
        (tripped,) = [one for one in wrong if "sick/2:" in one]
        assert "Its circuit is open" in tripped
        assert "DEADLINE 2" in tripped
        assert any("could not be written since the start. Answers left without a record." in one for one in wrong)
        assert any("can't be read: No such file or directory" in one for one in wrong)
        urgent = ["urgent" in one for one in wrong]
        assert urgent == sorted(urgent, reverse=True)
        assert sum(urgent) == 5
        assert await page.locator("script, img, iframe, object").count() == 0
        first = await page.get_by_role("row", name="sick/2").inner_text()
        assert "2 of them killed as too slow" in first
        (command,) = await page.locator("#wrong li code", has_text="promote").all_inner_texts()
    async with opened(browser, url, color_scheme="dark") as page:
        assert await findings(page) == {}
        assert await brightness(page) < 100
    async with opened(browser, url, width=_PHONE) as page:
        assert await findings(page) == {}
        assert await width(page) == _PHONE
        assert await brightness(page) > 700
    await obey(command)
    await eventually(lambda: served_version(sick.gateway) == 1)
    assert "Its circuit is open" in await body(sick.gateway)


async def test_a_gateway_that_is_well_is_read_by_everybody(
    cancer_gateway: GatewayProcess, cancer: Cancer, connect: Connect, browser: Browser
) -> None:
    await score(cancer_gateway, cancer, connect, calls=3)
    url = f"http://{cancer_gateway.http_address}/?still"
    async with opened(browser, url, width=_PHONE) as page:
        assert await findings(page) == {}
        assert await width(page) == _PHONE
        assert "Nothing that this gateway knows of." in await page.locator("#wrong").inner_text()
    async with opened(browser, url) as page:
        assert await findings(page) == {}
        row = page.get_by_role("row", name="cancer/1")
        assert await row.get_by_role("rowheader").count() == 1
        charts = await row.get_by_role("img").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
        assert charts[0].startswith("Calls a minute over the last hour: at most ")
        calls, share = await counted(page)
        assert calls >= 3
        assert share.startswith(f"0 % of {4 * calls}")


async def test_what_refreshes_itself_is_all_that_axe_finds(cancer_gateway: GatewayProcess, browser: Browser) -> None:
    async def slow(route: Route) -> None:
        answer = await route.fetch()
        body = (await answer.text()).replace('http-equiv="refresh" content="10"', 'http-equiv="refresh" content="600"')
        await route.fulfill(response=answer, body=body)

    async with opened(browser, f"http://{cancer_gateway.http_address}/?still") as page:
        await page.route("**/", slow)  # else it might be gone before axe is done
        await page.get_by_role("link", name="refresh every 10").click()
        # axe takes every page that refreshes for a fault, whether or not it can be stopped.
        assert set(await findings(page)) == {"meta-refresh"}
        await page.get_by_role("link", name="stop refreshing").click()
        assert await findings(page) == {}


async def focused(page: Page) -> str:
    """The text of what has the keyboard's focus."""
    return str(await page.evaluate("document.activeElement.textContent.trim().replace(/\\s+/g, ' ')"))


async def test_the_keyboard_reaches_everything_in_the_order_of_the_page(
    cancer_gateway: GatewayProcess, browser: Browser
) -> None:
    async with opened(browser, f"http://{cancer_gateway.http_address}/?still") as page:
        await page.keyboard.press("Tab")
        assert await page.locator(".skip").evaluate("one => one.getBoundingClientRect().left >= 0")
        reached = [await focused(page)]
        for _ in range(6):
            await page.keyboard.press("Tab")
            reached.append(await focused(page))
            assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        sections = ["What is wrong", "Versions", "Gateway", "Prediction log"]
        assert reached == ["Skip to what is wrong", "show it anew", "refresh every 10 s", *sections]
        await page.locator(".skip").focus()
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "wrong"


async def test_the_page_refreshes_itself_where_the_reader_is(
    cancer_gateway: GatewayProcess, cancer: Cancer, connect: Connect, browser: Browser
) -> None:
    async with opened(browser, f"http://{cancer_gateway.http_address}/", width=_PHONE) as page:
        await page.get_by_role("link", name="Gateway").click()
        before = await page.evaluate("window.scrollY"), await page.locator("time").inner_text()
        assert before[0] > 0
        await score(cancer_gateway, cancer, connect, calls=4)
        async with page.expect_event("load"):
            pass
        after = await page.evaluate("window.scrollY"), await page.locator("time").inner_text()
        assert abs(after[0] - before[0]) < 40  # the row has figures now
        assert after[1] != before[1]
        assert (await counted(page))[0] >= 4


async def test_hundreds_of_versions_fit_a_phone(tmp_path: Path, browser: Browser) -> None:
    long = "m" * 63
    many = [served(f"{long[:-3]}{at:03}", 123_456_789, calls=100_000) for at in range(200)]
    refused = [served(long, at, state=State.REFUSED, reason="/" + "x" * 600) for at in range(20)]
    path = tmp_path / "page.html"
    path.write_bytes(render(facts(*many, *refused), still=True))
    async with opened(browser, path.as_uri(), width=_PHONE) as page:
        assert await width(page) == _PHONE
        assert await page.get_by_role("row", name=long[:-3]).count() == 220
        for window in (320, 700, 900, 1280):  # 320 is a desk's window at four times the size
            await page.set_viewport_size({"width": window, "height": 900})
            assert await width(page) == window


async def test_workers_that_hang_are_told_while_they_do(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, connect: Connect
) -> None:
    put(make_sick_bundle(tmp_path / "bundle", "kill_after_s = 100\n"), repository, "sick")
    gateway = await start_gateway(repository)
    sick = Sick(gateway, connect(gateway))
    await asyncio.gather(*(sick.call("sleep", timeout_s=0.3) for _ in range(2)))
    await eventually(lambda: sick.snapshot().settling == 2)
    text = await body(gateway)
    assert "All of its workers hang, are being killed or are being started." in text
    assert "2 hang on to calls that ended" in text


async def test_a_key_that_is_torn_is_told_on_a_page_with_tls(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, browser: Browser
) -> None:
    authority = Authority(tmp_path / "authority")
    pair = authority.issue("localhost", "DNS:localhost", "IP:127.0.0.1")
    tls = {"tls_certificate": pair.certificate, "tls_key": pair.key}
    gateway = await start_gateway(repository, **tls, watch_interval_s=0.01)
    pair.key.write_text("torn")
    await eventually(lambda: vars(gateway)["_front"].tls_fault)
    async with opened(browser, f"https://{gateway.http_address}/?still", ignore_https_errors=True) as page:
        wrong = await page.locator("#wrong").inner_text()
    assert "Certificates and callers: TLS: " in wrong
    assert "new connections still get the last certificate that was correct." in wrong


async def test_what_an_operator_did_and_a_store_that_is_down_are_told(
    repository: Path, cancer: Cancer, start_gateway: StartGateway
) -> None:
    put(cancer.folder, repository, "cancer")
    stores = {"features": {"url": "redis://127.0.0.1:1"}}  # where nobody listens
    gateway = await start_gateway(repository, stores=stores)
    assert (await ask(gateway, "POST", "/v2/repository/models/cancer/unload", {})).status == 200
    await eventually(lambda: gateway.registry.serving("cancer") is None)
    await eventually(lambda: vars(gateway)["_stores"].states["features"])
    text = await body(gateway)
    assert "This model was unloaded by an operator." in text
    assert "Store features:</span></strong> It " in text
    assert (await ask(gateway, "POST", re.findall(r"POST <code>(.*?)</code>", text)[0], {})).status == 200
    await eventually(lambda: gateway.registry.serving("cancer"))
    await gateway.drain()
    assert "It is draining: it takes no new calls." in await body(gateway)


@pytest.mark.parametrize(("token", "status"), [("of operate", 200), ("of score", 403), ("of nobody", 403), ("", 403)])
async def test_from_another_machine_only_operators_see_it(
    tmp_path: Path, repository: Path, start_gateway: StartGateway, token: str, status: int
) -> None:
    callers = tmp_path / "callers.toml"
    entries = [
        f'[callers.{role}]\nrole = "{role}"\ntoken_sha256 = ["{hashlib.sha256(f"of {role}".encode()).hexdigest()}"]\n'
        for role in ("operate", "score")
    ]
    callers.write_text("\n".join(entries))
    callers.chmod(0o600)
    gateway = await start_gateway(repository, callers=callers)
    authorization = (f"Bearer {token}",) if token else ()
    by = Credentials(peer="ipv4:10.0.0.7:5", authorization=authorization, encrypted=True)
    request = HttpRequest("GET", "/", "", {}, {"host": "scores.example"}, b"", by.peer, by, 0.0, 0)
    answer = await vars(gateway)["_status"].route().answer(request)
    assert answer.status == status
    assert (b"<html" in answer.body) is (status == 200)


async def test_what_is_copied_stays_as_it_was(
    repository: Path, cancer: Cancer, start_gateway: StartGateway, connect: Connect
) -> None:
    put(cancer.folder, repository, "cancer")
    gateway = await start_gateway(repository)
    await score(gateway, cancer, connect, calls=3)
    sources = vars(vars(gateway)["_status"])["_sources"]
    (before,) = (await sources.facts(Disk())).versions
    await score(gateway, cancer, connect, calls=2)
    assert sum(one.calls for one in before.minutes) == 3
    assert sum(sum(one.seconds.counts) for one in before.minutes) == 3
    (after,) = (await sources.facts(Disk())).versions
    assert (sum(one.calls for one in after.minutes), after.codes) == (5, {"OK": 5})


async def test_the_port_answers_head_and_nothing_else(cancer_gateway: GatewayProcess) -> None:
    said = await ask(cancer_gateway, "HEAD", "/")
    assert (said.status, said.body) == (200, b"")
    assert (await ask(cancer_gateway, "POST", "/", {})).status == 405


async def test_a_name_of_somebody_else_shows_no_names_on_any_page(cancer_gateway: GatewayProcess) -> None:
    other = {"Host": "evil.example"}
    for path, status in (("/", 403), ("/?still", 403), ("/metrics", 403), ("/readyz", 200)):
        said = await ask(cancer_gateway, "GET", path, None, other)
        assert (said.status, b"cancer" in said.body) == (status, False)
        assert b"cancer" in (await ask(cancer_gateway, "GET", path)).body
