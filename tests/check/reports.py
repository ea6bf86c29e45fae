"""A report as a sweep would make it, of a small program that is written where a test runs."""

from __future__ import annotations

from pathlib import Path

from rescind.check.coverage import Mark
from rescind.check.points import ALL_HELD, Held, Instant, Judge, Mode, Point, RunPlan
from rescind.check.record import Finding, Record, Symptom
from rescind.check.report import Report, Verdict

APP = '''\
"""A pool."""

import asyncio


class Pool:
    async def get(self):
        async with self.lock:
            return await self.queue.get()


async def scenario(env):
    first = await env.pool.get()
    await asyncio.sleep(0)
    return [first, await env.pool.get()]
'''

GET = ("app.py:13 in scenario", "app.py:9 in Pool.get", "/py/site-packages/lib/q.py:4 in Queue.get")
SLEEP = ("app.py:14 in scenario",)


def point(stack: tuple[str, ...] = GET, visit: int = 1, task: str = "root") -> Point:
    """Return a point."""
    return Point(task, stack, visit)


def plan(
    at: Point | None = None,
    instant: Instant = Instant.PARKED,
    mode: Mode = Mode.ASYNCIO,
    judge: Judge = Judge.FOLLOW_UP,
    *,
    hold: Held | None = None,
    second: int = 0,
) -> RunPlan:
    """Return a plan."""
    return RunPlan(at or point(), instant, mode, judge, second, hold)


def finding(
    detector: str,
    sentence: str,
    at: RunPlan,
    expected: str = "",
    seen: str = "",
    *,
    remedy: str = "",
    severity: str = "verdict",
    rate: float = 1.0,
) -> Finding:
    """Return a finding."""
    assert severity in ("verdict", "hint")
    symptom = Symptom(sentence, expected, seen, remedy)
    return Finding(detector, "hint" if severity == "hint" else "verdict", at, symptom, rate)


def mixed_up(at: RunPlan | None = None) -> Finding:
    """Return the finding that is worst."""
    return finding(
        "follow-up",
        "the next use gets another result: a response that belongs to another request",
        at or plan(judge=Judge.PROMPT, hold=ALL_HELD),
        "returned ['A', 'B']",
        "returned ['B', 'B']",
        remedy="give the connection up",
    )


def example(folder: Path) -> Report:
    """Write the program into ``folder``, and return a report on it: broken, and not all tried."""
    (folder / "app.py").write_text(APP, encoding="utf-8")
    report = Report("app.py::scenario", runs=40, seconds=1.25, untried=3)
    worst = mixed_up()
    left = finding("tasks left", "2 tasks still run", plan(), "none", "get at app.py:9 in Pool.get")
    hint = finding(
        "hang",
        "the canceled scenario never ends",
        plan(point((), 0, "root/1"), Instant.UNSTARTED),
        "it ends",
        "nothing can happen any more",
        severity="hint",
        rate=2 / 3,
    )
    report.findings += [worst, left, hint, mixed_up(plan(mode=Mode.TIMEOUT))]
    report.confirmed = [left, hint, worst]
    for one in report.findings:
        report.mark(one.plan, Verdict.BROKEN if one.severity == "verdict" else Verdict.SURVIVED)
    lost = plan(instant=Instant.WOKEN)
    report.unresolved[lost] = "the run went another way"
    report.mark(lost, Verdict.UNRESOLVED)
    report.mark(plan(point(SLEEP)), Verdict.SURVIVED)
    report.set_aside = {"anyio": "its library is not installed"}
    clean = Record(plan().clean(), points=[(point(), False), (point(SLEEP), True)])
    report.coverage.note(clean)
    report.coverage.note(Record(plan(), struck=True, landed=[point()]), broken=True)
    report.coverage.note(Record(plan(point(SLEEP)), struck=True, landed=[point(SLEEP)]))
    return report


def mark_of(report: Report, line: int) -> Mark:
    """Return the marks of a line of the program."""
    return next((mark for _, number, mark in report.coverage if number == line), Mark(0))
