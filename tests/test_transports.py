"""Both transports over real sockets: the same must come of the same."""

import asyncio
import gc
import logging
import os
import pickle
import random
import socket
import ssl
import struct
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Dict, List, Optional

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ollamalite import errors
from ollamalite._async_transport import AsyncTransport
from ollamalite._exchange import Request, Upload
from ollamalite._host import Url
from ollamalite._http1 import Headers
from ollamalite._plan import Journey, Planner
from ollamalite._route import Router, bypasses, proxy_variables
from ollamalite._settings import Settings, Timeout
from ollamalite._sync_dial import Waits
from ollamalite._sync_transport import Transport

from . import wire_keys
from .complaints import complaints
from .wire_cases import CASES, CHUNKED, OK, REDIRECTS, Case, Redirect
from .wire_server import PATIENCE, Peer, Received, WireServer, answering, routing, serve

ROOT = Path(__file__).parent.parent
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
needs_unix = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="unix sockets")


class Answer:
    """An answer of either transport, waited for."""

    def __init__(self, response: Any, run: Any) -> None:
        self._response = response
        self._run = run

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)

    def read(self, limit: Optional[int] = None) -> bytes:
        return self._run(self._response.read(limit))

    def receive(self) -> bytes:
        return self._run(self._response.receive())


class Blocking:
    """The blocking transport."""

    asynchronous = False

    def __init__(self, **options: Any) -> None:
        self.transport: Any = Transport(Settings(**options))

    @staticmethod
    def run(value: Any) -> Any:
        return value

    def send(
        self,
        url: str,
        body: Any = None,
        method: Optional[str] = None,
        headers: Optional[Dict[str, str]] = None,
        timeout: Any = None,
    ) -> Answer:
        method = method or ("GET" if body is None else "POST")
        request = Request(method, url, headers or {}, body, timeout)
        return Answer(self.run(self.transport.send(request)), self.run)

    def get(self, url: str, **rest: Any) -> bytes:
        return self.send(url, **rest).read()

    def close(self) -> None:
        self.transport.close()


class Asyncio(Blocking):
    """The asyncio transport, in an event loop that runs while it is asked something."""

    asynchronous = True

    def __init__(self, **options: Any) -> None:
        self.transport = AsyncTransport(Settings(**options))
        self.loop = asyncio.new_event_loop()

    def run(self, value: Any) -> Any:  # type: ignore[override]
        return self.loop.run_until_complete(value)

    def close(self) -> None:
        if not self.loop.is_closed():
            self.run(self.transport.aclose())
            left = asyncio.all_tasks(self.loop)
            self.run(self.loop.shutdown_asyncgens())
            self.run(
                self.loop.shutdown_default_executor() if sys.version_info >= (3, 9) else nothing()
            )
            self.loop.close()
            assert not left, "a task was left behind"


async def nothing() -> None:
    return None


@pytest.fixture(params=[Blocking, Asyncio], ids=["sync", "async"])
def make(request):
    """A maker of transports of one kind; what it makes is closed after the test."""
    made: List[Blocking] = []

    def make(**options: Any) -> Blocking:
        twin = request.param(**options)
        made.append(twin)
        return twin

    make.asynchronous = request.param.asynchronous
    yield make
    for twin in made:
        twin.close()


@pytest.fixture
def twin(make):
    return make(timeout=PATIENCE)


def raised(action: Any, *args: Any, **kwargs: Any) -> BaseException:
    with pytest.raises(errors.OllamaError) as caught:
        action(*args, **kwargs)
    return caught.value


def check_error(error: BaseException, method: str, url: str) -> None:
    """Every failure of a transport says what was asked of whom, and travels between processes."""
    assert isinstance(error, errors.TransportError)
    assert error.method == method
    assert error.url == url
    assert method in str(error)
    assert url in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.url == error.url


# -- the wire cases


def cut_whole(data: bytes) -> List[bytes]:
    return [data]


