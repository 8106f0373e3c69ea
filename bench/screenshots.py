"""Pictures of the page in every state that people meet, 360, 800 and 1440 wide, light and dark.

`.venv/bin/python bench/screenshots.py [folder] [--only STATE …]`; the folder is one in the system's temporary directory
unless given.

With `--readme` the two pictures of README.md instead. The answers are scripted; nothing leaves this machine.
"""

import argparse
import asyncio
import itertools
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
from playwright.async_api import Browser, Page, Route, async_playwright, expect
from playwright.async_api import Error as PlaywrightError

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))  # the loopback provider and the server's process are the tests' own

from e2e.conftest import ARGUMENTS  # noqa: E402 - as above
from e2e.network import free_port  # noqa: E402
from openrouter import LoopbackOpenRouter  # noqa: E402
from replies import Hold, Pause, Reply, Send, Step, answer, chunk, event, refusal, spent, url_citation  # noqa: E402
from serving import Served, process  # noqa: E402

WIDTHS = {360: 740, 800: 900, 1440: 900}
THEMES = ("light", "dark")
MODEL, PROVIDER = "qwen/qwen3-32b", "Groq"
LISTED = [
    ("deepseek/deepseek-chat-v3.1", "DeepSeek V3.1", 163_840, "0.00000025", "0.000001"),
    ("google/gemma-3-27b-it:free", "Gemma 3 27B (free)", 96_000, "0", "0"),
    ("meta-llama/llama-3.3-70b-instruct", "Llama 3.3 70B Instruct", 131_072, "0.00000013", "0.00000038"),
    ("mistralai/mistral-small-3.2-24b-instruct", "Mistral Small 3.2 24B", 128_000, "0.00000006", "0.00000018"),
    ("openrouter/auto", "Auto Router", 2_000_000, "-1", "-1"),
    (MODEL, "Qwen3 32B", 40_960, "0.00000005", "0.0000002"),
    ("qwen/qwen3-coder:free", "Qwen3 Coder (free)", 262_144, "0", "0"),
]
QUESTION = "How do I cut a sequence into pieces of n in Python, and why would I use a generator for it?"
ANSWER = """\
This function cuts a sequence into pieces of at most `n` items and hands them out **one at a time**. It is a \
*generator*: each piece is made only when somebody asks for it.

```python
def chunks(seq, n):
    for i in range(0, len(seq), n):  # 0, n, 2n, …
        yield seq[i:i + n]           # the last piece may be shorter

for batch in chunks([3, 1, 4, 1, 5, 9, 2], 3):
    print(batch)                     # [3, 1, 4]  [1, 5, 9]  [2]
```

| | generator | list of pieces |
|---|---|---|
| memory | one piece at a time | all pieces at once |
| can be read | once | as often as you like |
| stop early | costs nothing more | everything was built already |

Use it for **batches**: rows for a database, files to upload, pages of a report. Take `list(chunks(seq, n))` when you \
need to count the pieces or go over them twice. From Python 3.12 the standard library has `itertools.batched`, which \
takes any iterable.
"""
STORY = """\
A lighthouse keeper's day begins when everybody else's ends. The lamp is lit half an hour before sunset, the lens is \
wiped a last time, and then the long watch begins: every"""
CITED = "Bats find their way by the echoes of their own calls, which are too high for people to hear."
SOURCES = [
    ("https://en.wikipedia.org/wiki/Animal_echolocation", "Animal echolocation - Wikipedia"),
    ("https://www.example-university.edu/biology/bats/how-bats-navigate-in-the-dark", None),
    (
        "https://journal.example.org/2024/017",
        "How the brain of a bat turns echoes into a map of the room it flies through: forty years of experiments",
    ),
    ("https://example.net/", "Sign in to your bank"),
    ("https://he.example.org/1", "\u05e2\u05d8\u05dc\u05e4\u05d9\u05dd \u05d1\u05dc\u05d9\u05dc\u05d4"),
    *((f"https://archive.example.com/{number}", f"Field notes {number}") for number in range(1, 6)),
]
TITLES = ["Packing list for three days in the hills", "Rewrite the release notes", "Why is the sky dark at night?"]
THOUGHTS = [
    "The person asks for a function. ",
    "A generator suits, as nothing has to be built in advance. ",
    "I will show it with a short example and say when a list is better.",
]
RATED = [
    *("Soup for six", "A name for the cat", "How do vaccines work?", "A letter to the landlord", "Plural of octopus"),
    *(
        "Train or car?",
        "Regular expression for a date",
        "A poem about rain",
        "What is inflation?",
        "Sourdough, step by step",
    ),
    "Who was Ada Lovelace?",
]
RATINGS = {MODEL: (1, 1, 1, 1, 1, -1), "meta-llama/llama-3.3-70b-instruct": (1, 1, -1, -1, -1)}


