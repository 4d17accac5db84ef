"""Which function answers which operation of the description, and in which language."""

from __future__ import annotations

from typing import Dict

from . import (
    _account,
    _anthropic,
    _embedding,
    _generation,
    _management,
    _openai,
    _responses,
    _system_one,
    _transcription,
    _transfer,
)
from ._app import Handler
from ._reply import Failure, Reply, failure_reply

HANDLERS: Dict[str, Handler] = {
    "ping": _account.ping,
    "version": _account.version,
    "status": _account.status,
    "generate": _generation.generate,
    "chat": _generation.chat,
    "embed": _embedding.embed,
    "embeddings": _embedding.embeddings,
    "list": _management.tags,
    "ps": _management.ps,
    "show": _management.show,
    "copy": _management.copy,
    "delete": _management.delete,
    "create": _transfer.create,
    "pull": _transfer.pull,
    "push": _transfer.push,
    "blob_exists": _transfer.blob_exists,
    "create_blob": _transfer.create_blob,
    "me": _account.me,
    "signout": _account.signout,
    "signout_by_key": _account.signout,
    "model_recommendations": _account.model_recommendations,
    "experimental_web_search": _account.experimental_web_search,
    "experimental_web_fetch": _account.experimental_web_fetch,
    "web_search": _account.web_search,
    "web_fetch": _account.web_fetch,
    "systemone": _system_one.systemone,
    "v1_chat_completions": _openai.chat_completions,
    "v1_completions": _openai.completions,
    "v1_embeddings": _openai.embeddings,
    "v1_models": _openai.models,
    "v1_model": _openai.model,
    "v1_responses": _responses.responses,
    "v1_messages": _anthropic.messages,
    "v1_transcriptions": _transcription.transcribe,
}


def refuse(operation: str, failure: Failure) -> Reply:
    """A failure as a handler of that operation tells it."""
    if operation == "v1_messages":
        return _anthropic.refuse(failure)
    if operation.startswith("v1_"):
        return _openai.refuse(failure)
    return failure_reply(failure)
