"""Everyone can use the page: axe finds nothing serious, the keyboard reaches everything, nothing is cut off."""

import re
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT  # type: ignore[import-untyped]
from playwright.async_api import expect

from e2e.conftest import Visit
from e2e.network import free_port
from e2e.visitor import Visitor
from openrouter import LoopbackOpenRouter
from replies import Hold, answer, refusal, url_citation
from serving import Served, serving

pytestmark = pytest.mark.anyio

LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 2
RICH = f"""\
# A heading

A paragraph with `code`, a [link](https://example.org), and {LONG}

```python
def greet(name: str) -> str:
    return f"Hello {{name}}, this line is so long that it does not fit on any telephone: {LONG}"
```

| what | how many | why | {LONG} |
|---|--:|---|---|
| apples | 3 | because | {LONG} |

- [x] done
- [ ] not done

1. one
2. two

> quoted

![a picture](https://example.org/a.png)
"""

OVERFLOWING = """() => {
    const clipped = (element) => {
        for (let at = element.parentElement; at; at = at.parentElement) {
            if (at !== document.body && getComputedStyle(at).overflowX !== 'visible') return true;
        }
        return false;
    };
    const wide = [...document.querySelectorAll('#app *')].filter((element) => {
        const { left, right, width } = element.getBoundingClientRect();
        if (width === 0 || element.closest('[inert], .skip, .visually-hidden') || clipped(element)) return false;
        return left < -0.5 || right > innerWidth + 0.5;
    });
    const root = document.scrollingElement;
    if (root.scrollWidth > innerWidth) wide.push(root);
    return wide.map((element) => element.outerHTML.slice(0, 150));
}"""


Theme = Literal["light", "dark"]
BOTH: tuple[Theme, ...] = ("light", "dark")
AXE = {"resultTypes": ["violations"], "preload": False}
"""Nothing is fetched to be looked at: that is for sound, of which there is none, and there may be no network."""


async def without_barriers(person: Visitor, *themes: Theme) -> None:
    """Axe finds nothing, as the page stands or in each of these themes, and there is one heading above all others."""
    await expect(person.page.locator("h1")).to_have_count(1)
    if not await person.page.evaluate("'axe' in window"):
        await person.page.evaluate(AXE_SCRIPT)
    for theme in themes or (None,):
        if theme:
            await person.page.emulate_media(color_scheme=theme)
        found = (await person.page.evaluate("(options) => axe.run(options)", AXE))["violations"]
        told = [(each["id"], each["impact"], [node["html"] for node in each["nodes"]]) for each in found]
        assert (theme, told) == (theme, [])


SETTLED = """async () => {
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    await Promise.allSettled(document.getAnimations().map((animation) => animation.finished));
}"""


