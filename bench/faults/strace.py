"""What a process writes, syncs and sends, in the order in which it does so: strace's record of it, read back.

The order is that of strace's lines: a call begins at one and ends at the same or, where other threads came between, at
a later one.
"""

import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

CALLS = (
    "openat,creat,pwrite64,write,writev,pwritev,pwritev2,fsync,fdatasync,sync_file_range,ftruncate,truncate,fallocate,"
    "unlink,unlinkat,rename,renameat,renameat2,mkdir,link,linkat,copy_file_range,sendfile,sendto,sendmsg"
)
MISSING = "strace is not installed. It is Debian's package strace: sudo apt-get install strace"

_LINE = re.compile(rb"(\d+) +(\d+\.\d+) (\w+)\((.*)\) += (-?\d+)(?:<([^>]*)>)?.*<(\d+\.\d+)>")
_UNFINISHED = b" <unfinished ...>"
_RESUMED = re.compile(rb"(\d+) +(\d+\.\d+) <\.\.\. (\w+) resumed>(.*)")
_DESCRIPTOR = re.compile(rb"(-?\d+|AT_FDCWD)<([^>]*)>(\(deleted\))?")
_STRING = re.compile(rb'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(frozen=True, slots=True)
class Call:
    """A call that succeeded. `begun` and `ended` are places in the order; `at` and `until` Unix times.

    `path`: the file that it is about. `data`: what was written. `place`: the offset, or the size of a truncation.
    """

    name: str
    path: str
    begun: int
    ended: int
    at: float
    until: float
    data: bytes = b""
    place: int = -1
    creates: bool = False
    empties: bool = False
    target: str = ""


class Unknown(Exception):
    """A call that the model of the disk does not know."""


def missing() -> bool:
    """There is no strace."""
    return shutil.which("strace") is None


def command(output: Path) -> list[str]:
    """What to put before a program's own command. Raises `SystemExit` where there is no strace."""
    found = shutil.which("strace")
    if found is None:
        raise SystemExit(MISSING)
    options = ("-f", "--seccomp-bpf", "-ttt", "-T", "-y", "-xx", "-s", "10000000", "-e", f"trace={CALLS}")
    return [found, *options, "-o", str(output)]


def read(trace: Path, directory: Path) -> list[Call]:
    """The calls that concern files of `directory`, or sockets, in the order in which they began."""
    wanted = b"".join(b"\\x%02x" % byte for byte in str(directory).encode())
    socket = b"".join(b"\\x%02x" % byte for byte in b"socket:")
    with trace.open("rb") as file:
        relevant = ((number, line) for number, line in enumerate(file) if _concerns(line, wanted, socket))
        calls = [call for text in _whole(relevant) if (call := _call(*text))]
    return sorted(calls, key=lambda call: call.begun)


def _concerns(line: bytes, wanted: bytes, socket: bytes) -> bool:
    return b" resumed>" in line[:80] or wanted in line or socket in line[:200]


def _whole(lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, int, bytes, float | None]]:
    """Join what other threads came between: (where it began, where it ended, the line, when it ended)."""
    open_calls: dict[bytes, tuple[int, bytes]] = {}
    for number, line in lines:
        text = line.rstrip(b"\n")
        if text.endswith(_UNFINISHED):
            open_calls[text.split(b" ", 1)[0]] = number, text.removesuffix(_UNFINISHED)
        elif resumed := _RESUMED.fullmatch(text):
            if begun := open_calls.pop(resumed[1], None):
                yield begun[0], number, begun[1] + resumed[4], float(resumed[2])
        else:
            yield number, number, text, None
    for number, text in open_calls.values():  # The process was killed in these: as if they had been done.
        yield number, number, text + b") = 0 <0.0>", None


def _call(begun: int, ended: int, text: bytes, until: float | None) -> Call | None:
    found = _LINE.fullmatch(text)
    if found is None or int(found[5]) < 0:
        return None
    name, arguments, at = found[3].decode(), found[4], float(found[2])
    until = at + float(found[7]) if until is None else until
    strings = [_bytes(string) for string in _STRING.findall(arguments)]
    if name in ("openat", "creat"):
        path = _bytes(found[6] or b"").decode()
        creates = name == "creat" or b"O_CREAT" in arguments
        empties = name == "creat" or b"O_TRUNC" in arguments
        return Call(name, path, begun, ended, at, until, creates=creates, empties=empties)
    if name in ("unlink", "unlinkat", "mkdir", "rename", "renameat", "renameat2", "truncate"):
        path, target = (string.decode() for string in (*strings, b"")[:2])
        return Call(name, path, begun, ended, at, until, target=target, place=_last(arguments))
    descriptor = _DESCRIPTOR.match(arguments)
    if descriptor is None:
        return None
    path = "" if descriptor[3] else _bytes(descriptor[2]).decode()
    data, written = b"".join(strings), int(found[5])
    data = data[:written] if written else data
    return Call(name, path, begun, ended, at, until, data=data, place=_last(arguments))


def _last(arguments: bytes) -> int:
    """The last argument where it is a number: an offset or a size."""
    last = arguments.rpartition(b", ")[2]
    return int(last) if last.isdigit() else -1


def _bytes(escaped: bytes) -> bytes:
    return bytes.fromhex(escaped.replace(b"\\x", b"").decode()) if escaped.startswith(b"\\x") else escaped
