cimport cython

from rescind._core._native cimport get_region
from rescind._core.coroutine cimport CoroutineFuture
from rescind._core.engine cimport Engine
from rescind._core.poll cimport Context, Future
from rescind._core.scope cimport pending_request
from rescind._host.identity cimport Identity


cdef object PENDING
cdef object _GIVEN


cdef class Tick(Future):
    cdef public unsigned long long _round
    cdef public object _waker

    @cython.locals(executor=Engine)
    cpdef poll(self, Context cx)


cdef class Queue:
    cdef public object loop
    cdef public Py_ssize_t length
    cdef public bint calling
    cdef public list rested

    cpdef wake(self, Engine executor, waker)
    cdef _resume(self)


cdef class LoopTick(Tick):
    cdef public Context _cx
    cdef public Queue _queue
    cdef public bint _told


cdef inline LoopTick tick_in(Queue queue):
    """Return the leaf for a bare yield on a loop, without a call through Python."""
    cdef LoopTick leaf = LoopTick.__new__(LoopTick)
    leaf._queue = queue
    return leaf


@cython.locals(driver=CoroutineFuture, attention=cython.bint)
cdef bint _is_canceled(region, Tick leaf) except -1
