"""Libraries that depend on the ``ollama`` package work with this one in its place."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ollamalite import mock

ROOT = Path(__file__).parent.parent

BEGIN = """
import asyncio, json, os, sys
from ollamalite.compat import install_as_ollama
ollama = install_as_ollama()
url, results = os.environ["SERVER"], {}

def record(function):
    try:
        results[function.__name__] = function()
    except BaseException as error:
        results[function.__name__] = "".join(__import__("traceback").format_exception(
            type(error), error, error.__traceback__))
"""

END = """
import ollamalite
assert sys.modules["ollama"] is ollama and ollama.Client is ollamalite.Client
print(json.dumps(results))
"""

LANGCHAIN = """
from typing import TypedDict
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_ollama import ChatOllama, OllamaEmbeddings, OllamaLLM

@tool
def add(a: int, b: int) -> int:
    "Add two numbers."
    return a + b

class City(TypedDict):
    name: str

chat = ChatOllama(model="llama3.2", base_url=url, validate_model_on_init=True, seed=1)

@record
def invoke():
    answer = chat.invoke("hello")
    return [answer.content, answer.response_metadata["done_reason"], answer.usage_metadata]

@record
def stream():
    return [piece.content for piece in chat.stream("hello")]

@record
def asynchronous():
    async def run():
        pieces = [piece.content async for piece in chat.astream("hello")]
        return [(await chat.ainvoke("hello")).content, pieces]
    return asyncio.run(run())

@record
def batch():
    return [answer.content for answer in chat.batch(["hello", "hello"])]

@record
def tools():
    bound = chat.bind_tools([add])
    question = HumanMessage("What is 3 plus 4? Use add.")
    answer = bound.invoke([question])
    (call,) = answer.tool_calls
    again = bound.invoke([question, answer, ToolMessage("7", tool_call_id=call["id"])])
    return [call["name"], call["args"], again.content]

@record
def structured():
    return chat.with_structured_output(City, method="json_schema").invoke("a city")

@record
def images():
    part = {"type": "image_url", "image_url": "data:image/png;base64,iVBORw0KGgo="}
    model = ChatOllama(model="gemma3", base_url=url)
    return model.invoke([HumanMessage([{"type": "text", "text": "what?"}, part])]).content

@record
def completion():
    model = OllamaLLM(model="llama3.2", base_url=url)
    return [model.invoke("hello"), list(model.stream("hello"))]

@record
def embeddings():
    model = OllamaEmbeddings(model="embeddinggemma", base_url=url)
    return [len(model.embed_query("a")), len(model.embed_documents(["a", "b"])),
            len(asyncio.run(model.aembed_query("a")))]

@record
def keywords():
    model = ChatOllama(
        model="llama3.2", base_url=url.replace("://", "://ada:secret@"),
        client_kwargs={"headers": {"X-A": "b"}, "timeout": 30.0})
    return model.invoke("hello").content

@record
def no_server():
    try:
        ChatOllama(model="llama3.2", base_url="http://127.0.0.1:1", validate_model_on_init=True)
    except ValueError as error:
        return str(error)

@record
def no_model():
    try:
        ChatOllama(model="nope", base_url=url).invoke("hello")
    except ollama.ResponseError as error:
        return [error.error, error.status_code]
"""

AUTOGEN = """
import pydantic
from autogen_core import Image
from autogen_core.models import (
    AssistantMessage, FunctionExecutionResult, FunctionExecutionResultMessage, SystemMessage,
    UserMessage,
)
from autogen_core.tools import FunctionTool
from autogen_ext.models.ollama import OllamaChatCompletionClient

def add(a: int, b: int) -> int:
    return a + b

class City(pydantic.BaseModel):
    name: str

tool = FunctionTool(add, description="Add two numbers.")
hello = UserMessage(content="hello", source="me")
question = UserMessage(content="What is 3 plus 4? Use add.", source="me")

def ask(action, **options):
    async def run():
        client = OllamaChatCompletionClient(model="llama3.2", host=url, **options)
        try:
            return await action(client)
        finally:
            await client.close()
    return asyncio.run(run())

@record
def invoke():
    async def action(client):
        answer = await client.create([SystemMessage(content="Be brief."), hello])
        return [answer.content, answer.finish_reason, answer.usage.completion_tokens]
    return ask(action, options={"seed": 1})

