"""``codec.py``: checks for what callers give, and decoders for what servers send."""

from typing import Dict, Iterator, List, Set, Tuple

from .description import Description, DescriptionError, Property, Schema, Type

SCALARS = {
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "object": "json_object",
    "any": "anything",
}
# Sent as they are given: the server takes more than the types say, and so does the ollama package.
LOOSE = ("Options",)
PYTHON_TYPES = {"Image": "image", "JsonSchema": "json_schema", "ByteSize": "integer"}


def emit(description: Description) -> str:
    lines = [
        "from __future__ import annotations",
        "",
        "from typing import Any, Callable, Dict",
        "",
        "from .._convert import (",
        "    OBJECT,",
        "    Mismatch, anything, boolean, integer, json_object, json_schema, list_of, literal,",
        "    map_of, nonempty, number, object_or_text, optional, optional_string, refuse, string,",
        "    timestamp, tool,",
        "    union,",
        ")",
        "from .._images import image",
        "from .._model import new, record, update",
        "from .._records import (",
        "    declare, decode_list, decode_map, mapping_or_record, sends, sends_record,",
        ")",
        "from . import models",
        "",
    ]
    requests = {operation.request for operation in description.operations if operation.request}
    for schema in description.client_records():
        lines += _declaration(schema, requests)
    lines.append("")
    answers = _answers(description)
    decoded = _reachable(description, answers)
    for schema in description.client_records():
        if schema.name in decoded:
            lines += _decoder(schema, answers)
    lines += _union_decoders(description, decoded)
    lines += ["", "DECODERS: Dict[Any, Callable[[Any], Any]] = {"]
    for schema in description.client_records():
        if schema.name in decoded:
            lines.append(f"    models.{schema.class_name}: decode_{snake(schema.name)},")
    lines += ["}", '"""How the body of an answer becomes a record, by class."""', ""]
    return "\n".join(lines)


def snake(name: str) -> str:
    """``Message.ToolCall`` to ``message_tool_call``."""
    result = ""
    for before, char in zip(" " + name, name):
        if char == ".":
            continue
        starts_word = char.isupper() and result and not before.isupper()
        result += ("_" if starts_word else "") + char.lower()
    return result


def converter(type_: Type, optional: bool = False) -> str:
    text = _converter(type_)
    if (optional or type_.nullable) and type_.kind != "any":
        return "optional_string" if text == "string" else f"optional({text})"
    return text


def sender(type_: Type, optional: bool) -> str:
    """The converter of a member of a request that holds records."""
    if type_.kind == "list" and type_.inner[0].kind == "ref" and not type_.inner[0].accepts:
        text = f"list_of(sends_record(models.{type_.inner[0].ref.replace('.', '')}))"
        return f"optional({text})" if optional or type_.nullable else text
    return f"sends({converter(type_, optional)})"


def _converter(type_: Type) -> str:
    if type_.accepts == "Callable":
        return f"tool(record(models.{type_.ref.replace('.', '')}))"
    if type_.python in PYTHON_TYPES:
        return PYTHON_TYPES[type_.python]
    if type_.kind == "ref":
        kind = "mapping_or_record" if type_.ref in LOOSE else "record"
        return f"{kind}(models.{type_.ref.replace('.', '')})"
    if type_.kind == "list":
        return f"list_of({converter(type_.inner[0])})"
    if type_.kind == "map":
        return f"map_of({converter(type_.inner[0])})"
    if type_.kind == "union":
        return f"union({', '.join(converter(member) for member in type_.inner)})"
    if type_.values:
        return f"literal({', '.join(map(repr, type_.values))})"
    if type_.format == "date-time":
        return "timestamp"
    if type_.min_length:
        return "nonempty"
    return SCALARS[type_.kind]


def _declaration(schema: Schema, requests: Set[str]) -> Iterator[str]:
    yield f"declare(models.{schema.class_name}, {{"
    for prop in schema.properties:
        yield f"    {prop.python!r}: {converter(prop.type, optional=not prop.required)},"
    nested = [prop for prop in schema.properties if nested_records(prop.type)]
    if schema.name not in requests or not nested:
        yield "})"
        return
    yield "}, {"
    for prop in nested:
        yield f"    {prop.python!r}: {sender(prop.type, optional=not prop.required)},"
    yield "})"


