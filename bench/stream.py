"""What a token costs, and how soon the first one comes, with N answers streaming at once.

    .venv/bin/python bench/stream.py [--streams 1,100,500] [--tokens 300] [--rate 30]

Starts a paced upstream, a fresh Holdfast and, where it is installed, nginx as a byte proxy in front of the same
upstream: the floor of what a machine asks for. Quote ratios of one run; seconds differ between machines. Every stream
must arrive exactly. `late` is how late the bench itself wrote a token: above a few milliseconds it is the limit.
"""

import argparse
import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
TICKS = os.sysconf("SC_CLK_TCK")
NGINX = """
daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 20000; pid {run}/nginx.pid;
error_log {run}/nginx.log warn; events {{ worker_connections 16000; }}
http {{
  access_log off; client_body_temp_path {run}/b; proxy_temp_path {run}/p; fastcgi_temp_path {run}/f;
  uwsgi_temp_path {run}/u; scgi_temp_path {run}/s;
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{
    proxy_pass http://127.0.0.1:{upstream}; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_buffering off; tcp_nodelay on; }} }}
}}
"""


@dataclass
class Upstream:
    """Sends `tokens` predictable tokens at `rate` a second to everybody who asks for a completion."""

    tokens: int
    rate: float
    late: float = 0.0

    def text(self) -> str:
        """What every answer is."""
        return "".join(f"t{number} " for number in range(self.tokens))

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection, one request after the other."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    (int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"), 0
                )
                body = await reader.readexactly(length)
                await (self.complete(writer, body) if b"/chat/completions" in head else self._models(writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _models(self, writer: asyncio.StreamWriter) -> None:
        body = json.dumps({"data": [{"id": "bench/model", "name": "Bench"}]}).encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )

    async def complete(self, writer: asyncio.StreamWriter, _body: bytes) -> None:
        """Write one answer."""
        loop = asyncio.get_running_loop()
        writer.write(HEAD)
        begun = loop.time()
        for number in range(self.tokens):
            due = begun + number / self.rate
            if (wait := due - loop.time()) > 0:
                await asyncio.sleep(wait)
            self.late = max(self.late, loop.time() - due)
            writer.write(chunk({"delta": {"content": f"t{number} "}}))
        writer.write(chunk({"delta": {}, "finish_reason": "stop"}) + _framed(b"data: [DONE]\n\n") + b"0\r\n\r\n")


def chunk(choice: dict[str, object]) -> bytes:
    """A choice as a chunk of a completion, framed."""
    payload = {"id": "gen-1", "model": "bench/model", "provider": "Bench", "choices": [{"index": 0, **choice}]}
    return _framed(b"data: " + json.dumps(payload).encode() + b"\n\n")


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@dataclass
class Answer:
    """One stream as its reader saw it. Times are those of the loop."""

    text: str
    first: float
    complete: bool


async def ask(port: int, path: str, body: bytes) -> Answer:
    """Send one message and read the answer to its end."""
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    writer.write(
        b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (path.encode(), len(body), body)
    )
    sent, first, text, complete = loop.time(), 0.0, [], False
    while line := await reader.readline():
        if not line.startswith(b"data: "):
            continue
        complete = complete or line.startswith(b"data: [DONE]") or b'"done":true' in line
        if line[6:7] != b"{":
            continue
        event = json.loads(line[6:])
        choices = event.get("choices") or [{}]
        if piece := event.get("content") or choices[0].get("delta", {}).get("content"):
            first = first or loop.time() - sent
            text.append(piece)
    writer.close()
    return Answer("".join(text), first, complete)


@dataclass(frozen=True)
class System:
    """A server under test and what it is sent."""

    name: str
    pid: int
    port: int
    path: str
    body: bytes


@contextmanager
def server(command: Sequence[str], port: int, **environment: str) -> Iterator[int]:
    """A process under test on CPU 0, the bench being on the others; its id once it listens."""
    process = subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.DEVNULL)
    os.sched_setaffinity(process.pid, {0})
    try:
        deadline = time.monotonic() + 30
        with socket.socket() as probe:
            while probe.connect_ex(("127.0.0.1", port)):
                if time.monotonic() > deadline or process.poll() is not None:
                    raise SystemExit(f"{command[0]} does not listen")
                time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def spent(pid: int) -> float:
    """Processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(pid: int) -> float:
    """Megabytes that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


async def measure(system: System, upstream: Upstream, streams: int) -> None:
    """Open so many streams at 250 a second and print their row."""
    loop = asyncio.get_running_loop()
    upstream.late, before, begun = 0.0, spent(system.pid), loop.time()

    async def one(number: int) -> Answer:
        await asyncio.sleep(begun + number / 250 - loop.time())
        return await ask(system.port, system.path, system.body)

    answers = await asyncio.gather(*(one(number) for number in range(streams)))
    exact = sum(answer.complete and answer.text == upstream.text() for answer in answers)
    firsts = sorted(answer.first * 1000 for answer in answers)
    cost = (spent(system.pid) - before) / (streams * upstream.tokens) * 1e6
    print(
        f"{system.name:10}{streams:8}{exact:8}{cost:12.1f}{firsts[len(firsts) // 2]:12.1f}{firsts[-1]:12.1f}"
        f"{resident(system.pid):10.0f}{upstream.late * 1000:8.1f}",
        flush=True,
    )


async def start(running: ExitStack, run: str, source: int) -> list[System]:
    """The systems that this machine can run."""
    systems = []
    if nginx := shutil.which("nginx"):
        configuration = Path(run) / "nginx.conf"
        configuration.write_text(NGINX.format(run=run, port=source + 1, upstream=source), "utf-8")
        command = [nginx, "-p", run, "-c", str(configuration)]
        pid = await asyncio.to_thread(running.enter_context, server(command, source + 1))
        body = b'{"model": "bench/model", "messages": [], "stream": true}'
        systems.append(System("nginx", pid, source + 1, "/v1/chat/completions", body))
    environment = {
        "OPENROUTER_BASE_URL": f"http://127.0.0.1:{source}/v1",
        "OPENROUTER_API_KEY": "bench",
        "HOLDFAST_DATA_DIR": f"{run}/data",
        "HOLDFAST_LIMITS": "off",
        "PORT": str(source + 2),
    }
    command = [sys.executable, "-m", "holdfast", "serve"]
    pid = await asyncio.to_thread(running.enter_context, server(command, source + 2, **environment))
    body = b'{"message": "Go.", "model_id": "bench/model"}'
    return [*systems, System("holdfast", pid, source + 2, "/chat", body)]


async def main(options: argparse.Namespace) -> None:
    """Print the table."""
    upstream = Upstream(options.tokens, options.rate)
    listener = await asyncio.start_server(upstream.answer, "127.0.0.1", 0, backlog=4096, limit=1 << 22)
    source = listener.sockets[0].getsockname()[1]
    print("system     streams   exact    µs/token   first p50   first max        MB    late")
    with tempfile.TemporaryDirectory() as run, ExitStack() as running:
        systems = await start(running, run, source)
        for streams in map(int, options.streams.split(",")):
            for system in systems:
                await measure(system, upstream, streams)
    listener.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", default="1,100,500")
    parser.add_argument("--tokens", type=int, default=300)
    parser.add_argument("--rate", type=float, default=30.0)
    os.sched_setaffinity(0, set(range(1, os.cpu_count() or 2)) or {0})
    uvloop.run(main(parser.parse_args()))
