"""JSON as Go's ``encoding/json`` reads and writes it: error texts, escapes, digits of numbers.

``scan`` reads the first value of a body and nothing after it, and raises the texts that clients
see in ``{"error": …}``. ``encode`` writes compact text. Neither knows any type of the API.
"""

from __future__ import annotations

import json.encoder
import math
import re
import struct
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Type, cast

MAX_DEPTH = 10_000

_quoted = json.encoder.encode_basestring


class SyntaxFault(ValueError):
    """The body is not JSON; the text is Go's."""


class NoBody(SyntaxFault):
    """There is nothing but white space."""


class Number(str):
    """A number as it was written."""

    __slots__ = ()


class Member(NamedTuple):
    """One key of an object; ``start`` and ``end`` frame the value in the scanned text."""

    key: str
    value: Any
    start: int
    end: int


class Object(List[Member]):
    """An object as it was written: order and repeated keys are kept."""

    __slots__ = ()


class Float32(float):
    """A number that Go holds as ``float32``: it is written with as few digits as that needs."""

    __slots__ = ()


_SPACE = re.compile(r"[ \t\r\n]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_DIGITS = re.compile(r"[0-9]*")
_HEX4 = re.compile(r"[0-9a-fA-F]{4}")
_SHORT = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LITERALS = {"t": ("true", True), "f": ("false", False), "n": ("null", None)}


def scan(text: str) -> Any:
    """Read the first JSON value of ``text``, a body decoded as Latin-1 (one character, one byte).

    Strings come out as decoded UTF-8. Raises `SyntaxFault`.
    """
    size = len(text)
    pos = _SPACE.match(text).end()  # type: ignore[union-attr]
    if pos == size:
        raise NoBody("EOF")
    # Frames of open containers: the container, the key that waits for a value, where that starts.
    stack: List[List[Any]] = []
    while True:
        start = pos
        if pos >= size:
            raise SyntaxFault("unexpected EOF")
        char = text[pos]
        value: Any
        if char == '"':
            value, pos = _string(text, pos + 1)
        elif char in "{[":
            if len(stack) >= MAX_DEPTH:
                raise _bad(char, "exceeded max depth")
            value = Object() if char == "{" else []
            pos = _skip(text, pos + 1)
            if text[pos] == ("}" if char == "{" else "]"):
                pos += 1
            else:
                frame: List[Any] = [value, "", start]
                stack.append(frame)
                if char == "{":
                    frame[1], pos = _key(text, pos)
                continue
        elif char in _LITERALS:
            word, value = _LITERALS[char]
            pos = _literal(text, pos, word)
        elif char == "-" or "0" <= char <= "9":
            value, pos = _number(text, pos)
        else:
            raise _bad(char, "looking for beginning of value")
        while True:
            if not stack:
                return value
            frame = stack[-1]
            container = frame[0]
            is_object = type(container) is Object
            container.append(Member(frame[1], value, start, pos) if is_object else value)
            pos = _skip(text, pos)
            char = text[pos]
            if char == ",":
                pos = _skip(text, pos + 1)
                if is_object:
                    frame[1], pos = _key(text, pos)
                break
            if char != ("}" if is_object else "]"):
                where = "object key:value pair" if is_object else "array element"
                raise _bad(char, "after " + where)
            stack.pop()
            value, start, pos = container, frame[2], pos + 1


def _skip(text: str, pos: int) -> int:
    pos = _SPACE.match(text, pos).end()  # type: ignore[union-attr]
    if pos >= len(text):
        raise SyntaxFault("unexpected EOF")
    return pos


def _bad(char: str, where: str) -> SyntaxFault:
    shown = {"'": r"'\''", '"': "'\"'"}.get(char) or "'" + quote(char)[1:-1] + "'"
    return SyntaxFault(f"invalid character {shown} {where}")


def _key(text: str, pos: int) -> Any:
    if text[pos] != '"':
        raise _bad(text[pos], "looking for beginning of object key string")
    key, pos = _string(text, pos + 1)
    pos = _skip(text, pos)
    if text[pos] != ":":
        raise _bad(text[pos], "after object key")
    return key, _skip(text, pos + 1)


def _literal(text: str, pos: int, word: str) -> int:
    if text.startswith(word, pos):
        return pos + len(word)
    for expected in word:
        if pos >= len(text):
            raise SyntaxFault("unexpected EOF")
        if text[pos] != expected:
            raise _bad(text[pos], f"in literal {word} (expecting '{expected}')")
        pos += 1
    return pos


def _number(text: str, pos: int) -> Any:
    start = pos
    if text[pos] == "-":
        pos += 1
    if _at(text, pos) == "0":
        pos += 1
    else:
        pos = _digits(text, pos, "in numeric literal")
    if pos < len(text) and text[pos] == ".":
        pos = _digits(text, pos + 1, "after decimal point in numeric literal")
    if pos < len(text) and text[pos] in "eE":
        pos += 1
        if _at(text, pos) in "+-":
            pos += 1
        pos = _digits(text, pos, "in exponent of numeric literal")
    return Number(text[start:pos]), pos


def _digits(text: str, pos: int, where: str) -> int:
    end = _DIGITS.match(text, pos).end()  # type: ignore[union-attr]
    if end == pos:
        raise _bad(_at(text, pos), where)
    return end


def _at(text: str, pos: int) -> str:
    if pos >= len(text):
        raise SyntaxFault("unexpected EOF")
    return text[pos]


def _string(text: str, pos: int) -> Any:
    parts: List[str] = []
    while True:
        end = _PLAIN.match(text, pos).end()  # type: ignore[union-attr]
        part = text[pos:end]
        if not part.isascii():
            part = part.encode("latin-1").decode("utf-8", "replace")
        char = _at(text, end)
        if char == '"' and not parts:
            return part, end + 1
        parts.append(part)
        if char == '"':
            return "".join(parts), end + 1
        if char != "\\":
            raise _bad(char, "in string literal")
        code = _at(text, end + 1)
        pos = end + 2
        if code in _SHORT:
            parts.append(_SHORT[code])
        elif code == "u":
            unit = _unit(text, pos)
            pos += 4
            if 0xD800 <= unit < 0xDC00 and text.startswith("\\u", pos):
                low = _unit(text, pos + 2)
                if 0xDC00 <= low < 0xE000:
                    unit = 0x10000 + ((unit - 0xD800) << 10) + low - 0xDC00
                    pos += 6
            parts.append("\ufffd" if 0xD800 <= unit < 0xE000 else chr(unit))
        else:
            raise _bad(code, "in string escape code")


def _unit(text: str, pos: int) -> int:
    if not _HEX4.match(text, pos):
        for place in range(pos, pos + 4):
            if _at(text, place) not in "0123456789abcdefABCDEF":
                raise _bad(text[place], "in \\u hexadecimal character escape")
    return int(text[pos : pos + 4], 16)


def plain(node: Any, depth: int = 200) -> Any:
    """A scanned value as dicts, lists, str, int, float, bool and None.

    The last of equal keys counts; what is nested deeper than ``depth`` becomes None.
    """
    if type(node) is Number:
        if len(node) < 20 and (node.isdigit() or node[1:].isdigit()):
            exact = int(node)
            if abs(exact) <= 2**53 and node != "-0":
                return exact
        return float(node)
    if type(node) is Object:
        if not depth:
            return None
        result: Dict[str, Any] = {}
        for member in node:
            result[member.key] = plain(member.value, depth - 1)
        return result
    if type(node) is list:
        if not depth:
            return None
        return [plain(item, depth - 1) for item in as_list(node)]
    return node


def too_large(node: Any) -> Optional[Number]:
    """The first number of a scanned value that 64 bits cannot hold."""
    waiting: List[Any] = [node]
    while waiting:
        node = waiting.pop()
        if type(node) is Number:
            if math.isinf(float(node)):
                return node
        elif type(node) is Object:
            waiting.extend(member.value for member in reversed(node))
        elif type(node) is list:
            waiting.extend(reversed(as_list(node)))
    return None


def as_map(value: Any) -> Dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return cast("Dict[str, Any]", value) if isinstance(value, dict) else {}


def as_list(value: Any) -> List[Any]:
    """The value if it is a list, else an empty one."""
    if not isinstance(value, list):
        return []
    items: List[Any] = cast(Any, value)
    return items


def quote(text: str) -> str:
    """The text as Go's ``%q`` prints it."""
    parts: List[str] = []
    for char in text:
        if char in '"\\':
            parts.append("\\" + char)
        elif char in _GO_ESCAPES:
            parts.append(_GO_ESCAPES[char])
        elif char.isprintable():
            parts.append(char)
        elif char < "\x80":
            parts.append(f"\\x{ord(char):02x}")
        elif char < "\U00010000":
            parts.append(f"\\u{ord(char):04x}")
        else:
            parts.append(f"\\U{ord(char):08x}")
    return '"' + "".join(parts) + '"'


_GO_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}

