"""How long a search takes among many messages, what its index weighs, and what it adds to the end of an answer.

    .venv/bin/python bench/search.py [--messages 200000] [--postgresql URL]

Fills a fresh SQLite file, or the empty PostgreSQL database at URL, with messages whose words are as unevenly
distributed as those of a language (Zipf), ten to a titled conversation, all of one owner but a hundred of another's.
Then asks what people ask. `titles` is a first page, `messages` the first page of messages, `later` one from the middle.
"""

import argparse
import asyncio
import os
import platform
import random
import sqlite3
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from holdfast.domain import PERSONAL_OWNER, Kind, Outcome, OwnerId, Status
from holdfast.store import Store, open_store
from holdfast.store.generations import Ask, AtEnd
from holdfast.store.search import Place, Stage

OTHER = OwnerId("other")
VOCABULARY = 200_000
POOL = 4_000_000
REPEATS = 15
BATCH = 5_000
MIB = 1 << 20
CONVERSATION = ("id", "owner_id", "title", "title_source", "created_at", "updated_at")
MESSAGE = ("id", "conversation_id", "role", "content", "status", "created_at")
SIZES = {
    "sqlite": "SELECT sum(pgsize) FROM dbstat WHERE name IN (SELECT name FROM sqlite_master"
    " WHERE name LIKE 'message_search_%' OR name LIKE 'title_search_%')",
    "postgresql": "SELECT pg_relation_size('ix_messages_search') + pg_relation_size('ix_conversations_search')"
    " + (SELECT sum(pg_column_size(search)) FROM messages)",
}


class Language:
    """Words, and texts of them: the n-th word is about 1/n as frequent as the first."""

    def __init__(self) -> None:
        self.random = random.Random(4)
        starts, vowels, ends = (
            ["b", "c", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "br", "ch", "st", "tr"],
            "aeiou",
            ["", "n", "r", "s", "l", "t"],
        )
        seen: dict[str, None] = {}
        while len(seen) < VOCABULARY:
            syllables = 1 + len(seen) // 400 if len(seen) < 1200 else self.random.randint(2, 5)
            parts = (self.random.choice(starts) + self.random.choice(vowels) for _ in range(syllables))
            seen["".join(parts) + self.random.choice(ends)] = None
        self.words = list(seen)
        weights = list(accumulate(1 / (rank + 2.7) for rank in range(VOCABULARY)))
        self.pool = self.random.choices(self.words, cum_weights=weights, k=POOL)
        self.count = Counter(self.pool)

    def text(self, low: int, high: int) -> str:
        """As many words as one of these two or anything between, short ones more often."""
        size = int(low * (high / low) ** self.random.random())
        start = self.random.randrange(POOL - size)
        return " ".join(self.pool[start : start + size])

    def word(self, share: float) -> str:
        """A word that is about this share of all words."""
        near = min(self.count.items(), key=lambda each: abs(each[1] - share * POOL))[1]
        return self.random.choice([word for word, count in self.count.items() if count == near])

    def beginning(self, size: int) -> str:
        """The letters that most words begin with."""
        starts: Counter[str] = Counter()
        for word, count in self.count.items():
            if len(word) >= size:
                starts[word[:size]] += count
        return starts.most_common(1)[0][0]


def rows(language: Language, count: int) -> Iterator[tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]]:
    """Batches of conversations and of their messages."""
    for first in range(0, count, BATCH):
        conversations, messages = [], []
        for number in range(first, min(first + BATCH, count)):
            home = f"c{number // 10:025}"
            owner = OTHER if number // 10 % max(1, count // 100) == 7 else PERSONAL_OWNER
            if number % 10 == 0:
                conversations.append((home, owner, language.text(3, 6), "user", number, number))
            role, text = ("assistant", language.text(40, 400)) if number % 2 else ("user", language.text(5, 80))
            messages.append((f"m{number:025}", home, role, text, "complete", number))
        yield conversations, messages


