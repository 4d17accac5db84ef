"""Base of all models: a record *is* the JSON object that travels, with attributes on top.

Strategy: a record is a ``dict`` that holds the members of its JSON object under their wire names,
those that this version does not know among them; so nothing a server sends is lost, what is sent
back is what came, and ``json.dumps`` takes a record as it is. Attributes, items and iteration show
the declared fields as Python values: under Python names, absent ones as their default, times as
``datetime``. Class set-up makes one property per annotated field and nothing else; what only
introspection asks for (``__dataclass_fields__``, ``__signature__``) is built when it is asked for.
"""

from __future__ import annotations

from operator import itemgetter
from typing import (
    TYPE_CHECKING,
    AbstractSet,
    Any,
    Callable,
    ClassVar,
    Dict,
    FrozenSet,
    ItemsView,
    Iterator,
    KeysView,
    List,
    Mapping,
    Optional,
    Set,
    Tuple,
    Type,
    TypeVar,
    Union,
    ValuesView,
    cast,
)

from ._convert import (
    ARRAY,
    MAPPING,
    OBJECT,
    Converter,
    Mismatch,
    anything,
)
from .errors import RequestError

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform

    from ._introspection import FieldInfo

    # A record is no Dict[str, Any] to a type checker: its fields have types of their own, and one
    # of them (`items` of a JSON Schema) would clash with a method of dict.
    _Object = object
else:
    _Object = dict

    def dataclass_transform(**_: Any) -> Callable[[Any], Any]:
        return lambda cls: cls


R = TypeVar("R", bound="Record")
Choice = Union[Set[str], Dict[str, Any], None]

# The methods of dict itself: those of a record of the same name show Python values, and one named
# `items` may be a field.
new = OBJECT.__new__
update = OBJECT.update
_get = OBJECT.get
_put = OBJECT.__setitem__
_keys: Callable[[Record], KeysView[str]] = OBJECT.keys
_items: Callable[[Record], ItemsView[str, Any]] = OBJECT.items

_CHANGEABLE: Any = (dict, list, set)


class Field:
    """One declared field of a record."""

    __slots__ = (
        "alias",
        "annotation",
        "convert",
        "default",
        "key",
        "make_default",
        "name",
        "read",
        "required",
        "send",
    )

    def __init__(
        self,
        name: str,
        alias: str,
        annotation: Any,
        default: Any,
        required: bool,
        read: Optional[Converter],
        make_default: Any = None,
    ) -> None:
        self.name = name
        self.annotation = annotation
        # Equal to the name, but an object of its own: see Record.keys.
        self.key = "".join(list(name))
        self.alias = alias
        self.default = default
        self.required = required
        self.read = read
        # Where each record needs a default of its own, since it can be changed.
        self.make_default = make_default
        self.convert: Converter = anything
        # Makes of a value what a request holds.
        self.send: Converter = anything

    def of(self, record: Record) -> Any:
        """Return the value that the field has in ``record``, as Python shows it."""
        value = _get(record, self.alias, self.default)
        return value if self.read is None else self.read(value)


def _property(field: Field) -> property:
    if field.name == "items":
        return property(_read_items)
    if field.read is None and field.alias == field.name:
        # Runs in C from end to end where the member is there; `__missing__` knows the key.
        return property(itemgetter(field.key), doc=str(field.annotation))
    return property(field.of, doc=str(field.annotation))


def _reads_item(attribute: Any) -> bool:
    return type(attribute) is property and type(attribute.fget) is itemgetter


def _default(given: Any) -> Tuple[Any, Any, Any, Any]:
    """Return default, whether there is none, its maker, and alias, of what a class body assigns.

    That may be a ``Field()`` or ``PrivateAttr()`` of pydantic, which are known by their marks.
    Defaults that can be changed have a maker, since each record needs one of its own.
    """
    if given is None or type(given) is str:
        return given, False, None, None  # as nearly all are
    alias: Any = None
    if hasattr(given, "get_default"):
        alias = getattr(given, "alias", None)
        if given.default_factory is not None:
            return None, False, given.default_factory, alias
        if hasattr(given, "is_required") and given.is_required():
            return None, True, None, alias
        given = given.get_default()
    if isinstance(given, _CHANGEABLE):
        import copy

        return given, False, lambda: copy.deepcopy(given), alias
    return given, False, None, alias


