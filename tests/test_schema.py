"""Types become JSON Schema, and docstrings the texts of parameters."""

import collections
import collections.abc
import dataclasses
import datetime
import decimal
import enum
import json
import pathlib
import subprocess
import sys
import types
import typing
import uuid
from pathlib import Path
from typing import (
    Any,
    Callable,
    Counter,
    Dict,
    FrozenSet,
    Iterable,
    List,
    Mapping,
    NamedTuple,
    NewType,
    Optional,
    Sequence,
    Set,
    Tuple,
    TypeVar,
    Union,
)

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ollamalite._convert import Mismatch
from ollamalite._docstring import parse_docstring
from ollamalite._generated import models
from ollamalite._model import Record
from ollamalite._schema import json_schema, schema_of

Literal = typing.Literal
TypedDict = typing.TypedDict


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    """How loud."""

    LOW = 1
    HIGH = 2


@dataclasses.dataclass
class City:
    """A place.

    Args:
        name: What people call it.
    """

    name: str
    country: str = "DE"
    twins: List[str] = dataclasses.field(default_factory=list)
    mayor: Optional[str] = None


@dataclasses.dataclass
class Node:
    value: int
    children: List["Node"]


@dataclasses.dataclass
class Trip:
    start: City
    end: City
    nodes: Dict[str, Node]


class Movie(TypedDict):
    title: str
    year: "int"


class Review(Movie, total=False):
    stars: int


class Point(NamedTuple):
    x: int
    y: float = 0.0


class Linked(NamedTuple):
    value: int
    following: Optional["Linked"]


UserId = NewType("UserId", int)
T = TypeVar("T")
Bound = TypeVar("Bound", bound=int)
Either = TypeVar("Either", int, str)
Json = Union[int, List["Json"], Dict[str, "Json"]]

STRING = {"type": "string"}
INTEGER = {"type": "integer"}
NULL = {"type": "null"}

SIMPLE = [
    (str, STRING),
    (int, INTEGER),
    (float, {"type": "number"}),
    (bool, {"type": "boolean"}),
    (bytes, {"type": "string", "format": "binary"}),
    (type(None), NULL),
    (None, NULL),
    (Any, {}),
    (object, {}),
    ("int", INTEGER),
    (datetime.datetime, {"type": "string", "format": "date-time"}),
    (datetime.date, {"type": "string", "format": "date"}),
    (datetime.time, {"type": "string", "format": "time"}),
    (datetime.timedelta, {"type": "string", "format": "duration"}),
    (decimal.Decimal, {"type": "number"}),
    (uuid.UUID, {"type": "string", "format": "uuid"}),
    (pathlib.Path, {"type": "string", "format": "path"}),
    (list, {"type": "array"}),
    (List[int], {"type": "array", "items": INTEGER}),
    (List[Any], {"type": "array"}),
    (Sequence[str], {"type": "array", "items": STRING}),
    (Iterable[str], {"type": "array", "items": STRING}),
    (Set[int], {"type": "array", "items": INTEGER, "uniqueItems": True}),
    (FrozenSet[int], {"type": "array", "items": INTEGER, "uniqueItems": True}),
    (tuple, {"type": "array"}),
    (Tuple[int, ...], {"type": "array", "items": INTEGER}),
    (
        Tuple[int, str],
        {"type": "array", "prefixItems": [INTEGER, STRING], "minItems": 2, "maxItems": 2},
    ),
    (dict, {"type": "object"}),
    (Dict[str, Any], {"type": "object"}),
    (Dict[str, int], {"type": "object", "additionalProperties": INTEGER}),
    (
        Mapping[str, List[int]],
        {
            "type": "object",
            "additionalProperties": {"type": "array", "items": INTEGER},
        },
    ),
    (Counter[str], {"type": "object", "additionalProperties": INTEGER}),
    (Optional[int], {"anyOf": [INTEGER, NULL]}),
    (Union[int, str, None], {"anyOf": [INTEGER, STRING, NULL]}),
    (Union[UserId, int], INTEGER),
    (Union[Optional[UserId], str], {"anyOf": [INTEGER, NULL, STRING]}),
    (Literal["a", "b"], {"enum": ["a", "b"], "type": "string"}),
    (Literal[1], {"enum": [1], "type": "integer"}),
    (Literal["a", 1], {"enum": ["a", 1]}),
    (Literal["a", Literal["b", None]], {"enum": ["a", "b", None]}),
    (Literal[Color.RED], {"enum": ["red"], "type": "string"}),
    (Color, {"enum": ["red", "blue"], "type": "string"}),
    (Level, {"enum": [1, 2], "type": "integer", "description": "How loud."}),
    (UserId, INTEGER),
    (T, {}),
    (Bound, INTEGER),
    (Either, {"anyOf": [INTEGER, STRING]}),
    ("no_such_name", STRING),
    ("int ||", STRING),
    (List["no_such_name"], {"type": "array", "items": STRING}),  # noqa: F821
]