def _decoder(schema: Schema, answers: Set[str]) -> Iterator[str]:
    yield f"def decode_{snake(schema.name)}(data: Any) -> models.{schema.class_name}:"
    yield "    if type(data) is not OBJECT:"
    yield '        raise Mismatch("an object", data)'
    if schema.name in answers:
        yield '    if "error" in data:'
        yield "        refuse(data)"
    # The members are replaced in the object that was parsed: nobody else has it.
    for prop in schema.properties:
        if nested_records(prop.type):
            yield from _decode_member(prop)
        elif prop.type.kind == "object":
            # Some servers send arguments of a tool call as a JSON text.
            yield f"    if type(data.get({prop.wire!r})) is str:"
            yield f"        data[{prop.wire!r}] = object_or_text(data[{prop.wire!r}])"
    yield f"    made: models.{schema.class_name} = new(models.{schema.class_name})"
    yield "    update(made, data)"
    yield "    return made"
    yield ""
    yield ""


def _decode_member(prop: Property) -> Iterator[str]:
    yield f"    if {prop.wire!r} in data:"
    yield f"        value = data[{prop.wire!r}]"
    yield "        if value is not None:"
    yield "            try:"
    yield f"                data[{prop.wire!r}] = {_decode(prop.type, 'value')}"
    yield "            except Mismatch as error:"
    yield f"                raise error.within({'.' + prop.wire!r}) from None"


def _decode(type_: Type, value: str) -> str:
    if type_.kind == "list":
        return f"decode_list({_decode_function(type_.inner[0])}, {value})"
    if type_.kind == "map":
        return f"decode_map({_decode_function(type_.inner[0])}, {value})"
    return f"{_decode_function(type_)}({value})"


def _decode_function(type_: Type) -> str:
    if type_.kind == "ref":
        return f"decode_{snake(type_.ref)}"
    if type_.kind == "union":
        names = sorted(nested_records(type_))
        return "decode_" + "_or_".join(
            [snake(name) for name in names] + ["other"] * (len(names) < 2)
        )
    return f"lambda value: {_decode(type_, 'value')}"


def _union_decoders(description: Description, decoded: Set[str]) -> Iterator[str]:
    unions: Dict[str, List[str]] = {}
    for name in sorted(decoded):
        for prop in description.schemas[name].properties:
            for type_ in _walk(prop.type):
                if type_.kind == "union" and nested_records(type_):
                    unions[_decode_function(type_)] = sorted(nested_records(type_))
    for function, members in unions.items():
        yield f"def {function}(data: Any) -> Any:"
        if len(members) == 1:
            # An object among values of other kinds.
            yield "    if type(data) is OBJECT:"
            yield f"        return decode_{snake(members[0])}(data)"
            yield "    return data"
            yield ""
            yield ""
            continue
        key, by_value = _discriminator(description, members)
        yield f"    kind = data.get({key!r}) if type(data) is OBJECT else None"
        for value, member in by_value.items():
            yield f"    if kind == {value!r}:"
            yield f"        return decode_{snake(member)}(data)"
        yield "    return data"
        yield ""
        yield ""


def _walk(type_: Type) -> Iterator[Type]:
    yield type_
    for inner in type_.inner:
        yield from _walk(inner)


def _discriminator(description: Description, members: List[str]) -> Tuple[str, Dict[str, str]]:
    """The property whose single allowed value tells the members of a union apart."""
    for prop in description.schemas[members[0]].properties:
        by_value: Dict[str, str] = {}
        for member in members:
            for other in description.schemas[member].properties:
                if other.wire == prop.wire and len(other.type.values) == 1:
                    by_value[other.type.values[0]] = member
        if len(by_value) == len(members):
            return prop.wire, by_value
    line = description.schemas[members[0]].line
    raise DescriptionError(
        f"{description.path.name}:{line}: nothing tells {' and '.join(members)} apart in a union:"
        " give them a property with one enum value each"
    )


def nested_records(type_: Type) -> Set[str]:
    """The schemas that a value of the type holds directly, through lists, maps and unions."""
    if type_.kind == "ref":
        return {type_.ref}
    found: Set[str] = set()
    for inner in type_.inner:
        found |= nested_records(inner)
    return found


def _answers(description: Description) -> Set[str]:
    """The schemas of whole answers, and of the lines of streams."""
    names = {name for each in description.methods() for name in (each.response, each.returns)}
    return {name for name in names if name in description.schemas}


def _reachable(description: Description, answers: Set[str]) -> Set[str]:
    waiting = list(answers)
    found: Set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            for prop in description.schemas[name].properties:
                waiting += nested_records(prop.type)
    return found
