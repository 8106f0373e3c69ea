"""Writes what is made from the settings: docs/configuration.md and .env.example. `make docs` runs it.

tests/test_docs.py fails when a file here is not what this would write.
"""

import textwrap
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from holdfast.config import SECRETS, Settings, names, rule

ROOT = Path(__file__).parent.parent

_PAGE = """\
# Configuration

Holdfast is configured by environment variables; a `.env` file in the working directory is read too
([.env.example](../.env.example) is one to start from). The environment beats the file, and an empty value counts as
not set. A setting that is wrong stops the start with one line for each: its name, its value, what is allowed. An
unknown variable that begins with `HOLDFAST_` is named in a warning.

This page is made from `src/holdfast/config.py` by `make docs`.
"""

_EXAMPLE = """\
# Settings of Holdfast: copy this file to .env and set what you need. docs/configuration.md tells more.
# The environment beats this file. Made from src/holdfast/config.py by `make docs`.
"""


def default(field: FieldInfo) -> str:
    """The default as an operator would write it, or in words."""
    if words := rule(field).default:
        return words
    value = field.default
    assert value is not PydanticUndefined, "a default that is computed needs words in its Rule"
    return f"`{written(value)}`"


def written(value: object) -> str:
    """A value in the form that a variable takes."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def section(field: FieldInfo) -> str:
    """A field's part of the page."""
    name, *others = names(field)
    facts = [f"Default: {default(field)}.", f"Allowed: {rule(field).allowed}."]
    if name in SECRETS:
        facts.append(f"Secret: never shown, and also read from the file that `{name}_FILE` names.")
    if others:
        facts.append(f"Also: {', '.join(f'`{other}`' for other in others)}.")
    return "\n".join([f"\n## `{name}`\n", field.description or "", "", *(f"- {fact}" for fact in facts), ""])


def example(field: FieldInfo) -> str:
    """A field's part of the example."""
    words = " ".join((field.description or "").replace("`", "").split())
    value = "" if rule(field).default else written(field.default)
    return "\n".join(["", *(f"# {line}" for line in textwrap.wrap(words, 110)), f"# {names(field)[0]}={value}", ""])


def generate() -> dict[Path, str]:
    """Every file that is made here, with its text."""
    fields = Settings.model_fields.values()
    return {
        ROOT / "docs" / "configuration.md": _PAGE + "".join(section(field) for field in fields),
        ROOT / ".env.example": _EXAMPLE + "".join(example(field) for field in fields),
    }


if __name__ == "__main__":
    for path, text in generate().items():
        path.write_text(text, encoding="utf-8")
