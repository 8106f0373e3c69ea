"""A short slice of each fault campaign, the same one every time, and proof that the checker and the proxy can say no.

The campaigns themselves are commands: bench/faults/README.md.
"""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import kill
import ledger
import once
import pytest
import reattach
import records
import sweep
import titles
from checker import judge, recovered
from history import Line
from msgspec.structs import replace as changed
from plan import Plan, deltas
from proxy import CLEAN, Proxy, Toxics
from records import Stored, StoredRun
from report import Report, bound
from upstream import LedgerLine

from holdfast.domain import Kind, Piece
from holdfast.events import pack
from holdfast.store import open_store

pytestmark = pytest.mark.anyio

QUIET = Report("test", 1, quiet=True)


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bytecode")


@pytest.fixture(autouse=True)
def _compiled_once(bytecode: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(bytecode))


async def test_kills_at_random_instants_lose_and_double_nothing(tmp_path: Path) -> None:
    options = kill.Options(kills=5, streams=10, seed=2, reconcile=0)
    lane = await kill.run_lane(tmp_path, options, QUIET)
    assert lane.found == []
    assert lane.counts["accepted"] >= 30
    assert lane.counts["runs interrupted"] >= 1
    assert lane.bills[1] > 0
    assert kill.finish(QUIET, replace_settled(lane), options) == 0


def replace_settled(lane: kill.Lane) -> kill.Lane:
    """Without the time it took, of which a busy machine says nothing."""
    return replace(lane, settled=[0.0] * len(lane.settled))


async def test_a_kill_before_a_call_of_each_kind_loses_nothing(tmp_path: Path) -> None:
    swept = await sweep.sweep(tmp_path, 1, QUIET)
    if swept.skipped and os.environ.get("CI") != "true":
        pytest.skip(swept.skipped)
    assert not swept.skipped
    assert swept.verdict.violations == []
    assert {point.split()[0] for point in swept.points} >= {"pwrite64", "fdatasync", "write"}


async def test_copies_of_a_send_make_one_call(tmp_path: Path) -> None:
    options = once.Options(messages=60, copies=4, seed=3)
    result = await once.campaign(tmp_path, options, QUIET)
    assert set(result.modes) == set(once.MODES)
    assert result.cuts > 0
    assert once.finish(QUIET, options, result) == 0, [result.verdict.violations, result.differing]


async def test_every_reader_gets_every_token_once(tmp_path: Path) -> None:
    result = await reattach.campaign(tmp_path, reattach.Options(generations=8, tokens=200, seed=29), QUIET)
    assert reattach.finish(QUIET, result) == 0, [result.verdict.violations, result.wrong]
    assert result.attachments >= 20 + reattach.HERD
    assert result.tokens >= 1600


async def test_a_name_that_a_person_gave_stays_whatever_happens_at_the_same_moment(tmp_path: Path) -> None:
    result = await titles.campaign(tmp_path, titles.Options(schedules=24, seed=1, silent=False), QUIET)
    assert titles.finish(QUIET, result) == 0, [result.too_often, result.wrong_lines, result.left, result.verdict]
    assert result.kills == 1
    assert {"named by user", "named by auto"} <= set(result.sources)


@pytest.mark.parametrize(
    ("own", "automatic", "title", "source", "right"),
    [
        (None, True, "New Conversation", "default", True),
        (None, True, "Tale 1 c0", "auto", True),
        (None, True, "@c0 n1 p0", "auto", True),
        (None, True, "Tale 2 c1", "auto", False),
        ("Mine", False, "Mine", "user", True),
        ("", False, "New Conversation", "user", True),
        ("Mine", True, "Tale 1 c0", "auto", True),
        ("Mine", False, "Tale 1 c0", "auto", False),
        ("", False, "Tale 1 c0", "auto", False),
        ("Mine", False, "Mine before", "user", False),
        ("Mine", False, "New Conversation", "default", False),
    ],
)
async def test_a_wrong_name_is_seen(own: str | None, automatic: bool, title: str, source: str, right: bool) -> None:  # noqa: FBT001
    schedule = replace(titles.draw(0, titles.Options()), own=own, automatic=automatic, served=["Tale 1 c0"])
    schedule.judge({"title": title, "title_source": source}, "in the end")
    assert (schedule.found == []) is right


