"""The blocking transport's connections: kept alive, counted, and left to the parent by a fork."""

import os
import select
import socket
import threading
import weakref
from collections import deque
from errno import ECONNRESET
from os import strerror
from time import monotonic
from typing import Any, Callable, Deque, Dict, Optional, Tuple

from . import errors
from ._patience import Patience
from ._plan import Plan
from ._route import Route
from ._settings import Settings
from ._sync_dial import Waits, hang_up

__all__ = ["Connection", "Pool", "poll"]


def poll(sock: socket.socket, write: bool) -> Callable[[Optional[float]], bool]:
    """A function that waits for bytes, or also for room to write: whether bytes are there."""
    if hasattr(select, "poll"):
        poller = select.poll()
        poller.register(sock, select.POLLIN | (select.POLLOUT if write else 0))
        poll = poller.poll

        def wait(seconds: Optional[float]) -> bool:
            events = poll(None if seconds is None else seconds * 1000)
            return bool(events) and events[0][1] != select.POLLOUT

    else:

        def wait(seconds: Optional[float]) -> bool:
            return bool(select.select([sock], [sock] if write else [], [], seconds)[0])

    return wait


class Connection:
    """A connected socket, and what is known about it."""

    # `receive` takes the most bytes to give; it gives none at the end, when `cut` says whether TLS
    # ended without the other side saying so, as when somebody cut the line. (Python 3.8 and 3.9
    # tell OpenSSL 3 to take both for the same, so there it is always False.) `turn` counts the
    # requests that the connection served.
    __slots__ = (
        "_poll",
        "_timeout",
        "cut",
        "idle_since",
        "inherited",
        "key",
        "receive",
        "reused",
        "sock",
        "tls",
        "turn",
    )

    def __init__(self, sock: socket.socket, route: Route) -> None:
        self.sock = sock
        self.key = route.key
        self.tls = route.tls is not None or route.proxy_tls is not None
        self.receive: Callable[[int], bytes] = self._receive_tls if self.tls else sock.recv
        self.cut = False
        self.turn = 0
        self.reused = False
        self.inherited = False
        self.idle_since = 0.0
        self._timeout: Optional[float] = sock.gettimeout()
        self._poll: Any = None

    def set_timeout(self, seconds: Optional[float]) -> None:
        # A system call each time.
        if seconds != self._timeout:
            self.sock.settimeout(seconds)
            self._timeout = seconds

    def is_stale(self) -> bool:
        """Whether something came while nobody asked: the end, or bytes that belong to no answer."""
        if self._poll is None:
            self._poll = poll(self.sock, write=False)
        if not self._poll(0):
            return False
        if not self.tls:
            return True
        import ssl

        # It may be a session ticket, which the TLS layer keeps to itself.
        self.set_timeout(0)
        try:
            self.sock.recv(1)
        except ssl.SSLWantReadError:
            return False
        except OSError:
            return True
        return True

    def _receive_tls(self, size: int) -> bytes:
        import ssl

        try:
            return self.sock.recv(size)
        except ssl.SSLEOFError as error:
            # A reset, in Python 3.10 to 3.12.
            reason: Any = error.reason
            if reason is None and ssl.OPENSSL_VERSION_INFO >= (3,):
                raise ConnectionResetError(ECONNRESET, strerror(ECONNRESET)) from None
            self.cut = True
            return b""

    def hang_up(self) -> None:
        """End the connection for both sides at once, also for a thread that waits in it."""
        # What a fork inherited is the parent's to end.
        if not self.inherited:
            hang_up(self.sock)

    def close(self) -> None:
        try:
            self.sock.close()
        except OSError:
            return  # the descriptor is given back all the same


