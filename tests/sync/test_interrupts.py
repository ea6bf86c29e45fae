"""What a signal's handler raises inside a primitive leaves its lock free (S4)."""

import dis
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

import rescind.sync
from rescind.lowlevel import Context
from rescind.sync import Event, Mutex, RwLock, Semaphore
from rescind.sync.holder import holder_here
from rescind.sync.operation import Operation
from rescind.sync.rwlock import ReadOrWrite
from rescind.sync.section import Section
from rescind.testing import CountingWaker, run_virtual
from tests.core.kit import interpreted

MANY = 200


class Interrupt:
    """Raises as Ctrl-C does, at one of the points at which CPython looks for signals.

    These are where a function begins, and where a call of one has come back: at the call, as far as
    handlers go. There it is raised one instruction later, and therefore not where other handlers
    stand for that.
    """

    def __init__(self, functions: set[Any], number: int) -> None:
        self.codes = {function.__code__ for function in functions}
        self.left = number
        self.last: dict[FrameType, int] = {}
        # CPython 3.12 looks whether anybody wants them when it is told to trace, and not later.
        sys._getframe().f_trace_opcodes = True

    def __call__(self, frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code not in self.codes:
            return None
        frame.f_trace_opcodes = True
        if event == "call":
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        if event == "opcode":
            code, before = frame.f_code, self.last.get(frame, 0)
            self.last[frame] = frame.f_lasti
            if dis.opname[code.co_code[before]].startswith("CALL"):
                self.left -= 1
                if self.left == 0 and _handler(code, before) == _handler(code, frame.f_lasti):
                    raise KeyboardInterrupt
        return self


def _handler(code: CodeType, place: int) -> int | None:
    """Return where an exception goes that is raised at a place of a function."""
    for entry in dis._parse_exception_table(code):  # type: ignore[attr-defined]
        if entry.start <= place < entry.end:
            return int(entry.target)
    return None


def _poll(section: Section) -> None:
    acquire = Semaphore(1).acquire()
    acquire._section = section  # type: ignore[attr-defined]
    acquire.poll(Context(CountingWaker()))


def _catch_up(section: Section) -> None:
    section.posted.append(int)
    section.catch_up()


def _enter(section: Section) -> None:
    section.due.append(int)
    with section, section.lock:
        len(())


def _post(section: Section) -> None:
    section.post(int)


def _post_in_a_step(section: Section) -> None:
    with section, section.lock:
        section.post(int)


def _serve(section: Section) -> None:
    section.posted.append(int)
    section._serve()


def _release(section: Section) -> None:
    mutex = Mutex()
    mutex._section = section
    mutex._owner = holder_here()
    mutex.release()


def _put_in(section: Section) -> None:
    semaphore = Semaphore(1)
    semaphore._section = section
    semaphore.release()


def _set(section: Section) -> None:
    event = Event()
    event._section = section
    event.set()


def _clear(section: Section) -> None:
    event = Event()
    event._section = section
    event.clear()


def _leave(section: Section) -> None:
    lock = RwLock()
    lock._section = section
    lock.acquire_write_nowait()
    block = lock.write()
    block._holder = lock._writer
    block.__aexit__(None, None, None)


WAYS: dict[str, tuple[Callable[[Section], None], set[Any]]] = {
    "poll": (_poll, {Operation.poll}),
    "catch_up": (_catch_up, {Section.catch_up, Section._take_posted}),
    "enter": (_enter, {_enter, Section.__enter__, Section.__exit__, Section.leave}),
    "post": (_post, {Section.post}),
    "post in a step": (_post_in_a_step, {_post_in_a_step, Section.post, Section._serve}),
    "serve": (_serve, {Section._serve, Section._take_posted}),
    "mutex.release": (_release, {Mutex.release, Mutex._pass_on}),
    "semaphore.release": (_put_in, {Semaphore.release, Semaphore._put_in}),
    "event.set": (_set, {Event.set}),
    "event.clear": (_clear, {Event.clear}),
    "rwlock.write": (_leave, {ReadOrWrite.__aexit__, RwLock._let_go}),
}


@interpreted
@pytest.mark.parametrize("way", WAYS)
def test_ctrl_c_where_a_lock_is_taken_leaves_it_free(way: str) -> None:
    """At each point at which it may come: else every other thread would wait for ever."""
    play, functions = WAYS[way]
    points = 0

    for number in range(1, MANY):
        section = Section()
        before = sys.gettrace()
        interrupt = Interrupt(functions, number)
        sys.settrace(interrupt)
        try:
            play(section)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(before)
        assert not section.inside(), f"at point {number}"
        if interrupt.left > 0:
            break
        points += 1

    assert 1 <= points < MANY - 1


def test_each_step_takes_the_lock_by_with() -> None:
    """An `__exit__` of Python's may be interrupted before it lets go (S4)."""
    sources = Path(rescind.sync.__file__).parent.glob("*.py")
    lines = [line for source in sources for line in source.read_text("utf-8").splitlines()]

    steps = [line for line in lines if re.match(r" *with [\w.]*section[:,]", line)]
    alone = [line for line in steps if not re.match(r" *with ([\w.]+), \1\.lock:", line)]

    assert steps
    assert not alone


@interpreted
def test_ctrl_c_in_a_nested_step_leaves_the_outer_one_its_lock() -> None:
    """It is taken as often as it was: the outer step goes on alone."""
    points = 0

    for number in range(1, MANY):
        section = Section()
        with section.lock:
            before = sys.gettrace()
            interrupt = Interrupt({_enter, Section.__enter__, Section.__exit__}, number)
            sys.settrace(interrupt)
            try:
                _enter(section)
            except KeyboardInterrupt:
                pass
            finally:
                sys.settrace(before)
            assert section.inside()
        assert not section.inside(), f"at point {number}"
        if interrupt.left > 0:
            break
        points += 1

    assert points


@interpreted
def test_ctrl_c_where_a_permit_is_taken_at_once_leaves_the_lock_free() -> None:
    """`acquire_nowait` takes the lock itself."""
    points = 0

    for number in range(1, MANY):
        semaphore = Semaphore(1)
        before = sys.gettrace()
        interrupt = Interrupt({Semaphore.acquire_nowait}, number)
        sys.settrace(interrupt)
        try:
            semaphore.acquire_nowait()
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(before)
        assert not semaphore._section.inside(), f"at point {number}"
        if interrupt.left > 0:
            break
        points += 1

    assert points


@interpreted
@pytest.mark.parametrize("kind", [Mutex, Semaphore])
def test_ctrl_c_where_a_block_takes_what_is_free_leaves_the_lock_free(
    kind: type[Mutex] | type[Semaphore],
) -> None:
    """It takes the lock itself, at the await (O6)."""

    async def main() -> int:
        points = 0
        for number in range(1, MANY):
            thing = Mutex() if kind is Mutex else Semaphore(1)
            before = sys.gettrace()
            interrupt = Interrupt({kind._enter}, number)
            sys.settrace(interrupt)
            try:
                thing._enter(1)
            except KeyboardInterrupt:
                pass
            finally:
                sys.settrace(before)
            assert not thing._section.inside(), f"at point {number}"
            if interrupt.left > 0:
                break
            points += 1
        return points

    assert 1 <= run_virtual(main).unwrap() < MANY - 1
