"""One Chromium for all tests here, and a watched page for each.

Without Chromium they are skipped, save where CI=true.
"""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, async_playwright, expect

from e2e.visitor import Visitor, Watch

Visit = Callable[..., Awaitable[Visitor]]

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # should something try to leave, it does not get far
]

expect.set_options(timeout=15_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever lies here needs a browser and the loop."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="package")
async def browser(anyio_backend: object) -> AsyncIterator[Browser]:  # noqa: ARG001 - the loop comes before the browser
    """Debian's Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None and os.environ.get("CI") != "true":
        pytest.skip("There is no Chromium here; on Debian: apt-get install chromium")
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield launched
        await launched.close()


@pytest.fixture(autouse=True)
def _no_waiting_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is told to end does not wait for answers that a test holds back."""
    monkeypatch.setenv("HOLDFAST_DRAIN_LIMIT", "0")


@pytest.fixture
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """Opens an address in a browser of its own, with options for its context."""
    visitors: list[Visitor] = []

    async def go(url: str, **options: Any) -> Visitor:
        context = await browser.new_context(**{"locale": "en-GB", "reduced_motion": "reduce"} | options)
        context.set_default_timeout(15_000)
        watch = Watch("/".join(url.split("/")[:3]))
        await watch.attach(context)
        page = await context.new_page()
        visitors.append(Visitor(page, context, watch))
        await page.goto(url)
        return visitors[-1]

    yield go
    for visitor in visitors:
        await visitor.context.close()
    assert [each for visitor in visitors for each in visitor.watch.seen] == []
