"""What power cuts at drawn moments of a recording leave, and whether that holds what clients had been told before.

A recording is a list of changes to the disk; a cut comes before one of them, or after the last. What was shown counts
up to there. Its time is that of the change which did not happen any more: until then the disk stayed as it was.
"""

import itertools
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from disk import SYNCS, VARIANTS, Disk, Variant
from plan import Plan
from recording import Facts, Recording
from records import damage
from strace import Call

DATABASE = "holdfast.sqlite3"
WINDOW = 0.25
"""Seconds of text that a power cut may take."""

SYNC = 0.05
"""Seconds that the window leaves for the sync itself; a disk that takes longer adds what it takes longer."""

ACCEPTED, SHOWN, ENDS = "accepted messages looked for", "shown pieces looked for", "shown ends looked for"
"""What is counted: over all images, so each message comes many times."""

FINAL = frozenset({"complete", "stopped", "failed", "interrupted"})


@dataclass(frozen=True)
class Cut:
    """A power cut before one moment of a recording, and what became of the writes that no sync covers."""

    moment: int
    variant: Variant
    seed: int


@dataclass(frozen=True)
class Moment:
    """A change of the disk, or the end of a sync."""

    order: int
    at: float
    call: Call


@dataclass
class Verdict:
    """What was checked, and what was found wrong. `windows`: (age of the oldest lost text, what was taken from it)."""

    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    windows: list[tuple[float, float]] = field(default_factory=list)
    samples: list[Path] = field(default_factory=list)

    def add(self, other: "Verdict") -> None:
        """Take over another one's."""
        self.counts += other.counts
        self.violations += other.violations
        self.windows += other.windows
        self.samples += other.samples

    @classmethod
    def of_image(cls) -> "Verdict":
        """That of one image, so far."""
        return cls(Counter(images=1))

    def wrong(self, kind: str, detail: str) -> None:
        """Note a violation."""
        self.counts[kind] += 1
        self.violations.append(f"{kind}: {detail}")


@dataclass(frozen=True)
class Stored:
    """What an image holds: user messages, and (status, content, reasoning) of each generation."""

    messages: dict[str, str]
    generations: dict[str, tuple[str, str, str]]
    damage: tuple[str, ...]


def moments(recording: Recording) -> list[Moment]:
    """Everything that changes the disk, in order: a write where it begins, a sync where it ends."""
    found = [
        Moment(call.ended, call.until, call) if call.name in SYNCS else Moment(call.begun, call.at, call)
        for call in recording.calls
        if not call.path.startswith(("socket:", "pipe:"))
    ]
    return sorted(found, key=lambda moment: moment.order)


def slowest_sync(recording: Recording) -> float:
    """How long the slowest sync took, in seconds. Text is safe when a sync ends, not when it begins."""
    return max((call.until - call.at for call in recording.calls if call.name in SYNCS), default=0.0)


def window(recording: Recording) -> float:
    """How old lost text may be, but for what the machine took from the server."""
    return WINDOW + max(0.0, slowest_sync(recording) - SYNC)


