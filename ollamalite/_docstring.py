"""What a docstring says of a function and its parameters, in Google's, NumPy's or Sphinx' style."""

from __future__ import annotations

import functools
import re
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

_SECTIONS = frozenset(
    (
        "args",
        "arguments",
        "attributes",
        "keyword args",
        "keyword arguments",
        "other parameters",
        "parameters",
        "params",
    )
)
_OTHER_SECTIONS = frozenset(("raises", "receives", "returns", "warns", "yields"))
_OTHER_TITLES = ("raises:", "returns:", "yields:")
_FIELDS = frozenset(("arg", "argument", "key", "keyword", "param", "parameter"))
_OTHER_FIELDS = frozenset(
    ("except", "exception", "raise", "raises", "return", "returns", "rtype", "type", "yield")
)
_NAMES = r"`?(\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)`?"
_GOOGLE_ENTRY = _NAMES + r"\s*(?:\((?:[^()]|\([^()]*\))*\))?\s*:\s*(.*)"
_NUMPY_ENTRY = _NAMES + r"\s*(?::.*)?()"
_SPHINX_FIELD = r":(\w+)(?:\s+([^:]*))?:\s*(.*)"


def parse_docstring(doc: Any, names: Tuple[str, ...]) -> Tuple[str, Mapping[str, str]]:
    """Return the description in a docstring, and the texts for those of ``names`` that have one.

    What it says of results and exceptions is in neither.
    """
    return _parsed(doc, names) if isinstance(doc, str) else ("", {})


# With every message of a chat, the same functions are described anew.
@functools.lru_cache(maxsize=512)
def _parsed(doc: str, names: Tuple[str, ...]) -> Tuple[str, Mapping[str, str]]:
    reader = _Docstring(names)
    lines = clean(doc)
    skip = False
    for line, following in zip(lines, [*lines[1:], ""]):
        if not skip:
            rule = following.strip()
            skip = reader.feed(line, len(rule) > 2 and rule in ("-" * len(rule), "=" * len(rule)))
        else:
            skip = False
    texts = {name: " ".join(filter(None, words)) for name, words in reader.texts.items()}
    return "\n".join(reader.description).strip(), texts


def clean(doc: str) -> List[str]:
    """The lines of a docstring, without the indentation that they share."""
    first, *lines = doc.expandtabs().splitlines() or [""]
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return [first.lstrip(), *(line[margin:] for line in lines)]


class _Docstring:
    """What the lines of a docstring tell, one after the other.

    A section of Google's style has indented lines, or ends at an empty one; one of NumPy's ends at
    the next underlined title. A field of Sphinx ends at an empty line or at the next one.
    """

    def __init__(self, names: Tuple[str, ...]) -> None:
        self.description: List[str] = []
        self.texts: Dict[str, List[str]] = {}
        self._names = names
        self._read: Callable[[str, int], None] = self._text
        self._words: List[str] = []
        # Indentation of the title, and of the line after it.
        self._level = 0
        self._base: Optional[int] = None
        self._after_blank = False

    def feed(self, line: str, underlined: bool) -> bool:
        """Take one line; tell if the rule that underlines it is part of its meaning."""
        text = line.strip()
        if not text:
            self._after_blank = True
            if self._read == self._text:
                self.description.append("")
            return False
        indent = len(line) - len(line.lstrip())
        if underlined:
            return self._numpy_title(text, indent)
        if not (self._google_title(text, indent) or self._sphinx_field(text, indent)):
            self._read(text, indent)
        self._after_blank = False
        return False

    def _start(
        self, read: Callable[[str, int], None], indent: int, base: Optional[int] = None
    ) -> None:
        self._read = read
        self._words = []
        self._level = indent
        self._base = base

    def _numpy_title(self, text: str, indent: int) -> bool:
        title = text.lower()
        if title in _SECTIONS:
            self._start(self._numpy, indent)
        elif title in _OTHER_SECTIONS:
            self._start(self._nothing, indent)
        else:
            self._text(text, indent)
            return False
        return True

    def _google_title(self, text: str, indent: int) -> bool:
        lowered = text.lower()
        pattern = _GOOGLE_ENTRY if indent > self._level else _NUMPY_ENTRY
        if self._read == (self._google if indent > self._level else self._numpy):
            entry = re.fullmatch(pattern, text)
            if entry is not None and self._is_new(entry[1]):
                return False  # a parameter that is named like a section
        if lowered.startswith(_OTHER_TITLES):
            inline = text.partition(":")[2].strip()
            self._start(self._other, indent, indent if inline else None)
            return True
        if lowered.startswith("args:") or (text[-1] == ":" and lowered[:-1].strip() in _SECTIONS):
            self._start(self._google, indent)
            return True
        return False

    def _sphinx_field(self, text: str, indent: int) -> bool:
        field = re.fullmatch(_SPHINX_FIELD, text) if text[0] == ":" else None
        if field is None or not (field[1] in _OTHER_FIELDS or (field[1] in _FIELDS and field[2])):
            return False
        self._start(self._sphinx, indent)
        if field[1] in _FIELDS:
            self._entry(field[2].split()[-1], field[3])
        return True

    def _entry(self, names: str, text: str) -> None:
        self._words = [text]
        for name in names.split(","):
            name = name.strip().lstrip("*")
            if name in self._names:
                self.texts[name] = self._words

    # How a line is read, by what it is part of.

    def _text(self, text: str, indent: int) -> None:
        if self._read != self._text:
            self._read = self._text
            if self._after_blank and self.description and self.description[-1]:
                self.description.append("")
        self.description.append(text)

    def _google(self, text: str, indent: int) -> None:
        ended = self._ended(indent)
        base = indent if self._base is None else self._base
        entry = re.fullmatch(_GOOGLE_ENTRY, text)
        known = entry is not None and self._is_new(entry[1])
        if ended and not (known and base <= self._level):
            self._text(text, indent)
        elif entry is not None and (known or indent <= base):
            self._entry(entry[1], entry[2])
        else:
            self._words.append(text)

    def _numpy(self, text: str, indent: int) -> None:
        entry = re.fullmatch(_NUMPY_ENTRY, text)
        if indent > self._level:
            self._words.append(text)
        elif entry is not None:
            self._entry(entry[1], "")
        else:
            self._text(text, indent)

    def _sphinx(self, text: str, indent: int) -> None:
        if self._after_blank and indent <= self._level:
            self._text(text, indent)
        else:
            self._words.append(text)

    def _other(self, text: str, indent: int) -> None:
        if self._ended(indent):
            self._text(text, indent)

    def _nothing(self, text: str, indent: int) -> None:
        """Between a title of NumPy's style and the next, nothing is of interest."""

    def _ended(self, indent: int) -> bool:
        if self._base is None:
            self._base = indent
            return False
        return indent <= self._level and (self._base > self._level or self._after_blank)

    def _is_new(self, names: str) -> bool:
        parts = [name.strip().lstrip("*") for name in names.split(",")]
        return any(name in self._names and name not in self.texts for name in parts)
