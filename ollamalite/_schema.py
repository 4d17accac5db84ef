"""Python types and functions as JSON Schema.

Strategy: `_Builder` turns one type hint after the other into a schema. A class with members becomes
a definition under ``$defs`` that is referred to, as pydantic does it, so recursive classes end by
themselves. Of the parameters of a tool the server keeps a few keywords only, and ``$ref`` is none
of them, so there `_Inliner` puts definitions in place, except where they lead back to themselves.

A kind of class is known by the marks that it bears, and a function by its code object: `inspect`,
`dataclasses` and `enum` are imported only where something needs them, since importing them takes
longer than all that is done here.
"""

import collections.abc
import functools
import re
import sys
import types
from typing import (
    Any,
    Callable,
    Dict,
    ForwardRef,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Set,
    Tuple,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
)

from ._convert import Converter, Mismatch
from ._model import Field, Record, plain

Schema = Dict[str, Any]

_NONE_TYPE = type(None)
_UNIONS = (Union, getattr(types, "UnionType", Union))
_REF = "#/$defs/"

_EXACT: Dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    _NONE_TYPE: {"type": "null"},
    None: {"type": "null"},
    Any: {},
    object: {},
}

# By name, so that no module is imported for its types: who has a `Decimal` has imported it.
_SCALARS: Dict[str, Schema] = {
    "builtins.bool": {"type": "boolean"},
    "builtins.str": {"type": "string"},
    "builtins.int": {"type": "integer"},
    "builtins.float": {"type": "number"},
    "builtins.bytes": {"type": "string", "format": "binary"},
    "builtins.bytearray": {"type": "string", "format": "binary"},
    "datetime.datetime": {"type": "string", "format": "date-time"},
    "datetime.date": {"type": "string", "format": "date"},
    "datetime.time": {"type": "string", "format": "time"},
    "datetime.timedelta": {"type": "string", "format": "duration"},
    "decimal.Decimal": {"type": "number"},
    "uuid.UUID": {"type": "string", "format": "uuid"},
    "ipaddress.IPv4Address": {"type": "string", "format": "ipv4"},
    "ipaddress.IPv6Address": {"type": "string", "format": "ipv6"},
}

_JSON_TYPES: Dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    _NONE_TYPE: "null",
}


class _NoSchema(Mismatch):
    """A type has no counterpart in JSON Schema."""

    def __init__(self, hint: Any) -> None:
        super().__init__("a type that JSON Schema can describe", hint)

    def text(self, root: str) -> str:
        where = root + "".join(reversed(self.path))
        shown = self.value.__qualname__ if isinstance(self.value, type) else repr(self.value)
        return f"{where}: JSON Schema has no type for {shown[:100]}"


def json_schema(value: Any) -> Any:
    """A converter to JSON Schemas, from mappings, classes and constructs of ``typing``."""
    if isinstance(value, Record):
        return plain(value)
    if isinstance(value, dict):
        return cast(Schema, value)
    if isinstance(value, Mapping):
        return dict(cast(Mapping[str, Any], value))
    if isinstance(value, type) or get_origin(value) is not None or _stands_for(value) is not None:
        return schema_of(value)
    raise Mismatch("a JSON Schema or a class", value)


def tool(inner: Converter) -> Converter:
    """A converter of functions, to what ``inner`` makes of their descriptions as tools."""

    def convert(value: Any) -> Any:
        if callable(value) and not isinstance(value, Mapping):
            try:
                value = function_schema(value)
            except Mismatch as error:
                raise error.within("." + name_of(value)) from None
        return inner(value)

    return convert


def schema_of(hint: Any) -> Schema:
    """Return the JSON Schema of a type. Raises Mismatch if there is none for it."""
    if _is_foreign(hint):
        return cast(Schema, hint.model_json_schema())
    builder = _Builder()
    schema = builder.of(hint, _Scope({}))
    name = schema.pop("$ref", "")[len(_REF) :]
    if name:
        # What refers to itself is needed under its name as well.
        body = builder.defs[name] if name in builder.shared else builder.defs.pop(name)
        schema = {**body, **schema}
    if builder.defs:
        schema["$defs"] = builder.defs
    return schema


def schema_of_record(cls: type) -> Schema:
    """Return the JSON Schema of a class of records, under the names of the wire."""
    return schema_of(cls)


# -- functions -----------------------------------------------------------------------------------


class _Parameter(NamedTuple):
    name: str
    hint: Any
    optional: bool