_HTML = re.compile("[<>&\u2028\u2029]")


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"


def encode(value: Any) -> bytes:
    """Compact JSON with Go's escapes; the keys of a dict keep their order."""
    parts: List[str] = []
    _write(value, parts.append)
    # Those characters can only stand inside strings, so one pass over the whole is right.
    return _HTML.sub(_escape, "".join(parts)).encode("utf-8", "replace")


def _write(value: Any, put: Callable[[str], None]) -> None:
    kind: Type[Any] = value.__class__
    if kind is str:
        put(_quoted(value))
    elif kind is int:
        put(repr(value))
    elif value is None:
        put("null")
    elif value is True:
        put("true")
    elif value is False:
        put("false")
    elif isinstance(value, dict):
        mark = "{"
        for key, item in as_map(value).items():
            put(f"{mark}{_quoted(key)}:")
            _write(item, put)
            mark = ","
        put("{}" if mark == "{" else "}")
    elif isinstance(value, (list, tuple)):
        mark = "["
        for item in cast("Iterable[Any]", value):
            put(mark)
            _write(item, put)
            mark = ","
        put("[]" if mark == "[" else "]")
    elif kind is Float32:
        put(_float(_shortest32(value), value))
    elif isinstance(value, float):
        put(_float(repr(value), value))
    elif isinstance(value, str):
        put(_quoted(str(value)))
    else:
        raise TypeError(f"cannot be written as JSON: {kind.__name__}")


