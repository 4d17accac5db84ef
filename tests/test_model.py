"""Records: JSON objects with attributes, as the models of the ``ollama`` package read and write."""

import collections
import copy
import dataclasses
import datetime
import enum
import functools
import inspect
import itertools
import json
import pickle
import re
from decimal import Decimal
from fractions import Fraction
from typing import ClassVar, Dict, List, Optional, Sequence, Union, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ollamalite
from ollamalite import ChatResponse, ListResponse, Message, Options, ShowResponse, Tool
from ollamalite._generated.codec import DECODERS
from ollamalite._generated.models import __all__ as MODEL_NAMES

MODELS = [
    model
    for model in (getattr(ollamalite, name) for name in MODEL_NAMES)
    if hasattr(model, "model_fields")
]

TIME = datetime.datetime(2026, 8, 20, 9, 12, 44, 118273, datetime.timezone.utc)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_an_absent_items_is_none_and_harmless_where_it_is_taken_for_a_value():
    member = Tool.Function.Parameters.Property(type="string")
    assert not member.items
    assert member.items == None  # noqa: E711 - it is not the object
    assert (member.items != None) is False  # noqa: E711
    assert member.items != {}
    assert repr(member.items) == "None"
    assert list(member.items()) == [("type", "string")]
    assert json.dumps({"items": member.items}) == '{"items": {}}'
    assert copy.deepcopy(member.items) is None
    again = Tool.Function.Parameters.Property(type="array", items=member.items)
    assert json.dumps(again) == '{"type": "array", "items": {}}'


def test_a_field_reads_as_attribute_and_as_item():
    message = Message(role="user", content="hi")
    assert message.content == message["content"] == message.get("content") == "hi"


def test_an_absent_field_is_none_as_attribute_and_missing_as_item():
    message = Message(role="user")
    assert message.content is None
    assert message.get("content", "x") is None
    assert "content" not in message
    with pytest.raises(KeyError, match="content"):
        message["content"]


def test_a_field_that_only_this_package_declares_gives_way_to_the_default_of_get():
    call = Message.ToolCall(function={"name": "f", "arguments": {}})
    assert call.get("id", "none") == "none"
    assert call.function.get("index", 0) == 0
    assert call.id is None
    call.id = None
    assert call.get("id", "none") is None
    call.id = "c"
    assert call.get("id", "none") == "c"
    assert ChatResponse(message=Message(role="a")).get("_debug_info", {}) == {}


def test_a_field_set_to_none_is_there():
    message = Message(role="user")
    message.content = None
    assert "content" in message
    assert message["content"] is None


def test_a_default_that_is_not_none_is_there_without_being_given():
    assert Tool()["type"] == "function"
    assert "type" in Tool()
    assert Tool().model_fields_set == set()


def test_an_unknown_member_is_kept_and_read_like_a_field():
    message = Message(role="user", colour="blue")
    assert message.colour == message["colour"] == message.get("colour") == "blue"
    assert message.model_extra == {"colour": "blue"}
    assert json.loads(json.dumps(message))["colour"] == "blue"


def test_an_unknown_member_never_hides_a_method():
    message = Message(**{"role": "user", "get": 1, "model_dump": 2, "keys": 3})
    assert message.get("role") == "user"
    assert message.model_dump()["get"] == 1
    assert message["keys"] == 3


class ReadsAttributes:
    def __getitem__(self, key):
        return getattr(self, key)


class Mixed(ReadsAttributes, ollamalite.Message):
    note: str = "none"


class Itself(ollamalite.Message):
    note: str = "none"

    def __getitem__(self, key):
        return getattr(self, key)


class Below(Itself):
    content: Optional[str] = None
    more: str = "more"


@pytest.mark.parametrize("cls", [Mixed, Itself, Below])
def test_a_subclass_may_read_items_from_attributes(cls):
    message = cls(role="user", content="hi")
    read = [message[name] for name in ("role", "content", "thinking", "note")]
    assert read == ["user", "hi", None, "none"]
    assert getattr(message, "more", "more") == "more"


class Computed(ollamalite.Message):
    @property
    def content(self):
        return "computed"


class ComputedBelow(Computed):
    role: ClassVar[str] = "nobody"

    def __getitem__(self, key):
        return getattr(self, key)


def test_a_subclass_that_has_items_of_its_own_keeps_the_attributes_that_it_replaced():
    message = ComputedBelow(role="user", content="hi")
    assert (message.content, message.role, message.thinking) == ("computed", "nobody", None)


@pytest.mark.parametrize("found", [lambda self, key: "x", lambda self, key: getattr(self, key)])
def test_what_a_subclass_does_for_missing_items_is_not_asked_for_attributes(found):
    cls = type("Missing", (ollamalite.Message,), {"__missing__": found})
    assert cls(role="user").content is None