class _Scope:
    """Where the names in a hint that is text are looked up."""

    __slots__ = ("_extra", "_function", "names")

    def __init__(
        self, names: Dict[str, Any], function: Any = None, extra: Optional[Dict[str, Any]] = None
    ) -> None:
        self.names = names
        self._function = function
        self._extra = extra or {}

    def evaluate(self, text: str) -> Any:
        """Return what ``text`` names; raises whatever evaluating it raises."""
        local = dict(self._extra)
        for name, cell in zip(
            getattr(getattr(self._function, "__code__", None), "co_freevars", ()),
            getattr(self._function, "__closure__", None) or (),
        ):
            try:
                local[name] = cell.cell_contents
            except ValueError:
                continue  # not assigned yet
        # The text is code of the caller's: an annotation that was not evaluated where it stood.
        return eval(text, self.names, local)  # noqa: S307


class _Callee(NamedTuple):
    doc: Any
    parameters: List[_Parameter]
    scope: _Scope


def function_schema(func: Any) -> Schema:
    """Return a function's description as a tool, in the form that the API has for it.

    Its docstring, in the style of Google, NumPy or Sphinx, gives the descriptions. A parameter is
    required if it has no default and may not be None; one without a type hint, or with a hint that
    cannot be evaluated, is a string. A class of models, a dataclass or a TypedDict stands for a
    function of its members. Raises Mismatch for what has no signature, and for a type that has no
    counterpart in JSON Schema.
    """
    builder = _Builder()
    inliner = _Inliner(builder.defs)
    if isinstance(func, type) and _is_object(func):
        schema = inliner.inline(builder.of(func, _Scope({})))
        description = schema.get("description", "")
        required = schema.get("required", [])
        properties = schema.get("properties", {})
    else:
        callee = _callee(func)
        description, texts = parse_docstring(callee.doc, [each.name for each in callee.parameters])
        required = []
        properties = {}
        for name, hint, optional in callee.parameters:
            try:
                schema = inliner.inline(builder.of(hint, callee.scope))
            except Mismatch as error:
                raise error.within("." + name) from None
            nullable = _take_null(schema)
            if not (optional or nullable):
                required.append(name)
            _add_type(schema)
            schema["description"] = texts.get(name) or schema.get("description", "")
            properties[name] = schema
    parameters: Schema = {"type": "object"}
    kept = inliner.kept()
    if kept:
        parameters["$defs"] = kept
    if properties:
        parameters["required"] = required
    parameters["properties"] = properties
    return {
        "type": "function",
        "function": {
            "name": name_of(func),
            "description": description,
            "parameters": parameters,
        },
    }


def name_of(func: Any) -> str:
    """Return the name that a function has as a tool."""
    if isinstance(func, functools.partial) and "__name__" not in vars(cast(Any, func)):
        return name_of(cast(Any, func).func)
    name = getattr(func, "__name__", None)
    return name if isinstance(name, str) else type(func).__name__


def _callee(func: Any) -> _Callee:
    function = func
    skip = 0
    if type(func) is types.MethodType:
        function = func.__func__
        skip = 1
    if type(function) is not types.FunctionType or (
        function.__dict__ and not function.__dict__.keys().isdisjoint(_SIGNATURE_MARKS)
    ):
        return _signature_callee(func)
    # What inspect.signature tells of a plain function, at a fraction of its time.
    code = function.__code__
    positional = code.co_argcount
    names = code.co_varnames
    optional: Set[str] = set(function.__kwdefaults__ or ())
    if function.__defaults__:
        optional.update(names[positional - len(function.__defaults__) : positional])
    hints = function.__annotations__
    parameters = [
        _Parameter(name, hints.get(name, str), name in optional)
        for name in names[min(skip, positional) : positional + code.co_kwonlyargcount]
    ]
    doc = func.__doc__
    if doc is None and skip:
        import inspect

        doc = inspect.getdoc(func)  # of the method that this one overrides
    return _Callee(doc, parameters, _Scope(function.__globals__, function))


_SIGNATURE_MARKS = ("__signature__", "__wrapped__")


def _signature_callee(func: Any) -> _Callee:
    import inspect

    try:
        signature = inspect.signature(func)
    except (TypeError, ValueError):
        raise Mismatch("a function with a signature", func) from None
    bound: Set[str] = set()
    inner: Any = func
    doc: Any = None
    while isinstance(inner, functools.partial):
        partial = cast("functools.partial[Any]", inner)
        bound.update(partial.keywords)
        doc = doc or vars(partial).get("__doc__")
        inner = partial.func
    parameters = [
        _Parameter(
            parameter.name,
            str if parameter.annotation is parameter.empty else parameter.annotation,
            parameter.default is not parameter.empty,
        )
        for parameter in signature.parameters.values()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and parameter.name not in bound
    ]
    if not (isinstance(inner, type) or inspect.isroutine(inner)):
        # An object that can be called tells of itself in its method, or else in its class.
        method = inner.__call__ if not hasattr(inner, "__wrapped__") else inner
        doc = doc or method.__doc__ or type(inner).__doc__
        inner = method
    doc = doc or inspect.getdoc(inner)
    inner = inspect.unwrap(inner.__init__ if isinstance(inner, type) else inner)
    inner = getattr(inner, "__func__", inner)
    return _Callee(doc, parameters, _Scope(getattr(inner, "__globals__", {}), inner))


