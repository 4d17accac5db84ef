"""Asks for the addresses of a host, in a thread, as nothing else can end such a question early."""

from __future__ import annotations

import socket
import threading
from typing import Any, Callable, List, Tuple, Union

__all__ = ["Found", "resolve"]

Found = Union[List[Tuple[Any, Any]], BaseException]


def resolve(host: str, port: int, answer: Callable[[Found], None]) -> None:
    """Call `answer`, from another thread, with families and addresses or with what went wrong."""

    def ask() -> None:
        found: Found
        try:
            # As bytes: for text the first question loads the tables of IDNA.
            entries = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
            found = [(entry[0], entry[4]) for entry in entries]
        except BaseException as error:
            found = error
        answer(found)

    try:
        # An executor's thread would be waited for at the end of the program, or of the event loop.
        threading.Thread(target=ask, daemon=True).start()
    except RuntimeError:
        ask()  # an interpreter that ends starts no threads
