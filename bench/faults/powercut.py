"""Cut the power, on paper: what a disk may hold after a cut at any moment must open, and hold what was promised.

    .venv/bin/python bench/faults/powercut.py [--images 5000] [--start 40] [--processes 2] [--seed 1] [--dir DIRECTORY]

Records a real server under strace while clients stream, then builds what `disk` says that a cut leaves, at drawn
moments. Each such image must be sound, hold every accepted message, every end that was shown, and all text shown more
than 250 ms before (`images` and `recording` say what is allowed for); on a sample of them the program is started.
"""

import argparse
import asyncio
import multiprocessing
import sqlite3
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import uvloop
from client import Client
from history import History
from images import (
    ACCEPTED,
    DATABASE,
    ENDS,
    SHOWN,
    WINDOW,
    Cut,
    Verdict,
    answers,
    drawn,
    images,
    judge,
    moments,
    slowest_sync,
    stored,
    synced_first,
    texts_are_right,
    window,
)
from recording import SCENARIOS, Recording, Scenario, load, record
from report import Report
from server import Server, ServerEnded
from stage import folder, parser
from strace import command
from wire import Cut as ConnectionCut


def check(
    recording: Recording, cuts: Sequence[Cut], directory: Path, keep: frozenset[Cut], *, ignore_syncs: bool = False
) -> Verdict:
    """Build and judge images; those in `keep`, and the bad ones, stay in the directory."""
    verdict = Verdict()
    limit = window(recording)
    whole = answers(recording.facts)
    name = recording.directory.name
    for cut, order, at, files in images(recording, cuts, ignore_syncs=ignore_syncs):
        place = directory / f"{name}-{cut.moment}-{cut.variant}-{cut.seed}"
        _write(place / "data", files)
        judged = Verdict.of_image()
        try:
            found = stored(place / "data" / DATABASE)
            judged = judge(recording, found, order, at, limit)
            texts_are_right(judged, recording.facts, found, whole)
        except sqlite3.Error as error:
            judged.wrong("does not open", f"{type(error).__name__}: {error}")
        judged.counts[f"unsynced writes: {cut.variant}"] += 1
        judged.counts.update(f"images: {what}" for what, count in list(judged.counts.items()) if count)
        judged.violations = [f"{place.name}: {violation}" for violation in judged.violations]
        _keep_or_remove(judged, place, files, keep=cut in keep)
        verdict.add(judged)
    return verdict


def _keep_or_remove(judged: Verdict, place: Path, files: Mapping[str, bytearray], *, keep: bool) -> None:
    """Leave an image as the cut did, or take it away."""
    for path in (place / "data").iterdir():
        path.unlink()
    if keep or judged.violations:
        _write(place / "data", files)
        judged.samples += [place] if keep else []
    else:
        (place / "data").rmdir()
        place.rmdir()


