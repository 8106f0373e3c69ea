"""Search finds an owner's words, and nothing else, whatever they look like; the same on both databases."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from databases import PostgreSQLServer
from holdfast.domain import OwnerId, Role, Status, new_id
from holdfast.http.search import QUERY_LIMIT
from holdfast.store import Store, open_store
from holdfast.store.search import LIMIT, Hit
from holdfast.store.words import SNIPPET, WORDS, Phrase, phrases, snippet
from openrouter import LoopbackOpenRouter
from replies import answer
from serving import Served
from stored import OWNER, add_stranger, ask, exchange, rows, send, settle, write
from test_store_migrate import make_old

pytestmark = pytest.mark.anyio

HOSTILE = [
    '"',
    '""',
    '"""',
    "'",
    "*",
    "^",
    ":*",
    "NEAR(",
    "NEAR(a b, 2)",
    "a AND",
    "AND OR NOT",
    "NOT secret",
    "-secret",
    "secret:",
    "content:secret",
    "owner:owner",
    "{content owner} : secret",
    "'; DROP TABLE messages; --",
    "secret') UNION SELECT 1 --",
    "\\",
    "a\\'b",
    "a & b | !c <-> d:*",
    "(((",
    "\x00",
    "a\x00b",
    "%",
    "_",
    "\u0301",
    "e\u0301\u0301\u0301",
    "\ufffd",
    "\U0001f600",
    "\u202esecret",
    "\ue000",
    "\U0001e900",
    "x" * QUERY_LIMIT,
    "\u691c" * QUERY_LIMIT,
    "a " * (QUERY_LIMIT // 2),
    '"a" ' * (QUERY_LIMIT // 4),
]


async def search(store: Store, query: str, owner: OwnerId = OWNER, limit: int = 100) -> list[Hit]:
    hits, more = await store.search.list(owner, query, limit=limit)
    assert more is None
    return list(hits)


async def found(store: Store, query: str) -> list[str]:
    """What was found, as text on one line."""
    return [snippet_of(hit) for hit in await search(store, query)]


def marked(hit: Hit) -> list[str]:
    return [part.text for part in hit.snippet if part.match]


def snippet_of(hit: Hit) -> str:
    return "".join(part.text for part in hit.snippet)


async def say(store: Store, *texts: str) -> None:
    for text in texts:
        await settle(store, (await send(store, text)).generation)


async def intact(store: Store) -> None:
    """Raises where the index is not that of the texts; PostgreSQL keeps its own right by itself."""

    def check(connection: Connection) -> None:
        if connection.dialect.name == "sqlite":
            for index in ("message_search", "title_search"):
                connection.exec_driver_sql(f"INSERT INTO {index} ({index}, rank) VALUES ('integrity-check', 1)")
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").first() is None

    await store._database.write(check, durable=False)


@contextmanager
def asking(url: Path | str) -> Iterator[Callable[[str], int]]:
    """A search outside of any loop, for what calls it again and again: how much is found."""
    with asyncio.Runner() as runner:
        store = runner.run(open_store(url, lambda _line: None))
        runner.run(say(store, "a b ab \u691c a.b \u0301", "it's <-> a:b"))
        yield lambda query: len(runner.run(search(store, query)))
        runner.run(store.aclose())


async def test_questions_and_answers_are_found_with_their_conversation(store: Store) -> None:
    run = await exchange(store, "Where does the river begin?")
    (question,) = await search(store, "river")
    assert (question.message_id, question.role) == (run.user_message_id, Role.USER)
    assert question.conversation == await store.conversations.get(OWNER, run.conversation_id)
    assert question.created_at == (await store.messages.get(OWNER, run.user_message_id)).created_at
    (answer,) = await search(store, "hi")
    assert (answer.message_id, answer.role) == (run.message_id, Role.ASSISTANT)


async def test_titles_come_first_then_messages_newest_first(store: Store) -> None:
    runs = [await exchange(store, f"A lake, {n}") for n in range(3)]
    for n in (0, 2):
        await store.conversations.rename(OWNER, runs[n].conversation_id, f"Lake {n}")
    hits = await search(store, "lake")
    assert [hit.message_id for hit in hits] == [None, None, *(run.user_message_id for run in reversed(runs))]
    assert [hit.conversation.title for hit in hits[:2]] == ["Lake 2", "Lake 0"]
    assert hits[0].role is None
    assert hits[0].created_at == hits[0].conversation.created_at
    assert marked(hits[0]) == ["Lake"]


async def test_the_default_title_is_no_title_to_find(store: Store) -> None:
    run = await exchange(store)
    assert await search(store, "conversation") == []
    await store.conversations.rename(OWNER, run.conversation_id, "Conversation with myself")
    assert len(await search(store, "conversation")) == 1


async def test_every_word_must_be_there_in_any_order(store: Store) -> None:
    await say(store, "red green blue", "green only", "blue and red")
    assert await found(store, "blue red") == ["blue and red", "red green blue"]
    assert await found(store, "red yellow") == []


async def test_the_last_word_is_also_a_beginning(store: Store) -> None:
    await say(store, "a lighthouse", "a light", "sunlight")
    assert await found(store, "light") == ["a light", "a lighthouse"]
    assert await found(store, "lig") == ["a light", "a lighthouse"]
    assert await found(store, "li") == ["a light", "a lighthouse"]
    assert await found(store, "lighth a") == []
    assert await found(store, '"light"') == ["a light"]
    assert await found(store, '"a ligh') == ["a light", "a lighthouse"]
    assert await found(store, "l") == []


async def test_words_in_quotes_stand_side_by_side(store: Store) -> None:
    await say(store, "to be or not to be", "not or be")
    assert await found(store, '"or not"') == ["to be or not to be"]
    assert await found(store, "\u201cor not\u201d be") == ["to be or not to be"]
    assert await found(store, '"be not"') == []
    assert len(await found(store, "be not")) == 2


async def test_what_is_written_without_a_blank_is_one_phrase(store: Store) -> None:
    await say(store, "see https://example.com/a-path?q=1#top and mail me@example.org", "example top path a com")
    for query in ("example.com", "example.com/a-path", "https://example.com/", "me@example.org", "q=1", "a-path"):
        (text,) = await found(store, query)
        assert text.startswith("see"), query
    await say(store, "snake_case and x->y in src/main.py version 3.11.7 isn't -5 1e5")
    for query in ("snake", "case", "main.py", "src/main", "3.11.7", "isn't", "5", "1e5", "y"):
        assert len(await found(store, query)) == 1, query


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("Caf\u00e9", "cafe"),
        ("cafe", "CAF\u00c9"),
        ("Cafe\u0301", "caf\u00e9"),
        ("caf\u00e9", "cafe\u0301"),
        ("\u00dcberpr\u00fcfung", "uberprufung"),
        ("na\u00efve", "NAIVE"),
        ("Ti\u1ebfng Vi\u1ec7t", "tieng viet"),
        ("\u041c\u041e\u0421\u041a\u0412\u0410", "\u043c\u043e\u0441\u043a\u0432\u0430"),
        ("\uc11c\uc6b8\uc5d0\uc11c", "\uc11c\uc6b8"),
        ("\u0939\u093f\u0928\u094d\u0926\u0940", "\u0939\u093f\u0928\u094d\u0926\u0940"),
    ],
    ids=ascii,
)
async def test_case_and_diacritics_make_no_difference(store: Store, said: str, asked: str) -> None:
    await say(store, f"\u00ab{said}\u00bb \u2014 and more")
    (hit,) = await search(store, asked)
    assert "".join(marked(hit)).split() in (said.split(), ["".join(said.split())])


