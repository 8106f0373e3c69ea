"""Bytes that a provider might send: good streams, odd ones, and what becomes of them on a bad line.

One number makes one input, always the same, so that a failure is repeated by its number alone.
"""

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

LINE_CAP, EVENT_CAP, WHOLE_CAP = 96, 160, 4096
"""The caps of the inputs that are about caps, scaled down so that many fit in a second."""

GRAMMAR = [
    *(bytes([byte]) for byte in b"\n\n\n\r\r: :\0a1"),
    *(b"\r\n", b"\r\n\r\n", b"\n\n", b"data", b"data:", b"data: ", b"data: x\n\n", b"data: {}\n\n", b"event: "),
    *(b"event:e\n", b"id", b"id: 7\n", b"id:a\0b\n", b"retry: 12\n", b"retry: 1x\n", b": comment\n"),
    *(b"\xef\xbb\xbf", b"\xef", b"\xbb", b"\xbf", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"),
    *("retry: ٣\n".encode(), "é\u2028\u0085\x0b\x0c\x1c".encode(), "😀".encode(), "😀".encode()[:3]),
    *(b"data: [DONE]\n\n", b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n'),
    b'data: {"choices":[{"delta":{"content":"\\ud83d"}}]}\r\n\r\n',
    b'data:{"choices":[{"delta":{"content":"\\ude00"},\ndata:"finish_reason":"stop"}]}\n\n',
]
NOISE = [
    *(b"\r", b"\n", b"\r\n", b"\n\n", b"\r\r", b"\xef\xbb\xbf", b"\0", b"\xff", b"\x80", b"\xe2\x80\xa8"),
    *(b"\xc2\x85", b"\xed\xa0\xbd", b"\xf0\x9f\x98", b"data: ", b":", b'"', b"}", b"\\", b"\\ud83d", b" [DONE] "),
]
TEXTS = [
    *("The answer is forty-two, ", "and that is "),
    *("Hi", " there", "x", "", "grüße 😀", "\u2028", "\u0085", "\x7f", "\U0001d4b3", "\ufeff", "\ufffd"),
    *("\\ud83d\\ude00", "\\ud83d", "\\ud83d", "\\ude00", "\\ude00", "a\\ud83d", "\\ude00b", "\\udbff\\ud800"),
    *(
        "\\u0000",
        "a\\u0000b",
        "a\\nb",
        '\\"',
        "\\\\",
        "\\n\\ndata: [DONE]\\n\\n",
        "\\/",
        "\\u00e9",
        "\\u2029",
        "\\x",
        "\t",
    ),
]
ODD = [
    *(
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1",
        "-1",
        "1.5",
        "0.0",
        "1e400",
        "NaN",
        "Infinity",
        "-Infinity",
        '""',
        '"x"',
    ),
    *("[]", "{}", "[null]", '{"a":1}', "[{}]", '["a"]', '{"text":"x"}', "9" * 20, '"\\ud800"', '"a\\u0000"'),
]
CONTENTS = ["content"] * 8 + ["reasoning", "reasoning", "reasoning_content", "refusal"]
EXTRA_DELTA = [
    *('"role":"assistant"', '"role":"assistant"', '"tool_calls":[{"index":0,"function":{"arguments":"{"}}]'),
    *('"tool_calls":[]', '"reasoning_details":[{"type":"x"}]', '"images":[]', '"annotations":null', '"content":null'),
]
FINISHES = ['"stop"', '"length"', '"content_filter"', '"tool_calls"', '"function_call"', '"error"', '"odd"', '""']
COSTS = ["0.000004", "0", "4e-6", "1", "-1", "1e7", '"0.1"', "0.0000000000005", "0.0000000000015", "null", "1E-400"]
COUNTS = ["0", "2", "20", "3.0", "2.5", "-1", '"7"', "null", "true", "1e3", "999999999999", "1000000000000", "1" * 45]
ERRORS = [
    *('{"code":502,"message":"gone"}', '{"code":"429","message":"slow\\ndown"}', '{"code":402}', '{"message":"x"}'),
    *('"boom"', "null", "{}", "[1]", '{"code":400,"message":"maximum context length"}', '{"code":null,"message":null}'),
    *('{"code":403,"metadata":{"reasons":[]}}', '{"code":"server_error"}', '{"code":true}', '{"code":-1,"message":5}'),
    *('{"message":"your key sk-or-v1-canary is \\u001b[31m bad"}', '{"message":"' + "<b>" * 200 + '"}'),
    *('{"type":"rate_limit_error","metadata":{"raw":"{\\"error\\":{\\"message\\":\\"m\\"}}"}}', '{"code":404}'),
]
BARE = [
    *("[DONE]", "[DONE]", " [DONE] ", "[done]", "null", "[]", '"x"', "1", "{", '{"a":', "", " ", "NaN", "\u0085"),
    *('{"object":"error","message":"boom","code":500}', "\ufeff{}", "{} {}", "[DONE][DONE]", "{'a':1}", "<html>"),
]


@dataclass(frozen=True)
class Input:
    """A body, how it is delivered, and under which caps. `broken`: its connection fails at the end, with that code."""

    kind: str
    body: bytes
    cuts: tuple[int, ...]
    streamed: bool = True
    small_caps: bool = False
    broken: str | None = None
    upstream_id: str | None = None

    @property
    def parts(self) -> list[bytes]:
        """The body as it is read, never empty parts: those end a body."""
        edges = [0, *self.cuts, len(self.body)]
        found = (self.body[start:end] for start, end in itertools.pairwise(edges))
        return [part for part in found if part]


def make(seed: int, number: int) -> Input:
    """The input of this number."""
    random = Random(seed << 40 | number)
    kind = random.choices(_KINDS, _WEIGHTS)[0]
    body = _MAKERS[kind](random)
    if kind in ("stream", "whole") and random.random() < 0.5:
        kind, body = f"{kind}, damaged", damaged(random, body)
    capped = kind == "near the caps"  # Past a cap it depends on the cuts which of two failures is the first.
    breaks = random.random() < 0.1 and not capped
    return Input(
        kind,
        body,
        cuts(random, len(body)),
        streamed=not kind.startswith("whole"),
        small_caps=capped,
        broken=random.choice(["upstream_protocol", "provider_unavailable"]) if breaks else None,
        upstream_id="gen-head" if random.random() < 0.2 else None,
    )


def cuts(random: Random, size: int) -> tuple[int, ...]:
    """Places to cut: a few, many, or everywhere."""
    how = random.random()
    if how < 0.05:
        return tuple(range(1, size))
    few = random.randrange(1, 6) if how < 0.7 else random.randrange(6, 30)
    return tuple(sorted(random.randrange(size + 1) for _ in range(few)))


def stream(random: Random) -> bytes:
    """A chat completions stream: odd in a place or two, but framed as the standard has it."""
    ends = random.choices(["\n", "\r\n", "\r", None], [6, 2, 1, 1])[0]
    odd = random.random() < 0.6
    made = ["\ufeff"] if random.random() < 0.05 else []
    for _ in range(random.randrange(1, 8)):
        made += frame(random, payload(random, odd=odd), ends)
    if random.random() < 0.6:
        made += frame(random, chunk(random, ['"finish_reason":' + random.choice(FINISHES)], odd=False), ends)
    if random.random() < 0.7:
        made += frame(random, "[DONE]", ends)
    text = "".join(made)
    if random.random() < 0.1:
        text = text.rstrip("\r\n")  # Some servers leave out the last empty line.
    return text.encode("utf-8", "surrogatepass")


def frame(random: Random, data: str, ends: str | None) -> list[str]:
    """The lines around one event's data."""
    lines = []
    if random.random() < 0.15:
        lines.append(random.choice([": OPENROUTER PROCESSING", ":", "event: x", "id: 5", "retry: 100", "junk", "data"]))
    if random.random() < 0.1 and ", " in data:
        data = data.replace(", ", ",\n", 1)  # White space between two tokens of JSON, most of the time.
    space = "" if random.random() < 0.2 else " "
    lines += [f"data:{space}{line}" for line in data.split("\n")]
    lines.append("")
    return [line + (ends or random.choice(["\n", "\r\n", "\r"])) for line in lines]


def payload(random: Random, *, odd: bool) -> str:
    """One event's data."""
    how = random.random()
    if odd and how < 0.12:
        return random.choice(BARE)
    if odd and how < 0.122:
        return "[" * 6000 if how < 0.121 else '{"usage":' * 3000 + "1" + "}" * 3000
    more = ['"finish_reason":null'] if how < 0.7 else []
    return chunk(random, more, odd=odd)


def chunk(random: Random, more: Sequence[str], *, odd: bool) -> str:
    """A `chat.completion.chunk`; an odd one has a key twice, another's value, or several choices."""
    choice = ['"index":0', f'"delta":{delta(random, odd=odd)}', *more]
    choices = [spoilt(random, choice) if odd else choice]
    if odd and random.random() < 0.1:
        choices.append(['"index":1', '"delta":{"content":"never"}'])
    keys = ['"id":"gen-1"', '"object":"chat.completion.chunk"', '"model":"acme/one"']
    listed = ", ".join("{" + ",".join(each) + "}" for each in choices)
    keys.append(f'"choices":[{listed}]')
    if random.random() < 0.2:
        keys.append(f'"usage":{usage(random)}')
    if odd:
        keys = spoilt(random, keys)
        if random.random() < 0.06:
            keys.append(f'"error":{random.choice(ERRORS)}')
        if random.random() < 0.1:
            keys.append(
                random.choice(['"provider":"Acme"', '"provider":"\\u0000"', '"model":"acme/two"', '"model":""'])
            )
    return "{" + ", ".join(keys) + "}"


def spoilt(random: Random, keys: list[str]) -> list[str]:
    """Keys with something wrong, once in three times."""
    how = random.random()
    keys = list(keys)
    place = random.randrange(len(keys))
    if how < 0.2:
        keys[place] = keys[place].partition(":")[0] + ":" + random.choice(ODD)
    elif how < 0.25:
        keys.append(keys[place])
    elif how < 0.3:
        del keys[place]
    elif how < 0.35:
        random.shuffle(keys)
    return keys


def delta(random: Random, *, odd: bool) -> str:
    """What a chunk adds."""
    made = [f'"{random.choice(CONTENTS)}":"{random.choice(TEXTS if odd else TEXTS[:11])}"']
    while random.random() < 0.25:
        made.append(random.choice(EXTRA_DELTA) if odd or random.random() < 0.5 else '"role":"assistant"')
    return "{" + ",".join(spoilt(random, made) if odd else made) + "}"


def usage(random: Random) -> str:
    """A usage object, good or odd."""
    if random.random() < 0.1:
        return random.choice(ODD)
    made = [f'"prompt_tokens":{random.choice(COUNTS)}', f'"completion_tokens":{random.choice(COUNTS)}']
    if random.random() < 0.5:
        made.append(f'"cost":{random.choice(COSTS)}')
    if random.random() < 0.3:
        made.append(f'"is_byok":true,"cost_details":{{"upstream_inference_cost":{random.choice(COSTS)}}}')
    if random.random() < 0.3:
        made.append(f'"completion_tokens_details":{{"reasoning_tokens":{random.choice(COUNTS)}}}')
        made.append(f'"prompt_tokens_details":{random.choice(["null", "{}", random.choice(ODD)])}')
    return "{" + ",".join(made) + "}"


def whole(random: Random) -> bytes:
    """An answer in one piece of JSON."""
    text = chunk(random, ['"finish_reason":' + random.choice(FINISHES)], odd=random.random() < 0.7)
    text = text.replace('"delta"', '"message"', 1) if random.random() < 0.8 else text
    if random.random() < 0.02:
        text += " " * random.randrange(WHOLE_CAP)
    return text.encode("utf-8", "surrogatepass")


def grammar(random: Random) -> bytes:
    """The standard's own tokens in any order."""
    return b"".join(random.choices(GRAMMAR, k=random.randrange(60)))


def noise(random: Random) -> bytes:
    """Any bytes, or those that mean something more often than by chance."""
    size = random.randrange(200)
    if random.random() < 0.5:
        return random.randbytes(size)
    return bytes(random.choices(b'\r\n:datievnr \0\xef\xbb\xbf\xff{}"[]\\u', k=size))


def near_the_caps(random: Random) -> bytes:
    """Lines and events one byte below, at and above the caps, in characters of one to four bytes."""
    made = []
    for _ in range(random.randrange(1, 5)):
        cap, prefix = random.choice([(LINE_CAP, 6), (LINE_CAP, 5), (EVENT_CAP, 0), (20, 0)])
        size = max(0, cap - prefix + random.randrange(-2, 2))
        filler = random.choice(["x", "é", "😀"]).encode()
        value = (filler * (size // len(filler) + 1))[:size]
        start = random.choice([b"data: ", b"data: ", b"data:", b":", b"id:", b"junk"])
        middle = len(value) // 2 if size > LINE_CAP - 6 else 0
        pieces = [value[:middle], value[middle:]] if middle else [value]
        end = random.choice([b"\n", b"\n", b"\r\n", b"\r"])
        made += [start + piece + end for piece in pieces]
        made += [end] * (random.random() < 0.7)
    return b"".join(made)


def damaged(random: Random, body: bytes) -> bytes:
    """What a bad line, or a bad program on the way, makes of bytes."""
    for _ in range(random.randrange(1, 5)):
        place = random.randrange(len(body) + 1)
        until = min(len(body), place + random.randrange(1, 40))
        how = random.randrange(8)
        if how == 0 and place < len(body):
            body = body[:place] + bytes([body[place] ^ 1 << random.randrange(8)]) + body[place + 1 :]
        elif how == 1:
            body = body[:place]
        elif how == 2:
            body = body[:place] + body[until:]
        elif how == 3:
            body = body[:until] + body[place:]
        elif how == 4:
            body = body.replace(b"\n", random.choice([b"\r", b"\r\n", b"\n\r"]), random.choice([1, 2, -1]))
        else:
            body = body[:place] + random.choice(NOISE) + body[place:]
    return body


def two_kilobytes(line_end: str) -> bytes:
    """A stream of about 2 KB with everything in it that a cut could tear."""
    texts = ["grüße 😀", "\u2028\u0085", "日本語", "\\ud83d", "\\ude00", "\\u0000", "a\\n\\ndata: [DONE]"]
    payloads = [
        json.dumps({"id": "gen-1", "choices": [{"index": 0, "delta": {"content": "@"}}]}).replace("@", text)
        for text in texts * 2
    ]
    payloads.append('{"model":"acme/one", "choices":[{"index":0,"delta":{"reasoning":"why"},"finish_reason":null}]}')
    payloads.append(
        '{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"cost":1e-6}}'
    )
    lines = ["\ufeff: OPENROUTER PROCESSING", ""]
    for number, each in enumerate(payloads):
        lines += [*(["event: x", f"id: {number}"] if number % 5 == 0 else []), f"data: {each}", ""]
    return (line_end.join([*lines, "data:[DONE]", "", ""])).encode()


SHARES = {"stream": 45, "whole": 10, "grammar": 20, "noise": 10, "near the caps": 15}
"""How many of a hundred inputs are of each kind; half of the first two are damaged."""

_KINDS, _WEIGHTS = list(SHARES), list(SHARES.values())
_MAKERS: dict[str, Callable[[Random], bytes]] = {
    "stream": stream,
    "whole": whole,
    "grammar": grammar,
    "noise": noise,
    "near the caps": near_the_caps,
}
