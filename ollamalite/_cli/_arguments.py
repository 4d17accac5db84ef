"""What can be asked for on the command line."""

import argparse
import os
import re
from typing import Any, Callable, Dict, List, Optional, Tuple

from .._client import Client
from .._version import __version__
from . import _models, _talk
from ._console import Console

Arguments = argparse.Namespace
Command = Callable[[Client, Console, Arguments], None]
Commands = Any  # what add_subparsers() gives has no public name

_NUMBER = re.compile(r"-?\d+(\.\d+)?\Z", re.ASCII)


def make_parser(program: str) -> argparse.ArgumentParser:
    """Return the parser; what it gives has the function to call as ``command``."""
    parser = argparse.ArgumentParser(
        program, description="Talk to an Ollama server.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"{program} {__version__}")
    server = parser.add_mutually_exclusive_group()
    server.add_argument(
        "--host",
        metavar="URL",
        type=text,
        help="where the server is (default: $OLLAMA_HOST, or this machine)",
    )
    server.add_argument(
        "--mock", action="store_true", help="use a made-up server inside this process"
    )
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=float, help="longest wait for the server"
    )
    commands = parser.add_subparsers(
        dest="name", metavar="COMMAND", required=True, parser_class=CommandParser
    )
    _add_talk(commands)
    _add_models(commands)
    return parser


class CommandParser(argparse.ArgumentParser):
    """A parser that takes options between a model and a prompt, too."""

    _mixing = False

    def parse_known_args(  # type: ignore[override]
        self, args: Any = None, namespace: Any = None
    ) -> Tuple[Arguments, List[str]]:
        if self._mixing:
            return super().parse_known_args(args, namespace)
        self._mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False


def _add_talk(commands: Commands) -> None:
    chat = _command(
        commands,
        _talk.chat,
        "chat",
        "answer a prompt; on a terminal, hold a conversation (Ctrl-C ends an answer, Ctrl-D all)",
    )
    generate = _command(commands, _talk.generate, "generate", "go on from a prompt")
    for parser in (chat, generate):
        _add_model(parser)
        parser.add_argument(
            "prompt",
            metavar="PROMPT",
            nargs="*",
            type=text,
            help="what to answer; without it, or for a word that is `-`, standard input is read",
        )
        parser.add_argument("--system", metavar="TEXT", type=text, help="system prompt")
        if parser is generate:
            parser.add_argument("--suffix", metavar="TEXT", type=text, help="text to lead up to")
        think = parser.add_mutually_exclusive_group()
        think.add_argument(
            "--think",
            action="store_true",
            default=None,
            help="let the model think first; thoughts go to standard error",
        )
        think.add_argument(
            "--no-think",
            action="store_false",
            dest="think",
            default=None,
            help="answer at once",
        )
        think.add_argument(
            "--think-level",
            metavar="LEVEL",
            type=text,
            dest="think",
            help="how hard to think, such as low, medium or high",
        )
        parser.add_argument(
            "--image",
            metavar="PATH",
            action="append",
            dest="images",
            help="image to show to the model; may be repeated",
        )
        parser.add_argument(
            "--format",
            metavar="json|FILE",
            help="answer in JSON, or in JSON that fits the JSON Schema in a file",
        )
        _add_running(parser)
        _add_json(parser, "print the records of the answer, one per line")
    embed = _command(commands, _talk.embed, "embed", "turn texts into vectors, printed as JSON")
    _add_model(embed)
    embed.add_argument(
        "texts", metavar="TEXT", nargs="*", type=text, help="a text; without any, what is piped in"
    )
    embed.add_argument("--dimensions", metavar="N", type=int, help="size of the vectors")
    _add_running(embed)


def _add_models(commands: Commands) -> None:
    for name, command, help in (
        ("list", _models.list_models, "list the models that the server has"),
        ("ps", _models.list_running, "list the models that are loaded"),
    ):
        parser = _command(commands, command, name, help)
        _add_json(parser, "print all that the server tells")
    show = _command(commands, _models.show, "show", "tell about a model")
    _add_model(show)
    _add_json(show, "print all that the server tells")
    for name, command, help in (
        ("pull", _models.pull, "download a model"),
        ("push", _models.push, "upload a model"),
    ):
        parser = _command(commands, command, name, help)
        _add_model(parser)
        parser.add_argument(
            "--insecure", action="store_true", help="allow a registry without proper TLS"
        )
        _add_json(parser, "print the records of the progress, one per line")
    copy = _command(commands, _models.copy, "copy", "give a model a second name", "cp")
    copy.add_argument("source", metavar="MODEL", type=text, help="name of the model")
    copy.add_argument("destination", metavar="NAME", type=text, help="the second name")
    delete = _command(commands, _models.delete, "delete", "delete models", "rm")
    delete.add_argument("models", metavar="MODEL", nargs="+", type=text, help="name of a model")
    version = _command(commands, _models.version, "version", "tell both versions")
    _add_json(version, "print what the server tells")


def _command(
    commands: Commands, command: Command, name: str, help: str, *aliases: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, aliases=aliases, help=help, description=help[0].upper() + help[1:] + "."
    )
    parser.set_defaults(command=command, parser=parser)
    return parser


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", type=text, help="name of the model")


def _add_json(parser: argparse.ArgumentParser, help: str) -> None:
    parser.add_argument("--json", action="store_true", help=help)


def _add_running(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--option",
        metavar="KEY=VALUE",
        action=AddOption,
        dest="options",
        type=text,
        help="setting of the model runner, such as temperature=0.2; may be repeated",
    )
    parser.add_argument(
        "--keep-alive",
        metavar="TIME",
        type=duration,
        help="how long the model stays loaded: seconds, or a text such as 5m",
    )


class AddOption(argparse.Action):
    """Collects ``key=value`` pairs in a dictionary."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: Arguments,
        values: Any,
        option_string: Optional[str] = None,
    ) -> None:
        key, mark, value = values.partition("=")
        if not (key and mark):
            parser.error(f"argument {option_string}: not of the form key=value: {values!r}")
        options: Dict[str, Any] = dict(getattr(namespace, self.dest) or {})
        # The one option that is a list of texts, which may look like numbers.
        if key == "stop" and not value.startswith("["):
            options[key] = [*options.get(key, ()), value]
        else:
            options[key] = _json_or_text(value)
        setattr(namespace, self.dest, options)


def text(argument: str) -> str:
    """Return an argument as text that UTF-8 can say, whatever the encoding of the locale."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return os.fsencode(argument).decode("utf-8", "replace")
    return argument


def duration(argument: str) -> Any:
    """Return the number of an argument that is one, else its text."""
    return float(argument) if _NUMBER.match(argument) else text(argument)


def _json_or_text(value: str) -> Any:
    import json

    try:
        return json.loads(value)
    except ValueError:
        return value
