"""`SignalLadder`: whose handlers it replaces, what it counts, whom it tells, and when."""

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import rescind
from rescind import Runtime
from rescind._core.site import Site
from rescind._host.signals import SignalNotice
from tests.conftest import HostFactory


@pytest.fixture(autouse=True)
def default_handlers() -> Iterator[None]:
    """Begin with the handlers of a fresh process, and put back those of the suite."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def _handlers() -> tuple[Any, Any]:
    return signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)


def test_handlers_are_replaced_while_it_blocks_and_put_back(host: HostFactory) -> None:
    """Both signals are handled inside `block_on`, and as before outside."""
    inside: list[bool] = []

    async def main() -> None:
        inside.append(_handlers() != before)

    before = _handlers()
    with host(handle_signals=True) as runtime:
        runtime.block_on(main())
        between = _handlers()
    assert ([True], before, before) == (inside, between, _handlers())


def test_handler_of_the_program_and_an_ignored_signal_stay(host: HostFactory) -> None:
    """What the program set itself is not touched, SIG_IGN included."""
    inside: list[Any] = []

    def mine(*_: object) -> None: ...

    async def main() -> None:
        inside.append(_handlers())

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, mine)
    with host(handle_signals=True) as runtime:
        runtime.block_on(main())
    assert [(signal.SIG_IGN, mine)] == inside


def test_signals_are_left_alone_unless_asked_for(host: HostFactory) -> None:
    """A runtime without ``handle_signals`` sets no handler."""
    inside: list[Any] = []

    async def main() -> None:
        inside.append(_handlers())

    with host() as runtime:
        runtime.block_on(main())
    assert [_handlers()] == inside


@pytest.mark.parametrize(
    ("number", "ended"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_first_signal_cancels_and_what_failed_in_cleanup_is_noted(
    host: HostFactory, number: signal.Signals, ended: type[BaseException]
) -> None:
    """It ends as if Python had handled the signal; the cleanup's errors are in the notes."""
    seen: list[object] = []

    async def main() -> None:
        os.kill(os.getpid(), number)
        try:
            await rescind.never()
        except rescind.Cancellation as exc:
            seen.append((exc.reason.kind, exc.reason.message))
            raise ValueError("disk") from None

    with host(handle_signals=True) as runtime, pytest.raises(ended) as caught:
        runtime.block_on(main())
    assert [(rescind.CancelKind.SIGNAL, number.name)] == seen
    assert ["while cleaning up: ValueError('disk')"] == caught.value.__notes__
    assert (1, number.name) == (runtime.signals.count, runtime.signals.name)


@pytest.mark.parametrize("kind", ["asyncio", "asyncio-debug", "uvloop"])
def test_signal_that_another_thread_gets_ends_the_wait(kind: str) -> None:
    """As one does that comes in just before the wait begins: nothing else interrupts that (G4)."""
    if kind == "uvloop":
        pytest.importorskip("uvloop")
    inside = threading.Event()

    def send() -> None:
        inside.wait()
        time.sleep(0.05)  # for the loop to wait by then; if it does not, no harm is done
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    async def main() -> None:
        inside.set()
        await rescind.never()

    sender = threading.Thread(target=send)
    sender.start()
    with HostFactory(kind)(handle_signals=True) as runtime, pytest.raises(SystemExit):
        runtime.block_on(main())
    sender.join()


def _wakeup_fd() -> int:
    fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(fd)
    return fd


@pytest.mark.parametrize("kind", ["manual", "asyncio", "asyncio-debug"])
def test_signals_are_written_to_the_loop_while_it_blocks(kind: str) -> None:
    """To nothing before, to nothing after (G4); and to nothing in virtual time."""

    async def main() -> int:
        return _wakeup_fd()

    with HostFactory(kind)(handle_signals=True) as runtime:
        inside = runtime.block_on(main())
        after = _wakeup_fd()
    assert (kind == "manual", -1) == (inside == -1, after)


def test_whoever_is_told_of_signals_already_is_told_as_before() -> None:
    """What the program had signals written to stays, inside and after (G4)."""

    async def main() -> int:
        return _wakeup_fd()

    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        signal.set_wakeup_fd(one.fileno())
        try:
            with Runtime(handle_signals=True) as runtime:
                inside = runtime.block_on(main())
        finally:
            after = signal.set_wakeup_fd(-1)
        assert (one.fileno(), one.fileno()) == (inside, after)


def test_what_was_closed_while_signals_were_written_to_it_is_replaced() -> None:
    """They are written to the loop, since nobody else can be told (G4)."""

    async def main() -> int:
        return _wakeup_fd()

    one, other = socket.socketpair()
    one.setblocking(False)
    signal.set_wakeup_fd(one.fileno())
    with Runtime(handle_signals=True) as runtime:
        gone = one.fileno()
        one.close()
        other.close()
        inside = runtime.block_on(main())
        after = _wakeup_fd()
    assert inside not in (-1, gone)
    assert after == -1


