"""Everything by the keyboard alone, and at every stop it can be seen where the keys go."""

import pytest
from playwright.async_api import Locator, expect

from e2e.conftest import Visit
from e2e.visitor import Visitor
from openrouter import LoopbackOpenRouter
from replies import answer
from serving import Served

pytestmark = pytest.mark.anyio

FOCUS = """async () => {
    await Promise.allSettled(document.getAnimations().map((animation) => animation.finished));
    const at = document.activeElement;
    const seen = at.closest('label') ?? at;
    const { width, height, top, bottom, left, right } = seen.getBoundingClientRect();
    const accent = getComputedStyle(document.documentElement).getPropertyValue('--accent');
    const probe = document.createElement('i');
    probe.style.color = accent;
    document.body.append(probe);
    const colour = getComputedStyle(probe).color;
    probe.remove();
    const around = [at, at.parentElement, seen, ...document.querySelectorAll('.box:focus-within')];
    const shown = around.some((one) => {
        const style = getComputedStyle(one);
        const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1;
        return (outlined && style.outlineColor === colour) || style.borderTopColor === colour;
    });
    const inSight = width > 1 && height > 1 && top < innerHeight && bottom > 0 && left < innerWidth && right > 0;
    return at !== document.body && shown && inSight ? '' : at.outerHTML.slice(0, 200);
}"""
"""Empty where the focus can be seen: in the accent's colour around the element, or around the box it stands in."""


PATIENT = """() => {
    const soon = setTimeout;
    globalThis.setTimeout = (what, wait) => soon(what, wait === 6000 ? 60_000 : wait);
}"""
"""What can be taken back waits for a slow machine too."""


async def go_to(person: Visitor, target: Locator, key: str = "Tab") -> None:
    """Press a key until the focus is there; at every stop on the way it must be seen."""
    for _ in range(80):
        await person.page.keyboard.press(key)
        assert await person.page.evaluate(FOCUS) == ""
        if await target.count() and await target.evaluate("(element) => element === document.activeElement"):
            return
    raise AssertionError(f"no way to {target}")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_a_whole_visit_without_a_mouse(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter, theme: str
) -> None:
    upstream.script(answer("The first."), answer("The second."))
    person = await visit(served.url, color_scheme=theme, permissions=["clipboard-read", "clipboard-write"])
    page, keyboard = person.page, person.page.keyboard
    await expect(page.get_by_role("group", name="Presets")).to_be_visible()
    await expect(person.message).to_be_focused()
    await keyboard.type("Tell me.")
    await keyboard.press("Enter")
    await expect(person.text).to_have_text("The first.")
    await expect(person.answers.get_by_role("group", name="About this answer")).to_be_visible()
    await go_to(person, person.answers.get_by_role("button", name="Copy"), "Shift+Tab")
    await keyboard.press("Enter")
    await expect(person.answers.get_by_role("button", name="Copied")).to_be_focused()
    assert await page.evaluate("navigator.clipboard.readText()") == "The first."
    await go_to(person, person.button("Answer again"))
    await keyboard.press("Enter")
    await expect(person.text).to_have_text("The second.")
    await expect(person.message).to_be_focused()
    await go_to(person, person.button("Previous version"), "Shift+Tab")
    await keyboard.press("Enter")
    await expect(person.text).to_have_text("The first.")
    await expect(person.button("Next version")).to_be_focused()
    await keyboard.press("Space")
    await expect(person.text).to_have_text("The second.")
    await expect(person.button("Previous version")).to_be_focused()
    await go_to(person, person.button("Bad answer"), "Shift+Tab")
    await keyboard.press("Space")
    await expect(page.get_by_role("checkbox", name="Wrong")).to_be_focused()
    await go_to(person, page.get_by_role("group", name="What was wrong with it?").get_by_role("button", name="Save"))
    await keyboard.press("Enter")
    await expect(page.get_by_role("checkbox", name="Wrong")).to_have_count(0)
    assert await page.evaluate(FOCUS) == ""


async def test_the_list_and_the_settings_without_a_mouse(visit: Visit, served: Served) -> None:
    for message in ("The older", "The newer"):
        await served.send(message, model_id="acme/chat-1")
    person = await visit(served.url)
    page, keyboard = person.page, person.page.keyboard
    await expect(person.conversations).to_have_count(2)
    await expect(person.message).to_be_focused()
    await go_to(person, person.conversations.filter(has_text="The older"), "Shift+Tab")
    await keyboard.press("Enter")
    await expect(person.questions).to_contain_text("The older")
    await go_to(person, person.button("More about “The older”"))
    await keyboard.press("Enter")
    await expect(page.get_by_role("menuitem", name="Rename")).to_be_focused()
    assert await page.evaluate(FOCUS) == ""
    await keyboard.press("Enter")
    await expect(page.get_by_role("textbox", name="Title")).to_be_focused()
    assert await page.evaluate(FOCUS) == ""
    await keyboard.type("My own")
    await keyboard.press("Enter")
    await expect(person.conversations.filter(has_text="My own")).to_be_focused()
    await page.evaluate(PATIENT)
    await go_to(person, person.conversations.filter(has_text="The newer"), "Shift+Tab")
    for title, left in (("The newer", person.conversations.filter(has_text="My own")), ("My own", person.message)):
        if title == "The newer":
            await go_to(person, person.button(f"Delete “{title}”"))
        else:
            await go_to(person, person.button(f"More about “{title}”"))
            await keyboard.press("Enter")
            await expect(page.get_by_role("menuitem", name="Rename")).to_be_focused()
            await keyboard.press("End")
        await keyboard.press("Enter")
        await expect(person.conversations.filter(has_text=title)).to_have_count(0)
        await expect(left).to_be_focused()  # Beside it in the list, or where the next conversation begins.
        assert await page.evaluate(FOCUS) == ""
    for title in ("My own", "The newer"):
        await go_to(person, person.button("Undo").last, "Shift+Tab")
        await keyboard.press("Enter")
        await expect(person.conversations.filter(has_text=title)).to_have_count(1)
        await expect(person.message).to_be_focused()
    await go_to(person, page.get_by_role("button", name="Settings"), "Shift+Tab")
    await keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Settings")
    await expect(dialog.get_by_role("link", name="Appearance")).to_be_focused()
    for name in ("Presets", "Usage", "Which of my models", "Export and import"):
        await go_to(person, dialog.get_by_role("link", name=name, exact=True))
        await keyboard.press("Enter")
        await expect(dialog.get_by_role("region", name=name)).to_be_visible()
    await go_to(person, dialog.get_by_role("button", name="Close"), "Shift+Tab")
    await keyboard.press("Enter")
    await expect(dialog).to_have_count(0)
    await expect(page.get_by_role("button", name="Settings")).to_be_focused()
    assert await page.evaluate(FOCUS) == ""
