"""The mock server, over real sockets."""

import http.client
import json
import math
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

import pytest

from ollamalite._generated.description import TYPES
from ollamalite.mock import (
    Answer,
    Layer,
    Model,
    Server,
    _gojson,
    _gotypes,
    _govalues,
    _names,
    serve,
)

from .prompts import ADD

DESCRIPTION = Path(__file__).parent.parent / "openapi" / "ollama.yaml"
SKY = "Why is the sky blue?"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city",
        "parameters": {
            "type": "object",
            "required": ["city"],
            "properties": {
                "city": {"type": "string"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
        },
    },
}


class Reply(NamedTuple):
    status: int
    headers: Dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lines(self) -> List[Any]:
        return [json.loads(line) for line in self.body.split(b"\n") if line]


def ask(
    server: Server,
    path: str,
    body: Any = None,
    *,
    method: str = "POST",
    headers: Optional[Dict[str, str]] = None,
) -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, path, data, headers or {})
        answer = connection.getresponse()
        return Reply(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


def get(server: Server, path: str) -> Any:
    return ask(server, path, method="GET").json


def names(server: Server, path: str = "/api/tags") -> List[str]:
    return [model["name"] for model in get(server, path)["models"]]


def chat(server: Server, content: str, model: str = "llama3.2", **more: Any) -> Any:
    body = {"model": model, "messages": [{"role": "user", "content": content}], "stream": False}
    return ask(server, "/api/chat", {**body, **more}).json


def request_bytes(path: str, body: Any, version: str = "HTTP/1.1") -> bytes:
    data = json.dumps(body).encode()
    head = f"POST {path} {version}\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


@contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), 10) as peer:
        yield peer


def read_until(peer: socket.socket, mark: bytes) -> bytes:
    data = b""
    while mark not in data:
        more = peer.recv(1 << 16)
        assert more, data
        data += more
    return data


def read_all(peer: socket.socket) -> bytes:
    data = b""
    while True:
        more = peer.recv(1 << 16)
        if not more:
            return data
        data += more


# Its life


def test_a_server_has_an_address_only_while_it_runs() -> None:
    server = serve()
    with pytest.raises(RuntimeError, match="not started"):
        _ = server.url
    with server:
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert ask(server, "/", method="GET").body == b"Ollama is running"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), 1)
    server.close()


def test_closing_ends_open_streams_and_idle_connections_at_once() -> None:
    server = serve(delay=5).start()
    with connected(server) as streaming, connected(server) as idle:
        streaming.sendall(request_bytes("/api/generate", {"model": "llama3.2", "prompt": "x"}))
        idle.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        read_until(idle, b"running")
        started = time.monotonic()
        server.close()
        assert time.monotonic() - started < 1
        assert read_all(idle) == b""
        read_all(streaming)
    assert not [thread for thread in threading.enumerate() if thread.name == "mock ollama"]


def test_a_taken_address_is_an_os_error() -> None:
    with serve() as first:
        with pytest.raises(OSError, match="in use"):
            serve(port=first.port).start()


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no Unix sockets")
def test_a_server_can_listen_on_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "mock.sock"
    with serve(host=f"unix://{path}") as server:
        assert server.url == f"unix://{path}"
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(path))
            peer.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert read_all(peer).endswith(b"Ollama is running")
    assert not path.exists()


