"""The wire cases through both clients, up to the values and exceptions that a caller sees."""

import asyncio

import pytest

from ollamalite import AsyncClient, Client, OllamaError, ResponseError, errors

from .both_clients import both
from .wire_cases import CASES
from .wire_server import serve

# What comes in a stream of generate; the responses that come out; the error after them.
STREAMS = [
    ("one line", b'{"response":"a"}\n', ["a"], None),
    ("lines in one piece", b'{"response":"a"}\n{"response":"b"}\n', ["a", "b"], None),
    ("no line at all", b"", [], None),
    ("blank lines", b'\n\n{"response":"a"}\n \n\r\n', ["a"], None),
    ("a last line without its end", b'{"response":"a"}\n{"response":"b"}', ["a", "b"], None),
    ("line ends of Windows", b'{"response":"a"}\r\n{"response":"b"}\r\n', ["a", "b"], None),
    ("a line separator in text", '{"response":"a\u2028b"}\n'.encode(), ["a\u2028b"], None),
    ("a paragraph separator in text", '{"response":"a\u2029b"}\n'.encode(), ["a\u2029b"], None),
    ("a next-line control in text", '{"response":"a\x85b"}\n'.encode(), ["a\x85b"], None),
    ("a form feed in text", b'{"response":"a\\fb"}\n', ["a\fb"], None),
    ("a lone surrogate", b'{"response":"\\ud800"}\n', ["\ud800"], None),
    ("a NUL in text", b'{"response":"\\u0000"}\n', ["\0"], None),
    ("an unknown member", b'{"response":"a","new":[1]}\n', ["a"], None),
    ("a member twice", b'{"response":"a","response":"b"}\n', ["b"], None),
    ("a null", b'{"response":null}\n', [None], None),
    ("an error", b'{"response":"a"}\n{"error":"x"}\n', ["a"], "ResponseError"),
    ("an error at once", b'{"error":"x"}\n', [], "ResponseError"),
    ("an error that is an object", b'{"error":{"message":"x"}}\n', [], "ResponseError"),
    ("an error without a line end", b'{"error":"x"}', [], "ResponseError"),
    ("lines after an error", b'{"error":"x"}\n{"response":"a"}\n', [], "ResponseError"),
    ("a page of HTML", b"<html></html>\n", [], "DecodeError"),
    ("half a line", b'{"response":"a"}\n{"respo', ["a"], "DecodeError"),
    ("two values on a line", b'{"response":"a"}{}\n', [], "DecodeError"),
    ("a list", b"[]\n", [], "DecodeError"),
    ("a number", b"1\n", [], "DecodeError"),
    ("a null line", b"null\n", [], "DecodeError"),
    ("a byte order mark", b'\xef\xbb\xbf{"response":"a"}\n', [], "DecodeError"),
    ("bytes that are no UTF-8", b'{"response":"a"}\n"\xff"\n', ["a"], "DecodeError"),
    ("nesting without end", b'{"response":"a"}\n' + b"[" * 99_999 + b"\n", ["a"], "DecodeError"),
    ("a list where an object belongs", b'{"_debug_info":[]}\n', [], "DecodeError"),
    ("an event stream", b'data: {"response":"a"}\n', [], "DecodeError"),
    ("a literal that JSON lacks", b"undefined\n", [], "DecodeError"),
]


def server_of(case):
    def script(peer):
        peer.receive()
        try:
            peer.send(case.answer)
        except OSError:
            return  # the client has seen enough
        if case.end == "open":
            peer.receive()

    return serve(script)


def outcome(face, url, method):
    """Return the value, or the class of the error and its text without the port."""
    client = face.make(url, follow_redirects=False)
    try:
        return face.call(client, "_request", str, method, "/x"), None
    except OllamaError as error:
        return None, error


@both
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_wire_case_gives_its_value_or_its_error(face, case):
    with server_of(case) as server:
        value, error = outcome(face, server.url, case.method)
    if case.error is None and 200 <= case.status < 300:
        assert (value, error) == (case.body.decode("utf-8", "replace"), None)
    elif case.status >= 300 and (case.error is None or case.at == "read"):
        assert isinstance(error, ResponseError)
        assert error.status_code == case.status
    else:
        assert isinstance(error, getattr(errors, case.error))
        assert case.says in str(error)
        assert str(error).count(server.url + "/x") == 1


@both
@pytest.mark.parametrize("size", [1 << 20, 1], ids=["whole", "byte-by-byte"])
@pytest.mark.parametrize(("name", "lines", "values", "error"), STREAMS, ids=[s[0] for s in STREAMS])
def test_a_stream_gives_its_values_and_then_its_error(face, size, name, lines, values, error):
    if size == 1 and len(lines) > 1000:
        size = 100

    def script(peer):
        peer.receive()
        try:
            peer.stream()
            for start in range(0, len(lines), size):
                peer.chunk(lines[start : start + size])
            peer.chunk(b"")
        except OSError:
            return  # a client hangs up after an error
        peer.receive()

    with serve(script) as server:
        pieces, raised = face.stream(face.make(server.url), "generate", "m")
    assert [piece.response for piece in pieces] == values
    assert type(raised).__name__ == (error or "NoneType")


def test_both_clients_are_tested():
    assert {Client, AsyncClient} == {f.make for f in both.args[1]}
    assert asyncio.iscoroutinefunction(AsyncClient.chat)
    assert len(CASES) + len(STREAMS) >= 250
