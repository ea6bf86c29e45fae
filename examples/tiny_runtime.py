"""Cancellation, seen from the runtime: a complete one, in less than sixty lines.

Take the next ready task. If it should be canceled, cancel it; else poll it. Repeat. That is all a
runtime has to know: what a cancellation does, and how long it takes, is the future's own business.

Watch *long*: it is canceled at the `yield_now` that it awaits, so it never counts to 3. Its cleanup
awaits as well, and therefore takes a second turn.
"""

from collections import deque
from collections.abc import Awaitable

import rescind
from rescind import Canceled, CancelKind, CancelReason, Completed, Error, Outcome
from rescind.lowlevel import PENDING, CancelRequest, Context, Pending, Waker, as_future


class TinyTask(Waker):
    """A future, and whether somebody wants it canceled. It is its own waker."""

    def __init__(self, runtime: "TinyRuntime", name: str, work: Awaitable[str]) -> None:
        self.runtime = runtime
        self.name = name
        self.future = as_future(work)
        self.request: CancelRequest | None = None
        self.queued = False
        self.outcome: Outcome[str] | None = None
        self.wake()

    def wake(self) -> None:
        if not self.queued and self.outcome is None:
            self.queued = True
            self.runtime.ready.append(self)

    def cancel(self, why: str) -> None:
        self.request = CancelRequest(CancelReason(CancelKind.EXPLICIT, why))
        self.wake()

    def step(self, cx: Context) -> Outcome[str] | Pending:
        try:
            if self.request is not None:
                return self.future.poll_cancel(cx, self.request)
            value = self.future.poll(cx)
            return PENDING if value is PENDING else Completed(value)
        except Exception as exception:
            return Error(exception)


class TinyRuntime:
    """A queue of tasks that are ready."""

    def __init__(self) -> None:
        self.ready: deque[TinyTask] = deque()

    def spawn(self, name: str, work: Awaitable[str]) -> TinyTask:
        return TinyTask(self, name, work)

    def run(self) -> None:
        while self.ready:
            task = self.ready.popleft()
            task.queued = False
            print(f"{'cancel' if task.request else 'poll':>6} {task.name}")
            outcome = task.step(Context(task))
            if outcome is not PENDING:
                task.outcome = outcome


# -- and it runs any async function ------------------------------------------------------------


async def count(name: str, to: int) -> str:
    try:
        for number in range(1, to + 1):
            print(f"         {name} counts {number}")
            await rescind.yield_now()
        return f"{name} counted to {to}"
    finally:
        await rescind.yield_now()  # a cleanup that awaits takes a turn of its own
        print(f"         {name} has cleaned up")


async def stop(task: TinyTask) -> str:
    await rescind.yield_now()
    task.cancel("that is enough")
    return f"{task.name} was told to stop"


async def fail() -> str:
    raise RuntimeError("out of luck")


async def main() -> None:
    tiny = TinyRuntime()  # it blocks while it runs, as runtimes do
    long = tiny.spawn("long", count("long", 1_000_000))
    short = tiny.spawn("short", count("short", 1))
    tasks = [long, short, tiny.spawn("stopper", stop(long)), tiny.spawn("unlucky", fail())]
    tiny.run()
    print()
    for task in tasks:
        match task.outcome:
            case Completed(value):
                print(f"{task.name}: completed, {value!r}")
            case Error(exception):
                print(f"{task.name}: error, {exception!r}")
            case Canceled(reason):
                print(f"{task.name}: canceled, {reason.message!r}")
            case None:
                print(f"{task.name}: nothing woke it")


if __name__ == "__main__":
    rescind.run(main)
