"""Explores one test: its fixtures and its body are a program of the lab, made anew for each run.

*What it is.* The seam between pytest, which makes fixtures in synchronous code, and a run of the
lab, on whose executor the async ones and the body are driven. A failing run is shrunk, told with
its timeline, and made once more at the end, so that what it prints is captured as always.

*Threads.* pytest's.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from rescind._core.current import local
from rescind._core.errors import UsageError
from rescind.testing.lab import BadToken, Bounds, Changes, Failure, Lab, Run, timeline
from rescind.testing.lab.errors import Hang, Livelock, OutOfTime
from rescind.testing.lab.executor import LabExecutor
from rescind.testing.lab.exploration import Exploration
from rescind.testing.lab.explore import TOO_FEW, search
from rescind.testing.lab.judge import judge
from rescind.testing.lab.replay import replayed
from rescind.testing.lab.timeline import LEGEND
from rescind.testing.lab.token import fingerprint
from rescind.testing.lab.trial import Trial
from rescind.testing.plugin.again import Again
from rescind.testing.plugin.bed import LabBed
from rescind.testing.plugin.item import RescindFunction
from rescind.testing.plugin.quiet import quiet
from rescind.testing.plugin.watch import Watch

__all__ = ["Told", "Unsound", "explore_test", "replay_test"]


@dataclass(slots=True)
class Told:
    """What an exploration showed; plain data, which goes from a worker to the terminal.

    Attributes:
        verdict: ``pass``, ``fail`` or ``unresolved``.
        runs: how many were made.
        within: with how many changes every run was made.
        changes: with how many it was asked for.
        seconds: how long they took.
    """

    verdict: str
    runs: int
    within: int
    changes: int
    seconds: float


class Unsound(Exception):
    """A test has failed in the lab.

    Attributes:
        error: what to show as the reason; None: only the text.
        text: the report.
    """

    def __init__(self, error: BaseException | None, text: str) -> None:
        super().__init__(text)
        self.error = error
        self.text = text


class _Program:
    """The test as the lab's main, and what is around it in each run.

    Args:
        item: the test; it is torn down.

    Attributes:
        left: the skip, or the xfail, with which a run has ended.
        unmade: what a fixture raised in the last run before the body began.
    """

    def __init__(self, item: RescindFunction) -> None:
        # By these a token knows it.
        self.__qualname__ = item.nodeid
        self.__wrapped__: Any = getattr(item, "function")  # noqa: B009 - it has no type
        self.left: BaseException | None = None
        self.unmade: BaseException | None = None
        self._item = item
        self.again = Again(item)

    async def __call__(self) -> None:
        bed = self._item.bed
        assert bed is not None
        try:
            await bed.body(lambda: self._item.obj(**self.again.arguments))
        except (pytest.skip.Exception, pytest.xfail.Exception) as exc:
            self.left = exc

    def around(self, play: Callable[[], None]) -> None:
        """Make the fixtures, have the body played, and end them; all in time.

        Raises:
            OutOfTime: it was not; what every task did then.
        """
        executor = local.executor
        assert isinstance(executor, LabExecutor)
        watch = Watch(self._item.settings.timeout, "a run of the test", executor.expire)
        try:
            with watch:
                self._around(play, executor)
        except OutOfTime:
            pass
        except KeyboardInterrupt:
            if not watch.interrupted:
                raise
            watch.join()
        if watch.text:
            raise OutOfTime(watch.text)

    def _around(self, play: Callable[[], None], executor: LabExecutor) -> None:
        self._item.bed = LabBed(executor)
        self.unmade = None
        try:
            try:
                self.again.set_up()
            except BaseException as exc:
                self.unmade = exc
                raise
            play()
        except BaseException:
            executor.forbear()
            self._give_up()
            raise
        else:
            self.again.tear_down()
        finally:
            self._item.bed = None

    def _give_up(self) -> None:
        """End the fixtures of a run that hangs, say: what that raises is not the reason."""
        try:
            self.again.tear_down()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:
            pass


def explore_test(item: RescindFunction, regressions: Path | None) -> Told:
    """Explore a test, as its settings say.

    Args:
        item: it must be set up for that: without the fixtures that are made for each run.
        regressions: the file of known failures; None: there is none.

    Raises:
        Unsound: it has failed, or could not be resolved.
        BaseException: what ends every test: a skip, or what its fixtures raise.
    """
    settings = item.settings
    program = _Program(item)
    program.again.release()
    bounds = settings.bounds or Bounds(changes=0)
    trial = Trial(
        program,
        bounds,
        settings.invariants,
        settings.allowed,
        settings.grace,
        around=program.around,
        leaks=settings.leaks,
    )
    try:
        with quiet(item), trial.outside.shut():
            first, failure = trial.run(Changes())
        reason = program.left or program.unmade
        if reason is not None:
            raise reason
        if settings.injections:
            return _injected(program, item)
        with quiet(item):
            report = search(
                trial, seed=settings.seed, budget=settings.budget, regressions=regressions
            )
    except UsageError as exc:
        raise Unsound(None, str(exc)) from None
    del first, failure
    if report.verdict == "fail":
        assert report.token is not None
        _fail(report, program, item)
    # As many runs as were asked for are enough, also if they are not every run with one change.
    asked = bounds.runs is not None and report.runs >= bounds.runs and report.why == TOO_FEW
    if report.verdict != "pass" and not asked:
        raise Unsound(None, str(report))
    return Told("pass", report.runs, report.within, bounds.changes, report.seconds)


def _fail(report: Exploration, program: _Program, item: RescindFunction) -> None:
    token, failure = report.token, report.failure
    assert token is not None and failure is not None
    run, _ = replayed(program, token, program.around)  # what it prints is captured
    settings = item.settings
    again = judge(run, settings.invariants, settings.allowed, settings.leaks)
    if failure.same(again):
        failure = again or failure
    raise Unsound(_shown(failure), report.told(f"run it again: {command(item.nodeid, token)}"))


def _injected(program: _Program, item: RescindFunction) -> Told:
    """Make the one run with the injections that were asked for."""
    settings = item.settings
    began = monotonic()
    run = Lab(
        program, injections=settings.injections, grace=settings.grace, around=program.around
    ).run()
    _check(run, judge(run, settings.invariants, settings.allowed, settings.leaks))
    if run.missed:
        raise Unsound(None, f"the run does not come by this point: {run.missed[0]}")
    return Told("pass", 2, len(run.struck), len(run.struck), monotonic() - began)


def replay_test(item: RescindFunction, token: str) -> Told:
    """Make the run of a token again.

    Raises:
        Unsound: it fails; or the test has changed since the token was made.
    """
    settings = item.settings
    program = _Program(item)
    program.again.release()
    began = monotonic()
    try:
        run, said = replayed(program, token, program.around)
    except UsageError as exc:
        raise Unsound(None, str(exc)) from None
    if fingerprint(program, run) != said.print:
        raise Unsound(
            None,
            "the test, or what it runs through, has changed since this token was made, so that it "
            "may mean another run: run the test without the token",
        )
    _check(run, judge(run, settings.invariants, settings.allowed, settings.leaks))
    changes = len(said.changes)
    return Told("pass", 1, changes, changes, monotonic() - began)


def _check(run: Run[Any], failure: Failure | None) -> None:
    if failure is not None:
        text = f"{failure}\n{timeline(run)}\n\n  {LEGEND}"
        raise Unsound(_shown(failure), text)


def _shown(failure: Failure) -> BaseException | None:
    """Return the exception whose traceback says where it went wrong, if there is one."""
    return None if isinstance(failure.error, (Hang, Livelock)) else failure.error


def command(test: str, token: str) -> str:
    """Return the command that makes a run again."""
    return f"pytest {shlex.quote(test)} --rescind-replay={token}"


def target_of(token: str) -> str:
    """Return the id of the test that a token is of.

    Raises:
        BadToken: it cannot be read.
    """
    from rescind.testing.lab.token import decode

    name = decode(token).name
    if "::" not in name:
        raise BadToken(
            f"this token is of the program {name!r}, and not of a test: rescind.testing.replay "
            "makes its run again"
        )
    return name
