"""What goes wrong on a bad day: faults of single answers, and latency. No socket."""

from __future__ import annotations

import math
import random
import threading
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

BUSY = "server busy, please try again.  maximum pending requests exceeded"
# No start of an HTTP answer, no UTF-8, and of a length that shifts whatever is counted.
GARBAGE = b"\x16\x03\x01\xff\x00 no HTTP \xff\x00\r\n"

_WHERE = ("after", "pieces")
_DETAILS: Dict[str, Tuple[str, ...]] = {
    "busy": (),
    "cut": _WHERE,
    "error": ("status", "text"),
    "garbage": _WHERE,
    "refuse": (),
    "reset": _WHERE,
    "slow": (*_WHERE, "size", "interval"),
    "stall": _WHERE,
}


class Fault:
    """What one request after another suffers; `Server.fail` tells what the parts mean.

    ``ValueError`` for what makes no sense.
    """

    def __init__(
        self,
        kind: str,
        *,
        after: Optional[int] = None,
        pieces: Optional[int] = None,
        size: Optional[int] = None,
        interval: Optional[float] = None,
        status: Optional[int] = None,
        text: Optional[str] = None,
        path: Optional[str] = None,
        times: Optional[int] = 1,
    ) -> None:
        if kind not in _DETAILS:
            raise ValueError(f"no fault is called {kind!r}; there are {', '.join(_DETAILS)}")
        details: Dict[str, Any] = {
            "after": after,
            "pieces": pieces,
            "size": size,
            "interval": interval,
            "status": status,
            "text": text,
        }
        for name, value in details.items():
            if value is not None and name not in _DETAILS[kind]:
                fitting = ", ".join((*_DETAILS[kind], "path", "times"))
                raise ValueError(f"the fault {kind!r} has no {name!r}; it takes {fitting}")
        if after is not None and pieces is not None:
            raise ValueError("a fault comes after so many bytes or so many pieces, not both")
        if path is not None and not path.startswith("/"):
            raise ValueError(f"path must start with a slash, as in '/api/chat', not {path!r}")
        self.kind = kind
        self.path = path
        self.times: Optional[int] = None if times is None else count("times", times, 1)
        self.after: int = count("after", after or 0, 0)
        self.pieces: Optional[int] = None if pieces is None else count("pieces", pieces, 0)
        self.size: int = count("size", 1 if size is None else size, 1)
        self.interval: float = seconds("interval", 0.01 if interval is None else interval)
        self.status: int = 503 if kind == "busy" else 500 if status is None else status
        self.text: str = BUSY if kind == "busy" else text or "internal server error"
        if not 400 <= count("status", self.status, 0) <= 599:
            raise ValueError(f"status must be that of an error, 400 to 599, not {status!r}")

    @property
    def instead(self) -> bool:
        """An error of the server in place of its answer."""
        return self.kind in ("busy", "error")

    def __repr__(self) -> str:
        return f"<fault {self.kind}>"


class Faults:
    """Those that wait for a request. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._waiting: List[Tuple[Fault, List[int]]] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._waiting.append((fault, [] if fault.times is None else [fault.times]))

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def take(self, path: str, handled: bool) -> Optional[Fault]:
        """The first one for a request to ``path`` that a handler answers, or none."""
        with self._lock:
            for entry in self._waiting:
                fault, left = entry
                if fault.path in (None, path) and (handled or not fault.instead):
                    if left:
                        left[0] -= 1
                        if not left[0]:
                            self._waiting.remove(entry)
                    return fault
        return None


class Struck(Exception):
    """The answer ends here, in the way that ``kind`` names."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Harm:
    """One fault on the way of one answer's bytes."""

    def __init__(
        self, fault: Fault, send: Callable[[bytes], None], pause: Callable[[float], None]
    ) -> None:
        self._fault = fault
        self._send = send
        self._pause = pause
        self._bytes = fault.after
        self._pieces = fault.pieces
        self.struck = False

    def send(self, piece: bytes) -> None:
        """Pass on what comes before the fault, and what it lets through. Raises `Struck`."""
        if not self.struck:
            before = self._before(len(piece))
            if before:
                self._send(piece[:before])
            piece = piece[before:]
            if not piece:
                # If this is the end, what follows belongs to the next request.
                return
            self.struck = True
            if self._fault.kind == "garbage":
                piece = GARBAGE + piece
            elif self._fault.kind != "slow":
                raise Struck(self._fault.kind)
        if self._fault.kind == "slow":
            for start in range(0, len(piece), self._fault.size):
                self._pause(self._fault.interval)
                self._send(piece[start : start + self._fault.size])
        elif piece:
            self._send(piece)

    def _before(self, size: int) -> int:
        if self._pieces is None:
            before = min(self._bytes, size)
            self._bytes -= before
            return before
        before = size if self._pieces else 0
        self._pieces = max(0, self._pieces - 1)
        return before


class Latency:
    """Seconds before each answer, drawn evenly from ``bounds``: the same ones for the same seed."""

    def __init__(self, bounds: Union[float, Tuple[float, float]], seed: int) -> None:
        low, high = bounds if isinstance(bounds, tuple) else (bounds, bounds)
        self._low = seconds("latency", low)
        self._high = seconds("latency", high)
        if self._low > self._high:
            raise ValueError(f"latency must be seconds or (least, most), not {bounds!r}")
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def draw(self) -> float:
        if not self._high:
            return 0.0
        with self._lock:
            return self._random.uniform(self._low, self._high)


def count(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be an int of {least} or more, not {value!r}")
    return value


def seconds(name: str, value: Any) -> float:
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not good or not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} must be a number of seconds, 0 or more, not {value!r}")
    return float(value)
