"""HTTP/1.1 in memory: the bytes of a request's head, and the reader of an answer.

Both transports move bytes between a socket and this module; nothing here waits.

`AnswerReader.feed` takes what came and gives the body's bytes in it. It has three outcomes: bytes
(perhaps none yet), `done`, or `Malformed`; `AnswerReader.end` adds `CutShort`.
However the same input is cut, the same bytes and the same outcome come out: a fault that follows
good bytes is raised by the call after the one that gave them. No byte is skipped unchecked.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Iterable, Iterator, List, Mapping, Optional, Tuple

from . import errors

__all__ = ["AnswerReader", "CutShort", "Headers", "Malformed", "request_head"]

MAX_HEAD_SIZE = 64 * 1024
MAX_SIZE_LINE = 4096

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_IN_VALUE = re.compile("[\x00\r\n]")

# Lines without their LF. One CR before it belongs to it; in other places it hides something.
_STATUS_LINE = re.compile(r"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: ([^\x00\r]*))?\r?")
# Blanks are left to strip(): a pattern that two parts of match them takes quadratic time to fail.
_FIELD_LINE = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([^\x00\r]*)\r?")
_FOLDED_LINE = re.compile(r"[ \t]([^\x00\r]*)\r?")
_HEAD_END = re.compile(b"\n\r?\n")
_SIZE_LINE = re.compile(rb"[0-9A-Fa-f]{1,16}[ \t]*(?:;[^\x00\r\n]*)?")
_SIZE_LINE_START = re.compile(rb"(?:[0-9A-Fa-f]{1,16}(?:[ \t]*|[ \t]*;[^\x00\r\n]*))?\r?")

Pair = Tuple[str, str]

_HEX = b"0123456789abcdefABCDEF"
_as_size = b"%x".__mod__

# These belong to the connection or to the framing, which are this side's business.
_OURS = frozenset(
    (
        "accept-encoding",
        "connection",
        "content-length",
        "http2-settings",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
    )
)

_HEAD, _LENGTH, _CHUNKED, _CLOSE, _DONE = range(5)
# Where a chunked body stands when it is not inside a chunk's data.
_SIZE, _CHUNK_END, _TRAILERS = 0, -1, -2


class Malformed(Exception):
    """The bytes are not an HTTP/1.1 answer, or go beyond a limit."""


class CutShort(Exception):
    """The bytes ended before the answer did."""


class Headers(Mapping[str, str]):
    """The headers of an answer, found by name in any case; `pairs` has them as they came.

    Several headers of one name are one here, joined by commas.
    """

    __slots__ = ("found", "pairs")

    def __init__(self, pairs: Iterable[Pair] = ()) -> None:
        self.pairs = list(pairs)
        found = {name.lower(): value for name, value in self.pairs}
        if len(found) < len(self.pairs):
            found = {}
            for name, value in self.pairs:
                name = name.lower()
                found[name] = f"{found[name]}, {value}" if name in found else value
        self.found = found

    def __getitem__(self, name: str) -> str:
        return self.found[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self.found

    def __iter__(self) -> Iterator[str]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)

    def __repr__(self) -> str:
        return f"Headers({self.pairs!r})"


def request_head(method: str, target: str, authority: str, headers: Mapping[str, str]) -> bytes:
    """The head of a request up to where `Content-Length` and the empty line follow.

    The caller's headers win over none of those that frame the request. `RequestError` if something
    would end a line or is no header name.
    """
    if not _TOKEN.fullmatch(method):
        raise errors.RequestError(f"not an HTTP method: {method!r}")
    lines = [f"{method} {target} HTTP/1.1"]
    host = authority
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"header names and values must be str, as for {name!r}")
        lower = name.lower()
        if _BAD_IN_VALUE.search(value):
            raise errors.RequestError(f"the header {name!r} must not contain line ends or NUL")
        if not _TOKEN.fullmatch(name):
            raise errors.RequestError(f"not a header name: {name!r}")
        value = value.strip(" \t")
        if lower == "host":
            host = value
        elif lower not in _OURS or (lower == "connection" and value.lower() == "close"):
            lines.append(f"{name}: {value}")
    lines.insert(1, f"Host: {host}")
    lines.append("Accept-Encoding: identity\r\n")
    try:
        return "\r\n".join(lines).encode("utf-8")
    except UnicodeEncodeError as error:
        raise errors.RequestError("a header contains a lone surrogate") from error


# A server sends much the same lines with each answer. As many as this, of the size of a whole head,
# are little enough to keep.
@lru_cache(maxsize=16)
def _status_line(line: str) -> Tuple[str, int, str]:
    found = _STATUS_LINE.fullmatch(line)
    if found is None:
        raise Malformed("the answer does not start with an HTTP/1.1 status line")
    return found.group(1), int(found.group(2)), found.group(3) or ""


@lru_cache(maxsize=64)
def _field(line: str) -> Optional[Pair]:
    found = _FIELD_LINE.fullmatch(line)
    return None if found is None else (found.group(1), found.group(2).strip(" \t"))


class AnswerReader:
    """Reads one answer out of the bytes of a connection.

    `status`, `reason` and `headers` are there once `status` is not 0. `done` says that the whole
    body was given, `keep_alive` that another request may follow on the connection then, `surplus`
    that bytes came after it which belong to no answer, `ended_by_close` that only the connection's
    end marks the body's. `fault`, where it is not None, is what the next call raises.

    `max_head_size` is a security limit: the most bytes of status line and headers, of trailers and
    of all interim answers together.
    """

    __slots__ = (
        "_buffer",
        "_left",
        "_max_head_size",
        "_method",
        "_minor",
        "_overhead",
        "_state",
        "done",
        "ended_by_close",
        "fault",
        "headers",
        "keep_alive",
        "length",
        "reason",
        "started",
        "status",
        "surplus",
    )

    _buffer: bytes
    _left: int
    headers: Headers

    def __init__(self, method: str, max_head_size: int = MAX_HEAD_SIZE) -> None:
        self._method = method
        self._minor = ""
        self._max_head_size = max_head_size
        self._state = _HEAD
        self._buffer = b""
        self.fault: Optional[Malformed] = None
        self._overhead = 0
        self._left = 0
        self.done = False
        self.ended_by_close = False
        self.keep_alive = False
        self.length: Optional[int] = None
        self.started = False
        self.surplus = False
        self.status = 0
        self.reason = ""

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the connection; give the body's bytes among them."""
        if self.fault is not None:
            raise self.fault
        state = self._state
        if state == _CHUNKED:
            return self._feed_chunked(data)
        if state == _LENGTH:
            return self._feed_length(data)
        if state == _HEAD:
            return self._feed_head(data)
        if state == _CLOSE:
            return data
        if data:
            self.surplus = True
            self.keep_alive = False
        return b""

    def end(self) -> None:
        """Take the end of the connection; `CutShort` if the answer is not whole."""
        if self.fault is not None:
            raise self.fault
        state = self._state
        if state == _CLOSE:
            self._finish()
        elif state == _HEAD:
            if self.started:
                raise CutShort("the connection was closed in the middle of the answer's head")
            raise CutShort("the server closed the connection without an answer")
        elif state == _LENGTH:
            assert self.length is not None
            raise CutShort(
                "the connection was closed in the middle of the answer:"
                f" {self.length - self._left} of {self.length} bytes came"
            )
        elif state == _CHUNKED:
            raise CutShort("the connection was closed in the middle of the answer")
        self.keep_alive = False

    def _finish(self) -> None:
        self._state = _DONE
        self.done = True

    # -- head

    def _feed_head(self, data: bytes) -> bytes:
        self.started = self.started or bool(data)
        searched = max(0, len(self._buffer) - 2)
        if self._buffer:
            data = self._buffer + data
        while True:
            _check_start(data)
            found = _HEAD_END.search(data, searched)
            size = found.end() if found else len(data)
            if size + self._overhead > self._max_head_size:
                raise Malformed(f"the answer's head has more than {self._max_head_size} bytes")
            if not found:
                self._buffer = data
                return b""
            self._parse_head(data[: found.start()])
            data = data[size:]
            if self.status >= 200:
                break
            # 100 Continue and its kind come before the answer proper.
            self._overhead += size
            if self.status == 101:
                raise Malformed("the server switches to another protocol, which nobody asked for")
            self.status = 0
            searched = 0
        self._buffer = b""
        self._choose_framing()
        if not data:
            return b""
        try:
            return self.feed(data)
        except Malformed as fault:
            # The head was good: it counts first, as if the rest had come later.
            self.fault = fault
            return b""

    def _parse_head(self, head: bytes) -> None:
        lines = head.decode("latin-1").split("\n")
        minor, status, reason = _status_line(lines.pop(0))
        pairs = [pair for pair in map(_field, lines) if pair is not None]
        if len(pairs) < len(lines):
            pairs = _unfold(lines)
        self.status = status
        self.reason = reason
        self.headers = Headers(pairs)
        self._minor = minor
        self.keep_alive = minor != "0"

    def _choose_framing(self) -> None:
        headers = self.headers.found
        connection = headers.get("connection")
        if connection is not None:
            options = [option.strip(" \t").lower() for option in connection.split(",")]
            if "close" in options:
                self.keep_alive = False
            elif "keep-alive" in options:
                self.keep_alive = True
        coding = headers.get("transfer-encoding")
        length = headers.get("content-length")
        if coding is None and length is not None:
            self.length = _content_length(length)
        if (
            self._method == "HEAD"
            or self.status in (204, 304)
            or (self._method == "CONNECT" and self.status < 300)
        ):
            if self.status == 204 and (self.length or coding is not None):
                # It may send the body that it announces, in spite of the status.
                self.keep_alive = False
            self.length = None
            self._finish()
            return
        if coding is not None:
            if coding.strip(" \t").lower() != "chunked":
                raise Malformed(f"the answer has an unknown transfer coding: {coding[:80]!r}")
            # Where two readers could see two answers, nothing may follow this one.
            if length is not None or self._minor == "0":
                self.keep_alive = False
            self._state = _CHUNKED
        elif self.length is not None:
            self._left = self.length
            self._state = _LENGTH
            if not self.length:
                self._finish()
                return
        else:
            self.ended_by_close = True
            self.keep_alive = False
            self._state = _CLOSE
        encoding = headers.get("content-encoding")
        # Nobody reads what goes with a redirect, and an error tells most by its status.
        if (
            encoding is not None
            and self.status < 300
            and encoding.strip(" \t").lower() not in ("", "identity")
        ):
            raise Malformed(
                f"the answer is compressed ({encoding[:80]!r}), although only plain was asked for"
            )

    # -- bodies

    def _feed_length(self, data: bytes) -> bytes:
        left = self._left - len(data)
        if left > 0:
            self._left = left
            return data
        if left < 0:
            data = data[: self._left]
            self.surplus = True
            self.keep_alive = False
        self._left = 0
        self._finish()
        return data

    def _feed_chunked(self, data: bytes) -> bytes:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        out: List[bytes] = []
        if self._left > 0:
            data = self._rest_of_chunk(data, out)
        if not self._left:
            data = self._whole_chunks(data, out)
        try:
            self._any_chunks(data, out)
        except Malformed as fault:
            if not out:
                raise
            self.fault = fault
        return out[0] if len(out) == 1 else b"".join(out)

    def _rest_of_chunk(self, data: bytes, out: List[bytes]) -> bytes:
        """Take the end of a chunk that began before `data`, if it is there and looks like one."""
        left = self._left
        if data[left : left + 2] != b"\r\n":
            return data
        out.append(data[:left])
        self._left = _SIZE
        return data[left + 2 :]

    def _whole_chunks(self, data: bytes, out: List[bytes]) -> bytes:
        """Take the chunks at the start of `data` if they are as plain as servers write them.

        Nearly all of a stream goes through here: a few calls for any number of chunks. What does
        not look exactly like size, data, size, data is left to the other method, which decides.
        """
        parts = data.split(b"\r\n")
        count = len(parts) // 2
        if len(parts) % 2 == 0:
            count -= 1  # the last chunk's end is not there yet
        if count < 2:
            return data
        sizes = parts[0 : 2 * count : 2]
        bodies = parts[1 : 2 * count : 2]
        if list(map(_as_size, map(len, bodies))) != sizes or b"0" in sizes[:-1]:
            return data
        rest = b"\r\n".join(parts[2 * count :])
        if sizes[-1] == b"0":
            self._finish()
            if rest:
                self.surplus = True
                self.keep_alive = False
            rest = b""
        out.append(b"".join(bodies))
        return rest

    def _any_chunks(self, data: bytes, out: List[bytes]) -> None:
        left = self._left
        position, end = 0, len(data)
        while position < end:
            if left > 0:
                stop = position + left
                if stop > end:
                    out.append(data[position:])
                    self._left = stop - end
                    return
                out.append(data[position:stop])
                position = stop
                self._left = left = _CHUNK_END
            elif left == _SIZE:
                line_end = data.find(b"\r\n", position)
                if line_end < 0:
                    self._keep_size_line(data[position:])
                    return
                left = _chunk_size(data[position:line_end]) or _TRAILERS
                self._left = left
                position = line_end + 2
            elif left == _CHUNK_END:
                mark = data[position : position + 2]
                if mark == b"\r\n":
                    position += 2
                    self._left = left = _SIZE
                elif mark == b"\r":
                    self._buffer = mark
                    return
                else:
                    raise Malformed("a chunk of the answer is longer than its size says")
            else:
                rest = self._feed_trailers(data[position:])
                if self.done and rest:
                    self.surplus = True
                    self.keep_alive = False
                return

    def _keep_size_line(self, line: bytes) -> None:
        if len(line) > MAX_SIZE_LINE + 1 or not _SIZE_LINE_START.fullmatch(line):
            raise Malformed("the answer has a chunk without a valid size")
        self._buffer = line

    def _feed_trailers(self, data: bytes) -> bytes:
        """Check the trailers and the empty line after them; nobody needs what they say."""
        position = 0
        while True:
            line_end = data.find(b"\n", position)
            size = (len(data) if line_end < 0 else line_end) - position
            if size + self._overhead > self._max_head_size:
                raise Malformed(f"the answer's trailers have more than {self._max_head_size} bytes")
            if line_end < 0:
                self._buffer = data[position:]
                return b""
            line = data[position:line_end].decode("latin-1")
            if line == "\r":
                self._finish()
                return data[line_end + 1 :]
            if line[-1:] != "\r" or not _FIELD_LINE.fullmatch(line):
                raise Malformed("the answer ends with a line that is not a trailer")
            self._overhead += size + 1
            position = line_end + 1


