"""``generate`` and ``chat``: checks in the server's order, then pieces, tool calls and counts."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from . import _lookup, _mind, _names
from ._app import Call
from ._fits import SchemaFault
from ._gojson import as_list, as_map, encode
from ._govalues import timestamp
from ._mind import Answer, Prompt
from ._reply import JSON, NDJSON, Failure, Reply, Response, json_reply, stream
from ._store import Model, effective_context
from ._wire import REASONS

_LOAD_DURATION = 254_904_832
_READY_DURATION = 1_719_949
_PROMPT_DURATION = 14_201_000
_TOKEN_DURATION = 11_750_000
_OVERHEAD = 426_113

_TOO_LONG = (
    "the prompt is longer than the context length currently available to the model; shorten the "
    "prompt, adjust the context length in settings, or use a model with a longer context length"
)

Object = Dict[str, Any]


class _Subject(NamedTuple):
    """Which model answers, and how its answers name it."""

    model: Model
    shown: Object
    remote: bool = False


class _Shape(NamedTuple):
    """What differs between the two endpoints."""

    piece: Callable[[str, str], Object]
    final: Callable[[List[Object]], Object]
    calls: Callable[[Object], Optional[Object]]


def chat(call: Call) -> Response:
    request = call.fields()
    _check_top_logprobs(request)
    asked = request.get("model", "")
    if not asked.strip():
        raise Failure(400, "model is required")
    name, origin = _lookup.source(asked)
    messages: List[Object] = request.get("messages") or []
    if origin == "cloud":
        return _relay(call, request, asked, _chat_prompt, _CHAT)
    model = _lookup.find(call.app, name, origin, f"model '{asked}' not found")
    if not messages and request.get("keep_alive") == 0:
        call.app.store.unload(model)
        return json_reply(_single(asked, _EMPTY_MESSAGE, "unload"))
    if model.is_remote:
        return _remote(call, request, model, asked, _chat_prompt, _CHAT)
    think = _think(request, model, asked)
    if "completion" not in model.capabilities:
        raise Failure(400, f'"{asked}" does not support chat')
    if request.get("tools"):
        _check_capability(model, "tools")
    options = _lookup.check_options(model, request.get("options") or {})
    call.app.begin()
    if not messages:
        return _load(call, request, model, options, _single(asked, _EMPTY_MESSAGE, "load"))
    if request.get("_debug_render_only"):
        return json_reply(
            _debug(asked, {"message": {"role": "", "content": ""}}, request, messages)
        )
    subject = _Subject(model, {"model": asked})
    objects = _speak(call, request, subject, options, think, _chat_prompt, _CHAT)
    return _answer(request, objects, _join_chat)


def generate(call: Call) -> Response:
    request = call.fields()
    _check_top_logprobs(request)
    asked = request.get("model", "")
    if not asked.strip():
        raise Failure(404, f"model '{asked}' not found")
    name, origin = _lookup.source(asked)
    if origin == "cloud":
        return _relay(call, request, asked, _text_prompt, _GENERATE)
    model = _lookup.find(call.app, name, origin, f"model '{asked}' not found")
    if model.is_remote:
        return _remote(call, request, model, asked, _text_prompt, _GENERATE)
    prompt = request.get("prompt", "")
    if not prompt and request.get("keep_alive") == 0:
        call.app.store.unload(model)
        return json_reply(_single(asked, {"response": ""}, "unload"))
    raw = request.get("raw", False)
    if raw and (request.get("template") or request.get("system") or request.get("context")):
        raise Failure(400, "raw mode does not support template, system, or context")
    think = _think(request, model, asked)
    if "completion" not in model.capabilities:
        raise Failure(400, f'"{asked}" does not support generate')
    if request.get("suffix"):
        _check_capability(model, "insert")
    options = _lookup.check_options(model, request.get("options") or {})
    call.app.begin()
    if not prompt:
        return _load(call, request, model, options, _single(asked, {"response": ""}, "load"))
    template = request.get("template", "")
    if template.count("{{") > template.count("}}"):
        raise Failure(500, "template: :1: unclosed action")
    if request.get("_debug_render_only"):
        messages = [{"role": "user", "content": prompt, "images": request.get("images")}]
        return json_reply(_debug(asked, {"response": ""}, request, messages))
    _lookup.wanted_format(request)
    if request.get("shift") is False:
        limit = effective_context(model, options)
        if _mind.count_tokens(_text_prompt(request, False).context) > limit:
            raise Failure(400, _TOO_LONG)
    subject = _Subject(model, {"model": asked})
    objects = _speak(call, request, subject, options, think, _text_prompt, _GENERATE)
    return _answer(request, objects, _join_text)


_EMPTY_MESSAGE: Object = {"message": {"role": "assistant", "content": ""}}


def _check_top_logprobs(request: Mapping[str, Any]) -> None:
    if not 0 <= request.get("top_logprobs", 0) <= 20:
        raise Failure(400, "top_logprobs must be between 0 and 20")


def _think(request: Mapping[str, Any], model: Model, asked: str) -> Any:
    think = request.get("think")
    able = "thinking" in model.shown_capabilities
    if think is None:
        return able
    if think and not able:
        raise Failure(400, f'"{asked}" does not support thinking')
    return think


def _check_capability(model: Model, capability: str) -> None:
    if capability not in model.shown_capabilities:
        raise Failure(400, f"{model.name.full} does not support {capability}")


def _single(asked: str, middle: Object, reason: str) -> Object:
    head: Object = {"model": asked, "created_at": timestamp(time.time_ns())}
    return {**head, **middle, "done": True, "done_reason": reason}


def _load(
    call: Call, request: Mapping[str, Any], model: Model, options: Object, answer: Object
) -> Reply:
    store = call.app.store
    store.load(model, request.get("keep_alive"), options)
    store.release(model)
    return json_reply(answer)


def _debug(
    asked: str, middle: Object, request: Mapping[str, Any], messages: List[Object]
) -> Object:
    info: Object = {"rendered_template": _rendered(request, messages)}
    images = sum(len(message.get("images") or ()) for message in messages)
    if images:
        info["image_count"] = images
    head: Object = {"model": asked, "created_at": timestamp(time.time_ns())}
    return {**head, **middle, "done": False, "_debug_info": info}


def _rendered(request: Mapping[str, Any], messages: List[Object]) -> str:
    if request.get("raw"):
        return str(request.get("prompt", ""))
    parts: List[str] = []
    if request.get("system"):
        parts.append(f"<|system|>{request['system']}")
    for message in messages:
        parts.append(f"<|{message.get('role', '')}|>{message.get('content', '')}")
    return "".join(parts)


def _text_prompt(request: Mapping[str, Any], think: Any) -> Prompt:
    text = request.get("prompt", "")
    context = " ".join(str(token) for token in request.get("context") or ())
    parts = (request.get("system", ""), context, text, request.get("suffix", ""))
    return Prompt(
        text,
        "\n".join(part for part in parts if part),
        images=request.get("images") or (),
        suffix=request.get("suffix", ""),
        think=think,
    )


def _chat_prompt(request: Mapping[str, Any], think: Any) -> Prompt:
    messages: List[Object] = request.get("messages") or []
    nothing: Object = {}
    asked = next((m for m in reversed(messages) if m.get("role") == "user"), nothing)
    if not asked and messages:
        asked = messages[-1]
    return Prompt(
        asked.get("content", ""),
        "\n".join(f"{m.get('role', '')}: {m.get('content', '')}" for m in messages),
        tools=request.get("tools") or (),
        tool_results=_tool_results(messages),
        images=asked.get("images") or (),
        think=think,
    )


def _tool_results(messages: List[Object]) -> List[Tuple[str, str]]:
    """Names and results of the tools that answered last."""
    names: Dict[str, str] = {}
    latest = ""
    results: List[Tuple[str, str]] = []
    for message in messages:
        if message.get("role") != "tool":
            results = []
            for tool_call in as_list(message.get("tool_calls")):
                latest = as_map(tool_call.get("function")).get("name", "")
                names[tool_call.get("id", "")] = latest
            continue
        name = message.get("tool_name") or names.get(message.get("tool_call_id", "-"), latest)
        results.append((name, message.get("content", "")))
    return results


def _message(kind: str, text: str) -> Object:
    message: Object = {"role": "assistant", "content": text if kind == "content" else ""}
    if kind == "thinking" and text:
        message["thinking"] = text
    return {"message": message}


def _response(kind: str, text: str) -> Object:
    part: Object = {"response": text if kind == "content" else ""}
    if kind == "thinking" and text:
        part["thinking"] = text
    return part


def _final_message(calls: List[Object]) -> Object:
    message: Object = {"role": "assistant", "content": ""}
    if calls:
        message["tool_calls"] = calls
    return {"message": message}


def _call_message(tool_call: Object) -> Object:
    return {"message": {"role": "assistant", "content": "", "tool_calls": [tool_call]}}


def _final_response(calls: List[Object]) -> Object:
    return {"response": ""}


def _no_call(tool_call: Object) -> Optional[Object]:
    return None


_CHAT = _Shape(_message, _final_message, _call_message)
_GENERATE = _Shape(_response, _final_response, _no_call)


def _speak(
    call: Call,
    request: Mapping[str, Any],
    subject: _Subject,
    options: Object,
    think: Any,
    read: Callable[[Mapping[str, Any], Any], Prompt],
    shape: _Shape,
) -> Iterator[Object]:
    """The objects of one generation. Raises `Failure` where the server's would fail."""
    app, model = call.app, subject.model
    prompt = read(request, think)
    schema = _lookup.wanted_format(request)
    settings = {**_lookup.known_options(model.parameters), **options}
    prompt = prompt._replace(schema=schema, seed=int(settings.get("seed", 0)))
    try:
        answer = app.next_answer() or _mind.answer(prompt)
    except SchemaFault as fault:
        raise Failure(500, str(fault)) from None
    fresh = app.store.load(model, request.get("keep_alive"), options)
    try:
        pieces, reason = _cut(answer, settings)
        delay = app.delay if answer.delay is None else answer.delay
        stop_after = len(pieces) if answer.after is None else answer.after
        top = request.get("top_logprobs", 0) if request.get("logprobs") else -1
        text = ""
        for index, (kind, piece) in enumerate(pieces):
            if answer.error is not None and index >= stop_after:
                break
            call.pause(delay)
            text += piece
            item = _begun(subject, shape.piece(kind, piece), False)
            if top >= 0:
                _add_logprobs(item, piece, top)
            yield item
        if answer.error is not None:
            raise Failure(answer.status, answer.error)
        if not answer.finished:
            return
        calls = _tool_calls(answer, prompt)
        said = len(pieces) + sum(_mind.count_tokens(str(entry["function"])) for entry in calls)
        if calls:
            call.pause(delay)
        if calls and model.path == "rendered":
            for tool_call in calls:
                made = shape.calls(tool_call)
                if made is not None:
                    yield _begun(subject, made, False)
            calls = []
        item = _begun(subject, shape.final(calls), True)
        item["done_reason"] = reason
        if shape is _GENERATE and not request.get("raw") and not subject.remote:
            earlier = list(request.get("context") or ())
            item["context"] = earlier + _mind.token_ids(prompt.text) + _mind.token_ids(text)
        item.update(_counts(subject, fresh, _mind.count_tokens(prompt.context), said))
        if shape is _GENERATE and calls and model.path == "harmony":
            item["tool_calls"] = [{"function": entry["function"]} for entry in calls]
        yield item
    finally:
        app.store.release(model)


