from rescind._core._native cimport get_ident
from rescind._core.cell cimport Cell
from rescind._core.engine cimport Engine
from rescind._core.poll cimport Context, Future
from rescind._core.waitlist cimport Waiter, WaitList


cdef object PENDING
cdef class Task(Cell):
    cdef public bint _detached
    cdef public Engine _executor
    cdef public WaitList _joiners
    cdef public object _name
    cdef public bint _observed
    cdef public object _on_end
    cdef public object _tb
    cdef public object created_at
    cdef public object id

    cpdef outcome(self)
    cpdef joiners(self)
    cpdef unwrap(self)
    cdef _report_unseen(self)


cdef class Join(Future):
    cdef public bint _given
    cdef public Task _task
    cdef public Waiter _waiter


cdef class JoinValue(Future):
    cdef public Join _join
    cdef public Task _task
