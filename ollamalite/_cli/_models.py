"""The commands about models and the server."""

from argparse import Namespace

from .._client import Client
from .._generated.models import ProgressResponse
from .._stream import Stream
from .._version import __version__
from . import _display
from ._console import Console, Output


def list_models(client: Client, console: Console, arguments: Namespace) -> None:
    """List the models that the server has."""
    response = client.list()
    if arguments.json:
        console.out.write_json(response)
    else:
        console.out.write(_display.models(response))


def list_running(client: Client, console: Console, arguments: Namespace) -> None:
    """List the models that are loaded."""
    response = client.ps()
    if arguments.json:
        console.out.write_json(response)
    else:
        console.out.write(_display.running(response))


def show(client: Client, console: Console, arguments: Namespace) -> None:
    """Tell about a model."""
    response = client.show(arguments.model)
    if arguments.json:
        console.out.write_json(response)
    else:
        console.out.write(_display.facts(response))


def pull(client: Client, console: Console, arguments: Namespace) -> None:
    """Download a model."""
    stream = client.pull(arguments.model, insecure=arguments.insecure, stream=True)
    _follow(stream, console, arguments.json)


def push(client: Client, console: Console, arguments: Namespace) -> None:
    """Upload a model."""
    stream = client.push(arguments.model, insecure=arguments.insecure, stream=True)
    _follow(stream, console, arguments.json)


def copy(client: Client, console: Console, arguments: Namespace) -> None:
    """Give a model a second name."""
    client.copy(arguments.source, arguments.destination)
    console.out.write(f"copied {arguments.source!r} to {arguments.destination!r}\n")


def delete(client: Client, console: Console, arguments: Namespace) -> None:
    """Delete models, up to the first that cannot be deleted."""
    for model in arguments.models:
        client.delete(model)
        console.out.write(f"deleted {model!r}\n")


def version(client: Client, console: Console, arguments: Namespace) -> None:
    """Tell the versions of this package and of the server."""
    if arguments.json:
        console.out.write_json(client.version())
        return
    console.out.write(f"client {__version__}\n")
    console.out.write(f"server {client.version().version}\n")


def _follow(stream: Stream[ProgressResponse], console: Console, as_json: bool) -> None:
    progress = _Progress(console.out)
    with stream:
        for step in stream:
            if as_json:
                console.out.write_json(step)
            else:
                progress.show(step)
    console.out.end_line()


class _Progress:
    """Steps of a transfer: a line each, which grows in place on a terminal."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._status = ""
        self._shown = ""

    def show(self, step: ProgressResponse) -> None:
        status = step.status or ""
        is_new = status != self._status
        if is_new:
            self._out.end_line()
            self._status, self._shown = status, ""
        if not self._out.is_terminal:
            if is_new:
                self._out.write(status + "\n")
            return
        line = _display.progress(step)[: self._out.columns - 1]
        if line != self._shown:
            self._out.write("\r" + line.ljust(len(self._shown)))
            self._shown = line
