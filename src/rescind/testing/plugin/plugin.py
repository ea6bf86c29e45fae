"""What pytest calls for tests that run in a runtime or in the lab.

*What it is.* Which functions are such tests, on which hosts; their async fixtures; their call
phase, where they are run or explored, and where it is looked at what they leave; what is told.

*What it is not.* Imported unless a mark, an option or the file of settings asks for it: see
`rescind_pytest`.

*Threads.* pytest's.
"""

from __future__ import annotations

import inspect
import signal
import sys
import threading
import unittest
from collections.abc import Callable, Generator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from rescind._core.errors import UsageError
from rescind._seconds import seconds_of
from rescind.testing.lab.errors import OutOfTime
from rescind.testing.plugin.again import Again
from rescind.testing.plugin.exploring import (
    Told,
    Unsound,
    explore_test,
    replay_test,
    target_of,
)
from rescind.testing.plugin.fixtures import instead_of, mode_of
from rescind.testing.plugin.item import HOST, Leaked, RescindFunction, inner_of, is_async_test
from rescind.testing.plugin.phases import LATE, Phases, timers_off
from rescind.testing.plugin.settings import Settings, marked
from rescind.testing.plugin.watch import tree

__all__ = ["Plugin"]

_TOLD = pytest.StashKey[Told]()
_TEXT = pytest.StashKey[str]()
_TREE = pytest.StashKey[str]()

#: Marks of plugins that run async tests themselves, which in mode auto are left to them.
_OTHERS = ("asyncio", "anyio", "trio", "twisted", "gen_test", "curio", "tornado")


