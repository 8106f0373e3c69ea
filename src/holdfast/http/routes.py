"""All routes, on one screen."""

from functools import partial

from fastapi import APIRouter, Response

from holdfast.http import (
    conversations,
    docs,
    exports,
    feed,
    generations,
    imports,
    messages,
    page,
    presets,
    search,
    session,
    statistics,
    usage,
)
from holdfast.http.requests import documented


def routes() -> APIRouter:
    """The whole contract."""
    router = APIRouter()
    add = router.add_api_route

    stream = partial(add, response_model=None, response_class=Response, responses=generations.STREAM_RESPONSES)
    stream("/chat", generations.send, methods=["POST"], openapi_extra=documented(generations.Send))
    again = documented(generations.Again)
    stream("/api/messages/{id}/generations", generations.answer_again, methods=["POST"], openapi_extra=again)
    stream("/api/generations/{id}/events", generations.follow, methods=["GET"], responses=generations.FOLLOW_RESPONSES)
    add("/api/generations/{id}", generations.get_generation, methods=["GET"])
    stops = generations.STOP_RESPONSES
    add("/api/generations/{id}", generations.stop, methods=["DELETE"], status_code=202, responses=stops)

    add("/api/conversations", conversations.list_conversations, methods=["GET"])
    add("/api/conversations", conversations.add_conversation, methods=["POST"], status_code=201)
    add("/api/conversations/{id}", conversations.get_conversation, methods=["GET"])
    changes = documented(conversations.Change)
    add("/api/conversations/{id}", conversations.change_conversation, methods=["PATCH"], openapi_extra=changes)
    add("/api/conversations/{id}", conversations.delete_conversation, methods=["DELETE"], status_code=204)
    add("/api/conversations/{id}/title", conversations.name_again, methods=["POST"], status_code=202)
    add("/api/conversations/{id}/messages", conversations.list_messages, methods=["GET"])

    file = partial(add, response_model=None, response_class=Response, responses=exports.FILE_RESPONSES)
    file("/api/conversations/{id}/export", exports.export_conversation, methods=["GET"])
    file("/api/export", exports.export_all_conversations, methods=["GET"])

    add("/api/imports", imports.begin, methods=["POST"], status_code=202, openapi_extra=imports.DOCUMENTED)
    add("/api/imports/{id}", imports.get_import, methods=["GET"])
    earnest = documented(imports.TakeIn)
    add("/api/imports/{id}", imports.take_in, methods=["PATCH"], status_code=202, openapi_extra=earnest)
    add("/api/imports/{id}", imports.cancel, methods=["DELETE"], status_code=204)

    rating = documented(messages.Rating)
    add("/api/messages/{id}/rating", messages.rate, methods=["PUT"], openapi_extra=rating)
    add("/api/messages/{id}/comparison", messages.get_comparison, methods=["GET"])
    add("/api/messages/{id}/pick", messages.pick, methods=["PUT"], openapi_extra=documented(messages.Pick))
    stream("/api/events", feed.watch, methods=["GET"])

    add("/api/search", search.search, methods=["GET"])
    add("/api/usage", usage.get_usage, methods=["GET"])
    add("/api/statistics", statistics.get_statistics, methods=["GET"])
    add("/api/session", session.get_session, methods=["GET"])
    add("/api/models", session.list_models, methods=["GET"])
    add("/api/presets", presets.list_presets, methods=["GET"])
    default = documented(presets.Default)
    add("/api/presets", presets.choose_default, methods=["PATCH"], openapi_extra=default)
    change = documented(presets.Preset)
    add("/api/presets/{id}", presets.put_preset, methods=["PUT"], openapi_extra=change)
    add("/api/presets/{id}", presets.reset_preset, methods=["DELETE"])
    for path, answer in (("/health", session.health), ("/ready", session.ready)):
        add(path, answer, methods=["GET"])
        add(path, answer, methods=["HEAD"], include_in_schema=False)  # What many monitors ask with.
    add("/docs", docs.page, methods=["GET"], include_in_schema=False)

    for path in ("/", "/c/{id}", "/settings", "/settings/{page:path}"):
        add(path, page.page, methods=["GET", "HEAD"], include_in_schema=False)
    add("/diagram", page.diagram, methods=["GET"], include_in_schema=False)
    return router
