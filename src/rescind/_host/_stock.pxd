# What the compiled form asks of asyncio's futures; see docs/design/0057.

cdef bint is_awaited_on(object future, object loop) except -1
cdef bint is_done(object future) except -1
cdef int call_at_end(object future, object callback) except -1
cdef int understand(object future) except -1
