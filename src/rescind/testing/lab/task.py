"""`LabTask`: a task that knows its path, where it is parked, and who does what to it.

*Threads.* The lab's.
"""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any, TypeVar

from rescind._core.grace import Grace
from rescind._core.outcome import Canceled, Error, Outcome
from rescind._core.poll import Future
from rescind._core.reason import CancelRequest
from rescind._core.site import Site
from rescind._core.task import Task
from rescind.testing.lab.places import Place

if TYPE_CHECKING:
    from rescind.testing.lab.executor import LabExecutor

__all__ = ["LabTask"]

T = TypeVar("T")


class LabTask(Task[T]):
    """A task of the lab.

    Attributes:
        path: ``root``, or its spawner's path and its number among that one's, from 1.
        number: its place in the order of spawning, from 0.
        spawned: how many tasks it has spawned.
        steps: how many of its steps have begun.
        place: where it was parked last; None before its first park.
        visit: how often it has been parked there.
        visits: how often it was parked at each place; made at the first park.
        lab: the executor.
    """

    __slots__ = ("lab", "number", "path", "place", "spawned", "steps", "visit", "visits")

    def __init__(
        self,
        future: Future[T],
        executor: LabExecutor,
        path: str,
        number: int,
        *,
        name: str | None,
        context: contextvars.Context | None,
        grace: Grace,
    ) -> None:
        # Compiled, not by ``super()``, whose object takes as long as all the rest.
        lab, name = executor, name or path
        #: compiled: Task.__init__(self, future, lab, name=name, context=context, grace=grace)
        super().__init__(future, lab, name=name, context=context, grace=grace)  #: compiled: pass
        self.id = number + 1  # the same in each run; the world is closed, so it is unique in it
        self.lab = lab
        self.path = path
        self.number = number
        self.spawned = 0
        self.steps = 0
        self.place: Place | None = None
        self.visit = 0
        self.visits: dict[Place, int] | None = None

    def ask(self, request: CancelRequest) -> None:
        recorder = self.lab.recorder
        if recorder is not None and not self.done():
            recorder.asked(self, request)
        super().ask(request)  #: compiled: Task.ask(self, request)

    def _ended(self, outcome: Outcome[T]) -> None:
        recorder = self.lab.recorder
        if recorder is not None:
            recorder.ended(self, outcome)
        super()._ended(outcome)  #: compiled: Task._ended(self, outcome)

    def unseen(self) -> tuple[BaseException, ...]:
        """Return the exception that it failed with if nobody ever saw it, and consider it seen.

        And what its cleanup failed with, if it was canceled: that shows in its outcome alone.
        """
        outcome = self.ended
        if isinstance(outcome, Canceled):
            return outcome.also
        if self._observed or not isinstance(outcome, Error):
            return ()
        self._observed = True
        return (outcome.exception,)

    def _report_unseen(self) -> None:
        """Log nothing: the lab looks at each task itself."""


def sites_of(error: BaseException) -> list[Site]:
    """Return where an exception passed through, outermost first."""
    sites: list[Site] = []
    tb: Any = error.__traceback__
    while tb is not None:
        code = tb.tb_frame.f_code
        sites.append(Site(code.co_filename, tb.tb_lineno, code.co_qualname))
        tb = tb.tb_next
    return sites
