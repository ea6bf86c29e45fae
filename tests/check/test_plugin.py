"""``pytest --cancel-sweep`` on suites of each flavour, which pytester runs as processes."""

import importlib.util
import json
import textwrap

import pytest

from rescind.check.coverage_file import COVERAGE_FILE, load_coverage
from tests.check.programs import LIBRARY

pytest_plugins = ["pytester"]

needs_pytest_asyncio = pytest.mark.skipif(
    importlib.util.find_spec("pytest_asyncio") is None, reason="pytest-asyncio is not installed"
)
needs_xdist = pytest.mark.skipif(
    importlib.util.find_spec("xdist") is None, reason="pytest-xdist is not installed"
)


class Suite:
    """A suite in a directory of its own."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester
        self.path = pytester.path
        pytester.makepyfile(pool_of_one=textwrap.dedent(LIBRARY))

    def run(self, source: str, *arguments: str, conftest: str = "") -> pytest.RunResult:
        """Run a suite of one module."""
        self._pytester.makepyfile(
            test_it=f"import asyncio, pytest\nfrom pool_of_one import *\n{textwrap.dedent(source)}"
        )
        if conftest:
            self._pytester.makeconftest(textwrap.dedent(conftest))
        return self.again(*arguments)

    def again(self, *arguments: str) -> pytest.RunResult:
        """Run it once more, as it is."""
        return self._pytester.runpytest_subprocess(*plugins(arguments), *arguments, timeout=250)


def plugins(arguments: tuple[str, ...]) -> list[str]:
    """Name the plugins that are needed: to look for all that are installed takes twice as long."""
    names = ["rescind_pytest", "anyio.pytest_plugin"]
    if importlib.util.find_spec("pytest_asyncio") is not None and "no:asyncio" not in arguments:
        names.append("pytest_asyncio.plugin")
    if any(argument.startswith("-n") for argument in arguments):
        names.append("xdist")
    return [word for name in names for word in ("-p", name)]


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """Make a directory with the library."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return Suite(pytester)


FLAVOURS = {
    "plain": ("", "", ""),
    "anyio": ("@pytest.mark.anyio", "", "@pytest.fixture\ndef anyio_backend(): return 'asyncio'"),
    "asyncio": ("@pytest.mark.asyncio", "", ""),
    "asyncio-auto": ("", "--asyncio-mode=auto", ""),
}


@pytest.fixture(params=FLAVOURS)
def flavour(request: pytest.FixtureRequest) -> tuple[str, str, str]:
    """Return the mark of a test, the option of the plugin, and what a module needs besides."""
    if "asyncio" in request.param and importlib.util.find_spec("pytest_asyncio") is None:
        pytest.skip("pytest-asyncio is not installed")
    return FLAVOURS[request.param]


def options(*given: str) -> list[str]:
    """Leave out those that are empty."""
    return [one for one in given if one]


def test_a_test_that_breaks_something_fails(suite: Suite, flavour: tuple[str, str, str]) -> None:
    """The report is its message; nothing of ours is in it. What survives passes."""
    mark, option, more = flavour
    result = suite.run(
        f"""
{more}
{mark}
async def test_breaks(): await swallow()

{mark}
async def test_survives(): await pass_on()

def test_sync(): pass
""",
        *options(option, "--cancel-sweep", "--cancel-level=quick"),
    )

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "BROKEN  pool_of_one.py:* in swallow: the cancellation was swallowed*",
            "*replay    rescind check replay rc1-*",
            "*= cancel sweep =*",
            "2 tests swept in * runs, 1 broken",
            "BROKEN test_it.py::test_breaks",
        ]
    )
    result.stdout.no_fnmatch_line("*rescind/check/*")
    result.stdout.no_fnmatch_line("*Traceback*")


def test_without_the_option_nothing_is_swept(suite: Suite, flavour: tuple[str, str, str]) -> None:
    """A suite is not changed by rescind being installed."""
    mark, option, more = flavour
    if not mark and not option:
        pytest.skip("plain async tests need a plugin")
    result = suite.run(f"{more}\n{mark}\nasync def test_it(): await swallow()", *options(option))

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*cancel sweep*")


