cimport cython

from rescind._core.poll cimport Context
from rescind.combinators.children cimport Child, Children, parent_reason
from rescind.combinators.parallel cimport Parallel


cdef class Race(Parallel):
    cdef public object _on_undelivered
    cdef public Child _winner

    cpdef bint _wins(self, outcome)
    @cython.locals(children=Children)
    cpdef _cancel_losers(self, Child winner, Context cx)
    @cython.locals(child=Child)
    cpdef _keep_failures(self, outcome)


cdef tuple _LOST_TO


cdef _lost_to(Child winner)


cdef class RaceOk(Race):
    pass
