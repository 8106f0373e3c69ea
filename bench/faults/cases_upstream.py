"""What the provider does: refuses, stalls, lies, breaks off, sends too much, too slowly or something else altogether.

Each shape is asked for once, all of a case at the same time; the text before the break is a plan's own, so the
checker proves that what is kept is what was sent.
"""

import asyncio
import gzip
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import procfs
from cases import SLACK, Trial, case, complete, ends, foreign, plans, stored, until
from client import Run
from plan import Plan
from report import spread
from stage import Stage
from upstream import Upstream, reply, steps, usage

from openrouter import Call, no_server
from replies import (
    COMMENT,
    MID_STREAM_ERRORS,
    Close,
    Pause,
    Raw,
    Reply,
    Reset,
    Send,
    Silence,
    Step,
    chunk,
    compressed,
    document,
    ending,
    endless_line,
    event,
    many_headers,
    page,
    redirect,
    refusal,
    spent,
)

_MIB = 1024 * 1024
_MEGABYTE = 1_000_000  # With its JSON around it less than the limit of a line.
Shape = Callable[[Plan], Reply]


@dataclass(frozen=True)
class Asked:
    """A shape, the ends that it may have, and how many of the plan's tokens must be kept; None: any part of them."""

    shape: Shape
    ends: tuple[str, ...]
    kept: int | None = None


def broken(tokens: int, *by: Step) -> Shape:
    """The first tokens of the plan and then these steps."""
    return lambda plan: Reply([COMMENT, *steps(plan)[:tokens], *by])


def _same(body: Reply, _plan: Plan) -> Reply:
    """Whatever was asked."""
    return body


def _after(before: Sequence[Step], plan: Plan) -> Reply:
    """The good answer after something else."""
    return Reply([*before, *steps(plan), *ending("stop", usage(plan))])


def going(place: Stage) -> list[Call]:
    """Calls for completions that the provider is still answering, as far as it knows."""
    return [call for call in place.upstream.completions if not call.done and call.left_at is None]


def unbilled(plan: Plan) -> Reply:
    """The good answer, only that its usage is told by the records alone."""
    return Reply([COMMENT, *steps(plan), *ending("stop")], usage=usage(plan))


async def ask(trial: Trial, place: Stage, asked: Mapping[str, Asked], *, tokens: int = 6, limit: float = 60) -> None:
    """Ask once for each shape, all at the same time, and expect the ends and the text that they are to have."""
    runs = dict(zip(asked, plans(trial, len(asked), tokens=tokens, pace=0), strict=True))
    shapes = {run.key: asked[name].shape for name, run in runs.items()}
    place.upstream.answers = lambda plan: shapes[plan.key](plan) if plan.key in shapes else reply(plan)
    await complete(place, runs.values(), limit)
    found = stored(place)
    for name, run in runs.items():
        wanted = asked[name]
        trial.expect(run.terminal in wanted.ends, f"{name}: ended as {run.terminal!r}, not {' or '.join(wanted.ends)}")
        if wanted.kept is not None:
            text = "".join(run.plan.content_tokens[: wanted.kept])
            kept = found[run.key].content if run.key in found else None
            trial.expect(kept == text, f"{name}: kept {kept!r} of {text!r}")
    place.upstream.answers = reply


async def alive(trial: Trial, place: Stage) -> None:
    """A good answer comes as if nothing had been."""
    last = plans(trial, 1, tokens=10)
    await complete(place, last)
    ends(trial, last, "complete")


async def billed(place: Stage, runs: Sequence[Run], limit: float) -> float | None:
    """Wait until all have the tokens and the cost of the ledger; the seconds, None where that took too long."""

    def known() -> bool:
        ledger = {line.key: (line.completion_tokens, line.cost) for line in place.upstream.lines()}
        found = stored(place)
        return all(found[run.key].bill == ledger[run.key] for run in runs)

    begun = time.monotonic()
    while not await asyncio.to_thread(known):
        if time.monotonic() - begun > limit:
            return None
        await asyncio.sleep(0.1)
    return time.monotonic() - begun


