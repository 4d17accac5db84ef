"""The blocking transport: sockets, kept-alive connections, and the waiting.

What to send, where to, and what to do next is decided by `_plan`; what came is read by
`_http1`.
"""

import socket
import sys
import threading
import weakref
from contextlib import closing
from itertools import chain
from time import monotonic
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Generator,
    Iterator,
    List,
    Optional,
    Tuple,
    Type,
    Union,
)

from . import errors
from ._failures import broken, client_closed, closed, cut, too_large
from ._http1 import AnswerReader, CutShort, Malformed
from ._log import log_answer, log_failure
from ._patience import Patience
from ._plan import Journey, Plan, Planner
from ._settings import Settings, Timeout
from ._sync_dial import Dialer
from ._sync_pool import Connection, Pool, poll

if TYPE_CHECKING:
    from ._exchange import Request, Upload

__all__ = ["Response", "Transport"]

Body = Union[None, bytes, "Upload"]

# All lines in it become records at once, of ten times the size.
RECEIVE_SIZE = 32768
PIECE_SIZE = 1 << 20
# A body up to this size fits into the buffers between two machines, so that sending it never waits
# for a server that in turn waits for us to read.
SMALL_BODY = 32768


class Transport:
    """Sends requests, blocking; safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._planner = Planner(settings)
        self._pool = Pool(settings)
        self._dialer = Dialer(settings)
        self._finalizer = weakref.finalize(self, self._pool.close)

    def __reduce__(self) -> Any:
        return Transport, (self.settings,)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._pool.closed

    def close(self) -> None:
        """Close all connections; answers that are still being read end with an error."""
        self._pool.close()

    def send(self, request: "Request") -> "Response":
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
                response: Response = _open(plan, body, exchange.run)
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
                self._pause(journey.delay, plan, patience)

    def _pause(self, seconds: float, plan: Plan, patience: Patience) -> None:
        until = monotonic() + seconds
        if patience.deadline is None or until <= patience.deadline:
            ended = self._pool.ended.wait(seconds)
        else:
            ended = self._pool.ended.wait(patience.left(plan, "total", patience.deadline))
            if not ended:
                raise patience.over(plan, "total")
        if ended:
            raise client_closed(plan)

    # -- connections

    def connection(self, plan: Plan, patience: Patience) -> Connection:
        """A connection for the plan's route, idle before or new."""
        return self._pool.take(plan, patience) or self.new_connection(plan, patience)

    def new_connection(self, plan: Plan, patience: Patience) -> Connection:
        """A new connection, for which the pool has room."""
        pool = self._pool
        try:
            sock = self._dialer.connect(plan, patience, pool.dialing)
        except BaseException:
            pool.give_up()
            raise
        connection = Connection(sock, plan.route)
        if not pool.add(connection):
            connection.close()
            raise client_closed(plan)
        return connection

    def give_back(self, connection: Connection, keep: bool) -> None:
        self._pool.give_back(connection, keep)

    def hang_up(self, connection: Connection, turn: int) -> None:
        """End a connection, unless it serves another request by now; from any thread."""
        self._pool.hang_up(connection, turn)

    def discard(self, connection: Connection) -> None:
        """Close a connection; its room is kept for a new one."""
        self._pool.discard(connection)


def _open(plan: Plan, body: Body, run: Callable[..., Any]) -> Any:
    """The result of `run`, called by urllib, or so that nobody can tell the difference."""
    if sys.modules.get("urllib.request") is not None:
        from ._opener import open_plan

        return open_plan(plan, body, run)
    # Loading it takes half of the time that a program has for its first request. Where nobody has
    # loaded it, an audit hook is all that could take notice.
    sys.audit("urllib.Request", plan.text, body, plan.headers, plan.method)
    return run()


def _would_block(tls: bool) -> Tuple[Type[OSError], ...]:
    if not tls:
        return (BlockingIOError,)
    import ssl

    return BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError


