"""A request body held against the description, with the mismatches told as Go tells them.

The description says which fields a request has and of which JSON type; Go's decoder says what
happens when a body does not fit. Where the server's own type differs from what the description
can say (durations, images, raw JSON), the tables here name the difference.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple, Union, cast

from ._gojson import NoBody, Number, Object, SyntaxFault, as_list, as_map, plain, scan, too_large
from ._govalues import ValueFault, base64_bytes, duration

Types = Mapping[str, Mapping[str, Any]]

# The component names of the description are those of the Python package; the texts show Go's.
_GO_NAMES = {
    "Message.ToolCall": "api.ToolCall",
    "Message.ToolCall.Function": "api.ToolCallFunction",
    "Tool.Function.Parameters.Property": "api.ToolProperty",
    "EmbeddingsRequest": "api.EmbeddingRequest",
    "ChatCompletionRequest": "openai.ChatCompletionRequest",
    "ChatCompletionMessage": "openai.Message",
    "ChatCompletionToolCall": "openai.ToolCall",
    "ChatCompletionFormat": "openai.ResponseFormat",
    "ChatCompletionSchema": "openai.JsonSchema",
    "ChatCompletionReasoning": "openai.Reasoning",
    "StreamOptions": "openai.StreamOptions",
    "CompletionRequest": "openai.CompletionRequest",
    "OpenAIEmbedRequest": "openai.EmbedRequest",
    "ResponsesRequest": "openai.ResponsesRequest",
    "ResponseReasoning": "openai.ResponsesReasoning",
    "ResponseText": "openai.ResponsesText",
    "ResponseFormat": "openai.ResponsesTextFormat",
    "ResponseTool": "openai.ResponsesTool",
    "MessagesRequest": "anthropic.MessagesRequest",
    "AnthropicTurn": "anthropic.MessageParam",
    "AnthropicTool": "anthropic.Tool",
    "AnthropicToolChoice": "anthropic.ToolChoice",
    "AnthropicThinking": "anthropic.ThinkingConfig",
    "AnthropicMetadata": "anthropic.Metadata",
    "AnthropicOutputConfig": "anthropic.OutputConfig",
}

_DURATION = "duration"
_THINK = "think"
_RAW = "raw"
_IMAGE = "image"
_ARGUMENTS = "arguments"
_MAP = "object"

# Fields whose Go type decides differently from their JSON type.
_GO_FIELDS: Dict[str, Any] = {
    "keep_alive": _DURATION,
    "think": _THINK,
    "format": _RAW,
    "options": _MAP,
    "images": [_IMAGE],
    "ChatRequest.tools": ["Tool"],
    "Message.ToolCall.Function.arguments": _ARGUMENTS,
    "Tool.items": "any",
    "Tool.Function.Parameters.items": "any",
    "Tool.Function.Parameters.$defs": "any",
    "Tool.Function.Parameters.properties": {"+": "Tool.Function.Parameters.Property"},
    "Tool.Function.Parameters.Property.properties": {"+": "Tool.Function.Parameters.Property"},
    "Tool.Function.Parameters.Property.items": "any",
    "EmbedRequest.input": "any",
    "CreateRequest.license": "any",
    "CreateRequest.parameters": _MAP,
    "CreateRequest.info": _MAP,
    "ChatCompletionRequest.stop": "any",
    "ChatCompletionMessage.content": "any",
    "ChatCompletionSchema.schema": _RAW,
    "CompletionRequest.stop": "any",
    "OpenAIEmbedRequest.input": "any",
    "ResponsesRequest.input": "any",
    "ResponsesRequest.conversation": "any",
    "ResponseText.format": "ResponseFormat",
    "ResponseFormat.schema": _RAW,
    "ResponseTool.parameters": _MAP,
    "MessagesRequest.system": "any",
    "AnthropicTurn.content": "any",
    "AnthropicTool.input_schema": _RAW,
}

# Checked as their type is, but kept whole: a tool call is made up from all that was sent.
_KEPT = frozenset(("Tool.Function.parameters",))

# Fields that are described for older servers only: this one ignores them, whatever they hold.
_GONE = {"GenerateRequest": frozenset(("width", "height", "steps"))}

# Types that decode themselves: their first mismatch ends the decoding at once.
_SELF_DECODING = {"Message"}

_SCALARS = {
    "string": "string",
    "integer": "int",
    "number": "float64",
    "float32": "float32",
    "boolean": "bool",
    "object": "map[string]interface {}",
    "any": "interface {}",
    _IMAGE: "api.ImageData",
}

_INTEGER = re.compile(r"-?[0-9]+\Z")
_OBJECT_EXPECTED = "Value looks like object, but can't find closing '}' symbol"
THINK_LEVELS = ("high", "medium", "low", "max")


class BodyFault(ValueError):
    """The body cannot be used; the text is what the server answers with status 400."""


class Raw(NamedTuple):
    """A field that the server keeps as the bytes that came."""

    text: str
    node: Any


class Mismatch(Exception):
    """A value of another type than the field's; ``struct`` and ``field`` say where."""

    def __init__(self, found: str, wanted: str) -> None:
        self.found = found
        self.wanted = wanted
        self.struct = ""
        self.field = ""

    def __str__(self) -> str:
        place = "value"
        if self.struct or self.field:
            place = f"struct field {self.struct}.{self.field}"
        return f"json: cannot unmarshal {self.found} into Go {place} of type {self.wanted}"


