"""Both clients through programs that stand between clients and servers in the real world."""

import asyncio
import ssl
import threading
import time
from collections import Counter

import pytest

from ollamalite import (
    AsyncClient,
    Client,
    ConnectError,
    IncompleteError,
    OllamaError,
    ProxyError,
    ResponseError,
    mock,
)

from . import wire_keys
from .both_clients import both
from .intermediaries import free_port, haproxy, nginx, squid, tinyproxy

PATIENCE = 15.0
MODEL = "llama3.2"
TEXT = "Words that come one by one, until they are all there. " * 4


@pytest.fixture
def server():
    with mock.serve() as server:
        yield server


@pytest.fixture
def keys(tmp_path):
    """Files of the server's key and of the authority that vouches for it."""
    (tmp_path / "server.pem").write_text(wire_keys.SERVER)
    (tmp_path / "authority.pem").write_text(wire_keys.AUTHORITY)
    return tmp_path


def pieces_of(face, client, prompt="why?"):
    pieces, error = face.stream(client, "generate", MODEL, prompt)
    return [piece.response for piece in pieces], error


def expected(server, prompt="why?"):
    with Client(server.url) as client:
        return [piece.response for piece in client.generate(MODEL, prompt, stream=True)]


def came_through_a_proxy(server):
    return server.requests[-1].header("via") is not None


