"""What an answer can hold beyond plain words: tasks, footnotes, formulas, code that wraps, diagrams."""

import re
from html.entities import html5

import pytest
from playwright.async_api import expect

from e2e.conftest import Visit
from openrouter import LoopbackOpenRouter
from replies import Hold, answer
from serving import Served

pytestmark = pytest.mark.anyio

EVERYTHING = r"""## A short course

The area is $A = \pi r^2$, which for \(r = 2\) costs between $5 and $6.[^price] Sources: [1](https://example.org/a).

$$
\vec{F} = m\vec{a}, \qquad \sqrt{\frac{x_1^2 + y_1^2}{2}} \le \left(\sum_{k=1}^{n} \frac{1}{k}\right)
$$

- [x] Read the question
- [ ] Check the result[^check]

| Step | Cost |
|:-----|-----:|
| $a^2$ | 1 |
| ~~none~~ | 2 |

```python
print("a line that is much longer than any telephone is wide, so that it has to be scrolled or wrapped", 1, 2, 3)
```

```mermaid
graph TD
    A[Question] --> B{Known?}
    B -->|yes| C[Answer]
    B -->|no| D[Look it up]
    D --> C
```

It does not add up: $\frac{1}{$ and $\href{javascript:alert(1)}{x}$

[^price]: Prices as of *today*.
[^check]: Twice.
"""

DRAWN = """() => [...document.querySelectorAll('.formula')].every((formula) =>
    formula.classList.contains('failed') || formula.querySelector('.katex'))"""


async def test_an_answer_with_everything_is_drawn_and_can_be_used(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(answer(*re.findall(r"(?s).{1,23}", EVERYTHING)))
    person = await visit(served.url, permissions=["clipboard-read", "clipboard-write"])
    await person.say("Teach me.")
    text = person.text
    await expect(text.locator(".footnotes")).to_contain_text("Twice.")

    # Formulas are drawn, and copied as they were written; one that is none stays as it is.
    await person.page.wait_for_function(DRAWN)
    await expect(text.locator(".formula .katex-html")).to_have_count(4)
    await expect(text).to_contain_text("costs between $5 and $6.")
    await expect(text.locator("svg").first).to_be_attached()
    width = await text.locator(".katex .vec svg, .katex .accent-body svg").first.evaluate("(svg) => svg.style.width")
    assert width.endswith("em")
    await expect(text.locator(".formula.failed")).to_have_text([r"$\frac{1}{$", r"$\href{javascript:alert(1)}{x}$"])
    line = text.locator("p", has_text="The area is")
    await line.evaluate("(line) => getSelection().selectAllChildren(line)")
    await person.page.keyboard.press("Control+C")
    copied = await person.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(r"The area is $A = \pi r^2$, which for \(r = 2\) costs between $5 and $6.")

    # Footnotes lead there and back, by keyboard too, and the address stays.
    address = person.page.url
    await text.get_by_role("button", name="Footnote 2", exact=True).press("Enter")
    await expect(text.locator("[data-note='2']")).to_be_focused()
    await text.get_by_role("button", name="Back to footnote 2").press("Enter")
    await expect(text.get_by_role("button", name="Footnote 2", exact=True)).to_be_focused()
    assert person.page.url == address

    # Tasks say their state and cannot be pressed.
    await expect(text.get_by_role("checkbox", name="Done", exact=True)).to_be_checked()
    await expect(text.get_by_role("checkbox", name="Not done")).to_be_disabled()

    # Long lines wrap on demand.
    code = text.locator("figure").first
    overflows = "(pre) => pre.scrollWidth > pre.clientWidth"
    assert await code.locator("pre").evaluate(overflows)
    await code.get_by_role("button", name="Wrap lines").click()
    await expect(code.get_by_role("button", name="Wrap lines")).to_have_attribute("aria-pressed", "true")
    assert not await code.locator("pre").evaluate(overflows)
    await code.get_by_role("button", name="Copy").click()
    assert (await person.page.evaluate("navigator.clipboard.readText()")).startswith('print("a line')


async def test_every_named_character_is_read_as_the_standard_says(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    names = {name: text for name, text in html5.items() if name.endswith(";")}
    unknown = ["nosuch;", "notit;", "ampamp;", "x;"]
    words = [f"`{index}`-&{name}-" for index, name in enumerate([*names, *unknown])]
    upstream.script(answer("\n\n".join(words)))
    person = await visit(served.url)
    await person.say("Name them all.")
    await expect(person.text.locator("p")).to_have_count(len(words))
    shown = await person.text.locator("p").all_text_contents()
    expected = [*names.values(), *(f"&{name}" for name in unknown)]
    assert shown == [f"{index}-{text}-" for index, text in enumerate(expected)]


async def test_a_diagram_is_drawn_on_demand_in_a_frame_of_no_origin(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    broken = "```mermaid\ngraph TD\n  A[never closed\n```\n"
    upstream.script(answer(EVERYTHING, broken))
    person = await visit(served.url, color_scheme="dark")
    await person.say("Draw it.")
    figure = person.text.locator("figure", has_text="mermaid").first
    await expect(figure).to_be_visible()
    assert not any("mermaid" in path or path.endswith("/diagram") for path in person.watch.paths)

    await figure.get_by_role("button", name="Show diagram").click()
    frame = figure.locator("iframe")
    drawing = frame.content_frame
    await expect(drawing.locator("svg").get_by_text("Look it up")).to_be_visible()
    await expect(figure.locator("pre")).to_be_hidden()
    await expect(frame).to_have_attribute("sandbox", "allow-scripts")
    inner = person.page.frames[-1]
    assert inner.url == f"{served.url}/diagram"
    assert await inner.evaluate("origin") == "null"
    async with person.context.expect_event("console"):
        assert await inner.evaluate("fetch('/api/session').then(() => 'in', () => 'out')") == "out"
    await expect(drawing.locator("html")).to_have_css("color-scheme", "dark")
    await person.page.wait_for_function("() => parseInt(document.querySelector('iframe').style.height) > 150")
    await person.page.emulate_media(color_scheme="light")
    await expect(drawing.locator("html")).to_have_css("color-scheme", "light")
    await figure.get_by_role("button", name="Show code").click()
    await expect(figure.locator("pre")).to_be_visible()
    await expect(frame).to_have_count(0)

    second = person.text.locator("figure", has_text="never closed")
    await second.get_by_role("button", name="Show diagram").click()
    await expect(second.get_by_role("alert")).to_contain_text("This diagram cannot be drawn.")
    await expect(second.get_by_role("alert")).to_contain_text("Parse error on line")
    await expect(second.locator("pre")).to_be_visible()
    assert [each for each in person.watch.take() if f"{served.url}/api/session" not in each] == []


async def test_nothing_moves_between_the_waiting_and_the_first_word(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    first, more = Hold(), Hold()
    upstream.script(answer("One", " two", holds={0: first, 1: more}))
    person = await visit(served.url)
    await person.say("Go on.")
    points = person.page.get_by_role("img", name="Waiting for the first word")
    await expect(points).to_be_visible()
    height = await person.answers.evaluate("element => element.offsetHeight")
    await person.page.evaluate("window.requestAnimationFrame = () => 1")  # The frame that draws the word does not come.
    first.release()
    await expect(points).to_have_count(0)
    await expect(person.text).to_be_empty()
    assert await person.answers.evaluate("element => element.offsetHeight") >= height
    more.release()
    await expect(person.text).to_have_text("One two")
