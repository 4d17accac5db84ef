"""``operations.py``: one row per operation that is a method of the clients."""

from typing import Iterator, Set

from .codec import nested_records
from .description import Description, Operation

PYTHON_RESPONSES = ("bool", "str")


def emit(description: Description) -> str:
    lines = [
        "from typing import Any, Dict, Tuple",
        "from .._operation import Operation",
        "from . import models",
        "",
    ]
    rows = description.methods()
    for operation in rows:
        lines += _row(description, operation)
    lines += ["", "BY_ROUTE: Dict[Tuple[str, str], Operation[Any]] = {"]
    lines += [f"    ({op.method!r}, {_url(op)!r}): {op.constant}," for op in rows]
    lines += [
        "}",
        '"""Every row by its method and path, or URL where it has a host of its own."""',
        "",
    ]
    return "\n".join(lines)


def response_of(operation: Operation) -> str:
    """The Python name of what the method returns."""
    name = operation.returns or operation.response or ""
    if name in PYTHON_RESPONSES:
        return name
    return f"models.{name.replace('.', '')}"


def _url(operation: Operation) -> str:
    return (operation.server or "") + operation.path


def _row(description: Description, operation: Operation) -> Iterator[str]:
    yield f"{operation.constant} = Operation("
    yield f"    {operation.id!r}, {operation.method!r}, {_url(operation)!r},"
    if operation.returns or operation.response:
        yield f"    response={response_of(operation)},"
    else:
        yield "    response=models.StatusResponse,"
    if operation.request:
        yield f"    request=models.{operation.request.replace('.', '')},"
    if operation.stream_last:
        ((name, value),) = operation.stream_last
        yield f"    last=({name!r}, {value!r}),"
    if operation.bearer:
        yield "    bearer=True,"
    plain = sorted(_plain(description, operation))
    if plain:
        yield f"    plain=({', '.join(map(repr, plain))},),"
    yield ")"


def _plain(description: Description, operation: Operation) -> Iterator[str]:
    """Members of the request that hold a record with a field called ``items``.

    It hides the method of dict that `json` writes a dictionary with.
    """
    if operation.request is None:
        return
    for prop in description.schemas[operation.request].properties:
        found: Set[str] = set()
        waiting = list(nested_records(prop.type))
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                for inner in description.schemas[name].properties:
                    waiting += nested_records(inner.type)
        if any(p.python == "items" for name in found for p in description.schemas[name].properties):
            yield prop.wire
