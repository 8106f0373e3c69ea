"""The list of conversations: open, rename, delete and take it back."""

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import Route, expect

from e2e.conftest import Visit
from e2e.test_accessible import BOTH, nothing_is_cut_off, without_barriers
from openrouter import LoopbackOpenRouter
from replies import Hold, answer, refusal
from serving import Served, serving

pytestmark = pytest.mark.anyio


async def begun(served: Served, message: str) -> str:
    """A conversation with an answer, of which this is the title."""
    return str((await served.send(message, model_id="acme/chat-1"))[0].event["conversation_id"])


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
    await person.in_menu("Rename")
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


async def test_a_title_being_typed_stays_while_another_one_comes_from_elsewhere(visit: Visit, served: Served) -> None:
    started = (await served.send("Hello", model_id="acme/chat-1"))[0].event
    path = f"/api/conversations/{started['conversation_id']}"
    person = await visit(f"{served.url}/c/{started['conversation_id']}")
    await person.conversations.press("F2")
    title = person.page.get_by_role("textbox", name="Title")
    await title.fill("Half a name")
    await served.http.patch(path, json={"title": "From elsewhere"})
    await expect(person.page.get_by_role("heading", level=1)).to_have_text("From elsewhere")
    await expect(title).to_have_value("Half a name")
    await title.press("Enter")
    await expect(person.page.get_by_role("heading", level=1)).to_have_text("Half a name")


async def test_a_title_that_was_not_touched_leaves_one_from_elsewhere_alone(visit: Visit, served: Served) -> None:
    started = (await served.send("Hello", model_id="acme/chat-1"))[0].event
    path = f"/api/conversations/{started['conversation_id']}"
    person = await visit(f"{served.url}/c/{started['conversation_id']}")
    await person.conversations.press("F2")
    title = person.page.get_by_role("textbox", name="Title")
    await served.http.patch(path, json={"title": "From elsewhere"})
    await expect(person.page.get_by_role("heading", level=1)).to_have_text("From elsewhere")
    await expect(title).to_have_value("Hello")
    await title.press("Enter")
    await expect(person.conversations).to_be_focused()
    assert (await served.get(path))["title"] == "From elsewhere"


@pytest.mark.parametrize("moved", ["The oldest", "The middle", "The newest"])
async def test_what_is_held_in_the_list_stays_whichever_row_moves(visit: Visit, served: Served, moved: str) -> None:
    ids = {name: await begun(served, name) for name in ("The oldest", "The middle", "The newest")}
    person = await visit(served.url)
    rows = person.page.get_by_role("navigation", name="Conversations").get_by_role("listitem")
    held = person.conversations.filter(has_text="The middle")

    async def move(*, pinned: bool) -> None:
        """The first row comes from another list, or goes into it."""
        await served.http.patch(f"/api/conversations/{ids[moved]}", json={"pinned": pinned})
        await expect(person.page.get_by_role("heading", name="Pinned")).to_have_count(int(pinned))
        await expect(rows).to_have_count(3)

    await held.focus()
    await move(pinned=True)
    await expect(held).to_be_focused()
    await person.page.keyboard.press("F2")
    title = person.page.get_by_role("textbox", name="Title")
    await title.fill("Half a name")
    await title.press("ArrowLeft")
    await move(pinned=False)
    await expect(title).to_be_focused()
    await person.page.keyboard.type("---")
    await expect(title).to_have_value("Half a nam---e")
    assert (await served.get(f"/api/conversations/{ids['The middle']}"))["title"] == "The middle"
    await title.press("Escape")
    await expect(held).to_be_focused()
    await person.page.keyboard.press("Tab")
    await person.page.keyboard.press("Enter")
    await move(pinned=True)
    await expect(person.page.get_by_role("menuitem", name="Rename")).to_be_focused()
    await person.page.keyboard.press("Enter")
    await title.fill("The whole name")
    await person.message.click()
    await expect(person.message).to_be_focused()
    await expect(person.conversations.filter(has_text="The whole name")).to_have_count(1)


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


async def test_what_is_about_to_be_deleted_is_gone_in_every_tab_and_comes_back_in_all(
    visit: Visit, served: Served
) -> None:
    started = (await served.send("Hello", model_id="acme/chat-1"))[0].event
    path = f"/api/conversations/{started['conversation_id']}"
    person = await visit(served.url)
    second = await person.another_tab(f"{served.url}/c/{started['conversation_id']}")
    await expect(second.conversations).to_have_count(1)
    await person.page.bring_to_front()
    await person.conversations.hover()
    await person.page.get_by_role("button", name=re.compile("^Delete")).click()
    for tab in (person, second):
        await expect(tab.conversations).to_have_count(0)
    await expect(second.questions).to_have_count(1)
    await person.button("Undo").click()
    for tab in (person, second):
        await expect(tab.conversations).to_have_count(1)
    await person.conversations.hover()
    await person.page.get_by_role("button", name=re.compile("^Delete")).click()
    await expect(second.conversations).to_have_count(0)
    await person.page.close(run_before_unload=True)
    await expect(second.page.get_by_text("This conversation is not here")).to_be_visible()
    assert (await served.http.get(path)).status_code == 404


