"""Tests with the mark `rescind` that are run once: where, with which fixtures, and how they end."""

import pytest

from tests.testing.plugin.kit import Suite

pytest_plugins = ["pytester"]


def test_time_is_virtual_unless_a_host_is_named(suite: Suite) -> None:
    """An hour takes no time; the runtime and the clock are those of the test."""
    result = suite.run(
        """
        @pytest.mark.rescind
        async def test_it(runtime, clock):
            assert rescind.current_runtime() is runtime
            await rescind.sleep(3600)
            assert 3600.0 == clock.now() == runtime.now()
            assert "manual" == runtime.host.name
        """
    )
    result.assert_outcomes(passed=1)


def test_hosts_are_a_parameter(suite: Suite) -> None:
    """One test for each host, with its name; on a loop there is one of asyncio's."""
    result = suite.run(
        """
        @pytest.mark.parametrize("number", [1, 2])
        @pytest.mark.rescind(hosts=["lab", "asyncio"])
        async def test_it(runtime, number):
            await rescind.sleep(0)
            if runtime.host.name == "asyncio":
                await asyncio.sleep(0)
            print("on", runtime.host.name, number)

        @pytest.mark.rescind(hosts="asyncio")
        async def test_one():
            assert await asyncio.to_thread(lambda: 7) == 7
        """,
        "-v",
        "-rP",
    )
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines_random(
        ["*test_it?lab-1?*", "*test_it?asyncio-2?*", "*::test_one PASSED*", "on asyncio 2"]
    )


