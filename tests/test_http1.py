"""The reader of answers and the writer of request heads, without any socket."""

import random
from time import process_time
from typing import Iterable, List, NamedTuple, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ollamalite import errors
from ollamalite._http1 import AnswerReader, CutShort, Headers, Malformed, request_head

from .wire_cases import CASES, CHUNKED, OK, Case

case_names = [case.name for case in CASES]


class Outcome(NamedTuple):
    """What a reader makes of some input, with nothing in it that depends on how it was cut."""

    status: int
    reason: str
    headers: Tuple[Tuple[str, str], ...]
    body: bytes
    done: bool
    keep_alive: bool
    by_close: bool
    error: str
    at: str


def outcome(pieces: Iterable[bytes], method: str = "GET", end: bool = True) -> Outcome:
    reader = AnswerReader(method)
    body: List[bytes] = []
    error, at = "", ""
    try:
        for piece in pieces:
            body.append(reader.feed(piece))
            if reader.fault is not None:
                raise reader.fault
        # A transport that has a whole answer looks no further.
        if end and not reader.done:
            reader.end()
    except (Malformed, CutShort) as failure:
        error = f"{type(failure).__name__}: {failure}"
        at = "read" if reader.status else "send"
    # A head that is refused for what it says has a status already, but nobody gets to see it.
    return Outcome(
        reader.status,
        reader.reason,
        tuple(reader.headers.pairs) if reader.status else (),
        b"".join(body),
        reader.done,
        reader.keep_alive and reader.done,
        reader.ended_by_close,
        error,
        at,
    )


def whole(data: bytes) -> List[bytes]:
    return [data]


