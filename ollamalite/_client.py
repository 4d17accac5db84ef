"""The sync and the async client: the four steps build, send, read, give around one transport each.

What differs between the two is who waits. Everything that decides is `BaseClient`, `_exchange` and
the generated methods.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import (
    Any,
    AsyncGenerator,
    Awaitable,
    Dict,
    Generator,
    List,
    Mapping,
    Optional,
    Tuple,
    Type,
    TypeVar,
)

from . import errors
from ._exchange import (
    MAX_BODY,
    MAX_ERROR_BODY,
    AnswerStream,
    Request,
    Upload,
    json_body,
    read_answer,
)
from ._generated import operations
from ._generated.client_methods import AsyncMethods, SyncMethods
from ._generated.models import StatusResponse
from ._host import basic, host_credentials, parse_host
from ._operation import Operation, StrPath, TimeoutTypes
from ._settings import MAX_CONNECTIONS, MAX_HEAD_SIZE, Settings, authorization
from ._stream import AsyncStream, Stream
from ._version import __version__

T = TypeVar("T")
C = TypeVar("C", bound="Client")
A = TypeVar("A", bound="AsyncClient")

_ANYWHERE = ("accept", "content-type", "user-agent")

HASH_PIECE = 1024 * 1024


class BaseClient:
    """What both clients are configured with, and how a call becomes a request.

    Args:
        host: Where the server is: ``host``, ``host:port``, or a URL, perhaps with a path or with
            ``user:password@``; ``unix:///path`` for a socket. Without it, the environment
            variable ``OLLAMA_HOST``, else ``http://127.0.0.1:11434``.
        headers: Sent with every request; they win over those of the client. None leaves one out.
        timeout: Seconds for each wait, (connect, read), or an object such as ``httpx.Timeout``.
            None waits for ever.
        auth: ``(user, password)`` or an object such as ``httpx.BasicAuth``.
        follow_redirects: Whether to go where the server sends a request on to.
        verify: True for the system's trust store, False for no check, a path of CA certificates,
            or an ``ssl.SSLContext``.
        cert: A client certificate: path, (cert, key) or (cert, key, password).
        proxy: URL of a proxy for every host. None takes what the environment says, which is never
            a proxy for this machine itself.
        trust_env: Whether to look for proxies in the environment.
        retries: How often a request is sent again that could not connect, whose connection ended
            before the first byte of an answer, or that got status 429, 502, 503 or 504. The server
            may have done what the lost one asked for.
        limits: An object such as ``httpx.Limits``, or None.
        max_redirects: How often in a row a request may be sent on.
        max_connections: How many connections may be open at once; a request beyond them waits.
        max_head_size: Security limit: the most bytes that the head of an answer may have.
        kwargs: Other keywords of ``httpx.Client``: ``cookies`` and ``params`` are sent with every
            request; the rest is refused where it asks for what is not here.

    Raises:
        RequestError: if an argument, or ``OLLAMA_HOST``, makes no sense.
    """

    def __init__(
        self,
        host: Optional[str] = None,
        *,
        headers: Optional[Mapping[str, Optional[str]]] = None,
        timeout: TimeoutTypes = None,
        auth: Any = None,
        follow_redirects: bool = True,
        verify: Any = True,
        cert: Any = None,
        proxy: Any = None,
        trust_env: bool = True,
        retries: int = 0,
        limits: Any = None,
        max_redirects: int = 20,
        max_connections: Optional[int] = MAX_CONNECTIONS,
        max_head_size: int = MAX_HEAD_SIZE,
        **kwargs: Any,
    ) -> None:
        cookies = ""
        self._query = ""
        if kwargs:
            from ._httpx import take_keywords

            cookies, self._query = take_keywords(type(self).__name__, kwargs)
        host = host or os.environ.get("OLLAMA_HOST")
        self._base = parse_host(host)
        self._settings = Settings(
            timeout=timeout,
            follow_redirects=follow_redirects,
            verify=verify,
            cert=cert,
            proxy=proxy,
            trust_env=trust_env,
            retries=retries,
            limits=limits,
            max_redirects=max_redirects,
            max_connections=max_connections,
            max_head_size=max_head_size,
        )
        self._headers = _headers(host, headers or {}, auth)
        self._key = os.environ.get("OLLAMA_API_KEY")
        if cookies:
            self._headers.setdefault("Cookie", cookies)
        self._transport: Any = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._base!r})"

    # A copy in another process makes connections of its own.
    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "_transport": None} if self.__dict__ else {}

    @property
    def _client(self) -> Any:
        """What frameworks and instrumentation know as the client of httpx inside."""
        from ._httpx import Face

        return Face(self)

    def close(self) -> Any:
        raise NotImplementedError

    def _build(self, method: str, url: str, json: Any, timeout: TimeoutTypes) -> Request:
        body = None if json is None else json_body(json)
        headers = self._headers
        if "://" not in url:
            url = self._base + url
            if self._query:
                url = f"{url}?{self._query}"
        else:
            # Another host: it gets the key that it asks for, and no other secret of this one.
            headers = {name: v for name, v in headers.items() if name.lower() in _ANYWHERE}
            key = self._bearer()
            if key:
                headers["Authorization"] = key
        return Request(method, url, headers, body, timeout)

    def _arguments(
        self, operation: Operation[Any], arguments: Dict[str, Any]
    ) -> Tuple[str, Optional[Dict[str, Any]]]:
        """Return the URL and the body of a call."""
        if operation.bearer and not self._bearer():
            what = operation.name.replace("_", " ")
            raise errors.RequestError(
                f"Authorization header with Bearer token is required for {what}"
            )
        url = operation.url
        if "{" in url:
            from urllib.parse import quote

            names = [name for name in arguments if "{" + name + "}" in url]
            url = url.format(**{name: quote(str(arguments[name]), ":") for name in names})
            arguments = {name: v for name, v in arguments.items() if name not in names}
        return url, operation.body(arguments)

    def _bearer(self) -> str:
        """The `Authorization` for ollama.com, which may differ from that for the own server."""
        for name, value in self._headers.items():
            if name.lower() == "authorization" and value.startswith("Bearer "):
                return value
        return f"Bearer {self._key}" if self._key else ""

    def _reader(
        self, cls: Any, method: str, path: str, request: Request, response: Any
    ) -> AnswerStream[Any]:
        row: Optional[Operation[Any]] = operations.BY_ROUTE.get((method, path))
        return AnswerStream(cls, request, response, row.last if row else None)

    def _blob_request(self, path: Any, digest: str, timeout: TimeoutTypes) -> Request:
        request = self._build("POST", f"/api/blobs/{digest}", None, timeout)
        request.body = Upload(path, os.path.getsize(path))
        return request


class Client(BaseClient, SyncMethods):
    """A client that waits. It may be shared between threads, pickled, and used after a fork.

    See `BaseClient` for what it takes.
    """

    def _send(self, request: Request) -> Any:
        # Read once, as another thread may close the client meanwhile.
        transport = self._transport
        if transport is None:
            from ._sync_transport import Transport

            transport = self._transport = Transport(self._settings)
        return transport.send(request)

    def close(self) -> None:
        """Close the connections. Closing twice does nothing; a later call connects anew."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def __enter__(self: C) -> C:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def _call(self, operation: Operation[T], arguments: Dict[str, Any], timeout: TimeoutTypes) -> T:
        url, body = self._arguments(operation, arguments)
        answer: T = self._request(
            operation.response, operation.method, url, **_given(body, timeout)
        )
        return answer

    def _stream(
        self, operation: Operation[T], arguments: Dict[str, Any], timeout: TimeoutTypes
    ) -> Stream[T]:
        url, body = self._arguments(operation, arguments)
        answer: Stream[T] = self._request(
            operation.response, operation.method, url, stream=True, **_given(body, timeout)
        )
        return answer

    def _request(
        self,
        cls: Any,
        method: str,
        path: str,
        *,
        json: Any = None,
        stream: bool = False,
        timeout: TimeoutTypes = None,
    ) -> Any:
        """Send one request and return a ``cls``, or a `Stream` of them.

        Every method goes through here, under the name and with the parameters that instrumentation
        of the ``ollama`` package knows.
        """
        request = self._build(method, path, json, timeout)
        response = self._send(request)
        if not stream or response.status >= 300:
            return read_answer(cls, request, response, _body(response))
        reader = self._reader(cls, method, path, request, response)
        pieces = _pieces(response, reader)
        return Stream(pieces, response.close)

    def create_blob(self, path: StrPath, *, timeout: TimeoutTypes = None) -> str:
        """Upload a file as a blob, which `create` can make a model of.

        The file is read twice, once for its digest and once for sending, and is never whole in
        memory.

        Args:
            path: Path of the file.
            timeout: Time limit of this call, as for the other methods.

        Returns:
            The digest of the file: ``sha256:`` and 64 hexadecimal digits.

        Raises:
            OSError: if the file cannot be read.
            ResponseError: if the server refuses the blob.
            TransportError: if no whole answer comes.
        """
        digest = _digest(path)
        request = self._blob_request(path, digest, timeout)
        response = self._send(request)
        read_answer(StatusResponse, request, response, _body(response))
        return digest


