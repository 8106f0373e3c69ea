"""A disk that keeps what was synced and may lose, reorder or tear everything else, and what a power cut leaves of it.

What was written to a file before a sync of it began is there once that sync has ended. Of every other write any sectors
of 512 bytes may have arrived, in any order; a file may have its later length without what belongs there. Names made or
removed since the last sync of their directory hold up to some point in their order. The directory itself is there, and
what SQLite shares in memory (`-shm`) is gone. A write without a place appends, as to the files that hold a lock.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal, get_args

from strace import Call, Unknown

Variant = Literal["dropped", "kept", "subset", "sectors", "pages", "cut"]
"""What became of the writes that no sync covers: all lost; all there; each by chance; each sector or page of each by
chance; all up to some moment, of whose last write only some sectors."""

VARIANTS: tuple[Variant, ...] = get_args(Variant)
SECTOR, PAGE = 512, 4096
SYNCS = frozenset({"fsync", "fdatasync"})
_IGNORED = frozenset({"mkdir", "sync_file_range"})


@dataclass(slots=True)
class _Change:
    """A write, or with `data` None a truncation to `place`."""

    order: int
    place: int
    data: bytes | None


@dataclass(eq=False, slots=True)
class _File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[_Change] = field(default_factory=list)


@dataclass(slots=True)
class _Naming:
    """A name is given to a file, or with None taken away."""

    order: int
    name: str
    file: _File | None


class Disk:
    """The files of one directory. `ignore_syncs` is for tests: a disk that lies."""

    def __init__(self, directory: Path, *, ignore_syncs: bool = False) -> None:
        self._prefix = f"{directory}/"
        self._directory = str(directory)
        self._ignore_syncs = ignore_syncs
        self._names: dict[str, _File] = {}  # as the program sees them
        self._durable: dict[str, _File] = {}
        self._namings: list[_Naming] = []

    def apply(self, call: Call) -> None:
        """Do what a call did; a sync is to be given where it ended. Raises `Unknown`."""
        if call.name in SYNCS:
            self._sync(call)
        elif call.name in ("openat", "creat"):
            self._open(call)
        elif call.name.startswith("unlink"):
            if file := self._names.pop(self._name(call.path), None):
                del file
                self._namings.append(_Naming(call.begun, self._name(call.path), None))
        elif call.name.startswith("rename"):
            self._rename(call)
        elif call.name in ("ftruncate", "truncate", "pwrite64", "write"):
            self._change(call)
        elif call.name not in _IGNORED:
            raise Unknown(f"{call.name} of {call.path}")

    def content(self, name: str) -> bytes | None:
        """A file as the program sees it."""
        file = self._names.get(name)
        return None if file is None else bytes(_applied(file.durable, file.pending))

    def names(self) -> set[str]:
        """The files that the program sees."""
        return set(self._names)

    def image(self, variant: Variant, random: Random) -> dict[str, bytearray]:
        """The files that a power cut now would leave."""
        kept = {"dropped": 0, "kept": len(self._namings)}.get(variant, random.randint(0, len(self._namings)))
        names = dict(self._durable)
        _name_all(names, self._namings[:kept])
        return {name: _remains(file, variant, random) for name, file in names.items() if not name.endswith("-shm")}

    def _name(self, path: str) -> str:
        return path.removeprefix(self._prefix)

    def _open(self, call: Call) -> None:
        name = self._name(call.path)
        if name not in self._names:
            if not call.creates:
                return  # The directory, to sync it.
            self._names[name] = _File()
            self._namings.append(_Naming(call.begun, name, self._names[name]))
        if call.empties:
            self._names[name].pending.append(_Change(call.begun, 0, None))

    def _rename(self, call: Call) -> None:
        old, new = self._name(call.path), self._name(call.target)
        file = self._names.pop(old)
        self._names[new] = file
        self._namings += [_Naming(call.begun, new, file), _Naming(call.begun, old, None)]

    def _change(self, call: Call) -> None:
        file = self._names.get(self._name(call.path))
        if file is None:  # It was removed, and is written by who still has it open.
            return
        place = len(_applied(file.durable, file.pending)) if call.name == "write" else call.place
        if place < 0:
            raise Unknown(f"{call.name} of {call.path} at no place")
        file.pending.append(_Change(call.begun, place, None if call.name.endswith("truncate") else call.data))

    def _sync(self, call: Call) -> None:
        if self._ignore_syncs:
            return
        if call.path == self._directory:
            _name_all(self._durable, [naming for naming in self._namings if naming.order < call.begun])
            self._namings = [naming for naming in self._namings if naming.order >= call.begun]
        elif file := self._names.get(self._name(call.path)):
            file.durable = _applied(file.durable, [each for each in file.pending if each.order < call.begun], own=True)
            file.pending = [each for each in file.pending if each.order >= call.begun]


def _name_all(names: dict[str, _File], namings: Iterable[_Naming]) -> None:
    for naming in namings:
        if naming.file is None:
            names.pop(naming.name, None)
        else:
            names[naming.name] = naming.file


def _applied(content: bytearray, changes: Iterable[_Change], *, own: bool = False) -> bytearray:
    """The content after these changes; `own`: it may be changed itself."""
    content = content if own else bytearray(content)
    for change in changes:
        if change.data is None:
            del content[change.place :]
            content.extend(bytes(change.place - len(content)))
            continue
        content.extend(bytes(max(0, change.place - len(content))))
        content[change.place : change.place + len(change.data)] = change.data
    return content


def _remains(file: _File, variant: Variant, random: Random) -> bytearray:
    """What is left of a file."""
    if variant == "dropped" or not file.pending:
        return bytearray(file.durable)
    if variant == "kept":
        return _applied(file.durable, file.pending)
    share = random.choice((0.1, 0.5, 0.9))
    if variant == "subset":
        survivors = [change for change in file.pending if random.random() < share]
    elif variant == "cut":
        until = random.randrange(len(file.pending))
        survivors = [*file.pending[:until], *_torn(file.pending[until], SECTOR, 0.5, random)]
    else:
        block = SECTOR if variant == "sectors" else PAGE
        survivors = [part for change in file.pending for part in _torn(change, block, share, random)]
    content = _applied(file.durable, survivors)
    longest = len(_applied(file.durable, file.pending))
    if len(content) < longest and random.random() < 0.3:
        content.extend(bytes(longest - len(content)))
    return content


def _torn(change: _Change, block: int, share: float, random: Random) -> list[_Change]:
    """The blocks of a write that arrived."""
    if change.data is None:
        return [change] if random.random() < share else []
    parts = []
    start, end = change.place, change.place + len(change.data)
    while start < end:
        edge = min(end, (start // block + 1) * block)
        if random.random() < share:
            parts.append(_Change(change.order, start, change.data[start - change.place : edge - change.place]))
        start = edge
    return parts