class _PrivateDefault:
    """An attribute that is no field, and that each record has a value of its own of."""

    def __init__(self, name: str, make: Callable[[], Any]) -> None:
        self.name = name
        self.make = make

    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is None:
            return self
        value = self.make()
        object.__setattr__(instance, self.name, value)
        return value


# A JSON Schema has a member `items`, and so the classes for tools have a field of that name, which
# must not hide the method of dict that `json` and `pprint` call. So what the attribute gives is the
# value, and can be called as the method.


class _Callable:
    owner: Any = None

    def __call__(self) -> Any:
        return OBJECT.items(self if self.owner is None else self.owner)


class _ItemsObject(_Callable, OBJECT):  # type: ignore[misc]
    """A value that is an object."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        return dict, (dict(self),)


class _ItemsArray(_Callable, ARRAY):  # type: ignore[misc]
    """A value that is a list."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        return list, (list(self),)


class _NoItems(_Callable, OBJECT):  # type: ignore[misc]
    """No value: false, equal to None, and None in every copy.

    Where it is taken for a value, since it is not the object None, it is a schema for anything.
    """

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, _NoItems)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "None"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(None), ()


def _read_items(record: Record) -> Any:
    value = _get(record, "items")
    if type(value) is OBJECT or type(value) is ARRAY:
        # Kept, so that what is changed in the value is changed in the record.
        kind: Any = _ItemsObject if isinstance(value, OBJECT) else _ItemsArray
        value = kind(value)
        _put(record, "items", value)
    elif value is None:
        value = _NoItems()
    if isinstance(value, _Callable):
        value.owner = record
    return value


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


class _OnDemand:
    """A class attribute that is built when it is first read on a class."""

    def __init__(self, build: Callable[[Type[Record]], Any]) -> None:
        self.build = build
        self.built: Dict[Type[Record], Any] = {}
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: Type[Record]) -> Any:
        if owner is Record:
            raise AttributeError(self.name)
        # Not kept on the class, where its subclasses would find it.
        value = self.built.get(owner)
        if value is None:
            value = self.built[owner] = self.build(owner)
        return value


class ModelFields:
    """``model_fields``: what is to say of the declared fields, on the class and on instances."""

    def __init__(self) -> None:
        self.built: Dict[type, Dict[str, FieldInfo]] = {}

    def __get__(self, instance: Any, owner: Any) -> Dict[str, FieldInfo]:
        made = self.built.get(owner)
        if made is None:
            from ._introspection import field_infos

            made = self.built[owner] = field_infos(owner)
        return made


def _dataclass_fields(cls: Type[Record]) -> Any:
    import dataclasses

    fields: List[Any] = []
    for field in cls._fields.values():
        if field.required:
            fields.append((field.name, field.annotation))
        else:
            make: Any = field.make_default
            default: Any = (
                dataclasses.field(default=field.default)
                if make is None
                else dataclasses.field(default_factory=make)
            )
            fields.append((field.name, field.annotation, default))
    made: Any = dataclasses.make_dataclass(cls.__name__, fields, init=False)
    return made.__dataclass_fields__


class _DataclassParams:
    """What `pprint` asks a dataclass: whether its representation is a generated one."""

    init = eq = True
    repr = order = unsafe_hash = frozen = False


def _signature(cls: Type[Record]) -> Any:
    from ._introspection import signature

    return signature(cls)


