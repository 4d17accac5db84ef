"""What `OLLAMA_HOST` and URLs mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollamalite import errors
from ollamalite._host import Url, basic, host_credentials, is_loopback, parse_host, redact

HOSTS = [
    # As in the ollama package.
    (None, "http://127.0.0.1:11434"),
    ("", "http://127.0.0.1:11434"),
    ("1.2.3.4", "http://1.2.3.4:11434"),
    (":56789", "http://127.0.0.1:56789"),
    ("1.2.3.4:56789", "http://1.2.3.4:56789"),
    ("http://1.2.3.4", "http://1.2.3.4:80"),
    ("https://1.2.3.4", "https://1.2.3.4:443"),
    ("https://1.2.3.4:56789", "https://1.2.3.4:56789"),
    ("example.com", "http://example.com:11434"),
    ("example.com:56789", "http://example.com:56789"),
    ("http://example.com", "http://example.com:80"),
    ("https://example.com", "https://example.com:443"),
    ("https://example.com:56789", "https://example.com:56789"),
    ("example.com/", "http://example.com:11434"),
    ("example.com:56789/", "http://example.com:56789"),
    ("example.com/path", "http://example.com:11434/path"),
    ("example.com:56789/path", "http://example.com:56789/path"),
    ("https://example.com:56789/path", "https://example.com:56789/path"),
    ("example.com:56789/path/", "http://example.com:56789/path"),
    ("[0001:002:003:0004::1]", "http://[0001:002:003:0004::1]:11434"),
    ("[0001:002:003:0004::1]:56789", "http://[0001:002:003:0004::1]:56789"),
    ("http://[0001:002:003:0004::1]", "http://[0001:002:003:0004::1]:80"),
    ("https://[0001:002:003:0004::1]", "https://[0001:002:003:0004::1]:443"),
    ("https://[0001:002:003:0004::1]:56789", "https://[0001:002:003:0004::1]:56789"),
    ("[0001:002:003:0004::1]/", "http://[0001:002:003:0004::1]:11434"),
    ("[0001:002:003:0004::1]:56789/", "http://[0001:002:003:0004::1]:56789"),
    ("[0001:002:003:0004::1]/path", "http://[0001:002:003:0004::1]:11434/path"),
    ("[0001:002:003:0004::1]:56789/path", "http://[0001:002:003:0004::1]:56789/path"),
    ("https://[0001:002:003:0004::1]:56789/path", "https://[0001:002:003:0004::1]:56789/path"),
    ("[0001:002:003:0004::1]:56789/path/", "http://[0001:002:003:0004::1]:56789/path"),
    ("[::1]", "http://[::1]:11434"),
    ("[::1]:5", "http://[::1]:5"),
    ("LOCALHOST", "http://localhost:11434"),
    ("example.com:0", "http://example.com:11434"),
    ("https://example.com:0", "https://example.com:443"),
    ("example.com:", "http://example.com:11434"),
    ("example.com:065", "http://example.com:65"),
    ("http://example.com?x=1", "http://example.com:80"),
    ("http://example.com/a?x=1#y", "http://example.com:80/a"),
    ("http://example.com/a/b//", "http://example.com:80/a/b"),
    ("https://user:pw@example.com", "https://example.com:443"),
    ("user:p@w@example.com:99/x", "http://example.com:99/x"),
    ("under_score.example", "http://under_score.example:11434"),
    ("a-b.c", "http://a-b.c:11434"),
    ("localhost/prefix/ollama", "http://localhost:11434/prefix/ollama"),
    # Better than there.
    ("::1", "http://[::1]:11434"),
    ("http://::1", "http://[::1]:80"),
    ("fe80::1%eth0", "http://[fe80::1%eth0]:11434"),
    ("::1/path", "http://[::1]:11434/path"),
    ("0.0.0.0", "http://127.0.0.1:11434"),
    ("0.0.0.0:8080", "http://127.0.0.1:8080"),
    ("http://0.0.0.0", "http://127.0.0.1:80"),
    ("[::]", "http://[::1]:11434"),
    ("[::]:7", "http://[::1]:7"),
    ("::", "http://[::1]:11434"),
    ("[0:0:0:0:0:0:0:0]:7", "http://[::1]:7"),
    ("[::10]", "http://[::10]:11434"),
    ("ollama.com", "https://ollama.com:443"),
    ("https://ollama.com", "https://ollama.com:443"),
    ("http://ollama.com", "http://ollama.com:80"),
    ('"1.2.3.4"', "http://1.2.3.4:11434"),
    ("'1.2.3.4'", "http://1.2.3.4:11434"),
    (" 1.2.3.4 \n", "http://1.2.3.4:11434"),
    (' " 1.2.3.4 " ', "http://1.2.3.4:11434"),
    ("http://", "http://127.0.0.1:80"),
    ("HTTP://example.com", "http://example.com:11434"),
    ("unix:///run/ollama.sock", "unix://%2Frun%2Follama.sock"),
    ("unix:///run/ollama.sock/", "unix://%2Frun%2Follama.sock"),
    ("unix://%2Frun%2Follama.sock", "unix://%2Frun%2Follama.sock"),
    ("unix://%2Frun%2Follama.sock/base/", "unix://%2Frun%2Follama.sock/base"),
    ("unix:///run/with space é.sock", "unix://%2Frun%2Fwith%20space%20%C3%A9.sock"),
]


@pytest.mark.parametrize(("text", "url"), HOSTS)
def test_a_host_setting_becomes_a_base_url(text, url) -> None:
    assert parse_host(text) == url


@pytest.mark.parametrize("url", sorted({url for _, url in HOSTS}))
def test_a_base_url_is_a_host_setting_that_means_itself(url) -> None:
    assert parse_host(url) == url
    assert str(Url.parse(url + "/api/ps")).endswith("/api/ps")


@pytest.mark.parametrize(
    "text",
    [
        ":abc",
        ":65536",
        "example.com:-1",
        "example.com:1x",
        "example.com:٣",
        "example.com:99999999999999999999",
        "1:2:3",
        "[::1",
        "[hello]",
        "[]",
        "[::1]x",
        "[::1]:x",
        "[1.2.3.4]",
        "[fe80::1%]",
        "ftp://example.com",
        "ws://example.com",
        "file:///etc/passwd",
        "javascript://x",
        "exa mple.com",
        "example.com\r\nX: y",
        "example\x00.com",
        "http://exam\tple.com",
        "<b>",
        "a\\b",
        "a^b",
        "user@[::1",
        "unix://",
        "unix://relative/path",
        "unix:///x%00y",
        "é" * 300,
        "x" * 300,
    ],
)
def test_what_names_no_server_is_refused_as_a_value_error_of_ours(text) -> None:
    with pytest.raises(errors.RequestError):
        parse_host(text)


def test_a_refused_host_is_shown_without_its_password() -> None:
    with pytest.raises(errors.RequestError) as caught:
        parse_host("http://user:secret@example.com:x")
    assert "secret" not in str(caught.value)
    assert "example.com" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        (None, None),
        ("example.com", None),
        ("https://user:pw@example.com", ("user", "pw")),
        ("user:pw@example.com", ("user", "pw")),
        ("https://user@example.com", ("user", "")),
        ("https://:pw@example.com", ("", "pw")),
        ("https://u%40x:p%3Aw@example.com", ("u@x", "p:w")),
        ("https://u:p:w@example.com", ("u", "p:w")),
        ("https://@example.com", ("", "")),
    ],
)
def test_credentials_of_a_host_setting_are_kept_apart(text, pair) -> None:
    assert host_credentials(text) == pair


@given(st.text())
def test_any_text_is_a_url_or_refused(text: str) -> None:
    try:
        url = parse_host(text)
    except errors.RequestError:
        return
    assert parse_host(url) == url
    parsed = Url.parse(url + "/api/ps")
    assert str(parsed).isascii()
    assert parsed.authority.isascii()


# -- URLs


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port", "target", "authority"),
    [
        ("http://a/b?c=d#e", "http", "a", 80, "/b?c=d", "a"),
        ("http://a", "http", "a", 80, "/", "a"),
        ("http://a?x", "http", "a", 80, "/?x", "a"),
        ("HTTPS://A.B:443/x", "https", "a.b", 443, "/x", "a.b"),
        ("http://a:443/x", "http", "a", 443, "/x", "a:443"),
        ("http://[::1]:11434/x", "http", "::1", 11434, "/x", "[::1]:11434"),
        ("http://[fe80::1%eth0]/x", "http", "fe80::1%eth0", 80, "/x", "[fe80::1]"),
        ("http://u:p@a:1/x", "http", "a", 1, "/x", "a:1"),
        (
            "http://bücher.example/x",
            "http",
            "xn--bcher-kva.example",
            80,
            "/x",
            "xn--bcher-kva.example",
        ),
        ("http://a/ä b|c", "http", "a", 80, "/%C3%A4%20b%7Cc", "a"),
        ("http://a/%41%zz?é", "http", "a", 80, "/%41%zz?%C3%A9", "a"),
        ("http://a/\ud800", "http", "a", 80, "/%3F", "a"),
        ("unix://%2Frun%2Fx.sock/api/ps?x", "unix", "/run/x.sock", 0, "/api/ps?x", "localhost"),
    ],
)
def test_a_url_is_taken_apart(text, scheme, host, port, target, authority) -> None:
    url = Url.parse(text)
    assert (url.scheme, url.host, url.port, url.target) == (scheme, host, port, target)
    assert url.authority == authority
    assert url.origin == (scheme, host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a/b",
        "//a/b",
        "ftp://a",
        "ws://a",
        "file:///etc/passwd",
        "http:a",
        "http://",
        "http:///x",
        "http://a:0/",
        "http://a:99999/",
        "http://a:x/",
        "http://[::1/",
        "http://a\r\nb/",
        "http://a/b\r\nc",
        "http://a/b\x00c",
        "http://a b/",
        "http://a/\x7f",
    ],
)
def test_what_is_no_url_for_a_request_is_refused(text) -> None:
    with pytest.raises(errors.RequestError):
        Url.parse(text)


def test_a_url_shows_no_credentials() -> None:
    url = Url.parse("https://user:secret@example.com:444/x?y=z")
    assert str(url) == repr(url) == "https://example.com:444/x?y=z"
    assert url.authorization == "Basic dXNlcjpzZWNyZXQ="
    assert redact("https://user:secret@example.com/x") == "https://example.com/x"
    assert redact("user:secret@example.com/x@y") == "example.com/x@y"


@pytest.mark.parametrize(
    "host",
    [
        "http://user:se/cret@h:1",
        "http://user:se#cret@h:1",
        "http://user:se?cret@h:1",
        "unix://user:secret@x",
        "http:/user:secret@h",
        "HTTPS:/user:secret@h",
        "ftp://user:secret@h",
        "socks5://user:se/cret@h",
        "http://user:se\\cret@h",
        "http://user:se cret@h",
        "http//user:secret@h",
    ],
)
def test_no_error_shows_the_password_of_a_host_that_makes_no_sense(host) -> None:
    with pytest.raises(errors.RequestError) as caught:
        parse_host(host)
    assert not [part for part in ("se", "cret", "user") if part in str(caught.value)]


@pytest.mark.parametrize("host", ["%41", "a%2eb", "h%"])
def test_a_percent_sign_is_for_zones_of_ipv6_addresses_alone(host) -> None:
    for text in (f"https://{host}/", f"http://{host}:1/x"):
        with pytest.raises(errors.RequestError, match="not a host name"):
            Url.parse(text)


def test_basic_credentials_are_utf_8() -> None:
    assert basic("Jörg", "pä:ss") == "Basic SsO2cmc6cMOkOnNz"


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "0.0.0.0",
        "::",
        "::ffff:127.0.0.1",
        "0:0:0:0:0:0:0:1",
    ],
)
def test_this_machine_is_known_by_its_names_and_addresses(host) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "localhost.example.com",
        "notlocalhost",
        "127.0.0.1.example.com",
        "127.0.0",
        "10.0.0.1",
        "128.0.0.1",
        "fe80::1%lo",
        "1.127.0.0.1",
        "::ffff:10.0.0.1",
        "",
    ],
)
def test_other_machines_are_not_taken_for_this_one(host) -> None:
    assert not is_loopback(host)
