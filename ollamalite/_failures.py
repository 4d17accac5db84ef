"""Turns what goes wrong on a connection into the exceptions of `errors`. Pure."""

from __future__ import annotations

import errno
import socket
from os import strerror
from typing import Optional, Type

from . import errors
from ._http1 import CutShort, Malformed
from ._plan import Plan

__all__ = [
    "NOT_TLS",
    "broken",
    "client_closed",
    "closed",
    "connect_failed",
    "cut",
    "handshake_failed",
    "proxy_failed",
    "proxy_refused",
    "timed_out",
    "too_large",
]

NOT_TLS = "the server does not speak TLS on this port; the URL may have to start with http://"

_ENDS = ("SSLEOFError", "SSLZeroReturnError")

_TIMEOUTS = {
    "connect": (errors.ConnectTimeout, "no connection within"),
    "read": (errors.ReadTimeout, "no bytes came for"),
    "write": (errors.WriteTimeout, "the server took no bytes for"),
    "pool": (errors.PoolTimeout, "no connection became free within"),
    "total": (errors.DeadlineExceeded, "the call was not over within"),
}


def timed_out(plan: Plan, kind: str, seconds: Optional[float]) -> errors.TimeoutError:
    """The exception for a wait of `kind` (an attribute of `Timeout`) that was too long."""
    cls, what = _TIMEOUTS[kind]
    error = _make(cls, plan, f"{what} {seconds:g} seconds")
    assert isinstance(error, errors.TimeoutError)
    return error


def connect_failed(plan: Plan, error: Exception, inside: bool = False) -> errors.TransportError:
    """The exception for a connection that could not be made.

    `inside`: whether a proxy had opened the way, so that it is not the one to blame.
    """
    reason = _reason(error)
    if plan.route.proxy is not None and not inside:
        return _make(
            errors.ProxyError, plan, f"no connection to the proxy {_proxy(plan)}: {reason}"
        )
    if getattr(error, "errno", None) == errno.ETIMEDOUT and not isinstance(error, socket.gaierror):
        return _make(errors.ConnectTimeout, plan, reason)
    text = f"{errors.CONNECTION_ERROR_MESSAGE} ({plan.method} {plan.text}: {reason})"
    return errors.ConnectError(text, method=plan.method, url=plan.text)


def handshake_failed(error: Exception) -> Exception:
    """What to say of a failed TLS handshake; Python and OpenSSL have many words for its end."""
    ended = isinstance(error, ConnectionError) or type(error).__name__ in _ENDS
    if ended or getattr(error, "reason", None) == "UNEXPECTED_EOF_WHILE_READING":
        return OSError("the connection ended during the TLS handshake")
    return error


def proxy_refused(plan: Plan, status: int, reason: str) -> errors.ProxyError:
    """The exception for a proxy that answers CONNECT with something else than success."""
    said = f"{status} {reason}".strip()
    error = _make(errors.ProxyError, plan, f"the proxy {_proxy(plan)} refused the way: {said}")
    assert isinstance(error, errors.ProxyError)
    return error


def proxy_failed(plan: Plan, error: Exception) -> errors.ProxyError:
    """The exception for a proxy that breaks off or talks nonsense while it is asked for a way."""
    what = str(error) if isinstance(error, (CutShort, Malformed)) else _reason(error)
    made = _make(errors.ProxyError, plan, f"the proxy {_proxy(plan)} failed: {what}")
    assert isinstance(made, errors.ProxyError)
    return made


def broken(plan: Plan, error: Exception, started: bool) -> errors.TransportError:
    """The exception for a connection that broke after it was made, or bytes that make no sense.

    `started`: whether bytes of the answer had come.
    """
    if isinstance(error, Malformed):
        return _make(errors.ProtocolError, plan, str(error))
    if isinstance(error, CutShort):
        cls: Type[errors.TransportError]
        cls = errors.IncompleteError if started else errors.ConnectionLostError
        return _make(cls, plan, str(error))
    return _make(errors.ConnectionLostError, plan, f"the connection broke: {_reason(error)}")


def closed(plan: Plan) -> errors.TransportError:
    """The exception for reading on after the caller hung up."""
    return _make(errors.ConnectionLostError, plan, "the answer was closed before its end")


def client_closed(plan: Plan) -> errors.TransportError:
    """The exception for a request whose client is closed before its answer comes."""
    return _make(
        errors.ConnectionLostError, plan, "the client was closed before the whole answer came"
    )


def cut(plan: Plan) -> errors.TransportError:
    """The exception for an answer that only the end of the connection ended, and anybody could."""
    what = "the TLS connection ended without close_notify, so the answer may be cut short"
    return _make(errors.IncompleteError, plan, what)


def too_large(plan: Plan, limit: int) -> errors.TransportError:
    """The exception for a body beyond a limit."""
    return _make(errors.ProtocolError, plan, f"the answer has more than {limit} bytes")


def _make(cls: Type[errors.TransportError], plan: Plan, what: str) -> errors.TransportError:
    return cls(f"{plan.method} {plan.text}: {what}", method=plan.method, url=plan.text)


def _proxy(plan: Plan) -> str:
    proxy = plan.route.proxy
    assert proxy is not None
    # Without its path, in which a misspelt URL has its password.
    return f"{proxy.scheme}://{proxy.authority}"


def _reason(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return f"unknown host: {error.strerror or error}"
    reason = getattr(error, "reason", None)
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
        return NOT_TLS
    verify = getattr(error, "verify_message", None)
    if verify:
        return f"the server's certificate is not trusted: {verify}"
    number = getattr(error, "errno", None)
    if isinstance(error, OSError) and number and type(error).__module__ != "ssl":
        # asyncio has words of its own for what the system says.
        return f"[Errno {number}] {strerror(number)}"
    return str(error) or type(error).__name__
