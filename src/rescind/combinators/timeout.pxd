cimport cython

from rescind._core.deadline cimport new_deadline
from rescind._core.engine cimport Engine
from rescind._core.poll cimport Context, Future
from rescind._core.reason cimport CancelRequest
from rescind._core.timers cimport Timer


cdef object PENDING
cdef double _NEVER


cdef class Timeout(Future):
    cdef public double _at
    cdef public Context _cx
    cdef public bint _given
    cdef public object _grace
    cdef public object _on_overrun
    cdef public CancelRequest _request
    cdef public double _seconds
    cdef public Timer _timer
    cdef public Future inner

    @cython.locals(executor=Engine, inner_cx=Context, at=double)
    cdef Context _enter(self, Context cx)
    cdef _stop_timer(self)
    cdef _end(self)
