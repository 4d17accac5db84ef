"""Exchanges with a server, recorded through the proxy and given again by the mock."""

import base64
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from ollamalite import Client
from ollamalite.mock import Answer, record, serve

from . import wire_keys
from .test_mock import ask, read_all, read_until, request_bytes

CAPTURES = Path(__file__).parent / "captures"
HI = {"model": "llama3.2", "prompt": "Hi"}
GET = b"GET /api/version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def files(folder: Path) -> List[Dict[str, Any]]:
    return [json.loads(path.read_text("ascii")) for path in sorted(folder.glob("*.json"))]


def answer_to(port: int, request: bytes) -> bytes:
    """All bytes that come for a request that asks for the end of its connection."""
    with socket.create_connection(("127.0.0.1", port), 10) as peer:
        peer.sendall(request)
        return read_all(peer)


def closing(request: bytes) -> bytes:
    return request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)


REQUESTS = [
    GET,
    GET.replace(b"GET", b"HEAD"),
    GET.replace(b"version", b"tags?x=1"),
    b"GET /api/nope HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET /api/version HTTP/1.0\r\n\r\n",
    closing(request_bytes("/api/generate", HI)),
    closing(request_bytes("/api/generate", {**HI, "stream": False})),
    closing(request_bytes("/api/chat", {"model": "no-such-model"})),
    b"POST /api/show HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    b'Transfer-Encoding: chunked\r\n\r\n9\r\n{"model":\r\nb\r\n"llama3.2"}\r\n0\r\n\r\n',
    b"POST /api/generate HTTP/1.0\r\nContent-Length: 36\r\n\r\n"
    b'{"model": "llama3.2", "prompt": "x"}',
]


def test_what_is_recorded_is_what_came_and_comes_again(tmp_path: Path) -> None:
    with serve() as server, record(server.url, tmp_path) as proxy:
        through = [answer_to(proxy.port, request) for request in REQUESTS]
        # Each path, query and body went on as it was.
        seen = [(r.method, r.target) for r in server.requests]
        assert seen[0] == ("GET", "/api/version")
        assert ("GET", "/api/tags?x=1") in seen
    recorded = files(tmp_path)
    assert [base64.b64decode(file["response"]["raw_base64"]) for file in recorded] == through
    # Two of them differ in their version only, so they come one after another.
    with serve(replay=tmp_path) as server:
        again = [answer_to(server.port, request) for request in REQUESTS]
    assert again == through


FORM = {
    "": "name category description server request response notes",
    "request": "method path version headers body",
    "response": "status headers framing writes times_ms closed_after body_text raw_base64",
}


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="the captures are not part of a source package")
def test_the_form_is_that_of_the_captures() -> None:
    capture = json.loads((CAPTURES / "chat-coalesced.json").read_text("ascii"))
    for part, keys in FORM.items():
        assert list(capture[part] if part else capture) == keys.split()


def test_a_file_has_the_form_of_the_captures(tmp_path: Path) -> None:
    with serve() as server, record(server.url, tmp_path) as proxy:
        server.say("One two.")
        answer_to(proxy.port, closing(request_bytes("/api/generate", HI)))
        answer_to(proxy.port, GET)
    first, second = files(tmp_path)
    assert (tmp_path / f"{first['name']}.json").read_text("ascii") == (
        json.dumps(first, indent=1) + "\n"
    )
    for part, keys in FORM.items():
        assert list(first[part] if part else first) == keys.split()
    assert first["name"] == "0001-post-api-generate"
    assert first["server"].startswith("ollama 0.")
    assert json.loads(first["request"]["body"]) == HI
    response = first["response"]
    raw = base64.b64decode(response["raw_base64"])
    assert (response["status"], response["framing"], response["closed_after"]) == (
        200,
        "chunked",
        True,
    )
    assert sum(response["writes"]) == len(raw)
    assert len(response["writes"]) == len(response["times_ms"])
    assert response["times_ms"] == sorted(response["times_ms"])
    assert [json.loads(line)["done"] for line in response["body_text"].splitlines()] == [
        False,
        False,
        True,
    ]
    assert second["request"]["body"] is None
    assert second["response"]["framing"] == "content-length"


def test_a_second_recording_goes_on_with_the_numbers(tmp_path: Path) -> None:
    with serve() as server:
        for _ in range(2):
            with record(server.url, tmp_path / "new" / "folder") as proxy:
                answer_to(proxy.port, GET)
    names = [path.name for path in sorted((tmp_path / "new" / "folder").iterdir())]
    assert names == ["0001-get-api-version.json", "0002-get-api-version.json"]


