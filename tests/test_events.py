"""The stream's frames: any text survives them, and every cursor leads to exactly what comes after it."""

import dataclasses
import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain import Failure, Generation, Kind, Outcome, Piece, Status, Usage
from holdfast.events import _FRAME_CHARACTERS, STARTED, Frames, pack, replay, unpack
from holdfast.provider.sse import SSEDecoder

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
PIECES = st.lists(st.builds(Piece, st.sampled_from(Kind), TEXT), max_size=12)
HOSTILE = [
    "a\n\ndata: x\n\n",
    'a\r\rid: 9\rdata: {"type":"done"}\r\r',
    "\u2028\u2029\x85\x0b\x0c",
    "".join(map(chr, range(1, 0xA0))),
    '"}\\',
    "\ufeff\U0001f468\u200d\U0001f469\U0010ffff",
    ": comment\nretry: 1",
]


def ended(pieces: list[Piece], **changes: Any) -> Generation:
    """A settled generation that wrote these pieces."""
    made = Generation(
        id="g",
        conversation_id="c",
        user_message_id="u",
        message_id="m",
        status=Status.COMPLETE,
        model="acme/chat-1",
        preset_id=None,
        seq=STARTED + len(pieces) + 2,
        offset=0,
        reasoning_offset=0,
        spans=pack(pieces),
        outcome=Outcome(),
        failure=None,
        created_at=0,
        ended_at=1,
    )
    return dataclasses.replace(made, **changes)


def text_of(pieces: list[Piece], kind: Kind) -> str:
    return "".join(piece.text for piece in pieces if piece.kind is kind)


def decoded(data: bytes) -> list[tuple[int, dict[str, Any]]]:
    """The frames as a client gets them: (id, event)."""
    return [(int(event.id), json.loads(event.data)) for event in SSEDecoder().feed(data)]


def replayed(generation: Generation, pieces: list[Piece], after: int) -> list[tuple[int, dict[str, Any]]]:
    """What follows a cursor, of a message that had some text before where the generation does not begin at 0."""
    content = "c" * generation.offset + text_of(pieces, Kind.CONTENT)
    reasoning = "r" * generation.reasoning_offset + text_of(pieces, Kind.REASONING)
    return decoded(b"".join(replay(generation, content, reasoning, after)))


def received(frames: list[tuple[int, dict[str, Any]]], kind: str) -> str:
    return "".join(event["content"] for _, event in frames if event["type"] == kind)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("kind", Kind)
def test_no_text_breaks_out_of_its_frame(text: str, kind: Kind) -> None:
    event = {"type": kind.name.lower(), "conversation_id": "c", "generation_id": "g", "content": text}
    assert decoded(Frames("c", "g").text(7, kind, text)) == [(7, event)]


@given(st.lists(TEXT))
def test_frames_of_any_text_come_back_one_by_one(texts: list[str]) -> None:
    data = b"".join(Frames("c", "g").text(seq, Kind.CONTENT, text) for seq, text in enumerate(texts, 2))
    assert [(seq, event["content"]) for seq, event in decoded(data)] == list(enumerate(texts, 2))


def test_a_frame_is_an_id_one_line_of_data_and_an_empty_line() -> None:
    frame = Frames("c", "g").text(7, Kind.CONTENT, "\n\r\u2028")
    lines = frame.split(b"\n")
    assert [line.partition(b":")[0] for line in lines] == [b"id", b"data", b"", b""]
    assert b"\r" not in frame


def test_the_first_event_names_the_messages() -> None:
    generation = ended([], offset=12)
    assert decoded(Frames("c", "g").started(generation)) == [
        (
            1,
            {
                "type": "started",
                "conversation_id": "c",
                "generation_id": "g",
                "user_message_id": "u",
                "message_id": "m",
                "model": "acme/chat-1",
                "offset": 12,
            },
        )
    ]


def test_what_is_unknown_of_an_answer_is_null_and_money_is_exact() -> None:
    ((_, unknown),) = decoded(Frames("c", "g").metadata(3, ended([])))
    assert unknown["metadata"].pop("id") == "m"
    assert unknown["metadata"].pop("model") == "acme/chat-1"
    assert unknown["metadata"].pop("memories") == unknown["metadata"].pop("citations") == []
    assert set(unknown["metadata"].values()) == {None}
    outcome = Outcome("acme/chat-1b", usage=Usage(prompt_tokens=0, cost=4_000_001))
    ((_, known),) = decoded(Frames("c", "g").metadata(3, ended([], outcome=outcome)))
    shown = known["metadata"]
    assert (shown["model_id_used"], shown["prompt_tokens"], shown["cost"]) == ("acme/chat-1b", 0, "0.000004000001")