class Left(ollamalite.Message):
    left: Optional[str] = None


class Right(ollamalite.Message):
    right: Optional[str] = "right"


class Both(Left, Right):
    pass


class Two(ollamalite.Message, ollamalite.Options):
    pass


def test_a_class_of_several_records_has_the_fields_of_all():
    assert (Both(role="user").left, Both(role="user").right) == (None, "right")
    assert Two(role="user").temperature is None
    assert Two(role="user", temperature=0.5).model_dump()["temperature"] == 0.5


def test_a_subclass_of_a_record_with_times_may_have_items_of_its_own():
    class Mine(ollamalite.ListResponse.Model):
        def __getitem__(self, key):
            return "mine"

    assert Mine(model="m")["model"] == "mine"
    assert Mine(model="m").model == "m"


def test_a_name_that_is_nowhere_raises_what_attributes_and_items_raise():
    message = Message(role="user")
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        _ = message.colour
    with pytest.raises(KeyError):
        message["colour"]
    assert message.get("colour", 7) == 7
    with pytest.raises(ValueError, match='no field "colour"'):
        message.colour = 1
    assert not hasattr(message, "__pydantic_serializer__")


def test_vars_gives_the_fields_and_members_in_a_dictionary_of_its_own():
    message = Message(role="user", colour="blue")
    assert vars(message) == message.__dict__ == dict(message)
    vars(message)["role"] = "x"
    assert message.role == "user"


def test_a_record_carries_private_attributes_of_the_caller_beside_its_members():
    message = Message(role="user", _secret=1)
    assert not hasattr(message, "_trace")
    message._trace = span = object()
    message._attempts = 1
    message._attempts += 1
    assert message._trace is span
    assert (message._attempts, message._secret) == (2, 1)
    assert vars(message)["_trace"] is span
    assert message == Message(role="user", _secret=1)
    assert json.loads(json.dumps(message)) == {"role": "user", "_secret": 1}
    assert "_trace" not in dict(message)
    del message._trace
    with pytest.raises(AttributeError, match="no attribute '_trace'"):
        _ = message._trace
    with pytest.raises(AttributeError, match="no attribute '_trace'"):
        del message._trace
    with pytest.raises(ValueError, match='no field "__trace__"'):
        message.__trace__ = 1


def test_a_subclass_keeps_its_private_attributes_as_it_declares_them():
    class Traced(Message):
        __slots__ = ("_span",)

    class Free(Message):
        pass

    for kind in (Traced, Free):
        message = kind(role="user")
        message._span = message._other = 1
        assert (message._span, message._other) == (1, 1)
        del message._span, message._other
        assert not hasattr(message, "_span")
        assert not hasattr(message, "_other")


def test_a_dictionary_of_a_record_has_all_fields():
    message = Message(role="user", colour="blue")
    everything = {
        "role": "user",
        "content": None,
        "thinking": None,
        "images": None,
        "tool_calls": None,
        "tool_name": None,
        "tool_call_id": None,
        "colour": "blue",
    }
    assert dict(message) == everything
    assert {**message} == everything
    assert dict(**message) == everything
    assert list(message) == list(everything.items())
    assert list(message.keys()) == list(everything)


def test_items_and_values_are_those_of_the_json_object():
    answer = ShowResponse(model_info={}, modified_at="2026-08-20T09:12:44.118273645Z")
    assert dict(answer.items()) == json.loads(json.dumps(answer))
    assert list(answer.values()) == [{}, "2026-08-20T09:12:44.118273645Z"]


def test_nested_objects_become_records_on_construction():
    message = Message(
        role="assistant", tool_calls=[{"id": "c", "function": {"name": "f", "arguments": {}}}]
    )
    assert isinstance(message.tool_calls[0], Message.ToolCall)
    assert isinstance(message.tool_calls[0].function, Message.ToolCall.Function)
    assert message["tool_calls"][0]["function"]["name"] == "f"


class Spoken(Message):
    """A message of a caller's own class."""


@pytest.mark.parametrize(
    ("part", "build", "read"),
    [
        (Tool.Function(name="f"), lambda x: Tool(function=x), lambda x: x.function),
        (Spoken(role="user"), lambda x: ChatResponse(message=x), lambda x: x.message),
        (
            Spoken(role="user"),
            lambda x: ollamalite.ChatRequest(model="m", messages=[x]),
            lambda x: x.messages[0],
        ),
        (
            Options(seed=1),
            lambda x: ollamalite.ChatRequest(model="m", options=x),
            lambda x: x.options,
        ),
        (Tool(), lambda x: ollamalite.ChatRequest(model="m", tools=[x]), lambda x: x.tools[0]),
        (Spoken(role="user"), Message.model_validate, lambda x: x),
    ],
)
def test_a_record_that_is_given_as_a_part_stays_that_object(part, build, read):
    assert read(build(part)) is part


