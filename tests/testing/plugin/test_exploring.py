"""Tests that are explored in the lab: what is tried, what is told, and how a run is made again."""

import re

import pytest

from tests.testing.plugin.kit import Suite

pytest_plugins = ["pytester"]

LOST = """
    made = []

    @pytest.fixture
    async def pool():
        made.append("up")
        async with rescind.task_group() as g:
            g.spawn(rescind.never(), name="worker")
            yield [2]
            g.cancel()
        made.append("down")

    async def work(pool):
        print("working")
        pool[0] -= 1
        await rescind.sleep(1)
        pool[0] += 1

    @pytest.mark.rescind(MARK)
    async def test_it(pool):
        async with rescind.task_group() as g:
            for name in ("one", "two"):
                g.spawn(work(pool), name=name)
        assert [2] == pool

    def test_after():
        assert made.count("up") == made.count("down") >= 4
"""


def token_in(result: pytest.RunResult) -> str:
    """Return the token that a report shows."""
    found = re.search(r"--rescind-replay=(rl1-\S+)", result.stdout.str())
    assert found is not None
    return found[1]


def test_a_failing_run_is_shrunk_shown_and_made_again(suite: Suite) -> None:
    """Fixtures are made and ended for each run; the command of the report makes that run."""
    result = suite.run(LOST.replace("MARK", "explore=True"))

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            ">       assert [[]2] == pool",
            "*test_it.py::test_it: fail, with 1 injection",
            "*step *time *pool *worker *main *one *two",
            "*TASK CANCEL, PARKED, at test_it.py:*",
            "*run it again: pytest test_it.py::test_it --rescind-replay=rl1-*",
        ]
    )
    assert 2 == result.stdout.str().count("working")  # only the failing run's is kept
    again = suite.again(f"--rescind-replay={token_in(result)}")
    again.assert_outcomes(failed=1, deselected=1)
    again.stdout.fnmatch_lines([">       assert [[]2] == pool", "*TASK CANCEL, PARKED, at *"])


def test_known_failures_are_made_first_and_a_mended_one_passes(suite: Suite) -> None:
    """The file is kept; a token of what has changed since is told, not replayed."""
    source = LOST.replace("MARK", "explore=True")
    token = token_in(suite.run(source))
    assert token in (suite.path / ".rescind-lab.txt").read_text(encoding="utf-8")

    known = suite.again()
    known.stdout.fnmatch_lines(["*1 known tokens, 1 failed*"])

    mended = source.replace(
        "await rescind.sleep(1)\n        pool[0] += 1",
        "try: await rescind.sleep(1)\n        finally: pool[0] += 1",
    )
    assert mended != source
    suite.run(mended).assert_outcomes(passed=2)
    changed = suite.again(f"--rescind-replay={token}")
    changed.assert_outcomes(failed=1, deselected=1)
    changed.stdout.fnmatch_lines(["*has changed since this token was made*"])


def test_without_a_file_nothing_is_remembered(suite: Suite) -> None:
    """As the settings say."""
    suite.run(LOST.replace("MARK", "explore=True"), "-o", "rescind_regressions=")
    assert not (suite.path / ".rescind-lab.txt").exists()


@pytest.mark.parametrize(
    ("mark", "failed"),
    [
        ("schedules=True", 0),
        ("schedules=3", 0),
        ("cancel=True", 1),
        ("cancel='task'", 1),
        ("cancel='deadline'", 0),
        ("explore=1, cancel=False", 0),
        ("explore=testing.Bounds(changes=1)", 1),
        ("explore=1, cancel=('task', testing.Kind.GROUP)", 1),
    ],
)
def test_what_is_tried_is_as_the_mark_says(suite: Suite, mark: str, failed: int) -> None:
    """Orders, cancellations, or both; only a task that is canceled loses something here."""
    result = suite.run(LOST.replace("MARK", mark), "-v", "test_it.py::test_it")

    result.assert_outcomes(failed=failed, passed=1 - failed)
    if mark == "schedules=3":
        result.stdout.fnmatch_lines(["*: within * of 3 changes, [34] runs"])


def test_one_run_with_named_injections(suite: Suite) -> None:
    """It passes or fails as that run does; one that it does not come by is told."""
    source = LOST.replace(
        "MARK",
        'cancel=testing.Injection(testing.Spot("root/1", "work+3", VISIT, testing.Instant.PARKED))',
    )
    found = suite.run(source.replace("VISIT", "1"), "test_it.py::test_it")
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(["*TASK CANCEL, PARKED, at *"])

    missed = suite.run(source.replace("VISIT", "7"), "test_it.py::test_it")
    missed.assert_outcomes(failed=1)
    missed.stdout.fnmatch_lines(["*the run does not come by this point: *visit 7*"])


