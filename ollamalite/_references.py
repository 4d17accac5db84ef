"""Schemas and the definitions that they refer to: renamed, put in place, or left out.

Of the parameters of a tool the server keeps a few keywords only, and ``$ref`` is none of them. So
`Inliner` puts definitions in place, except where they lead back to themselves.
"""

from __future__ import annotations

import functools
from typing import Any, Dict, List, Mapping

from ._convert import ARRAY, OBJECT

Schema = Dict[str, Any]

REF = "#/$defs/"

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


def rename(names: Mapping[str, str], schema: Schema) -> Schema:
    """Return a copy of a schema that refers to definitions by their new names."""
    made = _rebuilt(schema, functools.partial(rename, names))
    name = str(made.get("$ref", ""))[len(REF) :]
    if name in names:
        made["$ref"] = REF + names[name]
    return made


def without_references(schema: Schema) -> Schema:
    made = _rebuilt(schema, without_references)
    return {"type": "object"} if "$ref" in made else made


class Inliner:
    """Schemas in the few words that the server leaves of the parameters of a tool."""

    def __init__(self, defs: Mapping[str, Schema]) -> None:
        self.needed: List[str] = []
        """Names of the definitions that could not be put in place."""
        self._defs = defs
        self._path: List[str] = []

    def inline(self, schema: Schema) -> Schema:
        if len(schema) == 1 and "type" in schema:
            return schema
        name = str(schema.get("$ref", ""))[len(REF) :]
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
                made[name] = self.inline({"$ref": REF + name})
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
