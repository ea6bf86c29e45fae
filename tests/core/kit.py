"""What the tests of the core share: leaves that are moved by hand, and a runtime moved by hand."""

from collections.abc import Awaitable
from threading import get_ident
from types import TracebackType
from typing import Any

import pytest

from rescind import Runtime, Task
from rescind._core import compiled
from rescind._core.outcome import Canceled, Completed, Error
from rescind._core.reason import CancelKind, CancelReason
from rescind.lowlevel import PENDING, CancelRequest, Context, Future, ManualHost, Waker, as_future

interpreted = pytest.mark.skipif(compiled, reason="the compiled core keeps these to itself")


def request(message: str = "stop", **options: Any) -> CancelRequest:
    """Make an explicit request."""
    return CancelRequest(CancelReason(CancelKind.EXPLICIT, message), **options)


class Leaf(Future[Any]):
    """A future that is moved by hand, and keeps a record of what was done to it."""

    def __init__(self, name: str = "leaf", trace: list[str] | None = None) -> None:
        self.name = name
        self.trace: list[str] = [] if trace is None else trace
        self.waker: Waker | None = None
        self.output: Any = PENDING
        self.error: BaseException | None = None

    def poll(self, cx: Context) -> Any:
        self.trace.append(f"{self.name}: poll")
        self.waker = cx.waker
        if self.error is not None:
            raise self.error
        return self.output

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Any:
        self.trace.append(f"{self.name}: cancel")
        return super().poll_cancel(cx, request)

    def drop(self) -> None:
        self.trace.append(f"{self.name}: drop")

    def wake(self) -> None:
        """Wake whoever polled last."""
        assert self.waker is not None
        self.waker.wake()

    def complete(self, value: Any = None, *, wake: bool = True) -> None:
        """Have an output, and say so."""
        self.output = value
        if wake and self.waker is not None:
            self.waker.wake()

    def fail(self, error: BaseException) -> None:
        """Have an error, and say so."""
        self.error = error
        if self.waker is not None:
            self.waker.wake()

    def __repr__(self) -> str:
        return f"<{self.name}>"


class SlowLeaf(Leaf):
    """A leaf whose cancellation is pending until `settle`."""

    def __init__(self, name: str = "leaf", trace: list[str] | None = None) -> None:
        super().__init__(name, trace)
        self.settled: Completed[Any] | Error | Canceled | None = None
        self.failure: BaseException | None = None

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Any:
        self.trace.append(f"{self.name}: cancel")
        self.waker = cx.waker
        if self.failure is not None:
            raise self.failure
        return PENDING if self.settled is None else self.settled

    def settle(self, outcome: Completed[Any] | Error | Canceled) -> None:
        """End the cancellation with this outcome, and say so."""
        self.settled = outcome
        self.wake()


class Bench:
    """A runtime on the manual host that runs only when it is told to."""

    def __init__(self, **options: Any) -> None:
        self.host = ManualHost()
        self.runtime = Runtime(host=self.host, **options)
        self.executor = self.runtime.executor
        self.executor.thread = get_ident()

    def __enter__(self) -> "Bench":
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.runtime.shutdown("the bench is put away", grace=0)

    def spawn(self, fut: Awaitable[Any], **options: Any) -> Task[Any]:
        """Spawn; nothing runs yet."""
        return self.executor.spawn(as_future(fut), **options)

    def idle(self) -> None:
        """Run what can run now; the clock stands still."""
        while self.host._soon:
            self.host.advance()

    def advance(self, seconds: float) -> None:
        """Let that much virtual time pass, and run what becomes due."""
        reached: list[None] = []
        self.idle()
        self.host.call_at(self.host.now() + seconds, lambda: reached.append(None))
        while not reached:
            self.host.advance()
        self.idle()
