"""What `asyncio.current_task()` is inside our coroutines (R28); asyncio's requests (R29)."""

import asyncio
import sys
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import rescind
from tests.conftest import HOSTS, HostFactory

Driver = Callable[[Callable[[], Awaitable[Any]]], Any]


@pytest.fixture(params=[name for name in HOSTS if name != "manual"])
def real(request: pytest.FixtureRequest) -> HostFactory:
    """Run the test once on each loop."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    return HostFactory(request.param)


def _under_rescind(main: Any) -> Any:
    return rescind.run(main)


def _under_asyncio(main: Any) -> Any:
    return asyncio.run(main())


def _as_child(main: Any) -> Any:
    """Run it as a branch of a join, whose other branch must not notice."""

    async def other() -> str:
        await asyncio.sleep(0.02)
        return "unharmed"

    async def both() -> Any:
        value, unharmed = await rescind.join(main(), other())
        assert unharmed == "unharmed"
        return value

    return rescind.run(both)


@pytest.fixture(params=[_under_asyncio, _under_rescind, _as_child], ids=["stock", "task", "child"])
def driver(request: pytest.FixtureRequest) -> Driver:
    """Run a scenario in a stock task, in one of ours, and in a child of a combinator."""
    result: Driver = request.param
    return result


# -- identity --------------------------------------------------------------------------------------


def test_identity_has_what_libraries_use(real: HostFactory) -> None:
    """The recorded attributes, each with the meaning that a stock task gives it."""

    async def main() -> dict[str, Any]:
        task: Any = asyncio.current_task()
        loop = asyncio.get_running_loop()
        got = {
            "truth": bool(task),
            "hash": {task: 1}[task],
            "weak": weakref.ref(task)() is task,
            "cancelling": task.cancelling(),
            "uncancel": task.uncancel(),
            "done": task.done(),
            "cancelled": task.cancelled(),
            "loop": task.get_loop() is loop,
            "name": task.get_name(),
            "coroutine": task.get_coro().cr_running,
            "frame": task.get_coro().cr_frame is sys._getframe(),
            "must_cancel": task._must_cancel,
            "waiter": task._fut_waiter,
            "callbacks": task._callbacks,
            "all_tasks": asyncio.all_tasks() == {task},
        }
        task.set_name("renamed")
        got["renamed"] = (task.get_name(), rescind.current_task().name)
        task.extra = "assigned"
        task.cancel = lambda *_: "replaced"
        got["assigned"] = (task.extra, task.cancel())
        del task.cancel
        return got

    with real() as runtime:
        got = runtime.block_on(main())

    assert got == {
        "truth": True,
        "hash": 1,
        "weak": True,
        "cancelling": 0,
        "uncancel": 0,
        "done": False,
        "cancelled": False,
        "loop": True,
        "name": "main",
        "coroutine": True,
        "frame": True,
        "must_cancel": False,
        "waiter": None,
        "callbacks": None,
        "all_tasks": True,
        "renamed": ("renamed", "main"),
        "assigned": ("assigned", "replaced"),
    }


def test_each_coroutine_future_has_one_identity_for_its_whole_life(real: HostFactory) -> None:
    """Root, children, cleanup and close: each sees itself, always the same, never another's."""
    seen: dict[str, list[Any]] = {}

    async def child(name: str) -> None:
        mine = seen.setdefault(name, [])
        mine.append(asyncio.current_task())
        try:
            await rescind.yield_now()
            mine.append(asyncio.current_task())
            await asyncio.sleep(0)
            mine.append(asyncio.current_task())
            await rescind.never()
        finally:
            mine.append(asyncio.current_task())

    async def wins() -> None:
        for _ in range(10):  # until the others have parked for good
            await asyncio.sleep(0)

    async def main() -> None:
        root = asyncio.current_task()
        dropped = rescind.spawn(child("dropped"))
        await rescind.race(child("one"), child("two"), wins())
        await dropped.cancel(grace=0)
        assert asyncio.current_task() is root
        seen["root"] = [root]

    with real() as runtime:
        runtime.block_on(main())

    assert {name: (len(found), len(set(map(id, found)))) for name, found in seen.items()} == {
        "one": (4, 1),
        "two": (4, 1),
        "dropped": (4, 1),
        "root": (1, 1),
    }
    assert len({id(found[0]) for found in seen.values()}) == 4


