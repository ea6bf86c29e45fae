"""The state machine of a cell: its table, its diagram, and what holds on every walk through it."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rescind._core import phase as module
from rescind._core.machine import TABLE, Action, Event
from rescind._core.phase import ACTIONS, EVENTS, SPEC, Phase, rows

QUEUED = {
    Phase.NEW,
    Phase.READY,
    Phase.REQUESTED,
    Phase.CLEANING_READY,
    Phase.OVERDUE,
}
ON_STACK = {
    Phase.RUNNING,
    Phase.RUNNING_WOKEN,
    Phase.RUNNING_REQUESTED,
    Phase.CANCELING,
    Phase.CANCELING_WOKEN,
    Phase.DOOMED,
    Phase.DROPPING,
}
WAITING = {Phase.PARKED, Phase.CLEANING}
POLLING = {Phase.RUNNING, Phase.RUNNING_WOKEN, Phase.RUNNING_REQUESTED}
AFTER_CANCELING = {
    Phase.CANCELING,
    Phase.CANCELING_WOKEN,
    Phase.CLEANING,
    Phase.CLEANING_READY,
    Phase.OVERDUE,
    Phase.DOOMED,
    Phase.DROPPING,
    Phase.DONE,
}

Transition = tuple[Phase, Event, Phase, Action]


def transitions() -> Iterator[Transition]:
    """Yield everything that can happen."""
    for phase in Phase:
        for event in Event:
            entry = TABLE[phase][event]
            if entry is not None:
                yield phase, event, entry[0], entry[1]


def reachable(start: Phase) -> set[Phase]:
    """Return the phases to which something leads from ``start``, itself included."""
    seen, todo = {start}, [start]
    while todo:
        here = todo.pop()
        for phase, _, after, _ in transitions():
            if phase is here and after not in seen:
                seen.add(after)
                todo.append(after)
    return seen


def drawn() -> set[Transition]:
    """Read the arrows of the diagram in the module's docstring."""
    text = (module.__doc__ or "").partition("::\n")[2].partition("*Invariants.*")[0]
    groups = {
        name: [Phase[word.strip()] for word in words.split(",")]
        for name, words in re.findall(r"^ *(\w+) = (.+)$", text, re.MULTILINE)
    }
    found: set[Transition] = set()
    for line in text.splitlines():
        if "──►" not in line:
            continue
        names, *arrows = re.split(r" ── (.+?) ──► ", line.strip())
        for label, after in zip(arrows[::2], arrows[1::2], strict=True):
            event, _, action = label.partition(": ")
            for name in names.split(", "):
                for before in groups.get(name) or [Phase[name]]:
                    found.add(
                        (before, Event[event], Phase[after], Action[(action or "nothing").upper()])
                    )
            names = after
    return found


def test_spec_has_a_row_for_each_phase_and_a_cell_for_each_event() -> None:
    """The table is complete: one row per phase, in order, with one cell per event."""
    lines = [[word.strip() for word in line.split("|")] for line in SPEC.strip().splitlines()]
    assert ["phase", *(event.name for event in Event)] == lines[0]
    assert [phase.name for phase in Phase] == [line[0] for line in lines[1:]]
    assert {1 + len(Event)} == {len(line) for line in lines}
    assert "" not in {word for line in lines for word in line}


def test_table_says_what_the_spec_says() -> None:
    """Compiling the words loses and adds nothing: written out again they are the table."""
    words = [
        [
            "-"
            if entry is None
            else entry[0].name + ("" if entry[1] is Action.NOTHING else f":{entry[1].name}")
            for entry in row
        ]
        for row in TABLE
    ]
    spec = [
        [word.replace(" ", "") for word in line.split("|")[1:]]
        for line in SPEC.strip().splitlines()[1:]
    ]
    assert spec == words


def test_diagram_draws_exactly_the_transitions_that_change_something() -> None:
    """Each arrow of the docstring is in the table, and each change in the table has its arrow."""
    changes = {
        (before, event, after, action)
        for before, event, after, action in transitions()
        if before is not after or action is not Action.NOTHING
    }
    assert changes == drawn()


def test_spec_with_other_columns_is_refused() -> None:
    """A table whose columns are not the events in order is a fault of whoever edits it."""
    header, _, rest = SPEC.strip().partition("\n")
    swapped = header.replace("WAKE", "x").replace("END ", "WAKE").replace("x", "END ")
    with pytest.raises((ValueError, KeyError)):
        rows(f"\n{swapped}\n{rest}\n")


def test_each_phase_can_be_reached() -> None:
    """No phase is dead wood: all of them are reachable from NEW."""
    assert set(Phase) == reachable(Phase.NEW)


def test_each_phase_can_end() -> None:
    """From every phase something leads to DONE: nothing is immortal."""
    assert [] == [phase for phase in Phase if Phase.DONE not in reachable(phase)]


def test_enqueue_is_the_only_way_into_the_queue() -> None:
    """S1: what was not queued enters a queued phase by ENQUEUE, and nothing else enqueues."""
    for before, event, after, action in transitions():
        enters = before not in QUEUED and after in QUEUED
        assert enters == (action is Action.ENQUEUE), (before, event)


def test_start_is_the_only_way_out_of_the_queue() -> None:
    """S1: a queued phase is left by START alone, and START is legal there and in DONE only."""
    for before, event, after, _ in transitions():
        if before in QUEUED:
            assert (event is Event.START) == (after not in QUEUED), (before, event)
    assert QUEUED | {Phase.DONE} == {phase for phase in Phase if TABLE[phase][Event.START]}


