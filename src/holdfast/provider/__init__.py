"""Where completions come from: the port that every provider implements.

A provider translates one wire into pieces and an outcome, and every failure into a `ProviderError`.
It retries nothing once a byte of the request may have been sent, and it keeps no text.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from holdfast.domain import CompletionRequest, Model, Outcome, Piece


class Completion(Protocol):
    """An answer under way."""

    @property
    def outcome(self) -> Outcome:
        """What is known so far; `upstream_id` from the start where the provider gives one. Times stay None."""

    def __aiter__(self) -> AsyncIterator[list[Piece]]:
        """Yield what each read from the provider brought, in order; an empty list where it brought no text.

        Ends when the answer is complete. Raises `ProviderError` when it is not; what was yielded before stands.
        """


class Provider(Protocol):
    """Something that completes conversations."""

    @property
    def keeps_records(self) -> bool | None:
        """Whether it can be asked afterwards what a call took; None while that is not known."""

    def stream(self, request: CompletionRequest) -> AbstractAsyncContextManager[Completion]:
        """Open one completion. Entering returns at the provider's answer's head, or raises `ProviderError`.

        Leaving, also by cancellation, ends the upstream call.
        """

    async def list_models(self) -> list[Model]:
        """The models that it offers. Raises `ProviderError`."""

    async def find_record(self, upstream_id: str) -> Outcome | None:
        """What its records say of a call; None where they say nothing, or nothing yet. Raises `ProviderError`."""

    async def aclose(self) -> None:
        """Let go of connections."""