async def nothing_is_cut_off(person: Visitor) -> None:
    for width in (1440, 800, 360, 320):
        await person.page.set_viewport_size({"width": width, "height": 700})
        await person.page.evaluate(SETTLED)
        assert (width, await person.page.evaluate(OVERFLOWING)) == (width, [])


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing(visit: Visit, served: Served, upstream: LoopbackOpenRouter, theme: str) -> None:
    hold = Hold()
    rich = answer(RICH, reasoning=["Hm."], citations=[[url_citation(f"https://example.org/{n}") for n in range(6)]])
    upstream.script(rich, refusal(402), answer("Half ", "whole.", holds={1: hold}))
    person = await visit(served.url, color_scheme=theme)
    await expect(person.page.get_by_text("What is on your mind?")).to_be_visible()
    await without_barriers(person)
    await person.say("Show everything.")
    await expect(person.answers.get_by_role("group", name="About this answer")).to_be_visible()
    await person.answers.get_by_text("Reasoned for").click()
    await without_barriers(person)
    await person.page.get_by_role("button", name="Choose a model").click()
    await expect(person.page.get_by_role("listbox").get_by_role("option").first).to_be_visible()
    await without_barriers(person)
    await person.page.keyboard.press("Escape")
    await person.say("Fail.")
    await expect(person.answers.last).to_contain_text("no credit left")
    await without_barriers(person)
    await person.say("Stream.")
    await expect(person.text).to_have_text("Half")
    await without_barriers(person)
    hold.release()
    await expect(person.text).to_have_text("Half whole.")
    await person.answers.last.get_by_role("button", name="Bad answer").click()
    await person.page.keyboard.press("Space")
    await without_barriers(person)
    await person.page.keyboard.press("Escape")
    await without_barriers(person)
    await person.conversations.hover()
    await person.page.get_by_role("button", name=re.compile("^More about")).click()
    await expect(person.page.get_by_role("menuitem").first).to_be_focused()
    await without_barriers(person)
    await person.page.get_by_role("menuitem", name="Pin").click()
    await expect(person.page.get_by_role("heading", name="Pinned")).to_be_visible()
    await person.page.keyboard.press("Control+k")
    await person.page.keyboard.type("whole")
    await expect(person.page.get_by_role("listbox", name="Found").get_by_role("option")).to_have_count(1)
    await without_barriers(person)
    await person.page.keyboard.press("Enter")
    await expect(person.page.locator(".found")).to_be_visible()
    await without_barriers(person)
    await person.page.get_by_role("combobox", name="Search", exact=True).fill("zebra")
    await expect(person.page.get_by_text("Nothing found.")).to_be_visible()
    await without_barriers(person)
    await person.page.keyboard.press("Escape")
    await person.in_menu("Rename")
    await without_barriers(person)
    await person.page.keyboard.press("Escape")
    await person.page.get_by_role("button", name=re.compile("^Delete")).click()
    await expect(person.button("Undo")).to_be_visible()
    await without_barriers(person)


async def test_one_heading_stands_above_all_others_whatever_is_known(visit: Visit, served: Served) -> None:
    started = (await served.send("Hello", model_id="acme/chat-1"))[0].event
    person = await visit(served.url)
    above = person.page.get_by_role("heading", level=1)
    await expect(above).to_have_text("Holdfast")
    await person.page.route("**/messages", lambda route: route.abort())
    await person.conversations.click()
    await expect(person.page.get_by_role("heading", name="This did not load")).to_be_visible()
    await expect(above).to_have_text("Hello")
    await person.page.unroute("**/messages")
    await person.button("Try again").click()
    await expect(person.text).to_contain_text("t19")
    await expect(above).to_have_text("Hello")
    await person.page.route(re.compile("/api/(conversations|events)"), lambda route: route.abort())
    await person.page.goto(served.url)
    await person.say("Hello again")
    await expect(person.text).to_contain_text("t19")
    await expect(above).to_have_text("Holdfast")
    await person.page.unroute_all()
    await person.page.goto(f"{served.url}/c/{started['conversation_id']}")
    await expect(above).to_have_text("Hello")
    await served.http.delete(f"/api/conversations/{started['conversation_id']}")
    await expect(person.page.get_by_role("heading", name="This conversation is not here")).to_be_visible()
    await expect(above).to_have_count(1)


