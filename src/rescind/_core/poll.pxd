from rescind._core._native cimport Parked, has_region
from rescind._core.engine cimport Engine


cdef class Waker:
    pass


cdef class NoopWaker(Waker):
    pass


cdef class Context:
    cdef object __weakref__
    cdef public object waker
    cdef public Engine executor
    cdef public object cell
    cdef public object deadline_at

    cpdef release(self)


cdef class Future:
    cdef public bint _taken

    cpdef poll(self, Context cx)
    cpdef poll_cancel(self, Context cx, request)
    cpdef drop(self)


