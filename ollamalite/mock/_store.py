"""What a server has: models, blobs, and which models are loaded until when."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from . import _names
from ._blobs import Blobs
from ._gojson import encode
from ._govalues import SECOND

MODELS_FOLDER = "/usr/share/ollama/.ollama/models"
DEFAULT_KEEP_ALIVE = 300 * SECOND
DEFAULT_CONTEXT = 4096

GO_TEMPLATE = (
    "{{- range .Messages }}<|{{ .Role }}|>{{ .Content }}{{ end }}"
    "{{- if .Tools }}{{ .Tools }}{{ end }}<|assistant|>"
)
PLAIN_TEMPLATE = "{{ .Prompt }}"


class Layer(NamedTuple):
    """One file of a model: what it is for, its digest with ``sha256:``, its size in bytes."""

    kind: str
    digest: str
    size: int


def made_up_digest(*seeds: str) -> str:
    """A digest for bytes that nobody has."""
    return "sha256:" + hashlib.sha256("\n".join(seeds).encode()).hexdigest()


class Model:
    """A model as the server shows it. It has no weights: what it says is made up elsewhere.

    ``capabilities`` are those of ``tags`` and of the checks; ``path`` is the server's way of
    generating (``"native"``, ``"rendered"`` or ``"harmony"``), which decides where tool calls
    stand in a stream. ``size`` and ``parameter_count`` are those of the weights.
    """

    def __init__(
        self,
        name: str,
        *,
        capabilities: Sequence[str] = ("completion",),
        family: str = "llama",
        families: Optional[Sequence[str]] = None,
        format: str = "gguf",
        parameter_size: str = "3.2B",
        parameter_count: int = 3_212_749_888,
        quantization: str = "Q4_K_M",
        size: int = 2_019_377_376,
        context_length: int = 131_072,
        embedding_length: int = 3072,
        template: Optional[str] = None,
        chat_template: str = "",
        system: str = "",
        license: Sequence[str] = (),
        parameters: Optional[Mapping[str, Any]] = None,
        messages: Sequence[Mapping[str, Any]] = (),
        path: str = "rendered",
        parent: str = "",
        remote_model: str = "",
        remote_host: str = "",
        requires: str = "",
        weights: Optional[Sequence[Layer]] = None,
        model_info: Optional[Mapping[str, Any]] = None,
        projector_info: Optional[Mapping[str, Any]] = None,
        tensors: Optional[Sequence[Mapping[str, Any]]] = None,
        shown_capabilities: Optional[Sequence[str]] = None,
    ) -> None:
        self.name: _names.Name = _names.parse(name)
        self.capabilities: Tuple[str, ...] = tuple(capabilities)
        self.family = family
        self.families: Optional[List[str]] = (
            list(families) if families is not None else ([family] if family else None)
        )
        self.format = format
        self.parameter_size = parameter_size
        self.quantization = quantization
        self.context_length = context_length
        self.embedding_length = embedding_length
        if template is None:
            template = GO_TEMPLATE if "completion" in capabilities else PLAIN_TEMPLATE
        self.template = template
        self.chat_template = chat_template
        self.system = system
        self.license: List[str] = list(license)
        self.parameters: Dict[str, Any] = dict(parameters or {})
        self.messages: List[Dict[str, Any]] = [dict(message) for message in messages]
        self.path = path
        self.parent = parent
        self.remote_model = remote_model
        self.remote_host = remote_host
        self.requires = requires
        if weights is None:
            weights = [Layer("model", made_up_digest(name, str(size)), size)]
        self.weights: List[Layer] = list(weights)
        if model_info is None:
            model_info = _made_up_info(
                family, parameter_count, context_length, embedding_length, capabilities
            )
        self.model_info: Dict[str, Any] = dict(model_info)
        if projector_info is None and "vision" in capabilities:
            projector_info = {"clip.has_vision_encoder": True, "general.architecture": "clip"}
        self.projector_info: Dict[str, Any] = dict(projector_info or {})
        if tensors is None:
            tensors = [
                {"name": "token_embd.weight", "type": "Q6_K", "shape": [embedding_length, 128_256]},
                {"name": "output_norm.weight", "type": "F32", "shape": [embedding_length]},
            ]
        self.tensors: List[Dict[str, Any]] = [dict(tensor) for tensor in tensors]
        self.shown_capabilities: Tuple[str, ...] = tuple(
            capabilities if shown_capabilities is None else shown_capabilities
        )
        self.modified_at = 0
        self._manifest: Optional[Tuple[str, int]] = None

    def copy(self, name: Optional[_names.Name] = None) -> Model:
        """The same model, to be changed or to stand under another name."""
        twin = Model.__new__(Model)
        twin.__dict__.update(self.__dict__)
        for key in ("license", "messages", "weights", "tensors"):
            twin.__dict__[key] = list(self.__dict__[key])
        for key in ("parameters", "model_info", "projector_info"):
            twin.__dict__[key] = dict(self.__dict__[key])
        twin._manifest = None
        if name is not None:
            twin.name = name
        return twin

    @property
    def is_remote(self) -> bool:
        return bool(self.remote_host)

    def texts(self) -> List[Tuple[str, bytes]]:
        """The layers that are text, in the order the server writes them."""
        texts: List[Tuple[str, bytes]] = []
        if self.template and self.template != PLAIN_TEMPLATE:
            texts.append(("template", self.template.encode()))
        if self.system:
            texts.append(("system", self.system.encode()))
        texts.extend(("license", text.encode()) for text in self.license)
        if self.parameters:
            ordered = {key: self.parameters[key] for key in sorted(self.parameters)}
            texts.append(("params", encode(ordered) + b"\n"))
        if self.messages:
            texts.append(("messages", encode(self.messages) + b"\n"))
        return texts

    def layers(self) -> List[Layer]:
        """All files but the configuration."""
        layers = list(self.weights)
        for kind, data in self.texts():
            layers.append(Layer(kind, "sha256:" + hashlib.sha256(data).hexdigest(), len(data)))
        return layers

    def config(self) -> Layer:
        """The configuration file, the last one that pull and push name."""
        data = encode(
            {
                "model_format": self.format,
                "model_family": self.family,
                "model_families": self.families,
                "model_type": self.parameter_size,
                "file_type": self.quantization,
                "remote_host": self.remote_host,
                "remote_model": self.remote_model,
                "capabilities": self.capabilities,
                "rootfs": [layer.digest for layer in self.layers()],
            }
        )
        return Layer("config", "sha256:" + hashlib.sha256(data).hexdigest(), len(data))

    @property
    def digest(self) -> str:
        """Of the manifest: 64 hexadecimal digits without prefix."""
        return self._written()[0]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return self._written()[1]

    def _written(self) -> Tuple[str, int]:
        if self._manifest is None:
            files = [*self.layers(), self.config()]
            manifest = encode([list(layer) for layer in files])
            total = sum(layer.size for layer in files)
            self._manifest = hashlib.sha256(manifest).hexdigest(), total
        return self._manifest


def _made_up_info(
    family: str, parameters: int, context: int, embedding: int, capabilities: Sequence[str]
) -> Dict[str, Any]:
    info: Dict[str, Any] = {
        "general.architecture": family,
        "general.file_type": 15,
        "general.parameter_count": parameters,
        "general.quantization_version": 2,
        f"{family}.attention.head_count": 24,
        f"{family}.attention.head_count_kv": 8,
        f"{family}.attention.layer_norm_rms_epsilon": 0.00001,
        f"{family}.block_count": 28,
        f"{family}.context_length": context,
        f"{family}.embedding_length": embedding,
        f"{family}.feed_forward_length": 8192,
        f"{family}.rope.freq_base": 500000,
        "tokenizer.ggml.bos_token_id": 128000,
        "tokenizer.ggml.eos_token_id": 128009,
        "tokenizer.ggml.merges": ["Ġ t", "Ġ a", "i n"],
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.token_type": [1, 1, 1],
        "tokenizer.ggml.tokens": ["!", '"', "#"],
    }
    if "embedding" in capabilities:
        info[f"{family}.pooling_type"] = 1
    return info


class Loaded:
    """A model in memory. ``expires`` in nanoseconds since 1970; ``busy`` requests use it."""

    def __init__(self, model: Model, keep: int, context_length: int) -> None:
        self.model = model
        self.keep = keep
        self.context_length = context_length
        self.busy = 0
        self.expires = 0
        self.touch()

    def touch(self) -> None:
        self.expires = time.time_ns() + self.keep


class Store:
    """The state that requests change. Every method may be called from any thread."""

    def __init__(self, models: Iterable[Model], blob_limit: int) -> None:
        self.lock: Any = threading.RLock()
        self.blobs: Blobs = Blobs()
        self._models: Dict[str, Model] = {}
        self._loaded: Dict[str, Loaded] = {}
        for model in models:
            self.put(model.copy())
        self.blobs.limit(blob_limit)

    def models(self) -> List[Model]:
        """Newest first."""
        with self.lock:
            return sorted(self._models.values(), key=lambda model: -model.modified_at)

    def find(self, name: _names.Name) -> Optional[Model]:
        """The model of that name, whatever its case."""
        return self._models.get(name.key)

    def put(self, model: Model) -> None:
        """Add a model, or replace the one of the same name; its files become known.

        Raises `BlobFault`, and adds no model, if there is no room for its texts.
        """
        with self.lock:
            for _, data in model.texts():
                self.blobs.add(data)
            model.modified_at = time.time_ns()
            known = self._models.get(model.name.key)
            if known is not None:
                # The case that is on disk wins.
                model.name = known.name
            self._models[model.name.key] = model
            for layer in model.weights:
                self.blobs.know(layer.digest, layer.size)

    def remove(self, name: _names.Name) -> bool:
        with self.lock:
            self._loaded.pop(name.key, None)
            return self._models.pop(name.key, None) is not None

    def load(self, model: Model, keep_alive: Optional[int], options: Mapping[str, Any]) -> bool:
        """Take a model into use until `release`; True if it had to be loaded."""
        with self.lock:
            self._expire()
            loaded = self._loaded.get(model.name.key)
            context_length = effective_context(model, options)
            fresh = loaded is None or loaded.model is not model
            # Asking for another context loads the model anew; not asking keeps what there is.
            changed = "num_ctx" in options and not fresh
            if loaded is None or fresh or (changed and loaded.context_length != context_length):
                keep = loaded.keep if loaded is not None and not fresh else DEFAULT_KEEP_ALIVE
                loaded = Loaded(model, keep, context_length)
                self._loaded[model.name.key] = loaded
                fresh = True
            if keep_alive is not None:
                loaded.keep = keep_alive
            loaded.busy += 1
            loaded.touch()
            return fresh

    def release(self, model: Model) -> None:
        """The request is over: the time until the model is unloaded starts now."""
        with self.lock:
            loaded = self._loaded.get(model.name.key)
            if loaded is not None:
                loaded.busy = max(0, loaded.busy - 1)
                loaded.touch()
            self._expire()

    def unload(self, model: Model) -> None:
        with self.lock:
            self._loaded.pop(model.name.key, None)

    def loaded(self) -> List[Loaded]:
        """The longest to live first."""
        with self.lock:
            self._expire()
            return sorted(self._loaded.values(), key=lambda loaded: -loaded.expires)

    def _expire(self) -> None:
        now = time.time_ns()
        for key, loaded in list(self._loaded.items()):
            if not loaded.busy and (loaded.keep == 0 or loaded.expires <= now):
                del self._loaded[key]


def effective_context(model: Model, options: Mapping[str, Any]) -> int:
    """The context length in tokens that a load with these options gives."""
    wanted = options.get("num_ctx") or model.parameters.get("num_ctx") or DEFAULT_CONTEXT
    length = max(int(wanted), 2048 if "vision" in model.capabilities else 4)
    return min(length, model.context_length) if model.context_length else length
