"""Search: from anywhere by a key, what was found with its words marked, and straight to the message."""

import pytest
from playwright.async_api import Locator, Page, expect

from e2e.conftest import Visit
from e2e.test_accessible import BOTH, without_barriers
from e2e.visitor import Visitor
from openrouter import LoopbackOpenRouter
from replies import answer
from serving import Served

pytestmark = pytest.mark.anyio

MODEL = "acme/chat-1"
HOSTILE = "<img src=x onerror=alert(1)> **peregrine** <script>alert(2)</script>"


def field(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Search", exact=True)


def found(page: Page) -> Locator:
    return page.get_by_role("listbox", name="Found").get_by_role("option")


async def in_view(person: Visitor, text: str) -> None:
    """The message with this text is on the screen and pointed out."""
    message = person.page.locator(".found").filter(has_text=text)
    await expect(message).to_be_in_viewport()
    await expect(message).to_have_count(1)


async def test_a_message_far_up_in_another_conversation_is_found_and_shown(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(answer("A peregrine falcon stoops at 300 km/h."), *(answer("word " * 200) for _ in range(20)))
    started = (await served.send("Which bird is the fastest?", model_id=MODEL))[0].event
    for number in range(20):
        await served.send(f"And then {number}?", model_id=MODEL, conversation_id=started["conversation_id"])
    await served.send("Something else", model_id=MODEL)
    person = await visit(served.url)
    await expect(person.conversations).to_have_count(2)
    await person.page.keyboard.press("Control+k")
    await expect(field(person.page)).to_be_focused()
    await person.page.keyboard.type("PEREGRINE fal")
    await expect(found(person.page)).to_have_count(1)
    await expect(found(person.page).locator("mark")).to_have_text(["peregrine", "falcon"])
    await expect(person.conversations).to_have_count(0)
    await person.page.keyboard.press("Enter")
    await in_view(person, "A peregrine falcon stoops at 300 km/h.")
    await expect(person.page.locator(".found")).to_have_count(0)
    await field(person.page).press("Escape")
    await expect(person.conversations).to_have_count(2)
    await expect(field(person.page)).to_have_value("")


async def test_enter_opens_what_was_asked_for_and_not_what_was_found_before(visit: Visit, served: Served) -> None:
    for message in ("A kestrel hovers", "A peregrine stoops"):
        await served.send(message, model_id=MODEL)
    person = await visit(served.url)
    await field(person.page).fill("stoops")
    await expect(found(person.page).first).to_contain_text("peregrine")
    await field(person.page).fill("hovers")
    await field(person.page).press("Enter")
    await expect(person.questions).to_contain_text("A kestrel hovers")
    await field(person.page).fill("")
    await field(person.page).fill("stoops")
    await field(person.page).press("Enter")
    await expect(person.questions).to_contain_text("A peregrine stoops")


async def test_a_message_of_another_branch_is_shown_on_its_branch(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(answer("The first says peregrine."), answer("The second says kestrel."))
    person = await visit(served.url)
    await person.say("Which one?")
    await expect(person.text).to_have_text("The first says peregrine.")
    await person.button("Answer again").click()
    await expect(person.text).to_have_text("The second says kestrel.")
    await person.page.get_by_role("link", name="Skip to the message field").focus()
    await person.page.keyboard.press("/")
    await expect(field(person.page)).to_be_focused()
    await field(person.page).fill("says")
    await expect(found(person.page)).to_have_count(2)
    texts = await found(person.page).all_inner_texts()
    for _ in range(next(at for at, text in enumerate(texts) if "peregrine" in text)):
        await person.page.keyboard.press("ArrowDown")
    await person.page.keyboard.press("Enter")
    await in_view(person, "The first says peregrine.")
    await expect(person.answers.get_by_role("group", name="Version 1 of 2")).to_be_visible()


async def test_what_could_not_be_shown_is_not_jumped_to_later(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(answer("The first says peregrine."), answer("The second says kestrel."))
    person = await visit(served.url)
    await person.say("Which one?")
    await expect(person.text).to_have_text("The first says peregrine.")
    await person.button("Answer again").click()
    await expect(person.text).to_have_text("The second says kestrel.")
    await field(person.page).fill("peregrine")
    await expect(found(person.page)).to_have_count(1)
    await person.page.route("**/api/conversations/*", lambda route: route.abort())
    await found(person.page).click()
    await expect(person.page.get_by_role("alert")).to_contain_text("could not be reached")
    await person.page.unroute("**/api/conversations/*")
    await person.button("Previous version").press("Enter")
    await expect(person.text).to_have_text("The first says peregrine.")
    await expect(person.button("Next version")).to_be_focused()


async def test_nothing_found_failing_and_hostile_text(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(answer(HOSTILE))
    started = (await served.send("Hello", model_id=MODEL))[0].event
    await served.http.patch(f"/api/conversations/{started['conversation_id']}", json={"title": HOSTILE})
    person = await visit(served.url)
    await expect(person.conversations).to_have_count(1)
    await field(person.page).fill("zebra")
    await expect(person.page.get_by_text("Nothing found.")).to_be_visible()
    await field(person.page).fill("peregrine")
    await expect(found(person.page)).to_have_count(2)
    await expect(found(person.page).first).to_contain_text("<img src=x onerror=alert(1)>")
    await expect(found(person.page).last.locator("mark")).to_have_text("peregrine")
    await person.page.route("**/api/search*", lambda route: route.abort())
    await field(person.page).fill("peregrin")
    await expect(person.page.get_by_role("alert")).to_contain_text("could not be reached")
    await without_barriers(person, *BOTH)
    await person.page.unroute("**/api/search*")
    await person.page.get_by_role("alert").get_by_role("button", name="Try again").click()
    await expect(found(person.page)).to_have_count(2)
    await person.button("Clear the search").click()
    await expect(person.conversations).to_have_count(1)
    await expect(field(person.page)).to_be_focused()


async def test_on_a_telephone_the_key_opens_the_drawer_and_a_choice_closes_it(visit: Visit, served: Served) -> None:
    await served.send("Hello", model_id=MODEL)
    person = await visit(served.url, viewport={"width": 360, "height": 740})
    await expect(person.message).to_be_visible()
    await person.page.keyboard.press("Control+k")
    await expect(field(person.page)).to_be_focused()
    await person.page.keyboard.type("hello")
    await found(person.page).last.click()
    await expect(person.questions).to_contain_text("Hello")
    await expect(field(person.page)).not_to_be_in_viewport()


async def test_the_result_that_was_opened_is_the_marked_one(visit: Visit, served: Served) -> None:
    for message in ("A peregrine", "Another peregrine"):
        await served.send(message, model_id=MODEL)
    person = await visit(served.url)
    await field(person.page).fill("peregrine")
    await expect(found(person.page).first).to_have_attribute("aria-selected", "true")
    await found(person.page).last.click()
    await in_view(person, "peregrine")
    await expect(found(person.page).last).to_have_attribute("aria-selected", "true")
    await expect(found(person.page).and_(person.page.locator("[aria-selected=true]"))).to_have_count(1)


async def test_what_is_deleted_on_another_device_is_found_no_more(visit: Visit, served: Served) -> None:
    sent = [await served.send(message, model_id=MODEL) for message in ("A peregrine", "Another peregrine")]
    person = await visit(served.url)
    await field(person.page).fill("peregrine")
    await expect(found(person.page).filter(has_text="Another peregrine").first).to_be_visible()
    await served.http.delete(f"/api/conversations/{sent[1][0].event['conversation_id']}")
    await expect(found(person.page).filter(has_text="Another peregrine")).to_have_count(0)
    await expect(found(person.page).first).to_have_attribute("aria-selected", "true")


async def test_what_is_about_to_be_deleted_is_not_found(visit: Visit, served: Served) -> None:
    for message in ("A peregrine", "A kestrel"):
        await served.send(message, model_id=MODEL)
    person = await visit(served.url)
    await person.conversations.filter(has_text="peregrine").hover()
    await person.button("Delete “A peregrine”").click()
    await expect(person.button("Undo")).to_be_visible()
    await field(person.page).fill("A")
    await expect(found(person.page).filter(has_text="kestrel").first).to_be_visible()
    await expect(found(person.page).filter(has_text="peregrine")).to_have_count(0)
