"""The pytest fixture, in runs of pytest of their own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONFTEST = 'pytest_plugins = ["ollamalite.mock.pytest_plugin"]\n'
TESTS = """
import asyncio
import os

import pytest

import ollamalite
from ollamalite import AsyncClient, Client, chat

HI = [{"role": "user", "content": "Hi"}]
URLS = []


@pytest.mark.parametrize("number", range(3))
def test_each_test_has_a_server_of_its_own(ollama_server, number):
    assert ollama_server.requests == []
    assert os.environ["OLLAMA_HOST"] == ollama_server.url
    ollama_server.say(f"one {number}", f"two {number}", f"three {number}", f"four {number}")
    assert chat("llama3.2", HI).message.content == f"one {number}"
    assert ollamalite.generate("llama3.2", "Hi").response == f"two {number}"
    with Client() as client:
        assert client.chat("llama3.2", HI).message.content == f"three {number}"

    async def ask():
        async with AsyncClient() as client:
            return (await client.chat("llama3.2", HI)).message.content

    assert asyncio.run(ask()) == f"four {number}"
    assert [request.path for request in ollama_server.requests][1] == "/api/generate"


def test_the_official_client_talks_to_it(ollama_server):
    ollama = pytest.importorskip("ollama")
    ollama_server.say("Hello.")
    client = ollama.Client()
    assert client.chat("llama3.2", HI).message.content == "Hello."
    client._client.close()


def test_other_tests_are_as_they_were():
    assert os.environ["OLLAMA_HOST"] == "http://127.0.0.1:9"
    with pytest.raises(ConnectionError, match="127.0.0.1:9"):
        chat("llama3.2", HI)


def test_a_configured_client_is_put_aside(ollama_server):
    assert chat("llama3.2", HI).done


def test_and_comes_back():
    del os.environ["OLLAMA_HOST"]
    with pytest.raises(ConnectionError, match="127.0.0.1:9"):
        chat("llama3.2", HI)
"""


def test_the_fixture_gives_each_test_a_server_that_clients_find(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_program.py").write_text(TESTS)
    command = [sys.executable, "-X", "dev", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "-W", "error"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OLLAMA_HOST": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 passed" in done.stdout or "6 passed, 1 skipped" in done.stdout


def test_the_package_itself_never_loads_pytest() -> None:
    code = (
        "import sys, ollamalite.mock, ollamalite.mock.__main__; assert 'pytest' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 0
