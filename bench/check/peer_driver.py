"""Runs one peer over one scenario: `peer_driver.py PEER SCENARIO ORACLE SETTLE BUDGET OUT`.

It runs in an environment that has the peer and the pins of the case, and nothing of rescind. The
report has the form of `rescind check`'s.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import logging
import os
import sys
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

UNKNOWN = object()
#: How many attempts cancellens makes before it cancels any.
BASELINES = 2


class Broken(Exception):
    """What had to hold does not."""


class Scenario:
    """The functions of a scenario, and the two oracles."""

    def __init__(self, path: Path, oracle: str, settle: float) -> None:
        spec = importlib.util.spec_from_file_location("scenario", path)
        assert spec is not None
        assert spec.loader is not None
        module: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.run = module.scenario
        self._setup = getattr(module, "setup", None)
        self._invariant = module.invariant
        self._teardown = getattr(module, "teardown", None)
        self._oracle = oracle
        self._settle = settle
        self._expected: Any = UNKNOWN
        self.timeout = float(getattr(module, "TIMEOUT", 1.0))

    async def setup(self) -> Any:
        """Return a new env."""
        env = SimpleNamespace()
        if self._setup is not None:
            await self._setup(env)
        return env

    async def teardown(self, env: Any) -> None:
        """End what setup began."""
        if self._teardown is not None:
            await self._teardown(env)

    async def look(self, env: Any, outcome: tuple[str, Any], *, canceled: bool) -> None:
        """Raise Broken if the program does not keep its promise."""
        if not canceled:
            if outcome[0] == "returned":
                self._expected = outcome[1]
            # The invariant wants to know how a canceled scenario ended, and this was none.
            outcome = ("clean", outcome[1])
        if self._settle:
            await asyncio.sleep(self._settle)
        try:
            await asyncio.wait_for(self._look(env, outcome), self.timeout)
        except TimeoutError:
            raise Broken("the oracle's own use of the shared state hung") from None

    async def _look(self, env: Any, outcome: tuple[str, Any]) -> None:
        if self._oracle == "invariant":
            try:
                await self._invariant(env, outcome)
            except AssertionError as exc:
                raise Broken(str(exc)) from exc
            return
        try:
            got = await self.run(env)
        except TimeoutError:
            raise
        except Exception as exc:
            raise Broken(f"the follow-up failed: {exc!r}") from exc
        if self._expected is not UNKNOWN and got != self._expected:
            raise Broken(f"the follow-up returned {got!r}, not {self._expected!r}")


def with_cancellens(scenario: Scenario, budget: float) -> dict[str, Any]:
    """Sweep with cancellens, one cancellation and two."""
    cancellens: Any = importlib.import_module("cancellens")

    # An oracle is not told which attempt it judges.
    attempts = 0

    async def oracle(env: Any, completion: Any) -> None:
        how = (completion.state, completion.value)
        try:
            await scenario.look(env, how, canceled=attempts > BASELINES)
        except Broken as exc:
            raise cancellens.InvariantViolation(str(exc)) from exc

    async def factory() -> Any:
        nonlocal attempts
        attempts += 1
        return await scenario.setup()

    case = cancellens.Case(factory, scenario.run, oracle, scenario.teardown)
    limits = cancellens.Limits(
        max_points=200,
        max_attempts=2000,
        phase_timeout=scenario.timeout + 1,
        total_timeout=budget,
        cleanup_timeout=0.5,
    )
    report: Any = asyncio.run(cancellens.sweep(case, limits=limits))
    findings = [
        {
            "detector": "oracle",
            "class": "verdict",
            "place": _place(attempt),
            "mode": "asyncio" if len(attempt.schedule.cancel_at) == 1 else "twice",
            "sentence": attempt.oracle.detail or "",
        }
        for attempt in report.attempts
        if attempt.outcome.value == "FAIL"
    ]
    reasons = [
        reason
        for attempt in report.attempts
        for reason in (*attempt.reasons, attempt.oracle.detail, attempt.setup.detail)
        if reason
    ]
    return {
        "verdict": {"FAIL": "broken", "PASS": "clean"}.get(report.outcome.value, "unresolved"),
        "reason": "; ".join(dict.fromkeys([*report.coverage.reasons, *reasons]))[:300],
        "findings": findings,
        "points": report.coverage.baseline_points,
        "runs": len(report.attempts),
    }


def _place(attempt: Any) -> str:
    if not attempt.schedule.prefix:
        return "before it began"
    stack = attempt.schedule.prefix[-1].stack
    return " <- ".join(f"{frame.file}:{frame.line} in {frame.function}" for frame in stack[-2:])


def with_detangle(scenario: Scenario, budget: float, *, reorder: bool) -> dict[str, Any]:
    """Explore with detangle: a cancellation at any await, and what it calls a bug by itself."""
    detangle: Any = importlib.import_module("detangle")

    async def plain() -> None:
        env = await scenario.setup()
        try:
            await scenario.look(env, ("returned", await scenario.run(env)), canceled=False)
        finally:
            await scenario.teardown(env)

    async def program() -> None:
        env = await scenario.setup()
        try:
            loop: Any = asyncio.get_running_loop()
            task = loop.create_task(scenario.run(env))
            detangle.inject_cancellation(task, points=64)
            await asyncio.wait([task])
            if task.cancelled():
                outcome: tuple[str, Any] = ("cancelled", None)
            elif task.exception() is not None:
                outcome = ("raised", task.exception())
            else:
                outcome = ("returned", task.result())
            await scenario.look(env, outcome, canceled=task in loop.injected)
        finally:
            await scenario.teardown(env)

    findings: list[dict[str, Any]] = []
    result: dict[str, Any] = {"verdict": "clean", "reason": "", "findings": findings, "points": 0}
    try:
        detangle.run(plain)
    except Exception as exc:
        result["reason"] = f"cannot run it at all: {exc!r}"[:300]
        return {**result, "verdict": "unresolved", "runs": 1}
    try:
        stats: Any = detangle.explore(
            program, runs=2000, max_duration=budget, database=False, reorder=reorder, seed=1
        )
        return {**result, "runs": stats.runs}
    except detangle.BugFound as exc:
        failure: Any = exc.report.failure
        said = str(getattr(failure, "message", "") or failure)
        text = f"{failure.kind}: {said}"
        findings.append(
            {"detector": failure.kind, "class": "verdict", "place": "", "mode": "asyncio"}
            | {"sentence": text[:300], "token": exc.token}
        )
        return {**result, "verdict": "broken", "runs": exc.report.runs}


def main(arguments: list[str]) -> None:
    """Run the peer, write the report."""
    peer, path, oracle, settle, budget, out = arguments
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    scenario = Scenario(Path(path), oracle, float(settle))
    begin = time.monotonic()
    if peer == "cancellens":
        report = with_cancellens(scenario, float(budget))
    else:
        report = with_detangle(scenario, float(budget), reorder=peer == "detangle")
    report["totals"] = {
        "points": report.pop("points"),
        "runs": report.pop("runs"),
        "seconds": time.monotonic() - begin,
        "unresolved": 0,
    }
    Path(out).write_text(json.dumps(report, indent=1, default=str), encoding="utf-8")
    # What a scenario left running is not waited for.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
