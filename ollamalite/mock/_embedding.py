"""``embed``, and ``embeddings``, which it superseded."""

from __future__ import annotations

import struct
from typing import Any, Dict, List, Mapping

from . import _lookup, _mind, _names
from ._app import Call
from ._gojson import Float32, as_list
from ._reply import Failure, Reply, json_reply
from ._store import Model, effective_context

_READY_DURATION = 1_962_414
_LOAD_DURATION = 256_314_316
_TEXT_DURATION = 2_140_279


def embed(call: Call) -> Reply:
    request = call.fields()
    texts = _texts(request.get("input"))
    asked = request.get("model", "")
    if not asked.strip():
        raise Failure(404, f"model '{asked}' not found")
    model = _local(call, asked)
    options = _lookup.check_options(model, request.get("options") or {})
    call.app.begin()
    store = call.app.store
    fresh = store.load(model, request.get("keep_alive"), options)
    try:
        if not texts:
            return json_reply({"model": asked, "embeddings": []})
        _fail_if_told(call)
        return json_reply(_embedded(request, asked, model, options, texts, fresh))
    finally:
        store.release(model)


def _embedded(
    request: Mapping[str, Any],
    asked: str,
    model: Model,
    options: Mapping[str, Any],
    texts: List[str],
    fresh: bool,
) -> Dict[str, Any]:
    limit = effective_context(model, options)
    count = 0
    vectors: List[List[Float32]] = []
    for text in texts:
        tokens = _mind.count_tokens(text)
        if tokens > limit:
            if request.get("truncate") is False:
                raise Failure(400, "the input length exceeds the context length")
            # Two tokens are for the marks at both ends.
            tokens = max(1, limit - 2)
            text = text[: len(text) * tokens // _mind.count_tokens(text)]
        count += tokens
        vector = _mind.embedding(text, model.embedding_length)
        dimensions = request.get("dimensions", 0)
        if 0 < dimensions < len(vector):
            vector = _mind.unit(vector[:dimensions])
        vectors.append([Float32(value) for value in vector])
    load = _LOAD_DURATION if fresh else _READY_DURATION
    result: Dict[str, Any] = {
        "model": asked,
        "embeddings": vectors,
        "total_duration": load + _TEXT_DURATION * len(texts),
        "load_duration": load,
    }
    if count:
        result["prompt_eval_count"] = count
    return result


def embeddings(call: Call) -> Reply:
    request = call.fields()
    asked = request.get("model", "")
    if not asked.strip():
        raise Failure(400, "model is required")
    model = _local(call, asked, exact_case=True)
    options = _lookup.check_options(model, request.get("options") or {})
    call.app.begin()
    store = call.app.store
    store.load(model, request.get("keep_alive"), options)
    try:
        text = request.get("prompt", "")
        if not text:
            return json_reply({"embedding": []})
        _fail_if_told(call)
        length = 2 + _mind.count_tokens(text) % 7
        vector = _mind.embedding(text, model.embedding_length)
        # Not of length 1, and 64 bit digits of 32 bit numbers, as this endpoint has them.
        scaled = (struct.unpack("<f", struct.pack("<f", value * length))[0] for value in vector)
        return json_reply({"embedding": [float(value) for value in scaled]})
    finally:
        store.release(model)


def _fail_if_told(call: Call) -> None:
    answer = call.app.next_failure()
    if answer is not None:
        raise Failure(answer.status, answer.error or "")


def _local(call: Call, asked: str, exact_case: bool = False) -> Model:
    missing = f'model "{asked}" not found, try pulling it first'
    name, origin = _lookup.source(asked)
    if origin == "cloud":
        _lookup.check_cloud(call.app, "remote model is")
        raise Failure(404, missing)
    model = _lookup.find(call.app, name, origin, missing)
    if model.is_remote or (exact_case and _names.parse(name.full) != model.name):
        raise Failure(404, missing)
    return model


def _texts(value: Any) -> List[str]:
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [value]
    texts = as_list(value)
    if isinstance(value, list) and all(isinstance(text, str) for text in texts):
        return texts
    raise Failure(400, "invalid input type")
