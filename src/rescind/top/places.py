"""Where the programs are that can be looked at: sockets in a directory that is the user's alone.

*What it is.* For each program a file named after its process in that directory: ``PID.sock`` is a
Unix socket; ``PID.tcp`` says on which port of this machine it listens, and with which token it has
to be spoken to. The directory has mode 0700, the files 0600.

*Invariants.*
 W1  A file that is there was complete from the first moment: it is made under another name.
 W2  A socket at which nobody listens is that of a process that was killed. Whoever finds it may
     remove it; nobody removes one at which somebody listens.

*Threads.* Any.
"""

from __future__ import annotations

import errno
import getpass
import ipaddress
import json
import os
import secrets
import socket
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rescind._core.errors import UsageError

__all__ = [
    "DIRECTORY_VARIABLE",
    "Address",
    "Place",
    "find",
    "free_path",
    "loopback",
    "private_directory",
    "programs",
    "publish",
    "read_place",
]

#: Names another directory, for those who have none of the usual ones.
DIRECTORY_VARIABLE: Final = "RESCIND_TOP_DIR"
_NOT_OURS: Final = 0o077
#: How long a path of a socket may be, in bytes: the kernels' limit, less for BSD and macOS.
_PATH_LIMIT: Final = 103
_MAX_PORT: Final = 65535
_NOBODY: Final = frozenset({errno.ECONNREFUSED, errno.ENOENT, errno.ENOTSOCK})


@dataclass(frozen=True, slots=True)
class Address:
    """Where a program listens: a path, or else a host and a port, with a token.

    Attributes:
        path: of the Unix socket; None: it is host and port.
        host: an address of this machine's own.
        port: its port.
        token: what has to be said there; never shown.
    """

    path: str | None = None
    host: str = ""
    port: int = 0
    token: str | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"<Address {self}>"


@dataclass(frozen=True, slots=True)
class Place:
    """A file that says where a program listens.

    Attributes:
        pid: the process, as the file's name has it.
        address: where.
        file: the path of the file.
    """

    pid: int
    address: Address
    file: Path


# ---------------------------------------------------------------------------------- the directories


def _candidates() -> Iterator[Path]:
    """The directories that may have such files, the one in which to make new ones first."""
    named = os.environ.get(DIRECTORY_VARIABLE)
    if named:
        yield Path(named)
        return
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.path.isdir(runtime):
        yield Path(runtime) / "rescind"
    if not hasattr(os, "getuid"):
        yield Path(tempfile.gettempdir()) / f"rescind-{getpass.getuser()}"
        return
    # Of two programs one may have been started by cron or a service, without these variables.
    uid = os.getuid()
    if os.path.isdir(f"/run/user/{uid}"):
        yield Path(f"/run/user/{uid}/rescind")
    for temporary in (tempfile.gettempdir(), "/tmp"):
        yield Path(temporary) / f"rescind-{uid}"


def private_directory() -> Path:
    """Return the directory for new files, and make it if it is missing.

    Raises:
        UsageError: it belongs to somebody else, or others may enter it.
        OSError: it cannot be made.
    """
    directory = next(_candidates())
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _private(directory):
        raise UsageError(
            f"{str(directory)!r} is not a directory of yours alone (mode 0700), so that others "
            f"might pretend to be your programs; remove it, or set {DIRECTORY_VARIABLE} to another"
        )
    return directory


def _private(directory: Path) -> bool:
    """Is it a directory, no link, of this user's, that nobody else may enter?"""
    try:
        found = directory.lstat()
    except OSError:
        return False
    if not stat.S_ISDIR(found.st_mode):
        return False
    if not hasattr(os, "getuid"):
        return True  # the temporary directory is the user's own there
    return found.st_uid == os.getuid() and not found.st_mode & _NOT_OURS


# ------------------------------------------------------------------------------------- for programs


def free_path(pid: int) -> str:
    """Return the path of the socket of this process, at which nobody listens.

    Raises:
        UsageError: somebody does: a process of another container, with the same number; or the
            path is too long for a socket; or see `private_directory`.
    """
    path = private_directory() / f"{pid}.sock"
    if len(os.fsencode(path)) + len(".new") > _PATH_LIMIT:
        raise UsageError(
            f"the path {str(path)!r} is too long for a socket; set {DIRECTORY_VARIABLE} to a "
            "directory with a shorter name, or give an address such as '127.0.0.1:0'"
        )
    if _listens(str(path)):
        raise UsageError(
            f"another process with the number {pid}, of another container perhaps, listens at "
            f"{str(path)!r}; set {DIRECTORY_VARIABLE} to a directory of its own"
        )
    return str(path)


def publish(pid: int, address: Address) -> Path:
    """Write down on which port this process listens, and with which token; return the file.

    Raises:
        UsageError, OSError: see `private_directory`.
    """
    path = private_directory() / f"{pid}.tcp"
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    with open(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        json.dump({"host": address.host, "port": address.port, "token": address.token}, file)
    new.replace(path)  # W1
    return path


def loopback(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``, which must be this machine's own.

    Raises:
        UsageError: they are not, or it is no such text.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isdecimal() or int(port) > _MAX_PORT:
        raise UsageError(f"{text!r} is no address; give HOST:PORT, such as '127.0.0.1:0'")
    if host == "localhost":
        host = "127.0.0.1"
    try:
        own = ipaddress.ip_address(host).is_loopback
    except ValueError:
        own = False
    if not own:
        raise UsageError(
            f"{host!r} is no address of this machine alone, and others must not cancel your tasks; "
            "use 127.0.0.1, ::1 or localhost, and ssh to get there from elsewhere"
        )
    return host, int(port)


# ------------------------------------------------------------------------------------- for lookers


def programs() -> list[Place]:
    """Return all that can be looked at, by process; remove what was left by those killed (W2)."""
    found: dict[int, Place] = {}
    for directory in dict.fromkeys(_candidates()):
        if not _private(directory):
            continue
        for file in directory.iterdir():
            place = read_place(file)
            if place is None:
                continue
            if _stale(place):
                file.unlink(missing_ok=True)
            else:
                found.setdefault(place.pid, place)
    return [found[pid] for pid in sorted(found)]


def find(named: str) -> Address | None:
    """Return the address of what a user named: a process, a path, or ``HOST:PORT``; or None.

    Raises:
        UsageError: it is none of these.
    """
    if named.isdecimal():
        return next((one.address for one in programs() if one.pid == int(named)), None)
    if os.sep in named or named.endswith(".sock"):
        return Address(path=named)
    host, port = loopback(named)
    wanted = Address(host=host, port=port)
    known = (place.address for place in programs())
    return next((one for one in known if str(one) == str(wanted)), None)


def read_place(file: Path) -> Place | None:
    """Return what a file of the directory says; None if it is another file."""
    if not file.stem.isdecimal():
        return None
    pid = int(file.stem)
    if file.suffix == ".sock":
        return Place(pid, Address(path=str(file)), file)
    if file.suffix != ".tcp":
        return None
    try:
        said = json.loads(file.read_text())
        return Place(pid, Address(None, str(said["host"]), int(said["port"]), said["token"]), file)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _stale(place: Place) -> bool:
    if place.address.path is not None:
        return not _listens(place.address.path)
    if not hasattr(os, "getuid"):
        return False  # where there is none, signal 0 is Ctrl-C
    try:
        os.kill(place.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False


def _listens(path: str) -> bool:
    """Does somebody listen at this socket? Its queue may be full: then somebody does."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        return probe.connect_ex(path) not in _NOBODY
