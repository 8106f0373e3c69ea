"""Ask a provider and keep all that it gives."""

from dataclasses import dataclass
from typing import Any

from holdfast.domain import CompletionRequest, Kind, Outcome, Piece, Prompt
from holdfast.errors import ProviderError
from holdfast.provider import Provider

KEY = "sk-or-v1-0123456789abcdef"


@dataclass
class Heard:
    """What a completion gave: its reads, its outcome, and the error that ended it."""

    reads: list[list[Piece]]
    outcome: Outcome
    error: ProviderError | None

    def text(self, kind: Kind = Kind.CONTENT) -> str:
        return "".join(piece.text for read in self.reads for piece in read if piece.kind is kind)


def asking(model: str = "acme/chat-1", *, text: str = "Hello", **more: Any) -> CompletionRequest:
    return CompletionRequest(model, Prompt((("system", "Be brief."), ("user", text))), "c1", **more)


async def listen(provider: Provider, request: CompletionRequest | None = None) -> Heard:
    heard = Heard([], Outcome(), None)
    try:
        async with provider.stream(request or asking()) as completion:
            try:
                async for pieces in completion:
                    heard.reads.append(pieces)
            finally:
                heard.outcome = completion.outcome
    except ProviderError as error:
        heard.error = error
    return heard
