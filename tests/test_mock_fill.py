"""The values that the mock makes up for a JSON Schema."""

import json
import random
import re
from typing import Any, Dict, List, Tuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ollamalite.mock import serve
from ollamalite.mock._fill import Source, arguments, fill
from ollamalite.mock._fits import EFFORT, SchemaFault
from ollamalite.mock._pattern import Pattern, PatternFault

from .test_mock import ask

PROMPTS = [
    "Tell me about 12 things in Bern and 3.7 of -5",
    "",
    "1e400 99999999999999999999999 " + "9" * 400,
    "\u00d6l \u65e5\u672c -7.25",
]

SCHEMAS: List[Any] = [
    {},
    True,
    {"type": "string", "minLength": 30, "maxLength": 40},
    {"type": "string", "pattern": "^[A-Z]{3}-\\d{4}$"},
    {"type": "string", "format": "date-time"},
    {"type": ["integer", "null"], "exclusiveMinimum": 3, "maximum": 5},
    {"type": "number", "multipleOf": 0.5, "minimum": 7},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    {"const": [1, 2]},
    {"type": "array", "items": {"type": "integer"}, "minItems": 4, "uniqueItems": True},
    {"type": "array", "prefixItems": [{"type": "string"}, {"type": "boolean"}], "items": False},
    {"type": "array", "maxItems": 0},
    {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 2},
    {"anyOf": [{"type": "integer"}, {"type": "string"}]},
    {
        "allOf": [
            {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}},
            {"properties": {"b": {"type": "string"}}, "required": ["b"]},
        ]
    },
    {
        "$ref": "#/$defs/tree",
        "$defs": {
            "tree": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/tree"}},
                },
            }
        },
    },
    {
        "$ref": "#/$defs/list",
        "$defs": {
            "list": {
                "type": "object",
                "required": ["next"],
                "properties": {"next": {"anyOf": [{"$ref": "#/$defs/list"}, {"type": "null"}]}},
            }
        },
    },
    {"oneOf": [{"type": "integer"}, {"type": "number"}]},
    {"allOf": [{"type": "integer", "minimum": 50}, {"minimum": 10}]},
    {"allOf": [{"enum": ["a", "b"]}, {"enum": ["b", "c"]}]},
    {
        "type": "object",
        "patternProperties": {"^n_": {"type": "integer"}},
        "required": ["n_a"],
        "additionalProperties": False,
    },
    {
        "type": "object",
        "patternProperties": {"^n_\\d+$": {"type": "integer"}},
        "minProperties": 2,
        "additionalProperties": False,
    },
    {"type": "object", "additionalProperties": {"type": "integer"}, "required": ["x"]},
    {
        "type": "object",
        "propertyNames": {"pattern": "^[A-Z]+$"},
        "additionalProperties": {"type": "integer"},
    },
    {
        "$defs": {"s": {"type": "string"}},
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/s", "minLength": 30}},
        "required": ["a"],
    },
    {"$defs": {"s": {"$id": "urn:s", "type": "integer"}}, "$ref": "urn:s"},
    {"$defs": {"s": {"$anchor": "foo", "type": "integer"}}, "$ref": "#foo"},
    {"$defs": {"a b": {"type": "integer"}}, "$ref": "#/$defs/a%20b"},
    {"type": "string", "pattern": "^(foo|bar)-\\d+$"},
    {"type": "string", "pattern": "[0-9]{4}"},
    {"type": "string", "pattern": "^[a-z]+$", "minLength": 12},
    {"type": "string", "pattern": "^a$|^b$"},
    {"type": "string", "pattern": "^(\\([0-9]{3}\\))?[0-9]{3}-[0-9]{4}$"},
    {"type": "string", "pattern": "^[^0-9]+$"},
    {"type": "string", "pattern": "^#[0-9a-fA-F]{6}$"},
    {"type": "string", "pattern": "^\\d{4}-\\d{2}-\\d{2}$"},
    {"type": "string", "pattern": "^\\S+$"},
    {"type": "string", "pattern": "^\\D+$"},
    {"type": "string", "pattern": "^a+?b$"},
    {"type": "array", "contains": {"type": "integer"}, "items": {"type": ["string", "integer"]}},
    {"type": "array", "contains": {"const": 5}},
    {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "uniqueItems": True},
    {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 3, "uniqueItems": True},
    {
        "type": "array",
        "items": {"type": "integer", "minimum": 1, "maximum": 3},
        "minItems": 3,
        "uniqueItems": True,
    },
    {
        "type": "array",
        "items": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]},
        "minItems": 3,
        "uniqueItems": True,
    },
    {"type": "array", "items": {"type": "integer"}, "minItems": 150},
    {"type": "array", "items": {"type": "integer"}, "maxItems": 0},
    {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False},
    {"type": "number", "minimum": 0, "maximum": 1},
    {"type": "integer", "exclusiveMinimum": 0.5, "exclusiveMaximum": 1.5},
    {"type": "integer", "minimum": 0.5, "maximum": 1.5},
    {"type": "number", "multipleOf": 0.1},
    {"type": "number", "multipleOf": 0.01},
    {"type": "integer", "multipleOf": 7, "minimum": 50, "maximum": 60},
    {"type": "integer", "multipleOf": 5, "maximum": -3, "minimum": -9},
    {"type": ["integer", "null"], "enum": [1, None]},
    {"anyOf": [{"type": "null"}, {"type": "string"}]},
    {"type": "null"},
    {"type": "object", "properties": {"a": True}, "required": ["a"]},
    {"type": "object", "properties": {"a": False, "b": {"type": "string"}}},
    {"type": "array", "items": False},
    {"type": "string", "not": {"const": "a"}},
    {"not": {"type": "string"}},
    {
        "type": "object",
        "properties": {"a": {"const": 1}, "b": {"type": "string"}},
        "if": {"properties": {"a": {"const": 1}}},
        "then": {"required": ["c"]},
    },
    {"type": "object", "properties": {"a": {"type": "string"}}, "dependentRequired": {"a": ["b"]}},
    {"anyOf": [{"type": "string", "enum": ["x", "y"]}, {"type": "integer"}]},
    {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
        "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
    },
    {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
        "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
    },
    {"anyOf": [{"type": "integer"}, {"type": "number"}], "oneOf": [{"minimum": 5}, {"maximum": 2}]},
    {
        "$defs": {
            "A": {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]},
            "B": {"type": "object", "properties": {"y": {"type": "string"}}, "required": ["y"]},
        },
        "allOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}],
    },
    {
        "allOf": [
            {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]},
            {"properties": {"x": {"minimum": 1000}}},
        ]
    },
    {
        "allOf": [
            {"anyOf": [{"type": "integer"}, {"type": "string"}]},
            {"anyOf": [{"const": 3}, {"const": "x"}]},
        ]
    },
    {
        "$defs": {
            "n": {
                "type": "object",
                "properties": {
                    "v": {"type": "integer"},
                    "left": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]},
                    "right": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]},
                },
                "required": ["v", "left", "right"],
            }
        },
        "$ref": "#/$defs/n",
    },
    {
        "$defs": {
            "n": {
                "type": "object",
                "properties": {"next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/n"}]}},
                "required": ["next"],
            }
        },
        "$ref": "#/$defs/n",
    },
    {
        "$defs": {
            "n": {
                "type": "object",
                "properties": {"next": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/n"}]}},
                "required": ["next"],
            }
        },
        "$ref": "#/$defs/n",
    },
    {
        "$defs": {
            "n": {
                "type": "object",
                "properties": {
                    "k": {
                        "oneOf": [
                            {"type": "array", "items": {"$ref": "#/$defs/n"}, "minItems": 1},
                            {"type": "null"},
                        ]
                    }
                },
                "required": ["k"],
            }
        },
        "$ref": "#/$defs/n",
    },
    {
        "$defs": {
            "j": {
                "anyOf": [
                    {"type": "object", "additionalProperties": {"$ref": "#/$defs/j"}},
                    {"type": "array", "items": {"$ref": "#/$defs/j"}},
                    {"type": "string"},
                ]
            }
        },
        "$ref": "#/$defs/j",
    },
    {
        "$defs": {
            "n": {
                "type": "object",
                "properties": {
                    "a": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]},
                    "b": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]},
                    "c": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]},
                    "d": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]},
                    "e": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]},
                    "f": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]},
                    "g": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]},
                    "h": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]},
                },
                "required": ["a", "b", "c", "d", "e", "f", "g", "h"],
            }
        },
        "$ref": "#/$defs/n",
    },
    {
        "$defs": {
            "n": {
                "type": "object",
                "properties": {
                    "a": {"type": "array", "items": {"$ref": "#/$defs/n"}},
                    "b": {"type": "array", "items": {"$ref": "#/$defs/n"}},
                    "c": {"type": "array", "items": {"$ref": "#/$defs/n"}},
                    "d": {"type": "array", "items": {"$ref": "#/$defs/n"}},
                    "e": {"type": "array", "items": {"$ref": "#/$defs/n"}},
                    "f": {"type": "array", "items": {"$ref": "#/$defs/n"}},
                    "g": {"type": "array", "items": {"$ref": "#/$defs/n"}},
                    "h": {"type": "array", "items": {"$ref": "#/$defs/n"}},
                },
                "required": ["a", "b", "c", "d", "e", "f", "g", "h"],
            }
        },
        "$ref": "#/$defs/n",
    },
    {
        "type": "object",
        "properties": {
            "a": {"$ref": "#"},
            "b": {"$ref": "#"},
            "c": {"$ref": "#"},
            "d": {"$ref": "#"},
            "e": {"$ref": "#"},
            "f": {"$ref": "#"},
            "g": {"$ref": "#"},
            "h": {"$ref": "#"},
        },
    },
    {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "maxProperties": 1,
    },
    {"type": "object", "minProperties": 2},
    {"type": "string", "maxLength": 3},
    {"type": "string", "format": "date", "maxLength": 20},
    {"type": "string", "format": "uri-reference"},
    {"type": "string", "format": "regex"},
    {"type": "string", "format": "json-pointer"},
    {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "array",
        "items": [{"type": "integer"}, {"type": "string"}],
        "minItems": 2,
    },
    {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "unevaluatedProperties": False,
        "required": ["a"],
    },
    {"enum": [{"a": 1}, [1], None]},
    {"type": "string", "const": "x"},
    {
        "definitions": {"A": {"type": "integer"}},
        "properties": {"a": {"$ref": "#/definitions/A"}},
        "required": ["a"],
        "type": "object",
    },
    {"type": "integer", "minimum": 1e17},
    {"type": "integer", "minimum": 9007199254740993},
    {"type": "string", "minLength": 20000},
    {
        "type": "object",
        "properties": {"type": {"type": "string"}, "$ref": {"type": "string"}},
        "required": ["type", "$ref"],
    },
    {"minimum": 3},
    {"minItems": 2},
    {"required": ["a"]},
    {"type": "object", "required": ["a"]},
    {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": False,
    },
    {
        "$dynamicAnchor": "node",
        "type": "object",
        "properties": {
            "v": {"type": "integer"},
            "c": {"type": "array", "items": {"$dynamicRef": "#node"}},
        },
    },
]


