"""An answer in many pieces, as an iterator that can be hung up on."""

from __future__ import annotations

from types import TracebackType
from typing import (
    Any,
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Generic,
    Optional,
    Type,
    TypeVar,
)

HangUp = Callable[[], None]
AsyncHangUp = Callable[[], Awaitable[None]]

T = TypeVar("T")


class Stream(Generator[T, None, None], Generic[T]):
    """The pieces of one answer, in the order in which the server sends them.

    Iterating raises ResponseError if the server reports an error in the middle, and a
    TransportError if the answer is cut short: after the pieces that came before. `close`, leaving
    the ``with`` block, and losing the last reference hang up, which stops the generation.
    """

    __slots__ = ("__weakref__", "_hang_up", "_pieces")

    def __init__(self, pieces: Generator[T, None, None], hang_up: HangUp) -> None:
        self._pieces = pieces
        self._hang_up = hang_up

    # A loop runs on the generator itself, which hangs up when it is dropped, and so pays nothing
    # for this class.
    def __iter__(self) -> Generator[T, None, None]:
        return self._pieces

    def __next__(self) -> T:
        return next(self._pieces)

    def send(self, value: None) -> T:
        return self._pieces.send(value)

    def throw(self, typ: Any, val: Any = None, tb: Any = None) -> T:
        """Raise an exception where the stream waits, as for any generator: it hangs up."""
        pieces: Any = self._pieces
        try:
            given = (typ,) if val is None and tb is None else (typ, val, tb)
            value: T = pieces.throw(*given)
            return value
        except BaseException:
            # A generator that nobody asked for its first piece does not do it itself.
            self._hang_up()
            raise

    def close(self) -> None:
        """Hang up, also from another thread. A closed stream ends; closing twice does nothing."""
        self._hang_up()
        try:
            self._pieces.close()
        except ValueError:
            # It runs in another thread, where the end of the connection ends it.
            return

    def __enter__(self) -> Stream[T]:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()


class AsyncStream(AsyncGenerator[T, None], Generic[T]):
    """The pieces of one answer, as `Stream` gives them, for ``async for``."""

    __slots__ = ("__weakref__", "_hang_up", "_pieces")

    def __init__(self, pieces: AsyncGenerator[T, None], hang_up: AsyncHangUp) -> None:
        self._pieces = pieces
        self._hang_up = hang_up

    def __aiter__(self) -> AsyncIterator[T]:
        return self._pieces

    async def __anext__(self) -> T:
        return await self._pieces.__anext__()

    async def asend(self, value: None) -> T:
        return await self._pieces.asend(value)

    async def athrow(self, typ: Any, val: Any = None, tb: Any = None) -> T:
        """Raise an exception where the stream waits, as for any generator: it hangs up."""
        pieces: Any = self._pieces
        try:
            given = (typ,) if val is None and tb is None else (typ, val, tb)
            value: T = await pieces.athrow(*given)
            return value
        except BaseException:
            await self._hang_up()
            raise

    async def aclose(self) -> None:
        """Hang up. A closed stream ends; closing twice does nothing."""
        await self._hang_up()
        try:
            await self._pieces.aclose()
        except RuntimeError:
            # It runs in another task, where the end of the connection ends it.
            return

    async def __aenter__(self) -> AsyncStream[T]:
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        await self.aclose()
