"""Runs a program's main in a runtime: what is said about signals, and with which code it exits.

| main | exit code |
|---|---|
| returned an int | that |
| returned anything else | 0 |
| raised ``SystemExit`` | that of the exception |
| raised anything else, or was canceled by its own program | 1 |
| was asked to stop by SIGINT or SIGTERM, whatever it then returned | 130 or 143 |
"""

from __future__ import annotations

import logging
import signal
import sys
from dataclasses import replace
from typing import Any, Final, Literal

from rescind._core.frames import shortened
from rescind._core.grace import UNSET
from rescind._core.outcome import Completed, Error, Outcome
from rescind._core.reason import CancelKind
from rescind._host.asyncio import AsyncioHost
from rescind._host.signals import SignalNotice
from rescind._warn.settings import chosen
from rescind.cli import say
from rescind.cli.summary import Tally
from rescind.cli.target import Refused, Target
from rescind.cli.watching import dumped_on_signal, looked_at, traced
from rescind.runtime import Runtime

__all__ = ["execute"]

_FAILED: Final = 1
#: So many cleanups that overran are named; the rest is counted.
_LATE: Final = 8
_INTERRUPTED: Final = 128 + signal.SIGINT


def execute(
    target: Target,
    *,
    grace: float | None,
    uvloop: bool,
    debug: bool,
    trace: str | None = None,
    warn: bool | None = None,
    top: bool = False,
    top_address: str | None = None,
) -> int:
    """Run the target to its end, its cleanup included; return the exit code.

    Args:
        target: what to run.
        grace: for its cleanup, in seconds; None: unbounded.
        uvloop: run on uvloop.
        debug: asyncio's debug mode, and tracebacks in full.
        trace: the file to record into what happens, or None.
        warn: of everything, or of nothing; None: as the environment says.
        top: let ``rescind top`` look at it.
        top_address: the same, at this address.

    Raises:
        Refused: uvloop is not installed, the file cannot be written, there is no such address, or
            the environment is wrong.
    """
    host: Literal["uvloop", "asyncio"] = "uvloop" if uvloop else "asyncio"
    try:
        settings = chosen(warn)
        if settings.slow_poll is not None:
            settings = replace(settings, watchdog=True)
        runtime = Runtime(host=host, grace=grace, handle_signals=True, warn=settings, name="main")
    except (ImportError, ValueError) as exc:
        raise Refused(str(exc)) from None
    if debug and isinstance(runtime.host, AsyncioHost):
        runtime.host.loop.set_debug(True)
    runtime.on_signal = _announce
    tally = Tally(runtime)
    handler = say.LogHandler(full=debug)
    logger = logging.getLogger("rescind")
    logger.addHandler(handler)
    try:
        with (
            dumped_on_signal(runtime.host),
            traced(trace),
            looked_at(top or top_address is not None, top_address),
        ):
            code = _main(runtime, target, debug)
            code = _shut_down(runtime, code)
    finally:
        logger.removeHandler(handler)
    _report_overruns(runtime)
    lines = tally.lines(interrupted=runtime.signals.name is not None)
    if lines and trace is None:  # else the trace's summary has said it
        say.note("at the end:", "\n".join(f"  {line}" for line in lines))
    return code


def _main(runtime: Runtime, target: Target, debug: bool) -> int:
    """Run main alone; return the exit code so far."""
    try:
        task = runtime.drive(target.function(*target.arguments))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except SystemExit as exc:
        return _exit_code(exc)
    except Exception as exc:
        say.write(say.traceback_of(exc, full=debug))
        return _FAILED
    outcome = task.outcome()
    assert outcome is not None
    code = _settle(outcome, debug)
    if isinstance(outcome, Error):
        return code
    return _signal_code(runtime, code)


def _shut_down(runtime: Runtime, code: int) -> int:
    """End what main left behind."""
    try:
        report = runtime.shutdown("main has ended", grace=0 if runtime.signals.count > 1 else UNSET)
    except KeyboardInterrupt:
        return _INTERRUPTED
    if report.errors:
        lines = [f"  {error.label}: {error.error}" for error in report.errors]
        say.note("while the runtime was shut down, this failed:", "\n".join(lines))
    if report.leftovers:
        left = [f"  {left}" for left in report.leftovers]
        say.note("the runtime was shut down, but this has not ended:", "\n".join(left))
    return code if code == _FAILED else _signal_code(runtime, code)


def _signal_code(runtime: Runtime, code: int) -> int:
    name = runtime.signals.name
    return code if name is None else 128 + signal.Signals[name]


def _exit_code(exc: SystemExit) -> int:
    if exc.code is None:
        return 0
    if isinstance(exc.code, int):
        return exc.code
    print(exc.code, file=sys.stderr)  # as Python itself does
    return _FAILED


def _settle(outcome: Outcome[Any], debug: bool) -> int:
    """Show what went wrong; return the exit code."""
    if isinstance(outcome, Completed):
        value: object = outcome.value
        return value if isinstance(value, int) and not isinstance(value, bool) else 0
    if isinstance(outcome, Error):
        say.write(say.traceback_of(outcome.exception, full=debug))
    elif outcome.reason.kind is not CancelKind.SIGNAL:
        say.note(f"main was canceled: {outcome.reason}")
    for failure in outcome.also:
        say.note("the cleanup of main failed:", say.traceback_of(failure, full=debug).rstrip())
    return _FAILED


# -- signals --------------------------------------------------------------------------------------


def _announce(notice: SignalNotice, runtime: Runtime) -> None:
    """Say what the signal does, how to hurry it up, and what is being waited for."""
    key = "Ctrl-C" if notice.name == "SIGINT" else notice.name
    again = "Press Ctrl-C again" if notice.name == "SIGINT" else "Send it again"
    alive = len(runtime.tasks())
    if notice.count > 1:
        text = f"{key} again: stopping at once. Cleanup that is not done is dropped."
    elif notice.shutdown:
        text = (
            f"{key}: main has ended; the cleanup of {_tasks(alive)} {_may_take(runtime)}. "
            f"{again} to stop at once."
        )
    else:
        text = f"{key}: canceling main; its cleanup {_may_take(runtime)}. {again} to stop at once."
    lines = runtime.executor.describe_hang() if alive else ""
    if notice.busy is not None:
        where = f"{shortened(str(notice.busy))} in {notice.busy.function}"
        more = "once more" if notice.count > 1 else "three times in all"
        how = f"; press Ctrl-C {more} to interrupt it" if notice.name == "SIGINT" else ""
        text += f"\n  It runs without awaiting, at {where}, and stops at its next await{how}."
    if sys.stderr.isatty():
        say.write("\n")  # the terminal has just shown ^C
    say.note(text, f"Waiting for:\n{lines}" if lines else "")


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"


def _may_take(runtime: Runtime) -> str:
    grace = runtime.executor.grace
    return "may take as long as it needs" if grace is None else f"may take up to {grace:g} s"


def _report_overruns(runtime: Runtime) -> None:
    """List the cleanups that were dropped, and where they were stuck."""
    late = runtime.executor.overruns
    if not late:
        return
    more = [f"  … and {len(late) - _LATE} more"] if len(late) > _LATE else []
    lines = [
        f"  {one.task}: {one.seconds:.1f} s after it was canceled it was still at "
        f"{shortened(one.place)}"
        + (", and did not end even when it was dropped" if one.abandoned else "")
        for one in late[:_LATE]
    ]
    say.note("cleanup that was not done in time was dropped:", "\n".join(lines + more))
