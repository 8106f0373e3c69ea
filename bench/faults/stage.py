"""A campaign's stage: its folder, an upstream, a Holdfast and the history, and the check at the end.

The folder is a temporary one, or the one that `--dir` names, which is kept: `checker.py` can be run on it again.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from checker import Verdict, judge_files, recovered
from client import Client
from history import History
from records import runs, streaming
from server import Server
from upstream import Upstream

PATIENCE = 20.0
"""Seconds to wait for the end of what a killed process left; the checker then tells what has none."""


@dataclass(frozen=True)
class Stage:
    """Everything that takes part. The server is not started yet."""

    directory: Path
    history: History
    upstream: Upstream
    server: Server

    def client(self, name: str, port: int = 0) -> Client:
        """A client of the server, or of a proxy that listens on `port`."""
        return Client(name, port or self.server.port, self.history)

    async def start(self) -> float:
        """Start the server; the seconds until it is ready."""
        seconds = await self.server.start()
        self.history.write("ready", epoch=self.server.epoch)
        return seconds

    async def kill(self) -> None:
        """Kill the server."""
        await self.server.kill()
        self.history.write("kill", epoch=self.server.epoch)

    async def settle(self) -> float:
        """Start after a kill and wait until whatever ran before it has its end; in seconds."""
        died, begun, seconds = time.time_ns() // 1000, time.monotonic(), 0.0
        await self.start()
        while await asyncio.to_thread(streaming, self.server.database, died) and seconds < PATIENCE:
            await asyncio.sleep(0.02)
            seconds = time.monotonic() - begun
        return time.monotonic() - begun

    def recovered(self) -> tuple[int, int, list[str]]:
        """How many runs have the cost that the ledger has, of how many that could; and the keys of the others."""
        return recovered(runs(self.server.database), self.upstream.lines())

    async def verdict(self) -> Verdict:
        """End the server as an operator would and judge."""
        if self.server.running:
            await self.server.terminate()
        self.history.flush()
        ledger = self.directory / "ledger.jsonl"
        self.upstream.write_ledger(ledger)
        return await asyncio.to_thread(judge_files, self.history.path, self.server.database, ledger)


@asynccontextmanager
async def stage(directory: Path, **environment: str) -> AsyncIterator[Stage]:
    """A stage in a folder that is there; `environment` goes to the server."""
    with History(directory / "history.jsonl") as history:
        async with Upstream() as upstream:

            async def on_start(epoch: int) -> None:
                await upstream.begin_epoch()
                history.write("start", epoch=epoch)

            async with Server(directory, upstream.base_url, on_start=on_start, environment=environment) as server:
                yield Stage(directory, history, upstream, server)


@contextmanager
def folder(named: Path | None) -> Iterator[Path]:
    """The folder that was named, which must be new and is kept; else one that goes with the campaign."""
    if named is not None:
        named.mkdir(parents=True, exist_ok=True)
        if any(named.iterdir()):
            raise SystemExit(f"{named} is not empty")
        yield named
        return
    with tempfile.TemporaryDirectory(prefix="holdfast-") as made:
        yield Path(made)


def parser(description: str | None) -> argparse.ArgumentParser:
    """The options that every campaign has."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--seed", type=int, default=1, help="every choice follows from it")
    made.add_argument("--dir", type=Path, help="keep everything in this new folder")
    return made
