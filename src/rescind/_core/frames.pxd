cdef dict _KNOWN


cpdef bint ours(frame) except -1
cpdef caller()
cpdef strip(exc)
