"""The seeded defects fit the source as it is, and are those that the documentation lists.

That each is caught takes minutes: `bench/mutants.py` alone.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_mutant_can_be_applied_and_is_documented() -> None:
    listed = subprocess.run(
        [sys.executable, "bench/mutants.py", "--list"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert listed.returncode == 0, listed.stderr
    known = re.findall(r"^(P\d+) +(.+?)  \((.+)\)$", listed.stdout, re.MULTILINE)
    documented = re.findall(
        r"^\| (P\d+) \| (.+?) \| (.+?) \|$", (ROOT / "docs/reliability.md").read_text("utf-8"), re.MULTILINE
    )
    assert len(known) >= 22
    assert known == [
        (promise, defect, tests.replace("`", "").replace(",", "")) for promise, defect, tests in documented
    ]
    assert [name for *_, tests in known for name in tests.split() if not (ROOT / name).exists()] == []
