"""`CoroutineFuture`: the future that drives one ``async def`` coroutine.

*What it is.* A coroutine yields the future it awaits, its *leaf*. The driver polls the leaf, and
resumes the coroutine only when the leaf has its output. So a spurious wake-up never resumes
user code, what a coroutine waits for is always known, and a cancellation is delivered in one
place: where the leaf is `PENDING`.

*Delivery, step by step* (`_drive`). A cancellation is due when it was requested and nothing holds
it back (`ScopeStack.due`). Then

1. the leaf is polled once more: if it has its output, that is delivered, and the cancellation waits
   for the next park (D2);
2. the leaf is canceled, and driven until its own cleanup is done (D3);
3. `Cancellation` is raised in the coroutine at that await; what follows is its cleanup (D4).

*Invariants.*
 D1  The coroutine is resumed only with its leaf's output, or an exception; once per output.
 D2  An output that the leaf has is never discarded in favour of a cancellation (R7).
 D3  The leaf ends before the coroutine's own cleanup begins: inside out (R8).
 D4  One request is raised once. Awaits of the cleanup are polled like any others (R9).
 D5  A spent budget is a park: a leaf that was never polled may then be canceled unpolled.
 D6  The coroutine runs under its own identity, also when it is closed (R28). In a turn that one
     stays until another coroutine needs its own (E7); elsewhere it is put back after the step.
 D7  Each leaf that ends costs budget, whether by a value, an error, or a value in spite of its
     cancellation: no loop runs for ever in one step (R23).
 D8  A `KeyboardInterrupt` that comes out of it drops it, leaf first.

*Threads.* The executor's thread only.

*Source.* Holk's ``poll_cancel`` prototype; cats-effect's fiber run loop; R30 for foreign leaves.
"""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from . import straight
from .closing import close
from .current import local
from .ending import ended_by, raise_all
from .errors import Cancellation, UsageError
from .frames import name_of, strip
from .outcome import Completed, Error, Outcome, attach, canceled, completed
from .poll import PENDING, Context, Future, Pending, adopted, check_new, natives, never_again
from .reason import CancelKind, CancelReason, CancelRequest
from .scope import ScopeStack
from .watched import Watched

if TYPE_CHECKING:
    from .hostport import Host, Swap

__all__ = ["CoroutineFuture"]

T = TypeVar("T")

_NEW, _PARKED, _RUNNING, _ENDED = straight.NEW, straight.PARKED, straight.RUNNING, straight.ENDED
_RAISED: Final = straight.RAISED
_NO_CANCELLATION: Final = straight.NO_CANCELLATION

_log = logging.getLogger("rescind")