def _take_null(schema: Schema) -> bool:
    """Take null out of what a schema allows, if it allows something else. Tell if it was there.

    A parameter that may be None is one that may be left out.
    """
    members = schema.get("anyOf")
    if members:
        rest = [member for member in members if member != _EXACT[None]]
        if len(rest) == len(members):
            return False
        if len(rest) == 1:
            del schema["anyOf"]
            for key, value in rest[0].items():
                schema.setdefault(key, value)
        else:
            schema["anyOf"] = rest
        return True
    choices = schema.get("enum")
    if choices and None in choices and len(choices) > 1:
        schema.pop("type", None)
        schema.update(_choices([choice for choice in choices if choice is not None]))
        return True
    return schema == _EXACT[None]


def _add_type(schema: Schema) -> None:
    """Name the types of alternatives once more: the templates of many models show nothing else."""
    if "type" in schema:
        return
    members = schema.get("anyOf")
    if members is None:
        if "enum" not in schema and "$ref" not in schema:
            schema["type"] = "string"
        return
    names = list(dict.fromkeys(member.get("type") for member in members))
    if all(isinstance(name, str) for name in names):
        schema["type"] = names if len(names) > 1 else names[0]


# -- types ---------------------------------------------------------------------------------------

_NOTHING: Any = object()


class _Member(NamedTuple):
    name: str
    hint: Any
    scope: _Scope
    required: bool
    default: Any = _NOTHING


