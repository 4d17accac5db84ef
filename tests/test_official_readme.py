"""The snippets of the ``ollama`` package's README run with this package in its place."""

import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from ollamalite import mock

from .complaints import complaints

try:
    README = metadata.metadata("ollama").get_payload() or metadata.metadata("ollama")["Description"]
except metadata.PackageNotFoundError:
    README = ""

ROOT = Path(__file__).parent.parent
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
MODELS = ("gemma4", "nimble", "gpt-oss:120b-cloud", "gpt-oss:120b", "user/gemma4")

# Modules that the official package needs and this one does without.
BEGIN = """
import sys

class Absent:
    @staticmethod
    def find_spec(name, *_):
        if name.partition(".")[0] in ("httpx", "httpcore", "anyio", "pydantic", "pydantic_core"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent)
"""
WAYS = {
    "imported under the name": "import ollamalite as ollama\nsys.modules['ollama'] = ollama\n",
    "installed in its place": (
        "from ollamalite.compat import install_as_ollama\ninstall_as_ollama()\nimport ollama\n"
    ),
}

pytestmark = pytest.mark.skipif(not SNIPPETS, reason="the ollama package is not installed")


@pytest.fixture
def server():
    with mock.serve(models=MODELS, registry=("gemma4", "does-not-yet-exist")) as running:
        yield running


def rewired(snippet, url):
    """The snippet with the addresses that it names turned to the mock server's."""
    return snippet.replace("'https://ollama.com'", repr(url)).replace(
        "'http://localhost:11434'", repr(url)
    )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_a_snippet_of_the_official_readme_runs(number, way, server):
    code = BEGIN + WAYS[way] + rewired(SNIPPETS[number], server.url)
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code],
        cwd=ROOT,
        env={**os.environ, "OLLAMA_HOST": server.url, "OLLAMA_API_KEY": "key"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, complaints(done.stderr)) == (0, ""), done.stderr


def test_the_official_readme_has_its_snippets():
    assert len(SNIPPETS) == 21
