"""One exchange with a server, without the waiting: arguments to a request, bytes to values.

Strategy: the clients call `json_body` and build a `Request`; a transport sends it; the bytes that
come back go through `read_answer` (one value) or an `AnswerStream` (one value a line). Each outcome
is a value, or an exception of `errors`; nothing here touches a socket, a clock or the environment.
"""

from __future__ import annotations

from io import RawIOBase
from json import JSONEncoder
from os import urandom
from typing import (
    TYPE_CHECKING,
    Any,
    BinaryIO,
    Callable,
    Dict,
    Generator,
    Generic,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
    Type,
    TypeVar,
    Union,
    cast,
)

from . import errors
from ._convert import MAPPING, OBJECT, Mismatch, Refusal, refuse
from ._generated.codec import DECODERS
from ._generated.models import StatusResponse
from ._images import Content, Image
from ._model import Record
from ._ndjson import MAX_LINE, BadLine, LineReader, parse

T = TypeVar("T")

MAX_BODY = 1024 * 1024 * 1024
"""Security limit: the most bytes that the body of a one-shot answer may have."""

SMALL_IMAGE = 16384
"""The least bytes of base64 text that are worth being kept out of a request's JSON."""

MAX_ERROR_BODY = 1024 * 1024
"""Security limit: how many bytes of the body of an error are read."""


class Upload:
    """A body that is read from a file piece by piece, and from the start each time it is sent."""

    __slots__ = ("length", "path")

    def __init__(self, path: Any, length: int) -> None:
        self.path = path
        self.length = length

    def __len__(self) -> int:
        return self.length

    # Not by its length: an empty body is one, too.
    def __bool__(self) -> bool:
        return True

    @property
    def blocking(self) -> bool:
        """Whether reading it may wait, as for a disk."""
        return True

    def open(self) -> BinaryIO:
        return cast(BinaryIO, open(self.path, "rb"))


class Composed(Upload):
    """A body of bytes with images between them, which become base64 while they are sent."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Union[bytes, Content]]) -> None:
        super().__init__(None, sum([_length(part) for part in parts]))
        self.parts = parts

    @property
    def blocking(self) -> bool:
        return any(isinstance(part, Content) and part.blocking for part in self.parts)

    def open(self) -> BinaryIO:
        return cast(BinaryIO, _Pieces(self._pieces()))

    def _pieces(self) -> Generator[bytes, None, None]:
        for part in self.parts:
            if isinstance(part, bytes):
                yield part
            else:
                yield from part.pieces()


def _length(part: Union[bytes, Content]) -> int:
    return len(part) if isinstance(part, bytes) else part.length


class _Pieces(RawIOBase):
    """The file that pieces of bytes make up."""

    def __init__(self, pieces: Generator[bytes, None, None]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer to its end, except at the end of the pieces."""
        filled, size = 0, len(buffer)
        while filled < size:
            rest = self._rest or memoryview(next(self._pieces, b""))
            if not rest:
                break
            count = min(len(rest), size - filled)
            buffer[filled : filled + count] = rest[:count]
            self._rest = rest[count:]
            filled += count
        return filled

    def close(self) -> None:
        self._pieces.close()
        super().close()


