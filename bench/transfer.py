"""What moving conversations takes: a file of M MiB as ChatGPT writes one, looked through, taken in, written out again.

    .venv/bin/python bench/transfer.py [--mib 1024] [--only-look]

Each step is the command itself in a process of its own, on an empty database; `peak` is the most memory it ever held.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

TEXT = (
    "so that what was said here stays and is found when looked for *again* `code` and\tmore \n\n- \u00e9 \u201cso\u201d"
)
WORDS = TEXT.split(" ")
MIB = 1 << 20


def conversation(random: Random, number: int) -> bytes:
    """Questions and answers in turn, with a branch now and then."""
    nodes: dict[str, dict[str, object]] = {"root": {"message": None, "parent": None, "children": []}}
    parent = "root"
    for at in range(random.randint(2, 40)):
        id_ = f"node-{number}-{at}"
        role = "assistant" if at % 2 else "user"
        said = " ".join(random.choices(WORDS, k=random.randint(10, 600)))
        message = {
            "author": {"role": role, "metadata": {}},
            "create_time": 1.7e9 + number + at,
            "content": {"content_type": "text", "parts": [said]},
            "recipient": "all",
            "metadata": {"model_slug": "gpt-4o"},
        }
        nodes[id_] = {"id": id_, "message": message, "parent": parent, "children": []}
        nodes[parent]["children"].append(id_)  # type: ignore[attr-defined]
        parent = id_
    about = {"title": f"Conversation {number}", "conversation_id": f"c{number}", "current_node": parent}
    return json.dumps(about | {"create_time": 1.7e9 + number, "update_time": 1.7e9 + number, "mapping": nodes}).encode()


def pieces(mib: int) -> Iterator[bytes]:
    """A file of that size."""
    random, size, number = Random(1), 0, 0
    while size < mib * MIB:
        piece = (b"," if number else b"[") + conversation(random, number)
        number += 1
        size += len(piece)
        yield piece
    yield b"]"


def run(step: str, size: float, environment: dict[str, str], *arguments: object) -> None:
    """Time a command, and print its row."""
    script = (
        "import resource, sys; from holdfast import commands\n"
        "try: commands.main()\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", script, *map(str, arguments)]
    ended = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
    took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak = int(ended.stderr.split()[-1]) / 1024
    told = next((line.split(": ", 1)[1] for line in ended.stdout.splitlines() if ": " in line), "")
    print(f"{step:12}{took:9.1f} s{size / took:9.1f} MB/s{processor:9.1f} s of processor{peak:8.0f} MB peak   {told}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--only-look", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file, data, out = Path(folder, "conversations.json"), Path(folder, "data"), Path(folder, "out.json")
        with file.open("wb") as target:
            target.writelines(pieces(options.mib))
        environment = {"HOLDFAST_DATA_DIR": str(data)}
        begun = "import asyncio, pathlib, sys; from holdfast.store import open_store\n"
        begun += (
            "async def main(): await (await open_store(pathlib.Path(sys.argv[1]), print)).aclose()\nasyncio.run(main())"
        )
        data.mkdir()
        subprocess.run([sys.executable, "-c", begun, data / "holdfast.sqlite3"], check=True)
        size = file.stat().st_size / 1e6
        run("look", size, environment, "import", file, "--dry-run")
        if options.only_look:
            return
        run("take in", size, environment, "import", file)
        run("again", size, environment, "import", file)
        run("write out", size, environment, "export", "conversations", out)


if __name__ == "__main__":
    main()
