"""Who is asking, what can answer, and whether the process is well."""

from holdfast.domain import timestamp
from holdfast.errors import ShuttingDown
from holdfast.http import shapes
from holdfast.http.parts import Owner, Wired


async def get_session(parts: Wired, _owner: Owner) -> shapes.Session:
    """Who am I."""
    return shapes.Session(kind="owner", name="Owner", demo=parts.demo, version=parts.version)


async def list_models(parts: Wired, _owner: Owner) -> shapes.Models:
    """The provider's live list; while the provider cannot be reached, the last one it gave."""
    models = await parts.catalogue.models()
    listed_at = parts.catalogue.listed_at
    return shapes.Models(
        items=[shapes.model(model) for model in models], listed_at=None if listed_at is None else timestamp(listed_at)
    )


async def health() -> shapes.Health:
    """The process is alive."""
    return shapes.Health(status="ok")


async def ready(parts: Wired) -> shapes.Health:
    """It can serve: the database answers and the process is not on its way out. The provider is not asked."""
    if parts.streams.closing:
        raise ShuttingDown(retry_after=5)
    await parts.store.check()
    return shapes.Health(status="ready")
