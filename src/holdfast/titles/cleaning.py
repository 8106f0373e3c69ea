"""Make a title of what a model said, or find that it is none: models think aloud, explain, quote and refuse."""

import json
import re
import unicodedata
from typing import Final

from holdfast import text

WORDS: Final = 5
"""The most that a title has."""

_TALK: Final = 12
"""Words of a line that is more than a name with some words too many."""

_THOUGHT: Final = re.compile(
    r"<(think|thinking|thought|thoughts|reasoning|reflection|scratchpad)\b[^<>]*>.*?(</\1>|\Z)"
    r"|◁think▷.*?(◁/think▷|\Z)|\[think\].*?(\[/think\]|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_THOUGHT_BEFORE: Final = re.compile(
    r".*(?:</(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad)>|<\|message\|>|\[/think\])",
    re.DOTALL | re.IGNORECASE,
)
"""What was begun before the first word, and what templates put before the last message."""

_TAG: Final = re.compile(r"</?(?:title|name|answer|output|response)>|</s>|<\|[^<>|]*\|>", re.IGNORECASE)
_HTML: Final = re.compile(
    r"<(h[1-6]|p|div|span|center|b|i|u|em|strong|mark)\b[^<>]*>([^<>]*)</\1>|<br ?/?>", re.IGNORECASE
)
_NESTED: Final = 4
"""Pairs of HTML's tags that are looked for inside each other."""

_LINK: Final = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)")
_EMPHASIS: Final = re.compile(r"(?<!\w)(\*{1,3}|~~|`+)(?=[^\s*~`])(.+?)(?<=[^\s*~`])\1(?!\w)")
_WHOLE_EMPHASIS: Final = re.compile(r"(_{1,3})\s*([^_]+?)\s*\1")
_HALF_EMPHASIS: Final = re.compile(r"\A(?:\*\*+|`+|~~)|(?:\*\*+|`+|~~)\Z")
_BULLET: Final = re.compile(r"(?:#{1,6}|>+|[-*+•–—]|\d{1,2}\))\s+")  # noqa: RUF001 - the dashes that models write
_LABEL: Final = re.compile(
    r"(?:(?:(?:the |a |suggested |conversation |chat |short )*(?:title|name)|titel|titre|t[íi]tulo|titolo|nombre|nome"
    r"|название|标题|標題|タイトル|제목)\s*"
    r"|(?:(?:sure|certainly|of course|okay|gerne|natürlich|klar)[!,.]? )?"
    r"(?:here(?:['’]s| is| are)|hier ist|voici|aquí (?:tienes|está))\b[^:：]{0,60})"  # noqa: RUF001 - as below
    r"[:：]\s*",  # noqa: RUF001 - the colon of Chinese and Japanese
    re.IGNORECASE,
)
_FENCE: Final = "```"
_LINE: Final = 400
"""Characters of a line that are looked at: far more than a name has."""

_APOSTROPHES: Final = "'‘’"  # noqa: RUF001 - which also stand within words
_QUOTES: Final = '"“”„‟‚‛«»‹›「」『』《》〈〉＂'  # noqa: RUF001 - every language's
_STOPS: Final = ".。．｡।۔"  # noqa: RUF001 - every language's

_NOTHING: Final = frozenset(
    {"null", "nil", "none", "n/a", "undefined", "unknown", "empty", "title", "titel", "untitled", "no title"}
    | {"untitled conversation", "untitled chat", "new conversation", "new chat", "kein titel", "ohne titel"}
)
"""What programs and models say in place of a name."""

