"""The command line: ``python -m ollamalite``, and the script that an installation makes."""

import sys
from typing import Optional, Sequence

INTERRUPTED = 130


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run one command and return its exit code.

    0 is success, 1 a failure (told on standard error), 2 a wrong use, 130 an interruption
    with Ctrl-C, 141 that nobody reads the output any more.

    Args:
        argv: The arguments after the program's name; without it, those of the process.
    """
    try:
        from ._cli import run

        # The package may have been copied under another name.
        return run((__package__ or "").rpartition(".")[2], argv)
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