@dataclass_transform(kw_only_default=True)
class Record(_Object):
    """Base of all models.

    Fields read as attributes (``response.message``) and as items (``response["message"]``). An
    absent field is its default as an attribute, and a KeyError as an item. Members that the class
    does not declare are kept, read the same way, and are part of every dump.

    A record compares equal to one of the same class with the same values, can be pickled and
    copied, and is accepted by ``json.dumps`` (images need `model_dump_json`), by the functions of
    ``dataclasses`` and as the type of a field in a pydantic model. Attributes whose names begin
    with one underscore are the caller's: they are no part of the object, of its dumps or of its
    copies. As a mapping, ``keys()``, ``dict(record)`` and ``**record`` show every field as a Python
    value; ``items()`` and ``values()`` show the JSON object itself.
    """

    # Attributes of the caller's. An empty slot costs a decoded record 8 bytes and no time that can
    # be measured; a real `__dict__` costs twice that and, as `__weakref__` does, 1 to 3 % of it.
    __slots__ = ("_record_attributes",)

    _fields: ClassVar[Dict[str, Field]] = {}
    _by_name: ClassVar[Dict[str, Field]] = {}
    _required: ClassVar[Tuple[Field, ...]] = ()
    # Those whose default each record has one of its own of.
    _made: ClassVar[Tuple[Field, ...]] = ()
    # Members that are sent even if they are not given.
    _defaults: ClassVar[Dict[str, Any]] = {}
    # Wire names of the fields that take any text.
    _texts: ClassVar[FrozenSet[str]] = frozenset()
    model_config: ClassVar[Mapping[str, Any]] = {"extra": "allow"}
    model_computed_fields: ClassVar[Mapping[str, Any]] = {}
    # Set by a class body: wire names that differ from the Python name; how to read a value.
    _aliases: ClassVar[Mapping[str, str]] = {}
    _readers: ClassVar[Mapping[str, Converter]] = {}
    # And the fields that the class of this name in the ``ollama`` package does not have.
    _added: ClassVar[Tuple[str, ...]] = ()

    if TYPE_CHECKING:
        model_fields: ClassVar[Dict[str, FieldInfo]]
        __fields__: ClassVar[Dict[str, FieldInfo]]
    else:
        model_fields = __fields__ = ModelFields()
        __dataclass_fields__ = _OnDemand(_dataclass_fields)
        __dataclass_params__ = _DataclassParams
        __signature__ = _OnDemand(_signature)
        __hash__ = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # A nested class stands flat in its module, under the name that its path makes.
        type.__setattr__(cls, "__name__", cls.__qualname__.rpartition(".")[2])
        own = cls.__dict__
        fields: Dict[str, Field] = {}
        for base in reversed(cls.__mro__[1:]):
            fields.update(base.__dict__.get("_fields", {}))
        hints: Dict[str, Any] = own.get("__annotations__", {})
        for name, annotation in hints.items():
            if name.startswith("_") or "ClassVar" in str(annotation):
                continue
            default, required, make, alias = _default(own.get(name))
            required = required or name not in own
            alias, read = cls._aliases.get(name) or alias or name, cls._readers.get(name)
            field = Field(name, alias, annotation, default, required, read, make)
            fields[name] = field
            setattr(cls, name, _property(field))
        for name, given in list(own.items()):
            if name[0] == "_" != name[1:2] and name not in ("_aliases", "_readers"):
                default, _, make, _ = _default(given)
                if make is not None and "ClassVar" not in str(hints.get(name)):
                    setattr(cls, name, _PrivateDefault(name, make))
                elif default is not given:
                    setattr(cls, name, default)
        cls._fields = fields
        cls._by_name = {**{f.alias: f for f in fields.values()}, **fields}
        cls._required = tuple(f for f in fields.values() if f.required)
        cls._made = tuple(f for f in fields.values() if f.make_default is not None)
        cls._defaults = {f.alias: f.default for f in fields.values() if f.default is not None}
        if cls._readers and cls.__getitem__ is OBJECT.__getitem__:
            cls.__getitem__ = Record._read_item  # type: ignore[method-assign]
        if (cls.__getitem__, cls.__missing__) != (OBJECT.__getitem__, Record.__missing__):
            # Items are not simply the members, and may be made of attributes.
            for name, field in fields.items():
                if _reads_item(getattr(cls, name, None)):
                    setattr(cls, name, property(field.of, doc=str(field.annotation)))

    if not TYPE_CHECKING:

        def __init__(self, /, **values: Any) -> None:
            try:
                self._fill(values)
            except Mismatch as error:
                raise RequestError(error.text(type(self).__qualname__)) from None

    @classmethod
    def checked(cls: Type[R], values: Mapping[str, Any]) -> R:
        """Return a record of values under Python or wire names. Raises Mismatch."""
        made: R = new(cls)
        made._fill(values)
        return made

    def _fill(self, values: Mapping[str, Any]) -> None:
        by_name = self._by_name
        for name in values:
            value = values[name]
            field = by_name.get(name)
            if field is None:
                _put(self, name, value)
                continue
            try:
                _put(self, field.alias, field.convert(value))
            except Mismatch as error:
                raise error.within("." + field.name) from None
        for field in self._required:
            if field.alias not in _keys(self):
                raise Mismatch("required", None).within("." + field.name)
        if self._made:
            self._make_defaults()

    def _make_defaults(self) -> None:
        for field in self._made:
            if field.alias not in _keys(self):
                _put(self, field.alias, field.make_default())

    # -- items ---------------------------------------------------------------------------------

    if TYPE_CHECKING:

        def __getitem__(self, key: str) -> Any: ...

        def __missing__(self, key: str) -> Any: ...

        def __len__(self) -> int: ...

        def values(self) -> ValuesView[Any]: ...

    else:

        def __missing__(self, key: str) -> Any:
            field = self._by_name.get(key)
            if field is not None and (
                key is field.key or field.alias in _keys(self) or field.default is not None
            ):
                return field.of(self)
            raise KeyError(key)

    def _read_item(self, key: str) -> Any:
        field = self._by_name.get(key)
        if field is not None and field.alias != key:
            # A member under the Python name of another one is not what is meant.
            return self.__missing__(key)
        value: Any = OBJECT.__getitem__(self, key)
        return value if field is None or field.read is None else field.read(value)

    def __setitem__(self, key: str, value: Any) -> None:
        field = self._by_name.get(key)
        _put(self, key if field is None else field.alias, value)

    def __contains__(self, key: object) -> bool:
        field = self._by_name.get(cast(str, key))
        if field is None:
            return key in _keys(self)
        return field.alias in _keys(self) or field.default is not None

    def __iter__(self) -> Iterator[Tuple[str, Any]]:
        for field in self._fields.values():
            yield field.name, field.of(self)
        yield from self.model_extra.items()

    def __bool__(self) -> bool:
        return True

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a field, known or not; ``default`` if there is none such.

        An absent field that the class declares is its own default, mostly None, as it is in the
        ``ollama`` package. One that only this package declares is ``default``, as it is there.
        """
        field = self._by_name.get(key)
        if field is None:
            return _get(self, key, default)
        if field.name in self._added and field.alias not in _keys(self):
            return default
        return field.of(self)

    def keys(self) -> KeysView[str]:
        """Return the names of all fields, then of the members that the class does not declare.

        Every name in it can be read as an item, None if the field is absent.
        """
        # `dict(record)` and `**record` read each of these as an item. A name from here is known by
        # its identity, so that absent fields are in the dictionary, as they are in the one that
        # the `ollama` package makes, while `record["absent"]` is a KeyError, as it is there.
        keys = [field.key for field in self._fields.values()]
        return dict.fromkeys((*keys, *self.model_extra)).keys()

    # -- attributes ----------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        # Only for names that the class does not have, so a member named like a method or looked
        # for by a protocol (`__pydantic_serializer__`) cannot be mistaken for one.
        if not name.startswith("__"):
            if _is_private(name) and name != "_record_attributes":
                own = self._own_attributes()
                if name in own:
                    return own[name]
            value = _get(self, name, self)
            if value is not self:
                return value
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        field = self._fields.get(name)
        if field is not None:
            _put(self, field.alias, value)
        elif _is_private(name):
            try:
                object.__setattr__(self, name, value)
            except AttributeError:
                own = {**self._own_attributes(), name: value}
                object.__setattr__(self, "_record_attributes", own)
        elif hasattr(getattr(type(self), name, None), "__set__"):
            # A property of a class that derives from this one.
            object.__setattr__(self, name, value)
        else:
            raise ValueError(f'"{type(self).__name__}" object has no field "{name}"')

    def __delattr__(self, name: str) -> None:
        field = self._fields.get(name)
        if field is None:
            if not _is_private(name) or self._own_attributes().pop(name, self) is self:
                object.__delattr__(self, name)
            return
        if field.alias not in _keys(self):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        OBJECT.__delitem__(self, field.alias)

    def _own_attributes(self) -> Dict[str, Any]:
        return getattr(self, "_record_attributes", {})

    if not TYPE_CHECKING:

        @property
        def __dict__(self) -> Dict[str, Any]:
            """What ``vars(record)`` gives: a dictionary of its own, as ``dict(record)``."""
            return {**dict(iter(self)), **self._own_attributes()}

    # -- comparing, writing, copying -------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            # A dictionary would compare its members with ours.
            return False if isinstance(other, OBJECT) else NotImplemented
        if OBJECT.__eq__(self, other):
            return True
        return dict(iter(self)) == dict(iter(cast(Any, other)))

    def __ne__(self, other: object) -> bool:
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    def __repr__(self) -> str:
        given = self.model_fields_set
        shown = [f"{name}={value!r}" for name, value in self if name in given]
        return f"{type(self).__qualname__}({', '.join(shown)})"

    __str__ = __repr__

    def __reduce_ex__(self, protocol: Any) -> Any:
        return restore, (type(self), dict(_items(self)))

    def __copy__(self: R) -> R:
        return restore(type(self), dict(_items(self)))

    # -- what users of pydantic models call ------------------------------------------------------

    @property
    def model_fields_set(self) -> Set[str]:
        """Names of the fields and members that were given, even if as None."""
        by_name = self._by_name
        return {by_name[key].name if key in by_name else key for key in _keys(self)}

    @property
    def model_extra(self) -> Dict[str, Any]:
        """The members that the class does not declare, in a dictionary of their own."""
        by_name = self._by_name
        return {key: value for key, value in _items(self) if key not in by_name}

    def model_dump(
        self,
        *,
        mode: str = "python",
        include: Choice = None,
        exclude: Choice = None,
        by_alias: Optional[bool] = None,
        exclude_unset: bool = False,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        fallback: Optional[Callable[[Any], Any]] = None,
        **keywords: Any,
    ) -> Dict[str, Any]:
        """Return plain dictionaries and lists, of all fields unless they are excluded.

        With ``mode="json"`` every value is one that JSON has: times as the text that came, and what
        ``fallback`` returns for a value that JSON has nothing for. ``by_alias`` uses the names of
        the wire. Names in ``include`` and ``exclude`` are Python's. The other keywords of pydantic
        are taken where they ask for what is done anyhow; RequestError says which of them is not.
        """
        from ._dump import Dump

        if keywords:
            from ._keywords import check_keywords

            check_keywords("model_dump", keywords)
        return Dump(
            mode == "json",
            bool(by_alias),
            exclude_unset,
            exclude_defaults,
            exclude_none,
            fallback,
        ).record(self, include, exclude)

    def model_dump_json(
        self, *, indent: Optional[int] = None, ensure_ascii: bool = False, **options: Any
    ) -> str:
        """Return `model_dump` with the same options and ``mode="json"`` as JSON text."""
        import json

        if "mode" in options:
            raise TypeError("model_dump_json() got an unexpected keyword argument 'mode'")
        content = self.model_dump(mode="json", **options)
        separators = (",", ":") if indent is None else None
        return json.dumps(content, indent=indent, separators=separators, ensure_ascii=ensure_ascii)

    @classmethod
    def model_validate(cls: Type[R], obj: Any, **keywords: Any) -> R:
        """Return a record of a mapping, checked and copied; one of this class is returned itself.

        Raises RequestError, which is a ValueError and names the path, if something does not fit,
        or if a keyword of pydantic's asks for what cannot be done, such as ``strict=True``.
        """
        if keywords:
            from ._keywords import check_keywords

            check_keywords("model_validate", keywords)
        try:
            made: R = record(cls)(obj)
            return made
        except Mismatch as error:
            raise RequestError(error.text(cls.__qualname__)) from None

    @classmethod
    def model_validate_json(
        cls: Type[R], json_data: Union[str, bytes, bytearray], **keywords: Any
    ) -> R:
        """Return a record of JSON text. Raises RequestError, a ValueError, if it is none."""
        import json

        try:
            obj = json.loads(json_data)
        except (ValueError, RecursionError) as error:
            raise RequestError(f"{cls.__qualname__}: not JSON: {error}") from error
        return cls.model_validate(obj, **keywords)

    @classmethod
    def model_construct(cls: Type[R], _fields_set: Optional[Set[str]] = None, **values: Any) -> R:
        """Return a record of values that are taken as they are, unchecked."""
        by_name = cls._by_name
        wire = {by_name[key].alias if key in by_name else key: v for key, v in values.items()}
        made = restore(cls, wire)
        made._make_defaults()
        return made

    def model_copy(self: R, *, update: Optional[Mapping[str, Any]] = None, deep: bool = False) -> R:
        """Return a copy, with the values of ``update`` put in unchecked."""
        import copy

        twin = copy.deepcopy(self) if deep else self.__copy__()
        for name, value in (update or {}).items():
            twin[name] = value
        return twin

    @classmethod
    def model_json_schema(cls, **_: Any) -> Dict[str, Any]:
        """Return a JSON Schema of the class, under the names of the wire."""
        from ._schema import schema_of_record

        return schema_of_record(cls)

    def dict(self, **options: Any) -> Dict[str, Any]:
        """Return `model_dump` with the same options: the name that pydantic 1 had."""
        return self.model_dump(**options)

    def json(self, **options: Any) -> str:
        """Return `model_dump_json` with the same options: the name that pydantic 1 had."""
        return self.model_dump_json(**options)

    def copy(
        self: R,
        *,
        include: Optional[AbstractSet[str]] = None,
        exclude: Optional[AbstractSet[str]] = None,
        update: Optional[Mapping[str, Any]] = None,
        deep: bool = False,
    ) -> R:
        """Return `model_copy`, of the named fields: the name that pydantic 1 had."""
        if isinstance(include, MAPPING) or isinstance(exclude, MAPPING):
            raise TypeError("copy takes sets of names; model_dump can choose inside of them")
        twin = self.model_copy(deep=deep)
        for name in self.model_fields_set:
            if (include is not None and name not in include) or name in (exclude or ()):
                field = self._fields.get(name)
                OBJECT.pop(twin, name if field is None else field.alias)
        return twin.model_copy(update=update)

    # Other names that pydantic 1 had.
    parse_obj = model_validate
    parse_raw = model_validate_json
    construct = model_construct
    schema = model_json_schema

    @classmethod
    def model_rebuild(cls, **_: Any) -> None:
        """Do nothing: what pydantic does here is for types that were not known before."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        # Only pydantic calls this, so it is there to be imported.
        from pydantic_core import core_schema

        def alias(field: Field) -> Any:
            return [[field.alias], [field.name]]

        def validate(value: Any, members: Callable[[Any], Any]) -> Any:
            # What a record is goes by its class, whatever its members are.
            if not isinstance(value, Record):
                members(value)
            return cls.model_validate(value)

        # With several classes in a Union, pydantic takes that which declares most of the members.
        fields = {
            field.name: core_schema.typed_dict_field(
                core_schema.any_schema(),
                required=field.required,
                validation_alias=alias(field),
            )
            for field in cls._fields.values()
        }
        return core_schema.no_info_wrap_validator_function(
            validate,
            core_schema.typed_dict_schema(fields, extra_behavior="allow"),
            # The name that the class has among the definitions of a schema comes from this.
            ref=f"{cls.__module__}.{cls.__qualname__}:{id(cls)}",
            serialization=core_schema.plain_serializer_function_ser_schema(
                _dump_for_pydantic, info_arg=True
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, source: Any, handler: Any) -> Any:
        from ._schema import inlined_schema_of_record

        # References in it would be looked up in the schema that it becomes a part of.
        return inlined_schema_of_record(cls)


def _dump_for_pydantic(record: Any, info: Any) -> Any:
    if not isinstance(record, Record):
        return record  # of another class in a Union, or assigned unchecked
    return record.model_dump(
        mode=info.mode,
        include=info.include,
        exclude=info.exclude,
        by_alias=bool(info.by_alias),
        exclude_unset=info.exclude_unset,
        exclude_defaults=info.exclude_defaults,
        exclude_none=info.exclude_none,
    )


# So that `typing.get_type_hints` of a class of models has its fields alone.
Record.__annotations__.clear()


def restore(cls: Type[R], wire: Dict[str, Any]) -> R:
    """Return the record of a JSON object whose values are already what a record keeps."""
    record: R = new(cls)
    update(record, wire)
    return record


def record(cls: Type[R]) -> Converter:
    """A converter to records of ``cls``, from mappings and from what else ``dict`` reads.

    Such records stay the objects they are.
    """

    def convert(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if isinstance(value, Record):
            raise Mismatch(cls.__qualname__, value)
        return cls.checked(value if isinstance(value, MAPPING) else _declared(cls, value))

    return convert


def _declared(cls: Type[Record], value: Any) -> Dict[str, Any]:
    """The members of a caller's model, a row of a database or a list of pairs. Raises Mismatch."""
    try:
        members: Dict[Any, Any] = dict(value)
    except (TypeError, ValueError):
        members = {}
    # What else such an object has is its own, and need not be something that JSON has.
    found = {name: item for name, item in members.items() if name in cls._by_name}
    if not found:
        raise Mismatch("an object", value)
    return found


def plain(value: Any) -> Any:
    """Return a JSON value without records: dictionaries and lists."""
    if isinstance(value, OBJECT):
        return {key: plain(item) for key, item in _items(value)}
    if isinstance(value, ARRAY):
        return [plain(item) for item in value]
    return value