def test_a_list_and_a_dictionary_that_are_given_as_a_part_are_copied():
    arguments, images = {"a": 1}, [b"abc"]
    function = Message.ToolCall.Function(name="f", arguments=arguments)
    message = Message(role="user", images=images)
    arguments["b"] = images.append(b"")
    assert function.arguments == {"a": 1}
    assert len(message.images) == 1


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: Message(content="x"), "Message.role: required, but not given"),
        (lambda: Message(role=3), "Message.role: expected a string, got int 3"),
        (
            lambda: Message(role="a", tool_calls=[{"function": {"name": 1, "arguments": {}}}]),
            "Message.tool_calls[0].function.name: expected a string, got int 1",
        ),
        (
            lambda: Message(role="a", tool_calls={"function": {}}),
            "Message.tool_calls: expected a list, got dict",
        ),
        (lambda: Options(stop="word"), "Options.stop: expected a list, got str 'word'"),
        (lambda: Options(seed=1.5), "Options.seed: expected an integer, got float 1.5"),
        (lambda: Message.model_validate([]), "Message: expected an object, got list"),
        (
            lambda: ollamalite.GenerateResponse.model_validate(Message(role="user")),
            "GenerateResponse: expected GenerateResponse, got Message",
        ),
        (
            lambda: ListResponse(models=[Options(seed=1)]),
            "ListResponse.models[0]: expected ListResponse.Model, got Options",
        ),
        (
            lambda: ollamalite.ChatRequest(model="m", options=Message(role="user")),
            "ChatRequest.options: expected Options, got Message",
        ),
        (lambda: Message.model_validate_json("{"), "Message: not JSON"),
    ],
)
def test_wrong_input_is_a_value_error_that_names_the_place(build, text):
    with pytest.raises(ollamalite.RequestError) as caught:
        build()
    assert text in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_numbers_and_truth_values_are_taken_in_the_forms_that_pydantic_takes():
    options = Options(seed="7", top_k=3.0, temperature="0.5", numa="yes")
    assert (options.seed, options.top_k, options.temperature, options.numa) == (7, 3, 0.5, True)
    assert Options(temperature=1).temperature == 1.0
    assert Options(seed="5.0", top_k=" -5.00 ").model_dump(exclude_none=True) == {
        "seed": 5,
        "top_k": -5,
    }


class Scalar:
    """As numpy makes them: neither int nor float."""

    def __init__(self, value):
        self.value = value

    def __float__(self):
        return float(self.value)


class Index(Scalar):
    def __index__(self):
        return self.value


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"seed": Index(2**40)}, 2**40),
        ({"seed": Scalar(5.0)}, 5),
        ({"seed": Decimal("5")}, 5),
        ({"temperature": Scalar(0.5)}, 0.5),
        ({"temperature": Decimal("0.5")}, 0.5),
        ({"temperature": Fraction(1, 2)}, 0.5),
        ({"numa": Scalar(True)}, True),
        ({"numa": Index(0)}, False),
        ({"numa": Decimal(1)}, True),
    ],
)
def test_objects_that_stand_for_a_number_are_taken_as_plain_ones(given, kept):
    (value,) = Options(**given).model_dump(exclude_none=True).values()
    assert (value, type(value)) == (kept, type(kept))


@pytest.mark.parametrize(
    "given",
    [
        {"seed": Scalar(1.5)},
        {"seed": Decimal("NaN")},
        {"seed": "5."},
        {"seed": ".0"},
        {"numa": Index(2)},
        {"numa": 1.5},
        {"temperature": 1j},
        {"temperature": [1]},
    ],
)
def test_objects_that_stand_for_another_number_are_refused(given):
    with pytest.raises(ollamalite.RequestError, match=rf"Options\.{next(iter(given))}: expected"):
        Options(**given)


def test_a_member_of_an_enum_of_texts_becomes_its_text():
    class Role(str, enum.Enum):
        USER = "user"

    message = Message(role=Role.USER)
    assert type(message.role) is str
    assert f"{message.role}" == "user"
    kind = enum.Enum("Kind", {"NOUL": "noul"}, type=str).NOUL
    assert type(ollamalite.SystemOneNoulQuestion(instructions="x", type=kind).type) is str


def test_a_name_that_python_reserves_is_dumped_as_the_wire_has_it():
    request = ollamalite.CreateRequest(model="m", from_="base")
    assert request.from_ == request["from_"] == request["from"] == "base"
    assert request.model_dump(exclude_none=True) == {"model": "m", "from": "base"}
    assert request.model_dump(include={"from_"}) == {"from": "base"}