def _begun(subject: _Subject, middle: Object, done: bool) -> Object:
    item: Object = dict(subject.shown)
    item["created_at"] = timestamp(time.time_ns())
    item.update(middle)
    item["done"] = done
    return item


def _cut(answer: Answer, settings: Mapping[str, Any]) -> Tuple[List[Tuple[str, str]], str]:
    """The pieces up to the first stop sequence and within the number of tokens allowed."""
    pieces, reason = answer.pieces, answer.done_reason
    text = "".join(piece for kind, piece in pieces if kind == "content")
    ends = [text.find(stop) for stop in settings.get("stop") or () if stop]
    end = min((position for position in ends if position >= 0), default=-1)
    if end >= 0:
        kept: List[Tuple[str, str]] = []
        for kind, piece in pieces:
            if kind == "content":
                piece, end = piece[:end], max(0, end - len(piece))
                if not piece:
                    break
            kept.append((kind, piece))
        pieces = kept
    limit = settings.get("num_predict", -1)
    if 0 < limit < len(pieces):
        return pieces[:limit], "length"
    return pieces, reason


def _add_logprobs(item: Object, piece: str, top: int) -> None:
    item["logprobs"] = [_mind.logprobs(piece, top)]


def _tool_calls(answer: Answer, prompt: Prompt) -> List[Object]:
    calls: List[Object] = []
    for index, made in enumerate(answer.tool_calls):
        entry: Object = {}
        identity = made.get("id", _mind.call_id(f"{index}\n{prompt.context}"))
        if identity:
            entry["id"] = identity
        entry["function"] = {
            "index": made.get("index", index),
            "name": made.get("name", ""),
            "arguments": made.get("arguments") or {},
        }
        calls.append(entry)
    return calls