def reply(
    text: str,
    *,
    pace: float = 0.004,
    hold: Hold | None = None,
    tokens: int | None = None,
    citations: Sequence[object] = (),
) -> Reply:
    """An answer in pieces of a few letters, with times that people meet, which waits at `hold` and never ends there."""
    usage = spent(38, tokens or len(text) // 4, 0.0000615)
    pieces = [text[start : start + 12] for start in range(0, len(text), 12)]
    steps: list[Step] = []
    for piece in pieces:
        delta = {"role": "assistant", "content": piece}
        steps += [Pause(pace), Send(event(chunk(delta, model=MODEL, provider=PROVIDER)), piece)]
    last = chunk({"content": "", "annotations": citations}, finish="stop", model=MODEL, provider=PROVIDER, usage=usage)
    ending: list[Step] = [hold] if hold else []
    return Reply([*steps, *ending, Send(event(last)), Send(event("[DONE]"))], before=[Pause(0.2)])


class Stage:
    """A server with conversations in every state, by name."""

    def __init__(self, http: httpx2.AsyncClient, upstream: LoopbackOpenRouter) -> None:
        self.http = http
        self.upstream = upstream

    async def play(
        self, title: str, *turns: tuple[str, Reply | None], until: str | None = None, beside: Sequence[Reply] = ()
    ) -> str:
        """Hold a conversation, of which the demo needs no script; with `until` leave its last answer there.

        With `beside` others answer too.
        """
        conversation: dict[str, Any] = {}
        for message, scripted in turns:
            if scripted:
                self.upstream.script(scripted)
            others = []
            for (model, *_), other in zip(LISTED, beside, strict=False):
                self.upstream.by_model[model] = partial(replace, other)
                others.append({"model_id": model})
            body = {"message": message, "preset_id": 1, "compare": others, **conversation}
            async with self.http.stream("POST", "/chat", json=body) as response:
                shown = ""
                async for line in response.aiter_lines():
                    shown += line
                    if '"conversation_id":"' in line:
                        conversation["conversation_id"] = line.split('"conversation_id":"')[1].split('"')[0]
                    if until is not None and '"type":"content"' in line:
                        break
        place = conversation["conversation_id"]
        await self.http.patch(f"/api/conversations/{place}", json={"title": title})
        return f"/c/{place}"

    async def again(self, place: str, other: Reply) -> None:
        """A second answer to the last question."""
        id_ = place.rpartition("/")[2]
        told = (await self.http.get(f"/api/conversations/{id_}/messages")).json()["items"]
        self.upstream.script(other)
        await self.http.post(f"/api/messages/{told[-2]['id']}/generations", json={"model_id": MODEL})

    async def rate(self) -> None:
        """What people thought of some answers by two models."""
        rated = [(model, rating) for model, ratings in RATINGS.items() for rating in ratings]
        for title, (model, rating) in zip(RATED, rated, strict=True):
            self.upstream.script(reply("Gladly."))
            told = (await self.http.post("/chat", json={"message": title, "model_id": model})).text
            message = told.split('"message_id":"')[1].split('"')[0]
            await self.http.put(f"/api/messages/{message}/rating", json={"rating": rating})


@asynccontextmanager
async def staged(upstream: LoopbackOpenRouter) -> AsyncIterator[tuple[str, dict[str, str], Hold]]:
    """A server, the addresses of its conversations, and what keeps one of them being written."""
    upstream.models = [
        {"id": name, "name": title, "context_length": length, "pricing": {"prompt": prompt, "completion": completion}}
        for name, title, length, prompt, completion in LISTED
    ]
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        async with process(Path(folder), upstream.base_url, PORT=str(port)) as (served, _):
            stage = Stage(served.http, upstream)
            await stage.rate()
            for title in TITLES:
                await stage.play(title, (title, reply("Gladly.")))
            asked = "Tell me about a lighthouse keeper's day."
            places = {
                "interrupted": await stage.play(
                    "A lighthouse keeper's day", (asked, reply(STORY, hold=Hold())), until=""
                ),
            }
        # What is being written stays so until the last picture.
        async with process(Path(folder), upstream.base_url, PORT=str(port), HOLDFAST_IDLE_LIMIT="3600") as (served, _):
            stage = Stage(served.http, upstream)
            limited = refusal(429, "Rate limit exceeded: free models, 20 a minute", headers={"Retry-After": "42"})
            poor = refusal(402, "Insufficient credits. Add more and try again.")
            asked = ("Suggest names for a reading group.", reply("Between the Lines."))
            places["rate-limited"] = await stage.play("Names for a reading group", (asked[0], limited))
            places["out-of-credit"] = await stage.play("A toast for a wedding", ("A toast for a wedding", poor))
            barred = refusal(401, "No auth credentials found")
            places["refused"] = await stage.play("Three rhymes on orange", ("Three rhymes on orange", barred))
            places["error"] = await stage.play("Names for a boat", asked, ("And for a boat?", refusal(503)))
            thinking = answer("A generator.", reasoning=THOUGHTS, model=MODEL, pace=1.4)
            places["reasoning"] = await stage.play("List or generator?", ("A list or a generator?", thinking))
            turns = [(f"Question {number}: {QUESTION}", reply(ANSWER)) for number in range(1, 16)]
            places["long"] = await stage.play("Fifteen questions about one function", *turns)
            places["branches"] = await stage.play("A line for a poster", ("A line for a poster.", reply("Read more.")))
            await stage.again(places["branches"], reply("One page more."))
            cited = reply(CITED, citations=[url_citation(*each) for each in SOURCES])
            places["sources"] = await stage.play("How do bats see at night?", ("How do bats see at night?", cited))
            code = reply(ANSWER, pace=0.035, tokens=298)
            places["code"] = await stage.play("Chunks of a sequence", (QUESTION, code))
            hold = Hold()
            half = reply(ANSWER[:640], hold=hold)
            three = [limited, reply(ANSWER[:640], hold=hold), reply(ANSWER)]
            places["columns"] = await stage.play("Four of a mind", (QUESTION, reply(ANSWER)), until="", beside=three)
            places["streaming"] = await stage.play("Generators, step by step", (QUESTION, half), until="")
            kept = places["code"].rpartition("/")[2]
            await served.http.patch(f"/api/conversations/{kept}", json={"pinned": True})
            yield served.url, places, hold


@asynccontextmanager
async def opened(browser: Browser, theme: str, width: int) -> AsyncIterator[Page]:
    """A tab of a browser of its own."""
    context = await browser.new_context(
        color_scheme="light" if theme == "light" else "dark",
        viewport={"width": width, "height": WIDTHS[width]},
        has_touch=width < 600,
        locale="en-GB",
        reduced_motion="reduce",
    )
    context.set_default_timeout(15_000)
    page = await context.new_page()
    yield page
    await page.unroute_all(behavior="wait")
    await context.close()


async def picture(page: Page, path: Path) -> None:
    await page.wait_for_timeout(500)  # The feed stays open, so the network is never idle.
    await page.screenshot(path=path)


async def see_list(page: Page) -> None:
    """The list of conversations, which is behind a button where there is little room."""
    menu = page.get_by_role("button", name="Conversations")
    if await menu.is_visible():
        await menu.click()
    await expect(page.get_by_role("navigation", name="Conversations")).to_be_visible()


async def nothing(page: Page) -> None:
    """As it opens."""


async def help_with_a_key(page: Page) -> None:
    await page.get_by_role("button", name="How to set a key").click()
    await page.get_by_role("dialog").wait_for()


async def offline(page: Page) -> None:
    await page.context.set_offline(True)
    await page.get_by_text("You are offline.").wait_for()


async def unfold(page: Page) -> None:
    await page.get_by_text("Reasoned for").click()


async def show_all(page: Page) -> None:
    await page.get_by_role("button", name="Show all").click()
    await page.get_by_role("button", name="Show fewer").scroll_into_view_if_needed()


async def edit(page: Page) -> None:
    await page.get_by_role("article", name="You").hover()
    await page.get_by_role("button", name="Edit and send again").click()


async def picker(page: Page) -> None:
    await page.get_by_role("button", name="Choose a model").click()
    await page.get_by_role("listbox").get_by_role("option").first.wait_for()


async def rating(page: Page) -> None:
    await page.get_by_role("button", name="Bad answer").click()
    await page.get_by_text("Too long").click()


async def unrate(page: Page) -> None:
    await page.get_by_role("button", name="Cancel").click()
    async with page.expect_response("**/rating"):
        await page.get_by_role("button", name="Bad answer").click()


async def search(page: Page, query: str) -> None:
    await see_list(page)
    await page.get_by_role("combobox", name="Search", exact=True).fill(query)
    hits = page.get_by_role("listbox", name="Found").get_by_role("option")
    await hits.first.or_(page.get_by_text("Nothing found.")).wait_for()


async def shown(page: Page) -> None:
    await search(page, "batch")
    await page.get_by_role("option", name="Chunks of a sequence").click()
    await page.locator(".found").first.wait_for()


async def row_menu(page: Page) -> None:
    await see_list(page)
    await page.get_by_role("link", name="Names for a reading group").hover()
    await page.get_by_role("button", name="More about “Names for a reading group”").click()
    await page.get_by_role("menuitem").first.wait_for()


async def renaming(page: Page) -> None:
    await see_list(page)
    await page.get_by_role("link", name="Names for a reading group").press("F2")


async def shown_beside(page: Page) -> None:
    await search(page, "batch")
    await page.get_by_role("option", name="Four of a mind").first.click()
    await expect(page.get_by_role("region", name="Side by side").locator("article:focus")).to_be_in_viewport()


async def name_again(page: Page) -> None:
    await row_menu(page)
    await page.get_by_role("menuitem", name="Find another name").click()
    await page.get_by_text("The name stays.").wait_for()
    await page.keyboard.press("Escape")


async def drop_a_picture(page: Page) -> None:
    await page.evaluate(DROP)
    await page.get_by_text("is not text.").wait_for()


async def undo(page: Page) -> None:
    await row_menu(page)
    await page.get_by_role("menuitem", name="Delete").click()
    await page.get_by_role("button", name="Undo").wait_for()
    await page.keyboard.press("Escape")


async def take_back(page: Page) -> None:
    await page.get_by_role("button", name="Undo").click()


DROP = """() => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0])], 'photo.png'));
    const options = { bubbles: true, cancelable: true, dataTransfer };
    for (const type of ['dragover', 'drop']) document.querySelector('main').dispatchEvent(new DragEvent(type, options));
}"""

Scene = tuple[str, Callable[[Page], Awaitable[None]]]
SCENES: dict[str, Scene] = {
    "empty": ("/", nothing),
    "loading": ("code", nothing),
    **{name: (name, nothing) for name in ("code", "streaming", "columns", "long")},
    **{name: (name, nothing) for name in ("interrupted", "error", "rate-limited", "out-of-credit", "refused")},
    "branches": ("branches", nothing),
    "reasoning": ("reasoning", unfold),
    "sources": ("sources", nothing),
    "sources-all": ("sources", show_all),
    "offline": ("code", offline),
    "not-there": ("/c/none", nothing),
    "not-loaded": ("code", nothing),
    "file-refused": ("code", drop_a_picture),
    "editing": ("code", edit),
    "picker": ("code", picker),
    "rating": ("code", rating),
    "drawer": ("code", see_list),
    "menu": ("code", row_menu),
    "renaming": ("code", renaming),
    "found": ("code", partial(search, query="batch")),
    "nothing-found": ("code", partial(search, query="zebra")),
    "shown": ("code", shown),
    "shown-beside": ("code", shown_beside),
    "name-stays": ("code", name_again),
    "undo": ("code", undo),
    **{f"settings-{name}": (f"/settings/{name}", nothing) for name in ("appearance", "presets", "usage", "quality")},
    "settings-transfer": ("/settings/transfer", nothing),
}
DEMO: dict[str, Scene] = {
    "demo": ("/", nothing),
    "demo-help": ("/", help_with_a_key),
}
DEMO_ANSWERED: dict[str, Scene] = {"demo-answer": ("demo-answer", nothing)}
ALL = SCENES | DEMO | DEMO_ANSWERED
AFTERWARDS = {"undo": take_back, "rating": unrate}


async def late(route: Route) -> None:
    """What is asked for does not come before the picture is taken."""
    await asyncio.sleep(2)
    await route.abort()


async def never(route: Route) -> None:
    await route.abort()


AWAY = {"loading": late, "not-loaded": never}


async def stop_at(page: Page, state: str, url: str, places: dict[str, str]) -> None:
    """Bring the page into a state."""
    place, do = ALL[state]
    if state in AWAY:
        await page.route("**/api/conversations**", AWAY[state])
    await page.goto(url + places.get(place, place))
    await page.locator("main").wait_for()
    if place.startswith("/settings/"):
        await page.get_by_role("dialog").wait_for()
    elif place in places and state not in AWAY:
        await page.get_by_role("article").nth(1).wait_for()
    await do(page)


async def all_states(browser: Browser, folder: Path, only: Sequence[str]) -> None:
    async with LoopbackOpenRouter() as upstream, staged(upstream) as (url, places, hold):

        def wanted(scenes: Mapping[str, Scene]) -> list[str]:
            return [state for state in scenes if not only or state in only]

        failed = await pictures(browser, folder, wanted(SCENES), url, places)
        hold.release()
        async with fresh(upstream) as demo:
            failed += await pictures(browser, folder, wanted(DEMO), demo.url, {})
            answered = await Stage(demo.http, upstream).play("What can you do?", ("What can you do?", None))
            failed += await pictures(browser, folder, wanted(DEMO_ANSWERED), demo.url, {"demo-answer": answered})
    if failed:
        sys.exit(f"Not made: {', '.join(failed)}")


@asynccontextmanager
async def fresh(upstream: LoopbackOpenRouter) -> AsyncIterator[Served]:
    """A server as it is after its first start, without a key."""
    with tempfile.TemporaryDirectory() as folder:
        async with process(Path(folder), upstream.base_url, OPENROUTER_API_KEY="") as (served, _):
            yield served


async def pictures(
    browser: Browser, folder: Path, states: Sequence[str], url: str, places: dict[str, str]
) -> list[str]:
    """Make all that can be made; the names of those that cannot."""
    failed = []
    for state, theme, width in itertools.product(states, THEMES, WIDTHS):
        name = f"{state}-{theme}-{width}"
        async with opened(browser, theme, width) as page:
            try:
                await stop_at(page, state, url, places)
                await picture(page, folder / f"{name}.png")
                if state in AFTERWARDS:
                    await AFTERWARDS[state](page)
            except PlaywrightError as error:
                failed.append(name)
                print(f"{name}: {error}", flush=True)
        if (theme, width) == (THEMES[-1], max(WIDTHS)):
            print(state, flush=True)
    return failed


async def readme(browser: Browser, folder: Path) -> None:
    async with LoopbackOpenRouter() as upstream, staged(upstream) as (url, places, hold):
        for theme in THEMES:
            async with opened(browser, theme, 1440) as page:
                await stop_at(page, "code", url, places)
                await page.get_by_role("article", name="You").first.scroll_into_view_if_needed()
                await picture(page, folder / f"holdfast-{theme}.png")
        hold.release()


async def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(tempfile.gettempdir()) / "holdfast-screenshots")
    parser.add_argument("--readme", action="store_true", help="write the pictures of README.md into docs/images")
    parser.add_argument("--only", nargs="+", default=[], choices=ALL, help="these states alone")
    chosen = parser.parse_args(arguments)
    folder: Path = ROOT / "docs" / "images" if chosen.readme else chosen.folder
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - nothing else runs yet
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        await (readme(browser, folder) if chosen.readme else all_states(browser, folder, chosen.only))
        await browser.close()
    print(f"Pictures are in {folder}")


if __name__ == "__main__":
    asyncio.run(main())
