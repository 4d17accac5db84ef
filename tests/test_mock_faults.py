"""Faults and latency that a test can order from the mock server, over real sockets."""

import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, List

import pytest

from ollamalite import Client, errors
from ollamalite.mock import Answer, Server, serve
from ollamalite.mock._faults import BUSY, GARBAGE, Latency

from . import wire_keys
from .test_mock import ask, connected, read_all, read_until, request_bytes

PROMPT = {"model": "llama3.2", "prompt": "Why is the sky blue?"}
GET = b"GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n"


def answer_bytes(server: Server, request: bytes = GET) -> bytes:
    """All that comes for one request on a connection of its own, until the server ends it."""
    with connected(server) as peer:
        peer.sendall(request)
        return read_all(peer)


def test_a_refused_request_is_reset_and_reaches_nothing() -> None:
    with serve() as server:
        server.say("Not yet.")
        server.fail("refuse")
        with connected(server) as peer:
            peer.sendall(request_bytes("/api/generate", PROMPT))
            with pytest.raises(ConnectionResetError):
                peer.recv(1)
        assert server.requests[0].wait() == "refuse"
        # The scripted answer is still there for the request that succeeds.
        assert ask(server, "/api/generate", {**PROMPT, "stream": False}).json["response"] == (
            "Not yet."
        )


def test_a_port_without_a_server_refuses_connections() -> None:
    with serve() as server:
        pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), 10)


@pytest.mark.parametrize("after", [0, 1, 17, 100])
def test_a_cut_answer_ends_after_exactly_so_many_bytes(after: int) -> None:
    with serve() as server:
        server.fail("cut", after=after)
        data = answer_bytes(server)
        assert len(data) == after
        assert b"HTTP/1.1 200 OK\r\n".startswith(data[:17])
        assert server.requests[0].wait() == "cut"


def test_a_reset_answer_brings_its_bytes_and_then_an_error() -> None:
    with serve() as server:
        server.fail("reset", after=40)
        with connected(server) as peer:
            peer.sendall(GET)
            assert len(b"".join(peer.recv(1) for _ in range(40))) == 40
            with pytest.raises(ConnectionResetError):
                peer.recv(1)
        assert server.requests[0].wait() == "reset"


def test_a_stalled_answer_stays_open_until_the_client_leaves() -> None:
    with serve() as server:
        server.fail("stall", after=30)
        with connected(server) as peer:
            peer.sendall(GET)
            read_until(peer, b"HTTP/1.1 200 OK\r\nContent-Typ"[:30])
            assert server.requests[0].wait() == "stall"
            peer.settimeout(0.05)
            with pytest.raises(socket.timeout):
                peer.recv(100)
            assert server.connections_open == 1
        while server.connections_open:
            time.sleep(0.001)


def test_closing_the_server_ends_a_stalled_answer() -> None:
    with serve() as server:
        server.fail("stall")
        peer = socket.create_connection(("127.0.0.1", server.port), 10)
        peer.sendall(GET)
        while not server.requests:
            time.sleep(0.001)
        server.requests[0].wait()
    with peer:
        assert read_all(peer) == b""


def test_a_fault_can_wait_for_pieces_of_a_stream() -> None:
    with serve() as server:
        server.say(Answer("one two three four"))
        server.fail("cut", pieces=2)
        data = answer_bytes(server, request_bytes("/api/generate", PROMPT))
    said = re.findall(rb'"response":"([^"]*)"', data)
    assert said == [b"one", b" two"]
    assert data.endswith(b"}\n\r\n")


def test_slow_bytes_come_one_by_one_and_make_the_same_answer() -> None:
    with serve() as server:
        server.fail("slow", interval=0, after=10)
        server.fail("slow", interval=0.0001, size=7)
        answers = []
        for _ in range(3):
            with connected(server) as peer:
                peer.sendall(GET)
                answers.append(re.sub(rb"Date: [^\r]*", b"", read_until(peer, b'"}')))
        assert answers[0] == answers[1] == answers[2]
        assert [request.wait() for request in server.requests] == ["sent"] * 3


@pytest.mark.parametrize("after", [0, 60])
def test_garbage_stands_in_the_answer_and_ends_the_connection(after: int) -> None:
    with serve() as server:
        server.fail("garbage", after=after)
        data = answer_bytes(server)
    assert data[after:].startswith(GARBAGE)
    assert data.replace(GARBAGE, b"").startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_busy_server_says_so_in_the_words_of_the_real_one() -> None:
    with serve() as server:
        server.fail("busy", times=2)
        for _ in range(2):
            busy = ask(server, "/api/generate", PROMPT)
            assert (busy.status, busy.json) == (503, {"error": BUSY})
        assert ask(server, "/api/generate", PROMPT).status == 200


def test_any_route_can_fail_with_a_status_and_a_text() -> None:
    with serve() as server:
        server.fail("error", status=429, text="slow down <1>", path="/api/tags")
        assert ask(server, "/api/version", method="GET").status == 200
        failed = ask(server, "/api/tags", method="GET")
        assert (failed.status, failed.json) == (429, {"error": "slow down <1>"})
        assert ask(server, "/api/tags", method="GET").status == 200