async def test_a_pinned_conversation_stays_on_top_in_every_tab(visit: Visit, served: Served) -> None:
    for message in ("The oldest", "The middle", "The newest"):
        await served.send(message, model_id="acme/chat-1")
    person = await visit(served.url)
    second = await person.another_tab()
    pinned = person.page.get_by_role("heading", name="Pinned")
    await expect(person.conversations).to_have_text(["The newest", "The middle", "The oldest"])
    await expect(second.conversations).to_have_count(3)
    await person.page.bring_to_front()
    for title in ("The oldest", "The middle"):
        await person.in_menu("Pin", person.conversations.filter(has_text=title))
    for tab in (person, second):
        await expect(tab.conversations).to_have_text(["The middle", "The oldest", "The newest"])
    await expect(pinned).to_be_visible()
    await person.page.reload()
    await expect(person.conversations).to_have_text(["The middle", "The oldest", "The newest"])
    for title in ("The oldest", "The middle"):
        await person.in_menu("Unpin", person.conversations.filter(has_text=title))
    for tab in (person, second):
        await expect(tab.conversations).to_have_text(["The newest", "The middle", "The oldest"])
    await expect(pinned).to_have_count(0)


async def test_the_menu_of_a_row_is_worked_by_keys_and_by_a_finger(visit: Visit, served: Served) -> None:
    await served.send("Hello", model_id="acme/chat-1")
    person = await visit(served.url)
    more, item = person.button("More about “Hello”"), person.page.get_by_role("menuitem")
    await person.conversations.focus()
    await person.page.keyboard.press("Tab")
    await expect(more).to_be_focused()
    await person.page.keyboard.press("Enter")
    await expect(item.first).to_be_focused()
    for key, name in {"ArrowUp": "Delete", "ArrowDown": "Rename", "End": "Delete", "Home": "Rename"}.items():
        await person.page.keyboard.press(key)
        await expect(item.and_(person.page.get_by_text(name, exact=True))).to_be_focused()
    await person.page.keyboard.press("Escape")
    await expect(item).to_have_count(0)
    await expect(more).to_be_focused()
    await person.page.keyboard.press("Space")
    await expect(item.first).to_be_focused()
    await person.page.keyboard.press("Enter")
    await expect(person.page.get_by_role("textbox", name="Title")).to_be_focused()
    phone = await visit(served.url, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    await phone.button("Conversations").tap()
    await expect(phone.page.get_by_role("button", name=re.compile("^Delete"))).to_have_count(0)
    await phone.button("More about “Hello”").tap()
    for entry in await phone.page.get_by_role("menuitem").all():
        await expect(entry).to_be_in_viewport(ratio=1)
    await phone.page.keyboard.press("Escape")
    await expect(phone.page.get_by_role("menuitem")).to_have_count(0)
    await expect(phone.conversations).to_be_in_viewport()
    await phone.button("More about “Hello”").tap()
    await phone.page.get_by_role("menuitem", name="Pin", exact=True).tap()
    await expect(phone.page.get_by_role("heading", name="Pinned")).to_be_visible()


async def test_a_conversation_that_is_not_there_says_so(visit: Visit, served: Served) -> None:
    person = await visit(f"{served.url}/c/no-such-one")
    await expect(person.page.get_by_text("This conversation is not here")).to_be_visible()
    await without_barriers(person, *BOTH)
    await person.page.get_by_role("alert").get_by_role("button", name="New conversation").click()
    await expect(person.page.get_by_text("What is on your mind?")).to_be_visible()


async def test_what_did_not_load_says_so_and_is_tried_again(visit: Visit, served: Served) -> None:
    started = (await served.send("Hello", model_id="acme/chat-1"))[0].event
    person = await visit(served.url)
    await expect(person.conversations).to_have_count(1)
    lost = asyncio.Event()

    async def lose(route: Route) -> None:
        await lost.wait()
        await route.abort()

    await person.page.route("**/api/conversations**", lose)
    await person.page.goto(f"{served.url}/c/{started['conversation_id']}")
    await expect(person.page.get_by_role("status", name=re.compile("^Loading"))).to_have_count(2)
    await without_barriers(person, *BOTH)
    lost.set()
    alerts = person.page.get_by_role("alert")
    await expect(alerts).to_have_text([re.compile("could not be reached")] * 2)
    await expect(person.page.get_by_role("heading", name="This did not load")).to_be_visible()
    await without_barriers(person, *BOTH)
    await person.page.unroute("**/api/conversations**")
    await alerts.last.get_by_role("button", name="Try again").click()
    await expect(person.text).to_contain_text("t19")
    await expect(alerts).to_have_count(1)
    again = alerts.get_by_role("button", name="Try again")
    ink = await person.page.evaluate("getComputedStyle(document.documentElement).color")
    await expect(again).to_have_css("color", ink)  # Not as soft as the words above it: it can be pressed.
    await again.click()
    await expect(person.conversations).to_have_count(1)


@pytest.mark.parametrize("words", ["", "peregrine"])
async def test_who_asks_again_for_the_next_page_by_a_key_keeps_the_place(
    visit: Visit, served: Served, words: str
) -> None:
    await served.send("A peregrine", model_id="acme/chat-1")
    person = await visit(served.url)
    is_there = False

    async def pages(route: Route) -> None:
        if "cursor=" not in route.request.url:
            page = await (await route.fetch()).json()
            await route.fulfill(json=page | {"next_cursor": "next"})
        elif is_there:
            await route.fulfill(json={"items": [], "next_cursor": None})
        else:
            await route.abort()

    await person.page.route(re.compile(r"/api/(conversations|search)\?"), pages)
    await person.page.reload()
    search = person.page.get_by_role("combobox", name="Search")
    await search.fill(words)
    again = person.page.get_by_role("alert").get_by_role("button", name="Try again")
    await expect(again).to_have_count(1)
    is_there = True
    await again.press("Enter")
    await expect(again).to_have_count(0)
    await expect(search if words else person.conversations).to_be_focused()


async def test_a_new_conversation_gets_its_name_in_every_tab_while_they_are_looked_at(
    visit: Visit, upstream: LoopbackOpenRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"OPENROUTER_BASE_URL": upstream.base_url, "HOLDFAST_TITLE_MODEL": "acme/thinker"}
    hold = Hold()
    upstream.by_model["acme/thinker"] = lambda: answer("Sailing ", "to Byzantium", holds={1: hold})
    async with serving(monkeypatch, tmp_path / "data", **settings) as served:
        person = await visit(served.url)
        second = await person.another_tab()
        await expect(second.page.get_by_text("What is on your mind?")).to_be_visible()
        await person.page.bring_to_front()
        await person.choose("acme/chat-1")
        await person.say("How do I get there?")
        await expect(person.text).to_contain_text("t19")
        await hold.reached.wait()
        for tab in (person, second):
            await expect(tab.conversations).to_have_text("New Conversation")
        hold.release()
        for tab in (person, second):
            await expect(tab.conversations).to_have_text("Sailing to Byzantium")
        await expect(person.page.get_by_role("heading", level=1)).to_have_text("Sailing to Byzantium")
        await expect(person.page).to_have_title("Sailing to Byzantium · Holdfast")
        await expect(person.message).to_be_focused()
    assert [call.model for call in upstream.completions] == ["acme/chat-1", "acme/thinker"]


async def test_a_conversation_is_named_again_and_where_there_is_no_name_that_is_said(
    visit: Visit, upstream: LoopbackOpenRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"OPENROUTER_BASE_URL": upstream.base_url, "HOLDFAST_TITLE_MODEL": "acme/thinker"}
    upstream.by_model["acme/thinker"] = lambda: answer("The second name")
    async with serving(monkeypatch, tmp_path / "data", **settings) as served:
        started = (await served.send("Hello", model_id="acme/chat-1"))[0].event
        person = await visit(f"{served.url}/c/{started['conversation_id']}")
        await expect(person.conversations).to_have_text("The second name")
        await person.conversations.press("F2")
        await person.page.get_by_role("textbox", name="Title").fill("My own")
        await person.page.keyboard.press("Enter")
        await expect(person.page.get_by_role("heading", name="My own")).to_be_visible()
        await person.in_menu("Find another name")
        await expect(person.conversations).to_have_text("The second name")
        await expect(person.page.get_by_role("heading", name="The second name")).to_be_visible()
        upstream.by_model["acme/thinker"] = upstream.by_model["acme/free-1:free"] = lambda: refusal(500)
        await person.in_menu("Find another name")
        await expect(person.page.get_by_text("The second name: The name stays.")).to_be_visible()
        await without_barriers(person, *BOTH)
        await nothing_is_cut_off(person)
        await person.page.set_viewport_size({"width": 1200, "height": 700})
        await expect(person.conversations.get_by_label("Another name is being looked for")).to_have_count(0)
        await expect(person.conversations).to_have_text("The second name")
        await person.page.route("**/title", lambda route: route.abort())
        await person.in_menu("Find another name")
        await expect(person.page.get_by_role("alert")).to_contain_text("could not be reached")
        await expect(person.page.get_by_text("The name stays.")).to_have_count(0)
        await served.http.post("/api/conversations")
        await person.page.unroute("**/title")
        await expect(person.conversations).to_have_count(2)
        await person.in_menu("Find another name", person.conversations.first)
        await expect(person.page.get_by_text("There is no whole answer yet")).to_be_visible()
