"""What stands before the handlers: clean paths, routes, CORS, and the check of the host.

The order is the server's: a path that is not clean is redirected before anything is checked;
a refused origin or host gets its empty 403 whether or not the path is known.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ._reply import PLAIN, Reply
from ._wire import Head, ProtocolFault

_HTML = "text/html; charset=utf-8"
_REDIRECTS = {301: "Moved Permanently", 307: "Temporary Redirect"}
_METHODS = ("HEAD", "GET", "POST", "DELETE", "PUT", "PATCH")
_ESCAPE = re.compile("%(..?)?", re.DOTALL)

_ORIGINS = tuple(
    f"{scheme}://{host}"
    for host in ("localhost", "127.0.0.1", "0.0.0.0")  # noqa: S104 an origin
    for scheme in ("http", "https")
)
_ORIGIN_SCHEMES = ("app://", "file://", "tauri://", "vscode-webview://", "vscode-file://")
_ALLOWED_HEADERS = (
    "Authorization,Content-Type,User-Agent,Accept,X-Requested-With,Openai-Beta,"
    "X-Stainless-Arch,X-Stainless-Async,X-Stainless-Custom-Poll-Interval,"
    "X-Stainless-Helper-Method,X-Stainless-Lang,X-Stainless-Os,X-Stainless-Package-Version,"
    "X-Stainless-Poll-Helper,X-Stainless-Retry-Count,X-Stainless-Runtime,"
    "X-Stainless-Runtime-Version,X-Stainless-Timeout"
)


class Route(NamedTuple):
    """One row of the description."""

    method: str
    path: str
    operation: str
    request: Optional[str]
    stream: Optional[bool]
    status: int
    content_type: Optional[str]
    example: Any


class Match(NamedTuple):
    """A route, or why there is none, and the values of the path's parameters."""

    route: Optional[Route]
    params: Mapping[str, str]
    allow: Sequence[str]


