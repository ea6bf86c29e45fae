# What the compiled form takes from C instead of Python; see docs/design/0057.

cdef bint has_region() noexcept
cdef object get_region()
cdef int set_region(object region) except -1
cdef object get_executor()
cdef int set_executor(object executor) except -1
cdef unsigned long get_ident() noexcept
cdef double monotonic() except -1
cdef int enter(object context) except -1
cdef int leave(object context) except -1
cdef object send(object coroutine, object value)
cdef object take_returned()
cdef object named(object kind, tuple values)
cdef object ENDED
cdef object swapped(object swap, object identity)


cdef class Exchange:
    cdef dict _current
    cdef object _loop


cdef class Parked:
    cdef object future
    cdef object elsewhere
    cdef object inner
    cdef int state
