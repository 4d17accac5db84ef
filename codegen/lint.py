"""Rules that the description keeps so that the generated code can be good. One message a breach.

Each message names the file and the line to mend, and says what to do.
"""

import keyword
from typing import Any, Dict, Iterator, List, Set, Tuple

from .description import Description, Mapping, Type

FORMATS = ("", "int32", "int64", "float", "double", "date-time", "uri", "byte", "binary")
EXTENSIONS = (
    "x-python-accepts",
    "x-python-added",
    "x-python-default",
    "x-python-name",
    "x-python-none",
    "x-python-parameters",
    "x-python-returns",
    "x-python-type",
    "x-stream",
)
# Names that the methods or the package need for themselves.
PARAMETERS = ("arguments", "models", "operations", "self", "timeout")
OPERATIONS = ("aclose", "close", "compat", "errors", "mock", "tools")
# `items` is a member of every JSON Schema; the models know how to live with it.
FIELDS = tuple(name for name in dir(dict) if name != "items")
KINDS = ("any", "boolean", "integer", "list", "map", "number", "object", "ref", "string", "union")
PYTHON_TYPES = ("ByteSize", "Image", "JsonSchema", "str")


def lint(description: Description) -> List[str]:
    name = description.path.name
    found: List[Tuple[int, str]] = []
    for rule in (_schemas, _properties, _order, _collisions, _extensions, _operations, _parameters):
        found += rule(description)
    return [f"{name}:{line}: {text}" for line, text in sorted(set(found))]


def _schemas(description: Description) -> Iterator[Tuple[int, str]]:
    for name, raw in description.raw_schemas.items():
        line = description.raw_schemas.key_lines[name]
        if not str(raw.get("description", "")).strip():
            yield line, f"schema {name} has no description: say what it is"
        if "allOf" in raw:
            yield line, f"schema {name} uses allOf: write its properties out"
        if raw.get("additionalProperties") is False or raw.get("unevaluatedProperties") is False:
            yield line, f"schema {name} is closed: a newer server may send more"
        missing = [p for p in raw.get("required", []) if p not in raw.get("properties", {})]
        for prop in missing:
            yield line, f"schema {name} requires {prop}, which it does not have"


def _properties(description: Description) -> Iterator[Tuple[int, str]]:
    for schema in description.records():
        raw = description.raw_schemas[schema.name]["properties"]
        optional_before = ""
        for prop in schema.properties:
            where = f"{schema.name}.{prop.wire}"
            if not prop.description:
                yield prop.line, f"{where} has no description: say what it means, with its unit"
            if "properties" in raw[prop.wire]:
                yield prop.line, f"{where} is an inline object: make it a named component"
            if prop.required and optional_before:
                yield (
                    prop.line,
                    f"{where} is required but stands after {optional_before}: required ones first",
                )
            if not prop.required:
                optional_before = optional_before or prop.wire
            if prop.python in FIELDS or prop.python.startswith("_"):
                yield prop.line, f"{where} hides a method of the models: give it an x-python-name"
            if prop.type.kind not in KINDS:
                yield prop.line, f"{where} has an unknown type {prop.type.kind!r}"
            if prop.type.format not in FORMATS:
                yield prop.line, f"{where} has a format that nothing reads: {prop.type.format!r}"
            if prop.type.values and prop.type.kind != "string":
                yield prop.line, f"{where}: only strings can have an enum"
            if not prop.python.isidentifier() or keyword.iskeyword(prop.python):
                yield prop.line, f"{where} is no Python name: give it an x-python-name"


def _order(description: Description) -> Iterator[Tuple[int, str]]:
    seen: Set[str] = set()
    for name in description.raw_schemas:
        if description.is_record(name):
            for prop in description.schemas[name].properties:
                for ref in _refs(prop.type):
                    if ref not in seen and ref != name and description.is_record(ref):
                        yield (
                            prop.line,
                            f"{name}.{prop.wire} refers to {ref}, which stands further down:"
                            " leaf first",
                        )
        seen.add(name)


