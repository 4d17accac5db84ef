"""What the server says of its models (``tags``, ``ps``, ``show``), and ``copy`` and ``delete``."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

from . import _lookup, _names
from ._app import App, Call
from ._gojson import as_list, encode, quote
from ._reply import JSON, Failure, Reply, json_reply
from ._store import MODELS_FOLDER, Model

_IN_MEMORY = 100 << 20


def tags(call: Call) -> Reply:
    models: List[Dict[str, Any]] = []
    for model in call.app.store.models():
        entry: Dict[str, Any] = {"name": model.name.short, "model": model.name.short}
        if model.is_remote:
            entry["remote_model"] = model.remote_model
            entry["remote_host"] = model.remote_host
        entry["modified_at"] = call.app.time(model.modified_at)
        entry["size"] = model.size
        entry["digest"] = model.digest
        entry["details"] = details = _details(model, model.parent)
        if model.context_length:
            details["context_length"] = model.context_length
        if model.embedding_length:
            details["embedding_length"] = model.embedding_length
        if model.capabilities:
            entry["capabilities"] = model.capabilities
        models.append(entry)
    return json_reply({"models": models})


def ps(call: Call) -> Reply:
    models: List[Dict[str, Any]] = []
    for loaded in call.app.store.loaded():
        model = loaded.model
        models.append(
            {
                "name": model.name.short,
                "model": model.name.short,
                "size": sum(layer.size for layer in model.weights) + _IN_MEMORY,
                "digest": model.digest,
                "details": _details(model, ""),
                "expires_at": call.app.time(loaded.expires),
                "size_vram": 0,
                "context_length": loaded.context_length,
            }
        )
    return json_reply({"models": models})


def _details(model: Model, parent: str) -> Dict[str, Any]:
    return {
        "parent_model": parent,
        "format": model.format,
        "family": model.family,
        "families": model.families,
        "parameter_size": model.parameter_size,
        "quantization_level": model.quantization,
    }


def show(call: Call) -> Reply:
    request = call.fields()
    asked = request.get("model") or request.get("name") or ""
    if not asked.strip():
        raise Failure(400, "model is required")
    name, origin = _lookup.source(asked)
    if origin == "cloud":
        return _cloud_details(call.app, name.model)
    model = _lookup.find(call.app, name, origin, f"model '{name.short}' not found")
    if model.is_remote:
        _lookup.check_cloud(call.app, "remote model details are")
    result = _shown(call.app, model, request)
    if call.head.get("user-agent").startswith("GitHubCopilotChat/"):
        result["model_info"]["general.basename"] = asked
    return json_reply(result)


def _shown(app: App, model: Model, request: Mapping[str, Any]) -> Dict[str, Any]:
    verbose = request.get("verbose", False)
    overlaid = model.copy()
    if request.get("system"):
        overlaid.system = request["system"]
    overlaid.parameters.update(request.get("options") or {})
    result: Dict[str, Any] = {}
    if model.license:
        result["license"] = "\n".join(model.license)
    result["modelfile"] = _modelfile(overlaid)
    if model.parameters:
        result["parameters"] = "\n".join(
            f"{key:<30} {_literal(value)}"
            for key, values in model.parameters.items()
            for value in as_list(values) or [values]
        )
    template = model.chat_template or model.template
    if template:
        result["template"] = template
    if overlaid.system:
        result["system"] = overlaid.system
    result["details"] = _details(model, model.parent)
    if model.messages:
        result["messages"] = [
            {"role": message.get("role", ""), "content": message.get("content", "")}
            for message in model.messages
        ]
    if model.is_remote:
        result["remote_model"] = model.remote_model
        result["remote_host"] = model.remote_host
    info = dict(model.model_info)
    info.pop("general.name", None)
    result["model_info"] = _shortened(info, verbose)
    if model.projector_info:
        result["projector_info"] = _shortened(model.projector_info, verbose)
    if model.tensors and not model.is_remote:
        result["tensors"] = model.tensors
    if model.shown_capabilities:
        result["capabilities"] = model.shown_capabilities
    result["modified_at"] = app.time(model.modified_at)
    if model.requires:
        result["requires"] = model.requires
    return result


def _shortened(info: Mapping[str, Any], verbose: bool) -> Dict[str, Any]:
    """Sorted by key; arrays only when they are asked for."""
    return {
        key: None if isinstance(info[key], list) and info[key] and not verbose else info[key]
        for key in sorted(info)
    }


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return quote(value)
    return encode(value).decode()


def _modelfile(model: Model) -> str:
    lines = [
        '# Modelfile generated by "ollama show"',
        "# To build a new Modelfile based on this, replace FROM with:",
        f"# FROM {model.name.short}",
        "",
    ]
    if not any(layer.kind == "model" for layer in model.weights):
        lines.append("FROM ")
    for kind, word in (("model", "FROM"), ("adapter", "ADAPTER"), ("projector", "FROM")):
        for layer in model.weights:
            if layer.kind == kind:
                lines.append(f"{word} {MODELS_FOLDER}/blobs/{layer.digest.replace(':', '-')}")
    if model.template:
        lines.append("TEMPLATE " + _modelfile_text(model.template))
    if model.system:
        lines.append("SYSTEM " + _modelfile_text(model.system))
    for key in sorted(model.parameters):
        values = model.parameters[key]
        for value in as_list(values) or [values]:
            text = value if isinstance(value, str) else encode(value).decode()
            lines.append(f"PARAMETER {key} {_modelfile_text(text)}")
    lines += ["LICENSE " + _modelfile_text(text) for text in model.license]
    for message in model.messages:
        content = _modelfile_text(message.get("content", ""))
        lines.append(f"MESSAGE {message.get('role', '')} {content}")
    return "\n".join(lines) + "\n"


def _modelfile_text(text: str) -> str:
    if "\n" in text or text != text.strip(" "):
        return f'"""{text}"""' if '"' in text else f'"{text}"'
    return text


def _cloud_details(app: App, family: str) -> Reply:
    _lookup.check_cloud(app, "remote model details are")
    refused, reply = _lookup.signed_out(app)
    if refused:
        return reply
    family = family.replace("-", "").replace(".", "")
    details = {
        "parent_model": "",
        "format": "",
        "family": family,
        "families": [family],
        "parameter_size": "20.9B",
        "quantization_level": "MXFP4",
    }
    result = {
        "details": details,
        "model_info": {"general.architecture": family, f"{family}.context_length": 131072},
        "capabilities": ["completion", "tools", "thinking"],
        "modified_at": "2026-08-05T00:00:00Z",
    }
    return Reply(200, encode(result), JSON, chunked=True)


def copy(call: Call) -> Reply:
    request = call.fields()
    source = _names.parse(request.get("source", ""))
    if not source.valid:
        raise Failure(400, f"source {quote(request.get('source', ''))} is invalid")
    destination = _names.parse(request.get("destination", ""))
    if not destination.valid:
        raise Failure(400, f"destination {quote(request.get('destination', ''))} is invalid")
    if source.key == destination.key:
        return Reply(200)
    store = call.app.store
    with store.lock:
        model = store.find(source)
        if model is None:
            raise Failure(404, f"model {quote(request.get('source', ''))} not found")
        store.put(model.copy(destination))
    return Reply(200)


def delete(call: Call) -> Reply:
    request = call.fields()
    asked = request.get("model") or request.get("name") or ""
    if not asked.strip():
        raise Failure(400, "model is required")
    try:
        rest, origin = _names.split_source(asked)
    except _names.NameFault as fault:
        raise Failure(400, str(fault)) from None
    name = stored_name(rest, origin)
    if not name.valid:
        raise Failure(400, f"name {quote(asked)} is invalid")
    if not call.app.store.remove(name):
        raise Failure(404, f"model '{asked}' not found")
    return Reply(200)


def stored_name(rest: str, origin: str) -> _names.Name:
    """The name under which pull keeps a model of the cloud, and delete looks for it."""
    name = _names.parse(rest)
    if origin != "cloud":
        return name
    tagged = rest.rfind(":") > rest.rfind("/")
    return name._replace(tag=f"{name.tag}-cloud" if tagged else "cloud")
