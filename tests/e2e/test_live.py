"""The live feed in a real browser: one connection for all tabs, over which everything is followed and nothing lost."""

import asyncio
import signal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Request, expect

from e2e.conftest import Visit
from e2e.network import Cable, free_port
from e2e.visitor import Visitor
from openrouter import LoopbackOpenRouter
from replies import Hold, counted
from serving import Served, process

pytestmark = pytest.mark.anyio

TOKENS = 24
TIME_OF_A_REQUEST = """async () => {
    const began = performance.now();
    await fetch('api/session');
    return performance.now() - began;
}"""
WITHOUT_TLS = """
    Object.defineProperty(navigator, 'locks', { value: undefined });
    delete Crypto.prototype.randomUUID;
"""


def words(count: int) -> str:
    return " ".join(f"t{number}" for number in range(count))


async def ends_whole(person: Visitor) -> None:
    """Every token stands there once, and the page says that it is done."""
    await expect(person.text).to_have_text(words(TOKENS))
    await expect(person.answers.last).to_have_attribute("aria-busy", "false")
    assert (await person.text.text_content() or "").split() == words(TOKENS).split()


class Streams:
    """The event streams that a browser has open, by path."""

    def __init__(self, person: Visitor) -> None:
        self._open: set[Request] = set()
        person.context.on("request", self._begun)
        person.context.on("requestfinished", self._ended)
        person.context.on("requestfailed", self._ended)

    def paths(self) -> list[str]:
        return sorted(urlsplit(request.url).path for request in self._open)

    def _begun(self, request: Request) -> None:
        if any(part in request.url for part in ("/api/events", "/chat", "/generations")):
            self._open.add(request)

    def _ended(self, request: Request) -> None:
        self._open.discard(request)


async def begin(tabs: list[Visitor], upstream: LoopbackOpenRouter, holds: list[dict[int, Hold]]) -> None:
    """Each of these tabs asks for an answer in a new conversation, held back."""
    for tab, held in zip(tabs, holds, strict=True):
        upstream.script(counted(TOKENS, holds=held))
        await tab.say("Count.")
        await expect(tab.text).to_have_text(words(min(held)))


