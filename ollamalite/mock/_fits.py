"""Whether a value fits a JSON Schema: references, keywords, and a limit to the work.

What is here is what `ollamalite.mock._fill` needs: keywords of the drafts 7 and 2020-12. Others
are annotations; those of ``_UNSUPPORTED`` are refused, since no value could be vouched for.
"""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any, Dict, Iterator, List, Mapping, Optional, Set, Tuple
from urllib.parse import unquote, urldefrag, urljoin

from ._gojson import as_list, as_map
from ._pattern import Pattern, PatternFault

EFFORT = 400_000
"""How many steps one value may take: values, characters and comparisons count."""

ENDLESS = 10**6

_UNSUPPORTED = ("unevaluatedItems", "$recursiveRef", "extends", "disallow", "divisibleBy")
_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE = (
    "items", "additionalItems", "additionalProperties", "unevaluatedProperties", "contains",
    "propertyNames", "not", "if", "then", "else",
)  # fmt: skip
_COUNTS = (
    "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties",
    "minContains", "maxContains",
)  # fmt: skip
_NUMBERS = ("minimum", "maximum", "multipleOf")
_REFERENCES = ("$ref", "$dynamicRef")


class SchemaFault(ValueError):
    """No value is made for this schema; the text says why and names the keyword."""


