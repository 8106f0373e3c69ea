"""The offline checker: reads a history, the database and the upstream's ledger, and says which promise was broken.

    .venv/bin/python bench/faults/checker.py DIRECTORY

It shares no code with the product, not even for the map from `seq` to text; `judge` is pure, so that a test can feed
it anything. I1 to I8 are told at the functions that check them.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from history import Line, read
from plan import Plan
from records import Stored, StoredRun, load
from upstream import LedgerLine

FINAL = frozenset({"complete", "stopped", "failed", "interrupted"})


_GONE = frozenset({200, 202, 204, 404})
"""What a delete is answered with when nothing is left; 404 where the answer to an earlier one was lost."""


@dataclass(frozen=True)
class Violation:
    """A broken promise: which, of which message, and what there was to see."""

    rule: str
    key: str
    detail: str

    def __str__(self) -> str:
        return f"{self.rule} {self.key}: {self.detail}"


@dataclass
class Told:
    """What the history says of one key, and what stood out while it was read."""

    epochs: set[int] = field(default_factory=set)
    acked: str = ""
    generations: set[str] = field(default_factory=set)
    user_messages: set[str] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)
    deleted: bool = False


@dataclass(frozen=True)
class Verdict:
    """What was checked, and what was found wrong."""

    counts: Counter[str]
    violations: list[Violation]


@dataclass
class Facts:
    """All there is to judge by. Attachments are judged as they are read, for a history is long."""

    stored: Stored
    ledger: list[LedgerLine]
    told: dict[str, Told] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    epoch: int = 0

    def pairs(self) -> Iterator[tuple[str, Told, StoredRun]]:
        """Every key whose run is stored."""
        for key, told in self.told.items():
            if run := self.stored.runs.get(key):
                yield key, told, run


def judge(lines: Iterable[Line], stored: Stored, ledger: list[LedgerLine]) -> Verdict:
    """Apply every rule."""
    facts = Facts(stored, ledger)
    violations = [violation for line in lines for violation in _take(facts, line)]
    for rule in (accepted, text, ended, called, owned, sound, deleted):
        violations += rule(facts)
    return Verdict(_count(facts), violations)


def _take(facts: Facts, line: Line) -> Iterator[Violation]:
    """One line of the history. The server's starts are counted on the way, so each send has its epoch."""
    if line.what == "start":
        facts.epoch = line.epoch
    if not line.key:
        return
    told = facts.told.setdefault(line.key, Told())
    run = facts.stored.runs.get(line.key)
    if line.what == "send":
        told.epochs.add(facts.epoch)
    elif line.what == "ack":
        told.acked = line.message
    elif line.what == "delete" and line.status in _GONE:
        told.deleted = True
    elif line.what == "refused" and run:
        yield from refused(line, run)
    elif line.what == "read":
        told.generations |= {line.generation} - {""}
        told.user_messages |= {line.user_message} - {""}
        told.foreign.update(line.foreign)
        facts.counts["attachments"] += line.end != "empty"
        facts.counts["attachments that brought anything"] += bool(line.frames)
        facts.counts["characters shown"] += len(line.content) + len(line.reasoning)
        if run:
            yield from (Violation(rule, line.key, f"{detail} (at {line.t})") for rule, detail in shown(line, run))
            yield from (Violation(rule, line.key, f"{detail} (at {line.t})") for rule, detail in last(line, run))


