"""Makes the blocking transport's connections: names, addresses, tunnels and TLS.

All of it ends when the time to connect is over, and when the client is closed from another thread.
"""

import errno
import socket
import threading
from collections import deque
from os import strerror
from time import sleep
from typing import TYPE_CHECKING, Any, Callable, Deque, Dict, List, Optional, Tuple

from . import errors
from ._failures import client_closed, connect_failed, handshake_failed, proxy_failed, proxy_refused
from ._http1 import AnswerReader, CutShort, Malformed
from ._patience import Patience
from ._plan import Plan, connect_head
from ._resolve import Found, resolve
from ._route import FULL_BACKLOG, NEXT_ADDRESS
from ._settings import Settings

if TYPE_CHECKING:
    import ssl

__all__ = ["Dialer", "Waits", "hang_up"]

RECEIVE_SIZE = 65536
IN_PROGRESS = (0, errno.EINPROGRESS, getattr(errno, "WSAEWOULDBLOCK", errno.EINPROGRESS))


class Waits:
    """The waits for connections that are being made, so that closing the client can end them."""

    __slots__ = ("_ends", "_lock", "closed")

    def __init__(self) -> None:
        # Reentrant, as a signal handler may close the client in the middle of any method here.
        self._lock = threading.RLock()
        self._ends: Dict[Any, Callable[[], None]] = {}
        self.closed = False

    def add(self, wait: Any, end: Callable[[], None]) -> bool:
        """Have `end` called at the end; False if that has come already."""
        with self._lock:
            if not self.closed:
                self._ends[wait] = end
            return not self.closed

    def remove(self, wait: Any) -> None:
        with self._lock:
            self._ends.pop(wait, None)

    def close(self) -> None:
        with self._lock:
            self.closed = True
            # Under the lock, as a socket that was removed may be closed, and its number another's.
            for end in self._ends.values():
                end()


def hang_up(sock: socket.socket) -> None:
    """End a connection for both sides at once, also for a thread that waits in it."""
    try:
        # SSLSocket.shutdown() would take the TLS layer away from that thread.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        return  # the other side was quicker


class Dialer:
    """Makes connections for the plans of one client."""

    __slots__ = ("_settings", "_tls")

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tls: Optional[ssl.SSLContext] = None

    def connect(self, plan: Plan, patience: Patience, waits: Waits) -> socket.socket:
        """A connection to where the plan leads, with TLS where it wants that."""
        attempt = _Attempt(plan, patience, waits)
        route = plan.route
        name = route.proxy_tls if route.tls is None else route.tls
        try:
            context: Any = None if name is None else self._context(name)
            attempt.dial()
            if route.proxy_tls is not None:
                attempt.secure(context, route.proxy_tls)
            if route.tunnel is not None:
                attempt.ask_for_tunnel()
            if route.tls is not None:
                attempt.secure(context, route.tls)
            return attempt.won()
        except BaseException as error:
            attempt.end()
            if waits.closed and isinstance(error, OSError):
                raise client_closed(plan) from None
            if isinstance(error, errors.OllamaError):
                raise
            if isinstance(error, socket.timeout) and error.errno is None:
                raise patience.over(plan, "connect") from error
            # ValueError is what a name ends in that is none for DNS or for TLS.
            if isinstance(error, (OSError, ValueError)):
                raise connect_failed(plan, error, attempt.inside) from error
            raise

    def _context(self, name: str) -> "ssl.SSLContext":
        from ._tls import check_name, make_context

        check_name(name)
        # Without a lock, which a fork could inherit while it is held: two do no harm.
        if self._tls is None:
            self._tls = make_context(self._settings)
        return self._tls


