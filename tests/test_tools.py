"""Functions become tools: what a signature and a docstring say reaches the model."""

import dataclasses
import enum
import functools
import sys
import textwrap
import typing
from typing import (
    Any,
    Callable,
    Dict,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
    TypedDict,
    Union,
)

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ollamalite._generated import models
from ollamalite._model import plain
from ollamalite.errors import RequestError
from ollamalite.tools import convert_function_to_tool

Literal = typing.Literal


class Unit(enum.Enum):
    CELSIUS = "celsius"
    FAHRENHEIT = "fahrenheit"


@dataclasses.dataclass
class City:
    """A place.

    Args:
        name: What people call it.
    """

    name: str
    country: str = "DE"


@dataclasses.dataclass
class Node:
    value: int
    children: List["Node"]


class Movie(TypedDict):
    title: str
    year: int


class Point(NamedTuple):
    x: int
    y: int


def parts(func):
    """The name, the description and the parameters of a function as a tool, as plain JSON."""
    tool = convert_function_to_tool(func)
    assert isinstance(tool, models.Tool)
    content = plain(tool)
    assert content["type"] == "function"
    function = content["function"]
    assert list(function) == ["name", "description", "parameters"]
    assert function["parameters"]["type"] == "object"
    return function["name"], function["description"], function["parameters"]


def properties(func):
    return parts(func)[2]["properties"]


def parameter(hint):
    """The schema of a parameter with this hint."""

    def func(x):
        pass

    func.__annotations__["x"] = hint
    return properties(func)["x"]


def test_a_function_becomes_a_tool():
    def get_weather(city: str, days: int = 1, *, unit: Unit = Unit.CELSIUS) -> str:
        """Tell the weather.

        Args:
            city: Where.
            days: For how long.
        """

    assert plain(convert_function_to_tool(get_weather)) == {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Tell the weather.",
            "parameters": {
                "type": "object",
                "required": ["city"],
                "properties": {
                    "city": {"type": "string", "description": "Where."},
                    "days": {"type": "integer", "description": "For how long."},
                    "unit": {
                        "type": "string",
                        "enum": ["celsius", "fahrenheit"],
                        "description": "",
                    },
                },
            },
        },
    }


def test_a_tool_can_be_changed_like_any_record():
    tool = convert_function_to_tool(lambda x: x)
    tool.function.name = "same"
    tool.function.parameters.properties["x"].description = "Anything."
    assert plain(tool)["function"]["name"] == "same"
    assert tool["function"]["parameters"]["properties"]["x"]["description"] == "Anything."


def by_chat(func):
    return models.ChatRequest(model="m", tools=[func]).tools[0]


both_ways = pytest.mark.parametrize("convert", [convert_function_to_tool, by_chat])


@both_ways
def test_each_conversion_gives_a_tool_of_its_own(convert):
    def func(x: List[Dict[str, int]], y: Literal[1, 2]):
        """Do.

        Args:
            x: First.
        """

    for _ in range(3):
        tool = convert(func)
        assert isinstance(
            tool.function.parameters.properties["y"], models.Tool.Function.Parameters.Property
        )
        assert tool.function.parameters.required == ["x", "y"]
        assert tool.function.parameters.properties["x"]["items"]["type"] == "object"
        assert tool.function.parameters.properties["y"].enum == [1, 2]
        tool.function.parameters.properties["x"]["items"]["type"] = "spoilt"
        tool.function.parameters.properties["y"].enum.append(3)
        tool.function.parameters.required.clear()
        tool.function.name = "other"


@both_ways
def test_a_changed_function_is_described_as_it_is_now(convert):
    def func(x, y: "Later" = 1):  # noqa: F821
        """Old."""

    func.__globals__["Later"] = int
    try:
        before = convert(func)
        func.__globals__["Later"] = List[str]
        after = convert(func)
    finally:
        del func.__globals__["Later"]
    assert before.function.parameters.properties["y"].type == "integer"
    assert after.function.parameters.properties["y"].type == "array"
    assert (before.function.name, before.function.description) == ("func", "Old.")
    func.__doc__, func.__name__, func.__defaults__ = "New.", "other", (1, 2)
    func.__annotations__["x"] = int
    last = convert(func)
    assert (last.function.name, last.function.description) == ("other", "New.")
    assert last.function.parameters.required == []
    assert last.function.parameters.properties["x"].type == "integer"


