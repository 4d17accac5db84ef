"""What a client was told about connections: checked once, here, and read by both transports."""

from __future__ import annotations

from typing import Any, Callable, List, Optional, Sequence, Tuple, cast

from . import errors
from ._host import basic

__all__ = ["Settings", "Timeout", "authorization"]

MAX_HEAD_SIZE = 64 * 1024
MAX_CONNECTIONS = 1000
KEEPALIVE_EXPIRY = 60.0


class Timeout:
    """How long to wait, in seconds; None waits for ever.

    `connect` is for making a connection, name lookup and TLS included, `read` for silence between
    bytes of an answer (so it bounds the wait for the first token, never the length of an answer),
    `write` for a server that takes no bytes, `pool` for a free connection when the client has
    reached `max_connections`, `total` for a whole call, up to the end of its answer.

    `Timeout(5)` sets all but `total` to 5 seconds, `Timeout(None, connect=1)` only one.
    `RequestError` if a value is not a positive number.
    """

    __slots__ = ("connect", "pool", "read", "total", "write")

    connect: Optional[float]
    pool: Optional[float]
    read: Optional[float]
    total: Optional[float]
    write: Optional[float]

    def __init__(
        self,
        timeout: Optional[float] = None,
        *,
        connect: Any = ...,
        read: Any = ...,
        write: Any = ...,
        pool: Any = ...,
        total: Optional[float] = None,
    ) -> None:
        self.connect = _seconds("connect", timeout if connect is ... else connect)
        self.read = _seconds("read", timeout if read is ... else read)
        self.write = _seconds("write", timeout if write is ... else write)
        self.pool = _seconds("pool", timeout if pool is ... else pool)
        self.total = _seconds("total", total)

    @classmethod
    def of(cls, value: Any) -> Timeout:
        """Read any form of `timeout=`.

        Seconds, None, `(connect, read)`, `(connect, read, write, pool)`, or an object with some of
        the attributes `connect`, `read`, `write`, `pool` and `total`.
        """
        if isinstance(value, cls):
            return value
        if value is None or isinstance(value, (int, float)):
            return cls(value)
        if isinstance(value, (tuple, list)):
            parts = cast(Sequence[Any], value)
            if len(parts) == 2:
                return cls(connect=parts[0], read=parts[1])
            if len(parts) == 4:
                return cls(connect=parts[0], read=parts[1], write=parts[2], pool=parts[3])
        elif any(hasattr(value, name) for name in ("connect", "read", "write", "pool", "total")):
            return cls(
                connect=getattr(value, "connect", None),
                read=getattr(value, "read", None),
                write=getattr(value, "write", None),
                pool=getattr(value, "pool", None),
                total=getattr(value, "total", None),
            )
        raise errors.RequestError(
            "timeout must be seconds, None, (connect, read), (connect, read, write, pool) or an"
            f" object with such attributes, not {value!r}"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Timeout):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __hash__(self) -> int:
        return hash(tuple(getattr(self, name) for name in self.__slots__))

    def __repr__(self) -> str:
        names = ("connect", "read", "write", "pool", "total")
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"Timeout({shown})"

    def __getstate__(self) -> Any:
        return {name: getattr(self, name) for name in self.__slots__}

    def __setstate__(self, state: Any) -> None:
        for name, value in state.items():
            setattr(self, name, value)


