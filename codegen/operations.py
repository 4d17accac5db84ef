"""``operations.py``: one row per operation that is a method of the clients."""

from typing import Iterator

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
    yield ")"