@pytest.mark.parametrize(("hint", "schema"), SIMPLE, ids=[str(row[0]) for row in SIMPLE])
def test_a_type_has_the_schema_of_its_values(hint, schema):
    assert schema_of(hint) == schema


@pytest.mark.skipif(sys.version_info < (3, 9), reason="syntax of Python 3.9")
def test_builtin_collections_take_arguments():
    assert schema_of(list[int]) == {"type": "array", "items": INTEGER}
    assert schema_of(dict[str, list[int]]) == schema_of(Dict[str, List[int]])
    assert schema_of(tuple[int, str]) == schema_of(Tuple[int, str])
    assert schema_of(collections.deque[int]) == {"type": "array", "items": INTEGER}
    assert schema_of(collections.abc.Mapping[str, int]) == schema_of(Dict[str, int])
    assert schema_of("list['int']") == {"type": "array", "items": INTEGER}


@pytest.mark.skipif(sys.version_info < (3, 10), reason="syntax of Python 3.10")
def test_types_can_be_joined_with_a_bar():
    assert schema_of(int | str | None) == {"anyOf": [INTEGER, STRING, NULL]}
    assert schema_of("int | None") == {"anyOf": [INTEGER, NULL]}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="syntax of Python 3.12")
def test_an_alias_made_by_a_type_statement_stands_for_its_value():
    names: Dict[str, Any] = {}
    exec("type Tags = list[str]\ntype Tree = dict[str, Tree]\ntype Box[T] = list[T]", names)
    assert schema_of(names["Tags"]) == {"type": "array", "items": STRING}
    assert schema_of(names["Box"][int]) == {"type": "array"}
    tree = {"type": "object", "additionalProperties": {"$ref": "#/$defs/Tree"}}
    assert schema_of(names["Tree"]) == {**tree, "$defs": {"Tree": tree}}


def forms():
    """The modules that have Annotated, NotRequired and so on, as far as this Python has them."""
    found = [typing] if sys.version_info >= (3, 11) else []
    try:
        import typing_extensions
    except ImportError:
        return found
    return [*found, typing_extensions]


