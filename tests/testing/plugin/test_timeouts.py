"""Time-outs, with the tree of tasks: by the mark, and by pytest-timeout."""

import pytest

from tests.testing.plugin.kit import Suite, needs

pytest_plugins = ["pytester"]

HANGS = """
    @pytest.fixture
    async def ended():
        yield
        print("the fixture has ended")

    @pytest.mark.rescind(MARK)
    async def test_it(ended):
        async with rescind.task_group(name="readers") as g:
            g.spawn(rescind.never(), name="reader")
            while True:
                await asyncio.sleep(0.01)
"""


def test_a_test_that_takes_too_long_is_dropped_and_every_task_is_shown(suite: Suite) -> None:
    """In real time; its fixtures are ended."""
    result = suite.run(HANGS.replace("MARK", "hosts='asyncio', timeout=0.05"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "timed out: the test was not over after 0.05 s of real time*",
            "runtime 'test' on asyncio: *",
            "* 'reader' waiting: never()*",
            "*the fixture has ended*",
        ]
    )


def test_virtual_time_is_no_way_out(suite: Suite) -> None:
    """A loop that sleeps for ever takes no virtual host for ever; nor does a fixture."""
    result = suite.run(
        """
        pytestmark = pytest.mark.rescind(timeout=0.05)

        async def forever():
            while True:
                await rescind.sleep(1)

        @pytest.fixture
        async def slow(): await forever()

        async def test_body(): await forever()
        async def test_fixture(slow): pass
        async def test_in_time(): await rescind.sleep(1000)
        """
    )
    result.assert_outcomes(passed=1, failed=1, errors=1)
    result.stdout.fnmatch_lines(["timed out: fixture slow was not over after 0.05 s*"])
    result.stdout.fnmatch_lines(["timed out: the test was not over after 0.05 s*"])


def test_code_that_does_not_give_way_is_interrupted(suite: Suite) -> None:
    """On the main thread, after a moment; the place is in the tree, and other tests go on."""
    suite.write(
        """
        @pytest.mark.rescind(timeout=0.05)
        async def test_busy():
            while True: pass

        @pytest.mark.rescind
        async def test_after(): await rescind.sleep(1)
        """
    )
    result = suite.apart()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*'main' running: at test_it.py:6 in test_busy"])


@needs("pytest_timeout")
def test_a_time_out_of_pytest_timeout_shows_every_task(suite: Suite) -> None:
    """Whether it raises from a signal, or ends the process from a thread."""
    suite.write(HANGS.replace("MARK", "hosts='asyncio'"))
    options = ("-p", "pytest_timeout", "--timeout=0.3")
    raised = suite.apart(*options, "--timeout-method=signal")
    raised.assert_outcomes(failed=1)
    raised.stdout.fnmatch_lines(["*from pytest-timeout.", "* 'reader' waiting: never()*"])

    ended = suite.apart(*options, "--timeout-method=thread")
    assert "'reader' waiting: never()" in ended.stdout.str() + ended.stderr.str()


@pytest.mark.parametrize("explore", ["explore=1", "schedules=True", "cancel='task'"])
def test_a_run_of_an_explored_test_that_takes_too_long_ends_the_exploration(
    suite: Suite, explore: str
) -> None:
    """Virtual time goes on and on, real time is up; its fixtures are ended, other tests go on."""
    result = suite.run(
        """
        pytestmark = pytest.mark.rescind(MARK, timeout=0.05)
        log, kept = [], []

        @pytest.fixture
        async def ended():
            yield
            log.append("the fixture has ended")

        async def loops():
            while True:
                await rescind.sleep(1)

        @pytest.mark.rescind(explore=testing.Bounds(max_steps=10**9))
        async def test_it(ended):
            async with rescind.task_group(name="readers") as g:
                kept.append(g.spawn(rescind.never(), name="reader"))
                await loops()

        def test_what_is_left():
            assert ["the fixture has ended"] == log
            assert kept[0].done()

        async def test_in_time(): await rescind.sleep(1000)
        """.replace("MARK", explore)
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "timed out: a run of the test was not over after 0.05 s of real time*",
            "* 'reader' waiting: never()*",
        ]
    )


def test_an_explored_test_that_does_not_give_way_is_interrupted(suite: Suite) -> None:
    """In whichever of its runs; also if a fixture does not. What was opened is closed."""
    suite.write(
        """
        pytestmark = pytest.mark.rescind(explore=1, timeout=0.05)
        waited = []

        async def test_busy():
            async def work():
                await rescind.sleep(1)
                if waited:
                    while True: pass
            task = rescind.spawn(work())
            await task.join()
            waited.append(1)

        @pytest.fixture
        async def busy():
            while True: pass

        async def test_fixture(busy): pass

        async def test_after(): await rescind.sleep(1)
        """
    )
    result = suite.apart()
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        ["timed out: a run of the test was not over after 0.05 s*", "*at test_it.py:11 in *work"]
    )


def test_time_that_is_not_up_changes_nothing(suite: Suite) -> None:
    """Each run has it anew, and the exploration has its budget."""
    result = suite.run(
        """
        @pytest.mark.rescind(explore=2, timeout=600)
        async def test_it():
            async with rescind.task_group() as g:
                g.spawn(rescind.sleep(1))
        """
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["1 test passes, in * runs (* a second)"])


@needs("pytest_timeout")
def test_a_time_out_of_pytest_timeout_is_not_for_explorations(suite: Suite) -> None:
    """They may take longer: they have a budget."""
    suite.write(
        """
        import time

        @pytest.mark.rescind(explore=1)
        async def test_it():
            until = time.monotonic() + 0.6
            while time.monotonic() < until: pass
        """
    )
    result = suite.apart("-p", "pytest_timeout", "--timeout=1")
    result.assert_outcomes(passed=1)
