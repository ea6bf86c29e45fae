cimport cython

from rescind._core._native cimport get_executor
from rescind._core.engine cimport Engine
from rescind._core.executor cimport Executor
from rescind._core.into cimport as_future
from rescind._core.poll cimport Context, Future


cdef object PENDING


cpdef Executor here(what)


cdef class SelfCancel(Future):
    cdef public bint _asked
    cdef public bint _given
    cdef public bint _parked
    cdef public object _reason