def float32(value: float) -> float:
    """The nearest number that fits in 32 bits."""
    nearest: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return nearest


def _shortest32(value: float) -> str:
    packed = struct.pack("<f", value)
    text = ""
    for digits in (5, 6, 7, 8):
        text = f"{value:.{digits}e}"
        if struct.pack("<f", float(text)) == packed:
            break
    return text


def _float(text: str, value: float) -> str:
    """Lay out the digits of ``text`` as Go does: with an exponent only when it is far from 0."""
    mantissa, _, power = text.partition("e")
    sign = "-" if mantissa[0] == "-" else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = whole + fraction
    exponent = int(power or 0) + len(whole)
    significant = digits.lstrip("0")
    exponent -= len(digits) - len(significant)
    significant = significant.rstrip("0")
    if not significant:
        return sign + "0"
    if 1e-6 <= abs(value) < 1e21:
        if exponent <= 0:
            return f"{sign}0.{'0' * -exponent}{significant}"
        if exponent >= len(significant):
            return sign + significant.ljust(exponent, "0")
        return f"{sign}{significant[:exponent]}.{significant[exponent:]}"
    tail = "." + significant[1:] if len(significant) > 1 else ""
    exponent -= 1
    return f"{sign}{significant[0]}{tail}e{'-' if exponent < 0 else '+'}{abs(exponent)}"
