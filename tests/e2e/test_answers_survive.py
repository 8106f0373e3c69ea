"""An answer arrives while it is written, and goes on without a gap or a repeat whatever happens to the page."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import expect

from e2e.conftest import Visit
from e2e.network import Cable, free_port
from e2e.visitor import Visitor
from openrouter import LoopbackOpenRouter
from replies import Hold, answer, counted
from serving import Served, process

pytestmark = pytest.mark.anyio

HALF, WHOLE = (" ".join(f"t{number}" for number in range(count)) for count in (10, 20))
"""What the page shows of `counted(20)` held before its tenth text, and of all of it."""

RECORD = """() => {
    const messages = document.querySelector('main');
    globalThis.shown = [];
    new MutationObserver(() => {
        const text = [...messages.querySelectorAll('.markdown')].at(-1)?.textContent ?? '';
        shown.push(text.trim());
    }).observe(messages, { subtree: true, childList: true, characterData: true });
}"""
"""Keeps every text that the answer ever had on the page."""


async def ends_whole(person: Visitor) -> None:
    """Every token stands there once, and the page says that it is done."""
    await expect(person.text).to_have_text(WHOLE)
    await expect(person.answers.last).to_have_attribute("aria-busy", "false")
    assert await person.answers.count() == 1
    assert (await person.text.text_content() or "").split() == WHOLE.split()


async def test_text_appears_while_the_provider_still_writes_and_is_found_again_after_a_reload(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    hold = Hold()
    upstream.script(answer("Hel", "lo, **wor", "ld**.", holds={2: hold}))
    person = await visit(served.url)
    await person.say("Greet me.")
    await expect(person.questions).to_contain_text("Greet me.")
    await expect(person.text).to_have_text("Hello, **wor")
    await expect(person.button("Stop")).to_be_visible()
    hold.release()
    await expect(person.text.locator("strong")).to_have_text("world")
    await expect(person.answers.get_by_role("group", name="About this answer")).to_contain_text("20 in · 3 out")
    await expect(person.conversations).to_have_count(1)
    for _ in ("once", "and from the bookmark"):
        await person.page.goto(person.page.url)
        await expect(person.text).to_have_text("Hello, world.")
        await expect(person.questions).to_have_count(1)
    assert len(upstream.completions) == 1


async def test_reasoning_is_folded_and_can_be_read(visit: Visit, served: Served, upstream: LoopbackOpenRouter) -> None:
    hold = Hold()
    upstream.script(answer("42", reasoning=["Let me ", "think."], holds={0: hold}))
    person = await visit(served.url)
    await person.say("Why?")
    await expect(person.page.get_by_text("Reasoning …")).to_be_visible()
    hold.release()
    await expect(person.text).to_have_text("42")
    for _ in ("live", "after a reload"):
        await person.answers.get_by_text(re.compile(r"^Reasoned for [\d.]+ s$")).click()
        await expect(person.page.get_by_text("Let me think.")).to_be_visible()
        await person.page.reload()


async def test_a_reload_in_the_middle_changes_nothing(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    hold = Hold()
    upstream.script(counted(20, holds={10: hold}))
    person = await visit(served.url)
    await person.say("Count.")
    await expect(person.text).to_have_text(HALF)
    await person.page.reload()
    await expect(person.text).to_have_text(HALF)
    await expect(person.button("Stop")).to_be_visible()
    hold.release()
    await ends_whole(person)
    assert len(upstream.completions) == 1


async def test_a_reload_before_the_first_word_changes_nothing(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    hold = Hold()
    upstream.script(counted(20, holds={0: hold}))
    person = await visit(served.url)
    await person.say("Count.")
    await expect(person.page).to_have_url(re.compile("/c/"))
    await person.page.reload()
    await expect(person.page.get_by_role("img", name="Waiting for the first word")).to_be_visible()
    hold.release()
    await ends_whole(person)


async def test_a_second_tab_follows_the_same_answer(visit: Visit, served: Served, upstream: LoopbackOpenRouter) -> None:
    hold = Hold()
    upstream.script(counted(20, holds={10: hold}))
    person = await visit(served.url)
    await person.say("Count.")
    await expect(person.text).to_have_text(HALF)
    second = await person.another_tab()
    await expect(second.text).to_have_text(HALF)
    third = await person.another_tab(served.url)
    await third.page.get_by_role("link").filter(has=third.page.get_by_role("img")).click()
    await expect(third.text).to_have_text(HALF)
    await person.page.close()
    hold.release()
    await ends_whole(second)
    await ends_whole(third)
    assert len(upstream.completions) == 1


async def test_an_answer_goes_on_when_the_network_was_cut(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    holds = {5: Hold(), 10: Hold(), 15: Hold()}
    upstream.script(counted(20, holds=holds))
    async with Cable(served.url) as cable:
        person = await visit(cable.url)
        await person.say("Count.")
        await expect(person.text).to_have_text(HALF[:14])
        for position in (5, 10):
            await cable.cut()
            await expect(person.page.get_by_text("The connection broke. Reconnecting …")).to_be_visible()
            holds[position].release()
            await holds[position + 5].reached.wait()
            await cable.mend()
            await expect(person.text).to_have_text(" ".join(WHOLE.split()[: position + 5]))
            await expect(person.page.get_by_text("Reconnecting")).to_have_count(0)
        holds[15].release()
        await ends_whole(person)
    assert len(upstream.completions) == 1


async def test_a_message_is_sent_once_when_the_network_breaks_while_it_is_sent(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    hold = Hold()
    upstream.script(counted(20, holds={10: hold}))
    async with Cable(served.url) as cable:
        person = await visit(cable.url)
        await expect(person.message).to_be_focused()
        await cable.cut()
        await person.say("Count.")
        await expect(person.page.get_by_text("Reconnecting")).to_be_visible()
        await cable.mend()
        await expect(person.text).to_have_text(HALF)
        hold.release()
        await ends_whole(person)
        await expect(person.questions).to_have_count(1)
    assert len(upstream.completions) == 1


async def test_a_browser_that_was_offline_catches_up(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    hold = Hold()
    upstream.script(counted(20, holds={10: hold}))
    person = await visit(served.url)
    await person.say("Count.")
    await expect(person.text).to_have_text(HALF)
    await person.context.set_offline(True)
    await expect(person.page.get_by_text("You are offline.")).to_be_visible()
    hold.release()
    await upstream.until(lambda: upstream.completions[0].done)
    await person.context.set_offline(False)
    await ends_whole(person)
    await expect(person.page.get_by_text("You are offline.")).to_have_count(0)


@asynccontextmanager
async def asleep(person: Visitor) -> AsyncIterator[None]:
    """Stop everything on the page, as a telephone does.

    A page that Playwright opened counts as looked at, and Chromium freezes none of those: the debugger does.
    """
    debugger = await person.context.new_cdp_session(person.page)
    paused = asyncio.Event()
    debugger.once("Debugger.paused", lambda _: paused.set())
    await debugger.send("Debugger.enable")
    pausing = asyncio.create_task(debugger.send("Runtime.evaluate", {"expression": "debugger"}))
    await paused.wait()
    yield
    await debugger.send("Debugger.resume")
    await pausing
    await debugger.detach()


@pytest.mark.parametrize("network", ["stays", "goes"])
async def test_a_telephone_that_slept_in_the_middle_shows_the_whole_answer(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter, network: str
) -> None:
    holds = {10: Hold(), 15: Hold()}
    upstream.script(counted(20, holds=holds))
    async with Cable(served.url) as cable:
        person = await visit(cable.url)
        await person.say("Count.")
        await expect(person.text).to_have_text(HALF)
        await person.page.evaluate(RECORD)
        async with asleep(person):
            if network == "goes":
                await cable.cut()
            holds[10].release()
            await holds[15].reached.wait()
            if network == "goes":
                await cable.mend()
        await expect(person.text).to_have_text(" ".join(WHOLE.split()[:15]))
        holds[15].release()
        await ends_whole(person)
        shown = await person.page.evaluate("shown")
        assert len(shown) > 1
        assert [text for text in shown if not (text.startswith(HALF) and WHOLE.startswith(text))] == []
        await expect(person.page.get_by_text("Reconnecting")).to_have_count(0)
    assert len(upstream.completions) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_restarted_server_ends_the_answer_as_interrupted_and_it_can_be_tried_again(
    visit: Visit, upstream: LoopbackOpenRouter, tmp_path: Path, number: signal.Signals
) -> None:
    upstream.script(counted(20, holds={10: Hold()}), counted(20))
    port = free_port()
    async with process(tmp_path, upstream.base_url, PORT=str(port)) as (_, running):
        person = await visit(f"http://127.0.0.1:{port}")
        await person.say("Count.")
        await expect(person.text).to_have_text(HALF)
        running.send_signal(number)
        await running.wait()
    async with process(tmp_path, upstream.base_url, PORT=str(port)):
        await expect(
            person.answers.get_by_text("This answer was interrupted. What was written is kept.")
        ).to_be_visible()
        await expect(person.text).to_have_text(HALF)
        await expect(person.page.get_by_text("Reconnecting")).to_have_count(0)
        await person.button("Try again").click()
        await ends_whole(person)
        await expect(person.page.get_by_role("group", name="Version 2 of 2")).to_be_visible()