@pytest.mark.parametrize("module", forms(), ids=lambda module: module.__name__)
class TestNewerForms:
    def test_text_in_annotated_is_the_description(self, module):
        hint = module.Annotated[int, ["not text"], "How many", "more text"]
        assert schema_of(hint) == {"type": "integer", "description": "How many"}
        assert schema_of(List[hint])["items"]["description"] == "How many"
        assert schema_of(module.Annotated[List[int], 5]) == schema_of(List[int])

    def test_an_object_in_annotated_may_hold_the_description(self, module):
        field = types.SimpleNamespace(description="How many")
        doc = types.SimpleNamespace(documentation="How many")
        for note in (field, doc):
            assert schema_of(module.Annotated[int, note])["description"] == "How many"

    def test_required_and_not_required_are_seen_in_a_typed_dict(self, module):
        class Some(module.TypedDict, total=False):
            always: module.Required[int]
            never: module.NotRequired[str]
            text: "module.Required[int]"

        class More(Some):
            always_too: int
            noted: module.Annotated[module.NotRequired[int], "note"]  # noqa: F821

        schema = schema_of(More)
        assert schema["required"] == ["always", "always_too"]
        assert schema["properties"]["always"] == INTEGER
        assert schema["properties"]["noted"] == {"type": "integer", "description": "note"}

    def test_literal_string_is_a_string(self, module):
        assert schema_of(module.LiteralString) == STRING

    def test_literal_is_a_choice(self, module):
        assert schema_of(module.Literal["a"]) == {"enum": ["a"], "type": "string"}


def test_a_dataclass_is_an_object_of_the_arguments_that_make_it():
    assert schema_of(City) == {
        "type": "object",
        "description": "A place.",
        "properties": {
            "name": {"type": "string", "description": "What people call it."},
            "country": {"type": "string", "default": "DE"},
            "twins": {"type": "array", "items": STRING},
            "mayor": {"anyOf": [STRING, NULL], "default": None},
        },
        "required": ["name"],
    }


def test_what_a_dataclass_is_not_given_is_no_member():
    @dataclasses.dataclass
    class Some:
        given: int
        computed: float = dataclasses.field(init=False, default=0.0)
        shared: typing.ClassVar[str] = "one"

    assert list(schema_of(Some)["properties"]) == ["given"]


def test_a_default_is_told_where_json_has_it():
    made = dataclasses.make_dataclass(
        "Made",
        [
            ("color", Color, dataclasses.field(default=Color.RED)),
            ("far", float, dataclasses.field(default=float("inf"))),
            ("point", Point, dataclasses.field(default=Point(1))),
        ],
    )
    schema = schema_of(made)
    assert schema["properties"]["color"] == {
        "enum": ["red", "blue"],
        "type": "string",
        "default": "red",
    }
    assert "default" not in schema["properties"]["far"]
    assert "default" not in schema["properties"]["point"]
    assert "required" not in schema


def test_a_class_within_a_class_is_a_definition():
    schema = schema_of(Trip)
    assert schema["properties"]["start"] == schema["properties"]["end"]
    assert schema["properties"]["start"] == {"$ref": "#/$defs/City"}
    assert set(schema["$defs"]) == {"City", "Node"}
    assert schema["$defs"]["City"] == schema_of(City)


def test_a_recursive_class_refers_to_itself():
    schema = schema_of(Node)
    items = {"type": "array", "items": {"$ref": "#/$defs/Node"}}
    assert schema["properties"] == {"value": INTEGER, "children": items}
    assert schema["$defs"]["Node"]["properties"] == schema["properties"]


def test_a_recursive_class_that_was_made_in_a_function_refers_to_itself():
    @dataclasses.dataclass
    class Inner:
        following: Optional["Inner"]

    schema = schema_of(Inner)
    assert schema["properties"]["following"] == {"anyOf": [{"$ref": "#/$defs/Inner"}, NULL]}


def test_a_recursive_alias_ends():
    schema = schema_of(Json)
    assert schema["anyOf"][0] == INTEGER
    # Its name is looked up where the alias is used, which is nowhere for a bare alias.
    assert schema["anyOf"][1] == {"type": "array", "items": STRING}

    @dataclasses.dataclass
    class Holder:
        content: "Json"

    schema = schema_of(Holder)
    definition = schema["$defs"]["Json"]
    assert schema["properties"]["content"] == {"$ref": "#/$defs/Json"}
    assert definition["anyOf"][1] == {"type": "array", "items": {"$ref": "#/$defs/Json"}}


