"""Several models answer side by side: each answer arrives and stays as any other, and one is picked to go on with."""

import asyncio
import re
from functools import partial
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from e2e.conftest import Visit
from e2e.test_accessible import RICH, nothing_is_cut_off, without_barriers
from e2e.visitor import Visitor
from openrouter import LoopbackOpenRouter
from replies import Hold, answer, refusal, url_citation
from serving import Served
from test_comparison import MODELS, begin, body, said

pytestmark = pytest.mark.anyio

WORDS = [f"Number {number} says this, word by word, to its end." for number in range(1, 5)]
SOURCE = url_citation("https://example.org/a", "A page")
HALVES = [text[:20].strip() for text in WORDS]


def columns(person: Visitor) -> Locator:
    return person.page.get_by_role("region", name="Side by side").get_by_role("article")


async def texts(person: Visitor, *expected: str) -> None:
    """What the columns say, in their order."""
    await expect(columns(person).locator(".markdown")).to_have_text(list(expected))


async def compared(served: Served, upstream: LoopbackOpenRouter, count: int, **fields: Any) -> tuple[str, list[Hold]]:
    """Send to some of the models, which are held in the middle, the last one twice; where the conversation is seen."""
    holds = [Hold() for _ in range(count + 1)]
    for number, model in enumerate(MODELS[:count]):
        text, last = WORDS[number], number == count - 1
        pauses = {1: holds[number]} | ({2: holds[count]} if last else {})
        texts = text[:20], text[20:35], text[35:]
        upstream.by_model[model] = partial(answer, *texts, model=model, holds=pauses, citations=[[SOURCE]])
    started = await begin(served, **body(count, **fields))
    await asyncio.gather(*(hold.reached.wait() for hold in holds[:count]))
    return f"{served.url}/c/{started['conversation_id']}", holds


