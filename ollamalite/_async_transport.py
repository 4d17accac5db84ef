"""The asyncio transport: streams, kept-alive connections for each event loop, and the waiting.

What to send, where to, and what to do next is decided by `_plan`; what came is read by
`_http1`. No task of ours is ever left running: the few there are end before the call that
made them.
"""

import asyncio
import os
import threading
import weakref
from time import monotonic
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Union

from . import errors
from ._async_dial import EarlyBytes, abort_tls, dial, make_transport
from ._async_pool import Connection, Pool, Receiver, ReceiverProtocol
from ._failures import (
    broken,
    client_closed,
    closed,
    connect_failed,
    cut,
    handshake_failed,
    too_large,
)
from ._http1 import AnswerReader, CutShort, Malformed
from ._log import log_answer, log_failure
from ._patience import Patience
from ._plan import Journey, Plan, Planner
from ._settings import Settings, Timeout

if TYPE_CHECKING:
    import ssl

    from ._exchange import Request, Upload

__all__ = ["AsyncResponse", "AsyncTransport"]

Body = Union[None, bytes, "Upload"]

# All lines in it become records at once, of ten times the size.
RECEIVE_SIZE = 32768
BUFFER_LIMIT = 65536
PIECE_SIZE = 1 << 19
SMALL_BODY = 32768
# Longer than anybody waits: our own limits end a handshake.
FOR_EVER = 86400.0


def _close_pools(pools: Dict[int, Pool]) -> None:
    for pool in list(pools.values()):
        pool.close()
    pools.clear()


