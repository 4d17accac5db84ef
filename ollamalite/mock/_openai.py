"""``/v1/chat/completions``, ``/v1/completions``, ``/v1/embeddings`` and ``/v1/models``."""

from __future__ import annotations

import random
import struct
import time
from base64 import b64encode
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

from . import _embedding, _generation, _management, _names
from ._app import Call
from ._compatible import Translated, Writer, failed, refused_by_cloud, serve, tell
from ._gojson import Float32, SyntaxFault, as_list, as_map, encode, plain, scan, too_large
from ._gotypes import Raw, kind
from ._govalues import ValueFault, base64_bytes, unix_seconds
from ._reply import Failure, Reply, Response

Object = Dict[str, Any]

_FINGERPRINT = "fp_ollama"
_DONE = b"data: [DONE]\n\n"
_ERROR_TYPES = {400: "invalid_request_error", 404: "not_found_error"}
_EFFORTS = {
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "max": "max",
    "xhigh": "max",
    "ultra": "max",
}
_IMAGE_PREFIXES = (
    "data:;base64,",
    *(f"data:image/{name};base64," for name in ("jpeg", "jpg", "png", "webp")),
)
_GO_KINDS = {
    "number": "float64",
    "object": "map[string]interface {}",
    "array": "[]interface {}",
}


class OpenAIWriter(Writer):
    """What the answers of these endpoints have in common."""

    def error(self, status: int, message: str) -> Object:
        kind = _ERROR_TYPES.get(status, "api_error")
        return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def refuse(failure: Failure) -> Reply:
    return failed(OpenAIWriter(), failure)


def chat_completions(call: Call) -> Response:
    return serve(call, _ChatWriter, "ChatRequest", _chat_request, _generation.chat)


def completions(call: Call) -> Response:
    return serve(call, _TextWriter, "GenerateRequest", _text_request, _generation.generate)


def embeddings(call: Call) -> Response:
    return serve(call, _VectorWriter, "EmbedRequest", _embed_request, _embedding.embed)


def models(call: Call) -> Response:
    return tell(_ListWriter(), False, _management.tags, call)


def model(call: Call) -> Response:
    asked = call.params["model"]
    refused = refused_by_cloud(call, asked, "remote model details are")
    if refused is not None:
        return refused
    translated = Translated(call, "ShowRequest", {"model": asked})
    return tell(_ModelWriter(asked), False, _management.show, translated)


# Requests


def _chat_request(request: Object) -> Object:
    messages: List[Object] = request.get("messages") or []
    if not messages:
        raise Failure(400, "[] is too short - 'messages'")
    native: Object = {
        "model": request.get("model", ""),
        "messages": [part for message in messages for part in _parts(message, messages)],
        "stream": request.get("stream", False),
        "tools": [_tool(tool) for tool in request.get("tools") or ()],
        "options": _options(request),
        "logprobs": request.get("logprobs", False),
        "top_logprobs": request.get("top_logprobs", 0),
        "_debug_render_only": request.get("_debug_render_only", False),
    }
    wanted = as_map(request.get("response_format"))
    form = str(wanted.get("type", "")).strip().lower()
    schema = as_map(wanted.get("json_schema")).get("schema")
    if form == "json_object":
        native["format"] = "json"
    elif form == "json_schema" and isinstance(schema, Raw):
        native["format"] = plain(schema.node)
    reasoning = request.get("reasoning")
    named = request.get("reasoning_effort") if reasoning is None else reasoning.get("effort")
    native["think"] = effort(named or "")
    return native


def _tool(tool: Mapping[str, Any]) -> Object:
    function: Object = dict(as_map(tool.get("function")))
    if "parameters" in function:
        function["parameters"] = plain(function["parameters"].node)
    return {**tool, "function": function}


def effort(name: str) -> Any:
    """The ``think`` of a native request. Raises `Failure` with status 400."""
    if name and name not in _EFFORTS:
        names = ", ".join(f'"{known}"' for known in _EFFORTS)
        raise Failure(400, f"invalid reasoning value: '{name}' (must be one of {names})")
    return _EFFORTS.get(name)


