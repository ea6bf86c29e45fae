# What the compiled form asks of asyncio's futures; see docs/design/0057.

from rescind._core.poll cimport Future


cdef bint is_awaited_on(object future, object loop) except -1
cdef bint is_done(object future) except -1
cdef int call_at_end(object future, object callback) except -1
cdef int understand(object future) except -1


cdef class Callback(Future):
    cdef void *_vectorcall

    cpdef tell(self)


cdef object called_directly(Callback self, void *arguments, size_t count, void *names)


cdef inline int begun(Callback leaf) except -1:
    """Say that a leaf is taken, and how it is called."""
    leaf._taken = True
    leaf._vectorcall = <void *>called_directly
    return 0
