"""Fuzz what reads the provider's bytes, against a second reading of them that shares no code with it.

    .venv/bin/python bench/faults/decoder.py [--inputs 1000000] [--processes 2] [--seed 1] [--only NUMBER]

Each input goes through the SSE decoder and through the whole answer, in one piece and cut at random, and both must say
what `sse_reference` and `answer_reference` say: the same events, text, figures and end; nothing but a `ProviderError`
may be raised, and no text may hold what cannot be stored.
"""

import argparse
import asyncio
import multiprocessing
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from random import Random

import answer_reference
from answer_reference import Framed, Told, framed
from hostile import EVENT_CAP, LINE_CAP, WHOLE_CAP, Input, make, two_kilobytes
from report import Report

from holdfast.domain import Usage
from holdfast.errors import ProviderError, ProviderUnavailable, UpstreamProtocol
from holdfast.provider import answer as answer_module
from holdfast.provider.answer import Answer
from holdfast.provider.sse import MAX_EVENT_BYTES, MAX_LINE_BYTES, SSEDecoder
from sse_reference import Event

BATCH = 1000
KEY = "sk-or-v1-canary"
LONGEST_MESSAGE = 500
PAIRS = 2000
"""Pairs of cuts that are drawn for each of the exhaustive streams."""

FIGURES = [field.name for field in fields(Usage)]

DecoderType = Callable[..., SSEDecoder]
"""What makes a decoder; a test plants a defect here."""

UNSTORABLE = re.compile("[\0\ud800-\udfff]")

_BROKEN: dict[str, type[ProviderError]] = {
    "upstream_protocol": UpstreamProtocol,
    "provider_unavailable": ProviderUnavailable,
}


@dataclass(frozen=True)
class Failure:
    """An input that was read differently, and what differed."""

    seed: int
    number: int
    what: str
    body: bytes

    def __str__(self) -> str:
        again = f"bench/faults/decoder.py --seed {self.seed} --only {self.number}"
        return f"{self.what[:600]}\n    body {self.body[:300]!r}\n    again: .venv/bin/python {again}"


@dataclass
class Result:
    """What was tried, and what was found."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    def add(self, other: "Result") -> None:
        """Take over another one's."""
        self.counts.update(other.counts)
        self.failures += other.failures


class Wrong(Exception):
    """What was read is not what was sent."""


def caps(given: Input) -> tuple[int, int]:
    """The longest line and event of this input's decoders."""
    return (LINE_CAP, EVENT_CAP) if given.small_caps else (MAX_LINE_BYTES, MAX_EVENT_BYTES)


@contextmanager
def small_whole_answers() -> Iterator[None]:
    """Scale the cap on answers in one piece down, for as long as this lasts."""
    before = answer_module.MAX_WHOLE_BYTES
    answer_module.MAX_WHOLE_BYTES = WHOLE_CAP
    try:
        yield
    finally:
        answer_module.MAX_WHOLE_BYTES = before


def decoded(given: Input, parts: Sequence[bytes], decoder_type: DecoderType) -> Framed:
    """What the decoder makes of these parts."""
    max_line, max_event = caps(given)
    decoder = decoder_type(max_line=max_line, max_event=max_event)
    events: list[Event] = []
    rest, too_long, too_long_at_end = None, False, False
    try:
        for part in (*parts, b""):  # The last one brings out a failure that events came before.
            events += [Event(event.event, event.data, event.id) for event in decoder.feed(part)]
    except UpstreamProtocol:
        too_long = True
    try:
        last = decoder.rest()
        rest = Event(last.event, last.data, last.id) if last else None
    except UpstreamProtocol:
        too_long_at_end = True
    return Framed(events, rest, too_long, too_long_at_end, decoder.retry)


