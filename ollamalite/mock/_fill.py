"""Values that fit a JSON Schema: what a model would say under ``format`` or as arguments.

The words and numbers of the prompt are used up in order, so that the same prompt and schema
always give the same value. A value is tried again with other choices until it fits; where none
is found `SchemaFault` is raised.
"""

from __future__ import annotations

import hashlib
import re
from fractions import Fraction
from math import ceil, floor, gcd
from typing import AbstractSet, Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from . import _fits
from ._fits import Document, SchemaFault
from ._gojson import as_list, as_map

_TRIES = 64
_LEVELS = 6
"""How deep what is not required is filled in."""
_PLENTY = 300
"""After so many values only what is required is filled in."""
_DEEPEST = 80
_COST = 10
"""Steps that a value counts as: about the time of so many characters."""

_CAPITALIZED = re.compile(r"\b[A-ZÀ-Þ][\w-]*|[\u3040-\u9fff\uac00-\ud7a3]+")
_WORD = re.compile(r"[^\W\d_][\w-]*")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")

_FORMATS = {
    "date": "2026-01-{:02}",
    "date-time": "2026-01-{:02}T03:04:05Z",
    "time": "03:04:{:02}Z",
    "email": "ada{}@example.com",
    "uri": "https://example.com/{}",
    "url": "https://example.com/{}",
    "uri-reference": "/{}",
    "uuid": "0190a3c2-8f1e-7c55-9f0e-3d2b1a4c5e{:02x}",
    "ipv4": "192.0.2.{}",
    "ipv6": "2001:db8::{:x}",
    "hostname": "host{}.example.com",
    "duration": "PT{}H",
    "json-pointer": "/{}",
}
_FORMAT_VALUES = 27

_SENTENCE_STARTS = {
    "What", "Why", "How", "Who", "When", "Where", "Which", "Is", "Are", "Can", "Could", "Do",
    "Does", "Tell", "Give", "Show", "Please", "The", "A", "An", "I", "You", "It", "In", "On",
    "Use", "Call", "Find", "Get", "Add", "List", "Return", "Name", "Say", "Weather",
}  # fmt: skip


class Source:
    """The words and numbers of a prompt, taken one after another."""

    def __init__(self, prompt: str) -> None:
        self._names: List[str]
        self._numbers: List[str]
        self._words: List[str]
        self._prompt = prompt
        self._names = [
            word for word in _CAPITALIZED.findall(prompt) if word not in _SENTENCE_STARTS
        ]
        # Longer ones are no quantities, and lose digits on their way through JSON.
        self._numbers = [text for text in _NUMBER.findall(prompt) if len(text) < 16]
        self._words = _WORD.findall(prompt)

    def string(self, label: str) -> str:
        if self._names:
            return self._names.pop(0)
        if not self._words:
            return label or "text"
        return self._words[self.number(label, len(self._words))]

    def number(self, label: str, below: int) -> int:
        """A number from 0 to below ``below`` that depends on the prompt and the label."""
        seed = f"{label}\n{self._prompt}".encode("utf-8", "replace")
        return int.from_bytes(hashlib.blake2b(seed, digest_size=4).digest(), "big") % below

    def left(self) -> Tuple[List[str], List[str]]:
        return list(self._names), list(self._numbers)

    def restore(self, left: Tuple[List[str], List[str]]) -> None:
        """Put back what was taken since `left`."""
        self._names, self._numbers = left

    def written_number(self) -> Optional[str]:
        return self._numbers.pop(0) if self._numbers else None


class _Unfit(Exception):
    """No value was found with the choices made; the text names the keyword."""


class _Choices:
    """One number as a choice at each fork; what is left of it varies the values."""

    def __init__(self, attempt: int) -> None:
        self.left = attempt
        self.ways = 1

    def pick(self, count: int) -> int:
        self.left, chosen = divmod(self.left, max(count, 1))
        self.ways *= max(count, 1)
        return chosen


