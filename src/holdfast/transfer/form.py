"""The two forms of a file. Apart from what makes them, for the command line needs nothing else at its start."""

from enum import StrEnum


class Form(StrEnum):
    """What a file may be: complete, for programs, or the current branches, for people."""

    JSON = "json"
    MARKDOWN = "markdown"

    @property
    def suffix(self) -> str:
        """What a file's name ends with."""
        return ".json" if self is Form.JSON else ".md"

    @property
    def media_type(self) -> str:
        """What a browser is told."""
        return "application/json" if self is Form.JSON else "text/markdown; charset=utf-8"
