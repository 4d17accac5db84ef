"""Images of any local form, as the base64 text that the API takes."""

from __future__ import annotations

import os
import sys
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from stat import S_ISREG
from typing import (
    IO,
    TYPE_CHECKING,
    Any,
    ClassVar,
    Dict,
    Generator,
    Iterator,
    Mapping,
    Optional,
    Set,
    Tuple,
    Union,
)

from ._convert import MAPPING, Mismatch
from ._model import Field, ModelFields
from .errors import RequestError

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".svg")

_BYTES: Any = (bytes, bytearray, memoryview)
_PATH: Any = os.PathLike

# Small enough for the caches of a processor, and without padding: a multiple of three.
_STEP = 48 * 1024


class Content:
    """The bytes of an image, at hand or in a file, that become base64 piece by piece.

    `length` is the number of characters of the base64 text.
    """

    __slots__ = ("_data", "_path", "_size", "length")

    def __init__(self, data: Any, path: Any = None, size: Optional[int] = None) -> None:
        # A snapshot, of what a caller may change before it is sent again.
        self._data = bytes(data) if isinstance(data, bytearray) else data
        self._path = path
        self._size = len(data) if size is None else size
        self.length: int = (self._size + 2) // 3 * 4

    @property
    def blocking(self) -> bool:
        """Whether there is a file to read."""
        return self._data is None

    def pieces(self) -> Generator[bytes, None, None]:
        """Yield the text, as ASCII. Raises OSError, and RequestError if the file got shorter."""
        if self._data is not None:
            view = memoryview(self._data)
            for start in range(0, self._size, _STEP):
                yield b2a_base64(view[start : start + _STEP], newline=False)
            return
        with open(self._path, "rb") as file:
            for start in range(0, self._size, _STEP):
                expected = min(_STEP, self._size - start)
                piece = file.read(expected)
                if len(piece) < expected:
                    raise RequestError(f"Image file {self._path} got shorter while it was sent")
                yield b2a_base64(piece, newline=False)

    def text(self) -> str:
        return b"".join(self.pieces()).decode("ascii")


_EXPECTED = "an image (path, bytes, base64 text, data URL or binary file)"
_NOTHING: Any = object()
_VALUE = Union[str, bytes, "os.PathLike[str]", IO[bytes]]


class _PydanticSerializer:
    """How pydantic writes an image that stands where any value may."""

    def __get__(self, instance: Any, owner: Any) -> Any:
        core: Any = sys.modules.get("pydantic_core")
        if core is None:  # it was not pydantic that asked
            raise AttributeError("__pydantic_serializer__")
        return core.SchemaSerializer(owner.__get_pydantic_core_schema__(owner, None))


