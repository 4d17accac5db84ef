"""Run schemathesis against a mock server of this process; `test_schemathesis` starts it.

All checks of schemathesis are on but for three that look for what the real server does not do:

- ``negative_data_rejection`` wants every request refused that does not fit the description, but
  the server ignores what it does not know and takes null for nearly everything;
- ``positive_data_acceptance`` wants every request accepted that fits, but JSON Schema cannot say
  what a model name, a duration or a digest is, nor which model can do what;
- ``ignored_auth`` wants a wrong key refused, but the mock has no list of keys.

Statuses from 500 on are failures unless the description has them: the server answers so when a
registry refuses or an option has the wrong type. A handler that crashes ends the connection, and
the run fails.
"""

import copy
import json
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Dict, List, Set

import schemathesis
import yaml
from schemathesis.cli import schemathesis as command

from ollamalite.mock import Model, serve

ROOT = Path(__file__).parent.parent
DESCRIPTION = ROOT / "openapi" / "ollama.yaml"
CAPABILITIES = ("completion", "tools", "thinking", "insert", "vision", "embedding")
LEFT_OUT = ("negative_data_rejection", "positive_data_acceptance", "ignored_auth")
CONFIGURATION = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "500", "502", "503"]
"""


def view(description: Dict[str, Any]) -> Dict[str, Any]:
    """The description as schemathesis reads it.

    It knows OpenAPI 3.2, but no ``itemSchema`` of lines and no ``serializedValue``.
    """
    seen = copy.deepcopy(description)
    waiting: List[Any] = [seen]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            lines = value.get("application/x-ndjson")
            if lines is not None:
                lines["schema"] = {"type": "array", "items": lines.pop("itemSchema")}
            if "serializedValue" in value:
                value["value"] = value.pop("serializedValue")
            waiting += value.values()
    return seen


def asked(description: Dict[str, Any]) -> Set[str]:
    """The models that requests of the description ask for."""
    found: Set[str] = set()
    for item in description["paths"].values():
        for operation in item.values():
            body = operation.get("requestBody", {}) if isinstance(operation, dict) else {}
            for media in body.get("content", {}).values():
                values = [example.get("value") for example in media["examples"].values()]
                found |= {value["model"] for value in values if value and "model" in value}
    return found


@schemathesis.deserializer("application/x-ndjson")
def lines(ctx: Any, response: Any) -> List[Any]:
    if not response.content.endswith((b"\n", b"}")):
        return [response.text]  # a transcription, which has this type too
    return [json.loads(line) for line in response.content.split(b"\n") if line]


def main(examples: str) -> int:
    crashes: List[str] = []
    threading.excepthook = lambda crash: crashes.append(repr(crash.exc_value))
    description = yaml.safe_load(DESCRIPTION.read_text(encoding="utf-8"))
    with serve(delay=0, cloud=True) as server, tempfile.TemporaryDirectory() as folder:
        for name in asked(description):
            model = Model(name, capabilities=CAPABILITIES)
            if server.store.find(model.name) is None and model.name.valid:
                server.store.put(model)
        models = [model.copy() for model in server.store.models()]

        @schemathesis.hook
        def before_call(ctx: Any, case: Any, kwargs: Any) -> None:
            # What an earlier case has deleted or signed out is there again.
            for model in models:
                if server.store.find(model.name) is None:
                    server.store.put(model.copy())
            server._app.signed_in = True

        file = Path(folder, "ollama.json")
        file.write_text(json.dumps(view(description)), encoding="utf-8")
        configuration = Path(folder, "schemathesis.toml")
        configuration.write_text(CONFIGURATION, encoding="utf-8")
        # It keeps notes of what it found where it runs.
        os.chdir(folder)
        status: int = command.main(
            [
                f"--config-file={configuration}",
                "run",
                str(file),
                f"--url={server.url}",
                f"--max-examples={examples}",
                f"--exclude-checks={','.join(LEFT_OUT)}",
                "--seed=1",
                "--generation-deterministic",
                "--continue-on-failure",
                "--no-color",
            ],
            standalone_mode=False,
        )
        os.chdir(ROOT)
    for crash in crashes:
        print("CRASHED:", crash)
    return 1 if crashes else status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
