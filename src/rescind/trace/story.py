"""`Story`: what the events of a trace add up to: lives of tasks, their cleanups, who canceled whom.

*What it is.* What the exports and the report are made of. Each cell has a `Life`: when it ran, what
it waited for, why and by whom it was asked to cancel, where that was delivered, how it ended.

*What it is not.* A judgement: it says what happened.

*Threads.* Data; any.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from rescind.trace.events import Event, Fault, Header, Trace

__all__ = ["Delivery", "Group", "Life", "Request", "Story", "Wait"]

#: The events that are not of a cell or a group.
_OF_NOBODY: Final = frozenset({"overran", "abandoned", "token_canceled"})


@dataclass(slots=True)
class Wait:
    """A time during which a cell was parked.

    Attributes:
        begun: when it parked, in nanoseconds since the trace began, as all times here.
        ended: when it was polled again, or ended; None if it still waits.
        what: what for; empty if it only yielded.
        place: where, or None if unknown.
        woken: when it was woken; None if it was not, or not before it was canceled.
        by: the cell that woke it; None: the host, a timer, another thread.
    """

    begun: int
    ended: int | None
    what: str
    place: str | None
    woken: int | None = None
    by: int | None = None


@dataclass(slots=True)
class Request:
    """One request for cancellation.

    Attributes:
        at: when.
        by: the cell that asked; None: the host, a timer, another thread.
        reason: as plain data, with the fields of `CancelReason`.
    """

    at: int
    by: int | None
    reason: dict[str, Any]


@dataclass(slots=True)
class Delivery:
    """A cancellation that was raised at an await.

    Attributes:
        at: when.
        reason: as plain data.
        place: where; None if unknown.
        own: was it the cell's own request, and not that of a deadline or group inside it?
    """

    at: int
    reason: dict[str, Any]
    place: str | None
    own: bool


@dataclass(slots=True)
class Group:
    """A task group.

    Attributes:
        number: its number in the trace.
        name: its name.
        by: the cell whose block it is; None if unknown.
        begun: when the block was entered.
        ended: when it was left; None if it was not.
        cells: those spawned in it.
        requests: why it was canceled.
    """

    number: int
    name: str
    by: int | None
    begun: int
    ended: int | None = None
    cells: list[int] = field(default_factory=list[int])
    requests: list[Request] = field(default_factory=list[Request])


@dataclass(slots=True)
class Life:
    """What happened to one cell: a task, a child of a combinator, or what a foreign task awaits.

    Attributes:
        number: its number in the trace.
        kind: ``task``, ``child`` or ``foreign``.
        name: its name.
        task: the task's id; None for others.
        parent: the cell as a part of which it is polled; None for a task.
        maker: the cell that made it; None: nobody of rescind's.
        group: the group that it was spawned in, or None.
        begun: when it was made, or first seen.
        ended: when it ended; None if it had not when the trace did.
        how: ``completed``, ``failed``, ``canceled``, ``dropped``, ``abandoned``; None: not ended.
        detail: the reason or the error, in words, or None.
        absorbed: did it end normally though a cancellation had been raised in it?
        polls: when it ran: from, to.
        waits: what it waited for.
        requests: why it was asked to cancel, in order.
        deliveries: where cancellations were raised in it.
    """

    number: int
    kind: str
    name: str
    task: int | None
    parent: int | None
    maker: int | None
    begun: int
    group: int | None = None
    ended: int | None = None
    how: str | None = None
    detail: str | None = None
    absorbed: bool = False
    polls: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    waits: list[Wait] = field(default_factory=list[Wait])
    requests: list[Request] = field(default_factory=list[Request])
    deliveries: list[Delivery] = field(default_factory=list[Delivery])

    @property
    def label(self) -> str:
        """How it is called: ``task 3 'main'``, or the name."""
        return self.name if self.task is None else f"task {self.task} {self.name!r}"

    @property
    def cleanup(self) -> tuple[int, int | None] | None:
        """When it cleaned up after its own cancellation: from, to; None if it never had to."""
        first = next((one.at for one in self.deliveries if one.own), None)
        return None if first is None else (first, self.ended)

    @property
    def until_delivered(self) -> int | None:
        """Nanoseconds from the first request to its delivery; None if there was none."""
        cleanup = self.cleanup
        return None if cleanup is None or not self.requests else cleanup[0] - self.requests[0].at

    @property
    def until_ended(self) -> int | None:
        """Nanoseconds that the cleanup took; None if there was none, or it has not ended."""
        cleanup = self.cleanup
        return None if cleanup is None or cleanup[1] is None else cleanup[1] - cleanup[0]


@dataclass(slots=True)
class Story:
    """What a trace adds up to.

    Attributes:
        header: of the trace.
        lives: by number, in the order in which they were made.
        groups: by number, in the order in which they were opened.
        ended: when the last event was, in nanoseconds since the trace began.
        overruns: cleanups that overran their grace: when, who, where, after how many seconds.
        abandoned: what was abandoned: when, and the message.
        tokens: tokens that were canceled: when, by whom, why.
        dropped: how many events were lost: what is told then may lack its beginning.
        skipped: how many lines of a damaged file were left out.
        faults: what is wrong with that file: its first faults.
    """

    header: Header
    lives: dict[int, Life] = field(default_factory=dict[int, Life])
    groups: dict[int, Group] = field(default_factory=dict[int, Group])
    ended: int = 0
    overruns: list[tuple[int, str, str, float]] = field(
        default_factory=list[tuple[int, str, str, float]]
    )
    abandoned: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    tokens: list[Request] = field(default_factory=list[Request])
    dropped: int = 0
    skipped: int = 0
    faults: tuple[Fault, ...] = ()

    @classmethod
    def of(cls, trace: Trace) -> Story:
        """Return the story that a trace tells."""
        story = cls(trace.header, dropped=trace.dropped, skipped=trace.skipped, faults=trace.faults)
        teller = _Teller(story)
        for event in trace.events:
            teller.tell(event)
        teller.close()
        return story

    def canceled(self) -> Iterator[Life]:
        """Those that were asked to cancel, in the order of the first request."""
        asked = [life for life in self.lives.values() if life.requests]
        return iter(sorted(asked, key=lambda life: life.requests[0].at))

    def roots(self) -> Iterator[tuple[dict[str, Any], list[Life]]]:
        """The reasons that follow from no other, each with those canceled because of it."""
        found: dict[str, tuple[dict[str, Any], list[Life]]] = {}
        for life in self.canceled():
            reason = life.requests[0].reason
            while reason["cause"] is not None:
                reason = reason["cause"]
            found.setdefault(repr(sorted(reason.items(), key=str)), (reason, []))[1].append(life)
        return iter(found.values())


class _Teller:
    """Adds up the events, one after the other."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._zero = story.header.at
        self._running: dict[int, int] = {}  # since when, by cell
        # The time of the latest event of each cell and group. An event of another thread may stand
        # behind one that is a moment younger, and a damaged file says anything: no time runs back.
        self._latest: dict[int, int] = {}

    def tell(self, event: Event) -> None:
        at, what, *rest = event
        at = max(0, at - self._zero)
        if what not in _OF_NOBODY:
            at = self._latest[rest[0]] = max(at, self._latest.get(rest[0], 0))
        self._story.ended = max(self._story.ended, at)
        method = getattr(self, f"_{what}", None)
        if method is not None:  # of a later version: it is no reason to tell nothing
            method(at, *rest)

    def close(self) -> None:
        for number, since in self._running.items():
            self._life(number, since).polls.append((since, self._story.ended))

    def _life(self, number: int, at: int) -> Life:
        life = self._story.lives.get(number)
        if life is None:  # its beginning was lost
            life = Life(number, "task", f"#{number}", None, None, None, at)
            self._story.lives[number] = life
        return life

    def _spawned(self, at: int, number: int, *what: Any) -> None:
        kind, name, parent, maker, task = what
        self._story.lives[number] = Life(number, kind, name, task, parent, maker, at)

    def _woken(self, at: int, number: int, by: int | None) -> None:
        waits = self._life(number, at).waits
        if waits and waits[-1].ended is None:
            waits[-1].woken, waits[-1].by = at, by

    def _polled(self, at: int, number: int) -> None:
        waits = self._life(number, at).waits
        if waits and waits[-1].ended is None:
            waits[-1].ended = at
        self._running[number] = at

    def _stop(self, at: int, number: int) -> Life:
        life = self._life(number, at)
        since = self._running.pop(number, None)
        if since is not None:
            life.polls.append((since, at))
        return life

    def _parked(self, at: int, number: int, what: str, place: str | None) -> None:
        self._stop(at, number).waits.append(Wait(at, None, what, place))

    def _requested(self, at: int, number: int, by: int | None, reason: dict[str, Any]) -> None:
        self._life(number, at).requests.append(Request(at, by, reason))

    def _delivered(
        self, at: int, number: int, reason: dict[str, Any], place: str | None, own: bool
    ) -> None:
        self._life(number, at).deliveries.append(Delivery(at, reason, place, own))

    def _ended(self, at: int, number: int, how: str, detail: str | None, absorbed: bool) -> None:
        life = self._stop(at, number)
        if life.waits and life.waits[-1].ended is None:
            life.waits[-1].ended = at
        life.ended, life.how, life.detail, life.absorbed = at, how, detail, absorbed

    def _overran(self, at: int, _task: int | None, label: str, place: str, seconds: float) -> None:
        self._story.overruns.append((at, label, place, seconds))

    def _abandoned(self, at: int, message: str) -> None:
        self._story.abandoned.append((at, message))

    def _group_opened(self, at: int, number: int, name: str, by: int | None) -> None:
        self._story.groups[number] = Group(number, name, by, at)

    def _group_of(self, number: int, at: int) -> Group:
        return self._story.groups.setdefault(number, Group(number, f"#{number}", None, at))

    def _group_spawned(self, at: int, number: int, cell: int) -> None:
        self._group_of(number, at).cells.append(cell)
        self._life(cell, at).group = number

    def _group_canceled(self, at: int, number: int, by: int | None, reason: dict[str, Any]) -> None:
        self._group_of(number, at).requests.append(Request(at, by, reason))

    def _group_closed(self, at: int, number: int) -> None:
        self._group_of(number, at).ended = at

    def _token_canceled(self, at: int, _token: int, by: int | None, reason: dict[str, Any]) -> None:
        self._story.tokens.append(Request(at, by, reason))