class _Attempt:
    """One connection in the making."""

    __slots__ = ("_patience", "_plan", "_sockets", "_until", "_waits", "inside")

    def __init__(self, plan: Plan, patience: Patience, waits: Waits) -> None:
        self._plan = plan
        self._patience = patience
        self._waits = waits
        self._until = patience.until("connect")
        # Whether what fails is no fault of the proxy.
        self.inside = False
        # One, but for the time in which several addresses are tried.
        self._sockets: List[socket.socket] = []

    def _left(self) -> Optional[float]:
        return self._patience.left(self._plan, "connect", self._until)

    def _hold(self, sock: socket.socket) -> socket.socket:
        self._sockets.append(sock)
        if not self._waits.add(sock, lambda: hang_up(sock)):
            raise client_closed(self._plan)
        return sock

    def _let_go(self, sock: socket.socket) -> None:
        self._waits.remove(sock)
        self._sockets.remove(sock)

    def end(self) -> None:
        for sock in list(self._sockets):
            self._let_go(sock)
            sock.close()

    def won(self) -> socket.socket:
        (sock,) = self._sockets
        sock.settimeout(None)
        self._let_go(sock)
        return sock

    def dial(self) -> None:
        """Connect to an address of the host."""
        route = self._plan.route
        addresses = route.addresses()
        if addresses is None:
            addresses = self._look_up(route.host, route.port)
        if route.unix:
            ((family, address),) = addresses
            self._connect_unix(self._hold(socket.socket(family, socket.SOCK_STREAM)), address)
        else:
            self._race(deque(addresses))
            self._sockets[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _connect_unix(self, sock: socket.socket, path: Any) -> None:
        sock.setblocking(False)
        while True:
            self._left()
            try:
                return sock.connect(path)
            except BlockingIOError:
                # The backlog is full, and nothing tells when there is room.
                if self._waits.closed:
                    raise
                sleep(FULL_BACKLOG)

    def _look_up(self, host: str, port: int) -> List[Tuple[Any, Any]]:
        answers: List[Found] = []
        asked = threading.Event()

        def answer(found: Found) -> None:
            answers.append(found)
            asked.set()

        resolve(host, port, answer)
        if self._waits.add(asked, asked.set):
            try:
                asked.wait(self._left())
            finally:
                self._waits.remove(asked)
        if self._waits.closed:
            raise client_closed(self._plan)
        if not answers:
            raise self._patience.over(self._plan, "connect")
        found = answers[0]
        if isinstance(found, BaseException):
            raise found
        return found

    def _race(self, addresses: Deque[Tuple[Any, Any]]) -> None:
        """Connect to the address that answers first; a dead one holds up the next only shortly."""
        # As in RFC 8305, "Happy Eyeballs", and in asyncio.
        import selectors

        failure: Optional[OSError] = None
        with selectors.DefaultSelector() as selector:
            while addresses or self._sockets:
                left = self._left()
                if addresses:
                    family, address = addresses.popleft()
                    try:
                        sock = socket.socket(family, socket.SOCK_STREAM)
                    except OSError as error:
                        failure = error  # there may be no such family here
                        continue
                    self._hold(sock)
                    sock.setblocking(False)
                    number = sock.connect_ex(address)
                    # A socket that was hung up before it connects takes no notice.
                    if self._waits.closed:
                        raise client_closed(self._plan)
                    selector.register(sock, selectors.EVENT_WRITE)
                    if number not in IN_PROGRESS:
                        failure = self._lost(selector, sock, number)
                        continue
                if addresses:
                    left = NEXT_ADDRESS if left is None else min(left, NEXT_ADDRESS)
                for key, _ in selector.select(left):
                    tried: Any = key.fileobj
                    number = tried.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if number == 0 and not self._waits.closed:
                        for loser in [sock for sock in self._sockets if sock is not tried]:
                            self._let_go(loser)
                            loser.close()
                        return
                    failure = self._lost(selector, tried, number)
        raise failure or OSError("the host has no address")

    def _lost(self, selector: Any, sock: socket.socket, number: int) -> OSError:
        selector.unregister(sock)
        self._let_go(sock)
        sock.close()
        return OSError(number, strerror(number))

    def ask_for_tunnel(self) -> None:
        """Have the proxy connect to the plan's host."""
        (sock,) = self._sockets
        plan = self._plan
        reader = AnswerReader("CONNECT")
        try:
            sock.settimeout(self._left())
            sock.sendall(connect_head(plan))
            while not reader.status:
                sock.settimeout(self._left())
                data = sock.recv(RECEIVE_SIZE)
                if data:
                    reader.feed(data)
                elif self._waits.closed:
                    raise client_closed(plan)
                else:
                    reader.end()
            if reader.status >= 300:
                raise proxy_refused(plan, reader.status, reader.reason)
            if reader.surplus:
                raise Malformed("it sent bytes of its own after it opened the way")
            self.inside = True
        except (CutShort, Malformed) as error:
            raise proxy_failed(plan, error) from error

    def secure(self, context: "ssl.SSLContext", name: str) -> None:
        """Speak TLS from here on, with a server of that name."""
        (sock,) = self._sockets
        secure = context.wrap_socket(
            sock,
            server_hostname=name,
            do_handshake_on_connect=False,
            suppress_ragged_eofs=False,
        )
        self._let_go(sock)
        self._hold(secure)
        secure.settimeout(self._left())
        try:
            secure.do_handshake()
        except OSError as error:
            raise handshake_failed(error) from error
