"""The OpenAPI description as objects: schemas, operations, parameters, each with its line."""

import ast
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple, Union

import yaml

METHODS = ("get", "put", "post", "delete", "head", "options", "patch")
SCHEMA_PREFIX = "#/components/schemas/"


class DescriptionError(Exception):
    """The description cannot be used; the text names file and line."""


class Mapping(Dict[str, Any]):
    """A mapping of the YAML file that knows the lines of itself and of its keys."""

    line: int = 0
    key_lines: Dict[str, int]


class _Loader(yaml.SafeLoader):
    pass


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> Mapping:
    mapping = Mapping()
    mapping.line = node.start_mark.line + 1
    mapping.key_lines = {}
    for key_node, value_node in node.value:
        key = str(key_node.value)
        line = key_node.start_mark.line + 1
        if key in mapping:
            raise DescriptionError(f"line {line}: the key {key!r} stands here a second time")
        mapping[key] = loader.construct_object(value_node, deep=True)
        mapping.key_lines[key] = line
    return mapping


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_mapping)
# Times in examples are JSON strings; YAML's own timestamp type would make dates of them.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if tag != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class Type(NamedTuple):
    """What a schema says of a value, reduced to what generated code distinguishes.

    ``kind`` is ``string integer number boolean object any ref list map union``; ``inner`` holds
    the element of a list or map and the members of a union.
    """

    kind: str
    inner: Tuple["Type", ...] = ()
    ref: str = ""
    values: Tuple[str, ...] = ()
    nullable: bool = False
    python: str = ""
    format: str = ""
    accepts: str = ""
    min_length: int = 0


class Property(NamedTuple):
    wire: str
    python: str
    type: Type
    required: bool
    default: str
    none_sent_as: str
    added: bool
    description: str
    deprecated: bool
    line: int


class Schema(NamedTuple):
    name: str
    class_name: str
    description: str
    properties: Tuple[Property, ...]
    line: int

    def property(self, python: str) -> Property:
        for prop in self.properties:
            if prop.python == python:
                return prop
        raise KeyError(python)


class Parameter(NamedTuple):
    name: str
    default: Optional[str]
    keyword_only: bool
    property: Optional[Property]
    description: str


class Operation(NamedTuple):
    id: str
    method: str
    path: str
    summary: str
    description: str
    deprecated: bool
    request: Optional[str]
    response: Optional[str]
    status: int
    content_type: Optional[str]
    returns: Optional[str]
    stream_property: Optional[str]
    stream_default: bool
    stream_last: Tuple[Tuple[str, Any], ...]
    server: Optional[str]
    bearer: bool
    parameters: Optional[Tuple[Parameter, ...]]
    example: Any
    raw: Mapping
    line: int

    @property
    def constant(self) -> str:
        return self.id.upper()


