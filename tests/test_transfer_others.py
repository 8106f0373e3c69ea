"""What Open WebUI and LibreChat export comes in as it looked there."""

import io
import json
import subprocess
import sys
from contextlib import nullcontext
from random import Random
from typing import Any

import pytest

from holdfast.domain import Citation, Rating, Role, Status, Usage
from holdfast.errors import UnreadableFile
from holdfast.store import Store
from holdfast.transfer.read import Item, LeftOut, Part, Reason, Taken, bounds, read
from transferred import stored, take_in

pytestmark = pytest.mark.anyio

AT = 1_700_000_000
ZERO = "00000000-0000-0000-0000-000000000000"


def items(value: Any) -> list[Item]:
    return list(read(io.BytesIO(json.dumps(value).encode())))


def the(value: Any) -> Taken:
    (item,) = items(value)
    assert isinstance(item, Taken)
    return item


def drawn(item: Taken) -> list[tuple[str, str | None]]:
    said = {message.id: message.content for message in item.whole.messages}
    return [(message.content, said.get(message.parent_id or "")) for message in item.whole.messages]


def said(parent: str | None, *children: str, **fields: Any) -> dict[str, Any]:
    return {"parentId": parent, "childrenIds": list(children), "timestamp": AT + 1} | fields


def chat(current: str = "a", **messages: dict[str, Any]) -> dict[str, Any]:
    history = {"currentId": current, "messages": {id_: each | {"id": id_} for id_, each in messages.items()}}
    return {
        "id": "chat-1",
        "user_id": "somebody",
        "title": "A chat",
        "chat": {"title": "A chat", "models": ["llama3.1"], "history": history, "timestamp": AT * 1000},
        "created_at": AT,
        "updated_at": AT + 30,
        "pinned": True,
    }


async def test_a_chat_of_open_webui_comes_with_branches_models_and_ratings(store: Store) -> None:
    reasoning = (
        '<details type="reasoning" done="true" duration="3">\n<summary>Thought for 3 seconds</summary>\n'
        "&gt; 15 &lt; 17\n&gt; so\n</details>\n"
    )
    tool = '<details type="tool_calls" done="true"><summary>Tool Executed</summary>18C</details>'
    value = chat(
        q=said(None, "b", "a", role="user", content="What is it?", files=[{"type": "file", "name": "x.pdf"}]),
        a=said(
            "q",
            role="assistant",
            content=f"{reasoning}{tool}It is *255*.",
            model="deepseek-r1",
            usage={"prompt_tokens": 9, "completion_tokens": 3},
            annotation={"rating": 1, "comment": "Yes\0"},
            done=True,
            sources=[
                {"source": {"name": "search_web"}, "metadata": [{"source": "https://a.example/", "title": "A"}, 1]},
                {"source": {"name": "x.pdf"}, "metadata": [{"source": "x.pdf", "title": "X"}]},
                {"metadata": {}},
                None,
            ],
        ),
        b=said("q", role="assistant", content="Cut off <details", model="llama3.1", done=False),
    )
    item = the([value])
    assert drawn(item) == [
        ("[file: x.pdf]\n\nWhat is it?", None),
        ("Cut off <details", "[file: x.pdf]\n\nWhat is it?"),
        ("It is *255*.", "[file: x.pdf]\n\nWhat is it?"),
    ]
    _, other, answer = item.whole.messages
    assert (answer.reasoning, answer.rating) == ("15 < 17\nso", Rating(1, (), "Yes\ufffd"))
    assert answer.generations[0].outcome.usage == Usage(9, 3)
    assert answer.generations[0].outcome.citations == (Citation("https://a.example/", "A"),)
    assert [each.generations[0].model for each in (other, answer)] == ["llama3.1", "deepseek-r1"]
    assert (other.status, item.whole.conversation.pinned) == (Status.INTERRUPTED, True)
    assert item.whole.conversation.current_message_id == "a"
    assert item.whole.conversation.created_at == AT * 10**6
    assert item.parts == {Part.TOOL: 1, Part.ATTACHMENT: 1}
    file = json.dumps([value]).encode()
    assert (await take_in(store, file)).conversations == 1
    assert (await take_in(store, file)).left_out == {Reason.KNOWN: 1}


