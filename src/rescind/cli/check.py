"""``rescind check``: what its options mean, and how a sweep is shown while it runs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from rescind._core.errors import UsageError
from rescind.check.account import account_lines
from rescind.check.debug import Stop
from rescind.check.places import brief
from rescind.check.plan import Options
from rescind.check.replay import Astray
from rescind.check.replay import replay as run_again
from rescind.check.report import Report
from rescind.check.scenario import Scenario
from rescind.check.suite import regressions
from rescind.check.sweep import Progress as Step
from rescind.check.sweep import Sweep
from rescind.check.target import NeedsPytest, NotFound, load_scenario
from rescind.check.token import BadToken, decode, encode
from rescind.cli import say
from rescind.cli.outputs import Outputs
from rescind.cli.target import Refused

__all__ = ["Checking", "check", "replay"]

_INTERRUPTED = 130
_BROKEN = 1
#: Seconds between two pictures of the progress.
_REDRAW = 0.1


@dataclass(frozen=True, slots=True)
class Checking:
    """How targets are checked.

    Attributes:
        options: what to try.
        outputs: where to write it.
        invariants: take the invariants of the module.
        timeout: seconds that an uncanceled run may take; None: as the module says.
        cleanup_within: seconds that a cleanup may take; None: as the module says.
        loop: ``asyncio`` or ``uvloop``; None: as the module says.
        regressions: file of what broke before, which is tried first; None: there is none.
        quiet: show no progress.
    """

    options: Options
    outputs: Outputs
    invariants: bool = True
    timeout: float | None = None
    cleanup_within: float | None = None
    loop: str | None = None
    regressions: str | None = None
    quiet: bool = False


def check(targets: Sequence[str], how: Checking) -> int:
    """Check scenarios one after the other; return the exit code of the worst.

    Raises:
        Refused: a target, or an output, is not as it should be; nothing has been run.
    """
    how.outputs.check()
    known = _Known(how.regressions)
    scenarios = [_load(target, invariants=how.invariants) for target in dict.fromkeys(targets)]
    reports: list[Report] = []
    left: dict[str, str] = {}
    interrupted = False
    for number, scenario in enumerate(scenarios):
        if number:
            print(flush=True)
        try:
            report, interrupted = _one(scenario, how, known)
        except Refused as exc:
            left[scenario.name] = exc.format_message()
            say.error(left[scenario.name])
            continue
        reports.append(report)
        how.outputs.show(report)
        if interrupted:
            break
    code = how.outputs.finish(reports, left, several=len(scenarios) > 1)
    known.save()
    return _ended(_INTERRUPTED if interrupted else code)


def _one(scenario: Scenario, how: Checking, known: _Known) -> tuple[Report, bool]:
    """Sweep one scenario; return what was found, and whether that was interrupted."""
    if how.timeout is not None:
        scenario = replace(scenario, timeout=how.timeout)
    scenario = _as_asked(scenario, how.cleanup_within, how.loop)
    failing = known.replayed(scenario)
    if failing:
        say.note(f"{failing} of the known failures of {scenario.name} still fail")
    interrupted = False
    with _progress(quiet=how.quiet) as show:
        sweep = Sweep(scenario, how.options, show)
        try:
            report = sweep.run()
        except UsageError as exc:
            raise Refused(brief(str(exc))) from exc
        except KeyboardInterrupt:
            report, interrupted = sweep.report, True
    if interrupted:
        report.interrupted = True
        report.confirmed = report.confirmed or report.shown()
        say.note("interrupted; this is what was found so far")
        return report, True
    known.note(report)
    return report, False


def replay(
    token: str,
    *,
    pdb: bool = False,
    cleanup_within: float | None = None,
    loop: str | None = None,
    verbose: bool = False,
) -> int:
    """Make the run of a token again, and tell of it; return the exit code."""
    try:
        said = decode(token)
    except BadToken as exc:
        raise Refused(str(exc)) from exc
    if said.changed:
        say.note("the files on its stack have changed since the token was made")
    try:
        scenario = _as_asked(load_scenario(said.target), cleanup_within, loop)
    except NeedsPytest as exc:
        return _in_pytest(said.target, token, exc, pdb=pdb)
    except NotFound as exc:
        raise _refused(exc) from exc
    stop = Stop()
    try:
        run = run_again(scenario, said.plan, [stop] if pdb else [])
    except (Astray, UsageError) as exc:
        raise Refused(str(exc)) from exc
    except KeyboardInterrupt:
        say.note("interrupted")
        return _INTERRUPTED
    if pdb and not stop.stopped:
        say.note("there was no frame to stop in: it had not begun")
    for line in account_lines(run, verbose=verbose):
        print(line)
    return _ended(_BROKEN if run.broken else 0)


def _in_pytest(target: str, token: str, why: NeedsPytest, *, pdb: bool) -> int:
    """Let pytest make the test, which is the only one that can."""
    if find_spec("pytest") is None:
        raise Refused(str(why)) from why
    command = [sys.executable, "-m", "pytest", target, "--cancel-replay", token, "-q"]
    if pdb:
        command += ["--cancel-pdb", "-s"]
    code = subprocess.call(command)
    # Of pytest's own codes, all but those of a test that ran say that it could not be found out.
    return {0: 0, _BROKEN: _BROKEN, 2: _INTERRUPTED}.get(code, 2)


# -- scenarios ------------------------------------------------------------------------------------


def _as_asked(scenario: Scenario, cleanup_within: float | None, loop: str | None) -> Scenario:
    """Return the scenario with the bound, and on the loop, that is asked for, if one is."""
    bound = scenario.cleanup_within if cleanup_within is None else cleanup_within
    return replace(scenario, cleanup_within=bound, loop=loop or scenario.loop)


def _load(target: str, *, invariants: bool) -> Scenario:
    try:
        return load_scenario(target, invariants=invariants)
    except NotFound as exc:
        raise _refused(exc) from exc


def _refused(exc: NotFound) -> Refused:
    """Say why; where the user's own code raised, its traceback comes first."""
    if exc.raised is not None and not isinstance(exc.raised, ImportError):
        say.write(say.traceback_of(exc.raised, full=False))
    return Refused(str(exc))


