"""What the clients know of one operation of the API, and the types its arguments share."""

from __future__ import annotations

import os
from typing import (
    IO,
    TYPE_CHECKING,
    Any,
    Dict,
    Generic,
    Optional,
    Tuple,
    Type,
    TypeVar,
    Union,
)

from ._convert import Mismatch
from ._images import Image
from ._model import Record
from ._records import request_body
from .errors import RequestError

T = TypeVar("T")

if TYPE_CHECKING:
    from typing import Protocol

    class TimeoutLike(Protocol):
        """Anything with these attributes, in seconds, such as ``httpx.Timeout``."""

        @property
        def connect(self) -> Optional[float]: ...
        @property
        def read(self) -> Optional[float]: ...
        @property
        def write(self) -> Optional[float]: ...
        @property
        def pool(self) -> Optional[float]: ...

    PathLike = os.PathLike[str]
else:
    # 3.8 cannot subscript os.PathLike.
    PathLike = os.PathLike
    TimeoutLike = Any

StrPath = Union[str, PathLike]
"""The path of a file."""

ImageInput = Union[str, bytes, PathLike, IO[bytes], Image]
"""An image as a caller gives it: see `Image`."""

_Seconds = Optional[float]
TimeoutTypes = Union[
    None,
    float,
    Tuple[_Seconds, _Seconds],
    Tuple[_Seconds, _Seconds, _Seconds, _Seconds],
    TimeoutLike,
]
"""Seconds for each wait, (connect, read), (connect, read, write, pool), or an object with these."""


class Operation(Generic[T]):
    """One row of the table of operations: how to ask, and what the answer is."""

    __slots__ = ("bearer", "last", "method", "name", "request", "response", "url")

    def __init__(
        self,
        name: str,
        method: str,
        url: str,
        *,
        response: Type[T],
        request: Optional[Type[Record]] = None,
        last: Optional[Tuple[str, Any]] = None,
        bearer: bool = False,
    ) -> None:
        self.name = name
        self.method = method
        self.url = url
        self.response = response
        self.request = request
        self.last = last
        self.bearer = bearer

    def body(self, arguments: Dict[str, Any]) -> Optional[Dict[str, Any]]:
        """Return the JSON object to send: the arguments that are not None, checked.

        Raises RequestError, which names the argument, if one does not fit.
        """
        if self.request is None:
            return None
        # As the ``ollama`` package does it.
        if not arguments.get("images", True):
            arguments = {**arguments, "images": None}
        try:
            return request_body(self.request, arguments)
        except Mismatch as error:
            raise RequestError(error.text(self.name)) from None