def test_several_requests_share_a_connection_of_the_recorder(tmp_path: Path) -> None:
    request = b"GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with serve() as server, record(server.url, tmp_path) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port), 10) as peer:
            peer.sendall(request * 3)
            data = b""
            while data.count(b'"}') < 3:
                data += peer.recv(65536)
        assert proxy.connections_opened == 1
    assert [file["response"]["closed_after"] for file in files(tmp_path)] == [False] * 3


def test_the_recorder_passes_each_piece_on_as_it_comes(tmp_path: Path) -> None:
    with serve() as server, record(server.url, tmp_path) as proxy:
        server.fail("stall", pieces=2)
        with socket.create_connection(("127.0.0.1", proxy.port), 10) as peer:
            peer.sendall(request_bytes("/api/generate", HI))
            data = b""
            while data.count(b'"response"') < 2:
                data += peer.recv(65536)
        # The client is gone, so the server is left too, and nothing is written.
        while server.connections_open:
            time.sleep(0.001)
    assert list(tmp_path.iterdir()) == []


def test_secrets_stay_out_of_the_file_but_reach_the_server(tmp_path: Path) -> None:
    secret = "5ecret"
    request = GET.replace(
        b"\r\n\r\n",
        b"\r\nauthorization: Bearer 5ecret\r\nCookie: a=5ecret\r\nX-Api-Key: 5ecret\r\n"
        b"Proxy-Authorization: 5ecret\r\nX-Session-Token: 5ecret\r\nX-Odd: kept\r\n\r\n",
    )
    old = request.replace(b"HTTP/1.1", b"HTTP/1.0")
    with serve() as server, record(server.url, tmp_path) as proxy:
        answer_to(proxy.port, request)
        answer_to(proxy.port, old)
        assert server.requests[0].header("Authorization") == "Bearer 5ecret"
    for path in tmp_path.iterdir():
        assert secret not in path.read_text()
        for coded in re.findall(r'raw_base64": "([^"]+)"', path.read_text()):
            assert secret.encode() not in base64.b64decode(coded)
    assert ["X-Odd", "kept"] in files(tmp_path)[0]["request"]["headers"]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_cookies_of_an_answer_reach_the_client_but_not_the_file(size: int, tmp_path: Path) -> None:
    raw = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=5ecret\r\nContent-Length: 2\r\nset-cookie: b\r\n\r\n{}"
    with Saying(raw, size) as port, record(f"http://127.0.0.1:{port}", tmp_path) as proxy:
        assert answer_to(proxy.port, GET) == raw
    (file,) = files(tmp_path)
    kept = base64.b64decode(file["response"]["raw_base64"])
    assert kept == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    assert sum(file["response"]["writes"]) == len(kept)
    assert file["response"]["headers"] == [["Content-Length", "2"]]
    assert file["server"] == "unknown"


def test_credentials_of_an_answer_stay_out_of_the_file_however_they_are_written(
    tmp_path: Path,
) -> None:
    raw = (
        b"HTTP/1.1 103 Early Hints\r\nAuthorization: 5ecret\r\n\r\n"
        b"HTTP/1.1 200 OK\nSet-Cookie: a=b;\n 5ecret\n\tc=5ecret\nSET-COOKIE2: 5ecret\n"
        b"X-Api-Key: 5ecret\nX-Odd: kept\r\nContent-Length: 2\n\n{}"
    )
    with Saying(raw, 3) as port, record(f"http://127.0.0.1:{port}", tmp_path) as proxy:
        assert answer_to(proxy.port, GET) == raw
    (file,) = files(tmp_path)
    kept = base64.b64decode(file["response"]["raw_base64"])
    assert kept == (
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\nX-Odd: kept\r\nContent-Length: 2\n\n{}"
    )
    assert file["response"]["headers"] == [["X-Odd", "kept"], ["Content-Length", "2"]]


