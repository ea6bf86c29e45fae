"""A whole sweep: what it finds, what it calls unresolved, when it stops, and what it refuses."""

import asyncio
import gc
import os
import signal
import threading
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from rescind import UsageError
from rescind.check import (
    Env,
    Instant,
    Judge,
    Mode,
    NotCheckable,
    Options,
    Progress,
    RunPlan,
    Sweep,
    Verdict,
    asweep,
    sweep,
)
from rescind.check.plan import available_modes, plans_for
from tests.check.kit import case, run

ONCE = Options(modes=(Mode.ASYNCIO,), confirm=1)


async def pool(env: Env) -> None:
    """Make a pool of one."""
    env.free = asyncio.Queue()
    env.free.put_nowait("connection")


async def loses(env: Env) -> str:
    """Take from the pool, and put back; but not after a cancellation."""
    connection = await env.free.get()
    await asyncio.sleep(0.01)
    env.free.put_nowait(connection)
    return str(connection)


async def keeps(env: Env) -> str:
    """Take from the pool, and put back whatever happens."""
    connection = await env.free.get()
    try:
        await asyncio.sleep(0.01)
    finally:
        env.free.put_nowait(connection)
    return str(connection)


async def sleeps() -> str:
    """Park twice."""
    await asyncio.sleep(0.01)
    await asyncio.sleep(0)
    return "done"


# -- what it finds ---------------------------------------------------------------------------------


def test_a_pool_that_loses_a_connection_is_found() -> None:
    """At the await at which it was held, by the simplest run: one cancellation, once."""
    report = sweep(loses, setup=pool)
    assert report.verdict == "broken"
    first = report.confirmed[0]
    assert first.plan.point is not None
    assert "sleep" in first.plan.point.place
    assert (first.plan.mode, first.plan.instant) == (Mode.ASYNCIO, Instant.PARKED)
    assert first.plan.second == 0
    assert first.rate == 1
    assert report.unresolved == {}


def test_a_pool_that_keeps_its_connections_survives_everything() -> None:
    """In all instants and modes, thorough ones too; nothing is unresolved or set aside."""
    report = sweep(keeps, setup=pool, options=Options(instants=tuple(Instant)))
    assert report.verdict == "clean"
    assert (report.findings, report.unresolved, report.set_aside) == ([], {}, {})
    assert report.untried == 0
    assert set(report.matrix.values()) == {Verdict.SURVIVED}
    assert {instant for _, instant, _ in report.matrix} == set(Instant)


def test_what_breaks_only_at_a_second_cancellation_is_found_with_it() -> None:
    """One cancellation is survived at the same place."""

    async def scenario(env: Env) -> str:
        connection = await env.free.get()
        try:
            await asyncio.sleep(0.01)
        finally:
            await asyncio.sleep(0.01)
            env.free.put_nowait(connection)
        return "done"

    report = sweep(scenario, setup=pool, options=ONCE)
    assert report.verdict == "broken"
    assert any(finding.plan.second == 1 for finding in report.confirmed)


def test_what_shows_only_at_times_is_told_with_its_rate() -> None:
    """A finding is run again, and counted."""
    rounds: list[None] = []

    async def scenario() -> str:
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            rounds.append(None)
            if len(rounds) > 1:
                raise
        return "done"

    options = replace(ONCE, confirm=3, judges=(Judge.LOOK,), instants=(Instant.PARKED,))
    report = sweep(scenario, options=options)
    assert [finding.rate for finding in report.confirmed] == [0.25]


# -- what is unresolved ----------------------------------------------------------------------------


def test_a_run_that_went_another_way_is_tried_again_and_then_unresolved() -> None:
    """It is no pass: the matrix and the exit code say so, if nothing else is known."""
    rounds: list[None] = []

    async def scenario() -> str:
        rounds.append(None)
        if len(rounds) > 2:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        return "done"

    options = replace(ONCE, judges=(Judge.LOOK,), instants=(Instant.PARKED,))
    report = sweep(scenario, options=options)
    assert report.verdict == "unresolved"
    assert report.exit_code == 2
    assert set(report.matrix.values()) == {Verdict.UNRESOLVED}
    assert all("step of root 2 is" in why for why in report.unresolved.values())
    assert report.runs == 2 + 3


def test_a_place_that_is_not_reached_is_unresolved() -> None:
    """Nothing was canceled, so nothing was survived."""
    rounds: list[None] = []

    async def scenario() -> str:
        rounds.append(None)
        if len(rounds) <= 2:
            await asyncio.sleep(0.01)
        return "done"

    options = replace(ONCE, judges=(Judge.LOOK,), instants=(Instant.PARKED,))
    report = sweep(scenario, options=options)
    assert set(report.unresolved.values()) == {"the run went another way, and was not canceled"}


