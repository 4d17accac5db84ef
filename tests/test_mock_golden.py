"""Each request of the captures, sent to the mock: it answers what the real server answered.

Compared are status line, header names, values and order, framing, number of chunks, whether the
connection stays open, and every body with the order of its keys. Masked are times, durations,
counts, ids, digests and vectors. What the model said in a capture is put into the mock's mouth
with `Server.say`; what is left out stands in `LEFT_OUT` with its reason.
"""

import base64
import json
import re
import socket
import struct
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import pytest

from ollamalite.mock import Answer, Layer, Model, Server, serve

CAPTURES = Path(__file__).parent / "captures"

LEFT_OUT = {
    "server-": "a server that dies: nothing that the mock does by itself",
    "cloud-chat-500": "a plain text of the cloud: the mock's cloud speaks JSON",
    "cloud-generate-stream": "a cloud that puts thinking and text into one object",
    "cloud-stub-chat-tools": "a cloud that puts thinking and a tool call into one object",
    "cloud-chat-502": "the cloud cannot be reached: the mock is its own cloud",
    "web-search-502": "the cloud cannot be reached: the mock is its own cloud",
    "web-search-429": "a busy cloud: the mock's cloud has no search limit",
    "me-no-key": "a server without a key: the mock always has one",
    "signout-500": "a cloud that fails at signing out",
    "signout-no-key": "a server without a key: the mock always has one",
    "pull-needs-mlx": "models of tensor layers are unknown to the mock",
    "push-tensor-model": "models of tensor layers are unknown to the mock",
}


def left_out(name: str) -> Optional[str]:
    return next((why for start, why in LEFT_OUT.items() if name.startswith(start)), None)


def load(name: str) -> Dict[str, Any]:
    return json.loads((CAPTURES / f"{name}.json").read_text(encoding="ascii"))  # type: ignore[no-any-return]


NAMES = sorted(path.stem for path in CAPTURES.glob("*.json"))
COMPARED = [name for name in NAMES if left_out(name) is None]

pytestmark = pytest.mark.skipif(not NAMES, reason="the captures are not part of a source package")


# The wire


class Wire(NamedTuple):
    """One answer taken apart."""

    line: str
    headers: List[Tuple[str, str]]
    framing: str
    body: bytes
    chunks: int
    interim: List[int]


class Peer:
    """A client that knows nothing but bytes."""

    def __init__(self, server: Server) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.port), 10)
        self.buffer = b""

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def more(self) -> bool:
        data = self.socket.recv(1 << 16)
        self.buffer += data
        return bool(data)

    def until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            assert self.more(), f"the connection ended before {mark!r}: {self.buffer!r}"
        found, _, self.buffer = self.buffer.partition(mark)
        return found

    def exactly(self, size: int) -> bytes:
        while len(self.buffer) < size:
            assert self.more(), "the connection ended in a body"
        found, self.buffer = self.buffer[:size], self.buffer[size:]
        return found

    def answer(self, method: str) -> Wire:
        interim: List[int] = []
        while True:
            lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
            status = int(lines[0].split(" ")[1])
            if status >= 200:
                break
            interim.append(status)
        headers = [tuple(line.split(": ", 1)) for line in lines[1:]]
        fields = {name: value for name, value in headers}  # noqa: C416 the pairs are of unknown length
        framing, body, chunks = "none", b"", 0
        if method == "HEAD" or status == 204:
            pass
        elif fields.get("Transfer-Encoding") == "chunked":
            framing = "chunked"
            while True:
                size = int(self.until(b"\r\n"), 16)
                body += self.exactly(size)
                assert self.exactly(2) == b"\r\n"
                if not size:
                    break
                chunks += 1
        elif "Content-Length" in fields:
            framing = "content-length"
            body = self.exactly(int(fields["Content-Length"]))
        else:
            framing = "close"
            while self.more():
                pass
            body, self.buffer = self.buffer, b""
        return Wire(lines[0], headers, framing, body, chunks, interim)  # type: ignore[arg-type]

    def closed(self, expected: bool) -> bool:
        assert not self.buffer
        self.socket.settimeout(2 if expected else 0.01)
        try:
            return not self.more()
        except socket.timeout:
            return False