def fill_sqlite(path: Path, language: Language, count: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-200000")
        connection.execute(f"INSERT INTO owners (id, created_at) VALUES ('{OTHER}', 0)")
        for conversations, messages in rows(language, count):
            for name, columns, batch in (
                ("conversations", CONVERSATION, conversations),
                ("messages", MESSAGE, messages),
            ):
                marks = ", ".join("?" * len(columns))
                connection.executemany(f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({marks})", batch)
            connection.commit()


async def fill_postgresql(url: str, language: Language, count: int) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(f"INSERT INTO owners (id, created_at) VALUES ('{OTHER}', 0)")
    for conversations, messages in rows(language, count):
        await connection.copy_records_to_table("conversations", records=conversations, columns=CONVERSATION)
        await connection.copy_records_to_table("messages", records=messages, columns=MESSAGE)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


async def weigh(place: Path | str) -> tuple[float, float]:
    """Bytes of text, and of the index."""
    texts = "SELECT sum(length(content)) FROM messages"
    if isinstance(place, Path):
        with closing(sqlite3.connect(place)) as connection:
            (text,) = connection.execute(texts).fetchone()
            (index,) = connection.execute(SIZES["sqlite"]).fetchone()
        return text, index
    server = await asyncpg.connect(place)
    text, index = await server.fetchval(texts), await server.fetchval(SIZES["postgresql"])
    await server.close()
    return text, index


def questions(language: Language) -> dict[str, list[str]]:
    """What is asked, by its kind."""
    word, some = language.word, range(REPEATS)
    return {
        "the commonest word": [language.count.most_common(1)[0][0]] * REPEATS,
        "a common word": [word(0.002) for _ in some],
        "a rare word": [word(0.000_002) for _ in some],
        "two words": [f"{word(0.01)} {word(0.0005)}" for _ in some],
        "two rare words": [f"{word(0.000_01)} {word(0.000_01)}" for _ in some],
        "a phrase": [f'"{" ".join(language.pool[1000 * n : 1000 * n + 2])}"' for n in some],
        "2 letters": [language.beginning(2)] * REPEATS,
        "3 letters": [language.beginning(3)] * REPEATS,
        "4 letters": [language.beginning(4)] * REPEATS,
        "5 letters": [language.beginning(5)] * REPEATS,
        "nothing": [f"{word(0.01)} xyzzy" for _ in some],
    }


async def ask(store: Store, owner: OwnerId, queries: list[str], after: Place | None) -> tuple[float, float, float]:
    """The median and the 95th percentile of milliseconds, and the mean of hits."""
    took, hits = [], []
    for query in queries:
        begun = time.perf_counter()
        page, _ = await store.search.list(owner, query, limit=20, after=after)
        took.append((time.perf_counter() - begun) * 1000)
        hits.append(len(page))
    took.sort()
    return statistics.median(took), took[int(len(took) * 0.95)], statistics.mean(hits)


async def settle(store: Store, size: int, times: int) -> float:
    """The median of milliseconds in which an answer of so many characters is settled."""
    text = ("What is said in an answer is in words of the usual length. " * (size // 59 + 1))[:size]
    pieces = [text[at : at + 32_768] for at in range(0, size, 32_768)]
    took = []
    for _ in range(times):
        begun = await store.generations.send(
            PERSONAL_OWNER, Ask("bench/model"), content="?", conversation_id=None, parent=AtEnd()
        )
        run = begun.generation
        await store.generations.append([(run.id, seq, int(Kind.CONTENT), piece) for seq, piece in enumerate(pieces, 2)])
        start = time.perf_counter()
        await store.generations.settle(run.id, Status.COMPLETE, Outcome(), None)
        took.append((time.perf_counter() - start) * 1000)
    return statistics.median(took)


async def unindex(place: Path | str) -> None:
    """Take the index away, to see what it costs."""
    if isinstance(place, Path):
        with closing(sqlite3.connect(place)) as connection, connection:
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                connection.execute(f"DROP TRIGGER {name}")
        return
    server = await asyncpg.connect(place)
    await server.execute("ALTER TABLE messages DROP COLUMN search")
    await server.close()


async def measure(place: Path | str, count: int) -> None:
    """Fill, weigh, ask, settle; print."""
    store = await open_store(place, lambda _line: None)
    language = Language()
    begun = time.perf_counter()
    if isinstance(place, Path):
        await asyncio.to_thread(fill_sqlite, place, language, count)
    else:
        await fill_postgresql(place, language, count)
    filled = time.perf_counter() - begun
    text, index = await weigh(place)
    print(f"{count} messages, {text / MIB:.0f} MiB of text, written in {filled:.0f} s; ", end="")
    print(f"the index has {index / MIB:.0f} MiB, {index / text:.2f} of the text")
    print(f"\n{'p50 / p95 in ms (hits)':24}{'titles':>22}{'messages':>22}{'later':>22}")
    pages = (None, Place(Stage.MESSAGES, 10**18 - 1), Place(Stage.MESSAGES, count // 2))
    for kind, queries in questions(language).items():
        found = [await ask(store, PERSONAL_OWNER, queries, after) for after in pages]
        print(f"{kind:24}" + "".join(f"{f'{p50:.1f} / {p95:.1f} ({hits:.0f})':>22}" for p50, p95, hits in found))
    found = [await ask(store, OTHER, questions(language)["the commonest word"], after) for after in pages]
    print(
        f"{'the same, few are his':24}"
        + "".join(f"{f'{p50:.1f} / {p95:.1f} ({hits:.0f})':>22}" for p50, p95, hits in found)
    )
    sizes = {"2 KB": (2_000, 41), "100 KB": (100_000, 9), "8 MiB": (8 * MIB, 5)}
    with_index = {name: await settle(store, *how) for name, how in sizes.items()}
    await store.aclose()
    await unindex(place)
    store = await open_store(place, lambda _line: None)
    for name, how in sizes.items():
        print(f"to settle {name}: {with_index[name]:.1f} ms with the index, {await settle(store, *how):.1f} without")
    await store.aclose()


async def main(options: argparse.Namespace) -> None:
    """Say where, and measure."""
    server = "PostgreSQL" if options.postgresql else f"SQLite {sqlite3.sqlite_version}"
    where = f"{os.cpu_count()} processors, {platform.machine()}, Python {platform.python_version()}, {server}"
    print(f"{where}, {datetime.now(UTC):%Y-%m-%d}")
    if options.postgresql:
        await measure(options.postgresql, options.messages)
        return
    with tempfile.TemporaryDirectory() as run:
        await measure(Path(run) / "holdfast.sqlite3", options.messages)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--postgresql", metavar="URL")
    uvloop.run(main(parser.parse_args()))
