"""Why something was canceled: reasons as data, and requests that only ever become more urgent."""

import copy
import gc
import pickle
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest

import rescind
from rescind import Canceled, CancelKind, CancelReason, Completed, Task, UsageError
from rescind._core import compiled
from rescind._core.reason import Cancelable, make_reason
from rescind.lowlevel import CancelRequest, Future
from tests.core.kit import Bench, Leaf, request

ROOT = CancelReason(CancelKind.SIGNAL, "SIGINT", at=1.0)
MIDDLE = CancelReason(CancelKind.SHUTDOWN, by="task 1 'main'", cause=ROOT)
LEAF = CancelReason(CancelKind.PARENT, "its parent", "task 2 'x'", "/a/b.py:7", 2.5, MIDDLE)


class Fixed(Cancelable):
    """A target whose join is a given future."""

    def __init__(self, future: Future[object]) -> None:
        self.future = future

    def join(self) -> Future[object]:
        return self.future


def test_reason_has_defaults_for_everything() -> None:
    """A reason without arguments is an explicit one that knows nothing else."""
    assert CancelReason(CancelKind.EXPLICIT, None, None, None, None, None) == CancelReason()


def test_reasons_are_frozen_comparable_and_hashable() -> None:
    """Data: equal if all fields are, usable as keys, not to be changed."""
    again = CancelReason(CancelKind.SIGNAL, "SIGINT", at=1.0)
    assert ({ROOT}, False) == ({ROOT, again}, again == MIDDLE)
    with pytest.raises(AttributeError):
        ROOT.message = "other"


def test_chain_lists_the_causes_nearest_first() -> None:
    """The chain starts with the reason itself and follows `cause` to its end."""
    assert ((LEAF, MIDDLE, ROOT), (ROOT,)) == (LEAF.chain(), ROOT.chain())


def test_str_has_as_many_lines_as_the_chain_has_links() -> None:
    """R14: one line per link, each with what it knows."""
    assert [
        "parent canceled: its parent, by task 2 'x', at /a/b.py:7",
        "  because shutdown, by task 1 'main'",
        "  because signal: SIGINT",
    ] == str(LEAF).splitlines()


def test_str_of_a_bare_reason_is_its_kind() -> None:
    """Nothing is made up for what is not known."""
    assert list(CancelKind) == [
        kind for kind in CancelKind if str(CancelReason(kind)) == kind.value
    ]


