"""What ChatGPT exports comes in as it looked there: the tree, the order, the times, and nothing that was hidden."""

import io
import json
import struct
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import pytest

from holdfast.domain import Citation, Role, Status, TitleSource
from holdfast.errors import UnreadableFile
from holdfast.store import Store
from holdfast.store.transfers import Whole
from holdfast.transfer.read import Item, LeftOut, Part, Reason, Taken, archive, files, read
from stored import OWNER
from transferred import stored, take_in

pytestmark = pytest.mark.anyio

AT = 1_756_000_000
SEED = 20261121


def node(parent: str | None, role: str = "", *said: Any, **more: Any) -> dict[str, Any]:
    """A place in a mapping; its children are found out by `conversation`. Without a role it has no message."""
    content = more.pop("content", {"content_type": "text", "parts": list(said)})
    message = {
        "author": {"role": role, "name": None},
        "create_time": more.pop("at", None),
        "content": content,
        "recipient": more.pop("recipient", "all"),
        "metadata": more,
    }
    return {"message": message if role else None, "parent": parent, "children": []}


def conversation(current: str | None = None, **nodes: dict[str, Any]) -> dict[str, Any]:
    for id_, each in nodes.items():
        each["id"] = id_
        if each["parent"] in nodes:
            nodes[each["parent"]]["children"].append(id_)
    return {
        "title": "A title",
        "create_time": AT + 0.5,
        "update_time": AT + 60.25,
        "mapping": nodes,
        "current_node": current or list(nodes)[-1],
        "conversation_id": "6b0f0d9c",
        "default_model_slug": "gpt-5",
        "is_starred": None,
    }


def role_of(place: dict[str, Any]) -> str:
    return place["message"]["author"]["role"] if place["message"] else ""


def items(*values: Any) -> list[Item]:
    return list(read(io.BytesIO(json.dumps(values).encode())))


def the(*values: Any) -> Taken:
    (item,) = items(*values)
    assert isinstance(item, Taken)
    return item


def drawn(whole: Whole) -> list[tuple[str, str | None]]:
    """What each message says, and what it follows."""
    said = {message.id: message.content for message in whole.messages}
    return [(message.content, said.get(message.parent_id or "")) for message in whole.messages]


def test_what_an_answer_refers_to_on_the_web_is_cited() -> None:
    new = [
        {"type": "grouped_webpages", "items": [{"url": "https://a.example/", "title": "A\n1"}, None, {"url": 7}]},
        {"type": "sources_footnote", "sources": [{"url": "https://a.example/"}, {"url": "https://b.example/"}]},
        {"type": "webpage", "url": "https://c.example/", "title": "\u202eC"},
        {"type": "file", "items": {}, "url": "javascript:alert(1)"},
        "x",
    ]
    old = [{"metadata": {"type": "webpage", "url": "https://d.example/", "title": 7}}, {"metadata": None}, {}]
    item = the(
        conversation(
            q=node(None, "user", "?"),
            one=node("q", "assistant", "Half ", content_references=new),
            two=node("one", "assistant", "and half", citations=old, content_references="x"),
        )
    )
    found = item.whole.messages[1].generations[0].outcome.citations
    assert found == (
        Citation("https://a.example/", "A 1"),
        Citation("https://b.example/"),
        Citation("https://c.example/", "C"),
        Citation("https://d.example/"),
    )


