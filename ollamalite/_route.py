"""Which way a request goes: straight to its host, or through a proxy."""

from __future__ import annotations

import socket
import sys
from typing import Any, Dict, List, Mapping, Optional, Tuple

from . import errors
from ._host import Url, is_loopback, redact
from ._settings import Settings

__all__ = ["FULL_BACKLOG", "NEXT_ADDRESS", "Route", "Router"]

# Seconds that one address of a host has to answer before the next is tried beside it: what RFC 8305
# recommends.
NEXT_ADDRESS = 0.25
# Seconds until a unix socket whose backlog is full is asked again.
FULL_BACKLOG = 0.02


class Route:
    """Where to connect for a URL, and what to say there.

    `host` and `port` are the other end of the connection (for a unix socket `unix` is set and
    `host` is its path); `proxy` is set where that is a proxy. `tunnel` is the `host:port` to ask
    the proxy for by CONNECT, `absolute` whether the request line carries the whole URL. `tls` is
    the name that the server's certificate must bear, None without TLS; `proxy_tls` the proxy's.

    Two requests whose `key` is equal may share a connection.
    """

    __slots__ = (
        "absolute",
        "host",
        "key",
        "port",
        "proxy",
        "proxy_authorization",
        "proxy_tls",
        "tls",
        "tunnel",
        "unix",
    )

    def __init__(
        self, url: Url, proxy: Optional[Url] = None, proxy_authorization: Optional[str] = None
    ) -> None:
        end = proxy or url
        self.host = end.host
        self.port = end.port
        self.unix = url.scheme == "unix"
        self.tls = url.host.partition("%")[0] if url.scheme == "https" else None
        self.proxy = proxy
        self.proxy_authorization = proxy_authorization
        self.proxy_tls: Optional[str] = None
        self.tunnel: Optional[str] = None
        self.absolute = False
        self.key: Tuple[Any, ...] = url.origin
        if proxy is not None:
            if proxy.scheme == "https":
                self.proxy_tls = proxy.host
            if url.scheme == "https":
                host = f"[{url.host}]" if ":" in url.host else url.host
                self.tunnel = f"{host}:{url.port}"
                self.key = (*url.origin, *proxy.origin, proxy_authorization)
            else:
                self.absolute = True
                self.key = ("proxy", *proxy.origin)

    def addresses(self) -> Optional[List[Tuple[Any, Any]]]:
        """Families and addresses to connect to; None if a name server has to be asked."""
        if self.unix:
            family = getattr(socket, "AF_UNIX", None)
            if family is None:
                raise OSError("this system has no unix sockets")
            return [(family, self.host)]
        for family, rest in ((socket.AF_INET, ()), (socket.AF_INET6, (0, 0))):
            try:
                socket.inet_pton(family, self.host)
            except OSError:
                continue
            return [(family, (self.host, self.port, *rest))]
        return None


class Router:
    """Chooses the route of each URL by a client's settings and, if they trust it, the environment.

    The environment is read at the first question.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._environment: Optional[Dict[str, str]] = None

    def route(self, url: Url) -> Route:
        """The way to `url`; `RequestError` if it leads over a proxy that nobody can use."""
        settings = self._settings
        if url.scheme == "unix":
            return Route(url)
        if settings.proxy is not None:
            return _through(url, settings.proxy, "proxy", settings.proxy_authorization)
        if not settings.trust_env or is_loopback(url.host):
            return Route(url)
        if self._environment is None:
            self._environment = _environment()
        environment = self._environment
        name = f"{url.scheme}_proxy" if environment.get(f"{url.scheme}_proxy") else "all_proxy"
        proxy = environment.get(name)
        if not proxy or bypasses(environment.get("no_proxy", ""), url.host, url.port):
            return Route(url)
        return _through(url, proxy, name.upper(), None)


def bypasses(no_proxy: str, host: str, port: int) -> bool:
    """Whether a `NO_PROXY` value names the host.

    Its entries are separated by commas or spaces: `*`, a domain (with its subdomains, a leading dot
    or not), an address or a network such as `10.0.0.0/8`; each may end in a port.
    """
    host = host.lower().rstrip(".")
    for entry in no_proxy.replace(",", " ").lower().split():
        if entry == "*":
            return True
        name, given_port = _entry_port(entry)
        if given_port is not None and given_port != str(port):
            continue
        if "/" in name:
            if _in_network(host, name):
                return True
            continue
        name = name.strip("[]").lstrip("*").lstrip(".").rstrip(".")
        if name and (host == name or host.endswith("." + name) or _same_address(host, name)):
            return True
    return False


def _entry_port(entry: str) -> Tuple[str, Optional[str]]:
    if entry.startswith("["):
        name, _, port = entry.partition("]")
        return name[1:], port[1:] or None
    if entry.count(":") == 1:
        name, _, port = entry.partition(":")
        return name, port
    return entry, None


def _in_network(host: str, network: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except (ValueError, TypeError):
        return False


def _same_address(host: str, name: str) -> bool:
    if ":" not in host or ":" not in name:
        return False
    import ipaddress

    try:
        return ipaddress.ip_address(host) == ipaddress.ip_address(name)
    except ValueError:
        return False


def _environment() -> Dict[str, str]:
    if sys.platform in ("win32", "darwin"):
        # The systems' own settings count where the environment has none.
        from urllib.request import getproxies

        system: Mapping[str, str] = getproxies()
        found = {f"{name}_proxy": value for name, value in system.items() if name != "no"}
        if "no" in system:
            found["no_proxy"] = system["no"]
        return found
    import os

    return proxy_variables(os.environ)


def proxy_variables(environment: Mapping[str, str]) -> Dict[str, str]:
    """The proxy variables of an environment by their lower-case names."""
    found: Dict[str, str] = {}
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        value = environment.get(name)
        # Under CGI a request's header "Proxy" arrives as HTTP_PROXY.
        if value is None and not (name == "http_proxy" and "REQUEST_METHOD" in environment):
            value = environment.get(name.upper())
        if value and value.strip():
            found[name] = value.strip()
    return found


def _through(url: Url, proxy: str, source: str, authorization: Optional[str]) -> Route:
    text = proxy if "://" in proxy else f"http://{proxy}"
    scheme = text.partition("://")[0].lower()
    if scheme.startswith("socks"):
        raise errors.RequestError(
            f"the proxy of {source} is a SOCKS proxy, which is not supported: {redact(proxy)!r};"
            " set an http:// proxy, NO_PROXY or trust_env=False"
        )
    try:
        if scheme not in ("http", "https"):
            raise errors.RequestError("it must start with http:// or https://")
        parsed = Url.parse(text)
    except errors.RequestError as error:
        raise errors.RequestError(
            f"the proxy of {source} makes no sense: {redact(proxy)!r}: {error.error}"
        ) from error
    if parsed.scheme == "https" and url.scheme == "https":
        raise errors.RequestError(
            "https:// URLs through a proxy that is itself https:// are not supported:"
            f" {redact(proxy)!r}"
        )
    return Route(url, parsed, authorization or parsed.authorization)