def shown(line: Line, run: StoredRun) -> Iterator[tuple[str, str]]:
    """I2 and I3: one attachment was shown the stored text at its place; seqs only grow, nothing is missing or twice."""
    if line.end == "empty":
        if line.after != run.seq:
            yield "I3", f"204 after {line.after} of {run.seq}"
        return
    if line.after > run.seq:
        yield "I2", f"attached after {line.after}, of which {run.seq} is stored"
        return
    seq, offsets = line.after, run.offsets
    start = content, reasoning = offsets[line.after]
    for number, kind, size in line.frames:
        if number <= seq:
            yield "I3", f"seq {number} after {seq}, attached after {line.after}"
        seq = number
        content, reasoning = content + (kind == "c") * size, reasoning + (kind == "r") * size
        if number > run.seq:
            yield "I2", f"seq {number} was shown, {run.seq} is stored, attached after {line.after}"
            return
        if (content, reasoning) != offsets[number]:
            lost = content > len(run.content) or reasoning > len(run.reasoning)
            yield "I2" if lost else "I3", f"{content}+{reasoning} characters up to {number}, stored {offsets[number]}"
            return
    if line.content != run.content[start[0] : content] or line.reasoning != run.reasoning[start[1] : reasoning]:
        yield "I2", f"what was shown is not what is stored, attached after {line.after}"
    if line.after == 0 and line.frames and line.frames[0][:2] != (1, "s"):
        yield "I3", f"begins with {line.frames[0]}"


def last(line: Line, run: StoredRun) -> Iterator[tuple[str, str]]:
    """I4 and I5: the end that was told is the stored one, is told once, and nothing comes after it."""
    kinds = "".join(kind for _, kind, _ in line.frames)
    ends = [place for place, kind in enumerate(kinds) if kind in "de"]
    if len(ends) > 1 or (ends and ends[0] != len(kinds) - 1):
        yield "I5", f"events of one attachment: {kinds[-20:]}"
    if ends and line.terminal != run.terminal:
        yield "I4", f"told {line.terminal!r}, stored {run.terminal!r}"
    if "?" in kinds:
        yield "P13", "an event that is none"
    if line.end == "clean":
        yield "I4", "a stream ended cleanly without a terminal event"


def refused(line: Line, run: StoredRun) -> Iterator[Violation]:
    """I3: a cursor that was given out is taken back."""
    if line.generation and line.status in (400, 404) and 0 <= line.after <= run.seq:
        yield Violation("I3", line.key, f"{line.status} {line.code} after {line.after} of {run.seq}")


def accepted(facts: Facts) -> Iterator[Violation]:
    """I1: what was acknowledged is stored, message and run."""
    for key, told in facts.told.items():
        if not told.acked or told.deleted:
            continue
        run = facts.stored.runs.get(key)
        if run is None:
            yield Violation("I1", key, "acknowledged, and not stored")
        elif run.user_content != told.acked:
            yield Violation("I1", key, f"acknowledged {told.acked!r}, stored {run.user_content!r}")


def text(facts: Facts) -> Iterator[Violation]:
    """I2, I7 and P5: what is stored is the provider's answer to this message, whole where it is `complete`."""
    sent = Counter[str]()
    for call in facts.ledger:
        sent[call.key or ""] += call.sent
    for key, run in facts.stored.runs.items():
        plan = Plan.parse(run.user_content)
        if plan is None:
            continue
        if not (plan.content.startswith(run.content) and plan.reasoning.startswith(run.reasoning)):
            yield Violation("I7", key, f"stored text is not the answer to its message: {_differs(plan.content, run)}")
        elif run.content and run.reasoning != plan.reasoning:
            yield Violation("I2", key, "text is stored and the reasoning before it is not whole")
        elif run.status == "complete" and run.content != plan.content:
            yield Violation("I2", key, f"complete with {len(run.content)} of {len(plan.content)} characters")
        if len(run.content) > sent[key]:
            yield Violation("I7", key, f"{len(run.content)} characters stored, {sent[key]} sent by the provider")
        if (run.content or run.reasoning) and not run.upstream_id:
            yield Violation("P5", key, "text is stored and the id of its call is not: its cost is lost")


def ended(facts: Facts) -> Iterator[Violation]:
    """I4: every run has an end, its message has the same one, and its log is folded in."""
    for key, run in facts.stored.runs.items():
        if run.status not in FINAL:
            yield Violation("I4", key, f"is {run.status!r}")
        if run.message_status != run.status:
            yield Violation("I4", key, f"run is {run.status!r}, message {run.message_status!r}")
        if run.pieces:
            yield Violation("I4", key, f"{run.pieces} pieces left in the log of a settled run")