class Plugin(Phases):
    """What pytest calls."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._auto = config.getini("rescind_mode") == "auto"
        self._token: str | None = config.getoption("rescind_replay")
        file: str = config.getini("rescind_regressions")
        self._regressions: Path | None = config.rootpath / file if file else None
        self._told: dict[str, Told] = {}
        try:
            self._usual = _usual(config)
            self._target = None if self._token is None else target_of(self._token)
            _check_modes(config, auto=self._auto)
        except UsageError as exc:
            raise pytest.UsageError(f"rescind: {exc}") from None

    # -- which tests ------------------------------------------------------------------------------

    def prepare(self, metafunc: pytest.Metafunc) -> None:
        """Give a test of ours a parameter for its hosts, if it has several.

        Raises:
            pytest.Collector.CollectError: its mark means nothing.
        """
        settings = self._settings_of(metafunc.definition)
        if settings is not None and len(settings.hosts) > 1:
            metafunc.fixturenames.append(HOST)
            metafunc.parametrize(HOST, settings.hosts, indirect=True)

    def instead_of(self, made: list[Any]) -> list[Any]:
        """Return what was collected, with each test of ours in its own kind of item."""
        return [self._instead_of(one) if isinstance(one, pytest.Function) else one for one in made]

    def _instead_of(self, function: pytest.Function) -> pytest.Function:
        settings = self._settings_of(function)
        return function if settings is None else RescindFunction.instead_of(function, settings)

    def _settings_of(self, item: pytest.Function) -> Settings | None:
        """Return the settings of a test of ours; None: it is none."""
        marks = list(item.iter_markers("rescind"))
        if not is_async_test(item.obj):
            own = getattr(item.obj, "pytestmark", ())
            if any(mark.name == "rescind" for mark in own):
                raise _error(item, "is marked 'rescind', and is no async function: say 'async def'")
            return None
        if not marks and not (self._auto and _free(item)):
            return None
        try:
            settings = marked(self._usual, marks)
        except UsageError as exc:
            raise _error(item, f": {exc}") from None
        if settings.explored and inner_of(item.obj) is not item.obj:
            raise _error(item, "is explored, and hypothesis makes its arguments: one of the two")
        return settings

    def refuse_unittest(self, case: pytest.Class) -> None:
        """Look at the marks of a case of unittest, whose methods it runs itself.

        Raises:
            pytest.Collector.CollectError: one of its tests is marked, as far as that means it.
        """
        around = case.get_closest_marker("rescind") is not None
        for name, method in inspect.getmembers(case.obj, inspect.isfunction):
            if not name.startswith(unittest.TestLoader.testMethodPrefix):
                continue
            own = any(mark.name == "rescind" for mark in getattr(method, "pytestmark", ()))
            if own or (around and is_async_test(method)):
                raise pytest.Collector.CollectError(
                    f"{case.nodeid}::{name} is marked 'rescind', and is run by unittest, in a loop "
                    "of its own: make it a function, or its class none of unittest"
                )

    def select(self, items: list[pytest.Item]) -> None:
        """With a token, leave its test alone in the list.

        Raises:
            pytest.UsageError: it is not there.
        """
        if self._target is None:
            return
        found = [item for item in items if item.nodeid == self._target]
        if not any(isinstance(item, RescindFunction) for item in found):
            raise pytest.UsageError(
                f"--rescind-replay: the token is of {self._target}, which is not among the "
                f"{len(items)} tests that were collected"
            )
        left = [item for item in items if item.nodeid != self._target]
        self._config.hook.pytest_deselected(items=left)
        items[:] = found

    # -- running them -----------------------------------------------------------------------------

    def _sweeping(self) -> bool:
        """Does ``--cancel-sweep`` run a test again just now, with its own fixtures?"""
        checker: Any = self._config.pluginmanager.get_plugin("rescind-check")
        return checker is not None and checker.sweeping

    def instead_of_fixture(
        self, item: Any, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Callable[..., Any] | None:
        """Return what makes an async fixture of our tests."""
        if isinstance(item, RescindFunction) and item.bed is not None and not self._sweeping():
            return instead_of(item.bed, fixturedef, request)
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Run a test of ours."""
        if not isinstance(pyfuncitem, RescindFunction) or self._sweeping():
            return None
        if self._token is not None or pyfuncitem.explored:
            self._in_the_lab(pyfuncitem)
        else:
            self._in_a_runtime(pyfuncitem)
        return True

    def _in_a_runtime(self, item: RescindFunction) -> None:
        try:
            suspicious = item.play()
        except BaseException as exc:
            if "pytest-timeout" in str(exc):
                item.stash[_TEXT] = item.stash.get(_TREE, None) or tree()
            raise
        if suspicious:
            lines, late = item.look_early(Again(item).release)
            if late is not None:
                item.stash[LATE] = late
            if lines:
                pytest.fail(str(Leaked(lines)), pytrace=False)

    def _in_the_lab(self, item: RescindFunction) -> None:
        timers_off(item)  # an exploration has its budget
        try:
            if self._token is not None:
                item.stash[_TOLD] = replay_test(item, self._token)
            else:
                item.stash[_TOLD] = explore_test(item, self._regressions)
            return
        except Unsound as exc:
            error, text = exc.error, exc.text
        except OutOfTime as exc:
            error, text = None, str(exc)
        if error is None:
            pytest.fail(text, pytrace=False)
        item.stash[_TEXT] = text
        raise error

    # -- time-outs of pytest-timeout --------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, optionalhook=True)
    def pytest_timeout_set_timer(
        self, item: pytest.Item, settings: Any
    ) -> Generator[None, Any, Any]:
        """Take the tree of tasks when the time is up, before anything is unwound."""
        result = yield
        if not isinstance(item, RescindFunction):
            return result
        if settings.method == "thread":
            _tell_before(item, settings.timeout)
            return result
        ring: Any = signal.getsignal(signal.SIGALRM)
        if callable(ring):

            def first(number: int, frame: Any) -> None:
                if item.bed is not None:
                    item.stash[_TREE] = tree()
                ring(number, frame)

            signal.signal(signal.SIGALRM, first)
        return result

    # -- telling ----------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[Any]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add the timeline, or the tree, to the report of a failure; from a worker too."""
        report = yield
        text = item.stash.get(_TEXT, None)
        if text is not None and report.failed:
            del item.stash[_TEXT]
            _add(report, text)
        told = item.stash.get(_TOLD, None)
        if told is not None and call.when == "call":
            report.rescind_explored = asdict(told)  # type: ignore[attr-defined]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in what was explored, here or by a worker."""
        told: dict[str, Any] | None = getattr(report, "rescind_explored", None)
        if told is not None:
            self._told[report.nodeid] = Told(**told)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say how far tests were explored that passed."""
        if not self._told:
            return
        terminalreporter.section("explored")
        if self._token is not None:
            terminalreporter.write_line("the run of this token passes now")
            return
        runs = sum(told.runs for told in self._told.values())
        # Of all workers together, if there are several: what one of them does in a second.
        rate = runs / max(sum(told.seconds for told in self._told.values()), 1e-9)
        tests = "1 test passes" if len(self._told) == 1 else f"{len(self._told)} tests pass"
        terminalreporter.write_line(f"{tests}, in {runs} runs ({rate:,.0f} a second)")
        for test, told in self._told.items():
            if told.within < told.changes or terminalreporter.verbosity > 0:
                terminalreporter.write_line(
                    f"{test}: within {told.within} of {told.changes} changes, {told.runs} runs"
                )


def _usual(config: pytest.Config) -> Settings:
    """Return what the command line, and the file of settings, ask for."""
    usual = Settings()
    hosts: list[str] = config.getini("rescind_hosts")
    if hosts:
        usual = marked(usual, [pytest.mark.rescind(hosts=hosts).mark])
    seed: int | None = config.getoption("rescind_seed")
    if seed is not None:
        usual = replace(usual, seed=seed)
    if budget := config.getoption("rescind_budget"):
        usual = replace(usual, budget=seconds_of(budget))
    return usual


def _check_modes(config: pytest.Config, *, auto: bool) -> None:
    mode = config.getini("rescind_mode")
    if mode not in ("strict", "auto"):
        raise UsageError(f"rescind_mode is 'strict' or 'auto', not {mode!r}")
    for other in ("asyncio_mode", "anyio_mode"):
        if auto and mode_of(config, other) == "auto":
            raise UsageError(
                f"rescind_mode and {other} are both 'auto', and claim the same tests; make one of "
                "them 'strict'"
            )


def _free(item: pytest.Function) -> bool:
    """Does no other plugin run this async test?"""
    names = item.fixturenames
    others = any(item.get_closest_marker(name) for name in _OTHERS)
    return not others and "anyio_backend" not in names


def _error(item: pytest.Function, words: str) -> pytest.Collector.CollectError:
    space = "" if words.startswith(":") else " "
    return pytest.Collector.CollectError(f"{item.nodeid}{space}{words}")


def _add(report: pytest.TestReport, text: str) -> None:
    """Put a text below the traceback, where no option hides it."""
    longrepr: Any = report.longrepr
    if hasattr(longrepr, "addsection"):
        longrepr.addsection("rescind", text)
    else:
        report.longrepr = f"{longrepr}\n{text}"


def _tell_before(item: RescindFunction, seconds: float) -> None:
    """Write the tree to stderr shortly before pytest-timeout prints that, and ends the process."""

    def tell() -> None:
        sys.stderr.write(f"{tree()}\n")

    timer = threading.Timer(max(seconds - 0.2, seconds / 2), tell)
    timer.daemon = True
    timer.name = "rescind before pytest-timeout"
    theirs: Any = item.cancel_timeout  # type: ignore[attr-defined]

    def cancel() -> None:
        timer.cancel()
        timer.join()
        theirs()

    item.cancel_timeout = cancel  # type: ignore[attr-defined]
    timer.start()
