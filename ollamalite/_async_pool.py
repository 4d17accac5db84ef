"""The asyncio transport's connections: their streams, kept alive and counted in each event loop."""

import asyncio
import os
import select
import socket
import sys
import weakref
from collections import deque
from time import monotonic
from typing import Any, AsyncGenerator, Deque, Dict, List, Optional, Set, Tuple

from . import errors
from ._patience import Patience
from ._plan import Plan
from ._route import Route
from ._settings import Settings

__all__ = ["Connection", "Pool", "Receiver", "ReceiverProtocol"]

RECEIVE_SIZE = 65536


class Receiver(asyncio.StreamReader):
    """A stream reader that gives what came before a failure, and says what is left in it."""

    unread = 0
    ended = False
    failure: Optional[BaseException] = None
    waiter: "Optional[asyncio.Future[None]]" = None

    def feed_data(self, data: Any) -> None:
        self.unread += len(data)
        super().feed_data(data)
        if self.waiter is not None:
            self.wake()

    def feed_eof(self) -> None:
        self.ended = True
        super().feed_eof()
        self.wake()

    def set_exception(self, exc: BaseException) -> None:
        # The base class forgets the bytes that it holds.
        self.failure = exc
        self.feed_eof()

    def wake(self) -> None:
        """End `Connection.changed`."""
        waiter = self.waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class ReceiverProtocol(asyncio.StreamReaderProtocol):
    """Says when there is room to write again."""

    full = False

    def __init__(
        self, stream: Receiver, loop: asyncio.AbstractEventLoop, plain: Optional[socket.socket]
    ) -> None:
        super().__init__(stream, loop=loop)
        self._stream = stream
        self._plain = plain

    def pause_writing(self) -> None:
        super().pause_writing()
        self.full = True

    def resume_writing(self) -> None:
        super().resume_writing()
        self.full = False
        self._stream.wake()

    def connection_lost(self, exc: Optional[Exception]) -> None:
        stream = self._stream
        if isinstance(exc, ConnectionError) and self._plain is not None and not stream.ended:
            # A server that refuses a request may close before it has read it. Its answer is in the
            # socket, which is about to be closed because of the request that nobody reads.
            try:
                data = self._plain.recv(RECEIVE_SIZE)
            except OSError:
                data = b""
            if data:
                stream.feed_data(data)
        super().connection_lost(exc)
        self.full = False
        stream.wake()


class Connection:
    """A stream that is connected, and what is known about it."""

    __slots__ = (
        "_alarm",
        "_kind",
        "_poll",
        "_rings_at",
        "_sending",
        "_unsent",
        "_until",
        "expired",
        "idle_since",
        "key",
        "loop",
        "protocol",
        "reused",
        "sock",
        "stream",
        "tls",
        "transport",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        stream: Receiver,
        protocol: ReceiverProtocol,
        transport: asyncio.Transport,
        route: Route,
    ) -> None:
        self.loop = loop
        self.sock = sock
        self.stream = stream
        self.protocol = protocol
        self.transport = transport
        self.key = route.key
        self.tls = route.tls is not None or route.proxy_tls is not None
        self.reused = False
        self.expired: Optional[str] = None
        self.idle_since = 0.0
        self._poll: Any = None
        self._until: Optional[float] = None
        self._sending: Optional[Patience] = None
        self._unsent = 0
        self._rings_at = 0.0
        self._kind = "total"
        self._alarm: Optional[asyncio.TimerHandle] = None

    def is_stale(self) -> bool:
        """Whether something came while nobody asked: the end, or bytes that belong to no answer."""
        stream = self.stream
        if stream.unread or stream.at_eof() or self.transport.is_closing():
            return True
        # The loop may not have looked yet.
        if not hasattr(select, "poll"):
            return False
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self.sock, select.POLLIN)
        return bool(self._poll.poll(0))

    def was_cut(self) -> bool:
        """Whether TLS ended without the other side saying so, as when somebody cut the line."""
        ssl_object: Any = self.transport.get_extra_info("ssl_object")
        if ssl_object is None:
            return False
        try:
            return bool(ssl_object.read(1))
        except OSError as error:
            import ssl

            return not isinstance(error, ssl.SSLZeroReturnError)

    def watch(
        self, until: Optional[float], kind: str = "total", sending: Optional[Patience] = None
    ) -> None:
        """Abort the connection then, unless the next call says otherwise; None calls it off.

        With the patience of one who is sending, the time starts anew whenever bytes were taken.
        """
        self._until = until
        self._kind = kind
        self._sending = sending
        if sending is not None:
            self._unsent = self._count_unsent()
        # One alarm serves all waits of a connection: most of them are over long before it rings.
        if until is not None and (self._alarm is None or until < self._rings_at):
            self._ring_at(until)

    def _count_unsent(self) -> int:
        """How many bytes the other side has not taken, here and in the system's buffer."""
        size: int = self.transport.get_write_buffer_size()
        try:
            # The system reports room only when there is much of it.
            from fcntl import ioctl
            from termios import TIOCOUTQ

            return size + int.from_bytes(ioctl(self.sock, TIOCOUTQ, bytes(4)), sys.byteorder)
        except (ImportError, OSError):
            return size

    def _ring_at(self, until: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._rings_at = until
        self._alarm = self.loop.call_later(max(0.0, until - monotonic()), self._ring)

    def _ring(self) -> None:
        self._alarm = None
        until = self._until
        if until is None:
            return
        if self._sending is not None:
            unsent = self._count_unsent()
            if unsent < self._unsent:
                self._unsent = unsent
                self._until = until = self._sending.until(self._kind) or until
        if monotonic() < until - 0.001:
            self._ring_at(until)
        else:
            self.expired = self._kind
            self.transport.abort()

    async def changed(self) -> None:
        """Wait for bytes, for the end, or for room to write after there was none."""
        stream = self.stream
        stream.waiter = self.loop.create_future()
        try:
            await stream.waiter
        finally:
            stream.waiter = None

    def abort(self) -> None:
        """Close the connection now; in the loop's thread only."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._until = None
        self.transport.abort()

    def hang_up(self) -> None:
        """End the connection for the other side at once; from any thread."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other side was quicker

    def bury(self) -> None:
        """Close a connection whose loop is closed, and can do nothing any more."""
        self.hang_up()
        transport: Any = self.transport
        inner = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None) or transport
        try:
            transport.abort()
        except RuntimeError:
            pass  # it wanted the loop to do the rest, so that is left to us
        try:
            # A transport that has not been through this warns when it is collected.
            if getattr(inner, "_sock", None) is not None:
                inner._call_connection_lost(None)
        except RuntimeError:
            pass  # somebody still waited in that loop
        self.sock.close()