@both_ways
def test_functions_that_differ_in_one_thing_have_different_tools(convert):
    def one(x: int):
        pass

    def two(x: int = 1):
        pass

    def three(x: str):
        pass

    found = []
    for func in (one, two, three):
        func.__name__ = "same"
        parameters = convert(func).function.parameters
        found.append((parameters.required, parameters.properties["x"].type))
    assert found == [(["x"], "integer"), ([], "integer"), (["x"], "string")]


def test_many_functions_are_described_in_bounded_memory():
    for number in range(600):
        names = {}
        exec(f"def func_{number}(x: int): pass", names)
        assert by_chat(names[f"func_{number}"]).function.name == f"func_{number}"


# -- hints ---------------------------------------------------------------------------------------

STRING = {"type": "string"}
INTEGER = {"type": "integer"}


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (str, STRING),
        (Any, STRING),
        (object, STRING),
        ("no_such_name", STRING),
        (bool, {"type": "boolean"}),
        (None, {"type": "null"}),
        (list, {"type": "array"}),
        (List[int], {"type": "array", "items": INTEGER}),
        (Set[str], {"type": "array", "items": STRING, "uniqueItems": True}),
        (Dict[str, int], {"type": "object", "additionalProperties": INTEGER}),
        (Mapping[str, Any], {"type": "object"}),
        (Optional[int], INTEGER),
        (Union[int, str], {"anyOf": [INTEGER, STRING], "type": ["integer", "string"]}),
        (Union[int, None, str], {"anyOf": [INTEGER, STRING], "type": ["integer", "string"]}),
        (Optional[List[int]], {"type": "array", "items": INTEGER}),
        (
            List[Optional[int]],
            {"type": "array", "items": {"anyOf": [INTEGER, {"type": "null"}]}},
        ),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Literal["a", None], {"type": "string", "enum": ["a"]}),
        (Literal["a", 1], {"enum": ["a", 1]}),
        (Optional[Unit], {"type": "string", "enum": ["celsius", "fahrenheit"]}),
    ],
    ids=str,
)
def test_a_parameter_has_the_schema_of_its_hint(hint, schema):
    assert parameter(hint) == {**schema, "description": ""}


def test_nested_objects_stand_in_place_because_the_server_drops_references():
    city = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "What people call it."},
            "country": {"type": "string", "default": "DE"},
        },
        "required": ["name"],
        "description": "A place.",
    }
    assert parameter(City) == city
    assert parameter(List[City])["items"] == city
    assert parameter(Optional[City]) == city
    assert parameter(Movie)["properties"] == {"title": STRING, "year": INTEGER}
    assert "$defs" not in parts(functools.wraps(City)(lambda x: x))[2]


def test_a_text_of_the_docstring_goes_before_that_of_a_class():
    def travel(to: City, back: City):
        """Go.

        Args:
            to: The aim.
        """

    found = properties(travel)
    assert found["to"]["description"] == "The aim."
    assert found["back"]["description"] == "A place."


def test_a_recursive_class_is_put_in_place_once_and_then_referred_to():
    def grow(tree: Node):
        pass

    content = parts(grow)[2]
    children = {"type": "array", "items": {"$ref": "#/$defs/Node"}}
    assert content["properties"]["tree"]["properties"]["children"] == children
    assert content["$defs"]["Node"]["properties"]["children"] == children


def test_the_elements_of_a_tuple_are_told_in_words_that_the_server_keeps():
    assert parameter(Tuple[int, int])["items"] == INTEGER
    assert parameter(Tuple[int, str])["items"] == {"anyOf": [INTEGER, STRING]}
    assert parameter(Point)["items"] == INTEGER