def test_faults_wait_for_their_path_in_the_order_they_were_put_down() -> None:
    with serve() as server:
        server.fail("error", status=500, text="first", path="/api/version")
        server.fail("error", status=500, text="always", times=None)
        server.fail("error", status=500, text="never")
        texts = [ask(server, p, method="GET").json["error"] for p in ("/api/ps", "/api/version")]
        texts.append(ask(server, "/api/version", method="GET").json["error"])
        assert texts == ["always", "first", "always"]
        server.recover()
        assert ask(server, "/api/version", method="GET").status == 200


def test_an_error_waits_for_a_request_that_an_endpoint_answers() -> None:
    local = {"Host": "localhost", "Origin": "http://localhost:3000"}
    with serve() as server:
        server.fail("busy")
        server.fail("slow", times=None, interval=0)
        early = (
            ("OPTIONS", "/api/tags", local, 204),
            ("GET", "/api/nothing", local, 404),
            ("PUT", "/api/tags", {}, 405),
            ("GET", "/api/tags/", {}, 301),
            ("GET", "/api/tags", {"Host": "example.com"}, 403),
        )
        for method, path, headers, status in early:
            assert ask(server, path, method=method, headers=headers).status == status
        assert [request.fault and request.fault.kind for request in server.requests] == (
            ["slow"] * len(early)
        )
        assert ask(server, "/api/tags", method="GET").status == 503
        assert ask(server, "/api/tags", method="GET").status == 200


def test_an_answer_that_is_over_before_its_fault_is_whole() -> None:
    with serve() as server:
        server.fail("cut", after=1_000_000)
        assert ask(server, "/api/version", method="GET").status == 200
        assert server.requests[0].wait() == "sent"


@pytest.mark.parametrize("kind", ["cut", "garbage", "reset", "slow", "stall"])
@pytest.mark.parametrize("unit", ["after", "pieces"])
def test_a_fault_at_the_very_end_of_an_answer_hurts_nothing(kind: str, unit: str) -> None:
    with serve() as server, connected(server) as peer:
        peer.sendall(GET)
        whole = read_until(peer, b'"}')
        details: Dict[str, Any] = {unit: 1 if unit == "pieces" else len(whole)}
        server.fail(kind, **details)
        for _ in range(2):
            peer.sendall(GET)
            assert len(read_until(peer, b'"}')) == len(whole)
        assert [request.wait() for request in server.requests] == ["sent"] * 3
        assert server.connections_opened == 1


@pytest.mark.parametrize("kind", ["cut", "stall"])
def test_a_fault_after_the_last_piece_of_a_stream_comes_before_the_end_of_its_framing(
    kind: str,
) -> None:
    with serve() as server, connected(server) as peer:
        server.say("One two.")
        server.fail(kind, pieces=3)
        peer.sendall(request_bytes("/api/generate", PROMPT))
        data = read_until(peer, b'"done":true')
        peer.shutdown(socket.SHUT_WR)
        data += read_all(peer)
        assert data.endswith(b"}\n\r\n")
        assert server.requests[0].wait() == kind


def test_a_fault_hurts_one_request_and_leaves_the_connection_to_the_next() -> None:
    with serve() as server, connected(server) as peer:
        server.fail("slow", interval=0)
        for _ in range(2):
            peer.sendall(GET)
            read_until(peer, b'"}')
        assert server.connections_opened == 1


@pytest.mark.parametrize(
    ("kind", "details", "text"),
    [
        ("explode", {}, "no fault is called 'explode'; there are busy, cut, error, garbage"),
        ("cut", {"after": -1}, "after must be an int of 0 or more, not -1"),
        ("cut", {"after": 1.5}, "after must be an int of 0 or more, not 1.5"),
        ("cut", {"after": 1, "pieces": 1}, "not both"),
        ("cut", {"size": 3}, "the fault 'cut' has no 'size'; it takes after, pieces, path, times"),
        ("busy", {"after": 3}, "the fault 'busy' has no 'after'"),
        ("slow", {"size": 0}, "size must be an int of 1 or more"),
        ("slow", {"interval": float("nan")}, "interval must be a number of seconds"),
        ("error", {"status": 200}, "status must be that of an error"),
        ("stall", {"times": 0}, "times must be an int of 1 or more"),
        ("stall", {"path": "api/chat"}, "path must start with a slash"),
    ],
)
def test_a_fault_that_makes_no_sense_is_an_error_of_the_test(
    kind: str, details: Dict[str, Any], text: str
) -> None:
    with serve() as server:
        with pytest.raises(ValueError, match=re.escape(text)):
            server.fail(kind, **details)
        assert ask(server, "/", method="GET").status == 200