async def test_what_was_spent_is_what_was_charged_to_the_last_digit(tmp_path: Path) -> None:
    result = await ledger.campaign(tmp_path, ledger.Options(calls=80, seed=1), QUIET)
    assert ledger.finish(QUIET, result) == 0, [result.wrong_sums, result.wrong_rows]
    assert {"stopped", "continued", "side by side"} <= set(result.sent)
    assert result.asked_afterwards > 0


async def test_a_sum_that_is_wrong_in_its_last_digit_is_seen() -> None:
    charged = {("acme/ledger-1", "answer"): ledger.Line(1, 20, 2, 1_000_001)}
    told = {"calls": 1, "prompt_tokens": 20, "completion_tokens": 2, "unknown": 0}
    for cost, wrong in (("0.000001000001", 0), ("0.000001", 2)):
        found = ledger.Ledger()
        item = {**told, "cost": cost, "model": "acme/ledger-1", "purpose": "answer"}
        ledger.compare(found, charged, {"items": [item], "total": item})
        assert len(found.wrong_sums) == wrong


PLAN = Plan("k1", tokens=4, style="thinking")
TOKENS = [(Kind.REASONING, text) for text in PLAN.reasoning_tokens] + [
    (Kind.CONTENT, text) for text in PLAN.content_tokens
]
END = 1 + len(TOKENS) + 2
RUN = StoredRun(
    generation="g1",
    user_message="m1",
    status="complete",
    seq=END,
    spans=pack([Piece(*token) for token in TOKENS]),
    user_content=PLAN.message,
    content=PLAN.content,
    reasoning=PLAN.reasoning,
    message_status="complete",
    upstream_id="gen-0",
    bill=(5, PLAN.cost),
)
FRAMES = (
    (1, "s", 0),
    *((seq, "cr"[kind], len(text)) for seq, (kind, text) in enumerate(TOKENS, 2)),
    (END - 1, "m", 0),
    (END, "d", 0),
)
READ = Line(
    3,
    "read",
    key="k1",
    generation="g1",
    user_message="m1",
    frames=FRAMES,
    content=PLAN.content,
    reasoning=PLAN.reasoning,
    terminal="complete",
    end="terminal",
)
RESUMED = changed(READ, after=3, frames=FRAMES[3:], reasoning="", content="".join(PLAN.content_tokens[1:]))
CALL = LedgerLine(0, 1, "k1", "gen-0", "acme/chat-1", len(PLAN.content), PLAN.cost, 5, done=True)


@dataclass
class Case:
    """A history, a database and a ledger in which all is well, for a test to spoil."""

    lines: list[Line] = field(
        default_factory=lambda: [
            Line(0, "start", epoch=1),
            Line(1, "send", key="k1", message=PLAN.message),
            Line(2, "ack", key="k1", message=PLAN.message),
            READ,
            RESUMED,
        ]
    )
    runs: dict[str, StoredRun] = field(default_factory=lambda: {"k1": RUN})
    damage: tuple[str, ...] = ()
    ledger: list[LedgerLine] = field(default_factory=lambda: [CALL])

    def rules(self) -> set[str]:
        """What is found to be broken."""
        return {
            violation.rule for violation in judge(self.lines, Stored(self.runs, self.damage), self.ledger).violations
        }

    def store(self, **fields: Any) -> None:
        self.runs = {"k1": replace(RUN, **fields)}

    def tell(self, **fields: Any) -> None:
        self.lines[3] = changed(READ, **fields)


def _short_by_a_token(case: Case) -> None:
    case.tell(content=PLAN.content[:-9] + PLAN.content[-8:])


