"""What to send, and what to do after each answer or failure: what both transports decide alike.

A transport asks a `Journey` what goes over the wire, tells it what came of it, and is told to
stop or to go on. Nothing here waits or touches a socket.
"""

from typing import Any, Dict, Optional, Tuple

from . import errors
from ._host import Url, check_text
from ._http1 import Headers, request_head
from ._route import Route, Router
from ._settings import Settings

__all__ = ["Journey", "Plan", "Planner"]

REDIRECTS = frozenset((301, 302, 303, 307, 308))
RETRIED = frozenset((429, 502, 503, 504))
LONGEST_WAIT = 60.0

# What a stranger may see. Any other header can be a secret.
_HARMLESS = frozenset(("accept", "accept-language", "content-type", "user-agent"))
_OF_BODY = frozenset(("content-type", "content-encoding", "content-language"))


class Plan:
    """One request, ready but for its body: the same for every equal request of a client."""

    __slots__ = ("authority", "headers", "method", "path", "prefix", "route", "text", "url")

    def __init__(self, method: str, url: Url, headers: Dict[str, str], route: Route) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.route = route
        self.text = str(url)
        self.authority = url.authority
        self.path = url.target.partition("?")[0]
        names = {name.lower() for name in headers if isinstance(name, str)}
        sent = headers
        if url.authorization is not None and "authorization" not in names:
            sent = {**sent, "Authorization": url.authorization}
        if route.absolute:
            if route.proxy_authorization is not None and "proxy-authorization" not in names:
                sent = {**sent, "Proxy-Authorization": route.proxy_authorization}
        elif "proxy-authorization" in names:
            sent = {k: v for k, v in sent.items() if k.lower() != "proxy-authorization"}
        target = self.text if route.absolute else url.target
        self.prefix = request_head(method, target, self.authority, sent)

    def with_headers(self, headers: Dict[str, str]) -> "Plan":
        """The same request with other headers, the last of each name."""
        last = {name.lower(): (name, value) for name, value in headers.items()}
        return Plan(self.method, self.url, dict(last.values()), self.route)

    def head(self, length: Optional[int]) -> bytes:
        """The whole head for a body of `length` bytes, None for no body."""
        if length is not None:
            return b"%bContent-Length: %d\r\n\r\n" % (self.prefix, length)
        if self.method in ("POST", "PUT", "PATCH"):
            return self.prefix + b"Content-Length: 0\r\n\r\n"
        return self.prefix + b"\r\n"

    def message(self, body: Optional[bytes]) -> bytes:
        """Head and body in one."""
        if body is None:
            return self.head(None)
        return b"%bContent-Length: %d\r\n\r\n%b" % (self.prefix, len(body), body)


def connect_head(plan: Plan) -> bytes:
    """The request that asks a proxy for a tunnel to the plan's host."""
    route = plan.route
    assert route.tunnel is not None
    headers = {
        name: value
        for name, value in plan.headers.items()
        if name.lower() in ("proxy-authorization", "user-agent")
    }
    given = {name.lower() for name in headers}
    if route.proxy_authorization is not None and "proxy-authorization" not in given:
        headers["Proxy-Authorization"] = route.proxy_authorization
    return request_head("CONNECT", route.tunnel, route.tunnel, headers) + b"\r\n"


class Planner:
    """Makes plans for the requests of one client, and remembers them."""

    __slots__ = ("_plans", "route", "settings")

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.route = Router(settings).route
        self._plans: Dict[Tuple[Any, ...], Plan] = {}

    def plan(self, method: str, url: str, headers: Dict[str, str]) -> Plan:
        """The plan for a request; `RequestError` for what cannot be sent."""
        key = (method, url, *headers.items())
        plan = self._plans.get(key)
        if plan is None:
            parsed = Url.parse(url)
            plan = Plan(method, parsed, dict(headers), self.route(parsed))
            if len(self._plans) >= 64:
                self._plans.clear()
            self._plans[key] = plan
        return plan