class Replay:
    """Serves the bytes of a capture to `Peer.answer`."""

    def __init__(self, raw: bytes) -> None:
        self.peer = Peer.__new__(Peer)
        self.peer.buffer = raw
        self.peer.more = lambda: False  # type: ignore[method-assign]

    def answer(self, method: str) -> Wire:
        return self.peer.answer(method)


def sent_bytes(name: str, request: Dict[str, Any]) -> bytes:
    if "raw_base64" in request:
        return base64.b64decode(request["raw_base64"])
    headers = [f"{key}: {value}" for key, value in request["headers"]]
    if name == "http-header-too-large":
        headers.append("X: " + "a" * 1_054_576)
    body = request["body"] or ""
    data = base64.b64decode(body) if request.get("body_encoding") else body.encode()
    line = f"{request['method']} {request['path']} {request['version']}"
    return "\r\n".join([line, *headers, "", ""]).encode("latin-1") + data


# The world of the captures


def gguf(values: Dict[str, Any], tensors: List[Tuple[str, List[int]]]) -> bytes:
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    parts = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(values))]
    for key, value in values.items():
        parts.append(text(key))
        if isinstance(value, bool):
            parts.append(struct.pack("<I?", 7, value))
        elif isinstance(value, int):
            parts.append(struct.pack("<II", 4, value))
        elif isinstance(value, str):
            parts.append(struct.pack("<I", 8) + text(value))
        elif isinstance(value[0], str):
            parts.append(struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(text, value)))
        else:
            parts.append(struct.pack(f"<IIQ{len(value)}f", 9, 6, len(value), *value))
    for name, shape in tensors:
        parts.append(text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 1, 0))
    return b"".join(parts)


EYES = gguf(
    {
        "clip.has_vision_encoder": True,
        "clip.projector_type": "mlp",
        "clip.vision.block_count": 2,
        "clip.vision.embedding_length": 32,
        "clip.vision.image_mean": [0.5, 0.5, 0.5],
        "clip.vision.image_size": 224,
        "clip.vision.patch_size": 14,
        "general.architecture": "clip",
        "general.file_type": 1,
        "general.name": "eyes",
        "general.type": "mmproj",
    },
    [("v.patch_embd.weight", [20864])],
)
EYES_DIGEST = "sha256:828a617be0a6c220a81a4f6ef046e0736fd0d4ac6e96a80a376fd266147717ca"
LORA_DIGEST = "sha256:ff3ce0f17a0af0d1fff7c5986378ae5ed658c7bec78231cc708ab1620cee97e7"
PLAIN_DIGEST = "sha256:c8df52945304a7e4a447ad6ce24d6abfd9b59026a4ab4cbab4c0fc217cd4d533"
CHAT_DIGEST = "sha256:0c608a9129e2511c65d0c3ee8e14bea9a31f03d294ed6e00b064f573bc7d873a"
QWEN_DIGEST = "sha256:21eadef6a83136c518b3e91ba7316bc1effc2b5a2d6aedc02580b54cd64688b0"
EMBED_DIGEST = "sha256:833b761abed02024177567ef83ce81b2a614029fc946d7abc2841efd96706fcb"
INSERT = "{{ if .Suffix }}<P>{{ .Prompt }}<S>{{ .Suffix }}{{ else }}{{ .Prompt }}{{ end }}"
STUB_INFO = {"model_family": "gptoss", "capabilities": ["completion", "tools", "thinking"]}


