"""The power cuts in small: a recorded server survives drawn ones, and what is planted in its record is found."""

import dataclasses
import os
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random

import msgspec
import powercut
import pytest
import strace
import uvloop
from disk import SYNCS, VARIANTS, Disk, Variant
from images import ACCEPTED, ENDS, Cut, Stored, drawn, images, judge, moments, stored, synced_first
from powercut import check, recorded, started
from recording import Facts, Recording, Scenario, load
from report import Report
from strace import Call

pytestmark = pytest.mark.anyio

SCENARIO = Scenario("a short one", 4, 30, 17, gap=0.2, burst=12, pause=0.4)
NONE: frozenset[Cut] = frozenset()


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    if os.environ.get("CI") != "true" and strace.missing():
        pytest.skip(strace.MISSING)
    report = Report("powercut", 1, quiet=True)
    return uvloop.run(recorded(tmp_path_factory.mktemp("recorded"), [SCENARIO], report))[0]


def replaced(recording: Recording, change: Callable[[Call], Call | None]) -> Recording:
    """The same with other calls. Nothing of the machine's slowness is allowed for."""
    calls = [changed for call in recording.calls if (changed := change(call))]
    facts = msgspec.structs.replace(recording.facts, stolen=[], dead=[])
    return dataclasses.replace(recording, calls=calls, facts=facts)


def test_whatever_a_power_cut_leaves_holds_what_was_promised(recording: Recording, tmp_path: Path) -> None:
    verdict = check(recording, drawn(recording, 150, Random(1)), tmp_path, NONE)
    # How fast the machine is decides about the window, so that is left to the campaign.
    assert [wrong for wrong in verdict.violations if "text lost" not in wrong] == []
    assert verdict.counts["images"] == 150
    assert verdict.counts[ACCEPTED] > 100
    assert verdict.counts[ENDS] > 10
    assert verdict.windows
    assert all(verdict.counts[f"unsynced writes: {variant}"] for variant in VARIANTS)


def test_a_sync_comes_between_each_accepted_message_and_its_head(recording: Recording) -> None:
    assert synced_first(recording) == (SCENARIO.streams, [])
    wal = "-wal"

    def late(call: Call) -> Call:
        late_by = 10**9 if call.name in SYNCS and call.path.endswith(wal) else 0
        return dataclasses.replace(call, ended=call.ended + late_by)

    assert len(synced_first(replaced(recording, late))[1]) == SCENARIO.streams


def test_the_record_is_that_of_the_files(recording: Recording) -> None:
    disk = Disk(recording.directory / "data")
    for moment in moments(recording):
        disk.apply(moment.call)
    files = {path.name: path.read_bytes() for path in (recording.directory / "data").iterdir()}
    assert {name: disk.content(name) for name in disk.names()} == files


def test_a_record_is_read_again_as_it_was(recording: Recording) -> None:
    assert load(recording.directory) == recording


async def test_the_program_starts_on_what_is_left(recording: Recording, tmp_path: Path) -> None:
    cuts = drawn(recording, 30, Random(2))
    chosen = frozenset([cuts[10], cuts[25]])
    kept = check(recording, cuts, tmp_path, chosen).samples
    assert len(kept) == 2
    compiled = {"PYTHONPYCACHEPREFIX": str(recording.directory.parent / "bytecode")}
    for place in kept:
        verdict = await started(place, recording, compiled)
        assert verdict.violations == []


def test_a_disk_that_ignores_syncs_loses_what_was_accepted(recording: Recording, tmp_path: Path) -> None:
    verdict = check(recording, drawn(recording, 30, Random(3)), tmp_path, NONE, ignore_syncs=True)
    assert verdict.counts["accepted lost"]
    assert verdict.violations[0].startswith("recording-0-")


def test_text_and_ends_without_a_sync_are_missed(recording: Recording, tmp_path: Path) -> None:
    accepted = max(told[0].order for told in recording.facts.moments.values())

    def without_syncs(call: Call) -> Call | None:
        if call.name not in SYNCS:
            return call
        return None if call.begun > accepted else dataclasses.replace(call, until=call.at)

    changed = replaced(recording, without_syncs)
    verdict = check(changed, [Cut(len(moments(changed)), "dropped", 0)], tmp_path, NONE)
    assert verdict.counts["text lost"] == SCENARIO.streams
    assert verdict.counts["end lost"] == SCENARIO.streams
    assert not verdict.counts["accepted lost"]


def test_text_may_be_lost_for_as_long_as_the_window_and_no_longer(recording: Recording) -> None:
    generation, told = next(iter(recording.facts.moments.items()))
    first = next(moment for moment in told if moment.content)
    alone = msgspec.structs.replace(recording.facts, moments={generation: told}, dead=[], stolen=[])
    recording = dataclasses.replace(recording, facts=alone)
    user = recording.facts.user_messages[generation]
    nothing = Stored({user: recording.facts.keys[generation]}, {generation: ("streaming", "", "")}, ())
    order = first.order + 1
    early = judge(recording, nothing, order, first.at + 0.24, 0.25)
    late = judge(recording, nothing, order, first.at + 0.26, 0.25)
    assert early.violations == []
    assert [(round(age, 3), taken) for age, taken in late.windows] == [(0.26, 0.0)]
    assert late.counts["text lost"] == 1
    alone.dead.append((first.at + 0.1, first.at + 5.0))
    dead = judge(recording, nothing, order, first.at + 5.1, 0.25)
    assert dead.violations == []