def test_a_member_under_the_python_name_of_another_does_not_hide_it():
    answer = DECODERS[ShowResponse]({"modelinfo": {"bogus": 1}, "model_info": {"real": 2}})
    assert answer.modelinfo == answer["modelinfo"] == answer.get("modelinfo") == {"real": 2}
    assert dict(answer)["modelinfo"] == answer.model_dump()["modelinfo"] == {"real": 2}
    lone = DECODERS[ShowResponse]({"modelinfo": {"bogus": 1}})
    assert "modelinfo" not in lone
    with pytest.raises(KeyError):
        lone["modelinfo"]


def test_renamed_fields_go_by_both_names_and_travel_under_that_of_the_wire():
    answer = ShowResponse(model_info={"a": 1})
    assert answer.modelinfo == answer["modelinfo"] == answer["model_info"] == {"a": 1}
    assert ShowResponse(modelinfo={"a": 1}) == answer
    assert json.loads(json.dumps(answer)) == {"model_info": {"a": 1}}
    assert answer.model_dump(exclude_none=True) == {"modelinfo": {"a": 1}}
    assert answer.model_dump(exclude_none=True, by_alias=True) == {"model_info": {"a": 1}}


def test_a_time_reads_as_datetime_and_keeps_its_nanoseconds():
    text = "2026-08-20T09:12:44.118273645-07:00"
    model = ListResponse.Model(modified_at=text)
    zone = datetime.timezone(datetime.timedelta(hours=-7))
    assert model.modified_at == datetime.datetime(2026, 8, 20, 9, 12, 44, 118273, zone)
    assert model["modified_at"] == model.modified_at
    assert json.loads(json.dumps(model)) == {"modified_at": text}
    assert model.model_dump(mode="json")["modified_at"] == text
    assert pickle.loads(pickle.dumps(model)).modified_at == model.modified_at


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00+99:99"]
)
def test_a_time_that_is_none_stays_text(text):
    assert ListResponse.Model(modified_at=text).modified_at == text


@pytest.mark.parametrize(
    ("size", "binary", "decimal"),
    [
        (0, "0B", "0B"),
        (1023, "1023B", "1.0KB"),
        (2019393189, "1.9GiB", "2.0GB"),
        (2**80, "1048576.0EiB", "1208925.8EB"),
    ],
)
def test_a_size_writes_itself_for_people(size, binary, decimal):
    made = ListResponse.Model(size=size).size
    assert made == size
    assert made.human_readable() == binary
    assert made.human_readable(decimal=True) == decimal


def test_a_size_converts_to_other_units():
    size = ollamalite.ByteSize(2_000_000)
    assert size.to("MB") == 2.0
    assert size.to("kbit") == 16_000
    with pytest.raises(ValueError, match="not a unit of size"):
        size.to("furlong")


def test_lists_of_a_record_are_mutable():
    message = Message(role="user", images=[])
    message.images.append(ollamalite.Image(value=b"abc"))
    assert json.loads(message.model_dump_json(exclude_none=True)) == {
        "role": "user",
        "images": ["YWJj"],
    }


def test_an_image_has_what_users_of_pydantic_models_call():
    image = ollamalite.Image(value=b"abc")
    assert list(image) == [("value", b"abc")]
    assert dict(image) == {"value": b"abc"}
    assert list(ollamalite.Image.model_fields) == list(image.__fields__) == ["value"]
    assert ollamalite.Image.model_fields["value"].is_required()
    assert image.model_fields_set == {"value"}
    assert image.model_extra is None
    assert ollamalite.Image.model_construct(value=5).value == 5
    assert ollamalite.Image.model_validate_json('{"value":"YWJj"}').base64() == "YWJj"
    assert ollamalite.Image.model_json_schema() == {"type": "string", "contentEncoding": "base64"}
    assert image.model_copy(update={"value": b"x"}).value == b"x"
    assert copy.deepcopy(image) == pickle.loads(pickle.dumps(image)) == image


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: ollamalite.Image(), "Image.value: required, but not given"),
        (lambda: ollamalite.Image(value=None), "Image.value: expected an image .*, got None"),
        (lambda: ollamalite.Image(value=5), "Image.value: expected an image .*, got int 5"),
        (lambda: ollamalite.Image.model_validate(5), "Image: expected an image .*, got int 5"),
        (lambda: ollamalite.Image.model_validate_json("{"), "Image: not JSON"),
    ],
)
def test_what_is_no_image_is_refused_when_it_is_made(build, text):
    with pytest.raises(ollamalite.RequestError, match=text):
        build()


def test_records_compare_by_class_and_values():
    assert Message(role="user") == Message(role="user", content=None)
    assert Message(role="user") != Message(role="assistant")
    assert Message(role="user") != {"role": "user"}
    assert ollamalite.StatusResponse(status="x") != ollamalite.ProgressResponse(status="x")
    with pytest.raises(TypeError, match="unhashable"):
        hash(Message(role="user"))


