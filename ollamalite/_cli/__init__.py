"""The commands of the command line, loaded by nothing else.

`_arguments` says what can be asked for, `_talk` and `_models` do it, `_console` is the only module
that touches the standard streams, and `_display` makes text of records.
"""

from typing import Optional, Sequence

from .._client import Client
from ..errors import OllamaError
from ._arguments import Arguments, make_parser
from ._console import Console

FAILED = 1
# What a shell reports of a process that died of SIGPIPE.
UNREAD = 141

# Seconds per word of the mock server: slow enough to see that an answer comes in pieces.
MOCK_DELAY = 0.03


def run(program: str, argv: Optional[Sequence[str]]) -> int:
    """Run one command and return its exit code. Raises KeyboardInterrupt, with the line ended."""
    console = Console(program)
    try:
        _run(make_parser(program).parse_args(argv), console)
    except SystemExit as end:
        # The parser has printed help, or what is wrong.
        code = end.code if isinstance(end.code, int) else 0
        return code if console.flush() else UNREAD
    except KeyboardInterrupt:
        console.interrupted()
        raise
    except BrokenPipeError:
        return UNREAD
    except (OllamaError, OSError) as error:
        console.complain(error)
        return FAILED
    return 0


def _run(arguments: Arguments, console: Console) -> None:
    if not arguments.mock:
        _run_against(arguments.host, arguments, console)
        return
    from .. import mock

    with mock.serve(delay=MOCK_DELAY) as server:
        _run_against(server.url, arguments, console)


def _run_against(host: Optional[str], arguments: Arguments, console: Console) -> None:
    with Client(host, timeout=arguments.timeout) as client:
        arguments.command(client, console, arguments)
