from rescind._core.poll cimport Context
from rescind.combinators.children cimport Child
from rescind.combinators.parallel cimport Parallel


cdef class JoinAll(Parallel):
    cdef public Child _failed


cdef class Outcomes(Parallel):
    pass