def uploads() -> Dict[str, bytes]:
    names = ("blob-post-new", "blob-post-chunked", "blob-post-expect-continue")
    bodies = [base64.b64decode(load(name)["request"]["body"]) for name in names]
    known = dict(zip((CHAT_DIGEST, QWEN_DIGEST, EMBED_DIGEST), bodies))
    # The files behind these two digests were not captured: others stand under them.
    known[EYES_DIGEST] = EYES
    known[LORA_DIGEST] = bodies[0]
    return known


def put(server: Server, path: str, body: Dict[str, Any]) -> None:
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n"
    with Peer(server) as peer:
        peer.socket.sendall(head.encode() + data)
        answer = peer.answer("POST")
    assert b"error" not in answer.body, answer.body
    assert answer.line.endswith("200 OK")


def made(name: str) -> Dict[str, Any]:
    """The body of a captured create request."""
    return json.loads(load(name)["request"]["body"])  # type: ignore[no-any-return]


def world() -> Dict[str, Model]:
    """The models of the captured server, made by the mock as that server made them."""
    large = json.loads(load("show-verbose-large")["response"]["body_text"])
    with serve(models=[]) as server:
        for digest, data in uploads().items():
            server.store.blobs.place(digest, data)
        put(server, "/api/create", {"model": "llama-tiny", "files": {"chat.gguf": CHAT_DIGEST}})
        put(server, "/api/create", {"model": "qwen-tiny", "files": {"tools.gguf": QWEN_DIGEST}})
        put(server, "/api/create", {"model": "embed-tiny", "files": {"e.gguf": EMBED_DIGEST}})
        put(server, "/api/create", made("create-files-two-ggufs"))
        put(server, "/api/create", made("create-adapter"))
        put(server, "/api/create", made("create-from-messages"))
        put(server, "/api/create", made("create-from-unicode"))
        put(server, "/api/create", made("create-remote-stub"))
        put(
            server,
            "/api/create",
            {
                "model": "stub",
                "from": "gpt-oss:20b-cloud",
                "system": "SYS",
                "parameters": {"temperature": 0.3},
                "info": STUB_INFO,
            },
        )
        put(
            server,
            "/api/create",
            {"model": "stub-elsewhere", "from": "foo", "remote_host": "http://127.0.0.1:9"},
        )
        for name in ("pirate", "full-tiny:v1"):
            put(server, "/api/create", {"model": name, "from": "llama-tiny", "system": "Arr."})
        base = next(model for model in server.store.models() if model.name.model == "llama-tiny")
        plain = base.copy()
        plain.name = plain.name._replace(model="plain-tiny")
        plain.weights = [Layer("model", PLAIN_DIGEST, 10440)]
        plain.chat_template, plain.path = "", "rendered"
        server.store.put(plain)
        for name, more in (
            ("go-think", {"template": "{{ .Thinking }}{{ .Prompt }}"}),
            ("go-insert", {"template": INSERT}),
            ("coder-tiny", {"renderer": "qwen3-coder", "parser": "qwen3-coder"}),
            ("go-tools", {"template": made("create-template-stream")["template"]}),
        ):
            put(server, "/api/create", {"model": name, "from": "plain-tiny", **more})
        put(
            server,
            "/api/create",
            {"model": "harmony-tiny", "from": "plain-tiny", "parser": "harmony"},
        )
        models = {model.name.short: model.copy() for model in server.store.models()}
    harmony = models["harmony-tiny:latest"]
    harmony.family, harmony.families = "gptoss", ["gptoss", "llama"]
    for name, quantization in (("q4-tiny", "Q4_K_M"), ("quant-tiny", "F16"), ("vocab-tiny", "F16")):
        twin = plain.copy()
        twin.name = twin.name._replace(model=name)
        twin.quantization = quantization
        models[twin.name.short] = twin
    vocabulary = models["vocab-tiny:latest"]
    vocabulary.weights = [
        Layer("model", "sha256:c64bccf7c682db34c743b041ff953f953eb72edbe56806552dd18168d71d1f08", 1)
    ]
    vocabulary.chat_template = large["template"]
    vocabulary.model_info = large["model_info"]
    vocabulary.tensors = large["tensors"]
    vocabulary.parameter_size = "165K"
    copied = models["qwen-tiny:latest"].copy()
    copied.name = copied.name._replace(namespace="me", model="llama-copy", tag="v1")
    models[copied.name.short] = copied
    pushed = ("me/denied", "me/nomanifest", "me/tiny", "me/noauth", "me/known")
    for name in (*pushed, *PULLED):
        twin = tiny(name)
        models[twin.name.short] = twin
    return models