@case("F16", "nobody listens, the name is unknown, TLS fails, packets vanish: said within 5 s")
async def unreachable(trial: Trial) -> None:
    async with no_server() as refused, _full() as vanishing, Upstream() as plain:
        addresses = {
            "refused": refused,
            "unknown name": "http://no-such-host.invalid/api/v1",
            "no TLS there": plain.base_url.replace("http://", "https://"),
            "packets vanish": vanishing,
        }
        for name, address in addresses.items():
            async with trial.stage(OPENROUTER_BASE_URL=address) as place:
                runs = plans(trial, 4, tokens=3)
                begun = time.monotonic()
                await complete(place, runs)
                took = time.monotonic() - begun
                ends(trial, runs, "failed:provider_unavailable")
                trial.expect(took <= 5 + SLACK, f"{name}: took {took:.1f} s to say so")
                status, _ = await place.client("reader").get("/ready")
                trial.expect(status == 200, f"{name}: /ready is {status}, though the provider is not its affair")
        calls = [call for call in plain.ledger if call.path.endswith("/completions")]
        trial.expect(not calls, f"{len(calls)} calls on a connection that was to be TLS")


@asynccontextmanager
async def _full() -> AsyncIterator[str]:
    """An address whose queue of connections is full, so that the next one's packets are dropped."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    port = listener.getsockname()[1]
    waiting = []
    for _ in range(4):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", port))
        waiting.append(one)
    await asyncio.sleep(0.1)
    yield f"http://127.0.0.1:{port}/api/v1"
    for one in (*waiting, listener):
        one.close()


REFUSALS: Mapping[int, str] = {
    400: "provider_rejected",
    401: "provider_rejected",
    402: "out_of_credit",
    403: "provider_rejected",
    404: "provider_rejected",
    408: "provider_unavailable",
    413: "context_too_long",
    422: "provider_rejected",
    429: "provider_rate_limited",
    500: "provider_unavailable",
    502: "provider_unavailable",
    503: "provider_unavailable",
    504: "provider_unavailable",
    524: "provider_unavailable",
    529: "provider_unavailable",
}
"""What each status means."""


@case("F17", "refused with any status: a typed error, one call, no word of the key, and the wait that was asked for")
async def refused(trial: Trial) -> None:
    words = "No, sk-or-v1-campaign may not.\x1b[31m <script>"
    async with trial.stage() as place:
        runs = dict(zip(REFUSALS, plans(trial, len(REFUSALS), tokens=3), strict=True))
        keys = {run.key: status for status, run in runs.items()}
        place.upstream.answers = lambda plan: refusal(keys[plan.key], words, headers={"Retry-After": "7"})
        await complete(place, runs.values())
        client = place.client("reader")
        for status, run in runs.items():
            wanted = f"failed:{REFUSALS[status]}"
            trial.expect(run.terminal == wanted, f"{status}: ended as {run.terminal}, not {wanted}")
            _, found = await client.get(f"/api/generations/{run.generation}")
            told = str(found)
            trial.expect("sk-or-v1-campaign" not in told and "\x1b" not in told, f"{status}: told {told}")
            asked_to_wait = status in (429, 503)
            trial.expect(not asked_to_wait or "7 seconds" in told, f"{status}: the wait is not told: {told}")


@case("F18", "an error in the middle of the stream: the text is kept, the end is an error and never `done`")
async def errors_within(trial: Trial) -> None:
    async with trial.stage() as place:
        known = ("failed:provider_unavailable", "failed:upstream_protocol", "failed:provider_rejected")
        shapes = {
            name: Asked(broken(k, Send(event(error)), *ending("stop", usage(Plan("x")))), known, kept=k)
            for k, (name, error) in zip(range(1, 20), list(MID_STREAM_ERRORS.items()), strict=False)
        }
        await ask(trial, place, shapes, tokens=20)


@case("F19", "the shapes of errors of vLLM and others, before and after the first word")
async def foreign_errors(trial: Trial) -> None:
    errors = {
        "vLLM": {"object": "error", "message": "boom", "type": "BadRequestError", "code": 400},
        "no choices": {"error": {"message": "boom", "code": "502"}},
        "in the choice": {"choices": [{"index": 0, "error": {"code": 500, "message": "boom"}}]},
        "in the choice, with a delta": {"choices": [{"index": 0, "delta": {"content": ""}, "error": {"message": "b"}}]},
        "detail": {"error": {"message": None, "metadata": {"raw": "x" * 100_000}}},
    }
    known = tuple(f"failed:{code}" for code in ("provider_unavailable", "provider_rejected", "upstream_protocol"))
    async with trial.stage() as place:
        for kept in (0, trial.random.randrange(1, 6)):
            shapes = {
                f"{name} after {kept}": Asked(broken(kept, Send(event(e))), known, kept) for name, e in errors.items()
            }
            await ask(trial, place, shapes)


@case("F20", "the end without `[DONE]` and without a reason: broken off, and the text is kept")
async def truncated(trial: Trial) -> None:
    kept = trial.random.randrange(1, 6)
    shapes = {
        "a chunked body": Asked(broken(kept), ("failed:upstream_protocol",), kept),
        "a closed connection": Asked(
            lambda plan: Reply([COMMENT, *steps(plan)[:kept]], framing="close"), ("failed:upstream_protocol",), kept
        ),
        "in the middle of a frame": Asked(broken(kept, Send(b"data: {")), ("failed:upstream_protocol",), kept),
    }
    async with trial.stage() as place:
        await ask(trial, place, shapes)


@case("F21", "`[DONE]` or the usage is missing: complete, and the cost is recovered from the records")
async def unfinished(trial: Trial) -> None:
    empty = {"role": "assistant", "content": ""}
    stop = Send(event(chunk(empty, finish="stop")))
    async with trial.stage(change={"constants": {"holdfast.usage.FIRST_PAUSE": 0.2}}) as place:
        shapes: dict[str, Shape] = {
            "no usage": unbilled,
            "no [DONE]": lambda plan: Reply([COMMENT, *steps(plan), stop], usage=usage(plan)),
            "a closed connection": lambda plan: Reply([*steps(plan), stop], usage=usage(plan), framing="close"),
        }
        runs = dict(zip(shapes, plans(trial, len(shapes), tokens=9), strict=True))
        chosen = {run.key: shapes[name] for name, run in runs.items()}
        place.upstream.answers = lambda plan: chosen[plan.key](plan)
        await complete(place, runs.values())
        ends(trial, runs.values(), "complete")
        seconds = await billed(place, list(runs.values()), 20)
        trial.expect(seconds is not None, "a cost was not recovered within 20 s")


@case("F22", "silence in every form, before and after the first word: ended at the limit, the provider let go")
async def stalled(trial: Trial) -> None:
    """Scaled: 1 s for 120 until the first token and for 60 between two, 4 s for the 15 minutes of the whole."""
    noise: dict[str, Step | None] = {
        "nothing": None,
        "comments": COMMENT,
        "white space": Send(b"\r\n\r\n"),
        "roles": Send(event(chunk({"role": "assistant"}))),
        "empty text": Send(event(chunk({"content": ""}))),
        "no choices": Send(event({"choices": []})),
    }
    async with trial.stage(HOLDFAST_FIRST_TOKEN_LIMIT="1", HOLDFAST_IDLE_LIMIT="1", HOLDFAST_ANSWER_LIMIT="4") as place:
        for kept in (0, 3):
            shapes = {}
            for name, step in noise.items():
                more = [Silence()] if step is None else [each for _ in range(200) for each in (Pause(0.1), step)]
                shapes[f"{name} after {kept}"] = Asked(broken(kept, *more), ("failed:stalled",), kept)
            begun = time.monotonic()
            await ask(trial, place, shapes)
            took = time.monotonic() - begun
            trial.expect(took <= 1 + 1 * SLACK, f"silence after {kept} words was ended after {took:.1f} s, not 1")
        await _for_ever(trial, place)
        gone = await until(lambda: not going(place), 8)
        trial.expect(gone is not None, f"{len(going(place))} calls of the provider go on")


async def _for_ever(trial: Trial, place: Stage) -> None:
    """A token before each limit, without an end: the limit of the whole holds."""
    (run,) = plans(trial, 1, tokens=400, pace=300)
    begun = time.monotonic()
    await complete(place, [run])
    ends(trial, [run], "failed:too_long")
    took = time.monotonic() - begun
    trial.expect(4 <= took <= 4 + SLACK, f"an answer without an end took {took:.1f} s, not 4")


@case("F23", "a trickle, a burst of 5,000 tokens and a token of 1 MB: all whole, and the others do not notice")
async def extremes(trial: Trial) -> None:
    async with trial.stage() as place:
        calm = plans(trial, 8, tokens=120, pace=20)
        alone = await _timed(place, calm)
        text = Send(event(chunk({"content": "x" * _MEGABYTE})))
        large = foreign(place, f"{trial.number}-large", lambda: Reply([text, *ending("stop", spent())]))
        trickle, burst = plans(trial, 2, tokens=8, pace=400), plans(trial, 4, tokens=5000, pace=0)
        beside = plans(trial, 8, tokens=120, pace=20)
        async with asyncio.TaskGroup() as group:
            group.create_task(complete(place, [*trickle, *burst]))
            watched = group.create_task(_timed(place, beside))
            one = group.create_task(large)
        ends(trial, [*calm, *trickle, *burst, *beside, one.result()], "complete")
        trial.expect(one.result().shown == _MEGABYTE, f"{one.result().shown} characters of a token of 1 MB came")
        together = watched.result()
        trial.expect(
            together <= alone * 1.5 + 1, f"calm answers took {together:.1f} s beside a burst, {alone:.1f} alone"
        )
        trial.note(f"calm answers took {alone:.2f} s alone, {together:.2f} s beside")


async def _timed(place: Stage, runs: Sequence[Run]) -> float:
    begun = time.monotonic()
    await complete(place, runs)
    return time.monotonic() - begun


@case("F24", "the connection breaks in the middle of a chunk, or the framing lies: broken off, the text is kept")
async def misframed(trial: Trial) -> None:
    kept = trial.random.randrange(1, 6)
    rest = b'data: {"id":"x"'
    torn = ("failed:upstream_protocol",)
    async with trial.stage() as place:
        shapes = {
            "a reset": Asked(broken(kept, Reset()), torn),
            "a reset in a chunk": Asked(broken(kept, Pause(0.1), Raw(b"ff\r\n" + rest), Reset()), torn),
            "the end in a chunk": Asked(broken(kept, Pause(0.1), Raw(b"ff\r\n" + rest), Close()), torn, kept),
            "a size that is none": Asked(broken(kept, Pause(0.1), Raw(b"zz\r\n"), Close()), torn, kept),
            "a size without end": Asked(broken(kept, Pause(0.1), Raw(b"f" * 4096), Close()), torn, kept),
            "a negative size": Asked(broken(kept, Pause(0.1), Raw(b"-5\r\nhello"), Silence()), torn, kept),
            "less than its length": Asked(
                lambda plan: Reply(
                    [*steps(plan)[:kept], Close()],
                    headers={"Content-Type": "text/event-stream", "Content-Length": "99999"},
                    framing="length",
                ),
                torn,
                kept,
            ),
        }
        await ask(trial, place, shapes)
        await alive(trial, place)


@case("F25", "a page, a document, nothing, a redirect: a typed error, and the key goes to nobody else")
async def no_stream(trial: Trial) -> None:
    known = tuple(f"failed:{code}" for code in ("upstream_protocol", "provider_unavailable", "provider_rejected"))
    async with trial.stage() as place, Upstream() as other:
        bodies: dict[str, Reply] = {
            "a page": page(),
            "an error in JSON": document({"error": {"code": 500, "message": "boom"}}),
            "another document": document({"hello": ["world"]}),
            "nothing": Reply(framing="length"),
            "nothing, chunked": Reply(),
            "204": Reply(status=204, framing="length"),
            "a redirect": redirect(f"{other.base_url}/chat/completions"),
        }
        made = {name: Asked(partial(_same, body), (*known, "failed:empty_answer"), 0) for name, body in bodies.items()}
        await ask(trial, place, made)
        trial.expect(not other.connections_opened, "a redirect was followed to another host")
        await alive(trial, place)


@case("F26", "compressed, a bomb, a line without end, a million headers: refused, and memory stays bounded")
async def excessive(trial: Trial) -> None:
    bomb = gzip.compress(b"data: " + b"x" * (256 * _MIB), 1)
    known = tuple(f"failed:{code}" for code in ("upstream_protocol", "provider_unavailable", "too_long"))
    headers = {"Content-Type": "text/event-stream", "Content-Encoding": "gzip"}
    comments = [Send(b": " + b"x" * 65_536 + b"\n\n")] * 200
    async with trial.stage(HOLDFAST_FIRST_TOKEN_LIMIT="20") as place:
        await alive(trial, place)
        procfs.forget_peak(place.server.pid)
        before = procfs.resident(place.server.pid)
        excess = {
            "gzip": compressed(event(chunk({"content": "x"}))),
            "a bomb": Reply([Send(bomb)], headers=headers),
            "an endless line": endless_line(1024),
            "an endless event": Reply([Send(b"data: " + b"x" * 65_536 + b"\n")] * 1024),
            "a hundred thousand headers": many_headers(100_000),
        }
        asked = {name: Asked(partial(_same, body), known, 0) for name, body in excess.items()}
        asked["comments"] = Asked(partial(_after, comments), ("complete",))
        await ask(trial, place, asked)
        grown = procfs.peak(place.server.pid) - before
        trial.expect(grown < 64 * _MIB, f"memory grew by {grown // _MIB} MiB")
        trial.note(f"memory grew by at most {grown // _MIB} MiB")
        await alive(trial, place)


@case("F27", "a thousand answers stopped: no connection to the provider is left behind")
async def many_stopped(trial: Trial) -> None:
    async with trial.stage(HOLDFAST_TITLE_MODEL="off") as place:
        sockets = procfs.sockets(place.server.pid)
        latencies: list[float] = []
        for _ in range(trial.count(25)):
            runs = plans(trial, 40, tokens=500, pace=50, head=trial.random.choice((0, 0, 30)))
            answering = asyncio.create_task(complete(place, runs))
            await _begun(runs)
            await asyncio.sleep(trial.random.uniform(0, 0.1))
            latencies += await asyncio.gather(*(_stop(place, run) for run in runs))
            await answering
            ends(trial, runs, "stopped")
        left = await until(lambda: not going(place), 10)
        trial.expect(left is not None, f"{len(going(place))} calls of the provider go on")
        freed = await until(lambda: procfs.sockets(place.server.pid) <= sockets, 60)  # Costs are being asked for.
        trial.expect(freed is not None, f"{procfs.sockets(place.server.pid)} sockets, {sockets} at first")
        late = sum(seconds > 1 * SLACK for seconds in latencies)
        trial.expect(not late, f"{late} of {len(latencies)} took longer than a second to stop")
        trial.note(f"stopped after {spread(latencies)}")


async def _begun(runs: Sequence[Run]) -> None:
    if await until(lambda: all(run.generation for run in runs), 20) is None:
        raise TimeoutError("answers do not begin")


async def _stop(place: Stage, run: Run) -> float:
    """Stop it; the seconds until its reader is told."""
    begun = time.monotonic()
    await place.client(f"{run.key}/stop").stop(run)
    await until(lambda: run.terminal, 20)
    return time.monotonic() - begun
