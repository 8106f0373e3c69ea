"""What people say of an answer, and which of several they go on with."""

from typing import Annotated

from fastapi import Depends
from pydantic import AfterValidator, Field

from holdfast import domain, text
from holdfast.errors import Invalid
from holdfast.http import shapes
from holdfast.http.parts import Owner, PathId, Wired, is_id
from holdfast.http.requests import Body, body_of

Reason = Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")]


def _one(rating: int) -> int:
    if rating not in (1, -1):
        raise ValueError("a rating is 1 or -1")
    return rating


class Rating(Body):
    """1 for a good answer, -1 for a bad one, null to take it back; why, as short labels, and in words."""

    rating: Annotated[int, AfterValidator(_one)] | None
    reasons: Annotated[list[Reason], Field(default_factory=list, max_length=8)]
    comment: Annotated[str, Field(max_length=2000)] | None = None


class Pick(Body):
    """The answer to go on with."""

    message_id: str


async def rate(
    parts: Wired, owner: Owner, message_id: PathId, body: Annotated[Rating, Depends(body_of(Rating))]
) -> shapes.Message:
    """Rate an answer."""
    comment = text.canonical(body.comment).strip() if body.comment else None
    rating = domain.Rating(body.rating, tuple(dict.fromkeys(body.reasons)), comment or None) if body.rating else None
    return shapes.message(await parts.chat.rate(owner, message_id, rating))


async def get_comparison(parts: Wired, owner: Owner, message_id: PathId) -> shapes.Comparison:
    """The answers side by side to a user's message that was sent to several models."""
    return shapes.comparison(await parts.store.comparisons.get(owner, message_id))


async def pick(
    parts: Wired, owner: Owner, message_id: PathId, body: Annotated[Pick, Depends(body_of(Pick))]
) -> shapes.Comparison:
    """Go on with one of the answers to a user's message that was sent to several models.

    Its branch becomes the current one. It counts as rated 1, with the reason `picked`, where nobody has rated it; the
    others get no rating. It may be done again with another one.
    """
    if not is_id(body.message_id):
        raise Invalid("message_id is not one of the answers side by side.")
    return shapes.comparison(await parts.chat.pick(owner, message_id, body.message_id))
