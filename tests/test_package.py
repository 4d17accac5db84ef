"""What is promised about the package as a whole: layers, no dependencies, nothing at import."""

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import ollamalite
from ollamalite import mock

from .complaints import complaints

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "ollamalite"

# A module imports from lower layers, and from its own layer where nothing forms a ring.
LAYERS = [
    {
        "errors",
        "_version",
        "_convert",
        "_scalars",
        "_model",
        "_records",
        "_dump",
        "_images",
        "_keywords",
        "_introspection",
        "_callee",
        "_docstring",
        "_references",
        "_schema",
        "_tool",
    },
    {"_operation", "_stream", "_generated", "_ndjson", "_host"},
    {"_exchange", "tools", "_settings", "_httpx"},
    {"_http1", "_route", "_resolve", "_plan", "_log", "_patience", "_failures", "_opener", "_tls"},
    {"_sync_dial", "_async_dial"},
    {"_sync_pool", "_async_pool"},
    {"_sync_transport", "_async_transport"},
    {"_client"},
    {"__init__", "__main__", "_cli", "mock", "compat"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

FOREIGN = {
    (os.path.join("mock", "pytest_plugin.py"), "pytest"),
    ("_model.py", "pydantic_core"),
    ("_images.py", "pydantic_core"),
}
STDLIB = getattr(sys, "stdlib_module_names", None)


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE), ast.parse(path.read_text(encoding="utf-8"))


def imports(tree):
    """Every import that runs, wherever it stands; what only type checkers see does not."""
    hidden = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            branch = node.orelse if isinstance(node.test, ast.UnaryOp) else node.body
            hidden.update(id(inner) for part in branch for inner in ast.walk(part))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)) and id(node) not in hidden:
            yield node


def place(path):
    return path.parts[0].replace(".py", "")


def targets(path, node):
    """The modules of the package that a relative import reaches."""
    package = list(path.parts[:-1])
    base = package[: len(package) - (node.level - 1)]
    if node.module:
        yield "/".join([*base, *node.module.split(".")])
    else:
        for alias in node.names:
            yield "/".join([*base, alias.name])


def test_every_module_has_a_layer_and_every_layer_its_modules():
    present = {place(path) for path, _ in modules()}
    assert present == set(LEVEL) & present
    assert set(LEVEL) - present <= {"compat"}


def test_modules_import_only_from_lower_layers_or_their_own():
    for path, tree in modules():
        for node in imports(tree):
            if isinstance(node, ast.ImportFrom) and node.level:
                for target in targets(path, node):
                    name = target.split("/")[0]
                    assert LEVEL[name] <= LEVEL[place(path)], f"{path} imports {target}"


def test_modules_never_name_their_own_package():
    for path, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            else:
                continue
            assert not any(name.split(".")[0] == "ollamalite" for name in names), path


@pytest.mark.skipif(STDLIB is None, reason="Python knows the names of its library since 3.10")
def test_modules_import_nothing_beyond_the_standard_library():
    for path, tree in modules():
        for node in imports(tree):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module]
            if isinstance(node, ast.ImportFrom) and node.level:
                continue
            for name in names:
                # Only pydantic itself and pytest itself load what imports these.
                if (str(path), name) not in FOREIGN:
                    assert name.split(".")[0] in STDLIB, f"{path} imports {name}"


def run(code, *, cwd, flags=(), env=None):
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", *flags, "-c", code],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert complaints(done.stderr) == ""
    return done.stdout


def test_importing_the_package_loads_nothing_that_can_wait():
    loaded = run(
        "import sys; before = set(sys.modules); import ollamalite;"
        "print(*sorted(set(sys.modules) - before))",
        cwd=ROOT,
    ).split()
    ours = [name for name in loaded if name.startswith("ollamalite")]
    assert ours == ["ollamalite", "ollamalite._version"]
    waiting = {"asyncio", "ssl", "socket", "json", "typing", "urllib.request", "dataclasses"}
    assert not waiting & set(loaded)


