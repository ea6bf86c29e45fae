"""Futures, a combinator and primitives that are broken on purpose: what the kit has to catch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rescind import Canceled, Completed, Outcome
from rescind._core.poll import polled_after_end
from rescind.lowlevel import (
    PENDING,
    CancelRequest,
    Context,
    Future,
    Waiter,
    WaitList,
    Waker,
    as_future,
)


class Box:
    """A place with one value, and how many wait for it: what the futures below are made of."""

    def __init__(self) -> None:
        self.value: str | None = None
        self.waiting: list[Waker] = []
        self.receiver: LosesTheValue | None = None

    def put(self) -> None:
        receiver, self.receiver = self.receiver, None
        if receiver is None:
            self.value = "value"
        else:
            receiver.got = "value"
        for waker in self.waiting:
            waker.wake()


class Takes(Future[str]):
    """A correct one: takes the value out of the box; puts itself on the list while it waits."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.waker: Waker | None = None
        self.given = False

    def poll(self, cx: Context) -> Any:
        if self.given:
            polled_after_end(self)
        if self.box.value is not None:
            self.leave()
            self.given = True
            return self.take()
        self.park(cx)
        return PENDING

    def take(self) -> Any:
        value, self.box.value = self.box.value, None
        return value

    def park(self, cx: Context) -> None:
        self.leave()
        self.waker = cx.waker
        self.box.waiting.append(cx.waker)

    def leave(self) -> None:
        if self.waker in self.box.waiting:
            self.box.waiting.remove(self.waker)
        self.waker = None

    def drop(self) -> None:
        self.leave()


class LosesItsWaker(Takes):
    """Keeps its waker where nobody finds it."""

    def park(self, cx: Context) -> None:
        self.waker = cx.waker


class KeepsTheFirstWaker(Takes):
    """Stores a waker at the first poll alone."""

    def park(self, cx: Context) -> None:
        if self.waker is None:
            super().park(cx)


class GivesTwice(Takes):
    """Gives its value at each poll."""

    def poll(self, cx: Context) -> Any:
        if self.given:
            return "value"
        return super().poll(cx)


class SwallowsCancel(Takes):
    """Goes on waiting when it is canceled."""

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Any:
        value = super().poll(cx)
        return PENDING if value is PENDING else Completed(value)


class MakesUpAValue(Takes):
    """Ends with a value when it is canceled, though there is none."""

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Any:
        self.drop()
        return Completed(None)


class LeaksOnDrop(Takes):
    """Stays on the list when it is dropped."""

    def drop(self) -> None:
        pass


class DropsTwice(Takes):
    """Cannot be dropped again."""

    def drop(self) -> None:
        self.box.waiting.remove(self.waker)  # type: ignore[arg-type]


class LosesTheValue(Takes):
    """Is handed the value with the wake-up, and takes it along when it is dropped."""

    def __init__(self, box: Box) -> None:
        super().__init__(box)
        self.got: str | None = None

    def park(self, cx: Context) -> None:
        super().park(cx)
        self.box.receiver = self

    def poll(self, cx: Context) -> Any:
        if self.got is not None and not self.given:
            self.given = True
            return self.got
        return super().poll(cx)

    def drop(self) -> None:
        if self.box.receiver is self:
            self.box.receiver = None
        super().drop()


class StartsAtOnce(Takes):
    """Waits from when it is made."""

    def __init__(self, box: Box) -> None:
        super().__init__(box)
        box.waiting.append(_Nobody())


class _Nobody(Waker):
    def wake(self) -> None:
        pass


class Undrained(Future[Any]):
    """A race that drops its losers without waiting for them, or leaves them alone.

    Args:
        drop: drop them; else they are forgotten.
    """

    def __init__(self, *futs: Any, drop: bool = False) -> None:
        self.children = [as_future(fut) for fut in futs]
        self.given = False
        self._drop = drop

    def poll(self, cx: Context) -> Any:
        if self.given:
            polled_after_end(self)
        self.waker = cx.waker
        for child in self.children:
            try:
                value = child.poll(cx)
            except BaseException:
                self._end(child)
                raise
            if value is not PENDING:
                self._end(child)
                return value
        return PENDING

    def _end(self, winner: Any) -> None:
        self.given = True
        for child in self.children if self._drop else ():
            if child is not winner:
                child.drop()

    def drop(self) -> None:
        if not self.given:
            for child in self.children:
                child.drop()


class PollsTheEnded(Future[Any]):
    """A join that goes on polling children that have ended."""

    def __init__(self, *futs: Any) -> None:
        self.children = [as_future(fut) for fut in futs]
        self.values: list[Any] = [PENDING] * len(futs)
        self.given = False

    def poll(self, cx: Context) -> Any:
        if self.given:
            polled_after_end(self)
        self.waker = cx.waker
        for index, child in enumerate(self.children):
            value = child.poll(cx)
            if value is not PENDING:
                self.values[index] = value
        if PENDING in self.values:
            return PENDING
        self.given = True
        return tuple(self.values)

    def drop(self) -> None:
        for child in self.children:
            child.drop()


class StartsChildren(Undrained):
    """A race that polls its children when it is made."""

    def __init__(self, *futs: Any) -> None:
        super().__init__(*futs)
        for child in self.children:
            child.poll(Context(_Nobody()))


class DropsPermits:
    """A semaphore whose waiter keeps what it was given when it is canceled.

    Args:
        hand_over: pass it on, as it has to be.
        leave: leave the line when canceled, as one has to.
    """

    def __init__(self, permits: int = 1, *, hand_over: bool = False, leave: bool = True) -> None:
        self.free = permits
        self.line = WaitList()
        self.hand_over = hand_over
        self.leave = leave

    def acquire(self) -> _Acquire:
        return _Acquire(self)

    def release(self) -> None:
        if not self.line.wake_one():
            self.free += 1


class _Acquire(Future[None]):
    def __init__(self, semaphore: DropsPermits) -> None:
        self.semaphore = semaphore
        self.waiter: Waiter | None = None

    def poll(self, cx: Context) -> Any:
        semaphore = self.semaphore
        if self.waiter is None:
            if semaphore.free:
                semaphore.free -= 1
                return None
            self.waiter = semaphore.line.join(cx.waker)
            return PENDING
        self.waiter.waker = cx.waker
        return None if self.waiter.woken else PENDING

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[Any]:
        self.drop()
        return Canceled(request.reason)

    def drop(self) -> None:
        waiter, self.waiter = self.waiter, None
        semaphore = self.semaphore
        if waiter is None or not semaphore.leave:
            return
        if semaphore.line.leave(waiter) and semaphore.hand_over:
            semaphore.release()


Factory = Callable[[], Any]
