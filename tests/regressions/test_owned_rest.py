"""Owned resources are all closed, also when the grace is over while one of them hangs."""

import rescind
from rescind import Canceled, Outcome, sleep, spawn
from rescind.testing import run_virtual


class _Resource:
    def __init__(self, name: str, seconds: float, trace: list[str]) -> None:
        self.name = name
        self.seconds = seconds
        self.trace = trace

    async def aclose(self) -> None:
        self.trace.append(f"{self.name}: close")
        try:
            if self.seconds:
                await sleep(self.seconds)
        finally:
            self.trace.append(f"{self.name}: end")


async def _body() -> None:
    raise AssertionError("its body must not run")


def test_resources_behind_one_that_hangs_are_closed_when_the_grace_is_over() -> None:
    """The one that hangs is cut short; those after it are closed as far as goes without waiting."""
    trace: list[str] = []

    async def main() -> Outcome[None]:
        owned = [_Resource("first", 0, trace), _Resource("hangs", 1000, trace)]
        task = spawn(_body(), owned=[*owned, _Resource("last", 0, trace)])
        return await task.cancel(grace=1)

    outcome = run_virtual(main).unwrap()
    assert isinstance(outcome, Canceled)
    expected = ["last: close", "last: end", "hangs: close", "hangs: end"]
    assert [*expected, "first: close", "first: end"] == trace


def test_checkpoint_in_a_close_without_grace_finds_no_cancellation_to_deliver() -> None:
    """The request has arrived: it is why the resource is closed. What follows the await runs."""
    closed: list[str] = []

    class Careful:
        async def aclose(self) -> None:
            await rescind.checkpoint()
            closed.append("closed")

    async def main() -> Outcome[None]:
        return await spawn(_body(), owned=[Careful(), Careful()]).cancel(grace=0)

    outcome = run_virtual(main).unwrap()
    assert isinstance(outcome, Canceled)
    assert (outcome.also, closed) == ((), ["closed", "closed"])
