"""Python types as JSON Schema.

Strategy: `Builder` turns one type hint after the other into a schema. A class with members becomes
a definition under ``$defs`` that is referred to, as pydantic does it, so recursive classes end by
themselves.

A kind of class is known by the marks that it bears: `dataclasses` is imported only where something
needs it, since importing it takes longer than all that is done here.
"""

from __future__ import annotations

import collections.abc
import enum
import re
import sys
import types
from typing import (
    Any,
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

from ._callee import Scope
from ._convert import MAPPING, OBJECT, Mismatch
from ._docstring import clean, parse_docstring
from ._model import Record, plain
from ._references import REF, Inliner, Schema, rename, without_references

# A type that a value is tested against without becoming one of parameters unknown.
TUPLE: Any = tuple

_NONE_TYPE = type(None)
_UNIONS = (Union, getattr(types, "UnionType", Union))
_WRAPPERS = frozenset(("ClassVar", "Final", "NotRequired", "ReadOnly", "Required"))
_ITERABLES = (collections.abc.Collection, collections.abc.Iterable, collections.abc.Iterator)
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


def schema_of(hint: Any) -> Schema:
    """Return the JSON Schema of a type. Raises Mismatch if there is none for it."""
    if _is_foreign(hint):
        return cast(Schema, hint.model_json_schema())
    builder = Builder()
    schema = builder.of(hint, Scope({}))
    name = schema.pop("$ref", "")[len(REF) :]
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
    builder = Builder()
    schema = builder.of(cls, Scope({}))
    return without_references(Inliner(builder.defs).inline(schema))


class _Member(NamedTuple):
    name: str
    hint: Any
    scope: Scope
    required: bool
    default: Any = _NOTHING


class Builder:
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

    def of(self, hint: Any, scope: Scope) -> Schema:
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

    def member(self, name: str, hint: Any, scope: Scope) -> Schema:
        """Return the schema of a hint; what is raised says that it is the one of ``name``."""
        try:
            return self.of(hint, scope)
        except Mismatch as error:
            raise error.within("." + name) from None

    def _evaluated(self, text: str, scope: Scope) -> Schema:
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

    def _alias(self, key: Any, name: str, hint: Any, scope: Scope) -> Schema:
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
        return {"$ref": REF + name}

    def _new_name(self, wanted: str) -> str:
        wanted = re.sub(r"[^\w.-]", "_", wanted, flags=re.ASCII)
        name, number = wanted, 2
        while name in self.defs:
            name, number = f"{wanted}_{number}", number + 1
        return name

    def _annotated(self, hint: Any, scope: Scope) -> Schema:
        schema = self.of(hint.__origin__, scope)
        for note in hint.__metadata__:
            # Beside plain text: typing_extensions.Doc, and the Field of pydantic.
            for text in (note, getattr(note, "documentation", 0), getattr(note, "description", 0)):
                if isinstance(text, str):
                    self.lasting = self.lasting and text is note
                    return described(schema, text)
        return schema

    def _parametrised(self, hint: Any, origin: Any, scope: Scope) -> Schema:
        args = get_args(hint)
        if origin in _UNIONS:
            return self._union(args, scope)
        if isinstance(origin, type):
            return self._class(cast(Any, origin), args, scope)
        form = _form(origin)
        if form == "Literal":
            return choices_of(hint, _literals(args))
        if form in _WRAPPERS:
            return self.of(args[0], scope)
        inner = _stands_for(origin)
        if inner is not None:
            return self._alias(origin, origin.__name__, inner, scope)
        raise _NoSchema(hint)

    def _union(self, members: Iterable[Any], scope: Scope) -> Schema:
        schemas: List[Schema] = []
        for member in members:
            schema = self.of(member, scope)
            for each in schema["anyOf"] if schema.keys() == {"anyOf"} else [schema]:
                if each not in schemas:
                    schemas.append(each)
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}

    def _class(self, cls: Any, args: Tuple[Any, ...], scope: Scope) -> Schema:
        if hasattr(cls, "__ollama_json__"):  # an image, which travels as text
            return cast(Schema, cls.model_json_schema())
        if is_object(cls) or _is_named_tuple(cls):
            self.lasting = False
            return self._definition(cls)
        if issubclass(cls, enum.Enum):
            self.lasting = False
            return described(choices_of(cls, [member.value for member in cls]), _doc_of(cls))
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
        return described(_fixed_array(fields, len(fields) - len(defaults)), _doc_of(cls))

    def _object(self, cls: Any) -> Schema:
        members = list(_members(cls))
        description, texts = parse_docstring(_doc_of(cls), tuple(member.name for member in members))
        properties: Schema = {}
        for member in members:
            schema = self.member(member.name, member.hint, member.scope)
            described(schema, texts.get(member.name, ""))
            properties[member.name] = _with_default(schema, member.default)
        made: Schema = {"type": "object", "properties": properties}
        required = [member.name for member in members if member.required]
        if required:
            made["required"] = required
        return described(made, description)

    def _adopt(self, cls: Any) -> None:
        """Take over what a class says of itself, its definitions under names of their own here."""
        schema: Schema = dict(cls.model_json_schema())
        found: Dict[str, Schema] = dict(schema.pop("$defs", {}))
        root = str(schema.get("$ref", ""))[len(REF) :]
        if not root:
            root = cls.__name__
            while root in found:
                root += "_"
            found[root] = schema
        new_names: Dict[str, str] = {}
        for name, body in found.items():
            new_names[name] = name if self._adopted.get(name) == body else self._new_name(name)
            self.defs.setdefault(new_names[name], {})
            self._adopted[new_names[name]] = body
        for name, body in found.items():
            self.defs[new_names[name]] = rename(new_names, body)
        self._names[cls] = new_names[root]


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


def is_object(cls: Any) -> bool:
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


def _class_scope(owner: Any, cls: Any) -> Scope:
    # A class that was made in a function is known by its name to itself only.
    names = vars(sys.modules[owner.__module__]) if owner.__module__ in sys.modules else {}
    return Scope(names, {cls.__name__: cls})


def _scope_of(hint: ForwardRef, scope: Scope) -> Scope:
    module = getattr(hint, "__forward_module__", None)
    return Scope(vars(sys.modules[module])) if module in sys.modules else scope


def _is_required(hint: Any, scope: Scope, otherwise: bool) -> bool:
    """Read what Required and NotRequired say of a member of a TypedDict."""
    if isinstance(hint, ForwardRef):
        try:
            hint = _scope_of(hint, scope).evaluate(hint.__forward_arg__)
        except Exception:
            return otherwise  # as in `Builder`, anything may come of it
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


def choices_of(hint: Any, values: List[Any]) -> Schema:
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


def described(schema: Schema, text: str) -> Schema:
    if text:
        schema["description"] = text
    return schema


def _doc_of(cls: Any) -> str:
    """The docstring that was written for a class: not a base's, and not one that was generated."""
    doc = cls.__dict__.get("__doc__")
    if not isinstance(doc, str) or doc.startswith(cls.__name__ + "("):
        return ""
    return "" if doc == "An enumeration." else "\n".join(clean(doc)).strip()
