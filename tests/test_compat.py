"""Standing in for the ``ollama`` package: names, metadata, and what knows the httpx inside."""

import http.cookiejar
import json
import os
import pickle
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import pytest

import ollamalite
from ollamalite import RequestError, compat

from .both_clients import both
from .complaints import complaints
from .wire_server import answering, serve

ROOT = Path(__file__).parent.parent


def run(code, *flags, **env):
    """Run code in an interpreter of its own, since what is installed stays."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", *flags, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, complaints(done.stderr)) == (0, ""), done.stderr
    return done.stdout


INSTALL = "from ollamalite.compat import install_as_ollama\nollama = install_as_ollama()\n"


def installed(code, **env):
    return run(INSTALL + textwrap.dedent(code), **env)


# -- standing in -----------------------------------------------------------------------------------


def test_an_import_of_ollama_gives_this_package_with_all_names():
    installed(
        """
        import ollama as imported, ollamalite
        assert imported is ollama
        from ollama import *
        from ollama import ConnectionError, TimeoutError, chat, list as names, __version__
        assert Client is ollamalite.Client
        assert Message is ollamalite.Message
        assert chat.__self__ is names.__self__ is ollama._client
        assert isinstance(ollama._client, ollamalite.Client)
        import builtins
        assert issubclass(ConnectionError, builtins.ConnectionError)
        for name in ollama.__all__:
            assert getattr(ollama, name) is getattr(ollamalite, name)
        assert set(ollama.__all__) <= set(dir(ollama))
        for name in ("nothing", "_nothing", "__nothing__"):
            assert not hasattr(ollama, name)
        """
    )


def test_the_private_modules_have_the_names_that_others_use():
    installed(
        """
        import importlib, ollamalite
        from ollama._client import (
            AsyncClient, BaseClient, CONNECTION_ERROR_MESSAGE, Client, ResponseError,
            _copy_images, _copy_messages, _copy_tools, _parse_host, convert_function_to_tool,
            ChatRequest, Message, Tool, __version__,
        )
        from ollama._types import (
            BaseGenerateResponse, BaseRequest, BaseStreamableRequest, ChatRequest, ChatResponse,
            CopyRequest, CreateRequest, DeleteRequest, EmbedRequest, EmbeddingsRequest,
            GenerateRequest, Image, ModelDetails, Options, PullRequest, PushRequest, RequestError,
            ShowRequest, SubscriptableBaseModel, WebFetchRequest, WebSearchRequest, WebSearchResult,
        )
        from ollama._utils import _parse_docstring, convert_function_to_tool as same
        assert issubclass(Client, BaseClient) and issubclass(AsyncClient, BaseClient)
        assert CONNECTION_ERROR_MESSAGE.startswith("Failed to connect to Ollama.")
        assert _parse_host("example.com:56789/path/") == "http://example.com:56789/path"
        assert convert_function_to_tool is same
        assert isinstance(Message(role="user"), SubscriptableBaseModel)
        assert isinstance(ChatResponse(message={"role": "a"}), BaseGenerateResponse)
        assert issubclass(ChatRequest, BaseRequest)
        assert not issubclass(ShowRequest, BaseStreamableRequest)
        assert [m.content for m in _copy_messages([{"role": "user", "content": "x"}])] == ["x"]
        assert [i.base64() for i in _copy_images([b"abc", Image(value=b"abc")])] == ["YWJj"] * 2

        def add(a: int):
            "Add."

        given = [add, {"type": "function", "function": {"name": "f"}}]
        tools = [*_copy_tools(given), *_copy_tools()]
        assert [tool.function.name for tool in tools] == ["add", "f"]
        assert importlib.import_module("ollama._types").ChatRequest.model_fields.keys()
        assert not hasattr(importlib.import_module("ollama._client"), "nothing")
        assert not hasattr(importlib.import_module("ollama._types"), "httpx")

        from datetime import datetime as its_own
        from typing import Any, Dict, Optional as its
        from ollama._types import BaseModel, ByteSize, JsonSchemaValue, Optional, Path, datetime
        from ollama._client import JsonSchemaValue as once_more
        assert once_more == JsonSchemaValue == Dict[str, Any]
        assert Optional is its and datetime is its_own
        """
    )


def test_the_metadata_of_the_distribution_is_answered():
    installed(
        """
        import importlib.metadata as metadata, importlib.util
        assert metadata.version("ollama") == metadata.version("Ollama") == "0.6.3"
        assert metadata.distribution("ollama").metadata["Name"] == "ollama"
        assert "ollama" in [found.metadata["Name"] for found in metadata.distributions()]
        assert importlib.util.find_spec("ollama").name == "ollama"
        assert importlib.util.find_spec("ollama._types").name == "ollama._types"
        assert importlib.util.find_spec("ollama._nothing") is None
        try:
            metadata.version("ollamanot")
        except metadata.PackageNotFoundError:
            pass
        """
    )


def test_installing_twice_is_installing_once():
    installed(
        """
        import sys
        finders = list(sys.meta_path)
        assert install_as_ollama() is ollama
        assert sys.meta_path == finders
        """
    )


def test_a_package_that_was_imported_before_is_not_replaced(tmp_path):
    (tmp_path / "ollama.py").write_text("")
    run(
        """
        import ollama, sys
        from ollamalite.compat import install_as_ollama
        finders = list(sys.meta_path)
        try:
            install_as_ollama()
        except ImportError as error:
            assert "imported already" in str(error) and error.name == "ollama"
        else:
            raise AssertionError
        assert sys.modules["ollama"] is ollama and sys.meta_path == finders
        """,
        PYTHONPATH=str(tmp_path),
    )


def test_nothing_is_served_before_it_is_asked_for():
    run(
        """
        import sys
        import ollamalite.compat
        assert not [name for name in sys.modules if name.split(".")[0] == "ollama"]
        assert "ollamalite._client" not in sys.modules
        ollamalite.compat.install_as_ollama()
        assert "ollamalite._client" not in sys.modules
        """
    )


def test_a_wrapped_request_method_sees_every_call():
    installed(
        """
        import asyncio, importlib
        seen = []
        client = importlib.import_module("ollama._client")

        def request(self, cls, *args, stream=False, **kwargs):
            seen.append((cls.__name__, *args, stream, kwargs.get("json", {}).get("model")))
            return cls(message={"role": "assistant"})

        async def arequest(self, cls, *args, stream=False, **kwargs):
            return request(self, cls, *args, stream=stream, **kwargs)

        client.Client._request, client.AsyncClient._request = request, arequest
        message = {"role": "user", "content": "hi"}
        ollama.Client().chat("m", [message])
        asyncio.run(ollama.AsyncClient().chat("m", [message], stream=True))
        assert seen == [
            ("ChatResponse", "POST", "/api/chat", False, "m"),
            ("ChatResponse", "POST", "/api/chat", True, "m"),
        ]
        """
    )


# -- the client of httpx inside --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "text", "parts"),
    [
        ("127.0.0.1:5", "http://127.0.0.1:5", ("http", "127.0.0.1", 5, "/")),
        ("https://example.com", "https://example.com", ("https", "example.com", None, "/")),
        ("http://a:8/b/", "http://a:8/b/", ("http", "a", 8, "/b/")),
        ("http://u:p@a", "http://a", ("http", "a", None, "/")),
        ("[::1]", "http://[::1]:11434", ("http", "::1", 11434, "/")),
    ],
)
def test_the_address_of_the_server_can_be_read(host, text, parts):
    url = ollamalite.Client(host)._client.base_url
    assert str(url) == text
    assert (url.scheme, url.host, url.port, url.path) == parts
    assert url.raw_path == parts[-1].encode()


@both
def test_what_is_set_on_the_inner_client_counts_from_then_on(face):
    with serve(answering(b'{"models":[]}')) as server:
        client = face.make("127.0.0.1:1", headers={"X-A": "1"}, timeout=3)
        inner = client._client
        assert inner.headers["x-a"] == "1"
        assert "X-a" in inner.headers
        inner.headers["x-A"] = "2"
        inner.headers.update({"Authorization": "Bearer secret"})
        del inner.headers["accept"]
        inner.base_url = server.url
        inner.timeout = (None, 7)
        face.call(client, "list")
        received = server.requests[0]
    assert received.all("x-a") == ["2"]
    assert received.get("authorization") == "Bearer secret"
    assert received.get("accept") is None
    assert client._client.timeout.read == 7
    assert client._client.follow_redirects
    assert client._client.trust_env
    assert "secret" not in repr(client._client.headers)
    inner.headers = {"X-B": "3"}
    assert dict(client._client.headers) == {"x-b": "3"}
    assert len(inner.headers) == 1


def test_the_inner_clients_close_the_outer_ones():
    import asyncio

    with serve(answering(b'{"models":[]}')) as server:
        client = ollamalite.Client(server.url)
        client.list()
        client._client.close()
        asyncio.run(client._client.aclose())

        async def use():
            client = ollamalite.AsyncClient(server.url)
            await client.list()
            await client._client.aclose()

        asyncio.run(use())
        client.list()
        client.close()


class Pairs:
    """As httpx.QueryParams shows itself."""

    def multi_items(self):
        return [("a", "1"), ("a", "2")]


def cookie_jar():
    jar = http.cookiejar.CookieJar()
    cookie = http.cookiejar.Cookie(
        *(0, "c", "d", None, False, "", False, False, "/", True),
        *(False, None, True, None, None, {}),
    )
    jar.set_cookie(cookie)
    return jar


@both
@pytest.mark.parametrize(
    ("keywords", "target", "cookie"),
    [
        ({"params": {"a": 1, "b": [True, None], "c": "x y"}}, "?a=1&b=true&b=&c=x+y", None),
        ({"params": "a=1"}, "?a=1", None),
        ({"params": b"a=1"}, "?a=1", None),
        ({"params": [("a", "1"), ("a", "2")]}, "?a=1&a=2", None),
        ({"params": Pairs()}, "?a=1&a=2", None),
        ({"cookies": {"c": "d", "e": "f"}}, "", "c=d; e=f"),
        ({"cookies": [("c", "d")]}, "", "c=d"),
        ({"cookies": cookie_jar()}, "", "c=d"),
        ({"cookies": {"c": "d"}, "headers": {"Cookie": "own=1"}}, "", "own=1"),
        ({"http1": True, "http2": True, "transport": None, "mounts": {}}, "", None),
        (
            {"event_hooks": {"request": []}, "default_encoding": "utf-8", "max_redirects": 3},
            "",
            None,
        ),
    ],
)
def test_keywords_of_httpx_that_mean_something_here_are_honoured(face, keywords, target, cookie):
    with serve(answering(b'{"models":[]}')) as server:
        face.call(face.make(server.url, **keywords), "list")
        face.call(face.make(server.url, **keywords), "create_blob", __file__)
        listed, uploaded = server.requests
    assert listed.target == "/api/tags" + target
    assert uploaded.target.endswith(target)
    for received in (listed, uploaded):
        assert received.get("cookie") == cookie


@both
def test_cookies_and_parameters_are_for_the_server_alone(face):
    with serve(answering(b'{"version":"1"}')) as other:
        client = face.make("127.0.0.1:1", params={"token": "a"}, cookies={"session": "b"})
        url = f"{other.url}/api/version"
        face.call(client, "_request", ollamalite.VersionResponse, "GET", url)
        (received,) = other.requests
    assert received.target == "/api/version"
    assert received.get("cookie") is None


@both
@pytest.mark.parametrize(
    ("keyword", "value", "text"),
    [
        ("transport", object(), "host='unix:///path' reaches a socket, retries= repeats requests"),
        ("mounts", {"all://": object()}, "proxy= goes through a proxy"),
        ("event_hooks", {"request": [print]}, "no requests and responses of httpx"),
        ("app", object(), "the mock server of this package"),
        ("base_url", "http://x", "host= says where the server is"),
        ("proxies", {"all://": "http://x"}, "proxy= goes through a proxy"),
        ("http1", False, "this client speaks HTTP/1.1"),
        ("default_encoding", "latin-1", "answers are in UTF-8"),
    ],
)
def test_keywords_of_httpx_that_cannot_be_honoured_are_refused(face, keyword, value, text):
    with pytest.raises(RequestError) as caught:
        face.make(**{keyword: value})
    assert str(caught.value).startswith(f"{keyword}=")
    assert text in str(caught.value)


@both
def test_a_keyword_that_nobody_has_is_a_type_error(face):
    with pytest.raises(TypeError, match=rf"{face.name}\(\) got an unexpected keyword .* 'colour'"):
        face.make(colour="blue")


# -- exceptions of httpx ---------------------------------------------------------------------------

# The tree of httpx, so that this also holds where httpx is not installed.
HTTPX = """
import sys, types