class AsyncClient(BaseClient, AsyncMethods):
    """A client for ``asyncio``. It serves several event loops, one after the other or at once.

    See `BaseClient` for what it takes.
    """

    # Where nothing has to be done after the waiting, the awaitable itself is handed on: with many
    # requests at once, each coroutine on the way costs as much as a header.

    def _send(self, request: Request) -> Awaitable[Any]:
        transport = self._transport
        if transport is None:
            from ._async_transport import AsyncTransport

            transport = self._transport = AsyncTransport(self._settings)
        sent: Awaitable[Any] = transport.send(request)
        return sent

    async def aclose(self) -> None:
        """Close the connections. Closing twice does nothing; a later call connects anew."""
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()

    # The name that the ``ollama`` package has for it.
    close = aclose

    async def __aenter__(self: A) -> A:
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        await self.aclose()

    def _call(
        self, operation: Operation[T], arguments: Dict[str, Any], timeout: TimeoutTypes
    ) -> Awaitable[T]:
        url, body = self._arguments(operation, arguments)
        return self._request(operation.response, operation.method, url, **_given(body, timeout))

    def _stream(
        self, operation: Operation[T], arguments: Dict[str, Any], timeout: TimeoutTypes
    ) -> Awaitable[AsyncStream[T]]:
        url, body = self._arguments(operation, arguments)
        return self._request(
            operation.response, operation.method, url, stream=True, **_given(body, timeout)
        )

    async def _request(
        self,
        cls: Any,
        method: str,
        path: str,
        *,
        json: Any = None,
        stream: bool = False,
        timeout: TimeoutTypes = None,
    ) -> Any:
        """Send one request and return a ``cls``, or an `AsyncStream` of them.

        Every method goes through here, under the name and with the parameters that instrumentation
        of the ``ollama`` package knows.
        """
        request = self._build(method, path, json, timeout)
        response = await self._send(request)
        if not stream or response.status >= 300:
            return read_answer(cls, request, response, await _async_body(response))
        reader = self._reader(cls, method, path, request, response)
        pieces = _async_pieces(response, reader)
        return AsyncStream(pieces, response.aclose)

    async def create_blob(self, path: StrPath, *, timeout: TimeoutTypes = None) -> str:
        """Upload a file as a blob, which `create` can make a model of.

        The file is read twice, once for its digest and once for sending, and is never whole in
        memory; other tasks run meanwhile.

        Args:
            path: Path of the file.
            timeout: Time limit of this call, as for the other methods.

        Returns:
            The digest of the file: ``sha256:`` and 64 hexadecimal digits.

        Raises:
            OSError: if the file cannot be read.
            ResponseError: if the server refuses the blob.
            TransportError: if no whole answer comes.
        """
        import asyncio

        digest = await asyncio.get_running_loop().run_in_executor(None, _digest, path)
        request = self._blob_request(path, digest, timeout)
        response = await self._send(request)
        read_answer(StatusResponse, request, response, await _async_body(response))
        return digest


