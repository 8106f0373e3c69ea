"""Saying what an answer is worth: by one press, with reasons where it was bad, and taken back as easily."""

import asyncio

import pytest
from playwright.async_api import Route, expect

from e2e.conftest import Visit
from openrouter import LoopbackOpenRouter
from replies import Hold, Reset, answer, broken_off
from serving import Served

pytestmark = pytest.mark.anyio

TOP = "document.querySelector('.viewport').scrollTop"
HOSTILE = "<img src=x onerror=alert(1)> Not what I meant."


async def test_a_bad_answer_is_rated_with_reasons_which_survive_a_reload_and_can_be_taken_back(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(answer("Hm."))
    person = await visit(served.url)
    await person.say("Tell me.")
    await expect(person.text).to_have_text("Hm.")
    up, down = person.button("Good answer"), person.button("Bad answer")
    await down.click()
    form = person.page.get_by_role("group", name="What was wrong with it?")
    await expect(form.get_by_role("checkbox", name="Wrong")).to_be_focused()
    await form.get_by_text("Too long").click()
    await form.get_by_text("Not what I asked").click()
    await form.get_by_role("textbox").fill(HOSTILE)
    await form.get_by_role("button", name="Save").click()
    await expect(form).to_have_count(0)
    await expect(down).to_be_focused()
    await person.page.reload()
    await expect(down).to_have_attribute("aria-pressed", "true")
    await person.button("Say why").click()
    await expect(form.get_by_role("checkbox", name="Too long")).to_be_checked()
    await expect(form.get_by_role("checkbox", name="Wrong")).not_to_be_checked()
    await expect(form.get_by_role("textbox")).to_have_value(HOSTILE)
    await person.page.keyboard.press("Escape")
    await expect(form).to_have_count(0)
    conversation_id = person.page.url.rpartition("/")[2]
    rated = (await served.messages(conversation_id))[1]
    assert (rated["rating"], rated["rating_reasons"], rated["rating_comment"]) == (
        -1,
        ["off_topic", "too_long"],
        HOSTILE,
    )
    await up.click()
    await expect(up).to_have_attribute("aria-pressed", "true")
    await expect(down).to_have_attribute("aria-pressed", "false")
    await up.click()
    await expect(up).to_have_attribute("aria-pressed", "false")
    await person.page.reload()
    await expect(up).to_have_attribute("aria-pressed", "false")
    assert (await served.messages(conversation_id))[1]["rating"] is None


async def test_the_keyboard_alone_rates(visit: Visit, served: Served, upstream: LoopbackOpenRouter) -> None:
    upstream.script(answer("Hm."))
    person = await visit(served.url)
    await person.say("Tell me.")
    await expect(person.text).to_have_text("Hm.")
    await person.button("Bad answer").focus()
    keyboard = person.page.keyboard
    await keyboard.press("Enter")
    await expect(person.page.get_by_role("checkbox", name="Wrong")).to_be_focused()
    await keyboard.press("Space")
    for _ in range(7):
        await keyboard.press("Tab")
    await keyboard.type("Too vague.")
    await keyboard.press("Tab")
    await keyboard.press("Tab")
    await expect(person.button("Save")).to_be_focused()
    async with person.page.expect_response(lambda response: response.request.method == "PUT") as response:
        await keyboard.press("Enter")
    rated = await (await response.value).json()
    assert (rated["rating_reasons"], rated["rating_comment"]) == (["wrong"], "Too vague.")


async def test_a_rating_that_was_not_taken_goes_away_again(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(answer("Hm."))
    person = await visit(served.url)
    await person.say("Tell me.")
    await expect(person.text).to_have_text("Hm.")
    await person.page.route("**/rating", lambda route: route.abort())
    await person.button("Good answer").click()
    await expect(person.page.get_by_role("alert")).to_contain_text("could not be reached")
    await expect(person.button("Good answer")).to_have_attribute("aria-pressed", "false")


async def test_a_comment_that_was_not_taken_stays_until_it_is(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(answer("Hm."))
    person = await visit(served.url)
    await person.say("Tell me.")
    await expect(person.text).to_have_text("Hm.")
    await person.button("Bad answer").click()
    comment = person.page.get_by_role("textbox", name="Anything else?")
    await comment.fill("Not what I meant.")
    await person.page.route("**/rating", lambda route: route.abort())
    await person.button("Save").click()
    await expect(person.page.get_by_role("alert")).to_contain_text("could not be reached")
    await expect(comment).to_have_value("Not what I meant.")
    elsewhere = asyncio.Event()

    async def late(route: Route) -> None:
        await elsewhere.wait()
        await route.continue_()

    await person.page.unroute("**/rating")
    await person.page.route("**/rating", late)
    await person.button("Save").click()
    async with person.page.expect_response("**/rating"):
        await comment.fill("Not what I meant, and more.")
        elsewhere.set()
    elsewhere.clear()
    await person.button("Save").click()
    await expect(comment).to_have_value("Not what I meant, and more.")
    await person.message.fill("Another thing")
    elsewhere.set()
    await expect(comment).to_have_count(0)
    await expect(person.message).to_be_focused()


async def test_a_rating_shows_in_every_tab_without_a_reload(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(answer("Hm."))
    person = await visit(served.url)
    await person.say("Tell me.")
    await expect(person.text).to_have_text("Hm.")
    second = await person.another_tab()
    await expect(second.text).to_have_text("Hm.")
    await person.button("Good answer").click()
    await expect(second.button("Good answer")).to_have_attribute("aria-pressed", "true")
    await second.button("Bad answer").click()
    for tab in (second, person):
        await expect(tab.button("Bad answer")).to_have_attribute("aria-pressed", "true")
        await expect(tab.button("Good answer")).to_have_attribute("aria-pressed", "false")


async def test_a_rating_shows_on_another_device_and_what_is_typed_there_stays(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(answer("\n\n".join(f"Paragraph {number}." for number in range(60))))
    await served.send("Tell me.", model_id="acme/chat-1")
    person = await visit(served.url)
    await person.conversations.click()
    await expect(person.text).to_contain_text("Paragraph 59.")
    other = await visit(person.page.url)
    await other.button("Bad answer").click()
    comment = other.page.get_by_role("textbox", name="Anything else?")
    await comment.fill("Half a sen")
    await expect(person.button("Bad answer")).to_have_attribute("aria-pressed", "true")
    top = await other.page.evaluate(TOP)
    assert top > 0
    for button in ("Good answer", "Good answer"):
        await person.button(button).click()
        pressed = await person.button(button).get_attribute("aria-pressed") or ""
        await expect(other.button(button)).to_have_attribute("aria-pressed", pressed)
    await expect(comment).to_be_focused()
    await expect(comment).to_have_value("Half a sen")
    assert await other.page.evaluate(TOP) == top


async def test_a_comment_that_is_typed_stays_while_the_answer_goes_on(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    hold = Hold()
    upstream.script(broken_off("Half ", by=[Reset()]), answer("whole, ", "and more.", holds={1: hold}))
    person = await visit(served.url)
    await person.say("Tell me.")
    await person.button("Bad answer").click()
    comment = person.page.get_by_role("textbox", name="Anything else?")
    await comment.fill("Half a sen")
    answered = (await served.messages(person.page.url.rpartition("/")[2]))[1]
    async with served.open("POST", f"/api/messages/{answered['id']}/generations", json={"continue": True}):
        await expect(person.text).to_contain_text("whole,")
    await expect(comment).to_be_focused()
    await comment.press_sequentially("tence")
    hold.release()
    await expect(person.text).to_contain_text("and more.")
    await expect(person.button("Bad answer")).to_be_visible()
    await expect(comment).to_have_value("Half a sentence")
    await person.button("Save").click()
    await expect(person.button("Bad answer")).to_be_focused()
    assert (await served.messages(answered["conversation_id"]))[1]["rating_comment"] == "Half a sentence"
