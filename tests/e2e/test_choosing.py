"""What answers is chosen by preset or model, and what is typed is not lost."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Route, expect

from e2e.conftest import Visit
from e2e.test_accessible import without_barriers
from openrouter import LoopbackOpenRouter
from replies import Hold, answer
from serving import Served, serving

pytestmark = pytest.mark.anyio


async def test_alt_and_a_number_choose_a_preset(visit: Visit, served: Served, upstream: LoopbackOpenRouter) -> None:
    person = await visit(served.url)
    presets = person.page.get_by_role("group", name="Presets").get_by_role("button")
    await expect(presets).to_have_count(6)
    await expect(presets.nth(0)).to_have_attribute("aria-pressed", "true")
    await person.message.press("Alt+2")
    await expect(presets.nth(1)).to_have_attribute("aria-pressed", "true")
    await expect(presets.nth(0)).to_have_attribute("aria-pressed", "false")
    await expect(person.message).to_have_value("")
    await person.say("Quickly!")
    await expect(person.text).to_contain_text("t19")
    assert upstream.completions[0].body["temperature"] == 0.7
    await person.page.reload()
    await expect(presets.nth(1)).to_have_attribute("aria-pressed", "true")


async def test_the_picker_searches_filters_and_its_choice_answers(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    person = await visit(served.url)
    await person.page.get_by_role("button", name="Choose a model").click()
    dialog = person.page.get_by_role("dialog", name="Models")
    options = dialog.get_by_role("listbox").get_by_role("option")
    await expect(options).to_have_count(len(upstream.models))
    await expect(person.page).to_have_url(f"{served.url}/#models")
    await dialog.get_by_role("checkbox", name="Free only").check()
    await expect(options).to_have_count(1)
    await expect(options).to_contain_text("acme/free-1:free")
    await dialog.get_by_role("combobox", name="Search by name").fill("no such model")
    await expect(dialog.get_by_text("No model fits.")).to_be_visible()
    await dialog.get_by_role("checkbox", name="Free only").uncheck()
    await dialog.get_by_role("combobox", name="Search by name").fill("thin")
    await expect(options).to_have_count(1)
    await dialog.get_by_role("combobox", name="Search by name").press("Enter")
    await expect(dialog).to_have_count(0)
    await expect(person.page.get_by_role("button", name="Choose a model")).to_contain_text("acme/thinker")
    await person.say("Who are you?")
    await expect(person.text).to_have_text("Forty-two.")
    assert upstream.completions[0].model == "acme/thinker"


async def test_the_line_under_an_answer_says_when_another_model_answered(visit: Visit, served: Served) -> None:
    person = await visit(served.url)
    await person.choose("acme/other-answers")
    await person.say("Who are you?")
    details = person.answers.get_by_role("group", name="About this answer")
    await expect(details).to_contain_text("acme/other-answers → acme/somebody-else")
    await expect(details).to_contain_text("20 in · 5 out")


async def test_a_draft_outlives_a_reload_and_belongs_to_its_conversation(visit: Visit, served: Served) -> None:
    await served.send("Hello", model_id="acme/chat-1")
    person = await visit(served.url)
    await person.message.fill("Not yet\nfinished")
    await person.page.reload()
    await expect(person.message).to_have_value("Not yet\nfinished")
    await person.conversations.click()
    await expect(person.questions).to_have_count(1)
    await expect(person.message).to_have_value("")
    await person.message.fill("Something else")
    await person.page.get_by_role("link", name="New conversation").first.click()
    await expect(person.message).to_have_value("Not yet\nfinished")
    await person.say("Sent now")
    await expect(person.text).to_contain_text("t19")
    await expect(person.message).to_have_value("")
    await person.conversations.nth(1).click()
    await expect(person.message).to_have_value("Something else")


async def test_who_is_faster_than_the_page_loses_nothing(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    hold, known = Hold(), asyncio.Event()
    upstream.script(answer("First ", "answer.", holds={1: hold}), answer("Second answer."))

    async def slowly(route: Route) -> None:
        await known.wait()
        await route.continue_()

    person = await visit("about:blank", base_url=served.url)
    person.watch.origin = served.url
    await person.page.route("**/api/session", slowly)
    await person.page.goto(served.url)
    await person.say("Quick!")
    await expect(person.text).to_have_text("First")
    known.set()
    await expect(person.page.get_by_role("group", name="Presets")).to_be_visible()
    hold.release()
    await expect(person.text).to_have_text("First answer.")
    known.clear()
    await person.page.reload()
    await person.say("And in a conversation that is not there yet?")
    await expect(person.page.get_by_text("What is on your mind?")).to_have_count(0)
    await expect(person.button("Send")).to_be_disabled()
    known.set()
    await expect(person.text).to_have_text("First answer.")
    await person.message.press("Enter")
    await expect(person.text).to_have_text("Second answer.")
    await expect(person.questions).to_have_count(2)
    assert len(upstream.completions) == 2


COUNT_ACCEPTED = """
    globalThis.accepted = 0;
    document.addEventListener('keydown', ({ key, target }) => {
        if (key === 'Enter' && target.value === '') globalThis.accepted += 1;
    });
