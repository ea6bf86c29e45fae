cimport cython

from rescind._core._native cimport copy_context, enter, flag, get_ident, leave, native
from rescind._core.coroutine cimport CoroutineFuture
from rescind._core.ending cimport ended_by
from rescind._core.frames cimport strip
from rescind._core.hooks cimport Hooks
from rescind._core.outcome cimport Canceled, Completed, Error, completed
from rescind._core.poll cimport Context, Future, Waker, new_context
from rescind._core.reason cimport CancelRequest


cdef object PENDING
cdef object UNSET
cdef Hooks hooks
cdef int[15] _ON_WAKE
cdef int[15] _ON_START
cdef int[15] _ON_PENDING
cdef int[15] _ON_REQUEST
cdef int[15] _ON_EXPIRE
cdef int[15] _ON_END
cdef int[15] _ON_QUEUE
cdef int[15] _ON_POLL
cdef int[15] _ON_REST
cdef object _REQUEST
cdef object _EXPIRE
cdef object _END
cdef int _NEXT
cdef int _SHIFT
cdef int _NOTHING
cdef int _ENQUEUE
cdef int _DROP
cdef int _DOOMED
cdef int _DROPPING
cdef int _DONE


cdef class Cell(Waker):
    cdef object __weakref__
    cdef public object _grace_timer
    cdef public object context
    cdef public Context cx
    cdef public object dependents
    cdef public object ended
    cdef public Future future
    cdef public object grace
    cdef public Cell parent
    cdef public CancelRequest request
    cdef public unsigned char _phase
    cdef public flag _graced
    cdef public flag absorbed
    cdef public flag lost
    cdef public flag overran
    cdef public flag started

    cpdef label(self)
    cpdef _task_id(self)
    cpdef _enqueue(self)
    cpdef _ended(self, outcome)
    cpdef wake(self)
    @cython.locals(phase=cython.int)
    cpdef wake_here(self)
    @cython.locals(phase=cython.int, future=Future)
    cpdef step(self)
    @cython.locals(entry=cython.int, action=cython.int, future=Future, request=CancelRequest)
    cdef _step_on(self)
    @cython.locals(entry=cython.int, action=cython.int)
    cdef _rest(self)
    cdef _raised_by(self, exc, CancelRequest request)
    @cython.locals(cell=Cell)
    cpdef effective_grace(self)
    cpdef ask(self, CancelRequest request)
    cpdef arm_grace(self)
    cpdef expire(self)
    cpdef drop_now(self, CancelRequest request)
    cdef _drop(self)
    cpdef _interrupted(self, exc)
    cdef _apply(self, int entry, event)
    cdef _finish(self, outcome)


cdef inline wake_up(waker):
    """Wake; what wakes is a cell nearly always, which needs no call through Python."""
    if isinstance(waker, Cell):
        (<Cell>waker).wake()
    else:
        waker.wake()
