"""Records to plain dictionaries and lists, as `model_dump` of pydantic does it."""

from __future__ import annotations

import datetime
from typing import Any, Container, Dict, Iterable, Iterator, NamedTuple, Tuple

from ._convert import MAPPING, OBJECT
from ._model import Choice, Record

_LISTS: Any = (list, tuple)
_CONTAINER: Any = Container
_JSON: Any = (str, int, float, type(None))
_WHOLE: Any = (bool, type(...), type(None))
# In a choice, the key for all members or elements.
_EACH = "__all__"


class Dump(NamedTuple):
    """One set of options for a dump of a record and of all that it holds."""

    json: bool
    by_alias: bool
    exclude_unset: bool
    exclude_defaults: bool
    exclude_none: bool
    # Makes something that JSON has of a value that it has not.
    fallback: Any = None

    def record(self, record: Record, include: Choice, exclude: Choice) -> Dict[str, Any]:
        result: Dict[str, Any] = {}
        given = record.model_fields_set
        fields = record._fields
        for name, value, inner in _chosen(record, include, exclude):
            field = fields.get(name)
            if field is not None:
                if (
                    (self.exclude_unset and name not in given)
                    or (self.exclude_none and value is None)
                    or (self.exclude_defaults and not field.required and value == field.default)
                ):
                    continue
                if self.json and field.read is not None:
                    # The text that came has all digits of a time; a datetime has six.
                    value = OBJECT.get(record, field.alias, field.default)
            # A name that ends in `_` is one that Python reserves.
            by_alias = self.by_alias or name.endswith("_")
            result[field.alias if field is not None and by_alias else name] = self.value(
                value, *inner
            )
        return result

    def value(self, value: Any, include: Choice = None, exclude: Choice = None) -> Any:
        if isinstance(value, Record):
            return self.record(value, include, exclude)
        if isinstance(value, MAPPING):
            members = _chosen(((key, value[key]) for key in value), include, exclude)
            return {key: self.value(item, *inner) for key, item, inner in members}
        if isinstance(value, _LISTS):
            elements: Any = enumerate(value)
            chosen = _chosen(elements, include, exclude, len(value))
            return [self.value(item, *inner) for _, item, inner in chosen]
        if hasattr(value, "__ollama_json__"):
            return value.__ollama_json__()
        if self.json and isinstance(value, datetime.datetime):
            return value.isoformat()
        if self.json and self.fallback is not None and not isinstance(value, _JSON):
            return self.value(self.fallback(value))
        return value


# A choice is a container of names, or of indices in a list, or a mapping of them to a choice for
# what is inside, or to True or `...` for all of it.


def _chosen(
    pairs: Iterable[Tuple[Any, Any]], include: Choice, exclude: Choice, length: int = 0
) -> Iterator[Tuple[Any, Any, Tuple[Any, Any]]]:
    """Each pair that the choices leave, with the choices for what is inside its value."""
    for choice in (include, exclude):
        if choice is not None and (isinstance(choice, str) or not isinstance(choice, _CONTAINER)):
            raise TypeError(f"include and exclude take a set or a dict of names, not {choice!r}")
    for key, value in pairs:
        inside = include is None or _step(include, key, length)
        outside = exclude is not None and _step(exclude, key, length)
        if outside is not True and inside is not False:
            yield key, value, (None if inside is True else inside, outside or None)


def _step(choice: Any, key: Any, length: int) -> Any:
    """What a choice says of a member or element: False if nothing, True if all of it is meant."""
    # As everywhere in Python, an index may count from the end.
    keys = (key, key - length, _EACH) if length else (key, _EACH)
    if not isinstance(choice, MAPPING):
        return any(each in choice for each in keys)
    found: Any = False
    for each in keys:
        if each in choice:
            found = _merged(found, choice[each])
    return found is ... or found


def _merged(one: Any, other: Any) -> Any:
    """The choice for one element, with what the choice for each of them adds to it."""
    if one is False:
        return other
    if isinstance(one, _WHOLE) or isinstance(other, _WHOLE):
        return one
    parts, more = _as_mapping(one), _as_mapping(other)
    return {name: _merged(parts.get(name, False), more.get(name)) for name in {**more, **parts}}


def _as_mapping(choice: Any) -> Any:
    return choice if isinstance(choice, MAPPING) else dict.fromkeys(choice, True)