"""
"""Counts the presses that the field took: it has heard of the key before the document does, and is empty then."""


async def test_three_hundred_presses_of_the_send_key_double_and_lose_nothing(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.by_model["acme/chat-1"] = lambda: answer("Yes.")
    person = await visit(served.url)
    await person.choose("acme/chat-1")
    await person.page.evaluate(COUNT_ACCEPTED)
    await person.message.focus()
    keyboard = person.page.keyboard
    words = [f"m{number}" for number in range(301)]
    for position, word in enumerate(words[:-1]):
        await keyboard.insert_text(f"{word} ")
        if position == 150:
            assert await person.page.evaluate("accepted") > 0
        await (keyboard.press("Enter") if position < 150 else keyboard.down("Enter"))  # pressed, then held
    await keyboard.up("Enter")
    await expect(person.button("Stop")).to_have_count(0)
    await keyboard.insert_text(words[-1])
    await keyboard.press("Enter")
    await expect(person.message).to_have_value("")
    await expect(person.button("Stop")).to_have_count(0)
    conversations = (await served.get("/api/conversations"))["items"]
    assert len(conversations) == 1
    messages = await served.messages(conversations[0]["id"])
    asked = [message["content"].split() for message in messages if message["role"] == "user"]
    assert [word for question in asked for word in question] == words
    assert [call.body["messages"][-1]["content"].split() for call in upstream.completions] == asked
    assert await person.page.evaluate("accepted") == len(asked) == len(messages) / 2
    assert [message["content"] for message in messages if message["role"] == "assistant"] == ["Yes."] * len(asked)


async def test_shift_enter_breaks_the_line_and_enter_sends(visit: Visit, served: Served) -> None:
    person = await visit(served.url)
    await person.message.press_sequentially("one")
    await person.message.press("Shift+Enter")
    await person.message.press_sequentially("two")
    await person.message.press("Enter")
    await expect(person.questions.locator("p")).to_have_text("one\ntwo", use_inner_text=True)


async def test_enter_in_the_picker_waits_for_the_list(visit: Visit, served: Served) -> None:
    person = await visit(served.url)
    pressed = asyncio.Event()

    async def late(route: Route) -> None:
        await pressed.wait()
        await route.continue_()

    await person.page.route("**/api/models", late)
    await person.page.get_by_role("button", name="Choose a model").click()
    await person.page.get_by_role("combobox", name="Search by name").fill("thinker")
    await person.page.keyboard.press("Enter")
    pressed.set()
    await expect(person.page.get_by_role("dialog")).to_have_count(0)
    await expect(person.page.get_by_role("button", name="Choose a model")).to_contain_text("acme/thinker")


async def test_a_filter_that_the_list_has_no_use_for_hides_nothing(visit: Visit, served: Served) -> None:
    person = await visit(served.url)
    ticked = asyncio.Event()

    async def late(route: Route) -> None:
        await ticked.wait()
        await route.fulfill(json={"items": [{"id": "llama3"}, {"id": "qwen3"}]})

    await person.page.route("**/api/models", late)
    await person.page.get_by_role("button", name="Choose a model").click()
    free = person.page.get_by_role("dialog").get_by_role("checkbox")
    await free.check()
    ticked.set()
    await expect(person.page.get_by_role("listbox").get_by_role("option")).to_have_count(2)
    await expect(free).to_have_count(0)


async def test_an_order_that_the_list_has_no_use_for_is_by_name(visit: Visit, served: Served) -> None:
    person = await visit(served.url)
    chosen = asyncio.Event()

    async def late(route: Route) -> None:
        await chosen.wait()
        models = [{"id": "qwen3", "context_length": 9}, {"id": "llama3", "context_length": 8}]
        await route.fulfill(json={"items": models})

    await person.page.route("**/api/models", late)
    await person.page.get_by_role("button", name="Choose a model").click()
    order = person.page.get_by_role("dialog").get_by_label("Order")
    await order.select_option("price")
    chosen.set()
    await expect(person.page.get_by_role("listbox").get_by_role("option")).to_have_count(2)
    await expect(order).to_have_value("name")


@pytest.mark.parametrize("when", ["before", "after"])
async def test_enter_around_a_failure_of_the_list_chooses_nothing(visit: Visit, served: Served, when: str) -> None:
    person = await visit(served.url)
    dialog = person.page.get_by_role("dialog", name="Models")
    search = dialog.get_by_role("combobox", name="Search by name")
    again = dialog.get_by_role("alert").get_by_role("button", name="Try again")
    go = asyncio.Event()

    async def fail(route: Route) -> None:
        await go.wait()
        await route.abort()

    await person.page.route("**/api/models", fail)
    await person.page.get_by_role("button", name="Choose a model").click()
    if when == "before":
        await search.press("Enter")
    go.set()
    await expect(again).to_be_visible()
    if when == "after":
        await search.press("Enter")
    await person.page.unroute("**/api/models")
    await again.click()
    await expect(dialog.get_by_role("listbox")).to_be_visible()
    await search.fill("thinker")
    await search.press("Enter")
    await expect(person.page.get_by_role("button", name="Choose a model")).to_contain_text("acme/thinker")


async def test_an_enter_that_is_held_or_ends_a_word_chooses_no_model(visit: Visit, served: Served) -> None:
    person = await visit(served.url)
    opens = person.page.get_by_role("button", name="Choose a model")
    search = person.page.get_by_role("combobox", name="Search by name")
    go = asyncio.Event()

    async def late(route: Route) -> None:
        await go.wait()
        await route.continue_()

    await person.page.route("**/api/models", late)
    for _ in ("before the list is there", "with the list"):
        await opens.focus()
        for _ in range(3):  # The first press opens the list, the others repeat in its field.
            await person.page.keyboard.down("Enter")
            await expect(search).to_be_focused()
        await person.page.keyboard.up("Enter")
        go.set()
        await expect(person.page.get_by_role("listbox")).to_be_visible()
        await search.dispatch_event("keydown", {"key": "Enter", "isComposing": True})
        await search.press("ArrowDown")
        await person.page.keyboard.press("Escape")
        await expect(search).to_have_count(0)
    await expect(opens).to_contain_text("openrouter/auto")


async def test_the_picker_finds_its_way_through_four_hundred_models(visit: Visit, served: Served) -> None:
    person = await visit("about:blank", base_url=served.url)
    person.watch.origin = served.url
    models = [
        {
            "id": f"maker-{number % 20}/model-{number}",
            "name": f"Maker {number % 20}: Model {number}",
            "context_length": 1000 * (number + 1),
            "prompt_price": f"0.0000{number + 1000}",
            "completion_price": f"0.0000{number + 1000}",
            "free": number == 250,
            "input_modalities": ["text", "image"] if number == 399 else ["text"],
        }
        for number in range(400)
    ]
    await person.page.route("**/api/models", lambda route: route.fulfill(json={"items": models}))
    await person.page.goto(served.url)
    await person.page.get_by_role("button", name="Choose a model").click()
    dialog = person.page.get_by_role("dialog", name="Models")
    options = dialog.get_by_role("listbox").get_by_role("option")
    await expect(dialog.get_by_role("status")).to_have_text("400 models")
    search = dialog.get_by_role("combobox", name="Search by name")
    for _ in range(60):
        await search.press("PageDown")
    await expect(options.last).to_be_in_viewport()
    await dialog.get_by_role("combobox", name="Order").select_option("context")
    await expect(options.first).to_contain_text("Maker 19: Model 399 maker-19/model-399")
    await expect(options.first).to_contain_text("400k context")
    await expect(options.first).to_contain_text("reads images")
    await expect(options.first).to_contain_text("$13.99 in · $13.99 out per million tokens")
    await dialog.get_by_role("combobox", name="Order").select_option("price")
    await expect(options.first).to_contain_text("Model 250")
    await expect(options.first).to_contain_text("Free")
    await search.fill("maker-7 387")
    await expect(options).to_have_count(1)
    await search.press("Enter")
    await expect(person.page.get_by_role("button", name="Choose a model")).to_contain_text("maker-7/model-387")


async def test_a_server_that_tells_only_ids_is_chosen_from_by_id(
    visit: Visit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upstream: LoopbackOpenRouter
) -> None:
    upstream.models = [{"id": "llama3:latest", "object": "model"}, {"id": "qwen3:8b", "object": "model"}]
    async with serving(monkeypatch, tmp_path / "data", OPENROUTER_BASE_URL=upstream.base_url) as served:
        person = await visit(served.url)
        await person.page.get_by_role("button", name="Choose a model").click()
        dialog = person.page.get_by_role("dialog", name="Models")
        await expect(dialog.get_by_role("option")).to_have_text(["llama3:latest", "qwen3:8b"])
        await expect(dialog.get_by_role("checkbox")).to_have_count(0)
        await expect(dialog.get_by_role("combobox")).to_have_count(1)
        await without_barriers(person)
        await person.page.keyboard.type("qwen")
        await person.page.keyboard.press("Enter")
        await person.say("Hello")
        await expect(person.text).to_contain_text("t19")
        assert upstream.completions[0].model == "qwen3:8b"
