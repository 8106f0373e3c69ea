"""Hostile text, wherever people or models can put it, runs nothing, fetches nothing and breaks no policy."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from e2e.conftest import Visit
from e2e.hostile import CODE, FETCH, LINKS, PAYLOADS
from e2e.visitor import Visitor
from openrouter import LoopbackOpenRouter
from replies import answer, refusal
from serving import JSON, Served, serving

pytestmark = pytest.mark.anyio

AUDIT = """() => {
    const bad = [];
    const page = 'A ARTICLE ASIDE BDI BLOCKQUOTE BR BUTTON CODE DEL DETAILS DIALOG DIV EM FIGCAPTION FIGURE '
        + 'FOOTER FORM H1 H2 H3 H4 H5 H6 HEADER HR I IMG INPUT LABEL LI MAIN NAV OL OPTION P PATH PRE RECT '
        + 'SECTION SELECT SPAN STRONG SUMMARY SVG TABLE TBODY TD TEXTAREA TH THEAD TR UL';
    const allowed = new Set(page.split(' '));
    for (const element of document.body.querySelectorAll('#app *')) {
        if (!allowed.has(element.tagName.toUpperCase())) bad.push(element.outerHTML.slice(0, 200));
        for (const { name, value } of element.attributes) {
            const active = name.startsWith('on') || name === 'srcdoc' || name === 'formaction';
            const style = name === 'style' && element.tagName !== 'TEXTAREA';
            const address = ['href', 'src', 'action', 'poster', 'xlink:href'].includes(name);
            const { protocol, origin } = new URL(address ? value : '', document.baseURI);
            const odd = !['http:', 'https:', 'mailto:'].includes(protocol);
            const foreign = name !== 'href' && origin !== location.origin;
            const open = name === 'href' && element.target === '_blank' && !element.rel.includes('noopener');
            if (active || style || odd || foreign || open) bad.push(`${element.tagName} ${name}=${value}`);
        }
    }
    if (window.pwned !== undefined) bad.push('pwned');
    if (document.querySelectorAll('#app, #message').length !== 2) bad.push('an id was taken over');
    return bad;
}"""


async def nothing_happened(person: Visitor) -> None:
    assert await person.page.evaluate(AUDIT) == []
    assert person.watch.seen == []


async def touch_everything(person: Visitor) -> None:
    """Hover and focus whatever could react to it."""
    await person.page.evaluate("""async () => {
        for (const element of document.querySelectorAll('article *')) {
            for (const type of ['pointerenter', 'mouseover', 'focus']) element.dispatchEvent(new Event(type));
        }
        await new Promise((resolve) => requestAnimationFrame(resolve));
    }""")


async def test_the_watch_notices_what_it_is_there_to_notice(visit: Visit, served: Served) -> None:
    person = await visit(served.url)
    await expect(person.message).to_be_visible()
    await person.page.evaluate("alert('hello')")
    await person.page.evaluate(f"document.body.append(Object.assign(new Image(), {{ src: '{FETCH}' }}))")
    provoke = """() => {
        const element = document.createElement('marquee');
        element.setAttribute('style', 'color: red');
        document.querySelector('#app').append(element);
        try { document.body.setAttribute('onclick', 'pwned = 1'); } catch { /* Trusted Types */ }
        setTimeout(() => { throw new Error('an error of the page') });
    }"""
    async with person.context.expect_event("weberror"):
        await person.page.evaluate(provoke)
    seen = " ".join(person.watch.take())
    for kind in ("dialog hello", f"request {FETCH}", "img-src", "style-src", "require-trusted-types-for", "error "):
        assert kind in seen
    assert len(await person.page.evaluate(AUDIT)) == 2


async def test_hostile_messages_and_answers_are_shown_as_text(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    assert len(PAYLOADS) >= 60
    conversation: dict[str, str] = {}
    for payload in PAYLOADS:
        upstream.script(answer(*(payload[start : start + 7] for start in range(0, len(payload), 7))))
        frames = await served.send(payload, model_id="acme/chat-1", **conversation)
        conversation = {"conversation_id": frames[0].event["conversation_id"]}
    person = await visit(f"{served.url}/c/{conversation['conversation_id']}")
    while await person.answers.count() < len(PAYLOADS):  # Older messages join as the reader goes up.
        await person.page.locator(".viewport").evaluate("(element) => element.scrollTo(0, 0)")
        await person.page.wait_for_function("(count) => document.querySelectorAll('article').length > count", arg=0)
    await expect(person.questions).to_have_count(len(PAYLOADS))
    shown = await person.questions.locator("p").all_text_contents()
    stored = await served.messages(conversation["conversation_id"])
    assert shown == [message["content"] for message in stored if message["role"] == "user"]
    await touch_everything(person)
    await nothing_happened(person)


async def test_links_to_anything_but_the_web_are_no_links(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(answer("\n\n".join(LINKS[:15]) + "\n\n[good](https://example.org/a)"))
    person = await visit(served.url)
    await person.say("Links, please.")
    await expect(person.text.get_by_role("link")).to_have_count(1)
    good = person.text.get_by_role("link", name="good")
    await expect(good).to_have_attribute("href", "https://example.org/a")
    await expect(good).to_have_attribute("rel", "noopener noreferrer nofollow")
    await nothing_happened(person)


@pytest.mark.parametrize("size", [1, 5])
async def test_hostile_text_that_arrives_in_pieces_runs_at_no_moment(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter, size: int
) -> None:
    whole = "\n\n".join(PAYLOADS[::2] if size == 1 else PAYLOADS)
    upstream.script(answer(*(whole[start : start + size] for start in range(0, len(whole), size)), "\n\nThe end."))
    person = await visit(served.url)
    await person.say("Attack!")
    await expect(person.text).to_contain_text("The end.")
    await touch_everything(person)
    await nothing_happened(person)


async def test_hostile_titles_model_names_and_errors_are_shown_as_text(
    visit: Visit, upstream: LoopbackOpenRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.models += [
        {
            "id": f"acme/bad-{number}",
            "name": payload,
            "context_length": 1000,
            "pricing": {"prompt": "0", "completion": "0"},
        }
        for number, payload in enumerate(PAYLOADS)
    ]
    async with serving(monkeypatch, tmp_path / "data", OPENROUTER_BASE_URL=upstream.base_url) as served:
        person = await visit_with_hostile_titles(visit, served)
        await expect(person.conversations).to_have_count(40)
        await person.page.get_by_role("button", name="Choose a model").click()
        await expect(person.page.get_by_role("listbox").get_by_role("option").nth(len(PAYLOADS))).to_be_attached()
        await nothing_happened(person)
        await person.page.keyboard.press("Escape")
        await person.choose("acme/bad-3")
        said = f"<img src=x onerror={CODE}> ![a]({FETCH}) [b](javascript:{CODE})"
        upstream.script(refusal(400, said), refusal(429, said), answer("Fine.", model=f"<img src=x onerror={CODE}>"))
        await person.say("Hello?")
        await expect(person.answers.last).to_contain_text(said)
        await nothing_happened(person)
        await person.button("Try again").click()
        await expect(person.answers.last).to_contain_text("no more requests just now")
        await person.button("Try again").click()
        await expect(person.text).to_have_text("Fine.")
        await expect(person.answers.last).to_contain_text(f"<img src=x onerror={CODE}>")
        await person.page.reload()
        await expect(person.text).to_have_text("Fine.")
        await nothing_happened(person)


async def visit_with_hostile_titles(visit: Visit, served: Served) -> Visitor:
    titles = [payload[:200] for payload in PAYLOADS[:40]]
    for title in titles:
        created = await served.http.post("/api/conversations", json={})
        renamed = await served.http.patch(
            f"/api/conversations/{created.json()['id']}", json={"title": title}, headers=JSON
        )
        assert renamed.status_code == 200
    return await visit(served.url)
