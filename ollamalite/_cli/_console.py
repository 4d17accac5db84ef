"""The standard streams as they really are: of any encoding, a terminal, a pipe, or closed.

Nothing that a model says or a user types may fail for its characters: what the encoding of an
output lacks becomes a question mark, and input that is not UTF-8 is taken as the locale's.
"""

import os
import sys
from typing import Any, Optional, TextIO

from ..errors import ResponseError


class Console:
    """Standard input, output and error of one command."""

    def __init__(self, program: str) -> None:
        self._program = program
        self.out = Output(sys.stdout)
        self.err = Output(sys.stderr)
        self._input: Any = sys.stdin
        self.input_is_terminal = _is_terminal(sys.stdin)

    def read(self) -> str:
        """Return all of standard input, without the line breaks at its end."""
        if self._input is None:
            return ""
        return self._decode(_raw(self._input).read()).rstrip("\n")

    def ask(self, prompt: str) -> Optional[str]:
        """Return the next line that the user types; None at the end of the input."""
        asking = self.out if self.out.is_terminal else self.err
        asking.write(prompt)
        # Not input(): it fails for what the encoding of the terminal lacks.
        line = self._decode(_raw(self._input).readline())
        if not line:
            asking.end_line()
            return None
        if line.endswith("\n"):
            asking.line_is_open = False
        asking.end_line()
        return line.rstrip("\n")

    def complain(self, error: Exception) -> None:
        """Write to standard error what went wrong, on a line of its own."""
        try:
            self.out.end_line()
            self.err.end_line()
            self.err.write(f"{self._program}: {_reason(error)}\n")
        except OSError:
            return  # there is nobody left to tell

    def interrupted(self) -> None:
        """End the line that Ctrl-C cut short, or that shows it."""
        try:
            if self.out.line_is_open or self.out.is_terminal:
                self.out.write("\n")
        except OSError:
            return

    def flush(self) -> bool:
        """Write what others have left in the buffers; False if it cannot be written."""
        try:
            self.out.flush()
            self.err.flush()
        except OSError:
            return False
        return True

    def _decode(self, data: Any) -> str:
        # A stream that someone put in the place of standard input may have text only.
        text: str = data if isinstance(data, str) else _decode(data, self._input.encoding)
        return text.replace("\r\n", "\n")


class Output:
    """An output that takes any text, shows it at once, and knows whether a line is open."""

    def __init__(self, stream: Optional[TextIO]) -> None:
        self._stream = stream
        self.is_terminal = _is_terminal(stream)
        self.line_is_open = False

    @property
    def has_colors(self) -> bool:
        """Whether escape sequences would be understood, and are wanted."""
        if not self.is_terminal or os.environ.get("NO_COLOR"):
            return False
        if os.name == "nt":
            # The older console shows them as they are, unless it is told not to.
            return "WT_SESSION" in os.environ
        return os.environ.get("TERM", "dumb") != "dumb"

    @property
    def columns(self) -> int:
        """Width of the terminal in characters."""
        try:
            assert self._stream is not None
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80

    def write(self, text: str, instead: Optional[str] = None) -> None:
        """Write a text; ``instead`` is another form of it for an encoding that lacks something."""
        if not text or self._stream is None:
            return
        ends_line = text.endswith("\n")
        # Said before it is so: Ctrl-C may come at any moment, and then has to end the line.
        self.line_is_open = self.line_is_open or not ends_line
        try:
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                if instead is None:
                    encoding = self._stream.encoding
                    instead = text.encode(encoding, "replace").decode(encoding)
                self._stream.write(instead)
            self._stream.flush()
        except OSError:
            self._give_up()
            raise
        self.line_is_open = not ends_line

    def write_json(self, value: Any) -> None:
        """Write a value as a line of JSON."""
        import json

        self.write(json.dumps(value, ensure_ascii=False) + "\n", json.dumps(value) + "\n")

    def end_line(self) -> None:
        """Write a line break unless the output stands at the start of a line."""
        if self.line_is_open:
            self.write("\n")

    def flush(self) -> None:
        if self._stream is None:
            return
        try:
            self._stream.flush()
        except OSError:
            self._give_up()
            raise

    def _give_up(self) -> None:
        """Let what is left in the buffer go nowhere, or the interpreter complains at exit."""
        assert self._stream is not None
        try:
            descriptor = self._stream.fileno()
            nowhere = os.open(os.devnull, os.O_WRONLY)
        except (OSError, ValueError):
            return  # no file, so nothing is written at exit either
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


def _reason(error: Exception) -> str:
    if isinstance(error, ResponseError) and error.error:
        return error.error
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__


def _is_terminal(stream: Optional[TextIO]) -> bool:
    return stream is not None and stream.isatty()


def _raw(stream: Any) -> Any:
    return getattr(stream, "buffer", stream)


def _decode(data: bytes, encoding: Optional[str]) -> str:
    try:
        # Editors and shells of Windows begin UTF-8 with a mark.
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode(encoding or "ascii", "replace")
