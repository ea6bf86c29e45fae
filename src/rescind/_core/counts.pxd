cimport cython

from rescind._core.outcome cimport Canceled, Completed, Error


cdef class Counts:
    cdef public unsigned long long absorbed
    cdef public unsigned long long canceled
    cdef public unsigned long long completed
    cdef public unsigned long long dropped
    cdef public unsigned long long failed
    cdef public unsigned long long spawned
    cdef public unsigned long long steps
    cdef public unsigned long long turns

    @cython.locals(canceled=Canceled)
    cpdef note(self, outcome, bint absorbed)