@pytest.mark.parametrize(
    ("details", "text"),
    [
        ({"tool_calls": [{"arguments": {}}]}, "a tool call has a name"),
        ({"tool_calls": [{"name": "add", "args": {}}]}, "'args'"),
        ({"pieces": [("word", "x")]}, 'a piece is ("content" | "thinking", text)'),
        ({"after": 1}, "there is no error"),
        ({"early": True}, "there is no error"),
        ({"error": "x", "status": 200}, "400 to 599, not 200"),
        ({"error": "x", "status": "500"}, "status must be an int of 0 or more, not '500'"),
        ({"error": 5}, "error is a text, not 5"),
        ({"error": "x", "after": "1"}, "after must be an int of 0 or more, not '1'"),
        ({"error": "x", "after": -1}, "after must be an int of 0 or more, not -1"),
        ({"pieces": [("content", 5)]}, 'a piece is ("content" | "thinking", text)'),
        ({"delay": float("nan")}, "delay must be a number of seconds, 0 or more, not nan"),
        ({"delay": "x"}, "delay must be a number of seconds, 0 or more, not 'x'"),
        ({"tool_calls": [{"name": "f", "arguments": '{"a":1}'}]}, "arguments are a dict, not '{"),
    ],
)
def test_a_scripted_answer_that_makes_no_sense_is_an_error_of_the_test(
    details: Dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        Answer("Hi", **details)
    with pytest.raises(TypeError, match="say takes texts and Answer objects, not 1"):
        serve().say(1)  # type: ignore[arg-type]


CLIENT_ERRORS = {
    "refuse": errors.ConnectionLostError,
    "reset": errors.ConnectionLostError,
    "cut": errors.IncompleteError,
    "garbage": errors.ProtocolError,
    "stall": errors.ReadTimeout,
    "busy": errors.ResponseError,
}


@pytest.mark.parametrize("kind", sorted(CLIENT_ERRORS))
def test_each_fault_is_another_error_of_the_client(kind: str) -> None:
    details = {} if kind in ("refuse", "busy", "garbage") else {"pieces": 1}
    with serve() as server, Client(server.url, timeout=(10, 0.2)) as client:
        server.fail(kind, **details)  # type: ignore[arg-type]
        with pytest.raises(CLIENT_ERRORS[kind]):
            list(client.generate("llama3.2", "x", stream=True))
        assert client.generate("llama3.2", "x").done


@pytest.mark.parametrize("kind", ["cut", "reset", "stall"])
def test_faults_meet_answers_under_tls_too(kind: str, tmp_path: Path) -> None:
    (tmp_path / "server.pem").write_text(wire_keys.SERVER)
    (tmp_path / "authority.pem").write_text(wire_keys.AUTHORITY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(tmp_path / "server.pem"))
    authority = str(tmp_path / "authority.pem")
    with serve(tls=context) as server:
        server.fail(kind, pieces=1)
        with Client(server.url, verify=authority, timeout=(10, 0.5)) as client:
            stream = client.generate("llama3.2", "x", stream=True)
            assert next(stream).response
            # Python's ssl may take a reset for an end.
            with pytest.raises((CLIENT_ERRORS[kind], errors.IncompleteError)):
                list(stream)
        assert server.requests[0].wait() == kind


# Latency


def test_latency_is_the_same_for_the_same_seed() -> None:
    def drawn(seed: int) -> List[float]:
        latency = Latency((0.01, 0.05), seed)
        return [latency.draw() for _ in range(100)]

    assert drawn(7) == drawn(7) != drawn(8)
    assert 0.01 <= min(drawn(7)) < 0.02 < 0.04 < max(drawn(7)) <= 0.05
    assert Latency(0.5, 1).draw() == 0.5


def test_an_answer_waits_for_its_latency_but_not_for_a_client_that_left() -> None:
    with serve(latency=(0.001, 0.002), seed=7) as server:
        assert ask(server, "/api/version", method="GET").status == 200
    with serve(latency=30) as server:
        with connected(server) as peer:
            peer.sendall(GET)
            while not server.requests:
                time.sleep(0.001)
        assert server.requests[0].wait() == "hung up"


@pytest.mark.parametrize("latency", [-1, (0.2, 0.1), "1", float("inf"), (0, True)])
def test_a_latency_that_makes_no_sense_is_refused(latency: Any) -> None:
    with pytest.raises(ValueError, match="latency must be"):
        serve(latency=latency)


# The command line


def test_the_command_takes_faults_for_every_request() -> None:
    command = [sys.executable, "-m", "ollamalite.mock", "--port", "0"]
    command += [
        "--fault",
        "error,path=/api/ps,status=418,text=no",
        "--fault",
        "cut,after=9,times=2",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
        assert found
        for request, size in ((GET, 9), (GET, 9)):
            with socket.create_connection(("127.0.0.1", int(found.group(1))), 10) as peer:
                peer.sendall(request)
                assert len(read_all(peer)) == size
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", int(found.group(1))), 10) as peer:
                peer.sendall(GET.replace(b"version", b"ps"))
                assert read_until(peer, b"}").startswith(b"HTTP/1.1 418 ")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


@pytest.mark.parametrize("fault", ["explode", "cut,after=x", "cut,nothing=1", "cut,after=-1"])
def test_the_command_refuses_a_fault_that_makes_no_sense(fault: str) -> None:
    command = [sys.executable, "-m", "ollamalite.mock", "--port", "0", "--fault", fault]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert f"--fault {fault}: " in done.stderr
    assert "Traceback" not in done.stderr