def test_no_identity_is_left_after_a_step_and_roots_alone_are_registered(real: HostFactory) -> None:
    """Callbacks run under no task; children are not in `all_tasks`, nor are ended roots."""
    seen: list[Any] = []

    async def child() -> set[Any]:
        await asyncio.sleep(0)
        return asyncio.all_tasks()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: seen.append(asyncio.current_task()))
        other = rescind.spawn(rescind.never())
        ended = rescind.spawn(asyncio.sleep(0))
        inside, _ = await rescind.join(child(), child())
        await ended
        seen.append(len(inside))
        await other.cancel()
        seen.append(len(asyncio.all_tasks()))

    with real() as runtime:
        runtime.block_on(main())

    assert seen == [None, 2, 1]


def test_done_callbacks_of_an_identity_fire_once_with_it(real: HostFactory) -> None:
    """Worker threads of anyio end by one; a removed one does not fire."""
    log: list[Any] = []

    async def body() -> None:
        me: Any = asyncio.current_task()
        me.add_done_callback(lambda one: log.append(one is me and one.done()))
        me.add_done_callback(log.append)
        log.append(me.remove_done_callback(log.append))

    async def main() -> None:
        await rescind.spawn(body())
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    with real() as runtime:
        runtime.block_on(main())

    assert log == [1, True]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are from Python 3.12 on")
def test_eager_task_factory_swaps_and_restores_the_identity(real: HostFactory) -> None:
    """A stock task that runs inside our step, at once, leaves us as we were."""
    if real.name == "uvloop" and sys.version_info >= (3, 13):
        pytest.skip("uvloop gives an argument that the eager factory of CPython 3.13.0 refuses")

    async def eager() -> Any:
        return asyncio.current_task()

    async def main() -> list[bool]:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
        me = asyncio.current_task()
        task = loop.create_task(eager())
        return [task.done(), asyncio.current_task() is me, task.result() is task]

    with real() as runtime:
        assert runtime.block_on(main()) == [True, True, True]


@pytest.mark.parametrize("parks", [False, True])
def test_who_polls_once_by_now_or_never_stays_who_it_is(driver: Driver, parks: bool) -> None:
    """What was polled has an identity of its own, that ends with it (R18)."""
    seen: list[object] = []

    async def once() -> None:
        seen.append(asyncio.current_task())
        if parks:
            await asyncio.sleep(3600)

    async def main() -> list[bool]:
        me = asyncio.current_task()
        found = rescind.now_or_never(once())
        same = [asyncio.current_task() is me, seen[0] is not me, (found is None) == parks]
        async with asyncio.timeout(3600):  # which needs a current task
            await asyncio.sleep(0)
        return [*same, asyncio.current_task() is me]

    assert driver(main) == [True] * 4


# -- asyncio's own requests: the same outcome in a stock task, in ours, and in a child -------------


async def _timeout_native() -> Any:
    try:
        async with asyncio.timeout(0.001):
            await rescind.sleep(10)
    except TimeoutError:
        return "timed out", asyncio.current_task().cancelling()  # type: ignore[union-attr]


async def _timeout_asyncio() -> Any:
    try:
        async with asyncio.timeout(0.001):
            await asyncio.sleep(3600)
    except TimeoutError:
        return "timed out", asyncio.current_task().cancelling()  # type: ignore[union-attr]


async def _timeout_not_reached() -> Any:
    async with asyncio.timeout(10) as scope:
        await asyncio.sleep(0)
    return scope.expired()


async def _timeout_nested_outer() -> Any:
    log = []
    try:
        async with asyncio.timeout(0.001):
            try:
                async with asyncio.timeout(10):
                    await rescind.never()
            except TimeoutError:
                log.append("inner")
    except TimeoutError:
        log.append("outer")
    return log


