"""``python -m ollamalite.mock``: run a mock server, or a recording proxy, until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
import threading
from typing import Any, Dict, List, Optional

from ._listener import Listener
from ._record import record
from ._server import Server, serve

_FAULT = """\
let every request suffer a fault, such as cut,after=100 or busy,path=/api/chat,times=3 or
slow,size=10,interval=0.1; names and parts are those of Server.fail
"""


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ollamalite.mock",
        description="Run a mock Ollama server. It listens on this machine only, unless --host"
        " says otherwise.",
    )
    commands = parser.add_subparsers(dest="command", metavar="record | replay")
    recording = commands.add_parser("record", help="pass requests on to a server and record them")
    recording.add_argument("--upstream", required=True, help="URL of the server")
    recording.add_argument("--into", required=True, metavar="DIR", help="folder for the files")
    replaying = commands.add_parser("replay", help="answer as a recorded server did")
    replaying.add_argument("folder", metavar="DIR", help="folder of recorded exchanges")
    for each in (parser, recording, replaying):
        # Defaults come from the namespace: those of a command would hide what stands before it.
        each.argument_default = argparse.SUPPRESS
        each.add_argument("--host", help="address or unix:///path to listen on (127.0.0.1)")
        each.add_argument(
            "--port", type=int, help="port, 0 for any free one (11434, for record 11435)"
        )
        if each is not recording:
            each.add_argument(
                "--delay", type=float, help="seconds before each piece of a stream (0.02)"
            )
            each.add_argument("--fault", action="append", help=_FAULT)
    parser.add_argument(
        "--cloud",
        action="store_true",
        default=False,
        help="have the routes of the cloud host as well",
    )
    given = argparse.Namespace(host="127.0.0.1", port=None, delay=0.02, fault=[])
    chosen = parser.parse_args(arguments, given)
    if chosen.port is None:
        # A server that is to be recorded has the usual port already.
        chosen.port = 11435 if chosen.command == "record" else 11434
    try:
        server = _made(chosen)
    except (ValueError, TypeError, OSError) as error:
        parser.error(str(error))
    what = f"recorder of {chosen.upstream}" if chosen.command == "record" else "mock Ollama"
    try:
        server.start()
        print(f"{what} on {server.url} (Ctrl-C stops it)", flush=True)
        threading.Event().wait()
    except (OSError, OverflowError) as error:
        print(f"cannot listen on {chosen.host}, port {chosen.port}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        server.close()
    return 0


def _made(chosen: argparse.Namespace) -> Listener:
    if chosen.command == "record":
        return record(chosen.upstream, chosen.into, host=chosen.host, port=chosen.port)
    server = serve(
        host=chosen.host,
        port=chosen.port,
        delay=chosen.delay,
        cloud=chosen.cloud,
        replay=chosen.folder if chosen.command == "replay" else None,
    )
    for text in chosen.fault:
        try:
            _fail(server, text)
        except (ValueError, TypeError) as error:
            raise ValueError(f"--fault {text}: {error}") from None
    return server


def _fail(server: Server, text: str) -> None:
    kind, *parts = text.split(",")
    details: Dict[str, Any] = {"times": None}
    for part in parts:
        name, _, value = part.partition("=")
        if name in ("path", "text"):
            details[name] = value
        else:
            details[name] = float(value) if name == "interval" else int(value)
    server.fail(kind, **details)


if __name__ == "__main__":
    sys.exit(main())
