"""Makes the asyncio transport's sockets: names, addresses and tunnels.

Whoever is tired of waiting cancels.
"""

import asyncio
import socket
from collections import deque
from typing import Any, Callable, List, Optional, Set, Tuple

from ._failures import NOT_TLS, proxy_failed, proxy_refused
from ._http1 import AnswerReader, CutShort, Malformed
from ._plan import Plan, connect_head
from ._resolve import Found, resolve
from ._route import FULL_BACKLOG, NEXT_ADDRESS

__all__ = ["EarlyBytes", "abort_tls", "dial", "make_transport"]

RECEIVE_SIZE = 65536


async def dial(loop: asyncio.AbstractEventLoop, plan: Plan) -> socket.socket:
    """A socket that leads to where the plan does, through a proxy's tunnel where it wants one."""
    route = plan.route
    addresses = route.addresses()
    if addresses is None:
        addresses = await _look_up(loop, route.host, route.port)
    if len(addresses) == 1:
        sock = await _connect(loop, addresses[0])
    else:
        sock = await _race(loop, addresses)
    if route.tunnel is not None:
        try:
            await _ask_for_tunnel(loop, sock, plan)
        except BaseException:
            sock.close()
            raise
    return sock


async def _look_up(loop: asyncio.AbstractEventLoop, host: str, port: int) -> List[Tuple[Any, Any]]:
    asked: asyncio.Future[List[Tuple[Any, Any]]] = loop.create_future()

    def take(found: Found) -> None:
        if asked.done():
            return
        if isinstance(found, BaseException):
            asked.set_exception(found)
        else:
            asked.set_result(found)

    def answer(found: Found) -> None:
        try:
            loop.call_soon_threadsafe(take, found)
        except RuntimeError:
            return  # nobody waits any more: the loop is closed

    resolve(host, port, answer)
    return await asked


async def _connect(loop: asyncio.AbstractEventLoop, address: Tuple[Any, Any]) -> socket.socket:
    sock = socket.socket(address[0], socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if isinstance(address[1], str):
            await _connect_unix(sock, address[1])
        else:
            await loop.sock_connect(sock, address[1])
    except BaseException:
        sock.close()
        raise
    return sock


async def _connect_unix(sock: socket.socket, path: str) -> None:
    while True:
        try:
            return sock.connect(path)
        except BlockingIOError:
            # The backlog is full, nothing tells when there is room, and asyncio takes it for a
            # connection.
            await asyncio.sleep(FULL_BACKLOG)


async def _race(loop: asyncio.AbstractEventLoop, addresses: Any) -> socket.socket:
    """Connect to the address that answers first; a dead one holds up the next only shortly."""
    waiting = deque(addresses)
    running: Set[asyncio.Future[socket.socket]] = set()
    failure: Optional[BaseException] = None
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.ensure_future(_connect(loop, waiting.popleft())))
            done, running = await asyncio.wait(
                running,
                timeout=NEXT_ADDRESS if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            while done:
                task = done.pop()
                failure = task.exception()
                if failure is None:
                    running |= done
                    return task.result()
    finally:
        for task in running:
            task.cancel()
            task.add_done_callback(_close_result)
        if running:
            await asyncio.wait(running)
    raise failure or OSError("the host has no address")


def _close_result(task: "asyncio.Future[socket.socket]") -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()


async def make_transport(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, protocol: Callable[[], Any]
) -> Any:
    """The transport of a connected socket, which it owns from then on."""
    making = asyncio.ensure_future(loop.create_connection(protocol, sock=sock))
    interrupted = False
    while not making.done():
        try:
            await asyncio.wait({making})
        except asyncio.CancelledError:
            # It takes two rounds of the loop, and one that is half made cannot be undone.
            interrupted = True
    if making.cancelled() or making.exception() is not None:
        sock.close()
    transport, _ = making.result()
    if interrupted:
        transport.abort()
        raise asyncio.CancelledError
    return transport


def abort_tls(beneath: Any) -> None:
    """End a handshake, of which nobody else will know the transport above."""
    above = getattr(beneath.get_protocol(), "_app_transport", None)
    if above is not None:
        above.abort()
    beneath.abort()


class EarlyBytes(asyncio.Protocol):
    """What comes before TLS is spoken: nothing, or the other side speaks something else."""

    came = False

    def data_received(self, data: bytes) -> None:
        self.came = True

    def check(self, transport: Any) -> None:
        """Raise an OSError unless TLS can be spoken now."""
        if self.came:
            raise OSError(NOT_TLS)
        if transport.is_closing():
            raise ConnectionResetError


async def _ask_for_tunnel(loop: asyncio.AbstractEventLoop, sock: socket.socket, plan: Plan) -> None:
    """Have the proxy connect to the plan's host."""
    reader = AnswerReader("CONNECT")
    try:
        await loop.sock_sendall(sock, connect_head(plan))
        while not reader.status:
            data = await loop.sock_recv(sock, RECEIVE_SIZE)
            if data:
                reader.feed(data)
            else:
                reader.end()
        if reader.status >= 300:
            raise proxy_refused(plan, reader.status, reader.reason)
        if reader.surplus:
            raise Malformed("it sent bytes of its own after it opened the way")
    except (CutShort, Malformed) as error:
        raise proxy_failed(plan, error) from error
