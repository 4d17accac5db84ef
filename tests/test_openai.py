"""The ``openai`` package works with the mock server as it does with Ollama."""

import asyncio
import base64
import importlib.util
import json
from typing import Any, List

import pytest

from ollamalite.mock import Answer, serve

if importlib.util.find_spec("openai") is None:
    pytest.skip("the openai package is installed with the dev extra", allow_module_level=True)

import openai
from pydantic import BaseModel

from .prompts import ADD, SKY


class City(BaseModel):
    name: str
    people: int


@pytest.fixture(scope="module")
def server():
    with serve(delay=0) as server:
        yield server


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="ollama", max_retries=0) as client:
        yield client


def test_a_chat_gets_an_answer(client):
    answer = client.chat.completions.create(model="llama3.2", messages=SKY)
    (choice,) = answer.choices
    assert choice.message.role == "assistant"
    assert "Rayleigh" in choice.message.content
    assert (choice.finish_reason, answer.system_fingerprint) == ("stop", "fp_ollama")
    usage = answer.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0


def test_a_chat_comes_in_pieces(client):
    whole = client.chat.completions.create(model="llama3.2", messages=SKY)
    options: Any = {"include_usage": True}
    *pieces, last, usage = client.chat.completions.create(
        model="llama3.2", messages=SKY, stream=True, stream_options=options
    )
    text = "".join(piece.choices[0].delta.content for piece in pieces)
    assert text == whole.choices[0].message.content
    assert len(pieces) > 2
    assert last.choices[0].finish_reason == "stop"
    assert (usage.choices, usage.usage) == ([], whole.usage)


def test_the_helper_for_streams_puts_the_answer_together(client):
    with client.chat.completions.stream(model="llama3.2", messages=SKY) as stream:
        kinds = {event.type for event in stream}
        answer = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert "Rayleigh" in answer.choices[0].message.content


def test_a_tool_is_called_and_answers(client):
    messages = [{"role": "user", "content": "What is 3 plus 4? Use add."}]
    answer = client.chat.completions.create(model="llama3.2", messages=messages, tools=[ADD])
    (choice,) = answer.choices
    assert choice.finish_reason == "tool_calls"
    (call,) = choice.message.tool_calls
    assert (call.type, call.function.name) == ("function", "add")
    assert sorted(json.loads(call.function.arguments)) == ["a", "b"]
    result = {"role": "tool", "tool_call_id": call.id, "content": "7"}
    again = client.chat.completions.create(
        model="llama3.2", messages=[*messages, choice.message, result], tools=[ADD]
    )
    assert again.choices[0].message.content == "add says: 7"


def test_tool_calls_come_in_a_stream(client):
    with client.chat.completions.stream(model="llama3.2", messages=SKY, tools=[ADD]) as stream:
        answer = stream.get_final_completion()
    (choice,) = answer.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls[0].function.name == "add"


def test_an_answer_fits_a_class(client):
    answer = client.chat.completions.parse(model="llama3.2", messages=SKY, response_format=City)
    assert isinstance(answer.choices[0].message.parsed, City)
    answer = client.chat.completions.create(
        model="llama3.2", messages=SKY, response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(answer.choices[0].message.content), dict)


def test_a_model_thinks_and_can_be_kept_from_it(client):
    answer = client.chat.completions.create(model="qwen3", messages=SKY)
    assert answer.choices[0].message.model_extra["reasoning"]
    answer = client.chat.completions.create(model="qwen3", messages=SKY, reasoning_effort="none")
    assert "reasoning" not in answer.choices[0].message.model_extra


def test_log_probabilities_and_pictures_are_typed(client):
    answer = client.chat.completions.create(
        model="llama3.2", messages=SKY, logprobs=True, top_logprobs=2
    )
    entries = answer.choices[0].logprobs.content
    assert "".join(entry.token for entry in entries) == answer.choices[0].message.content
    assert all(len(entry.top_logprobs) == 2 for entry in entries)
    url = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
    parts: Any = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    answer = client.chat.completions.create(
        model="gemma3", messages=[{"role": "user", "content": parts}]
    )
    assert answer.choices[0].message.content.startswith("The picture")


