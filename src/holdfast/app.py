"""Put the pieces together, run them, and take them apart again in the right order. The only reader of `config`."""

import asyncio
import fcntl
import gc
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog

from holdfast import __version__
from holdfast.bus import Bus
from holdfast.chat import Chat
from holdfast.config import Settings
from holdfast.errors import StartRefused, StorageError
from holdfast.generation import Engine, Limits
from holdfast.http import Parts, build
from holdfast.http.server import Server
from holdfast.http.stream import Streams
from holdfast.provider import Provider
from holdfast.provider.catalogue import Catalogue
from holdfast.provider.openrouter import OpenRouter
from holdfast.provider.scripted import Scripted
from holdfast.store import Store, open_store

_STATIC: Final = Path(__file__).parent / "static"
_UNLIMITED: Final = 1_000_000
_log = structlog.get_logger(__name__)

Report = Callable[[str], None]
"""Tells the operator a line."""


async def serve(settings: Settings, report: Report) -> None:
    """Serve until a signal ends it. Raises `StartRefused` and `StorageError` before the first request."""
    with _listening(settings) as listener, _locked(settings.data_dir):
        async with _opened(settings, report) as parts:
            streams, engine = parts.streams, parts.engine
            server: Server

            def on_exit() -> None:
                engine.begin_closing(at_once=server.force_exit)
                streams.close()

            server = Server(
                build(parts),
                trusted_proxies=settings.forwarded_allow_ips,
                on_ready=lambda: report(_greeting(settings, listener)),
                on_exit=on_exit,
            )
            gc.freeze()  # What is here by now stays: the collector need not look through it again and again.
            try:
                await server.serve(sockets=[listener])
            finally:
                await engine.aclose(settings.drain_limit)
                server.release_signals()


@asynccontextmanager
async def _opened(settings: Settings, report: Report) -> AsyncIterator[Parts]:
    """The parts, wired; whatever an earlier process left running is settled before anybody can ask."""
    store = await _store(settings, report)
    provider = _provider(settings)
    catalogue = Catalogue(provider)
    engine = Engine(store, Bus(), provider, _limits(settings))
    streams = Streams(settings.heartbeat)
    heart = asyncio.create_task(streams.beat(), name="heartbeat")
    public = urlsplit(settings.public_url or "")
    try:
        if left := await store.generations.settle_abandoned():
            _log.info("generations.settled", interrupted=left)
        await catalogue.models()
        yield Parts(
            store=store,
            engine=engine,
            chat=Chat(store, engine, catalogue),
            catalogue=catalogue,
            streams=streams,
            static=_STATIC,
            version=__version__,
            demo=settings.openrouter_api_key is None,
            prefix=public.path.rstrip("/"),
            hosts=settings.hosts,
            origin=f"{public.scheme}://{public.netloc}" if public.netloc else None,
        )
    finally:
        heart.cancel()
        await catalogue.aclose()
        await provider.aclose()
        await store.aclose()


async def _store(settings: Settings, report: Report) -> Store:
    url = settings.database_url.get_secret_value()
    scheme, _, path = url.partition("://")
    path = f"/{path.lstrip('/')}"
    try:
        return await open_store(Path(path) if scheme == "sqlite" else url, report)
    except StorageError as error:
        place = path if scheme == "sqlite" else "DATABASE_URL"
        raise StartRefused(f"The database at {place} cannot be opened: {error.message}") from error


def _provider(settings: Settings) -> Provider:
    if settings.openrouter_api_key is None:
        return Scripted()
    return OpenRouter(
        settings.openrouter_base_url,
        settings.openrouter_api_key.get_secret_value(),
        is_openrouter=settings.dialect == "openrouter",
        transport=settings.transport,
        attribution=settings.attribution,
        app_url=settings.public_url or f"http://localhost:{settings.port}",
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        first_token=settings.first_token_limit,
        idle=settings.idle_limit,
        total=settings.answer_limit,
        running=settings.max_running if settings.limits else _UNLIMITED,
    )


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """The socket, taken before anything else so that a second start changes nothing."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        raise StartRefused(
            f"PORT: {settings.host}:{settings.port} cannot be listened on ({os.strerror(error.errno or 0)}); "
            "end the program that uses it or set another PORT"
        ) from error
    with listener:
        yield listener


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    """The data directory, for this process alone. The lock goes with the process, however it ends."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (data_dir / "holdfast.lock").open("a+")
    except OSError as error:
        raise StartRefused(f"HOLDFAST_DATA_DIR: {data_dir} cannot be written to ({error.strerror})") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise StartRefused(
                f"HOLDFAST_DATA_DIR: {data_dir} is in use by another Holdfast, process {holder}; "
                "end it or set another directory"
            ) from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _greeting(settings: Settings, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    address = settings.public_url or f"http://{f'[{host}]' if ':' in host else host}:{port}"
    demo = "" if settings.openrouter_api_key else " The demo answers: set OPENROUTER_API_KEY for real models."
    return f"Holdfast {__version__} is ready at {address} (press Ctrl+C to end).{demo}"
