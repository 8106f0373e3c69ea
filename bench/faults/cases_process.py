"""What happens to the process: killed, stopped, starved, confused by its clock, started twice, broken from inside."""

import asyncio
import os
import resource
import signal
import time

import kill
import procfs
from cases import SLACK, Trial, case, complete, elsewhere, ends, plans, shown, until
from cases_upstream import billed, unbilled
from client import Client, Run
from history import read
from report import Report
from server import Server, ServerEnded
from stage import Stage
from variant import Changes

SETTLED = 5.0
"""Seconds from a restart until whatever ran has its end."""

LOST_TASKS = ("Task exception was never retrieved", "was never awaited")
"""What the log must not say where exceptions are planted, and futures left behind by that."""

_MIB = 1024 * 1024

elsewhere("F3", "a power cut: no accepted message is lost, at most 250 ms of text", "powercut.py tries every write")
elsewhere("F5", "a process stopped for a minute writes to nothing it lost", "one SQLite directory has one process")
elsewhere("F39", "a day of use leaves memory, files and the log flat", "soak.py")


@case("F1", "killed at any moment: every run has its end within 5 s of the restart, nothing shown is lost")
async def killed(trial: Trial) -> None:
    """A slice of kill.py, which also kills before every single system call."""
    options = kill.Options(kills=trial.count(4), streams=8, seed=trial.seed)
    lane = await kill.run_lane(trial.folder(), options, Report("kill", trial.seed, quiet=True))
    trial.checks += lane.counts["accepted"]
    trial.failures += [f"F1, seed {trial.seed}: {violation}" for violation in lane.found]
    trial.expect(max(lane.settled) <= SETTLED, f"an end after {max(lane.settled):.1f} s")


@case("F2", "all processes killed: the same, and nothing is asked of the provider again")
async def killed_all(trial: Trial) -> None:
    async with trial.stage() as place:
        runs = plans(trial, 12, tokens=60, pace=8)
        answering = asyncio.create_task(complete(place, runs))
        await shown(runs)
        await asyncio.sleep(trial.random.uniform(0, 0.4))
        calls = len(place.upstream.lines())
        await place.kill()
        seconds = await place.settle()
        trial.expect(seconds <= SETTLED, f"an end after {seconds:.1f} s")
        await answering
        await asyncio.sleep(0.3)
        again = [line.number for line in place.upstream.lines()[calls:] if line.key]
        trial.expect(not again, f"calls {again} after the restart")


@case("F4", "told to end while answers stream: what ends in time is whole, the rest is kept and marked")
async def terminated(trial: Trial) -> None:
    async with trial.stage(HOLDFAST_DRAIN_LIMIT="1") as place:
        short, long = plans(trial, 6, tokens=40, pace=10), plans(trial, 6, tokens=600, pace=10)
        answering = asyncio.create_task(complete(place, [*short, *long]))
        await shown([*short, *long])
        await asyncio.sleep(trial.random.uniform(0, 0.1))
        begun = time.monotonic()
        code = await place.server.terminate()
        took = time.monotonic() - begun
        trial.expect(code == 0, f"ended with status {code}")
        trial.expect(took <= 1 + 3 * SLACK, f"took {took:.1f} s to end")
        await place.settle()
        await answering
        ends(trial, short, "complete")
        ends(trial, long, "interrupted:interrupted")
        place.history.flush()
        farewells = sum(line.end == "goodbye" for line in read(place.history.path) if line.what == "read")
        trial.expect(farewells >= 12, f"{farewells} of 12 readers were asked to come back")
        trial.note(f"ended after {took:.2f} s, 12 answers and 12 readers being open")


@case("F6", "memory runs out and the kernel kills: as F1, whatever failed allocations did before")
async def out_of_memory(trial: Trial) -> None:
    """The address space ends first, so that any line may raise `MemoryError`; then comes the killer's own signal."""
    async with trial.stage(stray=()) as place:
        await complete(place, plans(trial, 2, tokens=20))
        _, most = resource.prlimit(place.server.pid, resource.RLIMIT_AS)
        room = procfs.virtual(place.server.pid) + trial.random.randrange(2, 24) * _MIB
        resource.prlimit(place.server.pid, resource.RLIMIT_AS, (room, most))
        runs = plans(trial, 24, tokens=12_000, pace=0)
        answering = asyncio.create_task(complete(place, runs))
        await asyncio.wait([answering], timeout=trial.random.uniform(1, 5))
        failed = place.server.log.read_text("utf-8", "replace").count("MemoryError")
        trial.note(
            f"{'ended by itself' if procfs.ended(place.server.pid) else 'killed'} after {failed} failed allocations"
        )
        await place.kill()
        seconds = await place.settle()
        trial.expect(seconds <= SETTLED, f"an end after {seconds:.1f} s")
        await answering
        codes = ("internal", "storage_full", "provider_unavailable", "upstream_protocol")
        taken = [run for run in runs if run.acked]
        ends(trial, taken, "complete", "interrupted:interrupted", *(f"failed:{code}" for code in codes))
        trial.expect(all(run.acked or run.refused for run in runs), "a message was neither taken nor refused")
        last = plans(trial, 1, tokens=20)
        await complete(place, last)
        ends(trial, last, "complete")


