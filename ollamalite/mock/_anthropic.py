"""``/v1/messages``: the language of Anthropic's clients."""

from __future__ import annotations

import os
from typing import Any, Dict, Iterator, List, Mapping, Sequence

from . import _generation, _names
from ._app import Call
from ._compatible import UNCACHED, Writer, failed, named_event, serve
from ._gojson import as_list, as_map, encode, plain
from ._gotypes import Raw
from ._reply import Failure, Reply, Response

Object = Dict[str, Any]

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    503: "overloaded_error",
}
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens"}
_EFFORTS = ("low", "medium", "high", "max")


def refuse(failure: Failure) -> Reply:
    return failed(_MessageWriter({}), failure)


def messages(call: Call) -> Response:
    def translate(request: Object) -> Object:
        native = _native(request)
        if not _thinks(call, native["model"]):
            # Where other endpoints refuse, this one lets thinking drop.
            native["think"] = None
        return native

    return serve(call, _MessageWriter, "ChatRequest", translate, _generation.chat)


def _thinks(call: Call, asked: str) -> bool:
    try:
        rest, origin = _names.split_source(asked)
    except _names.NameFault:
        return False
    model = call.app.store.find(_names.parse(rest))
    return origin == "cloud" or (model is not None and "thinking" in model.shown_capabilities)


def _native(request: Object) -> Object:
    if not request.get("model"):
        raise Failure(400, "model is required")
    if request.get("max_tokens", 0) <= 0:
        raise Failure(400, "max_tokens is required and must be positive")
    given: List[Object] = request.get("messages") or []
    if not given:
        raise Failure(400, "messages is required")
    options: Object = {"num_predict": request["max_tokens"]}
    for key in ("temperature", "top_p", "top_k"):
        if key in request:
            options[key] = request[key]
    if request.get("stop_sequences"):
        options["stop"] = request["stop_sequences"]
    return {
        "model": request["model"],
        "messages": [
            *_system(request.get("system")),
            *(part for message in given for part in _parts(message)),
        ],
        "stream": request.get("stream", False),
        "tools": [_tool(tool) for tool in request.get("tools") or () if "input_schema" in tool],
        "options": options,
        "think": _think(request),
    }


def _think(request: Mapping[str, Any]) -> Any:
    effort = as_map(request.get("output_config")).get("effort")
    thinking = as_map(request.get("thinking")).get("type")
    if thinking == "disabled":
        return False
    if effort in _EFFORTS:
        return effort
    return True if thinking == "enabled" else None


def _system(system: Any) -> Iterator[Object]:
    if not isinstance(system, str):
        blocks = [as_map(block) for block in as_list(system)]
        system = "".join(
            str(block.get("text", "")) for block in blocks if block.get("type") == "text"
        )
    if system:
        yield {"role": "system", "content": system}


def _parts(message: Mapping[str, Any]) -> Iterator[Object]:
    role = message.get("role", "")
    content = message.get("content")
    if isinstance(content, str):
        yield {"role": role, "content": content}
        return
    own: Object = {"role": role, "content": "", "thinking": "", "images": [], "tool_calls": []}
    results: List[Object] = []
    for block in map(as_map, as_list(content)):
        kind = block.get("type")
        if kind == "text":
            own["content"] += str(block.get("text", ""))
        elif kind == "thinking":
            own["thinking"] += str(block.get("thinking", ""))
        elif kind == "image":
            own["images"].append(_image(as_map(block.get("source"))))
        elif kind == "tool_use":
            function = {"name": block.get("name", ""), "arguments": as_map(block.get("input"))}
            own["tool_calls"].append({"id": block.get("id", ""), "function": function})
        elif kind == "tool_result":
            identity = block.get("tool_use_id", "")
            text = _text(block.get("content"))
            results.append({"role": "tool", "content": text, "tool_call_id": identity})
    if any(own[key] for key in ("content", "thinking", "images", "tool_calls")):
        yield own
    yield from results


def _image(source: Mapping[str, Any]) -> str:
    kind = source.get("type", "")
    if kind != "base64":
        raise Failure(400, f"invalid image source type: {kind}. Only base64 images are supported.")
    return str(source.get("data", ""))


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    blocks = [as_map(block) for block in as_list(content)]
    return "".join(str(block.get("text", "")) for block in blocks if block.get("type") == "text")