def test_setup_that_fails_now_and_then_makes_its_run_unresolved() -> None:
    """It says nothing of cancellation."""
    rounds: list[None] = []

    async def setup(env: Env) -> None:
        rounds.append(None)
        if len(rounds) == 3:
            raise ValueError("no server")

    options = replace(ONCE, judges=(Judge.LOOK,), instants=(Instant.PARKED,))
    report = sweep(sleeps, setup=setup, options=options)
    assert len(report.unresolved) == 1
    assert "no server" in next(iter(report.unresolved.values()))


def test_a_judge_under_which_the_scenario_differs_is_set_aside() -> None:
    """The others are tried all the same; the reason is kept."""

    async def scenario(env: Env) -> str:
        if getattr(env, "used", False):
            raise ValueError("only alone")
        env.used = True
        await asyncio.sleep(0.01)
        env.used = False
        return "done"

    report = sweep(scenario, options=replace(ONCE, judges=(Judge.FOLLOW_UP, Judge.CROWD)))
    assert list(report.set_aside) == ["asyncio, crowd of 2"]
    assert "only alone" in report.set_aside["asyncio, crowd of 2"]


# -- what is refused -------------------------------------------------------------------------------


async def fails() -> None:
    """Fail."""
    raise ValueError("broken from the start")


async def hangs() -> None:
    """Hang."""
    await asyncio.Event().wait()


def not_async() -> int:
    """Be no coroutine."""
    return 3


async def random() -> int:
    """Return something else each time."""
    await asyncio.sleep(0.01)
    return len(COUNT.append(None) or COUNT)  # type: ignore[func-returns-value]


COUNT: list[None] = []


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        (fails, r"fails, not canceled: the scenario raised ValueError\('broken.*, at .*test_sweep"),
        (hangs, r"hangs, not canceled: the scenario hung: nothing can happen any more, at .* in h"),
        (not_async, r"not_async, not canceled: not_async must be an async function"),
        (random, r"random, not canceled, differs each time: the scenario's result differs"),
    ],
)
def test_a_scenario_that_cannot_be_checked_is_refused(scenario: Any, message: str) -> None:
    """The message names the scenario, what is wrong, and where."""
    with pytest.raises(NotCheckable, match=message):
        sweep(scenario, options=ONCE)


@pytest.mark.parametrize("step", ["setup", "teardown"])
def test_a_setup_or_teardown_that_fails_or_hangs_is_refused(step: str) -> None:
    """With its name."""

    async def broken(env: Env) -> None:
        raise ValueError("broken")

    async def stuck(env: Env) -> None:
        await asyncio.Event().wait()

    with pytest.raises(NotCheckable, match=rf"{step} raised ValueError\('broken'\), at "):
        sweep(sleeps, **{step: broken}, options=ONCE)
    with pytest.raises(NotCheckable, match=rf"{step} hung: nothing can happen any more, at "):
        sweep(sleeps, **{step: stuck}, options=ONCE)


def test_threads_that_never_end_are_refused() -> None:
    """Each run would leave one more."""
    go = threading.Event()
    made: list[threading.Thread] = []

    async def scenario() -> None:
        made.append(threading.Thread(target=go.wait, name="stubborn", daemon=True))
        made[-1].start()
        await asyncio.sleep(0)

    with pytest.raises(NotCheckable, match="leaves a thread behind that does not end: stubborn"):
        sweep(scenario, options=replace(ONCE, judges=(Judge.LOOK,)))
    go.set()
    for thread in made:
        thread.join()


def test_what_is_given_instead_of_a_function_is_refused() -> None:
    """A coroutine, say."""
    coro = sleeps()
    with pytest.raises(UsageError, match="an async function to call again and again"):
        sweep(coro)  # type: ignore[arg-type]
    coro.close()
    with pytest.raises(UsageError, match="timeout must be a positive number"):
        sweep(sleeps, timeout=0)


def test_where_a_loop_runs_the_other_function_is_named() -> None:
    """`sweep` would block it."""

    async def main() -> None:
        sweep(sleeps)

    with pytest.raises(UsageError, match="await asweep"):
        asyncio.run(main())


# -- when it stops ---------------------------------------------------------------------------------


def test_a_number_of_runs_is_kept_to_and_the_rest_is_counted() -> None:
    """What was not tried is said."""

    def told(options: Options) -> list[Progress]:
        seen: list[Progress] = []
        sweep(sleeps, options=options, progress=seen.append)
        return seen

    part = sweep(sleeps, options=replace(ONCE, max_runs=20))
    assert part.runs == 20
    assert part.untried == len(told(ONCE)) - len(told(replace(ONCE, max_runs=20)))
    assert part.verdict == "clean"


def test_a_budget_of_no_time_still_makes_the_first_clean_runs() -> None:
    """And nothing else: those of the kind that is due first tell whether it can be checked."""
    report = sweep(sleeps, options=replace(ONCE, budget=0.0))
    assert report.runs == 2
    assert report.untried > 0


def test_clean_runs_are_made_when_the_first_run_of_their_kind_is_due() -> None:
    """A program whose runs take long is canceled after two clean runs, and not after all."""
    seen: list[Progress] = []
    sweep(sleeps, options=Options(confirm=0), progress=seen.append)
    assert seen[0].done == 2
    assert sum(later.done - now.done > 1 for now, later in pairwise(seen)) > 12


