cimport cython

from rescind._core.outcome cimport canceled
from rescind._core.poll cimport Context, Future
from rescind.combinators.children cimport Child, Children, new_children


cdef object PENDING


cdef class Parallel(Future):
    cdef public Children _children
    cdef public tuple _futures
    cdef public bint _given

    cpdef _prepare(self, futures, bint biased, grace)
    cpdef _child_ended(self, Child child, Context cx)
    cpdef _result(self)
    cpdef _despite(self)
    cpdef _forget(self)
    @cython.locals(children=Children)
    cpdef poll(self, Context cx)
    @cython.locals(child=Child)
    cpdef _advance(self, Children children, Context cx)
