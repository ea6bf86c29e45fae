"""rescind's own futures, combinators and primitives pass through the kit."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

import rescind
from rescind import sync
from rescind.testing import laws

TOKENS: list[rescind.CancellationToken] = []


def _token() -> Any:
    token = rescind.CancellationToken()
    return token.wait(), lambda: token.cancel("now")


def _guard() -> Any:
    return rescind.CancellationToken().guard(rescind.sleep(1))


def _event() -> Any:
    event = sync.Event()
    return event.wait(), event.set


def _notified() -> Any:
    notify = sync.Notify()
    return notify.notified(), notify.notify_one


def _oneshot() -> Any:
    sender, receiver = sync.oneshot[int]()
    return receiver.recv(), lambda: None if receiver.is_closed else sender.send(1)


def _channel() -> Any:
    sender, receiver = sync.channel[int](1)
    return receiver.recv(), lambda: sender.send_nowait(1)


def _send() -> Any:
    sender, receiver = sync.channel[int](1)
    sender.send_nowait(1)
    return sender.send(2), receiver.recv_nowait


def _reserve() -> Any:
    sender, receiver = sync.channel[int](1)
    sender.send_nowait(1)
    return sender.reserve(), receiver.recv_nowait


def _unbounded() -> Any:
    sender, receiver = sync.unbounded[int]()
    return receiver.recv_many(3), lambda: sender.send_nowait(1)


def _broadcast() -> Any:
    sender, receiver = sync.broadcast[int](2)
    return receiver.recv(), lambda: sender.send(1)


def _watch() -> Any:
    sender, receiver = sync.watch(0)
    return receiver.changed(), lambda: sender.send(1)


def _watch_for() -> Any:
    sender, receiver = sync.watch(0)
    return receiver.wait_for(lambda value: value == 1), lambda: sender.send(1)


def _mutex() -> Any:
    mutex = sync.Mutex()
    mutex.acquire_nowait()
    return mutex.acquire(), mutex.release


def _barrier() -> Any:
    barrier = sync.Barrier(2)
    other = barrier.wait()
    return barrier.wait(), lambda: other.poll(rescind.testing.context())


def _oncecell() -> Any:
    return sync.OnceCell[None]().get_or_init(lambda: rescind.sleep(1))


def _read() -> Any:
    lock = sync.RwLock()
    lock.acquire_write_nowait()
    return lock.acquire_read(), lock.release_write


def _write() -> Any:
    lock = sync.RwLock()
    lock.acquire_read_nowait()
    return lock.acquire_write(), lock.release_read


def _abortable() -> Any:
    return rescind.abortable(rescind.sleep(1))[0]


def _awaited(make: Callable[[], Any]) -> Callable[[], Any]:
    async def coroutine() -> Any:
        return await make()

    return coroutine


def _polls() -> Any:
    state = SimpleNamespace(waker=None, done=False)

    def poll(cx: Any) -> Any:
        if state.done:
            return "done"
        state.waker = cx.waker
        return rescind.lowlevel.PENDING

    def complete() -> None:
        state.done = True
        state.waker.wake()

    async def body() -> Any:
        return await rescind.poll_fn(poll)

    return body(), complete


FUTURES: dict[str, Callable[[], Any]] = {
    "sleep": lambda: rescind.sleep(1),
    "sleep_until": lambda: rescind.sleep_until(1),
    "yield_now": rescind.yield_now,
    "ready": lambda: rescind.ready(1),
    "checkpoint": rescind.checkpoint,
    "interval": lambda: rescind.interval(1).tick(),
    "poll_fn": _polls,
    "coroutine": _awaited(lambda: rescind.sleep(1)),
    "race": lambda: rescind.race(rescind.sleep(1), rescind.sleep(2)),
    "race_ok": lambda: rescind.race_ok(rescind.sleep(1), rescind.sleep(2)),
    "join": lambda: rescind.join(rescind.sleep(1), rescind.sleep(2)),
    "outcomes": lambda: rescind.outcomes(rescind.sleep(1), rescind.sleep(2)),
    "timeout": lambda: rescind.timeout(rescind.sleep(1), 2),
    "timeout that expires": lambda: rescind.timeout(rescind.never(), 1),
    "finalize": lambda: rescind.finalize(rescind.sleep(1), lambda _: rescind.sleep(1)),
    "on_cancel": lambda: rescind.on_cancel(rescind.sleep(1), lambda _: rescind.sleep(1)),
    "abortable": _abortable,
    "guard": _guard,
    "token.wait": _token,
    "event.wait": _event,
    "notified": _notified,
    "oneshot.recv": _oneshot,
    "channel.recv": _channel,
    "channel.send": _send,
    "channel.reserve": _reserve,
    "unbounded.recv_many": _unbounded,
    "broadcast.recv": _broadcast,
    "watch.changed": _watch,
    "watch.wait_for": _watch_for,
    "mutex.acquire": _mutex,
    "rwlock.read": _read,
    "rwlock.write": _write,
    "barrier.wait": _barrier,
    "get_or_init": _oncecell,
}


@pytest.mark.parametrize("name", FUTURES)
def test_own_future_keeps_the_laws(name: str) -> None:
    """Polled, completed, canceled and dropped in every order that the kit knows."""
    laws.check_future(FUTURES[name], name=name)


def test_semaphore_gives_back_what_a_canceled_acquire_had() -> None:
    """The permits are the same whatever order the acquire, the release and the end come in."""
    semaphore = sync.Semaphore(1)

    def factory() -> Any:
        return semaphore.acquire(), semaphore.release

    def reset() -> None:
        while semaphore.available:
            semaphore.acquire_nowait()

    laws.check_future(factory, state=lambda: semaphore.available, reset=reset, name="acquire")


def _shared(left: Any, right: Any) -> Any:
    return rescind.join(rescind.shared(left), right)


async def _select(left: Any, right: Any) -> Any:
    async with rescind.select(left, right) as ended:
        async for _key, outcome in ended:
            return outcome


async def _future_set(left: Any, right: Any) -> Any:
    async with rescind.FutureSet[Any]() as members:
        members.add(left)
        members.add(right)
        return [outcome async for _key, outcome in members]


async def _concurrently(left: Any, right: Any) -> Any:
    async def run(fut: Any) -> Any:
        return await fut

    async with rescind.concurrently(run, [left, right], limit=2) as results:
        return [one async for one in results]


async def _group(left: Any, right: Any) -> None:
    async with rescind.task_group() as group:
        group.spawn(left)
        group.spawn(right)


COMBINATORS: dict[str, Callable[..., Any]] = {
    "race": rescind.race,
    "race_ok": rescind.race_ok,
    "join": rescind.join,
    "outcomes": rescind.outcomes,
    "biased race": lambda *futs: rescind.race(*futs, biased=True),
    "timeout": lambda left, right: rescind.race(rescind.timeout(left, 1), right),
    "finalize": lambda left, right: rescind.finalize(left, lambda _: right),
    "catch_cancel": lambda left, right: rescind.race(rescind.catch_cancel(left), right),
    "bracket": lambda left, right: rescind.bracket(
        lambda: rescind.ready(0), lambda _: rescind.join(left, right), lambda _: None
    ),
    "select": _select,
    "FutureSet": _future_set,
    "concurrently": _concurrently,
    "task_group": _group,
}


@pytest.mark.parametrize("name", COMBINATORS)
def test_own_combinator_keeps_the_laws(name: str) -> None:
    """Over generated children, canceled at any step."""
    laws.check_combinator(COMBINATORS[name], name=name, examples=25)


async def _hold(lock: Any) -> None:
    async with lock:
        await rescind.sleep(1)


async def _hold_two(semaphore: sync.Semaphore) -> None:
    async with semaphore.permits(2):
        await rescind.sleep(1)


async def _read_lock(lock: sync.RwLock) -> None:
    async with lock.read():
        await rescind.sleep(1)


async def _write_lock(lock: sync.RwLock) -> None:
    async with lock.write():
        await rescind.sleep(1)


async def _init(cell: "sync.OnceCell[int]") -> None:
    async def make() -> int:
        await rescind.sleep(1)
        return 1

    await cell.get_or_init(make)


async def _notify(notify: sync.Notify) -> None:
    notify.notify_one()
    await notify.notified()


async def _wait(condition: sync.Condition) -> None:
    async with condition:
        condition.notify()
        await rescind.timeout(condition.wait(), 1, grace=None)


async def _tell(condition: sync.Condition) -> None:
    async with condition:
        condition.notify_all()


async def _pass_on(ends: Any) -> None:
    sender, receiver = ends
    await sender.send(1)
    await receiver.recv()


async def _set(event: sync.Event) -> None:
    event.set()
    await event.wait()


PRIMITIVES: dict[str, tuple[Callable[[], Any], list[Any], Callable[[Any], Any]]] = {
    "Mutex": (sync.Mutex, [_hold], lambda one: (one.locked(), one.statistics().waiting)),
    "Semaphore": (
        lambda: sync.Semaphore(2),
        [_hold, _hold_two],
        lambda one: (one.available, one.statistics().waiting),
    ),
    "RwLock": (sync.RwLock, [_read_lock, _write_lock], lambda one: one.locked()),
    "Notify": (sync.Notify, [_notify], lambda one: one.statistics().waiting),
    "OnceCell": (sync.OnceCell, [_init], lambda one: one.statistics().waiting),
    "Event": (sync.Event, [_set], lambda one: one.statistics().waiting),
    "channel": (lambda: sync.channel(3), [_pass_on], lambda ends: None),
    "unbounded": (sync.unbounded, [_pass_on], lambda ends: None),
}


@pytest.mark.parametrize("name", PRIMITIVES)
def test_own_primitive_keeps_the_laws(name: str) -> None:
    """In any order, whoever is canceled or dropped, and when."""
    make, uses, state = PRIMITIVES[name]
    laws.check_primitive(make, *uses, state=state, name=name, examples=60)
