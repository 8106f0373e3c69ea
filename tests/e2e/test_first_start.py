"""A first start without a key: the page says what answers, and how to change that."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from e2e.conftest import Visit
from serving import Served, serving

pytestmark = pytest.mark.anyio


async def test_without_a_key_the_demo_answers_and_the_page_says_how_to_set_one(
    visit: Visit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(monkeypatch, tmp_path / "data", OPENROUTER_API_KEY="") as served:
        person = await visit(served.url)
        await expect(person.page.get_by_text("The built-in demo is answering")).to_be_visible()
        await person.button("How to set a key").click()
        dialog = person.page.get_by_role("dialog")
        await expect(dialog.get_by_text("OPENROUTER_API_KEY=sk-or-…")).to_be_visible()
        await person.page.keyboard.press("Escape")
        await expect(dialog).to_have_count(0)
        await expect(person.page.get_by_role("button", name="Choose a model")).to_contain_text("demo/guide:free")
        await person.say("Is anybody there?")
        await expect(person.text).to_contain_text("You wrote: “Is anybody there?”")
        await expect(person.text.locator("strong")).to_have_text("demo")
        await person.button("Stop").click()
        await expect(person.answers.get_by_text("You stopped this answer.")).to_be_visible()


async def test_with_a_key_nothing_speaks_of_the_demo(visit: Visit, served: Served) -> None:
    person = await visit(served.url)
    await expect(person.button("Explain something")).to_be_visible()
    await expect(person.page.get_by_text("demo")).to_have_count(0)
