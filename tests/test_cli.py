"""The command line, as processes of their own that talk over real sockets, pipes and terminals."""

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import pytest

from ollamalite import mock
from ollamalite._cli import _arguments, _display
from ollamalite._generated.models import ProcessResponse, ProgressResponse, ShowResponse

ROOT = Path(__file__).parent.parent
PATIENCE = 30.0
SKY = b"The sky is blue because of Rayleigh scattering"

posix = pytest.mark.skipif(os.name == "nt", reason="signals, terminals and closed streams of POSIX")


@pytest.fixture
def server() -> Iterator[mock.Server]:
    with mock.serve() as server:
        yield server


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    # A process that ignores SIGINT, as one in the background of a shell does, hands that down.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def environment(**extra: str) -> Dict[str, str]:
    unwanted = ("OLLAMA_", "PYTHON", "NO_COLOR", "LC_", "LANG")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
    return {**kept, "PYTHONUTF8": "1", "TERM": "xterm", **extra}


def command(*arguments: str) -> List[str]:
    return [sys.executable, "-X", "dev", "-W", "error", "-m", "ollamalite", *arguments]


class Result:
    def __init__(self, done: "subprocess.CompletedProcess[bytes]") -> None:
        self.code = done.returncode
        self.out = (done.stdout or b"").replace(b"\r\n", b"\n")
        self.err = (done.stderr or b"").replace(b"\r\n", b"\n")

    @property
    def text(self) -> str:
        """What was printed, of a command that had nothing to complain of."""
        assert (self.code, self.err) == (0, b"")
        return self.out.decode()

    @property
    def lines(self) -> List[str]:
        return self.text.splitlines()


def finish(command: List[str], **settings: Any) -> Result:
    standard = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": ROOT}
    if not {"input", "stdin"} & set(settings):
        standard["stdin"] = subprocess.DEVNULL
    settings = {**standard, "env": environment(), "timeout": PATIENCE, **settings}
    return Result(subprocess.run(command, check=False, **settings))


def run(*arguments: str, piped: bytes = b"", **env: str) -> Result:
    return finish(command(*arguments), input=piped, env=environment(**env))


