"""A proxy that passes requests on to a real server and writes each exchange into a file.

What the server sends goes to the client piece by piece as it comes, byte for byte. Of a request
only the host is changed on the way. Headers whose names speak of credentials or cookies stay out
of the files, and so do the values of such parameters of a query.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
import time
from typing import Any, Dict, Union
from urllib.parse import urlsplit

from . import _captures, _gateway
from ._gojson import encode
from ._listener import Listener, Served, is_loopback, reset_when_closed
from ._relay import Answer, Request
from ._reply import JSON, HungUp
from ._wire import (
    Body,
    BodyFault,
    Head,
    ProtocolFault,
    Reader,
    head_bytes,
    read_head,
)

_CONNECTION_LIMIT = 200
_CONNECT_TIMEOUT = 10.0
_LINGER = 0.5


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

    def __init__(
        self, upstream: Upstream, folder: str, host: str, port: int, size_limit: int
    ) -> None:
        def take(sock: socket.socket, closing: threading.Event) -> Served:
            return _Relay(sock, self, upstream)

        super().__init__(host, port, False, _CONNECTION_LIMIT, take)
        self.limit = size_limit
        self._upstream = upstream
        self._folder = folder
        os.makedirs(folder, exist_ok=True)
        numbers = [re.match(r"(\d+)-.*\.json\Z", name) for name in os.listdir(folder)]
        self._number = max((int(found.group(1)) for found in numbers if found), default=0)
        self._numbering = threading.Lock()

    def serves(self, host: str) -> bool:
        """A browser may not be led here by a name that somebody else has given this machine.

        The server could not tell: it gets to see its own name only.
        """
        return not is_loopback(self._host) or _gateway.host_allowed(host)

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
        if not self._recorder.serves(head.get("host")):
            self._refuse(head, 403, b"")
            return False
        try:
            server = self._upstream.connect()
        except OSError as error:
            return self._give_up(head, f"cannot reach {self._upstream.url}: {error}")
        with server:
            return self._exchange(head, server)

    def _exchange(self, head: Head, server: socket.socket) -> bool:
        limit = self._recorder.limit
        answer = Answer(server, self._socket, head.method, limit)

        def proceed() -> None:
            if answer.read_head():
                raise BodyFault("the server wants no body")

        request = Request(head, Body(head, self._reader, proceed), limit)
        try:
            request.send(server, self._upstream.authority, self._upstream.prefix)
            if request.fault is not None and not answer.came:
                # The server would wait for the rest of it for ever.
                _note(head, f"the request is broken: {request.fault}")
                self._refuse(head, 400, encode({"error": str(request.fault)}))
                return False
            if not answer.came:
                answer.started = time.monotonic()
            answer.read()
        except ProtocolFault:
            answer.pass_on()
            if not answer.came:
                return self._give_up(head, f"{self._upstream.url} ended without an answer")
            _note(head, "the answer is no HTTP")
            return False
        if answer.broken:
            reset_when_closed(self._socket)
        if answer.too_large or request.too_large:
            _note(head, f"more than {limit} bytes")
        elif not request.whole:
            _note(head, "the request was cut short")
        elif not answer.whole:
            _note(head, "the answer was cut short")
        else:
            try:
                self._recorder.write(request.described(), answer.described())
            except OSError as error:
                _note(head, str(error))
        return request.whole and not answer.closes and not head.has_token("connection", "close")

    def _give_up(self, head: Head, reason: str) -> bool:
        _note(head, reason)
        self._refuse(head, 502, encode({"error": f"{reason}; is Ollama running there?"}))
        return False

    def _refuse(self, head: Head, status: int, body: bytes) -> None:
        start = head_bytes(
            (1, 1),
            status,
            [("Content-Type", JSON)] if body else [],
            length=len(body),
            connection="close",
            chunked=False,
        )
        self._socket.sendall(start if head.method == "HEAD" else start + body)
        # Closing with unread bytes would reset the connection under the client's feet.
        self._socket.shutdown(socket.SHUT_WR)
        self._socket.settimeout(_LINGER)
        while self._socket.recv(65536):
            pass


def _note(head: Head, reason: str) -> None:
    print(f"{head.method} {head.target} is not recorded: {reason}", file=sys.stderr)


def record(
    upstream: str,
    into: Union[str, os.PathLike[str]],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    size_limit: int = 64 << 20,
) -> Recorder:
    """A proxy before a real server, to be used as ``with record(…) as proxy: … proxy.url``.

    ``upstream``: URL of the server. ``into``: a folder that gets one file for each exchange, which
    is made if it is missing; ``serve(replay=…)`` takes it. ``host`` and ``port``: where to listen,
    port 0 takes a free one.

    Headers with credentials and cookies are left out of the files, those of answers too, and so are
    values of such parameters of a query, as in ``?api_key=``; bodies are not looked into.
    Requests and answers of up to ``size_limit`` bytes are recorded; what is larger, not whole or
    no HTTP is passed on, and said so on stderr. 200 connections may be open at once. A server that
    cannot be reached is an error 502. ``ValueError`` for a URL that makes no sense.
    """
    return Recorder(Upstream(upstream), os.fspath(into), host, port, size_limit)