def _counts(subject: _Subject, fresh: bool, asked: int, said: int) -> Object:
    load = _LOAD_DURATION if fresh else _READY_DURATION
    asking = _PROMPT_DURATION + 10_000 * asked
    counts: Object = {"total_duration": load + asking + _TOKEN_DURATION * said + _OVERHEAD}
    if subject.remote:
        counts["prompt_eval_count"] = max(1, asked)
        if said:
            counts["eval_count"] = said
        return counts
    counts["load_duration"] = load
    counts["prompt_eval_count"] = max(1, asked)
    counts["prompt_eval_duration"] = asking
    if said:
        counts["eval_count"] = said
        counts["eval_duration"] = _TOKEN_DURATION * said
    return counts


def _answer(
    request: Mapping[str, Any],
    objects: Iterator[Object],
    join: Callable[[List[Object]], Object],
) -> Response:
    if request.get("stream", True):
        return stream(objects)
    return json_reply(join(list(objects)))


_ZERO_TIME = "0001-01-01T00:00:00Z"


def _join_chat(objects: List[Object]) -> Object:
    if not objects:
        empty = {"role": "", "content": ""}
        return {"model": "", "created_at": _ZERO_TIME, "message": empty, "done": False}
    messages = [item["message"] for item in objects]
    message: Object = {"role": "assistant"}
    message["content"] = "".join(part["content"] for part in messages)
    thinking = "".join(part.get("thinking", "") for part in messages)
    if thinking:
        message["thinking"] = thinking
    calls = [tool_call for part in messages for tool_call in part.get("tool_calls", ())]
    if calls:
        message["tool_calls"] = calls
    result = dict(objects[-1])
    result["message"] = message
    logprobs = [entry for item in objects for entry in item.get("logprobs", ())]
    if logprobs:
        result = _with_logprobs(result, logprobs, "done_reason")
    return result


