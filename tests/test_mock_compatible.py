"""The endpoints of the mock under ``/v1``, as far as the captures do not show them."""

import base64
import json
import struct
from typing import Any, Dict, List, Tuple

import pytest

from ollamalite.mock import Answer, Model, Server, serve
from ollamalite.mock._faults import BUSY

from .test_mock import WEATHER, ask

SKY = [{"role": "user", "content": "Why is the sky blue?"}]
CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
PNG = base64.b64encode(
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (3).to_bytes(4, "big") + (2).to_bytes(4, "big")
).decode()


@pytest.fixture(scope="module")
def shared():
    with serve(delay=0) as server:
        yield server


def error(server: Server, path: str, body: Any) -> Tuple[int, str, str]:
    """The status, the text and the type of a failure in OpenAI's form."""
    answer = ask(server, path, body)
    told = answer.json["error"]
    assert list(told) == ["message", "type", "param", "code"]
    return answer.status, told["message"], told["type"]


def chunks(server: Server, path: str, body: Dict[str, Any]) -> List[Any]:
    answer = ask(server, path, {**body, "stream": True})
    assert answer.headers["Content-Type"] == "text/event-stream"
    events = answer.body.decode().split("\n\n")
    assert events.pop() == ""
    told = [event[len("data: ") :] for event in events]
    return [part if part == "[DONE]" else json.loads(part) for part in told]


def test_a_body_that_cannot_be_read_is_refused_in_the_words_of_the_server(shared):
    kind = "invalid_request_error"
    assert error(shared, CHAT, b"") == (400, "EOF", kind)
    assert error(shared, CHAT, b"{") == (400, "unexpected EOF", kind)
    wanted = "json: cannot unmarshal array into Go value of type openai.ChatCompletionRequest"
    assert error(shared, CHAT, []) == (400, wanted, kind)
    wanted = (
        "json: cannot unmarshal string into Go struct field EmbedRequest.dimensions of type int"
    )
    assert error(shared, "/v1/embeddings", {"dimensions": "2"}) == (400, wanted, kind)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"messages": []}, "[] is too short - 'messages'"),
        ({"messages": [{"role": "user"}]}, "invalid message content type: <nil>"),
        ({"messages": [{"role": "user", "content": 1}]}, "invalid message content type: float64"),
        ({"messages": [{"content": ["x"]}]}, "invalid message format"),
        ({"messages": [{"content": [{"type": "text"}]}]}, "invalid message format"),
        ({"messages": [{"content": [{"type": "image_url"}]}]}, "invalid message format"),
        (
            {"messages": [{"content": [{"type": "image_url", "image_url": "data:image/gif,x"}]}]},
            "invalid image input",
        ),
        (
            {"messages": [{"content": [{"type": "image_url", "image_url": "data:;base64,?"}]}]},
            "invalid image input",
        ),
        (
            {"messages": [{"tool_calls": [{"function": {"name": "f", "arguments": "["}}]}]},
            "invalid tool call arguments",
        ),
        ({"top_logprobs": 21}, "top_logprobs must be between 0 and 20"),
        ({"tools": [WEATHER], "model": "gemma3"}, "registry.ollama.ai/library/gemma3:latest"),
        ({"reasoning_effort": "high"}, '"llama3.2" does not support thinking'),
        ({"reasoning": {"effort": "hard"}}, "invalid reasoning value: 'hard'"),
    ],
)
def test_a_chat_that_makes_no_sense_is_refused(shared, change, text):
    status, told, kind = error(shared, CHAT, {"model": "llama3.2", "messages": SKY, **change})
    assert (status, kind) == (400, "invalid_request_error")
    assert told.startswith(text)


@pytest.mark.parametrize("path", [CHAT, "/v1/responses", "/v1/messages"])
def test_what_is_nested_deeply_ends_no_connection(shared, path):
    deep = '{"a":' * 3000 + "1" + "}" * 3000
    call = {"id": "c", "call_id": "c", "function": {"name": "f", "arguments": deep}}
    body = {
        "model": "llama3.2",
        "max_tokens": 10,
        "messages": [{"role": "assistant", "content": "x", "tool_calls": [call]}],
        "input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": deep}],
        "response_format": {"type": "json_schema", "json_schema": {"schema": "DEEP"}},
        "text": {"format": {"type": "json_schema", "schema": "DEEP"}},
        "tools": [{"name": "f", "input_schema": "DEEP", "function": {"parameters": "DEEP"}}],
    }
    answer = ask(shared, path, json.dumps(body).replace('"DEEP"', deep).encode())
    assert answer.status in (200, 400)


