"""``/v1/responses``: the later language of OpenAI's clients."""

from __future__ import annotations

import random
import time
from typing import Any, Dict, Iterator, List, Mapping, Sequence

from . import _generation
from ._app import Call
from ._compatible import UNCACHED, named_event, serve
from ._gojson import as_list, as_map, encode, plain
from ._gotypes import Raw
from ._openai import OpenAIWriter, data_url, effort, native_calls
from ._reply import Failure, Response

Object = Dict[str, Any]

_ITEMS = ("message", "function_call", "function_call_output", "reasoning", "web_search_call")


def responses(call: Call) -> Response:
    return serve(call, _ResponseWriter, "ChatRequest", _native, _generation.chat)


def _native(request: Object) -> Object:
    messages: List[Object] = []
    if request.get("instructions"):
        messages.append({"role": "system", "content": request["instructions"]})
    given = request.get("input")
    if isinstance(given, str):
        messages.append({"role": "user", "content": given})
    else:
        for index, item in enumerate(map(as_map, as_list(given))):
            messages += _messages(index, item)
    options: Object = {
        "temperature": request.get("temperature", 1.0),
        "top_p": request.get("top_p", 1.0),
    }
    if "max_output_tokens" in request:
        options["num_predict"] = request["max_output_tokens"]
    native: Object = {
        "model": request.get("model", ""),
        "messages": messages,
        "stream": request.get("stream", False),
        "options": options,
        "tools": list(_tools(request.get("tools") or ())),
        "think": effort(as_map(request.get("reasoning")).get("effort") or ""),
    }
    native["format"] = _form(request).get("schema")
    return native


def _form(request: Mapping[str, Any]) -> Object:
    """The form of the answer that was asked for, as it goes back to the client."""
    form = as_map(as_map(request.get("text")).get("format"))
    if form.get("type") != "json_schema":
        return {"type": "text"}
    schema = form.get("schema")
    if isinstance(schema, Raw):
        return {**form, "schema": plain(schema.node)}
    return form


def _tools(tools: Sequence[Mapping[str, Any]]) -> Iterator[Object]:
    for tool in tools:
        if tool.get("type") == "function":
            named = {key: tool[key] for key in ("name", "description", "parameters") if key in tool}
            yield {"type": "function", "function": named}


def _messages(index: int, item: Mapping[str, Any]) -> List[Object]:
    """The native messages for one item of the input."""
    kind = item.get("type") or ("message" if "role" in item else "")
    if not kind:
        raise Failure(400, f"input[{index}]: input item missing required 'type' field")
    if kind not in _ITEMS:
        raise Failure(400, f'input[{index}]: unknown input item type: "{kind}"')
    if kind == "function_call":
        tool_call = {"id": item.get("call_id", ""), "function": item}
        return [{"role": "assistant", "content": "", "tool_calls": native_calls([tool_call])}]
    if kind == "function_call_output":
        content = "".join(_text(part) for part in _parts(item.get("output")))
        return [{"role": "tool", "content": content, "tool_call_id": item.get("call_id", "")}]
    if kind == "reasoning":
        summary = "".join(_text(part) for part in _parts(item.get("summary")))
        return [{"role": "assistant", "content": "", "thinking": summary}]
    if kind == "web_search_call":
        return []
    message: Object = {"role": item.get("role", ""), "content": "", "images": []}
    for part in _parts(item.get("content")):
        if part.get("type") == "input_image":
            message["images"].append(data_url(str(part.get("image_url", ""))))
        elif part.get("type") == "input_file":
            raise Failure(400, f"input[{index}]: input_file is not supported")
        else:
            message["content"] += _text(part)
    return [message]


def _parts(content: Any) -> List[Object]:
    if isinstance(content, str):
        return [{"type": "input_text", "text": content}]
    return [as_map(part) for part in as_list(content)]


def _text(part: Mapping[str, Any]) -> str:
    return str(part.get("text", ""))