def byte_by_byte(data: bytes) -> List[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


def at_random(data: bytes) -> List[bytes]:
    chance = random.Random(len(data))
    places = sorted(chance.randrange(len(data) + 1) for _ in range(min(40, len(data) // 2)))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)])]


@pytest.mark.parametrize("cut", [whole, byte_by_byte, at_random], ids=lambda cut: cut.__name__)
@pytest.mark.parametrize("case", CASES, ids=case_names)
def test_each_wire_case_is_read_as_it_should_be(case: Case, cut) -> None:
    result = outcome(cut(case.answer), case.method, end=case.end == "close")
    assert result.body == case.body
    if case.error is None:
        assert result.error == ""
        assert result.done
        assert result.status == case.status
        assert result.by_close == case.by_close
        assert result.keep_alive == case.reused
        if case.reason is not None:
            assert result.reason == case.reason
        headers = Headers(result.headers)
        assert [headers[name] for name, _ in case.headers] == [value for _, value in case.headers]
    else:
        kind = "Malformed" if case.error == "ProtocolError" else "CutShort"
        assert result.error.startswith(kind)
        assert case.says in result.error
        assert not result.done


def test_names_of_wire_cases_are_unique() -> None:
    assert len(case_names) == len(set(case_names)) >= 200


def mutations() -> st.SearchStrategy[bytes]:
    """Answers from the table with pieces cut out, doubled, swapped, or bytes changed."""
    small = [case.answer for case in CASES if len(case.answer) < 600]

    @st.composite
    def mutated(draw: st.DrawFn) -> bytes:
        data = draw(st.sampled_from(small))
        for _ in range(draw(st.integers(0, 3))):
            start = draw(st.integers(0, len(data)))
            stop = draw(st.integers(start, min(len(data), start + 12)))
            insert = draw(
                st.one_of(
                    st.just(b""),
                    st.just(data[start:stop] * 2),
                    st.sampled_from(
                        [b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"0", b":", b" ", b"\x00"]
                    ),
                    st.binary(max_size=4),
                )
            )
            data = data[:start] + insert + data[stop:]
        return data

    return mutated()


def cuts(data: bytes) -> st.SearchStrategy[List[bytes]]:
    places = st.lists(st.integers(0, len(data)), max_size=12).map(sorted)
    return places.map(lambda at: [data[a:b] for a, b in zip([0, *at], [*at, len(data)])])


@settings(max_examples=1500, deadline=None)
@given(st.data(), mutations(), st.sampled_from(["GET", "HEAD", "POST"]), st.booleans())
def test_how_the_bytes_are_cut_changes_nothing(data, answer: bytes, method: str, end: bool) -> None:
    expected = outcome([answer], method, end)
    assert outcome(byte_by_byte(answer), method, end)._replace(
        keep_alive=False
    ) == expected._replace(keep_alive=False)
    assert outcome(data.draw(cuts(answer)), method, end)._replace(
        keep_alive=False
    ) == expected._replace(keep_alive=False)


names = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12).map(
    lambda name: "X-" + name
)
values = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=30
).map(str.strip)


@settings(max_examples=500, deadline=None)
@given(
    st.data(),
    st.integers(200, 599).filter(lambda status: status not in (204, 304)),
    st.lists(st.tuples(names, values), max_size=5),
    st.lists(st.binary(min_size=1, max_size=60), max_size=12),
    st.sampled_from(["length", "chunked", "close"]),
    st.sampled_from([b"%x", b"%X", b"%04x", b"%x;a=b"]),
)
def test_a_generated_answer_comes_out_as_it_was_made(
    data,
    status: int,
    headers: List[Tuple[str, str]],
    body: List[bytes],
    framing: str,
    size: bytes,
) -> None:
    head = f"HTTP/1.1 {status} Made\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers)
    if framing == "length":
        answer = head + f"Content-Length: {sum(map(len, body))}\r\n\r\n"
        raw = answer.encode("latin-1") + b"".join(body)
    elif framing == "chunked":
        raw = (head + "Transfer-Encoding: chunked\r\n\r\n").encode("latin-1")
        raw += b"".join(size % len(piece) + b"\r\n" + piece + b"\r\n" for piece in body)
        raw += b"0\r\n\r\n"
    else:
        raw = (head + "\r\n").encode("latin-1") + b"".join(body)
    result = outcome(data.draw(cuts(raw)))
    assert result.error == ""
    assert result.done
    assert result.status == status
    assert result.body == b"".join(body)
    assert list(result.headers[: len(headers)]) == headers
    assert result.by_close == (framing == "close")
    assert result.keep_alive == (framing != "close")


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_end_in_one_of_three_outcomes(data: bytes) -> None:
    for prefix in (b"", OK, CHUNKED, OK + b"Content-Length: 9\r\n\r\n"):
        result = outcome([prefix + data])
        assert result.done != bool(result.error)


def test_bytes_after_the_end_that_come_later_spoil_the_connection_as_well() -> None:
    reader = AnswerReader("GET")
    assert reader.feed(OK + b"Content-Length: 2\r\n\r\n{}") == b"{}"
    assert reader.keep_alive
    assert reader.feed(b"x") == b""
    assert reader.surplus
    assert not reader.keep_alive


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"X: " + b"y" * 60000 + b"\r\nContent-Length: 0\r\n\r\n",
        OK + b"X: y\r\n" * 9000 + b"Content-Length: 0\r\n\r\n",
        b"HTTP/1.1 102 P\r\n\r\n" * 3000 + OK + b"Content-Length: 0\r\n\r\n",
        CHUNKED + b"1\r\na\r\n" * 20000 + b"0\r\n\r\n",
        CHUNKED + b"2;" + b"x" * 4000 + b"\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"0\r\n" + b"X: y\r\n" * 9000 + b"\r\n",
    ],
    ids=[
        "a long header",
        "many headers",
        "interim answers",
        "tiny chunks",
        "extension",
        "trailers",
    ],
)
def test_what_drips_in_byte_by_byte_takes_no_quadratic_time(answer: bytes) -> None:
    started = process_time()
    assert outcome(byte_by_byte(answer)).error == ""
    assert process_time() - started < 5