async def answered(given: Input, parts: Sequence[bytes], decoder_type: DecoderType) -> Told:
    """What the whole answer makes of these parts. Raises `Wrong`."""
    waiting = iter(parts)

    async def read() -> bytes:
        part = next(waiting, b"")
        if not part and given.broken:
            raise _BROKEN[given.broken]
        return part

    answer = Answer(read, streamed=given.streamed, upstream_id=given.upstream_id, api_key=KEY)
    max_line, max_event = caps(given)
    answer._decoder = decoder_type(max_line=max_line, max_event=max_event)  # noqa: SLF001 - its caps have no door
    runs: list[tuple[int, str]] = []
    failure: ProviderError | None = None
    try:
        async for pieces in answer:
            for kind, text in pieces:
                _storable(text)
                joined = runs.pop()[1] if runs and runs[-1][0] == kind else ""
                runs.append((int(kind), joined + text))
    except ProviderError as raised:
        failure = raised
    return _told(answer, runs, failure)


def _told(answer: Answer, runs: list[tuple[int, str]], failure: ProviderError | None) -> Told:
    if answer.complete == bool(failure):
        raise Wrong(f"complete is {answer.complete} and the failure {failure!r}")
    outcome = answer.outcome
    names = (outcome.model_id_used, outcome.provider, outcome.upstream_id, outcome.finish_reason)
    for name in (*names, failure.message if failure else None):
        if name is not None:
            _storable(name)
            _showable(name)
    usage = {name: value for name in FIGURES if (value := getattr(outcome.usage, name)) is not None}
    return Told(runs, *names, usage, frozenset({failure.code}) if failure else None)


def _storable(text: str) -> None:
    if not text or UNSTORABLE.search(text):
        raise Wrong(f"a text that is empty, or that no store keeps: {text!r}")


def _showable(text: str) -> None:
    if not text.isprintable() or KEY in text or len(text) > LONGEST_MESSAGE:
        raise Wrong(f"a name or sentence that must not be shown: {text!r}")


def expected(given: Input, frames: Framed) -> Told:
    """What the reference makes of it."""
    if given.streamed:
        return answer_reference.streamed(given.body, frames, given.upstream_id, given.broken)
    return answer_reference.in_one_piece(given.body, given.upstream_id, given.broken, WHOLE_CAP)


async def check(given: Input, decoder_type: DecoderType = SSEDecoder) -> Counter[str]:
    """Read an input in every way. Raises `Wrong` where two ways differ, and whatever crashed."""
    frames = framed(given.body, *caps(given))
    told = expected(given, frames)
    await _compare(given, [given.body] if given.body else [], (frames, told), decoder_type)
    await _compare(given, given.parts, (frames, told), decoder_type)
    end = "complete" if told.codes is None else "/".join(sorted(told.codes)) if len(told.codes) < 3 else "an error"
    return Counter(
        {
            f"inputs: {given.kind}": 1,
            f"ends: {end}": 1,
            "bytes": len(given.body),
            "events": len(frames.events),
            "characters of text": sum(len(text) for _, text in told.runs),
            "reads": len(given.parts),
            "past a cap": frames.too_long_at_end,
        }
    )


async def _compare(
    given: Input, parts: Sequence[bytes], wanted: tuple[Framed, Told], decoder_type: DecoderType
) -> None:
    """Read these parts by the decoder and by the answer. Raises `Wrong`."""
    frames, told = wanted
    way = f"cut at {given.cuts[:8]}" if len(parts) > 1 else "whole"
    if (got := decoded(given, parts, decoder_type)) != frames:
        raise Wrong(f"events, {way}: {got} is not {frames}")
    answer = await answered(given, parts, decoder_type)
    for name, value in vars(answer).items():
        said = getattr(told, name)
        within = name == "codes" and value and said and value <= said
        if value != said and not within:
            raise Wrong(f"answer, {way}: {name} is {value!r}, not {said!r}")


