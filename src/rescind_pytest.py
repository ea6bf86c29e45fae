"""The plugin of pytest: its options and marks, and nothing else until one of them is used.

*What it is not.* Where anything is done: that is `rescind.testing.plugin`, which runs tests in a
runtime or in the lab, and `rescind.check.plugin`, which cancels tests everywhere. Each is imported
when a run asks for it. This module stands outside the package because importing any part of the
package imports its facade, for which suites that only have rescind installed need not wait.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, TypeGuard, cast

import pytest

if TYPE_CHECKING:
    from rescind.check.plugin import Plugin as Checker
    from rescind.testing.plugin.plugin import Plugin as Runner

__all__: list[str] = []

_CHECKER = "rescind-check"
_RUNNER = "rescind-tests"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("rescind", "rescind: run async tests, and cancel them everywhere")
    group.addoption(
        "--rescind-seed",
        metavar="NUMBER",
        type=int,
        help="The seed of explored tests, for runs in random order. Default: 0.",
    )
    group.addoption(
        "--rescind-budget",
        metavar="TIME",
        help="How long to explore each test whose mark does not say so: 10s, 1m. Default: 5s.",
    )
    group.addoption(
        "--rescind-replay",
        metavar="TOKEN",
        help="Make one run of an explored test again: that of a token, as a report shows it.",
    )
    parser.addini(
        "rescind_mode",
        "strict: run async tests with the mark 'rescind'; auto: all that no other plugin runs.",
        default="strict",
    )
    parser.addini(
        "rescind_hosts",
        "The hosts of tests whose mark does not say so: lab, asyncio, uvloop. Default: lab.",
        type="args",
        default=[],
    )
    parser.addini(
        "rescind_regressions",
        "The file of failing runs of explored tests, which are made first; empty: none.",
        default=".rescind-lab.txt",
    )
    group.addoption(
        "--cancel-sweep",
        action="store_true",
        help="After each async test that passed, run it again and again, each time canceled at "
        "another await, and fail it if that breaks something.",
    )
    group.addoption(
        "--cancel-level",
        choices=("quick", "usual", "thorough"),
        default="usual",
        help="How much to try: quick, usual or thorough. Default: usual.",
    )
    group.addoption(
        "--cancel-budget",
        metavar="TIME",
        help="How long to cancel each test: 5s, 1m. Default: 5s, 20s or 2m, as thorough as it is.",
    )
    group.addoption(
        "--cancel-modes",
        metavar="MODES",
        help="How to cancel, with commas: asyncio, twice, timeout, group, anyio, rescind, close.",
    )
    group.addoption(
        "--cancel-cleanup-within",
        metavar="TIME",
        help="A cleanup that takes longer, of the loop's clock, is a fault.",
    )
    parser.addini("cancel_cleanup_within", "What --cancel-cleanup-within is if it is not given.")
    group.addoption(
        "--cancel-coverage",
        action="store_true",
        help="Add to .rescind-coverage.json which awaits were canceled.",
    )
    for kind, what in (
        ("html", "a page"),
        ("json", "JSON"),
        ("lcov", "coverage for genhtml, editors and review tools"),
    ):
        group.addoption(
            f"--cancel-{kind}", metavar="FILE", help=f"Write what all the sweeps found, as {what}."
        )
    group.addoption(
        "--cancel-replay",
        metavar="TOKEN",
        help="Make one canceled run again: that of a token, as a report shows it.",
    )
    group.addoption(
        "--cancel-pdb",
        action="store_true",
        help="With --cancel-replay: stop in the debugger just before it is canceled; give -s, too.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Say what the marks mean, and begin if an option asks for it."""
    config.addinivalue_line(
        "markers",
        "cancel_everywhere(level=None, modes=None, judges=None, budget=None, cleanup_within=None, "
        "invariants=()): "
        "cancel this async test at every await, and fail it if that breaks something",
    )
    config.addinivalue_line(
        "markers",
        "rescind(hosts='lab', explore=None, schedules=None, cancel=None, invariants=(), "
        "allowed=(), seed=0, budget='5s', grace=30, leaks=True, timeout=None): "
        "run this async test in a rescind runtime, or explore it in the lab",
    )
    if config.getini("rescind_mode") != "strict" or config.getoption("rescind_replay"):
        _runner(config)
    # Workers of pytest-xdist collect the tests, and see the marks; who listens to them does not.
    listens = bool(getattr(config.option, "numprocesses", None))
    if listens:
        _runner(config)
    if listens or any(config.getoption(name) for name in ("cancel_sweep", "cancel_replay")):
        _checker(config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have a test run on each of its hosts."""
    if _concerns(metafunc.config, metafunc.definition):
        _runner(metafunc.config).prepare(metafunc)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class,
) -> Generator[None, Any, Any]:
    """Take our tests, whatever others have made of them."""
    made: Any = yield
    if _is_unittest(made) and _marked(made):
        _runner(collector.config).refuse_unittest(made)
    found: list[Any] = made if isinstance(made, list) else [made]  # pyright: ignore[reportUnknownVariableType]
    ours = [isinstance(one, pytest.Function) and _concerns(collector.config, one) for one in found]
    return _runner(collector.config).instead_of(found) if any(ours) else cast("object", made)


@pytest.hookimpl(specname="pytest_pycollect_makeitem")
def pytest_forget_backends(  # pytest looks at functions whose names begin so
    collector: pytest.Module | pytest.Class, obj: Any
) -> None:
    """Take back what anyio gives to async tests, each a backend, from a test that is ours."""
    marks: list[pytest.Mark] = getattr(obj, "pytestmark", None) or []
    around = collector.get_closest_marker("rescind") is not None
    if marks and (around or any(mark.name == "rescind" for mark in marks)):
        obj.pytestmark = [
            mark
            for mark in marks
            if not (mark.name == "usefixtures" and mark.args == ("anyio_backend",))
        ]


def _is_unittest(made: object) -> TypeGuard[pytest.Class]:
    """Is this a case of unittest?"""
    unittest = sys.modules.get("unittest")
    return (
        unittest is not None
        and isinstance(made, pytest.Class)
        and issubclass(made.obj, unittest.TestCase)
    )


def _marked(case: pytest.Class) -> bool:
    """Has a class a mark of ours, or what is around it, or one of its methods?"""
    methods = inspect.getmembers(case.obj, inspect.isfunction)
    marks = [mark for _, method in methods for mark in getattr(method, "pytestmark", ())]
    around = case.get_closest_marker("rescind") is not None
    return around or any(mark.name == "rescind" for mark in marks)


def _concerns(config: pytest.Config, item: pytest.Function) -> bool:
    """May this be a test that is to run in a runtime, or in the lab?"""
    known = config.pluginmanager.has_plugin(_RUNNER)
    return known or item.get_closest_marker("rescind") is not None


@pytest.fixture
def runtime(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The rescind runtime that runs this test; for a sync test: one in virtual time, its own."""
    from rescind.testing.plugin.fixtures import runtime_for

    yield from runtime_for(request)


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> Any:
    """The virtual clock of this test: clock.now(), await clock.advance(seconds)."""
    from rescind.testing.plugin.fixtures import clock_for

    return clock_for(request)


@pytest.fixture
def _rescind_host(request: pytest.FixtureRequest) -> str:
    """Stand for the parameter that says on which host a test runs."""
    host: str = request.param
    return host


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin if a test has one of the marks; look at the arguments of the marks."""
    marked = [item for item in items if item.get_closest_marker("cancel_everywhere")]
    if marked or config.pluginmanager.has_plugin(_CHECKER):
        _checker(config).look_at(marked)
    if config.pluginmanager.has_plugin(_RUNNER):
        _runner(config).select(items)


def _checker(config: pytest.Config) -> Checker:
    known: Checker | None = config.pluginmanager.get_plugin(_CHECKER)
    if known is None:
        from rescind.check.plugin import Plugin

        known = Plugin(config)
        config.pluginmanager.register(known, _CHECKER)
    return known


def _runner(config: pytest.Config) -> Runner:
    known: Runner | None = config.pluginmanager.get_plugin(_RUNNER)
    if known is None:
        from rescind.testing.plugin.plugin import Plugin

        known = Plugin(config)
        config.pluginmanager.register(known, _RUNNER)
    return known