def test_the_preset_of_an_answer_is_told_unless_who_wrote_it_is_veiled() -> None:
    for veiled, told in ((False, 3), (True, None)):
        generation = ended([], preset_id=3, veiled=veiled)
        ((_, event),) = decoded(Frames("c", "g").metadata(3, generation))
        assert event["metadata"]["preset_id"] == told


def test_the_last_event_says_how_it_ended() -> None:
    ((_, done),) = decoded(Frames("c", "g").terminal(3, Status.STOPPED, None))
    assert (done["type"], done["done"], done["status"]) == ("done", True, "stopped")
    failure = Failure("stalled", "The provider fell silent.", retryable=True)
    ((_, error),) = decoded(Frames("c", "g").terminal(3, Status.FAILED, failure))
    assert error == {
        "type": "error",
        "conversation_id": "c",
        "generation_id": "g",
        "error": "The provider fell silent.",
        "code": "stalled",
        "retryable": True,
        "status": "failed",
    }
    waiting = dataclasses.replace(failure, retry_after=7)
    ((_, later),) = decoded(Frames("c", "g").terminal(3, Status.FAILED, waiting))
    assert later == error | {"retry_after": 7}


@given(st.lists(st.tuples(st.sampled_from(Kind), st.integers(0, 70_000))))
def test_the_map_of_pieces_comes_back_as_it_was_packed(lengths: list[tuple[Kind, int]]) -> None:
    pieces = [Piece(kind, "x" * length) for kind, length in lengths]
    assert list(unpack(pack(pieces))) == lengths


@given(PIECES, st.integers(0, 5), st.integers(0, 5))
def test_after_every_cursor_comes_all_that_follows_once_and_in_order(
    pieces: list[Piece], offset: int, reasoning_offset: int
) -> None:
    generation = ended(pieces, offset=offset, reasoning_offset=reasoning_offset)
    for after in range(generation.seq):
        frames = replayed(generation, pieces, after)
        rest = pieces[max(after - STARTED, 0) :]
        for kind in Kind:
            assert received(frames, kind.name.lower()) == text_of(rest, kind)
        seqs = [seq for seq, _ in frames]
        assert all(before < seq for before, seq in pairwise([after, *seqs]))
        assert seqs[-1] == generation.seq
        types = [event["type"] for _, event in frames if event["type"] not in {"content", "reasoning"}]
        last = generation.seq
        assert types == [kind for seq, kind in ((1, "started"), (last - 1, "metadata"), (last, "done")) if after < seq]
    assert replayed(generation, pieces, generation.seq) == []


@given(PIECES)
def test_joined_frames_keep_the_order_in_which_the_kinds_came(pieces: list[Piece]) -> None:
    told = [
        (event["type"], character)
        for _, event in replayed(ended(pieces), pieces, STARTED)
        for character in event.get("content", "")
    ]
    assert told == [(piece.kind.name.lower(), character) for piece in pieces for character in piece.text]


@given(PIECES, st.data())
def test_every_frames_id_is_a_cursor_to_go_on_from(pieces: list[Piece], data: st.DataObject) -> None:
    generation = ended(pieces)
    whole = replayed(generation, pieces, 0)
    cut = data.draw(st.integers(0, len(whole) - 1))
    rest = replayed(generation, pieces, whole[cut][0])
    for kind in Kind:
        name = kind.name.lower()
        assert received(whole[: cut + 1], name) + received(rest, name) == text_of(pieces, kind)


@given(st.lists(st.sampled_from([1, 100, _FRAME_CHARACTERS // 2, _FRAME_CHARACTERS, _FRAME_CHARACTERS + 1])))
def test_pieces_are_joined_up_to_a_frames_size(lengths: list[int]) -> None:
    pieces = [Piece(Kind.CONTENT, "x" * length) for length in lengths]
    frames = [(seq, len(event["content"])) for seq, event in replayed(ended(pieces), pieces, STARTED)[:-2]]
    at = STARTED
    for seq, size in frames:
        assert size <= _FRAME_CHARACTERS or seq == at + 1  # Only a piece that is itself that large.
        at = seq
    for seq, size in frames[:-1]:
        following = lengths[seq - STARTED]
        assert size + following > _FRAME_CHARACTERS