_REFUSAL: Final = re.compile(
    r"(?:(?:i'm|i am) (?:really |very |so |truly )?(?:sorry|unable|afraid|not able)|sorry\b(?=\W*$|,|\s+(?:but|i)\b)"
    r"|(?:i )?apolog(?:ies|i[sz]e)\b|unfortunately\b|i (?:can(?: ?not|'t)|won't|will not|must decline)\b"
    r"|as an? (?:ai|artificial|(?:large )?language model)\b"
    r"|(?:es )?tut mir (?:sehr |wirklich )?leid|leider\b|entschuldigung\b(?=\W*$|,)"
    r"|ich (?:kann|darf)\b.*\b(?:nicht|keine?n?)\b"
    r"|ich bin (?:leider\b|nicht\b)|als (?:ki|sprachmodell|künstliche)\b"
    r"|(?:je suis (?:vraiment |sincèrement )?)?désolée?\b|je (?:ne peux|regrette)|en tant qu|malheureusement\b"
    r"|lo (?:siento|lamento)|no puedo\b|como (?:una? )?(?:ia|modelo|inteligencia)\b|disculp[ae]\b|lamentablemente\b"
    r"|mi (?:dispiace|scuso)|non posso\b|purtroppo\b|spiacente\b|come (?:ia|modello)\b"
    r"|sinto muito|desculpe\b|infelizmente\b|não posso\b|lamento\b"
    r"|het spijt me|helaas\b|ik kan\b.*\bniet\b|tyvärr\b|förlåt\b|beklager\b|desværre\b|valitettavasti\b"
    r"|przepraszam\b|niestety\b|nie mogę\b|bohužel\b|omlouvám\b|üzgünüm\b|maalesef\b|sajnálom\b"
    r"|извините\b|простите\b|к сожалению\b|я не могу\b|вибачте\b|на жаль\b"
    r"|(?:非常|很)?抱歉|对不起|對不起|我(?:无法|無法|不能)|申し訳|すみません|ごめんなさい|죄송|미안하지만"
    r"|عذر|آسف|للأسف|क्षमा करें|मुझे खेद|סליחה|מצטער)",
    re.IGNORECASE,
)
_REFUSAL_ANYWHERE: Final = re.compile(
    r"i'm sorry|i (?:can(?: ?not|'t)|am unable to|'m unable to) (?:help|assist|comply|provide|fulfill|answer|name)"
    r"|(?:es )?tut mir leid|dabei nicht helfen|nicht (?:weiter)?helfen",
    re.IGNORECASE,
)


def clean(said: str) -> str:
    """What a model said as a title of at most `WORDS` words; empty where it is none."""
    said = _TAG.sub(" ", _THOUGHT_BEFORE.sub("", _THOUGHT.sub("\n", said)))
    for _ in range(_NESTED):
        said = _HTML.sub(r" \2 ", said)
    lines = _unpacked([line for line in said.splitlines() if not line.lstrip().startswith(_FENCE)])
    bare = [line for each in lines if _says_something(line := _bare(each))]
    line = next((line for line in bare if not line.endswith((":", "："))), "")  # noqa: RUF001 - or it announces one
    if _is_refusal(line):
        return ""
    words = line.split()
    if len(words) > WORDS:
        line = "" if len(words) > _TALK else " ".join(words[:WORDS]).rstrip(",;:" + _STOPS) + "…"
    title = text.title(line).rstrip(_STOPS + " ")
    return title if _says_something(title) and title.casefold() not in _NOTHING else ""


def first_words(message: str) -> str:
    """The title of a conversation that no model named."""
    words = message.split()[: WORDS + 1]
    shortened = " ".join(words[:WORDS]) + ("…" if len(words) > WORDS else "")
    return text.title(shortened) or text.title(message)


def _unpacked(lines: list[str]) -> list[str]:
    """The texts alone of an object or a list, which some models answer with whatever they are asked for."""
    try:
        found = json.loads("\n".join(lines))
    except (ValueError, RecursionError):
        return lines
    if not isinstance(found, dict | list):
        return lines
    values = found.values() if isinstance(found, dict) else found
    return [value for value in values if isinstance(value, str)]


def _bare(line: str) -> str:
    """A line without what stands around a title: bullets, emphasis, a label, quotes, the closing stop."""
    line, before = text.one_line(line[:_LINE]), None
    while line != before:  # A label may stand in quotes, quotes after a label, and both in emphasis.
        before = line
        for around in (_BULLET, _LABEL):
            if found := around.match(line):
                line = line[found.end() :]
        line = _EMPHASIS.sub(r"\2", _LINK.sub(r"\1", line))
        if whole := _WHOLE_EMPHASIS.fullmatch(line):
            line = whole[2]
        line = _unquoted(_HALF_EMPHASIS.sub("", line).strip()).rstrip(_STOPS + " ")
    return line


def _unquoted(line: str) -> str:
    """Without the quotes around all of it, or one that has lost its other half; those around a word in it stay."""
    inner = line[1:-1]
    marks = [place for place, character in enumerate(inner) if character in _QUOTES]
    if len(line) > 1 and line[0] in _QUOTES + _APOSTROPHES and line[-1] in _QUOTES + _APOSTROPHES:
        opens = not marks or marks[0] == 0 or inner[marks[0] - 1].isspace()
        return inner.strip() if opens else line
    return line if marks else line.strip(_QUOTES).strip()


def _is_refusal(line: str) -> bool:
    line = line.translate(dict.fromkeys(map(ord, "‘’ʼ′`´"), "'"))  # noqa: RUF001 - all that are typed for one
    return bool(_REFUSAL.match(line) or _REFUSAL_ANYWHERE.search(line))


def _says_something(title: str) -> bool:
    """Whether there is a letter, a digit or a sign in it, and not marks alone."""
    kinds = {unicodedata.category(character) for character in title}
    return any(kind[0] in "LN" or kind == "So" for kind in kinds)