def test_merely_installed_it_imports_nothing(suite: Suite) -> None:
    """Not even rescind itself."""
    suite.run(
        "def test_it():\n    import sys\n    assert 'rescind' not in sys.modules"
    ).assert_outcomes(passed=1)


FIXTURES = """
@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setenv("POOL", "one")
    events.append("sync up")
    yield events
    events.append("sync down")

{mark}
@{fixture}
async def pool(log):
    await asyncio.sleep(0.001)
    made = Pool()
    events.append("async up")
    yield made
    await asyncio.sleep(0.001)
    events.append("async down")
    assert made.free == 1, "a permit is lost"

@{fixture}
async def value(pool):
    await asyncio.sleep(0)
    return pool.free

events = []

{mark}
async def test_careful(pool, value, tmp_path):
    assert value == 1
    await pool.careful()

{mark}
async def test_forgetful(pool, value):
    await pool.forgetful()

def test_as_many_ends_as_beginnings():
    assert events.count("async up") == events.count("async down") > 10
    assert events.count("sync up") == events.count("sync down") > 10
"""


def test_fixtures_are_made_and_ended_for_each_run(
    suite: Suite, flavour: tuple[str, str, str]
) -> None:
    """Sync and async, with yield and without; one that fails at its end after a cancel is told."""
    mark, option, more = flavour
    fixture = "pytest_asyncio.fixture" if mark == "@pytest.mark.asyncio" else "pytest.fixture"
    source = FIXTURES.replace("{mark}\n@{fixture}", "@{fixture}")
    source = source.replace("{mark}", mark).replace("{fixture}", fixture)
    source = (
        source.replace("async def pool(log)", "async def pool(log, anyio_backend)")
        if ("anyio" in mark)
        else source
    )
    imports = "import pytest_asyncio\n" if "asyncio" in fixture else ""
    result = suite.run(
        f"{imports}{more}\n{source}", *options(option, "--cancel-sweep", "--cancel-level=quick")
    )

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*teardown fails, or hangs", "*a permit is lost*"])


@needs_pytest_asyncio
def test_async_fixtures_of_a_wider_scope_are_made_again_beside_the_suites_own(
    suite: Suite,
) -> None:
    """What is loop-bound cannot follow; the suite's own stays as it was, and is ended once."""
    result = suite.run(
        """
        import pytest_asyncio
        made, ended = [], []

        @pytest_asyncio.fixture(scope="module", loop_scope="module")
        async def pool():
            pool = Pool()
            pool.lock = asyncio.Lock()
            made.append(asyncio.get_running_loop())
            yield pool
            ended.append(asyncio.get_running_loop())

        @pytest.fixture(scope="module")
        def wrapped(pool):
            return pool

        @pytest.mark.asyncio(loop_scope="module")
        async def test_careful(wrapped):
            async with wrapped.lock:
                await wrapped.careful()

        @pytest.mark.asyncio(loop_scope="module")
        async def test_careful_again(pool):
            await pool.careful()
            assert asyncio.get_running_loop() is made[0] or len(made) > len(ended) + 1
            assert pool.free == 1

        def test_the_suites_own_is_not_ended_yet():
            assert len(made) == len(ended) + 1
            assert made[0] not in ended
        """,
        "--cancel-sweep",
        "--cancel-level=quick",
    )

    result.stdout.fnmatch_lines(["*test* swept in * runs, 0 broken*"])
    result.assert_outcomes(passed=3)


