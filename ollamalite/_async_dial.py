"""Makes the asyncio transport's sockets: names, addresses and tunnels.

Whoever is tired of waiting cancels.
"""

import asyncio
import socket
from collections import deque
from typing import Any, Optional, Set, Tuple

from ._failures import proxy_failed, proxy_refused
from ._http1 import AnswerReader, CutShort, Malformed
from ._plan import Plan, connect_head
from ._route import NEXT_ADDRESS

__all__ = ["dial"]

RECEIVE_SIZE = 65536


async def dial(loop: asyncio.AbstractEventLoop, plan: Plan) -> socket.socket:
    """A socket that leads to where the plan does, through a proxy's tunnel where it wants one."""
    route = plan.route
    addresses = route.addresses()
    if addresses is None:
        name = route.host.encode("ascii")
        found = await loop.getaddrinfo(name, route.port, type=socket.SOCK_STREAM)
        addresses = [(entry[0], entry[4]) for entry in found]
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


async def _connect(loop: asyncio.AbstractEventLoop, address: Tuple[Any, Any]) -> socket.socket:
    sock = socket.socket(address[0], socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await loop.sock_connect(sock, address[1])
    except BaseException:
        sock.close()
        raise
    return sock


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