def tiny(name: str, size: int = 1_210_496) -> Model:
    """A model of the captured registry: weights, template, system, configuration."""
    return Model(
        name,
        parameter_size="5K",
        quantization="F16",
        context_length=2048,
        embedding_length=64,
        template="t" * 59,
        system="s" * 39,
        weights=[Layer("model", "sha256:" + f"{size:064x}", size)],
    )


def registry() -> List[Model]:
    names = ("tiny", "me/known", "midway", "midway500", "notjson", "e401", "e412", "e429", "e500")
    others = [tiny("tiny:2", 410_496), tiny("127.0.0.1:5000/library/tiny:2", 410_496)]
    return [tiny(name) for name in names] + others


@pytest.fixture(scope="module")
def models() -> Dict[str, Model]:
    return world()


PULLED = ("tiny", "tiny:2", "127.0.0.1:5000/library/tiny:2")
GONE = ("gone1", "gone2")

SIGNED_OUT = ("signout-401", "cloud-stub-401-stream", "cloud-chat-401", "web-search-401")

# Captures whose answer lists models, and the capture whose list it is.
LISTED = {
    "tags-several": "tags-several",
    "tags-several-head": "tags-several",
    "tags-time-zone": "tags-time-zone",
    "http10-large": "http10-large",
    "v1-models-list": "v1-models-list",
    "http-keep-alive-stream-then-one-shot": "http-keep-alive-stream-then-one-shot",
}

# Captures of the first making of a model.
FRESH = {"create-from-unicode": "unicode-tiny:latest", "create-template-stream": "go-tools:latest"}


def options(name: str, models: Dict[str, Model]) -> Dict[str, Any]:
    """How the server of a capture differs from the usual one."""
    pulled = [tiny(pulled).name for pulled in PULLED]
    chosen = [model for model in models.values() if model.name not in pulled]
    if name.startswith(("tags-empty", "ps-empty", "v1-models-empty", "blob-")):
        chosen = []
    elif name in LISTED:
        listing = load(LISTED[name])
        listing = listing.get("exchanges", [listing, listing])[1]
        shown = json.loads(listing["response"]["body_text"])
        names = [entry.get("name") or entry["id"] for entry in shown.get("models") or shown["data"]]
        chosen = [models[name] for name in reversed(names)]
    elif name in FRESH:
        chosen.remove(models[FRESH[name]])
    elif name.startswith("delete-"):
        for gone in GONE:
            twin = models["llama-tiny:latest"].copy()
            twin.name = twin.name._replace(model=gone)
            chosen.append(twin)
    elif name in ("pull-present", "pull-name-alias", "pull-update"):
        chosen = [tiny("tiny")]
        if name == "pull-update":
            chosen[0].license = ["an old layer"]
    result: Dict[str, Any] = {
        "models": chosen,
        "registry": registry(),
        "version": "0.33.0-rc2",
    }
    if name == "http-any-host-when-public":
        result["host"] = "0.0.0.0"
    if name.endswith("-time-zone"):
        result["utc_offset"] = -480
    if name.startswith("no-cloud-"):
        result["cloud_disabled"] = True
    if name.startswith("me-401") or name in SIGNED_OUT:
        result["signed_in"] = False
    return result


