"""``client_methods.py``: the methods of both clients, with real parameters and docstrings."""

import textwrap
from typing import Iterator, List, Tuple

from .description import Description, Operation, Parameter, Type
from .operations import response_of

WIDTH = 100
# Methods with behaviour of their own.
HAND_WRITTEN = {"create_blob": "(path: StrPath, *, timeout: TimeoutTypes = None) -> str"}
SCALARS = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "object": "Mapping[str, Any]",
    "any": "Any",
}
TIMEOUT_DOC = (
    "Time limit of this call in seconds, (connect, read), or an object with these as attributes;"
    " None takes the client's."
)


def emit(description: Description) -> str:
    lines = [
        "from __future__ import annotations",
        "",
        "from typing import (",
        "    Any, Awaitable, Callable, Dict, Literal, Mapping, Optional, Sequence, Type, TypeVar,",
        "    Union, overload,",
        ")",
        "",
        "from .._operation import ImageInput, Operation, TimeoutTypes",
        "from .._stream import AsyncStream, Stream",
        "from . import models, operations",
        "",
        'T = TypeVar("T")',
        "",
        "",
    ]
    for asynchronous in (False, True):
        kind, given = ("Async", "Awaitable[{}]") if asynchronous else ("Sync", "{}")
        stream = "AsyncStream[T]" if asynchronous else "Stream[T]"
        lines += [
            f"class {kind}Methods:",
            f'    """The operations of the API as methods of the {kind.lower()} client."""',
            "",
            "    def _call(",
            "        self,",
            "        operation: Operation[T],",
            "        arguments: Dict[str, Any],",
            "        timeout: TimeoutTypes,",
            f"    ) -> {given.format('T')}:",
            "        raise NotImplementedError",
            "",
            "    def _stream(",
            "        self,",
            "        operation: Operation[T],",
            "        arguments: Dict[str, Any],",
            "        timeout: TimeoutTypes,",
            f"    ) -> {given.format(stream)}:",
            "        raise NotImplementedError",
            "",
        ]
        for operation in description.methods():
            lines += ["    " + line if line else "" for line in _method(operation, asynchronous)]
        lines.append("")
    return "\n".join(lines)


def emit_functions(description: Description) -> str:
    """``functions.py``: names of the functions of the package, which share one client."""
    return "\n".join(
        ["FUNCTIONS = (", *(f"    {name!r}," for name in _functions(description)), ")", ""]
    )


def _functions(description: Description) -> List[str]:
    return sorted([op.id for op in description.methods()] + list(HAND_WRITTEN))


def emit_function_types(description: Description) -> str:
    """``functions.pyi``: their types, as the package makes them when they are asked for."""
    lines = [
        "from typing import (",
        "    Any, Callable, Dict, Literal, Mapping, Optional, Sequence, Tuple, Type, Union,",
        "    overload,",
        ")",
        "",
        "from .._operation import ImageInput, StrPath, TimeoutTypes",
        "from .._stream import Stream",
        "from . import models",
        "",
        "FUNCTIONS: Tuple[str, ...]",
        "__all__ = [",
        *(f"    {name!r}," for name in _functions(description)),
        "]",
        "",
    ]
    for operation in description.methods():
        signatures = list(_overloads(operation, "Stream")) or [("", response_of(operation))]
        for stream, answer in signatures:
            if operation.stream_property:
                lines.append("@overload")
            parameters = _parameters(operation, stream, first="")
            lines.append(f"def {operation.id}({parameters}) -> {answer}: ...")
    lines += [f"def {name}{signature}: ..." for name, signature in HAND_WRITTEN.items()]
    return "\n".join([*lines, ""])


def _overloads(operation: Operation, stream: str) -> Iterator[Tuple[str, str]]:
    """The annotation of the parameter that streams, and the answer that goes with it."""
    if operation.stream_property:
        answer = response_of(operation)
        stream = f"{stream}[{answer}]"
        yield "Literal[False] = False", answer
        yield "Literal[True]", stream
        yield "bool", f"Union[{answer}, {stream}]"