class _Place(NamedTuple):
    label: str
    depth: int
    variation: int = 0
    taken: AbstractSet[str] = frozenset()
    """Values that must not come again, as `_fits.canonical` texts."""
    generous: bool = True
    """Whether what is not required is filled in too."""


def fill(schema: Any, source: Source) -> Any:
    """A value that fits ``schema``. Raises `SchemaFault` if none is found."""
    return _fill([schema], source, _Place("", 0))


def arguments(parameters: Any, source: Source) -> Dict[str, Any]:
    """Arguments of a tool call: the required ones; all of them if none is required.

    Raises `SchemaFault` if none are found that fit.
    """
    rules = {key: value for key, value in as_map(parameters).items() if value not in ("", None)}
    place = _Place("", 0, generous=not rules.get("required"))
    return as_map(_fill([rules, {"type": "object"}], source, place))


def _fill(schemas: List[Any], source: Source, place: _Place) -> Any:
    try:
        document = Document(schemas[0])
        if document.height(schemas[0]) >= _fits.ENDLESS:
            raise SchemaFault("the schema has no end, or allows no value")
        return _Filler(document, source).make(schemas, place)
    except _Unfit as fault:
        raise SchemaFault(f"no value was found that fits {fault}") from None
    except RecursionError:
        raise SchemaFault("the schema is nested too deeply") from None