def arrange(name: str, server: Server) -> None:
    """Bring a server into the state that a capture needs."""
    for digest, data in uploads().items():
        if not (name.startswith("blob-") and digest in (CHAT_DIGEST, QWEN_DIGEST, EMBED_DIGEST)):
            server.store.blobs.place(digest, data)
    if name in ("blob-head-known", "blob-post-known-other-bytes"):
        server.store.blobs.place(CHAT_DIGEST, b"x")
    if name == "blob-post-after-mismatch":
        server.store.blobs.add(b"not these bytes")
    if name in ("create-files-unknown-kind", "create-files-not-gguf-stream"):
        server.store.blobs.add(b"abc")
    loads: List[Dict[str, Any]] = []
    if name == "ps-loaded-several":
        loads = [
            {"model": "llama-tiny", "keep_alive": -1},
            {"model": "me/llama-copy:v1", "keep_alive": "90m"},
            {"model": "go-tools"},
        ]
    elif name == "ps-time-zone":
        loads = [{"model": "llama-tiny"}]
        put(server, "/api/embed", {"model": "embed-tiny", "keep_alive": -1})
    elif name == "ps-while-busy":
        loads = [{"model": "llama-tiny"}]
    for body in loads:
        put(server, "/api/generate", body)


# What the model said

FAILURES = {
    "cloud-chat-403": "early",
    "cloud-stub-429": "early",
    "chat-runner-400-nonstream": "",
    "embed-runner-500": "early",
    "embeddings-runner-500": "early",
    "pull-blob-error-nonstream": "",
    "pull-blob-missing": "",
    "pull-manifest-not-json": "",
    "pull-registry-401": "",
    "pull-registry-412": "",
    "pull-registry-429": "",
    "pull-registry-500-nonstream": "",
    "push-denied": "",
    "push-manifest-refused": "",
}

SPEAKING = (
    "/api/chat",
    "/api/generate",
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/messages",
    "/v1/responses",
)

# Lines of progress before the failure, where it is not the first line alone.
FAILING_AFTER = {"pull-blob-missing": 3, "push-manifest-refused": 6}


def native(path: str, text: str) -> List[Dict[str, Any]]:
    """The native objects that an answer was made of, as far as they can be told from it."""
    if not path.startswith("/v1/"):
        return [json.loads(line) for line in text.split("\n") if line]
    if path == "/v1/messages":
        return [message_native(json.loads(text))]
    if path == "/v1/responses":
        return response_native(text)
    if not text.startswith("data: "):
        return [openai_native(json.loads(text))]
    told = [part[len("data: ") :] for part in text.split("\n\n") if part]
    chunks = [json.loads(part) for part in told if part != "[DONE]"]
    return [openai_native(chunk) for chunk in chunks if chunk["choices"]]


def openai_native(value: Dict[str, Any]) -> Dict[str, Any]:
    if not value["model"]:
        return {"error": "what went wrong is not told"}
    (choice,) = value["choices"]
    reason = choice["finish_reason"]
    message = choice.get("message") or choice.get("delta") or {"content": choice.get("text", "")}
    calls = [
        {
            "id": call["id"],
            "function": {
                **call["function"],
                "index": call["index"],
                "arguments": json.loads(call["function"]["arguments"]),
            },
        }
        for call in message.get("tool_calls", ())
    ]
    return {
        "model": value["model"],
        "message": {
            "content": message.get("content", ""),
            "thinking": message.get("reasoning", ""),
            "tool_calls": calls,
        },
        "logprobs": choice.get("logprobs", {}).get("content", ()),
        "done": reason is not None,
        "done_reason": "stop" if reason == "tool_calls" else reason,
    }


def message_native(value: Dict[str, Any]) -> Dict[str, Any]:
    parts = {part["type"]: part for part in value["content"]}
    called = parts.get("tool_use")
    calls = [
        {"id": part["id"], "function": {"name": part["name"], "arguments": part["input"]}}
        for part in ([called] if called else ())
    ]
    message = {
        "content": parts.get("text", {}).get("text", ""),
        "thinking": parts.get("thinking", {}).get("thinking", ""),
        "tool_calls": calls,
    }
    return {"model": value["model"], "message": message, "done": True}


