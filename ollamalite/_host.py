"""Where a server is: `OLLAMA_HOST` and URLs. Pure; nothing is looked up or connected."""

from __future__ import annotations

import re
from typing import Optional, Tuple

from . import errors

__all__ = [
    "DEFAULT_HOST",
    "Url",
    "basic",
    "check_text",
    "host_credentials",
    "is_loopback",
    "parse_host",
    "redact",
]

DEFAULT_HOST = "http://127.0.0.1:11434"

DEFAULT_PORTS = {"http": 80, "https": 443}

# Nobody means these in a URL; inside a request they would end a line.
_CONTROL = re.compile("[\x00-\x20\x7f]")
_CONTROL_IN_URL = re.compile("[\x00-\x1f\x7f]")
_SCHEME = re.compile("(?:https?|unix):/", re.IGNORECASE)
_NOT_IN_NAME = re.compile(r"""[\x00-\x20\x7f"<>\\^`{|}/?#@\[\]:]""")
_QUOTED = re.compile("[^!#$%&'()*+,/0-9:;=?@A-Z_a-z~.\\[\\]-]")


class Url:
    """An absolute URL, taken apart for a connection.

    `host` has no brackets and is ASCII; `target` is what a request line carries, path and query;
    `userinfo` is the undecoded `user:password` part or None. A server behind a unix socket has
    scheme `unix` and the socket's path as `host`: `unix://%2Frun%2Follama.sock/api/chat`.
    """

    __slots__ = ("host", "port", "scheme", "target", "userinfo")

    def __init__(
        self, scheme: str, host: str, port: int, target: str, userinfo: Optional[str] = None
    ) -> None:
        self.scheme = scheme
        self.host = host
        self.port = port
        self.target = target
        self.userinfo = userinfo

    @classmethod
    def parse(cls, text: str) -> Url:
        """Take an absolute `http`, `https` or `unix` URL apart; `RequestError` if it is none."""
        check_text(text)
        scheme, mark, rest = text.partition("://")
        scheme = scheme.lower()
        if not mark or scheme not in ("http", "https", "unix"):
            raise errors.RequestError(
                f"the URL must start with http://, https:// or unix://: {redact(text)!r}"
            )
        authority, target = _split_authority(rest)
        userinfo, place = _split_userinfo(authority, text)
        if scheme == "unix":
            return cls(scheme, _socket_path(place, text), 0, _quote(target))
        host, port = _split_port(place, text)
        host = host[1:-1] if host.startswith("[") else _ascii_name(host, text)
        if not host:
            raise errors.RequestError(f"the URL names no host: {redact(text)!r}")
        if port is None:
            port = DEFAULT_PORTS[scheme]
        elif port == 0:
            raise errors.RequestError(f"port 0 cannot be connected to: {redact(text)!r}")
        return cls(scheme, host, port, _quote(target), userinfo)

    @property
    def authority(self) -> str:
        """Host and, unless it is the scheme's own, port, as the `Host` header wants them."""
        if self.scheme == "unix":
            return "localhost"
        # A zone means something on this machine only.
        host = f"[{self.host.partition('%')[0]}]" if ":" in self.host else self.host
        return host if DEFAULT_PORTS.get(self.scheme) == self.port else f"{host}:{self.port}"

    @property
    def origin(self) -> Tuple[str, str, int]:
        """What credentials belong to: scheme, host and port."""
        return self.scheme, self.host, self.port

    @property
    def authorization(self) -> Optional[str]:
        """The `Authorization` value that the URL's `user:password` part asks for."""
        return None if self.userinfo is None else basic(*_credentials(self.userinfo))

    def __str__(self) -> str:
        """The URL without credentials, for requests, errors and logs."""
        if self.scheme == "unix":
            return f"unix://{_quote_socket_path(self.host)}{self.target}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        place = host if DEFAULT_PORTS[self.scheme] == self.port else f"{host}:{self.port}"
        return f"{self.scheme}://{place}{self.target}"

    __repr__ = __str__