def test_a_tree_keeps_its_branches_their_order_and_the_current_one() -> None:
    item = the(
        conversation(
            current="a1",
            root=node(None),
            system=node("root", "system", ""),
            q=node("system", "user", "Question?", at=AT + 1.5),
            a1=node("q", "assistant", "One.", at=AT + 2, model_slug="gpt-4o"),
            a2=node("q", "assistant", "Two."),
            q2=node("a1", "user", "More?"),
            a3=node("q2", "assistant", "Three."),
        )
    )
    whole = item.whole
    assert drawn(whole) == [
        ("Question?", None),
        ("One.", "Question?"),
        ("More?", "One."),
        ("Three.", "More?"),
        ("Two.", "Question?"),
    ]
    about = whole.conversation
    assert (about.title, about.title_source, about.pinned) == ("A title", TitleSource.USER, False)
    assert (about.created_at, about.updated_at) == (AT * 10**6 + 500_000, AT * 10**6 + 60_250_000)
    assert about.current_message_id == "a1"
    assert [message.created_at - AT * 10**6 for message in whole.messages] == [1_500_000, *[2_000_000] * 3, 1_500_000]
    assert [run.model for message in whole.messages for run in message.generations] == ["gpt-4o", "gpt-5", "gpt-5"]
    assert not item.parts


def test_what_was_not_shown_makes_way_for_what_follows_it() -> None:
    item = the(
        conversation(
            root=node(None),
            about=node("root", "user", content={"content_type": "user_editable_context", "user_profile": "x"}),
            hidden=node("about", "user", "secret", is_visually_hidden_from_conversation=True),
            q=node("hidden", "user", "Draw a cat."),
            thoughts=node(
                "q",
                "assistant",
                content={"content_type": "thoughts", "thoughts": [{"summary": "Cats", "content": "They purr."}]},
            ),
            recap=node("thoughts", "assistant", content={"content_type": "reasoning_recap", "content": "Thought"}),
            call=node("recap", "assistant", recipient="dalle", content={"content_type": "code", "text": "{}"}),
            result=node("call", "tool", {"content_type": "image_asset_pointer"}),
            first=node("result", "assistant", "Here it is\ue200cite\ue202turn0search0\ue201."),
            code=node("first", "assistant", content={"content_type": "code", "language": "python", "text": "1"}),
        )
    )
    question, answer = item.whole.messages
    assert (question.content, question.parent_id) == ("Draw a cat.", None)
    assert answer.content == "Here it is.\n\n```python\n1\n```"
    assert answer.reasoning == "Cats\n\nThey purr."
    assert item.whole.conversation.current_message_id == answer.id
    assert item.parts == {Part.HIDDEN: 2, Part.TOOL: 2}


def test_pictures_and_sounds_are_named_where_they_were() -> None:
    item = the(
        conversation(
            q=node(
                None,
                "user",
                content={
                    "content_type": "multimodal_text",
                    "parts": [
                        {"content_type": "image_asset_pointer", "asset_pointer": "file-service://x"},
                        {"content_type": "audio_transcription", "text": "Hello there"},
                        "What is it?",
                        "",
                        None,
                    ],
                },
            )
        )
    )
    assert item.whole.messages[0].content == "[image]\n\nHello there\n\nWhat is it?"
    assert item.parts == {Part.ATTACHMENT: 1}


def test_a_question_under_a_question_gets_an_empty_answer_between() -> None:
    whole = the(
        conversation(
            q=node(None, "user", "One?"),
            q2=node("q", "user", "Two?"),
            q3=node("q", "user", "Or?"),
            q4=node("q", "user"),
        )
    ).whole
    assert drawn(whole) == [("One?", None), ("", "One?"), ("Two?", ""), ("Or?", "")]
    assert whole.messages[1].status is Status.INTERRUPTED


def test_a_second_way_on_from_within_an_answer_is_an_answer_beside_it() -> None:
    whole = the(
        conversation(
            q=node(None, "user", "?"),
            a=node("q", "assistant", "A"),
            b=node("a", "assistant", "B"),
            c=node("a", "assistant", "C"),
            q2=node("b", "user", "!"),
        )
    ).whole
    assert drawn(whole) == [("?", None), ("A\n\nB", "?"), ("!", "A\n\nB"), ("C", "?")]


