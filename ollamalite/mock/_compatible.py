"""The way of the endpoints under ``/v1``: to a native request, and from the native answer back.

As on the real server there is one way to generate: a request is turned into one for ``chat``,
``generate``, ``embed``, ``tags`` or ``show``, and each object that those answer is turned into
what the client understands. The modules of the languages have a `Writer` for each form of answer.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Sequence, Tuple

from .._generated.description import TYPES
from . import _gotypes, _lookup, _names
from ._app import Call, Handler
from ._gojson import encode
from ._reply import BARE_JSON, JSON, Failure, Reply, Response, Stream, close

EVENTS = "text/event-stream"
UNCACHED = (("Cache-Control", "no-cache"), ("Connection", "keep-alive"))
"""Header fields of the streams whose events have names."""

Object = Dict[str, Any]


class Translated(Call):
    """A call as the native handler sees it, with other fields than those that came."""

    def __init__(self, call: Call, component: str, fields: Mapping[str, Any]) -> None:
        self.__dict__.update(call.__dict__)
        self._component = component
        self._fields = fields

    def fields(self) -> Object:
        # Written and read once more, as by the server: the native checks are of JSON.
        try:
            return _gotypes.decode(TYPES, self._component, encode(self._fields))
        except _gotypes.BodyFault as fault:
            raise Failure(400, str(fault)) from None


class Writer:
    """How the native answers to one request are told to its client."""

    content_type: str = EVENTS
    """The type of a stream."""
    headers: Sequence[Tuple[str, str]] = ()
    """Further header fields of a stream."""

    def error(self, status: int, message: str) -> Object:
        raise NotImplementedError

    def whole(self, answer: Object) -> Any:
        """The one object of an answer that is no stream."""
        raise NotImplementedError

    def pieces(self, answer: Object) -> Sequence[bytes]:
        """The chunks for one object of a stream; that of a failure has only ``error``."""
        raise NotImplementedError


def serve(
    call: Call,
    writer: Callable[[Object], Writer],
    component: str,
    translate: Callable[[Object], Object],
    handler: Handler,
) -> Response:
    """Answer a request by way of ``handler``, whose requests are of type ``component``."""
    try:
        request = call.fields()
    except Failure as failure:
        text = str(failure)
        return misused(writer({}), "EOF" if text == "missing request body" else text)
    refused = refused_by_cloud(call, request.get("model", ""))
    if refused is not None:
        return refused
    try:
        native = translate(request)
    except Failure as failure:
        return misused(writer(request), str(failure))
    translated = Translated(call, component, native)
    return tell(writer(request), request.get("stream", False), handler, translated)


def named_event(name: str, value: Any) -> bytes:
    return f"event: {name}\ndata: ".encode() + encode(value) + b"\n\n"


def misused(writer: Writer, text: str) -> Reply:
    """What is found in the translation is told in another form than what a handler finds."""
    return Reply(400, encode(writer.error(400, text)), JSON)


def tell(writer: Writer, streaming: bool, handler: Handler, call: Call) -> Response:
    """Turn the answer of a native handler."""
    try:
        response = handler(call)
    except Failure as failure:
        return failed(writer, failure)
    if isinstance(response, Stream):
        return Stream(_chunks(writer, response.chunks), writer.content_type, writer.headers)
    body = json.loads(response.body)
    if response.status != 200:
        return _refused(writer, response.status, body, response.chunked)
    if streaming:
        # What only loads the model is answered by one object even then.
        data = b"".join(writer.pieces(body))
        return Reply(200, data, writer.content_type, writer.headers, response.chunked)
    return Reply(200, encode(writer.whole(body)) + b"\n", BARE_JSON, chunked=response.chunked)


def failed(writer: Writer, failure: Failure) -> Reply:
    return _refused(writer, failure.status, failure.body, chunked=False)


def _refused(writer: Writer, status: int, body: Mapping[str, Any], chunked: bool) -> Reply:
    # The error of a remote host has the status line of that host.
    text = ": ".join(str(body[key]) for key in ("Status", "error") if body.get(key))
    return Reply(status, encode(writer.error(status, text)) + b"\n", BARE_JSON, chunked=chunked)


def _chunks(writer: Writer, lines: Iterator[bytes]) -> Iterator[bytes]:
    try:
        for line in lines:
            yield from writer.pieces(json.loads(line))
    finally:
        close(lines)


def refused_by_cloud(call: Call, asked: str, what: str = "remote model is") -> Optional[Reply]:
    """The answer for a name of the cloud that does not get there; it has the native form.

    Raises `Failure` with status 403, of the native form too, if the cloud is switched off.
    """
    try:
        origin = _names.split_source(asked)[1]
    except _names.NameFault:
        return None
    if origin != "cloud":
        return None
    _lookup.check_cloud(call.app, what)
    refused, reply = _lookup.signed_out(call.app)
    return reply if refused else None
