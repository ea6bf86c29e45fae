cimport cython

from rescind._core._native cimport get_region
from rescind._core.cell cimport Cell
from rescind._core.coroutine cimport CoroutineFuture
from rescind._core.engine cimport Engine
from rescind._core.frames cimport opened
from rescind._core.hooks cimport Observer
from rescind._core.region cimport Region
from rescind.trace._ring cimport Ring as FlatRing


cdef class Steps(Observer):
    cdef dict _ids
    cdef object _number
    cdef FlatRing _ring


    @cython.locals(known=cython.longlong)
    cdef long long _number_of(self, Cell cell) except -1


@cython.locals(region=Region, executor=Engine)
cdef object _maker(Cell cell)
@cython.locals(driver=CoroutineFuture)
cdef bint _yields(Cell cell) except -1