def _refs(type_: Type) -> Iterator[str]:
    if type_.ref:
        yield type_.ref
    for inner in type_.inner:
        yield from _refs(inner)


def _collisions(description: Description) -> Iterator[Tuple[int, str]]:
    classes: Dict[str, str] = {}
    for schema in description.records():
        other = classes.setdefault(schema.class_name, schema.name)
        if other != schema.name:
            yield schema.line, f"schema {schema.name} and {other} become one class: rename one"
        names: Dict[str, str] = {}
        for prop in schema.properties:
            first = names.setdefault(prop.python, prop.wire)
            if first != prop.wire:
                yield prop.line, f"{schema.name}.{prop.wire} and {first} become one Python name"


def _extensions(description: Description) -> Iterator[Tuple[int, str]]:
    for name, raw in description.raw_schemas.items():
        for line, key, value in _walk_extensions(raw):
            if key not in EXTENSIONS:
                yield line, f"{name}: the extension {key} is none of {', '.join(EXTENSIONS)}"
            if key == "x-python-type" and value not in PYTHON_TYPES:
                yield line, f"{name}: x-python-type {value!r} is none of {', '.join(PYTHON_TYPES)}"
            if key == "x-python-added" and value is not True:
                yield line, f"{name}: x-python-added {value!r} is not true: leave it out"
            if key == "x-python-accepts" and value != "Callable":
                yield line, f"{name}: x-python-accepts {value!r} is not Callable"


def _walk_extensions(raw: Any) -> Iterator[Tuple[int, str, Any]]:
    if isinstance(raw, Mapping):
        for key, value in raw.items():
            if key.startswith("x-"):
                yield raw.key_lines[key], key, value
            yield from _walk_extensions(value)
    elif isinstance(raw, list):
        for item in raw:
            yield from _walk_extensions(item)


def _operations(description: Description) -> Iterator[Tuple[int, str]]:
    seen: Dict[str, int] = {}
    for operation in description.operations:
        where = f"{operation.method} {operation.path}"
        if not operation.id.isidentifier():
            yield operation.line, f"{where} has no operationId that is a Python name"
        if operation.id in OPERATIONS or operation.id.startswith("_"):
            yield operation.line, f"operationId {operation.id} is a name that the package needs"
        if operation.id in seen:
            yield operation.line, f"operationId {operation.id} stands at line {seen[operation.id]}"
        seen[operation.id] = operation.line
        if not operation.summary or not operation.description:
            yield operation.line, f"{where} lacks a summary or a description"
        if operation.stream_property and len(operation.stream_last) != 1:
            yield operation.line, f"{where} streams: x-stream.last names one member and its value"
        if operation.returns not in (None, "bool", "str", *description.schemas):
            yield operation.line, f"{where}: x-python-returns {operation.returns} is no schema"
        if operation.parameters is not None and not (operation.returns or operation.response):
            yield operation.line, f"{where} has no answer: give it x-python-returns"


def _parameters(description: Description) -> Iterator[Tuple[int, str]]:
    for operation in description.operations:
        if operation.parameters is None:
            continue
        names = [parameter.name for parameter in operation.parameters]
        for parameter in operation.parameters:
            if parameter.name in PARAMETERS:
                yield operation.line, f"parameter {parameter.name} is a name that methods need"
            in_path = "{" + parameter.name + "}" in operation.path
            if parameter.property is None and not in_path:
                yield (
                    operation.line,
                    f"parameter {parameter.name} of {operation.id} is neither a property of"
                    f" {operation.request} nor in the path",
                )
        if operation.request is not None:
            for prop in description.schemas[operation.request].properties:
                if prop.required and prop.python not in names:
                    yield operation.line, f"{operation.id} lacks the required {prop.python}"
        if operation.stream_property and operation.stream_property not in names:
            yield operation.line, f"{operation.id} lacks its parameter {operation.stream_property}"
