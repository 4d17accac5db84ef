"""``pull``, ``push``, ``create`` and blobs: what tells of its progress line by line."""

from __future__ import annotations

import io
from typing import Any, Dict, Generator, Iterator, List, Mapping, Optional, Tuple

from . import _gotypes, _names
from ._app import App, Call
from ._blobs import BlobFault
from ._gguf import GGUF, NotGGUF, human_count
from ._gojson import as_list, as_map
from ._management import stored_name
from ._names import Name
from ._reply import Failure, Reply, Response, last, stream
from ._store import (
    MODELS_FOLDER,
    PLAIN_TEMPLATE,
    Layer,
    Model,
    made_up_digest,
)
from ._wire import BodyFault

Progress = Iterator[Dict[str, Any]]
_Making = Generator[Dict[str, Any], None, Model]

_SUCCESS: Dict[str, Any] = {"status": "success"}
_QUANTIZATIONS = ("F32", "F16", "BF16", "Q4_K_S", "Q4_K_M", "Q8_0")
_METADATA_LIMIT = 64 << 20
_WORK_DIGEST = "0000000000000000000"
_DENIED = (
    '403: {"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}'
)


def _told(call: Call, progress: Progress) -> Progress:
    """Progress at the server's pace, with the failure that a test has put down for it."""
    answer = call.app.next_failure()
    delay = call.app.delay
    after: Optional[int] = None
    if answer is not None:
        delay = delay if answer.delay is None else answer.delay
        after = 1 if answer.after is None else answer.after
    for count, item in enumerate(progress):
        if count == after and answer is not None:
            raise Failure(answer.status, answer.error or "")
        if count:
            call.pause(delay)
        yield item


def _sent(call: Call, request: Mapping[str, Any], progress: Progress) -> Response:
    told = _told(call, progress)
    return stream(told) if request.get("stream", True) else last(told)


def pull(call: Call) -> Response:
    request = call.fields()
    asked = request.get("model") or request.get("name") or ""
    try:
        rest, origin = _names.split_source(asked)
    except _names.NameFault as fault:
        raise Failure(400, str(fault)) from None
    name = stored_name(rest, origin)
    if not name.valid:
        raise Failure(400, "invalid model name")
    return _sent(call, request, _pull(call.app, name, request.get("insecure", False), True))


