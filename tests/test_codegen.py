"""The generator: what it makes of a description, and what it refuses."""

import importlib
import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytest.importorskip(
    "datamodel_code_generator", reason="the generator runs on Python 3.10 and newer"
)
pytest.importorskip("yaml")

from codegen.__main__ import main, render
from codegen.description import Description, DescriptionError
from codegen.lint import lint

ROOT = Path(__file__).parent.parent

SMALL = """
openapi: 3.2.0
info: {title: Small, version: '7.1'}
paths:
  /api/things/{digest}:
    get:
      operationId: thing
      summary: Show a thing
      description: Answers the thing.
      x-python-parameters: [digest]
      parameters: []
      responses:
        '200':
          description: The thing.
          content: {application/json: {schema: {$ref: '#/components/schemas/Thing'}}}
  /api/make:
    post:
      operationId: make
      summary: Make a thing
      description: Makes it.
      x-python-parameters: ["name=''", '*', 'parts=None', 'from_=None', 'stream=False']
      x-stream: {property: stream, default: true, last: {done: true}}
      requestBody:
        content: {application/json: {schema: {$ref: '#/components/schemas/MakeRequest'}}}
      responses:
        '200':
          description: The thing.
          content:
            application/json: {schema: {$ref: '#/components/schemas/Thing'}}
            application/x-ndjson: {itemSchema: {$ref: '#/components/schemas/Thing'}}
components:
  schemas:
    Thing.Part:
      type: object
      description: A part of a thing.
      required: [name]
      properties:
        name: {type: string, description: Its name.}
        kind: {type: string, enum: [a, b], description: Its kind., x-python-default: a}
    Thing:
      type: object
      description: A thing.
      properties:
        parts:
          type: [array, 'null']
          description: Its parts.
          items: {$ref: '#/components/schemas/Thing.Part'}
        by_name:
          type: object
          description: Parts by name.
          additionalProperties: {$ref: '#/components/schemas/Thing.Part'}
        made_at: {type: string, format: date-time, description: When.}
        size: {type: integer, description: Bytes., x-python-type: ByteSize}
        done: {type: boolean, description: Whether it is whole.}
        $odd: {description: Anything., x-python-name: odd}
    MakeRequest:
      type: object
      description: What to make.
      required: [name]
      properties:
        name: {type: string, minLength: 1, description: Its name.}
        parts:
          type: array
          description: Its parts.
          x-python-none: []
          items: {$ref: '#/components/schemas/Thing.Part'}
        from: {type: [string, 'null'], description: Its base., x-python-name: from_}
        stream: {type: boolean, description: One piece at a time.}
"""


def describe(folder: Path, text: str = SMALL) -> Description:
    path = folder / "small.yaml"
    path.write_text(text, encoding="utf-8")
    return Description(path)


def package(folder: Path, description: Description, name: str) -> str:
    """A copy of the runtime with generated code of another description; returns its name."""
    shutil.copytree(
        ROOT / "ollamalite",
        folder / name,
        ignore=shutil.ignore_patterns("_generated", "__pycache__"),
    )
    generated = folder / name / "_generated"
    generated.mkdir()
    for file, text in render(description).items():
        (generated / file).write_text(text, encoding="utf-8")
    return name


def test_generated_code_is_up_to_date(capsys):
    assert main(["--check"]) == 0, capsys.readouterr().err


def test_check_finds_a_changed_a_missing_and_a_foreign_file(tmp_path, capsys):
    shutil.copytree(ROOT / "ollamalite" / "_generated", tmp_path / "g")
    for change in ("append", "remove", "add"):
        target = tmp_path / change
        shutil.copytree(tmp_path / "g", target, ignore=shutil.ignore_patterns("__pycache__"))
        if change == "append":
            with open(target / "models.py", "a", encoding="utf-8") as file:
                file.write(" ")
        elif change == "remove":
            (target / "codec.py").unlink()
        else:
            (target / "more.py").write_text("")
        assert main(["--check", "--output", str(target)]) == 1
        assert "run `python -m codegen`" in capsys.readouterr().err


