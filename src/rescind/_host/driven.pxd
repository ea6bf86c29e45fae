from rescind._core._native cimport copy_context, native
from rescind._core.cell cimport Cell
from rescind._core.executor cimport Executor
from rescind._core.hooks cimport Hooks
from rescind._core.poll cimport Future, new_context


cdef object UNSET
cdef Hooks hooks


cdef class ForeignCell(Cell):
    cdef public Executor executor
    cdef public bint kept
    cdef public bint queued
    cdef public object stock_task

    cdef _seat(self, Future future, Executor executor, task)
    cpdef begin(self)
    cpdef end(self)