class Pool:
    """The connections of one transport in one event loop."""

    def __init__(self, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.pid = os.getpid()
        self.closed = False
        self._limit = settings.max_connections
        self._expiry = settings.keepalive_expiry
        self._idle: Dict[Tuple[Any, ...], Deque[Connection]] = {}
        self._busy: Dict[Connection, None] = {}
        self._open = 0
        self.dialing: Set[asyncio.Future[Connection]] = set()
        self._resting: Set[asyncio.Future[None]] = set()
        self._waiters: Deque[asyncio.Future[None]] = deque()
        self._called = 0
        self._guard: Optional[AsyncGenerator[None, None]] = None
        # A loop that has done its last act would complain.
        if not getattr(loop, "_asyncgens_shutdown_called", False):
            self._guard = _close_at_shutdown(weakref.ref(self))
            _step(self._guard.__anext__())

    def take_at_once(self, plan: Plan) -> Optional[Connection]:
        """An idle connection that is alive, if there is one, and nobody has waited for it."""
        return None if self._waiters or self._called else self._take_idle(plan)

    def _take_idle(self, plan: Plan) -> Optional[Connection]:
        queue = self._idle.get(plan.route.key)
        while queue:
            connection = queue.pop()
            if self._is_fit(connection):
                self._busy[connection] = None
                return connection
            self._open -= 1
            connection.abort()
        return None

    async def take(self, plan: Plan, patience: Patience) -> Optional[Connection]:
        """An idle connection that is alive, or None with room reserved for a new one."""
        until: Optional[float] = None
        if self._waiters or self._called:
            until = patience.until("pool")
            await self._wait(plan, patience, until, first=False)
        while True:
            if self.closed:
                raise errors.RequestError("the client is closed")
            connection = self._take_idle(plan)
            if connection is not None or self._has_room():
                # Who came while this one was called has waited for nothing, if there is more.
                if self._waiters and self._is_spare():
                    self._call_next()
                return connection
            until = patience.until("pool") if until is None else until
            await self._wait(plan, patience, until, first=True)

    def _has_room(self) -> bool:
        """Reserve room for a new connection, if there is some or an idle one can make it."""
        if self._limit is None or self._open < self._limit or self._drop_idle():
            self._open += 1
            return True
        return False

    def _is_spare(self) -> bool:
        return self._limit is None or self._open < self._limit or any(self._idle.values())

    async def _wait(
        self, plan: Plan, patience: Patience, until: Optional[float], first: bool
    ) -> None:
        left = patience.left(plan, "pool", until)
        waiter = self.loop.create_future()
        if first:
            # It has waited before, or nobody else does.
            self._waiters.appendleft(waiter)
        else:
            self._waiters.append(waiter)
        alarm = None if left is None else self.loop.call_later(left, self._give_up_waiting, waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                # The room that this one was called for is another's now.
                self._call_next()
            raise
        finally:
            if alarm is not None:
                alarm.cancel()
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            else:
                self._called -= 1

    def _give_up_waiting(self, waiter: "asyncio.Future[None]") -> None:
        if not waiter.done():
            self._waiters.remove(waiter)
            self._called += 1
            waiter.set_result(None)

    def _call_next(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            # Between now and its turn, whoever comes must not take its room.
            self._called += 1
            if not waiter.done():
                waiter.set_result(None)
                return

    def _is_fit(self, connection: Connection) -> bool:
        expiry = self._expiry
        if expiry is not None and monotonic() - connection.idle_since > expiry:
            return False
        return not connection.is_stale()

    def _drop_idle(self) -> bool:
        for queue in self._idle.values():
            if queue:
                queue.popleft().abort()
                self._open -= 1
                return True
        return False

    def add(self, connection: Connection) -> None:
        """Fill the room that `take` reserved."""
        self._busy[connection] = None

    def discard(self, connection: Connection) -> None:
        """Close a connection, and keep its room for one in its place."""
        self._busy.pop(connection, None)
        connection.abort()

    def give_up(self) -> None:
        """Give back room for which no connection could be made."""
        self._open -= 1
        self._call_next()

    def give_back(self, connection: Connection, keep: bool) -> None:
        """Take a connection back, to be used again or closed; in the loop's thread only."""
        if connection not in self._busy:
            connection.abort()
            return
        del self._busy[connection]
        if keep and not self.closed and connection.expired is None:
            connection.watch(None)
            connection.reused = True
            connection.idle_since = monotonic()
            queue = self._idle.get(connection.key)
            if queue is None:
                queue = self._idle[connection.key] = deque()
            queue.append(connection)
        else:
            self._open -= 1
            connection.abort()
        if self._waiters:
            self._call_next()

    def drop(self, connection: Connection) -> None:
        """Close a connection from any thread, whatever its loop is doing."""
        if self.pid != os.getpid():
            return
        if _running_loop() is self.loop:
            connection.hang_up()
            self.give_back(connection, keep=False)
            return
        connection.hang_up()
        try:
            self.loop.call_soon_threadsafe(self.give_back, connection, False)
        except RuntimeError:
            self._busy.pop(connection, None)
            connection.bury()

    async def rest(self, seconds: float) -> bool:
        """Wait, but no longer than until all is closed; whether that is so."""
        waiter = self.loop.create_future()
        self._resting.add(waiter)
        try:
            await asyncio.wait({waiter}, timeout=seconds)
        finally:
            self._resting.remove(waiter)
        return self.closed

    def close(self) -> None:
        """Close everything, from any thread, whatever the loop is doing."""
        self.closed = True
        guard, self._guard = self._guard, None
        # After a fork the loop and its connections are the parent's.
        if self.pid != os.getpid():
            return
        if _running_loop() is self.loop:
            self._close_all()
            if guard is not None:
                _step(guard.aclose())
            return
        for connection in self._all():
            connection.hang_up()
        try:
            self.loop.call_soon_threadsafe(self._close_all)
        except RuntimeError:
            for connection in self._all():
                connection.bury()
            self._idle.clear()
            self._busy.clear()
        if guard is not None:
            _step(guard.aclose())

    def _all(self) -> List[Connection]:
        idle = [connection for queue in self._idle.values() for connection in queue]
        return idle + list(self._busy)

    def _close_all(self) -> None:
        for connection in self._all():
            connection.hang_up()
            connection.abort()
        self._open -= sum(map(len, self._idle.values()))
        self._idle.clear()
        for task in self.dialing:
            task.cancel()
        for waiter in self._resting:
            if not waiter.done():
                waiter.set_result(None)
        while self._waiters:
            self._call_next()


async def _close_at_shutdown(pool: "weakref.ref[Pool]") -> AsyncGenerator[None, None]:
    """A generator that only waits for its loop's last act, which is to close all generators."""
    try:
        yield
    finally:
        live = pool()
        if live is not None and live._guard is not None:
            live._guard = None
            live.close()


def _step(awaitable: Any) -> None:
    """Run an awaitable that never waits."""
    try:
        awaitable.__await__().send(None)
    except (StopIteration, StopAsyncIteration):
        return


def _running_loop() -> Optional[asyncio.AbstractEventLoop]:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
