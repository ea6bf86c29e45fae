cimport cython

from rescind._core._native cimport frame_code, frame_lasti
from rescind._core.coroutine cimport CoroutineFuture


cdef class Place:
    cdef public object code
    cdef public object file
    cdef public object function
    cdef public object key
    cdef public object line
    cdef public object offset


@cython.locals(driver=CoroutineFuture)
cpdef place_of_park(future)
cdef _inside(future)
cdef _innermost(coro, outer)
