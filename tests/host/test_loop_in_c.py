"""A loop of asyncio's with its turn in C behaves as asyncio's own does, in all but time."""

import asyncio
import contextvars
import gc
import logging
import selectors
import signal
import socket
import threading
import weakref
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import pytest

import rescind

quick = pytest.importorskip(
    "rescind._host._loop", reason="the interpreted form has asyncio's own loop"
)

#: What a scenario has seen, in words that are the same on every loop.
Facts = list[object]
Scenario = Callable[[asyncio.AbstractEventLoop, Facts], object]

SCENARIOS: list[Scenario] = []


def scenario(function: Scenario) -> Scenario:
    """Play it on both loops."""
    SCENARIOS.append(function)
    return function


def _spin(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop until what was ready has run."""
    loop.call_soon(loop.stop)
    loop.run_forever()


@scenario
def _callbacks_run_in_order(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    for number in range(3):
        loop.call_soon(facts.append, number)
    _spin(loop)


@scenario
def _what_a_callback_appends_runs_in_the_next_turn(
    loop: asyncio.AbstractEventLoop, facts: Facts
) -> None:
    def first() -> None:
        loop.call_soon(facts.append, "appended")
        facts.append("first")

    loop.call_soon(first)
    _spin(loop)
    facts.append("stopped")
    _spin(loop)


@scenario
def _a_canceled_handle_does_not_run(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    handle = loop.call_soon(facts.append, "never")
    handle.cancel()
    timer = loop.call_later(0, facts.append, "never")
    timer.cancel()
    facts += [handle.cancelled(), timer.cancelled(), repr(handle), repr(timer)[:22]]
    loop.run_until_complete(asyncio.sleep(0.001))


@scenario
def _a_callback_cancels_its_own_handle(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    def callback(word: str) -> None:
        handle.cancel()
        gc.collect()
        facts.append(word)
        raise ValueError(word)

    loop.set_exception_handler(lambda _, context: facts.append(context["message"]))
    handle = loop.call_soon(callback, "a word")
    _spin(loop)


@scenario
def _one_callback_cancels_the_next(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    def first() -> None:
        second.cancel()

    loop.call_soon(first)
    second = loop.call_soon(facts.append, "never")
    loop.call_soon(facts.append, "third")
    _spin(loop)


@scenario
def _an_exception_goes_to_the_handler(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    def fails(*_: object) -> None:
        raise ValueError("of a callback")

    def handler(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        facts.append(sorted(context))
        facts.append(context["message"].replace(hex(id(fails)), ""))
        error = context["exception"]
        facts.append([type(error), error.args, error.__context__])
        facts.append(type(context["handle"]))
        facts.append(error.__traceback__.tb_next is not None)

    loop.set_exception_handler(handler)
    loop.call_soon(fails, 1, "two")
    loop.call_at(loop.time(), fails)
    loop.call_soon(facts.append, "others run")
    loop.run_until_complete(asyncio.sleep(0.001))


@scenario
def _an_exception_without_a_handler_is_logged(
    loop: asyncio.AbstractEventLoop, facts: Facts
) -> None:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    logger = logging.getLogger("asyncio")
    logger.addHandler(handler)
    try:
        loop.call_soon(int, "no number")
        _spin(loop)
    finally:
        logger.removeHandler(handler)
    for record in records:
        facts.append(record.getMessage().replace("<class 'int'>", "int"))
        facts.append(record.exc_info and record.exc_info[0])


@scenario
def _a_callback_cannot_close_the_loop(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    loop.set_exception_handler(lambda _, context: facts.append(str(context["exception"])))
    loop.call_soon(loop.close)
    _spin(loop)
    facts.append(loop.is_closed())
    loop.call_soon(facts.append, "goes on")
    _spin(loop)


@scenario
def _methods_that_were_kept_know_that_the_loop_is_closed(
    loop: asyncio.AbstractEventLoop, facts: Facts
) -> None:
    soon, at, later = loop.call_soon, loop.call_at, loop.call_later
    loop.close()
    for call in (lambda: soon(print), lambda: at(1, print), lambda: later(1, print)):
        try:
            call()
        except RuntimeError as error:
            facts.append(str(error))
    facts += [len(loop._ready), len(loop._scheduled)]  # type: ignore[attr-defined]


@scenario
def _what_ends_the_process_leaves_the_loop(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    for kind in (KeyboardInterrupt, SystemExit):

        def ends(kind: type[BaseException] = kind) -> None:
            raise kind("now")

        loop.call_soon(ends)
        loop.call_soon(facts.append, "after")
        with pytest.raises(kind, match="now"):
            loop.run_forever()
        facts.append("left")
        _spin(loop)


@scenario
def _other_base_exceptions_do_not(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    class Odd(BaseException):
        pass

    def odd() -> None:
        raise Odd

    loop.set_exception_handler(lambda _, context: facts.append(repr(context["exception"])))
    loop.call_soon(odd)
    _spin(loop)


@scenario
def _a_handler_that_fails_is_no_end(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    def handler(_: object, __: object) -> None:
        raise RuntimeError("of the handler")

    loop.set_exception_handler(handler)
    loop.call_soon(int, "no number")
    loop.call_soon(facts.append, "after")
    _spin(loop)


@scenario
def _callbacks_run_in_their_context(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="none")
    inside = contextvars.copy_context()
    inside.run(var.set, "given")

    def look(change: str) -> None:
        facts.append(var.get())
        var.set(change)

    var.set("mine")
    loop.call_soon(look, "changed")
    loop.call_soon(look, "again", context=inside)
    loop.call_soon(look, "once more", context=inside)
    loop.call_at(loop.time(), look, "timer", context=inside)
    loop.call_at(loop.time(), look, "its own")
    loop.run_until_complete(asyncio.sleep(0.001))
    facts += [var.get(), inside[var]]


@scenario
def _a_context_that_is_entered_already(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    inside = contextvars.copy_context()
    loop.set_exception_handler(
        lambda _, context: facts.append(str(context["exception"]).partition("0x")[0])
    )
    loop.call_soon(facts.append, "never", context=inside)
    inside.run(_spin, loop)
    facts.append("after")


@scenario
def _what_is_no_context(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    class Like:
        def run(self, callback: Callable[..., object], *args: object) -> None:
            facts.append("run by another")
            callback(*args)

    loop.call_soon(facts.append, "inside", context=Like())  # type: ignore[arg-type]
    loop.call_at(loop.time(), facts.append, "timer", context=Like())  # type: ignore[arg-type]
    loop.run_until_complete(asyncio.sleep(0.001))


@scenario
def _timers_run_by_their_time(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    now = loop.time()
    for number in (5, 3, 9, 1, 7, 2, 8, 0, 6, 4, 3, 3, 9):
        loop.call_at(now + number * 1e-5, facts.append, number)
    loop.run_until_complete(asyncio.sleep(0.005))


@scenario
def _timers_of_one_time_run_in_the_heaps_order(
    loop: asyncio.AbstractEventLoop, facts: Facts
) -> None:
    now = loop.time()
    for number in range(40):
        loop.call_at(now + number % 3 * 1e-5, facts.append, number)
    loop.run_until_complete(asyncio.sleep(0.005))


@scenario
def _times_of_other_types(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    past = int(loop.time()) - 10
    loop.call_at(Fraction(past + 3), facts.append, "a fraction")  # type: ignore[arg-type]
    loop.call_at(past + 1, facts.append, "an integer")
    loop.call_at(past + 2.0, facts.append, "a float")
    loop.call_at(True, facts.append, "a truth value")
    loop.run_until_complete(asyncio.sleep(0.001))


@scenario
def _times_that_cannot_be(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    for when in (None, "soon"):
        loop.call_at(loop.time() + 100, facts.append, "never")
        with pytest.raises(TypeError) as caught:
            loop.call_at(when, facts.append, "never")  # type: ignore[arg-type]
        facts.append(str(caught.value))
        del loop._scheduled[:]  # type: ignore[attr-defined]


@scenario
def _what_cannot_be_called(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    loop.set_exception_handler(lambda _, context: facts.append(repr(context["exception"])))
    loop.call_soon(1)  # type: ignore[arg-type]
    _spin(loop)
    for call in (loop.call_soon, loop.call_at):
        with pytest.raises(TypeError):
            call()  # type: ignore[call-arg, operator]
        with pytest.raises(TypeError):
            call(1, print, wrong=1)  # type: ignore[call-arg, arg-type, operator]


@scenario
def _many_canceled_timers_are_thrown_away(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    timers = [loop.call_later(1000 + number, print) for number in range(300)]
    kept = loop.call_later(0.001, facts.append, "kept")
    for timer in timers[:200]:
        timer.cancel()
    facts += [len(loop._scheduled), loop._timer_cancelled_count]  # type: ignore[attr-defined]
    _spin(loop)
    facts += [len(loop._scheduled), loop._timer_cancelled_count]  # type: ignore[attr-defined]
    facts += [timer._scheduled for timer in timers[199:201]]  # type: ignore[attr-defined]
    loop.run_until_complete(asyncio.sleep(0.005))
    facts.append(kept._scheduled)  # type: ignore[attr-defined]


@scenario
def _few_canceled_timers_leave_at_the_top(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    timers = [loop.call_later(1000 + number, print) for number in range(9)]
    for timer in (timers[0], timers[1], timers[5]):
        timer.cancel()
    _spin(loop)
    facts += [len(loop._scheduled), loop._timer_cancelled_count]  # type: ignore[attr-defined]
    facts += [timer._scheduled for timer in timers]  # type: ignore[attr-defined]


@scenario
def _a_socket_is_read_and_written(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        other.setblocking(False)

        def readable(word: str) -> None:
            facts.append((word, other.recv(100)))
            loop.stop()

        def writable() -> None:
            one.send(b"sent")
            loop.remove_writer(one)

        loop.add_reader(other, readable, "read")
        loop.add_writer(one, writable)
        loop.run_forever()
        facts += [loop.remove_reader(other), loop.remove_reader(other), loop.remove_writer(one)]


@scenario
def _a_socket_that_hangs_up_is_told_to_both(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    one, other = socket.socketpair()
    with one, other:
        other.close()
        loop.add_reader(one, facts.append, "reader")
        loop.add_writer(one, facts.append, "writer")
        _spin(loop)
        _spin(loop)
        loop.remove_reader(one)
        loop.remove_writer(one)


@scenario
def _a_reader_that_was_canceled_is_taken_off(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    one, other = socket.socketpair()
    with one, other:
        other.send(b"sent")
        for way in ("reader", "writer"):
            getattr(loop, f"add_{way}")(one, facts.append, "never")
            key = loop._selector.get_key(one)  # type: ignore[attr-defined]
            key.data[way == "writer"].cancel()
            _spin(loop)
            _spin(loop)
            facts.append(one.fileno() in loop._selector.get_map())  # type: ignore[attr-defined]


@scenario
def _one_fd_of_many_is_ready(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    pairs = [socket.socketpair() for _ in range(20)]
    try:
        for number, (one, _) in enumerate(pairs):
            loop.add_reader(one, facts.append, number)
        pairs[7][1].send(b"sent")
        pairs[3][1].send(b"sent")
        _spin(loop)
        _spin(loop)
        facts[:] = sorted(facts)  # type: ignore[type-var]
    finally:
        for one, other in pairs:
            loop.remove_reader(one)
            one.close()
            other.close()


@scenario
def _a_thread_wakes_it(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    thread = threading.Thread(target=loop.call_soon_threadsafe, args=(loop.stop,))
    loop.call_soon(thread.start)
    loop.run_forever()
    thread.join()
    facts.append("woken")


@scenario
def _a_signal_wakes_it(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    def got() -> None:
        facts.append("signal")
        loop.stop()

    loop.add_signal_handler(signal.SIGUSR1, got)
    loop.call_soon(signal.raise_signal, signal.SIGUSR1)
    loop.run_forever()
    facts.append(loop.remove_signal_handler(signal.SIGUSR1))


@scenario
def _a_handler_of_python_is_called_while_only_c_runs(
    loop: asyncio.AbstractEventLoop, facts: Facts
) -> None:
    def handler(*_: object) -> None:
        facts.append("handled")
        loop.stop()

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        loop.call_soon(signal.raise_signal, signal.SIGUSR1)
        loop.run_forever()
    finally:
        signal.signal(signal.SIGUSR1, before)


@scenario
def _a_signal_interrupts_the_wait(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    def handler(*_: object) -> None:
        raise KeyboardInterrupt("at the wait")

    before = signal.signal(signal.SIGALRM, handler)
    loop.call_later(1000, facts.append, "never")
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(KeyboardInterrupt, match="at the wait"):
            loop.run_forever()
    finally:
        signal.signal(signal.SIGALRM, before)
    facts.append("left")
    _spin(loop)


@scenario
def _stop_before_it_runs(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    loop.stop()
    loop.call_soon(facts.append, "ran")
    loop.run_forever()
    loop.run_until_complete(asyncio.sleep(0))
    facts.append("done")


@scenario
def _closing_in_a_callback_is_refused(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    loop.set_exception_handler(lambda _, context: facts.append(repr(context["exception"])))
    loop.call_soon(loop.close)
    loop.call_soon(facts.append, "goes on")
    _spin(loop)
    facts.append(loop.is_closed())


@scenario
def _a_closed_loop_refuses(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    loop.close()
    loop.close()
    for call in (
        lambda: loop.call_soon(print),
        lambda: loop.call_at(1.0, print),
        lambda: loop.call_later(1, print),
        loop.run_forever,
    ):
        with pytest.raises(RuntimeError) as caught:
            call()
        facts.append(str(caught.value))


@scenario
def _debug_mode_is_turned_on_and_off(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    def turned_on() -> None:
        loop.set_debug(True)
        handle = loop.call_soon(turned_off)
        traceback = handle._source_traceback  # type: ignore[attr-defined]
        facts.append(traceback[-1].name)
        timer = loop.call_at(loop.time(), facts.append, "timer")
        facts.append(timer._source_traceback[-1].name)  # type: ignore[attr-defined]

    def turned_off() -> None:
        facts.append(loop._current_handle is not None)  # type: ignore[attr-defined]
        loop.set_debug(False)
        loop.call_soon(facts.append, "off")

    loop.call_soon(turned_on)
    loop.run_until_complete(asyncio.sleep(0.005))
    loop.set_debug(True)
    with pytest.raises(TypeError) as caught:
        loop.call_soon(1)  # type: ignore[arg-type]
    facts.append(str(caught.value))


@scenario
def _another_selector_is_asked_its_way(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    class Counting(selectors.SelectSelector):
        def select(self, timeout: float | None = None) -> Any:
            facts.append(timeout)
            return super().select(timeout)

    first = loop._selector  # type: ignore[attr-defined]
    loop._selector = second = Counting()  # type: ignore[attr-defined]
    one, other = socket.socketpair()
    with one, other:
        loop.add_reader(one, facts.append, "read")
        other.send(b"sent")
        _spin(loop)
        _spin(loop)
        loop.remove_reader(one)
    loop._selector = first  # type: ignore[attr-defined]
    second.close()
    _spin(loop)


@scenario
def _another_queue_is_asked_its_way(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    class Queue(list[Any]):
        def popleft(self) -> Any:
            facts.append("popped")
            return self.pop(0)

    loop._ready = Queue()  # type: ignore[attr-defined]
    loop.call_soon(facts.append, "called")
    loop.call_later(0, facts.append, "later")
    _spin(loop)
    _spin(loop)


@scenario
def _another_kind_of_handle_runs_its_way(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    class Handle(asyncio.Handle):
        def _run(self) -> None:
            facts.append("run")
            super()._run()  # type: ignore[misc]

    for _ in range(2):
        one = Handle(facts.append, ("called",), loop)
        loop._ready.append(one)  # type: ignore[attr-defined]
    one.cancel()
    _spin(loop)


@scenario
def _the_clock_may_be_another(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    now = 0.0
    loop.time = lambda: now  # type: ignore[method-assign]
    loop.call_at(5.0, facts.append, "due")
    loop.call_at(5.1, facts.append, "not yet")
    _spin(loop)
    now = 5.0
    _spin(loop)
    _spin(loop)


@scenario
def _a_program_of_asyncio(loop: asyncio.AbstractEventLoop, facts: Facts) -> None:
    async def main() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue(2)

        async def produce() -> None:
            for number in range(5):
                await queue.put(number)

        async with asyncio.TaskGroup() as group:
            group.create_task(produce())
            for _ in range(5):
                facts.append(await queue.get())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await asyncio.sleep(100)
        server = await asyncio.start_server(_echo, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"a line\n")
            facts.append(await reader.readline())
            writer.close()
            await writer.wait_closed()
        facts.append(await asyncio.to_thread(str, 5))

    loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_default_executor())


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()


def _facts_of(given: Scenario, hasten: Callable[[asyncio.AbstractEventLoop], object]) -> Facts:
    facts: Facts = []
    loop = asyncio.SelectorEventLoop()
    hasten(loop)
    try:
        given(loop, facts)
    finally:
        loop.set_debug(False)
        loop.close()
    return facts


@pytest.mark.parametrize("given", SCENARIOS, ids=lambda one: one.__name__.strip("_"))
def test_it_behaves_as_asyncios(given: Scenario) -> None:
    """What a scenario sees on a loop of asyncio's, it sees on one with its turn in C."""
    stock = _facts_of(given, lambda _: None)

    ours = _facts_of(given, quick.hasten)

    assert stock, "nothing was seen"
    assert stock == ours


def test_the_loop_of_a_runtime_has_its_turn_in_c_and_is_asyncios() -> None:
    """It is asyncio's own class, and what asyncio calls are functions of C's."""

    async def main() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    seen: list[object] = []

    async def look() -> None:
        loop = await main()
        seen.extend([type(loop), vars(loop)["_run_once"].__self__])

    rescind.run(look())

    assert seen[0] is asyncio.SelectorEventLoop
    assert isinstance(seen[1], quick.Quick)


def test_a_loop_of_another_class_is_left_as_it_is() -> None:
    """What derives from asyncio's may have methods of its own."""

    class Derived(asyncio.SelectorEventLoop):
        pass

    loop = Derived()
    before = dict(vars(loop))

    quick.hasten(loop)

    assert before == vars(loop)
    loop.close()


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (asyncio.BaseEventLoop, "_run_once"),
        (asyncio.BaseEventLoop, "call_soon"),
        (asyncio.BaseEventLoop, "call_at"),
        (asyncio.Handle, "_run"),
        (asyncio.SelectorEventLoop, "_process_events"),
        (selectors.EpollSelector, "select"),
    ],
    ids=lambda one: one if isinstance(one, str) else one.__name__,
)
@pytest.mark.parametrize("kept", [False, True], ids=["a function", "an object"])
def test_where_somebody_watches_asyncio_its_methods_are_called(
    kind: type, name: str, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tools that find slow callbacks replace ``Handle._run``, others the turn: they go on."""
    called: list[str] = []
    before = getattr(kind, name)

    def watching(self: Any, *args: Any, **options: Any) -> Any:
        called.append(name)
        return before(self, *args, **options)

    class Wrapper:
        __code__ = before.__code__

        def __get__(self, one: object, _: object) -> object:
            return self if one is None else partial(watching, one)

    async def main() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)

    monkeypatch.setattr(kind, name, Wrapper() if kept else watching)

    rescind.run(main())

    assert called


def test_a_loop_that_the_program_made_is_left_as_it_is() -> None:
    """`host=` a function that makes a loop: rescind runs it, and changes nothing in it."""
    loop = asyncio.SelectorEventLoop()

    async def main() -> bool:
        return "_run_once" in vars(asyncio.get_running_loop())

    assert not rescind.run(main(), host=lambda: loop)


def test_a_close_that_is_refused_takes_nothing_away() -> None:
    """It runs, and goes on as before."""
    loop = asyncio.SelectorEventLoop()
    quick.hasten(loop)
    loop.set_exception_handler(lambda _, context: None)
    loop.call_soon(loop.close)
    _spin(loop)

    assert {"_run_once", "call_soon", "call_at", "close"} <= set(vars(loop))
    loop.close()


def test_after_its_close_nothing_of_it_is_left() -> None:
    """Its methods are asyncio's again, and no cycle keeps it."""
    loop = asyncio.SelectorEventLoop()
    quick.hasten(loop)
    gone = weakref.ref(loop)
    gc.disable()
    try:
        loop.close()

        assert loop.is_closed()
        assert not {"_run_once", "call_soon", "call_at", "close"} & set(vars(loop))
        del loop
        assert gone() is None
    finally:
        gc.enable()


def test_the_collector_ends_one_that_nobody_closed() -> None:
    """A loop and what is in C of it are a cycle that the collector sees."""
    loop = asyncio.SelectorEventLoop()
    quick.hasten(loop)
    gone = weakref.ref(loop)
    for each in (loop._selector, loop._ssock, loop._csock):  # type: ignore[attr-defined]
        each.close()
    loop._closed = True  # type: ignore[attr-defined]
    del loop, each

    gc.collect()

    assert gone() is None


def test_callbacks_and_handles_are_not_kept() -> None:
    """What has run is freed at once, and what it was called with."""

    class Thing:
        pass

    loop = asyncio.SelectorEventLoop()
    quick.hasten(loop)
    thing = Thing()
    gone = weakref.ref(thing)
    gc.disable()
    try:
        loop.call_soon(id, thing)
        loop.call_at(loop.time(), id, thing)
        canceled = loop.call_later(100, id, thing)
        canceled.cancel()
        del thing
        loop.run_until_complete(asyncio.sleep(0.001))

        assert gone() is None
    finally:
        gc.enable()
        loop.close()