class Document:
    """A schema with all that its references reach. Raises `SchemaFault`."""

    def __init__(self, root: Any) -> None:
        self._effort = EFFORT
        self._named: Dict[str, Any] = {}
        self._bases: Dict[int, str] = {}
        self._patterns: Dict[str, Pattern] = {}
        self._nodes: List[Mapping[str, Any]] = []
        self._root = root
        self._read(root, "")
        done = 0
        while done < len(self._nodes):
            for target in self.targets(self._nodes[done]):
                self._read(target, self._bases.get(id(target), ""))
            done += 1
        self._heights: Dict[int, int] = {}
        self._measure()

    def spend(self, steps: int) -> None:
        self._effort -= steps
        if self._effort < 0:
            raise SchemaFault(f"a value that fits would be too large (more than {EFFORT} steps)")

    def _read(self, schema: Any, base: str) -> None:
        if isinstance(schema, bool) or id(schema) in self._bases:
            return
        if not isinstance(schema, dict):
            raise SchemaFault(f"a schema must be an object or a boolean, not {_shown(schema)}")
        rules = as_map(schema)
        _check_shape(rules)
        if isinstance(rules.get("$id"), str):
            base = _joined(base, rules["$id"])
            self._named.setdefault(base.rstrip("#"), rules)
        for key in ("$anchor", "$dynamicAnchor"):
            if key in rules:
                self._named.setdefault(f"{base.rstrip('#')}#{rules[key]}", rules)
        self._bases[id(rules)] = base
        self._nodes.append(rules)
        for inner in _inner(rules):
            self._read(inner, base)

    def targets(self, rules: Mapping[str, Any]) -> List[Any]:
        return [self._resolve(rules[key], rules) for key in _REFERENCES if key in rules]

    def _resolve(self, reference: str, rules: Mapping[str, Any]) -> Any:
        base = self._bases.get(id(rules), "")
        whole = _joined(base, reference) if not reference.startswith("#") else base + reference
        whole, fragment = urldefrag(whole)
        fragment = unquote(fragment)
        if fragment and not fragment.startswith("/"):
            target = self._named.get(f"{whole}#{fragment}")
        else:
            target = self._named.get(whole, self._root if whole == "" else None)
            for part in fragment.split("/")[1:]:
                part = part.replace("~1", "/").replace("~0", "~")
                items = as_list(target)
                if part.isdigit() and int(part) < len(items):
                    target = items[int(part)]
                else:
                    target = as_map(target).get(part)
        if target is None:
            raise SchemaFault(f"$ref {reference!r} leads nowhere in the schema")
        return target

    def pattern(self, text: str) -> Pattern:
        found = self._patterns.get(text)
        if found is None:
            try:
                found = self._patterns[text] = Pattern(text, self.spend)
            except PatternFault as fault:
                raise SchemaFault(f"pattern {fault}") from None
        return found

    def height(self, schema: Any) -> int:
        """How many levels the least value has that fits; `ENDLESS` if it has no end."""
        if isinstance(schema, bool):
            return 0 if schema else ENDLESS
        return self._heights.get(id(schema), ENDLESS)

    def _measure(self) -> None:
        changed = True
        while changed:
            changed = False
            for rules in self._nodes:
                self.spend(1)
                height = self._height_of(rules)
                if height < self.height(rules):
                    self._heights[id(rules)] = height
                    changed = True

    def _height_of(self, rules: Mapping[str, Any]) -> int:
        if "const" in rules or "enum" in rules:
            return 0
        heights = [self.height(part) for part in as_list(rules.get("allOf"))]
        heights += [self.height(target) for target in self.targets(rules)]
        for union in ("anyOf", "oneOf"):
            if union in rules:
                heights.append(min(map(self.height, as_list(rules[union]))))
        kinds = types_of(rules)
        if kinds and not set(kinds) - {"object", "array"}:
            properties = as_map(rules.get("properties"))
            least: List[int] = []
            if kinds != ["array"]:
                names = as_list(rules.get("required"))
                least += [1 + self.height(properties.get(name, True)) for name in names]
            first, rest = tuple_of(rules)
            count = int(rules.get("minItems", 0))
            if kinds != ["object"] and count:
                items = [*first[:count], *([rest] if count > len(first) else [])]
                least += [1 + self.height(item) for item in items]
            heights += least
        return min(max(heights, default=0), ENDLESS)

    def fault(self, value: Any, schema: Any) -> Optional[str]:
        """The keyword that ``value`` does not fit, None if it fits."""
        self.spend(1)
        if isinstance(schema, bool):
            return None if schema else "false"
        rules: Mapping[str, Any] = schema
        for target in self.targets(rules):
            found = self.fault(value, target)
            if found:
                return found
        return next(self._faults(value, rules), None)

    def fits(self, value: Any, schema: Any) -> bool:
        return self.fault(value, schema) is None

    def _faults(self, value: Any, rules: Mapping[str, Any]) -> Iterator[str]:
        kinds = types_of(rules)
        if kinds and not any(_is(value, kind) for kind in kinds):
            yield "type"
        if "const" in rules and canonical(rules["const"]) != canonical(value):
            yield "const"
        if "enum" in rules:
            same = canonical(value)
            self.spend(len(rules["enum"]))
            if all(canonical(option) != same for option in as_list(rules["enum"])):
                yield "enum"
        for schema in as_list(rules.get("allOf")):
            found = self.fault(value, schema)
            if found:
                yield found
        if "anyOf" in rules and not any(self.fits(value, each) for each in rules["anyOf"]):
            yield "anyOf"
        if "oneOf" in rules and sum(self.fits(value, each) for each in rules["oneOf"]) != 1:
            yield "oneOf"
        if "not" in rules and self.fits(value, rules["not"]):
            yield "not"
        if "if" in rules:
            branch = "then" if self.fits(value, rules["if"]) else "else"
            if not self.fits(value, rules.get(branch, True)):
                yield branch
        if isinstance(value, str):
            yield from self._text_faults(value, rules)
        elif isinstance(value, dict):
            yield from self._object_faults(as_map(value), rules)
        elif isinstance(value, list):
            yield from self._array_faults(as_list(value), rules)
        elif _is(value, "number"):
            yield from _number_faults(Fraction(str(value)), rules)

    def _text_faults(self, value: str, rules: Mapping[str, Any]) -> Iterator[str]:
        self.spend(len(value))
        yield from _count_faults(len(value), rules, "Length")
        if "pattern" in rules and not self.pattern(rules["pattern"]).found(value):
            yield "pattern"

    def _object_faults(self, value: Dict[str, Any], rules: Mapping[str, Any]) -> Iterator[str]:
        yield from _count_faults(len(value), rules, "Properties")
        if any(name not in value for name in as_list(rules.get("required"))):
            yield "required"
        for keyword, name, needed in dependencies(rules):
            if name in value:
                names = [str(each) for each in as_list(needed)]
                if any(each not in value for each in names):
                    yield keyword
                if not isinstance(needed, list) and not self.fits(value, needed):
                    yield keyword
        for name, inner in value.items():
            for keyword, schema in self.for_key(name, rules):
                found = self.fault(inner, schema)
                if found:
                    yield keyword if found == "false" else found
            if not self.fits(name, rules.get("propertyNames", True)):
                yield "propertyNames"
        if "unevaluatedProperties" in rules:
            known = self._evaluated(value, rules)
            for name in value:
                if name not in known and not self.fits(value[name], rules["unevaluatedProperties"]):
                    yield "unevaluatedProperties"

    def for_key(self, name: str, rules: Mapping[str, Any]) -> List[Tuple[str, Any]]:
        """The schemas that the value of a property must fit, with the keyword of each."""
        found: List[Tuple[str, Any]] = []
        properties = as_map(rules.get("properties"))
        if name in properties:
            found.append(("properties", properties[name]))
        for pattern, schema in as_map(rules.get("patternProperties")).items():
            if self.pattern(pattern).found(name):
                found.append(("patternProperties", schema))
        if not found and "additionalProperties" in rules:
            found.append(("additionalProperties", rules["additionalProperties"]))
        return found

    def _evaluated(self, value: Dict[str, Any], rules: Mapping[str, Any]) -> Set[str]:
        names = {name for name in value if self.for_key(name, rules)}
        parts = self.targets(rules)
        for key in ("allOf", "anyOf", "oneOf"):
            parts += as_list(rules.get(key))
        if "if" in rules:
            parts += [rules["if"], rules.get("then", True), rules.get("else", True)]
        for keyword, name, needed in dependencies(rules):
            if name in value and keyword != "dependentRequired":
                parts.append(needed)
        for part in parts:
            if isinstance(part, dict) and self.fits(value, part):
                names |= self._evaluated(value, as_map(part))
                names |= set(value) if "unevaluatedProperties" in part else set()
        return names

    def _array_faults(self, value: List[Any], rules: Mapping[str, Any]) -> Iterator[str]:
        yield from _count_faults(len(value), rules, "Items")
        first, rest = tuple_of(rules)
        for index, item in enumerate(value):
            found = self.fault(item, first[index] if index < len(first) else rest)
            if found:
                yield "items" if found == "false" else found
        if rules.get("uniqueItems") and len(set(map(canonical, value))) < len(value):
            yield "uniqueItems"
        if "contains" in rules:
            count = sum(self.fits(item, rules["contains"]) for item in value)
            if not rules.get("minContains", 1) <= count <= rules.get("maxContains", count):
                yield "contains"