async def tried(given: Input, seed: int, number: int, decoder_type: DecoderType) -> Result:
    """An input's result; a crash is one too."""
    try:
        return Result(await check(given, decoder_type))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
        crashed = "" if isinstance(error, Wrong) else f"CRASH {type(error).__name__}: "
        return Result(
            Counter({"crashes" if crashed else "differences": 1}),
            [Failure(seed, number, f"{given.kind}: {crashed}{error}", given.body)],
        )


async def slice_of(seed: int, numbers: range, decoder_type: DecoderType = SSEDecoder) -> Result:
    """The inputs of these numbers."""
    result = Result()
    with small_whole_answers():
        for number in numbers:
            result.add(await tried(make(seed, number), seed, number, decoder_type))
    return result


async def exhaustive(seed: int, pairs: int = PAIRS, decoder_type: DecoderType = SSEDecoder) -> Result:
    """A stream of 2 KB in each kind of line ends, cut at every byte, at drawn pairs of bytes, everywhere at once."""
    result = Result()
    for line_end in ("\n", "\r\n", "\r"):
        body = two_kilobytes(line_end)
        random = Random(seed)
        places = [(place,) for place in range(len(body) + 1)]
        drawn = [tuple(sorted(random.choices(range(len(body) + 1), k=2))) for _ in range(pairs)]
        kind = "every cut of 2 KB"
        frames = framed(body, MAX_LINE_BYTES, MAX_EVENT_BYTES)
        told = expected(Input(kind, body, ()), frames)
        for cuts in (*places, *drawn, tuple(range(1, len(body)))):
            given = Input(kind, body, cuts)
            try:
                await _compare(given, given.parts, (frames, told), decoder_type)
            except Wrong as wrong:
                result.failures.append(Failure(seed, -1, str(wrong), body))
        result.counts["cuts of a 2 KB stream at every byte"] += len(places)
        result.counts["pairs of cuts of it"] += len(drawn)
    return result


def _work(task: tuple[int, range]) -> Result:
    return asyncio.run(slice_of(*task))


def campaign(seed: int, inputs: int, processes: int, report: Report, pairs: int = PAIRS) -> Result:
    """All of it."""
    result = asyncio.run(exhaustive(seed, pairs))
    batches = [(seed, range(start, min(start + BATCH, inputs))) for start in range(0, inputs, BATCH)]
    done = 0
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for part in pool.imap_unordered(_work, batches):
            result.add(part)
            done += BATCH
            report.progress(min(done, inputs), inputs, f"{len(result.failures)} found")
    return result


def finish(result: Result, inputs: int, report: Report, directory: Path) -> int:
    """Keep the failing inputs and print the table; the exit code."""
    counts = result.counts
    for failure in result.failures:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"seed{failure.seed}-{failure.number}.bin").write_bytes(failure.body)
    if result.failures:
        print(f"The inputs that failed are in {directory}.")
    cuts = counts["cuts of a 2 KB stream at every byte"] + counts["pairs of cuts of it"]
    unequal = sum(failure.number < 0 for failure in result.failures)
    table = {name: f"{count:,}" for name, count in sorted(counts.items())}
    table["inputs a second"] = f"{inputs / report.seconds:,.0f}"
    trials = {
        "crashes": (counts["crashes"], inputs),
        "read differently": (counts["differences"], inputs),
        "cut, and read differently": (unequal, cuts),
    }
    return report.finish(table, trials, result.failures)


def main(arguments: list[str]) -> int:
    """Run the campaign, or one input of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="every input follows from it")
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", type=int, help="the number of one input, to be read alone")
    parser.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir()) / "holdfast-decoder")
    options = parser.parse_args(arguments)
    report = Report("decoder", options.seed)
    if options.only is not None:
        print(make(options.seed, options.only))
        result = _work((options.seed, range(options.only, options.only + 1)))
        return finish(result, 1, report, options.dir)
    result = campaign(options.seed, options.inputs, options.processes, report)
    return finish(result, options.inputs, report, options.dir)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