def test_a_record_is_true_even_if_it_is_empty():
    assert Options()
    assert json.dumps(Options()) == "{}"


def test_the_representation_shows_what_was_given():
    message = Message(role="user", content="hi", colour=1)
    assert repr(message) == str(message) == "Message(role='user', content='hi', colour=1)"
    call = Message.ToolCall.Function(name="f", arguments={})
    assert repr(call) == "Message.ToolCall.Function(name='f', arguments={})"


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_records_survive_pickling_and_copying(protocol):
    answer = ChatResponse(
        model="m",
        message={"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]},
        x=1,
    )
    for twin in (
        pickle.loads(pickle.dumps(answer, protocol)),
        copy.copy(answer),
        copy.deepcopy(answer),
        answer.copy(),
        answer.model_copy(deep=True),
    ):
        assert type(twin) is ChatResponse
        assert twin == answer
        assert isinstance(twin.message.tool_calls[0], Message.ToolCall)
    deep = answer.model_copy(deep=True, update={"model": "n"})
    deep.message.content = "changed"
    assert answer.message.content is None
    assert deep.model == "n"


def test_a_dump_takes_the_options_of_pydantic():
    message = Message(
        role="user", content=None, tool_calls=[{"function": {"name": "f", "arguments": {}}}]
    )
    assert message.model_dump(exclude_unset=True) == {
        "role": "user",
        "content": None,
        "tool_calls": [{"function": {"name": "f", "arguments": {}}}],
    }
    assert "content" not in message.model_dump(exclude_none=True)
    assert set(message.model_dump(exclude_defaults=True)) == {"role", "tool_calls"}
    assert (
        message.model_dump(include={"role"}) == message.dict(include={"role"}) == {"role": "user"}
    )
    assert message.model_dump(include={"tool_calls": {"function"}}, exclude={"role": True})
    assert "role" not in message.model_dump(exclude={"role"})
    assert type(message.model_dump()["tool_calls"][0]) is dict
    assert (
        message.model_dump_json(include={"role"})
        == message.json(include={"role"})
        == '{"role":"user"}'
    )
    assert message.model_dump_json(include={"role"}, indent=1) == '{\n "role": "user"\n}'


def test_a_dump_takes_choices_of_elements():
    models = ListResponse(models=[{"model": "a", "size": 1}, {"model": "b", "size": 2}])

    def dump(**choices):
        return models.model_dump(exclude_none=True, **choices)["models"]

    assert dump(exclude={"models": {0}}) == [{"model": "b", "size": 2}]
    assert dump(exclude={"models": {-1: True}}) == [{"model": "a", "size": 1}]
    assert dump(include={"models": {"__all__": {"model"}}}) == [{"model": "a"}, {"model": "b"}]
    assert dump(include={"models": {"__all__": {"model"}, 1: {"size"}}}) == [
        {"model": "a"},
        {"model": "b", "size": 2},
    ]
    show = ShowResponse(model_info={"a": 1, "b": 2})
    assert show.model_dump(include={"modelinfo": {"a"}}) == {"modelinfo": {"a": 1}}
    with pytest.raises(TypeError, match="include and exclude take a set or a dict of names, not 5"):
        models.model_dump(include={"models": 5})


def test_keywords_of_pydantic_that_change_nothing_here_are_taken():
    message = Message(role="user", content="ä")
    plain = message.model_dump(by_alias=None)
    for keywords in (
        {"context": {"a": 1}},
        {"warnings": "none", "round_trip": True},
        {"serialize_as_any": True, "exclude_computed_fields": True},
    ):
        assert message.model_dump(**keywords) == plain
        assert json.loads(message.model_dump_json(**keywords)) == plain
    assert "\\u00e4" in message.model_dump_json(ensure_ascii=True)
    for keywords in ({"strict": False, "context": {}}, {"by_name": True, "extra": "allow"}):
        assert Message.model_validate(plain, **keywords) == message
        assert Message.model_validate_json(json.dumps(plain), **keywords) == message


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda m: m.model_dump(warnings="error"), "model_dump: warnings='error' is not supported"),
        (lambda m: Message.model_validate(m, strict=True), "model_validate: strict=True"),
        (lambda m: Message.model_validate(m, extra="forbid"), "extra='forbid' is not supported"),
        (lambda m: Message.model_validate(m, from_attributes=True), "give a mapping, such as vars"),
        (lambda m: Message.model_validate_json("{}", by_alias=False), "go by both of their names"),
    ],
)
def test_keywords_of_pydantic_that_cannot_be_obeyed_are_refused(call, text):
    with pytest.raises(ollamalite.RequestError, match=text):
        call(Message(role="user"))


