"""The decoder's campaign in small: a seeded slice finds nothing, and finds what is planted."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import decoder
import pytest
from decoder import DecoderType, Result, exhaustive, slice_of
from hostile import SHARES, make
from report import Report

from holdfast.errors import UpstreamProtocol
from holdfast.provider import answer, wire
from holdfast.provider.answer import Answer
from holdfast.provider.sse import ServerSentEvent, SSEDecoder

pytestmark = pytest.mark.anyio

SEED = 20


class ForgetsALoneCR(SSEDecoder):
    """Takes the LF of a CRLF that was cut in two for a line of its own."""

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        self._skip_lf = False
        return super().feed(data)


class DecodesEachRead(SSEDecoder):
    """Makes text of every read by itself."""

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        return super().feed(data.decode("utf-8", "replace").encode())


class SplitsLinesAsText(SSEDecoder):
    """Takes U+2028 and U+0085 for line ends."""

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        return super().feed(data.replace("\u2028".encode(), b"\n").replace("\u0085".encode(), b"\n"))


class DropsEventsBeforeACap(SSEDecoder):
    """Loses what came before a line that is too long."""

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        events = super().feed(data)
        if self._broken is not None:
            raise self._broken
        return events


class Crashes(SSEDecoder):
    """Raises what nobody expects."""

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        try:
            return super().feed(data)
        except UpstreamProtocol as error:
            raise KeyError("boom") from error


async def until_found(decoder_type: DecoderType = SSEDecoder) -> Result:
    """A slice that ends soon after the first finding."""
    result = Result()
    for start in range(0, 3000, 200):
        result.add(await slice_of(SEED, range(start, start + 200), decoder_type))
        if result.failures:
            break
    return result


async def test_a_slice_is_read_the_same_in_every_way() -> None:
    result = await slice_of(SEED, range(1500))
    assert [str(failure) for failure in result.failures] == []
    assert {name.partition(": ")[2].partition(",")[0] for name in result.counts if "inputs" in name} == set(SHARES)
    assert result.counts["characters of text"] > 4000
    assert result.counts["past a cap"] > 20


async def test_two_kilobytes_are_read_the_same_wherever_they_are_cut() -> None:
    result = await exhaustive(SEED, pairs=100)
    assert [str(failure) for failure in result.failures] == []
    assert result.counts["cuts of a 2 KB stream at every byte"] > 4000


def test_a_number_makes_the_same_input_always() -> None:
    assert make(SEED, 7) == make(SEED, 7)
    assert make(SEED, 7).body != make(SEED + 1, 7).body


@pytest.mark.parametrize(
    "defect",
    [ForgetsALoneCR, DecodesEachRead, SplitsLinesAsText, DropsEventsBeforeACap, Crashes],
    ids=lambda it: it.__name__,
)
async def test_a_decoder_with_a_defect_is_found_out(defect: type[SSEDecoder]) -> None:
    result = await until_found(defect)
    assert result.failures
    assert f"--seed {SEED} --only {result.failures[0].number}" in str(result.failures[0])
    assert bool(result.counts["crashes"]) == (defect is Crashes)


def unjoined(text: str) -> str:
    return "".join("\ufffd" if "\ud800" <= each <= "\udfff" else each for each in text).replace("\0", "\ufffd")


def untouched(text: str) -> str:
    return text


def without_last_words(self: Any) -> None:
    self._end(None if self._finish_reason or self._empty else UpstreamProtocol())


@pytest.mark.parametrize(
    ("where", "name", "defect"),
    [
        (wire, "whole", unjoined),
        (wire, "whole", untouched),
        (Answer, "_end_of_body", without_last_words),
        (answer, "_TOLERATED", 2),
        (answer, "label", lambda text: text),
        (wire, "merge_usage", lambda known, _: known),
    ],
    ids=["halves-of-pairs", "surrogates", "last-event", "tolerance", "labels", "usage"],
)
async def test_an_answer_with_a_defect_is_found_out(
    monkeypatch: pytest.MonkeyPatch, where: Any, name: str, defect: Callable[..., Any] | int
) -> None:
    monkeypatch.setattr(where, name, defect)
    assert (await until_found()).failures


def test_a_failing_input_is_kept_and_told_how_to_repeat(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nothing(*_: object, **__: object) -> Sequence[Any]:
        return []

    monkeypatch.setattr(SSEDecoder, "_consume", nothing)
    code = decoder.main(["--seed", str(SEED), "--only", "4", "--dir", str(tmp_path)])
    assert code == 1
    assert [path.name for path in tmp_path.iterdir()] == [f"seed{SEED}-4.bin"]
    assert "1 of 1" in capsys.readouterr().out


def test_the_campaign_runs_over_processes(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("decoder", SEED, quiet=True)
    result = decoder.campaign(SEED, 400, 2, report, pairs=5)
    assert sum(count for name, count in result.counts.items() if name.startswith("inputs")) == 400
    assert decoder.finish(result, 400, report, tmp_path) == 0
    assert capsys.readouterr().out == ""
    assert asyncio.run(slice_of(SEED, range(400))).counts["events"] == result.counts["events"]
