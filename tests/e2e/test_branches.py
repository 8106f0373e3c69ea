"""Answering again and editing make branches, and the arrows lead from one to the other."""

import pytest
from playwright.async_api import expect

from e2e.conftest import Visit
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