def test_a_handler_of_the_loops_own_outlasts_the_block() -> None:
    """A signal that asyncio handles is written to the loop between two blocks as well (G4)."""
    calls: list[str] = []

    async def add() -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, calls.append, "handled")

    async def handled() -> None:
        async with rescind.deadline(60):
            while not calls:
                await rescind.sleep(0.001)
        asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)

    with Runtime(handle_signals=True) as runtime:
        runtime.block_on(add())
        os.kill(os.getpid(), signal.SIGUSR1)
        runtime.block_on(handled())
        assert _wakeup_fd() == -1
    assert ["handled"] == calls


def test_each_block_on_counts_from_the_beginning(host: HostFactory) -> None:
    """A signal in one `block_on` does not make the first one in the next drop at once."""
    trace: list[str] = []

    async def main(name: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await rescind.never()
        finally:
            await rescind.sleep(0.001)
            trace.append(f"{name} cleaned up")

    with host(handle_signals=True) as runtime:
        for name in ("one", "two"):
            with pytest.raises(KeyboardInterrupt):
                runtime.block_on(main(name))
    assert ["one cleaned up", "two cleaned up"] == trace


def test_listener_is_told_once_of_each_before_it_takes_effect(host: HostFactory) -> None:
    """`on_signal` sees the tasks as they were, with the number of the signal."""
    told: list[tuple[str, int, Site | None, bool, str]] = []

    def listen(notice: SignalNotice, runtime: Runtime) -> None:
        phases = ",".join(task.phase.name for task in runtime.tasks())
        told.append((notice.name, notice.count, notice.busy, notice.shutdown, phases))

    async def main() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await rescind.never()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            await rescind.never()

    with host(handle_signals=True) as runtime:
        runtime.on_signal = listen
        task = runtime.drive(main())
    outcome = task.outcome()
    assert isinstance(outcome, rescind.Canceled)
    assert ("SIGINT", True) == (outcome.reason.message, outcome.dropped)
    assert [
        ("SIGINT", 1, None, False, "PARKED"),
        ("SIGTERM", 2, None, False, "CLEANING"),
    ] == told


def test_listener_that_fails_does_not_hold_up_the_cancellation() -> None:
    """An error of `on_signal` is raised where it happened, and the task is canceled."""
    trace: list[str] = []

    def listen(*_: object) -> None:
        raise ValueError("listener")

    async def main() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await rescind.never()
        finally:
            trace.append("canceled")

    from rescind.lowlevel import ManualHost

    with Runtime(host=ManualHost(), handle_signals=True) as runtime:
        runtime.on_signal = listen
        with pytest.raises(ValueError, match="listener"):
            runtime.drive(main())
    assert ["canceled"] == trace


def test_second_signal_drops_without_waiting() -> None:
    """No time passes between the second signal and the end, though the grace is 30 s."""

    async def main() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await rescind.never()
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            await rescind.never()

    from rescind.lowlevel import ManualHost

    with Runtime(host=ManualHost(), handle_signals=True) as runtime:
        outcome = runtime.drive(main()).outcome()
        ended_at = runtime.now()
        late = runtime.executor.overruns
    assert isinstance(outcome, rescind.Canceled)
    assert (True, 0.0) == (outcome.dropped, ended_at)
    assert [("main", 0.0, False)] == [(one.task, one.seconds, one.abandoned) for one in late]


def test_ctrl_c_where_handlers_are_put_back_leaves_none_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It raises as soon as SIGINT has its own handler again: then all else is as before."""
    put = signal.signal

    def interrupted(number: int, handler: Any) -> Any:
        before = put(number, handler)
        if handler is signal.default_int_handler:
            raise KeyboardInterrupt
        return before

    before = _handlers()
    with Runtime(handle_signals=True) as runtime:
        monkeypatch.setattr(signal, "signal", interrupted)
        with pytest.raises(KeyboardInterrupt):
            runtime.block_on(rescind.ready("value"))
        monkeypatch.undo()
        after = _handlers(), _wakeup_fd()
    assert (before, -1) == after


def test_a_loop_that_cannot_be_written_to_is_run_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Somebody else's may have something else under that name."""
    loop = asyncio.new_event_loop()
    one, other = socket.socketpair()
    with one, other, Runtime(host=lambda: loop, handle_signals=True) as runtime:
        monkeypatch.setattr(loop, "_csock", one)  # it blocks, which Python refuses
        value = runtime.block_on(rescind.ready("value"))
        monkeypatch.undo()
    assert value == "value"


def test_an_interpreter_without_signals_is_none_the_worse(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was embedded without them refuses handlers, on its main thread too."""

    def refuse(*_: object) -> None:
        raise ValueError("signal only works in main thread of the main interpreter")

    monkeypatch.setattr(signal, "signal", refuse)

    with Runtime(handle_signals=True) as runtime:
        value = runtime.block_on(rescind.ready("value"))

    assert value == "value"