def _joined(base: str, reference: str) -> str:
    try:
        urldefrag(reference)
        return urljoin(base, reference)
    except ValueError:
        raise SchemaFault(f"{reference!r} is no URI") from None


def types_of(rules: Mapping[str, Any]) -> List[str]:
    kind = rules.get("type", [])
    return [kind] if isinstance(kind, str) else as_list(kind)


def tuple_of(rules: Mapping[str, Any]) -> Tuple[List[Any], Any]:
    """The schemas of the first items and that of the rest, in the old spelling or the new."""
    items = rules.get("items", True)
    if isinstance(items, list):
        return as_list(rules["items"]), rules.get("additionalItems", True)
    return as_list(rules.get("prefixItems")), items


def dependencies(rules: Mapping[str, Any]) -> Iterator[Tuple[str, str, Any]]:
    """A keyword, a property, and what it needs: a list of properties or a schema."""
    for keyword in ("dependentRequired", "dependentSchemas", "dependencies"):
        for name, needed in as_map(rules.get(keyword)).items():
            yield keyword, name, needed


def bounds(rules: Mapping[str, Any]) -> Iterator[Tuple[str, Fraction, bool]]:
    """``minimum`` or ``maximum``, its number, and whether that itself is excluded."""
    for key, old in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if key in rules:
            yield key, Fraction(str(rules[key])), rules.get(old) is True
        if old in rules and not isinstance(rules[old], bool):
            yield key, Fraction(str(rules[old])), True


def canonical(value: Any) -> str:
    """The same text for values that count as equal: 1 and 1.0, but not 1 and true."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in as_map(value).items()}
    return [_plain(inner) for inner in as_list(value)] if isinstance(value, list) else value


def _is(value: Any, kind: str) -> bool:
    if kind in ("integer", "number"):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        return kind == "number" or isinstance(value, int) or value.is_integer()
    wanted = {"string": str, "boolean": bool, "object": dict, "array": list, "null": type(None)}
    return isinstance(value, wanted[kind])


def _count_faults(count: int, rules: Mapping[str, Any], what: str) -> Iterator[str]:
    if count < rules.get("min" + what, 0):
        yield "min" + what
    if count > rules.get("max" + what, count):
        yield "max" + what


def _number_faults(value: Fraction, rules: Mapping[str, Any]) -> Iterator[str]:
    for keyword, bound, excluded in bounds(rules):
        beyond = value < bound if keyword == "minimum" else value > bound
        if beyond or (excluded and value == bound):
            yield keyword
    if "multipleOf" in rules and value % Fraction(str(rules["multipleOf"])):
        yield "multipleOf"


def _inner(rules: Mapping[str, Any]) -> Iterator[Any]:
    for key in _MAPS:
        yield from as_map(rules.get(key)).values()
    for key in _LISTS:
        yield from as_list(rules.get(key))
    for key in _SINGLE:
        if key == "items" and isinstance(rules.get(key), list):
            yield from as_list(rules[key])
        elif key in rules:
            yield rules[key]
    for _, _, needed in dependencies(rules):
        if not isinstance(needed, list):
            yield needed


def _check_shape(rules: Mapping[str, Any]) -> None:
    kinds = {"string", "boolean", "object", "array", "null", "integer", "number"}
    for key, value in rules.items():
        if key in _UNSUPPORTED:
            raise SchemaFault(f"the keyword {key} is not supported")
        good = True
        if key == "type":
            names = types_of(rules)
            good = bool(names) and all(isinstance(each, str) for each in names)
            good = good and set(names) <= kinds
        elif key in _MAPS or key in ("dependencies", "dependentRequired"):
            good = isinstance(value, dict)
        elif key in _LISTS or key == "enum":
            good = bool(as_list(value)) or (key == "prefixItems" and isinstance(value, list))
        elif key == "required":
            good = isinstance(value, list) and all(isinstance(e, str) for e in as_list(value))
        elif key in _COUNTS:
            good = _is(value, "integer") and value >= 0
        elif key in _NUMBERS:
            good = _is(value, "number") and abs(value) < float("inf")
            good = good and (key != "multipleOf" or value > 0)
        elif key in ("exclusiveMinimum", "exclusiveMaximum"):
            good = isinstance(value, bool) or (_is(value, "number") and abs(value) < float("inf"))
        elif key in (*_REFERENCES, "pattern"):
            good = isinstance(value, str)
        if not good:
            raise SchemaFault(f"{key} cannot be {_shown(value)}")


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 60 else text[:60] + "…"