def _token_twice(case: Case) -> None:
    seq, kind, size = FRAMES[4]
    case.tell(frames=(*FRAMES[:4], (seq, kind, 2 * size), *FRAMES[5:]))


def _end_forgotten(case: Case) -> None:
    case.store(status="streaming", message_status="streaming")
    case.lines = case.lines[:3]


def _shown_and_lost(case: Case) -> None:
    lost = [Piece(*token) for token in TOKENS[:-1]]
    content = "".join(PLAN.content_tokens[:-1])
    case.store(status="interrupted", message_status="interrupted", spans=pack(lost), content=content, seq=END - 1)


def _foreign_text(case: Case) -> None:
    other = Plan("k2", tokens=4, style="thinking")
    case.store(content=other.content)
    case.tell(content=other.content)
    case.lines.pop()


DOCTORED: dict[str, tuple[str, Callable[[Case], object]]] = {
    "an acknowledged message is not stored": ("I1", lambda case: case.runs.clear()),
    "another message is stored": ("I1", lambda case: case.store(user_content=replace(PLAN, tokens=5).message)),
    "shown text is lost": ("I2", _shown_and_lost),
    "a character was not shown": ("I2", _short_by_a_token),
    "a complete answer is not whole": ("I2", lambda case: case.store(content=PLAN.content[:-1])),
    "a token was shown twice": ("I3", _token_twice),
    "a seq was given out twice": ("I3", lambda case: case.tell(frames=(*FRAMES[:3], *FRAMES[2:]))),
    "a frame is missing": ("I3", lambda case: case.tell(frames=(*FRAMES[:3], *FRAMES[4:]))),
    "a stream begins in the middle": ("I3", lambda case: case.tell(frames=FRAMES[1:])),
    "a good cursor is refused": (
        "I3",
        lambda case: case.lines.append(Line(4, "refused", key="k1", generation="g1", after=2, status=400)),
    ),
    "nothing is said to be left too early": ("I3", lambda case: case.tell(frames=(), after=2, end="empty")),
    "a run has no end": ("I4", _end_forgotten),
    "a message has another end than its run": ("I4", lambda case: case.store(message_status="failed")),
    "another end was told": ("I4", lambda case: case.tell(terminal="stopped")),
    "a stream ends without its end": ("I4", lambda case: case.tell(frames=FRAMES[:-1], terminal="", end="clean")),
    "an event follows the end": ("I5", lambda case: case.tell(frames=(*FRAMES, (END + 1, "m", 0)))),
    "the end comes twice": ("I5", lambda case: case.tell(frames=(*FRAMES, (END + 1, "d", 0)))),
    "a message was asked twice": ("I6", lambda case: case.ledger.append(changed(CALL, number=1))),
    "a restarted process asked by itself": (
        "I6",
        lambda case: case.ledger.__setitem__(0, changed(CALL, epoch=2)),
    ),
    "nobody sent what was asked": ("I6", lambda case: case.ledger.append(changed(CALL, number=1, key="k9"))),
    "an event of somebody else": ("I7", lambda case: case.tell(foreign=("g2",))),
    "another run was told": ("I7", lambda case: case.tell(generation="g2")),
    "another message was told": ("I7", lambda case: case.tell(user_message="m2")),
    "somebody else's text": ("I7", _foreign_text),
    "text that the provider never sent": ("I7", lambda case: case.ledger.__setitem__(0, changed(CALL, sent=1))),
    "a broken database": ("I8", lambda case: setattr(case, "damage", ("integrity: a page is gone",))),
    "text without the id of its call": ("P5", lambda case: case.store(upstream_id="")),
    "a deleted conversation is back": ("P11", lambda case: case.lines.append(Line(4, "delete", key="k1", status=204))),
    "bytes that are no event": ("P13", lambda case: case.tell(frames=(*FRAMES[:2], (2, "?", 0), *FRAMES[2:]))),
}


async def test_the_checker_is_content_where_all_is_well() -> None:
    assert Case().rules() == set()


