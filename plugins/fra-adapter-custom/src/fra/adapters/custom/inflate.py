"""Decompression that stops at a limit: a few kilobytes must not become gigabytes."""

from __future__ import annotations

import zlib
from typing import Final

from fra.core import FraError

_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS


class TooLarge(FraError):
    """What a server sent is larger, decompressed, than the configured limit."""


class Inflater:
    """Decompresses a stream of gzip or zlib chunks, at most ``limit`` bytes in all."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._left = limit
        self._stream = zlib.decompressobj(_GZIP_OR_ZLIB)

    def feed(self, chunk: bytes) -> bytes:
        """The bytes that ``chunk`` adds. Raises TooLarge, or zlib.error for what is not compressed."""
        parts = []
        while chunk:
            part = self._stream.decompress(chunk, self._left + 1)
            self._left -= len(part)
            if self._left < 0:
                raise TooLarge(f"decompressed, it is larger than {self._limit:,} bytes")
            parts.append(part)
            chunk = self._stream.unconsumed_tail
            if self._stream.eof:
                chunk = self._stream.unused_data
                self._stream = zlib.decompressobj(_GZIP_OR_ZLIB)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def gunzip(frame: bytes, limit: int) -> bytes:
    """One compressed frame. Raises TooLarge, or zlib.error."""
    return Inflater(limit).feed(frame)