def test_a_class_may_describe_itself():
    class Model:
        @classmethod
        def model_json_schema(cls):
            return {
                "title": "Model",
                "type": "object",
                "properties": {
                    "kind": {"const": "a"},
                    "pet": {"oneOf": [{"$ref": "#/$defs/Cat"}, {"type": "null"}]},
                    "again": {"$ref": "#/$defs/Model"},
                },
                "$defs": {"Cat": {"type": "object", "title": "Cat"}},
            }

    found = parameter(Model)["properties"]
    assert found["kind"]["enum"] == ["a"]
    assert found["pet"]["anyOf"] == [{"type": "object", "title": "Cat"}, {"type": "null"}]


def test_hints_that_are_text_are_looked_up_where_the_function_stands():
    class Local:
        pass

    Alias = List[int]

    def func(a: "List[int]", b: "Alias", c: "Optional[City]", d: "Missing", e: "int = 3"):  # noqa
        return Alias

    found = properties(func)
    assert found["a"]["items"] == found["b"]["items"] == INTEGER
    assert found["c"]["properties"]["name"]["type"] == "string"
    assert found["d"] == found["e"] == {"type": "string", "description": ""}


def test_hints_may_be_text_by_a_future_import():
    names = {}
    code = """
    from __future__ import annotations
    import functools
    from typing import List, Optional

    def func(a: int, b: Optional[List[str]] = None):
        pass

    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        pass

    class Tool:
        def __call__(self, a: int, b: Optional[List[str]] = None):
            pass

    class Made:
        def __init__(self, a: int, b: Optional[List[str]] = None):
            pass

    functions = [
        func, wrapped, Tool(), Tool().__call__, Made, functools.partial(func),
        functools.partial(wrapped),
    ]
    """
    exec(textwrap.dedent(code), names)
    for func in names["functions"]:
        content = parts(func)[2]
        assert content["required"] == ["a"]
        assert content["properties"]["a"]["type"] == "integer"
        assert content["properties"]["b"]["items"] == STRING


@pytest.mark.skipif(sys.version_info < (3, 9), reason="syntax of Python 3.9")
def test_text_in_annotated_describes_a_parameter():
    hint = typing.Annotated[Optional[int], "How many."]
    assert parameter(hint) == {"type": "integer", "description": "How many."}


# -- callables -----------------------------------------------------------------------------------


def add(a: int, b: int = 1, *rest: int, c: int, d: int = 2, **more: int) -> int:
    """Add.

    Args:
        a: First.
        rest: Others.
    """


class Adder:
    """Adds."""

    def __init__(self, base: int):
        pass

    def __call__(self, a: int):
        pass

    def method(self, a: int):
        """Add more."""

    @classmethod
    def of_class(cls, a: int):
        """Add much."""

    @staticmethod
    def alone(a: int):
        """Add alone."""


class Other(Adder):
    def __call__(self, a: int):
        """Call."""

    def method(self, a: int):
        pass


@functools.wraps(add)
def wrapped(*args, **kwargs):
    pass


def updated():
    partial = functools.partial(add, 1)
    functools.update_wrapper(partial, add)
    partial.__name__ = "named"
    partial.__doc__ = "Say."
    return partial


