"""The same calls through the ``ollama`` package and through this one, compared on one server.

Whatever is drawn goes through both packages; where they differ, a row of `KNOWN` must say so.
"""

import asyncio
import base64
import collections
import collections.abc
import dataclasses
import datetime
import gc
import importlib
import inspect
import json
import typing
import weakref

import pytest

httpx = pytest.importorskip("httpx")
ollama = pytest.importorskip("ollama")

import ollama._types as official_types  # noqa: E402 - there is none before the line above
import ollama._utils as official_utils  # noqa: E402
import pydantic  # noqa: E402
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import ollamalite  # noqa: E402
from ollamalite import compat, tools  # noqa: E402
from ollamalite._host import parse_host  # noqa: E402

from .wire_server import serve  # noqa: E402

pytestmark = pytest.mark.skipif(
    isinstance(ollama, compat._Module), reason="ollama itself is what is compared with"
)

# As an attribute of the package, the name is taken by a client.
official_client = importlib.import_module("ollama._client")

EXAMPLES = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

FIGURES = collections.Counter()
"""How many examples were compared, and how often each known difference showed."""


class Known(typing.NamedTuple):
    """One difference that is meant: what it is called, why it is, and what shows it."""

    name: str
    reason: str
    show: typing.Callable[["Pair"], typing.Any]


# -- both packages on one server -------------------------------------------------------------------


class Pair:
    """Four clients of one server, which gives all of them the same answer."""

    def __init__(self, server):
        self.server = server
        self.loop = asyncio.new_event_loop()
        self.make()

    def make(self, **keywords):
        self.clients = {
            (ollama, False): ollama.Client(self.server.url, **keywords),
            (ollamalite, False): ollamalite.Client(self.server.url, **keywords),
            (ollama, True): ollama.AsyncClient(self.server.url, **keywords),
            (ollamalite, True): ollamalite.AsyncClient(self.server.url, **keywords),
        }

    def close(self):
        for (_, asynchronous), client in self.clients.items():
            closing = client._client.aclose() if asynchronous else client._client.close()
            if asynchronous:
                self.loop.run_until_complete(closing)
        # The official client leaves the bodies of failed streams to the garbage collector.
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        gc.collect()
        self.loop.close()

    def answers(self, body=b"{}", status=200, kind="application/json"):
        self.server.answer = (body, status, kind)

    def ask(self, package, asynchronous, method, *args, **kwargs):
        """Return the requests that a call sent, and its outcome: result, or pieces, or error."""
        before = len(self.server.requests)
        client = self.clients[package, asynchronous]
        args, kwargs = made(args, package), made(kwargs, package)
        pieces, error, result = [], None, None
        try:
            if asynchronous:
                result = self.loop.run_until_complete(
                    self._wait(client, method, args, kwargs, pieces)
                )
            else:
                result = getattr(client, method)(*args, **kwargs)
                if kwargs.get("stream"):
                    for piece in result:
                        pieces.append(piece)
        except Exception as caught:
            error = caught
        if kwargs.get("stream"):
            result = pieces
        return self.server.requests[before:], result, error

    async def _wait(self, client, method, args, kwargs, pieces):
        result = await getattr(client, method)(*args, **kwargs)
        if kwargs.get("stream"):
            async for piece in result:
                pieces.append(piece)
        return result

    def both(self, method, *args, **kwargs):
        """Return what the official sync client and ours sent and got."""
        return [self.ask(package, False, method, *args, **kwargs) for package in PACKAGES]


PACKAGES = (ollama, ollamalite)


class Made(typing.NamedTuple):
    """An argument that is an object of whichever package is asked."""

    name: str
    fields: dict


