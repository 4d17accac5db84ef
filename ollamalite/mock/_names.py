"""The grammar of model names, and the suffixes that mean the cloud."""

from __future__ import annotations

import re
from typing import NamedTuple, Tuple

from ._gojson import quote

DEFAULT_HOST = "registry.ollama.ai"
DEFAULT_NAMESPACE = "library"
DEFAULT_TAG = "latest"

# A part that a separator promised and that is empty: the mark is no valid character.
_MISSING = "!"

_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}\Z")
_NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}\Z")
_MODEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}\Z")


class NameFault(ValueError):
    """A name that names two sources."""


class Name(NamedTuple):
    """The four parts of a model's name."""

    host: str
    namespace: str
    model: str
    tag: str

    @property
    def valid(self) -> bool:
        return bool(
            _HOST.match(self.host)
            and _NAMESPACE.match(self.namespace)
            and _MODEL.match(self.model)
            and _MODEL.match(self.tag)
        )

    @property
    def full(self) -> str:
        return f"{self.host}/{self.namespace}/{self.model}:{self.tag}"

    @property
    def short(self) -> str:
        """What lists show: default host and namespace are left out, the tag never is."""
        name = f"{self.model}:{self.tag}"
        if self.host != DEFAULT_HOST:
            return f"{self.host}/{self.namespace}/{name}"
        return name if self.namespace == DEFAULT_NAMESPACE else f"{self.namespace}/{name}"

    @property
    def path(self) -> str:
        return f"{self.host}/{self.namespace}/{self.model}/{self.tag}"

    @property
    def key(self) -> str:
        """Equal for names that mean the same model, whatever their case."""
        return self.full.lower()


def parse(text: str) -> Name:
    """Split a name and fill in what it leaves out; the result need not be valid."""
    host, namespace, tag = DEFAULT_HOST, DEFAULT_NAMESPACE, DEFAULT_TAG
    rest = text
    if rest.rfind(":") > rest.rfind("/"):
        rest, tag = _cut(rest, ":")
    if "/" not in rest:
        return Name(host, namespace, rest, tag)
    rest, model = _cut(rest, "/")
    if "/" not in rest:
        return Name(host, rest, model, tag)
    rest, namespace = _cut(rest, "/")
    _, scheme_mark, after = rest.partition("://")
    return Name(after if scheme_mark else rest, namespace, model, tag)


def _cut(text: str, separator: str) -> Tuple[str, str]:
    before, _, after = text.rpartition(separator)
    return before or _MISSING, after or _MISSING


def split_source(text: str) -> Tuple[str, str]:
    """Take the source suffix off a name: ``("gpt-oss:120b", "cloud")``; source "" if none."""
    text = text.strip()
    rest, source = _source(text)
    if source and _source(rest)[1]:
        raise NameFault(f"use either :local or :cloud, not both: {quote(text)}")
    return rest, source


def _source(text: str) -> Tuple[str, str]:
    before, colon, tag = text.rpartition(":")
    if not colon or "/" in tag:
        return text, ""
    folded = tag.lower()
    if folded in ("cloud", "local"):
        return before, folded
    if folded.endswith("-cloud"):
        return text[: -len("-cloud")], "cloud"
    return text, ""
