from rescind._core._native cimport get_region
from rescind._core.coroutine cimport CoroutineFuture
from rescind._core.poll cimport Context, Future
from rescind._host.identity cimport Identity
from rescind._host.ticks cimport Tick


cdef object PENDING


cdef class AsyncioFuture(Future):
    cdef public bint _asked
    cdef public Context _cx
    cdef public bint _registered
    cdef public bint _told
    cdef public object future

    cdef _register(self, future)
    cdef _leave(self)
