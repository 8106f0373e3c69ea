"""What was spent is shown as the server's ledger says it, to the last digit, also to those who see no chart."""

import asyncio
import re
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from playwright.async_api import expect

from e2e.conftest import Visit
from e2e.test_accessible import BOTH, nothing_is_cut_off, without_barriers
from openrouter import LoopbackOpenRouter
from replies import Hold, answer, spent
from serving import Served, serving
from stored import rows

pytestmark = pytest.mark.anyio

NAMER = "acme/free-1:free"
FORTY_DAYS = 40 * 86_400_000_000

BROKEN = """() => [...document.querySelectorAll('.figures :is(thead th, td)')].filter((cell) => {
    const range = document.createRange();
    range.selectNodeContents(cell);
    const [first, ...others] = range.getClientRects();
    const { left, right } = cell.closest('section').getBoundingClientRect();
    return !first || others.length > 0 || first.left < left || first.right > right;
}).map((cell) => cell.textContent)"""
"""The figures and their headings that are not seen, are broken or reach beyond the edge."""


@pytest.fixture
async def spending(
    upstream: LoopbackOpenRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Served]:
    """Three answers, of which one is forty days old, and their titles."""
    upstream.by_model[NAMER] = partial(answer, "A title", model=NAMER, usage=spent(3, 2, 0))
    settings = {"OPENROUTER_BASE_URL": upstream.base_url, "HOLDFAST_TITLE_MODEL": NAMER}
    async with serving(monkeypatch, tmp_path / "data", **settings) as served:
        for model, cost in (("acme/chat-1", 0.1), ("acme/thinker", 0.200000000001), ("acme/slow", 1.5)):
            upstream.by_model[model] = partial(answer, "Yes.", model=model, usage=spent(1000, 7, cost))
            await served.send("Hello", model_id=model)
        async with asyncio.timeout(60):
            while (await served.get("/api/usage"))["total"]["calls"] < 6:
                pass
        # On one day, also where midnight came between.
        for change in (
            "created_at = (SELECT min(created_at) FROM calls)",
            f"created_at = created_at - {FORTY_DAYS} WHERE model = 'acme/slow'",
        ):
            await rows(served.data / "holdfast.sqlite3", f"UPDATE calls SET {change}")
        yield served


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_what_was_spent_is_told_by_day_model_and_purpose(visit: Visit, spending: Served, theme: str) -> None:
    person = await visit(f"{spending.url}/settings/usage", color_scheme=theme)
    dialog = person.page.get_by_role("dialog", name="Settings")
    total = (await spending.get("/api/usage?days=30"))["total"]
    assert total["cost"] == "0.300000000001"
    await expect(dialog.get_by_role("definition")).to_have_text(["$0.300000000001", "2,009", "20", "5"])
    chart = dialog.get_by_role("img", name="each of the last 30 days")
    await expect(chart.locator("title")).to_have_count(30)
    await expect(chart.locator("title").filter(has_text="$0.300000000001, 2,029 tokens")).to_have_count(1)
    lines = dialog.get_by_role("table").first.get_by_role("row")
    await expect(lines.nth(1)).to_contain_text("acme/thinker$0.2000000000011,000 in · 7 out1")
    await expect(lines.nth(2)).to_contain_text("acme/chat-1$0.10")
    await expect(lines.nth(3)).to_contain_text("acme/free-1:free$0.009 in · 6 out3")
    await dialog.get_by_text("By purpose").click()
    await expect(lines).to_have_count(3)
    await expect(lines.nth(1)).to_contain_text("Answers$0.300000000001")
    await expect(lines.nth(2)).to_contain_text("Titles of conversations$0.00")
    await dialog.get_by_text("Tokens", exact=True).first.click()
    await expect(dialog.get_by_role("radio", name="Tokens")).to_be_checked()
    await dialog.get_by_text("Day by day").click()
    await expect(dialog.get_by_role("table").last.get_by_role("row")).to_have_count(2)
    await without_barriers(person)
    await nothing_is_cut_off(person)
    for width in (1440, 800, 360, 320):
        await person.page.set_viewport_size({"width": width, "height": 700})
        assert (width, await person.page.evaluate(BROKEN)) == (width, [])
    await dialog.get_by_role("radio", name="30 days").press("ArrowRight")
    await expect(dialog.get_by_role("definition").first).to_have_text("$1.800000000001")
    await expect(dialog.get_by_role("table").last.get_by_role("row")).to_have_count(3)


async def test_nothing_spent_and_a_server_that_is_away_are_said_in_words(visit: Visit, served: Served) -> None:
    person = await visit(served.url)
    await person.message.press("Control+,")
    dialog = person.page.get_by_role("dialog", name="Settings")
    await dialog.get_by_role("link", name="Usage").click()
    await expect(person.page).to_have_url(f"{served.url}/settings/usage")
    await expect(dialog.get_by_text("Nothing was spent in these days.")).to_be_visible()
    await person.page.route("**/api/usage?**", lambda route: route.abort())
    await dialog.get_by_text("7 days").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("could not be reached")
    await without_barriers(person, *BOTH)
    await person.page.unroute("**/api/usage?**")
    await dialog.get_by_role("button", name="Try again").click()
    await expect(dialog.get_by_text("Nothing was spent in these days.")).to_be_visible()


async def test_a_conversation_says_what_it_has_cost_until_now(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(*(answer("Yes.", usage=spent(1000, 7, 0.1234)) for _ in range(2)), answer("Yes.", usage={}))
    person = await visit(served.url)
    cost = person.page.locator("main > header p")
    await person.say("Hello")
    await expect(cost).to_have_text("Cost of this conversation: $0.12")
    other = await person.another_tab()
    await person.page.bring_to_front()
    await person.say("And again")
    for each in (person, other):
        at = each.page.locator("main > header p")
        await expect(at).to_have_text("Cost of this conversation: $0.25")
        await expect(at).to_have_attribute("title", re.compile(r"\$0.2468, its title included. 2,014 tokens"))
    await person.say("And for an unknown price")
    await expect(cost).to_have_text("Cost of this conversation: at least $0.25")
    await without_barriers(person)
    await nothing_is_cut_off(person)
    await person.page.set_viewport_size({"width": 1200, "height": 700})
    await person.page.get_by_role("link", name="New conversation").first.click()
    await expect(cost).to_have_count(0)


async def test_what_a_stopped_answer_cost_is_shown_once_it_is_known(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.generation_lag = 0
    upstream.script(answer("Once ", "never", holds={1: Hold()}, usage=spent(20, 7, 0.5)))
    person = await visit(served.url)
    await person.say("Tell me.")
    await expect(person.text).to_have_text("Once")
    await person.button("Stop").click()
    await expect(person.answers.last).to_contain_text("$0.50")
    await expect(person.page.locator("main > header p")).to_have_text("Cost of this conversation: $0.50")
