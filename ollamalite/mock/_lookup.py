"""From the name in a request to a model, with the error texts that differ by endpoint."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Tuple

from . import _names
from ._app import App
from ._gojson import as_list, encode, plain
from ._gotypes import Raw
from ._names import Name
from ._reply import JSON, Failure, Reply
from ._store import Model

_SIGNIN_KEY = "c3NoLWVkMjU1MTkgQUFBQUMzTnphQzFsWkRJMU5URTVBQUFBSU1vY2stbW9jay1tb2NrLW1vY2s"
SIGNIN_URL = "https://ollama.com/connect?name=localhost&key=" + _SIGNIN_KEY

# Options that are described for older servers only: this one ignores them, whatever they hold.
_GONE_OPTIONS = frozenset(
    [
        "numa",
        "embedding_only",
        "low_vram",
        "f16_kv",
        "logits_all",
        "vocab_only",
        "use_mlock",
        "mirostat",
        "mirostat_tau",
        "mirostat_eta",
        "penalize_newline",
        "tfs_z",
    ]
)


def source(text: str) -> Tuple[Name, str]:
    """A name and its source: "cloud", "local" or "". Raises `Failure` with status 400."""
    try:
        rest, origin = _names.split_source(text)
    except _names.NameFault as fault:
        raise Failure(400, str(fault)) from None
    name = _names.parse(rest)
    if not name.valid:
        raise Failure(400, "invalid model name")
    return name, origin


def find(app: App, name: Name, origin: str, missing: str) -> Model:
    """The local model of that name. Raises `Failure` with status 404 and the given text."""
    model = app.store.find(name)
    if model is None or (origin == "local" and model.is_remote):
        raise Failure(404, missing)
    return model


def unauthorized() -> Failure:
    return Failure(401, "unauthorized", signin_url=SIGNIN_URL)


def check_cloud(app: App, what: str) -> None:
    """Whether the server may talk to the cloud at all."""
    if app.cloud_disabled:
        raise Failure(403, f"ollama cloud is disabled: {what} unavailable")


def signed_out(app: App) -> Tuple[bool, Reply]:
    """Whether the cloud would refuse a relayed request, and its answer then."""
    return not app.signed_in, Reply(401, encode(unauthorized().body), JSON, chunked=True)


def check_options(model: Model, options: Mapping[str, Any]) -> Dict[str, Any]:
    """The options of a request that this server knows.

    Raises `Failure` with status 500 for them and for those that the model was created with.
    """
    known_options(model.parameters)
    return known_options(options)


def known_options(options: Mapping[str, Any]) -> Dict[str, Any]:
    """Those that this server knows, in their types. Raises `Failure` with status 500."""
    from .._generated.description import TYPES

    known: Dict[str, Any] = {}
    for key, kind in TYPES.get("Options", {}).items():
        value = options.get(key)
        if value is None or key in _GONE_OPTIONS:
            continue
        if isinstance(kind, list):
            if not isinstance(value, list):
                raise Failure(500, f'option "{key}" must be of type array')
            if not all(isinstance(item, str) for item in as_list(value)):
                raise Failure(500, f'option "{key}" must be of an array of strings')
        elif kind == "boolean":
            if not isinstance(value, bool):
                raise Failure(500, f'option "{key}" must be of type boolean')
        else:
            integer = kind == "integer"
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                wanted = "integer" if integer else "float32"
                raise Failure(500, f'option "{key}" must be of type {wanted}')
            value = int(value) if integer else float(value)
        known[key] = value
    return known


def wanted_format(request: Mapping[str, Any]) -> Any:
    """None, "json" or a JSON Schema. Raises `Failure` with status 500."""
    from ._gojson import Object, quote

    raw = request.get("format")
    if not isinstance(raw, Raw) or raw.node is None or raw.node == "":
        return None
    if raw.node == "json" and type(raw.node) is str:
        return "json"
    if type(raw.node) is Object:
        return plain(raw.node)
    shown = quote(raw.text)
    raise Failure(500, f'invalid format: {shown}; expected "json" or a valid JSON Schema object')
