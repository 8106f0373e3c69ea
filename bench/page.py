"""How the page keeps up, in a Chromium at a fourth of the processor: Markdown with code at 200 tokens a second.

    .venv/bin/python bench/page.py [--rate 200] [--seconds 15] [--slower 4] [--messages 2000] [--profile FILE]

Prints frames a second, the longest wait for a frame and the tasks over 50 ms: of a page that does nothing, of one that
is written to, first Markdown with code and then formulas too, and of one that is scrolled; and how long it takes until
a page can be typed into, and until a long conversation is there. The idle page tells what the machine allows (without
a graphics card it may be under 60): quote ratios of one run. `--profile` writes where the time went, a file a text.
"""

import argparse
import asyncio
import itertools
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, CDPSession, Page, async_playwright
from stream import Upstream, chunk

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))  # the server's process and the browser's arguments are the tests' own

from e2e.conftest import ARGUMENTS  # noqa: E402 - as above
from serving import Served, process  # noqa: E402

DONE = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
TOKEN = 4
"""Letters in a token, about."""

TEXTS = {"code": ("guide", "paper", "reference"), "formulas": ("mathematics", "guide", "directions")}
"""The documents between which code stands, by what is in them."""

SPENT = {"script": "ScriptDuration", "style": "RecalcStyleDuration", "layout": "LayoutDuration", "all": "TaskDuration"}

METER = """() => {
    const [frames, tasks] = [[], []];
    const keep = (list) => tasks.push(...list.getEntries().map(({ duration }) => duration));
    const observer = new PerformanceObserver(keep);
    observer.observe({ type: 'longtask' });
    let going = true;
    const frame = (at) => { frames.push(at); if (going) requestAnimationFrame(frame); };
    requestAnimationFrame(frame);
    window.meter = () => { going = false; observer.disconnect(); return { frames, tasks }; };
}"""

READY = """() => {
    const look = () => {
        const field = document.querySelector('#message');
        if (!field || field.disabled) return requestAnimationFrame(look);
        setTimeout(() => { window.ready = performance.now(); });
    };
    addEventListener('DOMContentLoaded', look);
}"""


@dataclass(frozen=True)
class Smoothness:
    """What a meter read."""

    fps: float
    worst: float
    tasks: list[float]

    def row(self, name: str, idle: "Smoothness | None" = None) -> str:
        """One line of the table."""
        ratio = f"{self.fps / idle.fps:8.2f}" if idle else " " * 8
        longest = max(self.tasks, default=0.0)
        return f"{name:22}{self.fps:8.1f}{ratio}{self.worst:12.0f}{len(self.tasks):8}{longest:12.0f}"


class Author(Upstream):
    """Writes Markdown with code at a steady rate, a token at a time."""

    def __init__(self, tokens: int, rate: float) -> None:
        super().__init__(tokens, rate)
        self.short = False
        self.write("code")

    def write(self, kind: str) -> None:
        """Write this kind of text next."""
        self.kind = kind
        self.begun = asyncio.Event()
        self.written = asyncio.Event()

    def text(self) -> str:
        folder = ROOT / "web" / "src" / "text" / "documents"
        documents = [folder / f"{name}.md" for name in TEXTS[self.kind]]
        code = sorted((ROOT / "src" / "holdfast" / "http").glob("*.py"))
        parts = (
            f"{document.read_text('utf-8')}\n\nThe code:\n\n```python\n{source.read_text('utf-8')}```\n\n"
            for document, source in zip(itertools.cycle(documents), itertools.cycle(code), strict=False)
        )
        whole = ""
        while len(whole) < self.tokens * TOKEN:
            whole += next(parts)
        return whole[: self.tokens * TOKEN]

    async def complete(self, writer: asyncio.StreamWriter, _body: bytes) -> None:
        loop = asyncio.get_running_loop()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        text = "Some **words** and `code`.\n\n- one\n- two\n" if self.short else self.text()
        begun = loop.time()
        self.begun.set()
        for number in range(0, len(text), TOKEN):
            due = begun + number / TOKEN / self.rate
            if not self.short and (wait := due - loop.time()) > 0:
                await asyncio.sleep(wait)
            self.late = max(self.late, loop.time() - due)
            writer.write(chunk({"delta": {"content": text[number : number + TOKEN]}}))
        writer.write(chunk({"delta": {}, "finish_reason": "stop"}) + DONE)
        self.written.set()


async def read(page: Page) -> Smoothness:
    """Stop the meter."""
    found: dict[str, list[float]] = await page.evaluate("meter()")
    frames = found["frames"]
    waits = [after - before for before, after in itertools.pairwise(frames)]
    return Smoothness(len(waits) / (frames[-1] - frames[0]) * 1000, max(waits), found["tasks"])