def test_the_command_says_where_it_listens_and_ends_with_control_c() -> None:
    command = [sys.executable, "-m", "ollamalite.mock", "--port", "0", "--delay", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        match = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        assert match, line
        connection = http.client.HTTPConnection("127.0.0.1", int(match.group(1)), timeout=10)
        connection.request("GET", "/api/version")
        assert "version" in json.loads(connection.getresponse().read())
        connection.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_the_command_reports_a_taken_port_and_fails() -> None:
    with serve() as server:
        command = [sys.executable, "-m", "ollamalite.mock", "--port", str(server.port)]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "cannot listen" in done.stderr
    assert "Traceback" not in done.stderr


# What it says


def test_a_fresh_server_has_models_for_text_tools_thoughts_pictures_and_vectors() -> None:
    with serve() as server:
        models = {
            model["name"]: model["capabilities"] for model in get(server, "/api/tags")["models"]
        }
    assert models["llama3.2:latest"] == ["completion", "tools"]
    for capability in ("thinking", "vision", "embedding"):
        assert any(capability in capabilities for capabilities in models.values())


def test_an_answer_depends_on_the_prompt_and_on_nothing_else() -> None:
    with serve() as server:
        first = chat(server, "Tell me about bicycles")["message"]["content"]
        assert "bicycles" in first
        assert chat(server, "Tell me about bicycles")["message"]["content"] == first
        assert chat(server, "Tell me about trains")["message"]["content"] != first
        assert "Rayleigh" in chat(server, SKY)["message"]["content"]
        assert chat(server, "What is 12 * 3?")["message"]["content"] == "12 * 3 = 36."


def test_a_stream_comes_word_by_word_and_adds_up_to_the_whole_answer() -> None:
    with serve() as server:
        body = {"model": "llama3.2", "messages": [{"role": "user", "content": SKY}]}
        pieces = ask(server, "/api/chat", body).lines
        whole = chat(server, SKY)
    assert len(pieces) > 10
    assert "".join(piece["message"]["content"] for piece in pieces) == whole["message"]["content"]
    assert [piece["done"] for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert pieces[-1]["eval_count"] == whole["eval_count"] == len(pieces) - 1


def test_each_piece_is_sent_before_the_next_one_is_thought_of() -> None:
    with serve(delay=0.2) as server, connected(server) as peer:
        server.say("one two three")
        peer.sendall(request_bytes("/api/generate", {"model": "llama3.2", "prompt": "x"}))
        assert b"two" not in read_until(peer, b'"one"')
        assert b"three" not in read_until(peer, b'" two"')
        read_until(peer, b"0\r\n\r\n")


def test_a_tool_is_called_with_arguments_that_fit_and_its_result_is_used() -> None:
    with serve() as server:
        asked = {"role": "user", "content": "What is the weather in Tokyo?"}
        body = {"model": "llama3.2", "messages": [asked], "tools": [ADD, WEATHER]}
        called = ask(server, "/api/chat", body).lines
        function = called[0]["message"]["tool_calls"][0]["function"]
        assert function == {"index": 0, "name": "get_weather", "arguments": {"city": "Tokyo"}}
        assert not called[0]["done"]
        assert called[-1]["done"]
        assert "tool_calls" not in called[-1]["message"]
        result = {"role": "tool", "content": "22 °C", "tool_name": "get_weather"}
        body["messages"] = [asked, called[0]["message"], result]
        said = ask(server, "/api/chat", {**body, "stream": False}).json["message"]
        assert "22 °C" in said["content"]
        assert "tool_calls" not in said
        sums = chat(server, "Please add 2.5 and 4", tools=[ADD, WEATHER])["message"]
        assert sums["tool_calls"][0]["function"]["arguments"] == {"a": 2.5, "b": 4}


def test_the_ways_of_generating_differ_in_where_tool_calls_stand() -> None:
    models = [
        Model(f"m-{path}", capabilities=("completion", "tools"), path=path)
        for path in ("native", "rendered", "harmony")
    ]
    with serve(models=models) as server:
        for path, done in (("native", True), ("rendered", False), ("harmony", True)):
            messages = [{"role": "user", "content": "Weather?"}]
            body = {"model": f"m-{path}", "messages": messages, "tools": [WEATHER]}
            lines = ask(server, "/api/chat", body).lines
            (carrier,) = (line for line in lines if "tool_calls" in line["message"])
            assert carrier["done"] is done


def test_thoughts_come_first_and_only_where_they_are_wanted() -> None:
    with serve() as server:
        lines = ask(server, "/api/generate", {"model": "qwen3", "prompt": SKY}).lines
        kinds = ["thinking" in line for line in lines[:-1]]
        assert kinds == sorted(kinds, reverse=True)
        assert kinds[0]
        assert not kinds[-1]
        assert "thinking" not in chat(server, SKY, "qwen3", think=False)["message"]
        longer = chat(server, SKY, "qwen3", think="high")["message"]["thinking"]
        assert len(longer) > len(chat(server, SKY, "qwen3", think="low")["message"]["thinking"])


def test_format_gives_json_that_fits_the_schema() -> None:
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "age": {"type": "integer", "minimum": 18},
            "pets": {"type": "array", "items": {"enum": ["cat", "dog"]}, "minItems": 1},
        },
        "required": ["name", "age", "pets"],
    }
    with serve() as server:
        said = json.loads(chat(server, "Ada is 36", format=schema)["message"]["content"])
        assert said["name"] == "Ada"
        assert said["age"] == 36
        assert set(said["pets"]) <= {"cat", "dog"}
        free = json.loads(chat(server, SKY, format="json")["message"]["content"])
        assert isinstance(free, dict)


def test_log_probabilities_come_with_every_piece() -> None:
    with serve() as server:
        server.say("a b", "a b")
        whole = chat(server, SKY, logprobs=True, top_logprobs=3)
        assert [entry["token"] for entry in whole["logprobs"]] == ["a", " b"]
        assert all(len(entry["top_logprobs"]) == 3 for entry in whole["logprobs"])
        assert whole["logprobs"][1]["bytes"] == [32, 98]
        assert "top_logprobs" not in chat(server, SKY, logprobs=True)["logprobs"][0]


def test_a_picture_is_looked_at() -> None:
    png = (
        "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR4nGP4z8AARAwQCgAf7gP9i18U1AAAAABJ"
        "RU5ErkJggg=="
    )
    with serve() as server:
        body = {"model": "gemma3", "prompt": "What is this?", "images": [png], "stream": False}
        assert "PNG of 2 by 2" in ask(server, "/api/generate", body).json["response"]


def test_vectors_have_length_one_and_are_closer_for_similar_texts() -> None:
    texts = ["The sky is blue", "Why is the sky so blue?", "Invoices are due in March"]
    with serve() as server:
        body = {"model": "embeddinggemma", "input": texts}
        first = ask(server, "/api/embed", body).json["embeddings"]
        assert ask(server, "/api/embed", body).json["embeddings"] == first
        short = ask(server, "/api/embed", {**body, "dimensions": 8}).json["embeddings"]
        old = ask(server, "/api/embeddings", {"model": "embeddinggemma", "prompt": texts[0]}).json
    assert [len(vector) for vector in first] == [768] * 3
    assert [len(vector) for vector in short] == [8] * 3
    for vector in first + short:
        assert math.isclose(math.fsum(value * value for value in vector), 1, rel_tol=1e-5)
    sky, why, bill = first

    def likeness(one: List[float], other: List[float]) -> float:
        return sum(a * b for a, b in zip(one, other))

    assert likeness(sky, why) > likeness(sky, bill) + 0.2
    assert likeness(sky, old["embedding"]) > 1.5


def test_num_predict_and_stop_end_an_answer() -> None:
    with serve() as server:
        server.say("one two three", "one two three")
        cut = chat(server, "x", options={"num_predict": 2})
        assert cut["message"]["content"] == "one two"
        assert cut["done_reason"] == "length"
        stopped = chat(server, "x", options={"stop": ["wo"]})
        assert stopped["message"]["content"] == "one t"
        assert stopped["done_reason"] == "stop"


def test_system_one_answers_each_kind_of_question() -> None:
    questions = {
        "team": {
            "type": "choice",
            "instructions": "Who?",
            "criteria": {"billing": "money", "help": None},
        },
        "urgent": {"type": "noul", "instructions": "Is it urgent?"},
        "anger": {"type": "score", "instructions": "How angry?", "criteria": ["calm", "furious"]},
    }
    with serve() as server:
        body = {
            "model": "llama3.2",
            "state": {"text": "Where is my money?"},
            "questions": questions,
        }
        answer = ask(server, "/v1/systemone", body).json
    team, urgent, anger = (answer["answers"][key] for key in questions)
    assert team["choice"] == "billing"
    assert math.isclose(sum(team["probabilities"].values()), 1, abs_tol=1e-5)
    assert 0 <= urgent["noul"] <= 1
    assert 0 <= anger["score"] <= 1
    assert anger["legend"] == {"0": "calm", "1": "furious"}


