"""What the mock server withstands: limits, paths that lead elsewhere, and many streams at once."""

import asyncio
import hashlib
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

from ollamalite import AsyncClient
from ollamalite.mock import serve
from ollamalite.mock._listener import is_loopback

from .test_mock import ask, connected, get, names, read_all, read_until

GET = b"GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n"


def blob_path(data: bytes) -> str:
    return "/api/blobs/sha256:" + hashlib.sha256(data).hexdigest()


# Space


def test_uploads_at_the_same_time_keep_the_limit_together() -> None:
    with serve(blob_limit=1000) as server, connected(server) as one, connected(server) as other:
        for peer, byte in ((one, b"x"), (other, b"y")):
            data = byte * 600
            head = f"POST {blob_path(data)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 600\r\n"
            peer.sendall(head.encode() + b"\r\n" + data[:-1])
        one.sendall(b"x")
        other.sendall(b"y")
        statuses = [int(read_until(peer, b"\r\n\r\n").split()[1]) for peer in (one, other)]
        assert sorted(statuses) == [201, 500]
        # The upload that failed took nothing.
        assert ask(server, blob_path(b"z" * 400), b"z" * 400).status == 201
        assert ask(server, blob_path(b"z"), b"z").status == 500


def test_texts_of_created_models_count_as_stored_bytes() -> None:
    with serve(blob_limit=2500) as server:
        before = names(server)
        for number, status in enumerate((200, 200, 500)):
            body = {"model": f"m{number}", "from": "llama3.2", "system": str(number) * 1000}
            made = ask(server, "/api/create", {**body, "stream": False})
            assert made.status == status
        assert made.json == {"error": "no space left on device"}
        assert sorted(names(server)) == sorted([*before, "m0:latest", "m1:latest"])


def test_a_body_in_chunks_has_the_same_limit() -> None:
    with serve(body_limit=100) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        chunks = (b" " * 10 for _ in range(1000))
        connection.request("POST", "/api/show", chunks, encode_chunked=True)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())) == (
            400,
            {"error": "http: request body too large"},
        )
        connection.close()


def test_only_so_many_requests_and_so_much_of_a_body_are_recorded() -> None:
    with serve(record_limit=3) as server:
        for _ in range(5):
            ask(server, "/api/show", b" " * 3_000_000)
        assert [len(request.body) for request in server.requests] == [1 << 20] * 3
        assert [request.body_size for request in server.requests] == [3_000_000] * 3
        with pytest.raises(ValueError, match="has 3000000 bytes, and only the first 1048576 are"):
            server.requests[0].json()


# Slow and many connections


def ended(peer: socket.socket) -> bool:
    """The server ends the connection, and has sent nothing."""
    try:
        return read_all(peer) == b""
    except ConnectionError:
        return True


def drip(peer: socket.socket) -> None:
    """Send byte by byte for ever."""
    while True:
        peer.sendall(b"X")
        time.sleep(0.01)


def test_a_connection_without_a_full_head_is_dropped() -> None:
    with serve(head_timeout=0.2) as server:
        for start in (b"", b"GET / HT", GET[:-2], GET[:-1]):
            with connected(server) as peer:
                peer.sendall(start)
                assert ended(peer)
        assert server.requests == []


def test_a_head_that_comes_byte_by_byte_gets_no_more_time() -> None:
    with serve(head_timeout=0.2) as server, connected(server) as peer:
        with pytest.raises(ConnectionError):
            drip(peer)
        assert server.requests == []


def test_a_kept_connection_may_rest_but_its_next_head_must_come() -> None:
    with serve(head_timeout=0.5) as server, connected(server) as peer:
        for _ in range(2):
            peer.sendall(GET)
            read_until(peer, b'"}')
            time.sleep(0.7)
        peer.sendall(GET[:10])
        assert ended(peer)


def test_a_slow_body_and_a_slow_answer_are_not_a_slow_head() -> None:
    with serve(head_timeout=0.5, latency=0.6) as server, connected(server) as peer:
        body = b'{"model":"llama3.2"}'
        head = b"POST /api/show HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n"
        peer.sendall(head + body[:5])
        time.sleep(0.6)
        peer.sendall(body[5:])
        assert read_until(peer, b"\r\n\r\n").startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("seconds", [-1, float("nan"), "5"])