def test_unittest_cases_are_swept(suite: Suite) -> None:
    """With their own setups, teardowns and cleanups, in their order."""
    result = suite.run(
        """
        import unittest
        events = []

        class TestPool(unittest.IsolatedAsyncioTestCase):
            def setUp(self):
                events.append("up")
            async def asyncSetUp(self):
                self.pool = Pool()
                self.addAsyncCleanup(asyncio.sleep, 0)
                self.addCleanup(events.append, "clean")
            async def asyncTearDown(self):
                await asyncio.sleep(0)
                assert self.pool.free == 1, "a permit is lost"
            async def test_careful(self):
                await self.pool.careful()
            async def test_forgetful(self):
                await self.pool.forgetful()
            def test_sync(self):
                pass

        def test_order():
            assert events.count("up") == events.count("clean") > 10
        """,
        "--cancel-sweep",
        "--cancel-level=quick",
    )

    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*a permit is lost*", "2 tests swept in * runs, 1 broken"])


def test_what_the_test_itself_leaves_is_no_fault(suite: Suite) -> None:
    """A helper that it ends in its last line, or that fails; a cancellation that it expects."""
    result = suite.run(
        """
        async def test_helper():
            helper = asyncio.create_task(asyncio.sleep(1000))
            await pass_on()
            helper.cancel()

        async def test_expects():
            with pytest.raises(asyncio.CancelledError):
                await pass_on()
                raise asyncio.CancelledError

        async def test_lock():
            lock = asyncio.Lock()
            await lock.acquire()
            await pass_on()
            lock.release()

        async def test_waits():  # before Python 3.12 that swallows a cancellation at times
            loop = asyncio.get_running_loop()
            future = loop.create_future()
            loop.call_soon(lambda: future.done() or future.set_result(None))
            await asyncio.wait_for(future, 1)

        async def test_helper_fails():
            ready = asyncio.get_running_loop().create_future()
            async def helper():
                ready.set_result(None)
                await pass_on()
            task = asyncio.create_task(helper())
            await ready
            await task
        """,
        "--cancel-sweep",
    )

    result.assert_outcomes(passed=5)


def test_what_the_awaited_call_ends_rightly_is_no_fault(suite: Suite) -> None:
    """The test has not asked for it yet; abandoned after the line, it would not either."""
    result = suite.run(
        """
        async def close(*tasks):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        async def test_it():
            task = asyncio.create_task(asyncio.sleep(1))
            group = asyncio.gather(task)
            await asyncio.sleep(0)
            await close(task)
            with pytest.raises(asyncio.CancelledError):
                await group
        """,
        "--cancel-sweep",
        "--cancel-level=quick",
    )

    result.assert_outcomes(passed=1)


def test_the_fault_of_what_is_tested_is_one_in_such_a_test_too(suite: Suite) -> None:
    """The helper is the test's; the swallowed cancellation is not."""
    result = suite.run(
        """
        async def test_helper():
            helper = asyncio.create_task(asyncio.sleep(1000))
            await swallow()
            helper.cancel()

        async def test_swallowed_in_a_task_of_its_own():
            task = asyncio.create_task(swallow())
            await asyncio.sleep(0)
            await task

        async def test_error_of_the_library():
            await fails_behind()
        """,
        "--cancel-sweep",
        "--cancel-level=quick",
    )

    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(["*the cancellation was swallowed*"])
    result.stdout.fnmatch_lines(["*something fails, and nobody is told*"])
    result.stdout.no_fnmatch_line("*still run*")


def test_classes_parameters_and_captures_are_as_always(suite: Suite) -> None:
    """Each run gets an object of its own, and fixtures that capture see that run alone."""
    result = suite.run(
        """
        import logging
        class TestClass:
            @pytest.mark.parametrize("times", [1, 2])
            async def test_it(self, times, capsys, caplog, request):
                assert not hasattr(self, "seen")
                self.seen = True
                print("out")
                logging.getLogger("x").warning("logged")
                assert capsys.readouterr().out == "out\\n"
                assert len(caplog.records) == 1
                for _ in range(times):
                    await pass_on()
        """,
        "--cancel-sweep",
        "--cancel-level=quick",
        "-v",
    )

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["2 tests swept in * runs, 0 broken"])