def _check_start(data: bytes) -> None:
    """Refuse what cannot become a status line as soon as its first bytes are there."""
    if data[:7] == b"HTTP/1." or b"HTTP/1."[: len(data)] == data:
        return
    first = data[0]
    if first in (0x15, 0x16):
        raise Malformed("the server speaks TLS on this port; the URL must start with https://")
    if first == 0:
        raise Malformed("the server speaks HTTP/2 only")
    raise Malformed("what came is not an HTTP/1.1 answer")


def _unfold(lines: List[str]) -> List[Pair]:
    pairs: List[Pair] = []
    for line in lines:
        pair = _field(line)
        if pair is not None:
            pairs.append(pair)
            continue
        folded = _FOLDED_LINE.fullmatch(line)
        if folded is None or not pairs:
            raise Malformed("the answer's head contains a line that is not a header")
        # Obsolete, but a client must read it as a space.
        name, value = pairs[-1]
        more = folded.group(1).strip(" \t")
        pairs[-1] = (name, f"{value} {more}".strip(" \t"))
    return pairs


def _content_length(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 18:
        return int(text)
    # Several equal values are one that an intermediary repeated.
    values = {value.strip(" \t") for value in text.split(",")}
    value = values.pop()
    if values or not (value.isascii() and value.isdigit()) or len(value) > 18:
        raise Malformed(f"the answer has an invalid Content-Length: {text[:80]!r}")
    return int(value)


def _chunk_size(line: bytes) -> int:
    if line.strip(_HEX) or not 0 < len(line) <= 16:
        if len(line) > MAX_SIZE_LINE or not _SIZE_LINE.fullmatch(line):
            raise Malformed("the answer has a chunk without a valid size")
        line = line.partition(b";")[0].strip(b" \t")
    size = int(line, 16)
    if size >= 1 << 60:
        raise Malformed("the answer has a chunk of an impossible size")
    return size