def _parts(message: Mapping[str, Any], messages: List[Object]) -> Iterator[Object]:
    """The native messages that one message becomes: each part of its content is one."""
    role = message.get("role", "")
    content = message.get("content")
    calls = message.get("tool_calls")
    rest: Object = {"thinking": message.get("reasoning", ""), "tool_calls": native_calls(calls)}
    if role.lower() == "tool":
        rest["tool_call_id"] = message.get("tool_call_id", "")
        rest["tool_name"] = message.get("name") or _tool_name(rest["tool_call_id"], messages)
    if isinstance(content, str):
        yield {"role": role, "content": content, **rest}
    elif isinstance(content, list):
        parts = [{"role": role, **_part(as_map(part))} for part in as_list(content)]
        if parts:
            parts[-1].update(rest)
        yield from parts
    elif calls is None:
        found = "<nil>" if content is None else kind(content)
        raise Failure(400, f"invalid message content type: {_GO_KINDS.get(found, found)}")
    else:
        yield {"role": role, **rest}


def _tool_name(identity: str, messages: List[Object]) -> str:
    for message in reversed(messages):
        for tool_call in message.get("tool_calls") or ():
            if identity and tool_call.get("id") == identity:
                return str(tool_call.get("function", {}).get("name", ""))
    return ""


def _part(part: Mapping[str, Any]) -> Object:
    sort = part.get("type")
    if sort == "text" and isinstance(part.get("text"), str):
        return {"content": part["text"]}
    if sort == "image_url":
        url = part.get("image_url")
        url = as_map(url).get("url") if isinstance(url, dict) else url
        if isinstance(url, str):
            return {"content": "", "images": [data_url(url)]}
    if sort == "input_audio":
        data = as_map(part.get("input_audio")).get("data")
        if isinstance(data, str):
            return {"content": "", "images": [_base64(data, "invalid input_audio data")]}
    raise Failure(400, "invalid message format")


def data_url(url: str) -> str:
    if url.startswith(("http://", "https://")):
        raise Failure(
            400,
            "image URLs are not currently supported, please use base64 encoded data instead",
        )
    prefix = next((prefix for prefix in _IMAGE_PREFIXES if url.startswith(prefix)), None)
    if prefix is None:
        raise Failure(400, "invalid image input")
    return _base64(url[len(prefix) :], "invalid image input")


def _base64(text: str, complaint: str) -> str:
    try:
        base64_bytes(text)
    except ValueFault:
        raise Failure(400, complaint) from None
    return text


def native_calls(calls: Optional[List[Object]]) -> List[Object]:
    native: List[Object] = []
    for tool_call in calls or ():
        function = as_map(tool_call.get("function"))
        try:
            text = function.get("arguments", "").encode("utf-8", "replace").decode("latin-1")
            node = scan(text)
        except SyntaxFault:
            node = None
        arguments = plain(node) if too_large(node) is None else None
        if not isinstance(arguments, dict):
            raise Failure(400, "invalid tool call arguments")
        named: Object = {"name": function.get("name", ""), "arguments": arguments}
        native.append({"id": tool_call.get("id", ""), "function": named})
    return native


def _options(request: Mapping[str, Any]) -> Object:
    options: Object = {}
    stop = request.get("stop")
    if isinstance(stop, str):
        options["stop"] = [stop]
    elif isinstance(stop, list):
        options["stop"] = [text for text in as_list(stop) if isinstance(text, str)]
    for key, native in (("max_tokens", "num_predict"), ("seed", "seed")):
        if key in request:
            options[native] = request[key]
    options["temperature"] = request.get("temperature", 1.0)
    options["top_p"] = request.get("top_p", 1.0)
    for key in ("frequency_penalty", "presence_penalty"):
        if key in request:
            options[key] = request[key]
    return options


