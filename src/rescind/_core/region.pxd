from rescind._core.poll cimport Context, Future
from rescind._core.reason cimport CancelRequest


cdef class Region(Future):
    cdef public Region outer
    cdef public Context cx
    cdef public CancelRequest request

    cpdef bint delivered(self)
    cpdef bint intruded(self) except -1
    cpdef bint holds(self)
