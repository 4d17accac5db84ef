"""What the pure half of the client makes of the bytes of an answer, and what holds for any bytes.

Property tests, the fuzz harness and the comparison with real sockets all ask here, so that they
mean the same. Nothing in a `Reading` may depend on how the bytes were cut.
"""

from typing import Any, Iterable, List, NamedTuple, Tuple

from ollamalite import errors
from ollamalite._exchange import AnswerStream, Request, read_answer
from ollamalite._generated.models import ChatResponse
from ollamalite._http1 import AnswerReader, CutShort, Malformed

URL = "http://wire/"
NOTHING = ("", "")
KINDS = {
    "": "",
    "Malformed": "ProtocolError",
    "CutShort": "IncompleteError",
    "NoAnswer": "ConnectionLostError",
}


class Reading(NamedTuple):
    """What came out of one answer."""

    status: int
    reason: str
    headers: Tuple[Tuple[str, str], ...]
    by_close: bool
    framing: Tuple[str, str]
    """Class and text of what is wrong with the answer as HTTP, empty if nothing is."""
    keep_alive: bool
    body: bytes
    values: Tuple[str, ...]
    """The values of a stream's lines, as text, since NaN equals nothing."""
    stream_error: Tuple[str, str]
    """Class and text of what ends the stream, whichever layer finds it."""
    one_shot: Tuple[str, str]
    """Value or error of the whole body as one answer."""

    @property
    def kind(self) -> str:
        """The class in `errors` of what is wrong as HTTP, empty if nothing is."""
        return KINDS[self.framing[0]]


class _Head(AnswerReader):
    """What the pure readers know of an answer: nothing of TLS."""

    cut = False


def read(
    pieces: Iterable[bytes],
    method: str = "GET",
    *,
    url: str = URL,
    cls: Any = ChatResponse,
    last: Any = ("done", True),
    max_head_size: int = 65536,
    max_line: int = 1 << 20,
) -> Reading:
    """Read the pieces of a connection that ends after them. Raises only what is a bug."""
    reader = _Head(method, max_head_size)
    request = Request(method, url, {})
    lines: Any = None
    body: List[bytes] = []
    values: List[Any] = []
    framing, broken = NOTHING, NOTHING
    total = 0
    try:
        for piece in pieces:
            total += len(piece)
            data = reader.feed(piece)
            assert len(reader._buffer) <= max_head_size + 4096
            if reader.status and lines is None:
                lines = AnswerStream(cls, request, reader, last, max_line)
            if data:
                body.append(data)
                if broken is NOTHING:
                    broken = _take(lines.feed(data), values)
            if reader.fault is not None:
                raise reader.fault
        if not reader.done:
            reader.end()
    except (CutShort, Malformed) as fault:
        kind = type(fault).__name__ if reader.started else "NoAnswer"
        framing = kind, str(fault)
        seen = lines is not None
    else:
        seen = True
        assert reader.done
    assert reader.done == (framing is NOTHING)
    whole = b"".join(body)
    # The body is never more than what came: nothing here expands.
    assert len(whole) <= total
    if seen and reader.status >= 300:
        # The status says what is wrong, however much of the body came.
        values.clear()
        one_shot = broken = _whole(cls, request, reader, whole)
    elif framing is not NOTHING:
        one_shot = framing
    else:
        one_shot = _whole(cls, request, reader, whole)
    if broken is NOTHING:
        broken = framing if framing is not NOTHING else _take(lines.finish(), values)
    return Reading(
        # A head that is refused for what it says has a status already, but nobody sees it.
        reader.status if seen else 0,
        reader.reason if seen else "",
        tuple(reader.headers.pairs) if seen else (),
        reader.ended_by_close,
        framing,
        reader.keep_alive and reader.done,
        whole,
        tuple(map(repr, values)),
        broken,
        one_shot,
    )


def _take(result: Tuple[List[Any], Any], values: List[Any]) -> Tuple[str, str]:
    new, error = result
    values.extend(new)
    if error is None:
        return NOTHING
    assert isinstance(error, errors.OllamaError)
    return type(error).__name__, str(error)


def _whole(cls: Any, request: Request, reader: _Head, body: bytes) -> Tuple[str, str]:
    try:
        return "", repr(read_answer(cls, request, reader, [body]))
    except errors.OllamaError as error:
        return type(error).__name__, str(error)


def pieces_at(data: bytes, places: Iterable[int]) -> List[bytes]:
    """The data cut at the places, which may be anything."""
    ends = sorted(place % (len(data) + 1) for place in places)
    return [data[a:b] for a, b in zip([0, *ends], [*ends, len(data)])]


def single_bytes(data: bytes) -> List[bytes]:
    return [data[index : index + 1] for index in range(len(data))]
