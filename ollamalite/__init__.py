"""A client for the Ollama API with no dependency beyond the standard library.

::

    import ollamalite

    answer = ollamalite.chat("llama3.2", [{"role": "user", "content": "Why is the sky blue?"}])
    print(answer.message.content)

`Client` and `AsyncClient` have every operation of the API as a method; the functions of this
module are those of one `Client` that they share. Nothing is loaded, read from the environment or
connected before it is needed.
"""

from ._version import __version__ as __version__

# What checkers take for that of `typing`, which costs more to load than all that is here.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any, List

    from ._client import AsyncClient as AsyncClient
    from ._client import Client as Client
    from ._generated.functions import *
    from ._generated.models import *
    from ._images import Image as Image
    from ._scalars import ByteSize as ByteSize
    from ._settings import Timeout as Timeout
    from ._stream import AsyncStream as AsyncStream
    from ._stream import Stream as Stream
    from .errors import *

_PLACES = {
    "AsyncClient": "_client",
    "AsyncStream": "_stream",
    "ByteSize": "_scalars",
    "Client": "_client",
    "Image": "_images",
    "Stream": "_stream",
    "Timeout": "_settings",
}
_MODULES = ("errors", "_generated.models")


def _load(module: str) -> "Any":
    from importlib import import_module

    return import_module("." + module, __name__)


def _names() -> "List[str]":
    functions = _load("_generated.functions").FUNCTIONS
    named = [name for module in _MODULES for name in _load(module).__all__]
    return sorted([*_PLACES, "__version__", *named, *functions])


def __getattr__(name: str) -> "Any":
    if name == "__all__":
        return _names()
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = _find(name)
    globals()[name] = value
    return value


def _find(name: str) -> "Any":
    if name in _PLACES:
        return getattr(_load(_PLACES[name]), name)
    for module in _MODULES:
        if name in _load(module).__all__:
            return getattr(_load(module), name)
    if name in _load("_generated.functions").FUNCTIONS:
        shared = globals().get("_shared")
        if shared is None:
            # Two threads may get here at once, but only one client is kept.
            shared = globals().setdefault("_shared", _load("_client").SharedClient())
        return getattr(shared, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> "List[str]":
    return _names()