class AsyncTransport:
    """Sends requests in whatever event loop is running."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._planner = Planner(settings)
        self._pools: Dict[int, Pool] = {}
        self._latest: Optional[Pool] = None
        self._closed = False
        self._tls: Optional[ssl.SSLContext] = None
        self._finalizer = weakref.finalize(self, _close_pools, self._pools)

    def __reduce__(self) -> Any:
        return AsyncTransport, (self.settings,)

    async def aclose(self) -> None:
        """Close all connections, of every loop; answers that are being read end with an error."""
        self._closed = True
        _close_pools(self._pools)
        # The connections end in the next round of the loop.
        await asyncio.sleep(0)

    async def send(self, request: "Request") -> "AsyncResponse":
        """Send a request; return when the status and headers of its answer are there.

        Redirects and retries are over by then. Every failure is one of `errors`.
        """
        timeout = request.timeout
        patience = Patience(self.settings.timeout if timeout is None else Timeout.of(timeout))
        journey = Journey(self._planner, request)
        while True:
            plan, body = journey.plan, journey.body
            exchange = _Exchange(self, plan, body, patience)
            started = monotonic()
            try:
                response = await exchange.run()
            except errors.TransportError as error:
                log_failure(plan, error, started)
                if not journey.goes_on_after_failure(error, exchange.answered):
                    raise
            else:
                log_answer(plan, response.status, started)
                if response.status < 300:
                    return response
                try:
                    if not journey.goes_on_after(response.status, response.headers):
                        return response
                except BaseException:
                    response.close()
                    raise
                response.close()
            if journey.delay:
                await self._pause(journey.delay, plan, patience)

    async def _pause(self, seconds: float, plan: Plan, patience: Patience) -> None:
        until = monotonic() + seconds
        if self._closed:
            raise client_closed(plan)
        pool = self.pool()
        if patience.deadline is None or until <= patience.deadline:
            ended = await pool.rest(seconds)
        else:
            ended = await pool.rest(patience.left(plan, "total", patience.deadline) or 0)
            if not ended:
                raise patience.over(plan, "total")
        if ended:
            raise client_closed(plan)

    def pool(self) -> Pool:
        """The connections in the running loop."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise errors.RequestError(
                "no event loop of asyncio is running, and an AsyncClient works in no other"
            ) from None
        pool = self._latest
        if (
            pool is not None
            and pool.loop is loop
            and not pool.closed
            # A loop that a fork inherited has connections that the parent goes on using.
            and pool.pid == os.getpid()
        ):
            return pool
        if self._closed:
            raise errors.RequestError("the client is closed")
        pool = self._pools.get(id(loop))
        if pool is None or pool.loop is not loop or pool.closed or pool.pid != os.getpid():
            for key, old in list(self._pools.items()):
                if old.loop.is_closed() or old.closed:
                    old.close()
                    self._pools.pop(key, None)
            pool = self._pools[id(loop)] = Pool(self.settings, loop)
        self._latest = pool
        return pool

    async def new_connection(self, pool: Pool, plan: Plan, patience: Patience) -> Connection:
        """A new connection, for which the pool has room."""
        try:
            connection = await self._connect_within(pool, plan, patience)
        except BaseException as error:
            pool.give_up()
            # ValueError is what a name ends in that is none for DNS or for TLS.
            if isinstance(error, (OSError, ValueError)) and not isinstance(
                error, errors.OllamaError
            ):
                raise connect_failed(plan, error) from error
            raise
        if pool.closed:
            pool.give_up()
            connection.abort()
            raise client_closed(plan)
        pool.add(connection)
        return connection

    async def _connect_within(self, pool: Pool, plan: Plan, patience: Patience) -> Connection:
        """Connect as long as patience lasts; whatever happens, no connection is lost."""
        left = patience.left(plan, "connect", patience.until("connect"))
        task = asyncio.ensure_future(self._connect(pool.loop, plan))
        pool.dialing.add(task)
        late = False
        try:
            await asyncio.wait({task}, timeout=left)
            if not task.done():
                late = True
                task.cancel()
                await asyncio.wait({task})
        except BaseException:
            task.cancel()
            task.add_done_callback(_abort_result)
            raise
        finally:
            pool.dialing.discard(task)
        if task.cancelled():
            if pool.closed:
                raise client_closed(plan)
            raise patience.over(plan, "connect") if late else asyncio.CancelledError
        return task.result()

    async def _connect(self, loop: asyncio.AbstractEventLoop, plan: Plan) -> Connection:
        route = plan.route
        name = route.proxy_tls if route.tls is None else route.tls
        context: Any = None if name is None else self._context(name)
        sock = await dial(loop, plan)
        stream = Receiver(limit=BUFFER_LIMIT, loop=loop)
        protocol = ReceiverProtocol(stream, loop, sock if name is None else None)
        transport: Any
        if name is None:
            transport = await make_transport(loop, sock, lambda: protocol)
        else:
            # In two steps, as only who holds the transport beneath can end a handshake at once.
            early = EarlyBytes()
            beneath = await make_transport(loop, sock, lambda: early)
            inside = route.tunnel is not None
            try:
                early.check(beneath)
                transport = await loop.start_tls(
                    beneath,
                    protocol,
                    context,
                    server_hostname=name,
                    ssl_handshake_timeout=FOR_EVER,
                )
            except (OSError, ValueError) as error:
                abort_tls(beneath)
                raise connect_failed(plan, handshake_failed(error), inside) from error
            except BaseException:
                abort_tls(beneath)
                raise
            protocol.connection_made(transport)
        # Then "full" means that anything is unsent, and what was sent may be overwritten. Under TLS
        # the limit counts as reached when the buffer has as much as that.
        transport.set_write_buffer_limits(high=0 if name is None else 1, low=0)
        return Connection(loop, sock, stream, protocol, transport, route)

    def _context(self, name: str) -> "ssl.SSLContext":
        from ._tls import check_name, make_context

        check_name(name)
        if self._tls is None:
            self._tls = make_context(self.settings)
        return self._tls


def _abort_result(task: "asyncio.Future[Connection]") -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().abort()