def parse_host(text: Optional[str]) -> str:
    """Make the base URL of a server from what `OLLAMA_HOST` or `host=` says.

    The result has scheme and port, no slash at its end and no credentials, which
    `host_credentials` gives. `RequestError` if the text names no server.

    >>> parse_host(None)
    'http://127.0.0.1:11434'
    >>> parse_host("example.com:56789/path/")
    'http://example.com:56789/path'
    >>> parse_host("https://example.com")
    'https://example.com:443'
    >>> parse_host("0.0.0.0")
    'http://127.0.0.1:11434'
    >>> parse_host("unix:///run/ollama.sock")
    'unix://%2Frun%2Follama.sock'
    """
    return _parse_host(text)[0]


def host_credentials(text: Optional[str]) -> Optional[Tuple[str, str]]:
    """The user name and password that a host setting carries, decoded, or None."""
    userinfo = _parse_host(text)[1]
    return None if userinfo is None else _credentials(userinfo)


def is_loopback(host: str) -> bool:
    """Whether a host (without brackets) is this machine: a loopback name or address."""
    host = host.lower().rstrip(".")
    # The usual names, without an import.
    if host in ("127.0.0.1", "localhost", "::1") or host.endswith(".localhost"):
        return True
    if not (host[-1:].isdigit() or ":" in host):
        return False
    import ipaddress

    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (
        address.is_loopback or address.is_unspecified or (mapped is not None and mapped.is_loopback)
    )


def check_text(url: str) -> None:
    """`RequestError` if a URL contains control characters, such as line ends."""
    if _CONTROL_IN_URL.search(url):
        raise errors.RequestError("a URL must not contain control characters such as line ends")


def basic(user: str, password: str) -> str:
    """The `Authorization` value of the Basic scheme."""
    from binascii import b2a_base64

    token = b2a_base64(f"{user}:{password}".encode("utf-8", "surrogatepass"), newline=False)
    return "Basic " + token.decode("ascii")


def redact(text: str) -> str:
    """The URL with its `user:password` part, if any, left out; for texts, so never fails."""
    scheme, mark, rest = text.partition("://")
    if not mark:
        scheme, rest = "", text
    authority, target = _split_authority(rest)
    place = authority.rpartition("@")[2]
    before, at, after = target.rpartition("@")
    port = place.rpartition(":")[2] if ":" in place else "0"
    if at and (":" in before or not port.isdigit()):
        # A password with a slash in it, where a percent sign and two digits should be.
        return f"{scheme}{mark}{after}"
    return f"{scheme}{mark}{place}{target}"


def _parse_host(text: Optional[str]) -> Tuple[str, Optional[str]]:
    given = (text or "").strip().strip("\"'").strip()
    if not given:
        return DEFAULT_HOST, None
    if given == "ollama.com":
        return "https://ollama.com:443", None
    scheme, mark, rest = given.partition("://")
    if (_CONTROL_IN_URL if scheme == "unix" else _CONTROL).search(given):
        raise errors.RequestError(
            f"the host must not contain spaces or line ends: {redact(given)!r}"
        )
    if not mark:
        if _SCHEME.match(given):
            raise errors.RequestError(f"two slashes must follow the scheme: {redact(given)!r}")
        scheme, rest = "http", given
    port = DEFAULT_PORTS.get(scheme, 11434) if mark else 11434
    scheme = scheme.lower()
    if scheme == "unix":
        return _parse_unix(rest, given), None
    if scheme not in DEFAULT_PORTS:
        raise errors.RequestError(
            f"the host must be http, https or unix, not {scheme}: {redact(given)!r}"
        )
    authority, target = _split_authority(rest)
    userinfo, place = _split_userinfo(authority, given)
    host, given_port = _split_port(place, given)
    host = host.lower() or "127.0.0.1"
    # Addresses that a server binds, but that not every system can connect to.
    if host == "0.0.0.0":  # noqa: S104 - that is what it is about
        host = "127.0.0.1"
    elif host.startswith("[") and not host.strip("[]0:"):
        host = "[::1]"
    elif not host.startswith("["):
        _ascii_name(host, given)
    path = target.partition("?")[0].partition("#")[0].strip("/")
    if ":" in path.partition("@")[0] and "@" in path:
        raise errors.RequestError(f"credentials stand before the host: {redact(given)!r}")
    base = f"{scheme}://{host}:{given_port or port}"
    return (f"{base}/{path}" if path else base), userinfo


