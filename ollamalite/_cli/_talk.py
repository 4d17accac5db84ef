"""The commands that a model answers: chat, generate, embed."""

from argparse import Namespace
from typing import Any, Dict, List, Mapping, Optional, Tuple, cast

from .._client import Client
from .._stream import Stream
from ..errors import OllamaError, RequestError
from ._console import Console

DIM = "\x1b[2m"
PLAIN = "\x1b[0m"


def chat(client: Client, console: Console, arguments: Namespace) -> None:
    """Answer one prompt, or hold a conversation on a terminal."""
    talk = _Chat(client, console, arguments)
    if not arguments.prompt and console.input_is_terminal:
        _converse(talk, console)
    else:
        talk.say(_prompt(console, arguments))


def generate(client: Client, console: Console, arguments: Namespace) -> None:
    """Go on from a prompt."""
    stream = client.generate(
        arguments.model,
        _prompt(console, arguments),
        arguments.suffix,
        system=arguments.system,
        images=_images(arguments),
        stream=True,
        **_settings(arguments),
    )
    _print(stream, console, arguments.json)


def embed(client: Client, console: Console, arguments: Namespace) -> None:
    """Turn texts into vectors."""
    response = client.embed(
        arguments.model,
        arguments.texts or _piped(console, arguments, "text"),
        options=arguments.options,
        keep_alive=arguments.keep_alive,
        dimensions=arguments.dimensions,
    )
    console.out.write_json(response)


class _Chat:
    """A conversation and its history."""

    def __init__(self, client: Client, console: Console, arguments: Namespace) -> None:
        self._client = client
        self._console = console
        self._model = arguments.model
        self._settings = _settings(arguments)
        self._json = arguments.json
        self._images = _images(arguments)
        self._messages: List[Mapping[str, Any]] = []
        if arguments.system:
            self._messages.append({"role": "system", "content": arguments.system})

    def say(self, text: str) -> None:
        """Add a message of the user, print the answer and add that as well.

        Of an answer that fails or is interrupted, what came of it is added; if nothing came, it is
        as if nothing had been said.
        """
        message: Dict[str, Any] = {"role": "user", "content": text}
        if self._images:
            message["images"] = self._images
        said = [*self._messages, message]
        answer = _Answer()
        try:
            stream = self._client.chat(self._model, said, stream=True, **self._settings)
            _print(stream, self._console, self._json, answer)
        finally:
            if answer.came:
                self._messages = [*said, answer.message()]
                self._images = None


def _converse(talk: _Chat, console: Console) -> None:
    while True:
        text = console.ask(">>> ")
        if text is None:
            return
        if not text.strip():
            continue
        try:
            talk.say(text)
        except KeyboardInterrupt:
            console.interrupted()
        except OllamaError as error:
            console.complain(error)


class _Answer:
    """What a model said, put together."""

    def __init__(self) -> None:
        self._content: List[str] = []
        self._thinking: List[str] = []

    @property
    def came(self) -> bool:
        return bool(self._content or self._thinking)

    def add(self, thinking: Optional[str], content: Optional[str]) -> None:
        if thinking:
            self._thinking.append(thinking)
        if content:
            self._content.append(content)

    def message(self) -> Dict[str, Any]:
        message = {"role": "assistant", "content": "".join(self._content)}
        if self._thinking:
            message["thinking"] = "".join(self._thinking)
        return message


def _print(
    stream: Stream[Any], console: Console, as_json: bool, answer: Optional[_Answer] = None
) -> None:
    thoughts = _Thoughts(console)
    try:
        with stream:
            for record in stream:
                thinking, content = _piece(record)
                if answer is not None:
                    answer.add(thinking, content)
                if as_json:
                    console.out.write_json(record)
                    continue
                if thinking:
                    thoughts.write(thinking)
                if content:
                    thoughts.end()
                    console.out.write(content)
    finally:
        thoughts.end()
    console.out.end_line()


def _piece(record: Any) -> Tuple[Optional[str], Optional[str]]:
    """Return the thinking and the text of a piece of an answer of either kind."""
    message = record.get("message")
    if message is not None:
        return message.thinking, message.content
    return record.get("thinking"), record.get("response")


class _Thoughts:
    """Writes what a model thinks to standard error: framed, and dimmed where that can be."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._dim, self._plain = (DIM, PLAIN) if console.err.has_colors else ("", "")
        self._open = False

    def write(self, text: str) -> None:
        if not self._open:
            self._console.out.end_line()
            self._open = True
            self._console.err.write(f"{self._dim}Thinking...\n")
        self._console.err.write(text)

    def end(self) -> None:
        if self._open:
            self._open = False
            self._console.err.end_line()
            self._console.err.write(f"...done thinking.{self._plain}\n\n")


def _prompt(console: Console, arguments: Namespace) -> str:
    if not arguments.prompt:
        return _piped(console, arguments, "prompt")
    # Only where it is asked for: a pipe that a parent process left open never ends.
    words = [console.read() if word == "-" else word for word in arguments.prompt]
    return " ".join(words)


def _piped(console: Console, arguments: Namespace, what: str) -> str:
    text = "" if console.input_is_terminal else console.read()
    if not text:
        arguments.parser.error(f"no {what}: give one as an argument, or on standard input")
    return text


def _settings(arguments: Namespace) -> Dict[str, Any]:
    return {
        "think": arguments.think,
        "format": _format(arguments.format),
        "options": arguments.options,
        "keep_alive": arguments.keep_alive,
    }


def _images(arguments: Namespace) -> Any:
    if not arguments.images:
        return None
    from pathlib import Path

    # As plain text, a path that does not exist would be taken for base64.
    return [Path(path) for path in arguments.images]


def _format(argument: Optional[str]) -> Any:
    if argument is None or argument == "json":
        return argument
    import json

    with open(argument, "rb") as file:
        content = file.read()
    try:
        schema: Any = json.loads(content)
    except ValueError as error:
        raise RequestError(f"{argument} is not JSON: {error}") from error
    if not isinstance(schema, dict):
        raise RequestError(f"{argument} is not a JSON Schema: it must be a JSON object")
    return cast("Dict[str, Any]", schema)
