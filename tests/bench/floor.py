"""The floor: what the standard library alone takes, with no care for anything but speed.

Raw sockets or asyncio's streams, `json.dumps` for a request, `json.loads` for an answer or a line,
dicts as they come. No errors, no proxies, no TLS, no limits: a measure, not a client. The classes
have the methods of real clients as far as the rows of the benchmark call them.
"""

import asyncio
import base64
import functools
import hashlib
import json
import os
import socket

ROUTES = {
    "ps": "GET /{}/api/ps",
    "list": "GET /{}/api/tags",
    "chat": "POST /{}/api/chat",
    "generate": "POST /{}/api/generate",
    "pull": "POST /{}/api/pull",
    "embed": "POST /{}/api/embed",
    "create_blob": "POST /{}/api/blobs/",
}


def _head(route, length):
    return f"{route} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode()


def _request(route, body):
    content = json.dumps(body).encode() if body else b""
    return _head(route, len(content)) + content


def _digest(file, room):
    digest = hashlib.sha256()
    with memoryview(room) as view:
        for got in iter(lambda: file.readinto(room), 0):
            digest.update(view[:got])
    file.seek(0)
    return "sha256:" + digest.hexdigest()


def _length(head):
    """The length of the body, None of one in chunks."""
    _, found, value = head.partition(b"\r\nContent-Length: ")
    return int(value.split(b"\r\n", 1)[0]) if found else None


def _unchunk(data):
    """What whole chunks hold, the bytes behind them, whether the last chunk is among them."""
    bodies = []
    at = 0
    while True:
        line = data.find(b"\r\n", at)
        if line < 0:
            break
        size = int(data[at:line], 16)
        after = line + 2 + size
        if after + 2 > len(data):
            break
        if not size:
            return b"".join(bodies), b"", True
        bodies.append(data[line + 2 : after])
        at = after + 2
    return b"".join(bodies), data[at:], False


class _Methods:
    def __init__(self, url):
        address, self.name = url[len("http://") :].split("/")
        self.address = address.split(":")

    def __getattr__(self, method):
        return functools.partial(self.call, ROUTES[method].format(self.name))


class Client(_Methods):
    """One connection, kept."""

    def __init__(self, url):
        super().__init__(url)
        self.socket = socket.create_connection(self.address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self):
        self.socket.close()

    def call(self, route, stream=False, path=None, image=None, **body):
        if path:
            return self.send_file(route, path)
        if image:
            self.send_image(route, image, body)
        else:
            self.socket.sendall(_request(route, body))
        return self.lines() if stream else json.loads(self.whole())

    def send_image(self, route, image, body):
        content = base64.b64encode(image)
        before, after = json.dumps(body).encode().split(b"IMAGE")
        self.socket.sendall(_head(route, len(before) + len(content) + len(after)) + before)
        self.socket.sendall(content)
        self.socket.sendall(after)

    def send_file(self, route, path):
        room = bytearray(1 << 20)
        with open(path, "rb", buffering=0) as file, memoryview(room) as view:
            digest = _digest(file, room)
            self.socket.sendall(_head(route + digest, os.path.getsize(path)))
            for got in iter(lambda: file.readinto(room), 0):
                self.socket.sendall(view[:got])
        self.whole()
        return digest

    def head(self):
        data = self.socket.recv(65536)
        while b"\r\n\r\n" not in data:
            data += self.socket.recv(65536)
        head, _, rest = data.partition(b"\r\n\r\n")
        return head, rest

    def whole(self):
        head, body = self.head()
        length = _length(head)
        if length is not None and length == len(body):
            return body
        end = 0
        if length is None:
            while b"\r\n" not in body:
                body += self.socket.recv(65536)
            size, _, body = body.partition(b"\r\n")
            end = len(b"\r\n0\r\n\r\n")
            length = int(size, 16) + end
        room = bytearray(length)
        at = len(body)
        room[:at] = body
        with memoryview(room) as view:
            while at < length:
                at += self.socket.recv_into(view[at:])
        del room[length - end :]
        return room

    def lines(self):
        recv, loads = self.socket.recv, json.loads
        data = self.head()[1]
        rest = b""
        while True:
            text, data, ended = _unchunk(data)
            lines = (rest + text).split(b"\n")
            rest = lines.pop()
            for line in lines:
                yield loads(line)
            if ended:
                return
            data += recv(65536)


class AsyncClient(_Methods):
    """As many connections as calls at once, kept."""

    def __init__(self, url):
        super().__init__(url)
        self.idle = []

    async def close(self):
        for _, writer in self.idle:
            writer.close()
            await writer.wait_closed()

    async def call(self, route, stream=False, path=None, **body):
        pair = self.idle.pop() if self.idle else await asyncio.open_connection(*self.address)
        if path:
            return await self.send_file(pair, route, path)
        pair[1].write(_request(route, body))
        return self.lines(pair) if stream else json.loads(await self.whole(pair))

    async def send_file(self, pair, route, path):
        with open(path, "rb", buffering=0) as file:
            digest = _digest(file, bytearray(1 << 20))
            pair[1].write(_head(route + digest, os.path.getsize(path)))
            await asyncio.get_running_loop().sendfile(pair[1].transport, file)
        await self.whole(pair)
        return digest

    async def whole(self, pair):
        reader = pair[0]
        length = _length(await reader.readuntil(b"\r\n\r\n"))
        if length is None:
            length = int(await reader.readuntil(b"\r\n"), 16)
            body = await reader.readexactly(length)
            await reader.readexactly(len(b"\r\n0\r\n\r\n"))
        else:
            body = await reader.readexactly(length)
        self.idle.append(pair)
        return body

    async def lines(self, pair):
        read, loads = pair[0].read, json.loads
        await pair[0].readuntil(b"\r\n\r\n")
        data = rest = b""
        ended = False
        while not ended:
            data += await read(65536)
            text, data, ended = _unchunk(data)
            lines = (rest + text).split(b"\n")
            rest = lines.pop()
            for line in lines:
                yield loads(line)
        self.idle.append(pair)
