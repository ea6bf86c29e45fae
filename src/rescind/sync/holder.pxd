from rescind._core._native cimport get_region
from rescind._core.coroutine cimport CoroutineFuture
from rescind._core.region cimport Region

cimport cython


cdef class Holder:
    cdef public object branch
    cdef public object coroutine
    cdef public object frame
    cdef public object task

    cpdef bint owned_by(self, Holder here) except -1
    cpdef bint same_branch(self, Holder other) except -1


@cython.locals(region=Region)
cpdef Holder holder_here()


cdef _coroutine(Region region)