def test_credentials_of_a_query_stay_out_of_the_file_but_reach_the_server(tmp_path: Path) -> None:
    target = "/api/version?a=1&api_key=5ecret&%74oken=5ecret&b=2"
    request = GET.replace(b"/api/version", target.encode())
    with serve() as server, record(server.url, tmp_path) as proxy:
        through = answer_to(proxy.port, request)
        answer_to(proxy.port, request.replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert target in [seen.target for seen in server.requests]
    for path in tmp_path.iterdir():
        assert "5ecret" not in path.read_text()
    first, second = files(tmp_path)
    assert first["request"]["path"] == "/api/version?a=1&api_key=&%74oken=&b=2"
    assert b"5ecret" not in base64.b64decode(second["request"]["raw_base64"])
    # The same request is answered, whatever its key.
    with serve(replay=tmp_path) as server:
        assert answer_to(server.port, request) == through


def test_a_foreign_host_is_not_let_through_to_the_server(tmp_path: Path) -> None:
    with serve() as server, record(server.url, tmp_path) as proxy:
        foreign = answer_to(proxy.port, GET.replace(b": localhost", b": evil.example"))
        assert foreign.startswith(b"HTTP/1.1 403 Forbidden\r\n")
        assert server.requests == []


def test_leave_to_send_a_body_comes_from_the_server(tmp_path: Path) -> None:
    body = b'{"model": "llama3.2"}'
    head = b"POST /api/show HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n"
    head = head.replace(b" x", b" localhost") + b"Content-Length: %d\r\n\r\n" % len(body)

    def asked(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), 10) as peer:
            peer.sendall(head)
            start = read_until(peer, b"\r\n\r\n")
            assert start == b"HTTP/1.1 100 Continue\r\n\r\n"
            peer.sendall(body)
            return start + read_all(peer)

    with serve() as server, record(server.url, tmp_path) as proxy:
        through = asked(proxy.port)
    (file,) = files(tmp_path)
    assert file["response"]["interim"] == [100]
    assert base64.b64decode(file["response"]["raw_base64"]) == through
    assert base64.b64decode(file["request"]["raw_base64"]) == head + body
    with serve(replay=tmp_path) as server:
        assert asked(server.port) == through


def test_a_server_behind_tls_is_recorded_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "server.pem").write_text(wire_keys.SERVER)
    (keys / "authority.pem").write_text(wire_keys.AUTHORITY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(keys / "server.pem"))
    folder = tmp_path / "recorded"
    generate = closing(request_bytes("/api/generate", HI))
    with serve(tls=context) as server, record(server.url, folder) as proxy:
        # The certificate is checked.
        assert answer_to(proxy.port, GET).startswith(b"HTTP/1.1 502 ")
        monkeypatch.setenv("SSL_CERT_FILE", str(keys / "authority.pem"))
        through = answer_to(proxy.port, generate)
        server.fail("reset", pieces=1)
        with suppress(ConnectionError):
            assert not answer_to(proxy.port, generate).endswith(b"0\r\n\r\n")
    (whole,) = files(folder)
    assert base64.b64decode(whole["response"]["raw_base64"]) == through
    assert whole["server"].startswith("ollama ")


class Saying:
    """A server that says the same bytes to its first connection, whatever it asks."""

    def __init__(self, raw: bytes, size: int = 1 << 20) -> None:
        self._raw = raw
        self._size = size

    def __enter__(self) -> int:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return int(self._listener.getsockname()[1])

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            read_until(connection, b"\r\n\r\n")
            for start in range(0, len(self._raw), self._size):
                connection.sendall(self._raw[start : start + self._size])
        self._listener.close()

    def __exit__(self, *_: object) -> None:
        self._thread.join()


# Servers that fail