def _method(operation: Operation, asynchronous: bool) -> Iterator[str]:
    define = "async def" if asynchronous else "def"
    answer = response_of(operation)
    for stream, answer in _overloads(operation, "AsyncStream" if asynchronous else "Stream"):
        yield "@overload"
        yield f"{define} {operation.id}({_parameters(operation, stream)}) -> {answer}: ..."
    yield f"{define} {operation.id}({_parameters(operation)}) -> {answer}:"
    yield from ("    " + line if line else "" for line in _docstring(operation, asynchronous))
    yield "    arguments: Dict[str, Any] = {"
    for parameter in operation.parameters or ():
        yield f"        {_wire(parameter)!r}: {_sent(parameter)},"
    yield "    }"
    wait = "await " if asynchronous else ""
    call = f"(operations.{operation.constant}, arguments, timeout)"
    if operation.stream_property:
        yield f"    if {operation.stream_property}:"
        yield f"        return {wait}self._stream{call}"
    yield f"    return {wait}self._call{call}"
    yield ""


def _wire(parameter: Parameter) -> str:
    return parameter.property.wire if parameter.property else parameter.name


def _sent(parameter: Parameter) -> str:
    sent = parameter.property.none_sent_as if parameter.property else ""
    if sent:
        return f"{sent} if {parameter.name} is None else {parameter.name}"
    return parameter.name


def _parameters(operation: Operation, stream: str = "", first: str = "self") -> str:
    parts: List[str] = [first] if first else []
    keyword_only = False
    for parameter in operation.parameters or ():
        if parameter.keyword_only and not keyword_only:
            keyword_only = True
            parts.append("*")
        if stream and parameter.name == operation.stream_property:
            parts.append(f"{parameter.name}: {stream}")
        else:
            default = "" if parameter.default is None else f" = {parameter.default}"
            parts.append(f"{parameter.name}: {_annotation(parameter)}{default}")
    if not keyword_only:
        parts.append("*")
    parts.append("timeout: TimeoutTypes = None")
    return ", ".join(parts)


def _annotation(parameter: Parameter) -> str:
    text = _hint(parameter.property.type) if parameter.property else "str"
    if parameter.default == "None" and text != "Any":
        return f"Optional[{text}]"
    return text


def _hint(type_: Type) -> str:
    members = _members(type_)
    return members[0] if len(members) == 1 else f"Union[{', '.join(members)}]"


def _members(type_: Type) -> List[str]:
    """The alternatives of a hint for what a caller may give, each once, in order."""
    if type_.python == "Image":
        return ["ImageInput"]
    if type_.python == "JsonSchema":
        # A class stands for the schema of its instances.
        return ["Mapping[str, Any]", "Type[Any]"]
    if type_.kind == "ref":
        members = ["Mapping[str, Any]", f"models.{type_.ref.replace('.', '')}"]
        return [*members, "Callable[..., Any]"] if type_.accepts == "Callable" else members
    if type_.kind == "list":
        return [f"Sequence[{_hint(type_.inner[0])}]"]
    if type_.kind == "map":
        return [f"Mapping[str, {_hint(type_.inner[0])}]"]
    if type_.kind == "union":
        found: List[str] = []
        for inner in type_.inner:
            found += [member for member in _members(inner) if member not in found]
        return found
    if type_.values:
        return [f"Literal[{', '.join(map(repr, type_.values))}]"]
    return [SCALARS[type_.kind]]


def _docstring(operation: Operation, asynchronous: bool) -> Iterator[str]:
    yield f'"""{operation.summary.rstrip(".")}.'
    if operation.deprecated:
        yield ""
        yield "Deprecated by the server."
    for paragraph in operation.description.split("\n\n"):
        if paragraph.strip():
            yield ""
            yield from _wrapped(paragraph, "")
    yield ""
    yield "Args:"
    for parameter in operation.parameters or ():
        prop = parameter.property
        text = prop.description if prop else parameter.description
        if prop and prop.deprecated:
            text = f"Deprecated. {text}"
        yield from _wrapped(f"{parameter.name}: {text}", "    ", "        ")
    yield from _wrapped(f"timeout: {TIMEOUT_DOC}", "    ", "        ")
    yield ""
    yield "Raises:"
    errors = "RequestError: if an argument cannot be sent; nothing was sent then."
    yield from _wrapped(errors, "    ", "        ")
    yield from _wrapped("ResponseError: if the server answers with an error.", "    ", "        ")
    yield from _wrapped(
        "TransportError: if no whole answer comes; also a builtin ConnectionError or TimeoutError"
        " where that is the reason.",
        "    ",
        "        ",
    )
    yield '"""'


def _wrapped(text: str, indent: str, rest: str = "") -> List[str]:
    text = " ".join(text.split()).replace("\\", "\\\\").replace('"""', "'''")
    return textwrap.wrap(
        text,
        WIDTH - 8,
        initial_indent=indent,
        subsequent_indent=rest or indent,
        break_long_words=False,
    )