# What tests can tell it


def test_a_test_can_say_what_comes_next() -> None:
    with serve() as server:
        server.say(
            "Plain text.",
            Answer("And then", thinking="Hm.", tool_calls=[{"name": "add", "arguments": {"a": 1}}]),
        )
        assert chat(server, "x")["message"] == {"role": "assistant", "content": "Plain text."}
        second = chat(server, "x")["message"]
        assert second["content"] == "And then"
        assert second["thinking"] == "Hm."
        assert second["tool_calls"][0]["function"]["arguments"] == {"a": 1}
        assert chat(server, "x")["message"]["content"] != "Plain text."


def test_a_test_can_let_a_stream_fail_in_the_middle_or_just_end() -> None:
    with serve() as server:
        server.say(
            Answer("one two three", error="boom <1>", after=2), Answer("one", finished=False)
        )
        body = {"model": "llama3.2", "prompt": "x"}
        failed = ask(server, "/api/generate", body)
        assert failed.status == 200
        assert [line.get("response") for line in failed.lines] == ["one", " two", None]
        assert failed.body.endswith(b'{"error":"boom \\u003c1\\u003e"}\n')
        assert [line["done"] for line in ask(server, "/api/generate", body).lines] == [False]


def test_a_test_can_let_a_request_fail_before_anything_is_sent() -> None:
    busy = "server busy, please try again.  maximum pending requests exceeded"
    with serve() as server:
        server.say(Answer(error=busy, status=503, early=True), Answer(error="crash", after=0))
        body = {"model": "llama3.2", "prompt": "x"}
        first = ask(server, "/api/generate", body)
        assert (first.status, first.json) == (503, {"error": busy})
        assert "Content-Length" in first.headers
        second = ask(server, "/api/generate", body)
        assert (second.status, second.json) == (500, {"error": "crash"})
        assert second.headers["Content-Type"] == "application/json"


def test_a_test_can_let_a_transfer_fail() -> None:
    with serve() as server:
        server.say(Answer(error="max retries exceeded: EOF", after=2))
        lines = ask(server, "/api/pull", {"model": "tinyllama"}).lines
        assert len(lines) == 3
        assert lines[-1] == {"error": "max retries exceeded: EOF"}
        assert "tinyllama:latest" not in names(server)


def test_requests_are_recorded_with_headers_and_body() -> None:
    with serve(record_limit=2) as server:
        ask(server, "/", method="GET")
        ask(server, "/api/version?a=1", method="GET")
        ask(server, "/api/show", {"model": "llama3.2"}, headers={"X-Odd": "1"})
        first, last = server.requests
    assert (first.method, first.target, first.path) == ("GET", "/api/version?a=1", "/api/version")
    assert last.json() == {"model": "llama3.2"}
    assert last.header("x-odd") == "1"
    assert last.header("x-none") is None
    assert last.wait() == "sent"


def test_a_client_that_hangs_up_is_noticed_at_once() -> None:
    with serve(delay=30) as server:
        server.say(Answer("never said"), Answer("one two", delay=0.01))
        with connected(server) as peer:
            peer.sendall(request_bytes("/api/generate", {"model": "llama3.2", "prompt": "x"}))
            while not server.requests:
                time.sleep(0.001)
        assert server.requests[0].wait(1) == "hung up"
        ask(server, "/api/generate", {"model": "llama3.2", "prompt": "x"})
        assert server.requests[1].wait(1) == "sent"


def test_connections_are_counted_and_can_be_ended() -> None:
    with serve() as server, connected(server) as peer:
        for _ in range(3):
            peer.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            read_until(peer, b"running")
        assert server.connections_opened == server.connections_open == 1
        server.disconnect()
        assert read_all(peer) == b""


# The store


def test_copy_and_delete_change_what_tags_says() -> None:
    with serve() as server:
        assert (
            ask(server, "/api/copy", {"source": "LLAMA3.2", "destination": "me/Mine:v1"}).status
            == 200
        )
        assert names(server)[0] == "me/Mine:v1"
        assert ask(server, "/api/show", {"model": "me/mine:V1"}).status == 200
        assert ask(server, "/api/delete", {"model": "me/mine:v1"}, method="DELETE").status == 200
        assert "me/Mine:v1" not in names(server)


def test_a_pulled_model_is_there_and_a_second_pull_is_quick() -> None:
    with serve() as server:
        first = ask(server, "/api/pull", {"model": "all-minilm"}).lines
        assert [line["status"] for line in first if "digest" not in line] == [
            "pulling manifest",
            "verifying sha256 digest",
            "writing manifest",
            "success",
        ]
        assert all(line.get("completed", 0) <= line["total"] for line in first if "digest" in line)
        assert "all-minilm:latest" in names(server)
        assert len(ask(server, "/api/pull", {"model": "all-minilm"}).lines) < len(first)
        once = ask(server, "/api/pull", {"model": "tinyllama", "stream": False})
        assert (once.json, once.headers["Content-Type"]) == (
            {"status": "success"},
            "application/json",
        )


def test_a_pushed_model_can_be_pulled_again() -> None:
    with serve() as server:
        ask(server, "/api/copy", {"source": "llama3.2", "destination": "me/mine"})
        assert ask(server, "/api/push", {"model": "me/mine"}).lines[-1] == {"status": "success"}
        ask(server, "/api/delete", {"model": "me/mine"}, method="DELETE")
        assert ask(server, "/api/pull", {"model": "me/mine"}).lines[-1] == {"status": "success"}
        assert "me/mine:latest" in names(server)
        assert "DENIED" in ask(server, "/api/push", {"model": "llama3.2"}).lines[-1]["error"]


