cimport cython

from rescind._core.cell cimport Cell
from rescind._core.engine cimport Engine


cdef class ForeignCell(Cell):
    cdef public object executor
    cdef public bint kept
    cdef public bint queued
    cdef public object stock_task

    @cython.locals(executor=Engine)
    cpdef begin(self)
    @cython.locals(executor=Engine)
    cpdef end(self)
