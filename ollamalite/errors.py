"""Every exception that this package raises on purpose.

::

    OllamaError
    ├── RequestError (ValueError)             refused before anything was sent
    ├── ResponseError                         the server answered, and the answer is an error
    ├── DecodeError (ValueError)              the answer is not the JSON that the API describes
    └── TransportError                        no whole answer came
        ├── ConnectionError (builtins.ConnectionError)
        │   ├── ConnectError                  no connection: refused, unknown host, TLS failure
        │   ├── ProxyError                    the proxy refused or failed
        │   └── ConnectionLostError           the connection broke on the way
        ├── TimeoutError (builtins.TimeoutError)
        │   ├── ConnectTimeout                no connection in time
        │   ├── ReadTimeout                   silence for too long while waiting for bytes
        │   ├── WriteTimeout                  the server took no bytes for too long
        │   ├── PoolTimeout                   no free connection in time
        │   └── DeadlineExceeded              the whole call took too long
        └── ProtocolError                     the bytes are not HTTP/1.1, or exceed a limit
            └── IncompleteError               the answer was cut short

An ``except`` clause for the builtin in parentheses catches the class as well, so that handlers
written for the ``ollama`` package go on working. In a program that has loaded httpx, one for the
exception of httpx with the same meaning does so, too.
"""

from __future__ import annotations

import builtins
import sys
from typing import Any, Dict, List, Mapping, Optional, Tuple, Type, cast

__all__ = [
    "ConnectError",
    "ConnectTimeout",
    "ConnectionError",
    "ConnectionLostError",
    "DeadlineExceeded",
    "DecodeError",
    "IncompleteError",
    "OllamaError",
    "PoolTimeout",
    "ProtocolError",
    "ProxyError",
    "ReadTimeout",
    "RequestError",
    "ResponseError",
    "TimeoutError",
    "TransportError",
    "WriteTimeout",
]

CONNECTION_ERROR_MESSAGE = (
    "Failed to connect to Ollama. Please check that Ollama is downloaded, running and accessible."
    " https://ollama.com/download"
)

_OBJECT: Any = dict


def _restore(
    cls: Type[BaseException], args: Tuple[Any, ...], state: Dict[str, Any]
) -> BaseException:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class OllamaError(Exception):
    """Base of all exceptions of this package.

    ``method`` and ``url`` name the request, without credentials, where there was one.
    """

    method: Optional[str] = None
    url: Optional[str] = None

    # Exception's own way calls the class with args alone, which loses attributes and breaks
    # constructors with more parameters.
    def __reduce__(self) -> Any:
        return _restore, (type(self), self.args, self.__dict__)


class RequestError(OllamaError, ValueError):
    """The call was refused before anything was sent. ``error`` says why."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class ResponseError(OllamaError):
    """The server answered with an error.

    ``error`` is the server's text, ``status_code`` the HTTP status, or -1 for an error that came in
    the middle of a stream, whose status was 200 by then. ``headers`` and ``body`` are those of the
    answer where they are known; ``body`` is bounded.

    The text of ``error`` may be a JSON object with a member ``error``, as in the ``ollama``
    package; then that member is taken.
    """

    def __init__(
        self,
        error: str,
        status_code: int = -1,
        *,
        headers: Optional[Mapping[str, str]] = None,
        body: bytes = b"",
    ) -> None:
        error = _text_of(error)
        super().__init__(error)
        self.error = error
        self.status_code = status_code
        self.headers: Dict[str, str] = dict(headers or {})
        self.body = body

    def __str__(self) -> str:
        return f"{self.error} (status code: {self.status_code})"


class DecodeError(OllamaError, ValueError):
    """The answer is not the JSON that the API describes; the text says where."""


class TransportError(OllamaError):
    """No whole answer came."""

    def __init__(
        self, message: str, *, method: Optional[str] = None, url: Optional[str] = None
    ) -> None:
        if "httpx" in sys.modules and not _joined:
            _join_httpx(sys.modules["httpx"])
        super().__init__(message)
        self.method = method
        self.url = url


class ConnectionError(TransportError, builtins.ConnectionError):
    """The connection could not be made, or broke."""


class ConnectError(ConnectionError):
    """No connection could be made: refused, unknown host, no route, TLS failure."""


class ProxyError(ConnectionError):
    """The proxy refused the request, or did not speak HTTP."""


class ConnectionLostError(ConnectionError):
    """The connection broke while a request or an answer was under way."""


class TimeoutError(TransportError, builtins.TimeoutError):
    """Something took longer than the caller allows."""


class ConnectTimeout(TimeoutError):
    """No connection was made in time."""


class ReadTimeout(TimeoutError):
    """No byte came for longer than the read timeout."""


class WriteTimeout(TimeoutError):
    """The server took no byte for longer than the write timeout."""


class PoolTimeout(TimeoutError):
    """No connection became free in time."""


class DeadlineExceeded(TimeoutError):
    """The whole call took longer than its total time."""


class ProtocolError(TransportError):
    """What came is not HTTP/1.1, or larger than a limit allows."""


class IncompleteError(ProtocolError):
    """The answer ended before its end."""


# Bases before the classes that derive from them.
_HTTPX = (
    (TransportError, "TransportError"),
    (ConnectionError, "NetworkError"),
    (ConnectError, "ConnectError"),
    (ProxyError, "ProxyError"),
    (ConnectionLostError, "RemoteProtocolError"),
    (ConnectionLostError, "ReadError"),
    (TimeoutError, "TimeoutException"),
    (ConnectTimeout, "ConnectTimeout"),
    (ReadTimeout, "ReadTimeout"),
    (WriteTimeout, "WriteTimeout"),
    (PoolTimeout, "PoolTimeout"),
    (ProtocolError, "RemoteProtocolError"),
)
_joined: List[str] = []


def _join_httpx(httpx: Any) -> None:
    """Give each class of failure the class of httpx that has the same meaning as one more base.

    The ``ollama`` package raises those of httpx for timeouts and in streams, so programs that use
    it catch them. Its classes keep their identity, which derived ones made here would not have.
    """
    if not hasattr(httpx, "RemoteProtocolError"):
        return  # it is being imported right now, in another thread
    _joined.append(httpx.__name__)
    for cls, name in _HTTPX:
        try:
            cls.__bases__ += (getattr(httpx, name),)
        except (AttributeError, TypeError):
            # Another version of httpx, or a class derived from both in an order that forbids it.
            continue

    def request(self: TransportError) -> Any:
        return httpx.Request(self.method or "GET", self.url or "")

    cast(Any, TransportError).request = property(request)


def _text_of(error: Any) -> str:
    """Flatten what a server calls an error: text, JSON text, ``{"error": …}``, nested objects."""
    import json

    try:
        text = error if isinstance(error, str) else json.dumps(error, default=str)
    except RecursionError:
        # What could just be read may be too deep to be written.
        return "an error nested too deeply"
    try:
        value: Any = json.loads(text) if text[:1] in '{"' else error
    except (ValueError, RecursionError):
        return text
    # {"error": "…"} of Ollama, {"error": {"message": "…"}} of servers that speak OpenAI's API.
    for _ in range(2):
        value = _member(value)
    return value if isinstance(value, str) else text


def _member(value: Any) -> Any:
    if not isinstance(value, _OBJECT):
        return value
    return next((value[key] for key in ("error", "message", "detail") if value.get(key)), None)