class Image:
    """An image for a model that sees: a path, bytes, base64 text, a data URL or a binary file.

    Text is a path if such a file exists, else base64. A file object is read from where it stands,
    each time that a request with the image is sent. Nothing is read before that.
    """

    __slots__ = ("value",)

    _fields = {"value": Field("value", "value", _VALUE, None, True, None)}
    model_fields: ClassVar[ModelFields] = ModelFields()
    __fields__: ClassVar[ModelFields] = model_fields
    model_extra = None
    if not TYPE_CHECKING:
        __pydantic_serializer__ = _PydanticSerializer()

    def __init__(self, value: Any = _NOTHING) -> None:
        if value is _NOTHING:
            raise RequestError(Mismatch("required", None).text("Image.value"))
        if not _is_image(value):
            raise RequestError(Mismatch(_EXPECTED, value).text("Image.value"))
        self.value: Any = value

    def base64(self) -> str:
        """Return the content as base64 text.

        Raises RequestError, a ValueError, if there is no such file, or the text is no base64.
        """
        content = self.content()
        return content if isinstance(content, str) else content.text()

    def content(self) -> Union[str, Content]:
        """Return base64 text that was given as such, or what there is to encode.

        Raises as `base64` does.
        """
        value = self.value
        if isinstance(value, Image):
            return value.content()
        if isinstance(value, str):
            return _from_text(value)
        if isinstance(value, (bytes, bytearray)):
            return Content(value)
        if isinstance(value, memoryview):
            return Content(value.tobytes())
        if hasattr(value, "read"):
            return Content(_read_file(value))
        if isinstance(value, _PATH):
            return _from_path(value)
        raise RequestError(f"Invalid image data: a {type(value).__name__} is no image")

    def __ollama_json__(self) -> str:
        """How a dump and a request show the image."""
        return self.base64()

    def model_dump(self, **_: Any) -> str:
        return self.base64()

    def model_dump_json(self, **_: Any) -> str:
        return f'"{self.base64()}"'

    def __iter__(self) -> Iterator[Tuple[str, Any]]:
        yield "value", self.value

    @property
    def model_fields_set(self) -> Set[str]:
        return {"value"}

    @classmethod
    def model_construct(cls, _fields_set: Optional[Set[str]] = None, *, value: Any) -> Image:
        """Return an image of a value that is taken as it is, unchecked."""
        made = cls.__new__(cls)
        made.value = value
        return made

    def model_copy(self, *, update: Optional[Mapping[str, Any]] = None, deep: bool = False) -> Any:
        return self.model_construct(value=(update or {}).get("value", self.value))

    def dict(self, **_: Any) -> str:
        """Return `model_dump`: the name that pydantic 1 had."""
        return self.base64()

    def json(self, **_: Any) -> str:
        """Return `model_dump_json`: the name that pydantic 1 had."""
        return self.model_dump_json()

    def copy(self, **options: Any) -> Any:
        """Return `model_copy` with the same options: the name that pydantic 1 had."""
        return self.model_copy(**options)

    @classmethod
    def model_validate(cls, obj: Any, **keywords: Any) -> Image:
        """Return an image of anything that is one. Raises RequestError, a ValueError, otherwise."""
        from ._keywords import check_keywords

        check_keywords("model_validate", keywords)
        try:
            made: Image = image(obj)
        except Mismatch as error:
            raise RequestError(error.text(cls.__name__)) from None
        return made

    @classmethod
    def model_validate_json(cls, json_data: Union[str, bytes, bytearray], **keywords: Any) -> Image:
        """Return an image of JSON text. Raises RequestError, a ValueError, if it is none."""
        import json

        try:
            obj = json.loads(json_data)
        except (ValueError, RecursionError) as error:
            raise RequestError(f"{cls.__name__}: not JSON: {error}") from error
        return cls.model_validate(obj, **keywords)

    @classmethod
    def model_json_schema(cls, **_: Any) -> Dict[str, Any]:
        """Return a JSON Schema of what a request holds of an image."""
        return {"type": "string", "contentEncoding": "base64"}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        # Only pydantic calls this, so it is there to be imported.
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            cls.model_validate,
            serialization=core_schema.plain_serializer_function_ser_schema(cls.base64),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, source: Any, handler: Any) -> Any:
        return cls.model_json_schema()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Image):
            return NotImplemented
        return bool(self.value == other.value)

    if not TYPE_CHECKING:
        __hash__ = None

    def __repr__(self) -> str:
        text = repr(self.value)
        return f"Image(value={text if len(text) <= 80 else text[:77] + '...'})"


def image(value: Any) -> Any:
    """Converter of one element of a list of images."""
    if isinstance(value, Image):
        return value
    if isinstance(value, MAPPING) and "value" in value:
        value = value["value"]
    if _is_image(value):
        return Image(value)
    raise Mismatch(_EXPECTED, value)


def _is_image(value: Any) -> bool:
    return isinstance(value, (Image, str, *_BYTES, _PATH)) or hasattr(value, "read")


def _from_path(path: Any) -> Content:
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            # The size of a pipe, or of a file that a driver makes up, is known at its end.
            if not S_ISREG(status.st_mode) or not status.st_size:
                return Content(file.read())
            return Content(None, path, status.st_size)
    except FileNotFoundError as error:
        raise RequestError(f"File {path} does not exist") from error
    except (OSError, ValueError) as error:
        raise RequestError(f"Image file {path} cannot be read: {error}") from error


def _read_file(file: Any) -> bytes:
    # From where it stands, and back to there: a request may be sent again.
    start = file.tell() if hasattr(file, "seekable") and file.seekable() else None
    data = file.read()
    if start is not None:
        file.seek(start)
    if not isinstance(data, bytes):
        raise RequestError(f"Image file {file!r} is not open in binary mode")
    return data


def _from_text(text: str) -> Union[str, Content]:
    if text[:5].lower() == "data:":
        head, comma, data = text.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise RequestError("Invalid image data: a data URL must be base64")
        return _checked(data)
    if text[:8].lower().startswith(("http://", "https://")):
        raise RequestError(f"Invalid image data: {text[:80]} is a URL; load it and pass its bytes")
    if len(text) < 4096 and "\0" not in text and os.path.exists(text):
        return _from_path(text)
    if text.lower().endswith(_SUFFIXES):
        raise RequestError(f"File {text} does not exist")
    return _checked(text)


def _checked(text: str) -> str:
    # Line breaks inside are skipped by the server as well.
    try:
        a2b_base64(text)
        text.encode("ascii")
    except (Base64Error, ValueError) as error:
        raise RequestError(
            "Invalid image data, expected base64 string or path to image file"
        ) from error
    return text
