"""A server that does over a raw socket what a test tells it to, byte for byte."""

import socket
import ssl
import struct
import threading
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple, Union

# Where a test waits for the other side; nothing takes that long unless it is broken.
PATIENCE = 10.0


class Received(NamedTuple):
    """One request as it came over the wire."""

    method: str
    target: str
    headers: List[Tuple[str, str]]
    body: bytes
    head: bytes

    def get(self, name: str) -> Optional[str]:
        found = self.all(name)
        return found[0] if found else None

    def all(self, name: str) -> List[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


class Peer:
    """The server's side of one connection."""

    def __init__(self, sock: socket.socket, server: "WireServer", number: int) -> None:
        self.sock = sock
        self.server = server
        self.number = number
        self._buffer = b""

    def receive(self, body: bool = True) -> Optional[Received]:
        """The next request, None at the end of the connection; without its body if so told."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._fill():
                return None
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        lines = head.decode("utf-8").split("\r\n")
        method, target, version = lines[0].split(" ")
        assert version == "HTTP/1.1"
        pairs = [tuple(line.split(": ", 1)) for line in lines[1:]]
        headers: List[Tuple[str, str]] = [(pair[0], pair[1]) for pair in pairs]
        content = b""
        if body:
            lengths = [value for name, value in headers if name.lower() == "content-length"]
            length = int(lengths[0]) if lengths else 0
            while len(self._buffer) < length:
                if not self._fill():
                    return None
            content, self._buffer = self._buffer[:length], self._buffer[length:]
        received = Received(method, target, headers, content, head)
        self.server.note(received)
        return received

    def _fill(self) -> bool:
        try:
            data = self.sock.recv(1 << 16)
        except OSError:
            return False
        self._buffer += data
        return bool(data)

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.sock.sendall(piece)

    def answer(
        self, body: bytes = b"{}", status: str = "200 OK", headers: Iterable[str] = ()
    ) -> None:
        lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
        self.send("\r\n".join(lines).encode() + body)

    def stream(self) -> None:
        """Begin an answer of chunks that never ends by itself."""
        self.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")

    def chunk(self, data: bytes) -> None:
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def sees_hang_up(self) -> float:
        """Wait for the end of the connection; how many seconds it took."""
        from time import monotonic

        started = monotonic()
        self.sock.settimeout(PATIENCE)
        try:
            while self.sock.recv(1 << 16):
                pass
        except socket.timeout:
            raise AssertionError("the client did not hang up") from None
        except OSError:
            pass  # hung up with a reset
        return monotonic() - started

    def reset(self) -> None:
        """End the connection as a crash would."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        sock, self.sock = self.sock, socket.socket()
        self.sock.close()
        if isinstance(sock, ssl.SSLSocket):
            try:
                # Says goodbye, but does not wait for an answer to that.
                sock.settimeout(0.01)
                sock.unwrap().close()
            except (OSError, ValueError):
                pass  # the client did not wait for that, or there was no handshake
        sock.close()


Script = Callable[[Peer], None]


class WireServer:
    """Runs a script for each connection, in a thread of its own."""

    def __init__(
        self,
        script: Script,
        *,
        context: Optional[ssl.SSLContext] = None,
        unix: Optional[str] = None,
    ) -> None:
        self._script = script
        self._context = context
        self._peers: List[Peer] = []
        self._threads: List[threading.Thread] = []
        self._lock = threading.Condition()
        self._closing = False
        self.connections = 0
        self.requests: List[Received] = []
        self.failures: List[BaseException] = []
        if unix is None:
            self._listener = socket.socket()
            self._listener.bind(("127.0.0.1", 0))
            self.port = self._listener.getsockname()[1]
            self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(unix)
            self.url = "unix://" + unix.replace("/", "%2F")
        self._listener.listen(256)
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._closing:
                    sock.close()
                    return
                self.connections += 1
                peer = Peer(sock, self, self.connections)
                self._peers.append(peer)
                thread = threading.Thread(target=self._serve, args=(peer,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, peer: Peer) -> None:
        try:
            if peer.sock.family != getattr(socket, "AF_UNIX", None):
                peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                peer.sock = self._context.wrap_socket(peer.sock, server_side=True)
            self._script(peer)
        except (OSError, ValueError):
            pass  # the client went away, which is the point of many a test
        except BaseException as error:
            self.failures.append(error)
        finally:
            peer.close()

    def note(self, received: Received) -> None:
        with self._lock:
            self.requests.append(received)
            self._lock.notify_all()

    def wait_for_requests(self, count: int) -> None:
        with self._lock:
            assert self._lock.wait_for(lambda: len(self.requests) >= count, PATIENCE)

    def close(self) -> None:
        with self._lock:
            self._closing = True
            peers = list(self._peers)
            threads = list(self._threads)
        try:
            # Wakes the thread in accept(), which closing alone does not.
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # not every system does that
        self._listener.close()
        for peer in peers:
            try:
                socket.socket.shutdown(peer.sock, socket.SHUT_RDWR)
            except OSError:
                pass  # it is over already
        for thread in threads:
            thread.join(PATIENCE)
        self._acceptor.join(PATIENCE)


@contextmanager
def serve(script: Script, **options: Any) -> Iterator[WireServer]:
    """Run a server; an assertion that fails in its script fails the test."""
    server = WireServer(script, **options)
    try:
        yield server
    finally:
        server.close()
        for failure in server.failures:
            raise failure


def answering(*answers: Union[bytes, Callable[[Peer, Received], Any]]) -> Script:
    """A script that gives one answer a request, on whatever connection, the last one for ever.

    An answer is the body of a 200, or a function of the peer and the request.
    """
    turns = list(answers) or [b"{}"]
    lock = threading.Lock()

    def script(peer: Peer) -> None:
        while True:
            received = peer.receive()
            if received is None:
                return
            with lock:
                turn = turns.pop(0) if len(turns) > 1 else turns[0]
            if isinstance(turn, bytes):
                peer.answer(turn)
            elif turn(peer, received) is False:
                return

    return script


def routing(routes: Dict[str, Callable[[Peer, Received], Any]]) -> Script:
    """A script that answers by path; one that returns False ends the connection."""

    def script(peer: Peer) -> None:
        while True:
            received = peer.receive()
            if received is None or routes[received.target](peer, received) is False:
                return

    return script
