"""What the routes are given to work with, and who is asking."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from fastapi import Depends, Request

from holdfast.chat import Chat
from holdfast.domain import PERSONAL_OWNER, OwnerId
from holdfast.errors import NotFound
from holdfast.generation import Engine
from holdfast.http.stream import Streams
from holdfast.presets import Presets
from holdfast.provider.catalogue import Catalogue
from holdfast.store import Store
from holdfast.transfer.imports import Imports

_ID: Final = re.compile(r"[0-9a-z]{26}")


@dataclass(frozen=True, slots=True)
class Parts:
    """The application's parts as far as the web face calls them. `prefix` is the path a proxy puts before ours."""

    store: Store
    engine: Engine
    chat: Chat
    catalogue: Catalogue
    presets: Presets
    imports: Imports
    streams: Streams
    static: Path
    version: str
    demo: bool
    prefix: str
    hosts: frozenset[str]
    origin: str | None


async def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


async def _owner() -> OwnerId:
    """Personal mode: whoever reaches the loopback address is the owner; `guard` has checked the Host header."""
    return PERSONAL_OWNER


def is_id(value: str) -> bool:
    """Whether it is an id as we make them; anything else cannot exist."""
    return _ID.fullmatch(value) is not None


def checked_id(value: str) -> str:
    """An id. Raises `NotFound`."""
    if not is_id(value):
        raise NotFound
    return value


async def _path_id(id: str) -> str:  # noqa: A002 - the name in the path
    return checked_id(id)


Wired = Annotated[Parts, Depends(_parts)]
Owner = Annotated[OwnerId, Depends(_owner)]
PathId = Annotated[str, Depends(_path_id)]
