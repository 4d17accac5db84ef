"""Converters: what a caller gives for a field, checked and brought into the form a record keeps.

A converter takes one value and returns the value to keep, or raises `Mismatch`, which says where
and what was expected. They accept what pydantic's lax mode accepts for the same type, so that calls
written for the ``ollama`` package mean the same here. Answers of a server do not pass through
here: they are taken as they are, apart from their structure.
"""

from __future__ import annotations

from collections import abc
from typing import Any, Callable, Dict, List, Optional, Tuple

Converter = Callable[[Any], Any]

# Typed as Any, so that a test with isinstance does not make the type of a value partly unknown.
OBJECT: Any = dict
ARRAY: Any = list
MAPPING: Any = abc.Mapping
_BYTES: Any = (bytes, bytearray)


class Mismatch(Exception):
    """A value is not of the kind that its field takes. ``path`` runs from the inside out."""

    def __init__(self, expected: str, value: Any) -> None:
        super().__init__(expected, value)
        self.expected = expected
        self.value = value
        self.path: List[str] = []

    def within(self, step: str) -> Mismatch:
        self.path.append(step)
        return self

    def text(self, root: str) -> str:
        where = root + "".join(reversed(self.path))
        if self.expected == "required":
            return f"{where}: required, but not given"
        return f"{where}: expected {self.expected}, got {describe(self.value)}"


class Refusal(Exception):
    """What a server sent in the place of an answer is its account of an error."""

    def __init__(self, error: Any) -> None:
        super().__init__(error)
        self.error = error


def refuse(data: Any) -> None:
    """Raise Refusal, unless the member `error` of an answer says that there is none."""
    if data["error"]:
        raise Refusal(data["error"])


def describe(value: Any) -> str:
    """Name a value in an error message: its type, and its text where that is short."""
    if value is None or isinstance(value, bool):
        return repr(value)
    kind = type(value).__name__
    if isinstance(value, (str, bytes, int, float)):
        text = repr(value[:40] if isinstance(value, (str, bytes)) else value)
        return f"{kind} {text[:60]}"
    return kind


_TRUE = frozenset(("1", "on", "t", "true", "y", "yes"))
_FALSE = frozenset(("0", "off", "f", "false", "n", "no"))


def anything(value: Any) -> Any:
    return value


def string(value: Any) -> Any:
    if isinstance(value, str):
        # Of a member of an enum its text, which is not what `format` makes of it.
        return value if type(value) is str else str.__str__(value)
    if isinstance(value, _BYTES):
        try:
            return value.decode()
        except UnicodeDecodeError:
            pass
    raise Mismatch("a string", value)


def optional_string(value: Any) -> Any:
    return None if value is None else string(value)


def integer(value: Any) -> Any:
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        whole, point, zeros = value.strip().partition(".")
        if not point or (zeros and not zeros.strip("0")):
            try:
                return int(whole)
            except ValueError:
                pass
    elif not isinstance(value, float):
        found = _number_of(value)
        if found is not None and found.is_integer():
            return int(found)
    raise Mismatch("an integer", value)


def number(value: Any) -> Any:
    found = _number_of(value)
    if found is None:
        raise Mismatch("a number", value)
    return found


def _number_of(value: Any) -> Optional[float]:
    """The float that a value stands for: texts, Decimal, the scalars of numpy and the like."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def boolean(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        if value.lower() in _TRUE:
            return True
        if value.lower() in _FALSE:
            return False
    elif _number_of(value) in (0, 1):
        return bool(_number_of(value))
    raise Mismatch("a boolean", value)


def json_object(value: Any) -> Any:
    """Objects of free form: arguments of a tool call, which others keep as JSON text."""
    if isinstance(value, MAPPING):
        return dict(value)
    if isinstance(value, str):
        parsed = object_or_text(value)
        if isinstance(parsed, OBJECT):
            return parsed
    raise Mismatch("an object", value)


def object_or_text(text: str) -> Any:
    """Return the object that a JSON text is; other text as it is."""
    import json

    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return parsed if isinstance(parsed, OBJECT) else text


def timestamp(value: Any) -> Any:
    """Keep a time as RFC 3339 text."""
    import datetime

    if isinstance(value, str):
        return value
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    raise Mismatch("a time", value)


def literal(*values: Any) -> Converter:
    expected = "one of " + ", ".join(map(repr, values))

    def convert(value: Any) -> Any:
        if isinstance(value, str) and value in values:
            return string(value)
        raise Mismatch(expected, value)

    return convert


def optional(inner: Converter) -> Converter:
    def convert(value: Any) -> Any:
        return None if value is None else inner(value)

    return convert


_NO_LIST: Any = (str, bytes, bytearray, abc.Mapping)
_ITERABLE: Any = abc.Iterable


def list_of(inner: Converter) -> Converter:
    def convert(value: Any) -> Any:
        if type(value) is not ARRAY and (
            isinstance(value, _NO_LIST) or not isinstance(value, _ITERABLE)
        ):
            raise Mismatch("a list", value)
        result: List[Any] = []
        try:
            for item in value:
                result.append(inner(item))
        except Mismatch as error:
            raise error.within(f"[{len(result)}]") from None
        return result

    return convert


def map_of(inner: Converter) -> Converter:
    def convert(value: Any) -> Any:
        if not isinstance(value, MAPPING):
            raise Mismatch("an object", value)
        result: Dict[str, Any] = {}
        for name in value:
            if not isinstance(name, str):
                raise Mismatch("names that are strings", name)
            try:
                result[name] = inner(value[name])
            except Mismatch as error:
                raise error.within("." + name) from None
        return result

    return convert


def union(*inner: Converter) -> Converter:
    """The first member that takes the value as it is, else the first that can convert it."""

    def convert(value: Any) -> Any:
        mismatches: List[Mismatch] = []
        candidates: List[Tuple[Any]] = []
        for member in inner:
            try:
                result = member(value)
            except Mismatch as error:
                mismatches.append(error)
                continue
            if result is value:
                return result
            candidates.append((result,))
        if candidates:
            return candidates[0][0]
        # The member that got furthest into the value is the one that was meant.
        deepest = max(mismatches, key=lambda error: len(error.path))
        if deepest.path:
            raise deepest
        raise Mismatch(" or ".join(dict.fromkeys(e.expected for e in mismatches)), value)

    return convert


def nonempty(value: Any) -> Any:
    if isinstance(value, (str, *_BYTES)) and value:
        return string(value)
    raise Mismatch("a string that is not empty", value)


# What describes types and functions takes as long to load as a request, and few calls need it.


def json_schema(value: Any) -> Any:
    """A converter to JSON Schemas, from mappings, classes and constructs of ``typing``."""
    if type(value) is OBJECT:
        return value
    from . import _schema

    return _schema.json_schema(value)


def tool(inner: Converter) -> Converter:
    """A converter of functions, to what ``inner`` makes of their descriptions as tools."""
    made: List[Converter] = []

    def convert(value: Any) -> Any:
        if not callable(value):
            return inner(value)
        if not made:
            from . import _tool

            made.append(_tool.tool(inner))
        return made[0](value)

    return convert