def test_one_chat_alone_is_read_too_and_its_damage_is_its_own() -> None:
    good = chat(a=said(None, role="user", content=[{"type": "text", "text": "Hi."}, {"type": "image_url"}]))
    assert drawn(the(good)) == [("Hi.", None)]
    damaged: list[Any] = [{"history": {}}, {"history": {"messages": []}}, {"history": {"messages": {"a": 1}}}]
    for broken in damaged:
        left_out, item = items([good | {"chat": broken}, good])
        assert (left_out, isinstance(item, Taken)) == (LeftOut(Reason.MALFORMED), True)
    assert items([chat()]) == [LeftOut(Reason.EMPTY)]


def test_a_parent_that_forgot_its_child_keeps_it() -> None:
    item = the([chat(q=said(None, role="user", content="?"), a=said("q", role="assistant", content="!"))])
    assert drawn(item) == [("?", None), ("!", "?")]


def test_messages_that_follow_each_other_in_a_circle_are_kept() -> None:
    item = the([chat(q=said("a", role="user", content="?"), a=said("q", role="assistant", content="!"))])
    assert drawn(item) == [("?", None), ("!", "?")]
    item = the(exported([spoke("q", "a", "?", user=True), spoke("a", "q", "!"), spoke("r", ZERO, "Else?", user=True)]))
    assert drawn(item) == [("Else?", None), ("?", None), ("!", "?")]


def test_openings_that_are_never_closed_cost_no_time() -> None:
    content = '<details type="reasoning">' * 200_000
    item = the([chat(q=said(None, "a", role="user", content="?"), a=said("q", role="assistant", content=content))])
    assert item.whole.messages[1].content == content


def deepest(text: str) -> int:
    """How deep JSON goes, counted one character after the other."""
    depth = most = 0
    within = escaped = False
    for character in text:
        if within:
            within = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            within = True
        elif character in "[{":
            depth += 1
            most = max(most, depth)
        elif character in "]}":
            depth -= 1
    return most


def test_the_depth_of_a_file_is_told_wherever_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(1)
    for limit in (3, 4, 5):
        monkeypatch.setattr(bounds, "DEPTH_LIMIT", limit)
        for _ in range(300):
            value: Any = random.choice(['"', "\\", '\\"[[[[', "a\\\\", "]]{"])
            for _ in range(random.randint(0, 6)):
                other = "".join(random.choices('\\"[]{}x', k=random.randint(0, 6)))
                value = random.choice([[value, other], [other, value], {other: value}, [[], value]])
            text = json.dumps(value)
            counted, size = bounds.Bounds(), random.randint(1, 9)
            with nullcontext() if deepest(text) <= limit else pytest.raises(UnreadableFile):
                for at in range(0, len(text), size):
                    counted.add(text[at : at + size].encode())


def test_a_number_that_is_too_long_is_told_wherever_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "DIGIT_LIMIT", 3)
    random = Random(1)
    for _ in range(300):
        numbers = [random.randint(-1500, 1500) for _ in range(random.randint(1, 4))]
        text = json.dumps([{"0123456": numbers, '\\"8888': '7777\\"'}, "99999\\", *numbers])
        counted, size = bounds.Bounds(), random.randint(1, 9)
        long = any(abs(number) > 999 for number in numbers)
        with pytest.raises(UnreadableFile, match="3 digits") if long else nullcontext():
            for at in range(0, len(text), size):
                counted.add(text[at : at + size].encode())


@pytest.mark.parametrize("number", ["9" * 4400, "-" + "9" * 90_000, "1" * 1001])
def test_a_number_of_thousands_of_digits_ends_the_import_and_not_the_process(number: str) -> None:
    program = "import io; from holdfast.transfer.read import read; list(read(io.BytesIO(%r)))"
    command = [sys.executable, "-c", program % f'[{{"mapping": {{}}, "x": {number}}}]'.encode()]
    ended = subprocess.run(command, capture_output=True, check=False, text=True)
    assert (ended.returncode, "more than 1000 digits" in ended.stderr) == (1, True)


def test_digits_within_text_are_text() -> None:
    assert drawn(the([chat(q=said(None, role="user", content="8" * 5000))])) == [("8" * 5000, None)]


def test_a_conversation_of_very_many_values_ends_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "VALUE_LIMIT", 200_000)
    for value in (b"{}", b"[]", b"1", b'""', b'{"a":1}'):
        many = b"[" + b",".join([value] * 300_000) + b"]"
        with pytest.raises(UnreadableFile, match="200,000 values"):
            list(read(io.BytesIO(b'[{"mapping":{},"x":' + many + b"}]")))
    few = json.dumps([{"mapping": {}, "x": [","] * 20_000}] * 20)
    assert list(read(io.BytesIO(few.encode()))) == [LeftOut(Reason.EMPTY)] * 20


