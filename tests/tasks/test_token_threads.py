"""Tokens under fire: from several threads at once, and from what interrupts them on their own."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import Any

import pytest

import rescind
from rescind import CancellationToken, CancelReason, Registration, TokenStatistics
from rescind.lowlevel import PENDING, Future
from rescind.tasks import tree
from rescind.testing import CountingWaker, context
from tests.conftest import HostFactory

NOBODY = TokenStatistics(children=0, waiters=0, callbacks=0)
ROUNDS = 200
PATIENCE = 30.0


@pytest.fixture
def switching() -> Iterator[None]:
    """Switch threads as often as possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def together(*functions: Callable[[], Any]) -> list[Any]:
    """Run each function in a thread of its own, all at once; return what they gave."""
    barrier = threading.Barrier(len(functions))
    found: list[Any] = [None] * len(functions)

    def run(index: int) -> None:
        barrier.wait(PATIENCE)
        try:
            found[index] = functions[index]()
        except BaseException as exc:
            found[index] = exc

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "a deadlock"
    return found


def note(seen: list[int], number: int, _reason: CancelReason) -> None:
    """Be a callback that notes its number."""
    seen.append(number)


# -- several threads ---------------------------------------------------------------------------


@pytest.mark.usefixtures("switching")
def test_of_several_cancels_exactly_one_is_the_first() -> None:
    """Its reason is primary, all are kept, each callback is called once."""
    for _ in range(ROUNDS):
        root = CancellationToken()
        token = root.child()
        seen: list[CancelReason] = []
        token.on_cancel(seen.append)

        said = together(*[partial(token.cancel, name) for name in "abcd"])

        assert sorted(said) == [False, False, False, True]
        assert seen == [token.reason]
        assert token.reason is not None
        assert token.reason.message == "abcd"[said.index(True)]
        assert sorted(str(reason.message) for reason in token.reasons) == list("abcd")


@pytest.mark.usefixtures("switching")
def test_a_child_made_during_a_cancel_is_in_the_tree_or_born_canceled() -> None:
    """Loom's cancel vs child creation: in the end, every child and grandchild is canceled."""
    for _ in range(ROUNDS):
        root = CancellationToken()
        middle = root.child()
        made: list[CancellationToken] = []

        def grow(middle: CancellationToken = middle, made: list[Any] = made) -> None:
            for _ in range(20):
                child = middle.child()
                made += [child, child.child(), CancellationToken.linked(child, CancellationToken())]

        found = together(grow, root.cancel, grow)

        assert found == [None, True, None]
        assert len(made) == 120
        assert [token for token in made if not token.canceled] == []
        assert {token.statistics() for token in [root, middle, *made]} == {NOBODY}


@pytest.mark.usefixtures("switching")
def test_a_registration_during_a_cancel_is_called_exactly_once() -> None:
    """By the one who cancels, or by the one who registers."""

    def register(token: CancellationToken, seen: list[int], first: int) -> None:
        for number in range(first, first + 20):
            token.on_cancel(partial(note, seen, number))

    for _ in range(ROUNDS):
        token = CancellationToken().child()
        seen: list[int] = []

        together(
            partial(register, token, seen, 0), token.cancel, partial(register, token, seen, 20)
        )

        assert sorted(seen) == list(range(40))
        assert token.statistics() == NOBODY


@pytest.mark.usefixtures("switching")
def test_remove_during_a_cancel_says_whether_it_is_called() -> None:
    """True and not called, or False and called; never both, never neither."""

    def remove(registrations: list[Registration]) -> list[int]:
        return [number for number, one in enumerate(registrations) if one.remove()]

    for _ in range(ROUNDS):
        token = CancellationToken()
        seen: list[int] = []
        registrations = [token.on_cancel(partial(note, seen, number)) for number in range(20)]

        removed, _ = together(partial(remove, registrations), token.cancel)

        assert sorted([*removed, *seen]) == list(range(20))


@pytest.mark.usefixtures("switching")
def test_tokens_dropped_during_a_cancel_harm_nobody() -> None:
    """Loom's drop vs cancel; the others are canceled all the same."""

    def detach(tokens: list[CancellationToken]) -> None:
        for token in tokens:
            token.detach()

    for _ in range(ROUNDS):
        root = CancellationToken()
        dropped = [root.child().child() for _ in range(20)]
        kept = [root.child() for _ in range(20)]

        found = together(dropped.clear, root.cancel, partial(detach, kept[::2]))

        assert found[1] is True
        assert all(token.canceled for token in kept[1::2])
        assert root.statistics() == NOBODY