def test_a_text_may_stop_at_texts_alone(shared):
    body = {"model": "llama3.2", "prompt": "x", "stop": ["a", 1]}
    wanted = "invalid type for 'stop' field: float64"
    assert error(shared, TEXT, body) == (400, wanted, "invalid_request_error")


def test_settings_of_a_chat_reach_the_model(shared):
    whole = ask(shared, CHAT, {"model": "llama3.2", "messages": SKY}).json
    text = whole["choices"][0]["message"]["content"]
    body = {"model": "llama3.2", "messages": SKY, "max_tokens": 2, "stop": "nothing"}
    choice = ask(shared, CHAT, body).json["choices"][0]
    assert choice["finish_reason"] == "length"
    assert text.startswith(choice["message"]["content"])
    body = {"model": "llama3.2", "messages": SKY, "stop": ["blue", 3]}
    assert ask(shared, CHAT, body).json["choices"][0]["message"]["content"] == "The sky is "


def test_the_parts_of_a_message_are_messages(shared):
    url = "data:image/png;base64," + PNG
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": url}]
    body = {"model": "llama3.2", "messages": [{"role": "user", "content": content}]}
    choice = ask(shared, CHAT, body).json["choices"][0]
    assert choice["message"]["content"] == "The picture is a PNG of 3 by 2 pixels."
    content[1]["image_url"] = {"url": url}
    assert ask(shared, CHAT, body).json["choices"][0] == choice


def test_an_answer_has_the_form_that_was_asked_for(shared):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    for form, keys in (
        ({"type": "json_object"}, ["answer"]),
        ({"type": "json_schema", "json_schema": {"name": "N", "schema": schema}}, ["n"]),
    ):
        body = {"model": "llama3.2", "messages": SKY, "response_format": form}
        message = ask(shared, CHAT, body).json["choices"][0]["message"]
        assert list(json.loads(message["content"])) == keys


