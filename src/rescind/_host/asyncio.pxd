from rescind._core._native cimport get_region
from rescind._core.coroutine cimport CoroutineFuture
from rescind._core.poll cimport Context, Future
from rescind._host.identity cimport Identity
from rescind._host.ticks cimport Tick

cimport cython


cdef object PENDING
cdef object _FUTURE
cdef object _TASK
cdef object _loop_of
cdef object _is_done
cdef object _call_at_end


cdef class AsyncioHost:
    cdef object __weakref__
    cdef public object loop
    cdef public object _time
    cdef public object name
    cdef public object swap
    cdef public bint owned
    cdef public object _until

    cpdef now(self)
    cpdef adopt(self, yielded)
    cpdef foreign_request(self, identity)
    cpdef shielded(self, identity)


@cython.locals(leaf=AsyncioFuture)
cpdef adopt(yielded, loop)


cdef bint _is_stock(future) noexcept


cdef class AsyncioFuture(Future):
    cdef public bint _asked
    cdef public Context _cx
    cdef public Identity _identity
    cdef public bint _registered
    cdef public bint _told
    cdef public object future

    cdef bint _done(self) except -1
    @cython.locals(driver=CoroutineFuture)
    cdef _register(self)
    cdef _leave(self)