class Router:
    """The routes of the description by path; ``cloud`` adds those of the cloud host."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], cloud: bool) -> None:
        self._fixed: Dict[str, Dict[str, Route]] = {}
        self._patterns: List[Tuple[re.Pattern[str], Dict[str, Route]]] = []
        patterns: Dict[str, Dict[str, Route]] = {}
        for row in rows:
            if not row["local"] and not cloud:
                continue
            route = Route(*(row[field] for field in Route._fields))
            table = patterns if "{" in route.path else self._fixed
            table.setdefault(route.path, {})[route.method] = route
        for path, methods in patterns.items():
            parts = re.split(r"\{(\w+)\}", path)
            pieces = [
                f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part)
                for index, part in enumerate(parts)
            ]
            self._patterns.append((re.compile("".join(pieces) + r"\Z"), methods))

    def match(self, method: str, path: str) -> Match:
        methods, params = self._find(path)
        if not methods:
            return Match(None, {}, ())
        route = methods.get(method)
        allow = [name for name in _METHODS if name in methods]
        return Match(route, params, () if route else allow)

    def knows(self, path: str) -> bool:
        return bool(self._find(path)[0])

    def _find(self, path: str) -> Tuple[Mapping[str, Route], Mapping[str, str]]:
        if path in self._fixed:
            return self._fixed[path], {}
        for pattern, methods in self._patterns:
            found = pattern.match(path)
            if found:
                return methods, found.groupdict()
        return {}, {}


class Place(NamedTuple):
    """Where a request goes: its decoded path, its query with the question mark, its host."""

    path: str
    query: str
    host: str


def locate(head: Head) -> Place:
    """Take the target of a request apart. Raises `ProtocolFault` for what is no target."""
    target = head.target
    host = head.get("host")
    if not target.startswith("/"):
        scheme, mark, rest = target.partition("://")
        if not mark or not scheme.isalnum():
            raise ProtocolFault(400)
        host, slash, rest = rest.partition("/")
        target = slash + rest
    path, mark, query = target.partition("?")
    return Place(_decoded(path), mark + query, host)


def _decoded(path: str) -> str:
    if "%" not in path and path.isascii():
        return path

    def byte(match: re.Match[str]) -> str:
        digits = match.group(1) or ""
        if len(digits) < 2 or not re.match("[0-9a-fA-F]{2}", digits):
            raise ProtocolFault(400)
        return chr(int(digits, 16))

    return _ESCAPE.sub(byte, path).encode("latin-1").decode("utf-8", "replace")


def redirect(router: Router, method: str, place: Place) -> Optional[Reply]:
    """The answer to a path that is written in an unclean way."""
    clean = _clean(place.path)
    if clean != place.path:
        return _redirect(307, method, clean, place.query)
    shorter = place.path.rstrip("/")
    if shorter and shorter != place.path and router.knows(shorter):
        return _redirect(301 if method == "GET" else 307, method, shorter, place.query)
    return None


def _clean(path: str) -> str:
    if not path:
        return "/"
    if "//" not in path and "/." not in path:
        return path
    parts: List[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    clean = "/" + "/".join(parts)
    return clean + "/" if path.endswith("/") and clean != "/" else clean


def _redirect(status: int, method: str, path: str, query: str) -> Reply:
    location = _encoded(path) + query
    headers = [("Location", location)]
    if method not in ("GET", "HEAD"):
        return Reply(status, headers=headers)
    for char, entity in (
        ("&", "&amp;"),
        ("<", "&lt;"),
        (">", "&gt;"),
        ('"', "&#34;"),
        ("'", "&#39;"),
    ):
        location = location.replace(char, entity)
    body = f'<a href="{location}">{_REDIRECTS[status]}</a>.\n\n'.encode()
    return Reply(status, body, _HTML, headers)


def _encoded(path: str) -> str:
    safe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~$&+,/:;=@"
    return "".join(chr(b) if chr(b) in safe else f"%{b:02X}" for b in path.encode())


def refuse(head: Head, place: Place, any_host: bool, allow: Sequence[str]) -> Optional[Reply]:
    """The early answers of CORS and of the check of the host."""
    allowed = [("Allow", ", ".join(allow))] if allow else []
    origin = head.get("origin")
    if origin and not _same_origin(origin, place.host):
        if not _origin_allowed(origin):
            return Reply(403, headers=allowed)
        if head.method == "OPTIONS":
            return Reply(
                204,
                headers=[
                    ("Access-Control-Allow-Headers", _ALLOWED_HEADERS),
                    ("Access-Control-Allow-Methods", "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS"),
                    ("Access-Control-Allow-Origin", origin),
                    ("Access-Control-Max-Age", "43200"),
                    *allowed,
                    ("Vary", "Origin"),
                    ("Vary", "Access-Control-Request-Method"),
                    ("Vary", "Access-Control-Request-Headers"),
                ],
            )
    if any_host:
        return None
    if not host_allowed(place.host):
        return Reply(403, headers=allowed)
    name = _host_name(place.host)
    if head.method == "OPTIONS" and name and not _is_address(name):
        return Reply(204, headers=allowed)
    return None


def host_allowed(host: str) -> bool:
    """The host that a request names is this machine, or one near it."""
    name = _host_name(host)
    return _address_allowed(name) if _is_address(name) else _name_allowed(name)


def cors_headers(head: Head, place: Place) -> List[Tuple[str, str]]:
    """What is added to the answer of a request from another, allowed origin."""
    origin = head.get("origin")
    if not origin or _same_origin(origin, place.host):
        return []
    return [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]


def _same_origin(origin: str, host: str) -> bool:
    return origin in (f"http://{host}", f"https://{host}")


def _origin_allowed(origin: str) -> bool:
    if origin.startswith(_ORIGIN_SCHEMES):
        return True
    return any(origin == allowed or origin.startswith(allowed + ":") for allowed in _ORIGINS)


def _host_name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, _, port = host.rpartition(":")
    return name if name and ":" not in name and port.isdigit() else host.rstrip(":")


def _is_address(name: str) -> bool:
    return ":" in name or bool(re.match(r"\d{1,3}(\.\d{1,3}){3}\Z", name))


def _address_allowed(name: str) -> bool:
    import ipaddress

    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    if address.is_loopback or address.is_unspecified:
        return True
    private = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
    networks = (ipaddress.ip_network(network) for network in private)
    return any(address.version == network.version and address in network for network in networks)


def _name_allowed(name: str) -> bool:
    import socket

    folded = name.lower()
    if folded in ("", "localhost", socket.gethostname().lower()):
        return True
    return folded.endswith((".localhost", ".local", ".internal"))


NOT_FOUND = Reply(404, b"404 page not found", PLAIN)


def not_allowed(allow: Sequence[str]) -> Reply:
    return Reply(405, b"405 method not allowed", PLAIN, [("Allow", ", ".join(allow))])
