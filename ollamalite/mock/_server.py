"""The listening socket and the threads of a mock server."""

from __future__ import annotations

import selectors
import socket
import threading
from types import TracebackType
from typing import Any, Iterable, List, Optional, Set, Tuple, Type, Union

from .._generated.description import API_VERSION
from ._app import App, Recorded
from ._connection import Connection
from ._faults import Fault
from ._mind import Answer
from ._store import Model, Store

_BACKLOG = 512
_JOIN = 5.0


class Server:
    """A mock Ollama server; see `serve`. Use it as a context manager, or `start` and `close`."""

    def __init__(
        self,
        host: str,
        port: int,
        app: App,
        tls: Optional[Any],
        connection_limit: int,
    ) -> None:
        self._host = host
        self._port = port
        self._app = app
        self._tls = tls
        self._limit = connection_limit
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._connections: Set[Connection] = set()
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
    def requests(self) -> List[Recorded]:
        """The latest requests, oldest first."""
        return list(self._app.recorded)

    @property
    def store(self) -> Store:
        """Models and blobs, to look at or to arrange."""
        return self._app.store

    @property
    def connections_opened(self) -> int:
        """How many connections clients have made so far."""
        return self._opened

    @property
    def connections_open(self) -> int:
        """How many connections are open now."""
        return len(self._connections)

    def say(self, *answers: Union[Answer, str]) -> None:
        """Put down what the next generations say, one after another."""
        for answer in answers:
            self._app.answers.append(Answer(answer) if isinstance(answer, str) else answer)

    def fail(
        self,
        kind: str,
        *,
        after: Optional[int] = None,
        pieces: Optional[int] = None,
        size: Optional[int] = None,
        interval: Optional[float] = None,
        status: Optional[int] = None,
        text: Optional[str] = None,
        path: Optional[str] = None,
        times: Optional[int] = 1,
    ) -> None:
        """Let the next request go wrong, or the next ``times`` ones; all of them if that is None.

        With ``path`` only requests to it count. Each request meets one fault at most, the first
        that fits. ``kind`` is one of:

        - ``"refuse"``: the connection is reset before anything is sent or done.
        - ``"reset"``: the connection is reset in the middle of the answer.
        - ``"cut"``: it ends there in the regular way, without the end of the framing.
        - ``"stall"``: nothing more is sent until the client leaves or the server is closed.
        - ``"garbage"``: bytes that are no HTTP are put there into the answer.
        - ``"slow"``: from there on ``size`` bytes (1) are sent every ``interval`` seconds (0.01).
        - ``"busy"``: the error 503 of a server whose queue is full.
        - ``"error"``: an error with ``status`` (500) and ``text``, in place of the answer.

        The middle is after ``after`` bytes of the answer, its head included, or after ``pieces``
        pieces of a stream; without both it is the very start. An answer that is over before that
        is sent as it is. ``ValueError`` for what makes no sense.
        """
        self._app.faults.add(
            Fault(
                kind,
                after=after,
                pieces=pieces,
                size=size,
                interval=interval,
                status=status,
                text=text,
                path=path,
                times=times,
            )
        )

    def recover(self) -> None:
        """Drop the faults and the answers that no request has met."""
        self._app.faults.clear()
        self._app.answers.clear()

    def disconnect(self) -> None:
        """End all connections at once, as a server that is restarted does."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.hang_up()

    def start(self) -> Server:
        """Listen, and answer in background threads. Raises OSError if the address is taken."""
        if self._listener is not None:
            raise RuntimeError("the server was started already")
        self._listener = listener = _listen(self._host, self._port)
        if self._host.startswith("unix://"):
            self._url = self._host
        else:
            self._port = listener.getsockname()[1]
            shown = f"[{self._host}]" if ":" in self._host else self._host
            self._url = f"{'https' if self._tls else 'http'}://{shown}:{self._port}"
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
        self._app.store.blobs.close()

    def __enter__(self) -> Server:
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
                except OSError:
                    # The client was gone before it was taken, or there are too many files.
                    continue
                self._serve(sock)

    def _serve(self, sock: socket.socket) -> None:
        self._opened += 1
        if len(self._connections) >= self._limit:
            sock.close()
            return
        connection = Connection(sock, self._app, self._tls, self._closing)
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

    def _run(self, connection: Connection) -> None:
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
    import os

    try:
        os.unlink(host[len("unix://") :])
    except OSError:
        return


def is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith(("127.", "unix://"))


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    models: Optional[Iterable[Union[str, Model]]] = None,
    registry: Optional[Iterable[Union[str, Model]]] = None,
    delay: float = 0.0,
    latency: Union[float, Tuple[float, float]] = 0.0,
    seed: int = 0,
    cloud: bool = False,
    cloud_disabled: bool = False,
    signed_in: bool = True,
    version: str = API_VERSION,
    utc_offset: int = 0,
    tls: Optional[Any] = None,
    body_limit: int = 512 << 20,
    blob_limit: int = 8 << 30,
    record_limit: int = 1000,
    connection_limit: int = 2000,
) -> Server:
    """A mock Ollama server, to be used as ``with serve() as server: … server.url``.

    ``host`` and ``port``: where to listen; port 0 takes a free one, ``unix:///path`` a Unix
    socket. ``models``: names or `Model` objects it starts with, and ``registry`` those it can
    pull; None takes a small set of both. ``delay``: seconds before each piece of a stream.
    ``latency``: seconds before each answer, or the least and the most of them: then they are
    drawn at random, always the same ones for the same ``seed``.

    ``cloud`` adds the routes of the cloud host, which want a bearer key; ``cloud_disabled`` and
    ``signed_in`` say how the server stands to the cloud. ``version`` is what it calls itself,
    ``utc_offset`` (minutes) the zone of its times. ``tls``, an
    ``ssl.SSLContext`` with a certificate, makes it an HTTPS server.

    Limits: ``body_limit`` bytes of one request body, ``blob_limit`` bytes of all uploads
    (large ones are kept in temporary files), ``record_limit`` requests in `Server.requests`,
    ``connection_limit`` open connections.
    """
    app = App(
        models=models,
        registry=registry,
        delay=delay,
        latency=latency,
        seed=seed,
        cloud=cloud,
        cloud_disabled=cloud_disabled,
        signed_in=signed_in,
        any_host=not is_loopback(host) or host.startswith("unix://"),
        version=version,
        utc_offset=utc_offset,
        body_limit=body_limit,
        blob_limit=blob_limit,
        record_limit=record_limit,
    )
    return Server(host, port, app, tls, connection_limit)
