"""``rescind check``: what its options mean, and how a sweep is shown while it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

from rich.console import Console
from rich.status import Status

from rescind.check.detectors import DETECTORS
from rescind.check.plan import Options
from rescind.check.run import execute
from rescind.check.sweep import NotCheckable, Progress, Sweep
from rescind.check.target import NotFound, load_scenario
from rescind.check.token import BadToken, decode
from rescind.cli import say
from rescind.cli.outputs import Outputs
from rescind.cli.target import Refused

__all__ = ["check", "replay"]


def check(
    target: str,
    *,
    options: Options,
    invariants: bool = True,
    outputs: Outputs,
    quiet: bool = False,
) -> int:
    """Check one scenario; return the exit code."""
    outputs.check()
    try:
        scenario = load_scenario(target, invariants=invariants)
    except NotFound as exc:
        if exc.raised is not None and not isinstance(exc.raised, ImportError):
            say.write(say.traceback_of(exc.raised, full=False))
        raise Refused(str(exc)) from exc
    console = Console(file=sys.stderr)
    with console.status("first without a cancellation") as status:
        sweep = Sweep(scenario, options, None if quiet else _shows(status))
        try:
            report = sweep.run()
        except NotCheckable as exc:
            raise Refused(str(exc)) from exc
        except KeyboardInterrupt:
            report = sweep.report
            report.confirmed = report.shown()
            say.note("interrupted; this is what was found so far")
    return outputs.write(report)


def replay(token: str, *, pdb: bool = False) -> int:
    """Make the run of a token again; return the exit code."""
    try:
        said = decode(token)
        scenario = load_scenario(said.target)
    except (BadToken, NotFound) as exc:
        raise Refused(str(exc)) from exc
    if said.changed:
        say.note("the files on its stack have changed since the token was made")
    clean = execute(scenario, said.plan.clean(), [one() for one in DETECTORS])
    record = execute(scenario, said.plan, [one() for one in DETECTORS])
    if record.error or not record.struck or record.diverged:
        raise Refused(
            f"the run went another way, and was not canceled at {said.plan}"
            + (f": {record.error or record.diverged}" if record.error or record.diverged else "")
        )
    symptoms = [(one.name, symptom) for one in DETECTORS for symptom in one.judge(record, clean)]
    _print([f"canceled  {said.plan}"])
    _print([f"scenario  {record.body}", f"follow-up {record.follow_up}"])
    _print([f"{name}: {symptom.sentence}: {symptom.seen}" for name, symptom in symptoms])
    return 1 if symptoms else 0


def _shows(status: Status) -> Callable[[Progress], None]:
    def show(progress: Progress) -> None:
        status.update(
            f"{progress.done} of {progress.planned} runs, {progress.broken} broken; "
            f"{progress.trying}"
        )

    return show


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
