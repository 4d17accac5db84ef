"""``description.py``: routes, request shapes and examples as data, for the mock server."""

from typing import Any, Dict, List

from .description import Description, Operation, Type

LOCAL_CLOUD_HOST = "https://ollama.com"


def emit(description: Description) -> str:
    lines = [
        "from typing import Any, Dict, Tuple",
        "",
        f"API_VERSION = {description.version!r}",
        '"""Version of the server that the description is of."""',
        "",
        "ROUTES: Tuple[Dict[str, Any], ...] = (",
    ]
    for operation in description.operations:
        lines.append("    {")
        lines += [f"        {key!r}: {value!r}," for key, value in _route(operation).items()]
        lines.append("    },")
    lines += [")", "", "TYPES: Dict[str, Dict[str, Any]] = {"]
    for schema in description.request_records():
        lines.append(f"    {schema.name!r}: {{")
        lines += [f"        {prop.wire!r}: {_shape(prop.type)!r}," for prop in schema.properties]
        lines.append("    },")
    lines += ["}", ""]
    return "\n".join(lines)


def _route(operation: Operation) -> Dict[str, Any]:
    return {
        "method": operation.method,
        "path": operation.path,
        "operation": operation.id,
        "request": operation.request,
        "stream": operation.stream_default if operation.stream_property else None,
        "status": operation.status,
        "content_type": operation.content_type,
        "example": plain(operation.example),
        "local": operation.server is None,
    }


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def _shape(type_: Type) -> Any:
    if type_.kind == "ref":
        return type_.ref
    if type_.kind == "list":
        return [_shape(type_.inner[0])]
    if type_.kind == "map":
        return {"*": _shape(type_.inner[0])}
    if type_.kind == "union":
        shapes: List[Any] = []
        for member in type_.inner:
            shape = _shape(member)
            if shape not in shapes:
                shapes.append(shape)
        return tuple(shapes) if len(shapes) > 1 else shapes[0]
    if type_.kind == "number" and type_.format == "float":
        return "float32"
    return type_.kind
