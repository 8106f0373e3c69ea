"""All routes, on one screen."""

from functools import partial

from fastapi import APIRouter, Response

from holdfast.http import conversations, docs, generations, page, session
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
    add("/api/conversations/{id}/messages", conversations.list_messages, methods=["GET"])

    add("/api/session", session.get_session, methods=["GET"])
    add("/api/models", session.list_models, methods=["GET"])
    add("/api/presets", session.list_presets, methods=["GET"])
    add("/health", session.health, methods=["GET"])
    add("/ready", session.ready, methods=["GET"])
    add("/docs", docs.page, methods=["GET"], include_in_schema=False)

    for path in ("/", "/c/{id}"):
        add(path, page.page, methods=["GET"], include_in_schema=False)
    return router