def test_a_server_that_is_not_there_is_an_error_of_the_proxy(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with serve() as gone:
        pass
    with record(gone.url, tmp_path) as proxy:
        answer = ask(proxy, "/api/generate", HI)  # type: ignore[arg-type]
    assert answer.status == 502
    assert answer.json["error"].startswith(f"cannot reach {gone.url}: ")
    assert "is Ollama running there?" in answer.json["error"]
    assert "POST /api/generate is not recorded: cannot reach" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_ends_without_an_answer_is_an_error_of_the_proxy(tmp_path: Path) -> None:
    with serve() as server, record(server.url, tmp_path) as proxy:
        for kind in ("refuse", "cut"):
            server.fail(kind)
            answer = ask(proxy, "/api/generate", HI)  # type: ignore[arg-type]
            assert answer.status == 502
            assert answer.json["error"].startswith(f"{server.url} ended without an answer")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("kind", ["cut", "reset"])
def test_an_answer_that_breaks_is_passed_on_as_it_breaks_and_not_recorded(
    kind: str, stream: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with serve() as server, record(server.url, tmp_path) as proxy:
        server.fail(kind, after=300)
        with socket.create_connection(("127.0.0.1", proxy.port), 10) as peer:
            peer.sendall(request_bytes("/api/generate", {**HI, "stream": stream}))
            came = b"".join(peer.recv(1) for _ in range(300))
            assert came.startswith(b"HTTP/1.1 200 OK\r\n")
            if kind == "cut":
                assert peer.recv(1) == b""
            else:
                with pytest.raises(ConnectionResetError):
                    peer.recv(1)
    assert "is not recorded: the answer was cut short" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_body_that_is_broken_is_refused_as_by_the_server(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    head = b"POST /api/show HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with serve() as server, record(server.url, tmp_path) as proxy:
        told = []
        for port in (server.port, proxy.port):
            with socket.create_connection(("127.0.0.1", port), 10) as peer:
                peer.sendall(head + b"zz\r\n")
                told.append(read_until(peer, b"}"))
    assert [answer.split(b" ", 2)[1] for answer in told] == [b"400", b"400"]
    assert {answer.partition(b"\r\n\r\n")[2] for answer in told} == {
        b'{"error":"invalid byte in chunk length"}'
    }
    assert "is not recorded: the request is broken" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("length", ["²", "-1", "2x", "1" * 5000])
def test_a_length_that_is_none_is_no_http(
    length: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    raw = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{{}}".encode("latin-1")
    with Saying(raw) as port, record(f"http://127.0.0.1:{port}", tmp_path) as proxy:
        assert answer_to(proxy.port, GET) == raw
    assert "is not recorded: the answer is no HTTP" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_answer_that_is_no_http_is_passed_on_and_not_recorded(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with Saying(b"SSH-2.0-x\r\nmore\r\n") as port, record(
        f"http://127.0.0.1:{port}", tmp_path
    ) as proxy:
        assert answer_to(proxy.port, GET) == b"SSH-2.0-x\r\nmore\r\n"
    assert "GET /api/version is not recorded: the answer is no HTTP" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_is_too_large_is_passed_on_whole_and_not_recorded(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with serve() as server, record(server.url, tmp_path, size_limit=1000) as proxy:
        server.say(Answer("word " * 100), Answer("x"))
        large = ask(proxy, "/api/generate", HI)  # type: ignore[arg-type]
        assert large.lines[-1]["done"]
        sent = ask(proxy, "/api/generate", {**HI, "prompt": "x" * 2000})  # type: ignore[arg-type]
        assert sent.lines[0]["response"] == "x"
    assert capfd.readouterr().err.count("is not recorded: more than 1000 bytes") == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:11434", "ftp://x", "http://", "http://user:pass@localhost"]
)
def test_an_upstream_that_makes_no_sense_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="upstream"):
        record(url, tmp_path)


def test_paths_of_requests_name_no_files_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    targets = ["/../../x", "/%2e%2e/%00y", "/a\\..\\b", "/" + "long/" * 100, "/..;/x?a=/../b", "//"]
    with serve() as server, record(server.url, folder) as proxy:
        for target in targets:
            answer_to(proxy.port, GET.replace(b"/api/version", target.encode()))
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == len(targets)
    assert all(re.match(r"[0-9a-z-]{1,60}\.json\Z", name) for name in names)


# Replay


def exchanges() -> Iterator[Tuple[str, Dict[str, Any], Dict[str, Any]]]:
    for file in files(CAPTURES):
        for number, part in enumerate(file.get("exchanges", [file])):
            yield f"{file['name']}#{number}", part["request"], part["response"]


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="the captures are not part of a source package")
def test_every_capture_of_a_real_server_comes_again_byte_for_byte() -> None:
    compared = 0
    with serve(replay=CAPTURES) as server:
        for name, request, response in exchanges():
            if request["path"] == "*":
                continue
            body = request["body"] or ""
            data = (
                base64.b64decode(body)
                if request.get("body_encoding") == "base64"
                else body.encode()
            )
            head = f"{request['method']} {request['path']} HTTP/1.1\r\nHost: localhost\r\n"
            head += f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n"
            raw = base64.b64decode(response["raw_base64"])
            if "interim" in response:
                raw = raw[raw.index(b"\r\n\r\n") + 4 :]
            assert answer_to(server.port, head.encode() + data) == raw, name
            compared += 1
    assert compared > 400


def test_equal_requests_get_their_answers_in_order_and_then_the_last(tmp_path: Path) -> None:
    with serve() as server, record(server.url, tmp_path) as proxy, Client(proxy.url) as client:
        server.say("first", "second", "other")
        for prompt in ("a", "a", "b"):
            client.generate("llama3.2", prompt)
    with serve(replay=tmp_path) as server, Client(server.url) as client:
        said = [client.generate("llama3.2", prompt).response for prompt in "abaaa"]
        assert said == ["first", "other", "second", "second", "second"]
        assert len(server.requests) == 5


def test_files_with_more_digits_come_after_those_with_fewer(tmp_path: Path) -> None:
    with serve(version="1") as server, record(server.url, tmp_path) as proxy:
        answer_to(proxy.port, GET)
    (tmp_path / "0001-get-api-version.json").rename(tmp_path / "9999-get-api-version.json")
    with serve(version="2") as server, record(server.url, tmp_path) as proxy:
        answer_to(proxy.port, GET)
    assert (tmp_path / "10000-get-api-version.json").exists()
    with serve(replay=tmp_path) as server:
        said = [answer_to(server.port, GET)[-15:] for _ in range(2)]
    assert said == [b'{"version":"1"}', b'{"version":"2"}']


def test_a_request_matches_whatever_the_spaces_and_order_of_its_json(tmp_path: Path) -> None:
    with serve() as server, record(server.url, tmp_path) as proxy:
        server.say("Recorded.")
        ask(proxy, "/api/generate", {**HI, "stream": False})  # type: ignore[arg-type]
    with serve(replay=tmp_path) as server:
        same = b' {"stream":false,\n"prompt":"\\u0048i","model":"llama3.2"} '
        assert ask(server, "/api/generate", same).json["response"] == "Recorded."
        other = ask(server, "/api/generate", {**HI, "stream": True})
        assert other.status == 501
        assert other.json["error"] == (
            "no recorded exchange for POST /api/generate with this body;"
            " 1 with other bodies are recorded"
        )
        none = ask(server, "/api/tags", method="GET")
        assert none.json["error"] == "no recorded exchange for GET /api/tags"


def test_a_replayed_answer_can_suffer_faults_too(tmp_path: Path) -> None:
    with serve() as server, record(server.url, tmp_path) as proxy:
        answer_to(proxy.port, GET)
    with serve(replay=tmp_path) as server:
        server.fail("cut", after=20)
        server.fail("busy")
        assert len(answer_to(server.port, GET)) == 20
        assert answer_to(server.port, GET).startswith(b"HTTP/1.1 503 ")
        assert answer_to(server.port, GET).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"request": {}, "response": {}}',
        '{"request": {"method": "GET", "path": "/", "body": null}, "response": {"status": 200,'
        ' "framing": "close", "writes": [3], "closed_after": true, "raw_base64": "AAA="}}',
    ],
)
def test_a_file_that_is_no_exchange_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text(text)
    with pytest.raises(ValueError, match=r"odd\.json is no recorded exchange"):
        serve(replay=tmp_path)


