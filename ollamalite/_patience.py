"""How long one call may still wait: its `Timeout`, and the moment at which all of it is over."""

from time import monotonic
from typing import Optional

from . import errors
from ._failures import timed_out
from ._plan import Plan
from ._settings import Timeout

__all__ = ["Patience"]


class Patience:
    """Answers how long a single wait may be, and raises when it has been too long.

    A `kind` of waiting is an attribute of `Timeout`.
    """

    __slots__ = ("deadline", "timeout")

    def __init__(self, timeout: Timeout) -> None:
        self.timeout = timeout
        total = timeout.total
        self.deadline: Optional[float] = None if total is None else monotonic() + total

    def until(self, kind: str) -> Optional[float]:
        """The moment at which a wait that starts now is over; None for never."""
        seconds = getattr(self.timeout, kind)
        if seconds is None:
            return self.deadline
        moment: float = monotonic() + seconds
        return moment if self.deadline is None else min(moment, self.deadline)

    def left(self, plan: Plan, kind: str, until: Optional[float]) -> Optional[float]:
        """The seconds until then, more than 0; raises a `TimeoutError` of ours if it is past."""
        if until is None:
            return None
        left = until - monotonic()
        if left <= 0:
            raise self.over(plan, kind)
        return left

    def reading(self, plan: Plan) -> Optional[float]:
        """The seconds that the next read may wait."""
        if self.deadline is None:
            return self.timeout.read
        return self.left(plan, "read", self.until("read"))

    def over(self, plan: Plan, kind: str) -> errors.TimeoutError:
        """The exception for a wait that was too long."""
        # Timers are a little early at times.
        if self.deadline is not None and monotonic() >= self.deadline - 0.01:
            return timed_out(plan, "total", self.timeout.total)
        return timed_out(plan, kind, getattr(self.timeout, kind))
