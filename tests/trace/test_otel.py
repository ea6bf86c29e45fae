"""OpenTelemetry: the right parents, what a cancellation leaves in a span, the numbers."""

import contextvars
import gc
import logging
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, get_current_span

import rescind
from rescind.lowlevel import CancelRequest, Executor, ManualHost, hooks
from rescind.testing import run_virtual
from rescind.trace import Recorder
from rescind.trace.otel import Instrumentation, instrument
from tests.conftest import HostFactory


@dataclass
class Telemetry:
    """What arrives."""

    spans_in: InMemorySpanExporter
    metrics_in: InMemoryMetricReader
    traces: TracerProvider
    meters: MeterProvider

    def instrument(self, **options: Any) -> Instrumentation:
        """Begin."""
        return instrument(self.traces, self.meters, **options)

    @property
    def tracer(self) -> Any:
        """The program's own."""
        return self.traces.get_tracer("program")

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        """Those that have ended, by name; of several with a name the last."""
        return {span.name: span for span in self.spans_in.get_finished_spans()}

    def parents(self) -> dict[str, str | None]:
        """The names of all spans that have ended, with those of their parents."""
        by_id = {span.context.span_id: span.name for span in self.spans_in.get_finished_spans()}
        return {
            span.name: None if span.parent is None else by_id.get(span.parent.span_id, "?")
            for span in self.spans_in.get_finished_spans()
        }

    def points(self, name: str) -> list[tuple[tuple[Any, ...], Any]]:
        """The points of a metric, each with its attributes but for the runtime."""
        data = self.metrics_in.get_metrics_data()
        return [
            (tuple(v for k, v in sorted(point.attributes.items()) if k != "rescind.runtime"), point)
            for resource in (() if data is None else data.resource_metrics)
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def counts(self, name: str) -> dict[tuple[Any, ...], Any]:
        """The values of those points, of all runtimes together."""
        found: Counter[tuple[Any, ...]] = Counter()
        for key, point in self.points(name):
            found[key] += point.value
        return dict(found)


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """Exporters in memory."""
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    traces = TracerProvider(shutdown_on_exit=False)
    traces.add_span_processor(SimpleSpanProcessor(exporter))
    meters = MeterProvider([reader], shutdown_on_exit=False)
    yield Telemetry(exporter, reader, traces, meters)
    assert hooks.observers == ()
    traces.shutdown()
    meters.shutdown()


def _events(span: ReadableSpan) -> list[str]:
    return [event.name for event in span.events]


def _of(telemetry: Telemetry, name: str) -> ReadableSpan:
    """The one that ended first: of two called main the program's own."""
    return next(one for one in telemetry.spans_in.get_finished_spans() if one.name == name)


def _about(span: ReadableSpan, *names: str) -> tuple[Any, ...]:
    return tuple((span.attributes or {}).get(f"rescind.{name}") for name in names)


def _links(telemetry: Telemetry, name: str) -> list[str]:
    by_id = {span.context.span_id: span.name for span in telemetry.spans_in.get_finished_spans()}
    return [by_id[link.context.span_id] for link in telemetry.spans[name].links]


# -- parents ------------------------------------------------------------------------------------


def test_a_span_hangs_below_what_was_current_where_it_was_spawned(telemetry: Telemetry) -> None:
    """The spawning task's, or one that the program has opened there, or around the whole."""

    async def worker() -> None:
        with telemetry.tracer.start_as_current_span("query"):
            await rescind.sleep(1)

    async def main() -> None:
        first = rescind.spawn(worker(), name="first")
        with telemetry.tracer.start_as_current_span("request"):
            second = rescind.spawn(worker(), name="second")
            await rescind.sleep(1)
        await rescind.outcomes(first, second)

    with telemetry.instrument(), telemetry.tracer.start_as_current_span("program"):
        with rescind.Runtime() as runtime:
            runtime.block_on(main())

    parents = telemetry.parents()
    assert parents["first"] == "main"
    assert parents["second"] == "request"
    assert parents["request"] == "main"
    assert parents["main"] == "program"
    assert parents["query"] in ("first", "second")
    queries = [one for one in telemetry.spans_in.get_finished_spans() if one.name == "query"]
    spans = telemetry.spans
    assert {one.parent.span_id for one in queries if one.parent is not None} == {
        spans["first"].context.span_id,
        spans["second"].context.span_id,
    }


def test_nested_groups_are_spans_between_their_tasks(telemetry: Telemetry) -> None:
    """And what comes after the block hangs where the block does."""

    async def inner() -> None:
        async with rescind.task_group() as group:
            group.spawn(rescind.sleep(1), name="leaf")

    async def later() -> None:
        await rescind.sleep(1)

    async def main() -> None:
        async with rescind.task_group(name="outer") as group:
            group.spawn(inner())
            with telemetry.tracer.start_as_current_span("body"):
                group.spawn(later(), name="spawned in body")
        await rescind.spawn(later(), name="after")

    with telemetry.instrument():
        run_virtual(main).unwrap()

    function = f"{test_nested_groups_are_spans_between_their_tasks.__name__}.<locals>.inner"
    parents = telemetry.parents()
    assert parents["group outer"] == "main"
    assert parents[function] == "group outer"
    assert parents["group"] == function
    assert parents["leaf"] == "group"
    assert parents["body"] == "group outer"
    assert parents["spawned in body"] == "body"
    assert parents["after"] == "main"
    assert _about(telemetry.spans["leaf"], "group")[0].startswith("group-")
    assert _about(telemetry.spans["spawned in body"], "group") == ("outer",)


def test_without_groups_their_tasks_hang_below_the_task(telemetry: Telemetry) -> None:
    """And still say which group they are of."""

    async def main() -> None:
        async with rescind.task_group(name="outer") as group:
            group.spawn(rescind.sleep(1), name="one")

    with telemetry.instrument(groups=False):
        run_virtual(main).unwrap()

    assert telemetry.parents()["one"] == "main"
    assert "group outer" not in telemetry.spans
    assert _about(telemetry.spans["one"], "group") == ("outer",)


def test_a_span_that_is_left_open_in_a_block_stays_current(telemetry: Telemetry) -> None:
    """The group takes back what it made current, and nothing else."""

    async def main() -> None:
        async with rescind.task_group():
            left = telemetry.tracer.start_as_current_span("left open")
            span = left.__enter__()
        assert get_current_span() is span
        left.__exit__(None, None, None)

    with telemetry.instrument():
        run_virtual(main).unwrap()

    assert telemetry.parents()["left open"] == "group"


@pytest.mark.parametrize("children", [False, True])
def test_spans_in_children_hang_below_them_or_their_task(
    telemetry: Telemetry, children: bool
) -> None:
    """One that is opened in a child is current in no other."""

    async def first() -> None:
        with telemetry.tracer.start_as_current_span("one"):
            await rescind.sleep(1)

    async def second() -> None:
        with telemetry.tracer.start_as_current_span("two"):
            await rescind.sleep(1)

    async def main() -> None:
        await rescind.join(first(), rescind.outcomes(second()))

    with telemetry.instrument(children=children):
        run_virtual(main).unwrap()

    parents = telemetry.parents()
    if not children:
        assert {name for name, parent in parents.items() if parent == "main"} >= {"one", "two"}
        assert not any(name.startswith("child") for name in parents)
        return
    above = str(parents["one"])
    assert above.startswith("child 0: ")
    assert parents[above] == "main"
    below = [parents["two"]]
    while below[-1] != "main":
        below.append(parents[str(below[-1])])
    assert [str(name).partition(":")[0] for name in below] == ["child 0", "child 1", "main"]
    assert _about(telemetry.spans[above], "child", "task.id", "outcome") == (0, None, "completed")


def test_a_race_tells_who_lost_below_its_own_task(telemetry: Telemetry) -> None:
    """Canceled by that, which says to whom it lost."""

    async def quick() -> str:
        await rescind.sleep(1)
        return "quick"

    async def slow() -> None:
        try:
            await rescind.sleep(100)
        finally:
            await rescind.sleep(2)

    async def main() -> str | None:
        return await rescind.race(quick(), slow())

    with telemetry.instrument(children=True):
        assert run_virtual(main).unwrap() == "quick"

    (lost,) = (name for name in telemetry.spans if name.startswith("child 1"))
    span = telemetry.spans[lost]
    assert telemetry.parents()[lost] == "main"
    assert _about(span, "cancel.kind", "outcome") == ("race_lost", "canceled")
    assert _events(span) == ["cancel requested", "cancel delivered", "cleanup ended"]
    assert _about(span, "cancel.message") == ("lost to child 0",)
    assert _links(telemetry, lost) == ["main"]
    assert telemetry.counts("rescind.cancel.requested") == {("race_lost", "child"): 1}
    assert _events(telemetry.spans["main"]) == []


def test_the_task_of_a_plain_asyncio_program_is_below_its_spans(telemetry: Telemetry) -> None:
    """It has a runtime attached."""
    import asyncio

    async def main() -> None:
        async with rescind.Runtime.attach():
            with telemetry.tracer.start_as_current_span("handler"):
                async with rescind.task_group(name="parts") as group:
                    group.spawn(rescind.sleep(0), name="part")
            assert not get_current_span().get_span_context().is_valid

    with telemetry.instrument():
        asyncio.run(main())

    assert telemetry.parents()["part"] == "group parts"
    assert telemetry.parents()["group parts"] == "handler"


def test_from_another_thread_it_hangs_below_what_is_current_there(telemetry: Telemetry) -> None:
    """Threads have contexts of their own."""

    def spawn(runtime: rescind.Runtime, tasks: list[Any]) -> None:
        with telemetry.tracer.start_as_current_span("thread"):
            tasks.append(runtime.spawn(rescind.sleep(0), name="from afar"))

    with telemetry.instrument(), rescind.Runtime() as runtime:
        tasks: list[Any] = []
        thread = threading.Thread(target=spawn, args=(runtime, tasks))
        thread.start()
        thread.join()
        runtime.block_on(tasks[0].join())

    assert telemetry.parents()["from afar"] == "thread"


def test_in_a_context_of_its_own_it_hangs_below_what_is_current_there(telemetry: Telemetry) -> None:
    """Also if that context is the one that runs, whose current span stays what it is."""
    executor = Executor(_manual())
    context, apart = contextvars.copy_context(), contextvars.Context()
    apart.run(contextvars.ContextVar[int]("variable").set, 1)

    def spawn() -> None:
        with telemetry.tracer.start_as_current_span("inside") as span:
            executor.spawn(rescind.never(), name="within", context=context)
            assert get_current_span() is span

    with telemetry.instrument(), telemetry.tracer.start_as_current_span("outside"):
        executor.spawn(rescind.never(), name="apart", context=apart)
        context.run(spawn)

    assert telemetry.parents()["apart"] is None
    assert telemetry.parents()["within"] == "inside"
    for task in list(executor.tasks.values()):
        task.drop_now(CancelRequest(rescind.CancelReason()))


# -- cancellation -------------------------------------------------------------------------------


def test_a_canceled_tree_says_who_and_why(telemetry: Telemetry) -> None:
    """A deadline goes through a group to its tasks; each says the whole chain."""

    async def fetch() -> None:
        try:
            await rescind.sleep(100)
        finally:
            await rescind.sleep(2)

    async def request() -> None:
        async with rescind.deadline(5), rescind.task_group(name="parts") as group:
            group.spawn(fetch(), name="part")

    async def main() -> None:
        await rescind.spawn(request(), name="request").join()

    with telemetry.instrument():
        run_virtual(main).unwrap()

    part, group = telemetry.spans["part"], telemetry.spans["group parts"]
    assert _about(part, "outcome", "cancel.kind", "cancel.root") == (
        "canceled",
        "parent",
        "deadline",
    )
    (chain,) = _about(part, "cancel.chain")
    assert chain[0].startswith("parent canceled: the parent of group 'parts' was canceled")
    assert chain[-1].startswith("deadline: the deadline of 5 s has passed, by task ")
    assert "test_otel.py:" in chain[-1]
    assert _events(part) == ["cancel requested", "cancel delivered", "cleanup ended"]
    _, delivered, cleaned = part.events
    assert "test_otel.py:" in str((delivered.attributes or {})["rescind.place"])
    assert (delivered.attributes or {})["rescind.own"] is True
    assert (cleaned.attributes or {})["rescind.seconds"] == 2.0
    assert _links(telemetry, "part") == ["request"]
    assert _about(group, "cancel.root") == ("deadline",)
    assert part.status.status_code is StatusCode.UNSET
    # The deadline itself is raised in the request, of which it is only a part.
    request_span = telemetry.spans["request"]
    assert _events(request_span) == ["cancel delivered", "exception"]
    assert (request_span.events[0].attributes or {})["rescind.own"] is False
    assert _about(request_span, "outcome") == ("failed",)
    assert request_span.status.status_code is StatusCode.ERROR


def test_it_links_to_whoever_canceled_it(telemetry: Telemetry) -> None:
    """Also to one that failed, and has ended by then; not to itself, nor to a signal or a timer."""

    async def fails() -> None:
        await rescind.sleep(1)
        raise ValueError("broken")

    async def main() -> None:
        victim = rescind.spawn(rescind.never(), name="victim")
        rescind.spawn(rescind.self_cancel("enough"), name="itself")
        await rescind.sleep(1)
        victim.cancel("you")
        with pytest.raises(ExceptionGroup):
            async with rescind.task_group(name="siblings") as group:
                group.spawn(fails(), name="culprit")
                group.spawn(rescind.never(), name="sibling")

    with telemetry.instrument():
        run_virtual(main).unwrap()

    assert _links(telemetry, "victim") == ["main"]
    assert _links(telemetry, "itself") == []
    assert _links(telemetry, "sibling") == ["culprit"]
    assert _links(telemetry, "group siblings") == ["culprit"]
    assert _about(telemetry.spans["victim"], "cancel.message", "cancel.kind") == ("you", "explicit")
    assert telemetry.spans["culprit"].status.status_code is StatusCode.ERROR
    assert telemetry.spans["culprit"].status.description == "ValueError: broken"


def test_a_second_request_is_an_event_and_the_first_stays_the_reason(telemetry: Telemetry) -> None:
    """All requesters are kept."""

    async def main() -> None:
        victim = rescind.spawn(rescind.never(), name="victim")
        await rescind.yield_now()
        victim.cancel("first")
        victim.cancel("second")
        await victim.join()

    with telemetry.instrument():
        run_virtual(main).unwrap()

    span = telemetry.spans["victim"]
    assert [(event.attributes or {})["rescind.cancel.message"] for event in span.events] == [
        "first",
        "second",
    ]
    assert _about(span, "cancel.message") == ("first",)
    assert telemetry.counts("rescind.cancel.requested") == {("explicit", "task"): 1}


def test_a_timeout_of_a_part_is_told_in_the_span_of_its_task(telemetry: Telemetry) -> None:
    """It is not the task's own cancellation, and no cleanup of the task."""

    async def part() -> None:
        await rescind.sleep(100)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await rescind.timeout(part(), 5)
        await rescind.sleep(1)

    with telemetry.instrument():
        run_virtual(main).unwrap()

    (event,) = _of(telemetry, "main").events
    assert event.name == "cancel delivered"
    about = event.attributes or {}
    assert (about["rescind.cancel.kind"], about["rescind.own"]) == ("deadline", False)
    assert telemetry.points("rescind.cleanup.duration") == []


def test_a_child_that_a_sibling_fails_is_told_in_the_span_of_its_task(telemetry: Telemetry) -> None:
    """Children have no spans by default; that one lost a race goes without saying."""

    async def fails() -> None:
        raise ValueError("broken")

    async def main() -> None:
        with pytest.raises(ValueError, match="broken"):
            await rescind.join(rescind.never(), fails())
        await rescind.race(rescind.never(), rescind.ready(1))

    with telemetry.instrument():
        run_virtual(main).unwrap()

    (event,) = _of(telemetry, "main").events
    about = event.attributes or {}
    assert (event.name, about["rescind.cancel.kind"]) == ("cancel requested", "sibling_failed")
    assert about["rescind.child"] == "child 0 never()"


def test_absorbed_overrun_dropped_and_abandoned_are_told(
    telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    """Each span ends, once, whatever becomes of its task."""

    async def absorbs() -> int:
        try:
            await rescind.never()
        except rescind.Cancellation:
            return 1

    async def slow() -> None:
        try:
            await rescind.never()
        finally:
            await rescind.sleep(100)

    async def plain() -> None:
        await rescind.never()

    async def resists() -> None:
        while True:
            try:
                await rescind.never()
            except BaseException:
                continue

    async def fails() -> None:
        try:
            await rescind.never()
        finally:
            raise ValueError("in its cleanup")

    async def main() -> None:
        tasks = [
            rescind.spawn(absorbs(), name="absorber"),
            rescind.spawn(slow(), name="slow"),
            rescind.spawn(resists(), name="rock"),
            rescind.spawn(plain(), name="dropped"),
            rescind.spawn(fails(), name="failing"),
        ]
        await rescind.sleep(1)
        for task in tasks:
            task.cancel(grace=0 if task.name == "dropped" else 2)
        await rescind.outcomes(*(task.join() for task in tasks))

    with telemetry.instrument():
        run_virtual(main).unwrap()

    spans = telemetry.spans
    ended = [span.name for span in telemetry.spans_in.get_finished_spans()]
    assert sorted(ended) == ["absorber", "dropped", "failing", "main", "main", "rock", "slow"]
    assert _about(spans["absorber"], "outcome", "absorbed") == ("completed", True)
    assert _about(spans["slow"], "outcome", "dropped") == ("canceled", True)
    assert spans["slow"].status.status_code is StatusCode.ERROR
    (overran,) = (event for event in spans["slow"].events if event.name == "cleanup overran")
    about = overran.attributes or {}
    assert about["rescind.seconds"] == 2.0
    assert about["rescind.waits_for"] == "sleep(100)"
    assert "test_otel.py:" in str(about["rescind.place"])
    assert _about(spans["rock"], "outcome", "abandoned") == ("canceled", True)
    assert "abandoned" in _events(spans["rock"])
    assert spans["rock"].status.status_code is StatusCode.ERROR
    assert _about(spans["dropped"], "outcome", "dropped") == ("canceled", True)
    assert spans["dropped"].status.status_code is StatusCode.UNSET
    assert _about(spans["failing"], "outcome") == ("canceled",)
    assert "exception" in _events(spans["failing"])
    assert telemetry.counts("rescind.task.abandoned") == {(): 1}
    assert telemetry.counts("rescind.cleanup.overran") == {(): 2}
    assert telemetry.counts("rescind.cancel.absorbed") == {(): 1}


def test_a_span_of_the_program_ends_where_its_task_is_dropped(
    telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    """In the task's own context, or OpenTelemetry would complain."""

    async def query() -> None:
        with telemetry.tracer.start_as_current_span("query"):
            await rescind.never()

    async def main() -> None:
        task = rescind.spawn(query(), name="task")
        await rescind.yield_now()
        await task.cancel(grace=0)

    with telemetry.instrument():
        run_virtual(main).unwrap()

    assert telemetry.parents()["query"] == "task"
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


# -- metrics ------------------------------------------------------------------------------------


def test_the_numbers_are_right(telemetry: Telemetry) -> None:
    """Made, ended, canceled by kind; how long until delivered, and until the end."""
    alive: list[Any] = []

    async def fetch(cleanup: float) -> None:
        try:
            with rescind.shielded():
                await rescind.sleep(3)
            await rescind.sleep(100)
        finally:
            await rescind.sleep(cleanup)

    async def main() -> None:
        async with rescind.task_group() as group:
            for number in range(4):
                group.spawn(fetch(number))
            await rescind.sleep(1)
            alive.append(telemetry.counts("rescind.task.alive"))
            group.cancel("enough")
        await rescind.spawn(rescind.ready(1))
        await rescind.spawn(rescind.poll_fn(lambda cx: 1 / 0)).join()  # type: ignore[arg-type]

    with telemetry.instrument():
        with rescind.Runtime(host=_manual(), name="server") as runtime:
            runtime.block_on(main())
        ended = telemetry.counts("rescind.task.ended")

    # A runtime waits for its main task with one of its own.
    assert sum(telemetry.counts("rescind.task.spawned").values()) == sum(ended.values())
    assert (ended[("canceled",)], ended[("failed",)]) == (4, 1)
    assert sum(alive[0].values()) >= 5
    assert telemetry.counts("rescind.cancel.requested") == {("parent", "task"): 4}
    ((_, delivery),) = telemetry.points("rescind.cancel.delivery.duration")
    assert (delivery.count, delivery.min, delivery.max, delivery.sum) == (4, 2.0, 2.0, 8.0)
    ((_, cleanup),) = telemetry.points("rescind.cleanup.duration")
    assert (cleanup.count, cleanup.min, cleanup.max, cleanup.sum) == (4, 0.0, 3.0, 6.0)
    assert cleanup.explicit_bounds[0] == 0.0001
    assert cleanup.explicit_bounds[-1] == 60.0
    runtimes = {(delivery.attributes or {})["rescind.runtime"]}
    assert runtimes == {"server"}


def _manual() -> Any:
    return ManualHost()


def test_tasks_that_were_there_before_are_counted_and_have_no_span(telemetry: Telemetry) -> None:
    """Nor do events of theirs end up elsewhere."""
    made: list[Instrumentation] = []

    async def main() -> None:
        older = rescind.spawn(rescind.never(), name="older")
        await rescind.yield_now()
        made.append(telemetry.instrument())
        assert sum(telemetry.counts("rescind.task.alive").values()) >= 2
        await older.cancel()

    run_virtual(main).unwrap()
    made[0].close()

    assert telemetry.spans == {}
    assert telemetry.counts("rescind.task.ended")[("canceled",)] == 1
    assert sum(telemetry.counts("rescind.cancel.requested").values()) == 1


# -- the instrumentation ------------------------------------------------------------------------


def test_closing_ends_what_is_open_and_hears_nothing_more(telemetry: Telemetry) -> None:
    """A second time it does nothing."""

    made = telemetry.instrument()

    async def main() -> None:
        async with rescind.task_group(name="open") as group:
            group.spawn(rescind.sleep(5), name="unfinished")
            await rescind.sleep(1)
            assert telemetry.counts("rescind.task.alive") != {}
            made.close()
            made.close()
            group.spawn(rescind.sleep(1), name="later")

    run_virtual(main).unwrap()

    spans = telemetry.spans
    assert set(spans) == {"unfinished", "group open", "main"}
    assert _about(spans["unfinished"], "outcome") == ("unfinished",)
    assert telemetry.counts("rescind.task.alive") == {}


def test_a_task_that_is_lost_with_its_runtime_loses_no_span(telemetry: Telemetry) -> None:
    """Its span ends with the next event, or with the instrumentation."""
    with telemetry.instrument():
        executor = Executor(_manual())
        executor.spawn(rescind.never(), name="lost")
        del executor
        gc.collect()
        assert telemetry.spans == {}  # a finalizer ends nothing
        run_virtual(lambda: rescind.sleep(0)).unwrap()
        assert _about(telemetry.spans["lost"], "outcome") == ("lost",)


def test_names_can_be_chosen(telemetry: Telemetry) -> None:
    """Those with numbers in them are not for backends."""

    async def main() -> None:
        await rescind.spawn(rescind.sleep(1), name="request 17")

    with telemetry.instrument(span_name=lambda task: task.name.rstrip("0123456789 ")):
        run_virtual(main).unwrap()

    assert _about(telemetry.spans["request"], "task.name") == ("request 17",)


def test_both_it_and_the_recorder_can_be_on(telemetry: Telemetry) -> None:
    """Neither knows of the other."""

    async def main() -> None:
        await rescind.race(rescind.sleep(1), rescind.never())

    with Recorder() as recorder, telemetry.instrument(children=True):
        run_virtual(main).unwrap()

    assert {event[1] for event in recorder.trace().events} >= {"spawned", "requested", "ended"}
    assert {name.partition(":")[0] for name in telemetry.spans} == {"main", "child 0", "child 1"}


def test_what_is_not_sampled_costs_no_span(telemetry: Telemetry) -> None:
    """And its children are below what is around it; numbers are told all the same."""
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    async def main() -> None:
        task = rescind.spawn(rescind.never(), name="victim")
        await rescind.yield_now()
        await task.cancel()

    traces = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    traces.add_span_processor(SimpleSpanProcessor(telemetry.spans_in))
    with instrument(traces, telemetry.meters):
        run_virtual(main).unwrap()

    assert telemetry.spans == {}
    assert telemetry.counts("rescind.task.ended")[("canceled",)] == 1


def test_on_every_host(host: HostFactory, telemetry: Telemetry) -> None:
    """The span is the current one at each step, and after."""
    seen: list[bool] = []
    mark: contextvars.ContextVar[int] = contextvars.ContextVar("mark", default=0)

    async def steps() -> None:
        span = get_current_span()
        for number in range(3):
            mark.set(number)
            await rescind.sleep(0)
            seen.append(get_current_span() is span and mark.get() == number)

    async def main() -> None:
        async with rescind.task_group() as group:
            group.spawn(steps())
            group.spawn(steps())

    with telemetry.instrument(), host() as runtime:
        runtime.block_on(main())

    assert seen == [True] * 6
    assert not get_current_span().get_span_context().is_valid


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_process_leaves_the_spans_of_its_parent_alone() -> None:
    """It tells of its own, below those."""
    program = """
        import os, sys
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        import rescind
        from rescind.lowlevel import ManualHost
        from rescind.trace.otel import instrument

        exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
        traces = TracerProvider(shutdown_on_exit=False)
        traces.add_span_processor(SimpleSpanProcessor(exporter))
        made = instrument(traces, MeterProvider([reader], shutdown_on_exit=False))

        def alive():
            data = reader.get_metrics_data()
            return [
                point.value
                for resource in data.resource_metrics
                for scope in resource.scope_metrics
                for metric in scope.metrics if metric.name == "rescind.task.alive"
                for point in metric.data.data_points
            ]

        async def main():
            pid = os.fork()
            if pid:
                assert os.waitpid(pid, 0)[1] == 0, "the child failed"
                return
            try:
                assert alive() == [], alive()
                made.close()
                assert exporter.get_finished_spans() == (), exporter.get_finished_spans()
                os._exit(0)
            except BaseException as exc:
                print(exc, file=sys.stderr, flush=True)
                os._exit(1)

        with rescind.Runtime(host=ManualHost()) as runtime:
            runtime.block_on(main())
        made.close()
        print([span.name for span in exporter.get_finished_spans()])
    """
    lines = "\n".join(line[8:] for line in program.splitlines())
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore::DeprecationWarning",
            "-c",
            f"import rescind.lowlevel\n{lines}",
        ],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout == "['main']\n"


def test_without_opentelemetry_it_says_what_to_install() -> None:
    """Importing rescind does not need it."""
    program = """
import sys
sys.modules["opentelemetry"] = None
import rescind, rescind.trace
import rescind.trace.otel
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "ImportError: rescind.trace.otel needs opentelemetry-api; install it with: "
        "pip install 'rescind[otel]'"
    )