async def test_what_is_written_without_spaces_is_found_anywhere_in_a_sentence(store: Store) -> None:
    await say(store, "\u5168\u6587\u691c\u7d22\u30a8\u30f3\u30b8\u30f3\u3067\u3059\u3002", "\u7d22\u691c")
    (hit,) = await search(store, "\u691c\u7d22")
    assert marked(hit) == ["\u691c\u7d22"]
    assert len(await search(store, "\u691c")) == 2
    assert len(await search(store, "\u30f3\u3067")) == 1
    assert len(await search(store, "\u30a8\u30f3 \u5168")) == 1
    await say(store, "use \u30d5\u30a1\u30a4\u30ebAPI now")
    (hit,) = await search(store, "\u30a4\u30ebapi")
    assert marked(hit) == ["\u30a4\u30ebAPI"]
    run = await exchange(store)
    await store.conversations.rename(OWNER, run.conversation_id, "\u4e2d\u6587\u6807\u9898")
    (hit,) = await search(store, "\u6807\u9898")
    assert (hit.message_id, marked(hit)) == (None, ["\u6807\u9898"])


async def test_somebody_else_finds_nothing_of_it(store: Store, database: Path | str) -> None:
    stranger = await add_stranger(database)
    run = await exchange(store, "a secret word")
    await store.conversations.rename(OWNER, run.conversation_id, "secret")
    own = (await send(store, "my own secret", owner=stranger)).generation
    hits = await search(store, "secret", stranger)
    assert [hit.message_id for hit in hits] == [own.user_message_id]
    assert len(await search(store, "secret")) == 2
    for name in (OWNER, stranger, "owner:owner", 'x" OR owner:"owner'):
        assert await search(store, name, OwnerId('x" OR owner:"owner')) == []
        assert await search(store, name, stranger) == []


