"""The lab's plain order is the runtime's: that of the manual host, and one of those elsewhere."""

from collections.abc import Callable, Coroutine
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import rescind
from rescind.sync import Event, Mutex, Semaphore
from rescind.testing import Exhaustive, Lab, run_virtual
from tests.conftest import HostFactory
from tests.testing.programs import three

_DELAYS = st.sampled_from([0, 1, 1, 2, 0.5])
_ACTIONS = st.one_of(
    st.tuples(st.just("sleep"), _DELAYS),
    st.tuples(st.just("yield"), st.just(0)),
    st.tuples(st.just("lock"), _DELAYS),
    st.tuples(st.just("permit"), _DELAYS),
    st.tuples(st.just("event"), _DELAYS),
    st.tuples(st.just("race"), _DELAYS),
    st.tuples(st.just("timeout"), _DELAYS),
    st.tuples(st.just("child"), _DELAYS),
    st.tuples(st.just("cancel"), st.integers(0, 2)),
    st.tuples(st.just("cleanup"), _DELAYS),
)
_PROGRAMS = st.lists(st.lists(_ACTIONS, max_size=4), min_size=1, max_size=3)


def program(tasks: list[list[tuple[str, Any]]]) -> Callable[[], Coroutine[Any, Any, list[str]]]:
    """Return an async function that does this, and returns what happened in order."""

    async def main() -> list[str]:
        log: list[str] = []
        lock, permits, event = Mutex(), Semaphore(1), Event()
        running: list[rescind.Task[None]] = []

        async def act(name: str, action: str, number: Any) -> None:
            if action == "sleep":
                await rescind.sleep(number)
            elif action == "yield":
                await rescind.yield_now()
            elif action == "lock":
                async with lock:
                    await rescind.sleep(number)
            elif action == "permit":
                async with permits:
                    await rescind.sleep(number)
            elif action == "event":
                event.set() if number else await rescind.timeout(event.wait(), 3)
            elif action == "race":
                await rescind.race(rescind.sleep(number), rescind.sleep(1))
            elif action == "timeout":
                await rescind.timeout(rescind.sleep(1), number)
            elif action == "child":
                await rescind.spawn(rescind.sleep(number))
            elif action == "cancel":
                running[number % len(running)].cancel("asked")
            elif action == "cleanup":
                try:
                    await rescind.sleep(2)
                finally:
                    await rescind.sleep(number)

        async def run(name: str, actions: list[tuple[str, Any]]) -> None:
            for action, number in actions:
                log.append(f"{name} {action} at {rescind.now():g}")
                try:
                    await act(name, action, number)
                except (rescind.TimedOut, rescind.TaskCanceled) as exc:
                    log.append(f"{name} {type(exc).__name__} at {rescind.now():g}")

        for index, actions in enumerate(tasks):
            running.append(rescind.spawn(run("abc"[index], actions)))
        for task in running:
            log.append(f"{type(await task.join()).__name__} at {rescind.now():g}")
        return log

    return main


@settings(max_examples=150, deadline=None)
@given(_PROGRAMS)
def test_the_plain_run_is_that_of_the_manual_host(tasks: list[list[tuple[str, Any]]]) -> None:
    """X1, P74: whatever the program, the same happens in the same order at the same times."""
    main = program(tasks)

    assert run_virtual(main).unwrap() == Lab(main).run().unwrap()


def test_what_happens_elsewhere_happens_in_some_order_of_the_lab(host: HostFactory) -> None:
    """P74: the outcome on a real loop is one of those that the lab reaches."""
    main = three(2)
    with host() as runtime:
        elsewhere = runtime.block_on(main())

    assert elsewhere in {Lab(main, schedule=schedule).run().unwrap() for schedule in Exhaustive()}