def test_two_classes_of_one_name_are_two_definitions():
    first = dataclasses.make_dataclass("Same", [("a", int)])
    second = dataclasses.make_dataclass("Same", [("b", str)])
    schema = schema_of(Tuple[first, second])
    assert schema["prefixItems"] == [{"$ref": "#/$defs/Same"}, {"$ref": "#/$defs/Same_2"}]
    assert list(schema["$defs"]["Same_2"]["properties"]) == ["b"]


def test_a_typed_dict_is_an_object():
    assert schema_of(Movie) == {
        "type": "object",
        "properties": {"title": STRING, "year": INTEGER},
        "required": ["title", "year"],
    }
    assert schema_of(Review)["properties"]["stars"] == INTEGER


@pytest.mark.skipif(sys.version_info < (3, 9), reason="Python 3.8 forgets what a base requires")
def test_a_typed_dict_requires_what_its_base_requires():
    assert schema_of(Review)["required"] == ["title", "year"]


def test_a_named_tuple_is_an_array():
    assert schema_of(Point) == {
        "type": "array",
        "prefixItems": [INTEGER, {"type": "number", "default": 0.0}],
        "minItems": 1,
        "maxItems": 2,
    }
    assert schema_of(collections.namedtuple("Old", "a b"))["prefixItems"] == [{}, {}]
    assert schema_of(Linked)["prefixItems"][1] == {"anyOf": [{"$ref": "#/$defs/Linked"}, NULL]}


def test_a_class_may_describe_itself():
    class Model:
        @classmethod
        def model_json_schema(cls):
            return {
                "title": "Model",
                "type": "object",
                "properties": {"city": {"$ref": "#/$defs/City"}, "$ref": STRING},
                "$defs": {"City": {"type": "object", "title": "Their city", "default": {}}},
            }

    assert schema_of(Model) == Model.model_json_schema()
    # Their City and ours are two.
    schema = schema_of(Tuple[City, Model, Model])
    assert schema["prefixItems"][0] == {"$ref": "#/$defs/City"}
    assert schema["prefixItems"][1] == schema["prefixItems"][2] == {"$ref": "#/$defs/Model"}
    assert schema["$defs"]["City"] == schema_of(City)
    assert schema["$defs"]["Model"]["properties"]["city"] == {"$ref": "#/$defs/City_2"}
    assert schema["$defs"]["City_2"]["title"] == "Their city"


def test_a_class_that_describes_itself_may_be_recursive():
    class Model:
        @classmethod
        def model_json_schema(cls):
            items = {"type": "array", "items": {"$ref": "#/$defs/Model"}}
            body = {"type": "object", "properties": {"children": items}}
            return {"$ref": "#/$defs/Model", "$defs": {"Model": body}}

    schema = schema_of(List[Model])
    assert schema["items"] == {"$ref": "#/$defs/Model"}
    assert schema["$defs"] == Model.model_json_schema()["$defs"]


class Opaque:
    pass


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (Opaque, "x: JSON Schema has no type for Opaque"),
        (Callable[[int], str], "x: JSON Schema has no type for Callable"),
        (complex, "x: JSON Schema has no type for complex"),
        (List[Opaque], "x: JSON Schema has no type for Opaque"),
        (Literal[b"bytes"], "x: JSON Schema has no type for typing.Literal[b'bytes']"),
        (
            dataclasses.make_dataclass("Outer", [("inner", List[Opaque])]),
            "x.inner: JSON Schema has no type for Opaque",
        ),
        (
            NamedTuple("Pair", [("first", int), ("second", Opaque)]),
            "x.second: JSON Schema has no type for Opaque",
        ),
        (5, "x: JSON Schema has no type for 5"),
    ],
    ids=str,
)
def test_a_type_that_json_has_not_is_refused(hint, text):
    with pytest.raises(Mismatch) as caught:
        schema_of(hint)
    assert caught.value.text("x") == text


# -- the argument `format` -----------------------------------------------------------------------