class Request:
    """What a transport sends."""

    __slots__ = ("body", "headers", "method", "timeout", "url")

    def __init__(
        self,
        method: str,
        url: str,
        headers: Dict[str, str],
        body: Union[None, bytes, Upload] = None,
        timeout: Any = None,
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeout = timeout


if TYPE_CHECKING:
    from typing import Protocol

    class Headers(Protocol):
        """Header fields of an answer, by names in any case."""

        def get(self, name: str, default: Optional[str] = None) -> Optional[str]: ...
        def __iter__(self) -> Iterator[Tuple[str, str]]: ...

    class Head(Protocol):
        """What is known of an answer before its body."""

        @property
        def status(self) -> int: ...
        @property
        def reason(self) -> str: ...
        @property
        def headers(self) -> Headers: ...
        @property
        def ended_by_close(self) -> bool: ...
        @property
        def cut(self) -> bool: ...


def json_body(value: Any) -> Union[bytes, Upload]:
    """Return ``value`` as compact JSON in UTF-8, large images in it still to be encoded.

    Raises RequestError, a ValueError, for what JSON cannot say: NaN, sets, lone surrogates.
    """
    encoder = _Encoder()
    try:
        text: bytes = encoder.encode(value).encode()
    except UnicodeEncodeError as error:
        reason = f"a text has a lone surrogate, which UTF-8 cannot say: {error}"
        raise errors.RequestError(reason) from error
    except (TypeError, ValueError, RecursionError) as error:
        if isinstance(error, errors.OllamaError):
            raise
        raise errors.RequestError(f"the request cannot be written as JSON: {error}") from error
    if not encoder.images:
        return text
    parts: List[Union[bytes, Content]] = []
    for before, image in zip(text.split(encoder.mark), encoder.images):
        parts += [before, image]
    parts.append(text[text.rindex(encoder.mark) + len(encoder.mark) :])
    return Composed(parts)


class _Encoder(JSONEncoder):
    """Writes a mark in the place of each image whose bytes are not base64 yet."""

    def __init__(self) -> None:
        vars(self).update(_OPTIONS)
        self.images: List[Content] = []
        self.mark = b""

    def default(self, o: Any) -> Any:
        if isinstance(o, Image):
            content = o.content()
            if isinstance(content, str):
                return content
            if content.length < SMALL_IMAGE:
                return content.text()
            # No text of a caller's can hold it, as it is made after them.
            self.mark = self.mark or urandom(16).hex().encode()
            self.images.append(content)
            return self.mark.decode()
        method: Optional[Callable[[], Any]] = getattr(o, "model_dump", None)
        if method is not None:
            return method()
        if isinstance(o, MAPPING):
            return dict(o)
        raise TypeError(f"a {type(o).__name__} has no form in JSON")


# Made once, as every request needs them. A circle ends at the interpreter's limit of recursion, so
# that nobody pays for looking for one.
_OPTIONS = vars(
    JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"))
)


def read_answer(response_type: Type[T], request: Request, head: Head, pieces: List[bytes]) -> T:
    """Return the value of a whole answer.

    Empties the list of pieces: the bytes of a large body are not kept beside what is made of them.

    Raises ResponseError for an answer that is an error, whatever its status, and DecodeError for
    one that is not what the API describes.
    """
    body = b"".join(pieces)
    pieces.clear()
    status = head.status
    if response_type is bool and status in (200, 404):
        return cast(T, status == 200)
    if not 200 <= status < 300:
        raise response_error(request, head, body)
    if response_type is str:
        return cast(T, body.decode("utf-8", "replace"))
    # Operations that have nothing to tell: empty, `null`, or whatever a proxy made of it.
    if response_type is StatusResponse and b'"error"' not in body:
        return cast(T, StatusResponse(status="success" if status == 200 else "error"))
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        reason = f"not UTF-8 at byte {error.start}"
        raise _decode_error(reason, request, head) from None
    del body
    try:
        return cast(T, decoder(response_type)(parse(text)))
    except Refusal as refusal:
        told = text.encode()
        raise _response_error(refusal.error, status, request, head, told) from None
    except BadLine as error:
        reason = str(error)
    except Mismatch as error:
        reason = error.text(response_type.__qualname__)
    raise _decode_error(reason, request, head)


def response_error(request: Request, head: Head, body: bytes) -> errors.ResponseError:
    """Return the error of an answer whose status is one; its body may be anything."""
    if head.headers.get("content-encoding", "identity") not in ("", "identity"):
        body = b""  # compressed, although only plain was asked for
    text = body.decode("utf-8", "replace").strip() or head.reason or f"HTTP status {head.status}"
    return _response_error(text, head.status, request, head, body)


def decoder(response_type: Type[Any]) -> Callable[[Any], Any]:
    """Return what makes a value of ``response_type`` of a parsed body.

    It raises Mismatch, and Refusal for the account of an error.
    """
    known = DECODERS.get(response_type)
    if known is not None:
        return known

    def decode(value: Any) -> Any:
        if type(value) is not OBJECT:
            raise Mismatch("an object", value)
        if "error" in value:
            refuse(value)
        return response_type(**value)

    return decode


# What a line can be wrong in; a class of the caller's own may raise the last.
_PROBLEMS = (BadLine, Mismatch, Refusal, errors.OllamaError)


class AnswerStream(Generic[T]):
    """An answer with one value a line.

    `feed` and `finish` return the values that became whole, and the error that comes after them,
    if there is one; an error is final.
    """

    __slots__ = ("_head", "_last", "_latest", "_lines", "_request", "_type")

    def __init__(
        self,
        response_type: Type[T],
        request: Request,
        head: Head,
        last: Optional[Tuple[str, Any]] = None,
        max_line: int = MAX_LINE,
    ) -> None:
        self._type = response_type
        self._request = request
        self._head = head
        self._last = last
        self._latest: Any = None
        self._lines = LineReader(decoder(response_type), max_line)

    def feed(self, data: bytes) -> Tuple[List[T], Optional[errors.OllamaError]]:
        values: List[T] = []
        error = None
        try:
            self._lines.feed(data, values)
        except _PROBLEMS as problem:
            error = self._error(problem)
        if values:
            self._latest = values[-1]
        return values, error

    def finish(self) -> Tuple[List[T], Optional[errors.OllamaError]]:
        """Take the end of the body.

        Where only the end of the connection marks it, the answer is whole if it ends with the
        object that the API ends it with, and cut short otherwise.
        """
        values: List[T] = []
        error = None
        try:
            self._lines.finish(values)
        except _PROBLEMS as problem:
            error = self._error(problem)
        if values:
            self._latest = values[-1]
        if self._head.ended_by_close:
            if self._last is None:
                ended = not self._head.cut
            else:
                name, value = self._last
                ended = isinstance(self._latest, Record) and self._latest.get(name) == value
            if not ended and not isinstance(error, errors.ResponseError):
                method, url = self._request.method, self._request.url
                text = f"{method} {url}: the connection ended before the answer did"
                error = errors.IncompleteError(text, method=method, url=url)
        return values, error

    def _error(self, problem: Exception) -> errors.OllamaError:
        request, head = self._request, self._head
        if isinstance(problem, errors.OllamaError):
            return problem
        if isinstance(problem, Refusal):
            return _response_error(problem.error, -1, request, head)
        if isinstance(problem, Mismatch):
            return _decode_error(problem.text(self._type.__qualname__), request, head)
        return _decode_error(str(problem), request, head)


def _response_error(
    text: Any, status: int, request: Request, head: Head, body: bytes = b""
) -> errors.ResponseError:
    error = errors.ResponseError(text, status, headers=dict(head.headers), body=body)
    error.method, error.url = request.method, request.url
    return error


def _decode_error(text: str, request: Request, head: Head) -> errors.DecodeError:
    kind = head.headers.get("content-type") or "no content type"
    error = errors.DecodeError(
        f"{request.method} {request.url}: the answer ({kind}) does not fit: {text}"
    )
    error.method, error.url = request.method, request.url
    return error
