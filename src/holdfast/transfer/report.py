"""What an import did, or would do: how much it took, and what it left out and why."""

from collections import Counter
from dataclasses import dataclass, field

from holdfast.transfer.read import Item, LeftOut, Part, Reason


@dataclass(slots=True)
class Report:
    """Grows while a file is read."""

    conversations: int = 0
    messages: int = 0
    left_out: Counter[Reason] = field(default_factory=Counter)
    parts: Counter[Part] = field(default_factory=Counter)

    def count(self, item: Item, *, known: bool = False) -> None:
        """Note what became of something in the file."""
        if isinstance(item, LeftOut):
            self.left_out[item.reason] += 1
        elif known:
            self.left_out[Reason.KNOWN] += 1
        else:
            self.conversations += 1
            self.messages += len(item.whole.messages)
            self.parts.update(item.parts)

    @property
    def says_something(self) -> bool:
        """Whether the file had a conversation at all, be it one that is here already."""
        return bool(self.conversations or self.left_out[Reason.KNOWN])
