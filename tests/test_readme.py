"""Every snippet of the README runs, and its tables tell the truth."""

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
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
LINES = [
    line
    for language, block in BLOCKS
    if language == "sh"
    for line in block.splitlines()
    if ".venv" not in line
]
SERVERS = [line for line in LINES if "-m ollamalite.mock" in line]
COMMANDS = [line for line in LINES if line not in SERVERS]


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


@contextmanager
def serving(line, folder, upstream):
    """The URL of a server that a line of the README starts."""
    line = line.replace("python3 ", "").replace("http://127.0.0.1:11434", upstream)
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", *line.split(), "--port", "0"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield re.search(r"on (http://\S+)", process.stdout.readline().decode()).group(1)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[1] == b""
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(os.name == "nt", reason="the lines are for a POSIX shell")
def test_the_lines_that_start_servers_do_that(tmp_path, server):
    plain, faulty, record, replay = SERVERS
    message = [{"role": "user", "content": "Hi"}]
    with serving(plain, tmp_path, "") as url, ollamalite.Client(url) as client:
        said = client.generate("llama3.2", "Hi").response
    with serving(faulty, tmp_path, "") as url, ollamalite.Client(url) as client:
        with pytest.raises(ollamalite.ResponseError, match="server busy"):
            client.chat("llama3.2", message)
        assert client.version().version
    with serving(record, tmp_path, server.url) as url, ollamalite.Client(url) as client:
        assert client.generate("llama3.2", "Hi").response == said
    assert [path.name for path in (tmp_path / "recorded").iterdir()]
    with serving(replay, tmp_path, "") as url, ollamalite.Client(url) as client:
        assert client.generate("llama3.2", "Hi").response == said


def test_a_snippet_with_tests_passes_in_pytest(tmp_path):
    (snippet,) = [block for block in PYTHON if "def test_" in block]
    (tmp_path / "test_snippet.py").write_text(snippet)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = run([*command, "-W", "error", f"--rootdir={tmp_path}"])
    assert done.returncode == 0, done.stdout.decode()
    assert b"1 passed" in done.stdout


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
