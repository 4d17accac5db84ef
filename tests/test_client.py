"""Both clients, from arguments to values, against the mock server and raw sockets."""

import asyncio
import base64
import collections
import collections.abc
import contextlib
import copy
import dataclasses
import io
import json
import os
import pickle
import sqlite3
import subprocess
import sys
import threading
import tracemalloc
import types
import typing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import ollamalite
from ollamalite import (
    AsyncClient,
    Client,
    DecodeError,
    IncompleteError,
    Message,
    RequestError,
    ResponseError,
    Tool,
    mock,
)
from ollamalite._client import SharedClient
from ollamalite._exchange import json_body
from ollamalite._generated import operations
from ollamalite._generated.client_methods import AsyncMethods, SyncMethods

from .both_clients import both
from .wire_server import answering, serve

ROOT = Path(__file__).parent.parent
HELLO_X = {"role": "user", "content": "x"}
HELLO = [{"role": "user", "content": "hello"}]
PNG = b"\x89PNG\r\n\x1a\n not really"


class Pairs:
    """An object of a caller, that iterates as pairs, as the models of pydantic do."""

    def __init__(self, **members):
        self.members = members

    def __iter__(self):
        return iter(self.members.items())


@dataclasses.dataclass
class DataMessage:
    role: str


def row(**members):
    names = ", ".join(f"? AS {name}" for name in members)
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute(f"SELECT {names}", tuple(members.values())).fetchone()


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in ("OLLAMA_HOST", "OLLAMA_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def server():
    with mock.serve() as running:
        yield running


def sent(face, method, *args, answer=b"{}", options=None, **kwargs):
    """Return the request that a call sends."""
    with serve(answering(answer)) as server:
        face.call(face.make(server.url, **(options or {})), method, *args, **kwargs)
        (received,) = server.requests
    return received


def body(received):
    return json.loads(received.body)


CALLS = {
    "ping": ((), {}),
    "version": ((), {}),
    "status": ((), {}),
    "list": ((), {}),
    "ps": ((), {}),
    "model_recommendations": ((), {}),
    "show": (("llama3.2",), {}),
    "generate": (("llama3.2", "hi"), {}),
    "chat": (("llama3.2", HELLO), {}),
    "embed": (("embeddinggemma", ["a", "b"]), {}),
    "embeddings": (("embeddinggemma", "a"), {}),
    "systemone": (
        ("llama3.2", "it rains", {"wet": {"type": "noul", "instructions": "Is it wet?"}}),
        {},
    ),
    "pull": (("qwen3",), {}),
    "push": (("llama3.2",), {}),
    "create": (("mine",), {"from_": "llama3.2", "system": "Be brief."}),
    "copy": (("llama3.2", "twin"), {}),
    "delete": (("gone",), {}),
    "blob_exists": (("sha256:" + "0" * 64,), {}),
    "create_blob": ((__file__,), {}),
    "me": ((), {}),
    "signout": ((), {}),
    "web_search": (("sky",), {}),
    "web_fetch": (("https://example.com",), {}),
    "experimental_web_search": (("sky",), {}),
    "experimental_web_fetch": (("https://example.com",), {}),
}


def test_every_operation_is_in_the_table_of_calls():
    names = {name for name in vars(SyncMethods) if not name.startswith("_")} | {"create_blob"}
    assert names == set(CALLS)
    assert names == {name for name in vars(AsyncMethods) if not name.startswith("_")} | {
        "create_blob"
    }


@pytest.mark.parametrize("name", [n for n in CALLS if not n.startswith("web_")])
def test_every_operation_gives_the_same_through_both_clients_and_the_module(name, monkeypatch):
    args, kwargs = CALLS[name]
    results = []
    for ask in (_ask_sync, _ask_async, _ask_module):
        with mock.serve() as fresh:
            Client(fresh.url).copy("llama3.2", "gone")
            try:
                results.append(ask(fresh.url, monkeypatch, name, args, kwargs))
            except ResponseError as error:
                results.append((error.status_code, error.error))
    if isinstance(results[0], ollamalite.GenerateResponse):
        assert {r.response for r in results} == {results[0].response}
    elif isinstance(results[0], ollamalite.ChatResponse):
        assert {r.message.content for r in results} == {results[0].message.content}
    else:
        assert [type(r) for r in results] == [type(results[0])] * 3
    hints = typing.get_type_hints(getattr(Client, name))["return"]
    expected = typing.get_args(hints) if hasattr(hints, "__args__") else (hints,)
    assert type(results[0]) in expected or isinstance(results[0], tuple)


def _ask_sync(url, _, name, args, kwargs):
    with Client(url) as client:
        return getattr(client, name)(*args, **kwargs)


def _ask_async(url, _, name, args, kwargs):
    async def run():
        async with AsyncClient(url) as client:
            return await getattr(client, name)(*args, **kwargs)

    return asyncio.run(run())


def _ask_module(url, monkeypatch, name, args, kwargs):
    monkeypatch.setenv("OLLAMA_HOST", url)
    for stale in ("_shared", name):
        monkeypatch.delitem(vars(ollamalite), stale, raising=False)
    function = getattr(ollamalite, name)
    try:
        return function(*args, **kwargs)
    finally:
        function.__self__.close()
        del vars(ollamalite)["_shared"], vars(ollamalite)[name]


@both
@pytest.mark.parametrize(
    ("method", "args", "kwargs"),
    [
        ("chat", ("llama3.2", HELLO), {}),
        ("generate", ("llama3.2", "hello"), {}),
        ("pull", ("llama3.2",), {}),
        ("push", ("me/llama3.2",), {}),
        ("create", ("mine",), {"from_": "llama3.2"}),
    ],
)
def test_a_stream_gives_typed_pieces_up_to_the_last(face, method, args, kwargs, server):
    with Client(server.url) as client:
        client.copy("llama3.2", "me/llama3.2")
    pieces, error = face.stream(face.make(server.url), method, *args, **kwargs)
    assert error is None
    assert len(pieces) > 2
    assert len({type(piece) for piece in pieces}) == 1
    last = pieces[-1]
    assert last.get("done") or last.get("status") == "success"


@both
def test_the_pieces_of_a_stream_make_the_text_of_the_whole_answer(face, server):
    pieces, _ = face.stream(face.make(server.url), "chat", "llama3.2", HELLO)
    whole = face.call(face.make(server.url), "chat", "llama3.2", HELLO)
    assert "".join(piece.message.content for piece in pieces) == whole.message.content
    assert whole["message"]["content"] == whole.message.content


@both
def test_a_call_sends_what_is_given_and_the_defaults_of_the_ollama_package(face):
    assert body(sent(face, "chat", "m", answer=b'{"message":{"role":"assistant"}}')) == {
        "model": "m",
        "messages": [],
        "tools": [],
        "stream": False,
    }
    assert body(sent(face, "generate", "m")) == {"model": "m", "stream": False}
    assert body(sent(face, "pull", "m")) == {"model": "m", "insecure": False, "stream": False}
    assert body(sent(face, "create", "m", from_="b")) == {
        "model": "m",
        "from": "b",
        "stream": False,
    }
    assert body(sent(face, "embed", "m", keep_alive=-1)) == {
        "model": "m",
        "input": "",
        "keep_alive": -1,
    }
    assert sent(face, "list").body == b""


@both
def test_messages_keep_empty_values_ids_and_unknown_members(face):
    messages = [
        {"role": "user", "content": "", "colour": "blue"},
        Message(
            role="assistant",
            tool_calls=[{"id": "c1", "function": {"name": "f", "arguments": {"a": 1}, "index": 0}}],
        ),
        {"role": "tool", "content": "x", "tool_name": "f", "tool_call_id": "c1"},
    ]
    received = sent(face, "chat", "m", messages, answer=b'{"message":{"role":"assistant"}}')
    assert body(received)["messages"] == json.loads(json.dumps(messages))


@both
@pytest.mark.parametrize(
    "image",
    [
        PNG,
        bytearray(PNG),
        "iVBORw0KGgogbm90IHJlYWxseQ==",
        io.BytesIO(PNG),
        ollamalite.Image(value=PNG),
    ],
    ids=lambda image: type(image).__name__,
)
def test_an_image_of_any_form_is_sent_as_base64(face, image):
    received = sent(face, "generate", "m", images=[image])
    assert body(received)["images"] == ["iVBORw0KGgogbm90IHJlYWxseQ=="]


@both
def test_an_image_file_goes_by_its_path_and_a_data_url_by_its_content(face, tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(PNG)
    for image in (path, str(path), "data:image/png;base64,iVBORw0KGgogbm90IHJlYWxseQ=="):
        messages = [{"role": "user", "content": "", "images": [image]}]
        received = sent(face, "chat", "m", messages, answer=b'{"message":{"role":"assistant"}}')
        assert body(received)["messages"][0]["images"] == ["iVBORw0KGgogbm90IHJlYWxseQ=="]


BIG = os.urandom(300_000)


@both
@pytest.mark.parametrize("how", ["path", "bytes", "memoryview", "file"])
def test_large_images_are_sent_anew_after_a_redirect_and_for_a_retry(face, how, tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(BIG)
    with open(path, "rb") as file:
        image = {"path": path, "bytes": BIG, "memoryview": memoryview(BIG), "file": file}[how]
        content = 'é \U0001f600 "'
        messages = [
            {"role": "user", "content": content, "images": [image, b"small", image]},
            {"role": "user", "content": content, "images": [image]},
        ]
        answers = (
            lambda peer, _: peer.answer(status="307 Other", headers=["Location: /other"]),
            lambda peer, _: peer.answer(status="503 Busy"),
            b"{}",
        )
        with serve(answering(*answers)) as server:
            face.call(face.make(server.url, retries=1), "chat", "m", messages)
            requests = server.requests
    assert [request.target for request in requests] == ["/api/chat", "/other", "/other"]
    big = base64.b64encode(BIG).decode()
    for request in requests:
        received = body(request)["messages"]
        assert [message["images"] for message in received] == [[big, "c21hbGw=", big], [big]]
        assert [message["content"] for message in received] == [content, content]


@both
def test_an_image_file_that_gets_shorter_while_it_is_sent_is_an_error(face, tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(BIG)

    def cut(peer, _):
        path.write_bytes(BIG[:1000])
        peer.answer(status="503 Busy")

    with serve(answering(cut)) as server:
        client = face.make(server.url, retries=1)
        with pytest.raises(RequestError, match="got shorter while it was sent"):
            face.call(client, "generate", "m", images=[path])


def test_a_large_image_is_never_whole_in_memory(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(bytes(20_000_000))
    buffer = bytearray(65536)
    tracemalloc.start()
    try:
        written = json_body({"images": [ollamalite.Image(value=path)]})
        size = 0
        with written.open() as file:
            while True:
                count = file.readinto(buffer)
                if not count:
                    break
                size += count
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size == written.length == 26_666_668 + len('{"images":[""]}')
    assert peak < 1_000_000


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_an_image_comes_out_of_a_named_pipe(tmp_path):
    path = tmp_path / "pipe.png"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(PNG,))
    writer.start()
    assert ollamalite.Image(value=path).base64() == "iVBORw0KGgogbm90IHJlYWxseQ=="
    writer.join()


@both
@pytest.mark.parametrize(
    ("call", "text"),
    [
        (("chat",), "chat.model: expected a string that is not empty, got str ''"),
        (("chat", "m", [{"content": "x"}]), "chat.messages[0].role: required, but not given"),
        (("chat", "m", "hello"), "chat.messages: expected a list, got str 'hello'"),
        (("chat", "m", [3]), "chat.messages[0]: expected an object, got int 3"),
        (("chat", "m", ["hello"]), "chat.messages[0]: expected an object, got str 'hello'"),
        (("chat", "m", [b""]), "chat.messages[0]: expected an object, got bytes b''"),
        (("chat", "m", [["ab", "cd"]]), "chat.messages[0]: expected an object, got list"),
        (("chat", "m", [("user", "hello")]), "chat.messages[0]: expected an object, got tuple"),
        (("chat", "m", [[]]), "chat.messages[0]: expected an object, got list"),
        (("chat", "m", [[("content", "x")]]), "chat.messages[0].role: required, but not given"),
        (
            ("chat", "m", [DataMessage("user")]),
            "chat.messages[0]: expected an object, got DataMessage",
        ),
        (("chat", "m", [dict]), "chat.messages[0]: expected an object, got type"),
        (("generate", "m", 3), "generate.prompt: expected a string, got int 3"),
        (("embed", "m", {"a": 1}), "embed.input: expected a string or a list, got dict"),
        (("show", None), "show.model: required, but not given"),
    ],
)
def test_a_bad_argument_is_refused_by_name_before_anything_is_sent(face, call, text):
    with serve(answering(b"{}")) as server:
        with pytest.raises(RequestError) as caught:
            face.call(face.make(server.url), *call)
        assert str(caught.value) == text
        assert isinstance(caught.value, ValueError)
        assert server.requests == []


@both
@pytest.mark.parametrize(
    "message",
    [
        Pairs(role="user", content="x", thinking=None, at=object()),
        Pairs(role="user", content="x", tool_calls=[]),
        [("role", "user"), ("content", "x")],
        [["role", "user"], ["content", "x"]],
        (("role", "user"), ("content", "x"), ("colour", "blue")),
        collections.UserDict(role="user", content="x"),
        types.MappingProxyType({"role": "user", "content": "x"}),
        row(role="user", content="x"),
        row(role="user", content="x", id=7),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_may_be_anything_that_dict_reads(face, message):
    received = sent(face, "chat", "m", [message], answer=b'{"message":{"role":"assistant"}}')
    (message,) = body(received)["messages"]
    assert {key: value for key, value in message.items() if value} == HELLO_X


@both
def test_calls_in_a_message_of_a_callers_class_may_be_of_such_a_class_as_well(face):
    function = Pairs(name="f", arguments={"a": 1})
    call = Pairs(id="c", function=function, seen=object())
    message = Pairs(role="assistant", tool_calls=[call])
    received = sent(face, "chat", "m", [message], answer=b'{"message":{"role":"assistant"}}')
    assert body(received)["messages"] == [
        {
            "role": "assistant",
            "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {"a": 1}}}],
        }
    ]


@both
def test_tools_and_options_may_be_of_a_callers_class_as_well(face):
    tool = Pairs(type="function", function=Pairs(name="f"), seen=object())
    received = sent_with(face, tools=[tool], options=Pairs(seed=1, top_k=None, seen=object()))
    assert body(received)["tools"] == [{"type": "function", "function": {"name": "f"}}]
    assert body(received)["options"] == {"seed": 1}


def sent_with(face, **arguments):
    with serve(answering(b'{"message":{"role":"assistant"}}')) as server:
        face.call(face.make(server.url), "chat", "m", **arguments)
        (received,) = server.requests
    return received


@both
def test_records_that_are_sent_are_checked_again_and_stay_as_they_are(face):
    call = Message.ToolCall(function={"name": "f", "arguments": {}})
    message = Message(role="assistant", tool_calls=[call])
    call.function.arguments = '{"a":1}'
    tool = Tool(function={"name": "f"})
    before = json.dumps([message, tool])
    received = sent(
        face,
        "chat",
        "m",
        [message, {"role": "assistant", "tool_calls": [call]}],
        tools=[tool],
        answer=b'{"message":{"role":"assistant"}}',
    )
    assert body(received)["messages"][0]["tool_calls"][0]["function"]["arguments"] == {"a": 1}
    assert body(received)["tools"] == [{"type": "function", "function": {"name": "f"}}]
    assert json.dumps([message, tool]) == before
    message.role = 3
    with pytest.raises(RequestError, match=r"chat\.messages\[0\]\.role: expected a string"):
        face.call(face.make("127.0.0.1:1"), "chat", "m", [message])


@both
@pytest.mark.parametrize(
    ("images", "text"),
    [
        (["missing.png"], "File missing.png does not exist"),
        (["not base64!"], "Invalid image data, expected base64 string or path to image file"),
        (["https://example.com/a.png"], "is a URL; load it and pass its bytes"),
        (["data:image/png,abc"], "a data URL must be base64"),
        ([io.StringIO("x")], "not open in binary mode"),
        ([7], "generate.images[0]: expected an image"),
    ],
)
def test_a_bad_image_is_refused(face, images, text):
    with pytest.raises(RequestError) as caught:
        face.call(face.make("127.0.0.1:1"), "generate", "m", images=images)
    assert text in str(caught.value)


@both
@pytest.mark.parametrize("value", [float("nan"), {1, 2}, "\ud800", object()])
def test_what_json_cannot_say_is_refused(face, value):
    with pytest.raises(RequestError):
        face.call(face.make("127.0.0.1:1"), "generate", "m", options={"x": value})


@both
@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (b"", DecodeError, "not JSON"),
        (b"<html>", DecodeError, "not JSON at character 0: '<html>'"),
        (b"[]", DecodeError, "ListResponse: expected an object, got list"),
        (b"null", DecodeError, "ListResponse: expected an object, got None"),
        (b'{"models":{}}', DecodeError, "ListResponse.models: expected a list, got dict"),
        (b'{"models":[{"details":3}]}', DecodeError, "ListResponse.models[0].details: expected"),
        (b'{"a":"\xff"}', DecodeError, "not UTF-8 at byte 6"),
        (b'{"error":"no"}', ResponseError, "no (status code: 200)"),
        (b"{}{}", DecodeError, "more than one JSON value"),
        (b"[" * 100_000, DecodeError, "nested too deeply"),
    ],
)
def test_an_answer_that_does_not_fit_is_an_error_that_says_where(face, answer, kind, text):
    with serve(answering(answer)) as server:
        with pytest.raises(kind) as caught:
            face.call(face.make(server.url), "list")
    assert text in str(caught.value)
    assert caught.value.method == "GET"
    assert caught.value.url.endswith("/api/tags")


@both
@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b'{"error":"model missing"}', "model missing"),
        (b'{"error":{"message":"nested","type":"x"}}', "nested"),
        (b'{"error":{"error":{"a":1}}}', '{"error":{"error":{"a":1}}}'),
        (b"[]", "[]"),
        (b"null", "null"),
        (b"", "Not Found"),
        (b"<html>gone</html>", "<html>gone</html>"),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_an_error_status_is_a_response_error_whatever_its_body_is(face, answer, text):
    def reply(peer, _):
        peer.answer(answer, "404 Not Found", ["X-Reason: because"])

    for ask in (face.call, face.stream):
        with serve(answering(reply)) as server:
            try:
                _, error = ask(face.make(server.url), "generate", "m")
            except ResponseError as caught:
                error = caught
        assert isinstance(error, ResponseError)
        assert (error.error, error.status_code, error.body) == (text, 404, answer)
        assert {k.lower(): v for k, v in error.headers.items()}["x-reason"] == "because"
        assert str(error) == f"{text} (status code: 404)"
        twin = pickle.loads(pickle.dumps(error))
        assert (twin.error, twin.status_code, twin.body) == (text, 404, answer)


@both
def test_an_error_of_any_size_is_read_up_to_a_limit(face):
    def reply(peer, _):
        peer.answer(b"x" * 3_000_000, "500 Internal Server Error")

    with serve(answering(reply)) as server:
        with pytest.raises(ResponseError) as caught:
            face.call(face.make(server.url), "list")
    assert len(caught.value.body) == 1024 * 1024


@both
def test_an_error_with_a_body_that_is_cut_short_is_still_that_error(face):
    def reply(peer, _):
        peer.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\ntry again")
        peer.close()

    with serve(answering(reply)) as server:
        with pytest.raises(ResponseError) as caught:
            face.call(face.make(server.url), "list")
    assert (caught.value.error, caught.value.status_code) == ("try again", 503)


def streamed(*lines):
    def reply(peer, _):
        peer.stream()
        for line in lines:
            peer.chunk(line)
        peer.chunk(b"")

    return reply


@both
def test_an_error_in_a_stream_comes_after_the_pieces_before_it(face):
    lines = (b'{"response":"a"}\n{"response":"b"}\n{"error":"broke"}\n{"response":"c"}\n',)
    with serve(answering(streamed(*lines))) as server:
        pieces, error = face.stream(face.make(server.url), "generate", "m")
    assert [piece.response for piece in pieces] == ["a", "b"]
    assert isinstance(error, ResponseError)
    assert (error.error, error.status_code) == ("broke", -1)


@both
def test_a_stream_that_ends_without_its_last_object_ends_as_the_server_ended_it(face):
    with serve(answering(streamed(b'{"response":"a"}\n'))) as server:
        pieces, error = face.stream(face.make(server.url), "generate", "m")
    assert (len(pieces), error) == (1, None)


@both
@pytest.mark.parametrize(
    ("lines", "whole"),
    [
        (b'{"response":"a"}\n{"done":true}\n', True),
        (b'{"response":"a"}\n{"done":true}', True),
        (b'{"response":"a"}\n', False),
        (b'{"response":"a"}\n{"respo', False),
        (b'{"response":"a"}\n{"done":false}', False),
    ],
)
def test_a_stream_that_only_the_connection_ends_is_whole_if_its_last_object_came(
    face, lines, whole
):
    def reply(peer, _):
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n" + lines)
        peer.close()

    with serve(answering(reply)) as server:
        pieces, error = face.stream(face.make(server.url), "generate", "m")
    assert pieces[0].response == "a"
    assert error is None if whole else isinstance(error, IncompleteError)


@both
def test_a_status_error_of_a_stream_is_raised_by_the_call_not_by_the_loop(face, server):
    with pytest.raises(ResponseError, match="not found"):
        face.call(face.make(server.url), "chat", "nope", HELLO, stream=True)


@both
def test_the_callers_headers_win_in_any_case_of_letters(face):
    options = {"headers": {"USER-AGENT": "me", "x-extra": "1", "Accept": None}}
    received = sent(face, "version", options=options)
    assert received.all("user-agent") == ["me"]
    assert received.get("x-extra") == "1"
    assert received.all("accept") == []
    twice = {"headers": {"x-a": "1", b"X-A": b"2"}}
    assert sent(face, "version", options=twice).all("x-a") == ["2"]
    with pytest.raises(TypeError, match="the name of a header must be str or bytes, not 1"):
        face.make(headers={1: "a"})


@both
def test_the_key_of_the_environment_is_sent_unless_a_header_says_otherwise(face, monkeypatch):
    monkeypatch.setenv("OLLAMA_API_KEY", "secret")
    assert sent(face, "version").get("authorization") == "Bearer secret"
    given = {"headers": {"authorization": "Basic x"}}
    assert sent(face, "version", options=given).all("authorization") == ["Basic x"]
    pair = {"auth": ("ada", "pw")}
    assert sent(face, "version", options=pair).all("authorization") == ["Basic YWRhOnB3"]


@both
def test_the_key_does_not_follow_a_redirect_to_another_origin(face, monkeypatch):
    monkeypatch.setenv("OLLAMA_API_KEY", "secret")
    with serve(answering(b'{"version":"1"}')) as other:

        def redirect(peer, _):
            peer.answer(b"", "307 Temporary Redirect", [f"Location: {other.url}/api/version"])

        with serve(answering(redirect)) as first:
            assert face.call(face.make(first.url), "version").version == "1"
            assert first.requests[0].get("authorization") == "Bearer secret"
    assert other.requests[0].get("authorization") is None


@both
def test_credentials_in_the_host_are_sent_and_never_shown(face):
    with serve(answering(b"{}")) as server:
        client = face.make(server.url.replace("://", "://ada:secret@"))
        assert "secret" not in repr(client)
        face.call(client, "list")
        assert server.requests[0].get("authorization") == "Basic YWRhOnNlY3JldA=="
    with pytest.raises(ConnectionError) as caught:
        face.call(client, "list")
    assert "secret" not in str(caught.value)


@both
def test_web_search_needs_a_bearer_key(face):
    for method, argument in (("web_search", "sky"), ("web_fetch", "https://example.com")):
        with pytest.raises(ValueError, match="Authorization header with Bearer token is required"):
            face.call(face.make("127.0.0.1:1"), method, argument)


@both
@pytest.mark.parametrize(
    "options",
    [
        {"host": "http://ada:pw@127.0.0.1:1"},
        {"auth": ("ada", "pw")},
        {"headers": {"authorization": ""}},
        {"headers": {"authorization": "Basic x"}},
    ],
)
def test_a_web_search_takes_the_key_whatever_the_own_server_wants(face, monkeypatch, options):
    monkeypatch.setenv("OLLAMA_API_KEY", "k")
    client = face.make(**options)
    url, body = client._arguments(operations.WEB_SEARCH, {"query": "sky"})
    assert client._build("POST", url, body, None).headers["Authorization"] == "Bearer k"


@both
def test_web_search_takes_only_the_key_to_the_other_host(face):
    headers = {"Authorization": "Bearer k", "X-Api-Key": "secret", "Cookie": "secret"}
    with serve(answering(b'{"results":[]}')) as server:
        client = face.make(headers=headers, follow_redirects=False)
        request = client._build("POST", server.url + "/api/web_search", {}, None)
    assert "secret" not in request.headers.values()
    assert request.headers["Authorization"] == "Bearer k"


@both
@pytest.mark.parametrize("options", [{"auth": ("ada", "pw")}, {"headers": {"x": "y"}}, {}])
def test_another_host_gets_no_credentials_where_there_is_no_key(face, options):
    with serve(answering(b'{"version":"1"}')) as other:
        client = face.make("127.0.0.1:1", **options)
        url = f"{other.url}/api/version"
        face.call(client, "_request", ollamalite.VersionResponse, "GET", url)
        (received,) = other.requests
    assert received.get("authorization") is None


@both
def test_a_value_in_a_path_cannot_leave_its_place(face):
    received = []

    def reply(peer, request):
        received.append(request.target)
        peer.answer(b"", "200 OK")

    with serve(answering(reply)) as server:
        face.call(face.make(server.url), "blob_exists", "sha256:../x?y")
    assert received == ["/api/blobs/sha256:..%2Fx%3Fy"]


@both
def test_messages_may_come_from_any_iterable(face):
    received = sent(face, "chat", "m", iter(HELLO), answer=b'{"message":{"role":"assistant"}}')
    assert body(received)["messages"] == HELLO


def test_the_callers_proxy_credentials_win_over_those_of_the_proxy_in_any_case_of_letters():
    seen = []

    def script(peer):
        seen.append(peer.receive())

    with serve(script) as proxy:
        address = proxy.url.replace("://", "://u:p@")
        headers = {"proxy-authorization": "Basic own"}
        with Client("https://e.test", proxy=address, headers=headers) as client:
            with pytest.raises(ConnectionError):
                client.version()
    assert seen[0].all("proxy-authorization") == ["Basic own"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_loop_that_a_fork_inherited_makes_connections_of_its_own():
    with serve(answering(b'{"version":"1"}')) as server:
        script = """
import asyncio, os, sys
from ollamalite import AsyncClient

async def ask():
    return await client.version()

client = AsyncClient(sys.argv[1])
loop = asyncio.new_event_loop()
loop.run_until_complete(ask())
child = os.fork()
if child == 0:
    loop.run_until_complete(ask())
    os._exit(0)
# The two loops share one epoll, so they take turns: either would take the other's events.
assert os.waitpid(child, 0)[1] == 0
loop.run_until_complete(ask())
loop.run_until_complete(client.close())
loop.close()
"""
        command = [sys.executable, "-c", script, server.url]
        subprocess.run(command, check=True, cwd=ROOT, timeout=20)
        assert len(server.requests) == 3
        assert server.connections == 2


@both
def test_a_refused_connection_says_where_and_what_to_do(face):
    for ask in (face.call, face.stream):
        try:
            _, error = ask(face.make("127.0.0.1:1"), "generate", "m")
        except ConnectionError as caught:
            error = caught
        assert isinstance(error, ollamalite.ConnectError)
        text = str(error)
        assert text.startswith(
            "Failed to connect to Ollama. Please check that Ollama is downloaded"
        )
        assert "POST http://127.0.0.1:1/api/generate" in text


@both
@pytest.mark.parametrize("host", ["http://[", "host:99999", "ftp://x", "http://a\nb"])
def test_a_host_that_makes_no_sense_is_refused_at_once(face, host, monkeypatch):
    with pytest.raises(RequestError):
        face.make(host)
    monkeypatch.setenv("OLLAMA_HOST", host)
    with pytest.raises(RequestError):
        face.make()


def test_the_host_of_the_environment_is_read_when_a_client_is_made(monkeypatch, server):
    monkeypatch.setenv("OLLAMA_HOST", server.url)
    with Client() as client:
        assert client.version().version


def test_a_host_that_makes_no_sense_is_an_error_of_a_call_not_of_an_import(monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "host:99999")
    for stale in ("_shared", "version"):
        monkeypatch.delitem(vars(ollamalite), stale, raising=False)
    function = ollamalite.version
    try:
        with pytest.raises(RequestError, match="99999"):
            function()
    finally:
        del vars(ollamalite)["_shared"], vars(ollamalite)["version"]


def test_threads_that_are_first_to_call_a_function_find_a_whole_client(server, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", server.url)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(20):
            client = SharedClient()
            with ThreadPoolExecutor(4) as threads:
                calls = [threads.submit(lambda: client.version().version) for _ in range(4)]  # noqa: B023
                assert all(call.result() for call in calls)
            client.close()
    finally:
        sys.setswitchinterval(interval)


def test_a_function_that_was_pickled_before_its_first_call_works(monkeypatch, server):
    monkeypatch.setenv("OLLAMA_HOST", server.url)
    client = SharedClient()
    for copied in (pickle.loads(pickle.dumps(client.version)), copy.deepcopy(client.version)):
        assert copied().version
        copied.__self__.close()


def test_an_exception_thrown_into_a_stream_that_was_not_begun_hangs_up():
    hung_up = []

    def script(peer):
        peer.receive()
        peer.stream()
        hung_up.append(peer.sees_hang_up())

    async def run(url):
        async with AsyncClient(url) as client:
            stream = await client.generate("llama3.2", "hi", stream=True)
            with pytest.raises(KeyError):
                await stream.athrow(KeyError("x"))
            return stream

    with serve(script) as server:
        client = Client(server.url)
        stream = client.generate("llama3.2", "hi", stream=True)
        with pytest.raises(KeyError):
            stream.throw(KeyError("x"))
        kept = asyncio.run(run(server.url))
    assert len(hung_up) == 2
    client.close()
    kept = stream = None  # noqa: F841


@both
def test_an_image_in_a_buffer_is_sent_as_it_was_when_it_was_given(face):
    image = bytearray(b"a" * 60_000)

    def busy(peer, _):
        image[:] = b"b" * 10
        peer.answer(b"", "503 Busy")

    turns = [busy, b'{"message":{"role":"assistant"},"done":true}']
    with serve(answering(*turns)) as server:
        message = {"role": "user", "content": "", "images": [image]}
        face.call(face.make(server.url, retries=1), "chat", "m", [message])
        sent = {json.loads(each.body)["messages"][0]["images"][0] for each in server.requests}
    assert sent == {base64.b64encode(b"a" * 60_000).decode()}


def test_a_stream_is_a_generator_by_its_methods(server):
    with Client(server.url) as client:
        stream = client.chat("llama3.2", HELLO, stream=True)
        assert isinstance(stream, collections.abc.Generator)
        assert stream.send(None).message is not None
        with pytest.raises(KeyError, match="mine"):
            stream.throw(KeyError("mine"))
        assert list(stream) == []

        def all_of_it():
            yield from client.chat("llama3.2", HELLO, stream=True)

        assert list(all_of_it())[-1].done

    async def run():
        async with AsyncClient(server.url) as client:
            stream = await client.chat("llama3.2", HELLO, stream=True)
            assert isinstance(stream, collections.abc.AsyncGenerator)
            assert (await stream.asend(None)).message is not None
            with pytest.raises(KeyError, match="mine"):
                await stream.athrow(KeyError("mine"))
            assert [piece async for piece in stream] == []

    asyncio.run(run())


def test_an_async_client_without_an_event_loop_says_what_it_needs():
    call = AsyncClient("127.0.0.1:1").version()
    with pytest.raises(RequestError, match="no event loop of asyncio is running"):
        call.send(None)


@both
def test_a_per_call_timeout_ends_the_call(face):
    release = threading.Event()

    def hang(peer, _):
        release.wait(10)

    with serve(answering(hang)) as server:
        try:
            with pytest.raises(TimeoutError) as caught:
                face.call(face.make(server.url), "list", timeout=0.05)
        finally:
            release.set()
    assert isinstance(caught.value, ollamalite.ReadTimeout)


@both
def test_a_client_can_be_pickled_copied_and_used_after_closing(face, server):
    client = face.make(server.url, headers={"x-a": "b"}, timeout=3)
    assert face.call(client, "version").version
    for twin in (
        client,
        copy.copy(client),
        copy.deepcopy(client),
        pickle.loads(pickle.dumps(client)),
    ):
        assert face.call(twin, "version").version
        assert repr(twin) == repr(client)


def test_closing_twice_does_nothing(server):
    client = Client(server.url)
    client.version()
    client.close()
    client.close()

    async def run():
        client = AsyncClient(server.url)
        await client.version()
        await client.close()
        await client.aclose()

    asyncio.run(run())


def test_one_async_client_serves_one_event_loop_after_another(server):
    client = AsyncClient(server.url)

    async def ask():
        return (await client.version()).version

    assert asyncio.run(ask()) == asyncio.run(ask())
    asyncio.run(client.close())


def endless(hung_up):
    def reply(peer, _):
        try:
            peer.stream()
            for _ in range(3):
                peer.chunk(b'{"response":"a"}\n')
        except OSError:
            pass  # hung up already
        peer.sees_hang_up()
        hung_up.set()

    return reply


def leave_by_close(stream):
    next(iter(stream))
    stream.close()
    stream.close()
    assert list(stream) == []


def leave_by_break(stream):
    for _ in stream:
        break


def leave_by_with(stream):
    with stream as pieces:
        next(pieces)


def leave_unread(stream):
    pass


def leave_from_another_thread(stream):
    pieces = [next(stream), next(stream), next(stream)]
    closer = threading.Thread(target=stream.close)
    closer.start()
    pieces += list(stream)
    closer.join()
    assert len(pieces) == 3


@pytest.mark.parametrize(
    "leave",
    [leave_by_close, leave_by_break, leave_by_with, leave_unread, leave_from_another_thread],
)
def test_leaving_a_stream_hangs_up(leave):
    hung_up = threading.Event()
    with serve(answering(endless(hung_up))) as server, Client(server.url) as client:
        leave(client.generate("m", stream=True))
        assert hung_up.wait(5)


async def aleave_by_aclose(stream):
    await stream.__anext__()
    await stream.aclose()
    await stream.aclose()
    assert [piece async for piece in stream] == []


async def aleave_by_break(stream):
    async for _ in stream:
        break


async def aleave_by_with(stream):
    async with stream as pieces:
        await pieces.__anext__()


async def aleave_unread(stream):
    pass


async def aleave_by_cancelling(stream):
    async def read():
        async for _ in stream:
            pass

    task = asyncio.get_running_loop().create_task(read())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    "leave",
    [aleave_by_aclose, aleave_by_break, aleave_by_with, aleave_unread, aleave_by_cancelling],
)
def test_leaving_an_async_stream_hangs_up(leave):
    hung_up = threading.Event()

    async def run(url):
        async with AsyncClient(url) as client:
            await leave(await client.generate("m", stream=True))
            seen = await asyncio.get_running_loop().run_in_executor(None, hung_up.wait, 5)
            assert seen

    with serve(answering(endless(hung_up))) as server:
        asyncio.run(run(server.url))


def test_a_blob_is_uploaded_in_pieces_and_known_afterwards(tmp_path, server):
    path = tmp_path / "blob"
    path.write_bytes(b"\0\1\2" * 1_000_000)
    with Client(server.url) as client:
        digest = client.create_blob(path)
        assert client.blob_exists(digest)
        assert client.create_blob(str(path)) == digest
        assert not client.blob_exists("sha256:" + "1" * 64)
    with pytest.raises(FileNotFoundError):
        Client(server.url).create_blob(tmp_path / "missing")


def test_every_public_class_and_method_has_hints_that_evaluate():
    import inspect

    for name in ollamalite.__all__:
        value = getattr(ollamalite, name)
        if inspect.isclass(value):
            typing.get_type_hints(value)
            for _, member in inspect.getmembers(value, inspect.isfunction):
                if member.__module__.startswith("ollamalite"):
                    typing.get_type_hints(member)
        elif inspect.ismethod(value):
            typing.get_type_hints(value)
