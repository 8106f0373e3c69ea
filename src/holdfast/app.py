"""Put the pieces together, run them, and take them apart again in the right order. The only reader of `config`."""

import asyncio
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
from holdfast.clearing import Clearing
from holdfast.config import Settings
from holdfast.domain import TaskKind
from holdfast.errors import StartRefused, StorageError
from holdfast.feed import Feed
from holdfast.generation import Engine, Limits
from holdfast.http import Parts, build
from holdfast.http.server import Server
from holdfast.http.stream import Streams
from holdfast.presets import Presets
from holdfast.provider import Provider
from holdfast.provider.catalogue import Catalogue
from holdfast.provider.openrouter import OpenRouter
from holdfast.provider.scripted import Scripted
from holdfast.provider.shelf import Shelf
from holdfast.store import Store, open_store
from holdfast.store.lock import hold_directory
from holdfast.tasks import Tasks, Work
from holdfast.titles import Titles
from holdfast.transfer.imports import Imports
from holdfast.usage import Reconciling

_STATIC: Final = Path(__file__).parent / "static"
_UNSENT: Final = 128 * 1024
"""Bytes that the kernel takes for a connection beyond what is on its way."""

_UNLIMITED: Final = 1_000_000
_log = structlog.get_logger(__name__)

Report = Callable[[str], None]
"""Tells the operator a line."""


async def serve(settings: Settings, report: Report) -> None:
    """Serve until a signal ends it. Raises `StartRefused` and `StorageError` before the first request."""
    with _listening(settings) as listener, hold_directory(settings.data_dir):
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
    shelf = _shelf(settings)
    provider = _provider(settings, shelf)
    catalogue = Catalogue(provider, shelf)
    feed = Feed(store)
    presets = Presets(store, catalogue)
    demo = settings.openrouter_api_key is None
    titles = Titles(
        store,
        feed,
        provider,
        catalogue,
        presets,
        model=settings.title_model,
        ask_nobody=demo or settings.title_model == "off",  # The demo has no model that could name anything.
    )
    reconciling = Reconciling(store, feed, provider)
    works: dict[TaskKind, Work] = {
        TaskKind.TITLE: titles,
        TaskKind.RECONCILE: reconciling.answer,
        TaskKind.RECONCILE_TITLE: reconciling.lines,
    }
    tasks = Tasks(store, works)
    clearing = Clearing(store)
    engine = Engine(store, Bus(), feed, provider, _limits(settings), on_settled=tasks.wake)
    streams = Streams(settings.heartbeat)
    imports = Imports(store, feed, settings.data_dir / "imports")
    heart = asyncio.create_task(streams.beat(), name="heartbeat")
    public = urlsplit(settings.public_url or "")
    try:
        if left := await store.generations.settle_abandoned():
            _log.info("generations.settled", interrupted=left)
            tasks.wake()
        await catalogue.models()
        yield Parts(
            store=store,
            engine=engine,
            chat=Chat(store, feed, engine, catalogue, presets, on_due=tasks.wake, on_deleted=clearing.wake),
            catalogue=catalogue,
            presets=presets,
            imports=imports,
            streams=streams,
            static=_STATIC,
            version=__version__,
            demo=demo,
            prefix=public.path.rstrip("/"),
            hosts=settings.hosts,
            origin=f"{public.scheme}://{public.netloc}" if public.netloc else None,
        )
    finally:
        heart.cancel()
        await imports.aclose()
        await tasks.aclose()
        await clearing.aclose()
        await feed.aclose()
        await catalogue.aclose()
        await provider.aclose()
        await store.aclose()


async def _store(settings: Settings, report: Report) -> Store:
    path = settings.database_path
    try:
        return await open_store(path or settings.database_url.get_secret_value(), report)
    except StorageError as error:
        raise StartRefused(f"The database at {path or 'DATABASE_URL'} cannot be opened: {error.message}") from error


def _shelf(settings: Settings) -> Shelf | None:
    """Where the list of models outlives the process; the demo's is always there."""
    if settings.openrouter_api_key is None:
        return None
    return Shelf(settings.data_dir / "models.json", settings.openrouter_base_url)


def _provider(settings: Settings, shelf: Shelf | None) -> Provider:
    if settings.openrouter_api_key is None:
        return Scripted()
    kept = shelf and shelf.read()
    return OpenRouter(
        settings.openrouter_base_url,
        settings.openrouter_api_key.get_secret_value(),
        is_openrouter=None if settings.dialect == "auto" else settings.dialect == "openrouter",
        presumed=kept.is_openrouter if kept else None,
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
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        # The kernel would take megabytes for a reader who takes nothing, and call each of them progress.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
    with listener:
        yield listener


def _greeting(settings: Settings, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    address = settings.public_url or f"http://{f'[{host}]' if ':' in host else host}:{port}"
    demo = "" if settings.openrouter_api_key else " The demo answers: set OPENROUTER_API_KEY for real models."
    return f"Holdfast {__version__} is ready at {address} (press Ctrl+C to end).{demo}"
