"""The settings: every page has an address, and what is chosen there holds at once, in every tab."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from e2e.conftest import Visit
from e2e.test_accessible import nothing_is_cut_off, without_barriers
from openrouter import LoopbackOpenRouter
from serving import Served, serving

pytestmark = pytest.mark.anyio


async def test_settings_open_by_key_keep_their_address_and_what_lies_below(visit: Visit, served: Served) -> None:
    await served.send("Hello", model_id="acme/chat-1")
    person = await visit(served.url)
    await person.conversations.click()
    await expect(person.text).to_contain_text("t19")
    below = person.page.url
    dialog = person.page.get_by_role("dialog", name="Settings")
    await person.message.press("Control+,")
    await expect(dialog).to_be_visible()
    await expect(person.page).to_have_url(f"{served.url}/settings/appearance")
    await person.page.reload()
    await expect(dialog).to_be_visible()
    await expect(person.text).to_contain_text("t19")
    await person.page.go_back()
    await expect(dialog).to_have_count(0)
    await expect(person.page).to_have_url(below)
    settings = person.page.get_by_role("button", name="Settings")
    await expect(settings).to_contain_text("Ctrl ,")
    await settings.click()
    await expect(dialog).to_be_visible()
    await person.page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(person.page).to_have_url(below)
    await expect(settings).to_be_focused()


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_the_look_is_kept_and_the_same_in_every_tab(visit: Visit, served: Served, theme: str) -> None:
    person = await visit(served.url, color_scheme=theme)
    other = await person.another_tab()
    await person.page.bring_to_front()  # Chromium draws a page behind it seldom, and everything here waits for frames.
    await person.page.goto(f"{served.url}/settings/appearance")
    await without_barriers(person)
    await nothing_is_cut_off(person)
    root = person.page.locator("html")
    await person.page.get_by_text("Dark", exact=True).click()
    await person.page.get_by_role("radio", name="Largest").focus()
    await person.page.keyboard.press("ArrowLeft")
    await expect(root).to_have_css("font-size", "19px")
    await person.page.get_by_role("switch", name=re.compile("Enter sends")).uncheck()
    await nothing_is_cut_off(person)
    await without_barriers(person)
    for page in (person.page, other.page):
        if page is person.page:
            await page.reload()
        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        await expect(page.locator("html")).to_have_css("font-size", "19px")
    await other.page.bring_to_front()
    await other.message.press_sequentially("one")
    await other.message.press("Enter")
    await other.message.press_sequentially("two")
    await expect(other.message).to_have_value("one\ntwo")
    await other.message.press("Control+Enter")
    await expect(other.questions.locator("p")).to_have_text("one\ntwo", use_inner_text=True)
    await nothing_is_cut_off(other)


@pytest.fixture
async def narrow(
    upstream: LoopbackOpenRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Served]:
    """A server whose provider does without the routers that some presets name."""
    upstream.models = [model for model in upstream.models if not model["id"].startswith("openrouter/")]
    async with serving(monkeypatch, tmp_path / "data", OPENROUTER_BASE_URL=upstream.base_url) as running:
        yield running


async def test_a_preset_is_changed_kept_while_unsaved_and_asked_at_once(
    visit: Visit, narrow: Served, upstream: LoopbackOpenRouter
) -> None:
    person = await visit(narrow.url)
    other = await person.another_tab()
    await person.page.bring_to_front()
    chips = [each.page.get_by_role("group", name="Presets").get_by_role("button") for each in (person, other)]
    await expect(chips[1]).to_have_count(6)
    await person.message.press("Control+,")
    dialog = person.page.get_by_role("dialog", name="Settings")
    await dialog.get_by_role("link", name="Presets").click()
    await dialog.get_by_role("link", name="2 Fast").click()
    await expect(person.page).to_have_url(f"{narrow.url}/settings/presets/2")
    await expect(dialog.get_by_text("does not offer this model")).to_be_visible()
    await without_barriers(person)
    await dialog.get_by_role("button", name="Model ~google").click()
    await person.page.get_by_role("combobox", name="Search by name").fill("thinker")
    await without_barriers(person)
    await person.page.keyboard.press("Enter")
    await expect(dialog.get_by_text("does not offer this model")).to_have_count(0)
    await dialog.get_by_label("Name").fill("  ")
    await expect(dialog.get_by_text("A preset needs a name.")).to_be_visible()
    await dialog.get_by_label("Name").fill("Deep thought")
    await dialog.get_by_label("System prompt").fill("Answer with a number.")
    await dialog.get_by_label("Temperature").fill("warm")
    await expect(dialog.get_by_text("Write a number from 0 to 2")).to_be_visible()
    await expect(dialog.get_by_role("button", name="Save")).to_be_disabled()
    await without_barriers(person)
    await nothing_is_cut_off(person)
    await person.page.set_viewport_size({"width": 1200, "height": 800})
    await dialog.get_by_label("Temperature").fill("1,5")
    await dialog.get_by_label("Reasoning").select_option("low")
    await person.page.reload()
    await expect(dialog.get_by_label("Name")).to_have_value("Deep thought")
    await expect(chips[0].nth(1)).to_contain_text("Fast")
    await person.page.keyboard.press("Escape")
    asked = dialog.get_by_role("alertdialog", name="Not saved yet")
    await expect(asked).to_contain_text("Fast")
    await without_barriers(person)
    await asked.get_by_role("button", name="Save").click()
    await expect(dialog).to_have_count(0)
    for each in chips:
        await expect(each.nth(1)).to_contain_text("Deep thought")
    await person.message.press("Alt+2")
    await person.say("What is it?")
    await expect(person.text).to_have_text("Forty-two.")
    sent = upstream.completions[0]
    assert (sent.model, sent.body["temperature"], sent.body["reasoning"]) == ("acme/thinker", 1.5, {"effort": "low"})
    assert sent.body["messages"][0] == {"role": "system", "content": "Answer with a number."}


async def test_a_refusal_is_told_at_its_field_and_a_preset_goes_back_as_it_was_shipped(
    visit: Visit, served: Served
) -> None:
    person = await visit(f"{served.url}/settings/presets/1")
    dialog = person.page.get_by_role("dialog", name="Settings")
    add = dialog.get_by_role("button", name="Add a model")
    search = person.page.get_by_role("combobox", name="Search by name")
    for model in ("acme/chat-1", "acme/free-1"):
        await add.click()
        await search.fill(model)
        await person.page.keyboard.press("Enter")
    fallbacks = dialog.get_by_role("listitem")
    await expect(fallbacks).to_have_count(3)
    await dialog.get_by_role("button", name="Remove: openrouter/free").click()
    await dialog.get_by_role("button", name="Earlier: acme/free-1:free").press("Enter")
    await dialog.get_by_label("Name").fill("\u200b")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_text("name: a preset needs one that can be seen.")).to_be_visible()
    await dialog.get_by_label("Name").fill("Mine")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_text("Saved.")).to_be_visible()
    preset = (await served.get("/api/presets"))["items"][0]
    assert preset["fallback_model_ids"] == ["acme/free-1:free", "acme/chat-1"]
    await dialog.get_by_role("button", name="Put back as shipped").click()
    await expect(dialog.get_by_label("Name")).to_have_value("Everyday")
    await dialog.get_by_role("button", name="Bring back what was here").click()
    await expect(dialog.get_by_label("Name")).to_have_value("Mine")
    await dialog.get_by_role("button", name="Discard").click()
    await dialog.get_by_role("link", name="6 Free").click()
    await dialog.get_by_role("button", name="Make it the default").click()
    await expect(dialog.get_by_text("Used where nothing else is chosen.")).to_be_visible()
    assert (await served.get("/api/presets"))["default_preset_id"] == 6
    await person.page.keyboard.press("Escape")
    free = person.page.get_by_role("group", name="Presets").get_by_role("button").nth(5)
    await expect(free).to_have_attribute("aria-pressed", "true")
