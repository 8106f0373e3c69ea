"""Whether streams notice a backup: N answers streaming while `holdfast backup` copies a database of M MiB.

    .venv/bin/python bench/backup.py [--streams 100] [--mib 500]

Starts a paced upstream and a fresh Holdfast on a filled database. `gap` is the time between two frames of one stream,
`late` how late the bench itself wrote a token in all. Every stream must arrive exactly, and the copy must be whole.
"""

import argparse
import asyncio
import json
import os
import sqlite3
import sys
import tempfile
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import uvloop
from stream import Upstream, server

RATE = 30.0
SECONDS = 14.0
FILLER = "What was said here long ago, and is kept. " * 95
PHASES = ("before", "during", "after")


@dataclass
class Gaps:
    """The milliseconds between two frames of a stream, by what happened meanwhile."""

    phase: str = "before"
    found: dict[str, list[float]] = field(default_factory=lambda: {phase: [] for phase in PHASES})

    def row(self, phase: str) -> str:
        """One line of the table."""
        gaps = sorted(self.found[phase])
        p50, p99, most = gaps[len(gaps) // 2], gaps[int(len(gaps) * 0.99)], gaps[-1]
        return f"{phase:8}{len(gaps):9}{p50:10.1f}{p99:10.1f}{most:10.1f}"


def fill(path: Path, mib: int) -> None:
    """Old conversations of this size, one message each."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for number in range(mib * 1024 * 1024 // 4400):
            about = ("title", "user", 1, 1)
            connection.execute(
                "INSERT INTO conversations (id, owner_id, title, title_source, created_at, updated_at)"
                " VALUES (?, 'owner', ?, ?, ?, ?)",
                (f"c{number:025}", *about),
            )
            connection.execute(
                "INSERT INTO messages (id, conversation_id, role, content, status, created_at)"
                " VALUES (?, ?, 'user', ?, 'complete', 1)",
                (f"m{number:025}", f"c{number:025}", FILLER),
            )


async def ask(port: int, gaps: Gaps) -> str:
    """Send one message and read the answer to its end."""
    loop = asyncio.get_running_loop()
    body = b'{"message": "Go.", "model_id": "bench/model"}'
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    writer.write(
        b"POST /chat HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    last, text = 0.0, []
    while line := await reader.readline():
        if line.startswith(b'data: {"type":"content"'):
            if last:
                gaps.found[gaps.phase].append((loop.time() - last) * 1000)
            last = loop.time()
            text.append(json.loads(line[6:])["content"])
    writer.close()
    return "".join(text)


async def back_up(environment: dict[str, str], target: Path, gaps: Gaps) -> None:
    """Run the command in the middle, and say what it took."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(SECONDS / 3)
    gaps.phase, begun = "during", loop.time()
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "holdfast", "backup", str(target)), env=os.environ | environment
    )
    os.sched_setaffinity(command.pid, range(os.cpu_count() or 1))
    status = await command.wait()
    gaps.phase = "after"
    wal = os.stat(f"{environment['HOLDFAST_DATA_DIR']}/holdfast.sqlite3-wal").st_size / 2**20  # noqa: PTH116
    print(f"the backup took {loop.time() - begun:.1f} s, status {status}; the log had grown to {wal:.1f} MiB")


async def main(options: argparse.Namespace) -> None:
    """Print the table."""
    upstream = Upstream(int(RATE * SECONDS), RATE)
    listener = await asyncio.start_server(upstream.answer, "127.0.0.1", 0, backlog=4096, limit=1 << 22)
    source = listener.sockets[0].getsockname()[1]
    with tempfile.TemporaryDirectory() as run, ExitStack() as running:
        environment = {
            "OPENROUTER_BASE_URL": f"http://127.0.0.1:{source}/v1",
            "OPENROUTER_API_KEY": "bench",
            "HOLDFAST_TITLE_MODEL": "off",
            "HOLDFAST_DATA_DIR": f"{run}/data",
            "PORT": str(source + 1),
        }
        command = [sys.executable, "-m", "holdfast", "serve"]
        with ExitStack() as once:
            await asyncio.to_thread(once.enter_context, server(command, source + 1, **environment))
            await asyncio.sleep(1)
        database = Path(run) / "data" / "holdfast.sqlite3"
        await asyncio.to_thread(fill, database, options.mib)
        await asyncio.to_thread(running.enter_context, server(command, source + 1, **environment))
        gaps, target = Gaps(), Path(run) / "one.backup"
        asked = (ask(source + 1, gaps) for _ in range(options.streams))
        _, *texts = await asyncio.gather(back_up(environment, target, gaps), *asked)
        exact = sum(text == upstream.text() for text in texts)
        print(f"exact: {exact} of {len(texts)}; late {upstream.late * 1000:.1f} ms")
        print("phase      frames   gap p50   gap p99   gap max   (ms)")
        for phase in PHASES:
            print(gaps.row(phase))
    listener.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--mib", type=int, default=500)
    os.sched_setaffinity(0, set(range(1, os.cpu_count() or 2)) or {0})
    uvloop.run(main(parser.parse_args()))
