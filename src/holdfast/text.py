"""The one canonical form of text, and its limits: once on the way in, before both storing and publishing.

What people type loses its control characters for visible symbols. What a provider sends is kept as it came,
but for NUL and lone surrogates, which no database and no UTF-8 can hold.
"""

import re
import unicodedata
from ipaddress import IPv4Address
from urllib.parse import urlsplit

from holdfast.errors import EmptyMessage, TooLarge

MESSAGE_LIMIT = 256 * 1024
"""Bytes of UTF-8 in one message."""

TITLE_LIMIT = 80
"""Characters, as people count them, in a title."""

LABEL_LIMIT = 200
"""Characters in a name that somebody else gave."""

ADDRESS_LIMIT = 2048
"""Characters in an address on the web."""

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_C0_SYMBOLS = 0x2400  # The block "Control Pictures" mirrors C0 from here.
_VISIBLE = (
    {code: chr(_C0_SYMBOLS + code) for code in range(0x20) if chr(code) not in "\t\n"}
    | dict.fromkeys((0x00, *range(0x80, 0xA0)), REPLACEMENT)
    | {0x7F: "\N{SYMBOL FOR DELETE}"}
)
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_NEVER_IN_ADDRESSES = frozenset(' "<>\\')
"""Of what RFC 3986 keeps out of them, what has a meaning where they are written down, or is another `/` to browsers."""

_READ_IN_TWO_WAYS = frozenset("\u00df\u03c2")
"""Sharp s and final sigma: letters of their own in the names that browsers look up, `ss` and `\u03c3` to IDNA 2003.

Source: https://www.unicode.org/reports/tr46/#Deviations. The joiners among them are not printable.
"""

_IN_2003 = unicodedata.ucd_3_2_0.category
"""The letters that IDNA 2003 knows: a later one it takes as it is, where a browser may read another one."""

_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?", re.IGNORECASE)
_ENDS_IN_A_NUMBER = re.compile(r"(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\.?$", re.IGNORECASE)
_BLANK_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_MARK_CATEGORIES = frozenset({"Mn", "Mc", "Me"})
_ZERO_WIDTH_JOINER = "\u200d"
_JOINERS = frozenset({"\u200c", _ZERO_WIDTH_JOINER})
_FLAG_LETTERS = "".join(map(chr, range(0x1F1E6, 0x1F200)))
_CONTINUING = (("\u1160", "\u11ff"), ("\U0001f3fb", "\U0001f3ff"), ("\U000e0020", "\U000e007f"))
"""Hangul's vowels and finals, skin tones, tags of a region's flag."""


def without_surrogates(text: str) -> str:
    """Join surrogate pairs and replace lone ones, which JSON can spell and UTF-8 cannot."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def canonical(text: str) -> str:
    """What a person typed, as it is stored, sent and shown: line ends are LF, controls are visible symbols."""
    text = without_surrogates(text).replace("\r\n", "\n").replace("\r", "\n")
    return text.translate(_VISIBLE)


def message(text: str) -> str:
    """A message in canonical form. Raises `EmptyMessage` and `TooLarge`."""
    size = len(text)
    if size <= 2 * MESSAGE_LIMIT:  # Past that, no canonical form is short enough, and making it would take long.
        text = canonical(text)
        size = len(text.encode())
    if size > MESSAGE_LIMIT:
        raise TooLarge(f"The message has {size} bytes; at most {MESSAGE_LIMIT} are taken. Shorten it or split it.")
    if _is_blank(text):
        raise EmptyMessage
    return text


def title(text: str) -> str:
    """A title in canonical form: one line, at most `TITLE_LIMIT` characters; empty where nothing of it can be seen."""
    text = _cut(one_line(text), TITLE_LIMIT)
    return "" if _is_blank(text) else text


def one_line(text: str) -> str:
    """On one line, without controls, direction overrides and what is nobody's character."""
    text = "".join(
        character
        for character in without_surrogates(text).replace("\n", " ").replace("\r", " ").replace("\t", " ")
        if character not in _BIDI_CONTROLS and unicodedata.category(character) not in {"Cc", "Zl", "Zp", "Co", "Cs"}
    )
    return " ".join(text.split())


def label(text: str | None) -> str | None:
    """A name that somebody else gave, fit to be kept and shown; None for an empty one."""
    if not text:
        return None
    return "".join(each for each in text[:LABEL_LIMIT] if each.isprintable()) or None


def caption(text: str) -> str:
    """A title that somebody else gave, on one line of at most `LABEL_LIMIT` characters; empty where nothing is seen."""
    shown = label(" ".join(text[: 2 * LABEL_LIMIT].split())) or ""
    return "" if _is_blank(shown) else shown


def web_host(address: str) -> str | None:
    """The host that an address on the web leads to, in ASCII as a browser names it, with its port.

    None where it is no such address, holds a password, or could lead elsewhere than it reads.
    """
    if len(address) > ADDRESS_LIMIT or not address.isprintable() or not _NEVER_IN_ADDRESSES.isdisjoint(address):
        return None
    try:
        parts = urlsplit(address)
        name, port = parts.hostname or "", parts.port
        host = name.encode("idna").decode()
    except ValueError:  # No IPv6, no port, no name of a host.
        return None
    if ":" in host:
        host = f"[{host}]"  # urlsplit has looked at what stands in them.
    elif not _HOST.fullmatch(host) or not _is_read_in_one_way(name) or _is_another_number(host):
        return None
    if parts.scheme not in {"http", "https"} or "@" in parts.netloc or port == 0:
        return None
    return host if port is None else f"{host}:{port}"


def _is_read_in_one_way(name: str) -> bool:
    """Whether a host's name is the same one to IDNA 2003, which is spoken here, and to browsers."""
    return _READ_IN_TWO_WAYS.isdisjoint(name) and all(_IN_2003(each) != "Cn" for each in name)


def _is_another_number(host: str) -> bool:
    """Whether a browser would go to an IPv4 address that is not spelt like this, as to 127.0.0.1 for 2130706433.

    Source: https://url.spec.whatwg.org/#ends-in-a-number-checker.
    """
    if not _ENDS_IN_A_NUMBER.search(host):
        return False
    try:
        IPv4Address(host)
    except ValueError:
        return True
    return False


def _is_blank(text: str) -> bool:
    """Whether there is nothing to see."""
    return all(unicodedata.category(each) in _BLANK_CATEGORIES or each in _BLANK_LETTERS for each in text)


def _cut(text: str, limit: int) -> str:
    """The first `limit` code points, fewer where that would cut a character as people see it in two."""
    if len(text) <= limit:
        return text
    end = limit
    while end and _continues(text, end):
        end -= 1
    return text[: end or limit].rstrip()


def _continues(text: str, at: int) -> bool:
    """Whether the code point at `at` belongs to the character before it: the common part of Unicode's UAX #29."""
    before, here = text[at - 1], text[at]
    if before == _ZERO_WIDTH_JOINER or here in _JOINERS or unicodedata.category(here) in _MARK_CATEGORIES:
        return True
    if any(first <= here <= last for first, last in _CONTINUING):
        return True
    flags = at - len(text[:at].rstrip(_FLAG_LETTERS))
    return here in _FLAG_LETTERS and flags % 2 == 1  # Flags are pairs.