class _Filler:
    def __init__(self, document: Document, source: Source) -> None:
        self._document = document
        self._source = source
        self._made = 0

    def make(self, schemas: Sequence[Any], place: _Place) -> Any:
        """A value that fits all of ``schemas``. Raises `_Unfit` or `SchemaFault`."""
        if place.depth > _DEEPEST:
            raise SchemaFault(f"a value that fits would have more than {_DEEPEST} levels")
        reason = "the schema"
        left = self._source.left()
        for attempt in range(place.variation, place.variation + _TRIES):
            choices = _Choices(attempt)
            self._made += 1
            self._document.spend(_COST)
            try:
                rules = self._flatten(schemas, place, choices)
                value = self._choose(schemas, rules, place, choices)
            except _Unfit as fault:
                reason = str(fault)
                if attempt + 1 >= place.variation + choices.ways:
                    break
            else:
                faults = [self._document.fault(value, schema) for schema in schemas]
                reason = next((fault for fault in faults if fault), "")
                if not reason:
                    if not place.taken or _fits.canonical(value) not in place.taken:
                        return value
                    reason = "uniqueItems"
            self._source.restore(left)
        raise _Unfit(reason)

    def _generous(self, place: _Place) -> bool:
        return place.generous and place.depth < _LEVELS and self._made < _PLENTY

    def _flatten(
        self, schemas: Sequence[Any], place: _Place, choices: _Choices
    ) -> List[Mapping[str, Any]]:
        """The schemas and all that they refer to, with one way chosen at each fork."""
        flat: List[Mapping[str, Any]] = []
        seen: List[int] = []
        waiting = list(reversed(schemas))
        while waiting:
            schema = waiting.pop()
            if schema is True or id(schema) in seen:
                continue
            if schema is False:
                raise _Unfit("false")
            self._document.spend(1)
            rules: Mapping[str, Any] = schema
            seen.append(id(schema))
            flat.append(rules)
            parts = [*self._document.targets(rules), *as_list(rules.get("allOf"))]
            for union in ("anyOf", "oneOf"):
                if union in rules:
                    ways = as_list(rules[union])
                    if not self._generous(place):
                        ways = sorted(ways, key=self._document.height)
                    parts.append(ways[choices.pick(len(ways))])
            if "if" in rules:
                met = [rules["if"], rules.get("then", True)]
                parts += (met, [rules.get("else", True)])[choices.pick(2)]
            for _, _, needed in _fits.dependencies(rules):
                if not isinstance(needed, list) and choices.pick(2) == 0:
                    parts.append(needed)
            waiting += reversed(parts)
        return flat

    def _choose(
        self,
        schemas: Sequence[Any],
        flat: List[Mapping[str, Any]],
        place: _Place,
        choices: _Choices,
    ) -> Any:
        for key in ("const", "enum"):
            for rules in flat:
                if key in rules:
                    offered = [rules[key]] if key == "const" else as_list(rules[key])
                    fitting = [
                        each
                        for each in offered
                        if all(self._document.fits(each, schema) for schema in schemas)
                    ]
                    if not fitting:
                        raise _Unfit(key)
                    start = self._source.number(place.label, len(fitting))
                    return fitting[(start + choices.left) % len(fitting)]
        kinds = _kinds(flat)
        if not kinds:
            raise _Unfit("type")
        if not self._generous(place):
            kinds.sort(key=("object", "array").__contains__)
        kind = kinds[choices.pick(len(kinds))]
        if kind == "object":
            return self._object(flat, place, choices)
        if kind == "array":
            return self._array(flat, place, choices)
        if kind in ("integer", "number"):
            return self._number(flat, place, choices.left, kind == "integer")
        if kind == "boolean":
            return bool((self._source.number(place.label, 2) + choices.left) % 2)
        return None if kind == "null" else self._text(flat, place, choices)

    def _object(
        self, flat: List[Mapping[str, Any]], place: _Place, choices: _Choices
    ) -> Dict[str, Any]:
        required = [str(name) for rules in flat for name in as_list(rules.get("required"))]
        for name in required:
            required += [
                str(other)
                for rules in flat
                for _, owner, needed in _fits.dependencies(rules)
                if owner == name
                for other in as_list(needed)
                if other not in required
            ]
        known = [name for rules in flat for name in as_map(rules.get("properties"))]
        optional = self._generous(place) and not set(known) <= set(required)
        generous = self._generous(place) and (not optional or choices.pick(2) == 0)
        most = _most(flat, "maxProperties")
        result: Dict[str, Any] = {}
        for name in dict.fromkeys([*known, *required]):
            if name in required:
                result[name] = self._property(name, flat, place, choices.left)
            elif generous and len(result) + len(set(required) - set(result)) < most:
                try:
                    result[name] = self._property(name, flat, place, choices.left)
                except _Unfit:
                    continue
        free = any(
            isinstance(rules.get("additionalProperties"), dict) or "patternProperties" in rules
            for rules in flat
        )
        wanted = max(_least(flat, "minProperties"), 1 if free and generous and not known else 0)
        if wanted > len(result):
            self._document.spend(int(wanted))
        attempt = choices.left - 1
        while len(result) < min(wanted, most) and attempt < choices.left + wanted + _TRIES:
            attempt += 1
            try:
                name = self._name(flat, place, attempt)
                if name not in result:
                    result[name] = self._property(name, flat, place, choices.left)
            except _Unfit:
                continue
        return result

    def _property(
        self, name: str, flat: List[Mapping[str, Any]], place: _Place, variation: int
    ) -> Any:
        schemas = [schema for rules in flat for _, schema in self._document.for_key(name, rules)]
        if not all(self._document.fits(name, rules.get("propertyNames", True)) for rules in flat):
            raise _Unfit("propertyNames")
        return self.make(schemas, _Place(name, place.depth + 1, variation))

    def _name(self, flat: List[Mapping[str, Any]], place: _Place, variation: int) -> str:
        """A name for a property that is not among those described."""
        names = [rules["propertyNames"] for rules in flat if "propertyNames" in rules]
        patterns = [key for rules in flat for key in as_map(rules.get("patternProperties"))]
        if names:
            name = self.make([{"type": "string"}, *names], _Place("key", place.depth, variation))
            return str(name)
        closed = any(rules.get("additionalProperties") is False for rules in flat)
        if patterns and (closed or variation % 2 == 0):
            return self._document.pattern(patterns[0]).sample(0, _counted(variation))
        return f"key{variation + 1}"

    def _array(self, flat: List[Mapping[str, Any]], place: _Place, choices: _Choices) -> List[Any]:
        tuples = [_fits.tuple_of(rules) for rules in flat]
        contained: List[Any] = []
        for rules in flat:
            if "contains" in rules:
                wanted = int(rules.get("minContains", 1))
                self._document.spend(wanted)
                contained += [rules["contains"]] * wanted
        others = [{"not": r["contains"]} for r in flat if {"contains", "maxContains"} <= set(r)]
        unique = any(rules.get("uniqueItems") for rules in flat)
        first = max((len(starts) for starts, _ in tuples), default=0)
        least = max(_least(flat, "minItems"), len(contained))
        generous = choices.pick(2) == 0 and self._generous(place)
        count = min(max(least, first, 2 if generous else 0), _most(flat, "maxItems"))
        self._document.spend(int(min(count, _fits.EFFORT + 1)))
        result: List[Any] = []
        taken: Set[str] = set()
        for index in range(int(count)):
            schemas = [starts[index] if index < len(starts) else rest for starts, rest in tuples]
            schemas += contained[index : index + 1] or others
            label = place.label if unique or index < first else f"{place.label}{index}"
            variation = choices.left + (index if unique else 0)
            try:
                value = self.make(schemas, _Place(label, place.depth + 1, variation, taken))
            except _Unfit:
                if index < least:
                    raise
                break
            result.append(value)
            if unique:
                taken.add(_fits.canonical(value))
        return result

    def _number(
        self, flat: List[Mapping[str, Any]], place: _Place, variation: int, integer: bool
    ) -> Any:
        low, high = _range(flat)
        written = self._source.written_number()
        wished = Fraction(written or self._source.number(place.label, 100))
        step = Fraction(1 if integer else 0)
        for rules in flat:
            if "multipleOf" in rules:
                step = _common_multiple(step, Fraction(str(rules["multipleOf"])))
        if not step and variation % 2:
            wished += Fraction(1, 2)
        if not step and variation < 2 and _inside(wished, low, high):
            return _json_number(wished)
        if not step and low and high:
            part = Fraction(variation + 1, variation + 2)
            return _json_number(low[0] + (high[0] - low[0]) * (part if high[0] > low[0] else 0))
        step = step or Fraction(1)
        if integer or _whole(step, low, high):
            step = _common_multiple(step, Fraction(1))
        start = wished // step
        least = most = None
        if low:
            least = floor(low[0] / step) + 1 if low[1] else ceil(low[0] / step)
            start = max(start, least)
        if high:
            most = ceil(high[0] / step) - 1 if high[1] else floor(high[0] / step)
            start = min(start, most)
        if least is not None and most is not None:
            if least > most:
                raise _Unfit("minimum and maximum")
            start = least + (start - least + variation) % (most - least + 1)
        else:
            start += variation if most is None else -variation
        return _json_number(start * step)

    def _text(self, flat: List[Mapping[str, Any]], place: _Place, choices: _Choices) -> str:
        least, most = int(_least(flat, "minLength")), _most(flat, "maxLength")
        self._document.spend(min(least, _fits.EFFORT + 1))
        patterns = [str(rules["pattern"]) for rules in flat if "pattern" in rules]
        for form in (_FORMATS.get(str(rules.get("format"))) for rules in flat):
            if form is not None:
                text = form.format(2 + choices.left % _FORMAT_VALUES)
                if all(self._document.pattern(each).found(text) for each in patterns):
                    return text
        if patterns:
            which = patterns[choices.pick(len(patterns))]
            pattern = self._document.pattern(which)
            seed = self._source.number(place.label, 1000) if choices.left < _TRIES // 2 else 0
            pick = _counted(choices.left, seed)
            text = pattern.sample(least, pick)
            if len(text) > most:
                text = pattern.sample(least, lambda count: choices.left % count)
            return text + "a" * (least - len(text))
        text = self._source.string(place.label)
        if len(text) < least:
            text = (text + " ") * (least // (len(text) + 1) + 1)
            text = text[:least].rstrip().ljust(least, ".")
        ending = f" {choices.left}" if choices.left else ""
        if len(text) + len(ending) > most:
            ending = ending.strip()
            text = text[: max(0, int(most) - len(ending))]
        return text + ending


def _counted(variation: int, seed: int = 0) -> Any:
    """Picks that differ from one to the next, and are the same for the same numbers."""
    state = [seed * 7919 + variation]

    def pick(count: int) -> int:
        if not seed:
            state[0], chosen = divmod(state[0], count)
            return chosen
        state[0] = (state[0] * 1_103_515_245 + 12_345) % 2**31
        return (state[0] >> 8) % count

    return pick


def _least(flat: List[Mapping[str, Any]], key: str) -> float:
    return max((rules[key] for rules in flat if key in rules), default=0)


def _most(flat: List[Mapping[str, Any]], key: str) -> float:
    return min((rules[key] for rules in flat if key in rules), default=float("inf"))


_KINDS = ("string", "object", "array", "number", "boolean", "null")
_IMPLIED = {
    "object": (
        "properties", "additionalProperties", "required", "patternProperties", "propertyNames",
        "minProperties", "maxProperties", "dependentRequired", "dependencies",
    ),
    "array": ("items", "prefixItems", "contains", "minItems", "maxItems", "uniqueItems"),
    "number": (
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    ),
}  # fmt: skip


def _kinds(flat: List[Mapping[str, Any]]) -> List[str]:
    """The types that all allow, the likeliest first."""
    kinds: Optional[List[str]] = None
    for rules in flat:
        named = _fits.types_of(rules)
        if named and kinds is None:
            kinds = named[:]
        elif named and kinds is not None:
            both = [
                kind for kind in kinds if kind in named or (kind == "integer" and "number" in named)
            ]
            if "number" in kinds and "integer" in named and "integer" not in both:
                both.append("integer")
            kinds = both
    if kinds is not None:
        return kinds
    implied = [k for k, keys in _IMPLIED.items() if any(key in r for r in flat for key in keys)]
    return [*implied, *(kind for kind in _KINDS if kind not in implied)]


_Bound = Optional[Tuple[Fraction, bool]]


def _range(flat: List[Mapping[str, Any]]) -> Tuple[_Bound, _Bound]:
    """The narrowest bounds, each with whether it is itself excluded."""
    found = [bound for rules in flat for bound in _fits.bounds(rules)]
    lows = [(number, out) for key, number, out in found if key == "minimum"]
    highs = [(number, not out) for key, number, out in found if key == "maximum"]
    high = min(highs, default=None)
    return max(lows, default=None), None if high is None else (high[0], not high[1])


def _inside(value: Fraction, low: _Bound, high: _Bound) -> bool:
    above = low is None or value > low[0] or (value == low[0] and not low[1])
    return above and (high is None or value < high[0] or (value == high[0] and not high[1]))


def _whole(step: Fraction, low: _Bound, high: _Bound) -> bool:
    """Whether there is room for whole numbers, whose multiples everybody reckons alike."""
    whole = _common_multiple(step, Fraction(1))
    return low is None or high is None or high[0] - low[0] > 2 * whole


def _common_multiple(left: Fraction, right: Fraction) -> Fraction:
    if not left or not right:
        return left or right
    a, b = left.numerator * right.denominator, right.numerator * left.denominator
    return Fraction(a * b // gcd(a, b), left.denominator * right.denominator)


def _json_number(value: Fraction) -> Any:
    if value.denominator == 1:
        return int(value)
    try:
        return float(value)
    except OverflowError:
        raise _Unfit("minimum and maximum") from None