async def test_seven_tabs_three_of_them_generating_all_follow_and_a_request_is_answered_at_once(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    holds = [{6: Hold(), 12: Hold()} for _ in range(3)]
    person = await visit(served.url)
    streams = Streams(person)
    await person.page.reload()
    writing = [person, await person.another_tab(served.url), await person.another_tab(served.url)]
    await begin(writing, upstream, holds)
    watching = [await person.another_tab(tab.page.url) for tab in writing]
    idle = await person.another_tab(served.url)
    for tab in watching:
        await expect(tab.text).to_have_text(words(6))
    await expect(idle.conversations).to_have_count(3)
    await expect(idle.page.get_by_role("img", name="An answer is being written")).to_have_count(3)
    assert streams.paths() == ["/api/events"]
    assert await idle.page.evaluate(TIME_OF_A_REQUEST) < 2000
    for held in holds:
        held[6].release()
    for tab in [*writing, *watching]:
        await expect(tab.text).to_have_text(words(12))
    for held in holds:
        held[12].release()
    for tab in [*writing, *watching]:
        await ends_whole(tab)
    await expect(idle.page.get_by_role("img", name="An answer is being written")).to_have_count(0)
    assert streams.paths() == ["/api/events"]
    assert len(upstream.completions) == 3


async def test_the_tabs_go_on_when_the_leading_one_is_closed_while_they_follow(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    hold = {4: Hold(), 9: Hold(), 15: Hold()}
    leading = await visit(served.url)
    await expect(leading.message).to_be_focused()
    writing = await leading.another_tab()
    await begin([writing], upstream, [hold])
    third = await writing.another_tab()
    await expect(third.text).to_have_text(words(4))
    await leading.page.close()
    hold[4].release()
    for tab in (writing, third):
        await expect(tab.text).to_have_text(words(9))
    await writing.page.close()
    hold[9].release()
    await expect(third.text).to_have_text(words(15))
    hold[15].release()
    await ends_whole(third)


async def test_every_tab_goes_on_after_the_network_was_cut(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    holds = [{5: Hold(), 10: Hold(), 15: Hold()} for _ in range(2)]
    async with Cable(served.url) as cable:
        person = await visit(cable.url)
        writing = [person, await person.another_tab()]
        await begin(writing, upstream, holds)
        tabs = [*writing, await person.another_tab(writing[1].page.url)]
        await expect(tabs[2].text).to_have_text(words(5))
        for position in (5, 10):
            await cable.cut()
            for tab in tabs:
                await expect(tab.page.get_by_text("The connection broke. Reconnecting …")).to_be_visible()
            for held in holds:
                held[position].release()
                await held[position + 5].reached.wait()
            await cable.mend()
            for tab in tabs:
                await expect(tab.text).to_have_text(words(position + 5))
                await expect(tab.page.get_by_text("Reconnecting")).to_have_count(0)
        for held in holds:
            held[15].release()
        for tab in tabs:
            await ends_whole(tab)
    assert len(upstream.completions) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_every_tab_survives_a_restart_of_the_server_and_continues(
    visit: Visit, upstream: LoopbackOpenRouter, tmp_path: Path, number: signal.Signals
) -> None:
    upstream.script(counted(TOKENS, holds={8: Hold()}), counted(TOKENS))
    port = free_port()
    async with process(tmp_path, upstream.base_url, PORT=str(port)) as (_, running):
        person = await visit(f"http://127.0.0.1:{port}")
        await person.say("Count.")
        await expect(person.text).to_have_text(words(8))
        second = await person.another_tab()
        await expect(second.text).to_have_text(words(8))
        running.send_signal(number)
        await running.wait()
    async with process(tmp_path, upstream.base_url, PORT=str(port)):
        for tab in (person, second):
            await expect(tab.answers.get_by_text("This answer was interrupted.")).to_be_visible()
            await expect(tab.text).to_have_text(words(8))
            await expect(tab.page.get_by_text("Reconnecting")).to_have_count(0)
        await second.answers.get_by_role("button", name="Continue").click()
        for tab in (person, second):
            await ends_whole(tab)


async def test_what_is_done_elsewhere_appears_in_every_tab(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    first = (await served.send("The first one", model_id="acme/chat-1"))[0].event
    path = f"/api/conversations/{first['conversation_id']}"
    person = await visit(f"{served.url}/c/{first['conversation_id']}")
    list_only = await person.another_tab(served.url)
    await expect(list_only.conversations).to_have_count(1)
    await expect(person.answers).to_have_count(1)
    await served.http.patch(path, json={"title": "Named <i>elsewhere</i>"})
    for tab in (person, list_only):
        await expect(tab.conversations).to_have_text("Named <i>elsewhere</i>")
    await expect(person.page.get_by_role("heading", level=1)).to_have_text("Named <i>elsewhere</i>")
    hold = Hold()
    upstream.script(counted(TOKENS, holds={7: hold}))
    sending = asyncio.create_task(
        served.send("From another device", model_id="acme/chat-1", conversation_id=first["conversation_id"])
    )
    await expect(person.questions).to_have_count(2)
    await expect(person.questions.last).to_contain_text("From another device")
    await expect(person.text).to_have_text(words(7))
    await expect(person.button("Stop")).to_be_visible()
    await expect(list_only.page.get_by_role("img", name="An answer is being written")).to_be_visible()
    hold.release()
    await ends_whole(person)
    await sending
    await expect(list_only.page.get_by_role("img", name="An answer is being written")).to_have_count(0)
    await served.send("A new one", model_id="acme/chat-1")
    await expect(list_only.conversations).to_have_count(2)
    await served.http.delete(path)
    await expect(list_only.conversations).to_have_count(1)
    await expect(person.page.get_by_text("This conversation is not here")).to_be_visible()


async def test_without_tls_and_so_without_locks_each_tab_has_a_feed_of_its_own(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    hold = {7: Hold()}
    person = await visit(served.url)
    await person.context.add_init_script(WITHOUT_TLS)
    await person.page.reload()
    await begin([person], upstream, [hold])
    second = await person.another_tab()
    await expect(second.text).to_have_text(words(7))
    hold[7].release()
    await ends_whole(person)
    await ends_whole(second)


async def test_without_the_feed_each_answer_has_a_stream_of_its_own(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    hold = {7: Hold()}
    person = await visit(served.url)
    await person.context.route("**/api/events*", lambda route: route.fulfill(status=404, json={}))
    await person.page.reload()
    await begin([person], upstream, [hold])
    await person.page.reload()
    await expect(person.text).to_have_text(words(7))
    hold[7].release()
    await ends_whole(person)