class _Skip:
    pass


_SKIP = _Skip()


def decode(types: Types, component: str, body: bytes) -> Dict[str, Any]:
    """The fields of ``component`` in ``body``, by their names in the description.

    Unknown fields are dropped, ``null`` counts as absent. Raises `BodyFault`.
    """
    text = body.decode("latin-1")
    try:
        node = scan(text)
    except NoBody:
        raise BodyFault("missing request body") from None
    except SyntaxFault as fault:
        raise BodyFault(str(fault)) from None
    if node is None:
        return {}
    decoder = _Decoder(types, text)
    fields: Dict[str, Any] = {}
    try:
        decoder.struct(component, node, fields)
        if decoder.fault is not None:
            raise decoder.fault
    except (Mismatch, ValueFault) as fault:
        raise BodyFault(str(fault)) from None
    except RecursionError:
        raise BodyFault("exceeded max depth") from None
    return fields


class _Decoder:
    def __init__(self, types: Types, text: str) -> None:
        self.types = types
        self.text = text
        self.fault: Optional[Exception] = None
        self.struct_name = ""
        self.path: List[str] = []

    def save(self, fault: Exception) -> _Skip:
        """Go goes on after a mismatch and reports the first one at the end."""
        if self.fault is None:
            self.fault = self.placed(fault)
        return _SKIP

    def placed(self, fault: Exception) -> Exception:
        if isinstance(fault, Mismatch) and self.struct_name:
            fault.struct = self.struct_name
            fault.field = ".".join(self.path + ([fault.field] if fault.field else []))
        return fault

    def struct(self, component: str, node: Any, into: Dict[str, Any]) -> Union[_Skip, None]:
        if type(node) is not Object:
            return self.save(Mismatch(kind(node), _qualified(component)))
        fields = self.types[component]
        gone = _GONE.get(component, frozenset())
        folded = {name.lower(): name for name in fields}
        outer = self.struct_name
        for member in node:
            name = member.key if member.key in fields else folded.get(member.key.lower())
            if name is None or name in gone:
                continue
            spec = _GO_FIELDS.get(f"{component}.{name}", _GO_FIELDS.get(name, fields[name]))
            if member.value is None:
                if not isinstance(spec, str) or spec not in ("string", "boolean", "integer"):
                    into.pop(name, None)
                continue
            self.struct_name = go_name(component)
            self.path.append(name)
            kept = f"{component}.{name}" in _KEPT
            if spec == _RAW or (kept and self.value(spec, member.value) is not _SKIP):
                raw = self.text[member.start : member.end].encode("latin-1")
                into[name] = Raw(raw.decode("utf-8", "replace"), member.value)
            elif not kept:
                value = self.value(spec, member.value)
                if value is not _SKIP:
                    into[name] = value
            self.path.pop()
            self.struct_name = outer
        return None

    def value(self, spec: Any, node: Any) -> Any:
        if isinstance(spec, tuple):
            union: Tuple[Any, ...] = cast(Any, spec)
            spec = _alternative(union, node)
        if isinstance(spec, str):
            reader = _READERS.get(spec)
            if reader is not None:
                return reader(self, node)
            return self.component(spec, node)
        if isinstance(spec, list):
            return self.items(as_list(spec)[0], node)
        if "+" in spec:
            return self.ordered_map(spec["+"], node)
        return self.map(spec["*"], node)

    def component(self, name: str, node: Any) -> Any:
        into: Dict[str, Any] = {}
        if name not in _SELF_DECODING:
            return into if self.struct(name, node, into) is None else _SKIP
        inner = _Decoder(self.types, self.text)
        inner.struct(name, node, into)
        if inner.fault is not None:
            raise self.placed(inner.fault)
        if name == "Message":
            into["role"] = into.get("role", "").lower()
        return into

    def items(self, spec: Any, node: Any) -> Any:
        if type(node) is not list:
            return self.save(Mismatch(kind(node), go_type([spec])))
        result: List[Any] = []
        for item in as_list(node):
            value = _zero(spec) if item is None else self.value(spec, item)
            result.append(_zero(spec) if value is _SKIP else value)
        return result

    def map(self, spec: Any, node: Any) -> Any:
        if type(node) is not Object:
            return self.save(Mismatch(kind(node), go_type({"*": spec})))
        result: Dict[str, Any] = {}
        for member in node:
            value = _zero(spec) if member.value is None else self.value(spec, member.value)
            if value is not _SKIP:
                result[member.key] = value
        return result

    def ordered_map(self, spec: Any, node: Any) -> Any:
        if type(node) is not Object:
            raise ValueFault(_OBJECT_EXPECTED)
        result: Dict[str, Any] = {}
        for member in node:
            inner = _Decoder(self.types, self.text)
            value = _zero(spec) if member.value is None else inner.value(spec, member.value)
            if inner.fault is not None:
                raise self.placed(inner.fault)
            result[member.key] = value
        return result

    def string(self, node: Any) -> Any:
        return node if type(node) is str else self.save(Mismatch(kind(node), "string"))

    def boolean(self, node: Any) -> Any:
        return node if type(node) is bool else self.save(Mismatch(kind(node), "bool"))

    def integer(self, node: Any) -> Any:
        if type(node) is not Number:
            return self.save(Mismatch(kind(node), "int"))
        # Python reads no integers of some thousand digits.
        fits = len(node) <= 20 and _INTEGER.match(node) and -(2**63) <= int(node) < 2**63
        if not fits:
            return self.save(Mismatch(f"number {node}", "int"))
        return int(node)

    def number(self, node: Any) -> Any:
        if type(node) is not Number:
            return self.save(Mismatch(kind(node), "float64"))
        return self.any(node)

    def object(self, node: Any) -> Any:
        if type(node) is not Object:
            return self.save(Mismatch(kind(node), _SCALARS[_MAP]))
        return self.any(node)

    def any(self, node: Any) -> Any:
        huge = too_large(node)
        if huge is not None:
            return self.save(Mismatch(f"number {huge}", "float64"))
        return plain(node)

    def image(self, node: Any) -> Any:
        if type(node) is not str:
            return self.save(Mismatch(kind(node), _SCALARS[_IMAGE]))
        try:
            return base64_bytes(node)
        except ValueFault as fault:
            return self.save(fault)

    def arguments(self, node: Any) -> Any:
        if type(node) is not Object:
            raise ValueFault(_OBJECT_EXPECTED)
        huge = too_large(node)
        if huge is not None:
            raise self.placed(Mismatch(f"number {huge}", "float64"))
        return plain(node)

    def duration(self, node: Any) -> Any:
        huge = too_large(node)
        if huge is not None:
            raise self.placed(Mismatch(f"number {huge}", "float64"))
        if type(node) is Number or type(node) is str:
            return duration(node)
        go = {"array": "[]interface {}", "object": "map[string]interface {}"}
        found = kind(node)
        raise ValueFault(f"Unsupported type: '{go.get(found, found)}'")

    def think(self, node: Any) -> Any:
        if type(node) is bool:
            return node
        levels = '"high", "medium", "low", "max", true, or false'
        if type(node) is not str:
            raise ValueFault(f"think must be a boolean or string ({levels})")
        if node not in THINK_LEVELS:
            raise ValueFault(f'invalid think value: "{node}" (must be {levels})')
        return node