class _Exchange:
    """One request on one connection, up to the head of its answer.

    `answered` says whether any byte of the answer came.
    """

    __slots__ = ("_body", "_patience", "_plan", "_transport", "answered")

    def __init__(
        self, transport: AsyncTransport, plan: Plan, body: Body, patience: Patience
    ) -> None:
        self._transport = transport
        self._plan = plan
        self._body = body
        self._patience = patience
        self.answered = False

    async def run(self) -> "AsyncResponse":
        transport, plan, patience = self._transport, self._plan, self._patience
        body = self._body
        pool = transport.pool()
        connection = pool.take_at_once(plan) or await pool.take(plan, patience)
        if connection is None:
            connection = await transport.new_connection(pool, plan, patience)
        while True:
            reader = AnswerReader(plan.method, transport.settings.max_head_size)
            stream = connection.stream
            try:
                first = b""
                if body is None or (type(body) is bytes and len(body) <= SMALL_BODY):
                    connection.transport.write(plan.message(body))
                else:
                    first = await self._send(connection, reader, body)
                while not reader.status:
                    if patience.timeout.read is not None or patience.deadline is not None:
                        connection.watch(patience.until("read"), "read")
                    data = await stream.read(RECEIVE_SIZE)
                    if data:
                        stream.unread -= len(data)
                        first = reader.feed(data)
                    elif stream.failure is not None and connection.expired is None:
                        raise stream.failure
                    else:
                        reader.end()
                connection.watch(None)
                if connection.protocol.full:
                    reader.keep_alive = False
                return AsyncResponse(transport, pool, connection, plan, patience, reader, first)
            except (OSError, CutShort, Malformed) as error:
                self.answered = reader.started
                late = connection.expired is not None
                ended = not (late or isinstance(error, (Malformed, errors.OllamaError)))
                # A server may close an idle connection at the very moment at which it is used.
                if ended and connection.reused and not reader.started and not pool.closed:
                    pool.discard(connection)
                else:
                    pool.give_back(connection, keep=False)
                    if isinstance(error, errors.OllamaError):
                        raise
                    if connection.expired is not None:
                        raise patience.over(plan, connection.expired) from None
                    if pool.closed:
                        raise client_closed(plan) from None
                    raise broken(plan, error, reader.started) from error
            except BaseException:
                connection.hang_up()
                pool.give_back(connection, keep=False)
                raise
            connection = await transport.new_connection(pool, plan, patience)

    async def _send(
        self, connection: Connection, reader: AnswerReader, body: Union[bytes, "Upload"]
    ) -> bytes:
        """Send head and body, unless the answer comes before their end.

        Then the first bytes of the answer's body come back.
        """
        plan = self._plan
        if isinstance(body, bytes):
            connection.transport.write(plan.head(len(body)))
            view = memoryview(body)
            for start in range(0, len(body), PIECE_SIZE):
                piece = view[start : start + PIECE_SIZE]
                first = await self._send_piece(connection, reader, piece)
                if first is not None:
                    return first
            return b""
        connection.transport.write(plan.head(body.length))
        pieces = _Pieces(connection.loop, body)
        try:
            while True:
                ahead = await pieces.next(plan, self._patience)
                if ahead is None:
                    return b""
                first = await self._send_piece(connection, reader, ahead)
                if first is not None:
                    return first
        finally:
            pieces.close()

    async def _send_piece(
        self, connection: Connection, reader: AnswerReader, piece: memoryview
    ) -> Optional[bytes]:
        """Send a piece to its last byte, and return None.

        Where an answer comes before that, the first bytes of its body; where the connection ends,
        none, and the read that follows finds out why.
        """
        patience = self._patience
        stream, protocol, transport = connection.stream, connection.protocol, connection.transport
        if transport.is_closing():
            return b""
        # TLS may keep what it cannot encrypt at the moment.
        transport.write(bytes(piece) if connection.tls else piece)
        while protocol.full or stream.unread:
            if stream.unread:
                data = await stream.read(RECEIVE_SIZE)
                stream.unread -= len(data)
                first = reader.feed(data)
                if reader.status:
                    reader.keep_alive = False
                    return first
            else:
                connection.watch(patience.until("write"), "write", patience)
                await connection.changed()
        if transport.is_closing():
            return b""
        connection.watch(None)
        return None