class _Builder:
    """Schemas of hints, and the definitions that they refer to."""

    def __init__(self) -> None:
        self.defs: Dict[str, Schema] = {}
        self.shared: Set[str] = set()
        """Names of definitions that are referred to more than once, or by themselves."""
        # The names of what has a definition: classes, and aliases that are part of themselves.
        self._names: Dict[Any, str] = {}
        self._open: Set[Any] = set()
        # What schemas of other packages' classes defined, as it came.
        self._adopted: Dict[str, Schema] = {}

    def of(self, hint: Any, scope: _Scope) -> Schema:
        """Return the schema of a hint. Raises Mismatch if there is none for it."""
        try:
            known = _EXACT.get(hint)
        except TypeError:
            known = None  # what Annotated says need not be hashable
        if known is not None:
            return dict(known)
        if isinstance(hint, str):
            return self._evaluated(hint, scope)
        if isinstance(hint, ForwardRef):
            return self._evaluated(hint.__forward_arg__, _scope_of(hint, scope))
        if hasattr(hint, "__metadata__"):
            return self._annotated(hint, scope)
        origin = get_origin(hint)
        if origin is not None:
            return self._parametrised(hint, origin, scope)
        if isinstance(hint, type):
            return self._class(cast(Any, hint), (), scope)
        if isinstance(hint, TypeVar):
            members = hint.__constraints__
            return self._union(members, scope) if members else self.of(hint.__bound__ or Any, scope)
        inner = _stands_for(hint)
        if inner is not None:
            return self._alias(hint, hint.__name__, inner, scope)
        if getattr(hint, "_name", None) == "LiteralString":
            return {"type": "string"}
        raise _NoSchema(hint)

    def _evaluated(self, text: str, scope: _Scope) -> Schema:
        try:
            hint = scope.evaluate(text)
        except Exception:
            # Anything may come of it: a name that only type checkers import, syntax of a newer
            # Python. Text can hold whatever the model wants to give.
            return {"type": "string"}
        return self._alias((text, id(scope.names)), text, hint, scope)

    def _alias(self, key: Any, name: str, hint: Any, scope: _Scope) -> Schema:
        """The schema of a hint with a name, which may be part of the hint."""
        if key in self._names or (key in self._open and not isinstance(hint, type)):
            return self._reference(key, name)
        self._open.add(key)
        schema = self.of(hint, scope)
        self._open.discard(key)
        if key not in self._names:
            return schema
        self.defs[self._names[key]] = schema
        return self._reference(key, name)

    def _reference(self, key: Any, wanted: str) -> Schema:
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = self._new_name(wanted)
            self.defs[name] = {}
        else:
            self.shared.add(name)
        return {"$ref": _REF + name}

    def _new_name(self, wanted: str) -> str:
        wanted = re.sub(r"[^\w.-]", "_", wanted, flags=re.ASCII)
        name, number = wanted, 2
        while name in self.defs:
            name, number = f"{wanted}_{number}", number + 1
        return name

    def _annotated(self, hint: Any, scope: _Scope) -> Schema:
        schema = self.of(hint.__origin__, scope)
        for note in hint.__metadata__:
            # Beside plain text: typing_extensions.Doc, and the Field of pydantic.
            for text in (note, getattr(note, "documentation", 0), getattr(note, "description", 0)):
                if isinstance(text, str):
                    schema["description"] = text
                    return schema
        return schema

    def _parametrised(self, hint: Any, origin: Any, scope: _Scope) -> Schema:
        args = get_args(hint)
        if origin in _UNIONS:
            return self._union(args, scope)
        if isinstance(origin, type):
            return self._class(cast(Any, origin), args, scope)
        form = _form(origin)
        if form == "Literal":
            return _choices(hint, _literals(args))
        if form in _WRAPPERS:
            return self.of(args[0], scope)
        inner = _stands_for(origin)
        if inner is not None:
            return self._alias(origin, origin.__name__, inner, scope)
        raise _NoSchema(hint)

    def _union(self, members: Iterable[Any], scope: _Scope) -> Schema:
        schemas: List[Schema] = []
        for member in members:
            schema = self.of(member, scope)
            for each in schema["anyOf"] if schema.keys() == {"anyOf"} else [schema]:
                if each not in schemas:
                    schemas.append(each)
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}

    def _class(self, cls: Any, args: Tuple[Any, ...], scope: _Scope) -> Schema:
        if _is_object(cls):
            return self._definition(cls)
        if hasattr(cls, "__members__"):
            return _described(_choices(cls, [member.value for member in cls]), _doc_of(cls))
        for base in cls.__mro__:
            known = _SCALARS.get(f"{base.__module__}.{base.__qualname__}")
            if known is not None:
                return dict(known)
        if hasattr(cls, "__fspath__"):
            return {"type": "string", "format": "path"}
        if issubclass(cls, tuple):
            return self._tuple(cls, args, scope)
        if issubclass(cls, collections.abc.Mapping):
            # A Counter has but one argument, the type of its keys.
            value = Any if not args else args[1] if len(args) > 1 else int
            schema = self.of(value, scope)
            return {"type": "object", **({"additionalProperties": schema} if schema else {})}
        schema = {"type": "array", "items": self.of(args[0] if args else Any, scope)}
        if issubclass(cls, collections.abc.Set):
            return {**schema, "uniqueItems": True}
        if issubclass(cls, collections.abc.Sequence) or cls in _ITERABLES:
            return schema
        raise _NoSchema(cls)

    def _tuple(self, cls: Any, args: Tuple[Any, ...], scope: _Scope) -> Schema:
        least = None
        if hasattr(cls, "_fields"):
            scope = _class_scope(cls, cls)
            hints: Mapping[str, Any] = getattr(cls, "__annotations__", {})
            args = tuple(hints.get(name, Any) for name in cls._fields)
            least = len(args) - len(cls._field_defaults)
        elif len(args) == 2 and args[1] is ...:
            return {"type": "array", "items": self.of(args[0], scope)}
        elif args in ((), ((),)):
            return {"type": "array", "items": {}}
        return _described(
            {
                "type": "array",
                "prefixItems": [self.of(arg, scope) for arg in args],
                "minItems": len(args) if least is None else least,
                "maxItems": len(args),
            },
            _doc_of(cls),
        )

    def _definition(self, cls: Any) -> Schema:
        if cls in self._names:
            return self._reference(cls, "")
        if _is_foreign(cls):
            self._adopt(cls)
        else:
            reference = self._reference(cls, cls.__name__)
            self.defs[self._names[cls]] = self._object(cls)
            return reference
        return self._reference(cls, "")

    def _object(self, cls: Any) -> Schema:
        members = list(_members(cls))
        description, texts = parse_docstring(_doc_of(cls), [member.name for member in members])
        properties: Schema = {}
        for member in members:
            try:
                schema = self.of(member.hint, member.scope)
            except Mismatch as error:
                raise error.within("." + member.name) from None
            _described(schema, texts.get(member.name, ""))
            if member.default is not _NOTHING:
                schema["default"] = member.default
            properties[member.name] = schema
        made: Schema = {"type": "object", "properties": properties}
        required = [member.name for member in members if member.required]
        if required:
            made["required"] = required
        return _described(made, description)

    def _adopt(self, cls: Any) -> None:
        """Take over what a class says of itself, with its definitions under names of ours."""
        schema: Schema = dict(cls.model_json_schema())
        inner: Dict[str, Schema] = dict(schema.pop("$defs", {}))
        root = str(schema.get("$ref", ""))[len(_REF) :]
        if not root:
            root = self._new_name(cls.__name__) if cls.__name__ in inner else cls.__name__
            inner[root] = schema
        renamed = {
            name: name if self._adopted.get(name) == body else self._new_name(name)
            for name, body in inner.items()
        }
        for name, body in inner.items():
            self._adopted[renamed[name]] = body
            self.defs[renamed[name]] = _renamed(body, renamed)
        self._names[cls] = renamed[root]