def deep(levels: int) -> Any:
    inner: Any = {"type": "integer"}
    for _ in range(levels):
        inner = {"type": "object", "properties": {"a": inner}, "required": ["a"]}
    return inner


def check(value: Any, schema: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    kind = jsonschema.Draft202012Validator
    if "draft-07" in str(schema):
        kind = jsonschema.Draft7Validator
    kind(schema).validate(json.loads(json.dumps(value)))


@pytest.mark.parametrize("schema", [*SCHEMAS, deep(75)], ids=lambda each: json.dumps(each)[:80])
@pytest.mark.parametrize("prompt", PROMPTS, ids=range(len(PROMPTS)))
def test_what_is_filled_in_validates(schema: Any, prompt: str) -> None:
    value = fill(schema, Source(prompt))
    assert fill(schema, Source(prompt)) == value
    check(value, schema)


def test_a_format_is_kept_to_where_a_pattern_stands_beside_it() -> None:
    schema = {"type": "string", "format": "date", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
    assert fill(schema, Source("hi")).startswith("2026-01-")


def nested(levels: int, inner: Any) -> Any:
    for _ in range(levels):
        inner = {"type": "array", "minItems": 100, "items": inner}
    return inner


WIDE: Any = {"type": "object", "properties": {key: {"$ref": "#"} for key in "abcdefgh"}}
ARRAYS = {key: {"type": "array", "items": {"$ref": "#"}} for key in "abcd"}

REFUSED: List[Tuple[Any, str]] = [
    ({"$ref": "#"}, "no end"),
    ({"allOf": [{"$ref": "#"}]}, "no end"),
    ({**WIDE, "required": list("abcdefgh")}, "no end"),
    ({"$ref": "#/$defs/a"}, "$ref '#/$defs/a' leads nowhere"),
    ({"$ref": "http://[::#a"}, "is no URI"),
    ({"$id": "http://[::#a"}, "is no URI"),
    ({"type": 5}, "type cannot be 5"),
    ({"type": "text"}, 'type cannot be "text"'),
    ({"enum": []}, "enum cannot be []"),
    ({"properties": []}, "properties cannot be []"),
    ({"properties": {"a": None}}, "a schema must be an object or a boolean"),
    ({"contains": [{}]}, "a schema must be an object or a boolean"),
    ({"required": 7, "type": "object"}, "required cannot be 7"),
    ({"type": "string", "pattern": "(("}, "pattern"),
    ({"type": "string", "pattern": r"(a)\1"}, "has a GROUPREF"),
    ({"type": "string", "pattern": "(?i)a"}, "has flags"),
    ({"type": "integer", "minimum": float("inf")}, "minimum cannot be Infinity"),
    ({"type": "integer", "minimum": 5, "maximum": 4}, "minimum and maximum"),
    ({"type": "string", "minLength": 5, "maxLength": 4}, "Length"),
    ({"allOf": [{"type": "string"}, {"type": "integer"}]}, "type"),
    ({"allOf": [{"enum": [1]}, {"enum": [2]}]}, "enum"),
    ({"type": "object", "required": ["a"], "additionalProperties": False}, "false"),
    ({"type": "array", "unevaluatedItems": False}, "unevaluatedItems is not supported"),
    ({"type": "string", "pattern": "^a$", "not": {"const": "a"}}, "not"),
    ({"type": "array", "items": {"type": "boolean"}, "minItems": 3, "uniqueItems": True}, "unique"),
    (deep(90), "more than 80 levels"),
    (False, "no value"),
]


@pytest.mark.parametrize(("schema", "text"), REFUSED, ids=str)
def test_a_schema_to_which_no_value_is_found_is_refused_by_a_text(schema: Any, text: str) -> None:
    with pytest.raises(SchemaFault) as caught:
        fill(schema, Source("hi"))
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "minItems": 1e300},
        {"type": "string", "minLength": 10**12},
        {"type": "object", "minProperties": 10**12},
        {"type": "array", "contains": {}, "minContains": 10**12},
        {"type": "string", "pattern": "^(a{1000}){1000}$"},
        {"type": "string", "pattern": "^(){4000000000}b{1000000}$"},
        nested(3, {"type": "integer"}),
        nested(12, {"type": "integer"}),
    ],
    ids=lambda schema: json.dumps(schema)[:60],
)
def test_a_value_that_would_be_too_large_is_refused(schema: Any) -> None:
    with pytest.raises(SchemaFault, match=f"more than {EFFORT} steps"):
        fill(schema, Source("hi"))


