from rescind._core.poll cimport Context, Future
from rescind._core.timers cimport Timer
from rescind._host.ticks cimport Tick


cdef object PENDING


cdef class Sleep(Future):
    cdef public object _at
    cdef public object _seconds
    cdef public Timer _timer


cdef class Ready(Future):
    cdef public bint _given
    cdef public object _value


cdef class Never(Future):
    pass
