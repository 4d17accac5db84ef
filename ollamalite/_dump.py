"""Records to plain dictionaries and lists, as `model_dump` of pydantic does it."""

from __future__ import annotations

import datetime
from typing import Any, Dict, cast

from ._convert import MAPPING, OBJECT
from ._model import Choice, Record

_LISTS: Any = (list, tuple)


class Dump:
    """One set of options for a dump of a record and of all that it holds."""

    def __init__(
        self,
        mode: str,
        by_alias: bool,
        exclude_unset: bool,
        exclude_defaults: bool,
        exclude_none: bool,
    ) -> None:
        self.json = mode == "json"
        self.by_alias = by_alias
        self.exclude_unset = exclude_unset
        self.exclude_defaults = exclude_defaults
        self.exclude_none = exclude_none

    def record(self, record: Record, include: Choice, exclude: Choice) -> Dict[str, Any]:
        result: Dict[str, Any] = {}
        given = record.model_fields_set
        fields = record.model_fields
        for name, value in record:
            if not _wanted(name, include, exclude):
                continue
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
            key = field.alias if field is not None and self.by_alias else name
            result[key] = self.value(value, _inner(name, include), _inner(name, exclude))
        return result

    def value(self, value: Any, include: Choice = None, exclude: Choice = None) -> Any:
        if isinstance(value, Record):
            return self.record(value, include, exclude)
        if isinstance(value, MAPPING):
            return {key: self.value(value[key]) for key in value}
        if isinstance(value, _LISTS):
            return [self.value(item) for item in value]
        if hasattr(value, "__ollama_json__"):
            return value.__ollama_json__()
        if self.json and isinstance(value, datetime.datetime):
            return value.isoformat()
        return value


def _wanted(name: str, include: Choice, exclude: Choice) -> bool:
    if include is not None and name not in include:
        return False
    return not (exclude is not None and name in exclude and _inner(name, exclude) is None)


def _inner(name: str, choice: Choice) -> Choice:
    """The choice that ``{"field": {...}}`` makes inside a field; None where it takes all of it."""
    if isinstance(choice, dict):
        inner = choice.get(name)
        if isinstance(inner, (set, dict)):
            return cast(Choice, inner)
    return None
