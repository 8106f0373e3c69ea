"""A slice of the matrix of faults, the same one every time, and proof that its cases and judges can say no."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from random import Random

import matrix
import pytest
import readers
import soak
from cases import REGISTRY, Entry, Skipped, Trial, until
from cases_storage import fill, make_room, small_disk
from matrix import attempt
from readers import Round
from soak import Sample

pytestmark = pytest.mark.anyio

SLICE = ("F2", "F13", "F15", "F17", "F20", "F24", "F25", "F36")
"""Quick cases of every family; the command runs them all."""


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bytecode")


@pytest.fixture(autouse=True)
def _compiled_once(bytecode: Path, tmp_path: Path) -> None:
    (tmp_path / "bytecode").symlink_to(bytecode)


@pytest.mark.parametrize("number", SLICE)
async def test_a_fault_has_its_required_outcome(number: str, tmp_path: Path) -> None:
    trial = await attempt(REGISTRY[number], "1", tmp_path, scale=0.2)
    assert trial.failures == []
    assert trial.checks >= 5


async def test_text_that_is_shown_before_it_is_stored_fails_the_kill(tmp_path: Path) -> None:
    trial = await attempt(REGISTRY["F2"], "1", tmp_path, plant={"publish_first": {}})
    assert any(" I2 " in failure for failure in trial.failures), trial.failures


async def test_a_title_that_is_written_over_a_persons_fails_the_race(tmp_path: Path) -> None:
    trial = await attempt(REGISTRY["F37"], "1", tmp_path, scale=0.15, plant={"title_wins": {}})
    assert any("'auto')" in failure for failure in trial.failures), trial.failures  # Whichever name lost the race.


async def test_a_case_that_breaks_is_a_failure(tmp_path: Path) -> None:
    async def breaks(trial: Trial) -> None:
        trial.expect(holds=True, otherwise="")
        raise ZeroDivisionError("here")

    trial = await attempt(Entry("F99", "a case that breaks", breaks), "1", tmp_path)
    assert trial.checks == 2
    assert "ZeroDivisionError: here (test_campaign_matrix.py" in trial.failures[0]


async def test_every_fault_is_tried_or_told_why_not() -> None:
    assert set(REGISTRY) == {f"F{number}" for number in range(1, 41)}
    assert {number for number, entry in REGISTRY.items() if entry.case is None} == {"F3", "F5", "F39"}
    assert all(entry.case or entry.reason for entry in REGISTRY.values())
    assert [entry.number for entry in matrix.chosen("f9,F29")] == ["F9", "F29"]


async def test_waiting_gives_up_at_its_limit() -> None:
    assert await until(lambda: False, 0.05) is None
    assert await until(lambda: True, 0.05) is not None


def samples(**growth: float) -> list[Sample]:
    """An hour of somebody's figures, which swing, and grow by so much with each message."""
    random = Random(1)
    flat: Mapping[str, float] = {"memory": 9e7, "descriptors": 30.0, "threads": 8.0, "log": 4e6, "database": 1e6}
    return [
        Sample(
            at * 2.0,
            at * 20,
            {
                name: value * random.uniform(0.97, 1.03) + at * 20 * growth.get(name, 0.0)
                for name, value in flat.items()
            },
        )
        for at in range(900)
    ]


def test_what_only_swings_does_not_grow() -> None:
    assert soak.judge(samples())[1] == []


def test_a_leak_of_memory_or_descriptors_is_seen() -> None:
    (memory,) = soak.judge(samples(memory=4096))[1]
    (descriptors,) = soak.judge(samples(descriptors=0.002))[1]
    assert (memory.split()[0], descriptors.split()[0]) == ("memory", "descriptors")


def test_a_log_that_is_never_folded_in_is_seen() -> None:
    found = soak.judge(samples(log=5000))[1]
    assert len(found) == 2


def test_stalled_readers_that_are_felt_are_seen() -> None:
    options = readers.Options(stalled=10, live=1, rounds=1)
    quiet = Round(delays=[0.004] * 100, durations=[30.0], gone=None, whole=1)
    good = Round(delays=[0.004] * 100, durations=[30.0], gone=25.0, grown=1_000_000, whole=1)
    assert readers.judge([quiet], [good], options) == []
    bad = Round(delays=[0.04] * 100, durations=[40.0], gone=None, grown=100_000_000, whole=1)
    assert len(readers.judge([quiet], [bad], options)) == 4


@pytest.mark.skipif(not shutil.which("mount"), reason="there is no mount")
def test_a_disk_is_filled_to_the_last_bytes(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    try:
        with small_disk(disk, 1 << 20):
            fill(disk, 4096)
            with pytest.raises(OSError, match="No space"):
                (disk / "more").write_bytes(b"x" * 8192)
            make_room(disk)
            (disk / "more").write_bytes(b"x" * 8192)
    except Skipped as reason:
        pytest.skip(str(reason))