def test_a_created_model_keeps_what_it_was_created_with() -> None:
    with serve() as server:
        body = {
            "model": "pirate",
            "from": "llama3.2",
            "system": "You are a pirate.",
            "parameters": {"temperature": 0.5, "stop": ["x"], "num_ctx": 2048},
            "messages": [{"role": "user", "content": "Ahoy"}],
            "license": ["One", "Two"],
        }
        assert ask(server, "/api/create", {**body, "stream": False}).json == {"status": "success"}
        shown = ask(server, "/api/show", {"model": "pirate"}).json
        assert shown["system"] == "You are a pirate."
        assert shown["license"] == "One\nTwo"
        assert shown["messages"] == body["messages"]
        assert shown["details"]["parent_model"] == "llama3.2:latest"
        assert "temperature                    0.5" in shown["parameters"].splitlines()
        assert 'stop                           "x"' in shown["parameters"].splitlines()
        assert "SYSTEM You are a pirate.\n" in shown["modelfile"]
        chat(server, "x", "pirate")
        assert get(server, "/api/ps")["models"][0]["context_length"] == 2048


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"stop": "<|end|>"}, 'option "stop" must be of type array'),
        ({"stop": 5}, 'option "stop" must be of type array'),
        ({"stop": [5]}, 'option "stop" must be of an array of strings'),
        ({"seed": "x"}, 'option "seed" must be of type integer'),
        ({"num_ctx": "x"}, 'option "num_ctx" must be of type integer'),
        ({"temperature": []}, 'option "temperature" must be of type float32'),
    ],
)
def test_parameters_of_a_model_are_checked_as_options_of_a_request(
    parameters: Dict[str, Any], text: str
) -> None:
    with serve() as server:
        body = {"model": "q", "from": "llama3.2", "parameters": parameters, "stream": False}
        assert ask(server, "/api/create", body).json == {"status": "success"}
        for path, more in (
            ("/api/generate", {"prompt": "x"}),
            ("/api/generate", {}),
            ("/api/chat", {"messages": [{"role": "user", "content": "x"}]}),
            ("/api/embed", {"input": "x"}),
            ("/api/embeddings", {"prompt": "x"}),
        ):
            answer = ask(server, path, {"model": "q", **more})
            assert (answer.status, answer.json) == (500, {"error": text})


def test_parameters_of_a_model_are_numbers_of_the_type_of_their_option() -> None:
    with serve() as server:
        parameters = {"num_predict": 3.0, "seed": 7.9, "num_ctx": 2048.0, "of_mine": {}}
        body = {"model": "q", "from": "llama3.2", "parameters": parameters, "stream": False}
        assert ask(server, "/api/create", body).json == {"status": "success"}
        answer = chat(server, SKY, "q")
        assert (answer["message"]["content"], answer["done_reason"]) == ("The sky is", "length")
        assert get(server, "/api/ps")["models"][0]["context_length"] == 2048


@pytest.mark.parametrize("model", ["llama3.2", "gpt-oss:20b-cloud"])
@pytest.mark.parametrize(
    ("info", "text"),
    [
        ({"capabilities": 5}, 'info field "capabilities" must be a list of strings'),
        ({"capabilities": "tools"}, 'info field "capabilities" must be a list of strings'),
        ({"capabilities": ["tools", 5]}, 'info field "capabilities" must be a list of strings'),
        ({"base_name": 5}, 'info field "base_name" must be a string'),
        ({"context_length": "5"}, 'info field "context_length" must be a number'),
        ({"context_length": 1.5}, 'info field "context_length" must be a non-negative integer'),
    ],
)
def test_facts_of_a_model_must_have_their_type(model: str, info: Dict[str, Any], text: str) -> None:
    with serve() as server:
        answer = ask(server, "/api/create", {"model": "q", "from": model, "info": info})
        assert (answer.status, answer.json) == (400, {"error": text})


def test_a_model_can_be_created_from_a_model_that_is_pulled_for_it() -> None:
    with serve() as server:
        lines = ask(
            server, "/api/create", {"model": "mine", "from": "tinyllama", "quantize": "q8_0"}
        ).lines
        assert lines[0] == {"status": "pulling manifest"}
        assert lines[-1] == {"error": "quantization is only supported for F16, BF16 and F32 models"}
        assert ask(server, "/api/create", {"model": "mine", "from": "tinyllama"}).lines[-1] == {
            "status": "success"
        }


def test_blobs_are_checked_kept_and_known() -> None:
    import hashlib

    data = b"x" * 3_000_000
    path = "/api/blobs/sha256:" + hashlib.sha256(data).hexdigest()
    with serve() as server:
        assert ask(server, path, method="HEAD").status == 404
        assert ask(server, path, b"y").status == 400
        assert ask(server, path, data).status == 201
        assert ask(server, path, method="HEAD").status == 200
        assert ask(server, path, b"whatever").status == 200
        assert ask(server, "/api/blobs/sha256:../../etc/passwd", b"x").status == 307
        assert ask(server, "/api/blobs/sha256:zz", b"x").json == {"error": "invalid digest format"}


def test_uploads_and_bodies_have_limits() -> None:
    path = "/api/blobs/sha256:" + "0" * 64
    with serve(blob_limit=10, body_limit=20) as server:
        full = ask(server, path, b"more than ten bytes")
        assert (full.status, full.json) == (500, {"error": "no space left on device"})
        large = ask(server, "/api/show", {"model": "a name of many letters"})
        assert (large.status, large.json) == (400, {"error": "http: request body too large"})


def test_connections_have_a_limit() -> None:
    with serve(connection_limit=1) as server, connected(server) as first:
        first.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        read_until(first, b"running")
        with connected(server) as second:
            assert read_all(second) == b""


