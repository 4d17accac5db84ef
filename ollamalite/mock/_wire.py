"""The server side of HTTP/1.1, as Go's ``net/http`` speaks it: request heads, bodies, framing.

`read_head` and `Body` take bytes from a `Reader`; `head_bytes` makes the head of a reply. Nothing
here knows a route. Limits are security limits: a head may have 1 MiB + 4 KiB.
"""

from __future__ import annotations

import re
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ._govalues import http_date

HEAD_LIMIT = (1 << 20) + 4096
LENGTH_LIMIT = 2048
"""Bodies up to this many bytes have a Content-Length; longer ones are sent in chunks."""

DRAIN_LIMIT = 256 << 10
"""Bytes of an unread request body that are read away to keep a connection."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_VERSION = re.compile(r"HTTP/([0-9])\.([0-9])\Z")
_CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]+\Z")

REASONS = {
    200: "OK",
    201: "Created",
    204: "No Content",
    301: "Moved Permanently",
    307: "Temporary Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Request Entity Too Large",
    417: "Expectation Failed",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}


class ProtocolFault(Exception):
    """What came is no request that can be answered; the connection ends after this reply."""

    def __init__(self, status: int, text: str = "", body: Optional[str] = None) -> None:
        reason = REASONS[status]
        line = f"{status} {reason}: {text}" if text else f"{status} {reason}"
        super().__init__(line)
        shown = line if body is None else body
        self.reply = (
            f"HTTP/1.1 {line}\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Connection: close\r\n\r\n{shown}"
        ).encode()


class BodyFault(Exception):
    """The request body is cut off, malformed or too large."""


class Reader:
    """Buffered reading from ``recv``, which gives b"" at the end."""

    def __init__(self, recv: Callable[[int], bytes]) -> None:
        self._recv = recv
        self._buffer = b""

    @property
    def pending(self) -> bool:
        """There are bytes that belong to no line yet."""
        return bool(self._buffer)

    def wait(self) -> bool:
        """Wait until there is something to read; False at the end of input."""
        if not self._buffer:
            self._buffer = self._recv(65536)
        return self.pending

    def line(self, limit: int) -> Optional[bytes]:
        """The next line without its end, None at the end of input. Raises `ProtocolFault`."""
        searched = 0
        while True:
            end = self._buffer.find(b"\n", searched)
            if end >= 0:
                break
            searched = len(self._buffer)
            if searched > limit:
                raise ProtocolFault(431)
            data = self._recv(65536)
            if not data:
                return None
            self._buffer += data
        if end > limit:
            raise ProtocolFault(431)
        line = self._buffer[:end]
        self._buffer = self._buffer[end + 1 :]
        return line[:-1] if line.endswith(b"\r") else line

    def some(self, limit: int) -> bytes:
        """At most ``limit`` bytes, b"" at the end of input."""
        if not self._buffer:
            return self._recv(min(limit, 65536))
        data = self._buffer[:limit]
        self._buffer = self._buffer[limit:]
        return data


class Head(NamedTuple):
    """A request line and header fields; ``fields`` has lower-case names and joins no values."""

    method: str
    target: str
    version: Tuple[int, int]
    headers: List[Tuple[str, str]]
    fields: Dict[str, List[str]]

    @classmethod
    def of(
        cls, method: str, target: str, version: Tuple[int, int], headers: List[Tuple[str, str]]
    ) -> Head:
        fields: Dict[str, List[str]] = {}
        for name, value in headers:
            fields.setdefault(name.lower(), []).append(value)
        return cls(method, target, version, headers, fields)

    def get(self, name: str, default: str = "") -> str:
        values = self.fields.get(name)
        return values[0] if values else default

    def has_token(self, name: str, token: str) -> bool:
        values = ",".join(self.fields.get(name, ())).lower().split(",")
        return token in (value.strip() for value in values)


def read_head(reader: Reader) -> Optional[Head]:
    """The next request's head; None if the client has no more. Raises `ProtocolFault`."""
    left = HEAD_LIMIT
    first = reader.line(left)
    # Go skips no empty line before a request, but some clients send one after a body.
    if first == b"":
        first = reader.line(left)
    if first is None:
        if reader.pending:
            raise ProtocolFault(400)
        return None
    method, target, version = _request_line(first)
    head = Head.of(method, target, version, read_fields(reader, left - len(first) - 2))
    _check(head)
    return head


def read_fields(reader: Reader, left: int) -> List[Tuple[str, str]]:
    """The header fields up to the empty line. Raises `ProtocolFault`."""
    headers: List[Tuple[str, str]] = []
    while True:
        line = reader.line(left)
        if line is None:
            raise ProtocolFault(400)
        if not line:
            break
        left -= len(line) + 2
        text = line.decode("latin-1")
        if text[0] in " \t":
            if not headers:
                raise ProtocolFault(400)
            name, value = headers[-1]
            headers[-1] = (name, f"{value} {text.strip()}".strip())
            continue
        name, colon, value = text.partition(":")
        if not colon:
            raise ProtocolFault(400)
        if not _TOKEN.match(name):
            raise ProtocolFault(400, "invalid header name")
        value = value.strip(" \t")
        if any((char < " " and char != "\t") or char == "\x7f" for char in value):
            raise ProtocolFault(400, "invalid header value")
        headers.append((name, value))
    return headers


def _request_line(line: bytes) -> Tuple[str, str, Tuple[int, int]]:
    method, _, rest = line.decode("latin-1").partition(" ")
    target, _, version = rest.partition(" ")
    match = _VERSION.match(version)
    if not match or not _TOKEN.match(method) or not target:
        raise ProtocolFault(400)
    if any(char <= " " or char == "\x7f" for char in target):
        raise ProtocolFault(400)
    if (method, target, version) != ("PRI", "*", "HTTP/2.0") and match.group(1) != "1":
        raise ProtocolFault(505, "unsupported protocol version")
    return method, target, (int(match.group(1)), int(match.group(2)))