def test_a_text_is_completed_whole_and_in_pieces(client):
    whole = client.completions.create(model="llama3.2", prompt="Why is the sky blue?")
    *pieces, last = client.completions.create(
        model="llama3.2", prompt="Why is the sky blue?", stream=True
    )
    assert "".join(piece.choices[0].text for piece in pieces) == whole.choices[0].text
    assert last.choices[0].finish_reason == whole.choices[0].finish_reason == "stop"
    short = client.completions.create(model="llama3.2", prompt="Why is the sky blue?", max_tokens=2)
    assert short.choices[0].finish_reason == "length"


def test_texts_become_vectors(client):
    # Without a format of the caller's the package asks for base64 and decodes it.
    packed = client.embeddings.create(model="embeddinggemma", input=["a", "b"])
    plain = client.embeddings.create(
        model="embeddinggemma", input=["a", "b"], encoding_format="float"
    )
    assert [entry.index for entry in packed.data] == [0, 1]
    for ours, theirs in zip(packed.data, plain.data):
        assert list(ours.embedding) == pytest.approx(theirs.embedding)
    short = client.embeddings.create(model="embeddinggemma", input="a", dimensions=8)
    assert len(short.data[0].embedding) == 8


def test_models_are_listed_and_looked_up(client, server):
    names: List[str] = [model.id for model in client.models.list()]
    assert names == [model.name.short for model in server.store.models()]
    model = client.models.retrieve("llama3.2")
    assert (model.id, model.object, model.owned_by) == ("llama3.2", "model", "library")


def test_a_response_is_given_whole_and_in_events(client):
    whole = client.responses.create(model="llama3.2", input="Why is the sky blue?")
    assert "Rayleigh" in whole.output_text
    with client.responses.stream(model="llama3.2", input="Why is the sky blue?") as stream:
        text = "".join(each.delta for each in stream if each.type == "response.output_text.delta")
        last = stream.get_final_response()
    assert text == last.output_text == whole.output_text
    assert last.usage == whole.usage
    parsed = client.responses.parse(model="llama3.2", input="Where?", text_format=City)
    assert isinstance(parsed.output_parsed, City)


def test_a_response_calls_a_tool_and_goes_on(client):
    tool: Any = {"type": "function", "strict": False, **ADD["function"]}
    items: Any = [{"role": "user", "content": "What is 3 plus 4? Use add."}]
    answer = client.responses.create(model="qwen3", input=items, tools=[tool])
    kinds = [item.type for item in answer.output]
    assert kinds == ["reasoning", "function_call"]
    call = answer.output[-1]
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "7"}
    again = client.responses.create(
        model="qwen3", input=[*items, *answer.output, result], tools=[tool]
    )
    assert again.output_text == "add says: 7"


def test_a_sound_is_written_down(client):
    sound = ("speech.wav", b"RIFF\x24\0\0\0WAVEfmt ")
    answer = client.audio.transcriptions.create(model="gemma3", file=sound)
    assert answer.text == "The sound has 16 bytes."


def test_failures_have_the_classes_of_their_statuses(client, server):
    with pytest.raises(openai.NotFoundError, match="model 'nope' not found") as caught:
        client.chat.completions.create(model="nope", messages=SKY)
    assert (caught.value.type, caught.value.code) == ("not_found_error", None)
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nope")
    with pytest.raises(openai.BadRequestError, match="too short"):
        client.chat.completions.create(model="llama3.2", messages=[])
    server.say(Answer(error="broken", status=500))
    with pytest.raises(openai.InternalServerError, match="broken"):
        client.chat.completions.create(model="llama3.2", messages=SKY)


def test_it_all_works_with_asyncio(client, server):
    async def run():
        settings: Any = {"base_url": f"{server.url}/v1", "api_key": "x", "max_retries": 0}
        async with openai.AsyncOpenAI(**settings) as asynchronous:
            whole = await asynchronous.chat.completions.create(model="llama3.2", messages=SKY)
            stream = await asynchronous.chat.completions.create(
                model="llama3.2", messages=SKY, stream=True
            )
            pieces = [piece.choices[0].delta.content or "" async for piece in stream]
            vectors = await asynchronous.embeddings.create(model="embeddinggemma", input="a")
            names = [model.id async for model in asynchronous.models.list()]
            with pytest.raises(openai.NotFoundError):
                await asynchronous.completions.create(model="nope", prompt="x")
            return whole, pieces, vectors, names

    whole, pieces, vectors, names = asyncio.run(run())
    assert "".join(pieces) == whole.choices[0].message.content
    assert len(vectors.data) == 1
    assert "llama3.2:latest" in names
