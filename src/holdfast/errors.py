"""Every error raised on purpose.

    HoldfastError
    ├── InvalidInput            what was sent cannot be taken as it is
    │   ├── InvalidJson  InvalidUtf8  InvalidCursor  Invalid
    │   ├── EmptyMessage  UnknownModel  IdempotencyConflict
    │   └── TooLarge  RequestTimeout  UnsupportedMediaType  UnreadableFile
    ├── Denied                  who asks may not
    │   └── Forbidden  CrossOrigin
    ├── NotFound                it is not there, or it is somebody else's
    ├── GenerationRunning       the message to build on is still being written
    ├── ComparisonOpen          of answers side by side none is picked yet
    ├── Unavailable             not now; later it may go
    │   └── Busy  ShuttingDown
    ├── StorageError            the database refused
    │   └── StorageBusy  StorageFull
    ├── GenerationError         why a generation ended without being complete
    │   ├── ProviderError
    │   │   ├── ProviderUnavailable  ProviderRejected  ProviderRateLimited
    │   │   ├── OutOfCredit  ContextTooLong  ContentFiltered
    │   │   └── UpstreamProtocol
    │   ├── Stalled  TooLong  EmptyAnswer
    │   └── Interrupted
    └── StartRefused            the program, or a command of it, must not go on like this

`code` is what programs rely on and never changes; the message is a sentence for a person that says
what happened and what to do. Foreign errors are translated once, at the border they cross.
"""

from typing import ClassVar


class HoldfastError(Exception):
    """Root of the tree. `retry_after` is in seconds, where waiting helps."""

    code: ClassVar[str] = "internal"
    sentence: ClassVar[str] = "Something went wrong inside Holdfast. Please try again."
    retryable: bool = False

    def __init__(
        self,
        message: str | None = None,
        *,
        retryable: bool | None = None,
        retry_after: int | None = None,
    ) -> None:
        self.message = message or self.sentence
        self.retry_after = retry_after
        if retryable is not None:
            self.retryable = retryable
        super().__init__(self.message)


class InvalidInput(HoldfastError):
    """What was sent cannot be taken as it is."""


class InvalidJson(InvalidInput):
    """The body is not JSON as RFC 8259 has it."""

    code = "invalid_json"
    sentence = "The request's body is not valid JSON."


class InvalidUtf8(InvalidInput):
    """The body is not UTF-8."""

    code = "invalid_utf8"
    sentence = "The request's body is not valid UTF-8."


class InvalidCursor(InvalidInput):
    """A place in a list or a stream that does not exist."""

    code = "invalid_cursor"
    sentence = "There is no such place to continue from. Fetch it again from the start."


class Invalid(InvalidInput):
    """A field is missing, unknown or of the wrong shape."""

    code = "invalid"
    sentence = "The request has a field that is missing, unknown or of the wrong type."


class EmptyMessage(InvalidInput):
    """Nothing to send once blanks are taken away."""

    code = "empty_message"
    sentence = "The message is empty. Write something and send it again."


class UnknownModel(InvalidInput):
    """The catalogue does not list this model."""

    code = "unknown_model"
    sentence = "The provider does not offer this model. Choose another one."


class IdempotencyConflict(InvalidInput):
    """A `client_message_id` came again with another body."""

    code = "idempotency_conflict"
    sentence = "This client_message_id was used for another message. Use a new one."


class TooLarge(InvalidInput):
    """More bytes than are taken."""

    code = "too_large"
    sentence = "That is too long."


class RequestTimeout(InvalidInput):
    """The request did not arrive in time."""

    code = "timeout"
    sentence = "The request took too long to arrive. Send it again."
    retryable = True


class UnsupportedMediaType(InvalidInput):
    """A body that does not say it is JSON."""

    code = "unsupported_media_type"
    sentence = "Send the body as JSON, with Content-Type: application/json."


class UnreadableFile(InvalidInput):
    """A file from which no conversation, or no further one, can be taken."""

    code = "unreadable_file"
    sentence = "Nothing in this file can be imported."


class Denied(HoldfastError):
    """Who asks may not."""