def _check(head: Head) -> None:
    hosts = head.fields.get("host", [])
    if len(hosts) > 1:
        raise ProtocolFault(400)
    if not hosts and head.version >= (1, 1) and head.method not in ("CONNECT", "PRI"):
        raise ProtocolFault(400, "missing required Host header")
    if hosts and not re.match(r"[\w.:\[\]%!$&'()*+,;=~-]*\Z", hosts[0], re.ASCII):
        raise ProtocolFault(400, "malformed Host header")
    codings = head.fields.get("transfer-encoding", [])
    if codings and head.version >= (1, 1):
        if len(codings) > 1 or codings[0].lower() != "chunked":
            raise ProtocolFault(501, body="Unsupported transfer encoding")
    elif "content-length" in head.fields:
        lengths = set(head.fields["content-length"])
        if len(lengths) > 1 or not re.match(r"[0-9]{1,18}\Z", lengths.pop()):
            raise ProtocolFault(400)


class Body:
    """A request body that is read only when someone asks for it.

    ``proceed`` is called before the first read, to send ``100 Continue``.
    """

    def __init__(self, head: Head, reader: Reader, proceed: Callable[[], None]) -> None:
        self._reader = reader
        self._proceed: Optional[Callable[[], None]] = None
        self._chunked = False
        self._left = 0
        self._fault: Optional[BodyFault] = None
        if head.fields.get("transfer-encoding") and head.version >= (1, 1):
            self._chunked = True
        else:
            self._left = int(head.get("content-length", "0"))
        self.finished: bool = not self._chunked and not self._left
        expects = head.get("expect").lower() == "100-continue" and head.version >= (1, 1)
        if expects and not self.finished:
            self._proceed = proceed

    @property
    def awaited(self) -> bool:
        """The client still waits for leave to send the body."""
        return self._proceed is not None

    @property
    def fault(self) -> Optional[BodyFault]:
        return self._fault

    def some(self, limit: int = 65536) -> bytes:
        """The next bytes, b"" at the verified end. Raises `BodyFault`."""
        if self._fault is not None:
            raise self._fault
        if self.finished:
            return b""
        if self._proceed is not None:
            proceed, self._proceed = self._proceed, None
            proceed()
        try:
            if self._chunked and not self._left and not self._next_chunk():
                return b""
            data = self._reader.some(min(limit, self._left))
            if not data:
                raise BodyFault("unexpected EOF")
            self._left -= len(data)
            if not self._left:
                if self._chunked:
                    self._expect_line(b"")
                else:
                    self.finished = True
            return data
        except ProtocolFault:
            self._fault = BodyFault("header line too long")
            raise self._fault from None
        except BodyFault as fault:
            self._fault = fault
            raise

    def chunks(self) -> Iterator[bytes]:
        while True:
            data = self.some()
            if not data:
                return
            yield data

    def whole(self, limit: int) -> Tuple[bytes, Optional[BodyFault]]:
        """All bytes that came, and what was wrong with the rest."""
        parts: List[bytes] = []
        size = 0
        try:
            for data in self.chunks():
                parts.append(data)
                size += len(data)
                if size > limit:
                    self._fault = BodyFault("http: request body too large")
                    return b"", self._fault
        except BodyFault as fault:
            return b"".join(parts), fault
        return b"".join(parts), None

    def drain(self) -> bool:
        """Read away what nobody asked for; False if the connection cannot be used again."""
        if self.awaited or (not self._chunked and self._left > DRAIN_LIMIT):
            return False
        size = 0
        try:
            for data in self.chunks():
                size += len(data)
                if size > DRAIN_LIMIT:
                    return False
        except BodyFault:
            return False
        return True

    def _next_chunk(self) -> bool:
        line = self._reader.line(4096)
        if line is None:
            raise BodyFault("unexpected EOF")
        size = line.partition(b";")[0].strip()
        if not size:
            raise BodyFault("empty hex number for chunk length")
        if not _CHUNK_SIZE.match(size):
            raise BodyFault("invalid byte in chunk length")
        if len(size) > 16:
            raise BodyFault("http chunk length too large")
        self._left = int(size, 16)
        if self._left:
            return True
        while True:
            trailer = self._reader.line(HEAD_LIMIT)
            if trailer is None:
                raise BodyFault("unexpected EOF")
            if not trailer:
                self.finished = True
                return False

    def _expect_line(self, wanted: bytes) -> None:
        line = self._reader.line(4096)
        if line is None:
            raise BodyFault("unexpected EOF")
        if line != wanted:
            raise BodyFault("malformed chunked encoding")


def head_bytes(
    version: Tuple[int, int],
    status: int,
    headers: Sequence[Tuple[str, str]],
    *,
    length: Optional[int],
    connection: str,
    chunked: bool,
) -> bytes:
    """Status line and fields in the order of Go: the handler's by name, then the framing."""
    reason = REASONS.get(status, f"status code {status}")
    lines = [f"HTTP/{version[0]}.{version[1]} {status} {reason}"]
    ordered = sorted(headers, key=lambda header: header[0])
    if connection or (length is None and not chunked):
        # A handler cannot keep a connection that is about to end.
        ordered = [header for header in ordered if header != ("Connection", "keep-alive")]
    lines += [f"{name}: {value}" for name, value in ordered]
    lines.append("Date: " + http_date())
    if length is not None:
        lines.append(f"Content-Length: {length}")
    if connection:
        lines.append("Connection: " + connection)
    if chunked:
        lines.append("Transfer-Encoding: chunked")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
