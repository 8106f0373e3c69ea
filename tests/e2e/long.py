"""Much of everything: a conversation of 2,000 messages and a list of 10,000, written in a second."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from holdfast.domain import PERSONAL_OWNER
from holdfast.store import open_store

EXCHANGES, CONVERSATIONS = 1000, 10_000
CONVERSATION = ("id", "owner_id", "title", "title_source", "current_message_id", "created_at", "updated_at")
MESSAGE = ("id", "conversation_id", "parent_id", "role", "content", "status", "created_at")
ANSWER = """\
Answer number {number} has **some** length, so that it takes a few lines on a screen of the usual width, `code` in its \
text, and a list:

- one
- two

```python
def number_{number}() -> int:
    return {number}  # {filling}
```

{filling}
"""


async def fill(data: Path) -> str:
    """Write both into an empty folder, and give the id of the long conversation, which is the newest."""
    database = data / "holdfast.sqlite3"
    await (await open_store(database, lambda _line: None)).aclose()
    long = f"c{CONVERSATIONS:025}"
    newest = datetime.now(UTC)
    now = int(newest.timestamp() * 1e6)
    conversations, messages = [], []
    for number in range(1, CONVERSATIONS + 1):
        at = int((newest - timedelta(minutes=40 * (CONVERSATIONS - number))).timestamp() * 1e6)
        title = "A long conversation" if number == CONVERSATIONS else f"Conversation {number:05}"
        end = f"a{EXCHANGES:025}" if number == CONVERSATIONS else None
        conversations.append((f"c{number:025}", PERSONAL_OWNER, title, "user", end, at, at))
    for number in range(1, EXCHANGES + 1):
        parent = f"a{number - 1:025}" if number > 1 else None
        answer = ANSWER.format(number=number, filling="and so it goes on " * (number % 30))
        question = f"q{number:025}"
        messages.append((question, long, parent, "user", f"Question number {number}?", "complete", now))
        messages.append((f"a{number:025}", long, question, "assistant", answer, "complete", now))
    with closing(sqlite3.connect(database)) as connection, connection:
        for name, columns, rows in (("conversations", CONVERSATION, conversations), ("messages", MESSAGE, messages)):
            marks = ", ".join("?" * len(columns))
            connection.executemany(f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({marks})", rows)
    return long