@pytest.mark.parametrize("schema", [WIDE, {**WIDE, "properties": ARRAYS}], ids=["refs", "arrays"])
def test_a_schema_that_holds_itself_is_filled_only_so_far(schema: Any) -> None:
    assert len(json.dumps(fill(schema, Source("hi")))) < 20_000


@pytest.mark.parametrize("count", [120, 3000])
def test_large_values_within_the_limit_are_whole(count: int) -> None:
    schema = {"type": "array", "items": {"type": "integer"}, "minItems": count}
    assert len(fill(schema, Source("hi"))) == count
    assert len(fill({"type": "string", "minLength": count * 10}, Source("hi"))) == count * 10


class Steps:
    def __init__(self) -> None:
        self.taken = 0

    def __call__(self, steps: int) -> None:
        self.taken += steps


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^(a+)+$", "a" * 100 + "b"),
        ("^(a|a)*$", "a" * 100 + "b"),
        ("^(a|aa)+$", "a" * 100 + "b"),
        ("^(.*a){10}$", "a" * 100 + "b"),
        ("^(a?){30}a{30}$", "a" * 29),
        ("(x+x+)+y", "x" * 100),
    ],
)
def test_patterns_that_make_a_search_endless_take_few_steps(pattern: str, text: str) -> None:
    steps = Steps()
    assert not Pattern(pattern, steps).found(text)
    assert steps.taken < EFFORT