class Forbidden(Denied):
    """A request that nobody may make here."""

    code = "forbidden"
    sentence = "This is not allowed."


class CrossOrigin(Denied):
    """A browser sent this on behalf of another site."""

    code = "cross_origin"
    sentence = "Another site may not do this on your behalf. Use Holdfast's own page."


class NotFound(HoldfastError):
    """It does not exist, was deleted, or is somebody else's; these look the same."""

    code = "not_found"
    sentence = "There is nothing here. It may have been deleted."


class GenerationRunning(HoldfastError):
    """The message to build on is still being written."""

    code = "generation_running"
    sentence = "An answer is still being written here. Wait for it or stop it, then send again."
    retryable = True


class ComparisonOpen(HoldfastError):
    """Of the answers to build on none is picked yet."""

    code = "comparison_open"
    sentence = "Several answers stand side by side. Pick the one to go on with, then send again."


class Unavailable(HoldfastError):
    """Not now; later it may go."""

    retryable = True


class Busy(Unavailable):
    """More is running than this process takes on."""

    code = "busy"
    sentence = "Holdfast is busy. Try again in a few seconds."


class ShuttingDown(Unavailable):
    """The process is on its way out."""

    code = "shutting_down"
    sentence = "Holdfast is restarting. Try again in a few seconds."


class StorageError(HoldfastError):
    """The database refused; nothing of what was asked is stored."""

    retryable = True


class StorageBusy(StorageError):
    """Somebody else holds the database for longer than we wait."""

    code = "busy"
    sentence = "The database is busy and nothing was stored. Try again in a few seconds."


class StorageFull(StorageError):
    """The disk is full or failing."""

    code = "storage_full"
    sentence = "The disk is full or failing, so this could not be stored. Free some space and try again."


class GenerationError(HoldfastError):
    """Why a generation ended without being complete. The text so far is kept."""


class ProviderError(GenerationError):
    """The provider did not deliver. The message is ours: an upstream's words are never passed on raw."""


class ProviderUnavailable(ProviderError):
    """Unreachable, overloaded or broken."""

    code = "provider_unavailable"
    sentence = "The provider cannot be reached or is not working. Try again in a moment."
    retryable = True


class ProviderRejected(ProviderError):
    """The provider will not do this: a bad parameter, key or model."""

    code = "provider_rejected"
    sentence = "The provider refused this request."


class ProviderRateLimited(ProviderError):
    """Too many requests upstream."""

    code = "provider_rate_limited"
    sentence = "The provider takes no more requests just now. Wait a little, then try again."
    retryable = True


class OutOfCredit(ProviderError):
    """The provider's account is empty."""

    code = "out_of_credit"
    sentence = "The provider's account has no credit left. Add credit there, or choose a free model."


class ContextTooLong(ProviderError):
    """The conversation does not fit the model."""

    code = "context_too_long"
    sentence = "The conversation is too long for this model. Choose one with a larger context or start anew."


class ContentFiltered(ProviderError):
    """The provider's moderation said no."""

    code = "content_filtered"
    sentence = "The provider's content filter refused this. Word it differently or choose another model."


class UpstreamProtocol(ProviderError):
    """What came is not a complete answer in the protocol."""

    code = "upstream_protocol"
    sentence = "The provider's answer broke off or made no sense. What arrived is kept; try again."
    retryable = True


class Stalled(GenerationError):
    """The provider went silent."""

    code = "stalled"
    sentence = "The provider stopped sending text. What arrived is kept; try again."
    retryable = True


class TooLong(GenerationError):
    """The answer went past the limit of size or time."""

    code = "too_long"
    sentence = "The answer grew past the limit and was ended. What arrived is kept."


class EmptyAnswer(GenerationError):
    """The provider ended without a word."""

    code = "empty_answer"
    sentence = "The model answered with nothing. Try again or choose another model."
    retryable = True


class Interrupted(GenerationError):
    """Our own process ended or lost the generation."""

    code = "interrupted"
    sentence = "Holdfast was restarted while this was being written. What arrived is kept; try again."
    retryable = True


class StartRefused(HoldfastError):
    """The program, or a command of it, must not go on like this; the message names what to change."""

    code = "start_refused"