def test_a_tool_is_called_and_its_result_is_used(shared):
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    body = {"model": "llama3.2", "messages": messages, "tools": [WEATHER]}
    choice = ask(shared, CHAT, body).json["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    (call,) = choice["message"]["tool_calls"]
    assert list(call) == ["id", "index", "type", "function"]
    assert "city" in json.loads(call["function"]["arguments"])
    result = {"role": "tool", "tool_call_id": call["id"], "content": "21 degrees"}
    body["messages"] = [*messages, {**choice["message"], "content": None}, result]
    choice = ask(shared, CHAT, body).json["choices"][0]
    assert choice["message"]["content"] == "get_weather says: 21 degrees"


def test_a_tool_call_in_a_stream_has_a_piece_of_its_own(shared):
    body = {"model": "llama3.2", "messages": SKY, "tools": [WEATHER]}
    called, last, end = chunks(shared, CHAT, body)
    delta = called["choices"][0]["delta"]
    assert list(delta) == ["role", "content", "tool_calls"]
    assert called["choices"][0]["finish_reason"] is None
    assert last["choices"] == [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]
    assert end == "[DONE]"


@pytest.mark.parametrize("path", ["native", "rendered", "harmony"])
def test_a_tool_call_ends_the_stream_whichever_way_the_model_generates(path):
    model = Model("m", capabilities=("completion", "tools", "thinking"), path=path)
    with serve(models=[model], delay=0) as server:
        server.say(Answer("x", thinking="hm", tool_calls=[{"name": "f", "arguments": {"a": "<"}}]))
        told = chunks(server, CHAT, {"model": "m", "messages": SKY, "tools": [WEATHER]})
    assert [list(chunk["choices"][0]["delta"]) for chunk in told[:-1]] == [
        ["role", "content", "reasoning"],
        ["content"],
        ["content", "tool_calls"],
        [],
    ]
    (call,) = told[2]["choices"][0]["delta"]["tool_calls"]
    assert call["function"] == {"name": "f", "arguments": '{"a":"\\u003c"}'}
    assert told[3]["choices"][0]["finish_reason"] == "tool_calls"


def test_log_probabilities_come_with_each_piece(shared):
    body = {"model": "llama3.2", "messages": SKY, "logprobs": True, "top_logprobs": 3}
    *pieces, last, _ = chunks(shared, CHAT, body)
    for piece in pieces:
        (entry,) = piece["choices"][0]["logprobs"]["content"]
        assert entry["token"] == piece["choices"][0]["delta"]["content"]
        assert len(entry["top_logprobs"]) == 3
    assert "logprobs" not in last["choices"][0]


def test_all_pieces_of_a_stream_have_one_id_and_one_time(shared):
    told = chunks(shared, CHAT, {"model": "llama3.2", "messages": SKY})[:-1]
    assert len({(piece["id"], piece["created"]) for piece in told}) == 1
    assert (
        len(
            {
                piece["id"]
                for piece in chunks(shared, TEXT, {"model": "llama3.2", "prompt": "x"})[:-1]
            }
        )
        == 1
    )


def test_a_failure_in_mid_stream_is_lost():
    with serve(delay=0) as server:
        for path, body in ((CHAT, {"messages": SKY}), (TEXT, {"prompt": "x"})):
            server.say(Answer("one two", error="broken", after=1))
            first, last = chunks(server, path, {"model": "llama3.2", **body})
            assert (first["model"], last["model"]) == ("llama3.2", "")
            assert last["choices"][0]["finish_reason"] is None
        # A text that failed has no time: the zero time of the server, in the year 1.
        assert last["created"] == -62135596800
        server.say(Answer(error="broken"))
        assert error(server, CHAT, {"model": "llama3.2", "messages": SKY, "stream": True}) == (
            500,
            "broken",
            "api_error",
        )


@pytest.mark.parametrize("path", ["chat/completions", "completions", "embeddings", "responses"])
@pytest.mark.parametrize("stream", [False, True])
def test_an_ordered_error_has_the_form_of_one_that_is_found(path, stream):
    body = {"model": "llama3.2", "messages": [{"role": "user", "content": "x"}]}
    body.update(prompt="x", input="x", stream=stream)
    with serve() as server:
        server.say(Answer(error="slow down", status=429, early=True))
        server.fail("error", path="/v1/models/llama3.2")
        found = ask(server, f"/v1/{path}", body)
        server.fail("error", status=429, text="slow down")
        ordered = ask(server, f"/v1/{path}", body)
        assert ordered.status == found.status == 429
        assert ordered.body == found.body
        assert ordered.headers["Content-Type"] == found.headers["Content-Type"]
        told = ask(server, "/v1/models/llama3.2", method="GET").json
        assert told["error"] == {
            "message": "internal server error",
            "type": "api_error",
            "param": None,
            "code": None,
        }


def test_a_busy_server_tells_clients_of_messages_that_it_is_overloaded():
    body = {"model": "llama3.2", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    with serve() as server:
        server.fail("busy")
        busy = ask(server, "/v1/messages", body)
    assert busy.status == 503
    assert busy.json["type"] == "error"
    assert busy.json["error"] == {"type": "overloaded_error", "message": BUSY}
    assert busy.json["request_id"].startswith("req_")


def test_loading_is_one_event_of_a_stream(shared):
    answer = ask(shared, TEXT, {"model": "llama3.2", "prompt": "", "stream": True})
    assert "Content-Length" in answer.headers
    first, last, rest = answer.body.decode().split("\n\n")
    assert json.loads(first[6:])["choices"] == [{"text": "", "index": 0, "finish_reason": "load"}]
    assert (last, rest) == ("data: [DONE]", "")


def test_vectors_come_as_numbers_or_as_base64(shared):
    body = {"model": "embeddinggemma", "input": ["a", ""], "dimensions": 4}
    numbers = ask(shared, "/v1/embeddings", body).json
    packed = ask(shared, "/v1/embeddings", {**body, "encoding_format": "BASE64"}).json
    assert [entry["index"] for entry in packed["data"]] == [0, 1]
    for plain, entry in zip(numbers["data"], packed["data"]):
        data = base64.b64decode(entry["embedding"])
        assert [pytest.approx(value) for value in struct.unpack("<4f", data)] == plain["embedding"]


@pytest.mark.parametrize("texts", ["", "a", ["a"], [""]])
def test_one_text_gives_one_vector_even_if_it_is_empty(shared, texts):
    body = {"model": "embeddinggemma", "input": texts}
    assert len(ask(shared, "/v1/embeddings", body).json["data"]) == 1


@pytest.mark.parametrize(
    ("texts", "text"), [(None, "invalid input"), ([], "invalid input"), ([1], "invalid input type")]
)
def test_vectors_of_nothing_are_refused(shared, texts, text):
    body = {"model": "embeddinggemma", "input": texts}
    assert error(shared, "/v1/embeddings", body) == (400, text, "invalid_request_error")


def test_a_model_of_a_namespace_cannot_be_looked_up():
    with serve(models=["me/mine"]) as server:
        listed = ask(server, "/v1/models", method="GET").json["data"]
        assert [(entry["id"], entry["owned_by"]) for entry in listed] == [("me/mine:latest", "me")]
        for path in ("/v1/models/me/mine", "/v1/models/me%2Fmine"):
            assert ask(server, path, method="GET").body == b"404 page not found"
        assert ask(server, "/v1/models", method="HEAD").status == 405


def test_the_time_of_a_model_is_the_same_in_every_zone():
    with serve(utc_offset=-480) as server:
        (listed, *_) = ask(server, "/v1/models", method="GET").json["data"]
        known = server.store.models()[0]
        assert (listed["id"], listed["created"]) == (known.name.short, known.modified_at // 10**9)


def test_the_cloud_is_asked_or_refuses_in_the_native_form():
    body = {"model": "gpt-oss:20b-cloud", "messages": SKY}
    with serve(delay=0) as server:
        answer = ask(server, CHAT, body)
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert answer.json["model"] == "gpt-oss:20b"
    with serve(signed_in=False) as server:
        assert ask(server, CHAT, body).json["error"] == "unauthorized"
        assert ask(server, "/v1/models/x:cloud", method="GET").status == 401
    with serve(cloud_disabled=True) as server:
        answer = ask(server, "/v1/models/x:cloud", method="GET")
        assert answer.status == 403
        told = "ollama cloud is disabled: remote model details are unavailable"
        assert answer.json == {"error": told}


def test_the_error_of_a_remote_host_has_its_status_line():
    remote = Model("far", remote_model="far", remote_host="https://ollama.com:443")
    with serve(models=[remote]) as server:
        server.say(Answer(error="rate limited", status=429, early=True))
        told = error(server, CHAT, {"model": "far", "messages": SKY})
        assert told == (429, "429 Too Many Requests: rate limited", "api_error")


def test_what_a_client_sent_is_what_is_recorded():
    with serve(delay=0) as server:
        body = {"model": "llama3.2", "messages": SKY}
        ask(server, CHAT, body)
        (recorded,) = server.requests
        assert recorded.wait() == "sent"
        assert (recorded.path, recorded.json()) == (CHAT, body)


def test_hanging_up_ends_the_generation_and_frees_the_model():
    import socket

    with serve() as server:
        server.say(Answer(pieces=[("content", "a")] * 100_000, delay=0.001))
        data = json.dumps({"model": "llama3.2", "messages": SKY, "stream": True}).encode()
        with socket.create_connection(("127.0.0.1", server.port), 10) as peer:
            head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n"
            peer.sendall(head.encode() + data)
            peer.recv(1)
        (recorded,) = server.requests
        assert recorded.wait() == "hung up"
        (loaded,) = server.store.loaded()
        assert loaded.busy == 0


# Anthropic's messages and OpenAI's responses

MESSAGES = "/v1/messages"
RESPONSES = "/v1/responses"


def events(server: Server, path: str, body: Dict[str, Any]) -> List[Any]:
    answer = ask(server, path, {**body, "stream": True})
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-cache"
    told = []
    for event in answer.body.decode().split("\n\n")[:-1]:
        name, data = event.split("\n")
        told.append(json.loads(data[len("data: ") :]))
        assert name == f"event: {told[-1]['type']}"
    return told


@pytest.fixture
def thinker():
    model = Model("m", capabilities=("completion", "tools", "thinking", "vision"), path="native")
    with serve(models=[model, "llama3.2"], delay=0) as server:
        yield server


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"model": ""}, "model is required"),
        ({"max_tokens": 0}, "max_tokens is required and must be positive"),
        ({"messages": []}, "messages is required"),
        (
            {"messages": [{"content": [{"type": "image", "source": {"type": "url"}}]}]},
            "invalid image source type: url. Only base64 images are supported.",
        ),
    ],
)
def test_a_message_that_makes_no_sense_is_refused(shared, change, text):
    body = {"model": "llama3.2", "max_tokens": 10, "messages": SKY, **change}
    answer = ask(shared, MESSAGES, body)
    told = answer.json
    assert (answer.status, told["type"]) == (400, "error")
    assert told["error"] == {"type": "invalid_request_error", "message": text}
    assert len(told["request_id"]) == len("req_") + 24