def test_keep_alive_decides_what_ps_shows() -> None:
    with serve() as server:
        load = {"model": "llama3.2", "prompt": ""}
        assert ask(server, "/api/generate", load).json["done_reason"] == "load"
        assert names(server, "/api/ps") == ["llama3.2:latest"]
        ask(server, "/api/embed", {"model": "embeddinggemma", "input": "x", "keep_alive": -1})
        assert names(server, "/api/ps") == ["embeddinggemma:latest", "llama3.2:latest"]
        ask(server, "/api/chat", {"model": "qwen3", "messages": [], "keep_alive": "1ms"})
        deadline = time.monotonic() + 5
        while "qwen3:latest" in names(server, "/api/ps"):
            assert time.monotonic() < deadline
        unload = {"model": "llama3.2", "keep_alive": 0}
        assert ask(server, "/api/generate", unload).json["done_reason"] == "unload"
        assert names(server, "/api/ps") == ["embeddinggemma:latest"]
        chat(server, "x", "qwen3", keep_alive=0)
        assert names(server, "/api/ps") == ["embeddinggemma:latest"]


def test_a_loaded_model_keeps_its_time_when_a_request_gives_none() -> None:
    with serve() as server:
        ask(server, "/api/generate", {"model": "llama3.2", "keep_alive": "200h"})
        chat(server, "x")
        expires = get(server, "/api/ps")["models"][0]["expires_at"]
        assert time.strptime(expires[:10], "%Y-%m-%d") > time.gmtime(time.time() + 7 * 86400)


# The cloud


def test_the_cloud_routes_exist_only_on_the_cloud_and_want_a_key() -> None:
    body = {"query": "sky", "max_results": 2}
    with serve() as server:
        assert ask(server, "/api/web_search", body).body == b"404 page not found"
    with serve(cloud=True) as server:
        assert ask(server, "/api/web_search", body).status == 401
        key = {"Authorization": "Bearer secret"}
        found = ask(server, "/api/web_search", body, headers=key)
        assert len(found.json["results"]) == 2
        page = ask(server, "/api/web_fetch", {"url": "https://example.org/x"}, headers=key).json
        assert "example.org" in page["title"]


def test_signing_out_changes_what_the_account_routes_say() -> None:
    with serve() as server:
        assert ask(server, "/api/me").json["name"] == "ada"
        assert ask(server, "/api/experimental/web_search", {"query": "sky"}).status == 200
        assert ask(server, "/api/signout").body == b"null"
        me = ask(server, "/api/me")
        assert me.status == 401
        assert me.json["signin_url"].startswith("https://ollama.com/connect?")
        assert ask(server, "/api/experimental/web_search", {"query": "sky"}).status == 401
        assert (
            ask(server, "/api/chat", {"model": "gpt-oss:20b-cloud", "messages": []}).status == 401
        )


def test_cloud_names_are_answered_as_relayed() -> None:
    with serve() as server:
        said = ask(server, "/api/chat", {
            "model": "gpt-oss:20b-cloud",
            "messages": [{"role": "user", "content": SKY}],
            "stream": False,
        })  # fmt: skip
    assert said.json["model"] == "gpt-oss:20b"
    assert said.headers["Transfer-Encoding"] == "chunked"


# HTTP


def test_requests_in_one_segment_are_answered_in_order() -> None:
    with serve() as server, connected(server) as peer:
        first = b"GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n"
        peer.sendall(
            first
            + request_bytes("/api/show", {"model": "nope"})
            + first.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        )
        statuses = re.findall(rb"HTTP/1.1 (\d+)", read_all(peer))
    assert statuses == [b"200", b"404", b"200"]


def test_a_stream_can_be_followed_by_another_request_that_waits_already() -> None:
    with serve(delay=0.001) as server, connected(server) as peer:
        server.say("one two", "three")
        generate = request_bytes("/api/generate", {"model": "llama3.2", "prompt": "x"})
        peer.sendall(generate + generate)
        data = read_until(peer, b'"three"')
        assert data.index(b'"one"') < data.index(b'" two"') < data.index(b'"three"')


def test_long_one_shot_replies_are_chunked_and_short_ones_have_a_length() -> None:
    with serve() as server:
        server.say("x" * 100, "x" * 3000)
        assert int(request_reply(server).headers["Content-Length"]) < 2048
        long = request_reply(server)
        assert "Content-Length" not in long.headers
        assert long.headers["Transfer-Encoding"] == "chunked"


def request_reply(server: Server) -> Reply:
    return ask(server, "/api/generate", {"model": "llama3.2", "prompt": "x", "stream": False})


