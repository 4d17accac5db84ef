"""Newline-delimited JSON: bytes in any pieces to values, with bounds."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollamalite._ndjson import BadLine, LineReader

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def read(pieces, max_line=1000):
    """Return the values and the text of the error that ended them."""
    reader = LineReader(lambda value: value, max_line)
    values = []
    try:
        for piece in pieces:
            reader.feed(piece, values)
        reader.finish(values)
    except BadLine as error:
        return values, str(error)
    return values, None


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (b"", []),
        (b"\n\n", []),
        (b'{"a":1}\n', [{"a": 1}]),
        (b'{"a":1}', [{"a": 1}]),
        (b'{"a":1}\r\n{"a":2}\r\n', [{"a": 1}, {"a": 2}]),
        (b' \t{"a":1} \t\n\r\n', [{"a": 1}]),
        (b'1\n"x"\nnull\n[]\n', [1, "x", None, []]),
        ('"\u2028\u2029\x85"\n2'.encode(), ["\u2028\u2029\x85", 2]),
        (b'"\\ud83d\\ude00\\ud800"\n', ["\U0001f600\ud800"]),
        ('{"a":"\U0001f600"}\n'.encode(), [{"a": "\U0001f600"}]),
    ],
)
def test_lines_become_values(data, values):
    assert read([data]) == (values, None)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b'{"a":1}\n{"a":\n', "not JSON"),
        (b'{"a":1}\n{"a":1}{"a":2}\n', "more than one JSON value on a line, at character 7"),
        (b'{"a":1}\nnope\n', "not JSON at character 0: 'nope'"),
        (b'{"a":1}\n{"a":1} x\n', "more than one JSON value"),
        (b'{"a":1}\n"\xff"\n', "not UTF-8 at byte 1 of a line"),
        (b'{"a":1}\n\xef\xbb\xbf{}\n', "not JSON"),
        (b'{"a":1}\n' + b"x" * 1001, "longer than the limit of 1000 bytes"),
        (b'{"a":1}\n"' + b"x" * 999 + b'"\n', "longer than the limit of 1000 bytes"),
        (b'{"a":1}\n' + b" " * 1001 + b"\n2\n", "longer than the limit of 1000 bytes"),
        (b'{"a":1}\n\x85\n', "not UTF-8"),
        ('{"a":1}\n\u2028\n'.encode(), "not JSON"),
    ],
)
def test_a_bad_line_is_an_error_after_the_values_before_it(data, text):
    for pieces in ([data], [data[:500], data[500:]], [data[i : i + 1] for i in range(len(data))]):
        values, error = read(pieces)
        assert values == [{"a": 1}]
        assert text in error


def test_json_nested_too_deeply_is_an_error_of_the_line():
    values, error = read([b"1\n" + b"[" * 100_000 + b"\n"], 10**6)
    assert values == [1]
    assert error == "JSON nested too deeply"


@pytest.mark.skipif(
    not hasattr(__import__("sys"), "set_int_max_str_digits"), reason="no limit here"
)
def test_a_number_too_long_for_python_is_an_error_of_the_line():
    values, error = read([b"1\n" + b"1" * 5000 + b"\n"], 10_000)
    assert values == [1]
    assert "not JSON" in error


def test_what_take_raises_comes_after_the_values_before():
    def take(value):
        if value == 2:
            raise KeyError("two")
        return value

    values = []
    with pytest.raises(KeyError):
        LineReader(take).feed(b"1\n2\n3\n", values)
    assert values == [1]


def test_a_long_line_in_many_pieces_is_bounded_by_its_length_alone():
    line = b'"' + b"x" * 998 + b'"'
    assert read([line[i : i + 1] for i in range(len(line))] + [b"\n"])[1] is None
    assert "longer" in read([line, b"x"])[1]


@given(st.lists(JSON, max_size=6), st.booleans(), st.data())
def test_any_split_of_the_same_bytes_gives_the_same_values(values, ascii_only, data):
    text = "\n".join(json.dumps(value, ensure_ascii=ascii_only) for value in values)
    stream = text.encode("utf-8", "surrogatepass")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)])]
    assert read(pieces, 10**6) == read([stream], 10**6)


@given(st.binary(max_size=80), st.data())
def test_any_split_of_any_bytes_gives_the_same_values_and_the_same_error(stream, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)])]
    assert read(pieces) == read([stream]) == read([stream[i : i + 1] for i in range(len(stream))])