class Description:
    """A parsed description. Raises DescriptionError for what cannot be read at all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.root: Mapping = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 (a subclass of SafeLoader)
        except yaml.YAMLError as error:
            raise DescriptionError(f"{path.name}: {error}") from error
        try:
            self.version: str = str(self.root["info"]["version"])
            self.raw_schemas: Mapping = self.root["components"]["schemas"]
            self.root["paths"].items()
        except (KeyError, TypeError, AttributeError) as error:
            raise DescriptionError(f"{path.name}: no OpenAPI description: lacks {error}") from error
        self.schemas: Dict[str, Schema] = {}
        for name, raw in self.raw_schemas.items():
            with self._reading(self.raw_schemas.key_lines[name], f"schema {name}"):
                self.schemas[name] = self._schema(name, raw)
        self.operations: List[Operation] = list(self._operations())

    @contextmanager
    def _reading(self, line: int, what: str) -> Iterator[None]:
        """Say where it was if a part of the file has not the form that OpenAPI gives it."""
        try:
            yield
        except (KeyError, TypeError, AttributeError, ValueError, StopIteration) as error:
            reason = f"{type(error).__name__} {error}".strip()
            text = f"{self.path.name}:{line}: {what} cannot be read: {reason}"
            raise DescriptionError(text) from error
        except RecursionError as error:
            text = f"{self.path.name}:{line}: {what} refers to itself without an object between"
            raise DescriptionError(text) from error

    def records(self) -> List[Schema]:
        """The schemas with members, in the order of the file."""
        return [s for s in self.schemas.values() if self.is_record(s.name)]

    def client_schemas(self) -> List[Schema]:
        """The schemas that a method of the clients sends or receives, in the order of the file.

        The others are of operations that no method is for: they cost the clients nothing.
        """
        roots: List[Any] = [op.raw for op in self.methods()]
        returned = [op.returns for op in self.methods() if op.returns in self.schemas]
        return self._reached(roots + [{"$ref": f"{SCHEMA_PREFIX}{name}"} for name in returned])

    def client_records(self) -> List[Schema]:
        """Those of them that become classes."""
        return [schema for schema in self.client_schemas() if self.is_record(schema.name)]

    def request_records(self) -> List[Schema]:
        """The schemas with members that a JSON body of a request has, in the order of the file."""
        roots = [{"$ref": SCHEMA_PREFIX + op.request} for op in self.operations if op.request]
        return [schema for schema in self._reached(roots) if self.is_record(schema.name)]

    def _reached(self, roots: List[Any]) -> List[Schema]:
        """The schemas that values of the document refer to, over any number of steps."""
        waiting = list(roots)
        seen: Set[str] = set()
        while waiting:
            value = waiting.pop()
            if isinstance(value, list):
                waiting += value
            elif isinstance(value, dict):
                waiting += value.values()
                target = str(value.get("$ref", ""))
                if target.startswith("#/components/") and target not in seen:
                    seen.add(target)
                    waiting.append(self._resolved(value))
        return [schema for name, schema in self.schemas.items() if SCHEMA_PREFIX + name in seen]

    def is_record(self, name: str) -> bool:
        return "properties" in self.raw_schemas[name]

    def methods(self) -> List[Operation]:
        return [op for op in self.operations if op.parameters is not None]

    def _schema(self, name: str, raw: Mapping) -> Schema:
        required = raw.get("required", [])
        properties = []
        for wire, prop in raw.get("properties", {}).items():
            properties.append(
                Property(
                    wire=wire,
                    python=prop.get("x-python-name", wire),
                    type=self.type_of(prop),
                    required=wire in required,
                    default=repr(prop.get("x-python-default")),
                    none_sent_as=repr(prop["x-python-none"]) if "x-python-none" in prop else "",
                    added=bool(prop.get("x-python-added")),
                    description=" ".join(str(prop.get("description", "")).split()),
                    deprecated=bool(prop.get("deprecated")),
                    line=raw["properties"].key_lines[wire],
                )
            )
        return Schema(
            name=name,
            class_name=name.replace(".", ""),
            description=str(raw.get("description", "")).strip(),
            properties=tuple(properties),
            line=self.raw_schemas.key_lines[name],
        )

    def type_of(self, raw: Mapping) -> Type:
        extensions = {
            "python": raw.get("x-python-type", ""),
            "accepts": raw.get("x-python-accepts", ""),
        }
        if "$ref" in raw:
            ref = self.ref(raw)
            if self.is_record(ref):
                return Type("ref", ref=ref, **extensions)
            return self.type_of(self.raw_schemas[ref])._replace(ref=ref)
        for union in ("anyOf", "oneOf"):
            if union in raw:
                members = [self.type_of(m) for m in raw[union] if m.get("type") != "null"]
                nullable = len(members) < len(raw[union])
                if len(members) == 1:
                    return members[0]._replace(nullable=nullable)
                return Type("union", tuple(members), nullable=nullable, **extensions)
        declared: Union[str, List[str], None] = raw.get("type")
        names = [declared] if isinstance(declared, str) else list(declared or [])
        nullable = "null" in names
        names = [name for name in names if name != "null"]
        if not names:
            return Type("any", nullable=True, **extensions)
        if len(names) > 1:
            inner = tuple(self.type_of(_with_type(raw, name)) for name in names)
            return Type("union", inner, nullable=nullable, **extensions)
        (name,) = names
        if name == "array":
            inner = (self.type_of(raw["items"]) if "items" in raw else Type("any"),)
            return Type("list", inner, nullable=nullable, **extensions)
        if name == "object":
            extra = raw.get("additionalProperties")
            if isinstance(extra, Mapping) and extra:
                return Type("map", (self.type_of(extra),), nullable=nullable, **extensions)
            return Type("object", nullable=nullable, **extensions)
        return Type(
            name,
            values=tuple(str(v) for v in raw.get("enum", ()) if v is not None),
            nullable=nullable,
            format=raw.get("format", ""),
            min_length=raw.get("minLength", 0),
            **extensions,
        )

    def ref(self, raw: Mapping) -> str:
        target = str(raw["$ref"])
        name = target[len(SCHEMA_PREFIX) :]
        if not target.startswith(SCHEMA_PREFIX) or name not in self.raw_schemas:
            raise DescriptionError(
                f"{self.path.name}:{raw.key_lines['$ref']}: $ref {target!r} leads nowhere"
            )
        return name

    def _operations(self) -> Iterator[Operation]:
        for path, item in self.root["paths"].items():
            for method in METHODS:
                if method in item:
                    with self._reading(item.key_lines[method], f"{method.upper()} {path}"):
                        operation = self._operation(path, item, method, item[method])
                    yield operation

    def _operation(self, path: str, item: Mapping, method: str, raw: Mapping) -> Operation:
        line = item.key_lines[method]
        body = raw.get("requestBody", {}).get("content", {}).get("application/json", {})
        request = self.ref(body["schema"]) if "$ref" in body.get("schema", {}) else None
        successes = [(code, answer) for code, answer in raw["responses"].items() if code[0] == "2"]
        if not successes:
            raise ValueError("it has no response with a status of 2xx")
        status, answer = int(successes[0][0]), successes[0][1]
        content = answer.get("content", {})
        media_type = next(iter(content), None)
        media = content.get(media_type, {})
        response = self.ref(media["schema"]) if "$ref" in media.get("schema", {}) else None
        stream = raw.get("x-stream", {})
        servers = raw.get("servers") or item.get("servers")
        return Operation(
            id=raw.get("operationId", f"{method} {path}"),
            method=method.upper(),
            path=path,
            summary=str(raw.get("summary", "")).strip(),
            description=str(raw.get("description", "")).strip(),
            deprecated=bool(raw.get("deprecated")),
            request=request,
            response=response,
            status=status,
            content_type=media_type,
            returns=raw.get("x-python-returns"),
            stream_property=stream.get("property"),
            stream_default=bool(stream.get("default")),
            stream_last=tuple(stream.get("last", {}).items()),
            server=servers[0]["url"] if servers else None,
            bearer=bool(raw.get("security")),
            parameters=self._parameters(item, raw, request),
            example=_first_example(media),
            raw=raw,
            line=line,
        )

    def _resolved(self, raw: Dict[str, Any]) -> Dict[str, Any]:
        """The object that a reference to anywhere in the file means."""
        target = raw
        if "$ref" in raw:
            target = self.root
            for step in str(raw["$ref"]).lstrip("#/").split("/"):
                target = target[step]
        return target

    def _parameters(
        self, item: Mapping, raw: Mapping, request: Optional[str]
    ) -> Optional[Tuple[Parameter, ...]]:
        texts = raw.get("x-python-parameters")
        if texts is None:
            return None
        source = f"def method({', '.join(texts)}): pass"
        try:
            arguments = ast.parse(source).body[0].args  # type: ignore[attr-defined]
        except SyntaxError as error:
            line = raw.key_lines["x-python-parameters"]
            raise DescriptionError(
                f"{self.path.name}:{line}: x-python-parameters is no parameter list: {error.msg}"
            ) from error
        by_name = {p.python: p for p in self.schemas[request].properties} if request else {}
        in_path = {
            each["name"]: " ".join(str(each.get("description", "")).split())
            for each in map(
                self._resolved, [*item.get("parameters", []), *raw.get("parameters", [])]
            )
        }
        positional = [*arguments.posonlyargs, *arguments.args]
        gap = [None] * (len(positional) - len(arguments.defaults))
        rows = [(a, d, False) for a, d in zip(positional, [*gap, *arguments.defaults])]
        rows += [(a, d, True) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults)]
        return tuple(
            Parameter(
                name=argument.arg,
                default=None if default is None else ast.unparse(default),
                keyword_only=keyword_only,
                property=by_name.get(argument.arg),
                description=in_path.get(argument.arg, ""),
            )
            for argument, default, keyword_only in rows
        )


def _with_type(raw: Mapping, name: str) -> Mapping:
    single = Mapping(raw)
    single.line, single.key_lines = raw.line, raw.key_lines
    single["type"] = name
    return single


def _first_example(media: Mapping) -> Any:
    if "example" in media:
        return media["example"]
    for example in media.get("examples", {}).values():
        return example.get("value", example.get("dataValue"))
    return None
