"""Any screen and either direction: nothing is cut off or scrolls sideways, and each text runs its own way."""

import pytest
from playwright.async_api import expect

from e2e.conftest import Visit
from e2e.test_accessible import OVERFLOWING, RICH, SETTLED
from e2e.visitor import Visitor
from openrouter import LoopbackOpenRouter
from replies import answer
from serving import Served

pytestmark = pytest.mark.anyio

ARABIC = "ما هي عاصمة مصر؟"
MIXED = "القاهرة هي عاصمة مصر، واسمها بالإنجليزية Cairo."
HEBREW = f"""\
# כותרת בעברית

שלום! זהו משפט עם `print("hi")` באמצע.

- פריט ראשון
- item in English inside a Hebrew list

| שם | ערך |
|---|---|
| אחד | 1 |

> ציטוט ארוך {"מאודמאודמאוד" * 20}

```python
print("code runs from the left")
```

And one paragraph in English, as well.
"""

CUT = """() => [...document.querySelectorAll('.bubble, .markdown > *')].filter((element) => {
    if (element.matches('figure, .table') || getComputedStyle(element).overflowX === 'auto') return false;
    return element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 1;
}).map((element) => element.outerHTML.slice(0, 150))"""
"""What of the messages is larger than the place it has, besides what scrolls in itself."""

EDGES = "(element) => [element.getBoundingClientRect().left, element.getBoundingClientRect().right]"


async def all_is_in_sight(person: Visitor) -> None:
    await person.page.evaluate(SETTLED)
    assert await person.page.evaluate(OVERFLOWING) == []
    assert await person.page.evaluate(CUT) == []


@pytest.mark.parametrize(
    "screen",
    [(640, 360, 2), (320, 256, 4), (320, 700, 1), (3840, 2160, 1)],
    ids=["200 %", "400 %", "narrowest", "4K"],
)
async def test_every_screen_shows_everything_in_both_directions(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter, screen: tuple[int, int, int]
) -> None:
    upstream.script(answer(RICH), answer(MIXED), answer(HEBREW))
    width, height, scale = screen
    person = await visit(served.url, viewport={"width": width, "height": height}, device_scale_factor=scale)
    await expect(person.page.get_by_text("What is on your mind?")).to_be_visible()
    await all_is_in_sight(person)
    for question in ("Show everything.", ARABIC, "כתוב לי משהו"):
        await person.say(question)
        await expect(person.answers.last.get_by_role("group", name="About this answer")).to_be_visible()
        await all_is_in_sight(person)
    await expect(person.message).to_be_in_viewport(ratio=1)
    await expect(person.button("Send")).to_be_in_viewport(ratio=1)
    assert await person.page.locator(".viewport").evaluate("(element) => element.clientHeight") >= 64
    await person.page.keyboard.press("Control+,")
    await expect(person.page.get_by_role("dialog", name="Settings")).to_be_visible()
    await all_is_in_sight(person)


async def test_the_presets_are_drawn_along_from_edge_to_edge(visit: Visit, served: Served) -> None:
    person = await visit(served.url, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    presets = person.page.get_by_role("group", name="Presets")
    await expect(presets).to_be_visible()
    assert await presets.evaluate("({ scrollWidth, clientWidth }) => scrollWidth > clientWidth")
    edges = [await each.evaluate(EDGES) for each in (presets, person.page.locator(".box"))]
    assert edges[0] == pytest.approx([0, 360], abs=0.5)
    first = await presets.get_by_role("button").first.evaluate(EDGES)
    assert first[0] == pytest.approx(edges[1][0], abs=0.5)


async def test_the_settings_scroll_under_the_edge_of_their_dialog(visit: Visit, served: Served) -> None:
    for width in (1440, 360):
        person = await visit(f"{served.url}/settings/presets", viewport={"width": width, "height": 600})
        dialog = person.page.get_by_role("dialog", name="Settings")
        page = dialog.get_by_role("region", name="Presets")
        await expect(page.get_by_role("textbox", name="System prompt")).to_be_visible()
        ends = [await each.evaluate("(each) => each.getBoundingClientRect().bottom") for each in (page, dialog)]
        assert ends[0] == pytest.approx(ends[1], abs=1.5)
        assert await dialog.evaluate("({ scrollHeight, clientHeight }) => scrollHeight - clientHeight") <= 1
        inside = page.locator("..").locator("..")
        assert await inside.evaluate("({ scrollHeight, clientHeight }) => scrollHeight - clientHeight") <= 1
        await expect(page.get_by_role("button", name="Save")).to_be_in_viewport(ratio=1)


async def test_each_text_runs_its_own_way(visit: Visit, served: Served, upstream: LoopbackOpenRouter) -> None:
    upstream.script(answer(MIXED), answer(HEBREW))
    person = await visit(served.url)
    await person.message.fill(ARABIC)
    await expect(person.message).to_have_css("direction", "rtl")
    await person.message.press("Enter")
    await expect(person.questions.last.get_by_text(ARABIC)).to_have_css("direction", "rtl")
    await expect(person.text.locator("p")).to_have_css("direction", "rtl")
    await expect(person.text.locator("p")).to_have_css("text-align", "start")
    await person.say("In Hebrew, please.")
    await expect(person.questions.last.get_by_text("In Hebrew")).to_have_css("direction", "ltr")
    await expect(person.text.locator("pre")).to_contain_text("code runs from the left")
    for part, direction in {"h3": "rtl", "ul": "rtl", "table": "rtl", "blockquote": "rtl", "pre": "ltr"}.items():
        await expect(person.text.locator(part)).to_have_css("direction", direction)
    for part, direction in {"שלום": "rtl", "And one paragraph": "ltr"}.items():
        await expect(person.text.locator("p").filter(has_text=part)).to_have_css("direction", direction)
    await person.conversations.press("F2")
    title = person.page.get_by_role("textbox", name="Title")
    await title.fill(ARABIC)
    await expect(title).to_have_css("direction", "rtl")
    await title.press("Enter")
    await expect(person.page.get_by_role("heading", level=1)).to_have_text(ARABIC)
    await person.questions.first.get_by_role("button", name="Edit and send again").click()
    await expect(person.page.get_by_role("textbox", name="Edit the message")).to_have_css("direction", "rtl")
