"""What an answer cites, out of the `annotations` beside its text: pages on the web, and nothing that is not one.

Source: https://openrouter.ai/docs/features/web-search. Every field may be missing, and nobody vouches for any.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from holdfast.domain import Citation
from holdfast.text import caption, web_host

_LOOKED_AT = 1000
"""Annotations of one chunk that are looked at. Ten times what is kept, for many name one page again and again."""


def read(annotations: object) -> Iterator[Citation]:
    """What is cited, in order and as often as it is; whatever else stands there is passed over."""
    if isinstance(annotations, list):
        for annotation in islice(annotations, _LOOKED_AT):
            cited = annotation.get("url_citation") if isinstance(annotation, dict) else None
            if isinstance(cited, dict) and annotation.get("type") == "url_citation":
                yield from _read(cited)


def _read(cited: dict[str, Any]) -> Iterator[Citation]:
    url, title = cited.get("url"), cited.get("title")
    if isinstance(url, str) and web_host(url):
        yield Citation(url, caption(title) if isinstance(title, str) else "")
