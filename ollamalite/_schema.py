"""Python types and functions as JSON Schema.

Strategy: `_Builder` turns one type hint after the other into a schema. A class with members becomes
a definition under ``$defs`` that is referred to, as pydantic does it, so recursive classes end by
themselves. Of the parameters of a tool the server keeps a few keywords only, and ``$ref`` is none
of them, so there `_Inliner` puts definitions in place, except where they lead back to themselves.

A kind of class is known by the marks that it bears, and a function by its code object: `inspect`
and `dataclasses` are imported only where something needs them, since importing them takes longer
than all that is done here.
"""

from __future__ import annotations

import collections.abc
import enum
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

from ._convert import ARRAY, MAPPING, OBJECT, Converter, Mismatch
from ._model import Record, plain, restore

Schema = Dict[str, Any]

# Types that a value is tested against without becoming one of parameters unknown.
PARTIAL: Any = functools.partial
TUPLE: Any = tuple

_NONE_TYPE = type(None)
_UNIONS = (Union, getattr(types, "UnionType", Union))
_WRAPPERS = frozenset(("ClassVar", "Final", "NotRequired", "ReadOnly", "Required"))
_ITERABLES = (collections.abc.Collection, collections.abc.Iterable, collections.abc.Iterator)
_REF = "#/$defs/"
_KEPT = 256
_NOTHING: Any = object()

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
    "typing_extensions.Any": {},
    "uuid.UUID": {"type": "string", "format": "uuid"},
    "ipaddress.IPv4Address": {"type": "string", "format": "ipv4"},
    "ipaddress.IPv6Address": {"type": "string", "format": "ipv6"},
}


class _NoSchema(Mismatch):
    """JSON Schema has nothing for a type."""

    def __init__(self, hint: Any) -> None:
        super().__init__("a type that JSON Schema has", hint)

    def text(self, root: str) -> str:
        where = root + "".join(reversed(self.path))
        shown = self.value.__qualname__ if isinstance(self.value, type) else repr(self.value)
        return f"{where}: JSON Schema has no type for {shown[:100]}"


# -- what the rest of the package calls ----------------------------------------------------------


def json_schema(value: Any) -> Any:
    """A converter to JSON Schemas, from mappings, classes and constructs of ``typing``."""
    if isinstance(value, Record):
        return plain(value)
    if isinstance(value, OBJECT):
        return value
    if isinstance(value, MAPPING):
        return dict(value)
    if isinstance(value, type) or get_origin(value) is not None or _stands_for(value) is not None:
        return schema_of(value)
    raise Mismatch("a JSON Schema or a class", value)


def tool(inner: Converter) -> Converter:
    """A converter of functions, to what ``inner`` makes of their descriptions as tools.

    With every message of a chat, the same functions are described anew. What follows from name,
    docstring and parameters alone is kept, and copied.
    """
    kept: Dict[Any, Any] = {}

    def describe(func: Any) -> Any:
        if _is_object(func):
            return inner(function_schema(func))
        callee = _callee(func)
        key = callee[:3]
        try:
            made = kept.get(key)
        except TypeError:  # a docstring, or what Annotated says, need not be hashable
            return inner(_callee_schema(callee, _Builder()))
        if made is None:
            builder = _Builder()
            made = inner(_callee_schema(callee, builder))
            if not builder.lasting:
                return made
            if len(kept) >= _KEPT:
                kept.clear()
            kept[key] = made
        return _copied(made)

    def convert(value: Any) -> Any:
        if not callable(value) or isinstance(value, MAPPING):
            return inner(value)
        try:
            return describe(value)
        except Mismatch as error:
            raise error.within("." + name_of(value)) from None

    return convert


def _copied(value: Any) -> Any:
    if isinstance(value, ARRAY):
        return [each if type(each) is str else _copied(each) for each in value]
    if not isinstance(value, OBJECT):
        return value
    made = {
        name: each if type(each) is str else _copied(each)
        for name, each in OBJECT.items(value)  # a record may have a field of that name
    }
    return restore(cast(Any, type(value)), made) if isinstance(value, Record) else made


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


