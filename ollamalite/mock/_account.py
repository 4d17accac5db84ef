"""The server itself, the account at the cloud, and what is relayed there."""

from __future__ import annotations

import re
from typing import Any, Dict, List

from . import _lookup
from ._app import Call
from ._gojson import encode
from ._reply import JSON, TEXT, Failure, Reply, json_reply

_USER: Dict[str, Any] = {
    "id": "0190a3c2-8f1e-7c55-9f0e-3d2b1a4c5e6f",
    "email": "ada@example.com",
    "name": "ada",
    "plan": "free",
}

_RECOMMENDATIONS: List[Dict[str, Any]] = [
    {
        "model": "gpt-oss:120b-cloud",
        "description": "A large model that reasons, in the cloud",
        "context_length": 131072,
        "max_output_tokens": 32768,
    },
    {
        "model": "qwen3",
        "description": "Thinks and calls tools on this machine",
        "vram_bytes": 8_000_000_000,
    },
    {
        "model": "gemma3",
        "description": "Looks at pictures on this machine",
        "vram_bytes": 6_000_000_000,
    },
]


def ping(call: Call) -> Reply:
    return Reply(200, b"Ollama is running", TEXT)


def version(call: Call) -> Reply:
    return json_reply({"version": call.app.version})


def status(call: Call) -> Reply:
    disabled = call.app.cloud_disabled
    return json_reply({"cloud": {"disabled": disabled, "source": "env" if disabled else "none"}})


def me(call: Call) -> Reply:
    if not call.app.signed_in:
        raise _lookup.unauthorized()
    return json_reply(_USER)


def signout(call: Call) -> Reply:
    if not call.app.signed_in:
        raise Failure(401, "you are not currently signed in")
    call.app.signed_in = False
    return json_reply(None)


def model_recommendations(call: Call) -> Reply:
    return json_reply({"recommendations": _RECOMMENDATIONS})


def experimental_web_search(call: Call) -> Reply:
    return _relayed(call, "web search is", _search)


def experimental_web_fetch(call: Call) -> Reply:
    return _relayed(call, "web fetch is", _fetch)


def web_search(call: Call) -> Reply:
    _check_key(call)
    return json_reply(_search(call.fields()))


def web_fetch(call: Call) -> Reply:
    _check_key(call)
    return json_reply(_fetch(call.fields()))


def _check_key(call: Call) -> None:
    if not re.match(r"Bearer \S+\Z", call.head.get("authorization")):
        raise Failure(401, "unauthorized")


def _relayed(call: Call, what: str, work: Any) -> Reply:
    """The body goes to the cloud unread; what comes back is chunked, whatever its size."""
    _lookup.check_cloud(call.app, what)
    try:
        request = call.fields()
    except Failure as failure:
        if str(failure) == "missing request body":
            raise
        return Reply(failure.status, encode(failure.body), JSON, chunked=True)
    if not call.app.signed_in:
        return Reply(401, encode({"error": "unauthorized"}), JSON, chunked=True)
    try:
        return Reply(200, encode(work(request)), JSON, chunked=True)
    except Failure as failure:
        return Reply(failure.status, encode(failure.body), JSON, chunked=True)


def _search(request: Dict[str, Any]) -> Dict[str, Any]:
    query = request.get("query", "")
    if not query:
        raise Failure(400, "query is required")
    count = min(max(request.get("max_results") or 5, 1), 10)
    slug = "-".join(re.findall(r"\w+", query.lower())) or "nothing"
    results = [
        {
            "title": f"{query} ({number})",
            "url": f"https://example.com/{slug}/{number}",
            "content": f"What page {number} says about {query}.",
        }
        for number in range(1, count + 1)
    ]
    return {"results": results}


def _fetch(request: Dict[str, Any]) -> Dict[str, Any]:
    url = request.get("url", "")
    match = re.match(r"(?:https?://)?([\w.-]+\.[\w-]+|localhost)(?::\d+)?(?:[/?#].*)?\Z", url)
    if match is None:
        raise Failure(400, "invalid url")
    return {
        "title": f"The page of {match.group(1)}",
        "content": f"This is the text of {url}, as far as a mock can know it.",
        "links": [f"https://{match.group(1)}/about", f"https://{match.group(1)}/contact"],
    }
