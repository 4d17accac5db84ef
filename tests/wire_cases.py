"""Answers as they come over a wire, good and bad, and what a client must make of each.

A bug report about framing becomes a row here. Each row runs against the pure reader and both
transports, whole, byte by byte and cut at random.
"""

from typing import List, NamedTuple, Optional, Tuple

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


class Case(NamedTuple):
    """One answer to one request.

    `end` says what the server does after the bytes: "open" keeps the connection, "close" ends it.
    `body` is what comes out, before the error if there is one. `error` is the class in `errors`,
    `at` where it is raised: "send" before the head is whole, "read" after. `reused`: the connection
    serves the next request.
    """

    name: str
    answer: bytes
    body: bytes = b""
    status: int = 200
    error: Optional[str] = None
    says: str = ""
    at: str = "send"
    end: str = "open"
    method: str = "GET"
    reused: bool = False
    by_close: bool = False
    reason: Optional[str] = None
    headers: Tuple[Tuple[str, str], ...] = ()


CASES: List[Case] = []


def good(name: str, answer: bytes, body: bytes = b"", **rest: object) -> None:
    """The answer is whole, and its connection is good for another."""
    CASES.append(Case(name, answer, body, **{"reused": True, **rest}))  # type: ignore[arg-type]


def last(name: str, answer: bytes, body: bytes = b"", **rest: object) -> None:
    """The answer is whole, but nothing may follow it on its connection."""
    CASES.append(Case(name, answer, body, **rest))  # type: ignore[arg-type]


def bad(name: str, answer: bytes, says: str, **rest: object) -> None:
    """The bytes make no sense, which is noticed without waiting for more."""
    CASES.append(Case(name, answer, error="ProtocolError", says=says, **rest))  # type: ignore[arg-type]


def bad_body(name: str, answer: bytes, says: str, body: bytes = b"", **rest: object) -> None:
    """The head is good; the body makes no sense after some bytes."""
    bad(name, answer, says, body=body, at="read", **rest)


def cut(name: str, answer: bytes, body: bytes = b"", **rest: object) -> None:
    """The connection ends in the middle of the body."""
    values = {
        "error": "IncompleteError",
        "says": "closed in the middle",
        "at": "read",
        "end": "close",
    }
    CASES.append(Case(name, answer, body, **{**values, **rest}))  # type: ignore[arg-type]


# -- status line