def test_a_folder_without_exchanges_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there are no recorded exchanges"):
        serve(replay=tmp_path)
    with pytest.raises(FileNotFoundError):
        serve(replay=tmp_path / "missing")


# The command line


class Command:
    """A mock command that runs while it is entered; its URL."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments

    def __enter__(self) -> str:
        command = [sys.executable, "-X", "dev", "-m", "ollamalite.mock", *self._arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        found = re.search(r"on (http://127\.0\.0\.1:\d+)", self._process.stdout.readline())
        assert found
        return found.group(1)

    def __exit__(self, *_: object) -> None:
        with self._process:
            self._process.send_signal(signal.SIGINT)
        assert self._process.returncode == 0


def test_the_commands_record_and_replay(tmp_path: Path) -> None:
    folder = os.fspath(tmp_path)
    with serve() as server:
        server.say("Recorded words.")
        with Command("record", "--upstream", server.url, "--into", folder, "--port", "0") as url:
            with Client(url) as client:
                assert client.generate("llama3.2", "Hi").response == "Recorded words."
    # What stands before the name of the command counts too.
    with Command("--port", "0", "replay", folder, "--delay", "0") as url, Client(url) as client:
        assert client.generate("llama3.2", "Hi").response == "Recorded words."


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["record", "--upstream", "nonsense", "--into", "x"], "upstream must be a URL"),
        (["record", "--into", "x"], "--upstream"),
        (["replay", "/no/such/folder"], "/no/such/folder"),
    ],
)
def test_the_commands_refuse_what_makes_no_sense(arguments: List[str], text: str) -> None:
    command = [sys.executable, "-m", "ollamalite.mock", *arguments]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert text in done.stderr
    assert "Traceback" not in done.stderr
