"""What the kernel tells of a process from outside: its memory, its files, its threads and the time that it used."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGESIZE")


def resident(pid: int) -> int:
    """Bytes of memory that it holds."""
    return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * _PAGE


def virtual(pid: int) -> int:
    """Bytes of its address space."""
    return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[0]) * _PAGE


def peak(pid: int) -> int:
    """The most bytes of memory that it held since `forget_peak`."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def forget_peak(pid: int) -> None:
    """Let `peak` begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")


def files(pid: int) -> int:
    """How many descriptors it has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - names alone, and thousands of them


def sockets(pid: int) -> int:
    """How many of them are sockets."""
    found = 0
    for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
        try:
            found += os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:")  # noqa: PTH115
        except OSError:
            continue  # Closed since.
    return found


def threads(pid: int) -> int:
    """How many threads it has."""
    return len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208


def used(pid: int) -> float:
    """Seconds of processor time that it took."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def ended(pid: int) -> bool:
    """It has ended, though perhaps nobody has waited for it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(") ", 1)[1][0] in "ZX"
    except OSError:
        return True


def tcp_memory() -> int:
    """Bytes that the kernel holds for the TCP sockets of everybody."""
    lines = Path("/proc/net/sockstat").read_text("ascii").splitlines()
    words = next(line for line in lines if line.startswith("TCP:")).split()
    return int(words[words.index("mem") + 1]) * _PAGE