@case("F7", "the event loop stands still for as long as 35 s of 60: no answer is taken for stalled, none is lost")
async def stood_still(trial: Trial) -> None:
    """Seen from outside a blocked loop is a stopped process. Scaled: 1.75 s of a limit of 3."""
    async with trial.stage(HOLDFAST_IDLE_LIMIT="3", HOLDFAST_FIRST_TOKEN_LIMIT="3") as place:
        runs = plans(trial, 20, tokens=100, pace=20)
        answering = asyncio.create_task(complete(place, runs))
        await shown(runs)
        await asyncio.sleep(trial.random.uniform(0, 0.3))
        os.kill(place.server.pid, signal.SIGSTOP)
        await asyncio.sleep(1.75)
        os.kill(place.server.pid, signal.SIGCONT)
        await answering
        ends(trial, runs, "complete")


@case("F8", "an exception that nobody foresaw ends its own run as failed and leaves everything else alone")
async def unforeseen(trial: Trial) -> None:
    await _in_a_run(trial)
    await _in_a_title(trial)
    await _in_a_reconciliation(trial)


async def _in_a_run(trial: Trial) -> None:
    """At the first await of a run, then at the second of another, and so on; each beside a run that is left alone."""
    change: Changes = {
        "raising": {"where": "holdfast.generation.engine.Engine._run"},
        "constants": {"holdfast.generation.engine._RETRY_SETTLE": 0.2},
    }
    async with trial.stage(change=change, stray=LOST_TASKS) as place:
        for _ in range(trial.count(16)):
            (innocent, victim) = plans(trial, 2, tokens=6, pace=8)
            left_alone = asyncio.create_task(complete(place, [innocent]))
            await until(lambda run=innocent: run.generation, 10)  # type: ignore[misc]
            try:
                await complete(place, [victim], limit=8)
            except TimeoutError:
                trial.expect(holds=False, otherwise=f"{victim.key}: no end within 8 s, {victim.phase}")
            else:
                ends(trial, [victim], "complete", "failed:internal", "failed:storage_full")
            await left_alone
            ends(trial, [innocent], "complete")


async def _in_a_title(trial: Trial) -> None:
    change: Changes = {
        "raising": {"where": "holdfast.titles.Titles.__call__"},
        "constants": {"holdfast.tasks._CRASHED": 0.2},
    }
    async with trial.stage(change=change, stray=LOST_TASKS) as place:
        runs = plans(trial, trial.count(6), tokens=3)
        for run in runs:
            await complete(place, [run])
        ends(trial, runs, "complete")
        client = place.client("titles")
        for run in runs:
            trial.expect(await _titled(client, run), f"{run.key}: it has no title after a crash of the task")


async def _titled(client: Client, run: Run) -> bool:
    """Whether a conversation has an automatic title within 15 s: a model's or, after two attempts, its first words."""
    source = ""
    deadline = time.monotonic() + 15
    while source != "auto" and time.monotonic() < deadline:
        _, found = await client.get(f"/api/conversations/{run.conversation}")
        source = found.get("title_source")
        await asyncio.sleep(0.1)
    return source == "auto"


async def _in_a_reconciliation(trial: Trial) -> None:
    change: Changes = {
        "raising": {"where": "holdfast.usage.Reconciling.answer"},
        "constants": {"holdfast.tasks._CRASHED": 0.2, "holdfast.usage.FIRST_PAUSE": 0.2},
    }
    async with trial.stage(change=change, stray=LOST_TASKS, HOLDFAST_TITLE_MODEL="off") as place:
        place.upstream.answers = unbilled
        runs = plans(trial, trial.count(6), tokens=3)
        for run in runs:
            await complete(place, [run])
        ends(trial, runs, "complete")
        seconds = await billed(place, runs, 20)
        trial.expect(seconds is not None, "a cost was not recovered within 20 s after crashes of the task")


