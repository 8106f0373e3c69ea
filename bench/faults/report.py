"""What a campaign prints: where it is, what came of it, and how much its zeros are worth."""

import os
import platform
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

_DETAILS = 20


class Report:
    """Made at the start of a campaign; `finish` at its end gives the exit code."""

    def __init__(self, name: str, seed: int | str, *, quiet: bool = False) -> None:
        self.name = name
        self.seed = seed
        self._quiet = quiet
        self._begun = time.monotonic()
        self._told = 0.0

    @property
    def seconds(self) -> float:
        """How long the campaign has been going on."""
        return time.monotonic() - self._begun

    def progress(self, done: int, of: int, text: str = "", *, every: float = 2.0) -> None:
        """A line over the one before; on no terminal a line of its own, ten times as rarely."""
        terminal = sys.stderr.isatty()
        if self._quiet or (self.seconds - self._told < every * (1 if terminal else 10) and done < of):
            return
        self._told = self.seconds
        left = self.seconds / done * (of - done) if done else 0.0
        line = f"{self.name} {done}/{of}  {self.seconds:.0f} s, {left:.0f} s to go  {text}"
        print(f"\r\x1b[K{line}" if terminal else line, end="" if terminal else "\n", file=sys.stderr, flush=True)

    def finish(
        self, table: Mapping[str, object], trials: Mapping[str, tuple[int, int]], found: Sequence[object]
    ) -> int:
        """Print the table, each zero with its bound, and the violations; 1 where there are any, else 0.

        `trials`: what was counted -> (failures, trials).
        """
        broken = [name for name, (failed, _) in trials.items() if failed]
        failures = bool(found) or bool(broken)
        if not self._quiet:
            print(file=sys.stderr)
            print("\n".join(_lines(self, table, trials)))
            print("\n".join([f"  {item}" for item in found[:_DETAILS]]))
            more = f" ({len(found) - _DETAILS} more)" if len(found) > _DETAILS else ""
            print(f"{'FAILED' if failures else 'passed'}: {', '.join([f'{len(found)} violations{more}', *broken])}")
        return 1 if failures else 0


def bound(failures: int, trials: int) -> str:
    """What so many failures in so many trials say of the rate: the rule of three for none."""
    if trials == 0:
        return "nothing was tried"
    return f"{failures} of {trials}" + ("" if failures else f", so at most 1 in {max(1, trials // 3)} at 95 %")


def stamp(seed: int | str) -> str:
    """The machine, the day and the seed."""
    processors = len(os.sched_getaffinity(0))
    today = datetime.now(tz=UTC).date().isoformat()
    return f"{today}, {platform.machine()}, {processors} processors, Python {platform.python_version()}, seed {seed}"


def spread(values: Sequence[float]) -> str:
    """Median, 99th percentile and greatest, in seconds."""
    if not values:
        return "none"
    ordered = sorted(values)
    middle, late = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return f"{middle:.2f} s p50, {late:.2f} s p99, {ordered[-1]:.2f} s max"


def _lines(report: Report, table: Mapping[str, object], trials: Mapping[str, tuple[int, int]]) -> Iterable[str]:
    yield f"{report.name}: {stamp(report.seed)}, {report.seconds:.0f} s"
    width = 2 + max((len(name) for name in [*table, *trials]), default=0)
    yield from (f"  {name:{width}}{value}" for name, value in table.items())
    yield from (f"  {name:{width}}{bound(*counted)}" for name, counted in trials.items())
