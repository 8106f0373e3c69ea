"""What an answer cites: pages on the web alone, once each, whatever a provider puts in their place."""

import json
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain import Citation, cited
from holdfast.provider.answer import Answer
from holdfast.provider.citations import read
from holdfast.provider.openrouter import OpenRouter
from holdfast.text import ADDRESS_LIMIT, LABEL_LIMIT, web_host
from listening import listen
from openrouter import LoopbackOpenRouter
from replies import answer, chunk, document, frames, spent, url_citation

pytestmark = pytest.mark.anyio
pytest_plugins = ["provider_fixtures"]

PAGE = "https://example.org/a"

ADDRESSES = [
    PAGE,
    "http://example.org",
    "HTTPS://EXAMPLE.ORG/",
    "https://example.org:8443/a?b=c&d=%20#e:~:text=f",
    "https://[2001:db8::1]/",
    "https://b\u00fccher.example/\u00e4?\u00f6=@",
    "https://en.wikipedia.org/wiki/A_(b)|{c}",
    "https://example.org/" + "a" * (ADDRESS_LIMIT - 20),
]
NONE = [
    "",
    "example.org",
    "//example.org",
    "/a",
    "http:example.org",
    "https:/example.org",
    "https://",
    "https:///a",
    "https://?a",
    "https://#a",
    "https://:80/",
    "https://[::",
    "https://example.org:99999/",
    "https://example.org:0/",
    "https://example.org:x/",
    "https://user@example.org/",
    "https://user:pass@example.org/",
    "https://@example.org/",
    "https://example.org\\@evil.example/",
    "https:\\\\example.org",
    "https://exa\u2100mple.org/",
    "javascript:alert(1)",
    "JaVaScRiPt://example.org/%0aalert(1)",
    "data:text/html,<b>",
    "ftp://example.org/",
    "file:///etc/passwd",
    "mailto:a@example.org",
    "blob:https://example.org/1",
    "view-source:https://example.org/",
    " https://example.org/",
    "https://bank.example&commat;evil.example/",
    "https://%65vil.example/",
    "https://a..example/",
    "https://fa\u00df.example/",
    "https://FA\u1e9e.example/",
    "https://\u03b2\u03cc\u03bb\u03bf\u03c2.example/",
    "https://\u13a0.example/",
    "https://\uab70.example/",
    "https://\u10fc.example/",
    "https://\U0001f134vil.example/",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://127.1/",
    "https://0177.0.0.1/",
    "https://127.0.0.1./",
    "https://\uff11\uff12\uff17.1/",
    "https://a.0x/",
    "https://a;b.example/",
    "https://example.org/a b",
    "https://example.org/\n",
    "https://exa\tmple.org/",
    "https://example.org/\0",
    "https://example.org/\x7f",
    "https://example.org/\u0085",
    "https://example.org/\u2028",
    "https://example.org/\u200b",
    "https://example.org/\u202egpj.exe",
    "https://example.org/\ud83d",
    'https://example.org/"onclick=x',
    "https://example.org/<b>",
    "https://example.org/" + "a" * (ADDRESS_LIMIT - 19),
]


@pytest.mark.parametrize("url", ADDRESSES)
def test_an_address_on_the_web_is_cited_as_it_is(url: str) -> None:
    assert list(read([url_citation(url, "A page")])) == [Citation(url, "A page")]


@pytest.mark.parametrize("url", NONE)
def test_what_is_no_address_on_the_web_is_not_cited(url: str) -> None:
    assert list(read([url_citation(url, "A page"), url_citation(PAGE)])) == [Citation(PAGE)]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("HTTPS://EXAMPLE.org:8443/a", "example.org:8443"),
        ("https://[2001:DB8::1]:80/", "[2001:db8::1]:80"),
        ("https://b\u00fccher.example/", "xn--bcher-kva.example"),
        ("https://\u0430pple.com/", "xn--pple-43d.com"),
        ("https://\uff45vil.example/", "evil.example"),
        ("https://203.0.113.7:8080/", "203.0.113.7:8080"),
    ],
)
def test_a_host_is_named_as_a_browser_names_it(url: str, host: str) -> None:
    assert web_host(url) == host


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        (None, ""),
        (7, ""),
        (["x"], ""),
        (" \n", ""),
        ("Two\n lines\t ", "Two lines"),
        ("A\0B\x1b[31m\ud83d", "AB[31m"),
        ("\u202egpj.exe\u2069\u200b", "gpj.exe"),
        ("\u3164 \u2800", ""),
        ("x" * 100_000, "x" * LABEL_LIMIT),
        ("\u05e9\u05dc\u05d5\u05dd \U0001f642", "\u05e9\u05dc\u05d5\u05dd \U0001f642"),
        ("<b>[x](javascript:1)</b>", "<b>[x](javascript:1)</b>"),
    ],
)
def test_a_title_is_a_short_line_without_controls(title: object, shown: str) -> None:
    citation = {"type": "url_citation", "url_citation": {"url": PAGE, "title": title, "start_index": "x"}}
    assert list(read([citation])) == [Citation(PAGE, shown)]