def test_a_first_request_loads_nothing_that_only_others_need():
    with mock.serve() as server:
        loaded = run(
            "import sys, ollamalite\n"
            f"with ollamalite.Client({server.url!r}) as client: client.list()\n"
            "print(*sys.modules)",
            cwd=ROOT,
        ).split()
    waiting = {"asyncio", "ssl", "email", "http.client", "urllib.request", "logging", "inspect"}
    assert not waiting & set(loaded)


def test_importing_every_module_reads_no_environment_and_opens_no_socket():
    run(
        """
import os, pkgutil, importlib, sys
reads = []
class Environment(type(os.environ)):
    def __getitem__(self, key):
        if key.upper().startswith(("OLLAMA", "HTTP", "ALL_PROXY", "NO_PROXY", "SSL")):
            reads.append(key)
        return super().__getitem__(key)
os.environ.__class__ = Environment
assert os.environ.get("HTTP_PROXY") and reads == ["HTTP_PROXY"]
reads.clear()
sys.addaudithook(lambda event, _: reads.append(event) if event.startswith("socket.") else None)
import ollamalite
for module in pkgutil.walk_packages(ollamalite.__path__, "ollamalite."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
assert not reads, reads
""",
        cwd=ROOT,
        env={"HTTP_PROXY": "http://127.0.0.1:9", "OLLAMA_HOST": "http://x:99999"},
    )


USE = """
import sys
sys.path.insert(0, {path!r})
import {name} as package
from {name} import mock
import asyncio
with mock.serve() as server:
    with package.Client(server.url) as client:
        message = dict(role="user", content="hi")
        assert len(list(client.chat("llama3.2", [message], stream=True))) > 2
    async def ask():
        async with package.AsyncClient(server.url) as client:
            return (await client.generate("llama3.2", "hi")).response
    assert asyncio.run(ask())
print(package.__name__)
"""


def copy_of_the_package(target):
    shutil.copytree(PACKAGE, target, ignore=shutil.ignore_patterns("__pycache__"))


def test_the_folder_works_under_another_name_deep_in_a_project(tmp_path):
    target = tmp_path / "vendored" / "deep" / "ollite"
    target.parent.mkdir(parents=True)
    copy_of_the_package(target)
    for folder in (target.parent, target.parent.parent):
        (folder / "__init__.py").write_text("")
    code = USE.format(path=str(tmp_path), name="vendored.deep.ollite")
    assert run(code, cwd=tmp_path) == "vendored.deep.ollite\n"


def test_the_folder_works_isolated_and_without_site_packages(tmp_path):
    copy_of_the_package(tmp_path / "ollite")
    code = USE.format(path=str(tmp_path), name="ollite")
    assert run(code, cwd=tmp_path, flags=("-I", "-S")) == "ollite\n"


def test_the_folder_works_from_a_zip_file(tmp_path):
    archive = tmp_path / "bundle.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        for path in PACKAGE.rglob("*"):
            if "__pycache__" not in path.parts:
                bundle.write(path, path.relative_to(ROOT))
    code = USE.format(path=str(archive), name="ollamalite")
    assert run(code, cwd=tmp_path) == "ollamalite\n"


def test_every_public_name_can_be_read_and_nothing_else_leaks():
    for name in ollamalite.__all__:
        assert getattr(ollamalite, name) is getattr(ollamalite, name)
    assert dir(ollamalite) == sorted(ollamalite.__all__)
    for name in ("nothing", "_nothing", "Record", "os"):
        with pytest.raises(AttributeError, match=name):
            getattr(ollamalite, name)


def test_a_star_import_gives_every_public_name():
    names = {}
    exec("from ollamalite import *", names)
    assert set(ollamalite.__all__) <= set(names)


def test_the_functions_of_the_module_are_methods_of_one_client():
    assert ollamalite.chat.__self__ is ollamalite.list.__self__
    assert isinstance(ollamalite.chat.__self__, ollamalite.Client)
