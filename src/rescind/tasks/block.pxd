cimport cython

from rescind._core.cell cimport Cell
from rescind._core.poll cimport Context
from rescind._core.region cimport Region
from rescind._core.scope cimport CancelScope, ScopeStack


cdef class Parent:
    cpdef surrounded(self, request)
    cpdef orphaned(self)


cdef class OwnBlock(CancelScope):
    cdef public list _cells
    cdef public int _depth
    cdef public Parent _parent
    cdef public int _reach
    cdef public list _regions
    cdef public bint _sheltered

    @cython.locals(stack=ScopeStack, cx=Context, cell=Cell, region=Region, inside=Cell, told_by=Cell)
    cpdef begin(self)
    @cython.locals(stack=ScopeStack, region=Region)
    cpdef bint _held(self, Cell cell) except -1


cpdef sooner(one, other)
