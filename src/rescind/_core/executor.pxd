cimport cython

from rescind._core._native cimport CLOCK, Fifo, get_executor, get_ident, monotonic, put, set_executor, taken
from rescind._core.cell cimport Cell
from rescind._core.cell cimport wake_up
from rescind._core.engine cimport Engine
from rescind._core.poll cimport Future
from rescind._core.port cimport soon
from rescind._core.counts cimport Counts
from rescind._core.task cimport Task, new_task
from rescind._core.timers cimport Timers
from rescind._core.vigil cimport Vigil, clock


cdef class Executor(Engine):
    cdef public object _clock
    cdef public object grace
    cdef public object name
    cdef public dict tasks
    cdef public list abandoned
    cdef public object closed
    cdef public bint stopped
    cdef public set _posted
    cdef public object _owner
    cdef public object resources
    cdef public int outside
    cdef public list overruns
    cdef public object on_forget
    cdef public object on_cleanup
    cdef public Vigil vigil
    cdef public int _budget
    cdef public Fifo _ready
    cdef public list _deferred
    cdef public object _inbox
    cdef public Timers _timers
    cdef public bint _turning
    cdef public object _soon
    cdef public object _alarm
    cdef public double _alarm_at
    cdef public Counts _counts

    cpdef now(self)
    @cython.locals(task=Task)
    cpdef spawn(self, Future future, name=*, grace=*, context=*, bint cleanup=*)
    cpdef admit(self, Task task, bint cleanup=*)
    cpdef add_timer(self, double at, waker)
    @cython.locals(steps=cython.int, round_ends=cython.int, most=cython.int, task=Task, began=cython.double, took=cython.double, counts=Counts, ready=Fifo)
    cpdef turn(self)
    cpdef wake_directly(self, waker)
    cpdef _collect(self)
    @cython.locals(own=Task, vigil=Vigil)
    cpdef forget(self, task, outcome)
    cpdef rouse(self)
    cpdef _arm(self)


cdef inline time_of(clock):
    """``clock()``; the one that hosts have nearly always is read without a call through Python."""
    return monotonic() if clock is CLOCK else clock()


cdef inline int ask(Executor executor) except -1:
    """Ask the host for the next turn."""
    executor._soon = soon(executor.host, executor._on_soon)
    return 0