def inlined_schema_of_record(cls: type) -> Schema:
    """As `schema_of_record`, but without definitions: to become a part of another schema.

    Where a class is part of itself, the inner object may have any members.
    """
    builder = _Builder()
    schema = builder.of(cls, _Scope({}))
    return _without_references(_Inliner(builder.defs).inline(schema))


def function_schema(func: Any) -> Schema:
    """Return a function's description as a tool, in the form that the API has for it.

    Its docstring, in the style of Google, NumPy or Sphinx, gives the descriptions. A parameter is
    required if it has no default and may not be None; one without a type hint, or with a hint that
    cannot be evaluated, is a string. A class of models, a dataclass or a TypedDict stands for a
    function of its members. Raises Mismatch for what has no signature, and for a type that JSON
    Schema has nothing for.
    """
    builder = _Builder()
    if not _is_object(func):
        return _callee_schema(_callee(func), builder)
    inliner = _Inliner(builder.defs)
    schema = inliner.inline(builder.of(func, _Scope({})))
    properties: Schema = schema.get("properties", {})
    needed = schema.get("required", ())
    required = [name for name in properties if name in needed]
    return _tool_schema(
        name_of(func), (schema.get("description", ""), {}), properties, required, inliner
    )


def _callee_schema(callee: _Callee, builder: _Builder) -> Schema:
    inliner = _Inliner(builder.defs)
    properties = {
        name: _described(inliner.inline(builder.member(name, hint, callee.scope)), text)
        for name, hint, _, text in callee.parameters
    }
    required = [name for name, _, optional, _ in callee.parameters if not optional]
    texts = parse_docstring(callee.doc, tuple(properties))
    return _tool_schema(callee.name, texts, properties, required, inliner)


def _tool_schema(
    name: str,
    texts: Tuple[str, Mapping[str, str]],
    properties: Dict[str, Schema],
    required: List[str],
    inliner: _Inliner,
) -> Schema:
    description, of_parameters = texts
    for each, schema in properties.items():
        if _take_null(schema) and each in required:
            required.remove(each)
        _name_type(schema)
        schema["description"] = of_parameters.get(each) or schema.get("description", "")
    parameters: Schema = {"type": "object"}
    if inliner.needed:
        parameters["$defs"] = inliner.definitions()
    if properties:
        parameters["required"] = required
    parameters["properties"] = properties
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


def name_of(func: Any) -> str:
    """Return the name that a function has as a tool."""
    if isinstance(func, PARTIAL) and "__name__" not in vars(func):
        return name_of(func.func)
    name = getattr(func, "__name__", None)
    return name if isinstance(name, str) else type(func).__name__


# -- functions -----------------------------------------------------------------------------------


class _Scope:
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


class _Parameter(NamedTuple):
    name: str
    hint: Any
    optional: bool = False
    text: str = ""


def _parameter(name: str, hint: Any, default: Any) -> _Parameter:
    """A parameter with a default, in whose place a Field of pydantic may say more of it."""
    if _is_field(default):
        return _Parameter(name, hint, not default.is_required(), default.description or "")
    return _Parameter(name, hint, True)


_PLAIN = frozenset((str, int, float, bool, type(None)))


def _is_field(default: Any) -> bool:
    # Asked of its class, since some objects have an attribute of any name.
    return hasattr(cast(Any, type(default)), "is_required")


class _Callee(NamedTuple):
    name: str
    doc: Any
    parameters: Tuple[_Parameter, ...]
    scope: _Scope


