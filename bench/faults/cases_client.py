"""What clients do: go away in every manner, never read, come in crowds, send twice or at once, and lie."""

import asyncio
import socket
import time
from collections.abc import Sequence
from random import Random

import once
import procfs
from cases import SLACK, Trial, case, complete, ends, foreign, plans, shown, until
from cases_upstream import going
from client import Client, Run
from plan import Plan
from proxy import CLEAN, Proxy, Toxics
from report import Report, spread
from stage import Stage
from wire import Cut, request

from replies import Hold, Pause, Reply, Send, chunk, ending, event, spent

_MIB = 1024 * 1024


@case("F9", "a client goes away at any byte, with FIN, RST or silently: the answer goes on and can be followed again")
async def gone(trial: Trial) -> None:
    async with trial.stage(HOLDFAST_HEARTBEAT="1") as place:
        sockets = procfs.sockets(place.server.pid)
        random = trial.random
        async with Proxy(place.server.port, _half_open, trial.seed) as proxy:
            runs = plans(trial, trial.count(24), tokens=80, pace=10)
            quiet: list[asyncio.Task[object]] = []
            for number, run in enumerate(runs):
                if number % 3:
                    await _leave(place.client(run.key), run, random, reset=number % 3 == 1)
                else:
                    quiet.append(asyncio.create_task(place.client(run.key, proxy.port).send(run)))
                    await until(lambda run=run: run.generation, 10)  # type: ignore[misc]
            follower = [run for run in runs if run.generation]
            trial.expect(len(follower) >= len(runs) / 2, "hardly anybody was told where the answer is")
            await complete(place, runs)
            for task in quiet:
                task.cancel()
            await asyncio.gather(*quiet, return_exceptions=True)
        ends(trial, runs, "complete")
        calls = [line for line in place.upstream.lines() if line.key]
        trial.expect(all(line.done for line in calls), "a call of the provider was broken off")
        freed = await until(lambda: procfs.sockets(place.server.pid) <= sockets, 12)
        trial.expect(freed is not None, f"{procfs.sockets(place.server.pid)} sockets, {sockets} at first")


async def _leave(client: Client, run: Run, random: Random, *, reset: bool) -> None:
    """Leave within the first bytes and, where the answer is known by then, come back and leave again."""
    await client.send(run, limit=random.randrange(1, 4000))
    if run.generation:
        await client.follow(run, limit=random.randrange(1, 2000), reset=reset)


def _half_open(_number: int, random: Random) -> tuple[Toxics, Toxics]:
    """Somewhere in the answer nothing comes any more, and nobody is told."""
    return CLEAN, Toxics(stall=random.randrange(900, 4000))


