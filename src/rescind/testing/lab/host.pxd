from rescind._core.poll cimport Context, Future


cdef class LabHost:
    cdef public double time
    cdef object _outside


cdef class _Refused(Future):
    cdef object _outside
    cdef object _what
