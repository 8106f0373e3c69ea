"""A conversation of 2,000 messages and a list of 10,000 are as quick as short ones, and lose nothing for it."""

import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Locator, expect

from e2e.conftest import Visit
from e2e.long import CONVERSATIONS, EXCHANGES, fill
from e2e.visitor import Visitor
from openrouter import LoopbackOpenRouter
from replies import Hold, answer
from serving import Served, serving

pytestmark = pytest.mark.anyio

ELEMENTS = "document.getElementsByTagName('*').length"
BOUND = 8_000
"""A page of short conversations has about a thousand, and more for a moment on a slow machine; 2,000 messages or
10,000 rows that are drawn have seventy thousand and more."""

PLACE = """async () => {
    // The first whole message in view and where it stands, once that is the same for ten frames.
    const frame = () => new Promise(requestAnimationFrame);
    let before, same = 0;
    for (;;) {
        await frame();
        const messages = [...document.querySelectorAll('.viewport article')];
        const first = messages.find((each) => each.getBoundingClientRect().top >= 100);
        const now = [first?.querySelector('p').textContent, first?.getBoundingClientRect().top];
        same = first && now.join() === before ? same + 1 : 0;
        before = now.join();
        if (same === 10) return now;
    }
}"""
DOWN_TO = """async ([list, title]) => {
    // Go down the list until it holds this title; the most elements that the page had on the way.
    let most = 0;
    while (!list.textContent.includes(title)) {
        list.scrollTo(0, list.scrollHeight);
        await new Promise(requestAnimationFrame);
        most = Math.max(most, document.getElementsByTagName('*').length);
    }
    return most;
}"""
SCROLL = "(by) => document.querySelector('.viewport').scrollBy(0, by)"


@dataclass(frozen=True)
class Long:
    """A server that holds much, and its long conversation."""

    served: Served
    address: str
    id: str


@pytest.fixture(scope="module")
async def filled(tmp_path_factory: pytest.TempPathFactory, anyio_backend: object) -> tuple[Path, str]:  # noqa: ARG001 - the loop comes first
    data = tmp_path_factory.mktemp("data")
    return data, await fill(data)


@pytest.fixture
async def long(
    filled: tuple[Path, str], upstream: LoopbackOpenRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Long]:
    data, conversation_id = filled
    shutil.copytree(data, tmp_path / "data")
    async with serving(monkeypatch, tmp_path / "data", OPENROUTER_BASE_URL=upstream.base_url) as served:
        yield Long(served, f"{served.url}/c/{conversation_id}", conversation_id)


async def scroll_to(person: Visitor, share: float) -> None:
    await person.page.evaluate(
        "(share) => { const view = document.querySelector('.viewport'); view.scrollTop = view.scrollHeight * share; }",
        share,
    )


def question(person: Visitor, number: int) -> Locator:
    return person.questions.filter(has_text=re.compile(rf"Question number {number}\?"))


async def test_a_long_conversation_opens_at_its_end_and_draws_only_what_is_near(visit: Visit, long: Long) -> None:
    person = await visit(long.address)
    await expect(question(person, EXCHANGES)).to_be_in_viewport()
    await expect(person.text).to_contain_text(f"Answer number {EXCHANGES} ")
    await expect(person.button("New text below")).to_have_count(0)
    assert await person.page.evaluate(ELEMENTS) < BOUND
    for step in range(10, -1, -1):
        await scroll_to(person, step / 10)
        await person.page.evaluate(PLACE)
        assert await person.page.evaluate(ELEMENTS) < BOUND
    await expect(question(person, 1)).to_be_in_viewport()


async def test_nothing_moves_under_the_reader_while_what_is_around_is_drawn_and_new_text_arrives(
    visit: Visit, long: Long, upstream: LoopbackOpenRouter
) -> None:
    hold = Hold()
    upstream.script(answer("Still ", "here.", holds={1: hold}))
    person = await visit(long.address)
    await expect(question(person, EXCHANGES)).to_be_in_viewport()
    await person.say("And now?")
    await expect(person.text).to_have_text("Still")
    await scroll_to(person, 0.5)
    text, top = await person.page.evaluate(PLACE)
    hold.release()
    await expect(person.page.get_by_role("status").filter(has_text="The answer is complete.")).to_have_count(1)
    for by in (0, -700, 700):
        await person.page.evaluate(SCROLL, by)
        now, moved = await person.page.evaluate(PLACE)
        if by >= 0:
            assert now == text
            assert abs(moved - top) < 3  # Heights are fractions of pixels, places to scroll to are not.
    await person.button("New text below").click()
    await expect(person.text).to_have_text("Still here.")
    await expect(person.text).to_be_in_viewport()


async def test_every_text_is_there_for_who_copies_it_reads_it_aloud_or_looks_for_it(visit: Visit, long: Long) -> None:
    person = await visit(long.address)
    await expect(question(person, EXCHANGES)).to_be_in_viewport()
    transcript = await person.page.locator(".viewport").text_content() or ""
    assert [each for each in range(1, EXCHANGES + 1) if f"Question number {each}?" not in transcript] == []
    await question(person, EXCHANGES).click()  # The browser looks for a text in an address only for who is there.
    await person.page.evaluate("location.hash = ':~:text=Question%20number%207%3F'")
    await expect(question(person, 7)).to_be_in_viewport()
    await person.page.keyboard.press("Control+k")
    await person.page.keyboard.type("number_404")
    await person.page.get_by_role("listbox", name="Found").get_by_role("option").first.click()
    await expect(person.page.locator(".found")).to_contain_text("Answer number 404 ")
    await expect(person.page.locator(".found")).to_be_in_viewport()


async def test_what_was_begun_in_a_message_outlives_going_far_away(visit: Visit, long: Long) -> None:
    person = await visit(long.address)
    last = question(person, EXCHANGES)
    await last.get_by_role("button", name="Edit and send again").click()
    edit = person.page.get_by_role("textbox", name="Edit the message")
    await edit.fill("Half a thought")
    await person.message.focus()
    await scroll_to(person, 0)
    await expect(question(person, 1)).to_be_in_viewport()
    await scroll_to(person, 1)
    await expect(edit).to_be_in_viewport()
    await expect(edit).to_have_value("Half a thought")


@pytest.mark.parametrize("count", [800, pytest.param(CONVERSATIONS - 1, marks=pytest.mark.long)])
async def test_the_list_goes_down_without_growing_and_up_again(visit: Visit, long: Long, count: int) -> None:
    person = await visit(long.served.url)
    title = f"Conversation {CONVERSATIONS - count:05}"
    newest = person.conversations.filter(has_text="A long conversation")
    await expect(newest).to_be_in_viewport()
    rows = await person.page.get_by_role("navigation", name="Conversations").element_handle()
    assert await person.page.evaluate(DOWN_TO, [rows, title]) < BOUND
    oldest = person.conversations.filter(has=person.page.get_by_text(title, exact=True))
    await oldest.click()
    await expect(person.page.get_by_role("heading", level=1)).to_have_text(title)
    await person.page.evaluate("(list) => list.scrollTo(0, 0)", rows)
    await expect(newest).to_be_in_viewport()
    assert await person.page.evaluate(ELEMENTS) < BOUND
    await newest.click()
    await expect(question(person, EXCHANGES)).to_be_in_viewport()