class Pool:
    """The connections of one transport: idle ones by route, busy ones, and room for more."""

    def __init__(self, settings: Settings) -> None:
        self._limit = settings.max_connections
        self._expiry = settings.keepalive_expiry
        self.closed = False
        self._start()
        _watch_forks(self)

    def _start(self) -> None:
        # Reentrant, as garbage collection may end a response in the middle of any method here.
        self.lock = threading.RLock()
        self._changed = threading.Condition(self.lock)
        self.ended = threading.Event()
        self.dialing = Waits()
        self._idle: Dict[Tuple[Any, ...], Deque[Connection]] = {}
        self._busy: Dict[Connection, None] = {}
        self._open = 0
        self._waiting = 0

    def leave_to_parent(self) -> None:
        """In the child of a fork: the connections stay the parent's, and nobody holds the lock."""
        connections = [connection for queue in self._idle.values() for connection in queue]
        for connection in self._busy:
            connection.inherited = True
        self._start()
        for connection in connections:
            connection.close()

    def take(self, plan: Plan, patience: Patience) -> Optional[Connection]:
        """An idle connection that is alive, or None with room reserved for a new one."""
        with self.lock:
            if self._waiting:
                # Whoever waits was here before.
                return self._wait(plan, patience)
            return self._take_idle(plan) or (
                None if self._has_room() else self._wait(plan, patience)
            )

    def _wait(self, plan: Plan, patience: Patience) -> Optional[Connection]:
        until = patience.until("pool")
        self._waiting += 1
        try:
            while True:
                self._changed.wait(patience.left(plan, "pool", until))
                connection = self._take_idle(plan)
                if connection is not None or self._has_room():
                    # Who came while this one was called has waited for nothing, if there is more.
                    if self._is_spare():
                        self._changed.notify()
                    return connection
        except BaseException:
            # The room that this one was called for, if it was, is another's now.
            self._changed.notify()
            raise
        finally:
            self._waiting -= 1

    def _take_idle(self, plan: Plan) -> Optional[Connection]:
        if self.closed:
            raise errors.RequestError("the client is closed")
        queue = self._idle.get(plan.route.key)
        while queue:
            connection = queue.pop()
            if self._is_fit(connection):
                self._busy[connection] = None
                return connection
            self._open -= 1
            connection.close()
        return None

    def _is_spare(self) -> bool:
        return self._limit is None or self._open < self._limit or any(self._idle.values())

    def _has_room(self) -> bool:
        """Reserve room for a new connection, if there is some or an idle one can make it."""
        if self._limit is None or self._open < self._limit or self._drop_idle():
            self._open += 1
            return True
        return False

    def _is_fit(self, connection: Connection) -> bool:
        expiry = self._expiry
        if expiry is not None and monotonic() - connection.idle_since > expiry:
            return False
        return not connection.is_stale()

    def _drop_idle(self) -> bool:
        for queue in self._idle.values():
            if queue:
                queue.popleft().close()
                self._open -= 1
                return True
        return False

    def add(self, connection: Connection) -> bool:
        """Fill the room that `take` reserved; False if all was closed meanwhile."""
        with self.lock:
            if self.closed:
                self._open -= 1
                return False
            self._busy[connection] = None
            return True

    def give_back(self, connection: Connection, keep: bool) -> None:
        """Take a connection back, to be used again or closed."""
        with self.lock:
            ours = connection in self._busy
            connection.turn += 1
            if ours:
                del self._busy[connection]
                if keep and not self.closed:
                    connection.reused = True
                    connection.idle_since = monotonic()
                    queue = self._idle.get(connection.key)
                    if queue is None:
                        queue = self._idle[connection.key] = deque()
                    queue.append(connection)
                else:
                    self._open -= 1
                    keep = False
                if self._waiting:
                    self._changed.notify()
        if not (ours and keep):
            connection.close()

    def discard(self, connection: Connection) -> None:
        """Close a connection, and keep its room for one in its place."""
        with self.lock:
            self._busy.pop(connection, None)
        connection.close()

    def hang_up(self, connection: Connection, turn: int) -> None:
        """End a connection, unless it serves another request by now."""
        with self.lock:
            if connection.turn == turn:
                connection.hang_up()

    def give_up(self) -> None:
        """Give back room for which no connection could be made."""
        with self.lock:
            self._open -= 1
            if self._waiting:
                self._changed.notify()

    def close(self) -> None:
        with self.lock:
            self.closed = True
            self.ended.set()
            idle = [connection for queue in self._idle.values() for connection in queue]
            busy = list(self._busy)
            self._idle.clear()
            self._open -= len(idle)
            self._changed.notify_all()
        for connection in idle:
            connection.close()
        for connection in busy:
            # Whoever reads from it closes it; closing it here could hit another file by then.
            connection.hang_up()
        self.dialing.close()


_POOLS: "weakref.WeakSet[Pool]" = weakref.WeakSet()


def _watch_forks(pool: Pool) -> None:
    if not _POOLS and hasattr(os, "register_at_fork") and not getattr(_watch_forks, "done", False):
        os.register_at_fork(after_in_child=_after_fork)
        _watch_forks.done = True  # type: ignore[attr-defined]
    _POOLS.add(pool)


def _after_fork() -> None:
    for pool in list(_POOLS):
        pool.leave_to_parent()