async def test_axe_finds_nothing_on_a_telephone_with_the_help_and_the_drawer_open(
    visit: Visit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(monkeypatch, tmp_path / "data", OPENROUTER_API_KEY="") as served:
        await served.send("Hello", model_id="demo/echo:free")
        person = await visit(served.url, viewport={"width": 360, "height": 740}, has_touch=True)
        await person.button("How to set a key").click()
        await expect(person.page.get_by_role("dialog")).to_be_visible()
        await without_barriers(person, *BOTH)
        await person.button("Close").click()
        await person.button("Conversations").click()
        await expect(person.conversations).to_be_visible()
        await without_barriers(person, *BOTH)
        await person.page.keyboard.press("Escape")
        await expect(person.conversations).to_have_count(0)


async def test_the_keyboard_alone_sends_a_message_and_chooses_a_model(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    person = await visit(served.url)
    keyboard = person.page.keyboard
    await expect(person.message).to_be_focused()
    await keyboard.press("Tab")
    picker = person.page.get_by_role("button", name="Choose a model")
    await expect(picker).to_be_focused()
    await keyboard.press("Enter")
    await expect(person.page.get_by_role("combobox", name="Search by name")).to_be_focused()
    await keyboard.press("Escape")
    await expect(person.page.get_by_role("dialog")).to_have_count(0)
    await expect(picker).to_be_focused()
    await keyboard.press("Enter")
    await expect(person.page.get_by_role("combobox", name="Search by name")).to_be_focused()
    await keyboard.type("free")
    await expect(person.page.get_by_role("listbox").get_by_role("option")).to_have_count(1)
    await keyboard.press("Enter")
    await expect(picker).to_contain_text("acme/free-1:free")
    await expect(picker).to_be_focused()
    await keyboard.press("Shift+Tab")
    await expect(person.message).to_be_focused()
    await keyboard.type("Hello from the keys")
    await keyboard.press("Enter")
    await expect(person.text).to_contain_text("t19")
    assert upstream.completions[0].model == "acme/free-1:free"
    await expect(person.message).to_be_focused()
    await expect(person.page.get_by_role("status").filter(has_text="The answer is complete.")).to_have_count(1)
    await person.page.get_by_role("link", name="Skip to the message field").focus()
    await keyboard.press("Enter")
    await expect(person.message).to_be_focused()


async def test_nothing_is_wider_than_any_screen(visit: Visit, served: Served, upstream: LoopbackOpenRouter) -> None:
    upstream.script(answer(RICH), refusal(429, LONG, headers={"Retry-After": "7"}))
    person = await visit(served.url)
    await expect(person.button("Explain something")).to_be_visible()
    await nothing_is_cut_off(person)
    await person.say(f"Show {LONG}")
    await expect(person.answers.get_by_role("group", name="About this answer")).to_be_visible()
    await person.say("Fail")
    await expect(person.answers.last).to_contain_text("in 7 s")
    await person.page.set_viewport_size({"width": 1440, "height": 700})
    await person.answers.first.get_by_role("button", name="Bad answer").click()
    await person.page.keyboard.press("Control+k")
    await person.page.keyboard.type(LONG[:60])
    await expect(person.page.get_by_role("listbox", name="Found").get_by_role("option").first).to_be_visible()
    await nothing_is_cut_off(person)
    await person.page.set_viewport_size({"width": 1440, "height": 700})
    await person.button("Clear the search").click()
    await person.page.get_by_role("button", name="Choose a model").click()
    await expect(person.page.get_by_role("listbox").get_by_role("option").first).to_be_visible()
    await nothing_is_cut_off(person)
    await person.page.keyboard.press("Escape")
    await person.page.set_viewport_size({"width": 320, "height": 700})
    await person.button("Conversations").click()
    await expect(person.conversations).to_be_visible()
    assert await person.page.evaluate(OVERFLOWING) == []
    await person.in_menu("Delete")
    await expect(person.button("Undo")).to_be_visible()
    await nothing_is_cut_off(person)


async def test_everything_works_below_a_sub_path(
    visit: Visit, upstream: LoopbackOpenRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}/chatpath"
    settings = {"OPENROUTER_BASE_URL": upstream.base_url, "PORT": str(port), "HOLDFAST_PUBLIC_URL": address}
    hold = Hold()
    upstream.script(answer("Here ", "and there.", holds={1: hold}))
    async with serving(monkeypatch, tmp_path / "data", **settings):
        person = await visit(f"{address}/")
        await person.choose("acme/chat-1")
        await person.say("Where are we?")
        await expect(person.text).to_have_text("Here")
        await expect(person.page).to_have_url(re.compile(f"^{address}/c/"))
        await person.page.reload()
        hold.release()
        await expect(person.text).to_have_text("Here and there.")
        await person.page.get_by_role("link", name="New conversation").first.click()
        await expect(person.page).to_have_url(f"{address}/")
        await person.conversations.click()
        await expect(person.text).to_have_text("Here and there.")
        assert [path for path in person.watch.paths if not path.startswith("/chatpath/")] == []