def test_the_same_description_gives_the_same_bytes_in_another_process(tmp_path):
    outputs = []
    for seed in ("1", "2"):
        target = tmp_path / seed
        subprocess.run(
            [sys.executable, "-m", "codegen", "--output", str(target)],
            cwd=ROOT,
            check=True,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        )
        outputs.append({path.name: path.read_bytes() for path in target.iterdir()})
    assert outputs[0] == outputs[1]


def test_writing_removes_a_file_that_is_no_longer_generated(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    (target / "stale.py").write_text("")
    assert main(["--output", str(target)]) == 0
    assert not (target / "stale.py").exists()


def test_every_construct_of_a_small_description_works(tmp_path, monkeypatch):
    description = describe(tmp_path)
    assert lint(description) == []
    monkeypatch.syspath_prepend(str(tmp_path))
    name = package(tmp_path, description, "small_package")
    models = importlib.import_module(f"{name}._generated.models")
    codec = importlib.import_module(f"{name}._generated.codec")
    operations = importlib.import_module(f"{name}._generated.operations")
    thing = codec.DECODERS[models.Thing](
        {
            "parts": [{"name": "x", "new": 1}, None],
            "by_name": {"y": {"name": "y"}},
            "made_at": "2026-01-02T03:04:05.123456789Z",
            "size": 2048,
            "$odd": [1],
        }
    )
    assert type(thing.parts[0]) is models.Thing.Part
    assert thing.parts[0].kind == "a"
    assert thing.parts[0].new == 1
    assert thing.parts[1] is None
    assert thing.by_name["y"].name == "y"
    assert thing.made_at.microsecond == 123456
    assert thing.size.human_readable() == "2.0KiB"
    assert thing.odd == [1]
    assert thing["$odd"] == [1]
    assert operations.MAKE.last == ("done", True)
    body = operations.MAKE.body({"name": "n", "parts": [], "from": "b", "stream": None})
    assert json.dumps(body) == '{"name": "n", "parts": [], "from": "b"}'
    with pytest.raises(ValueError, match=r"make\.parts\[0\]\.kind: expected one of 'a', 'b'"):
        operations.MAKE.body({"name": "n", "parts": [{"name": "x", "kind": "c"}]})
    with pytest.raises(ValueError, match=r"make\.name: expected a string that is not empty"):
        operations.MAKE.body({"name": ""})


def test_what_no_method_sends_or_receives_is_known_to_the_mock_alone(tmp_path):
    files = render(
        describe(
            tmp_path,
            SMALL.replace("      x-python-parameters: [\"name=''\"", "      x-was: [\"name=''\""),
        )
    )
    for name in ("models.py", "codec.py"):
        assert "Thing" in files[name]
        assert "MakeRequest" not in files[name]
    tables = {}
    exec(files["description.py"], tables)
    assert {"MakeRequest", "Thing.Part"} == set(tables["TYPES"])
    assert {row["operation"] for row in tables["ROUTES"]} == {"thing", "make"}


def test_a_decoder_names_the_place_of_a_value_of_the_wrong_structure(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    name = package(tmp_path, describe(tmp_path), "structure_package")
    models = importlib.import_module(f"{name}._generated.models")
    codec = importlib.import_module(f"{name}._generated.codec")
    mismatch = importlib.import_module(f"{name}._convert").Mismatch
    for data, text in (
        ([], "Thing: expected an object, got list"),
        ({"parts": {}}, "Thing.parts: expected a list, got dict"),
        ({"parts": [{}, 3]}, "Thing.parts[1]: expected an object, got int 3"),
        ({"by_name": {"k": "v"}}, "Thing.by_name.k: expected an object, got str 'v'"),
    ):
        with pytest.raises(mismatch) as caught:
            codec.DECODERS[models.Thing](data)
        assert caught.value.text("Thing") == text


def test_a_new_field_and_a_new_endpoint_reach_models_both_clients_and_the_mock(tmp_path):
    text = (ROOT / "openapi" / "ollama.yaml").read_text(encoding="utf-8")
    text = text.replace(
        "\n    ChatRequest:\n",
        """
    WeatherResponse:
      type: object
      description: The weather in the server room.
      required: [celsius]
      properties:
        celsius: {type: number, description: Temperature in degrees Celsius.}
    ChatRequest:
""",
        1,
    )
    text = text.replace(
        "\npaths:\n",
        """
paths:
  /api/weather:
    get:
      operationId: weather
      tags: [server]
      summary: Tell the weather
      description: Answers the temperature in the server room.
      x-python-parameters: []
      responses:
        '200':
          description: The weather.
          content:
            application/json:
              schema: {$ref: '#/components/schemas/WeatherResponse'}
              examples: {warm: {value: {celsius: 21.5}}}
""",
        1,
    )
    marker = "\n    ShowRequest:\n"
    start = text.index("      properties:\n", text.index(marker)) + len("      properties:\n")
    fields = text[start:]
    # After the required ones.
    place = fields.index("        verbose:")
    field = "        wordy: {type: boolean, description: Say more.}\n"
    text = text[:start] + fields[:place] + field + fields[place:]
    name = package(tmp_path, describe(tmp_path, text), "future")
    script = textwrap.dedent(
        f"""
        import asyncio
        import {name}
        from {name} import mock

        assert "wordy" in {name}.ShowRequest.model_fields
        with mock.serve() as server:
            with {name}.Client(server.url) as client:
                answer = client.weather()
                assert type(answer) is {name}.WeatherResponse
                assert answer.celsius == 21.5

            async def ask():
                async with {name}.AsyncClient(server.url) as client:
                    return await client.weather()

            assert asyncio.run(ask()) == answer
        """
    )
    subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", script], cwd=tmp_path, check=True
    )


# What is changed, into what, the message, and a text of the line that the message names.
BREACHES = {
    "a schema without description": (
        "description: A thing.",
        "",
        "schema Thing has no description",
        "    Thing:",
    ),
    "a property without description": (
        "description: Its base., ",
        "",
        "MakeRequest.from has no description",
        "from:",
    ),
    "a reference to what stands further down": (
        "name: {type: string, description: Its name.}",
        "name: {$ref: '#/components/schemas/Thing', description: Its name.}",
        "Thing.Part.name refers to Thing, which stands further down",
        "name:",
    ),
    "a name that is no Python name": (
        "description: Anything., x-python-name: odd",
        "description: Anything.",
        "Thing.$odd is no Python name",
        "$odd:",
    ),
    "a parameter that is nowhere": (
        "'from_=None'",
        "'form=None'",
        "parameter form of make is neither a property of MakeRequest",
        "post:",
    ),
    "a Python type that does not exist": (
        "x-python-type: ByteSize",
        "x-python-type: Bytes",
        "x-python-type 'Bytes'",
        "x-python-type: Bytes",
    ),
    "a closed object": (
        "description: A thing.",
        "description: A thing.\n      additionalProperties: false",
        "schema Thing is closed",
        "    Thing:",
    ),
    "an extension that nobody reads": (
        "x-python-name: odd",
        "x-python-name: odd, x-pyhton-type: str",
        "the extension x-pyhton-type is none of",
        "$odd:",
    ),
    "an added member that is none": (
        "x-python-name: odd",
        "x-python-name: odd, x-python-added: false",
        "Thing: x-python-added False is not true",
        "$odd:",
    ),
    "an enum of numbers": (
        "size: {type: integer, description: Bytes., x-python-type: ByteSize}",
        "size: {type: integer, description: Bytes., enum: [1, 2]}",
        "Thing.size: only strings can have an enum",
        "size:",
    ),
    "a format that nothing reads": (
        "format: date-time",
        "format: duration",
        "Thing.made_at has a format that nothing reads: 'duration'",
        "made_at:",
    ),
    "a type that does not exist": (
        "done: {type: boolean, ",
        "done: {type: bolean, ",
        "Thing.done has an unknown type 'bolean'",
        "done:",
    ),
    "a field that hides a method": (
        "by_name:",
        "keys:",
        "Thing.keys hides a method of the models",
        "keys:",
    ),
    "an operation with a name of the package": (
        "operationId: thing",
        "operationId: mock",
        "operationId mock is a name that the package needs",
        "get:",
    ),
    "a parameter with a name that methods need": (
        "'from_=None'",
        "'timeout=None'",
        "parameter timeout is a name that methods need",
        "post:",
    ),
    "a stream without its last object": (
        "last: {done: true}",
        "more: 1",
        "x-stream.last names one member",
        "post:",
    ),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_lint_names_the_line_to_mend_for(breach, tmp_path):
    old, new, message, named = BREACHES[breach]
    assert SMALL.count(old) == 1
    text = SMALL.replace(old, new)
    messages = [m for m in lint(describe(tmp_path, text)) if message in m]
    assert len(messages) == 1
    name, line = messages[0].split(":")[:2]
    assert name == "small.yaml"
    assert named in text.splitlines()[int(line) - 1]


def test_lint_accepts_the_description_of_the_api():
    assert lint(Description(ROOT / "openapi" / "ollama.yaml")) == []


def test_a_reference_that_leads_nowhere_is_refused_with_its_line(tmp_path):
    text = SMALL.replace(
        "items: {$ref: '#/components/schemas/Thing.Part'}", "items: {$ref: '#/x'}", 1
    )
    with pytest.raises(DescriptionError, match=r"small\.yaml:\d+: \$ref '#/x' leads nowhere"):
        describe(tmp_path, text)


def test_a_key_that_stands_twice_is_refused_with_its_line(tmp_path):
    text = SMALL.replace("description: A thing.", "description: A thing.\n      type: object")
    with pytest.raises(
        DescriptionError, match=r"line \d+: the key 'type' stands here a second time"
    ):
        describe(tmp_path, text)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (
            "      description: A thing.\n      properties:",
            "      properties: 3\n      x:",
            "schema Thing",
        ),
        (
            "'200':\n          description: The thing.\n          content: {app",
            "'404':\n          description: The thing.\n          content: {app",
            "GET /api/things/{digest} cannot be read: ValueError it has no response",
        ),
        ("  schemas:", "  shemas:", "lacks 'schemas'"),
        ("info: {title: Small, version: '7.1'}", "info: {title: Small}", "lacks 'version'"),
        ("openapi: 3.2.0", "openapi: [", "small.yaml"),
    ],
)
def test_what_is_no_description_is_refused_by_name(old, new, text, tmp_path):
    assert old in SMALL
    with pytest.raises(DescriptionError) as caught:
        describe(tmp_path, SMALL.replace(old, new, 1))
    assert text in str(caught.value)


def test_an_object_among_other_kinds_in_an_answer_becomes_a_record(tmp_path, monkeypatch):
    text = SMALL.replace(
        "        done: {type: boolean",
        """        mixed:
          anyOf: [{type: string}, {$ref: '#/components/schemas/Thing.Part'}]
          description: A part, or its name.
        done: {type: boolean""",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    name = package(tmp_path, describe(tmp_path, text), "mixed_package")
    models = importlib.import_module(f"{name}._generated.models")
    decode = importlib.import_module(f"{name}._generated.codec").DECODERS[models.Thing]
    assert type(decode({"mixed": {"name": "x"}}).mixed) is models.Thing.Part
    assert decode({"mixed": "x"}).mixed == "x"


def test_a_breach_ends_the_run_with_a_message_and_no_file(tmp_path, capsys):
    path = tmp_path / "small.yaml"
    path.write_text(SMALL.replace("description: A thing.", ""), encoding="utf-8")
    target = tmp_path / "out"
    assert main(["--description", str(path), "--output", str(target)]) == 1
    assert "small.yaml:" in capsys.readouterr().err
    assert not target.exists()