class Request:
    def __init__(self, method, url):
        self.method, self.url = method, url

class HTTPError(Exception):
    def __init__(self, message):
        super().__init__(message)
        self._request = None
    @property
    def request(self):
        raise RuntimeError("The .request property has not been set.")

class RequestError(HTTPError):
    def __init__(self, message, *, request=None):
        super().__init__(message)

class TransportError(RequestError): pass
class TimeoutException(TransportError): pass
class ConnectTimeout(TimeoutException): pass
class ReadTimeout(TimeoutException): pass
class WriteTimeout(TimeoutException): pass
class PoolTimeout(TimeoutException): pass
class NetworkError(TransportError): pass
class ConnectError(NetworkError): pass
class ReadError(NetworkError): pass
class ProxyError(TransportError): pass
class ProtocolError(TransportError): pass
class RemoteProtocolError(ProtocolError): pass

httpx = sys.modules["httpx"] = types.ModuleType("httpx")
vars(httpx).update({k: v for k, v in globals().items() if isinstance(v, type)})
"""

TRY = """
from ollamalite import Client, errors
import pickle

def caught(kind, make=None):
    try:
        if make is None:
            Client("127.0.0.1:1").list()
        raise make("text", method="GET", url="http://x/")
    except kind as error:
        assert str(error)
        twin = pickle.loads(pickle.dumps(error))
        assert type(twin) is type(error) and str(twin) == str(error) and twin.url == error.url
        return error
