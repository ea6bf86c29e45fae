cimport cython

from rescind._core._native cimport flag, get_executor, get_region, is_current
from rescind._core.hooks cimport Hooks
from rescind._core.poll cimport Context, Future, Waker
from rescind._core.reason cimport CancelRequest
from rescind._core.region cimport Region


cdef Hooks hooks
cdef double _NEVER


cdef class Mask:
    cpdef opened_by(self, leaf)


cdef class ScopeStack(Region):
    cdef public object _identity
    cdef public object _swap
    cdef public tuple scopes
    cdef public int floor
    cdef public flag unwinding
    cdef public flag attention
    cdef public object waker
    cdef public object company
    cdef public object aside

    @cython.locals(seen=cython.int)
    cpdef bint intruded(self) except -1
    cpdef bint held(self)
    cpdef bint masked(self, int base, leaf)
    cpdef CancelRequest due(self, leaf)
    cpdef CancelRequest announced(self, CancelRequest request)
    cpdef mark_delivered(self, CancelRequest request)
    cpdef drive_company(self, company, Context cx)
    cpdef close_scopes(self)
    cpdef push(self, scope)
    @cython.locals(stretch=CancelScope)
    cpdef leave(self, scope)


cdef class CancelScope(Waker):
    cdef public ScopeStack stack
    cdef public CancelRequest request
    cdef public bint delivered
    cdef public int floor_before
    cdef public double at

    cpdef ScopeStack enter(self, what)
    cpdef leave(self)
    @cython.locals(stack=ScopeStack)
    cpdef cancel(self, CancelRequest request)


cpdef pending_request(leaf=*)


@cython.locals(outer=Region, cx=Context, stack=ScopeStack)
cdef bint _quiet(Region region) except -1


cpdef ScopeStack innermost(what)
