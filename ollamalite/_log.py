"""One DEBUG line for each request, under the name ``ollamalite``: no header, no body, no query."""

import sys
from time import monotonic

from . import errors
from ._plan import Plan

__all__ = ["log_answer", "log_failure"]

NAME = "ollamalite"


def log_answer(plan: Plan, status: int, started: float) -> None:
    """Note the status of an answer, at the moment when its head was there."""
    logging = sys.modules.get("logging")
    # Nobody listens where nobody has imported it.
    if logging is not None:
        logger = logging.getLogger(NAME)
        if logger.isEnabledFor(logging.DEBUG):
            took = (monotonic() - started) * 1000
            logger.debug("%s %s %d in %.1f ms", plan.method, plan.path, status, took)


def log_failure(plan: Plan, error: errors.TransportError, started: float) -> None:
    """Note that no answer came."""
    logging = sys.modules.get("logging")
    if logging is not None:
        logger = logging.getLogger(NAME)
        if logger.isEnabledFor(logging.DEBUG):
            took = (monotonic() - started) * 1000
            logger.debug("%s %s %s in %.1f ms", plan.method, plan.path, type(error).__name__, took)