@pytest.mark.parametrize(
    ("sent", "start"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 400 Bad Request: missing required Host header\r\n"),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", b"HTTP/1.1 505 HTTP Version Not Supported: "),
        (b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n"),
        (b"GET x HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n"),
        (b"G\x00T / HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"HTTP/1.1 400 "),
        (
            b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            b"HTTP/1.1 400 ",
        ),
        (b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n"),
        (b"GET / HTTP/1.1\r\nHost: lo", b"HTTP/1.1 400 Bad Request\r\n"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"HTTP/1.1 200 OK\r\n"),
        (b"GET / HTTP/1.1\nHost: localhost\nConnection: close\n\n", b"HTTP/1.1 200 OK\r\n"),
        (b"GET http://localhost/ HTTP/1.0\r\n\r\n", b"HTTP/1.0 200 OK\r\n"),
    ],
)
def test_odd_requests_get_the_answer_of_the_real_server(sent: bytes, start: bytes) -> None:
    with serve() as server, connected(server) as peer:
        peer.sendall(sent)
        peer.shutdown(socket.SHUT_WR)
        assert read_all(peer).startswith(start)


@pytest.mark.parametrize(
    ("method", "path", "status", "location"),
    [
        ("GET", "/api/tags/", 301, "/api/tags"),
        ("POST", "/api/chat/", 307, "/api/chat"),
        ("GET", "/api/../api/tags", 307, "/api/tags"),
        ("GET", "//api//tags?x=1", 307, "/api/tags?x=1"),
        ("GET", "/api/%74ags", 200, None),
        ("GET", "/api%2Ftags", 200, None),
        ("GET", "/api/nope/", 404, None),
        ("GET", "/API/tags", 404, None),
    ],
)
def test_paths_are_cleaned_as_the_real_server_cleans_them(
    method: str, path: str, status: int, location: Optional[str]
) -> None:
    with serve() as server:
        reply = ask(server, path, method=method)
    assert (reply.status, reply.headers.get("Location")) == (status, location)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("a.localhost", 200),
        ("x.local", 200),
        ("y.internal:80", 200),
        ("127.0.0.9", 200),
        ("[::1]:11434", 200),
        ("10.1.2.3", 200),
        ("0.0.0.0", 200),
        ("", 200),
        ("example.com", 403),
        ("192.0.2.1", 403),
        ("localhost.evil", 403),
        ("172.32.0.1", 403),
        ("999.1.1.1", 403),
        ("[2001:db8::1]", 403),
    ],
)
def test_only_hosts_of_this_machine_are_served(host: str, status: int) -> None:
    with serve() as server:
        reply = ask(server, "/api/version", method="GET", headers={"Host": host})
    assert reply.status == status
    assert bool(reply.body) == (status == 200)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:3000", True),
        ("https://127.0.0.1", True),
        ("app://x", True),
        ("http://localhost:3000.evil.com", True),
        ("http://localhost.evil.com", False),
        ("null", False),
        ("http://example.com", False),
        ("chrome-extension://abc", False),
    ],
)
def test_only_allowed_origins_are_served(origin: str, allowed: bool) -> None:
    with serve() as server:
        reply = ask(server, "/api/version", method="GET", headers={"Origin": origin})
    assert reply.status == (200 if allowed else 403)
    assert reply.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)


def test_a_handler_that_breaks_answers_as_go_recovers_and_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reported: List[Any] = []
    monkeypatch.setattr(threading, "excepthook", reported.append)
    with serve(models=[Model("odd", model_info={"no JSON": object()})]) as server:
        with connected(server) as peer:
            peer.sendall(request_bytes("/api/show", {"model": "odd"}))
            head = read_until(peer, b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
            assert head.endswith(b"\r\nContent-Length: 0\r\n\r\n")
            # The connection goes on.
            peer.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert read_all(peer).endswith(b"Ollama is running")
        assert server.requests[0].wait() == "sent"
    (report,) = reported
    assert report.exc_type is TypeError
    assert report.exc_traceback is not None


# The rules of Go


LEVELS = '"high", "medium", "low", "max", true, or false'
HUGE = "99999999999999999999"
FREE_MAP = "map[string]interface {}"


def unfit(found: str, field: str, wanted: str) -> str:
    return f"json: cannot unmarshal {found} into Go struct field {field} of type {wanted}"


@pytest.mark.parametrize(
    ("component", "body", "text"),
    [
        ("ChatRequest", "", "missing request body"),
        ("ChatRequest", " \n", "missing request body"),
        ("ChatRequest", '{"model":"x', "unexpected EOF"),
        ("ChatRequest", "[", "unexpected EOF"),
        (
            "ChatRequest",
            "{'a':1}",
            r"invalid character '\'' looking for beginning of object key string",
        ),
        (
            "ChatRequest",
            '{"a":1,}',
            "invalid character '}' looking for beginning of object key string",
        ),
        ("ChatRequest", '{"a" 1}', "invalid character '1' after object key"),
        ("ChatRequest", '{"a":1 "b"}', "invalid character '\"' after object key:value pair"),
        ("ChatRequest", "[1 2]", "invalid character '2' after array element"),
        ("ChatRequest", "[1,]", "invalid character ']' looking for beginning of value"),
        ("ChatRequest", '{"a":nul}', "invalid character '}' in literal null (expecting 'l')"),
        ("ChatRequest", '{"a":01}', "invalid character '1' after object key:value pair"),
        ("ChatRequest", '{"a":1.}', "invalid character '}' after decimal point in numeric literal"),
        ("ChatRequest", '{"a":-}', "invalid character '}' in numeric literal"),
        ("ChatRequest", '{"a":1e}', "invalid character '}' in exponent of numeric literal"),
        ("ChatRequest", '{"a":"\t"}', r"invalid character '\t' in string literal"),
        ("ChatRequest", r'{"a":"\x"}', "invalid character 'x' in string escape code"),
        (
            "ChatRequest",
            r'{"a":"\u12g4"}',
            r"invalid character 'g' in \u hexadecimal character escape",
        ),
        ("ChatRequest", "[]", "json: cannot unmarshal array into Go value of type api.ChatRequest"),
        ("ChatRequest", "5", "json: cannot unmarshal number into Go value of type api.ChatRequest"),
        (
            "ChatRequest",
            '{"tools":[{"function":{"name":5}}]}',
            unfit("number", "ToolFunction.tools.function.name", "string"),
        ),
        (
            "ChatRequest",
            '{"messages":[{"tool_calls":[{"function":{"name":true}}]}]}',
            unfit("bool", "ChatRequest.messages.tool_calls.function.name", "string"),
        ),
        (
            "ChatRequest",
            '{"model":1,"messages":[{"content":{}}]}',
            unfit("object", "ChatRequest.messages.content", "string"),
        ),
        ("ChatRequest", '{"tools":{}}', unfit("object", "ChatRequest.tools", "api.Tools")),
        (
            "ChatRequest",
            '{"options":[]}',
            unfit("array", "ChatRequest.options", FREE_MAP),
        ),
        ("ChatRequest", '{"stream":"x"}', unfit("string", "ChatRequest.stream", "bool")),
        (
            "GenerateRequest",
            '{"context":[1,"x"]}',
            unfit("string", "GenerateRequest.context", "int"),
        ),
        (
            "GenerateRequest",
            '{"top_logprobs":1.0}',
            unfit("number 1.0", "GenerateRequest.top_logprobs", "int"),
        ),
        (
            "GenerateRequest",
            f'{{"top_logprobs":{HUGE}}}',
            unfit(f"number {HUGE}", "GenerateRequest.top_logprobs", "int"),
        ),
        ("GenerateRequest", '{"images":["ab"]}', "illegal base64 data at input byte 0"),
        ("GenerateRequest", '{"images":["AAAA*"]}', "illegal base64 data at input byte 4"),
        ("GenerateRequest", '{"images":["AA=A"]}', "illegal base64 data at input byte 3"),
        ("GenerateRequest", '{"keep_alive":true}', "Unsupported type: 'bool'"),
        ("GenerateRequest", '{"keep_alive":[]}', "Unsupported type: '[]interface {}'"),
        (
            "GenerateRequest",
            '{"think":"x"}',
            f'invalid think value: "x" (must be {LEVELS})',
        ),
        (
            "GenerateRequest",
            '{"think":5}',
            f"think must be a boolean or string ({LEVELS})",
        ),
        ("CreateRequest", '{"files":{"a":5}}', unfit("number", "CreateRequest.files", "string")),
        (
            "ChatRequest",
            '{"options":{"seed":1e400,"top_k":-1e400}}',
            unfit("number 1e400", "ChatRequest.options", "float64"),
        ),
        (
            "ChatRequest",
            '{"options":{"stop":[{"a":-1e400}]}}',
            unfit("number -1e400", "ChatRequest.options", "float64"),
        ),
        (
            "ChatRequest",
            '{"options":{"seed":' + "1" * 5000 + "}}",
            unfit("number " + "1" * 5000, "ChatRequest.options", "float64"),
        ),
        (
            "ChatRequest",
            '{"top_logprobs":' + "1" * 5000 + "}",
            unfit("number " + "1" * 5000, "ChatRequest.top_logprobs", "int"),
        ),
        (
            "CreateRequest",
            '{"parameters":{"temperature":1e400}}',
            unfit("number 1e400", "CreateRequest.parameters", "float64"),
        ),
        (
            "CreateRequest",
            '{"info":{"context_length":1e400}}',
            unfit("number 1e400", "CreateRequest.info", "float64"),
        ),
        (
            "EmbedRequest",
            '{"input":[1e400]}',
            unfit("number 1e400", "EmbedRequest.input", "float64"),
        ),
        ("EmbeddingsRequest", '{"prompt":5}', unfit("number", "EmbeddingRequest.prompt", "string")),
    ],
)
def test_a_body_that_does_not_fit_is_refused_in_the_words_of_go(
    component: str, body: str, text: str
) -> None:
    with pytest.raises(_gotypes.BodyFault) as caught:
        _gotypes.decode(TYPES, component, body.encode())
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ('{"MODEL":"a","unknown":1} trailing', {"model": "a"}),
        ('{"model":"a","model":"b","model":null}', {"model": "b"}),
        ('{"stream":null,"options":null}', {}),
        ("null", {}),
        (r'{"prompt":"\u00e9\ud83d\ude00\ud800x"}', {"prompt": "é😀\ufffdx"}),
        ('{"think":"low","keep_alive":"1h30m"}', {"think": "low", "keep_alive": 5_400 * 10**9}),
        ('{"images":["AAEC",null,""]}', {"images": [b"\x00\x01\x02", b"", b""]}),
        ('{"width":"wide"}', {}),
    ],
)
def test_a_body_that_fits_gives_its_fields(body: str, fields: Dict[str, Any]) -> None:
    assert _gotypes.decode(TYPES, "GenerateRequest", body.encode()) == fields


