"""The list of conversations: open, rename, delete and take it back."""

import re

import pytest
from playwright.async_api import expect

from e2e.conftest import Visit
from serving import Served

pytestmark = pytest.mark.anyio


async def test_a_conversation_is_found_in_the_list_and_by_the_browsers_own_buttons(
    visit: Visit, served: Served
) -> None:
    await served.send("The older one", model_id="acme/chat-1")
    await served.send("The newer one", model_id="acme/chat-1")
    person = await visit(served.url)
    await expect(person.conversations).to_have_count(2)
    await person.conversations.nth(1).click()
    await expect(person.questions).to_contain_text("The older one")
    await person.conversations.nth(0).click()
    await expect(person.questions).to_contain_text("The newer one")
    await person.page.go_back()
    await expect(person.questions).to_contain_text("The older one")
    await person.page.get_by_role("link", name="New conversation").first.click()
    await expect(person.page.get_by_text("What is on your mind?")).to_be_visible()
    await expect(person.message).to_be_focused()


async def test_a_title_is_changed_in_place_and_kept(visit: Visit, served: Served) -> None:
    await served.send("Hello", model_id="acme/chat-1")
    person = await visit(served.url)
    await person.conversations.hover()
    await person.page.get_by_role("button", name=re.compile("^Rename")).click()
    title = person.page.get_by_role("textbox", name="Title")
    await title.fill("Never mind")
    await title.press("Escape")
    await person.conversations.press("F2")
    await title.fill("Renamed <b>by hand</b>")
    await title.press("Enter")
    await expect(person.conversations).to_have_text("Renamed <b>by hand</b>")
    await person.conversations.click()
    await expect(person.page.get_by_role("heading", level=1)).to_have_text("Renamed <b>by hand</b>")
    await expect(person.page).to_have_title("Renamed <b>by hand</b> · Holdfast")
    await person.page.reload()
    await expect(person.conversations).to_have_text("Renamed <b>by hand</b>")


async def test_a_deletion_can_be_taken_back_and_otherwise_happens(visit: Visit, served: Served) -> None:
    started = (await served.send("Hello", model_id="acme/chat-1"))[0].event
    path = f"/api/conversations/{started['conversation_id']}"
    person = await visit(served.url)
    await person.page.clock.install()
    await person.page.reload()
    remove = person.page.get_by_role("button", name=re.compile("^Delete"))
    await person.conversations.click()
    await person.conversations.hover()
    await remove.click()
    await expect(person.conversations).to_have_count(0)
    await expect(person.page.get_by_text("What is on your mind?")).to_be_visible()
    await person.button("Undo").click()
    await expect(person.conversations).to_have_count(1)
    await person.page.clock.fast_forward(20_000)
    assert (await served.http.get(path)).status_code == 200
    await person.conversations.hover()
    await remove.click()
    await expect(person.button("Undo")).to_be_visible()
    async with person.page.expect_response(lambda response: response.request.method == "DELETE"):
        await person.page.clock.fast_forward(20_000)
    await expect(person.button("Undo")).to_have_count(0)
    assert (await served.http.get(path)).status_code == 404


async def test_a_deletion_happens_when_the_page_is_left_before_its_time(visit: Visit, served: Served) -> None:
    started = (await served.send("Hello", model_id="acme/chat-1"))[0].event
    path = f"/api/conversations/{started['conversation_id']}"
    person = await visit(served.url)
    await person.conversations.hover()
    await person.page.get_by_role("button", name=re.compile("^Delete")).click()
    await expect(person.button("Undo")).to_be_visible()
    await person.page.goto("about:blank")
    while (await served.http.get(path)).status_code == 200:  # The request outlives the page: ask until it has arrived.
        pass


async def test_a_conversation_that_is_not_there_says_so(visit: Visit, served: Served) -> None:
    person = await visit(f"{served.url}/c/no-such-one")
    await expect(person.page.get_by_text("This conversation is not here")).to_be_visible()
    await person.page.get_by_role("alert").get_by_role("button", name="New conversation").click()
    await expect(person.page.get_by_text("What is on your mind?")).to_be_visible()