def test_only_the_lab_explores(suite: Suite) -> None:
    """On the other hosts the test is run once; fixtures of a wider scope are made once."""
    result = suite.run(
        """
        runs, wide = {"lab": 0, "manual": 0, "asyncio": 0}, []

        @pytest.fixture(scope="module")
        def once():
            wide.append(1)

        @pytest.mark.rescind(hosts=["lab", "asyncio"], schedules=5)
        async def test_it(once, runtime, tmp_path, clock_or_none):
            runs[runtime.executor.host.name] += 1
            await runtime.spawn(rescind.sleep(0.001))

        @pytest.fixture
        def clock_or_none(request, runtime):
            if runtime.executor.host.name == "lab":
                assert 0.0 == request.getfixturevalue("clock").now()

        def test_after():
            assert runs["lab"] >= 3 and 1 == runs["asyncio"] == len(wide)
        """
    )
    result.assert_outcomes(passed=3)


def test_leftovers_deadlocks_and_the_world_outside_are_failures(suite: Suite) -> None:
    """Each says what it is; leaks=False lets what is left be."""
    result = suite.run(
        """
        pytestmark = pytest.mark.rescind(schedules=3)

        async def test_leaves():
            rescind.spawn(rescind.never(), name="left")

        @pytest.mark.rescind(leaks=False)
        async def test_may_leave():
            rescind.spawn(rescind.never(), name="left")

        async def test_hangs():
            await sync.Event().wait()

        async def test_outside():
            import time
            time.sleep(1)
        """
    )
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(
        [
            "*tasks that main did not wait for: root/1 'left'*",
            "*deadlock: nothing can run any more*",
            "*the lab has no world outside: time.sleep(1)*",
        ]
    )


def test_skips_and_what_fixtures_raise_end_the_exploration(suite: Suite) -> None:
    """As they end a test that is run once; nothing is remembered of them."""
    result = suite.run(
        """
        pytestmark = pytest.mark.rescind(explore=True)

        async def test_skips(): pytest.skip("not today")

        @pytest.fixture
        async def broken(): raise LookupError("no")

        async def test_broken(broken): pass

        @pytest.fixture
        async def later():
            yield
            raise LookupError("at the end")

        async def test_later(later): pass
        """
    )
    result.assert_outcomes(skipped=1, failed=2)
    result.stdout.fnmatch_lines(["*LookupError: no*", "*LookupError: at the end*"])
    assert "test_broken" not in (suite.path / ".rescind-lab.txt").read_text(encoding="utf-8")


def test_invariants_allowed_seed_and_budget_reach_the_exploration(suite: Suite) -> None:
    """From the mark, else from the options."""
    result = suite.run(
        """
        from rescind.testing.plugin.item import RescindFunction

        def holds(run):
            return run.time < 5

        @pytest.mark.rescind(schedules=3, invariants=holds)
        async def test_invariant():
            await rescind.sleep(6)

        @pytest.mark.rescind(cancel=True, allowed=LookupError)
        async def test_allowed():
            async def work():
                try:
                    await rescind.sleep(1)
                except rescind.Cancellation:
                    raise LookupError
            await rescind.spawn(work()).join()

        @pytest.mark.rescind(seed=3)
        async def test_marked(request):
            assert (3, 60.0) == (request.node.settings.seed, request.node.settings.budget)

        @pytest.mark.rescind(budget="2s", grace=7)
        async def test_option(request, runtime):
            assert (9, 2.0) == (request.node.settings.seed, request.node.settings.budget)
            assert 7.0 == runtime.executor.grace
        """,
        "--rescind-seed=9",
        "--rescind-budget=1m",
    )
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*invariant: holds does not hold*"])


def test_a_token_that_names_no_test_here_is_refused(suite: Suite) -> None:
    """Before anything is run."""
    token = token_in(suite.run(LOST.replace("MARK", "cancel=True")))
    for argument, words in (
        ("nonsense", "*a token of the lab begins with 'rl1-'*"),
        (token, "*the token is of test_it.py::test_it, which is not among*"),
    ):
        suite.write("def test_other(): pass")
        result = suite.again(f"--rescind-replay={argument}")
        assert pytest.ExitCode.USAGE_ERROR == result.ret
        result.stderr.fnmatch_lines([words])


RERUN = """
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    runtestprotocol(item, nextitem=item, log=False)
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    runtestprotocol(item, nextitem=nextitem)
    return True
"""


@pytest.mark.parametrize("fails", [True, False])
def test_an_explored_test_can_be_run_again(suite: Suite, fails: bool) -> None:
    """As plugins do with one that has failed: it is set up as if for the first time (A2)."""
    (suite.path / "conftest.py").write_text(RERUN, encoding="utf-8")
    result = suite.run(
        f"""
        remaking = []
        first = [{fails}]

        @pytest.fixture(scope="module")
        def wide(request): return 1

        @pytest.fixture
        async def value(request):
            remaking.append(request.node.remaking)
            await rescind.sleep(1)
            if first and first[0]:
                raise OSError("at the first time")
            yield 3

        @pytest.mark.rescind(explore=1)
        async def test_it(wide, value, request):
            assert not request.node.remaking and value == 3

        @pytest.fixture(autouse=True)
        def second(request):
            yield
            first.clear()

        def test_made_for_each_run(): assert all(remaking) and len(remaking) > 3
        """
    )
    result.assert_outcomes(passed=2)
