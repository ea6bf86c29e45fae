from rescind._core.poll cimport Context, Future


cdef class Region(Future):
    cdef public Region outer
    cdef public Context cx
    cdef public object request

    cpdef bint delivered(self)
    cpdef bint holds(self)
