"""The one canonical form of what people type: whatever comes, what is kept can be stored, sent and shown."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import EmptyMessage, TooLarge
from holdfast.text import MESSAGE_LIMIT, TITLE_LIMIT, canonical, message, title, without_surrogates

ANY = st.text(st.characters(exclude_categories=[])) | st.text(
    "ab \t\r\n\0\x85\ud83d\ude00\u2028\u202e\u200d\u0301\u200b"
)
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
GRAPHEMES = {
    "letter": "a",
    "emoji": "\U0001f642",
    "family": FAMILY,
    "flag": "\U0001f1e9\U0001f1ea",
    "flag of a region": "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "skin tone": "\U0001f44d\U0001f3fd",
    "variation": "\u2764\ufe0f",
    "keycap": "1\ufe0f\u20e3",
    "accent": "e\u0301",
    "many marks": "o" + "\u0300\u0323\u035c",
    "devanagari": "\u0915\u0940",
    "thai": "\u0e01\u0e34\u0e48",
    "tamil": "\u0ba8\u0bbf",
    "hangul": "\u1112\u1161\u11ab",
}


def storable(text: str) -> bool:
    """UTF-8 can spell it, and PostgreSQL takes it."""
    return "\0" not in text and bool(text.encode() or True)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\nb\rc\n\rd", "a\nb\nc\n\nd"),
        ("a\0b", "a\ufffdb"),
        ("\x01\x1b[31m\x1f", "\u2401\u241b[31m\u241f"),
        ("\x0b\x0c", "\u240b\u240c"),
        ("\x7f", "\u2421"),
        ("\x80\x85\x9f", "\ufffd\ufffd\ufffd"),
        ("a\ud83db", "a\ufffdb"),
        ("a\ude00", "a\ufffd"),
        ("\ud83d", "\ufffd"),
        ("\ud83d\ude42", "\U0001f642"),
        ("\ude42\ud83d", "\ufffd\ufffd"),
        ("\u2028\u2029\ufeffa\ufeff", "\u2028\u2029\ufeffa\ufeff"),
        (BIDI, BIDI),
        (FAMILY + "\U000e0041", FAMILY + "\U000e0041"),
        ("<b>'\"&amp;\\", "<b>'\"&amp;\\"),
        ("e\u0301\u00e9", "e\u0301\u00e9"),
    ],
)
def test_what_is_typed_is_kept_but_for_what_nobody_sees_or_can_store(typed: str, kept: str) -> None:
    assert canonical(typed) == kept


@given(ANY)
def test_the_canonical_form_is_final_and_can_be_stored(text: str) -> None:
    once = canonical(text)
    assert canonical(once) == once
    assert storable(once)
    assert not [character for character in once if unicodedata.category(character) == "Cc" and character not in "\t\n"]


@given(ANY)
def test_the_providers_text_loses_only_its_lone_surrogates(text: str) -> None:
    kept = without_surrogates(text)
    kept.encode()
    assert without_surrogates(kept) == kept
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert kept == text


@pytest.mark.parametrize("blank", ["", " ", "\n\r\t", "\u00a0\u3000\u2003", "\u200b\u200d\u2060\ufeff", "\u2028\u202e"])
def test_a_message_that_shows_nothing_is_refused(blank: str) -> None:
    with pytest.raises(EmptyMessage):
        message(blank)


@pytest.mark.parametrize("text", ["0", "\u200b.", "\0", "\x1b", "\u0301", "\U0001f642"])
def test_a_message_that_shows_anything_is_taken(text: str) -> None:
    assert message(text) == canonical(text)


@pytest.mark.parametrize("character", ["a", "\U0001f642"])
def test_a_message_may_have_exactly_the_limit_in_bytes(character: str) -> None:
    whole = character * (MESSAGE_LIMIT // len(character.encode()))
    assert message(whole) == whole
    with pytest.raises(TooLarge, match=f"{MESSAGE_LIMIT + 1}.* {MESSAGE_LIMIT}"):
        message(whole + "a")


def test_a_message_is_measured_in_its_canonical_form() -> None:
    assert len(message("\r\n" * 10 + "a" * (MESSAGE_LIMIT - 10))) == MESSAGE_LIMIT
    with pytest.raises(TooLarge):
        message("\0" + "a" * (MESSAGE_LIMIT - 1))


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Tea \r\n and\tcake  ", "Tea and cake"),
        (" \n\t\u00a0\u3000", ""),
        ("\u202eevil\u202c \u2066title\u2069", "evil title"),
        ("a\0b\x1bc\x85d\u2028e", "abcde"),
        ("\ud83d", "\ufffd"),
        ("<b>Tea</b>", "<b>Tea</b>"),
        ("\u05e9\u05dc\u05d5\u05dd", "\u05e9\u05dc\u05d5\u05dd"),
        ("\u200b\ufeff\u2060", ""),
        (FAMILY, FAMILY),
    ],
)
def test_a_title_is_one_line_without_tricks(typed: str, kept: str) -> None:
    assert title(typed) == kept


@pytest.mark.parametrize("grapheme", GRAPHEMES.values(), ids=GRAPHEMES.keys())
@pytest.mark.parametrize("before", ["", "a", "ab "])
def test_a_title_ends_with_a_whole_character(grapheme: str, before: str) -> None:
    kept = title(before + grapheme * 100)
    count = (TITLE_LIMIT - len(before)) // len(grapheme)
    assert kept == before + grapheme * count


@given(st.lists(st.sampled_from([*GRAPHEMES.values(), " "])))
def test_a_title_is_never_cut_within_a_character(graphemes: list[str]) -> None:
    kept = title("".join(graphemes))
    whole = " ".join("".join(graphemes).split())
    ends = {0}
    for grapheme in graphemes:
        ends.add(max(ends) + len(grapheme))
    assert kept in {" ".join("".join(graphemes)[:end].split()) for end in ends}
    assert len(kept) == len(whole) or TITLE_LIMIT - max(map(len, GRAPHEMES.values())) <= len(kept) <= TITLE_LIMIT


@given(ANY | ANY.map(lambda text: text * 20))
def test_a_title_is_final_short_and_can_be_stored(text: str) -> None:
    once = title(text)
    assert title(once) == once
    assert len(once) <= TITLE_LIMIT
    assert storable(once)
    assert not set(once) & set(BIDI + "\r\n\t\u2028\u2029")


def test_a_character_that_is_longer_than_a_title_is_cut_all_the_same() -> None:
    assert len(title("o" + "\u0300" * 10_000)) == TITLE_LIMIT