@pytest.mark.parametrize(
    ("func", "name", "description", "names", "required"),
    [
        (add, "add", "Add.", "abcd", "ac"),
        (wrapped, "add", "Add.", "abcd", "ac"),
        (functools.lru_cache(maxsize=None)(add), "add", "Add.", "abcd", "ac"),
        (functools.partial(add, 1), "add", "Add.", "bcd", "c"),
        (functools.partial(add, c=1), "add", "Add.", "abd", "a"),
        (functools.partial(functools.partial(add, 1), 2, c=1), "add", "Add.", "d", ""),
        (updated(), "named", "Say.", "bcd", "c"),
        (Adder(1).method, "method", "Add more.", "a", "a"),
        (Other(1).method, "method", "Add more.", "a", "a"),
        (Adder.of_class, "of_class", "Add much.", "a", "a"),
        (Adder(1).alone, "alone", "Add alone.", "a", "a"),
        (Adder(1), "Adder", "Adds.", "a", "a"),
        (Other(1), "Other", "Call.", "a", "a"),
        (functools.partial(Adder(1)), "Adder", "Adds.", "a", "a"),
        (Adder, "Adder", "Adds.", ["base"], ["base"]),
        (City, "City", "A place.", ["name", "country"], ["name"]),
        (Movie, "Movie", "", ["title", "year"], ["title", "year"]),
        (lambda a, b=1: a, "<lambda>", "", "ab", "a"),
    ],
)
def test_anything_that_can_be_called_becomes_a_tool(func, name, description, names, required):
    got_name, got_description, content = parts(func)
    assert (got_name, got_description) == (name, description)
    assert list(content["properties"]) == list(names)
    assert content["required"] == list(required)


def test_a_class_is_described_as_a_function_of_its_members():
    @dataclasses.dataclass
    class Search:
        """Search.

        Args:
            query: What to look for.
        """

        query: str
        limit: Optional[int]
        kind: Union[int, str] = 1

    assert parts(Search)[2] == {
        "type": "object",
        "required": ["query"],
        "properties": {
            "query": {"type": "string", "description": "What to look for."},
            "limit": {"type": "integer", "description": ""},
            "kind": {
                "anyOf": [INTEGER, STRING],
                "type": ["integer", "string"],
                "default": 1,
                "description": "",
            },
        },
    }


def test_a_coroutine_function_becomes_a_tool():
    async def wait(seconds: float):
        """Wait."""

    assert parts(wait)[1] == "Wait."


def test_a_function_without_parameters_has_none_that_are_required():
    assert parts(lambda: 0)[2] == {"type": "object", "properties": {}}
    assert parts(lambda *args, **kwargs: 0)[2] == {"type": "object", "properties": {}}


def test_a_docstring_that_is_no_text_is_none():
    def func(x):
        pass

    func.__doc__ = ["no text"]
    assert parts(func)[1] == ""


def opaque(x: Callable[[], int]):
    pass


def unsigned(x):
    pass


unsigned.__signature__ = "no signature"  # type: ignore[attr-defined]


def nested(x: Dict[str, List[bytes]], y: Sequence[dataclasses.Field]):
    pass


@pytest.mark.parametrize(
    ("func", "text"),
    [
        (opaque, "opaque.x: JSON Schema has no type for Callable"),
        (nested, "nested.y: JSON Schema has no type for Field"),
        (5, "int: expected a function with a signature, got int 5"),
        (unsigned, "unsigned: expected a function with a signature, got function"),
    ],
)
def test_what_cannot_be_described_is_refused_by_name(func, text):
    with pytest.raises(RequestError) as caught:
        convert_function_to_tool(func)
    assert str(caught.value).startswith(text)


# -- as an argument of a chat --------------------------------------------------------------------


def test_functions_are_described_where_tools_are_expected():
    given = {"type": "function", "x-mine": 1, "function": {"name": "a", "strict": True}}
    tool = models.Tool(function=models.Tool.Function(name="b"))
    request = models.ChatRequest(model="m", tools=[add, given, tool, Adder(1)])
    sent = plain(request)["tools"]
    assert sent[0] == plain(convert_function_to_tool(add))
    assert sent[1] == given
    assert sent[2]["function"] == {"name": "b"}
    assert sent[3]["function"]["name"] == "Adder"


def test_a_function_that_cannot_be_described_is_refused_with_its_place():
    with pytest.raises(RequestError) as caught:
        models.ChatRequest(model="m", tools=[add, opaque])
    assert (
        str(caught.value) == "ChatRequest.tools[1].opaque.x: JSON Schema has no type for Callable"
    )
    with pytest.raises(RequestError, match=r"tools\[0\]: expected an object, got str 'add'"):
        models.ChatRequest(model="m", tools=["add"])


