"""A proxy that passes requests on to a real server and writes each exchange into a file.

What the server sends goes to the client piece by piece as it comes, byte for byte. Of a request
only the host is changed on the way. Headers whose names speak of credentials or cookies stay out
of the files.
"""

from __future__ import annotations

import base64
import os
import re
import selectors
import socket
import sys
import threading
import time
from typing import Any, Dict, Iterator, List, Optional, Tuple, Union
from urllib.parse import urlsplit

from . import _captures
from ._gojson import encode
from ._listener import Listener, Served
from ._reply import HungUp
from ._wire import (
    HEAD_LIMIT,
    Body,
    BodyFault,
    Head,
    ProtocolFault,
    Reader,
    head_bytes,
    read_fields,
    read_head,
)

RECORD_LIMIT = 64 << 20
"""Bytes of a request's body, and of an answer, that are recorded; more are only passed on."""

CONNECTION_LIMIT = 200
_CONNECT_TIMEOUT = 10.0
_LINGER = 0.5
_SECRET = re.compile("auth|cookie|credential|key|passw|secret|session|token", re.IGNORECASE)
_SET_COOKIE = re.compile(rb"^set-cookie:[^\n]*\n", re.IGNORECASE | re.MULTILINE)
_STATUS = re.compile(r"HTTP/(1)\.([01]) ([1-5][0-9][0-9])( |\Z)")


