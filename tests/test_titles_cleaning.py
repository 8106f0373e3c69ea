"""Whatever a model says, a title is one short clean line, and never a refusal."""

import unicodedata
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.titles import clean, first_words

BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("Sailing to Byzantium", "Sailing to Byzantium"),
        ('"Sailing to Byzantium."', "Sailing to Byzantium"),
        ('"Sailing to Byzantium".', "Sailing to Byzantium"),
        ("“Segeln nach Byzanz”", "Segeln nach Byzanz"),
        ("« Naviguer vers Byzance »", "Naviguer vers Byzance"),
        ("『東京への旅』", "東京への旅"),
        ("'Sailing'", "Sailing"),
        ('Sailing"', "Sailing"),
        ('Explaining "Hamlet"', 'Explaining "Hamlet"'),
        ('"Hamlet" and "Macbeth"', '"Hamlet" and "Macbeth"'),
        ('""Hamlet" explained"', '"Hamlet" explained'),
        ("The Beatles' Albums", "The Beatles' Albums"),
        ("Title: Sailing", "Sailing"),
        ("**Title:** Sailing", "Sailing"),
        ("**Title: Sailing**", "Sailing"),
        ('"Title: Sailing"', "Sailing"),
        ("Conversation Title：Sailing", "Sailing"),  # noqa: RUF001
        ('Titel: „Segeln"', "Segeln"),
        ("标题：东京之旅", "东京之旅"),  # noqa: RUF001
        ("Sure! Here's a title: Sailing", "Sailing"),
        ("Here is a name for the conversation:\n\nSailing", "Sailing"),
        ("Title:\nSailing", "Sailing"),
        ("The Name of the Rose", "The Name of the Rose"),
        ("2001: A Space Odyssey", "2001: A Space Odyssey"),
        ("# Sailing\n\nThis title was chosen because …", "Sailing"),
        ("- Sailing", "Sailing"),
        ("> *Sailing*", "Sailing"),
        ("__Sailing__", "Sailing"),
        ("~~Old~~ and `new` names", "Old and new names"),
        ("**Sailing", "Sailing"),
        ("```\nSailing\n```", "Sailing"),
        ('```json\n{"title": "Sailing"}\n```', "Sailing"),
        ('{"title": "Sailing", "language": "en"}', "Sailing"),
        ("<title>Sailing</title>", "Sailing"),
        ("[Sailing](https://example.com)", "Sailing"),
        ("<think>What could it be?\nSailing.</think>\n\nSailing", "Sailing"),
        ("<thinking>Hm.</thinking>Sailing", "Sailing"),
        ("What could it be?</think>\nSailing", "Sailing"),
        ("◁think▷Hm.◁/think▷Sailing", "Sailing"),
        (
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Sailing<|end|>",
            "Sailing",
        ),
        ("[THINK]Hm.[/THINK]Sailing", "Sailing"),
        ("[THINK]never closed", ""),
        ("<h1>Sailing <b>north</b></h1>", "Sailing north"),
        ('<p class="x">\n  <strong>Sailing</strong><br/>\n</p>', "Sailing"),
        ("<div></div>", ""),
        ("How <div> and <br works", "How <div> and <br works"),
        ("Sailing</s>", "Sailing"),
        ("<think>never closed", ""),
        ("", ""),
        ('""', ""),
        ("…", ""),
        ("Title:", ""),
        ("null", ""),
        ("**N/A**", ""),
        ("Untitled.", ""),
        ('{"title": "New Chat"}', ""),
        ('{"title": null}', ""),
        ('```json\n{"title": ""}\n```', ""),
        ('["Sailing"]', "Sailing"),
        ("1984", "1984"),
        ("None of the Above", "None of the Above"),
        ("\u202eevil\u202c", "evil"),
        ('\u202e"evil"\u202c', "evil"),
        ("a\x00b\x1b[31m", "ab[31m"),
        ("First\u2028second\x85third", "First"),
        ("First\r\nsecond", "First"),
        ("one two three four five", "one two three four five"),
        ("one two three four five, six", "one two three four five…"),
        ("one two three four five six seven eight nine ten eleven twelve thirteen", ""),
        ("Node.js", "Node.js"),
        ("Learning C++", "Learning C++"),
        ("F# or C#", "F# or C#"),
        ("Python's __init__ method", "Python's __init__ method"),
        ("2*3*4 explained", "2*3*4 explained"),
        ("Snake_case in SQL", "Snake_case in SQL"),
        ("東京への旅。", "東京への旅"),
        ("⛵", "⛵"),
        ("x" * 200, "x" * 80),
        ("x" * 79 + "e\u0301" * 3, "x" * 79),
        ("x" * 79 + "\U0001f469\u200d\U0001f52c", "x" * 79),
        ("x" * 79 + "\U0001f1e9\U0001f1ea", "x" * 79),
    ],
)
def test_what_a_model_says_is_cleaned(said: str, title: str) -> None:
    assert clean(said) == title


REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "I’m sorry, I can’t assist with that.",  # noqa: RUF001
    "I am sorry.",
    "Sorry, no.",
    "I apologize, but no.",
    "I cannot",
    "I can't create a title",
    "Unfortunately, I cannot name it",
    "I'm unable to name this",
    "As an AI language model",
    "Hello! I'm sorry, no.",
    "Es tut mir leid, das geht nicht.",
    "Tut mir leid.",
    "Leider kann ich das nicht",
    "Ich kann das nicht benennen",
    "Ich kann dabei nicht helfen",
    "Als KI kann ich nicht",
    "Entschuldigung, das geht nicht",
    "Je suis désolé, mais non",
    "Désolée, je ne peux pas",
    "Je ne peux pas vous aider",
    "Lo siento, no puedo",
    "No puedo ayudar con eso",
    "Mi dispiace, non posso",
    "Desculpe, não posso",
    "Sinto muito",
    "Het spijt me",
    "Ik kan je daarmee niet helpen",
    "Przepraszam, nie mogę",
    "Üzgünüm, yardımcı olamam",  # noqa: RUF001
    "Извините, я не могу",
    "К сожалению, нет",  # noqa: RUF001
    "抱歉，我无法",  # noqa: RUF001
    "对不起",
    "申し訳ありませんが",
    "죄송합니다",
    "عذرًا، لا أستطيع",
)


@pytest.mark.parametrize("said", REFUSALS)
@pytest.mark.parametrize("around", ["{}", "**{}**", 'Title: "{}"', "<think>Hm.</think>\n{}"])
def test_a_refusal_is_no_title_in_any_language(said: str, around: str) -> None:
    assert clean(around.format(said)) == ""


@pytest.mark.parametrize(
    "title", ["Sorry Letter Draft", "Apollo Missions", "Comoros Travel", "Ich und Du", "AI Ethics"]
)
def test_what_only_sounds_like_a_refusal_is_a_title(title: str) -> None:
    assert clean(title) == title


PARTS = (
    *("<think>", "</think>", "<|message|>", "**", "*", "_", "`", "```", "#", "- ", "[a](", ")", "{", "}"),
    *('"', "'", "“", "”", "Title:", ".", "…", "word ", "I'm sorry", "é", "👩\u200d🔬"),
    *("\n", "\r", "\u2028", "\x00", "\u202e", "\u2066"),
)
hostile = st.text() | st.lists(st.sampled_from(PARTS), max_size=30).map("".join)


@given(hostile)
@example("a" * 79 + ". b")
def test_a_title_is_one_short_line_whatever_a_model_says(said: str) -> None:
    title = clean(said)
    assert len(title) <= 80
    assert len(title.split()) <= 5
    assert title == title.strip()
    assert not title.endswith((".", "。"))
    assert not any(unicodedata.category(each) in {"Cc", "Cs", "Zl", "Zp"} or each in BIDI for each in title)
    assert not title.casefold().startswith("i'm sorry")
    assert title == "" or any(unicodedata.category(each)[0] in "LNS" for each in title)


AROUND = (
    "{}",
    '"{}"',
    "“{}”",
    "„{}“",
    "'{}'",
    "**{}**",
    "_{}_",
    "`{}`",
    "{}.",
    "# {}",
    "- {}",
    "Title: {}",
    "Titel: {}",
    "  {}  ",
    "\n{}\n\nIt says what it is about.",
    "```\n{}\n```",
    "\u202e{}\u202c",
)
BEFORE = ("{}", "<think>It is Nonsense.</think>{}", "Nonsense.\n</think>\n\n{}", "Here is a title:\n{}")


@pytest.mark.parametrize(
    "title", ["Sailing", "Don't Panic", "Why C++ and F# Differ", "東京への旅", 'Who "Hamlet" Was', "Why?"]
)
def test_a_title_is_found_within_whatever_stands_around_it(title: str) -> None:
    said = [
        before.format(outer.format(inner.format(title))) for before, outer, inner in product(BEFORE, AROUND, AROUND)
    ]
    assert {each: found for each in said if (found := clean(each)) != title} == {}


@pytest.mark.parametrize(
    "part", ["*", '"', "a*", "<b>", "[THINK]", "<think>", "[", "> ", "{", "` ", "Title:", "here is "]
)
def test_what_is_made_to_take_long_does_not(part: str) -> None:
    assert len(clean(part * 2000)) <= 80  # A pattern that goes back and forth would take hours.


def test_the_first_words_of_a_message_that_has_few_are_all_of_it() -> None:
    assert first_words("  Hi  there ") == "Hi there"
    assert first_words("one two three four five six") == "one two three four five…"
    assert first_words("x" * 500) == "x" * 80
    assert first_words("a\u202eb\x07 c\nd") == "ab c d"