def test_thinking_text_and_calls_are_blocks_of_a_message(thinker):
    tool = {"name": "f", "input_schema": {"type": "object"}}
    body = {"model": "m", "max_tokens": 10, "messages": SKY, "tools": [tool]}
    said = Answer("x y", thinking="hm", tool_calls=[{"name": "f", "arguments": {"a": 1}}])
    thinker.say(said, said)
    whole = ask(thinker, MESSAGES, body).json
    assert [block["type"] for block in whole["content"]] == ["thinking", "text", "tool_use"]
    assert (whole["stop_reason"], whole["content"][2]["input"]) == ("tool_use", {"a": 1})
    told = events(thinker, MESSAGES, body)
    assert [event["type"] for event in told] == [
        "message_start",
        *("content_block_start", "content_block_delta", "content_block_stop"),
        *("content_block_start", "content_block_delta", "content_block_delta"),
        "content_block_stop",
        *("content_block_start", "content_block_delta", "content_block_stop"),
        *("message_delta", "message_stop"),
    ]
    assert told[9]["delta"] == {"type": "input_json_delta", "partial_json": '{"a":1}'}
    assert told[-2]["delta"] == {"stop_reason": "tool_use"}
    assert told[-2]["usage"] == whole["usage"]


def test_a_message_can_hold_pictures_calls_and_results(thinker):
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    body = {
        "model": "m",
        "max_tokens": 100,
        "system": [{"type": "text", "text": "Be brief."}],
        "thinking": {"type": "disabled"},
        "messages": [{"role": "user", "content": [{"type": "image", "source": source}]}],
    }
    (block,) = ask(thinker, MESSAGES, body).json["content"]
    assert block["text"] == "The picture is a PNG of 3 by 2 pixels."
    call = {"type": "tool_use", "id": "c1", "name": "f", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "c1", "content": "21 degrees"}
    body["messages"] = [
        *SKY,
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]
    (block,) = ask(thinker, MESSAGES, body).json["content"]
    assert block["text"] == "f says: 21 degrees"


