"""Functions as tools for a model."""

from __future__ import annotations

from typing import Any, Callable

from ._callee import name_of
from ._convert import Mismatch
from ._generated.models import Tool
from ._tool import function_schema
from .errors import RequestError

__all__ = ["convert_function_to_tool"]


def convert_function_to_tool(func: Callable[..., Any]) -> Tool:
    """Return a function's description as a tool, from its signature and its docstring.

    `Client.chat` does the same with every function among its ``tools``. Type hints become JSON
    Schema; a parameter that has no hint is a string. Parameters are required unless they have a
    default or may be None; ``*args``, ``**kwargs`` and what is bound already are none. The
    docstring may be in the style of Google, NumPy or Sphinx.

    Raises RequestError, a ValueError, for what has no signature, and for a type that has no
    counterpart in JSON Schema.
    """
    try:
        return Tool.model_validate(function_schema(func))
    except Mismatch as error:
        raise RequestError(error.text(name_of(func))) from None
