"""`Listening`: the socket of this process, made so that nobody else can use it, and removed again.

*Threads.* Any, one after the other: `serving` has the lock.
"""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path
from typing import Final

from rescind.top.answers import Answers
from rescind.top.places import Address, free_path, loopback, publish
from rescind.top.server import Server

__all__ = ["Listening"]

_BACKLOG: Final = 16
_UNIX: Final = hasattr(socket, "AF_UNIX")


class Listening:
    """A socket at which this process listens, with the file by which it is found.

    Args:
        wanted: ``HOST:PORT``, or None: a Unix socket, where there are any.

    Raises:
        UsageError, OSError: see `rescind.serve_top`.
    """

    def __init__(self, wanted: str | None) -> None:
        if wanted is None and _UNIX:
            listener, self.address, self._file = _unix()
        else:
            listener, self.address, self._file = _tcp(wanted or "127.0.0.1:0")
        self._known = _identity(self._file)
        try:
            self.server = Server(listener, Answers(), self.address.token)
        except BaseException:  # there are too many open files
            listener.close()
            self._remove()
            raise

    def is_at(self, wanted: str) -> bool:
        """Is it this address? Port 0 is any port."""
        if self.address.path is not None:
            return False
        host, port = loopback(wanted)
        return host == self.address.host and port in (0, self.address.port)

    def start(self) -> None:
        """Answer from now on."""
        self.server.start()

    def close(self) -> None:
        """Answer nobody any more, and remove the file, unless it is another one by now."""
        self._remove()
        self.server.close()

    def _remove(self) -> None:
        if self._known is not None and _identity(self._file) == self._known:
            self._file.unlink(missing_ok=True)


def _unix() -> tuple[socket.socket, Address, Path]:
    path = free_path(os.getpid())
    new = f"{path}.new"
    listener = socket.socket(socket.AF_UNIX)
    try:
        Path(new).unlink(missing_ok=True)  # of a process with this number that was killed here
        listener.bind(new)
        os.chmod(new, 0o600)
        listener.listen(_BACKLOG)
        os.replace(new, path)  # it is seen when it listens, and not before
    except OSError:
        listener.close()
        raise
    return listener, Address(path=path), Path(path)


def _tcp(wanted: str) -> tuple[socket.socket, Address, Path]:
    host, port = loopback(wanted)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        if os.name == "posix":  # elsewhere it would let others listen there too
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
        address = Address(None, host, listener.getsockname()[1], secrets.token_urlsafe())
        file = publish(os.getpid(), address)
    except BaseException:
        listener.close()
        raise
    return listener, address, file


def _identity(file: Path) -> tuple[int, int] | None:
    """Return what tells this file from another one that took its name."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
