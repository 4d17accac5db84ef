"""Standing in for the ``ollama`` package, for code that imports it.

::

    from ollamalite.compat import install_as_ollama

    install_as_ollama()

    import ollama  # this package; so does a library that imports it from here on

Nothing here runs, and nothing changes, before `install_as_ollama` is called.
"""

from __future__ import annotations

import sys
from functools import partial
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

from ._convert import MAPPING

__all__ = ["OLLAMA_VERSION", "install_as_ollama"]

OLLAMA_VERSION = "0.6.3"
"""The version of the ``ollama`` package that is stood in for."""

NAMES = (
    "AsyncClient",
    "ChatResponse",
    "Client",
    "EmbedResponse",
    "EmbeddingsResponse",
    "GenerateResponse",
    "Image",
    "ListResponse",
    "Message",
    "Options",
    "ProcessResponse",
    "ProgressResponse",
    "RequestError",
    "ResponseError",
    "ShowResponse",
    "StatusResponse",
    "SystemOneAnswer",
    "SystemOneChoiceAnswer",
    "SystemOneChoiceQuestion",
    "SystemOneContent",
    "SystemOneNoulAnswer",
    "SystemOneNoulQuestion",
    "SystemOneQuestion",
    "SystemOneRequest",
    "SystemOneResponse",
    "SystemOneScoreAnswer",
    "SystemOneScoreQuestion",
    "SystemOneUsage",
    "Tool",
    "WebFetchResponse",
    "WebSearchResponse",
)
"""What ``from ollama import *`` gives."""


def install_as_ollama() -> ModuleType:
    """Serve ``ollama``, ``ollama._client``, ``ollama._types`` and ``ollama._utils`` from here.

    To be called before anything imports ``ollama``, installed or not. From then on its distribution
    is found by `importlib.metadata`, with the version `OLLAMA_VERSION`. Calling it again does
    nothing. Returns the module that ``import ollama`` gives.

    Raises:
        ImportError: if the ``ollama`` package itself was imported before, since those who did have
            its classes already.
    """
    present = sys.modules.get("ollama")
    if isinstance(present, _Module):
        return present
    if present is not None:
        raise ImportError(
            "the ollama package was imported already: call install_as_ollama() before that",
            name="ollama",
        )
    modules = {
        name: _Module(name, find)
        for name, find in (
            ("ollama", _find_public),
            ("ollama._client", _find_in_client),
            ("ollama._types", _find_in_types),
            ("ollama._utils", _find_in_utils),
        )
    }
    top = modules["ollama"]
    # An attribute and not a submodule: there as well it is the client that the functions share.
    for name in ("_types", "_utils"):
        setattr(top, name, modules[f"ollama.{name}"])
    sys.modules.update(modules)
    sys.meta_path.insert(0, _Distributions())
    return top


class _Module(ModuleType):
    """A module whose names are looked up here when they are first read."""

    def __init__(self, name: str, find: Callable[[str], Any]) -> None:
        super().__init__(name, "Served by another package in the place of ``ollama``.")
        package = name == "ollama"
        self.__spec__ = ModuleSpec(name, None, origin=__file__, is_package=package)
        self.__package__ = "ollama"
        self.__file__ = __file__
        if package:
            self.__path__ = []
            self.__all__ = list(NAMES)
        self._find = find

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = self._find(name)
        if value is _MISSING:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        setattr(self, name, value)
        return value

    def __dir__(self) -> List[str]:
        return sorted({*super().__dir__(), *NAMES})


_MISSING: Any = object()


def _package() -> Any:
    from importlib import import_module

    return import_module(__name__.rpartition(".")[0])


def _find_public(name: str) -> Any:
    package = _package()
    if name == "_client":
        return package.list.__self__
    if name == "__version__":
        return OLLAMA_VERSION
    return getattr(package, name, _MISSING)


def _find_in_types(name: str) -> Any:
    from ._model import Record

    if name in ("SubscriptableBaseModel", "BaseModel"):
        return Record
    if name in _BASES:
        return _base(name)
    if name in _IMPORTED:
        return _IMPORTED[name]()
    return getattr(_package(), name, _MISSING)


def _find_in_client(name: str) -> Any:
    from . import _client, _host
    from .errors import CONNECTION_ERROR_MESSAGE

    own = {
        "BaseClient": _client.BaseClient,
        "CONNECTION_ERROR_MESSAGE": CONNECTION_ERROR_MESSAGE,
        "__version__": OLLAMA_VERSION,
        "_copy_images": _copy_images,
        "_copy_messages": _copy_messages,
        "_copy_tools": _copy_tools,
        "_parse_host": _host.parse_host,
    }
    if name in own:
        return own[name]
    found = _find_in_utils(name)
    return _find_in_types(name) if found is _MISSING else found


