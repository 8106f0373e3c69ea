"""Answering again and editing make branches, and the arrows lead from one to the other."""

import asyncio
import re

import pytest
from playwright.async_api import Route, expect

from e2e.conftest import Visit
from e2e.test_accessible import BOTH, nothing_is_cut_off, without_barriers
from openrouter import LoopbackOpenRouter
from replies import Hold, answer
from serving import Served

pytestmark = pytest.mark.anyio


async def test_answering_again_makes_a_second_version_and_the_arrows_go_back(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    hold = Hold()
    upstream.script(answer("The first."), answer("The ", "second.", holds={1: hold}))
    person = await visit(served.url)
    await person.say("Tell me.")
    await expect(person.text).to_have_text("The first.")
    await person.button("Answer again").click()
    await expect(person.text).to_have_text("The")
    hold.release()
    await expect(person.text).to_have_text("The second.")
    versions = person.answers.get_by_role("group", name="Version 2 of 2")
    await expect(versions).to_contain_text("2/2")
    await expect(versions.get_by_role("button", name="Next version")).to_be_disabled()
    await versions.get_by_role("button", name="Previous version").click()
    await expect(person.text).to_have_text("The first.")
    await person.page.reload()
    await expect(person.text).to_have_text("The first.")
    await expect(person.answers.get_by_role("group", name="Version 1 of 2")).to_be_visible()


async def test_an_edited_message_that_is_refused_is_still_to_be_edited(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(answer("One."), answer("Edited."))
    person = await visit(served.url)
    await person.say("First question")
    await expect(person.text).to_have_text("One.")
    await person.button("Edit and send again").click()
    edit = person.page.get_by_role("textbox", name="Edit the message")
    await edit.fill("Better question")
    refusal = {"error": {"code": "rate_limited", "message": "Slow down.", "retryable": True}}
    await person.page.route("**/chat", lambda route: route.fulfill(status=429, json=refusal))
    await person.button("Send again").click()
    await expect(person.page.get_by_role("alert")).to_be_visible()
    await expect(edit).to_have_value("Better question")
    await expect(edit).to_be_focused()
    await edit.press("Escape")
    await expect(person.questions).to_contain_text("First question")
    await person.button("Edit and send again").click()
    await expect(edit).to_have_value("First question")
    await edit.fill("Better question")
    elsewhere = asyncio.Event()

    async def late(route: Route) -> None:
        await elsewhere.wait()
        await route.fulfill(status=429, json=refusal)

    await person.page.unroute("**/chat")
    await person.page.route("**/chat", late)
    await person.button("Send again").click()
    await person.message.fill("Another thing")
    elsewhere.set()
    await expect(edit).to_have_value("Better question")
    await expect(person.message).to_be_focused()
    await person.page.unroute("**/chat")
    await person.button("Send again").click()
    await expect(person.text).to_have_text("Edited.")
    await person.button("Previous version").click()
    await expect(person.questions).to_contain_text("First question")
    await expect(edit).to_have_count(0)


async def test_a_refused_edit_takes_no_focus_and_stays_while_another_is_left(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(answer("Words.\n\n" * 200), answer("Two."))
    person = await visit(served.url)
    await person.say("First question")
    await expect(person.text).to_contain_text("Words.")
    await person.say("Second question")
    await expect(person.text.last).to_have_text("Two.")
    elsewhere = asyncio.Event()

    async def late(route: Route) -> None:
        await elsewhere.wait()
        await route.fulfill(status=429, json={"error": {"code": "rate_limited", "message": "", "retryable": True}})

    await person.page.route("**/chat", late)
    view = person.page.locator(".viewport")
    await view.evaluate("(view) => view.scrollTo(0, 0)")
    first, second = (person.questions.filter(has_text=words) for words in ("First", "Second"))
    await first.get_by_role("button", name="Edit and send again").click()
    edit = person.page.get_by_role("textbox", name="Edit the message")
    await edit.fill("Better question")
    await person.button("Send again").click()
    await person.page.keyboard.press("Control+k")
    await person.page.keyboard.type("pere")
    elsewhere.set()
    await expect(edit).to_have_value("Better question")
    await person.page.keyboard.type("grine")
    await expect(person.page.get_by_role("combobox", name="Search")).to_have_value("peregrine")
    await view.evaluate("(view) => view.scrollTo(0, view.scrollHeight)")
    await second.get_by_role("button", name="Edit and send again").click()
    await expect(edit).to_have_count(2)
    await edit.last.press("Escape")
    await expect(edit).to_have_count(1)
    await expect(edit).to_have_value("Better question")


async def test_editing_makes_a_branch_that_keeps_what_was_below(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(*(answer(text) for text in ("One.", "Two.", "Edited.")))
    person = await visit(served.url)
    await person.say("First question")
    await expect(person.text).to_have_text("One.")
    await person.say("Second question")
    await expect(person.text).to_have_text("Two.")
    await person.questions.first.get_by_role("button", name="Edit and send again").click()
    edit = person.page.get_by_role("textbox", name="Edit the message")
    await expect(edit).to_have_value("First question")
    await without_barriers(person, *BOTH)
    await edit.press("Escape")
    await expect(edit).to_have_count(0)
    await person.questions.first.get_by_role("button", name="Edit and send again").click()
    await edit.fill("Better question")
    await person.button("Send again").click()
    await expect(person.text).to_have_text("Edited.")
    await expect(person.questions).to_have_count(1)
    await expect(person.questions).to_contain_text("Better question")
    await person.questions.get_by_role("button", name="Previous version").click()
    await expect(person.questions).to_have_count(2)
    await expect(person.text).to_have_text("Two.")
    assert [turn["content"] for turn in upstream.completions[2].body["messages"] if turn["role"] == "user"] == [
        "Better question"
    ]


async def test_what_is_being_edited_stays_while_the_conversation_goes_on_elsewhere(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(answer("One."), answer("Two."))
    person = await visit(served.url)
    await person.say("First question")
    await expect(person.text).to_have_text("One.")
    await person.questions.get_by_role("button", name="Edit and send again").click()
    edit = person.page.get_by_role("textbox", name="Edit the message")
    await edit.fill("Half a thought")
    await edit.dispatch_event("keydown", {"key": "Escape", "isComposing": True})  # Leaves a word of an input method.
    conversation_id = person.page.url.rpartition("/")[2]
    await served.send("From elsewhere", conversation_id=conversation_id)
    await expect(person.text).to_have_text("Two.")
    await person.conversations.click()  # It is open already.
    await expect(edit).to_have_value("Half a thought")


async def test_an_answer_is_given_again_by_the_same_model_or_by_another_one(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(answer("I am one of many."))
    person = await visit(served.url)
    await person.say("Who are you?")
    details = person.answers.get_by_role("group", name="About this answer")
    await expect(details).to_contain_text("openrouter/auto → acme/chat-1 (the router chose)")
    await person.button("With another model").click()
    await without_barriers(person)
    await nothing_is_cut_off(person)
    await person.page.set_viewport_size({"width": 1200, "height": 700})
    await person.button("Another model …").click()
    await expect(person.page).to_have_url(re.compile("#again/"))
    await person.page.get_by_role("combobox", name="Search by name").fill("thinker")
    await person.page.keyboard.press("Enter")
    await expect(person.text).to_have_text("Forty-two.")
    await expect(person.answers.get_by_role("group", name="Version 2 of 2")).to_be_visible()
    await expect(person.page.get_by_role("button", name="Choose a model")).to_contain_text("openrouter/auto")
    await person.button("With another model").press("Enter")
    await person.button("The same: acme/thinker").click()
    await expect(person.answers.get_by_role("group", name="Version 3 of 3")).to_be_visible()
    await person.button("Answer again").click()
    await expect(person.answers.get_by_role("group", name="Version 4 of 4")).to_be_visible()
    asked = [call.model for call in upstream.completions]
    assert asked == ["openrouter/auto", "acme/thinker", "acme/thinker", "openrouter/auto"]


async def test_the_same_again_is_asked_by_the_preset_with_all_that_belongs_to_it(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    preset = {"name": "In rhymes", "model_id": "acme/chat-1", "fallback_model_ids": ["acme/thinker"]}
    await served.http.put("/api/presets/2", json={**preset, "system_prompt": "Rhyme.", "parameters": {"top_p": 0.5}})
    person = await visit(served.url)
    await person.button("In rhymes").click()
    await person.say("Who are you?")
    await person.choose("acme/thinker")
    await person.button("With another model").click()
    await person.button("The same: In rhymes").click()
    await expect(person.answers.get_by_role("group", name="Version 2 of 2")).to_be_visible()
    await expect(person.text).to_contain_text("t19")
    await person.page.reload()
    await person.button("With another model").click()
    await person.button("The same: In rhymes").click()
    await expect(person.answers.get_by_role("group", name="Version 3 of 3")).to_be_visible()
    await expect(person.text).to_contain_text("t19")
    first, second, third = [call.body for call in upstream.completions]
    assert (first["model"], first["messages"][0]["content"], first["top_p"]) == ("acme/chat-1", "Rhyme.", 0.5)
    assert first == second == third
    changed = {**preset, "model_id": "acme/thinker", "system_prompt": "Rhyme.", "parameters": {"top_p": 0.5}}
    await served.http.put("/api/presets/2", json=changed)
    await person.page.reload()
    await person.button("With another model").click()
    await person.button("The same: In rhymes · acme/chat-1").click()
    await expect(person.answers.get_by_role("group", name="Version 4 of 4")).to_be_visible()
    await expect(person.text).to_contain_text("t19")
    assert upstream.completions[3].body == {key: value for key, value in first.items() if key != "models"}


async def test_where_a_fallback_answered_that_is_said(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    preset = {"name": "Mine", "model_id": "acme/chat-1", "fallback_model_ids": ["acme/thinker"]}
    await served.http.put("/api/presets/1", json={**preset, "system_prompt": "", "parameters": {}})
    upstream.script(answer("I am here instead.", model="acme/thinker"))
    person = await visit(served.url)
    await person.say("Who are you?")
    details = person.answers.get_by_role("group", name="About this answer")
    await expect(details).to_contain_text("acme/chat-1 → acme/thinker (fallback)")
