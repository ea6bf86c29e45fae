cimport cython

from rescind._core._native cimport get_region
from rescind._core.coroutine cimport CoroutineFuture
from rescind._core.engine cimport Engine
from rescind._core.poll cimport Context, Future
from rescind._host.identity cimport Identity


cdef object PENDING


cdef class Tick(Future):
    cdef public bint _given
    cdef public unsigned long long _round
    cdef public object _waker

    @cython.locals(executor=Engine)
    cpdef poll(self, Context cx)


@cython.locals(driver=CoroutineFuture, attention=cython.bint)
cdef bint _is_canceled(region, Tick leaf) except -1
