"""Rates: how much it is each second, from one picture to the next."""

from typing import Any

from rescind.cli.top.rates import Rates

NAMES = ("polls", "spawned", "ended", "canceled", "busy")


def shot(at: float, busy: float = 0.0, **runtimes: tuple[int, int, int, int, int]) -> Any:
    """Return a picture: of each runtime, steps, spawned, completed, failed and canceled."""
    fields = ("steps", "spawned", "completed", "failed", "canceled")
    known = [{"name": name} | dict(zip(fields, one, strict=True)) for name, one in runtimes.items()]
    return {"at": at, "busy": busy, "runtimes": known}


def test_counters_become_what_it_is_each_second() -> None:
    """What ended is what completed, failed or was canceled."""
    rates = Rates()
    assert [rates.now(name) for name in NAMES] == [0.0] * 5
    rates.note(shot(10.0, main=(100, 10, 5, 0, 0)))
    assert [list(rates.history[name]) for name in NAMES] == [[]] * 5

    rates.note(shot(12.0, 0.5, main=(300, 14, 6, 1, 2)))

    assert [rates.now(name) for name in NAMES] == [100.0, 2.0, 2.0, 1.0, 0.25]


def test_a_runtime_that_has_gone_takes_its_counts_with_it() -> None:
    """Nothing is less than none; of what is busy each runtime has its part."""
    rates = Rates()
    rates.note(shot(1.0, a=(100, 0, 0, 0, 0), b=(900, 0, 0, 0, 0)))
    rates.note(shot(2.0, 1.0, a=(150, 0, 0, 0, 0)))
    rates.note(shot(3.0, 9.0, a=(150, 0, 0, 0, 0), c=(20, 0, 0, 0, 0)))
    rates.note(shot(4.0, 0.0, a=(10, 0, 0, 0, 0)))  # another one of the same name

    assert list(rates.history["polls"]) == [50.0, 20.0, 0.0]
    assert list(rates.history["busy"]) == [1.0, 1.0, 0.0]


def test_two_pictures_of_one_moment_tell_nothing() -> None:
    """A pause, another program: the picture after it is compared with none before."""
    rates = Rates()
    rates.note(shot(1.0, main=(0, 0, 0, 0, 0)))
    rates.note(shot(1.0, main=(50, 0, 0, 0, 0)))
    assert list(rates.history["polls"]) == []

    rates.forget_last()
    rates.note(shot(9.0, main=(900, 0, 0, 0, 0)))
    assert list(rates.history["polls"]) == []

    rates.note(shot(10.0, main=(930, 0, 0, 0, 0)))
    assert list(rates.history["polls"]) == [30.0]


def test_only_the_latest_values_are_kept() -> None:
    """It may look at a program for weeks."""
    rates = Rates()
    for second in range(1000):
        rates.note(shot(float(second), main=(second, 0, 0, 0, 0)))

    assert len(rates.history["polls"]) == 240