PATTERNS = (
    r"^(AB|CD)-\d{3}$", "a|b", "", "^$", "[^a]b?", "(ab)*c", r"^\w+@\w+$", r"\bfoo\b", r"\.",
    "^(?:a|[bc]{2,3})+?$", "x.y", r"[\s\d]", r"^[^\W_]+$", r"^[\u3040-\u309f]{2}$", r"\D\S",
)  # fmt: skip
LOOKING = (r"^(?=.*\d)[a-z\d]+$", "^(?!no)[a-z]+$", r"a\Bb")


@given(
    pattern=st.sampled_from(PATTERNS + LOOKING),
    text=st.text("abcdfno019@ -.xyAC\u3042", max_size=12),
)
def test_a_pattern_is_found_where_python_finds_it(pattern: str, text: str) -> None:
    assert Pattern(pattern, Steps()).found(text) is bool(re.search(pattern, text))


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("least", [0, 9])
def test_a_sample_has_its_pattern(pattern: str, least: int) -> None:
    made = Pattern(pattern, Steps())
    for seed in range(20):
        assert made.found(made.sample(least, random.Random(seed).randrange))


@pytest.mark.parametrize("pattern", ["(", "(?<=a)b", r"(a)\1", r"\p{L}", "(?i)a", "(?s:.)"])
def test_what_is_not_understood_in_a_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(PatternFault):
        Pattern(pattern, Steps())


