"""The last list of models, kept on the disk, so that a start knows it before the provider has answered.

It is a convenience: a file that is missing, damaged, of another version or of another provider counts as none, and a
disk that takes none is only told of in the log.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import structlog

from holdfast.domain import Model

VERSION: Final = 1
"""Of the file's shape; any other one is not read."""

_BYTES: Final = 8 << 20
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Listing:
    """A list as it was at a time. `is_openrouter`: what the provider was taken for."""

    version: int
    source: str
    listed_at: int
    is_openrouter: bool | None
    models: list[Model]


class Shelf:
    """The file in which the list of the provider at `source` is kept."""

    def __init__(self, path: Path, source: str) -> None:
        self._path = path
        self._source = source

    def read(self) -> Listing | None:
        """The list that was kept last, if it is one of this provider."""
        try:
            with self._path.open("rb") as file:
                found = msgspec.json.decode(file.read(_BYTES), type=Listing)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            _log.info("models.not_read", error=type(error).__name__)
            return None
        fits = found.version == VERSION and found.source == self._source and found.models
        return found if fits else None

    def write(self, models: list[Model], listed_at: int, *, is_openrouter: bool | None) -> None:
        """Keep a list in place of the one before, whole or not at all."""
        listing = Listing(VERSION, self._source, listed_at, is_openrouter, models)
        partial = self._path.with_name(f"{self._path.name}.partial")
        try:
            partial.write_bytes(msgspec.json.encode(listing))
            partial.replace(self._path)
        except OSError as error:
            _log.info("models.not_kept", error=type(error).__name__)
            partial.unlink(missing_ok=True)
