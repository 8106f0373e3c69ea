"""The pages that are made from the code are what the code says, and the others name only what exists."""

import importlib
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from fastapi.routing import APIRoute
from generate import _ANSWERS, generate
from words import WORDS

from holdfast.config import SECRETS, Settings, names
from holdfast.http import errors
from holdfast.http.parts import checked_id
from holdfast.http.routes import routes

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
FILE = re.compile(r"`((?:\.ci|bench|docs|src|tests|web)/[\w./-]+)`")
SETTING = re.compile(r"(?<![\w/])(?:HOLDFAST|OPENROUTER|DATABASE|REDIS|FORWARDED)_[A-Z_]+")
LIMIT = re.compile(r"^\|[^|]+\| ([\d.]+)(?: (\w+))? \| `([\w.]+)` \|$", re.MULTILINE)
UNITS = {"": 1, "s": 1, "ms": 0.001, "KiB": 1024, "MiB": 1024**2}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["docs/configuration.md", ".env.example", "docs/protocol.md"])
def test_a_page_made_from_the_code_is_fresh(name: str) -> None:
    assert read(name) == generate()[ROOT / name], "run `make docs`"


def test_every_setting_has_its_words() -> None:
    page = generate()[ROOT / "docs" / "configuration.md"]
    sections = page.split("\n## ")[1:]
    assert len(sections) >= 25
    for section in sections:
        assert section.split("\n\n")[1].endswith("."), section


def test_the_protocol_tells_every_address_and_every_error() -> None:
    page = read("docs/protocol.md")
    shown = [route for route in routes().routes if isinstance(route, APIRoute) and route.include_in_schema]
    assert len(shown) >= 15
    for route in shown:
        for method in route.methods or ():
            assert f"### `{method} {route.path}`\n" in page
    for code, status in errors._STATUS.items():
        assert f"\n| `{code}` | {status} | " in page


def test_the_protocols_words_are_about_what_exists() -> None:
    page = read("docs/protocol.md")
    for name, words in WORDS.items():
        shape, _, field = name.rpartition(".")
        part = page.partition(f"\n### {shape}\n")[2].partition("\n### ")[0] if shape else page
        assert re.search(rf"^\| `{field}`.*\| {re.escape(words)}", part, re.MULTILINE), name
    for call in _ANSWERS:
        assert f"### `{call}`\n" in page


def test_the_protocols_examples_bear_ids_as_they_are_made() -> None:
    ids = set(re.findall(r'"(?:\w+_)?id":"(01\w+)"', read("docs/protocol.md")))
    assert len(ids) >= 5
    for each in ids:
        assert checked_id(each)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_only_files_and_settings_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in FILE.findall(text):
        assert (ROOT / name).exists(), f"{page.name} names {name}"
    known = {name for field in Settings.model_fields.values() for name in names(field)}
    known |= {f"{name}_FILE" for name in SECRETS} | {"HOLDFAST_"}
    assert set(SETTING.findall(text)) <= known


def test_the_picture_of_the_layers_is_the_contract() -> None:
    contracts = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    picture = read("docs/architecture.md").partition("\n## Layers\n")[2].partition("\n## ")[0]
    drawn = [set(re.findall(r"`(\w+)`", row)) for row in re.findall(r"^\| (`[^|]*) \|", picture, re.MULTILINE)]
    assert drawn == [set(layer.split(" | ")) for layer in layers if layer != "__main__"]


def test_the_limits_are_those_of_the_code() -> None:
    found = LIMIT.findall(read("docs/operating.md"))
    assert len(found) >= 15
    for number, unit, place in found:
        assert float(number) * UNITS[unit] == pytest.approx(value_of(place)), place


def value_of(place: str) -> float:
    """A setting's default, or the constant that a dotted name leads to."""
    if "." not in place:
        return float(next(field.default for field in Settings.model_fields.values() if place in names(field)))
    value: object = importlib.import_module("holdfast")
    for part in place.split("."):
        if isinstance(value, ModuleType) and not hasattr(value, part):
            value = importlib.import_module(f"{value.__name__}.{part}")
        else:
            value = getattr(value() if isinstance(value, type) else value, part)
    assert isinstance(value, int | float)
    return float(value)
