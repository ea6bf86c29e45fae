"""`Members`: the engine of the dynamic sets: cells that come and go, polled when woken.

*What it is.* What `Children` is to a combinator, for a set that grows and shrinks. Members are
polled beside the leaf of the coroutine that opened the block, in its own steps
(`scope.Company`): also while the block's body awaits something else. Under a driver that is not
ours, an asyncio task, they are polled by a `Pump`: a task on the executor of that loop.

*Invariants.*
 M1  Only woken members are polled; first polls in the order of adding, later ones in the order of
     waking, or, if ``biased``, of adding.
 M2  At most ``limit`` members have begun and not ended; the others wait unpolled, in line.
 M3  An outcome stays until `take` hands it out, once, in the order of ends; it leaves no trace.
 M4  If ``_ready`` is not empty outside of `drive`, whoever drives has been woken.
 M5  What is left when the block is: outcomes that nobody fetched go to ``on_undelivered`` or into
     the log, each once (R7, R15).

*Threads.* The executor's thread; members' wakers from any.

*Source.* futures-rs's ``FuturesUnordered``; tokio's ``JoinMap``.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from rescind._core.company import Company
from rescind._core.ending import raise_all
from rescind._core.errors import Abandoned
from rescind._core.grace import Grace
from rescind._core.outcome import Canceled, Completed, Error, Outcome
from rescind._core.poll import PENDING, Context, Future, Pending, Waker, polled_inside
from rescind._core.reason import CancelKind, CancelReason, CancelRequest
from rescind.combinators.children import Child, Owner, cancel_children

__all__ = ["Member", "Members", "Pump"]

_log: Final = logging.getLogger("rescind")

#: What is raised, or warned of, where it happens.
_TOLD: Final = (KeyboardInterrupt, SystemExit, Abandoned)
_DROPPED: Final = CancelReason(CancelKind.GROUP_EXIT, "the block of the set was dropped")


class Member(Child):
    """One member of a set.

    Attributes:
        begun: does it count against the limit?
    """

    __slots__ = ("begun",)

    begun: bool

    def is_of(self, members: Members) -> bool:
        """Is it one of these, and has not ended?"""
        return self._owner is members


class Fetcher(Protocol):
    """Who waits for a member to end."""

    waker: Waker


class Members(Owner, Company):
    """The members of one set.

    Args:
        what: how the set is called in messages.
        limit: how many may be under way at once (M2); None: all.
        grace: for the cleanup of a canceled member; `UNSET`: the task's.
        biased: poll woken members in the order of adding (M1).
        on_undelivered: called with a value that nobody fetched (M5).
    """

    __slots__ = (
        "_ready",
        "_round",
        "_stepping",
        "_waiting",
        "added",
        "alive",
        "begun",
        "biased",
        "by_key",
        "closing",
        "cx",
        "ended",
        "fetched",
        "fetcher",
        "grace",
        "limit",
        "on_end",
        "on_undelivered",
        "what",
    )

    def __init__(
        self,
        what: str,
        *,
        limit: int | None,
        grace: Grace,
        biased: bool,
        on_undelivered: Callable[[Any], object] | None,
    ) -> None:
        self.what = what
        self.limit = limit
        self.grace = grace
        self.biased = biased
        self.on_undelivered = on_undelivered
        # All members, in the order of adding; those whose outcome was not fetched, too.
        self.by_key: dict[Any, Member] = {}
        # Those that have ended, in the order of their ends (M3).
        self.ended: deque[Member] = deque()
        # How many have not ended; and how many of these count against the limit.
        self.alive = 0
        self.begun = 0
        # How many were ever added, and fetched.
        self.added = 0
        self.fetched = 0
        # Why the block is being left; None before that. What is added then is canceled at once.
        self.closing: CancelReason | None = None
        # What members are polled with: that of the latest drive; None outside the block.
        self.cx: Context | None = None
        # Who waits for a member to end; one at a time.
        self.fetcher: Fetcher | None = None
        # Called with each member that has ended, before anybody can fetch it.
        self.on_end: Callable[[Member], None] | None = None
        # Those that wait for the limit, by index (M2).
        self._waiting: dict[int, Member] = {}
        self._ready: deque[Child] = deque()
        # Is a member being stepped now?
        self._stepping = False
        # How many entries of the ready queue belong to the round under way.
        self._round = 0

    @property
    def cells(self) -> list[Member]:
        """Those that have not ended, for whoever tells what a task waits for."""
        return [member for member in self.by_key.values() if member.ended is None]

    @property
    def waiting(self) -> int:
        """How many wait for the limit."""
        return len(self._waiting)

    # -- coming and going -------------------------------------------------------------------------

    def add(self, key: Any, future: Future[Any]) -> None:
        """Make ``future`` a member: queued for its first poll, or waiting for the limit."""
        cx = self.cx
        assert cx is not None
        member = Member(self, self.added, future, cx, key)
        self.added += 1
        self.alive += 1
        self.by_key[key] = member
        member.begun = self.limit is None or self.begun < self.limit
        if member.begun:
            self.begun += 1
            self.enqueue(member)
        else:
            self._waiting[member.index] = member
        if self.closing is not None:
            self.cancel((member,), self.closing)

    def take(self) -> Member | None:
        """Hand out the member that ended first, if any has (M3)."""
        if not self.ended:
            return None
        member = self.ended.popleft()
        del self.by_key[member.key]
        self.fetched += 1
        return member

    def cancel(self, members: Sequence[Member], reason: CancelReason) -> None:
        """Ask members to cancel: mark all before one is stepped (R13)."""
        assert self.cx is not None
        cancel_children(members, reason, self.grace, self.cx)
        for member in members:
            if self._waiting.pop(member.index, None) is not None:
                self.enqueue(member)  # nobody else will: it waited in another line

    def enqueue(self, child: Child) -> None:
        """Queue a woken member, and see to it that somebody drives (M4)."""
        ready = self._ready
        ready.append(child)
        if len(ready) == 1 and not self._stepping and self.cx is not None:
            self.cx.waker.wake()

    def note_end(self, child: Child) -> None:
        """Keep the outcome of a member that has ended, and let the next one begin (M2)."""
        assert isinstance(child, Member)
        self.alive -= 1
        self.ended.append(child)
        if child.begun:
            self.begun -= 1
            if self._waiting and self.closing is None:
                following = self._waiting.pop(next(iter(self._waiting)))
                following.begun = True
                self.begun += 1
                self.enqueue(following)
        if self.on_end is not None:
            self.on_end(child)
        self.notify()

    def notify(self) -> None:
        """Wake who waits for an end, unless it is about to be polled in the same step anyway."""
        fetcher, cx = self.fetcher, self.cx
        if fetcher is not None:
            waker = fetcher.waker
            if not (self._stepping and cx is not None and waker is cx.waker):
                waker.wake()

    # -- driving ----------------------------------------------------------------------------------

    def drive(self, cx: Context) -> None:
        self.cx = cx
        ready = self._ready
        if not ready:
            return
        if self._stepping:
            polled_inside(self)
        executor = cx.executor
        # One round: those queued now. A member woken meanwhile has its turn in the next step. A
        # round that the budget cut short goes on first, or a hot member, if biased, would be before
        # the others for ever.
        if self._round == 0:
            self._round = len(ready)
            if self.biased and len(ready) > 1:
                in_order = sorted(ready, key=_index)
                ready.clear()
                ready.extend(in_order)
        while self._round and ready:
            if executor is not None and executor.budget <= 0:
                break
            self._round -= 1
            self._stepping = True
            try:
                ready.popleft().step()
            finally:
                self._stepping = False
        if ready:
            if executor is not None and executor.budget <= 0:
                executor.defer(cx.waker)  # the host looks for I/O first
            else:
                cx.waker.wake()

    # -- the end ----------------------------------------------------------------------------------

    def close(self, reason: CancelReason) -> None:
        """Begin to leave the block: cancel all that have not ended, and those still added."""
        self.closing = reason
        if self.alive:
            self.cancel(self.cells, reason)

    def discard(self) -> None:
        """Drop all that have not ended, in the order of adding; all of them even if one raises."""
        if self.closing is None:
            self.closing = _DROPPED
        request = CancelRequest(self.closing)
        errors: list[BaseException] = []
        first = 0
        stepping, self._stepping = self._stepping, True  # nobody need be woken to drive
        while self.alive:
            left = [member for member in self.cells if member.index >= first]
            if not left:
                break
            first = self.added  # a cleanup may add more
            for member in left:
                self._drop_one(member, request, errors)
        self._stepping = stepping
        self._waiting.clear()
        self._ready.clear()
        self._round = 0
        raise_all(errors)

    def _drop_one(
        self, member: Member, request: CancelRequest, errors: list[BaseException]
    ) -> None:
        try:
            member.drop_now(request)
        except (KeyboardInterrupt, SystemExit):
            pass  # it is in the outcome too, and raised when all are dropped
        if isinstance(member.ended, Canceled):
            # What there is to tell of it is raised. It was the last to end, so this is cheap.
            errors += member.ended.also
            if self.ended and self.ended[-1] is member:
                self.ended.pop()
                del self.by_key[member.key]

    def drop(self) -> None:
        """Drop them all: the coroutine ended inside the block."""
        _log.error(
            "a coroutine ended inside the block of %r, which is dropped; leave the block, and "
            "close async generators that are in one (contextlib.aclosing)",
            self,
        )
        try:
            self.discard()
        finally:
            self.release()

    def release(self) -> None:
        """Let go of everything; tell of what nobody fetched (M5)."""
        left, self.ended = self.ended, deque()
        self.by_key = {}
        self.cx = None
        self.on_end = None
        self.fetcher = None  # another task's was woken by the ends, and finds that it is over
        interrupts: list[BaseException] = []
        for member in left:
            outcome: Outcome[Any] | None = member.ended
            if isinstance(outcome, Completed):
                try:
                    self.hand_back(outcome.value)
                except BaseException as exc:
                    interrupts.append(exc)
            elif isinstance(outcome, Error):
                self.report(member, outcome.exception, *outcome.also)
            elif isinstance(outcome, Canceled):
                self.report(member, *outcome.also)
        raise_all(interrupts)

    def hand_back(self, value: Any) -> None:
        """Give a value that nobody fetched to ``on_undelivered``."""
        if self.on_undelivered is None:
            return
        try:
            self.on_undelivered(value)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # an asyncio library's CancelledError too: the rest has its turn
            _log.exception("on_undelivered of a %s failed for %r", self.what, value)

    def report(self, member: Member, *failures: BaseException) -> None:
        """Log how a member failed whose outcome nobody fetched."""
        for exc in failures:
            if not isinstance(exc, _TOLD):
                _log.error(
                    "child %r of a %s failed, and nobody fetched its outcome",
                    member.key,
                    self.what,
                    exc_info=exc,
                )

    def __repr__(self) -> str:
        return f"<{self.what} of {len(self.by_key)}, {self.alive} of them not ended>"


class Pump(Future[None]):
    """Drives members where no coroutine of ours does, until the block is left."""

    __slots__ = ("_children", "_taken")
    _native = True

    def __init__(self, members: Members) -> None:
        self._taken = False
        self._children = members

    def poll(self, cx: Context) -> Pending | None:
        members = self._children
        members.drive(cx)
        return PENDING if members.closing is None or members.alive else None

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[None] | Pending:
        """The runtime shuts down: so do the members; what they gave can still be fetched."""
        members = self._children
        if members.closing is None:
            members.close(request.follow().reason)
        members.drive(cx)
        return PENDING if members.alive else Canceled(request.reason)

    def drop(self) -> None:
        self._children.discard()

    def __repr__(self) -> str:
        return f"the children of a {self._children.what}"


def _index(child: Child) -> int:
    return child.index