def called(facts: Facts) -> Iterator[Violation]:
    """I6: at most one call for a key, none that nobody asked for, none by a process that was not sent the message."""
    calls = Counter(call.key for call in facts.ledger)
    for call in facts.ledger:
        if call.key is None:
            continue
        told = facts.told.get(call.key)
        if told is None:
            yield Violation("I6", call.key, f"call {call.number} for a message that nobody sent")
        elif call.epoch not in told.epochs:
            yield Violation("I6", call.key, f"call {call.number} by start {call.epoch}, sent in {sorted(told.epochs)}")
    yield from (Violation("I6", key, f"{count} calls") for key, count in calls.items() if key and count > 1)


def owned(facts: Facts) -> Iterator[Violation]:
    """I7: nobody is told an id that is not their own; two keys never share a run."""
    owners: dict[str, str] = {}
    for key, told in facts.told.items():
        for generation in told.generations:
            if owners.setdefault(generation, key) != key:
                yield Violation("I7", key, f"run {generation} is also that of {owners[generation]}")
        if told.foreign:
            yield Violation("I7", key, f"foreign ids {sorted(told.foreign)}")
    for key, told, run in facts.pairs():
        if told.generations - {run.generation}:
            yield Violation("I7", key, f"told {sorted(told.generations)}, stored {run.generation}")
        if told.user_messages - {run.user_message}:
            yield Violation("I7", key, f"told messages {sorted(told.user_messages)}, stored {run.user_message}")


def sound(facts: Facts) -> Iterator[Violation]:
    """I8: the database is whole."""
    yield from (Violation("I8", "", detail) for detail in facts.stored.damage)


def deleted(facts: Facts) -> Iterator[Violation]:
    """P11: what was deleted stays deleted."""
    for key, told, run in facts.pairs():
        if told.deleted:
            yield Violation("P11", key, f"deleted, and stored as {run.generation}")


def recovered(runs: Mapping[str, StoredRun], ledger: Iterable[LedgerLine]) -> tuple[int, int, list[str]]:
    """P5: of the runs whose upstream id is known, how many have the ledger's tokens and cost; how many; who has not."""
    bills = {call.generation_id: call for call in ledger}
    known = {key: run for key, run in runs.items() if run.upstream_id in bills and run.status in FINAL}
    missing = [
        key
        for key, run in known.items()
        if run.bill != (bills[run.upstream_id].completion_tokens, bills[run.upstream_id].cost)
    ]
    return len(known) - len(missing), len(known), missing


def _differs(expected: str, run: StoredRun) -> str:
    place = next((at for at, pair in enumerate(zip(expected, run.content, strict=False)) if pair[0] != pair[1]), -1)
    around = slice(max(0, place - 20), place + 20)
    return f"at {place}: {run.content[around]!r} for {expected[around]!r}"


def _count(facts: Facts) -> Counter[str]:
    counts = facts.counts
    counts["messages sent"] = len(facts.told)
    counts["accepted"] = sum(bool(told.acked) for told in facts.told.values())
    counts["deleted"] = sum(told.deleted for told in facts.told.values())
    counts["calls of the provider"] = sum(call.key is not None for call in facts.ledger)
    counts["calls for titles and the like"] = sum(call.key is None for call in facts.ledger)
    counts.update(f"runs {run.status}" for run in facts.stored.runs.values())
    return counts


def judge_files(history: Path, database: Path, ledger: Path) -> Verdict:
    """Judge by what three files say. The database is only read."""
    lines = [msgspec.json.decode(line, type=LedgerLine) for line in ledger.read_bytes().splitlines()]
    return judge(read(history), load(database), lines)


def main(arguments: list[str]) -> int:
    """Check what a campaign left in a directory that it was told to keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    directory = parser.parse_args(arguments).directory
    names = ("history.jsonl", "data/holdfast.sqlite3", "ledger.jsonl")
    verdict = judge_files(*(directory / name for name in names))
    for name, count in verdict.counts.items():
        print(f"{name:30}{count:12}")
    for violation in verdict.violations:
        print(violation)
    print(f"{len(verdict.violations)} violations")
    return 1 if verdict.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