def test_keywords_that_nobody_has_are_type_errors():
    message = Message(role="user")
    for call in (message.model_dump, message.model_dump_json, lambda **k: message.json(**k)):
        with pytest.raises(TypeError, match="unexpected keyword argument 'zzz'"):
            call(zzz=1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'mode'"):
        message.model_dump_json(mode="python")


def test_a_dump_asks_the_fallback_for_what_json_lacks():
    function = Message.ToolCall.Function(name="f", arguments={"a": {1j}})
    assert function.model_dump(fallback=list) == {
        "name": "f",
        "arguments": {"a": {1j}},
        "index": None,
    }
    text = function.model_dump_json(
        exclude_none=True, fallback=lambda value: [str(v) for v in value]
    )
    assert text == '{"name":"f","arguments":{"a":["1j"]}}'


def test_the_names_that_pydantic_had_before_are_there():
    fields = {"role": "user", "content": "x"}
    message = Message.parse_obj(fields)
    assert message == Message.parse_raw(json.dumps(fields)) == Message.construct(**fields)
    assert Message.schema() == Message.model_json_schema()
    assert list(Message.__fields__) == list(Message.model_fields)
    assert Message.model_config == {"extra": "allow"}
    assert Message.model_computed_fields == {}
    assert Message.model_rebuild(force=True) is None
    copied = message.copy(
        include={"role", "content"}, exclude={"content"}, update={"thinking": "y"}
    )
    assert copied.model_fields_set == {"role", "thinking"}
    assert message.copy(exclude={"role"}).model_fields_set == {"content"}
    assert message.copy(deep=True) == message
    with pytest.raises(TypeError, match="copy takes sets of names"):
        message.copy(exclude={"content": True})


def test_unchecked_construction_takes_values_as_they_are():
    assert Message.model_construct(role=3, modelinfo=1).role == 3


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_the_functions_of_dataclasses_take_records(model):
    fields = dataclasses.fields(model)
    assert [field.name for field in fields] == list(model.model_fields)
    assert dataclasses.is_dataclass(model)
    record = model.model_construct()
    assert dataclasses.asdict(record) == {
        field.name: getattr(record, field.name) for field in fields
    }
    names = [p.name for p in inspect.signature(model).parameters.values()]
    assert names == [*model.model_fields, "unknown"]


def test_the_fields_of_a_class_show_their_types():
    fields = Message.model_fields
    assert fields["role"].annotation is str
    assert fields["content"].annotation == Optional[str]
    assert fields["tool_calls"].annotation == Optional[Sequence[Message.ToolCall]]
    assert fields["role"].is_required()
    assert fields["content"].get_default() is fields["content"].default is None
    assert fields["content"].alias is fields["content"].default_factory is None
    assert fields["content"].description is None
    assert fields["content"].metadata == []
    info = ShowResponse.model_fields["modelinfo"]
    assert info.alias == info.serialization_alias == info.validation_alias == "model_info"
    assert repr(fields["role"]) == "FieldInfo(annotation=str, required=True)"
    assert repr(Tool.model_fields["type"]).endswith("required=False, default='function')")
    assert Message(role="user").model_fields is fields
    parameters = inspect.signature(Message).parameters
    assert parameters["role"].annotation is str
    assert parameters["content"].annotation == Optional[str]
    assert list(get_type_hints(Message)) == list(fields)


def test_a_type_that_only_a_function_knows_is_shown_as_text():
    class Colour:
        pass

    class Painted(Message):
        colour: "Colour"

    assert Painted.model_fields["colour"].annotation == "Colour"
    assert list(Painted.model_fields)[-1] == "colour"
    assert "colour" not in Message.model_fields


def test_a_record_can_be_replaced_as_a_dataclass():
    message = dataclasses.replace(Message(role="user"), content="x")
    assert (message.role, message.content) == ("user", "x")


def test_a_nested_class_has_the_name_of_its_place():
    assert Message.ToolCall.__name__ == "ToolCall"
    assert Message.ToolCall.__qualname__ == "Message.ToolCall"
    assert ListResponse.Model.__module__ == "ollamalite._generated.models"


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_decoding_and_encoding_loses_nothing(members):
    for key in ("message", "logprobs", "_debug_info"):
        members.pop(key, None)
    wire = {**members, "message": {**members, "role": "x"}}
    for key in ("tool_calls", "images"):
        wire["message"].pop(key, None)
    text = json.dumps(wire)
    answer = DECODERS[ChatResponse](json.loads(text))
    assert type(answer) is ChatResponse
    assert json.dumps(answer) == text


def test_json_of_pydantic_models_of_the_caller_holds_records():
    pydantic = pytest.importorskip("pydantic")

    class Holder(pydantic.BaseModel):
        options: Options
        anything: object = None

    holder = Holder(options={"seed": 3}, anything=Message(role="user"))
    assert type(holder.options) is Options
    assert holder.model_dump()["options"] == Options(seed=3).model_dump()
    assert holder.model_dump()["anything"]["role"] == "user"
    dumped = json.loads(holder.model_dump_json(exclude_unset=True))
    assert dumped["options"] == {"seed": 3}
    assert dumped["anything"]["role"] == "user"
    shown = Message(role="user", images=[ollamalite.Image(value=b"abc")])
    dumped = json.loads(Holder(options={}, anything=shown).model_dump_json())
    assert dumped["anything"]["images"] == ["YWJj"]
    assert pydantic.TypeAdapter(object).dump_python(shown.images) == ["YWJj"]
    with pytest.raises(pydantic.ValidationError, match=r"Options\.seed"):
        Holder(options={"seed": "x"})


def references(schema):
    return set(re.findall(r'"\$ref": "#/\$defs/([^"]*)"', json.dumps(schema)))


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_the_schema_of_a_pydantic_model_of_the_caller_holds_those_of_records(mode):
    pydantic = pytest.importorskip("pydantic")

    class Holder(pydantic.BaseModel):
        message: Message
        history: List[Message] = []
        tool: Optional[Tool] = None
        answer: Optional[ChatResponse] = None

    schema = Holder.model_json_schema(mode=mode)
    assert references(schema) == set(schema["$defs"]) == {"Message", "Tool", "ChatResponse"}
    assert schema["properties"]["message"] == {"$ref": "#/$defs/Message"}
    calls = schema["$defs"]["Message"]["properties"]["tool_calls"]["anyOf"][0]
    assert calls["items"]["properties"]["function"]["required"] == ["name", "arguments"]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_pydantic_makes_a_schema_without_loose_ends_of_every_class(model):
    pydantic = pytest.importorskip("pydantic")
    schema = pydantic.TypeAdapter(model).json_schema()
    assert not references(schema)
    assert list(schema["properties"]) == list(model.model_json_schema()["properties"])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"exclude_none": True}, {"modelinfo": {"a": 1}, "modified_at": TIME}),
        ({"exclude_unset": True}, {"modelinfo": {"a": 1}, "modified_at": TIME, "license": None}),
        ({"exclude_defaults": True}, {"modelinfo": {"a": 1}, "modified_at": TIME}),
        ({"exclude_none": True, "by_alias": True}, {"model_info": {"a": 1}, "modified_at": TIME}),
        ({"include": {"answer": {"license"}}}, {"license": None}),
        (
            {"exclude": {"answer": {"modelinfo"}}, "exclude_none": True, "mode": "json"},
            {"modified_at": "2026-08-20T09:12:44.118273645Z"},
        ),
    ],
)
def test_a_dump_of_a_pydantic_model_of_the_caller_dumps_records_likewise(options, expected):
    pydantic = pytest.importorskip("pydantic")

    class Holder(pydantic.BaseModel):
        answer: ShowResponse

    wire = {"model_info": {"a": 1}, "modified_at": "2026-08-20T09:12:44.118273645Z"}
    holder = Holder(answer={**wire, "license": None})
    assert holder.model_dump(**options) == {"answer": expected}
    assert set(holder.model_dump()["answer"]) == set(ShowResponse.model_fields)
    assert Holder(**holder.model_dump()) == holder
    assert Holder.model_validate_json(holder.model_dump_json(by_alias=True)) == holder