def test_what_repetitions_print_is_dropped(suite: Suite) -> None:
    """The first run's output is shown, once; that of others is not, with ``-s`` too."""
    source = """
        async def test_it():
            print("hello from it")
            await swallow()
        """
    shown = suite.run(source, "--cancel-sweep", "--cancel-level=quick").stdout.str()
    assert 1 == shown.count("hello from it")
    assert 1 == suite.again("--cancel-sweep", "--cancel-level=quick", "-s").stdout.str().count(
        "hello from it"
    )


def test_marks_decide_as_always(suite: Suite) -> None:
    """Skipped is skipped; an expected failure may be one of the sweep."""
    result = suite.run(
        """
        @pytest.mark.skip
        async def test_skipped(): await swallow()
        async def test_skips(): pytest.skip("no")
        @pytest.mark.xfail
        async def test_known(): await swallow()
        @pytest.mark.xfail
        async def test_fails(): assert False
        async def test_really_fails(): assert False
        """,
        "--cancel-sweep",
        "--cancel-level=quick",
    )

    result.assert_outcomes(skipped=2, xfailed=2, failed=1)
    result.stdout.fnmatch_lines(["1 test swept in * runs, 1 broken"])


def test_what_cannot_be_swept_is_told_with_the_reason(suite: Suite) -> None:
    """It passes, as it did, but never silently."""
    result = suite.run(
        """
        calls = []

        async def test_once():
            calls.append(1)
            await pass_on()
            assert len(calls) == 1

        @pytest.mark.rescind
        async def test_virtual():
            import rescind
            await rescind.sleep(1000)
        """,
        "--cancel-sweep",
        "--cancel-level=quick",
    )

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "0 tests swept in * runs, 0 broken, 2 not swept",
            "not swept test_it.py::test_once: run again, not canceled: the scenario raised *",
            "not swept test_it.py::test_virtual: it runs in virtual time*",
        ]
    )


def test_the_mark_alone_sweeps(suite: Suite) -> None:
    """With its own modes, judges, budget and invariants; others are left alone."""
    result = suite.run(
        """
        def holds(env, outcome):
            assert outcome[0] == "canceled", "not canceled"

        @pytest.mark.cancel_everywhere(
            level="quick", modes="asyncio", judges=["look"], budget="10s", invariants=[holds]
        )
        async def test_marked(): await swallow()

        @pytest.mark.cancel_everywhere
        async def test_other(): await pass_on()

        @pytest.mark.rescind
        async def test_in_a_runtime():
            import rescind
            await rescind.sleep(0.001)
            assert await rescind.spawn(rescind.ready(1)).join() is not None
        """
    )

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*holds*not canceled*", "2 tests swept in * runs, 1 broken"])


def test_threads_that_canceled_tests_leave_do_not_keep_the_process(suite: Suite) -> None:
    """They are counted; what was to be done at exit is done, and the code is pytest's."""
    source = """
        import atexit, threading
        atexit.register(lambda: open("ended", "w").close())
        async def test_it():
            over = threading.Event()
            waiting = asyncio.get_running_loop().run_in_executor(None, over.wait)
            await pass_on()
            over.set()
            await waiting
        """
    result = suite.run(source, "--cancel-sweep", "--cancel-level=quick")

    assert 0 == result.ret
    result.stdout.fnmatch_lines(["* of canceled tests still run, and are given up"])
    assert (suite.path / "ended").exists()


