"""`serve_top`: let `rescind top` look at this process.

*What it is.* What opens the socket and removes it again: on leaving, at the exit of the process.
There is one server for the process, however often it is asked for. What it needs is imported when
it is called: who never calls it does not pay for it.

*Threads.* Any.
"""

from __future__ import annotations

import atexit
import os
import threading
from types import TracebackType
from typing import TYPE_CHECKING

from rescind._core.errors import UsageError

if TYPE_CHECKING:
    from rescind.top.listening import Listening

__all__ = ["TopServer", "serve_top"]


class TopServer:
    """Lets `rescind top` look at this process, until it is closed; see `serve_top`.

    It is a context manager, which closes it. When the process exits it is closed by itself.

    Attributes:
        address: where it listens: the path of a Unix socket, or ``HOST:PORT``.
    """

    __slots__ = ("_listening", "address")

    def __init__(self, listening: Listening) -> None:
        self.address = str(listening.address)
        self._listening: Listening | None = listening

    def close(self) -> None:
        """Stop, if nobody else in this process has called `serve_top`; a no-op once closed."""
        with _process.lock:
            listening, self._listening = self._listening, None
            if listening is not None:
                _process.release(listening)

    def __enter__(self) -> TopServer:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<TopServer at {self.address}{', closed' if self._listening is None else ''}>"


class _Process:
    """What this process has open: one server, counted by who wants it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._listening: Listening | None = None
        self._wanted = 0

    def open(self, address: str | None) -> Listening:
        """Listen, unless it listens already. Called under the lock."""
        listening = self._listening
        if listening is None:
            from rescind.top.listening import Listening

            listening = self._listening = Listening(address)
            listening.start()
        elif address is not None and not listening.is_at(address):
            raise UsageError(
                f"this process is served at {listening.address} already, so not at {address!r}; "
                "close that first, or leave the address out"
            )
        self._wanted += 1
        return listening

    def release(self, listening: Listening) -> None:
        """Stop listening if nobody wants it any more. Called under the lock."""
        if listening is not self._listening:
            return  # it was closed at the exit, or it is that of the process this one is a fork of
        self._wanted -= 1
        if self._wanted == 0:
            self._listening = None
            listening.close()

    def exit(self) -> None:
        """Remove what others would find, at the exit of the process."""
        with self.lock:
            listening, self._listening, self._wanted = self._listening, None, 0
            if listening is not None:
                listening.close()

    def before_fork(self) -> None:
        """Let nobody be in the middle of a change."""
        self.lock.acquire()
        if self._listening is not None:
            self._listening.server.answers.changing.acquire()

    def after_in_parent(self) -> None:
        """Go on."""
        if self._listening is not None:
            self._listening.server.answers.changing.release()
        self.lock.release()

    def after_in_child(self) -> None:
        """Let go of what is the parent's; this process may call `serve_top` for itself."""
        self.lock = threading.RLock()
        listening, self._listening = self._listening, None
        self._wanted = 0
        if listening is not None:
            listening.server.answers.changing.release()
            listening.server.forked()


_process = _Process()
atexit.register(_process.exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_process.before_fork,
        after_in_parent=_process.after_in_parent,
        after_in_child=_process.after_in_child,
    )


def serve_top(address: str | None = None) -> TopServer:
    """Let ``rescind top`` look at this process: see its tasks, have them explained, cancel them.

    It listens on a thread of its own, so that it answers even while a loop is stuck; as long as
    nobody is attached, nothing else happens. Only programs of the same user get in. In a fork it is
    closed.

    Args:
        address: None: a Unix socket in a directory that is the user's alone (below
            ``$XDG_RUNTIME_DIR``, or else in the temporary directory); or ``HOST:PORT`` of this
            machine alone, such as ``"127.0.0.1:0"`` (port 0: any that is free), with a token in a
            file in that directory. Where there are no Unix sockets, None means the latter.

    Returns:
        The server: a context manager, or to be closed. If it is called again while one is open,
        that one stays open until all are closed.

    Raises:
        UsageError: it is no address of this machine alone; another one is open; or the directory
            is not the user's alone.
        OSError: the socket cannot be opened.

    Example:
        >>> import rescind
        >>> with rescind.serve_top("127.0.0.1:0") as server:
        ...     server.address.rpartition(":")[0]
        '127.0.0.1'

    Source: tokio-console, which a program has to be built for; the JVM's attach socket, whose
    protection is the same.
    """
    if address is not None and not isinstance(address, str):
        raise TypeError(f"an address is a str, such as '127.0.0.1:0', not {address!r}")
    with _process.lock:
        return TopServer(_process.open(address))