def test_a_mapping_is_taken_as_a_schema():
    schema = {"type": "object", "x-unknown": 1}
    assert json_schema(schema) is schema
    converted = json_schema(types.MappingProxyType(schema))
    assert converted == schema
    assert type(converted) is dict


def test_a_record_is_taken_as_the_object_that_it_is():
    parameters = models.Tool.Function.Parameters(defs={"a": STRING}, required=[])
    converted = json_schema(parameters)
    assert converted == {"$defs": {"a": STRING}, "required": []}
    assert type(converted) is dict


@pytest.mark.parametrize("hint", [City, Movie, Point, Color, int, dict, List[int], Optional[City]])
def test_a_class_or_a_hint_is_taken_for_its_schema(hint):
    assert json_schema(hint) == schema_of(hint)


@pytest.mark.parametrize("value", ["json", "", "{}", 5, None, True, [STRING], City("x"), b"{}"])
def test_what_is_neither_schema_nor_class_is_refused(value):
    with pytest.raises(Mismatch, match="JSON Schema or a class"):
        json_schema(value)


# -- records -------------------------------------------------------------------------------------


def records():
    return [
        value
        for value in vars(models).values()
        if isinstance(value, type) and issubclass(value, Record) and value is not Record
    ]


@pytest.mark.parametrize("cls", records(), ids=lambda cls: cls.__qualname__)
def test_every_record_has_a_schema_under_the_names_of_the_wire(cls):
    schema = cls.model_json_schema()
    assert list(schema["properties"]) == [field.alias for field in cls._fields.values()]
    assert schema.get("required", []) == [
        field.alias for field in cls._fields.values() if field.required
    ]
    assert json.loads(json.dumps(schema)) == schema
    for reference in references(schema):
        assert reference[len("#/$defs/") :] in schema["$defs"]


def references(schema):
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for value in schema.values():
            yield from references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from references(value)


def test_a_record_within_a_record_is_a_definition():
    schema = models.Message.model_json_schema()
    assert set(schema["$defs"]) == {"ToolCall", "Function"}
    images = schema["properties"]["images"]["anyOf"][0]
    assert images["items"]["type"] == "string"


def test_definitions_of_records_have_the_names_of_their_classes():
    assert set(models.Tool.model_json_schema()["$defs"]) == {"Function", "Parameters", "Property"}


def test_a_record_that_adds_fields_shows_its_own():
    class Mine(Record):
        __slots__ = ()
        _aliases = {"from_": "from"}

        from_: str
        other: Optional[int] = None

    assert Mine.model_json_schema() == {
        "type": "object",
        "properties": {"from": STRING, "other": {"anyOf": [INTEGER, NULL], "default": None}},
        "required": ["from"],
    }


# -- against other implementations ---------------------------------------------------------------