# -- regressions ----------------------------------------------------------------------------------


class _Known:
    """The failures of earlier checks."""

    def __init__(self, file: str | None) -> None:
        self._path = None if file is None else Path(file)
        if self._path is not None and self._path.is_dir():
            raise Refused(f"cannot write {file!r}: it is a directory")
        if self._path is not None and not self._path.parent.is_dir():
            raise Refused(
                f"cannot write {file!r}: there is no directory {str(self._path.parent)!r}"
            )
        self._tests = {} if self._path is None else regressions.load(self._path)

    def replayed(self, scenario: Scenario) -> int:
        """Make the known failures again; return how many still fail."""
        return sum(_fails(scenario, token) for token in self._tests.get(scenario.name, ()))

    def note(self, report: Report) -> None:
        """Remember what broke now, and forget what did before."""
        if self._path is None:
            return
        self._tests.pop(report.name, None)
        broken = [one for one in report.confirmed if one.severity == "verdict"]
        if broken:
            self._tests[report.name] = [encode(report.name, one.plan) for one in broken]

    def save(self) -> None:
        """Write the file."""
        if self._path is not None:
            try:
                regressions.save(self._path, self._tests)
            except OSError as exc:
                raise Refused(f"cannot write {str(self._path)!r}: {exc.strerror}") from exc


def _fails(scenario: Scenario, token: str) -> bool:
    try:
        return run_again(scenario, decode(token).plan).broken
    except UsageError:
        return False


# -- what is shown meanwhile ----------------------------------------------------------------------


@contextlib.contextmanager
def _progress(*, quiet: bool) -> Generator[Callable[[Step], None] | None, None, None]:
    """Show a bar, and what is being tried, on standard error if that is a terminal."""
    console = Console(file=sys.stderr)
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (
        SpinnerColumn(),
        BarColumn(bar_width=24),
        TextColumn("{task.completed}/{task.total} runs"),
        TextColumn("{task.fields[broken]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[trying]}", markup=False),
    )
    # Without a thread that draws: what it made would be counted with what a run leaves, and
    # processes are forked from this one. So it is drawn between runs.
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as bar:
        task = bar.add_task("", total=None, broken="", trying="first without a cancellation")
        bar.refresh()
        drawn = monotonic()

        def show(step: Step) -> None:
            nonlocal drawn
            now = monotonic()
            if now - drawn < _REDRAW:
                return
            drawn = now
            # One fault has many symptoms; how many places are broken is known in the end.
            count = "1 symptom" if step.broken == 1 else f"{step.broken} symptoms"
            broken = f"[bold red]{count}[/]" if step.broken else ""
            room = max(10, console.width - 60)
            trying = step.trying if len(step.trying) <= room else f"…{step.trying[1 - room :]}"
            bar.update(
                task,
                completed=step.done,
                total=max(step.planned, step.done),
                broken=broken,
                trying=trying,
                refresh=True,
            )

        yield show


# -- the end --------------------------------------------------------------------------------------


def _ended(code: int) -> int:
    """Return the code; end the process at once if a thread of the scenario never would."""
    main = threading.main_thread()
    left = [one for one in threading.enumerate() if one is not main and not one.daemon]
    if left and threading.current_thread() is main:
        names = ", ".join(sorted({one.name for one in left}))
        say.note(f"{len(left)} threads of the scenario still run, and are given up: {names}")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code