def _join_text(objects: List[Object]) -> Object:
    if not objects:
        return {"model": "", "created_at": _ZERO_TIME, "response": "", "done": False}
    final = objects[-1]
    result: Object = {}
    for key, value in final.items():
        result[key] = value
        if key == "response":
            result[key] = "".join(item["response"] for item in objects)
            thinking = "".join(item.get("thinking", "") for item in objects)
            if thinking:
                result["thinking"] = thinking
    logprobs = [entry for item in objects for entry in item.get("logprobs", ())]
    if logprobs:
        result["logprobs"] = logprobs
    return result


def _with_logprobs(item: Object, logprobs: List[Object], after: str) -> Object:
    result: Object = {}
    for key, value in item.items():
        if key != "logprobs":
            result[key] = value
        if key == after:
            result["logprobs"] = logprobs
    result.setdefault("logprobs", logprobs)
    return result


def _relay(
    call: Call,
    request: Mapping[str, Any],
    asked: str,
    read: Callable[[Mapping[str, Any], Any], Prompt],
    shape: _Shape,
) -> Response:
    """A name of the cloud: what comes back is chunked, whatever its size."""
    app = call.app
    _lookup.check_cloud(app, "remote model is")
    refused, reply = _lookup.signed_out(app)
    if refused:
        return reply
    try:
        app.begin()
    except Failure as failure:
        return Reply(failure.status, encode(failure.body), JSON, chunked=True)
    target = _names.split_source(asked)[0]
    model = _cloud_model(target)
    subject = _Subject(model, {"model": target}, remote=True)
    objects = _speak(call, request, subject, {}, _cloud_think(request), read, shape)
    if request.get("stream", True):
        return stream(objects)
    join = _join_chat if shape is _CHAT else _join_text
    return Reply(200, encode(join(list(objects))), JSON, chunked=True)


def _remote(
    call: Call,
    request: Mapping[str, Any],
    model: Model,
    asked: str,
    read: Callable[[Mapping[str, Any], Any], Prompt],
    shape: _Shape,
) -> Response:
    """A stub: a local name for a model of another host."""
    app = call.app
    _lookup.check_cloud(app, "remote model is")
    if model.remote_host.partition("://")[2].partition(":")[0] != "ollama.com":
        raise Failure(400, "this server cannot run this remote model")
    streaming = request.get("stream", True)
    if not app.signed_in:
        body = encode(_lookup.unauthorized().body)
        return Reply(401, body, NDJSON if streaming else JSON)
    try:
        app.begin()
    except Failure as failure:
        # The server's error type is written as it is, with the names that Go gives its fields.
        reason = f"{failure.status} {REASONS.get(failure.status, '')}"
        body = encode({"StatusCode": failure.status, "Status": reason, **failure.body})
        return Reply(failure.status, body, NDJSON if streaming else JSON)
    shown = {"model": asked, "remote_model": model.remote_model, "remote_host": model.remote_host}
    subject = _Subject(_cloud_model(model.remote_model), shown, remote=True)
    objects = _speak(call, request, subject, {}, _cloud_think(request), read, shape)
    if streaming:
        return stream(objects, error_end=b"")
    join = _join_chat if shape is _CHAT else _join_text
    return Reply(200, encode(join(list(objects))) + b"\n", JSON, chunked=True)


def _cloud_think(request: Mapping[str, Any]) -> Any:
    return request.get("think") or False


def _cloud_model(name: str) -> Model:
    return Model(name, capabilities=("completion", "tools", "thinking"), path="native")