class SharedClient(Client):
    """The client of the package's functions: it reads the environment when one is first called.

    So a variable that makes no sense is an error of the call, not of the import of a function.
    """

    def __init__(self) -> None:
        pass

    # For names that are looked for in vain: all of them before the first use.
    def __getattr__(self, name: str) -> Any:
        # Two threads may both be here. What either finds is there to stay, and equal; a lock could
        # be inherited by a fork while it is held.
        if not name.startswith("__") and "_transport" not in self.__dict__:
            for attribute, value in vars(Client()).items():
                self.__dict__.setdefault(attribute, value)
        if name in self.__dict__:
            return self.__dict__[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def _pieces(response: Any, reader: AnswerStream[T]) -> Generator[T, None, None]:
    try:
        while True:
            data = response.receive()
            values, error = reader.feed(data) if data else reader.finish()
            yield from values
            if error is not None:
                raise error
            if not data:
                return
    except errors.TransportError:
        if not response.closed:
            raise
    finally:
        response.close()


async def _async_pieces(response: Any, reader: AnswerStream[T]) -> AsyncGenerator[T, None]:
    try:
        while True:
            data = await response.receive()
            values, error = reader.feed(data) if data else reader.finish()
            for value in values:
                yield value
            if error is not None:
                raise error
            if not data:
                return
    except errors.TransportError:
        if not response.closed:
            raise
    finally:
        response.close()


def _given(body: Optional[Dict[str, Any]], timeout: TimeoutTypes) -> Dict[str, Any]:
    """The keywords of `_request` that a call has: others would surprise who takes its place."""
    given: Dict[str, Any] = {} if body is None else {"json": body}
    if timeout is not None:
        given["timeout"] = timeout
    return given


def _body(response: Any) -> List[bytes]:
    """The pieces of a whole answer; of an error, those that came and no more than the limit."""
    if response.status < 300:
        return [response.read(MAX_BODY)]
    pieces: List[bytes] = []
    try:
        while sum(map(len, pieces)) < MAX_ERROR_BODY:
            pieces.append(response.receive())
            if not pieces[-1]:
                break
    except errors.TransportError:
        # The status says what is wrong; a text that is cut short is better than none.
        pass
    finally:
        response.close()
    return [b"".join(pieces)[:MAX_ERROR_BODY]]


async def _async_body(response: Any) -> List[bytes]:
    if response.status < 300:
        return [await response.read(MAX_BODY)]
    pieces: List[bytes] = []
    try:
        while sum(map(len, pieces)) < MAX_ERROR_BODY:
            pieces.append(await response.receive())
            if not pieces[-1]:
                break
    except errors.TransportError:
        pass  # as above
    finally:
        response.close()
    return [b"".join(pieces)[:MAX_ERROR_BODY]]


def _digest(path: Any) -> str:
    import hashlib

    digest = hashlib.sha256()
    buffer = memoryview(bytearray(HASH_PIECE))
    with open(path, "rb", buffering=0) as file:
        while True:
            count = file.readinto(buffer)
            if not count:
                break
            digest.update(buffer[:count])
    return "sha256:" + digest.hexdigest()


def _headers(host: Optional[str], given: Mapping[Any, Any], auth: Any) -> Dict[str, str]:
    """Return the headers of every request; the caller's own win, in any case of letters."""
    headers: Dict[str, Optional[str]] = {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": _user_agent(),
        "Authorization": _authorization(host, auth),
    }
    names = {name.lower(): name for name in headers}
    for each, value in given.items():
        # httpx takes bytes as well.
        name = each.decode("latin-1") if isinstance(each, bytes) else each
        if not isinstance(name, str):
            raise TypeError(f"the name of a header must be str or bytes, not {name!r}")
        # An empty one is none, but None leaves it out.
        if value in ("", b"") and name.lower() == "authorization" and headers["Authorization"]:
            continue
        name = names.setdefault(name.lower(), name)
        headers[name] = value.decode("latin-1") if isinstance(value, bytes) else value
    return {name: value for name, value in headers.items() if value is not None}


def _authorization(host: Optional[str], auth: Any) -> Optional[str]:
    if auth is not None:
        return authorization(auth)
    credentials = host_credentials(host)
    if credentials is not None:
        return basic(*credentials)
    key = os.environ.get("OLLAMA_API_KEY")
    return f"Bearer {key}" if key else None


def _user_agent() -> str:
    version = sys.version_info
    return (
        f"ollamalite/{__version__} ({sys.platform}) Python/{version[0]}.{version[1]}.{version[2]}"
    )