async def _timeout_around_race() -> Any:
    log = []

    async def loser() -> None:
        try:
            await rescind.never()
        finally:
            await asyncio.sleep(0)
            log.append("drained")

    try:
        async with asyncio.timeout(0.001):
            await rescind.race(loser(), rescind.never())
    except TimeoutError:
        log.append("timed out")
    return log


async def _wait_for() -> Any:
    got: list[Any] = [await asyncio.wait_for(asyncio.sleep(0, "value"), 10)]
    try:
        await asyncio.wait_for(asyncio.sleep(3600), 0.001)
    except TimeoutError:
        got.append("timed out")
    return got


async def _task_group_fails() -> Any:
    log: list[Any] = []

    async def bad() -> None:
        await asyncio.sleep(0)
        raise ValueError("bad")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(bad())
            try:
                await rescind.never()
            except asyncio.CancelledError as exc:
                log.append(type(exc).__mro__[-4:-2])
                raise
    except* ValueError as errors:
        log.append([str(exc) for exc in errors.exceptions])
    log.append(asyncio.current_task().cancelling())  # type: ignore[union-attr]
    return log[1:]


async def _task_group_values() -> Any:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(asyncio.sleep(0, number)) for number in range(3)]
    return [task.result() for task in tasks]


async def _cancel_and_uncancel() -> Any:
    task: Any = asyncio.current_task()
    log: list[Any] = []
    for _ in range(2):
        task.cancel("asked")
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError as exc:
            log.append((str(exc), task.cancelling()))
    await asyncio.sleep(0)
    log.append((task.uncancel(), task.uncancel(), task.uncancel()))
    return log


async def _cancel_before_a_value() -> Any:
    task: Any = asyncio.current_task()
    future = asyncio.get_running_loop().create_future()
    future.set_result("there")
    task.cancel()
    value = await future
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        return value, "canceled at the next park"


async def _edge_triggered() -> Any:
    task: Any = asyncio.current_task()
    log: list[str] = []
    task.get_loop().call_soon(task.cancel)
    for _ in range(3):
        try:
            await asyncio.sleep(0.001)
            log.append("slept")
        except asyncio.CancelledError:
            log.append("canceled")
    task.uncancel()
    return log


async def _timeout_that_is_over() -> Any:
    log: list[str] = []
    for delay in (0, -1):
        try:
            async with asyncio.timeout(delay):
                await asyncio.sleep(0)
                log.append("went on")
        except TimeoutError:
            log.append("timed out")
    return log


async def _await_itself() -> Any:
    try:
        await asyncio.current_task()  # type: ignore[misc]
    except RuntimeError as exc:
        return str(exc)[:27]


async def _cancel_at_a_yield() -> Any:
    task: Any = asyncio.current_task()
    log: list[str] = []
    for _ in range(2):
        task.get_loop().call_soon(task.cancel)
        try:
            await asyncio.sleep(0)
            log.append("yielded")
        except asyncio.CancelledError:
            log.append("canceled")
    task.uncancel()
    return log, task.uncancel()


SCENARIOS = {
    _timeout_native: ("timed out", 0),
    _timeout_asyncio: ("timed out", 0),
    _timeout_not_reached: False,
    _timeout_nested_outer: ["outer"],
    _timeout_around_race: ["drained", "timed out"],
    _wait_for: ["value", "timed out"],
    _task_group_fails: [["bad"], 0],
    _task_group_values: [0, 1, 2],
    _cancel_and_uncancel: [("asked", 1), ("asked", 2), (1, 0, 0)],
    _cancel_before_a_value: ("there", "canceled at the next park"),
    # A yield has no value to lose: the request arrives there, not one park later.
    _cancel_at_a_yield: (["canceled", "canceled"], 0),
    _edge_triggered: ["canceled", "slept", "slept"],
    _timeout_that_is_over: ["timed out", "timed out"],
    _await_itself: "Task cannot await on itself",
}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.__name__.strip("_"))
def test_asyncios_own_requests_behave_as_in_a_stock_task(driver: Driver, scenario: Any) -> None:
    """Edge-triggered and counted, whoever drives, and for this coroutine alone (R29)."""
    assert driver(scenario) == SCENARIOS[scenario]


