"""A Holdfast in a process of its own, always on the same port and data directory, to be killed and started again.

The command is this interpreter's `-m holdfast serve`, or what HOLDFAST_BIN names. Compiled modules go to a folder of
the campaign or to PYTHONPYCACHEPREFIX, so that a second start is quick whatever the environment says.
"""

import asyncio
import os
import shlex
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Self

_PORTS = (20000, 32000)  # Below the kernel's own: a client must not be given the server's port while it is down.
_START_LIMIT = 60.0


class ServerEnded(Exception):
    """It ended before it was ready; the text is what it wrote to stderr."""


def free_port(random: Random | None = None) -> int:
    """A port that nobody listens on and that the kernel gives to nobody by itself."""
    draw = random or Random()
    while True:
        port = draw.randrange(*_PORTS)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


class Server:
    """`async with Server(directory, upstream_url) as server:` is left killed where it still runs."""

    def __init__(
        self,
        directory: Path,
        upstream: str,
        *,
        port: int = 0,
        prefix: Sequence[str] = (),
        on_start: Callable[[int], Awaitable[None]] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.port = port or free_port()
        self.epoch = 0
        self.ready_seconds: list[float] = []
        self.prefix = list(prefix)
        self._on_start = on_start
        self._environment = _environment(directory, upstream, self.port, environment or {})
        self._process: asyncio.subprocess.Process | None = None
        self._drain: asyncio.Task[bytes] | None = None

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.data / "holdfast.sqlite3"

    @property
    def log(self) -> Path:
        """What it wrote to stderr, over all its lives."""
        return self.directory / "server.log"

    @property
    def pid(self) -> int:
        """Its process, or that of the command in `prefix`."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """It was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def spawn(self) -> None:
        """Start it and do not wait. The epoch counts the starts from 1."""
        assert not self.running
        self.epoch += 1
        if self._on_start:
            await self._on_start(self.epoch)
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.prefix,
                *_command(),
                env=self._environment,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )

    async def ready(self) -> float:
        """Wait until it says that it is ready; the seconds since this was called. Raises `ServerEnded`."""
        assert self._process is not None
        assert self._process.stdout is not None
        begun, line = time.monotonic(), b""
        async with asyncio.timeout(_START_LIMIT):
            while b"ready at" not in line:
                line = await self._process.stdout.readline()
                if not line:
                    await self._process.wait()
                    raise ServerEnded(self.log.read_text("utf-8", "replace")[-4000:])
        self._drain = asyncio.create_task(self._process.stdout.read())
        self.ready_seconds.append(time.monotonic() - begun)
        return self.ready_seconds[-1]

    async def start(self) -> float:
        """Start it and wait until it is ready; how many seconds that took."""
        await self.spawn()
        return await self.ready()

    async def kill(self) -> None:
        """SIGKILL to it and whatever it started, and wait until it is gone."""
        await self._end(signal.SIGKILL)

    async def terminate(self) -> int:
        """SIGTERM, and wait; its exit code."""
        return await self._end(signal.SIGTERM)

    async def exited(self) -> int:
        """Wait until it has ended by itself; its exit code."""
        assert self._process is not None
        code = await self._process.wait()
        if self._drain:
            await self._drain
            self._drain = None
        return code

    async def _end(self, number: signal.Signals) -> int:
        if self.running:
            os.killpg(self.pid, number)
        return await self.exited()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.running:
            await self.kill()


def _command() -> list[str]:
    named = os.environ.get("HOLDFAST_BIN")
    return [*shlex.split(named), "serve"] if named else [sys.executable, "-m", "holdfast", "serve"]


def _environment(directory: Path, upstream: str, port: int, more: Mapping[str, str]) -> dict[str, str]:
    environment = os.environ | {
        "OPENROUTER_API_KEY": "sk-or-v1-campaign",
        "OPENROUTER_BASE_URL": upstream,
        "HOLDFAST_PROVIDER": "openrouter",
        "HOLDFAST_DATA_DIR": str(directory / "data"),
        "HOLDFAST_TITLE_MODEL": "acme/chat-1:free",
        "HOLDFAST_LIMITS": "off",
        "HOST": "127.0.0.1",
        "PORT": str(port),
    }
    environment.setdefault("PYTHONPYCACHEPREFIX", str(directory / "bytecode"))
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**environment, **more}
