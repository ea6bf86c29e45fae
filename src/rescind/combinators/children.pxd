cimport cython

from rescind._core._native cimport get_region
from rescind._core.cell cimport Cell
from rescind._core.coroutine cimport CoroutineFuture
from rescind._core.engine cimport Engine
from rescind._core.poll cimport Context, Future


cdef class Owner:
    pass


cdef class Child(Cell):
    cdef public object _owner
    cdef public Py_ssize_t index
    cdef public object key


cdef class Children(Owner):
    cdef public object _ended
    cdef public Py_ssize_t _forwarded
    cdef public object _ready
    cdef public Py_ssize_t _round
    cdef public bint _stepping
    cdef public object _waker
    cdef public Py_ssize_t alive
    cdef public bint biased
    cdef public list cells
    cdef public object grace