_READERS: Dict[str, Any] = {
    "string": _Decoder.string,
    "boolean": _Decoder.boolean,
    "integer": _Decoder.integer,
    "number": _Decoder.number,
    "float32": _Decoder.number,
    "object": _Decoder.object,
    "any": _Decoder.any,
    _IMAGE: _Decoder.image,
    _ARGUMENTS: _Decoder.arguments,
    _DURATION: _Decoder.duration,
    _THINK: _Decoder.think,
}


def go_name(component: str) -> str:
    """The name of a component's type in the server's texts, without its package."""
    return _qualified(component).partition(".")[2]


def _qualified(component: str) -> str:
    return _GO_NAMES.get(component) or "api." + component.replace(".", "")


def go_type(spec: Any) -> str:
    """A type of the description as Go prints it."""
    if isinstance(spec, list):
        inner = go_type(as_list(spec)[0])
        return "api.Tools" if inner == "api.Tool" else "[]" + inner
    if isinstance(spec, dict):
        return "map[string]" + go_type(next(iter(as_map(spec).values())))
    if isinstance(spec, tuple):
        union: Tuple[Any, ...] = cast(Any, spec)
        return go_type(union[-1])
    return _SCALARS.get(spec) or _qualified(spec)


def _alternative(spec: Tuple[Any, ...], node: Any) -> Any:
    """The member of a union that takes this kind of value, else the last one."""
    found = kind(node)
    fitting: List[Any] = []
    for option in spec:
        if isinstance(option, list):
            accepts = "array"
        elif isinstance(option, dict):
            accepts = "object"
        else:
            accepts = _ACCEPTS.get(option, "object")
        if accepts in (found, "any"):
            fitting.append(option)
    if len(fitting) > 1:
        return "any"
    return fitting[0] if fitting else spec[-1]


_ACCEPTS = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "float32": "number",
    "boolean": "bool",
    "any": "any",
}


def kind(node: Any) -> str:
    """The word that Go's texts have for the kind of a JSON value, scanned or plain."""
    if isinstance(node, bool):
        return "bool"
    if isinstance(node, (Object, dict)):
        return "object"
    if isinstance(node, list):
        return "array"
    return "number" if isinstance(node, (Number, int, float)) else "string"


def _zero(spec: Any) -> Any:
    if isinstance(spec, str):
        zero = {"string": "", "integer": 0, "number": 0, "float32": 0, "boolean": False}
        if spec == _IMAGE:
            return b""
        if spec == "Message":
            return {"role": ""}
        return zero.get(spec) if spec in zero or spec == "any" else {}
    return None
