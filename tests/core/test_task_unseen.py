"""Errors that nobody saw, and what keeps a task alive."""

import gc
import logging
import weakref

import pytest

import rescind
from tests.core.kit import Bench, Leaf


async def fails(message: str = "x") -> None:
    """Raise."""
    raise ValueError(message)


def unseen(how: str, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Let a task fail, look at it in some way, let go of it; return what was logged."""
    caplog.set_level(logging.ERROR, "rescind")
    with Bench() as bench:
        task = bench.spawn(fails("unseen"), name="lonely")
        if how == "detached":
            task.detach()
        if how == "callback":
            task.on_end(lambda _outcome: None)
        bench.idle()
        logged = list(caplog.messages)
        if how == "outcome":
            task.outcome()
        elif how == "joined":
            bench.spawn(task.join())
            bench.idle()
        task_id = task.id
        del task
        gc.collect()
        words = [message.replace(str(task_id), "N") for message in caplog.messages]
        return ["at the end", *words] if logged else words


def test_error_that_nobody_saw_is_logged_when_the_last_handle_is_gone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """K3: with its traceback, once."""
    assert ["<Task N 'lonely' done> failed and nobody joined it"] == unseen("never", caplog)
    exc_info = caplog.records[0].exc_info
    assert exc_info is not None
    assert "unseen" == str(exc_info[1])
    assert exc_info[2] is not None


@pytest.mark.parametrize("how", ["outcome", "joined", "callback"])
def test_error_that_somebody_saw_is_not_logged(how: str, caplog: pytest.LogCaptureFixture) -> None:
    """K3: whoever looked is responsible."""
    assert [] == unseen(how, caplog)


def test_error_of_a_detached_task_is_logged_when_it_happens(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nobody will join: it is not kept back until the collector comes."""
    assert ["at the end", "<Task N 'lonely' done> failed and nobody joined it"] == unseen(
        "detached", caplog
    )


def test_detached_task_that_succeeds_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    """There is nothing to report."""
    with Bench() as bench:
        bench.spawn(rescind.ready(1)).detach()
        bench.idle()
    assert [] == caplog.messages


def test_task_whose_construction_failed_dies_silently() -> None:
    """Its finalizer must not fail, which this test would report."""
    with Bench() as bench:
        with pytest.raises(ValueError, match="grace"):
            bench.spawn(Leaf(), grace=-1)
        gc.collect()


def test_runtime_holds_a_task_until_its_end_and_no_longer() -> None:
    """R25: never lost to the collector while it runs; gone at once afterwards, without cycles."""
    with Bench() as bench:
        leaf = Leaf()
        gone = weakref.ref(bench.spawn(leaf))
        bench.idle()
        gc.collect()
        assert gone() is not None
        leaf.complete(None)
        gc.disable()
        try:
            bench.idle()
            leaf.waker = None
            assert None is gone()
        finally:
            gc.enable()
