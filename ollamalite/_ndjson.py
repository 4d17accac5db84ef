"""Newline-delimited JSON, from bytes in any pieces to values.

Strategy: the stream decoders of `_exchange` feed what a transport received, and get the values of
all lines that are whole by then. Lines end at LF and nowhere else: U+2028, U+2029 and U+0085 are
text. A bad line is an error only after the values before it were given. White space around a value,
and lines of nothing else, are passed over; nothing else is.
"""

from __future__ import annotations

import json
from typing import Any, Callable, List

MAX_LINE = 256 * 1024 * 1024
"""Security limit: the most bytes that one line may have, so that a server cannot fill memory."""

_decoder: Any = json.JSONDecoder()
_scan = _decoder.scan_once
_SPACE = " \t\r"


class BadLine(ValueError):
    """A line is not one JSON value, or too long."""


class LineReader:
    """Lines to values; ``take`` makes of each what the caller wants, or raises what ends it all."""

    __slots__ = ("_max_line", "_partial", "_size", "_take")

    def __init__(self, take: Callable[[Any], Any], max_line: int = MAX_LINE) -> None:
        self._take = take
        self._max_line = max_line
        self._partial: List[bytes] = []
        self._size = 0

    def feed(self, data: bytes, values: List[Any]) -> None:
        """Append what whole lines hold to ``values``. Raises BadLine, or what ``take`` raises."""
        end = data.rfind(b"\n")
        if end < 0:
            self._keep(data)
            return
        block = data[:end]
        if self._partial:
            block = b"".join((*self._partial, block))
            self._partial, self._size = [], 0
        self._lines(block, values)
        if end + 1 < len(data):
            self._keep(data[end + 1 :])

    def finish(self, values: List[Any]) -> None:
        """Take what follows the last LF as a line of its own: one-shot answers have no LF."""
        block, self._partial, self._size = b"".join(self._partial), [], 0
        self._lines(block, values)

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._max_line:
            raise self._too_long()
        self._partial.append(data)

    def _too_long(self) -> BadLine:
        return BadLine(f"a line is longer than the limit of {self._max_line} bytes")

    def _lines(self, block: bytes, values: List[Any]) -> None:
        # Only a block beyond the limit can hold a line beyond it.
        if len(block) > self._max_line:
            self._decode_one_by_one(block, values)
            return
        try:
            lines = block.decode().split("\n")
        except UnicodeDecodeError:
            self._decode_one_by_one(block, values)
            return
        take, append = self._take, values.append
        for line in lines:
            try:
                value, end = _scan(line, 0)
            except (StopIteration, ValueError, RecursionError):
                end = -1
                value = None
            if end != len(line):
                line = line.strip(_SPACE)
                if not line:
                    continue
                value = parse(line)
            append(take(value))

    def _decode_one_by_one(self, block: bytes, values: List[Any]) -> None:
        """Give the lines before the one that is not UTF-8, or too long."""
        for raw in block.split(b"\n"):
            if len(raw) > self._max_line:
                raise self._too_long()
            try:
                text = raw.decode()
            except UnicodeDecodeError as error:
                raise BadLine(f"not UTF-8 at byte {error.start} of a line") from None
            if text.strip(_SPACE):
                values.append(self._take(parse(text)))


def parse(text: str) -> Any:
    """Return the one JSON value that ``text`` holds. Raises BadLine, which says what is wrong."""
    text = text.strip(" \t\r\n")
    try:
        value, end = _scan(text, 0)
    except StopIteration as error:
        raise BadLine(f"not JSON at character {error.value}: {_excerpt(text)}") from None
    except ValueError as error:
        raise BadLine(f"not JSON: {error}: {_excerpt(text)}") from None
    except RecursionError:
        raise BadLine("JSON nested too deeply") from None
    if end != len(text):
        raise BadLine(f"more than one JSON value on a line, at character {end}: {_excerpt(text)}")
    return value


def _excerpt(text: str) -> str:
    return repr(text if len(text) <= 200 else text[:197] + "...")