class CoroutineFuture(ScopeStack, Generic[T]):
    """Drives one coroutine.

    Args:
        coro: a coroutine that has not been started.

    Cancellation: runs the coroutine's cleanup, which may await (R6, R8, R9). Before the first poll
    nothing of the body runs (R5).
    """

    __slots__ = (
        "__weakref__",
        "_canceling",
        "_coro",
        "_fresh",
        "_host",
        "_leaf",
        "_raised",
        "_state",
        "_taken",
    )
    _native = True

    def __init__(self, coro: Coroutine[Any, Any, T]) -> None:
        self._taken = self.unwinding = self.attention = False
        self.outer = self.cx = self.request = self.waker = self.company = self.aside = None
        self.scopes = ()
        self.floor = 0
        # The coroutine; kept after its end, when it holds no frame, for its name.
        self._coro = coro
        # What it awaits; None while it runs, before it starts and after it ends.
        self._leaf: Future[Any] | None = None
        # Was the leaf never polled yet (D5)?
        self._fresh = False
        # The request with which the leaf is being canceled; None if it is polled normally.
        self._canceling: CancelRequest | None = None
        self._state = _NEW
        # What the coroutine has raised; None once whoever polls has it.
        self._raised: Any = None
        # The identity under which it runs (D6) and the host that gave it; None on hosts without.
        self._identity: Any = None
        self._swap: Swap | None = None
        self._host: Host | None = None

    # -- what others may ask ----------------------------------------------------------------------

    @property
    def coroutine(self) -> Coroutine[Any, Any, T]:
        """The coroutine that is driven."""
        return self._coro

    @property
    def leaf(self) -> Future[Any] | None:
        """What the coroutine awaits; None if it is not parked."""
        return self._leaf

    @property
    def identity(self) -> Any:
        """The object that is ``asyncio.current_task()`` while the coroutine runs, if any."""
        return self._identity

    def rename(self, name: str) -> None:
        """Tell the identity, if there is one, the name of the task."""
        if self._identity is not None:
            self._identity.set_name(name)

    def __repr__(self) -> str:
        return f"<coroutine {name_of(self._coro)}>"

    # -- Future -----------------------------------------------------------------------------------

    def _poll(self, cx: Context) -> T | Pending:  #: compiled: def poll(self, cx):
        if self.request is not None:
            raise UsageError(f"{self!r} was polled after poll_cancel had begun (R4)")
        value: T | Pending = self._step(cx)
        if value is _RAISED:
            error, self._raised = self._raised, None
            raise error
        return value

    poll: Any = straight.poll_straight  #: compiled: pass

    def _poll_cancel(  #: compiled: def poll_cancel(
        self, cx: Context, request: CancelRequest
    ) -> Outcome[T] | Pending:
        if self._state == _NEW:
            self.drop()
            return canceled(request.reason, ())
        if self._state != _PARKED:
            self._start(cx)  # raises: it has ended, or is being polled
        if self.request is None:
            self.request = request
            self.attention = True
        try:
            value: Any = self._step(cx)
        except _NO_CANCELLATION:
            raise
        except BaseException as exc:
            strip(exc)
            return ended_by(exc, self.request)
        if value is not _RAISED:
            return PENDING if value is PENDING else completed(value)
        error, self._raised = self._raised, None
        if type(error) is not Cancellation and isinstance(error, _NO_CANCELLATION):
            raise error
        strip(error)
        #: compiled: return ended_by(error, self.request)
        try:
            return ended_by(error, self.request)
        finally:
            del error  # since 3.12 its traceback, by the coroutine's frame, refers to this frame

    poll_cancel: Any = straight.cancel_straight  #: compiled: pass

    def drop(self) -> None:
        if self._state == _ENDED:
            return
        if self._state == _RUNNING:
            raise UsageError(f"{self!r} cannot be dropped while it is being polled")
        started, self._state = self._state != _NEW, _ENDED
        leaf, self._leaf = self._leaf, None
        errors: list[BaseException] = []
        try:
            if leaf is not None:
                leaf.drop()  # F4: the leaf first
        except BaseException as exc:
            errors.append(exc)
        if started:
            self._close(errors)
        else:
            self._coro.close()
        self._release()
        raise_all(errors)

    def __del__(self) -> None:
        if self._state == _ENDED or self._state == _RUNNING or local is None:
            return  # without `local` the interpreter exits, and has emptied this module
        if local.executor is None:
            self._swap = None  # another thread, or no loop any more: no identity to be taken on
        elif self._state == _NEW and local.executor.vigil is not None:
            local.executor.vigil.unawaited(self)
        try:
            self.drop()
        except BaseException:
            _log.warning("%r failed while it was dropped unfinished", self, exc_info=True)

    # -- driving ----------------------------------------------------------------------------------

    def _step(self, cx: Context) -> Any:
        """Enter the region and the identity, and drive (D6)."""
        if self._state != _PARKED:
            self._start(cx)
        self._state = _RUNNING
        executor = cx.executor
        seat = local.seat if executor is None else executor.seat or local.seat  #: compiled: pass
        outer = seat.region  #: compiled: outer = get_region()
        self.outer = outer
        self.cx = cx
        self.waker = cx.waker
        seat.region = self  #: compiled: set_region(self)
        swap = self._swap
        before: Any = None
        if swap is not None and executor is not None:
            if not executor.keeps:
                before = swap(self._identity)  #: compiled: before = swapped(swap, self._identity)
            else:
                if executor.identity is not self._identity:
                    executor.assume(self._identity)
                swap = None
        try:
            try:
                if self.company is not None:
                    self.drive_company(self.company, cx)
                return self._drive(cx, None, False)
            finally:
                if swap is not None:
                    swap(before)  #: compiled: put_back(swap, before)
                seat.region = outer  #: compiled: set_region(outer)
                self.outer = self.cx = None
                if self._state == _RUNNING:
                    self._state = _PARKED
                else:
                    if executor is not None and executor.identity is not None:
                        executor.resign()  # the ended one is nobody's any more
                    self._release()
        except _NO_CANCELLATION as exc:
            straight.drop_at(self, exc)
            raise

    def _drive(self, cx: Context, error: BaseException | None, absorbed: bool) -> Any:
        """Poll the leaf, resume the coroutine, and so on, until a park or the end.

        An ``error`` is what the leaf has raised, which is no more: it is thrown first. And did a
        leaf end in this step that was being canceled (``absorbed``)?
        """
        executor = cx.executor
        identity = self._identity
        keeper = None if identity is None or executor is None or not executor.keeps else executor
        coro = self._coro
        leaf = self._leaf
        value: object = None
        while True:
            if leaf is not None:
                try:
                    if self._canceling is not None:
                        outcome = leaf.poll_cancel(cx, self._canceling)
                        if outcome is PENDING:
                            return PENDING
                        value, error = self._settle(outcome)
                        if executor is not None:
                            executor.budget -= 1  # D7
                            absorbed = True
                    elif executor is not None and executor.budget <= 0:
                        if self._fresh and self.attention and not absorbed:
                            self._canceling = self._due(leaf)
                            if self._canceling is not None:
                                continue
                        executor.defer(cx.waker)  # the host looks for I/O first
                        return PENDING
                    else:
                        self._fresh = False
                        value = leaf.poll(cx)
                        if value is PENDING:
                            if self.attention:
                                self._canceling = self._due(leaf)
                                if self._canceling is not None:
                                    continue
                            return PENDING
                        if executor is not None:
                            executor.budget -= 1
                except _NO_CANCELLATION:
                    raise
                except BaseException as exc:
                    strip(exc)
                    error = exc
                    self._canceling = None
                    if executor is not None:
                        executor.budget -= 1  # D7
                self._leaf = None
            if keeper is not None and keeper.identity is not identity:
                keeper.assume(identity)  # what was polled inside had its own (D6)
            try:
                if error is None:
                    yielded = coro.send(value)  #: compiled: yielded = send(coro, value)
                else:
                    thrown, error = error, None
                    try:
                        yielded = coro.throw(thrown)  #: compiled: yielded = throw(coro, thrown)
                    finally:
                        del thrown  # its traceback refers to this frame
                #: compiled: if yielded is ENDED: self._state = _ENDED; return take_returned()
                #: compiled: if yielded is RAISED: self._raised = take_returned()
                #: compiled: if yielded is RAISED: self._state = _ENDED; return _RAISED
            except StopIteration as stop:
                self._state = _ENDED
                return stop.value
            except BaseException as exc:
                self._state = _ENDED
                self._raised = exc  # as a value: to raise it once more in each caller costs
                return _RAISED
            value = None
            try:
                known = type(yielded) in natives  #: compiled: known = False
                self._leaf = leaf = yielded if known else self._adopt(yielded, cx)
                self._fresh, yielded = True, None  # its finalizer may run code: not at the send
            except (TypeError, UsageError) as exc:
                leaf, error, yielded = None, exc, None

    def _settle(self, outcome: Outcome[Any]) -> tuple[Any, BaseException | None]:
        """Turn the outcome of the canceled leaf into what the coroutine is resumed with."""
        request, self._canceling = self._canceling, None
        assert request is not None
        if isinstance(outcome, Completed):
            return outcome.value, None  # D2: the cancellation stays due
        if isinstance(outcome, Error):
            return None, outcome.exception
        if request.foreign is not None:
            for other in outcome.also:
                attach(request.foreign, other, "while cleaning up")
            return None, request.foreign
        self.mark_delivered(request)
        #: compiled: return None, new_cancellation(Cancellation, request.reason, outcome.also)
        return None, Cancellation(request.reason, outcome.also)

    def _due(self, leaf: Future[Any]) -> CancelRequest | None:
        """Return the request to be delivered at this park: the host's world's, or ours."""
        if self._host is not None:
            exc = self._host.foreign_request(self._identity)  #: compiled: exc = asked(self)
            if exc is not None:
                request = CancelRequest(CancelReason(CancelKind.FOREIGN, str(exc) or None))
                request.foreign = exc
                return request
        due = self.due(leaf)
        if due is not None and due is self.request and self.held():
            return None
        return self.announced(due) if self.scopes else due

    def held(self) -> bool:
        host = self._host
        return host is not None and host.shielded(self._identity)  #: compiled: return held(self)

    def _adopt(self, yielded: object, cx: Context) -> Future[Any]:
        """Return the leaf for what the coroutine yielded; raise `TypeError` if it is none."""
        if isinstance(yielded, Future):
            leaf = cast("Future[object]", yielded)  #: compiled: leaf = yielded
            own = leaf._native  #: compiled: own = native(leaf)
            if own:
                natives.add(type(leaf))  #: compiled: pass
            return leaf if own else Watched(leaf)
        return adopted(self, yielded, cx.executor)

    # -- beginning and end ------------------------------------------------------------------------

    def _start(self, cx: Context) -> None:
        if self._state != _NEW:
            never_again(self, running=self._state == _RUNNING)
        self._state = _ENDED  # a coroutine that another future drives is not ours to close
        check_new(self._coro)
        self._state = _NEW
        host = None if cx.executor is None else cx.executor.host
        if host is not None and (swap := host.swap) is not None:
            cell, root, label = cx.cell, False, None
            if cell is not None and cell.future is self:
                root, label = cell.parent is None, cell.label()
            #: compiled: self._identity = identified_by(host, self, cell, label, root)
            self._identity = host.identify(self, cell, label, root)  #: compiled: pass
            self._swap = swap
            self._host = host

    def _release(self) -> None:
        """Let go of everything but the coroutine's name."""
        self._leaf = None
        self._canceling = None
        host, self._host = self._host, None
        if host is not None:
            host.retire(self._identity)  #: compiled: retire(host, self._identity)
        self._swap = None
        self.waker = None
        if self.company is not None:
            self.close_scopes()

    def _close(self, errors: list[BaseException]) -> None:
        """Close the coroutine under its identity; append what it raises."""
        outer = local.region
        self.outer = outer
        local.region = self
        swap = self._swap
        previous = swap(self._identity) if swap is not None else None
        try:
            errors += close(self._coro, self)
        finally:
            if swap is not None:
                swap(previous)
            local.region = outer
            self.outer = None
