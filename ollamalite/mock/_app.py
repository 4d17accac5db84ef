"""One mock server without its sockets: settings, state, and the way from a request to an answer."""

from __future__ import annotations

import sys
import threading
from collections import deque
from typing import (
    Any,
    Callable,
    Deque,
    Dict,
    Iterable,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Tuple,
    Union,
)

from .._generated.description import ROUTES, TYPES
from . import _gateway, _gotypes, _names
from ._captures import Captures
from ._faults import Fault, Faults, Latency
from ._gateway import Match, Place, Route, Router
from ._gotypes import BodyFault as JSONFault
from ._govalues import timestamp
from ._library import installed, library_model, pullable
from ._mind import Answer
from ._reply import (
    BARE_JSON,
    NDJSON,
    Failure,
    HungUp,
    Raw,
    Reply,
    Response,
    Stream,
    failure_reply,
    json_reply,
)
from ._store import Model, Store
from ._wire import Body, Head

_BODY_KEPT = 1 << 20


class Recorded:
    """A request as it came: for assertions of tests.

    ``headers`` are pairs in order; ``body`` holds its first MiB, ``body_size`` counts all bytes
    that were read of it; ``outcome`` is None while the
    answer is under way, then ``"sent"``, ``"hung up"``, or the name of the fault that ended it.
    """

    def __init__(self, head: Head, place: Place, fault: Optional[Fault]) -> None:
        self.method: str = head.method
        self.target: str = head.target
        self.path: str = place.path
        self.headers: List[Tuple[str, str]] = head.headers
        self.body: bytes = b""
        self.body_size: int = 0
        self.outcome: Optional[str] = None
        self.fault = fault
        self._over = threading.Event()

    def header(self, name: str, default: Optional[str] = None) -> Optional[str]:
        """The first value of a header, whatever its case."""
        for key, value in self.headers:
            if key.lower() == name.lower():
                return value
        return default

    def json(self) -> Any:
        """The body as JSON. ValueError if it is none, or longer than what is kept of it."""
        import json

        if self.body_size > _BODY_KEPT:
            raise ValueError(
                f"the body of {self.method} {self.target} has {self.body_size} bytes, and only the"
                f" first {_BODY_KEPT} are kept: look at request.body, or send less"
            )
        return json.loads(self.body)

    def wait(self, timeout: float = 5.0) -> str:
        """Wait until the answer is over and return the outcome. Raises TimeoutError."""
        if not self._over.wait(timeout):
            raise TimeoutError(f"{self.method} {self.target} is still under way")
        return str(self.outcome)

    def over(self, outcome: str) -> None:
        self.outcome = outcome
        self._over.set()

    def keep(self, data: bytes) -> None:
        """Note a part of the body."""
        self.body_size += len(data)
        room = _BODY_KEPT - len(self.body)
        if room > 0:
            self.body += data[:room]

    def __repr__(self) -> str:
        return f"<{self.method} {self.target} {self.outcome or 'under way'}>"


class Call:
    """One request on its way through a handler."""

    def __init__(
        self,
        app: App,
        match: Match,
        place: Place,
        head: Head,
        body: Body,
        recorded: Recorded,
        pause: Callable[[float], None],
    ) -> None:
        assert match.route is not None
        self.app = app
        self.route: Route = match.route
        self.params = match.params
        self.place = place
        self.head = head
        self.pause = pause
        self._body = body
        self._recorded = recorded

    def data(self) -> Tuple[bytes, Optional[str]]:
        """The whole body, and what was wrong with it."""
        data, fault = self._body.whole(self.app.body_limit)
        self._recorded.keep(data)
        return data, None if fault is None else str(fault)

    def upload(self) -> Iterable[bytes]:
        """The body piece by piece. Raises `ollamalite.mock._wire.BodyFault`."""
        for data in self._body.chunks():
            self._recorded.keep(data)
            yield data

    def fields(self) -> Dict[str, Any]:
        """The body as the request type of the route. Raises `Failure` with status 400."""
        data, fault = self.data()
        try:
            return _gotypes.decode(TYPES, self.route.request or "", data)
        except JSONFault as error:
            text = str(error)
            if fault is not None and text in ("missing request body", "unexpected EOF"):
                text = fault
            raise Failure(400, text) from None


Handler = Callable[[Call], Response]


class Way(NamedTuple):
    """Where a request goes: to a handler, unless it has its answer early."""

    place: Place
    match: Match
    early: Optional[Reply]