def test_an_answer_to_nothing_is_kept() -> None:
    whole = the(conversation(a=node(None, "assistant", "Welcome."), q=node("a", "user", "Hi."))).whole
    assert drawn(whole) == [("Welcome.", None), ("Hi.", "Welcome.")]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mapping": None}, Reason.MALFORMED),
        ({"mapping": {"a": {"message": {"author": 1}}}}, Reason.MALFORMED),
        ({"mapping": {}}, Reason.EMPTY),
        ({"mapping": {"a": node(None)}}, Reason.EMPTY),
    ],
)
def test_what_is_damaged_or_empty_is_left_out(changes: dict[str, Any], reason: Reason) -> None:
    good = conversation(q=node(None, "user", "?"))
    left_out, item, unknown = items(good | changes, good, {"title": "No mapping"})
    assert left_out == LeftOut(reason)
    assert isinstance(item, Taken)
    assert unknown == LeftOut(Reason.UNRECOGNISED)


@pytest.mark.parametrize("at", ["x", -1, 0, 1e300, 10**40, True, None, [], 4_102_444_800])
def test_a_time_of_nonsense_is_that_of_what_it_follows(at: Any) -> None:
    whole = the(conversation(q=node(None, "user", "?", at=AT), a=node("q", "assistant", "!", at=at))).whole
    assert whole.messages[1].created_at == AT * 10**6


def test_a_title_is_cleaned_and_where_there_is_none_the_first_words_stand_for_it() -> None:
    one = conversation(q=node(None, "user", "What\nis   this?"))
    for title, kept in ((None, "What is this?"), ("\u202e\x00", "What is this?"), ("a\nb\u202e", "a b"), (7, None)):
        assert the(one | {"title": title}).whole.conversation.title == (kept or "What is this?")


def test_any_tangle_becomes_questions_and_answers_in_turn() -> None:
    random = Random(SEED)
    for trial in range(300):
        names = [f"n{number}" for number in range(random.randint(1, 14))]
        nodes = {}
        for name in names:
            role = random.choice(["user", "assistant", "assistant", "tool", "system", ""])
            nodes[name] = node(random.choice([None, "gone", *names]), role, f"said {name}")
        value = conversation(current=random.choice([*names, "gone"]), **nodes)
        for each in nodes.values():
            random.shuffle(each["children"])
            each["children"] = each["children"][random.randint(0, 1) :]
            each["children"] += random.choices([*names, "gone"], k=random.randint(0, 1))
        spoken = {f"said {name}" for name in names if role_of(nodes[name]) in ("user", "assistant")}
        (item,) = items(value)
        if isinstance(item, LeftOut):
            assert not spoken
            continue
        came = {words for message in item.whole.messages for words in message.content.split("\n\n")}
        assert came - {""} == spoken, f"trial {trial}, seed {SEED}"
        seen: dict[str | None, Role | None] = {None: None}
        for message in item.whole.messages:
            assert message.parent_id in seen, f"trial {trial}, seed {SEED}"
            assert seen[message.parent_id] is not message.role
            assert message.id not in seen
            seen[message.id] = message.role
        assert item.whole.conversation.current_message_id in seen


async def test_the_answer_between_two_questions_takes_nobodys_id(store: Store) -> None:
    asked = {"q": node(None, "user", "One."), "q ": node("q", "user", "Two."), "": node("q ", "user", "Three.")}
    value = conversation(current="", **asked)
    assert (await take_in(store, json.dumps([value]).encode())).messages == 5
    (found,) = await stored(store)
    assert [each.content for each in found.messages] == ["One.", "", "Two.", "", "Three."]
    assert found.conversation.current_message_id == found.messages[-1].id


def test_a_picture_of_no_kind_costs_nothing_else() -> None:
    parts = [{"content_type": "deep"}, {"content_type": None}, "Words."]
    value = conversation(q=node(None, "user", content={"content_type": "multimodal_text", "parts": parts}))
    (item,) = read(io.BytesIO(json.dumps([value]).replace('"deep"', "[" * 1500 + "]" * 1500).encode()))
    assert isinstance(item, Taken)
    assert item.whole.messages[0].content == "[file]\n\n[file]\n\nWords."


