"""Recorded exchanges as files: one JSON object each, with every byte of the answer.

::

    {"name", "category", "description", "server",
     "request":  {"method", "path", "version", "headers", "body", "body_encoding"?, "raw_base64"?},
     "response": {"status", "interim"?, "headers", "framing", "writes", "times_ms", "closed_after",
                  "body_text", "body_text_left_out"?, "raw_base64"},
     "notes"}

``body`` is text, or base64 where ``body_encoding`` says so, or null if there is none. ``writes``
are the sizes of the pieces as they came, ``times_ms`` when they came, since the request was sent.
A file may have ``exchanges``, a list of pairs, in place of ``request`` and ``response``.
"""

from __future__ import annotations

import base64
import json
import os
import re
import threading
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple, Union
from urllib.parse import unquote

# Longer texts are given in `raw_base64` only.
_TEXT_LIMIT = 512 << 10
# A challenge is none, nor is leave to send some.
SECRET = re.compile(
    r"auth(?!enticate\Z)|cookie|(?<!allow-)credential|key|passw|secret|session|token",
    re.IGNORECASE,
)
"""What the names of headers and parameters with credentials have in them."""

_PARAMETER = re.compile(r"([?&])([^=&]*)=([^&]*)")
_CONTINUE = b"HTTP/1.1 100 "


class Exchange(NamedTuple):
    """What is needed to give the answer again."""

    method: str
    path: str
    body: bytes
    pieces: List[bytes]
    """Every byte of the final answer, in the pieces it came in."""
    closes: bool


def load(folder: Union[str, os.PathLike[str]]) -> List[Exchange]:
    """All exchanges of a folder, by number and name of the files. Raises OSError and ValueError."""
    exchanges: List[Exchange] = []
    for name in sorted(os.listdir(folder), key=_order):
        if not name.endswith(".json"):
            continue
        path = os.path.join(os.fspath(folder), name)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        try:
            exchanges.extend(_read(json.loads(text)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is no recorded exchange: {error!r}") from error
    if not exchanges:
        raise ValueError(f"there are no recorded exchanges (*.json) in {os.fspath(folder)}")
    return exchanges


def _order(name: str) -> Tuple[int, str]:
    number = re.match("[0-9]{1,18}(?=-)", name)
    return (int(number.group()) if number else 0), name


def _read(data: Dict[str, Any]) -> Iterator[Exchange]:
    for part in data.get("exchanges", [data]):
        request, response = part["request"], part["response"]
        body = request["body"] or ""
        encoded = request.get("body_encoding") == "base64"
        raw = base64.b64decode(response["raw_base64"], validate=True)
        if sum(response["writes"]) != len(raw):
            raise ValueError("the sizes in writes do not add up to the bytes in raw_base64")
        pieces: List[bytes] = []
        start = 0
        for size in response["writes"]:
            pieces.append(raw[start : start + size])
            start += size
        yield Exchange(
            request["method"],
            request["path"],
            base64.b64decode(body, validate=True) if encoded else body.encode(),
            _without_interim(pieces),
            response["closed_after"] or response["framing"] in ("close", "nothing"),
        )


def _without_interim(pieces: List[bytes]) -> List[bytes]:
    """Without leave to send the body, which is given anew where a client asks for it."""
    raw = b"".join(pieces)
    left = raw.find(b"\r\n\r\n") + 4 if raw.startswith(_CONTINUE) else 0
    rest: List[bytes] = []
    for piece in pieces:
        if piece[left:]:
            rest.append(piece[left:])
        left = max(0, left - len(piece))
    return rest


def without_secrets(target: str) -> str:
    """A target whose query has no values for what is named like a credential."""

    def kept(match: re.Match[str]) -> str:
        mark, name, value = match.groups()
        return f"{mark}{name}=" + ("" if SECRET.search(unquote(name)) else value)

    return _PARAMETER.sub(kept, target)


class Captures:
    """Exchanges to be given again. Every method may be called from any thread.

    The answers to equal requests come in the order in which they were recorded, and the last one
    again and again.
    """

    def __init__(self, exchanges: List[Exchange]) -> None:
        self._answers: Dict[Tuple[str, str, object], List[Exchange]] = {}
        for exchange in exchanges:
            path = without_secrets(exchange.path)
            key = (exchange.method, path, _meaning(exchange.body))
            self._answers.setdefault(key, []).append(exchange)
        self._lock = threading.Lock()

    def find(self, method: str, target: str, body: bytes) -> Optional[Exchange]:
        with self._lock:
            answers = self._answers.get((method, without_secrets(target), _meaning(body)))
            if not answers:
                return None
            return answers.pop(0) if len(answers) > 1 else answers[0]

    def known(self, method: str, target: str) -> int:
        """How many different bodies there are for a route."""
        wanted = (method, without_secrets(target))
        return sum(key[:2] == wanted for key in self._answers)


def _meaning(body: bytes) -> Union[str, bytes]:
    """The same for bodies that are the same JSON, whatever its spaces and the order of keys."""
    try:
        return json.dumps(json.loads(body), sort_keys=True)
    except (ValueError, RecursionError):
        return body


def described_body(body: Optional[bytes]) -> Dict[str, Any]:
    """The keys about the body of a request."""
    if body is None:
        return {"body": None}
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body": base64.b64encode(body).decode(), "body_encoding": "base64"}


def described_text(body: bytes) -> Dict[str, Any]:
    """The keys about the body of an answer."""
    if len(body) > _TEXT_LIMIT:
        return {"body_text": None, "body_text_left_out": "large; decode raw_base64"}
    try:
        return {"body_text": body.decode()}
    except UnicodeDecodeError:
        return {"body_text": None}


def write(folder: str, data: Dict[str, Any]) -> None:
    """Write one file, whole or not at all."""
    path = os.path.join(folder, data["name"] + ".json")
    unfinished = path + ".part"
    with open(unfinished, "w", encoding="ascii", newline="\n") as file:
        json.dump(data, file, indent=1)
        file.write("\n")
    os.replace(unfinished, path)