class App:
    """Settings and state of one server; see `ollamalite.mock.serve` for the parameters."""

    def __init__(
        self,
        *,
        models: Optional[Iterable[Union[str, Model]]],
        registry: Optional[Iterable[Union[str, Model]]],
        delay: float,
        latency: Union[float, Tuple[float, float]],
        seed: int,
        cloud: bool,
        cloud_disabled: bool,
        signed_in: bool,
        any_host: bool,
        version: str,
        utc_offset: int,
        body_limit: int,
        blob_limit: int,
        record_limit: int,
        captures: Optional[Captures],
        handlers: Mapping[str, Handler],
        refuse: Callable[[str, Failure], Reply],
    ) -> None:
        self.delay = delay
        self.latency: Latency = Latency(latency, seed)
        self.faults: Faults = Faults()
        self.cloud_disabled = cloud_disabled
        self.signed_in = signed_in
        self.any_host = any_host
        self.version = version
        self.utc_offset = utc_offset
        self.body_limit = body_limit
        self.store: Store = Store(_models(models, installed), blob_limit)
        self.registry: Dict[str, Model] = {
            model.name.key: model for model in _models(registry, pullable)
        }
        self.registry_lock: threading.Lock = threading.Lock()
        self.answers: Deque[Answer] = deque()
        self._answers_lock = threading.Lock()
        self.recorded: Deque[Recorded] = deque(maxlen=record_limit)
        self._captures = captures
        self._router = Router(ROUTES, cloud)
        self._handlers = handlers
        self._refuse = refuse

    def receive(self, head: Head, place: Place) -> Tuple[Recorded, Way]:
        """Note a request, the fault that it meets, and which way it goes."""
        way = self._way(head, place)
        fault = self.faults.take(place.path, way.early is None)
        recorded = Recorded(head, place, fault)
        self.recorded.append(recorded)
        return recorded, way

    def _way(self, head: Head, place: Place) -> Way:
        if self._captures is not None:
            return Way(place, self._router.match(head.method, place.path), None)
        unclean = _gateway.redirect(self._router, head.method, place)
        match = self._router.match(head.method, place.path)
        if unclean is not None:
            return Way(place, match, unclean)
        early = _gateway.refuse(head, place, self.any_host, match.allow)
        if early is None and match.route is None:
            early = _gateway.not_allowed(match.allow) if match.allow else _gateway.NOT_FOUND
            early = early._replace(headers=[*early.headers, *_gateway.cors_headers(head, place)])
        return Way(place, match, early)

    def respond(
        self,
        head: Head,
        way: Way,
        body: Body,
        recorded: Recorded,
        pause: Callable[[float], None],
    ) -> Union[Response, Raw]:
        """Answer a request. A stream that is given back must be closed by the caller."""
        if way.early is not None:
            return way.early
        try:
            if self._captures is not None:
                return self._replay(self._captures, way.match, head, body, recorded)
            response = self._dispatch(way, head, body, recorded, pause)
        except HungUp:
            recorded.over("hung up")
            raise
        except Exception:
            # As Go's recovery does; whoever looks after threads gets to see what happened.
            report = threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread()))
            threading.excepthook(report)
            return Reply(500)
        extra = _gateway.cors_headers(head, way.place)
        if extra:
            response = response._replace(headers=[*response.headers, *extra])
        return response

    def _replay(
        self, captures: Captures, match: Match, head: Head, body: Body, recorded: Recorded
    ) -> Union[Reply, Raw]:
        data, _ = body.whole(self.body_limit)
        recorded.keep(data)
        if recorded.fault is not None and recorded.fault.instead:
            return self._ordered(recorded.fault, match.route)
        exchange = captures.find(head.method, head.target, data)
        if exchange is not None:
            return Raw(exchange.pieces, exchange.closes)
        known = captures.known(head.method, head.target)
        text = f"no recorded exchange for {head.method} {head.target}"
        if known:
            text += f" with this body; {known} with other bodies are recorded"
        return failure_reply(Failure(501, text))

    def _dispatch(
        self,
        way: Way,
        head: Head,
        body: Body,
        recorded: Recorded,
        pause: Callable[[float], None],
    ) -> Response:
        match = way.match
        assert match.route is not None
        handler = self._handlers.get(match.route.operation, _example)
        if head.method == "HEAD" and handler is _example:
            # The connection leaves out the body.
            twin = self._router.match("GET", way.place.path)
            if twin.route is not None:
                match, handler = twin, self._handlers.get(twin.route.operation, _example)
        call = Call(self, match, way.place, head, body, recorded, pause)
        if recorded.fault is not None and recorded.fault.instead:
            return self._ordered(recorded.fault, match.route)
        try:
            return handler(call)
        except Failure as failure:
            return failure_reply(failure)

    def _ordered(self, fault: Fault, route: Optional[Route]) -> Reply:
        """An error that a test has ordered, in the language of the endpoint."""
        operation = "" if route is None else route.operation
        return self._refuse(operation, Failure(fault.status, fault.text))

    def begin(self) -> None:
        """A generation begins. Raises `Failure` if a test has put down that it cannot."""
        answer = self._take(lambda answer: answer.early)
        if answer is not None:
            raise Failure(answer.status, answer.error or "")

    def next_answer(self) -> Optional[Answer]:
        """What a test has put down for the next generation."""
        return self._take(lambda answer: True)

    def next_failure(self) -> Optional[Answer]:
        """What a test has put down, if that is a failure: for what says nothing by itself."""
        return self._take(lambda answer: answer.error is not None)

    def _take(self, fits: Callable[[Answer], bool]) -> Optional[Answer]:
        with self._answers_lock:
            if self.answers and fits(self.answers[0]):
                return self.answers.popleft()
            return None

    def time(self, nanoseconds: int) -> str:
        """A time in the zone of the server."""
        return timestamp(nanoseconds, self.utc_offset)


def _models(
    given: Optional[Iterable[Union[str, Model]]], default: Callable[[], List[Model]]
) -> List[Model]:
    if given is None:
        return default()
    models: List[Model] = []
    for model in given:
        if isinstance(model, str):
            name = _names.parse(model)
            if not name.valid:
                raise ValueError(f"not a model name: {model!r}")
            model = library_model(name.short)
        models.append(model)
    return models


def _example(call: Call) -> Response:
    """An operation of the description that has no handler: its request is checked, its example
    is the answer."""
    route = call.route
    fields: Dict[str, Any] = {}
    if route.request:
        fields = call.fields()
    if route.stream is not None and fields.get("stream", route.stream):
        from ._gojson import encode

        return Stream(iter([encode(route.example) + b"\n"]), NDJSON)
    if route.content_type is None:
        return Reply(route.status)
    if route.content_type == BARE_JSON:
        return json_reply(route.example, route.status)
    text = route.example if isinstance(route.example, str) else ""
    return Reply(route.status, text.encode(), route.content_type + "; charset=utf-8")
