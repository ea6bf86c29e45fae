"""What tests leave behind: each kind is told, and can be let be."""

import pytest

from tests.testing.plugin.kit import Suite

pytest_plugins = ["pytester"]

LEAKS = {
    "tasks": (
        "lab",
        "rescind.spawn(rescind.sleep(99), name='left')",
        "  task * 'left', spawned at test_it.py:9 in test_it; it is *sleep(99)*",
    ),
    "asyncio tasks": (
        "asyncio",
        "asyncio.get_running_loop().create_task(asyncio.sleep(99), name='left')",
        "  the asyncio task 'left', which runs sleep",
    ),
    "timers": (
        "lab",
        "runtime.executor.add_timer(99.0, rescind.lowlevel.NoopWaker())",
        "  1 timer of no task",
    ),
    "handles": (
        "asyncio",
        "asyncio.get_running_loop().call_later(99, print)",
        "  a callback that the loop still has: *print*",
    ),
    "coroutines": (
        "lab",
        "unawaited()",
        "  the coroutine 'unawaited' was never awaited, called at *test_it.py:9",
    ),
    "threads": (
        "asyncio",
        "import threading; threading.Thread(target=over.wait, name='left').start()",
        "  the thread 'left'",
    ),
    "sockets": (
        "asyncio",
        "kept.extend(socket.socketpair()); asyncio.get_running_loop().add_reader(kept[0], print)",
        "  a socket: AF_UNIX*",
    ),
}

SOURCE = """
import rescind.lowlevel, socket, threading
over, kept = threading.Event(), []
async def unawaited(): pass
@pytest.mark.rescind(hosts="{host}", leaks={leaks})
async def test_it(runtime):
    {body}

def test_over():
    over.set()
    for one in kept:
        one.close()
"""


@pytest.fixture(autouse=True)
def quick_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for threads that will not end."""
    monkeypatch.setattr("rescind.testing.plugin.leaks._GRACE", 0.01)


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_fails_the_test_and_is_named(suite: Suite, name: str) -> None:
    """And with that kind left out in the mark it passes."""
    host, body, words = LEAKS[name]
    result = suite.run(SOURCE.format(host=host, body=body, leaks=True), "-W", "ignore")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["left behind:", words])

    kind = name.removeprefix("asyncio ")
    others = {"tasks", "timers", "handles", "coroutines", "threads", "sockets"} - {kind}
    for leaks in (False, tuple(sorted(others))):
        suite.run(SOURCE.format(host=host, body=body, leaks=leaks), "-W", "ignore").assert_outcomes(
            passed=2
        )


def test_what_a_fixture_ends_is_no_leak(suite: Suite) -> None:
    """Nor is what it has running: looked at when it has ended."""
    result = suite.run(
        """
        @pytest.fixture
        async def started():
            tasks = [rescind.spawn(rescind.sleep(99))]
            yield tasks
            for task in tasks:
                task.cancel()
                await task.join()

        @pytest.mark.rescind(hosts=["lab", "asyncio"])
        async def test_it(started):
            started.append(rescind.spawn(rescind.sleep(99)))
        """
    )
    result.assert_outcomes(passed=2)


def test_what_a_fixture_leaves_is_an_error_at_its_end(suite: Suite) -> None:
    """The test itself passes; and what a fixture raises at its end is told in its phase."""
    result = suite.run(
        """
        @pytest.fixture
        async def leaves():
            yield
            rescind.spawn(rescind.sleep(99), name="of the fixture")

        @pytest.mark.rescind
        async def test_it(leaves): pass

        @pytest.fixture
        async def raises():
            yield
            raise LookupError("at the end")

        @pytest.mark.rescind
        async def test_both(raises):
            rescind.spawn(rescind.sleep(99), name="of the test")
        """
    )
    result.assert_outcomes(passed=1, failed=1, errors=2)
    result.stdout.fnmatch_lines_random(
        [
            "*Leaked: left behind:*",
            "*'of the fixture'*",
            "*LookupError: at the end",
            "*'of the test'*",
        ]
    )


def test_a_test_that_fails_is_not_told_of_what_it_left(suite: Suite) -> None:
    """It had no chance to end it."""
    result = suite.run(
        """
        @pytest.mark.rescind
        async def test_it():
            rescind.spawn(rescind.sleep(99))
            assert 0
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*left behind*")