def test_running_is_a_lock_on_the_future() -> None:
    """S2: no event starts a poll, a cancel or a drop of a future that is on the stack."""
    for before, event, _after, action in transitions():
        if before in ON_STACK:
            if event is Event.PENDING:  # the poll has returned: the future is off the stack
                assert action in {Action.NOTHING, Action.ENQUEUE, Action.DROP}
            else:
                assert action in {Action.NOTHING, Action.FINISH}, (before, event)


def test_polls_return_only_while_running() -> None:
    """S2: PENDING and END belong to the phases on the stack, and to no other."""
    assert ON_STACK == {phase for phase in Phase if TABLE[phase][Event.END]}
    assert ON_STACK - {Phase.DROPPING} == {phase for phase in Phase if TABLE[phase][Event.PENDING]}


def test_request_is_acted_upon_at_start_only() -> None:
    """S3: CANCEL is the action of START in a requested phase, and of nothing else."""
    found = [
        (before, event) for before, event, _, action in transitions() if action is Action.CANCEL
    ]
    assert [(Phase.REQUESTED, Event.START), (Phase.CLEANING_READY, Event.START)] == found


def test_poll_that_ends_first_wins() -> None:
    """S3, R16: END finishes whatever was asked meanwhile."""
    ends = {(after, action) for _, event, after, action in transitions() if event is Event.END}
    assert {(Phase.DONE, Action.FINISH)} == ends


def test_request_is_remembered_in_each_phase_before_delivery() -> None:
    """A request leads to REQUESTED, or to RUNNING_REQUESTED, from which a park leads there."""
    after = {
        phase: entry[0] for phase in Phase if (entry := TABLE[phase][Event.REQUEST]) is not None
    }
    expected = dict.fromkeys([Phase.NEW, Phase.READY, Phase.PARKED], Phase.REQUESTED)
    expected |= dict.fromkeys([Phase.RUNNING, Phase.RUNNING_WOKEN], Phase.RUNNING_REQUESTED)
    assert expected == {phase: where for phase, where in after.items() if where is not phase}


def test_no_way_leads_back_to_running_after_canceling() -> None:
    """S4: once CANCELING was entered, the future is never polled as if nothing had happened."""
    assert AFTER_CANCELING == reachable(Phase.CANCELING)


def test_done_is_final() -> None:
    """S5: nothing that can happen to DONE changes it or asks for anything."""
    row = {event: TABLE[Phase.DONE][event] for event in Event}
    stays = (Phase.DONE, Action.NOTHING)
    expected = dict.fromkeys(Event, stays) | {Event.PENDING: None, Event.END: None}
    assert expected == row


def test_wake_and_request_and_expire_can_always_happen() -> None:
    """What comes from outside is legal in every phase: nobody needs to look first."""
    outside = (Event.WAKE, Event.REQUEST, Event.EXPIRE)
    assert [] == [(p, e) for p in Phase for e in outside if TABLE[p][e] is None]


def test_wake_is_idempotent() -> None:
    """R2: a second wake right after the first changes nothing and asks for nothing."""
    for phase in Phase:
        first = TABLE[phase][Event.WAKE]
        assert first is not None
        assert (first[0], Action.NOTHING) == TABLE[first[0]][Event.WAKE]


def test_public_names_are_words_of_the_vocabulary() -> None:
    """Names that users see in dumps: they do not change by accident."""
    assert [
        "NEW",
        "READY",
        "RUNNING",
        "RUNNING_WOKEN",
        "RUNNING_REQUESTED",
        "PARKED",
        "REQUESTED",
        "CANCELING",
        "CANCELING_WOKEN",
        "CLEANING",
        "CLEANING_READY",
        "OVERDUE",
        "DOOMED",
        "DROPPING",
        "DONE",
    ] == [phase.name for phase in Phase]
    assert ["WAKE", "REQUEST", "START", "PENDING", "END", "EXPIRE"] == [e.name for e in Event]
    assert ["NOTHING", "ENQUEUE", "POLL", "CANCEL", "DROP", "FINISH"] == [a.name for a in Action]
    assert (list(EVENTS), list(ACTIONS)) == ([e.name for e in Event], [a.name for a in Action])
    assert list(range(len(Phase))) == [phase.value for phase in Phase]
    assert QUEUED | ON_STACK | WAITING | {Phase.DONE} == set(Phase)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 59), max_size=60))
def test_every_walk_keeps_one_queue_entry_and_one_end(choices: list[int]) -> None:
    """S1–S5 on random walks: entries, operations under way, deliveries and ends, step by step."""
    phase, entries, ends, canceled = Phase.NEW, 1, 0, False
    for choice in choices:
        legal = [
            event
            for event in Event
            if TABLE[phase][event] is not None and (event is not Event.START or entries)
        ]
        event = legal[choice % len(legal)]
        entry = TABLE[phase][event]
        assert entry is not None
        before, (phase, action) = phase, entry
        entries += (action is Action.ENQUEUE) - (event is Event.START)
        ends += action is Action.FINISH
        canceled = canceled or action in {Action.CANCEL, Action.DROP}
        assert (1 if phase in QUEUED else 0) == entries, (before, event)
        assert (1 if phase is Phase.DONE else 0) == ends
        assert not (canceled and phase in POLLING)
        if action in {Action.POLL, Action.CANCEL, Action.DROP}:
            assert before in QUEUED or event is Event.PENDING
            assert phase in ON_STACK
