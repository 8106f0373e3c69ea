"""The pages that are made from the code are what the code says."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


def generated() -> dict[Path, str]:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    files: dict[Path, str] = module.generate()
    return files


@pytest.mark.parametrize("name", ["docs/configuration.md", ".env.example"])
def test_a_page_made_from_the_settings_is_fresh(name: str) -> None:
    path = ROOT / name
    assert path.read_text(encoding="utf-8") == generated()[path], "run `make docs`"


def test_every_setting_has_its_words() -> None:
    page = generated()[ROOT / "docs" / "configuration.md"]
    sections = page.split("\n## ")[1:]
    assert len(sections) >= 25
    for section in sections:
        assert section.split("\n\n")[1].endswith("."), section


@pytest.mark.parametrize(
    "page", sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/**/*.md")), ids=lambda page: page.name
)
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