@pytest.mark.parametrize(
    ("component", "body"),
    [
        ("GenerateRequest", '{"keep_alive":1e400}'),
        ("ChatRequest", '{"messages":[{"tool_calls":[{"function":{"arguments":{"a":1e400}}}]}]}'),
    ],
)
def test_a_number_beyond_64_bits_is_refused_where_a_type_decodes_itself(
    component: str, body: str
) -> None:
    with pytest.raises(_gotypes.BodyFault, match=r"^json: cannot unmarshal number 1e400 into Go "):
        _gotypes.decode(TYPES, component, body.encode())


def test_deep_nesting_is_refused_and_never_an_accident() -> None:
    deep = b'{"format":' + b"[" * 10_001
    with pytest.raises(_gotypes.BodyFault, match=r"invalid character '\[' exceeded max depth"):
        _gotypes.decode(TYPES, "ChatRequest", deep)
    fine = b'{"options":{"a":' + b"[" * 9_000 + b"]" * 9_000 + b"}}"
    assert "options" in _gotypes.decode(TYPES, "ChatRequest", fine)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (-0.0, "-0"),
        (0.1, "0.1"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1e-6, "0.000001"),
        (1.5e-7, "1.5e-7"),
        (123456.789, "123456.789"),
        (1e300, "1e+300"),
        (_gojson.Float32(0.1), "0.1"),
        (_gojson.Float32(_gojson.float32(1 / 3)), "0.33333334"),
        (_gojson.Float32(_gojson.float32(16777216)), "16777216"),
        ('<a&b>\u2028é\x00\x7f"\\/', '"\\u003ca\\u0026b\\u003e\\u2028é\\u0000\x7f\\"\\\\/"'),
        ({"b": [1, None, True], "a": {}}, '{"b":[1,null,true],"a":{}}'),
    ],
)
def test_values_are_written_as_go_writes_them(value: Any, text: str) -> None:
    assert _gojson.encode(value).decode() == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5m", 300),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("300ms", 0.3),
        ("1us", 1e-6),
        ("1µs", 1e-6),
        ("1ns", 1e-9),
        (".5s", 0.5),
        (f".5{'0' * 5000}s", 0.5),
        (f"{'0' * 5000}5s", 5),
        ("5.s", 5),
        ("+5s", 5),
        ("0", 0),
        ("-1m", -60),
    ],
)
def test_durations_are_read_as_go_reads_them(text: str, seconds: float) -> None:
    assert _govalues.parse_duration(text) == round(seconds * 10**9)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("5", 'time: missing unit in duration "5"'),
        ("", 'time: invalid duration ""'),
        ("abc", 'time: invalid duration "abc"'),
        (" 5s", 'time: invalid duration " 5s"'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        (".s", 'time: invalid duration ".s"'),
        (f"{'9' * 5000}s", f'time: invalid duration "{"9" * 5000}s"'),
    ],
)
def test_bad_durations_are_refused_in_the_words_of_go(text: str, fault: str) -> None:
    with pytest.raises(_govalues.ValueFault) as caught:
        _govalues.parse_duration(text)
    assert str(caught.value) == fault