async def test_every_branch_is_searched(store: Store) -> None:
    first = await exchange(store, "the beginning")
    await exchange(store, "left branch", first.conversation_id)
    edited = await send(store, "right branch", first.conversation_id, parent=first.message_id)
    await settle(store, edited.generation)
    other = await send(store, "another root", first.conversation_id, parent=None)
    await settle(store, other.generation)
    assert await found(store, "branch") == ["right branch", "left branch"]
    assert await found(store, "root") == ["another root"]


async def test_an_answer_is_found_once_it_is_settled_and_again_once_it_was_continued(store: Store) -> None:
    run = (await send(store, "?")).generation
    await write(store, run, "the first half ")
    assert await search(store, "half") == []
    await settle(store, run, Status.STOPPED)
    assert await found(store, "half") == ["the first half "]
    more = await store.generations.continue_answer(OWNER, ask(), message_id=run.message_id)
    await write(store, more.generation, "and the second")
    assert await found(store, "second") == []
    await settle(store, more.generation)
    assert await found(store, "half second") == ["the first half and the second"]
    assert await found(store, "half") == ["the first half and the second"]


async def test_what_is_deleted_or_renamed_is_found_no_longer(store: Store, database: Path | str) -> None:
    run, kept = await exchange(store, "apple pear"), await exchange(store, "apple plum")
    await store.conversations.rename(OWNER, run.conversation_id, "apple pie")
    await store.conversations.rename(OWNER, run.conversation_id, "pear cake")
    assert [hit.message_id for hit in await search(store, "apple")] == [kept.user_message_id, run.user_message_id]
    assert len(await search(store, "pear")) == 2
    await rows(database, f"UPDATE messages SET content = 'cherry' WHERE id = '{kept.user_message_id}'")
    assert await search(store, "plum") == []
    assert await found(store, "cherry") == ["cherry"]
    await store.conversations.delete(OWNER, run.conversation_id)
    assert await search(store, "apple") == []
    assert await search(store, "pear") == []
    assert len(await search(store, "hi")) == 1
    await intact(store)


async def test_a_conversation_that_changes_hands_is_found_by_its_new_owner_alone(
    store: Store, database: Path | str
) -> None:
    stranger = await add_stranger(database)
    run = await exchange(store, "an heirloom")
    await store.conversations.rename(OWNER, run.conversation_id, "Heirloom")
    statement = f"UPDATE conversations SET owner_id = '{stranger}'"
    await rows(database, f"{statement} WHERE id = '{run.conversation_id}'")
    assert await search(store, "heirloom") == []
    assert len(await search(store, "heirloom", stranger)) == 2
    await intact(store)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_what_changes_no_text_leaves_the_index_alone(store: Store, database: Path | str) -> None:
    run = await exchange(store, "unmoved")
    index = "SELECT id, block FROM message_search_data ORDER BY id"
    before = await rows(database, index)
    about = "rating = 1, status = 'failed', content = content, reasoning = 'x'"
    await rows(database, f"UPDATE messages SET {about} WHERE id = '{run.message_id}'")
    await store.conversations.pin(OWNER, run.conversation_id, pinned=True)
    await store.generations.continue_answer(OWNER, ask(), message_id=run.message_id)
    assert await rows(database, index) == before


async def test_paging_shows_everything_once(store: Store) -> None:
    for n in range(7):
        run = await exchange(store, f"many {n}")
        if n % 2:
            await store.conversations.rename(OWNER, run.conversation_id, f"many {n}")
    whole = [hit.message_id or hit.conversation.id for hit in await search(store, "many")]
    assert len(whole) == len(set(whole)) == 10
    for limit in (1, 2, 3, 4, 9, 10, 11):
        seen, place = [], None
        while True:
            page, place = await store.search.list(OWNER, "many", limit=limit, after=place)
            assert len(page) == limit or place is None
            seen += [hit.message_id or hit.conversation.id for hit in page]
            if place is None:
                break
        assert seen == whole, limit