def _write(directory: Path, files: Mapping[str, bytearray]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (directory / name).write_bytes(content)


async def started(place: Path, recording: Recording, environment: Mapping[str, str]) -> Verdict:
    """Start the program on an image: it gets ready, lists every message, and nothing is still being written."""
    verdict = Verdict(Counter(starts=1))
    async with Server(place, "http://127.0.0.1:9/v1", environment=environment) as server:
        verdict.counts["milliseconds of starts"] = int(1000 * await server.start())
        with History(place / "history.jsonl") as history:
            client = Client("after", server.port, history)
            status, _ = await client.get("/ready")
            if status != 200:
                verdict.wrong("does not start", f"/ready is {status}")
            listed = await _listed(client)
        if await server.terminate() != 0:
            verdict.wrong("does not start", f"it ends badly: {server.log.read_text('utf-8', 'replace')[-500:]}")
    verdict.counts["messages listed"] = len(listed)
    unsettled = [message["id"] for message in listed if message["status"] == "streaming"]
    if unsettled:
        verdict.wrong("does not start", f"still streaming: {unsettled}")
    found = stored(place / "data" / DATABASE)
    if missing := found.messages.keys() - {message["id"] for message in listed}:
        verdict.wrong("does not start", f"not listed: {sorted(missing)}")
    texts_are_right(verdict, recording.facts, found, answers(recording.facts))
    verdict.violations = [f"{place.name}: {violation}" for violation in verdict.violations]
    return verdict


async def _listed(client: Client) -> list[dict[str, Any]]:
    """Every message of every conversation, as a page would list them."""
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        _, page = await client.get(f"/api/conversations?limit=50&cursor={cursor}" if cursor else "/api/conversations")
        for conversation in page["items"]:
            _, branch = await client.get(f"/api/conversations/{conversation['id']}/messages")
            found += branch["items"]
        cursor = page["next_cursor"]
    return found


def kept(directory: Path) -> list[Recording]:
    """The recordings that an earlier campaign kept in this folder, which must not have been moved."""
    return [load(path) for path in sorted(directory.glob("recording-*"))]


async def recorded(directory: Path, scenarios: Sequence[Scenario], report: Report) -> list[Recording]:
    """Record each scenario. The first start of a server compiles everything, which is not to be in a trace."""
    environment = {"PYTHONPYCACHEPREFIX": str(directory / "bytecode")}
    await asyncio.to_thread((directory / "first").mkdir)
    async with Server(directory / "first", "http://127.0.0.1:9/v1", environment=environment) as server:
        await server.start()
        await server.terminate()
    found = []
    for number, scenario in enumerate(scenarios):
        report.progress(number, len(scenarios), f"recording {scenario.name}", every=0)
        found.append(await record(scenario, directory / f"recording-{number}", environment))
    return found


def _work(task: tuple[Path, list[Cut], Path, frozenset[Cut]]) -> Verdict:
    recording, cuts, directory, keep = task
    return check(load(recording), cuts, directory, keep)


def judged(
    recordings: Sequence[Recording], options: argparse.Namespace, directory: Path, report: Report
) -> tuple[Verdict, dict[Path, Recording]]:
    """Judge all images, some at a time; the verdict, and the images that are kept to start the program on."""
    random = Random(options.seed)
    share, starts = options.images // len(recordings), -(-options.start // len(recordings))
    tasks = []
    for recording in recordings:
        cuts = drawn(recording, share, random)
        keep = frozenset(random.sample(cuts, min(starts, len(cuts))))
        half = (len(cuts) + options.processes - 1) // options.processes
        tasks += [
            (recording.directory, cuts[start : start + half], directory / "images", keep)
            for start in range(0, len(cuts), half)
        ]
    verdict, done = Verdict(), 0
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for part in pool.imap_unordered(_work, tasks):
            verdict.add(part)
            done += part.counts["images"]
            report.progress(done, share * len(recordings), f"{len(verdict.violations)} found", every=0)
    by_name = {recording.directory.name: recording for recording in recordings}
    return verdict, {place: by_name["-".join(place.name.split("-")[:2])] for place in verdict.samples}


async def start_all(samples: Mapping[Path, Recording], directory: Path, report: Report) -> Verdict:
    """Start the program on each kept image, one after the other."""
    verdict = Verdict()
    environment = {"PYTHONPYCACHEPREFIX": str(directory / "bytecode")}
    for number, (place, recording) in enumerate(samples.items()):
        report.progress(number, len(samples), "starts")
        try:
            verdict.add(await started(place, recording, environment))
        except (ServerEnded, TimeoutError, ConnectionCut) as error:
            verdict.wrong("does not start", f"{place.name}: {type(error).__name__}: {error}")
    return verdict


def finish(recordings: Sequence[Recording], verdict: Verdict, report: Report) -> int:
    """Print the table; the exit code."""
    counts = verdict.counts
    firsts = [synced_first(recording) for recording in recordings]
    accepted = sum(messages for messages, _ in firsts)
    early = [f"sent before its sync: {message}" for _, messages in firsts for message in messages]
    table: dict[str, object] = {
        name: f"{counts[name]:,}" for name in sorted(counts) if name.startswith("unsynced writes: ")
    }
    for recording in recordings:
        answered, changes = len(recording.facts.moments), len(moments(recording))
        slowest = f"slowest sync {1000 * slowest_sync(recording):.0f} ms"
        table[f"recorded: {recording.facts.scenario}"] = f"{answered} answers, {changes} changes of the disk, {slowest}"
    table["text lost, by the clock"] = _spread([age for age, _ in verdict.windows])
    table["without what was taken"] = _spread([age - taken for age, taken in verdict.windows])
    if counts["starts"]:
        table["started"] = (
            f"{counts['starts']} images, {counts['milliseconds of starts'] // counts['starts']} ms on average"
        )
    table |= {f"{what}": f"{counts[what]:,}" for what in (ACCEPTED, SHOWN, ENDS)}
    trials = {
        "P1: head sent before its sync": (len(early), accepted),
        "images that do not open": (counts["does not open"], counts["images"]),
        "images that are damaged": (counts["images: damaged"], counts["images"]),
        "images without an accepted message": (counts["images: accepted lost"], counts[f"images: {ACCEPTED}"]),
        "images without text past the window": (counts["images: text lost"], counts[f"images: {SHOWN}"]),
        "images with wrong text": (counts["images: wrong text"], counts[f"images: {SHOWN}"]),
        "images without an end that was shown": (counts["images: end lost"], counts[f"images: {ENDS}"]),
        "images on which it does not start": (counts["does not start"], counts["starts"]),
    }
    return report.finish(table, trials, [*early, *verdict.violations])


def _spread(ages: Sequence[float]) -> str:
    """How old the oldest lost text was, over the answers of images that lack any."""
    if not ages:
        return "none"
    ordered = sorted(1000 * age for age in ages)
    beyond = sum(age > WINDOW for age in ages)
    return f"{ordered[len(ages) // 2]:.0f} ms p50, {ordered[-1]:.1f} ms max, {beyond} of {len(ages)} beyond 250 ms"


async def campaign(options: argparse.Namespace, scenarios: Sequence[Scenario], directory: Path, report: Report) -> int:
    """All of it."""
    earlier = options.recordings
    recordings = kept(earlier.resolve()) if earlier else await recorded(directory, scenarios, report)
    verdict, samples = await asyncio.to_thread(judged, recordings, options, directory, report)
    verdict.add(await start_all(samples, directory, report))
    return finish(recordings, verdict, report)


def main(arguments: list[str]) -> int:
    """Run the campaign."""
    options_of = parser(__doc__)
    options_of.add_argument("--images", type=int, default=5000)
    options_of.add_argument("--start", type=int, default=40, help="on so many images the program is started")
    options_of.add_argument("--recordings", type=Path, help="a folder that --dir kept: judge its recordings again")
    options_of.add_argument("--processes", type=int, default=2)
    options = options_of.parse_args(arguments)
    command(Path())  # Ends here where there is no strace.
    report = Report("powercut", options.seed)
    with folder(options.dir) as directory:
        return uvloop.run(campaign(options, SCENARIOS, directory.resolve(), report))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
