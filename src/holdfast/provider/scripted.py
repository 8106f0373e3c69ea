"""The demo provider, which answers without a key: what it is, what answers look like, and how to get real ones.

It needs no network and is deterministic: the same conversation gets the same answer.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from hashlib import blake2b

from holdfast.domain import CompletionRequest, Kind, Model, Outcome, Piece, Usage
from holdfast.errors import ProviderRejected

_WORD = re.compile(r"\s*\S+\s*")
_CONTEXT_LENGTH = 32_768
_CHARACTERS_PER_TOKEN = 4
_QUOTED_CHARACTERS = 120

_GUIDE = "demo/guide:free"
_THINKER = "demo/thinker:free"
_ECHO = "demo/echo:free"
_NAMES = {_GUIDE: "Demo: guide", _THINKER: "Demo: thinker (shows reasoning)", _ECHO: "Demo: echo"}

_THOUGHT = """\
The person wrote {words} words. There is no model behind this demo, so the honest answer is to say so, \
to show what an answer can look like, and to tell how to connect a real one. """

_ANSWER = """\
You wrote: “{quoted}”

This is Holdfast's built-in **demo**. No model is connected yet, so nothing you write leaves this machine, \
and every answer is this guide.

### To talk to a real model

1. Create a key at <https://openrouter.ai/keys>.
2. Put it into the environment, or into a file called `.env` where you start Holdfast:

   ```sh
   OPENROUTER_API_KEY=sk-or-...
   ```

3. Start Holdfast again and choose a model from the list.

A server of your own works as well: set `OPENROUTER_BASE_URL` to the address of Ollama, vLLM, llama.cpp, \
LM Studio or LiteLLM, up to and including `/v1`.

### Things to try right now

| try | and see |
|---|---|
| Reload the page while this is being written | the answer goes on where it was |
| Open the same conversation in a second tab | both follow the same answer |
| Press *Stop* | what was written so far is kept |

Answers may hold code, which can be copied with one click:

```python
def greet(name: str) -> str:
    return f"Hello, {{name}}. Your answer is safe here."
```
"""

_LATER_ANSWER = "You wrote: “{quoted}”\n\nThe demo has shown all it knows. Set `OPENROUTER_API_KEY` for real answers."


class Scripted:
    """The port without a network. `word_seconds` is the pause between words; 0 answers as fast as it is read."""

    keeps_records: bool | None = False

    def __init__(self, *, word_seconds: float = 0.03) -> None:
        """Take the speed of writing."""
        self._word_seconds = word_seconds

    @asynccontextmanager
    async def stream(self, request: CompletionRequest) -> AsyncIterator["ScriptedAnswer"]:
        """Open one answer; see the port."""
        if request.model not in _NAMES:
            raise ProviderRejected(
                f"The demo offers {_GUIDE}, {_THINKER} and {_ECHO}. Set OPENROUTER_API_KEY to use other models."
            )
        yield ScriptedAnswer(request, self._word_seconds)

    async def list_models(self) -> list[Model]:
        """List the demo's models, which cost nothing."""
        return [
            Model(
                id=model_id,
                name=name,
                context_length=_CONTEXT_LENGTH,
                prompt_price=Decimal(0),
                completion_price=Decimal(0),
            )
            for model_id, name in _NAMES.items()
        ]

    async def find_record(self, upstream_id: str) -> Outcome | None:  # noqa: ARG002 - the port's signature
        """None is kept."""
        return None

    async def aclose(self) -> None:
        """Nothing is held."""


class ScriptedAnswer:
    """The port's `Completion`: the script word by word."""

    def __init__(self, request: CompletionRequest, word_seconds: float) -> None:
        """Write the answer to a request."""
        said = [text for role, text in request.prompt.messages if role == "user"]
        asked = said[-1] if said else ""
        self._model = request.model
        self._word_seconds = word_seconds
        self._thought = _THOUGHT.format(words=len(asked.split())) if request.model == _THINKER else ""
        self._text = _write(request.model, asked, is_first=len(said) <= 1)
        shown = sum(len(text) for _, text in request.prompt.messages)
        self._prompt_tokens = shown // _CHARACTERS_PER_TOKEN + 1
        self._upstream_id = (
            "demo-"
            + blake2b(
                repr((request.model, request.conversation_id, request.prompt.messages)).encode("utf-8", "replace"),
                digest_size=9,
            ).hexdigest()
        )
        self._finished = False

    @property
    def outcome(self) -> Outcome:
        """What is known so far. Tokens are the demo's own: four characters make one."""
        if not self._finished:
            return Outcome(model_id_used=self._model, provider="Holdfast", upstream_id=self._upstream_id)
        reasoning = len(self._thought) // _CHARACTERS_PER_TOKEN
        usage = Usage(
            prompt_tokens=self._prompt_tokens,
            completion_tokens=reasoning + len(self._text) // _CHARACTERS_PER_TOKEN + 1,
            reasoning_tokens=reasoning,
            cached_tokens=0,
            cost=0,
        )
        return Outcome(
            model_id_used=self._model,
            provider="Holdfast",
            upstream_id=self._upstream_id,
            finish_reason="stop",
            usage=usage,
        )

    async def __aiter__(self) -> AsyncIterator[list[Piece]]:
        """Yield a word at a time."""
        for kind, text in ((Kind.REASONING, self._thought), (Kind.CONTENT, self._text)):
            for word in _WORD.findall(text):
                await asyncio.sleep(self._word_seconds)
                yield [Piece(kind, word)]
        self._finished = True


def _write(model: str, asked: str, *, is_first: bool) -> str:
    if model == _ECHO:
        return asked or "…"
    line = " ".join(asked.split())
    quoted = line if len(line) <= _QUOTED_CHARACTERS else line[: _QUOTED_CHARACTERS - 1] + "…"
    return (_ANSWER if is_first else _LATER_ANSWER).format(quoted=quoted)