def response_native(text: str) -> List[Dict[str, Any]]:
    if text.startswith("event: "):
        events = [json.loads(part.partition("\ndata: ")[2]) for part in text.split("\n\n") if part]
        told = [event["delta"] for event in events if event["type"].endswith("_text.delta")]
    else:
        told = [part["text"] for item in json.loads(text)["output"] for part in item["content"]]
    pieces = [{"model": "m", "message": {"content": part}, "done": False} for part in told]
    return [*pieces, {"model": "m", "message": {"content": ""}, "done": True}]


def spoken(name: str, request: Dict[str, Any], response: Dict[str, Any]) -> Optional[Answer]:
    """The answer that the runner or the registry behind the captured server gave."""
    raw = base64.b64decode(response["raw_base64"])
    text = response["body_text"] or Replay(raw).answer(request["method"]).body.decode()
    failing = name in FAILURES or name.startswith(("load-", "queue-full-")) or "crash" in name
    failing = failing or ("harmony-bad" in name or "error-event" in name)
    if request["path"] not in SPEAKING:
        if not failing or (response["status"] == 200 and "error" not in text):
            return None
        error = json.loads(text.splitlines()[-1])["error"]
        early = FAILURES.get(name) == "early" or name.startswith(("load-", "queue-"))
        status = response["status"] if response["status"] != 200 else 500
        return Answer(error=error, status=status, early=early, after=FAILING_AFTER.get(name))
    if response["status"] != 200:
        if not failing:
            return None
        early = FAILURES.get(name) == "early" or name.startswith(("load-", "queue-"))
        error = json.loads(text)["error"]
        error = error["message"] if request["path"].startswith("/v1/") else error
        return Answer(error=error, status=response["status"], early=early)
    objects = native(request["path"], text)
    if not objects:
        return Answer(finished=False)
    last = objects[-1]
    if last.get("done_reason") in ("load", "unload") or "_debug_info" in last:
        return None
    if not last.get("model") and "error" not in last:
        return Answer(finished=False)
    pieces: List[Tuple[str, str]] = []
    calls: List[Dict[str, Any]] = []
    for item in objects:
        if "error" in item:
            continue
        part = item.get("message") or {
            "content": item["response"],
            "thinking": item.get("thinking", ""),
        }
        one_shot = len(objects) == 1
        if part.get("thinking"):
            pieces.append(("thinking", part["thinking"]))
        if one_shot and item.get("logprobs"):
            pieces += [("content", entry["token"]) for entry in item["logprobs"]]
        elif part["content"] or not (
            part.get("thinking") or item["done"] or part.get("tool_calls")
        ):
            pieces.append(("content", part["content"]))
        for call in part.get("tool_calls") or item.get("tool_calls") or ():
            calls.append({**call["function"], "id": call.get("id", "")})
    return Answer(
        pieces=pieces,
        tool_calls=calls,
        done_reason=last.get("done_reason", "stop"),
        error=last.get("error"),
        finished=bool(last.get("done")),
    )


# Comparing

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(Z|[+-]\d\d:\d\d)\Z")
NUMBERS = re.compile(
    r"\A(.+_(duration|count|tokens)|size|total|completed|created|(created|completed)_at)\Z"
)
MADE_UP = re.compile(
    r"(call_[a-z0-9]{8}|(chatcmpl|cmpl)-[0-9]+|(resp|msg)_[0-9]+|(msg|req)_[0-9a-f]{24})\Z"
)
HEXADECIMAL = re.compile(r"\b[0-9a-f]{64}\b|(?<=pulling )[0-9a-f]{12}|(?<=pushing )[0-9a-f]{12}")
WORDS = {"recommendations", "results", "links"}


