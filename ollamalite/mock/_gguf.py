"""The metadata of a GGUF file: what the server reads of an uploaded model."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO, Dict, List

from ._gojson import Float32

_LIMIT = 1 << 24
_FORMATS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_STRING = 8
_ARRAY = 9
_TENSOR_TYPES = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    8: "Q8_0",
    12: "Q4_K",
    14: "Q6_K",
    30: "BF16",
}
_FILE_TYPES = {0: "F32", 1: "F16", 2: "Q4_0", 7: "Q8_0", 14: "Q4_K_S", 15: "Q4_K_M", 32: "BF16"}


class NotGGUF(ValueError):
    """The bytes are no GGUF file, or end too early."""


class GGUF:
    """Keys, values and tensors of one file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        if file.read(4) != b"GGUF":
            raise NotGGUF("supplied file was not in GGUF format")
        version, tensor_count, key_count = self._unpack("IQQ")
        if version < 2 or tensor_count > _LIMIT or key_count > _LIMIT:
            raise NotGGUF("supplied file was not in GGUF format")
        self.values: Dict[str, Any] = {}
        for _ in range(key_count):
            key = self._string()
            self.values[key] = self._value(self._unpack("I")[0])
        self.tensors: List[Dict[str, Any]] = []
        self.parameter_count = 0
        for _ in range(tensor_count):
            name = self._string()
            (dimensions,) = self._unpack("I")
            if dimensions > 8:
                raise NotGGUF("supplied file was not in GGUF format")
            shape = list(self._unpack("Q" * dimensions))
            kind, _ = self._unpack("IQ")
            elements = 1
            for length in shape:
                elements *= length
            self.parameter_count += elements
            self.tensors.append(
                {"name": name, "type": _TENSOR_TYPES.get(kind, "unknown"), "shape": shape}
            )

    @property
    def architecture(self) -> str:
        return str(self.values.get("general.architecture", "unknown"))

    @property
    def quantization(self) -> str:
        return _FILE_TYPES.get(self.values.get("general.file_type", -1), "unknown")

    @property
    def chat_template(self) -> str:
        return str(self.values.get("tokenizer.chat_template", ""))

    @property
    def is_projector(self) -> bool:
        return self.architecture == "clip" or self.values.get("general.type") == "mmproj"

    def setting(self, name: str) -> int:
        """A number that the architecture names, such as its ``context_length``; else 0."""
        value = self.values.get(f"{self.architecture}.{name}", 0)
        return value if isinstance(value, int) else 0

    def info(self) -> Dict[str, Any]:
        """What ``show`` calls ``model_info``, arrays included."""
        info = dict(self.values)
        info.pop("tokenizer.chat_template", None)
        info["general.parameter_count"] = self.parameter_count
        return info

    def _read(self, size: int) -> bytes:
        if size > _LIMIT:
            raise NotGGUF("supplied file was not in GGUF format")
        data = self._file.read(size)
        if len(data) < size:
            raise NotGGUF("unexpected EOF")
        return data

    def _unpack(self, form: str) -> Any:
        form = "<" + form
        return struct.unpack(form, self._read(struct.calcsize(form)))

    def _string(self) -> str:
        return self._read(self._unpack("Q")[0]).decode("utf-8", "replace")

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            inner, count = self._unpack("IQ")
            if inner in _FORMATS:
                size = struct.calcsize(_FORMATS[inner])
                items = struct.unpack(f"<{count}{_FORMATS[inner]}", self._read(size * count))
                return [Float32(item) for item in items] if inner == 6 else list(items)
            if count > _LIMIT:
                raise NotGGUF("supplied file was not in GGUF format")
            return [self._value(inner) for _ in range(count)]
        if kind not in _FORMATS:
            raise NotGGUF("supplied file was not in GGUF format")
        (value,) = self._unpack(_FORMATS[kind])
        return Float32(value) if kind == 6 else value


def human_count(number: int) -> str:
    """A number of parameters as the server shows it: ``3.2B``, ``137M``, ``5K``."""
    if number >= 10**9:
        billions = number / 10**9
        return f"{billions:.0f}B" if billions == int(billions) else f"{billions:.1f}B"
    if number >= 10**6:
        millions = number / 10**6
        return f"{millions:.0f}M" if millions == int(millions) else f"{millions:.2f}M"
    return f"{number / 1000:.0f}K" if number >= 1000 else str(number)