async def test_what_comes_between_two_pages_repeats_nothing(store: Store) -> None:
    for n in range(4):
        await exchange(store, f"steady {n}")
    page, place = await store.search.list(OWNER, "steady", limit=2)
    await exchange(store, "steady 4")
    await store.conversations.delete(OWNER, page[0].conversation.id)
    rest, end = await store.search.list(OWNER, "steady", limit=2, after=place)
    assert [snippet_of(hit) for hit in rest] == ["steady 1", "steady 0"]
    assert end is None


@pytest.mark.parametrize("query", ["", " ", "\n\t", "...", '"', '" "', "\u200b", "\u2026!?", "\U0001f600"])
async def test_a_query_without_words_finds_nothing(store: Store, query: str) -> None:
    await say(store, f"something {query}")
    assert await search(store, query) == []


async def test_every_hostile_query_is_only_text(store: Store) -> None:
    await say(store, "nothing to see here")
    for query in HOSTILE:
        assert await search(store, query) == [], query
    await say(store, "NEAR(a b, 2) AND it's *bold* ^ c:d \\' NOT secret <-> e:* 50%")
    for query in (
        "near(a",
        "b, 2) and",
        "it's",
        "*bold*",
        "c:d",
        "not secret",
        "\\' not sec",
        "e:*",
        "50%",
        '"secret <-> e"',
    ):
        assert len(await search(store, query)) == 1, query


def check_queries(url: Path | str) -> None:
    with asking(url) as count:

        @given(st.text(max_size=60) | st.text("ab\"'*:&|!()<->\\^{}+-. \u691c\u0301", max_size=40))
        def check(query: str) -> None:
            assert count(query) <= 2

        check()
        assert count("a b") == 2


def test_no_query_can_break_a_search_on_sqlite(tmp_path: Path) -> None:
    check_queries(tmp_path / "holdfast.sqlite3")


def test_no_query_can_break_a_search_on_postgresql(postgresql: PostgreSQLServer) -> None:
    with asyncio.Runner() as runner:
        database = postgresql.database(f"holdfast_test_{new_id()}")
        url = runner.run(database.__aenter__())
        try:
            check_queries(url)
        finally:
            runner.run(database.__aexit__(None, None, None))


async def test_words_beyond_the_limit_are_not_looked_at(store: Store) -> None:
    words = [f"w{n}" for n in range(WORDS + 1)]
    await say(store, " ".join(words[:-1]))
    assert len(await search(store, " ".join(words))) == 1
    assert await search(store, " ".join(["other", *words])) == []


async def test_a_very_long_text_is_stored_and_searched_at_its_start(store: Store) -> None:
    run = (await send(store, "?")).generation
    word = "\u00e9\U00010428"  # Distinct words of many bytes, which PostgreSQL can hold a megabyte of.
    long = " ".join(f"{word}{n}" for n in range(200_000))
    await write(store, run, "alpha " + long[:LIMIT], " omega " + long)
    await settle(store, run)
    assert len(await search(store, "alpha")) == 1
    assert await search(store, "omega") == []
    hangul = (await send(store, "?")).generation
    await write(store, hangul, "".join(map(chr, range(0xAC00, 0xD7A3))) * 20, "\u691c\u7d22" * 200_000)
    await settle(store, hangul)
    await store.conversations.delete(OWNER, run.conversation_id)
    assert await search(store, "alpha") == []
    await intact(store)


async def test_an_upgrade_finds_what_was_there_before(database: Path | str) -> None:
    await make_old(database)
    columns = "id, conversation_id, role, content, status, created_at"
    home = "01m7yjeq470ejq9dv4tcy6sbr0"
    for n, text in enumerate(("from an older version", "", "\u691c\u7d22")):
        values = f"'01m7yjeq470ejq9dv4tcy6sb{n:02}', '{home}', 'user', '{text}', 'complete', {n}"
        await rows(database, f"INSERT INTO messages ({columns}) VALUES ({values})")
    store = await open_store(database, lambda _line: None)
    assert await found(store, "older") == ["from an older version"]
    assert await found(store, "\u7d22") == ["\u691c\u7d22"]
    assert [hit.message_id for hit in await search(store, "long ago")] == [None]
    await store.conversations.delete(OWNER, home)
    assert await search(store, "older") == []
    await intact(store)
    await store.aclose()


