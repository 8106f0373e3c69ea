"""Half a character in a file costs itself, wherever the file is cut into pieces."""

import io
import json
from random import Random

import pytest

from holdfast.transfer.read import Taken, read
from holdfast.transfer.read.surrogates import Mended
from test_transfer_chatgpt import conversation, node

SEED = 20261122
PARTS = (rb"\ud83d", rb"\uD83D", rb"\ude00", rb"\u0041", rb"\n", rb"\"", b"\\", b"\\\\", b"u", b"d8", b"d", b"0", b"x")


def mended(data: bytes, size: int) -> bytes:
    file, found = Mended(io.BytesIO(data)), b""
    while piece := file.read(size):
        found += piece
    return found


def test_halves_are_replaced_wherever_it_is_cut_and_all_else_stays() -> None:
    random = Random(SEED)
    for trial in range(4000):
        data = b"".join(random.choices(PARTS, k=random.randint(0, 12)))
        found = mended(data, 1 << 16)
        assert {mended(data, size) for size in (1, 2, 5, 7)} == {found}, f"trial {trial}, seed {SEED}"
        try:
            said = json.loads(b'"' + data + b'"')
        except ValueError:
            continue
        expected = "".join("\ufffd" if "\ud800" <= each <= "\udfff" else each for each in said)
        assert json.loads(b'"' + found + b'"') == expected, f"trial {trial}, seed {SEED}"


@pytest.mark.parametrize("half", ["high \ud83d", "low \ude00", "both \ud83d\ud83d\ude00 "])
def test_half_a_character_costs_no_conversation(half: str) -> None:
    values = [conversation(a=node(None, "user", f"{half}A")), conversation(a=node(None, "user", "Next."))]
    items = list(read(io.BytesIO(json.dumps(values).encode())))
    texts = [item.whole.messages[0].content for item in items if isinstance(item, Taken)]
    assert texts == [half.encode("utf-16", "surrogatepass").decode("utf-16", "replace") + "A", "Next."]