@pytest.mark.parametrize(
    ("nanoseconds", "offset", "text"),
    [
        (0, 0, "1970-01-01T00:00:00Z"),
        (1_795_245_443_100_000_000, 0, "2026-11-21T07:17:23.1Z"),
        (1_795_245_443_000_000_001, -480, "2026-11-20T23:17:23.000000001-08:00"),
        (951_782_400_000_000_000, 330, "2000-02-29T05:30:00+05:30"),
        (4_107_542_399_000_000_000, 0, "2100-02-28T23:59:59Z"),
    ],
)
def test_times_are_written_as_go_writes_them(nanoseconds: int, offset: int, text: str) -> None:
    assert _govalues.timestamp(nanoseconds, offset) == text


VALID = [
    ("llama3.2", "llama3.2:latest"),
    ("llama3.2:3b-q8_0", "llama3.2:3b-q8_0"),
    ("me/m", "me/m:latest"),
    ("hf.co/bartowski/Llama-3.2-1B-GGUF:Q4_K_M", "hf.co/bartowski/Llama-3.2-1B-GGUF:Q4_K_M"),
    ("localhost:5000/n/m:t", "localhost:5000/n/m:t"),
    ("http://h:80/n/m", "h:80/n/m:latest"),
    ("registry.ollama.ai/library/m", "m:latest"),
    ("_m", "_m:latest"),
    ("m..x", "m..x:latest"),
    ("m" * 80, "m" * 80 + ":latest"),
]


@pytest.mark.parametrize(("text", "short"), VALID)
def test_a_valid_name_has_a_short_form(text: str, short: str) -> None:
    name = _names.parse(text)
    assert name.valid
    assert name.short == short


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-m",
        ".m",
        "m:-t",
        "n.s/m",
        "m+x",
        "m%20",
        "modèle",
        "a/b/c/d",
        "m:",
        ":t",
        "/m",
        "n//m",
        "m/",
        "m:t:u",
        "m@sha256:abc",
        "[::1]:80/n/m",
        "m" * 81,
        "a b",
    ],
)
def test_a_bad_name_is_not_valid(text: str) -> None:
    assert not _names.parse(text).valid


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("gpt-oss:120b-cloud", ("gpt-oss:120b", "cloud")),
        ("m:cloud", ("m", "cloud")),
        ("m:8b:CLOUD", ("m:8b", "cloud")),
        ("m:local", ("m", "local")),
        ("m-cloud", ("m-cloud", "")),
        (" m:8b ", ("m:8b", "")),
    ],
)
def test_suffixes_name_the_source_of_a_model(text: str, split: Tuple[str, str]) -> None:
    assert _names.split_source(text) == split


# The description


def examples() -> List[Tuple[str, str, Any]]:
    """Method, path and body of every example request of the description."""
    yaml = pytest.importorskip("yaml")
    found: List[Tuple[str, str, Any]] = []
    for path, item in yaml.safe_load(DESCRIPTION.read_text(encoding="utf-8"))["paths"].items():
        for method, operation in item.items():
            if method not in ("get", "post", "delete"):
                continue
            content = (
                operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            )
            bodies = [example["value"] for example in content.get("examples", {}).values()]
            found += [(method.upper(), path, body) for body in bodies or [None]]
    return found


def test_every_example_request_of_the_description_is_answered_as_described() -> None:
    yaml = pytest.importorskip("yaml")
    jsonschema = pytest.importorskip("jsonschema")
    description = yaml.safe_load(DESCRIPTION.read_text(encoding="utf-8"))
    wanted = {
        body["model"]
        for _, path, body in examples()
        if body and "model" in body and "pull" not in path
    }
    wanted |= {body["source"] for _, _, body in examples() if body and "source" in body}
    models = [
        Model(name, capabilities=("completion", "tools", "thinking", "insert", "vision"))
        for name in sorted(name for name in wanted if _names.parse(name).valid)
    ]
    checked = 0
    for method, path, body in examples():
        with serve(models=models, cloud=True) as server:
            url = path.replace("{digest}", "sha256:" + "0" * 64).replace("{encoded_key}", "x")
            data = b"" if "blobs" in path else body
            reply = ask(server, url, data, method=method, headers={"Authorization": "Bearer x"})
        described = description["paths"][path][method.lower()]["responses"]
        assert str(reply.status) in described, (path, body, reply)
        content = described[str(reply.status)].get("content", {})
        kind = reply.headers.get("Content-Type", "").partition(";")[0]
        if not reply.body:
            continue
        assert kind in content, (path, kind, content)
        if "json" not in kind:
            continue
        schema = content[kind].get("itemSchema") or content[kind].get("schema")
        whole = {**schema, "components": description["components"]}
        for line in reply.lines:
            jsonschema.Draft202012Validator(whole).validate(line)
            checked += 1
    assert checked > 100


def test_models_of_a_test_are_copied_into_the_server() -> None:
    model = Model("mine", weights=[Layer("model", "sha256:" + "1" * 64, 5)])
    with serve(models=[model, "qwen3:0.6b"]) as first, serve(models=[model]) as second:
        ask(first, "/api/create", {"model": "mine", "from": "mine", "system": "changed"})
        assert "system" in ask(first, "/api/show", {"model": "mine"}).json
        assert "system" not in ask(second, "/api/show", {"model": "mine"}).json
    with pytest.raises(ValueError, match="not a model name"):
        serve(models=["a b"])