async def _anyio_move_on() -> Any:
    import anyio

    with anyio.move_on_after(0.001) as scope:
        await rescind.never()
    return scope.cancelled_caught, asyncio.current_task().cancelling()  # type: ignore[union-attr]


async def _anyio_group() -> Any:
    import anyio

    log: list[str] = []

    async def child() -> None:
        try:
            await anyio.sleep(10)
        finally:
            log.append("child ended")

    async with anyio.create_task_group() as group:
        group.start_soon(child)
        await anyio.sleep(0.001)
        group.cancel_scope.cancel()
    return log


async def _anyio_level() -> Any:
    import anyio
    from anyio.lowlevel import checkpoint

    log: list[str] = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        for what in (anyio.sleep_forever, checkpoint, rescind.never):
            try:
                await what()
                log.append("passed")
            except asyncio.CancelledError:
                log.append("canceled")
    return log


async def _anyio_wait_all_tasks_blocked() -> Any:
    import anyio

    log: list[str] = []

    async def parks() -> None:
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        log.append("parked")
        await rescind.sleep(3600)

    async with anyio.create_task_group() as group:
        group.start_soon(parks)
        await anyio.wait_all_tasks_blocked()
        log.append("seen")
        group.cancel_scope.cancel()
    return log


async def _anyio_thread() -> Any:
    import anyio.to_thread

    return await anyio.to_thread.run_sync(lambda: "from a thread")


ANYIO = {
    _anyio_move_on: (True, 0),
    _anyio_group: ["child ended"],
    _anyio_level: ["canceled"] * 3,
    _anyio_wait_all_tasks_blocked: ["parked", "seen"],
    _anyio_thread: "from a thread",
}


@pytest.mark.parametrize("scenario", ANYIO, ids=lambda one: one.__name__.strip("_"))
def test_anyio_behaves_as_in_a_stock_task(driver: Driver, scenario: Any) -> None:
    """Scopes, groups and threads of anyio concern the coroutine they are in, and no other (R29)."""
    assert driver(scenario) == ANYIO[scenario]


def test_a_yield_of_ours_is_canceled_by_asyncio_where_it_is() -> None:
    """As a bare one is, since there is no value to lose."""

    async def main() -> str:
        task: Any = asyncio.current_task()
        task.get_loop().call_soon(task.cancel)
        try:
            await rescind.yield_now()
        except asyncio.CancelledError:
            task.uncancel()
            return "canceled"
        return "yielded"

    assert rescind.run(main) == "canceled"


def test_a_task_parked_on_ours_is_blocked_and_one_that_is_about_to_run_is_not() -> None:
    """The `wait_all_tasks_blocked` of anyio waits for our tasks as well, and for no longer."""
    import anyio

    log: list[str] = []

    async def busy() -> None:
        for number in range(5):
            await (rescind.yield_now() if number % 2 else asyncio.sleep(0))
        log.append("blocked")
        await rescind.never()

    async def main() -> None:
        task = rescind.spawn(busy())
        with anyio.fail_after(10):
            await anyio.wait_all_tasks_blocked()
        log.append("seen")
        await task.cancel()

    rescind.run(main)

    assert log == ["blocked", "seen"]


def test_anyio_shield_holds_our_cancellation_until_it_is_left() -> None:
    """What httpcore protects by a shield is not pierced (R30)."""
    import anyio

    log: list[str] = []

    async def body() -> None:
        with anyio.CancelScope(shield=True):
            for _ in range(3):
                await asyncio.sleep(0)
                log.append("shielded")
        log.append("left")
        await asyncio.sleep(3600)
        log.append("not reached")

    async def main() -> str:
        task = rescind.spawn(body())
        await rescind.yield_now()
        return type(await task.cancel()).__name__

    assert rescind.run(main) == "Canceled"
    assert log == ["shielded", "shielded", "shielded", "left"]