def _parse_unix(rest: str, given: str) -> str:
    if rest.startswith("/"):
        place, target = rest.rstrip("/"), ""
    else:
        place, target = _split_authority(rest)
    path = _quote_socket_path(_socket_path(place, given))
    return f"unix://{path}{target.rstrip('/')}"


def _socket_path(place: str, given: str) -> str:
    from urllib.parse import unquote

    path = unquote(place)
    if not path.startswith("/") or "\x00" in path:
        raise errors.RequestError(
            f"a unix socket is named as unix:///path/to/socket, not {redact(given)!r}"
        )
    return path


def _quote_socket_path(path: str) -> str:
    from urllib.parse import quote

    return quote(path, safe="")


def _split_authority(rest: str) -> Tuple[str, str]:
    for index, character in enumerate(rest):
        if character in "/?#":
            return rest[:index], rest[index:]
    return rest, ""


def _split_userinfo(authority: str, given: str) -> Tuple[Optional[str], str]:
    # Browsers take it for a slash, others for a part of the user's name: two hosts from one URL.
    if "\\" in authority:
        raise errors.RequestError(
            f"not a host name: {authority.rpartition('@')[2]!r} in {redact(given)!r}"
        )
    userinfo, at, place = authority.rpartition("@")
    return (userinfo if at else None), place


def _split_port(place: str, given: str) -> Tuple[str, Optional[int]]:
    """Host (IPv6 in brackets) and port, None where none is given."""
    if place.startswith("["):
        inside, bracket, port = place[1:].partition("]")
        if not bracket or (port and not port.startswith(":")) or not _is_ipv6(inside):
            raise errors.RequestError(f"not an IPv6 address in brackets: {redact(given)!r}")
        host, port = f"[{inside}]", port[1:]
    elif place.count(":") > 1:
        if not _is_ipv6(place):
            raise errors.RequestError(f"not a host and port: {redact(given)!r}")
        host, port = f"[{place}]", ""
    else:
        host, _, port = place.partition(":")
    if not port:
        return host, None
    if not (port.isascii() and port.isdigit() and len(port) < 10 and int(port) < 65536):
        raise errors.RequestError(f"not a port between 0 and 65535: {redact(given)!r}")
    return host, int(port)


def _is_ipv6(text: str) -> bool:
    import ipaddress

    address, mark, zone = text.partition("%")
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        return False
    return not mark or (bool(zone) and not _NOT_IN_NAME.search(zone))


def _ascii_name(host: str, given: str) -> str:
    if _NOT_IN_NAME.search(host) or "%" in host or len(host) > 255:
        raise errors.RequestError(f"not a host name: {host!r} in {redact(given)!r}")
    if host.isascii():
        return host.lower()
    try:
        return host.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise errors.RequestError(f"not a host name: {host!r} in {redact(given)!r}") from error


def _credentials(userinfo: str) -> Tuple[str, str]:
    from urllib.parse import unquote

    user, _, password = userinfo.partition(":")
    return unquote(user), unquote(password)


def _quote(target: str) -> str:
    """Path and query as a request line may carry them."""
    target = target.partition("#")[0]
    if not target.startswith("/"):
        target = "/" + target
    if _QUOTED.search(target):
        target = _QUOTED.sub(_percent, target)
    return target


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match.group().encode("utf-8", "replace"))
