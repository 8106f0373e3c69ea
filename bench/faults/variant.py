"""A Holdfast with something changed from outside that no setting changes: limits scaled, a fault or a defect planted.

    python bench/faults/variant.py '{"collect": {}}'

starts one; what follows on the command line is ignored, so that it can stand before the real command. The product
has no hook for any of this: names are replaced before it begins to serve.
"""

import asyncio
import gc
import importlib
import json
import random
import sys
import types
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

Changes = Mapping[str, Mapping[str, Any]]
"""The changes by name, each with its options."""


def prefix(changes: Changes) -> list[str]:
    """What to put before a server's command."""
    return [sys.executable, str(Path(__file__).resolve()), json.dumps(changes)] if changes else []


def constants(**values: Any) -> None:
    """Set names of modules: {"holdfast.http.stream.STUCK_LIMIT": 2}."""
    for path, value in values.items():
        module, _, name = path.rpartition(".")
        found = importlib.import_module(module)
        assert hasattr(found, name), path
        setattr(found, name, value)


def clock(seed: str, most: float = 86_400.0) -> None:
    """A wall clock that jumps by up to `most` seconds, to and fro, each time it is read. The monotonic one is left."""
    import time  # noqa: PLC0415

    from holdfast import domain  # noqa: PLC0415

    draw = random.Random(seed)
    jumping = SimpleNamespace(time_ns=lambda: time.time_ns() + round(draw.uniform(-most, most) * 1e9))
    setattr(domain, "time", jumping)  # noqa: B010 - a module's name that mypy must not follow


def collect() -> None:
    """Collect garbage in every turn of the loop: a task that nobody holds would not live through it."""
    from holdfast import app  # noqa: PLC0415

    serve = app.serve

    async def serve_and_collect(*arguments: Any) -> None:
        loop = asyncio.get_running_loop()

        def tick() -> None:
            gc.collect()
            loop.call_later(0.001, tick)

        tick()
        await serve(*arguments)

    setattr(app, "serve", serve_and_collect)  # noqa: B010


class Planted(Exception):
    """Something that nobody foresaw."""


def raising(where: str, every: int = 2) -> None:
    """Raise `Planted` inside a coroutine: at the first await of the `every`-th call, the second of the next such.

    The calls between are left alone. `where` is its path, such as "holdfast.titles.Titles.__call__".
    """
    path, _, name = where.rpartition(".")
    module, _, owner_name = path.rpartition(".")
    owner = getattr(importlib.import_module(module), owner_name)
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    async def wrapped(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        coroutine = original(*arguments, **options)
        return await (coroutine if calls % every else _broken(coroutine, calls // every))

    setattr(owner, name, wrapped)


@types.coroutine
def _broken(coroutine: Any, at: int) -> Generator[Any, Any, Any]:
    """Run a coroutine and raise in place of what it awaits for the `at`-th time."""
    count = 0
    step: Callable[[Any], Any] = coroutine.send
    value: Any = None
    while True:
        try:
            future = step(value)
        except StopIteration as end:
            return end.value
        count += 1
        if count == at:
            if future is not None:
                future._asyncio_future_blocking = False  # noqa: SLF001 - it is not awaited after all
                future.cancel()
                yield  # Nothing awaited fails within the turn in which it began: uvloop would crash on that.
            step, value = coroutine.throw, Planted(f"at await {at}")
            continue
        try:
            value, step = (yield future), coroutine.send
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the coroutine's
            value, step = error, coroutine.throw


def publish_first(store_after: float = 1e9) -> None:
    """The defect that matters most: text is shown at once and stored `store_after` seconds later, or at the end."""
    from holdfast.generation.log import Log  # noqa: PLC0415

    flush = Log.flush

    def publish(log: Any, live: Any, pieces: Any) -> None:
        for kind, text in pieces:
            live.seq += 1
            live.channel.publish(live.seq, live.frames.text(live.seq, kind, text))
            _kept(live).append((live.generation.id, live.seq, kind, text))
        if store_after < 1e6:
            asyncio.get_running_loop().call_later(store_after, lambda: asyncio.ensure_future(_store(log, live)))

    async def store(log: Any, live: Any) -> None:
        await _store(log, live)
        await flush(log, live)

    Log.append = publish  # type: ignore[assignment, method-assign]
    Log.flush = store  # type: ignore[assignment, method-assign]


def store_at_end() -> None:
    """The same, at the pace of the product's own batches: what is left out is the commit of each alone."""
    from holdfast.generation.log import Log  # noqa: PLC0415

    flush = Log.flush

    async def keep(_log: Any, rows: Any) -> None:
        for row in rows:
            _unstored.setdefault(row[0], []).append(row)

    async def store(log: Any, live: Any) -> None:
        await flush(log, live)
        await _store(log, live)

    Log._store = keep  # type: ignore[assignment, method-assign]  # noqa: SLF001
    Log.flush = store  # type: ignore[assignment, method-assign]


_unstored: dict[str, list[Any]] = {}


def _kept(live: Any) -> list[Any]:
    return _unstored.setdefault(live.generation.id, [])


async def _store(log: Any, live: Any) -> None:
    if rows := _unstored.pop(live.generation.id, None):
        await log._generations.append(rows)  # noqa: SLF001


def title_wins() -> None:
    """The usual defect: the model's title is written by a plain UPDATE, over whatever a person typed meanwhile."""
    from sqlalchemy import bindparam, update  # noqa: PLC0415

    from holdfast.store import titles  # noqa: PLC0415
    from holdfast.store.schema import conversations as table  # noqa: PLC0415

    plain = (
        update(table)
        .where(table.c.id == bindparam("conversation_id"))
        .values(title=bindparam("new_title"), title_source="auto")
    )
    setattr(titles, "_NAME", plain)  # noqa: B010


CHANGES: Mapping[str, Callable[..., None]] = {
    change.__name__: change for change in (constants, clock, collect, raising, publish_first, store_at_end, title_wins)
}


def main(arguments: list[str]) -> None:
    """Make the changes and serve."""
    for name, options in json.loads(arguments[0]).items():
        CHANGES[name](**options)
    sys.argv = ["holdfast", "serve"]
    from holdfast import commands  # noqa: PLC0415 - after the changes, and never in the process that only names them

    commands.main()


if __name__ == "__main__":
    main(sys.argv[1:])