@case("F33", "no descriptors are left: nothing spins, what runs goes on, and afterwards new ones are let in")
async def no_descriptors(trial: Trial) -> None:
    async with trial.stage() as place:
        pid = place.server.pid
        runs = plans(trial, 4, tokens=200, pace=20)
        answering = asyncio.create_task(complete(place, runs))
        await shown(runs)
        _, most = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (procfs.files(pid) + trial.random.randrange(3, 20), most))
        idle = [await _connect(place.server.port) for _ in range(100)]
        before, begun = procfs.used(pid), time.monotonic()
        await asyncio.sleep(2)
        share = (procfs.used(pid) - before) / (time.monotonic() - begun)
        trial.expect(share < 0.6, f"{share:.0%} of a processor with no descriptors left")
        await answering
        ends(trial, runs, "complete")
        for writer in idle:
            if writer:
                writer.close()
        trial.note(f"{share:.0%} of a processor while none was left, four answers running")
        last = plans(trial, 1, tokens=5)
        try:
            await complete(place, last, limit=10)
        except TimeoutError:
            trial.expect(holds=False, otherwise="no new connection is served within 10 s of their return")
        else:
            ends(trial, last, "complete")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))


async def _connect(port: int) -> asyncio.StreamWriter | None:
    """A connection on which nothing is said; None where it was refused."""
    try:
        async with asyncio.timeout(1):
            return (await asyncio.open_connection("127.0.0.1", port))[1]
    except (OSError, TimeoutError):
        return None


@case("F34", "the clock jumps by up to a day each time it is read: order, limits and ids do not hang on it")
async def jumping_clock(trial: Trial) -> None:
    change = {"clock": {"seed": trial.seed}}
    limits = {"HOLDFAST_IDLE_LIMIT": "3", "HOLDFAST_FIRST_TOKEN_LIMIT": "3", "HOLDFAST_ANSWER_LIMIT": "20"}
    async with trial.stage(change=change, **limits) as place:
        client = place.client("reader")
        told: list[Run] = []
        for _ in range(3):
            (run,) = plans(trial, 1, tokens=5, pace=1)
            await complete(place, [run])
            said = [run, *await _go_on(place, trial, run, trial.count(8))]
            told += said
            _, found = await client.get(f"/api/conversations/{run.conversation}/messages")
            order = [item["id"] for item in found["items"]]
            expected = [name for each in said for name in (each.user_message, each.message_id)]
            trial.expect(order == expected, f"{run.key}: the messages are in another order than they were sent in")
        together = plans(trial, 20, tokens=40, pace=5)
        await complete(place, together)
        told += together
        ends(trial, told, "complete")
        ids = [name for run in told for name in (run.generation, run.user_message, run.message_id)]
        trial.expect(len(ids) == len(set(ids)), "an id was given twice")


async def _go_on(place: Stage, trial: Trial, run: Run, count: int) -> list[Run]:
    """So many more messages in a conversation, one after the other."""
    more = plans(trial, count, tokens=3)
    for each in more:
        each.fields = {"conversation_id": run.conversation}
        await complete(place, [each])
    return more


@case("F38", "garbage is collected in every turn of the loop: no task is lost for want of somebody who holds it")
async def collected(trial: Trial) -> None:
    async with trial.stage(change={"collect": {}}) as place:
        runs = plans(trial, trial.count(20), tokens=20, pace=5, first=50)
        await complete(place, runs)
        ends(trial, runs, "complete")
        client = place.client("titles")
        for run in runs:
            trial.expect(await _titled(client, run), f"{run.key}: the task of its title is lost")


@case("F40", "started twice on one directory: exactly one serves, the other says so and ends")
async def twice(trial: Trial) -> None:
    async with trial.stage() as place:
        running = plans(trial, 3, tokens=100, pace=10)
        answering = asyncio.create_task(complete(place, running))
        await shown(running)
        second = _another(place)
        try:
            await second.start()
        except ServerEnded as refused:
            words = str(refused)
            trial.expect("in use by another Holdfast" in words and "Traceback" not in words, f"it said {words!r}")
        else:
            trial.expect(holds=False, otherwise="a second server took the same directory")
            await second.kill()
        await answering
        ends(trial, running, "complete")
        await place.kill()
        place.history.write("note", detail="two at the same moment")
        for _ in range(trial.count(3)):
            await _race(trial, place)
        await place.start()


def _another(place: Stage) -> Server:
    """A second server that is told the same directory and another port."""
    server = place.server
    environment = {"HOLDFAST_DATA_DIR": str(server.data), "PYTHONPYCACHEPREFIX": str(place.directory / "bytecode")}
    folder = place.directory / "second"
    folder.mkdir(exist_ok=True)
    return Server(folder, place.upstream.base_url, environment=environment)


async def _race(trial: Trial, place: Stage) -> None:
    """Start two at the same moment."""
    both = [_another(place), _another(place)]
    started = await asyncio.gather(*(server.start() for server in both), return_exceptions=True)
    ready = sum(not isinstance(one, BaseException) for one in started)
    trial.expect(ready == 1, f"{ready} of two that were started at the same moment serve")
    for server in both:
        if server.running:
            await server.kill()
