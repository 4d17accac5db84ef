"""The seam to urllib: an `OpenerDirector` through which requests of the blocking client go.

So what instruments urllib sees them. urllib's own handlers are not among ours: `http.client` takes
a body that was cut short for a whole one, and costs several times the rest of a request.
"""

from __future__ import annotations

from typing import Any, Callable
from urllib.request import BaseHandler, OpenerDirector, Request

from ._plan import Plan

__all__ = ["Hop", "open_plan"]


class Hop(Request):
    """A plan and its body as urllib knows requests; `run` does the work."""

    unverifiable = False

    # Request.__init__ takes the URL apart again.
    def __init__(self, plan: Plan, body: Any, run: Callable[..., Any]) -> None:
        url = plan.url
        self.fragment = None
        self._full_url = plan.text
        self._data = body
        self._tunnel_host = None
        # Its own, as who instruments urllib adds some.
        self.headers = dict(plan.headers)
        self.unredirected_hdrs = {}
        self.method = plan.method
        self.type = url.scheme
        self.host = plan.authority
        self.origin_req_host = url.host
        self.selector = url.target
        self.planned = plan.headers
        self.run = run


class _Handler(BaseHandler):
    def http_open(self, hop: Hop) -> Any:
        headers = {**hop.headers, **hop.unredirected_hdrs}
        return hop.run() if headers == hop.planned else hop.run(headers)

    https_open = http_open
    unix_open = http_open


_DIRECTOR = OpenerDirector()
_DIRECTOR.add_handler(_Handler())


def open_plan(plan: Plan, body: Any, run: Callable[..., Any]) -> Any:
    """Send a request through urllib; the result of `run`, called with headers if some changed."""
    return _DIRECTOR.open(Hop(plan, body, run))
