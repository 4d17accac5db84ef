"""Answers any request with bytes made beforehand, in a process of its own.

What to answer is the first segment of the path, so that a client is told by its host: below
`http://127.0.0.1:PORT/lines-2000`, every request gets a stream of 2000 lines. The shapes are those
of Ollama: a line is a chunk, and an answer of more than 2 KiB is one chunk.
"""

import functools
import json
import random
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAUSE = 0.0003  # seconds between lines that come alone: longer than a client needs for one

_NOW = {"model": "llama3.2", "created_at": "2026-01-02T03:04:05.678901234Z"}
_END = {"done": True, "done_reason": "stop", "total_duration": 4883583458, "load_duration": 1334875}
_END = {**_END, "prompt_eval_count": 26, "prompt_eval_duration": 342546000, "eval_count": 282}
_PULL = {"status": "pulling aaaa", "digest": "sha256:" + 64 * "a", "total": 2019393189}


def _message(content):
    return {"message": {"role": "assistant", "content": content}}


# The line that is repeated, and the last one.
_STREAMS = {
    "lines": ({**_NOW, **_message(" word"), "done": False}, {**_NOW, **_message(""), **_END}),
    "generate": ({**_NOW, "response": " word", "done": False}, {**_NOW, "response": "", **_END}),
    "pull": ({**_PULL, "completed": 241970}, {"status": "success"}),
}
_STREAMS["alone"] = _STREAMS["lines"]
_MODEL = {
    "name": "llama3.2:latest",
    "model": "llama3.2:latest",
    "modified_at": _NOW["created_at"],
    "size": 2019393189,
    "digest": 64 * "a",
    "details": {"parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"]},
}


def _chunk(value, end=b""):
    line = json.dumps(value, separators=(",", ":")).encode() + end
    return b"%x\r\n%s\r\n" % (len(line), line)


def _body(kind, size):
    if kind == "models":
        return {"models": size * [_MODEL]}
    if kind == "text":
        return {**_NOW, **_message(size * "."), **_END}
    normal = random.Random(1).gauss
    vectors = [[round(normal(0, 0.1), 9) for _ in range(768)] for _ in range(size)]
    return {"model": "embeddinggemma", "embeddings": vectors, "total_duration": 14143917}


@functools.lru_cache(maxsize=None)
def answer(name):
    """The pieces to send for a name, `kind-size`."""
    kind, _, size = name.partition("-")
    if kind == "created":
        return [b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
    if kind in _STREAMS:
        line, last = _STREAMS[kind]
        chunks = [_chunk(line, b"\n")] * (int(size) - 1) + [_chunk(last, b"\n")]
    else:
        chunks = [_chunk(_body(kind, int(size)))]
        if len(chunks[0]) <= 2048:
            body = chunks[0].split(b"\r\n")[1]
            return [b"%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body)]
    chunks[0] = head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks[0]
    chunks[-1] += b"0\r\n\r\n"
    return chunks if kind == "alone" else [b"".join(chunks)]


def _serve(connection):
    room = bytearray(1 << 18)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while True:
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                connection.close()
                return
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        _, length, after = head.lower().partition(b"\r\ncontent-length: ")
        missing = int(after.split(b"\r\n")[0]) - len(body) if length else 0
        while missing:
            missing -= connection.recv_into(room)
        if b"\r\ntransfer-encoding: chunked" in head.lower():
            while not body.endswith(b"0\r\n\r\n"):
                body = (body + connection.recv(65536))[-5:]
        first, *others = answer(head.split(b"/", 2)[1].decode())
        connection.sendall(first)
        for piece in others:
            time.sleep(PAUSE)
            connection.sendall(piece)


def _accept(listening):
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=_serve, args=(connection,), daemon=True).start()


@contextmanager
def running(env=None):
    """The server in another process: its URL, which the name of an answer is added to."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=str(ROOT),
        env=env,
    )
    with process:  # leaving it closes the standard input of the server, which ends it
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/"


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
        print(listening.getsockname()[1], flush=True)
        threading.Thread(target=_accept, args=(listening,), daemon=True).start()
        sys.stdin.read()
