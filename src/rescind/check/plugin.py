"""The part of the plugin of pytest that does things: sweeps tests that passed, and tells.

*What it is.* A test runs as always. Has it passed, its own fixtures are torn down, and it is made
and run again for each planned run (`suite.trial`), all within pytest's call phase, so that what it
prints is captured, marks such as xfail decide as always, and a finding is an ordinary failure.

*What it is not.* Imported unless an option or a mark asks for it: see `rescind_pytest`.

*Threads.* pytest's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rescind._core.errors import UsageError
from rescind.check.coverage_file import COVERAGE_FILE, add_coverage
from rescind.check.debug import Stop
from rescind.check.suite import regressions
from rescind.check.suite.given_up import GivenUp
from rescind.check.suite.pages import Pages
from rescind.check.suite.plain import Beds, is_ours
from rescind.check.suite.settings import Settings, marked, options_of
from rescind.check.suite.summary import summary_lines
from rescind.check.suite.trial import Swept, Trial, keeping_loop, no_trial
from rescind.check.words import modes_of, seconds_of
from rescind.testing.plugin.item import RescindFunction
from rescind.testing.plugin.phases import LATE, Phases, timers_off
from rescind.testing.plugin.quiet import quiet

if TYPE_CHECKING:
    from rescind.check.suite.rig import Rig

try:
    import pytest
except ImportError as exc:
    raise ImportError("rescind.check.plugin is loaded by pytest, which is not installed") from exc

__all__ = ["Plugin"]

_SWEPT = pytest.StashKey[Swept]()


class Plugin(Phases):
    """What pytest calls."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._all = bool(config.getoption("cancel_sweep"))
        self._token: str | None = config.getoption("cancel_replay")
        try:
            self._usual = _settings(config)
            self._pages = _pages(config)
        except UsageError as exc:
            raise pytest.UsageError(f"--cancel-…: {exc}") from None
        self._file: Path = config.rootpath / regressions.FILE
        self._known = regressions.load(self._file)
        self._tests: dict[str, Swept] = {}
        self._settings: dict[pytest.Item, Settings] = {}
        self._rig: Rig | None = None
        self._beds = Beds()
        self._given_up = GivenUp()

    # -- what is to be done -----------------------------------------------------------------------

    def look_at(self, items: list[pytest.Item]) -> None:
        """Read the marks of tests.

        Raises:
            pytest.UsageError: one of them means nothing.
        """
        for item in items:
            mark = item.get_closest_marker("cancel_everywhere")
            try:
                if mark is not None:
                    self._settings[item] = marked(self._usual, mark.kwargs, mark.args)
            except (UsageError, TypeError) as exc:
                raise pytest.UsageError(f"{item.nodeid}: {exc}") from None

    @property
    def sweeping(self) -> bool:
        """Is a test being run again just now?"""
        return self._rig is not None and self._rig.run is not None

    def _settings_of(self, item: pytest.Item) -> Settings | None:
        settings = self._settings.get(item)
        if settings is None and (self._all or self._token):
            settings = self._usual
        return settings

    # -- tests ------------------------------------------------------------------------------------

    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Run an async test that nobody else does."""
        if not is_ours(pyfuncitem, sweeping=self._all or self._token is not None):
            return None
        self._beds.run(pyfuncitem)
        return True

    def instead_of_fixture(
        self, item: Any, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Callable[..., Any] | None:
        """Return what makes an async fixture of the tests that are swept, and of those of ours."""
        if self.sweeping:
            assert self._rig is not None
            return self._rig.instead_of(fixturedef, request)
        if is_ours(item, sweeping=self._all or self._token is not None):
            return self._beds.fixture(item, fixturedef, request)
        return None

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Sweep a test that has passed; within what captures its output and its logs."""
        result = yield
        settings = self._settings_of(item)
        if settings is None or not isinstance(item, pytest.Function):
            return result
        if getattr(item, "_excinfo", None):  # unittest's way to fail
            return result
        why_not = no_trial(item)
        if why_not is None:
            return result
        if why_not:
            item.stash[_SWEPT] = Swept(why_not=why_not)
            return result
        swept = self._sweep(item, settings)
        item.stash[_SWEPT] = swept
        if swept.text:
            pytest.fail(swept.text, pytrace=False)
        return result

    def _sweep(self, item: pytest.Function, settings: Settings) -> Swept:
        if isinstance(item, RescindFunction):
            settings = replace(settings, options=_in_rescind(settings.options))
        hints = self._config.get_verbosity() > 0
        trial = Trial(item, settings, _own_files(item), hints=hints, tell=bool(self._pages))
        timers_off(item)  # each run has limits of its own
        with quiet(item):
            try:
                trial.rig.release()
            except BaseException as exc:
                if isinstance(exc, (KeyboardInterrupt, SystemExit)):
                    raise
                item.stash[LATE] = exc  # it belongs to the phase that tears down
                return Swept(why_not="its fixtures fail when they are torn down")
            self._rig = trial.rig
            try:
                with self._given_up.watching():
                    return keeping_loop(lambda: self._tried(trial, item.nodeid))
            finally:
                self._rig = None
                if self._config.getoption("cancel_coverage"):
                    file = self._config.rootpath / COVERAGE_FILE
                    add_coverage(trial.sweep.report.coverage, file)  # workers take turns

    def _tried(self, trial: Trial, test: str) -> Swept:
        if self._token is not None:
            # Not what stands for the streams while the test runs: who types is at the terminal.
            stop = Stop(stdin=sys.__stdin__, stdout=sys.__stdout__)
            more = [stop] if self._config.getoption("cancel_pdb") else []
            return trial.replay([self._token], more) or Swept(runs=2)
        known = self._known.get(test)
        return (trial.replay(known) if known else None) or trial.run()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[Any]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Let what was found go with the report, from a worker too."""
        report = yield
        swept = item.stash.get(_SWEPT, None)
        if call.when == "call" and swept is not None:
            report.rescind_sweep = asdict(swept)  # type: ignore[attr-defined]
        return report

    # -- all tests together -----------------------------------------------------------------------

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in what was found, here or by a worker."""
        found: dict[str, Any] | None = getattr(report, "rescind_sweep", None)
        if found is not None:
            self._tests[report.nodeid] = Swept(**found)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Remember what broke, and write what was asked for."""
        self._given_up.status = int(session.exitstatus)
        self._given_up.alive()
        if hasattr(session.config, "workerinput") or self._token is not None:
            return
        tests = dict(self._known)
        for test, swept in self._tests.items():
            tests.pop(test, None)
            if swept.tokens:
                tests[test] = swept.tokens
        try:
            if tests != self._known:
                regressions.save(self._file, tests)
            if self._pages:
                self._pages.write(self._tests)
        except OSError as exc:
            session.config.issue_config_time_warning(
                pytest.PytestWarning(f"cannot write {exc.filename}: {exc.strerror}"), 2
            )

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was swept, what broke, and what was not swept and why."""
        if self._tests:
            terminalreporter.section("cancel sweep")
            for line in summary_lines(self._tests):
                terminalreporter.write_line(line)
            for file in self._pages.files():
                terminalreporter.write_line(f"written to {file}")
            if left := self._given_up.alive():
                threads = (
                    "1 thread of a canceled test still runs, and is"
                    if left == 1
                    else (f"{left} threads of canceled tests still run, and are")
                )
                terminalreporter.write_line(f"{threads} given up")