def test_what_the_machine_took_is_told_by_the_samples_around() -> None:
    facts = Facts("", {}, {}, {}, [], [(10.0, 0.0), (10.1, 0.02), (10.2, 0.02), (10.3, 0.07)], 1)
    assert facts.taken(10.12, 10.15) == 0.0
    assert round(facts.taken(10.05, 10.25), 3) == 0.07
    assert facts.taken(20.0, 21.0) == 0.0
    assert Facts("", {}, {}, {}, [], [], 1).taken(1.0, 2.0) == 0.0


def test_a_damaged_image_is_seen(recording: Recording, tmp_path: Path) -> None:
    *_, (_, _, _, files) = images(recording, [Cut(len(moments(recording)), "kept", 0)])
    path = tmp_path / "holdfast.sqlite3"
    content = files[path.name]
    size = struct.unpack(">H", content[16:18])[0]
    content[3 * size : 9 * size] = bytes(6 * size)
    path.write_bytes(content)
    try:
        damage = stored(path).damage
    except sqlite3.DatabaseError as error:
        damage = (str(error),)
    assert damage


DIRECTORY = Path("/data")


def call(order: int, name: str, file: str = "a", data: bytes = b"", place: int = -1) -> Call:
    path = str(DIRECTORY / file) if file else str(DIRECTORY)
    return Call(name, path, order, order, 0.0, 0.0, data, place, creates=name == "openat")


def disk_after(*calls: Call) -> Disk:
    disk = Disk(DIRECTORY)
    for each in calls:
        disk.apply(each)
    return disk


def test_only_what_was_synced_is_sure() -> None:
    written = (call(1, "openat"), call(2, "pwrite64", data=b"one", place=0))
    assert disk_after(*written).image("dropped", Random(1)) == {}
    named = (*written, call(3, "fsync", ""))
    assert disk_after(*named).image("dropped", Random(1)) == {"a": b""}
    synced = (*named, call(4, "fdatasync"), call(5, "pwrite64", data=b"two", place=3))
    assert disk_after(*synced).image("dropped", Random(1)) == {"a": b"one"}
    assert disk_after(*synced).image("kept", Random(1)) == {"a": b"onetwo"}
    assert disk_after(*synced).content("a") == b"onetwo"


def test_a_sync_covers_only_what_was_written_before_it_began() -> None:
    begun = dataclasses.replace(call(3, "fdatasync"), ended=5)
    disk = disk_after(
        *(call(1, "openat"), call(2, "fsync", ""), call(2, "pwrite64", data=b"a", place=0)),
        *(call(4, "pwrite64", data=b"b", place=1), begun),
    )
    assert disk.image("dropped", Random(1)) == {"a": b"a"}


@pytest.mark.parametrize("variant", ["sectors", "cut"])
def test_a_write_is_torn_between_sectors_only(variant: Variant) -> None:
    disk = disk_after(
        *(call(1, "openat"), call(2, "fsync", ""), call(3, "pwrite64", data=b"-" * 2048, place=0)),
        *(call(4, "fdatasync"), call(5, "pwrite64", data=b"x" * 1500, place=100)),
    )
    seen = set()
    for seed in range(200):
        content = disk.image(variant, Random(seed))["a"]
        parts = (content[100:512], content[512:1024], content[1024:1536], content[1536:1600])
        assert all(len(set(part)) == 1 for part in parts)
        assert set(content[:100] + content[1600:]) == set(b"-")
        seen.add(bytes(part[0] for part in parts))
    assert len(seen) == 16


def test_a_name_that_was_taken_away_may_come_back() -> None:
    removed = disk_after(call(1, "openat"), call(2, "fsync", ""), call(3, "unlink"))
    assert removed.names() == set()
    assert removed.image("dropped", Random(1)) == {"a": b""}
    assert removed.image("kept", Random(1)) == {}
    assert removed.image("kept", Random(1)) == {}


def test_a_call_that_another_thread_came_between_ends_where_it_is_resumed(tmp_path: Path) -> None:
    def escaped(text: str) -> str:
        return "".join(f"\\x{byte:02x}" for byte in text.encode())

    file = f"7<{escaped('/data/a')}>"
    trace = tmp_path / "trace"
    trace.write_text(
        f"10 5.000001 fdatasync({file} <unfinished ...>\n"
        f'11 5.000002 pwrite64({file}, "{escaped("hallo")}", 5, 4096) = 3 <0.000004>\n'
        '11 5.000003 write(1</dev/pts/0>, "\\x41", 1) = 1 <0.000004>\n'
        "10 5.500000 <... fdatasync resumed>) = 0 <0.499999>\n"
        f'10 5.600000 openat(AT_FDCWD<{escaped("/")}>, "{escaped("/data/b")}", O_RDWR) = -1 ENOENT (No) <0.000002>\n'
        f'10 5.700000 sendmsg(9<{escaped("socket:[4]")}>, {{msg_iov=[{{iov_base="{escaped("ab")}", iov_len=2}}], '
        "msg_iovlen=1}, 0) = 2 <0.000002>\n"
        "10 5.800000 +++ killed by SIGKILL +++\n"
    )
    sync, write, send = strace.read(trace, DIRECTORY)
    assert (sync.name, sync.begun, sync.ended, sync.until) == ("fdatasync", 0, 3, 5.5)
    assert (write.path, write.data, write.place, write.begun) == ("/data/a", b"hal", 4096, 1)
    assert (send.path, send.data) == ("socket:[4]", b"ab")


def test_a_call_that_the_model_does_not_know_is_no_guess() -> None:
    with pytest.raises(strace.Unknown, match="fallocate"):
        disk_after(call(1, "openat"), call(2, "fallocate", place=5))


def test_without_strace_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strace.shutil.which", lambda _name: None)
    with pytest.raises(SystemExit, match="apt-get install strace"):
        powercut.main([])
