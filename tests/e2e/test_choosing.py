"""What answers is chosen by preset or model, and what is typed is not lost."""

import asyncio

import pytest
from playwright.async_api import Route, expect

from e2e.conftest import Visit
from openrouter import LoopbackOpenRouter
from replies import Hold, answer
from serving import Served

pytestmark = pytest.mark.anyio


async def test_alt_and_a_number_choose_a_preset(visit: Visit, served: Served, upstream: LoopbackOpenRouter) -> None:
    person = await visit(served.url)
    presets = person.page.get_by_role("group", name="Presets").get_by_role("button")
    await expect(presets).to_have_count(6)
    await expect(presets.nth(0)).to_have_attribute("aria-pressed", "true")
    await person.message.press("Alt+2")
    await expect(presets.nth(1)).to_have_attribute("aria-pressed", "true")
    await expect(presets.nth(0)).to_have_attribute("aria-pressed", "false")
    await expect(person.message).to_have_value("")
    await person.say("Quickly!")
    await expect(person.text).to_contain_text("t19")
    assert upstream.completions[0].body["temperature"] == 0.7
    await person.page.reload()
    await expect(presets.nth(1)).to_have_attribute("aria-pressed", "true")


async def test_the_picker_searches_filters_and_its_choice_answers(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    person = await visit(served.url)
    await person.page.get_by_role("button", name="Choose a model").click()
    dialog = person.page.get_by_role("dialog", name="Models")
    options = dialog.get_by_role("listbox").get_by_role("option")
    await expect(options).to_have_count(len(upstream.models))
    await expect(person.page).to_have_url(f"{served.url}/#models")
    await dialog.get_by_role("checkbox", name="Free only").check()
    await expect(options).to_have_count(1)
    await expect(options).to_contain_text("acme/free-1:free")
    await dialog.get_by_role("combobox", name="Search by name").fill("no such model")
    await expect(dialog.get_by_text("No model fits.")).to_be_visible()
    await dialog.get_by_role("checkbox", name="Free only").uncheck()
    await dialog.get_by_role("combobox", name="Search by name").fill("thin")
    await expect(options).to_have_count(1)
    await dialog.get_by_role("combobox", name="Search by name").press("Enter")
    await expect(dialog).to_have_count(0)
    await expect(person.page.get_by_role("button", name="Choose a model")).to_contain_text("acme/thinker")
    await person.say("Who are you?")
    await expect(person.text).to_have_text("Forty-two.")
    assert upstream.completions[0].model == "acme/thinker"


async def test_the_line_under_an_answer_says_when_another_model_answered(visit: Visit, served: Served) -> None:
    person = await visit(served.url)
    await person.choose("acme/other-answers")
    await person.say("Who are you?")
    details = person.answers.get_by_role("group", name="About this answer")
    await expect(details).to_contain_text("acme/other-answers → acme/somebody-else")
    await expect(details).to_contain_text("20 in · 5 out")


async def test_a_draft_outlives_a_reload_and_belongs_to_its_conversation(visit: Visit, served: Served) -> None:
    await served.send("Hello", model_id="acme/chat-1")
    person = await visit(served.url)
    await person.message.fill("Not yet\nfinished")
    await person.page.reload()
    await expect(person.message).to_have_value("Not yet\nfinished")
    await person.conversations.click()
    await expect(person.questions).to_have_count(1)
    await expect(person.message).to_have_value("")
    await person.message.fill("Something else")
    await person.page.get_by_role("link", name="New conversation").first.click()
    await expect(person.message).to_have_value("Not yet\nfinished")
    await person.say("Sent now")
    await expect(person.text).to_contain_text("t19")
    await expect(person.message).to_have_value("")
    await person.conversations.nth(1).click()
    await expect(person.message).to_have_value("Something else")


async def test_who_is_faster_than_the_page_loses_nothing(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    hold, known = Hold(), asyncio.Event()
    upstream.script(answer("First ", "answer.", holds={1: hold}), answer("Second answer."))

    async def slowly(route: Route) -> None:
        await known.wait()
        await route.continue_()

    person = await visit("about:blank", base_url=served.url)
    person.watch.origin = served.url
    await person.page.route("**/api/session", slowly)
    await person.page.goto(served.url)
    await person.say("Quick!")
    await expect(person.text).to_have_text("First")
    known.set()
    await expect(person.page.get_by_role("group", name="Presets")).to_be_visible()
    hold.release()
    await expect(person.text).to_have_text("First answer.")
    known.clear()
    await person.page.reload()
    await person.say("And in a conversation that is not there yet?")
    await expect(person.page.get_by_text("What is on your mind?")).to_have_count(0)
    await expect(person.button("Send")).to_be_disabled()
    known.set()
    await expect(person.text).to_have_text("First answer.")
    await person.message.press("Enter")
    await expect(person.text).to_have_text("Second answer.")
    await expect(person.questions).to_have_count(2)
    assert len(upstream.completions) == 2


async def test_shift_enter_breaks_the_line_and_enter_sends(visit: Visit, served: Served) -> None:
    person = await visit(served.url)
    await person.message.press_sequentially("one")
    await person.message.press("Shift+Enter")
    await person.message.press_sequentially("two")
    await person.message.press("Enter")
    await expect(person.questions.locator("p")).to_have_text("one\ntwo", use_inner_text=True)
