"""Conversations leave as files and come in from them, and the person sees first what would come."""

import asyncio
import json
from dataclasses import replace
from random import Random

import pytest
from playwright.async_api import FilePayload, Route, expect

from e2e.conftest import Visit
from e2e.test_accessible import nothing_is_cut_off, without_barriers
from holdfast.domain import Role, Status, new_id
from holdfast.store.transfers import Whole, WholeMessage
from serving import Served
from test_transfer_chatgpt import conversation, node
from transferred import AT, document_of, whole

pytestmark = pytest.mark.anyio


def upload(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "application/json", "buffer": content}


async def test_a_file_is_shown_before_it_comes_in_and_its_text_stays_text(visit: Visit, served: Served) -> None:
    hostile = "<img src=x onerror=alert(1)> [x](javascript:alert(1))"
    tree = conversation(
        system=node(None, "system", "Be kind."),
        q=node("system", "user", hostile),
        a=node("q", "assistant", hostile, model_slug="gpt-4o"),
        b=node("q", "assistant", "The other answer.", model_slug="gpt-5"),
    )
    file = json.dumps([tree | {"title": hostile}, {"title": "No conversation"}]).encode()
    person = await visit(f"{served.url}/settings/transfer")
    report = person.page.get_by_role("status").filter(has_text="Conversations")
    choose = person.page.get_by_label("Choose a file")
    await choose.set_input_files(upload("conversations.json", file))
    await expect(report).to_contain_text("Conversations that would be imported: 1, with 3 messages.")
    await expect(report).to_contain_text("Left out, for they are no conversation of a known kind: 1")
    await expect(report).to_contain_text("Hidden messages and instructions, not taken along: 1")
    await nothing_is_cut_off(person)
    await without_barriers(person)
    await person.page.set_viewport_size({"width": 1280, "height": 800})
    assert (await served.get("/api/conversations"))["items"] == []
    await person.button("Import them").click()
    await expect(report).to_contain_text("Conversations imported: 1, with 3 messages.")
    await choose.set_input_files(upload("conversations.json", file))
    await expect(person.page.get_by_text("There is nothing new in this file.")).to_be_visible()
    await expect(person.button("Import them")).to_have_count(0)
    await person.page.keyboard.press("Escape")
    await person.conversations.click()
    await expect(person.text).to_have_text("The other answer.")
    await expect(person.page.get_by_role("heading", level=1)).to_have_text(hostile)
    await person.button("Previous version").click()
    await expect(person.text).to_contain_text("<img src=x onerror=alert(1)>")
    await person.say("Go on.")
    await expect(person.text).to_contain_text("t19")


async def test_what_is_pressed_twice_is_taken_once_and_keeps_the_focus_where_it_is_refused(
    visit: Visit, served: Served
) -> None:
    person = await visit(f"{served.url}/settings/transfer")
    await person.page.get_by_label("Choose a file").set_input_files(upload("all.json", document_of(whole(Random(1)))))
    asked = 0
    pressed = asyncio.Event()

    async def late(route: Route) -> None:
        nonlocal asked
        asked += 1
        await pressed.wait()
        await route.fulfill(status=503, json={"error": {"code": "busy", "message": "", "retryable": True}})

    take = person.button("Import them")
    await expect(take).to_be_visible()
    await person.page.route("**/api/imports/**", late)
    await take.press("Enter")
    await take.press("Enter")
    await expect(person.page.get_by_role("progressbar")).to_be_visible()
    pressed.set()
    await expect(person.page.get_by_role("alert")).to_be_visible()
    await expect(take).to_be_focused()
    assert asked == 1
    await person.page.unroute("**/api/imports/**")


async def test_a_file_that_is_none_is_told_and_never_done(visit: Visit, served: Served) -> None:
    person = await visit(f"{served.url}/settings/transfer")
    await person.page.get_by_label("Choose a file").set_input_files(upload("x.json", b"[]"))
    await expect(person.page.get_by_role("alert")).to_have_text("There is no conversation in this file.")
    await expect(person.button("Import them")).to_have_count(0)
    await person.button("Cancel").click()
    await expect(person.page.get_by_role("alert")).to_have_count(0)


async def test_an_answer_to_nothing_is_neither_gone_on_with_nor_given_again(visit: Visit, served: Served) -> None:
    answer = WholeMessage(new_id(), None, Role.ASSISTANT, "Once", "", Status.STOPPED, AT, None, ())
    conversation = replace(whole(Random(1)).conversation, title="No question", current_message_id=answer.id)
    file = document_of(Whole(conversation, (answer,), ()))
    person = await visit(f"{served.url}/settings/transfer")
    await person.page.get_by_label("Choose a file").set_input_files(upload("all.json", file))
    await person.button("Import them").click()
    await expect(person.page.get_by_text("Conversations imported: 1,")).to_be_visible()
    await person.page.keyboard.press("Escape")
    await person.conversations.click()
    await expect(person.answers).to_contain_text("You stopped this answer.")
    for name in ("Continue", "Try again", "Answer again"):
        await expect(person.answers.get_by_role("button", name=name)).to_have_count(0)


async def test_conversations_are_taken_away_one_and_all(visit: Visit, served: Served) -> None:
    await served.send("Hello", model_id="acme/chat-1")
    person = await visit(served.url)
    async with person.page.expect_download() as one:
        await person.in_menu("Export as Markdown")
    assert (await (await one.value).path()).read_text().endswith("t19 \n")
    await person.page.goto(f"{served.url}/settings/transfer")
    async with person.page.expect_download() as every:
        await person.page.get_by_role("link", name="All as JSON").click()
    document = json.loads((await (await every.value).path()).read_bytes())
    assert document["conversations"][0]["messages"][0]["content"] == "Hello"
    other = document_of(whole(Random(1)))
    await person.page.get_by_label("Choose a file").set_input_files(upload("all.json", other))
    await person.button("Import them").click()
    await expect(person.page.get_by_text("Conversations imported: 1,")).to_be_visible()
    await person.page.keyboard.press("Escape")
    await expect(person.conversations).to_have_count(2)