def masked(key: str, value: Any) -> Any:
    """A value with everything in it that changes from run to run taken out."""
    if isinstance(value, dict):
        return [(name, masked(name, item)) for name, item in value.items()]
    if key in ("embeddings", "embedding", "context"):
        return [key, bool(value)]
    if key == "signin_url":
        return "a URL"
    if key == "models":
        value = sorted(value, key=lambda entry: entry["name"])
    if key in WORDS:
        return [(name, type(item)) for name, item in value[0].items()] if value else []
    if isinstance(value, list):
        if key == "top_logprobs":
            return [sorted(entry) for entry in value]
        return [masked(key, item) for item in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "number" if NUMBERS.match(key) or key == "logprob" else value
    if isinstance(value, str):
        time = TIME.match(value)
        if time:
            return "zero time" if value.startswith("0001") else ["time", time.group(1)]
        if key in ("id", "item_id", "request_id") and MADE_UP.match(value):
            return "made up"
        if key == "data":
            return value if value == "[DONE]" else masked("", json.loads(value))
        if key == "parameters":
            return sorted(value.splitlines())
        return HEXADECIMAL.sub("…", value)
    return value


def comparable(name: str, wire: Wire) -> Any:
    headers = [
        (key, "…" if key in ("Date", "Content-Length") else value) for key, value in wire.headers
    ]
    fields = dict(wire.headers)
    body: Any = wire.body.decode("utf-8")
    chunks = wire.chunks
    if (
        fields.get("Content-Type", "").startswith(("application/json", "application/x-ndjson"))
        and body
    ):
        end = body[-1:] if body.endswith("\n") else ""
        lines = [masked("", json.loads(line)) for line in body.split("\n") if line]
        if name.startswith(("pull-", "push-", "create-")) and len(lines) > 1:
            # How often a transfer tells of its progress depends on the time it takes; a small
            # file may be there before the first line.
            told = [line[0][1] for line in lines]
            assert chunks == len(lines)
            lines = [
                line
                for line, text in zip(lines, told)
                if not text.startswith(("pulling …", "pushing …"))
            ]
            chunks = 0
        body = [lines, end]
    elif fields.get("Content-Type") == "text/event-stream":
        assert body.endswith("\n\n")
        events = [
            [line.split(": ", 1) for line in part.split("\n")] for part in body[:-2].split("\n\n")
        ]
        body = [[(name, masked(name, value)) for name, value in event] for event in events]
    return [wire.line, headers, wire.framing, wire.interim, chunks, body]


def subset(name: str, ours: Any, theirs: Any) -> Any:
    """Where the mock may leave out keys, the others stand in the captured order."""
    if name == "me-ok":
        keys = [key for key, _ in theirs[5][0][0]]
        assert [key for key, _ in ours[5][0][0] if key in keys] == [
            key for key in keys if key in dict(ours[5][0][0])
        ]
        return theirs
    return ours


@pytest.mark.parametrize("name", COMPARED)
def test_the_mock_answers_a_captured_request_as_the_real_server(
    name: str, models: Dict[str, Model]
) -> None:
    capture = load(name)
    exchanges = capture.get("exchanges") or [capture]
    settings = options(name, models)
    with serve(**settings) as server:
        arrange(name, server)
        with Peer(server) as peer:
            for exchange in exchanges:
                request, response = exchange["request"], exchange["response"]
                answer = spoken(name, request, response)
                if answer is not None:
                    server.say(answer)
                peer.socket.sendall(sent_bytes(name, request))
                if name == "http-short-body":
                    peer.socket.shutdown(socket.SHUT_WR)
                ours = comparable(name, peer.answer(request["method"]))
                raw = base64.b64decode(response["raw_base64"])
                theirs = comparable(name, Replay(raw).answer(request["method"]))
                assert subset(name, ours, theirs) == theirs
                if name != "http-expect-on-404":
                    assert peer.closed(response["closed_after"]) == response["closed_after"]


def test_every_capture_is_compared_or_left_out_for_a_reason() -> None:
    assert len(COMPARED) + len([name for name in NAMES if left_out(name)]) == len(NAMES)
    for start in LEFT_OUT:
        assert any(name.startswith(start) for name in NAMES), start
