"""Every method of the official clients, in Python and JavaScript, works with the mock server."""

import asyncio
import inspect
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

import ollamalite
from ollamalite.mock import Answer, serve

from .prompts import ADD, SKY

SCRIPTS = [Path(__file__).parent / name for name in ("every_endpoint.mjs", "abort_stream.mjs")]
JAVASCRIPT_VERSION = "0.6.4"

NOUL = {"noul": {"type": "noul", "instructions": "Is it so?"}}
IMAGE = "iVBORw0KGgo="

# Name of the call, method of the JavaScript client, and its request, which are our keywords too.
CALLS: List[Tuple[str, str, Any]] = [
    ("version", "version", None),
    ("list", "list", None),
    ("chat", "chat", {"model": "llama3.2", "messages": SKY}),
    ("chat stream", "chat", {"model": "llama3.2", "messages": SKY, "stream": True}),
    ("chat think", "chat", {"model": "qwen3", "messages": SKY, "think": True, "stream": True}),
    ("chat tools", "chat", {"model": "llama3.2", "messages": SKY, "tools": [ADD]}),
    ("chat format", "chat", {"model": "llama3.2", "messages": SKY, "format": "json"}),
    ("chat logprobs", "chat", {"model": "llama3.2", "messages": SKY, "logprobs": True}),
    ("generate", "generate", {"model": "llama3.2", "prompt": "hello"}),
    ("generate stream", "generate", {"model": "llama3.2", "prompt": "hello", "stream": True}),
    ("generate image", "generate", {"model": "gemma3", "prompt": "What?", "images": [IMAGE]}),
    ("embed", "embed", {"model": "embeddinggemma", "input": ["a", "b"], "dimensions": 8}),
    ("embeddings", "embeddings", {"model": "embeddinggemma", "prompt": "a"}),
    ("systemone", "systemone", {"model": "llama3.2", "state": "state", "questions": NOUL}),
    ("ps", "ps", None),
    ("show", "show", {"model": "llama3.2"}),
    ("copy", "copy", {"source": "llama3.2", "destination": "me/copy"}),
    ("push", "push", {"model": "me/copy"}),
    ("push stream", "push", {"model": "me/copy", "stream": True}),
    ("delete", "delete", {"model": "me/copy"}),
    ("pull", "pull", {"model": "tinyllama"}),
    ("pull stream", "pull", {"model": "all-minilm", "stream": True}),
    ("create", "create", {"model": "mine", "from": "llama3.2", "system": "Be brief."}),
    ("create stream", "create", {"model": "mine", "from": "llama3.2", "stream": True}),
    ("unknown model", "chat", {"model": "nope", "messages": SKY}),
    ("unknown model stream", "generate", {"model": "nope", "prompt": "x", "stream": True}),
    ("unknown pull", "pull", {"model": "nope", "stream": True}),
]
CLOUD: List[Tuple[str, str, Any]] = [
    ("web search", "webSearch", {"query": "sky"}),
    ("web fetch", "webFetch", {"url": "https://example.com"}),
]


def keywords(request: Any) -> Dict[str, Any]:
    return {("from_" if key == "from" else key): item for key, item in (request or {}).items()}


def normal(key: str, value: Any) -> Any:
    """A result without what is empty, and with times and transfers' progress taken out."""
    if isinstance(value, dict):
        inner = {name: normal(name, item) for name, item in value.items()}
        return {name: item for name, item in inner.items() if item is not None}
    if isinstance(value, list):
        if value and isinstance(value[0], dict) and "status" in value[0]:
            return sorted({re.sub("[0-9a-f]{12,}", "…", str(line["status"])) for line in value})
        return [normal(key, item) for item in value]
    return "a time" if key.endswith("_at") and value else value


