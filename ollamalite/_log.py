"""One DEBUG line for each request, under the name `ollamalite`: no header, no body, no query."""

from __future__ import annotations

import sys
from time import monotonic
from typing import Any

from . import errors
from ._plan import Plan

__all__ = ["log_answer", "log_failure"]

NAME = "ollamalite"
DEBUG = 10

_logger: Any = None


def log_answer(plan: Plan, status: int, started: float) -> None:
    """Note the status of an answer, at the moment when its head was there."""
    if _is_heard():
        took = (monotonic() - started) * 1000
        _logger.debug("%s %s %d in %.1f ms", plan.method, plan.path, status, took)


def log_failure(plan: Plan, error: errors.TransportError, started: float) -> None:
    """Note that no answer came."""
    if _is_heard():
        took = (monotonic() - started) * 1000
        _logger.debug("%s %s %s in %.1f ms", plan.method, plan.path, type(error).__name__, took)


def _is_heard() -> bool:
    global _logger
    if _logger is None:
        # Nobody listens where nobody has imported it, and the import takes its time.
        logging = sys.modules.get("logging")
        if logging is None:
            return False
        _logger = logging.getLogger(NAME)
    heard: bool = _logger.isEnabledFor(DEBUG)
    return heard
