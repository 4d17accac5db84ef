"""Records of what callers give and of what servers send, and what requests hold of them.

The generated codec puts these together, one converter for each field.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Dict, List, Mapping, Type, TypeVar

from ._convert import ARRAY, MAPPING, OBJECT, Converter, Mismatch, optional_string, string
from ._model import Record, _declared, _items, _keys, plain, record

R = TypeVar("R", bound=Record)


def mapping_or_record(cls: Type[R]) -> Converter:
    """A converter that takes mappings as they are, and what `record` takes."""

    def convert(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if isinstance(value, Record):
            raise Mismatch(cls.__qualname__, value)
        if isinstance(value, MAPPING):
            return dict(value)
        return cls.checked(_declared(cls, value))

    return convert


def sent(value: Any) -> Any:
    """Return records as a request holds them.

    Declared members that are None are left out and defaults put in, as the ``ollama`` package does
    it; and a record with a field that hides a method of dict becomes a dictionary.
    """
    if isinstance(value, Record):
        by_name = value._by_name
        made = dict(value._defaults)
        for key, item in _items(value):
            if type(item) is str:
                made[key] = item
            elif item is not None or key not in by_name:
                made[key] = sent(item) if key in by_name else plain(item)
        return made
    if isinstance(value, ARRAY):
        return [item if type(item) is str else sent(item) for item in value]
    if type(value) is OBJECT:
        return {key: sent(item) for key, item in _items(value)}
    return value


def sends(convert: Converter) -> Converter:
    """A converter to what a request holds of the records that ``convert`` makes."""
    return lambda value: sent(convert(value))


def sends_record(cls: Type[R]) -> Converter:
    """As ``sends(record(cls))``, for the messages of a chat: records are checked again.

    All messages of a long chat go through it with each request.
    """
    convert = record(cls)
    required = frozenset(field.alias for field in cls._required)

    def send(value: Any) -> Any:
        given = type(value) is OBJECT
        if given or type(value) is cls:
            # Most messages of a history are this: texts under fields that take them as they are.
            texts, members = cls._texts, _items(value)
            for name, item in members:
                if type(item) is not str or name not in texts:
                    break
            else:
                if required <= _keys(value):
                    if given and not cls._defaults:
                        return value
                    return {**cls._defaults, **dict(members)}
        # Attributes may have been assigned, which checks nothing.
        return sent(convert(plain(value) if isinstance(value, cls) else value))

    return send


def request_body(cls: Type[Record], values: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the JSON object of a request, of those arguments that are not None.

    Raises Mismatch.
    """
    by_name = cls._by_name
    made: Dict[str, Any] = {}
    for name, value in values.items():
        if value is not None:
            field = by_name[name]
            try:
                made[field.alias] = field.send(value)
            except Mismatch as error:
                raise error.within("." + field.name) from None
    for field in cls._required:
        if field.alias not in made:
            raise Mismatch("required", None).within("." + field.name)
    return made


def declare(
    cls: Type[Record],
    converters: Dict[str, Converter],
    senders: Mapping[str, Converter] = MappingProxyType({}),
) -> None:
    """Tie the converters of a class's fields to it, and those that differ where it is a request."""
    for name, converter in converters.items():
        field = cls._fields[name]
        field.convert = converter
        field.send = senders.get(name, converter)
    takes_text = (string, optional_string)
    cls._texts = frozenset(f.alias for f in cls._fields.values() if f.convert in takes_text)


def decode_list(decode: Converter, value: Any) -> Any:
    """Return a list of decoded elements; null ones stay None."""
    if type(value) is not ARRAY:
        raise Mismatch("a list", value)
    made: List[Any] = []
    try:
        for item in value:
            made.append(None if item is None else decode(item))
    except Mismatch as error:
        raise error.within(f"[{len(made)}]") from None
    return made


def decode_map(decode: Converter, value: Any) -> Any:
    """Return a dictionary of decoded values; null ones stay None."""
    if type(value) is not OBJECT:
        raise Mismatch("an object", value)
    made: Dict[str, Any] = {}
    for key, item in value.items():
        try:
            made[key] = None if item is None else decode(item)
        except Mismatch as error:
            raise error.within("." + key) from None
    return made