def test_a_time_for_heads_that_makes_no_sense_is_refused(seconds: Any) -> None:
    with pytest.raises(ValueError, match="head_timeout must be a number of seconds"):
        serve(head_timeout=seconds)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"delay": float("nan")}, "delay must be a number of seconds, 0 or more, not nan"),
        ({"delay": float("inf")}, "delay must be a number of seconds, 0 or more, not inf"),
        ({"delay": -1}, "delay must be a number of seconds, 0 or more, not -1"),
        ({"delay": "x"}, "delay must be a number of seconds, 0 or more, not 'x'"),
        ({"delay": None}, "delay must be a number of seconds, 0 or more, not None"),
        ({"connection_limit": 0}, "connection_limit must be an int of 1 or more, not 0"),
        ({"connection_limit": -5}, "connection_limit must be an int of 1 or more, not -5"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: Dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}$"):
        serve(**settings)


@pytest.mark.parametrize("delay", ["nan", "inf", "-1"])
def test_the_command_refuses_a_delay_that_makes_no_sense(delay: str) -> None:
    command = [sys.executable, "-m", "ollamalite.mock", "--port", "0", f"--delay={delay}"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "error: delay must be a number of seconds" in done.stderr


def test_connections_beyond_the_limit_end_and_those_within_go_on() -> None:
    with serve(connection_limit=5) as server:
        peers = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(5)]
        for peer in peers:
            peer.sendall(GET)
            read_until(peer, b'"}')
        for _ in range(20):
            with connected(server) as extra:
                assert read_all(extra) == b""
        assert server.connections_open == 5
        for peer in peers:
            peer.sendall(GET)
            read_until(peer, b'"}')
            peer.close()
        while server.connections_open:
            time.sleep(0.001)
        assert "version" in get(server, "/api/version")


@pytest.fixture
def one_core() -> Iterator[None]:
    """This thread, and those that it starts, run on one processor."""
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("processors are chosen as Linux does it")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.usefixtures("one_core")
def test_two_hundred_streams_at_once_on_one_core_are_all_whole() -> None:
    pieces: Dict[int, List[str]] = {}

    async def read(client: AsyncClient, number: int, started: "asyncio.Event") -> None:
        stream = await client.generate("llama3.2", f"question {number}", stream=True)
        async for part in stream:
            pieces.setdefault(number, []).append(part.response)
            if len(pieces) == 200:
                started.set()
            if len(pieces[number]) == 1:
                # So that all of them are open at the same time.
                await started.wait()
            assert not part.done or part.done_reason == "stop"

    async def run() -> None:
        started = asyncio.Event()
        async with AsyncClient(server.url, max_connections=200, timeout=60) as client:
            await asyncio.gather(*(read(client, number, started) for number in range(200)))

    with serve(delay=0.001) as server:
        asyncio.run(run())
        assert server.connections_opened == 200
        assert [request.wait() for request in server.requests] == ["sent"] * 200
        for number in (0, 99, 199):
            body = {"model": "llama3.2", "prompt": f"question {number}", "stream": False}
            assert ask(server, "/api/generate", body).json["response"] == "".join(pieces[number])


# Where it listens


def test_a_server_that_others_can_reach_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    with serve() as server:
        assert server.url.startswith("http://127.0.0.1:")
    assert capfd.readouterr().err == ""
    with serve(host="0.0.0.0") as server:
        assert server.url in capfd.readouterr().err.replace(
            " can be reached from other machines", ""
        )


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("localhost", True),
        ("::1", True),
        ("unix:///tmp/x", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("127.example.com", False),
        ("localhost.example.com", False),
        ("192.168.0.1", False),
    ],
)
def test_only_addresses_of_this_machine_are_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback


def test_the_command_listens_on_loopback_unless_told_otherwise() -> None:
    for more, warned in (([], False), (["--host", "0.0.0.0"], True)):
        command = [sys.executable, "-m", "ollamalite.mock", "--port", "0", *more]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            line = process.stdout.readline()
            process.kill()
            assert ("127.0.0.1" in line) != warned
            assert ("can be reached from other machines" in process.stderr.read()) == warned


# Paths


class Opened:
    """Paths of files that this process opens while it is entered."""

    def __init__(self) -> None:
        self.paths: List[str] = []
        self._on = False
        sys.addaudithook(self._note)

    def _note(self, event: str, args: Any) -> None:
        if self._on and event == "open" and isinstance(args[0], (str, bytes)):
            self.paths.append(str(args[0]))

    def __enter__(self) -> "Opened":
        self._on = True
        return self

    def __exit__(self, *_: object) -> None:
        self._on = False


OPENED = Opened()
TRICKS = [
    "/../../../..{file}",
    "/api/blobs/../../../../..{file}",
    "/api/blobs/sha256:../../../..{file}",
    "/api/blobs/sha256-%2e%2e/%2e%2e{file}",
    "/api/blobs/%2e%2e%2f%2e%2e%2f%2e%2e{quoted}",
    "/api/blobs/%252e%252e%252f{quoted}",
    "/api/blobs/..%5c..%5c..{back}",
    "/api/blobs\\..\\..{back}",
    "/api/blobs/{file}",
    "/api/blobs/%2F{quoted}",
    "//{file}",
    "///..//..{file}",
    "/.{file}",
    "/%00{file}",
    "/api/blobs/{file}%00",
    "/api/blobs/sha256:" + "0" * 64 + "%00/../..{file}",
    "/api/blobs/sha256:" + "0" * 64 + "{file}",
    "/%c0%ae%c0%ae/%c0%ae%c0%ae{file}",
    "/%u002e%u002e{file}",
    "/api/blobs/....//....//{file}",
    "file://{file}",
    "http://localhost/../..{file}",
    "http://localhost/%2e%2e{file}",
]


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_no_path_leads_to_a_file(method: str, trick: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the secret text")
    file = str(secret)
    quoted = file.replace("/", "%2f")
    target = trick.format(file=file, quoted=quoted, back=file.replace("/", "\\"))
    with serve() as server, connected(server) as peer:
        with OPENED as opened:
            head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
            peer.sendall(head.encode("latin-1") + b"Connection: close\r\n\r\nx")
            answer = read_all(peer)
        assert not [path for path in opened.paths if "secret" in path]
    status = int(answer.split(b" ")[1])
    assert status in (301, 307, 400, 403, 404, 405)
    assert b"the secret text" not in answer
    assert secret.read_text() == "the secret text"


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "..", "a/../../b", "C:\\x", "x\x00y"])
def test_names_of_models_and_files_lead_to_no_file(name: str) -> None:
    with serve() as server:
        for path, body in (
            ("/api/show", {"model": name}),
            ("/api/generate", {"model": name, "prompt": "x"}),
            ("/api/pull", {"model": name, "stream": False}),
            ("/api/copy", {"source": "llama3.2", "destination": name}),
            ("/api/create", {"model": "m", "files": {name: "sha256:" + "0" * 64}}),
            ("/api/create", {"model": "m", "from": name}),
        ):
            with OPENED as opened:
                answer = ask(server, path, body)
            assert not [path for path in opened.paths if "passwd" in path]
            assert answer.status >= 400 or "error" in answer.lines[-1], (path, answer)


def test_clients_that_leave_in_the_middle_take_no_thread_with_them() -> None:
    with serve(delay=0.01) as server:
        body = json.dumps({"model": "llama3.2", "prompt": "Why is the sky blue?"}).encode()
        before = threading.active_count()
        for _ in range(50):
            with connected(server) as peer:
                head = f"POST /api/generate HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
                peer.sendall(head.replace(" x", " localhost").encode() + b"\r\n" + body)
                read_until(peer, b"response")
        deadline = time.monotonic() + 10
        while threading.active_count() > before:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        assert {request.outcome for request in server.requests} == {"hung up"}
