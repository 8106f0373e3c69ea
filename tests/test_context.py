"""What a model is shown: the end of the history that fits, and the truth about the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.context import _CUT_OFF, build
from holdfast.domain import Role, Status, Turn

UNFINISHED = [Status.STOPPED, Status.FAILED, Status.INTERRUPTED]


def user(content: str) -> Turn:
    return Turn(Role.USER, content, Status.COMPLETE)


def answer(content: str, status: Status = Status.COMPLETE) -> Turn:
    return Turn(Role.ASSISTANT, content, status)


def conversation(exchanges: int, size: int = 400) -> list[Turn]:
    """Question and answer in turn, each about size / 4 tokens, with a question at the end."""
    turns = [turn for n in range(exchanges) for turn in (user(f"q{n}".ljust(size)), answer(f"a{n}".ljust(size)))]
    return [*turns, user("last")]


def test_everything_is_shown_where_it_fits() -> None:
    prompt = build([user("Hello?"), answer("Hi."), user("Tea?")], "Be kind.", 8192)
    assert prompt.messages == (("system", "Be kind."), ("user", "Hello?"), ("assistant", "Hi."), ("user", "Tea?"))
    assert prompt.left_out == 0


def test_without_a_system_prompt_none_is_shown() -> None:
    assert build([user("Hello?")], "", 8192).messages == (("user", "Hello?"),)


def test_where_the_window_is_unknown_nothing_is_left_out() -> None:
    prompt = build(conversation(2000), "Be kind.", None)
    assert (len(prompt.messages), prompt.left_out) == (4002, 0)


def test_the_oldest_is_left_out_first_and_counted() -> None:
    history = conversation(10)
    prompt = build(history, "Be kind.", 1000)
    kept = prompt.messages[1:]
    assert 1 < len(kept) < len(history)
    assert prompt.messages[0] == ("system", "Be kind.")
    assert [text for _, text in kept] == [turn.content for turn in history[-len(kept) :]]
    assert prompt.left_out == len(history) - len(kept)


def test_the_system_prompt_takes_its_room_from_the_history() -> None:
    history = conversation(10)
    assert build(history, "x" * 1200, 1000).left_out > build(history, "", 1000).left_out


@pytest.mark.parametrize("window", [0, 1, 100, 8192])
def test_the_last_message_always_goes_along(window: int) -> None:
    prompt = build([user("old"), answer("old"), user("x" * 100_000)], "Be kind.", window)
    assert prompt.messages == (("system", "Be kind."), ("user", "x" * 100_000))
    assert prompt.left_out == 2


@given(st.integers(0, 12), st.integers(0, 2000), st.integers(0, 3000))
def test_what_is_shown_begins_with_a_user_ends_with_the_last_message_and_adds_up(
    exchanges: int, size: int, window: int
) -> None:
    history = conversation(exchanges, size)
    prompt = build(history, "", window)
    assert prompt.messages[0][0] == Role.USER
    assert prompt.messages[-1] == ("user", "last")
    assert prompt.left_out + len(prompt.messages) == len(history)
    estimate = sum(len(text) // 4 for _, text in prompt.messages[:-1])
    assert estimate <= window


def test_room_is_left_for_the_answer() -> None:
    history = [user("x" * 4 * 800), answer("ok"), user("last")]
    assert build(history, "", 1000).left_out == 2
    assert build(history, "", 1200).left_out == 0


def test_a_character_beyond_ascii_counts_as_a_token() -> None:
    def shown(character: str) -> int:
        return build([user(character * 1000), answer("ok"), user("last")], "", 1000).left_out

    assert (shown("x"), shown("\u6f22"), shown("\U0001f642")) == (0, 2, 2)


@pytest.mark.parametrize("status", UNFINISHED)
def test_an_answer_that_broke_off_is_shown_and_marked(status: Status) -> None:
    prompt = build([user("Tell me."), answer("Once upon", status), user("Go on.")], "", 8192)
    assert prompt.messages[1] == ("assistant", f"Once upon\n\n{_CUT_OFF}")


@pytest.mark.parametrize("status", [*UNFINISHED, Status.COMPLETE, Status.STREAMING])
def test_an_answer_without_text_is_not_shown_nor_counted(status: Status) -> None:
    prompt = build([user("Hello?"), answer("", status), user("Hello??")], "", 8192)
    assert prompt.messages == (("user", "Hello?"), ("user", "Hello??"))
    assert prompt.left_out == 0