def test_a_cleanup_may_take_as_long_as_was_promised(suite: Suite) -> None:
    """By the mark of a test, by the option, or by the file of settings, in this order."""
    source = """
        async def test_two(): await slow_for(2)
        @pytest.mark.cancel_everywhere(cleanup_within=3, level="quick")
        async def test_two_of_three(): await slow_for(2)
        """
    bounded = ("--cancel-sweep", "--cancel-level=quick", "-o", "cancel_cleanup_within=1s")
    suite.run(source, *bounded).assert_outcomes(passed=1, failed=1)
    suite.again(*bounded, "--cancel-cleanup-within=4s").assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("mode='asyncio'", "takes level, modes, judges, budget, cleanup_within"),
        ("modes='asincio'", "'asincio' is no mode; there are"),
        ("modes=3", "3 is neither a name nor a list of names"),
        ("judges=['jury']", "'jury' is no judge; there are"),
        ("budget=-1", "-1 is no time"),
        ("level='most'", "level must be 'quick', 'usual', 'thorough', not 'most'"),
        ("invariants=[3]", "invariants must be functions, not 3"),
        ("'asyncio'", "by name, and not 'asyncio'"),
    ],
)
def test_a_mark_that_means_nothing_is_told(suite: Suite, arguments: str, message: str) -> None:
    """Before anything is run; in one line."""
    result = suite.run(f"@pytest.mark.cancel_everywhere({arguments})\nasync def test_it(): ...")

    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines([f"ERROR: test_it.py::test_it: *{message.replace('[', '[[]')}*"])


@pytest.mark.parametrize(
    "option", ["--cancel-modes=asincio", "--cancel-budget=soon", "--cancel-level=most"]
)
def test_an_option_that_means_nothing_is_told(suite: Suite, option: str) -> None:
    """As pytest tells of its own."""
    result = suite.run("def test_it(): ...", "--cancel-sweep", "--cancel-level=quick", option)

    assert pytest.ExitCode.USAGE_ERROR == result.ret


def test_failures_are_remembered_and_made_first(suite: Suite) -> None:
    """While they fail, nothing else is tried; when they pass, the file is gone."""
    source = "async def test_it(): await swallow()"
    suite.run(source, "--cancel-sweep", "--cancel-level=quick").assert_outcomes(failed=1)
    file = suite.path / ".rescind-regressions.json"
    assert ["test_it.py::test_it"] == list(json.loads(file.read_text())["tests"])

    again = suite.again("--cancel-sweep", "--cancel-level=quick")
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["1 test swept in 2 runs, 1 broken"])

    library = suite.path / "pool_of_one.py"
    library.write_text(library.read_text().replace("        pass\n", "        raise\n"))
    suite.again("--cancel-sweep", "--cancel-level=quick").assert_outcomes(passed=1)
    assert not file.exists()


def test_a_token_is_replayed(suite: Suite) -> None:
    """By pytest, which makes the fixtures."""
    suite.run(
        """
        @pytest.fixture
        def number(): return 1
        async def test_it(number): await swallow()
        """,
        "--cancel-sweep",
        "--cancel-level=quick",
    )
    known = json.loads((suite.path / ".rescind-regressions.json").read_text())["tests"]
    token = known["test_it.py::test_it"][0]

    result = suite.again("test_it.py::test_it", f"--cancel-replay={token}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the cancellation was swallowed*"])


@needs_xdist
def test_results_of_workers_are_merged(suite: Suite) -> None:
    """In the summary, and in the file of regressions."""
    source = "".join(
        f"async def test_{n}(): await {'swallow' if n % 2 else 'pass_on'}()\n" for n in range(6)
    )
    result = suite.run(source, "--cancel-sweep", "--cancel-level=quick", "-n", "2")

    result.assert_outcomes(passed=3, failed=3)
    result.stdout.fnmatch_lines(["6 tests swept in * runs, 3 broken"])
    known = json.loads((suite.path / ".rescind-regressions.json").read_text())["tests"]
    assert 3 == len(known)


