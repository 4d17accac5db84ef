"""The two halves of an exchange on their way through the recorder: passed on at once, and kept."""

from __future__ import annotations

import base64
import re
import selectors
import socket
import time
from typing import Any, Dict, Iterator, List, Optional, Tuple

from ._captures import SECRET, described_body, described_text, without_secrets
from ._reply import HungUp
from ._wire import HEAD_LIMIT, Body, BodyFault, Head, ProtocolFault, Reader, read_fields

_FIELD = re.compile(rb"^([^\s:]+)[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*", re.MULTILINE)
_HEAD_END = re.compile(rb"\n\r?\n")
_LENGTH = re.compile(r"[0-9]{1,18}\Z")
_STATUS = re.compile(r"HTTP/(1)\.([01]) ([1-5][0-9][0-9])( |\Z)")


class Request:
    """What goes to the server. Of more than ``limit`` bytes not all are kept."""

    def __init__(self, head: Head, body: Body, limit: int) -> None:
        self._head = head
        self._body = body
        self._limit = limit
        self._kept: List[bytes] = []
        self._raw: List[bytes] = []
        self._size = 0
        self.whole = True

    @property
    def too_large(self) -> bool:
        return self._size > self._limit

    def send(self, server: socket.socket, authority: str, prefix: str) -> None:
        """Send it all, to a server of that name, with a path before its own.

        What the client still owes when the server has enough stays unsent.
        """
        head = self._head
        headers = [
            (name, authority if name.lower() == "host" else value) for name, value in head.headers
        ]
        target = re.sub(r"\A[A-Za-z]+://[^/?]*", "", head.target)
        chunked = head.has_token("transfer-encoding", "chunked")
        try:
            server.sendall(_written(head, prefix + target, headers))
            for data in self._body.chunks():
                self._size += len(data)
                sent = b"%x\r\n%b\r\n" % (len(data), data) if chunked else data
                if not self.too_large:
                    self._kept.append(data)
                    self._raw.append(sent)
                server.sendall(sent)
            if chunked:
                self._raw.append(b"0\r\n\r\n")
                server.sendall(b"0\r\n\r\n")
        except (BodyFault, OSError):
            # The client sent less than it promised, or the server has answered already.
            self.whole = False

    @property
    def fault(self) -> Optional[BodyFault]:
        """What is wrong with the body that the client sent."""
        return self._body.fault

    def described(self) -> Dict[str, Any]:
        """The first half of a file."""
        head = self._head
        headers = [pair for pair in head.headers if not SECRET.search(pair[0])]
        target = without_secrets(head.target)
        data: Dict[str, Any] = {
            "method": head.method,
            "path": target,
            "version": "HTTP/{}.{}".format(*head.version),
            "headers": headers,
        }
        sized = "content-length" in head.fields or "transfer-encoding" in head.fields
        data.update(described_body(b"".join(self._kept) if sized else None))
        odd = "transfer-encoding" in head.fields or "expect" in head.fields
        if odd or head.version < (1, 1):
            raw = _written(head, target, headers) + b"".join(self._raw)
            data["raw_base64"] = base64.b64encode(raw).decode()
        return data