def _callee(func: Any) -> _Callee:
    method = type(func) is types.MethodType
    function: Any = func.__func__ if method else func
    if type(function) is not types.FunctionType or not function.__dict__.keys().isdisjoint(
        ("__signature__", "__wrapped__")
    ):
        return _callee_by_signature(func)
    defaults: Tuple[Any, ...] = function.__defaults__ or ()
    if function.__kwdefaults__:
        defaults += tuple(function.__kwdefaults__.values())
    if not _PLAIN.issuperset(map(type, defaults)) and any(map(_is_field, defaults)):
        return _callee_by_signature(func)
    # What inspect.signature tells of a plain function, in a fraction of its time.
    code = function.__code__
    positional = code.co_argcount
    names = code.co_varnames[: positional + code.co_kwonlyargcount]
    optional: Set[str] = set(function.__kwdefaults__ or ())
    optional.update(names[positional - len(function.__defaults__ or ()) : positional])
    hints = function.__annotations__
    parameters = [
        _Parameter(name, hints.get(name, str), name in optional)
        for name in names[min(method, positional) :]
    ]
    doc = function.__doc__
    if method and doc is None:
        import inspect

        doc = inspect.getdoc(func)  # that of the method which this one overrides
    scope = _Scope(function.__globals__, function)
    return _Callee(name_of(func), doc, tuple(parameters), scope)