def made(value, package):
    if isinstance(value, Made):
        cls = package
        for part in value.name.split("."):
            cls = getattr(cls, part)
        return cls(**made(value.fields, package))
    if isinstance(value, dict):
        return {key: made(item, package) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(made(item, package) for item in value)
    return value


def script(server_box):
    def run(peer):
        while peer.receive() is not None:
            body, status, kind = server_box[0].answer
            reason = {200: "OK"}.get(status, "Bad")
            peer.answer(body, f"{status} {reason}", [f"Content-Type: {kind}"])

    return run


@pytest.fixture(scope="module")
def pair():
    box = []
    with serve(script(box)) as server:
        box.append(server)
        with pytest.MonkeyPatch.context() as patch:
            for name in ("OLLAMA_HOST", "OLLAMA_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
                patch.delenv(name, raising=False)
            pair = Pair(server)
        yield pair
        pair.close()


def known(name, count=1):
    assert name in {row.name for row in KNOWN}, name
    FIGURES[name] += count


# -- what is drawn ---------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8"), max_size=6)
NAME = st.text("abcxyz_", min_size=1, max_size=4)
INTEGER = st.integers(-(2**40), 2**40)
NUMBER = st.floats(-1e9, 1e9)
JSON = st.recursive(
    st.none() | st.booleans() | INTEGER | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=3),
    max_leaves=5,
)
OBJECT = st.dictionaries(NAME, JSON, max_size=3)
TIME = st.builds(
    "{}{}{}".format,
    st.datetimes(datetime.datetime(1971, 1, 1), datetime.datetime(2300, 1, 1)).map(
        lambda moment: moment.replace(microsecond=0).isoformat()
    ),
    st.sampled_from(["", ".5", ".118273", ".118273645"]),
    st.sampled_from(["Z", "-07:00", "+05:30"]),
)
IMAGE = st.binary(max_size=6) | st.binary(max_size=6).map(lambda b: base64.b64encode(b).decode())

# What a caller may give by mistake, or in another form than the usual one.
ODD = st.one_of(
    st.sampled_from(["", "7", "yes", "x", "1.5", b"x", 0, 1, 7, 3.0, 1.5, -1, True, False]),
    st.sampled_from([[], {}, (), ["a"], [1], {"a": 1}, object()]),
)

SEQUENCES = (collections.abc.Sequence, list)
MAPPINGS = (collections.abc.Mapping, dict)


def drawn(annotation):
    """A strategy for a field of the official classes."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated or type(annotation).__name__ == "_AnnotatedAlias":
        return drawn(arguments[0])
    if origin is typing.Union and ollama.Message in arguments:
        return fields_of(ollama.Message).map(without_images)
    if origin is typing.Union:
        return st.one_of(*[drawn(each) for each in arguments])
    if type(annotation).__name__ == "_LiteralGenericAlias":
        return st.sampled_from(arguments)
    if origin in SEQUENCES:
        return st.lists(drawn(arguments[0]), max_size=2)
    if origin in MAPPINGS:
        return st.dictionaries(drawn(arguments[0]), drawn(arguments[1]), max_size=2)
    if inspect.isclass(annotation) and issubclass(annotation, pydantic.BaseModel):
        return fields_of(annotation)
    return SIMPLE[annotation]


SIMPLE = {
    str: TEXT,
    int: INTEGER,
    float: NUMBER,
    bool: st.booleans(),
    bytes: st.binary(max_size=6),
    type(None): st.none(),
    typing.Any: JSON,
    datetime.datetime: TIME,
    pydantic.ByteSize: st.integers(0, 2**50),
}


# Only in the form that a server gives them.
PLAIN = (typing.Optional[datetime.datetime], typing.Optional[pydantic.ByteSize])


def without_images(fields):
    # A request keeps the dictionary that says where an image is; here it becomes an image.
    return {name: value for name, value in fields.items() if name != "images"}


def fields_of(model, odd=False):
    """A strategy for the keywords of a constructor."""
    if model is ollama.Image:
        return st.fixed_dictionaries({"value": IMAGE})
    required, optional = {}, {}
    for name, field in model.model_fields.items():
        strategy = st.deferred(lambda field=field: drawn(field.annotation))
        place = required if field.is_required() else optional
        place[field.alias or name] = (
            strategy | ODD if odd and field.annotation not in PLAIN else strategy
        )
    return st.fixed_dictionaries(required, optional=optional)


def models():
    found = {}

    def add(prefix, cls):
        found[prefix] = cls
        for name, inner in vars(cls).items():
            if inspect.isclass(inner) and issubclass(inner, pydantic.BaseModel):
                add(f"{prefix}.{name}", inner)

    base = official_types.SubscriptableBaseModel
    for name, cls in vars(official_types).items():
        if inspect.isclass(cls) and issubclass(cls, base) and not name.startswith(("Base", "Sub")):
            add(name, cls)
    found["CopyRequest"] = official_types.CopyRequest
    return found


MODELS = models()


def ours(name):
    found = ollamalite
    for part in name.split("."):
        found = getattr(found, part)
    return found


TOOL_CALL = st.fixed_dictionaries(
    {"function": st.fixed_dictionaries({"name": NAME, "arguments": OBJECT})},
    optional={"id": TEXT},
)
MESSAGE = st.fixed_dictionaries(
    {"role": NAME},
    optional={
        "content": st.none() | TEXT,
        "thinking": st.none() | TEXT,
        "images": st.none() | st.lists(IMAGE, max_size=2),
        "tool_calls": st.none() | st.lists(TOOL_CALL, max_size=2),
        "tool_name": st.none() | TEXT,
        "tool_call_id": TEXT,
    },
)


def as_object(fields):
    images = fields.get("images")
    if images is not None:
        fields = {**fields, "images": [Made("Image", {"value": image}) for image in images]}
    return Made("Message", fields)


MESSAGES = st.lists(MESSAGE | MESSAGE.map(as_object), max_size=3)
PROPERTY = st.fixed_dictionaries(
    {},
    optional={
        "type": NAME | st.lists(NAME, max_size=2),
        "description": st.none() | TEXT,
        "enum": st.lists(JSON, max_size=2),
        "items": OBJECT,
        "properties": OBJECT,
    },
)
TOOL = st.fixed_dictionaries(
    {},
    optional={
        "type": st.just("function"),
        "function": st.fixed_dictionaries(
            {},
            optional={
                "name": NAME,
                "description": TEXT,
                "strict": st.booleans(),
                "parameters": st.fixed_dictionaries(
                    {},
                    optional={
                        "type": st.just("object"),
                        "$defs": OBJECT,
                        "required": st.lists(NAME, max_size=2),
                        "properties": st.dictionaries(NAME, PROPERTY, max_size=2),
                        "additionalProperties": st.booleans(),
                    },
                ),
            },
        ),
    },
)
OPTIONS = OBJECT | fields_of(ollama.Options).map(lambda fields: Made("Options", fields))
KEEP_ALIVE = st.none() | TEXT | NUMBER | INTEGER
FORMAT = st.sampled_from([None, "", "json"]) | OBJECT
STREAM = st.booleans()
MODEL = st.text("abc:/", min_size=1, max_size=4)
QUESTION = st.one_of(
    *[
        fields_of(getattr(ollama, f"SystemOne{kind}Question")).map(
            lambda fields, kind=kind: Made(f"SystemOne{kind}Question", fields)
        )
        | fields_of(getattr(ollama, f"SystemOne{kind}Question")).map(
            lambda fields, kind=kind: {**fields, "type": kind.lower()}
        )
        for kind in ("Choice", "Noul", "Score")
    ]
)


def call(method, *positional, **optional):
    """A strategy for one call; trailing positional arguments may be left out or named."""
    return st.tuples(
        st.just(method),
        st.tuples(*positional),
        st.fixed_dictionaries({}, optional=optional),
    )


def odd(strategy):
    return st.one_of(strategy, strategy, strategy, ODD)


THINK = st.none() | st.booleans() | st.sampled_from(["low", "high", "max"])
CALLS = st.one_of(
    call(
        "chat",
        MODEL,
        MESSAGES,
        tools=st.none() | st.lists(TOOL | TOOL.map(lambda tool: Made("Tool", tool)), max_size=2),
        stream=STREAM,
        think=THINK,
        logprobs=odd(st.none() | st.booleans()),
        top_logprobs=odd(st.none() | INTEGER),
        format=FORMAT,
        options=st.none() | OPTIONS,
        keep_alive=odd(KEEP_ALIVE),
    ),
    call("chat"),
    call("chat", MODEL),
    call("chat", odd(MODEL), MESSAGES),
    call(
        "generate",
        MODEL,
        prompt=odd(st.none() | TEXT),
        suffix=odd(st.none() | TEXT),
        system=odd(st.none() | TEXT),
        template=odd(st.none() | TEXT),
        context=odd(st.none() | st.lists(INTEGER, max_size=3)),
        stream=STREAM,
        think=THINK,
        raw=odd(st.none() | st.booleans()),
        format=FORMAT,
        images=st.none() | st.lists(IMAGE, max_size=2),
        options=st.none() | OPTIONS,
        keep_alive=KEEP_ALIVE,
        width=odd(st.none() | INTEGER),
        steps=odd(st.none() | INTEGER),
        logprobs=st.booleans(),
        top_logprobs=INTEGER,
    ),
    call("generate", MODEL, TEXT, TEXT),
    call(
        "embed",
        MODEL,
        odd(TEXT | st.lists(TEXT, max_size=3)),
        odd(st.none() | st.booleans()),
        st.none() | OPTIONS,
        odd(KEEP_ALIVE),
        dimensions=odd(st.none() | INTEGER),
    ),
    call("embed", MODEL),
    call("embeddings", MODEL, odd(st.none() | TEXT), st.none() | OPTIONS, KEEP_ALIVE),
    call("embeddings", MODEL),
    call("systemone", MODEL, TEXT | OBJECT, st.dictionaries(NAME, QUESTION, max_size=2)),
    call("pull", MODEL, insecure=odd(st.booleans()), stream=STREAM),
    call("push", MODEL, insecure=odd(st.booleans()), stream=STREAM),
    call(
        "create",
        MODEL,
        quantize=odd(st.none() | TEXT),
        from_=odd(st.none() | TEXT),
        files=odd(st.none() | st.dictionaries(NAME, TEXT, max_size=2)),
        adapters=st.none() | st.dictionaries(NAME, TEXT, max_size=2),
        template=st.none() | TEXT,
        license=odd(st.none() | TEXT | st.lists(TEXT, max_size=2)),
        system=st.none() | TEXT,
        parameters=st.none() | OPTIONS,
        # The official client sends messages of `create` as they are, so these have nothing to lose.
        messages=st.none()
        | st.lists(st.fixed_dictionaries({"role": NAME, "content": TEXT}), max_size=2),
        stream=STREAM,
    ),
    call("copy", odd(MODEL), MODEL),
    call("delete", odd(MODEL)),
    call("show", odd(MODEL)),
    call("list"),
    call("ps"),
)

ANSWER_OF = {
    "chat": "ChatResponse",
    "generate": "GenerateResponse",
    "embed": "EmbedResponse",
    "embeddings": "EmbeddingsResponse",
    "systemone": "SystemOneResponse",
    "pull": "ProgressResponse",
    "push": "ProgressResponse",
    "create": "ProgressResponse",
    "show": "ShowResponse",
    "list": "ListResponse",
    "ps": "ProcessResponse",
    "copy": "StatusResponse",
    "delete": "StatusResponse",
}
"""The class of the answer of each method."""

MINIMAL = {
    "ChatResponse": {"message": {"role": "assistant"}},
    "EmbedResponse": {"embeddings": []},
    "EmbeddingsResponse": {"embedding": []},
    "SystemOneResponse": {
        "model": "m",
        "answers": {},
        "usage": {"input_tokens": 0, "output_tokens": 0},
    },
    "ShowResponse": {"model_info": {}},
    "ListResponse": {"models": []},
    "ProcessResponse": {"models": []},
}
ARGUMENTS = {
    "systemone": ("m", "s", {}),
    "copy": ("a", "b"),
    "list": (),
    "ps": (),
}
STREAMING = ("chat", "generate", "pull", "push", "create")


# -- how two of a kind are compared ----------------------------------------------------------------


def pruned(body, method):
    """What the official client leaves of a body that this one sent."""
    body = dict(body)
    if method == "chat":
        body["messages"] = [
            {
                key: [_only(c, function=("name", "arguments")) for c in value]
                if key == "tool_calls"
                else value
                for key, value in message.items()
                if value and key in ollama.Message.model_fields
            }
            for message in body["messages"]
        ]
        body["tools"] = [_pruned_tool(tool) for tool in body["tools"]]
    return body


def _only(value, **inner):
    return {key: {k: value[key][k] for k in names} for key, names in inner.items()}


def _pruned_tool(tool):
    tool = {key: value for key, value in tool.items() if key in ("type", "function")}
    if "function" in tool:
        tool["function"] = function = {
            key: value
            for key, value in tool["function"].items()
            if key in ("name", "description", "parameters")
        }
        if "parameters" in function:
            kept = ("type", "$defs", "items", "required", "properties")
            function["parameters"] = {k: v for k, v in function["parameters"].items() if k in kept}
            if "properties" in function["parameters"]:
                function["parameters"]["properties"] = {
                    name: {
                        key: value
                        for key, value in prop.items()
                        if key in ("type", "items", "description", "enum")
                    }
                    for name, prop in function["parameters"]["properties"].items()
                }
    return tool


HEADERS = ("content-type", "accept", "authorization", "content-length", "transfer-encoding")


def compare_requests(official, our, method):
    assert len(official) == len(our)
    for theirs, mine in zip(official, our):
        assert (theirs.method, theirs.target) == (mine.method, mine.target)
        for name in HEADERS[:3]:
            assert theirs.get(name) == mine.get(name)
        if not theirs.body:
            assert not mine.body
            continue
        expected, sent = json.loads(theirs.body), json.loads(mine.body)
        if expected != sent:
            sent = pruned(sent, method)
            known("what is given is sent")
        assert sent == expected


def compare(official, our):
    """Compare a value of the official package with ours, all that can be asked of it."""
    if isinstance(official, ollama.Image):
        assert official.value == our.value
        assert official.model_dump() == our.model_dump()
    elif isinstance(official, pydantic.BaseModel):
        assert type(official).__name__ == type(our).__name__
        for name in type(official).model_fields:
            compare(getattr(official, name), getattr(our, name))
            if not isinstance(official, official_types.SubscriptableBaseModel):
                continue
            assert (name in official) == (name in our), name
            compare(official.get(name, "?"), our.get(name, "?"))
            if name in official:
                compare(official[name], our[name])
            else:
                with pytest.raises(KeyError, match=name):
                    our[name]
        names = set(type(official).model_fields)
        if isinstance(official, official_types.SubscriptableBaseModel):
            for name in set(our.model_fields) - names - our.model_fields_set:
                assert official.get(name, "?") == our.get(name, "?") == "?"
        assert {name for name, _ in official} == {name for name, _ in our} & names
        assert set(dict(official)) == set(dict(our)) & names
        if set(dict(our)) - names:
            known("an answer has all that the server sent")
        assert official.model_fields_set == our.model_fields_set & names
    elif isinstance(official, datetime.datetime):
        assert official == our
        assert official.utcoffset() == our.utcoffset()
    elif isinstance(official, collections.abc.Mapping):
        assert isinstance(our, collections.abc.Mapping)
        is_record = hasattr(our, "model_fields")
        assert is_record or set(official) == set(our)
        for key in official:
            compare(official[key], our.get(key) if is_record else our[key])
    elif isinstance(official, (list, tuple)):
        assert len(official) == len(our)
        for theirs, mine in zip(official, our):
            compare(theirs, mine)
    else:
        assert official == our
        assert isinstance(our, bool) == isinstance(official, bool)


DUMPS = [
    {},
    {"mode": "json"},
    {"exclude_none": True},
    {"exclude_unset": True},
    {"exclude_defaults": True},
    {"by_alias": True, "mode": "json"},
]


def compare_dumps(official, our):
    for options in DUMPS:
        theirs, mine = outcome(official.model_dump, **options), outcome(our.model_dump, **options)
        if isinstance(theirs, ValueError):
            assert isinstance(mine, ValueError), mine
        if isinstance(theirs, Exception):
            continue
        compare_dump(official, theirs, mine)
        if options.pop("mode", None):
            assert json.loads(our.model_dump_json(**options)) == mine
            options["mode"] = "json"


def compare_dump(official, theirs, mine):
    if isinstance(official, ollama.Image):
        assert theirs == mine
    elif isinstance(official, pydantic.BaseModel):
        fields = type(official).model_fields
        by_key = {field.alias or name: name for name, field in fields.items()}
        by_key.update({name: name for name in fields}, **{"from": "from_", "$defs": "defs"})
        assert set(theirs) - {"$defs"} <= set(mine) | {"defs"}
        assert not {key for key in set(mine) - set(theirs) if key in fields} - {"defs"}
        for key in theirs:
            if key in mine:
                compare_dump(getattr(official, by_key[key]), theirs[key], mine[key])
    elif isinstance(official, datetime.datetime) and isinstance(theirs, str):
        if theirs != mine:
            known("a time keeps its digits")
            parsed = datetime.datetime.fromisoformat(theirs.replace("Z", "+00:00"))
            assert parsed == official
    elif isinstance(theirs, dict):
        assert isinstance(mine, dict)
        for key in theirs:
            if theirs[key] is None and key not in mine:
                continue  # a message of a request
            inner = official[key] if isinstance(official, collections.abc.Mapping) else None
            compare_dump(inner, theirs[key], mine[key])
    elif isinstance(theirs, (list, tuple)):
        assert len(theirs) == len(mine)
        for index, item in enumerate(theirs):
            compare_dump(official[index] if official else None, item, mine[index])
    else:
        assert theirs == mine


def outcome(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except Exception as error:
        return error


def compare_errors(theirs, mine):
    if isinstance(theirs, ollama.ResponseError):
        assert isinstance(mine, ollamalite.ResponseError)
        assert type(theirs).__name__ == type(mine).__name__
        assert (theirs.error, theirs.status_code) == (mine.error, mine.status_code)
        assert str(theirs) == str(mine)
        assert theirs.args == mine.args
    elif isinstance(theirs, ValueError):
        # A pydantic.ValidationError or another ValueError, before anything was sent.
        assert isinstance(mine, ValueError), repr(mine)
    else:
        assert isinstance(mine, (type(theirs), ValueError)), (theirs, mine)


# -- the comparisons -------------------------------------------------------------------------------


@settings(EXAMPLES, max_examples=1000)
@given(CALLS)
def test_the_same_call_sends_the_same_request(pair, drawn_call):
    method, args, kwargs = drawn_call
    answer = MINIMAL.get(ANSWER_OF[method], {})
    pair.answers(json.dumps(answer).encode())
    for asynchronous in (False, True):
        FIGURES["examples"] += 1
        theirs = pair.ask(ollama, asynchronous, method, *args, **kwargs)
        mine = pair.ask(ollamalite, asynchronous, method, *args, **kwargs)
        if theirs[2] is not None or mine[2] is not None:
            compare_errors(theirs[2], mine[2])
        compare_requests(theirs[0], mine[0], method)


class OwnMessage(pydantic.BaseModel):
    """A message of the caller, as in the handler of a web framework."""

    role: str
    content: str
    at: datetime.datetime = datetime.datetime(2026, 1, 1)


@pytest.mark.parametrize(
    "message",
    [
        OwnMessage(role="user", content="x"),
        [("role", "user"), ("content", "x")],
        collections.UserDict(role="user", content="x"),
        ("user", "x"),
        "user",
        ["ro", "le"],
        b"",
        [],
        None,
        ollama.Message,
    ],
)
def test_the_same_object_as_a_message_is_sent_as_the_same_or_refused(pair, message):
    pair.answers(json.dumps(MINIMAL["ChatResponse"]).encode())
    for asynchronous in (False, True):
        theirs, mine = (
            pair.ask(package, asynchronous, "chat", "m", [message]) for package in PACKAGES
        )
        assert (theirs[2] is None) == (mine[2] is None)
        assert [json.loads(each.body) for each in mine[0]] == [
            json.loads(each.body) for each in theirs[0]
        ]
        assert isinstance(mine[2], (ValueError, type(None)))


@EXAMPLES
@given(st.data())
@pytest.mark.parametrize("method", sorted(ANSWER_OF))
def test_the_same_answer_gives_the_same_result(pair, method, data):
    name = ANSWER_OF[method]
    answers = st.fixed_dictionaries({}) if name == "StatusResponse" else fields_of(MODELS[name])
    extra = st.dictionaries(st.sampled_from(["zzz", "remote_host"]), TEXT, max_size=1)
    stream = method in STREAMING and data.draw(st.booleans())
    if stream:
        lines = data.draw(st.lists(st.builds(lambda a, b: {**b, **a}, answers, extra), max_size=3))
        body = b"".join(json.dumps(wire(line)).encode() + b"\n" for line in lines)
    else:
        body = json.dumps(wire({**data.draw(extra), **data.draw(answers)})).encode()
    if name == "StatusResponse":
        body = b""
    pair.answers(body, kind="application/x-ndjson" if stream else "application/json")
    kwargs = {"stream": True} if stream else {}
    for asynchronous in (False, True):
        FIGURES["examples"] += 1
        args = ARGUMENTS.get(method, ("m",))
        _, theirs, error = pair.ask(ollama, asynchronous, method, *args, **kwargs)
        _, mine, my_error = pair.ask(ollamalite, asynchronous, method, *args, **kwargs)
        if isinstance(error, pydantic.ValidationError):
            # Images in an answer: a string, which the official class does not take.
            assert my_error is None
            known("answers are not checked")
            continue
        assert (error, my_error) == (None, None)
        for one, other in zip(theirs, mine) if stream else [(theirs, mine)]:
            compare(one, other)
            compare_dumps(one, other)
            if method != "copy" and method != "delete" and not stream:
                assert json.loads(json.dumps(other)) == json.loads(body)


def wire(value):
    """An answer as a server sends it."""
    if isinstance(value, dict):
        # Nothing that a server sends has images.
        return {key: wire(item) for key, item in value.items() if key != "images"}
    if isinstance(value, list):
        return [wire(item) for item in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


BODIES = st.one_of(
    st.fixed_dictionaries({"error": TEXT.filter(bool)}).map(json.dumps),
    st.fixed_dictionaries({"error": TEXT.filter(bool), "signin_url": TEXT}).map(json.dumps),
    st.text("abc <>&\n", min_size=1).filter(lambda text: text == text.strip() and text),
)


@EXAMPLES
@given(
    st.sampled_from(sorted(ANSWER_OF)),
    BODIES,
    st.sampled_from([300, 304, 400, 401, 404, 418, 429, 500, 502, 503]),
    st.booleans(),
)
def test_the_same_error_of_a_server_is_the_same_exception(pair, method, body, status, stream):
    kwargs = {"stream": True} if stream and method in STREAMING else {}
    pair.answers(b"" if status == 304 else body.encode(), status, "text/plain")
    if status == 304:
        return  # has no body
    for asynchronous in (False, True):
        FIGURES["examples"] += 1
        args = ARGUMENTS.get(method, ("m",))
        _, _, theirs = pair.ask(ollama, asynchronous, method, *args, **kwargs)
        _, _, mine = pair.ask(ollamalite, asynchronous, method, *args, **kwargs)
        assert theirs is not None
        compare_errors(theirs, mine)


@EXAMPLES
@given(
    st.sampled_from(STREAMING),
    st.lists(st.just({}), max_size=2),
    TEXT.filter(lambda text: text and text[0] not in '{"[' and not text.isdigit()),
)
def test_the_same_error_in_a_stream_comes_after_the_same_pieces(pair, method, pieces, text):
    lines = [MINIMAL.get(ANSWER_OF[method], {}) for _ in pieces] + [{"error": text}]
    pair.answers("".join(json.dumps(line) + "\n" for line in lines).encode())
    for asynchronous in (False, True):
        FIGURES["examples"] += 1
        _, got, theirs = pair.ask(ollama, asynchronous, method, "m", stream=True)
        _, ours_got, mine = pair.ask(ollamalite, asynchronous, method, "m", stream=True)
        assert len(got) == len(ours_got) == len(pieces)
        if not isinstance(theirs, ollama.ResponseError):
            assert isinstance(mine, ollamalite.ResponseError)
            known("every error is a ResponseError")
            continue
        compare_errors(theirs, mine)


@settings(EXAMPLES, max_examples=25)
@given(st.data())
@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_same_fields_make_the_same_object(name, data):
    model, mine = MODELS[name], ours(name)
    fields = data.draw(fields_of(model))
    FIGURES["examples"] += 1
    try:
        official = model(**fields)
    except ValueError:
        if not isinstance(outcome(mine, **fields), ValueError):
            known("some more forms are taken")
        return
    our = mine(**fields)
    compare(official, our)
    compare_dumps(official, our)
    again = mine.model_validate(fields)
    assert again == our
    assert (model(**fields) == official) is (mine(**fields) == our) is True
    copy = our.model_copy(update={"zzz": 1})
    assert copy != our
    text = outcome(official.model_dump_json, by_alias=True)
    read = text if isinstance(text, Exception) else outcome(model.model_validate_json, text)
    if not isinstance(read, Exception) and name != "CreateRequest":  # which renames a field
        compare(read, mine.model_validate_json(text))


@settings(EXAMPLES, max_examples=30)
@given(st.data())
@pytest.mark.parametrize("name", sorted(set(MODELS) - {"Tool.Function.Parameters.Property"}))
def test_odd_values_are_taken_or_refused_alike(name, data):
    model, mine = MODELS[name], ours(name)
    fields = data.draw(fields_of(model, odd=True))
    FIGURES["examples"] += 1
    official, our = outcome(lambda: model(**fields)), outcome(lambda: mine(**fields))
    if isinstance(official, Exception):
        if not isinstance(our, Exception):
            known("some more forms are taken")
        else:
            assert isinstance(our, ValueError), our
    else:
        assert not isinstance(our, Exception), (fields, our)
        compare(official, our)


@EXAMPLES
@given(st.data(), st.sampled_from(sorted(MODELS)))
def test_assigning_by_attribute_and_by_item_is_the_same(data, name):
    model, mine = MODELS[name], ours(name)
    fields = data.draw(fields_of(model))
    official, our = outcome(lambda: model(**fields)), outcome(lambda: mine(**fields))
    if isinstance(official, Exception):
        return
    FIGURES["examples"] += 1
    target = data.draw(st.sampled_from(sorted(model.model_fields)))
    if issubclass(model, official_types.SubscriptableBaseModel) and data.draw(st.booleans()):
        official[target] = our[target] = None
    else:
        setattr(official, target, None)
        setattr(our, target, None)
    assert getattr(official, target) == getattr(our, target)
    assert official.model_fields_set <= our.model_fields_set
    for each in (official, our):
        with pytest.raises(ValueError, match='object has no field "zzz"'):
            each.zzz = 1


def choice_of(*names):
    """A strategy for what `include` and `exclude` take, down to members of elements."""
    inner = st.sets(st.sampled_from(["model", "size", "details", "__all__"]), max_size=2)
    inner |= st.dictionaries(
        st.sampled_from(["model", "size", "details", "__all__"]),
        st.sampled_from([True, ..., {"family"}, {"format": True}]),
        max_size=2,
    )
    elements = st.sets(st.sampled_from([0, 1, 5, "__all__"]), max_size=2) | st.dictionaries(
        st.sampled_from([0, 1, 5, "__all__"]), st.sampled_from([True, ...]) | inner, max_size=3
    )
    return (
        st.none()
        | st.sets(st.sampled_from(names), max_size=2)
        | st.dictionaries(st.sampled_from(names), st.sampled_from([True, ...]) | elements)
    )


@EXAMPLES
@given(choice_of("models", "zzz", "__all__"), choice_of("models", "zzz"))
def test_the_same_choices_leave_the_same_dump(include, exclude):
    FIGURES["examples"] += 1
    fields = {
        "models": [
            {"model": "a", "size": 1, "details": {"family": "f", "format": "g"}},
            {"model": "b", "size": 2},
        ]
    }
    official, our = (package.ListResponse(**fields) for package in PACKAGES)
    choices = {"include": include, "exclude": exclude, "exclude_none": True}
    assert our.model_dump(**choices) == official.model_dump(**choices)
    assert our.model_dump_json(**choices) == official.model_dump_json(**choices)


PARAMETER = st.text("abcxyz", min_size=1, max_size=4)  # pydantic drops those with an underscore
HINTS = st.sampled_from([str, int, float, bool, None])


@EXAMPLES
@given(
    NAME,
    st.dictionaries(
        PARAMETER, st.tuples(HINTS, st.none() | st.text("abc .", max_size=9)), max_size=4
    ),
    st.text("abc .\n", max_size=20),
    st.booleans(),
)
def test_a_function_of_simple_parameters_becomes_the_same_tool(name, parameters, text, documented):
    signature = ", ".join(
        parameter if hint is None else f"{parameter}: {hint.__name__}"
        for parameter, (hint, _) in parameters.items()
    )
    documentation = [text.strip().replace("\n", " "), "", "Args:"]
    for parameter, (_, said) in parameters.items():
        if said is not None:
            documentation.append(f"    {parameter}: {said.strip()}")
    documentation += ["", "Returns:", "    nothing"]
    scope = {}
    exec(f"def {name}({signature}): pass", scope)
    function = scope[name]
    function.__doc__ = "\n".join(documentation) if documented else None
    FIGURES["examples"] += 1
    official = official_utils.convert_function_to_tool(function)
    our = tools.convert_function_to_tool(function)
    theirs, mine = official.model_dump(exclude_none=True), our.model_dump(exclude_none=True)
    for tool in (theirs, mine):
        function = tool["function"]
        function["description"] = function["description"].strip()
        function["parameters"].setdefault("required", [])
        function["parameters"].setdefault("properties", {})
    assert mine == theirs


@EXAMPLES
@given(
    st.lists(
        st.sampled_from(
            [
                "Args:",
                "args: x",
                "Returns:",
                "Yields: a",
                "  a: b",
                "  b (int): c",
                "",
                "x",
                "c(",
                ":",
            ]
        )
        | st.text("ab :()", max_size=8),
        max_size=8,
    )
)
def test_a_docstring_is_taken_apart_in_the_same_way(lines):
    FIGURES["examples"] += 1
    text = "\n".join(lines)
    assert compat._parse_docstring(text) == official_utils._parse_docstring(text)
    assert compat._parse_docstring(None) == official_utils._parse_docstring(None)


HOSTS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "http://", "https://"]),
    st.sampled_from(["", "1.2.3.4", "example.com", "LOCALHOST", "[::1]", "[0001:002:003:0004::1]"]),
    st.sampled_from(["", ":", ":0", ":5", ":56789", ":99999", ":abc"]),
    st.sampled_from(["", "/", "/path", "/path/", "/a/b//", "?x=1", "#f"]),
)


@EXAMPLES
@given(HOSTS)
def test_a_host_means_the_same_address(host):
    FIGURES["examples"] += 1
    theirs, mine = (
        outcome(lambda: official_client._parse_host(host)),
        outcome(lambda: parse_host(host)),
    )
    if isinstance(theirs, Exception):
        assert isinstance(mine, type(theirs))
    elif theirs != mine:
        assert host in ("http://", "https://"), (theirs, mine)
        known("a host may be written in more ways")


@EXAMPLES
@given(
    st.dictionaries(st.sampled_from(["X-A", "x-b", "Authorization"]), st.text("abc", min_size=1)),
    st.none() | st.just("key"),
)
def test_a_client_is_configured_with_the_same_headers(pair, headers, key):
    with pytest.MonkeyPatch.context() as patch:
        if key:
            patch.setenv("OLLAMA_API_KEY", key)
        pair.answers(b'{"models":[]}')
        FIGURES["examples"] += 1
        received = []
        for package in PACKAGES:
            with package.Client(pair.server.url, headers=headers) as client:
                client.list()
                received.append(str(client._client.base_url))
                received.append(pair.server.requests[-1])
                read = {name: client._client.headers.get(name) for name in (*headers, "X-Q")}
                received.append(read)
    theirs, mine = received[:3], received[3:]
    assert theirs[::2] == mine[::2]
    for name in (*headers, "authorization", "content-type", "accept"):
        assert theirs[1].all(name) == mine[1].all(name)


# -- the table -------------------------------------------------------------------------------------


def shows_what_is_given(pair):
    pair.answers(b'{"message":{"role":"assistant"}}')
    call = {"id": "c", "function": {"name": "f", "arguments": {}, "index": 0}}
    message = {"role": "assistant", "content": "", "tool_calls": [call], "colour": "blue"}
    (theirs, *_), (mine, *_) = pair.both("chat", "m", [message])
    assert json.loads(mine[0].body)["messages"] == [message]
    kept = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}
    assert json.loads(theirs[0].body)["messages"] == [kept]


def shows_text_arguments(pair):
    pair.answers(b'{"message":{"role":"assistant"}}')
    call = {"function": {"name": "f", "arguments": '{"a":1}'}}
    message = {"role": "assistant", "tool_calls": [call]}
    (_, _, theirs), (mine, _, _) = pair.both("chat", "m", [message])
    assert isinstance(theirs, pydantic.ValidationError)
    (sent,) = json.loads(mine[0].body)["messages"]
    assert sent["tool_calls"][0]["function"]["arguments"] == {"a": 1}
    pair.answers(json.dumps({"message": message}).encode())
    (_, _, theirs), (_, mine, _) = pair.both("chat", "m")
    assert isinstance(theirs, pydantic.ValidationError)
    assert mine.message.tool_calls[0].function.arguments == {"a": 1}


def shows_whole_answers(pair):
    pair.answers(b'{"models":[{"name":"a:latest","model":"a:latest","zzz":1}]}')
    (_, theirs, _), (_, mine, _) = pair.both("list")
    assert mine["models"][0]["name"] == "a:latest"
    assert mine.models[0].zzz == 1
    assert "zzz" in mine.models[0].model_dump()
    assert "zzz" not in dataclasses.asdict(mine.models[0])
    assert not hasattr(theirs.models[0], "zzz")
    with pytest.raises(KeyError):
        theirs["models"][0]["name"]


def shows_added_fields(pair):
    theirs, mine = (p.Message.ToolCall(function={"name": "f", "arguments": {}}) for p in PACKAGES)
    assert theirs.get("id", "?") == mine.get("id", "?") == "?"
    assert not hasattr(theirs, "id")
    assert mine.id is None


def shows_slots(pair):
    theirs, mine = (package.Message(role="u") for package in PACKAGES)
    assert vars(theirs) == {name: vars(mine)[name] for name in vars(theirs)}
    assert vars(theirs) is vars(theirs)
    assert vars(mine) is not vars(mine)
    weakref.ref(theirs)
    with pytest.raises(TypeError, match="cannot create weak reference"):
        weakref.ref(mine)
    for message in (theirs, mine):
        message._trace = 1
        assert message._trace == vars(message)["_trace"] == 1
        assert "_trace" not in dict(message)


def shows_keywords(pair):
    for keywords in (
        {"warnings": "none", "round_trip": True, "context": {}, "serialize_as_any": True},
        {"by_alias": None},
    ):
        theirs, mine = (p.StatusResponse(status="x").model_dump(**keywords) for p in PACKAGES)
        assert theirs == mine == {"status": "x"}
    for keywords in ({"strict": True}, {"extra": "forbid"}, {"from_attributes": True}):
        assert ollama.StatusResponse.model_validate({"status": "x"}, **keywords)
        with pytest.raises(ollamalite.RequestError, match="is not supported"):
            ollamalite.StatusResponse.model_validate({"status": "x"}, **keywords)


def shows_json(pair):
    assert json.dumps(ollamalite.Message(role="user")) == '{"role": "user"}'
    tool = ollamalite.Tool.Function.Parameters.Property(type="array", items={"type": "string"})
    assert json.dumps(tool) == '{"type": "array", "items": {"type": "string"}}'
    assert tool.items == {"type": "string"}
    assert {**ollamalite.Message(role="user")}["role"] == "user"
    shown = {"role": "user", "images": [{"value": b"abc"}]}
    for message in (
        ollama.Message(role="user"),
        ollama.Message(**shown),
        ollamalite.Message(**shown),
    ):
        with pytest.raises(TypeError, match="not JSON serializable"):
            json.dumps(message)
        assert json.loads(message.model_dump_json())["role"] == "user"


def shows_lenient_answers(pair):
    pair.answers(b'{"capabilities":["completion"]}')
    (_, _, theirs), (_, mine, _) = pair.both("show", "m")
    assert isinstance(theirs, pydantic.ValidationError)
    assert mine.capabilities == ["completion"]
    assert mine.modelinfo is None


def shows_errors(pair):
    for body, status in (
        (b'{"error":"no"}', 200),
        (b"[]", 404),
        (b'{"error":{"message":"no"}}', 400),
    ):
        pair.answers(body, status)
        (_, _, theirs), (_, _, mine) = pair.both("chat", "m")
        assert isinstance(mine, ollamalite.ResponseError)
        assert isinstance(mine.error, str)
        assert not isinstance(theirs, ollama.ResponseError) or theirs.error == {"message": "no"}


def shows_empty_errors(pair):
    pair.answers(b"", 503)
    (_, _, theirs), (_, _, mine) = pair.both("list")
    assert (theirs.error, mine.error) == ("", "Bad")


def shows_blank_lines(pair):
    pair.answers(b'{"status":"a"}\n\n{"status":"b"}\n')
    (_, _, theirs), (_, mine, error) = pair.both("pull", "m", stream=True)
    assert isinstance(theirs, json.JSONDecodeError)
    assert [piece.status for piece in mine] == ["a", "b"]
    assert error is None


def shows_cut_answers(pair):
    def cut(peer):
        peer.receive()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n", b'{"status":"a"}\n')

    with serve(cut) as server:
        with ollama.Client(server.url) as client:
            assert len(list(client.pull("m", stream=True))) == 1
        with ollamalite.Client(server.url) as client:
            with pytest.raises(ollamalite.IncompleteError):
                list(client.pull("m", stream=True))


def shows_refused_connections(pair):
    nowhere = "127.0.0.1:1"
    text = official_client.CONNECTION_ERROR_MESSAGE
    with ollama.Client(nowhere) as client:
        with pytest.raises(ConnectionError, match=f"^{text}$"):
            client.list()
        with pytest.raises(httpx.ConnectError):
            list(client.pull("m", stream=True))
    with ollamalite.Client(nowhere) as client:
        for ask in (client.list, lambda: client.pull("m", stream=True)):
            with pytest.raises(ConnectionError, match=f"^{text}.*http://127.0.0.1:1/") as caught:
                ask()
            assert isinstance(caught.value, httpx.ConnectError)


def shows_early_requests(pair):
    pair.answers(b'{"error":"no"}', 404)
    count = len(pair.server.requests)
    pair.clients[ollama, False].chat("m", stream=True)
    assert len(pair.server.requests) == count
    with pytest.raises(ollamalite.ResponseError):
        pair.clients[ollamalite, False].chat("m", stream=True)
    assert len(pair.server.requests) == count + 1


def shows_digits_of_times(pair):
    fields = {"modified_at": "2026-08-20T09:12:44.118273645-07:00"}
    theirs, mine = (package.ListResponse.Model(**fields) for package in PACKAGES)
    assert theirs.modified_at == mine.modified_at
    assert mine.model_dump(mode="json")["modified_at"] == fields["modified_at"]
    assert theirs.model_dump(mode="json")["modified_at"] == "2026-08-20T09:12:44.118273-07:00"


def shows_refused_arguments(pair):
    (_, _, theirs), (_, _, mine) = pair.both("chat", "m", [{"content": "x"}])
    assert isinstance(theirs, pydantic.ValidationError)
    assert isinstance(mine, ollamalite.RequestError)
    assert isinstance(theirs, ValueError)
    assert isinstance(mine, ValueError)
    assert str(mine) == "chat.messages[0].role: required, but not given"


def shows_more_forms(pair):
    with pytest.raises(pydantic.ValidationError):
        ollama.Message(role="user", images=["YWJj"])
    assert ollamalite.Message(role="user", images=["YWJj"]).images[0].base64() == "YWJj"
    message = [("role", "user")]
    with pytest.raises(pydantic.ValidationError):
        ollama.Message.model_validate(message)
    assert ollamalite.Message.model_validate(message).role == "user"
    pair.answers()
    image = "data:image/png;base64,YWJj"
    (_, _, theirs), (mine, _, _) = pair.both("generate", "m", images=[image], format=list)
    assert isinstance(theirs, ValueError)
    assert json.loads(mine[0].body)["images"] == ["YWJj"]
    assert json.loads(mine[0].body)["format"]["type"] == "array"


def shows_checked_messages(pair):
    pair.answers()
    (theirs, _, _), (mine, _, error) = pair.both("create", "m", messages=[{"content": "x"}])
    assert json.loads(theirs[0].body)["messages"] == [{"content": "x"}]
    assert not mine
    assert str(error) == "create.messages[0].role: required, but not given"


def shows_plain_times(pair):
    assert ollama.ListResponse.Model(modified_at=0, size="2KB").size == 2000
    with pytest.raises(ollamalite.RequestError, match="modified_at: expected a time, got int 0"):
        ollamalite.ListResponse.Model(modified_at=0)
    with pytest.raises(ollamalite.RequestError, match="size: expected an integer, got str '2KB'"):
        ollamalite.ListResponse.Model(size="2KB")


def shows_more_hosts(pair):
    assert official_client._parse_host("0.0.0.0") == "http://0.0.0.0:11434"
    assert parse_host("0.0.0.0") == "http://127.0.0.1:11434"
    assert parse_host("unix:///run/ollama.sock").startswith("unix://")


def shows_headers(pair):
    pair.answers(b'{"models":[]}')
    for package, agent in ((ollama, "ollama-python/0.6.3 ("), (ollamalite, "mine")):
        with package.Client(pair.server.url, headers={"User-Agent": "mine"}) as client:
            client.list()
        assert pair.server.requests[-1].get("user-agent").startswith(agent)


def shows_key_check(pair):
    theirs = inspect.getsource(ollama.AsyncClient.web_search)
    assert "Bearer" not in theirs
    for asynchronous in (False, True):
        for method in ("web_search", "web_fetch"):
            _, _, error = pair.ask(ollamalite, asynchronous, method, "x")
            _, _, same = pair.ask(ollama, False, method, "x")
            assert str(error) == str(same)
            assert isinstance(error, ValueError)


def shows_representation(pair):
    theirs, mine = (repr(package.StatusResponse()) for package in PACKAGES)
    assert (theirs, mine) == ("StatusResponse(status=None)", "StatusResponse()")


def shows_flat_classes(pair):
    assert issubclass(ollama.ProgressResponse, ollama.StatusResponse)
    assert not issubclass(ollamalite.ProgressResponse, ollamalite.StatusResponse)
    step = ollama.ProgressResponse(status="x")
    assert ollama.StatusResponse.model_validate(step) is step
    with pytest.raises(ollamalite.RequestError, match="expected StatusResponse, got Progress"):
        ollamalite.StatusResponse.model_validate(ollamalite.ProgressResponse(status="x"))


def shows_fields_of_derived_classes(pair):
    def derived(base):
        class Derived(base):
            count: int = 0
            tags: typing.List[str] = []

        return Derived(role="user", count="7")

    theirs, mine = derived(ollama.Message), derived(ollamalite.Message)
    assert (theirs.count, mine.count) == (7, "7")
    assert theirs.model_fields_set | {"tags"} == mine.model_fields_set


def shows_httpx_keywords(pair):
    ollama.Client(transport=httpx.HTTPTransport()).close()
    with pytest.raises(ollamalite.RequestError, match="transport= is not supported: host='unix:"):
        ollamalite.Client(transport=httpx.HTTPTransport())


def shows_schemas(pair):
    def paint(colour: "typing.Literal['red', 'blue']", times: typing.List[int] = []):  # noqa: B006
        pass

    paint.__annotations__["colour"] = typing.Literal["red", "blue"]
    theirs = official_utils.convert_function_to_tool(paint).model_dump(exclude_none=True)
    mine = tools.convert_function_to_tool(paint).model_dump(exclude_none=True)
    assert "enum" not in theirs["function"]["parameters"]["properties"]["colour"]
    properties = mine["function"]["parameters"]["properties"]
    assert properties["colour"]["enum"] == ["red", "blue"]
    assert properties["times"]["items"] == {"type": "integer"}
    assert mine["function"]["parameters"]["required"] == ["colour"]


def shows_proxies(pair):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        pair.answers(b'{"models":[]}')
        with ollamalite.Client(pair.server.url) as client:
            assert client.list().models == []
        with ollama.Client(pair.server.url) as client, pytest.raises(ConnectionError):
            client.list()


def shows_streams(pair):
    pair.answers(b'{"message":{"role":"assistant"},"done":true}\n')
    theirs, ours = (pair.clients[package, False].chat("m", stream=True) for package in PACKAGES)
    assert (inspect.isgenerator(theirs), inspect.isgenerator(ours)) == (True, False)
    for stream in (theirs, ours):
        assert isinstance(stream, collections.abc.Generator)
        assert all(hasattr(stream, name) for name in ("send", "throw", "close"))
        stream.close()


KNOWN = [
    Known(
        "what is given is sent",
        "The official client drops empty values of messages, the ids of tool calls, and members of"
        " messages and tools that it does not know.",
        shows_what_is_given,
    ),
    Known(
        "text arguments of a tool call are parsed",
        "Histories of other libraries hold the arguments as JSON text, which the server refuses."
        " Some servers answer so.",
        shows_text_arguments,
    ),
    Known(
        "an answer has all that the server sent",
        "Members that the client does not know, or that its classes do not declare, are kept.",
        shows_whole_answers,
    ),
    Known(
        "classes declare all fields of the server",
        "One that the official class lacks is None as an attribute where it is absent; `get` and"
        " `in` treat it as not there.",
        shows_added_fields,
    ),
    Known(
        "objects have no dictionary of attributes and no weak references",
        "They are the JSON object itself, and each line of a stream would pay for more; `vars`"
        " makes a dictionary when it is asked.",
        shows_slots,
    ),
    Known(
        "keywords of pydantic that cannot be obeyed are refused",
        "There is no strict mode, and what a class does not declare is always kept.",
        shows_keywords,
    ),
    Known(
        "an answer can be written as JSON",
        "It is a dictionary, and so is a message, but an image in one is not. So that this holds"
        " for tools, too, their attribute `items` can be called; without a value it equals None,"
        " but is not the object None.",
        shows_json,
    ),
    Known(
        "answers are not checked",
        "A server that leaves out a member, or sends one of another type, can still be used.",
        shows_lenient_answers,
    ),
    Known(
        "every error is a ResponseError",
        "Whatever the form of the body, and with status 200 as well; `error` is always text.",
        shows_errors,
    ),
    Known(
        "an empty error says the status",
        "An empty text helps nobody.",
        shows_empty_errors,
    ),
    Known(
        "blank lines in a stream are skipped",
        "Proxies send them to keep a connection open.",
        shows_blank_lines,
    ),
    Known(
        "an answer that is cut short is an error",
        "It must not be taken for a whole one.",
        shows_cut_answers,
    ),
    Known(
        "a refused connection is the same exception everywhere",
        "Its text begins like the official one and goes on with the URL and the reason; it is also"
        " an httpx.ConnectError where httpx is loaded, as in official streams.",
        shows_refused_connections,
    ),
    Known(
        "a stream sends its request when it is called",
        "So that a missing model is an error of the call and not of the loop.",
        shows_early_requests,
    ),
    Known(
        "a stream is a generator by its methods only",
        "It can be hung up on from other threads, and is a context manager.",
        shows_streams,
    ),
    Known(
        "a time keeps its digits",
        "A datetime has microseconds; a dump in JSON mode has the nanoseconds that came.",
        shows_digits_of_times,
    ),
    Known(
        "a wrong argument is a RequestError",
        "It is a ValueError, as pydantic's ValidationError is, and names the place.",
        shows_refused_arguments,
    ),
    Known(
        "some more forms are taken",
        "Images as plain values, data URLs, files; classes as formats; what `dict` takes,"
        " as options and tools and within a message, and not as a message alone.",
        shows_more_forms,
    ),
    Known(
        "a time is a datetime or its text, a size a number",
        "Numbers of seconds and texts with units come from no server.",
        shows_plain_times,
    ),
    Known(
        "messages of `create` are checked like those of `chat`",
        "The official client sends mappings unread.",
        shows_checked_messages,
    ),
    Known(
        "a host may be written in more ways",
        "Bind addresses become ones to connect to; sockets and credentials are understood.",
        shows_more_hosts,
    ),
    Known(
        "the caller's headers win",
        "The official client overwrites User-Agent, Accept and Content-Type. Its own User-Agent is"
        " its own.",
        shows_headers,
    ),
    Known(
        "both clients check for a key before a web search",
        "The official async client sends the request, which can only fail.",
        shows_key_check,
    ),
    Known(
        "a representation shows what was given",
        "Members that are absent say nothing.",
        shows_representation,
    ),
    Known(
        "classes have their own fields, in the order of the wire",
        "Those of the official ones that derive from each other do not here.",
        shows_flat_classes,
    ),
    Known(
        "fields that a caller's class adds are not checked",
        "Their types are known to pydantic alone, as are its validators; a default that can be"
        " changed counts as given.",
        shows_fields_of_derived_classes,
    ),
    Known(
        "objects of httpx are refused",
        "There is no httpx to use transports, mounts or event hooks.",
        shows_httpx_keywords,
    ),
    Known(
        "a tool has the whole JSON Schema of a function",
        "The official conversion loses choices, elements and nested members, and requires"
        " parameters that have a default.",
        shows_schemas,
    ),
    Known(
        "this machine is never reached through a proxy",
        "A proxy of the environment cannot reach it.",
        shows_proxies,
    ),
]


@pytest.mark.parametrize("row", KNOWN, ids=lambda row: row.name)
def test_a_known_difference_is_as_the_table_says(row, pair):
    row.show(pair)
    assert row.reason.endswith(".")


def test_the_figures_of_the_comparison():
    print({"examples": FIGURES["examples"], **{k: FIGURES[k] for k in sorted(FIGURES)}})
    assert set(FIGURES) - {"examples"} <= {row.name for row in KNOWN}