def wait_for(condition):
    """Wait for something that happens in a process of another's making, which tells nobody."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        threading.Event().wait(0.01)


# -- a reverse proxy with TLS and a prefix


TLS = """
    server {
        listen 127.0.0.1:PORT ssl http2;
        ssl_certificate FOLDER/server.pem;
        ssl_certificate_key FOLDER/server.pem;
        client_max_body_size 1m;
        keepalive_requests 4;
        # Nothing is compressed for those who want it plain.
        gzip on;
        gzip_types *;
        gzip_proxied any;
        gzip_min_length 1;
        location /ollama/ {
            proxy_pass http://127.0.0.1:UPSTREAM/;
            proxy_http_version VERSION;
            proxy_set_header Connection "";
            proxy_buffering BUFFERING;
        }
        location /unlimited/ {
            client_max_body_size 0;
            proxy_pass http://127.0.0.1:UPSTREAM/;
        }
        location /moved/ { return 307 /ollama/api/generate; }
        location /gone/ { return 301 http://127.0.0.1:1/; }
    }
"""


def reverse_proxy(keys, port, buffering="on", version="1.1"):
    servers = TLS.replace("FOLDER", str(keys)).replace("UPSTREAM", str(port))
    return nginx(keys, servers.replace("BUFFERING", buffering).replace("VERSION", version))


@pytest.fixture(params=["on", "off"], ids=["buffering", "not-buffering"])
def front(request, keys, server):
    """The URL of nginx before the server, and what a client needs to trust it."""
    with reverse_proxy(keys, server.port, request.param) as port:
        yield f"https://127.0.0.1:{port}/ollama", str(keys / "authority.pem")


@both
def test_answers_come_through_a_reverse_proxy_with_tls_and_a_prefix(face, front, server):
    url, authority = front
    words = expected(server)
    client = face.make(url, verify=authority, timeout=PATIENCE)
    assert face.call(client, "generate", MODEL, "why?").response == "".join(words)
    assert server.requests[-1].path == "/api/generate"
    assert pieces_of(face, face.make(url, verify=authority), "why?") == (words, None)
    assert face.call(face.make(url + "/", verify=authority), "version").version


@both
def test_a_reverse_proxy_that_speaks_http_1_0_to_the_server_changes_nothing(face, keys, server):
    words = expected(server)
    with reverse_proxy(keys, server.port, "off", "1.0") as port:
        client = face.make(f"https://localhost:{port}/ollama", verify=str(keys / "authority.pem"))
        assert pieces_of(face, client) == (words, None)


@both
def test_an_error_of_the_server_comes_through_a_reverse_proxy(face, front, server):
    url, authority = front
    for ask in (face.call, lambda *args: face.call(*args, stream=True)):
        with pytest.raises(ResponseError, match="model 'nobody' not found") as caught:
            ask(face.make(url, verify=authority), "generate", "nobody", "why?")
        assert caught.value.status_code == 404
    server.say(mock.Answer(TEXT, error="out of words", after=5))
    pieces, error = pieces_of(face, face.make(url, verify=authority))
    assert "".join(pieces) == "Words that come one by"
    assert isinstance(error, ResponseError)
    assert error.error == "out of words"


def test_one_client_goes_on_when_the_reverse_proxy_ends_connections(front, server):
    url, authority = front
    words = expected(server)
    with Client(url, verify=authority, timeout=PATIENCE) as client:
        for _ in range(10):
            assert client.generate(MODEL, "why?").response == "".join(words)

    async def run():
        async with AsyncClient(url, verify=authority, timeout=PATIENCE) as client:
            for _ in range(10):
                assert (await client.generate(MODEL, "why?")).response == "".join(words)
            answers = await asyncio.gather(*(client.generate(MODEL, "why?") for _ in range(20)))
            assert {answer.response for answer in answers} == {"".join(words)}

    asyncio.run(run())


@both
def test_a_reverse_proxy_without_its_server_is_a_response_error(face, keys):
    with reverse_proxy(keys, free_port()) as port:
        url = f"https://127.0.0.1:{port}/ollama"
        for options in ({}, {"stream": True}):
            client = face.make(url, verify=str(keys / "authority.pem"))
            with pytest.raises(ResponseError) as caught:
                face.call(client, "generate", MODEL, "why?", **options)
            assert caught.value.status_code == 502
            assert "<title>502 Bad Gateway</title>" in caught.value.error
            assert caught.value.body.startswith(b"<html>")
            assert caught.value.headers["server"].startswith("nginx")


@both
def test_a_server_that_dies_behind_a_reverse_proxy_leaves_an_incomplete_answer(face, front, server):
    url, authority = front
    server.say(mock.Answer(TEXT, delay=0.05))
    killer = threading.Thread(target=kill_when_busy, args=(server, 0.4))
    killer.start()
    pieces, error = pieces_of(face, face.make(url, verify=authority, timeout=PATIENCE))
    killer.join()
    assert isinstance(error, IncompleteError)
    # What the proxy holds back while it buffers, it throws away.
    assert TEXT.startswith("".join(pieces))


def kill_when_busy(server, later):
    wait_for(lambda: len(server.requests) > 0)
    # Some of the answer has to be on its way, of which a proxy that buffers says nothing.
    threading.Event().wait(later)
    server.disconnect()


@both
def test_hanging_up_on_a_reverse_proxy_stops_the_server(face, keys, server):
    server.say(mock.Answer(TEXT, delay=0.02))
    with reverse_proxy(keys, server.port, "off") as port:
        client = face.make(f"https://127.0.0.1:{port}/ollama", verify=str(keys / "authority.pem"))

        async def first_async():
            async with client, await client.generate(MODEL, "why?", stream=True) as pieces:
                return (await pieces.__anext__()).response, server.connections_open

        def first():
            with client, client.generate(MODEL, "why?", stream=True) as pieces:
                return next(pieces).response, server.connections_open

        word, count = asyncio.run(first_async()) if face.name == "AsyncClient" else first()
        assert count == 1
        assert word == TEXT.split()[0]
        assert server.requests[-1].wait(1) == "hung up"


@both
def test_a_reverse_proxy_whose_authority_is_unknown_is_not_trusted(face, front):
    url, _ = front
    with pytest.raises(ConnectError, match="certificate is not trusted"):
        face.call(face.make(url), "version")
    assert face.call(face.make(url, verify=False), "version").version


@both
def test_an_upload_that_a_reverse_proxy_refuses_is_a_response_error(face, keys, server):
    path = keys / "blob"
    path.write_bytes(bytes(range(256)) * 40_000)
    authority = str(keys / "authority.pem")
    with reverse_proxy(keys, server.port) as port:
        url = f"https://127.0.0.1:{port}"
        client = face.make(f"{url}/ollama", verify=authority, timeout=PATIENCE)
        with pytest.raises(ResponseError) as caught:
            face.call(client, "create_blob", path)
        assert caught.value.status_code == 413
        client = face.make(f"{url}/unlimited", verify=authority, timeout=PATIENCE)
        digest = face.call(client, "create_blob", path)
        assert server.requests[-1].path == f"/api/blobs/{digest}"


@both
def test_redirects_of_a_reverse_proxy_are_followed_with_their_body(face, front, server):
    url, authority = front
    words = expected(server)
    moved = url.replace("/ollama", "/moved")
    assert pieces_of(face, face.make(moved, verify=authority)) == (words, None)
    gone = url.replace("/ollama", "/gone")
    with pytest.raises(ConnectError):
        face.call(face.make(gone, verify=authority, timeout=PATIENCE), "version")


# -- a forward proxy


@pytest.fixture(params=[tinyproxy, squid], ids=["tinyproxy", "squid"])
def proxy(request, tmp_path):
    with request.param(tmp_path) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def secure_server(keys):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(keys / "server.pem"))
    with mock.serve(tls=context) as server:
        yield server


@both
def test_answers_come_through_a_forward_proxy(face, proxy, server):
    words = expected(server)
    client = face.make(server.url, proxy=proxy, timeout=PATIENCE)
    assert face.call(client, "generate", MODEL, "why?").response == "".join(words)
    client = face.make(server.url, proxy=proxy, timeout=PATIENCE)
    assert pieces_of(face, client) == (words, None)
    assert came_through_a_proxy(server)


@both
def test_answers_come_through_a_tunnel_of_a_forward_proxy(face, proxy, secure_server, keys):
    options = {"proxy": proxy, "verify": str(keys / "authority.pem"), "timeout": PATIENCE}
    client = face.make(secure_server.url, **options)
    text = face.call(client, "generate", MODEL, "why?").response
    assert text
    pieces, error = pieces_of(face, face.make(secure_server.url, **options))
    assert "".join(pieces) == text
    assert error is None
    # What goes through a tunnel, its proxy cannot touch.
    assert not came_through_a_proxy(secure_server)


@both
def test_a_server_that_dies_behind_a_forward_proxy_leaves_an_incomplete_answer(face, proxy, server):
    server.say(mock.Answer(TEXT, delay=0.05))
    killer = threading.Thread(target=kill_when_busy, args=(server, 0.4))
    killer.start()
    pieces, error = pieces_of(face, face.make(server.url, proxy=proxy, timeout=PATIENCE))
    killer.join()
    assert isinstance(error, IncompleteError)
    assert TEXT.startswith("".join(pieces))


@both
def test_a_forward_proxy_that_cannot_reach_the_server_says_so(face, proxy):
    port = free_port()
    client = face.make(f"http://127.0.0.1:{port}", proxy=proxy, timeout=PATIENCE)
    with pytest.raises(ResponseError) as caught:
        face.call(client, "version")
    assert caught.value.status_code in (500, 502, 503)
    client = face.make(f"https://127.0.0.1:{port}", proxy=proxy, timeout=PATIENCE)
    with pytest.raises(ProxyError, match=r"refused the way: 50\d"):
        face.call(client, "version")


@both
def test_a_forward_proxy_takes_credentials_from_its_url(face, tmp_path, server, secure_server):
    with tinyproxy(tmp_path, "BasicAuth ada lovelace") as port:
        for url in (server.url, secure_server.url):
            options = {"verify": False, "timeout": PATIENCE}
            client = face.make(url, proxy=f"http://ada:lovelace@127.0.0.1:{port}", **options)
            assert face.call(client, "version").version
            client = face.make(url, proxy=f"http://ada:byron@127.0.0.1:{port}", **options)
            with pytest.raises((ResponseError, ProxyError), match=r"40[17]") as caught:
                face.call(client, "version")
            assert "byron" not in str(caught.value)


# -- a load balancer whose server is killed under load


@pytest.fixture
def balanced(tmp_path):
    """The URL of HAProxy before two servers, of which a test may kill the second."""
    with mock.serve() as staying, mock.serve() as going:
        with haproxy(tmp_path, [staying.port, going.port]) as port:
            yield f"http://127.0.0.1:{port}", staying, going


class Load:
    """Requests and streams from many sides, until a server was killed and long enough after."""

    workers = 16
    each = 30

    def __init__(self, balanced):
        self.url, self.staying, self.going = balanced
        self.words = expected(self.staying)
        self.outcomes = Counter()
        self.wrong = []
        self.lock = threading.Lock()
        self.answers = 0

    def kill_in_the_middle(self):
        wait_for(lambda: self.answers > self.workers * 5)
        self.going.close()

    def took(self, pieces, error=None):
        with self.lock:
            self.answers += 1
            if error is not None:
                right = isinstance(error, OllamaError) and self.words[: len(pieces)] == pieces
                self.outcomes[type(error).__name__] += 1
            else:
                right = "".join(pieces) == "".join(self.words)
                self.outcomes["right"] += 1
            if not right:
                self.wrong.append((pieces, error))

    def run(self, face, streams, **options):
        killer = threading.Thread(target=self.kill_in_the_middle)
        killer.start()
        if face.name == "AsyncClient":
            asyncio.run(self.run_async(streams, options))
        else:
            with Client(self.url, timeout=PATIENCE, **options) as client:
                threads = [
                    threading.Thread(target=self.work, args=(client, streams))
                    for _ in range(self.workers)
                ]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
        killer.join()
        assert self.answers == self.workers * self.each
        assert self.wrong == []
        assert len(self.staying.requests) > self.workers * self.each / 3
        return self.outcomes

    def work(self, client, streams):
        for _ in range(self.each):
            pieces = []
            try:
                if streams:
                    for piece in client.generate(MODEL, "why?", stream=True):
                        pieces.append(piece.response)
                else:
                    pieces.append(client.generate(MODEL, "why?").response)
                self.took(pieces)
            except Exception as error:
                self.took(pieces, error)

    async def run_async(self, streams, options):
        async with AsyncClient(self.url, timeout=PATIENCE, **options) as client:

            async def work():
                for _ in range(self.each):
                    pieces = []
                    try:
                        if streams:
                            async for piece in await client.generate(MODEL, "why?", stream=True):
                                pieces.append(piece.response)
                        else:
                            pieces.append((await client.generate(MODEL, "why?")).response)
                        self.took(pieces)
                    except Exception as error:
                        self.took(pieces, error)

            await asyncio.gather(*(work() for _ in range(self.workers)))


@both
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streams"])
def test_a_server_killed_behind_a_load_balancer_gives_right_answers_or_clear_errors(
    face, streams, balanced
):
    outcomes = Load(balanced).run(face, streams)
    assert outcomes["right"] > 16 * 30 / 2


@both
def test_retries_hide_a_server_that_is_killed_behind_a_load_balancer(face, balanced):
    assert set(Load(balanced).run(face, False, retries=4)) == {"right"}


@both
def test_a_load_balancer_without_servers_is_a_response_error(face, tmp_path):
    with haproxy(tmp_path, [free_port()]) as port:
        for options in ({}, {"stream": True}):
            client = face.make(f"http://127.0.0.1:{port}", timeout=PATIENCE)
            with pytest.raises(ResponseError, match="503 Service Unavailable") as caught:
                face.call(client, "generate", MODEL, "why?", **options)
            assert caught.value.status_code == 503
