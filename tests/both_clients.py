"""The sync and the async client behind one face, so that a test holds for both."""

import asyncio

import pytest

from ollamalite import AsyncClient, Client


class SyncFace:
    """Calls, closes and reads streams of a `Client`."""

    name = "Client"
    make = Client

    def call(self, client, method, *args, **kwargs):
        with client:
            return getattr(client, method)(*args, **kwargs)

    def stream(self, client, method, *args, **kwargs):
        """Return all pieces, and the error after them."""
        pieces = []
        with client:
            try:
                for piece in getattr(client, method)(*args, stream=True, **kwargs):
                    pieces.append(piece)
            except Exception as error:
                return pieces, error
        return pieces, None


class AsyncFace:
    """Calls, closes and reads streams of an `AsyncClient`, each in an event loop of its own."""

    name = "AsyncClient"
    make = AsyncClient

    def call(self, client, method, *args, **kwargs):
        async def run():
            async with client:
                return await getattr(client, method)(*args, **kwargs)

        return asyncio.run(run())

    def stream(self, client, method, *args, **kwargs):
        async def run():
            pieces = []
            async with client:
                try:
                    async for piece in await getattr(client, method)(*args, stream=True, **kwargs):
                        pieces.append(piece)
                except Exception as error:
                    return pieces, error
            return pieces, None

        return asyncio.run(run())


both = pytest.mark.parametrize("face", [SyncFace(), AsyncFace()], ids=lambda face: face.name)