@contextlib.contextmanager
def started(*arguments: str, **env: str) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        command(*arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        cwd=ROOT,
        env=environment(**env),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


class Peer:
    """A server of one request, which says what the test tells it, when the test tells it."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def accept(self) -> None:
        self._socket, _ = self._listener.accept()
        self._socket.settimeout(PATIENCE)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._socket.recv(65536)
        self._socket.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )

    def send(self, content: str = "", **members: Any) -> None:
        message = {"role": "assistant", "content": content}
        line = json.dumps({"model": "m", "message": message, "done": False, **members}).encode()
        self._socket.sendall(b"%x\r\n%s\n\r\n" % (len(line) + 1, line))

    def end(self) -> None:
        self.send(done=True, done_reason="stop")
        self._socket.sendall(b"0\r\n\r\n")

    def hang_up(self) -> None:
        self._socket.close()

    def was_hung_up_on(self) -> bool:
        try:
            while self._socket.recv(65536):
                pass
        except ConnectionError:
            return True
        return True

    def close(self) -> None:
        with contextlib.suppress(AttributeError):
            self._socket.close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        peer = Peer(listener)
        yield peer
        peer.close()


class Terminal:
    """A process on a terminal."""

    def __init__(self, *arguments: str, errors_apart: bool = False, **env: str) -> None:
        self._master, slave = os.openpty()
        self.process = subprocess.Popen(
            command(*arguments),
            stdin=slave,
            stdout=slave,
            stderr=subprocess.PIPE if errors_apart else slave,
            cwd=ROOT,
            env=environment(**env),
        )
        os.close(slave)
        self._seen = ""

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def until(self, text: Optional[str]) -> str:
        """Return what comes up to a text; without one, all up to the end."""
        deadline = time.monotonic() + PATIENCE
        while text is None or text not in self._seen:
            left = deadline - time.monotonic()
            assert left > 0, f"not seen: {text!r} in {self._seen!r}"
            if not select.select([self._master], [], [], left)[0]:
                continue
            try:
                data = os.read(self._master, 65536)
            except OSError:  # how Linux tells the end of a terminal
                data = b""
            if not data:
                assert text is None, f"not seen: {text!r} in {self._seen!r}"
                break
            self._seen += data.decode().replace("\r\n", "\n")
        end = len(self._seen) if text is None else self._seen.index(text) + len(text)
        seen, self._seen = self._seen[:end], self._seen[end:]
        return seen

    def code(self) -> int:
        return self.process.wait(PATIENCE)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: Any) -> None:
        with self.process:
            self.process.kill()
        os.close(self._master)


def last_body(server: mock.Server) -> Any:
    return server.requests[-1].json()


# -- answers ---------------------------------------------------------------------------------------


def test_the_mock_answers_a_prompt_and_says_nothing_else() -> None:
    result = run("--mock", "chat", "llama3.2", "Why is the sky blue?")
    assert result.text.startswith(SKY.decode())
    assert result.text.count("\n") == 1


@pytest.mark.parametrize("name", ["chat", "generate"])
def test_host_names_the_server(server: mock.Server, name: str) -> None:
    server.say("To get to the other side.")
    result = run("--host", server.url, name, "llama3.2", "Why?")
    assert result.text == "To get to the other side.\n"


def test_the_environment_names_the_server(server: mock.Server) -> None:
    server.say("Here.")
    assert run("chat", "llama3.2", "Where?", OLLAMA_HOST=server.url).text == "Here.\n"


def test_each_word_is_shown_before_the_next_one_exists(peer: Peer) -> None:
    with started("--host", peer.url, "chat", "m", "Count.") as process:
        assert process.stdout is not None
        peer.accept()
        for word in ("One", " two", " three"):
            peer.send(word)
            assert process.stdout.read(len(word)) == word.encode()
        peer.end()
        assert process.stdout.read() == b"\n"
        assert process.wait(PATIENCE) == 0


def test_an_answer_that_ends_its_line_gets_no_second_line_break(server: mock.Server) -> None:
    server.say("One line.\n")
    assert run("--host", server.url, "chat", "llama3.2", "x").text == "One line.\n"


@pytest.mark.parametrize(
    ("arguments", "piped", "prompt"),
    [
        (["Why?"], b"", "Why?"),
        (["Why", "is", "it?"], b"", "Why is it?"),
        ([], b"From a pipe.\n", "From a pipe."),
        (["Why?"], b"not read", "Why?"),
        (["Sum up:\n", "-"], b"Line 1\r\nLine 2\r\n", "Sum up:\n Line 1\nLine 2"),
        (["--", "-5", "is", "what?"], b"", "-5 is what?"),
        (["--system", "Be brief.", "Why?"], b"", "Why?"),
        (["Why", "--system", "Be brief.", "not?"], b"", "Why not?"),
        ([], "\ufeffEs grünt".encode(), "Es grünt"),
        ([], "Es grünt".encode("latin-1"), "Es gr\ufffdnt"),
    ],
)
@pytest.mark.parametrize("name", ["chat", "generate"])
def test_the_prompt_is_the_arguments_or_what_is_piped_in_their_place(
    server: mock.Server, name: str, arguments: List[str], piped: bytes, prompt: str
) -> None:
    assert run("--host", server.url, name, "llama3.2", *arguments, piped=piped).code == 0
    body = last_body(server)
    assert (body["messages"][-1]["content"] if name == "chat" else body["prompt"]) == prompt


def test_a_given_prompt_does_not_wait_for_a_pipe_that_nobody_ends(server: mock.Server) -> None:
    reading, writing = os.pipe()
    try:
        arguments = command("--host", server.url, "chat", "llama3.2", "Why?")
        assert finish(arguments, stdin=reading).code == 0
    finally:
        os.close(reading)
        os.close(writing)


def test_a_prompt_that_is_missing_is_a_usage_error(server: mock.Server) -> None:
    for name in ("chat", "generate", "embed"):
        result = run("--host", server.url, name, "llama3.2")
        assert result.code == 2
        assert b"give one as an argument, or on standard input" in result.err
    assert server.requests == []


def test_every_option_reaches_the_server(server: mock.Server, tmp_path: Path) -> None:
    image = tmp_path / "dot.png"
    image.write_bytes(b"\x89PNG dot")
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object"}')
    options = ["temperature=0.5", "seed=7", "stop=5", "stop=end", "use_mmap=false"]
    arguments = [
        *("--system", "Be brief.", "--no-think", "--image", str(image), "--image", str(image)),
        *("--format", str(schema), "--keep-alive", "5m"),
        *(part for option in options for part in ("--option", option)),
    ]
    expected = {
        "think": False,
        "format": {"type": "object"},
        "keep_alive": "5m",
        "options": {"temperature": 0.5, "seed": 7, "stop": ["5", "end"], "use_mmap": False},
        "stream": True,
    }
    encoded = [base64.b64encode(b"\x89PNG dot").decode()] * 2
    assert run("--host", server.url, "chat", "gemma3", "What?", *arguments).code == 0
    body = last_body(server)
    assert {key: body[key] for key in expected} == expected
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What?", "images": encoded},
    ]
    assert run("--host", server.url, "generate", "gemma3", "What?", *arguments).code == 0
    body = last_body(server)
    assert {key: body[key] for key in expected} == expected
    assert (body["system"], body["images"]) == ("Be brief.", encoded)


@pytest.mark.parametrize(
    ("arguments", "member", "value"),
    [
        ("--think", "think", True),
        ("--think-level high", "think", "high"),
        ("--format json", "format", "json"),
        ("--keep-alive 90", "keep_alive", 90),
        ("--keep-alive -1", "keep_alive", -1),
        ('--option stop=["a","b"]', "options", {"stop": ["a", "b"]}),
    ],
)
def test_values_are_sent_as_what_they_are(
    server: mock.Server, arguments: str, member: str, value: Any
) -> None:
    run("--host", server.url, "chat", "qwen3", "x", *arguments.split())
    assert last_body(server)[member] == value


def test_what_was_not_asked_for_is_not_sent(server: mock.Server) -> None:
    run("--host", server.url, "generate", "llama3.2", "x")
    assert set(last_body(server)) <= {"model", "prompt", "stream"}


def test_thoughts_go_to_standard_error_and_the_answer_to_standard_output(
    server: mock.Server,
) -> None:
    for name in ("chat", "generate"):
        server.say(mock.Answer("Four.", thinking="Two and two."))
        result = run("--host", server.url, name, "qwen3", "2 + 2?", "--think")
        assert (result.code, result.out) == (0, b"Four.\n")
        assert result.err == b"Thinking...\nTwo and two.\n...done thinking.\n\n"


def test_json_prints_the_records_of_an_answer(server: mock.Server) -> None:
    for name in ("chat", "generate"):
        server.say(mock.Answer("Four, \u2713.", thinking="Hm."))
        result = run("--host", server.url, name, "qwen3", "2 + 2?", "--json", "--think")
        records = [json.loads(line) for line in result.lines]
        assert [record["done"] for record in records] == [False] * (len(records) - 1) + [True]
        assert records[-1]["eval_count"] > 0
        pieces = [record.get("message", record) for record in records]
        assert "".join(piece.get("thinking", "") for piece in pieces) == "Hm."
        key = "content" if name == "chat" else "response"
        assert "".join(piece[key] for piece in pieces) == "Four, \u2713."
        assert "\u2713" in result.text


def test_json_prints_what_no_model_declares_and_every_digit_of_a_time(peer: Peer) -> None:
    members = {"created_at": "2026-01-02T03:04:05.123456789Z", "novelty": {"from": [1, None]}}
    with started("--host", peer.url, "chat", "m", "x", "--json") as process:
        peer.accept()
        peer.send("One", **members)
        peer.end()
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, b"")
    record = json.loads(out.splitlines()[0])
    assert {name: record[name] for name in members} == members


def test_embed_prints_the_vectors_of_its_texts_as_json(server: mock.Server) -> None:
    host = ("--host", server.url, "embed", "embeddinggemma")
    response = json.loads(run(*host, "one", "two", "--dimensions", "4").text)
    assert [len(vector) for vector in response["embeddings"]] == [4, 4]
    assert last_body(server)["input"] == ["one", "two"]
    assert len(json.loads(run(*host, piped=b"one\n").text)["embeddings"]) == 1
    assert last_body(server)["input"] == "one"


# -- models ----------------------------------------------------------------------------------------


def test_list_prints_an_aligned_table(server: mock.Server) -> None:
    lines = run("--host", server.url, "list").lines
    names = [line.split()[0] for line in lines]
    assert names[0] == "NAME"
    assert {"llama3.2:latest", "gemma3:latest"} <= set(names)
    row = next(line for line in lines if line.startswith("llama3.2:latest"))
    for heading in ("NAME", "ID", "SIZE", "MODIFIED"):
        column = lines[0].index(heading)
        assert all(line[column] != " " for line in lines)
        assert all(line[column - 1] == " " for line in lines if column)
    assert "2.0 GB" in row
    assert row.endswith("ago")


def test_ps_prints_the_models_that_are_loaded(server: mock.Server) -> None:
    assert run("--host", server.url, "ps").lines == [
        "NAME    ID    SIZE    PROCESSOR    CONTEXT    UNTIL"
    ]
    run("--host", server.url, "chat", "llama3.2", "x", "--keep-alive", "-1")
    heading, row = run("--host", server.url, "ps").lines
    assert row.startswith("llama3.2:latest")
    assert row.endswith("Forever")
    assert "00% " in row
    assert heading.index("UNTIL") == row.index("Forever")


@pytest.mark.parametrize(
    ("name", "method"), [("list", "/api/tags"), ("ps", "/api/ps"), ("version", "/api/version")]
)
def test_json_prints_all_that_the_server_tells(server: mock.Server, name: str, method: str) -> None:
    response = json.loads(run("--host", server.url, name, "--json").text)
    assert response.keys() == {"models"} or response.keys() == {"version"}
    assert server.requests[-1].path == method


def test_show_prints_the_key_facts(server: mock.Server) -> None:
    lines = run("--host", server.url, "show", "llama3.2").lines
    assert lines[0] == "  Model"
    facts = {tuple(line.strip().split(None, 1)) for line in lines}
    assert {("architecture", "llama"), ("parameters", "3.2B"), ("quantization", "Q4_K_M")} <= facts
    assert {("context", "length      131072"), ("tools",)} <= facts
    assert "model_info" in json.loads(run("--host", server.url, "show", "llama3.2", "--json").text)


def test_pull_prints_each_status_once_where_there_is_no_terminal(server: mock.Server) -> None:
    lines = run("--host", server.url, "pull", "mistral").lines
    assert lines[0] == "pulling manifest"
    assert lines[-1] == "success"
    assert len(set(lines)) == len(lines)
    assert "mistral:latest" in run("--host", server.url, "list").text


def test_pull_prints_records_as_json(server: mock.Server) -> None:
    records = [
        json.loads(line) for line in run("--host", server.url, "pull", "mistral", "--json").lines
    ]
    assert records[-1] == {"status": "success"}
    assert any("total" in record for record in records)


def test_a_model_is_copied_pushed_and_deleted(server: mock.Server) -> None:
    host = ("--host", server.url)
    assert run(*host, "copy", "llama3.2", "me/mine").text == "copied 'llama3.2' to 'me/mine'\n"
    assert run(*host, "push", "me/mine").lines[-1] == "success"
    assert run(*host, "rm", "me/mine", "gemma3").lines == ["deleted 'me/mine'", "deleted 'gemma3'"]
    names = run(*host, "list").text
    assert "mine" not in names
    assert "gemma3:" not in names


def test_version_tells_both_versions(server: mock.Server) -> None:
    client, remote = run("--host", server.url, "version").lines
    own = run("--version").text.split()
    assert client.split() == ["client", own[1]]
    assert remote.startswith("server 0.")


# -- failures --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["chat", "nope", "x"], "model 'nope' not found"),
        (["show", "nope"], "model 'nope:latest' not found"),
        (["chat", "gemma3", "x", "--image", "gone.png"], "File gone.png does not exist"),
        (["chat", "gemma3", "x", "--format", "gone.json"], "gone.json: No such file or directory"),
    ],
)
def test_a_failure_is_one_line_on_standard_error(
    server: mock.Server, arguments: List[str], text: str
) -> None:
    result = run("--host", server.url, *arguments)
    assert (result.code, result.out) == (1, b"")
    assert result.err.decode() == f"ollamalite: {text}\n"


def test_a_format_that_is_no_schema_is_refused(server: mock.Server, tmp_path: Path) -> None:
    for content, reason in (("{", "is not JSON: "), ("[]", "must be a JSON object")):
        path = tmp_path / "schema.json"
        path.write_text(content)
        result = run("--host", server.url, "chat", "gemma3", "x", "--format", str(path))
        assert result.code == 1
        assert result.err.startswith(f"ollamalite: {path} is not".encode())
        assert reason in result.err.decode()


def test_a_server_that_is_not_there_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    result = run("--host", f"127.0.0.1:{port}", "chat", "llama3.2", "x")
    assert (result.code, result.out) == (1, b"")
    assert result.err.startswith(b"ollamalite: Failed to connect to Ollama. ")
    assert result.err.count(b"\n") == 1


def test_a_silent_server_is_a_failure_after_the_timeout(peer: Peer) -> None:
    result = run("--host", peer.url, "--timeout", "0.05", "list")
    assert (result.code, result.out) == (1, b"")
    assert result.err.startswith(b"ollamalite: ")


def test_an_error_in_the_middle_of_an_answer_comes_after_its_pieces(server: mock.Server) -> None:
    server.say(mock.Answer("One two", error="the runner is gone", after=2))
    result = run("--host", server.url, "chat", "llama3.2", "x")
    assert (result.code, result.out) == (1, b"One two\n")
    assert result.err == b"ollamalite: the runner is gone\n"


def test_an_answer_that_is_cut_short_is_a_failure(peer: Peer) -> None:
    with started("--host", peer.url, "chat", "m", "x") as process:
        peer.accept()
        peer.send("One")
        peer.hang_up()
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (1, b"One" + os.linesep.encode())
    assert err.startswith(b"ollamalite: ")
    assert b"Traceback" not in err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["sing"],
        ["chat"],
        ["--mock", "--host", "x", "list"],
        ["--timeout", "soon", "list"],
        ["chat", "m", "x", "--option", "temperature"],
        ["chat", "m", "x", "--think", "--no-think"],
        ["chat", "m", "x", "--unknown"],
        ["list", "unwanted"],
    ],
)
def test_wrong_use_is_told_with_the_usage(arguments: List[str]) -> None:
    result = run(*arguments)
    assert (result.code, result.out) == (2, b"")
    assert result.err.startswith(b"usage: ollamalite")


def test_every_command_has_help() -> None:
    overview = run("--help").text
    for name in ("chat", "generate", "embed", "list", "show", "ps", "pull", "push", "version"):
        assert f"    {name} " in overview
        assert run(name, "--help").text.startswith(f"usage: ollamalite {name} ")


# -- interruptions ---------------------------------------------------------------------------------


@posix
def test_ctrl_c_hangs_up_and_ends_the_line(peer: Peer) -> None:
    with started("--host", peer.url, "chat", "m", "Count.") as process:
        assert process.stdout is not None
        peer.accept()
        peer.send("One")
        assert process.stdout.read(3) == b"One"
        process.send_signal(signal.SIGINT)
        assert peer.was_hung_up_on()
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (130, b"\n", b"")


@posix
def test_ctrl_c_before_the_first_word_hangs_up_too(peer: Peer) -> None:
    with started("--host", peer.url, "chat", "m", "Count.") as process:
        peer.accept()
        process.send_signal(signal.SIGINT)
        assert peer.was_hung_up_on()
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (130, b"", b"")


@posix
def test_ctrl_c_ends_the_mock_as_well() -> None:
    with started("--mock", "chat", "llama3.2", "Why is the sky blue?") as process:
        assert process.stdout is not None
        first = process.stdout.read(3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (130, b"")
    assert SKY.startswith(first)
    assert out.endswith(b"\n")


@posix
def test_ctrl_c_stops_a_generation_on_the_server(server: mock.Server) -> None:
    server.say(mock.Answer("word " * 10_000, delay=0.005))
    with started("--host", server.url, "generate", "llama3.2", "x") as process:
        assert process.stdout is not None
        assert process.stdout.read(4) == b"word"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    assert server.requests[-1].wait(PATIENCE) == "hung up"


@posix
def test_nobody_reading_the_answer_stops_it_quietly(peer: Peer) -> None:
    with started("--host", peer.url, "chat", "m", "Count.") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        peer.accept()
        peer.send("One")
        assert process.stdout.read(3) == b"One"
        process.stdout.close()
        peer.send(" two")
        assert peer.was_hung_up_on()
        assert process.stderr.read() == b""
        assert process.wait(PATIENCE) == 141


@posix
@pytest.mark.parametrize("arguments", [["list"], ["--help"], ["chat", "llama3.2", "x"]])
def test_a_closed_pipe_is_quiet_for_every_command(
    server: mock.Server, arguments: List[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        result = finish(command("--host", server.url, *arguments), stdout=writing)
    finally:
        os.close(writing)
    assert (result.code, result.err) == (141, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_an_output_that_cannot_be_written_is_a_failure(server: mock.Server) -> None:
    with open("/dev/full", "wb") as full:
        result = finish(command("--host", server.url, "list"), stdout=full)
    assert result.code == 1
    assert result.err == b"ollamalite: [Errno 28] No space left on device\n"


@posix
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_do_no_harm(server: mock.Server, closed: str) -> None:
    server.say("Fine.")
    own = command("--host", server.url, "chat", "llama3.2", "How?")
    result = finish(["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *own])
    assert (result.code, result.err) == (0, b"")
    assert result.out == (b"" if closed.startswith((">&-", "<&- >&-")) else b"Fine.\n")


# -- encodings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", "Gr\u00fcn \u2713 \U0001f600 ?"),
        ("ascii", "Gr?n ? ? ?"),
        ("cp1252", "Gr\u00fcn ? ? ?"),
        ("latin-1", "Gr\u00fcn ? ? ?"),
        ("utf-16", "Gr\u00fcn \u2713 \U0001f600 ?"),
    ],
)
def test_what_an_encoding_lacks_is_a_question_mark(peer: Peer, encoding: str, shown: str) -> None:
    extra = {"PYTHONIOENCODING": encoding}
    with started("--host", peer.url, "chat", "m", "Grün?", **extra) as process:
        peer.accept()
        for word in ("Gr\u00fcn", " \u2713", " \U0001f600", " \ud800"):
            peer.send(word)
        peer.end()
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, b"")
    assert out.decode(encoding).rstrip() == shown


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_json_loses_no_character_to_an_encoding(peer: Peer, encoding: str) -> None:
    extra = {"PYTHONIOENCODING": encoding}
    with started("--host", peer.url, "chat", "m", "x", "--json", **extra) as process:
        peer.accept()
        peer.send("Gr\u00fcn \ud800 \U0001f600")
        peer.end()
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, b"")
    record = json.loads(out.decode(encoding).splitlines()[0])
    assert record["message"]["content"] == "Gr\u00fcn \ud800 \U0001f600"


@posix
@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "C"},
        {"PYTHONIOENCODING": "ascii"},
    ],
)
def test_a_prompt_in_utf_8_arrives_under_any_locale(
    server: mock.Server, env: Dict[str, str]
) -> None:
    host = ("--host", server.url, "chat", "llama3.2")
    assert run(*host, "Grün ✓", "-", piped="größer\n".encode(), **env).code == 0
    assert last_body(server)["messages"][0]["content"] == "Grün ✓ größer"


@posix
def test_an_argument_that_is_no_text_does_no_harm(server: mock.Server) -> None:
    assert run("--host", server.url, "chat", "llama3.2", "Gr\udcfcn").code == 0
    assert last_body(server)["messages"][0]["content"] == "Gr\ufffdn"


# -- terminals -------------------------------------------------------------------------------------


@posix
def test_a_conversation_keeps_its_history(server: mock.Server) -> None:
    server.say("Hello, Ada.", "You are Ada.")
    with Terminal("--host", server.url, "chat", "llama3.2", "--system", "Be nice.") as terminal:
        terminal.until(">>> ")
        terminal.type("I am Ada.\n")
        assert terminal.until(">>> ") == "I am Ada.\nHello, Ada.\n>>> "
        terminal.type("\n")
        terminal.until(">>> ")
        terminal.type("Who am I? Größe!\n")
        assert "You are Ada.\n" in terminal.until(">>> ")
        terminal.type("\x04")
        assert terminal.until(None) == "\n"
        assert terminal.code() == 0
    assert last_body(server)["messages"] == [
        {"role": "system", "content": "Be nice."},
        {"role": "user", "content": "I am Ada."},
        {"role": "assistant", "content": "Hello, Ada."},
        {"role": "user", "content": "Who am I? Größe!"},
    ]


@posix
def test_ctrl_c_in_a_conversation_ends_the_answer_and_then_the_conversation(
    server: mock.Server,
) -> None:
    server.say(mock.Answer("word " * 10_000, delay=0.005), "Yes.")
    with Terminal("--host", server.url, "chat", "llama3.2") as terminal:
        terminal.until(">>> ")
        terminal.type("Talk.\n")
        terminal.until("word word")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.until(">>> ").endswith("\n>>> ")
        assert server.requests[-1].wait(PATIENCE) == "hung up"
        terminal.type("Done?\n")
        assert "\nYes.\n" in terminal.until(">>> ")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.until(None) == "\n"
        assert terminal.code() == 130
    asked, said, asked_again = last_body(server)["messages"]
    assert (asked["content"], asked_again["content"]) == ("Talk.", "Done?")
    assert said["content"].startswith("word word")


@posix
def test_a_failure_in_a_conversation_leaves_it_as_it_was(server: mock.Server) -> None:
    server.say(mock.Answer(error="the runner is gone", status=500), "Hi.")
    with Terminal("--host", server.url, "chat", "llama3.2") as terminal:
        terminal.until(">>> ")
        terminal.type("Lost.\n")
        assert "\nollamalite: the runner is gone\n>>> " in terminal.until(">>> ")
        terminal.type("Hello?\n")
        assert "\nHi.\n" in terminal.until(">>> ")
        terminal.type("\x04")
        assert terminal.code() == 0
    assert last_body(server)["messages"] == [{"role": "user", "content": "Hello?"}]


@posix
def test_images_go_with_the_first_message_alone(server: mock.Server, tmp_path: Path) -> None:
    image = tmp_path / "dot.png"
    image.write_bytes(b"\x89PNG dot")
    with Terminal("--host", server.url, "chat", "gemma3", "--image", str(image)) as terminal:
        for text in ("What is it?\n", "And now?\n", "\x04"):
            terminal.until(">>> ")
            terminal.type(text)
        assert terminal.code() == 0
    first, _, second = last_body(server)["messages"]
    assert "images" in first
    assert "images" not in second


@posix
def test_a_conversation_takes_any_bytes_from_the_terminal(server: mock.Server) -> None:
    server.say("Fine.")
    extra = {"PYTHONIOENCODING": "ascii"}
    with Terminal("--host", server.url, "chat", "llama3.2", **extra) as terminal:
        terminal.until(">>> ")
        terminal.type("Größe\n")
        terminal.until("Fine.\n>>> ")
        terminal.type("\x04")
        assert terminal.code() == 0
    assert last_body(server)["messages"][0]["content"] == "Größe"


@posix
def test_thoughts_are_dimmed_on_a_terminal(server: mock.Server) -> None:
    for env, dim, plain in (({}, "\x1b[2m", "\x1b[0m"), ({"NO_COLOR": "1"}, "", "")):
        server.say(mock.Answer("Four.", thinking="Two and two."))
        with Terminal("--host", server.url, "chat", "qwen3", "2+2?", "--think", **env) as terminal:
            assert terminal.until(None) == (
                f"{dim}Thinking...\nTwo and two.\n...done thinking.{plain}\n\nFour.\n"
            )
            assert terminal.code() == 0


@posix
def test_colors_are_put_back_when_thinking_is_interrupted(server: mock.Server) -> None:
    server.say(mock.Answer("x", thinking="hm " * 10_000, delay=0.005))
    with Terminal("--host", server.url, "chat", "qwen3", "2+2?", "--think") as terminal:
        terminal.until("hm hm")
        terminal.process.send_signal(signal.SIGINT)
        assert "\x1b[0m" in terminal.until(None)
        assert terminal.code() == 130


@posix
def test_a_transfer_grows_in_place_on_a_terminal(server: mock.Server) -> None:
    with Terminal("--host", server.url, "pull", "mistral") as terminal:
        shown = terminal.until(None)
        assert terminal.code() == 0
    lines = [line.split("\r")[-1].rstrip() for line in shown.rstrip().split("\n")]
    assert lines[0] == "pulling manifest"
    assert lines[-1] == "success"
    assert any(line.startswith("pulling ") and "100%  4.4 GB/4.4 GB" in line for line in lines)
    assert len({line.partition(":")[0] for line in lines}) == len(lines)


# -- the package, wherever it is -------------------------------------------------------------------


def copied(target: Path) -> None:
    shutil.copytree(ROOT / "ollamalite", target, ignore=shutil.ignore_patterns("__pycache__"))


def run_isolated(path: Path, module: str, *arguments: str) -> Result:
    program = (
        "import runpy, sys\n"
        f"sys.path.insert(0, {str(path)!r})\n"
        f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)\n"
    )
    alone = [sys.executable, "-I", "-S", "-W", "error", "-c", program]
    return finish([*alone, *arguments], cwd=path.parent)


def test_it_works_copied_under_another_name_without_site_packages(tmp_path: Path) -> None:
    copied(tmp_path / "vendored" / "deep" / "ollite")
    module = "vendored.deep.ollite"
    answer = run_isolated(tmp_path, module, "--mock", "chat", "llama3.2", "Sky blue?").text
    assert answer.startswith(SKY.decode())
    failure = run_isolated(tmp_path, module, "--mock", "show", "nope")
    assert (failure.code, failure.err) == (1, b"ollite: model 'nope:latest' not found\n")
    assert run_isolated(tmp_path, module).err.startswith(b"usage: ollite ")


def test_it_works_from_a_zip(tmp_path: Path) -> None:
    archive = tmp_path / "packed.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in (ROOT / "ollamalite").rglob("*.py"):
            packed.write(path, str(path.relative_to(ROOT)))
    answer = run_isolated(archive, "ollamalite", "--mock", "chat", "llama3.2", "Sky blue?").text
    assert answer.startswith(SKY.decode())


def test_importing_the_program_loads_nothing_that_a_command_needs() -> None:
    program = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import ollamalite.__main__\n"
        "print(*sorted(set(sys.modules) - before))\n"
    )
    loaded = set(finish([sys.executable, "-c", program]).text.split())
    own = {name for name in loaded if name.startswith("ollamalite")}
    assert own == {"ollamalite", "ollamalite._version", "ollamalite.__main__"}
    assert not loaded & {"argparse", "json", "socket", "ssl", "asyncio", "urllib.request"}


def test_a_command_loads_neither_the_mock_nor_what_async_clients_need(
    server: mock.Server,
) -> None:
    program = (
        "import sys\n"
        "from ollamalite.__main__ import main\n"
        "code = main(sys.argv[1:])\n"
        "print(*sorted(sys.modules))\n"
        "sys.exit(code)\n"
    )
    loaded = set(
        finish([sys.executable, "-c", program, "--host", server.url, "version"]).text.split()
    )
    assert "ollamalite._client" in loaded
    assert not loaded & {"ollamalite.mock", "ollamalite._async_transport", "asyncio"}


# -- text for people -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, ""),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 KB"),
        (1250, "1.2 KB"),
        (621_867_072, "621 MB"),
        (2_019_377_376, "2.0 GB"),
        (2_000_000_000, "2 GB"),
        (13_793_422_144, "13 GB"),
        (1_500_000_000_000, "1.5 TB"),
    ],
)
def test_a_size_has_a_decimal_unit(number: Optional[int], text: str) -> None:
    assert _display.size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (121, "2 minutes"),
        (3599, "59 minutes"),
        (3600, "About an hour"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (14 * 86400, "2 weeks"),
        (60 * 86400, "2 months"),
        (365 * 2 * 86400, "2 years"),
    ],
)
def test_a_span_is_said_in_its_largest_unit(seconds: float, text: str) -> None:
    assert _display.span(seconds) == text


def test_a_moment_is_said_from_now() -> None:
    now = datetime.now(timezone.utc)
    east = timezone(timedelta(hours=14))
    assert _display.moment(now - timedelta(days=21)) == "3 weeks ago"
    assert _display.moment((now - timedelta(days=21)).astimezone(east)) == "3 weeks ago"
    assert _display.moment(now + timedelta(minutes=4, seconds=30)) == "4 minutes from now"
    assert _display.moment(now + timedelta(days=365 * 200)) == "Forever"
    assert _display.moment(datetime(1, 1, 1, tzinfo=timezone.utc)) == "Never"
    assert _display.moment(datetime(1, 1, 1, tzinfo=east)) == "Never"
    assert _display.moment("not a time") == "not a time"
    assert _display.moment(None) == ""


@pytest.mark.parametrize(
    ("whole", "on_gpu", "text"),
    [
        (100, 0, "100% CPU"),
        (100, 100, "100% GPU"),
        (100, 25, "75%/25% CPU/GPU"),
        (100, 101, "Unknown"),
        (None, None, "100% CPU"),
        (0, 5, "Unknown"),
    ],
)
def test_the_processor_is_said_in_shares(
    whole: Optional[int], on_gpu: Optional[int], text: str
) -> None:
    assert _display.processor(whole, on_gpu) == text


def test_a_model_that_is_being_unloaded_is_said_to_stop() -> None:
    past = (datetime.now(timezone.utc) - timedelta(seconds=5)).isoformat()
    response = ProcessResponse(models=[{"name": "m", "expires_at": past}])
    assert _display.running(response).splitlines()[1].split() == ["m", "100%", "CPU", "Stopping..."]


def test_facts_that_a_server_leaves_out_are_not_shown() -> None:
    assert _display.facts(ShowResponse(modelinfo=None)) == ""
    cloud = ShowResponse(
        modelinfo={"general.architecture": "gptoss", "gptoss.context_length": 131072},
        remote_model="gpt-oss:120b",
        remote_host="https://ollama.com:443",
        capabilities=["thinking"],
        license="One\n\nTwo\nThree",
    )
    assert _display.facts(cloud) == (
        "  Model\n"
        "    remote model      gpt-oss:120b\n"
        "    remote host       https://ollama.com:443\n"
        "    architecture      gptoss\n"
        "    context length    131072\n"
        "\n  Capabilities\n    thinking\n"
        "\n  License\n    One\n    Two\n"
    )


def test_progress_is_said_in_percent() -> None:
    step = ProgressResponse(status="pulling abc", total=2_000_000_000, completed=500_000_000)
    assert _display.progress(step) == "pulling abc:  25%  500 MB/2 GB"
    started_only = ProgressResponse(status="pulling abc", total=1000)
    assert _display.progress(started_only) == "pulling abc:   0%  0 B/1 KB"
    assert _display.progress(ProgressResponse(status="success")) == "success"


@pytest.mark.parametrize(
    ("argument", "value"), [("5m", "5m"), ("0", 0), ("-1", -1), ("1.5", 1.5), ("nan", "nan")]
)
def test_a_duration_is_a_number_or_a_text(argument: str, value: Any) -> None:
    assert _arguments.duration(argument) == value
