"""Every captured answer of a real server, replayed from a socket to both clients.

Whole and in pieces, mostly of a byte, an answer gives every field of every line that travelled, or
a ResponseError with the server's text and status.
"""

import asyncio
import base64
import json
import socket
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from ollamalite import AsyncClient, Client, IncompleteError, ResponseError, TransportError
from ollamalite._generated.models import ErrorResponse
from ollamalite._generated.operations import BY_ROUTE
from ollamalite._model import Record

# Longer answers come in longer pieces, as each piece costs several system calls.
LARGE = 8192
CAPTURES = Path(__file__).parent / "captures"


class Anything(Record):
    """What an endpoint answers that the description does not cover: only unknown members."""

    __slots__ = ()


def load():
    for path in sorted(CAPTURES.glob("*.json")):
        capture = json.loads(path.read_text(encoding="utf-8"))
        parts = capture.get("exchanges", [capture])
        for number, part in enumerate(parts):
            name = capture["name"] + (f"#{number}" if len(parts) > 1 else "")
            yield name, part["request"], part["response"]


EXCHANGES = {name: (request, response) for name, request, response in load()}
# An asterisk is no path that a client of an API could ask for.
EXCHANGES = {name: pair for name, pair in EXCHANGES.items() if pair[0]["path"] != "*"}


@contextmanager
def replay(raw, size):
    """A server that answers one request with ``raw``, ``size`` bytes at a time, and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))
    # So that a client that never comes fails the test in place of hanging it.
    listener.settimeout(10)

    def serve():
        try:
            connection, _ = listener.accept()
        except socket.timeout:
            return
        with connection:
            connection.settimeout(10)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            read_request(connection)
            try:
                for start in range(0, len(raw), size):
                    connection.sendall(raw[start : start + size])
                # Unread bytes would make the kernel reset the connection and drop what it holds.
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
            except OSError:
                return  # a client hangs up after an error line

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        thread.join()
        listener.close()


def read_request(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            while len(body) < int(value):
                body += connection.recv(65536)


def body_of(raw):
    """The body of the final answer in ``raw``, and whether it is whole, by a second reader."""
    while True:
        head, _, rest = raw.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        if status >= 200:
            break
        raw = rest
    fields = {}
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        fields[name.lower()] = value.strip()
    if fields.get(b"transfer-encoding") != b"chunked":
        return rest, True
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        if int(size, 16) == 0:
            return body, True
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return body, False


def lines_of(raw):
    body, whole = body_of(raw)
    lines = body.split(b"\n")
    if not whole:
        lines = lines[:-1]
    return [json.loads(line.decode("utf-8", "replace")) for line in lines if line.strip()], whole


async def ask_async(url, cls, request, stream):
    values = []
    async with AsyncClient(url, follow_redirects=False) as client:
        try:
            answer = await client._request(
                cls, request["method"], request["path"], json={}, stream=stream
            )
            if not stream:
                return [answer], None
            async for value in answer:
                values.append(value)
        except (ResponseError, TransportError) as error:
            return values, error
    return values, None


def ask(url, cls, request, stream):
    values = []
    with Client(url, follow_redirects=False) as client:
        try:
            answer = client._request(
                cls, request["method"], request["path"], json={}, stream=stream
            )
            if not stream:
                return [answer], None
            values.extend(answer)
        except (ResponseError, TransportError) as error:
            return values, error
    return values, None


def answers(raw, request, response, size):
    row = BY_ROUTE.get((request["method"], request["path"].partition("?")[0]))
    if request["method"] == "HEAD":
        cls = bool
    elif row is not None:
        cls = row.response
    else:
        known = (is_json(response) or is_ndjson(response)) and response["body_text"] != "null"
        cls = Anything if known else str
    stream = is_ndjson(response)
    for client in (ask, lambda *arguments: asyncio.run(ask_async(*arguments))):
        with replay(raw, size) as url:
            yield client(url, cls, request, stream)


def content_type(response):
    return next((v for k, v in response["headers"] if k.lower() == "content-type"), "")


def is_json(response):
    return content_type(response).startswith("application/json")


def is_ndjson(response):
    return content_type(response).startswith("application/x-ndjson")


@pytest.mark.parametrize("size", [1 << 30, 1], ids=["whole", "in-pieces"])
@pytest.mark.parametrize("name", EXCHANGES)
def test_an_answer_gives_every_field_of_every_line_or_the_servers_error(name, size):
    request, response = EXCHANGES[name]
    raw = base64.b64decode(response["raw_base64"])
    if size == 1 and len(raw) > LARGE:
        size = 1 + len(raw) // LARGE
    for values, error in answers(raw, request, response, size):
        if response["status"] is None:
            assert isinstance(error, TransportError)
        elif request["method"] == "HEAD" and response["status"] in (200, 404):
            assert values == [response["status"] == 200]
        elif response["status"] >= 300:
            check_error(error, raw, response)
        elif is_ndjson(response):
            check_stream(values, error, raw)
        elif is_json(response) and response["body_text"] != "null":
            assert error is None
            (value,) = values
            assert json.dumps(value) == json.dumps(
                json.loads(body_of(raw)[0].decode("utf-8", "replace"))
            )
        else:
            assert error is None
            text = body_of(raw)[0].decode()
            assert values[0] in (text, True) or values[0].status == "success"


def check_error(error, raw, response):
    assert isinstance(error, ResponseError)
    assert error.status_code == response["status"]
    body = body_of(raw)[0].decode()
    try:
        text = json.loads(body)["error"]
    except ValueError:
        text = body.strip()
    if isinstance(text, dict):
        text = text["message"]
    assert error.error == (text or error.error)
    assert error.error
    assert error.body == body_of(raw)[0]


def nested(text):
    """A runner's own error comes as JSON inside the text; the `ollama` package takes it out."""
    try:
        inner = json.loads(text)
    except ValueError:
        return text
    return inner["error"]["message"]


def check_stream(values, error, raw):
    lines, whole = lines_of(raw)
    if lines and "error" in lines[-1]:
        assert isinstance(error, ResponseError)
        assert error.status_code == -1
        assert error.error == nested(lines.pop()["error"])
    elif whole:
        assert error is None
    else:
        assert isinstance(error, IncompleteError)
    assert [json.dumps(value) for value in values] == [json.dumps(line) for line in lines]


def test_every_capture_is_replayed():
    assert len(list(CAPTURES.glob("*.json"))) == 420
    assert len(EXCHANGES) > 420
    assert "error" in ErrorResponse.model_fields
