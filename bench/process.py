"""`Process`: the near end of a peer's process: asks it, and reads its answers.

*Invariants.*
 P1  One that does not answer in time, or dies, is ended; the next question starts another.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
from time import monotonic
from typing import Any

from bench.peers import ROOT, Peer, Place

__all__ = ["Answer", "Process"]

Answer = dict[str, Any]

#: For a process to start and say who it is, in seconds.
HELLO = 60.0


class Process:
    """A peer's process.

    Args:
        peer: who lives in it.
        place: where that is found.
        patience: for one answer, in seconds.
    """

    def __init__(self, peer: Peer, place: Place, *, patience: float) -> None:
        self.peer = peer
        self._place = place
        self._patience = patience
        self._child: subprocess.Popen[bytes] | None = None
        self._read = b""

    def start(self) -> Answer:
        """Start it; return ``version`` and ``python``, or ``skip`` with a reason."""
        missing = self._place.missing(self.peer)
        if missing is not None:
            return {"skip": missing}
        self._child = subprocess.Popen(
            self._place.command(self.peer),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._place.environment(self.peer),
            cwd=ROOT,
            bufsize=0,
        )
        answer = self._answer(HELLO)
        if "error" in answer:
            return {"skip": answer["error"]}
        if "skip" in answer:
            self.close()
        return answer

    def ask(self, subject: str, size: int, seconds: float, collect: str) -> Answer:
        """Let it run a subject for at least so many seconds, and return what it says."""
        if self._child is None:
            hello = self.start()
            if "skip" in hello:
                return hello
        assert self._child is not None
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(f"{subject} {size} {seconds:g} {collect}\n".encode())
        except OSError as error:
            return self._gone(f"it has died: {error}")
        return self._answer(self._patience)

    def close(self) -> None:
        """End it."""
        child, self._child = self._child, None
        if child is None:
            return
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.close()
            child.wait(timeout=5)
        except (OSError, subprocess.TimeoutExpired):
            child.kill()
            child.wait()
        child.stdout.close()
        self._read = b""

    def _answer(self, patience: float) -> Answer:
        child = self._child
        assert child is not None
        assert child.stdout is not None
        until = monotonic() + patience
        while b"\n" not in self._read:
            ready, _, _ = select.select([child.stdout], [], [], max(0.0, until - monotonic()))
            if not ready:
                return self._gone(f"no answer within {patience:g} s")
            read = os.read(child.stdout.fileno(), 1 << 16)
            if not read:
                return self._gone("it has died")
            self._read += read
        line, _, self._read = self._read.partition(b"\n")
        answer: Answer = json.loads(line)
        return answer

    def _gone(self, what: str) -> Answer:
        """End it (P1)."""
        if self._child is not None:
            self._child.kill()
            status = self._child.wait()
            what = f"{what} (status {status})"
        self.close()
        return {"error": what}
