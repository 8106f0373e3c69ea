"""Hostile text, wherever people or models can put it, runs nothing, fetches nothing and breaks no policy."""

import json
import os
from pathlib import Path

import pytest
from playwright.async_api import expect

from e2e.audit import INSIDE, LOOK, look, nothing_happened, read_to_the_beginning, touch_everything
from e2e.conftest import Visit
from e2e.hostile import CLOSED, DIAGRAMS, NOWHERE, OPEN, PAYLOADS
from e2e.hostile_html import FETCH, IMG
from e2e.visitor import Visitor
from openrouter import LoopbackOpenRouter
from replies import DONE, Reply, Send, answer, chunk, event, refusal, spent, url_citation
from serving import JSON, Served, serving

pytestmark = pytest.mark.anyio

CORPUS = Path(__file__).parent.parent / "golden" / "hostile" / "payloads.json"


def cut(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def said(text: str, *, name: str = "acme/chat-1", thought: str = "", pieces: int = 60) -> Reply:
    """An answer in about so many pieces, by a model and a provider of that name, which cites its own text."""
    deltas = [{"reasoning": piece} for piece in cut(thought, 200)]
    deltas += [{"content": piece} for piece in cut(text, 1 + len(text) // pieces)]
    frames = [chunk(delta, model=name, provider=name) for delta in deltas]
    cited = {"annotations": [url_citation(text), url_citation(f"{FETCH}?{len(text)}", text)]}
    frames.append(chunk(cited, finish="stop", model=name, provider=name, usage=spent()))
    return Reply([*(Send(event(frame)) for frame in frames), DONE])


def together(size: int) -> list[str]:
    """All payloads, so many of different kinds in one text; what never closes stands alone."""
    count = -(-len(CLOSED) // size)
    return [*("\n\n".join(CLOSED[start::count]) for start in range(count)), *OPEN]


async def arrive(visit: Visit, url: str) -> Visitor:
    """Open a page that is looked at from its first element on."""
    person = await visit("about:blank")
    await person.context.add_init_script(f"({LOOK})()")
    person.watch.origin = "/".join(url.split("/")[:3])
    await person.page.goto(url)
    await expect(person.message).to_be_visible()
    return person


def test_there_are_enough_payloads_and_none_twice_and_the_tests_of_the_page_have_the_same() -> None:
    assert len(set(PAYLOADS)) == len(PAYLOADS) >= 300
    written = "[\n" + ",\n".join(map(json.dumps, PAYLOADS)) + "\n]\n"
    if os.environ.get("UPDATE_GOLDEN"):
        CORPUS.write_text(written, "utf-8")
    assert CORPUS.read_text("utf-8") == written, "the corpus has changed; UPDATE_GOLDEN=1"


async def test_the_watch_notices_what_it_is_there_to_notice(visit: Visit, served: Served) -> None:
    person = await arrive(visit, served.url)
    await nothing_happened(person)
    await person.page.evaluate("alert('hello')")
    await person.page.evaluate(f"document.body.append(Object.assign(new Image(), {{ src: '{FETCH}' }}))")
    provoke = """() => {
        const element = document.createElement('marquee');
        element.setAttribute('style', 'color: red');
        document.querySelector('#app').append(element);
        setTimeout(() => element.remove());
        document.querySelector('#message').setAttribute('data-x', '');
        document.querySelector('#message').setAttribute('ping', 'x');
        try { document.body.setAttribute('onclick', 'pwned = 1'); } catch { /* Trusted Types */ }
        setTimeout(() => { throw new Error('an error of the page') });
    }"""
    async with person.context.expect_event("weberror"):
        await person.page.evaluate(provoke)
    seen = " ".join(person.watch.take())
    for kind in ("dialog hello", f"request {FETCH}", "img-src", "style-src", "require-trusted-types-for", "error "):
        assert kind in seen
    assert len(await look(person)) == 3


@pytest.mark.long
@pytest.mark.parametrize("size", [8, 1])
async def test_hostile_messages_answers_names_and_errors_are_shown_as_text(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter, size: int
) -> None:
    texts = together(size)
    first = await served.send("Hello.", model_id="acme/chat-1")
    person = await arrive(visit, f"{served.url}/c/{first[0].event['conversation_id']}")
    for start in range(0, len(texts), 40):
        await converse(person, served, upstream, texts[start : start + 40])


async def converse(person: Visitor, served: Served, upstream: LoopbackOpenRouter, texts: list[str]) -> None:
    """All of them as message, answer, reasoning, error, model and provider: while they arrive, and from the store."""
    first = await served.send("Hello.", model_id="acme/chat-1")
    conversation = first[0].event["conversation_id"]
    await person.page.goto(f"{served.url}/c/{conversation}")
    await expect(person.text).to_be_visible()
    for number, text in enumerate(texts):  # The page follows what somebody else asks.
        name = text[:150] + text[-150:]
        upstream.script(said(text, name=name, thought=texts[number - 1]), refusal(400, text))
        for message in (text, name):
            await served.send(message, model_id="acme/chat-1", conversation_id=conversation)
    await expect(person.answers.last).to_contain_text("The provider refused this request.")
    await nothing_happened(person)

    await person.page.reload()
    messages = await served.messages(conversation)
    assert len(messages) == 4 * len(texts) + 2
    await expect(person.questions.last).to_be_visible()
    shown = await read_to_the_beginning(person)
    assert shown == {message["content"] for message in messages if message["role"] == "user"}
    await expect(person.answers.locator("details .markdown")).to_have_count(len(texts))
    await touch_everything(person)
    await nothing_happened(person)


@pytest.mark.parametrize("pace", [0.0, pytest.param(0.004, marks=pytest.mark.long)])
async def test_hostile_text_that_arrives_in_letters_runs_at_no_moment(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter, pace: float
) -> None:
    texts = [text for text in CLOSED if len(text) < 500]
    whole = "\n\n".join(texts if pace else texts[::5])
    upstream.script(answer(*cut(whole, 5 if pace else 1), "\n\nThe end.", pace=pace))
    person = await arrive(visit, served.url)
    await person.say("Attack!")
    await expect(person.text).to_contain_text("The end.", timeout=15_000 + pace * len(whole) * 5000)
    await touch_everything(person)
    await nothing_happened(person)


async def test_links_to_anything_but_the_web_are_no_links(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(answer(*(f"[no]({address})\n\n" for address in NOWHERE), "[good](https://example.org/a)"))
    person = await arrive(visit, served.url)
    await person.say("Links, please.")
    good = person.text.get_by_role("link")
    await expect(good).to_have_text(["good"])
    await expect(good).to_have_attribute("href", "https://example.org/a")
    await expect(good).to_have_attribute("rel", "noopener noreferrer nofollow")
    await nothing_happened(person)


@pytest.mark.parametrize("sources", [DIAGRAMS[:4], pytest.param(DIAGRAMS, marks=pytest.mark.long)], ids=len)
async def test_hostile_diagrams_draw_at_most_a_drawing(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter, sources: list[str]
) -> None:
    upstream.script(answer("\n\n".join(sources)))
    person = await arrive(visit, served.url)
    await person.say("Draw!")
    figures = person.text.locator("figure")
    await expect(figures).to_have_count(len(sources))
    for number, source in enumerate(sources):  # One after the other: each loads all of Mermaid.
        figure = figures.nth(number)
        await figure.get_by_role("button", name="Show diagram").click()
        drawn = figure.locator("iframe[style*=height]")
        await expect(drawn.or_(figure.get_by_role("alert"))).to_be_visible()
        if await drawn.count():
            frame = person.page.frames[-1]
            for link in await frame.locator("a").all():
                await link.dispatch_event("click")
            assert await frame.evaluate(INSIDE) == [], source
            await figure.get_by_role("button", name="Show code").click()
    await nothing_happened(person)


async def test_hostile_titles_models_presets_and_searches_are_shown_as_text(
    visit: Visit, upstream: LoopbackOpenRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = {"context_length": 1000, "pricing": {"prompt": "0", "completion": "0"}}
    names = [payload[:300] for payload in PAYLOADS]
    upstream.models += [{"id": f"acme/bad-{number}", "name": name, **free} for number, name in enumerate(names)]
    async with serving(monkeypatch, tmp_path / "data", OPENROUTER_BASE_URL=upstream.base_url) as served:
        titles = await hostile_titles(served, PAYLOADS[::4])
        for number, name in enumerate(PAYLOADS[7:240:40], 1):
            body = {"name": name[:200], "model_id": "acme/bad-3", "system_prompt": name}
            put = await served.http.put(f"/api/presets/{number}", json=body)
            assert put.status_code == 200, put.text
        person = await arrive(visit, served.url)
        await person.page.evaluate(DOWN, titles)
        await person.page.get_by_role("button", name="Choose a model").click()
        await expect(person.page.get_by_role("listbox").get_by_role("option").nth(len(PAYLOADS))).to_be_attached()
        await nothing_happened(person)
        await person.page.keyboard.press("Escape")

        upstream.script(said(IMG))
        await person.say("Hello?")
        await person.button("Bad answer").click()
        await person.page.get_by_role("textbox", name="Anything else?").fill(IMG)
        await person.button("Save").click()
        await person.button("Say why").click()
        await expect(person.page.get_by_role("textbox", name="Anything else?")).to_have_value(IMG)
        search = person.page.get_by_role("combobox", name="Search", exact=True)
        for word in ("javascript", "onerror"):
            await search.fill(word)
            found = person.page.get_by_role("listbox", name="Found")
            await expect(found.locator("mark").first).to_have_text(word)
        await nothing_happened(person)


DOWN = """async (count) => {
    const list = document.querySelector('nav');
    const seen = new Set();
    for (let step = 0; seen.size < count; step += 1) {
        if (step > 2000) throw new Error(`only ${seen.size} of ${count}`);
        list.querySelectorAll('a').forEach(({ href }) => seen.add(href));
        list.scrollBy(0, list.clientHeight / 2);
        await new Promise(requestAnimationFrame);
    }
}"""
"""Go down the list, of which only what is near the view is drawn, until so many conversations were seen."""


async def hostile_titles(served: Served, titles: list[str]) -> int:
    """Conversations of these names, where they are names at all; how many there are."""
    for title in titles:
        created = await served.http.post("/api/conversations", json={})
        place = f"/api/conversations/{created.json()['id']}"
        renamed = await served.http.patch(place, json={"title": title[:200]}, headers=JSON)
        assert renamed.status_code in {200, 422}, renamed.text
    return len(titles)
