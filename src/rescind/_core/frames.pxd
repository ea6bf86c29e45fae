cdef dict _KNOWN


cpdef bint ours(frame) except -1
cpdef tuple opened(awaitable)
cpdef caller()
cpdef strip(exc)
