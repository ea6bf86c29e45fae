from rescind._core.outcome cimport Completed
from rescind._core.poll cimport Context
from rescind.combinators.children cimport Child
from rescind.combinators.parallel cimport Parallel


cdef class JoinAll(Parallel):
    cdef public Child _failed

    cpdef _values(self)


cdef inline tuple values_of(list cells):
    """Return the values of children that have all completed."""
    cdef Child child
    values = []
    for child in cells:
        values.append((<Completed?>child.ended).value)
    return tuple(values)


cdef class Outcomes(Parallel):
    pass
