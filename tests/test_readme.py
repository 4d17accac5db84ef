"""Every snippet of the README runs, and its tables tell the truth."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ollamalite
from ollamalite import errors, mock
from ollamalite._generated.operations import BY_ROUTE

from .complaints import complaints

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
PYTHON = [block for language, block in BLOCKS if language == "python"]
COMMANDS = [
    line
    for language, block in BLOCKS
    if language == "sh"
    for line in block.splitlines()
    if ".venv" not in line
]


@pytest.fixture(scope="module")
def server():
    with mock.serve() as running:
        yield running


def run(command, **env):
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("OLLAMA")}
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**inherited, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_a_python_snippet_runs(number, server):
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", PYTHON[number]]
    done = run(command, OLLAMA_HOST=server.url)
    assert (done.returncode, complaints(done.stderr.decode())) == (0, ""), done.stderr.decode()


@pytest.mark.skipif(os.name == "nt", reason="the lines are for a POSIX shell")
@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_line_runs(line):
    assert line.count("python3 ") == 1
    python = f"'{sys.executable}' -X dev -W error "
    done = run(["sh", "-c", line.replace("python3 ", python)])
    assert (done.returncode, complaints(done.stderr.decode())) == (0, ""), done.stderr.decode()
    assert done.stdout


def test_the_first_command_answers_in_more_than_one_word():
    done = run([sys.executable, *COMMANDS[0].replace('"', "").split()[1:6], "Why is the sky blue?"])
    assert len(done.stdout.split()) > 10


def test_continuous_integration_runs_the_test_command():
    (command,) = [line for _, block in BLOCKS for line in block.splitlines() if ".venv" in line]
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_table_of_operations_is_that_of_the_description():
    rows = re.findall(r"^\| `(\w+)` \| `(\w+) (\S+)` \| (streams)? ?\|$", TEXT, re.MULTILINE)
    table = {(method, url): (name, bool(streams)) for name, method, url, streams in rows}
    known = {route: (row.name, row.last is not None) for route, row in BY_ROUTE.items()}
    known["POST", "/api/blobs/{digest}"] = ("create_blob", False)
    assert table == known


def test_the_table_of_errors_names_every_class():
    named = set(
        re.findall(r"`(\w+)`", TEXT[TEXT.index("## Errors") : TEXT.index("## In place of")])
    )
    internal = {"TransportError"}
    assert set(errors.__all__) - named == internal
    for name in named:
        assert hasattr(ollamalite, name) or not name[0].isupper() or name == "ValueError"