async def spent(session: CDPSession) -> dict[str, float]:
    """Seconds of the main thread so far, by what they went into."""
    metrics = {each["name"]: each["value"] for each in (await session.send("Performance.getMetrics"))["metrics"]}
    return {name: metrics[metric] for name, metric in SPENT.items()}


async def opened(browser: Browser, url: str, slower: float) -> tuple[Page, CDPSession]:
    """A page in a browser of its own at so small a part of the processor."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
    page = await context.new_page()
    session = await context.new_cdp_session(page)
    await session.send("Emulation.setCPUThrottlingRate", {"rate": slower})
    await page.add_init_script(f"({READY})()")
    await page.goto(url)
    await page.wait_for_function("window.ready !== undefined")
    return page, session


async def interactive(browser: Browser, url: str, slower: float) -> list[float]:
    """Milliseconds until the page can be typed into, five times, with nothing kept from before."""
    times = []
    for _ in range(5):
        page, _ = await opened(browser, url, slower)
        times.append(await page.evaluate("window.ready"))
        await page.context.close()
    return sorted(times)


async def idle(browser: Browser, url: str, options: argparse.Namespace) -> Smoothness:
    """A page that does nothing."""
    page, _ = await opened(browser, url, options.slower)
    await page.evaluate(f"({METER})()")
    await page.wait_for_timeout(5000)
    found = await read(page)
    await page.context.close()
    return found


async def streaming(browser: Browser, url: str, author: Author, options: argparse.Namespace) -> Smoothness:
    """A page that is written to."""
    page, session = await opened(browser, url, options.slower)
    await page.get_by_role("textbox", name="Message", exact=True).fill("Write.")
    await session.send("Performance.enable")
    before = await spent(session)
    if options.profile:
        await session.send("Profiler.enable")
        await session.send("Profiler.start")
    await page.keyboard.press("Enter")
    await author.begun.wait()
    await page.evaluate(f"({METER})()")
    await author.written.wait()  # Nothing is asked of the page meanwhile: that would cost it frames.
    found = await read(page)
    after = await spent(session)
    shares = ", ".join(f"{name} {after[name] - before[name]:.1f} s" for name in SPENT)
    print(f"main thread: {shares}; upstream late {author.late * 1000:.0f} ms", file=sys.stderr)
    if options.profile:
        kept = await session.send("Profiler.stop")
        options.profile.with_suffix(f".{author.kind}.json").write_text(json.dumps(kept["profile"]), "utf-8")
    await page.context.close()
    return found


async def long_conversation(browser: Browser, served: Served, author: Author, options: argparse.Namespace) -> None:
    author.short = True
    place: dict[str, Any] = {}
    for number in range(options.messages // 2):
        frames = await served.send(f"Question {number}?", model_id="bench/model", **place)
        place = {"conversation_id": frames[0].event["conversation_id"]}
    await served.http.patch(f"/api/conversations/{place['conversation_id']}", json={"title": "A long one"})
    for slower in (1, options.slower):
        page, _ = await opened(browser, served.url, slower)
        link = page.get_by_role("link", name="A long one")
        await link.wait_for()
        took = await page.evaluate("""async () => {
            const begun = performance.now();
            [...document.querySelectorAll('nav a')].find((link) => link.textContent.includes('A long one')).click();
            while (document.querySelectorAll('article .markdown').length < 5) await new Promise(requestAnimationFrame);
            await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
            return performance.now() - begun;
        }""")
        print(f"\n{options.messages} messages at 1/{slower:g} of the processor are there after {took:.0f} ms")
        await page.evaluate(f"({METER})()")
        await page.mouse.move(800, 400)
        for _ in range(120):
            await page.mouse.wheel(0, -240)
            await page.wait_for_timeout(16)
        print((await read(page)).row("it is scrolled"))
        await page.context.close()


async def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--slower", type=float, default=4.0)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--profile", type=Path)
    options = parser.parse_args(arguments)
    author = Author(round(options.rate * options.seconds), options.rate)
    listener = await asyncio.start_server(author.answer, "127.0.0.1", 0, limit=1 << 22)
    base_url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
    with tempfile.TemporaryDirectory() as folder:
        async with (
            process(Path(folder), base_url, HOLDFAST_LIMITS="off") as (served, _),
            async_playwright() as playwright,
        ):
            browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
            times = await interactive(browser, served.url, options.slower)
            print(f"At 1/{options.slower:g} of the processor the page can be typed into after", end=" ")
            print(f"{times[2]:.0f} ms ({times[0]:.0f} to {times[-1]:.0f})\n")
            print("                           fps to idle  worst, ms    over 50 ms  longest")
            still = await idle(browser, served.url, options)
            print(still.row("nothing happens"))
            for kind in TEXTS:
                author.write(kind)
                found = await streaming(browser, served.url, author, options)
                print(found.row(f"{kind} is written", still))
            if options.messages:
                await long_conversation(browser, served, author, options)
            await browser.close()
    listener.close()


if __name__ == "__main__":
    asyncio.run(main())
