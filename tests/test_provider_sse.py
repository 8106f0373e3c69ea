"""The decoder against the standard: WPT's cases, a second decoder, and every way of cutting."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sse_reference
from holdfast.errors import UpstreamProtocol
from holdfast.provider.sse import ServerSentEvent, SSEDecoder

PIECES = [
    *(bytes([byte]) for byte in b"\n\n\n\r\r: :\0a1"),
    b"\r\n",
    b"\r\n\r\n",
    b"\n\n",
    b"data",
    b"data:",
    b"data: ",
    b"data: x\n\n",
    b"data: {}\n\n",
    b"event: ",
    b"event:e\n",
    b"id",
    b"id: 7\n",
    b"id:a\0b\n",
    b"retry: 12\n",
    b"retry: 1x\n",
    "retry: ٣\n".encode(),
    b": comment\n",
    b"\xef\xbb\xbf",
    b"\xef",
    b"\xbb",
    b"\xbf",
    "é\u2028\u0085\x0b\x0c\x1c".encode(),
    "😀".encode(),
    "😀".encode()[:3],
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
]

streams = st.one_of(st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join), st.binary(max_size=60))


def whole(stream: bytes) -> list[ServerSentEvent]:
    return SSEDecoder().feed(stream)


def fed(parts: list[bytes]) -> list[ServerSentEvent]:
    decoder = SSEDecoder()
    return [event for part in parts for event in decoder.feed(part)]


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(stream) + 1) for place in places}), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


# From web-platform-tests, eventsource/format-*: what is sent and the data that are dispatched.
WPT = {
    "bom": (b"\xef\xbb\xbfdata:1\n\n\xef\xbb\xbfdata:2\n\ndata:3\n\n", ["1", "3"]),
    "bom-2": (b"\xef\xbb\xbf\xef\xbb\xbfdata:1\n\ndata:2\n\ndata:3\n\n", ["2", "3"]),
    "comments": (
        b"data:1\r:\0\n:\r\ndata:2\n:" + b"x" * 2048 + b"\rdata:3\n:data:fail\r:" + b"x" * 2048 + b"\ndata:4\n\n",
        ["1\n2\n3\n4"],
    ),
    "data-before-final-empty-line": (b"retry:1000\ndata:test1\n\nid:test\ndata:test2", ["test1"]),
    "field-data": (b"data:\n\ndata\ndata\n\ndata:test\n\n", ["", "\n", "test"]),
    "field-event-empty": (b"event: \ndata:data\n\n", ["data"]),
    "field-parsing": (
        (
            b"data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\n"
            b"data:3\rdata:\r\n data:32\ndata:4\n\n"
        ),
        ["\0\n 2\n1\n3\n\n4"],
    ),
    "field-unknown": (
        b"data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndata:test\n\n",
        ["test\n\ntest"],
    ),
    "leading-space": (b"data:\ttest\rdata: \ndata:test\n\n", ["\ttest\n\ntest"]),
    "newlines": (b"data:test\r\ndata\ndata:test\r\n\r\n", ["test\n\ntest"]),
    "null-character": (b"data:\0\n\n\n\n", ["\0"]),
    "utf-8": ("data:ok…\n\n".encode(), ["ok…"]),
}


@pytest.mark.parametrize("case", WPT.values(), ids=WPT.keys())
def test_the_cases_of_web_platform_tests_give_their_data(case: tuple[bytes, list[str]]) -> None:
    stream, expected = case
    assert [event.data for event in whole(stream)] == expected
    assert [event.data for event in fed([bytes([byte]) for byte in stream])] == expected


@given(streams)
def test_the_events_are_those_of_the_standard(stream: bytes) -> None:
    decoder = SSEDecoder()
    events = [sse_reference.Event(event.event, event.data, event.id) for event in decoder.feed(stream)]
    assert (events, decoder.retry) == sse_reference.decode(stream)


@given(streams, st.lists(st.integers(min_value=0, max_value=200), max_size=12))
def test_the_events_are_the_same_however_the_bytes_are_cut(stream: bytes, places: list[int]) -> None:
    assert fed(cut(stream, places)) == whole(stream)


@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_a_read_of_whole_events_is_no_exception_to_the_standard(parts: list[bytes]) -> None:
    # Each piece is fed alone, so the short way for `data: {}\n\n` meets every state that can precede it.
    assert [event.data for event in fed(parts)] == [event.data for event in sse_reference.decode(b"".join(parts))[0]]


def test_a_cut_at_every_byte_of_a_real_stream_changes_nothing() -> None:
    frames = (
        '\ufeff: hi\r\n\r\ndata: {"content":"grüße 😀\u2028"}\n\nevent: x\rid: 5\rdata: a\rdata: b\r\rdata: [DONE]\n\n'
    )
    stream = frames.encode()
    expected = whole(stream)
    assert [(event.event, event.id) for event in expected] == [("message", ""), ("x", "5"), ("message", "5")]
    for first in range(len(stream)):
        for second in (first, first + 1, len(stream)):
            assert fed(cut(stream, [first, second])) == expected


def test_a_carriage_return_ends_an_event_at_once() -> None:
    decoder = SSEDecoder()
    assert [event.data for event in decoder.feed(b"data: a\r\r")] == ["a"]
    assert [event.data for event in decoder.feed(b"\ndata: b\r\r")] == ["b"]


def test_only_cr_and_lf_end_a_line() -> None:
    text = "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei"
    assert [event.data for event in whole(f"data: {text}\n\n".encode())] == [text]


@pytest.mark.parametrize(
    ("sent", "ids"),
    [
        (b"id: 1\ndata: a\n\ndata: b\n\n", ["1", "1"]),
        (b"id: 1\ndata: a\n\nid\ndata: b\n\n", ["1", ""]),
        (b"id: 1\n\ndata: a\n\n", ["1"]),
        (b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n", ["1", "1"]),
    ],
)
def test_an_id_lasts_until_the_next_valid_one(sent: bytes, ids: list[str]) -> None:
    assert [event.id for event in whole(sent)] == ids


def test_an_event_without_data_leaves_its_id_and_not_its_type() -> None:
    assert whole(b"event: ping\nid: 3\n\ndata: x\n\n") == [ServerSentEvent("message", "x", "3")]


@pytest.mark.parametrize(
    ("value", "retry"), [("3000", 3000), ("", None), ("-1", None), ("1.5", None), ("٣", None), ("+1", None)]
)
def test_only_ascii_digits_make_a_reconnection_time(value: str, retry: int | None) -> None:
    decoder = SSEDecoder()
    decoder.feed(f"retry: {value}\n".encode())
    assert decoder.retry == retry


@pytest.mark.parametrize("sent", [b"data: x", b"data: x\n", b"data: x\r", b"data: x\r\n", b"id: 1\n\ndata: x"])
def test_the_rest_is_what_an_empty_line_would_have_dispatched(sent: bytes) -> None:
    decoder = SSEDecoder()
    assert decoder.feed(sent) == []
    rest = decoder.rest()
    assert rest is not None
    assert rest.data == "x"


@pytest.mark.parametrize("sent", [b"", b"data: x\n\n", b": comment", b"event: e\n"])
def test_there_is_no_rest_without_unfinished_data(sent: bytes) -> None:
    decoder = SSEDecoder()
    decoder.feed(sent)
    assert decoder.rest() is None


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_line_may_be_as_long_as_the_cap_and_no_longer(size: int) -> None:
    def decoded(line: bytes) -> list[str]:
        decoder = SSEDecoder(max_line=100)
        parts = [line[start : start + size] for start in range(0, len(line), size)]
        return [event.data for part in parts for event in decoder.feed(part)]

    assert decoded(b"data: " + b"x" * 94 + b"\n\n") == ["x" * 94]
    with pytest.raises(UpstreamProtocol):
        decoded(b"data: " + b"x" * 95 + b"\n\n")


def test_an_endless_line_is_refused_before_it_ends() -> None:
    decoder = SSEDecoder(max_line=100)
    decoder.feed(b"x" * 100)
    with pytest.raises(UpstreamProtocol):
        decoder.feed(b"x")


def test_an_event_of_many_lines_is_capped_as_a_whole() -> None:
    decoder = SSEDecoder(max_line=100, max_event=50)
    assert [event.data for event in decoder.feed(b"data: " + b"x" * 50 + b"\n\n")] == ["x" * 50]
    assert decoder.feed(b"data:" + b"x" * 25 + b"\n") == []
    with pytest.raises(UpstreamProtocol):
        decoder.feed(b"data:" + b"x" * 25 + b"\n")


def test_events_before_a_line_that_is_too_long_are_not_lost() -> None:
    decoder = SSEDecoder(max_line=20)
    assert [event.data for event in decoder.feed(b"data: a\n\n" + b"x" * 21)] == ["a"]
    with pytest.raises(UpstreamProtocol):
        decoder.feed(b"data: b\n\n")


def test_an_unfinished_line_is_never_copied_until_it_ends() -> None:
    # What is kept are the very objects that were fed: no concatenation, so no quadratic time.
    decoder = SSEDecoder()
    fed_parts = [b"data: "] + [b"%05d" % number for number in range(10_000)]
    for part in fed_parts:
        assert decoder.feed(part) == []
    assert all(kept is part for kept, part in zip(decoder._parts, fed_parts, strict=True))
    assert [len(event.data) for event in decoder.feed(b"\n\n")] == [50_000]
