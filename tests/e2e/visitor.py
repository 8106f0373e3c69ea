"""A person's browser, watched: whatever leaves the origin, runs or is blocked without being expected fails the test.

The words are those of the page in English, so a test reads as what the person sees.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Dialog, Locator, Page, Request, WebError, expect

REPORT = """addEventListener('securitypolicyviolation', (event) =>
    console.error('securitypolicyviolation', event.effectiveDirective, event.blockedURI))"""
"""Says on the console what the policy blocked, so that it is heard across reloads."""

VIOLATION = re.compile(r"securitypolicyviolation|Content Security Policy|TrustedHTML|TrustedScript")


@dataclass
class Watch:
    """What happened in a context that a page without faults never does."""

    origin: str
    seen: list[str] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)

    async def attach(self, context: BrowserContext) -> None:
        context.on("request", self._request)
        context.on("console", self._console)
        context.on("dialog", self._dialog)
        context.on("weberror", self._error)
        await context.add_init_script(REPORT)

    def take(self) -> list[str]:
        """What was seen until now, which then counts as expected."""
        taken, self.seen = self.seen, []
        return taken

    def _request(self, request: Request) -> None:
        url = urlsplit(request.url)
        self.paths.add(url.path)
        if f"{url.scheme}://{url.netloc}" != self.origin:
            self.seen.append(f"request {request.url[:200]}")

    def _console(self, message: ConsoleMessage) -> None:
        if VIOLATION.search(message.text):
            self.seen.append(f"violation {message.text[:300]}")

    async def _dialog(self, dialog: Dialog) -> None:
        self.seen.append(f"dialog {dialog.message}")
        await dialog.dismiss()

    def _error(self, error: WebError) -> None:
        self.seen.append(f"error {error.error}")


@dataclass
class Visitor:
    """One person at one page."""

    page: Page
    context: BrowserContext
    watch: Watch

    @property
    def message(self) -> Locator:
        """The field a message is written in."""
        return self.page.get_by_role("textbox", name="Message", exact=True)

    @property
    def questions(self) -> Locator:
        return self.page.get_by_role("article", name="You", exact=True)

    @property
    def answers(self) -> Locator:
        return self.page.get_by_role("article", name="Answer", exact=True)

    @property
    def text(self) -> Locator:
        """The last answer's text."""
        return self.answers.last.locator(".markdown").last

    @property
    def conversations(self) -> Locator:
        return self.page.get_by_role("navigation", name="Conversations").get_by_role("link")

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    async def in_menu(self, what: str, row: Locator | None = None) -> None:
        """Choose from the menu of a conversation's row, the only one unless given."""
        row = row or self.conversations
        await row.hover()
        await row.locator("..").get_by_role("button", name="More about").click()
        await self.page.get_by_role("menuitem", name=what, exact=True).click()

    async def say(self, text: str) -> None:
        """Write a message and, once nothing is being answered, send it as most people do."""
        await self.message.fill(text)
        await expect(self.button("Stop")).to_have_count(0)
        await self.message.press("Enter")

    async def choose(self, model: str) -> None:
        """Pick a model in the list by its whole id."""
        await self.page.get_by_role("button", name="Choose a model").click()
        await self.page.get_by_role("combobox", name="Search by name").fill(model)
        await self.page.get_by_role("listbox").get_by_role("option").first.click()

    async def another_tab(self, url: str | None = None) -> "Visitor":
        """A second tab of the same browser."""
        page = await self.context.new_page()
        await page.goto(url or self.page.url)
        return Visitor(page, self.context, self.watch)
