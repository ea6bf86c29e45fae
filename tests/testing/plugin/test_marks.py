"""Which functions are ours, by marks and settings, and what is said of marks that mean nothing."""

import pytest

from tests.testing.plugin.kit import Suite, needs

pytest_plugins = ["pytester"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("'lab'", "takes names, such as hosts=..., not 'lab'"),
        ("virtual=True", "does not take 'virtual'; it takes allowed, budget,"),
        ("hosts='trio'", "hosts are 'lab', 'asyncio', 'uvloop'; there is no 'trio'"),
        ("hosts=[]", "hosts must be at least one, each once, not"),
        ("hosts=['lab', 'lab']", "hosts must be at least one, each once, not"),
        ("explore=0", "explore must be True, a number of changes, or Bounds(...), not 0"),
        ("schedules='all'", "schedules must be True, or how many are tried at most, not 'all'"),
        ("explore=1, schedules=1", "explore= tries schedules too"),
        ("schedules=1, cancel=True", "schedules= tries orders alone"),
        ("cancel='tasks'", "cancel must be True, injections, or kinds of 'task', 'group'"),
        ("cancel=()", "cancel names no kind"),
        ("explore=1, hosts='asyncio'", "explore= needs the lab"),
        ("invariants=3", "invariants must be functions of a Run, not 3"),
        ("allowed=3", "allowed must be exception types, not 3"),
        ("seed='x'", "seed must be an int, not 'x'"),
        ("budget='soon'", "'soon' is no time"),
        ("timeout=-1", "-1 is no time"),
        ("grace=-1", "grace must be a number of seconds that is not negative"),
        ("leaks='files'", "leaks must be True, False, or some of 'tasks'"),
    ],
)
def test_a_mark_that_means_nothing_is_told(suite: Suite, arguments: str, words: str) -> None:
    """Before anything is run, with what would mean something."""
    result = suite.run(f"@pytest.mark.rescind({arguments})\nasync def test_it(): pass")
    assert pytest.ExitCode.INTERRUPTED == result.ret
    assert f"test_it.py::test_it: {'the mark ' if ' take' in words[:16] else ''}" in (
        result.stdout.str()
    )
    assert words in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


def test_a_sync_function_cannot_be_marked(suite: Suite) -> None:
    """But it may be in a class, or a module, that is."""
    suite.run("@pytest.mark.rescind\ndef test_it(): pass").stdout.fnmatch_lines(
        ["*test_it.py::test_it is marked 'rescind', and is no async function: say 'async def'"]
    )
    result = suite.run("pytestmark = pytest.mark.rescind\ndef test_it(): pass")
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "case",
    [
        "@pytest.mark.rescind\nclass TestIt(unittest.IsolatedAsyncioTestCase):\n    MORE",
        "pytestmark = pytest.mark.rescind\nclass TestIt(unittest.TestCase):\n    MORE",
        "class TestIt(unittest.IsolatedAsyncioTestCase):\n    @pytest.mark.rescind\n    MORE",
        "class A:\n    @pytest.mark.rescind\n    MORE\nclass TestIt(A, unittest.TestCase): pass",
    ],
)
def test_tests_of_unittest_cannot_be_marked(suite: Suite, case: str) -> None:
    """A case has a loop of its own, or none: the mark would be ignored."""
    body = case.replace("MORE", "async def test_it(self): pass")
    result = suite.run(f"import unittest\n{body}")
    assert pytest.ExitCode.INTERRUPTED == result.ret
    result.stdout.fnmatch_lines(["test_it.py::TestIt::test_it is marked 'rescind', and is run by*"])
    assert "Traceback" not in result.stdout.str()


def test_tests_of_unittest_are_left_alone(suite: Suite) -> None:
    """Sync ones in a module that is marked; async ones, in mode auto."""
    case = """
        import unittest
        class TestIt(unittest.IsolatedAsyncioTestCase):
            async def test_it(self):
                assert type(asyncio.current_task()) is asyncio.Task
        """
    suite.run(case, "-o", "rescind_mode=auto").assert_outcomes(passed=1)
    marked = """
        import unittest
        pytestmark = pytest.mark.rescind
        class TestIt(unittest.TestCase):
            def setUp(self): self.x = 1
            async def helper(self): pass
            def test_it(self): assert self.x
        async def test_ours(runtime): pass
        """
    suite.run(marked).assert_outcomes(passed=2)


def test_explored_tests_have_no_drawn_arguments(suite: Suite) -> None:
    """Hypothesis makes examples of its own."""
    result = suite.run(
        """
        from hypothesis import given, strategies as st
        @pytest.mark.rescind(explore=True)
        @given(st.integers())
        async def test_it(number): pass
        """
    )
    result.stdout.fnmatch_lines(["*is explored, and hypothesis makes its arguments*"])


