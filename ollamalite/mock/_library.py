"""The models that a fresh mock server has, and those that it can pull."""

from __future__ import annotations

from typing import Any, Dict, List

from ._store import Layer, Model, made_up_digest

_INSTALLED = ("gemma3:latest", "embeddinggemma:latest", "qwen3:latest", "llama3.2:latest")

_LICENSE = "Terms of a model that does not exist."

_BILLION = 10**9

# name: (capabilities, family, parameters, quantization, bytes of weights, context, embedding)
_TABLE: Dict[str, Any] = {
    "llama3.2:latest": ("tools", "llama", 3_212_749_888, "Q4_K_M", 2_019_377_376, 131072, 3072),
    "llama3.2:3b": ("tools", "llama", 3_212_749_888, "Q4_K_M", 2_019_377_376, 131072, 3072),
    "llama3.2:1b": ("tools", "llama", 1_235_814_432, "Q8_0", 1_321_082_688, 131072, 2048),
    "llama3.1:latest": ("tools", "llama", 8_030_261_312, "Q4_K_M", 4_920_738_944, 131072, 4096),
    "llama3.1:8b": ("tools", "llama", 8_030_261_312, "Q4_K_M", 4_920_738_944, 131072, 4096),
    "qwen3:latest": (
        "tools thinking",
        "qwen3",
        8_190_735_360,
        "Q4_K_M",
        5_225_374_720,
        40960,
        4096,
    ),
    "qwen3:8b": ("tools thinking", "qwen3", 8_190_735_360, "Q4_K_M", 5_225_374_720, 40960, 4096),
    "qwen3:0.6b": ("tools thinking", "qwen3", 751_632_384, "Q4_K_M", 522_640_096, 40960, 1024),
    "qwen2.5-coder:latest": (
        "tools insert",
        "qwen2",
        7_615_616_512,
        "Q4_K_M",
        4_683_073_184,
        32768,
        3584,
    ),
    "gemma3:latest": ("vision", "gemma3", 4_299_915_632, "Q4_K_M", 3_338_792_448, 131072, 2560),
    "gemma3:4b": ("vision", "gemma3", 4_299_915_632, "Q4_K_M", 3_338_792_448, 131072, 2560),
    "llava:latest": ("vision", "llama", 7_241_732_096, "Q4_0", 4_108_916_384, 32768, 4096),
    "mistral:latest": ("tools", "llama", 7_248_023_552, "Q4_K_M", 4_372_811_936, 32768, 4096),
    "tinyllama:latest": ("", "llama", 1_100_048_384, "Q4_0", 637_699_456, 2048, 2048),
    "gpt-oss:latest": (
        "tools thinking",
        "gptoss",
        20_914_757_184,
        "MXFP4",
        13_793_422_144,
        131072,
        2880,
    ),
    "gpt-oss:20b": (
        "tools thinking",
        "gptoss",
        20_914_757_184,
        "MXFP4",
        13_793_422_144,
        131072,
        2880,
    ),
    "embeddinggemma:latest": (
        "embedding",
        "gemma3",
        307_581_696,
        "BF16",
        621_867_072,
        2048,
        768,
    ),
    "nomic-embed-text:latest": (
        "embedding",
        "nomic-bert",
        136_727_040,
        "F16",
        274_290_656,
        2048,
        768,
    ),
    "all-minilm:latest": ("embedding", "bert", 22_565_376, "F16", 45_949_216, 512, 384),
}


def library_model(name: str) -> Model:
    """A model of the table; any other name gives a small one that completes and calls tools."""
    from ._gguf import human_count

    row = _TABLE.get(name) or ("tools", "llama", _BILLION, "Q4_K_M", 700_000_000, 131072, 2048)
    words, family, count, quantization, size, context, embedding = row
    capabilities: List[str] = list(words.split())
    if "embedding" not in capabilities:
        capabilities.insert(0, "completion")
    weights = [Layer("model", made_up_digest(family, str(count), str(size)), size)]
    if "vision" in capabilities:
        weights.append(Layer("projector", made_up_digest("eyes", family), 854_200_224))
    return Model(
        name,
        capabilities=capabilities,
        family=family,
        parameter_size=human_count(count),
        parameter_count=count,
        quantization=quantization,
        context_length=context,
        embedding_length=embedding,
        license=[_LICENSE],
        parameters={} if "embedding" in capabilities else {"stop": ["<|user|>"]},
        path="harmony" if family == "gptoss" else "rendered",
        weights=weights,
    )


def installed() -> List[Model]:
    """What a fresh server has: completion with tools, thinking, embedding, vision."""
    return [library_model(name) for name in _INSTALLED]


def pullable() -> List[Model]:
    """What the registry of the mock has."""
    return [library_model(name) for name in _TABLE]