def ask(client: ollamalite.Client, method: str, given: Dict[str, Any]) -> Any:
    try:
        result: Any = getattr(client, method)(**given)
        if given.get("stream"):
            return [json.loads(part.model_dump_json(by_alias=True)) for part in result]
        return json.loads(result.model_dump_json(by_alias=True))
    except ollamalite.ResponseError as error:
        # The JavaScript client has no status for the error line of a stream.
        status = error.status_code if error.status_code >= 400 else None
        return {"error": error.error, "status": status}


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A folder with the JavaScript client and the script that calls all of its methods."""
    programs = [shutil.which("node"), shutil.which("npm")]
    if None in programs:
        pytest.skip("node and npm are not installed")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    if int(version.lstrip("v").partition(".")[0] or 0) < 18:
        pytest.skip(f"node {version.strip()} is older than 18, which the client wants")
    folder = tmp_path_factory.mktemp("node")
    package = f"ollama@{JAVASCRIPT_VERSION}"
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), package]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm does not get {package}: it takes longer than two minutes")
    if done.returncode:
        pytest.skip(f"npm does not get {package} (exit status {done.returncode})")
    for script in SCRIPTS:
        shutil.copy(script, folder)
    return folder


def run(node: Path, *arguments: str) -> Any:
    done = subprocess.run(
        ["node", *arguments], cwd=node, capture_output=True, encoding="utf-8", timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_javascript_client_gets_what_ours_gets_from_every_endpoint(node):
    requests = node / "requests.json"
    requests.write_text(json.dumps(CALLS + CLOUD), encoding="utf-8")
    with serve(delay=0, cloud=True) as server:
        told = run(node, "every_endpoint.mjs", server.url, str(requests))
    results: Dict[str, Any] = told["results"]
    with serve(delay=0) as server, ollamalite.Client(server.url) as client:
        for name, method, request in CALLS:
            ours = normal("", ask(client, method, keywords(request)))
            theirs = normal("", results[name])
            assert theirs == ours, name
    assert len(results["web search"]["results"]) == 5
    assert results["web fetch"]["title"] == "The page of example.com"
    called = {method for _, method, _ in CALLS + CLOUD} | {"abort"}
    inner = {"constructor", "processStreamableRequest", "encodeImage", "fileExists"}
    assert set(told["methods"]) - inner == called


def test_the_javascript_client_aborts_a_stream(node):
    with serve() as server:
        server.say(Answer(pieces=[("content", "a")] * 100_000, delay=0.001))
        told = run(node, "abort_stream.mjs", server.url)
        assert told["error"] == "AbortError"
        assert told["pieces"] < 100_000
        (recorded,) = server.requests
        assert recorded.wait(10) == "hung up"


# The same for the Python client: arguments of its methods, by the names of the calls.
PYTHON = [(name, method, keywords(each)) for name, method, each in CALLS if method != "version"]


class Official:
    """Either official client, asked in the same way; searches are asked of the mock."""

    def __init__(self, server, asynchronous):
        httpx = pytest.importorskip("httpx")
        ollama = pytest.importorskip("ollama")
        base = httpx.AsyncHTTPTransport if asynchronous else httpx.HTTPTransport

        def local(request):
            if request.url.host == "ollama.com":
                request.url = httpx.URL(server.url).join(request.url.raw_path.decode())
                request.headers["Host"] = request.url.netloc.decode()
            return request

        class Redirected(base):
            def handle_request(self, request):
                return super().handle_request(local(request))

            async def handle_async_request(self, request):
                return await super().handle_async_request(local(request))

        kind = ollama.AsyncClient if asynchronous else ollama.Client
        self.asynchronous = asynchronous
        self.failure = ollama.ResponseError
        headers = {"Authorization": "Bearer key"}
        self.client = kind(server.url, transport=Redirected(), headers=headers)

    async def ask(self, method: str, **given: Any) -> Any:
        try:
            result = getattr(self.client, method)(**given)
            if self.asynchronous:
                result = await result
            if not given.get("stream"):
                return result
            return [part async for part in result] if self.asynchronous else list(result)
        except self.failure as error:
            status = error.status_code if error.status_code >= 400 else None
            return {"error": error.error, "status": status}

    async def close(self) -> None:
        closing = self.client.close()
        if self.asynchronous:
            await closing


def known(ours: Any, theirs: Any) -> Any:
    """Ours without the members that the official classes have no place for."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return {name: known(item, theirs[name]) for name, item in ours.items() if name in theirs}
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return [known(*pair) for pair in zip(ours, theirs)]
    return ours


def dumped(result: Any) -> Any:
    if isinstance(result, list):
        return [dumped(part) for part in result]
    if isinstance(result, dict):
        return result
    return json.loads(result.model_dump_json(by_alias=True))


@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_python_client_gets_what_ours_gets_from_every_endpoint(
    asynchronous, tmp_path, monkeypatch
):
    monkeypatch.delenv("OLLAMA_API_KEY", raising=False)
    file = tmp_path / "file"
    file.write_bytes(b"any bytes")

    async def all_of_them(server):
        official = Official(server, asynchronous)
        told = {name: await official.ask(method, **keys) for name, method, keys in PYTHON}
        told["create_blob"] = await official.ask("create_blob", path=file)
        told["web_search"] = await official.ask("web_search", query="sky")
        told["web_fetch"] = await official.ask("web_fetch", url="https://example.com")
        methods = {
            name
            for name, value in vars(type(official.client)).items()
            if inspect.isfunction(value) and not name.startswith("_")
        }
        await official.close()
        return told, methods

    with serve(delay=0, cloud=True) as server:
        told, methods = asyncio.run(all_of_them(server))
        assert told["create_blob"] in server.store.blobs
    with serve(delay=0) as server, ollamalite.Client(server.url) as client:
        for name, method, request in PYTHON:
            ours = normal("", ask(client, method, request))
            theirs = normal("", dumped(told[name]))
            assert theirs == known(ours, theirs), name
    assert len(told["web_search"].results) == 3
    assert told["web_fetch"].title == "The page of example.com"
    called = {method for _, method, _ in PYTHON} | {"create_blob", "web_search", "web_fetch"}
    assert methods - {"close"} == called