def exported(messages: Any, **fields: Any) -> dict[str, Any]:
    about = {"conversationId": "4a86c40e", "title": "A talk", "endpoint": "openAI", "options": {"model": "gpt-4"}}
    return about | {"branches": True, "recursive": False, "messages": messages} | fields


def spoke(id_: str, parent: str, text: str, *, user: bool = False, **fields: Any) -> dict[str, Any]:
    said = {"messageId": id_, "parentMessageId": parent, "isCreatedByUser": user, "text": text}
    return said | {"createdAt": "2024-05-01T16:35:11.530Z"} | fields


def test_a_list_of_librechat_comes_with_its_branches() -> None:
    value = exported(
        [
            spoke("q", ZERO, "Question?", user=True),
            spoke("a", "q", "One.", model="gpt-4-turbo"),
            spoke(
                "b",
                "q",
                "",
                content=[
                    {"type": "think", "think": "Hm."},
                    {"type": "text", "text": {"value": "Two."}},
                    {"type": "tool_call", "tool_call": {}},
                ],
                unfinished=True,
            ),
            spoke("q2", "b", "", user=True, files=[{}]),
        ]
    )
    item = the(value)
    assert drawn(item) == [("Question?", None), ("One.", "Question?"), ("Two.", "Question?"), ("[file]", "Two.")]
    _, one, two, _ = item.whole.messages
    assert [each.generations[0].model for each in (one, two)] == ["gpt-4-turbo", "gpt-4"]
    assert (two.reasoning, two.status) == ("Hm.", Status.INTERRUPTED)
    assert one.created_at == 1_714_581_311_530_000
    assert item.whole.conversation.current_message_id == "q2"
    assert item.parts == {Part.TOOL: 1, Part.ATTACHMENT: 1}


async def test_an_empty_id_is_an_id(store: Store) -> None:
    messages = [spoke("", ZERO, "?", user=True), spoke("a", "", "!"), spoke("r", ZERO, "Else?", user=True)]
    await take_in(store, json.dumps(exported(messages)).encode())
    (found,) = await stored(store)
    said = {each.id: each.content for each in found.messages}
    assert [(each.content, said.get(each.parent_id or "")) for each in found.messages] == [
        ("?", None),
        ("!", "?"),
        ("Else?", None),
    ]


def test_a_part_of_no_kind_is_left_out_alone_and_an_id_twice_costs_its_conversation() -> None:
    strange = [spoke("a", ZERO, "", content=[{"type": []}, {"type": {}}, {"type": "text", "text": "Words."}])]
    item = the(exported(strange))
    assert (drawn(item), item.parts) == ([("Words.", None)], {Part.ATTACHMENT: 2})
    twice = [spoke("a", ZERO, "One."), spoke("a", ZERO, "Two.")]
    assert items([exported(twice)]) == [LeftOut(Reason.MALFORMED)]


@pytest.mark.parametrize("name", ["messages", "messagesTree"])
def test_a_tree_of_librechat_is_the_same_as_its_list(name: str) -> None:
    tree: list[dict[str, Any]] = [spoke("q", ZERO, "?", user=True)]
    at = tree[0]
    for number in range(400):
        at["children"] = [spoke(f"n{number}", "wrong", f"{number}", user=number % 2 == 1), spoke(f"x{number}", "", "x")]
        at = at["children"][0]
    value = exported(None) | {name: tree, "recursive": True}
    item = the(value)
    assert len(item.whole.messages) >= 601
    assert item.whole.messages[1].content == "0"


def test_a_tree_of_any_depth_and_any_damage_is_no_danger() -> None:
    deep = b'{"messageId":"m","children":[' * 50_000 + b"]}" * 50_000
    with pytest.raises(UnreadableFile, match="nested deeper"):
        list(read(io.BytesIO(b'{"conversationId":"c","messages":[' + deep + b"]}")))
    damaged: list[Any] = [[1], [{}], [{"messageId": 1}], "x"]
    for messages in damaged:
        assert items(exported(messages)) == [LeftOut(Reason.MALFORMED)]
    assert items(exported([])) == [LeftOut(Reason.EMPTY)]
    random = Random(1)
    names = [f"n{number}" for number in range(8)]
    for _ in range(100):
        messages = [spoke(name, random.choice([ZERO, *names]), name, user=random.random() < 0.5) for name in names]
        (item,) = items(exported(messages))
        roles: dict[str | None, Role | None] = {None: None}
        for message in item.whole.messages if isinstance(item, Taken) else ():
            assert roles[message.parent_id] is not message.role
            roles[message.id] = message.role