async def test_two_are_followed_picked_and_gone_on_with(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    address, holds = await compared(served, upstream, 2)
    person = await visit(address)
    await texts(person, *HALVES[:2])
    await expect(columns(person)).to_have_count(2)
    await expect(person.button("Stop")).to_be_visible()
    await person.page.reload()
    await texts(person, *HALVES[:2])
    second = await person.another_tab()
    holds[1].release()
    holds[2].release()
    for tab in (person, second):
        await texts(tab, HALVES[0], WORDS[1])
        await expect(columns(tab).nth(1)).to_contain_text(MODELS[1])
    status = person.page.get_by_role("region", name="Side by side").get_by_role("status")
    await expect(status).to_have_text("Answer 2 is complete.")
    holds[0].release()
    await texts(second, *WORDS[:2])
    await texts(person, *WORDS[:2])
    await expect(status).to_have_text("Answer 1 is complete. All of them have ended. Pick one to go on with.")
    await person.message.fill("And then?")
    await person.message.press("Enter")
    await expect(person.page.get_by_role("alert")).to_contain_text("Pick the one to go on with")
    await expect(person.message).to_have_value("And then?")
    await expect(person.questions).to_have_count(1)
    await columns(person).nth(1).get_by_role("button", name="Go on with this one").press("Enter")
    for tab in (person, second):
        await expect(columns(tab)).to_have_count(0)
        await expect(tab.text).to_have_text(WORDS[1])
        await expect(tab.answers.get_by_role("group", name="Version 2 of 2")).to_be_visible()
        await expect(tab.answers.get_by_role("button", name="Good answer")).to_have_attribute("aria-pressed", "true")
    await expect(person.message).to_be_focused()
    await expect(person.page.get_by_role("button", name="Choose a model")).to_contain_text(MODELS[1])
    await expect(person.message).to_have_value("And then?")
    upstream.by_model.clear()
    upstream.script(answer("Then this."))
    await person.message.press("Enter")
    await expect(person.text).to_have_text("Then this.")
    assert upstream.completions[-1].model == MODELS[1]
    assert [turn["content"] for turn in upstream.completions[-1].body["messages"] if turn["role"] == "assistant"] == [
        WORDS[1]
    ]
    await person.answers.first.get_by_role("button", name="Previous version").click()
    await expect(person.text).to_have_text(WORDS[0])
    await expect(columns(person)).to_have_count(0)
    await expect(person.answers).to_have_count(1)


async def test_one_of_four_is_stopped_then_all_and_one_that_stopped_goes_on(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    address, _ = await compared(served, upstream, 4)
    person = await visit(address)
    await texts(person, *HALVES)
    stopped = "You stopped this answer."
    await person.button("Stop answer 3").click()
    await expect(columns(person).nth(2)).to_contain_text(stopped)
    await expect(columns(person).filter(has_text=stopped)).to_have_count(1)
    upstream.by_model[MODELS[2]] = lambda: answer("and goes on.", model=MODELS[2])
    await columns(person).nth(2).get_by_role("button", name="Continue").click()
    await expect(columns(person).nth(2).locator(".markdown")).to_have_text(f"{WORDS[2][:20]}and goes on.")
    await expect(columns(person).nth(2).get_by_role("button", name="Go on with this one")).to_be_enabled()
    await person.button("Stop").click()
    await expect(columns(person).filter(has_text=stopped)).to_have_count(3)
    await expect(person.button("Stop")).to_have_count(0)
    assert len(upstream.completions) == 5


async def test_one_that_fails_says_so_in_its_place_and_another_is_picked(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    hold = Hold()
    upstream.by_model[MODELS[0]] = lambda: refusal(402)
    said(upstream, MODELS[1], "Whole.", hold)
    started = await begin(served, **body(2))
    person = await visit(f"{served.url}/c/{started['conversation_id']}")
    await expect(columns(person).first).to_contain_text("no credit left")
    upstream.by_model[MODELS[0]] = lambda: answer("Here after all.", model=MODELS[0])
    await columns(person).first.get_by_role("button", name="Try again").click()
    await expect(columns(person).first.locator(".markdown")).to_have_text("Here after all.")
    await expect(columns(person).first.get_by_role("button", name="Go on with this one")).to_be_enabled()
    await expect(columns(person).nth(1).get_by_role("button", name="Go on with this one")).to_have_count(0)
    await columns(person).first.get_by_role("button", name="Go on with this one").click()
    await expect(person.text).to_have_text("Here after all.")
    hold.release()
    await person.button("Next version").click()
    await expect(person.text).to_have_text("Whole.")


async def test_one_that_was_found_by_its_words_is_brought_into_view(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    for model, text in zip(MODELS[:2], ("A kestrel.", "A peregrine."), strict=True):
        upstream.by_model[model] = partial(answer, text, model=model)
    started = await begin(served, **body(2))
    person = await visit(f"{served.url}/c/{started['conversation_id']}", viewport={"width": 360, "height": 740})
    await expect(columns(person).get_by_role("button", name="Go on with this one")).to_have_count(2)
    await expect(columns(person).nth(1)).not_to_be_in_viewport(ratio=0.5)
    beside = person.page.get_by_role("region", name="Side by side")
    parts = beside.locator("header"), beside.get_by_text("Pick the answer to go on with.")
    whole, hint = [await part.evaluate("(part) => part.getBoundingClientRect().width") for part in parts]
    assert hint == pytest.approx(whole, abs=1)  # On a line of its own, not squeezed beside the heading.
    await person.page.keyboard.press("Control+k")
    await person.page.keyboard.type("peregrine")
    await person.page.get_by_role("listbox", name="Found").get_by_role("option").last.click()
    await expect(columns(person).nth(1)).to_be_focused()
    await expect(columns(person).nth(1)).to_be_in_viewport(ratio=0.5)


async def test_blind_ones_appear_at_one_pace_and_are_named_by_the_pick(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    address, holds = await compared(served, upstream, 3, blind=True)
    person = await visit(address)
    pick = columns(person).get_by_role("button", name="Go on with this one")
    await expect(columns(person).locator(".markdown")).to_have_count(3)
    holds[0].release()
    holds[1].release()
    place = f"/api/conversations/{address.rpartition('/')[2]}/messages"
    while [each["status"] for each in (await served.get(place))["comparisons"][0]["answers"]].count("complete") < 2:
        pass
    holds[2].release()
    await holds[3].reached.wait()
    everybody = [text[:35] for text in WORDS[:3]]  # Two have ended, and nothing tells which.
    await expect(
        columns(person).locator(".markdown", has_text=re.compile("^(" + "|".join(everybody) + ")$"))
    ).to_have_count(3)
    await expect(pick.or_(columns(person).get_by_role("link"))).to_have_count(0)
    holds[3].release()
    await expect(pick).to_have_count(3)
    await expect(columns(person).get_by_role("link")).to_have_count(0)  # What one cites may tell who it is.
    assert sorted(await columns(person).locator(".markdown").all_inner_texts()) == WORDS[:3]
    assert "acme" not in (await person.page.get_by_role("region", name="Side by side").inner_html()).lower()
    chosen = await columns(person).nth(1).locator(".markdown").inner_text()
    await pick.nth(1).click()
    await expect(person.text).to_have_text(chosen)
    await expect(person.answers.get_by_role("link")).to_have_text(["A page"])
    details = person.answers.get_by_role("group", name="About this answer")
    await expect(details).to_contain_text(MODELS[WORDS.index(chosen)])


async def test_the_composer_sends_one_message_to_those_who_were_chosen(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    hold = Hold()
    for model, text in zip(MODELS[:3], WORDS, strict=False):
        said(upstream, model, text, hold)
    person = await visit(served.url)
    await person.choose(MODELS[0])
    await person.button("Ask several side by side").click()
    dialog = person.page.get_by_role("dialog", name="Ask several side by side")
    await expect(dialog.get_by_role("button", name="Ask all of them")).to_be_disabled()
    await dialog.get_by_role("group", name="Add one").get_by_role("button", name="Fast").click()
    for model in MODELS[1:3]:
        await dialog.get_by_role("button", name="Another model").click()
        await person.page.get_by_role("combobox", name="Search by name").fill(model)
        await person.page.keyboard.press("Enter")
        await expect(dialog.get_by_role("listitem").filter(has_text=model)).to_be_visible()
    await expect(dialog.get_by_role("button", name="Another model")).to_be_disabled()
    await dialog.get_by_role("button", name="Remove: Fast").click()
    await dialog.get_by_role("checkbox", name="Hide who is who").check()
    await without_barriers(person)
    await nothing_is_cut_off(person)
    await dialog.get_by_role("button", name="Ask all of them").click()
    await expect(dialog).to_have_count(0)
    await expect(person.page.get_by_text("Side by side, blind")).to_be_visible()
    await without_barriers(person)
    await person.say("Which?")
    await expect(columns(person)).to_have_count(3)
    await expect(person.page.get_by_text("Side by side, blind")).to_have_count(0)
    hold.release()
    await expect(columns(person).get_by_role("button", name="Go on with this one")).to_have_count(3)
    assert sorted(await columns(person).locator(".markdown").all_inner_texts()) == WORDS[:3]
    assert sorted(call.model for call in upstream.completions) == sorted(MODELS[:3])
    await columns(person).first.get_by_role("button", name="Go on with this one").click()
    await expect(person.answers).to_have_count(1)
    await person.say("And now one alone.")
    await expect(person.answers).to_have_count(2)
    await expect(person.answers.last).to_have_attribute("aria-busy", "false")
    assert len(upstream.completions) == 4
    await person.button("Ask several side by side").click()
    await expect(dialog.get_by_role("listitem").nth(1)).to_be_visible()  # Who it was is remembered.
    await dialog.get_by_role("button", name="Ask all of them").click()
    await person.button("Ask one only").click()
    await expect(person.page.get_by_text("Side by side, blind")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_and_nothing_is_cut_off(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter, theme: str
) -> None:
    hold = Hold()
    upstream.by_model[MODELS[0]] = lambda: answer(RICH, reasoning=["Hm."], model=MODELS[0])
    upstream.by_model[MODELS[1]] = lambda: refusal(429, "Slow down", headers={"Retry-After": "7"})
    said(upstream, MODELS[2], "Still writing.", hold)
    upstream.by_model[MODELS[3]] = lambda: answer(RICH, model=MODELS[3])
    started = await begin(served, **body(4))
    await hold.reached.wait()
    person = await visit(f"{served.url}/c/{started['conversation_id']}", color_scheme=theme)
    await expect(columns(person).get_by_role("button", name="Go on with this one")).to_have_count(3)
    await without_barriers(person)
    await nothing_is_cut_off(person)
    await person.page.set_viewport_size({"width": 360, "height": 700})
    await without_barriers(person)
    await person.page.get_by_role("group", name="Go to an answer").get_by_role("button", name="Answer 4").click()
    await expect(columns(person).nth(3)).to_be_in_viewport(ratio=0.1)
    await expect(columns(person).nth(0)).not_to_be_in_viewport()
    hold.release()
    await expect(columns(person).get_by_role("button", name="Go on with this one")).to_have_count(4)
