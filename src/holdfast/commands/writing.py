"""A file that appears whole or not at all, for what is written out."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from holdfast.errors import StartRefused
from holdfast.store.backup import put, unwritable


@contextmanager
def written(file: Path | None, *, replace: bool) -> Iterator[BinaryIO]:
    """What to write to; None: the standard output. Raises `StartRefused`."""
    if file is None:
        yield sys.stdout.buffer
        return
    if file.is_dir():
        raise StartRefused(f"{file} is a folder. Name a file in it.")
    if not replace and os.path.lexists(file):
        raise StartRefused(f"{file} is there already and is left as it is. Name another file, or add --force.")
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    try:
        with partial.open("xb") as target:
            yield target
            target.flush()
            os.fsync(target.fileno())
        put(partial, file)
    except OSError as error:
        raise unwritable(file.absolute().parent, error) from error
    finally:
        partial.unlink(missing_ok=True)
