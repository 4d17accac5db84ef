"""``python -m ollamalite.mock``: run a mock server until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
import threading
from typing import Any, Dict, List, Optional

from ._server import Server, serve

_FAULT = """\
let every request suffer a fault, such as cut,after=100 or busy,path=/api/chat,times=3 or
slow,size=10,interval=0.1; names and parts are those of Server.fail
"""


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ollamalite.mock", description="Run a mock Ollama server."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address or unix:///path to listen on")
    parser.add_argument("--port", type=int, default=11434, help="port, 0 for any free one")
    parser.add_argument(
        "--delay", type=float, default=0.02, help="seconds before each piece of a stream"
    )
    parser.add_argument("--fault", action="append", default=[], help=_FAULT)
    parser.add_argument(
        "--cloud", action="store_true", help="have the routes of the cloud host as well"
    )
    chosen = parser.parse_args(arguments)
    server = serve(host=chosen.host, port=chosen.port, delay=chosen.delay, cloud=chosen.cloud)
    for text in chosen.fault:
        try:
            _fail(server, text)
        except (ValueError, TypeError) as error:
            parser.error(f"--fault {text}: {error}")
    try:
        server.start()
    except (OSError, OverflowError) as error:
        print(f"cannot listen on {chosen.host}, port {chosen.port}: {error}", file=sys.stderr)
        return 1
    print(f"mock Ollama on {server.url} (Ctrl-C stops it)", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return 0
    finally:
        server.close()
    return 0


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
