"""Debian's Chromium, without a window."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

__all__ = ["chromium", "findings", "opened"]

_CHROMIUM = "/usr/bin/chromium"
_TIMEOUT_MS = 30_000


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Gives a browser that ends with the context. As root it can't have its sandbox."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def opened(browser: Browser, url: str, *, width: int = 1280, **settings: Any) -> AsyncIterator[Page]:
    """Gives a page that shows a URL. The browser must have nothing to complain of until its end.

    Args:
        browser: the browser.
        url: what is opened.
        width: of the window, in CSS pixels.
        settings: of the browser's context, such as `color_scheme`.
    """
    said: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("warning", "error"):
            said.append(message.text)

    context = await browser.new_context(viewport={"width": width, "height": 900}, **settings)
    context.set_default_timeout(_TIMEOUT_MS)
    try:
        page = await context.new_page()
        page.on("console", note)
        await page.goto(url)
        yield page
    finally:
        await context.close()
    assert said == []


async def findings(page: Page) -> dict[str, list[str]]:
    """What axe finds: the ids of the rules that are broken, each with the elements that break it."""
    results = await Axe().run(page)
    return {one["id"]: [node["html"] for node in one["nodes"]] for one in results.response["violations"]}