def optional(**keywords: Any) -> Any:
    return st.fixed_dictionaries({}, optional=keywords)


SMALL = st.integers(0, 4)
TEXTS = optional(
    minLength=SMALL,
    maxLength=st.integers(4, 9),
    pattern=st.sampled_from(["^[a-z]+$", "^(x|yy)*$", "a"]),
    format=st.sampled_from(["date", "other"]),
).map(lambda rules: {**rules, "type": "string"})
NUMBERS = optional(
    type=st.sampled_from(["integer", "number"]),
    minimum=st.integers(-20, 20) | st.sampled_from([0.5, -0.25]),
    exclusiveMaximum=st.integers(21, 60),
    multipleOf=st.sampled_from([1, 3, 0.5]),
)
LEAVES = st.one_of(
    TEXTS,
    NUMBERS,
    st.sampled_from(
        [{"type": "boolean"}, {"type": "null"}, {"const": 1}, {"enum": ["a", 2]}, True]
    ),
)


def containers(inner: Any) -> Any:
    keys = st.sampled_from("abc")
    objects = optional(
        properties=st.dictionaries(keys, inner, max_size=3),
        required=st.lists(keys, unique=True, max_size=2),
        additionalProperties=inner,
        patternProperties=st.dictionaries(st.sampled_from(["^n", "b$"]), inner, max_size=1),
        minProperties=SMALL,
        maxProperties=st.integers(3, 6),
        dependentRequired=st.just({"a": ["b"]}),
        propertyNames=st.just({"pattern": "^[a-z0-9]+$"}),
    ).map(lambda rules: {**rules, "type": "object"})
    arrays = optional(
        items=inner,
        prefixItems=st.lists(inner, min_size=1, max_size=2),
        minItems=SMALL,
        maxItems=st.integers(2, 5),
        uniqueItems=st.booleans(),
        contains=inner,
    ).map(lambda rules: {**rules, "type": "array"})
    several = st.lists(inner, min_size=1, max_size=3)
    unions = st.one_of(
        several.map(lambda ways: {"anyOf": ways}),
        several.map(lambda ways: {"oneOf": ways}),
        several.map(lambda ways: {"allOf": ways}),
        st.tuples(inner, inner, inner).map(lambda w: {"if": w[0], "then": w[1], "else": w[2]}),
        inner.map(lambda each: {"not": each}),
    )
    return st.one_of(objects, arrays, unions)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(schema=st.recursive(LEAVES, containers, max_leaves=6), prompt=st.sampled_from(PROMPTS))
