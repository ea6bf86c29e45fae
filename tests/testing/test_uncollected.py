"""The collector is held off by any number at once, on any threads."""

import gc
import threading
from collections.abc import Iterator

import pytest

from rescind._uncollected import Uncollected
from rescind.check.sweep import collector_off
from tests.testing.programs import run

MINUTE = 60


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    """Begin with a collector that runs; and end with it, whatever comes."""
    assert gc.isenabled()
    try:
        yield
    finally:
        gc.enable()


def test_a_lab_that_ends_leaves_the_collector_off_for_one_on_another_thread() -> None:
    """Whichever began first; the last to end puts it back."""
    inside, go = threading.Event(), threading.Event()
    seen: list[bool] = []

    async def waits() -> None:
        inside.set()
        assert go.wait(MINUTE)
        seen.append(gc.isenabled())

    async def ends() -> None:
        seen.append(gc.isenabled())

    thread = threading.Thread(target=run, args=(waits,))
    thread.start()
    assert inside.wait(MINUTE)
    run(ends)
    go.set()
    thread.join()

    assert [False, False] == seen
    assert gc.isenabled()


def test_the_second_to_begin_may_be_the_last_to_end() -> None:
    """What it found was not what is to be put back."""
    one, other = Uncollected(), Uncollected()

    one.hold()
    other.hold()
    one.release()
    assert not gc.isenabled()
    other.release()

    assert gc.isenabled()


def test_to_hold_and_to_release_twice_is_once() -> None:
    """One holds it off, or does not."""
    one, other = Uncollected(), Uncollected()

    one.release()
    one.hold()
    one.hold()
    other.hold()
    one.release()
    one.release()
    assert not gc.isenabled()
    other.release()

    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    """Who has turned it off gets it back so."""
    gc.disable()
    with Uncollected():
        pass

    assert not gc.isenabled()


def test_a_sweep_leaves_it_off_for_a_lab() -> None:
    """Each counts."""
    with Uncollected():
        with collector_off():
            pass
        assert not gc.isenabled()

    assert gc.isenabled()
