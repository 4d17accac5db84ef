"""Mock servers behind proxies that hurt the traffic, in a process of their own, so that a soak test
can measure the client alone.

    python -m tests.faulty_proxy SEED MEAN

It prints where it listens as a line of JSON, answers each line "stats" or "drain" on its input with
another, and ends with its input. "drain" waits until the client has closed all connections.

Each connection suffers a fault after a random number of the server's bytes, MEAN on average:
reset, cut (a clean end), stall (silence), slow (single bytes), garbage (what is in no answer)
or refuse (503 in place of an answer). Of those, slow, garbage and refuse are not its last.
"""

import asyncio
import json
import random
import resource
import socket
import struct
import sys

from ollamalite import mock

FAULTS = ("reset", "cut", "stall", "slow", "garbage", "refuse")
# NUL is in no head, 0xFF in no UTF-8, and both shift what is counted: this cannot go unnoticed.
GARBAGE = b"\xff\x00\xff"
REFUSAL = b'{"error":"overloaded"}'
SLOW = 48


class Proxy:
    """Forwards connections to one port."""

    def __init__(self, seed, mean, port):
        self._seed = seed
        self._mean = mean
        self._port = port
        self.opened = self.open = self.peak = 0
        self.faults = dict.fromkeys(FAULTS, 0)
        self.drained = asyncio.Event()
        self._tasks = set()

    async def start(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=2048)
        return self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        self.opened += 1
        self.open += 1
        self.drained.clear()
        self.peak = max(self.peak, self.open)
        try:
            await _Pair(self, random.Random(f"{self._seed} {self.opened}"), reader, writer).run()
        except OSError:
            pass  # either side went away
        finally:
            writer.close()
            self.open -= 1
            if not self.open:
                self.drained.set()
            self._tasks.discard(asyncio.current_task())

    def draw(self, chance):
        """The next fault, and after how many bytes it comes."""
        return chance.choice(FAULTS), int(chance.expovariate(1 / self._mean))


class _Pair:
    """One connection of a client, and the one to the server that belongs to it."""

    def __init__(self, proxy, chance, reader, writer):
        self.proxy = proxy
        self.chance = chance
        self.reader = reader
        self.writer = writer
        self.fault, self.left = proxy.draw(chance)

    async def run(self):
        from_server, self.to_server = await asyncio.open_connection("127.0.0.1", self.proxy._port)
        self.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ways = [
            asyncio.ensure_future(self.up()),
            asyncio.ensure_future(self.down(from_server)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self.to_server.close()

    async def up(self):
        while True:
            data = await self.reader.read(65536)
            if not data:
                return
            if self.fault == "refuse" and self.left <= 0:
                # A client sends only when it has the answer before, so this is a request's start.
                self.next_fault()
                self.writer.write(
                    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: %d\r\n\r\n%b"
                    % (len(REFUSAL), REFUSAL)
                )
                continue
            self.to_server.write(data)
            await self.to_server.drain()

    async def down(self, from_server):
        while True:
            data = await from_server.read(65536)
            if not data:
                return
            while data:
                if self.fault == "refuse" or self.left >= len(data):
                    self.left -= len(data)
                    self.writer.write(data)
                    await self.writer.drain()
                    break
                self.writer.write(data[: self.left])
                data = data[self.left :]
                self.left = 0
                await self.writer.drain()
                data = await self.suffer(data)
                if data is None:
                    return

    async def suffer(self, data):
        """Do what hurts; return what is to be forwarded, None for nothing more."""
        fault = self.next_fault()
        if fault == "reset":
            sock = self.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.writer.transport.abort()
            return None
        if fault == "cut":
            return None
        if fault == "stall":
            # The other way notices when the client gives up.
            await asyncio.Event().wait()
        if fault == "garbage":
            return GARBAGE + data
        for index in range(min(SLOW, len(data))):
            self.writer.write(data[index : index + 1])
            # A turn of the loop for each byte, so that they travel alone.
            await asyncio.sleep(0)
        return data[SLOW:]

    def next_fault(self):
        fault = self.fault
        self.proxy.faults[fault] += 1
        self.fault, self.left = self.proxy.draw(self.chance)
        return fault


async def serve(seed, mean):
    """Serve until the input ends."""
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    with mock.serve(connection_limit=5000) as quick, mock.serve(
        delay=0.1, connection_limit=5000
    ) as slow:
        proxies = [Proxy(seed, mean, quick.port), Proxy(seed + 1, mean, slow.port)]
        ports = [await proxy.start() for proxy in proxies]
        say(
            direct=quick.url,
            quick=f"http://127.0.0.1:{ports[0]}",
            slow=f"http://127.0.0.1:{ports[1]}",
        )
        while True:
            command = await commands.readline()
            if not command:
                return
            if command == b"drain\n":
                waits = [proxy.drained.wait() for proxy in proxies if proxy.open]
                if waits:
                    await asyncio.wait(list(map(asyncio.ensure_future, waits)), timeout=5)
            say(
                opened=sum(proxy.opened for proxy in proxies),
                open=sum(proxy.open for proxy in proxies),
                peak=max(proxy.peak for proxy in proxies),
                faults={name: sum(p.faults[name] for p in proxies) for name in FAULTS},
            )


def say(**values):
    print(json.dumps(values), flush=True)


def raise_file_limit():
    """Thousands of connections need more than the usual thousand files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    raise_file_limit()
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
