"""The rows of the table: what is called, how often, and what is read of the answers.

A row is data, so that every implementation does the same. Its first call of a process is not
measured; what comes after it is divided by the number of calls or of lines.
"""

import atexit
import functools
import os
import tempfile
from typing import Any, Callable, Dict, NamedTuple

MODEL = "llama3.2"
QUESTION = [{"role": "user", "content": "Why is the sky blue? Answer in one paragraph."}]


def get_weather(city: str, unit: str = "celsius") -> str:
    """Get the weather of a city.

    Args:
        city: The name of the city
        unit: celsius or fahrenheit
    """
    return city + unit


PLAIN_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city.",
        "parameters": {
            "type": "object",
            "required": ["city"],
            "properties": {
                "city": {"type": "string", "description": "The name of the city"},
                "unit": {"type": "string", "description": "celsius or fahrenheit"},
            },
        },
    },
}

# What is given to the method, by the size of the row; to the floor, what it takes as it is.


def nothing(size, floor):
    return {}


def question(size, floor):
    return {"model": MODEL, "messages": QUESTION}


def history(size, floor):
    turn = {"role": "user", "content": "The sky is blue because of scattering. " * 10}
    return {"model": MODEL, "messages": size * [turn]}


def tools(size, floor):
    return {**question(size, floor), "tools": 3 * [PLAIN_TOOL if floor else get_weather]}


def prompt(size, floor):
    return {"model": MODEL, "prompt": "Why is the sky blue?"}


def model(size, floor):
    return {"model": MODEL}


def texts(size, floor):
    return {"model": "embeddinggemma", "input": ["Why is the sky blue?"] * size}


def image(size, floor):
    data = bytes(size)
    images = ["IMAGE"] if floor else [data]
    body = {"model": MODEL, "messages": [{**QUESTION[0], "images": images}]}
    return {**body, "image": data} if floor else body


@functools.lru_cache(maxsize=None)
def _file(size):
    number, path = tempfile.mkstemp(prefix="bench-", suffix=".gguf")
    atexit.register(os.remove, path)
    with open(number, "wb") as file:
        file.truncate(size)
    return path


def file(size, floor):
    return {"path": _file(size)}


class Row(NamedTuple):
    """One kind of use: the method that is called, the server's answer, and what is read of it."""

    name: str
    method: str
    arguments: Callable[[int, bool], Dict[str, Any]]
    answer: str
    read: str = "message.content"
    size: int = 0
    times: int = 1
    at_once: int = 1
    stream: bool = False
    asynchronous: bool = False
    per_line: bool = False
    memory: bool = False
    main: bool = False

    @property
    def units(self):
        """How many calls or lines the cost is divided by."""
        return 1 if self.memory else self.times * self.at_once * (self.size if self.per_line else 1)

    def smallest(self):
        return self._replace(size=min(self.size, 12), times=1, at_once=min(self.at_once, 2))


class Start(NamedTuple):
    """One start of a process: the code of each implementation."""

    name: str
    package: str
    floor: str
    memory: bool = False
    main: bool = False

    def smallest(self):
        return self


FIRST_CALL = "from {name} import Client\nassert Client({url!r}).list().models"
FIRST_CALL_FLOOR = """
import json, socket
s = socket.create_connection({address!r})
s.sendall(b"GET /models-50/api/tags HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
d = s.recv(65536)
while not d.endswith(b"0\\r\\n\\r\\n"): d += s.recv(65536)
assert json.loads(d.split(b"\\r\\n\\r\\n", 1)[1].split(b"\\r\\n")[1])["models"]
"""
ASYNC_CALL = """
import asyncio
from {name} import AsyncClient
async def main(): assert (await AsyncClient({url!r}).list()).models
asyncio.run(main())
"""
ASYNC_CALL_FLOOR = """
import asyncio, json
async def main():
    r, w = await asyncio.open_connection(*{address!r})
    w.write(b"GET /models-50/api/tags HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
    await r.readuntil(b"\\r\\n\\r\\n")
    assert json.loads(await r.readexactly(int(await r.readuntil(b"\\r\\n"), 16)))["models"]
    w.close()
asyncio.run(main())
"""


def _both(row):
    """A row, and the same with the asynchronous client."""
    return [row, row._replace(name=row.name + ", async", asynchronous=True, main=False)]


MB = 1_000_000

LINES = {"stream": True, "per_line": True}
CHAT = {"method": "chat", "arguments": question}
CROWD = {**CHAT, "asynchronous": True}
EMBED = {"method": "embed", "arguments": texts, "answer": "vectors-{}", "read": "embeddings"}

ROWS = [
    Start("start: import", "import {name}", "", main=True),
    Start("start: import, first list()", FIRST_CALL, FIRST_CALL_FLOOR, main=True),
    Start("start: import, first list(), async", ASYNC_CALL, ASYNC_CALL_FLOOR),
    *_both(Row("ps()", "ps", nothing, "models-0", "models", times=300)),
    Row("list(), 50 models", "list", nothing, "models-50", "models", times=50),
    Row("chat()", **CHAT, answer="text-300", times=200, main=True),
    Row("chat(), history of 400 messages", "chat", history, "text-300", size=400, times=20),
    Row("chat(), 3 functions as tools", "chat", tools, "text-300", times=40),
    *_both(Row("chat stream, a line", **CHAT, answer="lines-{}", size=5000, main=True, **LINES)),
    *_both(Row("chat stream, lines alone, a line", **CHAT, answer="alone-{}", size=500, **LINES)),
    *_both(Row("chat stream, 20 lines", **CHAT, answer="lines-20", stream=True, times=50)),
    Row("generate stream, a line", "generate", prompt, "generate-{}", "response", 5000, **LINES),
    Row("pull stream, a line", "pull", model, "pull-{}", "status", 5000, **LINES),
    Row("64 chat() at once, one", **CROWD, answer="text-300", at_once=64, times=5, main=True),
    Row("100 streams at once, a line", **CROWD, answer="lines-{}", size=100, at_once=100, **LINES),
    Row("embed(), 64 vectors of 768", **EMBED, size=64, times=5),
    Row("embed(), 1000 vectors of 768", **EMBED, size=1000, main=True),
    Row("chat(), answer of 5 MB", **CHAT, answer="text-{}", size=5 * MB, main=True),
    Row("chat(), image of 20 MB", "chat", image, "text-300", size=20 * MB, main=True),
    *_both(Row("create_blob(), 256 MB", "create_blob", file, "created-0", "", 256 * MB, main=True)),
]
ROWS += [
    Start("memory: import, first list()", FIRST_CALL, FIRST_CALL_FLOOR, memory=True, main=True),
    *(
        row._replace(name="memory: " + row.name.replace(", a line", " of 5000 lines"), memory=True)
        for row in ROWS
        if isinstance(row, Row) and row.main and row.size
    ),
]
BY_NAME = {row.name: row for row in ROWS}
