"""`ByteReceiver` and `ByteSender`: our ends of a process's pipes.

*What it is.* Bytes, read when they are asked for: what nobody asks for stays in the pipe, and the
process waits when that is full (back-pressure). What was read and not yet handed out is kept in the
receiver, so that a canceled read loses nothing.

*Invariants.*
 R-1  One read, or one write, at a time.
 R-2  A read takes bytes from the pipe only in the poll that hands them to the receiver.

*Threads.* The runtime's.

*Source.* trio's ``FdStream``; asyncio's ``StreamReader.readline`` without its flow control.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from typing import Final

from rescind._core.errors import Closed, UsageError
from rescind.blocking.fds import Ready

__all__ = ["ByteReceiver", "ByteSender", "Lines"]

_CHUNK: Final = 1 << 16
#: The longest line that `ByteReceiver.lines` accepts, in bytes, unless it is told another.
_LINE: Final = 1 << 20


class _End:
    """One end of a pipe."""

    def __init__(self, fd: int, name: str) -> None:
        os.set_blocking(fd, False)
        # -1 once it is closed.
        self._fd = fd
        self._name = name
        self._busy = False
        # What its user is parked on; None while nobody waits.
        self._parked: Ready | None = None

    @contextmanager
    def _alone(self) -> Generator[int]:
        """Refuse a second user at the same time (R-1), and one that comes after `close`."""
        if self._fd == -1:
            raise Closed(f"{self._name} was closed")
        if self._busy:
            raise UsageError(f"{self._name} is already used by another task; one at a time")
        self._busy = True
        try:
            yield self._fd
        finally:
            self._busy = False

    async def _park(self, *, write: bool = False) -> None:
        """Wait until it is ready; raise `Closed` if it is closed meanwhile."""
        self._parked = Ready(self._fd, write=write)
        try:
            await self._parked
        finally:
            self._parked = None
        if self._fd == -1:
            raise Closed(f"{self._name} was closed")

    def close(self) -> None:
        """Close it; who waits for it gets `Closed`. A no-op the second time."""
        fd, self._fd = self._fd, -1
        if fd == -1:
            return
        if self._parked is not None:
            self._parked.cut()  # nothing may look at the descriptor any more
        os.close(fd)

    def __repr__(self) -> str:
        return f"<{self._name}{', closed' if self._fd == -1 else ''}>"


class ByteReceiver(_End, AsyncIterator[bytes]):
    """What a process writes. Iterating over it gives pieces as they come, `lines` gives lines."""

    def __init__(self, fd: int, name: str) -> None:
        super().__init__(fd, name)
        # What was read and not handed out yet.
        self._buffer = bytearray()
        self._ended = False

    async def read(self, size: int = _CHUNK) -> bytes:
        """Wait for bytes, and return what there is; empty at the end.

        Args:
            size: how many at most; at least 1.

        Raises:
            ValueError: ``size`` is less than 1.
            Closed: it was closed.
            UsageError: another task reads it.

        Cancellation: safe. Nothing was read.
        """
        if size < 1:
            raise ValueError(f"size must be at least 1 byte, not {size}")
        with self._alone() as fd:
            if not self._buffer:
                await self._fill(fd)
            taken = bytes(self._buffer[:size])
            del self._buffer[:size]
            return taken

    async def read_all(self) -> bytes:
        """Wait for the end, and return everything.

        Cancellation: loses nothing: what was read so far is what the next read gives.
        """
        with self._alone() as fd:
            while await self._fill(fd):
                pass
            taken = bytes(self._buffer)
            self._buffer.clear()
            return taken

    def lines(
        self, encoding: str = "utf-8", errors: str = "strict", *, limit: int = _LINE
    ) -> Lines:
        """Return an iterator over the lines that come, as text without the line end.

        Args:
            encoding: of the text.
            errors: what to do about bytes that are not; as in ``bytes.decode``.
            limit: the longest line, in bytes; a longer one raises `ValueError`.

        Cancellation: safe. Each step gives a line or takes none; part of one stays here.
        """
        return Lines(self, encoding, errors, limit)

    async def read_line(self, limit: int = _LINE) -> bytes:
        """Wait for a line, and return it with its end; the last may have none; empty at the end.

        Raises:
            ValueError: the line is longer than ``limit`` bytes; they stay to be read.

        Cancellation: safe. No line was taken; what has come of it stays.
        """
        with self._alone() as fd:
            searched = 0
            while True:
                at = self._buffer.find(b"\n", searched) + 1
                if at == 0 and len(self._buffer) <= limit:
                    searched = len(self._buffer)
                    if await self._fill(fd):
                        continue
                    at = len(self._buffer)
                if at > limit or at == 0 < len(self._buffer):
                    raise ValueError(
                        f"a line of {self._name} is longer than {limit} bytes; give a higher "
                        "limit, or use read()"
                    )
                taken = bytes(self._buffer[:at])
                del self._buffer[:at]
                return taken

    async def __anext__(self) -> bytes:
        piece = await self.read()
        if not piece:
            raise StopAsyncIteration
        return piece

    async def _fill(self, fd: int) -> bool:
        """Wait for more in the buffer (R-2); return False at the end."""
        while not self._ended:
            try:
                piece = os.read(fd, _CHUNK)
            except BlockingIOError:
                await self._park()
                continue
            self._ended = not piece
            self._buffer += piece
            return bool(piece)
        return False


class Lines(AsyncIterator[str]):
    """The lines of a `ByteReceiver`."""

    def __init__(self, receiver: ByteReceiver, encoding: str, errors: str, limit: int) -> None:
        self._receiver = receiver
        self._encoding = encoding
        self._errors = errors
        self._limit = limit

    async def __anext__(self) -> str:
        line = await self._receiver.read_line(self._limit)
        if not line:
            raise StopAsyncIteration
        text = line.decode(self._encoding, self._errors)
        return text.removesuffix("\n").removesuffix("\r")


class ByteSender(_End):
    """What a process reads."""

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write all of ``data``; wait while the pipe is full.

        Raises:
            BrokenPipeError: nobody reads any more.
            Closed: it was closed.
            UsageError: another task writes.

        Cancellation: loses: how much was written. A part may have been.
        """
        with self._alone() as fd, memoryview(data) as view, view.cast("B") as left:
            at = 0
            while at < len(left):
                try:
                    at += os.write(fd, left[at : at + _CHUNK])
                except BlockingIOError:
                    await self._park(write=True)
