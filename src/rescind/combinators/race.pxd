cimport cython

from rescind._core.outcome cimport Canceled
from rescind._core.poll cimport Context
from rescind.combinators.children cimport Child, Children, futures_of, parent_reason
from rescind.combinators.parallel cimport Parallel


cdef class Race(Parallel):
    cdef public object _on_undelivered
    cdef public Child _winner

    cpdef bint _wins(self, outcome)
    @cython.locals(children=Children)
    cpdef _cancel_losers(self, Child winner, Context cx)
    @cython.locals(child=Child)
    cpdef _keep_failures(self, outcome)
    @cython.locals(quiet=Canceled)
    cpdef _log_failure(self, Child loser)


cdef inline Race new_race(futures, bint biased, grace, on_undelivered):
    """Make one without a call through Python."""
    cdef Race made = Race.__new__(Race)
    made._prepare(futures, biased, grace)
    made._on_undelivered = on_undelivered
    return made


cdef tuple _LOST_TO


cdef _lost_to(Child winner)


cdef class RaceOk(Race):
    pass