"""

MEANINGS = {
    "ConnectError": ("ConnectError", "NetworkError", "TransportError", "HTTPError"),
    "ProxyError": ("ProxyError", "NetworkError"),
    "ConnectionLostError": ("RemoteProtocolError", "ReadError", "NetworkError"),
    "ConnectTimeout": ("ConnectTimeout", "TimeoutException"),
    "ReadTimeout": ("ReadTimeout", "TimeoutException", "RequestError"),
    "WriteTimeout": ("WriteTimeout",),
    "PoolTimeout": ("PoolTimeout",),
    "DeadlineExceeded": ("TimeoutException",),
    "ProtocolError": ("RemoteProtocolError",),
    "IncompleteError": ("RemoteProtocolError", "TransportError"),
}


def test_handlers_of_httpx_catch_failures_where_httpx_is_loaded():
    run(
        HTTPX
        + TRY
        + f"""
error = caught(httpx.ConnectError)
assert isinstance(error, ConnectionError) and type(error) is errors.ConnectError
assert (error.request.method, error.request.url) == ("GET", error.url)
for name, meanings in {MEANINGS!r}.items():
    error = caught(getattr(errors, name), getattr(errors, name))
    assert type(error) is getattr(errors, name)
    for meaning in meanings:
        assert isinstance(error, getattr(httpx, meaning)), (name, meaning)
