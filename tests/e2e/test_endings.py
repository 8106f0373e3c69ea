"""How answers end other than well: stopped, refused, broken off, each in words and with a way on."""

import pytest
from playwright.async_api import expect

from e2e.conftest import Visit
from openrouter import LoopbackOpenRouter
from replies import Hold, Reset, answer, broken_off, refusal
from serving import Served

pytestmark = pytest.mark.anyio


async def test_stop_keeps_the_text_and_ends_the_call(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(answer("This is kept, ", "this is never written", holds={1: Hold()}), answer("The next one."))
    person = await visit(served.url)
    await person.say("Go.")
    await expect(person.text).to_have_text("This is kept,")
    await person.button("Stop").click()
    await expect(person.answers.get_by_text("You stopped this answer.")).to_be_visible()
    await upstream.completions[0].left.wait()
    await person.page.reload()
    await expect(person.text).to_have_text("This is kept,")
    await expect(person.answers.get_by_text("You stopped this answer.")).to_be_visible()
    await person.say("And now?")
    await expect(person.text).to_have_text("The next one.")


async def test_refusals_by_the_provider_are_said_in_words_and_can_be_tried_again(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    refusals = [
        (refusal(402, "Insufficient credits"), ["has no credit left", "choose a free model", "Insufficient credits"]),
        (refusal(429, "Slow down", headers={"Retry-After": "7"}), ["no more requests just now", "Try again in 7 s."]),
        (refusal(503, headers={"Retry-After": "90"}), ["cannot be reached or is not working", "Try again in 90 s."]),
        (refusal(401, "No auth credentials found"), ["did not accept the API key", "OPENROUTER_API_KEY"]),
        (refusal(400, "This endpoint's maximum context length is 9 tokens"), ["too long for this model"]),
    ]
    upstream.script(*(reply for reply, _ in refusals), answer("Now it works."))
    person = await visit(served.url)
    for position, (_, words) in enumerate(refusals):
        await person.say(f"Attempt {position}")
        for part in words:
            await expect(person.answers.nth(position)).to_contain_text(part)
    await person.page.reload()
    for position, (_, words) in enumerate(refusals):
        for part in words:
            await expect(person.answers.nth(position)).to_contain_text(part)
    await person.answers.last.get_by_role("button", name="Try again").click()
    await expect(person.text).to_have_text("Now it works.")
    await expect(person.questions).to_have_count(len(refusals))


async def test_a_refusal_tells_its_time_in_german_too(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(refusal(429, "Slow down", headers={"Retry-After": "7"}))
    person = await visit(served.url)
    await person.message.press("Control+,")
    await person.page.get_by_role("combobox", name="Language").select_option("de")
    await expect(person.page.get_by_role("dialog", name="Einstellungen")).to_be_visible()
    await person.page.keyboard.press("Escape")
    await person.page.get_by_role("textbox", name="Nachricht").fill("Hallo?")
    await person.page.keyboard.press("Enter")
    answered = person.page.get_by_role("article", name="Antwort")
    for _ in range(2):
        await expect(answered).to_contain_text("Versuche es in 7 s noch einmal. Der Server sagt dazu:")
        await expect(answered).not_to_contain_text("seconds")
        await person.page.reload()


async def test_an_answer_that_broke_off_is_kept_and_tried_again(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(broken_off("Once ", "upon ", by=[Reset()]), answer("Once upon a time."))
    person = await visit(served.url)
    await person.say("Tell.")
    await expect(person.text).to_have_text("Once upon")
    await expect(person.answers).to_contain_text("This answer ended with an error. What was written is kept.")
    await person.button("Try again").click()
    await expect(person.text).to_have_text("Once upon a time.")


async def test_an_answer_that_broke_off_goes_on_in_its_place(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    hold = Hold()
    upstream.script(
        answer("Another one."),
        broken_off("Es war 🦄 ", "einmal ", by=[Reset()]),
        answer("ein ", "Ende.", holds={1: hold}, finish="length"),
        answer(" Und dann?"),
    )
    person = await visit(served.url)
    await person.say("Tell.")
    await expect(person.text).to_have_text("Another one.")
    await person.button("Answer again").click()
    await expect(person.text).to_have_text("Es war 🦄 einmal")
    await expect(person.answers.get_by_role("group", name="Version 2 of 2")).to_be_visible()
    await expect(person.button("Try again")).to_be_visible()
    await person.button("Continue").click()
    await expect(person.text).to_have_text("Es war 🦄 einmal ein")
    await expect(person.button("Stop")).to_be_visible()
    await person.page.reload()
    await expect(person.text).to_have_text("Es war 🦄 einmal ein")
    hold.release()
    await expect(person.text).to_have_text("Es war 🦄 einmal ein Ende.")
    await expect(person.answers).to_contain_text("The answer reached its longest permitted length.")
    await person.page.evaluate("document.querySelector('.markdown').firstChild.id = 'kept'")
    await person.button("Continue").click()
    await expect(person.text).to_have_text("Es war 🦄 einmal ein Ende. Und dann?")
    await expect(person.text.locator("#kept")).to_have_count(1)  # It grew; it was not drawn anew.
    await expect(person.button("Continue")).to_have_count(0)
    await expect(person.answers.get_by_role("group", name="Version 2 of 2")).to_be_visible()
    await expect(person.answers).to_have_count(1)


async def test_an_answer_that_is_not_gone_on_with_is_as_it_had_been_with_the_error_beside_it(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(answer("Once", finish="length"), refusal(402))
    person = await visit(served.url)
    await person.say("Tell.")
    await expect(person.answers).to_contain_text("The answer reached its longest permitted length.")
    await person.button("Continue").click()
    await expect(person.answers).to_contain_text("no credit left")
    await expect(person.answers).to_contain_text("The answer reached its longest permitted length.")
    await expect(person.text).to_have_text("Once")
    await expect(person.button("Continue")).to_be_enabled()


async def test_a_message_that_was_not_accepted_returns_to_its_field(visit: Visit, served: Served) -> None:
    person = await visit(served.url)
    await person.choose("acme/chat-1")
    await person.page.evaluate("localStorage.setItem('holdfast.choice', '{\"model_id\": \"acme/withdrawn\"}')")
    await person.page.reload()
    await person.say("Precious words.")
    await expect(
        person.page.get_by_text("This model is not known to the provider. Choose another one.")
    ).to_be_visible()
    await expect(person.message).to_have_value("Precious words.")
    await expect(person.questions).to_have_count(0)
