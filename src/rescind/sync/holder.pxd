from rescind._core._native cimport address, get_executor, get_region
from rescind._core.cell cimport Cell
from rescind._core.engine cimport Engine
from rescind._core.region cimport Region

cimport cython


cdef class Holder:
    cdef public object branch
    cdef public size_t coroutine
    cdef public size_t frame
    cdef public object task

    cpdef bint owned_by(self, Holder here) except -1
    cpdef bint same_branch(self, Holder other) except -1


cdef inline Holder new_holder(task, branch, size_t coroutine):
    """Make one without a call through Python."""
    cdef Holder holder = Holder.__new__(Holder)
    holder.task = task
    holder.branch = branch
    holder.coroutine = coroutine
    return holder


@cython.locals(region=Region, executor=Engine, cell=Cell)
cpdef Holder holder_here()


@cython.locals(region=Region, executor=Engine, intruded=cython.bint)
cpdef bint held_here(Holder holder) except -1


cdef size_t _coroutine(Region region) except? 0
