cimport cython

from rescind._core.coroutine cimport CoroutineFuture
from rescind._core.hooks cimport Observer


cdef class Steps(Observer):
    cdef object _append
    cdef object _clock
    cdef object _events
    cdef object _full
    cdef dict _ids
    cdef Py_ssize_t _mark
    cdef object _number
