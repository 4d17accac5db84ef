"""Blobs by digest: bytes that were uploaded, and sizes of those that only a registry has."""

from __future__ import annotations

import io
import re
import threading
from typing import Any, BinaryIO, Dict, Iterable, Optional, Tuple

_DIGEST = re.compile(r"sha256[:-][0-9a-fA-F]{64}\Z")
_IN_MEMORY = 1 << 20


class BlobFault(Exception):
    """The bytes do not have the digest they were sent under, or there is no room for them."""


class _Blob:
    def __init__(self, size: int, file: Optional[BinaryIO]) -> None:
        self.size = size
        self.file = file


class Blobs:
    """The blob folder of a server. Its limit is for all bytes that are added to it together."""

    def __init__(self) -> None:
        self._limit: Optional[int] = None
        self._used = 0
        self._blobs: Dict[str, _Blob] = {}
        self._lock = threading.Lock()

    def limit(self, size: int) -> None:
        """Let there be room for ``size`` bytes more than there are now."""
        self._limit = self._used + size

    def _take(self, size: int) -> None:
        """Use up some room; the lock is held. Raises `BlobFault` if there is none."""
        if self._limit is not None and self._used + size > self._limit:
            raise BlobFault("no space left on device")
        self._used += size

    @staticmethod
    def well_formed(digest: str) -> bool:
        return _DIGEST.match(digest) is not None

    @staticmethod
    def canonical(digest: str) -> str:
        return digest.replace("-", ":", 1).lower()

    def __contains__(self, digest: str) -> bool:
        return self.canonical(digest) in self._blobs

    def size(self, digest: str) -> int:
        """Bytes of a known blob, 0 for an unknown one."""
        blob = self._blobs.get(self.canonical(digest))
        return blob.size if blob else 0

    def know(self, digest: str, size: int) -> bool:
        """Note a blob of which there are no bytes; False if it was known."""
        with self._lock:
            if digest in self._blobs:
                return False
            self._blobs[digest] = _Blob(size, None)
            return True

    def add(self, data: bytes) -> Tuple[str, bool]:
        """Store a small blob: its digest, and whether it is new. Raises `BlobFault`."""
        import hashlib

        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        with self._lock:
            known = self._blobs.get(digest)
            if known is not None and known.file is not None:
                return digest, False
            self._take(len(data))
            self._blobs[digest] = _Blob(len(data), io.BytesIO(data))
            return digest, known is None

    def store(self, digest: str, chunks: Iterable[bytes]) -> None:
        """Take an upload. The bytes are kept under the digest they really have."""
        import hashlib
        import tempfile

        checksum = hashlib.sha256()
        file: Any = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 it is kept
        size = 0
        try:
            for chunk in chunks:
                # Taken as it comes, so that uploads at the same time keep the limit together.
                with self._lock:
                    self._take(len(chunk))
                size += len(chunk)
                checksum.update(chunk)
                file.write(chunk)
            real = "sha256:" + checksum.hexdigest()
            with self._lock:
                if real not in self._blobs or self._blobs[real].file is None:
                    self._blobs[real] = _Blob(size, file)
                    file = None
        finally:
            if file is not None:
                file.close()
                with self._lock:
                    self._used -= size
        if real != digest:
            raise BlobFault(f'digest mismatch, expected "{digest}", got "{real}"')

    def place(self, digest: str, data: bytes) -> None:
        """Put bytes under any digest, as a fixture of a test may want."""
        with self._lock:
            self._blobs[self.canonical(digest)] = _Blob(len(data), io.BytesIO(data))

    def read(self, digest: str, size: int = -1) -> Optional[bytes]:
        """The first bytes of a blob, or None if there are none here."""
        blob = self._blobs.get(self.canonical(digest))
        if blob is None or blob.file is None:
            return None
        with self._lock:
            blob.file.seek(0)
            return blob.file.read(size)

    def close(self) -> None:
        """Give back what the uploads take."""
        with self._lock:
            for blob in self._blobs.values():
                if blob.file is not None:
                    blob.file.close()
            self._blobs.clear()
            self._used = 0