class Upstream:
    """The server that is recorded."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"upstream must be a URL as http://127.0.0.1:11434, not {url!r}")
        if parts.username is not None:
            raise ValueError("upstream takes no credentials: let the client send them")
        self.url = url
        self.authority: str = parts.netloc
        self.prefix: str = parts.path.rstrip("/")
        self._secure = parts.scheme == "https"
        self._address = (parts.hostname, parts.port or (443 if self._secure else 80))
        self._version = ""

    def connect(self) -> socket.socket:
        """A new connection. Raises OSError."""
        sock = socket.create_connection(self._address, _CONNECT_TIMEOUT)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._secure:
                import ssl

                context = ssl.create_default_context()
                sock = context.wrap_socket(sock, server_hostname=self._address[0])
            sock.settimeout(None)
        except BaseException:
            sock.close()
            raise
        return sock

    def name(self) -> str:
        """What the server calls itself, such as ``ollama 0.33.0``."""
        if not self._version:
            import http.client
            import json

            connection = http.client.HTTPConnection(self.authority, timeout=_CONNECT_TIMEOUT)
            try:
                connection.sock = self.connect()
                connection.request("GET", self.prefix + "/api/version")
                version = json.loads(connection.getresponse().read())["version"]
                self._version = f"ollama {version}"
            except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
                self._version = "unknown"
            finally:
                connection.close()
        return self._version


class Recorder(Listener):
    """A recording proxy; see `record`. Use it as a context manager, or `start` and `close`."""

    def __init__(self, upstream: Upstream, folder: str, host: str, port: int) -> None:
        def take(sock: socket.socket, closing: threading.Event) -> Served:
            return _Relay(sock, self, upstream)

        super().__init__(host, port, False, CONNECTION_LIMIT, take)
        self._upstream = upstream
        self._folder = folder
        os.makedirs(folder, exist_ok=True)
        numbers = [re.match(r"(\d+)-.*\.json\Z", name) for name in os.listdir(folder)]
        self._number = max((int(found.group(1)) for found in numbers if found), default=0)
        self._numbering = threading.Lock()

    def write(self, request: Dict[str, Any], response: Dict[str, Any]) -> None:
        """Put an exchange into the next file. Raises OSError."""
        method, path = request["method"], request["path"]
        words = re.findall("[a-z0-9]+", f"{method} {path.partition('?')[0]}".lower())
        with self._numbering:
            self._number += 1
            name = "-".join([f"{self._number:04}", *words])[:60]
        data = {
            "name": name,
            "category": "recorded",
            "description": f"{method} {path}",
            "server": self._upstream.name(),
            "request": request,
            "response": response,
            "notes": "",
        }
        _captures.write(self._folder, data)


class _Answer:
    """What comes from the server: passed on at once, and kept."""

    def __init__(self, server: socket.socket, client: socket.socket, method: str) -> None:
        self._server = server
        self._client = client
        self._method = method
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

    @property
    def came(self) -> bool:
        return self._size > 0

    @property
    def too_large(self) -> bool:
        return self._size > RECORD_LIMIT

    def _recv(self, size: int) -> bytes:
        self._await()
        try:
            data = self._server.recv(65536)
        except OSError:
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
            if not self._keep(Body(self.head, self._reader, _nothing).chunks()):
                self.framing = "chunked-truncated"
        elif length.isdigit():
            self.framing = "content-length"
            self._keep(Body(self.head, self._reader, _nothing).chunks())
        else:
            self.framing = "close"
            self._keep(iter(lambda: self._reader.some(65536), b""))

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
        pieces = _without_cookies(self.pieces)
        came = [(len(piece), when) for piece, when in zip(pieces, self.times) if piece]
        data: Dict[str, Any] = {"status": self.status}
        if self.interim:
            data["interim"] = self.interim
        data["headers"] = [pair for pair in self.head.headers if pair[0].lower() != "set-cookie"]
        data["framing"] = self.framing
        data["writes"] = [size for size, _ in came]
        data["times_ms"] = [when for _, when in came]
        data["closed_after"] = self.closes
        data.update(_captures.described_text(self.body))
        data["raw_base64"] = base64.b64encode(b"".join(pieces)).decode()
        return data


def _nothing() -> None:
    return None


def _without_cookies(pieces: List[bytes]) -> List[bytes]:
    """The bytes without the cookies that stand in their heads."""
    raw = b"".join(pieces)
    end = 0
    while True:
        interim = raw.startswith(b"HTTP/1.1 1", end)
        end = raw.find(b"\r\n\r\n", end) + 4
        if not interim:
            break
    spans = [found.span() for found in _SET_COOKIE.finditer(raw, 0, end)]
    kept: List[bytes] = []
    start = 0
    for piece in pieces:
        size = len(piece)
        for first, last in reversed(spans):
            piece = piece[: max(0, first - start)] + piece[max(0, last - start) :]
        kept.append(piece)
        start += size
    return kept


class _Relay(Served):
    """One connection of a client. Each of its requests gets a connection to the server."""

    def __init__(self, sock: socket.socket, recorder: Recorder, upstream: Upstream) -> None:
        self._socket = sock
        self._recorder = recorder
        self._upstream = upstream
        self._reader = Reader(sock.recv)

    def run(self) -> None:
        try:
            self._socket.setblocking(True)
            if self._socket.family in (socket.AF_INET, socket.AF_INET6):
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while self._one():
                pass
        except (OSError, HungUp):
            # The client is gone: what it did not wait for is not recorded.
            return
        finally:
            self._socket.close()

    def hang_up(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def _one(self) -> bool:
        try:
            head = read_head(self._reader)
        except ProtocolFault as fault:
            self._socket.sendall(fault.reply)
            return False
        if head is None:
            return False
        try:
            server = self._upstream.connect()
        except OSError as error:
            return self._give_up(head, f"cannot reach {self._upstream.url}: {error}")
        with server:
            return self._exchange(head, server)

    def _exchange(self, head: Head, server: socket.socket) -> bool:
        answer = _Answer(server, self._socket, head.method)

        def proceed() -> None:
            if answer.read_head():
                raise BodyFault("the server wants no body")

        request = _Request(head, Body(head, self._reader, proceed))
        try:
            request.send(server, self._upstream)
            if not answer.came:
                answer.started = time.monotonic()
            answer.read()
        except ProtocolFault:
            answer.pass_on()
            if not answer.came:
                return self._give_up(head, f"{self._upstream.url} ended without an answer")
            _note(head, "the answer is no HTTP")
            return False
        if answer.too_large or request.too_large:
            _note(head, f"more than {RECORD_LIMIT} bytes")
        elif not request.whole:
            _note(head, "the request was cut short")
        else:
            try:
                self._recorder.write(request.described(), answer.described())
            except OSError as error:
                _note(head, str(error))
        return request.whole and not answer.closes and not head.has_token("connection", "close")

    def _give_up(self, head: Head, reason: str) -> bool:
        _note(head, reason)
        body = encode({"error": f"{reason}; is Ollama running there?"})
        start = head_bytes(
            (1, 1),
            502,
            [("Content-Type", "application/json; charset=utf-8")],
            length=len(body),
            connection="close",
            chunked=False,
        )
        self._socket.sendall(start + body)
        # Closing with unread bytes would reset the connection under the client's feet.
        self._socket.shutdown(socket.SHUT_WR)
        self._socket.settimeout(_LINGER)
        while self._socket.recv(65536):
            pass
        return False


class _Request:
    """What goes to the server: passed on piece by piece, and kept."""

    def __init__(self, head: Head, body: Body) -> None:
        self._head = head
        self._body = body
        self._kept: List[bytes] = []
        self._raw: List[bytes] = []
        self._size = 0
        self.whole = True

    @property
    def too_large(self) -> bool:
        return self._size > RECORD_LIMIT

    def send(self, server: socket.socket, upstream: Upstream) -> None:
        """Send it all. What the client still owes when the server has enough stays unsent."""
        head = self._head
        headers = [
            (name, upstream.authority if name.lower() == "host" else value)
            for name, value in head.headers
        ]
        target = re.sub(r"\A[A-Za-z]+://[^/?]*", "", head.target)
        chunked = head.has_token("transfer-encoding", "chunked")
        try:
            server.sendall(_written(head, upstream.prefix + target, headers))
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

    def described(self) -> Dict[str, Any]:
        """The first half of a file."""
        head = self._head
        headers = [pair for pair in head.headers if not _SECRET.search(pair[0])]
        data: Dict[str, Any] = {
            "method": head.method,
            "path": head.target,
            "version": "HTTP/{}.{}".format(*head.version),
            "headers": headers,
        }
        sized = "content-length" in head.fields or "transfer-encoding" in head.fields
        data.update(_captures.described_body(b"".join(self._kept) if sized else None))
        odd = "transfer-encoding" in head.fields or "expect" in head.fields
        if odd or head.version < (1, 1):
            raw = _written(head, head.target, headers) + b"".join(self._raw)
            data["raw_base64"] = base64.b64encode(raw).decode()
        return data


def _written(head: Head, target: str, headers: List[Tuple[str, str]]) -> bytes:
    lines = ["{} {} HTTP/{}.{}".format(head.method, target, *head.version)]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _note(head: Head, reason: str) -> None:
    print(f"{head.method} {head.target} is not recorded: {reason}", file=sys.stderr)


def record(
    upstream: str,
    into: Union[str, os.PathLike[str]],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
) -> Recorder:
    """A proxy before a real server, to be used as ``with record(…) as proxy: … proxy.url``.

    ``upstream``: URL of the server. ``into``: a folder that gets one file for each exchange, which
    is made if it is missing; ``serve(replay=…)`` takes it. ``host`` and ``port``: where to listen,
    port 0 takes a free one.

    Headers with credentials and cookies are left out of the files; bodies are not looked into. Up
    to 64 MiB of a request and of an answer are recorded; what is larger, not whole or no HTTP is
    passed on, and said so on stderr. A server that cannot be reached is an error 502.
    ``ValueError`` for a URL that makes no sense.
    """
    return Recorder(Upstream(upstream), os.fspath(into), host, port)
