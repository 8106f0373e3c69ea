"""The states people meet, each told in their language and without barriers."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from playwright.async_api import expect

from e2e.conftest import Visit
from e2e.network import Cable, free_port
from e2e.test_accessible import BOTH, without_barriers
from openrouter import LoopbackOpenRouter
from replies import Hold, answer, refusal
from serving import process

pytestmark = pytest.mark.anyio

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "message": "Message",
        "answer": "Answer",
        "rate limited": "no more requests just now.*in 7 s",
        "out of credit": "no credit left.*choose a free model",
        "refused": "did not accept the API key",
        "interrupted": "This answer was interrupted. What was written is kept.",
        "try again": "Try again",
        "offline": "You are offline. Answers go on on the server",
        "reconnecting": "The connection broke. Reconnecting …",
    },
    "de": {
        "message": "Nachricht",
        "answer": "Antwort",
        "rate limited": "Das Modell ist gerade sehr gefragt.*in 7 s noch einmal",
        "out of credit": "Das Guthaben beim Anbieter ist verbraucht.*wähle ein kostenloses Modell",
        "refused": "Der Anbieter hat die Anfrage abgelehnt.*prüfe den Schlüssel",
        "interrupted": "Diese Antwort wurde unterbrochen. Was geschrieben war, ist aufbewahrt.",
        "try again": "Erneut versuchen",
        "offline": "Du bist offline. Antworten gehen auf dem Server weiter",
        "reconnecting": "Die Verbindung ist abgerissen. Wird wieder verbunden …",
    },
}


@pytest.mark.parametrize("language", ["de", pytest.param("en", marks=pytest.mark.long)])
async def test_each_state_is_told_in_the_persons_language(
    visit: Visit, upstream: LoopbackOpenRouter, tmp_path: Path, language: str
) -> None:
    words = WORDS[language]
    hold = Hold()
    refusals = {
        "rate limited": refusal(429, "Slow down", headers={"Retry-After": "7"}),
        "out of credit": refusal(402, "Insufficient credits"),
        "refused": refusal(401, "No auth credentials found"),
    }
    upstream.script(*refusals.values(), answer("Half ", "of it.", holds={1: hold}))
    port = free_port()
    async with Cable(f"http://127.0.0.1:{port}") as cable:
        async with process(tmp_path, upstream.base_url, PORT=str(port)) as (_, running):
            person = await visit(cable.url, locale=language)
            page, keyboard = person.page, person.page.keyboard
            answers = page.get_by_role("article", name=words["answer"], exact=True)
            bar = page.get_by_role("status")

            async def ask(position: int) -> None:
                await page.get_by_role("textbox", name=words["message"], exact=True).fill("?")
                await keyboard.press("Enter")
                await expect(answers).to_have_count(position + 1)

            for position, state in enumerate(refusals):
                await ask(position)
                await expect(answers.last).to_contain_text(re.compile(words[state]))
            await without_barriers(person, *BOTH)
            await ask(3)
            await expect(answers.last).to_contain_text("Half")
            await person.context.set_offline(True)
            await expect(bar.filter(has_text=words["offline"])).to_be_visible()
            await without_barriers(person, *BOTH)
            await person.context.set_offline(False)
            await expect(bar.filter(has_text=words["offline"])).to_have_count(0)
            await cable.cut()
            await expect(bar.filter(has_text=words["reconnecting"])).to_be_visible()
            await without_barriers(person, *BOTH)
            running.kill()
            await running.wait()
        async with process(tmp_path, upstream.base_url, PORT=str(port)):
            await cable.mend()
            await expect(answers.last.get_by_text(words["interrupted"])).to_be_visible()
            await expect(answers.last).to_contain_text("Half")
            await expect(answers.last.get_by_role("button", name=words["try again"])).to_be_visible()
            await expect(bar.filter(has_text=words["reconnecting"])).to_have_count(0)
            await without_barriers(person, *BOTH)