@pytest.mark.usefixtures("switching")
def test_links_across_trees_canceled_from_both_ends_do_not_deadlock() -> None:
    """A linked to B's child, B's child linked to A's: canceled and grown from both at once."""
    for _ in range(ROUNDS):
        a, b = CancellationToken(), CancellationToken()
        of_b = CancellationToken.linked(b, a.child())
        of_a = CancellationToken.linked(a, of_b)
        below = [CancellationToken.linked(of_a, of_b) for _ in range(5)]

        together(
            a.cancel,
            b.cancel,
            lambda of_a=of_a, below=below: below.append(of_a.child()),
            lambda of_b=of_b, below=below: below.append(CancellationToken.linked(of_b)),
        )

        assert len(below) == 7
        assert all(token.canceled for token in [of_a, of_b, *below])


@pytest.mark.usefixtures("switching")
def test_the_subtree_is_marked_before_callbacks_also_under_concurrent_cancels() -> None:
    """R13: whichever of root and middle comes first, a callback sees all below canceled."""
    for _ in range(ROUNDS):
        root = CancellationToken()
        middle = root.child()
        leaves = [middle.child() for _ in range(20)]
        seen: list[bool] = []
        for token in (middle, leaves[0], leaves[-1]):
            token.on_cancel(
                lambda _, leaves=leaves, seen=seen: seen.append(  # type: ignore[misc]
                    all(leaf.canceled for leaf in leaves)
                )
            )

        together(root.cancel, middle.cancel)

        assert seen == [True] * 3


@pytest.mark.usefixtures("switching")
def test_waits_that_come_and_go_during_a_cancel_are_woken_or_gone() -> None:
    """Whoever is parked when the token is canceled is woken; whoever left is not in the books."""
    for _ in range(ROUNDS):
        token = CancellationToken()
        parked: list[tuple[Future[Any], CountingWaker]] = []

        def wait(token: CancellationToken = token, parked: list[Any] = parked) -> None:
            for index in range(20):
                waker = CountingWaker()
                waiting = token.wait()
                if waiting.poll(context(waker)) is not PENDING:
                    continue
                if index % 2:
                    waiting.drop()
                else:
                    parked.append((waiting, waker))

        together(wait, token.cancel, wait)

        assert [waker.wakes for _, waker in parked] == [1] * len(parked)
        assert token.statistics() == NOBODY


def test_tasks_of_two_runtimes_are_canceled_by_one_token(host: HostFactory) -> None:
    """Each in a thread of its own; each cleans up in its own thread."""
    token = CancellationToken()
    parked = threading.Barrier(3)
    trace: list[tuple[str, bool]] = []

    async def work(name: str, home: int) -> None:
        try:
            await rescind.never()
        finally:
            await rescind.yield_now()
            trace.append((name, threading.get_ident() == home))

    async def main(name: str) -> Any:
        task = rescind.spawn(token.child().guard(work(name, threading.get_ident())))
        await rescind.yield_now()
        await rescind.yield_now()
        parked.wait(PATIENCE)
        while not task.done():
            await rescind.sleep(0)
        return task.outcome()

    def run(name: str) -> Any:
        with host() as runtime:
            return runtime.block_on(main(name))

    def cancel() -> None:
        parked.wait(PATIENCE)
        token.cancel("all")

    found = together(lambda: run("a"), lambda: run("b"), cancel)

    assert [outcome.exception.reason.cause.message for outcome in found[:2]] == ["all", "all"]
    assert sorted(trace) == [("a", True), ("b", True)]
    assert token.statistics() == NOBODY


def test_a_plain_thread_stops_at_a_token_of_a_task(host: HostFactory) -> None:
    """It looks at the token; it is told why, as an ordinary exception."""
    found: list[BaseException] = []

    def work(token: CancellationToken) -> None:
        until = time.monotonic() + PATIENCE
        try:
            while time.monotonic() < until:
                token.raise_if_canceled()
                time.sleep(0)
        except rescind.TaskCanceled as exc:
            found.append(exc)

    async def main() -> None:
        token = CancellationToken()
        thread = threading.Thread(target=work, args=(token,))
        thread.start()
        await rescind.sleep(0)
        token.cancel("enough")
        thread.join(PATIENCE)

    with host() as runtime:
        runtime.block_on(main())

    (error,) = found
    assert isinstance(error, rescind.TaskCanceled)
    assert error.reason.message == "enough"


# -- on the same thread ------------------------------------------------------------------------


def interrupted(operation: Callable[[], Any], interruption: Callable[[], Any], line: int) -> bool:
    """Run ``operation``, with ``interruption`` before the n-th line of the tree's code.

    So do a finalizer that the collector runs, and a signal handler. False if there is no such line.
    """
    count = 0
    hit = False

    def trace(frame: FrameType, event: str, _arg: object) -> Any:
        nonlocal count, hit
        if frame.f_code.co_filename != tree.__file__:
            return None
        if event == "line":
            count += 1
            if count == line:
                hit = True
                interruption()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        operation()
    finally:
        sys.settrace(before)
    return hit


