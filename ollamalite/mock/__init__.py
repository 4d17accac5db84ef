"""A server that answers as Ollama does, without a model: for tests and demonstrations.

    with ollamalite.mock.serve() as server:
        client = ollamalite.Client(host=server.url)
        …
        assert server.requests[-1].path == "/api/chat"

What it says is made up, but always the same for the same prompt; `Server.say` puts other words
into its mouth, and `Server.fail` lets things go wrong. Everything else is as on a real server:
routes, checks, error texts, framing, and a store of models that create, copy, delete, pull and
push really change. `record` keeps what a real server says, and ``serve(replay=…)`` gives it again.
The module `pytest_plugin` here has a fixture.
"""

from ._app import Recorded
from ._mind import Answer
from ._record import Recorder, record
from ._server import Server, serve
from ._store import Layer, Model

__all__ = ["Answer", "Layer", "Model", "Recorded", "Recorder", "Server", "record", "serve"]