def cut_bytes(data: bytes) -> List[bytes]:
    size = max(1, len(data) // 400)
    return [data[index : index + size] for index in range(0, len(data), size)]


def cut_random(data: bytes) -> List[bytes]:
    chance = random.Random(len(data))
    places = sorted(chance.randrange(len(data) + 1) for _ in range(min(20, len(data) // 2)))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)])]


def replay(case: Case, pieces: List[bytes]):
    def script(peer: Peer) -> None:
        if peer.receive() is None:
            return
        peer.send(*pieces)
        if case.end == "open":
            following = peer.receive()
            if following is not None:
                peer.answer(b"next")
                peer.receive()

    return script


def check_case(twin: Blocking, case: Case, server: WireServer) -> None:
    url = server.url + "/api/x"
    got: List[bytes] = []
    error: Optional[BaseException] = None
    at = "send"
    try:
        answer = twin.send(url, method=case.method)
        at = "read"
        assert answer.status == case.status
        assert answer.url == url
        assert answer.ended_by_close == case.by_close
        if case.reason is not None:
            assert answer.reason == case.reason
        for name, value in case.headers:
            assert answer.headers[name] == value
        piece = answer.receive()
        while piece:
            got.append(piece)
            piece = answer.receive()
        assert answer.receive() == b""
    except errors.OllamaError as failure:
        error = failure
    assert b"".join(got) == case.body
    if case.error is None:
        assert error is None
        assert twin.get(url) == b"next" if case.end == "open" and case.reused else True
        assert server.connections == 1
    else:
        assert type(error) is getattr(errors, case.error)
        assert case.says in str(error)
        assert at == case.at
        check_error(error, case.method, url)


@pytest.mark.parametrize(
    "cut", [cut_whole, cut_bytes, cut_random], ids=["whole", "bytes", "random"]
)
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_each_wire_case_gives_what_it_should(make, case: Case, cut) -> None:
    twin = make(timeout=PATIENCE)
    with serve(replay(case, cut(case.answer))) as server:
        check_case(twin, case, server)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.error is None and not case.reused], ids=lambda c: c.name
)
def test_what_is_left_of_an_answer_is_never_the_next_one(make, case: Case) -> None:
    twin = make(timeout=PATIENCE)

    def script(peer: Peer) -> None:
        if peer.receive() is None:
            return
        if peer.number > 1:
            peer.answer(b"second")
            peer.receive()
            return
        peer.send(case.answer)
        if case.end == "open":
            peer.sees_hang_up()

    with serve(script) as server:
        assert twin.send(server.url, method=case.method).read() == case.body
        assert twin.get(server.url) == b"second"
        assert server.connections == 2


def result_of(twin: Blocking, url: str) -> Any:
    try:
        answer = twin.send(url)
        head: Any = (answer.status, answer.reason, answer.headers.pairs, answer.ended_by_close)
    except errors.OllamaError as error:
        return type(error), str(error)
    pieces = []
    try:
        piece = answer.receive()
        while piece:
            pieces.append(piece)
            piece = answer.receive()
    except errors.OllamaError as error:
        return head, b"".join(pieces), type(error), str(error)
    return head, b"".join(pieces)


small = [case.answer for case in CASES if len(case.answer) < 600]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sampled_from(small),
    st.lists(st.tuples(st.integers(0, 600), st.integers(0, 8), st.binary(max_size=4)), max_size=3),
    st.integers(1, 700),
)
def test_both_transports_make_the_same_of_mutated_answers(answer, changes, size) -> None:
    for start, length, insert in changes:
        answer = answer[:start] + insert + answer[start + length :]
    with serve(answering(lambda peer, _: peer.send(answer) or False)) as server:
        results = []
        for kind in (Blocking, Asyncio):
            twin = kind(timeout=PATIENCE)
            results.append(result_of(twin, server.url))
            twin.close()
    assert results[0] == results[1]


# -- connections


def test_one_connection_serves_many_requests(twin) -> None:
    with serve(answering(b"a")) as server:
        assert [twin.get(server.url) for _ in range(20)] == [b"a"] * 20
        assert server.connections == 1


def test_nothing_is_connected_before_the_first_request(make) -> None:
    with serve(answering(b"a")) as server:
        make()
        assert server.connections == 0


def test_a_connection_that_the_server_closed_while_idle_is_replaced_unseen(twin) -> None:
    gone = threading.Event()

    def script(peer: Peer) -> None:
        peer.receive()
        peer.answer(b"%d" % peer.number)
        peer.close()
        gone.set()

    with serve(script) as server:
        for number in range(1, 4):
            assert twin.get(server.url) == b"%d" % number
            assert gone.wait(PATIENCE)
            gone.clear()
        assert server.connections == len(server.requests) == 3


@pytest.mark.parametrize("body", [None, b"{}", b"x" * 100_000, "upload"], ids=lambda b: str(b)[:8])
@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_request_that_meets_the_end_of_a_reused_connection_is_sent_again(
    twin, tmp_path, body, end
) -> None:
    if body == "upload":
        (tmp_path / "file").write_bytes(b"y" * 100_000)
        body = Upload(tmp_path / "file", 100_000)

    def script(peer: Peer) -> None:
        received = peer.receive()
        if peer.number == 1:
            peer.answer(b"first")
            peer.receive(body=False)
            if end == "reset":
                peer.reset()
            return
        while received:
            peer.answer(b"second %d" % len(received.body))
            received = peer.receive()

    with serve(script) as server:
        assert twin.get(server.url) == b"first"
        length = 0 if body is None else len(body) if isinstance(body, bytes) else body.length
        assert twin.send(server.url, body).read() == b"second %d" % length
        assert server.connections == 2


def test_a_request_is_not_sent_again_when_the_connection_was_new(twin) -> None:
    with serve(lambda peer: peer.receive()) as server:
        error = raised(twin.get, server.url)
        assert type(error) is errors.ConnectionLostError
        assert isinstance(error, ConnectionError)
        check_error(error, "GET", server.url + "/")
        assert len(server.requests) == 1


@pytest.mark.parametrize("some", [b"H", OK, b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_a_request_is_not_sent_again_when_an_answer_had_begun(twin, some: bytes) -> None:
    def answer(peer: Peer, _: Received) -> Any:
        peer.send(some)
        return False

    with serve(answering(b"first", answer)) as server:
        assert twin.get(server.url) == b"first"
        assert type(raised(twin.get, server.url)) is errors.IncompleteError
        assert len(server.requests) == 2


def test_a_request_is_not_sent_again_when_the_answer_is_nonsense(twin) -> None:
    with serve(answering(b"first", lambda peer, _: peer.send(b"nonsense"))) as server:
        assert twin.get(server.url) == b"first"
        assert type(raised(twin.get, server.url)) is errors.ProtocolError
        assert len(server.requests) == 2


def test_a_request_is_not_sent_again_when_no_answer_came_in_time(make) -> None:
    twin = make(timeout=(None, 0.1))
    with serve(answering(b"first", lambda peer, _: peer.receive())) as server:
        assert twin.get(server.url) == b"first"
        assert type(raised(twin.get, server.url)) is errors.ReadTimeout
        assert len(server.requests) == 2


def test_the_second_try_is_the_last(twin) -> None:
    def script(peer: Peer) -> None:
        peer.receive()
        if peer.number == 1:
            peer.answer(b"first")
            peer.receive()

    with serve(script) as server:
        assert twin.get(server.url) == b"first"
        assert type(raised(twin.get, server.url)) is errors.ConnectionLostError
        assert server.connections == 2


def test_bytes_that_come_while_nobody_asks_are_never_an_answer(twin) -> None:
    sent = threading.Event()

    def script(peer: Peer) -> None:
        peer.receive()
        peer.answer(b"%d" % peer.number)
        if peer.number == 1:
            peer.answer(b"evil")
            sent.set()
            peer.sees_hang_up()

    with serve(script) as server:
        assert twin.get(server.url) == b"1"
        assert sent.wait(PATIENCE)
        assert twin.get(server.url) == b"2"


@pytest.mark.parametrize("seconds", [0, 0.05])
def test_an_idle_connection_is_not_used_beyond_its_time(make, seconds) -> None:
    twin = make(limits=SimpleNamespace(keepalive_expiry=seconds))
    with serve(answering(b"a")) as server:
        twin.get(server.url)
        time.sleep(seconds)
        twin.get(server.url)
        assert server.connections == 2


def test_a_connection_is_not_reused_before_its_answer_was_read(twin) -> None:
    body = CHUNKED + b"1\r\na\r\n0\r\n\r\n"
    halves = threading.Event()

    def slowly(peer: Peer, _: Received) -> None:
        peer.send(body[:-2])
        halves.wait(PATIENCE)
        peer.send(body[-2:])

    with serve(answering(slowly, b"b")) as server:
        first = twin.send(server.url)
        assert twin.get(server.url) == b"b"
        halves.set()
        assert first.read() == b"a"
        assert twin.get(server.url) == b"b"
        assert server.connections == 2


def test_no_more_connections_are_open_than_allowed(make) -> None:
    twin = make(max_connections=1, timeout=(None, None, None, 0.1))
    with serve(answering(lambda peer, _: peer.stream(), b"b")) as server:
        first = twin.send(server.url)
        error = raised(twin.get, server.url)
        assert type(error) is errors.PoolTimeout
        check_error(error, "GET", server.url + "/")
        first.close()
        assert twin.get(server.url) == b"b"


def test_an_idle_connection_makes_room_for_one_to_another_host(make) -> None:
    twin = make(max_connections=1, timeout=PATIENCE)
    with serve(answering(b"a")) as one, serve(answering(b"b")) as two:
        for _ in range(3):
            assert twin.get(one.url) == b"a"
            assert twin.get(two.url) == b"b"


def test_a_connection_that_failed_leaves_its_room_to_others(make) -> None:
    twin = make(max_connections=1, timeout=PATIENCE)
    for _ in range(3):
        raised(twin.get, "http://127.0.0.1:1/")
    with serve(answering(lambda peer, _: peer.send(b"nonsense"))) as server:
        for _ in range(3):
            raised(twin.get, server.url)
    with serve(answering(b"a")) as server:
        assert twin.get(server.url) == b"a"


def test_whoever_waits_for_a_connection_is_served_before_who_comes_later() -> None:
    twin = Blocking(max_connections=1, timeout=(None, None, None, 5))
    done: List[str] = []

    def work(name: str) -> None:
        for _ in range(50):
            twin.get(server.url)
        done.append(name)

    with serve(answering(b"a")) as server:
        threads = [threading.Thread(target=work, args=(str(n),)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.connections == 1
    assert len(done) == 4
    twin.close()


def test_no_task_starves_others_of_a_connection() -> None:
    twin = Asyncio(max_connections=1, timeout=PATIENCE)
    order: List[int] = []

    async def work(number: int) -> None:
        for _ in range(20):
            response = await twin.transport.send(Request("GET", server.url, {}))
            await response.read()
            order.append(number)

    async def all_of_them() -> None:
        await asyncio.gather(*map(work, range(3)))

    with serve(answering(b"a")) as server:
        twin.run(all_of_them())
        assert server.connections == 1
    assert set(order[:6]) == {0, 1, 2}
    twin.close()


def test_threads_share_a_transport() -> None:
    twin = Blocking(timeout=PATIENCE, max_connections=8)

    def echo(peer: Peer, received: Received) -> None:
        peer.answer(received.target.encode())

    with serve(answering(echo)) as server, ThreadPoolExecutor(32) as pool:
        paths = [f"/{number}" for number in range(1000)]
        answers = pool.map(lambda path: twin.get(server.url + path), paths)
        assert list(answers) == [path.encode() for path in paths]
        assert server.connections <= 8
    twin.close()


def test_many_tasks_share_a_transport() -> None:
    twin = Asyncio(timeout=PATIENCE, max_connections=8)

    def echo(peer: Peer, received: Received) -> None:
        peer.answer(received.target.encode())

    async def one(path: str) -> bytes:
        response = await twin.transport.send(Request("GET", server.url + path, {}))
        return await response.read()

    async def all_of(paths: List[str]) -> List[bytes]:
        return await asyncio.gather(*map(one, paths))

    with serve(answering(echo)) as server:
        paths = [f"/{number}" for number in range(500)]
        assert twin.run(all_of(paths)) == [path.encode() for path in paths]
        assert server.connections <= 8
    twin.close()


def test_a_closed_transport_refuses_requests(twin) -> None:
    with serve(answering(b"a")) as server:
        twin.get(server.url)
        twin.close()
        if twin.asynchronous:
            twin.loop = asyncio.new_event_loop()
        assert "closed" in str(raised(twin.get, server.url))
        twin.close()


def test_closing_the_transport_ends_idle_connections_and_answers_under_way(make) -> None:
    twin = make(timeout=PATIENCE)
    seen: List[float] = []

    def script(peer: Peer) -> None:
        peer.receive()
        if peer.number == 1:
            peer.stream()
            peer.chunk(b"a")
        else:
            peer.answer()
        seen.append(peer.sees_hang_up())

    with serve(script) as server:
        answer = twin.send(server.url)
        assert answer.receive() == b"a"
        twin.get(server.url)
        twin.run(twin.transport.aclose()) if twin.asynchronous else twin.transport.close()
        assert type(raised(answer.receive)) in (errors.ConnectionLostError, errors.IncompleteError)
    assert len(seen) == 2


@contextmanager
def silent():
    """A server that accepts connections and says nothing; gives its port and an accepted event."""
    taken = threading.Event()

    def script(peer: Peer) -> None:
        peer.sock.settimeout(PATIENCE)
        peer.sock.recv(1)
        taken.set()
        peer.sees_hang_up()

    with serve(script) as server:
        yield server, taken


def close_when(event: threading.Event, transport: Any) -> threading.Thread:
    """Close a transport from another thread, as soon as the event says."""

    def close() -> None:
        event.wait(PATIENCE)
        if isinstance(transport, AsyncTransport):
            asyncio.run(transport.aclose())
        else:
            transport.close()

    thread = threading.Thread(target=close)
    thread.start()
    return thread


@pytest.mark.parametrize("stage", ["tls", "tunnel"])
@pytest.mark.parametrize("timeout", [None, PATIENCE])
def test_closing_the_transport_ends_handshakes(make, stage, timeout) -> None:
    with silent() as (server, taken):
        options = {"proxy": server.url} if stage == "tunnel" else {}
        twin = make(timeout=timeout, **options)
        thread = close_when(taken, twin.transport)
        url = f"https://127.0.0.1:{server.port}/"
        error = raised(twin.get, url)
        assert type(error) is errors.ConnectionLostError
        assert "the client was closed before the whole answer came" in str(error)
        thread.join()


@contextmanager
def blackhole(monkeypatch):
    """A name whose first address accepts no connection; gives a function that adds more."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        # What a full backlog does not take is not answered at all.
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        asked = threading.Event()

        def resolve(*ports: int) -> None:
            def look_up(host: Any, port: int, *args: Any, **kwargs: Any) -> Any:
                kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
                asked.set()
                return [(*kind, address), *((*kind, ("127.0.0.1", other)) for other in ports)]

            monkeypatch.setattr(socket, "getaddrinfo", look_up)

        try:
            yield resolve, asked
        finally:
            for filler in fillers:
                filler.close()


needs_blackhole = pytest.mark.skipif(
    sys.platform != "linux", reason="other systems refuse what a full backlog does not take"
)


@needs_blackhole
@pytest.mark.parametrize("others", [0, 1])
def test_closing_the_transport_ends_a_connection_that_is_not_accepted(
    make, monkeypatch, others
) -> None:
    twin = make()
    with blackhole(monkeypatch) as (resolve, asked):
        resolve(*[1] * others)
        thread = close_when(asked, twin.transport)
        assert type(raised(twin.get, "http://hole.test/")) in (
            errors.ConnectionLostError,
            errors.RequestError,
        )
        thread.join()


@needs_blackhole
@pytest.mark.parametrize("others", [0, 1])
def test_closing_the_transport_ends_a_connection_that_is_about_to_begin(
    monkeypatch, others
) -> None:
    transport = Transport(Settings())

    class Late(socket.socket):
        def connect(self, address: Any) -> None:
            transport.close()
            return super().connect(address)

        def connect_ex(self, address: Any) -> int:
            transport.close()
            return super().connect_ex(address)

    with blackhole(monkeypatch) as (resolve, _):
        resolve(*[1] * others)
        monkeypatch.setattr(socket, "socket", Late)
        with pytest.raises(errors.ConnectionLostError):
            transport.send(Request("GET", "http://hole.test/", {}))


def test_closing_the_transport_ends_the_question_for_an_address(make, monkeypatch) -> None:
    asked, answer = threading.Event(), threading.Event()

    def never(*args: Any, **kwargs: Any) -> Any:
        asked.set()
        answer.wait(PATIENCE)
        raise socket.gaierror(socket.EAI_AGAIN, "nobody knows")

    twin = make()
    monkeypatch.setattr(socket, "getaddrinfo", never)
    thread = close_when(asked, twin.transport)
    try:
        assert type(raised(twin.get, "http://slow.test/")) is errors.ConnectionLostError
    finally:
        answer.set()
        thread.join()


def test_the_connect_timeout_covers_the_question_for_an_address(make, monkeypatch) -> None:
    answer = threading.Event()
    twin = make(timeout=(0.1, None))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer.wait(PATIENCE) and [])
    try:
        assert type(raised(twin.get, "http://slow.test/")) is errors.ConnectTimeout
    finally:
        answer.set()


@needs_blackhole
def test_an_address_that_does_not_answer_leaves_time_for_the_next(make, monkeypatch) -> None:
    twin = make(timeout=(PATIENCE, None))
    with serve(answering(b"a")) as server, blackhole(monkeypatch) as (resolve, _):
        resolve(1, server.port)
        started = time.monotonic()
        assert twin.get(f"http://hole.test:{server.port}/") == b"a"
        assert time.monotonic() - started < PATIENCE / 2


@needs_blackhole
def test_addresses_that_do_not_answer_share_the_connect_timeout(make, monkeypatch) -> None:
    twin = make(timeout=(0.3, None))
    with blackhole(monkeypatch) as (resolve, _):
        resolve(1)
        assert type(raised(twin.get, "http://hole.test/")) is errors.ConnectTimeout


def test_a_host_without_an_address_that_answers_says_what_the_last_said(make, monkeypatch) -> None:
    twin = make()
    kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    found = [(*kind, ("127.0.0.1", 1)), (*kind, ("127.0.0.1", 1))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert "Connection refused" in str(raised(twin.get, "http://dead.test/"))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    assert "no address" in str(raised(twin.get, "http://dead.test/"))


def test_a_replaced_connection_keeps_its_room(make) -> None:
    twin = make(max_connections=1, timeout=PATIENCE)
    asked, third = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        peer.receive()
        if peer.number == 1:
            peer.answer(b"1")
            # The next request finds out that nobody is there, while another waits for room.
            peer.receive()
            asked.wait(PATIENCE)
        elif peer.number == 2:
            # Time enough for another connection, which must not come.
            third.wait(0.3)
            peer.answer(b"alone" if not third.is_set() else b"one of two")
        else:
            third.set()
            peer.answer(b"alone")

    def ask() -> bytes:
        body: bytes = twin.get(server.url)
        return body

    async def ask_both() -> Any:
        requests = [Request("GET", server.url, {}) for _ in range(2)]
        tasks = [asyncio.ensure_future(twin.transport.send(request)) for request in requests]
        while not twin.transport.pool()._waiters:
            await asyncio.sleep(0.01)
        asked.set()
        return [await (await task).read() for task in tasks]

    with serve(script) as server:
        assert twin.get(server.url) == b"1"
        if twin.asynchronous:
            assert twin.run(ask_both()) == [b"alone", b"alone"]
            return
        with ThreadPoolExecutor(2) as threads:
            answers = [threads.submit(ask) for _ in range(2)]
            while not twin.transport._pool._waiting:
                time.sleep(0.01)
            asked.set()
            assert [answer.result() for answer in answers] == [b"alone", b"alone"]


def test_a_connection_whose_task_somebody_else_cancels_is_cancelled() -> None:
    async def run(url: str) -> None:
        transport = AsyncTransport(Settings())
        call = asyncio.ensure_future(transport.send(Request("GET", url, {})))
        mine = {asyncio.current_task(), call}
        while not asyncio.all_tasks() - mine:
            await asyncio.sleep(0)
        for task in asyncio.all_tasks() - mine:
            task.cancel()
        await asyncio.wait({call})
        assert call.cancelled()
        await transport.aclose()

    with serve(answering()) as server:
        asyncio.run(run(server.url))


@pytest.mark.parametrize("name", ["a" * 64 + ".test", ".example.test"])
def test_a_name_that_tls_has_no_form_for_is_refused_before_a_connection(make, name) -> None:
    seen: List[Received] = []
    with serve(proxying(seen)) as proxy:
        error = raised(make(proxy=proxy.url).get, f"https://{name}/")
        assert type(error) is errors.RequestError
    assert not seen


def test_a_signal_handler_may_close_the_transport_while_it_connects() -> None:
    waits = Waits()
    ended: List[bool] = []

    class Wait:
        def __hash__(self) -> int:
            # What a signal handler would do in the middle of `add`.
            waits.close()
            return 1

    assert waits.add(Wait(), lambda: ended.append(True)) is False


def test_an_upload_waits_for_busy_workers_no_longer_than_it_may(tmp_path) -> None:
    file = tmp_path / "blob"
    file.write_bytes(b"x" * 100_000)
    release = threading.Event()

    async def run(url: str) -> BaseException:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        busy = loop.run_in_executor(None, release.wait, PATIENCE)
        transport = AsyncTransport(Settings(timeout=Timeout(total=0.2)))
        try:
            await transport.send(Request("POST", url, {}, Upload(file, 100_000)))
        except errors.DeadlineExceeded as error:
            return error
        finally:
            release.set()
            await busy
            await transport.aclose()
        raise AssertionError("no time limit held")

    with serve(answering()) as server:
        asyncio.run(run(server.url))


@pytest.mark.parametrize("busy", [True, False])
def test_a_file_is_closed_also_by_a_worker_that_outlives_the_loop(tmp_path, busy) -> None:
    opened: List[Any] = []
    begun, release = threading.Event(), threading.Event()

    class Slow(Upload):
        def open(self) -> Any:
            opened.append(super().open())
            begun.set()
            release.wait(PATIENCE)
            return opened[0]

    file = tmp_path / "blob"
    file.write_bytes(b"x")
    workers = ThreadPoolExecutor(1)
    loop = asyncio.new_event_loop()
    loop.set_default_executor(workers)
    if busy:
        workers.submit(release.wait, PATIENCE)
    transport = AsyncTransport(Settings(timeout=Timeout(total=0.2)))
    with serve(answering()) as server:
        call = transport.send(Request("POST", server.url, {}, Slow(file, 1)))
        with pytest.raises(errors.DeadlineExceeded):
            loop.run_until_complete(call)
        loop.run_until_complete(transport.aclose())
    loop.close()
    release.set()
    workers.shutdown()
    assert begun.is_set() is not busy
    assert all(each.closed for each in opened)


@pytest.mark.parametrize("moment", range(1, 40))
def test_an_interrupted_tls_connection_leaves_its_number_to_others(keys, moment) -> None:
    transport = AsyncTransport(Settings(verify=keys.authority))

    async def run(url: str) -> None:
        call = asyncio.ensure_future(transport.send(Request("GET", url, {})))
        for _ in range(moment):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait({call})
        for _ in range(3):
            response = await transport.send(Request("GET", url, {}))
            assert await response.read() == b"{}"
        await transport.aclose()

    with serve(answering(), context=keys.context()) as server:
        asyncio.run(run(server.url))


def test_bytes_that_come_under_tls_while_the_loop_is_busy_are_never_an_answer(keys) -> None:
    transport = AsyncTransport(Settings(verify=keys.authority, timeout=PATIENCE))
    poisoned = threading.Event()

    def script(peer: Peer) -> None:
        peer.receive()
        peer.answer(b"good")
        if peer.number == 1:
            peer.answer(b"poison")
            poisoned.set()
        peer.receive()

    async def ask(url: str) -> bytes:
        response = await transport.send(Request("GET", url, {}))
        return await response.read()

    async def run(url: str) -> List[bytes]:
        first = await ask(url)
        poisoned.wait(PATIENCE)
        return [first, await ask(url)]

    with serve(script, context=keys.context()) as server:
        assert asyncio.run(run(server.url)) == [b"good", b"good"]
        asyncio.run(transport.aclose())


def test_the_total_time_covers_what_has_come_already() -> None:
    async def run(url: str) -> Any:
        transport = AsyncTransport(Settings(timeout=Timeout(total=0.1)))
        answer = await transport.send(Request("GET", url, {}))
        pieces = 0
        try:
            while True:
                # The loop never finds the time to ring the alarm.
                time.sleep(0.02)
                await answer.receive()
                pieces += 1
        except errors.DeadlineExceeded:
            return pieces
        finally:
            await transport.aclose()

    def script(peer: Peer) -> None:
        peer.receive()
        peer.stream()
        while True:
            peer.chunk(b"a" * 65536)

    with serve(script) as server:
        assert asyncio.run(run(server.url)) < 20


@needs_unix
def test_a_server_that_takes_bytes_slowly_gets_no_write_timeout(make, tmp_path) -> None:
    # Between two machines the system would take megabytes at once.
    file = tmp_path / "blob"
    file.write_bytes(b"x" * 12_000_000)
    twin = make(timeout=Timeout(None, write=0.3))

    def script(peer: Peer) -> None:
        received = peer.receive(body=False)
        assert received is not None
        left = int(received.get("content-length") or 0) - len(peer._buffer)
        started = time.monotonic()
        while left:
            # For longer than the timeout, less than the client's pieces at a time.
            left -= len(peer.sock.recv(65536))
            if time.monotonic() - started < 1:
                time.sleep(0.05)
        peer.answer(b"done")

    with serve(script, unix=str(tmp_path / "s")) as server:
        assert twin.send(server.url, Upload(file, 12_000_000)).read() == b"done"


@needs_unix
def test_a_full_backlog_of_a_unix_socket_is_waited_for(make, tmp_path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        fillers: List[socket.socket] = []
        while True:
            filler = socket.socket(socket.AF_UNIX)
            fillers.append(filler)
            filler.setblocking(False)
            try:
                filler.connect(path)
            except BlockingIOError:
                break
        url = "unix://" + path.replace("/", "%2F")
        assert type(raised(make(timeout=0.1).get, url)) is errors.ConnectTimeout

        def accept() -> None:
            for _ in fillers[:-1]:
                listener.accept()[0].close()
            sock, _ = listener.accept()
            peer = Peer(sock, server, 1)
            peer.receive()
            peer.answer(b"a")
            peer.sees_hang_up()
            peer.close()

        with serve(answering()) as server:
            thread = threading.Thread(target=accept)
            threading.Timer(0.1, thread.start).start()
            twin = make(timeout=PATIENCE)
            assert twin.get(url) == b"a"
            twin.close()
        thread.join()
        for filler in fillers:
            filler.close()


def test_a_stream_that_is_closed_late_leaves_the_connection_to_the_next() -> None:
    transport = Transport(Settings(timeout=PATIENCE))
    with serve(answering(b"a" * 1_000_000)) as server:
        answer = transport.send(Request("GET", server.url, {}))
        connection = answer._connection
        first = answer.read()
        following = transport.send(Request("GET", server.url, {}))
        # What another thread does that saw the connection before the answer's end.
        assert connection is not None
        assert connection is following._connection
        transport.hang_up(connection, answer._turn)
        assert first == following.read() == b"a" * 1_000_000
        transport.close()


def test_a_transport_survives_pickling(make) -> None:
    twin = make(timeout=PATIENCE, retries=2)
    with serve(answering(b"a")) as server:
        twin.get(server.url)
        copy = make()
        copy.transport = pickle.loads(pickle.dumps(twin.transport))
        assert copy.transport.settings.retries == 2
        assert copy.get(server.url) == twin.get(server.url) == b"a"
        assert server.connections == 2


def fork(work: Callable[[], None]) -> int:
    """Run something in a child, whose status says whether it went well; the child's process id."""
    with warnings.catch_warnings():
        # Newer Pythons warn of forks beside threads, which is what these tests are about.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return child


@needs_fork
def test_parent_and_child_of_a_fork_share_no_connection() -> None:
    twin = Blocking(timeout=PATIENCE)

    def echo(peer: Peer, received: Received) -> None:
        peer.answer(received.target.encode())

    with serve(answering(echo)) as server:
        assert twin.get(server.url + "/before") == b"/before"
        streaming = serve(answering(lambda peer, _: peer.stream() or peer.receive()))
        with streaming as other:
            stream = twin.send(other.url)

            def work() -> None:
                for n in range(50):
                    assert twin.get(server.url + f"/child{n}") == b"/child%d" % n
                with pytest.raises(errors.ConnectionLostError, match="forked"):
                    stream.receive()
                stream.close()
                twin.close()
                gc.collect()

            child = fork(work)
            for number in range(50):
                assert twin.get(server.url + f"/{number}") == b"/%d" % number
            assert os.waitpid(child, 0)[1] == 0
            assert twin.get(server.url + "/after") == b"/after"
            assert server.connections == 2
            stream.close()
    twin.close()


@needs_fork
def test_an_async_transport_is_used_on_both_sides_of_a_fork() -> None:
    transport = AsyncTransport(Settings(timeout=PATIENCE))

    async def ask(path: str) -> bytes:
        return await (await transport.send(Request("GET", server.url + path, {}))).read()

    async def fork_while_connected() -> int:
        assert await ask("/before") == b"/before"
        # In the child the loop is the parent's; only what leaves it alone may happen there.
        assert os.waitpid(fork(lambda: transport._finalizer()), 0)[1] == 0
        assert await ask("/after") == b"/after"
        return server.connections

    with serve(answering(lambda peer, received: peer.answer(received.target.encode()))) as server:
        assert asyncio.run(fork_while_connected()) == 1

        def work() -> None:
            assert asyncio.run(ask("/child")) == b"/child"

        assert os.waitpid(fork(work), 0)[1] == 0
        assert asyncio.run(ask("/parent")) == b"/parent"
    asyncio.run(transport.aclose())


@needs_fork
def test_a_fork_while_another_thread_waits_does_not_lock_the_child() -> None:
    twin = Blocking(max_connections=1, timeout=PATIENCE)
    hold = threading.Event()

    def slowly(peer: Peer, received: Received) -> None:
        hold.wait(PATIENCE)
        peer.answer(b"a")

    with serve(answering(slowly)) as server:
        with ThreadPoolExecutor(3) as pool:
            waiting = [pool.submit(twin.get, server.url) for _ in range(3)]
            server.wait_for_requests(1)

            def work() -> None:
                threading.Timer(PATIENCE, os._exit, (1,)).start()
                assert twin.get(server.url) == b"a"

            child = fork(work)
            server.wait_for_requests(2)
            hold.set()
            assert os.waitpid(child, 0)[1] == 0
            assert [future.result() for future in waiting] == [b"a"] * 3
    twin.close()


def test_one_async_transport_serves_one_event_loop_after_another() -> None:
    transport = AsyncTransport(Settings(timeout=PATIENCE))

    async def twice(url: str) -> bytes:
        await (await transport.send(Request("GET", url, {}))).read()
        return await (await transport.send(Request("GET", url, {}))).read()

    with serve(answering(b"a")) as server:
        for _ in range(3):
            assert asyncio.run(twice(server.url)) == b"a"
        assert server.connections == 3


def test_an_event_loop_that_is_closed_without_ceremony_leaves_nothing_behind() -> None:
    transport = AsyncTransport(Settings(timeout=PATIENCE))

    async def once(url: str) -> Any:
        response = await transport.send(Request("GET", url, {}))
        return await response.read()

    async def begin(url: str) -> Any:
        return await transport.send(Request("GET", url + "/stream", {}))

    hung_up: List[float] = []

    def script(peer: Peer) -> None:
        while True:
            received = peer.receive()
            if received is None:
                return
            if received.target == "/stream":
                peer.stream()
                hung_up.append(peer.sees_hang_up())
                return
            peer.answer(b"a")

    with serve(script) as server:
        for _ in range(3):
            loop = asyncio.new_event_loop()
            assert loop.run_until_complete(once(server.url)) == b"a"
            stream = loop.run_until_complete(begin(server.url))
            loop.close()
            stream.close()
            del stream
            gc.collect()
        asyncio.run(transport.aclose())
    assert len(hung_up) == 3


def test_threads_with_event_loops_of_their_own_share_an_async_transport() -> None:
    transport = AsyncTransport(Settings(timeout=PATIENCE))

    async def some(url: str, name: str) -> List[bytes]:
        return [
            await (await transport.send(Request("GET", f"{url}/{name}/{n}", {}))).read()
            for n in range(20)
        ]

    with serve(answering(lambda peer, received: peer.answer(received.target.encode()))) as server:
        with ThreadPoolExecutor(8) as pool:
            runs = pool.map(lambda name: asyncio.run(some(server.url, str(name))), range(8))
            for name, got in enumerate(runs):
                assert got == [b"/%d/%d" % (name, n) for n in range(20)]
    asyncio.run(transport.aclose())


# -- time


def test_silence_for_longer_than_the_read_timeout_raises(make) -> None:
    twin = make(timeout=(None, 0.15))
    with serve(answering(lambda peer, _: peer.receive())) as server:
        started = time.monotonic()
        error = raised(twin.get, server.url)
        assert 0.1 < time.monotonic() - started < 2
        assert type(error) is errors.ReadTimeout
        assert isinstance(error, TimeoutError)
        check_error(error, "GET", server.url + "/")
        assert "0.15 seconds" in str(error)


def test_a_shorter_timeout_counts_after_a_longer_one_on_the_same_connection(make) -> None:
    twin = make()

    def script(peer: Peer) -> None:
        peer.receive()
        peer.answer()
        peer.receive()
        peer.sees_hang_up()

    with serve(script) as server:
        twin.send(server.url, timeout=100).read()
        started = time.monotonic()
        assert type(raised(twin.send, server.url, timeout=0.1)) is errors.ReadTimeout
        assert time.monotonic() - started < PATIENCE


def test_silence_in_the_middle_of_an_answer_raises_after_what_came(make) -> None:
    twin = make(timeout=(None, 0.15))

    def stall(peer: Peer, _: Received) -> None:
        peer.stream()
        peer.chunk(b"a")
        peer.receive()

    with serve(answering(stall)) as server:
        answer = twin.send(server.url)
        assert answer.receive() == b"a"
        assert type(raised(answer.receive)) is errors.ReadTimeout


def test_an_answer_that_takes_longer_than_the_read_timeout_lives_while_bytes_come(make) -> None:
    twin = make(timeout=(None, 0.4))

    def slowly(peer: Peer, _: Received) -> None:
        peer.stream()
        for _ in range(10):
            time.sleep(0.08)
            peer.chunk(b"x")
        peer.send(b"0\r\n\r\n")

    with serve(answering(slowly)) as server:
        assert twin.get(server.url) == b"x" * 10


def test_a_reader_who_takes_his_time_gets_no_timeout(make) -> None:
    twin = make(timeout=(None, 0.1))

    def stream(peer: Peer, _: Received) -> None:
        peer.stream()
        peer.chunk(b"a")
        peer.chunk(b"b")
        peer.send(b"0\r\n\r\n")

    with serve(answering(stream)) as server:
        answer = twin.send(server.url)
        assert answer.receive()
        time.sleep(0.2)
        if twin.asynchronous:
            twin.run(asyncio.sleep(0.2))
        assert answer.read() in (b"", b"b")
        twin.get(server.url)


def test_the_total_time_ends_a_call_however_busy_it_is(make) -> None:
    twin = make(timeout=Timeout(5, total=0.3))

    def drip(peer: Peer, _: Received) -> None:
        peer.stream()
        while True:
            peer.chunk(b"x")
            time.sleep(0.01)

    with serve(answering(drip)) as server:
        started = time.monotonic()
        answer = twin.send(server.url)
        error = raised(answer.read)
        assert 0.2 < time.monotonic() - started < 2
        assert type(error) is errors.DeadlineExceeded
        check_error(error, "GET", server.url + "/")


def test_the_total_time_covers_heads_that_drip(make) -> None:
    twin = make(timeout=Timeout(5, total=0.3))

    def drip(peer: Peer, _: Received) -> None:
        peer.send(OK)
        while True:
            peer.send(b"X: y\r\n")
            time.sleep(0.01)

    with serve(answering(drip)) as server:
        assert type(raised(twin.send, server.url)) is errors.DeadlineExceeded


def test_the_total_time_covers_silence(make) -> None:
    twin = make(timeout=Timeout(total=0.2))
    with serve(answering(lambda peer, _: peer.receive())) as server:
        assert type(raised(twin.send, server.url)) is errors.DeadlineExceeded


def test_a_timeout_of_the_call_replaces_that_of_the_client(make) -> None:
    twin = make(timeout=PATIENCE)
    with serve(answering(lambda peer, _: peer.receive())) as server:
        assert type(raised(twin.send, server.url, timeout=0.1)) is errors.ReadTimeout
        shape = SimpleNamespace(connect=5, read=0.1, write=5, pool=5)
        assert type(raised(twin.send, server.url, timeout=shape)) is errors.ReadTimeout
        with pytest.raises(errors.RequestError):
            twin.send(server.url, timeout="soon")


def test_a_server_that_takes_no_bytes_raises_a_write_timeout(make) -> None:
    twin = make(timeout=(None, None, 0.2, None))

    with serve(lambda peer: peer.receive(body=False) and time.sleep(1)) as server:
        error = raised(twin.send, server.url, b"x" * 50_000_000)
        assert type(error) is errors.WriteTimeout
        check_error(error, "POST", server.url + "/")


def test_the_write_timeout_does_not_count_while_the_answer_is_waited_for(make) -> None:
    twin = make(timeout=(None, None, 0.1, None))

    def think(peer: Peer, _: Received) -> None:
        time.sleep(0.3)
        peer.answer(b"a")

    with serve(answering(think)) as server:
        assert twin.send(server.url, b"x" * 1_000_000).read() == b"a"


def test_a_connection_that_is_not_accepted_raises_a_connect_timeout(make) -> None:
    twin = make(timeout=(0.2, None))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        waiting = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            waiting.append(filler)
        error = raised(twin.send, url)
        for filler in waiting:
            filler.close()
    assert type(error) is errors.ConnectTimeout
    assert isinstance(error, TimeoutError)
    check_error(error, "GET", url)


def test_a_tls_handshake_that_hangs_raises_a_connect_timeout(make) -> None:
    twin = make(timeout=(0.2, None))
    with serve(lambda peer: peer.sees_hang_up()) as server:
        error = raised(twin.send, server.url.replace("http:", "https:"))
        assert type(error) is errors.ConnectTimeout


def test_no_timeout_is_the_default(make) -> None:
    twin = make()

    def think(peer: Peer, _: Received) -> None:
        time.sleep(0.2)
        peer.answer(b"a")

    with serve(answering(think)) as server:
        assert twin.get(server.url) == b"a"


# -- hanging up


@pytest.fixture
def endless():
    """A server whose answers never end, and which notes when it was hung up on."""

    def script(peer: Peer) -> None:
        if peer.receive() is None:
            return
        peer.stream()
        peer.chunk(b"a")
        hung_up.append(peer.sees_hang_up())

    hung_up: List[float] = []
    with serve(script) as server:
        server.hung_up = hung_up  # type: ignore[attr-defined]
        yield server


def wait_for_hang_up(server: Any) -> None:
    deadline = time.monotonic() + 1
    while not server.hung_up:
        assert time.monotonic() < deadline, "the server still waits"
        time.sleep(0.001)


def test_close_hangs_up_at_once(twin, endless) -> None:
    answer = twin.send(endless.url)
    assert answer.receive() == b"a"
    answer.close()
    wait_for_hang_up(endless)
    answer.close()
    assert answer.closed
    assert type(raised(answer.receive)) is errors.ConnectionLostError
    assert type(raised(answer.read)) is errors.ConnectionLostError


def test_an_answer_that_nobody_holds_any_more_is_hung_up_on(twin, endless) -> None:
    answer = twin.send(endless.url)
    assert answer.receive() == b"a"
    del answer
    gc.collect()
    wait_for_hang_up(endless)


def test_an_answer_in_a_reference_cycle_is_hung_up_on(twin, endless) -> None:
    answer = twin.send(endless.url)
    cycle = [answer]
    cycle.append(cycle)
    del answer, cycle
    gc.collect()
    wait_for_hang_up(endless)


def test_an_answer_keeps_the_transport_that_it_came_through(make, endless) -> None:
    twin = make()
    answer = twin.send(endless.url)
    twin.transport = None
    gc.collect()
    assert answer.receive() == b"a"
    assert not endless.hung_up
    answer.close()
    wait_for_hang_up(endless)
    twin.transport = make().transport


def test_closing_an_answer_that_was_read_keeps_its_connection(twin) -> None:
    with serve(answering(b"a")) as server:
        answer = twin.send(server.url)
        answer.close()
        assert answer.read() == b"a"
        answer.close()
        assert not answer.closed
        assert answer.receive() == b""
        twin.get(server.url)
        assert server.connections == 1


def test_another_thread_may_close_an_answer_that_is_waited_for(make, endless) -> None:
    twin = make()
    answer = twin.send(endless.url)
    assert answer.receive() == b"a"
    threading.Timer(0.1, answer.close).start()
    started = time.monotonic()
    error = raised(answer.receive)
    assert type(error) is errors.ConnectionLostError
    assert time.monotonic() - started < 1
    assert answer.closed
    wait_for_hang_up(endless)


def test_another_thread_may_close_the_transport_while_an_answer_is_waited_for() -> None:
    twin = Blocking()
    with serve(lambda peer: peer.receive() and peer.sees_hang_up()) as server:
        threading.Timer(0.1, twin.transport.close).start()
        started = time.monotonic()
        assert type(raised(twin.send, server.url)) is errors.ConnectionLostError
        assert time.monotonic() - started < 1
        assert server.connections == 1


def test_the_with_statement_hangs_up(twin, endless) -> None:
    answer = twin.send(endless.url)
    if twin.asynchronous:

        async def use() -> None:
            async with answer._response:
                await answer._response.receive()

        twin.run(use())
    else:
        with answer._response:
            answer.receive()
    wait_for_hang_up(endless)


@pytest.mark.parametrize("stage", ["head", "body"])
def test_cancelling_a_task_hangs_up(endless, stage) -> None:
    twin = Asyncio()
    silent: List[float] = []

    def script(peer: Peer) -> None:
        peer.receive()
        silent.append(peer.sees_hang_up())

    async def use(url: str) -> None:
        response = await twin.transport.send(Request("GET", url, {}))
        while True:
            await response.receive()

    async def cancel(url: str) -> None:
        task = asyncio.ensure_future(use(url))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # The loop is busy with something else; the server must see it all the same.
        deadline = time.monotonic() + 1
        while not (silent or endless.hung_up):
            assert time.monotonic() < deadline, "the server still waits"
            time.sleep(0.001)

    with serve(script) as server:
        twin.run(cancel(server.url if stage == "head" else endless.url))
    twin.close()


@pytest.mark.parametrize("timeout", [None, 5])
def test_cancelling_a_task_that_connects_leaves_nothing_behind(timeout) -> None:
    twin = Asyncio(timeout=timeout)

    async def cancel(url: str) -> None:
        task = asyncio.ensure_future(twin.transport.send(Request("GET", url, {})))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.05)
        assert len(asyncio.all_tasks()) == 1

    with serve(lambda peer: peer.sees_hang_up()) as server:
        twin.run(cancel(server.url.replace("http:", "https:")))
    twin.close()


def test_cancelling_a_task_that_waits_for_a_connection_leaves_it_to_the_next() -> None:
    twin = Asyncio(max_connections=1)

    async def scene(url: str) -> bytes:
        def ask() -> Any:
            return asyncio.ensure_future(twin.transport.send(Request("GET", url, {})))

        first = await ask()
        second, third = ask(), ask()
        await asyncio.sleep(0.05)
        second.cancel()
        first.close()
        return await (await third).read()

    with serve(answering(lambda peer, _: peer.stream(), b"b")) as server:
        assert twin.run(scene(server.url)) == b"b"
    twin.close()


def run_script(code: str, *args: str) -> str:
    """Run a program with all warnings as errors; what it prints."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(code), *args],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert complaints(done.stderr.decode()) == ""
    assert done.returncode == 0
    return done.stdout.decode()


PRELUDE = """
import asyncio, gc, sys
from ollamalite._settings import Settings
from ollamalite._exchange import Request
from ollamalite._sync_transport import Transport
from ollamalite._async_transport import AsyncTransport
url = sys.argv[1]
"""


@pytest.mark.parametrize(
    "code",
    [
        # A transport that is never closed.
        "t = Transport(Settings())\nt.send(Request('GET', url + '/a', {})).read()",
        # An answer that is never read.
        "t = Transport(Settings())\nr = t.send(Request('GET', url + '/s', {}))\nr.receive()",
        "Transport(Settings()).send(Request('GET', url + '/s', {})).receive()",
        # The same in a reference cycle.
        "r = Transport(Settings()).send(Request('GET', url + '/s', {}))\nc = [r]\nc.append(c)\n"
        "del r, c\ngc.collect()",
        "async def main():\n  t = AsyncTransport(Settings())\n"
        "  await (await t.send(Request('GET', url + '/a', {}))).read()\nasyncio.run(main())",
        "async def main():\n  t = AsyncTransport(Settings())\n"
        "  r = await t.send(Request('GET', url + '/s', {}))\n  await r.receive()\n"
        "asyncio.run(main())",
        "t = AsyncTransport(Settings())\nasync def main():\n"
        "  r = await t.send(Request('GET', url + '/s', {}))\n  await r.receive()\n  return r\n"
        "r = asyncio.run(main())",
        "t = AsyncTransport(Settings())\nasync def main():\n"
        "  r = await t.send(Request('GET', url + '/s', {}))\n  await r.receive()\n  return r\n"
        "for _ in range(3): r = asyncio.run(main())\nasyncio.run(t.aclose())",
        "t = AsyncTransport(Settings(timeout=5))\nloop = asyncio.new_event_loop()\n"
        "r = loop.run_until_complete(t.send(Request('GET', url + '/s', {})))\n"
        "loop.run_until_complete((loop.run_until_complete("
        "t.send(Request('GET', url + '/a', {})))).read())\nloop.close()",
        # A task that is still reading when the program ends.
        "t = AsyncTransport(Settings())\nasync def read():\n"
        "  r = await t.send(Request('GET', url + '/s', {}))\n  while True: await r.receive()\n"
        "async def main():\n  asyncio.ensure_future(read())\n  await asyncio.sleep(0.1)\n"
        "asyncio.run(main())",
        # The timeout that ends it all.
        "t = AsyncTransport(Settings())\nasync def read():\n"
        "  r = await t.send(Request('GET', url + '/s', {}))\n  while True: await r.receive()\n"
        "async def main():\n"
        "  try: await asyncio.wait_for(read(), 0.1)\n  except asyncio.TimeoutError: print('late')\n"
        "asyncio.run(main())",
    ],
)
def test_programs_that_care_for_nothing_end_in_silence(code) -> None:
    def stream(peer: Peer, _: Received) -> None:
        peer.stream()
        peer.chunk(b"a")
        seen.append(peer.sees_hang_up())

    seen: List[float] = []
    with serve(
        routing({"/a": lambda peer, _: peer.answer(b"a"), "/s": lambda p, r: stream(p, r) or False})
    ) as server:
        run_script(PRELUDE + code, server.url)
        assert "/s" not in [request.target for request in server.requests] or seen


@needs_fork
def test_ctrl_c_interrupts_a_wait_and_hangs_up(endless) -> None:
    import signal

    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals come to the main thread")
    twin = Blocking()
    answer = twin.send(endless.url)
    assert answer.receive() == b"a"
    main = threading.get_ident()
    # A shell starts what it runs in the background with this signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            answer.receive()
    finally:
        signal.signal(signal.SIGINT, before)
    wait_for_hang_up(endless)
    twin.close()


# -- bodies of requests


def test_bodies_arrive_as_they_are(twin, tmp_path) -> None:
    content = random.Random(1).getrandbits(8 * 3_000_001).to_bytes(3_000_001, "big")
    path = tmp_path / "file"
    path.write_bytes(content)
    with serve(answering(b"{}")) as server:
        for body in (b"", b"x", content[:40_000], content, Upload(path, len(content))):
            twin.send(server.url, body).read()
            expected = body if isinstance(body, bytes) else content
            assert server.requests[-1].body == expected
            assert server.requests[-1].all("Content-Length") == [str(len(expected))]
        assert server.connections == 1


def test_requests_without_a_body_announce_none(twin) -> None:
    with serve(answering(b"{}")) as server:
        for method in ("GET", "HEAD", "DELETE", "POST"):
            if method == "HEAD":
                continue
            twin.send(server.url, method=method).read()
        lengths = [request.all("content-length") for request in server.requests]
        assert lengths == [[], [], ["0"]]


@pytest.mark.parametrize("kind", ["bytes", "upload"])
@pytest.mark.parametrize("after", ["stays open", "closes", "resets"])
def test_an_answer_that_comes_before_the_end_of_the_request_is_taken(
    make, tmp_path, kind, after
) -> None:
    twin = make(timeout=PATIENCE)
    body: Any = b"x" * 30_000_000
    if kind == "upload":
        (tmp_path / "file").write_bytes(body)
        body = Upload(tmp_path / "file", len(body))

    taken = threading.Event()

    def refuse(peer: Peer) -> None:
        if peer.receive(body=False) is None:
            return
        peer.answer(b"no", "413 Too Large")
        if after == "stays open":
            taken.wait(PATIENCE)
            peer.sees_hang_up()
        elif after == "resets":
            time.sleep(0.2)
            peer.reset()

    with serve(refuse) as server:
        started = time.monotonic()
        answer = twin.send(server.url, body)
        assert (answer.status, answer.read()) == (413, b"no")
        assert time.monotonic() - started < 5
        taken.set()
        assert type(twin.send(server.url, b"x").status) is int
        assert server.connections == 2


def test_an_interim_answer_does_not_stop_the_request(twin) -> None:
    def script(peer: Peer) -> None:
        received = peer.receive(body=False)
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        left = int(received.get("Content-Length")) - len(peer._buffer)
        while left:
            left -= len(peer.sock.recv(min(left, 1 << 16)))
        peer.answer(b"all")

    with serve(script) as server:
        assert twin.send(server.url, b"x" * 20_000_000).read() == b"all"


def test_a_file_that_is_shorter_than_it_was_is_noticed(twin, tmp_path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    with serve(answering(b"{}")) as server:
        error = raised(twin.send, server.url, Upload(path, 11))
        assert type(error) is errors.RequestError
        assert "1 bytes too short" in str(error)
        assert not server.requests


def test_a_file_that_is_longer_than_it_was_is_sent_as_announced(twin, tmp_path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    with serve(answering(b"{}")) as server:
        twin.send(server.url, Upload(path, 9)).read()
        assert server.requests[-1].body == b"x" * 9


def test_a_file_that_is_not_there_is_a_request_error(twin, tmp_path) -> None:
    with serve(answering(b"{}")) as server:
        error = raised(twin.send, server.url, Upload(tmp_path / "none", 9))
        assert type(error) is errors.RequestError
        assert isinstance(error.__cause__, FileNotFoundError)


# -- reading


def test_a_body_beyond_the_limit_is_refused(twin) -> None:
    def chunks(peer: Peer, _: Received) -> None:
        peer.stream()
        while True:
            peer.chunk(b"x" * 1000)

    with serve(answering(b"x" * 11, b"x" * 10, chunks)) as server:
        error = raised(twin.send(server.url).read, 10)
        assert type(error) is errors.ProtocolError
        assert "more than 10 bytes" in str(error)
        check_error(error, "GET", server.url + "/")
        assert twin.send(server.url).read(10) == b"x" * 10
        assert type(raised(twin.send(server.url).read, 5000)) is errors.ProtocolError


def test_a_length_beyond_the_limit_is_refused_before_it_is_read(twin) -> None:
    with serve(
        answering(lambda peer, _: peer.send(OK + b"Content-Length: 999999999\r\n\r\n"))
    ) as server:
        assert type(raised(twin.send(server.url).read, 10)) is errors.ProtocolError


def test_a_limit_for_heads_can_be_set(make) -> None:
    twin = make(max_head_size=100)
    with serve(answering(lambda peer, _: peer.send(OK + b"X: " + b"y" * 100))) as server:
        assert "more than 100 bytes" in str(raised(twin.send, server.url))


def test_a_reset_in_the_middle_of_an_answer_comes_after_what_was_sent(twin) -> None:
    def script(peer: Peer) -> None:
        peer.receive()
        peer.stream()
        peer.chunk(b"a")
        time.sleep(0.1)
        peer.reset()

    with serve(script) as server:
        answer = twin.send(server.url)
        time.sleep(0.2)
        assert answer.receive() == b"a"
        error = raised(answer.receive)
        assert type(error) is errors.ConnectionLostError
        assert isinstance(error.__cause__, ConnectionResetError)
        check_error(error, "GET", server.url + "/")


# -- redirects


@pytest.mark.parametrize("row", REDIRECTS, ids=[row.name for row in REDIRECTS])
def test_each_redirect_leads_where_it_should(twin, row: Redirect) -> None:
    def answer(peer: Peer, received: Received) -> None:
        if received.target != "/api/old" or (row.location == "" and server.requests[1:]):
            peer.answer(b"" if received.method == "HEAD" else b"arrived")
            return
        lines = [f"HTTP/1.1 {row.status} See There", "Content-Length: 0"]
        if row.location is not None:
            lines.insert(1, "Location: " + expand(row.location))
        peer.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def expand(text: str) -> str:
        return (
            text.replace("{here_authority}", server.url[7:])
            .replace("{here}", server.url)
            .replace("{there}", other.url)
        )

    with serve(answering(answer)) as other, serve(answering(answer)) as server:
        url = server.url + "/api/old"
        body = b'{"a": 1}' if row.method == "POST" else None
        headers = {"Content-Type": "application/json", "X-Api-Key": "secret"}
        if row.refused is not None:
            error = raised(twin.send, url, body, row.method, headers)
            assert type(error) is errors.ProtocolError
            assert row.refused in str(error)
            check_error(error, row.method, url)
            return
        result = twin.send(url, body, row.method, headers)
        if row.target is None:
            assert result.status == row.status
            assert result.url == url
            return
        assert result.read() == (b"" if row.method == "HEAD" else b"arrived")
        assert result.url == expand(row.target)
        went_there = "{there}" in row.target
        last = (other if went_there else server).requests[-1]
        assert last.method == row.then
        kept = row.then == row.method == "POST"
        assert last.body == (body if kept else b"")
        assert last.all("Content-Length") == (["8"] if kept else [])
        if row.method == "POST":
            assert last.all("Content-Type") == (["application/json"] if kept else [])
        assert last.all("X-Api-Key") == ([] if went_there else ["secret"])


def moved(location: str, status: str = "307 Moved") -> Any:
    return lambda peer, _: peer.answer(b"moved", status, [f"Location: {location}"])


def test_secrets_stay_with_the_origin_that_they_were_given_for(twin) -> None:
    with serve(answering(b"b")) as there:
        with serve(answering(moved(there.url + "/x"))) as here:
            headers = {
                "Authorization": "Bearer secret",
                "authorization2": "secret",
                "Cookie": "secret",
                "X-Api-Key": "secret",
                "Proxy-Authorization": "secret",
                "Host": "secret.example",
                "Accept": "application/json",
                "User-Agent": "me",
            }
            assert twin.get(here.url, headers=headers) == b"b"
            assert here.requests[0].get("authorization") == "Bearer secret"
            assert here.requests[0].get("host") == "secret.example"
            seen = there.requests[0]
            assert b"secret" not in seen.head
            assert seen.get("accept") == "application/json"
            assert seen.get("user-agent") == "me"
            assert seen.get("host") == there.url[7:]


def test_credentials_of_the_url_stay_with_its_origin(twin) -> None:
    with serve(answering(b"b")) as there:
        with serve(answering(moved("/two"), moved(there.url))) as here:
            url = here.url.replace("//", "//user:secret@")
            assert twin.get(url + "/one") == b"b"
            expected = "Basic dXNlcjpzZWNyZXQ="
            assert [r.get("authorization") for r in here.requests] == [expected] * 2
            assert there.requests[0].get("authorization") is None


def test_a_secret_does_not_come_back_by_a_second_redirect(twin) -> None:
    with serve(answering(lambda peer, _: None)) as there:
        with serve(answering(moved(there.url), b"b")) as here:
            there._script = answering(moved(here.url))
            assert twin.get(here.url, headers={"Authorization": "secret"}) == b"b"
            assert [r.get("authorization") for r in here.requests] == ["secret", None]


def test_an_upload_is_sent_again_after_307(twin, tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"y" * 100_000)
    with serve(answering(moved("/new"), b"b")) as server:
        assert twin.send(server.url, Upload(tmp_path / "file", 100_000)).read() == b"b"
        assert [len(request.body) for request in server.requests] == [100_000] * 2


def test_redirects_without_end_are_given_up(make) -> None:
    twin = make(timeout=PATIENCE)
    with serve(answering(moved("/again"))) as server:
        error = raised(twin.get, server.url)
        assert type(error) is errors.ProtocolError
        assert "more than 20 redirects" in str(error)
        assert len(server.requests) == 21
        twin = make(max_redirects=0)
        assert "more than 0 redirects" in str(raised(twin.get, server.url))


def test_redirects_are_left_to_the_caller_on_request(make) -> None:
    twin = make(follow_redirects=False)
    with serve(answering(moved("/again"))) as server:
        answer = twin.send(server.url)
        assert (answer.status, answer.headers["location"], answer.read()) == (
            307,
            "/again",
            b"moved",
        )


def test_redirects_on_one_host_share_a_connection(twin) -> None:
    with serve(answering(moved("/a"), moved("/b"), b"c")) as server:
        assert twin.get(server.url) == b"c"
        assert server.connections == 1


def test_the_body_of_a_redirect_that_never_ends_is_not_waited_for(twin) -> None:
    def endless(peer: Peer, _: Received) -> None:
        peer.send(b"HTTP/1.1 307 X\r\nLocation: /new\r\nTransfer-Encoding: chunked\r\n\r\n")
        peer.sees_hang_up()

    with serve(answering(endless, b"b")) as server:
        started = time.monotonic()
        assert twin.get(server.url) == b"b"
        assert time.monotonic() - started < 1


# -- TLS


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """The files of `wire_keys`, and a server's context."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("AUTHORITY", "SERVER", "OTHER"):
        (folder / f"{name.lower()}.pem").write_text(getattr(wire_keys, name))

    def context(name: str = "server") -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(str(folder / f"{name}.pem"))
        return made

    return SimpleNamespace(
        folder=folder,
        authority=str(folder / "authority.pem"),
        other=str(folder / "other.pem"),
        context=context,
    )


def test_tls_with_a_private_authority(make, keys) -> None:
    trusting = ssl.create_default_context(cafile=keys.authority)
    for verify in (keys.authority, Path(keys.authority), trusting, False):
        twin = make(verify=verify, timeout=PATIENCE)
        with serve(answering(b"a", b"b" * 300_000), context=keys.context()) as server:
            assert twin.get(server.url) == b"a"
            assert twin.get(server.url) == b"b" * 300_000
            body = b"x" * 3_000_000
            twin.send(server.url.replace("127.0.0.1", "localhost"), body).read()
            assert server.requests[-1].body == body
            twin.get(server.url)
            assert server.connections == 2


def test_a_server_that_nobody_vouches_for_is_refused(make, keys) -> None:
    twin = make(timeout=PATIENCE)
    with serve(answering(b"a"), context=keys.context()) as server:
        error = raised(twin.get, server.url)
        assert type(error) is errors.ConnectError
        assert "certificate is not trusted" in str(error)
        assert isinstance(error.__cause__, ssl.SSLError)
        check_error(error, "GET", server.url + "/")
        assert not server.requests


def test_a_certificate_for_another_host_is_refused(make, keys) -> None:
    twin = make(verify=keys.authority, timeout=PATIENCE)
    with serve(answering(b"a"), context=keys.context("other")) as server:
        error = raised(twin.get, server.url)
        assert type(error) is errors.ConnectError
        assert "certificate is not trusted" in str(error)


def test_a_client_certificate_is_shown(make, keys) -> None:
    context = keys.context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(keys.authority)
    with serve(answering(b"a"), context=context) as server:
        twin = make(verify=keys.authority, cert=keys.other, timeout=PATIENCE)
        assert twin.get(server.url) == b"a"
        twin = make(verify=keys.authority, timeout=PATIENCE)
        assert isinstance(raised(twin.get, server.url), errors.ConnectionError)


@pytest.mark.parametrize("option", ["verify", "cert"])
def test_a_file_that_holds_no_certificate_is_a_request_error(make, keys, tmp_path, option) -> None:
    (tmp_path / "empty.pem").write_text("")
    with serve(answering(b"a"), context=keys.context()) as server:
        for path in (tmp_path / "none.pem", tmp_path / "empty.pem"):
            error = raised(make(**{option: path}).get, server.url)
            assert type(error) is errors.RequestError
            assert path.name in str(error)


def test_tls_spoken_to_a_plain_server_says_so(make) -> None:
    twin = make(timeout=PATIENCE)
    with serve(lambda peer: peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        error = raised(twin.get, server.url.replace("http:", "https:"))
        assert type(error) is errors.ConnectError
        assert "does not speak TLS" in str(error)


def test_plain_http_spoken_to_a_tls_server_says_so(twin, keys) -> None:
    with serve(answering(b"a"), context=keys.context()) as server:
        error = raised(twin.get, server.url.replace("https:", "http:"))
        assert isinstance(error, errors.TransportError)


def test_tls_connections_are_dropped_when_the_server_closed_them(make, keys) -> None:
    twin = make(verify=keys.authority, timeout=PATIENCE)

    def script(peer: Peer) -> None:
        peer.receive()
        peer.answer(b"%d" % peer.number)
        peer.close()
        gone.set()

    gone = threading.Event()
    with serve(script, context=keys.context()) as server:
        for number in range(1, 4):
            assert twin.get(server.url) == b"%d" % number
            assert gone.wait(PATIENCE)
            gone.clear()


def test_a_cut_answer_is_noticed_under_tls(make, keys) -> None:
    twin = make(verify=keys.authority, timeout=PATIENCE)
    answers = answering(lambda peer, _: peer.send(CHUNKED + b"1\r\na\r\n") or False)
    with serve(answers, context=keys.context()) as server:
        answer = twin.send(server.url)
        assert answer.receive() == b"a"
        assert isinstance(raised(answer.receive), errors.TransportError)


# Python 3.8 and 3.9 tell OpenSSL 3 that an end is an end.
BLIND = sys.version_info < (3, 10) and ssl.OPENSSL_VERSION_INFO >= (3,)


@pytest.mark.parametrize("stage", ["handshake", "head", "body"])
@pytest.mark.parametrize("end", ["close", "reset"])
def test_an_end_under_tls_is_the_same_exception_for_both(keys, stage, end) -> None:
    options: Dict[str, Any] = {"verify": keys.authority, "timeout": PATIENCE}
    some = {"head": b"HTTP/1.1 200 OK\r\nX", "body": CHUNKED + b"1\r\na\r\n"}.get(stage, b"")

    def script(peer: Peer) -> None:
        if stage == "handshake":
            peer.sock.recv(1)
        else:
            peer.receive()
            peer.send(some)
        beneath = socket.socket(fileno=peer.sock.detach())
        if end == "reset":
            beneath.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        beneath.close()

    found = []
    context = None if stage == "handshake" else keys.context()
    with serve(script, context=context) as server:
        for kind in (Blocking, Asyncio):
            twin = kind(**options)
            error = raised(twin.get, server.url.replace("http:", "https:"))
            found.append((type(error), str(error)))
            twin.close()
    if end == "reset" or not BLIND:
        assert found[0] == found[1]


UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc"


@pytest.mark.parametrize("end", ["close_notify", "cut"])
def test_an_end_of_the_connection_counts_under_tls_only_if_the_server_says_so(
    make, keys, end
) -> None:
    twin = make(verify=keys.authority, timeout=PATIENCE)

    def script(peer: Peer) -> None:
        peer.receive()
        peer.send(UNTIL_CLOSED)
        if end == "cut":
            # Closes the socket beneath, so that TLS cannot say goodbye.
            socket.socket(fileno=peer.sock.detach()).close()

    with serve(script, context=keys.context()) as server:
        if end == "cut" and (twin.asynchronous or not BLIND):
            error = raised(twin.get, server.url)
            assert type(error) is errors.IncompleteError
            assert "without close_notify" in str(error)
        else:
            assert twin.get(server.url) == b"abc"


def test_hanging_up_works_under_tls(make, keys) -> None:
    twin = make(verify=keys.authority, timeout=PATIENCE)
    hung_up: List[float] = []

    def stream(peer: Peer, _: Received) -> Any:
        peer.stream()
        peer.chunk(b"a")
        hung_up.append(peer.sees_hang_up())
        return False

    with serve(answering(stream), context=keys.context()) as server:
        server.hung_up = hung_up  # type: ignore[attr-defined]
        answer = twin.send(server.url)
        assert answer.receive() == b"a"
        threading.Timer(0.1, answer.close).start()
        assert type(raised(answer.receive)) is errors.ConnectionLostError
        wait_for_hang_up(server)


def test_timeouts_work_under_tls(make, keys) -> None:
    twin = make(verify=keys.authority, timeout=(5, 0.2))
    with serve(answering(lambda peer, _: peer.receive()), context=keys.context()) as server:
        assert type(raised(twin.get, server.url)) is errors.ReadTimeout


@pytest.mark.parametrize("after", ["stays open", "closes"])
def test_an_early_answer_is_taken_under_tls(make, keys, after) -> None:
    twin = make(verify=keys.authority, timeout=PATIENCE)
    taken = threading.Event()

    def refuse(peer: Peer) -> None:
        peer.receive(body=False)
        peer.answer(b"no", "413 Too Large")
        if after == "stays open":
            taken.wait(PATIENCE)

    with serve(refuse, context=keys.context()) as server:
        if after == "closes":
            # The answer may be lost with the connection; that must not hang.
            try:
                assert twin.send(server.url, b"x" * 30_000_000).status == 413
            except errors.ConnectionLostError:
                pass
        else:
            assert twin.send(server.url, b"x" * 30_000_000).read() == b"no"
        taken.set()


# -- proxies


def proxying(seen: Optional[List[Received]] = None, refuse: Optional[str] = None):
    """A script of a proxy: whole URLs, and tunnels."""

    def script(peer: Peer) -> None:
        while True:
            received = peer.receive()
            if received is None:
                return
            if refuse is not None:
                peer.answer(b"sorry", refuse)
            elif received.method != "CONNECT":
                peer.answer(b"via proxy: " + received.target.encode())
            else:
                host, _, port = received.target.rpartition(":")
                with socket.create_connection((host.strip("[]"), int(port))) as upstream:
                    peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    pump(peer.sock, upstream)
                return

    return script


def pump(one: socket.socket, two: socket.socket) -> None:
    def copy(source: socket.socket, sink: socket.socket) -> None:
        try:
            data = source.recv(65536)
            while data:
                sink.sendall(data)
                data = source.recv(65536)
        except OSError:
            pass
        finally:
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    thread = threading.Thread(target=copy, args=(two, one))
    thread.start()
    copy(one, two)
    thread.join()


@pytest.fixture
def environment(monkeypatch):
    """An environment without any proxy, to be filled."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name == "REQUEST_METHOD":
            monkeypatch.delenv(name)
    return monkeypatch.setenv


def test_a_proxy_gets_whole_urls_and_its_own_credentials(make) -> None:
    with serve(proxying()) as proxy:
        twin = make(proxy=proxy.url.replace("//", "//me:secret@"), timeout=PATIENCE)
        assert (
            twin.get("http://ollama.test:99/api/ps?x")
            == b"via proxy: http://ollama.test:99/api/ps?x"
        )
        answer = twin.send("http://other.test/")
        assert answer.read() == b"via proxy: http://other.test/"
        assert answer.proxy == proxy.url + "/"
        assert answer.url == "http://other.test/"
        assert proxy.connections == 1
        seen = proxy.requests[0]
        assert seen.get("Host") == "ollama.test:99"
        assert seen.get("Proxy-Authorization") == "Basic bWU6c2VjcmV0"
        assert seen.get("Authorization") is None


def test_an_explicit_proxy_is_used_for_this_machine_too(make) -> None:
    with serve(answering(b"direct")) as server, serve(proxying()) as proxy:
        assert make(proxy=proxy.url).get(server.url).startswith(b"via proxy")
        assert make(proxy=proxy.url[len("http://") :]).get(server.url).startswith(b"via proxy")
        assert make(proxy=SimpleNamespace(url=proxy.url, auth=("a", "b"))).get(server.url)
        assert proxy.requests[-1].get("Proxy-Authorization") == "Basic YTpi"


def test_https_goes_through_a_tunnel(make, keys) -> None:
    with serve(answering(b"a"), context=keys.context()) as server, serve(proxying()) as proxy:
        twin = make(
            proxy=proxy.url.replace("//", "//me:secret@"), verify=keys.authority, timeout=PATIENCE
        )
        headers = {"Authorization": "hidden", "User-Agent": "me"}
        assert twin.get(server.url, headers=headers) == b"a"
        assert twin.get(server.url, headers=headers) == b"a"
        assert [request.method for request in proxy.requests] == ["CONNECT"]
        seen = proxy.requests[0]
        assert seen.target == server.url[len("https://") :]
        assert seen.get("Proxy-Authorization") == "Basic bWU6c2VjcmV0"
        assert seen.get("User-Agent") == "me"
        assert seen.get("Authorization") is None
        assert server.requests[0].get("Authorization") == "hidden"
        assert server.requests[0].get("Proxy-Authorization") is None
        assert server.requests[0].target == "/"


def test_a_proxy_that_refuses_a_tunnel_is_a_proxy_error(make) -> None:
    with serve(proxying(refuse="407 Proxy Authentication Required")) as proxy:
        twin = make(proxy=proxy.url.replace("//", "//me:secret@"), timeout=PATIENCE)
        error = raised(twin.get, "https://ollama.test/")
        assert type(error) is errors.ProxyError
        assert isinstance(error, ConnectionError)
        assert "407 Proxy Authentication Required" in str(error)
        assert proxy.url in str(error)
        assert "secret" not in str(error)
        check_error(error, "GET", "https://ollama.test/")


@pytest.mark.parametrize(
    "answer", [b"", b"HTT", b"nonsense", b"HTTP/1.1 200 OK\r\n\r\nand more"], ids=repr
)
def test_a_proxy_that_talks_nonsense_is_a_proxy_error(make, answer) -> None:
    with serve(lambda peer: peer.receive() and peer.send(answer)) as proxy:
        error = raised(make(proxy=proxy.url, timeout=PATIENCE).get, "https://ollama.test/")
        assert type(error) is errors.ProxyError


def test_a_proxy_that_is_not_there_is_a_proxy_error(make) -> None:
    for url in ("http://ollama.test/", "https://ollama.test/"):
        error = raised(make(proxy="http://127.0.0.1:1").get, url)
        assert type(error) is errors.ProxyError
        assert "http://127.0.0.1:1" in str(error)
        check_error(error, "GET", url)


def test_a_proxy_that_says_nothing_raises_a_connect_timeout(make) -> None:
    with serve(lambda peer: peer.receive() and peer.sees_hang_up()) as proxy:
        twin = make(proxy=proxy.url, timeout=(0.2, None))
        assert type(raised(twin.get, "https://ollama.test/")) is errors.ConnectTimeout


def test_an_untrusted_server_behind_a_proxy_is_not_the_proxys_fault(make, keys) -> None:
    with serve(answering(b"a"), context=keys.context()) as server, serve(proxying()) as proxy:
        error = raised(make(proxy=proxy.url, timeout=PATIENCE).get, server.url)
        assert type(error) is errors.ConnectError
        assert "certificate is not trusted" in str(error)


def test_a_proxy_may_be_spoken_to_in_tls(make, keys) -> None:
    with serve(proxying(), context=keys.context()) as proxy:
        twin = make(proxy=proxy.url, verify=keys.authority, timeout=PATIENCE)
        assert twin.get("http://ollama.test/") == b"via proxy: http://ollama.test/"


def test_the_environment_names_proxies_but_not_for_this_machine(make, environment) -> None:
    with serve(answering(b"direct")) as server, serve(proxying()) as proxy:
        environment("HTTP_PROXY", proxy.url)
        twin = make(timeout=PATIENCE)
        assert twin.get("http://ollama.test/").startswith(b"via proxy")
        assert twin.get(server.url) == b"direct"
        assert twin.get(server.url.replace("127.0.0.1", "localhost")) == b"direct"
        with pytest.raises(errors.ConnectError):
            make(trust_env=False, timeout=PATIENCE).get("http://ollama.invalid/")
        environment("NO_PROXY", "ollama.invalid")
        with pytest.raises(errors.ConnectError):
            make(timeout=PATIENCE).get("http://ollama.invalid/")


@pytest.mark.parametrize(
    "proxy",
    [
        "socks5://127.0.0.1:1080",
        "socks5h://x",
        "SOCKS4://x",
        "ftp://x",
        "http://",
        "http://x:y",
        ":::",
    ],
)
def test_a_proxy_that_nobody_can_use_fails_at_the_request_that_needs_it(
    make, environment, proxy
) -> None:
    environment("ALL_PROXY", proxy)
    twin = make(timeout=PATIENCE)
    with serve(answering(b"direct")) as server:
        assert twin.get(server.url) == b"direct"
    error = raised(twin.get, "http://ollama.test/")
    assert type(error) is errors.RequestError
    assert "ALL_PROXY" in str(error)
    assert type(raised(make(proxy=proxy).get, "http://127.0.0.1:1/")) is errors.RequestError


def test_a_refused_proxy_setting_is_shown_without_its_password(make) -> None:
    for proxy in ("socks5://me:secret@x", "http://me:secret@x:y"):
        assert "secret" not in str(raised(make(proxy=proxy).get, "http://ollama.test/"))


@pytest.mark.parametrize(
    ("no_proxy", "host", "result"),
    [
        ("", "example.com", False),
        ("*", "example.com", True),
        ("a.com, *", "example.com", True),
        ("example.com", "example.com", True),
        ("example.com", "EXAMPLE.com.", True),
        ("Example.COM", "example.com", True),
        ("example.com", "www.example.com", True),
        (".example.com", "www.example.com", True),
        (".example.com", "example.com", True),
        ("*.example.com", "www.example.com", True),
        ("example.com", "notexample.com", False),
        ("example.com", "example.com.evil", False),
        ("a.com,example.com", "example.com", True),
        ("a.com example.com", "example.com", True),
        (" a.com ,, example.com ", "example.com", True),
        ("example.com:80", "example.com", True),
        ("example.com:81", "example.com", False),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.10", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", "example.com", False),
        ("10.0.0.5/8", "10.1.2.3", True),
        ("fd00::/8", "fd12::1", True),
        ("fd00::/8", "10.1.2.3", False),
        ("nonsense/99", "10.1.2.3", False),
        ("fd12:0::1", "fd12::1", True),
        ("[fd12::1]", "fd12::1", True),
        ("[fd12::1]:80", "fd12::1", True),
        ("[fd12::1]:81", "fd12::1", False),
        ("fd12::1", "fd12::2", False),
        (".", "example.com", False),
        (",", "example.com", False),
    ],
)
def test_no_proxy_is_read_as_others_read_it(no_proxy, host, result) -> None:
    assert bypasses(no_proxy, host, 80) is result


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, {}),
        ({"HTTP_PROXY": "a"}, {"http_proxy": "a"}),
        ({"http_proxy": "b", "HTTP_PROXY": "a"}, {"http_proxy": "b"}),
        ({"http_proxy": "", "HTTP_PROXY": "a"}, {}),
        ({"HTTP_PROXY": "a", "REQUEST_METHOD": "GET"}, {}),
        ({"http_proxy": "a", "REQUEST_METHOD": "GET"}, {"http_proxy": "a"}),
        ({"HTTPS_PROXY": " a "}, {"https_proxy": "a"}),
        ({"HTTPS_PROXY": "  "}, {}),
        ({"ALL_PROXY": "a", "no_proxy": "b"}, {"all_proxy": "a", "no_proxy": "b"}),
        ({"FTP_PROXY": "a"}, {}),
    ],
)
def test_the_variables_of_the_environment_are_the_usual_ones(variables, found) -> None:
    assert proxy_variables(variables) == found


def test_the_proxy_of_the_scheme_goes_before_that_of_all(environment) -> None:
    environment("ALL_PROXY", "http://all.test:1")
    environment("https_proxy", "http://secure.test:2")
    router = Router(Settings())

    def proxy_of(url: str) -> Any:
        proxy = router.route(Url.parse(url)).proxy
        return proxy and proxy.host

    assert proxy_of("http://ollama.test") == "all.test"
    assert proxy_of("https://ollama.test") == "secure.test"
    assert proxy_of("https://127.0.0.1") is None
    assert proxy_of("unix://%2Fx/y") is None


# -- other ways


@needs_unix
def test_a_server_may_listen_on_a_unix_socket(twin, tmp_path) -> None:
    with serve(answering(b"a", moved("/x"), b"b"), unix=str(tmp_path / "s")) as server:
        assert twin.get(server.url + "/api/ps?x") == b"a"
        assert server.requests[0].target == "/api/ps?x"
        assert server.requests[0].get("host") == "localhost"
        assert twin.get(server.url + "/api/ps") == b"b"
        assert server.requests[2].target == "/x"
        assert server.connections == 1


@needs_unix
def test_a_unix_socket_that_is_not_there_is_a_connect_error(twin, tmp_path) -> None:
    error = raised(twin.get, "unix://" + str(tmp_path / "none").replace("/", "%2F") + "/api/ps")
    assert type(error) is errors.ConnectError
    assert str(error).startswith(errors.CONNECTION_ERROR_MESSAGE)


def test_a_redirect_from_a_unix_socket_leads_out_of_it(twin, tmp_path) -> None:
    with serve(answering(b"b")) as there:
        script = answering(moved(there.url + "/x"))
        with serve(script, unix=str(tmp_path / "s")) as here:
            assert twin.get(here.url, headers={"Authorization": "secret"}) == b"b"
            assert there.requests[0].get("authorization") is None


def test_ipv6_addresses_are_connected_to(twin) -> None:
    try:
        listener = socket.socket(socket.AF_INET6)
        listener.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6")
    listener.listen(1)
    port = listener.getsockname()[1]

    def accept() -> None:
        sock, _ = listener.accept()
        with sock:
            seen.append(sock.recv(65536))
            sock.sendall(OK + b"Content-Length: 1\r\n\r\na")

    seen: List[bytes] = []
    thread = threading.Thread(target=accept)
    thread.start()
    assert twin.get(f"http://[::1]:{port}/") == b"a"
    thread.join()
    listener.close()
    assert b"\r\nHost: [::1]:%d\r\n" % port in seen[0]


def test_the_second_address_of_a_host_is_tried_when_the_first_refuses(twin, monkeypatch) -> None:
    with serve(answering(b"a")) as server:

        def two(host: Any, port: int, *args: Any, **kwargs: Any) -> Any:
            assert host == b"two.test"
            kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            return [(*kind, ("127.0.0.1", 1)), (*kind, ("127.0.0.1", port))]

        monkeypatch.setattr(socket, "getaddrinfo", two)
        assert twin.get(f"http://two.test:{server.port}/") == b"a"


# -- retries


def journey(retries: int) -> Journey:
    planner = Planner(Settings(retries=retries))
    return Journey(planner, Request("POST", "http://127.0.0.1/x", {}, b"{}"))


@pytest.mark.parametrize("status", range(200, 600))
def test_only_answers_that_say_later_are_asked_for_again(status) -> None:
    if status not in (301, 302, 303, 307, 308):
        again = journey(1).goes_on_after(status, Headers())
        assert again is (status in (429, 502, 503, 504))


def test_waits_before_retries_grow_and_differ() -> None:
    way = journey(8)
    waits = []
    for _ in range(8):
        assert way.goes_on_after(503, Headers())
        waits.append(way.delay)
    assert not way.goes_on_after(503, Headers())
    longest = [0.5, 1, 2, 4, 8, 8, 8, 8]
    assert all(most / 2 <= wait <= most for wait, most in zip(waits, longest))
    assert len({journey_delay() for _ in range(20)}) > 1


def journey_delay() -> float:
    way = journey(1)
    assert way.goes_on_after(503, Headers())
    return way.delay


def test_no_retries_is_the_default() -> None:
    assert Settings().retries == 0
    assert not journey(0).goes_on_after(503, Headers())
    assert not journey(0).goes_on_after_failure(errors.ConnectError("x"), answered=False)


@pytest.mark.parametrize(
    ("kind", "answered", "again"),
    [
        (errors.ConnectError, False, True),
        (errors.ConnectTimeout, False, True),
        (errors.ConnectionLostError, False, True),
        (errors.ProxyError, False, True),
        (errors.ConnectionLostError, True, False),
        (errors.IncompleteError, True, False),
        (errors.ProtocolError, False, False),
        (errors.ReadTimeout, False, False),
        (errors.WriteTimeout, False, False),
        (errors.PoolTimeout, False, False),
        (errors.DeadlineExceeded, False, False),
    ],
)
def test_only_failures_of_the_connection_are_tried_again(kind, answered, again) -> None:
    assert journey(1).goes_on_after_failure(kind("x"), answered) is again


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("7", 7, 7),
        ("0", 0.25, 0.5),
        ("60", 60, 60),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.25, 0.5),
        ("soon", 0.25, 0.5),
        ("-5", 0.25, 0.5),
        ("\xb2", 0.25, 0.5),
        ("", 0.25, 0.5),
    ],
)
def test_retry_after_is_honoured(value, least, most) -> None:
    way = journey(1)
    assert way.goes_on_after(503, Headers([("Retry-After", value)]))
    assert least <= way.delay <= most


def test_retry_after_may_be_a_date() -> None:
    way = journey(1)
    later = formatdate(time.time() + 30, usegmt=True)
    assert way.goes_on_after(503, Headers([("Retry-After", later)]))
    assert 15 < way.delay <= 30


@pytest.mark.parametrize("value", ["61", "3600", "9" * 400, "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_a_server_that_wants_to_be_left_alone_for_long_is_not_waited_for(value) -> None:
    assert not journey(9).goes_on_after(503, Headers([("Retry-After", value)]))


def failing(status: str, *headers: str) -> Any:
    return lambda peer, _: peer.answer(b"busy", status, headers)


def test_an_answer_that_says_later_is_asked_for_again(make) -> None:
    with serve(answering(failing("503 Busy"), b"a")) as server:
        assert make(retries=1).send(server.url, b"{}").read() == b"a"
        assert [request.body for request in server.requests] == [b"{}"] * 2


def test_the_last_answer_is_the_callers_when_retries_are_used_up(make) -> None:
    with serve(answering(failing("503 Busy"))) as server:
        answer = make(retries=1).send(server.url)
        assert (answer.status, answer.read()) == (503, b"busy")
        assert len(server.requests) == 2


def test_a_connection_that_ends_without_an_answer_is_tried_again(make) -> None:
    def script(peer: Peer) -> None:
        peer.receive()
        if peer.number == 2:
            peer.answer(b"a")

    with serve(script) as server:
        assert make(retries=1).get(server.url) == b"a"


def test_a_refused_connection_is_tried_again(make) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/"
        started = time.monotonic()
        assert type(raised(make(retries=1).send, url)) is errors.ConnectError
        assert time.monotonic() - started > 0.2


@pytest.mark.parametrize("some", [OK, CHUNKED, CHUNKED + b"1\r\na\r\n"])
def test_nothing_is_tried_again_once_an_answer_began(make, some) -> None:
    with serve(answering(lambda peer, _: peer.send(some) or False)) as server:
        with pytest.raises(errors.IncompleteError):
            make(retries=2).get(server.url)
        assert len(server.requests) == 1


def test_an_upload_is_retried_from_its_start(make, tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"y" * 100_000)
    with serve(answering(failing("503 Busy"), b"a")) as server:
        upload = Upload(tmp_path / "file", 100_000)
        assert make(retries=1).send(server.url, upload).read() == b"a"
        assert [len(request.body) for request in server.requests] == [100_000] * 2


def test_the_total_time_counts_over_all_retries(make) -> None:
    twin = make(retries=100, timeout=Timeout(total=0.3))
    with serve(answering(failing("503 Busy", "Retry-After: 5"))) as server:
        started = time.monotonic()
        assert type(raised(twin.get, server.url)) is errors.DeadlineExceeded
        assert 0.2 < time.monotonic() - started < 2


@pytest.mark.parametrize("timeout", [None, {"total": PATIENCE}])
def test_closing_the_transport_ends_a_wait_for_a_retry(make, timeout) -> None:
    twin = make(retries=1, timeout=timeout and Timeout(**timeout))
    answered = threading.Event()

    def busy(peer: Peer, received: Received) -> None:
        failing("503 Busy", "Retry-After: 30")(peer, received)
        answered.set()

    with serve(answering(busy)) as server:
        thread = close_when(answered, twin.transport)
        started = time.monotonic()
        error = raised(twin.get, server.url)
        assert type(error) in (errors.RequestError, errors.ConnectionLostError)
        assert "closed" in str(error)
        assert time.monotonic() - started < PATIENCE / 2
        thread.join()


# -- headers on the wire


def test_headers_of_the_caller_never_stand_beside_ours(twin) -> None:
    mine = {
        "content-length": "999",
        "Transfer-Encoding": "chunked",
        "HOST": "example.com",
        "connection": "upgrade",
        "accept-encoding": "gzip",
    }
    with serve(answering(b"a")) as server:
        assert twin.send(server.url, b"{}", headers=mine).read() == b"a"
        seen = server.requests[0]
        assert seen.all("content-length") == ["2"]
        assert seen.all("transfer-encoding") == []
        assert seen.all("host") == ["example.com"]
        assert seen.all("connection") == []
        assert seen.all("accept-encoding") == ["identity"]


def test_line_ends_never_reach_the_wire(twin) -> None:
    with serve(answering(b"a")) as server:
        for url, headers in (
            (server.url + "/a\r\nX: y", {}),
            (server.url + "/a\nb", {}),
            (server.url, {"X": "a\r\nEvil: 1"}),
            (server.url, {"X\r\nEvil": "1"}),
        ):
            assert type(raised(twin.send, url, headers=headers)) is errors.RequestError
        assert type(raised(twin.send, server.url, method="GET / HTTP/1.1\r\nX:")) is (
            errors.RequestError
        )
        assert server.connections == 0


def test_authorization_of_the_caller_goes_before_that_of_the_url(twin) -> None:
    with serve(answering(b"a")) as server:
        url = server.url.replace("//", "//user:pw@")
        twin.get(url, headers={"authorization": "Bearer x"})
        assert server.requests[0].all("authorization") == ["Bearer x"]


def test_headers_that_change_between_requests_are_sent_as_they_are(twin) -> None:
    headers = {"X": "1"}
    with serve(answering(b"a")) as server:
        for value in ("1", "2", "3"):
            headers["X"] = value
            twin.get(server.url, headers=headers)
        assert [request.get("X") for request in server.requests] == ["1", "2", "3"]


# -- failures that say what they are


def test_a_refused_connection_has_the_official_hint_the_url_and_the_reason(make) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/api/ps"
        error = raised(make().get, url.replace("//", "//user:secret@"))
    assert type(error) is errors.ConnectError
    assert isinstance(error, ConnectionError)
    assert str(error).startswith(errors.CONNECTION_ERROR_MESSAGE)
    assert "refused" in str(error)
    assert "secret" not in str(error)
    assert isinstance(error.__cause__, ConnectionRefusedError)
    check_error(error, "GET", url)


def test_an_unknown_host_is_a_connect_error(make) -> None:
    error = raised(make(trust_env=False).get, "http://ollama.invalid/api/ps")
    assert type(error) is errors.ConnectError
    assert "unknown host" in str(error)
    check_error(error, "GET", "http://ollama.invalid/api/ps")


@pytest.mark.parametrize("host", ["a" * 64, "a." * 100 + "b", "a..b", "-", "%41", "*"])
def test_a_host_name_that_no_name_server_would_take_is_refused_in_our_words(make, host) -> None:
    assert isinstance(
        raised(make(trust_env=False, timeout=PATIENCE).get, f"http://{host}/"), errors.OllamaError
    )


@pytest.mark.parametrize(
    "url", ["", "/api/ps", "localhost:1/x", "ftp://x", "http://", "http://h:0/"]
)
def test_a_url_that_cannot_be_asked_is_a_request_error(twin, url) -> None:
    assert type(raised(twin.send, url)) is errors.RequestError


def test_both_transports_fail_in_the_same_words() -> None:
    def script(peer: Peer) -> None:
        received = peer.receive()
        if received is None:
            return
        if received.target == "/reset":
            peer.reset()
        elif received.target == "/stall":
            peer.receive()
        elif received.target == "/chunk":
            peer.send(CHUNKED + b"5\r\nab")

    with serve(script) as server:
        for target in ("/reset", "/stall", "/chunk", "/close"):
            texts = set()
            for kind in (Blocking, Asyncio):
                twin = kind(timeout=0.2)
                texts.add(str(raised(twin.get, server.url + target)))
                twin.close()
            assert len(texts) == 1, texts


# -- logging and instruments


def test_each_request_is_one_line_for_those_who_debug(twin, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    with serve(answering(b"a", moved("/b?token=secret"), b"c")) as server:
        url = server.url.replace("//", "//user:secret@") + "/api/ps?key=secret"
        twin.send(url, b'{"prompt": "secret"}', headers={"X-Key": "secret"}).read()
        twin.get(url)
    lines = [record.getMessage() for record in caplog.records if record.name == "ollamalite"]
    assert [line.split(" in ")[0] for line in lines] == [
        "POST /api/ps 200",
        "GET /api/ps 307",
        "GET /b 200",
    ]
    assert all(line.endswith(" ms") for line in lines)
    assert {record.levelname for record in caplog.records if record.name == "ollamalite"} == {
        "DEBUG"
    }
    assert "secret" not in caplog.text.replace("asyncio", "")


def test_a_request_that_fails_is_logged_as_well(make, caplog) -> None:
    caplog.set_level(logging.DEBUG, logger="ollamalite")
    raised(make().get, "http://127.0.0.1:1/api/ps")
    assert [record.getMessage().split(" in ")[0] for record in caplog.records] == [
        "GET /api/ps ConnectError"
    ]


@pytest.mark.parametrize("loaded", [True, False])
def test_urllibs_audit_event_comes_with_each_request_of_the_blocking_transport(
    monkeypatch, loaded
) -> None:
    import urllib.request

    if not loaded:
        monkeypatch.delitem(sys.modules, "urllib.request")
    assert ("urllib.request" in sys.modules) == loaded, urllib.request
    twin = Blocking()
    events: List[Any] = []

    def hook(name: str, args: Any) -> None:
        if name == "urllib.Request" and listening:
            events.append(args)

    listening = True
    sys.addaudithook(hook)
    with serve(answering(b"a")) as server:
        twin.send(
            server.url.replace("//", "//user:secret@") + "/x", b"{}", headers={"A": "b"}
        ).read()
    listening = False
    assert events == [(server.url + "/x", b"{}", {"A": "b"}, "POST")]
    twin.close()


def test_a_blocked_import_of_urllib_harms_nobody(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "urllib.request", None)
    twin = Blocking()
    with serve(answering(b"a")) as server:
        assert twin.get(server.url) == b"a"
    twin.close()


def test_a_header_that_instrumentation_adds_goes_with_its_request_alone(monkeypatch) -> None:
    from urllib.request import OpenerDirector

    opened = OpenerDirector.open
    numbers = iter(range(10))

    def trace(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        request.add_header("Traceparent", str(next(numbers)))
        response = opened(self, request, *args, **kwargs)
        assert (response.getcode(), response.version) == (response.status, 11)
        return response

    monkeypatch.setattr(OpenerDirector, "open", trace)
    twin = Blocking(timeout=PATIENCE)
    own = {"traceparent": "own"}
    routes = {
        "/old": lambda peer, _: peer.answer(b"", "307 Moved", ["Location: /new"]),
        "/new": lambda peer, _: peer.answer(b"a"),
    }
    with serve(routing(routes)) as server:
        for _ in range(2):
            assert twin.get(server.url + "/old", headers=own) == b"a"
        assert [each.all("traceparent") for each in server.requests] == [["0"], ["1"], ["2"], ["3"]]
    assert own == {"traceparent": "own"}
    twin.close()


def test_what_instruments_urllib_sees_each_request_of_the_blocking_transport(monkeypatch) -> None:
    from urllib.request import OpenerDirector

    seen: List[Any] = []
    opened = OpenerDirector.open

    def spy(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append((request.get_method(), request.full_url, request.data))
        return opened(self, request, *args, **kwargs)

    monkeypatch.setattr(OpenerDirector, "open", spy)
    twin = Blocking()
    with serve(answering(b"a")) as server:
        twin.get(server.url + "/x", body=b"{}")
    assert seen == [("POST", server.url + "/x", b"{}")]
    twin.close()
