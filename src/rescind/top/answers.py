"""`Answers`: what each request is answered with.

*What it is.* From the fields of a request, checked, to the fields of its answer. It knows no socket
and no client.

*Threads.* That of the server.
"""

from __future__ import annotations

import math
import os
import platform
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from rescind._core.frames import shortened
from rescind._core.grace import UNSET
from rescind._core.reason import CancelKind, CancelReason
from rescind._core.task import Task
from rescind._version import __version__
from rescind.top import picture
from rescind.top.protocol import VERSION, Refusal, field
from rescind.top.tree import tree
from rescind.top.watcher import Watcher
from rescind.trace.explain import explained, find

__all__ = ["MAX_ROWS", "Answers"]

#: How many rows an answer has at most, and how many if it is not said.
MAX_ROWS: Final = 5000
_ROWS: Final = 300
#: How many of what a task waits for are explained at each step.
_CHAIN: Final = 16
_LINES: Final = 400
_REASON: Final = 500
_TRIES: Final = 3


class Answers:
    """Answers requests.

    Attributes:
        watcher: what counts polls; None as long as nobody has asked for a picture.
        changing: held while hooks are changed: a fork waits for it, to inherit no held lock.
    """

    def __init__(self) -> None:
        self.watcher: Watcher | None = None
        self.changing = threading.Lock()
        self.since = time.time()
        self._known: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "tasks": self._tasks,
            "tree": self._tree,
            "ended": self._ended,
            "explain": self._explain,
            "cancel": self._cancel,
        }

    def hello(self) -> dict[str, Any]:
        """Return who this is."""
        program, *arguments = sys.argv or [sys.executable]
        return {
            "version": VERSION,
            "pid": os.getpid(),
            "program": picture.one_line(" ".join([shortened(program), *arguments])),
            "python": platform.python_version(),
            "rescind": __version__,
            "since": self.since,
        }

    def answer(self, op: object, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request.

        Raises:
            Refusal: there is no such request, or something in it is wrong.
        """
        answer = self._known.get(op) if isinstance(op, str) else None
        if answer is None:
            known = ", ".join(["hello", *self._known])
            raise Refusal("unknown", f"there is no request {op!r}, only {known}"[:200])
        return answer(request)

    def watch(self) -> Watcher:
        """Begin to count, if nobody has asked for a picture before."""
        watcher = self.watcher
        if watcher is None:
            with self.changing:
                watcher = self.watcher = Watcher()
                watcher.start(picture.running_executors())
        return watcher

    def rest(self) -> None:
        """Count no more: nobody is left."""
        with self.changing:
            watcher, self.watcher = self.watcher, None
            if watcher is not None:
                watcher.stop()

    # -- pictures ---------------------------------------------------------------------------------

    def _tasks(self, request: dict[str, Any]) -> dict[str, Any]:
        sort: str = field(request, "sort", str, "age")
        reverse: bool = field(request, "reverse", bool, False)
        return self._picture(
            lambda search, limit: picture.tasks(
                self.watch(), sort=sort, reverse=reverse, search=search, limit=limit
            ),
            request,
        )

    def _tree(self, request: dict[str, Any]) -> dict[str, Any]:
        return self._picture(
            lambda search, limit: tree(self.watch(), search=search, limit=limit), request
        )

    def _ended(self, request: dict[str, Any]) -> dict[str, Any]:
        return self._picture(
            lambda search, limit: picture.ended(self.watch(), search=search, limit=limit), request
        )

    def _picture(
        self,
        rows_of: Callable[[str, int], tuple[list[dict[str, Any]], int]],
        request: dict[str, Any],
    ) -> dict[str, Any]:
        search: str = field(request, "filter", str, "").casefold()
        limit: int = field(request, "limit", int, _ROWS)
        if not 1 <= limit <= MAX_ROWS:
            raise Refusal("malformed", f"limit must be from 1 to {MAX_ROWS}, not {limit}")
        began = time.monotonic()
        rows, matching = rows_of(search, limit)
        answer = picture.overview(self.watch()) | {"rows": rows, "matching": matching}
        took = time.monotonic() - began
        return answer | {"took": took, "whole": took < picture.SECONDS}

    # -- one task ---------------------------------------------------------------------------------

    def _explain(self, request: dict[str, Any]) -> dict[str, Any]:
        number = _number(request)
        task = find(number)
        if task is None:
            ended = self.watcher.find(number) if self.watcher is not None else None
            if ended is None:
                raise _unknown(number)
            return {"text": ended.words(), "alive": False}
        lines = _words(task).splitlines()
        if len(lines) > _LINES:
            lines[_LINES:] = [f"… and {len(lines) - _LINES} lines more"]
        return {"text": "\n".join(lines), "alive": True}

    def _cancel(self, request: dict[str, Any]) -> dict[str, Any]:
        number = _number(request)
        words: str = field(request, "reason", str, "")
        grace: float | None = field(request, "grace", (int, float), None)
        if len(words) > _REASON:
            raise Refusal(
                "malformed", f"a reason has at most {_REASON} characters, not {len(words)}"
            )
        if grace is not None and not 0 <= grace < math.inf:
            raise Refusal("malformed", f"grace must be a number of seconds from 0, not {grace}")
        task = find(number)
        if task is None:
            raise _unknown(number)
        reason = CancelReason(
            CancelKind.EXPLICIT, words.strip() or None, "rescind top", None, task.executor.now()
        )
        handle = task.cancellation_handle()
        asked = handle.cancel(reason, grace=UNSET if grace is None else grace)
        return {"accepted": asked.accepted, "label": f"task {number} {handle.name!r}"}


def _number(request: dict[str, Any]) -> int:
    number: int | None = field(request, "task", int, None)
    if number is None:
        raise Refusal("malformed", "'task' is missing: the id of a task")
    return number


def _unknown(number: int) -> Refusal:
    return Refusal("ended", f"task {number} has ended, or there never was one")


def _words(task: Task[Any]) -> str:
    """Return the explanation of a task that goes on meanwhile, on its own thread."""
    for tries in range(_TRIES):
        try:
            return str(explained(task, _CHAIN))
        except Exception:  # whatever is half changed: another look is the answer
            if tries == _TRIES - 1:
                break
    return f"task {task.id} {task.name!r} changes too fast to be explained"
