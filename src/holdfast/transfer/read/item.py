"""What a file turns out to hold, one conversation after the other."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from holdfast.store.transfers import Whole


class Reason(StrEnum):
    """Why a conversation was left out: it is here already, says nothing, is damaged, or is none that we know."""

    KNOWN = "known"
    EMPTY = "empty"
    MALFORMED = "malformed"
    UNRECOGNISED = "unrecognised"


class Part(StrEnum):
    """What of a conversation was not taken along."""

    HIDDEN = "hidden"
    TOOL = "tool"
    ATTACHMENT = "attachment"


@dataclass(frozen=True, slots=True)
class Taken:
    """A conversation, and how many of its parts were not taken along."""

    whole: Whole
    parts: Counter[Part] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that is no conversation, or none that can be kept."""

    reason: Reason


Item = Taken | LeftOut
