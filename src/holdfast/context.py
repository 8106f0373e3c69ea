"""Build what the model is shown, within its window, and say what it left out. Pure.

Tokens are estimated, for every model counts its own way: four ASCII characters or one other make a token, which is
on the safe side for prose and code.
"""

from collections.abc import Sequence
from typing import Final

from holdfast.domain import Prompt, Role, Status, Turn

_OVERHEAD: Final = 4  # Tokens around each message, as chat templates have them.
_ANSWER_SHARE: Final = 4  # A quarter of the window is left for the answer …
_ANSWER_LIMIT: Final = 8192  # … but no more than this.
_CUT_OFF: Final = "[This answer was cut off here.]"


def build(history: Sequence[Turn], system_prompt: str, context_length: int | None, *, begun: str = "") -> Prompt:
    """The system prompt and as much of the history, which ends with the message to answer, as fits from its end.

    `context_length` is the model's window in tokens; None where it is unknown, and then nothing is left out. The last
    message always goes along: whether it fits alone is for the provider to say. `begun` is the answer to go on with:
    it comes last, as the model's own words and without white space at its end, which several providers refuse.
    """
    turns = [shown for turn in history if (shown := _shown(turn))]
    always = 1
    if beginning := begun.rstrip():
        turns.append((Role.ASSISTANT.value, beginning))
        always = 2  # With the message that it answers.
    system = [("system", system_prompt)] if system_prompt else []
    if context_length is None:
        return Prompt((*system, *turns))
    room = context_length - min(context_length // _ANSWER_SHARE, _ANSWER_LIMIT) - sum(map(_tokens, system))
    kept: list[tuple[str, str]] = []
    for turn in reversed(turns):
        room -= _tokens(turn)
        if len(kept) >= always and room < 0:
            break
        kept.append(turn)
    while len(kept) > 1 and kept[-1][0] == Role.ASSISTANT:
        kept.pop()  # A conversation opens with its user: an answer without its question says little.
    return Prompt((*system, *reversed(kept)), left_out=len(turns) - len(kept))


def _shown(turn: Turn) -> tuple[str, str] | None:
    """A turn as the model sees it; None for an answer that has no text."""
    if turn.role is Role.ASSISTANT and not turn.content:
        return None
    if turn.status is Status.COMPLETE:
        return (turn.role.value, turn.content)
    return (turn.role.value, f"{turn.content}\n\n{_CUT_OFF}")


def _tokens(turn: tuple[str, str]) -> int:
    _, text = turn
    if text.isascii():
        return len(text) // 4 + _OVERHEAD
    ascii_ = len(text.encode("ascii", "ignore"))
    return ascii_ // 4 + len(text) - ascii_ + _OVERHEAD
