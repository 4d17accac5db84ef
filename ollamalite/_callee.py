"""What a function says of itself: its name, its docstring, its parameters and their hints.

A plain function is read off its code object, as `inspect` takes several times as long.
"""

from __future__ import annotations

import functools
import types
from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple, cast

from ._convert import Mismatch

# A type that a value is tested against without becoming one of parameters unknown.
PARTIAL: Any = functools.partial


class Scope:
    """Where the names in a hint that is text are looked up."""

    __slots__ = ("_local", "names")

    def __init__(self, names: Dict[str, Any], local: Any = None) -> None:
        self.names = names
        self._local = local

    def evaluate(self, text: str) -> Any:
        """Return what ``text`` names; raises whatever evaluating it raises."""
        local = self._local
        if isinstance(local, types.FunctionType):
            local = _closure(local)
        # The text is the caller's code: an annotation that was not evaluated where it stands.
        return eval(text, self.names, local)  # noqa: S307


def _closure(function: types.FunctionType) -> Dict[str, Any]:
    values: Dict[str, Any] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            values[name] = cell.cell_contents
        except ValueError:
            continue  # not assigned yet
    return values


class Parameter(NamedTuple):
    name: str
    hint: Any
    optional: bool = False
    text: str = ""


def _parameter(name: str, hint: Any, default: Any) -> Parameter:
    """A parameter with a default, in whose place a Field of pydantic may say more of it."""
    if _is_field(default):
        return Parameter(name, hint, not default.is_required(), default.description or "")
    return Parameter(name, hint, True)


_PLAIN = frozenset((str, int, float, bool, type(None)))


def _is_field(default: Any) -> bool:
    # Asked of its class, since some objects have an attribute of any name.
    return hasattr(cast(Any, type(default)), "is_required")


class Callee(NamedTuple):
    name: str
    doc: Any
    parameters: Tuple[Parameter, ...]
    scope: Scope


def callee_of(func: Any) -> Callee:
    method = type(func) is types.MethodType
    function: Any = func.__func__ if method else func
    if type(function) is not types.FunctionType or not function.__dict__.keys().isdisjoint(
        ("__signature__", "__wrapped__")
    ):
        return _by_signature(func)
    defaults: Tuple[Any, ...] = function.__defaults__ or ()
    if function.__kwdefaults__:
        defaults += tuple(function.__kwdefaults__.values())
    if not _PLAIN.issuperset(map(type, defaults)) and any(map(_is_field, defaults)):
        return _by_signature(func)
    # What inspect.signature tells of a plain function, in a fraction of its time.
    code = function.__code__
    positional = code.co_argcount
    names = code.co_varnames[: positional + code.co_kwonlyargcount]
    optional: Set[str] = set(function.__kwdefaults__ or ())
    optional.update(names[positional - len(function.__defaults__ or ()) : positional])
    hints = function.__annotations__
    parameters = [
        Parameter(name, hints.get(name, str), name in optional)
        for name in names[min(method, positional) :]
    ]
    doc = function.__doc__
    if method and doc is None:
        import inspect

        doc = inspect.getdoc(func)  # that of the method which this one overrides
    scope = Scope(function.__globals__, function)
    return Callee(name_of(func), doc, tuple(parameters), scope)


def _by_signature(func: Any) -> Callee:
    import inspect

    try:
        signature = inspect.signature(_bare(func))
    except (TypeError, ValueError):
        raise Mismatch("a function with a signature", func) from None
    doc: Optional[str] = None
    bound: Set[str] = set()
    inner: Any = func
    while isinstance(inner, PARTIAL):
        doc = doc or inner.__dict__.get("__doc__")
        bound.update(inner.keywords)
        inner = inner.func
    parameters: List[Parameter] = []
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.name not in bound:
            hint: Any = str if parameter.annotation is parameter.empty else parameter.annotation
            parameters.append(
                Parameter(parameter.name, hint)
                if parameter.default is parameter.empty
                else _parameter(parameter.name, hint, parameter.default)
            )
    if not (isinstance(inner, type) or inspect.isroutine(inner) or hasattr(inner, "__wrapped__")):
        # An object that can be called: its method says what a call does, or else its class.
        doc = doc or inner.__call__.__doc__ or inner.__doc__
        inner = inner.__call__
    doc = doc or inspect.getdoc(inner)
    function = inspect.unwrap(cast(Any, inner).__init__ if isinstance(inner, type) else inner)
    function = getattr(function, "__func__", function)
    scope = Scope(getattr(function, "__globals__", {}), function)
    return Callee(name_of(func), doc, tuple(parameters), scope)


def _bare(func: Any) -> Any:
    """A partial without what update_wrapper puts there, which hides that arguments are bound."""
    if isinstance(func, PARTIAL):
        return PARTIAL(_bare(func.func), *func.args, **func.keywords)
    return func


def name_of(func: Any) -> str:
    """Return the name that a function has as a tool."""
    if isinstance(func, PARTIAL) and "__name__" not in vars(func):
        return name_of(func.func)
    name = getattr(func, "__name__", None)
    return name if isinstance(name, str) else type(func).__name__