def test_a_host_that_is_not_installed_is_skipped_with_the_reason(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And where it is installed, the loop is its own."""
    source = """
        @pytest.mark.rescind(hosts=["uvloop"])
        async def test_it(runtime):
            assert "uvloop" == runtime.host.name
        """
    outcome = {"passed": 1} if _installed("uvloop") else {"skipped": 1}
    suite.run(source).assert_outcomes(**outcome)

    monkeypatch.setattr("rescind.testing.plugin.item.importlib.util.find_spec", lambda _name: None)
    missing = suite.run(source, "-rs")
    missing.assert_outcomes(skipped=1)
    missing.stdout.fnmatch_lines(["*uvloop is not installed*"])


def _installed(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is not None


def test_fixtures_run_in_the_runtime_of_their_test(suite: Suite) -> None:
    """Async ones, generators too, sync ones among them, in order; and in methods of classes."""
    result = suite.run(
        """
        said = []

        @pytest.fixture
        async def first(runtime):
            assert rescind.current_runtime() is runtime
            await rescind.sleep(1)
            said.append("first up")
            yield 1
            await rescind.sleep(1)
            assert rescind.current_runtime() is runtime
            said.append("first down")

        @pytest.fixture
        def second(first):
            said.append("second up")
            yield first + 1
            said.append("second down")

        @pytest.fixture
        async def third(second):
            return second + await rescind.ready(1)

        class TestIt:
            @pytest.fixture(autouse=True)
            async def own(self):
                self.found = "own"
                yield

            @pytest.mark.rescind(hosts=["lab", "asyncio"])
            async def test_it(self, third, request):
                assert (3, "own") == (third, self.found)
                if request.getfixturevalue("runtime").host.name == "manual":
                    assert 1.0 == rescind.now()

        def test_order():
            assert ["first up", "second up", "second down", "first down"] * 2 == said
        """
    )
    result.assert_outcomes(passed=3)


def test_a_fixture_is_one_task_from_its_beginning_to_its_end(suite: Suite) -> None:
    """So task groups, deadlines and shields may be open while the test runs."""
    result = suite.run(
        """
        @pytest.fixture
        async def group():
            task = rescind.current_task()
            async with rescind.task_group() as g, rescind.deadline(100):
                yield g
                assert rescind.current_task() is task
                g.cancel("the test is over")

        @pytest.mark.rescind
        async def test_it(group):
            worker = group.spawn(rescind.never(), name="worker")
            await rescind.sleep(1)
            assert not worker.done()
        """
    )
    result.assert_outcomes(passed=1)


def test_a_fixture_that_fails_meanwhile_cancels_the_test(suite: Suite) -> None:
    """A worker of its group fails: nobody waits for what will not come; it says why at its end."""
    result = suite.run(
        """
        async def fail():
            await rescind.sleep(1)
            raise LookupError("the worker is gone")

        @pytest.fixture
        async def service():
            async with rescind.task_group() as g:
                g.spawn(fail())
                yield g

        @pytest.mark.rescind
        async def test_it(service):
            await rescind.never()
        """
    )
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*PartFailed: main was canceled: *the fixture service has ended before the test*",
        ]
    )
    result.stdout.fnmatch_lines(["*LookupError: the worker is gone*"])


def test_context_variables_of_fixtures_reach_the_test_and_no_other(suite: Suite) -> None:
    """As with a sync fixture that resets them."""
    result = suite.run(
        """
        import contextvars
        user = contextvars.ContextVar("user", default="nobody")

        @pytest.fixture
        async def anna():
            user.set("anna")

        @pytest.fixture
        async def both(anna):
            assert "anna" == user.get()
            user.set("anna and bert")
            yield

        @pytest.mark.rescind
        async def test_it(both):
            assert "anna and bert" == user.get()

        def test_after():
            assert "nobody" == user.get()
        """
    )
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("if False: yield", "*the fixture made did not yield a value*"),
        ("yield 1; yield 2", "*the fixture made yields more than once*"),
        ("raise LookupError('no'); yield", "*LookupError: no*"),
        ("yield 1; raise LookupError('no')", "*LookupError: no*"),
        (
            "rescind.current_task().cancel(); await rescind.never(); yield",
            "*fixture made was *",
        ),
    ],
)
def test_a_fixture_that_goes_wrong_is_an_error_that_says_so(
    suite: Suite, body: str, words: str
) -> None:
    """In the phase where it happens."""
    result = suite.run(
        f"""
        @pytest.fixture
        async def made():
            {body}

        @pytest.mark.rescind
        async def test_it(made): pass
        """
    )
    passed = int(body.startswith("yield"))
    result.assert_outcomes(passed=passed, errors=1)
    result.stdout.fnmatch_lines([words])


def test_a_fixture_of_a_wider_scope_is_refused(suite: Suite) -> None:
    """It would outlive the runtime in which it was made."""
    result = suite.run(
        """
        @pytest.fixture(scope="module")
        async def wide(): return 1

        @pytest.mark.rescind
        async def test_it(wide): pass
        """
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the async fixture 'wide' has the scope 'module'*"])


def test_outcomes_are_those_of_pytest(suite: Suite) -> None:
    """Skips, expected failures and failures with what pytest says of their assertions."""
    result = suite.run(
        """
        pytestmark = pytest.mark.rescind

        async def test_skips(): pytest.skip("not today")

        @pytest.mark.xfail(strict=True)
        async def test_expected(): assert 0

        async def test_fails():
            await rescind.sleep(1)
            found = 2
            assert 1 == found

        async def test_is_canceled():
            rescind.current_task().cancel("by itself")
            await rescind.never()

        def test_sync(): pass
        """
    )
    result.assert_outcomes(passed=1, failed=2, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines(
        [">       assert 1 == found", "*PartFailed: main was canceled: *by itself*"]
    )


def test_a_deadlock_says_who_waits_for_whom(suite: Suite) -> None:
    """With the circle, in the test and in a fixture; what hangs is dropped, fixtures are ended."""
    result = suite.run(
        """
        @pytest.fixture
        async def ended():
            yield
            print("the fixture has ended")

        @pytest.mark.rescind
        async def test_circle(ended):
            first, second = sync.Mutex(), sync.Mutex()
            async def both(one, other):
                async with one:
                    await rescind.sleep(1)
                    async with other: pass
            async with rescind.task_group() as g:
                g.spawn(both(first, second), name="there")
                g.spawn(both(second, first), name="back")

        @pytest.fixture
        async def stuck():
            await sync.Event().wait()

        @pytest.mark.rescind
        async def test_fixture(stuck): pass
        """
    )
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "deadlock: nothing can run any more, at 0 s*",
            "*fixture stuck *wait of <Event*",
            "deadlock: nothing can run any more, at 1 s; no timer is set",
            "*a circle: there waits for back waits for there",
            "*the fixture has ended*",
        ]
    )
    result.stdout.no_fnmatch_line("*During handling*")


def test_the_clock_is_moved_by_hand(suite: Suite) -> None:
    """Whoever is due by then has run; in a sync test the runtime does it."""
    result = suite.run(
        """
        @pytest.mark.rescind
        async def test_it(clock):
            said = []
            async def tick():
                while True:
                    await rescind.sleep(10)
                    said.append(clock.now())
            task = rescind.spawn(tick())
            await clock.advance(9)
            assert [] == said
            await clock.advance(1)
            assert [10.0] == said
            await clock.advance(20)
            assert [10.0, 20.0, 30.0] == said
            with pytest.raises(ValueError, match="-1"):
                await clock.advance(-1)
            task.cancel()
            await task.join()

        def test_sync(runtime, clock):
            task = runtime.spawn(rescind.sleep(60))
            runtime.block_on(clock.advance(60))
            assert task.done() and 60.0 == clock.now()
            assert "<Clock at 60 s>" == repr(clock)

        @pytest.mark.rescind(hosts="asyncio")
        async def test_real(clock): pass
        """
    )
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*the clock of the host 'asyncio' is real*hosts='lab'*"])


def test_a_sync_test_has_a_runtime_that_is_closed_after_it(suite: Suite) -> None:
    """In virtual time, or on the host that an indirect parameter names."""
    result = suite.run(
        """
        kept = []

        def test_it(runtime):
            kept.append(runtime)
            runtime.spawn(rescind.never())
            assert 5 == runtime.block_on(rescind.timeout(rescind.ready(5), 1))
            assert "manual" == runtime.host.name

        @pytest.mark.parametrize("runtime", ["asyncio"], indirect=True)
        def test_host(runtime):
            assert "asyncio" == runtime.host.name

        def test_after():
            assert kept[0].report is not None
        """
    )
    result.assert_outcomes(passed=3)


def test_hypothesis_calls_an_async_test_for_each_example(suite: Suite) -> None:
    """All of them in one runtime."""
    result = suite.run(
        """
        from hypothesis import given, settings, strategies as st
        seen = set()

        @pytest.mark.rescind
        @settings(max_examples=5, database=None)
        @given(number=st.integers(0, 9))
        async def test_it(number, runtime):
            seen.add(id(rescind.current_runtime()))
            await rescind.sleep(1)
            assert rescind.current_runtime() is runtime

        @pytest.mark.rescind
        @settings(max_examples=50, database=None)
        @given(number=st.integers(0, 9))
        async def test_fails(number):
            await rescind.sleep(1)
            assert number < 5

        def test_one():
            assert 1 == len(seen)
        """
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*number=5*"])


def test_a_test_may_be_run_again(suite: Suite) -> None:
    """As plugins do that run what failed once more: each time with a bed of its own."""
    suite.write(
        """
        from _pytest.runner import runtestprotocol
        runs = []

        @pytest.mark.rescind
        async def test_it(clock):
            runs.append(clock.now())
            await rescind.sleep(5)
            assert 5.0 == clock.now()

        def test_twice(request):
            assert [0.0, 0.0] == runs
        """
    )
    (suite.path / "conftest.py").write_text(
        "from _pytest.runner import runtestprotocol\n"
        "def pytest_runtest_protocol(item, nextitem):\n"
        "    if item.name == 'test_it':\n"
        "        item._initrequest()\n"
        "        runtestprotocol(item, nextitem=item.parent, log=False)\n"
        "        item._initrequest()\n",
        encoding="utf-8",
    )
    suite.again().assert_outcomes(passed=2)