class _ResponseWriter(OpenAIWriter):
    headers = UNCACHED

    def __init__(self, request: Mapping[str, Any]) -> None:
        self._request = request
        self._id = f"resp_{_number()}"
        self._created = int(time.time())
        self._sequence = 0
        self._output: List[Object] = []
        self._item: Object = {}
        self._told = ""

    def whole(self, answer: Object) -> Object:
        message = answer["message"]
        output: List[Object] = []
        if message.get("thinking"):
            output.append(_reasoning(message["thinking"]))
        calls = message.get("tool_calls", ())
        if message["content"] or not calls:
            output.append(_message(message["content"]))
        output += [_called(tool_call) for tool_call in calls]
        return self._response(answer, "completed", output)

    def _response(self, answer: Mapping[str, Any], status: str, output: List[Object]) -> Object:
        request = self._request
        completed = status == "completed"
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "completed_at": int(time.time()) if completed else None,
            "status": status,
            "incomplete_details": None,
            "model": answer["model"],
            "previous_response_id": None,
            "instructions": request.get("instructions") or None,
            "output": output,
            "error": None,
            "tools": request.get("tools") or [],
            "tool_choice": "auto",
            "truncation": request.get("truncation") or "disabled",
            "parallel_tool_calls": True,
            "text": {"format": _form(request)},
            "top_p": request.get("top_p", 1),
            "presence_penalty": 0,
            "frequency_penalty": 0,
            "top_logprobs": 0,
            "temperature": request.get("temperature", 1),
            "reasoning": request.get("reasoning"),
            "usage": _usage(answer) if completed else None,
            "max_output_tokens": request.get("max_output_tokens"),
            "max_tool_calls": None,
            "store": False,
            "background": request.get("background", False),
            "service_tier": "default",
            "metadata": {},
            "safety_identifier": None,
            "prompt_cache_key": None,
        }

    def pieces(self, answer: Object) -> Sequence[bytes]:
        return list(self._events(answer))

    def _event(self, kind: str, **members: Any) -> bytes:
        event = {**members, "type": kind, "sequence_number": self._sequence}
        self._sequence += 1
        # The server builds these of maps, which it writes in the order of their keys.
        return named_event(kind, _sorted(event))

    def _events(self, answer: Object) -> Iterator[bytes]:
        if "error" in answer:
            # A failure is not told: the stream just stops.
            return
        if not self._sequence:
            for state in ("created", "in_progress"):
                begun = self._response(answer, "in_progress", [])
                yield self._event(f"response.{state}", response=begun)
        message = answer["message"]
        if message.get("thinking"):
            if self._item.get("type") != "reasoning":
                yield from self._finished()
                yield self._started({"id": f"rs_{_number()}", "type": "reasoning", "summary": []})
            yield self._more("response.reasoning_summary_text.delta", message["thinking"])
        if message["content"]:
            if self._item.get("type") != "message":
                yield from self._finished()
                item: Object = {**_message(""), "status": "in_progress", "content": []}
                yield self._started(item)
                yield self._event("response.content_part.added", **self._part(""))
            yield self._more("response.output_text.delta", message["content"])
        for tool_call in message.get("tool_calls", ()):
            yield from self._finished()
            called = _called(tool_call)
            yield self._started({**called, "status": "in_progress", "arguments": ""})
            arguments = called["arguments"]
            yield self._more("response.function_call_arguments.delta", arguments)
        if answer["done"]:
            yield from self._finished()
            done = self._response(answer, "completed", self._output)
            yield self._event("response.completed", response=done)

    def _started(self, item: Object) -> bytes:
        self._item, self._told = item, ""
        return self._event("response.output_item.added", item=item, output_index=len(self._output))

    def _place(self) -> Object:
        place: Object = {"item_id": self._item["id"], "output_index": len(self._output)}
        if self._item["type"] == "message":
            place["content_index"] = 0
        elif self._item["type"] == "reasoning":
            place["summary_index"] = 0
        return place

    def _part(self, text: str) -> Object:
        return {**self._place(), "part": _output_text(text)}

    def _more(self, kind: str, text: str) -> bytes:
        self._told += text
        place = self._place()
        if self._item["type"] == "message":
            place["logprobs"] = []
        return self._event(kind, delta=text, **place)

    def _finished(self) -> Iterator[bytes]:
        """The end of the item that is being told."""
        if not self._item:
            return
        kind, item, place = self._item["type"], dict(self._item), self._place()
        if kind == "message":
            item.update(status="completed", content=[_output_text(self._told)])
            yield self._event("response.output_text.done", text=self._told, logprobs=[], **place)
            yield self._event("response.content_part.done", **self._part(self._told))
        elif kind == "reasoning":
            item = {**_reasoning(self._told), "id": item["id"]}
            yield self._event("response.reasoning_summary_text.done", text=self._told, **place)
        else:
            item.update(status="completed", arguments=self._told)
            yield self._event(
                "response.function_call_arguments.done", arguments=self._told, **place
            )
        yield self._event(
            "response.output_item.done", item=item, output_index=place["output_index"]
        )
        self._output.append(item)
        self._item = {}


def _number() -> int:
    return random.randrange(999_999)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        inner = as_map(value)
        return {key: _sorted(inner[key]) for key in sorted(inner)}
    if isinstance(value, list):
        return [_sorted(item) for item in as_list(value)]
    return value


def _output_text(text: str) -> Object:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _message(text: str) -> Object:
    return {
        "id": f"msg_{_number()}",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [_output_text(text)],
    }


def _reasoning(text: str) -> Object:
    summary = [{"type": "summary_text", "text": text}]
    return {
        "id": f"rs_{_number()}",
        "type": "reasoning",
        "summary": summary,
        "encrypted_content": text,
    }


def _called(tool_call: Mapping[str, Any]) -> Object:
    function = tool_call["function"]
    return {
        "id": f"fc_{_number()}",
        "type": "function_call",
        "status": "completed",
        "call_id": tool_call.get("id", ""),
        "name": function["name"],
        "arguments": encode(function["arguments"]).decode("utf-8"),
    }


def _usage(answer: Mapping[str, Any]) -> Object:
    asked, said = answer.get("prompt_eval_count", 0), answer.get("eval_count", 0)
    return {
        "input_tokens": asked,
        "output_tokens": said,
        "total_tokens": asked + said,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
