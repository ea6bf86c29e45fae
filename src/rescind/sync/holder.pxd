from rescind._core._native cimport get_executor, get_region, is_current
from rescind._core.cell cimport Cell
from rescind._core.coroutine cimport CoroutineFuture
from rescind._core.engine cimport Engine
from rescind._core.region cimport Region

cimport cython


cdef class Holder:
    cdef public object branch
    cdef public object coroutine
    cdef public object frame
    cdef public object task

    cpdef bint owned_by(self, Holder here) except -1
    cpdef bint same_branch(self, Holder other) except -1


cdef inline Holder new_holder(task, branch, coroutine):
    """Make one without a call through Python."""
    cdef Holder holder = Holder.__new__(Holder)
    holder.task = task
    holder.branch = branch
    holder.coroutine = coroutine
    return holder


@cython.locals(region=Region, executor=Engine, cell=Cell)
cpdef Holder holder_here()


@cython.locals(driver=CoroutineFuture, seen=cython.int)
cdef bint _intruded(Region region) except -1


cdef _coroutine(Region region)