class _Pieces:
    """The pieces of an upload, read one ahead by a worker thread, so that no disk stops the loop.

    A piece is good until the next but one is asked for.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, upload: "Upload") -> None:
        self._loop = loop
        self._upload = upload
        self._left = upload.length
        self._file: Any = None
        size = min(self._left, PIECE_SIZE)
        self._views = (memoryview(bytearray(size)), memoryview(bytearray(size)))
        self._turn = 0
        self._closed = False
        self._reading = threading.Lock()
        self._ahead: Optional[asyncio.Future[Optional[memoryview]]] = None

    async def next(self, plan: Plan, patience: Patience) -> Optional[memoryview]:
        """The next piece, None after the last; `RequestError` if the file cannot be read."""
        if not self._upload.blocking:
            return self._read()
        ahead = self._ahead or self._begin()
        if ahead is None:
            return self._read()
        left = patience.left(plan, "total", patience.deadline)
        await asyncio.wait({ahead}, timeout=left)
        if not ahead.done():
            # All workers may be busy with something else.
            raise patience.over(plan, "total")
        piece = ahead.result()
        self._ahead = None if piece is None else self._begin()
        return piece

    def _begin(self) -> "Optional[asyncio.Future[Optional[memoryview]]]":
        try:
            self._ahead = self._loop.run_in_executor(None, self._read)
        except RuntimeError:
            self._ahead = None  # an interpreter that ends starts no threads
        return self._ahead

    def close(self) -> None:
        """Close the file, which a worker may be reading from."""
        self._closed = True
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.add_done_callback(_take_notice)
        # Else the worker does it, as the loop may be over before it hears of the worker's end.
        if self._reading.acquire(False):
            try:
                self._close()
            finally:
                self._reading.release()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _read(self) -> Optional[memoryview]:
        try:
            with self._reading:
                return None if self._closed else self._next()
        finally:
            if self._closed:
                self._close()

    def _next(self) -> Optional[memoryview]:
        try:
            if self._file is None:
                self._file = self._upload.open()
            if not self._left:
                return None
            view = self._views[self._turn]
            self._turn = 1 - self._turn
            count = self._file.readinto(view[: min(self._left, PIECE_SIZE)])
        except OSError as error:
            raise errors.RequestError(f"the file to upload cannot be read: {error}") from error
        if not count:
            raise errors.RequestError(f"the file to upload is {self._left} bytes too short")
        self._left -= count
        return view[:count]


def _take_notice(ahead: "asyncio.Future[Optional[memoryview]]") -> None:
    """Keep asyncio from complaining of an exception that nobody waits for any more."""
    if not ahead.cancelled():
        ahead.exception()


class AsyncResponse:
    """An answer whose head is there, and whose body can be read.

    `ended_by_close` says that only the end of the connection marks the body's end, `cut` that this
    end came without the `close_notify` of TLS, so that anybody may have made it, `closed` that the
    caller hung up before it.
    """

    __slots__ = (
        "_connection",
        "_first",
        "_patience",
        "_plan",
        "_pool",
        "_reader",
        "_timed",
        "_transport",
        "closed",
        "cut",
        "ended_by_close",
        "headers",
        "reason",
        "status",
    )

    def __init__(
        self,
        transport: AsyncTransport,
        pool: Pool,
        connection: Connection,
        plan: Plan,
        patience: Patience,
        reader: AnswerReader,
        first: bytes,
    ) -> None:
        self.status = reader.status
        self.reason = reader.reason
        self.headers = reader.headers
        self.ended_by_close = reader.ended_by_close
        self.closed = self.cut = False
        self._plan = plan
        self._first = first
        # Not to be collected, which would close the connections, while an answer is under way.
        self._transport = transport
        self._pool = pool
        self._patience = patience
        self._timed = patience.timeout.read is not None or patience.deadline is not None
        self._reader = reader
        self._connection: Optional[Connection] = connection
        if reader.done:
            self._connection = None
            pool.give_back(connection, reader.keep_alive)

    @property
    def url(self) -> str:
        """The URL that answered, after redirects, without credentials."""
        return self._plan.text

    @property
    def proxy(self) -> Optional[str]:
        """The proxy that the answer came through, or None."""
        proxy = self._plan.route.proxy
        return None if proxy is None else str(proxy)

    def __repr__(self) -> str:
        return f"<AsyncResponse {self.status} of {self._plan.method} {self._plan.text}>"

    async def receive(self) -> bytes:
        """The next bytes of the body as they come; `b""` at its end, which is checked.

        Raises `IncompleteError` if the connection ends before the body does, and
        `ConnectionLostError` after `close`.
        """
        first = self._first
        if first:
            self._first = b""
            return first
        connection = self._connection
        if connection is None:
            if self.closed:
                raise closed(self._plan)
            return b""
        plan, patience, reader = self._plan, self._patience, self._reader
        stream = connection.stream
        body = b""
        try:
            if reader.fault is not None:
                raise reader.fault
            while not body and not reader.done:
                if self._timed:
                    until = patience.until("read")
                    # What has come already is read without a wait, so that no alarm would ring.
                    patience.left(plan, "read", until)
                    connection.watch(until, "read")
                data = await stream.read(RECEIVE_SIZE)
                if data:
                    stream.unread -= len(data)
                    body = reader.feed(data)
                elif self.closed:
                    raise closed(plan)
                elif self._pool.closed:
                    raise client_closed(plan)
                elif stream.failure is not None and connection.expired is None:
                    raise stream.failure
                elif connection.expired is not None:
                    raise patience.over(plan, connection.expired)
                else:
                    reader.end()
                    self.cut = connection.was_cut()
        except (OSError, CutShort, Malformed) as error:
            self._drop()
            if self.closed:
                raise closed(plan) from None
            if isinstance(error, errors.OllamaError):
                raise
            raise broken(plan, error, True) from error
        except BaseException:
            self.close()
            raise
        if self._timed:
            connection.watch(None)
        if reader.done:
            self._connection = None
            self._pool.give_back(connection, reader.keep_alive)
        return body

    async def read(self, limit: Optional[int] = None) -> bytes:
        """All the rest of the body.

        `limit` is a security limit: `ProtocolError` if the body has more bytes.
        """
        first = self._first
        if self._connection is None and not self.closed and (limit is None or len(first) <= limit):
            self._first = b""
            return first
        length = self._reader.length
        if limit is not None and length is not None and length > limit:
            self.close()
            raise too_large(self._plan, limit)
        pieces: List[bytes] = []
        size = 0
        while True:
            piece = await self.receive()
            if not piece:
                if self.cut:
                    raise cut(self._plan)
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)
            size += len(piece)
            if limit is not None and size > limit:
                self.close()
                raise too_large(self._plan, limit)
            pieces.append(piece)

    async def aclose(self) -> None:
        """Hang up, unless the body was read to its end."""
        if self._connection is not None:
            self.close()
            # The connection ends in the next round of the loop.
            await asyncio.sleep(0)

    def close(self) -> None:
        """Hang up at once, unless the body was read to its end; from any thread, never raises."""
        if self._connection is not None:
            self.closed = True
            self._drop()

    def _drop(self) -> None:
        connection = self._connection
        self._connection = None
        self._first = b""
        if connection is not None:
            self._pool.drop(connection)

    async def __aenter__(self) -> "AsyncResponse":
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        self.close()