good("a plain answer", OK + b"Content-Length: 2\r\n\r\n{}", b"{}", reason="OK")
good(
    "a reason of several words",
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    status=404,
    reason="Not Found",
)
good("an empty reason", b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", reason="")
good("no reason and no space", b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", reason="")
good(
    "a reason in Latin-1",
    b"HTTP/1.1 200 Gr\xfc\xdf Gott\r\nContent-Length: 0\r\n\r\n",
    reason="Gr\xfc\xdf Gott",
)
good("a status nobody knows", b"HTTP/1.1 299 Odd\r\nContent-Length: 1\r\n\r\nx", b"x", status=299)
good("the largest status", b"HTTP/1.1 999 Odd\r\nContent-Length: 1\r\n\r\nx", b"x", status=999)
good(
    "an error status with a body",
    b"HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\nbad",
    b"bad",
    status=500,
)
good("a minor version from the future", b"HTTP/1.7 200 OK\r\nContent-Length: 1\r\n\r\nx", b"x")
last("HTTP/1.0 with a length", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi")
good(
    "HTTP/1.0 that keeps the connection",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
    b"hi",
)
bad("a status of two digits", b"HTTP/1.1 20 OK\r\n\r\n", "status line")
bad("a status of four digits", b"HTTP/1.1 2000 OK\r\n\r\n", "status line")
bad("a status below 100", b"HTTP/1.1 099 OK\r\n\r\n", "status line")
bad("a status with a sign", b"HTTP/1.1 +20 OK\r\n\r\n", "status line")
bad("a status in Arabic digits", "HTTP/1.1 ٢٠٠ OK\r\n\r\n".encode(), "status line")
bad("a status that is a word", b"HTTP/1.1 abc OK\r\n\r\n", "status line")
bad("two spaces before the status", b"HTTP/1.1  200 OK\r\n\r\n", "status line")
bad("a tab before the status", b"HTTP/1.1\t200 OK\r\n\r\n", "status line")
bad("no status", b"HTTP/1.1\r\n\r\n", "status line")
bad("a minor version of two digits", b"HTTP/1.11 200 OK\r\n\r\n", "status line")
bad("NUL in the reason", b"HTTP/1.1 200 O\x00K\r\n\r\n", "status line")
bad("a lone CR in the reason", b"HTTP/1.1 200 O\rK\r\n\r\n", "status line")
bad("HTTP/2 in the status line", b"HTTP/2 200 OK\r\n\r\n", "not an HTTP/1.1 answer")
bad("HTTP/0.9", b"<html>hello</html>", "not an HTTP/1.1 answer")
bad("a lower-case protocol name", b"http/1.1 200 OK\r\n\r\n", "not an HTTP/1.1 answer")
bad(
    "an empty line first",
    b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "not an HTTP/1.1 answer",
)
bad("a space first", b" HTTP/1.1 200 OK\r\n\r\n", "not an HTTP/1.1 answer")
bad("an ICY server", b"ICY 200 OK\r\n\r\n", "not an HTTP/1.1 answer")
bad("a request for an answer", b"GET / HTTP/1.1\r\n\r\n", "not an HTTP/1.1 answer")

# -- other protocols on the port

bad("a TLS alert", b"\x15\x03\x01\x00\x02\x02\x46", "speaks TLS")
bad("a TLS handshake", b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76", "speaks TLS")
bad(
    "an HTTP/2 server",
    b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80",
    "HTTP/2 only",
)
bad("an SSH server", b"SSH-2.0-OpenSSH_9.6\r\n", "not an HTTP/1.1 answer")
bad("a mail server", b"220 mail.example.com ESMTP\r\n", "not an HTTP/1.1 answer")
bad("a Redis server", b"-ERR unknown command\r\n", "not an HTTP/1.1 answer")
bad("JSON without HTTP", b'{"models":[]}', "not an HTTP/1.1 answer")
bad("random bytes", bytes(range(200, 256)), "not an HTTP/1.1 answer")

# -- headers

good(
    "headers in any case",
    OK + b"CONTENT-length: 2\r\n\r\n{}",
    b"{}",
    headers=(("Content-Length", "2"),),
)
good(
    "no space after the colon",
    OK + b"Content-Length:2\r\n\r\n{}",
    b"{}",
    headers=(("content-length", "2"),),
)
good(
    "much space around a value",
    OK + b"X: \t a b \t \r\nContent-Length: \t2 \r\n\r\n{}",
    b"{}",
    headers=(("x", "a b"),),
)
good("an empty value", OK + b"X:\r\nContent-Length: 0\r\n\r\n", headers=(("x", ""),))
good("a colon in a value", OK + b"X: a:b\r\nContent-Length: 0\r\n\r\n", headers=(("x", "a:b"),))
good(
    "the same header twice",
    OK + b"X: a\r\nx: b\r\nContent-Length: 0\r\n\r\n",
    headers=(("X", "a, b"),),
)
good("every character of a name", OK + b"!#$%&'*+-.^_`|~09azAZ: x\r\nContent-Length: 0\r\n\r\n")
good(
    "a value in Latin-1",
    OK + b"X: caf\xe9\r\nContent-Length: 0\r\n\r\n",
    headers=(("x", "caf\xe9"),),
)
good("control characters in a value", OK + b"X: a\x01\x1b\x7fb\r\nContent-Length: 0\r\n\r\n")
good(
    "line separators of Unicode in a value",
    OK + b"X: a\x85\x0b\x0c\x1c\x1d\x1eb\r\nContent-Length: 0\r\n\r\n",
    headers=(("x", "a\x85\x0b\x0c\x1c\x1d\x1eb"),),
)
good(
    "a folded header",
    OK + b"X: a\r\n  b\r\n\tc\r\nContent-Length: 0\r\n\r\n",
    headers=(("x", "a b c"),),
)
good("lines that end in LF", b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}", b"{}")
good("line ends of both kinds", b"HTTP/1.1 200 OK\r\nX: y\nContent-Length: 2\r\n\n{}", b"{}")
good("LF before the empty line", b"HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\n{}", b"{}")
good(
    "a hundred headers",
    OK + b"".join(b"X-%d: y\r\n" % n for n in range(100)) + b"Content-Length: 0\r\n\r\n",
)
good("a large header", OK + b"X: " + b"y" * 32000 + b"\r\nContent-Length: 0\r\n\r\n")
bad("a header without a colon", OK + b"Content-Length\r\n\r\n", "not a header")
bad("a header without a name", OK + b": x\r\n\r\n", "not a header")
bad("a space before the colon", OK + b"Content-Length : 2\r\n\r\n{}", "not a header")
bad("a space in a name", OK + b"Content Length: 2\r\n\r\n{}", "not a header")
bad("a name that is not ASCII", OK + b"X\xe9: 2\r\n\r\n", "not a header")
bad("NUL in a value", OK + b"X: a\x00b\r\n\r\n", "not a header")
bad("NUL in a folded line", OK + b"X: a\r\n b\x00\r\n\r\n", "not a header")
bad("a lone CR in a value", OK + b"X: a\rb\r\n\r\n", "not a header")
bad("a lone CR that hides a header", OK + b"X: a\rContent-Length: 5\r\n\r\n", "not a header")
bad("a folded line without a header", OK + b" X: y\r\n\r\n", "not a header")
bad("a head that never ends", OK + b"X: " + b"y" * 70000, "more than 65536 bytes")
bad("headers without end", OK + b"X: y\r\n" * 12000, "more than 65536 bytes")
bad(
    "a whole head that is too large",
    OK + b"X: " + b"y" * 70000 + b"\r\n\r\n",
    "more than 65536 bytes",
)

# -- Content-Length

good("a length of zero", OK + b"Content-Length: 0\r\n\r\n")
good("a length with zeros before it", OK + b"Content-Length: 0002\r\n\r\n{}", b"{}")
good("the same length twice", OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", b"{}")
good("the same length in a list", OK + b"Content-Length: 2, 2,2\r\n\r\n{}", b"{}")
good("a body with line ends", OK + b"Content-Length: 6\r\n\r\n\r\n\r\n\r\n", b"\r\n\r\n\r\n")
good(
    "a body that looks like an answer",
    OK + b"Content-Length: 19\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
)
good("a body of 100 kB", OK + b"Content-Length: 100000\r\n\r\n" + b"ab" * 50000, b"ab" * 50000)
last(
    "a length and Connection: close",
    OK + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}",
    b"{}",
)
last(
    "Connection: close among others",
    OK + b"Connection: foo, CLOSE\r\nContent-Length: 2\r\n\r\n{}",
    b"{}",
)
last(
    "Connection: close and keep-alive",
    OK + b"Connection: keep-alive, close\r\nContent-Length: 2\r\n\r\n{}",
    b"{}",
)
bad(
    "two lengths",
    OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "invalid Content-Length",
)
bad("two lengths in a list", OK + b"Content-Length: 2, 3\r\n\r\n{}", "invalid Content-Length")
bad(
    "a length in a list with nothing",
    OK + b"Content-Length: 2,\r\n\r\n{}",
    "invalid Content-Length",
)
bad("an empty length", OK + b"Content-Length:\r\n\r\n{}", "invalid Content-Length")
bad("a negative length", OK + b"Content-Length: -1\r\n\r\n{}", "invalid Content-Length")
bad("a length with a sign", OK + b"Content-Length: +2\r\n\r\n{}", "invalid Content-Length")
bad("a length with an underscore", OK + b"Content-Length: 1_0\r\n\r\n{}", "invalid Content-Length")
bad("a length with a fraction", OK + b"Content-Length: 2.0\r\n\r\n{}", "invalid Content-Length")
bad("a hexadecimal length", OK + b"Content-Length: 0x2\r\n\r\n{}", "invalid Content-Length")
bad("a length with a space inside", OK + b"Content-Length: 1 2\r\n\r\n{}", "invalid Content-Length")
bad(
    "a length in superscript digits",
    OK + b"Content-Length: \xb2\r\n\r\n{}",
    "invalid Content-Length",
)
bad(
    "a length beyond all measure",
    OK + b"Content-Length: 9999999999999999999\r\n\r\n{}",
    "invalid Content-Length",
)
bad(
    "a length of many digits",
    OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}",
    "invalid Content-Length",
)
last("bytes after a length", OK + b"Content-Length: 2\r\n\r\n{}x", b"{}")
last(
    "another answer after a length",
    OK + b"Content-Length: 2\r\n\r\n{}" + OK + b"Content-Length: 4\r\n\r\nevil",
    b"{}",
)
last("bytes after a length of zero", OK + b"Content-Length: 0\r\n\r\nx", b"")
cut(
    "a body that is one byte short", OK + b"Content-Length: 3\r\n\r\n{}", b"{}", says="2 of 3 bytes"
)
cut("a body that never began", OK + b"Content-Length: 3\r\n\r\n", says="0 of 3 bytes")
cut("a long body that is cut", OK + b"Content-Length: 100000\r\n\r\n" + b"z" * 70000, b"z" * 70000)

# -- chunked

good("one chunk", CHUNKED + b"2\r\n{}\r\n0\r\n\r\n", b"{}")
good("no chunk", CHUNKED + b"0\r\n\r\n")
good("many chunks", CHUNKED + b"1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\n", b"abcdef")
good("a thousand chunks", CHUNKED + b"5\r\nline\n\r\n" * 1000 + b"0\r\n\r\n", b"line\n" * 1000)
good(
    "sizes in upper case",
    CHUNKED + b"A\r\n0123456789\r\n1F\r\n" + b"x" * 31 + b"\r\n0\r\n\r\n",
    b"0123456789" + b"x" * 31,
)
good(
    "sizes in lower case",
    CHUNKED + b"a\r\n0123456789\r\n1f\r\n" + b"x" * 31 + b"\r\n0\r\n\r\n",
    b"0123456789" + b"x" * 31,
)
good(
    "sizes with zeros before them", CHUNKED + b"0002\r\n{}\r\n0003\r\nabc\r\n000\r\n\r\n", b"{}abc"
)
good("spaces after a size", CHUNKED + b"2 \t \r\n{}\r\n0\r\n\r\n", b"{}")
good("an extension", CHUNKED + b"2;a=b\r\n{}\r\n0;x\r\n\r\n", b"{}")
good("a quoted extension", CHUNKED + b'2 ; a="b;c"\r\n{}\r\n0\r\n\r\n', b"{}")
good(
    "an extension among plain chunks",
    CHUNKED + b"1\r\na\r\n1;x\r\nb\r\n1\r\nc\r\n0\r\n\r\n",
    b"abc",
)
good(
    "chunks with line ends inside",
    CHUNKED + b"4\r\n\r\n\r\n\r\n2\r\n\r\n\r\n0\r\n\r\n",
    b"\r\n\r\n\r\n",
)
good("a chunk of 200 kB", CHUNKED + b"30d40\r\n" + b"q" * 200000 + b"\r\n0\r\n\r\n", b"q" * 200000)
good(
    "chunks of every size to 300",
    CHUNKED + b"".join(b"%x\r\n%b\r\n" % (n, b"y" * n) for n in range(1, 300)) + b"0\r\n\r\n",
    b"y" * (299 * 150),
)
good("a trailer", CHUNKED + b"2\r\n{}\r\n0\r\nX: y\r\n\r\n", b"{}")
good("several trailers", CHUNKED + b"2\r\n{}\r\n0\r\nX: y\r\nContent-MD5: z\r\n\r\n", b"{}")
good(
    "a trailer that looks like framing",
    CHUNKED + b"2\r\n{}\r\n0\r\nContent-Length: 99\r\n\r\n",
    b"{}",
)
good(
    "trailers after many chunks",
    CHUNKED + b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\nX: y\r\n\r\n",
    b"abc",
)
good("Chunked in capitals", OK + b"Transfer-Encoding: CHUNKED\r\n\r\n2\r\n{}\r\n0\r\n\r\n", b"{}")
good(
    "an error that comes in chunks",
    b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"{}",
    status=404,
)
last(
    "chunks and Connection: close",
    OK + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"{}",
)
last(
    "chunks in HTTP/1.0",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"2\r\n{}\r\n0\r\n\r\n",
    b"{}",
)
last(
    "chunks and a length",
    OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"{}",
)
last(
    "chunks and a length that makes no sense",
    OK + b"Content-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"{}",
)
last("bytes after the last chunk", CHUNKED + b"2\r\n{}\r\n0\r\n\r\nx", b"{}")
last(
    "another answer after the last chunk",
    CHUNKED + b"2\r\n{}\r\n0\r\n\r\n" + CHUNKED + b"0\r\n\r\n",
    b"{}",
)
last("bytes after many chunks", CHUNKED + b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n1\r\nc\r\n", b"ab")
last("bytes after trailers", CHUNKED + b"0\r\nX: y\r\n\r\nz")
bad_body("no size", CHUNKED + b"\r\n{}\r\n", "without a valid size")
bad_body("a size that is a word", CHUNKED + b"hello\r\n", "without a valid size")
bad_body("a size with a prefix", CHUNKED + b"0x2\r\n{}\r\n", "without a valid size")
bad_body("a negative size", CHUNKED + b"-2\r\n{}\r\n", "without a valid size")
bad_body("a size with a sign", CHUNKED + b"+2\r\n{}\r\n", "without a valid size")
bad_body("a size with an underscore", CHUNKED + b"1_0\r\n{}\r\n", "without a valid size")
bad_body("a space before a size", CHUNKED + b" 2\r\n{}\r\n", "without a valid size")
bad_body("a size of 17 digits", CHUNKED + b"00000000000000002\r\n{}\r\n", "without a valid size")
bad_body("a size beyond all measure", CHUNKED + b"ffffffffffffffff\r\n", "impossible size")
bad_body("something after a size", CHUNKED + b"2 x\r\n{}\r\n", "without a valid size")
bad_body("a size that ends in LF", CHUNKED + b"2\n{}\r\n0\r\n\r\n", "without a valid size")
bad_body("a lone CR in an extension", CHUNKED + b"2;a\rb\r\n{}\r\n", "without a valid size")
bad_body("a lone LF in an extension", CHUNKED + b"2;a\nb\r\n{}\r\n", "without a valid size")
bad_body("NUL in an extension", CHUNKED + b"2;a\x00\r\n{}\r\n", "without a valid size")
bad_body("an extension without end", CHUNKED + b"2;" + b"x" * 5000, "without a valid size")
bad_body("a large extension", CHUNKED + b"2;" + b"x" * 5000 + b"\r\n{}\r\n", "without a valid size")
bad_body(
    "a chunk longer than its size",
    CHUNKED + b"2\r\n{}}\r\n0\r\n\r\n",
    "longer than its size",
    b"{}",
)
bad_body("a chunk that ends in LF", CHUNKED + b"2\r\n{}\n0\r\n\r\n", "longer than its size", b"{}")
bad_body(
    "a chunk that ends in CR and more",
    CHUNKED + b"2\r\n{}\rx0\r\n\r\n",
    "longer than its size",
    b"{}",
)
bad_body("a chunk without an end", CHUNKED + b"2\r\n{}0\r\n\r\n", "longer than its size", b"{}")
bad_body(
    "a bad chunk after good ones",
    CHUNKED + b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\nzz\r\n",
    "without a valid size",
    b"abc",
)
bad_body(
    "a bad end after good chunks",
    CHUNKED + b"1\r\na\r\n1\r\nb\r\n1\r\ncd\r\n0\r\n\r\n",
    "longer than its size",
    b"abc",
)
bad_body("the body is not chunked at all", CHUNKED + b'{"models":[]}', "without a valid size")
bad_body("a trailer without a colon", CHUNKED + b"0\r\nX\r\n\r\n", "not a trailer")
bad_body("a trailer that ends in LF", CHUNKED + b"0\r\nX: y\n\r\n", "not a trailer")
bad_body("an end that is LF", CHUNKED + b"2\r\n{}\r\n0\r\n\n", "not a trailer", b"{}")
bad_body("trailers without end", CHUNKED + b"0\r\n" + b"X: y\r\n" * 12000, "more than 65536 bytes")
bad_body("a trailer without end", CHUNKED + b"0\r\nX: " + b"y" * 70000, "more than 65536 bytes")
cut("no chunk came", CHUNKED)
cut("cut in a size", CHUNKED + b"1\r\na\r\n1", b"a")
cut("cut in the end of a size", CHUNKED + b"1\r\na\r\n1\r", b"a")
cut("cut before a chunk's data", CHUNKED + b"1\r\na\r\n5\r\n", b"a")
cut("cut in a chunk", CHUNKED + b"1\r\na\r\n5\r\nbcd", b"abcd")
cut("cut after a chunk's data", CHUNKED + b"1\r\na\r\n5\r\nbcdef", b"abcdef")
cut("cut in a chunk's end", CHUNKED + b"1\r\na\r\n5\r\nbcdef\r", b"abcdef")
cut("cut after a chunk", CHUNKED + b"1\r\na\r\n5\r\nbcdef\r\n", b"abcdef")
cut("cut in the last size", CHUNKED + b"1\r\na\r\n0", b"a")
cut("cut after the last size", CHUNKED + b"1\r\na\r\n0\r\n", b"a")
cut("cut in the last line end", CHUNKED + b"1\r\na\r\n0\r\n\r", b"a")
cut("cut in a trailer", CHUNKED + b"1\r\na\r\n0\r\nX: y", b"a")
cut("cut after a trailer", CHUNKED + b"1\r\na\r\n0\r\nX: y\r\n", b"a")
cut("cut after many chunks", CHUNKED + b"3\r\nabc\r\n" * 50, b"abc" * 50)

# -- transfer codings that nobody asked for

bad("gzip as transfer coding", OK + b"Transfer-Encoding: gzip\r\n\r\n", "unknown transfer coding")
bad("gzip and chunked", OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", "unknown transfer coding")
bad("chunked twice", OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n", "unknown transfer coding")
bad(
    "chunked in two headers",
    OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "unknown transfer coding",
)
bad(
    "chunked with parameters",
    OK + b"Transfer-Encoding: chunked;q=1\r\n\r\n",
    "unknown transfer coding",
)
bad(
    "identity as transfer coding",
    OK + b"Transfer-Encoding: identity\r\n\r\n",
    "unknown transfer coding",
)
bad("an empty transfer coding", OK + b"Transfer-Encoding:\r\n\r\n", "unknown transfer coding")
bad(
    "chunked with a control character",
    OK + b"Transfer-Encoding: \x0bchunked\r\n\r\n",
    "unknown transfer coding",
)

# -- the body that ends with the connection

last("a body up to the end", OK + b"\r\nhello", b"hello", end="close", by_close=True)
last("an empty body up to the end", OK + b"\r\n", end="close", by_close=True)
last(
    "a long body up to the end",
    OK + b"\r\n" + b"w" * 90000,
    b"w" * 90000,
    end="close",
    by_close=True,
)
last(
    "HTTP/1.0 up to the end", b"HTTP/1.0 200 OK\r\n\r\nhello", b"hello", end="close", by_close=True
)
last(
    "keep-alive without a length",
    OK + b"Connection: keep-alive\r\n\r\nhello",
    b"hello",
    end="close",
    by_close=True,
)
last(
    "Connection: close up to the end",
    OK + b"Connection: close\r\n\r\nhello",
    b"hello",
    end="close",
    by_close=True,
)
last(
    "a body that looks chunked",
    OK + b"\r\n2\r\n{}\r\n0\r\n\r\n",
    b"2\r\n{}\r\n0\r\n\r\n",
    end="close",
    by_close=True,
)

# -- answers without a body

good("204", b"HTTP/1.1 204 No Content\r\n\r\n", status=204)
last("204 with a length", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", status=204)
last(
    "204 with chunks announced",
    b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
    status=204,
)
good("204 with no length", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", status=204)
good("304 with a length", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", status=304)
good(
    "304 with chunks announced",
    b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
    status=304,
)
last("204 with a body", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", status=204)
good("HEAD with a length", OK + b"Content-Length: 5\r\n\r\n", method="HEAD")
good("HEAD with chunks announced", OK + b"Transfer-Encoding: chunked\r\n\r\n", method="HEAD")
good("HEAD with nothing announced", OK + b"\r\n", method="HEAD")
good(
    "HEAD with compression announced",
    OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\n",
    method="HEAD",
)
good(
    "HEAD of what is not there",
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 18\r\n\r\n",
    method="HEAD",
    status=404,
)
last("HEAD with a body all the same", OK + b"Content-Length: 5\r\n\r\nhello", method="HEAD")
last(
    "HEAD and Connection: close",
    OK + b"Connection: close\r\nContent-Length: 5\r\n\r\n",
    method="HEAD",
)
bad(
    "HEAD with a length that makes no sense",
    OK + b"Content-Length: -5\r\n\r\n",
    "invalid Content-Length",
    method="HEAD",
)

# -- interim answers

good(
    "100 before the answer",
    b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}",
    b"{}",
)
good(
    "several interim answers",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nX: y\r\n\r\n"
    + b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    + OK
    + b"Content-Length: 2\r\n\r\n{}",
    b"{}",
)
good(
    "an interim answer with a length",
    b"HTTP/1.1 102 Processing\r\nContent-Length: 5\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}",
    b"{}",
)
good(
    "an interim answer of HTTP/1.0",
    b"HTTP/1.0 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}",
    b"{}",
)
good(
    "an interim answer that says close",
    b"HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}",
    b"{}",
)
bad("101", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", "another protocol")
bad(
    "nonsense after an interim answer",
    b"HTTP/1.1 100 Continue\r\n\r\nhello",
    "not an HTTP/1.1 answer",
)
bad("a bad header in an interim answer", b"HTTP/1.1 100 Continue\r\nX\r\n\r\n", "not a header")
bad(
    "interim answers without end",
    b"HTTP/1.1 102 Processing\r\n\r\n" * 3000,
    "more than 65536 bytes",
)

# -- compression

good("identity", OK + b"Content-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}", b"{}")
good("an empty Content-Encoding", OK + b"Content-Encoding:\r\nContent-Length: 2\r\n\r\n{}", b"{}")
good(
    "a compressed error",
    b"HTTP/1.1 500 No\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
    b"\x1f\x8b",
    status=500,
)
good("compression of nothing", OK + b"Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n")
bad(
    "gzip",
    OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
    "compressed ('gzip')",
)
bad(
    "gzip in chunks",
    OK + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n\x1f\x8b\r\n0\r\n\r\n",
    "compressed",
)
bad("gzip up to the end", OK + b"Content-Encoding: GZIP\r\n\r\n\x1f\x8b", "compressed")
bad(
    "two encodings",
    OK + b"Content-Encoding: identity, br\r\nContent-Length: 2\r\n\r\n{}",
    "compressed",
)

# -- the connection ends too early

for name, answer in (
    ("after the first byte", b"H"),
    ("in the protocol name", b"HTTP/1."),
    ("in the status line", b"HTTP/1.1 200"),
    ("after the status line", b"HTTP/1.1 200 OK\r\n"),
    ("in a header", OK + b"Content-Le"),
    ("before the empty line", OK + b"Content-Length: 0\r\n"),
    ("in the empty line", OK + b"Content-Length: 0\r\n\r"),
):
    cut(f"cut {name}", answer, at="send", says="in the middle of the answer's head")
CASES.append(
    Case(
        "no answer at all", b"", error="ConnectionLostError", says="without an answer", end="close"
    )
)
CASES.append(
    Case(
        "only an interim answer",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        error="IncompleteError",
        says="in the middle of the answer's head",
        end="close",
    )
)
_INNER = b"1\r\na\r\n0\r\n\r\n"
good(
    "a chunk that holds chunks",
    CHUNKED + b"%x\r\n%b\r\n3\r\nxyz\r\n0\r\n\r\n" % (len(_INNER), _INNER),
    _INNER + b"xyz",
)
good(
    "chunks that hold chunks",
    CHUNKED + b"%x\r\n%b\r\n" % (len(_INNER), _INNER) * 3 + b"0\r\n\r\n",
    _INNER * 3,
)


class Redirect(NamedTuple):
    """One step: what is asked, where the answer points, and what must be asked next.

    In `location` and `target`, `{here}` is the origin of the server and `{there}` that of another.
    `target` None: the answer itself is what the caller gets. `refused`: the error says this.
    """

    name: str
    status: int
    location: Optional[str]
    method: str = "POST"
    then: str = "POST"
    target: Optional[str] = "{here}/new"
    refused: Optional[str] = None


REDIRECTS = [
    Redirect("301 makes a POST a GET", 301, "/new", then="GET"),
    Redirect("302 makes a POST a GET", 302, "/new", then="GET"),
    Redirect("303 makes a POST a GET", 303, "/new", then="GET"),
    Redirect("307 keeps a POST", 307, "/new"),
    Redirect("308 keeps a POST", 308, "/new"),
    Redirect("301 keeps a GET", 301, "/new", "GET", "GET"),
    Redirect("307 keeps a GET", 307, "/new", "GET", "GET"),
    Redirect("301 keeps a DELETE", 301, "/new", "DELETE", "DELETE"),
    Redirect("303 makes a DELETE a GET", 303, "/new", "DELETE", "GET"),
    Redirect("303 keeps a HEAD", 303, "/new", "HEAD", "HEAD"),
    Redirect("302 keeps a HEAD", 302, "/new", "HEAD", "HEAD"),
    Redirect("a whole URL", 307, "{here}/new"),
    Redirect("a URL without scheme", 307, "//{here_authority}/new"),
    Redirect("a relative path", 307, "new", target="{here}/api/new"),
    Redirect("a path with dots", 307, "../x/./../new"),
    Redirect("only a query", 307, "?a=b", target="{here}/api/old?a=b"),
    Redirect("a query", 307, "/new?a=b&c=%20", target="{here}/new?a=b&c=%20"),
    Redirect("a fragment", 307, "/new#part"),
    Redirect("an empty location", 307, "", target="{here}/api/old"),
    Redirect("a path that is not ASCII", 307, "/n\xc3\xa9w", target="{here}/n%C3%A9w"),
    Redirect("a path with a space", 307, "/n w", target="{here}/n%20w"),
    Redirect("a path in Latin-1", 307, "/n\xe9w", target="{here}/n%EF%BF%BDw"),
    Redirect("upper-case scheme", 307, "HTTP://{here_authority}/new"),
    Redirect("to another origin", 307, "{there}/new", target="{there}/new"),
    Redirect("to another origin with GET", 302, "{there}/new", "GET", "GET", "{there}/new"),
    Redirect("credentials in the location", 307, "http://evil:pw@{here_authority}/new"),
    Redirect("no location", 302, None, target=None),
    Redirect("300 is an answer", 300, "/new", target=None),
    Redirect("304 is an answer", 304, "/new", target=None),
    Redirect("305 is an answer", 305, "/new", target=None),
    Redirect("201 with a location is an answer", 201, "/new", target=None),
    Redirect("ws", 307, "ws://{here_authority}/new", refused="must start with"),
    Redirect("file", 307, "file:///etc/passwd", refused="must start with"),
    Redirect("ftp", 307, "ftp://{here_authority}/new", refused="must start with"),
    Redirect("data", 307, "data:text/plain,hello", refused="must start with"),
    Redirect("javascript", 307, "javascript:alert(1)", refused="must start with"),
    Redirect("a unix socket", 307, "unix://%2Frun%2Fdocker.sock/x", refused="a unix socket"),
    Redirect("a port that is a word", 307, "http://127.0.0.1:http/new", refused="not a port"),
    Redirect("a port that is too large", 307, "http://127.0.0.1:99999/", refused="not a port"),
    Redirect("a negative port", 307, "http://127.0.0.1:-1/", refused="not a port"),
    Redirect("port 0", 307, "http://127.0.0.1:0/", refused="port 0"),
    Redirect("no host", 307, "http:///new", target="{here}/new"),
    Redirect("a bad IPv6 address", 307, "http://[::1/new", refused=""),
    Redirect("brackets without an address", 307, "http://[x]/new", refused=""),
    Redirect("a control character", 307, "/n\x01w", refused="control characters"),
    Redirect("a tab", 307, "/n\tw", refused="control characters"),
    Redirect("a host with a space", 307, "http://a b/", refused="not a host name"),
    Redirect("a host with a backslash", 307, "http://a\\b/", refused="not a host name"),
    Redirect("a user with a backslash", 307, "http://a\\@b/", refused="not a host name"),
]