def _pull(app: App, name: Name, insecure: bool, success: bool) -> Progress:
    yield {"status": "pulling manifest"}
    model = app.registry.get(name.key)
    if model is None:
        raise Failure(500, "pull model manifest: " + _no_manifest(name, insecure))
    store = app.store
    for layer in [*model.layers(), model.config()]:
        status = f"pulling {layer.digest[7:19]}"
        item: Dict[str, Any] = {"status": status, "digest": layer.digest, "total": layer.size}
        if layer.digest in store.blobs:
            yield {**item, "completed": layer.size}
            continue
        if layer.size > 100_000:
            yield item
            for quarter in (1, 2, 3):
                yield {**item, "completed": layer.size * quarter // 4}
        yield {**item, "completed": layer.size}
        store.blobs.know(layer.digest, layer.size)
    yield {"status": "verifying sha256 digest"}
    yield {"status": "writing manifest"}
    old = store.find(name)
    _put(app, model.copy(name))
    if old is not None and set(old.layers()) - set(model.layers()):
        yield {"status": "removing unused layers"}
    if success:
        yield _SUCCESS


def _put(app: App, model: Model) -> None:
    try:
        app.store.put(model)
    except BlobFault as fault:
        raise Failure(500, str(fault)) from None


def _no_manifest(name: Name, insecure: bool) -> str:
    if name.host == _names.DEFAULT_HOST:
        return "file does not exist"
    scheme = "http" if insecure else "https"
    url = f"{scheme}://{name.host}/v2/{name.namespace}/{name.model}/manifests/{name.tag}"
    host, _, port = name.host.partition(":")
    if host in ("localhost", "127.0.0.1"):
        port = port or ("80" if insecure else "443")
        reason = f"dial tcp 127.0.0.1:{port}: connect: connection refused"
    else:
        reason = f"dial tcp: lookup {host}: no such host"
    return f'Get "{url}": {reason}'


def push(call: Call) -> Response:
    request = call.fields()
    asked = request.get("model") or request.get("name") or ""
    if not asked:
        raise Failure(400, "model is required")
    return _sent(call, request, _push(call.app, _names.parse(asked)))


def _push(app: App, name: Name) -> Progress:
    yield {"status": "retrieving manifest"}
    model = app.store.find(name) if name.valid else None
    if model is None:
        yield {"status": "couldn't retrieve manifest"}
        if not name.valid:
            raise Failure(500, f"unqualified name: {name.full}")
        path = f"{MODELS_FOLDER}/manifests/{name.path}"
        raise Failure(500, f"open {path}: no such file or directory")
    if name.namespace == _names.DEFAULT_NAMESPACE:
        raise Failure(500, _DENIED)
    with app.registry_lock:
        known = {
            layer.digest
            for other in app.registry.values()
            for layer in [*other.layers(), other.config()]
        }
    for layer in [*model.layers(), model.config()]:
        status = f"pushing {layer.digest[7:19]}"
        item: Dict[str, Any] = {"status": status, "digest": layer.digest, "total": layer.size}
        if layer.digest not in known and layer.size > 1:
            yield {**item, "completed": layer.size // 2}
        yield {**item, "completed": layer.size}
    yield {"status": "pushing manifest"}
    with app.registry_lock:
        app.registry[model.name.key] = model.copy()
    yield _SUCCESS


def blob_exists(call: Call) -> Reply:
    digest = call.params["digest"]
    blobs = call.app.store.blobs
    if not blobs.well_formed(digest):
        raise Failure(400, "invalid digest format")
    if digest not in blobs:
        raise Failure(404, f'blob "{digest}" not found')
    return Reply(200)


def create_blob(call: Call) -> Reply:
    digest = call.params["digest"]
    blobs = call.app.store.blobs
    if not blobs.well_formed(digest):
        raise Failure(400, "invalid digest format")
    if digest in blobs:
        return Reply(200)
    try:
        blobs.store(digest, call.upload())
    except BlobFault as fault:
        text = str(fault)
        raise Failure(400 if text.startswith("digest mismatch") else 500, text) from None
    except BodyFault as fault:
        raise Failure(500, str(fault)) from None
    return Reply(201)


def create(call: Call) -> Response:
    request = call.fields()
    name = _names.parse(request.get("model") or request.get("name") or "")
    if not name.valid:
        raise Failure(400, "invalid model name")
    for field in ("files", "adapters", "draft_files"):
        for file, digest in as_map(request.get(field)).items():
            _check_file(file, digest)
    if request.get("draft_quantize") and not request.get("draft_files"):
        raise Failure(400, "--draft-quantize requires a DRAFT model")
    return _sent(call, request, _create(call, name, request))


def _check_file(file: str, digest: str) -> None:
    if file.startswith("/") or ".." in file.split("/"):
        raise Failure(400, "file path must be relative")
    if not digest:
        raise Failure(400, "invalid digest format")


def _create(call: Call, name: Name, request: Mapping[str, Any]) -> Progress:
    app = call.app
    info = as_map(request.get("info"))
    _check_info(info)
    # What a failure before the first line leaves undone is nothing: all checks that need no
    # progress come first.
    if request.get("from"):
        model = yield from _from_model(app, request, info)
    elif request.get("files") is not None:
        model = yield from _from_files(app, request["files"])
    else:
        raise Failure(400, "neither 'from' or 'files' was specified")
    model = model.copy(name)
    adapters = request.get("adapters")
    if adapters is not None:
        yield from _add_adapters(app, model, adapters)
    quantization = request.get("quantize") or request.get("quantization")
    if quantization and not model.is_remote:
        yield from _quantize(model, quantization.upper())
    _overlay(model, request)
    for layer in model.layers():
        known = layer.digest in app.store.blobs
        verb = "using existing layer" if known else "creating new layer"
        yield {"status": f"{verb} {layer.digest}"}
    yield {"status": "writing manifest"}
    _put(app, model)
    yield _SUCCESS


def _from_model(app: App, request: Mapping[str, Any], info: Mapping[str, Any]) -> _Making:
    asked = request["from"]
    remote_host = request.get("remote_host", "")
    rest, origin = asked, ""
    try:
        rest, origin = _names.split_source(asked)
    except _names.NameFault as fault:
        raise Failure(400, str(fault)) from None
    source = _names.parse(rest)
    if not source.valid:
        raise Failure(400, "invalid model name")
    if remote_host or origin == "cloud":
        if request.get("draft_files"):
            raise Failure(400, "DRAFT cannot be used with remote models")
        host = _remote_host(remote_host) if remote_host else "https://ollama.com:443"
        return _stub(rest, host, info)
    base = app.store.find(source)
    if base is None:
        yield from _pull(app, source, False, False)
        base = app.store.find(source)
        assert base is not None
    model = base.copy()
    model.parent = source.short
    return model


def _remote_host(text: str) -> str:
    import re

    if text in ("ollama.com", "http://ollama.com"):
        return "https://ollama.com:443"
    scheme, mark, rest = text.partition("://")
    if not mark:
        scheme, rest = "http", text
    match = re.match(r"(\[[0-9a-fA-F:]+\]|[^\[\]:/\s]+)(?::(\d+))?(/|\Z)", rest)
    if match is None:
        raise Failure(400, "bad remote")
    return f"{scheme}://{match.group(1)}:{match.group(2) or '11434'}"


def _stub(remote_model: str, host: str, info: Mapping[str, Any]) -> Model:
    family = str(info.get("model_family", ""))
    architecture = {"general.architecture": family} if family else {}
    return Model(
        remote_model,
        capabilities=info.get("capabilities") or (),
        family=family,
        families=[family] if family else None,
        format="",
        parameter_size=str(info.get("parameter_size", "")),
        quantization=str(info.get("quantization_level", "")),
        context_length=int(info.get("context_length", 0)),
        embedding_length=int(info.get("embedding_length", 0)),
        template=PLAIN_TEMPLATE,
        remote_model=remote_model,
        remote_host=host,
        weights=[],
        model_info=architecture,
        tensors=[],
    )


def _check_info(info: Mapping[str, Any]) -> None:
    for field in ("model_family", "base_name", "quantization_level", "parameter_size"):
        if not isinstance(info.get(field, ""), str):
            raise Failure(400, f'info field "{field}" must be a string')
    capabilities = info.get("capabilities")
    if capabilities is not None:
        listed = isinstance(capabilities, list)
        if not listed or not all(isinstance(item, str) for item in as_list(capabilities)):
            raise Failure(400, 'info field "capabilities" must be a list of strings')
    for field in ("context_length", "embedding_length"):
        value = info.get(field, 0)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Failure(400, f'info field "{field}" must be a number')
        if value < 0 or value != int(value):
            raise Failure(400, f'info field "{field}" must be a non-negative integer')


def _from_files(app: App, files: Mapping[str, str]) -> _Making:
    kinds = [_kind(app, file, digest) for file, digest in files.items()]
    if not kinds or None in kinds:
        raise Failure(400, "unknown type")
    if "safetensors" in kinds:
        yield {"status": "converting model"}
        size = sum(app.store.blobs.size(digest) for digest in files.values())
        digest = made_up_digest(*sorted(files.values()))
        return _converted(size, digest)
    read: List[Tuple[Layer, GGUF]] = []
    for file in sorted(files):
        yield {"status": "parsing GGUF"}
        read.append(_parsed(app, files[file]))
    models = [(layer, gguf) for layer, gguf in read if layer.kind == "model"]
    if not models:
        raise Failure(500, "no base model was found")
    layer, gguf = models[0]
    steps = max(1, min(len(gguf.tensors), 10))
    for step in range(1, steps + 1):
        done = layer.size * step // steps
        yield _work("validating GGUF model", layer.size, done)
    yield {"status": "verifying conversion"}
    projectors = [(extra, eyes) for extra, eyes in read if extra.kind == "projector"]
    return _of_gguf(layer, gguf, projectors)


def _work(status: str, total: int, completed: int) -> Dict[str, Any]:
    return {"status": status, "digest": _WORK_DIGEST, "total": total, "completed": completed}


def _kind(app: App, file: str, digest: str) -> Optional[str]:
    if file.endswith(".gguf"):
        return "gguf"
    if file.endswith((".safetensors", ".json")):
        return "safetensors"
    start = app.store.blobs.read(digest, 4)
    return "gguf" if start == b"GGUF" else None


def _parsed(app: App, digest: str) -> Tuple[Layer, GGUF]:
    # The metadata stand at the front; the weights need not be read.
    data = app.store.blobs.read(digest, _METADATA_LIMIT)
    if data is None:
        path = f"{MODELS_FOLDER}/blobs/{digest.replace(':', '-', 1)}"
        raise Failure(500, f"open {path}: no such file or directory")
    try:
        gguf = GGUF(io.BytesIO(data))
    except NotGGUF as fault:
        raise Failure(400, str(fault)) from None
    kind = "projector" if gguf.is_projector else "model"
    return Layer(kind, app.store.blobs.canonical(digest), app.store.blobs.size(digest)), gguf


def _of_gguf(layer: Layer, gguf: GGUF, projectors: List[Tuple[Layer, GGUF]]) -> Model:
    capabilities = ["embedding" if gguf.setting("pooling_type") else "completion"]
    template = gguf.chat_template
    shown = list(capabilities)
    if "think" in template:
        shown.insert(0, "thinking")
    if "tools" in template:
        shown.insert(0, "tools")
    if projectors or gguf.setting("vision.block_count"):
        capabilities.append("vision")
        shown.append("vision")
    eyes = projectors[0][1] if projectors else None
    return Model(
        "model",
        capabilities=capabilities,
        shown_capabilities=shown,
        family=gguf.architecture,
        parameter_size=human_count(gguf.parameter_count),
        quantization=gguf.quantization,
        context_length=gguf.setting("context_length"),
        embedding_length=gguf.setting("embedding_length"),
        template=PLAIN_TEMPLATE,
        chat_template=template,
        path="native" if template else "rendered",
        weights=[*(extra for extra, _ in projectors), layer],
        model_info=gguf.info(),
        projector_info=eyes.info() if eyes else {},
        tensors=gguf.tensors,
    )


def _converted(size: int, digest: str) -> Model:
    return Model("model", quantization="F16", weights=[Layer("model", digest, size)])


def _add_adapters(app: App, model: Model, adapters: Mapping[str, str]) -> Progress:
    kinds = [_kind(app, file, digest) for file, digest in adapters.items()]
    if not kinds or None in kinds:
        raise Failure(400, "unknown type")
    if len(adapters) > 1:
        raise Failure(400, "only one adapter is currently supported")
    for digest in adapters.values():
        if "safetensors" in kinds:
            yield {"status": "converting adapter"}
            layer = Layer("adapter", made_up_digest(digest), app.store.blobs.size(digest))
        else:
            yield {"status": "parsing GGUF"}
            layer = _parsed(app, digest)[0]._replace(kind="adapter")
        model.weights.append(layer)


def _quantize(model: Model, wanted: str) -> Progress:
    wanted = "Q4_K_M" if wanted == "Q4_K" else wanted
    if wanted not in _QUANTIZATIONS:
        known = "F32, F16, Q4_K_S, Q4_K_M, Q8_0"
        raise Failure(500, f"unsupported quantization type {wanted} - supported types are {known}")
    if wanted == model.quantization:
        return
    if model.quantization not in ("F16", "BF16", "F32"):
        raise Failure(500, "quantization is only supported for F16, BF16 and F32 models")
    for index, layer in enumerate(model.weights):
        if layer.kind != "model":
            continue
        status = f"quantizing {model.quantization} model to {wanted}"
        for quarter in (1, 2, 3, 4):
            yield _work(status, layer.size, layer.size * quarter // 4)
        digest = made_up_digest(layer.digest, wanted)
        model.weights[index] = Layer("model", digest, layer.size * 9 // 32)
        yield {"status": "verifying conversion"}
    model.quantization = wanted


def _overlay(model: Model, request: Mapping[str, Any]) -> None:
    """What a request adds to the model it starts from."""
    template = request.get("template")
    if template:
        if template.count("{{") > template.count("}}"):
            raise Failure(400, "template error: template: :1: unclosed action")
        model.template = template
        model.chat_template = ""
        model.path = "rendered"
        _recognize(model, ("tools", ".Tools"), ("insert", ".Suffix"), ("thinking", ".Thinking"))
        _recognize(model, ("thinking", ".Think"))
    parser = request.get("parser") or ""
    if parser or request.get("renderer"):
        model.path = "harmony" if parser == "harmony" else "rendered"
        model.chat_template = ""
        if parser:
            _recognize(model, ("tools", ""))
        if parser in ("harmony", "qwen3-thinking", "deepseek3", "cogito"):
            _recognize(model, ("thinking", ""))
    if request.get("system"):
        model.system = request["system"]
    model.license = _licenses(request.get("license")) or model.license
    model.parameters.update(
        {
            key: value
            for key, value in as_map(request.get("parameters")).items()
            if value is not None
        }
    )
    if request.get("messages"):
        model.messages = [_plain_message(message) for message in request["messages"]]
    if request.get("requires"):
        model.requires = request["requires"]


def _recognize(model: Model, *marks: Tuple[str, str]) -> None:
    for capability, mark in marks:
        if mark in model.template and capability not in model.capabilities:
            model.capabilities += (capability,)
    model.shown_capabilities = model.capabilities


def _licenses(value: Any) -> List[str]:
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise Failure(500, str(_gotypes.Mismatch(_gotypes.kind(value), "[]string")))
    texts = as_list(value)
    for text in texts:
        if not isinstance(text, str):
            raise Failure(500, str(_gotypes.Mismatch(_gotypes.kind(text), "string")))
    return texts


def _plain_message(message: Mapping[str, Any]) -> Dict[str, Any]:
    import base64

    result = dict(message)
    if message.get("images"):
        result["images"] = [base64.b64encode(image).decode() for image in message["images"]]
    return result
