"""Every fault that one process on SQLite can meet, tried from several seeds, and whether its required outcome came.

    .venv/bin/python bench/faults/matrix.py [--only F29,F9] [--seeds 3] [--seed 1] [--scale 1.0]

Limits of time are scaled down by settings. Each case is judged by the checker and by what it says itself; a failure
repeats from its seed. The faults are those of the threat list; the table tells which are tried elsewhere and why.
"""

import argparse
import asyncio
import resource
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cases_client
import cases_network
import cases_people
import cases_process
import cases_storage
import cases_upstream
import uvloop
from cases import REGISTRY, Entry, Skipped, Trial
from report import Report, stamp
from stage import folder, parser
from variant import Changes

FAMILIES = (cases_process, cases_client, cases_network, cases_upstream, cases_storage, cases_people)
"""The modules that hold the cases."""

_LIMIT = 300.0  # Seconds that one trial may take.
_FILES = 8192


@dataclass
class Row:
    """What came of a fault."""

    entry: Entry
    seeds: int = 0
    checks: int = 0
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: str = ""
    seconds: float = 0.0

    @property
    def outcome(self) -> str:
        """In a word or two."""
        if self.entry.case is None:
            return f"not here: {self.entry.reason}"
        if self.skipped:
            return f"skipped: {self.skipped}"
        return f"{len(self.failures)} failed" if self.failures else "held"


async def attempt(entry: Entry, seed: str, directory: Path, scale: float = 1.0, plant: Changes | None = None) -> Trial:
    """Run a case once. Whatever it raises is a failure of it. Raises `Skipped`."""
    assert entry.case
    trial = Trial(entry.number, seed, directory / f"{entry.number}-{seed}", scale, plant or {})
    try:
        async with asyncio.timeout(_LIMIT):
            await entry.case(trial)
    except Skipped:
        raise
    except Exception as error:  # noqa: BLE001 - a case that breaks must not keep the others from being tried
        where = traceback.extract_tb(error.__traceback__)
        places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(where[-4:]))
        trial.expect(holds=False, otherwise=f"{type(error).__name__}: {error} ({places})")
    return trial


async def campaign(entries: Sequence[Entry], options: argparse.Namespace, directory: Path, report: Report) -> list[Row]:
    """All the cases, one after the other."""
    rows = []
    for done, entry in enumerate(entries):
        row = Row(entry)
        rows.append(row)
        begun = time.monotonic()
        for number in range(options.seeds if entry.case else 0):
            try:
                trial = await attempt(entry, str(options.seed + number), directory, options.scale)
            except Skipped as reason:
                row.skipped = str(reason)
                break
            row.seeds += 1
            row.checks += trial.checks
            row.failures += trial.failures
            row.notes += trial.notes
        row.seconds = time.monotonic() - begun
        if entry.case:
            report.progress(done + 1, len(entries), f"{entry.number} {row.outcome}, {row.seconds:.0f} s", every=0)
    return rows


def finish(report: Report, rows: Sequence[Row]) -> int:
    """Print the closing table; 1 where anything failed."""
    print(f"matrix: {stamp(report.seed)}, {report.seconds:.0f} s")
    print(f"{'fault':6}{'seeds':>6}{'trials':>8}{'failed':>8}{'s':>6}  outcome")
    for row in rows:
        figures = f"{row.seeds:6}{row.checks:8}{len(row.failures):8}{row.seconds:6.0f}"
        print(f"{row.entry.number:6}{figures}  {row.entry.sentence}")
        if row.outcome != "held":
            print(f"{'':36}{row.outcome}")
        for note in row.notes:
            print(f"{'':36}{note}")
    failures = [failure for row in rows for failure in row.failures]
    for failure in failures:
        print(f"  {failure}")
    tried = sum(row.seeds > 0 for row in rows)
    print(f"{'FAILED' if failures else 'passed'}: {len(failures)} failures, {tried} faults tried")
    return 1 if failures else 0


def chosen(only: str) -> list[Entry]:
    """The faults that were named, or all. Raises `SystemExit` for one that is not there."""
    entries = sorted(REGISTRY.values(), key=lambda entry: entry.order)
    names = [name.strip().upper() for name in only.split(",") if name.strip()]
    if unknown := set(names) - REGISTRY.keys():
        raise SystemExit(f"there is no {', '.join(sorted(unknown))}")
    return [entry for entry in entries if not names or entry.number in names]


def allow_files() -> None:
    """Hundreds of clients need as many descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < _FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(_FILES, hard), hard))


def main(arguments: Sequence[str]) -> int:
    """One command."""
    options = parser(__doc__)
    options.add_argument("--only", default="", help="some faults, such as F9,F29")
    options.add_argument("--seeds", type=int, default=3, help="how many, from --seed on")
    options.add_argument("--scale", type=float, default=1.0, help="of how much is tried in each")
    given = options.parse_args(arguments)
    allow_files()
    report = Report("matrix", given.seed)
    with folder(given.dir) as directory:
        return finish(report, uvloop.run(campaign(chosen(given.only), given, directory, report)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