def test_a_pydantic_model_of_the_caller_dumps_what_was_assigned_unchecked():
    pydantic = pytest.importorskip("pydantic")

    class Holder(pydantic.BaseModel):
        message: Message
        either: Union[Message, str] = ""

    holder = Holder(message={"role": "user"}, either="text")
    holder.message = {"role": "tool"}
    assert holder.model_dump() == {"message": {"role": "tool"}, "either": "text"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (ChatResponse(message={"role": "user"}), ChatResponse),
        (ollamalite.GenerateResponse(response="x"), ollamalite.GenerateResponse),
        ({"model": "m", "message": {"role": "user"}}, ChatResponse),
        ({"model": "m", "response": "x"}, ollamalite.GenerateResponse),
        ({"model": "m", "capabilities": [], "model_info": {}}, ShowResponse),
        ({"model": "m", "capabilities": [], "modelinfo": {}}, ShowResponse),
        (collections.UserDict({"message": {"role": "user"}}), ChatResponse),
        (Message(role="user"), dict),
        ({1: 2}, dict),
    ],
)
def test_in_a_union_of_a_pydantic_model_the_class_that_fits_best_is_taken(value, expected):
    pydantic = pytest.importorskip("pydantic")

    class Holder(pydantic.BaseModel):
        answer: Union[ollamalite.GenerateResponse, ShowResponse, ChatResponse, dict]

    assert type(Holder(answer=value).answer) is expected


