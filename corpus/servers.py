#!/usr/bin/env python3
"""The servers that the cases talk to: `servers.py start NAME…`, `stop [NAME…]`, `status`.

All of them listen on 127.0.0.1 alone, each on a port of its own (`PORTS`), which the scenarios
name too. `http` and `ws` are the small servers beside this file; `redis` and `postgres` are the
real ones, if they are installed (Debian: `apt install redis-server postgresql`). `slowredis` is the
same redis behind a proxy that delays every chunk by 4 ms each way: what a tool needs that cannot
hold an answer back itself.

What runs is remembered in a directory of files, one a server. Only a process that is found there,
and that is still the one that was started, is ever ended. A server that somebody else started on
the port is used as it is, and left alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
PORTS: Final = {
    "http": 18080,
    "ws": 18765,
    "redis": 17379,
    "slowredis": 17479,
    "postgres": 15432,
}
#: How long a server may take to start, and to end, in seconds.
PATIENCE: Final = 30.0
#: How much later the proxy hands on what it was sent, in milliseconds, each way.
DELAY_MS: Final = 4
#: Those that this process started, so that they can be waited for.
_children: Final[dict[int, subprocess.Popen[bytes]]] = {}
#: The exit code that tells a server that is not installed from one that fails.
NOT_INSTALLED: Final = 3


class ServerError(Exception):
    """A server cannot be started; the message says why, and what to do."""


class NotInstalledError(ServerError):
    """It is not installed here, or cannot be run by this user."""


def directory() -> Path:
    """Return where logs, data and the list of running servers are; make it if need be.

    It is not in the checkout, because PostgreSQL does not run as root and a checkout of root's may
    be closed to everybody else.
    """
    uid = os.getuid() if hasattr(os, "getuid") else "user"
    default = Path(tempfile.gettempdir()) / f"rescind-corpus-{uid}"
    path = Path(os.environ.get("CORPUS_DIR") or default)
    path.mkdir(mode=0o755, parents=True, exist_ok=True)
    return path


def missing(name: str) -> str | None:
    """Return why the server cannot run here, or None if it can."""
    if name not in PORTS:
        return f"no server is called {name!r}; there are: {', '.join(PORTS)}"
    if name in ("redis", "slowredis") and shutil.which("redis-server") is None:
        return "redis-server is not installed (Debian: apt install redis-server)"
    if name == "postgres":
        if _postgres_programs() is None:
            return "PostgreSQL is not installed (Debian: apt install postgresql)"
        if _is_root() and (shutil.which("runuser") is None or not _has_user("postgres")):
            return "PostgreSQL does not run as root, and there is no user 'postgres' to run it as"
    return None


def start(name: str) -> list[str]:
    """Start a server, and what it needs, and wait until it answers; return what was started.

    Raises:
        ServerError: it is not installed (`NotInstalledError`), or it did not come up.
    """
    if name in PORTS and _answers(PORTS[name]):
        return []
    reason = missing(name)
    if reason is not None:
        raise NotInstalledError(f"{name}: {reason}")
    started = start("redis") if name == "slowredis" else []
    process = _spawn(name, _PREPARE[name](name))
    end = time.monotonic() + PATIENCE
    while not _answers(PORTS[name]):
        if process.poll() is not None:
            del _children[process.pid]
            _record(name).unlink(missing_ok=True)
            raise ServerError(
                f"{name} ended at once, with exit code {process.returncode}: {_last_lines(name)}"
            )
        if time.monotonic() > end:
            stop(name)
            raise ServerError(
                f"{name} did not answer on port {PORTS[name]} within {PATIENCE:g} s: "
                f"{_last_lines(name)}"
            )
        time.sleep(0.02)
    return [*started, name]


def stop(name: str) -> bool:
    """End a server that `start` started; return whether there was one to end."""
    record = _record(name)
    try:
        noted = json.loads(record.read_text(encoding="utf-8"))
        pid, birth = int(noted["pid"]), noted["birth"]
    except (OSError, ValueError, KeyError):
        return False
    ended = False
    if _birth(pid) == birth:
        # SIGINT to PostgreSQL: on SIGTERM it would wait for its clients to leave.
        _signal(pid, signal.SIGINT if name == "postgres" else signal.SIGTERM)
        ended = True
        end = time.monotonic() + PATIENCE
        while _birth(pid) == birth:
            if time.monotonic() > end:
                _signal(pid, signal.SIGKILL)
                break
            time.sleep(0.02)
    child = _children.pop(pid, None)
    if child is not None:  # it has ended, or is about to: else it would stay as a zombie
        child.wait()
    record.unlink(missing_ok=True)
    return ended


# ------------------------------------------------------------------ how each of them is started


def _python_server(name: str) -> list[str]:
    return [sys.executable, str(HERE / f"srv_{name}.py"), str(PORTS[name])]


def _proxy(name: str) -> list[str]:
    upstream = PORTS[name.removeprefix("slow")]
    return [
        *(sys.executable, str(HERE / "srv_proxy.py")),
        *(str(PORTS[name]), str(upstream), str(DELAY_MS)),
    ]


def _redis(name: str) -> list[str]:
    data = directory() / name
    data.mkdir(exist_ok=True)
    return [
        *("redis-server", "--port", str(PORTS[name]), "--bind", "127.0.0.1"),
        *("--save", "", "--appendonly", "no", "--dir", str(data)),
    ]


def _postgres(name: str) -> list[str]:
    programs = _postgres_programs()
    assert programs is not None
    # A cluster that was killed may not start again, and there is nothing in it worth keeping.
    data = directory() / name
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir()
    run_as: list[str] = []
    if _is_root():
        shutil.chown(data, "postgres", "postgres")
        run_as = ["runuser", "-u", "postgres", "--"]
    made = subprocess.run(
        [*run_as, str(programs / "initdb"), "-D", str(data), "-A", "trust", "-U", "postgres", "-N"],
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise ServerError(f"initdb failed: {(made.stderr or made.stdout).strip()}")
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "fsync": "off",
        "max_connections": "400",
    }
    return [
        *(*run_as, str(programs / "postgres"), "-D", str(data), "-p", str(PORTS[name])),
        *(word for key, value in settings.items() for word in ("-c", f"{key}={value}")),
    ]


_PREPARE: Final[dict[str, Callable[[str], list[str]]]] = {
    "http": _python_server,
    "ws": _python_server,
    "redis": _redis,
    "slowredis": _proxy,
    "postgres": _postgres,
}


def _postgres_programs() -> Path | None:
    """Return the directory that has `initdb` and `postgres`: Debian keeps them off the PATH."""
    versions = [
        path
        for path in Path("/usr/lib/postgresql").glob("*/bin")
        if path.parent.name.isdecimal() and (path / "postgres").exists()
    ]
    if versions:
        return max(versions, key=lambda path: int(path.parent.name))
    found = shutil.which("initdb")
    if found is None or shutil.which("postgres") is None:
        return None
    return Path(found).parent


# ------------------------------------------------------------------------------------ processes


def _spawn(name: str, command: list[str]) -> subprocess.Popen[bytes]:
    with (directory() / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # A session of its own: Ctrl-C in the terminal is not for the servers.
            start_new_session=True,
        )
    _children[process.pid] = process
    _record(name).write_text(
        json.dumps({"pid": process.pid, "birth": _birth(process.pid)}), encoding="utf-8"
    )
    return process


def _record(name: str) -> Path:
    return directory() / f"{name}.json"


def _birth(pid: int) -> str | None:
    """Return what tells this process from a later one with its number; None if it is gone."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            # The name, in parentheses, may have blanks in it. Fields are counted behind it.
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] == "Z" else fields[19]
    try:
        os.kill(pid, 0)
    except OSError:
        return None
    return "alive"


def _signal(pid: int, number: int) -> None:
    # The group is the session that `_spawn` made: nothing but the server is in it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _last_lines(name: str) -> str:
    try:
        text = (directory() / f"{name}.log").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "it wrote nothing"
    return " / ".join(text.strip().splitlines()[-3:]) or "it wrote nothing"


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _has_user(name: str) -> bool:
    import pwd

    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


# --------------------------------------------------------------------------------- command line


def main(arguments: list[str]) -> int:
    """Start, stop or list servers; return the exit code."""
    match arguments:
        case ["start", *names] if names:
            for name in names:
                try:
                    started = start(name)
                except ServerError as exc:
                    print(exc, file=sys.stderr)
                    return NOT_INSTALLED if isinstance(exc, NotInstalledError) else 1
                for each in started:
                    print(each, PORTS[each], "started")
                if not started:
                    print(name, PORTS[name], "was running already")
        case ["stop", *names]:
            for name in names or list(reversed(PORTS)):
                if stop(name):
                    print(name, "ended")
        case ["status"]:
            for name, port in PORTS.items():
                print(name, port, missing(name) or ("answers" if _answers(port) else "is down"))
        case _:
            print(f"usage: servers.py start {{{','.join(PORTS)}}}… | stop [NAME…] | status")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