def _settings(config: pytest.Config) -> Settings:
    """Return what the command line, and the file of settings, ask for."""
    options = options_of(str(config.getoption("cancel_level")))
    if budget := config.getoption("cancel_budget"):
        options = replace(options, budget=seconds_of(budget))
    if modes := config.getoption("cancel_modes"):
        options = replace(options, modes=modes_of(modes))
    within = config.getoption("cancel_cleanup_within") or config.getini("cancel_cleanup_within")
    return Settings(options, cleanup_within=seconds_of(within) if within else None)


def _pages(config: pytest.Config) -> Pages:
    named = (config.getoption(f"cancel_{kind}") for kind in ("html", "json", "lcov"))
    pages = Pages(
        *(None if file is None else config.invocation_params.dir / file for file in named)
    )
    if not hasattr(config, "workerinput"):
        pages.check()
    return pages


def _in_rescind(options: Any) -> Any:
    """A test that runs in a runtime is canceled as a runtime does it, and run alone."""
    from rescind.check.points import Judge, Mode

    return replace(options, modes=(Mode.RESCIND,), judges=(Judge.LOOK,))


def _own_files(item: pytest.Function) -> frozenset[str]:
    """Return the files that are tests, and not what is tested."""
    plugins = item.config.pluginmanager.get_plugins()
    files = {
        str(file)
        for file in (getattr(plugin, "__file__", None) for plugin in plugins)
        if file is not None and Path(file).name == "conftest.py"
    }
    return frozenset(files | {str(item.path)})
