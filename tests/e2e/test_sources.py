"""What an answer cites stands under it, says where it leads, and opens apart from the page."""

import pytest
from playwright.async_api import expect

from e2e.audit import nothing_happened, touch_everything
from e2e.conftest import Visit
from e2e.hostile_html import FETCH, IMG
from e2e.test_accessible import nothing_is_cut_off, without_barriers
from e2e.test_hostile_text import arrive
from openrouter import LoopbackOpenRouter
from replies import answer, url_citation
from serving import Served

pytestmark = pytest.mark.anyio


async def test_sources_are_shown_with_their_host_and_open_safely_also_after_a_reload(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    here = f"{served.url}/?from=source"
    told = [
        url_citation(here, f"{IMG} \u202ehttps://bank.example"),
        url_citation("javascript:pwned=1", "Run me"),
        url_citation(FETCH),
        url_citation(here, "The same again"),
    ]
    upstream.script(answer("It is so.", citations=[told]))
    person = await arrive(visit, served.url)
    await person.say("Is it so?")
    sources = person.answers.get_by_role("group", name="Sources")
    for _ in range(2):
        await expect(sources.get_by_role("link")).to_have_text([f"{IMG} https://bank.example", "127.0.0.2:9"])
        await expect(sources.get_by_role("listitem").first).to_contain_text(served.url.removeprefix("http://"))
        await touch_everything(person)
        await nothing_happened(person)
        await person.page.reload()
    async with person.context.expect_page() as opening:
        await sources.get_by_role("link").first.click()
    opened = await opening.value
    await opened.wait_for_load_state()
    assert await opened.evaluate("[opener, document.referrer, location.href]") == [None, "", here]


async def test_many_sources_are_folded_until_somebody_wants_them(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    told = [url_citation(f"{FETCH}/{number}{'x' * 500}", f"{number}{' W' * 30}{'w' * 99}") for number in range(7)]
    upstream.script(answer("Few.", citations=[told[:5]]), answer("Many.", citations=[told]))
    person = await visit(served.url)
    await person.say("Few?")
    await expect(person.answers.get_by_role("link")).to_have_count(5)
    await expect(person.answers.get_by_role("button", name="Show all")).to_have_count(0)
    await person.say("Many?")
    await expect(person.answers.get_by_role("group", name="Sources")).to_have_count(2)
    await without_barriers(person)
    sources = person.answers.last.get_by_role("group", name="Sources").get_by_role("link")
    await expect(sources).to_have_count(5)
    await nothing_is_cut_off(person)
    await person.button("Show all 7").press("Enter")
    await expect(sources).to_have_count(7)
    await nothing_is_cut_off(person)
    await person.button("Show fewer").press("Enter")
    await expect(sources).to_have_count(5)
    await expect(person.button("Show all 7")).to_be_focused()
