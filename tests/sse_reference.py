"""A second SSE decoder, written from the standard alone and as slowly as it reads, to compare the real one with.

WHATWG HTML 9.2.5 and 9.2.6, WHATWG Encoding 8.1.1 (UTF-8). It takes a whole stream.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    type: str
    data: str
    last_event_id: str


def utf8(stream: bytes) -> str:
    """Decode as the Encoding standard's state machine does, byte by byte, and drop one BOM in front."""
    text: list[str] = []
    queue = list(stream)
    code_point = seen = needed = 0
    lower, upper = 0x80, 0xBF
    while queue:
        byte = queue.pop(0)
        if needed == 0:
            if byte <= 0x7F:
                text.append(chr(byte))
            elif 0xC2 <= byte <= 0xDF:
                needed, code_point = 1, byte & 0x1F
            elif 0xE0 <= byte <= 0xEF:
                lower = 0xA0 if byte == 0xE0 else lower
                upper = 0x9F if byte == 0xED else upper
                needed, code_point = 2, byte & 0xF
            elif 0xF0 <= byte <= 0xF4:
                lower = 0x90 if byte == 0xF0 else lower
                upper = 0x8F if byte == 0xF4 else upper
                needed, code_point = 3, byte & 0x7
            else:
                text.append("\ufffd")
        elif not lower <= byte <= upper:
            code_point = seen = needed = 0
            lower, upper = 0x80, 0xBF
            queue.insert(0, byte)
            text.append("\ufffd")
        else:
            lower, upper = 0x80, 0xBF
            code_point = code_point << 6 | byte & 0x3F
            seen += 1
            if seen == needed:
                text.append(chr(code_point))
                code_point = seen = needed = 0
    if needed:
        text.append("\ufffd")
    return "".join(text).removeprefix("\ufeff")


def lines(text: str) -> list[str]:
    """Split at CRLF, LF and CR; what no line end follows is left out."""
    found: list[str] = []
    line = ""
    position = 0
    while position < len(text):
        if text.startswith("\r\n", position):
            found.append(line)
            line = ""
            position += 2
        elif text[position] in "\r\n":
            found.append(line)
            line = ""
            position += 1
        else:
            line += text[position]
            position += 1
    return found


def decode(stream: bytes) -> tuple[list[Event], int | None]:
    """Return the events of a whole stream and the last reconnection time in it."""
    events: list[Event] = []
    data = event_type = last_event_id = ""
    retry: int | None = None
    for line in lines(utf8(stream)):
        if line == "":
            if data != "":
                events.append(Event(event_type or "message", data.removesuffix("\n"), last_event_id))
            data = event_type = ""
            continue
        if line.startswith(":"):
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data += value + "\n"
        elif name == "event":
            event_type = value
        elif name == "id" and "\0" not in value:
            last_event_id = value
        elif name == "retry" and value != "" and all(digit in "0123456789" for digit in value):
            retry = int(value)
    return events, retry