class Journey:
    """The way of one request through redirects and retries.

    `plan` and `body` are what to send next; `delay` says how many seconds to wait before.
    """

    __slots__ = ("_headers", "_planner", "_redirects", "_retries", "body", "delay", "plan")

    def __init__(self, planner: Planner, request: Any) -> None:
        self._planner = planner
        self._headers: Dict[str, str] = request.headers
        self._redirects = 0
        self._retries = 0
        self.plan = planner.plan(request.method, request.url, request.headers)
        self.body = request.body
        self.delay = 0.0

    def goes_on_after(self, status: int, headers: Headers) -> bool:
        """Whether another request follows this answer: where it redirects, or asks for a retry."""
        if status in REDIRECTS:
            return self._redirected(status, headers)
        if status in RETRIED:
            return self._retried(_retry_after(headers.get("retry-after")))
        return False

    def goes_on_after_failure(self, error: errors.TransportError, answered: bool) -> bool:
        """Whether to try again after a failure that came before the answer's head was whole."""
        kinds = (errors.ConnectionError, errors.ConnectTimeout)
        return isinstance(error, kinds) and not answered and self._retried(0.0)

    def _retried(self, least: Optional[float]) -> bool:
        if self._retries >= self._planner.settings.retries or least is None:
            return False
        from random import random

        # Clients that failed together must not come back together.
        backoff = min(8.0, 0.5 * 2**self._retries) * (0.5 + random() / 2)
        self.delay = max(backoff, least)
        self._retries += 1
        return True

    def _redirected(self, status: int, headers: Headers) -> bool:
        settings = self._planner.settings
        location = headers.get("location")
        if not settings.follow_redirects or location is None:
            return False
        plan = self.plan
        if self._redirects >= settings.max_redirects:
            raise errors.ProtocolError(
                f"{plan.method} {plan.text}: more than {settings.max_redirects} redirects",
                method=plan.method,
                url=plan.text,
            )
        self._redirects += 1
        try:
            url = _target(plan.url, location)
        except (errors.RequestError, ValueError) as error:
            raise errors.ProtocolError(
                f"{plan.method} {plan.text}: the server redirects to where a client must not go:"
                f" {getattr(error, 'error', error)}",
                method=plan.method,
                url=plan.text,
            ) from error
        method = plan.method
        sent = self._headers
        if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
            method = "GET"
            self.body = None
            sent = {name: value for name, value in sent.items() if name.lower() not in _OF_BODY}
        if url.origin != plan.url.origin:
            sent = {name: value for name, value in sent.items() if name.lower() in _HARMLESS}
        else:
            url.userinfo = plan.url.userinfo
        self._headers = sent
        self.plan = Plan(method, url, sent, self._planner.route(url))
        self.delay = 0.0
        return True


def _target(url: Url, location: str) -> Url:
    from urllib.parse import urljoin

    # Servers send UTF-8 where RFC 9110 allows only ASCII; headers are read as Latin-1.
    location = location.encode("latin-1").decode("utf-8", "replace")
    # urljoin() would leave out tabs in silence.
    check_text(location)
    base = str(url)
    if url.scheme == "unix":
        # urljoin() knows no such scheme.
        joined = urljoin(f"http://unix{url.target}", location)
        if joined.startswith("http://unix/"):
            return Url(url.scheme, url.host, url.port, joined[len("http://unix") :])
        return _checked(joined)
    return _checked(urljoin(base, location))


def _checked(text: str) -> Url:
    url = Url.parse(text)
    if url.scheme == "unix":
        raise errors.RequestError("a unix socket")
    url.userinfo = None
    return url


def _retry_after(value: Optional[str]) -> Optional[float]:
    """Seconds to wait, None if that is too long."""
    if value is None:
        return 0.0
    if value.isascii() and value.isdigit():
        seconds = float(value[:9])
    else:
        from email.utils import parsedate_to_datetime
        from time import time

        try:
            seconds = parsedate_to_datetime(value).timestamp() - time()
        except (TypeError, ValueError, IndexError, OverflowError):
            return 0.0
    return max(0.0, seconds) if seconds <= LONGEST_WAIT else None