def test_the_order_is_as_if_all_had_been_known() -> None:
    """By weight, those of a kind together; only what a cleanup showed comes last."""
    seen: list[str] = []
    sweep(sleeps, options=Options(), progress=lambda now: seen.append(now.trying))
    records = {
        (mode, judge): run(sleeps, RunPlan(mode=mode, judge=judge))
        for mode in available_modes(Options().modes)
        for judge in Options().judges
    }
    assert seen == list(map(str, plans_for(records, Options())))


def test_a_kind_that_fails_late_is_set_aside_and_what_was_found_is_kept() -> None:
    """Only where nothing is known yet is a scenario refused that fails when it is not canceled."""
    rounds: list[None] = []

    async def scenario(env: Env) -> str:
        rounds.append(None)
        if len(rounds) > 4:
            raise ValueError("worn out")
        return await loses(env)

    judges = (Judge.PROMPT, Judge.LOOK)
    report = sweep(scenario, setup=pool, options=replace(ONCE, judges=judges))
    assert "worn out" in report.set_aside["asyncio, look"]


def test_an_interrupt_leaves_a_true_report() -> None:
    """What was found before it is there."""
    seen: list[Progress] = []

    def progress(now: Progress) -> None:
        seen.append(now)
        if now.broken:
            raise KeyboardInterrupt

    one = Sweep(case(loses, setup=pool), ONCE, progress)
    with pytest.raises(KeyboardInterrupt):
        one.run()
    assert one.report.verdict == "broken"
    assert one.report.verdicts != []
    assert one.report.untried > 0
    assert one.report.seconds > 0
    assert seen[-1].done == one.report.runs
    assert gc.isenabled()


def test_progress_tells_what_is_tried() -> None:
    """Before each run."""
    seen: list[Progress] = []
    report = sweep(sleeps, options=ONCE, progress=seen.append)
    assert len(seen) == report.runs - 2 * len(ONCE.judges)
    assert seen[-1].planned == len(seen)
    assert seen[0].trying.endswith("by asyncio; follow-up")


def test_the_collector_is_as_before() -> None:
    """Neither off nor frozen."""
    frozen = gc.get_freeze_count()
    sweep(sleeps, options=ONCE)
    assert gc.isenabled()
    assert gc.get_freeze_count() <= frozen


# -- in async code, and in processes ---------------------------------------------------------------


def test_async_code_can_wait_for_a_sweep() -> None:
    """Its own loop goes on meanwhile."""

    async def main() -> tuple[str, int]:
        beats = 0

        async def beat() -> None:
            nonlocal beats
            while True:
                beats += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(beat())
        report = await asweep(sleeps, options=ONCE)
        task.cancel()
        return report.verdict, beats

    verdict, beats = asyncio.run(main())
    assert verdict == "clean"
    assert beats > 1


def test_a_sweep_that_is_canceled_begins_no_more_runs() -> None:
    """It has ended when the cancellation is raised."""
    seen: list[Progress] = []
    began, canceled = threading.Event(), threading.Event()

    def progress(now: Progress) -> None:
        seen.append(now)
        began.set()
        canceled.wait()

    async def main() -> int:
        task = asyncio.create_task(asweep(sleeps, progress=progress))
        await asyncio.to_thread(began.wait)
        task.cancel()
        for _ in range(3):
            await asyncio.sleep(0)
        assert not task.done()
        canceled.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(seen)

    assert asyncio.run(main()) == len(seen) == 1


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@needs_fork
@pytest.mark.parametrize("body", [loses, keeps])
def test_several_processes_find_what_one_finds(body: Any) -> None:
    """The same report in the same order, but for the seconds."""
    reports = [sweep(body, setup=pool, options=Options(processes=n)) for n in (1, 3)]
    for report in reports:
        report.seconds = 0.0
    one, three = reports
    assert one.findings == three.findings
    assert one.confirmed == three.confirmed
    assert list(one.matrix.items()) == list(three.matrix.items())
    assert (one.runs, one.untried, one.unresolved) == (three.runs, three.untried, three.unresolved)


@needs_fork
def test_a_process_that_dies_costs_its_own_run_alone() -> None:
    """That one is unresolved, and says how it ended."""
    home = os.getpid()

    async def scenario() -> str:
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            if os.getpid() != home:
                os.kill(os.getpid(), signal.SIGKILL)
            raise
        return "done"

    options = replace(ONCE, judges=(Judge.LOOK,), processes=2)
    report = sweep(scenario, options=options)
    assert set(report.unresolved.values()) == {"the process that made the run ended with signal 9"}
    assert len(report.unresolved) == 2
    assert Verdict.SURVIVED in report.matrix.values()


@needs_fork
def test_no_process_is_left() -> None:
    """Not even after an interrupt."""
    import multiprocessing

    def progress(now: Progress) -> None:
        if now.done > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(sleeps, options=replace(ONCE, processes=2), progress=progress)
    assert multiprocessing.active_children() == []