def drawn(recording: Recording, count: int, random: Random) -> list[Cut]:
    """So many cuts: a quarter just before a sync takes hold, where most is at stake, the others at all moments in turn.

    The moments come in a drawn order, each once before any comes again.
    """
    changes = moments(recording)
    syncs = [number for number, moment in enumerate(changes) if moment.call.name in SYNCS]
    cuts = [Cut(number, "dropped", 0) for number in random.sample(syncs, min(len(syncs), count // 4))]
    places = random.sample(range(len(changes) + 1), len(changes) + 1)
    cuts += [
        Cut(place, random.choice(VARIANTS), random.randrange(1 << 30))
        for place in itertools.islice(itertools.cycle(places), count - len(cuts))
    ]
    return sorted(cuts, key=lambda cut: cut.moment)


def images(
    recording: Recording, cuts: Sequence[Cut], *, ignore_syncs: bool = False
) -> Iterator[tuple[Cut, int, float, dict[str, bytearray]]]:
    """For each cut, in the order of their moments: its place in the order, its time and the files that it leaves."""
    disk = Disk(recording.directory / "data", ignore_syncs=ignore_syncs)
    changes = moments(recording)
    done = 0
    for cut in cuts:
        for moment in changes[done : cut.moment]:
            disk.apply(moment.call)
        done = cut.moment
        now = changes[done] if done < len(changes) else changes[-1]
        order = now.order if done < len(changes) else now.order + 1
        yield cut, order, now.at, disk.image(cut.variant, Random(cut.seed))


def stored(path: Path) -> Stored:
    """Recover a database and read it. Raises `sqlite3.Error`."""
    with closing(sqlite3.connect(path)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {"messages", "generations", "pieces"} <= tables:
            checks = connection.execute("PRAGMA integrity_check").fetchall()
            return Stored({}, {}, () if checks == [("ok",)] else (str(checks),))
        connection.row_factory = sqlite3.Row
        wrong = damage(connection)
        messages = connection.execute("SELECT id, content, reasoning FROM messages").fetchall()
        texts = {row["id"]: (row["content"], row["reasoning"]) for row in messages}
        generations = {}
        for row in connection.execute("SELECT id, status, message_id FROM generations").fetchall():
            content, reasoning = texts.get(row["message_id"], ("", ""))
            log = connection.execute(
                "SELECT kind, text FROM pieces WHERE generation_id = ? ORDER BY seq", (row["id"],)
            ).fetchall()
            content += "".join(piece["text"] for piece in log if piece["kind"] == 0)
            reasoning += "".join(piece["text"] for piece in log if piece["kind"] == 1)
            generations[row["id"]] = row["status"], content, reasoning
        return Stored({key: content for key, (content, _) in texts.items()}, generations, wrong)


def judge(recording: Recording, found: Stored, order: int, at: float, limit: float) -> Verdict:
    """Hold an image against what clients had been told before the cut."""
    verdict = Verdict.of_image()
    for wrong in found.damage:
        verdict.wrong("damaged", wrong)
    for generation in recording.facts.moments:
        _judge_one(verdict, recording.facts, generation, found, (order, at, limit))
    return verdict


def _judge_one(verdict: Verdict, facts: Facts, generation: str, found: Stored, when: tuple[int, float, float]) -> None:
    order, at, limit = when
    told = [moment for moment in facts.moments[generation] if moment.order < order]
    if not told:
        return
    message = facts.keys[generation]
    verdict.counts[ACCEPTED] += 1
    if found.messages.get(facts.user_messages[generation]) != message or generation not in found.generations:
        verdict.wrong("accepted lost", message)
        return
    status, content, reasoning = found.generations[generation]
    verdict.counts[SHOWN] += len(told)
    lost = [each for each in told if each.content > len(content) or each.reasoning > len(reasoning)]
    if lost:
        # While no server runs there is nobody to sync: that time does not count.
        nobody = sum(max(0.0, min(at, until) - max(lost[0].at, died)) for died, until in facts.dead)
        age = at - lost[0].at - nobody
        taken = facts.taken(lost[0].at, at)
        verdict.windows.append((age, taken))
        if age > limit + taken:
            detail = f"{age:.4f} s old, allowed {limit:.4f} s and {taken:.4f} s that were taken from the server"
            verdict.wrong("text lost", f"{message}: {detail}")
    ends = [moment for moment in told if moment.terminal]
    verdict.counts[ENDS] += len(ends)
    if any(end.terminal != status or end.content > len(content) for end in ends):
        verdict.wrong(
            "end lost", f"{message}: shown {ends[0].terminal!r}, stored {status!r}, {len(content)} characters"
        )
    if status not in FINAL | {"streaming"}:
        verdict.wrong("end lost", f"{message}: is {status!r}")


def texts_are_right(verdict: Verdict, facts: Facts, found: Stored, whole: Mapping[str, tuple[str, str]]) -> None:
    """What is stored of an answer is a beginning of it; no byte of it may be another's."""
    for generation, (_, content, reasoning) in found.generations.items():
        if generation not in whole:
            continue
        right = whole[generation]
        if not (right[0].startswith(content) and right[1].startswith(reasoning)):
            verdict.wrong("wrong text", f"{facts.keys[generation]}: {content[-60:]!r}")


def answers(facts: Facts) -> dict[str, tuple[str, str]]:
    """The whole answer to each message."""
    plans = {generation: Plan.parse(message) for generation, message in facts.keys.items()}
    return {generation: (plan.content, plan.reasoning) for generation, plan in plans.items() if plan}


def synced_first(recording: Recording) -> tuple[int, list[str]]:
    """P1 by the trace: accepted messages, and those whose head was sent before a sync of the log that holds them."""
    wal = str(recording.directory / "data" / f"{DATABASE}-wal")
    writes = [call for call in recording.calls if call.path == wal and call.name == "pwrite64"]
    syncs = [call for call in recording.calls if call.path == wal and call.name in SYNCS]
    early = []
    for generation, told in recording.facts.moments.items():
        message = recording.facts.keys[generation]
        wrote = next((call.begun for call in writes if message.encode() in call.data), None)
        if wrote is None or not any(wrote < call.begun and call.ended < told[0].order for call in syncs):
            early.append(message)
    return len(recording.facts.moments), early