class _Exchange:
    """One request on one connection, up to the head of its answer.

    `answered` says whether any byte of the answer came.
    """

    __slots__ = ("_body", "_patience", "_plan", "_transport", "answered")

    def __init__(self, transport: Transport, plan: Plan, body: Body, patience: Patience) -> None:
        self._transport = transport
        self._plan = plan
        self._body = body
        self._patience = patience
        self.answered = False

    def run(self, headers: Optional[Dict[str, str]] = None) -> "Response":
        """The answer; with other headers than the plan's, if such are given."""
        if headers is not None:
            self._plan = self._plan.with_headers(headers)
        transport, plan, patience = self._transport, self._plan, self._patience
        connection = transport.connection(plan, patience)
        while True:
            reader = AnswerReader(plan.method, transport.settings.max_head_size)
            kind = "write"
            try:
                first, failure = self._send(connection, reader)
                kind = "read"
                try:
                    while not reader.status:
                        connection.set_timeout(patience.reading(plan))
                        data = connection.receive(RECEIVE_SIZE)
                        if data:
                            first = reader.feed(data)
                        else:
                            reader.end()
                except (OSError, CutShort) as error:
                    # What broke first says more, unless the server began to say why.
                    raise error if reader.started or failure is None else failure
                if failure is not None:
                    reader.keep_alive = False
                return Response(transport, connection, plan, patience, reader, first)
            except (OSError, CutShort, Malformed) as error:
                self.answered = reader.started
                late = isinstance(error, socket.timeout) and error.errno is None
                ended = not (late or isinstance(error, (Malformed, errors.OllamaError)))
                # A server may close an idle connection at the very moment at which it is used.
                if ended and connection.reused and not reader.started and not transport.closed:
                    transport.discard(connection)
                else:
                    transport.give_back(connection, keep=False)
                    if isinstance(error, errors.OllamaError):
                        raise
                    if late:
                        raise patience.over(plan, kind) from error
                    if transport.closed:
                        raise client_closed(plan) from None
                    raise broken(plan, error, reader.started) from error
            except BaseException:
                transport.give_back(connection, keep=False)
                raise
            connection = transport.new_connection(plan, patience)

    def _send(
        self, connection: Connection, reader: AnswerReader
    ) -> Tuple[bytes, Optional[OSError]]:
        """Send head and body, unless the answer comes before their end.

        Then the first bytes of the answer's body come back; else what broke the sending, if so.
        """
        plan, body, patience = self._plan, self._body, self._patience
        try:
            if body is None or (isinstance(body, bytes) and len(body) <= SMALL_BODY):
                connection.set_timeout(patience.left(plan, "write", patience.until("write")))
                connection.sock.sendall(plan.message(body))
                return b"", None
            if isinstance(body, bytes):
                return self._send_pieces(connection, reader, plan.head(len(body)), iter((body,)))
            with closing(_pieces(body)) as pieces:
                return self._send_pieces(connection, reader, plan.head(body.length), pieces)
        except OSError as error:
            if isinstance(error, (socket.timeout, errors.OllamaError)):
                raise
            # A server that refuses a request may close before it has read it; the answer is there.
            return b"", error

    def _send_pieces(
        self,
        connection: Connection,
        reader: AnswerReader,
        head: bytes,
        pieces: "Iterator[Union[bytes, memoryview]]",
    ) -> Tuple[bytes, Optional[OSError]]:
        plan, patience = self._plan, self._patience
        connection.set_timeout(0)
        send = connection.sock.send
        blocked = _would_block(connection.tls)
        wait = poll(connection.sock, write=True)
        until = patience.until("write")
        for piece in chain((head,), pieces):
            view = memoryview(piece)
            while view:
                try:
                    view = view[send(view) :]
                except blocked:
                    can_read = wait(patience.left(plan, "write", until))
                    if can_read:
                        first = self._read_early(connection, reader, blocked)
                        if reader.status:
                            reader.keep_alive = False
                            return first, None
                else:
                    until = patience.until("write")
        return b"", None

    def _read_early(
        self, connection: Connection, reader: AnswerReader, blocked: Tuple[Type[OSError], ...]
    ) -> bytes:
        try:
            data = connection.receive(RECEIVE_SIZE)
        except blocked:
            return b""
        if data:
            return reader.feed(data)
        reader.end()
        return b""


