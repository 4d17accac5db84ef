"""One client connection: requests come in, answers go out, in order, until either side ends it."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any, Callable, List, Optional, Sequence, Tuple, Union

from . import _gateway
from ._app import App
from ._faults import Harm, Struck
from ._listener import Served, reset_when_closed
from ._reply import HungUp, Raw, Reply, Response, Stream, close
from ._wire import LENGTH_LIMIT, Body, Head, ProtocolFault, Reader, head_bytes, read_head

_LINGER = 0.5
_HANDSHAKE = 10.0
_NO_BODY = (204, 304)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(Served):
    """Serves one socket in the thread that calls `run`."""

    def __init__(
        self,
        sock: socket.socket,
        app: App,
        tls: Optional[Any],
        closing: threading.Event,
        head_timeout: float,
    ) -> None:
        self._socket = sock
        self._secure: Optional[Any] = None
        self._tls = tls
        self._app = app
        self._closing = closing
        self._head_timeout = head_timeout
        self._head_end: Optional[float] = None
        self._reader = Reader(self._recv)
        self._answer: Callable[[bytes], None] = self._send

    def run(self) -> None:
        try:
            self._socket.setblocking(True)
            if self._socket.family in (socket.AF_INET, socket.AF_INET6):
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                self._handshake(self._tls)
            while self._one():
                # A client may keep a connection that it does not use, as long as it likes.
                if not self._reader.wait():
                    break
            self._linger()
        except (OSError, HungUp):
            # Nobody is left to be told.
            return
        finally:
            self._socket.close()

    def _handshake(self, tls: Any) -> None:
        secure = tls.wrap_socket(self._socket, server_side=True, do_handshake_on_connect=False)
        self._socket = self._secure = secure
        secure.settimeout(_HANDSHAKE)
        secure.do_handshake()
        secure.settimeout(None)

    def hang_up(self) -> None:
        """End the connection from another thread: every waiting call returns."""
        try:
            # The method of the plain socket, for that of an SSLSocket is not safe here.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError:
            return

    def _recv(self, size: int) -> bytes:
        if self._head_end is not None:
            self._socket.settimeout(max(self._head_end - time.monotonic(), 0.001))
        try:
            return self._socket.recv(size)
        except OSError:
            if self._head_end is not None:
                raise
            return b""

    def _send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError:
            raise HungUp from None

    def _linger(self) -> None:
        self._socket.settimeout(_LINGER)
        if self._secure is not None:
            self._secure.unwrap()
            return
        # Closing with unread bytes would reset the connection under the client's feet.
        self._socket.shutdown(socket.SHUT_WR)
        while not self._closing.is_set() and self._socket.recv(65536):
            pass

    def _one(self) -> bool:
        """Serve one request; False when the connection is to end."""
        try:
            # Without an end of the wait, clients that send byte by byte would take all threads.
            self._head_end = time.monotonic() + self._head_timeout
            head = read_head(self._reader)
            self._head_end = None
            self._socket.settimeout(None)
            if head is None:
                return False
            early = _early(head)
            if early is not None:
                self._send(early)
                return head.target == "*" and head.method == "OPTIONS"
            place = _gateway.locate(head)
        except ProtocolFault as wrong:
            self._send(wrong.reply)
            return False
        body = Body(head, self._reader, lambda: self._send(_CONTINUE))
        recorded, way = self._app.receive(head, place)
        fault = recorded.fault
        if fault is not None and fault.kind == "refuse":
            recorded.over(fault.kind)
            self._end(fault.kind)
        response = self._app.respond(head, way, body, recorded, self._pause)
        harm = None if fault is None or fault.instead else Harm(fault, self._send, self._pause)
        self._answer = self._send if harm is None else harm.send
        outcome = "hung up"
        try:
            self._pause(self._app.latency.draw())
            reusable = self._reply(head, body, response)
            outcome = "sent"
        except Struck as struck:
            outcome = struck.kind
            reusable = False
        finally:
            if isinstance(response, Stream):
                close(response.chunks)
            recorded.over(outcome)
        if outcome != "sent":
            self._end(outcome)
        spoiled = harm is not None and harm.struck and fault is not None and fault.kind == "garbage"
        return reusable and not spoiled

    def _end(self, kind: str) -> None:
        """End an answer as a fault does. Raises `HungUp` unless the end is a clean one."""
        if kind == "cut":
            return
        if kind == "stall":
            while self._recv(65536):
                pass
        else:
            reset_when_closed(self._socket)
        raise HungUp

    def _reply(self, head: Head, body: Body, response: Union[Response, Raw]) -> bool:
        drained = body.drain()
        cut_off = body.fault is not None and str(body.fault) == "unexpected EOF"
        keep = drained and not head.has_token("connection", "close")
        old = head.version < (1, 1)
        if old:
            keep = keep and head.has_token("connection", "keep-alive")
        if isinstance(response, Raw):
            return self._raw(response) and keep
        if isinstance(response, Stream):
            return self._stream(head, response, keep and not old)
        length, chunked = _framing(head, response)
        if old and (chunked or (length is None and head.method != "HEAD")):
            chunked = False
            keep = False
        connection = ""
        if old:
            connection = "keep-alive" if keep else ""
        elif not keep and not cut_off:
            connection = "close"
        headers = _headers(response.headers, response.content_type)
        data = head_bytes(
            _answered(head),
            response.status,
            headers,
            length=length,
            connection=connection,
            chunked=chunked and head.method != "HEAD",
        )
        if head.method != "HEAD":
            content = response.body
            data += (
                (b"%x\r\n%b\r\n" % (len(content), content) if content else b"")
                if chunked
                else content
            )
            if chunked:
                data += b"0\r\n\r\n"
        self._answer(data)
        return keep

    def _raw(self, response: Raw) -> bool:
        for index, piece in enumerate(response.pieces):
            if index:
                self._pause(self._app.delay)
            self._answer(piece)
        return not response.closes

    def _stream(self, head: Head, response: Stream, keep: bool) -> bool:
        chunked = head.version >= (1, 1)
        start = head_bytes(
            _answered(head),
            200,
            _headers(response.headers, response.content_type),
            length=None,
            connection="close" if chunked and not keep else "",
            chunked=chunked,
        )
        for chunk in response.chunks:
            self._answer(start + (b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk))
            start = b""
        self._answer(start + (b"0\r\n\r\n" if chunked else b""))
        return keep

    def _pause(self, seconds: float) -> None:
        """Wait, but not for a client that is gone."""
        if seconds <= 0:
            return
        if self._secure is not None:
            # TLS cannot look at what has come without taking it.
            if self._closing.wait(seconds):
                raise HungUp
            return
        end = time.monotonic() + seconds
        self._socket.settimeout(seconds)
        try:
            if not self._socket.recv(1, socket.MSG_PEEK):
                raise HungUp
        except socket.timeout:
            return
        except OSError:
            raise HungUp from None
        finally:
            self._socket.settimeout(None)
        # Another request waits already: its bytes would make the socket look busy for ever.
        if self._closing.wait(max(0.0, end - time.monotonic())):
            raise HungUp


def _answered(head: Head) -> Tuple[int, int]:
    return (1, 0) if head.version < (1, 1) else (1, 1)


def _early(head: Head) -> Optional[bytes]:
    """Answers that are given before any handler or route is asked."""
    version = _answered(head)
    if head.target == "*":
        if head.method == "OPTIONS":
            return head_bytes(
                version, 200, [("Content-Length", "0")], length=None, connection="", chunked=False
            )
        return head_bytes(
            version, 400, [("Connection", "close")], length=0, connection="", chunked=False
        )
    expected = head.get("expect")
    if expected and expected.lower() != "100-continue":
        return head_bytes(
            version, 417, [("Connection", "close")], length=0, connection="", chunked=False
        )
    return None


def _framing(head: Head, reply: Reply) -> Tuple[Optional[int], bool]:
    """Content-Length if there is one, and whether the body goes out in chunks."""
    if reply.status in _NO_BODY:
        return None, False
    if reply.chunked or len(reply.body) > LENGTH_LIMIT:
        return None, True
    if head.method == "HEAD" and not reply.body and reply.content_type is None:
        return None, False
    return len(reply.body), False


def _headers(
    given: Sequence[Tuple[str, str]], content_type: Optional[str]
) -> List[Tuple[str, str]]:
    headers = list(given)
    if content_type is not None:
        headers.append(("Content-Type", content_type))
    return headers
