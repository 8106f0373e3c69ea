"""An answer that goes on does not say twice what it had said, and loses nothing that is new."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain import Kind, Piece
from holdfast.generation.overlap import Overlap

TEXT = st.text(st.sampled_from("ab \n.1é漢"), max_size=12)


def goes_on(begun: str, *texts: str) -> str:
    """What is written after `begun` when these texts come."""
    overlap = Overlap(begun)
    pieces = [piece for text in texts for piece in overlap.feed([Piece(Kind.CONTENT, text)])]
    return "".join(piece.text for piece in [*pieces, *overlap.rest()])


@pytest.mark.parametrize(
    ("begun", "new", "written"),
    [
        pytest.param("Once upon", " a time.", " a time.", id="goes on properly"),
        pytest.param("Once upon", "upon a time.", " a time.", id="the last word again"),
        pytest.param("Once upon", "Once upon a time.", " a time.", id="all of it again"),
        pytest.param("one two three", "two three four", " four", id="some words again"),
        pytest.param("Hello wor", "world!", "ld!", id="half a word again"),
        pytest.param("I slept on a se", "e-saw", "e-saw", id="a letter alike is no repeat"),
        pytest.param("It was 1", "1 degrees", "1 degrees", id="a digit alike is no repeat"),
        pytest.param("It ends.\n\n", "\n\nNext", "Next", id="white space that was not shown comes again"),
        pytest.param("ha ha ", " ha ha", "ha ha", id="a text that repeats itself"),
        pytest.param("    }\n", "\n    }\n", "    }\n", id="code with lines alike"),
        pytest.param("", "Hello", "Hello", id="nothing to repeat"),
        pytest.param("Once upon", "Once upon", "", id="nothing but a repeat"),
        pytest.param("a: 10, 20, 30, 40, 50; ", "10, 20, 30, 40, 50; then", "then", id="long without a letter"),
        pytest.param("0, 0, 0, 0, 0, 0, 0, 0, 0, ", "0, 0, 0, 0, 0, 0", "0, 0, 0, 0, 0, 0", id="long, yet a pattern"),
    ],
)
def test_only_a_repeat_is_left_out(begun: str, new: str, written: str) -> None:
    assert goes_on(begun, new) == written


@given(TEXT, TEXT, st.data())
def test_how_the_text_is_cut_makes_no_difference(begun: str, new: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(new)), max_size=4)))
    parts = [new[start:end] for start, end in zip([0, *cuts], [*cuts, len(new)], strict=True)]
    assert goes_on(begun, *parts) == goes_on(begun, new)


@given(TEXT, TEXT)
def test_what_is_left_out_is_what_the_text_ended_with(begun: str, new: str) -> None:
    written = goes_on(begun, new)
    assert new.endswith(written)
    assert begun.endswith(new[: len(new) - len(written)])


@pytest.mark.parametrize("size", [100, 400_000])
def test_a_long_beginning_that_comes_again_takes_no_longer_than_it_has_to(size: int) -> None:
    begun = "".join(f"word {number} " for number in range(size // 10))
    again = [begun[start : start + 7] for start in range(0, len(begun), 7)]
    assert goes_on(begun, *again, "and on") == "and on"
    assert goes_on(begun, *again[: len(again) // 2], "and on") == begun[: len(again) // 2 * 7] + "and on"


def test_reasoning_passes_untouched_and_text_is_held_only_while_it_may_be_a_repeat() -> None:
    overlap = Overlap("Once upon")
    assert overlap.feed([Piece(Kind.REASONING, "upon")]) == [Piece(Kind.REASONING, "upon")]
    assert overlap.feed([Piece(Kind.CONTENT, "up")]) == []
    assert overlap.feed([Piece(Kind.CONTENT, "on a")]) == [Piece(Kind.CONTENT, " a")]
    assert overlap.feed([Piece(Kind.CONTENT, "upon")]) == [Piece(Kind.CONTENT, "upon")]
    assert overlap.rest() == []
