"""Signatures and fields, compared with those of the ``ollama`` package."""

import importlib
import inspect

import pytest

ollama = pytest.importorskip("ollama")
pydantic = pytest.importorskip("pydantic")

import ollama._types as official_types  # noqa: E402 - there is none before the lines above

import ollamalite  # noqa: E402
from ollamalite import compat  # noqa: E402
from ollamalite._client import BaseClient  # noqa: E402

official_client = importlib.import_module("ollama._client")

# What others call and what frameworks wrap; the rest of what begins with an underscore is its own.
METHODS = [
    (client, name)
    for client in ("Client", "AsyncClient")
    for name, _ in inspect.getmembers(getattr(ollama, client), inspect.isfunction)
    if not name.startswith("_")
]
FUNCTIONS = [name for name, value in vars(ollama).items() if inspect.ismethod(value)]


def parameters(function):
    return list(inspect.signature(function).parameters.values())


def shape(parameter):
    return parameter.name, parameter.kind, parameter.default


def compare(official, ours):
    theirs, mine = parameters(official), parameters(ours)
    assert [shape(p) for p in mine[: len(theirs)]] == [shape(p) for p in theirs]
    assert {p.kind for p in mine[len(theirs) :]} <= {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize(("client", "name"), METHODS)
def test_a_method_takes_what_the_official_one_takes(client, name):
    official, ours = (getattr(getattr(package, client), name) for package in (ollama, ollamalite))
    compare(official, ours)
    assert inspect.iscoroutinefunction(official) == inspect.iscoroutinefunction(ours)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_the_package_takes_what_the_official_one_takes(name):
    compare(getattr(ollama, name), getattr(ollamalite, name))


@pytest.mark.parametrize("client", ["Client", "AsyncClient"])
def test_a_constructor_takes_what_the_official_one_takes(client):
    theirs = parameters(getattr(ollama, client))
    named = {p.name: shape(p) for p in parameters(getattr(ollamalite, client))}
    assert [named.pop(p.name) for p in theirs] == [shape(p) for p in theirs]
    for parameter in parameters(official_client.BaseClient):
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            assert named.pop(parameter.name) == shape(parameter)
    assert {kind for _, kind, _ in named.values()} == {inspect.Parameter.KEYWORD_ONLY}


def test_every_keyword_of_httpx_is_known():
    httpx = pytest.importorskip("httpx")
    for client in (httpx.Client, httpx.AsyncClient):
        for parameter in parameters(client):
            value = None if parameter.default is inspect.Parameter.empty else parameter.default
            if parameter.name == "base_url":
                continue  # the official client passes that itself
            ollamalite.Client(**{parameter.name: value}).close()


def test_the_method_that_instrumentation_wraps_takes_its_calls():
    for client in (ollamalite.Client, ollamalite.AsyncClient):
        signature = inspect.signature(client._request)
        signature.bind(None, dict, "POST", "/api/chat", json={}, stream=True)
        signature.bind(None, cls=dict, method="GET", path="/api/tags")
    assert inspect.iscoroutinefunction(ollamalite.AsyncClient._request)


def test_every_name_of_the_official_package_is_there():
    assert set(compat.NAMES) == set(ollama.__all__)
    for name in (*ollama.__all__, *FUNCTIONS, "ConnectionError", "TimeoutError", "__version__"):
        assert hasattr(ollamalite, name), name
    assert issubclass(ollamalite.ConnectionError, ConnectionError)
    assert issubclass(ollamalite.TimeoutError, TimeoutError)


def models():
    def inside(path, cls):
        yield path, cls
        for name, inner in vars(cls).items():
            if inspect.isclass(inner) and issubclass(inner, pydantic.BaseModel):
                yield from inside(f"{path}.{name}", inner)

    for name, cls in vars(official_types).items():
        own = inspect.isclass(cls) and cls.__module__ == official_types.__name__
        if own and issubclass(cls, pydantic.BaseModel) and not name.startswith(("Base", "Subscr")):
            yield from inside(name, cls)


MODELS = dict(models())


@pytest.mark.parametrize("path", [path for path in MODELS if path != "Image"])
def test_a_model_has_the_fields_of_the_official_one(path):
    ours = ollamalite
    for part in path.split("."):
        ours = getattr(ours, part)
    named = {p.name: p for p in parameters(ours)}
    for name, field in MODELS[path].model_fields.items():
        mine = ours.model_fields[name]
        assert mine.is_required() == field.is_required()
        assert mine.alias == (field.alias or {"from_": "from"}.get(name))
        if not field.is_required():
            assert mine.default == field.default
            assert named[name].default == field.default
        assert named[name].kind is inspect.Parameter.KEYWORD_ONLY
    assert ours.__qualname__ == MODELS[path].__qualname__


def test_an_exception_takes_what_the_official_one_takes():
    for name in ("RequestError", "ResponseError"):
        compare(getattr(ollama, name).__init__, getattr(ollamalite, name).__init__)


@pytest.mark.parametrize(
    "name", ["_copy_images", "_copy_messages", "_copy_tools", "_parse_docstring", "_parse_host"]
)
def test_a_private_function_that_others_use_takes_the_same_number_of_arguments(name):
    from ollamalite._host import parse_host

    utilities = importlib.import_module("ollama._utils")
    official = getattr(official_client, name, None) or getattr(utilities, name)
    ours = parse_host if name == "_parse_host" else getattr(compat, name)
    for theirs, mine in zip(parameters(official), parameters(ours)):
        assert (theirs.kind, theirs.default) == (mine.kind, mine.default)


def test_clients_share_a_base():
    assert issubclass(ollamalite.Client, BaseClient)
    assert issubclass(ollamalite.AsyncClient, BaseClient)
