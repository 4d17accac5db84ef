"""A pytest fixture: a mock server for each test that asks for one.

In a ``conftest.py``::

    pytest_plugins = ["ollamalite.mock.pytest_plugin"]

and in a test::

    def test_a_summary_is_short(ollama_server):
        ollama_server.say("Short.")
        assert my_program.summary("a long text") == "Short."

For the time of the test ``OLLAMA_HOST`` names the server, so that clients which are made without a
host talk to it, and so do the functions of this package, wherever they were imported before.
"""

import sys
from typing import Any, Dict, Iterator

import pytest

from ._server import Server, serve

_PACKAGE = __name__.rpartition(".mock.")[0]


@pytest.fixture
def ollama_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A mock Ollama server of this test alone, which `OLLAMA_HOST` names."""
    with serve() as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        earlier = _forget()
        yield server
        transport = _forget().get("_transport")
        if transport is not None:
            transport.close()
        _shared().update(earlier)


def _shared() -> Dict[str, Any]:
    """The state of the client behind the functions of the package."""
    names: Dict[str, object] = vars(sys.modules[_PACKAGE])
    shared = names.get("_shared")
    return {} if shared is None else vars(shared)


def _forget() -> Dict[str, Any]:
    """Let that client read the environment anew at its next use; return what it had."""
    state = _shared()
    earlier = dict(state)
    state.clear()
    return earlier