def _text_request(request: Object) -> Object:
    for text in as_list(request.get("stop")):
        if not isinstance(text, str):
            found = "<nil>" if text is None else kind(text)
            shown = _GO_KINDS.get(found, found)
            raise Failure(400, f"invalid type for 'stop' field: {shown}")
    options = _options(request)
    options["top_p"] = options["top_p"] or 1.0
    logprobs = max(0, request.get("logprobs", 0))
    return {
        "model": request.get("model", ""),
        "prompt": request.get("prompt", ""),
        "suffix": request.get("suffix", ""),
        "stream": request.get("stream", False),
        "options": options,
        "logprobs": logprobs > 0,
        "top_logprobs": logprobs,
        "_debug_render_only": request.get("_debug_render_only", False),
    }


def _embed_request(request: Object) -> Object:
    form = request.get("encoding_format", "")
    if form.lower() not in ("", "float", "base64"):
        raise Failure(
            400,
            f"Invalid value for 'encoding_format' = {form}. Supported values: ['float', 'base64'].",
        )
    texts = request.get("input")
    if texts is None or texts == []:
        raise Failure(400, "invalid input")
    return {
        "model": request.get("model", ""),
        "input": [""] if texts == "" else texts,
        "dimensions": request.get("dimensions", 0),
    }


# Answers


def event(value: Any) -> bytes:
    return b"data: " + encode(value) + b"\n\n"


def _usage(answer: Mapping[str, Any]) -> Object:
    asked = answer.get("prompt_eval_count", 0)
    said = answer.get("eval_count", 0)
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def _wants_usage(request: Mapping[str, Any]) -> bool:
    return bool(as_map(request.get("stream_options")).get("include_usage"))


def told_calls(message: Mapping[str, Any]) -> List[Object]:
    calls: List[Object] = []
    for tool_call in message.get("tool_calls") or ():
        function = tool_call["function"]
        arguments = encode(function["arguments"]).decode("utf-8")
        calls.append(
            {
                "id": tool_call.get("id", ""),
                "index": function.get("index", 0),
                "type": "function",
                "function": {"name": function["name"], "arguments": arguments},
            }
        )
    return calls


class _ChatWriter(OpenAIWriter):
    def __init__(self, request: Mapping[str, Any]) -> None:
        self._id = f"chatcmpl-{random.randrange(999)}"
        self._created = int(time.time())
        self._usage = _wants_usage(request)
        self._begun = False
        self._called = False

    def whole(self, answer: Object) -> Object:
        message = answer["message"]
        told: Object = {"role": message["role"], "content": message["content"]}
        if message.get("thinking"):
            told["reasoning"] = message["thinking"]
        calls = told_calls(message)
        if calls:
            told["tool_calls"] = calls
        reason = "tool_calls" if calls else answer.get("done_reason") or None
        choice: Object = {"index": 0, "message": told, "finish_reason": reason}
        self._add_logprobs(choice, answer)
        result: Object = {
            "id": self._id,
            "object": "chat.completion",
            "created": unix_seconds(answer["created_at"]),
            "model": answer["model"],
            "system_fingerprint": _FINGERPRINT,
            "choices": [choice],
            "usage": _usage(answer),
        }
        if "_debug_info" in answer:
            result["_debug_info"] = answer["_debug_info"]
        return result

    def pieces(self, answer: Object) -> Sequence[bytes]:
        message = as_map(answer.get("message"))
        content, thinking = message.get("content", ""), message.get("thinking", "")
        calls = told_calls(message)
        self._called = self._called or bool(calls)
        done = answer.get("done", False)
        deltas: List[Object] = []
        if thinking and (content or calls):
            deltas.append({"reasoning": thinking})
            thinking = ""
        if content or thinking or calls or not done:
            delta: Object = {"content": content}
            if thinking:
                delta["reasoning"] = thinking
            if calls:
                delta["tool_calls"] = calls
            deltas.append(delta)
        data = b""
        for index, delta in enumerate(deltas):
            choice: Object = {"index": 0, "delta": self._first(delta), "finish_reason": None}
            if index == len(deltas) - 1:
                self._add_logprobs(choice, answer)
            data += event(self._chunk(answer, [choice]))
        if done:
            reason = "tool_calls" if self._called else answer.get("done_reason") or None
            choice = {"index": 0, "delta": {}, "finish_reason": reason}
            if not deltas:
                self._add_logprobs(choice, answer)
            data += event(self._chunk(answer, [choice]))
            if self._usage:
                data += event({**self._chunk(answer, []), "usage": _usage(answer)})
            data += _DONE
        return (data,)

    def _first(self, delta: Object) -> Object:
        begun, self._begun = self._begun, True
        return delta if begun else {"role": "assistant", **delta}

    def _chunk(self, answer: Mapping[str, Any], choices: List[Object]) -> Object:
        return {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": answer.get("model", ""),
            "system_fingerprint": _FINGERPRINT,
            "choices": choices,
        }

    def _add_logprobs(self, choice: Object, answer: Mapping[str, Any]) -> None:
        if answer.get("logprobs"):
            choice["logprobs"] = {"content": answer["logprobs"]}