scalars = st.sampled_from([str, int, float, bool, type(None)])
literals = st.lists(
    st.one_of(st.sampled_from("abc"), st.integers(0, 3)), min_size=1, max_size=3
).map(lambda values: Literal[tuple(values)])
hints = st.recursive(
    st.one_of(scalars, literals, st.sampled_from([Color, Level, Movie])),
    lambda inner: st.one_of(
        inner.map(lambda one: List[one]),
        inner.map(lambda one: Dict[str, one]),
        inner.map(lambda one: Optional[one]),
        inner.map(lambda one: Tuple[one, ...]),
        st.tuples(inner, inner).map(lambda both: Tuple[both]),
        st.tuples(inner, inner).map(lambda both: Union[both]),
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(st.data())
def test_a_value_of_a_type_fits_its_schema(data):
    validators = pytest.importorskip("jsonschema")
    hint = data.draw(hints)
    schema = schema_of(hint)
    validators.Draft202012Validator.check_schema(schema)
    value = data.draw(st.from_type(hint))
    plain = json.loads(json.dumps(value, default=lambda member: member.value))
    validators.Draft202012Validator(schema).validate(plain)


def comparable(schema, defs, path=()):
    """A schema with definitions in place, without texts and what is another way to say the same."""
    if isinstance(schema, list):
        return [comparable(each, defs, path) for each in schema]
    if not isinstance(schema, dict):
        return schema
    name = schema.get("$ref", "")[len("#/$defs/") :]
    if name:
        return name if name in path else comparable(defs[name], defs, (*path, name))
    made = {}
    for key, value in schema.items():
        if key == "const":
            made["enum"] = [value]
        elif key == "anyOf":
            made[key] = sorted(comparable(value, defs, path), key=json.dumps)
        elif key == "properties":
            made[key] = {name: comparable(each, defs, path) for name, each in value.items()}
        elif key not in ("$defs", "title", "description") and (key, value) not in (
            ("items", {}),
            ("additionalProperties", True),
        ):
            made[key] = comparable(value, defs, path)
    return made


@pytest.mark.parametrize(
    "hint",
    [
        *(
            hint
            for hint, _ in SIMPLE
            if hint is not decimal.Decimal and "no_such_name" not in str(hint)
        ),
        *(List[Linked], List[Point], List[Trip], List[Color], List[City], List[Node], Point),
    ],
    ids=str,
)
def test_a_schema_is_the_one_that_pydantic_makes(hint):
    pydantic = pytest.importorskip("pydantic")
    if isinstance(hint, str):
        pytest.skip("pydantic looks for names elsewhere")
    expected = pydantic.TypeAdapter(hint).json_schema()
    ours = schema_of(hint)
    assert comparable(ours, ours.get("$defs")) == comparable(expected, expected.get("$defs"))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="pydantic refuses the TypedDict of typing")
@pytest.mark.parametrize("hint", [Movie, Review, List[Review]])
def test_the_schema_of_a_typed_dict_is_the_one_that_pydantic_makes(hint):
    test_a_schema_is_the_one_that_pydantic_makes(hint)


# -- docstrings ----------------------------------------------------------------------------------

GOOGLE = """Find notes.

    Looks everywhere.

    Args:
        query (str): What to look for:
            one word or more.

        limit (Optional[List[int (32)]], optional): At most
          so many.
        *rest: Not a parameter of ours.
            limit of it: nothing.
        returns: Shows that a name may be a title.
        first, second: One text for two.
        `ticked`: In ticks.

    Returns:
        query: This is not about a parameter.

    Raises:
        ValueError: If it rains.

    Note:
        Costs money.
    """

NUMPY = """Find notes.

    Looks everywhere.

    Parameters
    ----------
    query : str
        What to look for:

        one word or more.
    limit : {1, 2}, optional
        At most so many.
    first, second
        One text for two.
    returns: int
        Shows that a name may be a title.
    *rest
        Not a parameter of ours.

    Returns
    -------
    query : str
        This is not about a parameter.

    Raises
    ------
    ValueError
        If it rains.

    Note
    ----
    Costs money.
    """

SPHINX = """Find notes.

    Looks everywhere.

    :param str query: What to look for:
        one word or more.
    :type query: str
    :param limit: At most
    so many.
    :param returns: Shows that a name may be a title.
    :keyword first: One text for two.
    :arg second: One text for two.
    :param rest: Not a parameter of ours.
    :returns: query: This is not about a parameter.
        It goes on.
    :rtype: str
    :raises ValueError: If it rains.

    Note: Costs money. :param: is left as it is.
    """

NAMES = ("query", "limit", "returns", "first", "second", "ticked", "silent")
TEXTS = {
    "query": "What to look for: one word or more.",
    "limit": "At most so many.",
    "returns": "Shows that a name may be a title.",
    "first": "One text for two.",
    "second": "One text for two.",
}


@pytest.mark.parametrize(
    ("doc", "texts", "note"),
    [
        (GOOGLE, {**TEXTS, "ticked": "In ticks."}, "Note:\nCosts money."),
        (NUMPY, TEXTS, "Note\n----\nCosts money."),
        (SPHINX, TEXTS, "Note: Costs money. :param: is left as it is."),
    ],
    ids=["Google", "NumPy", "Sphinx"],
)
def test_a_docstring_tells_of_the_parameters(doc, texts, note):
    description, found = parse_docstring(doc, NAMES)
    assert found == texts
    assert description.startswith("Find notes.\n\nLooks everywhere.\n\n")
    assert description.endswith("\n\n" + note)
    assert "rains" not in description
    assert "not about" not in description


@pytest.mark.parametrize(
    ("doc", "description", "texts"),
    [
        (None, "", {}),
        (5, "", {}),
        ("", "", {}),
        ("One line.", "One line.", {}),
        ("\n\n  One line.\n\n", "One line.", {}),
        ("One.\n\n  Two.\n    Three.", "One.\n\nTwo.\nThree.", {}),
        ("Args:\n  x: First.\n  y: Second.", "", {"x": "First.", "y": "Second."}),
        ("Args:\nx: First.\ny: Second.\n\nMore.", "More.", {"x": "First.", "y": "Second."}),
        ("Do.\n\nArgs:\n  x: First.\n\nMore.", "Do.\n\nMore.", {"x": "First."}),
        ("Do.\nARGUMENTS:\n  x (int) :First.", "Do.", {"x": "First."}),
        ("Do.\nArgs:\n  x (integer): : First.", "Do.", {"x": ": First."}),
        ("Do.\nArgs:\n    None\nReturns:\n    None", "Do.", {}),
        ("Do.\nReturns: a thing\nof some kind.\n\nMore.", "Do.\n\nMore.", {}),
        ("Do.\nReturns:\n  x: a thing\n\n  of some kind.\nMore.", "Do.\nMore.", {}),
        ("Do.\nYields: a thing", "Do.", {}),
        ("Do.\nArgs:\n  x: a\n    y: b", "Do.", {"x": "a", "y": "b"}),
        ("Do.\nArgs:\n  x: a\n  y: b\n    x: c", "Do.", {"x": "a", "y": "b x: c"}),
        ("Do.\nArgs:\n  other: a\n    more\n  x: b", "Do.", {"x": "b"}),
        ("Title\n=====\nDo.", "Title\n=====\nDo.", {}),
        ("Do.\n:param x: a\n\n  b", "Do.", {"x": "a b"}),
        ("Do.\n:param x:\n  a", "Do.", {"x": "a"}),
        ("Do.\n:param x: a\n\nMore.", "Do.\n\nMore.", {"x": "a"}),
        (":note: this is no field", ":note: this is no field", {}),
        ("Parameters\n----------\nx : int\n  a\nThis is prose.", "This is prose.", {"x": "a"}),
    ],
)
def test_a_docstring_may_be_of_any_form(doc, description, texts):
    assert parse_docstring(doc, ("x", "y")) == (description, texts)


@given(st.text(st.sampled_from("x:()-=* \t\n\rAargs`,")))
def test_no_docstring_is_too_strange(doc):
    description, texts = parse_docstring(doc, ("x", "args"))
    assert description == description.strip()
    assert set(texts) <= {"x", "args"}


def test_docstrings_are_read_in_linear_time():
    def lines(count):
        return "Do.\nArgs:\n" + "  x" + " " * count + "(" * count + "\n" + ":x" * count

    import time

    start = time.process_time()
    parse_docstring(lines(20_000), ("x",))
    assert time.process_time() - start < 2


# -- what it costs to import ---------------------------------------------------------------------


def test_nothing_heavy_is_imported_for_schemas():
    code = (
        "import sys, ollamalite._tool as t\n"
        "t.function_schema(lambda a, b=1: 0)\n"
        "print([m for m in ('inspect', 'dataclasses', 'datetime', 'decimal') if m in sys.modules])"
    )
    root = str(Path(__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], stdout=subprocess.PIPE, cwd=root, check=True
    )
    assert done.stdout.decode().strip() == "[]"