def test_a_number_that_no_decimal_holds_ends_the_import() -> None:
    good = json.dumps(conversation(q=node(None, "user", "One.")))
    with pytest.raises(UnreadableFile, match="damaged"):
        list(read(io.BytesIO(f'[{good}, {{"mapping": {{}}, "x": 1e999999999999999999999}}]'.encode())))


def test_a_conversation_of_very_many_messages_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MESSAGE_LIMIT", 3)
    many = {f"n{n}": node(f"n{n - 1}" if n else None, "assistant" if n % 2 else "user", "x") for n in range(4)}
    short = conversation(q=node(None, "user", "One."))
    left_out, item = items(conversation(current=None, **many), short)
    assert (left_out, isinstance(item, Taken)) == (LeftOut(Reason.MALFORMED), True)


def test_a_conversation_of_any_depth_is_no_danger() -> None:
    deep = {f"n{n}": node(f"n{n - 1}" if n else None, "user" if n % 2 else "assistant", "x") for n in range(20_000)}
    assert len(the(conversation(current=None, **deep)).whole.messages) == 20_000


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive_:
        for name, data in members.items():
            archive_.writestr(name, data)
    return file.getvalue()


def one(id_: str) -> bytes:
    return json.dumps([conversation(q=node(None, "user", id_)) | {"conversation_id": id_}]).encode()


async def test_a_zip_is_read_file_by_file_and_once(store: Store) -> None:
    members = {f"conversations-{number:03}.json": one(f"c{number}") for number in (1, 0, 2)}
    file = zipped(**members, **{"user.json": b"{}", "chat.html": b"<script>", "x/conversations.json.index": b"["})
    report = await take_in(store, file)
    assert (report.conversations, report.messages) == (3, 3)
    assert (await take_in(store, file)).left_out == {Reason.KNOWN: 3}
    page, _ = await store.conversations.list(OWNER, limit=10)
    assert {each.title_source for each in page} == {TitleSource.USER}
    again = await take_in(store, zipped(**{"../../etc/conversations.json": one("c0")}))
    assert again.left_out == {Reason.KNOWN: 1}


def test_a_zip_that_is_a_trap_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "ITEM_LIMIT", 1 << 20)
    monkeypatch.setattr(archive, "_DIRECTORY_LIMIT", 1 << 16)
    bomb = b"[" + b" " * (8 << 20)
    encrypted = bytearray(zipped(**{"conversations.json": one("x")}))
    at = encrypted.index(b"PK\x01\x02") + 8
    encrypted[at : at + 2] = struct.pack("<H", 1)
    spoiled = bytearray(zipped(**{"conversations.json": one("x" * 2000)}))
    spoiled[60:64] = b"\xff" * 4
    traps = {
        "a bomb": zipped(**{"conversations.json": bomb}),
        "nothing": zipped(**{"user.json": b"[]"}),
        "too many names": zipped(**{f"f{number}": b"" for number in range(3000)}),
        "encrypted": bytes(encrypted),
        "cut": zipped(**{"conversations.json": one("x")})[:-30],
        "spoiled": bytes(spoiled),
    }
    for file in traps.values():
        with pytest.raises(UnreadableFile):
            list(read(io.BytesIO(file)))


@pytest.mark.parametrize("moved", [1000, -1], ids=["before the file", "at its end"])
def test_a_zip_whose_members_lie_outside_of_it_is_damaged(tmp_path: Path, moved: int) -> None:
    file = bytearray(zipped(**{"conversations.json": one("x")}))
    directory, end = file.index(b"PK\x01\x02"), file.index(b"PK\x05\x06")
    if moved > 0:
        file[end + 16 : end + 20] = struct.pack("<I", directory + moved)
    else:
        file[directory + 42 : directory + 46] = struct.pack("<I", len(file) - 5)
    path = tmp_path / "export.zip"
    path.write_bytes(file)
    with path.open("rb") as opened, pytest.raises(UnreadableFile, match="damaged"):
        list(read(opened))
