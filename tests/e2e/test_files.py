"""Text files that are dropped or pasted become part of the draft; what cannot be taken is said in a sentence."""

from base64 import b64encode

import pytest
from playwright.async_api import expect

from e2e.conftest import Visit
from e2e.test_accessible import BOTH, without_barriers
from e2e.visitor import Visitor
from openrouter import LoopbackOpenRouter
from serving import Served

pytestmark = pytest.mark.anyio

GIVE = """({ files, how, target }) => {
    const data = new DataTransfer();
    const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    for (const [name, content] of files) data.items.add(new File([bytes(content)], name));
    const at = document.querySelector(target);
    const options = { bubbles: true, cancelable: true };
    if (how === 'paste') return !at.dispatchEvent(new ClipboardEvent('paste', { ...options, clipboardData: data }));
    at.dispatchEvent(new DragEvent('dragover', { ...options, dataTransfer: data }));
    return new Promise((resolve) => requestAnimationFrame(() => {
        const shown = document.body.innerText.includes('Drop text files here');
        resolve(shown && !at.dispatchEvent(new DragEvent('drop', { ...options, dataTransfer: data })));
    }));
}"""


async def give(person: Visitor, files: dict[str, bytes], how: str = "drop", target: str = "main") -> bool:
    """Drop or paste files; whether the page took it up instead of the browser."""
    listed = [[name, b64encode(content).decode()] for name, content in files.items()]
    taken: bool = await person.page.evaluate(GIVE, {"files": listed, "how": how, "target": target})
    return taken


async def test_files_become_part_of_the_draft_and_are_sent(
    visit: Visit, served: Served, upstream: LoopbackOpenRouter
) -> None:
    person = await visit(served.url)
    await person.message.fill("What do these do?")
    files = {"hello.py": b"print('hello')\n", "notes.md": "```\nÜber\n```".encode()}
    assert await give(person, files)
    code, prose = "`hello.py`\n\n```py\nprint('hello')\n```\n", "`notes.md`\n\n````md\n```\nÜber\n```\n````\n"
    whole = f"What do these do?\n\n{code}\n{prose}\n"
    await expect(person.message).to_have_value(whole)
    await person.page.reload()
    await expect(person.message).to_have_value(whole)
    assert await give(person, {"more.txt": b"more"}, "paste", "#message")
    await expect(person.message).to_have_value(whole.rstrip("\n") + "\n\n`more.txt`\n\n```txt\nmore\n```\n\n")
    await person.button("Send").click()
    await expect(person.text).to_contain_text("t19")
    assert upstream.completions[0].body["messages"][-1]["content"].startswith(whole.rstrip())


async def test_what_is_no_text_or_too_long_is_refused_in_words(visit: Visit, served: Served) -> None:
    person = await visit(served.url)
    alert = person.page.get_by_role("alert")
    assert await give(person, {"photo.png": b"\x89PNG\r\n\x1a\n\0", "fine.txt": b"fine", "big.log": b"x" * 300_000})
    await expect(person.message).to_have_value("`fine.txt`\n\n```txt\nfine\n```\n\n")
    await expect(alert).to_contain_text("photo.png” is not text.")
    await expect(alert).to_contain_text("it has 293 kB, and this message has room for 255 of 256 kB.")
    await without_barriers(person, *BOTH)
    await person.message.press_sequentially("!")
    await expect(alert).to_have_count(0)
    await person.page.keyboard.press("Control+,")
    await expect(person.page.get_by_role("dialog")).to_be_visible()
    assert not await give(person, {"late.txt": b"late"})
    await expect(person.message).to_have_value("`fine.txt`\n\n```txt\nfine\n```\n\n!")
