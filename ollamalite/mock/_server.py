"""A mock server: what a test can ask of it and arrange in it."""

from __future__ import annotations

import os
import socket
import threading
from typing import Any, Iterable, List, Optional, Tuple, Union

from .._generated.description import API_VERSION
from ._app import App, Recorded
from ._captures import Captures, load
from ._connection import Connection
from ._faults import Fault, count, seconds
from ._handlers import HANDLERS, refuse
from ._listener import Listener, is_loopback
from ._mind import Answer
from ._store import Model, Store


class Server(Listener):
    """A mock Ollama server; see `serve`. Use it as a context manager, or `start` and `close`."""

    def __init__(
        self,
        host: str,
        port: int,
        app: App,
        tls: Optional[Any],
        connection_limit: int,
        head_timeout: float,
    ) -> None:
        def take(sock: socket.socket, closing: threading.Event) -> Connection:
            return Connection(sock, app, tls, closing, head_timeout)

        super().__init__(host, port, tls is not None, connection_limit, take)
        self._app = app

    @property
    def requests(self) -> List[Recorded]:
        """The latest requests, oldest first."""
        return list(self._app.recorded)

    @property
    def store(self) -> Store:
        """Models and blobs, to look at or to arrange."""
        return self._app.store

    def say(self, *answers: Union[Answer, str]) -> None:
        """Put down what the next generations say, one after another."""
        for answer in answers:
            if not isinstance(answer, (Answer, str)):
                raise TypeError(f"say takes texts and Answer objects, not {answer!r}")
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
        pieces of a stream; without both it is the very start. An answer that is over by then, be
        it by exactly so much, is sent as it is: what follows belongs to the next request. The end
        of a stream's framing is no piece, but a part of the answer. What no endpoint answers,
        such as a CORS preflight or an unknown path, meets neither ``"busy"`` nor ``"error"``.
        ``ValueError`` for what makes no sense.
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

    def close(self) -> None:
        """Stop: no more connections, open ones end at once. May be called again."""
        super().close()
        self._app.store.blobs.close()


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    models: Optional[Iterable[Union[str, Model]]] = None,
    registry: Optional[Iterable[Union[str, Model]]] = None,
    replay: Optional[Union[str, os.PathLike[str]]] = None,
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
    head_timeout: float = 60.0,
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

    ``replay``, a folder of recorded exchanges, makes it give only their answers, byte for byte, to
    requests with the same method, path and JSON body; equal ones in the order of the files, the
    last one again and again. Any other request is an error 501. OSError or ValueError if the
    folder cannot be read.

    One thing of the real server is left out: bodies with ``Content-Encoding: zstd`` under ``/v1``
    are not decoded, and so they are no JSON.

    Limits: ``body_limit`` bytes of one request body, ``blob_limit`` bytes of all uploads and
    texts of models together (large uploads are kept in temporary files), ``record_limit``
    requests in `Server.requests` (of each up to 1 MiB of its body stays in memory),
    ``connection_limit`` open connections, ``head_timeout`` seconds for the head of a request: from
    the start of its connection, later from the first byte of it.
    """
    app = App(
        models=models,
        registry=registry,
        delay=seconds("delay", delay),
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
        captures=None if replay is None else Captures(load(replay)),
        handlers=HANDLERS,
        refuse=refuse,
    )
    limit = count("connection_limit", connection_limit, 1)
    return Server(host, port, app, tls, limit, seconds("head_timeout", head_timeout))