def test_pydantic_tells_what_a_record_in_a_model_of_the_caller_lacks():
    pydantic = pytest.importorskip("pydantic")

    class Holder(pydantic.BaseModel):
        message: Message

    with pytest.raises(pydantic.ValidationError) as caught:
        Holder(message={"content": "x"})
    (error,) = caught.value.errors()
    assert (error["type"], error["loc"]) == ("missing", ("message", "role"))
    with pytest.raises(pydantic.ValidationError, match="expected Message, got Options"):
        Holder(message=Options())


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"a": 1}, {"a": 1}),
        ('{"a":1}', {"a": 1}),
        ("{}", {}),
        ('{"a":', '{"a":'),
        ("[1]", "[1]"),
        ("", ""),
        ("[" * 100_000, "[" * 100_000),
        (None, None),
        ([1], [1]),
    ],
)
def test_arguments_in_an_answer_that_are_a_text_are_parsed_if_it_is_an_object(sent, read):
    wire = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": sent}}]}
    answer = DECODERS[ChatResponse]({"message": copy.deepcopy(wire)})
    assert answer.message.tool_calls[0].function.arguments == read
    (call,) = DECODERS[ollamalite.GenerateResponse](wire).tool_calls
    assert json.loads(json.dumps(call)) == {"function": {"name": "f", "arguments": read}}


class Answer(ChatResponse):
    """An answer with what a caller adds to it."""

    tags: List[str] = []
    score: float = 0.5
    must: Optional[int]
    _seen: Dict[str, int] = {}
    shared: ClassVar[List[int]] = []

    def __init__(self, **fields):
        super().__init__(**fields)
        self._count = 1

    @property
    def text(self):
        return self.message.content

    @text.setter
    def text(self, value):
        self.message.content = value

    @property
    def fixed(self):
        return 1

    @functools.cached_property
    def made(self):
        return object()


def test_a_class_of_the_caller_adds_fields_with_defaults_of_their_own():
    first, second = (Answer(message={"role": "user"}, must=None) for _ in range(2))
    first.tags.append("a")
    assert (first.tags, second.tags, Answer.model_construct().tags) == (["a"], [], [])
    assert first != second
    assert first.score == first["score"] == 0.5
    assert first.model_dump(exclude_none=True) == {
        "message": {"role": "user"},
        "tags": ["a"],
        "score": 0.5,
    }
    assert json.loads(json.dumps(first)) == {
        "message": {"role": "user"},
        "must": None,
        "tags": ["a"],
    }
    assert copy.deepcopy(first).tags == pickle.loads(pickle.dumps(first)).tags == ["a"]
    assert dataclasses.fields(Answer)[-3].default_factory() == []
    assert "default" not in Answer.model_json_schema()["properties"]["tags"]
    assert "shared" not in Answer.model_fields
    with pytest.raises(ollamalite.RequestError, match=r"Answer\.must: required"):
        Answer(message={"role": "user"})


def test_a_class_of_the_caller_has_attributes_that_are_no_fields():
    first, second = (Answer(message={"role": "user"}, must=1) for _ in range(2))
    first._seen["x"] = first._count = 2
    assert (first._seen, second._seen, second._count) == ({"x": 2}, {}, 1)
    first.text = "hi"
    assert first.message.content == first.text == "hi"
    assert first.made is first.made
    assert {"text", "_seen", "_count", "made"}.isdisjoint(first.model_dump())
    del first._count
    assert not hasattr(first, "_count")
    with pytest.raises(AttributeError):
        first.fixed = 2
    with pytest.raises(ValueError, match='no field "colour"'):
        first.colour = 2


def test_fields_of_a_class_of_the_caller_may_be_declared_as_for_pydantic():
    pydantic = pytest.importorskip("pydantic")

    class Mine(Message):
        serial: int = pydantic.Field(default_factory=itertools.count().__next__)
        score: float = pydantic.Field(0.5, ge=0)
        tags: List[str] = pydantic.Field([], alias="Tags")
        must: int = pydantic.Field(description="Not optional.")
        _seen: list = pydantic.PrivateAttr(default_factory=list)
        _count: int = pydantic.PrivateAttr(0)

    first, second = Mine(role="user", must=1, Tags=["a"]), Mine(role="user", must=2)
    assert (first.serial, second.serial, first.serial) == (0, 1, 0)
    assert (first.score, first.tags, second.tags) == (0.5, ["a"], [])
    assert first.model_dump(by_alias=True, exclude_none=True)["Tags"] == ["a"]
    first._seen.append(1)
    assert (first._seen, second._seen, first._count) == ([1], [], 0)
    with pytest.raises(ollamalite.RequestError, match=r"Mine\.must: required"):
        Mine(role="user")
