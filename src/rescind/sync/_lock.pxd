# The lock of a section, where the core is compiled; see docs/design/0062.

cdef class Lock:
    cdef void *_gate
    cdef bint _open
    cdef int _depth
    cdef int _waiting
    cdef unsigned long _owner

    cdef int _wait(self) except -1
    cpdef bint acquire(self, bint blocking=*) except -1
    cpdef release(self)
    cdef bint mine(self) noexcept
    cdef bint begin(self) noexcept
