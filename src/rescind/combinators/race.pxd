from rescind._core.poll cimport Context
from rescind.combinators.children cimport Child, Children
from rescind.combinators.parallel cimport Parallel


cdef class Race(Parallel):
    cdef public object _on_undelivered
    cdef public Child _winner

    cpdef bint _wins(self, outcome)


cdef class RaceOk(Race):
    pass