@record
def stream():
    async def action(client):
        pieces = [piece async for piece in client.create_stream([hello])]
        return [pieces[:-1], pieces[-1].content]
    return ask(action)

@record
def tools():
    async def action(client):
        answer = await client.create([question], tools=[tool])
        (call,) = answer.content
        result = FunctionExecutionResult(content="7", name="add", call_id=call.id, is_error=False)
        again = await client.create([
            question, AssistantMessage(content=answer.content, source="assistant"),
            FunctionExecutionResultMessage(content=[result])])
        return [call.name, json.loads(call.arguments), bool(again.content)]
    return ask(action)

@record
def structured():
    async def action(client):
        answer = await client.create([hello], json_output=City)
        return City.model_validate_json(answer.content).model_dump()
    return ask(action)

@record
def images():
    async def action(client):
        data = ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
                "awAAAABJRU5ErkJggg==")
        content = ["what?", Image.from_base64(data)]
        return (await client.create([UserMessage(content=content, source="me")])).content
    info = {"vision": True, "function_calling": True, "json_output": True, "family": "unknown",
            "structured_output": True}
    return ask(action, model_info=info)

@record
def configuration():
    async def action(client):
        dumped = client.dump_component()
        json.dumps(dumped.model_dump())
        again = OllamaChatCompletionClient.load_component(dumped)
        answer = await again.create([hello])
        await again.close()
        return [dumped.config["options"], answer.content]
    return ask(action, options={"seed": 1})
"""


def results_of(package, code):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    with mock.serve() as server:
        done = subprocess.run(
            [sys.executable, "-c", BEGIN + code + END],
            cwd=ROOT,
            env={**os.environ, "SERVER": server.url, "LANGSMITH_TRACING": "false"},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def langchain():
    return results_of("langchain_ollama", LANGCHAIN)


@pytest.fixture(scope="module")
def autogen():
    return results_of("autogen_ext", AUTOGEN)


def test_langchain_asks_and_gets_an_answer(langchain):
    content, reason, usage = langchain["invoke"]
    assert content
    assert reason == "stop"
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert langchain["batch"] == [content, content]
    assert langchain["keywords"] == content


def test_langchain_streams(langchain):
    pieces = langchain["stream"]
    assert len(pieces) > 2
    assert "".join(pieces) == langchain["invoke"][0]


def test_langchain_works_with_asyncio(langchain):
    content, pieces = langchain["asynchronous"]
    assert content == "".join(pieces) == langchain["invoke"][0]


def test_langchain_calls_tools(langchain):
    name, arguments, content = langchain["tools"]
    assert (name, sorted(arguments)) == ("add", ["a", "b"])
    assert content


def test_langchain_gets_structured_output(langchain):
    assert list(langchain["structured"]) == ["name"]


def test_langchain_sends_images(langchain):
    assert isinstance(langchain["images"], str)
    assert "Traceback" not in langchain["images"]


def test_langchain_completes_prompts(langchain):
    whole, pieces = langchain["completion"]
    assert "".join(pieces) == whole


def test_langchain_embeds(langchain):
    assert langchain["embeddings"] == [768, 2, 768]


def test_langchain_tells_that_there_is_no_server_or_model(langchain):
    assert "Failed to connect to Ollama" in langchain["no_server"]
    text, status = langchain["no_model"]
    assert "'nope'" in text
    assert status == 404


def test_autogen_asks_and_gets_an_answer(autogen):
    content, reason, tokens = autogen["invoke"]
    assert content
    assert reason == "stop"
    assert tokens > 0


def test_autogen_streams(autogen):
    pieces, whole = autogen["stream"]
    assert len(pieces) > 2
    assert "".join(pieces) == whole


def test_autogen_calls_tools(autogen):
    name, arguments, answered = autogen["tools"]
    assert (name, sorted(arguments), answered) == ("add", ["a", "b"], True)


def test_autogen_gets_structured_output(autogen):
    assert list(autogen["structured"]) == ["name"]


def test_autogen_sends_images(autogen):
    assert isinstance(autogen["images"], str)
    assert "Traceback" not in autogen["images"]


def test_autogen_writes_and_reads_its_configuration(autogen):
    options, content = autogen["configuration"]
    assert options == {"seed": 1}
    assert content
