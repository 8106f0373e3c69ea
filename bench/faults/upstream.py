"""The loopback OpenRouter of the tests, answering every campaign message with the text that its plan tells.

It outlives every Holdfast it serves. Its ledger says which of them made a call: an epoch is one process's life. This
is the one place where the folder of the tests is put on the path.
"""

import json
import sys
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

sys.path.append(str(Path(__file__).parents[2] / "tests"))

from plan import Plan, deltas
from wire import request

from openrouter import Call, LoopbackOpenRouter
from replies import COMMENT, Pause, Reply, Send, Step, answer, chunk, ending, event, spent

MODEL = "acme/chat-1"
"""The model that campaigns ask; any other behaves as `replies.for_model` says, whatever the message."""

TITLE_MODEL = "acme/chat-1:free"
"""The model that a campaign's server asks for titles; what it is asked is no completion of a campaign."""


class LedgerLine(msgspec.Struct, frozen=True):
    """One completion of the ledger. `epoch` counts the server's starts from 1; `key` is None where no plan matched."""

    number: int
    epoch: int
    key: str | None
    generation_id: str
    model: str | None
    sent: int
    cost: float | None
    completion_tokens: int | None
    done: bool


class Upstream(LoopbackOpenRouter):
    """`async with Upstream() as upstream:`; `answers` may replace the reply to a plan (to break it, for instance).

    `by_call` gives the reply to a call by its model, before anything else does; titles are there to begin with.
    """

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.models = [*self.models, {"id": TITLE_MODEL, "name": "Titles", "context_length": 128_000}]
        self.answers: Callable[[Plan], Reply] = reply
        self.by_call: dict[str, Callable[[Call], Reply]] = {TITLE_MODEL: lambda _call: answer("A title")}
        self._epochs: list[int] = []

    async def begin_epoch(self) -> None:
        """A Holdfast is about to be started and none runs: calls on the connections from here on are its own.

        Connections are accepted in their order, so once one of our own is answered, all of the dead are counted.
        """
        async with request(self._port, "GET", "/api/v1/models") as response:
            await response.body()
        self._epochs.append(self.connections_opened)

    def epoch(self, call: Call) -> int:
        """Which start made the call: 1 is the first."""
        return bisect_left(self._epochs, call.connection)

    def lines(self) -> list[LedgerLine]:
        """The completions so far."""
        return [
            LedgerLine(
                number=call.number,
                epoch=self.epoch(call),
                key=plan.key if (plan := plan_of(call)) else None,
                generation_id=call.generation_id,
                model=call.model,
                sent=len(call.text_sent),
                cost=call.cost,
                completion_tokens=(call.usage or {}).get("completion_tokens"),
                done=call.done,
            )
            for call in self.completions
        ]

    def write_ledger(self, path: Path) -> None:
        """Write the completions as JSON lines, for the checker."""
        path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in self.lines()))

    def _choose(self, call: Call) -> Reply:
        if not call.path.endswith("/chat/completions") or self._script:
            return super()._choose(call)
        if chosen := self.by_call.get(str(call.model)):
            return chosen(call)
        plan = plan_of(call)
        return self.answers(plan) if plan else super()._choose(call)


def plan_of(call: Call) -> Plan | None:
    """The plan that a completion's last user message is, if the campaign's model was asked."""
    if call.model != MODEL or not isinstance(call.body, dict):
        return None
    said = [turn.get("content") for turn in call.body.get("messages", ()) if turn.get("role") == "user"]
    return Plan.parse(text_of(said[-1])) if said else None


def text_of(content: Any) -> Any:
    """A message's text; OpenAI's shape may be a list of parts."""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content if isinstance(part, dict))
    return content


def steps(plan: Plan) -> list[Step]:
    """The tokens of a plan at its pace."""
    found: list[Step] = [Pause(plan.first / 1000)] if plan.first else []
    for kind, tokens in (("reasoning", plan.reasoning_tokens), ("content", plan.content_tokens)):
        for token in tokens:
            torn = deltas(token)
            for part in torn:
                payload = json.dumps(chunk({"role": "assistant", kind: part}), separators=(",", ":"))
                found.append(Send(event(payload), token if kind == "content" and part is torn[-1] else ""))
            if plan.pace:
                found.append(Pause(plan.pace / 1000))
    return found


def usage(plan: Plan) -> dict[str, Any]:
    """What a plan's whole answer takes."""
    return spent(completion=plan.tokens + len(plan.reasoning_tokens), cost=plan.cost)


def reply(plan: Plan) -> Reply:
    """The good answer to a plan."""
    before: list[Step] = [Pause(plan.head / 1000)] if plan.head else []
    spending = usage(plan)
    return Reply([COMMENT, *steps(plan), *ending("stop", spending)], before=before, usage=spending)
