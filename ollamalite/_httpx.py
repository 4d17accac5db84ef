"""What code that knows the client of httpx inside the ``ollama`` package gives and touches.

Keywords of ``httpx.Client`` that mean something here are taken, those that ask for what is not here
are refused with a text that says what to do. `Face` has the attributes of that client that
frameworks and instrumentation read. Both know httpx by its shapes only and never import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterator, List, MutableMapping, Tuple

from ._host import Url, parse_host
from ._settings import Timeout
from .errors import RequestError

if TYPE_CHECKING:
    from ._client import BaseClient

_REFUSED = {
    "transport": "host='unix:///path' reaches a socket, retries= repeats requests",
    "mounts": "proxy= goes through a proxy, and NO_PROXY in the environment names exceptions",
    "event_hooks": "there are no requests and responses of httpx to call them with",
    "app": "the mock server of this package takes requests for tests",
    "base_url": "host= says where the server is",
    "proxies": "proxy= goes through a proxy",
}


_LISTS: Any = (list, tuple)


def take_keywords(owner: str, keywords: Dict[str, Any]) -> Tuple[str, str]:
    """Return the ``Cookie`` header and the query that ``keywords`` ask for, or empty texts.

    Raises RequestError for what is not here, TypeError for a keyword that httpx does not have.
    """
    cookies, params = keywords.pop("cookies", None), keywords.pop("params", None)
    for name, value in keywords.items():
        if name in _REFUSED:
            hooks: Any = value.values() if hasattr(value, "values") else (value,)
            if any(hooks):
                raise RequestError(f"{name}= is not supported: {_REFUSED[name]}")
        elif name == "http1":
            if not value:
                raise RequestError("http1=False is not supported: this client speaks HTTP/1.1")
        elif name == "default_encoding":
            if value is not None and str(value).lower().replace("-", "") != "utf8":
                raise RequestError("default_encoding= is not supported: answers are in UTF-8")
        elif name != "http2":  # an offer, which a server need not take up
            raise TypeError(f"{owner}() got an unexpected keyword argument {name!r}")
    return _cookie_header(cookies) if cookies else "", _query(params) if params else ""


def _cookie_header(cookies: Any) -> str:
    pairs: List[Tuple[Any, Any]] = []
    if hasattr(cookies, "keys"):
        pairs = [(name, cookies[name]) for name in cookies.keys()]  # noqa: SIM118 - any mapping
    else:
        for cookie in cookies:
            pairs.append((cookie.name, cookie.value) if hasattr(cookie, "name") else cookie)
    return "; ".join(f"{name}={value}" for name, value in pairs)


def _query(params: Any) -> str:
    from urllib.parse import urlencode

    if isinstance(params, (str, bytes)):
        return params.decode() if isinstance(params, bytes) else params
    if hasattr(params, "multi_items"):
        params = params.multi_items()
    elif hasattr(params, "items"):
        params = params.items()
    pairs: List[Tuple[str, str]] = []
    for name, value in params:
        values: Any = value if isinstance(value, _LISTS) else (value,)
        pairs += [(str(name), _primitive(each)) for each in values]
    return urlencode(pairs)


def _primitive(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


class BaseUrl(str):
    """The address of the server, as httpx writes it: a path, if there is one, ends with a slash."""

    __slots__ = ()

    @property
    def scheme(self) -> str:
        return Url.parse(self).scheme

    @property
    def host(self) -> str:
        return Url.parse(self).host

    @property
    def port(self) -> Any:
        """The port, None for that of the scheme."""
        url = Url.parse(self)
        return None if url.port == {"http": 80, "https": 443}.get(url.scheme) else url.port

    @property
    def path(self) -> str:
        return Url.parse(self).target

    @property
    def raw_path(self) -> bytes:
        return self.path.encode()


class LiveHeaders(MutableMapping[str, str]):
    """The headers of a client by names in any case; what is set here is sent from then on."""

    def __init__(self, fields: Dict[str, str]) -> None:
        self._fields = fields

    def _name(self, name: str) -> str:
        wanted = name.lower()
        return next((known for known in self._fields if known.lower() == wanted), name)

    def __getitem__(self, name: str) -> str:
        return self._fields[self._name(name)]

    def __setitem__(self, name: str, value: str) -> None:
        self._fields[self._name(name)] = value

    def __delitem__(self, name: str) -> None:
        del self._fields[self._name(name)]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._name(name) in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter([name.lower() for name in self._fields])

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        hidden = ("authorization", "cookie")
        shown = {k: "[secure]" if k in hidden else v for k, v in self.items()}
        return f"Headers({shown!r})"


class Face:
    """A client as its ``_client`` attribute shows it."""

    __slots__ = ("_owner",)

    def __init__(self, owner: BaseClient) -> None:
        self._owner = owner

    @property
    def base_url(self) -> BaseUrl:
        text = str(Url.parse(self._owner._base)).rstrip("/")
        return BaseUrl(text if Url.parse(text).target == "/" else text + "/")

    @base_url.setter
    def base_url(self, value: Any) -> None:
        self._owner._base = parse_host(str(value))

    @property
    def headers(self) -> LiveHeaders:
        return LiveHeaders(self._owner._headers)

    @headers.setter
    def headers(self, value: Any) -> None:
        fields = dict(value)
        self._owner._headers.clear()
        self._owner._headers.update(fields)

    @property
    def timeout(self) -> Timeout:
        return self._owner._settings.timeout

    @timeout.setter
    def timeout(self, value: Any) -> None:
        self._owner._settings.timeout = Timeout.of(value)

    @property
    def follow_redirects(self) -> bool:
        return self._owner._settings.follow_redirects

    @property
    def trust_env(self) -> bool:
        return self._owner._settings.trust_env

    def close(self) -> Any:
        """Close the connections of the client."""
        return self._owner.close()

    async def aclose(self) -> None:
        """Close the connections of the client."""
        closing = self._owner.close()
        if closing is not None:
            await closing