def test_a_value_fits_its_schema_or_is_refused(schema: Any, prompt: str) -> None:
    try:
        value = fill(schema, Source(prompt))
    except SchemaFault:
        return
    check(value, schema)


PARAMETERS: List[Any] = [
    {"properties": {"n": {"type": "integer", "minimum": 100}}, "required": ["n"]},
    {"properties": {"n": {"const": 7}}, "required": ["n"]},
    {
        "$defs": {"c": {"type": "string", "enum": ["q"]}},
        "properties": {"a": {"$ref": "#/$defs/c"}, "b": {"type": "string"}},
        "required": ["a"],
    },
    {"properties": {"a": {"type": "string", "pattern": "^[A-Z]{3}$"}}, "required": ["a"]},
    {"properties": {"a": {"items": {"type": "string"}, "minItems": 3}}, "required": ["a"]},
    {"properties": {"a": {"allOf": [{"type": "integer"}]}}, "required": ["a"]},
    {"properties": {}, "required": ["zz"]},
    {"additionalProperties": {"type": "integer"}},
]


@pytest.mark.parametrize("parameters", PARAMETERS, ids=json.dumps)
@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions", "/v1/messages"])
def test_the_arguments_of_a_tool_call_fit_all_that_was_sent(parameters: Any, path: str) -> None:
    parameters = {"type": "object", **parameters}
    tool: Any = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    if path == "/v1/messages":
        tool = {"name": "f", "input_schema": parameters}
    body: Dict[str, Any] = {
        "model": "llama3.2",
        "stream": False,
        "max_tokens": 999,
        "messages": [{"role": "user", "content": "do 3 things in Bern"}],
        "tools": [tool],
    }
    with serve() as server:
        answer = ask(server, path, body).json
    if path == "/v1/messages":
        said = next(part["input"] for part in answer["content"] if part["type"] == "tool_use")
    else:
        message = answer["message"] if path == "/api/chat" else answer["choices"][0]["message"]
        said = message["tool_calls"][0]["function"]["arguments"]
    check(json.loads(said) if isinstance(said, str) else said, parameters)


def test_only_required_arguments_are_given_if_some_are() -> None:
    inner = {"a": {"type": "string"}, "b": {"type": "integer"}}
    assert set(arguments({"properties": inner, "required": ["b"]}, Source("hi"))) == {"b"}
    assert set(arguments({"properties": inner}, Source("hi"))) == {"a", "b"}
    assert arguments(None, Source("hi")) == {}


@pytest.mark.parametrize("stream", [True, False])
def test_a_request_to_which_no_value_is_found_is_refused(stream: bool) -> None:
    hi = [{"role": "user", "content": "hi"}]
    body: Any = {"model": "llama3.2", "messages": hi, "stream": stream}
    wrong = {"type": "object", "properties": {}, "not": {}}
    tools = [{"function": {"name": "f", "parameters": wrong}}]
    with serve() as server:
        answer = ask(server, "/api/chat", {**body, "format": {"type": "string", "pattern": "(a"}})
        assert answer.status == 500
        assert answer.json["error"].startswith("invalid JSON schema in format: pattern '(a' is not")
        answer = ask(server, "/api/chat", {**body, "tools": tools})
        assert answer.status == 500
        assert answer.json["error"].startswith('invalid parameters of the tool "f": ')