def _find_in_utils(name: str) -> Any:
    if name == "convert_function_to_tool":
        from .tools import convert_function_to_tool

        return convert_function_to_tool
    if name == "_parse_docstring":
        return _parse_docstring
    if name == "Tool":
        return _package().Tool
    return _MISSING


# Classes that the official ones derive from, by those that do.
_BASES = {
    "BaseRequest": (
        "ChatRequest",
        "CreateRequest",
        "DeleteRequest",
        "EmbedRequest",
        "EmbeddingsRequest",
        "GenerateRequest",
        "PullRequest",
        "PushRequest",
        "ShowRequest",
    ),
    "BaseStreamableRequest": (
        "ChatRequest",
        "CreateRequest",
        "GenerateRequest",
        "PullRequest",
        "PushRequest",
    ),
    "BaseGenerateRequest": ("ChatRequest", "GenerateRequest"),
    "BaseGenerateResponse": ("ChatResponse", "EmbedResponse", "GenerateResponse"),
}


def _import(module: str, name: str) -> Any:
    from importlib import import_module

    return getattr(import_module(module), name, _MISSING)


# What the official modules import for their hints, and code with the same hints from there.
_IMPORTED: Dict[str, Callable[[], Any]] = {
    "JsonSchemaValue": lambda: Dict[str, Any],
    "Path": lambda: _import("pathlib", "Path"),
    "datetime": lambda: _import("datetime", "datetime"),
    **{
        name: partial(_import, "typing", name)
        for name in ("Annotated", "Dict", "Literal", "Mapping", "Optional", "Sequence", "Union")
    },
}


def _base(name: str) -> Any:
    """A class that is only tested for with isinstance."""
    from abc import ABCMeta

    package = _package()
    made: Any = ABCMeta(name, (), {"__doc__": f"Base of {', '.join(_BASES[name])}."})
    for derived in _BASES[name]:
        made.register(getattr(package, derived))
    return made


def _copy_images(images: Optional[Iterable[Any]]) -> Iterator[Any]:
    image = _package().Image
    for each in images or ():
        yield each if isinstance(each, image) else image(value=each)


def _copy_messages(messages: Optional[Iterable[Any]]) -> Iterator[Any]:
    message = _package().Message
    for each in messages or ():
        yield message(**{name: value for name, value in dict(each).items() if value is not None})


def _copy_tools(tools: Optional[Iterable[Any]] = None) -> Iterator[Any]:
    from .tools import convert_function_to_tool

    tool = _package().Tool
    for each in tools or ():
        is_function = callable(each) and not isinstance(each, MAPPING)
        yield convert_function_to_tool(each) if is_function else tool.model_validate(each)


def _parse_docstring(doc_string: Optional[str]) -> Dict[str, str]:
    """Return the text of each parameter that a docstring in Google style describes.

    Two more keys hold what surrounds them, as in the ``ollama`` package: the hash of the docstring,
    as text, the lines before the first section, and ``_`` those after the parameters.
    """
    import re
    from collections import defaultdict

    found: Dict[str, str] = defaultdict(str)
    if not doc_string:
        return found
    section = str(hash(doc_string))
    for line in doc_string.splitlines():
        start = line.strip().lower()
        if start.startswith("args:"):
            section = "args"
        elif start.startswith(("returns:", "yields:", "raises:")):
            section = "_"
        else:
            found[section] += line.strip() + "\n"
    latest = ""
    for line in found["args"].splitlines():
        line = line.strip()
        if ":" in line:
            # A name ends at its type in parentheses, or at the colon.
            parts: Tuple[Any, ...] = tuple(re.split(r"(?:\(([^)]*)\)|:)\s*", line, maxsplit=1))
            latest, text = parts[0].strip(), parts[-1].strip()
            if len(parts) > 2 and parts[1]:
                text = text.split(":", 1)[-1].strip()
            found[latest] = text
        elif latest and line:
            found[latest] += " " + line
    return found


class _Distributions:
    """Finds the distribution ``ollama``, and no module, among the finders of the import system."""

    @staticmethod
    def find_spec(*_: Any) -> None:
        return None

    @staticmethod
    def find_distributions(context: Any = None) -> Iterator[Any]:
        name = getattr(context, "name", None)
        if name is None or name.lower() == "ollama":
            yield _distribution()


def _distribution() -> Any:
    from importlib.metadata import Distribution

    class OllamaDistribution(Distribution):
        _files = {
            "METADATA": f"Metadata-Version: 2.1\nName: ollama\nVersion: {OLLAMA_VERSION}\n",
            "top_level.txt": "ollama\n",
        }

        def read_text(self, filename: str) -> Optional[str]:
            return self._files.get(filename)

        def locate_file(self, path: Any) -> Any:
            from pathlib import Path

            return Path(__file__).parent / path

    return OllamaDistribution()
