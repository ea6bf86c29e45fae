cimport cython

from rescind._core._native cimport get_ident, named as _named
from rescind._core.executor cimport Executor
from rescind._core.task cimport Task
from rescind._core.timers cimport Timer
from rescind.testing.lab.due cimport Due, LabTimers
from rescind.testing.lab.host cimport LabHost
from rescind.testing.lab.places cimport place_of_park
from rescind.testing.lab.task cimport LabTask


cdef class LabExecutor(Executor):
    cdef public list decisions
    cdef public list made
    cdef public object outermost
    cdef public list passed
    cdef public set reached
    cdef public object recorder
    cdef public long long taken
    cdef public object _concerned
    cdef list _due
    cdef int _event
    cdef object _kinds
    cdef object _late
    cdef object _max_steps
    cdef list _order
    cdef object _outside
    cdef object _schedule
    cdef object _strikes

    @cython.locals(order=list, due=list, count=cython.int, index=cython.int)
    cpdef bint advance(self) except -1
    cdef _step(self, LabTask task)
    cdef _note_place(self, LabTask task)
    @cython.locals(kinds=dict)
    cdef _pass(self, LabTask task, instant)
    cdef bint _begin_turn(self) except -1
    @cython.locals(timers=LabTimers)
    cdef _find_due(self)
    cdef _fire(self, Timer timer)