def test_thinking_is_let_drop_for_a_model_that_cannot(thinker):
    thinking = {"type": "enabled", "budget_tokens": 1024}
    body = {"model": "llama3.2", "max_tokens": 10, "messages": SKY, "thinking": thinking}
    assert ask(thinker, MESSAGES, body).json["content"][0]["type"] == "text"
    assert ask(thinker, MESSAGES, {**body, "model": "m"}).json["content"][0]["type"] == "thinking"


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({"type": "x"}, 'input[0]: unknown input item type: "x"'),
        ({}, "input[0]: input item missing required 'type' field"),
    ],
)
def test_an_item_that_is_none_is_refused(shared, item, text):
    body = {"model": "llama3.2", "input": [item]}
    assert error(shared, RESPONSES, body) == (400, text, "invalid_request_error")


def test_thinking_text_and_calls_are_items_of_a_response(thinker):
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}
    body = {"model": "m", "input": "hi", "tools": [tool], "temperature": 0.5}
    said = Answer("x y", thinking="hm", tool_calls=[{"name": "f", "arguments": {"a": 1}}])
    thinker.say(said, said)
    whole = ask(thinker, RESPONSES, body).json
    kinds = ["reasoning", "message", "function_call"]
    assert [item["type"] for item in whole["output"]] == kinds
    assert (whole["tools"], whole["temperature"]) == ([tool], 0.5)
    told = events(thinker, RESPONSES, body)
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    assert all(list(event) == sorted(event) for event in told)
    done = [event for event in told if event["type"] == "response.output_item.done"]
    assert [event["output_index"] for event in done] == [0, 1, 2]
    last = told[-1]["response"]
    assert last["output"] == [event["item"] for event in done]
    assert [item["type"] for item in last["output"]] == kinds
    assert json.loads(last["output"][2]["arguments"]) == {"a": 1}
    assert last["usage"] == whole["usage"]


def test_the_items_of_a_response_can_be_sent_back(thinker):
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = {"type": "function", "name": "get_weather", "parameters": parameters}
    items = [{"role": "user", "content": "What is the weather in Paris?"}]
    body = {"model": "m", "input": items, "tools": [tool]}
    output = ask(thinker, RESPONSES, body).json["output"]
    call = output[-1]
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "21 degrees"}
    body["input"] = [*items, *output, result]
    message = ask(thinker, RESPONSES, body).json["output"][-1]
    assert message["content"][0]["text"] == "get_weather says: 21 degrees"


