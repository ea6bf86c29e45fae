cimport cython

from rescind._core._native cimport entered, get_executor
from rescind._core.engine cimport Engine
from rescind._core.frames cimport caller
from rescind._core.grace cimport checked_seconds
from rescind._core.poll cimport Context
from rescind._core.reason cimport CancelReason, called, new_reason, new_request
from rescind._core.scope cimport CancelScope, ScopeStack
from rescind._core.timers cimport Timer


cdef double _NEVER
cdef object LEFT
cdef object _DEADLINE


cdef class Deadline(CancelScope):
    cdef public double _seconds
    cdef public object _task
    cdef public Timer _timer
    cdef public object _where

    @cython.locals(cx=Context, executor=Engine)
    cpdef _set_timer(self, ScopeStack stack, double seconds)


cdef inline Deadline new_deadline(seconds):
    """Make one without a call through Python."""
    cdef Deadline deadline = Deadline.__new__(Deadline)
    deadline.at = _NEVER
    deadline._seconds = checked_seconds(seconds, "the deadline")
    return deadline
