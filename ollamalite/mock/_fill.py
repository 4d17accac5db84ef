"""Values that fit a JSON Schema: what a model would say under ``format`` or as arguments.

The words and numbers of the prompt are used up in order, so that the same prompt and schema
always give the same value. Keywords that are not known here are not looked at.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Dict, List, Mapping, Optional

from ._gojson import as_list, as_map

_DEPTH = 12
_MANY = 100
_LONG = 10_000

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


def arguments(parameters: Any, source: Source) -> Dict[str, Any]:
    """Arguments of a tool call: the required ones; all of them if none is required."""
    properties = as_map(as_map(parameters).get("properties"))
    required = as_list(as_map(parameters).get("required")) or list(properties)
    chosen = {key: value for key, value in properties.items() if key in required}
    schema: Any = {"type": "object", "properties": chosen}
    return as_map(_fill(schema, source, "", parameters, _DEPTH))


def _fill(schema: Any, source: Source, label: str, root: Any, depth: int) -> Any:
    rules = as_map(schema)
    if not rules or depth < -_DEPTH:
        return source.string(label)
    if "$ref" in rules:
        return _fill(_resolve(rules["$ref"], root), source, label, root, depth - 1)
    if "const" in rules:
        return rules["const"]
    options = as_list(rules.get("enum"))
    if options:
        return options[source.number(label, len(options))]
    for union in ("anyOf", "oneOf", "allOf"):
        options = as_list(rules.get(union))
        if options:
            base = {key: value for key, value in rules.items() if key != union}
            if union != "allOf":
                # When patience ends the last option is taken, which ends most recursions.
                options = [options[0] if depth > _DEPTH // 3 else options[-1]]
            return _fill(_merged([base, *options], root), source, label, root, depth - 1)
    kind = _kind(rules)
    if kind == "object":
        return _object(rules, source, root, depth)
    if kind == "array":
        return _array(rules, source, label, root, depth)
    if kind in ("integer", "number"):
        return _number(rules, source, label, kind == "integer")
    if kind == "boolean":
        return bool(source.number(label, 2))
    if kind == "null":
        return None
    return _text(rules, source, label)


def _kind(rules: Mapping[str, Any]) -> Any:
    kind = rules.get("type")
    kinds = as_list(kind)
    if kinds:
        return kinds[0]
    if isinstance(kind, str):
        return kind
    if "properties" in rules or "additionalProperties" in rules:
        return "object"
    return "array" if "items" in rules else "string"


def _resolve(reference: Any, root: Any) -> Any:
    target = root
    for part in str(reference).lstrip("#/").split("/"):
        if part:
            target = as_map(target).get(part.replace("~1", "/").replace("~0", "~"), {})
    return target


def _merged(schemas: List[Any], root: Any) -> Dict[str, Any]:
    merged: Dict[str, Any] = {}
    for schema in schemas:
        rules = as_map(schema)
        for _ in range(_DEPTH):
            if "$ref" in rules:
                rules = as_map(_resolve(rules["$ref"], root))
        for key, value in rules.items():
            if key == "properties":
                merged[key] = {**as_map(merged.get(key)), **as_map(value)}
            elif key == "required":
                merged[key] = as_list(merged.get(key)) + as_list(value)
            elif key != "$ref":
                merged[key] = value
    return merged


def _object(rules: Mapping[str, Any], source: Source, root: Any, depth: int) -> Dict[str, Any]:
    result: Dict[str, Any] = {}
    required = [name for name in as_list(rules.get("required")) if isinstance(name, str)]
    for key, inner in as_map(rules.get("properties")).items():
        if depth > _DEPTH // 3 or key in required:
            result[key] = _fill(inner, source, key, root, depth - 1)
    for key in required:
        if key not in result:
            result[key] = source.string(key)
    extra = as_map(rules.get("additionalProperties"))
    wanted = int(_bound(rules, "minProperties", 1 if extra and not result and depth > 0 else 0))
    while len(result) < min(wanted, _MANY):
        key = f"key{len(result) + 1}"
        result[key] = _fill(extra, source, key, root, depth - 1)
    return result


def _array(
    rules: Mapping[str, Any], source: Source, label: str, root: Any, depth: int
) -> List[Any]:
    first = as_list(rules.get("prefixItems"))
    items = rules.get("items", {})
    least = int(_bound(rules, "minItems", 0))
    most = int(_bound(rules, "maxItems", max(2, least, len(first))))
    count = min(max(least, len(first), 2 if depth > _DEPTH // 3 else 0), most, _MANY)
    result = [_fill(inner, source, label, root, depth - 1) for inner in first[:count]]
    while len(result) < count and items is not False:
        value = _fill(items, source, f"{label}{len(result)}", root, depth - 1)
        if rules.get("uniqueItems") and value in result:
            if len(result) >= least or not isinstance(value, (str, int, float)):
                break
            value = f"{value} {len(result)}" if isinstance(value, str) else value + len(result)
        result.append(value)
    return result


def _bound(rules: Mapping[str, Any], key: str, default: float) -> float:
    value = rules.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 2**63:
        return default
    return value


def _number(rules: Mapping[str, Any], source: Source, label: str, integer: bool) -> Any:
    infinite = float("inf")
    written = source.written_number()
    value: float = float(written) if written is not None else source.number(label, 100)
    low = _bound(rules, "minimum", -infinite)
    high = _bound(rules, "maximum", infinite)
    above = _bound(rules, "exclusiveMinimum", -infinite)
    below = _bound(rules, "exclusiveMaximum", infinite)
    if above > -infinite:
        low = max(
            low,
            above + 1
            if integer or min(high, below) == infinite
            else (above + min(high, below)) / 2,
        )
    if below < infinite:
        high = min(high, below - 1 if integer or low == -infinite else (below + low) / 2)
    value = min(max(value, low), high)
    step = _bound(rules, "multipleOf", 0)
    if step > 0 and abs(value / step) < infinite:
        value = value // step * step
        if value < low:
            value += step
    return int(value) if integer or value == int(value) else value


def _text(rules: Mapping[str, Any], source: Source, label: str) -> str:
    named = _FORMATS.get(str(rules.get("format", "")))
    if named is not None:
        return named
    text = source.string(label)
    least = min(int(_bound(rules, "minLength", 0)), _LONG)
    while len(text) < least:
        text += " " + text
    most = int(_bound(rules, "maxLength", _LONG))
    text = text[: max(most, least)]
    pattern = rules.get("pattern")
    fitting = _for_pattern(pattern) if isinstance(pattern, str) else None
    return text if fitting is None else fitting


_ATOM = re.compile(r"(\\d|\\w|\\s|\[[^\]]+\]|\\.|\.|[^\\\[\](){}*+?|.])(\{\d+(?:,\d*)?\}|[*+?])?")


def _for_pattern(pattern: str) -> Optional[str]:
    """A text for the simple patterns that schemas have, such as ``^[A-Z]{3}-\\d+$``.

    None for patterns with groups, which are also those that can take for ever.
    """
    result = ""
    rest = pattern.strip("^$")
    try:
        while rest:
            match = _ATOM.match(rest)
            if match is None:
                return None
            atom, repeat = match.groups()
            char = {"\\d": "1", "\\w": "a", "\\s": " ", ".": "a"}.get(atom, atom[-1])
            if atom[0] == "[":
                char = next((c for c in "a1A_- " + atom[1:-1] if re.match(atom, c)), "a")
            count = int(re.findall(r"\d+", repeat)[0]) if repeat and repeat[0] == "{" else 1
            result += char * min(count, _MANY)
            rest = rest[match.end() :]
        return result if re.search(pattern, result) else None
    except (re.error, OverflowError):
        return None
