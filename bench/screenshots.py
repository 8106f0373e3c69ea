"""Pictures of the page in its main states, 360, 800 and 1440 wide, light and dark.

`.venv/bin/python bench/screenshots.py [folder]`; the folder is one in the system's temporary directory unless given.

With `--readme` the two pictures of README.md instead. The answers are scripted; nothing leaves this machine.
"""

import argparse
import asyncio
import itertools
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from playwright.async_api import Browser, Page, async_playwright, expect

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))  # the loopback provider and the server's process are the tests' own

from e2e.conftest import ARGUMENTS  # noqa: E402 - as above
from e2e.network import free_port, process  # noqa: E402
from openrouter import LoopbackOpenRouter  # noqa: E402
from replies import Hold, Pause, Reply, Send, Step, chunk, event, refusal, spent  # noqa: E402

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
TITLES = ["Packing list for three days in the hills", "Rewrite the release notes", "Why is the sky dark at night?"]


def reply(text: str, *, pace: float = 0.0, hold: Hold | None = None, tokens: int | None = None) -> Reply:
    """An answer in pieces of a few letters, which waits at `hold` and never ends there."""
    usage = spent(38, tokens or len(text) // 4, 0.0000615)
    pieces = [text[start : start + 12] for start in range(0, len(text), 12)]
    steps: list[Step] = []
    for piece in pieces:
        delta = {"role": "assistant", "content": piece}
        steps += [Pause(pace)] * bool(pace) + [Send(event(chunk(delta, model=MODEL, provider=PROVIDER)), piece)]
    last = chunk({"content": ""}, finish="stop", model=MODEL, provider=PROVIDER, usage=usage)
    ending: list[Step] = [hold] if hold else []
    return Reply([*steps, *ending, Send(event(last)), Send(event("[DONE]"))], before=[Pause(0.35)] if pace else [])


class Stage:
    """A server with conversations in every state, by name."""

    def __init__(self, http: httpx2.AsyncClient, upstream: LoopbackOpenRouter) -> None:
        self.http = http
        self.upstream = upstream

    async def play(self, title: str, *turns: tuple[str, Reply], until: str | None = None) -> str:
        """Hold a conversation; with `until` leave its last answer there."""
        conversation: dict[str, Any] = {}
        for message, answer in turns:
            self.upstream.script(answer)
            body = {"message": message, "preset_id": 1, **conversation}
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


@asynccontextmanager
async def staged(upstream: LoopbackOpenRouter) -> AsyncIterator[tuple[str, dict[str, str], Hold]]:
    """A server, the addresses of its conversations, and what keeps one of them being written."""
    upstream.models = [
        {"id": name, "name": title, "context_length": length, "pricing": {"prompt": prompt, "completion": completion}}
        for name, title, length, prompt, completion in LISTED
    ]
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {"OPENROUTER_BASE_URL": upstream.base_url, "HOLDFAST_PROVIDER": "openrouter"}
    with tempfile.TemporaryDirectory() as folder:
        async with process(Path(folder), port, **settings), httpx2.AsyncClient(base_url=url, trust_env=False) as http:
            stage = Stage(http, upstream)
            for title in TITLES:
                await stage.play(title, (title, reply("Gladly.")))
            asked = "Tell me about a lighthouse keeper's day."
            places = {
                "interrupted": await stage.play(
                    "A lighthouse keeper's day", (asked, reply(STORY, hold=Hold())), until=""
                ),
            }
        async with process(Path(folder), port, **settings), httpx2.AsyncClient(base_url=url, trust_env=False) as http:
            stage = Stage(http, upstream)
            limited = refusal(429, "Rate limit exceeded: free models, 20 a minute", headers={"Retry-After": "42"})
            places["error"] = await stage.play(
                "Names for a reading group", ("Suggest names for a reading group.", limited)
            )
            code = reply(ANSWER, pace=0.035, tokens=298)
            places["code"] = await stage.play("Chunks of a sequence", (QUESTION, code))
            hold = Hold()
            half = reply(ANSWER[:640], hold=hold)
            places["streaming"] = await stage.play("Generators, step by step", (QUESTION, half), until="")
            yield url, places, hold


@asynccontextmanager
async def opened(browser: Browser, url: str, theme: str, width: int, height: int) -> AsyncIterator[Page]:
    """A page that has finished drawing."""
    phone = width < 600
    context = await browser.new_context(
        color_scheme="light" if theme == "light" else "dark",
        viewport={"width": width, "height": height},
        has_touch=phone,
        locale="en-GB",
        reduced_motion="reduce",
    )
    page = await context.new_page()
    await page.goto(url)
    await page.get_by_role("textbox", name="Message", exact=True).wait_for()
    yield page
    await context.close()


async def picture(page: Page, path: Path) -> None:
    await page.wait_for_load_state("networkidle") if "streaming" not in path.name else await page.wait_for_timeout(500)
    await page.screenshot(path=path)


async def transcripts(browser: Browser, addresses: dict[str, str], folder: Path, *, theme: str, width: int) -> None:
    for state, address in addresses.items():
        async with opened(browser, address, theme, width, WIDTHS[width]) as page:
            if state != "empty":
                await page.get_by_role("article", name="Answer").first.wait_for()
            await picture(page, folder / f"{state}-{theme}-{width}.png")


async def overlays(browser: Browser, url: str, theme: str, width: int, folder: Path) -> None:
    async with opened(browser, url, theme, width, WIDTHS[width]) as page:
        await page.get_by_role("button", name="Choose a model").click()
        await page.get_by_role("listbox").get_by_role("option").first.wait_for()
        await picture(page, folder / f"picker-{theme}-{width}.png")
        await page.keyboard.press("Escape")
        menu = page.get_by_role("button", name="Conversations")
        if await menu.is_visible():
            await menu.click()
            await expect(page.get_by_role("navigation", name="Conversations")).to_be_visible()
            await picture(page, folder / f"drawer-{theme}-{width}.png")


async def all_states(browser: Browser, folder: Path) -> None:
    async with LoopbackOpenRouter() as upstream, staged(upstream) as (url, places, hold):
        for theme, width in itertools.product(THEMES, WIDTHS):
            addresses = {state: url + place for state, place in {"empty": "/", **places}.items()}
            await transcripts(browser, addresses, folder, theme=theme, width=width)
            await overlays(browser, url + places["code"], theme, width, folder)
        hold.release()


async def readme(browser: Browser, folder: Path) -> None:
    async with LoopbackOpenRouter() as upstream, staged(upstream) as (url, places, hold):
        for theme in THEMES:
            async with opened(browser, url + places["code"], theme, 1440, 900) as page:
                await page.get_by_role("article", name="Answer").first.wait_for()
                await page.get_by_role("article", name="You").first.scroll_into_view_if_needed()
                await picture(page, folder / f"holdfast-{theme}.png")
        hold.release()


async def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(tempfile.gettempdir()) / "holdfast-screenshots")
    parser.add_argument("--readme", action="store_true", help="write the pictures of README.md into docs/images")
    chosen = parser.parse_args(arguments)
    folder: Path = ROOT / "docs" / "images" if chosen.readme else chosen.folder
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - nothing else runs yet
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        await (readme if chosen.readme else all_states)(browser, folder)
        await browser.close()
    print(f"Pictures are in {folder}")


if __name__ == "__main__":
    asyncio.run(main())
