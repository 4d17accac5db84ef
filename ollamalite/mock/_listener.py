"""A listening socket, and one thread for each connection that it takes."""

from __future__ import annotations

import os
import re
import selectors
import socket
import struct
import sys
import threading
from types import TracebackType
from typing import Any, Callable, Optional, Set, Type, TypeVar

_BACKLOG = 512
_JOIN = 5.0
# How long to wait when the system has no socket to give, in seconds.
_RESPITE = 0.05
# Closing with it discards what was not sent and resets the connection.
_LINGER_NOT = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
_LOOPBACK = re.compile(r"localhost\Z|::1\Z|127(\.\d{1,3}){3}\Z|unix://")


class Served:
    """One connection that a `Listener` has taken."""

    def run(self) -> None:
        """Serve until either side ends it, and close the socket."""
        raise NotImplementedError

    def hang_up(self) -> None:
        """End it from another thread."""
        raise NotImplementedError


def reset_when_closed(sock: socket.socket) -> None:
    """Let the other side see that its connection broke."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)


Take = Callable[[socket.socket, threading.Event], Served]
Self = TypeVar("Self", bound="Listener")


class Listener:
    """Takes connections and serves each in a thread. Use it as a context manager.

    ``take`` makes the connection of a socket; the event that it gets is set when the listener is
    closed. At most ``limit`` connections are open at once; those beyond are ended unread.
    """

    def __init__(self, host: str, port: int, secure: bool, limit: int, take: Take) -> None:
        self._host = host
        self._port = port
        self._secure = secure
        self._limit = limit
        self._take = take
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._connections: Set[Served] = set()
        self._threads: Set[threading.Thread] = set()
        self._listener: Optional[socket.socket] = None
        self._acceptor: Optional[threading.Thread] = None
        self._wake: Optional[socket.socket] = None
        self._opened = 0
        self._url = ""

    @property
    def url(self) -> str:
        """Where clients find the server, such as ``http://127.0.0.1:41235``."""
        if not self._url:
            raise RuntimeError("the server was not started")
        return self._url

    @property
    def port(self) -> int:
        """The port that the server listens on, 0 on a Unix socket."""
        return self._port

    @property
    def connections_opened(self) -> int:
        """How many connections clients have made so far."""
        return self._opened

    @property
    def connections_open(self) -> int:
        """How many connections are open now."""
        return len(self._connections)

    def disconnect(self) -> None:
        """End all connections at once, as a server that is restarted does."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.hang_up()

    def start(self: Self) -> Self:
        """Listen, and answer in background threads. Raises OSError if the address is taken."""
        if self._listener is not None:
            raise RuntimeError("the server was started already")
        self._listener = listener = _listen(self._host, self._port)
        if self._host.startswith("unix://"):
            self._url = self._host
        else:
            self._port = listener.getsockname()[1]
            shown = f"[{self._host}]" if ":" in self._host else self._host
            self._url = f"{'https' if self._secure else 'http'}://{shown}:{self._port}"
        if not is_loopback(self._host):
            print(f"{self._url} can be reached from other machines", file=sys.stderr)
        self._wake, waker = socket.socketpair()
        self._acceptor = threading.Thread(
            target=self._accept, args=(listener, waker), name="mock ollama", daemon=True
        )
        self._acceptor.start()
        return self

    def close(self) -> None:
        """Stop: no more connections, open ones end at once. May be called again."""
        if self._closing.is_set() or self._listener is None:
            return
        self._closing.set()
        if self._wake is not None:
            self._wake.close()
        if self._acceptor is not None:
            self._acceptor.join(_JOIN)
        self._listener.close()
        if self._host.startswith("unix://"):
            _unlink(self._host)
        self.disconnect()
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(_JOIN)

    def __enter__(self: Self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closing.is_set() else self._url or "not started"
        return f"<mock Ollama server, {state}>"

    def _accept(self, listener: socket.socket, waker: socket.socket) -> None:
        with waker, selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(waker, selectors.EVENT_READ)
            while not self._closing.is_set():
                selector.select()
                if self._closing.is_set():
                    return
                try:
                    sock, _ = listener.accept()
                except (BlockingIOError, ConnectionError):
                    # The client was gone before it was taken.
                    continue
                except OSError:
                    # There are too many open files, and the client still waits.
                    self._closing.wait(_RESPITE)
                    continue
                self._serve(sock)

    def _serve(self, sock: socket.socket) -> None:
        self._opened += 1
        if len(self._connections) >= self._limit:
            sock.close()
            return
        connection = self._take(sock, self._closing)
        thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
        with self._lock:
            self._connections.add(connection)
            self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:
            # There can be no more threads: the client sees its connection end.
            sock.close()
            with self._lock:
                self._connections.discard(connection)
                self._threads.discard(thread)

    def _run(self, connection: Served) -> None:
        try:
            connection.run()
        finally:
            with self._lock:
                self._connections.discard(connection)
                self._threads.discard(threading.current_thread())


def _listen(host: str, port: int) -> socket.socket:
    if host.startswith("unix://"):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        address: Any = host[len("unix://") :]
    else:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        # On Windows the option would let two servers share a port.
        if not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        address = (host, port)
    try:
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _unlink(host: str) -> None:
    try:
        os.unlink(host[len("unix://") :])
    except OSError:
        return


def is_loopback(host: str) -> bool:
    return _LOOPBACK.match(host) is not None
