"""`SignalLadder`: whose handlers it replaces, what it counts, whom it tells, and when."""

import os
import signal
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


def test_an_interpreter_without_signals_is_none_the_worse(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was embedded without them refuses handlers, on its main thread too."""

    def refuse(*_: object) -> None:
        raise ValueError("signal only works in main thread of the main interpreter")

    monkeypatch.setattr(signal, "signal", refuse)

    with Runtime(handle_signals=True) as runtime:
        value = runtime.block_on(rescind.ready("value"))

    assert value == "value"
