"""Servers for the tests alone: redis and PostgreSQL, each on a free port of the loopback.

*What it is.* Two context managers that install nothing, start a server in a directory of its own,
wait until it answers, and end it. `NotHereError` says why one cannot be had (Debian: ``apt install
redis-server postgresql``; ``make corpus-servers`` does it).

A small process between the server and us ends the server when our end of its standard input is
closed, however we came to our end: nothing is left running.
"""

import atexit
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

__all__ = ["NotHereError", "free_port", "kept", "postgres", "redis"]

#: How long a server may take to start, in seconds.
PATIENCE = 60.0

#: Runs a command until its standard input is closed. After a SIGINT, PostgreSQL does not wait for
#: its clients.
KEEPER = """
import os, signal, subprocess, sys, threading, time
user, *command = sys.argv[1:]
server = subprocess.Popen(
    command, stdin=subprocess.DEVNULL, stdout=2, start_new_session=True,
    user=user or None, group=user or None, extra_groups=[] if user else None,
)
threading.Thread(target=lambda: os._exit(server.wait()), daemon=True).start()
sys.stdin.read()
server.send_signal(signal.SIGINT)
time.sleep(10)
server.kill()
time.sleep(10)
"""


class NotHereError(Exception):
    """A server cannot be had here; the message says why."""


def free_port() -> int:
    """Return a port of the loopback that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def redis() -> Iterator[int]:
    """Run a redis server that keeps nothing; yield its port."""
    program = shutil.which("redis-server")
    if program is None:
        raise NotHereError("redis-server is not installed")
    with _directory() as home:
        port = free_port()
        options = {"port": port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": home}
        words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
        with _running([program, *words], "", home, "Ready to accept connections"):
            yield port


@contextlib.contextmanager
def postgres() -> Iterator[int]:
    """Run a new PostgreSQL cluster with the user ``postgres`` and no password; yield its port."""
    programs = _postgres_programs()
    if programs is None:
        raise NotHereError("PostgreSQL is not installed")
    user = ""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        user = "postgres"  # it refuses to run as root
        if not _has_user(user):
            raise NotHereError("PostgreSQL does not run as root, and there is no user 'postgres'")
    with _directory() as home:
        data = home / "data"
        data.mkdir()
        if user:
            home.chmod(0o755)
            shutil.chown(data, user, user)
        made = subprocess.run(
            [
                *(
                    programs / "initdb",
                    "-D",
                    data,
                    "-A",
                    "trust",
                    "-U",
                    "postgres",
                    "-N",
                    "--no-locale",
                    "-E",
                    "UTF8",
                )
            ],
            **({"user": user, "group": user, "extra_groups": []} if user else {}),  # type: ignore[call-overload]
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise NotHereError(f"initdb failed: {(made.stderr or made.stdout).strip()}")
        port = free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": "100",
        }
        words = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        command = [str(programs / "postgres"), "-D", str(data), "-p", str(port), *words]
        with _running(command, user, home, "ready to accept connections"):
            yield port


@contextlib.contextmanager
def kept(server: Callable[[], AbstractContextManager[int]]) -> Iterator[int]:
    """Run a server until the block is left, or until the interpreter exits.

    A session that is cut short never leaves the blocks of its fixtures.
    """
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(server())
        atexit.register(stack.close)
        try:
            yield port
        finally:
            atexit.unregister(stack.close)


@contextlib.contextmanager
def _directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="rescind-ecosystem-") as name:
        yield Path(name)


@contextlib.contextmanager
def _running(command: list[str], user: str, home: Path, ready: str) -> Iterator[None]:
    log = home / "log"
    with log.open("wb") as output:
        keeper = subprocess.Popen(
            [sys.executable, "-c", KEEPER, user, *command],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C in the terminal is for the tests
        )
    try:
        until = time.monotonic() + PATIENCE
        while ready not in log.read_text(errors="replace"):
            if keeper.poll() is not None or time.monotonic() > until:
                raise NotHereError(f"{command[0]} did not start: {log.read_text().strip()[-500:]}")
            time.sleep(0.02)
        yield
    finally:
        assert keeper.stdin is not None
        keeper.stdin.close()
        keeper.wait()


def _postgres_programs() -> Path | None:
    """Return the directory of `initdb` and `postgres`: Debian keeps them off the PATH."""
    versions = [
        path
        for path in Path("/usr/lib/postgresql").glob("*/bin")
        if path.parent.name.isdecimal() and (path / "postgres").exists()
    ]
    if versions:
        return max(versions, key=lambda path: int(path.parent.name))
    found = shutil.which("initdb")
    return None if found is None or shutil.which("postgres") is None else Path(found).parent


def _has_user(name: str) -> bool:
    import pwd

    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