def test_place_below_the_current_directory_is_shown_relative(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The path as stored stays whole; only the printed one is short."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    inside = CancelReason(where=f"{tmp_path}/here/app.py:3")
    outside = CancelReason(where=f"{tmp_path}/there/app.py:3")
    assert "explicit, at app.py:3" == inside.line()
    assert f"explicit, at {tmp_path}/there/app.py:3" == outside.line()


def test_reason_survives_pickling() -> None:
    """Reasons cross processes with their whole lineage."""
    assert LEAF == pickle.loads(pickle.dumps(LEAF))


def _chain(links: int, root: str) -> CancelReason:
    reason = CancelReason(message=root)
    for number in range(links - 1):
        reason = CancelReason(CancelKind.PARENT, by=f"task {number} 'x'", cause=reason)
    return reason


def test_a_chain_may_be_of_any_length() -> None:
    """R14: it is compared, hashed, shown, copied and pickled as one of three links is."""
    one, same, other = (_chain(20_000, root) for root in ("a", "a", "b"))
    assert (True, False, False) == (one == same, one == other, one == _chain(19_999, "a"))
    assert (hash(one), {one}) == (hash(same), {one, same})
    assert repr(one) == repr(same)
    assert 20_000 == repr(one).count("CancelReason(kind=")
    assert 20_000 == len(str(one).splitlines())
    assert one == pickle.loads(pickle.dumps(one))
    assert one == copy.deepcopy(one)


_FREED = """
import sys
import threading
from rescind import CancelReason

def free():
    reason = None
    for _ in range(200_000):
        reason = CancelReason(message="x", cause=reason)
    kept = reason.cause.cause
    del reason
    assert len(kept.chain()) == 199_998

threading.stack_size(int(sys.argv[1]) * 1024)
thread = threading.Thread(target=free)
thread.start()
thread.join()
print("freed")
"""


def test_a_chain_of_any_length_is_freed() -> None:
    """R14: link by link, which needs no stack; what somebody else has stays."""
    # Plain Python frees them as it does nested lists: it goes 50 deep before it puts off the rest;
    # since 3.13, as deep as C may call, which takes a stack of 1 MiB.
    stack = 256 if compiled or sys.version_info < (3, 13) else 2048
    done = subprocess.run(
        [sys.executable, "-c", _FREED, str(stack)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (0, "freed\n", "") == (done.returncode, done.stdout, done.stderr)


def test_repr_can_be_evaluated() -> None:
    """It is what makes the reason anew, as that of a dataclass is."""
    names = {"CancelReason": CancelReason}
    text = repr(LEAF)
    for kind in CancelKind:
        text = text.replace(repr(kind), f"KINDS[{kind.name!r}]")
    assert LEAF == eval(text, {**names, "KINDS": CancelKind})


def test_reason_is_equal_to_nothing_else() -> None:
    """Not to what has the same fields, nor if one field differs, of it or of a cause."""
    fields = [getattr(LEAF, name) for name in CancelReason.__match_args__]
    others = [CancelKind.SIGNAL, "other", "other", "other", 0.0, None]
    assert LEAF == CancelReason(*fields)
    assert LEAF != tuple(fields)
    for index, value in enumerate(others):
        changed = CancelReason(*fields[:index], value, *fields[index + 1 :])
        assert LEAF != changed
        assert CancelReason(cause=LEAF) != CancelReason(cause=changed)


def test_kinds_are_the_public_ones() -> None:
    """R14 names them; programs match on them."""
    assert [
        "EXPLICIT",
        "DEADLINE",
        "RACE_LOST",
        "SIBLING_FAILED",
        "PARENT",
        "GROUP_EXIT",
        "HANDLE_DROPPED",
        "SHUTDOWN",
        "SIGNAL",
        "FOREIGN",
    ] == [kind.name for kind in CancelKind]


def test_first_reason_stays_primary_and_later_ones_are_kept_in_order() -> None:
    """Q1: merging appends; `reason` never changes."""
    first = CancelRequest(ROOT)
    first.merge(CancelRequest(MIDDLE))
    first.merge(CancelRequest(ROOT))
    assert (ROOT, (ROOT, MIDDLE, ROOT)) == (first.reason, first.reasons)


def test_merge_takes_all_reasons_of_the_other_request() -> None:
    """Q1: nobody who asked is forgotten when two requests meet."""
    first, second = CancelRequest(ROOT), CancelRequest(MIDDLE)
    second.merge(CancelRequest(LEAF))
    first.merge(second)
    assert (ROOT, MIDDLE, LEAF) == first.reasons


@pytest.mark.parametrize(
    ("before", "later", "moved", "after"),
    [
        (None, None, False, None),
        (None, 5.0, True, 5.0),
        (5.0, None, False, 5.0),
        (5.0, 6.0, False, 5.0),
        (5.0, 5.0, False, 5.0),
        (5.0, 4.0, True, 4.0),
        (5.0, 0.0, True, 0.0),
    ],
)
def test_grace_only_moves_earlier(
    before: float | None, later: float | None, moved: bool, after: float | None
) -> None:
    """Q2: None is no bound at all; a bound is only replaced by an earlier one."""
    shortened, merged = request(grace_at=before), request(grace_at=before)
    assert (moved, after) == (shortened.shorten(later), shortened.grace_at)
    assert (moved, after) == (merged.merge(request(grace_at=later)), merged.grace_at)


def test_following_request_is_caused_by_the_first_reason() -> None:
    """A child's request names the parent's reason as its cause, and takes over who and when."""
    parent = CancelRequest(CancelReason(CancelKind.SHUTDOWN, "bye", "task 1 'm'", "a.py:1", 3.0))
    parent.merge(CancelRequest(ROOT))
    caused = parent.follow()
    expected = CancelReason(CancelKind.PARENT, None, "task 1 'm'", None, 3.0, parent.reason)
    assert (expected, (expected,)) == (caused.reason, caused.reasons)


@pytest.mark.parametrize(
    ("parent", "own", "child"),
    [(None, None, None), (None, 4.0, 4.0), (5.0, None, 5.0), (5.0, 9.0, 5.0), (5.0, 4.0, 4.0)],
)
def test_following_request_never_has_more_grace_than_its_cause(
    parent: float | None, own: float | None, child: float | None
) -> None:
    """R10: budgets nest; the child's may be shorter, not longer."""
    cause = request(grace_at=parent)
    caused = cause.follow(CancelKind.GROUP_EXIT, "left", grace_at=own)
    assert (child, CancelKind.GROUP_EXIT, "left") == (
        caused.grace_at,
        caused.reason.kind,
        caused.reason.message,
    )
    caused.shorten(0.0)
    assert parent == cause.grace_at


def test_request_without_a_target_cannot_be_awaited() -> None:
    """The request a `poll_cancel` gets is no handle of a task; the message says what to await."""
    with pytest.raises(UsageError, match=r"has no task to wait for.*task\.cancel\(\) returned"):
        request().into_future()


def test_awaiting_a_request_is_joining_its_target() -> None:
    """A request waits for its target and gives the outcome the target's join gives."""
    with Bench() as bench:
        leaf = Leaf()
        ask = request(target=Fixed(leaf))

        async def main() -> object:
            return await ask

        task = bench.spawn(main())
        bench.idle()
        leaf.complete(Canceled(ROOT))
        bench.idle()
        assert Completed(Canceled(ROOT)) == task.outcome()


def test_request_can_be_awaited_any_number_of_times() -> None:
    """Each await of a task's request makes a join of its own."""
    with Bench() as bench:
        target = bench.spawn(rescind.never(), name="target")
        bench.idle()
        ask = target.cancel("enough")

        async def main() -> list[object]:
            return [await ask, await ask]

        task = bench.spawn(main())
        bench.idle()
        assert Completed([Canceled(ask.reason, dropped=False)] * 2) == task.outcome()


def test_cancelable_without_a_join_says_so() -> None:
    """The base class is an interface."""
    with pytest.raises(NotImplementedError):
        Cancelable().join()


def test_repr_of_a_request_tells_whether_it_was_accepted() -> None:
    """A request to something that had ended says that nothing was asked."""
    assert "<CancelRequest explicit: stop>" == repr(request())
    refused = request(accepted=False)
    assert "<CancelRequest explicit: stop not accepted: the target had already ended>" == repr(
        refused
    )


def test_made_reason_knows_who_where_and_when() -> None:
    """R14: inside a task `by` names it, `where` is the caller's line, `at` the host's time."""
    with Bench() as bench:

        async def main() -> tuple[Task[object], CancelReason, int]:
            await rescind.sleep(3)
            line = main.__code__.co_firstlineno + 3
            return rescind.current_task(), make_reason("words", bench.executor), line

        task = bench.spawn(main(), name="asker")
        bench.advance(3)
        me, reason, line = task.unwrap()
        expected = CancelReason(
            CancelKind.EXPLICIT, "words", f"task {me.id} 'asker'", f"{__file__}:{line}", 3.0
        )
        assert expected == reason


def test_made_reason_from_outside_every_task_names_nobody() -> None:
    """`by` is None for a plain caller; the kind is the one that was asked for."""
    with Bench() as bench:
        reason = make_reason(None, bench.executor, CancelKind.SHUTDOWN)
        assert (CancelKind.SHUTDOWN, None, None) == (reason.kind, reason.message, reason.by)


def test_complete_reason_is_taken_as_it_is() -> None:
    """Whoever passes a whole reason knows best: nothing is filled in."""
    with Bench() as bench:
        assert LEAF is make_reason(LEAF, bench.executor)


@pytest.mark.parametrize("wrong", [3, b"bytes", ["list"], ValueError("x")])
def test_reason_that_is_no_text_is_refused(wrong: object) -> None:
    """The message names the type and the value."""
    with Bench() as bench, pytest.raises(TypeError) as caught:
        make_reason(wrong, bench.executor)
    what = type(wrong).__qualname__
    expected = f"a reason must be a str or a CancelReason, not {what}: {wrong!r}"
    assert expected == str(caught.value)


def test_made_reasons_of_two_lines_tell_them_apart() -> None:
    """Words of a place that was asked for before are used again for that place alone."""
    first = [make_reason(None, None).where for _ in range(2)]
    second = make_reason(None, None).where
    assert first[0] == first[1]
    assert first[0] is not None
    assert second is not None
    line = int(first[0].rpartition(":")[2])
    assert f"{__file__}:{line + 1}" == second


def test_made_reason_names_a_task_as_it_is_called_now() -> None:
    """A task that is renamed, and another one with that name, are told apart."""

    async def main() -> list[str | None]:
        task = rescind.current_task()
        assert task is not None
        said = [make_reason(None, None).by]
        task.name = "other"
        said.append(make_reason(None, None).by)
        said.append(await rescind.spawn(asks(), name="other"))
        return said

    async def asks() -> str | None:
        return make_reason(None, None).by

    with Bench() as bench:
        task = bench.spawn(main(), name="one")
        bench.idle()
        first, other = task.id, task.id + 1
        assert [f"task {first} 'one'", f"task {first} 'other'", f"task {other} 'other'"] == (
            task.unwrap()
        )


@pytest.mark.skipif(not compiled, reason="plain Python decides itself what its collector walks")
def test_what_a_canceled_task_keeps_is_nothing_for_the_collector() -> None:
    """Its reason, whatever that follows from, and its outcome: they lead to nothing."""
    with Bench() as bench:

        async def asks() -> Task[None]:
            task = bench.spawn(rescind.never())
            await rescind.yield_now()
            task.cancel("words")
            await task.join()
            return task

        asking = bench.spawn(asks())
        bench.idle()
        outcome = asking.unwrap().outcome()
        assert isinstance(outcome, Canceled)
        assert not gc.is_tracked(outcome)
        assert not gc.is_tracked(outcome.reason)


class Failure(Exception):
    """One that has attributes."""


class Words(str):
    """A text that has attributes."""


class Reason(CancelReason):
    """A reason that has attributes."""


def _leading_back(holder: Any) -> weakref.ref[Any]:
    """Cancel a task, and have ``holder``, a part of its outcome, refer to that."""

    async def cleans() -> None:
        try:
            await rescind.never()
        finally:
            if isinstance(holder, Failure):
                raise holder

    async def task() -> None:
        await rescind.join(cleans())

    with Bench() as bench:

        async def asked() -> None:
            one = bench.spawn(task())
            await rescind.yield_now()
            one.cancel(holder if isinstance(holder, Words) else None)
            outcome = await one.join()
            assert isinstance(outcome, Canceled)
            vars(holder)["back"] = outcome

        asking = bench.spawn(asked())
        bench.idle()
        asking.unwrap()
    return weakref.ref(holder)


@pytest.mark.parametrize("kind", [Words, Failure])
def test_an_outcome_that_leads_back_to_itself_is_collected(kind: type[Any]) -> None:
    """The collector walks what holds more than words of our own."""
    alive = _leading_back(kind())
    gc.collect()
    assert alive() is None


def test_a_reason_that_leads_back_to_itself_is_collected() -> None:
    """So it is where it follows from a user's own, which has attributes."""
    holder = Reason()
    vars(holder)["back"] = CancelRequest(holder).follow()
    alive = weakref.ref(holder)
    del holder
    gc.collect()
    assert alive() is None


def test_made_reasons_of_many_tasks_tell_them_apart() -> None:
    """Words are kept for a few tasks at a time: each is called by its own, whoever asks between."""

    async def asks() -> list[str | None]:
        said = []
        for _ in range(3):
            said.append(make_reason(None, None).by)
            await rescind.yield_now()
        return said

    with Bench() as bench:
        tasks = [bench.spawn(asks()) for _ in range(130)]
        bench.idle()
        for task in tasks:
            assert [f"task {task.id} 'task-{task.id}'"] * 3 == task.unwrap()