@pytest.mark.parametrize(
    "annotations",
    [
        None,
        0,
        "x",
        {},
        url_citation(PAGE),
        [None, 1, "x", [], [url_citation(PAGE)]],
        [{"type": "url_citation"}, {"type": "url_citation", "url_citation": [PAGE]}],
        [{"type": "url_citation", "url_citation": {"url": [PAGE]}}, {"type": "url_citation", "url": PAGE}],
        [url_citation(PAGE) | {"type": "file"}, {"url_citation": {"url": PAGE}}],
    ],
)
async def test_another_shape_cites_nothing_and_harms_nothing(
    upstream: LoopbackOpenRouter, provider: OpenRouter, annotations: object
) -> None:
    good = chunk({"content": "a", "annotations": annotations}), chunk({"content": "b"}, finish="stop")
    upstream.script(frames(*good, "[DONE]"))
    heard = await listen(provider)
    assert (heard.error, heard.text(), heard.outcome.citations) == (None, "ab", ())


async def test_each_page_is_cited_once_in_order_with_its_first_title(
    upstream: LoopbackOpenRouter, provider: OpenRouter
) -> None:
    one, two, other = (f"https://example.org/{number}" for number in range(3))
    told = [url_citation(one), url_citation(two, "Two"), url_citation(one, "One"), url_citation(one, "Another")]
    upstream.script(answer("a", "b", citations=[told, "odd", [url_citation(other), *told]]))
    heard = await listen(provider)
    assert heard.outcome.citations == (Citation(one, "One"), Citation(two, "Two"), Citation(other))


async def test_an_answer_in_one_piece_and_an_odd_chunk_cite_too(
    upstream: LoopbackOpenRouter, provider: OpenRouter
) -> None:
    whole = {"role": "assistant", "content": "a", "annotations": [url_citation(PAGE, "A")]}
    odd = chunk({"content": "a", "reasoning": 7, "annotations": [url_citation(PAGE, "\ud83dA")]}, finish="stop")
    upstream.script(document({"choices": [{"index": 0, "message": whole, "finish_reason": "stop"}], "usage": spent()}))
    upstream.script(frames(json.dumps(odd), "[DONE]"))
    for _ in range(2):
        assert (await listen(provider)).outcome.citations == (Citation(PAGE, "A"),)


def test_no_more_than_a_hundred_are_kept() -> None:
    many = [Citation(f"https://example.org/{number}") for number in range(101)]
    assert cited(many) == tuple(many[:100])
    assert cited([*many, Citation(many[0].url, "Late"), many[0]])[0] == Citation(many[0].url, "Late")


def test_no_more_than_a_thousand_annotations_are_looked_at() -> None:
    assert sum(1 for _ in read([url_citation(PAGE)] * 100_000)) == 1000


anything = st.recursive(
    st.none() | st.integers() | st.text(max_size=9) | st.sampled_from([*ADDRESSES, *NONE, "url_citation", "\ud83d"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "url_citation", "url", "title", "content"]), inner, max_size=4)
        | st.builds(url_citation, inner, inner)
    ),
    max_leaves=12,
)


@given(st.lists(anything, max_size=4))
async def test_whatever_is_annotated_every_citation_can_be_kept_and_leads_to_the_web(sent: list[object]) -> None:
    chunks = [json.dumps(chunk({"content": "a", "annotations": each})) for each in sent]
    parts = iter([*(f"data: {each}\n\n".encode() for each in chunks), b"data: [DONE]\n\n"])

    async def read_on() -> bytes:
        return next(parts, b"")

    completion = Answer(read_on, streamed=True, upstream_id=None, api_key=None)
    text = "".join([piece.text async for pieces in completion for piece in pieces])
    assert text == "a" * len(sent)
    found = completion.outcome.citations
    assert len({each.url for each in found}) == len(found)
    for each in found:
        assert web_host(each.url)
        assert urlsplit(each.url).scheme in {"http", "https"}
        assert "@" not in urlsplit(each.url).netloc
        assert each.title.isprintable()
        assert len(each.title) <= LABEL_LIMIT