def _pieces(upload: "Upload") -> Generator[memoryview, None, None]:
    left = upload.length
    view = memoryview(bytearray(min(left, PIECE_SIZE)))
    try:
        with upload.open() as opened:
            file: Any = opened
            while left:
                count: int = file.readinto(view[: min(left, PIECE_SIZE)])
                if not count:
                    raise errors.RequestError(f"the file to upload is {left} bytes too short")
                left -= count
                yield view[:count]
    except OSError as error:
        raise errors.RequestError(f"the file to upload cannot be read: {error}") from error


class Response:
    """An answer whose head is there, and whose body can be read.

    `ended_by_close` says that only the end of the connection marks the body's end, `cut` that this
    end came without the `close_notify` of TLS, so that anybody may have made it, `closed` that the
    caller hung up before it, `proxy` names the proxy that it came through.
    """

    __slots__ = (
        "_connection",
        "_first",
        "_lock",
        "_patience",
        "_plan",
        "_reader",
        "_transport",
        "_turn",
        "closed",
        "cut",
        "ended_by_close",
        "headers",
        "reason",
        "status",
    )

    def __init__(
        self,
        transport: Transport,
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
        self._transport = transport
        self._patience = patience
        self._reader = reader
        self._connection: Optional[Connection] = connection
        self._turn = connection.turn
        # Whoever holds it may be waiting in the socket.
        self._lock = threading.Lock()
        if reader.done:
            self._connection = None
            transport.give_back(connection, reader.keep_alive)

    # What those who instrument urllib ask its responses for.
    version = 11

    def getcode(self) -> int:
        return self.status

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
        return f"<Response {self.status} of {self._plan.method} {self._plan.text}>"

    def receive(self) -> bytes:
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
        body = b""
        try:
            with self._lock:
                if self.closed:
                    raise closed(plan)
                if connection.inherited:
                    raise OSError("it belongs to the process that this one was forked from")
                if reader.fault is not None:
                    raise reader.fault
                while not body and not reader.done:
                    connection.set_timeout(patience.reading(plan))
                    data = connection.receive(RECEIVE_SIZE)
                    if data:
                        body = reader.feed(data)
                    elif self.closed:
                        raise closed(plan)
                    elif self._transport.closed:
                        raise client_closed(plan)
                    else:
                        reader.end()
                        self.cut = connection.cut
                if reader.done:
                    self._connection = None
                    self._transport.give_back(connection, reader.keep_alive)
        except (OSError, CutShort, Malformed) as error:
            self._drop()
            if self.closed:
                raise closed(plan) from None
            if isinstance(error, errors.OllamaError):
                raise
            if isinstance(error, socket.timeout) and error.errno is None:
                raise patience.over(plan, "read") from error
            raise broken(plan, error, True) from error
        except BaseException:
            self._drop()
            raise
        return body

    def read(self, limit: Optional[int] = None) -> bytes:
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
            piece = self.receive()
            if not piece:
                if self.cut:
                    raise cut(self._plan)
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)
            size += len(piece)
            if limit is not None and size > limit:
                self.close()
                raise too_large(self._plan, limit)
            pieces.append(piece)

    def close(self) -> None:
        """Hang up, unless the body was read to its end; never raises.

        May be called twice, and from another thread: what waits in `receive` wakes up.
        """
        connection = self._connection
        if connection is None:
            return
        self.closed = True
        self._transport.hang_up(connection, self._turn)
        # A thread in receive() closes the socket itself when it wakes up.
        if self._lock.acquire(False):
            try:
                self._drop()
            finally:
                self._lock.release()

    def _drop(self) -> None:
        connection = self._connection
        self._connection = None
        self._first = b""
        if connection is not None:
            self._transport.give_back(connection, keep=False)

    def __enter__(self) -> "Response":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()