def test_a_response_has_the_form_that_was_asked_for(shared):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    form = {"type": "json_schema", "name": "N", "schema": schema}
    body = {"model": "llama3.2", "input": "hi", "text": {"format": form}}
    answer = ask(shared, RESPONSES, body).json
    assert answer["text"] == {"format": form}
    assert list(json.loads(answer["output"][0]["content"][0]["text"])) == ["n"]


@pytest.mark.parametrize(("version", "connection"), [("1.1", ["close"]), ("1.0", [])])
def test_a_stream_of_named_events_keeps_no_connection_that_is_to_end(shared, version, connection):
    import http.client
    import socket

    data = json.dumps({"model": "llama3.2", "input": "hi", "stream": True}).encode()
    lines = [f"POST {RESPONSES} HTTP/{version}", "Host: localhost", "Connection: close"]
    head = "\r\n".join([*lines, f"Content-Length: {len(data)}", "", ""]).encode()
    with socket.create_connection(("127.0.0.1", shared.port), 10) as peer:
        peer.sendall(head + data)
        answer = http.client.HTTPResponse(peer)
        answer.begin()
        assert answer.headers.get_all("Connection", []) == connection
        assert b"response.completed" in answer.read()


@pytest.mark.parametrize(
    ("path", "body"),
    [(MESSAGES, {"max_tokens": 10, "messages": SKY}), (RESPONSES, {"input": "hi"})],
)
def test_a_stream_that_fails_just_ends(path, body):
    with serve(delay=0) as server:
        server.say(Answer("one two", error="broken", after=1))
        told = events(server, path, {"model": "llama3.2", **body})
    assert told[-1]["type"].endswith("delta")


# Transcriptions

HEAR = "/v1/audio/transcriptions"
WAV = b"RIFF\x24\0\0\0WAVEfmt \r\n--X\n\r\n\r\n"


def part(name: str, value: bytes, is_file: bool) -> bytes:
    named = f'name="{name}"; filename="{name}.wav"' if is_file else f'name="{name}"'
    head = f"--X-Y\r\nContent-Disposition: form-data; {named}\r\n\r\n"
    return head.encode() + value + b"\r\n"


def form(**fields: bytes) -> bytes:
    parts = [part(name, value, name == "file") for name, value in fields.items()]
    return b"".join(parts) + b"--X-Y--\r\n"


def hear(server: Server, body: bytes, kind: str = "multipart/form-data; boundary=X-Y") -> Any:
    return ask(server, HEAR, body, headers={"Content-Type": kind})


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (b"", "application/json", "request Content-Type isn't multipart/form-data"),
        (b"", "multipart/form-data", "no multipart boundary param in Content-Type"),
        (b"", "multipart/form-data; boundary=X-Y", "multipart: NextPart: EOF"),
        (form(file=WAV)[:-6], 'multipart/form-data; boundary="X-Y"', "multipart: NextPart: EOF"),
    ],
)
def test_a_form_that_is_none_is_refused(shared, body, kind, text):
    answer = hear(shared, body, kind)
    told = f"failed to parse multipart form: {text}"
    assert (answer.status, answer.json["error"]["message"]) == (400, told)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"file": WAV}, "model is required"),
        ({"model": b"gemma3"}, "file is required: http: no such file"),
        ({"model": b"gemma3", "file": b""}, "audio file is empty"),
    ],
)
def test_a_form_that_lacks_something_is_refused(shared, fields, text):
    answer = hear(shared, form(**fields))
    assert (answer.status, answer.json["error"]["message"]) == (400, text)


@pytest.mark.parametrize(
    ("name", "is_file", "text"),
    [("file", False, "file is required: http: no such file"), ("model", True, "model is required")],
)
def test_a_file_has_a_file_name_and_a_value_has_none(shared, name, is_file, text):
    parts = {"model": b"llama3.2", "file": WAV}
    told = b"".join(
        part(each, value, is_file if each == name else each == "file")
        for each, value in parts.items()
    )
    assert hear(shared, told + b"--X-Y--\r\n").json["error"]["message"] == text


def test_a_sound_is_heard_byte_by_byte(shared):
    answer = hear(shared, form(file=WAV, model=b"gemma3", language=b"en"))
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert answer.lines == [{"text": f"The sound has {len(WAV)} bytes."}]
    answer = hear(shared, form(file=WAV, model=b"gemma3", response_format=b"text"))
    assert answer.body == b"The sound has %d bytes." % len(WAV)
    answer = hear(shared, form(file=WAV, model=b"nope"))
    assert (answer.status, answer.json["error"]["type"]) == (404, "not_found_error")