assert not issubclass(errors.ReadTimeout, httpx.ConnectTimeout)
assert not issubclass(errors.ResponseError, httpx.HTTPError)
"""
    )


def test_failures_are_of_this_package_alone_where_httpx_is_not_loaded():
    run(
        TRY
        + """
import sys
error = caught(ConnectionError)
assert "httpx" not in sys.modules
assert not hasattr(error, "request")
"""
    )


def test_an_httpx_that_is_only_half_loaded_or_foreign_changes_nothing():
    run(
        """
        import sys, types
        sys.modules["httpx"] = types.ModuleType("httpx")
        """
        + TRY.replace("\n", "\n        ")
        + """
        caught(ConnectionError)
        vars(sys.modules["httpx"]).update(RemoteProtocolError=OSError, TransportError=7)
        caught(ConnectionError)
        """
    )


def test_a_class_derived_from_both_goes_on_working():
    run(
        "from ollamalite import errors\n"
        + HTTPX
        + """
class Mine(httpx.ReadTimeout, errors.ReadTimeout):
    pass
"""
        + TRY
        + """
assert isinstance(caught(ConnectionError), httpx.ConnectError)
assert issubclass(Mine, errors.ReadTimeout)
assert isinstance(Mine("text"), httpx.ReadTimeout)
"""
    )


# -- classes of a caller's own ---------------------------------------------------------------------


class Annotated(ollamalite.Message):
    """A message with one more field."""

    rating: int = 3
    kind: str = "note"


class Renamed(ollamalite.Message):
    """A message with another name."""


def test_a_class_derived_from_a_model_has_its_fields_and_more():
    made = Annotated(role="user", content="x", rating=4)
    assert (made.role, made.content, made.rating, made.kind) == ("user", "x", 4, "note")
    assert dict(made)["tool_calls"] is None
    assert list(Annotated.model_fields)[-2:] == ["rating", "kind"]
    assert "rating" not in ollamalite.Message.model_fields
    assert pickle.loads(pickle.dumps(made)) == made
    assert Renamed(role="user").model_dump(exclude_none=True) == {"role": "user"}
    for cls in (Annotated, Renamed):
        with pytest.raises(RequestError, match=rf"{cls.__name__}\.role: required"):
            cls(content="x")


def test_a_tool_can_be_written_as_json_and_its_items_be_read():
    prop = ollamalite.Tool.Function.Parameters.Property
    given = prop(type="array", items={"type": "string"})
    assert json.dumps(given) == '{"type": "array", "items": {"type": "string"}}'
    assert given.items == given["items"] == {"type": "string"}
    given.items["format"] = "date"
    assert json.loads(json.dumps(given, indent=1))["items"] == {"type": "string", "format": "date"}
    assert pickle.loads(pickle.dumps(given)) == given
    assert json.loads(json.dumps(prop(items=[{}]))) == {"items": [{}]}
    absent = prop(type="string")
    assert absent.items == None  # noqa: E711 - equal, not identical
    assert not absent.items
    assert repr(absent.items) == "None"
    assert absent.model_dump()["items"] is None
    assert dict(absent)["items"] is None
    assert json.loads(json.dumps(dict(absent)))["items"] is None


def test_a_model_in_a_pydantic_model_has_a_json_schema():
    pydantic = pytest.importorskip("pydantic")

    class Holder(pydantic.BaseModel):
        options: ollamalite.Options
        image: ollamalite.Image

    assert "num_ctx" in json.dumps(Holder.model_json_schema())
    holder = Holder(options={"seed": 1}, image=b"abc")
    assert json.loads(holder.model_dump_json(exclude_none=True)) == {
        "options": {"seed": 1},
        "image": "YWJj",
    }
    with pytest.raises(pydantic.ValidationError):
        Holder(options={"seed": 1}, image=7)


def test_the_module_that_stands_in_is_a_module():
    assert isinstance(compat._Module("x", lambda name: name), types.ModuleType)