def _callee_by_signature(func: Any) -> _Callee:
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
    parameters: List[_Parameter] = []
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.name not in bound:
            hint: Any = str if parameter.annotation is parameter.empty else parameter.annotation
            parameters.append(
                _Parameter(parameter.name, hint)
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
    scope = _Scope(getattr(function, "__globals__", {}), function)
    return _Callee(name_of(func), doc, tuple(parameters), scope)


def _bare(func: Any) -> Any:
    """A partial without what update_wrapper puts there, which hides that arguments are bound."""
    if isinstance(func, PARTIAL):
        return PARTIAL(_bare(func.func), *func.args, **func.keywords)
    return func


def _take_null(schema: Schema) -> bool:
    """Take null out of what a schema allows, if anything else is left, and tell if it was there.

    A parameter that may be None is one that the model may leave out.
    """
    members = schema.get("anyOf")
    if members:
        rest: List[Schema] = [member for member in members if member != _EXACT[None]]
        if len(rest) == len(members):
            return False
        if len(rest) > 1:
            schema["anyOf"] = rest
        else:
            del schema["anyOf"]
            for key, value in rest[0].items():
                schema.setdefault(key, value)
        return True
    choices = schema.get("enum")
    if choices and None in choices and len(choices) > 1:
        schema.update(_choices(None, [choice for choice in choices if choice is not None]))
        return True
    return schema.get("type") == "null"


def _name_type(schema: Schema) -> None:
    """Give a parameter a type: the templates of many models show nothing else of it."""
    if "type" in schema:
        return
    members = schema.get("anyOf")
    if members:
        names = list(dict.fromkeys(member.get("type") for member in members))
        if all(isinstance(name, str) for name in names):
            schema["type"] = names if len(names) > 1 else names[0]
    elif schema.keys() <= {"title", "description"}:
        schema["type"] = "string"


# -- types ---------------------------------------------------------------------------------------


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
        self.lasting = True
        """If equal hints will have the same schemas at any time and place."""
        # The names of what has a definition: classes, and aliases that are part of themselves.
        self._names: Dict[Any, str] = {}
        self._open: Set[Any] = set()
        # What classes of other packages defined, as it came.
        self._adopted: Dict[str, Schema] = {}

    def of(self, hint: Any, scope: _Scope) -> Schema:
        """Return the schema of a hint, the caller's own. Raises Mismatch if there is none."""
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
        if _is_annotated(hint):
            return self._annotated(hint, scope)
        origin = get_origin(hint)
        if origin is not None:
            return self._parametrised(hint, origin, scope)
        if isinstance(hint, type):
            return self._class(hint, (), scope)
        if isinstance(hint, TypeVar):
            constraints = hint.__constraints__
            if constraints:
                return self._union(constraints, scope)
            return self.of(Any if hint.__bound__ is None else hint.__bound__, scope)
        inner = _stands_for(hint)
        if inner is not None:
            return self._alias(hint, hint.__name__, inner, scope)
        if _form(hint) == "LiteralString":
            return {"type": "string"}
        raise _NoSchema(hint)

    def member(self, name: str, hint: Any, scope: _Scope) -> Schema:
        """Return the schema of a hint; what is raised says that it is the one of ``name``."""
        try:
            return self.of(hint, scope)
        except Mismatch as error:
            raise error.within("." + name) from None

    def _evaluated(self, text: str, scope: _Scope) -> Schema:
        self.lasting = False
        try:
            hint = scope.evaluate(text)
        except Exception:
            # Anything may come of it: a name that only type checkers import, syntax of a newer
            # Python. Text can hold whatever a model wants to give.
            return {"type": "string"}
        if isinstance(hint, type) and get_origin(hint) is None:
            return self.of(hint, scope)
        return self._alias((text, id(scope.names)), text, hint, scope)

    def _alias(self, key: Any, name: str, hint: Any, scope: _Scope) -> Schema:
        """The schema of a hint with a name, which may be part of the hint."""
        self.lasting = False
        if key in self._names or key in self._open:
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
                    self.lasting = self.lasting and text is note
                    return _described(schema, text)
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
        if hasattr(cls, "__ollama_json__"):  # an image, which travels as text
            return cast(Schema, cls.model_json_schema())
        if _is_object(cls) or _is_named_tuple(cls):
            self.lasting = False
            return self._definition(cls)
        if issubclass(cls, enum.Enum):
            self.lasting = False
            return _described(_choices(cls, [member.value for member in cls]), _doc_of(cls))
        for base in cls.__mro__:
            known = _SCALARS.get(f"{base.__module__}.{base.__qualname__}")
            if known is not None:
                return dict(known)
        if hasattr(cls, "__fspath__"):
            return {"type": "string", "format": "path"}
        if issubclass(cls, tuple) and len(args) > 0 and args != ((),) and args[1:] != (...,):
            return _fixed_array([self.of(arg, scope) for arg in args], len(args))
        if issubclass(cls, collections.abc.Mapping):
            # A Counter has but one argument, the type of its keys.
            value: Any = args[1] if len(args) > 1 else int if args else Any
            values = self.of(value, scope)
            return {"type": "object", **({"additionalProperties": values} if values else {})}
        if issubclass(cls, (collections.abc.Sequence, collections.abc.Set)) or cls in _ITERABLES:
            made: Schema = {"type": "array"}
            items = self.of(args[0], scope) if args else None
            if items:
                made["items"] = items
            if issubclass(cls, collections.abc.Set):
                made["uniqueItems"] = True
            return made
        raise _NoSchema(cls)

    def _definition(self, cls: Any) -> Schema:
        if cls not in self._names:
            if _is_foreign(cls):
                self._adopt(cls)
            else:
                reference = self._reference(cls, cls.__name__)
                describe = self._named_tuple if _is_named_tuple(cls) else self._object
                # An alias that is met again within a definition is no part of itself.
                outside, self._open = self._open, set()
                self.defs[self._names[cls]] = describe(cls)
                self._open = outside
                return reference
        return self._reference(cls, cls.__name__)

    def _named_tuple(self, cls: Any) -> Schema:
        hints: Mapping[str, Any] = getattr(cls, "__annotations__", {})
        scope = _class_scope(cls, cls)
        defaults: Mapping[str, Any] = cls._field_defaults
        fields: List[Schema] = []
        for name in cls._fields:
            schema = self.member(name, hints.get(name, Any), scope)
            fields.append(_with_default(schema, defaults.get(name, _NOTHING)))
        return _described(_fixed_array(fields, len(fields) - len(defaults)), _doc_of(cls))

    def _object(self, cls: Any) -> Schema:
        members = list(_members(cls))
        description, texts = parse_docstring(_doc_of(cls), tuple(member.name for member in members))
        properties: Schema = {}
        for member in members:
            schema = self.member(member.name, member.hint, member.scope)
            _described(schema, texts.get(member.name, ""))
            properties[member.name] = _with_default(schema, member.default)
        made: Schema = {"type": "object", "properties": properties}
        required = [member.name for member in members if member.required]
        if required:
            made["required"] = required
        return _described(made, description)

    def _adopt(self, cls: Any) -> None:
        """Take over what a class says of itself, its definitions under names of their own here."""
        schema: Schema = dict(cls.model_json_schema())
        found: Dict[str, Schema] = dict(schema.pop("$defs", {}))
        root = str(schema.get("$ref", ""))[len(_REF) :]
        if not root:
            root = cls.__name__
            while root in found:
                root += "_"
            found[root] = schema
        renamed: Dict[str, str] = {}
        for name, body in found.items():
            renamed[name] = name if self._adopted.get(name) == body else self._new_name(name)
            self.defs.setdefault(renamed[name], {})
            self._adopted[renamed[name]] = body
        for name, body in found.items():
            self.defs[renamed[name]] = _renamed(renamed, body)
        self._names[cls] = renamed[root]


def _is_annotated(hint: Any) -> bool:
    return "__metadata__" in getattr(hint, "__dict__", ())


def _form(origin: Any) -> Optional[str]:
    """The name of a construct of typing, which may be one of typing_extensions' own."""
    return getattr(origin, "_name", None)


def _stands_for(hint: Any) -> Any:
    """The type that a NewType or a ``type`` statement gives a name to."""
    return getattr(hint, "__supertype__", None) or getattr(hint, "__value__", None)


def _is_foreign(cls: Any) -> bool:
    """A class that can describe itself, such as a model of pydantic."""
    return (
        isinstance(cls, type) and hasattr(cls, "model_json_schema") and not issubclass(cls, Record)
    )


def _is_object(cls: Any) -> bool:
    return isinstance(cls, type) and (
        hasattr(cls, "model_json_schema")
        or hasattr(cls, "__dataclass_fields__")
        or hasattr(cls, "__total__")
    )


def _is_named_tuple(cls: Any) -> bool:
    return issubclass(cls, TUPLE) and hasattr(cls, "_fields")


def _members(cls: Any) -> Iterator[_Member]:
    if issubclass(cls, Record):
        for field in cls._fields.values():
            owner = _owner(cls, field.name)
            no_default = field.required or field.make_default is not None
            yield _Member(
                field.alias,
                _hints(owner)[field.name],
                _class_scope(owner, cls),
                field.required,
                _NOTHING if no_default else field.default,
            )
    elif hasattr(cls, "__dataclass_fields__"):
        import dataclasses

        for field in dataclasses.fields(cls):
            if field.init:
                yield _Member(
                    field.name,
                    field.type,
                    _class_scope(_owner(cls, field.name), cls),
                    field.default is dataclasses.MISSING
                    and field.default_factory is dataclasses.MISSING,
                    field.default,
                )
    else:
        scope = _class_scope(cls, cls)
        hints: Dict[str, Any] = cls.__annotations__
        # Python 3.8 knows only of the class as a whole.
        always = getattr(cls, "__required_keys__", hints if cls.__total__ else ())
        for name, hint in hints.items():
            yield _Member(name, hint, scope, _is_required(hint, scope, name in always))


def _owner(cls: Any, name: str) -> Any:
    """The class in whose body a member stands, where the names in its hint have their meaning."""
    return next((base for base in cls.__mro__ if name in _hints(base)), cls)


def _hints(cls: Any) -> Mapping[str, Any]:
    """The annotations in the body of a class."""
    if sys.version_info >= (3, 10):
        return getattr(cls, "__annotations__", {})
    # There, a class without any shows those of its base.
    return cast(Any, vars)(cls).get("__annotations__", {})


def _class_scope(owner: Any, cls: Any) -> _Scope:
    # A class that was made in a function is known by its name to itself only.
    names = vars(sys.modules[owner.__module__]) if owner.__module__ in sys.modules else {}
    return _Scope(names, {cls.__name__: cls})


def _scope_of(hint: ForwardRef, scope: _Scope) -> _Scope:
    module = getattr(hint, "__forward_module__", None)
    return _Scope(vars(sys.modules[module])) if module in sys.modules else scope


def _is_required(hint: Any, scope: _Scope, otherwise: bool) -> bool:
    """Read what Required and NotRequired say of a member of a TypedDict."""
    if isinstance(hint, ForwardRef):
        try:
            hint = _scope_of(hint, scope).evaluate(hint.__forward_arg__)
        except Exception:
            return otherwise  # as in `_Builder`, anything may come of it
    if _is_annotated(hint):
        return _is_required(hint.__origin__, scope, otherwise)
    form = _form(get_origin(hint))
    if form == "ReadOnly":
        return _is_required(get_args(hint)[0], scope, otherwise)
    return form == "Required" or (form != "NotRequired" and otherwise)


def _with_default(schema: Schema, value: Any) -> Schema:
    """Add a default to a schema if JSON has it."""
    if isinstance(value, enum.Enum):
        value = value.value
    finite = not isinstance(value, float) or value - value == 0
    if _json_type(value) is not None and finite:
        schema["default"] = value
    return schema


def _literals(values: Iterable[Any]) -> List[Any]:
    found: List[Any] = []
    for value in values:
        if get_origin(value) is not None:
            found += _literals(get_args(value))  # Python 3.8 leaves them nested
        else:
            found.append(value.value if isinstance(value, enum.Enum) else value)
    return found


def _choices(hint: Any, values: List[Any]) -> Schema:
    names = {_json_type(value) for value in values}
    if None in names:
        raise _NoSchema(hint)
    schema: Schema = {"enum": values}
    if len(names) == 1:
        schema["type"] = names.pop()
    return schema


def _json_type(value: Any) -> Optional[str]:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    for kind in (str, int, float):
        if isinstance(value, kind):
            return cast(str, _EXACT[kind]["type"])
    return None


def _fixed_array(items: List[Schema], least: int) -> Schema:
    return {"type": "array", "prefixItems": items, "minItems": least, "maxItems": len(items)}


def _described(schema: Schema, text: str) -> Schema:
    if text:
        schema["description"] = text
    return schema


def _doc_of(cls: Any) -> str:
    """The docstring that was written for a class: not a base's, and not one that was generated."""
    doc = cls.__dict__.get("__doc__")
    if not isinstance(doc, str) or doc.startswith(cls.__name__ + "("):
        return ""
    return "" if doc == "An enumeration." else "\n".join(_clean(doc)).strip()


# -- schemas -------------------------------------------------------------------------------------

_MAPS = frozenset(("$defs", "definitions", "dependentSchemas", "patternProperties", "properties"))
_DATA = frozenset(("const", "default", "enum", "examples", "required", "type"))


def _rebuilt(schema: Schema, visit: Any) -> Schema:
    """Return a copy of a schema, with what ``visit`` makes of the schemas in it."""
    made: Schema = {}
    for key, value in schema.items():
        if key in _DATA:
            pass
        elif isinstance(value, OBJECT):
            if key in _MAPS:
                value = {name: _visited(each, visit) for name, each in value.items()}
            else:
                value = visit(value)
        elif isinstance(value, ARRAY):
            value = [_visited(each, visit) for each in value]
        made[key] = value
    return made


def _visited(value: Any, visit: Any) -> Any:
    return visit(value) if isinstance(value, dict) else value


def _renamed(names: Mapping[str, str], schema: Schema) -> Schema:
    """Return a copy of a schema that refers to definitions by their new names."""
    made = _rebuilt(schema, functools.partial(_renamed, names))
    name = str(made.get("$ref", ""))[len(_REF) :]
    if name in names:
        made["$ref"] = _REF + names[name]
    return made


def _without_references(schema: Schema) -> Schema:
    made = _rebuilt(schema, _without_references)
    return {"type": "object"} if "$ref" in made else made


class _Inliner:
    """Schemas in the few words that the server leaves of the parameters of a tool."""

    def __init__(self, defs: Mapping[str, Schema]) -> None:
        self.needed: List[str] = []
        """Names of the definitions that could not be put in place."""
        self._defs = defs
        self._path: List[str] = []

    def inline(self, schema: Schema) -> Schema:
        if len(schema) == 1 and "type" in schema:
            return schema
        name = str(schema.get("$ref", ""))[len(_REF) :]
        if not name:
            return _told(_rebuilt(schema, self.inline))
        if name in self._path or name not in self._defs:
            self.needed.append(name)
            return schema
        self._path.append(name)
        body = self.inline(self._defs[name])
        self._path.pop()
        made = {**body, **schema}
        del made["$ref"]
        return made

    def definitions(self) -> Dict[str, Schema]:
        made: Dict[str, Schema] = {}
        for name in self.needed:  # grows meanwhile
            if name not in made and name in self._defs:
                made[name] = self.inline({"$ref": _REF + name})
        return made


def _told(schema: Schema) -> Schema:
    """Say in words that the server keeps what a schema says in words that it drops."""
    if "const" in schema:
        schema.setdefault("enum", [schema["const"]])
    if "oneOf" in schema:
        schema.setdefault("anyOf", schema["oneOf"])
    prefix: List[Schema] = schema.get("prefixItems", [])
    if prefix and "items" not in schema:
        kinds = [each for index, each in enumerate(prefix) if each not in prefix[:index]]
        schema["items"] = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    return schema


# -- docstrings ----------------------------------------------------------------------------------

_SECTIONS = frozenset(
    (
        "args",
        "arguments",
        "attributes",
        "keyword args",
        "keyword arguments",
        "other parameters",
        "parameters",
        "params",
    )
)
_OTHER_SECTIONS = frozenset(("raises", "receives", "returns", "warns", "yields"))
_OTHER_TITLES = ("raises:", "returns:", "yields:")
_FIELDS = frozenset(("arg", "argument", "key", "keyword", "param", "parameter"))
_OTHER_FIELDS = frozenset(
    ("except", "exception", "raise", "raises", "return", "returns", "rtype", "type", "yield")
)
_NAMES = r"`?(\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)`?"
_GOOGLE_ENTRY = _NAMES + r"\s*(?:\((?:[^()]|\([^()]*\))*\))?\s*:\s*(.*)"
_NUMPY_ENTRY = _NAMES + r"\s*(?::.*)?()"
_SPHINX_FIELD = r":(\w+)(?:\s+([^:]*))?:\s*(.*)"


def parse_docstring(doc: Any, names: Tuple[str, ...]) -> Tuple[str, Mapping[str, str]]:
    """Return the description in a docstring, and the texts for those of ``names`` that have one.

    What it says of results and exceptions is in neither.
    """
    return _parsed(doc, names) if isinstance(doc, str) else ("", {})


# With every message of a chat, the same functions are described anew.
@functools.lru_cache(maxsize=512)
def _parsed(doc: str, names: Tuple[str, ...]) -> Tuple[str, Mapping[str, str]]:
    reader = _Docstring(names)
    lines = _clean(doc)
    skip = False
    for line, following in zip(lines, [*lines[1:], ""]):
        if not skip:
            rule = following.strip()
            skip = reader.feed(line, len(rule) > 2 and rule in ("-" * len(rule), "=" * len(rule)))
        else:
            skip = False
    texts = {name: " ".join(filter(None, words)) for name, words in reader.texts.items()}
    return "\n".join(reader.description).strip(), texts


def _clean(doc: str) -> List[str]:
    """The lines of a docstring, without the indentation that they share."""
    first, *lines = doc.expandtabs().splitlines() or [""]
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return [first.lstrip(), *(line[margin:] for line in lines)]


class _Docstring:
    """What the lines of a docstring tell, one after the other.

    A section of Google's style has indented lines, or ends at an empty one; one of NumPy's ends at
    the next underlined title. A field of Sphinx ends at an empty line or at the next one.
    """

    def __init__(self, names: Tuple[str, ...]) -> None:
        self.description: List[str] = []
        self.texts: Dict[str, List[str]] = {}
        self._names = names
        self._read: Callable[[str, int], None] = self._text
        self._words: List[str] = []
        # Indentation of the title, and of the line after it.
        self._level = 0
        self._base: Optional[int] = None
        self._after_blank = False

    def feed(self, line: str, underlined: bool) -> bool:
        """Take one line; tell if the rule that underlines it is part of its meaning."""
        text = line.strip()
        if not text:
            self._after_blank = True
            if self._read == self._text:
                self.description.append("")
            return False
        indent = len(line) - len(line.lstrip())
        if underlined:
            return self._numpy_title(text, indent)
        if not (self._google_title(text, indent) or self._sphinx_field(text, indent)):
            self._read(text, indent)
        self._after_blank = False
        return False

    def _start(
        self, read: Callable[[str, int], None], indent: int, base: Optional[int] = None
    ) -> None:
        self._read = read
        self._words = []
        self._level = indent
        self._base = base

    def _numpy_title(self, text: str, indent: int) -> bool:
        title = text.lower()
        if title in _SECTIONS:
            self._start(self._numpy, indent)
        elif title in _OTHER_SECTIONS:
            self._start(self._nothing, indent)
        else:
            self._text(text, indent)
            return False
        return True

    def _google_title(self, text: str, indent: int) -> bool:
        lowered = text.lower()
        pattern = _GOOGLE_ENTRY if indent > self._level else _NUMPY_ENTRY
        if self._read == (self._google if indent > self._level else self._numpy):
            entry = re.fullmatch(pattern, text)
            if entry is not None and self._is_new(entry[1]):
                return False  # a parameter that is named like a section
        if lowered.startswith(_OTHER_TITLES):
            inline = text.partition(":")[2].strip()
            self._start(self._other, indent, indent if inline else None)
            return True
        if lowered.startswith("args:") or (text[-1] == ":" and lowered[:-1].strip() in _SECTIONS):
            self._start(self._google, indent)
            return True
        return False

    def _sphinx_field(self, text: str, indent: int) -> bool:
        field = re.fullmatch(_SPHINX_FIELD, text) if text[0] == ":" else None
        if field is None or not (field[1] in _OTHER_FIELDS or (field[1] in _FIELDS and field[2])):
            return False
        self._start(self._sphinx, indent)
        if field[1] in _FIELDS:
            self._entry(field[2].split()[-1], field[3])
        return True

    def _entry(self, names: str, text: str) -> None:
        self._words = [text]
        for name in names.split(","):
            name = name.strip().lstrip("*")
            if name in self._names:
                self.texts[name] = self._words

    # How a line is read, by what it is part of.

    def _text(self, text: str, indent: int) -> None:
        if self._read != self._text:
            self._read = self._text
            if self._after_blank and self.description and self.description[-1]:
                self.description.append("")
        self.description.append(text)

    def _google(self, text: str, indent: int) -> None:
        ended = self._ended(indent)
        base = indent if self._base is None else self._base
        entry = re.fullmatch(_GOOGLE_ENTRY, text)
        known = entry is not None and self._is_new(entry[1])
        if ended and not (known and base <= self._level):
            self._text(text, indent)
        elif entry is not None and (known or indent <= base):
            self._entry(entry[1], entry[2])
        else:
            self._words.append(text)

    def _numpy(self, text: str, indent: int) -> None:
        entry = re.fullmatch(_NUMPY_ENTRY, text)
        if indent > self._level:
            self._words.append(text)
        elif entry is not None:
            self._entry(entry[1], "")
        else:
            self._text(text, indent)

    def _sphinx(self, text: str, indent: int) -> None:
        if self._after_blank and indent <= self._level:
            self._text(text, indent)
        else:
            self._words.append(text)

    def _other(self, text: str, indent: int) -> None:
        if self._ended(indent):
            self._text(text, indent)

    def _nothing(self, text: str, indent: int) -> None:
        """Between a title of NumPy's style and the next, nothing is of interest."""

    def _ended(self, indent: int) -> bool:
        if self._base is None:
            self._base = indent
            return False
        return indent <= self._level and (self._base > self._level or self._after_blank)

    def _is_new(self, names: str) -> bool:
        parts = [name.strip().lstrip("*") for name in names.split(",")]
        return any(name in self._names and name not in self.texts for name in parts)
