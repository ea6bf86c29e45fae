"""A future written by hand: the state machine A → B → C, without any `async def`.

Its whole life is three methods. `poll` is called when there may be progress; it returns its
value, or PENDING after storing the waker of whoever is to be told. `drop` releases what it
holds. `poll_cancel` is for a future that cannot let go at once; the default drops it.
"""

import rescind
from rescind import Canceled, Outcome, UsageError
from rescind.lowlevel import PENDING, CancelRequest, Context, Future, Pending, Waker


class Bell:
    """Something in the world: it counts its rings, and wakes whoever left a waker."""

    def __init__(self) -> None:
        self.rings = 0
        self.waker: Waker | None = None

    def ring(self) -> None:
        self.rings += 1
        print(f"  ring {self.rings}")
        if self.waker is not None:
            self.waker.wake()


class Forgetful(Future[str]):
    """Wrong: it waits for the bell, but tells nobody whom to wake."""

    def __init__(self, bell: Bell) -> None:
        self.bell = bell

    def poll(self, cx: Context) -> str | Pending:
        print("  poll in A")
        return "C" if self.bell.rings >= 2 else PENDING

    def drop(self) -> None:
        print("  drop")


class Machine(Future[str]):
    """Right: A until the first ring, B until the second, then C, which is its value."""

    def __init__(self, bell: Bell) -> None:
        self.bell = bell
        self.state = "A"

    def poll(self, cx: Context) -> str | Pending:
        print(f"  poll in {self.state}")
        if self.state == "A" and self.bell.rings >= 1:
            self.go("B")
        if self.state == "B" and self.bell.rings >= 2:
            self.go("C")
            return "C"
        self.bell.waker = cx.waker
        return PENDING

    def go(self, state: str) -> None:
        print(f"  {self.state} → {state}")
        self.state = state

    def drop(self) -> None:
        print(f"  drop in {self.state}")
        self.bell.waker = None


class Patient(Machine):
    """The same, but it cannot leave B without a last ring: its cleanup has to wait."""

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[str] | Pending:
        print(f"  poll_cancel in {self.state}: {request.reason.message}")
        if self.state == "B" and self.bell.rings < 2:
            self.bell.waker = cx.waker
            return PENDING
        self.drop()
        return Canceled(request.reason)


async def without_a_waker() -> None:
    """Without storing the waker: elsewhere this hangs for ever; here it is found at once."""
    try:
        await Forgetful(Bell())
    except UsageError as error:
        print(f"  UsageError: {error}")


async def with_a_waker() -> None:
    """Storing it: one poll to begin with, then one for each ring, and none in between."""
    bell = Bell()
    task = rescind.spawn(Machine(bell))
    for _ in range(2):
        await rescind.yield_now()
        bell.ring()
    print(f"  → {await task}")


async def canceled_in_b() -> None:
    """Canceled in B: it is never polled again. That is all; its drop runs, and it is over."""
    bell = Bell()
    task = rescind.spawn(Machine(bell))
    await rescind.yield_now()
    bell.ring()
    await rescind.yield_now()
    outcome = await task.cancel("no more patience")
    print(f"  → {type(outcome).__name__}")
    bell.ring()  # nobody listens


async def canceled_in_b_patiently() -> None:
    """Canceled in B, with a cleanup that waits: poll_cancel is polled in place of poll."""
    bell = Bell()
    task = rescind.spawn(Patient(bell))
    await rescind.yield_now()
    bell.ring()
    await rescind.yield_now()
    request = task.cancel("no more patience")
    await rescind.yield_now()
    bell.ring()
    print(f"  → {type(await request).__name__}")


async def main() -> None:
    for scene in (without_a_waker, with_a_waker, canceled_in_b, canceled_in_b_patiently):
        print(scene.__doc__)
        await scene()
        print()


if __name__ == "__main__":
    rescind.run(main)