# -- against the official package ----------------------------------------------------------------

HINTS = [
    "",
    ": str",
    ": int",
    ": float",
    ": bool",
    ": list",
    ": dict",
    ": object",
    ": Any",
    ": Optional[int]",
    ": Optional[str] = None",
]
words = st.text("abcz XYZ.,", min_size=1, max_size=12).map(str.strip).filter(bool)


@st.composite
def functions(draw):
    """The source of a function that the official package describes rightly."""
    names = draw(st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta"]), unique=True))
    hints = [draw(st.sampled_from(HINTS)) for _ in names]
    split = draw(st.integers(0, len(names)))
    ordered = sorted(range(split), key=lambda index: "=" in hints[index])
    arguments = [names[index] + hints[index] for index in ordered]
    if split < len(names):
        arguments.append("*")
        arguments += [names[index] + hints[index] for index in range(split, len(names))]
    lines = draw(st.lists(words, max_size=3))
    if names and draw(st.booleans()):
        lines += ["", draw(st.sampled_from(["Args:", "args:"]))]
        for name in draw(st.lists(st.sampled_from(names), unique=True)):
            kind = draw(st.sampled_from(["", " (int)", "(str, optional)", " (list[int])"]))
            lines.append(f"  {name}{kind}: {draw(words)}")
            lines += ["    " + more for more in draw(st.lists(words, max_size=2))]
    if draw(st.booleans()):
        lines += ["", draw(st.sampled_from(["Returns:", "Yields:", "Raises:"])), "  int: " + "It"]
    doc = "\n    ".join(lines)
    return f'def func({", ".join(arguments)}):\n    """{doc}\n    """'


@settings(deadline=None)
@given(functions())
def test_a_function_is_described_as_by_the_official_package(source):
    official = pytest.importorskip("ollama._utils")
    names = {"Any": Any, "Optional": Optional}
    exec(source, names)
    expected = official.convert_function_to_tool(names["func"])
    ours = convert_function_to_tool(names["func"])
    assert ours.model_dump(exclude_none=True) == expected.model_dump(exclude_none=True)
    assert list(ours.function.parameters.properties) == list(
        expected.function.parameters.properties
    )


def optional_by_default(x: int = 1):
    pass


def any_number(x: int, *args, **kwargs):
    pass


def either(x: Union[int, str]):
    pass


def choice(x: Literal["a", "b"]):  # noqa: F821
    pass


def unit(x: Unit):
    pass


def numbers(x: List[int]):
    pass


def some(x: Set[int]):
    pass


def counts(x: Dict[str, int]):
    pass


def place(x: City):
    pass


def nothing(x: None):
    pass


def numpy_style(x: int):
    """Do.

    Parameters
    ----------
    x : int
        First.
    """


def sphinx_style(x: int):
    """Do.

    :param x: First.
    """


def colon_in_text(x: int):
    """Do.

    Args:
        x: First, as in
            this case: one.
    """


def text_below(x: int):
    """Do.

    Args:
        x:
            First.
    """


def text_after(x: int):
    """Do.

    Args:
        x: First.

    Costs money.
    """


P = ("parameters", "properties", "x")
# What the official package gives, and what we give in its place.
DIFFERENCES = [
    (optional_by_default, ("parameters", "required"), ["x"], []),
    (any_number, ("parameters", "required"), ["x", "args", "kwargs"], ["x"]),
    (either, (*P, "anyOf"), None, [INTEGER, STRING]),
    (choice, (*P, "enum"), None, ["a", "b"]),
    (unit, (*P, "enum"), None, ["celsius", "fahrenheit"]),
    (numbers, (*P, "items"), None, INTEGER),
    (some, (*P, "uniqueItems"), None, True),
    (counts, (*P, "additionalProperties"), None, INTEGER),
    (place, (*P, "type"), "string", "object"),
    (place, ("parameters", "defs"), {}, None),
    (nothing, (*P, "type"), "", "null"),
    (numpy_style, ("description",), "Do.\n\nParameters\n----------\nx : int\nFirst.", "Do."),
    (numpy_style, (*P, "description"), "", "First."),
    (sphinx_style, ("description",), "Do.\n\n:param x: First.", "Do."),
    (sphinx_style, (*P, "description"), "", "First."),
    (colon_in_text, (*P, "description"), "First, as in", "First, as in this case: one."),
    (text_below, (*P, "description"), " First.", "First."),
    (text_after, ("description",), "Do.", "Do.\n\nCosts money."),
    (text_after, (*P, "description"), "First. Costs money.", "First."),
]


@pytest.mark.parametrize(
    ("func", "path", "theirs", "ours"),
    DIFFERENCES,
    ids=[f"{row[0].__name__}-{row[1][-1]}" for row in DIFFERENCES],
)
def test_what_the_official_package_loses_is_kept(func, path, theirs, ours):
    official = pytest.importorskip("ollama._utils")

    def at_path(tool):
        value = tool.model_dump(exclude_none=True)["function"]
        for step in path:
            value = value.get(step)
        return value

    found = at_path(official.convert_function_to_tool(func))
    assert found == theirs or (theirs == {} and found)
    assert at_path(convert_function_to_tool(func)) == ours


@pytest.mark.parametrize(
    "func", [functools.partial(add, 1), Adder(1)], ids=["partial", "callable object"]
)
def test_what_the_official_package_cannot_describe_is_described(func):
    official = pytest.importorskip("ollama._utils")
    with pytest.raises(AttributeError):
        official.convert_function_to_tool(func)
    convert_function_to_tool(func)


def test_a_model_of_pydantic_is_described_by_its_own_schema():
    pydantic = pytest.importorskip("pydantic")

    class Pet(pydantic.BaseModel):
        name: str = pydantic.Field(description="What it hears.")
        friends: List["Pet"] = []

    class Owner(pydantic.BaseModel):
        """Somebody."""

        city: City
        cat: Optional[Pet] = None

    def visit(owner: Owner, count: int):
        pass

    found = parts(visit)[2]
    owner = found["properties"]["owner"]
    assert owner["description"] == "Somebody."
    assert owner["properties"]["city"]["properties"]["name"]["type"] == "string"
    pet = owner["properties"]["cat"]["anyOf"][0]
    assert pet["properties"]["name"]["description"] == "What it hears."
    assert pet["properties"]["friends"]["items"] == {"$ref": "#/$defs/Pet"}
    assert list(found["$defs"]) == ["Pet"]
    assert parts(Owner)[2]["required"] == ["city"]
    assert models.ChatRequest(model="m", format=Owner).format == Owner.model_json_schema()


def test_a_field_of_pydantic_describes_a_parameter():
    pydantic = pytest.importorskip("pydantic")
    extensions = pytest.importorskip("typing_extensions")
    hint = extensions.Annotated[int, pydantic.Field(description="How many.")]
    assert parameter(hint)["description"] == "How many."


def test_a_field_of_pydantic_in_the_place_of_a_default_is_required_without_one_of_its_own():
    pydantic = pytest.importorskip("pydantic")
    count = pydantic.Field(description="How many.")
    limit = pydantic.Field(default=3, description="How many at most.")

    def order(dish: str, count: int = count, *, limit: int = limit, note: str = ""):
        """Order a dish.

        Args:
            dish: What it is called.
        """

    class Waiter:
        def __call__(self, dish: str, count: int = count, *, limit: int = limit, note: str = ""):
            """Order a dish.

            Args:
                dish: What it is called.
            """

    for func in (order, Waiter(), functools.partial(order)):
        found = parts(func)[2]
        assert found["required"] == ["dish", "count"]
        texts = {name: each["description"] for name, each in found["properties"].items()}
        assert texts == {
            "dish": "What it is called.",
            "count": "How many.",
            "limit": "How many at most.",
            "note": "",
        }
    (tool,) = models.ChatRequest(model="m", tools=[order]).tools
    assert tool.function.parameters.required == ["dish", "count"]
