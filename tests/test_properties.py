"""What must hold for any bytes: no cut changes what comes of them, and both clients make the same.

The examples are the same in each run. With OLLAMALITE_EXAMPLES=15 in the environment there are
fifteen times as many, which takes minutes; with 0.1 a tenth.
"""

import asyncio
import base64
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ollamalite import AsyncClient, Client, ResponseError, errors
from ollamalite._exchange import AnswerStream, Request, read_answer
from ollamalite._generated.models import ChatResponse
from ollamalite._http1 import Headers

from .wire_oracle import NOTHING, pieces_at, read, single_bytes
from .wire_server import PATIENCE, serve

FACTOR = float(os.environ.get("OLLAMALITE_EXAMPLES", "1"))
SMALL = 600


def examples(count):
    return settings(
        max_examples=max(1, int(count * FACTOR)),
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


def captured():
    found = set()
    for path in sorted((Path(__file__).parent / "captures").glob("*.json")):
        capture = json.loads(path.read_text(encoding="utf-8"))
        for part in capture.get("exchanges", [capture]):
            raw = base64.b64decode(part["response"]["raw_base64"])
            # Of long answers the beginning has all that is peculiar to them.
            found.add((part["request"]["method"], raw[:SMALL]))
    return sorted(found)


CAPTURED = captured()

# What means something to a reader of HTTP or of lines of JSON.
TOKENS = [
    *(b"", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\n\n", b"\x00", b" ", b"\t", b":", b",", b";"),
    *(b"0", b"1", b"f", b"-", b"+", b"0x", b"ffffffffffffffff", b"0\r\n\r\n", b"\r\n0\r\n\r\n"),
    *(b"\xff", b"\xc3", b"\xe2\x80\xa8", b"\xc2\x85", b"\xef\xbb\xbf", b"\\", b'"', b"{", b"}"),
    *(b"[", b"]", b"{}", b"null", b"NaN", b"1e999", b"\\ud800", b'{"done":true}\n', b'{"done":1}'),
    *(b'{"error":"x"}\n', b'{"error":{"message":"x"}}', b'{"error":[]}', b'{"message":1}\n'),
    *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 ", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/2 ", b"204"),
    *(b"404", b"500", b"304", b"101", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"Connection: close\r\n"),
    *(b"Connection: keep-alive\r\n", b"Content-Encoding: gzip\r\n", b"X: y\r\n", b" folded\r\n"),
]

# Where, how much is taken away (more than 12: all the rest), and what comes in its place.
edits = st.lists(
    st.tuples(st.integers(0, SMALL), st.integers(0, 13), st.integers(0, len(TOKENS))), max_size=4
)
places = st.lists(st.integers(0, SMALL), max_size=5)


def edited(answer, changes):
    for place, size, token in changes:
        place %= len(answer) + 1
        stop = len(answer) if size > 12 else place + size
        new = TOKENS[token] if token < len(TOKENS) else answer[place:stop] * 2
        answer = answer[:place] + new + answer[stop:]
    return answer


@examples(12_000)
@given(st.sampled_from(CAPTURED), edits, places, st.integers(0, 15))
def test_no_cut_changes_what_comes_of_a_mutated_capture(capture, changes, cuts, limits):
    method, answer = capture
    answer = edited(answer, changes)
    options = {
        "max_head_size": 150 if limits & 7 == 7 else 65536,
        "max_line": 60 if limits & 8 else 1 << 20,
    }
    whole = read([answer], method, **options)
    assert read(pieces_at(answer, cuts), method, **options) == whole
    assert read(single_bytes(answer), method, **options) == whole


texts = st.text(max_size=6) | st.sampled_from(
    ["\u2028", "\u2029\x85", "\r\n", "\U0001f600", "é\x00"]
)
lines_of_chat = st.lists(st.tuples(texts, st.booleans(), st.booleans()), max_size=4)
framings = st.tuples(
    st.sampled_from(["length", "chunked", "chunked", "close"]),
    st.sampled_from(["%x", "%X", "%08x", "%x;a=b", "%x \t;a"]),
    st.sampled_from(["", "X-Trailer: 1\r\n", "A: \xe9\r\nB:\r\n"]),
)
heads = st.tuples(
    st.sampled_from(["HTTP/1.1 200 OK", "HTTP/1.1 200", "HTTP/1.0 200 Fine", "HTTP/1.1 206 \xe9"]),
    st.sampled_from(["", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n"]),
    st.sampled_from(["", "X: 1\r\nX: 2\r\n", "Content-Encoding: identity\r\n", "A:b\r\n c\r\n"]),
    st.sampled_from(["\r\n", "\r\n", "\n"]),
)


def chat_lines(lines):
    """Objects of a chat's stream, and the same as the server writes them."""
    objects = [{"message": {"role": "assistant", "content": text}} for text, _, _ in lines]
    message = {"role": "assistant", "content": ""}
    objects.append({"message": message, "done": True, "done_reason": "stop"})
    ends = [("\r\n" if crlf else "\n") for _, crlf, _ in lines] + ["\n"]
    ascii_only = [escaped for _, _, escaped in lines] + [True]
    written = [
        json.dumps(value, ensure_ascii=plain) + end
        for value, plain, end in zip(objects, ascii_only, ends)
    ]
    return objects, "".join(written).encode()


def framed(body, head, framing, cuts):
    """An answer around a body, and how it ends."""
    status, interim, headers, end = head
    kind, size, trailer = framing
    lines = interim + status + "\r\n" + headers
    if kind == "length":
        lines += f"Content-Length: {len(body)}\r\n"
        sent = body
    elif kind == "chunked":
        lines += "Transfer-Encoding: chunked\r\n"
        pieces = [piece for piece in pieces_at(body, cuts) if piece]
        sent = b"".join(
            (size % len(piece)).encode() + b"\r\n" + piece + b"\r\n" for piece in pieces
        )
        sent += b"0\r\n" + trailer.encode("latin-1") + b"\r\n"
    else:
        sent = body
    return (lines + "\r\n").replace("\r\n", end).encode("latin-1") + sent


@examples(6_000)
@given(lines_of_chat, heads, framings, places, places)
def test_what_a_server_says_is_what_comes_out_however_it_is_framed_and_cut(
    lines, head, framing, chunks, cuts
):
    objects, body = chat_lines(lines)
    answer = framed(body, head, framing, chunks)
    result = read(pieces_at(answer, cuts), "POST")
    assert result.stream_error == NOTHING
    assert result.body == body
    assert result.by_close == (framing[0] == "close")
    plain = head[0].startswith("HTTP/1.1") and framing[0] != "close"
    assert result.keep_alive == plain
    assert list(result.values) == [repr(ChatResponse(**value)) for value in objects]
    assert read(single_bytes(answer), "POST") == result


@examples(2_000)
@given(lines_of_chat, heads, framings, places, st.integers(0, SMALL))
def test_an_answer_that_is_cut_short_is_never_taken_for_a_whole_one(
    lines, head, framing, chunks, size
):
    _, body = chat_lines(lines)
    answer = framed(body, head, framing, chunks)
    size %= len(answer)
    whole, part = read([answer], "POST"), read([answer[:size]], "POST")
    assert part.values == whole.values[: len(part.values)]
    if framing[0] == "close" and part.body.rstrip() == body.rstrip():
        # Only a line's end is missing, which says nothing.
        assert part.values == whole.values
    else:
        name, _ = part.stream_error
        assert name in ("CutShort", "NoAnswer", "IncompleteError")


@examples(1_000)
@given(st.binary(max_size=60), st.sampled_from(["GET", "HEAD", "POST"]), places)
def test_any_bytes_end_in_values_or_an_error_of_ours(answer, method, cuts):
    for start in (
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ):
        whole = read([start + answer], method)
        assert read(pieces_at(start + answer, cuts), method) == whole


class Head:
    status, reason, headers, ended_by_close, cut = 200, "OK", Headers(), False, False


@pytest.mark.parametrize("opening", [b"[", b'{"a":'], ids=["arrays", "objects"])
def test_an_error_nested_up_to_the_limit_of_the_interpreter_is_an_error_of_ours(opening):
    closing = {b"[": b"]", b'{"a":': b"}"}[opening]
    for depth in (1, *range(900, 1020), 30_000, 200_000):
        body = b'{"error":' + opening * depth + b"1" + closing * depth + b"}"
        request = Request("GET", "http://wire/", {})
        with pytest.raises(errors.OllamaError):
            read_answer(ChatResponse, request, Head, [body])
        _, error = AnswerStream(ChatResponse, request, Head).feed(body + b"\n")
        assert isinstance(error, errors.OllamaError)


# -- the same over sockets


class Stage:
    """A server that says the same pieces to everyone who asks, and hangs up."""

    def __init__(self):
        self.pieces = []
        self.loop = asyncio.new_event_loop()

    def script(self, peer):
        if peer.receive() is not None:
            peer.send(*self.pieces)
            peer.sock.shutdown(1)
            peer.sees_hang_up()

    def results(self, url, method, path):
        for stream in (True, False):
            yield stream, self.ask(url, method, path, stream)
            yield stream, self.loop.run_until_complete(self.ask_async(url, method, path, stream))

    def ask(self, url, method, path, stream):
        values = []
        with Client(url, follow_redirects=False, timeout=PATIENCE) as client:
            try:
                answer = client._request(ChatResponse, method, path, json={}, stream=stream)
                if not stream:
                    return [answer], None
                for value in answer:
                    values.append(value)
            except errors.OllamaError as error:
                return values, error
        return values, None

    async def ask_async(self, url, method, path, stream):
        values = []
        async with AsyncClient(url, follow_redirects=False, timeout=PATIENCE) as client:
            try:
                answer = await client._request(ChatResponse, method, path, json={}, stream=stream)
                if not stream:
                    return [answer], None
                async for value in answer:
                    values.append(value)
            except errors.OllamaError as error:
                return values, error
        return values, None


@pytest.fixture(scope="module")
def stage():
    stage = Stage()
    with serve(stage.script) as server:
        stage.url = server.url
        yield stage
    stage.loop.close()


def check_both(stage, answer, method, cuts):
    path = "/api/chat"
    stage.pieces = [piece for piece in pieces_at(answer, cuts) if piece]
    last = ("done", True) if method == "POST" else None
    pure = read([answer], method, url=stage.url + path, last=last)
    texts = {True: set(), False: set()}
    for stream, (values, error) in stage.results(stage.url, method, path):
        name, text = pure.stream_error if stream else pure.one_shot
        if stream:
            assert tuple(map(repr, values)) == pure.values
        elif not name:
            assert [repr(value) for value in values] == [text]
            continue
        if not name:
            assert error is None
            continue
        framing = (name, text) == pure.framing
        assert type(error).__name__ == (pure.kind if framing else name)
        assert str(error).endswith(text)
        texts[stream].add((str(error), error.method, error.url))
        if isinstance(error, ResponseError):
            assert error.status_code == (pure.status if pure.status >= 300 or not stream else -1)
    assert all(len(found) <= 1 for found in texts.values())


@examples(350)
@given(st.sampled_from(CAPTURED), edits, places)
def test_both_clients_make_of_a_mutated_capture_what_the_pure_readers_do(
    stage, capture, changes, cuts
):
    method, answer = capture
    check_both(
        stage, edited(answer, changes), "POST" if method not in ("GET", "HEAD") else method, cuts
    )


@examples(150)
@given(lines_of_chat, heads, framings, places, places, edits)
def test_both_clients_make_of_a_generated_answer_what_the_pure_readers_do(
    stage, lines, head, framing, chunks, cuts, changes
):
    _, body = chat_lines(lines)
    check_both(stage, edited(framed(body, head, framing, chunks), changes[:1]), "POST", cuts)
