"""Starts what a case talks to, by `corpus/servers.py`, and ends what it started."""

from __future__ import annotations

import subprocess
import sys
from typing import Final, Self

from scripts.corpus_harness.cases import ROOT

__all__ = ["NoServer", "ServerFailed", "Servers"]

_PROGRAM: Final = ROOT / "corpus" / "servers.py"
_NOT_INSTALLED: Final = 3


class NoServer(Exception):
    """A server is not installed here."""


class ServerFailed(Exception):
    """A server did not come up."""


class Servers:
    """The servers that run: used as a context manager, it ends those that it had to start."""

    def __init__(self) -> None:
        self._started: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._started:
            _call("stop", *reversed(self._started))

    def need(self, *names: str) -> None:
        """Have these servers running.

        Raises:
            NoServer: one is not installed.
            ServerFailed: one did not come up.
        """
        if not names:
            return
        done = _call("start", *names)
        for line in done.stdout.splitlines():
            name, _port, *how = line.split()
            if how == ["started"]:
                self._started.append(name)
        if done.returncode == _NOT_INSTALLED:
            raise NoServer(done.stderr.strip())
        if done.returncode != 0:
            raise ServerFailed(done.stderr.strip())


def _call(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(_PROGRAM), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
