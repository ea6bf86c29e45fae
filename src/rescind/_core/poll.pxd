from rescind._core._native cimport has_region, is_new, parked_on
from rescind._core.engine cimport Engine
from rescind._core.outcome cimport canceled
from rescind._core.port cimport adopted_by
from rescind._core.reason cimport CancelRequest


cdef class Waker:
    pass


cdef class NoopWaker(Waker):
    pass


cdef class Context:
    cdef public object waker
    cdef public Engine executor
    cdef public object cell
    cdef public object deadline_at

    cpdef release(self)


cdef class Future:
    cdef public bint _taken

    cpdef poll(self, Context cx)
    cpdef poll_cancel(self, Context cx, CancelRequest request)
    cpdef drop(self)


cdef inline Context new_context(waker, Engine executor, cell, deadline_at):
    """Make one without a call through Python."""
    cdef Context cx = Context.__new__(Context)
    cx.waker = waker
    cx.executor = executor
    cx.cell = cell
    cx.deadline_at = deadline_at
    return cx


cpdef check_new(coro)
cpdef adopted(driver, yielded, Engine executor)
cpdef Future take(Future future, what)