def _written(head: Head, target: str, headers: List[Tuple[str, str]]) -> bytes:
    lines = ["{} {} HTTP/{}.{}".format(head.method, target, *head.version)]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Answer:
    """What comes from the server. Of more than ``limit`` bytes not all are kept."""

    def __init__(
        self, server: socket.socket, client: socket.socket, method: str, limit: int
    ) -> None:
        self._server = server
        self._client = client
        self._method = method
        self._limit = limit
        self._reader = Reader(self._recv)
        self._size = 0
        self.started = time.monotonic()
        self.pieces: List[bytes] = []
        self.times: List[float] = []
        self.interim: List[int] = []
        self.head: Optional[Head] = None
        self.status: Optional[int] = None
        self.framing = "nothing"
        self.body = b""
        self.ended = False
        self.broken = False
        self.whole = True

    @property
    def came(self) -> bool:
        return self._size > 0

    @property
    def too_large(self) -> bool:
        return self._size > self._limit

    def _recv(self, size: int) -> bytes:
        self._await()
        try:
            data = self._server.recv(65536)
        except OSError:
            self.broken = True
            data = b""
        if not data:
            self.ended = True
            return b""
        now = time.monotonic()
        self._client.sendall(data)
        self._size += len(data)
        if not self.too_large:
            self.pieces.append(data)
            self.times.append(round((now - self.started) * 1000, 1))
        return data

    def _await(self) -> None:
        """Wait for the server, but not for a client that is gone."""
        if getattr(self._server, "pending", int)():
            return
        with selectors.DefaultSelector() as selector:
            selector.register(self._server, selectors.EVENT_READ)
            selector.register(self._client, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._server in ready:
                    return
                if not self._client.recv(1, socket.MSG_PEEK):
                    raise HungUp
                # The next request waits already.
                selector.unregister(self._client)

    def read_head(self) -> bool:
        """Read one head; False if it is an interim one. Raises `ProtocolFault`."""
        line = self._reader.line(HEAD_LIMIT)
        if line is None:
            raise ProtocolFault(502)
        found = _STATUS.match(line.decode("latin-1"))
        if found is None:
            raise ProtocolFault(502)
        headers = read_fields(self._reader, HEAD_LIMIT)
        status = int(found.group(3))
        if status < 200:
            self.interim.append(status)
            return False
        self.status = status
        version = (int(found.group(1)), int(found.group(2)))
        self.head = Head.of(self._method, "", version, headers)
        return True

    def read(self) -> None:
        """Read to the end of the answer. Raises `ProtocolFault`."""
        while self.head is None:
            self.read_head()
        length = self.head.get("content-length")
        if self._method == "HEAD" or self.status in (204, 304):
            self.framing = "none"
        elif self.head.has_token("transfer-encoding", "chunked"):
            self.framing = "chunked"
            self.whole = self._keep(Body(self.head, self._reader, _nothing).chunks())
        elif _LENGTH.match(length):
            self.framing = "content-length"
            self.whole = self._keep(Body(self.head, self._reader, _nothing).chunks())
        elif length:
            raise ProtocolFault(502)
        else:
            self.framing = "close"
            self._keep(iter(lambda: self._reader.some(65536), b""))
            self.whole = not self.broken

    def _keep(self, parts: Iterator[bytes]) -> bool:
        """Read to the end; False if it does not come."""
        kept: List[bytes] = []
        try:
            for part in parts:
                if not self.too_large:
                    kept.append(part)
        except BodyFault:
            return False
        finally:
            self.body = b"".join(kept)
        return True

    def pass_on(self) -> None:
        """Pass on whatever still comes."""
        while self._recv(65536):
            pass

    @property
    def closes(self) -> bool:
        """The server ends the connection with this answer."""
        assert self.head is not None
        if self.head.version < (1, 1) and not self.head.has_token("connection", "keep-alive"):
            return True
        return self.ended or self.head.has_token("connection", "close")

    def described(self) -> Dict[str, Any]:
        """The second half of a file."""
        assert self.head is not None
        pieces = _without_secrets(self.pieces)
        came = [(len(piece), when) for piece, when in zip(pieces, self.times) if piece]
        data: Dict[str, Any] = {"status": self.status}
        if self.interim:
            data["interim"] = self.interim
        data["headers"] = [pair for pair in self.head.headers if not SECRET.search(pair[0])]
        data["framing"] = self.framing
        data["writes"] = [size for size, _ in came]
        data["times_ms"] = [when for _, when in came]
        data["closed_after"] = self.closes
        data.update(described_text(self.body))
        data["raw_base64"] = base64.b64encode(b"".join(pieces)).decode()
        return data


def _nothing() -> None:
    return None


def _without_secrets(pieces: List[bytes]) -> List[bytes]:
    """The bytes without the fields of their heads that are named like a credential."""
    raw = b"".join(pieces)
    spans: List[Tuple[int, int]] = []
    end = 0
    while True:
        start = end
        found = _HEAD_END.search(raw, start)
        end = len(raw) if found is None else found.end()
        for field in _FIELD.finditer(raw, start, end):
            if SECRET.search(field.group(1).decode("latin-1")):
                spans.append(field.span())
        if not raw.startswith((b"HTTP/1.1 1", b"HTTP/1.0 1"), start):
            break
    kept: List[bytes] = []
    start = 0
    for piece in pieces:
        size = len(piece)
        for first, last in reversed(spans):
            piece = piece[: max(0, first - start)] + piece[max(0, last - start) :]
        kept.append(piece)
        start += size
    return kept
