"""Which model serves best is told with how sure that is, and not before there are enough ratings."""

import pytest
from playwright.async_api import expect

from e2e.conftest import Visit
from e2e.test_accessible import nothing_is_cut_off, without_barriers
from openrouter import LoopbackOpenRouter
from replies import refusal
from serving import Served

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_models_and_presets_are_told_apart_by_what_they_did(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter, theme: str
) -> None:
    for rating in (1, 1, 1, 1, -1):
        started = (await served.send("Hi.", model_id="acme/thinker"))[0].event
        await served.http.put(f"/api/messages/{started['message_id']}/rating", json={"rating": rating})
    for _ in range(6):
        await served.send("Hi.", model_id="acme/other-answers")
    upstream.script(refusal(429))
    await served.send("Hi.", preset_id=2)
    person = await visit(f"{served.url}/settings/quality", color_scheme=theme)
    dialog = person.page.get_by_role("dialog", name="Settings")
    cards = dialog.get_by_role("article")
    await expect(cards).to_have_count(3)
    await expect(cards.nth(0)).to_contain_text("acme/thinker")  # The only one that is known to be good comes first.
    await expect(cards.nth(0)).to_contain_text("80% good. Truly between 38% and 96%, by 5 ratings.")
    await expect(cards.nth(0).get_by_role("definition").nth(1)).to_have_text("$0.000004")
    await expect(cards.nth(1)).to_contain_text("Not enough ratings yet: 0 of 5.")
    await expect(cards.nth(1)).to_contain_text("Answered by acme/somebody-else (6)")
    await expect(cards.nth(2).get_by_role("definition").last).to_have_text("1 (100%)")
    await expect(cards.nth(2)).to_contain_text("too much in demand")
    await without_barriers(person)
    await nothing_is_cut_off(person)
    await dialog.get_by_text("By preset").click()
    await expect(dialog.get_by_role("article", name="A model without a preset")).to_contain_text("80% good")
    await expect(dialog.get_by_role("article", name="Fast")).to_contain_text("Not enough ratings yet")


async def test_before_the_first_answer_there_is_nothing_to_compare(visit: Visit, served: Served) -> None:
    person = await visit(served.url)
    await person.message.press("Control+,")
    await person.page.get_by_role("link", name="Which of my models").click()
    await expect(person.page).to_have_url(f"{served.url}/settings/quality")
    await expect(person.page.get_by_text("There are no answers of these days yet.")).to_be_visible()
