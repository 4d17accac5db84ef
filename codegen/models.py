"""``models.py``: one class per object schema, written by datamodel-code-generator.

The generator decides names of classes, the order of fields and their type hints; the template
beside this module gives the classes their shape. What the generator cannot know (nested names,
wire names, how a value is read) goes in as template data.
"""

import json
import tempfile
import textwrap
from pathlib import Path
from typing import Any, Dict, List, Tuple

from datamodel_code_generator import GenerateConfig, generate

from .description import Description, DescriptionError, Property, Schema, Type

TEMPLATES = Path(__file__).parent / "templates"

# A superset; what a description does not need is taken out when the file is formatted.
PREAMBLE = '''
from datetime import datetime
from typing import TYPE_CHECKING, Any, Dict, List, Literal, Mapping, Optional, Sequence, Union

from .._images import Image
from .._model import Record
from .._scalars import ByteSize, read_byte_size, read_timestamp

if TYPE_CHECKING:
    from typing_extensions import TypeAlias

JsonSchema = Dict[str, Any]
"""A JSON Schema, as the object that it is."""
'''

WIDTH = 100
HINTS = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "object": "Dict[str, Any]",
    "list": "List[Any]",
}
READERS = {"ByteSize": "read_byte_size"}


SETTINGS = {
    "input_file_type": "openapi",
    "schema_version": "3.2",
    "schema_version_mode": "strict",
    "strict_refs": True,
    "openapi_scopes": ["schemas"],
    "output_model_type": "dataclasses.dataclass",
    # The lowest it knows; with the next four settings the hints work on 3.8.
    "target_python_version": "3.10",
    "use_union_operator": False,
    "use_standard_collections": False,
    "use_generic_container_types": True,
    "enum_field_as_literal": "all",
    "collapse_root_models": True,
    "treat_dot_as_module": False,
    "output_datetime_class": "datetime",
    "remove_special_field_name_prefix": True,
    "disable_timestamp": True,
    "formatters": [],
}


def emit(description: Description) -> str:
    template_data = {
        schema.class_name: _extras(description, schema) for schema in description.client_records()
    }
    with tempfile.TemporaryDirectory() as folder:
        metadata = Path(folder, "metadata.json")
        source = Path(folder, description.path.name)
        source.write_text(_source(description), encoding="utf-8")
        text = generate(
            source,
            config=GenerateConfig.model_validate(
                {
                    **SETTINGS,
                    "aliases": _aliases(description),
                    "custom_template_dir": _template_folder(Path(folder)),
                    "extra_template_data": template_data,
                    "emit_model_metadata": metadata,
                }
            ),
        )
        _compare(description, json.loads(metadata.read_text(encoding="utf-8")))
    code = str(text)
    # The generator's own imports end where the first class begins.
    classes = code[code.index("\nclass ") + 1 :]
    return (
        "from __future__ import annotations\n"
        + PREAMBLE
        + _names(description)
        + classes
        + _unions(description)
    )


def _source(description: Description) -> str:
    """The description with the schemas of the clients alone, as JSON, which is YAML too."""
    schemas = {s.name: description.raw_schemas[s.name] for s in description.client_schemas()}
    head = {key: description.root[key] for key in ("openapi", "info")}
    return json.dumps({**head, "paths": {}, "components": {"schemas": schemas}})


def _names(description: Description) -> str:
    """What the package exports: a nested class goes by its outer one."""
    names = sorted(s.name for s in description.client_schemas() if "." not in s.name)
    return f"\n__all__ = [{', '.join(map(repr, names))}]\n\n\n"


def _unions(description: Description) -> str:
    """Schemas that are no objects: names for what the generator writes out where they are used."""
    text = ""
    for schema in description.client_schemas():
        if not description.is_record(schema.name):
            type_ = description.type_of(description.raw_schemas[schema.name])
            text += (
                f"\n\n{schema.class_name} = {_hint(type_)}\n{docstring(schema.description, '')}\n"
            )
    return text


def _hint(type_: Type) -> str:
    if type_.kind == "union":
        return f"Union[{', '.join(map(_hint, type_.inner))}]"
    if type_.kind == "ref":
        return type_.ref.replace(".", "")
    return HINTS[type_.kind]


def _template_folder(folder: Path) -> Path:
    # The generator looks for the template under the path of its own one.
    target = folder / "templates"
    target.mkdir()
    name = "dataclass.jinja2"
    (target / name).write_text((TEMPLATES / name).read_text(encoding="utf-8"), encoding="utf-8")
    return target


def _aliases(description: Description) -> Dict[str, Any]:
    return {
        f"{schema.class_name}.{prop.wire}": prop.python
        for schema in description.client_records()
        for prop in schema.properties
        if prop.wire != prop.python
    }


def _extras(description: Description, schema: Schema) -> Dict[str, Any]:
    prefix = schema.name + "."
    nested: List[Tuple[str, str]] = [
        (other.name[len(prefix) :], other.class_name)
        for other in description.client_records()
        if other.name.startswith(prefix) and "." not in other.name[len(prefix) :]
    ]
    readers = {}
    for prop in schema.properties:
        if prop.type.python in READERS:
            readers[prop.python] = READERS[prop.type.python]
        elif prop.type.format == "date-time" and not prop.type.python:
            readers[prop.python] = "read_timestamp"
    return {
        "docstring": docstring(schema.description, "    "),
        "docstrings": {p.python: _field_doc(p) for p in schema.properties},
        "qualname": schema.name if "." in schema.name else "",
        "nested": nested,
        "aliases": {p.python: p.wire for p in schema.properties if p.python != p.wire},
        "readers": sorted(readers.items()),
        "added": tuple(p.python for p in schema.properties if p.added),
        # The generator makes a datetime of every date-time.
        "hints": {
            p.python: "str" if p.required else "Optional[str]"
            for p in schema.properties
            if p.type.python == "str"
        },
        "defaults": {p.python: p.default for p in schema.properties if p.default != "None"},
    }


def _field_doc(prop: Property) -> str:
    return docstring(("Deprecated. " if prop.deprecated else "") + prop.description, "    ")


def docstring(text: str, indent: str) -> str:
    """Return a string literal for a class body, wrapped where it is long."""
    text = " ".join(text.split()).replace("\\", "\\\\").replace('"""', "'''")
    if len(indent) + len(text) + 6 <= WIDTH:
        return f'"""{text}"""'
    lines = textwrap.wrap(text, WIDTH - len(indent) - 3)
    body = ("\n" + indent).join(lines)
    return f'"""{body}\n{indent}"""'


def _compare(description: Description, metadata: Dict[str, Any]) -> None:
    """Refuse a class that the generator named or filled differently from what we read."""
    made = {
        model["class_name"]: {(f["original_name"], f["name"]) for f in model["fields"]}
        for model in metadata["models"]
    }
    for schema in description.client_records():
        wanted = {(prop.wire, prop.python) for prop in schema.properties}
        if made.get(schema.class_name) != wanted:
            raise DescriptionError(
                f"{description.path.name}:{schema.line}: {schema.name} became"
                f" {sorted(made.get(schema.class_name, set()) ^ wanted)} in the generator"
            )