def test_a_query_is_taken_apart_into_phrases() -> None:
    assert phrases('Red "two words" foo-bar last') == [
        Phrase(("Red",)),
        Phrase(("two", "words")),
        Phrase(("foo", "bar")),
        Phrase(("last",), begins=True),
    ]
    assert phrases('"open end') == [Phrase(("open", "end"), begins=True)]
    assert phrases('"closed end" ') == [Phrase(("closed", "end"))]
    assert phrases("x") == [Phrase(("x",))]


def texts(parts: Sequence[tuple[str, bool]]) -> list[tuple[str, bool]]:
    return [(text, match) for text, match in parts]


def test_a_snippet_is_one_line_around_the_words_that_stand_together() -> None:
    filler = "and so on " * 60
    text = f"river {filler}\n\nthe old river,\nthe bridge {filler}"
    shown = snippet(text, phrases("bridge river"))
    assert [part.text for part in shown if part.match] == ["river", "bridge"]
    whole = "".join(part.text for part in shown)
    assert "the old river, the bridge and so on" in whole
    assert whole.startswith("\u2026so on and so on")
    assert whole.endswith(" and\u2026")
    assert len(whole) <= SNIPPET + 2


def test_a_snippet_without_a_match_is_the_beginning() -> None:
    assert texts(snippet("short text", phrases("other"))) == [("short text", False)]
    assert texts(snippet("x" * 500, phrases("other"))) == [("x" * SNIPPET + "\u2026", False)]
    assert snippet("", phrases("other")) == ()


def test_a_word_longer_than_a_snippet_is_cut() -> None:
    assert texts(snippet("a" * 5000, phrases("aa"))) == [("a" * SNIPPET, True), ("\u2026", False)]


@given(st.lists(st.text("aB\u00e9z\u691c\u304c7", min_size=2, max_size=6), min_size=1, max_size=60), st.data())
def test_a_snippet_marks_what_was_looked_for_and_changes_no_letter(words: list[str], data: st.DataObject) -> None:
    text = " ".join(words)
    wanted = data.draw(st.sampled_from(words))
    shown = snippet(text, phrases(f'"{wanted}"'))
    whole = "".join(part.text for part in shown)
    assert whole.strip("\u2026") in text
    assert wanted.lower() in [part.text.lower() for part in shown if part.match]


async def test_the_addresss_shape_and_limits(served: Served, upstream: LoopbackOpenRouter) -> None:
    upstream.script(*(answer("The <b>Nile</b> & more") for _ in range(3)))
    sent = [await served.send(f"Which river, {n}?", model_id="acme/chat-1") for n in range(3)]
    page = await served.get("/api/search?q=nile&limit=2")
    assert [hit["role"] for hit in page["items"]] == ["assistant", "assistant"]
    first = page["items"][0]
    assert first["message_id"] == sent[-1][0].event["message_id"]
    listed = (await served.get("/api/conversations"))["items"][0]
    assert {**first["conversation"], "title": "", "title_source": ""} == {**listed, "title": "", "title_source": ""}
    assert first["created_at"].endswith("Z")
    assert first["snippet"] == [
        {"text": "The <b>", "match": False},
        {"text": "Nile", "match": True},
        {"text": "</b> & more", "match": False},
    ]
    rest = await served.get(f"/api/search?q=nile&limit=2&cursor={page['next_cursor']}")
    assert (len(rest["items"]), rest["next_cursor"]) == (1, None)
    for q in ("", "%20", '"', "..."):
        assert await served.get(f"/api/search?q={q}") == {"items": [], "next_cursor": None}
    assert await served.get("/api/search") == {"items": [], "next_cursor": None}
    for parameters in ({"q": "x" * (QUERY_LIMIT + 1)}, {"q": "word " * 10_000}, {"limit": "0"}, {"limit": "101"}):
        refused = await served.http.get("/api/search", params=parameters)
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid")
    for cursor in ("x", "....", "%00", "Mi4x", "9" * 500):
        refused = await served.http.get("/api/search", params={"q": "nile", "cursor": cursor})
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_cursor")


async def test_hostile_queries_are_answered_at_the_address_too(served: Served) -> None:
    await served.send("nothing to see here", model_id="acme/chat-1")
    for query in HOSTILE:
        response = await served.http.get("/api/search", params={"q": query})
        assert (response.status_code, response.json()) == (200, {"items": [], "next_cursor": None}), query
    for raw in ("%ff%fe", "%ed%a0%80", "+", "%22"):
        assert (await served.http.get(f"/api/search?q={raw}")).status_code == 200