@pytest.mark.parametrize("name", DOCTORED)
async def test_the_checker_finds(name: str) -> None:
    rule, doctor = DOCTORED[name]
    case = Case()
    doctor(case)
    assert rule in case.rules()


async def test_a_cost_is_recovered_when_it_is_the_ledgers() -> None:
    assert recovered({"k1": RUN}, [CALL]) == (1, 1, [])
    assert recovered({"k1": replace(RUN, bill=(None, None))}, [CALL]) == (0, 1, ["k1"])
    assert recovered({"k1": replace(RUN, upstream_id="")}, [CALL]) == (0, 0, [])


async def test_a_campaign_with_a_violation_fails(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("test", 7)
    assert report.finish({}, {"lost": (0, 300)}, []) == 0
    assert report.finish({}, {"lost": (1, 300)}, []) == 1
    assert report.finish({}, {}, ["I1 k1: acknowledged, and not stored"]) == 1
    assert "seed 7" in capsys.readouterr().out
    assert bound(0, 300) == "0 of 300, so at most 1 in 100 at 95 %"


async def test_damage_in_a_database_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "holdfast.sqlite3"
    await (await open_store(path, lambda _line: None)).aclose()
    assert records.load(path) == Stored({}, ())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO pieces (generation_id, seq, kind, text) VALUES ('gone', 2, 0, 'x')")
    assert len(records.load(path).damage) == 2  # a dangling reference, and a piece of no generation
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096)  # a page in the middle
    assert records.load(path).damage


async def test_a_plan_is_found_again_in_its_message() -> None:
    for style in ("plain", "thinking", "wild"):
        plan = Plan("key-1", 30, 2, 3, 4, style)
        assert Plan.parse(plan.message) == plan
        assert (
            "".join("".join(deltas(token)) for token in plan.content_tokens)
            .encode("utf-16-le", "surrogatepass")
            .decode("utf-16-le")
            == plan.content
        )
    assert Plan.parse("Hello") is None
    assert Plan("a").content != Plan("b").content


ECHOED = bytes(range(256)) * 8


@asynccontextmanager
async def echo(toxics: Toxics) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection through a proxy whose way back is poisoned, to a server that says everything again."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Proxy(port, lambda _number, _random: (CLEAN, toxics), seed=1) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(ECHOED)
            writer.write_eof()
            try:
                yield reader, writer
            finally:
                writer.transport.abort()


@pytest.mark.parametrize(
    "toxics",
    [CLEAN, Toxics(slice=7), Toxics(bandwidth=1e6), Toxics(slow_close=0.01), Toxics(latency=0.01, jitter=0.01)],
)
async def test_the_proxy_passes_everything_on_where_it_only_delays(toxics: Toxics) -> None:
    async with echo(toxics) as (reader, _):
        assert await reader.read() == ECHOED


async def test_the_proxy_cuts_where_it_is_told() -> None:
    async with echo(Toxics(limit=100)) as (reader, _):
        assert await reader.read() == ECHOED[:100]
    async with echo(Toxics(limit=0)) as (reader, _):
        assert await reader.read() == b""
    async with echo(Toxics(reset=100)) as (reader, _):
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(101)


async def test_the_proxy_leaves_a_connection_half_open() -> None:
    async with echo(Toxics(stall=100)) as (reader, _):
        assert await reader.readexactly(100) == ECHOED[:100]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await reader.read(1)


async def test_the_proxy_corrupts_the_same_bytes_from_the_same_seed() -> None:
    seen = set()
    for _ in range(2):
        async with echo(Toxics(corrupt=0.05)) as (reader, _):
            seen.add(await reader.read())
    assert len(seen) == 1
    assert ECHOED not in seen
    assert len(seen.pop()) == len(ECHOED)


async def test_a_round_is_the_same_from_the_same_seed() -> None:
    plans = [[kill.draw_plan(str(number), random) for number in range(20)] for random in (Random(4), Random(4))]
    assert plans[0] == plans[1]