class Grove:
    """A small tree, and what its callbacks see."""

    def __init__(self) -> None:
        self.root = CancellationToken()
        self.other = CancellationToken()
        self.middle = self.root.child()
        self.leaf = self.middle.child()
        self.linked = CancellationToken.linked(self.leaf, self.other)
        self.early = [self.root, self.middle, self.leaf, self.linked]
        self.late: list[CancellationToken] = []
        self.seen: list[tuple[str, bool, bool]] = []
        self.waits: list[tuple[Future[Any], CountingWaker]] = []
        self.removed = False
        self.expected: list[str] = []
        self.removable = self.register("removable", 1)
        for index in range(len(self.early)):
            self.register("early", index)
        self.wait(self.middle)

    def register(self, name: str, level: int) -> Registration:
        """Register a callback; it notes whether all below is canceled, and the lock is free."""
        name = f"{name} {len(self.expected)}"
        self.expected.append(name)

        def called(_reason: CancelReason) -> None:
            below = all(token.canceled for token in self.early[level:])
            self.seen.append((name, below, tree.SECTION._depth == 0))

        return self.early[level].on_cancel(called)

    def wait(self, token: CancellationToken) -> None:
        """Park a future, or let it end."""
        waker = CountingWaker()
        waiting = token.wait()
        if waiting.poll(context(waker)) is PENDING:
            self.waits.append((waiting, waker))

    def child(self) -> None:
        """Grow."""
        self.late += [self.middle.child(), CancellationToken.linked(self.other, self.leaf)]

    def remove(self) -> None:
        """Take a callback back."""
        removed = self.removable.remove()
        assert not (self.removed and removed)
        if removed:
            self.removed = True
            self.expected.remove("removable 0")

    def check(self) -> None:
        """What has to hold once root and middle are canceled, however that was interrupted."""
        assert all(token.canceled for token in [*self.early, *self.late])
        assert {token.statistics() for token in [*self.early, *self.late, self.other]} == {NOBODY}
        assert sorted(name for name, _, _ in self.seen) == sorted(self.expected)
        assert {(below, free) for _, below, free in self.seen} == {(True, True)}
        assert [waker.wakes >= 1 for _, waker in self.waits] == [True] * len(self.waits)
        assert tree.SECTION._depth == 0
        assert tree.SECTION.late == []


OPERATIONS: dict[str, Callable[[Grove], object]] = {
    "cancel the root": lambda grove: grove.root.cancel(),
    "cancel the middle": lambda grove: grove.middle.cancel(),
    "cancel the leaf": lambda grove: grove.leaf.cancel(),
    "cancel the other source": lambda grove: grove.other.cancel(),
    "grow": Grove.child,
    "register": lambda grove: (grove.register("late", 1), grove.register("late", 2)),
    "remove": Grove.remove,
    "wait": lambda grove: (grove.wait(grove.middle), grove.wait(grove.linked)),
    "set a deadline": lambda grove: grove.late.append(grove.middle.child(timeout=3600)),
    "pass a deadline": lambda grove: grove.leaf.expire(CancelReason()),
    "leave": lambda grove: grove.late.append(grove.middle.child()) or grove.late.pop().detach(),
}


@pytest.mark.parametrize("interruption", OPERATIONS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_interrupted_on_its_own_thread_leaves_the_tree_whole(
    operation: str, interruption: str
) -> None:
    """K5, K6: at every line of the tree's code, by every other operation."""
    line = 0
    hit = True
    while hit:
        line += 1
        grove = Grove()
        hit = interrupted(
            lambda grove=grove: OPERATIONS[operation](grove),  # type: ignore[misc]
            lambda grove=grove: OPERATIONS[interruption](grove),  # type: ignore[misc]
            line,
        )
        grove.root.cancel()
        grove.other.cancel()
        grove.check()
    assert line > 3


def test_what_a_callback_raises_during_an_interruption_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Who was interrupted has nothing to do with it."""

    def raising(_reason: CancelReason) -> None:
        raise ValueError("in a callback")

    token, other = CancellationToken(), CancellationToken()
    token.on_cancel(raising)

    with caplog.at_level(logging.ERROR, "rescind"), tree.SECTION:
        assert token.cancel()
        assert caplog.records == []
        other.child()
        assert caplog.records == []

    (record,) = caplog.records
    assert record.getMessage() == "a callback of a cancellation token failed"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_can_use_tokens_whatever_other_threads_did() -> None:
    """The thread that held the lock, and the one of the deadlines, do not exist in it."""
    holding, release = threading.Event(), threading.Event()

    def hold() -> None:
        with tree.SECTION:
            holding.set()
            release.wait(PATIENCE)

    before = CancellationToken.after(3600)
    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait(PATIENCE)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            token = CancellationToken().child()
            token.cancel()
            rung = threading.Event()
            deadline = CancellationToken.after(0.001)
            deadline.on_cancel(lambda _: rung.set())
            code = 0 if token.canceled and rung.wait(PATIENCE) else 2
        finally:
            os._exit(code)
    release.set()
    thread.join()
    before.cancel()
    until = time.monotonic() + PATIENCE
    done, status = 0, 0
    while not done and time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        time.sleep(0.001)
    if not done:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    assert (done, status) == (pid, 0)
