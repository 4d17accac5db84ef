"""What a handler gives back: one body, a stream of lines, or a failure. No socket, no framing."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Iterator, NamedTuple, Optional, Sequence, Tuple, Union

from ._gojson import encode

JSON = "application/json; charset=utf-8"
BARE_JSON = "application/json"
NDJSON = "application/x-ndjson"
TEXT = "text/plain; charset=utf-8"
PLAIN = "text/plain"


class Reply(NamedTuple):
    """One whole body. ``chunked``: even a small one is sent in chunks, as relayed ones are."""

    status: int
    body: bytes = b""
    content_type: Optional[str] = None
    headers: Sequence[Tuple[str, str]] = ()
    chunked: bool = False


class Stream(NamedTuple):
    """Status 200 and one chunk for each item, sent as soon as it is there."""

    chunks: Iterator[bytes]
    content_type: str = NDJSON
    headers: Sequence[Tuple[str, str]] = ()


class Raw(NamedTuple):
    """An answer of which every byte is given, head and framing too."""

    pieces: Sequence[bytes]
    closes: bool


Response = Union[Reply, Stream]


class Failure(Exception):
    """An error that the server reports; ``more`` are further keys of the error object."""

    def __init__(self, status: int, error: str, **more: Any) -> None:
        super().__init__(error)
        self.status = status
        self.body: Dict[str, Any] = {"error": error, **more}


class HungUp(Exception):
    """The client is gone, or the server is closing: nobody waits for the rest."""


def json_reply(value: Any, status: int = 200) -> Reply:
    return Reply(status, encode(value), JSON)


def failure_reply(failure: Failure) -> Reply:
    return json_reply(failure.body, failure.status)


def stream(objects: Iterator[Dict[str, Any]], error_end: bytes = b"\n") -> Response:
    """Send objects line by line. A failure before the first of them keeps its status."""
    try:
        first = next(objects)
    except StopIteration:
        return Stream(iter(()))
    except Failure as failure:
        return Reply(failure.status, encode(failure.body), BARE_JSON, chunked=True)
    return Stream(_lines(first, objects, error_end))


def _lines(
    first: Dict[str, Any], rest: Iterator[Dict[str, Any]], error_end: bytes
) -> Iterator[bytes]:
    try:
        yield encode(first) + b"\n"
        for item in rest:
            yield encode(item) + b"\n"
    except Failure as failure:
        yield encode({"error": failure.body["error"]}) + error_end
    finally:
        close(rest)


def last(objects: Iterable[Dict[str, Any]]) -> Reply:
    """Wait for the last of some progress objects and send only that."""
    try:
        result = list(objects)[-1]
    except Failure as failure:
        return Reply(failure.status, encode(failure.body), BARE_JSON)
    return Reply(200, encode(result), BARE_JSON)


def close(iterator: Iterator[Any]) -> None:
    """Let a generator run its ``finally`` now."""
    closer = getattr(iterator, "close", None)
    if closer is not None:
        closer()