def _tool(tool: Mapping[str, Any]) -> Object:
    schema = tool["input_schema"]
    function: Object = {"name": tool.get("name", ""), "description": tool.get("description", "")}
    function["parameters"] = plain(schema.node) if isinstance(schema, Raw) else {}
    return {"type": "function", "function": function}


class _MessageWriter(Writer):
    headers = UNCACHED

    def __init__(self, request: Mapping[str, Any]) -> None:
        self._id = "msg_" + os.urandom(12).hex()
        # What the request will cost is not known when a stream begins.
        self._estimate = len(encode(request.get("messages") or [])) // 4
        self._begun = False
        self._open = ""
        self._index = 0
        self._called = False

    def error(self, status: int, message: str) -> Object:
        kind = _ERROR_TYPES.get(status, "api_error")
        return {
            "type": "error",
            "error": {"type": kind, "message": message},
            "request_id": "req_" + os.urandom(12).hex(),
        }

    def whole(self, answer: Object) -> Object:
        message = answer["message"]
        content: List[Object] = []
        if message.get("thinking"):
            content.append({"type": "thinking", "thinking": message["thinking"]})
        if message["content"]:
            content.append({"type": "text", "text": message["content"]})
        content += [_told(tool_call) for tool_call in message.get("tool_calls", ())]
        self._called = bool(message.get("tool_calls"))
        result: Object = {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": answer["model"],
            "content": content or None,
        }
        result.update(self._stop_reason(answer))
        result["usage"] = _usage(answer)
        return result

    def _stop_reason(self, answer: Mapping[str, Any]) -> Object:
        reason = _STOP_REASONS.get(answer.get("done_reason", ""))
        reason = "tool_use" if self._called else reason
        return {"stop_reason": reason} if reason else {}

    def pieces(self, answer: Object) -> Sequence[bytes]:
        return [named_event(event["type"], event) for event in self._events(answer)]

    def _events(self, answer: Object) -> Iterator[Object]:
        if "error" in answer:
            # A failure is not told: the stream just stops.
            return
        message = answer["message"]
        if not self._begun:
            self._begun = True
            begun: Object = {"id": self._id, "type": "message", "role": "assistant"}
            usage = {"input_tokens": self._estimate, "output_tokens": 0}
            begun.update(model=answer["model"], content=[], usage=usage)
            yield {"type": "message_start", "message": begun}
        for kind, text in (("thinking", message.get("thinking")), ("text", message["content"])):
            if text:
                if self._open != kind:
                    yield from self._closed()
                    yield self._opened(kind, {"type": kind, kind: ""})
                yield self._delta({"type": f"{kind}_delta", kind: text})
        for tool_call in message.get("tool_calls", ()):
            self._called = True
            told = _told(tool_call)
            arguments = encode(told["input"]).decode("utf-8")
            yield from self._closed()
            yield self._opened("tool_use", {**told, "input": {}})
            yield self._delta({"type": "input_json_delta", "partial_json": arguments})
        if answer["done"]:
            yield from self._closed()
            delta = self._stop_reason(answer)
            yield {"type": "message_delta", "delta": delta, "usage": _usage(answer)}
            yield {"type": "message_stop"}

    def _opened(self, kind: str, block: Object) -> Object:
        self._open = kind
        return {"type": "content_block_start", "index": self._index, "content_block": block}

    def _delta(self, delta: Object) -> Object:
        return {"type": "content_block_delta", "index": self._index, "delta": delta}

    def _closed(self) -> Iterator[Object]:
        if self._open:
            yield {"type": "content_block_stop", "index": self._index}
            self._open = ""
            self._index += 1


def _told(tool_call: Mapping[str, Any]) -> Object:
    function = tool_call["function"]
    identity = tool_call.get("id", "")
    told = {"type": "tool_use", "id": identity, "name": function["name"]}
    return {**told, "input": function["arguments"]}


def _usage(answer: Mapping[str, Any]) -> Object:
    asked, said = answer.get("prompt_eval_count", 0), answer.get("eval_count", 0)
    return {"input_tokens": asked, "output_tokens": said}
