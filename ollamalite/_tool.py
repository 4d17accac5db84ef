"""Functions, and classes in their place, as the tools that a model may call."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Tuple, cast

from ._callee import Callee, Scope, callee_of, name_of
from ._convert import ARRAY, MAPPING, OBJECT, Converter, Mismatch
from ._docstring import parse_docstring
from ._model import Record, restore
from ._references import Inliner, Schema
from ._schema import Builder, choices_of, described, is_object

_KEPT = 256


def tool(inner: Converter) -> Converter:
    """A converter of functions, to what ``inner`` makes of their descriptions as tools.

    With every message of a chat, the same functions are described anew. What follows from name,
    docstring and parameters alone is kept, and copied.
    """
    kept: Dict[Any, Any] = {}

    def describe(func: Any) -> Any:
        if is_object(func):
            return inner(function_schema(func))
        callee = callee_of(func)
        key = callee[:3]
        try:
            made = kept.get(key)
        except TypeError:  # a docstring, or what Annotated says, need not be hashable
            return inner(_callee_schema(callee, Builder()))
        if made is None:
            builder = Builder()
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


def function_schema(func: Any) -> Schema:
    """Return a function's description as a tool, in the form that the API has for it.

    Its docstring, in the style of Google, NumPy or Sphinx, gives the descriptions. A parameter is
    required if it has no default and may not be None; one without a type hint, or with a hint that
    cannot be evaluated, is a string. A class of models, a dataclass or a TypedDict stands for a
    function of its members. Raises Mismatch for what has no signature, and for a type that JSON
    Schema has nothing for.
    """
    builder = Builder()
    if not is_object(func):
        return _callee_schema(callee_of(func), builder)
    inliner = Inliner(builder.defs)
    schema = inliner.inline(builder.of(func, Scope({})))
    properties: Schema = schema.get("properties", {})
    needed = schema.get("required", ())
    required = [name for name in properties if name in needed]
    return _tool_schema(
        name_of(func), (schema.get("description", ""), {}), properties, required, inliner
    )


def _callee_schema(callee: Callee, builder: Builder) -> Schema:
    inliner = Inliner(builder.defs)
    properties = {
        name: described(inliner.inline(builder.member(name, hint, callee.scope)), text)
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
    inliner: Inliner,
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


def _take_null(schema: Schema) -> bool:
    """Take null out of what a schema allows, if anything else is left, and tell if it was there.

    A parameter that may be None is one that the model may leave out.
    """
    members = schema.get("anyOf")
    if members:
        rest: List[Schema] = [member for member in members if member != {"type": "null"}]
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
        schema.update(choices_of(None, [choice for choice in choices if choice is not None]))
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
