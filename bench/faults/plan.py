"""What a campaign asks for: a message that tells the upstream which answer to give, and that answer, token by token.

Every token carries its number and a tag made from the message, and the last one a checksum of all the others, so that
a lost, doubled, reordered or foreign token is provable from the message alone.
"""

import re
import zlib
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2s
from typing import Literal, Self, get_args

Style = Literal["plain", "thinking", "wild"]

_MESSAGE = re.compile(r"@(?P<key>[\w.~-]{1,64}) n(\d+) p(\d+) h(\d+) f(\d+) (plain|thinking|wild)")
_WILD = (
    "é",
    "漢字",
    "\u2028",
    "\u0085",
    "\U0001f600",
    "\U0001f469\u200d\U0001f52c",
    "\u202eabc\u202c",
    "\n\ndata: [DONE]\n\n",
    "\r\n",
    '"\\u0041',
    "\x07\x1b[31m",
    "e\u0301",
)


@dataclass(frozen=True)
class Plan:
    """`tokens` of text, `pace` milliseconds apart, after `head` ms until the head and `first` ms more until the first.

    `thinking` begins with a quarter as many tokens of reasoning. `wild` does too, and its text is what breaks decoders:
    several bytes a character, line separators, pairs of surrogates torn over two deltas, lines that look like SSE.
    """

    key: str
    tokens: int = 50
    pace: int = 5
    head: int = 0
    first: int = 0
    style: Style = "plain"

    @classmethod
    def parse(cls, message: object) -> Self | None:
        """The plan that a message is; None where it is not one of ours."""
        found = _MESSAGE.fullmatch(message) if isinstance(message, str) else None
        if found is None:
            return None
        tokens, pace, head, first = map(int, found.groups()[1:5])
        style = next(style for style in get_args(Style) if style == found[6])
        return cls(found["key"], tokens, pace, head, first, style)

    @property
    def message(self) -> str:
        """What the user sends."""
        return f"@{self.key} n{self.tokens} p{self.pace} h{self.head} f{self.first} {self.style}"

    @cached_property
    def content_tokens(self) -> list[str]:
        """The answer."""
        tag = blake2s(self.message.encode(), digest_size=2).hexdigest()
        wild = self.style == "wild"
        texts = [f"t{number}.{tag} {_WILD[number % len(_WILD)] if wild else ''}" for number in range(self.tokens - 1)]
        return [*texts, f"={zlib.crc32(''.join(texts).encode()):08x}"] if self.tokens else []

    @cached_property
    def reasoning_tokens(self) -> list[str]:
        """The reasoning before it."""
        if self.style == "plain":
            return []
        tag = blake2s(self.message.encode(), digest_size=2).hexdigest()
        return [f"r{number}.{tag} " for number in range(max(1, self.tokens // 4))]

    @cached_property
    def content(self) -> str:
        """All of the answer."""
        return "".join(self.content_tokens)

    @cached_property
    def reasoning(self) -> str:
        """All of the reasoning."""
        return "".join(self.reasoning_tokens)

    @property
    def cost(self) -> float:
        """What the upstream charges for the whole, in USD: another sum for every number of tokens."""
        return round((self.tokens + len(self.reasoning_tokens)) * 2e-06, 6)


def deltas(token: str) -> list[str]:
    """A token as the upstream sends it: one that ends in an astral character is torn within its pair of surrogates."""
    if not token or ord(token[-1]) < 0x10000:
        return [token]
    number = ord(token[-1]) - 0x10000
    return [token[:-1] + chr(0xD800 + (number >> 10)), chr(0xDC00 + (number & 0x3FF))]