def test_marks_of_class_and_module_count_where_the_test_says_nothing(suite: Suite) -> None:
    """The nearest first; what explores replaces what explores further out."""
    result = suite.run(
        """
        pytestmark = pytest.mark.rescind(grace=5, leaks=False, explore=1, cancel="task")

        def of(request):
            s = request.node.settings
            return s.grace, len(s.leaks), s.bounds and (s.bounds.changes, s.bounds.injections)

        @pytest.mark.rescind(grace=6)
        class TestIt:
            async def test_outer(self, request): assert (6.0, 0, (1, 2)) == of(request)

            @pytest.mark.rescind(grace=7, leaks="tasks", schedules=4)
            async def test_inner(self, request): assert (7.0, 1, (3, 0)) == of(request)

            @pytest.mark.rescind(explore=False, cancel=False)
            async def test_once(self, request): assert (6.0, 0, None) == of(request)
        """
    )
    result.assert_outcomes(passed=3)


def test_in_mode_auto_every_async_test_is_ours(suite: Suite) -> None:
    """On the hosts of the settings, unless a mark says others."""
    result = suite.run(
        """
        async def test_it(runtime): assert "asyncio" == runtime.host.name

        @pytest.mark.rescind(hosts="lab")
        async def test_lab(runtime): assert "manual" == runtime.host.name
        """,
        *("-o", "rescind_mode=auto", "-o", "rescind_hosts=asyncio"),
    )
    result.assert_outcomes(passed=2)
    for setting in ("rescind_mode=most", "rescind_hosts=trio"):
        more = ("-o", "rescind_mode=auto") if "hosts" in setting else ()
        assert pytest.ExitCode.USAGE_ERROR == suite.again(*more, "-o", setting).ret


@needs("pytest_asyncio")
@pytest.mark.filterwarnings("ignore::pytest.PytestDeprecationWarning")
@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_beside_pytest_asyncio_each_has_its_own(suite: Suite, mode: str) -> None:
    """Also in a module that is marked for it."""
    result = suite.run(
        """
        import pytest_asyncio
        pytestmark = pytest.mark.asyncio

        @pytest_asyncio.fixture
        async def value():
            await asyncio.sleep(0)
            return 3

        async def test_theirs(value):
            assert type(asyncio.current_task()) is asyncio.Task and value == 3

        @pytest.mark.rescind
        async def test_ours(runtime):
            await rescind.sleep(1000)

        @pytest.mark.rescind(hosts="asyncio")
        async def test_with_their_fixture(value):
            assert rescind.current_runtime() is not None and value == 3
        """,
        *("-p", "pytest_asyncio.plugin", f"--asyncio-mode={mode}"),
        *("-o", "asyncio_default_fixture_loop_scope=function"),
    )
    result.assert_outcomes(passed=3)
    if mode == "auto":
        both = suite.again(
            *("-p", "pytest_asyncio.plugin", "--asyncio-mode=auto", "-o", "rescind_mode=auto"),
            *("-o", "asyncio_default_fixture_loop_scope=function"),
        )
        assert pytest.ExitCode.USAGE_ERROR == both.ret


@needs("anyio")
@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_beside_anyio_each_has_its_own(suite: Suite, mode: str) -> None:
    """Ours is no test of each backend, also in a module that is marked for anyio."""
    result = suite.run(
        """
        pytestmark = pytest.mark.anyio

        @pytest.fixture(params=["asyncio", ("asyncio", {"debug": True})])
        def anyio_backend(request): return request.param

        async def test_theirs():
            assert type(asyncio.current_task()) is asyncio.Task

        @pytest.mark.rescind
        async def test_ours(runtime):
            await rescind.sleep(1000)
        """,
        *("-p", "anyio.pytest_plugin", "-o", f"anyio_mode={mode}"),
    )
    result.assert_outcomes(passed=3)  # theirs on each backend, ours once


@needs("xdist")
def test_workers_of_xdist_run_and_tell(suite: Suite) -> None:
    """What was explored is counted; timelines come with their reports."""
    suite.write(
        """
        @pytest.mark.rescind(hosts=["lab", "asyncio"], schedules=3)
        async def test_it(): await rescind.sleep(0)

        @pytest.mark.rescind(cancel=True)
        async def test_fails():
            done = []
            async def work():
                await rescind.sleep(1)
                done.append(1)
            await rescind.spawn(work()).join()
            assert done
        """
    )
    result = suite.apart("-p", "xdist", "-n", "2")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines_random(
        ["*run it again: pytest *", "1 test passes, in * runs (* a second)"]
    )


def test_a_test_on_asyncio_can_be_swept(suite: Suite) -> None:
    """With its fixtures made anew; in the lab, and with the fixture of a runtime, it is not."""
    suite.write(
        """
        import lib

        @pytest.fixture
        async def value(): return await rescind.ready(1)

        @pytest.mark.rescind(hosts="asyncio")
        async def test_swept(value): await lib.swallow()

        @pytest.mark.rescind
        async def test_lab(): await lib.swallow()

        @pytest.mark.rescind(hosts="asyncio")
        async def test_runtime(runtime): await lib.swallow()
        """
    )
    (suite.path / "lib.py").write_text(
        "import asyncio, rescind\n"
        "async def swallow():\n"
        "    try:\n"
        "        await rescind.sleep(0.001)\n"
        "    except asyncio.CancelledError:\n"
        "        pass\n",
        encoding="utf-8",
    )
    result = suite.apart("--cancel-sweep", "--cancel-level=quick")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        ["BROKEN test_it.py::test_swept", "*test_lab: it runs in virtual*", "*it uses the fixture*"]
    )