@case("F10", "readers that read nothing, or a byte a second: let go within the limit, at a bounded cost in memory")
async def slow(trial: Trial) -> None:
    """Scaled: the limit of 20 s is 2 s. The text is longer than what the kernel takes for a socket, which is 4 MB."""
    change = {"constants": {"holdfast.http.stream.STUCK_LIMIT": 2.0}}
    async with trial.stage(change=change, HOLDFAST_HEARTBEAT="1") as place:
        hold = Hold()
        text = [step for _ in range(115) for step in (Send(event(chunk({"content": "x" * 65_000}))), Pause(0.01))]
        await foreign(place, f"{trial.number}-alone", lambda: Reply([*text, *ending("stop", spent())]))
        calls = len(place.upstream.completions)
        long = Reply([*text, hold, *ending("stop", spent())])
        answering = asyncio.create_task(foreign(place, f"{trial.number}-long", lambda: long))
        await until(lambda: len(place.upstream.completions) > calls, 10)
        generation = await _generation(place)
        before, sockets = procfs.resident(place.server.pid), procfs.sockets(place.server.pid)
        count = trial.count(30)
        stuck = [await attach(place.server.port, generation) for _ in range(count)]
        drips = [asyncio.create_task(_drip(one)) for one in stuck[: count // 2]]
        await hold.reached.wait()
        gone_after = await until(lambda: procfs.sockets(place.server.pid) <= sockets, 2 + 1 + 4 * SLACK)
        held = procfs.sockets(place.server.pid) - sockets
        trial.expect(gone_after is not None, f"{held} stuck readers are still held")
        grown = (procfs.resident(place.server.pid) - before) / _MIB
        trial.expect(grown < 64, f"memory grew by {grown:.0f} MiB for {count} stuck readers")
        for task in drips:
            task.cancel()
        for one in stuck:
            one.close()
        hold.release()
        run = await answering
        ends(trial, [run], "complete")
        again = Run(run.plan, generation=run.generation, conversation=run.conversation, acked=True)
        await place.client("again").complete(again)
        trial.expect(again.digest.digest() == run.digest.digest(), "who comes again is told something else")
        if gone_after is not None:
            trial.note(f"{count} stuck readers gone {gone_after:.1f} s after the text, memory grew by {grown:.0f} MiB")


async def _generation(place: Stage) -> str:
    """The id of the newest answer."""
    client = place.client("reader")
    _, found = await client.get("/api/conversations")
    _, messages = await client.get(f"/api/conversations/{found['items'][0]['id']}/messages")
    return str(messages["items"][-1]["generation_id"])


async def attach(port: int, generation: str, after: int = 0) -> socket.socket:
    """Ask for a generation's events on a socket that takes next to nothing, and read none of them."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    one.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(one, ("127.0.0.1", port))
    path = f"/api/generations/{generation}/events?after={after}"
    await loop.sock_sendall(one, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    return one


async def _drip(one: socket.socket) -> None:
    """Read a byte a second."""
    loop = asyncio.get_running_loop()
    while await loop.sock_recv(one, 1):  # noqa: ASYNC110 - the slowness is the point
        await asyncio.sleep(1)


@case("F11", "500 readers at the same instant after a restart: all are told everything, and nobody asks the provider")
async def crowd(trial: Trial) -> None:
    async with trial.stage(HOLDFAST_DRAIN_LIMIT="0.2") as place:
        (run,) = plans(trial, 1, tokens=400, pace=5)
        answering = asyncio.create_task(complete(place, [run]))
        await shown([run])
        await asyncio.sleep(trial.random.uniform(0.3, 1))
        await place.kill()
        await place.settle()
        calls = len(place.upstream.completions)
        waits: list[float] = []
        readers = [_fresh(place, run, number, waits) for number in range(trial.count(500))]
        told = await asyncio.gather(*readers)
        await answering
        digests = {(reader.terminal, reader.shown, reader.digest.digest()) for reader in told}
        trial.expect(len(digests) == 1, f"{len(digests)} different answers were read")
        ends(trial, told, "interrupted:interrupted")
        trial.expect(len(place.upstream.completions) == calls, "the provider was asked again")
        late = sorted(waits)[len(waits) * 99 // 100]
        trial.expect(late < 2 * 2 * SLACK, f"99 % had all of it after {late:.1f} s only")
        trial.note(f"{len(waits)} readers had all of it after {spread(waits)}, their own time included")
        await _asked_back(trial, place)


async def _fresh(place: Stage, run: Run, number: int, waits: list[float]) -> Run:
    """A reader of its own, from the start."""
    reader = Run(run.plan, generation=run.generation, conversation=run.conversation, acked=True)
    begun = time.monotonic()
    await place.client(f"reader{number}").complete(reader)
    waits.append(time.monotonic() - begun)
    return reader


async def _asked_back(trial: Trial, place: Stage) -> None:
    """At a shutdown readers are asked back after different times, so that they do not come as one."""
    (run,) = plans(trial, 1, tokens=2000, pace=20)
    answering = asyncio.create_task(complete(place, [run]))
    await shown([run])
    heard = [asyncio.create_task(_retry(place, run)) for _ in range(20)]
    await asyncio.sleep(0.3)
    ending = asyncio.create_task(place.server.terminate())
    times = await asyncio.gather(*heard)
    trial.expect(all(1000 <= each <= 3000 for each in times), f"asked back after {times} ms")
    trial.expect(len(set(times)) > 5, f"asked back all at once: {times}")
    await ending
    await place.settle()
    await answering


async def _retry(place: Stage, run: Run) -> int:
    """The milliseconds of the `retry:` line with which a stream ends, 0 where there was none."""
    raw = b""
    try:
        async with request(place.server.port, "GET", f"/api/generations/{run.generation}/events") as response:
            async for data in response:
                raw = (raw + data)[-200:]
    except Cut:
        return -1
    _, found, rest = raw.rpartition(b"retry: ")
    return int(rest.split(b"\n")[0]) if found else 0


@case("F12", "the reply is lost after the commit and the client sends again: one message, one call")
async def lost_replies(trial: Trial) -> None:
    """A slice of once.py."""
    options = once.Options(messages=trial.count(40), copies=3, seed=trial.seed)
    found = await once.campaign(trial.folder(), options, Report("once", trial.seed, quiet=True))
    trial.checks += found.posts
    wrong = [*found.verdict.violations, *found.differing, *found.accepted_conflicts]
    trial.failures += [f"F12, seed {trial.seed}: {each}" for each in wrong]


@case("F13", "the same key at the same time, some with another text: one message, and 422 for the other text")
async def doubled(trial: Trial) -> None:
    async with trial.stage() as place:
        for _ in range(trial.count(20)):
            (run,) = plans(trial, 1, tokens=4)
            copies = [Run(run.plan) for _ in range(4)]
            other = Run(Plan(run.key, tokens=5))
            clients = [place.client(f"{run.key}/{number}") for number in range(5)]
            sends = [client.send(copy) for client, copy in zip(clients, [*copies, other], strict=True)]
            trial.random.shuffle(sends)
            await asyncio.gather(*sends)
            _one_of_each(trial, copies, other)
        calls = [line.key for line in place.upstream.lines() if line.key]
        trial.expect(len(calls) == len(set(calls)), f"{len(calls)} calls for {len(set(calls))} messages")


def _one_of_each(trial: Trial, copies: Sequence[Run], other: Run) -> None:
    """Whoever was first is answered; who said something else under the same key is refused."""
    answered = [run for run in (*copies, other) if run.terminal == "complete"]
    refused = [run for run in (*copies, other) if (run.refused, run.code) == (422, "idempotency_conflict")]
    sizes = sorted((len(answered), len(refused)))
    trial.expect(sizes == [1, 4], f"{other.key}: {len(answered)} answered, {len(refused)} refused")
    trial.expect(len({run.generation for run in answered}) == 1, f"{other.key}: several answers under one key")


@case("F14", "two messages into one conversation at once: one is answered, the other told to wait, the branch is sound")
async def at_once(trial: Trial) -> None:
    async with trial.stage() as place:
        (first,) = plans(trial, 1, tokens=2)
        await complete(place, [first])
        said = [first]
        for _ in range(trial.count(8)):
            pair = plans(trial, 2, tokens=20, pace=10)
            for run in pair:
                run.fields = {"conversation_id": first.conversation}
            await asyncio.gather(*(place.client(run.key).send(run) for run in pair))
            refused = [run for run in pair if (run.refused, run.code) == (409, "generation_running")]
            answered = [run for run in pair if run.terminal == "complete"]
            trial.expect((len(answered), len(refused)) == (1, 1), f"{[(r.refused, r.code, r.terminal) for r in pair]}")
            said += answered
            for run in refused:
                await place.client(run.key).complete(run)
            said += refused
        _, found = await place.client("reader").get(f"/api/conversations/{first.conversation}/messages")
        order = [item["id"] for item in found["items"]]
        trial.expect(order == [name for run in said for name in (run.user_message, run.message_id)], "another branch")
        parents = [item["parent_id"] for item in found["items"]]
        trial.expect(parents == [None, *order[:-1]], f"the branch is no chain: {parents}")


@case("F15", "deleted in the middle: its readers are told within a second, the provider let go, nothing comes back")
async def deleted(trial: Trial) -> None:
    """Signing out and revoked keys belong to shared mode, which is not there yet."""
    async with trial.stage() as place:
        runs = plans(trial, trial.count(20), tokens=300, pace=10)
        await asyncio.gather(*(_delete(trial, place, run) for run in runs))
        released = await until(lambda: not going(place), 8)
        trial.expect(released is not None, f"{len(going(place))} calls of the provider go on")
        await place.kill()
        await place.settle()
        client = place.client("after")
        for run in runs:
            status, _ = await client.get(f"/api/conversations/{run.conversation}")
            trial.expect(status == 404, f"{run.key}: {status} after the restart")


async def _delete(trial: Trial, place: Stage, run: Run) -> None:
    client = place.client(run.key)
    answering = asyncio.create_task(client.send(run))
    await until(lambda: run.generation, 20)
    await asyncio.sleep(Random(f"{trial.seed}:{run.key}").uniform(0, 0.8))
    begun = time.monotonic()
    status = await place.client(f"{run.key}/delete").delete(run)
    trial.expect(status == 204, f"{run.key}: deleting it gave {status}")
    await answering
    took = time.monotonic() - begun
    trial.expect(took < 1 * SLACK, f"{run.key}: its reader was told after {took:.1f} s")
    ends(trial, [run], "failed:not_found")
    for path in (f"/api/generations/{run.generation}/events", f"/api/generations/{run.generation}"):
        again, _ = await client.get(path)
        trial.expect(again == 404, f"{run.key}: {path} gives {again}")


CURSORS = ("-1", "NaN", "1e3", "1.5", "0x10", "", " 3", "\u0663", "9" * 40, "null", "2;3", "%00")
"""What is no cursor."""


@case("F36", "a cursor that is a lie: 400, or clean text from a true place; never anybody else's")
async def lying_cursors(trial: Trial) -> None:
    async with trial.stage() as place:
        short, long = plans(trial, 1, tokens=3)[0], plans(trial, 1, tokens=200, pace=5)[0]
        await complete(place, [short])
        answering = asyncio.create_task(complete(place, [long]))
        await shown([long])
        for run in (short, long):
            await _lie(trial, place, run)
        await answering
        for run in (short, long):
            await _lie(trial, place, run)
        client = place.client("other")
        for after in range(short.cursor + 1):  # A cursor of one is a number of the other, and means its own text.
            await client.follow(long, after=after)
        trial.expect(await client.follow(short, after=long.cursor) == "refused", "another answer's cursor was believed")


async def _lie(trial: Trial, place: Stage, run: Run) -> None:
    port, path = place.server.port, f"/api/generations/{run.generation}/events"
    beyond = str(run.cursor + 10_000_000)
    for lie in (*CURSORS, beyond):
        for headers, query in (({"Last-Event-ID": lie}, ""), ({}, f"?after={_quoted(lie)}")):
            if headers and lie in ("", " 3"):
                continue  # An empty header is none, and HTTP takes blanks away.
            async with request(port, "GET", path + query, headers=headers) as response:
                body = await response.body() if response.status != 200 else b""
                told = f"{run.phase}: {headers or query} gave {response.status} {body[:80]!r}"
                trial.expect(response.status == 400 and b'"invalid_cursor"' in body, told)


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())