def test_a_large_chunk_takes_no_quadratic_time_or_memory() -> None:
    size = 1 << 24
    reader = AnswerReader("GET")
    reader.feed(CHUNKED + b"%x\r\n" % size)
    piece = b"x" * 65536
    started = process_time()
    assert sum(len(reader.feed(piece)) for _ in range(size // 65536)) == size
    reader.feed(b"\r\n0\r\n\r\n")
    assert reader.done
    assert process_time() - started < 1


def test_a_fault_after_good_bytes_is_raised_by_every_later_call() -> None:
    reader = AnswerReader("GET")
    assert reader.feed(CHUNKED + b"1\r\na\r\nzz") == b"a"
    assert reader.status == 200
    for step in (lambda: reader.feed(b"x"), lambda: reader.feed(b""), reader.end):
        with pytest.raises(Malformed, match="without a valid size"):
            step()


def test_the_limit_for_heads_can_be_set() -> None:
    reader = AnswerReader("GET", max_head_size=100)
    with pytest.raises(Malformed, match="more than 100 bytes"):
        reader.feed(OK + b"X: " + b"y" * 100)


def test_headers_are_a_mapping_that_ignores_case() -> None:
    headers = Headers([("Content-Type", "a"), ("X-One", "1"), ("x-one", "2")])
    assert headers["content-type"] == headers.get("CONTENT-TYPE") == "a"
    assert headers["X-ONE"] == "1, 2"
    assert "X-One" in headers
    assert "x-two" not in headers
    assert headers.get("x-two", "none") == "none"
    assert dict(headers) == {"content-type": "a", "x-one": "1, 2"}
    assert headers.pairs == [("Content-Type", "a"), ("X-One", "1"), ("x-one", "2")]
    assert len(headers) == 2
    assert "X-One" in repr(headers)


def test_a_request_head_has_host_first_and_asks_for_no_compression() -> None:
    head = request_head("GET", "/api/ps", "localhost:11434", {"Accept": "application/json"})
    assert head == (
        b"GET /api/ps HTTP/1.1\r\nHost: localhost:11434\r\nAccept: application/json\r\n"
        b"Accept-Encoding: identity\r\n"
    )


@pytest.mark.parametrize(
    "name",
    [
        "Content-Length",
        "content-length",
        "Transfer-Encoding",
        "TRANSFER-ENCODING",
        "Connection",
        "Keep-Alive",
        "Upgrade",
        "Accept-Encoding",
        "Proxy-Connection",
        "HTTP2-Settings",
    ],
)
def test_headers_of_the_caller_that_frame_the_request_are_left_out(name: str) -> None:
    head = request_head("POST", "/", "h", {name: "17", "X": "y"})
    assert head.lower().count(name.lower().encode()) == (name == "Accept-Encoding")
    assert b"17" not in head


def test_the_callers_host_header_replaces_ours() -> None:
    head = request_head("GET", "/", "127.0.0.1:11434", {"host": "localhost"})
    assert head.startswith(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
    assert head.lower().count(b"host:") == 1


def test_the_callers_connection_close_is_sent() -> None:
    assert b"Connection: close\r\n" in request_head("GET", "/", "h", {"Connection": "close"})


def test_header_values_are_sent_as_utf_8_without_space_around_them() -> None:
    assert b"\r\nX: caf\xc3\xa9\r\n" in request_head("GET", "/", "h", {"X": "  caf\xe9 "})


@pytest.mark.parametrize("bad", ["a\rb", "a\nb", "a\r\nEvil: 1", "a\x00b", "\n", "a\n"])
def test_line_ends_and_nul_in_headers_are_refused(bad: str) -> None:
    for headers in ({"X": bad}, {bad: "x"}, {"Host": bad}, {"Content-Length": bad}):
        with pytest.raises(errors.RequestError):
            request_head("GET", "/", "h", headers)


@pytest.mark.parametrize("bad", ["", "a b", "a:", "é", "a(b)", "a\tb"])
def test_what_is_no_header_name_is_refused(bad: str) -> None:
    with pytest.raises(errors.RequestError, match="not a header name"):
        request_head("GET", "/", "h", {bad: "x"})


@pytest.mark.parametrize("bad", ["", "GE T", "GET\r\n", "GET /x", "G\xc9T"])
def test_what_is_no_method_is_refused(bad: str) -> None:
    with pytest.raises(errors.RequestError, match="not an HTTP method"):
        request_head(bad, "/", "h", {})


def test_headers_that_are_no_text_are_refused() -> None:
    with pytest.raises(TypeError, match="must be str"):
        request_head("GET", "/", "h", {"X": 1})  # type: ignore[dict-item]
    with pytest.raises(errors.RequestError, match="lone surrogate"):
        request_head("GET", "/", "h", {"X": "\ud800"})


@pytest.mark.parametrize("start", [b"A:", b"A:b\r\n "], ids=["field", "folded line"])
def test_blanks_in_a_bad_line_take_no_more_time_than_other_characters(start: bytes) -> None:
    def seconds(filler: bytes) -> float:
        reader = AnswerReader("GET")
        began = process_time()
        with pytest.raises(Malformed):
            reader.feed(b"HTTP/1.1 200 OK\r\n" + start + filler * 60000 + b"\rx\r\n\r\n")
        return process_time() - began

    # Quadratic time was thousands of times as long.
    assert seconds(b" ") < 100 * max(seconds(b"y"), 0.001)
