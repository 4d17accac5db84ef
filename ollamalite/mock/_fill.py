"""Values that fit a JSON Schema: what a model would say under ``format`` or as arguments.

The words and numbers of the prompt are used up in order, so that the same prompt and schema
always give the same value. Keywords that are not known here are not looked at.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Dict, List, Mapping, Optional

_DEPTH = 12

_CAPITALIZED = re.compile(r"\b[A-ZÀ-Þ][\w-]*|[\u3040-\u9fff\uac00-\ud7a3]+")
_WORD = re.compile(r"[^\W\d_][\w-]*")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")

_FORMATS = {
    "date": "2026-01-02",
    "date-time": "2026-01-02T03:04:05Z",
    "time": "03:04:05Z",
    "email": "ada@example.com",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "0190a3c2-8f1e-7c55-9f0e-3d2b1a4c5e6f",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "hostname": "example.com",
    "duration": "PT1H",
}

_SENTENCE_STARTS = {
    "What", "Why", "How", "Who", "When", "Where", "Which", "Is", "Are", "Can", "Could", "Do",
    "Does", "Tell", "Give", "Show", "Please", "The", "A", "An", "I", "You", "It", "In", "On",
    "Use", "Call", "Find", "Get", "Add", "List", "Return", "Name", "Say", "Weather",
}  # fmt: skip


class Source:
    """The words and numbers of a prompt, taken one after another."""

    def __init__(self, prompt: str) -> None:
        self._names: List[str]
        self._numbers: List[str]
        self._words: List[str]
        self._prompt = prompt
        self._names = [
            word for word in _CAPITALIZED.findall(prompt) if word not in _SENTENCE_STARTS
        ]
        self._numbers = _NUMBER.findall(prompt)
        self._words = _WORD.findall(prompt)

    def string(self, label: str) -> str:
        if self._names:
            return self._names.pop(0)
        if not self._words:
            return label or "text"
        return self._words[self.number(label, len(self._words))]

    def number(self, label: str, below: int) -> int:
        """A number from 0 to below ``below`` that depends on the prompt and the label."""
        seed = f"{label}\n{self._prompt}".encode("utf-8", "replace")
        return int.from_bytes(hashlib.blake2b(seed, digest_size=4).digest(), "big") % below

    def written_number(self) -> Optional[str]:
        return self._numbers.pop(0) if self._numbers else None


def fill(schema: Any, source: Source) -> Any:
    """A value that fits ``schema``."""
    return _fill(schema, source, "", schema, _DEPTH)


def arguments(parameters: Mapping[str, Any], source: Source) -> Dict[str, Any]:
    """Arguments of a tool call: the required ones; all of them if none is required."""
    properties: Mapping[str, Any] = parameters.get("properties") or {}
    required: List[str] = parameters.get("required") or list(properties)
    chosen = {key: value for key, value in properties.items() if key in required}
    value = _fill({"type": "object", "properties": chosen}, source, "", parameters, _DEPTH)
    return value if isinstance(value, dict) else {}


def _fill(schema: Any, source: Source, label: str, root: Any, depth: int) -> Any:
    if schema is True or not isinstance(schema, Mapping) or not schema:
        return source.string(label)
    if "$ref" in schema:
        return _fill(_resolve(schema["$ref"], root), source, label, root, depth - 1)
    if "const" in schema:
        return schema["const"]
    options = schema.get("enum")
    if isinstance(options, list) and options:
        return options[source.number(label, len(options))]
    for union in ("anyOf", "oneOf"):
        options = schema.get(union)
        if isinstance(options, list) and options:
            base = {key: value for key, value in schema.items() if key != union}
            # At the end of the patience the last option is taken, which ends most recursions.
            option = options[0] if depth > 4 else options[-1]
            return _fill(_merged([base, option], root), source, label, root, depth - 1)
    if isinstance(schema.get("allOf"), list):
        base = {key: value for key, value in schema.items() if key != "allOf"}
        return _fill(_merged([base, *schema["allOf"]], root), source, label, root, depth - 1)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0] if kind else None
    if kind is None:
        if "properties" in schema or "additionalProperties" in schema:
            kind = "object"
        else:
            kind = "array" if "items" in schema else "string"
    if kind == "object":
        return _object(schema, source, root, depth)
    if kind == "array":
        return _array(schema, source, label, root, depth)
    if kind in ("integer", "number"):
        return _number(schema, source, label, kind)
    if kind == "boolean":
        return bool(source.number(label, 2))
    if kind == "null":
        return None
    return _text(schema, source, label)


def _resolve(reference: Any, root: Any) -> Any:
    target = root
    for part in str(reference).lstrip("#/").split("/"):
        if part and isinstance(target, Mapping):
            target = target.get(part.replace("~1", "/").replace("~0", "~"), {})
    return target


def _merged(schemas: List[Any], root: Any) -> Dict[str, Any]:
    merged: Dict[str, Any] = {}
    for schema in schemas:
        while isinstance(schema, Mapping) and "$ref" in schema:
            schema = _resolve(schema["$ref"], root)
        if not isinstance(schema, Mapping):
            continue
        for key, value in schema.items():
            known = merged.get(key)
            if key == "properties" and isinstance(known, dict):
                merged[key] = {**known, **value}
            elif key == "required" and isinstance(known, list):
                merged[key] = known + [name for name in value if name not in known]
            else:
                merged[key] = value
    return merged


def _object(schema: Mapping[str, Any], source: Source, root: Any, depth: int) -> Dict[str, Any]:
    result: Dict[str, Any] = {}
    required = schema.get("required") or ()
    for key, inner in (schema.get("properties") or {}).items():
        if depth > 4 or key in required:
            result[key] = _fill(inner, source, key, root, depth - 1)
    for key in required:
        result.setdefault(key, source.string(key))
    extra = schema.get("additionalProperties")
    wanted = schema.get("minProperties") or 0
    if isinstance(extra, Mapping) and not result and depth > 0:
        wanted = max(wanted, 1)
    while len(result) < wanted and len(result) < 100:
        key = f"key{len(result) + 1}"
        result[key] = _fill(
            extra if isinstance(extra, Mapping) else {}, source, key, root, depth - 1
        )
    return result


def _array(
    schema: Mapping[str, Any], source: Source, label: str, root: Any, depth: int
) -> List[Any]:
    first = schema.get("prefixItems") or []
    items = schema.get("items", {})
    least = schema.get("minItems", 1 if depth > 4 else 0)
    most = schema.get("maxItems", max(2, least))
    count = min(max(least, 2 if depth > 4 else 0, len(first)), most, 100)
    result = [_fill(inner, source, label, root, depth - 1) for inner in first[:count]]
    while len(result) < count and items is not False:
        value = _fill(items, source, f"{label}{len(result)}", root, depth - 1)
        if schema.get("uniqueItems") and value in result:
            if len(result) >= least or not isinstance(value, (str, int, float)):
                break
            value = f"{value} {len(result)}" if isinstance(value, str) else value + len(result)
        result.append(value)
    return result


def _number(schema: Mapping[str, Any], source: Source, label: str, kind: str) -> Any:
    written = source.written_number()
    value: Any = float(written) if written is not None else source.number(label, 100)
    low = schema.get("minimum")
    high = schema.get("maximum")
    if isinstance(schema.get("exclusiveMinimum"), (int, float)):
        bound = schema["exclusiveMinimum"]
        low = bound + 1 if kind == "integer" or high is None else (bound + high) / 2
    if isinstance(schema.get("exclusiveMaximum"), (int, float)):
        bound = schema["exclusiveMaximum"]
        high = bound - 1 if kind == "integer" or low is None else (bound + low) / 2
    if low is not None and value < low:
        value = low
    if high is not None and value > high:
        value = high
    step = schema.get("multipleOf")
    if isinstance(step, (int, float)) and step > 0:
        value = value // step * step
        if low is not None and value < low:
            value += step
    if kind == "integer" or value == int(value):
        return int(value)
    return value


def _text(schema: Mapping[str, Any], source: Source, label: str) -> str:
    named = _FORMATS.get(schema.get("format", ""))
    if named is not None:
        return named
    text = source.string(label)
    least = schema.get("minLength") or 0
    while len(text) < least:
        text += " " + text
    most = schema.get("maxLength")
    if isinstance(most, int):
        text = text[:most] if most >= least else text
    pattern = schema.get("pattern")
    if isinstance(pattern, str):
        fitting = _for_pattern(pattern)
        text = text if fitting is None else fitting
    return text


def _for_pattern(pattern: str) -> Optional[str]:
    """A text for the simple patterns that schemas have, such as ``^[A-Z]{3}-\\d+$``."""
    result = ""
    rest = pattern.strip("^$")
    token = re.compile(
        r"(\\d|\\w|\\s|\[[^\]]+\]|\\.|\.|[^\\\[\](){}*+?|.])(\{\d+(?:,\d*)?\}|[*+?])?"
    )
    while rest:
        match = token.match(rest)
        if match is None:
            return None
        atom, repeat = match.groups()
        known = {"\\d": "1", "\\w": "a", "\\s": " ", ".": "a"}
        if atom in known:
            char = known[atom]
        elif atom[0] == "[":
            char = next((c for c in "a1A_- " + atom[1:-1] if re.match(atom, c)), "a")
        else:
            char = atom[-1]
        count = int(re.findall(r"\d+", repeat)[0]) if repeat and repeat[0] == "{" else 1
        result += char * count
        rest = rest[match.end() :]
    return result if re.search(pattern, result) else None