class _TextWriter(OpenAIWriter):
    def __init__(self, request: Mapping[str, Any]) -> None:
        self._id = f"cmpl-{random.randrange(999)}"
        self._usage = _wants_usage(request)

    def whole(self, answer: Object) -> Object:
        return {
            "id": self._id,
            "object": "text_completion",
            "created": unix_seconds(answer["created_at"]),
            "model": answer["model"],
            "system_fingerprint": _FINGERPRINT,
            "choices": [self._choice(answer)],
            "usage": _usage(answer),
        }

    def pieces(self, answer: Object) -> Sequence[bytes]:
        chunk: Object = {
            "id": self._id,
            "object": "text_completion",
            # An error has no time: the server writes its zero time.
            "created": unix_seconds(answer.get("created_at", "0001-01-01T00:00:00Z")),
            "choices": [self._choice(answer)],
            "model": answer.get("model", ""),
            "system_fingerprint": _FINGERPRINT,
        }
        if self._usage:
            chunk["usage"] = _usage({})
        data = event(chunk)
        if answer.get("done"):
            if self._usage:
                data += event({**chunk, "choices": [], "usage": _usage(answer)})
            data += _DONE
        return (data,)

    def _choice(self, answer: Mapping[str, Any]) -> Object:
        reason = answer.get("done_reason") or None
        return {"text": answer.get("response", ""), "index": 0, "finish_reason": reason}


class _VectorWriter(OpenAIWriter):
    def __init__(self, request: Mapping[str, Any]) -> None:
        self._base64 = request.get("encoding_format", "").lower() == "base64"

    def whole(self, answer: Object) -> Object:
        asked = answer.get("prompt_eval_count", 0)
        return {
            "object": "list",
            "data": [
                {"object": "embedding", "embedding": self._written(vector), "index": index}
                for index, vector in enumerate(answer["embeddings"])
            ],
            "model": answer["model"],
            "usage": {"prompt_tokens": asked, "total_tokens": asked},
        }

    def _written(self, vector: List[float]) -> Any:
        if self._base64:
            return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        return [Float32(value) for value in vector]


class _ListWriter(OpenAIWriter):
    def whole(self, answer: Object) -> Object:
        told = [_model(entry["name"], entry["modified_at"]) for entry in answer["models"]]
        return {"object": "list", "data": told or None}


class _ModelWriter(OpenAIWriter):
    def __init__(self, asked: str) -> None:
        self._asked = asked

    def whole(self, answer: Object) -> Object:
        return _model(self._asked, answer["modified_at"])


def _model(name: str, changed: str) -> Object:
    return {
        "id": name,
        "object": "model",
        "created": unix_seconds(changed),
        "owned_by": _names.parse(name).namespace,
    }
