"""Break each promise once and see that something notices.

    .venv/bin/python bench/mutants.py [--only P2] [--list]

A mutant is one small defect, applied to a copy of the source. What is named beside it, a test or a short slice of a
campaign, has to fail on the copy; that it passes on the source is what ./test shows.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PATIENCE = ("-o", "faulthandler_timeout=60")  # A mutant may hang: that is noticed too.
COPIED = ("src", "tests", "bench", "docs", "web/src", "pyproject.toml")


@dataclass(frozen=True)
class Mutant:
    """A defect: `old` becomes `new` in a module, which breaks a promise, which `caught_by` notices."""

    promise: str
    defect: str
    module: str
    old: str
    new: str
    caught_by: str


MUTANTS = (
    Mutant(
        "P1",
        "a message is accepted before the disk has it",
        "store/sqlite.py",
        "full = any(job.durable for job in batch) or time.monotonic() - self._synced > SYNC_INTERVAL",
        "full = False",
        "tests/test_campaign_powercut.py",
    ),
    Mutant(
        "P1",
        "a transaction that turns from reading to writing: BEGIN is deferred",
        "store/sqlite.py",
        'driver.execute("BEGIN IMMEDIATE")\n    for job in batch:',
        'driver.execute("BEGIN")\n    for job in batch:',
        "tests/test_store_sqlite.py",
    ),
    Mutant(
        "P2",
        "text is published before it is stored",
        "generation/log.py",
        "    async def _write(self, entries: list[Entry]) -> None:\n        try:",
        "    async def _write(self, entries: list[Entry]) -> None:\n"
        "        for live, seq, _, frame in entries:\n            live.channel.publish(seq, frame)\n        try:",
        "tests/test_storage.py",
    ),
    Mutant(
        "P3",
        "who is behind the tail gets the last piece again",
        "generation/follow.py",
        "after=self.cursor, limit=_PIECES",
        "after=self.cursor - 1, limit=_PIECES",
        "tests/test_chat.py tests/test_follow.py",
    ),
    Mutant(
        "P3",
        "the sequence begins anew when an answer is settled",
        "events.py",
        "for seq, (kind, length) in enumerate(unpack(generation.spans), STARTED + 1):",
        "for seq, (kind, length) in enumerate(unpack(generation.spans), STARTED):",
        "tests/test_events.py",
    ),
    Mutant(
        "P4",
        "what a crash left running is not settled at the start",
        "app.py",
        "if left := await store.generations.settle_abandoned():",
        "if left := 0:",
        "tests/test_restart.py",
    ),
    Mutant(
        "P4",
        "an answer that ended can end a second time",
        "store/ending.py",
        'if row["status"] != Status.STREAMING:\n        return rows.generation(row)',
        'if row["status"] == "nothing":\n        return rows.generation(row)',
        "tests/test_store_generations.py",
    ),
    Mutant(
        "P5",
        "the provider's id is kept only at the end",
        "generation/engine.py",
        "await self._store.generations.identify(live.generation.id, upstream_id)",
        "pass",
        "tests/test_usage.py tests/test_restart.py",
    ),
    Mutant(
        "P5",
        "what the records say replaces what the stream told",
        "domain.py",
        "theirs if ours is None else ours",
        "ours if theirs is None else theirs",
        "tests/test_usage.py",
    ),
    Mutant(
        "P6",
        "a copy of a request is not recognised",
        "store/generations.py",
        "return Begun(earlier, replayed=True) if earlier else None",
        "return None",
        "tests/test_store_generations.py",
    ),
    Mutant(
        "P7",
        "a call whose connection broke is made again",
        "provider/openrouter.py",
        "            if not never_connected(failure):\n                raise unreachable(failure) from failure\n",
        "            never_connected(failure)\n",
        "tests/test_provider_connections.py tests/test_provider_openrouter.py",
    ),
    Mutant(
        "P8",
        "a reader that leaves takes the answer with it",
        "http/stream.py",
        "            pass\n        self.source.leave()\n",
        "            pass\n        self.source._channel.end(complete=True)\n        self.source.leave()\n",
        "tests/test_chat.py",
    ),
    Mutant(
        "P8",
        "the tail that is kept for readers has no bound",
        "bus/__init__.py",
        "if self._size > TAIL_LIMIT:",
        "if self._size < 0:",
        "tests/test_bus.py",
    ),
    Mutant(
        "P9",
        "Stop is noted and the provider goes on",
        "generation/live.py",
        "self.task.cancel()",
        "pass",
        "tests/test_chat.py",
    ),
    Mutant(
        "P10",
        "a title is written blindly",
        "store/titles.py",
        "            (conversations.c.title_source != TitleSource.USER)\n"
        '            & (conversations.c.title_revision == bindparam("revision_seen")),\n',
        '            conversations.c.title_revision >= bindparam("revision_seen"),\n',
        "tests/test_titles.py",
    ),
    Mutant(
        "P11",
        "what is appended is not fenced by the state of its answer",
        "store/generations.py",
        "\"SELECT id, ?2, ?3, ?4 FROM generations WHERE id = ?1 AND status = 'streaming' \"",
        '"SELECT id, ?2, ?3, ?4 FROM generations WHERE id = ?1 "',
        "tests/test_store_generations.py",
    ),
    Mutant(
        "P11",
        "a deleted conversation begins anew when its message is sent again",
        "store/deletion.py",
        '        connection.execute(_SPEND_KEYS, {"message_ids": found})\n',
        "",
        "tests/test_chat.py",
    ),
    Mutant(
        "P11",
        "what is left of a deleted conversation is found",
        "store/schema.py",
        "not_deleted = conversations.c.deleted_at.is_(None)\n",
        "not_deleted = conversations.c.number > 0\n",
        "tests/test_deletion.py",
    ),
    Mutant(
        "P13",
        "lines end where Python says so, not where the protocol does",
        "provider/sse.py",
        "lines = data.splitlines()",
        'lines = [line.encode() for line in data.decode("utf-8", "replace").splitlines()]',
        "tests/test_provider_sse.py",
    ),
    Mutant(
        "P14",
        "everything is taken on",
        "generation/engine.py",
        "if len(self._live) + self._admitted + count > self._limits.running:",
        "if self._limits.running < 0:",
        "tests/test_limits.py",
    ),
    Mutant(
        "P15",
        "a shutdown does not wait for what runs",
        "generation/engine.py",
        "await asyncio.wait(tasks, timeout=drain)",
        "await asyncio.wait(tasks, timeout=0)",
        "tests/test_limits.py",
    ),
    Mutant(
        "P16",
        "text goes on being shown when it cannot be stored",
        "generation/log.py",
        "                live.channel.wake()\n            return\n",
        "                live.channel.wake()\n",
        "tests/test_storage.py",
    ),
    Mutant(
        "P16",
        "a disk that takes nothing is called ready",
        "store/sqlite.py",
        "        if self._failed:\n",
        "        if False:\n",
        "tests/test_storage.py",
    ),
)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="mutants of one promise, such as P2")
    parser.add_argument("--list", action="store_true", help="name them, see that each can be applied, and end")
    options = parser.parse_args(arguments)
    chosen = [mutant for mutant in MUTANTS if options.only in (None, mutant.promise)]
    alive = []
    for mutant in chosen:
        begin = time.monotonic()
        apply(mutant, ROOT / "src/holdfast", write=False)
        fate = "" if options.list else ("caught" if is_caught(mutant) else "ALIVE")
        alive += [mutant] if fate == "ALIVE" else []
        took = "" if options.list else f" {time.monotonic() - begin:4.0f} s"
        print(f"{mutant.promise:4} {fate:7}{took} {mutant.defect}  ({mutant.caught_by})", flush=True)
    if not options.list:
        print(f"{len(chosen) - len(alive)} of {len(chosen)} mutants were caught.")
    return 1 if alive else 0


def apply(mutant: Mutant, package: Path, *, write: bool = True) -> None:
    """Put the defect into a copy of the package, or only see that it fits. Raises `SystemExit` where it does not."""
    module = package / mutant.module
    text = module.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        raise SystemExit(f"{mutant.module} has no longer what the mutant “{mutant.defect}” changes.")
    if write:
        module.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")


def is_caught(mutant: Mutant) -> bool:
    """Whether the tests that are named fail on a copy of the source with the defect, and for no other reason."""
    with tempfile.TemporaryDirectory(prefix="holdfast-mutant-") as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            ignored = shutil.ignore_patterns("__pycache__")
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=ignored)
            else:
                shutil.copy(source, copy / name)
        apply(mutant, copy / "src/holdfast")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            *PATIENCE,
            *mutant.caught_by.split(),
        ]
        environment = os.environ | {"PYTHONPATH": str(copy / "src")}
        run = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
        if run.returncode not in (0, 1):
            raise SystemExit(f"The tests did not run: {run.stdout[-2000:]}{run.stderr[-2000:]}")
        return run.returncode == 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
