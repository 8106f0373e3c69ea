"""How long everybody else waits while a long conversation is deleted: `.venv/bin/python bench/deleting.py`.

One conversation with its runs is laid into a fresh SQLite file and deleted, while somebody writes the smallest thing
that has to be on the disk, again and again, as a send does. What that takes is what the writer was held for.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from holdfast.clearing import Clearing
from holdfast.domain import PERSONAL_OWNER, Generation, Outcome, Role, Status, new_id, now
from holdfast.errors import NotFound
from holdfast.store import Store, open_store
from holdfast.store.transfers import Whole, WholeMessage

WORDS = (
    "the",
    "answer",
    "to",
    "a",
    "question",
    "that",
    "somebody",
    "asked",
    "on",
    "a",
    "rainy",
    "day",
    "in",
    "the",
    "north",
)


def said(place: int, length: int) -> str:
    """Words of which some are rare, as in a text."""
    words = [WORDS[(place * 7 + n) % len(WORDS)] if n % 5 else f"word{place * 31 + n}" for n in range(length)]
    return " ".join(words)


def run(question: str, answer: str) -> Generation:
    """A whole answer's."""
    return Generation(
        new_id(),
        "",
        question,
        answer,
        Status.COMPLETE,
        "acme/chat-1",
        None,
        3,
        0,
        0,
        b"",
        Outcome(),
        None,
        now(),
        now(),
    )


async def fill(store: Store, messages: int, length: int) -> str:
    """A conversation of so many messages; its id."""
    elsewhere = replace(await store.conversations.add(PERSONAL_OWNER), id=new_id())
    chain: list[WholeMessage] = []
    for place in range(messages):
        parent = chain[-1].id if chain else None
        role = Role.ASSISTANT if place % 2 else Role.USER
        own = new_id()
        runs = (run(parent, own),) if role is Role.ASSISTANT and parent else ()
        text = said(place, length)
        chain.append(WholeMessage(own, parent, role, text, "", Status.COMPLETE, now(), None, runs))
    whole = await store.transfers.add(PERSONAL_OWNER, Whole(elsewhere, tuple(chain), (), "bench:1"))
    assert whole
    return whole


async def beside(store: Store, ended: asyncio.Event) -> list[float]:
    """What each of somebody's writes takes, in ms."""
    other = (await store.conversations.add(PERSONAL_OWNER)).id
    took = []
    while not ended.is_set():
        began = time.perf_counter()
        await store.conversations.rename(PERSONAL_OWNER, other, "Tea")
        took.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.005)
    return took


async def measure(folder: Path, messages: int, length: int) -> None:
    store = await open_store(folder / "holdfast.sqlite3", lambda _line: None)
    conversation_id = await fill(store, messages, length)
    ended = asyncio.Event()
    writing = asyncio.create_task(beside(store, ended))
    await asyncio.sleep(0.5)
    began = time.perf_counter()
    await store.conversations.delete(PERSONAL_OWNER, conversation_id)
    answered = time.perf_counter() - began
    try:
        await store.conversations.get(PERSONAL_OWNER, conversation_id)
        sys.exit("it is still there")
    except NotFound:
        pass
    clearing = Clearing(store)
    await clearing.idle()
    gone = time.perf_counter() - began
    ended.set()
    took = await writing
    await clearing.aclose()
    await store.aclose()
    print(
        f"{messages} messages of {length} words: answered after {answered * 1000:.0f} ms, all rows gone after "
        f"{gone * 1000:.0f} ms; a write beside it took {statistics.median(took):.1f} ms at the middle and "
        f"{max(took):.0f} ms at most"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--words", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), options.messages, options.words))


if __name__ == "__main__":
    main()
