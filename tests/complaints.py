"""What a program that should be silent wrote."""

import re

# Under `-X dev` asyncio notes each step that took more than 0.1 s: so it does on a busy machine.
_SLOW = re.compile(r"^Executing <.*> took [0-9.]+ seconds\n", re.MULTILINE)


def complaints(stderr: str) -> str:
    """The text without what only tells that the machine was slow."""
    return _SLOW.sub("", stderr)