class Settings:
    """How a client connects.

    `verify`: True for the system's trust store, False for no check of certificates, the path of a
    file or folder of CA certificates, or an `ssl.SSLContext`. `cert`: a client certificate, as
    path, `(cert, key)` or `(cert, key, password)`. `proxy`: the URL of a proxy for every host,
    or None for what the environment says, which `trust_env=False` leaves unread.

    `max_connections` bounds the connections that are open at once; a request beyond it waits.
    `limits` may be an object with `max_connections` and `keepalive_expiry` (seconds that an
    unused connection is kept). `max_head_size` is a security limit: the most bytes that the status
    line and headers of one answer may take.

    `retries` is how often a request is sent again after a failure to connect, after an end of the
    connection before the first byte of an answer, or after an answer of 429, 502, 503 or 504.

    `RequestError` or `TypeError` for what makes no sense.
    """

    __slots__ = (
        "cert",
        "follow_redirects",
        "keepalive_expiry",
        "max_connections",
        "max_head_size",
        "max_redirects",
        "proxy",
        "proxy_authorization",
        "retries",
        "timeout",
        "trust_env",
        "verify",
    )

    timeout: Timeout

    def __init__(
        self,
        *,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxy: Any = None,
        trust_env: bool = True,
        follow_redirects: bool = True,
        max_redirects: int = 20,
        max_connections: Optional[int] = MAX_CONNECTIONS,
        retries: int = 0,
        limits: Any = None,
        max_head_size: int = MAX_HEAD_SIZE,
    ) -> None:
        self.timeout = Timeout.of(timeout)
        self.verify = _checked_verify(verify)
        self.cert = _checked_cert(cert)
        self.proxy, self.proxy_authorization = _checked_proxy(proxy)
        self.trust_env = bool(trust_env)
        self.follow_redirects = bool(follow_redirects)
        self.max_redirects = _count("max_redirects", max_redirects)
        self.retries = _count("retries", retries)
        self.max_head_size = _count("max_head_size", max_head_size, least=1)
        self.keepalive_expiry: Optional[float] = KEEPALIVE_EXPIRY
        if limits is not None:
            if not (hasattr(limits, "max_connections") or hasattr(limits, "keepalive_expiry")):
                raise errors.RequestError(
                    "limits must be an object with max_connections or keepalive_expiry,"
                    f" not {limits!r}"
                )
            max_connections = getattr(limits, "max_connections", max_connections)
            expiry = getattr(limits, "keepalive_expiry", KEEPALIVE_EXPIRY)
            self.keepalive_expiry = _seconds("keepalive_expiry", expiry) if expiry else expiry
        self.max_connections: Optional[int] = (
            None if max_connections is None else _count("max_connections", max_connections, least=1)
        )

    def __repr__(self) -> str:
        hidden = ("cert", "proxy", "proxy_authorization")
        shown = ", ".join(
            f"{name}={getattr(self, name)!r}" for name in self.__slots__ if name not in hidden
        )
        return f"Settings({shown})"

    def __getstate__(self) -> Any:
        return {name: getattr(self, name) for name in self.__slots__}

    def __setstate__(self, state: Any) -> None:
        for name, value in state.items():
            setattr(self, name, value)


def authorization(auth: Any) -> Optional[str]:
    """The `Authorization` value for `auth=`: `(user, password)` or an object like it.

    An object may have `_auth_header` (`httpx.BasicAuth`) or `username` and `password`
    (`requests.auth.HTTPBasicAuth`). `RequestError` for anything else.
    """
    if auth is None:
        return None
    if isinstance(auth, (tuple, list)):
        parts = cast(Sequence[Any], auth)
        if len(parts) == 2:
            return basic(_text("auth", parts[0]), _text("auth", parts[1]))
    else:
        header = getattr(auth, "_auth_header", None)
        if isinstance(header, str):
            return header
        user, password = getattr(auth, "username", None), getattr(auth, "password", None)
        if user is not None and password is not None:
            return basic(_text("auth", user), _text("auth", password))
    raise errors.RequestError(
        "auth must be a pair (user, password) or an object for Basic authentication,"
        f" not {type(cast(object, auth)).__name__}; other schemes go into headers="
    )


def _seconds(name: str, value: Any) -> Optional[float]:
    if value is None:
        return None
    # Only what is no number at all is not equal to itself.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise errors.RequestError(f"{name} must be a positive number of seconds, not {value!r}")
    # Weeks are for ever: poll() takes no more milliseconds than an int of C holds.
    return float(value) if value < 2e6 else None


def _count(name: str, value: Any, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if value < least:
        raise errors.RequestError(f"{name} must be {least} or more, not {value}")
    return value


def _text(name: str, value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if not isinstance(value, str):
        raise TypeError(f"{name} must hold str, not {type(value).__name__}")
    return value


def _path(value: Any) -> Any:
    from os import fspath

    return cast(Callable[[Any], Any], fspath)(value)


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, bytes)) or hasattr(value, "__fspath__")


def _checked_verify(verify: Any) -> Any:
    """A bool, a path or the caller's context."""
    if isinstance(verify, bool) or hasattr(verify, "wrap_socket"):
        return verify
    if _is_path(verify):
        return _path(verify)
    raise TypeError(
        f"verify must be a bool, a path or an ssl.SSLContext, not {type(verify).__name__}"
    )


def _checked_cert(cert: Any) -> Optional[Tuple[Any, Any, Any]]:
    if cert is None:
        return None
    parts: List[Any] = (
        list(cast(Sequence[Any], cert)) if isinstance(cert, (tuple, list)) else [cert]
    )
    certificate, key, password = (*parts, None, None)[:3] if parts else (None, None, None)
    if len(parts) > 3 or not _is_path(certificate) or not (key is None or _is_path(key)):
        raise TypeError("cert must be a path, (cert, key) or (cert, key, password)")
    return _path(certificate), None if key is None else _path(key), password


def _checked_proxy(proxy: Any) -> Tuple[Optional[str], Optional[str]]:
    """The proxy's URL, still unparsed, and its credentials where an object carries them apart."""
    if proxy is None:
        return None, None
    if isinstance(proxy, str):
        return proxy, None
    url = getattr(proxy, "url", None)
    if url is None:
        raise TypeError(f"proxy must be a URL or None, not {type(proxy).__name__}")
    return str(url), authorization(getattr(proxy, "raw_auth", None) or getattr(proxy, "auth", None))