@needs_xdist
def test_files_tell_of_all_tests_also_of_those_that_workers_swept(suite: Suite) -> None:
    """A page, JSON and a tracefile: each test is a target, with the reason if it was not swept."""
    source = """
        count = 0
        async def test_breaks(): await swallow()
        async def test_survives(): await Pool().careful()
        async def test_its_own_making():
            task = asyncio.create_task(asyncio.sleep(0.1))
            await pass_on()
            await task
        async def test_once():
            global count
            count += 1
            assert count == 1
        """
    files = [f"--cancel-{kind}=out.{kind}" for kind in ("html", "json", "lcov")]
    result = suite.run(source, "--cancel-sweep", "--cancel-level=quick", "-n", "2", *files)

    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["written to */out.html"])
    data = json.loads((suite.path / "out.json").read_text(encoding="utf-8"))
    verdicts = {one["target"].partition("::")[2]: one["verdict"] for one in data["reports"]}
    assert {
        "test_breaks": "broken",
        "test_survives": "clean",
        "test_its_own_making": "clean",
    } == verdicts
    assert ["test_it.py::test_once"] == [one["target"] for one in data["left"]]
    states = {
        (file["file"].rpartition("/")[2], one["function"]): one["state"]
        for file in data["coverage"]["files"]
        for one in file["awaits"]
    }
    assert "broken" == states["pool_of_one.py", "swallow"]
    assert "survived" == states["pool_of_one.py", "pass_on"]
    page = (suite.path / "out.html").read_text(encoding="utf-8")
    assert "test_it.py::test_once: not checked: " in page
    assert "SF:" in (suite.path / "out.lcov").read_text(encoding="utf-8")


def test_a_file_that_cannot_be_written_is_told_before_the_tests(suite: Suite) -> None:
    """Not after the hours that they may take."""
    result = suite.run("def test_it(): pass", "--cancel-sweep", "--cancel-html=none/out.html")

    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines(["*cannot write */none/out.html: there is no directory */none*"])


def test_coverage_of_all_tests_is_kept_in_one_file(suite: Suite) -> None:
    """The awaits of the library that any of them canceled."""
    source = """
        async def test_one(): await pass_on()
        async def test_two(): await Pool().careful()
        """
    suite.run(
        source, "--cancel-sweep", "--cancel-level=quick", "--cancel-coverage"
    ).assert_outcomes(passed=2)

    seen = load_coverage(suite.path / COVERAGE_FILE)
    assert 2 == len([line for file, line, _ in seen if file.endswith("pool_of_one.py")])


def test_other_options_of_pytest_do_what_they_do(suite: Suite) -> None:
    """``-x`` stops, ``--lf`` runs what failed, and there need not be a cache."""
    suite.run(
        """
        async def test_first(): await pass_on()
        async def test_second(): await swallow()
        async def test_third(): await swallow()
        """,
        "--cancel-sweep",
        "--cancel-level=quick",
        "-x",
    ).assert_outcomes(passed=1, failed=1)
    suite.again("--cancel-sweep", "--cancel-level=quick", "--lf", "-x").assert_outcomes(failed=1)
    suite.again("--cancel-sweep", "--cancel-level=quick", "-p", "no:cacheprovider").assert_outcomes(
        passed=1, failed=2
    )


def test_warnings_as_errors_are_no_trouble(suite: Suite) -> None:
    """What repetitions leave behind reaches no other test."""
    result = suite.run(
        """
        async def test_leaves():
            left = asyncio.create_task(pass_on())
            coroutine = pass_on()
            await pass_on()
            await coroutine
            await left

        def test_after():
            import gc
            gc.collect()
        """,
        "--cancel-sweep",
        *("-W", "error"),
        *("-p", "no:asyncio"),  # it warns of an option that is not set
    )

    result.assert_outcomes(passed=2)


def test_a_suite_may_be_interrupted(suite: Suite) -> None:
    """What was swept by then is told."""
    result = suite.run(
        """
        runs = []
        async def test_first(): await pass_on()
        async def test_second():
            runs.append(1)
            await pass_on()
            if len(runs) == 3:
                raise KeyboardInterrupt
        """,
        "--cancel-sweep",
        "--cancel-level=quick",
    )

    assert pytest.ExitCode.INTERRUPTED == result.ret
    result.stdout.fnmatch_lines(["1 test swept in * runs, 0 broken*"])


def test_paths_may_follow_the_option(suite: Suite) -> None:
    """It takes no word of its own, so what comes after it is a path."""
    suite.run("async def test_it(): ...")
    result = suite.again("--cancel-sweep", ".")
    result.assert_outcomes(passed=1)
    assert "1 test swept" in result.stdout.str()
